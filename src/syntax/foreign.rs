//! `E0003`: lines of other simulators (Brian2, NEST, NESTML, BindsNET, NMODL, Python) that begin with a word which this language
//! does not have, each with the form that says the same here. Asked only about lines that the grammar did not accept.

use super::errors::{COLON_BLOCK, Fault, Place};
use super::lex::Kind;
use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// What a faulty piece was in another tool; `None` if nothing is recognised.
pub(super) fn line(f: &Fault<'_>, place: Place) -> Option<Diagnostic> {
    let head = f.head();
    let (word, at) = (head.word(0), head.span_at(0));
    let said = |message: String, help: &str| Some(Diagnostic::new(Code::E0003, at, message).help(help));
    if head.kind(0) != Some(Kind::Word) {
        return None;
    }
    // `update:` and the line after it are one piece, since what follows a colon may stand on the next line.
    let opened = matches!(place, Place::Neuron | Place::Synapse) && head.word(1) == ":";
    if (opened || head.last() == ":" && head.on_one_line()) && place != Place::Simulation {
        let colon = if opened { head.span_at(1) } else { head.last_span() };
        let blocks = matches!(place, Place::Neuron | Place::Synapse) && !matches!(word, "on" | "every");
        if blocks && let Some((what, help)) = block_of_nestml(word) {
            return Some(
                Diagnostic::new(Code::E0003, at.to(colon), format!("a model has no block `{word}:`"))
                    .label(what)
                    .help(help),
            );
        }
        if matches!(word, "experiment" | "procedure" | "test" | "neuron" | "synapse" | "simulation" | "on" | "every") {
            return Some(
                Diagnostic::new(Code::E0003, colon, COLON_BLOCK)
                    .label("Python's form")
                    .help(format!("write `{word} … {{`, and `}}` after the last line of the block"))
                    .fix(colon, " {"),
            );
        }
    }
    match (place, word, head.word(1)) {
        (Place::File, "neuron" | "synapse", name) if head.word(2) == "(" => Some(
            Diagnostic::new(Code::E0003, head.span_at(2), format!("the parameters of `{name}` stand inside its braces"))
                .help(format!("write `{word} {name} {{ param tau = 10 ms … }}`; values are given where it is used: `{name}(tau = 5 ms)`")),
        ),
        (Place::File, "from", _) if head.contains("import") => {
            said("there are no modules to import names from".into(), "delete the line: functions and models of the prelude are always there; `snnc explain lif` shows one")
        }
        (Place::File, "import", name) if head.kind(1) == Some(Kind::Word) => {
            said(format!("`import` takes a file, not the Python module `{name}`"), "delete the line: units, functions and models of the prelude are always there")
        }
        (Place::File, name, "=") if head.word(2).starts_with("'''") || head.word(2).starts_with("\"\"\"") => said(
            format!("`{name}` is not a string of equations"),
            "declare `neuron M { … }` with the equations by themselves, such as `tau * dv/dt = E_L - v`",
        ),
        (Place::File, _, "=" | "." | "(") => call(&head).map(|(at, name, help)| {
            Diagnostic::new(Code::E0003, at, format!("there is no `{name}`")).help(help)
        }),
        (Place::File, "insert", _) => said(
            "`insert` belongs to NEURON's scripts".into(),
            "declare `population P[10]: hodgkin_huxley()`, or a `neuron M { … }` with the equations of the mechanism",
        ),
        (Place::Block, "assert", next) if !matches!(next, "=" | "." | "[") => {
            let d = Diagnostic::new(Code::E0003, at, "`assert` does not begin a statement: what must hold is expected");
            Some(d.help("write `expect rate(E) > 0 Hz`").fix(at, "expect"))
        }
        (Place::File | Place::Block, "plot" | "figure" | "show" | "savefig" | "raster_plot", next) if place == Place::File || next != "(" => {
            let message = format!("there is no `{word}`: nothing is drawn here");
            said(message, "write `record P.v every 1 ms to \"run.npz\"`, and draw the file with another program")
        }
        (Place::Block, "print", next) if !matches!(next, "" | "(" | "=" | "." | "[") => {
            said("what is printed stands in parentheses".into(), "write `print(\"rate\", rate(E))`")
        }
        (Place::Block, "simulate" | "wait" | "advance", _) if head.kind(1) == Some(Kind::Number) => {
            let d = Diagnostic::new(Code::E0003, at, format!("`{word}` does not begin a statement: time is advanced by `run`"));
            Some(d.help("write `run 100 ms`").fix(at, "run"))
        }
        (Place::Synapse, name, "=")
            if (name.ends_with("_post") || name.ends_with("_pre")) && !matches!(name, "on_pre" | "on_post") => said(
            format!("a synapse does not write the neurons: `{name}` belongs to one"),
            "write `inject w*(pre.v - post.v)` for what acts at every step, and connect to the input: `connect A -> B.I`",
        ),
        (Place::File, "NEURON" | "PARAMETER" | "ASSIGNED" | "STATE" | "INITIAL" | "BREAKPOINT" | "DERIVATIVE" | "NET_RECEIVE" | "UNITS", _) => {
            said(format!("`{word}` is a block of NMODL"), "a model is `neuron M { … }` with `param`, `state` and equations such as `dv/dt = …` inside")
        }
        (Place::Neuron | Place::Synapse, _, _) => model_line(word, head.word(1)).and_then(|(message, help)| said(message, help)),
        _ => None,
    }
}

/// The blocks of a NESTML model.
fn block_of_nestml(word: &str) -> Option<(&'static str, &'static str)> {
    Some(match word {
        "state" => {
            ("a block of NESTML", "write `state v = -65 mV`, one line or a list with commas; the value gives the unit")
        }
        "parameters" | "internals" => ("a block of NESTML", "write `param tau = 20 ms, E_L = -65 mV`"),
        "equations" => ("a block of NESTML", "write the equations by themselves: `tau * dv/dt = E_L - v`"),
        "input" => (
            "a block of NESTML",
            "write `input I: pA` for a current; spikes arrive at a state, named in `connect A -> B.g_e`",
        ),
        "output" => ("a block of NESTML", "delete it: a model with a `spike` clause emits spikes"),
        "update" | "onReceive" | "onCondition" => (
            "a block of NESTML",
            "the compiler integrates by itself; write `spike when v > v_th` and `on spike { v = v_reset }`",
        ),
        _ => return None,
    })
}

/// A line of a model as other tools write it.
fn model_line(word: &str, next: &str) -> Option<(String, &'static str)> {
    let begins = |what: &str| format!("`{word}` does not begin a line of a model: {what}");
    Some(match (word, next) {
        ("refractory", "=") => (format!("`{word}` is a clause, not a setting"), "write `refractory 5 ms hold v`"),
        ("on_pre" | "on_post", "{") => (
            format!("`{word}` is written `{}`", word.replace('_', " ")),
            "write `on pre { … }` and `on post { … }`; what arrives at the post neuron is `deliver w`",
        ),
        ("method", "=") => (format!("`{word}` is a clause, not a setting"), "write `method euler`"),
        ("update" | "onReceive" | "onCondition", "{" | "(") => {
            let (_, help) = block_of_nestml(word)?;
            (begins("a block of NESTML"), help)
        }
        ("parameters" | "internals", _) => {
            (begins("it declares parameters in NESTML"), "write `param tau = 20 ms, E_L = -65 mV`")
        }
        ("UNITSOFF" | "UNITSON" | "THREADSAFE" | "VERBATIM", _) => {
            (format!("`{word}` belongs to NMODL"), "delete the line: units are always checked, before anything runs")
        }
        ("threshold", _) => (begins("the condition of a spike is a clause"), "write `spike when v > -50 mV`"),
        ("reset", _) => (begins("what a spike does is a block"), "write `on spike { v = -65 mV }`"),
        ("on_pre" | "on_post" | "pre" | "post", "=") => (
            format!("`{word}` is not a string of code"),
            "write `on pre { deliver w }`; the target of `deliver` is named in `connect A -> B.g_e`",
        ),
        ("model" | "eqs" | "equations", "=") => (
            format!("`{word}` is not a string of equations"),
            "write the equations by themselves, such as `tau * dv/dt = E_L - v`",
        ),
        ("inline" | "function", _) => (begins("it names an expression"), "write `let I_leak = …`"),
        ("recordable", _) => (
            begins("every state can be recorded"),
            "write `let I_leak = …`, and `record P.v every 1 ms` in an experiment",
        ),
        ("PARAMETER" | "ASSIGNED" | "STATE" | "INITIAL" | "BREAKPOINT" | "DERIVATIVE" | "NET_RECEIVE" | "UNITS", _) => {
            (
                format!("`{word}` is a block of NMODL"),
                "write `param`, `state` and equations such as `dv/dt = …`, one line each; the compiler chooses the solver",
            )
        }
        _ => return None,
    })
}

/// The call of another simulator that stands in a line of a file, and what to write here.
fn call<'l>(head: &Fault<'l>) -> Option<(Span, &'l str, &'static str)> {
    (0..8).map(|k| (k, head.word(k))).find_map(|(k, name)| {
        let help = match name {
            "PoissonInput" => "write `connect poisson_input(n = 100, rate = 1 Hz) -> P.v with static(w = 0.1 mV)`",
            "TimedArray" => "write `timed([0 mV, 5 mV], 10 ms)` where the input is given: `population P[10]: M(I = timed(…))`",
            "SetStatus" => "assign to it in an experiment, `P.I = 20 pA`, or give it where it is made: `population P: M(I = 20 pA)`",
            "GetStatus" => "write `print(P.v)` or `record P.v every 1 ms` in an experiment",
            "Leaky" | "Population" => "declare `population P[100]: lif()`",
            "Projection" => "write `connect A -> B.g_e via random(p = 0.1) with static(w = 1 mV)`",

            "NeuronGroup" | "PoissonGroup" | "SpikeGeneratorGroup" => {
                "declare `neuron M { … }` with equations, not strings, and `population P[100]: M()`"
            }
            "Synapses" => "declare `synapse S { … }`, and `connect A -> B.g_e via random(p = 0.1) with S()`",
            "connect" => "write `connect A -> B.g_e via random(p = 0.1) with static(w = 1 mV)`",
            "SpikeMonitor" | "StateMonitor" | "PopulationRateMonitor" | "Monitor" => {
                "write `record P.spikes, P[..10].v every 1 ms` in an experiment"
            }
            "Create" | "create" => "declare `population P[100]: lif()`",
            "Connect" => "write `connect A -> B.g_e via random(p = 0.1) with static(w = 1 mV)`",
            "add_layer" | "LIFNodes" | "DiehlAndCookNodes" | "Input" => "declare `population P[100]: lif()`",
            "add_connection" | "Connection" => "write `connect A -> B.g_e via all_to_all with static(w = 1 mV)`",
            "run" | "Simulate" | "simulate" => "write `run 100 ms` inside `experiment main { … }`",
            "Section" => "declare `neuron M { … }` with its equations, or `population P[10]: hodgkin_huxley()`",
            "IClamp" => "give the current where the neurons are made: `population P: M(I = if t > 5 ms then 20 pA else 0 pA)`",
            "NetCon" => "write `connect A -> B.g_e via one_to_one with static(w = 1 nS, delay = 1 ms)`",
            "Network" => "delete the line: a file is one network",
            "plot" | "figure" | "savefig" | "raster_plot" | "subplot" => {
                "write `record P.v every 1 ms to \"run.npz\"` in an experiment, and draw the file with another program"
            }
            "ResetKernel" | "prefs" | "set_device" => "delete the line: each run begins with a new network, and the compiler chooses how",
            "init_leaky" | "reset_mem" => "delete the line: states have their initial values, and `reset(P)` gives them again",
            "backward" | "zero_grad" => "write `minimize L over W.w by adam(lr = 1e-3)` in an experiment: it takes the gradient and makes the step",
            "defaultclock" | "SetKernelStatus" | "start_scope" | "seed" => {
                "write `simulation { dt = 0.1 ms; seed = 1 }`"
            }
            _ => return None,
        };
        Some((head.span_at(k), name, help))
    })
}
