//! The tools through the program itself: streams, exit statuses, files.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Exit status, standard output, standard error.
fn snnc(dir: &Path, args: &[&str], stdin: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_snnc"))
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

const UGLY: &str = "param  a=1 # one\n\n\n";
const NEAT: &str = "param a = 1  # one\n";
const FAULTY: &str = "neuron Cell {\n  state v = 1 mV\n  dv/dt = -w / 20 msec\n}\npopulation P[2]: Cell()\n";

#[test]
fn fmt_names_changes_makes_them_and_leaves_faulty_files() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("sub")).unwrap();
    fs::write(at("neat.snn"), NEAT).unwrap();
    fs::write(at("sub/ugly.snn"), UGLY).unwrap();
    let (status, out, _) = snnc(dir.path(), &["fmt", "--check", "."], "");
    assert_eq!((status, out.trim()), (1, "./sub/ugly.snn"));
    assert_eq!(fs::read_to_string(at("sub/ugly.snn")).unwrap(), UGLY, "--check changes nothing");
    assert_eq!(snnc(dir.path(), &["fmt", "."], "").0, 0);
    assert_eq!(fs::read_to_string(at("sub/ugly.snn")).unwrap(), NEAT);
    assert_eq!(snnc(dir.path(), &["fmt", "--check", "."], "").0, 0);
    assert_eq!(snnc(dir.path(), &["fmt", "-"], UGLY), (0, NEAT.to_owned(), String::new()));

    fs::write(at("broken.snn"), "param  a = \n").unwrap();
    let (status, out, err) = snnc(dir.path(), &["fmt", "broken.snn", "-"], UGLY);
    assert_eq!((status, out.as_str()), (1, NEAT), "the others are still formatted");
    assert!(err.contains("error[E0001]") && err.contains("broken.snn: not formatted"), "{err}");
    assert_eq!(fs::read_to_string(at("broken.snn")).unwrap(), "param  a = \n");
}

#[test]
fn json_is_one_object_a_line_and_ends_with_the_sums_of_all_files() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("b.snn"), FAULTY).unwrap();
    fs::write(dir.path().join("a.snn"), FAULTY).unwrap();
    let (status, out, err) = snnc(dir.path(), &["check", ".", "--message-format", "json"], "");
    assert_eq!((status, err.as_str()), (1, ""));
    let lines: Vec<serde_json::Value> = out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let (sums, items) = lines.split_last().unwrap();
    let files: Vec<&str> = items.iter().map(|d| d["file"].as_str().unwrap()).collect();
    assert!(files.is_sorted() && files.contains(&"./a.snn") && files.contains(&"./b.snn"), "{files:?}");
    assert!(items.iter().all(|d| d["severity"] == "error" && d["line"] == 3), "{out}");
    assert_eq!(*sums, serde_json::json!({ "errors": items.len(), "warnings": 0 }));
}

/// Every command in the ways it fails, in a folder with a sound and a faulty model.
const FAILING: &[(&[&str], &[&str])] = &[
    (&["run", "faulty.snn"], &["E0101", "E0102"]),
    (&["run", "sound.snn", "--set", "a"], &["E0905"]),
    (&["run", "sound.snn", "--only", "other"], &["W0709", "E0905"]),
    (&["run", "sound.snn"], &["W0709", "E0506"]),
    (&["run", "silent.snn"], &["E0506"]),
    (&["test", "sound.snn"], &["W0709", "E0505"]),
    (&["test", "faulty.snn"], &["E0101", "E0102"]),
    (&["plan", "faulty.snn"], &["E0101", "E0102"]),
    (&["fmt", "broken.snn"], &["E0001"]),
    (&["fmt", "missing.snn"], &["E0801"]),
    (&["phase", "faulty.snn", "Cell"], &["E0101", "E0102"]),
    (&["phase", "sound.snn", "Call"], &["E0101"]),
    (&["explain", "exprell"], &["E0905"]),
    (&["new", "sound"], &["E0801"]),
    (&["man", "--out", "sound.snn/pages"], &["E0801"]),
    (&["check", "faulty.snn"], &["E0101", "E0102"]),
    (&["check", "sound.snn", "-D", "W9999"], &["E0905"]),
];

#[test]
fn every_command_writes_its_diagnostics_for_programs_too() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let sound = "neuron Cell {\n  param unused = 1\n  state v = 1 mV\n  dv/dt = -v / 20 ms\n}\n\
                 population P[2]: Cell()\nexperiment main { run 1 ms; expect mean(P.v) > 2 mV }\n";
    fs::write(at("sound.snn"), sound).unwrap();
    fs::write(at("silent.snn"), sound.replace("  param unused = 1\n", "")).unwrap();
    fs::write(at("faulty.snn"), FAULTY).unwrap();
    fs::write(at("broken.snn"), "param  a = \n").unwrap();
    let mut commands: Vec<&str> = Vec::new();
    for (args, codes) in FAILING {
        commands.push(args[0]);
        let with = |format| [*args, &["--message-format", format]].concat();
        let (status, out, err) = snnc(dir.path(), &with("json"), "");
        let (messages, other) = if args[0] == "check" { (out, err) } else { (err, out) };
        assert_eq!(status, 1, "{args:?}");
        let lines: Vec<serde_json::Value> = messages.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let (sums, items) = lines.split_last().unwrap();
        let given: Vec<&str> = items.iter().map(|d| d["code"].as_str().unwrap()).collect();
        assert_eq!(given, *codes, "{args:?}");
        let count = |c: char| codes.iter().filter(|code| code.starts_with(c)).count();
        assert_eq!(*sums, serde_json::json!({ "errors": count('E'), "warnings": count('W') }), "{args:?}");
        assert!(!other.contains("error["), "{args:?}: {other}");

        let (status, out, err) = snnc(dir.path(), &with("short"), "");
        let messages = if args[0] == "check" { out } else { err };
        let given: Vec<&str> = messages.lines().filter_map(|l| Some(l.split_once('[')?.1.split_once(']')?.0)).collect();
        assert_eq!((status, given.as_slice()), (1, *codes), "{args:?}: {messages}");
        assert_eq!(messages.lines().count(), codes.len(), "{args:?}: {messages}");
    }
    for command in ["run", "check", "test", "plan", "fmt", "explain", "new", "phase", "man"] {
        assert!(commands.contains(&command), "{command}");
    }
}

#[test]
fn check_fix_mends_what_is_certain_and_reports_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.snn");
    fs::write(&path, FAULTY).unwrap();
    let (status, out, err) = snnc(dir.path(), &["check", "--fix", "m.snn"], "");
    assert!(err.contains("m.snn: 1 fixed"), "{err}");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, FAULTY.replace("msec", "ms"));
    assert!(status == 1 && out.contains("error[E0101]") && !out.contains("E0102"), "{out}");
}

#[test]
fn explain_knows_codes_and_names_and_suggests() {
    let dir = tempfile::tempdir().unwrap();
    let (status, out, _) = snnc(dir.path(), &["explain", "E0202", "lif"], "");
    assert!(status == 0 && out.starts_with("# E0202") && out.contains("neuron lif {"), "{out}");
    let (status, out, err) = snnc(dir.path(), &["explain", "exprell"], "");
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(err.contains("did you mean `exprel`?"), "{err}");
}

#[test]
fn new_writes_a_model_and_overwrites_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (status, out, _) = snnc(dir.path(), &["new", "cortex", "--template", "network"], "");
    assert!(status == 0 && out.contains("cortex.snn"), "{out}");
    assert_eq!(snnc(dir.path(), &["check", "-D", "warnings", "cortex.snn"], "").0, 0);
    assert_eq!(snnc(dir.path(), &["fmt", "--check", "cortex.snn"], "").0, 0);
    let (status, _, err) = snnc(dir.path(), &["new", "cortex"], "");
    assert!(status == 1 && err.contains("nothing was overwritten"), "{err}");
}
