//! Fixed points: where the nullclines cross, made exact by Newton's method, with the eigenvalues of the Jacobian there and what they say.

use super::Plane;
use super::window::Window;

/// A point at which nothing changes.
#[derive(Debug, Clone, PartialEq)]
pub struct FixedPoint {
    /// Where.
    pub at: [f64; 2],
    /// The eigenvalues of the Jacobian per ms: real and imaginary part of each. One for a neuron of one equation.
    pub eigenvalues: Vec<[f64; 2]>,
    /// What they say.
    pub kind: Kind,
}

/// How trajectories near a fixed point behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as in the field")]
pub enum Kind {
    StableNode,
    UnstableNode,
    StableFocus,
    UnstableFocus,
    Saddle,
    /// Imaginary eigenvalues: the linear part does not say whether it is stable.
    Centre,
    /// An eigenvalue is zero: a bifurcation, or a line of fixed points.
    Degenerate,
}

impl Kind {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::StableNode => "stable node",
            Self::UnstableNode => "unstable node",
            Self::StableFocus => "stable focus",
            Self::UnstableFocus => "unstable focus",
            Self::Saddle => "saddle",
            Self::Centre => "centre",
            Self::Degenerate => "degenerate (an eigenvalue is 0)",
        }
    }

    /// Whether trajectories end there.
    #[must_use]
    pub fn stable(self) -> bool {
        matches!(self, Self::StableNode | Self::StableFocus)
    }
}

/// Below this part of the other terms a trace or determinant counts as zero.
const ZERO: f64 = 1e-9;

/// Fixed points of a plane inside a window, from left to right; and how many crossings of the nullclines gave none.
#[must_use]
pub fn fixed_points(plane: &Plane, window: &Window, first: &[Vec<[f64; 2]>]) -> (Vec<FixedPoint>, usize) {
    let mut found: Vec<FixedPoint> = Vec::new();
    let mut lost = 0;
    let second = |p: [f64; 2]| plane.rates(p[0], p[1])[1];
    for pair in first.iter().flat_map(|c| c.windows(2)) {
        let &[a, b] = pair else { continue };
        let (fa, fb) = (second(a), second(b));
        if (fa >= 0.0) == (fb >= 0.0) || !fa.is_finite() || !fb.is_finite() {
            continue;
        }
        let s = fa / (fa - fb);
        let guess = [a[0] + s * (b[0] - a[0]), a[1] + s * (b[1] - a[1])];
        let Some(at) = newton(plane, window, guess).filter(|p| window.apart(*p, guess) < 0.02) else {
            lost += 1;
            continue;
        };
        if found.iter().all(|f| window.apart(f.at, at) > 1e-7) {
            let (eigenvalues, kind) = judge(jacobian(plane, window, at));
            found.push(FixedPoint { at, eigenvalues, kind });
        }
    }
    found.sort_by(|a, b| a.at[0].total_cmp(&b.at[0]).then(a.at[1].total_cmp(&b.at[1])));
    (found, lost)
}

/// Fixed points of a neuron of one equation.
#[must_use]
pub fn fixed_on_line(plane: &Plane, window: &Window) -> Vec<FixedPoint> {
    const PIECES: usize = 2000;
    let rate = |p: [f64; 2]| plane.rates(p[0], p[0])[0];
    let node = |k: usize| [window.at(k as f64 / PIECES as f64, 0.0)[0], 0.0];
    let mut out = Vec::new();
    for k in 0..PIECES {
        let (a, b) = (node(k), node(k + 1));
        let (fa, fb) = (rate(a), rate(b));
        if (fa >= 0.0) == (fb >= 0.0) || !fa.is_finite() || !fb.is_finite() {
            continue;
        }
        let Some([x, _]) = super::nullcline::crossing(&rate, a, b) else { continue };
        let h = 1e-4 * (window.x.1 - window.x.0);
        let slope = slope([-2.0, -1.0, 1.0, 2.0].map(|n| rate([x + n * h, 0.0])), h);
        let kind = if slope < 0.0 {
            Kind::StableNode
        } else if slope > 0.0 {
            Kind::UnstableNode
        } else {
            Kind::Degenerate
        };
        out.push(FixedPoint { at: [x, 0.0], eigenvalues: vec![[slope, 0.0]], kind });
    }
    out
}

fn newton(plane: &Plane, window: &Window, start: [f64; 2]) -> Option<[f64; 2]> {
    let mut p = start;
    for _ in 0..60 {
        let [f, g] = plane.rates(p[0], p[1]);
        let [[a, b], [c, d]] = jacobian(plane, window, p);
        let det = a * d - b * c;
        let step = [(b * g - d * f) / det, (c * f - a * g) / det];
        let next = [p[0] + step[0], p[1] + step[1]];
        if !next.iter().all(|v| v.is_finite()) {
            return None;
        }
        let moved = window.apart(next, p);
        p = next;
        if moved < 1e-13 {
            return Some(p);
        }
    }
    // Rounding may keep the last steps from vanishing.
    let [f, g] = plane.rates(p[0], p[1]);
    let [f0, g0] = plane.rates(start[0], start[1]);
    (f.abs() <= 1e-6 * f0.abs().max(1e-9) && g.abs() <= 1e-6 * g0.abs().max(1e-9)).then_some(p)
}

/// The derivative from values at -2h, -h, h and 2h: a central difference of fourth order.
fn slope([far_down, down, up, far_up]: [f64; 4], h: f64) -> f64 {
    (8.0 * (up - down) - (far_up - far_down)) / (12.0 * h)
}

/// The derivatives of both rates by both states.
fn jacobian(plane: &Plane, window: &Window, at: [f64; 2]) -> [[f64; 2]; 2] {
    let h = [1e-4 * (window.x.1 - window.x.0), 1e-4 * (window.y.1 - window.y.0)];
    let mut out = [[0.0; 2]; 2];
    for k in 0..2 {
        let moved = |n: f64| {
            let mut p = at;
            p[k] += n * h[k];
            plane.rates(p[0], p[1])
        };
        let [far_down, down, up, far_up] = [-2.0, -1.0, 1.0, 2.0].map(moved);
        for (row, line) in out.iter_mut().enumerate() {
            line[k] = slope([far_down[row], down[row], up[row], far_up[row]], h[k]);
        }
    }
    out
}

/// Eigenvalues of a Jacobian, and the kind of its fixed point.
fn judge([[a, b], [c, d]]: [[f64; 2]; 2]) -> (Vec<[f64; 2]>, Kind) {
    let (trace, det) = (a + d, a * d - b * c);
    let scale = (a * d).abs() + (b * c).abs();
    let square = trace * trace / 4.0 - det;
    let eigenvalues = if square >= 0.0 {
        let root = square.sqrt();
        vec![[trace / 2.0 - root, 0.0], [trace / 2.0 + root, 0.0]]
    } else {
        let root = (-square).sqrt();
        vec![[trace / 2.0, -root], [trace / 2.0, root]]
    };
    let kind = if det.abs() <= ZERO * scale {
        Kind::Degenerate
    } else if det < 0.0 {
        Kind::Saddle
    } else if trace * trace <= ZERO * scale {
        Kind::Centre
    } else {
        match (square >= 0.0, trace < 0.0) {
            (true, true) => Kind::StableNode,
            (true, false) => Kind::UnstableNode,
            (false, true) => Kind::StableFocus,
            (false, false) => Kind::UnstableFocus,
        }
    };
    (eigenvalues, kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_follow_from_eigenvalues() {
        let kind = |m| judge(m).1;
        assert_eq!(kind([[-1.0, 0.0], [0.0, -2.0]]), Kind::StableNode);
        assert_eq!(kind([[1.0, 0.0], [0.0, 2.0]]), Kind::UnstableNode);
        assert_eq!(kind([[-0.1, 1.0], [-1.0, -0.1]]), Kind::StableFocus);
        assert_eq!(kind([[0.1, 1.0], [-1.0, 0.1]]), Kind::UnstableFocus);
        assert_eq!(kind([[1.0, 0.0], [0.0, -1.0]]), Kind::Saddle);
        assert_eq!(kind([[0.0, 1.0], [-1.0, 0.0]]), Kind::Centre);
        assert_eq!(kind([[1.0, 2.0], [2.0, 4.0]]), Kind::Degenerate);
        let (values, _) = judge([[3.0, 1.0], [-4.0, -1.0]]);
        assert!(values.iter().all(|[re, im]| (re - 1.0).abs() < 1e-7 && im.abs() < 1e-7), "{values:?}");
    }
}
