//! Populations: their model, their size and the values of its parameters.

use super::{Head, Models, no_model};
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{self, Model, Population, Role, VarId};
use crate::sema::consts::{value, whole};
use crate::sema::infer::{Typer, list};
use crate::sema::mismatch::Said;
use crate::sema::model::{Heads, ModelCx, Pops};
use crate::sema::{circles, misleading, play, tables};
use crate::source::Span;
use crate::syntax::ast;
use crate::units::nearest::nearest;

/// Model and size of a population, faults being reported elsewhere.
pub(super) fn head(
    index: Option<&ast::Index>,
    m: &ast::ModelRef,
    neurons: &Models<'_>,
    typer: &mut Typer<'_>,
) -> Option<Head> {
    let mut size = 1_u64;
    for item in index.iter().flat_map(|i| &i.items) {
        size = size.checked_mul(u64::try_from(whole(item, "the size of a population", typer)?).ok()?)?;
    }
    neurons.get(m.name.node.as_str())?.1.map(|id| (id, size))
}

pub(in crate::sema) fn population(
    name: &ast::Ident,
    index: Option<&ast::Index>,
    m: &ast::ModelRef,
    (neurons, heads): (&Models<'_>, &[Option<Head>]),
    model: &Model,
    typer: &mut Typer<'_>,
) -> Option<Population> {
    let mut shape = vec![1];
    let mut ok = true;
    if let Some(index) = index {
        shape.clear();
        for item in &index.items {
            match whole(item, "the size of a population", typer) {
                Some(n) if n >= 1 => shape.push(n as u64),
                Some(n) => {
                    typer.error(Diagnostic::new(
                        Code::E0205,
                        item.span,
                        format!("a population cannot have {n} neurons"),
                    ));
                    ok = false;
                }
                None => ok = false,
            }
        }
        let total = shape.iter().try_fold(1_u64, |a, b| a.checked_mul(*b));
        if total.is_none_or(|n| n > 1 << 31) {
            let n: f64 = shape.iter().map(|n| *n as f64).product();
            typer.error(
                Diagnostic::new(Code::E0902, index.span, format!("`{}` would have {n:.0} neurons", name.node))
                    .help("a population can have at most 2^31; make it smaller"),
            );
            ok = false;
        }
    }
    let sized = ok;
    let Some((tree, id)) = neurons.get(m.name.node.as_str()) else {
        let known: Vec<String> = neurons.keys().map(|n| (*n).to_owned()).collect();
        no_model("neuron", &m.name, &known, typer);
        return None;
    };
    let Some(id) = *id else {
        let known = Heads { neurons: &model.neurons, pops: Pops::Heads(heads) };
        arguments_of_faulty(m, tree, (&known, shape.iter().product()), typer);
        return None;
    };
    if m.name.node == "poisson_input" && m.name.span != name.span && tree.name.span.file == typer.globals.prelude {
        typer.error(
            Diagnostic::new(Code::E0401, m.name.span, "`poisson_input` is a source, not a population").help(
                "write `connect poisson_input(n = 1000, rate = 8 Hz) -> E.v with …`, or use `poisson(rate)` here",
            ),
        );
        return None;
    }
    let decl = &model.neurons[id.index()];
    let known = Heads { neurons: &model.neurons, pops: Pops::Heads(heads) };
    let mut args: Vec<(VarId, hir::Expr)> = Vec::new();
    let mut play = None;
    let given = if decl.name == "spike_source" && tree.name.span.file == typer.globals.prelude {
        play = Some(play::played(m, shape.iter().product(), typer)?);
        &[]
    } else {
        m.args.as_deref().unwrap_or(&[])
    };
    // The model's names are seen first by its arguments: its checking context serves again.
    let silent = &mut Sink::default();
    let mut context = (!given.is_empty()).then(|| {
        let quiet = &mut Typer::new(typer.scope, typer.globals, silent);
        let mut cx = ModelCx::new(tree, false, quiet);
        cx.declarations(quiet);
        cx.others = Some((&known, shape.iter().product()));
        cx
    });
    for (k, a) in given.iter().enumerate() {
        let Some(cx) = context.as_mut() else { break };
        let position = match &a.name {
            Some(n) => decl.vars.iter().position(|v| v.name == n.node),
            // A declaration that did not parse has moved the others.
            None if !tree.is_whole() => continue,
            None => (k < decl.vars.len()).then_some(k),
        };
        let Some(position) = position else {
            let at = a.name.as_ref().map_or(a.span, |n| n.span);
            let wrong = a.name.as_ref().map_or("", |n| n.node.as_str());
            if tree.may_declare(wrong) {
                continue;
            }
            let known: Vec<String> = decl.vars.iter().map(|v| v.name.clone()).collect();
            no_parameter(&decl.name, wrong, at, &known, typer);
            ok = false;
            continue;
        };
        let var = &decl.vars[position];
        let id = VarId(position as u32);
        if args.iter().any(|(v, _)| *v == id) {
            typer.error(Diagnostic::new(Code::E0105, a.span, format!("`{}` is given twice", var.name)));
            ok = false;
            continue;
        }
        let follows = matches!(var.role, Role::Param | Role::Input);
        let t = if follows { cx.live_argument(&a.value, typer) } else { cx.argument(&a.value, typer) };
        let Some(t) = t else {
            ok = false;
            continue;
        };
        let found = t.expr.ty;
        let because = Some((var.span, Said::In(var.name.as_str().into(), var.ty, &var.shown)));
        let Some(e) = typer.expect(t, var.ty, format_args!("the value of `{}`", var.name), because) else {
            if a.name.is_none()
                && let Some(d) = typer.sink.items.last_mut().filter(|d| d.code == Code::E0205)
            {
                // Values without names go by the order of the declarations.
                let meant =
                    decl.vars.iter().find(|v| v.role == Role::Param && v.ty == found).map_or("…", |v| &v.name);
                let first = if k == 0 { "first" } else { "at this place" };
                d.helps = vec![format!(
                    "`{}` comes {first}: name the one that is meant, as in `{}({meant} = …)`",
                    var.name, decl.name
                )];
            }
            ok = false;
            continue;
        };
        ok &= is_inside(&e, &var.name, var.bounds.as_ref(), var.span, typer);
        ok &= !sized || tables::within(&e, shape.iter().product(), &name.node, typer);
        args.push((id, e));
    }
    let missing: Vec<&hir::VarDecl> = decl
        .vars
        .iter()
        .enumerate()
        .filter(|(k, v)| v.role == Role::Param && v.init.is_none() && !args.iter().any(|(a, _)| a.index() == *k))
        .map(|(_, v)| v)
        .collect();
    ok &= !circles::among(&decl.vars, &decl.lets, &args, typer);
    // A faulty argument may be the missing one.
    let named = given.iter().all(|a| a.name.is_some());
    if !missing.is_empty() && ok && (named || tree.is_whole()) {
        let names: Vec<String> = missing.iter().map(|v| v.name.clone()).collect();
        let all: Vec<String> = decl
            .vars
            .iter()
            .filter(|v| v.role == Role::Param)
            .map(|v| if v.init.is_some() { format!("[{}]", v.name) } else { v.name.clone() })
            .collect();
        typer.error(
            Diagnostic::new(Code::E0105, m.span, format!("`{}` needs {}", decl.name, list(&names)))
                .also(missing[0].span, "declared without a value")
                .note(format!("its parameters are {}; those in brackets have a default", all.join(", "))),
        );
        ok = false;
    }
    if !sized {
        return None;
    }
    if !ok {
        // What uses it needs its model and size only, and is looked at for faults of its own.
        typer.sink.hole(name.span);
    }
    Some(Population {
        name: name.node.clone(),
        model: id,
        shape,
        indexed: index.is_some(),
        pooled: false,
        args,
        play,
        span: name.span,
    })
}

/// Whether a constant argument keeps the bounds of its variable, declared at `declared`; `E0205` where it does not. What is drawn or
/// computed for each element is seen when the network is built.
pub(in crate::sema) fn is_inside(
    e: &hir::Expr,
    name: &str,
    bounds: Option<&(hir::Expr, hir::Expr)>,
    declared: Span,
    typer: &mut Typer<'_>,
) -> bool {
    let hir::ExprKind::Const(x) = e.kind else { return true };
    let Some((Some(lo), Some(hi))) = bounds.map(|(lo, hi)| (value(lo, 0, 0), value(hi, 0, 0))) else { return true };
    if (lo..=hi).contains(&x) {
        return true;
    }
    typer.error(
        Diagnostic::new(Code::E0205, e.span, format!("the value of `{name}` lies outside of its bounds"))
            .also(declared, "declared with bounds here")
            .help("change the value or widen the bounds"),
    );
    false
}

/// What is wrong with the arguments of a faulty model, as far as its sound declarations tell: names it does not have, values that are
/// given twice or missing, units.
pub(super) fn arguments_of_faulty(
    m: &ast::ModelRef,
    tree: &ast::Model,
    others: (&Heads<'_>, u64),
    typer: &mut Typer<'_>,
) {
    let silent = &mut Sink::default();
    let quiet = &mut Typer::new(typer.scope, typer.globals, silent);
    let mut cx = ModelCx::new(tree, false, quiet);
    cx.declarations(quiet);
    cx.others = Some(others);
    let before = typer.sink.items.len();
    let mut seen: Vec<&str> = Vec::new();
    let args = m.args.as_deref().unwrap_or_default();
    for a in args {
        let Some(name) = &a.name else { continue };
        let Some(var) = cx.vars.iter().find(|v| v.name.node == name.node) else {
            if !tree.may_declare(&name.node) {
                let known: Vec<String> = cx.vars.iter().map(|v| v.name.node.clone()).collect();
                no_parameter(&tree.name.node, &name.node, name.span, &known, typer);
            }
            continue;
        };
        if seen.contains(&name.node.as_str()) {
            typer.error(Diagnostic::new(Code::E0105, a.span, format!("`{}` is given twice", name.node)));
            continue;
        }
        seen.push(&name.node);
        let (Some(ty), declared, unit) = (var.ty, var.name.span, var.unit.clone()) else { continue };
        let follows = matches!(var.role, Role::Param | Role::Input);
        let value = if follows { cx.live_argument(&a.value, typer) } else { cx.argument(&a.value, typer) };
        // A variable without a unit that the model itself takes for one with a unit: reported there.
        let at = |d: &Diagnostic| d.primary.as_ref().map(|l| l.span);
        let disputed = ty.dim().is_none()
            && typer.sink.items.iter().filter(|d| matches!(d.code, Code::E0201 | Code::E0202)).filter_map(at).any(
                |s| {
                    tree.items.iter().any(|i| {
                        i.span.file == s.file
                            && i.span.range().contains(&s.range().start)
                            && misleading::mentions(&i.kind, &name.node)
                    })
                },
            );
        if disputed {
            continue;
        }
        let because = Some((declared, Said::Is(name.node.as_str().into(), ty, unit)));
        let _ = value.and_then(|t| typer.expect(t, ty, format_args!("the value of `{}`", name.node), because));
    }
    // A faulty argument may be the missing one, and so may one that is given by its place.
    if typer.sink.items.len() > before || args.iter().any(|a| a.name.is_none()) {
        return;
    }
    let missing = |v: &&crate::sema::model::Var<'_>| v.is_required() && !seen.contains(&v.name.node.as_str());
    let missing: Vec<&ast::Ident> = cx.vars.iter().filter(missing).map(|v| v.name).collect();
    if let Some(first) = missing.first() {
        let names: Vec<String> = missing.iter().map(|n| n.node.clone()).collect();
        typer.error(
            Diagnostic::new(Code::E0105, m.span, format!("`{}` needs {}", tree.name.node, list(&names)))
                .also(first.span, "declared without a value"),
        );
    }
}

pub(super) fn no_parameter(model: &str, wrong: &str, at: Span, known: &[String], typer: &mut Typer<'_>) {
    let d = Diagnostic::new(Code::E0105, at, format!("the model `{model}` has no parameter `{wrong}`"));
    let d = if known.is_empty() { d } else { d.note(format!("it has {}", list(known))) };
    typer.error(match nearest(wrong, known.iter().map(String::as_str)) {
        Some(n) => d.help(format!("did you mean `{n}`?")).fix(at, n),
        None => d,
    });
}
