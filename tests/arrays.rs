//! Arrays of protocols: parts that are chosen while running, rectangles of matrices, lists of arrays, draws for each element, arrays of
//! files. Values are small enough to be known by hand; each program runs in both executions and on one and three threads.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "support/protocol.rs"]
mod protocol;

use std::path::Path;

use protocol::{Samples, run, session};
use snnc::data::{NpyArray, NpyData, write_npz};
use snnc::diag::Diagnostic;
use snnc::driver::{BackendKind, Session, Settings};
use snnc::script::outcome::Outcome;

const NET: &str = "
simulation { dt = 0.1 ms; seed = 4 }
data d = mnist()
neuron Cell {
  param tau = 10 ms
  input I: mV
  state v = 1 mV*i
  tau * dv/dt = -v + I
  spike when v > 20 mV
  on spike { v = 0 mV }
}
population E[10]: Cell()
population G[4, 5]: Cell()
connect P: E -> G.v via all_to_all with static(w = 10 mV*i + 1 mV*j)
connect Q: E -> G.v via random(p = 0.3) where i < 9 and j < 6 with static(w = 10 mV*i + 1 mV*j)
";

fn outcome(path: &Path, text: &str, kind: BackendKind, threads: usize) -> Outcome {
    run(&session(path, text, &Settings::default()), kind, threads, &Samples { number: 6, classes: 6 })
}

/// What the statements print, by name, from each run: all runs agree bit for bit.
fn ran(path: &Path, body: &str) -> Vec<(String, Vec<f64>)> {
    let text = format!("{NET}\n{body}");
    let all = |o: &Outcome| -> Vec<(String, Vec<f64>)> {
        assert!(o.diagnostics.is_empty(), "{body}\n{:?}", o.diagnostics);
        o.results.iter().map(|r| (r.name.clone(), r.value.to_f64s().unwrap())).collect()
    };
    let first = outcome(path, &text, BackendKind::Jit, 1);
    for (kind, threads) in [(BackendKind::Jit, 3), (BackendKind::Interp, 1)] {
        let again = outcome(path, &text, kind, threads);
        assert_eq!(format!("{:?}", first.results), format!("{:?}", again.results), "{body}");
    }
    all(&first)
}

fn experiment(body: &str) -> Vec<(String, Vec<f64>)> {
    ran(Path::new("model.snn"), &format!("experiment main {{\n{body}\n}}"))
}

fn values(body: &str) -> Vec<Vec<f64>> {
    experiment(body).into_iter().map(|(_, v)| v).collect()
}

fn fault(body: &str) -> String {
    let text = format!("{NET}\nexperiment main {{\n{body}\n}}");
    let o = outcome(Path::new("model.snn"), &text, BackendKind::Jit, 1);
    o.diagnostics.iter().map(|d| format!("{} {}", d.code, d.message)).collect()
}

/// Codes with the faulty text.
fn refused(body: &str) -> Vec<String> {
    let text = format!("{NET}\nexperiment main {{\n{body}\n}}");
    let mut session = Session::from_text(Path::new("model.snn"), &text, &Settings::default());
    session.plan_only();
    let place = |d: &Diagnostic| d.primary.as_ref().map_or("", |l| session.sources.text(l.span));
    let errors = session.sink.items.iter().filter(|d| d.severity == snnc::diag::Severity::Error);
    errors.map(|d| format!("{} {}", d.code, place(d))).collect()
}

#[test]
fn parts_of_a_population_are_chosen_while_running() {
    let seen = values(
        "let a = 2
         let b = 5
         for k in 0..3 { print(\"first\", E.v[..k]) }
         print(\"between\", E.v[a..b], \"of\", E[a..b].v, \"from\", E.v[b + 3..], \"sum\", sum(E[a..b].v over E))
         print(\"listed\", E.v[a, b, 7..b + 4], \"nothing\", sum(E.v[a..a]))
         print(\"row\", G.v[a, ..], \"block\", G.v[1..a + 1, 0..a], \"column\", G[.., a].v)",
    );
    let expected: &[&[f64]] = &[
        &[],
        &[0.0],
        &[0.0, 1.0],
        &[2.0, 3.0, 4.0],
        &[2.0, 3.0, 4.0],
        &[8.0, 9.0],
        &[9.0],
        &[2.0, 5.0, 7.0, 8.0],
        &[0.0],
        &[10.0, 11.0, 12.0, 13.0, 14.0],
        &[5.0, 6.0, 10.0, 11.0],
        &[2.0, 7.0, 12.0, 17.0],
    ];
    assert_eq!(seen, expected);
}

#[test]
fn parts_of_a_population_are_assigned_reset_counted_and_measured() {
    let seen = values(
        "let a = 2
         let b = 5
         E.v[a..b] = [7 mV, 8 mV, 9 mV]
         E[a..b].v += E.v[..3]
         E.v[b, 8] *= 0
         print(\"v\", E.v)
         G.v[a, 1..3] = 0 mV
         G.v[0..a, a..] = 1 mV
         print(\"g\", G.v)
         reset(E[a..b], G[a, ..].v)
         print(\"v\", E.v, \"g\", G.v[a, ..])
         E.I[a..b] = 400 mV
         run 5 ms
         print(\"count\", E.count[a..b], \"others\", sum(E.count) - sum(E.count[a..b]), \"rate\", rate(E[a..b]) > 100 Hz or false, \"spikes\", sum(spikes(E[a..b])) == sum(E.count))",
    );
    assert_eq!(seen[0], [0.0, 1.0, 7.0, 9.0, 16.0, 0.0, 6.0, 7.0, 0.0, 9.0]);
    let g =
        [0.0, 1.0, 1.0, 1.0, 1.0, 5.0, 6.0, 1.0, 1.0, 1.0, 10.0, 0.0, 0.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0];
    assert_eq!(seen[1], g);
    assert_eq!(seen[2], [0.0, 1.0, 2.0, 3.0, 4.0, 0.0, 6.0, 7.0, 0.0, 9.0]);
    assert_eq!(seen[3], [10.0, 11.0, 12.0, 13.0, 14.0]);
    assert!(seen[4].iter().all(|n| *n >= 5.0), "{seen:?}");
    assert_eq!(&seen[5..], [[0.0], [1.0], [1.0]]);
}

#[test]
fn rectangles_of_a_matrix_are_read_and_assigned() {
    let seen = values(
        "let a = 2
         print(P.w[2..4, 1..3], P.w[a..a + 2, 1], P.w[a, ..a], sum(P.w[..a, ..] over pre)[3], P.w[a.., 4..6][1, 0])
         P.w[2..4, 1..3] *= 0
         P.w[a..a + 2, 0] = [5 mV, 6 mV]
         P.w[4, a..4] = P.w[5, a..4]
         print(P.w[2..5, 0..4])",
    );
    assert_eq!(seen[0], [21.0, 22.0, 31.0, 32.0]);
    assert_eq!(seen[1], [21.0, 31.0]);
    assert_eq!(seen[2], [20.0, 21.0]);
    assert_eq!(seen[3], [3.0 + 13.0]);
    assert_eq!(seen[4], [34.0]);
    assert_eq!(seen[5], [5.0, 0.0, 0.0, 23.0, 6.0, 0.0, 0.0, 33.0, 40.0, 41.0, 52.0, 53.0]);
}

#[test]
fn synapses_of_a_sparse_projection_are_chosen_by_ranges_and_the_strongest_is_named() {
    let seen = values(
        "let a = 1
         let before = Q.w
         print(\"equal\", count(Q.w[a..4] == before[a..4]), \"first\", max(Q.w[..2]) == max(before[0], before[1]) or false)
         Q.w[a..3] = [1 V, 2 V]
         print(\"w\", Q.w[..4] - before[..4], \"total\", sum(Q.w over pre))
         for k in 1..9 { Q.w[..k] += 0 mV }
         Q.w = before",
    );
    assert_eq!(&seen[..2], [[3.0], [1.0]]);
    assert!(seen[2][0] == 0.0 && seen[2][1] > 900.0 && seen[2][2] > 1900.0 && seen[2][3] == 0.0, "{seen:?}");
    // The weight of a synapse is 10 mV * pre + post: the largest of a target is that of its last source, and names it.
    let text = "where i < 9 and j < 6";
    let dense = ran(
        Path::new("model.snn"),
        "connect R: E[2..8] -> G[1, ..].v via fixed_indegree(3) with static(w = 10 mV*i + 1 mV*j)
         experiment main {
           print(\"best\", argmax(R.w over pre), \"worst\", argmin(R.w over pre), \"max\", max(R.w over pre), \"min\", min(R.w over pre))
           print(\"whole\", argmax(P.w over pre), argmin(P.w over post))
         }",
    );
    assert!(NET.contains(text));
    let found = |name: &str| dense.iter().find(|(n, _)| n == name).unwrap().1.clone();
    // Positions are counted in the views: neuron 2 is 0, and the posts are 5 … 9.
    let pre = |ends: &[f64], w: &[f64]| {
        ends.iter()
            .zip(w)
            .enumerate()
            .all(|(post, (pre, w))| (10.0 * (pre + 2.0) + 5.0 + post as f64 - w).abs() < 1e-12)
    };
    assert!(pre(&found("best"), &found("max")) && pre(&found("worst"), &found("min")), "{dense:?}");
    assert_ne!(found("best"), found("worst"));
    assert_eq!(dense[4].1, [9.0; 20]);
    assert_eq!(dense[5].1, [0.0; 10]);
}

#[test]
fn parts_of_local_arrays_are_read_and_assigned() {
    let seen = values(
        "let n = 6
         let x = zeros(n)
         x[1..3] = 4
         x[2..n - 1] += [1, 2, 3]
         print(x, x[n - 2..], x[..n - 4][1])
         let m = zeros(2, n)
         m[1, ..] = 3
         m[.., 1..3] -= [[1.0, 2.0], [3.0, 4.0]]
         m[0, 4..] = x[4..]
         print(m, m[.., 2], sum(m[1, 2..n]))
         let flags = x > 2
         flags[..2] = true
         print(count(flags))
         let copy = E.v
         copy[3..n] = 0 mV
         print(copy, E.v[4])",
    );
    assert_eq!(seen[0], [0.0, 4.0, 5.0, 2.0, 3.0, 0.0]);
    assert_eq!(seen[1], [3.0, 0.0]);
    assert_eq!(seen[2], [4.0]);
    assert_eq!(seen[3], [0.0, -1.0, -2.0, 0.0, 3.0, 0.0, 3.0, 0.0, -1.0, 3.0, 3.0, 3.0]);
    assert_eq!(seen[4], [-2.0, -1.0]);
    assert_eq!(seen[5], [8.0]);
    assert_eq!(seen[6], [4.0]);
    assert_eq!(seen[7], [0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 6.0, 7.0, 8.0, 9.0]);
    assert_eq!(seen[8], [4.0]);
}

#[test]
fn lists_hold_arrays_and_loops_run_over_their_rows() {
    let seen = values(
        "let k = 3
         let list = [[1 mV, 2 mV], [3 mV, 4 mV], E.v[7..9]]
         print(list, list[1, ..], sum(list[.., 1]), argmax(list)[2])
         for row in list { print(row, sum(row)) }
         print([E.v[..k], E.v[k..k + 3]])",
    );
    assert_eq!(seen[0], [1.0, 2.0, 3.0, 4.0, 7.0, 8.0]);
    assert_eq!(seen[1], [3.0, 4.0]);
    assert_eq!(seen[2..4], [[14.0], [1.0]]);
    assert_eq!(seen[4..10], [vec![1.0, 2.0], vec![3.0], vec![3.0, 4.0], vec![7.0], vec![7.0, 8.0], vec![15.0]]);
    assert_eq!(seen[10], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
}

/// Where a distribution is assigned to several elements each has a draw of its own; elsewhere it is one number, or one for each parameter.
#[test]
fn each_assigned_element_has_its_own_draw() {
    let distinct = |v: &[f64]| {
        let mut v = v.to_vec();
        v.sort_by(f64::total_cmp);
        v.windows(2).all(|w| w[0] < w[1])
    };
    let seen = values(
        "let a = 2
         let one = normal(0 mV, 1 mV)
         E.v = normal(0 mV, 1 mV)
         print(one, E.v)
         E.v = 0 mV
         E.v[a..6] = 10 mV + uniform(0 mV, 1 mV)
         print(E.v)
         E.v = if uniform(0, 1) < 0.5 then 1 mV else 2 mV + 0*one
         print(E.v)
         let x = zeros(4)
         x[1..] = uniform(5, 6)
         print(x)
         print(normal([0.0, 100.0, 200.0], 0.1), poisson_count(0*E.v/1 mV + 1000))
         P.w = uniform(0, 1)*sum(P.w over pre)
         print(P.w)
         Q.w = truncated(normal(5 mV, 1 mV), 4.5 mV, 5.5 mV)
         print(Q.w)",
    );
    assert_eq!(seen[0].len(), 1);
    assert!(distinct(&seen[1]) && seen[1].iter().all(|x| x.abs() < 5.0), "{seen:?}");
    assert!(distinct(&seen[2][2..6]) && seen[2][2..6].iter().all(|x| (10.0..11.0).contains(x)), "{seen:?}");
    assert!(seen[2][..2] == [0.0; 2] && seen[2][6..] == [0.0; 4]);
    assert!(seen[3].contains(&1.0) && seen[3].contains(&2.0), "{seen:?}");
    assert!(seen[4][0] == 0.0 && distinct(&seen[4][1..]), "{seen:?}");
    assert!(seen[5].iter().zip([0.0, 100.0, 200.0]).all(|(x, m)| (x - m).abs() < 1.0 && *x != m), "{seen:?}");
    assert!(seen[6].len() == 10 && seen[6].iter().all(|n| (*n - 1000.0).abs() < 200.0), "{seen:?}");
    // Each of 200 synapses by itself: the sum over pre of column j was 450 + 10 j.
    let w = &seen[7];
    assert!(distinct(w) && w.iter().enumerate().all(|(k, w)| (0.0..450.0 + 10.0 * (k % 20) as f64).contains(w)));
    assert!(distinct(&seen[8]) && seen[8].iter().all(|x| (4.5..=5.5).contains(x)), "{seen:?}");
}

/// A draw in a function's argument is one draw, however often the function uses it.
#[test]
fn arguments_of_functions_are_drawn_and_called_once() {
    let seen = ran(
        Path::new("model.snn"),
        "fn square(x) = x*x
         fn gap(x) = x - x
         procedure counted(n) { E.v += 1 mV
           return n }
         experiment main {
           print(gap(uniform(0, 1)), square(counted(3)), E.v[0], square(gap(counted(2.5))), E.v[0])
           E.v = square(normal(0, 1))*1 mV
           print(min(E.v) >= 0 mV or false, max(E.v) - min(E.v), gap(normal(0, 1)))
         }",
    );
    let seen: Vec<f64> = seen.iter().map(|(_, v)| v[0]).collect();
    assert_eq!(seen[..6], [0.0, 9.0, 1.0, 0.0, 2.0, 1.0]);
    assert!(seen[6] > 0.0);
    assert_eq!(seen[7], 0.0);
}

#[test]
fn a_list_is_followed_in_time_by_value() {
    let seen = values(
        "let step = 5 ms
         print(timed([1 mV, 2 mV, 3 mV], 5 ms))
         E.I = timed([1 mV, 2 mV, 3 mV], step)
         run 4.9 ms
         print(timed([1 mV, 2 mV, 3 mV], step))
         run 0.1 ms
         print(timed([1 mV, 2 mV, 3 mV], step), E.I[0], timed([[1, 2], [3, 4]], step))
         run 100 ms
         print(timed([1 mV, 2 mV, 3 mV], step))",
    );
    assert_eq!(seen, [vec![1.0], vec![1.0], vec![2.0], vec![1.0], vec![3.0, 4.0], vec![3.0]]);
}

#[test]
fn arrays_of_files_stand_in_protocols() {
    let dir = std::env::temp_dir().join(format!("snnc-arrays-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let m = NpyArray { shape: vec![2, 3], data: NpyData::F64((0..6).map(f64::from).collect()) };
    write_npz(&dir.join("m.npz"), &[("m", m)]).unwrap();
    let seen = ran(
        &dir.join("model.snn"),
        "procedure load_drive(k) { return array(\"m.npz\", \"m\")[k, ..] * 1 mV }
         experiment main {
           E.v[..3] = load_drive(1)
           E.v[3..6] = load_drive(0) + 10 mV
           print(E.v[..6], sum(array(\"m.npz\", \"m\")))
         }",
    );
    assert_eq!(seen[0].1, [3.0, 4.0, 5.0, 10.0, 11.0, 12.0]);
    assert_eq!(seen[1].1, [15.0]);
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Accumulated parts are added in the order of the samples, whoever runs them.
#[test]
fn lanes_of_a_batch_add_to_parts_of_arrays() {
    let seen = values(
        "let total = zeros(6)
         let noise = zeros(10)
         for s in d.train batch 4 {
           reset(E)
           E.I[..s.label] = 300 mV
           run 2 ms
           total[s.label..] += 1
           noise[..3] += normal(0, 1)
           print(E.count[..s.label + 1])
         }
         print(total, noise)",
    );
    assert_eq!(seen[6], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(seen[7][3..], [0.0; 7]);
    assert!(seen[7][0] != seen[7][1] && seen[7][1] != seen[7][2], "{seen:?}");
    for (label, counts) in seen[..6].iter().enumerate() {
        assert!(counts[..label].iter().all(|n| *n > 0.0) && counts[label] == 0.0, "{counts:?}");
    }
}

#[test]
fn what_does_not_fit_is_told_when_it_is_known() {
    assert_eq!(fault("let a = 12\nprint(E.v[3..a])"), "E0402 the range 3..12 is out of range");
    assert_eq!(fault("let a = 2\nE.v[3..a] = 0 mV"), "E0402 the range 3..2 ends before it starts");
    assert_eq!(fault("let a = -1\nprint(P.w[a.., 0])"), "E0402 the range -1..10 is out of range");
    assert_eq!(fault("let a = 0\nprint(E.v[3, a])"), "E0402 neurons are listed out of order or twice");
    assert_eq!(
        fault("let a = 3\nE.v[..a] = [1 mV, 2 mV]"),
        "E0501 the value has another size than what is assigned (3 values)"
    );
    assert_eq!(
        fault("let a = 3\nlet x = zeros(5)\nx = E.v[..a]/1 mV"),
        "E0501 the value has another size than what is assigned (5 values)"
    );
    assert_eq!(
        fault("let a = 3\nprint(E.v[..a] + E.v[..a + 1])"),
        "E0501 arrays of different sizes are combined: 3 values and 4 values"
    );
    assert_eq!(
        fault("let a = 3\nprint([E.v[..a], E.v[..a + 1]])"),
        "E0501 arrays of different sizes are combined: 3 values and 4 values"
    );
    assert_eq!(
        fault("print(mean(truncated(normal([0.0, 1.0], 0.1), 5, 6)))"),
        "E0205 1000 draws all fell outside of the ends of `truncated`"
    );
    assert_eq!(fault("let n = -3\nprint(zeros(n))"), "E0205 an array cannot have -3 elements along an axis");
    assert_eq!(refused("E.v[3..12] = 0 mV"), ["E0402 3..12"]);
    assert_eq!(refused("print(P.w[0..3])"), ["E0402 P.w[0..3]"]);
    assert_eq!(refused("print(P.w[0..30, 1])"), ["E0402 0..30"]);
    assert_eq!(refused("let a = 3\nE.v[..a] = zeros(3)"), ["E0205 zeros(3)"]);
    assert_eq!(refused("E[2..4].v[1] = 0 mV"), [""; 0]);
    assert_eq!(refused("let a = 3\nE[..a].v[1] = 0 mV"), ["E0302 E[..a].v[1]"]);
    assert_eq!(refused("let a = 3\nprint(E[..a].N)"), ["E0502 E[..a].N"]);
    assert_eq!(refused("print([[1, 2], [1, 2, 3]])"), ["E0501 [[1, 2], [1, 2, 3]]"]);
    assert_eq!(refused("print(truncated(3, 1, 2))"), ["E0205 3"]);
    assert_eq!(refused("print(truncated(normal(0, 1), 2, 1))"), ["E0205 2, 1"]);
    assert_eq!(refused("print(truncated(normal(0 mV, 1 mV), 1, 2))"), ["E0206 1"]);
    assert_eq!(refused("print(timed([1, 2], -1 ms), timed(3, 1 ms))"), ["E0205 -1 ms", "E0205 3"]);
    assert_eq!(refused("print(array(\"no.npz\", \"x\"))"), ["E0801 array(\"no.npz\", \"x\")"]);
    // How far a value is repeated along a part that is chosen while running is not known.
    assert_eq!(refused("let a = 3\nP.w[.., ..a] *= E.v/1 mV"), ["E0501 E.v/1 mV"]);
}
