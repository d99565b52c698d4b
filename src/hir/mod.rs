//! The typed model: names are ids, every expression has a type with its dimension, every constant is scaled to the
//! coherent internal set (ms, mV, pA, um, amol, K). Units end here: nothing later knows a volt from a siemens.
//!
//! # Contract
//!
//! * A [`Model`] exists only if the front end reported no error.
//! * Sizes are known: populations, views, ranges and rules are evaluated with the parameters of this run.
//! * `let`s of models are kept as [`LetDecl`]s in an order in which each uses only earlier ones.
//! * ODE right sides are already divided by their left factor: `dx/dt = rhs` in internal units per ms.
//! * Synapse models are instantiated per projection: `pre.x` and `post.x` are resolved, and a `weight w` or `param w` without a unit of
//!   its own has the dimension of the argument given there.
//! * User functions are inlined.

mod alike;
mod ends;
pub mod print;
mod restructuring;
mod walk;

use std::sync::Arc;

use crate::builtins::{Builtin, Dist};
use crate::script;
use crate::source::Span;
use crate::units::Dim;

pub use crate::units::ShownUnit;
pub use alike::Alike;
pub use ends::Ends;
pub use restructuring::{ALL as RESTRUCTURINGS, Known as KnownRestructuring, Opt, Restructuring};
pub use walk::each_of_block;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// As an index.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        })*
    };
}

ids! {
    /// A neuron model.
    NeuronId
    /// A population.
    PopId
    /// A projection.
    ProjId
    /// A variable of a neuron or synapse model (index into its `vars`).
    VarId
    /// A `let` of a model (index into its `lets`).
    LetId
    /// A `let` inside a handler block (unique within the model).
    LocalId
    /// A data set.
    DataId
    /// A readout.
    ReadoutId
}

/// One program, checked.
#[derive(Debug, Clone)]
pub struct Model {
    /// `simulation { … }` with the command line's overrides.
    pub settings: Settings,
    /// Top-level `param`s and `const`s with their values in this run.
    pub globals: Vec<Global>,
    /// Top-level constant lists and tables.
    pub tables: Vec<Table>,
    /// Data sets.
    pub data: Vec<DataDecl>,
    /// Neuron models that are used.
    pub neurons: Vec<NeuronModel>,
    /// Populations, in order of the file.
    pub populations: Vec<Population>,
    /// Projections, in order of the file.
    pub projections: Vec<Projection>,
    /// Readouts.
    pub readouts: Vec<Readout>,
    /// Protocols.
    pub script: script::Program,
    /// Which projections end where.
    pub ends: Ends,
}

impl Model {
    /// The model of the neurons of a population.
    #[must_use]
    pub fn neuron_of(&self, pop: PopId) -> Option<&NeuronModel> {
        self.neurons.get(self.populations.get(pop.index())?.model.index())
    }
}

/// Floating-point kind of states and weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// `f32`
    F32,
    /// `f64`
    F64,
}

/// Global settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The time step in ms.
    pub dt: f64,
    /// The seed.
    pub seed: u64,
    /// Of states and weights.
    pub precision: Precision,
    /// Number of threads; 0: one per core.
    pub threads: usize,
    /// How much the compiler restructures.
    pub opt: Opt,
}

/// The values of a constant list, or of a table by rows.
#[derive(Debug, Clone)]
pub struct Table {
    /// In internal units.
    pub values: std::sync::Arc<[f64]>,
    /// The type of each.
    pub ty: Type,
    /// The number of columns of a table; 0 for a list.
    pub width: usize,
}

/// A top-level constant or parameter.
#[derive(Debug, Clone)]
pub struct Global {
    /// The name.
    pub name: String,
    /// Whether `--set` may change it.
    pub is_param: bool,
    /// Its type.
    pub ty: Type,
    /// Its value in internal units (booleans are 0 or 1); the first element for a list.
    pub value: f64,
    /// Where it is declared.
    pub span: Span,
}

/// `data d = mnist(…)`
#[derive(Debug, Clone)]
pub struct DataDecl {
    /// The name.
    pub name: String,
    /// Where from.
    pub source: DataSource,
    /// Where it is declared.
    pub span: Span,
}

/// The kinds of data sets.
#[derive(Debug, Clone, PartialEq)]
pub enum DataSource {
    /// `mnist()` or `mnist("dir")`: fields `image` (28 × 28 reals), `label` and `index` (ints); splits `train` and `test`.
    Mnist {
        /// The folder named.
        dir: Option<String>,
    },
    /// `arrays("train.npz", "test.npz")`: every key a field.
    Arrays {
        /// The files as written.
        files: Vec<String>,
        /// What their headers say.
        schema: DataSchema,
    },
}

/// Splits and fields of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DataSchema {
    /// The names of the splits: `train`, and perhaps `test`.
    pub splits: Vec<String>,
    /// The fields of every sample; `index` is among them.
    pub fields: Vec<SampleField>,
}

/// A field of the samples of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleField {
    /// Its name.
    pub name: String,
    /// Its axes; empty for one number.
    pub shape: Vec<u64>,
    /// Whether it holds whole numbers.
    pub int: bool,
}

impl DataSource {
    /// Splits and fields.
    #[must_use]
    pub fn schema(&self) -> DataSchema {
        match self {
            Self::Mnist { .. } => {
                let field =
                    |name: &str, shape: &[u64], int| SampleField { name: name.to_owned(), shape: shape.into(), int };
                DataSchema {
                    splits: vec!["train".to_owned(), "test".to_owned()],
                    fields: vec![
                        field("image", &[28, 28], false),
                        field("label", &[], true),
                        field("index", &[], true),
                    ],
                }
            }
            Self::Arrays { schema, .. } => schema.clone(),
        }
    }

    /// The name of the data set's kind, and its arguments.
    #[must_use]
    pub fn call(&self) -> (&'static str, Vec<String>) {
        match self {
            Self::Mnist { dir } => ("mnist", dir.iter().cloned().collect()),
            Self::Arrays { files, .. } => ("arrays", files.clone()),
        }
    }
}

/// A type of the model language: one element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// A real number with a dimension.
    Real(Dim),
    /// An integer.
    Int,
    /// A truth value.
    Bool,
}

impl Type {
    /// The dimension; none for ints and bools.
    #[must_use]
    pub fn dim(self) -> Dim {
        match self {
            Self::Real(d) => d,
            Self::Int | Self::Bool => Dim::NONE,
        }
    }
}

/// The part a variable plays in its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `param`: constant unless a protocol assigns it.
    Param,
    /// `state`
    State,
    /// `weight` (synapse): kept by `reset`, shared by a batch, saved.
    Weight,
    /// `learned` (neuron): the same for neurons.
    Learned,
    /// `input`: constant during a `run`.
    Input,
}

/// A variable of a model.
#[derive(Debug, Clone)]
pub struct VarDecl {
    /// The name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Its type.
    pub ty: Type,
    /// Default or initial value; may use other parameters, `i`, `N`, distributions and arrays. `None`: an argument is required
    /// (the front end has checked that it is given); inputs without one are 0.
    pub init: Option<Expr>,
    /// `in [lo, hi]`: saturates every write. For parameters: redraw inside.
    pub bounds: Option<(Expr, Expr)>,
    /// The unit it is shown and saved in: name and factor (internal value / factor = shown value).
    pub shown: ShownUnit,
    /// Documentation.
    pub doc: String,
    /// Where it is declared.
    pub span: Span,
}

/// A `let` of a model.
#[derive(Debug, Clone)]
pub struct LetDecl {
    /// The name.
    pub name: String,
    /// What it stands for.
    pub value: Expr,
}

/// `dx/dt = rhs`
#[derive(Debug, Clone)]
pub struct Ode {
    /// The state.
    pub var: VarId,
    /// Its derivative in internal units per ms.
    pub rhs: Expr,
    /// The whole equation.
    pub span: Span,
}

/// A neuron model.
#[derive(Debug, Clone)]
pub struct NeuronModel {
    /// The name.
    pub name: String,
    /// Its variables.
    pub vars: Vec<VarDecl>,
    /// Its `let`s.
    pub lets: Vec<LetDecl>,
    /// Its equations.
    pub odes: Vec<Ode>,
    /// Its noise sources: `xi`, `xi_name`, in order of their first use.
    pub noises: Vec<String>,
    /// What makes it spike.
    pub spike: Option<SpikeClause>,
    /// `on spike { … }`
    pub on_spike: Vec<Stmt>,
    /// Its other events, in order of the file.
    pub events: Vec<Event>,
    /// `on release { … }`, when a refractory period ends.
    pub on_release: Vec<Stmt>,
    /// `every T { … }`, in order of the file.
    pub every: Vec<Every>,
    /// `refractory T hold v`
    pub refractory: Option<Refractory>,
    /// `method …`
    pub method: Option<MethodRef>,
    /// The names that statements which did not parse may have declared; `None` if all did.
    pub lost: Option<Vec<String>>,
    /// Where it is declared.
    pub span: Span,
}

impl NeuronModel {
    /// Whether a statement that did not parse may have declared a name.
    #[must_use]
    pub fn may_declare(&self, name: &str) -> bool {
        self.lost.iter().flatten().any(|n| n == name)
    }
}

/// `event e when …` with its `on e { … }`
#[derive(Debug, Clone)]
pub struct Event {
    /// The name.
    pub name: String,
    /// When it happens: a level or a crossing.
    pub cond: SpikeCond,
    /// What it does.
    pub on: Vec<Stmt>,
    /// The declaration.
    pub span: Span,
}

/// `every T { … }`
#[derive(Debug, Clone)]
pub struct Every {
    /// The period in ms; the same for all neurons of a population.
    pub period: Expr,
    /// What it does, at times that are multiples of the period. Its draws are made anew each time.
    pub body: Vec<Stmt>,
    /// Where.
    pub span: Span,
}

/// When a neuron spikes.
#[derive(Debug, Clone)]
pub struct SpikeClause {
    /// The condition.
    pub cond: SpikeCond,
    /// Where.
    pub span: Span,
}

/// The kinds of spike conditions.
#[derive(Debug, Clone)]
pub enum SpikeCond {
    /// A level, tested at each step's end.
    Level(Expr),
    /// An upward crossing: `a >= b` now and `a < b` at the previous step's end.
    Crosses(Expr, Expr),
    /// A rate in 1/ms.
    Rate(Expr),
}

/// `refractory T hold v`
#[derive(Debug, Clone)]
pub struct Refractory {
    /// The period in ms, evaluated once, after `on spike`.
    pub duration: Expr,
    /// The states held.
    pub hold: Vec<VarId>,
    /// Where.
    pub span: Span,
}

/// `method name(substeps = n)`
#[derive(Debug, Clone)]
pub struct MethodRef {
    /// The name.
    pub name: String,
    /// Steps per time step; 1 unless given.
    pub substeps: u32,
    /// Where.
    pub span: Span,
}

/// A synapse model as used in one projection.
#[derive(Debug, Clone)]
pub struct SynapseModel {
    /// The name.
    pub name: String,
    /// Its variables.
    pub vars: Vec<VarDecl>,
    /// Its `let`s.
    pub lets: Vec<LetDecl>,
    /// Its equations.
    pub odes: Vec<Ode>,
    /// `on pre { … }`
    pub on_pre: Vec<Stmt>,
    /// `on post { … }`; `None` when there is no such handler.
    pub on_post: Option<Vec<Stmt>>,
    /// `inject e`: amounts added to the projection's target input at every step.
    pub injects: Vec<Expr>,
    /// Its noise sources: `xi`, `xi_name`, in order of their first use.
    pub noises: Vec<String>,
    /// Its own events, in order of the file.
    pub events: Vec<Event>,
    /// `every T { … }`, in order of the file.
    pub every: Vec<Every>,
    /// `method …`
    pub method: Option<MethodRef>,
    /// The names that statements which did not parse may have declared; `None` if all did.
    pub lost: Option<Vec<String>>,
    /// Where it is declared.
    pub span: Span,
}

impl SynapseModel {
    /// Whether a statement that did not parse may have declared a name.
    #[must_use]
    pub fn may_declare(&self, name: &str) -> bool {
        self.lost.iter().flatten().any(|n| n == name)
    }
}

/// A statement of a handler.
#[derive(Debug, Clone)]
pub struct Stmt {
    /// What it does.
    pub kind: StmtKind,
    /// Where.
    pub span: Span,
}

/// The kinds of handler statements.
#[derive(Debug, Clone)]
pub enum StmtKind {
    /// `x += e`; `op` keeps the written form.
    Assign {
        /// The variable of the same model.
        var: VarId,
        /// The written form.
        op: AssignOp,
        /// The right side.
        value: Expr,
    },
    /// `let a = e`
    Local {
        /// Its id.
        id: LocalId,
        /// Its value.
        value: Expr,
    },
    /// `if c { … } else { … }`
    If {
        /// The condition.
        cond: Expr,
        /// If true.
        then: Vec<Stmt>,
        /// If false.
        els: Vec<Stmt>,
    },
    /// `deliver e` adds to the projection's target (or to `to`, another state of the post population).
    Deliver {
        /// The amount.
        value: Expr,
        /// The target variable of the post model.
        target: VarId,
    },
}

/// Assignment operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AssignOp {
    /// `=`
    Set,
    /// `+=`
    Add,
    /// `-=`
    Sub,
    /// `*=`
    Mul,
    /// `/=`
    Div,
}

/// An expression over one element (a neuron, or a synapse with its ends).
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its type.
    pub ty: Type,
    /// Where.
    pub span: Span,
}

/// Whose variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The model's own.
    Own,
    /// The presynaptic neuron's.
    Pre,
    /// The postsynaptic neuron's.
    Post,
}

/// The kinds of expressions.
#[derive(Debug, Clone)]
pub enum ExprKind {
    /// A number in internal units. Ints are whole.
    Const(f64),
    /// A truth value.
    Bool(bool),
    /// A variable.
    Var(Side, VarId),
    /// A `let` of the same model.
    Let(LetId),
    /// A `let` of the same handler.
    Local(LocalId),
    /// White noise of unit s^-1/2 (here ms^-1/2), by its number in the model; in right sides only.
    Noise(u32),
    /// A variable of another population of the same size (or of one element), at the step's start; in arguments of populations, and
    /// (of one element) of inputs of synapses.
    Other(PopId, VarId),
    /// `timed(list, step)`: entry floor(t/step) of the list, the last one after its end. The step is in ms.
    Timed(Arc<[f64]>, f64),
    /// The time in ms.
    Time,
    /// The time step in ms.
    Dt,
    /// `i` (`Side::Own` in neurons, `Side::Pre` in synapses) or `j` (`Side::Post`): an index in the whole population.
    Index(Side),
    /// `N`, `pre.N`, `post.N`: a population's size.
    Size(Side),
    /// `-x`, `not x`
    Unary(UnaryOp, Box<Expr>),
    /// Arithmetic, comparison, logic. Operands have been converted to one type.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// An int as a real.
    ToReal(Box<Expr>),
    /// `if c then a else b`
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// A built-in function.
    Call(Builtin, Vec<Expr>),
    /// A draw from a distribution (initial values, arguments, `every`): one per element. `site` numbers the draws of one initial value
    /// or block, in order of writing.
    Draw {
        /// The distribution.
        dist: Dist,
        /// Its parameters, in internal units.
        args: Vec<Expr>,
        /// Which draw of this initial value.
        site: u32,
        /// Drawn again until it lies between two values: the last two of `args`.
        truncated: bool,
    },
    /// A constant table indexed by an int expression (out of range is a run-time fault).
    Table(Arc<[f64]>, Box<Expr>),
    /// `array("file", "key")`: element by index of the population, or by synapse; unitless.
    FileArray {
        /// The file as written.
        path: String,
        /// The key in it.
        key: String,
    },
    /// `edge.NAME`: a column of the projection's `edges` file; unitless.
    EdgeColumn(String),
}

/// Prefix operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `-x`
    Neg,
    /// `not x`
    Not,
}

/// Infix operators. `Pow` has a constant exponent if the base has a dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named after its sign")]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
}

/// Neurons of one model.
#[derive(Debug, Clone)]
pub struct Population {
    /// The name.
    pub name: String,
    /// Its model.
    pub model: NeuronId,
    /// Its grid; `[1]` without an index.
    pub shape: Vec<u64>,
    /// Whether an index was written (without one its variables are scalars in protocols).
    pub indexed: bool,
    /// Whether each element stands for many sources (`poisson_input`): several events of one element may fall into one step.
    pub pooled: bool,
    /// Values given for the model's variables.
    pub args: Vec<(VarId, Expr)>,
    /// The spikes of a `spike_source`.
    pub play: Option<Play>,
    /// Where it is declared.
    pub span: Span,
}

/// Spikes given as lists.
#[derive(Debug, Clone)]
pub struct Play {
    /// Their times in ms.
    pub times: Listed,
    /// The neuron of each; `None`: each time is one of all neurons.
    pub ids: Option<Listed>,
    /// The use of the source.
    pub span: Span,
}

/// Numbers from the program or from a file.
#[derive(Debug, Clone)]
pub enum Listed {
    /// Written in the program.
    Values(Vec<f64>),
    /// An expression of one `array(…)`, entry by entry.
    File(Expr),
}

/// What is appended to the name of a connection for the source that is written in it.
pub const SOURCE: &str = "@source";

impl Population {
    /// The value given for a variable, or its default.
    #[must_use]
    pub fn given<'a>(&'a self, vars: &'a [VarDecl], v: VarId) -> Option<&'a Expr> {
        self.args.iter().find(|(w, _)| *w == v).map(|(_, e)| e).or(vars.get(v.index())?.init.as_ref())
    }

    /// Number of neurons.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.shape.iter().product()
    }

    /// The name as it is shown: a source that is written in a connection has the connection's.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.name.strip_suffix(SOURCE).unwrap_or(&self.name)
    }
}

/// Some neurons of a population, in ascending order.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The population.
    pub pop: PopId,
    /// Which.
    pub select: Select,
    /// The shape in protocols.
    pub shape: Vec<u64>,
}

/// Which neurons of a population.
#[derive(Debug, Clone, PartialEq)]
pub enum Select {
    /// All.
    All,
    /// A contiguous range of indices.
    Range(u64, u64),
    /// Any.
    List(Arc<[u32]>),
}

/// A `connect`.
#[derive(Debug, Clone)]
pub struct Projection {
    /// The name: as written, or `E->I.g_e`, with `#k` for repeats.
    pub name: String,
    /// Whether the name was written.
    pub named: bool,
    /// Presynaptic neurons.
    pub pre: View,
    /// The event of the presynaptic neurons, by its number in their model; `None`: their spikes.
    pub event: Option<u32>,
    /// Postsynaptic neurons.
    pub post: View,
    /// The variable of the post model that `deliver` adds to; `None` for a synapse that delivers nothing.
    pub target: Option<VarId>,
    /// How pairs are chosen.
    pub rule: Rule,
    /// `where …` over `i` and `j`.
    pub filter: Option<Expr>,
    /// The synapse model, instantiated.
    pub synapse: SynapseModel,
    /// Values given for its variables.
    pub args: Vec<(VarId, Expr)>,
    /// Axonal delay in ms: from the spike to `on pre`. One constant, or an expression drawn once per synapse.
    pub delay: Option<Expr>,
    /// The variables that hold the axonal and the dendritic delays, where protocols read or change them.
    pub delay_vars: [Option<VarId>; 2],
    /// `through K`: the kernel's values at dt, 2 dt, …, by which each delivered amount reaches the target input.
    pub kernel: Option<Arc<[f64]>>,
    /// Dendritic delay in ms: from `deliver` to the soma, and from the post spike to `on post`.
    pub dendritic_delay: Option<Expr>,
    /// The whole declaration.
    pub span: Span,
    /// The source as written.
    pub pre_span: Span,
    /// The target as written.
    pub post_span: Span,
    /// The rule as written.
    pub rule_span: Span,
}

/// The two delays of a synapse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DelayKind {
    /// From the spike to `on pre`.
    Axonal,
    /// From `deliver` to the soma, and from the post spike to `on post`.
    Dendritic,
}

impl DelayKind {
    /// Both, in the order of [`Projection::delay_vars`].
    pub const ALL: [Self; 2] = [Self::Axonal, Self::Dendritic];

    /// The argument of synapses that gives it, and the name of its variable.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Axonal => "delay",
            Self::Dendritic => "dendritic_delay",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Projection {
    /// Axonal and dendritic delay.
    #[must_use]
    pub fn delays(&self) -> [Option<&Expr>; 2] {
        [self.delay.as_ref(), self.dendritic_delay.as_ref()]
    }

    /// Which delays a variable holds, if it holds delays.
    #[must_use]
    pub fn delay_kind(&self, v: VarId) -> Option<DelayKind> {
        DelayKind::ALL.into_iter().zip(self.delay_vars).find(|(_, var)| *var == Some(v)).map(|(kind, _)| kind)
    }

    /// The value given for a variable of its synapses, or its default.
    #[must_use]
    pub fn given(&self, v: VarId) -> Option<&Expr> {
        self.args.iter().find(|(w, _)| *w == v).map(|(_, e)| e).or(self.synapse.vars.get(v.index())?.init.as_ref())
    }
}

/// How a projection chooses its pairs.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// Every pair.
    AllToAll,
    /// Position by position.
    OneToOne,
    /// Each pair with a probability.
    Random {
        /// The probability, in 0..1.
        p: f64,
        /// Both directions of a pair or none, never a neuron with itself.
        symmetric: bool,
    },
    /// Each pair with a probability that falls with distance on the grids: p*exp(-(d/lambda)^2).
    Distance {
        /// The probability at distance 0.
        p: f64,
        /// The width, in spacings of the source's grid.
        lambda: f64,
    },
    /// Each target hears a block of the source's grid.
    Pool {
        /// The block's edge.
        size: u64,
    },
    /// Each target hears a square of every channel of the source's grid.
    Conv {
        /// The square's edge.
        kernel: u64,
        /// The distance of neighbouring squares.
        stride: u64,
        /// Channels of the target.
        channels: u64,
        /// Whether drawn values are one for each entry of the kernel.
        shared: bool,
    },
    /// A fixed number of pre neurons per post neuron.
    FixedIndegree {
        /// How many.
        k: u64,
        /// Whether a pair may repeat.
        multapses: bool,
    },
    /// A fixed number of post neurons per pre neuron.
    FixedOutdegree {
        /// How many.
        k: u64,
        /// Whether a pair may repeat.
        multapses: bool,
    },
    /// A fixed number of synapses in all.
    FixedTotal {
        /// How many.
        n: u64,
        /// Whether a pair may repeat.
        multapses: bool,
    },
    /// Read from a file with integer arrays `pre` and `post`.
    Edges {
        /// The file as written.
        path: String,
    },
}

/// `readout r: max_rate(classes = 10)`
#[derive(Debug, Clone)]
pub struct Readout {
    /// The name.
    pub name: String,
    /// Which decoder.
    pub kind: ReadoutKind,
    /// Where it is declared.
    pub span: Span,
}

/// The kinds of decoders.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadoutKind {
    /// A neuron's class is the one it answers most (Diehl & Cook 2015).
    MaxRate {
        /// Number of classes.
        classes: u64,
    },
    /// A trained linear decoder: ridge regression on one-hot classes.
    Linear {
        /// Number of classes.
        classes: u64,
        /// The ridge penalty.
        ridge: f64,
    },
}
