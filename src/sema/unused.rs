//! Top-level declarations that nothing uses (W0709): functions, procedures, constants, parameters and kernels of a program that runs something.
//! What is used is read off the syntax tree, where calls are still calls. A file without an experiment is a library: others use it, and so
//! do they use what it imports.

use std::collections::BTreeSet;

use crate::diag::{Code, Diagnostic, Sink};
use crate::syntax::ast::{self, ItemKind};
use crate::syntax::visit::{self, VisitMut};

/// Reports what the file that is checked declares at its top level and never mentions.
pub(super) fn check(file: &ast::File, sink: &mut Sink) {
    let own = |i: &&ast::Item| i.span.file == file.id;
    if !file.items.iter().filter(own).any(|i| matches!(i.kind, ItemKind::Experiment { .. })) {
        return;
    }
    let declares = |i: &ast::Item| {
        use ItemKind as K;
        matches!(i.kind, K::Fn { .. } | K::Procedure { .. } | K::Const(_) | K::Param(_) | K::Kernel { .. })
    };
    if !file.items.iter().filter(own).any(declares) {
        return;
    }
    let mut used = Mentioned::default();
    for item in &file.items {
        used.item_kind(&mut item.kind.clone());
    }
    kernels(&file.items, &mut used.kernels);
    for item in file.items.iter().filter(own) {
        let mut report = |what: &str, name: &ast::Ident, label: &str| {
            let message = format!("the {what} `{}` is never used", name.node);
            sink.push(Diagnostic::new(Code::W0709, name.span, message).label(label).help("remove it, or use it"));
        };
        match &item.kind {
            ItemKind::Fn { name, .. } if !used.called.contains(&name.node) => {
                report("function", name, "nothing calls it, so its formula is not looked at");
            }
            ItemKind::Procedure { name, .. } if !used.called.contains(&name.node) => {
                report("procedure", name, "nothing calls it, so its statements are not looked at");
            }
            ItemKind::Kernel { name, .. } if !used.kernels.contains(&name.node) => {
                report("kernel", name, "no connection goes `through` it");
            }
            ItemKind::Const(list) | ItemKind::Param(list) => {
                let what = if matches!(item.kind, ItemKind::Const(_)) { "constant" } else { "parameter" };
                for b in list.iter().filter(|b| !used.named.contains(&b.name.node)) {
                    report(what, &b.name, "nothing mentions it");
                }
            }
            _ => {}
        }
    }
}

/// The names that a program mentions, by how.
#[derive(Default)]
struct Mentioned {
    called: BTreeSet<String>,
    named: BTreeSet<String>,
    kernels: BTreeSet<String>,
}

impl VisitMut for Mentioned {
    fn expr(&mut self, e: &mut ast::Expr) {
        match &e.kind {
            ast::ExprKind::Call { callee, .. } => {
                if let ast::ExprKind::Name(name) = &callee.kind {
                    self.called.insert(name.clone());
                }
            }
            ast::ExprKind::Name(name) => drop(self.named.insert(name.clone())),
            _ => {}
        }
        visit::walk_expr(self, e);
    }

    fn path(&mut self, p: &mut ast::Path) {
        self.named.insert(p.root.node.clone());
        visit::walk_path(self, p);
    }

    fn stmt(&mut self, s: &mut ast::Stmt) {
        if let ast::StmtKind::Call { name, .. } = &s.kind {
            self.called.insert(name.node.clone());
        }
        visit::walk_stmt(self, s);
    }
}

/// The kernels that connections go through, be it in loops.
fn kernels(items: &[ast::Item], out: &mut BTreeSet<String>) {
    for item in items {
        match &item.kind {
            ItemKind::Connect(c) => out.extend(c.through.iter().map(|k| k.node.clone())),
            ItemKind::Unroll { items, .. } => kernels(items, out),
            _ => {}
        }
    }
}
