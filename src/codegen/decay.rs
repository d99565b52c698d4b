//! Decay by a table ([`crate::sched`] says of which traces): filling it, once, and what is left of a trace after some steps.

use super::layout::Layout;
use super::{Step, projection};
use crate::hir::VarId;
use crate::lir::build::FuncBuilder;
use crate::lir::{BinOp, BufId, Function, Scalar, Val};

/// The table of one trace.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// What is left after so many steps; the last entry is 0.
    pub left: BufId,
    /// Its entries.
    pub len: u32,
    /// The exponent of one step.
    pub rate: f64,
}

/// The function that fills all tables, to be called before the first step, if there are any.
pub(super) fn function(layout: &Layout) -> Option<Function> {
    let mut tables: Vec<Table> = layout.projs.iter().flat_map(|p| p.decays.iter().flatten().copied()).collect();
    tables.dedup_by_key(|table| table.left);
    if tables.is_empty() {
        return None;
    }
    let scalars: Vec<Scalar> = layout.buffers.iter().map(|b| b.scalar).collect();
    let mut b = FuncBuilder::new("decays", 0, scalars);
    for table in tables {
        let (zero, len) = (b.int(0), b.int(table.len as i32));
        b.for_loop(zero, len, |b, k| {
            let left = projection::left(b, layout.float, table.rate, k);
            b.store(table.left, k, left);
        });
    }
    Some(b.finish())
}

/// The table of a trace, if it has one.
pub(super) fn table(s: &Step<'_>, p: usize, v: VarId) -> Option<Table> {
    // What is frozen now decided nothing about storage: a plan may do without its table.
    s.plan.projections[p].decays.get(v.index()).copied().flatten()?;
    s.layout.projs[p].decays[v.index()]
}

/// What is left of a trace after `gap` steps.
pub(super) fn left(b: &mut FuncBuilder, table: Table, gap: Val) -> Val {
    let last = b.int(table.len as i32 - 1);
    let at = b.bin(BinOp::Min, gap, last);
    b.load(table.left, at)
}
