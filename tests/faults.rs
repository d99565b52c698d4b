//! Values that leave their range while running, and experiments that nobody can have meant, as `snnc run` tells them.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::process::Command;

/// Exit status and standard error of a run.
fn run(text: &str, backend: &str) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.snn");
    std::fs::write(&path, text).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_snnc"))
        .current_dir(dir.path())
        .args(["run", "m.snn", "--backend", backend])
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    (out.status.code().unwrap(), String::from_utf8(out.stderr).unwrap())
}

/// x' = x^2 with x(0) = 0.1 reaches infinity at t = 10 ms; neuron 3 of five alone starts at 0.2 and does so at 5 ms.
const EXPLODING: &str = "\
simulation { dt = 0.1 ms }
neuron Cell {
  state w = 1
  state x = if i == 3 then 0.2 else 0.1
  dw/dt = -w / 5 ms
  dx/dt = x^2 / 1 ms
}
population P[5]: Cell()
experiment main {
  run 2 ms
  run 100 ms
}
";

#[test]
fn an_infinite_value_names_variable_neuron_time_equation_and_method() {
    for backend in ["jit", "interp"] {
        let (code, text) = run(EXPLODING, backend);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("error[E0904]: `x` of neuron 3 of `P` became "), "{text}");
        assert!(text.contains("m.snn:6:3"), "the equation: {text}");
        assert!(text.contains("solved by `rk4` with a step of 0.1 ms"), "{text}");
        assert!(text.contains("while this `run` was carried out"), "{text}");
        assert!(text.contains("its values at the last steps: "), "{text}");
        // Two runs: the time counts from the first one's start.
        let at = text.split("at t = ").nth(1).and_then(|t| t.split(' ').next()).unwrap().parse::<f64>().unwrap();
        assert!((5.0..6.5).contains(&at), "{text}");
    }
}

#[test]
fn the_step_found_does_not_depend_on_the_length_of_the_run() {
    let time = |text: &str| {
        let (_, text) = run(text, "jit");
        text.split("at t = ").nth(1).and_then(|t| t.split(' ').next()).map(str::to_owned).unwrap()
    };
    let one = time(EXPLODING);
    assert_eq!(one, time(&EXPLODING.replace("run 100 ms", "run 2000 ms")));
    assert_eq!(one, time(&EXPLODING.replace("  run 2 ms\n", "").replace("run 100 ms", "run 300 ms")));
}

#[test]
fn a_short_run_of_a_large_network_names_the_interval() {
    let (code, text) = run(&EXPLODING.replace("P[5]", "P[200000]").replace("run 100 ms", "run 5 ms"), "jit");
    assert_eq!(code, 1);
    assert!(text.contains("between t = 2 ms and 7 ms"), "{text}");
    assert!(text.contains("no copy of its start was kept"), "{text}");
}

#[test]
fn a_value_that_is_infinite_from_the_start_is_meant_so() {
    let text = "\
neuron Cell {
  state last = -inf * 1 ms, v = -65 mV
  dv/dt = (-40 mV - v) / 20 ms
  spike when v > -50 mV
  on spike { v = -65 mV; last = t }
}
population P[3]: Cell()
experiment main { run 10 ms; print(P.last); run 100 ms; print(P.last) }
";
    let (code, text) = run(text, "jit");
    assert_eq!(code, 0, "{text}");
}

#[test]
fn a_weight_that_explodes_is_named_by_its_synapse() {
    let text = "\
neuron Cell {
  state v = 0 mV
  dv/dt = (20 mV - v) / 5 ms
  spike when v > 10 mV
  on spike { v = 0 mV }
}
synapse Runaway {
  weight w = 2
  on pre { w = w * w }
}
population P[2]: Cell()
connect P -> P.v via all_to_all where i != j with Runaway()
experiment main { run 200 ms; print(mean(P.v), P.count) }
";
    for backend in ["jit", "interp"] {
        let (code, text) = run(text, backend);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("`w` of synapse ") && text.contains("became infinite at t = "), "{text}");
        assert!(text.contains("it was written by a handler"), "{text}");
    }
}

/// A neuron that is driven to `rest` millivolts.
fn network(rest: &str, refractory: &str) -> String {
    format!(
        "neuron Cell {{\n  state v = -65 mV\n  5 ms * dv/dt = {rest} - v + 1 mV*sin(t / 10 ms)\n  spike when v > -50 mV\n  \
         on spike {{ v = -65 mV }}\n  refractory {refractory}\n}}\npopulation P[4]: Cell()\n\
         experiment main {{ run 200 ms; print(rate(P)) }}\n"
    )
}

#[test]
fn silent_and_raging_experiments_are_warned_of() {
    let (code, text) = run(&network("-60 mV", "2 ms"), "jit");
    assert!(code == 0 && text.contains("warning[W0714]: no neuron spiked in `main`"), "{text}");
    let (code, text) = run(&network("900 mV", "0.1 ms"), "jit");
    assert!(code == 0 && text.contains("warning[W0715]: the neurons of `P` fire at "), "{text}");
    let (code, text) = run(&network("-40 mV", "2 ms"), "jit");
    assert!(code == 0 && !text.contains("warning"), "{text}");
}

#[test]
fn a_readout_that_saw_no_spike_is_warned_of() {
    let page = snnc::diag::Code::W0716.page();
    let example = |heading: &str| {
        page.split(&format!("## {heading}\n\n```snn\n")).nth(1).unwrap().split("```").next().unwrap().to_owned()
    };
    let (_, text) = run(&example("Example"), "jit");
    assert!(text.contains("warning[W0716]: `vote` was scored with"), "{text}");
    let (_, text) = run(&example("Corrected"), "jit");
    assert!(!text.contains("W0716"), "{text}");
}

#[test]
fn the_pages_of_these_codes_give_them() {
    for code in ["W0714", "W0715"] {
        let page = snnc::diag::Code::ALL.iter().find(|c| c.name() == code).unwrap().page();
        let example = |heading: &str| {
            page.split(&format!("## {heading}\n\n```snn\n")).nth(1).unwrap().split("```").next().unwrap().to_owned()
        };
        let (_, text) = run(&example("Example"), "jit");
        assert!(text.contains(code), "{code}: {text}");
        let (_, text) = run(&example("Corrected"), "jit");
        assert!(!text.contains(code), "{code}: {text}");
    }
}
