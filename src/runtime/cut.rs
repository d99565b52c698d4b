//! Steps cut into parts, each a function of its own: for large networks, whose parts run on several threads, for networks of many
//! projections, which compile faster so, and for profiles.
//!
//! Parts that touch what another part writes stay in the order of the step, on one thread; that is read off the compiled functions, not
//! decided here. So every neuron gets its deliveries in the same order whatever the number of threads, and results are equal bit for bit.
//! The pass over a large population is a part for each of several ranges of its neurons: see [`crate::codegen::shards`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::backend::groups::Groups;
use crate::backend::{BackendError, Buffers, Kernels};
use crate::codegen::layout::{Layout, PopBufs};
use crate::codegen::{Action, Part};
use crate::hir::Restructuring;
use crate::lir::FuncId;
use crate::sched::Plan;

/// Neurons from which the parts of a step run on several threads: with fewer, a step is over before threads have met.
pub const LARGE: u64 = 20_000;
/// Populations and projections from which a step is cut in any case.
const MANY: usize = 24;

/// What decides whether and how steps are cut.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cutting {
    /// Times of parts are wanted.
    pub profile: bool,
    /// Threads that may be used.
    pub threads: usize,
}

/// A step in parts.
pub struct Cut {
    /// By function of the compiled program.
    pub parts: Vec<Part>,
    /// One stage after the other.
    stages: Vec<Groups>,
    /// How many groups there are at most before the spikes of a step are known, and behind.
    widest: [usize; 2],
    /// Whether groups of parts run at the same time.
    parallel: bool,
}

/// Whether steps of a plan are cut.
#[must_use]
pub fn wanted(plan: &Plan, how: Cutting) -> bool {
    how.profile
        || at_once(plan, how)
        || plan.opt.has(Restructuring::StepParts) && plan.populations.len() + plan.projections.len() > MANY
}

/// Whether parts of a step are to run at the same time.
#[must_use]
pub fn at_once(plan: &Plan, how: Cutting) -> bool {
    !how.profile && plan.opt.has(Restructuring::StepParts) && how.threads > 1 && large(plan)
}

fn large(plan: &Plan) -> bool {
    plan.populations.iter().map(|p| p.size).sum::<u64>() >= LARGE
}

impl Cut {
    /// Of a compiled program with one function for each part.
    #[must_use]
    pub fn new(plan: &Plan, layout: &Layout, parts: Vec<Part>, kernels: &dyn Kernels, how: Cutting) -> Self {
        let divided = parts.iter().any(|p| p.shard.is_some());
        // Where ranges advance at the same time, all else waits for them: most of it touches neurons of every range.
        let stage = |p: &Part| match p.action {
            Action::OnPre | Action::OnPost | Action::Merge => 3,
            Action::Integrate if divided => 1,
            Action::Join | Action::Detect | Action::React | Action::ReactSynapses | Action::Forget if divided => 2,
            _ => 0,
        };
        let cost = |f: FuncId| parts.get(f.0 as usize).map_or(0.0, |p| cost(plan, layout, *p));
        let all = [0, 1, 2, 3].map(|k| {
            let ids: Vec<FuncId> =
                (0..).map(FuncId).zip(&parts).filter(|(_, p)| stage(p) == k).map(|(f, _)| f).collect();
            let mut groups = kernels.touched().groups(&ids);
            groups.sort_by_cost(cost);
            groups
        });
        let widest = |of: &[Groups]| of.iter().map(|g| g.lists().len()).max().unwrap_or(0);
        let widest = [widest(&all[..3]), widest(&all[3..])];
        let stages: Vec<Groups> = all.into_iter().filter(|g| !g.lists().is_empty()).collect();
        let parallel = at_once(plan, how) && widest.iter().any(|n| *n > 1);
        Self { parts, stages, widest, parallel }
    }

    /// Whether groups of parts run at the same time.
    #[must_use]
    pub fn parallel(&self) -> bool {
        self.parallel
    }

    /// How many groups of parts run at the same time up to the spikes of a step, and behind them.
    #[must_use]
    pub fn groups(&self) -> [usize; 2] {
        self.widest
    }

    /// How many ranges the neurons of a population are divided into; 1 if they advance in one pass.
    #[must_use]
    pub fn ranges(&self, population: usize) -> usize {
        self.parts.iter().filter(|p| p.action == Action::Integrate && p.index == population).count().max(1)
    }

    /// Does `count` steps from local step `step` on, on the threads of the present rayon pool if the parts may run at the same time.
    ///
    /// # Errors
    /// See [`crate::backend::Session::call_stages`].
    pub fn run(
        &self,
        kernels: &dyn Kernels,
        buffers: &mut Buffers,
        [step, count, run_step]: [i32; 3],
        parallel: bool,
    ) -> Result<(), BackendError> {
        let mut session = kernels.session(buffers)?;
        let rounds = (0..count).map(|k| [step + k, 1, run_step.wrapping_add(k)]);
        if parallel && self.parallel {
            let rounds: Vec<[i32; 3]> = rounds.collect();
            return session.call_stages(&self.stages, &rounds);
        }
        for args in rounds {
            for f in 0..self.parts.len() as u32 {
                session.call(FuncId(f), &args)?;
            }
        }
        Ok(())
    }

    /// The same one part after the other, taking times.
    ///
    /// # Errors
    /// See [`crate::backend::Session::call`].
    pub fn timed(
        &self,
        kernels: &dyn Kernels,
        buffers: &mut Buffers,
        [step, count, run_step]: [i32; 3],
        times: &mut Times,
    ) -> Result<(), BackendError> {
        let mut session = kernels.session(buffers)?;
        let mut taken = vec![Duration::ZERO; self.parts.len()];
        for k in 0..count {
            let args = [step + k, 1, run_step.wrapping_add(k)];
            let mut before = Instant::now();
            for (f, taken) in (0..).zip(&mut taken) {
                session.call(FuncId(f), &args)?;
                let now = Instant::now();
                *taken += now - before;
                before = now;
            }
        }
        for (part, taken) in self.parts.iter().zip(taken) {
            let all = times.parts.entry((part.action, part.index)).or_default();
            all.0 += taken;
            all.1 += u64::from(count.unsigned_abs());
        }
        Ok(())
    }
}

/// What a part costs, roughly, compared with others.
fn cost(plan: &Plan, layout: &Layout, part: Part) -> f64 {
    if part.action.of_projection() {
        let post = layout.projs.get(part.index).and_then(|b| b.rows);
        post.map_or(1.0, |[_, post]| layout.buffers[post.0 as usize].len as f64)
    } else {
        let range = |p: &PopBufs| part.shard.and_then(|k| p.shards.get(k)).map(|s| (s.to - s.from) as f64);
        let size = plan.populations.get(part.index).map_or(1.0, |p| p.size as f64);
        layout.pops.get(part.index).and_then(range).unwrap_or(size)
    }
}

/// The times that parts of steps took, and what is drawn beforehand.
#[derive(Debug, Clone, Default)]
pub struct Times {
    /// By action and population or projection: the time and the number of steps.
    pub parts: BTreeMap<(Action, usize), (Duration, u64)>,
    /// Drawing events of sources and random numbers of neurons.
    pub draws: Duration,
}
