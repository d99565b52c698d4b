//! `for a in 0..8 { connect … }` at top level: the connections of a file in its order, those in loops once for each value.

use super::consts::whole;
use super::infer::{GlobalValue, Globals, Typer, strip};
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::Type;
use crate::sema::scope::{Scope, Symbol};
use crate::source::Span;
use crate::syntax::ast;

/// The most connections that loops may make.
pub(super) const MOST: usize = 100_000;

/// One connection, with the values of the loop variables around it.
pub(super) struct Round<'a> {
    pub(super) connect: &'a ast::Connect,
    pub(super) span: Span,
    values: Vec<(&'a ast::Ident, i64)>,
}

/// The names and constants inside of loops, kept from round to round.
pub(super) struct Inside {
    variables: Vec<Span>,
    pub(super) scope: Scope,
    pub(super) globals: Globals,
}

impl Round<'_> {
    /// The names and constants that the connection sees, where there are loops around it. What `kept` has of another round of the same loops
    /// differs in the values of their variables only.
    pub(super) fn enter<'k>(
        &self,
        scope: &Scope,
        globals: &Globals,
        kept: &'k mut Option<Inside>,
    ) -> Option<&'k Inside> {
        if self.values.is_empty() {
            return None;
        }
        let same = |k: &Inside| k.variables.iter().copied().eq(self.values.iter().map(|(name, _)| name.span));
        if let Some(inside) = kept.as_mut().filter(|k| same(k)) {
            let last = inside.globals.values.iter_mut().rev().zip(self.values.iter().rev());
            last.for_each(|(value, (_, x))| value.iter_mut().for_each(|v| v.value = *x as f64));
        } else {
            let (scope, globals) = with(&self.values, scope, globals);
            let variables = self.values.iter().map(|(name, _)| name.span).collect();
            *kept = Some(Inside { variables, scope, globals });
        }
        kept.as_ref()
    }
}

/// Names and constants together with loop variables.
fn with(values: &[(&ast::Ident, i64)], scope: &Scope, globals: &Globals) -> (Scope, Globals) {
    let (mut scope, mut globals) = (scope.clone(), globals.clone());
    for (name, x) in values {
        let symbol = Symbol::Global(globals.values.len());
        scope.names.insert(name.node.clone(), (symbol, name.span));
        globals.values.push(Some(GlobalValue { ty: Type::Int, value: *x as f64, any: false, span: name.span }));
    }
    (scope, globals)
}

/// All connections in order of the file.
pub(super) fn connections<'a>(
    file: &'a ast::File,
    scope: &Scope,
    globals: &Globals,
    sink: &mut Sink,
) -> Vec<Round<'a>> {
    let mut out = Vec::new();
    items(&file.items, &[], scope, globals, sink, &mut out);
    out
}

fn items<'a>(
    list: &'a [ast::Item],
    values: &[(&'a ast::Ident, i64)],
    scope: &Scope,
    globals: &Globals,
    sink: &mut Sink,
    out: &mut Vec<Round<'a>>,
) -> bool {
    let mut fine = true;
    for item in list {
        match &item.kind {
            ast::ItemKind::Connect(c) => {
                if out.len() >= MOST {
                    sink.push(
                        Diagnostic::new(Code::E0902, item.span, format!("loops make more than {MOST} connections"))
                            .help("use fewer rounds"),
                    );
                    // The file is refused: to check the rounds one by one would only take time.
                    out.retain(|r| r.values.is_empty());
                    return false;
                } else {
                    out.push(Round { connect: c, span: item.span, values: values.to_vec() });
                }
            }
            ast::ItemKind::Unroll { var, range, items: inner } => {
                fine &= rounds(var, range, inner, values, scope, globals, sink, out);
            }
            ast::ItemKind::Error { .. } => {}
            // Loops with other declarations have been written out: see `rounds`.
            _ => {}
        }
    }
    fine
}

/// The rounds of one loop. After a fault the loop ends, so that it is reported once.
fn rounds<'a>(
    var: &'a ast::Ident,
    range: &ast::Expr,
    inner: &'a [ast::Item],
    values: &[(&'a ast::Ident, i64)],
    scope: &Scope,
    globals: &Globals,
    sink: &mut Sink,
    out: &mut Vec<Round<'a>>,
) -> bool {
    if let Some(d) = bad_variable(var, scope, None) {
        sink.push(d);
        return false;
    }
    let (s, g) = with(values, scope, globals);
    let Some((a, b)) = ends(range, &mut Typer::new(&s, &g, sink)) else { return false };
    for k in a..b {
        let mut values = values.to_vec();
        values.push((var, k));
        let before = out.len();
        if !items(inner, &values, scope, globals, sink, out) {
            return false;
        }
        // Rounds that make nothing make nothing however often they run.
        if out.len() == before {
            break;
        }
    }
    true
}

/// Why a loop cannot have this variable.
pub(super) fn bad_variable(var: &ast::Ident, scope: &Scope, around: Option<Span>) -> Option<Diagnostic> {
    if matches!(var.node.as_str(), "i" | "j" | "t" | "dt" | "N") {
        return Some(
            Diagnostic::new(Code::E0103, var.span, format!("`{}` has a meaning of its own", var.node))
                .label("in a connection, `i` and `j` are the indices of the neurons")
                .help("choose another name for the loop, such as `a`"),
        );
    }
    let at = around.or(scope.names.get(&var.node).map(|(_, at)| *at))?;
    Some(
        Diagnostic::new(Code::E0103, var.span, format!("`{}` is declared already", var.node))
            .also(at, "here")
            .help("choose another name for the loop"),
    )
}

/// The constant ends of a loop's range.
pub(super) fn ends(range: &ast::Expr, typer: &mut Typer<'_>) -> Option<(i64, i64)> {
    let ast::ExprKind::Range { start: Some(a), end: Some(b) } = &strip(range).kind else {
        typer.error(
            Diagnostic::new(Code::E0205, range.span, "a loop around declarations needs a range of whole numbers")
                .help("write `for a in 0..8 { … }`"),
        );
        return None;
    };
    Some((whole(a, "the start of the range", typer)?, whole(b, "the end of the range", typer)?))
}
