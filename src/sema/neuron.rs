//! Neuron models: declarations, equations, spike clause, reset, refractoriness.

use super::infer::{Typer, real};
use super::mismatch;
use super::model::ModelCx;
use crate::diag::{Code, Diagnostic, words};
use crate::hir::{self, ExprKind, MethodRef, NeuronModel, Refractory, Role, SpikeClause, SpikeCond, Type, VarId};
use crate::source::Span;
use crate::syntax::ast;
use crate::units::Dim;

/// Checks a neuron model; `None` if it is faulty.
pub(crate) fn check(model: &ast::Model, typer: &mut Typer<'_>) -> Option<NeuronModel> {
    let before = typer.sink.items.len();
    let mut cx = ModelCx::new(model, false, typer);
    cx.declarations(typer);
    let odes = cx.odes(typer);
    let mut spike: Option<SpikeClause> = None;
    let mut on_spike = None;
    let mut on_release: Option<(Vec<hir::Stmt>, crate::source::Span)> = None;
    let mut events: Vec<hir::Event> = Vec::new();
    let mut reactions: Vec<(&ast::Ident, Vec<hir::Stmt>, crate::source::Span)> = Vec::new();
    let mut every = Vec::new();
    let mut refractory: Option<Refractory> = None;
    let (mut method, mut method_span) = (None, None);
    for item in &model.items {
        use ast::ModelItemKind as K;
        match &item.kind {
            K::Spike { cond, surrogate } => {
                if let Some(first) = &spike {
                    typer.error(
                        Diagnostic::new(
                            Code::E0308,
                            item.span,
                            format!("`{}` has two `spike` clauses", model.name.node),
                        )
                        .also(first.span, "the first one")
                        .help("combine the conditions with `or`"),
                    );
                    continue;
                }
                if let Some(s) = surrogate {
                    typer.error(
                        Diagnostic::new(Code::E0901, s.span, "surrogate derivatives are not supported yet")
                            .note("they matter for training by gradient only")
                            .help("remove `surrogate …` to simulate the model"),
                    );
                }
                if let Some(cond) = condition(&mut cx, cond, typer) {
                    spike = Some(SpikeClause { cond, span: item.span });
                } else {
                    typer.sink.hole(item.span);
                }
            }
            K::On { event, body } if event.node == "spike" => {
                let stmts = cx.handler(body, false, typer);
                if on_spike.is_some() {
                    typer.error(
                        Diagnostic::new(Code::E0308, item.span, "there are two `on spike` blocks")
                            .help("put all statements into one"),
                    );
                }
                on_spike = Some((stmts, item.span));
            }
            K::On { event, body } if event.node == "release" => {
                let stmts = cx.handler(body, false, typer);
                if on_release.is_some() {
                    typer.error(
                        Diagnostic::new(Code::E0308, item.span, "there are two `on release` blocks")
                            .help("put all statements into one"),
                    );
                }
                on_release = Some((stmts, item.span));
            }
            K::On { event, body } => {
                if let "pre" | "post" = event.node.as_str() {
                    typer.error(Diagnostic::new(
                        Code::E0303,
                        event.span,
                        format!("`on {}` belongs into a synapse, not into a neuron", event.node),
                    ));
                    continue;
                }
                let stmts = cx.handler(body, false, typer);
                reactions.push((event, stmts, item.span));
            }
            K::Event { name, cond } => events.extend(event(&mut cx, name, cond, item.span, typer)),
            K::Every { period, body } => every.extend(periodic(&mut cx, period, body, item.span, typer)),
            K::Inject(_) => typer.error(
                Diagnostic::new(Code::E0303, item.span, "`inject` belongs into a synapse")
                    .help("a neuron's own currents are terms of its equations"),
            ),
            K::Refractory { duration, hold } => {
                if let Some(first) = &refractory {
                    second(Code::E0307, "two refractory periods", item.span, first.span, typer);
                    continue;
                }
                refractory = self::refractory(&mut cx, duration, hold, item.span, typer);
                if refractory.is_none() {
                    typer.sink.hole(item.span);
                }
            }
            K::Method(m) => {
                if let Some(first) = method_span {
                    second(Code::E0306, "two methods", item.span, first, typer);
                    continue;
                }
                method_span = Some(item.span);
                method = self::method(m, typer);
            }
            _ => {}
        }
    }
    if spike.is_none()
        && !model
            .items
            .iter()
            .any(|i| matches!(i.kind, ast::ModelItemKind::Spike { .. } | ast::ModelItemKind::Error { .. }))
    {
        let user = on_spike.as_ref().map(|(_, s)| *s).or(refractory.as_ref().map(|r: &Refractory| r.span));
        if let Some(span) = user {
            typer.error(
                Diagnostic::new(
                    Code::E0308,
                    span,
                    format!("`{}` never spikes: it has no `spike` clause", model.name.node),
                )
                .help("add a condition, such as `spike when v > -50 mV`"),
            );
        }
    }
    react(&mut events, reactions, model, typer);
    if let (Some((_, span)), None) = (&on_release, &refractory) {
        let declared = model.items.iter().any(|i| matches!(i.kind, ast::ModelItemKind::Refractory { .. }));
        if !declared {
            typer.error(
                Diagnostic::new(
                    Code::E0307,
                    *span,
                    format!("`{}` is never refractory, so nothing releases it", model.name.node),
                )
                .help("add a clause such as `refractory 2 ms hold v`"),
            );
        }
    }
    let vars = cx.finished_vars()?;
    if typer.sink.items[before..].iter().any(|d| d.severity == crate::diag::Severity::Error) {
        return None;
    }
    Some(NeuronModel {
        name: model.name.node.clone(),
        vars,
        lets: cx.done_lets,
        odes,
        noises: cx.noises,
        spike,
        on_spike: on_spike.map(|(s, _)| s).unwrap_or_default(),
        events,
        on_release: on_release.map(|(s, _)| s).unwrap_or_default(),
        every,
        refractory,
        method,
        lost: model.lost(),
        span: model.name.span,
    })
}

fn condition(cx: &mut ModelCx<'_>, cond: &ast::SpikeCond, typer: &mut Typer<'_>) -> Option<SpikeCond> {
    match cond {
        ast::SpikeCond::When(c) => level_or_crossing(cx, c, typer),
        ast::SpikeCond::Rate(e) => {
            let rate = cx.equation(e, typer)?;
            Some(SpikeCond::Rate(typer.expect(rate, Type::Real(Dim::frequency()), "a spike rate", None)?))
        }
    }
}

fn level_or_crossing(cx: &mut ModelCx<'_>, c: &ast::Condition, typer: &mut Typer<'_>) -> Option<SpikeCond> {
    let left = cx.equation(&c.expr, typer);
    match &c.crosses {
        None => Some(SpikeCond::Level(left.and_then(|t| typer.truth(t))?)),
        Some(r) => {
            let right = cx.equation(r, typer);
            let (a, b, _) = typer.same(left?, right?, c.expr.span.to(r.span), "the sides of `crosses`")?;
            Some(SpikeCond::Crosses(real(a.expr), real(b.expr)))
        }
    }
}

/// `event e when …`, without its block.
pub(super) fn event(
    cx: &mut ModelCx<'_>,
    name: &ast::Ident,
    cond: &ast::Condition,
    span: crate::source::Span,
    typer: &mut Typer<'_>,
) -> Option<hir::Event> {
    let cond = level_or_crossing(cx, cond, typer)?;
    Some(hir::Event { name: name.node.clone(), cond, on: Vec::new(), span })
}

/// `every T { … }`
pub(super) fn periodic(
    cx: &mut ModelCx<'_>,
    period: &ast::Expr,
    body: &ast::Block,
    span: crate::source::Span,
    typer: &mut Typer<'_>,
) -> Option<hir::Every> {
    let period = cx.equation(period, typer);
    let period = period.and_then(|t| typer.expect(t, Type::Real(Dim::TIME), "the period of `every`", None));
    let body = cx.drawing_handler(body, false, typer);
    let period = period?;
    if let ExprKind::Const(x) = period.kind
        && !(x > 0.0 && x.is_finite())
    {
        typer.error(
            Diagnostic::new(Code::E0205, period.span, "the period of `every` must be a positive time")
                .help("write `every 1 ms { … }`"),
        );
    }
    Some(hir::Every { period, body, span })
}

/// Gives each event its block.
pub(super) fn react(
    events: &mut [hir::Event],
    reactions: Vec<(&ast::Ident, Vec<hir::Stmt>, crate::source::Span)>,
    model: &ast::Model,
    typer: &mut Typer<'_>,
) {
    let mut first: Vec<(&str, crate::source::Span)> = Vec::new();
    for (name, stmts, span) in reactions {
        if let Some((_, at)) = first.iter().find(|(n, _)| *n == name.node) {
            typer.error(
                Diagnostic::new(Code::E0308, span, format!("there are two `on {}` blocks", name.node))
                    .also(*at, "the first one")
                    .help("put all statements into one"),
            );
            continue;
        }
        first.push((&name.node, span));
        match events.iter_mut().find(|e| e.name == name.node) {
            Some(event) => event.on = stmts,
            None => {
                let declared = declared_events(model);
                // A faulty event has been reported.
                if declared.contains(&name.node.as_str()) {
                    continue;
                }
                let d = Diagnostic::new(
                    Code::E0104,
                    name.span,
                    format!("`{}` has no event `{}`", model.name.node, name.node),
                );
                let known = declared.iter().copied().chain(["spike", "release"]);
                let block = |event: &str| {
                    model.items.iter().find_map(|item| match &item.kind {
                        ast::ModelItemKind::On { event: e, .. } if e.node == event => Some(e.span),
                        _ => None,
                    })
                };
                typer.error(match crate::units::nearest::nearest(&name.node, known) {
                    Some(n) => match block(n) {
                        Some(other) => d
                            .also(other, format!("`{n}` has its block here"))
                            .help(format!("if `{n}` is meant, move these lines into its block")),
                        None => d.help(format!("did you mean `on {n}`?")).fix(name.span, n),
                    },
                    None => d.help(format!("declare it: `event {} when …`", name.node)),
                });
            }
        }
    }
}

fn refractory(
    cx: &mut ModelCx<'_>,
    duration: &ast::Expr,
    hold: &[ast::Ident],
    span: crate::source::Span,
    typer: &mut Typer<'_>,
) -> Option<Refractory> {
    let typed = cx.equation(duration, typer);
    let mut held = Vec::new();
    let mut ok = true;
    for name in hold {
        match cx.vars.iter().position(|v| v.name.node == name.node) {
            Some(k) if cx.vars[k].role == Role::State => held.push(VarId(k as u32)),
            found => {
                ok = false;
                let d = Diagnostic::new(
                    Code::E0307,
                    name.span,
                    match found {
                        Some(_) => format!("`{}` is not a state: only states can be held", name.node),
                        None => format!("there is no state `{}` to hold", name.node),
                    },
                );
                let states: Vec<&str> =
                    cx.vars.iter().filter(|v| v.role == Role::State).map(|v| v.name.node.as_str()).collect();
                typer.error(match crate::units::nearest::nearest(&name.node, states) {
                    Some(n) => d.help(format!("did you mean `{n}`?")).fix(name.span, n),
                    None => d,
                });
            }
        }
    }
    let t = typed?;
    if t.any {
        return ok.then(|| Refractory { duration: real(t.expr), hold: held, span });
    }
    if t.dim() != Dim::TIME {
        typer.error(
            Diagnostic::new(Code::E0307, t.expr.span, "a refractory period is a time")
                .label(mismatch::dim_words(t.dim()))
                .help("write it with a unit, such as `refractory 2 ms hold v`"),
        );
        return None;
    }
    if let ExprKind::Const(x) = t.expr.kind
        && x < 0.0
    {
        typer.error(words::negative_refractory(t.expr.span));
        return None;
    }
    ok.then(|| Refractory { duration: real(t.expr), hold: held, span })
}

/// `method NAME(substeps = n)`
/// A clause that a model may have once.
fn second(code: Code, what: &str, span: Span, first: Span, typer: &mut Typer<'_>) {
    typer.error(
        Diagnostic::new(code, span, format!("this model has {what}"))
            .also(first, "the first one")
            .help("remove one of them"),
    );
}

pub(crate) fn method(m: &ast::ModelRef, typer: &mut Typer<'_>) -> Option<MethodRef> {
    let found = known_method(m, typer);
    if found.is_none() {
        typer.sink.hole(m.span);
    }
    found
}

fn known_method(m: &ast::ModelRef, typer: &mut Typer<'_>) -> Option<MethodRef> {
    let known: Vec<&str> = crate::methods::METHODS.iter().map(|m| m.name).collect();
    if !known.contains(&m.name.node.as_str()) {
        if let Some(ours) = super::foreign::method(&m.name.node) {
            let message = format!("the method `{}` is called `{ours}` here", m.name.node);
            typer.error(
                Diagnostic::new(Code::E0003, m.name.span, message)
                    .help(format!("write `method {ours}`"))
                    .fix(m.name.span, ours),
            );
            return None;
        }
        let d = Diagnostic::new(Code::E0101, m.name.span, format!("unknown method `{}`", m.name.node));
        typer.error(match crate::units::nearest::nearest(&m.name.node, known.iter().copied()) {
            Some(n) => d.help(format!("did you mean `{n}`?")).fix(m.name.span, n),
            None => d.note(format!("the methods are {}", known.join(", "))),
        });
        return None;
    }
    let mut substeps = 1;
    for a in m.args.iter().flatten() {
        let value = match &a.value.kind {
            ast::ExprKind::Number { value, is_int: true, unit: None } if (1.0..=10_000.0).contains(value) => {
                Some(*value as u32)
            }
            _ => None,
        };
        match (&a.name, value) {
            (Some(n), Some(v)) if n.node == "substeps" => substeps = v,
            (Some(n), _) if n.node != "substeps" => {
                typer.error(
                    Diagnostic::new(Code::E0105, n.span, format!("`{}` has no argument `{}`", m.name.node, n.node))
                        .help(format!("it is `{}(substeps = 1)`", m.name.node)),
                );
                return None;
            }
            _ => {
                typer.error(
                    Diagnostic::new(Code::E0205, a.value.span, "`substeps` must be a whole number from 1 to 10000")
                        .help("write `substeps = 2`"),
                );
                return None;
            }
        }
    }
    Some(MethodRef { name: m.name.node.clone(), substeps, span: m.span })
}

/// The names of a model's own events, faulty ones too.
pub(super) fn declared_events(model: &ast::Model) -> Vec<&str> {
    let items = model.items.iter();
    items
        .filter_map(|i| match &i.kind {
            ast::ModelItemKind::Event { name, .. } => Some(name.node.as_str()),
            _ => None,
        })
        .collect()
}
