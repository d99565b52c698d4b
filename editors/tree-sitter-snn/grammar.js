/**
 * The grammar of .snn files for editors. The language's own grammar is grammar/snn.pest; this one accepts what that one accepts, and
 * `cargo test --test editors` holds it to every shipped model.
 *
 * Line breaks. A line break ends a declaration or a statement unless the next line begins with something that only continues one (an operator,
 * `via`, `then`, a closing bracket …). src/scanner.c looks ahead and gives a `_newline` only where one ends something.
 */

const PREC = { or: 1, and: 2, not: 3, compare: 4, range: 5, sum: 6, product: 7, unary: 8, power: 9, postfix: 10 };

const list1 = (rule, sep) => seq(rule, repeat(seq(sep, rule)));
const list = (rule, sep) => optional(list1(rule, sep));

module.exports = grammar({
  name: "snn",

  externals: ($) => [$._newline],
  extras: ($) => [/\s/, $.comment, $.doc_comment],
  word: ($) => $.identifier,
  conflicts: ($) => [[$._expression, $.bounds]],

  rules: {
    source_file: ($) => seq(optional($._sep), optional(seq(list1($._item, $._sep), optional($._sep)))),

    _sep: ($) => repeat1(choice($._newline, ";")),

    _item: ($) =>
      choice(
        $.import, $.simulation, $.const, $.param, $.let, $.function, $.data, $.neuron, $.synapse, $.population, $.connect,
        $.kernel, $.readout, $.record, $.procedure, $.experiment, $.test, $.unroll, $.allow,
      ),

    import: ($) => seq("import", $.string, optional(seq("as", field("name", $.identifier)))),
    simulation: ($) => seq("simulation", "{", optional($._sep), optional(seq(list1($.assignment, $._sep), optional($._sep))), "}"),
    const: ($) => seq("const", $._bindings),
    param: ($) => seq("param", $._bindings),
    _bindings: ($) => list1($.binding, ","),
    binding: ($) =>
      seq(
        field("name", $.identifier),
        optional(seq(":", field("type", $.type))),
        optional(seq("=", field("value", $._expression))),
        optional($.bounds),
      ),
    bounds: ($) => prec.dynamic(1, seq("in", $.list)),
    type: ($) =>
      choice("int", "bool", seq(choice($.type_one, $.unit), repeat(seq(choice("*", "/"), choice($.unit, seq("(", $.type, ")")))))),
    type_one: () => "1",
    let: ($) =>
      seq("let", field("name", $.identifier), optional(seq(":", $.type)), "=", field("value", $._expression), optional($.where)),
    function: ($) =>
      seq("fn", field("name", $.identifier), "(", list($.parameter, ","), ")", "=", field("body", $._expression)),
    parameter: ($) => seq(field("name", $.identifier), optional(seq(":", $.type))),
    data: ($) => seq("data", field("name", $.identifier), "=", field("value", $._expression)),
    // `cells.Cell` of a file that is imported under a name.
    qualified: ($) => seq($.identifier, repeat1(seq(token.immediate("."), $.identifier))),
    model: ($) => seq(field("name", choice($.identifier, $.qualified)), optional($.arguments)),
    population: ($) => seq("population", field("name", $.identifier), optional($.index), ":", field("model", $.model)),
    connect: ($) =>
      seq(
        "connect",
        optional(seq(field("name", $.identifier), ":")),
        field("source", choice($.path, $.source_call)),
        "->",
        field("target", $.path),
        repeat(choice($.via, $.where, $.with, $.through)),
      ),
    source_call: ($) => seq(field("name", $.identifier), $.arguments),
    via: ($) => seq("via", $.model),
    where: ($) => seq("where", $._expression),
    with: ($) => seq("with", $.model),
    through: ($) => seq("through", choice($.identifier, $.qualified)),
    kernel: ($) =>
      seq("kernel", field("name", $.identifier), "(", $.identifier, ")", "=", $._expression, "over", $._expression),
    readout: ($) => seq("readout", field("name", $.identifier), ":", $.model),
    record: ($) =>
      prec.right(
        seq(
          "record",
          list1($._expression, ","),
          optional(seq("every", $._expression)),
          optional(seq("to", $.string)),
        ),
      ),
    procedure: ($) => seq("procedure", field("name", $.identifier), "(", list($.identifier, ","), ")", $.block),
    experiment: ($) => seq("experiment", field("name", $.identifier), $.block),
    test: ($) => seq("test", $.string, $.block),
    allow: ($) => seq("allow", list1(field("code", $.identifier), ","), field("reason", $.string)),
    unroll: ($) =>
      seq(
        "for", field("variable", $.identifier), "in", $._expression,
        "{", optional($._sep), optional(seq(list1($._item, $._sep), optional($._sep))), "}",
      ),

    neuron: ($) => seq("neuron", field("name", $.identifier), $.model_body),
    synapse: ($) => seq("synapse", field("name", $.identifier), $.model_body),
    model_body: ($) => seq("{", optional($._sep), optional(seq(list1($._model_item, $._sep), optional($._sep))), "}"),
    _model_item: ($) =>
      choice(
        $.param, $.state, $.weight, $.learned, $.input, $.let, $.spike, $.event, $.on, $.every, $.refractory, $.method, $.inject,
        $.allow, $.equation,
      ),
    state: ($) => seq("state", $._bindings),
    weight: ($) => seq("weight", $._bindings),
    learned: ($) => seq("learned", $._bindings),
    input: ($) => seq("input", $._bindings),
    spike: ($) =>
      seq("spike", choice(seq("when", $._condition), seq("with", "rate", $._expression)), optional(seq("surrogate", $.model))),
    event: ($) => seq("event", field("name", $.identifier), "when", $._condition),
    _condition: ($) => seq($._expression, optional(seq("crosses", $._expression))),
    on: ($) => seq("on", field("event", $.identifier), $.block),
    every: ($) => seq("every", $._expression, $.block),
    refractory: ($) => seq("refractory", $._expression, optional(seq("hold", list1($.identifier, ",")))),
    method: ($) => seq("method", $.model),
    equation: ($) =>
      seq(optional(seq(field("factor", $._expression), "*")), field("left", $.derivative), "=", field("right", $._expression)),
    // One token, so that `dv/dt` in an equation is no quotient.
    derivative: () => token(prec(2, /d[A-Za-z_][A-Za-z0-9_]*\/dt/)),

    block: ($) => seq("{", optional($._sep), optional(seq(list1($._statement, $._sep), optional($._sep))), "}"),
    _statement: ($) =>
      choice(
        $.if, $.for, $.while, $.repeat, $.run, $.minimize, $.expect, $.return, $.break, $.record, $.deliver, $.inject, $.let,
        $.allow, $.assignment, $.call_statement,
      ),
    if: ($) => seq("if", field("condition", $._expression), $.block, optional(seq("else", choice($.if, $.block)))),
    for: ($) =>
      seq(
        "for", field("variable", $.identifier), "in", field("range", $._expression),
        repeat(choice(seq("batch", $._expression), seq("epochs", $._expression))),
        $.block,
      ),
    while: ($) => seq("while", $._expression, $.block),
    repeat: ($) => seq("repeat", $.block, "until", $._expression),
    run: ($) => seq("run", $._expression),
    minimize: ($) => seq("minimize", $._expression, "over", list1($.path, ","), "by", $.model),
    expect: ($) => seq("expect", $._expression),
    return: ($) => seq("return", optional($._expression)),
    break: () => "break",
    deliver: ($) => seq("deliver", $._expression, optional(seq("to", $.identifier))),
    inject: ($) => seq("inject", $._expression),
    assignment: ($) => seq(field("left", $.path), choice("=", "+=", "-=", "*=", "/="), field("right", $._expression)),
    // `print(x)`, and `X.play(times)` or a procedure of an imported file.
    call_statement: ($) =>
      choice(
        prec(1, seq(field("function", $.identifier), $.arguments)),
        seq(field("function", $.path), $.arguments),
      ),

    _expression: ($) =>
      choice(
        $.conditional, $.binary, $.unary, $.range, $.call, $.subscript, $.member, $.parenthesized, $.list, $.quantity, $.string,
        $.true, $.false, $.identifier,
      ),
    conditional: ($) =>
      prec.right(seq("if", $._expression, "then", $._expression, "else", $._expression)),
    binary: ($) =>
      choice(
        ...[
          ["or", PREC.or], ["and", PREC.and], ["in", PREC.compare],
          ["==", PREC.compare], ["!=", PREC.compare], ["<=", PREC.compare], [">=", PREC.compare], ["<", PREC.compare], [">", PREC.compare],
          ["+", PREC.sum], ["-", PREC.sum], ["*", PREC.product], ["/", PREC.product], ["%", PREC.product],
        ].map(([sign, level]) =>
          prec.left(level, seq(field("left", $._expression), field("operator", sign), field("right", $._expression))),
        ),
        prec.right(PREC.power, seq(field("left", $._expression), field("operator", "^"), field("right", $._expression))),
      ),
    unary: ($) =>
      choice(prec(PREC.unary, seq(choice("-", "+"), $._expression)), prec(PREC.not, seq("not", $._expression))),
    range: ($) =>
      choice(
        prec.right(PREC.range, seq($._expression, "..", optional($._expression))),
        prec.right(PREC.range, seq("..", optional($._expression))),
      ),
    call: ($) => prec(PREC.postfix, seq(field("function", $._expression), $.arguments)),
    subscript: ($) => prec(PREC.postfix, seq($._expression, $.index)),
    member: ($) => prec(PREC.postfix, seq($._expression, ".", field("name", $.identifier))),
    parenthesized: ($) => seq("(", $._expression, ")"),
    list: ($) => seq("[", list($._expression, ","), optional(","), "]"),
    arguments: ($) => seq("(", optional(seq(list1($.argument, ","), optional(","))), ")"),
    argument: ($) =>
      seq(optional(seq(field("name", choice($.identifier, "to")), "=")), field("value", $._expression), optional(seq("over", $.identifier))),
    index: ($) => seq("[", list1($._expression, ","), "]"),
    path: ($) => seq($.identifier, repeat(choice($.index, seq(".", field("name", $.identifier))))),

    quantity: ($) => prec.right(seq($.number, optional($.unit))),
    number: () => /[0-9](_?[0-9])*(\.[0-9](_?[0-9])*)?([eE][+-]?[0-9](_?[0-9])*)?/,
    unit: ($) => prec.right(seq($.identifier, optional($.exponent))),
    exponent: () => token.immediate(/\^-?[0-9]+(\.[0-9]+)?/),
    string: () => /"[^"\n]*"/,
    true: () => "true",
    false: () => "false",
    identifier: () => /[A-Za-z_][A-Za-z0-9_]*/,
    comment: () => token(seq("#", /[^\n]*/)),
    doc_comment: () => token(prec(1, seq("##", optional(/[^#\n][^\n]*/)))),
  },
});
