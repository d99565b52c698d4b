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
        left.inside = match &item.kind {
            ItemKind::Fn { name, .. } | ItemKind::Procedure { name, .. } => Some(name.node.clone()),
            _ => None,
        };
        left.item_kind(&mut item.kind.clone());
    }
    left.follow_calls();
    if !left.kernels.is_empty() {
        left.through(&file.items);
    }
    let mut report = |what: &str, name: &ast::Ident, label: &str| {
        let message = format!("the {what} `{}` is never used", name.node);
        sink.push(Diagnostic::new(Code::W0709, name.span, message).label(label).help("remove it, or use it"));
    };
    let mut circles = BTreeSet::new();
    for item in &file.items {
        match &item.kind {
            ItemKind::Fn { name, .. } | ItemKind::Procedure { name, .. } if left.calls.contains(&name.node) => {
                let function = matches!(item.kind, ItemKind::Fn { .. });
                let (what, inside) = if function { ("function", "formula") } else { ("procedure", "statements") };
                let callees = left.reached(&name.node);
                let callers: Vec<&str> = left.callers(&name.node).collect();
                // What only other unused ones call goes with them; of a circle, the first is named.
                if callers.iter().any(|c| !callees.contains(c)) || circles.contains(&name.node) {
                    continue;
                }
                if !callers.is_empty() {
                    circles.extend(callees.iter().map(|c| (*c).to_owned()));
                }
                let who = match callers.as_slice() {
                    [] => "nothing calls it".to_owned(),
                    [one] if *one == name.node => "only it calls itself".to_owned(),
                    _ => "only functions that it calls call it".to_owned(),
                };
                let is = if function { "is" } else { "are" };
                report(what, name, &format!("{who}, so its {inside} {is} not looked at"));
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
    /// The function or procedure that is being walked through, and who calls whom among them.
    inside: Option<String>,
    edges: BTreeSet<(String, String)>,
}

impl VisitMut for Unmentioned {
    fn expr(&mut self, e: &mut ast::Expr) {
        match &e.kind {
            ast::ExprKind::Call { callee, .. } => {
                if let ast::ExprKind::Name(name) = &callee.kind {
                    self.called(name);
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
            self.called(&name.node);
        }
        visit::walk_stmt(self, s);
    }
}

impl Unmentioned {
    /// Notes a call. One by a function counts once that function is called.
    fn called(&mut self, name: &str) {
        match &self.inside {
            None => drop(self.calls.remove(name)),
            Some(by) if self.calls.contains(name) => drop(self.edges.insert((by.clone(), name.to_owned()))),
            Some(_) => {}
        }
    }

    /// Takes out what is called by something that is called.
    fn follow_calls(&mut self) {
        let (edges, calls) = (&self.edges, &mut self.calls);
        let mut next: Vec<&str> = edges.iter().map(|(by, _)| by.as_str()).filter(|by| !calls.contains(*by)).collect();
        while let Some(by) = next.pop() {
            for (_, name) in edges.range((by.to_owned(), String::new())..).take_while(|(b, _)| b == by) {
                if calls.remove(name) {
                    next.push(name);
                }
            }
        }
    }

    /// The unused ones that call `name`.
    fn callers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.edges.iter().filter(move |(by, n)| n == name && self.calls.contains(by)).map(|(by, _)| by.as_str())
    }

    /// What `name` calls, and what that calls.
    fn reached(&self, name: &str) -> BTreeSet<&str> {
        let (mut out, mut next) = (BTreeSet::new(), vec![name.to_owned()]);
        while let Some(by) = next.pop() {
            for (_, callee) in self.edges.range((by.clone(), String::new())..).take_while(|(b, _)| *b == by) {
                if out.insert(callee.as_str()) {
                    next.push(callee.clone());
                }
            }
        }
        out
    }

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
