//! Lists that are read from files while a program is checked: `const K = array("f.npz", "k") * 1 mV`, `timed(array(…) * 1 pA, 1 ms)`.

use super::consts::value;
use super::infer::{Typed, Typer, real};
use super::play::FileNames;
use crate::diag::{Code, Diagnostic, Label};
use crate::hir::{Expr, ExprKind, Type};
use crate::source::Span;
use crate::syntax::ast;
use crate::units::Dim;

/// The values of a list from files, with its type and the axes of its array.
pub(super) struct Listing {
    pub(super) values: Vec<f64>,
    pub(super) ty: Type,
    pub(super) shape: Vec<u64>,
}

/// Whether an expression reads an array.
pub(super) fn reads_array(e: &ast::Expr) -> bool {
    match &e.kind {
        ast::ExprKind::Paren(a) | ast::ExprKind::Unary { operand: a, .. } => reads_array(a),
        ast::ExprKind::Binary { left, right, .. } => reads_array(left) || reads_array(right),
        ast::ExprKind::Call { callee, args } => {
            matches!(&callee.kind, ast::ExprKind::Name(n) if n == "array") || args.iter().any(|a| reads_array(&a.value))
        }
        _ => false,
    }
}

/// The list that an expression of arrays stands for, entry by entry.
pub(super) fn listing(e: &ast::Expr, typer: &mut Typer<'_>) -> Option<Listing> {
    let Typed { expr, .. } = typer.expr(e, &mut FileNames)?;
    let ty = if expr.ty == Type::Int { Type::Real(Dim::NONE) } else { expr.ty };
    let expr = real(expr);
    let mut arrays: Vec<(String, String, Vec<f64>)> = Vec::new();
    let mut shape: Vec<u64> = Vec::new();
    let mut named = Vec::new();
    collect(&expr, &mut named);
    for (path, key, span) in named {
        if arrays.iter().any(|(p, k, _)| *p == path && *k == key) {
            continue;
        }
        let (values, axes) = read(&path, &key, span, typer)?;
        if let Some((_, first, v)) = arrays.first().filter(|(.., v)| v.len() != values.len()) {
            typer.error(Diagnostic::new(
                Code::E0405,
                span,
                format!("`{key}` has {} values, but `{first}` has {}", values.len(), v.len()),
            ));
            return None;
        }
        shape = axes;
        arrays.push((path, key, values));
    }
    let n = arrays.first().map_or(0, |(.., v)| v.len());
    let mut values = Vec::with_capacity(n);
    for k in 0..n {
        let one = filled(&expr, &arrays, k);
        match value(&one, 0, 0) {
            Some(x) => values.push(x),
            None => {
                typer.error(Diagnostic::new(Code::E0205, e.span, "this is no list of constants").help(
                    "use arrays, constants and functions of one element, such as `array(\"f.npz\", \"x\") * 1 mV`",
                ));
                return None;
            }
        }
    }
    if values.is_empty() {
        typer.error(Diagnostic::new(Code::E0802, e.span, "the array is empty"));
        return None;
    }
    Some(Listing { values, ty, shape })
}

/// The most elements whose indices are looked at one by one.
const MOST: u64 = 1 << 16;

/// E0405: a list in an argument of a population that has no value for some of its `n` neurons. There the value would not be a number.
pub(super) fn within(e: &Expr, n: u64, population: &str, typer: &mut Typer<'_>) -> bool {
    if !asks(e) {
        return true;
    }
    let Some((i, (at, len, index))) = (0..n.min(MOST)).find_map(|i| Some((i, beyond(e, i)?))) else { return true };
    let value = crate::units::number(index);
    typer.error(
        Diagnostic::new(
            Code::E0405,
            at,
            format!("this list has {len} values, too few for the {n} neurons of `{population}`"),
        )
        .label(format!("neuron {i} asks for value {value}, and the last one is {}", len.saturating_sub(1)))
        .help("give one value for each neuron, or choose them so that the index stays inside: `list[i % 3]`"),
    );
    false
}

/// Whether an expression takes a value of a list.
fn asks(e: &Expr) -> bool {
    let mut found = matches!(e.kind, ExprKind::Table(..));
    e.each_part(&mut |p| found = found || asks(p));
    found
}

/// The first list in an expression that is asked for a value that it does not have, with its length and the index.
fn beyond(e: &Expr, i: u64) -> Option<(Span, usize, f64)> {
    if let ExprKind::If(c, a, b) = &e.kind {
        // Where it is not known which side is taken, nothing is said.
        return beyond(c, i).or_else(|| if value(c, i, 0)? != 0.0 { beyond(a, i) } else { beyond(b, i) });
    }
    if let ExprKind::Table(list, k) = &e.kind
        && let Some(x) = value(k, i, 0)
        && !(0.0..list.len() as f64).contains(&x)
    {
        return Some((e.span, list.len(), x));
    }
    let mut found = None;
    e.each_part(&mut |p| found = found.or_else(|| beyond(p, i)));
    found
}

fn collect(e: &Expr, out: &mut Vec<(String, String, Span)>) {
    if let ExprKind::FileArray { path, key } = &e.kind {
        out.push((path.clone(), key.clone(), e.span));
    }
    e.each_part(&mut |p| collect(p, out));
}

fn read(path: &str, key: &str, span: Span, typer: &mut Typer<'_>) -> Option<super::ArrayValues> {
    let Some(reader) = typer.globals.arrays.0.clone() else {
        typer.error(Diagnostic::new(Code::E0801, span, format!("the file `{path}` cannot be read here")));
        return None;
    };
    match reader(path, key) {
        Ok(found) => Some(found),
        Err(mut d) => {
            d.primary.get_or_insert(Label { span, text: "named here".to_owned() });
            typer.error(d);
            None
        }
    }
}

/// The expression with entry `k` of each array in its place.
fn filled(e: &Expr, arrays: &[(String, String, Vec<f64>)], k: usize) -> Expr {
    let part = |a: &Expr| Box::new(filled(a, arrays, k));
    let kind = match &e.kind {
        ExprKind::FileArray { path, key } => {
            let found = arrays.iter().find(|(p, q, _)| p == path && q == key);
            ExprKind::Const(found.and_then(|(.., v)| v.get(k)).copied().unwrap_or(f64::NAN))
        }
        ExprKind::Unary(op, a) => ExprKind::Unary(*op, part(a)),
        ExprKind::ToReal(a) => ExprKind::ToReal(part(a)),
        ExprKind::Binary(op, a, b) => ExprKind::Binary(*op, part(a), part(b)),
        ExprKind::If(c, a, b) => ExprKind::If(part(c), part(a), part(b)),
        ExprKind::Call(f, args) => ExprKind::Call(*f, args.iter().map(|a| filled(a, arrays, k)).collect()),
        other => other.clone(),
    };
    Expr { kind, ty: e.ty, span: e.span }
}
