//! Which traces decay by a table: how much is left of one after `k` steps, computed once, in place of an exponential for each trace that is
//! brought up to date. It holds what the exponential would give, so that no bit changes, up to the step after which nothing is left.

use super::{Plan, ProjPlan};
use crate::hir::{Precision, Restructuring};

/// Entries of a table at most: those for short times, which most are, fit the nearest cache.
const MOST: f64 = 8192.0;

/// The exponent below which nothing is left in `f32` (the logarithm of its smallest normal number is -87.34).
const NOTHING: f64 = 87.5;

/// Notes the lengths of tables. In `f64` they would be eight times as long.
pub(super) fn apply(plan: &mut Plan) {
    if !plan.opt.has(Restructuring::DecayTables) || plan.precision != Precision::F32 {
        return;
    }
    let dt = plan.dt;
    for p in &mut plan.projections {
        p.decays = (0..p.listed.len()).map(|v| p.listed[v].then(|| entries(p, v, dt)).flatten()).collect();
    }
}

/// Entries of a table for a trace: the last is the first after which nothing is left.
fn entries(p: &ProjPlan, v: usize, dt: f64) -> Option<u32> {
    let rate = p.graph.as_const(p.lazy[v].filter(|lazy| lazy.to_zero)?.a)?;
    let entries = (NOTHING / (-rate * dt)).ceil() + 1.0;
    // False where the trace grows or stays, too.
    (1.0..=MOST).contains(&entries).then_some(entries as u32)
}
