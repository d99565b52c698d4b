//! What is fed twice in one step (W0717): a connection that is made twice, a synapse that delivers one amount twice to one state, an
//! input that follows what is injected into it as well, two spikes of a list in one step. Two connections with different weights, delays
//! or synapses are two things that add up, and so are two with weights that protocols set; of these nothing is said.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{
    Expr, ExprKind, Listed, Model, PopId, Population, Projection, Role, Rule, Select, Side, Stmt, StmtKind, VarId, View,
};
use crate::script::machine::Entity;
use crate::source::Span;
use crate::syntax::ast;

/// Reports what a sound model feeds twice.
pub(super) fn check(file: &ast::File, prelude: &ast::File, model: &Model, sink: &mut Sink) {
    connections(model, sink);
    let mut named = BTreeSet::new();
    for item in prelude.items.iter().chain(&file.items) {
        if let ast::ItemKind::Synapse(m) = &item.kind {
            for item in &m.items {
                if let ast::ModelItemKind::On { body, .. } = &item.kind {
                    with_target(&body.stmts, &mut named);
                }
            }
        }
    }
    // A synapse that several connections use is said once.
    let mut said = BTreeSet::new();
    for c in &model.projections {
        let synapse = Synapse { c, model, named: &named };
        synapse.deliveries(&c.synapse.on_pre, &mut Vec::new(), &mut said, sink);
        synapse.injections(&mut said, sink);
        followed(c, model, &mut said, sink);
    }
    for population in &model.populations {
        spikes(population, model.settings.dt, sink);
    }
}

/// Connections that do what an earlier one does.
fn connections(model: &Model, sink: &mut Sink) {
    let mut set: BTreeSet<u32> = BTreeSet::new();
    for key in model.script.assigned.iter().chain(&model.script.frozen) {
        if let Entity::Proj(p) = key.entity {
            set.insert(p.0);
        }
    }
    // What a loop makes is said once.
    let mut said = BTreeSet::new();
    let mut earlier: BTreeMap<(PopId, VarId), Vec<&Projection>> = BTreeMap::new();
    for (k, c) in model.projections.iter().enumerate() {
        let Some(target) = c.target.filter(|_| !set.contains(&(k as u32))) else { continue };
        let list = earlier.entry((c.post.pop, target)).or_default();
        if let Some((first, which)) = list.iter().find_map(|o| Some((*o, overlap(model, o, c)?))) {
            if said.insert(c.span) {
                sink.push(doubled(model, first, c, which));
            }
        } else {
            list.push(c);
        }
    }
}

/// How much two connections that are alike have in common.
#[derive(Clone, Copy, PartialEq)]
enum Overlap {
    /// All.
    All,
    /// The second is among the first.
    Second,
    /// The first is among the second.
    First,
}

fn overlap(model: &Model, a: &Projection, b: &Projection) -> Option<Overlap> {
    let optional = |a: &Option<Expr>, b: &Option<Expr>| match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a.same(b),
        _ => false,
    };
    let alike = same_source(model, a, b)
        && a.rule == b.rule
        && a.synapse.span == b.synapse.span
        && a.args.len() == b.args.len()
        && a.args.iter().zip(&b.args).all(|((v, x), (w, y))| v == w && x.same(y))
        && optional(&a.filter, &b.filter)
        && optional(&a.delay, &b.delay)
        && optional(&a.dendritic_delay, &b.dendritic_delay)
        && a.kernel == b.kernel;
    if !alike {
        return None;
    }
    let of = |v: &View| model.populations.get(v.pop.index()).map_or(0, Population::size);
    let (pre, post) = (range(&a.pre, of(&a.pre)), range(&a.post, of(&a.post)));
    let (pre_b, post_b) = (range(&b.pre, of(&b.pre)), range(&b.post, of(&b.post)));
    let same =
        |a: &View, b: &View| a.select == b.select || (range(a, of(a)).is_some() && range(a, of(a)) == range(b, of(b)));
    let (same_pre, same_post) = (same(&a.pre, &b.pre), same(&a.post, &b.post));
    if same_pre && same_post {
        return Some(Overlap::All);
    }
    // One end is the same, the other a part: with a rule without chance these are the same pairs again.
    if a.rule != Rule::AllToAll || !(same_pre || same_post) {
        return None;
    }
    let (a, b) = if same_pre { (post?, post_b?) } else { (pre?, pre_b?) };
    let within = |inner: &Range<u64>, outer: &Range<u64>| outer.start <= inner.start && inner.end <= outer.end;
    if within(&b, &a) { Some(Overlap::Second) } else { within(&a, &b).then_some(Overlap::First) }
}

/// The indices of a view that is a range.
fn range(v: &View, size: u64) -> Option<Range<u64>> {
    match v.select {
        Select::All => Some(0..size),
        Select::Range(a, b) => Some(a..b),
        Select::List(_) => None,
    }
}

/// Whether the same events of the same neurons reach both. Sources that are written in connections are the same if they read the same.
fn same_source(model: &Model, a: &Projection, b: &Projection) -> bool {
    if a.pre.pop == b.pre.pop {
        return a.event == b.event;
    }
    let (Some(p), Some(q)) = (model.populations.get(a.pre.pop.index()), model.populations.get(b.pre.pop.index()))
    else {
        return false;
    };
    p.pooled
        && q.pooled
        && p.model == q.model
        && p.args.len() == q.args.len()
        && p.args.iter().zip(&q.args).all(|((v, x), (w, y))| v == w && x.same(y))
}

fn doubled(model: &Model, first: &Projection, c: &Projection, which: Overlap) -> Diagnostic {
    let name = |p: PopId| model.populations.get(p.index()).map_or("", |p| p.name.as_str());
    let at = |c: &Projection| Span { file: c.pre_span.file, start: c.pre_span.start, end: c.post_span.end };
    let drive = model.populations.get(c.pre.pop.index()).is_some_and(|p| p.pooled);
    let source = if drive { "poisson_input" } else { name(c.pre.pop) };
    let neuron = model.populations.get(c.post.pop.index()).and_then(|p| model.neurons.get(p.model.index()));
    let var = c.target.and_then(|v| neuron?.vars.get(v.index())).map_or("", |v| v.name.as_str());
    let target = format!("{}.{var}", name(c.post.pop));
    let effect = match (drive, c.synapse.injects.is_empty()) {
        (true, _) => "the targets get as many events again",
        (false, true) => "every spike adds its weight twice",
        (false, false) => "every step adds the current twice",
    };
    if first.span == c.span {
        let message = format!("every round of a loop connects `{source}` to `{target}` in the same way");
        return Diagnostic::new(Code::W0717, at(c), message)
            .label("nothing here depends on the round, and the connections add up")
            .help("move it out of the loop, or write what differs between the rounds");
    }
    let message = format!("`{source}` is connected to `{target}` twice in the same way");
    let d = Diagnostic::new(Code::W0717, at(c), message);
    let d = match which {
        Overlap::All => d.label(effect),
        Overlap::Second => d.label(format!("these neurons are among those of the other connection: {effect}")),
        Overlap::First => d.label(format!("the neurons of the other connection are among these: there, {effect}")),
    };
    d.also(at(first), "the same rule, synapse and values")
        .help("remove one of them, or write the difference: another weight, delay or synapse")
}

/// The spans of deliveries that name their target.
fn with_target(stmts: &[ast::Stmt], out: &mut BTreeSet<Span>) {
    for s in stmts {
        match &s.kind {
            ast::StmtKind::Deliver { to: Some(_), .. } => {
                out.insert(s.span);
            }
            ast::StmtKind::If { then, els, .. } => {
                with_target(&then.stmts, out);
                match els {
                    Some(ast::Else::Block(b)) => with_target(&b.stmts, out),
                    Some(ast::Else::If(s)) => with_target(std::slice::from_ref(s), out),
                    None => {}
                }
            }
            _ => {}
        }
    }
}

/// A delivery that has been passed on the way to a statement.
#[derive(Clone, Copy)]
struct Passed<'a> {
    stmt: &'a Stmt,
    value: &'a Expr,
    target: VarId,
    /// No assignment since, so that a value which reads the same is the same.
    fresh: bool,
}

/// A synapse in the connection that uses it.
struct Synapse<'a> {
    c: &'a Projection,
    model: &'a Model,
    named: &'a BTreeSet<Span>,
}

impl<'a> Synapse<'a> {
    /// Deliveries to one variable on one way through a handler: with the same value, or once by the connection's target and once by name.
    fn deliveries(&self, block: &'a [Stmt], passed: &mut Vec<Passed<'a>>, said: &mut BTreeSet<Span>, sink: &mut Sink) {
        for stmt in block {
            match &stmt.kind {
                StmtKind::Deliver { value, target } => {
                    for p in passed.iter().filter(|p| p.target == *target) {
                        let named = |s: &Stmt| self.named.contains(&s.span);
                        if named(p.stmt) != named(stmt) {
                            let (by_name, other) = if named(stmt) { (stmt, p.stmt) } else { (p.stmt, stmt) };
                            self.named_and_implied(*target, by_name.span, other.span, said, sink);
                        } else if p.fresh && p.value.same(value) && said.insert(stmt.span) {
                            let message =
                                format!("`{}` delivers the same amount to the same place twice", self.c.synapse.name);
                            sink.push(
                                Diagnostic::new(Code::W0717, stmt.span, message)
                                    .label("once more, for the same spike")
                                    .also(p.stmt.span, "the first time")
                                    .help("remove one of them, or deliver twice the amount"),
                            );
                        }
                    }
                    passed.push(Passed { stmt, value, target: *target, fresh: true });
                }
                StmtKind::If { then, els, .. } => {
                    for branch in [then, els] {
                        let before = passed.clone();
                        self.deliveries(branch, passed, said, sink);
                        *passed = before;
                    }
                    passed.iter_mut().for_each(|p| p.fresh = false);
                }
                StmtKind::Assign { .. } => passed.iter_mut().for_each(|p| p.fresh = false),
                StmtKind::Local { .. } => {}
            }
        }
    }

    fn var(&self, target: VarId) -> &'a str {
        let population = self.model.populations.get(self.c.post.pop.index());
        let neuron = population.and_then(|p| self.model.neurons.get(p.model.index()));
        neuron.and_then(|n| n.vars.get(target.index())).map_or("", |v| v.name.as_str())
    }

    fn named_and_implied(&self, target: VarId, named: Span, implied: Span, said: &mut BTreeSet<Span>, sink: &mut Sink) {
        let at = self.c.post_span;
        if !said.insert(at) {
            return;
        }
        let var = self.var(target);
        let message = format!("`{}` delivers to `{var}` twice for each spike", self.c.synapse.name);
        sink.push(
            Diagnostic::new(Code::W0717, at, message)
                .label("what the synapse delivers without `to` goes here")
                .also(implied, "this goes to the connection's target")
                .also(named, format!("and this to `{var}`, which is the same"))
                .help("connect to the other state, or leave one `deliver` out"),
        );
    }

    /// Injections of the same amount.
    fn injections(&self, said: &mut BTreeSet<Span>, sink: &mut Sink) {
        let injects = &self.c.synapse.injects;
        for (k, e) in injects.iter().enumerate() {
            if let Some(first) = injects[..k].iter().find(|o| o.same(e))
                && said.insert(e.span)
            {
                let message = format!("`{}` injects the same amount twice in every step", self.c.synapse.name);
                sink.push(
                    Diagnostic::new(Code::W0717, e.span, message)
                        .label("once more")
                        .also(first.span, "the first time")
                        .help("remove one of them, or inject twice the amount"),
                );
            }
        }
    }
}

/// An input that follows a variable which a projection injects as well.
fn followed(c: &Projection, model: &Model, said: &mut BTreeSet<Span>, sink: &mut Sink) {
    let (Some(target), Some(post)) = (c.target, model.populations.get(c.post.pop.index())) else { return };
    let Some(neuron) = model.neurons.get(post.model.index()) else { return };
    let Some(var) = neuron.vars.get(target.index()).filter(|v| v.role == Role::Input) else { return };
    let Some(given) = post.given(&neuron.vars, target) else { return };
    for e in &c.synapse.injects {
        let mut both = None;
        visit(given, &mut |part| {
            if let ExprKind::Other(p, v) = part.kind
                && p == c.pre.pop
                && e.any(&c.synapse.lets, &|e| matches!(e.kind, ExprKind::Var(Side::Pre, w) if w == v))
            {
                both = Some((v, part.span));
            }
        });
        let Some((v, at)) = both else { continue };
        if !said.insert(c.pre_span) {
            return;
        }
        let pre = model.populations.get(c.pre.pop.index());
        let name = pre.and_then(|p| Some((p, model.neurons.get(p.model.index())?.vars.get(v.index())?)));
        let (source, what) = name.map_or(("", ""), |(p, v)| (p.name.as_str(), v.name.as_str()));
        let message = format!("`{}.{}` gets `{source}.{what}` twice in every step", post.name, var.name);
        sink.push(
            Diagnostic::new(
                Code::W0717,
                Span { file: c.pre_span.file, start: c.pre_span.start, end: c.post_span.end },
                message,
            )
            .label(format!("`{}` injects it here", c.synapse.name))
            .also(at, "and the input follows it by itself")
            .help("give the input no value of its own, or leave out the connection"),
        );
        return;
    }
}

fn visit<'a>(e: &'a Expr, f: &mut dyn FnMut(&'a Expr)) {
    f(e);
    e.each_part(&mut |p| visit(p, f));
}

/// Two spikes of one neuron that fall into one step are one.
fn spikes(population: &Population, dt: f64, sink: &mut Sink) {
    let Some(play) = &population.play else { return };
    let Listed::Values(times) = &play.times else { return };
    let ids = match &play.ids {
        None => None,
        Some(Listed::Values(ids)) => Some(ids),
        Some(Listed::File(_)) => return,
    };
    let mut all: Vec<(u64, u64, usize)> = Vec::with_capacity(times.len());
    for (k, t) in times.iter().enumerate() {
        let id = ids.and_then(|ids| ids.get(k)).map_or(0, |i| *i as u64);
        all.push((id, (t / dt).round() as u64, k));
    }
    all.sort_unstable();
    let twice = |w: &&[(u64, u64, usize)]| matches!(w, [a, b] if (a.0, a.1) == (b.0, b.1));
    let lost = all.windows(2).filter(twice).count();
    let Some([a, b]) = all.windows(2).find(twice) else { return };
    let (Some(s), Some(t)) = (times.get(a.2), times.get(b.2)) else { return };
    let who = match ids {
        Some(_) => format!("neuron {} of `{}` has", a.0, population.name),
        None if population.size() == 1 => format!("`{}` has", population.name),
        None => format!("the neurons of `{}` have", population.name),
    };
    let more = if lost > 1 { format!(", {lost} such spikes in all") } else { String::new() };
    sink.push(
        Diagnostic::new(Code::W0717, play.span, format!("{who} two spikes in one step, of which one is lost{more}"))
            .label(format!("at {s} ms and {t} ms, with a step of {dt} ms"))
            .help("take a shorter time step, let two neurons play the list, or remove the second spike"),
    );
}
