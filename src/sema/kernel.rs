//! `kernel K(s) = expr over 50 ms`: responses to one delivered amount, tabulated at the steps after it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::consts::{constant, value};
use super::infer::{Typer, number};
use crate::diag::{Code, Diagnostic};
use crate::hir::Type;
use crate::syntax::ast;
use crate::units::Dim;
use crate::units::nearest::nearest;

/// The most steps a kernel may span.
const MOST: f64 = 100_000.0;

/// A checked kernel.
pub(super) struct Kernel {
    /// Its values at dt, 2 dt, … up to the horizon, in internal units.
    pub(super) values: Arc<[f64]>,
    /// Its dimension.
    pub(super) dim: Dim,
}

/// Checks and tabulates all kernels of a file; faulty ones are `None`.
pub(super) fn all<'a>(file: &'a ast::File, mut typer: Typer<'_>) -> BTreeMap<&'a str, Option<Kernel>> {
    let mut out = BTreeMap::new();
    for item in &file.items {
        if let ast::ItemKind::Kernel { name, arg, body, over } = &item.kind {
            out.insert(name.node.as_str(), one(name, arg, body, over, &mut typer));
        }
    }
    out
}

fn one(
    name: &ast::Ident,
    arg: &ast::Ident,
    body: &ast::Expr,
    over: &ast::Expr,
    typer: &mut Typer<'_>,
) -> Option<Kernel> {
    let (t, horizon) = constant(over, typer)?;
    typer.expect(t, Type::Real(Dim::TIME), "the horizon of a kernel", None)?;
    let dt = typer.globals.dt;
    let steps = (horizon / dt).round();
    if !(1.0..=MOST).contains(&steps) {
        typer.error(
            Diagnostic::new(Code::E0205, over.span, format!("a kernel cannot span {steps} time steps"))
                .help("its horizon must be at least one and at most 100000 time steps"),
        );
        return None;
    }
    let mut dim = Dim::NONE;
    let mut values = Vec::new();
    for k in 1..=steps as u64 {
        let s = number(k as f64 * dt, Type::Real(Dim::TIME), arg.span);
        let t = typer.with(&arg.node, s, body)?;
        dim = t.dim();
        match value(&t.expr, 0, 0) {
            Some(x) if x.is_finite() => values.push(x),
            Some(x) => {
                let at = k as f64 * dt;
                typer.error(
                    Diagnostic::new(Code::E0205, body.span, format!("`{}` is {x} at {at} ms", name.node))
                        .help("a kernel must have a value at every step up to its horizon"),
                );
                return None;
            }
            None => {
                typer.error(
                    Diagnostic::new(
                        Code::E0205,
                        body.span,
                        format!("`{}` must be known before the simulation starts", name.node),
                    )
                    .help(format!("use `{}`, numbers, `const`s and `param`s", arg.node)),
                );
                return None;
            }
        }
    }
    Some(Kernel { values: values.into(), dim })
}

/// The kernel that `through` names; `None` if it is faulty or unknown (reported).
pub(super) fn named<'a>(
    name: &ast::Ident,
    kernels: &'a BTreeMap<&str, Option<Kernel>>,
    typer: &mut Typer<'_>,
) -> Option<&'a Kernel> {
    match kernels.get(name.node.as_str()) {
        Some(found) => found.as_ref(),
        None => {
            let d = Diagnostic::new(Code::E0101, name.span, format!("unknown kernel `{}`", name.node));
            typer.error(match nearest(&name.node, kernels.keys().copied()) {
                Some(n) => d.help(format!("did you mean `{n}`?")).fix(name.span, n),
                None => d.help(format!("declare it: `kernel {}(s) = exp(-s/5 ms) over 50 ms`", name.node)),
            });
            None
        }
    }
}
