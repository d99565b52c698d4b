//! A tiny network with obvious dynamics, and protocols for it, for tests of everything that drives networks.
//!
//! Source neurons `X` (input `rate`) fire at random; each spike adds the weights of its row to `E.g`. `E.v` follows `E.g`; `E` fires at
//! `v > 0.3 + theta`, which raises the learned `theta` and adds the trace `XE.x` of each source to its weights.

use std::any::Any;
use std::collections::BTreeSet;

use crate::diag::Diagnostic;
use crate::hir::{
    AssignOp, BinaryOp, DataDecl, DataId, DataSource, Expr as HExpr, ExprKind as H, Model, NeuronId, NeuronModel, Ode,
    PopId, Population, Precision, ProjId, Projection, Readout, ReadoutId, ReadoutKind, Refractory, Role, Rule,
    Select as HSelect, Settings, ShownUnit, Side, SpikeClause, SpikeCond, Stmt as HStmt, StmtKind as HS, SynapseModel,
    Type, VarDecl, VarId, View,
};
use crate::rng::Stream;
use crate::script::eval::DataAccess;
use crate::script::ir::*;
use crate::script::machine::{
    Entity, Machine, ResetTarget, RunKey, Slice, SliceMut, SpikeLog, Values, ValuesMut, VarKey,
};
use crate::script::tensor::{Data, SampleRef, Tensor};
use crate::source::Span;
use crate::units::Dim;

pub(crate) const NX: usize = 6;
pub(crate) const NE: usize = 5;
const STRIDE: usize = 8;

pub(crate) const X: PopId = PopId(0);
pub(crate) const E: PopId = PopId(1);
pub(crate) const XE: ProjId = ProjId(0);

pub(crate) fn pop(p: PopId, v: u32) -> VarKey {
    VarKey { entity: Entity::Pop(p), var: VarId(v) }
}
pub(crate) fn proj(v: u32) -> VarKey {
    VarKey { entity: Entity::Proj(XE), var: VarId(v) }
}
pub(crate) fn rate() -> VarKey {
    pop(X, 0)
}
pub(crate) fn g() -> VarKey {
    pop(E, 0)
}
pub(crate) fn theta() -> VarKey {
    pop(E, 2)
}
pub(crate) fn w() -> VarKey {
    proj(0)
}
pub(crate) fn trace() -> VarKey {
    proj(1)
}

// --- the model ---

fn h(kind: H) -> HExpr {
    HExpr { kind, ty: Type::Real(Dim::NONE), span: Span::default() }
}
fn own(v: u32) -> HExpr {
    h(H::Var(Side::Own, VarId(v)))
}
fn decl(name: &str, role: Role) -> VarDecl {
    VarDecl {
        name: name.to_owned(),
        role,
        ty: Type::Real(Dim::NONE),
        init: None,
        bounds: None,
        shown: ShownUnit { name: String::new(), factor: 1.0 },
        doc: String::new(),
        span: Span::default(),
    }
}
fn set(var: u32, op: AssignOp, value: HExpr) -> HStmt {
    HStmt { kind: HS::Assign { var: VarId(var), op, value }, span: Span::default() }
}
pub(crate) fn all(p: PopId) -> View {
    View { pop: p, select: HSelect::All, shape: vec![if p == X { NX as u64 } else { NE as u64 }] }
}

pub(crate) fn model() -> Model {
    let neuron = |name: &str, vars| NeuronModel {
        name: name.to_owned(),
        vars,
        lets: vec![],
        odes: vec![],
        spike: None,
        on_spike: vec![],
        events: vec![],
        on_release: vec![],
        every: vec![],
        noises: vec![],
        refractory: None,
        method: None,
        lost: None,
        span: Span::default(),
    };
    let span = Span::default();
    let mut source = neuron("poisson", vec![decl("rate", Role::Input)]);
    source.spike = Some(SpikeClause { cond: SpikeCond::Rate(own(0)), span });
    let mut lif = neuron("lif", vec![decl("g", Role::State), decl("v", Role::State), decl("theta", Role::Learned)]);
    lif.odes = vec![
        Ode { var: VarId(0), rhs: own(0), span },
        Ode { var: VarId(1), rhs: h(H::Binary(BinaryOp::Add, Box::new(own(0)), Box::new(own(1)))), span },
        Ode { var: VarId(2), rhs: own(2), span },
    ];
    lif.spike = Some(SpikeClause {
        cond: SpikeCond::Level(h(H::Binary(BinaryOp::Gt, Box::new(own(1)), Box::new(own(2))))),
        span,
    });
    lif.on_spike = vec![set(1, AssignOp::Set, h(H::Const(0.0))), set(2, AssignOp::Add, h(H::Const(0.05)))];
    lif.refractory = Some(Refractory { duration: h(H::Const(1.0)), hold: vec![], span });
    let population = |name: &str, model: u32, n: usize| Population {
        name: name.to_owned(),
        model: NeuronId(model),
        shape: vec![n as u64],
        indexed: true,
        pooled: false,
        args: vec![],
        play: None,
        span,
    };
    let synapse = SynapseModel {
        name: "stdp".to_owned(),
        vars: vec![decl("w", Role::Weight), decl("x", Role::State)],
        lets: vec![],
        odes: vec![Ode { var: VarId(1), rhs: own(1), span }],
        on_pre: vec![
            HStmt { kind: HS::Deliver { value: own(0), target: VarId(0) }, span },
            set(1, AssignOp::Set, h(H::Const(1.0))),
        ],
        on_post: Some(vec![set(0, AssignOp::Add, own(1))]),
        injects: Vec::new(),
        noises: Vec::new(),
        events: Vec::new(),
        every: Vec::new(),
        lost: None,
        method: None,
        span,
    };
    Model {
        settings: Settings { dt: 0.5, seed: 7, precision: Precision::F32, threads: 1, opt: crate::hir::Opt::level(2) },
        globals: vec![],
        tables: vec![],
        data: vec![DataDecl { name: "d".to_owned(), source: DataSource::Mnist { dir: None }, span }],
        neurons: vec![source, lif],
        populations: vec![population("X", 0, NX), population("E", 1, NE)],
        projections: vec![Projection {
            name: "XE".to_owned(),
            named: true,
            pre: all(X),
            event: None,
            post: all(E),
            target: Some(VarId(0)),
            rule: Rule::AllToAll,
            filter: None,
            synapse,
            args: vec![],
            delay: None,
            delay_vars: [None; 2],
            dendritic_delay: None,
            kernel: None,
            span,
            pre_span: span,
            post_span: span,
            rule_span: span,
        }],
        readouts: vec![Readout { name: "vote".to_owned(), kind: ReadoutKind::MaxRate { classes: 3 }, span }],
        script: Program::default(),
        ends: crate::hir::Ends::default(),
    }
}

// --- the network ---

#[derive(Debug, Clone)]
pub(crate) struct Fake {
    pub rate: Vec<f64>,
    pub g: Vec<f32>,
    pub v: Vec<f32>,
    pub theta: Vec<f64>,
    pub w: Vec<f32>,
    pub x: Vec<f32>,
    frozen: BTreeSet<VarKey>,
    steps: u64,
    key: RunKey,
    run_step: u64,
    counts: [Vec<i32>; 2],
    first: [Vec<Option<u64>>; 2],
    recording: [bool; 2],
    logs: [SpikeLog; 2],
}

impl Fake {
    pub(crate) fn new() -> Self {
        let stream = Stream::new(7, "XE/w@init");
        let mut w = vec![9.0; NX * STRIDE];
        for i in 0..NX {
            for j in 0..NE {
                w[i * STRIDE + j] = stream.uniform((i * NE + j) as u64, 0) as f32;
            }
        }
        Self {
            rate: vec![0.0; NX],
            g: vec![0.0; NE],
            v: vec![0.0; NE],
            theta: vec![0.25; NE],
            w,
            x: vec![0.0; NX * NE],
            frozen: BTreeSet::new(),
            steps: 0,
            key: RunKey(0),
            run_step: 0,
            counts: [vec![0; NX], vec![0; NE]],
            first: [vec![None; NX], vec![None; NE]],
            recording: [false; 2],
            logs: Default::default(),
        }
    }

    fn fire(&mut self, p: usize, k: usize) {
        self.counts[p][k] += 1;
        self.first[p][k].get_or_insert(self.run_step + 1);
        if self.recording[p] {
            self.logs[p].step.push(self.steps + 1);
            self.logs[p].neuron.push(k as u32);
        }
    }

    fn step(&mut self) {
        for j in 0..NE {
            self.v[j] = 0.9 * self.v[j] + 0.1 * self.g[j];
            self.g[j] *= 0.5;
        }
        self.x.iter_mut().for_each(|x| *x *= 0.8);
        let stream = Stream::from_key(self.key.0);
        for i in 0..NX {
            if stream.uniform(i as u64, self.run_step) < self.rate[i] * 0.5 {
                self.fire(0, i);
                for j in 0..NE {
                    self.g[j] += self.w[i * STRIDE + j];
                    self.x[i * NE + j] = 1.0;
                }
            }
        }
        for j in 0..NE {
            if f64::from(self.v[j]) > 0.05 + self.theta[j] {
                self.fire(1, j);
                self.v[j] = 0.0;
                if !self.frozen.contains(&theta()) {
                    self.theta[j] += 0.01;
                }
                if !self.frozen.contains(&w()) {
                    for i in 0..NX {
                        let at = i * STRIDE + j;
                        self.w[at] = (self.w[at] + 0.02 * self.x[i * NE + j]).min(1.0);
                    }
                }
            }
        }
        self.steps += 1;
        self.run_step += 1;
    }
}

impl Machine for Fake {
    fn fork(&self) -> Box<dyn Machine> {
        let mut copy = self.clone();
        copy.clear_spikes();
        Box::new(copy)
    }
    fn adopt(&mut self, other: &dyn Machine) {
        let logs = std::mem::take(&mut self.logs);
        *self = other.as_any().downcast_ref::<Self>().expect("a fake").clone();
        self.logs = logs;
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn dt(&self) -> f64 {
        0.5
    }
    fn steps(&self) -> u64 {
        self.steps
    }
    fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }
    fn begin_run(&mut self, _: u64, key: RunKey) -> Result<(), Diagnostic> {
        self.key = key;
        self.run_step = 0;
        for p in 0..2 {
            self.counts[p].fill(0);
            self.first[p].fill(None);
        }
        Ok(())
    }
    fn advance(&mut self, steps: u64) -> Result<(), Diagnostic> {
        (0..steps).for_each(|_| self.step());
        Ok(())
    }
    fn counts(&self, pop: PopId) -> &[i32] {
        &self.counts[pop.index()]
    }
    fn first(&self, pop: PopId) -> Vec<Option<u64>> {
        self.first[pop.index()].clone()
    }
    fn values(&mut self, key: VarKey) -> Values<'_> {
        let (data, rows, cols, stride) = match (key.entity, key.var.0) {
            (Entity::Pop(X), _) => (Slice::F64(&self.rate), 1, NX, NX),
            (Entity::Pop(_), 0) => (Slice::F32(&self.g), 1, NE, NE),
            (Entity::Pop(_), 1) => (Slice::F32(&self.v), 1, NE, NE),
            (Entity::Pop(_), _) => (Slice::F64(&self.theta), 1, NE, NE),
            (Entity::Proj(_), 0) => (Slice::F32(&self.w), NX, NE, STRIDE),
            (Entity::Proj(_), _) => (Slice::F32(&self.x), NX, NE, NE),
        };
        Values { data, rows, cols, stride }
    }
    fn values_mut(&mut self, key: VarKey) -> Result<ValuesMut<'_>, Diagnostic> {
        let bounds = self.bounds(key);
        let (data, rows, cols, stride) = match (key.entity, key.var.0) {
            (Entity::Pop(X), _) => (SliceMut::F64(&mut self.rate), 1, NX, NX),
            (Entity::Pop(_), 0) => (SliceMut::F32(&mut self.g), 1, NE, NE),
            (Entity::Pop(_), 1) => (SliceMut::F32(&mut self.v), 1, NE, NE),
            (Entity::Pop(_), _) => (SliceMut::F64(&mut self.theta), 1, NE, NE),
            (Entity::Proj(_), 0) => (SliceMut::F32(&mut self.w), NX, NE, STRIDE),
            (Entity::Proj(_), _) => (SliceMut::F32(&mut self.x), NX, NE, NE),
        };
        Ok(ValuesMut { data, rows, cols, stride, bounds })
    }
    fn written(&mut self, _: VarKey) {}
    fn exchange(&mut self, key: VarKey, values: &mut Data) -> bool {
        match values {
            Data::F32(values) if key == w() => std::mem::swap(&mut self.w, values),
            _ => return false,
        }
        true
    }
    fn bounds(&self, key: VarKey) -> Option<(f64, f64)> {
        (key == w()).then_some((0.0, 1.0))
    }
    fn synapses(&self, _: ProjId) -> Option<(&[u32], &[u32])> {
        None
    }
    fn synapse_count(&self, _: ProjId) -> u64 {
        (NX * NE) as u64
    }
    fn reset(&mut self, targets: &[ResetTarget]) {
        for t in targets {
            match t {
                ResetTarget::Pop(X) => self.rate.fill(0.0),
                ResetTarget::Pop(_) => {
                    self.g.fill(0.0);
                    self.v.fill(0.0);
                }
                ResetTarget::Proj(_) => self.x.fill(0.0),
                ResetTarget::Var(key) if *key == g() => self.g.fill(0.0),
                ResetTarget::Var(_) => {}
            }
        }
    }
    fn reset_part(&mut self, _: PopId, _: Option<VarId>, neurons: &[usize]) -> Result<(), Diagnostic> {
        neurons.iter().for_each(|k| self.v[*k] = 0.0);
        Ok(())
    }

    /// New values are those of the key.
    fn play(&mut self, _: PopId, _: &[(u64, u32)]) -> Result<(), Diagnostic> {
        Ok(())
    }

    fn redraw(&mut self, targets: &[ResetTarget], key: RunKey) -> Result<(), Diagnostic> {
        self.reset(targets);
        if targets.contains(&ResetTarget::Pop(E)) {
            self.v.fill((key.0 % 1024) as f32);
        }
        Ok(())
    }
    fn freeze(&mut self, vars: &[VarKey]) -> Result<(), Diagnostic> {
        self.frozen.extend(vars);
        Ok(())
    }
    fn thaw(&mut self, vars: &[VarKey]) -> Result<(), Diagnostic> {
        vars.iter().for_each(|v| {
            self.frozen.remove(v);
        });
        Ok(())
    }
    fn frozen(&self) -> Vec<VarKey> {
        self.frozen.iter().copied().collect()
    }
    fn record_spikes(&mut self, pop: PopId, on: bool) {
        self.recording[pop.index()] = on;
    }
    fn spikes(&self, pop: PopId) -> &SpikeLog {
        &self.logs[pop.index()]
    }
    fn clear_spikes(&mut self) {
        self.logs = Default::default();
    }
    fn non_finite(&self, _synapses: u64) -> Vec<(VarKey, usize)> {
        Vec::new()
    }
    fn bytes(&self) -> u64 {
        0
    }
    fn method(&self, _key: VarKey) -> Option<&'static str> {
        None
    }
}

/// Twenty samples of six values; sample k is of class k mod 3 and bright there.
pub(crate) struct Digits;

impl DataAccess for Digits {
    fn samples(&self, _: DataId, _: Split) -> Result<usize, Diagnostic> {
        Ok(20)
    }
    fn image(&self, s: SampleRef) -> Result<Tensor, Diagnostic> {
        let pixel = |k: usize| if k % 3 == s.index % 3 { 1.0 } else { 0.1 * (s.index as f64 / 20.0) };
        Ok(Tensor::list(Data::F64((0..NX).map(pixel).collect())))
    }
    fn label(&self, s: SampleRef) -> Result<i64, Diagnostic> {
        Ok((s.index % 3) as i64)
    }
}

// --- protocols ---

pub(crate) fn real(axes: &[(AxisName, usize)]) -> Ty {
    of(Kind::Real(Dim::NONE), axes)
}
pub(crate) fn of(kind: Kind, axes: &[(AxisName, usize)]) -> Ty {
    let axes = axes.iter().map(|&(name, n)| Axis { name, len: Some(n as u64) }).collect();
    Ty::Num(NumTy { kind, axes })
}
pub(crate) fn ex(kind: ExprKind, ty: Ty) -> Expr {
    Expr { kind, ty, span: Span::default() }
}
pub(crate) fn num(x: f64) -> Expr {
    ex(ExprKind::Const(x), real(&[]))
}
pub(crate) fn int(x: i64) -> Expr {
    ex(ExprKind::Const(x as f64), Ty::scalar(Kind::Int))
}
pub(crate) fn local(k: u32, ty: Ty) -> Expr {
    ex(ExprKind::Local(LocalId(k)), ty)
}
pub(crate) fn bin(op: BinaryOp, a: Expr, b: Expr, ty: Ty) -> Expr {
    ex(ExprKind::Binary(op, Box::new(a), Box::new(b)), ty)
}
pub(crate) fn flag() -> Ty {
    Ty::scalar(Kind::Bool)
}
pub(crate) fn axis(p: PopId) -> (AxisName, usize) {
    (AxisName::Neurons { pop: p, axis: 0 }, if p == X { NX } else { NE })
}
pub(crate) fn neurons(p: PopId) -> Neurons {
    Neurons { view: all(p), at: vec![], span: Span::default() }
}
pub(crate) fn place(key: VarKey) -> Place {
    let select = match key.entity {
        Entity::Pop(p) => Select::Neurons(neurons(p)),
        Entity::Proj(_) => Select::AllSynapses,
    };
    Place { key, select, span: Span::default() }
}
pub(crate) fn var(key: VarKey) -> Expr {
    let ty = match key.entity {
        Entity::Pop(p) => real(&[axis(p)]),
        Entity::Proj(_) => real(&[(AxisName::Pre(XE), NX), (AxisName::Post(XE), NE)]),
    };
    ex(ExprKind::Var(place(key)), ty)
}
pub(crate) fn count_e() -> Expr {
    ex(ExprKind::Count(neurons(E)), of(Kind::Int, &[axis(E)]))
}
pub(crate) fn reduce(op: Reduction, value: Expr, over: Over, ty: Ty) -> Expr {
    ex(ExprKind::Reduce { op, value: Box::new(value), over }, ty)
}
pub(crate) fn st(kind: StmtKind) -> Stmt {
    Stmt { kind, span: Span::default() }
}
pub(crate) fn run(ms: f64) -> Stmt {
    st(StmtKind::Run { time: num(ms) })
}
pub(crate) fn assign(key: VarKey, op: AssignOp, value: Expr) -> Stmt {
    st(StmtKind::SetVar { place: place(key), op, value, collective: key == w() || key == theta() })
}
pub(crate) fn locals(n: usize) -> Vec<LocalDecl> {
    (0..n).map(|k| LocalDecl { name: format!("l{k}"), ty: Ty::None, shown: None, span: Span::default() }).collect()
}

/// `procedure show(s)` of Diehl & Cook: local 0 is the sample, 1 the intensity, 2 the response.
pub(crate) fn show() -> Procedure {
    let response = of(Kind::Int, &[axis(E)]);
    let image = ex(ExprKind::Field { sample: LocalId(0), field: Field::Image }, real(&[axis(X)]));
    let times = |a, b| bin(BinaryOp::Mul, a, b, real(&[axis(X)]));
    let sum = reduce(Reduction::Sum, local(2, response.clone()), Over::All, Ty::scalar(Kind::Int));
    let body = vec![
        assign(rate(), AssignOp::Set, times(local(1, real(&[])), image)),
        run(20.0),
        st(StmtKind::SetLocal { local: LocalId(2), index: vec![], op: AssignOp::Set, value: count_e() }),
        assign(rate(), AssignOp::Set, num(0.0)),
        run(5.0),
        st(StmtKind::SetLocal { local: LocalId(1), index: vec![], op: AssignOp::Add, value: num(0.2) }),
    ];
    let until = bin(
        BinaryOp::Or,
        bin(BinaryOp::Ge, sum, int(4), flag()),
        bin(BinaryOp::Gt, local(1, real(&[])), num(2.0), flag()),
        flag(),
    );
    let stmts = vec![
        st(StmtKind::Let { local: LocalId(1), value: num(0.4) }),
        st(StmtKind::Let { local: LocalId(2), value: count_e() }),
        st(StmtKind::Repeat { body, until }),
        st(StmtKind::Return(Some(local(2, response.clone())))),
    ];
    Procedure {
        name: "show".to_owned(),
        params: vec![LocalId(0)],
        body: Body { locals: locals(3), stmts },
        returns: response,
        span: Span::default(),
    }
}

pub(crate) fn call_show(sample: u32) -> Expr {
    let arg = local(sample, Ty::Sample(DataId(0)));
    ex(ExprKind::Call { proc: ProcId(0), args: vec![arg] }, of(Kind::Int, &[axis(E)]))
}
pub(crate) fn show_only(sample: u32) -> Stmt {
    st(StmtKind::Call { proc: ProcId(0), args: vec![local(sample, Ty::Sample(DataId(0)))] })
}

/// `XE.w *= 1.5 / sum(XE.w over pre)`
pub(crate) fn normalise() -> Stmt {
    let post = real(&[(AxisName::Post(XE), NE)]);
    let matrix = real(&[(AxisName::Pre(XE), NX), (AxisName::Post(XE), NE)]);
    let sums = reduce(Reduction::Sum, var(w()), Over::Axes(vec![0]), post.clone());
    let factor = bin(BinaryOp::Div, num(1.5), sums, post);
    let from = vec![AxisSource::Repeat, AxisSource::Axis(0)];
    assign(w(), AssignOp::Mul, ex(ExprKind::Broadcast { value: Box::new(factor), from }, matrix))
}

/// `for s in d.train[..n] batch b { body }`; local 0 is the sample.
pub(crate) fn samples(n: i64, batch: Option<i64>, epochs: i64, changes: &[u32], body: Vec<Stmt>) -> Stmt {
    let span = Span::default();
    let split = Samples::Split { data: DataId(0), split: Split::Train, span };
    st(StmtKind::ForSamples(Box::new(SampleLoop {
        var: LocalId(0),
        samples: Samples::Slice { of: Box::new(split), start: None, end: Some(int(n)), span },
        batch: batch.map(int),
        epochs: Some(int(epochs)),
        body,
        changes: changes.iter().map(|&k| LocalId(k)).collect(),
        number: 0,
    })))
}

pub(crate) fn readout(score: bool) -> Stmt {
    let class = ex(ExprKind::Field { sample: LocalId(0), field: Field::Label }, Ty::scalar(Kind::Int));
    let u = ReadoutUse { readout: ReadoutId(0), response: call_show(0), class };
    st(if score { StmtKind::Score(u) } else { StmtKind::Observe(u) })
}

pub(crate) fn experiment(name: &str, stmts: Vec<Stmt>) -> Experiment {
    Experiment { name: name.to_owned(), body: Body { locals: locals(4), stmts }, span: Span::default() }
}

pub(crate) fn program(experiments: Vec<Experiment>) -> Program {
    Program { procedures: vec![show()], experiments, ..Program::default() }
}

/// The loop of a statement.
pub(crate) fn the_loop(s: &Stmt) -> &SampleLoop {
    match &s.kind {
        StmtKind::ForSamples(l) => l,
        _ => panic!("no sample loop"),
    }
}
