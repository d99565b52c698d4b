//! What a protocol can do to a network. The evaluator of protocols knows networks only through this trait; `runtime`
//! implements it. Values are in internal units (ms, mV, pA, …).

use std::any::Any;

use crate::diag::Diagnostic;
use crate::hir::{PopId, ProjId, VarId};
use crate::script::tensor::Data;

/// A population or a projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// A population.
    Pop(PopId),
    /// A projection.
    Proj(ProjId),
}

/// A variable of a population or projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VarKey {
    /// Whose.
    pub entity: Entity,
    /// Which variable of its model.
    pub var: VarId,
}

/// Borrowed values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Slice<'a> {
    /// `f32` values.
    F32(&'a [f32]),
    /// `f64` values.
    F64(&'a [f64]),
    /// One value for every element.
    Uniform(f64),
}

/// Values of a variable of a whole population (`rows` = 1, `cols` = neurons), of a dense projection (`rows` = pre, `cols` = post) or of
/// a sparse one (`rows` = 1, `cols` = synapses in the order pre, post, rule). Element (r, c) is `data[r*stride + c]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Values<'a> {
    /// The storage.
    pub data: Slice<'a>,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Distance between rows in the storage.
    pub stride: usize,
}

/// Mutable storage.
#[derive(Debug, PartialEq)]
pub enum SliceMut<'a> {
    /// `f32` values.
    F32(&'a mut [f32]),
    /// `f64` values.
    F64(&'a mut [f64]),
}

/// As [`Values`], writable.
#[derive(Debug, PartialEq)]
pub struct ValuesMut<'a> {
    /// The storage.
    pub data: SliceMut<'a>,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Distance between rows in the storage.
    pub stride: usize,
    /// Bounds that every write must respect (inclusive).
    pub bounds: Option<(f64, f64)>,
}

/// Names the random draws of one `run`: a stable hash of (experiment, loop, split, epoch, sample index, number of the run in the body), or of the
/// running number of the run outside of sample loops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunKey(pub u64);

/// What `reset` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetTarget {
    /// All states of a population (never `learned` ones), its event queues, refractory timers, and assigned inputs.
    Pop(PopId),
    /// All states of a projection (never weights), and its event queue.
    Proj(ProjId),
    /// One state.
    Var(VarKey),
}

/// The spikes recorded of one population: parallel arrays in order of time, then index.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpikeLog {
    /// The number of the step at whose end the spike happened: its time is `step * dt` (the end of step n has number n + 1).
    pub step: Vec<u64>,
    /// The neuron's index in the whole population.
    pub neuron: Vec<u32>,
}

/// What [`Machine::exchange_workspace`] exchanges; only the kind of machine that made it can tell what is in it.
pub type Workspace = Option<Box<dyn Any + Send>>;

/// A network that a protocol drives.
pub trait Machine: Send {
    /// An independent copy for another worker: same state, shared code.
    fn fork(&self) -> Box<dyn Machine>;

    /// Takes over the state of a copy made by [`Machine::fork`].
    fn adopt(&mut self, other: &dyn Machine);

    /// For downcasting in `adopt`.
    fn as_any(&self) -> &dyn Any;

    /// The time step in ms.
    fn dt(&self) -> f64;

    /// Number of steps done since the start.
    fn steps(&self) -> u64;

    /// Sets the number of steps done: the clock is put forward or back, and no time passes for any state (a lane of a batch starts from
    /// the batch's time; after samples on several workers the clock shows the steps of all).
    fn set_steps(&mut self, steps: u64);

    /// Starts a `run`: counts go to zero, slow states are brought up to date, sources restart their gaps under `key`.
    ///
    /// # Errors
    /// A limit is passed (simulated time, or events).
    fn begin_run(&mut self, steps: u64, key: RunKey) -> Result<(), Diagnostic>;

    /// Advances by `steps` within the current run.
    ///
    /// # Errors
    /// A run-time fault.
    fn advance(&mut self, steps: u64) -> Result<(), Diagnostic>;

    /// Spikes of each neuron in the last (or current) run; of a population whose counts no protocol reads there may be none.
    fn counts(&self, pop: PopId) -> &[i32];

    /// Spikes of all its neurons in the last (or current) run.
    fn total(&self, pop: PopId) -> u64 {
        self.counts(pop).iter().map(|n| u64::from(n.unsigned_abs())).sum()
    }

    /// Number of the step at whose end each neuron first spiked in the last run (`None`: it did not), counted from the run's start (first step: 1); of a
    /// population whose counts no protocol reads there may be none.
    fn first(&self, pop: PopId) -> Vec<Option<u64>>;

    /// The values of a variable, brought up to date.
    fn values(&mut self, key: VarKey) -> Values<'_>;

    /// Writable values of a variable, brought up to date, with its bounds. The caller keeps to the bounds and calls [`Machine::written`] afterwards. A held state may be written. Assigning an
    /// input replaces its binding until `reset`. Variables that protocols assign always have storage.
    ///
    /// # Errors
    /// The variable cannot be written (a bug in snnc: the front end admits none).
    fn values_mut(&mut self, key: VarKey) -> Result<ValuesMut<'_>, Diagnostic>;

    /// Tells that [`Machine::values_mut`] of the variable was used.
    fn written(&mut self, key: VarKey);

    /// Columns (post neurons, ascending) of a variable of a dense projection in which anything may have changed since the last
    /// [`Machine::settle_columns`] with the same `rule`. `None`: any of them, or nobody knows.
    fn changed_columns(&mut self, key: VarKey, rule: u64) -> Option<Vec<u32>> {
        let _ = (key, rule);
        None
    }

    /// The same of rows (pre neurons); what [`Machine::settle_columns`] left out is left out here.
    fn changed_rows(&mut self, key: VarKey, rule: u64) -> Option<Vec<u32>> {
        let _ = (key, rule);
        None
    }

    /// Whether [`Machine::changed_columns`] of a variable may be known once [`Machine::settle_columns`] was called.
    fn records_changes(&self, key: VarKey) -> bool {
        let _ = key;
        false
    }

    /// Tells, after [`Machine::written`], that all columns of a variable but some now obey a rule (such as a sum that is the same for all), named
    /// by a number.
    fn settle_columns(&mut self, key: VarKey, rule: u64, but: &[u32]) {
        let _ = (key, rule, but);
    }

    /// Exchanges the stored values of a variable of synapses with others of the same kind and number, or with none, in which case nothing may run until
    /// values are back. `false`: nothing happened, since its values are of another kind or do not stand by themselves (some
    /// follow from the time that has passed, or live with a neuron). What was known of changed columns is forgotten.
    fn exchange(&mut self, key: VarKey, values: &mut Data) -> bool {
        let _ = (key, values);
        false
    }

    /// Exchanges what is needed during runs and holds no state between them for that of another machine of the same network, or takes it out
    /// where there is none; then nothing may run, be read or be written until it is back. What was known of changed columns is forgotten.
    fn exchange_workspace(&mut self, with: &mut Workspace) {
        let _ = with;
    }

    /// The bounds that every write of a variable must respect (inclusive).
    fn bounds(&self, key: VarKey) -> Option<(f64, f64)>;

    /// Pre and post index (in the whole populations) of each synapse of a sparse projection, in storage order; `None` for a dense one.
    fn synapses(&self, proj: ProjId) -> Option<(&[u32], &[u32])>;

    /// Number of synapses of a projection.
    fn synapse_count(&self, proj: ProjId) -> u64;

    /// Restores initial values without drawing again.
    fn reset(&mut self, targets: &[ResetTarget]);

    /// Gives some neurons of a population, by their indices, the initial values of one state or input, or of all together with free refractory
    /// timers. Inputs that follow something and events on their way are left alone.
    ///
    /// # Errors
    /// A bug: a state without storage.
    fn reset_part(&mut self, pop: PopId, var: Option<VarId>, neurons: &[usize]) -> Result<(), Diagnostic>;

    /// Draws the initial values of all states of a population or projection anew, or of one variable whatever its role; `reset` restores
    /// these from then on. As [`Machine::reset`] it empties queues and refractory timers. `key` names the draws.
    ///
    /// # Errors
    /// A file of initial values cannot be read, or no draw falls inside its bounds.
    fn redraw(&mut self, targets: &[ResetTarget], key: RunKey) -> Result<(), Diagnostic>;

    /// Whether there is room for what is on its way by the delays that a variable now holds, which [`Machine::written`] has not yet been
    /// told of.
    ///
    /// # Errors
    /// `E0902`: they are too long.
    fn delays_fit(&self, key: VarKey) -> Result<(), Diagnostic> {
        let _ = key;
        Ok(())
    }

    /// A source plays these spikes from now on, instead of those it had: for each the number of steps from now at whose end it is (from 1)
    /// and its neuron.
    ///
    /// # Errors
    /// The population plays no spikes.
    fn play(&mut self, pop: PopId, spikes: &[(u64, u32)]) -> Result<(), Diagnostic>;

    /// Makes variables constant.
    ///
    /// # Errors
    /// Code generation failed.
    fn freeze(&mut self, vars: &[VarKey]) -> Result<(), Diagnostic>;

    /// Lets variables change again.
    ///
    /// # Errors
    /// Code generation failed.
    fn thaw(&mut self, vars: &[VarKey]) -> Result<(), Diagnostic>;

    /// The frozen variables, in order.
    fn frozen(&self) -> Vec<VarKey>;

    /// Starts or stops recording the spikes of a population.
    fn record_spikes(&mut self, pop: PopId, on: bool);

    /// What was recorded since the last [`Machine::clear_spikes`].
    fn spikes(&self, pop: PopId) -> &SpikeLog;

    /// Starts recording another event of a population, by its number.
    fn record_event(&mut self, _pop: PopId, _event: u32) {}

    /// What was recorded of it since the last [`Machine::clear_spikes`].
    fn events(&self, _pop: PopId, _event: u32) -> SpikeLog {
        SpikeLog::default()
    }

    /// Forgets the recorded spikes and events of all populations.
    fn clear_spikes(&mut self);

    /// The variables with an infinite or undefined value, each with the first such element: states of populations, and variables of
    /// projections with at most `synapses` elements.
    fn non_finite(&self, synapses: u64) -> Vec<(VarKey, usize)>;

    /// About how many bytes [`Machine::fork`] copies.
    fn bytes(&self) -> u64;

    /// The method that advances a state; `None` if no equation does.
    fn method(&self, key: VarKey) -> Option<&'static str>;
}
