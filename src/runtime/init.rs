//! Initial values: parameters by dependency, then states; of populations in order of the file, then of projections.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::eval::{Draws, Env, draws, eval};
use super::wiring::{Files, Wires};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind, LetDecl, Model, PopId, Role, Side, VarDecl, VarId};
use crate::rng::Stream;
use crate::sched::{Delay, MAX_DELAY, Place, Plan, Storage};

/// How often a draw outside of its bounds is repeated.
const ATTEMPTS: u64 = 1000;

/// Initial values of one population or projection, by variable; `None` where the plan keeps one constant.
pub type Values = Vec<Option<Vec<f64>>>;

/// The initial values of a whole network.
#[derive(Debug, Clone, Default)]
pub struct Initial {
    /// By population: one value per neuron.
    pub pops: Vec<Values>,
    /// By projection: one value per synapse (dense: pre × post, row by row), or a single one where the variable lives with a neuron.
    pub projs: Vec<Values>,
    /// By projection: axonal and dendritic delays in steps, one per synapse, where they differ.
    pub delays: Vec<[Option<Vec<u32>>; 2]>,
    /// Bounds of the projections' variables.
    pub proj_bounds: Vec<Vec<Option<(f64, f64)>>>,
    /// Bounds of the populations' variables.
    pub pop_bounds: Vec<Vec<Option<(f64, f64)>>>,
}

/// Computes all initial values.
///
/// # Errors
/// An array of the wrong length, a missing file, a draw that never falls inside its bounds.
pub fn initial(model: &Model, plan: &Plan, wires: &[Option<Wires>], files: &Files) -> Result<Initial, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut out = Initial::default();
    for (p, population) in model.populations.iter().enumerate() {
        let neuron = &model.neurons[population.model.index()];
        let constants: Vec<Option<f64>> = plan.populations[p]
            .storage
            .iter()
            .map(|s| match s {
                Storage::Constant(x) => Some(*x),
                Storage::Array => None,
            })
            .collect();
        let n = population.size();
        let set = Set {
            model,
            name: &population.name,
            vars: &neuron.vars,
            lets: &neuron.lets,
            args: &population.args,
            constants: &constants,
            count: n,
            files,
            anew: None,
        };
        let size = |_: Side| n as f64;
        // Other populations' values at the start; of later ones they are not known yet, and the first step sets what follows them.
        let other = |pop: PopId, var: VarId, k: u64| match plan.populations[pop.index()].storage[var.index()] {
            Storage::Constant(x) => x,
            Storage::Array => {
                let values = out.pops.get(pop.index()).and_then(|p| p[var.index()].as_ref());
                values.and_then(|v| v.get(k as usize).or_else(|| v.first())).copied().unwrap_or(0.0)
            }
        };
        let ends =
            Ends { shared: None, pre: &|k| k, post: &|k| k, side: &|_, _, _| f64::NAN, other: &other, size: &size };
        let result = set.all(&ends, &|_, _| None);
        match result {
            Ok((values, bounds)) => {
                out.pops.push(values);
                out.pop_bounds.push(bounds);
            }
            Err(d) => {
                errors.push(d);
                out.pops.push(vec![None; neuron.vars.len()]);
                out.pop_bounds.push(vec![None; neuron.vars.len()]);
            }
        }
    }
    for (p, projection) in model.projections.iter().enumerate() {
        let place = &plan.projections[p].place;
        let constants: Vec<Option<f64>> = place
            .iter()
            .map(|s| match s {
                Place::Constant(x) => Some(*x),
                Place::Synapse | Place::Pre | Place::Post => None,
            })
            .collect();
        let (pre_pop, post_pop) = (projection.pre.pop.index(), projection.post.pop.index());
        let (pre, post) = (model.populations[pre_pop].size(), model.populations[post_pop].size());
        let wires = wires[p].as_ref();
        let n = wires.map_or(pre * post, |w| w.rows.len() as u64);
        let set = Set {
            model,
            name: &projection.name,
            vars: &projection.synapse.vars,
            lets: &projection.synapse.lets,
            args: &projection.args,
            constants: &constants,
            count: n,
            files,
            anew: None,
        };
        let pre_of = |k: u64| wires.map_or(k / post.max(1), |w| u64::from(w.pre[k as usize]));
        let post_of = |k: u64| wires.map_or(k % post.max(1), |w| u64::from(w.rows.post[k as usize]));
        let size = |side: Side| if side == Side::Post { post as f64 } else { pre as f64 };
        let neuron_value = |side: Side, var: VarId, index: u64| {
            let pop = if side == Side::Post { post_pop } else { pre_pop };
            match &plan.populations[pop].storage[var.index()] {
                Storage::Constant(x) => *x,
                Storage::Array => {
                    out.pops[pop][var.index()].as_ref().and_then(|v| v.get(index as usize)).copied().unwrap_or(f64::NAN)
                }
            }
        };
        let single = |v: VarId| matches!(place[v.index()], Place::Pre | Place::Post);
        // What an input follows has one neuron.
        let other = |pop: PopId, var: VarId, _: u64| match plan.populations[pop.index()].storage[var.index()] {
            Storage::Constant(x) => x,
            Storage::Array => {
                out.pops[pop.index()][var.index()].as_ref().and_then(|v| v.first()).copied().unwrap_or(0.0)
            }
        };
        let kernel = super::wiring::shared_kernel(model, projection);
        let entry = |k: u64| kernel.and_then(|c| c.entry(pre_of(k), post_of(k))).unwrap_or(k);
        let shared = kernel.map(|c| (&entry as &dyn Fn(u64) -> u64, c.entries()));
        let ends = Ends { shared, pre: &pre_of, post: &post_of, side: &neuron_value, other: &other, size: &size };
        let column = |name: &str, k: u64| {
            wires.and_then(|w| w.columns_of_file.get(name)).and_then(|c| c.get(k as usize)).copied()
        };
        match set.some(&ends, &column, &single) {
            Ok((values, bounds)) => {
                let own = [
                    (plan.projections[p].delay, &projection.delay, "delay"),
                    (plan.projections[p].dendritic, &projection.dendritic_delay, "dendritic_delay"),
                ]
                .map(|(delay, e, name)| match (delay, e) {
                    (Delay::PerSynapse, Some(e)) => match set.delays(&ends, &column, &values, e, name) {
                        Ok(steps) => Some(steps),
                        Err(d) => {
                            errors.push(d);
                            None
                        }
                    },
                    _ => None,
                });
                out.delays.push(own);
                out.projs.push(values);
                out.proj_bounds.push(bounds);
            }
            Err(d) => {
                errors.push(d);
                out.delays.push([None, None]);
                out.projs.push(vec![None; place.len()]);
                out.proj_bounds.push(vec![None; place.len()]);
            }
        }
    }
    if errors.is_empty() { Ok(out) } else { Err(errors) }
}

type Bounds = Vec<Option<(f64, f64)>>;

/// Where the elements of a set are in the network.
pub(super) struct Ends<'a> {
    /// The number by which an element's draws are addressed and its entry of a file is found, and how many there are: of synapses
    /// that share the entries of a kernel that of the entry. `None`: the element's own.
    pub(super) shared: Option<(&'a dyn Fn(u64) -> u64, u64)>,
    pub(super) pre: &'a dyn Fn(u64) -> u64,
    pub(super) post: &'a dyn Fn(u64) -> u64,
    pub(super) side: &'a dyn Fn(Side, VarId, u64) -> f64,
    pub(super) other: &'a dyn Fn(PopId, VarId, u64) -> f64,
    pub(super) size: &'a dyn Fn(Side) -> f64,
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
    pub(super) present: &'a dyn Fn(VarId, u64) -> f64,
}

impl Set<'_> {
    fn given(&self, v: VarId) -> Option<&Expr> {
        self.args.iter().find(|(w, _)| *w == v).map(|(_, e)| e).or(self.vars[v.index()].init.as_ref())
    }

    /// Whether a variable gets a value now.
    fn wanted(&self, v: VarId) -> bool {
        self.anew.as_ref().is_none_or(|a| a.only.contains(&v))
    }

    fn all(&self, ends: &Ends<'_>, column: &dyn Fn(&str, u64) -> Option<f64>) -> Result<(Values, Bounds), Diagnostic> {
        self.some(ends, column, &|_| false)
    }

    /// The values of all variables without a constant; of those that are `single` only one.
    pub(super) fn some(
        &self,
        ends: &Ends<'_>,
        column: &dyn Fn(&str, u64) -> Option<f64>,
        single: &dyn Fn(VarId) -> bool,
    ) -> Result<(Values, Bounds), Diagnostic> {
        let n = self.vars.len();
        let mut values: Values = vec![None; n];
        let mut bounds: Bounds = vec![None; n];
        let arrays = self.arrays(ends.shared.map_or(self.count, |(_, n)| n))?;
        let number = |k: u64| ends.shared.map_or(k, |(f, _)| f(k));
        for v in self.order().into_iter().filter(|v| self.wanted(*v)) {
            let var = &self.vars[v.index()];
            let count = if single(v) { 1 } else { self.count };
            let missing: RefCell<Option<String>> = RefCell::new(None);
            let stream = Stream::new(self.model.settings.seed, &format!("{}/{}@init", self.name, var.name));
            let stream = self.anew.as_ref().map_or(stream, |a| stream.sub(a.key));
            let at = |k: u64, e: &Expr, attempt: u64| {
                let lookup = |side: Side, w: VarId| match side {
                    Side::Own => self.constants[w.index()].unwrap_or_else(|| {
                        let known = values[w.index()].as_ref();
                        let known = known.and_then(|a| a.get(k as usize).or_else(|| a.first())).copied();
                        known.unwrap_or_else(|| self.anew.as_ref().map_or(f64::NAN, |a| (a.present)(w, k)))
                    }),
                    Side::Pre => (ends.side)(side, w, (ends.pre)(k)),
                    Side::Post => (ends.side)(side, w, (ends.post)(k)),
                };
                let env = Env {
                    var: &lookup,
                    lets: self.lets,
                    i: (ends.pre)(k),
                    j: (ends.post)(k),
                    size: ends.size,
                    other: ends.other,
                    dt: self.model.settings.dt,
                    draws: Some(Draws { stream, element: number(k), attempt }),
                    array: &|path, key| {
                        let a = arrays.get(&(path.to_owned(), key.to_owned()));
                        a.and_then(|a| if a.len() == 1 { a.first() } else { a.get(number(k) as usize) })
                            .copied()
                            .unwrap_or(f64::NAN)
                    },
                    edge: &|name| {
                        column(name, k).unwrap_or_else(|| {
                            *missing.borrow_mut() = Some(name.to_owned());
                            f64::NAN
                        })
                    },
                };
                eval(e, &env)
            };
            let limits = var.bounds.as_ref().map(|(lo, hi)| (at(0, lo, 0), at(0, hi, 0)));
            bounds[v.index()] = limits;
            if self.constants[v.index()].is_some() {
                continue;
            }
            let Some(e) = self.given(v) else {
                values[v.index()] = Some(vec![0.0; count as usize]);
                continue;
            };
            let random = draws(e);
            let cut = e.any(self.lets, &|e| matches!(e.kind, ExprKind::Draw { truncated: true, .. }));
            let inside = |x: f64| limits.is_none_or(|(lo, hi)| x >= lo && x <= hi);
            let mut out = Vec::with_capacity(count as usize);
            for k in 0..count {
                let mut x = at(k, e, 0);
                if cut && x.is_nan() {
                    return Err(Diagnostic::new(
                        Code::E0205,
                        e.span,
                        format!(
                            "{} draws of `{}` all fell outside of the ends of `truncated`",
                            super::eval::TRIES,
                            var.name
                        ),
                    )
                    .help("widen the ends or change the distribution"));
                }
                if !inside(x) {
                    if var.role == Role::Param && random {
                        let found = (1..ATTEMPTS).map(|a| at(k, e, a)).find(|x| inside(*x));
                        x = found.ok_or_else(|| {
                            Diagnostic::new(
                                Code::E0205,
                                e.span,
                                format!("{ATTEMPTS} draws of `{}` all fell outside of its bounds", var.name),
                            )
                            .also(var.span, "declared with bounds here")
                            .help("widen the bounds or change the distribution")
                        })?;
                    } else if let Some((lo, hi)) = limits {
                        x = x.max(lo).min(hi);
                    }
                }
                out.push(x);
            }
            if let Some(name) = missing.into_inner() {
                return Err(no_column(e, &name));
            }
            values[v.index()] = Some(out);
        }
        Ok((values, bounds))
    }

    /// The delays of all synapses in steps, drawn from the stream of that name.
    fn delays(
        &self,
        ends: &Ends<'_>,
        column: &dyn Fn(&str, u64) -> Option<f64>,
        values: &Values,
        e: &Expr,
        name: &str,
    ) -> Result<Vec<u32>, Diagnostic> {
        let mut arrays = BTreeMap::new();
        self.read_arrays(e, self.count, &mut arrays)?;
        let stream = Stream::new(self.model.settings.seed, &format!("{}/{name}", self.name));
        let missing: RefCell<Option<String>> = RefCell::new(None);
        let mut steps = Vec::with_capacity(self.count as usize);
        let mut wrong = 0_u64;
        let mut worst = 0.0_f64;
        for k in 0..self.count {
            let lookup = |side: Side, w: VarId| match side {
                Side::Own => self.constants[w.index()].unwrap_or_else(|| {
                    let known = values[w.index()].as_ref();
                    known.and_then(|a| a.get(k as usize).or_else(|| a.first())).copied().unwrap_or(f64::NAN)
                }),
                Side::Pre => (ends.side)(side, w, (ends.pre)(k)),
                Side::Post => (ends.side)(side, w, (ends.post)(k)),
            };
            let env = Env {
                var: &lookup,
                lets: self.lets,
                i: (ends.pre)(k),
                j: (ends.post)(k),
                size: ends.size,
                dt: self.model.settings.dt,
                draws: Some(Draws { stream, element: k, attempt: 0 }),
                array: &|path, key| {
                    let a = arrays.get(&(path.to_owned(), key.to_owned()));
                    a.and_then(|a| if a.len() == 1 { a.first() } else { a.get(k as usize) })
                        .copied()
                        .unwrap_or(f64::NAN)
                },
                edge: &|name| {
                    column(name, k).unwrap_or_else(|| {
                        *missing.borrow_mut() = Some(name.to_owned());
                        f64::NAN
                    })
                },
                other: ends.other,
            };
            let time = eval(e, &env);
            let n = crate::sched::steps(time, self.model.settings.dt);
            // What rounds to no delay counts as none, unless it was meant to be negative.
            if time >= 0.0 && n <= MAX_DELAY {
                steps.push(n as u32);
                continue;
            }
            if wrong == 0 || time.is_nan() || time < worst {
                worst = time;
            }
            wrong += 1;
        }
        if let Some(name) = missing.into_inner() {
            return Err(no_column(e, &name));
        }
        if wrong == 0 {
            return Ok(steps);
        }
        let of = self.count;
        Err(if worst < 0.0 {
            Diagnostic::new(
                Code::E0403,
                e.span,
                format!("{wrong} of the {of} values of `{name}` are negative or cannot be kept"),
            )
            .label(format!("the lowest is {} ms", short(worst)))
            .help("keep them above zero, for example `clip(normal(1.5 ms, 0.5 ms), 0.1 ms, 5 ms)`")
        } else {
            Diagnostic::new(Code::E0403, e.span, format!("{wrong} of the {of} values of `{name}` cannot be kept"))
                .label(format!("such as {worst} ms"))
                .help("delays must be numbers between 0 and a million time steps")
        })
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

    /// The file arrays that initial values mention, checked for their length.
    fn arrays(&self, count: u64) -> Result<BTreeMap<(String, String), Vec<f64>>, Diagnostic> {
        let mut out = BTreeMap::new();
        for v in 0..self.vars.len() as u32 {
            if let Some(e) = self.given(VarId(v)).filter(|_| self.wanted(VarId(v))) {
                self.read_arrays(e, count, &mut out)?;
            }
        }
        Ok(out)
    }

    fn read_arrays(
        &self,
        e: &Expr,
        count: u64,
        out: &mut BTreeMap<(String, String), Vec<f64>>,
    ) -> Result<(), Diagnostic> {
        if let ExprKind::FileArray { path, key } = &e.kind {
            let mut table = self.files.read(path, e.span)?;
            let names: Vec<String> = table.keys().map(|k| format!("`{k}`")).collect();
            let array = table.remove(key).ok_or_else(|| {
                Diagnostic::new(Code::E0802, e.span, format!("`{path}` has no array `{key}`"))
                    .note(format!("it holds {}", names.join(", ")))
            })?;
            let values = super::wiring::reals(&array);
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

/// Four digits behind the point at most.
fn short(x: f64) -> String {
    let text = format!("{x:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn no_column(e: &Expr, name: &str) -> Diagnostic {
    Diagnostic::new(Code::E0802, e.span, format!("the edges file has no column `{name}` with one value per synapse"))
}
