//! Files that a model names: imported sources with their names, circles and places, and data sets of arrays.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use snnc::data::{NpyArray, NpyData, write_npz};
use snnc::driver::{BackendKind, Session, Settings};
use snnc::sched::Place;

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
        ("import \"a.snn\" as cells\nconst y = cells.y", "const x = 1", "m.snn:2:17"),
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

const NAMED: &str = "
const start = 1 mV, one = 1 mV
param n = 3, N = 4
fn twice(x) = 2*x*n
neuron Cell { param tau = 10 ms, shift = 0 mV
 state v = start
 tau * dv/dt = shift - v
 spike when v > 100 mV }
neuron Sized { state size = N
  dsize/dt = -size/1 s }
synapse Kick { weight w = one
 on pre { deliver w } }
kernel K(s) = s/n/1 ms over 2 ms
population X[n]: spike_source(times = [2 ms])
procedure pause(d) { let n = 2
 run n*d }
test \"not taken over\" { expect 1 > 2 }
";

/// Models, constants, functions, populations, kernels and procedures of a file under a name; the importing file has names of its own that
/// are the same, and the imported file means its own.
#[test]
fn a_file_under_a_name_keeps_its_names_apart() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        &[
            ("cells.snn", NAMED),
            (
                "net.snn",
                "import \"cells.snn\" as mine\npopulation C[2]: mine.Cell(tau = 20 ms)\npopulation S: mine.Sized()\n",
            ),
            (
                "m.snn",
                "import \"cells.snn\" as cells\nimport \"net.snn\" as net\nsimulation { dt = 0.1 ms }\nconst n = 100, start = 7 mV\n\
                 neuron Cell { input I: mV\n state v = start\n 10 ms * dv/dt = I - v }\n\
                 population Own: Cell()\npopulation E[cells.n]: cells.Cell(v = cells.start*(i + 1))\n\
                 connect XE: cells.X -> E.v via one_to_one with cells.Kick(w = 2*cells.one)\n\
                 connect cells.X -> Own.I via all_to_all where i < cells.n - 1 with cells.Kick() through cells.K\n\
                 let First = cells.X[..2]\n\
                 experiment e {\n  print(\"at first\", E.v, Own.v, net.C[1].v, net.S.size, cells.twice(5), net.mine.n, n)\n\
                   cells.pause(1.5 ms)\n  print(\"counted\", cells.X.count, sum(First.count), sum(cells.X.count over neurons))\n\
                   cells.X.play([1 ms], [0])\n  net.C[0].v = 3 mV\n  run 2 ms\n  print(\"played\", cells.X.count, net.C.v)\n\
                   record cells.X.spikes to \"x.npz\"\n  save(\"w.npz\", XE.w)\n}\n",
            ),
        ],
    );
    let (words, fine) = snnc(dir.path(), &["check", "-D", "warnings", "m.snn"]);
    assert!(fine, "{words}");
    let (words, fine) = snnc(dir.path(), &["run", "m.snn", "--out", "."]);
    assert!(fine, "{words}");
    let lines: Vec<&str> = words.lines().take(3).collect();
    let shrink = f64::exp(-0.25);
    assert_eq!(lines[0], "at first [1, 2, 3] mV 7 mV 1 mV 4 30 3 100", "{words}");
    assert_eq!(lines[1], "counted [1, 1, 1] 2 3", "{words}");
    assert!(lines[2].starts_with("played [1, 0, 0]") && lines[2].contains(&format!("{:.6}", shrink)[..6]), "{words}");
    // The file is taken once, under the name that it got first.
    let (words, _) = snnc(dir.path(), &["run", "m.snn", "--set", "cells.n=2"]);
    assert!(words.contains("at first [1, 2] mV 7 mV 1 mV 4 20 2 100"), "{words}");
    let (words, fine) = snnc(dir.path(), &["run", "m.snn", "--set", "cells.m=2"]);
    assert!(
        !fine && words.contains("has no parameter `cells.m`") && words.contains("did you mean `cells.n`?"),
        "{words}"
    );
    let (words, fine) = snnc(dir.path(), &["run", "m.snn", "--set", "cells.=2"]);
    assert!(!fine && words.contains("NAME=VALUE"), "{words}");
    let (words, fine) = snnc(dir.path(), &["test", "m.snn", "--allow-none"]);
    assert!(fine, "{words}");
    // The formatter leaves names with points together.
    std::fs::write(
        dir.path().join("f.snn"),
        "import \"cells.snn\" as cells\npopulation E:cells.Cell()\nexperiment e {cells.pause(1 ms)}\n",
    )
    .unwrap();
    let (words, fine) = snnc(dir.path(), &["fmt", "f.snn"]);
    let laid = std::fs::read_to_string(dir.path().join("f.snn")).unwrap();
    assert!(fine && laid.contains("population E: cells.Cell()") && laid.contains("cells.pause(1 ms)"), "{words}{laid}");
}

#[test]
fn faults_of_names_with_points_are_one_report_each() {
    for (main, expected) in [
        ("import \"a.snn\" as a\npopulation P: a.Cel()", "m.snn:2:17: error[E0104]: `a` has no `Cel`"),
        ("import \"a.snn\" as a\nconst x = a.y + 1", "m.snn:2:13: error[E0104]: `a` has no `y`"),
        ("import \"a.snn\" as a\nconst x = a", "m.snn:2:11: error[E0101]: `a` is a file"),
        ("import \"a.snn\" as a\npopulation P: a()", "m.snn:2:15: error[E0101]: `a` is a file"),
        ("import \"a.snn\" as a\npopulation P: a.Cell.x()", "m.snn:2:15: error[E0101]"),
        ("population P: a.Cell()", "m.snn:1:15: error[E0101]: `a` is not an imported file"),
        (
            "import \"a.snn\" as abc\npopulation P: abd.Cell()",
            "m.snn:2:15: error[E0101]: `abd` is not an imported file",
        ),
        ("import \"a.snn\" as a\nconst a = 1", "m.snn:1:19: error[E0103]: `a` is declared already"),
        ("import \"a.snn\" as a\nimport \"b.snn\" as a", "m.snn:2:19: error[E0103]: two files are called `a`"),
        ("import \"a.snn\" as mV", "m.snn:1:19: error[E0103]: `mV` is the name of a unit"),
        ("import \"a.snn\" as pre", "m.snn:1:19: error[E0103]: `pre` has a meaning of its own"),
        ("import \"none.snn\" as a\npopulation P: a.Cell()\nconst x = a.x", "m.snn:1:8: error[E0801]"),
        ("import \"a.snn\" as a\nexperiment e { a.nothing(3) }", "m.snn:2:18: error[E0104]"),
        ("experiment e { a.nothing(3) }", "m.snn:1:16: error[E0101]"),
        ("import \"a.snn\" as a\nexperiment e { run 1 ms\n a.Q.v = 3 mV }", "m.snn:3:4: error[E0104]"),
        ("import \"a.snn\" as a\nimport \"b.snn\"\nconst x = 1", "error[E0103]"),
        ("import \"a.snn\" as a\nexperiment e { let a = 1\n print(\"x\", a.x) }", "m.snn:3:"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let a = "const x = 1\nneuron Cell { state v = 1 mV\n dv/dt = -v/1 s }\n";
        write(dir.path(), &[("m.snn", main), ("a.snn", a), ("b.snn", "import \"a.snn\"\nconst z = 1")]);
        let (words, fine) = snnc(dir.path(), &["check", "--message-format", "short", "m.snn"]);
        assert!(!fine && words.contains(expected), "{main}: {words}");
        assert_eq!(words.matches("error[").count(), 1, "{main}: {words}");
    }
}

/// Whole populations and projections, and the whole network, in files: their weights and learned variables, once each, by the names that
/// `--load` knows; the other variables stay as they are.
#[test]
fn what_is_learned_is_saved_and_loaded_as_a_whole() {
    let model = "
simulation { dt = 0.1 ms; seed = 1 }
neuron Cell {
  learned theta = 20 mV
  state v = 1 mV
  10 ms * dv/dt = -v
  spike when v > theta
  on spike { v = 0 mV }
}
synapse Learns { weight w = 1 mV in [0 mV, 2 mV]; param gain = 1; on pre { deliver gain*w } }
population X[2]: poisson(rate = 10 Hz)
population E[3]: Cell()
population F[2]: Cell()
connect XE: X -> E.v via all_to_all with Learns()
connect X -> F.v via all_to_all with Learns(w = 0.5 mV)
experiment main {
  E.theta = 7 mV
  XE.w = 0.25 mV
  E.v = 3 mV
  BODY
}
";
    let dir = tempfile::tempdir().unwrap();
    let run = |body: &str, args: &[&str]| {
        fs::write(dir.path().join("m.snn"), model.replace("BODY", body)).unwrap();
        let args = [&["run", "m.snn", "--quiet"], args].concat();
        let output = Command::new(env!("CARGO_BIN_EXE_snnc")).current_dir(dir.path()).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let keys = |file: &str| {
        let held = snnc::data::read_npz(&dir.path().join(file)).unwrap();
        held.keys().filter(|k| !k.ends_with(".unit")).cloned().collect::<Vec<_>>()
    };
    let changed = "E.theta = 1 mV; XE.w = 1 mV; E.v = 0 mV;";
    let back = "expect min(E.theta) == 7 mV and max(XE.w) == 0.25 mV and E.v[0] == 0 mV";
    run(&format!("save(\"parts.npz\", E, XE, XE.w); {changed} load(\"parts.npz\", XE, E); {back}"), &[]);
    assert_eq!(keys("parts.npz"), ["E.theta", "XE.w"]);
    run(&format!("save(\"all.npz\"); {changed} load(\"all.npz\"); {back}"), &[]);
    assert_eq!(keys("all.npz"), ["E.theta", "F.theta", "X->F.v.w", "XE.w"]);
    // The command line takes it as it is.
    fs::write(
        dir.path().join("n.snn"),
        model
            .replace("E.theta = 7 mV\n  XE.w = 0.25 mV\n", "")
            .replace("BODY", "expect min(E.theta) == 7 mV and max(XE.w) == 0.25 mV"),
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_snnc"))
        .current_dir(dir.path())
        .args(["run", "n.snn", "--quiet", "--load", "all.npz"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Weights that nothing changes are one number for all synapses, unless the loaded file has values for them.
#[test]
fn only_what_a_file_has_is_stored_for_each_synapse() {
    let text = "
population X[20]: poisson(rate = 10 Hz)
neuron Cell { state v = 0 mV
  10 ms * dv/dt = -v }
population E[30]: Cell()
connect XE: X -> E.v via random(p = 0.5) with static(w = 1 mV)
connect XF: X -> E.v via random(p = 0.5) with static(w = 2 mV)
experiment main { run 1 ms }
";
    let places = |loads: &[&str]| {
        let mut session = Session::from_text(Path::new("m.snn"), text, &Settings::default());
        session.loads = loads.iter().map(|name| (*name).to_owned()).collect();
        let model = session.model.clone().unwrap();
        let (n, _) = session.build(&model, BackendKind::Interp).map_err(|d| d[0].message.clone()).unwrap();
        n.plan().projections.iter().map(|p| p.place[0]).collect::<Vec<_>>()
    };
    assert_eq!(places(&[]), [Place::Constant(1.0), Place::Constant(2.0)]);
    assert_eq!(places(&["XF.w", "XF.w.unit"]), [Place::Constant(1.0), Place::Synapse]);
    assert_eq!(places(&["XE.w", "XF.w"]), [Place::Synapse, Place::Synapse]);
}
