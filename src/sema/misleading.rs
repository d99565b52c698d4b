//! What is valid and will be taken for something else: a variable called like a one-letter unit that the same model uses after a number
//! (W0801) or like something that the language has a name for (W0801, E0103), white noise scaled with the time step (W0713). Read off the syntax tree, where `dt` is still a name.

use std::collections::BTreeMap;

use crate::diag::{Code, Diagnostic, Sink};
use crate::source::Span;
use crate::syntax::ast::{self, ExprKind, ModelItemKind};
use crate::units;

/// Reports what misleads in a model.
pub(crate) fn check(model: &ast::Model, synapse: bool, sink: &mut Sink) {
    units_as_names(model, sink);
    hidden(model, synapse, sink);
    step_in_noise(model, sink);
}

/// Equations that contain `xi` and `dt`, be it in a `let`.
fn step_in_noise(model: &ast::Model, sink: &mut Sink) {
    let lets: BTreeMap<&str, &ast::Expr> = model
        .items
        .iter()
        .filter_map(|i| if let ModelItemKind::Let(l) = &i.kind { Some((l.name.node.as_str(), &l.value)) } else { None })
        .collect();
    for item in &model.items {
        let ModelItemKind::Ode { var, rhs, .. } = &item.kind else { continue };
        let noise = |name: &str| name == "xi" || name.starts_with("xi_");
        let (Some(_), Some(at)) = (mention(rhs, &lets, &|n| n == "dt", 0), mention(rhs, &lets, &noise, 0)) else {
            continue;
        };
        // Wrong units of the same equation have been told, and what noise needs with them.
        let told = |d: &Diagnostic| {
            matches!(d.code, Code::E0201 | Code::E0202)
                && d.primary.as_ref().is_some_and(|l| {
                    l.span.file == item.span.file && l.span.start >= item.span.start && l.span.end <= item.span.end
                })
        };
        if sink.items.iter().any(told) {
            continue;
        }
        let message = format!("the noise on `{}` is scaled with the time step by hand", var.node);
        sink.push(
            Diagnostic::new(Code::W0713, at, message)
                .label("white noise of unit s^-1/2: the method scales it with the step by itself")
                .help("remove `dt`: `sigma*sqrt(2/tau)*xi` has the standard deviation `sigma` at any step"),
        );
    }
}

/// Where a name that satisfies `wanted` stands in an expression, or the `let` that contains one.
fn mention(
    e: &ast::Expr,
    lets: &BTreeMap<&str, &ast::Expr>,
    wanted: &dyn Fn(&str) -> bool,
    depth: u32,
) -> Option<Span> {
    if let ExprKind::Name(name) = &e.kind {
        let inside =
            || depth < 20 && lets.get(name.as_str()).is_some_and(|l| mention(l, lets, wanted, depth + 1).is_some());
        return (wanted(name) || inside()).then_some(e.span);
    }
    let mut found = None;
    each_part(e, &mut |part| found = found.or_else(|| mention(part, lets, wanted, depth)));
    found
}

/// Whether an expression mentions a name.
pub(crate) fn names(e: &ast::Expr, name: &str) -> bool {
    mention(e, &BTreeMap::new(), &|n| n == name, 0).is_some()
}

/// Whether an item of a model mentions a name in one of its expressions.
pub(crate) fn mentions(item: &ModelItemKind, name: &str) -> bool {
    let mut found = false;
    expressions(item, &mut |e| found |= mention(e, &BTreeMap::new(), &|n| n == name, 0).is_some());
    found
}

/// What the language's own names stand for in models; the last one in synapses only.
const BUILT_IN: &[(&str, &str)] = &[
    ("t", "the time"),
    ("dt", "the time step"),
    ("pi", "the number 3.14159…"),
    ("inf", "infinity"),
    ("xi", "white noise"),
    ("N", "the number of neurons"),
    ("i", "the index of the neuron"),
    ("j", "the index of the post neuron"),
];

/// What a name of the language stands for.
pub(crate) fn built_in(name: &str, synapse: bool) -> Option<&'static str> {
    let known = BUILT_IN.iter().find(|(n, _)| *n == name).map(|(_, what)| *what);
    known.filter(|_| synapse || name != "j")
}

/// E0103: a constant of the file with a name that means something else wherever it could be used.
pub(super) fn builtin_clash(name: &ast::Ident) -> Option<Diagnostic> {
    // `N` is only known where there are neurons; a constant of this name is what it is everywhere.
    let what = built_in(&name.node, false).filter(|_| name.node != "N")?;
    Some(
        Diagnostic::new(Code::E0103, name.span, format!("`{}` is {what} in every model", name.node))
            .label("models would take one for the other")
            .help("choose another name"),
    )
}

/// Variables of a model that hide a name of the language.
fn hidden(model: &ast::Model, synapse: bool, sink: &mut Sink) {
    for name in declared(model) {
        let Some(what) = built_in(&name.node, synapse) else { continue };
        sink.push(
            Diagnostic::new(Code::W0801, name.span, format!("`{}` hides {what}", name.node))
                .label("in this model it is this variable")
                .help("rename the variable"),
        );
    }
}

/// The names that a model declares.
fn declared(model: &ast::Model) -> impl Iterator<Item = &ast::Ident> {
    model.items.iter().flat_map(|item| match &item.kind {
        ModelItemKind::Param(list)
        | ModelItemKind::State(list)
        | ModelItemKind::Weight(list)
        | ModelItemKind::Learned(list)
        | ModelItemKind::Input(list) => list.iter().map(|b| &b.name).collect(),
        ModelItemKind::Let(l) => vec![&l.name],
        _ => Vec::new(),
    })
}

/// Variables of a model whose name is a one-letter unit in use there.
fn units_as_names(model: &ast::Model, sink: &mut Sink) {
    let mut used = Vec::new();
    for item in &model.items {
        expressions(&item.kind, &mut |e| units_of(e, &mut used));
    }
    for name in declared(model).filter(|n| n.node.len() == 1 && units::lookup(&n.node).is_some()) {
        let Some((_, at)) = used.iter().find(|(unit, _)| *unit == name.node) else { continue };
        sink.push(
            Diagnostic::new(Code::W0801, name.span, format!("`{}` is a variable and a unit in this model", name.node))
                .label(format!("a `{}` that stands alone is this variable", name.node))
                .also(*at, "after a number it is the unit")
                .help("rename the variable, or write the unit with a prefix"),
        );
    }
}

/// The one-letter units after numbers in an expression.
fn units_of(e: &ast::Expr, used: &mut Vec<(String, Span)>) {
    if let ExprKind::Number { unit: Some(u), .. } = &e.kind
        && u.name.len() == 1
    {
        used.push((u.name.clone(), u.span));
    }
    each_part(e, &mut |part| units_of(part, used));
}

fn each_part(e: &ast::Expr, f: &mut dyn FnMut(&ast::Expr)) {
    match &e.kind {
        ExprKind::Unary { operand, .. } => f(operand),
        ExprKind::Binary { left, right, .. } => {
            f(left);
            f(right);
        }
        ExprKind::If { cond, then, els } => {
            f(cond);
            f(then);
            f(els);
        }
        ExprKind::Range { start, end } => start.iter().chain(end).for_each(|e| f(e)),
        ExprKind::Call { args, .. } => args.iter().for_each(|a| f(&a.value)),
        ExprKind::List(list) => list.iter().for_each(f),
        ExprKind::Index { base, .. } | ExprKind::Member { base, .. } => f(base),
        ExprKind::Paren(inner) => f(inner),
        ExprKind::Number { .. } | ExprKind::Str(_) | ExprKind::Bool(_) | ExprKind::Name(_) | ExprKind::Error => {}
    }
}

/// The values, equations and conditions of a line of a model; the statements of handlers only assign what these declare.
fn expressions(kind: &ModelItemKind, f: &mut dyn FnMut(&ast::Expr)) {
    match kind {
        ModelItemKind::Param(list)
        | ModelItemKind::State(list)
        | ModelItemKind::Weight(list)
        | ModelItemKind::Learned(list)
        | ModelItemKind::Input(list) => list.iter().filter_map(|b| b.value.as_ref()).for_each(f),
        ModelItemKind::Let(l) => f(&l.value),
        ModelItemKind::Ode { coef, rhs, .. } => coef.iter().chain([rhs]).for_each(f),
        _ => {}
    }
}
