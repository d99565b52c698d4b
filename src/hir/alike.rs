//! Whether parts of two models hold the same, wherever in their files they are written: then whatever was found out of one, but for places,
//! is so of the other.
//!
//! Numbers are compared by their bits. Numbers of populations mean nothing in another model: who compares parts that name some
//! ([`View::pop`], [`Population::model`]) compares what is behind them, and expressions that name some are never alike. All fields are
//! taken apart by name, so that a new one is not forgotten here.

use std::sync::Arc;

use super::{
    AssignOp, BinaryOp, Event, Every, Expr, ExprKind, LetDecl, Listed, MethodRef, NeuronModel, Ode, Play, Population,
    Projection, Refractory, Rule, Select, Side, SpikeClause, SpikeCond, Stmt, StmtKind, SynapseModel, Type, UnaryOp,
    VarDecl, VarId, View,
};
use crate::builtins::{Builtin, Dist};
use crate::units::ShownUnit;

/// Holds the same as another one but for places.
pub trait Alike {
    /// Whether it does.
    fn alike(&self, other: &Self) -> bool;
}

/// What has no place is alike if it is equal.
macro_rules! equal {
    ($($t:ty)*) => {
        $(impl Alike for $t {
            fn alike(&self, other: &Self) -> bool {
                self == other
            }
        })*
    };
}

equal! { bool u32 u64 String AssignOp BinaryOp Builtin Dist Select Side Type UnaryOp VarId }

impl Alike for f64 {
    fn alike(&self, other: &Self) -> bool {
        self.to_bits() == other.to_bits()
    }
}

impl<T: Alike> Alike for [T] {
    fn alike(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().zip(other).all(|(a, b)| a.alike(b))
    }
}

impl<T: Alike> Alike for Vec<T> {
    fn alike(&self, other: &Self) -> bool {
        self.as_slice().alike(other)
    }
}

impl Alike for Arc<[f64]> {
    fn alike(&self, other: &Self) -> bool {
        Self::ptr_eq(self, other) || self.as_ref().alike(other)
    }
}

impl<T: Alike> Alike for Option<T> {
    fn alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Some(a), Some(b)) => a.alike(b),
            (None, None) => true,
            _ => false,
        }
    }
}

impl<T: Alike, const N: usize> Alike for [T; N] {
    fn alike(&self, other: &Self) -> bool {
        self.iter().zip(other).all(|(a, b)| a.alike(b))
    }
}

impl<A: Alike, B: Alike> Alike for (A, B) {
    fn alike(&self, other: &Self) -> bool {
        self.0.alike(&other.0) && self.1.alike(&other.1)
    }
}

/// All the fields named, without those of places; the others are named to show that none is forgotten.
macro_rules! alike {
    ($($t:ident { $($field:ident),* } but $($place:ident),*;)*) => {
        $(impl Alike for $t {
            fn alike(&self, other: &Self) -> bool {
                let Self { $($field,)* $($place: _,)* } = self;
                $($field.alike(&other.$field))&&*
            }
        })*
    };
}

alike! {
    ShownUnit { name, factor } but;
    VarDecl { name, role, ty, init, bounds, shown } but doc, span;
    LetDecl { name, value } but;
    Ode { var, rhs } but span;
    NeuronModel {
        name, vars, lets, odes, noises, spike, on_spike, events, on_release, every, refractory, method, lost
    } but span;
    Event { name, cond, on } but span;
    Every { period, body } but span;
    SpikeClause { cond } but span;
    Refractory { duration, hold } but span;
    MethodRef { name, substeps } but span;
    SynapseModel { name, vars, lets, odes, on_pre, on_post, injects, noises, events, every, method, lost } but span;
    Stmt { kind } but span;
    Population { name, shape, indexed, pooled, args, play } but model, span;
    Play { times, ids } but span;
    View { select, shape } but pop;
    Projection {
        name, named, pre, event, post, target, rule, filter, synapse, args, delay, delay_vars, kernel, dendritic_delay
    } but span, pre_span, post_span, rule_span;
}

impl Alike for super::Role {
    fn alike(&self, other: &Self) -> bool {
        self == other
    }
}

impl Alike for Rule {
    fn alike(&self, other: &Self) -> bool {
        // No rule is made with a number that is none, and 0 and -0 connect the same.
        self == other
    }
}

impl Alike for Listed {
    fn alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Values(a), Self::Values(b)) => a.alike(b),
            (Self::File(a), Self::File(b)) => a.alike(b),
            (Self::Values(_) | Self::File(_), _) => false,
        }
    }
}

impl Alike for SpikeCond {
    fn alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Level(a), Self::Level(b)) | (Self::Rate(a), Self::Rate(b)) => a.alike(b),
            (Self::Crosses(a, b), Self::Crosses(c, d)) => a.alike(c) && b.alike(d),
            (Self::Level(_) | Self::Rate(_) | Self::Crosses(..), _) => false,
        }
    }
}

impl Alike for StmtKind {
    fn alike(&self, other: &Self) -> bool {
        use StmtKind as S;
        match (self, other) {
            (S::Assign { var, op, value }, S::Assign { var: v, op: o, value: e }) => {
                var == v && op == o && value.alike(e)
            }
            (S::Local { id, value }, S::Local { id: i, value: e }) => id == i && value.alike(e),
            (S::If { cond, then, els }, S::If { cond: c, then: t, els: e }) => {
                cond.alike(c) && then.alike(t) && els.alike(e)
            }
            (S::Deliver { value, target }, S::Deliver { value: e, target: t }) => target == t && value.alike(e),
            (S::Assign { .. } | S::Local { .. } | S::If { .. } | S::Deliver { .. }, _) => false,
        }
    }
}

impl Alike for Expr {
    fn alike(&self, other: &Self) -> bool {
        let Self { kind, ty, span: _ } = self;
        *ty == other.ty && kind.alike(&other.kind)
    }
}

impl Alike for ExprKind {
    fn alike(&self, other: &Self) -> bool {
        match self {
            Self::Const(a) => matches!(other, Self::Const(b) if a.alike(b)),
            Self::Bool(a) => matches!(other, Self::Bool(b) if a == b),
            Self::Var(side, a) => matches!(other, Self::Var(s, b) if side == s && a == b),
            Self::Let(a) => matches!(other, Self::Let(b) if a == b),
            Self::Local(a) => matches!(other, Self::Local(b) if a == b),
            Self::Noise(a) => matches!(other, Self::Noise(b) if a == b),
            // The population may have another number in the other model, or be another one.
            Self::Other(..) => false,
            Self::Timed(a, x) => matches!(other, Self::Timed(b, y) if x.alike(y) && a.alike(b)),
            Self::Time => matches!(other, Self::Time),
            Self::Dt => matches!(other, Self::Dt),
            Self::Index(a) => matches!(other, Self::Index(b) if a == b),
            Self::Size(a) => matches!(other, Self::Size(b) if a == b),
            Self::Unary(op, a) => matches!(other, Self::Unary(o, b) if op == o && a.alike(b)),
            Self::Binary(op, a, b) => matches!(other, Self::Binary(o, c, d) if op == o && a.alike(c) && b.alike(d)),
            Self::ToReal(a) => matches!(other, Self::ToReal(b) if a.alike(b)),
            Self::If(a, b, c) => matches!(other, Self::If(d, e, f) if a.alike(d) && b.alike(e) && c.alike(f)),
            Self::Call(f, args) => matches!(other, Self::Call(g, others) if f == g && args.alike(others)),
            Self::Draw { dist, args, site, truncated } => matches!(
                other,
                Self::Draw { dist: d, args: others, site: s, truncated: t }
                    if dist == d && site == s && truncated == t && args.alike(others)
            ),
            Self::Table(a, index) => matches!(other, Self::Table(b, i) if index.alike(i) && a.alike(b)),
            Self::FileArray { path, key } => {
                matches!(other, Self::FileArray { path: p, key: k } if path == p && key == k)
            }
            Self::EdgeColumn(a) => matches!(other, Self::EdgeColumn(b) if a == b),
        }
    }
}
