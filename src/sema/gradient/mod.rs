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
use crate::script::ir::{ExprKind, Home, Learning, Program};
use crate::script::machine::VarKey;
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
    let frozen_before = frozen_before(&model.script);
    // A procedure is there once for each list of argument types.
    let mut statements: BTreeMap<Span, (bool, Vec<Diagnostic>)> = BTreeMap::new();
    for l in learning {
        let (refused, faults) = statements.entry(l.span).or_default();
        // A loss that is faulty as a whole has been reported; in a procedure that nothing calls it may be an argument.
        let faulty = matches!(l.loss.as_slice(), [e] if matches!(e.kind, ExprKind::Error)) && l.home.is_some();
        *refused |= l.refused || faulty;
        let new = graph.as_ref().map(|g| unreached(model, g, &frozen_before, l)).unwrap_or_default();
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

/// What is frozen whenever each procedure begins: what all its callers have frozen then.
fn frozen_before(program: &Program) -> Vec<Vec<(VarKey, Span)>> {
    let mut out: Vec<Option<Vec<(VarKey, Span)>>> = vec![None; program.procedures.len()];
    // A procedure is made while its first caller is: whatever calls it has a greater number.
    for k in (0..out.len()).rev() {
        for (caller, _, frozen) in program.frozen_calls.iter().filter(|(_, called, _)| called.index() == k) {
            let mut here = frozen.clone();
            if let Some(Home::Procedure(caller)) = caller {
                here.extend(out.get(caller.index()).cloned().flatten().unwrap_or_default());
            }
            match &mut out[k] {
                Some(all) => all.retain(|(key, _)| here.iter().any(|(k, _)| k == key)),
                none => *none = Some(here),
            }
        }
    }
    out.into_iter().map(Option::unwrap_or_default).collect()
}

/// The variables that the gradient of a loss does not reach: those behind one gap together.
fn unreached(model: &Model, graph: &Graph, frozen_before: &[Vec<(VarKey, Span)>], l: &Learning) -> Vec<Diagnostic> {
    let earlier = match l.home {
        Some(Home::Procedure(proc)) => frozen_before.get(proc.index()).map_or(&[][..], Vec::as_slice),
        _ => &[],
    };
    let frozen = l.frozen.iter().chain(earlier).copied().collect::<Vec<_>>();
    let frozen = frozen.iter().filter(|(key, _)| {
        !walk::any_of(
            &model.script,
            &mut |s| matches!(&s.kind, crate::script::ir::StmtKind::Thaw(keys) if keys.contains(key)),
        )
    });
    let reach = graph.from(&protocols::start(l), &frozen.copied().collect::<Vec<_>>());
    let mut groups: Vec<(Way, Vec<(VarKey, Span)>)> = Vec::new();
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
