//! One projection in one step: `on pre` of the arriving events, `on post` of the post neurons' spikes.

use super::expr::{Emit, on_side};
use super::{Step, arrivals, arriving, chance, clocked, decay, entries, population, response, synapse};
use crate::hir::{Restructuring, Side, VarId};
use crate::lir::build::FuncBuilder;
use crate::lir::{AddRows, BinOp, BufId, CmpOp, Scalar, UnOp, Val};
use crate::methods::sym::{Node, Sym};
use crate::sched::projection::Handler;
use crate::sched::{Place, ProjPlan, Uniform, Wiring};

/// Where a synapse is: its pre and post neuron and its own number, as far as they are known.
#[derive(Clone, Copy, Default)]
pub(super) struct At {
    pub(super) pre: Option<Val>,
    pub(super) post: Option<Val>,
    pub(super) synapse: Option<Val>,
    /// The trace that has just been brought up to date.
    pub(super) fresh: Option<VarId>,
    /// The synapses that the event reaches, where it is not all of its neuron.
    pub(super) group: Option<arrivals::Run>,
    /// Whether values of the step's start are meant.
    pub(super) start: bool,
    /// The index of this step's first random number.
    pub(super) row: Option<Val>,
    /// For pre and for post neurons: the start of the slot of their past that is meant.
    pub(super) past: [Option<Val>; 2],
    /// Of what the draws of an event are made: see [`chance`].
    pub(super) chance: Option<chance::Event>,
}

/// `on pre` for the events that arrive in this step.
pub(super) fn on_pre(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let plan = &s.plan.projections[p];
    let bufs = &s.layout.projs[p];
    let h = &plan.on_pre;
    let pre = pre_pop(s, p);
    // Spikes are on their way also while what they would do is frozen.
    if let Some(segments) = bufs.axonal {
        let key = chance::key(b, s, p);
        arrivals::each(b, s, (pre, plan.event), segments, key.is_some(), &|b, i, group, number| {
            let at = At { pre: Some(i), group: Some(group), chance: key.zip(number), ..At::default() };
            arrivals::announce(b, s, p);
            row(b, s, p, h, Side::Pre, at, None);
        });
        arrivals::reach_soma(b, s, p);
        response::act(b, s, p);
        return;
    }
    if h.delivers.is_empty() && h.synapse.is_empty() && h.own_side.is_empty() {
        return;
    }
    let (list, lo, hi) = arriving(b, s, (pre, plan.event), plan.delay.uniform(), bufs.since);
    if let Wiring::Uniform(u) = plan.wiring {
        uniform(b, s, p, u, list, lo, hi);
        return;
    }
    let some = b.cmp(CmpOp::Lt, lo, hi);
    b.if_then(some, |b| {
        let skip = h.synapse.iter().find_map(|(.., z)| *z);
        if let Some(z) = skip {
            refresh(b, s, p, z);
        }
        // Rows that are delivered as they are go first, all of them: nothing in the handler changes what another row delivers.
        let zero = b.int(0);
        let rows = whole_rows(s, p, list, lo, hi, zero);
        let rest = rows.map(|_| Handler { delivers: Vec::new(), ..h.clone() });
        if let (Some(rows), false) = (rows, s.late.past) {
            arrivals::announce(b, s, p);
            b.add_rows(rows);
        }
        let h = rest.as_ref().unwrap_or(h);
        if h.delivers.is_empty() && h.synapse.is_empty() && h.own_side.is_empty() {
            return;
        }
        let key = chance::key(b, s, p);
        chance::each(b, (list, lo, hi), key, &|b, i, chance| {
            let at = At { pre: Some(i), chance, ..At::default() };
            arrivals::announce(b, s, p);
            row(b, s, p, h, Side::Pre, at, skip);
        });
    });
    arrivals::reach_soma(b, s, p);
    response::act(b, s, p);
}

/// Events that bring the same to all neurons: one addition to the shared value, and one less where the own partner is left out.
fn uniform(b: &mut FuncBuilder, s: &Step<'_>, p: usize, u: Uniform, list: BufId, lo: Val, hi: Val) {
    let plan = &s.plan.projections[p];
    let post = post_pop(s, p);
    let pops = &s.layout.pops[post];
    let (Some(shared), Some(deviations)) = (pops.shared[u.target.index()], pops.vars[u.target.index()]) else { return };
    let amount = plan.on_pre.delivers.first().and_then(|(_, a)| plan.graph.as_const(*a)).unwrap_or(f64::NAN);
    let amount = b.float(s.float, amount);
    b.for_loop(lo, hi, |b, k| {
        let zero = b.int(0);
        let x = b.load(shared, zero);
        let x = b.add(x, amount);
        b.store(shared, zero, x);
        if u.but_own {
            let i = b.load(list, k);
            let d = b.load(deviations, i);
            let d = b.sub(d, amount);
            b.store(deviations, i, d);
            population::stir(b, s, post, i);
        }
    });
}

/// The delivery of whole rows of a matrix, if that is what the events of a step deliver, and to neurons that are neither held nor at rest.
pub(super) fn whole_rows(s: &Step<'_>, p: usize, rows: BufId, first: Val, end: Val, at: Val) -> Option<AddRows> {
    if !s.plan.opt.has(Restructuring::WholeRows) {
        return None;
    }
    let plan = &s.plan.projections[p];
    let bufs = &s.layout.projs[p];
    let (target, matrix) = plan.on_pre.whole_row(plan)?;
    let post = post_pop(s, p);
    let pops = &s.layout.pops[post];
    let held = pops.refractory.is_some() && s.plan.populations[post].hold.contains(&target);
    let through = bufs.response.filter(|r| r.target == target && bufs.dendrite.is_none());
    let elsewhere = bufs.dendrite.is_some() || bufs.response.is_some() || pops.fed[target.index()].is_some();
    if through.is_none() && (held || elsewhere || pops.rest.is_some()) {
        return None;
    }
    let from = bufs.vars[matrix.index()]?;
    let to = match through {
        Some(r) => r.amounts,
        None => pops.vars[target.index()]?,
    };
    let (stride, len) = (u32::try_from(bufs.stride).ok()?, u32::try_from(bufs.post).ok()?);
    Some(AddRows { to, from, rows, first, end, at, stride, len })
}

/// `on post` for the spikes of the post population.
pub(super) fn on_post(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let plan = &s.plan.projections[p];
    let post = post_pop(s, p);
    if s.plan.populations[post].spiking.is_none() {
        return;
    }
    let bufs = &s.layout.projs[p];
    if let Some(segments) = bufs.dendritic {
        let key = chance::key(b, s, p);
        arrivals::each(b, s, (post, None), segments, key.is_some(), &|b, j, group, number| {
            if let Some(h) = &plan.on_post {
                let at = At { post: Some(j), group: Some(group), chance: key.zip(number), ..At::default() };
                row(b, s, p, h, Side::Post, at, None);
            }
        });
        return;
    }
    let Some(h) = &plan.on_post else { return };
    let late = plan.dendritic.uniform();
    let (list, lo, hi) = arriving(b, s, (post, None), late, bufs.since.filter(|_| late > 0));
    let some = b.cmp(CmpOp::Lt, lo, hi);
    b.if_then(some, |b| {
        let skip = h.synapse.iter().find_map(|(.., z)| *z);
        if let Some(z) = skip {
            refresh(b, s, p, z);
        }
        let key = chance::key(b, s, p);
        chance::each(b, (list, lo, hi), key, &|b, j, chance| {
            let at = At { post: Some(j), chance, ..At::default() };
            row(b, s, p, h, Side::Post, at, skip);
        });
    });
}

pub(super) fn pre_pop(s: &Step<'_>, p: usize) -> usize {
    s.layout.projs[p].pre_pop
}

pub(super) fn post_pop(s: &Step<'_>, p: usize) -> usize {
    s.layout.projs[p].post_pop
}

/// Everything one event does: to its synapses, then to the states that live with its neuron.
fn row(b: &mut FuncBuilder, s: &Step<'_>, p: usize, h: &Handler, side: Side, at: At, skip: Option<VarId>) {
    let plan = &s.plan.projections[p];
    let bufs = &s.layout.projs[p];
    let own_place = if side == Side::Pre { Place::Pre } else { Place::Post };
    let mut outer = Emit::new(&plan.graph, s.float);
    if !plan.own.tables.is_empty() {
        synapse::around(b, s, p).seed(&mut outer, true);
    }
    let mut load = |b: &mut FuncBuilder, n: &Node| leaf(b, s, p, n, at);
    // What is the same for all synapses of the event is computed once.
    let uniform = |n: &Node| on_side(n, side, &|v: VarId| plan.place[v.index()] == own_place);
    for (_, value) in h.own_side.iter().chain(&h.delivers) {
        outer.hoist(b, *value, &uniform, &mut load);
    }
    for (_, value, _) in &h.synapse {
        outer.hoist(b, *value, &uniform, &mut load);
    }
    let own_new: Vec<(VarId, Val)> =
        h.own_side.iter().map(|(v, value)| (*v, outer.value(b, *value, &mut load))).collect();

    // It changes its synapses now, or, once its trace is listed, at the pre events to come.
    let lists = h.own_side.iter().any(|(v, _)| bufs.lists[v.index()].is_some());
    let record = if side == Side::Pre { bufs.touched.zip(at.pre) } else { bufs.changed.zip(at.post) };
    if let (Some((record, neuron)), true) = (record, lists || !h.synapse.is_empty()) {
        let one = b.int(1);
        b.store(record, neuron, one);
    }
    entries::note(b, s, p, h.synapse.iter().map(|(v, ..)| *v));
    let plain: Vec<(VarId, Sym)> =
        h.synapse.iter().filter(|(.., z)| z.is_none()).map(|(v, value, _)| (*v, *value)).collect();
    let skipped: Vec<(VarId, Sym)> =
        h.synapse.iter().filter(|(.., z)| z.is_some()).map(|(v, value, _)| (*v, *value)).collect();
    if !plain.is_empty() || !h.delivers.is_empty() {
        over_row(b, s, p, side, at, &|b, at| {
            one(b, s, p, &outer, &plain, &h.delivers, at);
        });
    }
    if let (Some(z), false) = (skip, skipped.is_empty())
        && let Some([count, list, _]) = bufs.lists[z.index()]
    {
        let zero = b.int(0);
        let n = b.load(count, zero);
        b.for_loop(zero, n, |b, k| {
            let other = b.load(list, k);
            let stride = b.int(bufs.stride as i32);
            let (pre, post) = match (at.pre, at.post) {
                (Some(i), _) => (i, other),
                (None, Some(j)) => (other, j),
                (None, None) => return,
            };
            let base = b.mul(pre, stride);
            let synapse = b.add(base, post);
            let at = At { pre: Some(pre), post: Some(post), synapse: Some(synapse), fresh: Some(z), ..at };
            one(b, s, p, &outer, &skipped, &[], at);
        });
    }
    let here = at.pre.or(at.post);
    if let Some(here) = here {
        for (v, x) in own_new {
            store(b, s, p, v, here, x, false);
            enlist(b, s, p, v, here);
        }
    }
}

/// Runs `body` for every synapse of the event's row or column.
fn over_row(b: &mut FuncBuilder, s: &Step<'_>, p: usize, side: Side, at: At, body: &dyn Fn(&mut FuncBuilder, At)) {
    let plan = &s.plan.projections[p];
    let bufs = &s.layout.projs[p];
    let zero = b.int(0);
    if let Some((synapses, others, lo, hi)) = at.group {
        b.for_loop(lo, hi, |b, k| {
            let synapse = synapses.map_or(k, |list| b.load(list, k));
            let other = match (others, bufs.rows) {
                (Some(list), _) => b.load(list, k),
                (None, Some([_, post])) => b.load(post, synapse),
                (None, None) => return,
            };
            let (pre, post) = if side == Side::Pre { (at.pre, Some(other)) } else { (Some(other), at.post) };
            body(b, At { pre, post, synapse: Some(synapse), ..at });
        });
        return;
    }
    match (plan.wiring, side, at.pre, at.post) {
        (Wiring::Dense, Side::Pre, Some(i), _) => {
            let stride = b.int(bufs.stride as i32);
            let base = b.mul(i, stride);
            let n = b.int(bufs.post as i32);
            let each = |b: &mut FuncBuilder, j: Val| {
                let synapse = b.add(base, j);
                body(b, At { post: Some(j), synapse: Some(synapse), ..at });
            };
            // In 64 bits the step numbers of event-driven states (32 bits) do not fit the lanes.
            let lazy = plan
                .lazy
                .iter()
                .enumerate()
                .any(|(k, l)| l.is_some() && matches!(plan.place[k], Place::Synapse | Place::Post));
            if (s.float == Scalar::F64 && lazy) || at.chance.is_some() {
                b.for_loop(zero, n, each);
            } else {
                b.vector_loop(zero, n, each);
            }
        }
        (Wiring::Dense, _, _, Some(j)) => {
            let n = b.int(bufs.pre as i32);
            b.for_loop(zero, n, |b, i| {
                let stride = b.int(bufs.stride as i32);
                let base = b.mul(i, stride);
                let synapse = b.add(base, j);
                body(b, At { pre: Some(i), synapse: Some(synapse), ..at });
            });
        }
        (Wiring::Sparse, Side::Pre, Some(i), _) => {
            let Some([start, post]) = bufs.rows else { return };
            let lo = b.load(start, i);
            let one = b.int(1);
            let next = b.add(i, one);
            let hi = b.load(start, next);
            b.for_loop(lo, hi, |b, synapse| {
                let j = b.load(post, synapse);
                body(b, At { post: Some(j), synapse: Some(synapse), ..at });
            });
        }
        (Wiring::Sparse, _, _, Some(j)) => {
            let Some([start, synapses, pres]) = bufs.columns else { return };
            let lo = b.load(start, j);
            let one = b.int(1);
            let next = b.add(j, one);
            let hi = b.load(start, next);
            b.for_loop(lo, hi, |b, k| {
                let synapse = b.load(synapses, k);
                let i = b.load(pres, k);
                body(b, At { pre: Some(i), synapse: Some(synapse), ..at });
            });
        }
        _ => {}
    }
}

/// What one event does to one synapse: deliveries, then new values; all from the values before.
fn one(
    b: &mut FuncBuilder,
    s: &Step<'_>,
    p: usize,
    outer: &Emit<'_>,
    assigns: &[(VarId, Sym)],
    delivers: &[(VarId, Sym)],
    at: At,
) {
    let mut emit = outer.inner();
    let mut load = |b: &mut FuncBuilder, n: &Node| leaf(b, s, p, n, at);
    let amounts: Vec<(VarId, Val)> = delivers.iter().map(|(v, value)| (*v, emit.value(b, *value, &mut load))).collect();
    let new: Vec<(VarId, Val)> = assigns.iter().map(|(v, value)| (*v, emit.value(b, *value, &mut load))).collect();
    if let Some(j) = at.post {
        for (target, amount) in amounts {
            let bufs = &s.layout.projs[p];
            match (&bufs.dendrite, bufs.response) {
                (_, Some(r)) if r.target == target && !arrivals::behind(s, p) => response::receive(b, r, j, amount),
                (Some(d), _) => arrivals::into_dendrite(b, s, p, d, target, j, at.synapse, amount),
                (None, _) => deliver(b, s, p, target, j, amount),
            }
        }
    }
    if let Some(synapse) = at.synapse {
        for (v, x) in new {
            store(b, s, p, v, synapse, x, false);
        }
    }
}

/// Adds to a variable of the post neuron, unless it is held.
pub(super) fn deliver(b: &mut FuncBuilder, s: &Step<'_>, p: usize, target: VarId, j: Val, amount: Val) {
    let post = post_pop(s, p);
    let pops = &s.layout.pops[post];
    if let Some(fed) = pops.fed[target.index()] {
        let x = b.load(fed, j);
        let sum = b.add(x, amount);
        b.store(fed, j, sum);
        return;
    }
    let Some(buf) = pops.vars[target.index()] else { return };
    let x = b.load(buf, j);
    let mut sum = b.add(x, amount);
    if let (Some(timer), true) = (pops.refractory, s.plan.populations[post].hold.contains(&target)) {
        let left = b.load(timer, j);
        let zero = b.int(0);
        let zero = b.cast(zero, s.int);
        let busy = b.cmp(CmpOp::Gt, left, zero);
        sum = b.select(busy, x, sum);
    }
    b.store(buf, j, sum);
    population::wake(b, s, post, j);
}

/// Stores a synaptic variable at its element; event-driven ones are then up to date.
pub(super) fn store(b: &mut FuncBuilder, s: &Step<'_>, p: usize, v: VarId, element: Val, x: Val, start: bool) {
    let bufs = &s.layout.projs[p];
    if let Some(buf) = bufs.vars[v.index()] {
        let x = b.cast(x, s.float);
        b.store(buf, element, x);
    }
    if let Some(last) = bufs.last[v.index()] {
        b.store(last, element, if start { s.step } else { s.done });
    }
}

/// The value of a leaf at a synapse.
pub(super) fn leaf(b: &mut FuncBuilder, s: &Step<'_>, p: usize, n: &Node, at: At) -> Val {
    let plan = &s.plan.projections[p];
    let now = if at.start { s.times.0 } else { s.times.1 };
    let missing = |b: &mut FuncBuilder| b.float(s.float, f64::NAN);
    match n {
        Node::Var(Side::Own, v, _) => {
            let element = match plan.place[v.index()] {
                Place::Constant(x) => return b.float(s.float, x),
                Place::Synapse => at.synapse,
                Place::Pre => at.pre,
                Place::Post => at.post,
            };
            match element {
                Some(e) => current(b, s, p, *v, e, at),
                None => missing(b),
            }
        }
        Node::Var(Side::Pre, v, _) if at.past[0].is_some() => clocked::earlier(b, s, p, *v, (0, at.pre), at),
        Node::Var(Side::Post, v, _) if at.past[1].is_some() => clocked::earlier(b, s, p, *v, (1, at.post), at),
        Node::Var(Side::Pre, ..) => match at.pre {
            Some(i) => population::leaf(b, s, pre_pop(s, p), n, i, now),
            None => missing(b),
        },
        Node::Var(Side::Post, ..) => match at.post {
            Some(j) => population::leaf(b, s, post_pop(s, p), n, j, now),
            None => missing(b),
        },
        Node::Index(Side::Post) => at.post.unwrap_or_else(|| b.int(0)),
        Node::Index(_) => at.pre.unwrap_or_else(|| b.int(0)),
        Node::Other(pop, _) => {
            // It has one neuron.
            let zero = b.int(0);
            population::leaf(b, s, pop.index(), n, zero, now)
        }
        Node::Draw(k) if at.chance.is_some() => chance::draw(b, s, p, *k, at).unwrap_or_else(|| missing(b)),
        Node::Draw(k) => match (s.layout.projs[p].draws, at.row, at.synapse) {
            (Some([_, numbers]), Some(row), Some(synapse)) => {
                let shift = b.int((s.layout.projs[p].count * u64::from(*k)) as i32);
                let from = b.add(row, shift);
                let place = b.add(from, synapse);
                b.load(numbers, place)
            }
            _ => missing(b),
        },
        _ => now,
    }
}

/// A synaptic variable brought up to date (without storing it).
fn current(b: &mut FuncBuilder, s: &Step<'_>, p: usize, v: VarId, element: Val, at: At) -> Val {
    let plan = &s.plan.projections[p];
    let bufs = &s.layout.projs[p];
    let Some(buf) = bufs.vars[v.index()] else { return b.float(s.float, f64::NAN) };
    let x = b.load(buf, element);
    match (plan.lazy[v.index()], bufs.last[v.index()]) {
        (Some(_), Some(last)) if at.fresh != Some(v) => {
            let since = b.load(last, element);
            let n = b.sub(if at.start { s.step } else { s.done }, since);
            advanced(b, s, p, v, x, n)
        }
        _ => x,
    }
}

/// `x` after `n` steps: x*e^(a*n*dt), towards -b/a.
fn advanced(b: &mut FuncBuilder, s: &Step<'_>, p: usize, v: VarId, x: Val, n: Val) -> Val {
    let plan: &ProjPlan = &s.plan.projections[p];
    let Some(lazy) = plan.lazy[v.index()] else { return x };
    let n = b.cast(n, s.float);
    let dt = s.plan.dt;
    let (a, drive) = (plan.graph.as_const(lazy.a), plan.graph.as_const(lazy.b));
    let (Some(a), Some(drive)) = (a, drive) else {
        // Rates that differ between synapses are refused by the plan.
        return b.float(s.float, f64::NAN);
    };
    if a == 0.0 {
        let slope = b.float(s.float, drive * dt);
        return b.fma(slope, n, x);
    }
    let rate = b.float(s.float, a * dt);
    let z = b.bin(BinOp::Mul, rate, n);
    let factor = b.un(UnOp::Exp, z);
    if drive == 0.0 {
        let y = b.mul(x, factor);
        return b.un(UnOp::Flush, y);
    }
    let rest = b.float(s.float, -drive / a);
    let d = b.sub(x, rest);
    b.fma(d, factor, rest)
}

/// The factor by which a trace that decays to zero shrinks in `gap` steps.
fn shrink(b: &mut FuncBuilder, s: &Step<'_>, p: usize, v: VarId, gap: Val) -> Val {
    let plan: &ProjPlan = &s.plan.projections[p];
    let a = plan.lazy[v.index()].and_then(|l| plan.graph.as_const(l.a)).unwrap_or(f64::NAN);
    left(b, s.float, a * s.plan.dt, gap)
}

/// What is left after `gap` steps of what decays by the exponent `rate` in one.
pub(super) fn left(b: &mut FuncBuilder, float: Scalar, rate: f64, gap: Val) -> Val {
    let rate = b.float(float, rate);
    let n = b.cast(gap, float);
    let z = b.bin(BinOp::Mul, rate, n);
    b.un(UnOp::Exp, z)
}

/// Brings the listed (non-zero) traces up to date and drops those that have become zero.
fn refresh(b: &mut FuncBuilder, s: &Step<'_>, p: usize, z: VarId) {
    let bufs = &s.layout.projs[p];
    let (Some(buf), Some(last), Some([count, list, mark])) =
        (bufs.vars[z.index()], bufs.last[z.index()], bufs.lists[z.index()])
    else {
        return;
    };
    let zero = b.int(0);
    let one = b.int(1);
    let n = b.load(count, zero);
    let nothing = b.float(s.float, 0.0);
    // Brings one trace up to date by what is left of it, and keeps its neuron on the list, of which `m` are kept so far, unless nothing is.
    let advance = |b: &mut FuncBuilder, e: Val, factor: Val, m: Val| {
        let x = b.load(buf, e);
        let y = b.mul(x, factor);
        b.store(last, e, s.done);
        let gone = population::is_faint(b, s, y, s.plan.projections[p].faint[z.index()]);
        b.if_else(
            gone,
            |b| {
                b.store(buf, e, nothing);
                b.store(mark, e, zero);
                vec![m]
            },
            |b| {
                b.store(buf, e, y);
                b.store(list, m, e);
                vec![b.add(m, one)]
            },
        )[0]
    };
    let kept = if let Some(table) = decay::table(s, p, z) {
        b.fold_loop(zero, n, &[zero], |b, k, carried| {
            let e = b.load(list, k);
            let since = b.load(last, e);
            let gap = b.sub(s.done, since);
            let factor = decay::left(b, table, gap);
            vec![advance(b, e, factor, carried[0])]
        })
    } else {
        // Most were last brought up to date in the same step and share the exponential. That of one step is a constant.
        let single = shrink(b, s, p, z, one);
        b.fold_loop(zero, n, &[zero, one, single], |b, k, carried| {
            let e = b.load(list, k);
            let since = b.load(last, e);
            let gap = b.sub(s.done, since);
            let same = b.cmp(CmpOp::Eq, gap, carried[1]);
            let factor = b.if_else(same, |_| vec![carried[2]], |b| vec![shrink(b, s, p, z, gap)])[0];
            vec![advance(b, e, factor, carried[0]), gap, factor]
        })
    };
    b.store(count, zero, kept[0]);
}

/// Puts a neuron on the list of a trace that has just been written.
fn enlist(b: &mut FuncBuilder, s: &Step<'_>, p: usize, v: VarId, element: Val) {
    let Some([count, list, mark]) = s.layout.projs[p].lists[v.index()] else { return };
    let zero = b.int(0);
    let one = b.int(1);
    let marked = b.load(mark, element);
    let absent = b.cmp(CmpOp::Eq, marked, zero);
    b.if_then(absent, |b| {
        b.store(mark, element, one);
        let n = b.load(count, zero);
        b.store(list, n, element);
        let n = b.add(n, one);
        b.store(count, zero, n);
    });
}
