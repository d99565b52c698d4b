//! Networks: data sets, populations with their arguments, views, projections, readouts.

mod empty;
mod population;
mod projection;

use std::collections::BTreeMap;

use super::consts::{constant, whole};
use super::drive::{drive, has_drive};
use super::infer::{Globals, Typer, list, strip};
use super::kernel;
use super::views;
use super::{Schemas, circles, neuron, poison, synapse, unroll};
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{
    DataDecl, DataSource, Model, NeuronId, PopId, Population, ProjId, Readout, ReadoutKind, Select, Type, View,
};
use crate::sema::scope::{Scope, Symbol};
use crate::source::Span;
use crate::syntax::ast;
use crate::units::Dim;
use crate::units::nearest::nearest;
use population::head;
pub(super) use population::{is_inside, population};
use projection::{empty_projection, projection};
pub(super) use projection::{role_words, targets};

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
