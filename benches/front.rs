//! The front end: from text to the checked and planned model, for every shipped model and for a long generated file.

#![allow(missing_docs, reason = "the macros of criterion make public functions")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{Criterion, criterion_group, criterion_main};
use snnc::driver::{Session, Settings};

fn models() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut all: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("the shipped models")
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "snn"))
        .collect();
    all.sort();
    all
}

/// A file of about ten thousand lines: many models, populations and connections.
fn long_file() -> String {
    let mut s = "simulation { dt = 0.1 ms; seed = 1 }\n".to_owned();
    for k in 0..770 {
        let _ = write!(
            s,
            "\nneuron M{k} {{\n  param tau = 20 ms, E_L = -49 mV\n  state v = -60 mV, g = 0 mV\n  tau * dv/dt = (E_L - v) + g\n  dg/dt = -g / 5 ms\n  \
             spike when v > -50 mV\n  on spike {{ v = -60 mV }}\n  refractory 5 ms hold v\n}}\npopulation P{k}[10]: M{k}()\n\
             connect P{k} -> P{k}.g via random(p = 0.5) with static(w = 1 mV, delay = 1 ms)\n"
        );
    }
    s.push_str("\nexperiment main { run 1 ms; print(\"rate\", rate(P0)) }\n");
    s
}

fn front(c: &mut Criterion) {
    let settings = Settings::default();
    for path in models() {
        let text = std::fs::read_to_string(&path).expect("a readable model");
        let name = path.file_stem().and_then(|n| n.to_str()).unwrap_or("model").to_owned();
        c.bench_function(&format!("check {name}"), |b| {
            b.iter(|| {
                let mut session = Session::from_text(&path, black_box(&text), &settings);
                session.plan_only();
                session.sink.items.len()
            });
        });
    }
    let text = long_file();
    c.bench_function(&format!("check {} lines", text.lines().count()), |b| {
        b.iter(|| {
            let mut session = Session::from_text(Path::new("long.snn"), black_box(&text), &settings);
            session.plan_only();
            session.sink.items.len()
        });
    });
}

criterion_group! { name = benches; config = Criterion::default().sample_size(10); targets = front }
criterion_main!(benches);
