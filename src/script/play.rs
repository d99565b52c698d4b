//! `X.play(times, ids)`: spikes that a protocol gives to a source, such as those of a sample.

use crate::diag::{Code, Diagnostic};
use crate::hir::PopId;
use crate::script::eval::{Interp, Res};
use crate::script::ir::{Expr, Kind, StmtKind, Ty};
use crate::script::lower::Lower;
use crate::script::names::Thing;
use crate::source::Span;
use crate::syntax::ast;
use crate::units::Dim;

impl Lower<'_, '_> {
    pub(crate) fn play(&mut self, name: &ast::Ident, args: &[ast::Arg]) -> Option<StmtKind> {
        let slots = self.matched("play", name.span, &["source", "times", "ids"], 2, args)?;
        let mut slots = slots.into_iter();
        let (source, times, ids) = (slots.next()??, slots.next()??, slots.next().flatten());
        let pop = match self.resolve(&source.value) {
            Thing::Neurons(n) if n.at.is_empty() && n.view.select == crate::hir::Select::All => Some(n.view.pop),
            Thing::Poisoned => return None,
            _ => None,
        };
        let plays = |p: &PopId| self.cx.model.populations.get(p.index()).is_some_and(|p| p.play.is_some());
        let Some(pop) = pop.filter(plays) else {
            self.err(
                Diagnostic::new(Code::E0502, source.value.span, "only a whole `spike_source` plays spikes")
                    .label("this has none to play")
                    .help("declare it as `population X[100]: spike_source(times = [])`"),
            );
            return None;
        };
        let list = |e: &Expr| e.ty.num().is_some_and(|n| n.axes.len() == 1);
        let at = self.expr(&times.value);
        let which = ids.map(|a| (self.expr(&a.value), a));
        if at.ty == Ty::Poisoned || which.as_ref().is_some_and(|(e, _)| e.ty == Ty::Poisoned) {
            return None;
        }
        if !list(&at) || at.ty.num().is_none_or(|n| n.kind != Kind::Real(Dim::TIME)) {
            let found = self.describe(&at.ty);
            self.err(
                Diagnostic::new(Code::E0205, times.value.span, "the spikes to play need a list of times")
                    .label(format!("this is {found}"))
                    .help("arrays of a data set have no unit: write `X.play(s.times * 1 ms, s.ids)`"),
            );
            return None;
        }
        let ids = match which {
            None => None,
            Some((e, _)) if list(&e) && e.ty.num().is_some_and(|n| n.kind == Kind::Int) => Some(e),
            Some((e, arg)) => {
                let found = self.describe(&e.ty);
                self.err(
                    Diagnostic::new(Code::E0205, arg.value.span, "the neurons that spike are a list of whole numbers")
                        .label(format!("this is {found}")),
                );
                return None;
            }
        };
        Some(StmtKind::Play { pop, times: at, ids })
    }
}

impl Interp<'_, '_> {
    /// The spikes of a `play`, each with the number of its step from now (from 1) and its neuron, in this order.
    pub(crate) fn played(&mut self, pop: PopId, times: &Expr, ids: Option<&Expr>, span: Span) -> Res<Vec<(u64, u32)>> {
        let at = self.eval(times)?.to_f64s().unwrap_or_default();
        let which = match ids {
            Some(e) => Some(self.eval(e)?.to_f64s().unwrap_or_default()),
            None => None,
        };
        let size = self.cx.model.populations.get(pop.index()).map_or(0, crate::hir::Population::size);
        if let Some(which) = which.as_ref().filter(|w| w.len() != at.len()) {
            return Err(Diagnostic::new(
                Code::E0405,
                span,
                format!("there are {} times, but {} neurons", at.len(), which.len()),
            )
            .help("give one neuron for each time")
            .into());
        }
        let dt = self.machine.dt();
        let mut out = Vec::new();
        for (k, t) in at.iter().enumerate().filter(|(_, t)| t.is_finite()) {
            let step = (t / dt).round();
            if !(1.0..9e15).contains(&step) {
                return Err(Diagnostic::new(Code::E0205, span, format!("a spike {t} ms from now cannot be played"))
                    .help("spikes happen at the end of time steps: their times are positive")
                    .into());
            }
            match which.as_ref().and_then(|w| w.get(k)) {
                Some(i) if *i >= 0.0 && *i < size as f64 => out.push((step as u64, *i as u32)),
                Some(i) => {
                    return Err(Diagnostic::new(
                        Code::E0402,
                        span,
                        format!("there is no neuron {i}: the source has {size}"),
                    )
                    .into());
                }
                None => out.extend((0..size).map(|i| (step as u64, i as u32))),
            }
        }
        out.sort_unstable();
        out.dedup();
        Ok(out)
    }
}
