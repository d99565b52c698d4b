//! Circles among the values given to the variables of one population or projection. A model's own defaults are free of them when it is
//! declared; arguments, which see the model's names, can close one.

use super::infer::Typer;
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind, LetDecl, Side, VarDecl, VarId};
use crate::syntax::ast;

/// The fault of names that are defined by each other; the first is repeated at the end.
pub(super) fn report(names: &[&ast::Ident]) -> Diagnostic {
    let shown: Vec<&str> = names.iter().map(|n| n.node.as_str()).collect();
    let mut d = Diagnostic::new(Code::E0106, names[0].span, message(&shown));
    for pair in names.windows(2).skip(1) {
        d = d.also(pair[0].span, format!("`{}` is made of `{}`", pair[0].node, pair[1].node));
    }
    d
}

fn message(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
    format!("these definitions depend on each other in a circle: {}", shown.join(" → "))
}

/// The values of the variables, given or by default.
struct Values<'a> {
    vars: &'a [VarDecl],
    lets: &'a [LetDecl],
    args: &'a [(VarId, Expr)],
}

/// Reports the first circle among the values of a model's variables; true if there is one.
pub(super) fn among(vars: &[VarDecl], lets: &[LetDecl], args: &[(VarId, Expr)], typer: &mut Typer<'_>) -> bool {
    let values = Values { vars, lets, args };
    let mut done = vec![false; vars.len()];
    // Every circle goes through an argument: defaults alone were checked with the model.
    for (start, _) in args {
        let mut path = Vec::new();
        if let Some(circle) = values.visit(*start, &mut path, &mut done) {
            typer.error(values.fault(&circle));
            return true;
        }
    }
    false
}

impl Values<'_> {
    fn given(&self, v: VarId) -> Option<&Expr> {
        self.args.iter().find(|(w, _)| *w == v).map(|(_, e)| e).or(self.vars.get(v.index())?.init.as_ref())
    }

    /// Follows what values mention, depth first; the circle that closes, first variable repeated.
    fn visit(&self, v: VarId, path: &mut Vec<VarId>, done: &mut [bool]) -> Option<Vec<VarId>> {
        if let Some(from) = path.iter().position(|w| *w == v) {
            return Some(path[from..].iter().copied().chain([v]).collect());
        }
        if done[v.index()] {
            return None;
        }
        path.push(v);
        let mut used = Vec::new();
        let bounds = self.vars[v.index()].bounds.iter().flat_map(|(lo, hi)| [lo, hi]);
        self.given(v).into_iter().chain(bounds).for_each(|e| self.mentions(e, &mut used));
        let found = used.into_iter().find_map(|w| self.visit(w, path, done));
        path.pop();
        done[v.index()] = true;
        found
    }

    fn mentions(&self, e: &Expr, out: &mut Vec<VarId>) {
        match &e.kind {
            ExprKind::Var(Side::Own, v) => out.push(*v),
            ExprKind::Let(id) => {
                if let Some(l) = self.lets.get(id.index()) {
                    self.mentions(&l.value, out);
                }
            }
            _ => {}
        }
        e.each_part(&mut |part| self.mentions(part, out));
    }

    fn fault(&self, circle: &[VarId]) -> Diagnostic {
        let name = |v: &VarId| self.vars[v.index()].name.as_str();
        let place = |v: &VarId| self.given(*v).map_or(self.vars[v.index()].span, |e| e.span);
        if let [only, _] = circle {
            let name = name(only);
            return Diagnostic::new(Code::E0106, place(only), format!("the value of `{name}` depends on itself"))
                .also(
                    self.vars[only.index()].span,
                    format!("`{name}` in an argument is the model's own, declared here"),
                )
                .help(format!("if a constant of the file is meant, give it another name than `{name}`"));
        }
        let names: Vec<&str> = circle.iter().map(name).collect();
        let mut d = Diagnostic::new(Code::E0106, place(&circle[0]), message(&names))
            .label(format!("`{}` is made of `{}`", names[0], names[1]));
        for k in 1..circle.len() - 1 {
            d = d.also(place(&circle[k]), format!("`{}` is made of `{}`", names[k], names[k + 1]));
        }
        d.help("one of them needs a value of its own; a name in an argument is first the model's own variable")
    }
}
