//! Synapse models, instantiated for one projection: `pre.x`, `post.x` and the target are resolved, and variables without a unit of their
//! own take that of the projection's arguments.

use std::collections::BTreeMap;

use super::infer::{Typed, Typer};
use super::mismatch::Said;
use super::model::{Ends, ModelCx};
use super::network;
use super::neuron;
use crate::diag::{Code, Diagnostic, Severity, words};
use crate::hir::{self, Role, SynapseModel, Type, VarId};
use crate::source::Span;
use crate::syntax::ast;
use crate::units::Dim;

/// A synapse as used: the model and the values given, with the delays taken out.
pub(crate) struct Instance {
    pub(crate) synapse: SynapseModel,
    pub(crate) args: Vec<(VarId, hir::Expr)>,
    pub(crate) delay: Option<hir::Expr>,
    pub(crate) dendritic_delay: Option<hir::Expr>,
}

/// Checks a synapse model by itself, for models that no projection uses.
pub(crate) fn check_alone(model: &ast::Model, typer: &mut Typer<'_>) {
    let mut cx = ModelCx::new(model, true, typer);
    body(&mut cx, model, typer);
}

/// The argument that gives a variable its unit. It may not mention a variable whose unit is not known yet, itself least of all.
fn argument_with_unit(cx: &mut ModelCx<'_>, name: &str, a: &ast::Arg, typer: &mut Typer<'_>) -> Option<Typed> {
    let typed = cx.argument(&a.value, typer);
    // After another error the value may only mention what is faulty.
    let silent = !typer.sink.items.iter().any(|d| d.severity == Severity::Error);
    if typed.is_none() && silent {
        typer.error(
            Diagnostic::new(
                Code::E0106,
                a.value.span,
                format!("`{name}` takes its unit from this value, which mentions `{name}` or another parameter without a unit"),
            )
            .help(format!("give `{name}` a value of its own")),
        );
    }
    typed
}

/// Checks a synapse model in a projection; `None` if something is faulty.
pub(crate) fn instantiate(
    model: &ast::Model,
    reference: &ast::ModelRef,
    ends: Ends<'_>,
    typer: &mut Typer<'_>,
) -> Option<Instance> {
    let before = typer.sink.items.len();
    let mut cx = ModelCx::new(model, true, typer);
    cx.ends = Some(ends);
    let names: Vec<String> = cx.vars.iter().map(|v| v.name.node.clone()).collect();
    // Arguments give units to variables without one, so they are typed first, as far as they do not refer to such variables.
    let args = reference.args.as_deref().unwrap_or(&[]);
    let mut given: BTreeMap<String, (&ast::Arg, String)> = BTreeMap::new();
    let mut ok = true;
    // A value was given under a name that does not exist: it may be the one that is missing.
    let mut misnamed = false;
    let takes = || names.iter().filter(|_| true).cloned().collect::<Vec<_>>();
    for (k, a) in args.iter().enumerate() {
        let name = match &a.name {
            Some(n) => n.node.clone(),
            // A declaration that did not parse has moved the others.
            None if !model.is_whole() => continue,
            None => match names.get(k) {
                Some(n) => n.clone(),
                None => {
                    typer.error(
                        Diagnostic::new(
                            Code::E0105,
                            a.span,
                            match names.len() {
                                0 => format!("`{}` takes no arguments", model.name.node),
                                1 => format!("`{}` takes one argument without a name", model.name.node),
                                n => format!("`{}` takes at most {n} arguments without names", model.name.node),
                            },
                        )
                        .label("not expected")
                        .help("a delay is named: `delay = 1 ms`"),
                    );
                    ok = false;
                    continue;
                }
            },
        };
        if !names.contains(&name) && name != "delay" && name != "dendritic_delay" {
            if model.may_declare(&name) {
                continue;
            }
            let at = a.name.as_ref().map_or(a.span, |n| n.span);
            let d = Diagnostic::new(Code::E0105, at, format!("the synapse `{}` has no `{name}`", model.name.node));
            let extra = ["delay", "dendritic_delay"];
            typer.error(match crate::units::nearest::nearest(&name, names.iter().map(String::as_str).chain(extra)) {
                Some(n) => d.help(format!("did you mean `{n}`?")).fix(at, n),
                None => d.note(format!(
                    "it takes {}, and the delays `delay` and `dendritic_delay`",
                    super::infer::list(&takes())
                )),
            });
            ok = false;
            misnamed = true;
            continue;
        }
        if let Some((first, _)) = given.get(&name) {
            typer.error(
                Diagnostic::new(Code::E0105, a.span, format!("`{name}` is given twice"))
                    .also(first.span, "first given here"),
            );
            ok = false;
            continue;
        }
        given.insert(name.clone(), (a, name));
    }
    let untyped: Vec<String> = model
        .items
        .iter()
        .flat_map(|i| match &i.kind {
            ast::ModelItemKind::Param(b) | ast::ModelItemKind::Weight(b) => b.as_slice(),
            _ => &[],
        })
        .filter(|b| b.ty.is_none() && b.value.is_none())
        .map(|b| b.name.node.clone())
        .collect();
    let mut typed: BTreeMap<String, Typed> = BTreeMap::new();
    for name in &untyped {
        match given.get(name) {
            Some((a, _)) => match argument_with_unit(&mut cx, name, a, typer) {
                Some(t) => {
                    let ty = match t.expr.ty {
                        Type::Int | Type::Bool => Type::Real(Dim::NONE),
                        real => real,
                    };
                    cx.given.insert(name.clone(), ty);
                    typed.insert(name.clone(), t);
                }
                None => ok = false,
            },
            None if misnamed => ok = false,
            None => {
                typer.error(
                    Diagnostic::new(
                        Code::E0105,
                        reference.span,
                        format!("the synapse `{}` needs a value for `{name}`", model.name.node),
                    )
                    .help(format!("write `{}({name} = …)`", model.name.node)),
                );
                ok = false;
            }
        }
    }
    let Body { odes, on_pre, on_post, injects, events, every, method } = body(&mut cx, model, typer);
    let mut out = Vec::new();
    let (mut delay, mut dendritic_delay) = (None, None);
    for (name, (a, _)) in &given {
        if name == "delay" || name == "dendritic_delay" {
            let d = delay_argument(&mut cx, a, name, typer);
            ok &= d.is_some();
            if name == "delay" {
                if let (Some(e), true) = (&d, on_pre.is_none() && injects.is_empty()) {
                    typer.error(Diagnostic::new(
                        Code::E0403,
                        e.span,
                        format!("`{}` has no `on pre` or `inject` for a delay to delay", model.name.node),
                    ));
                    ok = false;
                }
                delay = d;
            } else {
                dendritic_delay = d;
            }
            continue;
        }
        let Some(k) = names.iter().position(|n| n == name) else { continue };
        let (Some(ty), role, declared) = (cx.vars[k].ty, cx.vars[k].role, cx.vars[k].name.span) else { continue };
        let value = match typed.remove(name) {
            Some(t) => Some(t),
            None if untyped.contains(name) => None,
            None if role == Role::Input => {
                // An input may follow the time and a population of one neuron.
                cx.others = Some((ends.heads, 0));
                let t = cx.live_argument(&a.value, typer);
                cx.others = None;
                t
            }
            None => cx.argument(&a.value, typer),
        };
        let because = Some((declared, Said::Is(name.into(), ty, cx.vars[k].unit.clone())));
        let value = value.and_then(|t| typer.expect(t, ty, format_args!("the value of `{name}`"), because));
        match value {
            Some(e) => {
                ok &= network::is_inside(&e, name, cx.vars[k].bounds.as_ref(), declared, typer);
                out.push((VarId(k as u32), e));
            }
            None => ok = false,
        }
    }
    for v in &cx.vars {
        let has = given.contains_key(&v.name.node) || untyped.contains(&v.name.node);
        if matches!(v.role, Role::Param | Role::Weight)
            && !has
            && !misnamed
            && v.ty.is_some()
            && !has_value(model, &v.name.node)
        {
            typer.error(
                Diagnostic::new(
                    Code::E0105,
                    reference.span,
                    format!("the synapse `{}` needs a value for `{}`", model.name.node, v.name.node),
                )
                .also(v.name.span, "declared without a value")
                .help(format!("write `{}({} = …)`", model.name.node, v.name.node)),
            );
            ok = false;
        }
    }
    out.sort_by_key(|(v, _)| *v);
    let vars = cx.finished_vars()?;
    ok &= !super::circles::among(&vars, &cx.done_lets, &out, typer);
    if !ok || typer.sink.items[before..].iter().any(|d| d.severity == Severity::Error) {
        return None;
    }
    Some(Instance {
        synapse: SynapseModel {
            name: model.name.node.clone(),
            vars,
            lets: cx.done_lets,
            odes,
            on_pre: on_pre.unwrap_or_default(),
            on_post,
            injects,
            noises: cx.noises,
            events,
            every,
            method,
            lost: model.lost(),
            span: model.name.span,
        },
        args: out,
        delay,
        dendritic_delay,
    })
}

fn has_value(model: &ast::Model, name: &str) -> bool {
    model.items.iter().any(|i| match &i.kind {
        ast::ModelItemKind::Param(b) | ast::ModelItemKind::Weight(b) => {
            b.iter().any(|b| b.name.node == name && b.value.is_some())
        }
        _ => false,
    })
}

fn delay_argument(cx: &mut ModelCx<'_>, a: &ast::Arg, name: &str, typer: &mut Typer<'_>) -> Option<hir::Expr> {
    let t = cx.argument(&a.value, typer)?;
    let e = typer.expect(t, Type::Real(Dim::TIME), format_args!("`{name}`"), None)?;
    match e.kind {
        hir::ExprKind::Const(x) if x < 0.0 => {
            typer.error(words::negative_delay(e.span, &format!("`{name}`"), None));
            None
        }
        hir::ExprKind::Const(x) if !x.is_finite() => {
            typer.error(Diagnostic::new(Code::E0403, e.span, format!("`{name}` must be finite")));
            None
        }
        // Anything else is one value per synapse: its range is checked when the values are known.
        _ => Some(e),
    }
}

/// Equations, handlers and continuous couplings.
struct Body {
    odes: Vec<hir::Ode>,
    on_pre: Option<Vec<hir::Stmt>>,
    on_post: Option<Vec<hir::Stmt>>,
    injects: Vec<hir::Expr>,
    events: Vec<hir::Event>,
    every: Vec<hir::Every>,
    method: Option<hir::MethodRef>,
}

/// Equations and handlers.
fn body(cx: &mut ModelCx<'_>, model: &ast::Model, typer: &mut Typer<'_>) -> Body {
    cx.declarations(typer);
    let odes = cx.odes(typer);
    let (mut on_pre, mut on_post, mut method) = (None, None, None);
    let (mut injects, mut events, mut every) = (Vec::new(), Vec::new(), Vec::new());
    let mut reactions = Vec::new();
    let declared = neuron::declared_events(model);
    for item in &model.items {
        use ast::ModelItemKind as K;
        match &item.kind {
            K::On { event, body } => {
                let slot = match event.node.as_str() {
                    "pre" => {
                        let stmts = cx.drawing_handler(body, true, typer);
                        (&mut on_pre, stmts)
                    }
                    "post" => {
                        cx.reacts_to_post = true;
                        let stmts = cx.drawing_handler(body, false, typer);
                        cx.reacts_to_post = false;
                        (&mut on_post, stmts)
                    }
                    other if declared.contains(&other) => {
                        let stmts = cx.handler(body, false, typer);
                        reactions.push((event, stmts, item.span));
                        continue;
                    }
                    other => {
                        typer.error(unknown_event(other, &declared, event.span));
                        continue;
                    }
                };
                if slot.0.is_some() {
                    typer.error(
                        Diagnostic::new(Code::E0308, item.span, format!("there are two `on {}` blocks", event.node))
                            .help("put all statements into one"),
                    );
                }
                *slot.0 = Some(slot.1);
            }
            K::Method(m) => method = neuron::method(m, typer),
            K::Spike { .. } | K::Refractory { .. } => typer.error(Diagnostic::new(
                Code::E0308,
                item.span,
                "a synapse does not spike: this belongs into a neuron",
            )),
            K::Event { name, cond } => events.extend(neuron::event(cx, name, cond, item.span, typer)),
            K::Every { period, body } => every.extend(neuron::periodic(cx, period, body, item.span, typer)),
            K::Inject(value) => injects.extend(cx.inject(value, item.span, typer)),
            _ => {}
        }
    }
    neuron::react(&mut events, reactions, model, typer);
    Body { odes, on_pre, on_post, injects, events, every, method }
}

fn unknown_event(name: &str, declared: &[&str], span: Span) -> Diagnostic {
    let d = Diagnostic::new(Code::E0104, span, format!("a synapse has no event `{name}`"));
    if name == "spike" {
        d.help("the pre neuron's spike is `on pre`, the post neuron's `on post`")
    } else if let Some(n) = crate::units::nearest::nearest(name, declared.iter().copied()) {
        d.help(format!("did you mean `on {n}`?")).fix(span, n)
    } else {
        d.help(format!("write `on pre` or `on post`, or declare the event: `event {name} when …`"))
    }
}
