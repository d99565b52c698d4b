//! Expressions of protocols.

use std::sync::Arc;

use super::{BinaryOp, Field, LocalId, Neurons, Place, ProcId, Ty, UnaryOp};
use crate::builtins::{Builtin, Dist};
use crate::hir::{ProjId, ReadoutId};
use crate::source::Span;

impl ExprKind {
    /// Whether each element comes from the elements of the operands, one by one or repeated.
    #[must_use]
    pub fn is_elementwise(&self) -> bool {
        matches!(
            self,
            Self::Unary(..)
                | Self::Binary(..)
                | Self::Between { .. }
                | Self::ToReal(_)
                | Self::ToInt(_)
                | Self::If(..)
                | Self::Select(..)
                | Self::Broadcast { .. }
                | Self::Reshape(_)
                | Self::Builtin(..)
        )
    }
}

/// An expression.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its type.
    pub ty: Ty,
    /// Where.
    pub span: Span,
}

/// The kinds of expressions.
#[derive(Debug, Clone)]
pub enum ExprKind {
    /// A scalar number in internal units. Ints are whole.
    Const(f64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Str(Arc<str>),
    /// A constant array with one axis.
    Table(Arc<[f64]>),
    /// A local variable.
    Local(LocalId),
    /// Values of a model variable.
    Var(Place),
    /// `X.count`: spikes of each neuron in the last `run` (ints).
    Count(Neurons),
    /// `X.first`: time of each neuron's first spike since the start of the last `run`, in ms; `inf` without one.
    First(Neurons),
    /// `t`: the time in ms.
    Time,
    /// A field of a sample.
    Field {
        /// A local that holds a sample.
        sample: LocalId,
        /// Which field.
        field: Field,
    },
    /// `-x`, `not x`
    Unary(UnaryOp, Box<Expr>),
    /// Arithmetic, comparison, logic. `And` and `Or` of scalars evaluate the right side only if it decides. `/` of ints has been converted to
    /// reals; `%` of ints takes the sign of the divisor, as of reals.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `x in a .. b`: with both ends.
    Between {
        /// The value.
        value: Box<Expr>,
        /// The lower end.
        lo: Option<Box<Expr>>,
        /// The upper end.
        hi: Option<Box<Expr>>,
    },
    /// `x in list`: whether a scalar equals some element of an array.
    OneOf {
        /// The scalar.
        value: Box<Expr>,
        /// The array.
        list: Box<Expr>,
    },
    /// An int as a real (a truth value as 0 or 1).
    ToReal(Box<Expr>),
    /// A truth value as an int 0 or 1.
    ToInt(Box<Expr>),
    /// `if c then a else b` with a scalar condition: only the chosen side is evaluated. Both sides have the type of the whole.
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// The same, element by element.
    Select(Box<Expr>, Box<Expr>, Box<Expr>),
    /// The value repeated and permuted to the axes of this node.
    Broadcast {
        /// The value.
        value: Box<Expr>,
        /// For each axis of the result, where it comes from.
        from: Vec<AxisSource>,
    },
    /// The same elements in the same order under the axes of this node (as many elements).
    Reshape(Box<Expr>),
    /// An elementwise function.
    Builtin(Builtin, Vec<Expr>),
    /// A reduction.
    Reduce {
        /// Which.
        op: Reduction,
        /// Of what.
        value: Box<Expr>,
        /// Over what.
        over: Over,
    },
    /// `rate`, `cv_isi`, `spikes` over the current experiment or test.
    Metric {
        /// Which.
        metric: Metric,
        /// Of which neurons.
        of: Neurons,
        /// `from =` in ms, counted as `t`; the start of the experiment or test if missing.
        from: Option<Box<Expr>>,
        /// `to =` in ms; now if missing.
        to: Option<Box<Expr>>,
        /// `bin =` of `synchrony` in ms; [`SYNCHRONY_BIN`] if missing.
        bin: Option<Box<Expr>>,
        /// Not of spikes but of another event, by its number.
        event: Option<u32>,
    },
    /// `accuracy(r)`: share of right predictions since the last `score` of a new series.
    Accuracy(ReadoutId),
    /// Draws from a distribution: one, or one for each element of its axes.
    Draw {
        /// The distribution.
        dist: Dist,
        /// Its parameters in internal units.
        args: Vec<Expr>,
        /// `truncated`: drawn again until it lies between these.
        within: Option<Box<(Expr, Expr)>>,
        /// One draw for each element of what is assigned. Otherwise one for each element of the parameters.
        each: bool,
        /// The name of its stream: `EXPERIMENT/uniform`, from the second one on with `#k`; of a procedure its name, of a test its title.
        stream: String,
    },
    /// `zeros(n)`: the length of each axis (ints).
    Zeros(Vec<Expr>),
    /// One element or a part of an array that is no variable of a model.
    Index {
        /// The array.
        base: Box<Expr>,
        /// One per axis.
        items: Vec<IndexItem>,
    },
    /// `[a, b]` of scalars, or of arrays of one shape, along a new first axis.
    List(Vec<Expr>),
    /// `timed(list, step)`: the entry along the first axis for the present time.
    Timed {
        /// The list.
        list: Box<Expr>,
        /// How long each entry holds, in ms.
        step: Box<Expr>,
    },
    /// A value that `body` uses under the name of a local, so that it is computed once.
    With {
        /// The local.
        local: LocalId,
        /// Its value.
        value: Box<Expr>,
        /// What is computed from it.
        body: Box<Expr>,
    },
    /// A procedure called for its value.
    Call {
        /// The procedure.
        proc: ProcId,
        /// Values of its parameters.
        args: Vec<Expr>,
    },
    /// Faulty; already reported.
    Error,
}

/// Where an axis of a [`ExprKind::Broadcast`] comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AxisSource {
    /// Axis number k of the value.
    Axis(usize),
    /// Repeated.
    Repeat,
    /// The result's axis is [`AxisName::Synapses`](super::AxisName::Synapses), and axis k of the value the pre neurons of that projection.
    ByPre(usize),
    /// The result's axis is [`AxisName::Synapses`](super::AxisName::Synapses), and axis k of the value the post neurons of that projection.
    ByPost(usize),
}

/// What is taken along one axis. Out of range is a run-time fault.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "few exist at a time")]
pub enum IndexItem {
    /// One position (an int): the axis goes.
    At(Expr),
    /// From the first (0 if missing) to before the second (the length if missing), ints: the axis stays. The two may be equal.
    Range(Option<Expr>, Option<Expr>),
}

impl IndexItem {
    /// The expressions in it, in the order of writing.
    pub fn ends(&self) -> impl Iterator<Item = &Expr> {
        let (a, b) = match self {
            Self::At(e) => (Some(e), None),
            Self::Range(a, b) => (a.as_ref(), b.as_ref()),
        };
        a.into_iter().chain(b)
    }

    /// Whether it is a range.
    #[must_use]
    pub fn is_range(&self) -> bool {
        matches!(self, Self::Range(..))
    }
}

/// Reductions. Ints stay ints under `Sum`, `Min`, `Max`; `Mean` and `Std` are real; `Count` counts the true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reduction {
    /// `sum`
    Sum,
    /// `mean`
    Mean,
    /// `std`: of the population (divided by n).
    Std,
    /// `min`
    Min,
    /// `max`
    Max,
    /// `argmax`: the first of equals.
    Argmax,
    /// `argmin`: the first of equals.
    Argmin,
    /// `norm`: the square root of the sum of squares.
    Norm,
    /// `count`: how many are true.
    Count,
}

impl Reduction {
    /// As written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Std => "std",
            Self::Min => "min",
            Self::Max => "max",
            Self::Argmax => "argmax",
            Self::Argmin => "argmin",
            Self::Norm => "norm",
            Self::Count => "count",
        }
    }
}

/// What a reduction runs over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    /// Every axis: the result is a scalar (so is its argument, perhaps).
    All,
    /// These axes of the value, in ascending order; the others remain.
    Axes(Vec<usize>),
    /// The value has one axis [`AxisName::Synapses`](super::AxisName::Synapses); over the pre neurons, leaving the axis `Post`.
    SynapsesOverPre(ProjId),
    /// The value has one axis [`AxisName::Synapses`](super::AxisName::Synapses); over the post neurons, leaving the axis `Pre`.
    SynapsesOverPost(ProjId),
    /// The ends of the steps of the last `run`; the axes of the value remain. Each reduction over time of a program has its number.
    Time(u32),
}

/// The bin of `synchrony` in ms, where none is given.
pub const SYNCHRONY_BIN: f64 = 5.0;

/// Measures of recorded spikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// `rate`: spikes per neuron and time, in 1/ms: a scalar.
    Rate,
    /// `synchrony`: the square root of the variance over time of the mean count in a bin, over the mean variance of single neurons: a scalar.
    Synchrony,
    /// `cv_isi`: the mean over neurons with at least two intervals of the coefficient of variation of their intervals: a scalar.
    CvIsi,
    /// `spikes`: the number of spikes of each neuron (ints, shape of the view).
    Spikes,
}

impl Metric {
    /// As written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::CvIsi => "cv_isi",
            Self::Synchrony => "synchrony",
            Self::Spikes => "spikes",
        }
    }
}
