//! The parser against the shipped models, the shapes of trees, faults and hostile text.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use snnc::diag::{Code, Diagnostic};
use snnc::source::FileId;
use snnc::syntax::ast::{self, *};
use snnc::syntax::{self, Known, split_items};

fn programs() -> Vec<(String, String)> {
    let mut out = Vec::new();
    for dir in ["models", "tests/fixtures"] {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "snn") {
                out.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    out.sort();
    assert!(out.len() >= 10, "the models are there");
    out
}

/// Runs a parse as the program does: with the stack that `main` gives the passes. Code without optimisation needs several megabytes for what
/// is nested as deeply as it may be.
fn on_large_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(256 << 20).spawn_scoped(scope, run).unwrap();
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn parse(id: FileId, text: &str) -> (ast::File, Vec<Diagnostic>) {
    on_large_stack(|| syntax::parse(id, text))
}

fn parse_again(id: FileId, text: &str, known: &mut Known) -> (ast::File, Vec<Diagnostic>) {
    let (file, faults) = on_large_stack(|| syntax::parse_again(id, text, known));
    known.keep(text.into(), file.clone());
    (file, faults)
}

fn clean(text: &str) -> ast::File {
    let (file, faults) = parse(FileId(0), text);
    assert!(faults.is_empty(), "{text}\n{faults:#?}");
    file
}

fn faults(text: &str) -> Vec<Diagnostic> {
    parse(FileId(0), text).1
}

fn codes(text: &str) -> Vec<Code> {
    faults(text).iter().map(|d| d.code).collect()
}

/// The text that the primary label underlines.
fn pointed<'t>(text: &'t str, fault: &Diagnostic) -> &'t str {
    &text[fault.primary.as_ref().unwrap().span.range()]
}

/// An expression with all its structure in round brackets: `(a + (b * c))`. Written brackets are `<…>`.
fn shape(e: &Expr) -> String {
    let list = |items: &[Expr]| items.iter().map(shape).collect::<Vec<_>>().join(", ");
    match &e.kind {
        ExprKind::Number { value, is_int, unit } => {
            let unit = unit.as_ref().map_or(String::new(), |u| {
                format!(" {}{}", u.name, u.exponent.as_ref().map_or(String::new(), |e| format!("^{e}")))
            });
            if *is_int { format!("{value}i") } else { format!("{value}{unit}") }
        }
        ExprKind::Str(s) => format!("{s:?}"),
        ExprKind::Bool(b) => b.to_string(),
        ExprKind::List(items) => format!("[{}]", list(items)),
        ExprKind::Name(n) => n.clone(),
        ExprKind::Unary { op, operand, .. } => format!("({op:?} {})", shape(operand)),
        ExprKind::Binary { op, left, right, .. } => format!("({} {op:?} {})", shape(left), shape(right)),
        ExprKind::Range { start, end } => {
            let end_of = |e: &Option<Box<Expr>>| e.as_ref().map_or(String::new(), |e| shape(e));
            format!("({}..{})", end_of(start), end_of(end))
        }
        ExprKind::If { cond, then, els } => format!("(if {} then {} else {})", shape(cond), shape(then), shape(els)),
        ExprKind::Call { callee, args } => {
            let arg = |a: &Arg| {
                let name = a.name.as_ref().map_or(String::new(), |n| format!("{}=", n.node));
                let over = a.over.as_ref().map_or(String::new(), |o| format!(" over {}", o.node));
                format!("{name}{}{over}", shape(&a.value))
            };
            format!("{}({})", shape(callee), args.iter().map(arg).collect::<Vec<_>>().join(", "))
        }
        ExprKind::Index { base, index } => format!("{}[{}]", shape(base), list(&index.items)),
        ExprKind::Member { base, member } => format!("{}.{}", shape(base), member.node),
        ExprKind::Paren(inner) => format!("<{}>", shape(inner)),
        ExprKind::Error => "?".into(),
    }
}

#[track_caller]
fn check_shape(expr: &str, expected: &str) {
    let file = clean(&format!("let x = {expr}"));
    let ItemKind::Let(l) = &file.items[0].kind else { panic!("{file:#?}") };
    assert_eq!(shape(&l.value), expected, "{expr}");
    assert_eq!(file.items.len(), 1);
    assert_eq!(l.value.span.range(), 8..8 + expr.len(), "the span of {expr}");
}

#[test]
fn every_program_parses_without_a_diagnostic() {
    for (name, text) in programs() {
        let file = clean(&text);
        assert!(!file.items.is_empty(), "{name}");
        assert_eq!(file.items.len(), split_items(&text).len(), "{name}");
        assert!(!file.items.iter().any(|i| matches!(i.kind, ItemKind::Error { .. })), "{name}");
    }
}

#[test]
fn line_ends_tabs_and_byte_order_marks_change_nothing() {
    for (name, text) in programs() {
        let items = clean(&text).items.len();
        for other in [text.replace('\n', "\r\n"), text.replace("  ", "\t"), format!("\u{feff}{text}")] {
            assert_eq!(clean(&other).items.len(), items, "{name}");
        }
        let docs = |t: &str| clean(t).items.into_iter().map(|i| i.doc).collect::<Vec<_>>();
        assert_eq!(docs(&text), docs(&text.replace('\n', "\r\n")), "{name}");
    }
}

#[test]
fn an_item_parsed_alone_is_the_item_of_the_file() {
    for (name, text) in programs() {
        for (item, whole) in split_items(&text).into_iter().zip(clean(&text).items) {
            let alone = clean(&text[item.range.clone()]);
            assert_eq!(alone.items.len(), 1, "{name}");
            assert_eq!(whole.span.range(), item.range, "{name}");
            assert_eq!(std::mem::discriminant(&alone.items[0].kind), std::mem::discriminant(&whole.kind), "{name}");
        }
    }
}

#[test]
fn operators_bind_as_the_table_says() {
    check_shape("-x/20 ms", "((Neg x) Div 20 ms)");
    check_shape("1/10 ms", "(1i Div 10 ms)");
    check_shape("0.04/ms/mV", "((0.04 Div ms) Div mV)");
    check_shape("10 ms^2", "10 ms^2");
    check_shape("10 ms ^2", "(10 ms Pow 2i)");
    check_shape("2^-1", "(2i Pow (Neg 1i))");
    check_shape("2^3^2", "(2i Pow (3i Pow 2i))");
    check_shape("-x^2", "(Neg (x Pow 2i))");
    check_shape("1 - -2", "(1i Sub (Neg 2i))");
    check_shape("1 - 2 - 3", "((1i Sub 2i) Sub 3i)");
    check_shape("5%3", "(5i Mod 3i)");
    check_shape("a + b*c - d/e", "((a Add (b Mul c)) Sub (d Div e))");
    check_shape("a in 1 .. 2", "(a In (1i..2i))");
    check_shape("0..50", "(0i..50i)");
    check_shape("..3200", "(..3200i)");
    check_shape("N[3200..]", "N[(3200i..)]");
    check_shape("V[.., 3..7]", "V[(..), (3i..7i)]");
    check_shape("a + 1 .. b - 1", "((a Add 1i)..(b Sub 1i))");
    check_shape("not a and b or c", "(((Not a) And b) Or c)");
    check_shape("not a == b", "(Not (a Eq b))");
    check_shape("not not a", "(Not (Not a))");
    check_shape("a < b == c", "((a Lt b) Eq c)");
    check_shape(
        "if a > 0 mV and not (y < 1) then x\n  else -x",
        "(if ((a Gt 0 mV) And (Not <(y Lt 1i)>)) then x else (Neg x))",
    );
    check_shape("if a then b else if c then d else e + 1", "(if a then b else (if c then d else (e Add 1i)))");
    check_shape("a\n  + b\n  # a remark\n  - c", "((a Add b) Sub c)");
    check_shape("f(a, k = b, c over pre,)", "f(a, k=b, c over pre)");
    check_shape("f(\n  a,\n  b\n)", "f(a, b)");
    check_shape("[1 ms, 2 ms,\n  3 ms]", "[1 ms, 2 ms, 3 ms]");
    check_shape("[1, 2,]", "[1i, 2i]");
    check_shape("a.b[1].c(2)", "a.b[1i].c(2i)");
    check_shape("1e-4/ms", "(0.0001 Div ms)");
    check_shape("1_000", "1000i");
    check_shape("1e3", "1000");
    check_shape("(a == b) != true", "(<(a Eq b)> Ne true)");
    check_shape("\"a # b\"", "\"a # b\"");
}

#[test]
fn a_unit_follows_a_number_only_where_no_keyword_does() {
    let file = clean(
        "neuron A {\n  refractory 350 ms hold v, w\n  spike with rate 5 Hz surrogate atan(2)\n}\n\
         experiment e { for s in d.train[..n] batch 64 epochs 5 { run 1 s } }\n\
         connect A -> B.v where i < 5 through K\n\
         kernel K(s) = exp(-s/2 ms) over 50 ms",
    );
    let ItemKind::Neuron(m) = &file.items[0].kind else { panic!() };
    let ModelItemKind::Refractory { duration, hold } = &m.items[0].kind else { panic!() };
    assert_eq!((shape(duration).as_str(), hold.len()), ("350 ms", 2));
    let ModelItemKind::Spike { cond: SpikeCond::Rate(rate), surrogate: Some(s) } = &m.items[1].kind else { panic!() };
    assert_eq!((shape(rate).as_str(), s.name.node.as_str()), ("5 Hz", "atan"));
    let ItemKind::Experiment { body, .. } = &file.items[1].kind else { panic!() };
    let StmtKind::For { batch: Some(b), epochs: Some(e), .. } = &body.stmts[0].kind else { panic!() };
    assert_eq!((shape(b).as_str(), shape(e).as_str()), ("64i", "5i"));
    let ItemKind::Connect(c) = &file.items[2].kind else { panic!() };
    assert_eq!(c.through.as_ref().unwrap().node, "K");
    assert_eq!(shape(c.filter.as_ref().unwrap()), "(i Lt 5i)");
    let ItemKind::Kernel { over, .. } = &file.items[3].kind else { panic!() };
    assert_eq!(shape(over), "50 ms");
}

#[test]
fn bounds_follow_a_binding() {
    let file = clean("param a = 3 in [0, 10], b: mV/ms^2, c = if x then 1 else 2 in [1, 2], d: 1");
    let ItemKind::Param(p) = &file.items[0].kind else { panic!() };
    assert_eq!(p.iter().map(|b| b.bounds.is_some()).collect::<Vec<_>>(), [true, false, true, false]);
    assert_eq!(shape(p[0].value.as_ref().unwrap()), "3i");
    let TypeKind::Div(_, below) = &p[1].ty.as_ref().unwrap().kind else { panic!() };
    let TypeKind::Unit(u) = &below.kind else { panic!() };
    assert_eq!((u.name.as_str(), u.exponent.as_deref()), ("ms", Some("2")));
    assert!(matches!(p[3].ty.as_ref().unwrap().kind, TypeKind::One));
}

#[test]
fn equations_have_a_factor_and_a_variable() {
    let file = clean("neuron Q {\n  2*tau*C / g * dv/dt = -v\n    - 3\n  dtheta_2/dt = 1\n  5 ms * dd/dt = d\n}");
    let ItemKind::Neuron(m) = &file.items[0].kind else { panic!() };
    let odes = m.items.iter().map(|i| match &i.kind {
        ModelItemKind::Ode { coef, var, rhs } => (coef.as_ref().map(shape), var.node.as_str(), shape(rhs)),
        other => panic!("{other:?}"),
    });
    let odes = odes.collect::<Vec<_>>();
    assert_eq!(odes[0], (Some("(((2i Mul tau) Mul C) Div g)".into()), "v", "((Neg v) Sub 3i)".into()));
    assert_eq!(odes[1], (None, "theta_2", "1i".into()));
    assert_eq!(odes[2], (Some("5 ms".into()), "d", "d".into()));
}

#[test]
fn documentation_is_what_stands_directly_above() {
    let file = clean(
        "### banner\n## not this\n\n## one\n##   two\nneuron A {\n  ## inner\n  param a = 1\n  # no\n  param b = 2\n}\n## last\n",
    );
    assert_eq!(file.items[0].doc, "one\n  two");
    let ItemKind::Neuron(m) = &file.items[0].kind else { panic!() };
    assert_eq!(m.items[0].doc, "inner");
    assert_eq!(m.items[1].doc, "");
}

#[test]
fn every_construct_has_its_node() {
    let file = clean(
        "import \"a.snn\" as a\nsimulation { dt = 0.1 ms; seed = 1 }\nfn f(x: mV, y) = x\ndata d = mnist()\n\
         readout r: max_rate(classes = 10)\nlet E = L where i % 5 != 0\n\
         record E.spikes, E[..10].v every 1 ms to \"f.npz\"\n\
         connect XE: poisson_input(n = 1000, rate = 20 Hz) -> E.v\n  via random(p = 0.1)\n  with static(w = 0.1 mV)\n\
         for a in 0..8 { population P: M(); connect P -> P.v }\n\
         procedure p(a, b) {\n  repeat { x += 1; if x > 3 { break } else if y { return } else { return x } } until x > 9\n\
         while t < 1 s { run 1 ms }\n  minimize l over W.w, H.tau by adam(lr = 1)\n  break = 3\n  save(\"f\", a)\n}\n\
         synapse S { inject w*pre.r; on pre { deliver w to x; deliver w } }\ntest \"t\" { expect a in 1 .. 2 }",
    );
    assert_eq!(file.items.len(), 12);
    let ItemKind::Record(r) = &file.items[6].kind else { panic!() };
    assert!(r.targets.len() == 2 && r.every.is_some() && r.to.as_ref().unwrap().node == "f.npz");
    let ItemKind::Connect(c) = &file.items[7].kind else { panic!() };
    assert!(matches!(&c.source, ConnectSource::Call(m) if m.args.as_ref().unwrap().len() == 2));
    assert!(c.name.is_some() && c.via.is_some() && c.with.is_some());
    let ItemKind::Unroll { items, .. } = &file.items[8].kind else { panic!() };
    assert_eq!(items.len(), 2);
    let ItemKind::Procedure { params, body, .. } = &file.items[9].kind else { panic!() };
    assert_eq!(params.len(), 2);
    let StmtKind::Repeat { body: inner, .. } = &body.stmts[0].kind else { panic!() };
    let StmtKind::If { els: Some(Else::If(second)), .. } = &inner.stmts[1].kind else { panic!() };
    assert!(matches!(&second.kind, StmtKind::If { els: Some(Else::Block(_)), .. }));
    assert!(matches!(&body.stmts[2].kind, StmtKind::Minimize { over, .. } if over.len() == 2));
    assert!(matches!(&body.stmts[3].kind, StmtKind::Assign(a) if a.target.root.node == "break"));
}

#[test]
fn independent_faults_are_reported_once_each() {
    let text = "param a = = 3, good = 4\nneuron N {\n  state v = 0 mV\n  spike wen v > 1 mV\n  on spike { v = 0 mV }\n}\n\
                population P[3]: N()\nexperiment e {\n  run 1 s\n  for k in 0..3 { run }\n  print(1)\n}\n";
    let (file, found) = parse(FileId(0), text);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert_eq!(found.iter().map(|f| pointed(text, f)).collect::<Vec<_>>(), ["=", "wen", "}"]);
    // What is sound is still there.
    assert!(matches!(&file.items[0].kind, ItemKind::Error { defines: Some(a) } if a.node == "a"));
    assert!(matches!(&file.items[1].kind, ItemKind::Param(b) if b[0].name.node == "good"));
    let ItemKind::Neuron(m) = &file.items[2].kind else { panic!() };
    assert_eq!(m.items.len(), 3);
    assert!(matches!(m.items[1].kind, ModelItemKind::Error { .. }));
    let ItemKind::Experiment { body, .. } = &file.items[4].kind else { panic!() };
    assert_eq!(body.stmts.len(), 3);
}

#[test]
fn what_comes_after_an_unfinished_line_is_not_swallowed() {
    let text = "neuron A {\n  state v =\n  tau * dv/dt = -v\n  let x = 3 +\n  state w = 0\n}";
    let (file, found) = parse(FileId(0), text);
    assert_eq!(found.len(), 2, "{found:#?}");
    let ItemKind::Neuron(m) = &file.items[0].kind else { panic!() };
    assert!(matches!(m.items[1].kind, ModelItemKind::Ode { .. }));
    assert!(matches!(m.items[3].kind, ModelItemKind::State(_)));
}

#[test]
fn faults_of_brackets_have_no_followers() {
    for (text, open) in [
        ("neuron A {\n  state v = 0\n\nneuron B {\n  state v = 0\n}\n", "{"),
        ("neuron A {\n  state v = 0\n  on spike { v = 0 mV\n  refractory 5 ms\n}\npopulation P: A()", "{"),
        ("param a = f(1, 2\nconnect A -> B.v", "("),
        ("neuron A {\n  param a = [1, 2\n  state v = 0\n}", "["),
        ("experiment e {\n  x = (a + b\n  run 1 s\n}", "("),
        ("experiment e { run 1 s", "{"),
        ("neuron A {\n  on spike { v = 0 } }\n  refractory 5 ms hold v\n  method euler\n}\nlet x = 1", "}"),
        ("let x = (1))\nlet y = 2", ")"),
    ] {
        let found = faults(text);
        assert_eq!(found.iter().map(|f| f.code).collect::<Vec<_>>(), [Code::E0002], "{text}\n{found:#?}");
        assert_eq!(pointed(text, &found[0]), open, "{text}");
    }
    // Both places are labelled.
    assert!(!faults("experiment e { run 1 s")[0].secondary.is_empty());
}

#[test]
fn idioms_of_other_languages_are_translated() {
    for (text, pointed_at, replacement) in [
        ("let a = b ** 2", "**", Some("^")),
        ("neuron A { v' = -v }", "v'", Some("dv/dt")),
        ("neuron A { V_m' = -v }", "V_m'", Some("dV_m/dt")),
        ("neuron A { der(v) = -v }", "der(v)", Some("dv/dt")),
        ("neuron A { dv / dt = -v }", "dv / dt", Some("dv/dt")),
        ("let a = b && c", "&&", Some("and")),
        ("let a = b || c", "||", Some("or")),
        ("let a = !b", "!", Some("not ")),
        ("experiment e { x := 3 }", ":=", Some("=")),
        ("experiment e { x == 3 }", "==", Some("=")),
        ("let a == 3", "==", Some("=")),
        ("experiment e { if a = b { run 1 s } }", "=", Some("==")),
        ("experiment e { i++ }", "++", Some(" += 1")),
        ("let a = b <> c", "<>", Some("!=")),
        ("let a = b => c", "=>", Some(">=")),
        ("let a = 1 // why", "// why", Some("#")),
        ("let a = 1 /* why */", "/* why */", Some("#  why")),
        ("experiment e { print('x') }", "'", None),
        ("let a = b ? c : d", "?", None),
        ("let a = 5 \u{b5}F", "\u{b5}", Some("u")),
        ("let a = 5 \u{2212} 3", "\u{2212}", Some("-")),
        ("def f(x):\n    return x", "def", None),
        ("for x in range(10):\n    run 1 s\n    run 2 s", ":", None),
        ("experiment e { for k in 0..3: { run 1 s } }", ":", Some("")),
        ("let rate = 5 %", "%", None),
    ] {
        let found = faults(text);
        assert_eq!(found.len(), 1, "{text}\n{found:#?}");
        assert_eq!(found[0].code, Code::E0003, "{text}\n{found:#?}");
        assert_eq!(pointed(text, &found[0]), pointed_at, "{text}");
        assert!(!found[0].helps.is_empty(), "{text}");
        if let Some(replacement) = replacement {
            assert_eq!(found[0].fixes[0].replacement.trim(), replacement.trim().replace("#  ", "# "), "{text}");
        }
    }
}

#[test]
fn fixes_make_the_text_parse() {
    for text in [
        "let a = b ** 2",
        "neuron A { v' = -v }",
        "let a = b&&c",
        "let a = !b",
        "experiment e { x := 3 }",
        "experiment e { i++ }",
        "let a = 1 // why",
        "let a = 10m s",
        "let a = 5 ms2",
        "let a = .5",
        "let a = 1.ms",
        "let a = f(w = 1 mV delay = 2 ms)",
        "nueron A { state v = 0 }",
    ] {
        let found = faults(text);
        assert_eq!(found.len(), 1, "{text}\n{found:#?}");
        let fix = &found[0].fixes[0];
        let mut mended = text.to_owned();
        mended.replace_range(fix.span.range(), &fix.replacement);
        assert!(faults(&mended).is_empty(), "{text} -> {mended}\n{:#?}", faults(&mended));
    }
}

#[test]
fn numbers_and_units_glued_wrongly_are_e0004() {
    for text in [
        "let a = 10m s",
        "let a = 5 ms2",
        "let a = .5",
        "let a = 1. + 2",
        "let a = 1.ms",
        "let a = 1 000",
        "let a = 0x10",
    ] {
        assert_eq!(codes(text), [Code::E0004], "{text}\n{:#?}", faults(text));
    }
}

#[test]
fn reserved_words_as_names_are_named() {
    for (text, word) in [
        ("population if[3]: A()", "if"),
        ("neuron A { state input = 3 }", "input"),
        ("let to = 3", "to"),
        ("experiment e { let run = 3 }", "run"),
        ("experiment e { weight = 3 }", "weight"),
    ] {
        let found = faults(text);
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(pointed(text, &found[0]), word);
    }
    assert!(faults("let to = 3")[0].message.contains("cannot be a name"));
    clean(
        "let rate = 1; let spike = 2; let method = 3; let data = 4; let test = 5; let kernel = 6; let through = 7; let count = 8",
    );
}

#[test]
fn messages_say_what_was_expected_and_what_was_found() {
    for (text, message) in [
        ("experiment e { run }", "expected a value after `run`, found `}`"),
        ("let a =", "expected a value after `=`, found the end of the file"),
        ("let a =\nlet b = 2", "expected a value after `=`, found the end of the line"),
        ("neuron { }", "expected a name after `neuron`, found `{`"),
        ("population E 400: M()", "expected `:` after `E`, found `400`"),
        ("let c = (a b)", "expected `)` or an operator after `a`, found `b`"),
        ("connect A -> via x", "expected a name after `->`, found `via`"),
        ("let d = if a then b", "expected `else` after `b`, found the end of the file"),
        ("nueron A { }", "`nueron` does not begin a declaration"),
        ("run 1 s", "`run` does not begin a declaration"),
        ("neuron A { x = 3 }", "`x` is assigned outside a block"),
    ] {
        let found = faults(text);
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].message, message);
    }
}

#[test]
fn messages_never_show_names_of_grammar_rules() {
    let rules = ["expr", "ident", "_tail", "_level", "kw_", "postfix", "lbrace", "rparen", "nobound", "EOI", "stmt"];
    let texts = [
        "let",
        "let a",
        "let a = ",
        "neuron",
        "neuron A",
        "neuron A {}}",
        "connect A",
        "connect A -> ",
        "param a: = 3",
        "population P",
        "population P[",
        "record",
        "test 3 {}",
        "kernel K = 3",
        "import x",
        "fn f = 3",
        "experiment e { if }",
        "experiment e { for }",
        "experiment e { repeat { } }",
        "neuron A { spike }",
        "neuron A { on }",
        "let a = f(b c)",
        "let a = [1 2]",
        "simulation { dt }",
        "let a = b c",
    ];
    for text in texts {
        let found = faults(text);
        assert_eq!(found.len(), 1, "{text}\n{found:#?}");
        for rule in rules {
            assert!(!found[0].message.contains(rule), "{text}: {}", found[0].message);
        }
    }
}

#[test]
fn hostile_text_is_refused_in_bounded_time() {
    let n = 1_000_000;
    let many = |s: &str| s.repeat(n.min((4 << 20) / s.len() - 10));
    for piece in [
        "(",
        "[",
        "{",
        ")",
        "}",
        "-",
        "not ",
        "if a {",
        "if a then b else ",
        "a.",
        "1+",
        "2^-",
        "f(",
        "a[",
        "/*",
        "{\n",
        "\"",
        "'",
        "neuron A {\n",
        "for k in 0..1 {",
        "(\n",
        "..",
        "&&",
        "else ",
        "\0",
        "é",
    ] {
        for text in [many(piece), format!("let a = {}", many(piece)), format!("experiment e {{\n{}", many(piece))] {
            let start = Instant::now();
            let (file, found) = parse(FileId(0), &text);
            drop(file);
            assert!(!found.is_empty() && found.len() <= 1000, "{piece:?}");
            // Generous: the machine may be busy. Anything that is not linear takes hours.
            assert!(start.elapsed() < Duration::from_secs(60), "{piece:?}: {:?}", start.elapsed());
        }
    }
    let (file, found) = parse(FileId(0), &" ".repeat(100 << 20));
    assert!(file.items.is_empty());
    assert_eq!(found[0].code, Code::E0006);
}

#[test]
fn nesting_within_the_limits_is_fine_and_beyond_is_e0006() {
    let nested = |n: usize| format!("let a = {}1{}", "(".repeat(n), ")".repeat(n));
    clean(&nested(100));
    assert_eq!(codes(&nested(101)), [Code::E0006]);
    clean(&format!("let a = 1{}", "+1".repeat(250)));
    assert_eq!(codes(&format!("let a = 1{}", "+1".repeat(300))), [Code::E0006]);
    assert_eq!(codes(&format!("let a = 1{}", "+1".repeat(100_000))), [Code::E0006]);
    clean(&format!("let a = {}1", "-".repeat(200)));
    assert_eq!(codes(&format!("let a = {}1", "-".repeat(300))), [Code::E0006]);
    // A long list is no deep tree.
    clean(&format!("let a = [{}1]", "1, ".repeat(20_000)));
    // The fault of one item leaves the others alone.
    let (file, found) = parse(FileId(0), &format!("{}\nlet b = 2\n", nested(1000)));
    assert_eq!((file.items.len(), found.len()), (2, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let (_, found) = parse(FileId(0), &text);
        check_spans(&text, &found)?;
    }

    #[test]
    fn no_sequence_of_words_makes_the_parser_panic(words in prop::collection::vec(prop::sample::select(WORDS), 0..60)) {
        let text = words.join(" ");
        let (_, found) = parse(FileId(0), &text);
        check_spans(&text, &found)?;
    }

    #[test]
    fn no_change_of_a_model_makes_the_parser_panic(
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), length in 0_usize..8,
        put in prop::sample::select(WORDS),
    ) {
        let programs = programs();
        let (_, text) = which.get(&programs);
        let mut chars: Vec<char> = text.chars().collect();
        let start = at.index(chars.len());
        let end = (start + length).min(chars.len());
        chars.splice(start..end, put.chars());
        let text: String = chars.into_iter().collect();
        let (file, found) = parse(FileId(0), &text);
        check_spans(&text, &found)?;
        // An error node is never without a report.
        let faulty = file.items.iter().any(|i| matches!(i.kind, ItemKind::Error { .. }));
        prop_assert!(!faulty || !found.is_empty());
    }
}

/// An expression before it is written.
#[derive(Debug, Clone)]
enum Made {
    /// As it is written, and its shape.
    Atom(&'static str, &'static str),
    /// The sign, its shape, and the place of the operator in the table of the grammar, from `or` on.
    Prefix(&'static str, &'static str, u8, Box<Made>),
    Infix(&'static str, &'static str, u8, Box<Made>, Box<Made>),
    Range(Option<Box<Made>>, Option<Box<Made>>),
    If(Box<Made>, Box<Made>, Box<Made>),
}

const NOT: u8 = 3;
const COMPARE: u8 = 4;
const RANGE: u8 = 5;
const SUM: u8 = 6;
const SIGN: u8 = 8;
const POWER: u8 = 9;
const ATOM: u8 = 10;

const ATOMS: &[(&str, &str)] = &[
    ("a", "a"),
    ("order", "order"),
    ("inner", "inner"),
    ("2", "2i"),
    ("0.5", "0.5"),
    ("3 ms^-1", "3 ms^-1"),
    ("true", "true"),
    ("f(a, k = 1)", "f(a, k=1i)"),
    ("v[1, ..]", "v[1i, (..)]"),
    ("a.b[i](c)", "a.b[i](c)"),
    ("[a, 1]", "[a, 1i]"),
];

const INFIX: &[(&str, &str, u8)] = &[
    ("or", "Or", 1),
    ("and", "And", 2),
    ("==", "Eq", COMPARE),
    ("!=", "Ne", COMPARE),
    ("<", "Lt", COMPARE),
    ("<=", "Le", COMPARE),
    (">", "Gt", COMPARE),
    (">=", "Ge", COMPARE),
    ("in", "In", COMPARE),
    ("+", "Add", SUM),
    ("-", "Sub", SUM),
    ("*", "Mul", 7),
    ("/", "Div", 7),
    ("%", "Mod", 7),
    ("^", "Pow", POWER),
];

const PREFIX: &[(&str, &str, u8)] = &[("-", "Neg", SIGN), ("+", "Plus", SIGN), ("not ", "Not", NOT)];

impl Made {
    fn shape(&self) -> String {
        let end = |e: &Option<Box<Self>>| e.as_ref().map_or(String::new(), |e| e.shape());
        match self {
            Self::Atom(_, shape) => (*shape).to_owned(),
            Self::Prefix(_, op, _, a) => format!("({op} {})", a.shape()),
            Self::Infix(_, op, _, a, b) => format!("({} {op} {})", a.shape(), b.shape()),
            Self::Range(a, b) => format!("({}..{})", end(a), end(b)),
            Self::If(a, b, c) => format!("(if {} then {} else {})", a.shape(), b.shape(), c.shape()),
        }
    }

    fn level(&self) -> u8 {
        match self {
            Self::Atom(..) => ATOM,
            Self::Prefix(_, _, level, _) | Self::Infix(_, _, level, ..) => *level,
            Self::Range(..) => RANGE,
            Self::If(..) => 0,
        }
    }

    /// The text where an operator of the level `least` would stand, with brackets only where they are needed, or everywhere; `bare_in`:
    /// whether `in` may stand without.
    fn text(&self, least: u8, all: bool, bare_in: bool, gap: &str) -> String {
        let taken = !bare_in && matches!(self, Self::Infix("in", ..));
        let inside = taken || (all && self.level() < ATOM) || self.level() < least;
        let bare_in = bare_in || inside;
        let text = |e: &Self, least: u8| e.text(least, all, bare_in, gap);
        let end = |e: &Option<Box<Self>>| e.as_ref().map_or(String::new(), |e| text(e, SUM));
        let own = match self {
            Self::Atom(text, _) => (*text).to_owned(),
            Self::Prefix(op, _, level, a) => format!("{op}{}", text(a, *level)),
            Self::Infix("^", _, _, a, b) => format!("{}^{}", text(a, ATOM), text(b, SIGN)),
            Self::Infix(op, _, level, a, b) => format!("{}{gap}{op}{gap}{}", text(a, *level), text(b, level + 1)),
            Self::Range(a, b) => format!("{} .. {}", end(a), end(b)),
            Self::If(a, b, c) => format!("if {}{gap}then {}{gap}else {}", text(a, 0), text(b, 0), text(c, 0)),
        };
        if inside { format!("({own})") } else { own }
    }
}

fn made() -> impl Strategy<Value = Made> {
    let atom = prop::sample::select(ATOMS).prop_map(|(text, shape)| Made::Atom(text, shape));
    atom.prop_recursive(6, 40, 3, |inner| {
        let part = inner.clone().prop_map(Box::new);
        let end = prop::option::of(part.clone());
        prop_oneof![
            6 => (prop::sample::select(INFIX), part.clone(), part.clone())
                .prop_map(|((sign, op, level), a, b)| Made::Infix(sign, op, level, a, b)),
            2 => (prop::sample::select(PREFIX), part.clone()).prop_map(|((sign, op, level), a)| Made::Prefix(sign, op, level, a)),
            1 => (end.clone(), end).prop_map(|(a, b)| Made::Range(a, b)),
            1 => (part.clone(), part.clone(), part).prop_map(|(a, b, c)| Made::If(a, b, c)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn an_expression_needs_only_the_brackets_that_the_table_asks_for(made in made(), all in any::<bool>(), gap in 0..3_usize) {
        let gap = [" ", "\n  ", "  # A remark.\n\n"][gap];
        let stripped = |e: &Expr| shape(e).replace(['<', '>'], "");
        let written = made.text(0, all, true, gap);
        let text = format!("let x = {written}\nlet y = 1");
        let (file, found) = parse(FileId(0), &text);
        prop_assert!(found.is_empty(), "{}\n{:#?}", text, found);
        let ItemKind::Let(l) = &file.items[0].kind else { panic!("{file:#?}") };
        prop_assert_eq!(stripped(&l.value), made.shape(), "{}", text);
        prop_assert_eq!(&text[l.value.span.range()], written.trim());
        // Before bounds, `in` is theirs.
        let written = made.text(0, all, false, gap);
        let text = format!("param x = {written} in [0, 1]\nlet y = 1");
        let (file, found) = parse(FileId(0), &text);
        prop_assert!(found.is_empty(), "{}\n{:#?}", text, found);
        let ItemKind::Param(p) = &file.items[0].kind else { panic!("{file:#?}") };
        prop_assert_eq!(p[0].value.as_ref().map(stripped), Some(made.shape()), "{}", text);
        prop_assert!(p[0].bounds.is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn an_edited_text_parses_as_if_nothing_were_known(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), 0_usize..40, prop::sample::select(WORDS), 0_u8..4),
            1..8,
        ),
    ) {
        let programs = programs();
        let mut texts = vec![which.get(&programs).1.clone()];
        let mut known = Known::default();
        for (at, length, put, kind) in edits {
            let mut chars: Vec<char> = texts.last().unwrap().chars().collect();
            let start = at.index(chars.len() + 1);
            let end = (start + length).min(chars.len());
            match kind {
                0 => drop(chars.splice(start..end, put.chars())),
                1 => drop(chars.splice(start..start, put.chars())),
                // A stretch a second time: items that are alike.
                2 => {
                    let copy: Vec<char> = chars[start.saturating_sub(length * 20)..start].to_vec();
                    drop(chars.splice(start..start, copy));
                }
                // Back to the text before.
                _ => {
                    texts.pop();
                    chars = texts.last().map_or_else(Vec::new, |t| t.chars().collect());
                }
            }
            let text: String = chars.into_iter().collect();
            prop_assert_eq!(parse_again(FileId(0), &text, &mut known), parse(FileId(0), &text));
            texts.push(text);
        }
    }
}

#[test]
fn a_known_item_is_taken_over_wherever_it_stands() {
    for (name, text) in programs() {
        let mut known = Known::default();
        assert_eq!(parse_again(FileId(0), &text, &mut known), parse(FileId(0), &text), "{name}");
        // The same text, moved, twice over, and in another file.
        for other in [text.clone(), format!("\n\n{text}"), format!("{text}\n{text}"), text.clone()] {
            assert_eq!(parse_again(FileId(0), &other, &mut known), parse(FileId(0), &other), "{name}");
        }
        assert_eq!(parse_again(FileId(3), &text, &mut known), parse(FileId(3), &text), "{name}");
    }
}

const WORDS: &[&str] = &[
    "neuron",
    "synapse",
    "A",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "\n",
    ";",
    "state",
    "v",
    "=",
    "==",
    "0",
    "1.5",
    "mV",
    "dv/dt",
    "-",
    "+",
    "*",
    "/",
    "^",
    "..",
    ".",
    ",",
    ":",
    "->",
    "spike",
    "when",
    "on",
    "pre",
    "if",
    "then",
    "else",
    "for",
    "in",
    "run",
    "connect",
    "via",
    "with",
    "where",
    "param",
    "let",
    "\"s\"",
    "\"",
    "#",
    "##",
    "//",
    "/*",
    "'",
    "&&",
    "!",
    "not",
    "and",
    "experiment",
    "test",
    "every",
    "over",
    "by",
    "repeat",
    "until",
    "é",
    "\r\n",
    "\t",
    "1e9",
    "population",
    "record",
    "to",
    "method",
    "deliver",
    "minimize",
];

fn check_spans(text: &str, found: &[Diagnostic]) -> Result<(), TestCaseError> {
    for fault in found {
        let labels = fault.primary.iter().chain(&fault.secondary).map(|l| l.span);
        for span in labels.chain(fault.fixes.iter().map(|f| f.span)) {
            prop_assert!(text.get(span.range()).is_some(), "{span:?} {fault:?}");
        }
        prop_assert!(fault.primary.is_some() && fault.code != Code::E0900, "{fault:?}");
    }
    Ok(())
}

#[test]
fn the_examples_of_the_grammar_s_description_parse() {
    let readme = fs::read_to_string("grammar/README.md").unwrap();
    let table = readme.split("## One example per rule").nth(1).unwrap().split("## Limits").next().unwrap();
    let mut tried = 0;
    for line in table.lines().filter(|l| l.starts_with("| `")) {
        let examples = line.trim_matches(['|', ' ']).split(" | ").nth(1).unwrap().trim();
        for example in examples.split('`').skip(1).step_by(2) {
            let example = example.replace(" … ", " ");
            let places = [
                example.clone(),
                format!("neuron A {{ {example} }}"),
                format!("experiment e {{ {example} }}"),
                format!("param {example}"),
                format!("let x = {example}"),
            ];
            assert!(places.iter().any(|p| faults(p).is_empty()), "{example}");
            tried += 1;
        }
    }
    assert!(tried > 50, "{tried}");
}
