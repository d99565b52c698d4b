//! What is drawn or listed before the compiled step runs: spikes of sources, random numbers of neurons.

use super::{Network, Source, Train, WRAP};
use crate::backend::Buf;
use crate::diag::{Code, Diagnostic};
use crate::hir::Side;
use crate::lir::BufId;
use crate::methods::sym::{Node, Sym};
use crate::rng::Stream;
use crate::rng::events::CountSource;
use crate::rng::gaps::{GapSource, chunk_steps, draw_gaps};
use crate::sched::{self, Spiking, Storage};
use crate::script::machine::{Machine, RunKey};
use crate::simd::widest;

/// Events of `poisson_input` that a step may have.
const MOST_EVENTS: f64 = 1e8;

impl Network {
    /// Restarts the sources of all populations whose spikes have a rate.
    pub(super) fn start_sources(&mut self, key: RunKey, steps: u64) -> Result<(), Diagnostic> {
        let compiled = self.compiled.clone();
        for (p, plan) in compiled.plan.populations.iter().enumerate() {
            let listed = self.given.get(p).and_then(Option::as_ref).or(self.shared.played.get(p));
            if let (Some(Spiking::Listed), Some(listed)) = (&plan.spiking, listed) {
                let listed = listed.clone();
                self.sources[p] = Some(Source { gaps: None, listed: Some(listed), drawn: 0 });
                continue;
            }
            let Some(Spiking::Rate(rate)) = &plan.spiking else { continue };
            let dt = compiled.plan.dt;
            let mut rates = std::mem::take(&mut self.scratch);
            self.rates(p, plan, *rate, &mut rates);
            widest(
                #[inline(always)]
                || rates.iter_mut().for_each(|rate| *rate *= dt),
            );
            let name = &self.shared.model.populations[p].name;
            let stream = Stream::new(self.shared.model.settings.seed, &format!("{name}/spike")).sub(key.0);
            if self.shared.model.populations[p].pooled {
                let events_per_step: f64 = rates.iter().sum();
                if events_per_step.is_nan() || events_per_step > MOST_EVENTS {
                    return Err(Diagnostic::new(
                        Code::E0902,
                        self.shared.model.populations[p].span,
                        format!("`poisson_input` would deliver about {events_per_step:.1e} events in every time step"),
                    )
                    .help("lower `n`, the rate or the time step"));
                }
                let train = Train::Counts(CountSource::new(stream, &rates));
                self.sources[p] = Some(Source { gaps: Some(train), listed: None, drawn: 0 });
            } else if steps <= u64::from(chunk_steps(rates.len())) {
                // The whole run at once: the same spikes as chunk by chunk.
                draw_gaps(stream, &rates, steps as u32, &mut self.events[p]);
                self.sources[p] = Some(Source { gaps: None, listed: None, drawn: steps });
                self.publish(p);
            } else {
                let train = Train::Gaps(GapSource::new(stream, &rates));
                self.sources[p] = Some(Source { gaps: Some(train), listed: None, drawn: 0 });
            }
            self.scratch = rates;
        }
        Ok(())
    }

    /// Replaces the contents of `out` by the rate of each neuron of a source, in 1/ms.
    fn rates(&self, p: usize, plan: &sched::PopPlan, rate: Sym, out: &mut Vec<f64>) {
        let n = plan.size as usize;
        // Nearly always a variable that protocols assign.
        if let Node::Var(Side::Own, v, _) = plan.graph.node(rate)
            && let Storage::Array = plan.storage[v.index()]
            && let Some(buf) = self.shared.layout.pops[p].vars[v.index()]
        {
            match &self.buffers[buf.0 as usize] {
                Buf::F32(v) => {
                    let v = v.get(..n).unwrap_or(v);
                    // Mostly as long as it was: nothing to fill.
                    out.resize(v.len(), 0.0);
                    widest(
                        #[inline(always)]
                        || out.iter_mut().zip(v).for_each(|(out, x)| *out = f64::from(*x)),
                    );
                }
                Buf::F64(v) => v.get(..n).unwrap_or(v).clone_into(out),
                Buf::I32(_) | Buf::I64(_) => *out = vec![f64::NAN; n],
            }
            return;
        }
        out.clear();
        out.extend((0..n).map(|k| plan.graph.eval(rate, &|leaf| self.leaf(p, plan, leaf, k))));
    }

    /// Draws the events of the next steps of this run; gives the number of steps that all sources cover.
    pub(super) fn draw(&mut self, wanted: u64) -> u64 {
        let mut covered = wanted;
        let now = self.steps();
        let parallel = self.shared.cutting.threads > 1 && !self.lane;
        for p in 0..self.sources.len() {
            let n = self.shared.model.populations[p].size() as usize;
            let Some(source) = &mut self.sources[p] else { continue };
            if source.drawn <= self.run_step
                && let Some(listed) = &source.listed
            {
                let steps = wanted.min(4096);
                let from = listed.partition_point(|(s, _)| *s <= now);
                let to = listed.partition_point(|(s, _)| *s <= now + steps);
                let events = listed[from..to].iter().map(|(s, k)| ((s - now - 1) as u32, *k));
                self.events[p].fill(steps as u32, events);
                source.drawn = self.run_step + steps;
                covered = covered.min(steps);
                self.publish(p);
                continue;
            }
            if source.drawn <= self.run_step
                && let Some(gaps) = &mut source.gaps
            {
                let steps = wanted.min(gaps.chunk(n));
                gaps.advance(steps as u32, &mut self.events[p], parallel);
                source.drawn = self.run_step + steps;
                self.publish(p);
            }
            if let Some(source) = &self.sources[p] {
                covered = covered.min(source.drawn.saturating_sub(self.run_step));
            }
        }
        self.draw_numbers(wanted, covered)
    }

    /// Draws the random numbers of the next steps; gives the number of steps, at most `covered`, for which all populations and projections have
    /// theirs. A synapse is numbered in the order of rows, however rows are stored.
    fn draw_numbers(&mut self, wanted: u64, mut covered: u64) -> u64 {
        let compiled = self.compiled.clone();
        let shared = self.shared.clone();
        let plan = &compiled.plan;
        for (p, plan) in plan.populations.iter().enumerate() {
            let (Some(ids), false) = (shared.layout.pops[p].draws, plan.draws.is_empty()) else { continue };
            let stride = crate::codegen::layout::padded(plan.size);
            let elements = Elements { rows: 1, columns: plan.size, pitch: stride, stride };
            let shape = |n: &Self, s, i| plan.graph.eval(s, &|leaf| n.leaf(p, plan, leaf, i));
            let name = &shared.model.populations[p].name;
            covered = covered.min(self.draw_ahead(p, ids, wanted, &elements, name, &plan.draws, &shape));
        }
        for (p, plan) in plan.projections.iter().enumerate() {
            let bufs = &shared.layout.projs[p];
            let (Some(ids), false) = (bufs.draws, plan.own.draws.is_empty()) else { continue };
            let synapses = shared.wires[p].as_ref().map_or(0, |w| w.count);
            let (rows, columns) =
                if plan.wiring == sched::Wiring::Dense { (bufs.pre, bufs.post) } else { (1, synapses) };
            let elements = Elements { rows, columns, pitch: bufs.stride, stride: bufs.count };
            let shape = |n: &Self, s, i| plan.graph.eval(s, &|leaf| n.synapse_leaf(p, plan, leaf, i));
            let name = &shared.model.projections[p].name;
            let slot = shared.model.populations.len() + p;
            covered = covered.min(self.draw_ahead(slot, ids, wanted, &elements, name, &plan.own.draws, &shape));
        }
        for (p, bufs) in shared.layout.projs.iter().enumerate() {
            let Some(ids) = bufs.chance else { continue };
            let one = Elements { rows: 1, columns: 1, pitch: 1, stride: 1 };
            let name = &shared.model.projections[p].name;
            let slot = shared.model.populations.len() + shared.model.projections.len() + p;
            let keys = [sched::chance::keys()];
            covered = covered.min(self.draw_ahead(slot, ids, wanted, &one, name, &keys, &|_, _, _| f64::NAN));
        }
        covered
    }

    /// Draws numbers for one population or projection (number `slot` of `drawn`) if the last ones are used up; gives the number of steps that have
    /// theirs.
    fn draw_ahead(
        &mut self,
        slot: usize,
        [base, numbers]: [BufId; 2],
        wanted: u64,
        elements: &Elements,
        name: &str,
        draws: &[sched::Draw],
        shape: &dyn Fn(&Self, Sym, usize) -> f64,
    ) -> u64 {
        if self.drawn[slot] <= self.run_step {
            let row = elements.stride * draws.len() as u64;
            let steps = wanted.min(crate::runtime::draws::rows(row));
            let piece = crate::runtime::draws::Piece {
                first: self.run_step,
                steps,
                since_start: self.steps(),
                rows: elements.rows as usize,
                columns: elements.columns as usize,
                pitch: elements.pitch as usize,
                stride: elements.stride as usize,
                draws: draws.len(),
            };
            let mut out = std::mem::replace(self.buf(numbers), Buf::I32(Vec::new()));
            let len = (row * steps) as usize;
            match &mut out {
                Buf::F32(v) if v.len() < len => v.resize(len, 0.0),
                Buf::F64(v) if v.len() < len => v.resize(len, 0.0),
                _ => {}
            }
            let seed = self.shared.model.settings.seed;
            for (k, draw) in draws.iter().enumerate() {
                let stream = Stream::new(seed, &format!("{name}/{}", draw.stream)).sub(self.run.0);
                let shape = |i: usize| match draw.kind {
                    sched::DrawKind::Gamma(s) => shape(self, s, i),
                    _ => f64::NAN,
                };
                crate::runtime::draws::fill(&mut out, k, draw, stream, &piece, &shape);
            }
            *self.buf(numbers) = out;
            let first = (self.run_step % WRAP) as i32;
            self.set_int(base, 0, first);
            self.drawn[slot] = self.run_step + steps;
        }
        self.drawn[slot] - self.run_step
    }
}

/// How the elements that get random numbers lie in storage.
struct Elements {
    rows: u64,
    columns: u64,
    /// Distance between rows.
    pitch: u64,
    /// Distance between the numbers of one draw and those of the next.
    stride: u64,
}
