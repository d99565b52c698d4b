//! The typed, structured IR of protocols: what experiments, procedures and tests do, with every name resolved.
//!
//! # Contract (holds for every program that the front end accepted without an error)
//!
//! * Values are in internal units (ms, mV, pA, …); top-level parameters are folded into constants.
//! * Every expression has a type with its axes. Elementwise nodes ([`ExprKind::Unary`], [`ExprKind::Binary`], [`ExprKind::Between`],
//!   [`ExprKind::Select`], [`ExprKind::Builtin`], [`ExprKind::ToReal`]) have the axes of the result on every operand, or none at all
//!   (a scalar, which is repeated). All other alignment is explicit: [`ExprKind::Broadcast`] and [`ExprKind::Reshape`].
//! * Operands of a node have one kind: an int beside a real is wrapped in [`ExprKind::ToReal`].
//! * An assigned value has exactly the axes of its target, or none (a scalar, for every element), and its kind
//!   (a real for every model variable that is not `: int`).
//! * Arrays are row-major in the order of their axes. A length is `None` for [`AxisName::Synapses`] of a projection and for a part whose ends
//!   are chosen while running; where such an array meets another one, the lengths are compared when the statement runs.
//! * A [`LocalId`] belongs to one body. Locals are set before they are read.
//! * [`ExprKind::Error`] and [`Ty::Poisoned`] occur only after a reported error.

use std::collections::BTreeSet;

use crate::hir::{self, DataId, PopId, ProjId, ReadoutId, ShownUnit, View};
use crate::script::machine::{Entity, ResetTarget, VarKey};
use crate::source::Span;

mod expr;
mod types;

pub use crate::hir::{AssignOp, BinaryOp, UnaryOp};
pub use expr::{AxisSource, Expr, ExprKind, IndexItem, Metric, Over, Reduction, SYNCHRONY_BIN};
pub use types::{Axis, AxisName, Kind, NumTy, Ty};

/// A local variable of a [`Body`] (index into its `locals`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalId(pub u32);

/// A procedure for one list of argument types (index into `Program::procedures`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcId(pub u32);

impl LocalId {
    /// As an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl ProcId {
    /// As an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// All protocols of a program.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Procedures, one for each list of argument types that they are called with. A procedure comes after those it calls.
    pub procedures: Vec<Procedure>,
    /// Experiments, in order of the file.
    pub experiments: Vec<Experiment>,
    /// Tests, in order of the file.
    pub tests: Vec<Test>,
    /// Top-level recordings: they hold in every experiment and test.
    pub records: Vec<Record>,
    /// Every model variable that some protocol assigns or loads: the code generator must give these storage.
    pub assigned: BTreeSet<VarKey>,
    /// Delays that some protocol reads or assigns.
    pub delays: BTreeSet<VarKey>,
    /// Those for which their synapses have no variable yet.
    pub wants_delays: BTreeSet<(ProjId, hir::DelayKind)>,
    /// Every model variable that some protocol or recording reads (saved ones too).
    pub read: BTreeSet<VarKey>,
    /// Every model variable that some protocol freezes.
    pub frozen: BTreeSet<VarKey>,
    /// Every model variable that is `reset` by itself (`reset(E.v)`).
    pub reset: BTreeSet<VarKey>,
    /// Populations whose counts (`X.count`, `X.first`) are read.
    pub counted: BTreeSet<PopId>,
    /// Populations whose spikes must be recorded: for `record X.spikes`, `rate`, `cv_isi`, `spikes`.
    pub spikes_recorded: BTreeSet<PopId>,
    /// Other events that must be recorded, by their numbers: for `record X.e`, `rate(X.e)` and others.
    pub events_recorded: BTreeSet<(PopId, u32)>,
    /// How many reductions over time there are.
    pub over_time: u32,
    /// What `minimize` is to learn. Each is refused by `sema::gradient`, so a model without errors has none.
    pub learning: Vec<Learning>,
    /// The calls of procedures: who calls (`None` in a procedure that nothing calls), and what is frozen then for certain.
    pub frozen_calls: Vec<(Option<Home>, ProcId, Vec<(VarKey, Span)>)>,
}

/// `minimize L over W.w, H.tau by …`
#[derive(Debug, Clone)]
pub struct Learning {
    /// The statement.
    pub span: Span,
    /// The values that the loss is made of by operations that have derivatives.
    pub loss: Vec<Expr>,
    /// The loss.
    pub loss_span: Span,
    /// What is learned, and where each is named.
    pub over: Vec<(VarKey, Span)>,
    /// What its own body has frozen whenever the statement is reached, unless it was thawed somewhere else; with the places.
    pub frozen: Vec<(VarKey, Span)>,
    /// Whether something that cannot be learned has been reported.
    pub refused: bool,
    /// The body it stands in; `None` in a procedure that nothing calls.
    pub home: Option<Home>,
}

/// A body of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Home {
    /// Of an experiment, by its number.
    Experiment(u32),
    /// Of a test, by its number.
    Test(u32),
    /// Of a procedure.
    Procedure(ProcId),
}

/// `experiment e { … }`
#[derive(Debug, Clone)]
pub struct Experiment {
    /// The name.
    pub name: String,
    /// What it does.
    pub body: Body,
    /// Where it is declared.
    pub span: Span,
}

/// `test "…" { … }`
#[derive(Debug, Clone)]
pub struct Test {
    /// The title.
    pub title: String,
    /// What it does.
    pub body: Body,
    /// Where it is declared.
    pub span: Span,
}

/// A procedure for one list of argument types. Arguments are passed by value; those that are populations, views, projections,
/// readouts or data sets are fixed in the body and do not appear here.
#[derive(Debug, Clone)]
pub struct Procedure {
    /// The name.
    pub name: String,
    /// The parameters that take a value, in order: locals of the body, set by the caller.
    pub params: Vec<LocalId>,
    /// What it does.
    pub body: Body,
    /// The type of every `return` in it; [`Ty::None`] without a value.
    pub returns: Ty,
    /// Where it is declared.
    pub span: Span,
}

/// The statements of an experiment, procedure or test with their local variables.
#[derive(Debug, Clone, Default)]
pub struct Body {
    /// Its locals.
    pub locals: Vec<LocalDecl>,
    /// Its statements.
    pub stmts: Vec<Stmt>,
}

/// A local variable: a `let`, a loop variable or a parameter.
#[derive(Debug, Clone)]
pub struct LocalDecl {
    /// The name as written.
    pub name: String,
    /// Its type.
    pub ty: Ty,
    /// The unit in which it is shown (of the value it was made from); `None` for what is no number.
    pub shown: Option<ShownUnit>,
    /// Where it is declared.
    pub span: Span,
}

/// Whether a projection's variables have the axes (pre, post) in protocols; otherwise they have the one axis of its synapses.
#[must_use]
pub fn is_dense(projection: &hir::Projection) -> bool {
    projection.rule == hir::Rule::AllToAll && projection.filter.is_none()
}

/// Whether a variable holds the delays of a projection.
#[must_use]
pub fn is_delay(model: &hir::Model, key: VarKey) -> bool {
    match key.entity {
        Entity::Proj(p) => model.projections.get(p.index()).is_some_and(|p| p.delay_kind(key.var).is_some()),
        Entity::Pop(_) => false,
    }
}

/// A statement.
#[derive(Debug, Clone)]
pub struct Stmt {
    /// What it does.
    pub kind: StmtKind,
    /// Where.
    pub span: Span,
}

/// The kinds of statements.
#[derive(Debug, Clone)]
pub enum StmtKind {
    /// `let x = e` (a copy of the value)
    Let {
        /// The local.
        local: LocalId,
        /// Its value.
        value: Expr,
    },
    /// `x += e`, `x[i] = e` on a local.
    SetLocal {
        /// The local.
        local: LocalId,
        /// One per axis of the local; empty for the whole.
        index: Vec<IndexItem>,
        /// The written form.
        op: AssignOp,
        /// The value, of the kind of the local.
        value: Expr,
    },
    /// `X.rate = e`, `XE.w *= e`, `O[k].teach = e`. Bounds of the variable saturate the write.
    SetVar {
        /// What is assigned.
        place: Place,
        /// The written form.
        op: AssignOp,
        /// The value.
        value: Expr,
        /// In a batch body, to a `weight` or `learned` variable: pending changes are merged first, then it is run once.
        collective: bool,
    },
    /// `if c { … } else { … }`
    If {
        /// A scalar truth value.
        cond: Expr,
        /// If true.
        then: Vec<Stmt>,
        /// If false.
        els: Vec<Stmt>,
    },
    /// `for k in a..b { … }`: half-open.
    ForRange {
        /// The loop variable, an int.
        var: LocalId,
        /// First value.
        start: Expr,
        /// One past the last value.
        end: Expr,
        /// The body.
        body: Vec<Stmt>,
    },
    /// `for x in [1 ms, 2 ms] { … }`
    ForEach {
        /// The loop variable: an entry along the first axis.
        var: LocalId,
        /// An array; the loop runs along its first axis.
        values: Expr,
        /// The body.
        body: Vec<Stmt>,
    },
    /// `for s in d.train[..n] batch b epochs e { … }`
    ForSamples(Box<SampleLoop>),
    /// `while c { … }`
    While {
        /// A scalar truth value.
        cond: Expr,
        /// The body.
        body: Vec<Stmt>,
    },
    /// `repeat { … } until c`
    Repeat {
        /// The body.
        body: Vec<Stmt>,
        /// A scalar truth value; sees the locals of the body.
        until: Expr,
    },
    /// `run e`
    Run {
        /// A scalar time in ms, rounded to the nearest step; negative is a run-time fault.
        time: Expr,
    },
    /// `expect e`
    Expect {
        /// A scalar truth value.
        cond: Expr,
        /// The condition as source text (normalised spaces).
        text: String,
    },
    /// `return e`
    Return(Option<Expr>),
    /// `break` out of the innermost loop.
    Break,
    /// `reset(E, S, E.v)`
    Reset(Vec<ResetTarget>),
    /// `reset(E[..10], E[3].v, I)`: parts of populations, and what is reset as a whole.
    ResetParts {
        /// What is reset as a whole.
        whole: Vec<ResetTarget>,
        /// Neurons, each with one state or input of them, or all.
        parts: Vec<(Neurons, Option<crate::hir::VarId>)>,
    },
    /// `redraw(E, E.v)`: draws initial values anew.
    Redraw(Vec<ResetTarget>),
    /// `X.play(times, ids)`: a source plays these spikes from now on, instead of those it had.
    Play {
        /// The source.
        pop: PopId,
        /// Times from now in ms, one axis; those that are not finite are no spikes.
        times: Expr,
        /// The neuron of each; without, every time is one of all neurons.
        ids: Option<Expr>,
    },
    /// `freeze(XE.w)`
    Freeze(Vec<VarKey>),
    /// `thaw(XE.w)`
    Thaw(Vec<VarKey>),
    /// `save("f.npz", XE.w)`
    Save {
        /// A text.
        path: Expr,
        /// What is saved.
        vars: Vec<NamedVar>,
    },
    /// `load("f.npz", XE.w)`
    Load {
        /// A text.
        path: Expr,
        /// What is loaded.
        vars: Vec<NamedVar>,
    },
    /// `print("rate", rate(N))`
    Print(Vec<PrintItem>),
    /// `log("curve.csv", trial = k)`: appends a row.
    Log {
        /// A text.
        path: Expr,
        /// Column names and scalar values, with the units they are written in.
        columns: Vec<PrintItem>,
    },
    /// `observe(vote, response, class)`
    Observe(ReadoutUse),
    /// `score(vote, response, class)`
    Score(ReadoutUse),
    /// `fit(now, past)`
    Fit(Vec<ReadoutId>),
    /// A recording that starts here.
    Record(Record),
    /// A procedure called for its effect; a value is dropped.
    Call {
        /// The procedure.
        proc: ProcId,
        /// Values of its parameters.
        args: Vec<Expr>,
    },
}

/// `for s in d.train[..n] batch b epochs e { … }`
#[derive(Debug, Clone)]
pub struct SampleLoop {
    /// The loop variable, a sample.
    pub var: LocalId,
    /// The samples.
    pub samples: Samples,
    /// `batch e`: a scalar int, at least 1 (fewer is a run-time fault).
    pub batch: Option<Expr>,
    /// `epochs e`: a scalar int, at least 0.
    pub epochs: Option<Expr>,
    /// The body.
    pub body: Vec<Stmt>,
    /// Locals of the enclosing block that the body changes (with a batch: by `+=` and `-=` only), not those declared in it.
    pub changes: BTreeSet<LocalId>,
    /// Number of this loop among the sample loops of its experiment, test or procedure, from 0, in order of writing.
    pub number: u32,
}

/// Samples of a data set, in order.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "few exist at a time")]
pub enum Samples {
    /// `d.train`
    Split {
        /// The data set.
        data: DataId,
        /// Which split.
        split: Split,
        /// Where.
        span: Span,
    },
    /// `s[a..b]`: half-open; beyond the end, or `a > b`, is a run-time fault.
    Slice {
        /// Of what.
        of: Box<Samples>,
        /// First (an int); 0 if missing.
        start: Option<Expr>,
        /// One past the last (an int).
        end: Option<Expr>,
        /// Where.
        span: Span,
    },
    /// `shuffle(s)`: a permutation, new in every epoch.
    Shuffle {
        /// Of what.
        of: Box<Samples>,
        /// The name of its stream of random numbers, such as `train/shuffle`.
        stream: String,
        /// Where.
        span: Span,
    },
}

impl Samples {
    /// The data set and split that the samples come from.
    #[must_use]
    pub fn source(&self) -> (DataId, Split) {
        match self {
            Self::Split { data, split, .. } => (*data, *split),
            Self::Slice { of, .. } | Self::Shuffle { of, .. } => of.source(),
        }
    }

    /// Where they are written.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Split { span, .. } | Self::Slice { span, .. } | Self::Shuffle { span, .. } => *span,
        }
    }
}

/// A split of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// `.train`
    Train,
    /// `.test`
    Test,
}

impl Split {
    /// As written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

/// A field of a sample.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// `.image`: reals in 0..1, axes 28 × 28.
    Image,
    /// `.label`: an int.
    Label,
    /// `.index`: the number of the sample in its split.
    Index,
    /// A field of a data set of arrays.
    Named {
        /// Its name.
        name: String,
        /// Its axes.
        shape: Vec<usize>,
        /// Whether it holds whole numbers.
        int: bool,
    },
}

/// Elements of a model variable.
#[derive(Debug, Clone)]
pub struct Place {
    /// The variable.
    pub key: VarKey,
    /// Which elements.
    pub select: Select,
    /// Where.
    pub span: Span,
}

/// Which elements of a variable.
#[derive(Debug, Clone)]
pub enum Select {
    /// Neurons of a population.
    Neurons(Neurons),
    /// All synapses of a projection.
    AllSynapses,
    /// One synapse, by its number in the order (pre, post, rule); also of dense projections (number = pre * posts + post).
    Synapse(Box<Expr>),
    /// One synapse of a dense projection, by position in the pre and post views.
    Pair(Box<Expr>, Box<Expr>),
    /// The synapses of one pre neuron of a dense projection.
    Row(Box<Expr>),
    /// The synapses of one post neuron of a dense projection.
    Column(Box<Expr>),
    /// The synapses of some pre and some post neurons of a dense projection.
    Block(Box<[IndexItem; 2]>),
    /// Synapses by their numbers, from the first to before the second.
    Part(Option<Box<Expr>>, Option<Box<Expr>>),
}

impl Select {
    /// Whether these are all elements of the variable.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        match self {
            Self::AllSynapses => true,
            Self::Neurons(n) => n.at.is_empty() && n.view.select == crate::hir::Select::All,
            Self::Synapse(_) | Self::Pair(..) | Self::Row(_) | Self::Column(_) | Self::Block(_) | Self::Part(..) => {
                false
            }
        }
    }
}

/// Some neurons of a population.
#[derive(Debug, Clone)]
pub struct Neurons {
    /// A view. Its `shape` gives the axes of what is read (empty: a scalar), if `at` is empty.
    pub view: View,
    /// What is chosen of the view while running; empty for the whole view. One item for each axis of `view.shape`; or any number of them for
    /// a view with one axis, whose neurons together are meant. Without a range, one neuron of a view is meant and the value is a scalar.
    pub at: Vec<IndexItem>,
    /// Where.
    pub span: Span,
}

/// A variable that is saved or loaded.
#[derive(Debug, Clone)]
pub struct NamedVar {
    /// The variable, whole.
    pub key: VarKey,
    /// The path as written, such as `XE.w`: the key in the file.
    pub name: String,
    /// The unit it is saved in.
    pub unit: ShownUnit,
    /// Where.
    pub span: Span,
}

/// A value to be shown.
#[derive(Debug, Clone)]
pub struct PrintItem {
    /// The label before it, or the column's name; a label without a value has no `value`.
    pub label: Option<String>,
    /// The value as source text, such as `rate(N)`: its name in reports when there is no label.
    pub text: String,
    /// The value.
    pub value: Option<Expr>,
    /// The unit it is shown in (internal value / factor).
    pub unit: ShownUnit,
}

/// The arguments of `observe` and `score`.
#[derive(Debug, Clone)]
pub struct ReadoutUse {
    /// The readout.
    pub readout: ReadoutId,
    /// The response: an array (int or real), flattened by the decoder.
    pub response: Expr,
    /// The class: a scalar int.
    pub class: Expr,
}

/// `record E.spikes, E.v every 1 ms to "f.npz"`
#[derive(Debug, Clone)]
pub struct Record {
    /// What is recorded.
    pub items: Vec<RecordItem>,
    /// Values are sampled every so many steps, at the start of a step.
    pub every_steps: u64,
    /// An interval in ms that is known only when the statement runs.
    pub every: Option<Expr>,
    /// `to "…"`
    pub to: Option<String>,
    /// Where.
    pub span: Span,
}

/// One recorded thing.
#[derive(Debug, Clone)]
pub struct RecordItem {
    /// As written, such as `N[0, 10].v`: the key in the file.
    pub name: String,
    /// What.
    pub what: Recorded,
    /// Where.
    pub span: Span,
}

/// What is recorded.
#[derive(Debug, Clone)]
pub enum Recorded {
    /// Times and indices (in the whole population) of spikes, or of another event by its number.
    Spikes(View, Option<u32>),
    /// A value.
    Value {
        /// The value.
        value: Expr,
        /// The unit it is saved in.
        unit: ShownUnit,
    },
}

impl Neurons {
    /// Whether a single neuron of a view is meant, chosen while running.
    #[must_use]
    pub fn is_one_of_many(&self) -> bool {
        !self.at.is_empty() && self.at.len() == self.view.shape.len() && !self.at.iter().any(IndexItem::is_range)
    }
}
