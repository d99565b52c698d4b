//! Top-level declarations that nothing uses (W0709): functions, procedures, constants, parameters and kernels of a program that runs something.
//! What is used is read off the syntax tree as it was written, where calls are still calls and loops still have their ends. A file without an
//! experiment is a library: others use it, and so do they use what it imports.

use std::collections::BTreeSet;

use crate::diag::{Code, Diagnostic, Sink};
use crate::syntax::ast::{self, ItemKind};
use crate::syntax::visit::{self, VisitMut};

/// Reports what a file, as it was read, declares at its top level and never mentions.
pub(crate) fn check(file: &ast::File, sink: &mut Sink) {
    if !file.items.iter().any(|i| matches!(i.kind, ItemKind::Experiment { .. })) {
        return;
    }
    let mut left = Unmentioned::default();
    for item in &file.items {
        match &item.kind {
            ItemKind::Fn { name, .. } | ItemKind::Procedure { name, .. } => drop(left.calls.insert(name.node.clone())),
            ItemKind::Const(list) | ItemKind::Param(list) => {
                left.names.extend(list.iter().map(|b| b.name.node.clone()));
            }
            ItemKind::Kernel { name, .. } => drop(left.kernels.insert(name.node.clone())),
            _ => {}
        }
    }
    for item in &file.items {
        if left.calls.is_empty() && left.names.is_empty() {
            // The walk is one that may change the tree, so each item is copied for it: mostly only the first ones.
            break;
        }
        left.item_kind(&mut item.kind.clone());
    }
    if !left.kernels.is_empty() {
        left.through(&file.items);
    }
    let mut report = |what: &str, name: &ast::Ident, label: &str| {
        let message = format!("the {what} `{}` is never used", name.node);
        sink.push(Diagnostic::new(Code::W0709, name.span, message).label(label).help("remove it, or use it"));
    };
    for item in &file.items {
        match &item.kind {
            ItemKind::Fn { name, .. } if left.calls.contains(&name.node) => {
                report("function", name, "nothing calls it, so its formula is not looked at");
            }
            ItemKind::Procedure { name, .. } if left.calls.contains(&name.node) => {
                report("procedure", name, "nothing calls it, so its statements are not looked at");
            }
            ItemKind::Kernel { name, .. } if left.kernels.contains(&name.node) => {
                report("kernel", name, "no connection goes `through` it");
            }
            ItemKind::Const(list) | ItemKind::Param(list) => {
                let what = if matches!(item.kind, ItemKind::Const(_)) { "constant" } else { "parameter" };
                for b in list.iter().filter(|b| left.names.contains(&b.name.node)) {
                    report(what, &b.name, "nothing mentions it");
                }
            }
            _ => {}
        }
    }
}

/// What is declared and has not been met yet: what is to be called, to be mentioned, and to be gone through.
#[derive(Default)]
struct Unmentioned {
    calls: BTreeSet<String>,
    names: BTreeSet<String>,
    kernels: BTreeSet<String>,
}

impl VisitMut for Unmentioned {
    fn expr(&mut self, e: &mut ast::Expr) {
        match &e.kind {
            ast::ExprKind::Call { callee, .. } => {
                if let ast::ExprKind::Name(name) = &callee.kind {
                    self.calls.remove(name);
                }
            }
            ast::ExprKind::Name(name) => drop(self.names.remove(name)),
            _ => {}
        }
        visit::walk_expr(self, e);
    }

    fn path(&mut self, p: &mut ast::Path) {
        self.names.remove(&p.root.node);
        visit::walk_path(self, p);
    }

    fn stmt(&mut self, s: &mut ast::Stmt) {
        if let ast::StmtKind::Call { name, .. } = &s.kind {
            self.calls.remove(&name.node);
        }
        visit::walk_stmt(self, s);
    }
}

impl Unmentioned {
    /// The kernels that connections go through, be it in loops.
    fn through(&mut self, items: &[ast::Item]) {
        for item in items {
            match &item.kind {
                ItemKind::Connect(c) => self.kernels.retain(|k| c.through.as_ref().is_none_or(|t| t.node != *k)),
                ItemKind::Unroll { items, .. } => self.through(items),
                _ => {}
            }
        }
    }
}
