//! Protocols against a network built by hand: what lowers, and which faults are found. Whole programs are in `tests/`.

use crate::diag::{Diagnostic, Sink};
use crate::hir::{self, DataDecl, DataSource, Model, Precision, Role, Settings, Type, VarDecl, View};
use crate::script::ir::{AxisName, AxisSource, ExprKind, Kind, Over, StmtKind, Ty};
use crate::script::{self, Program};
use crate::sema::scope::{Scope, Symbol};
use crate::source::{FileId, Span};
use crate::syntax::{self, ast};
use crate::units::{self, Dim};

fn var(name: &str, role: Role, unit: &str) -> VarDecl {
    let dim = if unit.is_empty() { Dim::NONE } else { units::lookup(unit).unwrap().dim };
    VarDecl {
        name: name.into(),
        role,
        ty: Type::Real(dim),
        init: None,
        bounds: None,
        shown: units::show(dim),
        doc: String::new(),
        span: Span::default(),
    }
}

fn neuron(name: &str, vars: Vec<VarDecl>) -> hir::NeuronModel {
    hir::NeuronModel {
        name: name.into(),
        vars,
        lets: vec![],
        odes: vec![],
        spike: Some(hir::SpikeClause {
            cond: hir::SpikeCond::Level(hir::Expr {
                kind: hir::ExprKind::Bool(false),
                ty: hir::Type::Bool,
                span: Span::default(),
            }),
            span: Span::default(),
        }),
        on_spike: vec![],
        events: vec![],
        on_release: vec![],
        every: vec![],
        noises: vec![],
        refractory: None,
        method: None,
        lost: None,
        span: Span::default(),
    }
}

fn population(name: &str, model: u32, shape: &[u64], indexed: bool) -> hir::Population {
    hir::Population {
        name: name.into(),
        model: hir::NeuronId(model),
        shape: shape.to_vec(),
        indexed,
        pooled: false,
        args: vec![],
        play: None,
        span: Span::default(),
    }
}

fn all(pop: u32, n: u64) -> View {
    View { pop: hir::PopId(pop), select: hir::Select::All, shape: vec![n] }
}

fn projection(name: &str, pre: View, post: View, rule: hir::Rule) -> hir::Projection {
    hir::Projection {
        name: name.into(),
        named: true,
        pre,
        event: None,
        post,
        target: None,
        rule,
        filter: None,
        synapse: hir::SynapseModel {
            name: "Plastic".into(),
            vars: vec![var("w", Role::Weight, ""), var("x", Role::State, "")],
            lets: vec![],
            odes: vec![],
            on_pre: vec![],
            on_post: None,
            injects: Vec::new(),
            noises: Vec::new(),
            events: Vec::new(),
            every: Vec::new(),
            lost: None,
            method: None,
            span: Span::default(),
        },
        args: vec![],
        delay: None,
        delay_vars: [None; 2],
        dendritic_delay: None,
        kernel: None,
        span: Span::default(),
        pre_span: Span::default(),
        post_span: Span::default(),
        rule_span: Span::default(),
    }
}

/// X[28, 28] with `rate`; E[400] with `v`, `theta` and `I`; DA, a single neuron with `level`; XE: X -> E, dense; S: E -> E, sparse.
fn network() -> (Model, Scope) {
    let model = Model {
        settings: Settings { dt: 0.5, seed: 0, precision: Precision::F64, threads: 1, opt: crate::hir::Opt::level(2) },
        tables: vec![],
        globals: vec![hir::Global {
            name: "n_train".into(),
            is_param: true,
            ty: Type::Int,
            value: 100.0,
            span: Span::default(),
        }],
        data: vec![DataDecl { name: "digits".into(), source: DataSource::Mnist { dir: None }, span: Span::default() }],
        neurons: vec![
            neuron("poisson", vec![var("rate", Role::Input, "Hz")]),
            neuron(
                "LIF",
                vec![
                    var("v", Role::State, "mV"),
                    var("theta", Role::Learned, "mV"),
                    var("I", Role::Input, "pA"),
                    var("tau", Role::Param, "ms"),
                ],
            ),
            neuron("Dopamine", vec![var("level", Role::State, "")]),
        ],
        populations: vec![
            population("X", 0, &[28, 28], true),
            population("E", 1, &[400], true),
            population("DA", 2, &[1], false),
        ],
        projections: vec![
            projection("XE", all(0, 784), all(1, 400), hir::Rule::AllToAll),
            projection("S", all(1, 400), all(1, 400), hir::Rule::Random { p: 0.1, symmetric: false }),
        ],
        readouts: vec![hir::Readout {
            name: "vote".into(),
            kind: hir::ReadoutKind::MaxRate { classes: 10 },
            span: Span::default(),
        }],
        script: Program::default(),
        ends: hir::Ends::default(),
    };
    let mut names = crate::sema::scope::TopNames::default();
    let mut put = |n: &str, s| names.insert(n.to_owned(), (s, Span::default()));
    put("n_train", Symbol::Global(0));
    put("digits", Symbol::Data(hir::DataId(0)));
    put("X", Symbol::Pop(hir::PopId(0)));
    put("E", Symbol::Pop(hir::PopId(1)));
    put("DA", Symbol::Pop(hir::PopId(2)));
    put("XE", Symbol::Proj(hir::ProjId(0)));
    put("S", Symbol::Proj(hir::ProjId(1)));
    put("vote", Symbol::Readout(hir::ReadoutId(0)));
    put("broken", Symbol::Poisoned);
    let first = View { pop: hir::PopId(1), select: hir::Select::Range(0, 50), shape: vec![50] };
    put("First", Symbol::View(first));
    (model, Scope { names })
}

fn lower(text: &str) -> (Program, Vec<Diagnostic>) {
    let (model, mut scope) = network();
    let (file, faults) = syntax::parse(FileId(0), text);
    assert_eq!(faults, [], "{text}");
    for item in &file.items {
        match &item.kind {
            ast::ItemKind::Procedure { name, params, body } => {
                let symbol = Symbol::Procedure { params: params.clone(), body: std::sync::Arc::new(body.clone()) };
                scope.names.insert(name.node.clone(), (symbol, name.span));
            }
            ast::ItemKind::Fn { name, params, body } => {
                let symbol = Symbol::Fn { params: params.clone(), body: std::sync::Arc::new(body.clone()) };
                scope.names.insert(name.node.clone(), (symbol, name.span));
            }
            _ => {}
        }
    }
    let mut sink = Sink::default();
    let program = script::lower(&file, &scope, &model, &crate::sema::ArrayReader::default(), &mut sink);
    (program, sink.items)
}

/// The statements of the only experiment of a faultless program.
fn good(body: &str) -> (Program, Vec<script::ir::Stmt>) {
    let (program, faults) = lower(&format!("experiment e {{\n{body}\n}}"));
    assert_eq!(faults, [], "{body}");
    let stmts = program.experiments[0].body.stmts.clone();
    (program, stmts)
}

/// The codes of an experiment's faults, in order, each with the text it points at.
fn faults(body: &str) -> Vec<String> {
    whole(&format!("experiment e {{\n{body}\n}}"))
}

fn whole(text: &str) -> Vec<String> {
    let (_, faults) = lower(text);
    faults.iter().map(|d| format!("{} {}", d.code, d.primary.as_ref().map_or("", |l| &text[l.span.range()]))).collect()
}

#[test]
fn an_image_becomes_rates_of_a_grid() {
    let (program, stmts) = good("for s in digits.train[..n_train] { let a = 2.0\n X.rate = a * s.image * 31.875 Hz }");
    let StmtKind::ForSamples(l) = &stmts[0].kind else { panic!("{stmts:?}") };
    let StmtKind::SetVar { value, .. } = &l.body[1].kind else { panic!("{:?}", l.body) };
    let Ty::Num(ty) = &value.ty else { panic!() };
    assert_eq!(ty.kind, Kind::Real(Dim::frequency()));
    assert_eq!(ty.len(), Some(784));
    assert_eq!(program.assigned.len(), 1);
    assert!(l.changes.is_empty());
}

#[test]
fn normalisation_broadcasts_over_the_named_axis() {
    let (_, stmts) = good("XE.w *= 78.4 / sum(XE.w over pre)");
    let StmtKind::SetVar { value, .. } = &stmts[0].kind else { panic!() };
    let ExprKind::Broadcast { value, from } = &value.kind else { panic!("{value:?}") };
    assert_eq!(from, &[AxisSource::Repeat, AxisSource::Axis(0)]);
    let ExprKind::Binary(_, _, sum) = &value.kind else { panic!() };
    let ExprKind::Reduce { over, .. } = &sum.kind else { panic!() };
    assert_eq!(*over, Over::Axes(vec![0]));
    let (_, stmts) = good("S.w *= 1.0 / sum(S.w over pre)");
    let StmtKind::SetVar { value, .. } = &stmts[0].kind else { panic!() };
    let ExprKind::Broadcast { from, .. } = &value.kind else { panic!("{value:?}") };
    assert_eq!(from, &[AxisSource::ByPost(0)]);
}

#[test]
fn counts_have_the_shape_of_the_population_and_single_neurons_are_scalars() {
    let (_, stmts) = good(
        "let a = X.count\nlet b = E[3].v\nlet c = DA.level\nlet d = E[..10].v\nlet k = 3\nlet f = E[k].v\nDA.level += 0.5",
    );
    let axes = |k: usize| match &stmts[k].kind {
        StmtKind::Let { value, .. } => value.ty.axes().iter().map(|a| a.len.unwrap()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!((axes(0), axes(1), axes(2), axes(3), axes(5)), (vec![28, 28], vec![], vec![], vec![10], vec![]));
}

#[test]
fn procedures_have_one_instance_for_each_list_of_types() {
    let text = "procedure half(x) { return x / 2 }\nexperiment e { let a = half(1.0)\nlet b = half(2.0)\nlet c = half(1 mV)\nlet d = half(E.v) }";
    let (program, faults) = lower(text);
    assert_eq!(faults, []);
    assert_eq!(program.procedures.len(), 3);
    assert_eq!(program.procedures[1].returns, Ty::scalar(Kind::Real(Dim::VOLTAGE)));
    assert_eq!(program.procedures[2].returns.axes()[0].name, AxisName::Neurons { pop: hir::PopId(1), axis: 0 });
}

#[test]
fn populations_and_readouts_can_be_given_to_procedures() {
    let text = "procedure kick(P, r) { P.v += 1 mV\n observe(r, P.count, 3) }\nexperiment e { kick(E, vote)\nkick(First, vote) }";
    let (program, faults) = lower(text);
    assert_eq!(faults, []);
    assert_eq!(program.procedures.len(), 2);
    assert!(program.procedures[0].params.is_empty());
}

#[test]
fn a_let_in_a_repeat_is_visible_in_its_until() {
    good("let k = 0\nrepeat { let n = sum(E.count)\nrun 10 ms\nk += 1 } until n >= 5 or k > 3");
}

#[test]
fn draws_have_numbered_streams() {
    let (_, stmts) = good("let a = uniform(0 ms, 1 ms)\nlet b = uniform(0, 1)\nlet c = normal(0, 1)");
    let stream = |k: usize| match &stmts[k].kind {
        StmtKind::Let { value: script::ir::Expr { kind: ExprKind::Draw { stream, .. }, .. }, .. } => stream.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((stream(0), stream(1), stream(2)), ("e/uniform".into(), "e/uniform#2".into(), "e/normal".into()));
}

#[test]
fn measures_can_be_narrowed_in_time() {
    let (_, stmts) = good("print(rate(E, from = 100 ms, to = 1 s), rate(E, to = 200 ms))");
    let StmtKind::Print(items) = &stmts[0].kind else { panic!() };
    let ends = |k: usize| match &items[k].value.as_ref().unwrap().kind {
        ExprKind::Metric { from, to, .. } => (from.is_some(), to.is_some()),
        other => panic!("{other:?}"),
    };
    assert_eq!((ends(0), ends(1)), ((true, true), (false, true)));
    assert_eq!(faults("print(rate(E, to = 5))"), ["E0206 5"]);
}

#[test]
fn labels_and_units_of_printed_values() {
    let (_, stmts) = good("print(\"rate\", rate(E), max(E.v), \"end\")");
    let StmtKind::Print(items) = &stmts[0].kind else { panic!() };
    let seen: Vec<_> = items.iter().map(|i| (i.label.as_deref(), i.text.as_str(), i.unit.name.as_str())).collect();
    assert_eq!(seen, [(Some("rate"), "rate(E)", "Hz"), (None, "max(E.v)", "mV"), (Some("end"), "end", "")]);
}

#[test]
fn recordings_are_named_as_written() {
    let (program, faults) = lower("record E.spikes, E[0, 10].v, mean(S.w) every 1 ms to \"f.npz\"");
    assert_eq!(faults, []);
    let names: Vec<_> = program.records[0].items.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(names, ["E.spikes", "E[0, 10].v", "mean(S.w)"]);
    assert_eq!(program.records[0].every_steps, 2);
    assert_eq!(program.spikes_recorded.len(), 1);
    assert_eq!(program.read.len(), 2);
}

#[test]
fn functions_are_put_in() {
    let (program, faults) = lower("fn twice(x) = x + x\nexperiment e { print(twice(E.v))\nrun twice(5 ms) }");
    assert_eq!(faults, []);
    let StmtKind::Run { time } = &program.experiments[0].body.stmts[1].kind else { panic!() };
    assert!(matches!(time.kind, ExprKind::Const(x) if x == 10.0), "{time:?}");
}

#[test]
fn names() {
    assert_eq!(faults("print(foo)"), ["E0101 foo"]);
    assert_eq!(faults("print(foo + bar)\nprint(foo)"), ["E0101 foo", "E0101 bar"]);
    assert_eq!(faults("print(E.w)"), ["E0104 w"]);
    assert_eq!(faults("print(XE.v)"), ["E0104 v"]);
    assert_eq!(faults("frobnicate(E)"), ["E0502 frobnicate"]);
    assert_eq!(faults("let x = frobnicate(E)\nprint(x + 1)"), ["E0502 frobnicate"]);
    assert_eq!(faults("let a = 1\nlet a = 2"), ["E0103 a"]);
    assert_eq!(faults("print(broken.v + 1)"), [""; 0]);
    assert_eq!(faults("print(sum)"), ["E0502 sum"]);
    assert_eq!(faults("print(5 mVV)"), ["E0102 mVV"]);
}

#[test]
fn units_and_kinds() {
    assert_eq!(faults("E.v = 5"), ["E0206 5"]);
    assert_eq!(faults("E.v = 0"), [""; 0]);
    assert_eq!(faults("E.v = 5 ms"), ["E0205 5 ms"]);
    assert_eq!(faults("print(E.v + 5 ms)"), ["E0201 +"]);
    assert_eq!(faults("print(E.v > 5)"), ["E0206 5"]);
    assert_eq!(faults("print(exp(E.v))"), ["E0203 E.v"]);
    assert_eq!(faults("let k = 1.5\nprint(E.v^k)"), ["E0207 E.v^k"]);
    assert_eq!(faults("let k = 0\nk += 0.5"), ["E0205 0.5"]);
    assert_eq!(faults("run 5"), ["E0206 5"]);
    assert_eq!(faults("run 5 mV"), ["E0205 5 mV"]);
    assert_eq!(faults("if 3 { run 1 ms }"), ["E0205 3"]);
    assert_eq!(faults("expect E.v > 0 mV"), ["E0205 E.v > 0 mV"]);
    assert_eq!(faults("expect rate(E) in 4 Hz .. 7"), ["E0206 7"]);
    assert_eq!(faults("let x: mV = 5 ms"), ["E0205 5 ms"]);
}

#[test]
fn a_real_for_a_whole_number_is_mended_by_a_point() {
    let (_, found) = lower("experiment e { let hits = 0\nhits += 0.5 }");
    assert_eq!(found[0].fixes[0].replacement, "0.0");
}

#[test]
fn shapes() {
    assert_eq!(faults("for s in digits.train { E.I = s.image * 1 pA }"), ["E0501 s.image * 1 pA"]);
    assert_eq!(faults("print(E.v + E[..10].v)"), ["E0501 E.v + E[..10].v"]);
    assert_eq!(faults("E.v = E[..10].v"), ["E0501 E[..10].v"]);
    assert_eq!(faults("print(sum(E.v over pre))"), ["E0502 pre"]);
    assert_eq!(faults("let z = zeros(784)\nX.rate = z * 1 Hz"), [""; 0]);
}

#[test]
fn indices() {
    assert_eq!(faults("print(E[400].v)"), ["E0402 400"]);
    assert_eq!(faults("print(E[..500].v)"), ["E0402 ..500"]);
    assert_eq!(faults("print(E[10..5].v)"), ["E0402 10..5"]);
    assert_eq!(faults("print(X[3].rate)"), ["E0402 [3]"]);
    assert_eq!(faults("print(DA[0].level)"), ["E0402 [0]"]);
    assert_eq!(faults("print(E[1.5].v)"), ["E0205 1.5"]);
    assert_eq!(faults("print(E[10, 2].v)"), ["E0402 E[10, 2]"]);
    assert_eq!(faults("print(XE[784, 0].w)"), ["E0402 784"]);
}

#[test]
fn assignments() {
    assert_eq!(faults("E.count = 3"), ["E0302 E.count"]);
    assert_eq!(faults("n_train = 3"), ["E0302 n_train"]);
    assert_eq!(faults("digits = 3"), ["E0302 digits"]);
    assert_eq!(faults("E = 3"), ["E0302 E"]);
    assert_eq!(faults("for s in digits.train { s.label = 3 }"), ["E0302 s.label"]);
    assert_eq!(faults("t = 3 ms"), ["E0302 t"]);
}

#[test]
fn data() {
    assert_eq!(faults("for s in digits { run 1 ms }"), ["E0504 digits"]);
    assert_eq!(faults("for s in digits.valid { print(s.x) }"), ["E0504 valid"]);
    assert_eq!(faults("for s in digits.train { print(s.imgae) }"), ["E0504 imgae"]);
    assert_eq!(faults("for s in shuffle(digits.train)[..n_train] epochs 2 { print(s.label) }"), [""; 0]);
    assert_eq!(faults("for k in 0..3 batch 4 { run 1 ms }"), ["E0502 4"]);
}

#[test]
fn calls() {
    assert_eq!(faults("observe(vote, E.count)"), ["E0105 observe"]);
    assert_eq!(faults("observe(E, E.count, 3)"), ["E0502 E"]);
    assert_eq!(faults("print(rate(E, since = 1 s))"), ["E0105 since"]);
    assert_eq!(faults("print(clip(E.v, 0 mV))"), ["E0105 clip"]);
    assert_eq!(faults("sum(E.v)"), ["E0502 sum(E.v)"]);
    assert_eq!(faults("let x = reset(E)"), ["E0502 reset"]);
    assert_eq!(faults("freeze(E.I)"), ["E0502 E.I"]);
    assert_eq!(faults("reset(XE.w)"), ["E0502 XE.w"]);
    assert_eq!(faults("reset(E, XE, E.v)\nfreeze(XE.w, E.theta)\nthaw(XE.w)\nsave(\"w.npz\", XE.w, E.theta)"), [""; 0]);
}

#[test]
fn procedures() {
    assert_eq!(whole("procedure p(x) { return p(x) }\nexperiment e { print(p(1)) }"), ["E0502 p(x)"]);
    assert_eq!(whole("procedure p(x) { if x > 0 { return x } }\nexperiment e { print(p(1)) }"), ["E0502 p"]);
    assert_eq!(
        whole("procedure p(x) { if x > 0 { return x }\nreturn 1 mV }\nexperiment e { print(p(1)) }"),
        ["E0502 return 1 mV"]
    );
    assert_eq!(whole("procedure p(x) { run 1 ms }\nexperiment e { let a = p(1) }"), ["E0502 p(1)"]);
    assert_eq!(whole("procedure p(x) { print(y) }\nexperiment e { p(1)\np(1.0) }"), ["E0101 y"]);
    assert_eq!(whole("procedure p(x) { print(x + y) }\nexperiment e { run 1 ms }"), ["E0101 y"]);
    assert_eq!(whole("procedure p(x) { run 1 ms }\nexperiment e { p(y = 1) }"), ["E0105 y"]);
    assert_eq!(faults("return 3"), ["E0502 return 3"]);
    assert_eq!(faults("break"), ["E0502 break"]);
}

#[test]
fn batches() {
    let inside = |body: &str| faults(&format!("let n = 0\nfor s in digits.train batch 8 {{ {body} }}"));
    assert_eq!(inside("XE.w *= 78.4 / sum(XE.w over pre)"), [""; 0]);
    assert_eq!(inside("n += s.label"), [""; 0]);
    assert_eq!(inside("n = s.label"), ["E0503 n = s.label"]);
    assert_eq!(inside("let m = 0\nm = s.label"), [""; 0]);
    assert_eq!(inside("XE.w *= s.label"), ["E0503 s.label"]);
    assert_eq!(inside("let m = s.label + 1\nXE.w *= m"), ["E0503 m"]);
    assert_eq!(inside("if s.label > 3 { XE.w *= 0.5 }"), ["E0503 XE.w *= 0.5"]);
    assert_eq!(inside("break"), ["E0503 break"]);
    assert_eq!(inside("while n < 3 { break }"), [""; 0]);
    assert_eq!(inside("freeze(XE.w)"), ["E0503 freeze(XE.w)"]);
    assert_eq!(
        whole("procedure p() { E.theta = 3 mV }\nexperiment e { for s in digits.train batch 8 { p() } }"),
        ["E0503 p()"]
    );
}

#[test]
fn a_batch_assignment_to_weights_is_collective() {
    let (_, stmts) = good("for s in digits.train batch 8 { XE.w *= 0.5\nE.v = 0 mV }");
    let StmtKind::ForSamples(l) = &stmts[0].kind else { panic!() };
    let collective: Vec<bool> =
        l.body.iter().map(|s| matches!(s.kind, StmtKind::SetVar { collective: true, .. })).collect();
    assert_eq!(collective, [true, false]);
}

#[test]
fn times() {
    assert_eq!(faults("run 0.7 ms"), ["W0702 0.7 ms"]);
    assert_eq!(faults("run 1e300 s"), ["E0903 1e300 s"]);
    assert_eq!(faults("run -5 ms"), ["E0205 -5 ms"]);
    assert_eq!(faults("run 350 ms"), [""; 0]);
}

#[test]
fn later() {
    // It is refused once the whole program is known.
    let (program, found) = lower("experiment e { minimize mean(E.v) over XE.w by adam(lr = 1e-3) }");
    assert_eq!((program.learning.len(), found), (1, Vec::new()));
    assert_eq!(faults("run 1 ms\nlet x = mean(E.v over time)\nprint(x)"), [""; 0]);
    assert_eq!(faults("let a = 2\nrun 1 ms\nprint(mean(a*E.v over time))"), ["E0502 a"]);
    assert_eq!(faults("record mean(E.v over time) every 1 ms\nrun 1 ms"), ["E0502 mean(E.v over time)"]);
}

#[test]
fn every_independent_fault_is_reported_once() {
    assert_eq!(
        faults("let a = foo\nlet b = a + 1\nE.v = b\nrun 5 mV\nE.w = 3\nfor s in digits.tran { print(s.label, bar) }"),
        ["E0101 foo", "E0205 5 mV", "E0104 w", "E0504 tran", "E0101 bar"]
    );
}
