//! What is drawn, as tables: comma-separated values with units in their headers, in the units of the declarations.

use std::fmt::Write;

use super::Plane;
use super::fixed::FixedPoint;
use super::window::Window;

/// The derivatives at the points of a grid, row by row from below. Of a neuron of one equation: along the axis.
#[must_use]
pub fn field(plane: &Plane, window: &Window, points: usize) -> String {
    let part = |k: usize| k as f64 / points.saturating_sub(1).max(1) as f64;
    let x = &plane.x;
    let Some(y) = &plane.y else {
        let mut out = format!("{},{}\n", x.label(), x.rate_label());
        for k in 0..points {
            let v = window.at(part(k), 0.0)[0];
            let _ = writeln!(out, "{},{}", v / x.unit.factor, plane.rates(v, v)[0] / x.rate.factor);
        }
        return out;
    };
    let mut out = format!("{},{},{},{}\n", x.label(), y.label(), x.rate_label(), y.rate_label());
    for j in 0..points {
        for i in 0..points {
            let [a, b] = window.at(part(i), part(j));
            let [da, db] = plane.rates(a, b);
            let _ = writeln!(
                out,
                "{},{},{},{}",
                a / x.unit.factor,
                b / y.unit.factor,
                da / x.rate.factor,
                db / y.rate.factor
            );
        }
    }
    out
}

/// The points of both nullclines in order; `piece` counts the curves of one nullcline.
#[must_use]
pub fn nullclines(plane: &Plane, curves: &[Vec<Vec<[f64; 2]>>; 2]) -> String {
    let Some(y) = &plane.y else { return String::new() };
    let x = &plane.x;
    let mut out = format!("nullcline,piece,{},{}\n", x.label(), y.label());
    for (name, pieces) in [&x.name, &y.name].into_iter().zip(curves) {
        for (k, piece) in pieces.iter().enumerate() {
            for [a, b] in piece {
                let _ = writeln!(out, "d{name}/dt = 0,{k},{},{}", a / x.unit.factor, b / y.unit.factor);
            }
        }
    }
    out
}

/// Fixed points with the eigenvalues of their Jacobians, per ms.
#[must_use]
pub fn fixed_points(plane: &Plane, found: &[FixedPoint]) -> String {
    let x = &plane.x;
    let mut out = x.label();
    if let Some(y) = &plane.y {
        let _ = write!(out, ",{}", y.label());
    }
    out.push_str(",kind");
    for k in 0..=usize::from(plane.y.is_some()) {
        let _ = write!(out, ",re{} (1/ms),im{} (1/ms)", k + 1, k + 1);
    }
    out.push('\n');
    for f in found {
        let _ = write!(out, "{}", f.at[0] / x.unit.factor);
        if let Some(y) = &plane.y {
            let _ = write!(out, ",{}", f.at[1] / y.unit.factor);
        }
        let _ = write!(out, ",{}", f.kind.name());
        for [re, im] in &f.eigenvalues {
            let _ = write!(out, ",{re},{im}");
        }
        out.push('\n');
    }
    out
}
