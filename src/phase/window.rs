//! The part of a plane that is drawn: as the command line says, or from what the equations show.

use super::{Axis, Plane};
use crate::diag::{Code, Diagnostic};
use crate::units::{Dim, show, table};

/// Ranges of both states in internal units, each lower value first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Across.
    pub x: (f64, f64),
    /// Up.
    pub y: (f64, f64),
}

impl Window {
    /// The point at parts of the window, (0, 0) being its lower left corner.
    #[must_use]
    pub fn at(&self, across: f64, up: f64) -> [f64; 2] {
        [self.x.0 + across * (self.x.1 - self.x.0), self.y.0 + up * (self.y.1 - self.y.0)]
    }

    /// The distance of two points, in widths and heights of the window.
    #[must_use]
    pub fn apart(&self, p: [f64; 2], q: [f64; 2]) -> f64 {
        ((p[0] - q[0]) / (self.x.1 - self.x.0)).hypot((p[1] - q[1]) / (self.y.1 - self.y.0))
    }

    /// The window of a plane. What is not given for the state across is where states of its kind usually are; for the state up it is where the nullclines
    /// go inside the range across.
    #[must_use]
    pub fn new(plane: &Plane, x: Option<(f64, f64)>, y: Option<(f64, f64)>) -> Self {
        let x = x.unwrap_or_else(|| usual(&plane.x));
        let y = y.unwrap_or_else(|| match &plane.y {
            Some(axis) => axis.bounds.or_else(|| along(plane, axis, x)).unwrap_or_else(|| usual(axis)),
            None => rates(plane, x),
        });
        Self { x, y }
    }
}

/// Where a state usually is: inside its bounds, membrane potentials between -90 and 40 mV, others around their initial value.
fn usual(axis: &Axis) -> (f64, f64) {
    if let Some(bounds) = axis.bounds.filter(|(lo, hi)| lo < hi && lo.is_finite() && hi.is_finite()) {
        return bounds;
    }
    if axis.dim == Dim::VOLTAGE && (-200.0..-20.0).contains(&axis.initial) {
        return (-90.0, 40.0);
    }
    let reach = (3.0 * axis.unit.factor).max(2.0 * axis.initial.abs());
    (-reach, reach)
}

/// How many points across are looked at.
const POINTS: usize = 400;

/// The range of the derivative of a neuron of one equation.
fn rates(plane: &Plane, x: (f64, f64)) -> (f64, f64) {
    let values = (0..=POINTS).map(|k| {
        let at = x.0 + (x.1 - x.0) * k as f64 / POINTS as f64;
        plane.rates(at, at)[0]
    });
    widened(values.chain([0.0])).unwrap_or((-1.0, 1.0))
}

/// The range of the nullclines that give one value of the second state for each of the first: all of the second state's own, and of the first
/// state's the turning points.
fn along(plane: &Plane, axis: &Axis, x: (f64, f64)) -> Option<(f64, f64)> {
    let unit = axis.unit.factor;
    let solved = |which: usize| -> Vec<f64> {
        let at = |k: usize| x.0 + (x.1 - x.0) * k as f64 / POINTS as f64;
        let root = |v: f64| {
            let [a, b, c] = [0.0, unit, 2.0 * unit].map(|y| plane.rates(v, y)[which]);
            let straight = ((c - b) - (b - a)).abs() <= 1e-9 * (a.abs() + b.abs() + c.abs());
            if straight && b != a { a / (a - b) * unit } else { f64::NAN }
        };
        (0..=POINTS).map(|k| root(at(k))).collect()
    };
    let (first, second) = (solved(0), solved(1));
    let turns = first.windows(3).filter_map(|p| match p {
        [a, b, c] if (b - a) * (c - b) <= 0.0 => Some(*b),
        _ => None,
    });
    let finite = |values: &[f64]| values.iter().copied().filter(|v| v.is_finite()).collect::<Vec<f64>>();
    let own = widened(finite(&second).into_iter().chain([axis.initial]));
    let Some((lo, hi)) = own else {
        // The second state goes to one value: what the first one makes of it gives the range.
        return widened(finite(&first).into_iter().chain(finite(&second)).chain([axis.initial]));
    };
    // An exponential that runs away turns nowhere near.
    let near = turns.filter(|v| (lo - 3.0 * (hi - lo)..hi + 3.0 * (hi - lo)).contains(v));
    widened(finite(&second).into_iter().chain([axis.initial]).chain(near))
}

/// The range of values with a margin; `None` if it is no range.
fn widened(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (lo, hi) =
        values.filter(|v| v.is_finite()).fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
    let margin = 0.15 * (hi - lo);
    (margin > 0.0).then_some((lo - margin, hi + margin))
}

/// A range of the command line, such as `-80..40` or `-80 mV..0.04 V`: numbers without a unit are in that of the axis.
///
/// # Errors
/// What is no range: `E0905`. A unit that does not fit: `E0205`.
pub fn parse(text: &str, option: &str, axis: &Axis) -> Result<(f64, f64), Diagnostic> {
    let unit = if axis.unit.name.is_empty() { String::new() } else { format!(" {}", axis.unit.name) };
    let wrong = || {
        Diagnostic::without_span(Code::E0905, format!("`{option} {text}` is no range"))
            .help(format!("write two numbers, the smaller first: `{option}=\"-80{unit}..40{unit}\"`"))
    };
    let (lo, hi) = text.split_once("..").ok_or_else(wrong)?;
    let bound = |part: &str| {
        let part = part.trim();
        let end = part
            .char_indices()
            .find(|(k, c)| {
                let exponent = matches!(c, 'e' | 'E')
                    && part
                        .get(k + 1..)
                        .is_some_and(|r| r.starts_with(|d: char| d.is_ascii_digit() || d == '-' || d == '+'));
                !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+') || exponent)
            })
            .map_or(part.len(), |(k, _)| k);
        let (digits, word) = part.split_at(end);
        let value: f64 = digits.parse().map_err(|_| wrong())?;
        let word = word.trim();
        if word.is_empty() {
            return Ok(value * axis.unit.factor);
        }
        match table::parse_product(word) {
            Some(u) if u.dim == axis.dim => Ok(u.scale(value)),
            Some(_) => Err(Diagnostic::without_span(
                Code::E0205,
                format!("`{option}` is in {word}, but `{}` is {}", axis.name, show::describe(axis.dim)),
            )),
            None => Err(Diagnostic::without_span(Code::E0102, format!("there is no unit `{word}` for `{option}`"))),
        }
    };
    let (lo, hi) = (bound(lo)?, bound(hi)?);
    if lo < hi && (hi - lo).is_finite() { Ok((lo, hi)) } else { Err(wrong()) }
}
