//! Indices and slices in protocols: of populations and views, projections, samples and arrays.

use crate::diag::{Code, Diagnostic};
use crate::hir::{self, ProjId, View};
use crate::script::ir::{self, Axis, Expr, ExprKind, IndexItem, Kind, Neurons, NumTy, Place, Samples, Select, Ty};
use crate::script::lower::Lower;
use crate::script::names::Thing;
use crate::script::shape;
use crate::source::Span;
use crate::syntax::ast;

/// One written index.
#[expect(clippy::large_enum_variant, reason = "few exist at a time")]
enum Item {
    /// A position.
    At(Expr),
    /// A half-open range with the ends that were written.
    Range(Option<Expr>, Option<Expr>),
    /// Already reported.
    Faulty,
}

impl Lower<'_, '_> {
    pub(crate) fn index(&mut self, base: Thing, base_span: Span, index: &ast::Index, span: Span) -> Thing {
        if matches!(base, Thing::Poisoned) {
            // Faults inside the index are independent of the faulty base.
            self.items(index);
            return Thing::Poisoned;
        }
        let items = self.items(index);
        if items.iter().any(|(i, _)| matches!(i, Item::Faulty)) {
            return Thing::Poisoned;
        }
        match base {
            Thing::Neurons(neurons) => match self.index_neurons(&neurons, items, index.span, span) {
                Some(neurons) => Thing::Neurons(neurons),
                None => Thing::Poisoned,
            },
            Thing::Synapses { proj, select: Select::AllSynapses, .. } => match self.index_synapses(proj, items, span) {
                Some(select) => Thing::Synapses { proj, select },
                None => Thing::Poisoned,
            },
            Thing::Samples(of) => self.index_samples(of, items, span),
            Thing::Value(value) => match self.index_value(value, items, index.span, span) {
                Some(value) => Thing::Value(value),
                None => Thing::Poisoned,
            },
            other => {
                let what = other.describe();
                self.err(
                    Diagnostic::new(Code::E0502, index.span, "there is nothing to index here")
                        .label("this index has no meaning")
                        .also(base_span, format!("this is {what}")),
                );
                Thing::Poisoned
            }
        }
    }

    fn items(&mut self, index: &ast::Index) -> Vec<(Item, Span)> {
        let mut items = Vec::new();
        for item in &index.items {
            match &item.kind {
                ast::ExprKind::Range { start, end } => {
                    let start = start.as_ref().map(|e| self.position(e));
                    let end = end.as_ref().map(|e| self.position(e));
                    let faulty = |e: &Option<Expr>| e.as_ref().is_some_and(|e| e.ty == Ty::Poisoned);
                    let range = if faulty(&start) || faulty(&end) { Item::Faulty } else { Item::Range(start, end) };
                    items.push((range, item.span));
                }
                ast::ExprKind::List(list) => {
                    for e in list {
                        let at = self.position(e);
                        items.push((if at.ty == Ty::Poisoned { Item::Faulty } else { Item::At(at) }, e.span));
                    }
                }
                _ => {
                    let at = self.position(item);
                    items.push((if at.ty == Ty::Poisoned { Item::Faulty } else { Item::At(at) }, item.span));
                }
            }
        }
        items
    }

    /// A scalar int.
    pub(crate) fn position(&mut self, e: &ast::Expr) -> Expr {
        let value = self.expr(e);
        match &value.ty {
            Ty::Poisoned => value,
            Ty::Num(NumTy { kind: Kind::Int, axes }) if axes.is_empty() => value,
            ty => {
                let what = self.describe(ty);
                self.fault(
                    Diagnostic::new(Code::E0205, e.span, format!("an index is a whole number, and this is {what}"))
                        .label("a whole number is needed here"),
                    e.span,
                )
            }
        }
    }

    fn index_neurons(
        &mut self,
        of: &Neurons,
        items: Vec<(Item, Span)>,
        index_span: Span,
        span: Span,
    ) -> Option<Neurons> {
        let shape = of.view.shape.clone();
        let name = self.cx.model.populations.get(of.view.pop.index()).map_or("", |p| &p.name);
        if shape.is_empty() || of.is_one_of_many() {
            self.err(
                Diagnostic::new(Code::E0402, index_span, "this is a single neuron already")
                    .label("nothing to choose from")
                    .also(of.span, format!("one neuron of `{name}`")),
            );
            return None;
        }
        if !of.at.is_empty() {
            self.err(
                Diagnostic::new(Code::E0502, index_span, "neurons are chosen from a part that is chosen while running")
                    .label("chosen again")
                    .also(of.span, "the part")
                    .help(format!("choose them at once, counted from the first neuron of `{name}`")),
            );
            return None;
        }
        let several = shape.len() == 1 && items.len() > 1;
        if !several && items.len() != shape.len() {
            self.err(
                Diagnostic::new(
                    Code::E0402,
                    index_span,
                    format!("{} given, {} needed", counted(items.len(), "index"), counted(shape.len(), "index")),
                )
                .label(format!("`{name}` is {}", shape::describe(&shape::neuron_axes(self.cx.model, &of.view)))),
            );
            return None;
        }
        let running = items.iter().any(|(i, _)| match i {
            Item::At(e) => constant(e).is_none(),
            Item::Range(a, b) => a.iter().chain(b).any(|e| constant(e).is_none()),
            Item::Faulty => false,
        });
        let lens: Vec<u64> = if several { vec![shape[0]; items.len()] } else { shape.clone() };
        if running {
            return self.neurons_at(of, items, &lens, span);
        }
        let mut picks: Vec<(u64, u64, bool)> = Vec::new();
        for ((item, item_span), len) in items.into_iter().zip(&lens) {
            picks.push(self.constant_pick(&item, item_span, *len, name)?);
        }
        let view =
            if several { self.list_view(&of.view, &picks, span)? } else { grid_view(self.cx.model, &of.view, &picks) };
        Some(Neurons { view, at: Vec::new(), span })
    }

    /// Neurons chosen at run time; what is constant of the choice is checked here.
    fn neurons_at(&mut self, of: &Neurons, items: Vec<(Item, Span)>, lens: &[u64], span: Span) -> Option<Neurons> {
        let mut at = Vec::new();
        for ((item, item_span), len) in items.into_iter().zip(lens) {
            at.push(self.pick(item, item_span, Some(*len))?);
        }
        Some(Neurons { view: of.view.clone(), at, span })
    }

    /// What is taken along one axis, checked as far as it is constant.
    fn pick(&mut self, item: Item, span: Span, len: Option<u64>) -> Option<IndexItem> {
        match item {
            Item::At(e) => {
                if let Some(len) = len {
                    self.check_position(&e, len)?;
                }
                Some(IndexItem::At(e))
            }
            Item::Range(a, b) => {
                if a.iter().chain(&b).all(|e| constant(e).is_some()) {
                    // Of an axis whose length is not known the ends alone are checked.
                    let len = len.or_else(|| u64::try_from(b.as_ref().map_or(Some(i64::MAX), constant)?).ok());
                    self.constant_pick(&Item::Range(a.clone(), b.clone()), span, len.unwrap_or(0), "")?;
                }
                Some(IndexItem::Range(a, b))
            }
            Item::Faulty => None,
        }
    }

    /// First, one past last, and whether it is a single position.
    fn constant_pick(&mut self, item: &Item, span: Span, len: u64, name: &str) -> Option<(u64, u64, bool)> {
        let (a, b, single) = match item {
            Item::At(e) => {
                let at = constant(e)?;
                (at, at + 1, true)
            }
            Item::Range(a, b) => {
                (a.as_ref().map_or(Some(0), constant)?, b.as_ref().map_or(Some(len as i64), constant)?, false)
            }
            Item::Faulty => return None,
        };
        if a < 0 || b > len as i64 || a >= b {
            let (written, help) = if single {
                (format!("index {a} is out of range"), format!("indices go from 0 to {}", len.saturating_sub(1)))
            } else if a >= b {
                (format!("{a}..{b} is empty"), "write the smaller end first; the second end is not included".to_owned())
            } else {
                (format!("{a}..{b} is out of range"), format!("the widest range is 0..{len}"))
            };
            let mut d = Diagnostic::new(Code::E0402, span, written).help(help);
            d = if name.is_empty() {
                d.label(format!("the length is {len}"))
            } else {
                d.label(format!("`{name}` has {len} here"))
            };
            self.err(d);
            return None;
        }
        Some((a as u64, b as u64, single))
    }

    fn list_view(&mut self, view: &View, picks: &[(u64, u64, bool)], span: Span) -> Option<View> {
        let places: Vec<u64> = picks.iter().flat_map(|&(a, b, _)| a..b).collect();
        if places.windows(2).any(|w| w[0] >= w[1]) {
            self.err(
                Diagnostic::new(Code::E0402, span, "neurons are listed out of order or twice")
                    .label("list them in ascending order, each once"),
            );
            return None;
        }
        let shape = vec![places.len() as u64];
        Some(View { pop: view.pop, select: pick(&view.select, &places), shape })
    }

    fn check_position(&mut self, e: &Expr, len: u64) -> Option<()> {
        match constant(e) {
            Some(_) => self.constant_pick(&Item::At(e.clone()), e.span, len, "").map(|_| ()),
            None => Some(()),
        }
    }

    fn index_synapses(&mut self, proj: ProjId, items: Vec<(Item, Span)>, span: Span) -> Option<Select> {
        let p = self.cx.model.projections.get(proj.index())?;
        let dense = ir::is_dense(p);
        let pre = shape::view_len(self.cx.model, &p.pre);
        let post = shape::view_len(self.cx.model, &p.post);
        let mut items = items.into_iter();
        match (items.next(), items.next(), items.next()) {
            (Some((Item::At(e), _)), None, _) => {
                if dense {
                    self.check_position(&e, pre.saturating_mul(post))?;
                }
                Some(Select::Synapse(Box::new(e)))
            }
            (Some((range @ Item::Range(..), at)), None, _) if !dense => match self.pick(range, at, None)? {
                IndexItem::Range(None, None) => Some(Select::AllSynapses),
                IndexItem::Range(a, b) => Some(Select::Part(a.map(Box::new), b.map(Box::new))),
                IndexItem::At(_) => None,
            },
            (Some((rows, rows_at)), Some((columns, columns_at)), None) if dense => {
                let rows = self.pick(rows, rows_at, Some(pre))?;
                let columns = self.pick(columns, columns_at, Some(post))?;
                Some(match (rows, columns) {
                    (IndexItem::At(a), IndexItem::At(b)) => Select::Pair(Box::new(a), Box::new(b)),
                    (IndexItem::At(a), IndexItem::Range(None, None)) => Select::Row(Box::new(a)),
                    (IndexItem::Range(None, None), IndexItem::At(b)) => Select::Column(Box::new(b)),
                    (IndexItem::Range(None, None), IndexItem::Range(None, None)) => Select::AllSynapses,
                    (rows, columns) => Select::Block(Box::new([rows, columns])),
                })
            }
            _ => {
                let d = if dense {
                    Diagnostic::new(Code::E0402, span, "synapses of every pair have one index or two")
                        .label(format!("the projection has {pre} × {post} synapses"))
                        .help("one synapse is `P[k]` or `P[i, j]`, those of one neuron `P[i, ..]` and `P[.., j]`, some of each `P[0..10, 5..8]`")
                } else {
                    Diagnostic::new(Code::E0402, span, "synapses of a sparse projection have one index")
                        .help("number them in the order of pre, then post: `P[k]`, or `P[a..b]` for several")
                };
                self.err(d);
                None
            }
        }
    }

    fn index_samples(&mut self, of: Samples, items: Vec<(Item, Span)>, span: Span) -> Thing {
        let mut items = items.into_iter();
        match (items.next(), items.next()) {
            (Some((Item::Range(start, end), _)), None) => {
                Thing::Samples(Samples::Slice { of: Box::new(of), start, end, span })
            }
            _ => {
                self.err(
                    Diagnostic::new(Code::E0502, span, "samples are taken in a loop")
                        .label("a range is needed here, such as `[..1000]`")
                        .help("for one sample write `for s in d.train[7..8] { … }`"),
                );
                Thing::Poisoned
            }
        }
    }

    fn index_value(&mut self, value: Expr, items: Vec<(Item, Span)>, index_span: Span, span: Span) -> Option<Expr> {
        if value.ty == Ty::Poisoned {
            return None;
        }
        let Ty::Num(num) = value.ty.clone() else {
            let what = self.describe(&value.ty);
            self.err(
                Diagnostic::new(Code::E0502, index_span, format!("{what} has no elements"))
                    .label("this index has no meaning"),
            );
            return None;
        };
        match value.kind {
            ExprKind::Var(Place { key, select: Select::Neurons(n), .. }) if n.at.is_empty() => {
                let n = self.index_neurons(&n, items, index_span, span)?;
                let axes = self.neurons_axes(&n);
                let ty = Ty::Num(NumTy { kind: num.kind, axes });
                Some(Expr { kind: ExprKind::Var(Place { key, select: Select::Neurons(n), span }), ty, span })
            }
            ExprKind::Count(n) | ExprKind::First(n) if n.at.is_empty() => {
                let n = self.index_neurons(&n, items, index_span, span)?;
                let ty = Ty::Num(NumTy { kind: num.kind, axes: self.neurons_axes(&n) });
                let kind = if num.kind == Kind::Int { ExprKind::Count(n) } else { ExprKind::First(n) };
                Some(Expr { kind, ty, span })
            }
            ExprKind::Var(Place { key, select: Select::AllSynapses, .. }) => {
                let crate::script::machine::Entity::Proj(proj) = key.entity else { return None };
                let select = self.index_synapses(proj, items, span)?;
                let axes = self.synapse_axes(proj, &select);
                let ty = Ty::Num(NumTy { kind: num.kind, axes });
                Some(Expr { kind: ExprKind::Var(Place { key, select, span }), ty, span })
            }
            _ => self.index_array(value, &num, items, index_span, span),
        }
    }

    fn index_array(
        &mut self,
        base: Expr,
        num: &NumTy,
        items: Vec<(Item, Span)>,
        index_span: Span,
        span: Span,
    ) -> Option<Expr> {
        if items.len() != num.axes.len() {
            self.err(
                Diagnostic::new(
                    Code::E0402,
                    index_span,
                    format!("{} given, {} needed", counted(items.len(), "index"), counted(num.axes.len(), "index")),
                )
                .label(format!("the indexed value is {}", shape::describe(&num.axes))),
            );
            return None;
        }
        let mut out = Vec::new();
        let mut axes: Vec<Axis> = Vec::new();
        for ((item, item_span), axis) in items.into_iter().zip(&num.axes) {
            let item = self.pick(item, item_span, axis.len)?;
            if let IndexItem::Range(a, b) = &item {
                let whole = a.is_none() && b.is_none();
                let len = range_len(a.as_ref(), b.as_ref(), axis.len);
                let name = if whole || (len.is_some() && len == axis.len) { axis.name } else { ir::AxisName::Unnamed };
                axes.push(Axis { name, len });
            }
            out.push(item);
        }
        self.note_place(&base);
        let ty = Ty::Num(NumTy { kind: num.kind, axes });
        Some(Expr { kind: ExprKind::Index { base: Box::new(base), items: out }, ty, span })
    }

    fn note_place(&mut self, base: &Expr) {
        if let ExprKind::Var(place) = &base.kind {
            self.cx.program.read.insert(place.key);
        }
    }

    /// The axes of a value of some neurons.
    pub(crate) fn neurons_axes(&self, n: &Neurons) -> Vec<Axis> {
        let model = self.cx.model;
        if n.at.is_empty() {
            return shape::neuron_axes(model, &n.view);
        }
        let grid = model.populations.get(n.view.pop.index()).map_or(0, |p| p.shape.len());
        let ranges = n.at.iter().filter(|i| i.is_range()).count();
        let several = n.at.len() > n.view.shape.len();
        let name = |keeps: bool, axis: u32| {
            if keeps { ir::AxisName::Neurons { pop: n.view.pop, axis } } else { ir::AxisName::Unnamed }
        };
        if several {
            let len = (ranges == 0).then_some(n.at.len() as u64);
            return vec![Axis { name: name(grid == 1, 0), len }];
        }
        let taken = n.at.iter().zip(&n.view.shape).filter_map(|(item, len)| match item {
            IndexItem::Range(a, b) => Some(range_len(a.as_ref(), b.as_ref(), Some(*len))),
            IndexItem::At(_) => None,
        });
        taken.zip(0..).map(|(len, axis)| Axis { name: name(ranges == grid, axis), len }).collect()
    }
}

/// The length of a range along an axis, if it is known.
pub(crate) fn range_len(a: Option<&Expr>, b: Option<&Expr>, len: Option<u64>) -> Option<u64> {
    let from = a.map_or(Some(0), |e| constant(e).and_then(|k| u64::try_from(k).ok()))?;
    let to = b.map_or(len, |e| constant(e).and_then(|k| u64::try_from(k).ok()))?;
    to.checked_sub(from)
}

/// The value of a constant int.
pub(crate) fn constant(e: &Expr) -> Option<i64> {
    match (&e.kind, &e.ty) {
        (ExprKind::Const(x), Ty::Num(n)) if n.kind == Kind::Int && n.axes.is_empty() => Some(*x as i64),
        _ => None,
    }
}

fn counted(n: usize, what: &str) -> String {
    match (n, what) {
        (1, _) => format!("1 {what}"),
        (_, "index") => format!("{n} indices"),
        _ => format!("{n} {what}s"),
    }
}

/// A part of a view, axis by axis; single positions lose their axis.
fn grid_view(model: &hir::Model, view: &View, picks: &[(u64, u64, bool)]) -> View {
    let shape: Vec<u64> = picks.iter().filter(|p| !p.2).map(|p| p.1 - p.0).collect();
    if let [(a, b, _)] = picks {
        let select = match &view.select {
            hir::Select::All if shape::view_len(model, view) == b - a => hir::Select::All,
            hir::Select::All => hir::Select::Range(*a, *b),
            hir::Select::Range(start, _) => hir::Select::Range(start + a, start + b),
            hir::Select::List(_) => pick(&view.select, &(*a..*b).collect::<Vec<_>>()),
        };
        return View { pop: view.pop, select, shape };
    }
    let mut places = vec![0_u64];
    for (&(a, b, _), len) in picks.iter().zip(&view.shape) {
        places = places.iter().flat_map(|p| (a..b).map(move |k| p * len + k)).collect();
    }
    View { pop: view.pop, select: pick(&view.select, &places), shape }
}

/// The neurons at ascending places of a selection.
fn pick(select: &hir::Select, places: &[u64]) -> hir::Select {
    let neuron = |p: &u64| match select {
        hir::Select::All => *p,
        hir::Select::Range(a, _) => a + p,
        hir::Select::List(list) => list.get(*p as usize).map_or(0, |&n| u64::from(n)),
    };
    let neurons: Vec<u64> = places.iter().map(neuron).collect();
    match (neurons.first(), neurons.last()) {
        (Some(&a), Some(&b)) if b - a + 1 == neurons.len() as u64 => hir::Select::Range(a, b + 1),
        _ => hir::Select::List(neurons.iter().map(|&n| n as u32).collect()),
    }
}
