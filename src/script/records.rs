//! `record`, at the top of a file and inside protocols.

use crate::diag::{Code, Diagnostic};
use crate::hir::PopId;
use crate::script::ir::{Expr, Record, RecordItem, Recorded, Ty};
use crate::script::lower::Lower;
use crate::script::names::Thing;
use crate::script::operators::const_value;
use crate::script::text;
use crate::source::Span;
use crate::syntax::ast;

impl Lower<'_, '_> {
    pub(crate) fn record(&mut self, record: &ast::Record, span: Span) -> Record {
        let mut items = Vec::new();
        for target in &record.targets {
            let name = text::expr(target);
            let what = match self.resolve(target) {
                Thing::Spikes(n, event) => {
                    if !n.at.is_empty() {
                        self.err(
                            Diagnostic::new(Code::E0502, target.span, "what is recorded must be known before the run")
                                .label("chosen by a variable"),
                        );
                        continue;
                    }
                    self.logged(n.view.pop, event, target.span);
                    Recorded::Spikes(n.view, event)
                }
                Thing::Poisoned => {
                    self.cx.hole(target.span);
                    continue;
                }
                Thing::Value(value) => {
                    let value = match value.ty {
                        Ty::Poisoned => {
                            self.cx.hole(target.span);
                            continue;
                        }
                        Ty::Num(_) => value,
                        _ => {
                            let found = self.describe(&value.ty);
                            self.err(
                                Diagnostic::new(Code::E0502, target.span, "this cannot be recorded")
                                    .label(format!("this is {found}")),
                            );
                            continue;
                        }
                    };
                    if self.unrecordable(&value) {
                        continue;
                    }
                    if let super::ir::ExprKind::Var(place) = &value.kind {
                        self.cx.program.read.insert(place.key);
                    }
                    let unit = self.shown(&value);
                    Recorded::Value { value, unit }
                }
                other => {
                    let mut d = Diagnostic::new(Code::E0502, target.span, "this cannot be recorded")
                        .label(format!("this is {}", other.describe()));
                    if let Thing::Neurons(_) = other {
                        d = d.help(format!("say what of it: `{name}.spikes`, or a variable such as `{name}.v`"));
                    }
                    self.err(d);
                    continue;
                }
            };
            items.push(RecordItem { name, what, span: target.span });
        }
        let (every_steps, every) = record.every.as_ref().map_or((1, None), |e| self.every(e));
        Record { items, every_steps, every, to: record.to.as_ref().map(|t| t.node.clone()), span }
    }

    /// Spikes or other events are read: they have to be recorded.
    pub(crate) fn logged(&mut self, pop: PopId, event: Option<u32>, span: Span) {
        match event {
            None => {
                self.cx.program.spikes_recorded.insert(pop);
                self.spikes(pop, span);
            }
            Some(e) => {
                self.cx.program.events_recorded.insert((pop, e));
            }
        }
    }

    /// The spikes of a population are used: its model says when there are some.
    pub(crate) fn spikes(&mut self, pop: PopId, span: Span) {
        let model = self.cx.model;
        let Some(population) = model.populations.get(pop.index()) else { return };
        let Some(neuron) = model.neuron_of(pop) else { return };
        // A `spike` clause that did not parse is reported there.
        if neuron.spike.is_some() || neuron.lost.is_some() {
            return;
        }
        self.cx.report_once(
            Diagnostic::new(Code::E0308, span, format!("`{}` never spikes", population.shown()))
                .label("its spikes are used here")
                .also(neuron.span, format!("`{}` has no `spike` clause", neuron.name))
                .help("say when it spikes, such as `spike when v > -50 mV`"),
        );
    }

    /// A recorded value is evaluated during a `run`: without locals, draws and calls.
    fn unrecordable(&mut self, value: &super::ir::Expr) -> bool {
        use super::ir::ExprKind;
        let mut fault = None;
        super::walk::any(value, &mut |e| {
            let words = match e.kind {
                ExprKind::Local(_) | ExprKind::Field { .. } => {
                    "a variable of the protocol, which does not change during a `run`"
                }
                ExprKind::Draw { .. } => "a draw",
                ExprKind::Call { .. } => "a procedure",
                ExprKind::Reduce { over: super::ir::Over::Time(_), .. } => "a value of a whole `run`",
                _ => return false,
            };
            fault = Some((e.span, words));
            true
        });
        let Some((span, words)) = fault else { return false };
        self.err(
            Diagnostic::new(Code::E0502, span, "only values of the network can be recorded")
                .label(format!("this is {words}")),
        );
        true
    }

    fn every(&mut self, e: &ast::Expr) -> (u64, Option<Expr>) {
        let time = self.time(e, "the interval of a recording");
        if time.ty == Ty::Poisoned {
            return (1, None);
        }
        let dt = self.cx.model.settings.dt;
        match const_value(&time) {
            Some(ms) if ms > 0.0 && ms / dt < 9e15 => {
                self.check_multiple(ms, e.span, "this interval");
                (((ms / dt).round() as u64).max(1), None)
            }
            Some(_) => {
                self.err(
                    Diagnostic::new(Code::E0205, e.span, "the interval of a recording is a positive time")
                        .label("not a usable interval"),
                );
                (1, None)
            }
            None => (1, Some(time)),
        }
    }
}
