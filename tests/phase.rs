//! Phase planes against closed forms.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;

use snnc::diag::Diagnostic;
use snnc::driver::{Session, Settings};
use snnc::phase::Plane;
use snnc::phase::fixed::{FixedPoint, Kind, fixed_on_line, fixed_points};
use snnc::phase::nullcline::nullclines;
use snnc::phase::table;
use snnc::phase::window::{self, Window};

fn plane(text: &str, neuron: &str, set: &[(&str, &str)], axes: [Option<&str>; 2]) -> Result<Plane, Vec<Diagnostic>> {
    let set = set.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let settings = Settings { set, ..Settings::default() };
    let (session, population) = Session::with_neuron(Path::new("models/model.snn"), text, neuron, &settings);
    let Some(model) = session.model else { return Err(session.sink.items) };
    let population = model.populations.iter().find(|p| p.name == population).unwrap();
    Plane::new(&model, population, axes[0], axes[1])
}

fn shipped(name: &str) -> String {
    std::fs::read_to_string(format!("{}/models/{name}.snn", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn points(plane: &Plane, window: &Window) -> Vec<FixedPoint> {
    let (found, lost) = fixed_points(plane, window, &nullclines(plane, window, 0));
    assert_eq!(lost, 0);
    found
}

/// dv/dt = 0 on w = v - v^3/3 + I, dw/dt = 0 on w = (v + a)/b; they cross at the root of v^3 + 3(1/b - 1)v + 3(a/b - I), by Cardano's formula.
#[test]
fn fitzhugh_nagumo_is_as_in_the_closed_form() {
    let (a, b, tau) = (0.7, 0.8, 12.5);
    for (current, kind) in [(0.0_f64, Kind::StableFocus), (0.5, Kind::UnstableFocus), (1.5, Kind::StableFocus)] {
        let set = [("I", current.to_string())];
        let set: Vec<(&str, &str)> = set.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let plane = plane(&shipped("fitzhugh_nagumo"), "FitzHughNagumo", &set, [None, None]).unwrap();
        let window = Window::new(&plane, None, None);
        assert_eq!(window.x, (-3.0, 3.0));
        let [first, second] = [0, 1].map(|k| nullclines(&plane, &window, k));
        assert!(first.iter().flatten().count() > 200 && second.iter().flatten().count() > 200);
        for [v, w] in first.into_iter().flatten() {
            assert!((w - (v - v.powi(3) / 3.0 + current)).abs() < 1e-11, "{v} {w}");
        }
        for [v, w] in second.into_iter().flatten() {
            assert!((w - (v + a) / b).abs() < 1e-11, "{v} {w}");
        }
        let (p, q) = (3.0 * (1.0 / b - 1.0), 3.0 * (a / b - current));
        let root = (q * q / 4.0 + p * p * p / 27.0).sqrt();
        let v = (-q / 2.0 + root).cbrt() + (-q / 2.0 - root).cbrt();
        let found = points(&plane, &window);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!((found[0].at[0] - v).abs() < 1e-10 && (found[0].at[1] - (v + a) / b).abs() < 1e-10, "{found:?}");
        assert_eq!(found[0].kind, kind, "I = {current}");
        let (trace, det) = (1.0 - v * v - b / tau, -(1.0 - v * v) * b / tau + 1.0 / tau);
        let wanted = [trace / 2.0, (det - trace * trace / 4.0).sqrt()];
        for (x, y) in found[0].eigenvalues[1].iter().zip(wanted) {
            assert!((x - y).abs() < 1e-8, "{:?} against {wanted:?}", found[0].eigenvalues);
        }
    }
}

/// 0.04 v^2 + 4.8 v + 140 = 0 at -70 and -50 mV without a current; they meet at I = 4 and are gone above.
#[test]
fn a_regular_spiking_neuron_has_a_node_and_a_saddle() {
    let with = |current: &str| {
        let plane = plane(&shipped("izhikevich"), "Izhikevich", &[("I", current)], [None, None]).unwrap();
        let window = Window::new(&plane, None, None);
        assert_eq!(plane.threshold, Some(30.0));
        points(&plane, &window)
    };
    let found = with("0 mV/ms");
    assert_eq!(found.iter().map(|f| f.kind).collect::<Vec<_>>(), [Kind::StableNode, Kind::Saddle]);
    for (f, at) in found.iter().zip([[-70.0, -14.0], [-50.0, -10.0]]) {
        assert!((f.at[0] - at[0]).abs() < 1e-9 && (f.at[1] - at[1]).abs() < 1e-9, "{found:?}");
    }
    // Eigenvalues of [[0.08 v + 5, -1], [a b, -a]] at -70 mV.
    let root = (0.31_f64 * 0.31 - 0.016).sqrt();
    for (e, wanted) in found[0].eigenvalues.iter().zip([-0.31 - root, -0.31 + root]) {
        assert!((e[0] - wanted).abs() < 1e-8 && e[1] == 0.0, "{found:?}");
    }
    assert!(with("5 mV/ms").is_empty());
}

/// The prelude's squid axon: n against v, the other gates at rest. Units of the declarations, `dn/dt = 0` on the known n_inf(v).
#[test]
fn other_states_stand_still_and_units_are_those_of_the_declarations() {
    let text = "simulation { dt = 0.01 ms }";
    let plane = plane(text, "hodgkin_huxley", &[("I", "10 uA/cm^2")], [None, Some("n")]).unwrap();
    assert_eq!((plane.x.label(), plane.x.rate_label()), ("v (mV)".to_owned(), "dv/dt (mV/ms)".to_owned()));
    assert_eq!(plane.y.as_ref().unwrap().rate_label(), "dn/dt (Hz)");
    assert!(plane.held.iter().any(|(name, value)| name == "h" && value == "0.5961"), "{:?}", plane.held);
    assert!(plane.given.iter().any(|(name, value)| name == "I" && value == "10 uA/cm^2"), "{:?}", plane.given);
    let window = Window::new(&plane, None, None);
    assert_eq!(window.x, (-90.0, 40.0));
    for [v, n] in nullclines(&plane, &window, 1).into_iter().flatten() {
        let x: f64 = -(v + 55.0) / 10.0;
        let alpha = if x == 0.0 { 0.1 } else { 0.1 * x / x.exp_m1() };
        let beta = 0.125 * (-(v + 65.0) / 80.0).exp();
        assert!((n - alpha / (alpha + beta)).abs() < 1e-10, "{v} {n}");
    }
}

/// dv/dt = (v^2 - 4)/ms has a stable point at -2 and an unstable one at 2.
#[test]
fn one_equation_is_drawn_over_its_state() {
    let text = "simulation { dt = 0.1 ms }
        neuron Quadratic { param low = 4
          state v = 0
          dv/dt = (v^2 - low) / 1 ms
          spike when v > 10
          on spike { v = -10 } }";
    let plane = plane(text, "Quadratic", &[], [None, None]).unwrap();
    assert!(plane.y.is_none());
    let window = Window::new(&plane, Some((-3.0, 3.0)), None);
    let found = fixed_on_line(&plane, &window);
    let seen: Vec<(f64, Kind)> = found.iter().map(|f| ((f.at[0] * 1e9).round() / 1e9, f.kind)).collect();
    assert_eq!(seen, [(-2.0, Kind::StableNode), (2.0, Kind::UnstableNode)]);
    assert!((found[0].eigenvalues[0][0] + 4.0).abs() < 1e-6);
    let rows = table::field(&plane, &window, 4);
    assert_eq!(rows, "v,dv/dt (Hz)\n-3,5000\n-1,-3000\n1,-3000\n3,5000\n");
}

#[test]
fn noise_time_and_drawn_values_are_named() {
    let text = "simulation { dt = 0.1 ms }
        neuron Noisy { param tau = normal(10 ms, 1 ms), drive = if t < 5 ms then 1 mV else 2 mV
          state v = 0 mV, w = 0 mV
          tau * dv/dt = -v - w + 3 mV*sqrt(2*tau)*xi
          tau * dw/dt = v - w + drive + 1 mV*sin(t / 1 ms) }";
    let faults = plane(text, "Noisy", &[], [None, None]).err().unwrap();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].message, "`tau` of `Noisy` has no single value");
    let plane = plane(text, "Noisy", &[("tau", "10 ms")], [None, None]).unwrap();
    assert_eq!(plane.notes.len(), 2, "{:?}", plane.notes);
    // With t = 0: w = -v, and w = v + 1 mV.
    let found = points(&plane, &Window::new(&plane, None, None));
    assert!((found[0].at[0] + 0.5).abs() < 1e-9 && (found[0].at[1] - 0.5).abs() < 1e-9, "{found:?}");
}

#[test]
fn ranges_have_units_or_those_of_the_axis() {
    let plane = plane(&shipped("izhikevich"), "Izhikevich", &[], [None, None]).unwrap();
    let parse = |text: &str| window::parse(text, "--x-range", &plane.x);
    assert_eq!(parse("-80..40").unwrap(), (-80.0, 40.0));
    assert_eq!(parse("-80 mV .. 0.04V").unwrap(), (-80.0, 40.0));
    assert_eq!(parse("-8e1..4e-2 V").unwrap(), (-80.0, 40.0));
    for text in ["1", "2..1", "a..b", "1..", "1..inf", "1 ms..2 ms", "1 xyz..2", "..", "é..ü"] {
        assert!(parse(text).is_err(), "{text}");
    }
}
