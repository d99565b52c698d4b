//! Names that other simulators and Python have and this language writes differently. Asked only about names that nothing here
//! declares.

use super::infer::Names;
use crate::diag::{Code, Diagnostic};
use crate::hir::Side;
use crate::source::Span;
use crate::syntax::ast;

/// `v_post` and `v_pre` of Brian2, as (side, word, name); `None` unless the neuron at that end has the variable.
pub(crate) fn suffixed<'n>(name: &'n str, names: &dyn Names) -> Option<(Side, &'static str, &'n str)> {
    let of = |suffix: &str, side: Side, word: &'static str| {
        let plain = name.strip_suffix(suffix)?;
        matches!(names.side(side, plain), Some(Ok(_))).then_some((side, word, plain))
    };
    of("_post", Side::Post, "post").or_else(|| of("_pre", Side::Pre, "pre"))
}

/// A name in an expression that another tool would know.
pub(crate) fn name(name: &str, span: Span, names: &dyn Names) -> Option<Diagnostic> {
    let fault = |message: String| Diagnostic::new(Code::E0003, span, message);
    if let Some((_, word, plain)) = suffixed(name, names) {
        return Some(
            fault(format!("`{plain}` of the {word}synaptic neuron is written `{word}.{plain}`, not `{name}`"))
                .help(format!("write `{word}.{plain}`"))
                .fix(span, format!("{word}.{plain}")),
        );
    }
    word(name, span)
}

/// A name that Python or Brian2 has, wherever it stands.
pub(crate) fn word(name: &str, span: Span) -> Option<Diagnostic> {
    let fault = |message: String| Diagnostic::new(Code::E0003, span, message);
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if letters.len() < name.len() && crate::units::lookup(letters).is_some() {
        let power = format!("{letters}^{}", &name[letters.len()..]);
        let d = Diagnostic::new(Code::E0004, span, format!("`{name}` is not a unit: units contain no digits"));
        return Some(d.label("a power is written with `^`").help(format!("write `{power}`")).fix(span, power));
    }
    let (right, fix) = match name {
        "True" => ("true", true),
        "False" => ("false", true),
        "volt" | "volts" => ("V", true),
        "mvolt" => ("mV", true),
        "second" | "seconds" => ("s", true),
        "msecond" | "millisecond" => ("ms", true),
        "amp" | "ampere" => ("A", true),
        "siemens" => ("S", true),
        "farad" => ("F", true),
        "hertz" => ("Hz", true),
        "np" | "numpy" | "math" | "tf" | "torch" => {
            return Some(
                fault(format!("functions stand without `{name}.`")).help("write `exp(x)`, `sqrt(x)`, `normal(0, 1)` …"),
            );
        }
        "not_refractory" => {
            return Some(
                fault("there is no `not_refractory`".into())
                    .help("write `refractory 5 ms hold v`: the states named there stand still"),
            );
        }
        "lastupdate" => {
            return Some(fault("there is no `lastupdate`".into()).help(
                "write an equation, such as `dx/dt = -x / 20 ms`: a trace is brought up to date where it is read",
            ));
        }
        "None" => {
            return Some(
                fault("there is no `None`".into()).help("leave the argument out: the default of the model is used"),
            );
        }
        _ => return None,
    };
    let fault = fault(format!("`{name}` is written `{right}`")).help(format!("write `{right}`"));
    Some(if fix { fault.fix(span, right) } else { fault })
}

/// `20 [ms]` and `20 (ms)`: a unit in brackets behind its number; or two values side by side, as in `(a)(b)`.
pub(crate) fn in_brackets(base: &ast::Expr, inside: &[&ast::Expr], span: Span) -> Option<Diagnostic> {
    let [one] = inside else { return None };
    if let (ast::ExprKind::Number { value, unit: None, .. }, ast::ExprKind::Name(unit)) = (&base.kind, &one.kind)
        && crate::units::lookup(unit).is_some()
    {
        let end = Span { start: base.span.end, end: span.end, ..span };
        return Some(
            Diagnostic::new(Code::E0003, one.span, "the unit of a number stands without brackets")
                .help(format!("write `{value} {unit}`"))
                .fix(end, format!(" {unit}")),
        );
    }
    let value = matches!(&base.kind, ast::ExprKind::Number { .. } | ast::ExprKind::Paren(_));
    value.then(|| {
        Diagnostic::new(Code::E0502, span, "only named functions can be called")
            .help("to multiply, write `*` before the bracket")
    })
}

/// E0102: `2 w`, where `w` is a variable.
pub(crate) fn variable_as_unit(value: f64, u: &ast::Unit) -> Diagnostic {
    let power = u.exponent.as_ref().map_or_else(String::new, |e| format!("^{e}"));
    Diagnostic::new(Code::E0102, u.span, format!("there is no unit `{}`", u.name))
        .label("a word right after a number is a unit")
        .help(format!("to multiply by `{0}`, write `{1}*{0}{power}`", u.name, crate::units::number(value)))
}

/// A function that another tool has; `drawn`: whether random numbers may be drawn where it stands.
pub(crate) fn function(name: &str, span: Span, drawn: bool) -> Option<Diagnostic> {
    let help = match name {
        "rand" | "random_sample" if drawn => "write `uniform(0, 1)`",
        "randn" if drawn => "write `normal(0, 1)`",
        "rand" | "randn" | "gaussian" => "white noise in an equation is `xi`, of unit s^-1/2: `sigma*sqrt(2/tau)*xi`",
        "random_normal" => "write `normal(mean, sd)`, or `xi` for white noise in an equation",
        "random_uniform" => "write `uniform(low, high)`",
        "poisson" => "a source of random spikes is `population X[100]: poisson(rate = 20 Hz)`",
        "int" => "write `floor(x)` or `round(x)`; of a condition `if t > 100 ms then 1 else 0`",
        "pow" => "write `a^b`",
        "fabs" => "write `abs(x)`",
        "ln" => "write `log(x)`",
        "log10" => "write `log(x) / log(10)`",
        "log2" => "write `log(x) / log(2)`",
        "arcsin" => "write `asin(x)`",
        "arccos" => "write `acos(x)`",
        "arctan" => "write `atan(x)`",
        "arctan2" => "write `atan2(y, x)`",
        "convolve" => {
            "connect to a state that decays, `dg/dt = -g / tau_syn`, or use `connect … through K` with a `kernel K`"
        }
        "resolution" => "write `dt`",
        "timestep" => "write `round(x / dt)`",
        "emit_spike" => "write `spike when v > v_th` as a line of the neuron",
        "range" => "write `0..10`",
        "len" => "a population's number of neurons is `P.N`",
        "zip" | "enumerate" => "write `for k in 0..10`, and take elements by their index",
        "append" => "write `log(\"curve.csv\", trial = k)` to collect rows in a file",
        "SpikeMonitor" | "StateMonitor" | "Monitor" => "write `record P.spikes, P.v every 1 ms`",
        "Simulate" => "write `run 100 ms`",
        "GetStatus" => "write `print(P.v)` or `record P.v every 1 ms`",
        "plot" | "show" | "figure" | "savefig" | "subplot" | "raster_plot" => {
            "write `record P.v every 1 ms to \"run.npz\"`, and draw the file with another program"
        }
        "SetStatus" => "assign to it: `P.I = 20 pA`",
        "backward" | "zero_grad" => {
            "write `minimize L over W.w by adam(lr = 1e-3)`: it takes the gradient and makes the step"
        }
        _ => return None,
    };
    Some(Diagnostic::new(Code::E0003, span, format!("there is no function `{name}`")).help(help))
}

/// An assignment in a handler of a synapse to a variable of the neuron behind it.
pub(crate) fn assignment(name: &str, span: Span, names: &dyn Names) -> Option<Diagnostic> {
    let Some((side, word, plain)) = suffixed(name, names) else {
        // The neuron calls it otherwise, but what is meant is plain.
        let suffix = ["_post", "_pre"].into_iter().find(|s| name.len() > s.len() && name.ends_with(s))?;
        let end = &suffix[1..];
        let fault =
            Diagnostic::new(Code::E0003, span, format!("a synapse does not write the {end}synaptic neuron: `{name}`"));
        return Some(if end == "post" {
            fault.help("write `deliver w` in `on pre`, and name the variable that receives it: `connect A -> B.g`")
        } else {
            fault.help("let the neuron do it in its own `on spike { … }`")
        });
    };
    let fault = Diagnostic::new(
        Code::E0003,
        span,
        format!("a synapse does not write the neurons: `{name}` is `{word}.{plain}`"),
    );
    Some(if side == Side::Post {
        fault.help(format!("write `deliver w` and connect to it: `connect A -> B.{plain}`, or `deliver w to {plain}`"))
    } else {
        fault.help("let the neuron do it in its own `on spike { … }`")
    })
}

/// The prelude's name of a model that NEST, PyNN, Brian2, BindsNET or snnTorch has.
pub(crate) fn model(name: &str) -> Option<&'static str> {
    Some(match name {
        "iaf_psc_exp" | "IF_curr_exp" => "lif_curr_exp",
        "iaf_psc_alpha" | "IF_curr_alpha" => "lif_curr_alpha",
        "iaf_cond_exp" | "IF_cond_exp" => "lif_cond_exp",
        "iaf_psc_delta" | "LIFNodes" | "LIF" | "Leaky" => "lif",
        "aeif_cond_exp" | "aeif_psc_exp" | "EIF_cond_exp_isfa_ista" => "adex",
        "hh_psc_alpha" | "HH_cond_exp" => "hodgkin_huxley",
        "Izhikevich" | "IzhikevichNodes" => "izhikevich",
        "poisson_generator" | "PoissonGroup" | "SpikeSourcePoisson" => "poisson",
        "spike_generator" | "SpikeGeneratorGroup" | "SpikeSourceArray" => "spike_source",
        "static_synapse" | "StaticSynapse" => "static",
        "stdp_synapse" | "STDPMechanism" | "PostPre" => "stdp",
        "stdp_triplet_synapse" => "triplet",
        "vogels_sprekeler_synapse" => "vogels",
        "tsodyks2_synapse" | "tsodyks_synapse" | "TsodyksMarkramSynapse" => "tsodyks_markram",
        _ => return None,
    })
}

/// The name of a connection rule that NEST or PyNN has.
pub(crate) fn rule(name: &str) -> Option<&'static str> {
    Some(match name {
        "pairwise_bernoulli" | "FixedProbabilityConnector" => "random",
        "AllToAllConnector" => "all_to_all",
        "OneToOneConnector" => "one_to_one",
        "fixed_total_number" | "FixedTotalNumberConnector" => "fixed_total",
        "FixedNumberPreConnector" => "fixed_indegree",
        "FixedNumberPostConnector" => "fixed_outdegree",
        "FromListConnector" | "FromFileConnector" => "edges",
        _ => return None,
    })
}

/// An argument of connection rules as NEST and PyNN name it, if the rule has it under another name, or another clause says it.
pub(crate) fn rule_argument(name: &str, params: &[&str]) -> Option<String> {
    if matches!(name, "allow_autapses" | "allow_self_connections") {
        return Some("write `where i != j` behind the rule to leave out synapses of a neuron with itself".to_owned());
    }
    let ours = match name {
        "allow_multapses" => "multapses",
        "indegree" | "outdegree" => "k",
        "p_connect" | "probability" => "p",
        "N" => "n",
        _ => return None,
    };
    params.contains(&ours).then(|| format!("write `{ours} = …`"))
}

/// The name of an integration method that Brian2 or NMODL has.
pub(crate) fn method(name: &str) -> Option<&'static str> {
    Some(match name {
        "exponential_euler" | "cnexp" => "exp_euler",
        "linear" | "exact_linear" | "independent" => "exact",
        "derivimplicit" | "implicit" => "backward_euler",
        "runge_kutta" | "RK4" => "rk4",
        "midpoint" => "rk2",
        _ => return None,
    })
}
