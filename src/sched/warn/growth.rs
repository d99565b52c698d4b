//! States whose own equation lets them grow without end (W0719): a decay whose minus is missing.

use super::{Known, number};
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{Ode, VarDecl};

/// Equations that are a positive multiple of their own variable and nothing else; each is said once, whatever uses the model.
pub(super) fn check(vars: &[VarDecl], odes: &[Ode], known: &Known<'_>, sink: &mut Sink) {
    for ode in odes {
        let rate = known.lower(|mut low| {
            let rhs = low.expr(&ode.rhs)?;
            let x = low.graph.own(ode.var);
            let (a, b) = low.graph.linear(rhs, x)?;
            low.graph.as_const(b).filter(|b| *b == 0.0)?;
            low.graph.as_const(a)
        });
        let Some(rate) = rate.filter(|r| *r > 0.0 && r.is_finite()) else { continue };
        let name = &vars[ode.var.index()].name;
        let d = Diagnostic::new(Code::W0719, ode.span, format!("`{name}` grows without end"))
            .label(format!("by a factor of e in every {} ms", number(1.0 / rate)))
            .help(format!("if it decays, a minus is missing: `d{name}/dt = -{name} / tau`"));
        let said = |o: &Diagnostic| {
            o.code == d.code && o.primary.as_ref().map(|l| l.span) == d.primary.as_ref().map(|l| l.span)
        };
        if !sink.items.iter().any(said) {
            sink.push(d);
        }
    }
}
