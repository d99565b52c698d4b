//! Neurons against closed forms: intervals, exact integration, thresholds that decay slowly.

use std::path::Path;

use snnc::driver::{BackendKind, Session, Settings};
use snnc::hir::{PopId, VarId};
use snnc::runtime::Network;
use snnc::script::machine::{Entity, Machine, RunKey, Slice, VarKey};

fn network(text: &str) -> Network {
    let mut session = Session::from_text(Path::new("test.snn"), text, &Settings::default());
    session.plan_only();
    let words: Vec<String> =
        session.sink.items.iter().map(|d| snnc::diag::render::render_human(d, &session.sources, false)).collect();
    let model = session.model.clone().unwrap_or_else(|| panic!("{}", words.join("\n")));
    match session.build(&model, BackendKind::Jit) {
        Ok((network, _)) => network,
        Err(errors) => panic!("{errors:?}"),
    }
}

fn run(network: &mut Network, steps: u64) {
    network.begin_run(steps, RunKey(0)).expect("a run");
    network.advance(steps).expect("a run");
}

fn value(network: &mut Network, var: u32, element: usize) -> f64 {
    let key = VarKey { entity: Entity::Pop(PopId(0)), var: VarId(var) };
    match network.values(key).data {
        Slice::F32(v) => f64::from(v[element]),
        Slice::F64(v) => v[element],
        Slice::Uniform(x) => x,
    }
}

/// The interval of a LIF neuron with constant drive is T + tau*ln((V_inf - V_reset)/(V_inf - V_th)), the simulated one the next step on the grid.
#[test]
fn a_lif_neuron_has_the_interval_of_its_closed_form() {
    for (dt, t_ref) in [(0.1, 2.0), (0.1, 0.0), (0.5, 5.0), (0.05, 1.0)] {
        let text = format!(
            "simulation {{ dt = {dt} ms }}
             neuron M {{
               param tau = 20 ms
               state v = -60 mV
               tau * dv/dt = -40 mV - v
               spike when v > -50 mV
               on spike {{ v = -60 mV }}
               refractory {t_ref} ms hold v
             }}
             population P[1]: M()
             experiment e {{ run 1 s }}"
        );
        let mut n = network(&text);
        n.record_spikes(PopId(0), true);
        run(&mut n, (1000.0_f64 / dt) as u64);
        let steps = &n.spikes(PopId(0)).step;
        let closed = t_ref + 20.0 * (20.0_f64 / 10.0).ln();
        assert!(steps.len() > 30);
        for pair in steps.windows(2) {
            let interval = (pair[1] - pair[0]) as f64 * dt;
            let over = interval - closed;
            assert!(over > 0.0 && over <= dt + 1e-9, "dt {dt}, T {t_ref}: {interval} against {closed}");
        }
    }
}

/// Membrane and synaptic current by the exact propagator, equal time constants included, to 1e-12 of the closed form.
#[test]
fn exact_integration_has_its_closed_form() {
    for (tau_m, tau_s) in [(20.0_f64, 5.0_f64), (10.0, 10.0), (10.0, 10.0 * (1.0 + 2e-9))] {
        let text = format!(
            "simulation {{ dt = 0.1 ms }}
             neuron M {{
               state v = 0 mV, g = 3 mV
               dv/dt = (g - v) / {tau_m:?} ms
               dg/dt = -g / {tau_s:?} ms
             }}
             population P[3]: M()
             experiment e {{ run 50 ms }}"
        );
        let mut n = network(&text);
        for k in 1..=5 {
            run(&mut n, 100);
            let t = 10.0 * f64::from(k);
            let equal = 3.0 * t / tau_m * (-t / tau_m).exp();
            let want = if (tau_m - tau_s).abs() < 1e-6 {
                // First order around the limit is exact to 1e-16 here.
                equal
            } else {
                3.0 * tau_s / (tau_s - tau_m) * ((-t / tau_s).exp() - (-t / tau_m).exp())
            };
            let tolerance = if tau_m == tau_s || (tau_m - tau_s).abs() > 1.0 { 1e-12 } else { 1e-7 };
            let v = value(&mut n, 0, 0);
            assert!((v - want).abs() <= tolerance * want.abs(), "tau {tau_m} {tau_s} at {t}: {v} against {want}");
            let g = value(&mut n, 1, 2);
            let want = 3.0 * (-t / tau_s).exp();
            assert!((g - want).abs() <= 1e-12 * want, "{g} against {want}");
        }
    }
}

/// A different time constant for each neuron: propagators per neuron.
#[test]
fn exact_integration_with_different_time_constants() {
    let mut n = network(
        "simulation { dt = 0.1 ms }
         neuron M { param tau = 10 ms + 1 ms*i
           state v = 5 mV, w = 1 mV
           tau * dv/dt = w - v
           dw/dt = -w / tau }
         population P[20]: M()
         experiment e { run 1 ms }",
    );
    run(&mut n, 300);
    for k in 0..20 {
        let tau = 10.0 + k as f64;
        let want = (5.0 + 30.0 / tau) * (-30.0 / tau).exp();
        let v = value(&mut n, 1, k);
        assert!((v - want).abs() < 1e-12 * want, "{k}: {v} against {want}");
    }
}

/// A threshold that loses 5e-8 of itself a step decays by the right amount in `f32`: a decay step by step would lose nothing or twice as much.
#[test]
fn slow_decay_survives_f32() {
    for spikes_every in [0, 1] {
        let drive = if spikes_every == 0 { "-80 mV" } else { "-40 mV" };
        let text = format!(
            "simulation {{ dt = 0.5 ms; precision = f32 }}
             neuron M {{
               state v = -65 mV
               learned theta = 20 mV
               dv/dt = ({drive} - v) / 10 ms
               dtheta/dt = -theta / 1e7 ms
               spike when v > -50 mV
               on spike {{ v = -65 mV; theta += 0.05 mV }}
             }}
             population P[5]: M()
             experiment e {{ run 1 s }}"
        );
        let mut n = network(&text);
        n.record_spikes(PopId(0), true);
        let mut theta = 20.0_f64;
        for _ in 0..1000 {
            run(&mut n, 1000);
        }
        let log = n.spikes(PopId(0)).clone();
        let mut last = 0;
        for (step, neuron) in log.step.iter().zip(&log.neuron) {
            if *neuron == 3 {
                theta = theta * (-((step - last) as f64) * 5e-8).exp() + 0.05;
                last = *step;
            }
        }
        theta *= (-((1_000_000 - last) as f64) * 5e-8).exp();
        let got = value(&mut n, 1, 3);
        assert!((got - theta).abs() < 1e-6 * theta, "{got} against {theta}");
        assert!(spikes_every == 0 || log.step.len() > 1000);
    }
}

/// A spike without delay acts in the next step, one with a delay of d steps d steps later; the reset comes before the delivery.
#[test]
fn delays_are_exact_to_the_step() {
    for (delay, steps) in [("0 ms", 0_u64), ("0.1 ms", 1), ("1.5 ms", 15)] {
        let text = format!(
            "simulation {{ dt = 0.1 ms }}
             neuron Clock {{ state v = 0, g = 0
               dv/dt = 1/ms
               spike when v > 4.95
               on spike {{ v = -1e6 }} }}
             neuron Sink {{ state g = 0
               dg/dt = 0 * g / 1 ms
               spike when g > 0.5
               on spike {{ g = 0 }} }}
             population A[1]: Clock()
             population B[1]: Sink()
             connect A -> B.g via all_to_all with static(w = 1, delay = {delay})
             experiment e {{ run 10 ms }}"
        );
        let mut n = network(&text);
        n.record_spikes(PopId(0), true);
        n.record_spikes(PopId(1), true);
        run(&mut n, 100);
        let sent = n.spikes(PopId(0)).step.clone();
        let felt = n.spikes(PopId(1)).step.clone();
        assert_eq!(sent, [50]);
        assert_eq!(felt, [50 + steps + 1], "delay {delay}");
    }
}

/// Each line reads the one before twice, so that there are 2^40 ways from the last to the first.
#[test]
fn values_that_are_read_many_times_are_compiled_once() {
    let lets: String = (1..40).map(|k| format!("let a{k} = 0.5*sin(a{})*a{} + 0.1\n", k - 1, k - 1)).collect();
    let mut n = network(&format!(
        "simulation {{ dt = 0.1 ms }}
         neuron Deep {{ state v = 0.3 + 0.1*i
           let a0 = v
           {lets}
           dv/dt = (a39 - v) / 1 ms
           method euler }}
         population P[40]: Deep()
         experiment e {{ run 1 ms }}"
    ));
    run(&mut n, 1);
    let f = |v: f64| (1..40).fold(v, |a, _| 0.5 * a.sin() * a + 0.1);
    for i in [0, 17, 39] {
        let v = 0.3 + 0.1 * i as f64;
        assert!((value(&mut n, 0, i) - (v + 0.1 * (f(v) - v))).abs() < 1e-12);
    }
}
