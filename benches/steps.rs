//! Simulation and compilation of shipped models, in time: steps of recurrent networks in both precisions, samples of a network that learns, and
//! machine code from a checked model.

#![allow(missing_docs, reason = "the macros of criterion make public functions")]

mod work;

/// As in the binary.
#[global_allocator]
static MEMORY: snnc::memory::Arrays = snnc::memory::Arrays;

use criterion::{Criterion, criterion_group, criterion_main};
use snnc::driver::BackendKind;
use work::Built;

fn steps(c: &mut Criterion) {
    for model in ["cuba.snn", "coba.snn", "hodgkin_huxley.snn", "vogels2011.snn"] {
        let mut network = Built::new(model, &[]);
        network.steps(1000);
        c.bench_function(&format!("100 steps of {model}"), |b| b.iter(|| network.steps(100)));
    }
}

fn samples(c: &mut Criterion) {
    for n in ["100", "400", "1600"] {
        let mut network = Built::new("diehl_cook.snn", &[("n_exc", n), ("n_train", "20")]);
        network.experiment("train");
        c.bench_function(&format!("20 samples of diehl_cook.snn, n_exc = {n}"), |b| {
            b.iter(|| network.experiment("train"));
        });
    }
}

fn compile(c: &mut Criterion) {
    for model in ["diehl_cook.snn", "cuba.snn"] {
        let session = work::checked(model, &[("n_exc", "10")][..usize::from(model == "diehl_cook.snn")]);
        let model_of = session.model.clone().expect("a checked model");
        c.bench_function(&format!("build {model}"), |b| {
            b.iter(|| session.build(&model_of, BackendKind::Jit).expect("a network").1);
        });
    }
}

criterion_group! { name = benches; config = Criterion::default().sample_size(10); targets = steps, samples, compile }
criterion_main!(benches);
