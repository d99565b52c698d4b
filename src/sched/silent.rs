//! Populations that can never spike (W0708): a source whose rate is zero, or neurons that rest below their threshold and that nothing
//! excites. Said only where it is certain: all that acts on the population is known before the simulation starts.

use super::quiet::Findings;
use super::settle;
use super::warn::{Known, number, targets};
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{
    self, Expr, ExprKind, Model, NeuronModel, PopId, Projection, Role, Side, SpikeCond, StmtKind, Type, VarId,
};
use crate::methods::sym::{Node, Sym};
use crate::script::machine::Entity;

/// Why a population is silent.
enum Why {
    /// Its rate is zero, or negative: in 1/ms.
    Rate(f64),
    /// The equation of this state moves it from its initial value to a resting value, neither of which satisfies the condition.
    Rest { var: VarId, from: f64, to: f64 },
}

/// Reports the populations that can never spike. Those that are not silent are noted, with the silent ones among their sources.
pub(super) fn check(model: &Model, found: &mut Findings, sink: &mut Sink) {
    let mut silent: Vec<Option<Why>> = model.populations.iter().map(|_| None).collect();
    let mut followed = settle::Followed::default();
    // A population is silent if it rests below its threshold and all that reaches it comes from silent ones or inhibits.
    loop {
        let mut changed = false;
        for p in (0..model.populations.len()).filter(|p| silent[*p].is_none()).collect::<Vec<_>>() {
            // The more of its sources are silent, the less excites it.
            let sources: Vec<bool> =
                model.projections_into(PopId(p as u32)).map(|c| silent[c.pre.pop.index()].is_some()).collect();
            let loud = &mut found.populations[p].loud;
            if loud.as_ref().is_some_and(|with| sources.iter().zip(with).all(|(now, with)| *with || !*now)) {
                continue;
            }
            match why(model, p, &|q: PopId| silent[q.index()].is_some(), &mut followed) {
                Some(why) => {
                    silent[p] = Some(why);
                    changed = true;
                }
                None => *loud = Some(sources),
            }
        }
        if !changed {
            break;
        }
    }
    for (p, why) in silent.iter().enumerate() {
        let Some(why) = why else { continue };
        let population = &model.populations[p];
        let neuron = &model.neurons[population.model.index()];
        if !heard(model, p) && !model.script.counted.contains(&PopId(p as u32)) {
            continue;
        }
        let d = Diagnostic::new(
            Code::W0708,
            population.span,
            if population.pooled {
                format!("the inputs of `{}` never come", population.shown())
            } else {
                format!("the neurons of `{}` can never spike", population.name)
            },
        );
        sink.push(match why {
            Why::Rate(x) if population.pooled => d
                .label(format!("their rate is {} Hz", number(x * 1000.0)))
                .help("give them a rate, as in `poisson_input(n = 1000, rate = 8 Hz)`"),
            Why::Rate(x) => d
                .label(format!("their rate is {} Hz, and no experiment sets it", number(x * 1000.0)))
                .help("give them a rate, as in `poisson(rate = 20 Hz)`, or assign it: `X.rate = 20 Hz`"),
            Why::Rest { var, from, to } => {
                let decl = &neuron.vars[var.index()];
                let shown = |x: f64| {
                    let text = number(x / decl.shown.factor);
                    if decl.shown.name.is_empty() { text } else { format!("{text} {}", decl.shown.name) }
                };
                let fed = !model.ids_into(PopId(p as u32)).is_empty();
                let same = (from - to).abs() <= 1e-4 * to.abs().max(1.0) || shown(*from) == shown(*to);
                let way = if same {
                    format!("`{}` rests at {}, and nothing excites it", decl.name, shown(*from))
                } else {
                    format!("`{}` goes from {} to {}, and nothing excites it", decl.name, shown(*from), shown(*to))
                };
                let d = d.label(way);
                let d = match neuron.spike.as_ref().filter(|clause| clause.span.file == population.span.file) {
                    Some(clause) => d.also(clause.span, "this condition is false there"),
                    None => d,
                };
                if fed {
                    d.note("all that is connected to it inhibits, or comes from neurons that never spike")
                        .help("check the signs of the weights, or add a drive")
                } else {
                    d.help("connect something to it, give it a current, or check the resting value and the threshold")
                }
            }
        });
    }
}

/// Whether something is made of a population's spikes. Neurons without a use of them may well be silent: a membrane to look at.
fn heard(model: &Model, p: usize) -> bool {
    let pop = PopId(p as u32);
    model.projections_from(pop).any(|c| c.event.is_none()) || model.script.spikes_recorded.contains(&pop)
}

fn why<'m>(
    model: &'m Model,
    p: usize,
    silent: &dyn Fn(PopId) -> bool,
    followed: &mut settle::Followed<'m>,
) -> Option<Why> {
    let population = &model.populations[p];
    let neuron = &model.neurons[population.model.index()];
    let entity = Entity::Pop(PopId(p as u32));
    let known = Known::of_population(model, p);
    let script = &model.script;
    let crossed;
    let cond = match &neuron.spike.as_ref()?.cond {
        SpikeCond::Rate(rate) => {
            let fed = !targets(model, p).is_empty();
            let known = || known.value(rate).filter(|x| *x <= 0.0);
            return if population.play.is_none() && !fed { known().map(Why::Rate) } else { None };
        }
        SpikeCond::Level(cond) => cond,
        // To cross a value upwards is to satisfy `left >= right`.
        SpikeCond::Crosses(left, right) => {
            let kind = ExprKind::Binary(hir::BinaryOp::Ge, Box::new(left.clone()), Box::new(right.clone()));
            crossed = Expr { kind, ty: Type::Bool, span: left.span };
            &crossed
        }
    };
    let active = !neuron.noises.is_empty() || !neuron.every.is_empty() || !neuron.events.is_empty();
    if active || script.assigned.iter().any(|k| k.entity == entity) {
        return None;
    }
    let incoming: Vec<&Projection> = model.projections_into(PopId(p as u32)).collect();
    if incoming.iter().any(|c| c.kernel.is_some() || !c.synapse.injects.is_empty()) {
        return None;
    }
    let loud: Vec<&&Projection> = incoming.iter().filter(|c| c.event.is_some() || !silent(c.pre.pop)).collect();
    let var = upward(cond)?;
    let undriven = loud.is_empty();
    // What is delivered to v itself may only lower it; anything else is not known to inhibit.
    for projection in loud {
        if !inhibits(model, projection, var, neuron, &known)? {
            return None;
        }
    }
    let start = |v: VarId| population.given(&neuron.vars, v).and_then(|e| known.value(e));
    let linear = known.lower(|mut low| {
        let rhs = low.expr(&neuron.odes.iter().find(|o| o.var == var)?.rhs)?;
        let x = low.graph.own(var);
        let test = low.expr(cond)?;
        // All other states must stay where they begin: their equations vanish there.
        let others: Vec<VarId> = states(neuron).filter(|v| *v != var).collect();
        let here = |node: &Node, own: f64| match node {
            Node::Var(Side::Own, v, _) if *v == var => own,
            Node::Var(Side::Own, v, _) if neuron.vars[v.index()].role != Role::Input => start(*v).unwrap_or(f64::NAN),
            _ => f64::NAN,
        };
        for v in &others {
            let Some(ode) = neuron.odes.iter().find(|o| o.var == *v) else { continue };
            let f = low.expr(&ode.rhs)?;
            // A state that is delivered to and decays only lowers v, as was found above.
            let moved = (0..2).any(|k| low.graph.eval(f, &|n| here(n, f64::from(k))) != 0.0);
            if moved {
                return None;
            }
        }
        let is_known = |v: VarId| v == var || start(v).is_some();
        if [rhs, test].iter().any(|s| low.graph.any(*s, &|node| settle::unknown(node, &is_known))) {
            return None;
        }
        let (a, b) = low.graph.linear(rhs, x)?;
        let value = |s: Sym, own: f64| low.graph.eval(s, &|n| here(n, own));
        let (a, b) = (value(a, 0.0), value(b, 0.0));
        let (from, to) = (start(var)?, 0.0 - b / a);
        let quiet = |own: f64| value(test, own) == 0.0;
        (a < 0.0 && to.is_finite() && quiet(from) && quiet(to)).then_some((from, to))
    });
    // To count the spikes of a cell without a drive may be to show that there is none (an excitable cell): nothing is said of those.
    let rest = linear.or_else(|| {
        let follow = undriven && heard(model, p);
        follow.then(|| followed.rest(population, neuron, known, cond, var, model.settings.dt)).flatten()
    });
    rest.map(|(from, to)| Why::Rest { var, from, to })
}

fn states(neuron: &NeuronModel) -> impl Iterator<Item = VarId> {
    neuron.vars.iter().zip(0..).filter(|(v, _)| !matches!(v.role, Role::Param | Role::Input)).map(|(_, k)| VarId(k))
}

/// The state v of a condition `v > e`, where e contains no v.
fn upward(cond: &Expr) -> Option<VarId> {
    let ExprKind::Binary(op, left, right) = &cond.kind else { return None };
    let (high, low) = match op {
        hir::BinaryOp::Gt | hir::BinaryOp::Ge => (left, right),
        hir::BinaryOp::Lt | hir::BinaryOp::Le => (right, left),
        _ => return None,
    };
    let ExprKind::Var(Side::Own, v) = high.kind else { return None };
    let free = !low
        .any(&[], &|e| matches!(e.kind, ExprKind::Var(Side::Own, w) if w == v) || matches!(e.kind, ExprKind::Let(_)));
    (free && matches!(high.ty, Type::Real(_))).then_some(v)
}

/// Whether a projection only lowers `var`: it delivers constants that are not positive to it, or to a state that enters its equation
/// with a positive factor and does nothing else. `None` where that is not known.
fn inhibits(
    model: &Model,
    projection: &Projection,
    var: VarId,
    neuron: &NeuronModel,
    known: &Known<'_>,
) -> Option<bool> {
    let synapse = &projection.synapse;
    let [hir::Stmt { kind: StmtKind::Deliver { value, target }, .. }] = synapse.on_pre.as_slice() else { return None };
    if synapse.on_post.is_some() || !synapse.odes.is_empty() {
        return None;
    }
    let k = model.projections.iter().position(|c| std::ptr::eq(c, projection))?;
    let ExprKind::Var(Side::Own, w) = value.kind else { return None };
    let entity = Entity::Proj(hir::ProjId(k as u32));
    if model.script.assigned.iter().any(|key| key.entity == entity && key.var == w) {
        return None;
    }
    let given =
        projection.args.iter().find(|(v, _)| *v == w).map(|(_, e)| e).or(synapse.vars[w.index()].init.as_ref())?;
    let amount = Known::of_projection(model, k).value(given)?;
    if amount > 0.0 {
        return Some(false);
    }
    if *target == var {
        return Some(true);
    }
    let only = neuron.odes.iter().all(|o| {
        o.var == *target
            || o.var == var
            || !o.rhs.any(&neuron.lets, &|e| matches!(e.kind, ExprKind::Var(Side::Own, v) if v == *target))
    });
    let rhs = &neuron.odes.iter().find(|o| o.var == var)?.rhs;
    let factor = known.lower(|mut low| {
        let rhs = low.expr(rhs)?;
        let g = low.graph.own(*target);
        let (a, _) = low.graph.linear(rhs, g)?;
        low.graph.as_const(a)
    });
    Some(only && factor? >= 0.0)
}
