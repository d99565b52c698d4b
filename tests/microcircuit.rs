//! The cortical microcircuit beside NEST: what its neurons do is distributed as in NEST, as far as seeds of NEST agree with each other. The
//! fixture and the script that made it are described in `tests/fixtures/README.md`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod net;

use std::collections::BTreeMap;
use std::path::Path;

use net::{build, run};
use snnc::data::{NpyArray, read_npz};
use snnc::driver::BackendKind;
use snnc::hir::PopId;
use snnc::script::machine::Machine;

const NAMES: [&str; 8] = ["L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I"];
const FULL: [usize; 8] = [20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948];
/// Steps left out, steps of a bin of 2 ms, and neurons of a population whose pairs are correlated.
const WARM: u64 = 2000;
const BIN: u64 = 20;
const PAIRED: usize = 200;

/// Histograms by population and measure, as `microcircuit_spread.py` makes them.
type Histograms = BTreeMap<String, Vec<f64>>;

fn histogram(bins: impl Iterator<Item = usize>) -> Vec<f64> {
    let mut out = Vec::new();
    for bin in bins {
        if out.len() <= bin {
            out.resize(bin + 1, 0.0);
        }
        out[bin] += 1.0;
    }
    out
}

/// Standard deviation over mean of the intervals.
fn cv(train: &[u64]) -> f64 {
    let gaps: Vec<f64> = train.windows(2).map(|w| (w[1] - w[0]) as f64).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    (gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt() / mean
}

/// Pearson's correlations of all pairs of trains, of their counts in `bins` bins.
fn correlations(trains: &[&Vec<u64>], bins: usize) -> Vec<f64> {
    let rows: Vec<Vec<f64>> = trains
        .iter()
        .map(|train| {
            let mut counts = vec![0.0; bins];
            for step in *train {
                counts[((step - 1) / BIN) as usize] += 1.0;
            }
            let mean = counts.iter().sum::<f64>() / bins as f64;
            let norm = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>().sqrt();
            counts.iter().map(|c| (c - mean) / norm).collect()
        })
        .collect();
    let mut out = Vec::new();
    for (k, a) in rows.iter().enumerate() {
        out.extend(rows[..k].iter().map(|b| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>()));
    }
    out
}

/// What a seed of the model gives: spikes in the time after the first 200 ms, that much at a time as NEST had.
fn ours(text: &str, scale: f64, steps: u64) -> Histograms {
    let mut n = build(text, BackendKind::Jit);
    run(&mut n, WARM + steps);
    let sizes = FULL.map(|x| (x as f64 * scale).round() as usize);
    let mut trains = vec![Vec::new(); sizes.iter().sum()];
    let log = n.spikes(PopId(0));
    for (step, neuron) in log.step.iter().zip(&log.neuron) {
        if *step > WARM {
            trains[*neuron as usize].push(step - WARM);
        }
    }
    let mut out = Histograms::new();
    let mut rest = trains.as_slice();
    for (name, size) in NAMES.iter().zip(sizes) {
        let (population, others) = rest.split_at(size);
        rest = others;
        let paired: Vec<&Vec<u64>> = population.iter().take(PAIRED).filter(|t| !t.is_empty()).collect();
        let irregular = population.iter().filter(|t| t.len() >= 3).map(|t| cv(t));
        out.insert(format!("{name}_rate"), histogram(population.iter().map(Vec::len)));
        out.insert(format!("{name}_cv"), histogram(irregular.map(|c| (c * 100.0).floor() as usize)));
        let pairs = correlations(&paired, (steps / BIN) as usize);
        // From -0.2 to 0.4; what lies beyond is counted at the ends.
        let bin = |c: &f64| ((c + 0.2) * 1000.0).floor().clamp(0.0, 599.0) as usize;
        out.insert(format!("{name}_corr"), histogram(pairs.iter().map(bin)));
    }
    out
}

/// The Kolmogorov-Smirnov distance of two histograms.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let (total_a, total_b) = (a.iter().sum::<f64>(), b.iter().sum::<f64>());
    let (mut sum_a, mut sum_b, mut worst) = (0.0, 0.0, 0.0_f64);
    for k in 0..a.len().max(b.len()) {
        sum_a += a.get(k).unwrap_or(&0.0) / total_a;
        sum_b += b.get(k).unwrap_or(&0.0) / total_b;
        worst = worst.max((sum_a - sum_b).abs());
    }
    worst
}

/// The seeds of NEST of one measure.
fn rows(array: &NpyArray) -> Vec<Vec<f64>> {
    let (seeds, data) = (array.shape[0] as usize, array.data.to_f64());
    data.chunks(data.len() / seeds).map(<[f64]>::to_vec).collect()
}

/// The measures whose mean distance between `ours` and the seeds of NEST exceeds the largest between two seeds of NEST.
fn outside(theirs: &BTreeMap<String, NpyArray>, ours: &[Histograms]) -> Vec<String> {
    let mut out = Vec::new();
    for name in NAMES {
        for measure in ["rate", "cv", "corr"] {
            let key = format!("{name}_{measure}");
            let seeds = rows(&theirs[&key]);
            let mut among = 0.0_f64;
            for (k, a) in seeds.iter().enumerate() {
                among = seeds[..k].iter().map(|b| distance(a, b)).fold(among, f64::max);
            }
            let across: Vec<f64> = ours.iter().flat_map(|o| seeds.iter().map(|s| distance(&o[&key], s))).collect();
            let mean = across.iter().sum::<f64>() / across.len() as f64;
            if mean > among {
                out.push(format!("{key}: {mean:.4}, seeds of NEST at most {among:.4}"));
            }
        }
    }
    out
}

/// Ten seeds of NEST at a tenth of the size, 3 s each, and three of ours. For each population and each of three measures (rates and CVs of
/// neurons, correlations of pairs), the mean Kolmogorov-Smirnov distance from ours to NEST's is at most the largest between two seeds of NEST. With
/// inhibition 4.2 times as strong as excitation instead of 4, a third of the measures are farther away, so the test can tell.
#[test]
fn rates_irregularity_and_correlations_are_distributed_as_in_nest() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nest/microcircuit_spread.npz");
    let theirs = read_npz(&fixtures).unwrap();
    let (scale, seconds) = (theirs["scale"].data.to_f64()[0], theirs["seconds"].data.to_f64()[0]);
    let steps = (seconds * 10_000.0).round() as u64;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/microcircuit.snn");
    let model = std::fs::read_to_string(path).unwrap();
    let program = |seed: u32, g: &str| {
        let mut text = model.clone();
        for (from, to) in [
            ("param scale = 0.02".to_owned(), format!("param scale = {scale}")),
            ("seed = 55".to_owned(), format!("seed = {seed}")),
            ("g = 4,".to_owned(), format!("g = {g},")),
        ] {
            assert!(text.contains(&from), "the model has no `{from}`");
            text = text.replace(&from, &to);
        }
        text
    };
    let three: Vec<Histograms> = (1..4).map(|seed| ours(&program(seed, "4"), scale, steps)).collect();
    assert_eq!(outside(&theirs, &three), Vec::<String>::new());
    let control = outside(&theirs, &[ours(&program(1, "4.2"), scale, steps)]);
    assert!(control.len() >= 8, "{control:?}");
}
