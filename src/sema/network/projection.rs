//! Connections: both ends, the rule, the synapse with its values, and where it delivers to.

use std::collections::BTreeMap;

use super::{empty, no_model};
use crate::diag::{Code, Diagnostic, Severity, Sink};
use crate::hir::{self, Model, PopId, Projection, Role, Rule, Select, SynapseModel, Type, VarId, View};
use crate::sema::drive::base_name;
use crate::sema::infer::{Count, Typer, list};
use crate::sema::kernel::Kernel;
use crate::sema::model::{Ends, Heads, Pops};
use crate::sema::rules::{grids_fit, rule};
use crate::sema::views::{IndexNames, len};
use crate::sema::{kernel, synapse, views};
use crate::source::Span;
use crate::syntax::ast;
use crate::units::nearest::nearest;

pub(super) fn projection(
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
    let heads = Heads { neurons: &model.neurons, pops: Pops::Checked(&model.populations) };
    let ends = Ends {
        heads: &heads,
        pre: &pre_model.vars,
        post: &post_model.vars,
        target: None,
        sizes: (size(&pre), size(&post)),
        through: None,
    };
    // Through a kernel amounts have other units, and go to inputs.
    let fits = |typer: &Typer<'_>| match c.through {
        None => fitting(tree, reference, &ends, post_model, typer),
        Some(_) => Vec::new(),
    };
    let target = match member {
        None if delivers || injects => {
            let first = fits(typer).first().map(|k| post_model.vars[*k].name.as_str());
            typer.error(
                Diagnostic::new(Code::E0401, c.target.span, "this connection needs a target variable")
                    .label("which variable receives what the synapse gives?")
                    .help(format!(
                        "write `{}.{}`",
                        c.target.root.node,
                        first.unwrap_or_else(|| {
                            let role = if delivers { Role::State } else { Role::Input };
                            let any = post_model.vars.iter().find(|v| v.role == role);
                            any.map_or(if delivers { "g_e" } else { "I" }, |v| v.name.as_str())
                        })
                    )),
            );
            return None;
        }
        None => None,
        Some(m) => Some(target(m, post_model, &fits, typer)?),
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
    let ends = Ends { target, through: kernel.map(|k| k.dim), ..ends };
    let before = typer.sink.items.len();
    let instance = synapse::instantiate(tree, reference, ends, typer);
    blame_the_use(reference, before, typer);
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
    empty::check((&rule, rule_span), filter.as_ref(), (&pre, &post), model, typer)?;
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

/// A model of the prelude is sound in itself: what is wrong is the use of it, and that is one fault however many of its lines show it. The
/// delivery tells most, then the first line.
fn blame_the_use(reference: &ast::ModelRef, before: usize, typer: &mut Typer<'_>) {
    let prelude = typer.globals.prelude;
    let inside = |d: &Diagnostic| d.primary.as_ref().is_some_and(|l| l.span.file == prelude);
    let new = typer.sink.items.split_off(before);
    let (shown, mut rest): (Vec<_>, Vec<_>) = new.into_iter().partition(inside);
    let (shown, mut warnings): (Vec<_>, Vec<_>) = shown.into_iter().partition(|d| d.severity == Severity::Error);
    for label in warnings.iter_mut().filter_map(|d| d.primary.as_mut()) {
        label.span = reference.span;
    }
    rest.extend(warnings);
    let first = shown.iter().find(|d| d.code == Code::E0204).or(shown.first()).cloned();
    if let Some(mut d) = first {
        let args = reference.args.as_deref().unwrap_or(&[]);
        // The argument that is the delivered amount, or whose declaration is pointed to.
        let named = |a: &&ast::Arg| {
            let name = a.name.as_ref().map(|n| format!("`{}` is ", n.node));
            name.is_some_and(|n| d.secondary.iter().any(|l| l.span.file == prelude && l.text.starts_with(&n)))
        };
        let weight = |a: &&ast::Arg| a.name.as_ref().is_some_and(|n| n.node == "w");
        let delivered = || args.iter().find(weight).or(args.first()).filter(|_| d.code == Code::E0204);
        let given = args.iter().find(named).or_else(delivered);
        let span = given.map_or(reference.span, |a| a.value.span);
        if let Some(label) = d.primary.as_mut() {
            label.span = span;
        }
        rest.push(d);
    }
    typer.sink.items.extend(rest);
}

/// Holds the number of a faulty projection.
pub(super) fn empty_projection(c: &ast::Connect, span: Span) -> Projection {
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

pub(super) fn delivers(stmts: &[ast::Stmt]) -> bool {
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

fn candidates(post: &hir::NeuronModel) -> Vec<&str> {
    let target = |v: &&hir::VarDecl| matches!(v.role, Role::State | Role::Input) && v.ty != Type::Bool;
    post.vars.iter().filter(target).map(|v| v.name.as_str()).collect()
}

/// The states and inputs of a target model that take what the synapse gives: with each of them it is sound. Those of another unit are not
/// among them, nor states where it injects.
fn fitting(
    tree: &ast::Model,
    reference: &ast::ModelRef,
    ends: &Ends<'_>,
    post: &hir::NeuronModel,
    typer: &Typer<'_>,
) -> Vec<usize> {
    let sound = |k: &usize| {
        let sink = &mut Sink::default();
        let ends = Ends { target: Some(VarId(*k as u32)), ..*ends };
        synapse::instantiate(tree, reference, ends, &mut Typer::new(typer.scope, typer.globals, sink)).is_some()
    };
    let target = |k: &usize| matches!(post.vars[*k].role, Role::State | Role::Input) && post.vars[*k].ty != Type::Bool;
    let mut all: Vec<usize> = (0..post.vars.len()).filter(target).filter(sound).collect();
    // What is delivered to an input depends on the time step.
    if all.iter().any(|k| post.vars[*k].role == Role::State) {
        all.retain(|k| post.vars[*k].role == Role::State);
    }
    all
}

pub(super) fn target(
    m: &ast::Ident,
    post: &hir::NeuronModel,
    fitting: &dyn Fn(&Typer<'_>) -> Vec<usize>,
    typer: &mut Typer<'_>,
) -> Option<VarId> {
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
            let fitting: Vec<&hir::VarDecl> = fitting(typer).into_iter().map(|k| &post.vars[k]).collect();
            let known: Vec<&str> = match fitting.as_slice() {
                [] => candidates(post),
                some => some.iter().map(|v| v.name.as_str()).collect(),
            };
            let d = d.note(targets(&post.vars, &fitting));
            typer.error(match nearest(&m.node, known) {
                Some(n) if found.is_none() => d.help(format!("did you mean `{n}`?")).fix(m.span, n),
                _ => d,
            });
            None
        }
    }
}

/// The states and inputs among variables with their units: those that fit, or all where none does.
pub(in crate::sema) fn targets(vars: &[hir::VarDecl], fitting: &[&hir::VarDecl]) -> String {
    let target = |v: &&hir::VarDecl| matches!(v.role, Role::State | Role::Input) && v.ty != Type::Bool;
    let words = |v: &hir::VarDecl| match v.shown.name.as_str() {
        "" => format!("`{}` without unit", v.name),
        unit => format!("`{}` in {unit}", v.name),
    };
    match fitting.iter().map(|v| words(v)).collect::<Vec<_>>().as_slice() {
        [] => {}
        [one] => return format!("what this synapse gives fits {one}"),
        [all @ .., last] => return format!("what this synapse gives fits {} and {last}", all.join(", ")),
    }
    match vars.iter().filter(target).map(words).collect::<Vec<_>>().as_slice() {
        [] => "it has no state and no input".to_owned(),
        [one] => format!("what synapses can reach there is {one}"),
        [all @ .., last] => format!("what synapses can reach there are {} and {last}", all.join(", ")),
    }
}

pub(in crate::sema) fn role_words(role: Role) -> &'static str {
    match role {
        Role::Param => "a parameter",
        Role::State => "a state",
        Role::Weight => "a weight",
        Role::Learned => "a learned variable",
        Role::Input => "an input",
    }
}
