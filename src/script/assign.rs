//! Writes of protocols into network storage: in place, saturated by the variable's bounds, and never a NaN unnoticed.

use crate::script::ir::AssignOp;
use crate::script::machine::{SliceMut, ValuesMut};
use crate::script::tensor::Data;
use crate::simd::widest;

/// The right side of an assignment to a matrix of elements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Source<'a> {
    /// One value for all.
    Scalar(f64),
    /// One value for each column.
    PerColumn(&'a Data),
    /// One value for each row.
    PerRow(&'a Data),
    /// One value for each element, dense.
    Full(&'a Data),
}

/// What went wrong with a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFault {
    /// So many elements became NaN.
    Nan(usize),
    /// The sides have different sizes.
    Size,
    /// An element that does not exist.
    OutOfRange,
}

/// Assigns to all elements.
///
/// # Errors
/// See [`WriteFault`]; after [`WriteFault::Nan`] the other elements are written.
pub fn assign_all(target: &mut ValuesMut<'_>, op: AssignOp, source: Source<'_>) -> Result<(), WriteFault> {
    let (rows, cols, stride, bounds) = (target.rows, target.cols, target.stride, target.bounds);
    match &mut target.data {
        SliceMut::F32(d) => matrix::<f32>(d, rows, cols, stride, bounds, op, source),
        SliceMut::F64(d) => matrix::<f64>(d, rows, cols, stride, bounds, op, source),
    }
}

/// Assigns to the elements at these positions, counted row by row.
///
/// # Errors
/// See [`WriteFault`].
pub fn assign_at(
    target: &mut ValuesMut<'_>,
    at: &[usize],
    op: AssignOp,
    value: &dyn Fn(usize) -> Option<f64>,
) -> Result<(), WriteFault> {
    let (cols, stride, bounds) = (target.cols, target.stride, target.bounds);
    let size = target.rows * cols;
    let mut nans = 0;
    for (k, &place) in at.iter().enumerate() {
        if place >= size {
            return Err(WriteFault::OutOfRange);
        }
        let place = place / cols * stride + place % cols;
        let x = value(k).ok_or(WriteFault::Size)?;
        let ok = match &mut target.data {
            SliceMut::F32(d) => d.get_mut(place).map(|old| put(old, op, x as f32, bounds)),
            SliceMut::F64(d) => d.get_mut(place).map(|old| put(old, op, x, bounds)),
        };
        nans += usize::from(!ok.ok_or(WriteFault::OutOfRange)?);
    }
    if nans > 0 { Err(WriteFault::Nan(nans)) } else { Ok(()) }
}

/// Writes one element; false if it became NaN.
fn put<T: Float>(old: &mut T, op: AssignOp, x: T, bounds: Option<(f64, f64)>) -> bool {
    let y = match op {
        AssignOp::Set => x,
        AssignOp::Add => *old + x,
        AssignOp::Sub => *old - x,
        AssignOp::Mul => *old * x,
        AssignOp::Div => *old / x,
    };
    *old = match bounds {
        Some((lo, hi)) => y.saturate(T::of(lo), T::of(hi)),
        None => y,
    };
    !old.is_undefined()
}

/// A floating-point kind of storage.
pub(super) trait Float:
    Copy
    + PartialOrd
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
{
    /// A number, rounded.
    fn of(x: f64) -> Self;
    /// The elements of an array, rounded.
    fn of_data(data: &Data) -> std::borrow::Cow<'_, [Self]>;
    /// Whether this is no number.
    fn is_undefined(self) -> bool;
    /// A NaN stays one.
    fn saturate(self, lo: Self, hi: Self) -> Self {
        let low = if self < lo { lo } else { self };
        if low > hi { hi } else { low }
    }
}

impl Float for f32 {
    fn of(x: f64) -> Self {
        x as Self
    }
    fn is_undefined(self) -> bool {
        self.is_nan()
    }
    fn of_data(data: &Data) -> std::borrow::Cow<'_, [Self]> {
        match data {
            Data::F32(v) => v.as_slice().into(),
            Data::F64(v) => v.iter().map(|x| *x as Self).collect::<Vec<_>>().into(),
            other => other.to_f64().into_iter().map(|x| x as Self).collect::<Vec<_>>().into(),
        }
    }
}

impl Float for f64 {
    fn of(x: f64) -> Self {
        x
    }
    fn is_undefined(self) -> bool {
        self.is_nan()
    }
    fn of_data(data: &Data) -> std::borrow::Cow<'_, [Self]> {
        match data {
            Data::F64(v) => v.as_slice().into(),
            other => other.to_f64().into(),
        }
    }
}

fn matrix<T: Float>(
    data: &mut [T],
    rows: usize,
    cols: usize,
    stride: usize,
    bounds: Option<(f64, f64)>,
    op: AssignOp,
    source: Source<'_>,
) -> Result<(), WriteFault> {
    widest(
        #[inline(always)]
        || match op {
            AssignOp::Set => bounded(data, rows, cols, stride, bounds, source, |_, x| x),
            AssignOp::Add => bounded(data, rows, cols, stride, bounds, source, |a, x| a + x),
            AssignOp::Sub => bounded(data, rows, cols, stride, bounds, source, |a, x| a - x),
            AssignOp::Mul => bounded(data, rows, cols, stride, bounds, source, |a, x| a * x),
            AssignOp::Div => bounded(data, rows, cols, stride, bounds, source, |a, x| a / x),
        },
    )
}

#[inline(always)]
fn bounded<T: Float>(
    data: &mut [T],
    rows: usize,
    cols: usize,
    stride: usize,
    bounds: Option<(f64, f64)>,
    source: Source<'_>,
    f: impl Fn(T, T) -> T + Copy,
) -> Result<(), WriteFault> {
    match bounds {
        Some((lo, hi)) => {
            let (lo, hi) = (T::of(lo), T::of(hi));
            each_row(
                data,
                rows,
                cols,
                stride,
                source,
                #[inline(always)]
                move |a, x| f(a, x).saturate(lo, hi),
            )
        }
        None => each_row(data, rows, cols, stride, source, f),
    }
}

/// One loop per shape of the right side, each over plain slices.
#[inline(always)]
fn each_row<T: Float>(
    data: &mut [T],
    rows: usize,
    cols: usize,
    stride: usize,
    source: Source<'_>,
    f: impl Fn(T, T) -> T + Copy,
) -> Result<(), WriteFault> {
    let (values, need) = match source {
        Source::Scalar(_) => (None, 0),
        Source::PerColumn(d) => (Some(T::of_data(d)), cols),
        Source::PerRow(d) => (Some(T::of_data(d)), rows),
        Source::Full(d) => (Some(T::of_data(d)), rows * cols),
    };
    let values = values.as_deref().unwrap_or(&[]);
    if values.len() != need || (rows > 0 && data.len() < (rows - 1) * stride + cols) {
        return Err(WriteFault::Size);
    }
    let mut nans = 0_usize;
    for r in 0..rows {
        let row = &mut data[r * stride..r * stride + cols];
        // The count is of 32 bits so that the loop keeps the width of its elements.
        let mut bad = 0_u32;
        match source {
            Source::Scalar(x) => {
                let x = T::of(x);
                for a in row {
                    *a = f(*a, x);
                    bad += u32::from(a.is_undefined());
                }
            }
            Source::PerRow(_) => {
                let x = values[r];
                for a in row {
                    *a = f(*a, x);
                    bad += u32::from(a.is_undefined());
                }
            }
            Source::PerColumn(_) | Source::Full(_) => {
                let start = if matches!(source, Source::Full(_)) { r * cols } else { 0 };
                for (a, &x) in row.iter_mut().zip(&values[start..start + cols]) {
                    *a = f(*a, x);
                    bad += u32::from(a.is_undefined());
                }
            }
        }
        nans += bad as usize;
    }
    if nans > 0 { Err(WriteFault::Nan(nans)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(data: &mut [f32], rows: usize, cols: usize, stride: usize, bounds: Option<(f64, f64)>) -> ValuesMut<'_> {
        ValuesMut { data: SliceMut::F32(data), rows, cols, stride, bounds }
    }

    #[test]
    fn a_factor_per_column_saturates_and_leaves_the_padding() {
        let mut w = [0.25_f32, 0.5, 7.0, 0.75, 1.0, 7.0];
        let scale = Data::F32(vec![2.0, 0.5]);
        assign_all(&mut target(&mut w, 2, 2, 3, Some((0.0, 1.0))), AssignOp::Mul, Source::PerColumn(&scale)).unwrap();
        assert_eq!(w, [0.5, 0.25, 7.0, 1.0, 0.5, 7.0]);
        let rows = Data::F64(vec![0.25, -3.0]);
        assign_all(&mut target(&mut w, 2, 2, 3, Some((0.0, 1.0))), AssignOp::Add, Source::PerRow(&rows)).unwrap();
        assert_eq!(w, [0.75, 0.5, 7.0, 0.0, 0.0, 7.0]);
    }

    #[test]
    fn nan_and_wrong_sizes_are_told() {
        let mut w = [0.0_f32, 1.0];
        let scale = Data::F64(vec![f64::INFINITY, 1.0]);
        let r = assign_all(&mut target(&mut w, 1, 2, 2, Some((0.0, 1.0))), AssignOp::Mul, Source::PerColumn(&scale));
        assert_eq!(r, Err(WriteFault::Nan(1)));
        let r = assign_all(&mut target(&mut w, 1, 2, 2, None), AssignOp::Set, Source::Full(&Data::F64(vec![1.0])));
        assert_eq!(r, Err(WriteFault::Size));
    }

    #[test]
    fn single_elements_are_found_behind_the_padding() {
        let mut w = [1.0_f32, 2.0, 9.0, 3.0, 4.0, 9.0];
        assign_at(&mut target(&mut w, 2, 2, 3, None), &[3, 0], AssignOp::Sub, &|k| Some(k as f64 + 1.0)).unwrap();
        assert_eq!(w, [-1.0, 2.0, 9.0, 3.0, 3.0, 9.0]);
        let r = assign_at(&mut target(&mut w, 2, 2, 3, None), &[4], AssignOp::Set, &|_| Some(0.0));
        assert_eq!(r, Err(WriteFault::OutOfRange));
    }
}
