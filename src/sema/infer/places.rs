//! Parts of things: elements of constant lists and tables, variables of neurons and populations.

use super::{Count, Names, Typed, Typer, list, plain};
use crate::diag::{Code, Diagnostic};
use crate::hir::{ExprKind, Side, Type};
use crate::sema::foreign;
use crate::sema::mismatch::Said;
use crate::sema::scope::Symbol;
use crate::source::Span;
use crate::syntax::ast;
use crate::units::Dim;
use crate::units::nearest::nearest;

impl Typer<'_> {
    /// `K[i]` of a constant list.
    pub(super) fn index(
        &mut self,
        base: &ast::Expr,
        index: &ast::Index,
        span: Span,
        names: &mut dyn Names,
    ) -> Option<Typed> {
        if let ast::ExprKind::Name(name) = &base.kind
            && let Some((Symbol::Table(k), _)) = self.scope.names.get(name)
        {
            let (table, ty) = self.globals.tables.get(*k)?.clone();
            let width = self.globals.widths.get(*k).copied().unwrap_or(0);
            if index.items.len() != if width > 0 { 2 } else { 1 } {
                let d = Diagnostic::new(Code::E0402, index.span, format!("`{name}` has another number of indices"));
                self.error(d.help(if width > 0 {
                    format!("it is a table: write `{name}[row, column]`")
                } else {
                    format!("it is a list: write `{name}[k]`")
                }));
                return None;
            }
            if width > 0 {
                return self.cell(name, &table, width, ty, index, span, names);
            }
            let at = self.expr(&index.items[0], names)?;
            if at.expr.ty != Type::Int {
                self.error(Diagnostic::new(Code::E0205, at.expr.span, "an index must be a whole number"));
                return None;
            }
            if let ExprKind::Const(x) = at.expr.kind {
                return match table.get(x as usize) {
                    Some(v) if x >= 0.0 => Some(plain(ExprKind::Const(*v), ty, span)),
                    _ => {
                        let d = Diagnostic::new(
                            Code::E0402,
                            index.span,
                            format!("index {x} is out of range: `{name}` has {} values", table.len()),
                        );
                        self.error(d);
                        None
                    }
                };
            }
            return Some(plain(ExprKind::Table(table, Box::new(at.expr)), ty, span));
        }
        if matches!(&base.kind, ast::ExprKind::Name(n) if matches!(self.scope.names.get(n), Some((Symbol::Poisoned, _))))
        {
            return None;
        }
        let inside: Vec<&ast::Expr> = index.items.iter().collect();
        if let Some(d) = foreign::in_brackets(base, &inside, span).filter(|d| d.code == Code::E0003) {
            self.error(d);
            return None;
        }
        self.error(
            Diagnostic::new(Code::E0205, span, "only constant lists can be indexed here")
                .help("declare `const K = [1, 2, 3]` at the top level"),
        );
        None
    }

    /// `K[row, column]` of a constant table.
    pub(super) fn cell(
        &mut self,
        name: &str,
        table: &[f64],
        width: usize,
        ty: Type,
        index: &ast::Index,
        span: Span,
        names: &mut dyn Names,
    ) -> Option<Typed> {
        let mut at = Vec::new();
        for (item, most) in index.items.iter().zip([table.len() / width.max(1), width]) {
            let e = self.expr(item, names)?.expr;
            match if e.ty == Type::Int { crate::sema::consts::fixed(&e) } else { None } {
                Some(x) if x >= 0.0 && (x as usize) < most => at.push(x as usize),
                Some(x) => {
                    self.error(
                        Diagnostic::new(Code::E0402, item.span, format!("index {x} is out of range in `{name}`"))
                            .help(format!("this index of the table runs from 0 to {}", most.saturating_sub(1))),
                    );
                    return None;
                }
                None => {
                    self.error(
                        Diagnostic::new(Code::E0205, item.span, "an index of a table must be a known whole number")
                            .help("use numbers, `const`s and the variable of a `for` around connections"),
                    );
                    return None;
                }
            }
        }
        let [row, column] = at.as_slice() else { return None };
        table.get(row * width + column).map(|x| plain(ExprKind::Const(*x), ty, span))
    }

    /// `pre.x`, `post.x`, `pre.N`, `edge.x`.
    pub(super) fn member(
        &mut self,
        base: &ast::Expr,
        member: &ast::Ident,
        span: Span,
        names: &mut dyn Names,
    ) -> Option<Typed> {
        if let ast::ExprKind::Name(n) = &base.kind {
            let side = match n.as_str() {
                "pre" => Some(Side::Pre),
                "post" => Some(Side::Post),
                _ => None,
            };
            if let (Some(side), Count::Two(sizes), "N") = (side, names.count(), member.node.as_str()) {
                let kind = match (sizes, side) {
                    (None, _) => ExprKind::Size(side),
                    (Some((_, post)), Side::Post) => ExprKind::Const(post as f64),
                    (Some((pre, _)), _) => ExprKind::Const(pre as f64),
                };
                return Some(plain(kind, Type::Int, span));
            }
            if let (Some(side), true) = (side, names.indices().1) {
                return match names.side(side, &member.node) {
                    Some(Ok(m)) => self.meaning(&format!("{n}.{}", member.node), m, span),
                    Some(Err(known)) => {
                        let mut d = Diagnostic::new(
                            Code::E0104,
                            member.span,
                            format!("the {n}synaptic neuron has no variable `{}`", member.node),
                        );
                        d = match nearest(&member.node, known.iter().map(String::as_str)) {
                            Some(m) => d.help(format!("did you mean `{n}.{m}`?")).fix(member.span, m),
                            None => d.note(format!("it has {}", list(&known))),
                        };
                        self.error(d);
                        None
                    }
                    // The model is checked by itself, without its ends.
                    None => None,
                };
            }
            if n == "edge" && names.indices().1 && names.draws() {
                return Some(plain(ExprKind::EdgeColumn(member.node.clone()), Type::Real(Dim::NONE), span));
            }
            if let Some((symbol, _)) = self.scope.names.get(n) {
                if matches!(symbol, Symbol::Poisoned) {
                    return None;
                }
                if let Symbol::Pop(p) = symbol
                    && let Some(found) = names.other(*p, &member.node)
                {
                    let (var, ty, declared) = match found {
                        Ok(v) => v,
                        Err(known) => {
                            let d = Diagnostic::new(
                                Code::E0104,
                                member.span,
                                format!("`{n}` has no variable `{}`", member.node),
                            );
                            self.error(match nearest(&member.node, known.iter().map(String::as_str)) {
                                Some(m) => d.help(format!("did you mean `{n}.{m}`?")).fix(member.span, m),
                                None => d.note(format!("it has {}", list(&known))),
                            });
                            return None;
                        }
                    };
                    if let Some((theirs, 0)) = names.unfit(*p) {
                        self.error(
                            Diagnostic::new(
                                Code::E0405,
                                span,
                                format!("`{n}` has {theirs} neurons, but the synapses follow one value"),
                            )
                            .help("follow a population of one neuron; `pre.x` and `post.x` are the neurons at a synapse's ends"),
                        );
                        return None;
                    }
                    if let Some((theirs, own)) = names.unfit(*p) {
                        self.error(
                            Diagnostic::new(
                                Code::E0405,
                                span,
                                format!("`{n}` has {theirs} neurons, but this population has {own}"),
                            )
                            .help("follow a population of the same size or of one neuron; `connect` links others"),
                        );
                        return None;
                    }
                    let ty = if ty == Type::Int { Type::Real(Dim::NONE) } else { ty };
                    let said = Said::Is(format!("{n}.{}", member.node).into(), ty, None);
                    let t = plain(ExprKind::Other(*p, var), ty, span);
                    return Some(Typed { origin: Some((declared, said)), ..t });
                }
                if matches!(symbol, Symbol::Pop(_) | Symbol::View(_) | Symbol::Proj(_)) {
                    self.error(
                        Diagnostic::new(Code::E0104, span, format!("`{n}.{}` cannot be read here", member.node))
                            .label("models see their own names, constants and functions")
                            .help(format!(
                                "declare an `input` in the model and bind it where the model is used: `M(x = {n}.{})`; or assign it in an experiment",
                                member.node
                            )),
                    );
                    return None;
                }
            }
        }
        let d = match &base.kind {
            ast::ExprKind::Name(n) if n == "pre" || n == "post" => {
                Diagnostic::new(Code::E0104, span, format!("there is no `{n}` here"))
                    .label(format!("the {n}synaptic neuron is known to synapses only"))
                    .help("what reaches a neuron is added to its states and inputs by `connect`")
            }
            ast::ExprKind::Name(n) if self.scope.names.get(n).is_none() && !names.all().contains(n) => {
                let d = Diagnostic::new(Code::E0101, base.span, format!("unknown population `{n}`"));
                let low = n.to_lowercase();
                if matches!(low.as_str(), "pre" | "post") && names.side(Side::Post, &member.node).is_some() {
                    self.error(d.help(format!("the neuron at this end of the synapse is `{low}`")).fix(base.span, low));
                    return None;
                }
                let pops = self.scope.names.iter().filter(|(_, (s, _))| matches!(s, Symbol::Pop(_) | Symbol::View(_)));
                let pops: Vec<&str> = pops.map(|(n, _)| n.as_str()).collect();
                match nearest(n, pops.iter().copied()) {
                    Some(near) => d.help(format!("did you mean `{near}`?")).fix(base.span, near),
                    None => d,
                }
            }
            _ => Diagnostic::new(Code::E0104, span, "there is nothing with members of this kind here"),
        };
        self.error(d);
        None
    }
}
