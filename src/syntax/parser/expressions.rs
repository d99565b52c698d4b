//! Expressions: operands with the tails that follow them, sums of products, postfixes, quantities, and the depth of all that.

use super::{Builder, Kids, MAX_DEPTH, Rule};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::*;
use crate::syntax::errors;
use pest::iterators::Pair;

/// An expression and how deep it is.
type Deep = (Expr, u32);

impl Builder {
    pub(super) fn expr(&mut self, k: &mut Kids<'_>) -> Option<Expr> {
        Some(self.operand(k)?.0)
    }

    /// One value with all the tails that follow it: `a`, `power_tail(^ b)`, `sum_tail(* c + d)`, each around what came before.
    pub(super) fn operand(&mut self, k: &mut Kids<'_>) -> Option<Deep> {
        let first = k.next()?;
        let mut left = self.head(first)?;
        while let Some(rule) = k.peek() {
            left = match rule {
                Rule::args | Rule::index | Rule::member => self.postfix(left, k.next()?)?,
                Rule::range_tail => {
                    let tail = k.next()?;
                    let tail_span = self.span(&tail);
                    let mut inner = Kids::of(tail);
                    inner.next_if(Rule::dots)?;
                    let end = if inner.peek().is_some() { Some(self.operand(&mut inner)?) } else { None };
                    let (end, depth) = boxed(end, left.1);
                    let span = left.0.span.to(tail_span);
                    self.node(ExprKind::Range { start: Some(Box::new(left.0)), end }, span, depth)?
                }
                Rule::sum_tail => {
                    let tail = k.next()?;
                    self.sum(left, Kids::of(tail))?
                }
                Rule::power_tail
                | Rule::coef_tail
                | Rule::cmp_tail
                | Rule::cmp_nobound_tail
                | Rule::and_tail
                | Rule::and_nobound_tail
                | Rule::or_tail
                | Rule::or_nobound_tail => {
                    let mut inner = Kids::of(k.next()?);
                    while let Some(sign) = inner.next() {
                        let sign = (binary_op(&sign)?, self.span(&sign));
                        let right = self.operand(&mut inner)?;
                        left = self.binary(left, sign, right)?;
                    }
                    left
                }
                _ => break,
            };
        }
        Some(left)
    }

    /// A sum of products, from its first factor and what follows that.
    fn sum(&mut self, first: Deep, mut k: Kids<'_>) -> Option<Deep> {
        // What the product now read is to be added to.
        let mut before: Option<(Deep, (BinaryOp, Span))> = None;
        let mut product = first;
        while let Some(sign) = k.next() {
            let sign = (binary_op(&sign)?, self.span(&sign));
            if let BinaryOp::Add | BinaryOp::Sub = sign.0 {
                let left = match before {
                    Some((left, sign)) => self.binary(left, sign, product)?,
                    None => product,
                };
                before = Some((left, sign));
                product = self.operand(&mut k)?;
            } else {
                let factor = self.operand(&mut k)?;
                product = self.binary(product, sign, factor)?;
            }
        }
        match before {
            Some((left, sign)) => self.binary(left, sign, product),
            None => Some(product),
        }
    }

    fn binary(&mut self, left: Deep, (op, op_span): (BinaryOp, Span), right: Deep) -> Option<Deep> {
        let (span, depth) = (left.0.span.to(right.0.span), left.1.max(right.1));
        let (left, right) = (Box::new(left.0), Box::new(right.0));
        self.node(ExprKind::Binary { op, op_span, left, right }, span, depth)
    }

    fn head(&mut self, pair: Pair<'_, Rule>) -> Option<Deep> {
        let rule = pair.as_rule();
        if matches!(rule, Rule::expr | Rule::expr_nobound | Rule::range_expr | Rule::sum_expr) {
            return self.operand(&mut Kids::of(pair));
        }
        let span = self.span(&pair);
        match rule {
            Rule::cond | Rule::cond_nobound => {
                let mut k = Kids::of(pair);
                let (cond, then, els) =
                    (self.operand(&mut k)?, self.operand_of_next(&mut k)?, self.operand_of_next(&mut k)?);
                let depth = cond.1.max(then.1).max(els.1);
                let kind = ExprKind::If { cond: Box::new(cond.0), then: Box::new(then.0), els: Box::new(els.0) };
                self.node(kind, span, depth)
            }
            Rule::negated | Rule::negation | Rule::negation_nobound => {
                let mut k = Kids::of(pair);
                let mut signs = Vec::new();
                while let Some(p) =
                    k.next_if(Rule::neg).or_else(|| k.next_if(Rule::pos)).or_else(|| k.next_if(Rule::not_op))
                {
                    let op = match p.as_rule() {
                        Rule::neg => UnaryOp::Neg,
                        Rule::pos => UnaryOp::Plus,
                        _ => UnaryOp::Not,
                    };
                    signs.push((op, self.span(&p)));
                }
                let mut operand = self.operand(&mut k)?;
                for (op, op_span) in signs.into_iter().rev() {
                    let span = op_span.to(operand.0.span);
                    let kind = ExprKind::Unary { op, op_span, operand: Box::new(operand.0) };
                    operand = self.node(kind, span, operand.1)?;
                }
                Some(operand)
            }
            Rule::open_range => {
                let mut k = Kids::of(pair);
                k.next_if(Rule::dots)?;
                let end = if k.peek().is_some() { Some(self.operand(&mut k)?) } else { None };
                let (end, depth) = boxed(end, 0);
                self.node(ExprKind::Range { start: None, end }, span, depth)
            }
            Rule::quantity => self.quantity(pair, span),
            Rule::string => Some((Expr { kind: ExprKind::Str(self.string(pair)?.node), span }, 1)),
            Rule::bool_true => Some((Expr { kind: ExprKind::Bool(true), span }, 1)),
            Rule::bool_false => Some((Expr { kind: ExprKind::Bool(false), span }, 1)),
            Rule::name => Some((Expr { kind: ExprKind::Name(pair.as_str().to_owned()), span }, 1)),
            Rule::paren => {
                let (inner, depth) = self.operand(&mut Kids::of(pair))?;
                self.node(ExprKind::Paren(Box::new(inner)), span, depth)
            }
            Rule::list => {
                let (items, depth) = self.expressions(pair)?;
                self.node(ExprKind::List(items), span, depth)
            }
            _ => None,
        }
    }

    pub(super) fn operand_of_next(&mut self, k: &mut Kids<'_>) -> Option<Deep> {
        let next = k.next()?;
        self.head(next)
    }

    /// The expressions of a list or an index, and the greatest depth of them.
    pub(super) fn expressions(&mut self, pair: Pair<'_, Rule>) -> Option<(Vec<Expr>, u32)> {
        let (mut items, mut deepest) = (Vec::new(), 0);
        let mut k = Kids::of(pair);
        while k.peek().is_some() {
            let (item, depth) = self.operand_of_next(&mut k)?;
            items.push(item);
            deepest = deepest.max(depth);
        }
        Some((items, deepest))
    }

    fn postfix(&mut self, base: Deep, pair: Pair<'_, Rule>) -> Option<Deep> {
        let own = self.span(&pair);
        let span = base.0.span.to(own);
        match pair.as_rule() {
            Rule::args => {
                let (args, depth) = self.args(pair)?;
                self.node(ExprKind::Call { callee: Box::new(base.0), args }, span, depth.max(base.1))
            }
            Rule::index => {
                let (index, depth) = self.index(pair)?;
                self.node(ExprKind::Index { base: Box::new(base.0), index }, span, depth.max(base.1))
            }
            _ => {
                let member = self.ident(&Kids::of(pair).next()?);
                if matches!(base.0.kind, ExprKind::Number { unit: None, .. }) {
                    let message = "a number does not end with a point";
                    self.fault(
                        Diagnostic::new(Code::E0004, span, message)
                            .label(format!("the point makes `{}` a member of the number", member.node))
                            .help(format!("write `.0 {}`, or leave the point out", member.node))
                            .fix(Span { end: member.span.start, ..own }, " "),
                    );
                }
                self.node(ExprKind::Member { base: Box::new(base.0), member }, span, base.1)
            }
        }
    }

    pub(super) fn args(&mut self, pair: Pair<'_, Rule>) -> Option<(Vec<Arg>, u32)> {
        let (mut args, mut deepest) = (Vec::new(), 0);
        let mut k = Kids::of(pair);
        while let Some(p) = k.next() {
            let span = self.span(&p);
            let mut inner = Kids::of(p);
            let name = inner.next_if(Rule::arg_name).and_then(|n| Kids::of(n).next()).map(|n| self.ident(&n));
            let (value, depth) = self.operand_of_next(&mut inner)?;
            let over = inner.next_if(Rule::arg_over).and_then(|n| Kids::of(n).next()).map(|n| self.ident(&n));
            deepest = deepest.max(depth);
            args.push(Arg { name, value, over, span });
        }
        Some((args, deepest))
    }

    pub(super) fn index(&mut self, pair: Pair<'_, Rule>) -> Option<(Index, u32)> {
        let span = self.span(&pair);
        let (items, depth) = self.expressions(pair)?;
        Some((Index { items, span }, depth))
    }

    pub(super) fn path(&mut self, pair: Pair<'_, Rule>) -> Option<Path> {
        let span = self.span(&pair);
        let mut k = Kids::of(pair);
        let root = self.ident(&k.next()?);
        let mut segments = Vec::new();
        while let Some(p) = k.next() {
            segments.push(match p.as_rule() {
                Rule::index => Segment::Index(self.index(p)?.0),
                _ => Segment::Member(self.ident(&Kids::of(p).next()?)),
            });
        }
        Some(Path { root, segments, span })
    }

    pub(super) fn model_ref(&mut self, pair: Pair<'_, Rule>) -> Option<ModelRef> {
        let span = self.span(&pair);
        let mut k = Kids::of(pair);
        let name = self.ident(&k.next()?);
        let args = match k.next() {
            Some(p) => Some(self.args(p)?.0),
            None => None,
        };
        Some(ModelRef { name, args, span })
    }

    fn quantity(&mut self, pair: Pair<'_, Rule>, span: Span) -> Option<Deep> {
        let mut k = Kids::of(pair);
        let number = k.next()?;
        let text = number.as_str();
        let digits: String = text.chars().filter(|c| *c != '_').collect();
        let value: f64 = digits.parse().ok()?;
        if !value.is_finite() {
            let here = self.span(&number);
            self.fault(
                Diagnostic::new(Code::E0001, here, "this number is larger than any the computer can hold")
                    .note("the largest is about 1.8e308")
                    .help("for infinity write `inf`"),
            );
        }
        let unit = match k.next() {
            Some(p) => Some(self.unit(p)?),
            None => None,
        };
        let is_int = unit.is_none() && text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
        Some((Expr { kind: ExprKind::Number { value, is_int, unit }, span }, 1))
    }

    pub(super) fn unit(&mut self, pair: Pair<'_, Rule>) -> Option<Unit> {
        let span = self.span(&pair);
        let mut k = Kids::of(pair);
        let name = k.next()?.as_str().to_owned();
        let exponent = k.next().map(|p| p.as_str().to_owned());
        if exponent.is_none()
            && let Some(fault) = errors::glued_unit(&name, span)
        {
            self.fault(fault);
        }
        Some(Unit { name, exponent, span })
    }

    /// A node above others of the given depth; refuses one that is too deep.
    fn node(&mut self, kind: ExprKind, span: Span, below: u32) -> Option<Deep> {
        if below >= MAX_DEPTH {
            self.too_deep(span);
            return None;
        }
        Some((Expr { kind, span }, below + 1))
    }

    pub(super) fn too_deep(&mut self, span: Span) {
        self.fault(errors::too_deep_expression(span));
    }
}

fn boxed(end: Option<Deep>, depth: u32) -> (Option<Box<Expr>>, u32) {
    match end {
        Some((e, d)) => (Some(Box::new(e)), depth.max(d)),
        None => (None, depth),
    }
}

fn binary_op(sign: &Pair<'_, Rule>) -> Option<BinaryOp> {
    Some(match sign.as_str() {
        "+" => BinaryOp::Add,
        "-" => BinaryOp::Sub,
        "*" => BinaryOp::Mul,
        "/" => BinaryOp::Div,
        "%" => BinaryOp::Mod,
        "^" => BinaryOp::Pow,
        "==" => BinaryOp::Eq,
        "!=" => BinaryOp::Ne,
        "<" => BinaryOp::Lt,
        "<=" => BinaryOp::Le,
        ">" => BinaryOp::Gt,
        ">=" => BinaryOp::Ge,
        "in" => BinaryOp::In,
        "and" => BinaryOp::And,
        "or" => BinaryOp::Or,
        _ => return None,
    })
}
