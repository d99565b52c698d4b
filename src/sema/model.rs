//! Checking one model, neuron or synapse: declarations in any order, equations, conditions, handlers.

mod declared;
mod equations;
mod handlers;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::infer::{Count, Meaning, Names, Typed, Typer};
use crate::diag::{Code, Diagnostic};
use crate::hir::{self, ExprKind, LetDecl, LetId, LocalId, Role, ShownUnit, Side, Type, VarDecl, VarId};
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
    /// Whether the block is `on post`.
    pub(crate) reacts_to_post: bool,
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
    /// The unit's name, where it is not the usual one of its dimension.
    pub(crate) unit: Option<Arc<str>>,
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
                Some(Meaning::Var(Side::Own, VarId(k as u32), v.ty, v.name.span, v.unit.clone()))
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
            Some(k) => Ok(Meaning::Var(side, VarId(k as u32), Some(vars[k].ty), vars[k].span, None)),
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

    fn no_draw(&self, distribution: &str) -> (&'static str, String) {
        if self.locals.is_empty() {
            let help = format!(
                "for noise write `xi`; for one draw per element `param r = {distribution}(…)`; to draw anew `every 1 ms {{ r = {distribution}(…) }}` with a state `r`"
            );
            return ("and this is computed anew at every step", help);
        }
        let help =
            format!("declare a state `r`, draw it with `every dt {{ r = {distribution}(…) }}`, and use `r` here");
        (
            if self.synapse {
                "which `on pre`, `on post` and `every` do, but not this block"
            } else {
                "which in a neuron only `every` does"
            },
            help,
        )
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
            reacts_to_post: false,
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
                        unit: None,
                    });
                }
            }
        }
        cx
    }

    /// Notes that something of this model was left out. A synapse that no projection uses does not know its ends, and is in no model.
    pub(crate) fn hole(&self, span: Span, typer: &mut Typer<'_>) {
        if !self.synapse || self.ends.is_some() {
            typer.sink.hole(span);
        }
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

    /// A typed argument: draws allowed, no time.
    pub(crate) fn argument(&mut self, e: &ast::Expr, typer: &mut Typer<'_>) -> Option<Typed> {
        (self.draws, self.initial) = (true, true);
        typer.new_value();
        typer.expr(e, self)
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
