//! Runs sample loops: one after the other, independent samples on all threads, or the lanes of batches.
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
use crate::script::assign::{Source, assign_all};
use crate::script::eval::{Accumulation, Cx, Flow, Interp, Out, Res, Scope, Stop, at};
use crate::script::expr::{bug, fault, var_name};
use crate::script::host::{Effect, shift};
use crate::script::independent::{Independence, analyse, shared_changes};
use crate::script::ir::{AssignOp, Body, Program, SampleLoop, Samples, Split, Stmt, StmtKind};
use crate::script::machine::{Machine, VarKey};
use crate::script::over_time::{SoFar, Wanted};
use crate::script::recording::Active;
use crate::script::tensor::{Data, SampleRef, Value, copy_values};
use crate::source::Span;

/// One pass through the body: a sample in an epoch.
#[derive(Debug, Clone, Copy)]
struct Pass {
    sample: SampleRef,
    epoch: u64,
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
        check_batch(interp.cx.program, &l.body, true)?;
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
fn done(interp: &mut Interp<'_, '_>, so_far: usize, of: usize, new: u64) {
    if let Some(host) = interp.host() {
        host.samples += new;
        if so_far == of || host.due() {
            let accuracy = host.running_accuracy();
            host.progress.samples_done(so_far as u64, accuracy);
        }
    }
}

/// What a sample that ran on a worker hands in.
struct Handed {
    effects: Vec<Effect>,
    sums: Vec<Accumulation>,
}

/// Applies what a sample handed in; `now` is the step at which it started, and becomes that at which it ended.
fn apply(interp: &mut Interp<'_, '_>, handed: Handed, now: &mut u64) -> Res<()> {
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
struct Job<'j, 'a> {
    cx: &'a Cx<'a>,
    l: &'a SampleLoop,
    body: &'a Body,
    owner: u64,
    depth: u32,
    frame: &'j [Option<Value>],
    key: Stream,
    span: Span,
    wanted: &'j Arc<[Wanted]>,
}

impl<'a> Job<'_, 'a> {
    /// Runs one sample on a worker's network.
    fn run(&self, machine: &mut dyn Machine, pass: Pass) -> Res<Handed> {
        let mut lane = Lane::new(self, pass);
        lane.segment(self, machine, &self.l.body)?;
        Ok(Handed { effects: lane.effects, sums: lane.sums })
    }
}

/// A sample between two segments of its body.
struct Lane {
    frame: Vec<Option<Value>>,
    scope: Scope,
    effects: Vec<Effect>,
    sums: Vec<Accumulation>,
    times: Vec<SoFar>,
}

impl Lane {
    fn new(job: &Job<'_, '_>, pass: Pass) -> Self {
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
    fn segment<'a>(&mut self, job: &Job<'_, 'a>, machine: &mut dyn Machine, stmts: &'a [Stmt]) -> Res<()> {
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
    let job = Job {
        cx: interp.cx,
        l,
        body: interp.body,
        owner: interp.owner,
        depth: interp.depth,
        frame: &frame,
        key,
        span,
        wanted: &wanted,
    };
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
        interp.machine.adopt(machine);
    }
    interp.machine.set_steps(now);
    result.map(|()| Flow::Next)
}

/// Refuses what the lanes of a batch cannot do.
fn check_batch(program: &Program, stmts: &[Stmt], top: bool) -> Res<()> {
    for s in stmts {
        let refuse = |what: &str, help: &str| {
            Err(Stop::Fault(Box::new(
                Diagnostic::new(Code::E0503, s.span, format!("{what} in a batch: its samples run at the same time"))
                    .help(help.to_owned()),
            )))
        };
        match &s.kind {
            StmtKind::SetVar { collective: true, .. } if !top => {
                return refuse(
                    "a weight is assigned inside of another statement",
                    "assign it at the top level of the loop's body, where every sample comes by, or use `batch 1`",
                );
            }
            StmtKind::Freeze(_) | StmtKind::Thaw(_) => {
                return refuse("`freeze` and `thaw` cannot stand", "move it out of the loop");
            }
            StmtKind::If { then, els, .. } => {
                check_batch(program, then, false)?;
                check_batch(program, els, false)?;
            }
            StmtKind::ForRange { body, .. }
            | StmtKind::ForEach { body, .. }
            | StmtKind::While { body, .. }
            | StmtKind::Repeat { body, .. } => check_batch(program, body, false)?,
            StmtKind::ForSamples(l) => check_batch(program, &l.body, false)?,
            StmtKind::Call { proc, .. } => {
                if let Some(p) = program.procedures.get(proc.index()) {
                    check_batch(program, &p.body.stmts, false)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A shared variable's elements, in double precision.
fn read_all(machine: &mut dyn Machine, key: VarKey) -> Vec<f64> {
    copy_values(&machine.values(key)).to_f64()
}

fn write_all(machine: &mut dyn Machine, key: VarKey, values: Vec<f64>, span: Span, cx: &Cx<'_>) -> Res<()> {
    let mut target = machine.values_mut(key).map_err(|d| at(d, span))?;
    let written = assign_all(&mut target, AssignOp::Set, Source::Full(&Data::F64(values)));
    machine.written(key);
    written.map_err(|_| {
        let name = var_name(cx.model, key);
        fault(Code::E0904, span, format!("the changes of a batch make values of `{name}` undefined (not a number)"))
    })
}

/// Batches of lanes that share weights.
fn batched<'a>(
    interp: &mut Interp<'_, 'a>,
    l: &'a SampleLoop,
    passes: &[Pass],
    key: Stream,
    batch: usize,
    frozen: &BTreeSet<VarKey>,
    span: Span,
) -> Res<Flow> {
    let cx = interp.cx;
    let shared = shared_changes(cx.program, cx.model, &l.body, frozen);
    let mut machines: Vec<Box<dyn Machine>> = (0..batch.min(passes.len())).map(|_| interp.machine.fork()).collect();
    let mut now = interp.machine.steps();
    let mut so_far = 0;
    let mut last = 0;
    let mut epoch_start = 0;
    while epoch_start < passes.len() {
        // A batch does not reach over the end of an epoch.
        let epoch = passes[epoch_start].epoch;
        let len = passes[epoch_start..].iter().take_while(|p| p.epoch == epoch).count();
        for part in passes[epoch_start..epoch_start + len].chunks(batch) {
            if cx.env.cancel.load(Ordering::Relaxed) {
                finish(interp, machines, last, &shared, now, span)?;
                return Err(Stop::Cancelled);
            }
            let (frame, wanted) = (interp.frame.clone(), interp.wanted.clone());
            let job = Job {
                cx,
                l,
                body: interp.body,
                owner: interp.owner,
                depth: interp.depth,
                frame: &frame,
                key,
                span,
                wanted: &wanted,
            };
            one_batch(interp, &job, part, &mut machines[..part.len()], &shared, &mut now)?;
            last = part.len() - 1;
            so_far += part.len();
            done(interp, so_far, passes.len(), part.len() as u64);
        }
        epoch_start += len;
    }
    finish(interp, machines, last, &shared, now, span)?;
    Ok(Flow::Next)
}

/// The last sample's states remain, with the merged shared variables.
fn finish(
    interp: &mut Interp<'_, '_>,
    mut machines: Vec<Box<dyn Machine>>,
    last: usize,
    shared: &[VarKey],
    now: u64,
    span: Span,
) -> Res<()> {
    if last >= machines.len() {
        return Ok(());
    }
    let mut machine = machines.swap_remove(last);
    for &key in shared {
        let merged = read_all(interp.machine, key);
        write_all(machine.as_mut(), key, merged, span, interp.cx)?;
    }
    interp.machine.adopt(machine);
    interp.machine.set_steps(now);
    Ok(())
}

/// One batch: the main network holds the merged shared variables, before and after.
fn one_batch<'a>(
    interp: &mut Interp<'_, 'a>,
    job: &Job<'_, 'a>,
    part: &[Pass],
    machines: &mut [Box<dyn Machine>],
    shared: &[VarKey],
    now: &mut u64,
) -> Res<()> {
    let span = job.span;
    let mut lanes: Vec<Lane> = part.iter().map(|&p| Lane::new(job, p)).collect();
    for m in machines.iter_mut() {
        m.set_steps(*now);
    }
    let mut rest: &'a [Stmt] = &job.l.body;
    loop {
        let collective = |s: &Stmt| matches!(s.kind, StmtKind::SetVar { collective: true, .. });
        let cut = rest.iter().position(collective).unwrap_or(rest.len());
        let (segment, after) = rest.split_at(cut);
        if !segment.is_empty() {
            // The lanes start from what is merged so far.
            let start: Vec<Vec<f64>> = shared.iter().map(|&k| read_all(interp.machine, k)).collect();
            for m in machines.iter_mut() {
                for (&k, values) in shared.iter().zip(&start) {
                    write_all(m.as_mut(), k, values.clone(), span, job.cx)?;
                }
            }
            // What the storage made of them: a difference to these is a change.
            run_lanes(job, &mut lanes, machines, segment).map_err(|(k, stop)| {
                // What the samples before the faulty one did stays.
                for lane in lanes.drain(..).take(k) {
                    let handed = Handed { effects: lane.effects, sums: lane.sums };
                    if let Err(earlier) = apply(interp, handed, now) {
                        return earlier;
                    }
                }
                stop
            })?;
            for (&k, mut values) in shared.iter().zip(start) {
                let before = values.clone();
                for m in machines.iter_mut() {
                    for ((sum, x), x0) in values.iter_mut().zip(read_all(m.as_mut(), k)).zip(&before) {
                        *sum += x - x0;
                    }
                }
                write_all(interp.machine, k, values, span, job.cx)?;
            }
        }
        let Some((statement, tail)) = after.split_first() else { break };
        // Once for all, with the locals of the first lane: it may not depend on the sample.
        if let Some(first) = lanes.first() {
            let saved = std::mem::replace(&mut interp.frame, first.frame.clone());
            let result = interp.stmt(statement);
            interp.frame = saved;
            result?;
        }
        rest = tail;
    }
    for lane in lanes {
        apply(interp, Handed { effects: lane.effects, sums: lane.sums }, now)?;
    }
    Ok(())
}

/// Runs a segment in all lanes; gives the first lane that failed.
fn run_lanes<'a>(
    job: &Job<'_, 'a>,
    lanes: &mut [Lane],
    machines: &mut [Box<dyn Machine>],
    segment: &'a [Stmt],
) -> Result<(), (usize, Stop)> {
    let threads = job.cx.env.threads.clamp(1, lanes.len().max(1));
    let faults = Mutex::new(BTreeMap::new());
    let work = Mutex::new(lanes.iter_mut().zip(machines).enumerate());
    let run = || {
        loop {
            let next = work.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((k, (lane, machine))) = next else { return };
            if let Err(stop) = lane.segment(job, machine.as_mut(), segment) {
                faults.lock().unwrap_or_else(PoisonError::into_inner).insert(k, stop);
            }
        }
    };
    if threads == 1 {
        run();
    } else {
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(run);
            }
            run();
        });
    }
    let faults = faults.into_inner().unwrap_or_else(PoisonError::into_inner);
    faults.into_iter().next().map_or(Ok(()), Err)
}
