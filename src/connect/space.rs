//! Rules on grids: connection probability falling with distance, and pooling of neighbourhoods.
//!
//! A population has coordinates on its grid; one without a grid is a line. The source's spacing is the unit of length; a target grid of
//! another size covers the same space.

use super::adjacency::Rows;
use super::{Adjacency, Arguments, Candidates, ConnectError, Param, ParamKind, Pattern};
use crate::rng::Stream;
use crate::rng::math::{exp, ln};

/// Every pair with probability p*exp(-(d/lambda)^2) at distance d, independently (Maass, Natschläger & Markram 2002, eq. of section 3).
pub(super) struct Distance;

impl Pattern for Distance {
    fn name(&self) -> &'static str {
        "distance"
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param { name: "p", kind: ParamKind::Probability, default: None },
                Param { name: "lambda", kind: ParamKind::Positive, default: None },
            ]
        }
    }

    fn expected_synapses(&self, a: &Arguments<'_>, pre: usize, post: usize) -> Result<f64, ConnectError> {
        // A bound: as if all pairs were at distance 0, or fell off on the plane, whichever is less.
        let (p, lambda) = (a.probability(self, "p")?, a.positive(self, "lambda")?);
        let axes = a.grids.as_ref().map_or(1, |(g, _)| g.len().max(1));
        let around = (lambda * std::f64::consts::PI.sqrt()).powi(axes as i32).max(1.0);
        Ok(p * pre as f64 * (post as f64).min(around))
    }

    fn choose(&self, a: &Arguments<'_>, c: &Candidates<'_>, stream: Stream) -> Result<Adjacency, ConnectError> {
        let (p, lambda) = (a.probability(self, "p")?, a.positive(self, "lambda")?);
        let (pre_grid, post_grid) = grids(a, c)?;
        // A uniform draw of 53 bits is never below 2^-54: pairs beyond this distance are never chosen.
        let reach = if p > 0.0 { lambda * lambda * (ln(p) + 54.0 * std::f64::consts::LN_2) } else { 0.0 };
        let places: Vec<Vec<f64>> = c.post.iter().map(|j| position(&post_grid, &pre_grid, *j)).collect();
        let stream = stream.sub(4);
        let mut rows = Rows::new(c.pre_size, self.expected_synapses(a, c.pre.len(), c.post.len())?);
        for &pre in c.pre {
            rows.begin(pre);
            let here = position(&pre_grid, &pre_grid, pre);
            for (&post, there) in c.post.iter().zip(&places) {
                let d2: f64 = here.iter().zip(there).map(|(x, y)| (x - y) * (x - y)).sum();
                // The draw of a pair depends on the pair only, not on what else is in the views.
                if d2 <= reach
                    && stream.uniform(u64::from(pre), u64::from(post)) < p * exp(-d2 / (lambda * lambda))
                    && c.admits(pre, post)?
                {
                    rows.push(post)?;
                }
            }
        }
        Ok(rows.finish())
    }
}

/// Each target hears a block of `size` by `size` neurons of the source (of its own channel, where grids have more than two axes).
pub(super) struct Pool;

impl Pattern for Pool {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn params(&self) -> &'static [Param] {
        const { &[Param { name: "size", kind: ParamKind::Count, default: None }] }
    }

    fn expected_synapses(&self, _: &Arguments<'_>, pre: usize, _: usize) -> Result<f64, ConnectError> {
        Ok(pre as f64)
    }

    fn choose(&self, a: &Arguments<'_>, c: &Candidates<'_>, _: Stream) -> Result<Adjacency, ConnectError> {
        let size = a.count(self, "size")?.max(1);
        let (pre_grid, post_grid) = grids(a, c)?;
        let pooled = pre_grid.len().saturating_sub(2);
        let fits = pre_grid.iter().zip(&post_grid).enumerate().all(
            |(axis, (n, m))| {
                if axis < pooled { n == m } else { n / size == *m }
            },
        );
        if !fits {
            let wanted: Vec<String> = pre_grid
                .iter()
                .enumerate()
                .map(|(axis, n)| (if axis < pooled { *n } else { n / size }).to_string())
                .collect();
            return Err(ConnectError::Argument(format!(
                "pooling blocks of {size} of a source of {} neurons needs a target of [{}]",
                words(&pre_grid),
                wanted.join(", ")
            )));
        }
        let mut rows = Rows::new(c.pre_size, c.pre.len() as f64);
        for &pre in c.pre {
            rows.begin(pre);
            let at = coordinates(&pre_grid, u64::from(pre));
            let mut post = 0;
            let mut inside = true;
            for (axis, (k, m)) in at.iter().zip(&post_grid).enumerate() {
                let k = if axis < pooled { *k } else { k / size };
                inside &= k < *m;
                post = post * m + k;
            }
            // Rows and columns that fill no block are left over.
            if inside && c.post.binary_search(&(post as u32)).is_ok() && c.admits(pre, post as u32)? {
                rows.push(post as u32)?;
            }
        }
        Ok(rows.finish())
    }
}

/// The grids of source and target, with as many axes.
fn grids(a: &Arguments<'_>, c: &Candidates<'_>) -> Result<(Vec<u64>, Vec<u64>), ConnectError> {
    let line = || (vec![u64::from(c.pre_size)], vec![u64::from(c.post_size)]);
    let (pre, post) = a.grids.clone().unwrap_or_else(line);
    if pre.len() != post.len() {
        return Err(ConnectError::Argument(format!(
            "source and target need grids of as many axes, but they are {} and {} neurons",
            words(&pre),
            words(&post)
        )));
    }
    Ok((pre, post))
}

fn words(grid: &[u64]) -> String {
    grid.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ")
}

fn coordinates(grid: &[u64], index: u64) -> Vec<u64> {
    let mut rest = index;
    let mut out: Vec<u64> = grid
        .iter()
        .rev()
        .map(|n| {
            let k = rest % (*n).max(1);
            rest /= (*n).max(1);
            k
        })
        .collect();
    out.reverse();
    out
}

/// Where a neuron lies, in spacings of the grid `unit`.
fn position(grid: &[u64], unit: &[u64], index: u32) -> Vec<f64> {
    coordinates(grid, u64::from(index))
        .iter()
        .zip(grid.iter().zip(unit))
        .map(|(k, (n, m))| (*k as f64 + 0.5) * (*m as f64 / (*n).max(1) as f64))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Value, build};
    use super::*;

    fn all(n: u32) -> Vec<u32> {
        (0..n).collect()
    }

    #[test]
    fn probability_falls_with_distance_as_stated() {
        let (n, p, lambda) = (12_u64, 0.6, 2.0_f64);
        let size = (n * n * n) as u32;
        let view = all(size);
        let c = Candidates { pre_size: size, post_size: size, pre: &view, post: &view, filter: None };
        let a = Arguments::new()
            .with("p", Value::Real(p))
            .with("lambda", Value::Real(lambda))
            .with_grids(vec![n; 3], vec![n; 3]);
        let found = build(&Distance, &a, &c, Stream::new(3, "L")).unwrap();
        let mut pairs = std::collections::BTreeMap::<u64, f64>::new();
        let mut chosen = std::collections::BTreeMap::<u64, f64>::new();
        let d2 = |i: u32, j: u32| -> u64 {
            let (a, b) = (coordinates(&[n; 3], i.into()), coordinates(&[n; 3], j.into()));
            a.iter().zip(&b).map(|(x, y)| x.abs_diff(*y).pow(2)).sum()
        };
        for i in 0..size {
            for j in 0..size {
                *pairs.entry(d2(i, j)).or_default() += 1.0;
            }
            for j in found.row(i) {
                *chosen.entry(d2(i, *j)).or_default() += 1.0;
            }
        }
        for (d2, pairs) in pairs {
            let p = p * (-(d2 as f64) / (lambda * lambda)).exp();
            let k = chosen.get(&d2).copied().unwrap_or(0.0);
            assert!(
                (k - pairs * p).abs() <= 5.0 * (pairs * p * (1.0 - p)).sqrt() + 1.0,
                "distance² {d2}: {k} of {pairs}"
            );
        }
    }

    #[test]
    fn a_pair_does_not_depend_on_the_views() {
        let view = all(100);
        let a = Arguments::new()
            .with("p", Value::Real(0.9))
            .with("lambda", Value::Real(3.0))
            .with_grids(vec![10, 10], vec![10, 10]);
        let c = Candidates { pre_size: 100, post_size: 100, pre: &view, post: &view, filter: None };
        let whole = build(&Distance, &a, &c, Stream::new(3, "L")).unwrap();
        let part = Candidates { pre: &[7, 41], post: &view[20..60], ..c };
        let part = build(&Distance, &a, &part, Stream::new(3, "L")).unwrap();
        for i in [7, 41] {
            let kept: Vec<u32> = whole.row(i).iter().copied().filter(|j| (20..60).contains(j)).collect();
            assert_eq!(part.row(i), kept);
        }
    }

    #[test]
    fn blocks_are_pooled_channel_by_channel() {
        let (pre, post) = (all(2 * 6 * 7), all(2 * 2 * 2));
        let c = Candidates { pre_size: 84, post_size: 8, pre: &pre, post: &post, filter: None };
        let a = Arguments::new().with("size", Value::Int(3)).with_grids(vec![2, 6, 7], vec![2, 2, 2]);
        let found = build(&Pool, &a, &c, Stream::new(1, "p")).unwrap();
        for i in 0..84 {
            let (channel, y, x) = (i / 42, i / 7 % 6, i % 7);
            let expected: &[u32] = &if x < 6 { vec![channel * 4 + y / 3 * 2 + x / 3] } else { vec![] };
            assert_eq!(found.row(i), expected);
        }
        let a = a.with_grids(vec![2, 6, 7], vec![2, 4]);
        assert!(matches!(build(&Pool, &a, &c, Stream::new(1, "p")), Err(ConnectError::Argument(_))));
    }
}
