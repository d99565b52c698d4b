//! `mean(E.v over time)`: reductions over the steps of the last `run`.
//!
//! What is reduced is evaluated at the end of every step of a `run` (t_1 … t_n), in experiments and tests that ask for it, and added to what
//! the run has given so far, in double precision and in the order of the steps. A sample of a loop begins without a `run`, and so does what
//! follows the loop, so that nothing carries over from sample to sample.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::{Code, Diagnostic};
use crate::script::eval::{Interp, Res, Stop};
use crate::script::expr::bug;
use crate::script::independent::each_expr;
use crate::script::ir::{Expr, ExprKind, Kind, Over, ProcId, Program, Reduction, Stmt, StmtKind, Ty};
use crate::script::tensor::{Data, Tensor, Value};
use crate::script::walk;
use crate::source::Span;

/// Where the first part of an expression stands that has no value at a step of a `run`: only variables of the network and constants have one.
pub(crate) fn without_value(e: &Expr) -> Option<Span> {
    let fine = e.kind.is_elementwise()
        || matches!(
            e.kind,
            ExprKind::Const(_)
                | ExprKind::Bool(_)
                | ExprKind::Table(_)
                | ExprKind::Var(_)
                | ExprKind::List(_)
                | ExprKind::Zeros(_)
                | ExprKind::Index { .. }
                | ExprKind::Error
        )
        || matches!(&e.kind, ExprKind::Reduce { over, .. } if !matches!(over, Over::Time(_)));
    if !fine {
        return Some(e.span);
    }
    let mut found = None;
    walk::children(e, &mut |c| found = found.or_else(|| without_value(c)));
    found
}

/// A reduction that a body reads.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    id: u32,
    op: Reduction,
    value: Expr,
}

/// All reductions over time that a body or a procedure that it calls reads.
pub(crate) fn wanted(program: &Program, stmts: &[Stmt]) -> Vec<Wanted> {
    let (mut out, mut seen) = (BTreeMap::new(), BTreeSet::new());
    if program.over_time > 0 {
        collect(program, stmts, &mut out, &mut seen);
    }
    out.into_values().collect()
}

fn collect(program: &Program, stmts: &[Stmt], out: &mut BTreeMap<u32, Wanted>, seen: &mut BTreeSet<ProcId>) {
    let mut calls = Vec::new();
    walk::any_stmt(stmts, &mut |s| {
        if let StmtKind::Call { proc, .. } = &s.kind {
            calls.push(*proc);
        }
        each_expr(s, &mut |e| {
            walk::any(e, &mut |e| {
                match &e.kind {
                    ExprKind::Reduce { op, value, over: Over::Time(id) } => {
                        out.insert(*id, Wanted { id: *id, op: *op, value: (**value).clone() });
                    }
                    ExprKind::Call { proc, .. } => calls.push(*proc),
                    _ => {}
                }
                false
            });
        });
        false
    });
    for call in calls {
        if seen.insert(call)
            && let Some(p) = program.procedures.get(call.index())
        {
            collect(program, &p.body.stmts, out, seen);
        }
    }
}

/// What the present `run` has given so far for one reduction.
#[derive(Debug, Clone, Default)]
pub(crate) struct SoFar {
    steps: u64,
    shape: Vec<usize>,
    /// Sum, mean, extreme or sum of squares of each element.
    first: Vec<f64>,
    /// Sum of squared deviations, or the step of the extreme.
    second: Vec<f64>,
}

impl SoFar {
    fn add(&mut self, op: Reduction, values: &[f64]) {
        if self.steps == 0 {
            let start = match op {
                Reduction::Min => f64::INFINITY,
                Reduction::Max => f64::NEG_INFINITY,
                _ => 0.0,
            };
            self.first = vec![start; values.len()];
            self.second = vec![0.0; values.len()];
        }
        let n = self.steps as f64;
        for ((a, b), &x) in self.first.iter_mut().zip(&mut self.second).zip(values) {
            match op {
                Reduction::Sum | Reduction::Count | Reduction::Mean => *a += x,
                Reduction::Norm => *a += x * x,
                // Welford 1962: no difference of large sums.
                Reduction::Std => {
                    let d = x - *a;
                    *a += d / (n + 1.0);
                    *b += d * (x - *a);
                }
                // A NaN wins, so that it is not hidden.
                Reduction::Min if x < *a || x.is_nan() => *a = x,
                Reduction::Max if x > *a || x.is_nan() => *a = x,
                Reduction::Min | Reduction::Max => {}
                Reduction::Argmax | Reduction::Argmin => {
                    let better = if op == Reduction::Argmax { x > *a } else { x < *a };
                    if self.steps == 0 || better {
                        (*a, *b) = (x, n);
                    }
                }
            }
        }
        self.steps += 1;
    }

    fn result(&self, op: Reduction) -> Vec<f64> {
        let n = self.steps as f64;
        match op {
            Reduction::Mean => self.first.iter().map(|s| s / n).collect(),
            Reduction::Norm => self.first.iter().map(|s| s.sqrt()).collect(),
            Reduction::Std => self.second.iter().map(|s| (s / n).sqrt()).collect(),
            Reduction::Argmax | Reduction::Argmin => self.second.clone(),
            Reduction::Sum | Reduction::Count | Reduction::Min | Reduction::Max => self.first.clone(),
        }
    }
}

impl Interp<'_, '_> {
    /// A `run` begins.
    pub(crate) fn times_begin(&mut self) {
        self.times = vec![SoFar::default(); self.wanted.len()];
    }

    /// A step of a `run` has ended.
    pub(crate) fn times_step(&mut self) -> Res<()> {
        let wanted = self.wanted.clone();
        for (k, w) in wanted.iter().enumerate() {
            let v = self.eval(&w.value)?;
            let values = match &v {
                Value::Bool(x) => Some(vec![f64::from(u8::from(*x))]),
                other => other.to_f64s(),
            };
            let values = values.ok_or_else(|| bug(w.value.span, "something that is no number is reduced over time"))?;
            if let Some(t) = self.times.get_mut(k) {
                t.add(w.op, &values);
                t.shape = v.shape().to_vec();
            }
        }
        Ok(())
    }

    /// The value of a reduction over the last `run`.
    pub(crate) fn over_time(&self, id: u32, ty: &Ty, span: Span) -> Res<Value> {
        let found = self.wanted.iter().position(|w| w.id == id);
        let w = found.and_then(|k| Some((self.wanted.get(k)?, self.times.get(k)?)));
        let Some((w, t)) = w.filter(|(_, t)| t.steps > 0) else {
            return Err(Stop::Fault(Box::new(
                Diagnostic::new(Code::E0502, span, "there is no time to reduce over: nothing was run before")
                    .note("`over time` covers the last `run`; a sample of a loop begins without one")
                    .help("write a `run` before it"),
            )));
        };
        let values = t.result(w.op);
        let data = match ty.num().map(|n| n.kind) {
            Some(Kind::Int) => Data::I64(values.iter().map(|x| *x as i64).collect()),
            _ => Data::F64(values),
        };
        if t.shape.is_empty() {
            return Ok(match data {
                Data::I64(d) => Value::Int(d.first().copied().unwrap_or(0)),
                other => Value::Real(other.to_f64().first().copied().unwrap_or(f64::NAN)),
            });
        }
        let made = Tensor::new(t.shape.clone(), data).map(Value::from);
        made.ok_or_else(|| bug(span, "a reduction over time lost elements"))
    }
}
