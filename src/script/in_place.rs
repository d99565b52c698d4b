//! Elementwise arithmetic whose result takes the place of an operand: chains such as `gain * s.image * 30 Hz` ask for no memory.

use std::sync::Arc;

use crate::script::ir::BinaryOp;
use crate::script::ops::{Float, Side, binary};
use crate::script::tensor::{Data, Tensor, Value};
use crate::simd::widest;

/// `a op b` of values that nobody needs after it: where the result takes the place of one of them, no memory is asked for.
///
/// # Errors
/// As [`binary`].
pub(super) fn binary_of(op: BinaryOp, mut a: Value, mut b: Value) -> Result<Value, String> {
    if in_place(op, &mut a, &b, false) {
        return Ok(a);
    }
    if in_place(op, &mut b, &a, true) {
        return Ok(b);
    }
    binary(op, &a, &b)
}

/// `one = one op other` (`flipped`: `other op one`), if these are arrays of reals or a real and `one` has no other owner.
fn in_place(op: BinaryOp, one: &mut Value, other: &Value, flipped: bool) -> bool {
    fn each<T: Float>(op: BinaryOp, x: &mut [T], y: Side<'_, T>, flipped: bool) -> bool {
        #[inline(always)]
        fn all<T: Float>(x: &mut [T], y: Side<'_, T>, f: impl Fn(T, T) -> T) -> bool {
            widest(
                #[inline(always)]
                || match y {
                    Side::One(y) => x.iter_mut().for_each(|x| *x = f(*x, y)),
                    Side::Many(y) => x.iter_mut().zip(y).for_each(|(x, y)| *x = f(*x, *y)),
                },
            );
            true
        }
        use BinaryOp::{Add, Div, Mul, Sub};
        match (op, flipped) {
            (Add, false) => all(x, y, |x, y| T::arithmetic(Add, x, y)),
            (Sub, false) => all(x, y, |x, y| T::arithmetic(Sub, x, y)),
            (Mul, false) => all(x, y, |x, y| T::arithmetic(Mul, x, y)),
            (Div, false) => all(x, y, |x, y| T::arithmetic(Div, x, y)),
            (Add, true) => all(x, y, |x, y| T::arithmetic(Add, y, x)),
            (Sub, true) => all(x, y, |x, y| T::arithmetic(Sub, y, x)),
            (Mul, true) => all(x, y, |x, y| T::arithmetic(Mul, y, x)),
            (Div, true) => all(x, y, |x, y| T::arithmetic(Div, y, x)),
            _ => false,
        }
    }
    let Value::Tensor(one) = one else { return false };
    let Some(Tensor { shape, data }) = Arc::get_mut(one) else { return false };
    match (data, other) {
        (Data::F32(x), Value::Real(y)) => each(op, x, Side::One(*y as f32), flipped),
        (Data::F64(x), Value::Real(y)) => each(op, x, Side::One(*y), flipped),
        (x, Value::Tensor(y)) if y.shape == *shape => match (x, &y.data) {
            (Data::F32(x), Data::F32(y)) => each(op, x, Side::Many(y), flipped),
            (Data::F64(x), Data::F64(y)) => each(op, x, Side::Many(y), flipped),
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(v: Data) -> Value {
        Tensor::list(v).into()
    }

    /// Whatever is done in place gives what is done apart from it, and leaves alone what has another owner.
    #[test]
    fn results_in_the_place_of_an_operand_are_the_same() {
        let values = [
            Value::Real(0.1),
            Value::Int(3),
            list(Data::F32(vec![0.3, -7.0])),
            list(Data::F64(vec![0.7, f64::INFINITY])),
            list(Data::F32(vec![1e30, 0.0])),
            list(Data::I64(vec![4, 5])),
            list(Data::F64(vec![0.7])),
        ];
        // Not by equality: some results are no numbers.
        let text = |r: Result<Value, String>| format!("{r:?}");
        use BinaryOp::{Add, And, Div, Eq, Lt, Mod, Mul, Pow, Sub};
        for op in [Add, Sub, Mul, Div, Mod, Pow, Eq, Lt, And] {
            for (a, b) in values.iter().flat_map(|a| values.iter().map(move |b| (a, b))) {
                let own = |v: &Value| match v {
                    Value::Tensor(t) => Value::from(t.as_ref().clone()),
                    other => other.clone(),
                };
                let expected = text(binary(op, a, b));
                let before = format!("{a:?} {b:?}");
                assert_eq!(text(binary_of(op, own(a), own(b))), expected, "{op:?} of {a:?} and {b:?}");
                assert_eq!(text(binary_of(op, a.clone(), b.clone())), expected, "{op:?} of {a:?} and {b:?}");
                assert_eq!(format!("{a:?} {b:?}"), before);
            }
        }
    }
}
