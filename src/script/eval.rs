//! Runs protocols: statements, procedures, control flow, time.
//!
//! An [`Interp`] runs one body at a time on one network. What it does outside of the network and its own variables are effects: the
//! interpreter of an experiment hands them to the host at once, that of a sample on a worker collects them (see [`super::host`]).
//!
//! Random draws are named, never consumed: inside a sample loop by experiment, loop, split, epoch, sample and the number of the `run`
//! or draw in the body; outside by their running number in the experiment. So it makes no difference who runs a sample, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::diag::{Code, Diagnostic, Label, Severity};
use crate::hir::{self, DataId, PopId};
use crate::rng::{Stream, fnv1a64};
use crate::script::assign::{Source, WriteFault, assign_all, assign_at};
use crate::script::expr::{bug, entry, fault, var_name};
use crate::script::faults::Budget;
use crate::script::host::{Effect, Host, Ran, drain, start_logs};
use crate::script::ir::{
    self, AssignOp, AxisSource, BinaryOp, Body, Expr, ExprKind, IndexItem, LocalId, Place, PrintItem, ProcId, Program,
    ReadoutUse, Select, Split, Stmt, StmtKind,
};
use crate::script::machine::{Entity, Machine, RunKey};
use crate::script::outcome::{Outcome, Output, Phase, Progress, show};
use crate::script::over_time::{self, SoFar, Wanted};
use crate::script::parts::{self, Taken};
use crate::script::tensor::{Data, SampleRef, Tensor, Value, describe, strides};
use crate::script::{columns, delays, faults, lanes, ops, recording};
use crate::source::Span;

/// The samples of the program's data sets. Reading is from several threads.
pub trait DataAccess: Sync {
    /// Number of samples of a split.
    ///
    /// # Errors
    /// The data cannot be read.
    fn samples(&self, data: DataId, split: Split) -> Result<usize, Diagnostic>;

    /// The image of a sample: reals in 0..1, axes 28 × 28.
    ///
    /// # Errors
    /// The data cannot be read, or there is no such sample.
    fn image(&self, sample: SampleRef) -> Result<Tensor, Diagnostic>;

    /// The class of a sample.
    ///
    /// # Errors
    /// As [`DataAccess::image`].
    fn label(&self, sample: SampleRef) -> Result<i64, Diagnostic>;

    /// Replaces the contents of `out` by the values of a field of a data set of arrays.
    ///
    /// # Errors
    /// As [`DataAccess::image`].
    fn field(&self, _sample: SampleRef, name: &str, _out: &mut Vec<f64>) -> Result<(), Diagnostic> {
        Err(Diagnostic::without_span(Code::E0504, format!("these data have no `{name}`")))
    }
}

/// What a run is given beside the program and the network.
pub struct Env<'a> {
    /// The data sets.
    pub data: &'a dyn DataAccess,
    /// The folder of the model file: `load` looks there first.
    pub model_dir: PathBuf,
    /// Where files are written (`--out`); the current folder if `None`.
    pub out_dir: Option<PathBuf>,
    /// Whether recordings that name no file are written too.
    pub unnamed: bool,
    /// Number of threads, at least 1.
    pub threads: usize,
    /// The seed.
    pub seed: u64,
    /// Names of the experiments or tests to run; all if empty.
    pub only: Vec<String>,
    /// Set from outside to stop: the step at hand is finished, and what is there so far is given.
    pub cancel: &'a AtomicBool,
}

/// What does not change while protocols run.
pub(crate) struct Cx<'a> {
    pub program: &'a Program,
    pub model: &'a hir::Model,
    pub env: &'a Env<'a>,
}

/// Why a body ends before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Stopped from outside.
    Cancelled,
    /// A fault.
    Fault(Box<Diagnostic>),
}

impl From<Diagnostic> for Stop {
    fn from(d: Diagnostic) -> Self {
        Self::Fault(Box::new(d))
    }
}

impl From<Box<Diagnostic>> for Stop {
    fn from(d: Box<Diagnostic>) -> Self {
        Self::Fault(d)
    }
}

pub(crate) type Res<T> = Result<T, Stop>;

/// How a block ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Flow {
    Next,
    Break,
    Return(Value),
}

/// Names random draws; see the module's description.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub key: Stream,
    runs: u64,
    draws: BTreeMap<String, u64>,
    /// How often each sample loop was entered.
    entries: BTreeMap<(u64, u32), u64>,
}

impl Scope {
    pub(crate) fn new(key: Stream) -> Self {
        Self { key, runs: 0, draws: BTreeMap::new(), entries: BTreeMap::new() }
    }

    fn next_run(&mut self) -> RunKey {
        let key = RunKey(self.key.sub(self.runs).key());
        self.runs += 1;
        key
    }

    /// Names the draws of the next `redraw`.
    fn next_redraw(&mut self) -> RunKey {
        let number = self.next_draw("redraw");
        RunKey(self.key.sub(fnv1a64(b"redraw")).sub(number).key())
    }

    /// The number of the next draw of a stream.
    pub(crate) fn next_draw(&mut self, stream: &str) -> u64 {
        match self.draws.get_mut(stream) {
            Some(n) => {
                *n += 1;
                *n
            }
            None => {
                self.draws.insert(stream.to_owned(), 0);
                0
            }
        }
    }

    /// The key of a sample loop. Entering it again gives another one.
    pub(crate) fn enter(&mut self, owner: u64, number: u32) -> Stream {
        let entry = self.entries.entry((owner, number)).or_default();
        let key = self.key.sub(owner).sub(u64::from(number));
        let key = if *entry > 0 { key.sub(*entry) } else { key };
        *entry += 1;
        key
    }
}

/// Where effects go.
pub(crate) enum Out<'h, 'a> {
    /// They are applied at once.
    Host(&'h mut Host<'a>),
    /// They are collected.
    Lane(Vec<Effect>),
}

/// A change of a local of the block around a sample loop, to be made in the order of the samples.
#[derive(Debug, Clone)]
pub(crate) struct Accumulation {
    pub local: LocalId,
    pub index: Vec<Taken>,
    pub op: AssignOp,
    pub value: Value,
    pub span: Span,
}

/// Runs bodies on one network.
pub(crate) struct Interp<'h, 'a> {
    pub cx: &'a Cx<'a>,
    pub machine: &'h mut dyn Machine,
    pub out: Out<'h, 'a>,
    /// Locals of the current body.
    pub frame: Vec<Option<Value>>,
    pub body: &'a Body,
    pub scope: Scope,
    /// A number for the current experiment, test or procedure.
    pub owner: u64,
    /// On a worker: locals that are only accumulated, and what is added to them.
    pub outer: Option<&'a BTreeSet<LocalId>>,
    pub sums: Vec<Accumulation>,
    /// How deep procedures are nested.
    pub depth: u32,
    /// The reductions over time that the experiment or test reads, and what the last `run` gave for each.
    pub wanted: Arc<[Wanted]>,
    pub times: Vec<SoFar>,
    /// The shape of what the present statement assigns.
    pub target: Vec<usize>,
    /// Room for the column that is being brought to a sum.
    pub column: columns::Room,
}

/// Steps between two looks at whether to stop. Long enough that what the network does ahead for a stretch of steps pays.
const STRETCH: u64 = 8192;
/// Procedures cannot call themselves, so this is never reached by a program that was accepted.
const DEEPEST: u32 = 1000;
/// A `repeat` that ran so often warns.
const MANY: u64 = 1000;

/// Runs the experiments of a program, in order, on one network.
pub fn run_experiments(
    program: &Program,
    model: &hir::Model,
    machine: &mut dyn Machine,
    env: &Env<'_>,
    output: &mut dyn Output,
    progress: &mut dyn Progress,
) -> Outcome {
    let cx = Cx { program, model, env };
    let mut host = Host::new(&cx, output, progress);
    start_logs(machine, program);
    host.active = program.records.iter().map(|r| recording::Active::new(r, 0)).collect();
    for e in &program.experiments {
        if !env.only.is_empty() && !env.only.contains(&e.name) {
            continue;
        }
        if !phase(&cx, &mut host, machine, &e.name, &e.body) {
            break;
        }
    }
    if let Err(d) = recording::finish(&mut host, machine.dt()) {
        host.outcome.diagnostics.push(*d);
    }
    host.outcome
}

/// Runs the tests of a program, each on a network that `fresh` makes. Tests write no files.
pub fn run_tests(
    program: &Program,
    model: &hir::Model,
    fresh: &mut dyn FnMut() -> Result<Box<dyn Machine>, Diagnostic>,
    env: &Env<'_>,
    output: &mut dyn Output,
    progress: &mut dyn Progress,
) -> Outcome {
    let cx = Cx { program, model, env };
    let mut host = Host::new(&cx, output, progress);
    host.in_test = true;
    for t in &program.tests {
        if !env.only.is_empty() && !env.only.contains(&t.title) {
            continue;
        }
        let mut machine = match fresh() {
            Ok(m) => m,
            Err(d) => {
                host.outcome.diagnostics.push(d);
                break;
            }
        };
        start_logs(machine.as_mut(), program);
        phase(&cx, &mut host, machine.as_mut(), &t.title, &t.body);
        if host.outcome.cancelled {
            break;
        }
    }
    host.outcome
}

/// Where an experiment or a test is declared.
fn spans(program: &Program, name: &str, test: bool) -> Option<Span> {
    if test {
        program.tests.iter().find(|t| t.title == name).map(|t| t.span)
    } else {
        program.experiments.iter().find(|e| e.name == name).map(|e| e.span)
    }
}

/// Runs one experiment or test; false if no further one should run.
fn phase<'a>(cx: &'a Cx<'a>, host: &mut Host<'a>, machine: &mut dyn Machine, name: &str, body: &'a Body) -> bool {
    host.start_phase(name, machine.steps());
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let owner = fnv1a64(name.as_bytes());
    let result = {
        let mut interp = Interp {
            cx,
            machine,
            out: Out::Host(host),
            frame: vec![None; body.locals.len()],
            body,
            scope: Scope::new(Stream::from_key(owner)),
            owner,
            outer: None,
            sums: Vec::new(),
            depth: 0,
            wanted: over_time::wanted(cx.program, &body.stmts).into(),
            times: Vec::new(),
            target: Vec::new(),
            column: columns::Room::default(),
        };
        interp.block(&body.stmts)
    };
    let finished = result.is_ok();
    match result {
        Ok(_) => {}
        Err(Stop::Cancelled) => host.outcome.cancelled = true,
        Err(Stop::Fault(d)) => host.outcome.diagnostics.push(*d),
    }
    host.end_phase(machine.steps());
    let span = spans(cx.program, name, host.in_test);
    if let (true, Some(span)) = (finished, span) {
        let (spikes, steps) = (host.spikes.clone(), host.steps);
        faults::counts(cx.model, &spikes, steps, name, span).into_iter().for_each(|d| host.warn(d));
        host.empty_readouts(span);
    }
    let names = cx.model.populations.iter().map(|p| p.shown().to_owned());
    let spikes = names.zip(host.spikes.iter().copied()).collect();
    host.outcome.phases.push(Phase {
        name: name.to_owned(),
        test: host.in_test,
        steps: host.steps,
        samples: host.samples,
        wall_s: wall.elapsed().as_secs_f64(),
        cpu_s: cpu.and_then(|start| Some(cpu_seconds()? - start)),
        spikes,
        finished,
    });
    finished
}

/// Processor time of this program, all threads together, by the clock of the process: `/proc` counts in hundredths of a second only, which would be a fifth of
/// a short phase.
#[cfg(unix)]
fn cpu_seconds() -> Option<f64> {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9)
}

/// Unknown on other systems.
#[cfg(not(unix))]
fn cpu_seconds() -> Option<f64> {
    None
}

impl<'h, 'a> Interp<'h, 'a> {
    /// The host, unless this runs on a worker.
    pub(crate) fn host(&mut self) -> Option<&mut Host<'a>> {
        match &mut self.out {
            Out::Host(h) => Some(h),
            Out::Lane(_) => None,
        }
    }

    fn emit(&mut self, effect: Effect) -> Res<()> {
        match &mut self.out {
            Out::Host(h) => h.apply(effect),
            Out::Lane(all) => {
                all.push(effect);
                Ok(())
            }
        }
    }

    fn stop_if_asked(&self) -> Res<()> {
        if self.cx.env.cancel.load(Ordering::Relaxed) { Err(Stop::Cancelled) } else { Ok(()) }
    }

    /// Runs statements one after the other.
    pub(crate) fn block(&mut self, stmts: &'a [Stmt]) -> Res<Flow> {
        for s in stmts {
            match self.stmt(s)? {
                Flow::Next => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    pub(crate) fn stmt(&mut self, s: &'a Stmt) -> Res<Flow> {
        match &s.kind {
            StmtKind::Let { local, value } => {
                let v = self.eval(value)?;
                self.set_local(*local, v, s.span)?;
            }
            StmtKind::SetLocal { local, index, op, value } => self.assign_local(*local, index, *op, value, s.span)?,
            StmtKind::SetVar { place, op, value, .. } => self.assign_var(place, *op, value, s.span)?,
            StmtKind::If { cond, then, els } => {
                let branch = if self.truth(cond)? { then } else { els };
                return self.block(branch);
            }
            StmtKind::ForRange { var, start, end, body } => {
                let (start, end) = (self.int(start)?, self.int(end)?);
                for k in start..end {
                    self.stop_if_asked()?;
                    self.set_local(*var, Value::Int(k), s.span)?;
                    match self.block(body)? {
                        Flow::Next => {}
                        Flow::Break => break,
                        other @ Flow::Return(_) => return Ok(other),
                    }
                }
            }
            StmtKind::ForEach { var, values, body } => {
                let Value::Tensor(t) = self.eval(values)? else {
                    return Err(bug(values.span, "a loop runs over something that is no array"));
                };
                for k in 0..t.shape.first().copied().unwrap_or(0) {
                    self.stop_if_asked()?;
                    let x = entry(&t, k).ok_or_else(|| bug(values.span, "an array has fewer values than its shape"))?;
                    self.set_local(*var, x, s.span)?;
                    match self.block(body)? {
                        Flow::Next => {}
                        Flow::Break => break,
                        other @ Flow::Return(_) => return Ok(other),
                    }
                }
            }
            StmtKind::ForSamples(l) => return lanes::run_samples(self, l, s.span),
            StmtKind::While { cond, body } => {
                let mut times = 0;
                while self.truth(cond)? {
                    self.stop_if_asked()?;
                    match self.block(body)? {
                        Flow::Next => {}
                        Flow::Break => break,
                        other @ Flow::Return(_) => return Ok(other),
                    }
                    times += 1;
                    if times == MANY {
                        let (_, text) = self.explain(cond)?;
                        self.emit(Effect::Warn(many("while", cond.span, &text)))?;
                    }
                }
            }
            StmtKind::Repeat { body, until } => {
                let mut times = 0;
                loop {
                    self.stop_if_asked()?;
                    match self.block(body)? {
                        Flow::Next => {}
                        Flow::Break => break,
                        other @ Flow::Return(_) => return Ok(other),
                    }
                    times += 1;
                    let done = if times == MANY {
                        let (done, text) = self.explain(until)?;
                        if !done {
                            self.emit(Effect::Warn(many("repeat", until.span, &text)))?;
                        }
                        done
                    } else {
                        self.truth(until)?
                    };
                    if done {
                        break;
                    }
                }
            }
            StmtKind::Run { time } => self.run(time, s.span)?,
            StmtKind::Expect { cond, text } => {
                let (held, value) = self.explain(cond)?;
                self.emit(Effect::Expect { text: text.clone(), value, held, span: s.span })?;
            }
            StmtKind::Return(value) => {
                let v = value.as_ref().map(|e| self.eval(e)).transpose()?;
                return Ok(Flow::Return(v.unwrap_or(Value::None)));
            }
            StmtKind::Break => return Ok(Flow::Break),
            StmtKind::Reset(targets) => self.machine.reset(targets),
            StmtKind::ResetParts { whole, parts } => {
                self.machine.reset(whole);
                for (neurons, var) in parts {
                    let which = self.neuron_indices(neurons)?;
                    self.machine.reset_part(neurons.view.pop, *var, &which).map_err(|d| at(d, s.span))?;
                }
            }
            StmtKind::Play { pop, times, ids } => {
                let spikes = self.played(*pop, times, ids.as_ref(), s.span)?;
                self.machine.play(*pop, &spikes).map_err(|d| at(d, s.span))?;
            }
            StmtKind::Redraw(targets) => {
                let key = self.scope.next_redraw();
                self.machine.redraw(targets, key).map_err(|d| at(d, s.span))?;
            }
            StmtKind::Freeze(vars) => self.machine.freeze(vars).map_err(|d| at(d, s.span))?,
            StmtKind::Thaw(vars) => self.machine.thaw(vars).map_err(|d| at(d, s.span))?,
            StmtKind::Save { path, vars } => {
                let path = self.text(path)?;
                self.direct("save", s.span)?;
                recording::save(self, &path, vars, s.span)?;
            }
            StmtKind::Load { path, vars } => {
                let path = self.text(path)?;
                self.direct("load", s.span)?;
                recording::load(self, &path, vars, s.span)?;
            }
            StmtKind::Print(items) => self.print(items)?,
            StmtKind::Log { path, columns } => {
                let path = self.text(path)?;
                let mut row = Vec::with_capacity(columns.len());
                for item in columns {
                    let v = match &item.value {
                        Some(e) => scaled(&self.eval(e)?, item.unit.factor).map_err(|m| bug(e.span, &m))?,
                        None => Value::None,
                    };
                    row.push(match v {
                        Value::Real(x) => x.to_string(),
                        other => show(&other),
                    });
                }
                let columns = columns.iter().map(header).collect();
                self.emit(Effect::Log { path, columns, row, span: s.span })?;
            }
            StmtKind::Observe(u) => {
                let (response, class) = self.readout_use(u)?;
                self.emit(Effect::Observe { readout: u.readout, response, class, span: s.span })?;
            }
            StmtKind::Score(u) => {
                let (response, class) = self.readout_use(u)?;
                self.emit(Effect::Score { readout: u.readout, response, class, span: s.span })?;
            }
            StmtKind::Fit(readouts) => {
                self.direct("fit", s.span)?;
                if let Some(host) = self.host() {
                    for &r in readouts {
                        let fitted = host.readouts[r.index()].fit();
                        fitted.map_err(|f| host.readout_fault(r, &f, s.span))?;
                    }
                }
            }
            StmtKind::Record(r) => {
                self.direct("record", s.span)?;
                let mut r = r.clone();
                if let Some(every) = &r.every {
                    let steps = (self.number(every)? / self.machine.dt()).round();
                    if !(1.0..9e15).contains(&steps) {
                        return Err(Stop::Fault(Box::new(
                            Diagnostic::new(Code::E0205, every.span, "the interval of a recording is a positive time")
                                .label(format!("here it is {steps} time steps")),
                        )));
                    }
                    r.every_steps = steps as u64;
                }
                let active = recording::Active::new(&r, self.machine.steps()).with_locals(&self.frame);
                if let Some(host) = self.host() {
                    host.active.push(active);
                }
            }
            StmtKind::Call { proc, args } => {
                self.call(*proc, args)?;
            }
        }
        Ok(Flow::Next)
    }

    /// Refuses what a lane of a batch cannot do.
    fn direct(&self, what: &str, span: Span) -> Res<()> {
        if matches!(self.out, Out::Lane(_)) {
            return Err(Stop::Fault(Box::new(
                Diagnostic::new(
                    Code::E0503,
                    span,
                    format!("`{what}` cannot stand in a batch: its samples run at the same time"),
                )
                .help("move it out of the loop, or use `batch 1`"),
            )));
        }
        Ok(())
    }

    fn text(&mut self, e: &Expr) -> Res<String> {
        match self.eval(e)? {
            Value::Str(s) => Ok(s.to_string()),
            _ => Err(bug(e.span, "a text was expected")),
        }
    }

    pub(crate) fn set_local(&mut self, id: LocalId, v: Value, span: Span) -> Res<()> {
        match self.frame.get_mut(id.index()) {
            Some(slot) => *slot = Some(v),
            None => return Err(bug(span, "a local variable does not exist")),
        }
        Ok(())
    }

    /// Calls a procedure.
    pub(crate) fn call(&mut self, proc: ProcId, args: &[Expr]) -> Res<Flow> {
        let cx = self.cx;
        let Some(procedure) = cx.program.procedures.get(proc.index()) else {
            return Err(bug(args.first().map_or_else(Span::default, |a| a.span), "a procedure does not exist"));
        };
        let args = args.iter().map(|a| self.eval(a)).collect::<Res<Vec<_>>>()?;
        if self.depth >= DEEPEST {
            return Err(bug(procedure.span, "procedures call each other without end"));
        }
        let mut frame = vec![None; procedure.body.locals.len()];
        for (param, v) in procedure.params.iter().zip(args) {
            if let Some(slot) = frame.get_mut(param.index()) {
                *slot = Some(v);
            }
        }
        let saved = (
            std::mem::replace(&mut self.frame, frame),
            std::mem::replace(&mut self.body, &procedure.body),
            std::mem::replace(&mut self.owner, fnv1a64(procedure.name.as_bytes())),
            self.outer.take(),
        );
        self.depth += 1;
        let result = self.block(&procedure.body.stmts);
        self.depth -= 1;
        (self.frame, self.body, self.owner, self.outer) = saved;
        result
    }

    fn readout_use(&mut self, u: &ReadoutUse) -> Res<(Vec<f64>, i64)> {
        let response = self.eval(&u.response)?;
        let response = response.to_f64s().ok_or_else(|| bug(u.response.span, "a response is no array of numbers"))?;
        Ok((response, self.int(&u.class)?))
    }

    fn assign_local(&mut self, local: LocalId, index: &[IndexItem], op: AssignOp, value: &Expr, span: Span) -> Res<()> {
        let mut taken = Vec::new();
        let shape = match self.frame.get(local.index()) {
            Some(Some(Value::Tensor(t))) => t.shape.clone(),
            _ => Vec::new(),
        };
        if !index.is_empty() {
            taken = self.taken(index, &shape, span)?;
        }
        let target = if index.is_empty() { shape } else { parts::places(&taken, &strides(&shape)).0 };
        let value = self.for_target(target, value)?;
        let change = Accumulation { local, index: taken, op, value, span };
        if self.outer.is_some_and(|o| o.contains(&local)) {
            self.sums.push(change);
            return Ok(());
        }
        self.change_local(&change)
    }

    /// The value of an expression that is assigned to elements of this shape.
    fn for_target(&mut self, shape: Vec<usize>, value: &Expr) -> Res<Value> {
        let outer = std::mem::replace(&mut self.target, shape);
        let v = self.eval(value);
        self.target = outer;
        v
    }

    /// Makes a change of a local.
    pub(crate) fn change_local(&mut self, c: &Accumulation) -> Res<()> {
        let wrong = |m: String| fault(Code::E0904, c.span, m);
        let Some(slot) = self.frame.get_mut(c.local.index()) else {
            return Err(bug(c.span, "a local variable does not exist"));
        };
        if c.index.is_empty() {
            if let Some(old @ Value::Tensor(_)) = slot.as_ref() {
                fits(old.shape(), &c.value, c.span)?;
            }
            let new = match (c.op, slot.as_ref()) {
                // An array keeps its shape when a scalar is assigned to it.
                (AssignOp::Set, Some(Value::Tensor(t))) if c.value.shape().is_empty() => {
                    let keep = |data| Tensor { shape: t.shape.clone(), data };
                    match &c.value {
                        Value::Int(x) => keep(Data::I64(vec![*x; t.len()])).into(),
                        Value::Bool(x) => keep(Data::Bool(vec![*x; t.len()])).into(),
                        other => keep(Data::F64(vec![other.as_f64().unwrap_or(f64::NAN); t.len()])).into(),
                    }
                }
                (AssignOp::Set, _) => c.value.clone(),
                (op, Some(old)) => ops::binary(operator(op), old, &c.value).map_err(wrong)?,
                (_, None) => return Err(bug(c.span, "a local variable is changed before it is set")),
            };
            *slot = Some(new);
            return Ok(());
        }
        let Some(Value::Tensor(t)) = slot else { return Err(bug(c.span, "something that is no array is indexed")) };
        let (shape, at) = parts::places(&c.index, &strides(&t.shape));
        if !shape.is_empty() {
            fits(&shape, &c.value, c.span)?;
        }
        let beyond = || bug(c.span, "an index is out of range");
        let new = if c.op == AssignOp::Set {
            c.value.clone()
        } else {
            let old = t.data.gather(at.iter().copied()).ok_or_else(beyond)?;
            let old = Tensor { shape, data: old }.into();
            ops::binary(operator(c.op), &old, &c.value).map_err(wrong)?
        };
        let one = new.shape().is_empty();
        let from = match &new {
            Value::Tensor(t) => t.data.clone(),
            Value::Int(x) => Data::I64(vec![*x]),
            Value::Bool(x) => Data::Bool(vec![*x]),
            other => Data::F64(vec![other.as_f64().unwrap_or(f64::NAN)]),
        };
        let data = &mut Arc::make_mut(t).data;
        for (n, &k) in at.iter().enumerate() {
            let x = from.get(if one { 0 } else { n }).ok_or_else(beyond)?;
            match (&mut *data, &x) {
                (Data::F64(v), _) => *v.get_mut(k).ok_or_else(beyond)? = x.as_f64().unwrap_or(f64::NAN),
                (Data::F32(v), _) => *v.get_mut(k).ok_or_else(beyond)? = x.as_f64().unwrap_or(f64::NAN) as f32,
                (Data::I64(v), Value::Int(x)) => *v.get_mut(k).ok_or_else(beyond)? = *x,
                (Data::Bool(v), Value::Bool(x)) => *v.get_mut(k).ok_or_else(beyond)? = *x,
                _ => return Err(bug(c.span, "an element is given a value of another kind")),
            }
        }
        Ok(())
    }

    fn assign_var(&mut self, place: &Place, op: AssignOp, value: &Expr, span: Span) -> Res<()> {
        let normal = if op == AssignOp::Mul { self.normalisation(place, value, span)? } else { None };
        let done = match &normal {
            Some(normal) => self.normalise_changed(normal, span)?,
            None => None,
        };
        if let Some(result) = done {
            return result.map_err(|f| self.write_fault(f, place.key, None, span));
        }
        // One value per column or row of a matrix is applied without laying it out.
        let (inner, from) = match &value.kind {
            ExprKind::Broadcast { value: inner, from } if matches!(place.select, Select::AllSynapses) => {
                match from.as_slice() {
                    [AxisSource::Repeat, AxisSource::Axis(0)] | [AxisSource::Axis(0), AxisSource::Repeat] => {
                        (inner.as_ref(), from.first().copied())
                    }
                    _ => (value, None),
                }
            }
            _ => (value, None),
        };
        let at = self.positions(place)?;
        let key = place.key;
        let target = match (&at, &place.select) {
            (Some((_, shape)), _) => shape.clone(),
            (None, Select::Neurons(n)) => n.view.shape.iter().map(|&len| len as usize).collect(),
            (None, _) => {
                let v = self.machine.values(key);
                let Entity::Proj(p) = key.entity else { return Err(bug(span, "a population has synapses")) };
                let dense = self.cx.model.projections.get(p.index()).is_some_and(ir::is_dense);
                if dense { vec![v.rows, v.cols] } else { vec![v.rows * v.cols] }
            }
        };
        let v = self.for_target(target, inner)?;
        if let Some((_, shape)) = at.as_ref().filter(|(_, shape)| !shape.is_empty()) {
            fits(shape, &v, value.span)?;
        }
        let mut target = self.machine.values_mut(key).map_err(|d| self::at(d, span))?;
        let result = match (&at, &v) {
            (None, Value::Tensor(t)) => {
                let source = match from {
                    Some(AxisSource::Repeat) => Source::PerColumn(&t.data),
                    Some(_) => Source::PerRow(&t.data),
                    None => Source::Full(&t.data),
                };
                assign_all(&mut target, op, source)
            }
            (None, other) => match other.as_f64() {
                Some(x) => assign_all(&mut target, op, Source::Scalar(x)),
                None => return Err(bug(span, "a variable is given something that is no number")),
            },
            (Some((at, _)), Value::Tensor(t)) => {
                let data = t.data.to_f64();
                assign_at(&mut target, at, op, &|k| data.get(k).copied())
            }
            (Some((at, _)), other) => {
                let x = other.as_f64();
                assign_at(&mut target, at, op, &|_| x)
            }
        };
        if result.is_ok() {
            delays::check(self.machine, self.cx.model, key).map_err(|d| self::at(d, span))?;
        }
        self.machine.written(key);
        if let (Some(normal), true) = (&normal, result.is_ok()) {
            self.settle(normal);
        }
        result.map_err(|f| self.write_fault(f, key, Some(&v), span))
    }

    fn write_fault(
        &self,
        fault_of: WriteFault,
        key: crate::script::machine::VarKey,
        value: Option<&Value>,
        span: Span,
    ) -> Stop {
        let name = var_name(self.cx.model, key);
        match fault_of {
            WriteFault::Nan(n) => Stop::Fault(Box::new(
                Diagnostic::new(
                    Code::E0904,
                    span,
                    format!("this makes {n} values of `{name}` undefined (not a number)"),
                )
                .help("look for a division by a sum that is 0, or a root of a negative number"),
            )),
            WriteFault::Size => fault(
                Code::E0405,
                span,
                format!(
                    "`{name}` and the value have different sizes: the value has {}",
                    value.map_or_else(|| "another number of columns".to_owned(), Value::describe)
                ),
            ),
            WriteFault::OutOfRange => bug(span, "an element outside of a variable is written"),
        }
    }

    fn print(&mut self, items: &[PrintItem]) -> Res<()> {
        let mut words = Vec::with_capacity(items.len());
        let mut results = Vec::new();
        for item in items {
            words.extend(item.label.clone());
            let Some(e) = &item.value else { continue };
            let v = self.eval(e)?;
            let v = if matches!(v, Value::Str(_) | Value::None | Value::Sample(_)) {
                v
            } else {
                scaled(&v, item.unit.factor).map_err(|m| bug(e.span, &m))?
            };
            let unit = &item.unit.name;
            words.push(if unit.is_empty() { show(&v) } else { format!("{} {unit}", show(&v)) });
            let name = item.label.clone().unwrap_or_else(|| item.text.clone());
            results.push((name, v, unit.clone()));
        }
        self.emit(Effect::Print { line: words.join(" "), results })
    }

    /// `run`
    fn run(&mut self, time: &Expr, span: Span) -> Res<()> {
        let ms = self.number(time)?;
        let dt = self.machine.dt();
        if !ms.is_finite() || ms < 0.0 {
            let what = if ms.is_finite() { format!("{ms} ms") } else { "a time that is no finite number".to_owned() };
            return Err(Stop::Fault(Box::new(
                Diagnostic::new(Code::E0502, time.span, format!("`run` cannot advance by {what}"))
                    .label("the time to run")
                    .help("give a time from 0 ms on"),
            )));
        }
        let steps = (ms / dt).round();
        let largest = (1_u64 << 53) as f64;
        if steps + self.machine.steps() as f64 > largest {
            return Err(fault(
                Code::E0903,
                time.span,
                format!("`run` would advance by {steps:e} steps, and times are exact up to 2^53 steps"),
            ));
        }
        let steps = steps as u64;
        let key = self.scope.next_run();
        let start = self.machine.steps();
        self.machine.begin_run(steps, key).map_err(|d| at(d, span))?;
        self.times_begin();
        let watch = match &mut self.out {
            Out::Host(host) => faults::watch(self.machine, steps, &mut host.copies),
            Out::Lane(_) => faults::watch(self.machine, steps, &mut Budget::of_sample()),
        };
        let result = self.advance(start, steps, span);
        let fault = if result.is_ok() { watch.fault(self.machine, self.cx.model, span) } else { None };
        let done = self.machine.steps().saturating_sub(start);
        let model = self.cx.model;
        let spikes = (0..model.populations.len()).map(|p| self.machine.total(PopId(p as u32))).collect();
        let logs = drain(self.machine, self.cx.program);
        self.emit(Effect::Ran(Ran { start, steps: done, spikes, logs }))?;
        match fault {
            Some(d) => Err(d.into()),
            None => {
                if let Out::Host(host) = &mut self.out {
                    host.copies.done(watch);
                }
                result
            }
        }
    }

    /// Advances, with stops at the times of recordings and to look whether to go on.
    fn advance(&mut self, start: u64, steps: u64, span: Span) -> Res<()> {
        let end = start + steps;
        loop {
            let now = self.machine.steps();
            if now >= end {
                return Ok(());
            }
            self.stop_if_asked()?;
            let mut stretch = (end - now).min(STRETCH);
            if matches!(&self.out, Out::Host(h) if !h.active.is_empty()) {
                stretch = stretch.min(recording::sample(self, now)?);
            }
            if !self.wanted.is_empty() {
                stretch = 1;
            }
            self.machine.advance(stretch).map_err(|d| at(d, span))?;
            self.times_step()?;
            if steps > STRETCH
                && let Some(host) = self.host()
                && host.due()
            {
                host.progress.steps_done(now + stretch - start, steps);
            }
        }
    }
}

/// Refuses an array of another shape than the elements that are assigned.
fn fits(target: &[usize], value: &Value, span: Span) -> Res<()> {
    if value.shape().is_empty() || value.shape() == target {
        return Ok(());
    }
    let (mine, wanted) = (describe(value.shape()), describe(target));
    Err(Stop::Fault(Box::new(
        Diagnostic::new(Code::E0501, span, format!("the value has another size than what is assigned ({wanted})"))
            .label(format!("this has {mine}")),
    )))
}

/// A diagnostic of the network gets the statement's place if it has none.
pub(crate) fn at(mut d: Diagnostic, span: Span) -> Stop {
    if d.primary.is_none() {
        d.primary = Some(Label { span, text: String::new() });
    }
    Stop::Fault(Box::new(d))
}

/// The operator of an updating assignment (`Set` has none and is handled before).
fn operator(op: AssignOp) -> BinaryOp {
    match op {
        AssignOp::Set | AssignOp::Add => BinaryOp::Add,
        AssignOp::Sub => BinaryOp::Sub,
        AssignOp::Mul => BinaryOp::Mul,
        AssignOp::Div => BinaryOp::Div,
    }
}

/// A value in its unit. Bare numbers stay as they are, ints included.
pub(crate) fn scaled(v: &Value, factor: f64) -> Result<Value, String> {
    if factor == 1.0 { Ok(v.clone()) } else { ops::binary(BinaryOp::Div, &ops::to_real(v), &Value::Real(factor)) }
}

fn header(item: &PrintItem) -> String {
    let name = item.label.as_ref().unwrap_or(&item.text);
    if item.unit.name.is_empty() { name.clone() } else { format!("{name} ({})", item.unit.name) }
}

fn many(what: &str, span: Span, values: &str) -> Diagnostic {
    let mut d = Diagnostic::new(Code::W0712, span, format!("this `{what}` has run {MANY} times"))
        .label(format!("its condition now: {values}"))
        .help("check that what the loop changes can reach the condition; it goes on");
    d.severity = Severity::Warning;
    d
}
