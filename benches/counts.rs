//! Instructions of the front end and of simulation, counted by Callgrind: the same on a busy machine. Needs `valgrind`, and the runner of the version of
//! gungraun in `Cargo.lock` (`cargo install gungraun-runner`).

#![allow(missing_docs, reason = "the macros of gungraun make public items")]

mod work;

/// As in the binary.
#[global_allocator]
static MEMORY: snnc::memory::Arrays = snnc::memory::Arrays;

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use work::{Built, checked};

#[library_benchmark]
#[bench::diehl_cook("diehl_cook.snn")]
#[bench::microcircuit("microcircuit.snn")]
fn check(model: &str) -> usize {
    checked(black_box(model), &[]).sink.items.len()
}

#[library_benchmark]
#[bench::diehl_cook("diehl_cook.snn")]
#[bench::cuba("cuba.snn")]
fn build(model: &str) {
    black_box(Built::new(black_box(model), &[]));
}

fn digits(n: &str) -> Built {
    Built::new("diehl_cook.snn", &[("n_exc", n), ("n_train", "5")])
}

#[library_benchmark]
#[bench::n100(args = ("100"), setup = digits)]
#[bench::n400(args = ("400"), setup = digits)]
fn five_samples(mut network: Built) {
    network.experiment("train");
}

fn network(model: &str) -> Built {
    Built::new(model, &[])
}

#[library_benchmark]
#[bench::cuba(args = ("cuba.snn"), setup = network)]
#[bench::coba(args = ("coba.snn"), setup = network)]
#[bench::hodgkin_huxley(args = ("hodgkin_huxley.snn"), setup = network)]
fn thousand_steps(mut network: Built) {
    network.steps(1000);
}

library_benchmark_group!(name = front, benchmarks = [check, build]);
library_benchmark_group!(name = simulation, benchmarks = [five_samples, thousand_steps]);
main!(library_benchmark_groups = [front, simulation]);
