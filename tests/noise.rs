//! White noise against closed forms: moments of Ornstein–Uhlenbeck processes, orders of convergence along known paths, and what the
//! draws depend on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::path::Path;

use snnc::backend::Buf;
use snnc::driver::{BackendKind, Session, Settings};
use snnc::hir::{PopId, VarId};
use snnc::rng::Stream;
use snnc::runtime::Network;
use snnc::script::machine::{Entity, Machine, RunKey, Slice, VarKey};

fn session(text: &str) -> Session {
    let mut session = Session::from_text(Path::new("test.snn"), text, &Settings::default());
    session.plan_only();
    session
}

fn network_by(text: &str, kind: BackendKind) -> Network {
    let session = session(text);
    let words: Vec<String> =
        session.sink.items.iter().map(|d| snnc::diag::render::render_human(d, &session.sources, false)).collect();
    let model = session.model.clone().unwrap_or_else(|| panic!("{}", words.join("\n")));
    match session.build(&model, kind) {
        Ok((network, _)) => network,
        Err(errors) => panic!("{errors:?}"),
    }
}

fn network(text: &str) -> Network {
    network_by(text, BackendKind::Jit)
}

fn run(network: &mut Network, steps: u64, key: u64) {
    network.begin_run(steps, RunKey(key)).unwrap();
    network.advance(steps).unwrap();
}

fn values(network: &mut Network, pop: u32, var: u32) -> Vec<f64> {
    let key = VarKey { entity: Entity::Pop(PopId(pop)), var: VarId(var) };
    let values = network.values(key);
    let n = values.cols;
    match values.data {
        Slice::F32(v) => v[..n].iter().map(|x| f64::from(*x)).collect(),
        Slice::F64(v) => v[..n].to_vec(),
        Slice::Uniform(x) => vec![x; n],
    }
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// The mean product of deviations from given means.
fn product(x: &[f64], mx: f64, y: &[f64], my: f64) -> f64 {
    mean(&x.iter().zip(y).map(|(a, b)| (a - mx) * (b - my)).collect::<Vec<_>>())
}

/// Mean, variance and autocorrelation of Ornstein–Uhlenbeck noise within four standard errors. `exact` has them at any step.
#[test]
fn ornstein_uhlenbeck_has_its_moments() {
    let n = 20_000;
    for (method, dt, precision) in
        [("", 4.0, "f64"), ("method exact", 1.0, "f32"), ("method euler_maruyama", 0.02, "f64")]
    {
        let mut net = network(&format!(
            "simulation {{ dt = {dt} ms; seed = 5; precision = {precision} }}
             neuron M {{ param tau = 10 ms, mu = -50 mV, sigma = 3 mV
               state v = -56 mV
               tau * dv/dt = mu - v + sigma*sqrt(2*tau)*xi
               {method} }}
             population P[{n}]: M()
             experiment e {{ run 1 ms }}"
        ));
        let (tau, sigma) = (10.0, 3.0_f64);
        let k1 = (8.0_f64 / dt) as u64;
        run(&mut net, k1, 1);
        let early = values(&mut net, 0, 3);
        let t1 = k1 as f64 * dt;
        let m1 = -50.0 - 6.0 * (-t1 / tau).exp();
        let v1 = sigma * sigma * (1.0 - (-2.0 * t1 / tau).exp());
        let root = f64::from(n).sqrt();
        assert!((mean(&early) - m1).abs() < 4.0 * v1.sqrt() / root, "{method}: mean {} against {m1}", mean(&early));
        let got = product(&early, m1, &early, m1);
        assert!((got - v1).abs() < 4.0 * v1 * 2.0_f64.sqrt() / root, "{method}: variance {got} against {v1}");
        let k2 = (4.0_f64 / dt) as u64;
        run(&mut net, k2, 2);
        let late = values(&mut net, 0, 3);
        let t2 = t1 + k2 as f64 * dt;
        let m2 = -50.0 - 6.0 * (-t2 / tau).exp();
        let v2 = sigma * sigma * (1.0 - (-2.0 * t2 / tau).exp());
        let c = v1 * (-(t2 - t1) / tau).exp();
        let got = product(&early, m1, &late, m2);
        let error = ((v1 * v2 + c * c) / f64::from(n)).sqrt();
        assert!((got - c).abs() < 4.0 * error, "{method}: covariance {got} against {c}");
    }
}

/// A membrane that filters Ornstein–Uhlenbeck current: the exact covariance of the step couples the two, also where each neuron has
/// time constants of its own.
#[test]
fn coupled_states_have_the_covariance_of_the_equations() {
    for tau in ["20 ms", "20 ms + 0 ms*i"] {
        let n = 20_000;
        let mut net = network(&format!(
            "simulation {{ dt = 5 ms; seed = 8 }}
             neuron M {{ param tau_m = {tau}, tau_s = 5 ms
               state v = 0 mV, w = 0 mV
               tau_m * dv/dt = w - v
               dw/dt = -w/tau_s + 2 mV*sqrt(2/tau_s)*xi }}
             population P[{n}]: M()
             experiment e {{ run 1 ms }}"
        ));
        run(&mut net, 100, 3);
        let (v, w) = (values(&mut net, 0, 2), values(&mut net, 0, 3));
        let root = f64::from(n).sqrt();
        // Stationary: var w = 4, var v = cov(v, w) = 4 tau_s/(tau_s + tau_m)
        for (got, want) in
            [(product(&w, 0.0, &w, 0.0), 4.0), (product(&v, 0.0, &v, 0.0), 0.8), (product(&v, 0.0, &w, 0.0), 0.8)]
        {
            let scale = if want == 4.0 { 4.0 } else { (4.0_f64 * 0.8 + 0.64).sqrt() };
            assert!((got - want).abs() < 4.0 * 2.0_f64.sqrt() * scale / root, "{got} against {want}");
        }
    }
}

/// Geometric Brownian motion along its own path: the draws are where the reference says (stream `P/xi` of the run, neuron, step), and the
/// errors shrink with the strong order of the method. Itô and Stratonovich differ in the drift.
#[test]
fn stochastic_methods_have_their_strong_orders() {
    let (mu, sigma, x0) = (0.3_f64, 0.5_f64, 1.0_f64);
    let n = 2000;
    for (method, substeps, order, ito) in [
        ("euler_maruyama", 1, 0.5, true),
        ("euler", 4, 0.5, true),
        ("milstein", 1, 1.0, true),
        ("heun", 1, 1.0, false),
        ("heun", 2, 1.0, false),
    ] {
        let mut errors = Vec::new();
        let steps_of = [16_u64, 32, 64, 128];
        for steps in steps_of {
            let dt = 1.0 / steps as f64;
            let mut net = network(&format!(
                "simulation {{ dt = {dt:?} ms; seed = 11 }}
                 neuron M {{ param mu = 0.3/ms, sigma = 0.5/ms^0.5
                   state x = 1
                   dx/dt = mu*x + sigma*x*xi
                   method {method}(substeps = {substeps}) }}
                 population P[{n}]: M()
                 experiment e {{ run 1 ms }}"
            ));
            run(&mut net, steps, 42);
            let x = values(&mut net, 0, 2);
            let stream = Stream::new(11, "P/xi").sub(42);
            let h = dt / f64::from(substeps);
            let error: f64 = (0..n)
                .map(|i| {
                    let w: f64 =
                        (0..steps * u64::from(substeps as u32)).map(|k| stream.normal(i as u64, k)).sum::<f64>()
                            * h.sqrt();
                    let drift = if ito { mu - sigma * sigma / 2.0 } else { mu };
                    (x[i as usize] - x0 * (drift + sigma * w).exp()).abs()
                })
                .sum::<f64>()
                / n as f64;
            errors.push(error);
        }
        // Least squares of log error over log step.
        let xs: Vec<f64> = steps_of.iter().map(|s| -(*s as f64).ln()).collect();
        let ys: Vec<f64> = errors.iter().map(|e| e.ln()).collect();
        let (mx, my) = (mean(&xs), mean(&ys));
        let fitted = product(&xs, mx, &ys, my) / product(&xs, mx, &xs, mx);
        assert!((fitted - order).abs() < 0.15, "{method}: order {fitted}, errors {errors:?}");
    }
}

/// Orders of all methods on equations with a closed form that depend on `t`.
#[test]
fn methods_have_their_orders() {
    // x' = x^2 cos t, x(0) = 1/2; x' = -x cos t for methods that need an equation linear in its variable.
    let nonlinear = ("x^2*cos(t/1 ms)/1 ms", 1.0 / (2.0 - 1.0_f64.sin()));
    let linear = ("(-x)*cos(t/1 ms)/1 ms", 0.5 * (-(1.0_f64.sin())).exp());
    for (method, order, (rhs, want)) in [
        ("euler", 1.0, nonlinear),
        ("euler_maruyama", 1.0, nonlinear),
        ("milstein", 1.0, nonlinear),
        ("euler(substeps = 3)", 1.0, nonlinear),
        ("rk2", 2.0, nonlinear),
        ("rk2(substeps = 2)", 2.0, nonlinear),
        ("heun", 2.0, nonlinear),
        ("rk4", 4.0, nonlinear),
        ("rk4(substeps = 3)", 4.0, nonlinear),
        ("exp_euler", 1.0, linear),
        ("backward_euler", 1.0, linear),
        ("exp_midpoint", 2.0, linear),
        ("exp_midpoint", 2.0, nonlinear),
        ("exp_midpoint(substeps = 3)", 2.0, nonlinear),
    ] {
        let mut errors = Vec::new();
        for steps in [20_u64, 40, 80] {
            let mut net = network(&format!(
                "simulation {{ dt = {:?} ms }}
                 neuron M {{ state x = 0.5
                   dx/dt = {rhs}
                   method {method} }}
                 population P: M()
                 experiment e {{ run 1 ms }}",
                1.0 / steps as f64
            ));
            run(&mut net, steps, 0);
            errors.push((values(&mut net, 0, 0)[0] - want).abs());
        }
        let fitted = (errors[0] / errors[2]).log2() / 2.0;
        assert!((fitted - order).abs() < 0.15, "{method}: order {fitted}, errors {errors:?}");
    }
}

/// Coupled equations, each linear in its own variable, and one that is not: x + y is 1 and y grows logistically; z follows y.
#[test]
fn splitting_is_of_second_order_in_coupled_equations() {
    for (method, order) in [("exp_euler", 1.0), ("exp_midpoint", 2.0)] {
        let mut errors = Vec::new();
        for steps in [20_u64, 40, 80] {
            let text = format!(
                "simulation {{ dt = {:?} ms }}
                 neuron M {{ state x = 0.9, y = 0.1, z = 1
                   dx/dt = -x*y/1 ms
                   dy/dt = x*y/1 ms
                   dz/dt = y*z^2/(2 ms*(1 + 0*x))
                   method {method} }}
                 population P: M()
                 experiment e {{ run 2 ms }}",
                2.0 / steps as f64
            );
            let mut net = network(&text);
            let mut interp = network_by(&text, BackendKind::Interp);
            run(&mut net, steps, 0);
            run(&mut interp, steps, 0);
            let y = 1.0 / (1.0 + 9.0 * (-2.0_f64).exp());
            // The integral of y is ln(e^t + 9) without its start; dz/z^2 = y/2 dt.
            let z = 1.0 / (1.0 - 0.5 * ((2.0_f64.exp() + 9.0) / 10.0).ln());
            let mut error = 0.0;
            for (k, want) in [1.0 - y, y, z].into_iter().enumerate() {
                let x = values(&mut net, 0, k as u32)[0];
                assert_eq!(x.to_bits(), values(&mut interp, 0, k as u32)[0].to_bits());
                error = f64::max(error, (x - want).abs());
            }
            errors.push(error);
        }
        let fitted = (errors[0] / errors[2]).log2() / 2.0;
        assert!((fitted - order).abs() < 0.15, "{method}: order {fitted}, errors {errors:?}");
    }
}

/// A held state stands still, and the others are advanced with its value.
#[test]
fn splitting_leaves_held_states_alone() {
    let mut net = network(
        "simulation { dt = 0.1 ms }
         neuron M { state v = 2, w = 1
           dv/dt = -v*w/5 ms
           dw/dt = (v - w)/10 ms
           spike when v > 1.5
           on spike { v = 1 }
           refractory 1 ms hold v
           method exp_midpoint }
         population P: M()
         experiment e { run 1 ms }",
    );
    run(&mut net, 1, 0);
    let w = values(&mut net, 0, 1)[0];
    run(&mut net, 10, 0);
    assert_eq!(values(&mut net, 0, 0), [1.0]);
    let want = 1.0 + (w - 1.0) * (-0.1_f64).exp();
    assert!((values(&mut net, 0, 1)[0] - want).abs() < 1e-14);
}

/// The same name is the same realisation, other names and other neurons are independent.
#[test]
fn names_and_neurons_decide_which_noise_is_heard() {
    let n = 10_000;
    let mut net = network(&format!(
        "simulation {{ dt = 1 ms; seed = 2 }}
         neuron M {{ state a = 0 ms^0.5, b = 0 ms^0.5, c = 0 ms^0.5, d = 0 ms^0.5
           da/dt = xi; db/dt = 2*xi; dc/dt = xi_other; dd/dt = (xi + xi_other)/sqrt(2) }}
         population P[{n}]: M()
         population Q[{n}]: M()
         experiment e {{ run 1 ms }}"
    ));
    run(&mut net, 10, 7);
    let [a, b, c, d] = [0, 1, 2, 3].map(|v| values(&mut net, 0, v));
    for k in 0..n as usize {
        assert!((b[k] - 2.0 * a[k]).abs() < 1e-12);
        assert!((d[k] - (a[k] + c[k]) / 2.0_f64.sqrt()).abs() < 1e-12);
    }
    let other = values(&mut net, 1, 0);
    let neighbours: Vec<f64> = a.iter().skip(1).chain(&a[..1]).copied().collect();
    for y in [&c, &other, &neighbours] {
        let got = product(&a, 0.0, y, 0.0);
        assert!(got.abs() < 4.0 * 10.0 / f64::from(n).sqrt(), "{got}");
    }
    let var = product(&a, 0.0, &a, 0.0);
    assert!((var - 10.0).abs() < 4.0 * 10.0 * 2.0_f64.sqrt() / f64::from(n).sqrt(), "{var}");
}

const EVERYTHING: &str = "
    neuron M {
      param tau = 10 ms + 0.1 ms*i, p = sin(2*pi*t/20 ms)
      input I: mV = 3 mV*cos(t/5 ms) + timed([0 mV, 1 mV, 2 mV], 3 ms)
      state v = -60 mV, w = 0 mV, kicks = 0 mV, r = 0
      state n: int = 0, m: int = 0
      learned theta = 5 mV
      tau * dv/dt = -60 mV - v + I + w + kicks + 40 mV*sqrt(tau)*xi_v
      dw/dt = -w/5 ms + 1 mV*sqrt(2/5 ms)*xi
      dtheta/dt = -theta/1e7 ms
      every 1 ms { let z = normal(0, 1); kicks = 2 mV*z*p + exponential(1 mV)*bernoulli(0.3); m = randint(0, 5); r = gamma(2, 1.5) + lognormal(0, 0.5) + uniform(0, 1); theta += 0.01 mV }
      event high when v > -58 mV
      on high { n += 1; if n % 2 == 0 { w -= 0.1 mV } else { w += 0.1 mV } }
      event up when v crosses -59 mV
      on up { n -= 1 }
      spike when v > -52 mV + theta
      on spike { v = -60 mV; theta += 0.1 mV }
      refractory 1 ms hold v
      on release { w = 0 mV }
    }
    neuron Wave { input rate: Hz = 50 Hz
      state g = 0
      dg/dt = -g/5 ms
      spike with rate rate*(1 + sin(t/10 ms)) + 10 Hz*g }
    population P[37]: M(I = Q.g*1 mV + 3 mV*cos(t/5 ms) + timed([0 mV, 1 mV, 2 mV], 3 ms))
    population Q[37]: Wave(rate = R.v/1 mV*1 Hz + 100 Hz)
    population R: M()
    connect P.high -> Q.g via all_to_all with static(w = 0.1, delay = 0.5 ms)
    connect P.up -> Q.g via one_to_one with static(w = 1)
    connect Q -> P.w via random(p = 0.2) with static(w = 0.5 mV, delay = 1 ms)
    experiment e { run 1 ms }";

/// Everything of this kind in one network: interpreter and machine code agree on every bit, and a run cut into pieces is the run.
#[test]
fn both_executions_and_all_cuttings_agree() {
    for precision in ["f64", "f32"] {
        let text = format!("simulation {{ dt = 0.1 ms; seed = 3; precision = {precision} }}\n{EVERYTHING}");
        let mut jit = network(&text);
        let mut interp = network_by(&text, BackendKind::Interp);
        let mut pieces = network(&text);
        for n in [&mut jit, &mut interp] {
            run(n, 700, 1);
            run(n, 300, 2);
        }
        pieces.begin_run(700, RunKey(1)).unwrap();
        for steps in [1, 7, 92, 600] {
            pieces.advance(steps).unwrap();
        }
        run(&mut pieces, 300, 2);
        assert!(jit.total(PopId(0)) > 20, "P must spike");
        assert!(jit.total(PopId(1)) > 20, "Q must spike");
        for (k, (x, y)) in jit.buffers().iter().zip(interp.buffers()).enumerate() {
            let same = match (x, y) {
                (Buf::F32(x), Buf::F32(y)) => x.iter().zip(y).all(|(p, q)| p.to_bits() == q.to_bits()),
                (Buf::F64(x), Buf::F64(y)) => x.iter().zip(y).all(|(p, q)| p.to_bits() == q.to_bits()),
                (x, y) => x == y,
            };
            assert!(same, "{precision}: {}", jit.layout().buffers[k].name);
        }
        for pop in 0..3 {
            let vars = if pop == 1 { 0..2 } else { 0..10 };
            for var in vars {
                let (x, y) = (values(&mut jit, pop, var), values(&mut pieces, pop, var));
                assert!(x.iter().zip(&y).all(|(a, b)| a.to_bits() == b.to_bits()), "{precision}: {pop} {var}");
                assert!(x.iter().all(|x| x.is_finite()), "{precision}: {pop} {var}: {x:?}");
            }
        }
    }
}

/// A held state hears no noise.
#[test]
fn a_held_state_hears_no_noise() {
    let mut net = network(
        "simulation { dt = 0.1 ms; seed = 4 }
         neuron M { state v = 0 mV
           dv/dt = 10 mV/ms + 0.1 mV/ms^0.5*xi
           spike when v > 1 mV
           on spike { v = 0 mV }
           refractory 5 ms hold v }
         population P[50]: M()
         experiment e { run 1 ms; print(P.count) }",
    );
    net.begin_run(30, RunKey(0)).unwrap();
    net.advance(30).unwrap();
    assert_eq!(net.counts(PopId(0)), [1; 50]);
    assert!(values(&mut net, 0, 0).iter().all(|v| *v == 0.0));
}
