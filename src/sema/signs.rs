//! `v =+ 3 mV` and `v =- 3 mV` (W0801): assignments of a signed value that look like `+=` and `-=` with their signs exchanged. The tree does not
//! tell them from `v = +3 mV`, so the text is asked.

use crate::diag::{Code, Diagnostic, Sink};
use crate::source::{SourceMap, Span};
use crate::syntax::ast::{self, AssignOp, ExprKind, UnaryOp};
use crate::syntax::visit::{self, VisitMut};

/// Reports the assignments of a file whose signs stand together.
pub(super) fn check(file: &ast::File, sources: &SourceMap, sink: &mut Sink) {
    // The walk is one that may change the tree, so items are copied for it: only those of texts that have the signs at all.
    for item in &file.items {
        let text = sources.file(item.span.file).text.get(item.span.range()).unwrap_or("");
        let handlers = matches!(
            item.kind,
            ast::ItemKind::Neuron(_)
                | ast::ItemKind::Synapse(_)
                | ast::ItemKind::Procedure { .. }
                | ast::ItemKind::Experiment { .. }
                | ast::ItemKind::Test { .. }
        );
        if handlers && (text.contains("=+") || text.contains("=-")) {
            Signs { sources, sink }.item_kind(&mut item.kind.clone());
        }
    }
}

struct Signs<'a> {
    sources: &'a SourceMap,
    sink: &'a mut Sink,
}

impl VisitMut for Signs<'_> {
    fn stmt(&mut self, s: &mut ast::Stmt) {
        if let ast::StmtKind::Assign(a) = &s.kind {
            self.sink.items.extend(exchanged(a, &self.sources.file(a.span.file).text));
        }
        visit::walk_stmt(self, s);
    }
}

/// What is wrong with the signs of one assignment.
fn exchanged(a: &ast::Assign, text: &str) -> Option<Diagnostic> {
    let (op, sign, after) = first_sign(&a.value)?;
    let equals = sign.start.checked_sub(1).filter(|e| *e >= a.target.span.end)?;
    if a.op != AssignOp::Set || text.as_bytes().get(equals as usize) != Some(&b'=') {
        return None;
    }
    let both = Span { start: equals, ..sign };
    let written = |wrong: &str, right: &str, same: &str| {
        Diagnostic::new(Code::W0801, both, format!("`{wrong}` is not `{right}`: this sets the value"))
            .label(format!("read as `= {same}…`"))
    };
    match op {
        // Nobody needs a plus sign there.
        UnaryOp::Plus => Some(written("=+", "+=", "+").help("to add, write `+=`").fix(both, "+=")),
        // `x=-1` is a value with a sign; `x =- 1` is one only if the blank stands in the wrong place.
        UnaryOp::Neg if after.start > sign.end => Some(
            written("=-", "-=", "-")
                .help("to subtract, write `-=`; for a negative value, put the blank before the sign: `= -`"),
        ),
        _ => None,
    }
}

/// The sign that an expression begins with, where it stands, and what follows it.
fn first_sign(e: &ast::Expr) -> Option<(UnaryOp, Span, Span)> {
    let mut e = e;
    loop {
        match &e.kind {
            ExprKind::Unary { op, op_span, operand } => return Some((*op, *op_span, operand.span)),
            ExprKind::Binary { left, .. } => e = left,
            _ => return None,
        }
    }
}
