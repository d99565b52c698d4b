//! Reductions: sums, means, extremes over whole arrays or some of their axes.
//!
//! The order of additions is fixed and independent of vector widths and threads: element number k of what is reduced goes to
//! accumulator `k mod 16` (`f32`) or `k mod 8` (`f64`), in order; then the accumulators are combined by halving (`a[i] + a[i + 8]`,
//! `a[i] + a[i + 4]`, …). It is the same whether the elements lie side by side or a row apart, so a column of a padded matrix is
//! summed where it lies. Sums of integers are exact or refused.

use std::borrow::Cow;

use crate::script::ir::Reduction;
use crate::script::machine::{Slice, Values};
use crate::script::tensor::{Data, Tensor, Value, copy_values, strides, walk};
use crate::simd::widest;

/// Over what a matrix is reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatrixOver {
    /// Everything, row by row: a scalar.
    All,
    /// The rows: one value for each column.
    Rows,
    /// The columns: one value for each row.
    Columns,
}

/// Reduces network values where they lie.
///
/// # Errors
/// In words: a mean or an extreme of no values.
pub fn reduce_values(op: Reduction, values: &Values<'_>, over: MatrixOver) -> Result<Value, String> {
    let (rows, cols, stride) = (values.rows, values.cols, values.stride);
    let data = match values.data {
        Slice::F32(d) => reduce_matrix(op, &Matrix { data: d, rows, cols, stride }, over)?,
        Slice::F64(d) => reduce_matrix(op, &Matrix { data: d, rows, cols, stride }, over)?,
        Slice::Uniform(_) => {
            let Data::F64(d) = copy_values(values) else { return Err("a uniform variable is not of reals".to_owned()) };
            reduce_matrix(op, &Matrix { data: &d, rows, cols, stride: cols }, over)?
        }
    };
    finish(data, over == MatrixOver::All)
}

/// Reduces an array over these axes (ascending), or over all of them.
///
/// # Errors
/// In words: a mean or an extreme of no values, a sum of integers that does not fit.
pub fn reduce_tensor(op: Reduction, tensor: &Tensor, axes: Option<&[usize]>) -> Result<Value, String> {
    let Some(axes) = axes else {
        let n = tensor.len();
        return finish(reduce_data(op, &tensor.data, (1, n), MatrixOver::Columns)?, true);
    };
    let all: Vec<usize> = (0..tensor.shape.len()).collect();
    let kept: Vec<usize> = all.iter().copied().filter(|k| !axes.contains(k)).collect();
    let shape: Vec<usize> = kept.iter().map(|&k| tensor.shape[k]).collect();
    let inner: usize = axes.iter().map(|&k| tensor.shape[k]).product();
    let outer: usize = shape.iter().product();
    // Two axes of a matrix, and whole arrays, are reduced where they lie; anything else is first brought to (kept, reduced).
    let (rows, cols, over, moved) = if kept.is_empty() {
        (1, inner, MatrixOver::Columns, None)
    } else if axes == [0] {
        (inner, outer, MatrixOver::Rows, None)
    } else if axes.iter().enumerate().all(|(k, &a)| a == k + kept.len()) {
        (outer, inner, MatrixOver::Columns, None)
    } else {
        let from = strides(&tensor.shape);
        let order: Vec<usize> = kept.iter().chain(axes).copied().collect();
        let mut at = Vec::with_capacity(tensor.len());
        walk(&pick(&tensor.shape, &order), &pick(&from, &order), 0, &mut |k| at.push(k));
        (outer, inner, MatrixOver::Columns, tensor.data.gather(at.into_iter()))
    };
    let data = reduce_data(op, moved.as_ref().unwrap_or(&tensor.data), (rows, cols), over)?;
    if kept.is_empty() {
        return finish(data, true);
    }
    Tensor::new(shape, data).map(Value::from).ok_or_else(|| "a reduction lost elements".to_owned())
}

/// Reduces a dense matrix.
fn reduce_data(op: Reduction, data: &Data, (rows, cols): (usize, usize), over: MatrixOver) -> Result<Data, String> {
    match data {
        Data::F32(d) => reduce_matrix(op, &Matrix { data: d, rows, cols, stride: cols }, over),
        Data::F64(d) => reduce_matrix(op, &Matrix { data: d, rows, cols, stride: cols }, over),
        Data::I64(d) => reduce_ints(op, &Matrix { data: d, rows, cols, stride: cols }, over),
        Data::Bool(d) => {
            let ints: Vec<i64> = d.iter().map(|&b| i64::from(b)).collect();
            reduce_ints(op, &Matrix { data: &ints, rows, cols, stride: cols }, over)
        }
    }
}

/// Reduces elements by group: element k belongs to group `group[k]`, of which there are `groups`.
///
/// # Errors
/// As [`reduce_tensor`]; groups may be empty only for sums and counts.
pub fn reduce_groups(op: Reduction, data: &Data, group: &[u32], groups: usize) -> Result<Value, String> {
    let mut start = vec![0_usize; groups + 1];
    for &g in group {
        *start.get_mut(g as usize + 1).ok_or("a synapse lies outside its projection")? += 1;
    }
    for g in 0..groups {
        start[g + 1] += start[g];
    }
    let (mut at, mut order) = (start.clone(), vec![0_usize; group.len()]);
    for (k, &g) in group.iter().enumerate() {
        order[at[g as usize]] = k;
        at[g as usize] += 1;
    }
    let sorted = data.gather(order.into_iter()).ok_or("a projection's synapses and values differ in number")?;
    let mut parts = Vec::with_capacity(groups);
    for g in 0..groups {
        let range = start[g]..start[g + 1];
        let cols = range.len();
        parts.push(match &sorted {
            Data::F32(d) => {
                reduce_matrix(op, &Matrix { data: &d[range], rows: 1, cols, stride: cols }, MatrixOver::Columns)?
            }
            Data::F64(d) => {
                reduce_matrix(op, &Matrix { data: &d[range], rows: 1, cols, stride: cols }, MatrixOver::Columns)?
            }
            Data::I64(d) => {
                reduce_ints(op, &Matrix { data: &d[range], rows: 1, cols, stride: cols }, MatrixOver::Columns)?
            }
            Data::Bool(d) => {
                let ints: Vec<i64> = d[range].iter().map(|&b| i64::from(b)).collect();
                reduce_ints(op, &Matrix { data: &ints, rows: 1, cols, stride: cols }, MatrixOver::Columns)?
            }
        });
    }
    concat(parts)
        .map(|d| Value::from(Tensor::list(d)))
        .ok_or_else(|| "the groups of a reduction differ in kind".to_owned())
}

/// For each group the end (one of `ends`, by element) of its first element that none beats: the neuron with the strongest synapse.
///
/// # Errors
/// In words: a group without elements.
pub fn best_ends(op: Reduction, data: &Data, group: &[u32], groups: usize, ends: &[u32]) -> Result<Value, String> {
    let x = data.to_f64();
    let mut best: Vec<Option<usize>> = vec![None; groups];
    for (k, (&g, &new)) in group.iter().zip(&x).enumerate() {
        let place = best.get_mut(g as usize).ok_or("a synapse lies outside its projection")?;
        let beats = |old: usize| match x.get(old) {
            Some(&old) if op == Reduction::Argmax => new > old,
            Some(&old) => new < old,
            None => true,
        };
        if place.is_none_or(beats) {
            *place = Some(k);
        }
    }
    let end = |k: Option<usize>| k.and_then(|k| ends.get(k)).map(|&e| i64::from(e));
    let found = best.into_iter().map(end).collect::<Option<Vec<i64>>>();
    let found = found.ok_or_else(|| format!("`{}` of no values: a neuron has no synapses", op.name()))?;
    Ok(Tensor::list(Data::I64(found)).into())
}

fn pick(from: &[usize], order: &[usize]) -> Vec<usize> {
    order.iter().map(|&k| from[k]).collect()
}

fn concat(parts: Vec<Data>) -> Option<Data> {
    let mut parts = parts.into_iter();
    let mut first = parts.next().unwrap_or(Data::F64(Vec::new()));
    for part in parts {
        match (&mut first, part) {
            (Data::F64(a), Data::F64(b)) => a.extend(b),
            (Data::F32(a), Data::F32(b)) => a.extend(b),
            (Data::I64(a), Data::I64(b)) => a.extend(b),
            _ => return None,
        }
    }
    Some(first)
}

fn finish(data: Data, scalar: bool) -> Result<Value, String> {
    if scalar {
        data.get(0).ok_or_else(|| "a reduction gave nothing".to_owned())
    } else {
        Ok(Tensor::list(data).into())
    }
}

/// Element (r, c) is `data[r*stride + c]`.
struct Matrix<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    stride: usize,
}

impl<'a, T: Copy> Matrix<'a, T> {
    fn row(&self, r: usize) -> &'a [T] {
        &self.data[r * self.stride..r * self.stride + self.cols]
    }

    /// The elements reduced to number `k` of the result, side by side.
    fn part(&self, over: MatrixOver, k: usize) -> Cow<'a, [T]> {
        match over {
            MatrixOver::All => (0..self.rows).flat_map(|r| self.row(r).iter().copied()).collect(),
            MatrixOver::Rows => (0..self.rows).map(|r| self.row(r)[k]).collect(),
            MatrixOver::Columns => self.row(k).into(),
        }
    }

    /// Number of results, and of elements reduced to each.
    fn counts(&self, over: MatrixOver) -> (usize, usize) {
        match over {
            MatrixOver::All => (1, self.rows * self.cols),
            MatrixOver::Rows => (self.cols, self.rows),
            MatrixOver::Columns => (self.rows, self.cols),
        }
    }
}

/// A floating-point kind with its accumulators.
trait Real:
    Copy + PartialOrd + std::ops::Add<Output = Self> + std::ops::Sub<Output = Self> + std::ops::Mul<Output = Self>
{
    const ZERO: Self;
    const LOWEST: Self;
    const HIGHEST: Self;
    fn from_count(n: usize) -> Self;
    fn div(self, o: Self) -> Self;
    fn root(self) -> Self;
    fn is_nan(self) -> bool;
    fn data(v: Vec<Self>) -> Data;
    /// Folds each result's elements through its accumulators.
    fn fold(
        m: &Matrix<'_, Self>,
        over: MatrixOver,
        init: Self,
        step: impl Fn(Self, Self) -> Self + Copy,
        merge: impl Fn(Self, Self) -> Self + Copy,
    ) -> Vec<Self>;
}

macro_rules! real {
    ($t:ident, $lanes:literal, $variant:ident) => {
        impl Real for $t {
            const ZERO: Self = 0.0;
            const LOWEST: Self = $t::NEG_INFINITY;
            const HIGHEST: Self = $t::INFINITY;
            fn from_count(n: usize) -> Self {
                n as $t
            }
            fn div(self, o: Self) -> Self {
                self / o
            }
            fn root(self) -> Self {
                self.sqrt()
            }
            fn is_nan(self) -> bool {
                self.is_nan()
            }
            fn data(v: Vec<Self>) -> Data {
                Data::$variant(v)
            }
            fn fold(
                m: &Matrix<'_, Self>,
                over: MatrixOver,
                init: Self,
                step: impl Fn(Self, Self) -> Self + Copy,
                merge: impl Fn(Self, Self) -> Self + Copy,
            ) -> Vec<Self> {
                widest(
                    #[inline(always)]
                    || match over {
                        MatrixOver::Rows => fold_rows::<$t, $lanes>(m, init, step, merge),
                        MatrixOver::Columns => (0..m.rows)
                            .map(|r| fold_flat::<$t, $lanes>([m.row(r)].into_iter(), init, step, merge))
                            .collect(),
                        MatrixOver::All => {
                            vec![fold_flat::<$t, $lanes>((0..m.rows).map(|r| m.row(r)), init, step, merge)]
                        }
                    },
                )
            }
        }
    };
}

real!(f32, 16, F32);
real!(f64, 8, F64);

/// Combines accumulators by halving.
#[inline(always)]
fn tree<T: Copy, const LANES: usize>(mut acc: [T; LANES], merge: impl Fn(T, T) -> T) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            acc[i] = merge(acc[i], acc[i + half]);
        }
        half /= 2;
    }
    acc[0]
}

/// Folds pieces that count as one run of elements.
#[inline(always)]
pub(super) fn fold_flat<'a, T: Copy + 'a, const LANES: usize>(
    pieces: impl Iterator<Item = &'a [T]>,
    init: T,
    step: impl Fn(T, T) -> T + Copy,
    merge: impl Fn(T, T) -> T,
) -> T {
    let mut acc = [init; LANES];
    let mut phase = 0;
    for piece in pieces {
        // Up to the next multiple of the lanes one by one, then whole groups.
        let head = ((LANES - phase) % LANES).min(piece.len());
        let (head, rest) = piece.split_at(head);
        for &x in head {
            acc[phase] = step(acc[phase], x);
            phase = (phase + 1) % LANES;
        }
        let mut groups = rest.chunks_exact(LANES);
        for group in &mut groups {
            for (a, &x) in acc.iter_mut().zip(group) {
                *a = step(*a, x);
            }
        }
        for &x in groups.remainder() {
            acc[phase] = step(acc[phase], x);
            phase += 1;
        }
    }
    tree(acc, merge)
}

/// Folds every column over the rows, in blocks of columns whose accumulators stay in the first-level cache.
#[inline(always)]
fn fold_rows<T: Copy, const LANES: usize>(
    m: &Matrix<'_, T>,
    init: T,
    step: impl Fn(T, T) -> T + Copy,
    merge: impl Fn(T, T) -> T + Copy,
) -> Vec<T> {
    const BLOCK: usize = 64;
    let mut out = Vec::with_capacity(m.cols);
    let mut first = 0;
    while first < m.cols {
        let width = BLOCK.min(m.cols - first);
        let mut acc = [[init; BLOCK]; LANES];
        for r in 0..m.rows {
            let row = &m.row(r)[first..first + width];
            let lane = &mut acc[r % LANES];
            if let (Ok(row), true) = (<&[T; BLOCK]>::try_from(row), width == BLOCK) {
                for (a, &x) in lane.iter_mut().zip(row) {
                    *a = step(*a, x);
                }
            } else {
                for (a, &x) in lane.iter_mut().zip(row) {
                    *a = step(*a, x);
                }
            }
        }
        out.extend((0..width).map(|c| tree(std::array::from_fn::<T, LANES, _>(|l| acc[l][c]), merge)));
        first += width;
    }
    out
}

fn reduce_matrix<T: Real>(op: Reduction, m: &Matrix<'_, T>, over: MatrixOver) -> Result<Data, String> {
    let (results, n) = m.counts(over);
    let sum = |m: &Matrix<'_, T>| T::fold(m, over, T::ZERO, |a, x| a + x, |a, b| a + b);
    if n == 0 && results > 0 && !matches!(op, Reduction::Sum | Reduction::Norm | Reduction::Count) {
        return Err(format!("`{}` of no values", op.name()));
    }
    Ok(match op {
        Reduction::Sum => T::data(sum(m)),
        Reduction::Mean => T::data(sum(m).into_iter().map(|s| s.div(T::from_count(n))).collect()),
        Reduction::Norm => {
            T::data(T::fold(m, over, T::ZERO, |a, x| a + x * x, |a, b| a + b).into_iter().map(T::root).collect())
        }
        // A NaN wins, so that it is not hidden.
        Reduction::Min => {
            let less = |a: T, x: T| if x < a || x.is_nan() { x } else { a };
            T::data(T::fold(m, over, T::HIGHEST, less, less))
        }
        Reduction::Max => {
            let more = |a: T, x: T| if x > a || x.is_nan() { x } else { a };
            T::data(T::fold(m, over, T::LOWEST, more, more))
        }
        Reduction::Std => {
            let means: Vec<T> = sum(m).into_iter().map(|s| s.div(T::from_count(n))).collect();
            let deviations = means.iter().enumerate().map(|(k, &mean)| {
                let part = m.part(over, k);
                let row = Matrix { data: &part, rows: 1, cols: n, stride: n };
                let squares = T::fold(&row, MatrixOver::All, T::ZERO, |a, x| a + (x - mean) * (x - mean), |a, b| a + b);
                squares.first().map_or(T::ZERO, |s| s.div(T::from_count(n)).root())
            });
            T::data(deviations.collect())
        }
        Reduction::Argmax => best(m, over, results, |x, y| x > y),
        Reduction::Argmin => best(m, over, results, |x, y| x < y),
        Reduction::Count => return Err("`count` counts truth values, not numbers".to_owned()),
    })
}

/// The position of the first element that none beats.
fn best<T: Copy>(m: &Matrix<'_, T>, over: MatrixOver, results: usize, beats: impl Fn(T, T) -> bool) -> Data {
    let of = |part: Cow<'_, [T]>| {
        let mut found = 0;
        for (k, &x) in part.iter().enumerate() {
            if beats(x, part[found]) {
                found = k;
            }
        }
        found as i64
    };
    Data::I64((0..results).map(|k| of(m.part(over, k))).collect())
}

/// The sum; `None` if it cannot be held.
fn exact_sum(v: &[i64]) -> Option<i64> {
    // Of numbers of 32 bits, so many cannot overflow.
    let (sum, large) = widest(
        #[inline(always)]
        || {
            v.iter().fold((0_i64, 0_u64), |(sum, large), x| {
                (sum.wrapping_add(*x), large | x.wrapping_add(1 << 31).cast_unsigned() >> 32)
            })
        },
    );
    if large == 0 && u32::try_from(v.len()).is_ok() {
        return Some(sum);
    }
    i64::try_from(v.iter().map(|&x| i128::from(x)).sum::<i128>()).ok()
}

fn reduce_ints(op: Reduction, m: &Matrix<'_, i64>, over: MatrixOver) -> Result<Data, String> {
    let (results, n) = m.counts(over);
    if n == 0 && results > 0 && !matches!(op, Reduction::Sum | Reduction::Norm | Reduction::Count) {
        return Err(format!("`{}` of no values", op.name()));
    }
    let each = |f: &dyn Fn(&[i64]) -> Option<i64>| {
        (0..results)
            .map(|k| f(&m.part(over, k)).ok_or_else(|| format!("`{}` leaves the range of whole numbers", op.name())))
            .collect::<Result<Vec<_>, _>>()
            .map(Data::I64)
    };
    match op {
        Reduction::Sum | Reduction::Count => each(&exact_sum),
        Reduction::Min => each(&|v| v.iter().copied().min()),
        Reduction::Max => each(&|v| v.iter().copied().max()),
        Reduction::Argmax => Ok(best(m, over, results, |x, y| x > y)),
        Reduction::Argmin => Ok(best(m, over, results, |x, y| x < y)),
        Reduction::Mean | Reduction::Std | Reduction::Norm => {
            let reals: Vec<f64> = (0..m.rows).flat_map(|r| m.row(r).iter().map(|&x| x as f64)).collect();
            reduce_matrix(op, &Matrix { data: &reals, rows: m.rows, cols: m.cols, stride: m.cols }, over)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, element by element.
    fn by_definition(x: &[f32]) -> f32 {
        let mut acc = [0.0_f32; 16];
        for (k, &v) in x.iter().enumerate() {
            acc[k % 16] += v;
        }
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                acc[i] += acc[i + half];
            }
        }
        acc[0]
    }

    fn noise(n: usize) -> Vec<f32> {
        (0..n).map(|k| ((k * 2_654_435_761) % 1_000_003) as f32 / 1_000_003.0).collect()
    }

    #[test]
    fn columns_rows_and_wholes_of_padded_matrices_are_summed_by_the_definition() {
        let (rows, cols, stride) = (37, 131, 144);
        let data = noise(rows * stride);
        let v = Values { data: Slice::F32(&data), rows, cols, stride };
        let Value::Tensor(t) = reduce_values(Reduction::Sum, &v, MatrixOver::Rows).unwrap() else { panic!() };
        let column = |c: usize| (0..rows).map(|r| data[r * stride + c]).collect::<Vec<_>>();
        assert_eq!(t.data, Data::F32((0..cols).map(|c| by_definition(&column(c))).collect()));
        let Value::Tensor(t) = reduce_values(Reduction::Sum, &v, MatrixOver::Columns).unwrap() else { panic!() };
        assert_eq!(t.data, Data::F32((0..rows).map(|r| by_definition(&data[r * stride..r * stride + cols])).collect()));
        let whole: Vec<f32> = (0..rows).flat_map(|r| data[r * stride..r * stride + cols].to_vec()).collect();
        let sum = reduce_values(Reduction::Sum, &v, MatrixOver::All).unwrap();
        assert_eq!(sum, Value::Real(f64::from(by_definition(&whole))));
        // The same elements as a dense array.
        let t = Tensor::new(vec![rows, cols], Data::F32(whole)).unwrap();
        assert_eq!(reduce_tensor(Reduction::Sum, &t, None).unwrap(), sum);
    }

    #[test]
    fn doubles_have_eight_accumulators() {
        let x: Vec<f64> = (0..29).map(|k| 1.0 / f64::from(k + 1)).collect();
        let mut acc = [0.0; 8];
        for (k, v) in x.iter().enumerate() {
            acc[k % 8] += v;
        }
        let tree = ((acc[0] + acc[4]) + (acc[2] + acc[6])) + ((acc[1] + acc[5]) + (acc[3] + acc[7]));
        let t = Tensor::list(Data::F64(x));
        assert_eq!(reduce_tensor(Reduction::Sum, &t, None).unwrap(), Value::Real(tree));
    }

    #[test]
    fn small_reductions_by_hand() {
        let t = Tensor::new(vec![2, 3], Data::F64(vec![1.0, 5.0, 3.0, 4.0, 2.0, 6.0])).unwrap();
        let list = |v: &[f64]| Value::from(Tensor::list(Data::F64(v.to_vec())));
        assert_eq!(reduce_tensor(Reduction::Max, &t, Some(&[0])).unwrap(), list(&[4.0, 5.0, 6.0]));
        assert_eq!(reduce_tensor(Reduction::Min, &t, Some(&[1])).unwrap(), list(&[1.0, 2.0]));
        assert_eq!(reduce_tensor(Reduction::Mean, &t, None).unwrap(), Value::Real(3.5));
        assert_eq!(reduce_tensor(Reduction::Std, &t, Some(&[0])).unwrap(), list(&[1.5, 1.5, 1.5]));
        assert_eq!(
            reduce_tensor(Reduction::Argmax, &t, Some(&[1])).unwrap(),
            Tensor::list(Data::I64(vec![1, 2])).into()
        );
        let v = Tensor::list(Data::F64(vec![3.0, 4.0]));
        assert_eq!(reduce_tensor(Reduction::Norm, &v, None).unwrap(), Value::Real(5.0));
        let ints = Tensor::list(Data::I64(vec![2, 3, 3]));
        assert_eq!(reduce_tensor(Reduction::Argmax, &ints, None).unwrap(), Value::Int(1));
        assert_eq!(reduce_tensor(Reduction::Sum, &ints, None).unwrap(), Value::Int(8));
        let flags = Tensor::list(Data::Bool(vec![true, false, true]));
        assert_eq!(reduce_tensor(Reduction::Count, &flags, None).unwrap(), Value::Int(2));
    }

    #[test]
    fn outer_and_inner_axes_of_three_reduce_together() {
        let t = Tensor::new(vec![2, 2, 2], Data::I64((0..8).collect())).unwrap();
        let r = reduce_tensor(Reduction::Sum, &t, Some(&[0, 2])).unwrap();
        assert_eq!(r, Tensor::list(Data::I64(vec![1 + 4 + 5, 2 + 3 + 6 + 7])).into());
    }

    #[test]
    fn groups_reduce_in_storage_order_and_may_be_empty() {
        let r = reduce_groups(Reduction::Sum, &Data::F64(vec![1.0, 2.0, 4.0]), &[2, 0, 2], 3).unwrap();
        assert_eq!(r, Tensor::list(Data::F64(vec![2.0, 0.0, 5.0])).into());
        assert!(reduce_groups(Reduction::Max, &Data::F64(vec![1.0]), &[0], 2).is_err());
    }

    #[test]
    fn the_strongest_end_of_each_group_is_named_the_first_of_equals() {
        let (w, post, pre) = (Data::F64(vec![1.0, 3.0, 3.0, 2.0]), [1, 0, 0, 1], [0, 0, 2, 3]);
        let named = |op| best_ends(op, &w, &post, 2, &pre).unwrap();
        assert_eq!(named(Reduction::Argmax), Tensor::list(Data::I64(vec![0, 3])).into());
        assert_eq!(named(Reduction::Argmin), Tensor::list(Data::I64(vec![0, 0])).into());
        assert!(best_ends(Reduction::Argmax, &w, &post, 3, &pre).is_err());
    }

    #[test]
    fn nothing_has_no_mean_and_a_sum_that_overflows_is_refused() {
        let none = Tensor::list(Data::F64(vec![]));
        assert_eq!(reduce_tensor(Reduction::Mean, &none, None).unwrap_err(), "`mean` of no values");
        assert_eq!(reduce_tensor(Reduction::Sum, &none, None).unwrap(), Value::Real(0.0));
        let large = |v: &[i64]| reduce_tensor(Reduction::Sum, &Tensor::list(Data::I64(v.to_vec())), None);
        assert!(large(&[i64::MAX, 1]).is_err());
        assert_eq!(large(&[i64::MAX, 1, -1]).unwrap(), Value::Int(i64::MAX));
        assert_eq!(large(&[1 << 31, -(1 << 31), i64::MIN, 5]).unwrap(), Value::Int(i64::MIN + 5));
        let nan = Tensor::list(Data::F64(vec![1.0, f64::NAN, 0.0]));
        assert!(matches!(reduce_tensor(Reduction::Max, &nan, None).unwrap(), Value::Real(x) if x.is_nan()));
    }
}
