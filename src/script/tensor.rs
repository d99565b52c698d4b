//! The values of protocols: numbers, texts, arrays, samples of data sets.
//!
//! Alignment of axes is explicit in the protocol IR, so a value knows only the lengths of its axes, not what runs along them.
//! Invariants:
//! - an array's data is dense and row-major, its length the product of its shape, and it has at least one axis;
//! - numbers are in internal units (ms, mV, pA, …); units are gone before a protocol runs;
//! - arrays are values: assigning or passing one copies it (or shares what nobody can change).

use std::sync::Arc;

use crate::hir::DataId;
use crate::script::ir::Split;
use crate::script::machine::{Slice, Values};

/// The elements of an array.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Reals.
    F64(Vec<f64>),
    /// Reals of a network in single precision: they stay single when combined with scalars.
    F32(Vec<f32>),
    /// Integers.
    I64(Vec<i64>),
    /// Truth values.
    Bool(Vec<bool>),
}

/// Runs one expression for whichever kind of elements an array has.
macro_rules! each_kind {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            $crate::script::tensor::Data::F64($v) => $body,
            $crate::script::tensor::Data::F32($v) => $body,
            $crate::script::tensor::Data::I64($v) => $body,
            $crate::script::tensor::Data::Bool($v) => $body,
        }
    };
}

/// The same, giving an array of the same kind.
macro_rules! map_kind {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            $crate::script::tensor::Data::F64($v) => $crate::script::tensor::Data::F64($body),
            $crate::script::tensor::Data::F32($v) => $crate::script::tensor::Data::F32($body),
            $crate::script::tensor::Data::I64($v) => $crate::script::tensor::Data::I64($body),
            $crate::script::tensor::Data::Bool($v) => $crate::script::tensor::Data::Bool($body),
        }
    };
}

impl Data {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        each_kind!(self, v => v.len())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One element as a scalar; `None` past the end.
    #[must_use]
    pub fn get(&self, k: usize) -> Option<Value> {
        Some(match self {
            Self::F64(v) => Value::Real(*v.get(k)?),
            Self::F32(v) => Value::Real(f64::from(*v.get(k)?)),
            Self::I64(v) => Value::Int(*v.get(k)?),
            Self::Bool(v) => Value::Bool(*v.get(k)?),
        })
    }

    /// All elements as `f64`, in the memory that they have if that is what they are.
    #[must_use]
    pub fn into_f64(self) -> Vec<f64> {
        match self {
            Self::F64(v) => v,
            other => other.to_f64(),
        }
    }

    /// All elements as reals.
    #[must_use]
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            Self::F64(v) => v.clone(),
            Self::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Self::I64(v) => v.iter().map(|&x| x as f64).collect(),
            Self::Bool(v) => v.iter().map(|&x| f64::from(u8::from(x))).collect(),
        }
    }

    /// These elements and others after them. Of different kinds they become reals in double precision.
    #[must_use]
    pub fn followed_by(self, more: Self) -> Self {
        match (self, more) {
            (Self::F64(a), Self::F64(b)) => Self::F64([a, b].concat()),
            (Self::F32(a), Self::F32(b)) => Self::F32([a, b].concat()),
            (Self::I64(a), Self::I64(b)) => Self::I64([a, b].concat()),
            (Self::Bool(a), Self::Bool(b)) => Self::Bool([a, b].concat()),
            (a, b) => Self::F64([a.to_f64(), b.to_f64()].concat()),
        }
    }

    /// The elements at these positions, in this order; `None` if one is past the end.
    #[must_use]
    pub fn gather(&self, at: impl Iterator<Item = usize>) -> Option<Self> {
        Some(map_kind!(self, v => at.map(|k| v.get(k).copied()).collect::<Option<Vec<_>>>()?))
    }
}

/// An array: lengths of its axes from the outermost in, elements row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// The lengths of its axes; at least one.
    pub shape: Vec<usize>,
    /// Its elements.
    pub data: Data,
}

impl Tensor {
    /// An array; `None` if the number of elements is not the product of the shape.
    #[must_use]
    pub fn new(shape: Vec<usize>, data: Data) -> Option<Self> {
        (shape.iter().product::<usize>() == data.len()).then_some(Self { shape, data })
    }

    /// An array with one axis.
    #[must_use]
    pub fn list(data: Data) -> Self {
        Self { shape: vec![data.len()], data }
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether it has no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }
}

/// A shape in words: `784 x 400`, `400 values`, `one value`.
#[must_use]
pub fn describe(shape: &[usize]) -> String {
    match shape {
        [] => "one value".to_owned(),
        [n] => format!("{n} values"),
        _ => shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" x "),
    }
}

/// One sample of a data set: its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SampleRef {
    /// The data set.
    pub data: DataId,
    /// The split.
    pub split: Split,
    /// Its number in the split as stored (not its place in a slice or permutation).
    pub index: usize,
}

/// A value of a protocol.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A real number in internal units.
    Real(f64),
    /// An integer.
    Int(i64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Str(Arc<str>),
    /// An array.
    Tensor(Arc<Tensor>),
    /// A sample of a data set.
    Sample(SampleRef),
    /// Nothing: what a procedure without `return` gives.
    None,
}

impl From<Tensor> for Value {
    fn from(t: Tensor) -> Self {
        if t.shape.is_empty() { t.data.get(0).unwrap_or(Self::None) } else { Self::Tensor(Arc::new(t)) }
    }
}

impl Value {
    /// A number as a real (truth values are 0 and 1); `None` for anything else.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Real(x) => Some(*x),
            Self::Int(x) => Some(*x as f64),
            Self::Bool(x) => Some(f64::from(u8::from(*x))),
            Self::Str(_) | Self::Tensor(_) | Self::Sample(_) | Self::None => None,
        }
    }

    /// All elements as reals, in order; `None` for texts and samples.
    #[must_use]
    pub fn to_f64s(&self) -> Option<Vec<f64>> {
        match self {
            Self::Tensor(t) => Some(t.data.to_f64()),
            _ => self.as_f64().map(|x| vec![x]),
        }
    }

    /// The lengths of its axes; none for a scalar.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Tensor(t) => &t.shape,
            _ => &[],
        }
    }

    /// What it is, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Real(_) => "a real number".to_owned(),
            Self::Int(_) => "a whole number".to_owned(),
            Self::Bool(_) => "a truth value".to_owned(),
            Self::Str(_) => "a text".to_owned(),
            Self::Tensor(t) => format!("an array ({})", describe(&t.shape)),
            Self::Sample(_) => "a sample".to_owned(),
            Self::None => "nothing".to_owned(),
        }
    }
}

/// Copies network values into dense data, without the padding between rows.
#[must_use]
pub fn copy_values(values: &Values<'_>) -> Data {
    fn rows_of<T: Copy>(data: &[T], v: &Values<'_>) -> Vec<T> {
        let mut out = Vec::with_capacity(v.rows * v.cols);
        for r in 0..v.rows {
            if let Some(row) = data.get(r * v.stride..r * v.stride + v.cols) {
                out.extend_from_slice(row);
            }
        }
        out
    }
    match values.data {
        Slice::F32(d) => Data::F32(rows_of(d, values)),
        Slice::F64(d) => Data::F64(rows_of(d, values)),
        Slice::Uniform(x) => Data::F64(vec![x; values.rows * values.cols]),
    }
}

/// Distances between neighbours along each axis of a dense row-major array.
#[must_use]
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut out = vec![1; shape.len()];
    for k in (0..shape.len().saturating_sub(1)).rev() {
        out[k] = out[k + 1] * shape[k + 1];
    }
    out
}

/// Calls `visit` with the offset of every element of a `shape` walked with these distances, in row-major order.
pub fn walk(shape: &[usize], strides: &[usize], start: usize, visit: &mut impl FnMut(usize)) {
    match (shape.split_first(), strides.split_first()) {
        (Some((&n, shape)), Some((&d, strides))) => {
            for k in 0..n {
                walk(shape, strides, start + k * d, visit);
            }
        }
        _ => visit(start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padded_rows_are_copied_without_their_padding() {
        let data = [1.0_f32, 2.0, 9.0, 3.0, 4.0, 9.0];
        let v = Values { data: Slice::F32(&data), rows: 2, cols: 2, stride: 3 };
        assert_eq!(copy_values(&v), Data::F32(vec![1.0, 2.0, 3.0, 4.0]));
        let v = Values { data: Slice::Uniform(2.5), rows: 1, cols: 3, stride: 3 };
        assert_eq!(copy_values(&v), Data::F64(vec![2.5; 3]));
    }

    #[test]
    fn a_walk_visits_a_transposed_array_in_order() {
        let mut seen = Vec::new();
        walk(&[3, 2], &[1, 3], 0, &mut |k| seen.push(k));
        assert_eq!(seen, [0, 3, 1, 4, 2, 5]);
        assert_eq!(strides(&[4, 3, 2]), [6, 2, 1]);
    }

    #[test]
    fn an_array_needs_as_many_elements_as_its_shape() {
        assert!(Tensor::new(vec![2, 2], Data::I64(vec![1, 2, 3])).is_none());
        assert_eq!(Tensor::new(vec![3], Data::I64(vec![1, 2, 3])).unwrap().len(), 3);
    }
}
