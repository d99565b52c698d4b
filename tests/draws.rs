//! Draws in periodic code of which nobody knows beforehand how many uniforms they take: their moments against closed forms, both
//! executions bit for bit, however a run is cut.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod net;

use net::{attempt, bits_agree, both, build, pop, proj, read, run};
use snnc::driver::BackendKind;
use snnc::runtime::Network;
use snnc::script::machine::{Machine, RunKey, VarKey};

const N: usize = 6000;

/// Mean and variance over elements.
fn moments(net: &mut Network, key: VarKey, n: usize) -> (f64, f64) {
    let xs: Vec<f64> = (0..n).map(|k| read(net, key, k)).collect();
    let mean = xs.iter().sum::<f64>() / n as f64;
    (mean, xs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64)
}

/// Each draw with the mean and the variance of its distribution, parameters depending on a state (which is 2 when they are drawn).
const CASES: &[(&str, f64, f64)] = &[
    ("poisson_count(0.15*a)", 0.3, 0.3),
    ("poisson_count(20*a)", 40.0, 40.0),
    ("gamma(1.5*a, 0.5*a)", 3.0, 3.0),
    // phi(1/2) = 0.3520653, phi(2) = 0.0539910, Phi(2) - Phi(1/2) = 0.2857874 give the mean 1.0429902 and the second moment
    // 1 + (0.5*0.3520653 - 2*0.0539910)/0.2857874 = 1.2381129 of a standard normal number there; here times a, plus 10.
    ("truncated(normal(10, a), 10 + a/2, 10 + 2*a)", 12.085_980_4, 4.0 * (1.238_112_9 - 1.042_990_2 * 1.042_990_2)),
    ("truncated(uniform(0, 10), a, 5*a)", 6.0, 64.0 / 12.0),
    // From 1/3 of the mean on, to twice it: with q = e^(-5/3) the mean is 1/3 + 1 - (5/3)q/(1 - q) of the mean and the variance
    // 1 - (5/3)^2 q/(1 - q)^2.
    (
        "truncated(exponential(3*a), a, 6*a)",
        6.0 * (4.0 / 3.0 - 5.0 / 3.0 * Q / (1.0 - Q)),
        36.0 * (1.0 - 25.0 / 9.0 * Q / ((1.0 - Q) * (1.0 - Q))),
    ),
    // 1 ..= 5 alike.
    ("truncated(randint(0, 10), a - 1.5, a + 3)", 3.0, 2.0),
    // Counts of mean 1 that are not 0: 1/(1 - 1/e), and the second moment 2/(1 - 1/e).
    ("truncated(poisson_count(a/2), 1, 100)", 1.581_976_7, 2.0 * 1.581_976_7 - 1.581_976_7 * 1.581_976_7),
    ("truncated(bernoulli(0.25*a), 0, 1)", 0.5, 0.25),
    ("truncated(bernoulli(0.25*a), 0.5, 1)", 1.0, 0.0),
    // The logarithm lies between ln 1 and infinity, half of all: the mean is 2*e^(1/2)*Phi(1), the second moment 2*e^2*Phi(2).
    ("truncated(lognormal(0, a/2), 1, inf)", 2.774_285_9, 14.442_048_8 - 2.774_285_9 * 2.774_285_9),
    // Shape 2 between 0 and 2: with q = e^-2, (2 - 10q)/(1 - 3q) and (6 - 38q)/(1 - 3q).
    ("truncated(gamma(a, 1), 0, a)", G1, G2 - G1 * G1),
];
const Q: f64 = 0.188_875_602_837_562_2;
const G: f64 = 0.135_335_283_236_612_7;
const G1: f64 = (2.0 - 10.0 * G) / (1.0 - 3.0 * G);
const G2: f64 = (6.0 - 38.0 * G) / (1.0 - 3.0 * G);

#[test]
fn draws_in_periodic_code_have_the_moments_of_their_distributions() {
    for precision in ["f32", "f64"] {
        let states: Vec<String> = (0..CASES.len()).map(|k| format!("x{k} = 0")).collect();
        let writes: Vec<String> = CASES.iter().enumerate().map(|(k, (draw, ..))| format!("x{k} = {draw}")).collect();
        let text = format!(
            "simulation {{ dt = 0.1 ms; seed = 11; precision = {precision} }}
             neuron M {{ state a = 1, {}
               every 0.2 ms {{ a += 1
                 {} }} }}
             population P[{N}]: M()
             experiment e {{ run 1 ms }}",
            states.join(", "),
            writes.join("\n                 ")
        );
        let mut jit = build(&text, BackendKind::Jit);
        run(&mut jit, 2);
        for (k, (draw, mean, variance)) in CASES.iter().enumerate() {
            let (m, v) = moments(&mut jit, pop(0, 1 + k as u32), N);
            // Five standard errors; kurtoses up to that of these distributions.
            let error = 5.0 * (variance / N as f64).sqrt() + 1e-6;
            assert!((m - mean).abs() < error, "{draw} ({precision}): mean {m}, expected {mean}");
            assert!((v - variance).abs() < 0.15 * variance + 1e-6, "{draw}: variance {v}, expected {variance}");
        }
        // Interpreted, and in other pieces, on fewer neurons.
        let few = text.replace(&format!("P[{N}]"), "P[40]");
        let (mut jit, mut interp) = both(&few);
        run(&mut jit, 9);
        run(&mut interp, 9);
        bits_agree(&jit, &interp);
    }
}

#[test]
fn synapses_draw_alike() {
    let text = |rule: &str, precision: &str| {
        format!(
            "simulation {{ dt = 0.1 ms; seed = 3; precision = {precision} }}
             neuron M {{ state v = 2 }}
             synapse S {{ weight w = 0
               state n = 0
               every 0.1 ms {{ n = poisson_count(pre.v + j); w = truncated(normal(0, 1), 0.5, pre.v) }}
               on pre {{ deliver w }} }}
             neuron F {{ state v = 2
               spike when v > 3 }}
             population A[60]: F()
             population B[50]: M()
             connect C: A -> B.v via {rule} with S()
             experiment e {{ run 1 ms }}"
        )
    };
    for rule in ["all_to_all", "random(p = 0.5)"] {
        for precision in ["f32", "f64"] {
            let (mut jit, mut interp) = both(&text(rule, precision));
            run(&mut jit, 3);
            run(&mut interp, 3);
            bits_agree(&jit, &interp);
            let count = jit.synapse_counts()[0] as usize;
            let (mean, _) = moments(&mut jit, proj(0, 0), count);
            assert!((mean - 1.042_990_2).abs() < 5.0 * 0.41 / (count as f64).sqrt(), "{rule}: {mean}");
            let (mean, _) = moments(&mut jit, proj(0, 1), count);
            // The mean of 2 + j over all synapses is 26.5; that of j over random synapses has an error of its own.
            assert!((mean - 26.5).abs() < 5.0 * ((26.5 + 208.0) / count as f64).sqrt(), "{rule}: {mean}");
        }
    }
}

/// What is drawn at a time depends neither on how the run is cut nor on other populations.
#[test]
fn keyed_draws_are_addressed() {
    let text = "
        simulation { dt = 0.1 ms; seed = 3 }
        neuron M { state v = 0
          every 0.3 ms { v += poisson_count(1 + v/10) } }
        population P[30]: M()
        experiment e { run 1 ms }";
    let more = text.replace("population P", "population O[7]: M()\npopulation P");
    let (mut whole, mut other) = (build(text, BackendKind::Jit), build(&more, BackendKind::Jit));
    run(&mut whole, 40);
    run(&mut other, 40);
    for k in 0..30 {
        assert_eq!(read(&mut whole, pop(0, 0), k), read(&mut other, pop(1, 0), k));
    }
    let mut pieces = build(text, BackendKind::Jit);
    pieces.begin_run(40, RunKey(0)).unwrap();
    for steps in [1, 6, 13, 20] {
        pieces.advance(steps).unwrap();
    }
    for k in 0..30 {
        assert_eq!(read(&mut whole, pop(0, 0), k), read(&mut pieces, pop(0, 0), k));
    }
}

#[test]
fn what_lies_nowhere_is_no_number() {
    let text = "
        simulation { dt = 0.1 ms }
        neuron M { state v = 0, n: int = 0
          every 0.1 ms { v = truncated(normal(0, 1), 50, 60); n = truncated(poisson_count(1), 1000.5, 2000) } }
        population P[3]: M()
        experiment e { run 1 ms }";
    let (mut jit, mut interp) = both(text);
    run(&mut jit, 1);
    run(&mut interp, 1);
    bits_agree(&jit, &interp);
    assert!(read(&mut jit, pop(0, 0), 2).is_nan());
    assert_eq!(read(&mut jit, pop(0, 1), 2), 1001.0);
    let Err(words) = attempt(&text.replace("50, 60", "60, 50"), BackendKind::Jit) else { panic!("accepted") };
    assert!(words.contains("E0205"), "{words}");
}
