//! Steps cut into parts, each a function of its own: for large networks, whose parts run on several threads, for networks of many
//! projections, which compile faster so, and for profiles.
//!
//! Parts that touch what another part writes stay in the order of the step, on one thread; that is read off the compiled functions, not
//! decided here. So every neuron gets its deliveries in the same order whatever the number of threads, and results are equal bit for bit.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::backend::groups::Groups;
use crate::backend::{BackendError, Buffers, Kernels};
use crate::codegen::{Action, Part, layout::Layout};
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
    /// The parts up to the spikes of a step, and those that deliver them.
    stages: [Groups; 2],
    /// Whether groups of parts run at the same time.
    parallel: bool,
}

/// Whether steps of a plan are cut.
#[must_use]
pub fn wanted(plan: &Plan, how: Cutting) -> bool {
    how.profile
        || plan.opt > 0 && (large(plan) && how.threads > 1 || plan.populations.len() + plan.projections.len() > MANY)
}

fn large(plan: &Plan) -> bool {
    plan.populations.iter().map(|p| p.size).sum::<u64>() >= LARGE
}

impl Cut {
    /// Of a compiled program with one function for each part.
    #[must_use]
    pub fn new(plan: &Plan, layout: &Layout, parts: Vec<Part>, kernels: &dyn Kernels, how: Cutting) -> Self {
        let late = |p: &Part| matches!(p.action, Action::OnPre | Action::OnPost | Action::Merge);
        let cost = |f: FuncId| parts.get(f.0 as usize).map_or(0.0, |p| cost(plan, layout, *p));
        let stages = [false, true].map(|stage| {
            let ids: Vec<FuncId> =
                (0..).map(FuncId).zip(&parts).filter(|(_, p)| late(p) == stage).map(|(f, _)| f).collect();
            let mut groups = kernels.touched().groups(&ids);
            groups.sort_by_cost(cost);
            groups
        });
        let parallel = !how.profile
            && plan.opt > 0
            && how.threads > 1
            && large(plan)
            && stages.iter().any(|g| g.lists().len() > 1);
        Self { parts, stages, parallel }
    }

    /// Whether groups of parts run at the same time.
    #[must_use]
    pub fn parallel(&self) -> bool {
        self.parallel
    }

    /// How many groups there are up to the spikes of a step, and behind them.
    #[must_use]
    pub fn groups(&self) -> [usize; 2] {
        self.stages.each_ref().map(|g| g.lists().len())
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
        plan.populations.get(part.index).map_or(1.0, |p| p.size as f64)
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
