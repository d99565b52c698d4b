//! Elementwise operations on values of protocols.
//!
//! The protocol IR has aligned the operands: they have the same number of elements, or one is a scalar that is repeated. Arrays of
//! `f32` stay so when combined with scalars and with each other. Integer arithmetic that overflows is refused.

use crate::builtins::Builtin;
use crate::script::ir::{BinaryOp, UnaryOp};
use crate::script::tensor::{Data, Tensor, Value, describe};

/// `a op b`. `And` and `Or` of scalars are the evaluator's: here both sides are already known.
///
/// # Errors
/// In words: sizes or kinds that do not fit, an integer result out of range.
pub fn binary(op: BinaryOp, a: &Value, b: &Value) -> Result<Value, String> {
    match (operand(a)?, operand(b)?) {
        (Operand::Real(x), Operand::Real(y)) => reals(op, x, y),
        (Operand::Real(x), Operand::F64(y)) => pair(op, Side::One(x), Side::Many(y), b.shape(), a, b),
        (Operand::F64(x), Operand::Real(y)) => pair(op, Side::Many(x), Side::One(y), a.shape(), a, b),
        (Operand::F64(x), Operand::F64(y)) => pair(op, Side::Many(x), Side::Many(y), a.shape(), a, b),
        (Operand::Real(x), Operand::F32(y)) => pair(op, Side::One(x as f32), Side::Many(y), b.shape(), a, b),
        (Operand::F32(x), Operand::Real(y)) => pair(op, Side::Many(x), Side::One(y as f32), a.shape(), a, b),
        (Operand::F32(x), Operand::F32(y)) => pair(op, Side::Many(x), Side::Many(y), a.shape(), a, b),
        (Operand::F32(x), Operand::F64(y)) => pair(op, Side::Many(&widen(x)), Side::Many(y), a.shape(), a, b),
        (Operand::F64(x), Operand::F32(y)) => pair(op, Side::Many(x), Side::Many(&widen(y)), a.shape(), a, b),
        (Operand::Int(x), Operand::Int(y)) => match ordered(op, x, y) {
            Some(flag) => Ok(Value::Bool(flag)),
            None => whole(op, x, y).map(Value::Int).ok_or_else(|| NOT_WHOLE.to_owned()),
        },
        (Operand::Int(x), Operand::I64(y)) => ints(op, Side::One(x), Side::Many(y), b.shape(), a, b),
        (Operand::I64(x), Operand::Int(y)) => ints(op, Side::Many(x), Side::One(y), a.shape(), a, b),
        (Operand::I64(x), Operand::I64(y)) => ints(op, Side::Many(x), Side::Many(y), a.shape(), a, b),
        (Operand::Flag(x), Operand::Flag(y)) => flags(op, Side::One(x), Side::One(y), &[], a, b),
        (Operand::Flag(x), Operand::Flags(y)) => flags(op, Side::One(x), Side::Many(y), b.shape(), a, b),
        (Operand::Flags(x), Operand::Flag(y)) => flags(op, Side::Many(x), Side::One(y), a.shape(), a, b),
        (Operand::Flags(x), Operand::Flags(y)) => flags(op, Side::Many(x), Side::Many(y), a.shape(), a, b),
        _ => Err(format!("{} and {} cannot be combined", a.describe(), b.describe())),
    }
}

/// `-x`, `not x`
///
/// # Errors
/// In words: a wrong kind, or the negative of the lowest integer.
pub fn unary(op: UnaryOp, a: &Value) -> Result<Value, String> {
    let wrong = || format!("{} has no {}", a.describe(), if op == UnaryOp::Neg { "negative" } else { "`not`" });
    Ok(match (op, a) {
        (UnaryOp::Neg, Value::Real(x)) => Value::Real(-x),
        (UnaryOp::Neg, Value::Int(x)) => Value::Int(x.checked_neg().ok_or_else(wrong)?),
        (UnaryOp::Not, Value::Bool(x)) => Value::Bool(!x),
        (_, Value::Tensor(t)) => {
            let data = match (op, &t.data) {
                (UnaryOp::Neg, Data::F64(v)) => Data::F64(v.iter().map(|x| -x).collect()),
                (UnaryOp::Neg, Data::F32(v)) => Data::F32(v.iter().map(|x| -x).collect()),
                (UnaryOp::Neg, Data::I64(v)) => {
                    Data::I64(v.iter().map(|x| x.checked_neg()).collect::<Option<_>>().ok_or_else(wrong)?)
                }
                (UnaryOp::Not, Data::Bool(v)) => Data::Bool(v.iter().map(|x| !x).collect()),
                _ => return Err(wrong()),
            };
            Tensor { shape: t.shape.clone(), data }.into()
        }
        _ => return Err(wrong()),
    })
}

/// A built-in function of scalars and arrays. Single-precision arrays are computed in double precision and rounded once. With
/// `int`, the result is of integers.
///
/// # Errors
/// In words: sizes or kinds that do not fit.
pub fn builtin(f: Builtin, args: &[Value], int: bool) -> Result<Value, String> {
    let mut shape: &[usize] = &[];
    let mut single = false;
    let mut columns = Vec::with_capacity(args.len());
    for a in args {
        if let Value::Tensor(t) = a {
            if !shape.is_empty() && shape.iter().product::<usize>() != t.len() {
                return Err(format!("the shapes do not fit: {} and {}", describe(shape), describe(&t.shape)));
            }
            if shape.is_empty() {
                shape = &t.shape;
            }
            single |= matches!(t.data, Data::F32(_));
        }
        columns.push((
            a.to_f64s().ok_or_else(|| format!("{} is no number", a.describe()))?,
            matches!(a, Value::Tensor(_)),
        ));
    }
    let n = shape.iter().product::<usize>();
    let mut point = vec![0.0; args.len()];
    let mut out = Vec::with_capacity(n);
    for k in 0..n {
        for (x, (column, array)) in point.iter_mut().zip(&columns) {
            *x = column.get(if *array { k } else { 0 }).copied().unwrap_or(f64::NAN);
        }
        out.push(f.eval(&point));
    }
    let data = if int {
        Data::I64(out.into_iter().map(|x| x as i64).collect())
    } else if single {
        Data::F32(out.into_iter().map(|x| x as f32).collect())
    } else {
        Data::F64(out)
    };
    Ok(Tensor { shape: shape.to_vec(), data }.into())
}

/// An int or truth value as a real, element by element.
#[must_use]
pub fn to_real(a: &Value) -> Value {
    match a {
        Value::Int(x) => Value::Real(*x as f64),
        Value::Bool(x) => Value::Real(f64::from(u8::from(*x))),
        Value::Tensor(t) if !matches!(t.data, Data::F64(_) | Data::F32(_)) => {
            Tensor { shape: t.shape.clone(), data: Data::F64(t.data.to_f64()) }.into()
        }
        other => other.clone(),
    }
}

/// A truth value as an int, element by element.
#[must_use]
pub fn to_int(a: &Value) -> Value {
    match a {
        Value::Bool(x) => Value::Int(i64::from(*x)),
        Value::Tensor(t) => match &t.data {
            Data::Bool(v) => {
                Tensor { shape: t.shape.clone(), data: Data::I64(v.iter().map(|&x| i64::from(x)).collect()) }.into()
            }
            _ => a.clone(),
        },
        other => other.clone(),
    }
}

/// `if c then a else b`, element by element.
///
/// # Errors
/// In words: sizes or kinds that do not fit.
pub fn select(cond: &Value, a: &Value, b: &Value) -> Result<Value, String> {
    let Value::Tensor(c) = cond else {
        return match cond {
            Value::Bool(true) => Ok(a.clone()),
            Value::Bool(false) => Ok(b.clone()),
            _ => Err(format!("{} is no truth value", cond.describe())),
        };
    };
    let Data::Bool(flags) = &c.data else { return Err(format!("{} holds no truth values", cond.describe())) };
    fn choose<T: Copy>(flags: &[bool], a: &Side<'_, T>, b: &Side<'_, T>) -> Vec<T> {
        flags.iter().enumerate().map(|(k, &c)| if c { a.at(k) } else { b.at(k) }).collect()
    }
    let fits = |v: &Value| v.shape().is_empty() || v.shape().iter().product::<usize>() == flags.len();
    if !fits(a) || !fits(b) {
        return Err(format!("the shapes do not fit: {}, {} and {}", cond.describe(), a.describe(), b.describe()));
    }
    let data = match (operand(a)?, operand(b)?) {
        (Operand::I64(_) | Operand::Int(_), Operand::I64(_) | Operand::Int(_)) => {
            let ints = |v: &Value| match v {
                Value::Int(x) => vec![*x; flags.len()],
                Value::Tensor(t) => match &t.data {
                    Data::I64(x) => x.clone(),
                    _ => Vec::new(),
                },
                _ => Vec::new(),
            };
            Data::I64(choose(flags, &Side::Many(&ints(a)), &Side::Many(&ints(b))))
        }
        (Operand::Flags(_) | Operand::Flag(_), Operand::Flags(_) | Operand::Flag(_)) => {
            let (x, y) = (repeated(a, flags.len()), repeated(b, flags.len()));
            Data::Bool(choose(flags, &Side::Many(&x), &Side::Many(&y)).into_iter().map(|x| x != 0.0).collect())
        }
        (x, y) => {
            let chosen = choose(flags, &Side::Many(&repeated(a, flags.len())), &Side::Many(&repeated(b, flags.len())));
            let single = |o: &Operand<'_>| matches!(o, Operand::F32(_));
            let narrow = |o: &Operand<'_>| matches!(o, Operand::F32(_) | Operand::Real(_));
            if (single(&x) || single(&y)) && narrow(&x) && narrow(&y) {
                Data::F32(chosen.into_iter().map(|x| x as f32).collect())
            } else {
                Data::F64(chosen)
            }
        }
    };
    Ok(Tensor { shape: c.shape.clone(), data }.into())
}

fn repeated(v: &Value, n: usize) -> Vec<f64> {
    match v {
        Value::Tensor(t) => t.data.to_f64(),
        _ => vec![v.as_f64().unwrap_or(f64::NAN); n],
    }
}

fn widen(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&v| f64::from(v)).collect()
}

enum Operand<'a> {
    Real(f64),
    Int(i64),
    Flag(bool),
    F64(&'a [f64]),
    F32(&'a [f32]),
    I64(&'a [i64]),
    Flags(&'a [bool]),
}

fn operand(v: &Value) -> Result<Operand<'_>, String> {
    Ok(match v {
        Value::Real(x) => Operand::Real(*x),
        Value::Int(x) => Operand::Int(*x),
        Value::Bool(x) => Operand::Flag(*x),
        Value::Tensor(t) => match &t.data {
            Data::F64(x) => Operand::F64(x),
            Data::F32(x) => Operand::F32(x),
            Data::I64(x) => Operand::I64(x),
            Data::Bool(x) => Operand::Flags(x),
        },
        Value::Str(_) | Value::Sample(_) | Value::None => return Err(format!("{} is no number", v.describe())),
    })
}

/// One number for all elements, or one for each.
#[derive(Clone, Copy)]
pub(super) enum Side<'a, T> {
    One(T),
    Many(&'a [T]),
}

impl<T: Copy> Side<'_, T> {
    fn at(&self, k: usize) -> T {
        match self {
            Self::One(x) => *x,
            Self::Many(v) => v[k],
        }
    }
}

/// One loop for each of the four shapes, so that the inner ones run over plain slices.
fn zip<T: Copy, U>(a: Side<'_, T>, b: Side<'_, T>, f: impl Fn(T, T) -> U) -> Option<Vec<U>> {
    Some(match (a, b) {
        (Side::One(x), Side::One(y)) => vec![f(x, y)],
        (Side::One(x), Side::Many(y)) => y.iter().map(|&y| f(x, y)).collect(),
        (Side::Many(x), Side::One(y)) => x.iter().map(|&x| f(x, y)).collect(),
        (Side::Many(x), Side::Many(y)) if x.len() == y.len() => x.iter().zip(y).map(|(&x, &y)| f(x, y)).collect(),
        (Side::Many(_), Side::Many(_)) => return None,
    })
}

fn misfit(a: &Value, b: &Value) -> String {
    format!("the shapes do not fit: {} and {}", describe(a.shape()), describe(b.shape()))
}

/// A floating-point kind of elements.
pub(super) trait Float: Copy + PartialOrd {
    /// An array of them.
    fn data(v: Vec<Self>) -> Data;
    /// `x op y` of an operation that gives a number.
    fn arithmetic(op: BinaryOp, x: Self, y: Self) -> Self;
}

macro_rules! float {
    ($t:ident, $variant:ident) => {
        impl Float for $t {
            fn data(v: Vec<Self>) -> Data {
                Data::$variant(v)
            }
            #[inline(always)]
            fn arithmetic(op: BinaryOp, x: Self, y: Self) -> Self {
                match op {
                    BinaryOp::Add => x + y,
                    BinaryOp::Sub => x - y,
                    BinaryOp::Mul => x * y,
                    BinaryOp::Div => x / y,
                    // The sign of the divisor.
                    BinaryOp::Mod => x - y * (x / y).floor(),
                    BinaryOp::Pow => libm::pow(f64::from(x), f64::from(y)) as $t,
                    _ => $t::NAN,
                }
            }
        }
    };
}

float!(f64, F64);
float!(f32, F32);

/// A comparison; `None` of other operations.
fn ordered<T: PartialOrd>(op: BinaryOp, x: T, y: T) -> Option<bool> {
    Some(match op {
        BinaryOp::Eq => x == y,
        BinaryOp::Ne => x != y,
        BinaryOp::Lt => x < y,
        BinaryOp::Le => x <= y,
        BinaryOp::Gt => x > y,
        BinaryOp::Ge => x >= y,
        _ => return None,
    })
}

fn reals(op: BinaryOp, x: f64, y: f64) -> Result<Value, String> {
    match op {
        BinaryOp::And | BinaryOp::Or => Err(NO_FLAGS.to_owned()),
        _ => Ok(ordered(op, x, y).map_or_else(|| Value::Real(f64::arithmetic(op, x, y)), Value::Bool)),
    }
}

/// The result of whole numbers; `None` if it is none or out of range.
fn whole(op: BinaryOp, x: i64, y: i64) -> Option<i64> {
    match op {
        BinaryOp::Add => x.checked_add(y),
        BinaryOp::Sub => x.checked_sub(y),
        BinaryOp::Mul => x.checked_mul(y),
        BinaryOp::Mod => x.checked_rem(y).map(|r| if r != 0 && (r < 0) != (y < 0) { r + y } else { r }),
        BinaryOp::Pow => u32::try_from(y).ok().and_then(|y| x.checked_pow(y)),
        _ => None,
    }
}

const NOT_WHOLE: &str =
    "the result is no whole number that can be held: a division by 0, a negative power, or too large";
const NO_FLAGS: &str = "`and` and `or` need truth values";

fn compare<T: PartialOrd + Copy>(op: BinaryOp, a: Side<'_, T>, b: Side<'_, T>) -> Option<Option<Vec<bool>>> {
    Some(match op {
        BinaryOp::Eq => zip(a, b, |x, y| x == y),
        BinaryOp::Ne => zip(a, b, |x, y| x != y),
        BinaryOp::Lt => zip(a, b, |x, y| x < y),
        BinaryOp::Le => zip(a, b, |x, y| x <= y),
        BinaryOp::Gt => zip(a, b, |x, y| x > y),
        BinaryOp::Ge => zip(a, b, |x, y| x >= y),
        _ => return None,
    })
}

fn pair<T: Float>(
    op: BinaryOp,
    x: Side<'_, T>,
    y: Side<'_, T>,
    shape: &[usize],
    a: &Value,
    b: &Value,
) -> Result<Value, String> {
    let fault = || misfit(a, b);
    let data = if let Some(flags) = compare(op, x, y) {
        Data::Bool(flags.ok_or_else(fault)?)
    } else {
        // The operation is fixed outside the loop.
        let out = match op {
            BinaryOp::Add => zip(x, y, |x, y| T::arithmetic(BinaryOp::Add, x, y)),
            BinaryOp::Sub => zip(x, y, |x, y| T::arithmetic(BinaryOp::Sub, x, y)),
            BinaryOp::Mul => zip(x, y, |x, y| T::arithmetic(BinaryOp::Mul, x, y)),
            BinaryOp::Div => zip(x, y, |x, y| T::arithmetic(BinaryOp::Div, x, y)),
            BinaryOp::Mod => zip(x, y, |x, y| T::arithmetic(BinaryOp::Mod, x, y)),
            BinaryOp::Pow => zip(x, y, |x, y| T::arithmetic(BinaryOp::Pow, x, y)),
            _ => return Err(NO_FLAGS.to_owned()),
        };
        T::data(out.ok_or_else(fault)?)
    };
    Ok(Tensor { shape: shape.to_vec(), data }.into())
}

fn ints(
    op: BinaryOp,
    x: Side<'_, i64>,
    y: Side<'_, i64>,
    shape: &[usize],
    a: &Value,
    b: &Value,
) -> Result<Value, String> {
    let data = if let Some(flags) = compare(op, x, y) {
        Data::Bool(flags.ok_or_else(|| misfit(a, b))?)
    } else {
        let out: Option<Vec<i64>> =
            zip(x, y, |x, y| whole(op, x, y)).ok_or_else(|| misfit(a, b))?.into_iter().collect();
        Data::I64(out.ok_or(NOT_WHOLE)?)
    };
    Ok(Tensor { shape: shape.to_vec(), data }.into())
}

fn flags(
    op: BinaryOp,
    x: Side<'_, bool>,
    y: Side<'_, bool>,
    shape: &[usize],
    a: &Value,
    b: &Value,
) -> Result<Value, String> {
    let out = match op {
        BinaryOp::And => zip(x, y, |x, y| x && y),
        BinaryOp::Or => zip(x, y, |x, y| x || y),
        BinaryOp::Eq => zip(x, y, |x, y| x == y),
        BinaryOp::Ne => zip(x, y, |x, y| x != y),
        _ => return Err("truth values have no arithmetic".to_owned()),
    };
    Ok(Tensor { shape: shape.to_vec(), data: Data::Bool(out.ok_or_else(|| misfit(a, b))?) }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(v: Data) -> Value {
        Tensor::list(v).into()
    }

    #[test]
    fn single_precision_arrays_stay_so_beside_scalars() {
        let w = list(Data::F32(vec![3.0, 0.1]));
        let r = binary(BinaryOp::Div, &Value::Real(78.4), &w).unwrap();
        assert_eq!(r, list(Data::F32(vec![78.4_f32 / 3.0, 78.4_f32 / 0.1])));
        let r = binary(BinaryOp::Add, &w, &list(Data::F64(vec![1.0, 1.0]))).unwrap();
        assert_eq!(r, list(Data::F64(vec![4.0, f64::from(0.1_f32) + 1.0])));
    }

    #[test]
    fn remainders_take_the_sign_of_the_divisor() {
        let r = |x, y| binary(BinaryOp::Mod, &Value::Int(x), &Value::Int(y));
        assert_eq!(r(-7, 5).unwrap(), Value::Int(3));
        assert_eq!(r(7, -5).unwrap(), Value::Int(-3));
        assert!(r(1, 0).is_err());
        assert_eq!(binary(BinaryOp::Mod, &Value::Real(-7.0), &Value::Real(5.0)).unwrap(), Value::Real(3.0));
    }

    #[test]
    fn integers_do_not_wrap() {
        assert!(binary(BinaryOp::Add, &Value::Int(i64::MAX), &Value::Int(1)).is_err());
        assert!(binary(BinaryOp::Pow, &Value::Int(2), &Value::Int(-1)).is_err());
    }

    #[test]
    fn comparisons_and_choices_go_element_by_element() {
        let x = list(Data::I64(vec![1, 5, 3]));
        let c = binary(BinaryOp::Gt, &x, &Value::Int(2)).unwrap();
        assert_eq!(c, list(Data::Bool(vec![false, true, true])));
        assert_eq!(select(&c, &x, &Value::Int(0)).unwrap(), list(Data::I64(vec![0, 5, 3])));
        assert_eq!(to_int(&c), list(Data::I64(vec![0, 1, 1])));
        let misfit = binary(BinaryOp::Add, &x, &list(Data::I64(vec![1, 2])));
        assert_eq!(misfit.unwrap_err(), "the shapes do not fit: 3 values and 2 values");
    }
}
