//! Views: some neurons of a population, by ranges, lists and conditions; all known when the program is checked.

use std::sync::Arc;

use super::consts::{value, whole};
use super::infer::{Count, Meaning, Names, Typer, strip, what_is};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Model, PopId, Select, View};
use crate::sema::scope::Symbol;
use crate::source::Span;
use crate::syntax::ast;

/// `i` (and `j` in projections), sizes, and the top level's names.
pub(crate) struct IndexNames {
    /// Of which neurons.
    pub(crate) of: Count,
}

impl Names for IndexNames {
    fn lookup(&mut self, _: &str, _: Span, _: &mut Typer<'_>) -> Option<Meaning> {
        None
    }

    fn all(&self) -> Vec<String> {
        let names: &[&str] = if self.indices().1 { &["i", "j", "pre.N", "post.N"] } else { &["i", "N"] };
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    fn indices(&self) -> (bool, bool) {
        (true, matches!(self.of, Count::Two(_)))
    }

    fn count(&self) -> Count {
        self.of
    }

    fn no_draw(&self, _: &str) -> (&'static str, String) {
        let help = if self.indices().1 {
            "let the rule choose at random: `via random(p = 0.1) where …`"
        } else {
            "choose by the index, such as `i % 2 == 0`"
        };
        ("and a `where` has none", help.to_owned())
    }

    fn time(&self) -> Result<(), &'static str> {
        Err("`t` has no value here: neurons and synapses are chosen before the simulation starts")
    }
}

/// The sizes of the two populations of a connection, for the arguments of its rule.
pub(crate) struct EndNames {
    /// Of the pre and the post population; `None` while one is faulty.
    pub(crate) sizes: Option<(u64, u64)>,
}

impl Names for EndNames {
    fn lookup(&mut self, _: &str, _: Span, _: &mut Typer<'_>) -> Option<Meaning> {
        None
    }

    fn all(&self) -> Vec<String> {
        vec!["pre.N".to_owned(), "post.N".to_owned()]
    }

    fn indices(&self) -> (bool, bool) {
        (false, false)
    }

    fn count(&self) -> Count {
        Count::Two(self.sizes)
    }

    fn time(&self) -> Result<(), &'static str> {
        Err("`t` has no value here: synapses are chosen before the simulation starts")
    }
}

/// Number of neurons of a view.
pub(crate) fn len(model: &Model, view: &View) -> u64 {
    match &view.select {
        Select::All => model.populations[view.pop.index()].size(),
        Select::Range(a, b) => b - a,
        Select::List(l) => l.len() as u64,
    }
}

/// The index in the population of the `k`-th neuron of a view.
pub(crate) fn at(view: &View, k: u64) -> u64 {
    match &view.select {
        Select::All => k,
        Select::Range(a, _) => a + k,
        Select::List(l) => u64::from(l[k as usize]),
    }
}

/// The view that the beginning of a path names, and the member that follows, if any. `None` if something is faulty (reported).
pub(crate) fn path<'a>(
    path: &'a ast::Path,
    model: &Model,
    typer: &mut Typer<'_>,
) -> Option<(View, Option<&'a ast::Ident>)> {
    let mut view = root(&path.root, model, typer)?;
    let mut member: Option<&ast::Ident> = None;
    for s in &path.segments {
        match s {
            ast::Segment::Index(index) if member.is_none() => view = indexed(&view, index, model, typer)?,
            ast::Segment::Index(index) => {
                typer.error(
                    Diagnostic::new(
                        Code::E0401,
                        index.span,
                        "the index belongs to the population, not to its variable",
                    )
                    .help(match member {
                        Some(m) => format!("write `{}[..100].{}`", path.root.node, m.node),
                        None => "write `N[..100].v`".to_owned(),
                    }),
                );
                return None;
            }
            ast::Segment::Member(m) if member.is_none() => member = Some(m),
            ast::Segment::Member(m) => {
                typer.error(Diagnostic::new(Code::E0104, m.span, "a variable has no members"));
                return None;
            }
        }
    }
    Some((view, member))
}

/// The whole population or view of a name.
fn root(name: &ast::Ident, model: &Model, typer: &mut Typer<'_>) -> Option<View> {
    match typer.scope.names.get(&name.node) {
        Some((Symbol::Pop(p), _)) => whole_view(*p, model),
        Some((Symbol::View(v), _)) => Some(v.clone()),
        Some((Symbol::Poisoned, _)) => None,
        Some((other, declared)) => {
            let d = Diagnostic::new(
                Code::E0401,
                name.span,
                format!("`{}` is {}, not a population", name.node, what_is(other)),
            )
            .also(*declared, "declared here");
            typer.error(d);
            None
        }
        None => {
            let d = Diagnostic::new(Code::E0101, name.span, format!("unknown population `{}`", name.node));
            let pops = typer.scope.names.iter().filter(|(_, (s, _))| matches!(s, Symbol::Pop(_) | Symbol::View(_)));
            let names: Vec<String> = pops.map(|(n, _)| n.clone()).collect();
            typer.error(match crate::units::nearest::nearest(&name.node, names.iter().map(String::as_str)) {
                Some(n) => d.help(format!("did you mean `{n}`?")).fix(name.span, n),
                None => d.note(format!("the populations are {}", super::infer::list(&names))),
            });
            None
        }
    }
}

/// A whole population; `None` while it is faulty.
pub(crate) fn whole_view(p: PopId, model: &Model) -> Option<View> {
    let population = model.populations.get(p.index())?;
    (population.size() > 0).then(|| View { pop: p, select: Select::All, shape: population.shape.clone() })
}

/// `view[index]`
fn indexed(view: &View, index: &ast::Index, model: &Model, typer: &mut Typer<'_>) -> Option<View> {
    let name = model.populations[view.pop.index()].name.clone();
    let axes = &view.shape;
    if axes.len() == index.items.len() && axes.len() > 1 {
        // One range or index per axis of the grid.
        let mut spans = Vec::new();
        for (item, n) in index.items.iter().zip(axes) {
            spans.push(range(item, *n, &name, typer)?);
        }
        let mut list: Vec<u64> = vec![0];
        for ((a, b), n) in spans.iter().zip(axes) {
            list = list.iter().flat_map(|base| (*a..*b).map(move |k| base * n + k)).collect();
        }
        let shape = spans.iter().map(|(a, b)| b - a).collect();
        return select(view, list, shape, index.span, typer);
    }
    let total = len(model, view);
    if let [item] = index.items.as_slice() {
        let (a, b) = range(item, total, &name, typer)?;
        if a == b {
            typer.error(Diagnostic::new(Code::E0402, index.span, "this selects no neuron"));
            return None;
        }
        let chosen = match &view.select {
            Select::All => Select::Range(a, b),
            Select::Range(start, _) => Select::Range(start + a, start + b),
            Select::List(l) => Select::List(l[a as usize..b as usize].into()),
        };
        return Some(View { pop: view.pop, select: chosen, shape: vec![b - a] });
    }
    if axes.len() > 1 {
        typer.error(
            Diagnostic::new(
                Code::E0402,
                index.span,
                format!("`{name}` has {} axes, but there are {} indices", axes.len(), index.items.len()),
            )
            .help("give one index or range per axis, or a single one over all neurons"),
        );
        return None;
    }
    let mut list = Vec::new();
    for item in &index.items {
        let (a, b) = range(item, total, &name, typer)?;
        list.extend(a..b);
    }
    let n = list.len() as u64;
    select(view, list, vec![n], index.span, typer)
}

/// The neurons at these positions of a view.
fn select(view: &View, positions: Vec<u64>, shape: Vec<u64>, span: Span, typer: &mut Typer<'_>) -> Option<View> {
    let mut list: Vec<u32> = positions.iter().map(|k| at(view, *k) as u32).collect();
    let sorted = list.is_sorted_by(|a, b| a < b);
    if !sorted {
        list.sort_unstable();
        let before = list.len();
        list.dedup();
        let d = if list.len() < before {
            Diagnostic::new(Code::E0402, span, "a neuron is named twice").help("name every neuron once")
        } else {
            Diagnostic::new(Code::E0402, span, "the neurons of a view must be in ascending order")
                .help("write the indices from small to large")
        };
        typer.error(d);
        return None;
    }
    if list.is_empty() {
        typer.error(Diagnostic::new(Code::E0402, span, "this selects no neuron"));
        return None;
    }
    Some(View { pop: view.pop, select: Select::List(list.into()), shape })
}

/// A range or single index over `n` positions.
fn range(e: &ast::Expr, n: u64, name: &str, typer: &mut Typer<'_>) -> Option<(u64, u64)> {
    let out = |x: i64, typer: &mut Typer<'_>| {
        typer.error(
            Diagnostic::new(
                Code::E0402,
                e.span,
                format!("index {x} is out of range: there are {n} neurons in `{name}` here"),
            )
            .help(format!("indices run from 0 to {}", n.saturating_sub(1))),
        );
    };
    if let ast::ExprKind::Range { start, end } = &strip(e).kind {
        let a = match start {
            Some(s) => whole(s, "the start of a range", typer)?,
            None => 0,
        };
        let b = match end {
            Some(s) => whole(s, "the end of a range", typer)?,
            None => n as i64,
        };
        if a < 0 || b < 0 || a.max(b) as u64 > n {
            typer.error(
                Diagnostic::new(
                    Code::E0402,
                    e.span,
                    format!("the range {a}..{b} is out of range: there are {n} neurons in `{name}` here"),
                )
                .help(format!("the widest range is 0..{n}; the second end is not included")),
            );
            return None;
        }
        if a > b {
            typer.error(Diagnostic::new(
                Code::E0402,
                e.span,
                format!("this range starts at {a} and ends before it, at {b}"),
            ));
            return None;
        }
        return Some((a as u64, b as u64));
    }
    let k = whole(e, "an index", typer)?;
    if k < 0 || k as u64 >= n {
        out(k, typer);
        return None;
    }
    Some((k as u64, k as u64 + 1))
}

/// The most neurons whose condition is evaluated one by one.
const MOST: u64 = 1 << 26;

/// `let E = L where condition`
pub(crate) fn named(l: &ast::Let, model: &Model, typer: &mut Typer<'_>) -> Option<View> {
    let path_of = as_path(&l.value);
    let Some(p) = path_of else {
        typer.error(
            Diagnostic::new(Code::E0302, l.value.span, "a top-level `let` names neurons of a population")
                .help("write `let Exc = N[..800]`; numbers are `const` or `param`"),
        );
        return None;
    };
    let (view, member) = path(&p, model, typer)?;
    if let Some(m) = member {
        typer.error(
            Diagnostic::new(Code::E0302, m.span, "a top-level `let` names neurons, not their variables")
                .help("read the variable in an experiment"),
        );
        return None;
    }
    let Some(filter) = &l.filter else { return Some(view) };
    let mut names = IndexNames { of: Count::One(Some(model.populations[view.pop.index()].size())) };
    let t = typer.expr(filter, &mut names)?;
    let cond = typer.truth(t)?;
    let n = len(model, &view);
    if n > MOST {
        typer.error(
            Diagnostic::new(Code::E0902, filter.span, format!("a condition over {n} neurons would take too long"))
                .help("use ranges: `N[..1000]`"),
        );
        return None;
    }
    let mut list: Vec<u32> = Vec::new();
    for i in (0..n).map(|k| at(&view, k)) {
        match value(&cond, i, 0) {
            Some(x) if x != 0.0 => list.push(i as u32),
            Some(_) => {}
            None => {
                typer.error(
                    Diagnostic::new(
                        Code::E0205,
                        filter.span,
                        format!(
                            "this condition has no value for neuron {i}: it must be known before the simulation starts"
                        ),
                    )
                    .help("use `i`, `N`, numbers, and `const`s and `param`s"),
                );
                return None;
            }
        }
    }
    if list.is_empty() {
        typer.error(Diagnostic::new(Code::E0402, filter.span, "no neuron satisfies this condition"));
        return None;
    }
    let shape = vec![list.len() as u64];
    Some(View { pop: view.pop, select: Select::List(Arc::from(list)), shape })
}

/// An expression of names, indices and members as a path.
pub(crate) fn as_path(e: &ast::Expr) -> Option<ast::Path> {
    match &e.kind {
        ast::ExprKind::Paren(inner) => as_path(inner),
        ast::ExprKind::Name(n) => {
            Some(ast::Path { root: ast::Ident::new(n.clone(), e.span), segments: Vec::new(), span: e.span })
        }
        ast::ExprKind::Index { base, index } => {
            let mut p = as_path(base)?;
            p.segments.push(ast::Segment::Index(index.clone()));
            p.span = e.span;
            Some(p)
        }
        ast::ExprKind::Member { base, member } => {
            let mut p = as_path(base)?;
            p.segments.push(ast::Segment::Member(member.clone()));
            p.span = e.span;
            Some(p)
        }
        _ => None,
    }
}
