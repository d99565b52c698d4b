//! Which buffers a function may read and write: what decides whether functions may run at the same time.

use std::collections::BTreeSet;

use super::{Block, BufId, Function, Op, Stmt};

/// The buffers that a function may touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// It may read them.
    pub reads: BTreeSet<BufId>,
    /// It may write them.
    pub writes: BTreeSet<BufId>,
}

impl Access {
    /// Of a function.
    #[must_use]
    pub fn of(function: &Function) -> Self {
        let mut out = Self::default();
        out.block(&function.body);
        out
    }

    /// Adds what another function touches.
    pub fn merge(&mut self, other: &Self) {
        self.reads.extend(&other.reads);
        self.writes.extend(&other.writes);
    }

    /// Whether one of the two writes what the other touches.
    #[must_use]
    pub fn conflicts(&self, other: &Self) -> bool {
        let touches = |a: &Self, b: &Self| a.writes.iter().any(|w| b.reads.contains(w) || b.writes.contains(w));
        touches(self, other) || touches(other, self)
    }

    fn block(&mut self, block: &Block) {
        for stmt in &block.stmts {
            match stmt {
                Stmt::Def { op: Op::Load { buf, .. } | Op::Gather { buf, .. }, .. } => {
                    self.reads.insert(*buf);
                }
                Stmt::Def { .. } => {}
                Stmt::Store { buf, .. } | Stmt::Scatter { buf, .. } => {
                    self.writes.insert(*buf);
                }
                Stmt::Append { list, count, .. } => {
                    self.writes.extend([*list, *count]);
                    self.reads.insert(*count);
                }
                Stmt::AddRows(a) => {
                    self.reads.extend([a.to, a.from, a.rows]);
                    self.writes.insert(a.to);
                }
                Stmt::For(f) => self.block(&f.body),
                Stmt::If(i) => {
                    self.block(&i.then);
                    self.block(&i.els);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lir::build::FuncBuilder;
    use crate::lir::{CmpOp, Scalar};

    #[test]
    fn everything_touched_is_found_wherever_it_stands() {
        let mut b = FuncBuilder::new("f", 1, vec![Scalar::F32; 4]);
        let zero = b.int(0);
        let n = b.param(0);
        b.for_loop(zero, n, |b, k| {
            let x = b.load(BufId(0), k);
            let some = b.cmp(CmpOp::Lt, k, n);
            b.if_then(some, |b| b.store(BufId(2), k, x));
        });
        let f = Access::of(&b.finish());
        assert_eq!(
            (f.reads.iter().collect::<Vec<_>>(), f.writes.iter().collect::<Vec<_>>()),
            (vec![&BufId(0)], vec![&BufId(2)])
        );
        let only = |reads: &[u32], writes: &[u32]| Access {
            reads: reads.iter().map(|k| BufId(*k)).collect(),
            writes: writes.iter().map(|k| BufId(*k)).collect(),
        };
        assert!(f.conflicts(&only(&[2], &[])) && f.conflicts(&only(&[], &[0])) && f.conflicts(&only(&[], &[2])));
        assert!(!f.conflicts(&only(&[0, 1], &[3])));
    }
}
