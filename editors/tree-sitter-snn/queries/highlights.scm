; Words of the language.
[
  "neuron" "synapse" "population" "connect" "simulation" "experiment" "procedure" "test" "data" "readout" "record" "kernel" "import" "as" "fn"
  "spike" "event" "on" "every" "refractory" "method" "surrogate" "via" "where" "with" "through" "over" "by" "to" "when" "crosses"
  "hold" "rate" "deliver" "inject" "minimize" "allow"
] @keyword

["param" "const" "state" "weight" "learned" "input" "let"] @keyword.storage
["if" "then" "else"] @keyword.conditional
["for" "while" "repeat" "until" "batch" "epochs"] @keyword.repeat
["return"] @keyword.return
["run" "expect"] @keyword
(break) @keyword.repeat
["and" "or" "not" "in"] @keyword.operator
["int" "bool"] @type.builtin
[(true) (false)] @boolean

; Values.
(number) @number
(unit) @type.unit
(type_one) @number
(string) @string
(derivative) @function.special

; Names.
(identifier) @variable
((identifier) @variable.builtin (#any-of? @variable.builtin "t" "dt" "i" "j" "N" "xi" "pi" "inf" "pre" "post"))
(neuron name: (identifier) @type)
(synapse name: (identifier) @type)
(model name: (identifier) @type)
(model name: (qualified (identifier) @type .))
(population name: (identifier) @variable)
(connect name: (identifier) @label)
(experiment name: (identifier) @function)
(procedure name: (identifier) @function)
(function name: (identifier) @function)
(kernel name: (identifier) @function)
(call function: (identifier) @function.call)
(call_statement function: (identifier) @function.call)
(call_statement function: (path name: (identifier) @function.call .))
(source_call name: (identifier) @type)
(argument name: (identifier) @variable.parameter)
(parameter name: (identifier) @variable.parameter)
(member name: (identifier) @property)
(path name: (identifier) @property)
(on event: (identifier) @property)
(allow code: (identifier) @constant)

; Signs.
["=" "+=" "-=" "*=" "/=" "+" "-" "*" "/" "%" "^" "==" "!=" "<" "<=" ">" ">=" ".." "->"] @operator
["(" ")" "[" "]" "{" "}"] @punctuation.bracket
["," ";" ":" "."] @punctuation.delimiter

(comment) @comment
(doc_comment) @comment.documentation
