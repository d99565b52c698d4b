//! What is known of the variables of one population or projection before the simulation starts.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::super::lower::{Context, Lowering};
use crate::hir::{Expr, ExprKind, LetDecl, Model, PopId, ProjId, Role, Side, Stmt, StmtKind, VarDecl, VarId};
use crate::methods::sym::Graph;
use crate::script::machine::{Entity, VarKey};

/// The variables of one population or projection that are one constant for all elements.
pub(in crate::sched) struct Known<'a> {
    values: Vec<Option<f64>>,
    fed: BTreeSet<VarId>,
    vars: &'a [VarDecl],
    lets: &'a [LetDecl],
    size: f64,
    dt: f64,
    /// What expressions are lowered into, again and again.
    graph: RefCell<Graph>,
}

impl<'a> Known<'a> {
    pub(in crate::sched) fn of_population(model: &'a Model, p: usize) -> Self {
        let population = &model.populations[p];
        let neuron = &model.neurons[population.model.index()];
        let known = Self {
            values: vec![None; neuron.vars.len()],
            // What synapses add to an argument is not known.
            fed: targets(model, p),
            vars: &neuron.vars,
            lets: &neuron.lets,
            size: population.size() as f64,
            dt: model.settings.dt,
            graph: RefCell::new(Graph::small()),
        };
        known.resolved(&population.args, Entity::Pop(PopId(p as u32)), model)
    }

    pub(in crate::sched) fn of_projection(model: &'a Model, k: usize) -> Self {
        let projection = &model.projections[k];
        let known = Self {
            values: vec![None; projection.synapse.vars.len()],
            fed: BTreeSet::new(),
            vars: &projection.synapse.vars,
            lets: &projection.synapse.lets,
            // A size in a delay is rare: unknown, so that nothing is said.
            size: f64::NAN,
            dt: model.settings.dt,
            graph: RefCell::new(Graph::small()),
        };
        known.resolved(&projection.args, Entity::Proj(ProjId(k as u32)), model)
    }

    /// A default may refer to any other parameter: repeated until nothing new becomes known.
    fn resolved(mut self, args: &[(VarId, Expr)], entity: Entity, model: &Model) -> Self {
        loop {
            let mut changed = false;
            for (k, var) in self.vars.iter().enumerate() {
                let id = VarId(k as u32);
                if self.values[k].is_some()
                    || !matches!(var.role, Role::Param | Role::Input)
                    || self.fed.contains(&id)
                    || model.script.assigned.contains(&VarKey { entity, var: id })
                {
                    continue;
                }
                let given = args.iter().find(|(v, _)| *v == id).map(|(_, e)| e).or(var.init.as_ref());
                let value = match given {
                    Some(e) => self.value(e),
                    // An input that nothing feeds is zero.
                    None => (var.role == Role::Input).then_some(0.0),
                };
                if let Some(x) = value {
                    self.values[k] = Some(x);
                    changed = true;
                }
            }
            if !changed {
                return self;
            }
        }
    }

    /// Whether the same is known of another population of the same model.
    pub(in crate::sched) fn same(&self, other: &Self) -> bool {
        let bits = |x: &Option<f64>| x.map(f64::to_bits);
        self.values.iter().map(bits).eq(other.values.iter().map(bits)) && self.size.to_bits() == other.size.to_bits()
    }

    pub(in crate::sched) fn value(&self, e: &Expr) -> Option<f64> {
        if let ExprKind::Const(x) = e.kind {
            return Some(x).filter(|x| x.is_finite());
        }
        self.lower(|mut low| low.expr(e).and_then(|s| low.graph.as_const(s))).filter(|x| x.is_finite())
    }

    /// Runs `f` on a fresh graph in which the constants are known.
    pub(in crate::sched) fn lower<T>(&self, f: impl FnOnce(Lowering<'_, '_>) -> T) -> T {
        let constant = |side: Side, v: VarId| if side == Side::Own { self.values[v.index()] } else { None };
        let size = |_: Side| self.size;
        let context = Context { constant: &constant, size: &size, lets: self.lets, vars: self.vars, dt: self.dt };
        // What is asked while something else is asked has a graph of its own.
        match self.graph.try_borrow_mut() {
            Ok(mut graph) => {
                graph.clear();
                f(Lowering::new(&mut graph, &context))
            }
            Err(_) => f(Lowering::new(&mut Graph::default(), &context)),
        }
    }
}

/// The states and inputs of population `p` that some projection delivers to or injects into.
pub(in crate::sched) fn targets(model: &Model, p: usize) -> BTreeSet<VarId> {
    let mut out = BTreeSet::new();
    for projection in model.projections_into(PopId(p as u32)) {
        out.extend(projection.target);
        delivered(&projection.synapse.on_pre, &mut out);
    }
    out
}

fn delivered(block: &[Stmt], out: &mut BTreeSet<VarId>) {
    for stmt in block {
        match &stmt.kind {
            StmtKind::Deliver { target, .. } => {
                out.insert(*target);
            }
            StmtKind::If { then, els, .. } => {
                delivered(then, out);
                delivered(els, out);
            }
            StmtKind::Assign { .. } | StmtKind::Local { .. } => {}
        }
    }
}

/// A number with six digits at most.
pub(in crate::sched) fn number(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return x.to_string();
    }
    let digits = (5 - x.abs().log10().floor() as i32).clamp(0, 15);
    let text = format!("{x:.*}", digits as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
