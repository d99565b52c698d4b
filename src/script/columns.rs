//! Single columns of a matrix brought to a sum where they lie.
//!
//! The elements of a column are a row apart, each in a cache line of its own: they are read once, side by side into a buffer where
//! whole vectors of them are summed and scaled, and written back once. Sums have the order of [`super::reduce`], so a column
//! has the bits that it gets when all columns are summed and scaled.

use crate::script::assign::{Float, WriteFault};
use crate::script::machine::{SliceMut, ValuesMut};
use crate::script::reduce::fold_flat;
use crate::simd::widest;

/// Room for the elements of a column, kept from one normalisation to the next.
#[derive(Default)]
pub(crate) struct Room {
    single: Vec<f32>,
    double: Vec<f64>,
}

/// Multiplies each of some columns by `total` divided by its sum; gives those in which a bound stopped an element.
///
/// # Errors
/// See [`WriteFault`]; after [`WriteFault::Nan`] the other elements are written.
pub(super) fn normalise_columns(
    target: &mut ValuesMut<'_>,
    columns: &[u32],
    total: f64,
    room: &mut Room,
) -> Result<Vec<u32>, WriteFault> {
    let (shape, bounds) = ((target.rows, target.stride), target.bounds);
    match &mut target.data {
        SliceMut::F32(d) => normalise::<f32, 16>(d, shape, columns, total, bounds, &mut room.single),
        SliceMut::F64(d) => normalise::<f64, 8>(d, shape, columns, total, bounds, &mut room.double),
    }
}

fn normalise<T: Float, const LANES: usize>(
    data: &mut [T],
    (rows, stride): (usize, usize),
    columns: &[u32],
    total: f64,
    bounds: Option<(f64, f64)>,
    values: &mut Vec<T>,
) -> Result<Vec<u32>, WriteFault> {
    let (lo, hi) = bounds.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
    let (total, bounds) = (T::of(total), (T::of(lo), T::of(hi)));
    let mut stopped = Vec::new();
    let mut nans = 0;
    if !columns.is_empty() {
        values.resize(rows, T::of(0.0));
    }
    for column in columns {
        let elements = data.get_mut(*column as usize..).ok_or(WriteFault::OutOfRange)?;
        if rows > 0 && elements.len() <= (rows - 1) * stride {
            return Err(WriteFault::OutOfRange);
        }
        let (stops, undefined) = widest(
            #[inline(always)]
            || one::<T, LANES>(elements, stride.max(1), values, total, bounds),
        );
        if stops {
            stopped.push(*column);
        }
        nans += undefined;
    }
    if nans > 0 { Err(WriteFault::Nan(nans)) } else { Ok(stopped) }
}

/// Scales the elements that lie at multiples of `stride`, as many as `values` has places: whether a bound stopped one, and how many are no numbers
/// now.
#[inline(always)]
fn one<T: Float, const LANES: usize>(
    elements: &mut [T],
    stride: usize,
    values: &mut [T],
    total: T,
    (lo, hi): (T, T),
) -> (bool, usize) {
    let Some(before) = values.len().checked_sub(1) else { return (false, 0) };
    // The last row ends somewhere behind the column.
    let (body, end) = elements.split_at_mut(before * stride);
    let (firsts, last) = values.split_at_mut(before);
    for (value, row) in firsts.iter_mut().zip(body.chunks_exact(stride)) {
        *value = row[0];
    }
    last[0] = end[0];
    let factor = total
        / fold_flat::<_, LANES>(
            [&*values].into_iter(),
            T::of(0.0),
            #[inline(always)]
            |sum, x| sum + x,
            #[inline(always)]
            |x, y| x + y,
        );
    // Counts of 32 bits, so that the loop keeps the width of its elements.
    let (mut stops, mut undefined) = (0_u32, 0_u32);
    for value in values.iter_mut() {
        let free = *value * factor;
        *value = free.saturate(lo, hi);
        // What is no number differs from itself.
        stops |= u32::from(*value != free);
        undefined += u32::from(value.is_undefined());
    }
    let (firsts, last) = values.split_at(before);
    end[0] = last[0];
    // From the end on: it was read last, and is still in the nearest cache.
    for (value, row) in firsts.iter().zip(body.chunks_exact_mut(stride)).rev() {
        row[0] = *value;
    }
    (stops != 0, undefined as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::assign::{Source, assign_all};
    use crate::script::ir::{AssignOp, BinaryOp, Reduction};
    use crate::script::machine::{Slice, Values};
    use crate::script::ops;
    use crate::script::reduce::{MatrixOver, reduce_values};
    use crate::script::tensor::Value;

    fn target(data: &mut [f32], rows: usize, cols: usize, stride: usize, bounds: Option<(f64, f64)>) -> ValuesMut<'_> {
        ValuesMut { data: SliceMut::F32(data), rows, cols, stride, bounds }
    }

    /// Columns brought to a sum are those of the matrix summed and scaled as a whole, to the last bit; the others stay.
    #[test]
    fn some_columns_are_scaled_as_all_are() {
        let mut room = Room::default();
        for rows in [17, 1, 5, 16, 40, 100] {
            let (cols, stride) = (5, 8);
            // The last row without its padding.
            let len = (rows - 1) * stride + cols;
            let before: Vec<f32> = (0..len).map(|k| (k as f32 * 0.37).sin().abs() + 0.1).collect();
            let (columns, total) = ([1_u32, 4], 0.6 * rows as f64);
            let mut all = before.clone();
            let values = Values { data: Slice::F32(&before), rows, cols, stride };
            let sums = reduce_values(Reduction::Sum, &values, MatrixOver::Rows).unwrap();
            let Value::Tensor(factors) = ops::binary(BinaryOp::Div, &Value::Real(total), &sums).unwrap() else {
                panic!()
            };
            let source = Source::PerColumn(&factors.data);
            assign_all(&mut target(&mut all, rows, cols, stride, Some((0.0, 0.7))), AssignOp::Mul, source).unwrap();
            let mut some = before.clone();
            let mut to = target(&mut some, rows, cols, stride, Some((0.0, 0.7)));
            let stopped = normalise_columns(&mut to, &columns, total, &mut room).unwrap();
            for (k, x) in some.iter().enumerate() {
                let expected = if columns.contains(&((k % stride) as u32)) { all[k] } else { before[k] };
                assert_eq!(x.to_bits(), expected.to_bits(), "{rows} rows, element {k}");
            }
            let reached = |c: &u32| some.iter().skip(*c as usize).step_by(stride).any(|x| *x == 0.7);
            assert_eq!(stopped, columns.into_iter().filter(reached).collect::<Vec<_>>(), "{rows} rows");
        }
    }

    #[test]
    fn sums_of_zero_and_columns_that_are_not_there_are_told() {
        let room = &mut Room::default();
        let mut w = [0.0_f32, 1.0, 0.0, 3.0];
        let to = &mut target(&mut w, 2, 2, 2, Some((0.0, 1.0)));
        assert_eq!(normalise_columns(to, &[0, 1], 1.0, room), Err(WriteFault::Nan(2)));
        assert_eq!(normalise_columns(to, &[2], 1.0, room), Err(WriteFault::OutOfRange));
        assert_eq!((w[1], w[3]), (0.25, 0.75));
        let to = &mut target(&mut [], 0, 2, 2, None);
        assert_eq!(normalise_columns(to, &[], 1.0, room), Ok(Vec::new()));
    }
}
