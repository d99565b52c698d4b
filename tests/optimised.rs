//! Restructuring changes no answer: `--opt 1` gives the bits of `--opt 0`, and `--opt 2` differs from them by rounding only. The models are
//! chosen so that each restructuring happens, which their plans are asked to confirm.

use std::path::Path;

use snnc::backend::Buf;
use snnc::codegen::{self, Action};
use snnc::driver::{BackendKind, Session, Settings};
use snnc::hir::PopId;
use snnc::lir::access::Access;
use snnc::runtime::Network;
use snnc::sched::Wiring;
use snnc::script::machine::{Machine, ResetTarget, RunKey, Slice, VarKey};

mod net;

use net::LATERAL;

fn network(opt: u8, kind: BackendKind) -> Network {
    net::build_with(LATERAL, &Settings { opt: Some(opt), ..Settings::default() }, kind)
}

fn run(n: &mut Network, steps: u64) {
    n.begin_run(steps, RunKey(5)).expect("a run");
    n.advance(steps).expect("a run");
}

fn values(n: &mut Network, key: VarKey) -> Vec<f64> {
    let v = n.values(key);
    match v.data {
        Slice::F64(x) => (0..v.rows).flat_map(|r| x[r * v.stride..r * v.stride + v.cols].to_vec()).collect(),
        Slice::F32(x) => {
            (0..v.rows).flat_map(|r| x[r * v.stride..r * v.stride + v.cols].iter().map(|x| f64::from(*x))).collect()
        }
        Slice::Uniform(x) => vec![x; v.rows * v.cols],
    }
}

/// The buffers of a name, as bits.
fn bits(n: &Network, name: &str) -> Vec<u64> {
    let k = n.layout().buffers.iter().position(|b| b.name == name).expect("the buffer");
    match &n.buffers()[k] {
        Buf::F64(v) => v.iter().map(|x| x.to_bits()).collect(),
        Buf::F32(v) => v.iter().map(|x| u64::from(x.to_bits())).collect(),
        Buf::I32(v) => v.iter().map(|x| *x as u64).collect(),
        Buf::I64(v) => v.iter().map(|x| *x as u64).collect(),
    }
}

#[test]
fn each_restructuring_happens_at_its_level() {
    let (plain, exact, all) =
        (network(0, BackendKind::Interp), network(1, BackendKind::Interp), network(2, BackendKind::Interp));
    for (n, calms, rests, shares) in
        [(&plain, false, false, false), (&exact, true, true, false), (&all, true, true, true)]
    {
        let plan = n.plan();
        assert_eq!(plan.populations[1].calms, calms);
        assert_eq!(plan.populations[2].rests, rests);
        assert_eq!(!plan.populations[1].shared.is_empty(), shares);
        assert_eq!(matches!(plan.projections[2].wiring, Wiring::Uniform(u) if u.but_own), shares);
        let late: Vec<bool> = plan.projections.iter().map(|p| p.late).collect();
        assert_eq!(late, [plan.opt.level > 0, false, false]);
    }
}

#[test]
fn level_1_gives_the_bits_of_level_0() {
    let (mut plain, mut exact) = (network(0, BackendKind::Jit), network(1, BackendKind::Jit));
    for n in [&mut plain, &mut exact] {
        run(n, 3000);
    }
    assert!(plain.spikes(PopId(1)).step.len() > 100, "the network is awake");
    for name in ["A.v", "A.g_e", "A.g_i", "A@refractory", "B.v", "B.g_e", "XA.w", "A@count", "B@count"] {
        // Padding may differ: nobody reads it.
        let (mut x, mut y) = (bits(&plain, name), bits(&exact, name));
        if name != "XA.w" {
            x.truncate(70);
            y.truncate(70);
        }
        assert_eq!(x, y, "{name}");
    }
    assert_eq!(plain.spikes(PopId(1)), exact.spikes(PopId(1)));
}

#[test]
fn level_2_differs_by_rounding_only() {
    let (mut plain, mut all) = (network(0, BackendKind::Jit), network(2, BackendKind::Jit));
    for n in [&mut plain, &mut all] {
        run(n, 3000);
    }
    assert_eq!(plain.spikes(PopId(1)), all.spikes(PopId(1)), "equal spike trains");
    assert_eq!(plain.spikes(PopId(2)), all.spikes(PopId(2)), "equal spike trains");
    for var in 0..3 {
        let (x, y) = (values(&mut plain, net::pop(1, var)), values(&mut all, net::pop(1, var)));
        for (x, y) in x.iter().zip(&y) {
            // Conductances reach about 1000, so that 1e-10 is some thousand roundings of the sum.
            assert!((x - y).abs() < 1e-10, "variable {var}: {x} and {y}");
        }
    }
}

#[test]
fn both_executions_agree_on_the_restructured_plan() {
    let (mut jit, mut interp) = (network(2, BackendKind::Jit), network(2, BackendKind::Interp));
    for n in [&mut jit, &mut interp] {
        run(n, 600);
    }
    assert!(jit.spikes(PopId(1)).step.len() > 10, "the network is awake");
    for (k, (x, y)) in jit.buffers().iter().zip(interp.buffers()).enumerate() {
        assert_eq!(x, y, "{}", jit.layout().buffers[k].name);
    }
}

#[test]
fn a_shared_state_is_reset_and_written_like_any_other() {
    let mut n = network(2, BackendKind::Jit);
    let g_i = net::pop(1, 2);
    run(&mut n, 1000);
    assert!(values(&mut n, g_i).iter().any(|g| *g > 1.0), "inhibited");
    n.reset(&[ResetTarget::Pop(PopId(1))]);
    assert!(values(&mut n, g_i).iter().all(|g| *g == 0.0), "reset");
    // Written from outside, every neuron keeps its own value, which decays as before.
    let v = n.values_mut(g_i).expect("storage");
    let snnc::script::machine::SliceMut::F64(x) = v.data else { panic!("f64") };
    x.iter_mut().enumerate().for_each(|(k, x)| *x = k as f64);
    n.written(g_i);
    n.reset(&[ResetTarget::Pop(PopId(2))]);
    n.begin_run(2, RunKey(9)).expect("a run");
    n.advance(2).expect("a run");
    let decay = (-0.5_f64).exp();
    for (k, g) in values(&mut n, g_i).iter().enumerate().take(70) {
        assert!((g - k as f64 * decay).abs() < 1e-9, "neuron {k}: {g}");
    }
}

/// What a network says has changed holds all columns that did, and not all columns; whatever else writes weights ends the record.
#[test]
fn changed_columns_are_those_that_may_have_changed() {
    let mut n = network(2, BackendKind::Jit);
    let w = net::proj(0, 0);
    let columns = |n: &mut Network| {
        let all = values(n, w);
        (0..70).map(|j| (0..120).map(|i| all[i * 70 + j].to_bits()).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    assert_eq!(n.changed_columns(w, 7), None, "nothing is known before the rule was applied");
    n.settle_columns(w, 7, &[]);
    let mut seen = 0;
    for _ in 0..20 {
        let before = columns(&mut n);
        run(&mut n, 40);
        let after = columns(&mut n);
        let changed = n.changed_columns(w, 7).expect("known");
        for j in (0..70).filter(|j| before[*j] != after[*j]) {
            assert!(changed.contains(&(j as u32)), "column {j} changed");
            seen += 1;
        }
        if changed.len() < 70 {
            n.settle_columns(w, 7, &[]);
        }
    }
    assert!(seen > 20, "weights changed");
    // A trace that lasts may change its column at the next spike; one that has faded is not waited for, though its neuron is still on the list.
    let silence = |n: &mut Network, steps: u64| {
        let v = n.values_mut(net::pop(0, 0)).expect("an input");
        let snnc::script::machine::SliceMut::F64(x) = v.data else { panic!("f64") };
        x.fill(0.0);
        n.written(net::pop(0, 0));
        run(n, steps);
        n.settle_columns(w, 7, &[]);
        n.changed_columns(w, 7).expect("known").len()
    };
    assert!(silence(&mut n, 200) > 0, "100 ms are 5 time constants");
    assert_eq!(silence(&mut n, 1200), 0, "700 ms are 35");
    assert!(bits(&n, "XA.y@list.n")[0] > 0, "the list is looked through at the next spike");
    n.reset(&[ResetTarget::Pop(PopId(1)), ResetTarget::Proj(snnc::hir::ProjId(0))]);
    n.settle_columns(w, 7, &[]);
    assert_eq!(n.changed_columns(w, 7), Some(Vec::new()), "no trace is left");
    assert_eq!(n.changed_columns(w, 8), None, "another rule");
    n.settle_columns(w, 7, &[]);
    n.written(w);
    assert_eq!(n.changed_columns(w, 7), None, "a protocol wrote it");
    n.settle_columns(w, 7, &[]);
    n.reset(&[ResetTarget::Var(w)]);
    assert_eq!(n.changed_columns(w, 7), None, "it was reset");
    assert_eq!(network(1, BackendKind::Jit).changed_columns(w, 7), None, "kept at level 2 only");
}

/// While nothing arrives and nobody spikes, many steps are one: the same spikes, and states that differ by rounding.
#[test]
fn stretches_without_events_are_passed_over() {
    let (mut plain, mut all, mut interp) =
        (network(0, BackendKind::Jit), network(2, BackendKind::Jit), network(2, BackendKind::Interp));
    assert!(all.plan().leaps() && !plain.plan().leaps());
    let rate = net::pop(0, 0);
    for n in [&mut plain, &mut all, &mut interp] {
        // Longer than a time constant, and across a multiple of 1024 steps; then input again.
        for (hertz, steps) in [(0.06, 400), (0.0, 1500), (0.06, 300), (0.0, 70), (0.06, 200)] {
            let v = n.values_mut(rate).expect("an input");
            let snnc::script::machine::SliceMut::F64(x) = v.data else { panic!("f64") };
            x.fill(hertz);
            n.written(rate);
            run(n, steps);
        }
    }
    assert!(all.passed() > 1000, "{} steps passed over", all.passed());
    assert_eq!((plain.passed(), plain.steps(), all.steps()), (0, 2470, 2470));
    assert!(plain.spikes(PopId(1)).step.len() > 50, "the network is awake");
    for p in [0, 1, 2] {
        assert_eq!(plain.spikes(PopId(p)), all.spikes(PopId(p)), "equal spike trains");
    }
    for (p, vars) in [(1, 3), (2, 2)] {
        for var in 0..vars {
            let (x, y) = (values(&mut plain, net::pop(p, var)), values(&mut all, net::pop(p, var)));
            for (x, y) in x.iter().zip(&y) {
                assert!((x - y).abs() < 1e-10, "variable {var} of {p}: {x} and {y}");
            }
        }
    }
    assert_eq!(all.passed(), interp.passed());
    for (k, (x, y)) in all.buffers().iter().zip(interp.buffers()).enumerate() {
        assert_eq!(x, y, "{}", all.layout().buffers[k].name);
    }
}

/// Slow recurrent excitation through a gating state of the pre neuron, all to all: one sum a step at level 2, a pass over all pairs below.
#[test]
fn what_all_neurons_get_alike_is_summed_once() {
    let text = "
        simulation { dt = 0.1 ms; seed = 2 }
        neuron Cell { param drive = normal(24, 4)
          input nmda = 0
          state v = uniform(0, 20), s = 0
          20 ms * dv/dt = drive - v + nmda * (1 + 0.01 * v)
          ds/dt = -s / 100 ms
          spike when v > 20
          on spike { v = 0; s += 0.5 * (1 - s) }
          refractory 2 ms hold v }
        synapse Gate { weight w = 0.1
          inject w * pre.s }
        population E[90]: Cell()
        population I[37]: Cell(drive = 15)
        connect E -> E.nmda via all_to_all with Gate()
        connect E -> I.nmda via all_to_all with Gate(w = 0.05)
        connect EI: E -> I.nmda via all_to_all with Gate(w = 0.001 * j)
        experiment e { run 10 ms }";
    let network = |opt: u8, kind: BackendKind| {
        let settings = Settings { opt: Some(opt), ..Settings::default() };
        let mut session = Session::from_text(Path::new("test.snn"), text, &settings);
        session.plan_only();
        let model = session.model.clone().expect("a sound model");
        let (mut network, _) = session.build(&model, kind).expect("a network");
        network.record_spikes(PopId(0), true);
        network.begin_run(1500, RunKey(0)).expect("a run");
        network.advance(1500).expect("a run");
        network
    };
    let mut levels: Vec<Network> = (0..3).map(|opt| network(opt, BackendKind::Jit)).collect();
    let alike = |n: &Network| n.plan().projections.iter().map(|p| p.clocked.alike).collect::<Vec<_>>();
    assert_eq!(alike(&levels[1]), [false, false, false]);
    // The weights of the last differ between the neurons that get it.
    assert_eq!(alike(&levels[2]), [true, true, false]);
    net::bits_agree(&levels[2], &network(2, BackendKind::Interp));
    let trains: Vec<_> =
        levels.iter().map(|n| (n.spikes(PopId(0)).step.clone(), n.spikes(PopId(0)).neuron.clone())).collect();
    assert!(trains[0].0.len() > 300);
    assert_eq!(trains[0], trains[1]);
    assert_eq!(trains[1], trains[2]);
    for k in 0..37 {
        let [a, b, c] = [0, 1, 2].map(|l| net::read(&mut levels[l], net::pop(1, 2), k));
        assert_eq!(a.to_bits(), b.to_bits());
        assert!((a - c).abs() < 1e-9 * a.abs().max(1.0), "neuron {k}: {a} and {c}");
    }
}

/// A spike that is on its way for longer than the pieces in which a run is carried out is not passed over.
#[test]
fn spikes_on_their_way_are_waited_for() {
    let text = LATERAL.replace("delay = 1 ms", "delay = 300 ms");
    let network = |opt: u8| {
        let settings = Settings { opt: Some(opt), ..Settings::default() };
        let mut session = Session::from_text(Path::new("test.snn"), &text, &settings);
        session.plan_only();
        let model = session.model.clone().expect("a sound model");
        session.build(&model, BackendKind::Jit).expect("a network").0
    };
    let (mut plain, mut all) = (network(0), network(2));
    let (rate, g_i) = (net::pop(0, 0), net::pop(1, 2));
    let mut arrived = false;
    for n in [&mut plain, &mut all] {
        for hertz in [0.06, 0.0] {
            let v = n.values_mut(rate).expect("an input");
            let snnc::script::machine::SliceMut::F64(x) = v.data else { panic!("f64") };
            x.fill(hertz);
            n.written(rate);
            // The last spikes are sent near step 300; 600 steps later they arrive.
            n.begin_run(if hertz > 0.0 { 300 } else { 1400 }, RunKey(5)).expect("a run");
            for _ in 0..if hertz > 0.0 { 3 } else { 14 } {
                n.advance(100).expect("a piece");
                arrived |= hertz == 0.0 && values(n, g_i).iter().any(|g| *g > 1.0);
            }
        }
    }
    assert!(arrived && all.passed() > 100, "{} steps passed over", all.passed());
    for var in 0..3 {
        let (x, y) = (values(&mut plain, net::pop(1, var)), values(&mut all, net::pop(1, var)));
        for (x, y) in x.iter().zip(&y) {
            assert!((x - y).abs() < 1e-10, "variable {var}: {x} and {y}");
        }
    }
}

/// A column in which a bound stops weights does not have its sum yet: scaling it again goes on where it stopped, at every level.
#[test]
fn normalisation_goes_on_where_bounds_stopped_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = LATERAL
        .replace("uniform(0, 0.3)", "uniform(0, 1)")
        .replace("connect XA", "param total = 90\nconnect XA")
        .replace("run 1 s;", "repeat { XA.w *= total / sum(XA.w over pre); run 0.5 ms; n += 1 } until n > 5; print(\"least\", min(sum(XA.w over pre)), max(abs(sum(XA.w over pre) - total)));")
        .replace("experiment main {", "experiment main { let n = 0;");
    std::fs::write(dir.path().join("m.snn"), &text).expect("a file");
    let printed = |opt: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_snnc"));
        let out = command.current_dir(dir.path()).args(["run", "--opt", opt, "m.snn"]).output().expect("it runs");
        let words = String::from_utf8_lossy(&out.stdout).into_owned();
        let line = words.lines().find(|l| l.contains("least")).unwrap_or_else(|| {
            panic!("{words}{}", String::from_utf8_lossy(&out.stderr));
        });
        line.split_whitespace().filter_map(|w| w.parse::<f64>().ok()).collect::<Vec<f64>>()
    };
    let (plain, all) = (printed("0"), printed("2"));
    assert_eq!((plain.len(), all.len()), (2, 2));
    for (x, y) in plain.iter().zip(&all) {
        assert!((x - y).abs() < 1e-6 * x.abs().max(1.0), "{plain:?} and {all:?}");
    }
}

/// Rows that are added in the next step's pass over the neurons are those that would be added at once: for few and many rows a step, weights that
/// learn and weights that are frozen, runs in pieces of any length, numbers of neurons that fill blocks and others.
#[test]
fn rows_added_late_are_those_added_at_once() {
    // Few rows a step, some ten, more than forty: kernels have a version for each.
    let cases =
        [(70, "f64", 60), (96, "f32", 60), (131, "f32", 220), (70, "f64", 220), (131, "f32", 900), (64, "f64", 900)];
    for (neurons, precision, rate) in cases {
        let text = LATERAL
            .replace("[70]", &format!("[{neurons}]"))
            .replace("f64", precision)
            .replace("X.rate = 60 Hz", &format!("X.rate = {rate} Hz"))
            .replace("poisson(rate = 60 Hz)", &format!("poisson(rate = {rate} Hz)"));
        let network = |opt: u8, kind: BackendKind| {
            let settings = Settings { opt: Some(opt), ..Settings::default() };
            let mut session = Session::from_text(Path::new("test.snn"), &text, &settings);
            session.plan_only();
            let model = session.model.clone().expect("a sound model");
            session.build(&model, kind).expect("a network").0
        };
        let mut plain = network(0, BackendKind::Jit);
        let mut others = [network(1, BackendKind::Jit), network(1, BackendKind::Interp)];
        for frozen in [false, true] {
            for (k, n) in std::iter::once(&mut plain).chain(&mut others).enumerate() {
                if frozen {
                    n.freeze(&[net::proj(0, 0)]).expect("frozen");
                }
                n.begin_run(600, RunKey(5)).expect("a run");
                // The first network runs at once.
                let pieces: &[u64] = if k == 0 { &[600] } else { &[1, 1, 2, 7, 39, 550] };
                for steps in pieces {
                    n.advance(*steps).expect("a piece");
                }
            }
            assert!(bits(&plain, "A@count").iter().sum::<u64>() > 10, "the network is awake");
            for n in &others {
                assert_eq!(n.plan().projections.iter().map(|p| p.late).collect::<Vec<_>>(), [true, false, false]);
                for name in ["A.v", "A.g_e", "A.g_i", "A@refractory", "B.v", "XA.w", "XA.y", "A@count"] {
                    let (mut x, mut y) = (bits(&plain, name), bits(n, name));
                    if name != "XA.w" {
                        x.truncate(neurons);
                        y.truncate(neurons);
                    }
                    assert_eq!(x, y, "{name} of {neurons} neurons, {precision}, frozen: {frozen}");
                }
            }
        }
    }
}

/// What waits until the next step touches nothing that any other part of a step touches, except where that part comes when it should.
#[test]
fn nobody_sees_what_waits() {
    let mut seen = 0;
    for model in ["diehl_cook", "diehl_cook_2015"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(format!("{model}.snn"));
        let settings = Settings { set: vec![("n_exc".to_owned(), "100".to_owned())], ..Settings::default() };
        let mut session = Session::open(&path, &settings);
        session.plan_only();
        let checked = session.model.clone().expect("a sound model");
        let n = session.build(&checked, BackendKind::Interp).expect("a network").0;
        let (plan, layout) = (n.plan(), n.layout());
        let (program, parts) = codegen::parts(plan, layout).expect("parts");
        let of = |want: &dyn Fn(&codegen::Part) -> bool| {
            let mut all = Access::default();
            for (part, function) in parts.iter().zip(&program.functions).filter(|(part, _)| want(part)) {
                let _ = part;
                all.merge(&Access::of(function));
            }
            all
        };
        for (p, proj) in plan.projections.iter().enumerate().filter(|(_, p)| p.late) {
            seen += 1;
            let post = &layout.pops[layout.projs[p].post_pop];
            let (target, _) = proj.on_pre.whole_row(proj).expect("rows");
            let target = post.vars[target.index()].expect("storage");
            let handler = |part: &codegen::Part| part.action.of_projection() && part.index == p;
            let own_pass = |part: &codegen::Part| {
                matches!(part.action, Action::Integrate | Action::React) && part.index == layout.projs[p].post_pop
            };
            let late = of(&handler);
            let others = of(&|part| !handler(part));
            let remembered = [post.spikes, post.spike_count];
            for buf in late.writes.keys() {
                let touched = others.reads.contains_key(buf) || others.writes.contains_key(buf);
                assert!(!touched || *buf == target, "{model}: {buf} is written late, and touched by others");
            }
            for buf in late.reads.keys() {
                let written = others.writes.contains_key(buf);
                assert!(!written || *buf == target || remembered.contains(buf), "{model}: {buf} is read late");
            }
            let strangers = of(&|part| !handler(part) && !own_pass(part));
            assert!(
                !strangers.reads.contains_key(&target) && !strangers.writes.contains_key(&target),
                "{model}: the target"
            );
        }
    }
    assert!(seen > 0, "some matrix is added late");
}

/// A trace that does nothing but change bounded weights counts as zero once no change of it shows at the bound; where anything else reads it, or where
/// the rate is tiny, it lasts longer.
#[test]
fn traces_fade_when_no_weight_sees_them() {
    let text = |rule: &str, more: &str| {
        format!(
            "simulation {{ dt = 0.5 ms; seed = 1; precision = f32 }}
neuron Unit {{
  state v = 0, g = 0
  dv/dt = (1.2 - v) / 300 ms
  dg/dt = -g / 2 ms
  spike when v > 1
  on spike {{ v = 0 }}
}}
synapse Learning {{
  weight w in [0, 1]
  state x = 0, y = 0, z = 0
  param eta = 0.001
  dx/dt = -x / 20 ms
  dy/dt = -y / 20 ms
  dz/dt = -z / 40 ms
  {rule}
}}
population X[60]: poisson(rate = 40 Hz)
population A[40]: Unit()
connect L: X -> A.g via all_to_all with Learning(w = uniform(0.2, 0.3))
experiment main {{ run 2 s; {more} print(sum(L.w)) }}
"
        )
    };
    let build = |text: &str, opt: u8| {
        let settings = Settings { opt: Some(opt), ..Settings::default() };
        let mut session = Session::from_text(Path::new("test.snn"), text, &settings);
        session.plan_only();
        let model = session.model.clone().unwrap_or_else(|| panic!("a sound model: {text}"));
        session.build(&model, BackendKind::Jit).expect("a network").0
    };
    let faint = |rule: &str, more: &str, var: usize| build(&text(rule, more), 2).plan().projections[0].faint[var];
    let rule = "on pre { deliver w; w -= eta*y; x = 1 }
  on post { w += 2*eta*x*z; y = 1; z = 1 }";
    let half = 2f64.powi(-25);
    assert_eq!(faint(rule, "", 2), half / 0.001, "y, by depression");
    assert_eq!(faint(rule, "", 1), half / 0.002, "x, by potentiation: z is at most 1");
    let own = 2f64.powi(-24);
    assert_eq!(faint(rule, "print(max(L.y));", 2), own, "somebody looks at it");
    assert_eq!(faint(&rule.replace("deliver w", "deliver w*(1 + y)"), "", 2), own, "it is delivered");
    assert_eq!(faint(&rule.replace("z = 1", "z += 1"), "", 1), own, "nobody knows how large z gets");
    assert_eq!(faint(&rule.replace("eta*y", "1e-6*eta*y"), "", 2), 1.0 / 1024.0, "small rates learn, too");
    // What is lost is less than what rounding at the bound would lose, in each of at most 80 events.
    let after = |opt: u8| {
        let mut n = build(&text(rule, ""), opt);
        run(&mut n, 4000);
        values(&mut n, net::proj(0, 0))
    };
    let (plain, all) = (after(1), after(2));
    let most = plain.iter().zip(&all).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
    assert!(most > 0.0 && most < 160.0 * half, "{most}");
    let moved = plain.iter().filter(|w| !(0.2..=0.3).contains(*w)).count();
    assert!(moved > 0, "they learn");
}
