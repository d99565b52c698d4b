//! Reductions over the steps of a `run`: against sums over recorded values, in loops over samples however these are carried out, and what is
//! refused; and membership in ranges.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;
use std::process::Command;

use snnc::data::{NpyArray, NpyData, read_npz, write_npz};

fn snnc(dir: &Path, args: &[&str]) -> (String, bool) {
    let out =
        Command::new(env!("CARGO_BIN_EXE_snnc")).args(args).current_dir(dir).env("NO_COLOR", "1").output().unwrap();
    (String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr), out.status.success())
}

const MODEL: &str = "
simulation { dt = 0.5 ms; seed = 1 }
neuron Cell {
  param tau = 10 ms
  input I: mV
  state v = 1 mV, n: int = 0
  tau * dv/dt = I - v
  spike when v > 4 mV
  on spike { v = 0 mV; n += 1 }
}
synapse Kick { weight w = 0.3 mV
  on pre { deliver w; w += 0.01 mV } }
population E[3]: Cell(I = 6 mV + 1 mV*i)
population G[2, 2]: Cell(tau = 5 ms)
connect P: E -> G.v via all_to_all with Kick()
";

fn real(file: &std::collections::BTreeMap<String, NpyArray>, key: &str) -> Vec<f64> {
    match &file[key].data {
        NpyData::F64(v) => v.clone(),
        other => panic!("{key}: {other:?}"),
    }
}

/// A recording of every step holds the states before the steps, so the ends of the steps of a run are its entries from the second on.
#[test]
fn they_are_those_of_a_recording_of_every_step() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "{MODEL}
experiment rec {{ record E.v every 0.5 ms to \"v.npz\"\n run 20 ms\n run 0.5 ms }}
experiment red {{
  reset(E, G, P)
  run 3 ms
  P.w = 0.3 mV
  reset(E, G, P)
  run 20 ms
  save(\"none.npz\", E.v)
  log(\"r.csv\", mean = mean(E.v over time)[1], std = std(E.v over time)[1], sum = sum(E.v over time)[1], low = min(E.v over time)[1],
    high = max(E.v over time)[1], norm = norm(E.v over time)[1], at = argmax(E.v over time)[1], above = count(E.v > 2 mV over time)[1],
    square = mean((E.v/1 mV)^2 over time)[1], all = max(mean(E.v) over time), ints = sum(E.n over time)[1], part = mean(E[1].v over time))
  print(\"grid\", mean(G.v over time))
  print(\"weights\", max(P.w over time))
}}
"
    );
    std::fs::write(dir.path().join("m.snn"), text).unwrap();
    let (words, fine) = snnc(dir.path(), &["run", "m.snn"]);
    assert!(fine, "{words}");
    let file = read_npz(&dir.path().join("v.npz")).unwrap().into_iter().collect();
    let all = real(&file, "E.v");
    let v: Vec<f64> = all.chunks(3).skip(1).map(|row| row[1]).collect();
    assert_eq!(v.len(), 40);
    let n = v.len() as f64;
    let mean = v.iter().sum::<f64>() / n;
    let std = (v.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
    let high = v.iter().copied().fold(f64::MIN, f64::max);
    let rows: Vec<f64> = all.chunks(3).skip(1).map(|r| r.iter().sum::<f64>() / 3.0).collect();
    let resets: Vec<f64> = v
        .iter()
        .scan(0.0, |n, x| {
            *n += f64::from(u8::from(*x == 0.0));
            Some(*n)
        })
        .collect();
    let expected = [
        ("mean [mV]", mean),
        ("std [mV]", std),
        ("sum [mV]", v.iter().sum()),
        ("low [mV]", v.iter().copied().fold(f64::MAX, f64::min)),
        ("high [mV]", high),
        ("norm [mV]", v.iter().map(|x| x * x).sum::<f64>().sqrt()),
        ("at", v.iter().position(|x| *x == high).unwrap() as f64),
        ("above", v.iter().filter(|x| **x > 2.0).count() as f64),
        ("square", v.iter().map(|x| x * x).sum::<f64>() / n),
        ("all [mV]", rows.iter().copied().fold(f64::MIN, f64::max)),
        ("ints", resets.iter().sum()),
        ("part [mV]", mean),
    ];
    assert!(resets[39] >= 1.0, "neurons that never spike test little");
    let table = std::fs::read_to_string(dir.path().join("r.csv")).unwrap();
    let mut lines = table.lines();
    let (head, row) = (lines.next().unwrap(), lines.next().unwrap());
    for (((name, want), column), got) in expected.iter().zip(head.split(',')).zip(row.split(',')) {
        let got: f64 = got.parse().unwrap();
        assert!((got - want).abs() <= 1e-12 * want.abs(), "{name} ({column}): {got} and {want}");
    }
    assert_eq!(head.split(',').count(), expected.len(), "{head}");
    // The interpreter gives the same bytes.
    let of = |backend: &str| {
        snnc(dir.path(), &["run", "m.snn", "--backend", backend])
            .0
            .lines()
            .take(3)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("interp"), of("jit"));
}

#[test]
fn samples_give_the_same_on_any_number_of_threads_and_in_batches() {
    let dir = tempfile::tempdir().unwrap();
    let x = (0..18).map(|k| f64::from(k % 7)).collect();
    let file = [("x".to_owned(), NpyArray { shape: vec![6, 3], data: NpyData::F64(x) })];
    write_npz(&dir.path().join("d.npz"), &file).unwrap();
    let model = |head: &str, body: &str| {
        format!(
            "simulation {{ dt = 0.5 ms }}\ndata d = arrays(\"d.npz\")\nneuron Cell {{ input I: mV\n state v = 0 mV\n 10 ms * dv/dt = I - v }}\n\
             population E[3]: Cell()\nprocedure show(s) {{ reset(E)\n E.I = s.x * 1 mV\n run 5 ms }}\n\
             experiment e {{ run 1 ms\n let total = 0 mV\n for s in d.train {head} {{ {body} }}\n print(\"total\", total) }}\n"
        )
    };
    let body = "show(s)\n let m = mean(E.v over time)\n run 1 ms\n total += sum(m) + max(E.v over time)[2]";
    let mut seen = Vec::new();
    for (head, threads) in [("", "1"), ("", "3"), ("batch 4", "2")] {
        std::fs::write(dir.path().join("m.snn"), model(head, body)).unwrap();
        let (words, fine) = snnc(dir.path(), &["run", "m.snn", "--threads", threads]);
        assert!(fine, "{words}");
        seen.push(words.lines().next().unwrap().to_owned());
    }
    assert!(seen.windows(2).all(|w| w[0] == w[1]), "{seen:?}");
    // By hand: v relaxes to x from 0 in 10 steps, q = e^-0.05; then two more.
    let q = f64::exp(-0.05);
    let mean: f64 = (1..=10).map(|k| 1.0 - q.powi(k)).sum::<f64>() / 10.0;
    let want: f64 = (0..6)
        .map(|s| {
            let x: Vec<f64> = (0..3).map(|k| f64::from((3 * s + k) % 7)).collect();
            mean * x.iter().sum::<f64>() + x[2] * (1.0 - q.powi(12))
        })
        .sum();
    let got: f64 = seen[0].split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!((got - want).abs() < 1e-3, "{got} and {want}");
    // A sample begins without a `run`, and so does what follows the loop.
    for (head, body, after) in [
        ("", "total += max(E.v over time)[0]", ""),
        ("batch 2", "total += max(E.v over time)[0]", ""),
        ("", "show(s)", "print(max(E.v over time))"),
    ] {
        let text = model(head, body).replace("print(\"total\", total)", &format!("print(\"total\", total)\n {after}"));
        std::fs::write(dir.path().join("m.snn"), text).unwrap();
        let (words, fine) = snnc(dir.path(), &["run", "m.snn"]);
        assert!(!fine && words.contains("error[E0502]: there is no time to reduce over"), "{head} {body}: {words}");
    }
}

/// `x in a .. b` counts both ends, of whole numbers too, in protocols and in models.
#[test]
fn ranges_of_whole_numbers_have_both_ends() {
    let dir = tempfile::tempdir().unwrap();
    let text = "simulation { dt = 1 ms }\nneuron C { state n: int = 0, hits: int = 0\n every 1 ms { n += 1\n if n in 3 .. 5 { hits += 1 } } }\n\
                population P: C()\ntest \"ends\" { run 10 ms\n expect 19 in 18 .. 19\n expect 18 in 18 .. 19\n expect not (20 in 18 .. 19)\n\
                expect P.hits == 3\n expect P.n in 10 .. 10\n let k = 0\n for i in 0..3 { k += 1 }\n expect k == 3 }\n";
    std::fs::write(dir.path().join("m.snn"), text).unwrap();
    let (words, fine) = snnc(dir.path(), &["test", "m.snn"]);
    assert!(fine, "{words}");
}

/// Constant lists and tables are values in protocols, as those that are written in place.
#[test]
fn constant_lists_and_tables_are_values() {
    let dir = tempfile::tempdir().unwrap();
    let text = "simulation { dt = 1 ms }\nconst n = [3, 4, 5], levels = [1 mV, 2 mV, 4 mV], K = [[1, 2, 3], [4, 5, 6.5]]\n\
                neuron C { input I: mV\n state v = 0 mV\n 10 ms * dv/dt = I - v }\npopulation P[3]: C()\n\
                test \"lists\" { let total = 0 mV\n for x in levels { total += x }\n expect total == 7 mV\n expect levels[2] == 4 mV\n\
                let k = 1\n expect n[k] == 4\n expect K[1, 2] == 6.5\n expect K[k, 0] == 4\n expect sum(K) == 21.5\n\
                P.I = levels\n run 1 ms\n expect max(abs(P.I - [1 mV, 2 mV, 4 mV])) == 0 mV\n expect 4 in n }\n";
    std::fs::write(dir.path().join("m.snn"), text).unwrap();
    let (words, fine) = snnc(dir.path(), &["test", "m.snn"]);
    assert!(fine, "{words}");
}
