//! The top-level names of a program. Model checking fills the scope; protocols are checked against it.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use crate::hir::{DataId, PopId, ProjId, ReadoutId, View};
use crate::source::Span;
use crate::syntax::ast;

/// What a top-level name stands for.
#[derive(Debug, Clone)]
pub enum Symbol {
    /// A `param` or `const` (index into `hir::Model::globals`), with its value.
    Global(usize),
    /// A constant list, in internal units.
    Table(usize),
    /// A data set.
    Data(DataId),
    /// A neuron model.
    Neuron,
    /// A synapse model.
    Synapse,
    /// A population.
    Pop(PopId),
    /// A view (`let Exc = N[..3200]`).
    View(View),
    /// A named projection.
    Proj(ProjId),
    /// A readout.
    Readout(ReadoutId),
    /// A user function: parameters and body, inlined where called.
    Fn {
        /// The parameters.
        params: Vec<(ast::Ident, Option<ast::TypeExpr>)>,
        /// The body.
        body: Arc<ast::Expr>,
    },
    /// A procedure: parameters and body, instantiated for each list of argument types.
    Procedure {
        /// The parameters.
        params: Vec<ast::Ident>,
        /// The body.
        body: Arc<ast::Block>,
    },
    /// An experiment.
    Experiment,
    /// A kernel.
    Kernel,
    /// Something whose declaration is faulty; uses of it are silent.
    Poisoned,
}

/// The top-level names, each with the place of its definition.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// By name. Prelude names are shadowed by the file's.
    pub names: TopNames,
}

/// A table that is asked for every name of a program: the order of names plays a part in suggestions only.
#[derive(Debug, Clone, Default)]
pub struct TopNames(HashMap<String, (Symbol, Span), FxBuildHasher>);

impl TopNames {
    /// What a name stands for, and where it is declared.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&(Symbol, Span)> {
        self.0.get(name)
    }

    /// Gives a name its meaning.
    pub fn insert(&mut self, name: String, meaning: (Symbol, Span)) {
        self.0.insert(name, meaning);
    }

    /// All names in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &(Symbol, Span))> {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_by_key(|(name, _)| *name);
        all.into_iter()
    }
}
