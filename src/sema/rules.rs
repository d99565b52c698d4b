//! Connection rules with their arguments: `via random(p = 0.1)`.

use std::collections::BTreeMap;

use super::consts::{constant, constant_in, whole_in};
use super::infer::{Typer, strip};
use super::views::EndNames;
use crate::diag::{Code, Diagnostic};
use crate::hir::{Model, Rule, Type, View};
use crate::source::Span;
use crate::syntax::ast;
use crate::units::Dim;
use crate::units::nearest::nearest;

/// The rule of a connection, with its place.
pub(super) fn rule(c: &ast::Connect, sizes: Option<(u64, u64)>, typer: &mut Typer<'_>) -> Option<(Rule, Span)> {
    const KNOWN: [(&str, &[&str]); 10] = [
        ("all_to_all", &[]),
        ("one_to_one", &[]),
        ("random", &["p", "symmetric"]),
        ("fixed_indegree", &["k", "multapses"]),
        ("fixed_outdegree", &["k", "multapses"]),
        ("fixed_total", &["n", "multapses"]),
        ("edges", &["file"]),
        ("distance", &["p", "lambda"]),
        ("pool", &["size"]),
        ("conv", &["kernel", "stride", "channels", "shared"]),
    ];
    let Some(via) = &c.via else {
        typer.error(
            Diagnostic::new(Code::E0105, c.target.span, "this connection needs a rule that chooses its pairs")
                .help("add `via all_to_all`, `via one_to_one` or `via random(p = 0.1)`"),
        );
        return None;
    };
    let name = via.name.node.as_str();
    let Some((_, params)) = KNOWN.iter().find(|(n, _)| *n == name) else {
        if let Some(ours) = super::foreign::rule(name) {
            let d = Diagnostic::new(Code::E0003, via.name.span, format!("the rule `{name}` is called `{ours}` here"));
            typer.error(d.help(format!("write `via {ours}(…)`; `snnc explain {ours}` tells its arguments")));
            return None;
        }
        let d = Diagnostic::new(Code::E0101, via.name.span, format!("unknown connection rule `{name}`"));
        let d = match nearest(name, KNOWN.iter().map(|(n, _)| *n)) {
            Some(n) => d.help(format!("did you mean `{n}`?")).fix(via.name.span, n),
            None => d.note("the rules are all_to_all, one_to_one, random(p), fixed_indegree(k), fixed_outdegree(k), fixed_total(n), distance(p, lambda), pool(size), conv(kernel, stride, channels) and edges(\"file\")"),
        };
        typer.error(d);
        return None;
    };
    let mut given: BTreeMap<&str, &ast::Expr> = BTreeMap::new();
    for (k, a) in via.args.iter().flatten().enumerate() {
        let param = match &a.name {
            Some(n) => params.iter().find(|p| **p == n.node),
            None => params.get(k),
        };
        match param {
            Some(p) => {
                given.insert(p, &a.value);
            }
            None => {
                let takes = if params.is_empty() { "no arguments".to_owned() } else { params.join(", ") };
                let d = Diagnostic::new(Code::E0105, a.span, format!("`{name}` does not take this argument"))
                    .note(format!("it takes {takes}"));
                let wrong = a.name.as_ref().map_or("", |n| n.node.as_str());
                typer.error(match super::foreign::rule_argument(wrong, params) {
                    Some(help) => d.help(help),
                    None => d,
                });
                return None;
            }
        }
    }
    let need = |key: &str, typer: &mut Typer<'_>| {
        let found = given.get(key).copied();
        if found.is_none() {
            typer.error(
                Diagnostic::new(Code::E0105, via.span, format!("`{name}` needs `{key}`"))
                    .help(format!("write `{name}({key} = …)`")),
            );
        }
        found
    };
    let count = |key: &str, typer: &mut Typer<'_>| -> Option<u64> {
        let e = need(key, typer)?;
        if let ast::ExprKind::List(sides) = &strip(e).kind {
            let d = Diagnostic::new(Code::E0205, e.span, format!("`{key}` is one number, not a list"));
            let d =
                if matches!(key, "kernel" | "size") { d.label("it is a square with sides of this length") } else { d };
            typer.error(match sides.first() {
                Some(ast::Expr { kind: ast::ExprKind::Number { value, unit: None, .. }, .. }) => {
                    d.help(format!("write `{key} = {}`", crate::units::number(*value)))
                }
                _ => d,
            });
            return None;
        }
        match whole_in(e, &mut EndNames { sizes }, &format!("`{key}`"), typer)? {
            n if n >= 1 => Some(n as u64),
            n => {
                typer.error(Diagnostic::new(Code::E0205, e.span, format!("`{key}` must be positive, not {n}")));
                None
            }
        }
    };
    let rule = match name {
        "all_to_all" => Rule::AllToAll,
        "one_to_one" => Rule::OneToOne,
        "random" => {
            let symmetric = flag(given.get("symmetric").copied(), "symmetric", false, typer)?;
            Rule::Random { p: probability(need("p", typer)?, sizes, typer)?, symmetric }
        }
        "fixed_total" => {
            let multapses = flag(given.get("multapses").copied(), "multapses", true, typer)?;
            Rule::FixedTotal { n: count("n", typer)?, multapses }
        }
        "distance" => {
            let p = probability(need("p", typer)?, sizes, typer)?;
            let e = need("lambda", typer)?;
            let (t, lambda) = constant(e, typer)?;
            typer.expect(t, Type::Real(Dim::NONE), "`lambda`", None)?;
            if !(lambda > 0.0 && lambda.is_finite()) {
                typer.error(
                    Diagnostic::new(Code::E0205, e.span, "`lambda` must be positive")
                        .help("it is a distance in spacings of the source's grid, such as 2"),
                );
                return None;
            }
            Rule::Distance { p, lambda }
        }
        "pool" => Rule::Pool { size: count("size", typer)? },
        "conv" => {
            let kernel = count("kernel", typer)?;
            let stride = if given.contains_key("stride") { count("stride", typer)? } else { 1 };
            let channels = if given.contains_key("channels") { count("channels", typer)? } else { 1 };
            let shared = flag(given.get("shared").copied(), "shared", true, typer)?;
            Rule::Conv { kernel, stride, channels, shared }
        }
        "edges" => match need("file", typer).map(|e| (&strip(e).kind, e.span))? {
            (ast::ExprKind::Str(path), _) => Rule::Edges { path: path.clone() },
            (_, span) => {
                typer.error(Diagnostic::new(Code::E0205, span, "`edges` takes the name of an `.npz` file, in quotes"));
                return None;
            }
        },
        _ => {
            let k = count("k", typer)?;
            let multapses = flag(given.get("multapses").copied(), "multapses", false, typer)?;
            if name == "fixed_indegree" {
                Rule::FixedIndegree { k, multapses }
            } else {
                Rule::FixedOutdegree { k, multapses }
            }
        }
    };
    Some((rule, via.span))
}

/// Rules of space need grids that fit each other.
pub(super) fn grids_fit(
    rule: &Rule,
    rule_span: Span,
    c: &ast::Connect,
    pre: &View,
    post: &View,
    source: Span,
    model: &Model,
    typer: &mut Typer<'_>,
) -> Option<()> {
    let (a, b) = (&model.populations[pre.pop.index()].shape, &model.populations[post.pop.index()].shape);
    let words = |s: &[u64]| s.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ");
    let fault = match rule {
        Rule::Distance { .. } if a.len() != b.len() => "`distance` needs grids with as many axes".to_owned(),
        Rule::Pool { size } => {
            let kept = a.len().saturating_sub(2);
            let wanted: Vec<u64> =
                a.iter().enumerate().map(|(axis, n)| if axis < kept { *n } else { n / size }).collect();
            if wanted == *b {
                return Some(());
            }
            format!("blocks of {size} make a grid of {} of this source", words(&wanted))
        }
        Rule::Conv { kernel, stride, channels, .. } => {
            let (Some(h), Some(w)) = (a.iter().rev().nth(1), a.last()) else {
                return no_grid(rule_span, source, words(a), typer);
            };
            if !(2..=3).contains(&a.len()) {
                return no_grid(rule_span, source, words(a), typer);
            }
            if h < kernel || w < kernel {
                format!("a kernel of {kernel} × {kernel} does not fit into {h} × {w} neurons")
            } else {
                let wanted = [*channels, (h - kernel) / stride + 1, (w - kernel) / stride + 1];
                if wanted == **b || *channels == 1 && wanted[1..] == **b {
                    return Some(());
                }
                format!("this convolution makes a grid of {} of this source", words(&wanted))
            }
        }
        _ => return Some(()),
    };
    typer.error(
        Diagnostic::new(Code::E0402, rule_span, fault)
            .also(source, format!("a grid of {}", words(a)))
            .also(c.target.span, format!("a grid of {}", words(b)))
            .help("give the populations grids that fit, such as `population P[14, 14]: …`"),
    );
    None
}

fn no_grid(rule: Span, source: Span, shape: String, typer: &mut Typer<'_>) -> Option<()> {
    typer.error(
        Diagnostic::new(
            Code::E0402,
            rule,
            "`conv` needs a source that is a grid of rows and columns, with channels before them or not",
        )
        .also(source, format!("{shape} neurons"))
        .help("declare it as `population X[28, 28]: …` or `population X[3, 28, 28]: …`"),
    );
    None
}

/// A constant probability.
fn probability(e: &ast::Expr, sizes: Option<(u64, u64)>, typer: &mut Typer<'_>) -> Option<f64> {
    let (t, p) = constant_in(e, &mut EndNames { sizes }, typer)?;
    typer.expect(t, Type::Real(Dim::NONE), "a probability", None)?;
    if !(0.0..=1.0).contains(&p) {
        typer.error(
            Diagnostic::new(Code::E0205, e.span, format!("{p} is no probability"))
                .help("probabilities lie between 0 and 1: 2 % is 0.02"),
        );
        return None;
    }
    Some(p)
}

/// An argument that is `true` or `false`.
fn flag(e: Option<&ast::Expr>, name: &str, default: bool, typer: &mut Typer<'_>) -> Option<bool> {
    match e.map(|e| (&strip(e).kind, e.span)) {
        None => Some(default),
        Some((ast::ExprKind::Bool(b), _)) => Some(*b),
        Some((_, span)) => {
            typer.error(
                Diagnostic::new(Code::E0205, span, format!("`{name}` is `true` or `false`"))
                    .help(format!("write `{name} = true`")),
            );
            None
        }
    }
}
