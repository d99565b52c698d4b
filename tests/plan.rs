//! `snnc plan`: what was decided, why, what prevents more, and what it costs.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::process::Command;

fn plan(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("m.snn"), text).unwrap();
    let out =
        Command::new(env!("CARGO_BIN_EXE_snnc")).current_dir(dir.path()).args(["plan", "m.snn"]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

const CELL: &str = "\
neuron Cell {
  param tau = 20 ms
  state v = -65 mV, g = 0 mV
  tau * dv/dt = (-40 mV - v) + g
  dg/dt = -g / 5 ms
  spike when v > -50 mV
  on spike { v = -65 mV }
}
population X[20]: poisson(rate = 25 Hz)
population E[10]: Cell()
";

#[test]
fn a_step_names_only_what_there_is() {
    let page = plan(&CELL.replace("population X[20]: poisson(rate = 25 Hz)\n", ""));
    assert!(page.contains("step: integrate (E) → detect spikes and react (E)\n"), "{page}");
    assert!(!page.contains("on pre"), "{page}");
    assert!(page.contains("nothing is connected to it that could wake it"), "{page}");
}

#[test]
fn costs_and_events_are_counted() {
    // 20 × 10 synapses of one double each and the index of the target: a matrix has no index.
    let page = plan(&format!(
        "{CELL}connect X -> E.g via all_to_all with static(w = uniform(0 mV, 1 mV))\n\
         connect E -> E.g via fixed_outdegree(k = 3) with static(w = 1 mV)\n"
    ));
    assert!(page.contains("200 synapses, 1.6 KiB (8 bytes each)"), "{page}");
    assert!(page.contains("10 synapses a spike; at 25 Hz of `X` 5.0e3 synaptic events a second"), "{page}");
    assert!(page.contains("30 synapses, 120 bytes (4 bytes each)"), "{page}");
    assert!(page.contains("3 synapses a spike; for each Hz of `E` 30 synaptic events a second"), "{page}");
    assert!(page.contains("each synapse has its own `w`"), "{page}");
    assert!(page.contains("the rule does not connect all with all"), "{page}");
    assert!(page.contains("every neuron is advanced in every step: `X->E.g` may reach any of them"), "{page}");
    assert!(page.contains("threads: each step needs the last"), "{page}");
}

#[test]
fn what_is_uniform_stores_nothing() {
    let page = plan(&format!("{CELL}connect X -> E.g via all_to_all with static(w = 1 mV)\n"));
    assert!(page.contains("200 synapses, 0 bytes"), "{page}");
    assert!(page.contains("nothing is stored for single synapses"), "{page}");
    assert!(!page.contains("visited synapse by synapse"), "{page}");
}

#[test]
fn traces_say_why_they_stay_with_the_synapse() {
    let page = plan(&format!(
        "{CELL}synapse S {{\n  weight w = 0.1 mV\n  state x = 0, y = 0, z = 0\n  dx/dt = -x / 20 ms\n  dy/dt = -y / 20 ms\n  dz/dt = -z / 20 ms\n  \
         on pre {{ deliver w; x += 1; z += 1 }}\n  on post {{ y += 1; z += 1; w += 0.001 mV * x * z }}\n}}\n\
         connect X -> E.g via all_to_all with S()\n"
    ));
    assert!(page.contains("x: one value per pre neuron"), "{page}");
    assert!(page.contains("z: one value per synapse (`on pre` and `on post` both write it)"), "{page}");
    assert!(page.contains("it has an `on post` block"), "{page}");
}
