//! Who depends on whom, and what of it has a derivative. A search from the loss counts on each way the dependences without one; a variable
//! that is reached without any can be learned.

use std::collections::{BTreeMap, VecDeque};

use crate::hir::{DelayKind, LetId, PopId};
use crate::script::ir::{self, Home, ProcId};
use crate::script::machine::{Entity, VarKey};
use crate::source::Span;

/// Something with a value, or that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// The loss.
    Loss,
    /// A variable of a population or projection.
    Var(VarKey),
    /// A `let` of a model, as used in a population or projection.
    Let(Entity, LetId),
    /// A `let` in a handler.
    Local(Entity, crate::hir::LocalId),
    /// The spikes of a population.
    Spikes(PopId),
    /// Another event of it.
    Event(PopId, u32),
    /// A local variable of a protocol.
    Value(Home, ir::LocalId),
    /// What a procedure returns.
    Returned(ProcId),
    /// Faulty, so it may depend on anything.
    Unknown,
}

/// Why a dependence has no derivative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The value is drawn at random.
    Draw,
    /// Spikes are drawn at random from a rate.
    RandomSpikes(PopId),
    /// A whole number.
    Whole,
    /// A truth value.
    Truth,
    /// A choice between values.
    Choice,
    /// A function that is constant between its jumps.
    Flat(&'static str),
    /// `X.count` or `spikes(X)`.
    Count(PopId),
    /// `X.first`.
    First(PopId),
    /// A time that is rounded to steps.
    Steps(&'static str),
    /// A measure of spike trains.
    Metric(&'static str),
    /// A place in a list.
    Place(&'static str),
    /// Frozen by a protocol.
    Frozen(VarKey),
}

impl Why {
    /// Of a delay.
    pub(super) fn delay(kind: DelayKind) -> Self {
        Self::Steps(match kind {
            DelayKind::Axonal => "a delay",
            DelayKind::Dendritic => "a dendritic delay",
        })
    }
}

/// A dependence without derivative, and where it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) why: Why,
    pub(super) span: Span,
}

/// One dependence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) to: Node,
    pub(super) gap: Option<Gap>,
}

/// All dependences.
#[derive(Debug, Default)]
pub(super) struct Graph {
    edges: BTreeMap<Node, Vec<Edge>>,
}

/// How the loss depends on a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// With a derivative, or nobody knows.
    Open,
    /// Only over this gap, the first on the way from the loss.
    Over(Gap),
    /// Not at all.
    None,
}

/// What a loss depends on.
#[derive(Debug)]
pub(super) struct Reach {
    /// The number of gaps on the way, and the first of them.
    found: BTreeMap<Node, (u32, Option<Gap>)>,
}

impl Graph {
    /// What `from` depends on.
    pub(super) fn add(&mut self, from: Node, edges: Vec<Edge>) {
        self.edges.entry(from).or_default().extend(edges);
    }

    /// What a loss with these dependences depends on, while some variables are frozen.
    pub(super) fn from(&self, loss: &[Edge], frozen: &[(VarKey, Span)]) -> Reach {
        let mut found = BTreeMap::from([(Node::Loss, (0, None))]);
        let mut queue = VecDeque::from([(Node::Loss, 0)]);
        while let Some((node, gaps)) = queue.pop_front() {
            let Some((best, first)) = found.get(&node).copied() else { continue };
            if best < gaps {
                continue;
            }
            let edges = if node == Node::Loss { loss } else { self.edges.get(&node).map_or(&[][..], Vec::as_slice) };
            for edge in edges {
                let held = match edge.to {
                    Node::Var(key) => frozen.iter().find(|(k, _)| *k == key),
                    _ => None,
                };
                let gap = edge.gap.or(held.map(|(key, span)| Gap { why: Why::Frozen(*key), span: *span }));
                let steps = gaps + u32::from(gap.is_some());
                if found.get(&edge.to).is_none_or(|(known, _)| steps < *known) {
                    found.insert(edge.to, (steps, first.or(gap)));
                    if gap.is_some() {
                        queue.push_back((edge.to, steps));
                    } else {
                        queue.push_front((edge.to, steps));
                    }
                }
            }
        }
        Reach { found }
    }
}

impl Reach {
    /// How the loss depends on a variable.
    pub(super) fn way(&self, key: VarKey) -> Way {
        if self.found.get(&Node::Unknown).is_some_and(|(gaps, _)| *gaps == 0) {
            return Way::Open;
        }
        match self.found.get(&Node::Var(key)) {
            Some((_, Some(gap))) => Way::Over(*gap),
            Some((_, None)) => Way::Open,
            None => Way::None,
        }
    }

    /// The variables that the loss has a gradient for.
    pub(super) fn open(&self) -> impl Iterator<Item = VarKey> + '_ {
        self.found.iter().filter_map(|(node, (gaps, _))| match node {
            Node::Var(key) if *gaps == 0 => Some(*key),
            _ => None,
        })
    }
}
