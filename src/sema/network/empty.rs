//! Connections that choose no synapse, or too few, whatever is drawn (E0404): told when a program is checked, as far as a look at each pair
//! does not take long. Other connections are judged when the network is built, in the same words.

use crate::diag::{Code, Diagnostic, words};
use crate::hir::{Expr, Model, Rule, View};
use crate::sema::consts::value;
use crate::sema::infer::Typer;
use crate::sema::views::{at, len};
use crate::source::Span;

/// The most pairs that are looked at.
const MOST: u64 = 1 << 16;

/// Reports a connection that cannot be made; `None` if it did.
pub(super) fn check(
    (rule, rule_span): (&Rule, Span),
    filter: Option<&Expr>,
    (pre, post): (&View, &View),
    model: &Model,
    typer: &mut Typer<'_>,
) -> Option<()> {
    let (n_pre, n_post) = (len(model, pre), len(model, post));
    let few = n_pre.checked_mul(n_post).is_some_and(|n| n <= MOST);
    // Whether a pair of positions is a candidate; unknown where the condition has no value yet.
    let passes = |i: u64, j: u64| match filter {
        None => Some(true),
        Some(f) => value(f, at(pre, i), at(post, j)).map(|x| x != 0.0),
    };
    let none = |typer: &mut Typer<'_>| {
        typer.error(words::no_synapse(rule_span, [n_pre, n_post], filter.map(|f| (f.span, "no pair passes"))));
    };
    let scarce = |what: &str, wanted: u64, place: String, found: u64, typer: &mut Typer<'_>| {
        let d = Diagnostic::new(Code::E0404, rule_span, words::too_few(what, wanted, &place, found))
            .help(words::too_few_help(filter.is_some()));
        typer.error(match filter {
            Some(f) => d.also(f.span, "which pairs are candidates"),
            None => d,
        });
    };
    if matches!(rule, Rule::Random { p, .. } | Rule::Distance { p, .. } if *p == 0.0) {
        none(typer);
        return None;
    }
    if filter.is_some() && few {
        let mut pairs = (0..n_pre).flat_map(|i| (0..n_post).map(move |j| (i, j)));
        let chosen = |(i, j): (u64, u64)| match rule {
            Rule::OneToOne if i != j => Some(false),
            _ => passes(i, j),
        };
        if pairs.all(|pair| chosen(pair) == Some(false)) {
            none(typer);
            return None;
        }
    }
    // Without a condition all neurons have the same candidates.
    let (rows, columns) = match filter {
        None => (n_pre.min(1), n_post.min(1)),
        Some(_) if few => (n_pre, n_post),
        Some(_) => return Some(()),
    };
    // The candidates of a neuron, or the first `enough` of them.
    let count = |i: u64, fixed: bool, enough: u64| {
        let of = if fixed { n_post } else { n_pre };
        if filter.is_none() {
            return Some(of);
        }
        let mut found = 0;
        for k in 0..of {
            if found == enough {
                break;
            }
            found += u64::from(if fixed { passes(i, k) } else { passes(k, i) }?);
        }
        Some(found)
    };
    match rule {
        Rule::FixedIndegree { k, multapses: false } => {
            for j in 0..columns {
                let Some(found) = count(j, false, *k) else { return Some(()) };
                if found < *k {
                    scarce("fixed_indegree", *k, format!("onto neuron {}", at(post, j)), found, typer);
                    return None;
                }
            }
        }
        Rule::FixedOutdegree { k, multapses: false } => {
            for i in 0..rows {
                let Some(found) = count(i, true, *k) else { return Some(()) };
                if found < *k {
                    scarce("fixed_outdegree", *k, format!("from neuron {}", at(pre, i)), found, typer);
                    return None;
                }
            }
        }
        Rule::FixedTotal { n, multapses: false } if filter.is_none() => {
            let found = n_pre.saturating_mul(n_post);
            if found < *n {
                scarce("fixed_total", *n, "in all".to_owned(), found, typer);
                return None;
            }
        }
        _ => {}
    }
    Some(())
}
