//! The models of the prelude against closed forms and published numbers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::path::Path;

use snnc::driver::{BackendKind, Session, Settings};
use snnc::hir::{PopId, ProjId, VarId};
use snnc::runtime::Network;
use snnc::script::machine::{Entity, Machine, RunKey, Slice, VarKey};

struct Run {
    network: Network,
    session: Session,
    dt: f64,
}

impl Run {
    fn new(text: &str) -> Self {
        let mut session = Session::from_text(Path::new("test.snn"), text, &Settings::default());
        session.plan_only();
        let words: Vec<String> =
            session.sink.items.iter().map(|d| snnc::diag::render::render_human(d, &session.sources, false)).collect();
        let model = session.model.clone().unwrap_or_else(|| panic!("{}", words.join("\n")));
        match session.build(&model, BackendKind::Jit) {
            Ok((mut network, _)) => {
                for p in 0..model.populations.len() as u32 {
                    network.record_spikes(PopId(p), true);
                }
                let dt = network.dt();
                Self { network, session, dt }
            }
            Err(errors) => panic!("{errors:?}"),
        }
    }

    fn advance(&mut self, time: f64) {
        let steps = (time / self.dt).round() as u64;
        self.network.begin_run(steps, RunKey(0)).unwrap();
        self.network.advance(steps).unwrap();
    }

    /// Spike times of a neuron in ms.
    fn spikes(&self, pop: u32, neuron: u32) -> Vec<f64> {
        let log = self.network.spikes(PopId(pop));
        log.step.iter().zip(&log.neuron).filter(|(_, n)| **n == neuron).map(|(s, _)| *s as f64 * self.dt).collect()
    }

    fn value(&mut self, entity: Entity, name: &str) -> f64 {
        let model = self.session.model.as_ref().unwrap();
        let vars = match entity {
            Entity::Pop(p) => &model.neurons[model.populations[p.index()].model.index()].vars,
            Entity::Proj(p) => &model.projections[p.index()].synapse.vars,
        };
        let var = VarId(vars.iter().position(|v| v.name == name).unwrap() as u32);
        match self.network.values(VarKey { entity, var }).data {
            Slice::F32(v) => f64::from(v[0]),
            Slice::F64(v) => v[0],
            Slice::Uniform(x) => x,
        }
    }
}

fn of(pop: u32) -> Entity {
    Entity::Pop(PopId(pop))
}

/// Spike counts in 1 s and first spike times of independent runs of the published equations with forward Euler at 0.1 ms.
#[test]
fn izhikevich_has_the_published_patterns() {
    let rows: &[(&str, &str, f64, f64, usize, &[f64])] = &[
        ("RS", "a = 0.02/ms, b = 0.2/ms, c = -65 mV, d = 8 mV/ms", 10.0, -65.0, 23, &[3.4, 27.1, 72.2, 117.3]),
        ("RS", "a = 0.02/ms, b = 0.2/ms, c = -65 mV, d = 8 mV/ms", 15.0, -65.0, 34, &[2.4, 7.1, 32.4, 62.9]),
        ("IB", "a = 0.02/ms, b = 0.2/ms, c = -55 mV, d = 4 mV/ms", 10.0, -65.0, 34, &[3.4, 5.9, 10.5, 50.8]),
        ("CH", "a = 0.02/ms, b = 0.2/ms, c = -50 mV, d = 2 mV/ms", 10.0, -65.0, 87, &[3.4, 5.0, 6.7, 8.6]),
        ("FS", "a = 0.1/ms, b = 0.2/ms, c = -65 mV, d = 2 mV/ms", 10.0, -65.0, 130, &[3.4, 8.0, 14.3, 21.8]),
        ("LTS", "a = 0.02/ms, b = 0.25/ms, c = -65 mV, d = 2 mV/ms", 15.0, -65.0, 115, &[2.1, 4.4, 7.0, 9.9]),
        ("TC", "a = 0.02/ms, b = 0.25/ms, c = -65 mV, d = 0.05 mV/ms", 1.0, -65.0, 21, &[10.5, 27.1, 62.8, 111.5]),
        ("TC rebound", "a = 0.02/ms, b = 0.25/ms, c = -65 mV, d = 0.05 mV/ms", 1.0, -90.0, 29, &[4.9, 8.4, 12.2, 16.3]),
        ("RZ", "a = 0.1/ms, b = 0.26/ms, c = -65 mV, d = 8 mV/ms", -0.0488, -65.0, 1, &[32.5]),
    ];
    for (name, args, current, v, count, first) in rows {
        let mut run = Run::new(&format!(
            "simulation {{ dt = 0.1 ms }}
             population P: izhikevich({args}, v = {v} mV, I = {current} mV/ms)
             experiment e {{ run 1 s }}"
        ));
        run.advance(1000.0);
        let times = run.spikes(0, 0);
        // Of the fast neuron, the last bit of the sums moves late spikes by more than a millisecond: one spike more or less.
        let off = usize::from(*name == "FS");
        assert!(times.len().abs_diff(*count) <= off, "{name} at {current}: {} {times:?}", times.len());
        for (got, want) in times.iter().zip(*first) {
            assert!((got - want).abs() < 1e-9, "{name} at {current}: {times:?}");
        }
    }
}

/// The interval of a LIF neuron: tau*ln(3) for a drive of 1.5 thresholds, met on the next step.
#[test]
fn lif_has_the_interval_of_its_closed_form() {
    let mut run = Run::new(
        "simulation { dt = 0.001 ms }
         population P: lif(tau = 10 ms, v_rest = 0 mV, v_reset = 0 mV, v_th = 1 mV, R = 1 MOhm, t_ref = 0 ms, I = 1.5 nA)
         experiment e { run 1 ms }",
    );
    run.advance(100.0);
    let times = run.spikes(0, 0);
    let period = 10.0 * 3.0_f64.ln();
    assert!((period - 10.98612).abs() < 1e-5 && times.len() == 9, "{times:?}");
    assert!((times[0] - period).abs() <= 0.001 + 1e-9, "{times:?}");
    assert!(times.windows(2).all(|w| w[1] - w[0] - period > 0.0 && w[1] - w[0] - period <= 0.001 + 1e-9), "{times:?}");
}

/// `regular` fires at phase, phase + period, …
#[test]
fn regular_sources_keep_their_times() {
    let mut run = Run::new(
        "simulation { dt = 0.1 ms }
         population P: regular(period = 0.7 ms)
         population Q: regular(period = 10 ms, phase = 2.5 ms)
         experiment e { run 1 ms }",
    );
    run.advance(300.0);
    for (pop, period, phase) in [(0, 0.7, 0.7), (1, 10.0, 2.5)] {
        let times = run.spikes(pop, 0);
        let want: Vec<f64> = (0..).map(|k| phase + f64::from(k) * period).take_while(|t| *t < 300.01).collect();
        assert_eq!(times.len(), want.len());
        assert!(times.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-6), "{times:?}");
    }
}

/// Synaptic currents and conductances after one spike.
#[test]
fn synaptic_responses_have_their_closed_forms() {
    let mut run = Run::new(
        "simulation { dt = 0.1 ms }
         population S: regular(period = 1 s, phase = 1 ms)
         population E: lif_curr_exp(tau_e = 3 ms, tau = 8 ms)
         population A: lif_curr_alpha(tau_i = 4 ms, tau = 8 ms)
         population G: lif_cond_exp(tau_e = 3 ms)
         connect S -> E.I_e via all_to_all with static(w = 100 pA)
         connect S -> A.a_i via all_to_all with static(w = -100 pA)
         connect S -> G.g_e via all_to_all with static(w = 2 nS)
         experiment e { run 1 ms }",
    );
    for t in [2.0_f64, 5.0, 9.0] {
        run.advance(if t == 9.0 { 4.0 } else { 3.0 });
        let close = |got: f64, want: f64| {
            assert!((got - want).abs() < 1e-11 * want.abs().max(1e-3), "{got} against {want} at {t}")
        };
        let i = run.value(of(1), "I_e");
        close(i, 100.0 * (-t / 3.0).exp());
        let (m, s) = (8.0_f64, 3.0_f64);
        let v = run.value(of(1), "v");
        close(v + 70.0, 100.0 / 250.0 * m * s / (m - s) * ((-t / m).exp() - (-t / s).exp()));
        let i = run.value(of(2), "I_i");
        close(i, -100.0 * t / 4.0 * (1.0 - t / 4.0).exp());
        let g = run.value(of(3), "g_e");
        close(g, 2.0 * (-t / 3.0).exp());
    }
    // With so small a conductance the potential follows the current g*(E_e - E_L) to first order.
    let v = run.value(of(3), "v") + 70.0;
    let (m, s, t) = (250.0 / 16.6667_f64, 3.0_f64, 9.0_f64);
    let linear = 2.0 * 70.0 / 250.0 * m * s / (m - s) * ((-t / m).exp() - (-t / s).exp());
    assert!((v - linear).abs() < 0.05 * linear, "{v} against {linear}");
}

/// Rest loses its stability at the current where the slope of the exponential meets leak and adaptation (Naud et al. 2008), and the
/// potential at rest solves the equations.
#[test]
fn adex_has_its_rheobase() {
    // a/g_L < tau_m/tau_w: a saddle and a node meet.
    let (g_l, e_l, v_t, delta, a) = (10.0_f64, -70.0_f64, -50.0_f64, 2.0_f64, 2.0_f64);
    let rheobase = (g_l + a) * (v_t - e_l - delta + delta * (1.0 + a / g_l).ln());
    for (factor, fires) in [(0.99, false), (1.01, true)] {
        let mut run = Run::new(&format!(
            "simulation {{ dt = 0.1 ms }}
             population P: adex(C = 200 pF, g_L = 10 nS, E_L = -70 mV, v_T = -50 mV, Delta_T = 2 mV, a = 2 nS, tau_w = 30 ms,
                                b = 0 pA, v_reset = -58 mV, I = {:?} pA*min(1, t/2 s))
             experiment e {{ run 1 ms }}",
            factor * rheobase
        ));
        run.advance(5000.0);
        assert_eq!(!run.spikes(0, 0).is_empty(), fires, "{factor}");
        if !fires {
            let v = run.value(of(0), "v");
            let rest = -(g_l + a) * (v - e_l) + g_l * delta * ((v - v_t) / delta).exp() + factor * rheobase;
            assert!(rest.abs() < 1e-6, "{rest}");
        }
    }
    // Each spike of the default adds b to w, and w decays with tau_w once the current is off.
    let mut run = Run::new(
        "simulation { dt = 0.1 ms }
         population P: adex(a = 0 nS, w = 50 pA)
         experiment e { run 1 ms }",
    );
    run.advance(72.0);
    let w = run.value(of(0), "w");
    assert!((w - 50.0 * (-0.5_f64).exp()).abs() < 1e-6, "{w}");
}

/// Spike counts in 500 ms at 0.02 ms with Runge–Kutta steps.
#[test]
fn hodgkin_huxley_has_its_spike_counts() {
    for (current, count) in [(6.0, 2), (7.0, 30), (10.0, 35)] {
        let mut run = Run::new(&format!(
            "simulation {{ dt = 0.02 ms }}
             population P: hodgkin_huxley(I = {current} uA/cm^2)
             experiment e {{ run 1 ms }}"
        ));
        run.advance(500.0);
        assert_eq!(run.spikes(0, 0).len(), count, "{current}");
    }
}

/// A neuron that fires by the clock and may be a target.
const CLOCK: &str = "neuron Clock { param period: ms, phase = 0 ms, n = 1e9
       state g = 0
       let now = floor((t - phase + dt/2) / period)
       let before = floor((t - dt - phase + dt/2) / period)
       spike when now >= 0 and now > before and now < n }";

/// The window of pair STDP: one pre and one post spike 10 ms apart.
#[test]
fn stdp_has_its_window() {
    for (pre, post, want) in [(100.0, 110.0, 0.01 * (-0.5_f64).exp()), (110.0, 100.0, -0.0105 * (-0.5_f64).exp())] {
        let mut run = Run::new(&format!(
            "simulation {{ dt = 0.1 ms }}
             {}
             population A: Clock(period = 10 s, phase = {pre} ms)
             population B: Clock(period = 10 s, phase = {post} ms)
             connect A -> B.g via all_to_all with stdp(w = 0.5, w_max = 1)
             experiment e {{ run 1 ms }}",
            CLOCK
        ));
        run.advance(200.0);
        let w = run.value(Entity::Proj(ProjId(0)), "w");
        assert!((w - 0.5 - want).abs() < 1e-12, "{} against {want}", w - 0.5);
    }
    assert!((0.01 * (-0.5_f64).exp() - 0.006_065_3).abs() < 1e-7);
}

/// Sixty pairs at a constant rate, in the full all-to-all fit for visual cortex: independent exact event simulations.
#[test]
fn triplets_depend_on_the_rate_as_published() {
    for (lag, changes) in [
        (10.0, [0.000_068, 0.132_053, 0.246_962, 0.533_723, 0.740_906]),
        (-10.0, [-0.312_161, -0.333_623, -0.351_622, 0.154_795, 0.727_247]),
    ] {
        for (rate, want) in [1.0, 10.0, 20.0, 40.0, 50.0].into_iter().zip(changes) {
            let period = 1000.0 / rate;
            // Away from the bounds; the amplitudes are in units of w_max.
            let start = if want > 0.0 { 0.2 } else { 0.9 };
            let mut run = Run::new(&format!(
                "simulation {{ dt = 1 ms }}
                 {}
                 population A: Clock(period = {period} ms, phase = 20 ms, n = 60)
                 population B: Clock(period = {period} ms, phase = {} ms, n = 60)
                 connect A -> B.g via all_to_all with triplet(w = {start}, w_max = 1)
                 experiment e {{ run 1 ms }}",
                CLOCK,
                20.0 + lag
            ));
            run.advance(period * 60.0 + 100.0);
            let w = run.value(Entity::Proj(ProjId(0)), "w");
            assert!((w - start - want).abs() < 1e-6, "{rate} Hz, {lag} ms: {} against {want}", w - start);
        }
    }
}

/// One pre and one post spike: potentiation either way, depression by the pre spike alone.
#[test]
fn vogels_is_symmetric_around_its_offset() {
    let mut changes = Vec::new();
    for (pre, post) in [(100.0, 110.0), (110.0, 100.0)] {
        let mut run = Run::new(&format!(
            "simulation {{ dt = 0.1 ms }}
             {}
             population A: Clock(period = 10 s, phase = {pre} ms)
             population B: Clock(period = 10 s, phase = {post} ms)
             connect A -> B.g via all_to_all with vogels(w = 0.5, w_max = 1, rho = 3 Hz)
             experiment e {{ run 1 ms }}",
            CLOCK
        ));
        run.advance(200.0);
        changes.push(run.value(Entity::Proj(ProjId(0)), "w") - 0.5);
    }
    let want = 0.005 * ((-0.5_f64).exp() - 2.0 * 0.003 * 20.0);
    assert!(changes.iter().all(|c| (c - want).abs() < 1e-12), "{changes:?} against {want}");
}

/// The amplitudes of a regular train obey the recursion between spikes.
#[test]
fn short_term_plasticity_has_its_recursion() {
    let mut run = Run::new(&format!(
        "simulation {{ dt = 0.1 ms }}
         {}
         population A: Clock(period = 50 ms, phase = 10 ms)
         population B: Clock(period = 100 s, phase = 100 s)
         connect A -> B.g via all_to_all with tsodyks_markram(w = 2, U = 0.2, tau_rec = 130 ms, tau_facil = 530 ms)
         experiment e {{ run 1 ms }}",
        CLOCK
    ));
    let (mut u, mut x, mut sum) = (0.0_f64, 1.0_f64, 0.0);
    for k in 0..20 {
        if k > 0 {
            u *= (-50.0_f64 / 530.0).exp();
            x = 1.0 - (1.0 - x) * (-50.0_f64 / 130.0).exp();
        }
        u += 0.2 * (1.0 - u);
        sum += 2.0 * u * x;
        x -= u * x;
        run.advance(if k == 0 { 10.0 } else { 50.0 });
        let g = run.value(of(1), "g");
        assert!((g - sum).abs() < 1e-11 * sum, "spike {k}: {g} against {sum}");
    }
}
