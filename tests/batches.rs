//! A batch through the program itself: what its samples change of the weights adds up, on any number of threads, however the changes are found.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;
use std::process::Command;

use snnc::data::{NpyArray, NpyData, read_npz, write_npz};

/// Weights of a matrix that a rule changes column by column (`XE`, whose changed columns are recorded), and weights with delays of their own that
/// every pre spike changes (`EE`, which has no record).
const TEXT: &str = r#"
simulation { dt = 0.5 ms; seed = 3; precision = f32 }
param first = 0, last = 6, size = 3
data d = arrays("d.npz")
neuron Cell { learned theta = 20 mV
  state v = -65 mV, g = 0
  20 ms * dv/dt = (-65 mV - v) + g * 8 mV
  dg/dt = -g / 5 ms
  dtheta/dt = -theta / 1e7 ms
  spike when v > -72 mV + theta
  on spike { v = -65 mV; theta += 0.05 mV }
  refractory 2 ms hold v }
synapse Learns { weight w in [0, 1]
  state x = 0, y1 = 0, y2 = 0
  dx/dt  = -x  / 20 ms
  dy1/dt = -y1 / 20 ms
  dy2/dt = -y2 / 40 ms
  on pre  { deliver w; w -= 0.001*y1; x = 1 }
  on post { w += 0.05*x*y2; y1 = 1; y2 = 1 } }
synapse Tires { weight u in [0, 1]
  on pre { deliver u; u *= 0.9 } }
population X[40]: poisson(rate = 0 Hz)
population E[30]: Cell()
connect XE: X -> E.g via all_to_all with Learns(w = uniform(0.2, 0.6))
connect EE: E -> E.g via random(p = 0.3) with Tires(u = uniform(0, 0.5), delay = uniform(1 ms, 4 ms))
experiment train {
  for s in d.train[first..last] batch size {
    XE.w *= 16 / sum(XE.w over pre)
    reset(E, X, XE, EE)
    X.rate = s.image * 100 Hz
    run 100 ms
  }
  save("w.npz", XE.w, EE.u, E.theta)
}
"#;

/// The arrays that a run of samples `first..last` in batches saves, in order.
fn trained(dir: &Path, [first, last, size]: [usize; 3], threads: usize, opt: &str) -> Vec<Vec<f64>> {
    let sets = [format!("first={first}"), format!("last={last}"), format!("size={size}")];
    let output = Command::new(env!("CARGO_BIN_EXE_snnc"))
        .current_dir(dir)
        .args(["run", "m.snn", "--quiet", "--opt", opt, "--threads", &threads.to_string()])
        .args(sets.iter().flat_map(|s| ["--set", s]))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let saved = read_npz(&dir.join("w.npz")).unwrap();
    ["E.theta", "EE.u", "XE.w"].map(|name| saved[name].data.to_f64()).to_vec()
}

#[test]
fn the_changes_of_samples_add_up_on_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let image: Vec<f64> = (0..240).map(|k| f64::from(k * 7 % 11) / 10.0).collect();
    let image = NpyArray { shape: vec![6, 40], data: NpyData::F64(image) };
    write_npz(&dir.path().join("d.npz"), &[("image".to_owned(), image)]).unwrap();
    std::fs::write(dir.path().join("m.snn"), TEXT).unwrap();
    for opt in ["1", "2"] {
        // A batch of samples 0 to 2 by hand: each alone from the same start. An empty loop leaves the start, which each normalises alike.
        let run = |range, threads| trained(dir.path(), range, threads, opt);
        let alone: Vec<_> = (0..3).map(|k| run([k, k + 1, 1], 1)).collect();
        let start = {
            let text = TEXT.replace("reset(E, X, XE, EE)\n", "").replace("    run 100 ms\n", "");
            std::fs::write(dir.path().join("m.snn"), text).unwrap();
            let start = run([0, 1, 1], 1);
            std::fs::write(dir.path().join("m.snn"), TEXT).unwrap();
            start
        };
        let batch = run([0, 3, 3], 1);
        let mut changed = [0; 3];
        for (a, merged) in batch.iter().enumerate() {
            for (k, x) in merged.iter().enumerate() {
                let x0 = start[a][k];
                let sum = alone.iter().fold(x0, |sum, lane| sum + (lane[a][k] - x0));
                if a == 0 {
                    // Thresholds are kept in double precision, and saved in single.
                    assert!((*x - sum).abs() < 1e-4, "threshold {k}, level {opt}: {x} and {sum}");
                } else {
                    assert_eq!(*x, f64::from((sum as f32).clamp(0.0, 1.0)), "array {a}, element {k}, level {opt}");
                }
                changed[a] += usize::from(*x != x0);
            }
        }
        assert!(changed.iter().all(|n| *n > 10), "{changed:?}");
        let all = run([0, 6, 4], 1);
        for threads in [2, 3] {
            assert_eq!(batch, run([0, 3, 3], threads), "{threads} threads");
            assert_eq!(all, run([0, 6, 4], threads), "{threads} threads");
        }
    }
}

/// States go on from batch to batch here, so that a lane starts with traces of the sample before, whose neurons change weights without a spike
/// of their own in the lane. Level 1 compares all weights, level 2 those where marked neurons meet.
#[test]
fn what_is_not_marked_has_not_changed() {
    let dir = tempfile::tempdir().unwrap();
    // Odd pixels only, every other one of them in turn from lane to lane.
    let lit = |k: i32| k % 2 == 1 && (k % 40 / 2 + k / 80) % 2 == 0;
    let image: Vec<f64> = (0..240).map(|k| if lit(k) { 0.5 } else { 0.0 }).collect();
    let image = NpyArray { shape: vec![6, 40], data: NpyData::F64(image) };
    write_npz(&dir.path().join("d.npz"), &[("image".to_owned(), image)]).unwrap();
    let text = TEXT.replace("    reset(E, X, XE, EE)\n", "").replace("    XE.w *= 16 / sum(XE.w over pre)\n", "");
    let text = text.replace("run 100 ms", "run 30 ms").replace("100 Hz", "600 Hz");
    assert_eq!(text.lines().count() + 2, TEXT.lines().count());
    std::fs::write(dir.path().join("m.snn"), text).unwrap();
    let [all, marked] = ["1", "2"].map(|opt| trained(dir.path(), [0, 6, 2], 1, opt));
    let start = trained(dir.path(), [0, 0, 2], 1, "1");
    let changed = all[2].iter().zip(&start[2]).filter(|(a, b)| a != b).count();
    assert!(changed > 100 && changed < all[2].len(), "{changed} of {}", all[2].len());
    assert_eq!(all, marked);
}
