//! Connectivity: a rule chooses synapses among candidate pairs, as a function of a random stream.
//!
//! Contract of every [`Pattern`]:
//! - input are two views (ascending indices in whole populations) and an optional filter (`where`); the filter restricts
//!   the candidates first, then the rule chooses;
//! - output is an [`Adjacency`] over the *whole* pre population, ordered by (pre, post, order of the rule);
//! - the result depends on the arguments, the candidates and the stream only: not on threads, nor on other projections;
//! - faults are [`ConnectError`]s without a place in the source: the caller knows the `connect` and adds it.
//!
//! A new rule is a file here with an `impl Pattern`, an entry in [`PATTERNS`] and a property test.

mod adjacency;
mod conv;
mod edges;
mod fixed;
mod random;
mod regular;
mod scatter;
mod space;

pub use adjacency::{Adjacency, PostIndex};
pub use conv::Convolution;
pub use edges::EdgeList;
pub use scatter::blocks_of_rows;

use crate::diag::{Code, Diagnostic, words};
use crate::rng::Stream;

/// Decides whether the pair (pre, post) is a candidate; indices are those of the whole populations.
pub type Filter<'a> = dyn Fn(u32, u32) -> Result<bool, Diagnostic> + Sync + 'a;

/// The pairs a rule may choose from.
#[derive(Clone, Copy)]
pub struct Candidates<'a> {
    /// Size of the whole pre population.
    pub pre_size: u32,
    /// Size of the whole post population.
    pub post_size: u32,
    /// The source's elements, ascending.
    pub pre: &'a [u32],
    /// The target's elements, ascending.
    pub post: &'a [u32],
    /// The `where` clause.
    pub filter: Option<&'a Filter<'a>>,
}

impl Candidates<'_> {
    /// Whether the pair passes the filter.
    ///
    /// # Errors
    /// What the filter reports.
    fn admits(&self, pre: u32, post: u32) -> Result<bool, ConnectError> {
        self.filter.map_or(Ok(true), |filter| filter(pre, post).map_err(|d| ConnectError::Filter(Box::new(d))))
    }

    /// Checks what every pattern relies on.
    fn check(&self) -> Result<(), ConnectError> {
        for (side, view, size) in [(Side::Pre, self.pre, self.pre_size), (Side::Post, self.post, self.post_size)] {
            if !view.is_sorted_by(|a, b| a < b) {
                return Err(ConnectError::Internal("a view is not strictly ascending"));
            }
            if let Some(&index) = view.last()
                && index >= size
            {
                return Err(ConnectError::OutOfRange { side, index: i64::from(index), size });
            }
        }
        Ok(())
    }
}

/// One end of a projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The source.
    Pre,
    /// The target.
    Post,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pre => "pre",
            Self::Post => "post",
        })
    }
}

/// Why a rule cannot be carried out.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConnectError {
    /// `one_to_one` between views of different sizes.
    #[error("one_to_one pairs neurons by position, but the source has {pre} and the target {post}")]
    SizesDiffer {
        /// Elements of the source.
        pre: usize,
        /// Elements of the target.
        post: usize,
    },
    /// An index that the population does not have.
    #[error("the {side} index {index} is out of range: the population has {size} neurons")]
    OutOfRange {
        /// The end of the projection.
        side: Side,
        /// The index.
        index: i64,
        /// Size of the population.
        size: u32,
    },
    /// An edge whose end is not part of the view.
    #[error("the {side} index {index} of edge {edge} is not among the neurons named in the connection")]
    OutsideView {
        /// The end of the projection.
        side: Side,
        /// The index.
        index: u32,
        /// Row of the edge list, from 0.
        edge: usize,
    },
    /// Columns of an edge list with different lengths.
    #[error("the edge list has {pre} pre indices but {post} post indices")]
    Ragged {
        /// Entries in `pre`.
        pre: usize,
        /// Entries in `post`.
        post: usize,
    },
    /// Too few candidates for a degree or a total.
    #[error("{}", words::too_few(.rule, *.wanted, .place, *.found))]
    TooFew {
        /// The rule.
        rule: &'static str,
        /// Where: "onto neuron 3", "from neuron 3", "in all".
        place: String,
        /// The number asked for.
        wanted: u64,
        /// The candidates.
        found: u64,
    },
    /// An argument is missing, unknown, or of the wrong kind or range.
    #[error("{0}")]
    Argument(String),
    /// More synapses than an index can number, or than fit in memory.
    #[error("the connection would have about {0:.3e} synapses; at most 4294967295 can be numbered")]
    TooLarge(f64),
    /// The filter failed; the diagnostic says how.
    #[error("{}", .0.message)]
    Filter(Box<Diagnostic>),
    /// A broken contract between the parts of snnc.
    #[error("a bug in snnc: {0}, please report it")]
    Internal(&'static str),
}

impl ConnectError {
    /// The code of the diagnostic that the caller makes of it.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::SizesDiffer { .. } | Self::OutOfRange { .. } | Self::OutsideView { .. } => Code::E0402,
            Self::Ragged { .. } => Code::E0802,
            Self::TooFew { .. } => Code::E0404,
            Self::Argument(_) => Code::E0205,
            Self::TooLarge(_) => Code::E0902,
            Self::Filter(d) => d.code,
            Self::Internal(_) => Code::E0900,
        }
    }
}

/// The kind of value a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// A dimensionless number in 0..1.
    Probability,
    /// A non-negative integer.
    Count,
    /// A dimensionless number above 0.
    Positive,
    /// A truth value.
    Bool,
    /// The name of an `.npz` file with the integer arrays `pre` and `post`.
    EdgeFile,
}

/// A parameter of a rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Param {
    /// Its name; the order in the table is the order of positional arguments.
    pub name: &'static str,
    /// What it takes.
    pub kind: ParamKind,
    /// Its value when it is not given; `None` when it must be.
    pub default: Option<Value>,
}

/// A plain argument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A real number.
    Real(f64),
    /// An integer.
    Int(i64),
    /// A truth value.
    Bool(bool),
}

/// The arguments of a rule, by name.
#[derive(Debug, Clone, Default)]
pub struct Arguments<'a> {
    values: Vec<(String, Value)>,
    /// The contents of the edge file, which the caller reads (rules do no input or output).
    pub edges: Option<&'a EdgeList>,
    /// The grids of source and target, for rules of space.
    pub grids: Option<(Vec<u64>, Vec<u64>)>,
}

impl<'a> Arguments<'a> {
    /// No arguments.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an argument; a later one of the same name wins.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.values.retain(|(known, _)| known != name);
        self.values.push((name.to_owned(), value));
        self
    }

    /// Sets the edges.
    #[must_use]
    pub fn with_edges(mut self, edges: &'a EdgeList) -> Self {
        self.edges = Some(edges);
        self
    }

    /// Sets the grids of the whole populations.
    #[must_use]
    pub fn with_grids(mut self, pre: Vec<u64>, post: Vec<u64>) -> Self {
        self.grids = Some((pre, post));
        self
    }

    /// Every name given must be known, every parameter without a default given.
    fn check(&self, pattern: &dyn Pattern) -> Result<(), ConnectError> {
        for (name, _) in &self.values {
            if !pattern.params().iter().any(|p| p.name == name) {
                return Err(ConnectError::Argument(format!("{} has no argument `{name}`", pattern.name())));
            }
        }
        for param in pattern.params() {
            match param.kind {
                ParamKind::EdgeFile if self.edges.is_none() => {
                    return Err(ConnectError::Argument(format!("{} needs a file of edges", pattern.name())));
                }
                ParamKind::Probability => drop(self.probability(pattern, param.name)?),
                ParamKind::Count => drop(self.count(pattern, param.name)?),
                ParamKind::Positive => drop(self.positive(pattern, param.name)?),
                ParamKind::Bool => drop(self.bool(pattern, param.name)?),
                ParamKind::EdgeFile => {}
            }
        }
        Ok(())
    }

    fn get(&self, pattern: &dyn Pattern, name: &str) -> Result<Value, ConnectError> {
        let given = self.values.iter().find(|(known, _)| known == name).map(|&(_, value)| value);
        let default = || pattern.params().iter().find(|p| p.name == name).and_then(|p| p.default);
        given
            .or_else(default)
            .ok_or_else(|| ConnectError::Argument(format!("{} needs the argument `{name}`", pattern.name())))
    }

    fn probability(&self, pattern: &dyn Pattern, name: &str) -> Result<f64, ConnectError> {
        let p = match self.get(pattern, name)? {
            Value::Real(p) => p,
            Value::Int(p) => p as f64,
            Value::Bool(_) => f64::NAN,
        };
        if (0.0..=1.0).contains(&p) {
            Ok(p)
        } else {
            Err(ConnectError::Argument(format!("`{name}` of {} must be a probability from 0 to 1", pattern.name())))
        }
    }

    fn positive(&self, pattern: &dyn Pattern, name: &str) -> Result<f64, ConnectError> {
        match self.get(pattern, name)? {
            Value::Real(x) if x > 0.0 && x.is_finite() => Ok(x),
            Value::Int(x) if x > 0 => Ok(x as f64),
            _ => Err(ConnectError::Argument(format!("`{name}` of {} must be a number above 0", pattern.name()))),
        }
    }

    fn count(&self, pattern: &dyn Pattern, name: &str) -> Result<u64, ConnectError> {
        match self.get(pattern, name)? {
            Value::Int(n) if n >= 0 => Ok(n as u64),
            _ => Err(ConnectError::Argument(format!(
                "`{name}` of {} must be a whole number that is not negative",
                pattern.name()
            ))),
        }
    }

    fn bool(&self, pattern: &dyn Pattern, name: &str) -> Result<bool, ConnectError> {
        match self.get(pattern, name)? {
            Value::Bool(b) => Ok(b),
            Value::Real(_) | Value::Int(_) => {
                Err(ConnectError::Argument(format!("`{name}` of {} must be true or false", pattern.name())))
            }
        }
    }
}

/// A rule that chooses synapses.
pub trait Pattern: Sync {
    /// The name in `via NAME(…)`.
    fn name(&self) -> &'static str;

    /// The parameters, in positional order.
    fn params(&self) -> &'static [Param];

    /// What it makes, in a sentence for people.
    fn about(&self) -> &'static str {
        "It is described in the reference of the language."
    }

    /// The number of synapses to expect, before anything is allocated: exact where the rule fixes it, else the mean;
    /// the filter is taken to admit everything. `pre` and `post` are the sizes of the views.
    ///
    /// # Errors
    /// [`ConnectError::Argument`].
    fn expected_synapses(&self, arguments: &Arguments<'_>, pre: usize, post: usize) -> Result<f64, ConnectError>;

    /// Chooses the synapses; called by [`build`], which has checked candidates and arguments.
    ///
    /// # Errors
    /// See [`ConnectError`].
    fn choose(
        &self,
        arguments: &Arguments<'_>,
        candidates: &Candidates<'_>,
        stream: Stream,
    ) -> Result<Adjacency, ConnectError>;
}

/// All rules.
pub static PATTERNS: &[&dyn Pattern] = &[
    &regular::AllToAll,
    &regular::OneToOne,
    &random::Random,
    &fixed::FixedIndegree,
    &fixed::FixedOutdegree,
    &fixed::FixedTotal,
    &edges::Edges,
    &space::Distance,
    &space::Pool,
    &conv::Conv,
];

/// The rule of a name.
#[must_use]
pub fn lookup(name: &str) -> Option<&'static dyn Pattern> {
    PATTERNS.iter().copied().find(|p| p.name() == name)
}

/// The synapses that a rule makes, or why it cannot. An empty result is not a fault here: the caller decides (E0404).
///
/// # Errors
/// See [`ConnectError`].
pub fn build(
    pattern: &dyn Pattern,
    arguments: &Arguments<'_>,
    candidates: &Candidates<'_>,
    stream: Stream,
) -> Result<Adjacency, ConnectError> {
    candidates.check()?;
    arguments.check(pattern)?;
    let expected = pattern.expected_synapses(arguments, candidates.pre.len(), candidates.post.len())?;
    // A filter may bring an excessive product down to something feasible.
    if candidates.filter.is_none() && expected > f64::from(u32::MAX) {
        return Err(ConnectError::TooLarge(expected));
    }
    pattern.choose(arguments, candidates, stream)
}

#[cfg(test)]
mod tests;
