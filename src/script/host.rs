//! The side of a run that is not the network: what was printed, observed, expected, recorded. Bodies of sample loops that run on
//! several threads hand in their effects, and the host applies them in the order of the samples; a sequential body's effects are
//! applied at once. So the host's state never depends on the number of threads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::diag::{Code, Diagnostic, Severity};
use crate::hir::{PopId, ReadoutId};
use crate::script::eval::{Cx, Res};
use crate::script::faults::Budget;
use crate::script::ir::Program;
use crate::script::machine::{Machine, SpikeLog};
use crate::script::metrics::Window;
use crate::script::outcome::{ExpectResult, Outcome, Output, Progress, ReadoutResult, ResultValue};
use crate::script::readout::{Readout, ReadoutFault};
use crate::script::recording::{Active, Table};
use crate::script::tensor::Value;
use crate::source::Span;

/// Something a protocol does outside of the network and its own variables.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    /// `print`
    Print { line: String, results: Vec<(String, Value, String)> },
    /// `observe`
    Observe { readout: ReadoutId, response: Vec<f64>, class: i64, span: Span },
    /// `score`
    Score { readout: ReadoutId, response: Vec<f64>, class: i64, span: Span },
    /// `expect`
    Expect { text: String, value: String, held: bool, span: Span },
    /// `log`
    Log { path: String, columns: Vec<String>, row: Vec<String>, span: Span },
    /// A warning.
    Warn(Diagnostic),
    /// The end of a `run`.
    Ran(Ran),
}

/// What one `run`, or all of a sample's, did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ran {
    /// The step at which it started.
    pub start: u64,
    /// Steps done.
    pub steps: u64,
    /// Spikes of each population.
    pub spikes: Vec<u64>,
    /// Recorded spikes, and other events by their numbers.
    pub logs: Vec<(LogKey, SpikeLog)>,
}

/// Names a log: the spikes of a population, or another event of it.
pub(crate) type LogKey = (PopId, Option<u32>);

/// See the module's description.
pub(crate) struct Host<'a> {
    pub cx: &'a Cx<'a>,
    pub output: &'a mut dyn Output,
    pub progress: &'a mut dyn Progress,
    pub outcome: Outcome,
    /// The experiment or test that is running.
    pub phase: String,
    pub in_test: bool,
    pub readouts: Vec<Readout>,
    /// Readouts scored with in this phase.
    pub scored: BTreeSet<ReadoutId>,
    /// Recorded spikes and other events.
    pub logs: BTreeMap<LogKey, SpikeLog>,
    /// Counts of this phase.
    pub steps: u64,
    pub samples: u64,
    pub spikes: Vec<u64>,
    /// Where `rate` and its like start.
    pub window_start: u64,
    /// Recordings.
    pub active: Vec<Active>,
    /// Rows of `log`, by file.
    pub tables: BTreeMap<PathBuf, Table>,
    /// Copies of the network that may still be made to explain values that leave their range.
    pub copies: Budget,
    last_tick: Option<Instant>,
}

impl<'a> Host<'a> {
    pub(crate) fn new(cx: &'a Cx<'a>, output: &'a mut dyn Output, progress: &'a mut dyn Progress) -> Self {
        let pops = cx.model.populations.len();
        Self {
            cx,
            output,
            progress,
            outcome: Outcome::default(),
            phase: String::new(),
            in_test: false,
            readouts: cx.model.readouts.iter().map(|r| Readout::new(r.kind.clone())).collect(),
            scored: BTreeSet::new(),
            logs: BTreeMap::new(),
            steps: 0,
            samples: 0,
            spikes: vec![0; pops],
            window_start: 0,
            active: Vec::new(),
            tables: BTreeMap::new(),
            copies: Budget::default(),
            last_tick: None,
        }
    }

    /// What was recorded of the spikes or another event of a population.
    pub(crate) fn log_of(&self, pop: PopId, event: Option<u32>) -> &SpikeLog {
        static NOTHING: SpikeLog = SpikeLog { step: Vec::new(), neuron: Vec::new() };
        self.logs.get(&(pop, event)).unwrap_or(&NOTHING)
    }

    /// A new experiment or test; `now` is the network's step.
    pub(crate) fn start_phase(&mut self, name: &str, now: u64) {
        name.clone_into(&mut self.phase);
        (self.steps, self.samples, self.window_start) = (0, 0, now);
        self.spikes.fill(0);
        self.scored.clear();
        if self.in_test {
            // A fresh network: nothing of the test before remains.
            self.readouts = self.cx.model.readouts.iter().map(|r| Readout::new(r.kind.clone())).collect();
            self.logs.clear();
            self.active.clear();
        } else if self.active.iter().all(|a| !a.wants_spikes()) {
            // Only `rate` and its like read the spikes, and these look back to here at most.
            self.logs.clear();
        }
        self.progress.phase_start(name);
    }

    /// Gives the results of the decoders that were scored with, and ends the recordings that the phase started.
    pub(crate) fn end_phase(&mut self, now: u64) {
        for a in self.active.iter_mut().filter(|a| a.in_body && a.end.is_none()) {
            a.end = Some(now);
        }
        for &r in &self.scored {
            let readout = &self.readouts[r.index()];
            if let Some(accuracy) = readout.accuracy() {
                self.outcome.readouts.push(ReadoutResult {
                    phase: self.phase.clone(),
                    name: self.cx.model.readouts[r.index()].name.clone(),
                    accuracy,
                    scored: readout.scored(),
                    confusion: readout.confusion().to_vec(),
                });
            }
        }
        self.progress.phase_end(&self.phase);
    }

    /// Warns of decoders that were scored with and know no class of any neuron.
    pub(crate) fn empty_readouts(&mut self, span: Span) {
        let empty: Vec<ReadoutId> = self.scored.iter().copied().filter(|r| self.readouts[r.index()].empty()).collect();
        for r in empty {
            let decl = &self.cx.model.readouts[r.index()];
            self.warn(
                Diagnostic::new(
                    Code::W0716,
                    decl.span,
                    format!("`{}` was scored with, and no neuron had ever answered", decl.name),
                )
                .label("every response that it observed was zero: all its predictions are \"none\"")
                .also(span, "scored here")
                .help(
                    "check that the neurons spike while the samples are shown: `print(sum(E.count))` after the `run`",
                ),
            );
        }
    }

    /// Applies an effect.
    pub(crate) fn apply(&mut self, effect: Effect) -> Res<()> {
        match effect {
            Effect::Print { line, results } => {
                self.output.line(&line);
                let phase = &self.phase;
                self.outcome.results.extend(results.into_iter().map(|(name, value, unit)| ResultValue {
                    phase: phase.clone(),
                    name,
                    value,
                    unit,
                }));
            }
            Effect::Observe { readout, response, class, span } => {
                let r = self.readouts[readout.index()].observe(&response, class);
                r.map_err(|f| self.readout_fault(readout, &f, span))?;
            }
            Effect::Score { readout, response, class, span } => {
                if self.scored.insert(readout) {
                    // A new series in each experiment.
                    self.readouts[readout.index()].clear_scores();
                }
                let r = self.readouts[readout.index()].score(&response, class);
                r.map_err(|f| self.readout_fault(readout, &f, span))?;
            }
            Effect::Expect { text, value, held, span } => {
                if !held {
                    let d = Diagnostic::new(Code::E0506, span, format!("`{text}` does not hold")).label(value.clone());
                    self.outcome.diagnostics.push(d);
                }
                self.outcome.expects.push(ExpectResult { phase: self.phase.clone(), text, value, held, span });
            }
            Effect::Log { path, columns, row, span } => self.log(&path, columns, row, span)?,
            Effect::Warn(d) => self.warn(d),
            Effect::Ran(ran) => {
                self.steps += ran.steps;
                for (total, n) in self.spikes.iter_mut().zip(&ran.spikes) {
                    *total += n;
                }
                for (key, log) in ran.logs {
                    let all = self.logs.entry(key).or_default();
                    all.step.extend(log.step);
                    all.neuron.extend(log.neuron);
                }
            }
        }
        Ok(())
    }

    /// Tells of a warning, once for each text.
    pub(crate) fn warn(&mut self, d: Diagnostic) {
        if !self.outcome.diagnostics.contains(&d) {
            if d.severity != Severity::Error {
                self.output.warning(&d);
            }
            self.outcome.diagnostics.push(d);
        }
    }

    /// Whether it is time to tell how far things are: about twenty times a second.
    pub(crate) fn due(&mut self) -> bool {
        let now = Instant::now();
        let due = self.last_tick.is_none_or(|t| now.duration_since(t) >= Duration::from_millis(50));
        if due {
            self.last_tick = Some(now);
        }
        due
    }

    /// The running accuracy of the decoder that is scoring.
    pub(crate) fn running_accuracy(&self) -> Option<f64> {
        self.scored.iter().find_map(|r| self.readouts[r.index()].accuracy())
    }

    /// The window of `rate` and its like, from and to times in ms.
    pub(crate) fn window(&self, from: Option<f64>, to: Option<f64>, now: u64, dt: f64) -> Window {
        let step = |ms: f64| if ms <= 0.0 { 0 } else { (ms / dt).round() as u64 };
        Window {
            from: from.map_or(self.window_start, |t| step(t).max(self.window_start)),
            to: to.map_or(now, |t| step(t).min(now)),
        }
    }

    /// The message of a decoder that refuses.
    pub(crate) fn readout_fault(&self, id: ReadoutId, fault: &ReadoutFault, span: Span) -> Box<Diagnostic> {
        let readout = &self.cx.model.readouts[id.index()];
        let name = &readout.name;
        let d = match fault {
            ReadoutFault::Class { class, classes } => Diagnostic::new(
                Code::E0502,
                span,
                format!(
                    "class {class} is not one of the {classes} classes of `{name}` (0 to {})",
                    classes.saturating_sub(1)
                ),
            )
            .also(readout.span, "declared here"),
            ReadoutFault::Width { expected, found } => Diagnostic::new(
                Code::E0501,
                span,
                format!("`{name}` was given a response of {found} values, and of {expected} values before"),
            )
            .help("give one decoder the response of one population"),
            ReadoutFault::NothingObserved => {
                Diagnostic::new(Code::E0502, span, format!("`{name}` has observed nothing yet")).help(format!(
                    "call `observe({name}, …)` first, or run the experiment that does as well; with `--load FILE` a network that has learned need not be trained again for it"
                ))
            }
            ReadoutFault::NotFitted => Diagnostic::new(Code::E0502, span, format!("`{name}` is not fitted"))
                .help(format!("call `fit({name})` after the observations, or run the experiment that does as well; with `--load FILE` a network that has learned need not be trained again for it")),
            ReadoutFault::Singular => Diagnostic::new(
                Code::E0904,
                span,
                format!("`{name}` cannot be fitted: some features follow from others, so the solution is not unique"),
            )
            .also(readout.span, "its `ridge` is here")
            .help("give it a ridge penalty, such as `ridge = 1e-3`, or observe more samples"),
            ReadoutFault::NotFinite => {
                Diagnostic::new(Code::E0904, span, format!("`{name}` was given a value that is no finite number"))
            }
        };
        Box::new(d)
    }
}

/// Takes what was recorded since the last time out of a network.
pub(crate) fn drain(machine: &mut dyn Machine, program: &Program) -> Vec<(LogKey, SpikeLog)> {
    let spikes = program.spikes_recorded.iter().map(|&p| ((p, None), machine.spikes(p).clone()));
    let events = program.events_recorded.iter().map(|&(p, e)| ((p, Some(e)), machine.events(p, e)));
    let logs: Vec<_> = spikes.chain(events).collect();
    if !logs.is_empty() {
        machine.clear_spikes();
    }
    logs
}

/// Asks a network to record what a program reads.
pub(crate) fn start_logs(machine: &mut dyn Machine, program: &Program) {
    program.spikes_recorded.iter().for_each(|p| machine.record_spikes(*p, true));
    program.events_recorded.iter().for_each(|(p, e)| machine.record_event(*p, *e));
}

/// Moves logs in time: from steps counted since `from` to steps counted since `to`.
pub(crate) fn shift(logs: &mut [(LogKey, SpikeLog)], from: u64, to: u64) {
    for (_, log) in logs {
        for s in &mut log.step {
            *s = to + s.saturating_sub(from);
        }
    }
}
