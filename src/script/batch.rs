//! Batches: lanes that run at the same time, each from the same shared variables (`weight`, `learned`), whose changes are summed.
//!
//! A variable of synapses is as large as all else together. It is not copied for each lane: every thread has one copy, lends it to the lane that
//! it runs, and takes back what the lane changed (`changes.rs`), to be summed up at the end
//! (`merge.rs`). Small variables, and those that relax by themselves, are copied.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use crate::diag::{Code, Diagnostic};
use crate::rng::Stream;
use crate::script::assign::{Source, assign_all};
use crate::script::changes::{self, Changes, LANE, Room};
use crate::script::eval::{Cx, Flow, Interp, Res, Stop, at};
use crate::script::expr::{fault, var_name};
use crate::script::independent::shared_changes;
use crate::script::ir::{AssignOp, Program, SampleLoop, Stmt, StmtKind};
use crate::script::lanes::{Handed, Job, Lane, Pass, apply, done};
use crate::script::machine::{Machine, VarKey, Workspace};
use crate::script::merge::Pending;
use crate::script::tensor::{Data, copy_values};
use crate::source::Span;

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
            StmtKind::SetVar { place, .. } if program.delays.contains(&place.key) => {
                return refuse("delays cannot be changed", "change them outside of the loop, or use `batch 1`");
            }
            StmtKind::Load { vars, .. } if vars.iter().any(|v| program.delays.contains(&v.key)) => {
                return refuse("delays cannot be loaded", "load them outside of the loop, or use `batch 1`");
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
    copy_values(&machine.values(key)).into_f64()
}

fn write_all(machine: &mut dyn Machine, key: VarKey, values: &Data, span: Span, cx: &Cx<'_>) -> Res<()> {
    let mut target = machine.values_mut(key).map_err(|d| at(d, span))?;
    let written = assign_all(&mut target, AssignOp::Set, Source::Full(values));
    machine.written(key);
    written.map_err(|_| undefined(key, span, cx))
}

fn undefined(key: VarKey, span: Span, cx: &Cx<'_>) -> Stop {
    let name = var_name(cx.model, key);
    fault(Code::E0904, span, format!("the changes of a batch make values of `{name}` undefined (not a number)"))
}

/// The lanes of a loop and what they share.
struct Batches {
    /// Without a workspace.
    lanes: Vec<Box<dyn Machine>>,
    /// The workspace of each thread, which its lanes use in turn.
    workspaces: Vec<Workspace>,
    shared: Vec<Shared>,
}

/// A variable that the lanes share.
struct Shared {
    key: VarKey,
    /// Its values at the start of the present segment. If it is lent, these are the network's own, in the order of the storage.
    start: Data,
    /// The changes of the lanes so far.
    pending: Pending,
    /// The copy of each thread; empty if the variable is copied to every lane.
    lent: Vec<Data>,
}

impl Batches {
    /// Lanes that start from the present network, for so many threads.
    fn new(machine: &mut dyn Machine, keys: &[VarKey], lanes: usize, threads: usize) -> Self {
        let mut shared = Vec::new();
        let mut taken = Vec::new();
        for &key in keys {
            let values = take(machine, key);
            let lent = if values.is_some() { vec![empty(values.as_ref()); threads] } else { Vec::new() };
            shared.push(Shared { key, start: empty(values.as_ref()), pending: Pending::default(), lent });
            taken.push(values);
        }
        // Without what is lent to them.
        let mut forks = Vec::with_capacity(lanes);
        let mut workspaces = Vec::with_capacity(threads);
        for _ in 0..lanes {
            let mut lane = machine.fork();
            let mut workspace = None;
            lane.exchange_workspace(&mut workspace);
            forks.push(lane);
            if workspaces.len() < threads {
                workspaces.push(workspace);
            }
        }
        for (s, values) in shared.iter().zip(taken) {
            if let Some(mut values) = values {
                machine.exchange(s.key, &mut values);
            }
        }
        Self { lanes: forks, workspaces, shared }
    }

    /// A segment starts: notes what the lanes start from. The network lacks what is lent until the segment ends.
    fn start(&mut self, machine: &mut dyn Machine) {
        for s in &mut self.shared {
            if s.lent.is_empty() {
                s.start = Data::F64(read_all(machine, s.key));
            } else if let Some(values) = take(machine, s.key) {
                s.start = values;
            }
        }
    }

    /// A segment ends: the network gets the sums.
    fn end(&mut self, machine: &mut dyn Machine, span: Span, cx: &Cx<'_>) -> Res<()> {
        let mut result = Ok(());
        for s in &mut self.shared {
            let sound = if s.lent.is_empty() {
                let sums = Data::F64(s.pending.take_sums(&s.start));
                write_all(machine, s.key, &sums, span, cx)
            } else {
                let bounds = machine.bounds(s.key);
                let threads = s.lent.len();
                let sound = s.pending.store(bounds, &mut s.start, threads);
                machine.exchange(s.key, &mut s.start);
                machine.written(s.key);
                if sound { Ok(()) } else { Err(undefined(s.key, span, cx)) }
            };
            result = result.and(sound);
        }
        result
    }

    /// A segment failed: the network has what it had before.
    fn give_back(&mut self, machine: &mut dyn Machine) {
        for s in &mut self.shared {
            s.pending.forget();
            if !s.lent.is_empty() {
                machine.exchange(s.key, &mut s.start);
            }
        }
    }

    /// The last sample's states remain, with the merged shared variables.
    fn finish(mut self, interp: &mut Interp<'_, '_>, last: usize, now: u64, span: Span) -> Res<()> {
        if last >= self.lanes.len() {
            return Ok(());
        }
        let mut lane = self.lanes.swap_remove(last);
        lane.exchange_workspace(self.workspaces.first_mut().unwrap_or(&mut None));
        for s in &self.shared {
            if s.lent.is_empty() {
                let merged = Data::F64(read_all(interp.machine, s.key));
                write_all(lane.as_mut(), s.key, &merged, span, interp.cx)?;
            } else if let Some(mut values) = take(interp.machine, s.key) {
                lane.exchange(s.key, &mut values);
                lane.written(s.key);
            }
        }
        interp.machine.adopt(lane.as_ref());
        interp.machine.set_steps(now);
        Ok(())
    }
}

/// The stored values of a variable that can be lent, which the network has no longer.
fn take(machine: &mut dyn Machine, key: VarKey) -> Option<Data> {
    [Data::F32(Vec::new()), Data::F64(Vec::new())].into_iter().find_map(|mut values| {
        let taken = machine.exchange(key, &mut values);
        taken.then_some(values)
    })
}

/// No values, of the same kind.
fn empty(like: Option<&Data>) -> Data {
    match like {
        Some(Data::F32(_)) => Data::F32(Vec::new()),
        _ => Data::F64(Vec::new()),
    }
}

/// Batches of lanes that share weights.
pub(super) fn batched<'a>(
    interp: &mut Interp<'_, 'a>,
    l: &'a SampleLoop,
    passes: &[Pass],
    key: Stream,
    batch: usize,
    frozen: &BTreeSet<VarKey>,
    span: Span,
) -> Res<Flow> {
    let cx = interp.cx;
    check_batch(cx.program, &l.body, true)?;
    let shared = shared_changes(cx.program, cx.model, &l.body, frozen);
    let lanes = batch.min(passes.len());
    let mut batches = Batches::new(interp.machine, &shared, lanes, cx.env.threads.clamp(1, lanes.max(1)));
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
                batches.finish(interp, last, now, span)?;
                return Err(Stop::Cancelled);
            }
            let (frame, wanted) = (interp.frame.clone(), interp.wanted.clone());
            let job = Job::new(interp, l, (&frame, &wanted), key, span);
            one_batch(interp, &job, part, &mut batches, &mut now)?;
            last = part.len() - 1;
            so_far += part.len();
            done(interp, so_far, passes.len(), part.len() as u64);
        }
        epoch_start += len;
    }
    batches.finish(interp, last, now, span)?;
    Ok(Flow::Next)
}

/// One batch: the main network holds the merged shared variables, before and after.
fn one_batch<'a>(
    interp: &mut Interp<'_, 'a>,
    job: &Job<'_, 'a>,
    part: &[Pass],
    batches: &mut Batches,
    now: &mut u64,
) -> Res<()> {
    let span = job.span;
    let mut lanes: Vec<Lane> = part.iter().map(|&p| Lane::new(job, p)).collect();
    for m in batches.lanes.iter_mut().take(part.len()) {
        m.set_steps(*now);
    }
    let mut rest: &'a [Stmt] = &job.l.body;
    loop {
        let collective = |s: &Stmt| matches!(s.kind, StmtKind::SetVar { collective: true, .. });
        let cut = rest.iter().position(collective).unwrap_or(rest.len());
        let (segment, after) = rest.split_at(cut);
        if !segment.is_empty() {
            // The lanes start from what is merged so far.
            batches.start(interp.machine);
            run_lanes(job, &mut lanes, batches, segment, after.is_empty()).map_err(|(k, stop)| {
                batches.give_back(interp.machine);
                // What the samples before the faulty one did stays.
                for lane in lanes.drain(..).take(k) {
                    let handed = Handed { effects: lane.effects, sums: lane.sums };
                    if let Err(earlier) = apply(interp, handed, now) {
                        return earlier;
                    }
                }
                stop
            })?;
            batches.end(interp.machine, span, job.cx)?;
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

/// Where the changes of lanes come together, in the order of the lanes.
struct Merge<'s> {
    /// The lane whose changes come next.
    next: usize,
    /// Those of lanes that were done before one in front of them.
    early: BTreeMap<usize, Vec<Changes>>,
    /// By shared variable.
    pending: Vec<&'s mut Pending>,
}

impl Merge<'_> {
    /// Memory for the changes of a lane.
    fn rooms(&mut self) -> Vec<Room> {
        self.pending.iter_mut().map(|p| p.room()).collect()
    }

    fn add(&mut self, lane: usize, changes: Vec<Changes>, starts: &[&Data]) {
        self.early.insert(lane, changes);
        while let Some(changes) = self.early.remove(&self.next) {
            for ((pending, change), start) in self.pending.iter_mut().zip(changes).zip(starts) {
                pending.add(change, start);
            }
            self.next += 1;
        }
    }
}

/// Runs a segment, which may be the last one, in all lanes and sums up their changes; gives the first lane that failed.
fn run_lanes<'a>(
    job: &Job<'_, 'a>,
    lanes: &mut [Lane],
    batches: &mut Batches,
    segment: &'a [Stmt],
    last: bool,
) -> Result<(), (usize, Stop)> {
    let threads = job.cx.env.threads.clamp(1, lanes.len().max(1));
    let keys: Vec<VarKey> = batches.shared.iter().map(|s| s.key).collect();
    let (mut starts, mut pending) = (Vec::new(), Vec::new());
    // By thread, then by shared variable.
    let mut lent: Vec<Vec<Option<&mut Data>>> = (0..threads).map(|_| Vec::new()).collect();
    for s in &mut batches.shared {
        starts.push(&s.start);
        pending.push(&mut s.pending);
        let mut copies = s.lent.iter_mut();
        lent.iter_mut().for_each(|of| of.push(copies.next()));
    }
    let starts = starts.as_slice();
    let faults = Mutex::new(BTreeMap::new());
    let merge = Mutex::new(Merge { next: 0, early: BTreeMap::new(), pending });
    let work = Mutex::new(lanes.iter_mut().zip(&mut batches.lanes).enumerate());
    let run = |mut lent: Vec<Option<&mut Data>>, workspace: &mut Workspace| {
        for (copy, start) in lent.iter_mut().zip(starts) {
            if let Some(copy) = copy {
                changes::copy(start, copy);
            }
        }
        loop {
            let next = work.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((k, (lane, machine))) = next else { return };
            let machine = machine.as_mut();
            machine.exchange_workspace(workspace);
            let rooms = merge.lock().unwrap_or_else(PoisonError::into_inner).rooms();
            let result = one_lane(job, lane, machine, segment, &keys, starts, &mut lent, rooms);
            machine.exchange_workspace(workspace);
            if last {
                // Nothing comes that could read its locals; the next lane gets their memory.
                lane.frame = Vec::new();
            }
            match result {
                Ok(changes) => merge.lock().unwrap_or_else(PoisonError::into_inner).add(k, changes, starts),
                Err(stop) => {
                    faults.lock().unwrap_or_else(PoisonError::into_inner).insert(k, stop);
                }
            }
        }
    };
    // There are as many workspaces as threads.
    let mut each = lent.into_iter().zip(&mut batches.workspaces);
    if let Some((lent, workspace)) = each.next() {
        let run = &run;
        std::thread::scope(|scope| {
            for (lent, workspace) in each {
                scope.spawn(move || run(lent, workspace));
            }
            run(lent, workspace);
        });
    }
    let faults = faults.into_inner().unwrap_or_else(PoisonError::into_inner);
    faults.into_iter().next().map_or(Ok(()), Err)
}

/// Runs a segment in one lane; gives what it changed of each shared variable, in the memory of `rooms`. What was lent is back, as it was.
fn one_lane<'a>(
    job: &Job<'_, 'a>,
    lane: &mut Lane,
    machine: &mut dyn Machine,
    segment: &'a [Stmt],
    keys: &[VarKey],
    starts: &[&Data],
    lent: &mut [Option<&mut Data>],
    rooms: Vec<Room>,
) -> Res<Vec<Changes>> {
    let mut result = Ok(());
    for ((&key, start), copy) in keys.iter().zip(starts).zip(lent.iter_mut()) {
        match copy {
            Some(copy) => {
                machine.exchange(key, copy);
                machine.settle_columns(key, LANE, &[]);
            }
            None => result = result.and(write_all(machine, key, start, job.span, job.cx)),
        }
    }
    // Whatever fails, what was lent is taken back.
    let result = result.and_then(|()| lane.segment(job, machine, segment));
    let mut out = Vec::with_capacity(keys.len());
    for (((&key, start), copy), room) in keys.iter().zip(starts).zip(lent).zip(rooms) {
        out.push(match copy {
            Some(copy) => {
                let part = machine.changed_columns(key, LANE).map(|columns| {
                    let rows = machine.changed_rows(key, LANE);
                    let values = machine.values(key);
                    (rows.unwrap_or_else(|| (0..values.rows as u32).collect()), columns, values.stride)
                });
                machine.exchange(key, copy);
                match part {
                    Some((rows, columns, stride)) => Changes::take_part([&rows, &columns], stride, start, copy, room),
                    None => Changes::take_all(start, copy, room),
                }
            }
            None => Changes::Full(read_all(machine, key)),
        });
    }
    result.map(|()| out)
}
