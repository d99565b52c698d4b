//! Steps in which matrices are added late: see `sched/late.rs`. The rows of a step are added at the start of the next one, block by block, right
//! before the neurons of the block are advanced; one more round at the end adds those of the last step. So nothing is left over when `run`
//! returns.

use super::projection::{self, whole_rows};
use super::{Action, Layout, arriving, emit, order, step};
use crate::lir::build::FuncBuilder;
use crate::lir::{AddRows, CmpOp, PAD, Val};
use crate::sched::Plan;

/// What the step before left to be done.
#[derive(Default)]
pub(super) struct Late {
    /// Rows to be added to a population's variables when it is advanced.
    pub(super) rows: Vec<(usize, AddRows)>,
    /// This is what was left: rows have been added, and spikes of post neurons are those of the step before.
    pub(super) past: bool,
}

/// All steps.
pub(super) fn steps(b: &mut FuncBuilder, plan: &Plan, layout: &Layout, (first, count, run_first): (Val, Val, Val)) {
    let late: Vec<usize> = (0..plan.projections.len()).filter(|p| plan.projections[*p].late).collect();
    let (zero, one) = (b.int(0), b.int(1));
    let rounds = b.add(count, one);
    b.for_loop(zero, rounds, |b, k| {
        let now = b.add(first, k);
        let run_step = b.add(run_first, k);
        let follows = b.cmp(CmpOp::Lt, zero, k);
        let (then, run_then) = (b.sub(now, one), b.sub(run_step, one));
        let mut rows = Vec::new();
        for p in &late {
            let (pre, post) = (layout.projs[*p].pre_pop, layout.projs[*p].post_pop);
            let mut list = None;
            let ends = b.if_else(
                follows,
                |b| {
                    let s = step(b, plan, layout, then, run_then);
                    let (neurons, from, to) = arriving(b, &s, (pre, None), 0, None);
                    list = Some(neurons);
                    vec![from, to]
                },
                |_| vec![zero, zero],
            );
            let s = step(b, plan, layout, now, run_step);
            if let (Some(list), [from, to]) = (list, ends.as_slice())
                && let Some(add) = whole_rows(&s, *p, list, *from, *to, zero)
            {
                rows.push((post, add));
            }
        }
        for pop in &layout.pops {
            remember(b, pop);
        }
        let more = b.cmp(CmpOp::Lt, k, count);
        b.if_else(
            more,
            |b| {
                let mut s = step(b, plan, layout, now, run_step);
                s.late.rows.clone_from(&rows);
                for part in order(plan) {
                    let waits = matches!(part.action, Action::OnPre | Action::OnPost) && late.contains(&part.index);
                    if !waits {
                        emit(b, &s, part);
                    }
                }
                Vec::new()
            },
            |b| {
                for (_, add) in &rows {
                    b.add_rows(*add);
                }
                Vec::new()
            },
        );
        b.if_then(follows, |b| {
            let mut s = step(b, plan, layout, then, run_then);
            s.late.past = true;
            for p in &late {
                projection::on_pre(b, &s, *p);
                projection::on_post(b, &s, *p);
            }
        });
    });
}

/// Keeps the spikes of the step before, which the next detection overwrites.
fn remember(b: &mut FuncBuilder, pop: &super::layout::PopBufs) {
    let Some([list, count]) = pop.before else { return };
    let zero = b.int(0);
    let n = b.load(pop.spike_count, zero);
    b.store(count, zero, n);
    b.for_loop(zero, n, |b, k| {
        let i = b.load(pop.spikes, k);
        b.store(list, k, i);
    });
}

impl Late {
    /// Runs `advance` for the neurons `0..size`: block by block, after what is left to be added, or all at once if nothing is. It gets the
    /// first neuron (`None`: 0) and their number.
    pub(super) fn in_blocks(
        &self,
        b: &mut FuncBuilder,
        population: usize,
        size: u64,
        advance: impl Fn(&mut FuncBuilder, Option<Val>, Val),
    ) {
        let zero = b.int(0);
        if self.rows.iter().all(|(p, _)| *p != population) {
            let n = b.int(size as i32);
            return advance(b, None, n);
        }
        let blocks = b.int((size / PAD) as i32);
        let width = b.int(PAD as i32);
        b.for_loop(zero, blocks, |b, block| {
            let from = b.mul(block, width);
            self.add(b, population, from, PAD);
            advance(b, Some(from), width);
        });
        if !size.is_multiple_of(PAD) {
            let from = b.int((size / PAD * PAD) as i32);
            self.add(b, population, from, size % PAD);
            let rest = b.int((size % PAD) as i32);
            advance(b, Some(from), rest);
        }
    }

    /// Adds the same part of all rows that wait for a population.
    pub(super) fn add(&self, b: &mut FuncBuilder, population: usize, at: Val, len: u64) {
        for (_, rows) in self.rows.iter().filter(|(p, _)| *p == population) {
            b.add_rows(AddRows { at, len: len as u32, ..*rows });
        }
    }
}
