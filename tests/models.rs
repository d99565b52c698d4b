//! The shipped models in both executions: the interpreter and the JIT agree bit for bit, over the first 2,000 steps and over three
//! presentations with retries of inputs, learning and resting.

use std::path::{Path, PathBuf};

use snnc::backend::Buf;
use snnc::driver::{BackendKind, Session, Settings};
use snnc::hir::{Model, PopId, VarId};
use snnc::runtime::Network;
use snnc::script::machine::{Entity, Machine, RunKey, SliceMut, VarKey};

/// The models that this version runs; larger ones are in `network_models.rs`, at a reduced size.
const RUNNABLE: &[&str] = &[
    "cuba",
    "coba",
    "diehl_cook",
    "diehl_cook_2015",
    "hodgkin_huxley",
    "izhikevich",
    "adex_patterns",
    "fitzhugh_nagumo",
    "morris_lecar",
    "ou_noise",
    "plasticity_rules",
    "tsodyks_markram",
    "sigma_delta",
    "granier",
];

fn model_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(format!("{name}.snn"))
}

fn open(name: &str) -> Session {
    let mut session = Session::open(&model_path(name), &Settings::default());
    session.plan_only();
    let text: Vec<String> =
        session.sink.items.iter().map(|d| snnc::diag::render::render_human(d, &session.sources, false)).collect();
    assert!(session.model.is_some(), "{name}: {}", text.join("\n"));
    session
}

fn network(session: &Session, kind: BackendKind) -> Network {
    let model = session.model.as_ref().expect("a checked model");
    match session.build(model, kind) {
        Ok((network, _)) => network,
        Err(errors) => panic!("{errors:?}"),
    }
}

/// The first buffer in which two networks differ, all NaNs being equal.
fn difference(a: &Network, b: &Network) -> Option<String> {
    for (k, (x, y)) in a.buffers().iter().zip(b.buffers()).enumerate() {
        let same = match (x, y) {
            (Buf::F32(x), Buf::F32(y)) => {
                x.len() == y.len()
                    && x.iter().zip(y).all(|(p, q)| p.to_bits() == q.to_bits() || p.is_nan() && q.is_nan())
            }
            (Buf::F64(x), Buf::F64(y)) => {
                x.len() == y.len()
                    && x.iter().zip(y).all(|(p, q)| p.to_bits() == q.to_bits() || p.is_nan() && q.is_nan())
            }
            (x, y) => x == y,
        };
        if !same {
            return Some(a.layout().buffers[k].name.clone());
        }
    }
    None
}

/// What no model is shipped with: an error, or a warning that it does not accept with its reason.
#[test]
fn every_shipped_model_passes_with_warnings_denied() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .expect("the models")
        .filter_map(|e| e.ok()?.file_name().into_string().ok()?.strip_suffix(".snn").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() >= 24 && names.iter().any(|n| n == "diehl_cook_2015"), "{names:?}");
    // Learning by gradient is not built yet.
    for name in names.iter().filter(|n| *n != "classifier") {
        let session = open(name);
        let said: Vec<_> = session.sink.items.iter().map(|d| (d.code, &d.message)).collect();
        assert!(said.is_empty(), "{name}: {said:?}");
    }
}

fn rate_of(model: &Model, population: &str) -> VarKey {
    let pop = model.populations.iter().position(|p| p.name == population).expect("the population");
    let vars = &model.neurons[model.populations[pop].model.index()].vars;
    let var = vars.iter().position(|v| v.name == "rate").expect("a rate");
    VarKey { entity: Entity::Pop(PopId(pop as u32)), var: VarId(var as u32) }
}

/// A blob of ink: rates up to 64 Hz (internally per ms), different for each presentation.
fn show(network: &mut Network, key: VarKey, sample: usize, scale: f64) {
    let values = network.values_mut(key).expect("rates have storage");
    let SliceMut::F32(rates) = values.data else { panic!("f32 rates") };
    for (k, r) in rates.iter_mut().enumerate().take(784) {
        let (x, y) = (k % 28, k / 28);
        let d = (x as f64 - 9.0 - 3.0 * sample as f64).hypot(y as f64 - 14.0);
        *r = (scale * 0.064 * (1.0 - d / 9.0).max(0.0)) as f32;
    }
    network.written(key);
}

#[test]
fn both_executions_agree_on_every_model_over_2000_steps() {
    for name in RUNNABLE {
        let session = open(name);
        let mut jit = network(&session, BackendKind::Jit);
        let mut interp = network(&session, BackendKind::Interp);
        for n in [&mut jit, &mut interp] {
            n.begin_run(2000, RunKey(7)).expect("a run");
            n.advance(2000).expect("a run");
        }
        assert_eq!(difference(&jit, &interp), None, "{name}");
    }
}

#[test]
fn both_executions_agree_over_three_samples_with_learning() {
    for name in ["diehl_cook", "diehl_cook_2015"] {
        let session = open(name);
        let key = rate_of(session.model.as_ref().expect("a model"), "X");
        let mut jit = network(&session, BackendKind::Jit);
        let mut interp = network(&session, BackendKind::Interp);
        let mut spikes = 0;
        for n in [&mut jit, &mut interp] {
            for sample in 0..3 {
                show(n, key, sample, 1.5);
                n.begin_run(700, RunKey(sample as u64)).expect("a run");
                n.advance(700).expect("a run");
                spikes += n.total(PopId(1));
                show(n, key, sample, 0.0);
                n.begin_run(300, RunKey(100 + sample as u64)).expect("a run");
                n.advance(300).expect("a run");
            }
        }
        assert!(spikes > 20, "{name} must spike for this to test learning: {spikes}");
        assert_eq!(difference(&jit, &interp), None, "{name}");
    }
}

#[test]
fn a_run_in_pieces_is_the_run() {
    let session = open("diehl_cook");
    let key = rate_of(session.model.as_ref().expect("a model"), "X");
    let mut whole = network(&session, BackendKind::Jit);
    let mut pieces = network(&session, BackendKind::Jit);
    for n in [&mut whole, &mut pieces] {
        show(n, key, 1, 1.5);
        n.begin_run(700, RunKey(3)).expect("a run");
    }
    whole.advance(700).expect("a run");
    for steps in [1, 33, 66, 600] {
        pieces.advance(steps).expect("a run");
    }
    assert_eq!(difference(&whole, &pieces), None);
}
