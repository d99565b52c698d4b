//! Nullclines by marching squares: the signs of a derivative at the nodes of a grid say which edges of its cells the curve crosses; each crossing is
//! then found on its edge to the last digits, so that the grid decides only how many points a curve has.

use std::collections::BTreeMap;

use super::Plane;
use super::window::Window;

/// Cells of the grid along each axis.
pub const CELLS: usize = 200;

/// A crossing where the derivative stays above this part of its values beside it is a jump, not a zero.
const JUMP: f64 = 1e-6;

/// An edge of the grid: column and row of its lower left node, and whether it goes up.
type Edge = (usize, usize, bool);

/// The curves on which the derivative of the first (0) or the second state (1) is zero, each as points in order.
#[must_use]
pub fn nullclines(plane: &Plane, window: &Window, which: usize) -> Vec<Vec<[f64; 2]>> {
    let rate = |p: [f64; 2]| plane.rates(p[0], p[1])[which.min(1)];
    zeros(&rate, window, CELLS)
}

/// The curves on which a function is zero.
fn zeros(rate: &dyn Fn([f64; 2]) -> f64, window: &Window, cells: usize) -> Vec<Vec<[f64; 2]>> {
    let node = |i: usize, j: usize| window.at(i as f64 / cells as f64, j as f64 / cells as f64);
    let side = cells + 1;
    let values: Vec<f64> = (0..side * side).map(|k| rate(node(k % side, k / side))).collect();
    let value = |i: usize, j: usize| values.get(j * side + i).copied().unwrap_or(f64::NAN);
    let mut points: BTreeMap<Edge, Option<[f64; 2]>> = BTreeMap::new();
    let mut links: BTreeMap<Edge, Vec<Edge>> = BTreeMap::new();
    for j in 0..cells {
        for i in 0..cells {
            let corners = [value(i, j), value(i + 1, j), value(i + 1, j + 1), value(i, j + 1)];
            if corners.iter().any(|v| !v.is_finite()) {
                continue;
            }
            let up = corners.map(|v| v >= 0.0);
            let edges: [Edge; 4] = [(i, j, false), (i + 1, j, true), (i, j + 1, false), (i, j, true)];
            let crossed = [up[0] != up[1], up[1] != up[2], up[2] != up[3], up[3] != up[0]];
            let mut link = |a: usize, b: usize| {
                for (a, b) in [(edges[a], edges[b]), (edges[b], edges[a])] {
                    links.entry(a).or_default().push(b);
                    points.entry(a).or_insert_with(|| {
                        let (i, j, goes_up) = a;
                        let end = if goes_up { node(i, j + 1) } else { node(i + 1, j) };
                        crossing(rate, node(i, j), end)
                    });
                }
            };
            let hit: Vec<usize> = (0..4).filter(|k| crossed[*k]).collect();
            match hit.as_slice() {
                [a, b] => link(*a, *b),
                [..] if hit.len() == 4 => {
                    // Two curves pass: the middle of the cell says which corners belong together.
                    let middle = rate(window.at((i as f64 + 0.5) / cells as f64, (j as f64 + 0.5) / cells as f64));
                    if (middle >= 0.0) == up[0] {
                        link(0, 1);
                        link(2, 3);
                    } else {
                        link(3, 0);
                        link(1, 2);
                    }
                }
                _ => {}
            }
        }
    }
    chains(&links, &points)
}

/// The zero between two points, by halving; `None` if the function jumps there.
pub(super) fn crossing(rate: &dyn Fn([f64; 2]) -> f64, from: [f64; 2], to: [f64; 2]) -> Option<[f64; 2]> {
    let at = |s: f64| [from[0] + s * (to[0] - from[0]), from[1] + s * (to[1] - from[1])];
    let (mut low, mut high) = (0.0, 1.0);
    let ends = (rate(from), rate(to));
    for _ in 0..52 {
        let middle = 0.5 * (low + high);
        let value = rate(at(middle));
        if !value.is_finite() {
            return None;
        }
        if (value >= 0.0) == (ends.0 >= 0.0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    let left = rate(at(low)).abs().min(rate(at(high)).abs());
    (left <= JUMP * ends.0.abs().max(ends.1.abs())).then(|| at(0.5 * (low + high)))
}

/// Joins linked crossings to curves: open ones from their ends first, then closed ones.
fn chains(links: &BTreeMap<Edge, Vec<Edge>>, points: &BTreeMap<Edge, Option<[f64; 2]>>) -> Vec<Vec<[f64; 2]>> {
    let mut done: BTreeMap<Edge, bool> = links.keys().map(|e| (*e, false)).collect();
    let place = |e: &Edge| points.get(e).copied().flatten();
    let open = links.iter().filter(|(_, to)| to.len() == 1).map(|(e, _)| *e);
    let starts: Vec<Edge> = open.chain(links.keys().copied()).collect();
    let mut out = Vec::new();
    for start in starts {
        if done.get(&start).copied().unwrap_or(true) {
            continue;
        }
        let (mut curve, mut here) = (Vec::new(), start);
        loop {
            done.insert(here, true);
            match place(&here) {
                Some(p) => curve.push(p),
                // A jump ends a piece.
                None => out.push(std::mem::take(&mut curve)),
            }
            let next = links.get(&here).into_iter().flatten().find(|e| !done.get(e).copied().unwrap_or(true));
            match next {
                Some(e) => here = *e,
                None => break,
            }
        }
        // A closed curve ends where it began.
        let closes = here != start && links.get(&here).is_some_and(|to| to.contains(&start) && to.len() == 2);
        if let (true, Some(p), true) = (closes, place(&start), curve.len() > 2) {
            curve.push(p);
        }
        out.push(curve);
    }
    out.retain(|c| c.len() > 1);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: Window = Window { x: (-2.0, 2.0), y: (-2.0, 2.0) };

    #[test]
    fn a_circle_is_one_closed_curve_of_points_on_it() {
        let curves = zeros(&|[x, y]| x * x + y * y - 1.0, &SQUARE, 50);
        assert_eq!(curves.len(), 1);
        let curve = &curves[0];
        assert!(curve.len() > 80 && curve.first() == curve.last());
        assert!(curve.iter().all(|[x, y]| (x.hypot(*y) - 1.0).abs() < 1e-12));
        // One after the other: no gaps.
        assert!(curve.windows(2).all(|p| (p[0][0] - p[1][0]).hypot(p[0][1] - p[1][1]) < 0.12));
    }

    #[test]
    fn branches_are_curves_of_their_own_and_jumps_are_none() {
        let hyperbola = zeros(&|[x, y]| x * y - 0.3, &SQUARE, 51);
        assert_eq!(hyperbola.len(), 2);
        assert!(hyperbola.iter().flatten().all(|[x, y]| (x * y - 0.3).abs() < 1e-12));
        assert!(zeros(&|[x, _]| if x > 0.3 { 1.0 } else { -1.0 }, &SQUARE, 50).is_empty());
        assert!(zeros(&|_| f64::NAN, &SQUARE, 50).is_empty());
    }
}
