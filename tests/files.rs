//! Files that a model names: imported sources with their names, circles and places, and data sets of arrays.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;
use std::process::Command;

use snnc::data::{NpyArray, NpyData, write_npz};

/// Runs snnc in a folder; standard output and error together, and whether it succeeded.
fn snnc(dir: &Path, args: &[&str]) -> (String, bool) {
    let out =
        Command::new(env!("CARGO_BIN_EXE_snnc")).args(args).current_dir(dir).env("NO_COLOR", "1").output().unwrap();
    (String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr), out.status.success())
}

fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

const CELLS: &str = "
simulation { dt = 7 ms }
const tau = 20 ms
param start = 3 mV
neuron Cell { state v = start
  tau * dv/dt = -v
  spike when v > 100 mV }
neuron Unused { state x = 0, y = 0
  dx/dt = -x/tau }
experiment demo { run 700 ms; print(\"imported\", 1) }
test \"of the other file\" { expect 1 > 2 }
";

#[test]
fn declarations_of_imported_files_are_the_models_own() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        &[
            ("lib/cells.snn", CELLS),
            ("lib/both.snn", "import \"cells.snn\"\nsynapse Kick { param w = 1 mV\n on pre { deliver w } }\n"),
            (
                "m.snn",
                "import \"lib/both.snn\"\nimport \"lib/cells.snn\"\nsimulation { dt = 1 ms }\npopulation P[2]: Cell()\n\
                 connect P -> P.v via all_to_all with Kick()\n\
                 experiment e { run 20 ms; print(\"v\", P[0].v) }\ntest \"decays\" { run 20 ms; expect P[0].v < 1.2 mV }\n",
            ),
        ],
    );
    let (words, fine) = snnc(dir.path(), &["check", "-D", "warnings", "m.snn"]);
    assert!(fine, "{words}");
    // From any folder: an import starts at the folder of the file that has it.
    let (words, fine) =
        snnc(Path::new("/"), &["run", dir.path().join("m.snn").to_str().unwrap(), "--set", "start=6 mV"]);
    assert!(fine && words.contains("2.20728") && !words.contains("imported"), "6/e mV: {words}");
    let (words, fine) = snnc(dir.path(), &["test", "m.snn"]);
    assert!(fine && words.contains("1 passed"), "{words}");
}

#[test]
fn faults_of_imports_are_shown_where_they_are() {
    for (main, other, expected) in [
        ("import \"none.snn\"", "", "m.snn:1:8"),
        ("import \"a.snn\"", "neuron C { state v = 1 mV\n dv/dt = 2 mV }", "a.snn:2:10"),
        ("import \"a.snn\"", "neuron C { state v = 1 mV", "a.snn:"),
        ("import \"a.snn\"\nconst x = 1", "\nconst x = 2", "m.snn:2:7"),
        ("import \"a.snn\"", "import \"m.snn\"", "a.snn:1:8"),
        ("import \"a.snn\"", "import \"b.snn\"\nimport \"a.snn\"", "a.snn:2:8"),
        ("import \"m.snn\"", "", "m.snn:1:8"),
        ("import \".\"", "", "m.snn:1:8"),
        ("import \"a.snn\" as cells", "const x = 1", "m.snn:1:19"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[("m.snn", main), ("a.snn", other), ("b.snn", "const z = 1")]);
        let (words, fine) = snnc(dir.path(), &["check", "--message-format", "short", "m.snn"]);
        assert!(!fine && words.contains(expected), "{main} / {other}: {words}");
        assert_eq!(words.matches("error[").count(), 1, "{main} / {other}: {words}");
        let (words, _) = snnc(dir.path(), &["check", "m.snn"]);
        assert!(!words.contains("E0900"), "{words}");
    }
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[("m.snn", "import \"a.snn\""), ("a.snn", "import \"b.snn\""), ("b.snn", "import \"a.snn\"")]);
    let (words, _) = snnc(dir.path(), &["check", "m.snn"]);
    assert!(words.contains("in a circle: `a.snn` → `b.snn` → `a.snn`"), "{words}");
}

fn arrays(shift: f64, n: u64) -> Vec<(String, NpyArray)> {
    let x = (0..n * 3).map(|k| k as f64 + shift).collect();
    let class = (0..n as i64).map(|k| k % 2).collect();
    vec![
        ("x".to_owned(), NpyArray { shape: vec![n, 3], data: NpyData::F64(x) }),
        ("class".to_owned(), NpyArray { shape: vec![n], data: NpyData::I64(class) }),
        ("gain".to_owned(), NpyArray { shape: vec![n], data: NpyData::F64((0..n).map(|k| 0.5 * k as f64).collect()) }),
    ]
}

#[test]
fn arrays_are_data_sets() {
    let dir = tempfile::tempdir().unwrap();
    write_npz(&dir.path().join("train.npz"), &arrays(0.0, 4)).unwrap();
    write_npz(&dir.path().join("test.npz"), &arrays(100.0, 2)).unwrap();
    let model = |data: &str, body: &str| {
        format!(
            "simulation {{ dt = 1 ms }}\ndata d = {data}\nneuron Cell {{ input I\n state v = 0\n dv/dt = I / 1 ms }}\n\
             population P[3]: Cell()\nexperiment e {{ {body} }}\n"
        )
    };
    let body = "
      let total = 0.0
      for s in d.train { reset(P); P.I = s.x; run 2 ms; total += s.gain*P[2].v + s.class + 1000*s.index }
      print(\"train\", total)
      for s in d.test[1..] { print(\"test\", s.x, s.class) }";
    write(dir.path(), &[("m.snn", &model("arrays(\"train.npz\", \"test.npz\")", body))]);
    let (words, fine) = snnc(dir.path(), &["run", "m.snn"]);
    // v of neuron 2 is twice x[k, 2] = 3k + 2: 2*(0.5*(2+3) + 1*(6+2) + 1.5*(9+2)) = 54 - and two odd classes, and 1000*(1+2+3).
    let expected: f64 = (0..4).map(|k| 0.5 * f64::from(k) * 2.0 * f64::from(3 * k + 2)).sum::<f64>() + 2.0 + 6000.0;
    assert!(fine && words.contains(&format!("train {expected}")), "{expected}: {words}");
    assert!(words.contains("103") && words.contains("105"), "{words}");

    for (data, body, expected) in [
        ("arrays(\"none.npz\")", "run 1 ms", "E0801"),
        ("arrays(\"train.npz\")", "for s in d.test { run 1 ms }", "E0504"),
        ("arrays(\"train.npz\")", "for s in d.train { P.I = s.y; run 1 ms }", "E0504"),
        ("arrays(\"train.npz\")", "for s in d.train { P.I = s.x[0..2]; run 1 ms }", "error"),
        ("arrays(3)", "run 1 ms", "E0105"),
        ("arrays()", "run 1 ms", "E0105"),
        ("arrays(\"m.snn\")", "run 1 ms", "E0802"),
        ("arrays(\"train.npz\", \"other.npz\")", "run 1 ms", "E0802"),
    ] {
        let mut other = arrays(0.0, 2);
        other.remove(2);
        write_npz(&dir.path().join("other.npz"), &other).unwrap();
        write(dir.path(), &[("m.snn", &model(data, body))]);
        let (words, fine) = snnc(dir.path(), &["check", "--message-format", "short", "m.snn"]);
        assert!(!fine && words.contains(expected) && words.contains("m.snn:"), "{data} {body}: {words}");
        assert_eq!(words.matches("error[").count(), 1, "{data} {body}: {words}");
    }
}

#[test]
fn samples_are_played_and_tables_come_from_files() {
    let dir = tempfile::tempdir().unwrap();
    let array = |shape: &[u64], data: &[f64]| NpyArray { shape: shape.to_vec(), data: NpyData::F64(data.to_vec()) };
    let inf = f64::INFINITY;
    let ids = NpyArray { shape: vec![2, 3], data: NpyData::I64(vec![0, 1, 1, 1, 0, 0]) };
    let file = [("times".to_owned(), array(&[2, 3], &[2.0, 4.0, 4.2, 1.0, inf, inf])), ("ids".to_owned(), ids)];
    write_npz(&dir.path().join("d.npz"), &file).unwrap();
    let tables =
        [("I".to_owned(), array(&[3], &[0.0, 5.0, 1.0])), ("K".to_owned(), array(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))];
    write_npz(&dir.path().join("t.npz"), &tables).unwrap();
    let text = "
simulation { dt = 1 ms }
const K = array(\"t.npz\", \"K\") * 1 mV
data d = arrays(\"d.npz\")
neuron Sum { input I = 2*timed(array(\"t.npz\", \"I\") * 1 pA, 2 ms)
  state a = 0 mV, b = 0 pA
  da/dt = 0*a/ms
  db/dt = I/ms }
population X[2]: spike_source(times = [])
population P[2]: Sum()
connect X -> P.a via one_to_one with static(w = K[0, 1])
connect X -> P.a via one_to_one with static(w = K[1, 0])
experiment e {
  run 5 ms
  print(\"b\", P[1].b)
  for s in d.train {
    X.play(s.times * 1 ms, s.ids)
    run 5 ms
    print(\"count\", X.count)
  }
  run 5 ms
  print(\"after\", X.count, P.a)
  X.play([1 ms, 3 ms])
  run 4 ms
  print(\"both\", X.count)
}
";
    write(dir.path(), &[("m.snn", text)]);
    let (words, fine) = snnc(dir.path(), &["check", "-D", "warnings", "m.snn"]);
    assert!(fine, "{words}");
    for backend in ["jit", "interp"] {
        let (words, fine) = snnc(dir.path(), &["run", "--backend", backend, "m.snn"]);
        // 2*(0 + 0 + 5 + 5 + 1) pA*ms/ms.
        assert!(fine && words.contains("b 22 pA"), "{words}");
        // 4 ms and 4.2 ms are one step.
        assert!(words.contains("count [1, 1]") && words.contains("count [0, 1]"), "{words}");
        assert!(words.contains("after [0, 0] [5, 10] mV") && words.contains("both [2, 2]"), "{words}");
    }
    for (from, to, expected) in [
        ("X.play(s.times * 1 ms, s.ids)", "X.play(s.times, s.ids)", "E0205"),
        ("X.play(s.times * 1 ms, s.ids)", "P.play(s.times * 1 ms)", "E0502"),
        ("X.play(s.times * 1 ms, s.ids)", "X.play(s.times * 1 ms, s.times)", "E0205"),
        ("\"t.npz\", \"I\"", "\"t.npz\", \"J\"", "E0802"),
        ("\"t.npz\", \"K\"", "\"u.npz\", \"K\"", "E0801"),
        ("\"t.npz\", \"I\") * 1 pA", "\"t.npz\", \"I\")", "E0202"),
    ] {
        assert!(text.contains(from));
        write(dir.path(), &[("m.snn", &text.replace(from, to))]);
        let (words, fine) = snnc(dir.path(), &["check", "--message-format", "short", "m.snn"]);
        assert!(!fine && words.contains(expected), "{to}: {words}");
        assert_eq!(words.matches("error[").count(), 1, "{to}: {words}");
    }
    for (to, expected) in
        [("X.play([-1 ms])", "E0205"), ("X.play([1 ms], [7])", "E0402"), ("X.play([1 ms], [1, 0])", "E0405")]
    {
        write(dir.path(), &[("m.snn", &text.replace("X.play([1 ms, 3 ms])", to))]);
        let (words, fine) = snnc(dir.path(), &["run", "m.snn"]);
        assert!(!fine && words.contains(expected) && words.contains("m.snn:"), "{to}: {words}");
    }
}
