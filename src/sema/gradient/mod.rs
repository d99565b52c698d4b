//! What `minimize` could not learn in any case: variables that no differentiable path leads to from the loss (`E0601`). What is left is
//! refused because learning by gradient is not built (`E0901`).
//!
//! Who depends on whom is a graph over the whole program (`graph.rs`): of protocols (`protocols.rs`) and of models (`models.rs`), in which every
//! dependence that has no derivative says why (`Gap`). All of it is made only for programs with a `minimize`. Where the program has other
//! faults a missing path proves nothing, so nothing is said.

mod graph;
mod models;
mod protocols;
mod words;

use std::collections::BTreeMap;

use crate::diag::{Code, Diagnostic, Severity, Sink};
use crate::hir::Model;
use crate::script::ir::{ExprKind, Learning};
use crate::script::walk;
use crate::source::{FileId, Span};

use graph::{Graph, Way};

/// Refuses every `minimize` of a program, each once.
pub(super) fn check(model: &Model, prelude: FileId, sink: &mut Sink) {
    let learning = &model.script.learning;
    if learning.is_empty() {
        return;
    }
    let known = |d: &Diagnostic| matches!(d.code, Code::E0901 | Code::E0602) || d.severity != Severity::Error;
    let graph = sink.items.iter().all(known).then(|| {
        let mut graph = Graph::default();
        models::enter(model, prelude, &mut graph);
        protocols::enter(model, &mut graph);
        graph
    });
    // A procedure is there once for each list of argument types.
    let mut statements: BTreeMap<Span, (bool, Vec<Diagnostic>)> = BTreeMap::new();
    for l in learning {
        let (refused, faults) = statements.entry(l.span).or_default();
        // A loss that is faulty as a whole has been reported; in a procedure that nothing calls it may be an argument.
        let faulty = matches!(l.loss.as_slice(), [e] if matches!(e.kind, ExprKind::Error)) && l.home.is_some();
        *refused |= l.refused || faulty;
        let new = graph.as_ref().map(|g| unreached(model, g, l)).unwrap_or_default();
        let at = |d: &Diagnostic| d.primary.as_ref().map(|p| p.span);
        faults.extend(new.into_iter().filter(|d| !faults.iter().any(|f| at(f) == at(d))).collect::<Vec<_>>());
    }
    for (span, (refused, faults)) in statements {
        if !refused && faults.is_empty() {
            sink.push(
                Diagnostic::new(Code::E0901, span, "learning by gradient is not supported yet")
                    .label("`minimize` is not built yet")
                    .help("local learning rules (STDP and others) work"),
            );
        }
        sink.items.extend(faults);
    }
}

/// The variables that the gradient of a loss does not reach: those behind one gap together.
fn unreached(model: &Model, graph: &Graph, l: &Learning) -> Vec<Diagnostic> {
    let frozen = l.frozen.iter().filter(|(key, _)| {
        !walk::any_of(
            &model.script,
            &mut |s| matches!(&s.kind, crate::script::ir::StmtKind::Thaw(keys) if keys.contains(key)),
        )
    });
    let reach = graph.from(&protocols::start(l), &frozen.copied().collect::<Vec<_>>());
    let mut groups: Vec<(Way, Vec<(crate::script::machine::VarKey, Span)>)> = Vec::new();
    for (key, span) in &l.over {
        match reach.way(*key) {
            Way::Open => {}
            way => match groups.iter_mut().find(|(w, _)| *w == way) {
                Some((_, targets)) => targets.push((*key, *span)),
                None => groups.push((way, vec![(*key, *span)])),
            },
        }
    }
    groups.iter().map(|(way, targets)| words::unreached(model, l, way, targets, &reach)).collect()
}
