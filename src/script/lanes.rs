//! Runs sample loops: one after the other, independent samples on all threads, or the lanes of batches (`batch.rs`).
//!
//! Invariants, whatever the number of threads:
//! - random draws of a sample are named by the sample, not by who runs it;
//! - what samples do outside of the network is applied in the order of the samples;
//! - after independent samples the network is in the last sample's state, reached from the loop's start state;
//! - the lanes of a batch start from the same shared variables (`weight`, `learned`), and their changes are summed in the order of the
//!   samples, in double precision, rounded once, then bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use crate::diag::{Code, Diagnostic};
use crate::rng::Stream;
use crate::script::batch::batched;
use crate::script::columns::Room;
use crate::script::eval::{Accumulation, Cx, Flow, Interp, Out, Res, Scope, Stop, at};
use crate::script::expr::{bug, fault};
use crate::script::host::{Effect, shift};
use crate::script::independent::{Independence, analyse};
use crate::script::ir::{Body, SampleLoop, Samples, Split, Stmt};
use crate::script::machine::{Machine, VarKey};
use crate::script::over_time::{SoFar, Wanted};
use crate::script::recording::Active;
use crate::script::tensor::{SampleRef, Value};
use crate::source::Span;

/// One pass through the body: a sample in an epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass {
    pub(super) sample: SampleRef,
    pub(super) epoch: u64,
}

/// Runs a sample loop.
pub(crate) fn run_samples<'a>(interp: &mut Interp<'_, 'a>, l: &'a SampleLoop, span: Span) -> Res<Flow> {
    let batch = match &l.batch {
        Some(e) => {
            let n = interp.int(e)?;
            usize::try_from(n)
                .ok()
                .filter(|n| *n > 0)
                .ok_or_else(|| fault(Code::E0502, e.span, format!("`batch {n}`: a batch has at least one sample")))?
        }
        None => 1,
    };
    let epochs = match &l.epochs {
        Some(e) => {
            let n = interp.int(e)?;
            u64::try_from(n).map_err(|_| {
                fault(Code::E0502, e.span, format!("`epochs {n}`: a loop cannot run a negative number of times"))
            })?
        }
        None => 1,
    };
    let key = interp.scope.enter(interp.owner, l.number);
    let mut passes = Vec::new();
    for epoch in 0..epochs {
        let (data, split) = l.samples.source();
        let order = order(interp, &l.samples, key, epoch)?;
        passes.extend(order.into_iter().map(|index| Pass { sample: SampleRef { data, split, index }, epoch }));
    }
    let name = match interp.host() {
        Some(host) => {
            if batch > 1
                && let Some(active) = host.active.iter().find(|a| a.samples_values())
            {
                return Err(Stop::Fault(Box::new(
                    Diagnostic::new(
                        Code::E0503,
                        span,
                        "values are recorded over time, but the samples of a batch run at the same time",
                    )
                    .also(active.span(), "recorded here")
                    .help("record spikes, or use `batch 1`"),
                )));
            }
            host.phase.clone()
        }
        // Inside a sample of another loop.
        None => return sequential(interp, l, &passes, key),
    };
    if let Some(host) = interp.host() {
        host.progress.loop_start(&name, passes.len() as u64);
    }
    let frozen: BTreeSet<VarKey> = interp.machine.frozen().into_iter().collect();
    let sampled = interp.host().is_some_and(|h| h.active.iter().any(Active::samples_values));
    let result = if passes.len() > 1
        && !sampled
        && analyse(interp.cx.program, interp.cx.model, l, &frozen) == Independence::Proved
    {
        independent(interp, l, &passes, key, span)
    } else if batch > 1 {
        batched(interp, l, &passes, key, batch, &frozen, span)
    } else {
        sequential(interp, l, &passes, key)
    };
    interp.times.clear();
    if let Some(host) = interp.host() {
        host.progress.loop_end();
    }
    result
}

/// The numbers of the samples in the order of one epoch.
fn order(interp: &mut Interp<'_, '_>, samples: &Samples, key: Stream, epoch: u64) -> Res<Vec<usize>> {
    match samples {
        Samples::Split { data, split, span } => {
            let n = interp.cx.env.data.samples(*data, *split).map_err(|d| at(d, *span))?;
            Ok((0..n).collect())
        }
        Samples::Slice { of, start, end, span } => {
            let of = order(interp, of, key, epoch)?;
            let start = start.as_ref().map(|e| interp.int(e)).transpose()?.unwrap_or(0);
            let end = end.as_ref().map(|e| interp.int(e)).transpose()?.unwrap_or(of.len() as i64);
            let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
            range.and_then(|(a, b)| of.get(a..b)).map(<[usize]>::to_vec).ok_or_else(|| {
                fault(
                    Code::E0402,
                    *span,
                    format!("the range {start}..{end} is not within the {} samples that there are", of.len()),
                )
            })
        }
        Samples::Shuffle { of, stream, span } => {
            let of = order(interp, of, key, epoch)?;
            let n = u32::try_from(of.len()).map_err(|_| fault(Code::E0902, *span, "too many samples to shuffle"))?;
            let stream = Stream::new(interp.cx.env.seed, stream).sub(key.key()).sub(epoch);
            Ok(stream.permutation(n).into_iter().filter_map(|k| of.get(k as usize).copied()).collect())
        }
    }
}

/// The key of the random draws of one pass.
fn pass_key(key: Stream, pass: Pass) -> Stream {
    let split = match pass.sample.split {
        Split::Train => 0,
        Split::Test => 1,
    };
    key.sub(split).sub(pass.epoch).sub(pass.sample.index as u64)
}

fn sequential<'a>(interp: &mut Interp<'_, 'a>, l: &'a SampleLoop, passes: &[Pass], key: Stream) -> Res<Flow> {
    let mut flow = Flow::Next;
    for (k, &pass) in passes.iter().enumerate() {
        if interp.cx.env.cancel.load(Ordering::Relaxed) {
            return Err(Stop::Cancelled);
        }
        let outside = std::mem::replace(&mut interp.scope, Scope::new(pass_key(key, pass)));
        interp.times.clear();
        let result =
            interp.set_local(l.var, Value::Sample(pass.sample), l.samples.span()).and_then(|()| interp.block(&l.body));
        interp.scope = outside;
        let end = result?;
        done(interp, k + 1, passes.len(), 1);
        match end {
            Flow::Next => {}
            Flow::Break => break,
            Flow::Return(v) => {
                flow = Flow::Return(v);
                break;
            }
        }
    }
    interp.times.clear();
    Ok(flow)
}

/// Tells of samples that are done.
pub(super) fn done(interp: &mut Interp<'_, '_>, so_far: usize, of: usize, new: u64) {
    if let Some(host) = interp.host() {
        host.samples += new;
        if so_far == of || host.due() {
            let accuracy = host.running_accuracy();
            host.progress.samples_done(so_far as u64, accuracy);
        }
    }
}

/// What a sample that ran on a worker hands in.
pub(super) struct Handed {
    pub(super) effects: Vec<Effect>,
    pub(super) sums: Vec<Accumulation>,
}

/// Applies what a sample handed in; `now` is the step at which it started, and becomes that at which it ended.
pub(super) fn apply(interp: &mut Interp<'_, '_>, handed: Handed, now: &mut u64) -> Res<()> {
    for effect in handed.effects {
        let effect = match effect {
            Effect::Ran(mut ran) => {
                shift(&mut ran.logs, ran.start, *now);
                ran.start = *now;
                *now += ran.steps;
                Effect::Ran(ran)
            }
            other => other,
        };
        if let Some(host) = interp.host() {
            host.apply(effect)?;
        }
    }
    for change in &handed.sums {
        interp.change_local(change)?;
    }
    Ok(())
}

/// What all workers of a loop need.
#[derive(Clone, Copy)]
pub(super) struct Job<'j, 'a> {
    pub(super) cx: &'a Cx<'a>,
    pub(super) l: &'a SampleLoop,
    pub(super) body: &'a Body,
    pub(super) owner: u64,
    pub(super) depth: u32,
    pub(super) frame: &'j [Option<Value>],
    pub(super) key: Stream,
    pub(super) span: Span,
    pub(super) wanted: &'j Arc<[Wanted]>,
}

impl<'j, 'a> Job<'j, 'a> {
    /// The job of a loop, with a copy of the frame around it and of what it wants to know over time.
    pub(super) fn new(
        interp: &Interp<'_, 'a>,
        l: &'a SampleLoop,
        (frame, wanted): (&'j [Option<Value>], &'j Arc<[Wanted]>),
        key: Stream,
        span: Span,
    ) -> Self {
        let (cx, body, owner, depth) = (interp.cx, interp.body, interp.owner, interp.depth);
        Self { cx, l, body, owner, depth, frame, key, span, wanted }
    }

    /// Runs one sample on a worker's network.
    fn run(&self, machine: &mut dyn Machine, pass: Pass) -> Res<Handed> {
        let mut lane = Lane::new(self, pass);
        lane.segment(self, machine, &self.l.body)?;
        Ok(Handed { effects: lane.effects, sums: lane.sums })
    }
}

/// A sample between two segments of its body.
pub(super) struct Lane {
    pub(super) frame: Vec<Option<Value>>,
    scope: Scope,
    pub(super) effects: Vec<Effect>,
    pub(super) sums: Vec<Accumulation>,
    pub(super) times: Vec<SoFar>,
}

impl Lane {
    pub(super) fn new(job: &Job<'_, '_>, pass: Pass) -> Self {
        let mut frame = job.frame.to_vec();
        if let Some(slot) = frame.get_mut(job.l.var.index()) {
            *slot = Some(Value::Sample(pass.sample));
        }
        Self {
            frame,
            scope: Scope::new(pass_key(job.key, pass)),
            effects: Vec::new(),
            sums: Vec::new(),
            times: Vec::new(),
        }
    }

    /// Runs a part of the body.
    pub(super) fn segment<'a>(&mut self, job: &Job<'_, 'a>, machine: &mut dyn Machine, stmts: &'a [Stmt]) -> Res<()> {
        let mut interp = Interp {
            cx: job.cx,
            machine,
            out: Out::Lane(std::mem::take(&mut self.effects)),
            frame: std::mem::take(&mut self.frame),
            body: job.body,
            scope: self.scope.clone(),
            owner: job.owner,
            outer: Some(&job.l.changes),
            sums: std::mem::take(&mut self.sums),
            depth: job.depth,
            wanted: job.wanted.clone(),
            times: std::mem::take(&mut self.times),
            target: Vec::new(),
            column: Room::default(),
        };
        let result = interp.block(stmts);
        self.times = interp.times;
        self.scope = interp.scope;
        self.frame = interp.frame;
        self.sums = interp.sums;
        if let Out::Lane(effects) = interp.out {
            self.effects = effects;
        }
        match result? {
            Flow::Next => Ok(()),
            Flow::Break | Flow::Return(_) => Err(Stop::Fault(Box::new(
                Diagnostic::new(
                    Code::E0503,
                    job.span,
                    "`break` and `return` cannot end a batch: its samples run at the same time",
                )
                .help("use `batch 1`"),
            ))),
        }
    }
}

/// Samples that depend on nothing of each other, on all threads.
fn independent<'a>(
    interp: &mut Interp<'_, 'a>,
    l: &'a SampleLoop,
    passes: &[Pass],
    key: Stream,
    span: Span,
) -> Res<Flow> {
    let (frame, wanted) = (interp.frame.clone(), interp.wanted.clone());
    let job = Job::new(interp, l, (&frame, &wanted), key, span);
    let threads = interp.cx.env.threads.clamp(1, passes.len());
    let chunk = (passes.len() / (threads * 16)).clamp(1, 64);
    // The last sample starts from the loop's start state, so that what it leaves does not depend on who ran which sample.
    let last = Mutex::new(Some(interp.machine.fork()));
    let after: Mutex<Option<Box<dyn Machine>>> = Mutex::new(None);
    let workers: Vec<Box<dyn Machine>> = (0..threads).map(|_| interp.machine.fork()).collect();
    let (next, halt) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, receiver) = mpsc::channel();
    let mut now = interp.machine.steps();
    let result = std::thread::scope(|threads| {
        for mut machine in workers {
            let sender = sender.clone();
            let (job, next, halt, last, after) = (&job, &next, &halt, &last, &after);
            threads.spawn(move || {
                loop {
                    let first = next.fetch_add(chunk, Ordering::Relaxed);
                    if first >= passes.len() || halt.load(Ordering::Relaxed) {
                        return;
                    }
                    let mut handed = Vec::with_capacity(chunk);
                    for (k, &pass) in passes.iter().enumerate().skip(first).take(chunk) {
                        let result = if k + 1 == passes.len()
                            && let Some(mut start) = last.lock().unwrap_or_else(PoisonError::into_inner).take()
                        {
                            let r = job.run(start.as_mut(), pass);
                            *after.lock().unwrap_or_else(PoisonError::into_inner) = Some(start);
                            r
                        } else {
                            job.run(machine.as_mut(), pass)
                        };
                        let failed = result.is_err();
                        handed.push(result);
                        if failed {
                            break;
                        }
                    }
                    if sender.send((first, handed)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut early: BTreeMap<usize, Vec<Res<Handed>>> = BTreeMap::new();
        let (mut chunk_due, mut so_far) = (0, 0);
        // A faulty sample stops the loop once all samples before it are applied; the workers then finish what they have.
        let mut result = Ok(());
        for (first, handed) in &receiver {
            early.insert(first, handed);
            while result.is_ok()
                && let Some(handed) = early.remove(&chunk_due)
            {
                chunk_due += chunk;
                for one in handed {
                    result = one.and_then(|h| apply(interp, h, &mut now));
                    if result.is_err() {
                        halt.store(true, Ordering::Relaxed);
                        break;
                    }
                    so_far += 1;
                    done(interp, so_far, passes.len(), 1);
                }
            }
        }
        if result.is_ok() && so_far != passes.len() {
            result = Err(bug(span, "a worker was lost"));
        }
        result
    });
    let after = after.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(machine) = after
        && result.is_ok()
    {
        interp.machine.adopt(machine.as_ref());
    }
    interp.machine.set_steps(now);
    result.map(|()| Flow::Next)
}
