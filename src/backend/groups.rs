//! Functions that run side by side: several lists of them, where no list touches what another writes.

use std::sync::Arc;

use crate::lir::access::Access;
use crate::lir::{FuncId, Program};

/// Which buffers the functions of a compiled program touch. Every program has its own, which tells it from others.
#[derive(Debug, Clone)]
pub struct Touched(Arc<Vec<Access>>);

/// Lists of functions of one program that may run at the same time; the functions of a list one after the other. They can only be made by
/// [`Touched::groups`].
#[derive(Debug, Clone)]
pub struct Groups {
    lists: Vec<Vec<FuncId>>,
    program: Touched,
}

impl Touched {
    /// Of a program's functions.
    #[must_use]
    pub fn new(program: &Program) -> Self {
        Self(Arc::new(program.functions.iter().map(Access::of).collect()))
    }

    /// What a function touches.
    #[must_use]
    pub fn of(&self, f: FuncId) -> Option<&Access> {
        self.0.get(f.0 as usize)
    }

    /// Puts functions, which are to run in the given order, into as many lists as possible: functions that touch what another one writes
    /// are in one list, in their order.
    #[must_use]
    pub fn groups(&self, functions: &[FuncId]) -> Groups {
        let mut lists: Vec<(Access, Vec<FuncId>)> = Vec::new();
        for f in functions {
            let Some(access) = self.0.get(f.0 as usize) else { continue };
            let (mut all, mut members) = (access.clone(), Vec::new());
            let (touching, apart): (Vec<_>, Vec<_>) = lists.into_iter().partition(|(a, _)| a.conflicts(access));
            lists = apart;
            for (a, list) in touching {
                all.merge(&a);
                members.extend(list);
            }
            members.push(*f);
            // Lists that came together keep the order of the whole.
            members.sort_by_key(|f| functions.iter().position(|g| g == f));
            lists.push((all, members));
        }
        lists.sort_by_key(|(_, list)| list.first().and_then(|f| functions.iter().position(|g| g == f)));
        Groups { lists: lists.into_iter().map(|(_, list)| list).collect(), program: self.clone() }
    }
}

impl Groups {
    /// The lists.
    #[must_use]
    pub fn lists(&self) -> &[Vec<FuncId>] {
        &self.lists
    }

    /// Puts lists that take longer before others: they are begun in this order.
    pub fn sort_by_cost(&mut self, cost: impl Fn(FuncId) -> f64) {
        let of = |list: &Vec<FuncId>| list.iter().map(|f| cost(*f)).sum::<f64>();
        self.lists.sort_by(|a, b| of(b).total_cmp(&of(a)));
    }

    /// Whether they were made for this program.
    #[must_use]
    pub fn belong_to(&self, program: &Touched) -> bool {
        Arc::ptr_eq(&self.program.0, &program.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lir::BufId;

    #[test]
    fn functions_that_touch_what_another_writes_stay_in_order() {
        let f = |reads: &[u32], writes: &[u32]| Access {
            reads: reads.iter().map(|k| BufId(*k)).collect(),
            writes: writes.iter().map(|k| BufId(*k)).collect(),
        };
        // 0 and 1 are apart until 2 reads what both write; 3 only reads what nobody writes.
        let touched = Touched(Arc::new(vec![f(&[9], &[0]), f(&[9], &[1]), f(&[0, 1], &[2]), f(&[9], &[3])]));
        let ids: Vec<FuncId> = (0..4).map(FuncId).collect();
        assert_eq!(touched.groups(&ids).lists(), [vec![FuncId(0), FuncId(1), FuncId(2)], vec![FuncId(3)]]);
        assert_eq!(touched.groups(&ids[..2]).lists().len(), 2);
        let other = touched.clone();
        assert!(touched.groups(&ids).belong_to(&other));
        assert!(!touched.groups(&ids).belong_to(&Touched(Arc::new(Vec::new()))));
    }
}
