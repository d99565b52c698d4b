//! Checking one model, neuron or synapse: declarations in any order, equations, conditions, handlers.

use std::collections::BTreeMap;

use super::infer::{Count, Meaning, Names, Typed, Typer, list, real, strip};
use super::mismatch::{self, Said};
use crate::diag::{Code, Diagnostic};
use crate::hir::{self, AssignOp, ExprKind, LetDecl, LetId, LocalId, Ode, Role, ShownUnit, Side, Type, VarDecl, VarId};
use crate::source::Span;
use crate::syntax::ast;
use crate::units::{self, Dim};

/// What stands at the ends of a synapse.
#[derive(Clone, Copy)]
pub(crate) struct Ends<'a> {
    pub(crate) pre: &'a [VarDecl],
    pub(crate) post: &'a [VarDecl],
    /// The variable that `deliver` adds to.
    pub(crate) target: Option<VarId>,
    /// Numbers of neurons of the two populations.
    pub(crate) sizes: (u64, u64),
    /// The dimension of the kernel through which deliveries reach it.
    pub(crate) through: Option<Dim>,
    /// The populations that inputs may follow.
    pub(crate) heads: &'a Heads<'a>,
}

/// What is known of all populations before their arguments are checked.
pub(crate) struct Heads<'a> {
    /// The models.
    pub(crate) neurons: &'a [hir::NeuronModel],
    /// The populations: their numbers are those of the file.
    pub(crate) pops: Pops<'a>,
}

/// What populations are known by.
pub(crate) enum Pops<'a> {
    /// By model and size; `None` where they are faulty.
    Heads(&'a [Option<(hir::NeuronId, u64)>]),
    /// Checked; a faulty one is empty.
    Checked(&'a [hir::Population]),
}

impl Heads<'_> {
    /// Model and size of a population that is sound.
    fn pop(&self, pop: hir::PopId) -> Option<(hir::NeuronId, u64)> {
        match self.pops {
            Pops::Heads(all) => *all.get(pop.index())?,
            Pops::Checked(all) => all.get(pop.index()).map(|p| (p.model, p.size())).filter(|(_, size)| *size > 0),
        }
    }
}

/// A model being checked.
pub(crate) struct ModelCx<'a> {
    pub(crate) model: &'a ast::Model,
    pub(crate) synapse: bool,
    pub(crate) vars: Vec<Var<'a>>,
    lets: Vec<LetInfo<'a>>,
    /// Finished `let`s in the order they were finished: each uses earlier ones only.
    pub(crate) done_lets: Vec<LetDecl>,
    names: BTreeMap<&'a str, Slot>,
    locals: Vec<BTreeMap<String, (LocalId, Type, Span)>>,
    next_local: u32,
    /// The ends; `None` when a synapse is checked by itself.
    pub(crate) ends: Option<Ends<'a>>,
    /// Types that a projection's arguments give to variables without a unit of their own.
    pub(crate) given: BTreeMap<String, Type>,
    draws: bool,
    /// The block being checked may draw random numbers.
    drawing: bool,
    /// White noise has a meaning here: a right side, or a `let`.
    noise_ok: bool,
    /// The noise sources met.
    pub(crate) noises: Vec<String>,
    /// The populations whose variables may be followed, and the size of the one whose arguments are checked.
    pub(crate) others: Option<(&'a Heads<'a>, u64)>,
    /// `t` is not allowed (initial values).
    initial: bool,
    busy: Vec<&'a str>,
}

/// A variable being checked.
pub(crate) struct Var<'a> {
    pub(crate) name: &'a ast::Ident,
    pub(crate) role: Role,
    binding: &'a ast::Binding,
    doc: String,
    state: Progress,
    pub(crate) ty: Option<Type>,
    init: Option<hir::Expr>,
    pub(super) bounds: Option<(hir::Expr, hir::Expr)>,
    shown: ShownUnit,
}

impl Var<'_> {
    /// Whether it is a parameter without a value.
    pub(crate) fn is_required(&self) -> bool {
        self.role == Role::Param && self.binding.value.is_none()
    }
}

struct LetInfo<'a> {
    decl: &'a ast::Let,
    state: Progress,
    id: Option<LetId>,
    ty: Option<Type>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Todo,
    Busy,
    Done,
}

#[derive(Clone, Copy)]
enum Slot {
    Var(usize),
    Let(usize),
    Event,
    Faulty,
}

impl Names for ModelCx<'_> {
    fn lookup(&mut self, name: &str, span: Span, typer: &mut Typer<'_>) -> Option<Meaning> {
        for scope in self.locals.iter().rev() {
            if let Some((id, ty, at)) = scope.get(name) {
                return Some(Meaning::Local(*id, *ty, *at));
            }
        }
        match *self.names.get(name)? {
            Slot::Faulty => Some(Meaning::Faulty),
            Slot::Event => {
                typer.error(
                    Diagnostic::new(Code::E0205, span, format!("`{name}` is an event, not a value"))
                        .help(format!("react to it in `on {name} {{ … }}`, or connect from it: `P.{name} -> …`")),
                );
                Some(Meaning::Faulty)
            }
            Slot::Var(k) => {
                self.resolve_var(k, span, typer);
                let v = &self.vars[k];
                Some(Meaning::Var(Side::Own, VarId(k as u32), v.ty, v.name.span))
            }
            Slot::Let(k) => {
                self.resolve_let(k, span, typer);
                let l = &self.lets[k];
                if !self.noise_ok
                    && let Some(id) = l.id
                    && self.done_lets[id.index()].value.any(&self.done_lets, &|e| matches!(e.kind, ExprKind::Noise(_)))
                {
                    typer.error(
                        Diagnostic::new(
                            Code::E0309,
                            span,
                            format!("`{name}` contains white noise, which has no value here"),
                        )
                        .also(l.decl.name.span, "declared with `xi` here")
                        .help("white noise has a meaning on the right side of equations only"),
                    );
                    return Some(Meaning::Faulty);
                }
                match l.id {
                    Some(id) => Some(Meaning::Let(id, l.ty, l.decl.name.span)),
                    None => Some(Meaning::Faulty),
                }
            }
        }
    }

    fn side(&self, side: Side, name: &str) -> Option<Result<Meaning, Vec<String>>> {
        let ends = self.ends?;
        let vars = if side == Side::Pre { ends.pre } else { ends.post };
        Some(match vars.iter().position(|v| v.name == name) {
            Some(k) => Ok(Meaning::Var(side, VarId(k as u32), Some(vars[k].ty), vars[k].span)),
            None => Err(vars.iter().map(|v| v.name.clone()).collect()),
        })
    }

    fn all(&self) -> Vec<String> {
        let mut all: Vec<String> = self.names.keys().map(|n| (*n).to_owned()).collect();
        all.extend(self.locals.iter().flat_map(|s| s.keys().cloned()));
        all
    }

    fn indices(&self) -> (bool, bool) {
        (true, self.synapse)
    }

    fn count(&self) -> Count {
        if self.synapse { Count::Two(self.ends.map(|e| e.sizes)) } else { Count::One(None) }
    }

    fn time(&self) -> Result<(), &'static str> {
        if self.initial {
            Err("`t` has no value here: initial values are set before the simulation starts")
        } else {
            Ok(())
        }
    }

    fn draws(&self) -> bool {
        self.draws
    }

    fn noise(&mut self, name: &str) -> Result<u32, &'static str> {
        if !self.noise_ok {
            return Err("only the right side of an equation, or a `let` used there, may contain it");
        }
        let found = self.noises.iter().position(|n| n == name);
        Ok(found.unwrap_or_else(|| {
            self.noises.push(name.to_owned());
            self.noises.len() - 1
        }) as u32)
    }

    fn other(&self, pop: hir::PopId, name: &str) -> Option<Result<(VarId, Type, Span), Vec<String>>> {
        let (heads, _) = self.others?;
        let (model, _) = heads.pop(pop)?;
        let vars = &heads.neurons.get(model.index())?.vars;
        Some(match vars.iter().position(|v| v.name == name) {
            Some(k) => Ok((VarId(k as u32), vars[k].ty, vars[k].span)),
            None => Err(vars.iter().map(|v| v.name.clone()).collect()),
        })
    }

    fn unfit(&self, pop: hir::PopId) -> Option<(u64, u64)> {
        let (heads, own) = self.others?;
        let (_, theirs) = heads.pop(pop)?;
        (theirs != own && theirs != 1).then_some((theirs, own))
    }
}

impl<'a> ModelCx<'a> {
    /// Collects the declarations of a model; reports names that are defined twice.
    pub(crate) fn new(model: &'a ast::Model, synapse: bool, typer: &mut Typer<'_>) -> Self {
        let mut cx = Self {
            model,
            synapse,
            vars: Vec::new(),
            lets: Vec::new(),
            done_lets: Vec::new(),
            names: BTreeMap::new(),
            locals: Vec::new(),
            next_local: 0,
            ends: None,
            given: BTreeMap::new(),
            draws: false,
            drawing: false,
            noise_ok: false,
            noises: Vec::new(),
            others: None,
            initial: false,
            busy: Vec::new(),
        };
        let mut places: BTreeMap<&str, Span> = BTreeMap::new();
        for item in &model.items {
            use ast::ModelItemKind as K;
            let (bindings, role) = match &item.kind {
                K::Param(b) => (b, Role::Param),
                K::State(b) => (b, Role::State),
                K::Weight(b) => (b, Role::Weight),
                K::Learned(b) => (b, Role::Learned),
                K::Input(b) => (b, Role::Input),
                K::Let(l) => {
                    if new_name(&l.name, &mut places, typer) {
                        cx.names.insert(&l.name.node, Slot::Let(cx.lets.len()));
                        cx.lets.push(LetInfo { decl: l, state: Progress::Todo, id: None, ty: None });
                    }
                    continue;
                }
                K::Error { defines: Some(name), .. } => {
                    cx.names.insert(&name.node, Slot::Faulty);
                    continue;
                }
                K::Event { name, .. } => {
                    if new_name(name, &mut places, typer) {
                        cx.names.insert(&name.node, Slot::Event);
                    }
                    continue;
                }
                _ => continue,
            };
            let wrong = match role {
                Role::Weight if !synapse => Some(("weight", "a neuron", "synapse", "learned")),
                Role::Learned if synapse => Some(("learned", "a synapse", "neuron", "weight")),
                _ => None,
            };
            if let Some((word, here, there, instead)) = wrong {
                typer.error(
                    Diagnostic::new(
                        Code::E0302,
                        item.span,
                        format!("`{word}` belongs into a {there}, not into {here}"),
                    )
                    .help(format!("write `{instead}` here")),
                );
            }
            for b in bindings {
                if new_name(&b.name, &mut places, typer) {
                    cx.names.insert(&b.name.node, Slot::Var(cx.vars.len()));
                    cx.vars.push(Var {
                        name: &b.name,
                        role,
                        binding: b,
                        doc: item.doc.clone(),
                        state: Progress::Todo,
                        ty: None,
                        init: None,
                        bounds: None,
                        shown: units::show(Dim::NONE),
                    });
                }
            }
        }
        cx
    }

    /// Types every declaration.
    pub(crate) fn declarations(&mut self, typer: &mut Typer<'_>) {
        self.derivatives_of_nothing(typer);
        for k in 0..self.vars.len() {
            let span = self.vars[k].name.span;
            self.resolve_var(k, span, typer);
        }
        for k in 0..self.lets.len() {
            let span = self.lets[k].decl.name.span;
            self.resolve_let(k, span, typer);
        }
    }

    /// Reports equations of states that are not declared; other uses of their names stay silent.
    fn derivatives_of_nothing(&mut self, typer: &mut Typer<'_>) {
        let (model, known) = (self.model, self.all());
        for item in &model.items {
            let ast::ModelItemKind::Ode { var, .. } = &item.kind else { continue };
            if self.names.contains_key(var.node.as_str()) {
                continue;
            }
            let d = Diagnostic::new(
                Code::E0301,
                var.span,
                format!("there is no state `{}` to take the derivative of", var.node),
            );
            typer.error(match crate::units::nearest::nearest(&var.node, known.iter().map(String::as_str)) {
                Some(n) => d.help(format!("did you mean `d{n}/dt`?")),
                None => d.help(format!("declare it with its initial value: `state {} = …`", var.node)),
            });
            self.names.insert(&var.node, Slot::Faulty);
        }
    }

    /// Notes that something of this model was left out. A synapse that no projection uses does not know its ends, and is in no model.
    pub(crate) fn hole(&self, span: Span, typer: &mut Typer<'_>) {
        if !self.synapse || self.ends.is_some() {
            typer.sink.hole(span);
        }
    }

    fn circle(&mut self, name: &str, span: Span, typer: &mut Typer<'_>) {
        let from = self.busy.iter().position(|n| *n == name).unwrap_or(0);
        let mut path: Vec<&str> = self.busy[from..].to_vec();
        path.push(name);
        let shown = path.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(" → ");
        typer.error(
            Diagnostic::new(Code::E0106, span, format!("these definitions depend on each other in a circle: {shown}"))
                .help("one of them needs a value of its own"),
        );
    }

    fn resolve_var(&mut self, k: usize, span: Span, typer: &mut Typer<'_>) {
        match self.vars[k].state {
            Progress::Done => return,
            Progress::Busy => {
                let name = &self.vars[k].name.node;
                return self.circle(name, span, typer);
            }
            Progress::Todo => {}
        }
        self.vars[k].state = Progress::Busy;
        self.busy.push(&self.vars[k].name.node);
        let saved = (self.draws, self.initial, typer.sites, std::mem::take(&mut self.locals));
        let noise = std::mem::replace(&mut self.noise_ok, false);
        // A neuron's parameters and inputs may follow the time, and so may a synapse's inputs.
        let role = self.vars[k].role;
        let follows = role == Role::Input || !self.synapse && role == Role::Param;
        (self.draws, self.initial) = (true, !follows);
        typer.new_value();
        self.type_var(k, typer);
        (self.draws, self.initial, typer.sites, self.locals) = saved;
        self.noise_ok = noise;
        self.busy.pop();
        self.vars[k].state = Progress::Done;
        let var = &self.vars[k];
        let valued = var.binding.value.is_none() || var.init.is_some();
        let bounded = var.binding.bounds.is_none() || var.bounds.is_some();
        if var.ty.is_none() || !valued || !bounded {
            self.hole(self.vars[k].name.span, typer);
        }
    }

    fn type_var(&mut self, k: usize, typer: &mut Typer<'_>) {
        let binding = self.vars[k].binding;
        let name = &binding.name.node;
        let role = self.vars[k].role;
        let declared = match &binding.ty {
            Some(t) => match typer.declared(t) {
                Some(d) => Some((d, t.span)),
                None => return,
            },
            None => None,
        };
        let value = match &binding.value {
            Some(v) => match typer.expr(v, self) {
                Some(t) => Some(t),
                None => {
                    // The unit may still be known, so that uses of the variable are checked.
                    if let Some(((ty, shown), _)) = declared {
                        self.vars[k].ty = Some(ty);
                        self.vars[k].shown = shown;
                    }
                    return;
                }
            },
            None => None,
        };
        let what = match role {
            Role::State | Role::Weight | Role::Learned => "the initial value",
            Role::Param | Role::Input => "the value",
        };
        let (ty, shown) = match (&declared, &value) {
            (Some(((ty, shown), _)), _) => (*ty, shown.clone()),
            (None, Some(v)) => {
                let ty = match v.expr.ty {
                    Type::Int => Type::Real(Dim::NONE),
                    other => other,
                };
                (ty, written_unit(binding.value.as_ref(), ty.dim()))
            }
            (None, None) => match self.given.get(name) {
                Some(ty) => (*ty, units::show(ty.dim())),
                None if role == Role::Input => (Type::Real(Dim::NONE), units::show(Dim::NONE)),
                None if matches!(role, Role::State | Role::Learned) => {
                    typer.error(needs_initial(binding));
                    return;
                }
                // Arguments give it a unit, or `instantiate` says that one is missing.
                None if self.synapse => return,
                None => {
                    typer.error(
                        Diagnostic::new(Code::E0206, binding.span, format!("`{name}` needs a value or a unit")).help(
                            format!("write `{name}: mV` (with its unit; `: 1` for a bare number), or give it a value"),
                        ),
                    );
                    return;
                }
            },
        };
        if ty == Type::Bool && !self.keeps_truth(k, typer) {
            return;
        }
        self.vars[k].ty = Some(ty);
        self.vars[k].shown = shown;
        if let Some(v) = value {
            let because = declared.map(|(_, span)| (span, Said::Declared(name, ty)));
            self.vars[k].init = typer.expect(v, ty, format_args!("{what} of `{name}`"), because);
        } else if matches!(role, Role::State | Role::Learned) {
            typer.error(needs_initial(binding));
        }
        if let Some(bounds) = &binding.bounds {
            self.vars[k].bounds = self.type_bounds(bounds, ty, name, typer);
            if let (Some((lo, hi)), Some(init)) = (&self.vars[k].bounds, &self.vars[k].init)
                && let (ExprKind::Const(lo), ExprKind::Const(hi), ExprKind::Const(x)) = (&lo.kind, &hi.kind, &init.kind)
                && (x < lo || x > hi)
            {
                let d =
                    Diagnostic::new(Code::E0205, init.span, format!("{what} of `{name}` lies outside of its bounds"))
                        .also(bounds.span, "the bounds")
                        .help("change the value or widen the bounds");
                typer.error(d);
            }
        }
    }

    /// Whether a variable may be a truth value: not what synapses add to, and not what learns, since changes of it are added.
    fn keeps_truth(&self, k: usize, typer: &mut Typer<'_>) -> bool {
        let (binding, role) = (self.vars[k].binding, self.vars[k].role);
        let name = &binding.name.node;
        let (what, why) = match role {
            Role::State | Role::Param => {
                let Some(bounds) = &binding.bounds else { return true };
                typer.error(
                    Diagnostic::new(Code::E0205, bounds.span, format!("`{name}` is a truth value and has no bounds"))
                        .label("only numbers have bounds")
                        .help("leave out the bounds"),
                );
                return false;
            }
            Role::Input => ("an input", "amounts are added to it"),
            Role::Weight => ("a weight", "learning adds to it"),
            Role::Learned => ("a learned variable", "changes of it are added"),
        };
        typer.error(
            Diagnostic::new(Code::E0205, binding.span, format!("`{name}` is {what} and cannot be a truth value"))
                .label(why)
                .help("make it a `state`, or use 0 and 1 and compare: `flag > 0`"),
        );
        false
    }

    fn type_bounds(
        &mut self,
        bounds: &ast::Expr,
        ty: Type,
        name: &str,
        typer: &mut Typer<'_>,
    ) -> Option<(hir::Expr, hir::Expr)> {
        let ast::ExprKind::List(ends) = &strip(bounds).kind else { return None };
        let [lo, hi] = ends.as_slice() else {
            typer.error(
                Diagnostic::new(Code::E0205, bounds.span, format!("the bounds of `{name}` must be two values"))
                    .help("write `in [lowest, highest]`"),
            );
            return None;
        };
        let what = format_args!("a bound of `{name}`");
        let lo = typer.expr(lo, self).and_then(|t| typer.expect(t, ty, what, None));
        let hi = typer.expr(hi, self).and_then(|t| typer.expect(t, ty, what, None));
        let (lo, hi) = (lo?, hi?);
        if let (ExprKind::Const(a), ExprKind::Const(b)) = (&lo.kind, &hi.kind)
            && a > b
        {
            typer.error(
                Diagnostic::new(Code::E0205, bounds.span, format!("the bounds of `{name}` are in the wrong order"))
                    .help("the lower one comes first"),
            );
            return None;
        }
        Some((lo, hi))
    }

    fn resolve_let(&mut self, k: usize, span: Span, typer: &mut Typer<'_>) {
        match self.lets[k].state {
            Progress::Done => return,
            Progress::Busy => {
                let name = &self.lets[k].decl.name.node;
                return self.circle(name, span, typer);
            }
            Progress::Todo => {}
        }
        self.lets[k].state = Progress::Busy;
        let decl = self.lets[k].decl;
        self.busy.push(&decl.name.node);
        let saved = (self.draws, self.initial, std::mem::take(&mut self.locals));
        (self.draws, self.initial) = (false, false);
        let noise = std::mem::replace(&mut self.noise_ok, true);
        if let Some(filter) = &decl.filter {
            typer.error(Diagnostic::new(
                Code::E0302,
                filter.span,
                "`where` selects neurons of a population; a model's `let` has none",
            ));
        }
        let typed = typer.expr(&decl.value, self);
        let expr = match (typed, &decl.ty) {
            (Some(t), Some(ty)) => typer.declared(ty).and_then(|(want, _)| {
                let what = format_args!("the value of `{}`", decl.name.node);
                typer.expect(t, want, what, Some((ty.span, Said::Words("declared here".into()))))
            }),
            (Some(t), None) => Some(t.expr),
            (None, _) => None,
        };
        (self.draws, self.initial, self.locals) = saved;
        self.noise_ok = noise;
        self.busy.pop();
        if let Some(e) = expr {
            let id = LetId(self.done_lets.len() as u32);
            self.lets[k].ty = Some(e.ty);
            self.lets[k].id = Some(id);
            self.done_lets.push(LetDecl { name: decl.name.node.clone(), value: e });
        } else {
            self.hole(decl.name.span, typer);
        }
        self.lets[k].state = Progress::Done;
    }

    /// A typed expression of an equation or condition.
    pub(crate) fn equation(&mut self, e: &ast::Expr, typer: &mut Typer<'_>) -> Option<Typed> {
        (self.draws, self.initial) = (self.drawing, false);
        typer.expr(e, self)
    }

    /// A typed argument that may follow the time and other populations.
    pub(crate) fn live_argument(&mut self, e: &ast::Expr, typer: &mut Typer<'_>) -> Option<Typed> {
        (self.draws, self.initial) = (true, false);
        typer.new_value();
        typer.expr(e, self)
    }

    /// The statements of a block that may draw random numbers.
    pub(crate) fn drawing_handler(&mut self, block: &ast::Block, pre: bool, typer: &mut Typer<'_>) -> Vec<hir::Stmt> {
        self.drawing = true;
        typer.new_value();
        let out = self.handler(block, pre, typer);
        self.drawing = false;
        out
    }

    /// A typed argument: draws allowed, no time.
    pub(crate) fn argument(&mut self, e: &ast::Expr, typer: &mut Typer<'_>) -> Option<Typed> {
        (self.draws, self.initial) = (true, true);
        typer.new_value();
        typer.expr(e, self)
    }

    /// Checks the equations; each state has at most one.
    pub(crate) fn odes(&mut self, typer: &mut Typer<'_>) -> Vec<Ode> {
        let mut odes: Vec<Ode> = Vec::new();
        let model = self.model;
        for item in &model.items {
            let ast::ModelItemKind::Ode { coef, var, rhs } = &item.kind else { continue };
            let coef_typed = coef.as_ref().map(|c| self.equation(c, typer));
            self.noise_ok = true;
            let rhs_typed = self.equation(rhs, typer);
            self.noise_ok = false;
            let k = match self.names.get(var.node.as_str()) {
                Some(Slot::Faulty) => {
                    self.hole(item.span, typer);
                    continue;
                }
                Some(Slot::Var(k)) if matches!(self.vars[*k].role, Role::State | Role::Weight | Role::Learned) => *k,
                Some(_) => {
                    typer.error(
                        Diagnostic::new(
                            Code::E0301,
                            var.span,
                            format!("`{}` is not a state: it has no derivative", var.node),
                        )
                        .help(format!("declare it as `state {}`", var.node)),
                    );
                    continue;
                }
                // Reported among the declarations.
                None => {
                    self.hole(item.span, typer);
                    continue;
                }
            };
            if let Some(first) = odes.iter().find(|o| o.var.index() == k) {
                typer.error(
                    Diagnostic::new(Code::E0301, item.span, format!("`{}` has two equations", var.node))
                        .also(first.span, "the first one"),
                );
                continue;
            }
            let whole = match self.vars[k].ty {
                Some(Type::Int) => Some(("a whole number", "declared as `int` here", "leave out `: int`, or change")),
                Some(Type::Bool) => Some(("a truth value", "declared here", "change")),
                _ => None,
            };
            if let Some((what, declared, help)) = whole {
                typer.error(
                    Diagnostic::new(Code::E0301, var.span, format!("`{}` is {what}: it has no derivative", var.node))
                        .also(self.vars[k].name.span, declared)
                        .help(format!("{help} it in `on spike` and `every`")),
                );
                continue;
            }
            let (Some(ty), Some(rhs_typed), false) = (self.vars[k].ty, rhs_typed, matches!(coef_typed, Some(None)))
            else {
                self.hole(item.span, typer);
                continue;
            };
            let left = coef_typed.flatten();
            let rate = ty.dim().div(Dim::TIME);
            let needed = left.as_ref().map_or(rate, |c| c.dim().mul(rate));
            if rhs_typed.dim() != needed && !rhs_typed.any {
                let d = mismatch::derivative(
                    &var.node,
                    ty.dim(),
                    left.as_ref().map(Typed::dim),
                    &rhs_typed,
                    self.vars[k].name.span,
                    rhs.span,
                );
                typer.error(d);
                continue;
            }
            let rhs = real(rhs_typed.expr);
            let span = item.span;
            let rhs = match left {
                None => rhs,
                Some(c) => hir::Expr {
                    kind: ExprKind::Binary(hir::BinaryOp::Div, Box::new(rhs), Box::new(real(c.expr))),
                    ty: Type::Real(rate),
                    span,
                },
            };
            odes.push(Ode { var: VarId(k as u32), rhs, span });
        }
        odes
    }

    /// Takes the finished variables out; `None` if one is faulty.
    pub(crate) fn finished_vars(&mut self) -> Option<Vec<VarDecl>> {
        std::mem::take(&mut self.vars)
            .into_iter()
            .map(|v| {
                Some(VarDecl {
                    name: v.name.node.clone(),
                    role: v.role,
                    ty: v.ty?,
                    init: v.init,
                    bounds: v.bounds,
                    shown: v.shown,
                    doc: v.doc,
                    span: v.name.span,
                })
            })
            .collect()
    }

    /// The statements of a handler. `pre` is true in `on pre`.
    pub(crate) fn handler(&mut self, block: &ast::Block, pre: bool, typer: &mut Typer<'_>) -> Vec<hir::Stmt> {
        self.locals.push(BTreeMap::new());
        let stmts = block.stmts.iter().filter(|s| !matches!(s.kind, ast::StmtKind::Allow(_)));
        let out = stmts.filter_map(|s| self.statement(s, pre, typer)).collect();
        self.locals.pop();
        out
    }

    fn statement(&mut self, s: &ast::Stmt, pre: bool, typer: &mut Typer<'_>) -> Option<hir::Stmt> {
        let out = self.checked(s, pre, typer);
        if out.is_none() {
            self.hole(s.span, typer);
        }
        out
    }

    fn checked(&mut self, s: &ast::Stmt, pre: bool, typer: &mut Typer<'_>) -> Option<hir::Stmt> {
        use ast::StmtKind as K;
        let kind = match &s.kind {
            K::Assign(a) => self.assign(a, typer)?,
            K::Let(l) => {
                let t = self.equation(&l.value, typer)?;
                let e = match &l.ty {
                    Some(ty) => {
                        let (want, _) = typer.declared(ty)?;
                        let what = format_args!("the value of `{}`", l.name.node);
                        typer.expect(t, want, what, Some((ty.span, Said::Words("declared here".into()))))?
                    }
                    None => t.expr,
                };
                let id = LocalId(self.next_local);
                self.next_local += 1;
                if let Some(scope) = self.locals.last_mut() {
                    scope.insert(l.name.node.clone(), (id, e.ty, l.name.span));
                }
                hir::StmtKind::Local { id, value: e }
            }
            K::If { cond, then, els } => {
                let cond = self.equation(cond, typer).and_then(|c| typer.truth(c));
                let then = self.handler(then, pre, typer);
                let els = match els {
                    None => Vec::new(),
                    Some(ast::Else::Block(b)) => self.handler(b, pre, typer),
                    Some(ast::Else::If(i)) => self.statement(i, pre, typer).into_iter().collect(),
                };
                hir::StmtKind::If { cond: cond?, then, els }
            }
            K::Deliver { value, to } => self.deliver(value, to.as_ref(), s.span, pre, typer)?,
            K::Inject(_) => {
                typer.error(
                    Diagnostic::new(
                        Code::E0303,
                        s.span,
                        "`inject` is continuous: it stands in the synapse itself, not in a handler",
                    )
                    .help("use `deliver` for what one event adds"),
                );
                return None;
            }
            // Of a statement that did not parse no more is known than that.
            K::Expect(e) | K::Run(e) if matches!(e.kind, ast::ExprKind::Error) => return None,
            K::Call { name, .. } if let Some(d) = super::foreign::function(&name.node, name.span, true) => {
                typer.error(d);
                return None;
            }
            _ => {
                typer.error(
                    Diagnostic::new(Code::E0303, s.span, "this statement belongs into an experiment, not into a model")
                        .help("handlers know assignments, `if`, `let` and, in synapses, `deliver`"),
                );
                return None;
            }
        };
        Some(hir::Stmt { kind, span: s.span })
    }

    fn assign(&mut self, a: &ast::Assign, typer: &mut Typer<'_>) -> Option<hir::StmtKind> {
        let name = &a.target.root.node;
        if !self.names.contains_key(name.as_str())
            && let Some(d) = super::foreign::assignment(name, a.target.span, &*self)
        {
            // What it reads is written as wrongly: one fault.
            typer.error(d);
            return None;
        }
        let value = self.equation(&a.value, typer);
        if !a.target.segments.is_empty() {
            let d = Diagnostic::new(Code::E0302, a.target.span, "a handler only assigns the states of its own model");
            typer.error(if self.synapse && (name == "pre" || name == "post") {
                d.label("this belongs to a neuron")
                    .help("use `deliver` to add to the post neuron, or let the neuron do it in its own `on spike`")
            } else {
                d
            });
            return None;
        }
        let k = match self.names.get(name.as_str()) {
            Some(Slot::Faulty) => return None,
            Some(Slot::Var(k)) if matches!(self.vars[*k].role, Role::State | Role::Weight | Role::Learned) => *k,
            Some(slot) => {
                let (what, at) = match slot {
                    Slot::Var(k) if self.vars[*k].role == Role::Input => ("an input", self.vars[*k].name.span),
                    Slot::Var(k) => ("a parameter", self.vars[*k].name.span),
                    Slot::Let(k) => ("a `let`, a name for an expression", self.lets[*k].decl.name.span),
                    Slot::Event => ("an event", a.target.span),
                    Slot::Faulty => return None,
                };
                typer.error(
                    Diagnostic::new(Code::E0302, a.target.span, format!("`{name}` is {what} and cannot be assigned"))
                        .also(at, "declared here")
                        .help(format!("declare it as `state {name}` if it changes")),
                );
                return None;
            }
            None => {
                let known: Vec<String> = self.vars.iter().map(|v| v.name.node.clone()).collect();
                let mut d = Diagnostic::new(Code::E0101, a.target.span, format!("unknown state `{name}`"));
                d = match crate::units::nearest::nearest(name, known.iter().map(String::as_str)) {
                    Some(n) => d.help(format!("did you mean `{n}`?")).fix(a.target.span, n),
                    None if self.locals.iter().any(|s| s.contains_key(name)) => {
                        d.note("a `let` of a handler keeps its value")
                    }
                    None => d.note(format!("the model declares {}", list(&known))),
                };
                typer.error(d);
                return None;
            }
        };
        let ty = self.vars[k].ty?;
        let op = match a.op {
            ast::AssignOp::Set => AssignOp::Set,
            ast::AssignOp::Add => AssignOp::Add,
            ast::AssignOp::Sub => AssignOp::Sub,
            ast::AssignOp::Mul => AssignOp::Mul,
            ast::AssignOp::Div => AssignOp::Div,
        };
        let scales = matches!(op, AssignOp::Mul | AssignOp::Div);
        if ty == Type::Int && op == AssignOp::Div {
            typer.error(
                Diagnostic::new(
                    Code::E0205,
                    a.target.span,
                    format!("`{name}` is a whole number, and `/` gives a real one"),
                )
                .also(self.vars[k].name.span, "declared as `int` here")
                .help("declare it without `: int`"),
            );
            return None;
        }
        if ty == Type::Bool && op != AssignOp::Set {
            typer.error(
                Diagnostic::new(
                    Code::E0205,
                    a.target.span,
                    format!("`{name}` is a truth value, which has no arithmetic"),
                )
                .also(self.vars[k].name.span, "declared here")
                .help(format!("assign a condition: `{name} = v > 0 mV`, `{name} = not {name}`")),
            );
            return None;
        }
        let (want, what) = if scales && ty != Type::Int {
            (Type::Real(Dim::NONE), "the factor of")
        } else {
            (ty, "the value assigned to")
        };
        let because = Some((self.vars[k].name.span, Said::Is(name.into(), ty)));
        let what = format_args!("{what} `{name}`");
        let value = typer.expect(value?, want, what, if scales { None } else { because })?;
        Some(hir::StmtKind::Assign { var: VarId(k as u32), op, value })
    }

    fn deliver(
        &mut self,
        value: &ast::Expr,
        to: Option<&ast::Ident>,
        span: Span,
        pre: bool,
        typer: &mut Typer<'_>,
    ) -> Option<hir::StmtKind> {
        let value = self.equation(value, typer);
        if !self.synapse || !pre {
            let d = Diagnostic::new(Code::E0303, span, "`deliver` belongs into `on pre` of a synapse");
            typer.error(if self.synapse {
                d.help("what a post spike does to its own neuron stands in the neuron's `on spike`")
            } else {
                d.help("a neuron changes its own states by assignment")
            });
            return None;
        }
        let ends = self.ends?;
        let target = match to {
            None => ends.target?,
            Some(name) => match ends.post.iter().position(|v| v.name == name.node) {
                Some(k) if matches!(ends.post[k].role, Role::State | Role::Input) => VarId(k as u32),
                _ => {
                    let states: Vec<String> =
                        ends.post.iter().filter(|v| v.role == Role::State).map(|v| v.name.clone()).collect();
                    typer.error(
                        Diagnostic::new(
                            Code::E0401,
                            name.span,
                            format!("the post neuron has no state `{}`", name.node),
                        )
                        .note(format!("its states are {}", list(&states))),
                    );
                    return None;
                }
            },
        };
        let spread = ends.through.is_some() && Some(target) == ends.target;
        if ends.post[target.index()].role == Role::Input && !spread {
            self.delivered_to_input(target, to.map_or(span, |n| n.span), typer);
        }
        let value = self.amount(value?, target, "delivers", typer)?;
        Some(hir::StmtKind::Deliver { value, target })
    }

    /// What is delivered to an input acts for one time step, so that its effect depends on the length of the step.
    fn delivered_to_input(&self, target: VarId, at: Span, typer: &mut Typer<'_>) {
        let Some(decl) = self.ends.and_then(|e| e.post.get(target.index())) else { return };
        let d = Diagnostic::new(
            Code::W0705,
            at,
            format!("what is delivered to the input `{}` acts for one time step only", decl.name),
        )
        .label("with half the time step, this has half the effect")
        .also(decl.span, "an input has no memory")
        .help("deliver to a state that decays, such as a current or conductance, and use it in the equation");
        // Several `deliver`s of one model into one input are said once.
        let said = |o: &Diagnostic| {
            o.code == d.code && o.primary.as_ref().map(|l| l.span) == d.primary.as_ref().map(|l| l.span)
        };
        if !typer.sink.items.iter().any(said) {
            typer.sink.push(d);
        }
    }

    /// `inject e`: a continuous coupling to the projection's target, which must be an input.
    pub(crate) fn inject(&mut self, value: &ast::Expr, span: Span, typer: &mut Typer<'_>) -> Option<hir::Expr> {
        let value = self.equation(value, typer);
        let ends = self.ends?;
        let target = ends.target?;
        let decl = &ends.post[target.index()];
        if decl.role != Role::Input {
            typer.error(
                Diagnostic::new(
                    Code::E0401,
                    span,
                    format!("`inject` needs an input as its target, but `{}` is a state", decl.name),
                )
                .label("adds an amount at every step")
                .also(decl.span, "declared here")
                .help(format!(
                    "declare `input I` in the post neuron, use it in the equation of `{}`, and connect to it",
                    decl.name
                )),
            );
            return None;
        }
        self.amount(value?, target, "injects", typer)
    }

    /// Checks that an amount has the unit of its target.
    fn amount(&self, value: Typed, target: VarId, does: &str, typer: &mut Typer<'_>) -> Option<hir::Expr> {
        let ends = self.ends?;
        let decl = ends.post.get(target.index())?;
        if decl.ty == Type::Bool {
            typer.error(
                Diagnostic::new(
                    Code::E0204,
                    value.expr.span,
                    format!("this {does} an amount, but the target `{}` is a truth value", decl.name),
                )
                .also(decl.span, "declared here")
                .help("deliver to a number, and compare it where it is used"),
            );
            return None;
        }
        if decl.ty == Type::Int && value.expr.ty != Type::Int {
            typer.error(
                Diagnostic::new(
                    Code::E0204,
                    value.expr.span,
                    format!("this {does} a real number, but the target `{}` is a whole one", decl.name),
                )
                .also(decl.span, "declared as `int` here")
                .help("declare the target without `: int`, or deliver a whole number"),
            );
            return None;
        }
        let kernel = ends.through.filter(|_| Some(target) == ends.target && does == "delivers");
        if let Some(k) = kernel
            && value.dim().mul(k) != decl.ty.dim()
            && !value.any
        {
            typer.error(
                Diagnostic::new(
                    Code::E0204,
                    value.expr.span,
                    format!(
                        "this delivers {} through a kernel {}, but the target `{}` is {}",
                        mismatch::dim_words(value.dim()),
                        if k.is_none() { "without unit".to_owned() } else { format!("in {}", mismatch::dim_words(k)) },
                        decl.name,
                        mismatch::dim_words(decl.ty.dim())
                    ),
                )
                .label(mismatch::dim_words(value.dim()))
                .also(decl.span, format!("`{}` is {}", decl.name, mismatch::dim_words(decl.ty.dim())))
                .help(format!("deliver {}", mismatch::dim_words(decl.ty.dim().div(k)))),
            );
            return None;
        }
        if kernel.is_none() && value.dim() != decl.ty.dim() && !value.any {
            let d = Diagnostic::new(
                Code::E0204,
                value.expr.span,
                format!(
                    "this {does} {}, but the target `{}` is {}",
                    mismatch::dim_words(value.dim()),
                    decl.name,
                    mismatch::dim_words(decl.ty.dim())
                ),
            )
            .label(mismatch::dim_words(value.dim()))
            .also(decl.span, format!("`{}` is {}", decl.name, mismatch::dim_words(decl.ty.dim())));
            typer.error(d.help(format!(
                "give the weight the target's unit, or multiply by a parameter: `param scale = 1 {}`",
                mismatch::dim_words(decl.ty.dim().div(value.dim()))
            )));
            return None;
        }
        Some(real(value.expr))
    }
}

/// A state without its first value.
fn needs_initial(binding: &ast::Binding) -> Diagnostic {
    let name = &binding.name.node;
    Diagnostic::new(Code::E0105, binding.span, format!("the state `{name}` needs an initial value"))
        .help(format!("write `{name} = …`; the value also gives the unit"))
}

/// Checks that a name is new in its model and no unit of two or more letters.
fn new_name<'a>(name: &'a ast::Ident, places: &mut BTreeMap<&'a str, Span>, typer: &mut Typer<'_>) -> bool {
    if let Some(d) = unit_clash(name) {
        typer.error(d);
    }
    if let Some(first) = places.get(name.node.as_str()) {
        typer.error(
            Diagnostic::new(Code::E0103, name.span, format!("`{}` is declared twice", name.node))
                .also(*first, "first declared here")
                .help("rename one of them"),
        );
        return false;
    }
    places.insert(&name.node, name.span);
    true
}

/// A declared name may not equal a unit of two or more letters.
pub(crate) fn unit_clash(name: &ast::Ident) -> Option<Diagnostic> {
    (name.node.len() >= 2 && units::lookup(&name.node).is_some()).then(|| {
        Diagnostic::new(Code::E0103, name.span, format!("`{}` is the name of a unit", name.node))
            .help("choose another name; only one-letter units may also be names")
    })
}

/// The unit in which a value is written, or the usual one of its dimension.
pub(crate) fn written_unit(e: Option<&ast::Expr>, dim: Dim) -> ShownUnit {
    let mut e = e;
    while let Some(x) = e {
        match &x.kind {
            ast::ExprKind::Paren(i) => e = Some(i),
            ast::ExprKind::Unary { operand, .. } => e = Some(operand),
            ast::ExprKind::Number { unit: Some(u), .. } => {
                if let Some(def) = units::lookup_power(&u.name, u.exponent.as_deref())
                    && def.dim == dim
                {
                    let name = u.exponent.as_ref().map_or_else(|| u.name.clone(), |p| format!("{}^{p}", u.name));
                    return ShownUnit { name, factor: def.factor };
                }
                break;
            }
            _ => break,
        }
    }
    units::show(dim)
}
