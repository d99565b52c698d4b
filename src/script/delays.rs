//! Delays that protocols change: what a delay may be.

use crate::diag::{Code, Diagnostic};
use crate::hir::Model;
use crate::script::expr::var_name;
use crate::script::ir::is_delay;
use crate::script::machine::{Machine, VarKey};
use crate::script::tensor::copy_values;

/// The longest delay in time steps.
pub(crate) const MAX_STEPS: f64 = 1e6;

/// Whether what a protocol has just written into a variable are delays, if it holds delays; to be asked before [`Machine::written`].
///
/// # Errors
/// `E0403`: some are negative, or too long; `E0902`: what is on its way would take too much memory.
pub(crate) fn check(machine: &mut dyn Machine, model: &Model, key: VarKey) -> Result<(), Diagnostic> {
    if !is_delay(model, key) {
        return Ok(());
    }
    let dt = machine.dt();
    let values = copy_values(&machine.values(key)).into_f64();
    let wrong = |x: &f64| !(*x >= 0.0 && *x / dt <= MAX_STEPS);
    let Some(first) = values.iter().find(|x| wrong(x)) else { return machine.delays_fit(key) };
    let count = values.iter().filter(|x| wrong(x)).count();
    let (name, n) = (var_name(model, key), values.len());
    let what = if n == 1 { format!("`{name}`") } else { format!("{count} of the {n} values of `{name}`") };
    let title = format!("{what} cannot be {}", if *first < 0.0 { "negative" } else { "kept" });
    let d = Diagnostic::without_span(Code::E0403, title)
        .note(format!("such as {} ms", crate::script::outcome::number(*first)));
    Err(d.help(format!("delays must lie between 0 and a million time steps, which are {} ms here", MAX_STEPS * dt)))
}
