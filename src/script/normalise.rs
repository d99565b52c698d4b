//! `P.w *= c / sum(P.w over pre)`: where the network knows which columns have changed since the same statement was last carried out with the
//! same `c`, only these are summed and scaled, with the operations of the general case. The others have the sum `c` already, to rounding; at
//! optimisation levels below 2 the network does not keep track, and all are done.

use std::hash::{Hash, Hasher};

use crate::script::assign::WriteFault;
use crate::script::columns::normalise_columns;
use crate::script::eval::{Interp, Res};
use crate::script::ir::{AxisSource, BinaryOp, Expr, ExprKind, Over, Place, Reduction, Select};
use crate::script::machine::{Slice, VarKey};
use crate::script::reduce::{MatrixOver, reduce_values};
use crate::script::tensor::Value;
use crate::source::Span;

/// A normalisation of columns: what is scaled, to which sum.
pub(super) struct Normalise {
    key: VarKey,
    total: f64,
    /// Names the statement and the sum.
    pub(super) rule: u64,
}

/// The sum that each column gets, if `place *= value` is a normalisation of columns by something that may be evaluated twice.
fn total<'e>(place: &Place, value: &'e Expr) -> Option<&'e Expr> {
    let ExprKind::Broadcast { value: factors, from } = &value.kind else { return None };
    let per_column = matches!(from.as_slice(), [AxisSource::Repeat, AxisSource::Axis(0)]);
    let ExprKind::Binary(BinaryOp::Div, total, sums) = &factors.kind else { return None };
    let total = match &total.kind {
        ExprKind::Broadcast { value, .. } => value.as_ref(),
        _ => total.as_ref(),
    };
    let ExprKind::Reduce { op: Reduction::Sum, value: summed, over: Over::Axes(axes) } = &sums.kind else {
        return None;
    };
    let ExprKind::Var(source) = &summed.kind else { return None };
    let whole = matches!((&place.select, &source.select), (Select::AllSynapses, Select::AllSynapses));
    (per_column && whole && source.key == place.key && axes.as_slice() == [0] && is_plain(total)).then_some(total)
}

/// A constant, a local, or arithmetic of such.
fn is_plain(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Const(_) | ExprKind::Local(_) => true,
        ExprKind::Unary(_, a) | ExprKind::ToReal(a) => is_plain(a),
        ExprKind::Binary(_, a, b) => is_plain(a) && is_plain(b),
        _ => false,
    }
}

impl Interp<'_, '_> {
    /// Recognises a normalisation.
    pub(super) fn normalisation(&mut self, place: &Place, value: &Expr, span: Span) -> Res<Option<Normalise>> {
        let Some(total) = total(place, value) else { return Ok(None) };
        let Some(total) = self.eval(total)?.as_f64() else { return Ok(None) };
        // Not for security: two statements that collide would have to name the same variable, too.
        let mut hash = rustc_hash::FxHasher::default();
        (span.file.0, span.start, span.end, total.to_bits()).hash(&mut hash);
        Ok(Some(Normalise { key: place.key, total, rule: hash.finish() }))
    }

    /// Scales the columns that have changed, if the network knows them. `None`: it does not.
    pub(super) fn normalise_changed(&mut self, n: &Normalise, span: Span) -> Res<Option<Result<(), WriteFault>>> {
        let Some(columns) = self.machine.changed_columns(n.key, n.rule) else { return Ok(None) };
        let mut target = self.machine.values_mut(n.key).map_err(|d| crate::script::eval::at(d, span))?;
        let result = normalise_columns(&mut target, &columns, n.total, &mut self.column);
        self.machine.written(n.key);
        Ok(Some(result.map(|stopped| self.machine.settle_columns(n.key, n.rule, &stopped))))
    }

    /// After all columns were scaled: those that have their sum now need no more until they change. Where a bound stopped a weight the sum is another, and
    /// scaling again brings it nearer.
    pub(super) fn settle(&mut self, n: &Normalise) {
        if !self.machine.records_changes(n.key) {
            return;
        }
        let values = self.machine.values(n.key);
        // More than a sum of so many elements loses by rounding.
        let near = if matches!(values.data, Slice::F32(_)) { 1e-4 } else { 1e-12 };
        let Ok(Value::Tensor(sums)) = reduce_values(Reduction::Sum, &values, MatrixOver::Rows) else { return };
        let off = |sum: &f64| (sum - n.total).abs() > near * n.total.abs();
        let sums = sums.data.to_f64();
        let but: Vec<u32> = (0..).zip(&sums).filter(|(_, sum)| off(sum)).map(|(c, _)| c).collect();
        self.machine.settle_columns(n.key, n.rule, &but);
    }
}
