//! What a lane of a batch changed of a variable that is lent to it: kept sparse, and taken back on the way, so that the next lane finds
//! the values that all lanes start from.
//!
//! Values and places are those of the storage. Values are compared by their bits: what is taken back is what was there.

use crate::pages;
use crate::script::tensor::Data;
use crate::simd::widest;

/// Names the rule "as at the start of the segment" for [`crate::script::machine::Machine::changed_columns`]. Rules of protocols are hashes.
pub(super) const LANE: u64 = 0;

/// Elements that are compared at once.
const STRETCH: usize = 64;

/// What a lane made of the values it started from.
pub(super) enum Changes {
    /// All new values.
    Full(Vec<f64>),
    /// Single elements: their places, ascending, and their new values.
    Elements(Vec<u32>, Data),
    /// All elements of a part: their new values, row by row.
    Part(Part, Data),
}

/// Memory for changes. Many lanes give theirs back at once, between which the system's allocator would have to look for room again.
pub(super) struct Room {
    values: Data,
    rows: Vec<u32>,
    columns: Vec<u32>,
}

impl Default for Room {
    fn default() -> Self {
        Self { values: Data::F64(Vec::new()), rows: Vec::new(), columns: Vec::new() }
    }
}

/// Where some rows and some columns of a matrix meet.
pub(super) struct Part {
    pub(super) rows: Vec<u32>,
    pub(super) columns: Vec<u32>,
    /// The distance of rows in the storage.
    pub(super) stride: usize,
}

impl Part {
    /// The places of the elements, row by row.
    fn places(&self) -> impl Iterator<Item = usize> {
        let row = |r: &u32| *r as usize * self.stride;
        self.rows.iter().map(row).flat_map(|row| self.columns.iter().map(move |c| row + *c as usize))
    }
}

/// A kind of stored values.
pub(super) trait Float: Copy + PartialOrd + Send + Sync {
    type Bits: PartialEq;
    fn bits(self) -> Self::Bits;
    fn f64(self) -> f64;
    fn of(x: f64) -> Self;
    /// The values if they are of this kind.
    fn slice(data: &Data) -> &[Self];
    /// No values, in the memory of these if they are of this kind.
    fn room(data: Data) -> Vec<Self>;
}

impl Float for f32 {
    type Bits = u32;
    fn bits(self) -> u32 {
        self.to_bits()
    }
    fn f64(self) -> f64 {
        f64::from(self)
    }
    fn of(x: f64) -> Self {
        x as Self
    }
    fn slice(data: &Data) -> &[Self] {
        if let Data::F32(values) = data { values } else { &[] }
    }
    fn room(data: Data) -> Vec<Self> {
        let Data::F32(mut values) = data else { return Vec::new() };
        values.clear();
        values
    }
}

impl Float for f64 {
    type Bits = u64;
    fn bits(self) -> u64 {
        self.to_bits()
    }
    fn f64(self) -> f64 {
        self
    }
    fn of(x: f64) -> Self {
        x
    }
    fn slice(data: &Data) -> &[Self] {
        if let Data::F64(values) = data { values } else { &[] }
    }
    fn room(data: Data) -> Vec<Self> {
        let Data::F64(mut values) = data else { return Vec::new() };
        values.clear();
        values
    }
}

impl Changes {
    /// Takes back all changes, wherever they are.
    pub(super) fn take_all(start: &Data, values: &mut Data, room: Room) -> Self {
        let Room { values: taken, rows: mut at, .. } = room;
        at.clear();
        let taken = match (start, values) {
            (Data::F32(start), Data::F32(values)) => Data::F32(elements(start, values, &mut at, f32::room(taken))),
            (Data::F64(start), Data::F64(values)) => Data::F64(elements(start, values, &mut at, f64::room(taken))),
            _ => Data::F64(Vec::new()),
        };
        Self::Elements(at, taken)
    }

    /// Takes back what was changed, which is only where these rows and columns meet.
    pub(super) fn take_part(
        [rows, columns]: [&[u32]; 2],
        stride: usize,
        start: &Data,
        values: &mut Data,
        room: Room,
    ) -> Self {
        let mut part = Part { rows: room.rows, columns: room.columns, stride };
        rows.clone_into(&mut part.rows);
        columns.clone_into(&mut part.columns);
        let taken = match (start, values) {
            (Data::F32(start), Data::F32(values)) => Data::F32(gather(&part, start, values, f32::room(room.values))),
            (Data::F64(start), Data::F64(values)) => Data::F64(gather(&part, start, values, f64::room(room.values))),
            _ => Data::F64(Vec::new()),
        };
        Self::Part(part, taken)
    }

    /// The memory that held them, for other changes.
    pub(super) fn into_room(self) -> Room {
        match self {
            Self::Full(_) => Room::default(),
            Self::Elements(rows, values) => Room { values, rows, columns: Vec::new() },
            Self::Part(Part { rows, columns, .. }, values) => Room { values, rows, columns },
        }
    }

    /// The memory that they take.
    pub(super) fn bytes(&self) -> usize {
        let of = |data: &Data| match data {
            Data::F32(values) => size_of_val(values.as_slice()),
            other => other.len() * size_of::<f64>(),
        };
        match self {
            Self::Full(values) => size_of_val(values.as_slice()),
            Self::Elements(at, values) => size_of_val(at.as_slice()) + of(values),
            Self::Part(part, values) => {
                size_of_val(part.rows.as_slice()) + size_of_val(part.columns.as_slice()) + of(values)
            }
        }
    }

    /// Adds the differences to what the lane started from.
    pub(super) fn add_to(&self, start: &Data, sums: &mut [f64]) {
        match (self, start) {
            (Self::Full(values), Data::F64(start)) => {
                for ((sum, x), x0) in sums.iter_mut().zip(values).zip(start) {
                    *sum += x - x0;
                }
            }
            (Self::Elements(at, Data::F32(values)), Data::F32(start)) => add_elements(at, values, start, sums),
            (Self::Elements(at, Data::F64(values)), Data::F64(start)) => add_elements(at, values, start, sums),
            (Self::Part(part, Data::F32(values)), Data::F32(start)) => add_part(part, values, start, sums),
            (Self::Part(part, Data::F64(values)), Data::F64(start)) => add_part(part, values, start, sums),
            _ => {}
        }
    }
}

fn elements<T: Float>(start: &[T], values: &mut [T], at: &mut Vec<u32>, mut taken: Vec<T>) -> Vec<T> {
    let stretches = start.chunks(STRETCH).zip(values.chunks_mut(STRETCH));
    for (first, (start, values)) in (0_u32..).step_by(STRETCH).zip(stretches) {
        // Without an early end it is vector code: nearly always all are equal.
        let same = widest(
            #[inline(always)]
            || start.iter().zip(values.iter()).fold(true, |same, (a, b)| same & (a.bits() == b.bits())),
        );
        if same {
            continue;
        }
        for (k, (x0, x)) in (first..).zip(start.iter().zip(values)) {
            if x0.bits() != x.bits() {
                at.push(k);
                taken.push(std::mem::replace(x, *x0));
            }
        }
    }
    taken
}

/// Exchanges the elements of a part for those at the start.
fn gather<T: Float>(part: &Part, start: &[T], values: &mut [T], mut taken: Vec<T>) -> Vec<T> {
    taken.reserve(part.rows.len() * part.columns.len());
    for r in &part.rows {
        let first = *r as usize * part.stride;
        let (Some(values), Some(start)) = (values.get_mut(first..), start.get(first..)) else { break };
        let exchange = |c: &u32| {
            let c = *c as usize;
            // Columns of a matrix are within its rows.
            std::mem::replace(&mut values[c], start[c])
        };
        taken.extend(part.columns.iter().map(exchange));
    }
    taken
}

fn add_elements<T: Float>(at: &[u32], values: &[T], start: &[T], sums: &mut [f64]) {
    for (k, x) in at.iter().zip(values) {
        if let (Some(sum), Some(x0)) = (sums.get_mut(*k as usize), start.get(*k as usize)) {
            *sum += x.f64() - x0.f64();
        }
    }
}

fn add_part<T: Float>(part: &Part, values: &[T], start: &[T], sums: &mut [f64]) {
    // In the order in which they were gathered, and as many.
    let mut values = values.iter();
    for k in part.places() {
        if let (Some(sum), Some(x0)) = (sums.get_mut(k), start.get(k))
            && let Some(x) = values.next()
        {
            *sum += x.f64() - x0.f64();
        }
    }
}

/// Makes `to` a copy, in the memory that it has.
pub(super) fn copy(from: &Data, to: &mut Data) {
    match (from, to) {
        (Data::F32(from), Data::F32(to)) => pages::copy_into(from, to),
        (Data::F64(from), Data::F64(to)) => pages::copy_into(from, to),
        (from, to) => *to = from.clone(),
    }
}

/// The same in double precision, in the memory that there is.
pub(super) fn to_f64(from: &Data, to: &mut Vec<f64>) {
    pages::empty(to, from.len());
    match from {
        Data::F32(from) => to.extend(from.iter().map(|x| f64::from(*x))),
        Data::F64(from) => to.extend_from_slice(from),
        other => to.extend(other.to_f64()),
    }
}

/// Stores sums that differ from what is there, rounded, then bounded. False if one is no number.
pub(super) fn round<T: Float>(sums: &[f64], bounds: Option<(f64, f64)>, values: &mut [T]) -> bool {
    let (lo, hi) = bounds.map_or((T::of(f64::NEG_INFINITY), T::of(f64::INFINITY)), |(lo, hi)| (T::of(lo), T::of(hi)));
    widest(
        #[inline(always)]
        || {
            let mut sound = true;
            for (sum, old) in sums.iter().zip(values) {
                let new = T::of(*sum);
                let low = if new < lo { lo } else { new };
                let bounded = if low > hi { hi } else { low };
                *old = if *sum == old.f64() { *old } else { bounded };
                sound &= !sum.is_nan();
            }
            sound
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two lanes, with what they changed in columns known and not known: the same sums, and the start restored each time.
    #[test]
    fn both_ways_take_the_same_changes() {
        let stride = 70;
        let old: Vec<f32> = (0..stride * 3).map(|k| if k == 5 { -0.0 } else { 0.1 + k as f32 * 0.01 }).collect();
        let start = Data::F32(old.clone());
        let lane = |factor: f32| {
            let mut new = old.clone();
            for r in 0..3 {
                new[r * stride + 2] *= factor;
                new[r * stride + 66] += factor;
            }
            new[5] = 0.0;
            Data::F32(new)
        };
        let mut by_columns = Vec::new();
        let mut by_elements = Vec::new();
        let mut plain = Vec::new();
        for sums in [&mut by_columns, &mut by_elements, &mut plain] {
            to_f64(&start, sums);
        }
        for factor in [3.0, 0.7] {
            let mut values = lane(factor);
            for ((sum, x), x0) in plain.iter_mut().zip(values.to_f64()).zip(start.to_f64()) {
                *sum += x - x0;
            }
            let used = || Room { values: Data::F32(vec![9.0]), rows: vec![9], columns: vec![9] };
            let taken = Changes::take_part([&[0, 1, 2], &[2, 5, 66]], stride, &start, &mut values, used());
            taken.add_to(&start, &mut by_columns);
            let bits = |d: &Data| d.to_f64().into_iter().map(f64::to_bits).collect::<Vec<_>>();
            assert_eq!(bits(&values), bits(&start), "taken back");
            let mut values = lane(factor);
            let taken = Changes::take_all(&start, &mut values, used());
            assert!(matches!(&taken, Changes::Elements(at, _) if at.len() == 7), "nothing but the changes");
            taken.add_to(&start, &mut by_elements);
            assert_eq!(bits(&values), bits(&start), "taken back");
        }
        assert_eq!(by_columns, plain);
        assert_eq!(by_elements, plain);
    }

    #[test]
    fn sums_are_rounded_then_bounded_and_the_rest_is_left_alone() {
        // The last one stands for padding: outside of the bounds, and nobody changed it.
        let mut values = [0.5_f32, 0.25, 0.75, 9.0];
        assert!(round(&[0.5, 1.5, 0.1, 9.0], Some((0.0, 1.0)), &mut values));
        assert_eq!(values, [0.5, 1.0, 0.1, 9.0]);
        assert!(!round(&[f64::NAN], None, &mut [1.0_f64]));
    }
}
