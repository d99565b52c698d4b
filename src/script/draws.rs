//! Random draws of protocols: `let x = normal(0, 1)`, `E.v = uniform(-70 mV, -60 mV)`, `truncated(…)`.
//!
//! A draw is one number, or one for each element of its parameters. Where it is assigned to several elements it is drawn anew for each of
//! them, as in the arguments of a population. Draws are named: by their stream, the number of the draw, and the element.

use crate::builtins::Dist;
use crate::diag::{Code, Diagnostic};
use crate::rng::{Stream, UniformSeq};
use crate::script::eval::{Interp, Res};
use crate::script::expr::{fault, of_kind, same_shape, scalar};
use crate::script::ir::{Axis, Expr, ExprKind, Kind, LocalId, NumTy, Ty};
use crate::script::lower::{Lower, poisoned};
use crate::script::operators::{Operand, const_value, convert, fits_any, kind_of, to_real};
use crate::script::quantity;
use crate::script::tensor::{Tensor, Value};
use crate::source::Span;
use crate::syntax::ast;
use crate::units::Dim;

/// How often a truncated distribution is drawn before it counts as empty between its ends.
const TRIES: usize = 1000;

impl Lower<'_, '_> {
    pub(crate) fn draw(&mut self, name: &str, dist: Dist, values: Vec<Operand>, span: Span) -> Expr {
        let what = format!("`{name}`");
        let mut values = values.into_iter();
        let bare = |v: &Operand| kind_of(&v.value).dim().is_none() || fits_any(v.ast);
        let (args, kind) = match dist {
            Dist::Uniform | Dist::Normal => {
                let (Some(a), Some(b)) = (values.next(), values.next()) else { return poisoned(span) };
                let Some((a, b, kind)) = self.unify(&what, span, a, b) else { return poisoned(span) };
                let kind = Kind::Real(kind.dim());
                (vec![convert(a, kind), convert(b, kind)], kind)
            }
            Dist::Exponential => {
                let Some(a) = values.next() else { return poisoned(span) };
                let kind = Kind::Real(kind_of(&a.value).dim());
                (vec![to_real(a.value)], kind)
            }
            Dist::Gamma => {
                let (Some(a), Some(b)) = (values.next(), values.next()) else { return poisoned(span) };
                if !bare(&a) {
                    return self.needs_bare(name, &a, span);
                }
                let kind = Kind::Real(kind_of(&b.value).dim());
                (vec![to_real(a.value), to_real(b.value)], kind)
            }
            Dist::Lognormal | Dist::Bernoulli | Dist::PoissonCount => {
                let all: Vec<Operand> = values.collect();
                if let Some(v) = all.iter().find(|v| !bare(v)).cloned() {
                    return self.needs_bare(name, &v, span);
                }
                let kind = if matches!(dist, Dist::Bernoulli | Dist::PoissonCount) {
                    Kind::Int
                } else {
                    Kind::Real(Dim::NONE)
                };
                (all.into_iter().map(|v| to_real(v.value)).collect(), kind)
            }
            Dist::Randint => {
                let all: Vec<Operand> = values.collect();
                if let Some(v) = all.iter().find(|v| kind_of(&v.value) != Kind::Int) {
                    let d = Diagnostic::new(Code::E0205, v.ast.span, "`randint` needs whole numbers")
                        .label("not a whole number");
                    return self.fault(d, span);
                }
                (all.into_iter().map(|v| v.value).collect(), Kind::Int)
            }
        };
        let Some((args, axes)) = self.align(args, span) else { return poisoned(span) };
        let stream = self.stream(name);
        let ty = Ty::Num(NumTy { kind, axes });
        Expr { kind: ExprKind::Draw { dist, args, within: None, each: false, stream }, ty, span }
    }

    fn needs_bare(&mut self, name: &str, v: &Operand, span: Span) -> Expr {
        let unit = quantity::text(&self.shown(&v.value));
        self.fault(
            Diagnostic::new(Code::E0203, v.ast.span, format!("`{name}` needs a bare number here"))
                .label(format!("this is {unit}")),
            span,
        )
    }

    /// `truncated(dist, lo, hi)`
    pub(crate) fn truncated(&mut self, name_span: Span, args: &[ast::Arg], span: Span) -> Expr {
        let Some(values) = self.arguments("truncated", name_span, &["dist", "lo", "hi"], args) else {
            return poisoned(span);
        };
        let Ok([drawn, lo, hi]) = <[Operand; 3]>::try_from(values) else { return poisoned(span) };
        if !matches!(drawn.value.kind, ExprKind::Draw { within: None, .. }) {
            let d = Diagnostic::new(Code::E0205, drawn.ast.span, "`truncated` takes a distribution")
                .label("not a distribution")
                .help("write `truncated(normal(1.5 ms, 0.5 ms), 0.1 ms, 3 ms)`; scale the whole, not the distribution");
            return self.fault(d, span);
        }
        let (lo_span, hi_span) = (lo.ast.span, hi.ast.span);
        let mut drawn = drawn;
        let mut ends = Vec::new();
        for end in [lo, hi] {
            let Some((_, end, _)) = self.unify("`truncated`", end.ast.span, drawn.clone(), end) else {
                return poisoned(span);
            };
            ends.push(end);
        }
        if let [Some(lo), Some(hi)] = [0, 1].map(|k| ends.get(k).and_then(const_value))
            && lo > hi
        {
            let d = Diagnostic::new(Code::E0205, lo_span.to(hi_span), "the ends of `truncated` are in the wrong order")
                .label("the smaller end stands first");
            return self.fault(d, span);
        }
        let ExprKind::Draw { args, .. } = &mut drawn.value.kind else { return poisoned(span) };
        let all = std::mem::take(args).into_iter().chain(ends).collect();
        let Some((mut all, axes)) = self.align(all, span) else { return poisoned(span) };
        let (Some(hi), Some(lo)) = (all.pop(), all.pop()) else { return poisoned(span) };
        let kind = kind_of(&drawn.value);
        let ExprKind::Draw { args, within, .. } = &mut drawn.value.kind else { return poisoned(span) };
        *args = all;
        *within = Some(Box::new((lo, hi)));
        Expr { kind: drawn.value.kind, ty: Ty::Num(NumTy { kind, axes }), span }
    }

    /// A value that is assigned to elements with these axes: what is drawn in it is drawn for each of them.
    pub(crate) fn for_each_element(&mut self, value: Expr, axes: &[Axis]) -> Expr {
        if axes.is_empty() || !draws(&value, &mut Vec::new()) {
            return value;
        }
        let mut spread = Spread { axes, drawn: Vec::new() };
        let out = spread.expr(value, &|e| e);
        for local in spread.drawn {
            if let Some(Ty::Num(n)) = self.locals.get_mut(local.index()).map(|l| &mut l.ty) {
                n.axes = axes.to_vec();
            }
        }
        out
    }
}

/// Whether elements of the value are drawn: a draw inside a reduction, an index or a procedure's argument is another matter.
fn draws(e: &Expr, drawn: &mut Vec<LocalId>) -> bool {
    match &e.kind {
        ExprKind::Draw { .. } => true,
        ExprKind::Local(l) => drawn.contains(l),
        ExprKind::With { local, value, body } => {
            if draws(value, drawn) {
                drawn.push(*local);
            }
            draws(body, drawn)
        }
        kind if kind.is_elementwise() => {
            let mut found = false;
            crate::script::walk::children(e, &mut |c| found = draws(c, drawn) || found);
            found
        }
        _ => false,
    }
}

struct Spread<'a> {
    axes: &'a [Axis],
    /// Locals that hold one draw for each element.
    drawn: Vec<LocalId>,
}

impl Spread<'_> {
    /// The value with the axes of the target. `onto` brings a part without draws from its own axes there.
    fn expr(&mut self, e: Expr, onto: &dyn Fn(Expr) -> Expr) -> Expr {
        if !draws(&e, &mut self.drawn.clone()) {
            return if e.ty.axes().is_empty() { e } else { onto(e) };
        }
        let span = e.span;
        let kind_of_it = kind_of(&e);
        let ty = Ty::Num(NumTy { kind: kind_of_it, axes: self.axes.to_vec() });
        let boxed = |s: &mut Self, e: Box<Expr>| Box::new(s.expr(*e, onto));
        let kind = match e.kind {
            ExprKind::Draw { dist, args, within, stream, .. } => {
                let args = args.into_iter().map(|a| self.expr(a, onto)).collect();
                let within = within.map(|ends| Box::new((self.expr(ends.0, onto), self.expr(ends.1, onto))));
                ExprKind::Draw { dist, args, within, each: true, stream }
            }
            ExprKind::With { local, value, body } => {
                let drawn = draws(&value, &mut self.drawn.clone());
                // What is not drawn keeps its own axes: the body repeats it where it stands.
                let value = if drawn { boxed(self, value) } else { value };
                if drawn {
                    self.drawn.push(local);
                }
                ExprKind::With { local, value, body: boxed(self, body) }
            }
            ExprKind::Unary(op, a) => ExprKind::Unary(op, boxed(self, a)),
            ExprKind::ToReal(a) => ExprKind::ToReal(boxed(self, a)),
            ExprKind::ToInt(a) => ExprKind::ToInt(boxed(self, a)),
            ExprKind::Binary(op, a, b) => ExprKind::Binary(op, boxed(self, a), boxed(self, b)),
            ExprKind::Between { value, lo, hi } => ExprKind::Between {
                value: boxed(self, value),
                lo: lo.map(|e| boxed(self, e)),
                hi: hi.map(|e| boxed(self, e)),
            },
            ExprKind::If(c, a, b) if !draws(&c, &mut self.drawn.clone()) => {
                ExprKind::If(c, boxed(self, a), boxed(self, b))
            }
            ExprKind::If(c, a, b) | ExprKind::Select(c, a, b) => {
                ExprKind::Select(boxed(self, c), boxed(self, a), boxed(self, b))
            }
            ExprKind::Builtin(f, args) => ExprKind::Builtin(f, args.into_iter().map(|a| self.expr(a, onto)).collect()),
            ExprKind::Broadcast { value, from } => {
                let ty = e.ty;
                return self.expr(*value, &|inner| {
                    let ty = under(&ty, &inner);
                    let span = inner.span;
                    onto(Expr { kind: ExprKind::Broadcast { value: Box::new(inner), from: from.clone() }, ty, span })
                });
            }
            ExprKind::Reshape(value) => {
                let ty = e.ty;
                return self.expr(*value, &|inner| {
                    let ty = under(&ty, &inner);
                    let span = inner.span;
                    onto(Expr { kind: ExprKind::Reshape(Box::new(inner)), ty, span })
                });
            }
            other => other,
        };
        Expr { kind, ty, span }
    }
}

/// The type of a part of a value that is brought to other axes: these axes, and the kind of the part.
fn under(ty: &Ty, part: &Expr) -> Ty {
    Ty::Num(NumTy { kind: kind_of(part), axes: ty.axes().to_vec() })
}

impl Interp<'_, '_> {
    /// One draw, or one for each element of the parameters; with `each`, for each element of what is assigned.
    pub(crate) fn draws(
        &mut self,
        dist: Dist,
        args: &[Value],
        within: Option<(Value, Value)>,
        each: bool,
        name: &str,
        e: &Expr,
    ) -> Res<Value> {
        let number = self.scope.next_draw(name);
        let stream = Stream::new(self.cx.env.seed, name).sub(self.scope.key.key());
        let ends = within.as_ref().map_or([None, None], |(lo, hi)| [Some(lo), Some(hi)]);
        let all: Vec<&Value> = args.iter().chain(ends.into_iter().flatten()).collect();
        same_shape(&all, e.span)?;
        let shape = match all.iter().map(|v| v.shape()).find(|s| !s.is_empty()) {
            Some(shape) => shape.to_vec(),
            None if each => self.target.clone(),
            None => Vec::new(),
        };
        let columns: Vec<Vec<f64>> = all.iter().filter_map(|v| v.to_f64s()).collect();
        let value = |column: usize, k: usize| {
            let column = columns.get(column).map_or(&[][..], |c| c);
            column.get(if column.len() == 1 { 0 } else { k }).copied().unwrap_or(f64::NAN)
        };
        let draw = |seq: &mut UniformSeq, k: usize| -> Res<f64> {
            let (a, b) = (value(0, k), value(1, k));
            let (lo, hi) = (value(args.len(), k), value(args.len() + 1, k));
            let x = if within.is_some() {
                (0..TRIES).map(|_| one(dist, a, b, seq)).find(|x| *x >= lo && *x <= hi)
            } else {
                Some(one(dist, a, b, seq))
            };
            match x {
                Some(x) if x.is_nan() => {
                    Err(fault(Code::E0904, e.span, "a draw with these parameters gives no number"))
                }
                Some(x) => Ok(x),
                None => Err(fault(
                    Code::E0205,
                    e.span,
                    format!("{TRIES} draws all fell outside of the ends of `truncated`"),
                )),
            }
        };
        if shape.is_empty() {
            return Ok(scalar(draw(&mut stream.uniforms(number), 0)?, &e.ty));
        }
        let stream = stream.sub(number);
        let n: usize = shape.iter().product();
        let drawn = (0..n).map(|k| draw(&mut stream.uniforms(k as u64), k)).collect::<Res<Vec<f64>>>()?;
        Ok(Tensor { shape, data: of_kind(drawn, &e.ty) }.into())
    }
}

fn one(dist: Dist, a: f64, b: f64, seq: &mut UniformSeq) -> f64 {
    match dist {
        Dist::Uniform => (b - a).mul_add(seq.uniform(), a),
        Dist::Normal => b.mul_add(seq.normal(), a),
        Dist::Lognormal => seq.lognormal(a, b),
        Dist::Exponential => a * seq.exponential(),
        Dist::Gamma => b * seq.gamma(a),
        Dist::Randint => seq.randint(a as i64, b as i64) as f64,
        Dist::Bernoulli => f64::from(u8::from(seq.bernoulli(a))),
        Dist::PoissonCount => seq.poisson(a) as f64,
    }
}
