//! What synapses do by themselves, beside the events of their neurons: inputs that follow something, periodic code, events of their
//! own, and the random numbers all that takes.

use std::sync::Arc;

use super::clocked::Clocked;
use super::lower::{Context, Effects, Lowering};
use super::population::{Draw, EveryPlan, Spiking, bad_period, every_draw, live_values, tables};
use super::steps;
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind, Model, ProjId, Projection, Role, Side, SpikeCond, VarId};
use crate::methods::sym::{Graph, Node, Sym};

/// An event of a synapse.
#[derive(Debug, Clone)]
pub struct SynapseEvent {
    /// When it happens: a level or a crossing.
    pub cond: Spiking,
    /// What it does.
    pub on: Effects,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Own {
    /// Inputs that follow something: their values at a step's start, in order of dependency.
    pub live: Vec<(VarId, Sym)>,
    /// Periodic code, in order of the file.
    pub every: Vec<EveryPlan>,
    /// Events, in order of the file.
    pub events: Vec<SynapseEvent>,
    /// The random numbers of a step, by the number of their `Draw`: one for each synapse.
    pub draws: Vec<Draw>,
    /// The tables of `timed`, the same for all plans of a network.
    pub tables: Vec<Arc<[f64]>>,
}

impl Own {
    /// Whether anything happens at synapses without an event of a neuron.
    #[must_use]
    pub fn acts(&self) -> bool {
        !(self.live.is_empty() && self.every.is_empty() && self.events.is_empty() && self.draws.is_empty())
    }
}

fn unexpected(projection: &Projection) -> Diagnostic {
    Diagnostic::new(
        Code::E0900,
        projection.span,
        "a bug in snnc: a synapse holds something that only initial values may",
    )
    .help("please report it with this file")
}

/// The values of the inputs that follow something, for which [`Model::live_inputs`] is true.
pub(super) fn live(
    graph: &mut Graph,
    context: &Context<'_>,
    projection: &Projection,
    live: &[bool],
) -> Result<Vec<(VarId, Sym)>, Diagnostic> {
    let synapse = &projection.synapse;
    for (k, var) in synapse.vars.iter().enumerate() {
        let Some(e) = projection.given(VarId(k as u32)) else { continue };
        if live[k] {
            let once = |e: &Expr| {
                matches!(e.kind, ExprKind::Draw { .. } | ExprKind::FileArray { .. } | ExprKind::EdgeColumn(_))
            };
            if e.any(&synapse.lets, &once) {
                return Err(Diagnostic::new(
                    Code::E0304,
                    e.span,
                    format!(
                        "`{}` is computed anew in every step, so it cannot contain a value that is drawn or read once",
                        var.name
                    ),
                )
                .help("put the draw into a parameter of the synapse, and multiply where the input is used"));
            }
        } else if var.role == Role::Param {
            let follows =
                |e: &Expr| matches!(e.kind, ExprKind::Var(Side::Own, v) if live.get(v.index()) == Some(&true));
            if e.any(&synapse.lets, &follows) {
                return Err(Diagnostic::new(
                    Code::E0304,
                    e.span,
                    format!("the parameter `{}` is set once, but this follows an input that changes", var.name),
                )
                .also(var.span, "declared here")
                .help(format!("name it by `let {} = …`, which is computed where it is used", var.name)));
            }
        }
    }
    let given = |v: VarId| projection.given(v);
    live_values(&given, &synapse.lets, live, graph, context).ok_or_else(|| unexpected(projection))
}

/// Whether a value is the same for all synapses of a projection.
pub(super) fn common(graph: &Graph, s: Sym) -> bool {
    !graph.any(s, &|n| matches!(n, Node::Var(..) | Node::Index(_)))
}

/// What periodic code and events do and read, for analyses: the draws are not numbered.
pub(super) fn reads(
    graph: &mut Graph,
    context: &Context<'_>,
    projection: &Projection,
    ignore: &dyn Fn(VarId) -> bool,
) -> Option<(Vec<Effects>, Vec<Sym>)> {
    let synapse = &projection.synapse;
    let mut effects = Vec::new();
    let mut conditions = Vec::new();
    for e in &synapse.every {
        effects.push(Lowering::new(graph, context).drawing_block(&e.body, ignore, 0, &|_, _| false)?.0);
    }
    for e in &synapse.events {
        effects.push(Lowering::new(graph, context).block(&e.on, ignore)?);
        for side in e.cond.sides() {
            conditions.push(Lowering::new(graph, context).expr(side)?);
        }
    }
    Some((effects, conditions))
}

/// Plans periodic code and events. The update of the clocked states has taken its random numbers.
pub(super) fn plan(
    graph: &mut Graph,
    context: &Context<'_>,
    model: &Model,
    p: usize,
    live: Vec<(VarId, Sym)>,
    clocked: &Clocked,
    ignore: &dyn Fn(VarId) -> bool,
) -> Result<Own, Diagnostic> {
    let projection = &model.projections[p];
    let synapse = &projection.synapse;
    let follows = model.live_inputs(ProjId(p as u32));
    let noise = clocked.update.iter().flat_map(|u| &u.draws);
    let mut draws: Vec<Draw> = noise.map(|d| super::population::noise_draw(&synapse.noises, *d)).collect();
    let mut every = Vec::new();
    for (k, clause) in synapse.every.iter().enumerate() {
        let period = Lowering::new(graph, context).expr(&clause.period);
        let period = period.and_then(|s| graph.as_const(s)).map(|x| steps(x, context.dt)).filter(|n| *n >= 1.0);
        let Some(period) = period.filter(|n| *n <= f64::from(1 << 30)) else {
            return Err(bad_period(clause, context.dt, "projection", "synapses"));
        };
        let steady = |graph: &Graph, s: Sym| {
            !graph.any(s, &|n| match n {
                Node::Var(Side::Own, v, _) => match synapse.vars[v.index()].role {
                    Role::Param => false,
                    Role::Input => follows[v.index()],
                    _ => true,
                },
                Node::Var(..) | Node::Index(_) | Node::Time | Node::Timed(..) | Node::Other(..) | Node::Draw(_) => true,
                _ => false,
            })
        };
        let (effects, taken) = Lowering::new(graph, context)
            .drawing_block(&clause.body, ignore, draws.len() as u32, &steady)
            .ok_or_else(|| unexpected(projection))?;
        draws.extend(taken.iter().map(|d| every_draw(k, d, period as u32)));
        every.push(EveryPlan { period: period as u32, effects });
    }
    let mut events = Vec::new();
    for event in &synapse.events {
        let mut low = |e| Lowering::new(graph, context).expr(e).ok_or_else(|| unexpected(projection));
        let cond = match &event.cond {
            SpikeCond::Level(e) => Spiking::Level(low(e)?),
            SpikeCond::Crosses(a, b) => Spiking::Crosses(low(a)?, low(b)?),
            SpikeCond::Rate(_) => return Err(unexpected(projection)),
        };
        let on = Lowering::new(graph, context).block(&event.on, ignore).ok_or_else(|| unexpected(projection))?;
        events.push(SynapseEvent { cond, on });
    }
    let live = live.into_iter().filter(|(v, _)| !ignore(*v)).collect();
    let given: Vec<&Expr> = projection.args.iter().map(|(_, e)| e).collect();
    Ok(Own { live, every, events, draws, tables: tables(&|f| synapse.each_expr(f), &given) })
}
