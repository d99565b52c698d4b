//! Functions that run side by side: several lists of them, where no list touches what another writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// Looks at a barrier before a thread lets others run.
#[cfg_attr(not(feature = "jit"), expect(dead_code, reason = "only compiled code runs lists side by side"))]
const SPINS: u32 = 4000;

/// Runs `work(round, stage, list)` for each of `rounds` rounds, of stages of so many lists: the lists of a stage at the same time, the first ones
/// first, on all threads of the present rayon pool; a stage begins when all of the one before is done. A thread begins with the lists that were its
/// own in the round before, whose data are in its caches, and then takes what is left. Threads that wait do not sleep: what they wait for takes
/// microseconds.
#[cfg_attr(not(feature = "jit"), expect(dead_code, reason = "only compiled code runs lists side by side"))]
pub(super) fn side_by_side(rounds: usize, stages: &[usize], work: &(impl Fn(usize, usize, usize) + Sync)) {
    // By list: one more than the number of the last stage, counted over all rounds, in which a thread took it.
    let taken: Vec<AtomicUsize> = (0..stages.iter().copied().max().unwrap_or(0)).map(|_| AtomicUsize::new(0)).collect();
    let arrived = AtomicUsize::new(0);
    let passed = AtomicUsize::new(0);
    rayon::broadcast(|context| {
        let stages = (0..rounds).flat_map(|r| stages.iter().enumerate().map(move |(s, lists)| (r, s, *lists)));
        for (k, (round, stage, lists)) in stages.enumerate() {
            let (own, threads) = (context.index(), context.num_threads());
            let rest = (0..lists).filter(|list| list % threads != own);
            for list in (own..lists).step_by(threads).chain(rest) {
                if taken[list].swap(k + 1, Ordering::Relaxed) != k + 1 {
                    work(round, stage, list);
                }
            }
            if arrived.fetch_add(1, Ordering::AcqRel) + 1 == context.num_threads() {
                // The last one: all others wait for `passed`, and see what was written before it changes.
                arrived.store(0, Ordering::Relaxed);
                passed.store(k + 1, Ordering::Release);
                continue;
            }
            let mut looks = 0;
            while passed.load(Ordering::Acquire) <= k {
                if looks < SPINS {
                    looks += 1;
                    std::hint::spin_loop();
                } else {
                    std::thread::yield_now();
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lir::BufId;
    use crate::lir::access::Reach;

    /// Each list once a round, and no stage before the one in front of it is done.
    #[test]
    fn stages_follow_each_other_on_any_number_of_threads() {
        for threads in [1, 2, 5] {
            let done = AtomicUsize::new(0);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                side_by_side(50, &[3, 0, 7], &|round, stage, list| {
                    let before = done.fetch_add(1, Ordering::SeqCst);
                    let (first, lists) = if stage == 0 { (0, 3) } else { (3, 7) };
                    assert!(list < lists);
                    assert!(
                        (round * 10 + first..round * 10 + first + lists).contains(&before),
                        "{round} {stage} {before}"
                    );
                });
            });
            assert_eq!(done.load(Ordering::SeqCst), 500);
        }
    }

    #[test]
    fn functions_that_touch_what_another_writes_stay_in_order() {
        let all = |ids: &[u32]| ids.iter().map(|k| (BufId(*k), Reach::ALL)).collect();
        let f = |reads: &[u32], writes: &[u32]| Access { reads: all(reads), writes: all(writes) };
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
