//! Networks: data sets, populations with their arguments, views, projections, readouts.

use std::collections::BTreeMap;

use super::consts::{constant, value, whole};
use super::drive::{base_name, drive, has_drive};
use super::infer::{Count, Globals, Typer, list, strip};
use super::kernel::{self, Kernel};
use super::mismatch::Said;
use super::model::{Ends, Heads, ModelCx, Pops};
use super::rules::{grids_fit, rule};
use super::views::{self, IndexNames, len};
use super::{Schemas, circles, neuron, play, poison, synapse, unroll};
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{
    self, DataDecl, DataSource, Model, NeuronId, PopId, Population, ProjId, Projection, Readout, ReadoutKind, Role,
    Rule, Select, SynapseModel, Type, VarId, View,
};
use crate::sema::scope::{Scope, Symbol};
use crate::source::Span;
use crate::syntax::ast;
use crate::units::Dim;
use crate::units::nearest::nearest;

/// Checks everything between constants and protocols, in an order in which each sees what it needs.
pub(super) fn build(
    file: &ast::File,
    prelude: &ast::File,
    schemas: &Schemas,
    scope: &mut Scope,
    globals: &Globals,
    model: &mut Model,
    sink: &mut Sink,
) {
    let used: Vec<&str> = file
        .items
        .iter()
        .filter_map(|i| match &i.kind {
            ast::ItemKind::Population { model, .. } => Some(model.name.node.as_str()),
            _ => None,
        })
        .chain(has_drive(&file.items).then_some("poisson_input"))
        .collect();
    let mut neurons: Models<'_> = BTreeMap::new();
    let mut synapses: BTreeMap<&str, &ast::Model> = BTreeMap::new();
    for item in prelude.items.iter().chain(&file.items) {
        match &item.kind {
            ast::ItemKind::Neuron(m) => {
                let from_prelude = prelude.id == m.name.span.file;
                // Models of the prelude are checked when they are used; those of the file always.
                let id = if !from_prelude || used.contains(&m.name.node.as_str()) {
                    let checked = neuron::check(m, &mut Typer::new(scope, globals, sink)).map(|n| {
                        model.neurons.push(n);
                        NeuronId(model.neurons.len() as u32 - 1)
                    });
                    if checked.is_none() {
                        sink.hole(m.name.span);
                    }
                    checked
                } else {
                    None
                };
                neurons.insert(&m.name.node, (m, id));
            }
            ast::ItemKind::Synapse(m) => {
                synapses.insert(&m.name.node, m);
            }
            _ => {}
        }
    }
    // Populations may follow each other's variables, whatever their order.
    let heads: Vec<Option<Head>> = file
        .items
        .iter()
        .filter_map(|i| match &i.kind {
            ast::ItemKind::Population { index, model, .. } => {
                Some(head(index.as_ref(), model, &neurons, &mut Typer::new(scope, globals, &mut Sink::default())))
            }
            _ => None,
        })
        .collect();
    for item in &file.items {
        match &item.kind {
            ast::ItemKind::Data { name, value } => {
                let d = data(name, value, schemas, &mut Typer::new(scope, globals, sink));
                if d.is_none() {
                    poison(scope, name, sink);
                }
                model.data.push(d.unwrap_or(DataDecl {
                    name: name.node.clone(),
                    source: DataSource::Mnist { dir: None },
                    span: name.span,
                }));
            }
            ast::ItemKind::Population { name, index, model: m } => {
                let p = population(
                    name,
                    index.as_ref(),
                    m,
                    (&neurons, &heads),
                    model,
                    &mut Typer::new(scope, globals, sink),
                );
                if p.is_none() {
                    poison(scope, name, sink);
                }
                // Numbers of populations are those of the file: a faulty one leaves an empty place.
                model.populations.push(p.unwrap_or(Population {
                    name: name.node.clone(),
                    model: NeuronId(0),
                    shape: vec![0],
                    indexed: true,
                    pooled: false,
                    args: Vec::new(),
                    play: None,
                    span: name.span,
                }));
            }
            ast::ItemKind::Readout { name, model: m } => {
                let r = readout(name, m, &mut Typer::new(scope, globals, sink));
                if r.is_none() {
                    poison(scope, name, sink);
                }
                model.readouts.push(r.unwrap_or(Readout {
                    name: name.node.clone(),
                    kind: ReadoutKind::MaxRate { classes: 1 },
                    span: name.span,
                }));
            }
            _ => {}
        }
    }
    name_views(file, scope, globals, model, sink);
    let kernels = kernel::all(file, Typer::new(scope, globals, sink));
    let mut instantiated: Vec<&str> = Vec::new();
    let mut names: BTreeMap<String, u32> = BTreeMap::new();
    // What is wrong with a connection in a loop is said once, not in every round.
    let mut faulty: Vec<Span> = Vec::new();
    let mut inside = None;
    for round in unroll::connections(file, scope, globals, sink) {
        let c = round.connect;
        if faulty.contains(&round.span) {
            continue;
        }
        let before = sink.items.len();
        let own = round.enter(scope, globals, &mut inside);
        let (names_here, globals_here) = own.map_or((&*scope, globals), |i| (&i.scope, &i.globals));
        let typer = &mut Typer::new(names_here, globals_here, sink);
        let p = match &c.source {
            ast::ConnectSource::Path(_) => {
                projection(c, round.span, None, &synapses, &kernels, &mut names, model, typer)
            }
            ast::ConnectSource::Call(m) => drive(c, m, (&neurons, &heads), &names, model, typer).and_then(|source| {
                let pop = PopId(model.populations.len() as u32);
                let view = View { pop, select: Select::All, shape: source.shape.clone() };
                model.populations.push(source);
                projection(c, round.span, Some(view), &synapses, &kernels, &mut names, model, typer)
            }),
        };
        if p.is_none() {
            faulty.push(round.span);
            sink.hole(round.span);
        }
        // Where an end is faulty, its synapse has not been looked at.
        if let Some((name, m)) = c.with.as_ref().and_then(|w| synapses.get_key_value(w.name.node.as_str())) {
            let at = |d: &Diagnostic| d.primary.as_ref().map(|l| l.span);
            let inside =
                |s: Span| m.items.iter().any(|i| i.span.file == s.file && i.span.range().contains(&s.range().start));
            if p.is_some() || sink.items.iter().skip(before).filter_map(at).any(inside) {
                instantiated.push(name);
            }
        }
        if let Some(name) = &c.name {
            // Connections that loops make move the numbers of those behind them.
            let id = ProjId(model.projections.len() as u32);
            let symbol = if p.is_some() { Symbol::Proj(id) } else { Symbol::Poisoned };
            scope.names.insert(name.node.clone(), (symbol, name.span));
            inside = None;
        }
        model.projections.push(p.unwrap_or_else(|| empty_projection(c, round.span)));
    }
    for (name, m) in synapses {
        if m.name.span.file != prelude.id && !instantiated.contains(&name) {
            synapse::check_alone(m, &mut Typer::new(scope, globals, sink));
        }
    }
}

/// Resolves the views, each after the one it is made of, whatever their order in the file.
fn name_views(file: &ast::File, scope: &mut Scope, globals: &Globals, model: &Model, sink: &mut Sink) {
    #[derive(Clone, Copy, PartialEq)]
    enum Visit {
        Todo,
        Busy,
        Done,
    }
    let lets: Vec<&ast::Let> = file
        .items
        .iter()
        .filter_map(|i| match &i.kind {
            ast::ItemKind::Let(l) => Some(l),
            _ => None,
        })
        .collect();
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for (k, l) in lets.iter().enumerate() {
        named.entry(&l.name.node).or_insert(k);
    }
    let mut state = vec![Visit::Todo; lets.len()];
    for first in 0..lets.len() {
        let mut path: Vec<usize> = Vec::new();
        let mut next = Some(first);
        while let Some(k) = next.filter(|k| state[*k] != Visit::Done) {
            if state[k] == Visit::Busy {
                let from = path.iter().position(|p| *p == k).unwrap_or(0);
                let circle: Vec<&ast::Ident> = path[from..].iter().chain([&k]).map(|p| &lets[*p].name).collect();
                sink.push(
                    circles::report(&circle)
                        .help("one of them must be made of a population; numbers are a `const` or a `param`"),
                );
                break;
            }
            state[k] = Visit::Busy;
            path.push(k);
            next = views::as_path(&lets[k].value).and_then(|p| named.get(p.root.node.as_str()).copied());
        }
        while let Some(k) = path.pop() {
            state[k] = Visit::Done;
            let view = views::named(lets[k], model, &mut Typer::new(scope, globals, sink));
            if view.is_none() {
                sink.hole(lets[k].name.span);
            }
            let symbol = view.map_or(Symbol::Poisoned, Symbol::View);
            scope.names.insert(lets[k].name.node.clone(), (symbol, lets[k].name.span));
        }
    }
}

/// Holds the number of a faulty projection.
fn empty_projection(c: &ast::Connect, span: Span) -> Projection {
    let nothing = View { pop: PopId(0), select: Select::Range(0, 0), shape: vec![0] };
    Projection {
        name: c.name.as_ref().map_or_else(String::new, |n| n.node.clone()),
        named: c.name.is_some(),
        pre: nothing.clone(),
        event: None,
        post: nothing,
        target: None,
        rule: Rule::AllToAll,
        filter: None,
        synapse: SynapseModel {
            name: String::new(),
            vars: Vec::new(),
            lets: Vec::new(),
            odes: Vec::new(),
            on_pre: Vec::new(),
            on_post: None,
            injects: Vec::new(),
            noises: Vec::new(),
            events: Vec::new(),
            every: Vec::new(),
            method: None,
            lost: None,
            span,
        },
        args: Vec::new(),
        delay: None,
        delay_vars: [None; 2],
        dendritic_delay: None,
        kernel: None,
        span,
        pre_span: span,
        post_span: span,
        rule_span: span,
    }
}

fn data(name: &ast::Ident, value: &ast::Expr, schemas: &Schemas, typer: &mut Typer<'_>) -> Option<DataDecl> {
    let known = "the data sets are `mnist()`, `mnist(\"dir\")` and `arrays(\"train.npz\", \"test.npz\")`";
    let ast::ExprKind::Call { callee, args } = &strip(value).kind else {
        typer.error(Diagnostic::new(Code::E0504, value.span, "a data set is named by a call").note(known));
        return None;
    };
    let source = match &callee.kind {
        ast::ExprKind::Name(n) if n == "mnist" => match args.as_slice() {
            [] => DataSource::Mnist { dir: None },
            [one] => match &strip(&one.value).kind {
                ast::ExprKind::Str(dir) => DataSource::Mnist { dir: Some(dir.clone()) },
                _ => {
                    typer.error(Diagnostic::new(
                        Code::E0105,
                        one.span,
                        "`mnist` takes the name of a folder, in quotes",
                    ));
                    return None;
                }
            },
            [_, second, ..] => {
                typer.error(Diagnostic::new(
                    Code::E0105,
                    second.span,
                    "`mnist` takes one argument, the name of a folder",
                ));
                return None;
            }
        },
        ast::ExprKind::Name(n) if n == "arrays" => {
            let mut files = Vec::new();
            for a in args {
                match (&a.name, &a.value.kind) {
                    (None, ast::ExprKind::Str(file)) => files.push(file.clone()),
                    _ => {
                        typer.error(
                            Diagnostic::new(Code::E0105, a.span, "`arrays` takes the names of files, in quotes")
                                .help("write `arrays(\"train.npz\", \"test.npz\")`"),
                        );
                        return None;
                    }
                }
            }
            match schemas.0.iter().find(|(at, _)| *at == value.span).map(|(_, s)| s.clone()) {
                Some(Ok(schema)) => DataSource::Arrays { files, schema },
                Some(Err(d)) => {
                    typer.error(d);
                    return None;
                }
                None => {
                    typer.error(
                        Diagnostic::new(Code::E0801, value.span, "the files of this data set have not been read")
                            .help("data sets of arrays need a model that is a file"),
                    );
                    return None;
                }
            }
        }
        _ => {
            typer.error(Diagnostic::new(Code::E0504, callee.span, "unknown data set").note(known));
            return None;
        }
    };
    Some(DataDecl { name: name.node.clone(), source, span: name.span })
}

fn no_model(what: &str, name: &ast::Ident, known: &[String], typer: &mut Typer<'_>) {
    if matches!(typer.scope.names.get(&name.node), Some((Symbol::Poisoned, _))) {
        return;
    }
    if let Some((symbol, declared)) = typer.scope.names.get(&name.node) {
        let d = Diagnostic::new(
            Code::E0101,
            name.span,
            format!("`{}` is {}, but a {what} model is needed here", name.node, super::infer::what_is(symbol)),
        )
        .also(*declared, "declared here");
        typer.error(d);
        return;
    }
    if let Some(ours) = super::foreign::model(&name.node).filter(|ours| known.iter().any(|k| k == ours)) {
        let message = format!("the {what} model `{}` is called `{ours}` here", name.node);
        let help = format!("write `{ours}(…)`; `snnc explain {ours}` shows its equations and parameters");
        typer.error(Diagnostic::new(Code::E0003, name.span, message).help(help));
        return;
    }
    // A program that imports nothing has not been asked for the files of such names.
    if let Some((first, _)) = name.node.split_once('.') {
        typer.error(super::qualify::not_imported(first, &[], "a model", name.span));
        return;
    }
    let d = Diagnostic::new(Code::E0101, name.span, format!("unknown {what} model `{}`", name.node));
    typer.error(match nearest(&name.node, known.iter().map(String::as_str)) {
        Some(n) => d.help(format!("did you mean `{n}`?")).fix(name.span, n),
        None => d.note(format!("the {what} models are {}", list(known))),
    });
}

/// Neuron models by name: the tree, and the checked model where it is sound.
pub(super) type Models<'a> = BTreeMap<&'a str, (&'a ast::Model, Option<NeuronId>)>;

/// Model and size of a population.
pub(super) type Head = (NeuronId, u64);

/// Model and size of a population, faults being reported elsewhere.
fn head(index: Option<&ast::Index>, m: &ast::ModelRef, neurons: &Models<'_>, typer: &mut Typer<'_>) -> Option<Head> {
    let mut size = 1_u64;
    for item in index.iter().flat_map(|i| &i.items) {
        size = size.checked_mul(u64::try_from(whole(item, "the size of a population", typer)?).ok()?)?;
    }
    neurons.get(m.name.node.as_str())?.1.map(|id| (id, size))
}

pub(super) fn population(
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
        let because = Some((var.span, Said::Is(var.name.as_str().into(), var.ty)));
        let Some(e) = typer.expect(t, var.ty, format_args!("the value of `{}`", var.name), because) else {
            ok = false;
            continue;
        };
        ok &= is_inside(&e, &var.name, var.bounds.as_ref(), var.span, typer);
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
    ok.then(|| Population {
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
pub(super) fn is_inside(
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
fn arguments_of_faulty(m: &ast::ModelRef, tree: &ast::Model, others: (&Heads<'_>, u64), typer: &mut Typer<'_>) {
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
        let (Some(ty), declared) = (var.ty, var.name.span) else { continue };
        let follows = matches!(var.role, Role::Param | Role::Input);
        let value = if follows { cx.live_argument(&a.value, typer) } else { cx.argument(&a.value, typer) };
        let because = Some((declared, Said::Is(name.node.as_str().into(), ty)));
        let _ = value.and_then(|t| typer.expect(t, ty, format_args!("the value of `{}`", name.node), because));
    }
    // A faulty argument may be the missing one, and so may one that is given by its place.
    if typer.sink.items.len() > before || args.iter().any(|a| a.name.is_none()) {
        return;
    }
    let missing = |v: &&super::model::Var<'_>| v.is_required() && !seen.contains(&v.name.node.as_str());
    let missing: Vec<&ast::Ident> = cx.vars.iter().filter(missing).map(|v| v.name).collect();
    if let Some(first) = missing.first() {
        let names: Vec<String> = missing.iter().map(|n| n.node.clone()).collect();
        typer.error(
            Diagnostic::new(Code::E0105, m.span, format!("`{}` needs {}", tree.name.node, list(&names)))
                .also(first.span, "declared without a value"),
        );
    }
}

fn no_parameter(model: &str, wrong: &str, at: Span, known: &[String], typer: &mut Typer<'_>) {
    let d = Diagnostic::new(Code::E0105, at, format!("the model `{model}` has no parameter `{wrong}`"));
    let d = if known.is_empty() { d } else { d.note(format!("it has {}", list(known))) };
    typer.error(match nearest(wrong, known.iter().map(String::as_str)) {
        Some(n) => d.help(format!("did you mean `{n}`?")).fix(at, n),
        None => d,
    });
}

fn readout(name: &ast::Ident, m: &ast::ModelRef, typer: &mut Typer<'_>) -> Option<Readout> {
    let (params, needs): (&[&str], bool) = match m.name.node.as_str() {
        "max_rate" => (&["classes"], false),
        "linear" => (&["classes", "ridge"], true),
        other => {
            let d = Diagnostic::new(Code::E0101, m.name.span, format!("unknown readout `{other}`"));
            typer.error(match nearest(other, ["max_rate", "linear"]) {
                Some(n) => d.help(format!("did you mean `{n}`?")).fix(m.name.span, n),
                None => d.note("the readouts are `max_rate(classes = 10)` and `linear(classes = 10, ridge = 1e-3)`"),
            });
            return None;
        }
    };
    let mut classes = None;
    let mut ridge = 1e-3;
    for (k, a) in m.args.iter().flatten().enumerate() {
        let param = match &a.name {
            Some(n) => params.iter().find(|p| **p == n.node),
            None => params.get(k),
        };
        match param.copied() {
            Some("classes") => match whole(&a.value, "the number of classes", typer)? {
                n if (1..=1_000_000).contains(&n) => classes = Some(n as u64),
                n => {
                    typer.error(Diagnostic::new(
                        Code::E0205,
                        a.value.span,
                        format!("a readout cannot have {n} classes"),
                    ));
                    return None;
                }
            },
            Some(_) => {
                let (t, x) = constant(&a.value, typer)?;
                typer.expect(t, Type::Real(Dim::NONE), "`ridge`", None)?;
                if !(x >= 0.0 && x.is_finite()) {
                    typer.error(Diagnostic::new(Code::E0205, a.value.span, "`ridge` cannot be negative"));
                    return None;
                }
                ridge = x;
            }
            None => {
                typer.error(
                    Diagnostic::new(Code::E0105, a.span, format!("`{}` does not take this argument", m.name.node))
                        .help(format!("it takes {}", params.join(" and "))),
                );
                return None;
            }
        }
    }
    let Some(classes) = classes else {
        typer.error(
            Diagnostic::new(Code::E0105, m.span, format!("`{}` needs the number of classes", m.name.node))
                .help(format!("write `{}(classes = 10)`", m.name.node)),
        );
        return None;
    };
    let kind = if needs { ReadoutKind::Linear { classes, ridge } } else { ReadoutKind::MaxRate { classes } };
    Some(Readout { name: name.node.clone(), kind, span: name.span })
}

fn projection(
    c: &ast::Connect,
    span: Span,
    source: Option<View>,
    synapses: &BTreeMap<&str, &ast::Model>,
    kernels: &BTreeMap<&str, Option<Kernel>>,
    names: &mut BTreeMap<String, u32>,
    model: &Model,
    typer: &mut Typer<'_>,
) -> Option<Projection> {
    let driven = source.is_some();
    let (pre, source_span) = match &c.source {
        ast::ConnectSource::Call(m) => (source.map(|v| (v, None)), m.span),
        ast::ConnectSource::Path(p) => (views::path(p, model, typer), p.span),
    };
    let post = views::path(&c.target, model, typer);
    let size = |v: &View| model.populations[v.pop.index()].size();
    let sizes = pre.as_ref().zip(post.as_ref()).map(|((pre, _), (post, _))| (size(pre), size(post)));
    let rule = if driven { Some((Rule::OneToOne, source_span)) } else { rule(c, sizes, typer) };
    let filter = match &c.filter {
        None => Some(None),
        Some(f) => {
            let mut pair = IndexNames { of: Count::Two(sizes) };
            typer.expr(f, &mut pair).and_then(|t| typer.truth(t)).map(Some)
        }
    };
    let tree = match &c.with {
        None => {
            typer.error(
                Diagnostic::new(Code::E0105, c.target.span, "this connection needs a synapse")
                    .help("add `with static(w = …)`, or a synapse model of your own"),
            );
            None
        }
        Some(w) => match synapses.get(w.name.node.as_str()) {
            Some(tree) => Some((*tree, w)),
            None => {
                let known: Vec<String> = synapses.keys().map(|n| (*n).to_owned()).collect();
                no_model("synapse", &w.name, &known, typer);
                None
            }
        },
    };
    let ((pre, emits), (post, member)) = (pre?, post?);
    let pre_model = &model.neurons[model.populations[pre.pop.index()].model.index()];
    let post_model = &model.neurons[model.populations[post.pop.index()].model.index()];
    let event = match emits.filter(|m| m.node != "spike") {
        None => None,
        Some(m) => match pre_model.events.iter().position(|e| e.name == m.node) {
            Some(k) => Some(k as u32),
            // The statement that declares it is faulty, and reported there.
            None if pre_model.may_declare(&m.node) => {
                typer.sink.hole(m.span);
                return None;
            }
            None => {
                let d = Diagnostic::new(Code::E0104, m.span, format!("`{}` has no event `{}`", pre_model.name, m.node))
                    .also(pre_model.span, "the model of the source");
                let spike = pre_model.spike.as_ref().map(|_| "spike");
                let events = || pre_model.events.iter().map(|e| e.name.as_str()).chain(spike);
                typer.error(match nearest(&m.node, events()) {
                    Some(n) => d.help(format!("did you mean `{n}`?")).fix(m.span, n),
                    None => d.note(match events().map(str::to_owned).collect::<Vec<_>>().as_slice() {
                        [] => "it has no events and never spikes".to_owned(),
                        [one] => format!("its only event is `{one}`"),
                        all => format!("its events are {}", list(all)),
                    }),
                });
                return None;
            }
        },
    };
    let (tree, reference) = tree?;
    let hears = tree.items.iter().any(|i| {
        use ast::ModelItemKind as K;
        matches!(&i.kind, K::On { event, .. } if event.node == "pre")
    });
    let injects = tree.items.iter().any(|i| matches!(i.kind, ast::ModelItemKind::Inject(_)));
    if pre_model.spike.is_none() && event.is_none() && (hears || !injects) {
        // A `spike` clause that did not parse is reported there.
        if pre_model.lost.is_some() {
            typer.sink.hole(source_span);
            return None;
        }
        typer.error(
            Diagnostic::new(
                Code::E0401,
                source_span,
                format!("`{}` never spikes, so it cannot be a source", pre_model.name),
            )
            .also(pre_model.span, "this model has no `spike` clause"),
        );
        return None;
    }
    let delivers =
        tree.items.iter().any(|i| matches!(&i.kind, ast::ModelItemKind::On { body, .. } if delivers(&body.stmts)));
    let target = match member {
        None if delivers || injects => {
            typer.error(
                Diagnostic::new(Code::E0401, c.target.span, "this connection needs a target variable")
                    .label("which variable receives what the synapse gives?")
                    .help(format!(
                        "write `{}.{}`",
                        c.target.root.node,
                        if delivers {
                            candidates(post_model).first().cloned().unwrap_or_else(|| "g_e".to_owned())
                        } else {
                            let input = post_model.vars.iter().find(|v| v.role == Role::Input);
                            input.map_or_else(|| "I".to_owned(), |v| v.name.clone())
                        }
                    )),
            );
            return None;
        }
        None => None,
        Some(m) => Some(target(m, post_model, typer)?),
    };
    let kernel = match &c.through {
        None => None,
        Some(k) => Some(kernel::named(k, kernels, typer)?),
    };
    if let (Some(k), Some(v)) = (&c.through, target)
        && post_model.vars[v.index()].role != Role::Input
    {
        typer.error(
            Diagnostic::new(Code::E0401, c.target.span, "a kernel needs an input as its target")
                .label(format!(
                    "`{}` is {}",
                    post_model.vars[v.index()].name,
                    role_words(post_model.vars[v.index()].role)
                ))
                .also(k.span, "the response over time is given here")
                .help("declare an `input` in the post neuron, use it in an equation, and connect to it"),
        );
        return None;
    }
    if let (Some(k), true) = (&c.through, injects || !delivers) {
        typer.error(
            Diagnostic::new(Code::E0401, k.span, "a kernel spreads what is delivered")
                .also(tree.name.span, if injects { "this synapse injects" } else { "this synapse delivers nothing" })
                .help("leave out `through`, or use a synapse with `deliver` in `on pre`"),
        );
        return None;
    }
    let heads = Heads { neurons: &model.neurons, pops: Pops::Checked(&model.populations) };
    let ends = Ends {
        heads: &heads,
        pre: &pre_model.vars,
        post: &post_model.vars,
        target,
        sizes: (size(&pre), size(&post)),
        through: kernel.map(|k| k.dim),
    };
    let before = typer.sink.items.len();
    let instance = synapse::instantiate(tree, reference, ends, typer);
    // A model of the prelude is sound in itself: what is wrong is the use of it here.
    for d in typer.sink.items.iter_mut().skip(before) {
        if let Some(label) = d.primary.as_mut().filter(|l| l.span.file == typer.globals.prelude) {
            let given = reference.args.iter().flatten().find(|_| d.code == Code::E0204);
            label.span = given.map_or(reference.span, |a| a.value.span);
        }
    }
    let (rule, rule_span) = rule?;
    let filter = filter?;
    let instance = instance?;
    grids_fit(&rule, rule_span, c, &pre, &post, source_span, model, typer)?;
    let (n_pre, n_post) = (len(model, &pre), len(model, &post));
    if rule == Rule::OneToOne && n_pre != n_post {
        typer.error(
            Diagnostic::new(
                Code::E0402,
                rule_span,
                format!("`one_to_one` pairs neurons by position, but the source has {n_pre} and the target {n_post}"),
            )
            .also(source_span, format!("{n_pre} neurons"))
            .also(c.target.span, format!("{n_post} neurons"))
            .help("take parts of equal size, such as `E[..100]`, or another rule"),
        );
        return None;
    }
    let base = base_name(c, emits.filter(|_| event.is_some()));
    let count = names.entry(base.clone()).or_insert(0);
    *count += 1;
    let name = if *count > 1 { format!("{base}#{count}") } else { base };
    Some(Projection {
        name,
        named: c.name.is_some(),
        pre,
        event,
        post,
        target,
        rule,
        filter,
        synapse: instance.synapse,
        args: instance.args,
        delay: instance.delay,
        delay_vars: [None; 2],
        dendritic_delay: instance.dendritic_delay,
        kernel: kernel.map(|k| k.values.clone()),
        span,
        pre_span: source_span,
        post_span: c.target.span,
        rule_span,
    })
}

fn delivers(stmts: &[ast::Stmt]) -> bool {
    stmts.iter().any(|s| match &s.kind {
        ast::StmtKind::Deliver { .. } => true,
        ast::StmtKind::If { then, els, .. } => {
            delivers(&then.stmts)
                || match els {
                    Some(ast::Else::Block(b)) => delivers(&b.stmts),
                    Some(ast::Else::If(s)) => delivers(std::slice::from_ref(s)),
                    None => false,
                }
        }
        _ => false,
    })
}

fn candidates(post: &hir::NeuronModel) -> Vec<String> {
    post.vars.iter().filter(|v| v.role == Role::State).map(|v| v.name.clone()).collect()
}

fn target(m: &ast::Ident, post: &hir::NeuronModel, typer: &mut Typer<'_>) -> Option<VarId> {
    match post.vars.iter().position(|v| v.name == m.node) {
        Some(k) if post.vars[k].role == Role::State => Some(VarId(k as u32)),
        Some(k) if post.vars[k].role == Role::Input => Some(VarId(k as u32)),
        None if post.may_declare(&m.node) => {
            typer.sink.hole(m.span);
            None
        }
        found => {
            let d = match found {
                Some(k) => Diagnostic::new(
                    Code::E0401,
                    m.span,
                    format!("`{}` is {}: synapses deliver to states and inputs", m.node, role_words(post.vars[k].role)),
                )
                .also(post.vars[k].span, "declared here"),
                None => Diagnostic::new(
                    Code::E0401,
                    m.span,
                    format!("the target model `{}` has no state `{}`", post.name, m.node),
                ),
            };
            let known = candidates(post);
            typer.error(match nearest(&m.node, known.iter().map(String::as_str)) {
                Some(n) if found.is_none() => d.help(format!("did you mean `{n}`?")).fix(m.span, n),
                _ => d.note(reachable(post)),
            });
            None
        }
    }
}

/// The states and inputs of a target model with their units.
fn reachable(post: &hir::NeuronModel) -> String {
    let target = |v: &&hir::VarDecl| matches!(v.role, Role::State | Role::Input) && v.ty != Type::Bool;
    let words = |v: &hir::VarDecl| match v.shown.name.as_str() {
        "" => format!("`{}` without unit", v.name),
        unit => format!("`{}` in {unit}", v.name),
    };
    match post.vars.iter().filter(target).map(words).collect::<Vec<_>>().as_slice() {
        [] => "it has no state and no input".to_owned(),
        [one] => format!("what synapses can reach there is {one}"),
        [all @ .., last] => format!("what synapses can reach there are {} and {last}", all.join(", ")),
    }
}

fn role_words(role: Role) -> &'static str {
    match role {
        Role::Param => "a parameter",
        Role::State => "a state",
        Role::Weight => "a weight",
        Role::Learned => "a learned variable",
        Role::Input => "an input",
    }
}
