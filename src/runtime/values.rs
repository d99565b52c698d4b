//! Values of the elements of one population or projection: parameters by dependency, states, delays. Elements are dealt with in chunks, in
//! parallel; what an element gets depends on its number only, never on its chunk.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rayon::prelude::*;

use super::block;
use super::eval::{Draws, Env, TRIES, draws, eval};
use super::wiring::{Files, reals};
use crate::diag::{Code, Diagnostic};
use crate::hir::{DelayKind, Expr, ExprKind, LetDecl, Model, PopId, Role, Side, VarDecl, VarId};
use crate::rng::Stream;
use crate::sched::MAX_DELAY;

/// How often a draw outside of its bounds is repeated.
const ATTEMPTS: u64 = 1000;
/// Elements of a chunk.
pub(super) const CHUNK: u64 = 1 << 14;

/// Initial values of one population or projection, by variable; `None` where the plan keeps one constant.
pub type Values = Vec<Option<Vec<f64>>>;
/// The ends of the bounds of each variable.
pub(super) type Bounds = Vec<Option<(f64, f64)>>;

/// Where the elements of a set are in the network.
#[derive(Clone, Copy)]
pub(super) struct Ends<'a> {
    /// The number by which the draws of a synapse are addressed and its entry of a file is found, from pre and post index, and how many there
    /// are: of synapses that share the entries of a kernel that of the entry. `None`: the element's own.
    pub(super) shared: Option<(&'a (dyn Fn(u64, u64) -> Option<u64> + Sync), u64)>,
    pub(super) pre: &'a (dyn Fn(u64) -> u64 + Sync),
    pub(super) post: &'a (dyn Fn(u64) -> u64 + Sync),
    pub(super) side: &'a (dyn Fn(Side, VarId, u64) -> f64 + Sync),
    pub(super) other: &'a (dyn Fn(PopId, VarId, u64) -> f64 + Sync),
    pub(super) size: &'a (dyn Fn(Side) -> f64 + Sync),
    /// Columns of an edge list: the value of a name at an element.
    pub(super) column: &'a (dyn Fn(&str, u64) -> Option<f64> + Sync),
    /// Variables of which all elements share one value, that of element 0.
    pub(super) single: &'a (dyn Fn(VarId) -> bool + Sync),
}

/// The elements of one population or projection.
pub(super) struct Set<'a> {
    pub(super) model: &'a Model,
    pub(super) name: &'a str,
    pub(super) vars: &'a [VarDecl],
    pub(super) lets: &'a [LetDecl],
    pub(super) args: &'a [(VarId, Expr)],
    pub(super) constants: &'a [Option<f64>],
    pub(super) count: u64,
    pub(super) files: &'a Files,
    /// Given when only some variables get values, in a network that exists.
    pub(super) anew: Option<Anew<'a>>,
}

/// Which values are computed anew, and what they may refer to.
pub(super) struct Anew<'a> {
    /// The variables.
    pub(super) only: &'a BTreeSet<VarId>,
    /// Tells these draws from those of other times.
    pub(super) key: u64,
    /// The present value of any other variable, by element.
    pub(super) present: &'a (dyn Fn(VarId, u64) -> f64 + Sync),
}

type Arrays = BTreeMap<(String, String), Vec<f64>>;

impl<'a> Ends<'a> {
    /// Of neurons, which have no ends.
    pub(super) fn of_neurons(
        other: &'a (dyn Fn(PopId, VarId, u64) -> f64 + Sync),
        size: &'a (dyn Fn(Side) -> f64 + Sync),
    ) -> Self {
        Self {
            shared: None,
            pre: &|k| k,
            post: &|k| k,
            side: &|_, _, _| f64::NAN,
            other,
            size,
            column: &|_, _| None,
            single: &|_| false,
        }
    }

    /// The number by which an element's draws are addressed.
    fn number(&self, k: u64) -> u64 {
        self.shared.and_then(|(entry, _)| entry((self.pre)(k), (self.post)(k))).unwrap_or(k)
    }
}

impl<'a> Set<'a> {
    fn given(&self, v: VarId) -> Option<&Expr> {
        self.args.iter().find(|(w, _)| *w == v).map(|(_, e)| e).or(self.vars[v.index()].init.as_ref())
    }

    /// Whether a variable gets a value now.
    fn wanted(&self, v: VarId) -> bool {
        self.anew.as_ref().is_none_or(|a| a.only.contains(&v))
    }

    /// The values of all variables without a constant, each as one array; of those that are single one element.
    pub(super) fn all(&self, ends: &Ends<'_>) -> Result<(Values, Bounds), Diagnostic> {
        let maker = self.maker(ends, &[])?;
        let parts: Vec<Result<Values, Diagnostic>> =
            self.chunks().into_par_iter().map(|r| maker.chunk(ends, r)).collect();
        let mut out: Values = vec![None; self.vars.len()];
        for part in parts {
            for (all, part) in out.iter_mut().zip(part?) {
                if let Some(part) = part {
                    all.get_or_insert_with(|| Vec::with_capacity(self.count as usize)).extend(part);
                }
            }
        }
        for (v, one) in maker.singles() {
            out[v.index()] = Some(vec![one]);
        }
        Ok((out, maker.bounds))
    }

    /// The delays of all elements in steps.
    pub(super) fn delays(
        &self,
        ends: &Ends<'_>,
        e: &Expr,
        kind: DelayKind,
    ) -> Result<(Vec<u32>, BadDelays), Diagnostic> {
        let maker = self.maker(ends, &[e])?;
        // Other values are the present ones.
        let values: Values = vec![None; self.vars.len()];
        let one = |range| maker.delays(ends, e, kind, &values, range);
        let parts: Vec<_> = self.chunks().into_par_iter().map(one).collect();
        let (mut steps, mut bad) = (Vec::with_capacity(self.count as usize), BadDelays::default());
        for part in parts {
            let (more, worse) = part?;
            steps.extend(more);
            bad.add(worse);
        }
        Ok((steps, bad))
    }

    fn chunks(&self) -> Vec<Range<u64>> {
        (0..self.count).step_by(CHUNK as usize).map(|k| k..(k + CHUNK).min(self.count)).collect()
    }

    /// What makes the values of any chunk; `more` are expressions beside the variables that will be asked for.
    ///
    /// # Errors
    /// An array of the wrong length, a missing file, a fault of the first element.
    pub(super) fn maker<'s>(&'s self, ends: &Ends<'_>, more: &[&Expr]) -> Result<Maker<'s, 'a>, Diagnostic> {
        let mut arrays = BTreeMap::new();
        let count = ends.shared.map_or(self.count, |(_, n)| n);
        for v in 0..self.vars.len() as u32 {
            if let Some(e) = self.given(VarId(v)).filter(|_| self.wanted(VarId(v))) {
                self.read_arrays(e, count, &mut arrays)?;
            }
        }
        for e in more {
            self.read_arrays(e, count, &mut arrays)?;
        }
        let n = self.vars.len();
        let single = (0..n as u32).map(|v| (ends.single)(VarId(v))).collect();
        let mut maker =
            Maker { set: self, order: self.order(), arrays, bounds: vec![None; n], first: vec![None; n], single };
        // Bounds are those of the first element; so are the values that all elements share.
        let mut values: Values = vec![None; n];
        for v in maker.order.clone() {
            if !self.wanted(v) {
                continue;
            }
            let var = &self.vars[v.index()];
            if let Some((lo, hi)) = &var.bounds {
                let at = |e: &Expr| maker.at(ends, e, (&values, 0), maker.draws(v, 0, 0), &RefCell::new(None));
                maker.bounds[v.index()] = Some((at(lo), at(hi)));
            }
            if self.constants[v.index()].is_none() && self.count > 0 {
                let x = maker.variable(ends, v, &values, 0..1)?;
                maker.first[v.index()] = x.first().copied();
                values[v.index()] = Some(x);
            }
        }
        Ok(maker)
    }

    /// The variables, each after those its value refers to.
    fn order(&self) -> Vec<VarId> {
        let mut done = vec![false; self.vars.len()];
        let mut out = Vec::new();
        for v in 0..self.vars.len() as u32 {
            self.visit(VarId(v), &mut done, &mut out);
        }
        out
    }

    fn visit(&self, v: VarId, done: &mut [bool], out: &mut Vec<VarId>) {
        if std::mem::replace(&mut done[v.index()], true) {
            return;
        }
        let mut used = Vec::new();
        if let Some(e) = self.given(v) {
            self.mentions(e, &mut used);
        }
        if let Some((lo, hi)) = &self.vars[v.index()].bounds {
            self.mentions(lo, &mut used);
            self.mentions(hi, &mut used);
        }
        for w in used {
            self.visit(w, done, out);
        }
        out.push(v);
    }

    fn mentions(&self, e: &Expr, out: &mut Vec<VarId>) {
        match &e.kind {
            ExprKind::Var(Side::Own, v) => out.push(*v),
            ExprKind::Let(id) => {
                if let Some(l) = self.lets.get(id.index()) {
                    self.mentions(&l.value, out);
                }
            }
            _ => e.each_part(&mut |c| self.mentions(c, out)),
        }
    }

    /// The file arrays that an expression mentions, checked for their length.
    fn read_arrays(&self, e: &Expr, count: u64, out: &mut Arrays) -> Result<(), Diagnostic> {
        if let ExprKind::FileArray { path, key } = &e.kind {
            let mut table = self.files.read(path, e.span)?;
            let names: Vec<String> = table.keys().map(|k| format!("`{k}`")).collect();
            let array = table.remove(key).ok_or_else(|| {
                Diagnostic::new(Code::E0802, e.span, format!("`{path}` has no array `{key}`"))
                    .note(format!("it holds {}", names.join(", ")))
            })?;
            let values = reals(&array);
            if values.len() != 1 && values.len() as u64 != count {
                return Err(Diagnostic::new(
                    Code::E0405,
                    e.span,
                    format!("`{key}` of `{path}` has {} values, but `{}` has {}", values.len(), self.name, count),
                )
                .help("give one value for each element, or a single one"));
            }
            out.insert((path.clone(), key.clone()), values);
        }
        let mut result = Ok(());
        e.each_part(&mut |c| {
            if result.is_ok() {
                result = self.read_arrays(c, count, out);
            }
        });
        result
    }
}

/// Makes the values of any chunk of a set.
pub(super) struct Maker<'s, 'a> {
    set: &'s Set<'a>,
    order: Vec<VarId>,
    arrays: Arrays,
    /// Of every variable.
    pub(super) bounds: Bounds,
    /// The values of element 0.
    first: Vec<Option<f64>>,
    /// Whether all elements share it, of every variable.
    single: Vec<bool>,
}

impl Maker<'_, '_> {
    /// The variables that all elements share, and their values.
    pub(super) fn singles(&self) -> impl Iterator<Item = (VarId, f64)> {
        let own = (0..).map(VarId).zip(&self.first);
        own.filter_map(|(v, x)| x.filter(|_| self.single[v.index()]).map(|x| (v, x)))
    }

    /// The values of the elements of a range: of every variable that has no constant and is not single.
    ///
    /// # Errors
    /// A draw that never falls inside its bounds; a column that an edge list does not have.
    pub(super) fn chunk(&self, ends: &Ends<'_>, range: Range<u64>) -> Result<Values, Diagnostic> {
        let mut values: Values = vec![None; self.set.vars.len()];
        for v in &self.order {
            if self.set.wanted(*v) && self.set.constants[v.index()].is_none() && !self.single[v.index()] {
                values[v.index()] = Some(self.variable(ends, *v, &values, range.clone())?);
            }
        }
        Ok(values)
    }

    fn draws(&self, v: VarId, element: u64, attempt: u64) -> Draws {
        let set = self.set;
        let path = format!("{}/{}@init", set.name, set.vars[v.index()].name);
        let stream = Stream::new(set.model.settings.seed, &path);
        Draws { stream: set.anew.as_ref().map_or(stream, |a| stream.sub(a.key)), element, attempt }
    }

    /// Own variable `w` at an element; `values` are those of the elements from `from` on.
    fn own(&self, w: VarId, values: &Values, from: u64, k: u64) -> f64 {
        if let Some(x) = self.set.constants[w.index()] {
            return x;
        }
        let known = values[w.index()].as_ref().and_then(|a| a.get((k - from) as usize)).copied();
        known.or(self.first[w.index()].filter(|_| self.single[w.index()])).unwrap_or_else(|| {
            self.set.anew.as_ref().map_or(f64::NAN, |a| if self.set.wanted(w) { f64::NAN } else { (a.present)(w, k) })
        })
    }

    /// An expression at element `d.element`; `values` are those of the elements from a number on.
    fn at(
        &self,
        ends: &Ends<'_>,
        e: &Expr,
        (values, from): (&Values, u64),
        d: Draws,
        missing: &RefCell<Option<String>>,
    ) -> f64 {
        let k = d.element;
        let lookup = |side: Side, w: VarId| match side {
            Side::Own => self.own(w, values, from, k),
            Side::Pre => (ends.side)(side, w, (ends.pre)(k)),
            Side::Post => (ends.side)(side, w, (ends.post)(k)),
        };
        let env = Env {
            var: &lookup,
            lets: self.set.lets,
            i: (ends.pre)(k),
            j: (ends.post)(k),
            size: ends.size,
            other: ends.other,
            dt: self.set.model.settings.dt,
            draws: Some(Draws { element: ends.number(k), ..d }),
            array: &|path, key| {
                let a = self.arrays.get(&(path.to_owned(), key.to_owned()));
                let entry = ends.number(k) as usize;
                a.and_then(|a| if a.len() == 1 { a.first() } else { a.get(entry) }).copied().unwrap_or(f64::NAN)
            },
            edge: &|name| {
                (ends.column)(name, k).unwrap_or_else(|| {
                    *missing.borrow_mut() = Some(name.to_owned());
                    f64::NAN
                })
            },
        };
        eval(e, &env)
    }

    /// An expression at all elements of a range.
    fn block(
        &self,
        ends: &Ends<'_>,
        e: &Expr,
        values: &Values,
        range: Range<u64>,
        d: Draws,
    ) -> Result<Vec<f64>, Diagnostic> {
        let missing = RefCell::new(None);
        let from = range.start;
        let mut out = vec![0.0; (range.end - from) as usize];
        let one = |e: &Expr, k: u64| self.at(ends, e, (values, from), Draws { element: k, ..d }, &missing);
        let own = |w: VarId, out: &mut [f64]| {
            for (k, x) in (from..).zip(out) {
                *x = self.own(w, values, from, k);
            }
        };
        let elements = block::Elements {
            from,
            stream: d.stream,
            lets: self.set.lets,
            dt: self.set.model.settings.dt,
            one: &one,
            own: &own,
            size: ends.size,
        };
        if ends.shared.is_some() {
            // Blocks number their draws by element.
            for (k, x) in (from..).zip(&mut out) {
                *x = one(e, k);
            }
        } else {
            block::eval(e, &elements, &mut out);
        }
        match missing.into_inner() {
            None => Ok(out),
            Some(name) => Err(Diagnostic::new(
                Code::E0802,
                e.span,
                format!("the edges file has no column `{name}` with one value per synapse"),
            )),
        }
    }

    /// The values of one variable at the elements of a range.
    fn variable(&self, ends: &Ends<'_>, v: VarId, values: &Values, range: Range<u64>) -> Result<Vec<f64>, Diagnostic> {
        let from = range.start;
        let var = &self.set.vars[v.index()];
        let Some(e) = self.set.given(v) else { return Ok(vec![0.0; (range.end - from) as usize]) };
        let draw = self.draws(v, 0, 0);
        let mut out = self.block(ends, e, values, range, draw)?;
        let limits = self.bounds[v.index()];
        let cut = e.any(self.set.lets, &|e| matches!(e.kind, ExprKind::Draw { truncated: true, .. }));
        if cut && out.iter().any(|x| x.is_nan()) {
            return Err(Diagnostic::new(
                Code::E0205,
                e.span,
                format!("{TRIES} draws of `{}` all fell outside of the ends of `truncated`", var.name),
            )
            .help("widen the ends or change the distribution"));
        }
        let Some((lo, hi)) = limits else { return Ok(out) };
        let again = var.role == Role::Param && draws(e);
        let inside = |x: f64| x >= lo && x <= hi;
        for (k, x) in (from..).zip(&mut out) {
            if inside(*x) {
                continue;
            }
            if !again {
                *x = x.max(lo).min(hi);
                continue;
            }
            let anew =
                |attempt| self.at(ends, e, (values, from), Draws { element: k, attempt, ..draw }, &RefCell::new(None));
            *x = (1..ATTEMPTS).map(anew).find(|x| inside(*x)).ok_or_else(|| {
                Diagnostic::new(
                    Code::E0205,
                    e.span,
                    format!("{ATTEMPTS} draws of `{}` all fell outside of its bounds", var.name),
                )
                .also(var.span, "declared with bounds here")
                .help("widen the bounds or change the distribution")
            })?;
        }
        Ok(out)
    }

    /// The delays of the elements of a range in steps, drawn from the stream of that name; `values` are those of [`Maker::chunk`].
    ///
    /// # Errors
    /// A column that an edge list does not have.
    pub(super) fn delays(
        &self,
        ends: &Ends<'_>,
        e: &Expr,
        kind: DelayKind,
        values: &Values,
        range: Range<u64>,
    ) -> Result<(Vec<u32>, BadDelays), Diagnostic> {
        let stream = Stream::new(self.set.model.settings.seed, &format!("{}/{}", self.set.name, kind.name()));
        let stream = self.set.anew.as_ref().map_or(stream, |a| stream.sub(a.key));
        let dt = self.set.model.settings.dt;
        let mut bad = BadDelays::default();
        let times = self.block(ends, e, values, range, Draws { stream, element: 0, attempt: 0 })?;
        let steps = times.into_iter().map(|time| {
            let n = crate::sched::steps(time, dt);
            // What rounds to no delay counts as none, unless it was meant to be negative.
            if time >= 0.0 && n <= MAX_DELAY {
                return n as u32;
            }
            bad.add(BadDelays { count: 1, worst: time });
            0
        });
        Ok((steps.collect(), bad))
    }
}

/// Delays that cannot be kept.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BadDelays {
    /// How many.
    pub(super) count: u64,
    /// One that is not a number, or else the lowest.
    worst: f64,
}

impl BadDelays {
    /// Counts more of them.
    pub(super) fn add(&mut self, more: Self) {
        if more.count > 0 && (self.count == 0 || more.worst.is_nan() || more.worst < self.worst) {
            self.worst = more.worst;
        }
        self.count += more.count;
    }

    /// What is wrong with them: the delays `name`, of `of` in all, given by `e`.
    pub(super) fn fault(self, e: &Expr, name: &str, of: u64) -> Diagnostic {
        let Self { count, worst } = self;
        if worst < 0.0 {
            Diagnostic::new(
                Code::E0403,
                e.span,
                format!("{count} of the {of} values of `{name}` are negative or cannot be kept"),
            )
            .label(format!("the lowest is {} ms", short(worst)))
            .help("keep them above zero, for example `clip(normal(1.5 ms, 0.5 ms), 0.1 ms, 5 ms)`")
        } else {
            Diagnostic::new(Code::E0403, e.span, format!("{count} of the {of} values of `{name}` cannot be kept"))
                .label(format!("such as {worst} ms"))
                .help("delays must be numbers between 0 and a million time steps")
        }
    }
}

/// Four digits behind the point at most.
fn short(x: f64) -> String {
    let text = format!("{x:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
