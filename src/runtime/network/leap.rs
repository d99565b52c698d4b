//! Passing over steps in which nothing happens: when no source has a spike left and a stretch longer than any delay went by without any, the
//! network is asked whether all neurons are still, and if so goes forward in one step.

use super::{Network, failed};
use crate::backend::Buf;
use crate::diag::Diagnostic;
use crate::hir::PopId;
use crate::lir::FuncId;
use crate::script::machine::Machine;

/// Steps between two questions, and the least number worth passing over.
const WAIT: u64 = 32;

/// What to do with the next steps.
pub(super) enum Next {
    /// Run so many.
    Run(u64),
    /// Nothing happens in so many: they are done.
    Passed(u64),
}

impl Network {
    /// Decides about at most `chunk` steps, for which all sources are drawn.
    pub(super) fn next(&mut self, chunk: u64) -> Result<Next, Diagnostic> {
        let Some([unready, leap]) = self.compiled.leap.filter(|_| chunk >= 2 * WAIT) else {
            return Ok(Next::Run(chunk));
        };
        let events = self.steps_with_events(chunk);
        if events > 0 {
            self.silent = None;
            return Ok(Next::Run(events));
        }
        // Slow states are brought up to date at every 1024th step, which is run.
        let room = (1024 - self.run_step % 1024).min(chunk);
        let spikes = self.spikes_so_far();
        let since = match self.silent {
            Some((then, since)) if then == spikes => since,
            _ => self.run_step,
        };
        self.silent = Some((spikes, since));
        // Until then a spike may be on its way; pieces of a run may be shorter than its delay.
        let wait = (WAIT.max(u64::from(self.longest_delay()) + 1) + since).saturating_sub(self.run_step);
        if wait > 0 {
            return Ok(Next::Run(wait.min(chunk)));
        }
        if room < WAIT || self.run_step.is_multiple_of(1024) || self.unready(unready)? > 0 {
            return Ok(Next::Run(WAIT));
        }
        self.call_one(leap, &[room as i32])?;
        self.passed += room;
        Ok(Next::Passed(room))
    }

    /// Steps passed over since the network was built.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// How many of the next steps there are up to the last one in which a source fires; 0 if none does.
    fn steps_with_events(&self, chunk: u64) -> u64 {
        let mut last = 0;
        for (source, list) in self.sources.iter().zip(&self.events) {
            let Some(source) = source else { continue };
            let covered = u64::from(list.steps());
            // The list ends where the drawn steps end.
            let first = source.drawn.saturating_sub(covered);
            let from = self.run_step.saturating_sub(first).min(covered);
            let to = (from + chunk).min(covered);
            let at = |k: u64| list.offsets.get(k as usize).copied().unwrap_or(0);
            if at(from) < at(to) {
                let end = at(to);
                // The first step whose end has all of them.
                let k = list.offsets.partition_point(|n| *n < end) as u64;
                last = last.max(k.saturating_sub(from));
            }
        }
        last.min(chunk)
    }

    fn spikes_so_far(&self) -> u64 {
        (0..self.shared.model.populations.len() as u32).map(|p| self.total(PopId(p))).sum()
    }

    fn longest_delay(&self) -> u32 {
        self.compiled.plan.populations.iter().map(|p| p.max_delay).max().unwrap_or(0)
    }

    fn unready(&mut self, function: FuncId) -> Result<i32, Diagnostic> {
        self.call_one(function, &[])?;
        let total = self.shared.layout.unready.map(|id| &self.buffers[id.0 as usize]);
        match total {
            Some(Buf::I32(v)) => Ok(v.first().copied().unwrap_or(1)),
            _ => Ok(1),
        }
    }

    fn call_one(&mut self, function: FuncId, args: &[i32]) -> Result<(), Diagnostic> {
        let compiled = self.compiled.clone();
        let result = compiled.kernels.session(&mut self.buffers).and_then(|mut s| s.call(function, args));
        result.map_err(|e| failed(&e))
    }
}
