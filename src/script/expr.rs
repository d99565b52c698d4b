//! Evaluation of expressions.
//!
//! Sums over network variables and columns repeated over a matrix are the statements that run before every sample; they are
//! evaluated where the values lie, without copies.

use crate::diag::{Code, Diagnostic};
use crate::hir::{self, View};
use crate::script::eval::{Flow, Interp, Res, Stop};
use crate::script::in_place::binary_of;
use crate::script::ir::{
    AxisName, AxisSource, BinaryOp, Expr, ExprKind, Field, IndexItem, Kind, Metric, Neurons, Over, Place, Reduction,
    SYNCHRONY_BIN, Select, Ty,
};
use crate::script::machine::{Slice, VarKey};
use crate::script::metrics;
use crate::script::names::vars;
use crate::script::ops;
use crate::script::outcome::number;
use crate::script::parts;
use crate::script::reduce::{MatrixOver, best_ends, reduce_groups, reduce_tensor, reduce_values};
use crate::script::tensor::{Data, Tensor, Value, copy_values, describe, strides, walk};
use crate::source::Span;
use crate::units::dim::{BASES, Dim};

/// A fault of the user's numbers.
pub(crate) fn fault(code: Code, span: Span, message: impl Into<String>) -> Stop {
    Stop::Fault(Box::new(Diagnostic::new(code, span, message)))
}

/// Something that the front end should have refused.
pub(crate) fn bug(span: Span, message: &str) -> Stop {
    Stop::Fault(Box::new(
        Diagnostic::new(Code::E0900, span, format!("a bug in snnc: {message}")).help("please report it with this file"),
    ))
}

impl Interp<'_, '_> {
    /// The value of an expression.
    pub(crate) fn eval(&mut self, e: &Expr) -> Res<Value> {
        let span = e.span;
        let wrong = |m: String| fault(Code::E0904, span, m);
        Ok(match &e.kind {
            ExprKind::Const(x) => scalar(*x, &e.ty),
            ExprKind::Bool(b) => Value::Bool(*b),
            ExprKind::Str(s) => Value::Str(s.clone()),
            ExprKind::Table(t) => Tensor::list(of_kind(t.to_vec(), &e.ty)).into(),
            ExprKind::Local(id) => match self.frame.get(id.index()) {
                Some(Some(v)) => v.clone(),
                _ => return Err(bug(span, "a local variable is read before it is set")),
            },
            ExprKind::Var(place) => self.read(place, &e.ty)?,
            ExprKind::Count(n) if n.at.is_empty() && n.view.select == hir::Select::All => {
                let counts = self.machine.counts(n.view.pop).iter().map(|c| i64::from(*c)).collect();
                shaped(n.view.shape.iter().map(|len| *len as usize).collect(), Data::I64(counts))
            }
            ExprKind::Count(n) => {
                let (at, shape) = self.neurons_chosen(n)?;
                let counts = self.machine.counts(n.view.pop);
                let v: Option<Vec<i64>> = at.iter().map(|&k| counts.get(k).map(|&c| i64::from(c))).collect();
                shaped(shape, Data::I64(v.ok_or_else(|| bug(span, "a count lies outside its population"))?))
            }
            ExprKind::First(n) => {
                let (at, shape) = self.neurons_chosen(n)?;
                let (first, dt) = (self.machine.first(n.view.pop), self.machine.dt());
                let time = |k: usize| first.get(k).copied().flatten().map_or(f64::INFINITY, |s| s as f64 * dt);
                shaped(shape, Data::F64(at.iter().map(|&k| time(k)).collect()))
            }
            ExprKind::Time => Value::Real(self.machine.steps() as f64 * self.machine.dt()),
            ExprKind::Field { sample, field } => {
                let Some(Some(Value::Sample(s))) = self.frame.get(sample.index()) else {
                    return Err(bug(span, "a field is read of something that is no sample"));
                };
                match field {
                    Field::Image => self.cx.env.data.image(*s)?.into(),
                    Field::Label => Value::Int(self.cx.env.data.label(*s)?),
                    Field::Index => Value::Int(s.index as i64),
                    Field::Named { name, shape, int } => {
                        let mut values = Vec::new();
                        self.cx.env.data.field(*s, name, &mut values)?;
                        let data = if *int {
                            Data::I64(values.iter().map(|x| *x as i64).collect())
                        } else {
                            Data::F64(values)
                        };
                        let wrong = || bug(span, "a field of a sample has another shape than its file said");
                        if shape.is_empty() {
                            return data.get(0).ok_or_else(wrong);
                        }
                        Tensor::new(shape.clone(), data).ok_or_else(wrong)?.into()
                    }
                }
            }
            ExprKind::Unary(op, a) => ops::unary(*op, &self.eval(a)?).map_err(wrong)?,
            ExprKind::Binary(op, a, b) => {
                let left = self.eval(a)?;
                match (op, &left) {
                    (BinaryOp::And, Value::Bool(false)) if b.ty.axes().is_empty() => left,
                    (BinaryOp::Or, Value::Bool(true)) if b.ty.axes().is_empty() => left,
                    _ => {
                        let right = self.eval(b)?;
                        same_shape(&[&left, &right], span)?;
                        binary_of(*op, left, right).map_err(wrong)?
                    }
                }
            }
            ExprKind::Between { value, lo, hi } => {
                let value = self.eval(value)?;
                let lo = lo.as_ref().map(|x| self.eval(x)).transpose()?;
                let hi = hi.as_ref().map(|x| self.eval(x)).transpose()?;
                same_shape(&[&value, lo.as_ref().unwrap_or(&value), hi.as_ref().unwrap_or(&value)], span)?;
                between(&value, lo.as_ref(), hi.as_ref()).map_err(wrong)?
            }
            ExprKind::OneOf { value, list } => {
                let (x, list) = (self.eval(value)?, self.eval(list)?);
                let same = ops::binary(BinaryOp::Eq, &x, &list).map_err(wrong)?;
                match same {
                    Value::Tensor(t) => Value::Bool(matches!(&t.data, Data::Bool(v) if v.contains(&true))),
                    other => other,
                }
            }
            ExprKind::ToReal(a) => ops::to_real(&self.eval(a)?),
            ExprKind::ToInt(a) => ops::to_int(&self.eval(a)?),
            ExprKind::If(c, a, b) => {
                if self.truth(c)? {
                    self.eval(a)?
                } else {
                    self.eval(b)?
                }
            }
            ExprKind::Select(c, a, b) => {
                let (c, a, b) = (self.eval(c)?, self.eval(a)?, self.eval(b)?);
                same_shape(&[&c, &a, &b], span)?;
                ops::select(&c, &a, &b).map_err(wrong)?
            }
            ExprKind::Broadcast { value, from } => {
                let v = self.eval(value)?;
                self.broadcast(&v, from, &e.ty, span)?
            }
            ExprKind::Reshape(a) => {
                let v = self.eval(a)?;
                let shape = self.shape(&e.ty);
                match v {
                    Value::Tensor(t) => Tensor::new(shape, t.data.clone())
                        .ok_or_else(|| bug(span, "an array does not fit the shape it is given"))?
                        .into(),
                    other => other,
                }
            }
            ExprKind::Builtin(f, args) => {
                let args = args.iter().map(|a| self.eval(a)).collect::<Res<Vec<_>>>()?;
                same_shape(&args.iter().collect::<Vec<_>>(), span)?;
                ops::builtin(*f, &args, kind(&e.ty) == Some(Kind::Int)).map_err(wrong)?
            }
            ExprKind::Reduce { over: Over::Time(id), .. } => self.over_time(*id, &e.ty, span)?,
            ExprKind::Reduce { op, value, over } => self.reduce(*op, value, over, span)?,
            ExprKind::Metric { metric, of, from, to, bin, event } => {
                let from = from.as_ref().map(|x| self.number(x)).transpose()?;
                let to = to.as_ref().map(|x| self.number(x)).transpose()?;
                let width = bin.as_ref().map_or(Ok(SYNCHRONY_BIN), |x| self.number(x))?;
                let width = (width / self.machine.dt()).round();
                if !(1.0..9e15).contains(&width) {
                    return Err(Stop::Fault(Box::new(
                        Diagnostic::new(Code::E0205, bin.as_ref().map_or(span, |b| b.span), "a bin is a positive time")
                            .label(format!("here it is {width} time steps")),
                    )));
                }
                self.metric((*metric, *event, width as u64), of, from, to, span)?
            }
            ExprKind::Accuracy(r) => {
                let name = &self.cx.model.readouts[r.index()].name;
                let Some(host) = self.host() else {
                    return Err(fault(Code::E0503, span, format!("`accuracy({name})` cannot be read in a batch")));
                };
                match host.readouts[r.index()].accuracy() {
                    Some(x) => Value::Real(x),
                    None => {
                        return Err(Stop::Fault(Box::new(
                            Diagnostic::new(Code::E0502, span, format!("`{name}` has scored nothing yet"))
                                .help(format!("call `score({name}, …)` for some samples first")),
                        )));
                    }
                }
            }
            ExprKind::Draw { dist, args, within, each, stream } => {
                let args = args.iter().map(|a| self.eval(a)).collect::<Res<Vec<_>>>()?;
                let ends = match within {
                    Some(ends) => Some((self.eval(&ends.0)?, self.eval(&ends.1)?)),
                    None => None,
                };
                self.draws(*dist, &args, ends, *each, stream, e)?
            }
            ExprKind::Zeros(sizes) => {
                let shape = sizes.iter().map(|e| self.size(e)).collect::<Res<Vec<_>>>()?;
                let n = shape.iter().product();
                Tensor { shape, data: of_kind(vec![0.0; n], &e.ty) }.into()
            }
            ExprKind::Timed { list, step } => {
                let Value::Tensor(t) = self.eval(list)? else {
                    return Err(bug(span, "something that is no array is followed in time"));
                };
                let width = self.number(step)?;
                if !(width > 0.0 && width.is_finite()) {
                    return Err(fault(Code::E0205, step.span, "the step of `timed` must be a positive time"));
                }
                // As the network follows a list: a quotient just below a whole number is that number.
                let now = (self.machine.steps() as f64 * self.machine.dt() / width + 1e-9).floor();
                let last = t.shape.first().copied().unwrap_or(0).saturating_sub(1);
                entry(&t, (now as usize).min(last))
                    .ok_or_else(|| fault(Code::E0205, list.span, "the list of `timed` is empty"))?
            }
            ExprKind::With { local, value, body } => {
                let v = self.eval(value)?;
                self.set_local(*local, v, span)?;
                self.eval(body)?
            }
            ExprKind::Index { base, items } => {
                let v = self.eval(base)?;
                self.index(&v, items, span)?
            }
            ExprKind::List(items) => {
                let values = items.iter().map(|x| self.eval(x)).collect::<Res<Vec<_>>>()?;
                if e.ty.axes().len() > 1 {
                    return self.stacked(&values, span);
                }
                let data = match kind(&e.ty) {
                    Some(Kind::Int) => Data::I64(values.iter().filter_map(as_int).collect()),
                    Some(Kind::Bool) => Data::Bool(values.iter().map(|v| *v == Value::Bool(true)).collect()),
                    _ => Data::F64(values.iter().filter_map(Value::as_f64).collect()),
                };
                if data.len() != values.len() {
                    return Err(bug(span, "a list holds something that is no number"));
                }
                Tensor::list(data).into()
            }
            ExprKind::Call { proc, args } => match self.call(*proc, args)? {
                Flow::Return(v) => v,
                Flow::Next | Flow::Break => Value::None,
            },
            ExprKind::Error => return Err(bug(span, "a faulty expression was run")),
        })
    }

    /// A scalar number.
    pub(crate) fn number(&mut self, e: &Expr) -> Res<f64> {
        self.eval(e)?.as_f64().ok_or_else(|| bug(e.span, "a number was expected"))
    }

    /// A scalar integer.
    pub(crate) fn int(&mut self, e: &Expr) -> Res<i64> {
        let v = self.eval(e)?;
        as_int(&v).ok_or_else(|| bug(e.span, "a whole number was expected"))
    }

    /// A scalar truth value.
    pub(crate) fn truth(&mut self, e: &Expr) -> Res<bool> {
        match self.eval(e)? {
            Value::Bool(b) => Ok(b),
            _ => Err(bug(e.span, "a truth value was expected")),
        }
    }

    /// A truth value with its compared parts in words: `0.003 >= 0 and 1 <= 1`.
    pub(crate) fn explain(&mut self, e: &Expr) -> Res<(bool, String)> {
        if !e.ty.axes().is_empty() {
            return Err(bug(e.span, "a condition is an array"));
        }
        match &e.kind {
            ExprKind::Binary(op @ (BinaryOp::And | BinaryOp::Or), a, b) => {
                let (left, mut text) = self.explain(a)?;
                if left == (*op == BinaryOp::Or) {
                    return Ok((left, text));
                }
                let (right, more) = self.explain(b)?;
                text = format!("{text} {} {more}", if *op == BinaryOp::And { "and" } else { "or" });
                Ok((right, text))
            }
            ExprKind::Unary(hir::UnaryOp::Not, a) => {
                let (held, text) = self.explain(a)?;
                Ok((!held, format!("not ({text})")))
            }
            ExprKind::Binary(op, a, b) => {
                let sign = match op {
                    BinaryOp::Eq => "==",
                    BinaryOp::Ne => "!=",
                    BinaryOp::Lt => "<",
                    BinaryOp::Le => "<=",
                    BinaryOp::Gt => ">",
                    BinaryOp::Ge => ">=",
                    _ => return self.plain(e),
                };
                let (x, y) = (self.eval(a)?, self.eval(b)?);
                let held = ops::binary(*op, &x, &y).map_err(|m| fault(Code::E0904, e.span, m))?;
                Ok((held == Value::Bool(true), format!("{} {sign} {}", shown(&x, &a.ty), shown(&y, &b.ty))))
            }
            ExprKind::Between { value, lo, hi } => {
                let x = self.eval(value)?;
                let low = lo.as_ref().map(|x| self.eval(x)).transpose()?;
                let high = hi.as_ref().map(|x| self.eval(x)).transpose()?;
                let held = between(&x, low.as_ref(), high.as_ref()).map_err(|m| fault(Code::E0904, e.span, m))?;
                let end = |v: &Option<Value>| v.as_ref().map_or(String::new(), |v| shown(v, &value.ty));
                Ok((held == Value::Bool(true), format!("{} in {} .. {}", shown(&x, &value.ty), end(&low), end(&high))))
            }
            _ => self.plain(e),
        }
    }

    fn plain(&mut self, e: &Expr) -> Res<(bool, String)> {
        let held = self.truth(e)?;
        Ok((held, held.to_string()))
    }

    /// Lengths of the axes of a type.
    pub(crate) fn shape(&self, ty: &Ty) -> Vec<usize> {
        let len = |a: &crate::script::ir::Axis| match (a.len, a.name) {
            (Some(n), _) => n as usize,
            (None, AxisName::Synapses(p)) => self.machine.synapse_count(p) as usize,
            (None, _) => 0,
        };
        ty.axes().iter().map(len).collect()
    }

    fn read(&mut self, place: &Place, ty: &Ty) -> Res<Value> {
        let at = self.positions(place)?;
        let grid = match &place.select {
            Select::Neurons(n) => Some(n.view.shape.iter().map(|&len| len as usize).collect()),
            _ => None,
        };
        let v = self.machine.values(place.key);
        let shape = match (&at, grid) {
            (Some((_, shape)), _) => shape.clone(),
            (None, Some(grid)) => grid,
            (None, None) if ty.axes().len() > 1 => vec![v.rows, v.cols],
            (None, None) => vec![v.rows * v.cols],
        };
        let data = match &at {
            None => copy_values(&v),
            Some((at, _)) => {
                let place_of = |k: usize| k / v.cols.max(1) * v.stride + k % v.cols.max(1);
                let of = at.iter().map(|&k| place_of(k));
                let picked = match v.data {
                    Slice::F32(d) => of.map(|k| d.get(k).copied()).collect::<Option<Vec<_>>>().map(Data::F32),
                    Slice::F64(d) => of.map(|k| d.get(k).copied()).collect::<Option<Vec<_>>>().map(Data::F64),
                    Slice::Uniform(x) => Some(Data::F64(vec![x; at.len()])),
                };
                picked.ok_or_else(|| bug(place.span, "a variable has fewer values than its shape"))?
            }
        };
        let data = match kind(ty) {
            Some(Kind::Int) => Data::I64(data.to_f64().into_iter().map(|x| x as i64).collect()),
            Some(Kind::Bool) => Data::Bool(data.to_f64().into_iter().map(|x| x != 0.0).collect()),
            _ => data,
        };
        let t = Tensor::new(shape, data).ok_or_else(|| bug(place.span, "a variable does not fit its shape"))?;
        Ok(t.into())
    }

    fn reduce(&mut self, op: Reduction, value: &Expr, over: &Over, span: Span) -> Res<Value> {
        let wrong = |m: String| fault(Code::E0904, span, m);
        // Where the values lie.
        if let ExprKind::Var(place) = &value.kind
            && matches!(kind(&value.ty), Some(Kind::Real(_)))
            && let Some(over) = in_place(place, value.ty.axes().len(), over)
        {
            let values = self.machine.values(place.key);
            return reduce_values(op, &values, over).map_err(wrong);
        }
        let v = self.eval(value)?;
        let t = match &v {
            Value::Tensor(t) => t.clone(),
            // A scalar is reduced as its one element.
            other => {
                let data = match other {
                    Value::Int(x) => Data::I64(vec![*x]),
                    Value::Bool(x) => Data::Bool(vec![*x]),
                    _ => Data::F64(vec![
                        other.as_f64().ok_or_else(|| bug(span, "something that is no number is reduced"))?,
                    ]),
                };
                std::sync::Arc::new(Tensor::list(data))
            }
        };
        match over {
            Over::All => reduce_tensor(op, &t, None).map_err(wrong),
            Over::Axes(axes) => reduce_tensor(op, &t, Some(axes)).map_err(wrong),
            Over::Time(_) => Err(bug(span, "a reduction over time is not one over axes")),
            Over::SynapsesOverPre(p) | Over::SynapsesOverPost(p) => {
                let by_post = matches!(over, Over::SynapsesOverPre(_));
                let (group, n) = self.ends(*p, !by_post, span)?;
                if matches!(op, Reduction::Argmax | Reduction::Argmin) {
                    let (others, _) = self.ends(*p, by_post, span)?;
                    return best_ends(op, &t.data, &group, n, &others).map_err(wrong);
                }
                reduce_groups(op, &t.data, &group, n).map_err(wrong)
            }
        }
    }

    /// For each synapse, the position of its pre (or post) neuron in the projection's view; and the length of that view.
    fn ends(&self, proj: hir::ProjId, pre: bool, span: Span) -> Res<(Vec<u32>, usize)> {
        let projection = &self.cx.model.projections[proj.index()];
        let view = if pre { &projection.pre } else { &projection.post };
        let n = metrics::neurons(view, self.cx.model.populations[view.pop.index()].size());
        let Some((pres, posts)) = self.machine.synapses(proj) else {
            return Err(bug(span, "a dense projection is reduced as a sparse one"));
        };
        let ends = if pre { pres } else { posts };
        let at: Option<Vec<u32>> = ends.iter().map(|&k| metrics::position(view, k).map(|k| k as u32)).collect();
        at.map(|v| (v, n)).ok_or_else(|| bug(span, "a synapse lies outside its projection"))
    }

    fn broadcast(&self, v: &Value, from: &[AxisSource], ty: &Ty, span: Span) -> Res<Value> {
        let mut shape = self.shape(ty);
        let one;
        let (data, own) = match v {
            Value::Tensor(t) => (&t.data, strides(&t.shape)),
            other => {
                one = match other {
                    Value::Int(x) => Data::I64(vec![*x]),
                    Value::Bool(x) => Data::Bool(vec![*x]),
                    _ => Data::F64(vec![
                        other.as_f64().ok_or_else(|| bug(span, "something that is no number is repeated"))?,
                    ]),
                };
                (&one, Vec::new())
            }
        };
        // Along the synapses, the neuron at one end gives the value.
        if let ([source @ (AxisSource::ByPre(_) | AxisSource::ByPost(_))], Some(AxisName::Synapses(p))) =
            (from, ty.axes().first().map(|a| a.name))
        {
            let (at, _) = self.ends(p, matches!(source, AxisSource::ByPre(_)), span)?;
            let data = data.gather(at.into_iter().map(|k| k as usize));
            let data = data.ok_or_else(|| bug(span, "a value has too few elements for its synapses"))?;
            return Ok(Tensor::list(data).into());
        }
        let mut steps = Vec::with_capacity(from.len());
        for source in from {
            steps.push(match source {
                AxisSource::Axis(k) => {
                    *own.get(*k).ok_or_else(|| bug(span, "an axis that does not exist is repeated"))?
                }
                AxisSource::Repeat => 0,
                AxisSource::ByPre(_) | AxisSource::ByPost(_) => {
                    return Err(bug(span, "synapses are mixed with other axes"));
                }
            });
        }
        // The value knows how long its own axes are.
        for (len, source) in shape.iter_mut().zip(from) {
            if let AxisSource::Axis(k) = source {
                *len = v.shape().get(*k).copied().unwrap_or(*len);
            }
        }
        let mut at = Vec::with_capacity(shape.iter().product());
        walk(&shape, &steps, 0, &mut |k| at.push(k));
        let data = data.gather(at.into_iter()).ok_or_else(|| bug(span, "a repeated value has too few elements"))?;
        Ok(Tensor { shape, data }.into())
    }

    fn index(&mut self, v: &Value, items: &[IndexItem], span: Span) -> Res<Value> {
        let Value::Tensor(t) = v else { return Err(bug(span, "something that is no array is indexed")) };
        let taken = self.taken(items, &t.shape, span)?;
        let (shape, at) = parts::places(&taken, &strides(&t.shape));
        let data = t
            .data
            .gather(at.into_iter())
            .ok_or_else(|| fault(Code::E0402, span, "the range is outside of the array"))?;
        Ok(Tensor { shape, data }.into())
    }

    /// A list of arrays, which all have one shape.
    fn stacked(&self, values: &[Value], span: Span) -> Res<Value> {
        same_shape(&values.iter().collect::<Vec<_>>(), span)?;
        let inner = values.iter().map(Value::shape).find(|s| !s.is_empty()).unwrap_or(&[]);
        let n: usize = inner.iter().product();
        let mut out: Option<Data> = None;
        for v in values {
            let data = match v {
                Value::Tensor(t) => t.data.clone(),
                one => spread(one, n).ok_or_else(|| bug(span, "a list holds something that is no number"))?,
            };
            out = Some(match out {
                None => data,
                Some(before) => before.followed_by(data),
            });
        }
        let shape = [&[values.len()], inner].concat();
        let made = out.and_then(|data| Tensor::new(shape, data));
        made.map(Value::from).ok_or_else(|| bug(span, "a list of arrays lost elements"))
    }

    /// The length of an axis.
    fn size(&mut self, e: &Expr) -> Res<usize> {
        let n = self.int(e)?;
        let fits = usize::try_from(n).ok().filter(|n| *n <= 1 << 31);
        fits.ok_or_else(|| fault(Code::E0205, e.span, format!("an array cannot have {n} elements along an axis")))
    }

    fn metric(
        &mut self,
        (metric, event, bin): (Metric, Option<u32>, u64),
        of: &Neurons,
        from: Option<f64>,
        to: Option<f64>,
        span: Span,
    ) -> Res<Value> {
        let (at, shape) = self.neurons_chosen(of)?;
        let (now, dt) = (self.machine.steps(), self.machine.dt());
        let view = if of.at.is_empty() {
            of.view.clone()
        } else {
            View { select: hir::Select::List(at.iter().map(|&k| k as u32).collect()), ..of.view.clone() }
        };
        let name = metric.name();
        let Some(host) = self.host() else {
            return Err(Stop::Fault(Box::new(
                Diagnostic::new(Code::E0503, span, format!("`{name}` cannot be read in a batch"))
                    .help("read it after the loop, or count spikes of the last `run` by `.count`"),
            )));
        };
        let window = host.window(from, to, now, dt);
        if window.from >= window.to && metric != Metric::Spikes {
            return Err(Stop::Fault(Box::new(
                Diagnostic::new(Code::E0502, span, format!("`{name}` of no time: nothing was run in its window"))
                    .help("put a `run` before it, or move `from =` and `to =`"),
            )));
        }
        let log = host.log_of(view.pop, event);
        Ok(match metric {
            Metric::Rate => Value::Real(metrics::rate(log, &view, at.len(), window, dt)),
            Metric::Synchrony => Value::Real(metrics::synchrony(log, &view, at.len(), window, bin)),
            Metric::CvIsi => Value::Real(metrics::cv_isi(log, &view, at.len(), window)),
            Metric::Spikes => shaped(shape, Data::I64(metrics::spikes(log, &view, at.len(), window))),
        })
    }
}

/// A network variable reduced as a matrix, if it is taken whole.
fn in_place(place: &Place, axes: usize, over: &Over) -> Option<MatrixOver> {
    if !place.select.is_whole() {
        return None;
    }
    match over {
        Over::All => Some(MatrixOver::All),
        Over::Axes(of) if of.len() == axes => Some(MatrixOver::All),
        Over::Axes(of) if axes == 2 && matches!(place.select, Select::AllSynapses) => {
            Some(if of == &[0] { MatrixOver::Rows } else { MatrixOver::Columns })
        }
        Over::Axes(_) | Over::SynapsesOverPre(_) | Over::SynapsesOverPost(_) | Over::Time(_) => None,
    }
}

fn between(x: &Value, lo: Option<&Value>, hi: Option<&Value>) -> Result<Value, String> {
    let above = lo.map(|lo| ops::binary(BinaryOp::Ge, x, lo)).transpose()?;
    let below = hi.map(|hi| ops::binary(BinaryOp::Le, x, hi)).transpose()?;
    match (above, below) {
        (Some(a), Some(b)) => ops::binary(BinaryOp::And, &a, &b),
        (Some(one), None) | (None, Some(one)) => Ok(one),
        (None, None) => Ok(Value::Bool(true)),
    }
}

/// Refuses arrays of different shapes where they are combined element by element. The front end has compared what is known before running.
pub(crate) fn same_shape(values: &[&Value], span: Span) -> Res<()> {
    let mut shapes = values.iter().map(|v| v.shape()).filter(|s| !s.is_empty());
    let Some(first) = shapes.next() else { return Ok(()) };
    match shapes.find(|s| *s != first) {
        None => Ok(()),
        Some(other) => Err(Stop::Fault(Box::new(
            Diagnostic::new(
                Code::E0501,
                span,
                format!("arrays of different sizes are combined: {} and {}", describe(first), describe(other)),
            )
            .label("element by element"),
        ))),
    }
}

/// An entry along the first axis.
pub(crate) fn entry(t: &Tensor, k: usize) -> Option<Value> {
    let (n, rest) = t.shape.split_first()?;
    if k >= *n {
        return None;
    }
    let size: usize = rest.iter().product();
    let data = t.data.gather(k * size..(k + 1) * size)?;
    Some(Tensor { shape: rest.to_vec(), data }.into())
}

/// The kind of a numeric type.
pub(crate) fn kind(ty: &Ty) -> Option<Kind> {
    ty.num().map(|n| n.kind)
}

pub(crate) fn scalar(x: f64, ty: &Ty) -> Value {
    match kind(ty) {
        Some(Kind::Int) => Value::Int(x as i64),
        Some(Kind::Bool) => Value::Bool(x != 0.0),
        _ => Value::Real(x),
    }
}

pub(crate) fn of_kind(v: Vec<f64>, ty: &Ty) -> Data {
    match kind(ty) {
        Some(Kind::Int) => Data::I64(v.into_iter().map(|x| x as i64).collect()),
        Some(Kind::Bool) => Data::Bool(v.into_iter().map(|x| x != 0.0).collect()),
        _ => Data::F64(v),
    }
}

/// A scalar as so many elements.
fn spread(v: &Value, n: usize) -> Option<Data> {
    Some(match v {
        Value::Int(x) => Data::I64(vec![*x; n]),
        Value::Bool(x) => Data::Bool(vec![*x; n]),
        other => Data::F64(vec![other.as_f64()?; n]),
    })
}

pub(crate) fn as_int(v: &Value) -> Option<i64> {
    match v {
        Value::Int(x) => Some(*x),
        _ => None,
    }
}

fn shaped(shape: Vec<usize>, data: Data) -> Value {
    Tensor::new(shape, data).map_or(Value::None, Value::from)
}

/// A value with the unit of its dimension, for messages.
pub(crate) fn shown(v: &Value, ty: &Ty) -> String {
    let dim = kind(ty).map_or(Dim::NONE, Kind::dim);
    if dim == Dim::frequency() {
        return match v.as_f64() {
            Some(x) => format!("{} Hz", number(x * 1000.0)),
            None => format!("{} /ms", crate::script::outcome::show(v)),
        };
    }
    let text = crate::script::outcome::show(v);
    let unit = unit(dim);
    if unit.is_empty() { text } else { format!("{text} {unit}") }
}

/// The internal unit of a dimension.
fn unit(dim: Dim) -> String {
    if dim == Dim::CURRENT.div(Dim::VOLTAGE) {
        return "nS".to_owned();
    }
    let parts: Vec<String> = BASES
        .iter()
        .zip(dim.0)
        .filter_map(|(base, e)| match e.parts() {
            (0, _) => None,
            (1, 1) => Some((*base).to_owned()),
            (n, 1) => Some(format!("{base}^{n}")),
            (n, d) => Some(format!("{base}^({n}/{d})")),
        })
        .collect();
    parts.join("*")
}

/// A key for the variable in messages: `XE.w`.
pub(crate) fn var_name(model: &hir::Model, key: VarKey) -> String {
    use crate::script::machine::Entity;
    let owner = match key.entity {
        Entity::Pop(p) => &model.populations[p.index()].name,
        Entity::Proj(p) => &model.projections[p.index()].name,
    };
    let vars = vars(model, key.entity).unwrap_or(&[]);
    format!("{owner}.{}", vars.get(key.var.index()).map_or("?", |v| v.name.as_str()))
}
