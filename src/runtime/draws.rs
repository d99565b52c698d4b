//! Random numbers that the compiled step takes one of per neuron and step: drawn beforehand, many steps at a time, by one function for
//! both executions. Each number is addressed by the stream of its population and purpose, the run, the neuron, and the step in the run;
//! how a run is cut into pieces changes nothing.

use crate::backend::Buf;
use crate::rng::{Stream, keyed};
use crate::sched::{Draw, DrawKind};

/// Numbers that are drawn at once, about.
const AT_ONCE: u64 = 1 << 16;

/// How many steps of numbers are drawn at once for `row` numbers a step.
pub(super) fn rows(row: u64) -> u64 {
    (AT_ONCE / row.max(1)).clamp(1, 4096)
}

/// A piece of a run to draw for.
pub(super) struct Piece {
    /// The first step, counted from the run's start.
    pub(super) first: u64,
    /// Steps.
    pub(super) steps: u64,
    /// The first step, counted from the network's start.
    pub(super) since_start: u64,
    /// Rows of elements: one for neurons.
    pub(super) rows: usize,
    /// Elements in a row.
    pub(super) columns: usize,
    /// Places from row to row.
    pub(super) pitch: usize,
    /// Places per draw and step.
    pub(super) stride: usize,
    /// Draws a step.
    pub(super) draws: usize,
}

/// Fills in the numbers of draw number `k`: of the element at place i and step r at `(r*draws + k)*stride + i`. `stream` is that of
/// the population or projection and run; `shape` gives the shapes of gamma distributions, by place.
pub(super) fn fill(out: &mut Buf, k: usize, draw: &Draw, stream: Stream, piece: &Piece, shape: &dyn Fn(usize) -> f64) {
    let stream = if draw.sub == 0 { stream } else { stream.sub(u64::from(draw.sub)) };
    let due: Vec<u64> =
        (0..piece.steps).filter(|r| (piece.since_start + r).is_multiple_of(u64::from(draw.period.max(1)))).collect();
    let double = matches!(out, Buf::F64(_));
    let elements = (0..piece.rows).flat_map(|r| (0..piece.columns).map(move |c| (r, c)));
    for (element, (r, c)) in elements.enumerate() {
        let (element, i) = (element as u64, r * piece.pitch + c);
        let shape = if matches!(draw.kind, DrawKind::Gamma(_)) { shape(i) } else { 0.0 };
        // Consecutive numbers of an element share blocks of the generator.
        let mut seq = (draw.of == 1 && draw.period == 1).then(|| stream.uniforms_from(element, piece.first));
        for r in &due {
            let number = (piece.first + r) * u64::from(draw.of) + u64::from(draw.number);
            let x = match (draw.kind, &mut seq) {
                (DrawKind::Uniform, Some(seq)) => seq.uniform(),
                (DrawKind::Normal, Some(seq)) => seq.normal(),
                (DrawKind::Exponential, Some(seq)) => seq.exponential(),
                (DrawKind::Uniform, None) => stream.uniform(element, number),
                (DrawKind::Normal, None) => stream.normal(element, number),
                (DrawKind::Exponential, None) => stream.exponential(element, number),
                (DrawKind::Key, _) => keyed::key(stream.bits64(element, number), double),
                (DrawKind::Gamma(_), _) => stream.sub(number).gamma(element, shape),
            };
            out.set_f64((*r as usize * piece.draws + k) * piece.stride + i, x);
        }
    }
}
