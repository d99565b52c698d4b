//! The random numbers that an event draws at a synapse: a function of the key of the step, the number of the synapse, the number of the event
//! among those of its neuron in this step, and the place of the draw. See `sched/chance.rs`.

use super::Step;
use super::arrivals::following;
use super::projection::At;
use crate::lir::build::FuncBuilder;
use crate::lir::{BinOp, BufId, MathFn, Val};
use crate::sched::{DrawKind, Wiring};

/// The key of the step, and which event of its neuron in this step an event is.
pub(super) type Event = (Val, Val);

/// The key of this step, if events of projection `p` draw.
pub(super) fn key(b: &mut FuncBuilder, s: &Step<'_>, p: usize) -> Option<Val> {
    let [base, keys] = s.layout.projs[p].chance?;
    let zero = b.int(0);
    let base = b.load(base, zero);
    let at = b.sub(s.run_step, base);
    Some(b.load(keys, at))
}

/// Runs `body` for every neuron of a range of a list, in which those of one neuron follow each other.
pub(super) fn each(
    b: &mut FuncBuilder,
    (list, lo, hi): (BufId, Val, Val),
    key: Option<Val>,
    body: &dyn Fn(&mut FuncBuilder, Val, Option<Event>),
) {
    let Some(key) = key else {
        b.for_loop(lo, hi, |b, k| {
            let i = b.load(list, k);
            body(b, i, None);
        });
        return;
    };
    let (nobody, zero) = (b.int(-1), b.int(0));
    b.fold_loop(lo, hi, &[nobody, zero], |b, k, carried| {
        let i = b.load(list, k);
        let number = following(b, (carried[0], carried[1]), i);
        body(b, i, Some((key, number)));
        vec![i, number]
    });
}

/// Draw `k` of the graph at a synapse.
pub(super) fn draw(b: &mut FuncBuilder, s: &Step<'_>, p: usize, k: u32, at: At) -> Option<Val> {
    /// Synapses and steps are named by numbers of at most 24 bits, which single precision holds.
    const LOW: i32 = 12;
    let plan = &s.plan.projections[p];
    let place = plan.chances.iter().position(|c| c.draw == k)?;
    let (key, number) = at.chance?;
    let synapse = match plan.wiring {
        Wiring::Dense => {
            let columns = b.int(s.layout.projs[p].post as i32);
            let row = b.mul(at.pre?, columns);
            b.add(row, at.post?)
        }
        Wiring::Sparse | Wiring::Uniform(_) => at.synapse?,
    };
    let (bits, mask) = (b.int(LOW), b.int((1 << LOW) - 1));
    let high = b.bin(BinOp::Shr, synapse, bits);
    let low = b.bin(BinOp::And, synapse, mask);
    // Keys of single precision repeat after many steps: not at the same place of so many.
    let step = b.bin(BinOp::And, s.run_step, mask);
    let step = b.bin(BinOp::Shl, step, bits);
    let low = b.bin(BinOp::Or, low, step);
    let (of, place) = (b.int(plan.chances.len() as i32), b.int(place as i32));
    let number = b.mul(number, of);
    let number = b.add(number, place);
    let [high, low, number] = [high, low, number].map(|x| b.cast(x, s.float));
    let f = match plan.chances.iter().find(|c| c.draw == k)?.kind {
        DrawKind::Uniform => MathFn::EventUniform,
        DrawKind::Normal => MathFn::EventNormal,
        DrawKind::Exponential => MathFn::EventExponential,
        DrawKind::Key | DrawKind::Gamma(_) => MathFn::EventKey,
    };
    Some(b.call(f, &[key, high, low, number]))
}
