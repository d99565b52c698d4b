//! The types of values of protocols: numbers with a kind and axes, and what is no number.

use crate::hir::{self, DataId, PopId, ProjId};
use crate::units::Dim;

/// The type of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Ty {
    /// A number or an array of numbers.
    Num(NumTy),
    /// A text.
    Str,
    /// A sample of a data set.
    Sample(DataId),
    /// No value.
    None,
    /// Of a faulty expression: uses of it are silent.
    Poisoned,
}

/// The type of numbers: kind and axes (none for a scalar).
#[derive(Debug, Clone, PartialEq)]
pub struct NumTy {
    /// The kind of the elements.
    pub kind: Kind,
    /// The axes, outermost first.
    pub axes: Vec<Axis>,
}

/// The kind of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A real with a dimension.
    Real(Dim),
    /// A whole number.
    Int,
    /// A truth value.
    Bool,
}

/// One axis of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// What runs along it.
    pub name: AxisName,
    /// Its length; `None` for [`AxisName::Synapses`] and where it is known only while running.
    pub len: Option<u64>,
}

/// What runs along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AxisName {
    /// Nothing in particular: lists, fields of samples, `zeros(n)`.
    Unnamed,
    /// Neurons of a population: axis number `axis` of its grid.
    Neurons {
        /// The population.
        pop: PopId,
        /// Which axis of its grid.
        axis: u32,
    },
    /// The presynaptic neurons of a projection, by position in its pre view.
    Pre(ProjId),
    /// The postsynaptic neurons of a projection, by position in its post view.
    Post(ProjId),
    /// The synapses of a projection that is not dense, in storage order (pre, post, order of the rule).
    Synapses(ProjId),
}

impl NumTy {
    /// A scalar.
    #[must_use]
    pub fn scalar(kind: Kind) -> Self {
        Self { kind, axes: Vec::new() }
    }

    /// The product of the lengths; `None` if one is not known.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        self.axes.iter().map(|a| a.len).product()
    }

    /// Whether it has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

impl Ty {
    /// A scalar.
    #[must_use]
    pub fn scalar(kind: Kind) -> Self {
        Self::Num(NumTy::scalar(kind))
    }

    /// As a number.
    #[must_use]
    pub fn num(&self) -> Option<&NumTy> {
        match self {
            Self::Num(n) => Some(n),
            _ => None,
        }
    }

    /// The axes; none for what is no array.
    #[must_use]
    pub fn axes(&self) -> &[Axis] {
        self.num().map_or(&[], |n| &n.axes)
    }
}

impl Kind {
    /// The dimension; none for ints and truth values.
    #[must_use]
    pub fn dim(self) -> Dim {
        match self {
            Self::Real(d) => d,
            Self::Int | Self::Bool => Dim::NONE,
        }
    }
}

impl From<hir::Type> for Kind {
    fn from(ty: hir::Type) -> Self {
        match ty {
            hir::Type::Real(d) => Self::Real(d),
            hir::Type::Int => Self::Int,
            hir::Type::Bool => Self::Bool,
        }
    }
}
