//! What names, members and indices stand for in protocols: values, neurons, synapses, samples, readouts.

use crate::diag::{Code, Diagnostic};
use crate::hir::{DataId, DataSchema, DataSource, DelayKind, Model, ProjId, ReadoutId, Type, VarDecl, VarId};
use crate::script::ir::{
    self, Axis, AxisName, Expr, ExprKind, Field, IndexItem, Kind, Neurons, NumTy, Place, Samples, Select, Split, Ty,
    is_delay,
};
use crate::script::lower::{Bound, Fixed, Lower, poisoned};
use crate::script::machine::{Entity, VarKey};
use crate::script::{index, quantity, shape, table};
use crate::sema::scope::Symbol;
use crate::sema::{delays, foreign};
use crate::source::Span;
use crate::syntax::ast;
use crate::units::Dim;
use crate::units::nearest::nearest;

/// What an expression without operators stands for.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "few exist at a time")]
pub(crate) enum Thing {
    Value(Expr),
    Neurons(Neurons),
    Synapses {
        proj: ProjId,
        select: Select,
    },
    Spikes(Neurons, Option<u32>),
    Readout(ReadoutId),
    Data(DataId),
    Samples(Samples),
    /// A name that means nothing by itself, with what it is.
    Other(&'static str),
    Poisoned,
}

impl Thing {
    /// In words.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Value(e) => match e.ty {
                Ty::Str => "a text",
                Ty::Sample(_) => "a sample",
                Ty::None => "nothing",
                Ty::Num(_) | Ty::Poisoned => "a value",
            },
            Self::Neurons(n) if n.view.shape.is_empty() || n.is_one_of_many() => "a neuron",
            Self::Neurons(_) => "a population or part of one",
            Self::Synapses { select: Select::AllSynapses, .. } => "a projection",
            Self::Synapses { .. } => "synapses of a projection",
            Self::Spikes(_, None) => "the spikes of a population, which can be recorded",
            Self::Spikes(_, Some(_)) => "an event of a population, which can be recorded",
            Self::Readout(_) => "a readout",
            Self::Data(_) => "a data set",
            Self::Samples(_) => "samples of a data set",
            Self::Other(what) => what,
            Self::Poisoned => "faulty",
        }
    }
}

/// The declaration of a model variable.
pub(crate) fn decl(model: &Model, key: VarKey) -> Option<&VarDecl> {
    vars(model, key.entity)?.get(key.var.index())
}

/// The variables of a population's or projection's model.
pub(crate) fn vars(model: &Model, entity: Entity) -> Option<&[VarDecl]> {
    match entity {
        Entity::Pop(p) => Some(&model.neuron_of(p)?.vars),
        Entity::Proj(p) => Some(&model.projections.get(p.index())?.synapse.vars),
    }
}

/// The name of a population or projection.
pub(crate) fn entity_name(model: &Model, entity: Entity) -> &str {
    match entity {
        Entity::Pop(p) => model.populations.get(p.index()).map_or("", |p| &p.name),
        Entity::Proj(p) => model.projections.get(p.index()).map_or("", |p| &p.name),
    }
}

/// The calls that name a readout.
pub(crate) const CALLS_OF_READOUTS: &[&str] = &["observe", "fit", "score", "accuracy", "predict"];
pub(crate) const HOW_READOUTS_ARE_CALLED: &str = "the calls of a readout name it first: `observe(r, E.count, s.label)`, `fit(r)`, `score(r, E.count, s.label)`, `accuracy(r)`";

impl Lower<'_, '_> {
    /// What the expression stands for. Everything that is no name, member, index or call is a value.
    pub(crate) fn resolve(&mut self, e: &ast::Expr) -> Thing {
        match &e.kind {
            ast::ExprKind::Name(name) => self.name(name, e.span),
            ast::ExprKind::Member { base, .. } if let Some(d) = self.unit_with_members(base) => {
                self.err(d);
                Thing::Poisoned
            }
            ast::ExprKind::Member { base, member } => {
                let base_thing = self.resolve(base);
                self.member(base_thing, base.span, member, e.span)
            }
            ast::ExprKind::Index { base, index } => {
                let inside: Vec<&ast::Expr> = index.items.iter().collect();
                if let Some(d) = foreign::in_brackets(base, &inside, e.span).filter(|d| d.code == Code::E0003) {
                    self.err(d);
                    return Thing::Poisoned;
                }
                let base_thing = self.resolve(base);
                self.index(base_thing, base.span, index, e.span)
            }
            ast::ExprKind::Paren(inner) => self.resolve(inner),
            ast::ExprKind::Call { callee, args } => self.call_thing(callee, args, e.span),
            _ => Thing::Value(self.operators(e)),
        }
    }

    fn name(&mut self, name: &str, span: Span) -> Thing {
        match self.lookup(name).cloned() {
            Some(Bound::Local(id)) => {
                let ty = self.local(id).map_or(Ty::Poisoned, |l| l.ty.clone());
                return if ty == Ty::Poisoned {
                    Thing::Poisoned
                } else {
                    Thing::Value(Expr { kind: ExprKind::Local(id), ty, span })
                };
            }
            Some(Bound::Inlined(mut e)) => {
                e.span = span;
                return Thing::Value(e);
            }
            Some(Bound::Fixed(fixed)) => return self.fixed(&fixed, span),
            Some(Bound::Poisoned) => return Thing::Poisoned,
            None => {}
        }
        if let Some((symbol, _)) = self.cx.scope.names.get(name) {
            let symbol = symbol.clone();
            return self.symbol(&symbol, span);
        }
        let constant = |value, kind| Thing::Value(Expr { kind: ExprKind::Const(value), ty: Ty::scalar(kind), span });
        match name {
            "t" => {
                return Thing::Value(Expr { kind: ExprKind::Time, ty: Ty::scalar(Kind::Real(Dim::TIME)), span });
            }
            "dt" => return constant(self.cx.model.settings.dt, Kind::Real(Dim::TIME)),
            "pi" => return constant(std::f64::consts::PI, Kind::Real(Dim::NONE)),
            "inf" => return constant(f64::INFINITY, Kind::Real(Dim::NONE)),
            _ => {}
        }
        if let Some((dim, factor)) = quantity::unit(name) {
            return constant(factor, Kind::Real(dim));
        }
        if table::is_function(name) {
            return Thing::Other("a function, which needs arguments in parentheses");
        }
        let mut d = Diagnostic::new(Code::E0101, span, format!("`{name}` is not defined here"))
            .label("no variable, population, parameter or unit of this name");
        if let Some(d) = foreign::word(name, span) {
            self.err(d);
            return Thing::Poisoned;
        }
        let known = self.visible();
        d = match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => d.help(format!("did you mean `{near}`?")).fix(span, near),
            None => d.note("looked in this protocol, among the names of the file, and among the units"),
        };
        self.err(d);
        Thing::Poisoned
    }

    /// A name that is assigned and means nothing: it is reported once, and what uses it afterwards is silent.
    pub(crate) fn undeclared(&mut self, a: &ast::Assign) -> bool {
        let name = &a.target.root;
        let known = self.lookup(&name.node).is_some()
            || self.cx.scope.names.get(&name.node).is_some()
            || matches!(name.node.as_str(), "t" | "dt" | "pi" | "inf")
            || quantity::unit(&name.node).is_some()
            || table::is_function(&name.node);
        if known || !a.target.segments.is_empty() {
            return false;
        }
        let d = Diagnostic::new(Code::E0101, name.span, format!("`{}` is not defined here", name.node));
        let visible = self.visible();
        let d = match nearest(&name.node, visible.iter().map(String::as_str)) {
            Some(near) => {
                d.label("assigned, and nowhere declared").help(format!("did you mean `{near}`?")).fix(name.span, near)
            }
            None if a.op == ast::AssignOp::Set => {
                let before = Span { end: name.span.start, ..name.span };
                d.label("a variable is declared before it is assigned")
                    .help(format!("write `let {} = …` for its first value", name.node))
                    .fix(before, "let ")
            }
            None => d
                .label("a variable is declared before it is changed")
                .help(format!("write `let {} = …` before", name.node)),
        };
        self.err(d);
        if let Some(scope) = self.scopes.last_mut() {
            scope.push((name.node.clone(), Bound::Poisoned, name.span));
        }
        true
    }

    /// E0101: nothing is called `S` in `S.w`, but the unit siemens.
    fn unit_with_members(&self, base: &ast::Expr) -> Option<Diagnostic> {
        let ast::ExprKind::Name(name) = &base.kind else { return None };
        let named = self.lookup(name).is_some() || self.cx.scope.names.get(name).is_some();
        if named || quantity::unit(name).is_none() {
            return None;
        }
        let d = Diagnostic::new(Code::E0101, base.span, format!("`{name}` is not defined here"))
            .label("no population or connection of this name; by itself it is a unit");
        let known = self.visible();
        Some(match nearest(name, known.iter().map(String::as_str).filter(|k| !table::is_function(k))) {
            Some(near) => d.help(format!("did you mean `{near}`?")).fix(base.span, near),
            None => d,
        })
    }

    /// Whether a name stands for a value here.
    pub(crate) fn is_variable(&self, name: &str) -> bool {
        match self.lookup(name) {
            Some(bound) => matches!(bound, Bound::Local(_) | Bound::Inlined(_)),
            None => {
                matches!(self.cx.scope.names.get(name), Some((Symbol::Global(_) | Symbol::Table(_), _)))
            }
        }
    }

    /// All names that could stand here.
    fn visible(&self) -> Vec<String> {
        let mut names: Vec<String> = self.scopes.iter().flatten().map(|(n, ..)| n.clone()).collect();
        names.extend(self.cx.scope.names.iter().map(|(name, _)| name.clone()));
        names.extend(["t", "dt", "pi", "inf"].map(str::to_owned));
        names.extend(table::functions().map(str::to_owned));
        names
    }

    fn fixed(&mut self, fixed: &Fixed, span: Span) -> Thing {
        match fixed {
            Fixed::Neurons(view) => Thing::Neurons(Neurons { view: view.clone(), at: Vec::new(), span }),
            Fixed::Proj(proj) => Thing::Synapses { proj: *proj, select: Select::AllSynapses },
            Fixed::Readout(r) => Thing::Readout(*r),
            Fixed::Data(d) => Thing::Data(*d),
        }
    }

    fn symbol(&mut self, symbol: &Symbol, span: Span) -> Thing {
        match symbol {
            Symbol::Global(k) => {
                let Some(g) = self.cx.model.globals.get(*k) else { return Thing::Poisoned };
                let kind = if g.ty == Type::Bool { ExprKind::Bool(g.value != 0.0) } else { ExprKind::Const(g.value) };
                Thing::Value(Expr { kind, ty: Ty::scalar(g.ty.into()), span })
            }
            Symbol::Table(k) => {
                let Some(table) = self.cx.model.tables.get(*k) else { return Thing::Poisoned };
                let axis = |len: usize| Axis { name: AxisName::Unnamed, len: Some(len as u64) };
                let kind: Kind = table.ty.into();
                let typed = |axes: Vec<Axis>| Ty::Num(NumTy { kind, axes });
                let list = ExprKind::Table(table.values.clone());
                let list = Expr { kind: list, ty: typed(vec![axis(table.values.len())]), span };
                Thing::Value(match table.values.len().checked_div(table.width) {
                    None => list,
                    Some(rows) => Expr {
                        kind: ExprKind::Reshape(Box::new(list)),
                        ty: typed(vec![axis(rows), axis(table.width)]),
                        span,
                    },
                })
            }
            Symbol::Pop(pop) => {
                let Some(p) = self.cx.model.populations.get(pop.index()) else { return Thing::Poisoned };
                let shape = if p.indexed { p.shape.clone() } else { Vec::new() };
                let view = crate::hir::View { pop: *pop, select: crate::hir::Select::All, shape };
                Thing::Neurons(Neurons { view, at: Vec::new(), span })
            }
            Symbol::View(view) => Thing::Neurons(Neurons { view: view.clone(), at: Vec::new(), span }),
            Symbol::Proj(proj) => Thing::Synapses { proj: *proj, select: Select::AllSynapses },
            Symbol::Readout(r) => Thing::Readout(*r),
            Symbol::Data(d) => Thing::Data(*d),
            Symbol::Neuron => Thing::Other("a neuron model"),
            Symbol::Synapse => Thing::Other("a synapse model"),
            Symbol::Fn { .. } => Thing::Other("a function, which needs arguments in parentheses"),
            Symbol::Procedure { .. } => Thing::Other("a procedure, which needs arguments in parentheses"),
            Symbol::Experiment => Thing::Other("an experiment"),
            Symbol::Kernel => Thing::Other("a kernel, which stands after `through`"),
            Symbol::Poisoned => Thing::Poisoned,
        }
    }

    fn member(&mut self, base: Thing, base_span: Span, member: &ast::Ident, span: Span) -> Thing {
        match base {
            Thing::Neurons(neurons) => self.neuron_member(neurons, member, span),
            Thing::Synapses { proj, select, .. } => self.synapse_member(proj, select, member, span),
            Thing::Data(data) => {
                let (name, schema) = match self.cx.model.data.get(data.index()) {
                    Some(d) => (d.name.as_str(), d.source.schema()),
                    None => ("", DataSchema::default()),
                };
                let split = match member.node.as_str() {
                    "train" => Split::Train,
                    "test" => Split::Test,
                    _ => Split::Train,
                };
                if !schema.splits.contains(&member.node) {
                    let splits: Vec<String> = schema.splits.iter().map(|s| format!("`{name}.{s}`")).collect();
                    let help = match splits.as_slice() {
                        [one] => format!("its only split is {one}"),
                        all => format!("its splits are {}", all.join(" and ")),
                    };
                    let d =
                        Diagnostic::new(Code::E0504, member.span, format!("`{name}` has no split `{}`", member.node))
                            .label("no such split")
                            .help(help);
                    self.err(d);
                    return Thing::Poisoned;
                }
                Thing::Samples(Samples::Split { data, split, span })
            }
            Thing::Value(Expr { kind: ExprKind::Local(sample), ty: Ty::Sample(data), .. }) => {
                let unnamed = |n: &u64| Axis { name: AxisName::Unnamed, len: Some(*n) };
                let Some(source) = self.cx.model.data.get(data.index()).map(|d| &d.source) else {
                    return Thing::Poisoned;
                };
                let schema = source.schema();
                let Some(found) = schema.fields.iter().find(|f| f.name == member.node) else {
                    let names: Vec<&str> = schema.fields.iter().map(|f| f.name.as_str()).collect();
                    let shown: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
                    let list = match shown.split_last() {
                        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
                        _ => shown.join(""),
                    };
                    let mut d =
                        Diagnostic::new(Code::E0504, member.span, format!("a sample has no field `{}`", member.node))
                            .label("no such field")
                            .help(format!("the fields of these samples are {list}"));
                    if let Some(near) = nearest(&member.node, names) {
                        d = d.fix(member.span, near);
                    }
                    self.err(d);
                    return Thing::Poisoned;
                };
                let kind = if found.int { Kind::Int } else { Kind::Real(Dim::NONE) };
                let axes = found.shape.iter().map(unnamed).collect();
                let field = match (source, found.name.as_str()) {
                    (_, "index") => Field::Index,
                    (DataSource::Mnist { .. }, "label") => Field::Label,
                    (DataSource::Mnist { .. }, _) => Field::Image,
                    (DataSource::Arrays { .. }, name) => Field::Named {
                        name: name.to_owned(),
                        shape: found.shape.iter().map(|n| *n as usize).collect(),
                        int: found.int,
                    },
                };
                Thing::Value(Expr { kind: ExprKind::Field { sample, field }, ty: Ty::Num(NumTy { kind, axes }), span })
            }
            Thing::Poisoned => Thing::Poisoned,
            Thing::Value(e) if e.ty == Ty::Poisoned => Thing::Poisoned,
            other => {
                let mut d = Diagnostic::new(Code::E0104, member.span, format!("there is no `.{}` here", member.node))
                    .label("no such member")
                    .also(base_span, format!("this is {}", other.describe()));
                if let Thing::Samples(_) = other {
                    d = d.help("take the samples one by one: `for s in … { … s.image … }`");
                } else if matches!(other, Thing::Readout(_)) && CALLS_OF_READOUTS.contains(&member.node.as_str()) {
                    d = d.help(HOW_READOUTS_ARE_CALLED);
                }
                self.err(d);
                Thing::Poisoned
            }
        }
    }

    fn neuron_member(&mut self, neurons: Neurons, member: &ast::Ident, span: Span) -> Thing {
        let pop = neurons.view.pop;
        let model = self.cx.model;
        let axes = self.neurons_axes(&neurons);
        let found = vars(model, Entity::Pop(pop)).unwrap_or(&[]).iter().position(|v| v.name == member.node);
        if let Some(k) = found {
            let key = VarKey { entity: Entity::Pop(pop), var: VarId(k as u32) };
            return self.variable(key, Select::Neurons(neurons), axes, span);
        }
        let neuron = model.neuron_of(pop);
        let event = neuron.and_then(|n| n.events.iter().position(|e| e.name == member.node));
        if let Some(e) = event {
            return Thing::Spikes(Neurons { span, ..neurons }, Some(e as u32));
        }
        let array = |kind, expr| Thing::Value(Expr { kind: expr, ty: Ty::Num(NumTy { kind, axes }), span });
        match member.node.as_str() {
            "count" => {
                self.cx.program.counted.insert(pop);
                self.spikes(pop, span);
                array(Kind::Int, ExprKind::Count(neurons))
            }
            "first" => {
                self.cx.program.counted.insert(pop);
                self.spikes(pop, span);
                array(Kind::Real(Dim::TIME), ExprKind::First(neurons))
            }
            "spikes" => Thing::Spikes(Neurons { span, ..neurons }, None),
            "N" => {
                let chosen = !neurons.at.is_empty() && !neurons.is_one_of_many();
                if chosen {
                    self.err(
                        Diagnostic::new(Code::E0502, span, "the size of this part is known only while running")
                            .label("its ends are chosen by variables")
                            .help("compute it from the ends: of `E[a..b]` it is `b - a`"),
                    );
                    return Thing::Poisoned;
                }
                let n = if neurons.at.is_empty() { shape::view_len(model, &neurons.view) } else { 1 };
                Thing::Value(Expr { kind: ExprKind::Const(n as f64), ty: Ty::scalar(Kind::Int), span })
            }
            _ => {
                self.no_member(Entity::Pop(pop), member, &["count", "first", "spikes", "N"]);
                Thing::Poisoned
            }
        }
    }

    fn synapse_member(&mut self, proj: ProjId, select: Select, member: &ast::Ident, span: Span) -> Thing {
        let entity = Entity::Proj(proj);
        let found = vars(self.cx.model, entity).unwrap_or(&[]).iter().position(|v| v.name == member.node);
        let Some(k) = found else {
            if let (Some(projection), Some(kind)) =
                (self.cx.model.projections.get(proj.index()), DelayKind::named(&member.node))
            {
                match delays::refusal(projection, kind, member.span) {
                    Some(d) => self.err(d),
                    // The variable is made once it is known that it is needed.
                    None => {
                        self.cx.program.wants_delays.insert((proj, kind));
                    }
                }
                return Thing::Poisoned;
            }
            self.no_member(entity, member, &[]);
            return Thing::Poisoned;
        };
        let var = VarId(k as u32);
        if is_delay(self.cx.model, VarKey { entity, var }) {
            self.cx.program.delays.insert(VarKey { entity, var });
        }
        let axes = self.synapse_axes(proj, &select);
        self.variable(VarKey { entity, var }, select, axes, span)
    }

    fn variable(&mut self, key: VarKey, select: Select, axes: Vec<Axis>, span: Span) -> Thing {
        let Some(decl) = self.decl(key) else { return Thing::Poisoned };
        let ty = Ty::Num(NumTy { kind: decl.ty.into(), axes });
        Thing::Value(Expr { kind: ExprKind::Var(Place { key, select, span }), ty, span })
    }

    fn no_member(&mut self, entity: Entity, member: &ast::Ident, more: &[&str]) {
        let model = self.cx.model;
        let lost = match entity {
            Entity::Pop(p) => model.neuron_of(p).is_some_and(|n| n.may_declare(&member.node)),
            Entity::Proj(p) => model.projections.get(p.index()).is_some_and(|p| p.synapse.may_declare(&member.node)),
        };
        if lost {
            self.cx.hole(member.span);
            return;
        }
        let declared = vars(model, entity).unwrap_or(&[]);
        let mut names: Vec<&str> = declared.iter().map(|v| v.name.as_str()).collect();
        names.extend(more);
        let (what, name) = match entity {
            Entity::Pop(p) => ("neuron model", model.neuron_of(p).map_or("", |n| n.name.as_str())),
            Entity::Proj(p) => {
                ("synapse model", model.projections.get(p.index()).map_or("", |p| p.synapse.name.as_str()))
            }
        };
        let mut d = Diagnostic::new(
            Code::E0104,
            member.span,
            format!("`{}` has no `{}`", entity_name(model, entity), member.node),
        )
        .label(format!("the {what} `{name}` has nothing of this name"));
        if !names.is_empty() {
            d = d.note(format!("it has {}", names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")));
        }
        if let Some(near) = nearest(&member.node, names) {
            d = d.help(format!("did you mean `{near}`?")).fix(member.span, near);
        }
        self.err(d);
    }

    /// The axes of some synapses' variable.
    pub(crate) fn synapse_axes(&self, proj: ProjId, select: &Select) -> Vec<Axis> {
        let Some(p) = self.cx.model.projections.get(proj.index()) else { return Vec::new() };
        let pre = Axis { name: AxisName::Pre(proj), len: Some(shape::view_len(self.cx.model, &p.pre)) };
        let post = Axis { name: AxisName::Post(proj), len: Some(shape::view_len(self.cx.model, &p.post)) };
        match select {
            Select::AllSynapses if ir::is_dense(p) => vec![pre, post],
            Select::AllSynapses => vec![Axis { name: AxisName::Synapses(proj), len: None }],
            Select::Row(_) => vec![post],
            Select::Column(_) => vec![pre],
            Select::Block(items) => {
                let some = |(item, axis): (&IndexItem, Axis)| match item {
                    IndexItem::Range(a, b) => {
                        Some(Axis { len: index::range_len(a.as_ref(), b.as_ref(), axis.len), ..axis })
                    }
                    IndexItem::At(_) => None,
                };
                items.iter().zip([pre, post]).filter_map(some).collect()
            }
            Select::Part(a, b) => {
                vec![Axis { name: AxisName::Unnamed, len: index::range_len(a.as_deref(), b.as_deref(), None) }]
            }
            Select::Synapse(_) | Select::Pair(..) | Select::Neurons(_) => Vec::new(),
        }
    }

    /// The expression as a value; a name of something else is a fault.
    pub(crate) fn expr(&mut self, e: &ast::Expr) -> Expr {
        match self.resolve(e) {
            Thing::Value(value) => {
                self.note_read(&value);
                value
            }
            Thing::Poisoned => poisoned(e.span),
            other => {
                let what = other.describe();
                let mut d = Diagnostic::new(Code::E0502, e.span, format!("a value is needed here, and this is {what}"))
                    .label(what);
                if let Thing::Neurons(n) = &other {
                    let names: Vec<String> = vars(self.cx.model, Entity::Pop(n.view.pop))
                        .unwrap_or(&[])
                        .iter()
                        .map(|v| format!("`.{}`", v.name))
                        .collect();
                    d = d.help(format!("say which value of it: {}, `.count` or `.first`", names.join(", ")));
                } else if let Thing::Synapses { proj, .. } = &other {
                    let names: Vec<String> = vars(self.cx.model, Entity::Proj(*proj))
                        .unwrap_or(&[])
                        .iter()
                        .map(|v| format!("`.{}`", v.name))
                        .collect();
                    d = d.help(format!("say which value of it: {}", names.join(", ")));
                }
                self.fault(d, e.span)
            }
        }
    }

    fn note_read(&mut self, value: &Expr) {
        if let ExprKind::Var(place) = &value.kind {
            self.cx.program.read.insert(place.key);
        }
    }
}
