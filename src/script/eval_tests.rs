//! Protocols run on the fake network: whole programs, and the same on one, two and three threads.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::diag::{Code, Diagnostic};
use crate::hir::{BinaryOp, ShownUnit};
use crate::script::eval::{Env, run_experiments, run_tests};
use crate::script::fake::*;
use crate::script::ir::*;
use crate::script::machine::{Machine, ResetTarget};
use crate::script::outcome::{Outcome, Output, Progress, Silent};
use crate::script::tensor::Value;
use crate::source::Span;

#[derive(Default)]
struct Lines(Vec<String>);

impl Output for Lines {
    fn line(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
    fn warning(&mut self, d: &Diagnostic) {
        self.0.push(format!("warning {}", d.message));
    }
}

fn go(p: &Program, machine: &mut Fake, threads: usize) -> (Outcome, Vec<String>) {
    let cancel = AtomicBool::new(false);
    let env = Env {
        data: &Digits,
        model_dir: "".into(),
        out_dir: None,
        unnamed: false,
        threads,
        seed: 7,
        only: vec![],
        cancel: &cancel,
    };
    let mut lines = Lines::default();
    let outcome = run_experiments(p, &model(), machine, &env, &mut lines, &mut Silent);
    (outcome, lines.0)
}

fn print(text: &str, value: Expr) -> Stmt {
    let unit = ShownUnit { name: String::new(), factor: 1.0 };
    st(StmtKind::Print(vec![PrintItem { label: None, text: text.to_owned(), value: Some(value), unit }]))
}

fn sum_count() -> Expr {
    reduce(Reduction::Sum, count_e(), Over::All, Ty::scalar(Kind::Int))
}

fn expect(cond: Expr, text: &str) -> Stmt {
    st(StmtKind::Expect { cond, text: text.to_owned() })
}

fn reset_e() -> Stmt {
    st(StmtKind::Reset(vec![ResetTarget::Pop(E)]))
}

/// Everything that must not depend on threads.
fn facts(o: &Outcome) -> (Vec<Vec<(String, u64)>>, Vec<u64>, Vec<String>, String) {
    (
        o.phases.iter().map(|p| p.spikes.clone()).collect(),
        o.phases.iter().map(|p| p.steps).collect(),
        o.results.iter().map(|r| format!("{} {:?}", r.name, r.value)).collect(),
        format!("{:?} {:?} {:?}", o.expects, o.readouts, o.diagnostics),
    )
}

/// train (sequential) → label and evaluate (independent), with prints, sums and recorded spikes.
fn diehl_cook(train_batch: Option<i64>) -> Program {
    let freeze = || st(StmtKind::Freeze(vec![w(), theta()]));
    let add = st(StmtKind::SetLocal { local: LocalId(1), index: vec![], op: AssignOp::Add, value: sum_count() });
    let rate = ExprKind::Metric { metric: Metric::Rate, of: neurons(E), from: None, to: None, bin: None, event: None };
    let shuffled = |mut s: Stmt| {
        if let StmtKind::ForSamples(l) = &mut s.kind {
            let span = Span::default();
            l.samples = Samples::Shuffle { of: Box::new(l.samples.clone()), stream: "label/shuffle".to_owned(), span };
        }
        s
    };
    let draw = ExprKind::Draw {
        within: None,
        each: false,
        dist: crate::builtins::Dist::Uniform,
        args: vec![num(0.0), num(1.0)],
        stream: "label/uniform".to_owned(),
    };
    let mut p = program(vec![
        experiment("train", vec![samples(12, train_batch, 2, &[], vec![normalise(), show_only(0)])]),
        experiment(
            "label",
            vec![
                freeze(),
                st(StmtKind::Let { local: LocalId(1), value: int(0) }),
                shuffled(samples(
                    17,
                    None,
                    2,
                    &[1],
                    vec![
                        reset_e(),
                        readout(false),
                        add,
                        print("count", sum_count()),
                        print("draw", ex(draw, real(&[]))),
                    ],
                )),
                print("total", local(1, Ty::scalar(Kind::Int))),
                print("rate", ex(rate, real(&[]))),
                print("after", sum_count()),
            ],
        ),
        experiment(
            "evaluate",
            vec![
                freeze(),
                samples(20, None, 1, &[], vec![reset_e(), readout(true)]),
                print("accuracy", ex(ExprKind::Accuracy(crate::hir::ReadoutId(0)), real(&[]))),
                expect(
                    bin(BinaryOp::Gt, ex(ExprKind::Accuracy(crate::hir::ReadoutId(0)), real(&[])), num(2.0), flag()),
                    "accuracy(vote) > 2",
                ),
            ],
        ),
    ]);
    p.spikes_recorded.insert(E);
    p
}

#[test]
fn one_two_and_three_threads_agree_bit_for_bit() {
    for batch in [None, Some(4)] {
        let p = diehl_cook(batch);
        let mut first = Fake::new();
        let (one, lines) = go(&p, &mut first, 1);
        assert!(lines.len() == 2 * 34 + 4, "{lines:?} {:?}", one.diagnostics);
        assert_eq!(one.phases.len(), 3);
        assert!(one.phases.iter().all(|p| p.spikes[1].1 > 0), "{:?}", one.phases);
        assert_eq!(one.readouts[0].scored, 20);
        assert_eq!((one.expects[0].held, one.expects[0].text.as_str()), (false, "accuracy(vote) > 2"));
        for threads in [2, 3] {
            let mut machine = Fake::new();
            let (other, more) = go(&p, &mut machine, threads);
            assert_eq!(facts(&one), facts(&other));
            assert_eq!(lines, more);
            assert_eq!(format!("{first:?}"), format!("{machine:?}"));
        }
    }
}

/// The independent loop gives what running the samples one by one by hand gives, spikes and all: here as single-sample loops,
/// which are never run on workers.
#[test]
fn independent_samples_equal_a_sequential_run() {
    let body = || vec![reset_e(), show_only(0), print("count", count_e())];
    let freeze = st(StmtKind::Freeze(vec![w(), theta()]));
    let parallel = program(vec![experiment("e", vec![freeze.clone(), samples(9, None, 1, &[], body())])]);
    // A recording of values keeps the loop sequential.
    let mut sequential = parallel.clone();
    sequential.records.push(Record {
        items: vec![RecordItem {
            name: "E.g".to_owned(),
            what: Recorded::Value { value: var(g()), unit: ShownUnit { name: String::new(), factor: 1.0 } },
            span: Span::default(),
        }],
        every_steps: 10,
        every: None,
        to: None,
        span: Span::default(),
    });
    let (mut a, mut b) = (Fake::new(), Fake::new());
    let (x, lines) = go(&parallel, &mut a, 3);
    let (y, more) = go(&sequential, &mut b, 3);
    assert_eq!(lines, more);
    assert_eq!(facts(&x), facts(&y));
    assert_eq!((a.steps(), &a.g, &a.v), (b.steps(), &b.g, &b.v));
    assert_eq!(a.counts(E), b.counts(E));
}

/// One batch of three lanes by hand: each lane is the sequential run of its sample from the same start, and the changes add up.
#[test]
fn the_changes_of_a_batch_add_up_within_bounds() {
    let train = |n, batch| program(vec![experiment("e", vec![samples(n, batch, 1, &[], vec![show_only(0)])])]);
    let mut merged = Fake::new();
    let (o, _) = go(&train(3, Some(3)), &mut merged, 2);
    assert_eq!(o.diagnostics, []);
    let start = Fake::new();
    let mut lanes = Vec::new();
    for k in 0..3_i64 {
        let mut lane = Fake::new();
        let mut p = train(3, None);
        if let StmtKind::ForSamples(l) = &mut p.experiments[0].body.stmts[0].kind
            && let Samples::Slice { start, end, .. } = &mut l.samples
        {
            (*start, *end) = (Some(int(k)), Some(int(k + 1)));
        }
        go(&p, &mut lane, 1);
        lanes.push(lane);
    }
    let mut moved = 0;
    for (at, w) in merged.w.iter().enumerate().filter(|(at, _)| at % 8 < NE) {
        let w0 = f64::from(start.w[at]);
        let sum: f64 = lanes.iter().fold(w0, |s, l| s + (f64::from(l.w[at]) - w0));
        assert_eq!(*w, (sum as f32).min(1.0), "{at}");
        moved += usize::from(*w != start.w[at]);
    }
    assert!(moved > 3, "the lanes learned nothing");
    for j in 0..NE {
        let sum = lanes.iter().fold(0.25, |s, l| s + (l.theta[j] - 0.25));
        assert_eq!(merged.theta[j], sum);
    }
    // States and counts are the last sample's; time is that of all samples.
    assert_eq!((&merged.g, &merged.v), (&lanes[2].g, &lanes[2].v));
    assert_eq!(merged.steps(), lanes.iter().map(Machine::steps).sum::<u64>());
}

#[test]
fn a_batch_of_one_is_the_sequential_algorithm() {
    let (mut a, mut b) = (Fake::new(), Fake::new());
    go(&diehl_cook(Some(1)), &mut a, 2);
    go(&diehl_cook(None), &mut b, 1);
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
}

#[test]
fn a_nested_change_of_weights_is_refused_in_a_batch() {
    let cond = bin(BinaryOp::Gt, num(1.0), num(0.0), flag());
    let nested = st(StmtKind::If { cond, then: vec![normalise()], els: vec![] });
    let p = program(vec![experiment("e", vec![samples(4, Some(2), 1, &[], vec![nested, show_only(0)])])]);
    let (o, _) = go(&p, &mut Fake::new(), 1);
    assert_eq!(o.diagnostics[0].code, Code::E0503);
    assert!(!o.phases[0].finished);
}

#[test]
fn normalisation_scales_columns_to_the_wanted_sum() {
    let mut m = Fake::new();
    let (o, _) = go(&program(vec![experiment("e", vec![normalise()])]), &mut m, 1);
    assert_eq!(o.diagnostics, []);
    for j in 0..NE {
        let sum: f32 = (0..NX).map(|i| m.w[i * 8 + j]).sum();
        assert!((sum - 1.5).abs() < 1e-5, "{sum}");
        assert_eq!(m.w[8 * 2 + 6], 9.0, "the padding is not touched");
    }
}

#[test]
fn faulty_times_are_told_and_end_the_experiment() {
    for (ms, code) in [(-1.0, Code::E0502), (f64::NAN, Code::E0502), (f64::INFINITY, Code::E0502), (1e16, Code::E0903)]
    {
        let p = program(vec![experiment("e", vec![run(ms)]), experiment("f", vec![run(1.0)])]);
        let (o, _) = go(&p, &mut Fake::new(), 1);
        assert_eq!(o.diagnostics[0].code, code, "{ms}");
        assert_eq!(o.phases.len(), 1, "later experiments build on the faulty one");
    }
}

#[test]
fn an_expectation_shows_its_parts_and_does_not_stop_the_run() {
    let part = |op, a, b| bin(op, a, b, flag());
    let low = reduce(Reduction::Min, var(theta()), Over::All, real(&[]));
    let cond = bin(BinaryOp::And, part(BinaryOp::Ge, low.clone(), num(0.0)), part(BinaryOp::Lt, low, num(0.1)), flag());
    let p = program(vec![experiment("e", vec![expect(cond, "c"), run(1.0)])]);
    let (o, _) = go(&p, &mut Fake::new(), 1);
    assert_eq!(o.expects[0].value, "0.25 >= 0 and 0.25 < 0.1");
    assert!(!o.expects[0].held && o.phases[0].finished && !o.succeeded());
    assert_eq!(o.phases[0].steps, 2);
}

#[test]
fn a_long_repeat_warns_once() {
    let one = st(StmtKind::SetLocal { local: LocalId(1), index: vec![], op: AssignOp::Add, value: int(1) });
    let until = bin(BinaryOp::Ge, local(1, Ty::scalar(Kind::Int)), int(2500), flag());
    let p = program(vec![experiment(
        "e",
        vec![st(StmtKind::Let { local: LocalId(1), value: int(0) }), st(StmtKind::Repeat { body: vec![one], until })],
    )]);
    let (o, lines) = go(&p, &mut Fake::new(), 1);
    assert_eq!(lines, ["warning this `repeat` has run 1000 times"]);
    assert_eq!(o.diagnostics[0].primary.as_ref().unwrap().text, "its condition now: 1000 >= 2500");
}

/// Stops when so many samples are done.
struct StopAfter<'a>(u64, &'a AtomicBool);

impl Progress for StopAfter<'_> {
    fn phase_start(&mut self, _: &str) {}
    fn phase_end(&mut self, _: &str) {}
    fn loop_start(&mut self, _: &str, _: u64) {
        if self.0 == 0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
    fn samples_done(&mut self, _: u64, _: Option<f64>) {}
    fn loop_end(&mut self) {}
    fn steps_done(&mut self, _: u64, _: u64) {}
}

#[test]
fn a_stop_from_outside_keeps_what_was_done() {
    let cancel = AtomicBool::new(false);
    let env = Env {
        data: &Digits,
        model_dir: "".into(),
        out_dir: None,
        unnamed: false,
        threads: 2,
        seed: 7,
        only: vec![],
        cancel: &cancel,
    };
    let p = diehl_cook(None);
    let mut machine = Fake::new();
    let o = run_experiments(&p, &model(), &mut machine, &env, &mut Silent, &mut StopAfter(0, &cancel));
    assert!(o.cancelled && !o.succeeded());
    assert_eq!((o.phases.len(), o.phases[0].finished), (1, false));
}

#[test]
fn tests_start_afresh_and_write_no_files() {
    let dir = tempfile::tempdir().unwrap();
    let save = st(StmtKind::Save {
        path: ex(ExprKind::Str("w.npz".into()), Ty::Str),
        vars: vec![NamedVar {
            key: w(),
            name: "XE.w".to_owned(),
            unit: ShownUnit { name: String::new(), factor: 1.0 },
            span: Span::default(),
        }],
    });
    let time = || print("t", ex(ExprKind::Time, real(&[])));
    let test = |title: &str| Test {
        title: title.to_owned(),
        body: Body { locals: vec![], stmts: vec![time(), run(3.0), time(), save.clone()] },
        span: Span::default(),
    };
    let p = Program { tests: vec![test("a"), test("b")], ..Program::default() };
    let cancel = AtomicBool::new(false);
    let env = Env {
        data: &Digits,
        model_dir: "".into(),
        out_dir: Some(dir.path().to_owned()),
        unnamed: true,
        threads: 1,
        seed: 7,
        only: vec![],
        cancel: &cancel,
    };
    let mut lines = Lines::default();
    let mut fresh = || Ok(Box::new(Fake::new()) as Box<dyn Machine>);
    let o = run_tests(&p, &model(), &mut fresh, &env, &mut lines, &mut Silent);
    assert_eq!(lines.0.iter().filter(|l| !l.starts_with("warning")).collect::<Vec<_>>(), ["0", "3", "0", "3"]);
    assert!(lines.0.contains(&"warning tests write no files: this `save` is skipped".to_owned()));
    assert!(o.succeeded() && o.files.is_empty());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn what_is_saved_loads_again_and_recordings_are_written_whole() {
    let dir = tempfile::tempdir().unwrap();
    let one = || ShownUnit { name: String::new(), factor: 1.0 };
    let named = |key, name: &str| NamedVar { key, name: name.to_owned(), unit: one(), span: Span::default() };
    let path = || ex(ExprKind::Str("sub/net.npz".into()), Ty::Str);
    let mut p = program(vec![experiment(
        "e",
        vec![
            samples(4, None, 1, &[], vec![show_only(0)]),
            st(StmtKind::Save { path: path(), vars: vec![named(w(), "XE.w"), named(theta(), "E.theta")] }),
            assign(w(), AssignOp::Set, num(0.5)),
            st(StmtKind::Load { path: path(), vars: vec![named(w(), "XE.w")] }),
        ],
    )]);
    p.spikes_recorded.insert(E);
    p.records.push(Record {
        items: vec![
            RecordItem { name: "E.spikes".to_owned(), what: Recorded::Spikes(all(E), None), span: Span::default() },
            RecordItem {
                name: "E.g".to_owned(),
                what: Recorded::Value { value: var(g()), unit: one() },
                span: Span::default(),
            },
        ],
        every_steps: 4,
        every: None,
        to: Some("rec.npz".to_owned()),
        span: Span::default(),
    });
    let cancel = AtomicBool::new(false);
    let env = Env {
        data: &Digits,
        model_dir: "".into(),
        out_dir: Some(dir.path().to_owned()),
        unnamed: true,
        threads: 1,
        seed: 7,
        only: vec![],
        cancel: &cancel,
    };
    let (mut a, mut b) = (Fake::new(), Fake::new());
    let o = run_experiments(&p, &model(), &mut a, &env, &mut Silent, &mut Silent);
    assert_eq!(o.diagnostics, []);
    assert_eq!(o.files, [dir.path().join("sub/net.npz"), dir.path().join("rec.npz")]);
    let file = crate::data::read_npz(&dir.path().join("rec.npz")).unwrap();
    let spikes = o.phases[0].spikes[1].1;
    assert!(spikes > 0);
    assert_eq!(file["E.spikes.t"].shape, [spikes]);
    assert_eq!(file["E.spikes.i"].shape, [spikes]);
    let n = o.phases[0].steps.div_ceil(4);
    assert_eq!((file["E.g"].shape.clone(), file["E.g.t"].shape.clone()), (vec![n, NE as u64], vec![n]));
    assert_eq!(file["E.g.t"].data.to_f64()[1], 2.0);
    // The command line's way.
    let loaded = crate::script::recording::load_file(&mut b, &model(), &dir.path().join("sub/net.npz")).unwrap();
    assert_eq!(loaded, ["E.theta", "XE.w"]);
    assert_eq!((&a.w, &a.theta), (&b.w, &b.theta));
}

#[test]
fn a_draw_differs_between_samples_and_repeats_with_the_seed() {
    let p = diehl_cook(None);
    let draws = |threads| -> Vec<Value> {
        let (o, _) = go(&p, &mut Fake::new(), threads);
        o.results.iter().filter(|r| r.name == "draw").map(|r| r.value.clone()).collect()
    };
    let mut a = draws(1);
    assert_eq!(a, draws(3));
    let n = a.len();
    a.sort_by(|x, y| x.as_f64().unwrap().total_cmp(&y.as_f64().unwrap()));
    a.dedup();
    assert_eq!((n, a.len()), (34, 34));
}
