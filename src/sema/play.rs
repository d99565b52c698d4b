//! The arguments of `spike_source`: lists of times and of neurons.

use super::infer::{Meaning, Names, Typer, real, strip};
use crate::diag::{Code, Diagnostic};
use crate::hir::{self, ExprKind, Listed, Play, Type};
use crate::source::Span;
use crate::syntax::ast;
use crate::units::Dim;

/// Only files and the top level's names.
pub(super) struct FileNames;

impl Names for FileNames {
    fn lookup(&mut self, _: &str, _: Span, _: &mut Typer<'_>) -> Option<Meaning> {
        None
    }

    fn all(&self) -> Vec<String> {
        Vec::new()
    }

    fn indices(&self) -> (bool, bool) {
        (false, false)
    }

    fn time(&self) -> Result<(), &'static str> {
        Err("`t` has no value here: the list is read before the simulation starts")
    }

    fn draws(&self) -> bool {
        true
    }
}

/// The spikes that a source of `size` neurons plays.
pub(super) fn played(m: &ast::ModelRef, size: u64, typer: &mut Typer<'_>) -> Option<Play> {
    let (mut times, mut ids) = (None, None);
    for (k, a) in m.args.iter().flatten().enumerate() {
        let name = a.name.as_ref().map_or(["times", "ids"].get(k).copied().unwrap_or(""), |n| n.node.as_str());
        let slot = match name {
            "times" => &mut times,
            "ids" => &mut ids,
            _ => {
                let at = a.name.as_ref().map_or(a.span, |n| n.span);
                typer.error(
                    Diagnostic::new(Code::E0105, at, format!("`spike_source` has no argument `{name}`"))
                        .help("it is `spike_source(times = [10 ms, 20 ms], ids = [0, 1])`; `ids` may be left out"),
                );
                return None;
            }
        };
        *slot = Some(&a.value);
    }
    let Some(at) = times else {
        typer.error(
            Diagnostic::new(Code::E0105, m.span, "`spike_source` needs the times of its spikes")
                .help("write `spike_source(times = [10 ms, 20 ms])`"),
        );
        return None;
    };
    let times = list(at, Type::Real(Dim::TIME), "a spike time", typer)?;
    if let Listed::Values(v) = &times
        && let Some(t) = v.iter().find(|t| !(**t > 0.0 && t.is_finite()))
    {
        typer.error(
            Diagnostic::new(Code::E0205, at.span, format!("a spike at {t} ms cannot be played"))
                .help("spikes happen at the end of time steps: their times are positive"),
        );
        return None;
    }
    let ids = match ids {
        None => None,
        Some(e) => {
            let found = list(e, Type::Int, "a neuron's index", typer)?;
            if let Listed::Values(v) = &found {
                if let Some(k) = v.iter().find(|k| **k < 0.0 || **k >= size as f64) {
                    typer.error(
                        Diagnostic::new(
                            Code::E0402,
                            e.span,
                            format!("index {k} is out of range: the source has {size} neurons"),
                        )
                        .help("give the source more neurons: `population S[n]: spike_source(…)`"),
                    );
                    return None;
                }
                if let Listed::Values(t) = &times
                    && t.len() != v.len()
                {
                    typer.error(
                        Diagnostic::new(
                            Code::E0405,
                            e.span,
                            format!("there are {} times, but {} neurons", t.len(), v.len()),
                        )
                        .also(at.span, "the times")
                        .help("give one neuron for each time"),
                    );
                    return None;
                }
            }
            Some(found)
        }
    };
    Some(Play { times, ids, span: m.span })
}

fn list(e: &ast::Expr, ty: Type, what: &str, typer: &mut Typer<'_>) -> Option<Listed> {
    if let ast::ExprKind::List(items) = &strip(e).kind {
        let mut values = Vec::new();
        for item in items {
            let t = typer.expr(item, &mut FileNames)?;
            let x = typer.expect(t, ty, what, None)?;
            let ExprKind::Const(x) = x.kind else {
                typer.error(Diagnostic::new(Code::E0205, item.span, "the entries of this list must be constants"));
                return None;
            };
            values.push(x);
        }
        return Some(Listed::Values(values));
    }
    let t = typer.expr(e, &mut FileNames)?;
    let files = |x: &hir::Expr| matches!(x.kind, ExprKind::FileArray { .. });
    if !t.expr.any(&[], &files) {
        typer.error(
            Diagnostic::new(Code::E0205, e.span, "a list is needed here, or an array from a file")
                .help("write `[10 ms, 20 ms]` or `array(\"spikes.npz\", \"t\") * 1 ms`"),
        );
        return None;
    }
    // Arrays of files are real numbers; those of neurons are checked when they are read.
    let want = if ty == Type::Int { Type::Real(Dim::NONE) } else { ty };
    let x = typer.expect(t, want, what, None)?;
    Some(Listed::File(real(x)))
}
