//! What expressions and models mention.

use super::{
    Expr, ExprKind, LetDecl, Model, NeuronModel, PopId, ProjId, Role, Side, SpikeCond, Stmt, StmtKind, SynapseModel,
    VarId,
};
use crate::source::Span;

impl Expr {
    /// Calls `f` with each operand.
    pub fn each_part<'a>(&'a self, f: &mut dyn FnMut(&'a Expr)) {
        match &self.kind {
            ExprKind::Unary(_, a) | ExprKind::ToReal(a) | ExprKind::Table(_, a) => f(a),
            ExprKind::Binary(_, a, b) => {
                f(a);
                f(b);
            }
            ExprKind::If(a, b, c) => {
                f(a);
                f(b);
                f(c);
            }
            ExprKind::Call(_, args) | ExprKind::Draw { args, .. } => args.iter().for_each(f),
            ExprKind::Const(_)
            | ExprKind::Bool(_)
            | ExprKind::Var(..)
            | ExprKind::Let(_)
            | ExprKind::Local(_)
            | ExprKind::Noise(_)
            | ExprKind::Other(..)
            | ExprKind::Timed(..)
            | ExprKind::Time
            | ExprKind::Dt
            | ExprKind::Index(_)
            | ExprKind::Size(_)
            | ExprKind::FileArray { .. }
            | ExprKind::EdgeColumn(_) => {}
        }
    }

    /// Whether both say the same in the same model, wherever they stand. Draws are the same if they are from one distribution.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        use ExprKind as K;
        let head = match (&self.kind, &other.kind) {
            (K::Const(a), K::Const(b)) => a.to_bits() == b.to_bits(),
            (K::Bool(a), K::Bool(b)) => a == b,
            (K::Var(a, v), K::Var(b, w)) => (a, v) == (b, w),
            (K::Let(a), K::Let(b)) => a == b,
            (K::Local(a), K::Local(b)) => a == b,
            (K::Noise(a), K::Noise(b)) => a == b,
            (K::Other(p, v), K::Other(q, w)) => (p, v) == (q, w),
            (K::Timed(a, s), K::Timed(b, t)) => a == b && s.to_bits() == t.to_bits(),
            (K::Time, K::Time) | (K::Dt, K::Dt) | (K::ToReal(_), K::ToReal(_)) | (K::If(..), K::If(..)) => true,
            (K::Index(a), K::Index(b)) | (K::Size(a), K::Size(b)) => a == b,
            (K::Unary(a, _), K::Unary(b, _)) => a == b,
            (K::Binary(a, ..), K::Binary(b, ..)) => a == b,
            (K::Call(a, _), K::Call(b, _)) => a == b,
            (K::Draw { dist: a, truncated: s, .. }, K::Draw { dist: b, truncated: t, .. }) => (a, s) == (b, t),
            (K::Table(a, _), K::Table(b, _)) => a == b,
            (K::FileArray { path: p, key: a }, K::FileArray { path: q, key: b }) => (p, a) == (q, b),
            (K::EdgeColumn(a), K::EdgeColumn(b)) => a == b,
            _ => false,
        };
        let parts = |e: &Self| {
            let mut n = 0_usize;
            e.each_part(&mut |_| n += 1);
            n
        };
        if !head || self.ty != other.ty || parts(self) != parts(other) {
            return false;
        }
        let mut theirs: Vec<&Self> = Vec::new();
        other.each_part(&mut |e| theirs.push(e));
        let mut theirs = theirs.into_iter();
        let mut same = true;
        self.each_part(&mut |e| same &= theirs.next().is_some_and(|o| e.same(o)));
        same
    }

    /// Whether the expression, with the `let`s it names, has a part that satisfies `pred`.
    #[must_use]
    pub fn any(&self, lets: &[LetDecl], pred: &dyn Fn(&Expr) -> bool) -> bool {
        if pred(self) {
            return true;
        }
        if let ExprKind::Let(id) = &self.kind {
            return lets.get(id.index()).is_some_and(|l| l.value.any(lets, pred));
        }
        let mut found = false;
        self.each_part(&mut |e| found |= e.any(lets, pred));
        found
    }
}

impl Expr {
    /// Where white noise (of one source, or of any) first stands in the expression, be it in the name of a `let`.
    #[must_use]
    pub fn noise_span(&self, lets: &[LetDecl], source: Option<u32>) -> Option<Span> {
        let noise = |e: &Expr| matches!(e.kind, ExprKind::Noise(n) if source.is_none_or(|s| s == n));
        if noise(self) {
            return Some(self.span);
        }
        if let ExprKind::Let(id) = &self.kind {
            return lets.get(id.index()).filter(|l| l.value.any(lets, &noise)).map(|_| self.span);
        }
        let mut found = None;
        self.each_part(&mut |e| found = found.or_else(|| e.noise_span(lets, source)));
        found
    }
}

fn each(e: &Expr, f: &mut dyn FnMut(&Expr)) {
    f(e);
    e.each_part(&mut |p| each(p, f));
}

/// Calls `f` with every expression of a block and all their parts.
pub fn each_of_block(stmts: &[Stmt], f: &mut dyn FnMut(&Expr)) {
    for s in stmts {
        match &s.kind {
            StmtKind::Assign { value, .. } | StmtKind::Local { value, .. } | StmtKind::Deliver { value, .. } => {
                each(value, f);
            }
            StmtKind::If { cond, then, els } => {
                each(cond, f);
                each_of_block(then, f);
                each_of_block(els, f);
            }
        }
    }
}

impl NeuronModel {
    /// Calls `f` with every expression of the model and all their parts.
    pub fn each_expr(&self, f: &mut dyn FnMut(&Expr)) {
        for v in &self.vars {
            v.init.iter().chain(v.bounds.iter().flat_map(|(lo, hi)| [lo, hi])).for_each(|e| each(e, f));
        }
        self.lets.iter().for_each(|l| each(&l.value, f));
        self.odes.iter().for_each(|o| each(&o.rhs, f));
        for cond in self.spike.iter().map(|s| &s.cond).chain(self.events.iter().map(|e| &e.cond)) {
            match cond {
                SpikeCond::Level(e) | SpikeCond::Rate(e) => each(e, f),
                SpikeCond::Crosses(a, b) => {
                    each(a, f);
                    each(b, f);
                }
            }
        }
        each_of_block(&self.on_spike, f);
        self.events.iter().for_each(|e| each_of_block(&e.on, f));
        each_of_block(&self.on_release, f);
        for e in &self.every {
            each(&e.period, f);
            each_of_block(&e.body, f);
        }
        self.refractory.iter().for_each(|r| each(&r.duration, f));
    }
}

impl SpikeCond {
    /// Its expressions.
    pub fn sides(&self) -> impl Iterator<Item = &Expr> {
        match self {
            Self::Level(e) | Self::Rate(e) => [Some(e), None],
            Self::Crosses(a, b) => [Some(a), Some(b)],
        }
        .into_iter()
        .flatten()
    }
}

impl SynapseModel {
    /// Calls `f` with every expression of the model and all their parts.
    pub fn each_expr(&self, f: &mut dyn FnMut(&Expr)) {
        for v in &self.vars {
            v.init.iter().chain(v.bounds.iter().flat_map(|(lo, hi)| [lo, hi])).for_each(|e| each(e, f));
        }
        self.lets.iter().for_each(|l| each(&l.value, f));
        self.odes.iter().for_each(|o| each(&o.rhs, f));
        self.injects.iter().for_each(|e| each(e, f));
        each_of_block(&self.on_pre, f);
        self.on_post.iter().for_each(|b| each_of_block(b, f));
        for e in &self.events {
            e.cond.sides().for_each(|e| each(e, f));
            each_of_block(&e.on, f);
        }
        for e in &self.every {
            each(&e.period, f);
            each_of_block(&e.body, f);
        }
    }
}

impl Model {
    /// The inputs of a projection's synapses whose values follow the time, another population, states of the neurons at their ends or
    /// of the synapse itself: computed anew at the start of every step. By variable.
    #[must_use]
    pub fn live_inputs(&self, proj: ProjId) -> Vec<bool> {
        let Some(projection) = self.projections.get(proj.index()) else { return Vec::new() };
        let synapse = &projection.synapse;
        // Most synapses have none.
        if synapse.vars.iter().all(|v| v.role != Role::Input) {
            return vec![false; synapse.vars.len()];
        }
        let changes = |pop: PopId| {
            let neuron = self.populations.get(pop.index()).and_then(|p| self.neurons.get(p.model.index()));
            let roles = neuron.map(|n| n.vars.iter().map(|v| matches!(v.role, Role::State | Role::Learned)));
            let live = self.live(pop);
            roles.map(|r| r.zip(live).map(|(state, live)| state || live).collect::<Vec<bool>>()).unwrap_or_default()
        };
        let (pre, post) = (changes(projection.pre.pop), changes(projection.post.pop));
        let mut live = vec![false; synapse.vars.len()];
        loop {
            let before = live.clone();
            for (k, _) in synapse.vars.iter().enumerate().filter(|(_, v)| v.role == Role::Input) {
                let Some(e) = projection.given(VarId(k as u32)) else { continue };
                live[k] = e.any(&synapse.lets, &|e| match &e.kind {
                    ExprKind::Time | ExprKind::Timed(..) | ExprKind::Other(..) => true,
                    ExprKind::Var(Side::Pre, v) => pre.get(v.index()) == Some(&true),
                    ExprKind::Var(Side::Post, v) => post.get(v.index()) == Some(&true),
                    ExprKind::Var(Side::Own, v) => {
                        let role = synapse.vars.get(v.index()).map(|d| d.role);
                        before.get(v.index()) == Some(&true) || matches!(role, Some(Role::State | Role::Weight))
                    }
                    _ => false,
                });
            }
            if live == before {
                return live;
            }
        }
    }

    /// The parameters and inputs of a population whose values follow the time, states or other populations: computed anew at the
    /// start of every step. By variable.
    #[must_use]
    pub fn live(&self, pop: PopId) -> Vec<bool> {
        let Some(population) = self.populations.get(pop.index()) else { return Vec::new() };
        let Some(neuron) = self.neurons.get(population.model.index()) else { return Vec::new() };
        let mut live = vec![false; neuron.vars.len()];
        loop {
            let before = live.clone();
            for (k, var) in neuron.vars.iter().enumerate() {
                if live[k] || !matches!(var.role, Role::Param | Role::Input) {
                    continue;
                }
                let Some(e) = population.given(&neuron.vars, VarId(k as u32)) else { continue };
                live[k] = e.any(&neuron.lets, &|e| match &e.kind {
                    ExprKind::Time | ExprKind::Timed(..) | ExprKind::Other(..) => true,
                    ExprKind::Var(Side::Own, v) => {
                        let role = neuron.vars.get(v.index()).map(|d| d.role);
                        before.get(v.index()) == Some(&true) || matches!(role, Some(Role::State | Role::Learned))
                    }
                    _ => false,
                });
            }
            if live == before {
                return live;
            }
        }
    }
}
