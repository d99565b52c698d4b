//! Values known when a program is checked: top-level constants and parameters, settings, sizes.

use std::collections::BTreeMap;

use super::infer::{GlobalValue, Globals, Names, NoNames, Typed, Typer};
use super::mismatch::{self, Said};
use crate::diag::{Code, Diagnostic};
use crate::hir::{self, BinaryOp, ExprKind, Side, Type, UnaryOp};
use crate::source::Span;
use crate::syntax::ast;

/// The value of an expression of constants and indices; truth values are 0 and 1. `None` if it holds anything else.
pub(crate) fn value(e: &hir::Expr, i: u64, j: u64) -> Option<f64> {
    Some(match &e.kind {
        ExprKind::Const(x) => *x,
        ExprKind::Bool(b) => f64::from(*b),
        ExprKind::Index(Side::Post) => j as f64,
        ExprKind::Index(_) => i as f64,
        ExprKind::Unary(UnaryOp::Neg, a) => -value(a, i, j)?,
        ExprKind::Unary(UnaryOp::Not, a) => f64::from(value(a, i, j)? == 0.0),
        ExprKind::ToReal(a) => value(a, i, j)?,
        ExprKind::If(c, a, b) => {
            if value(c, i, j)? != 0.0 {
                value(a, i, j)?
            } else {
                value(b, i, j)?
            }
        }
        ExprKind::Call(f, args) => {
            let args: Option<Vec<f64>> = args.iter().map(|a| value(a, i, j)).collect();
            f.eval(&args?)
        }
        ExprKind::Table(t, k) => *t.get(value(k, i, j)? as usize)?,
        ExprKind::Binary(op, a, b) => {
            let (x, y) = (value(a, i, j)?, value(b, i, j)?);
            match op {
                BinaryOp::Add => x + y,
                BinaryOp::Sub => x - y,
                BinaryOp::Mul => x * y,
                BinaryOp::Div => x / y,
                BinaryOp::Mod => x - y * (x / y).floor(),
                BinaryOp::Pow => libm::pow(x, y),
                BinaryOp::Eq => f64::from(x == y),
                BinaryOp::Ne => f64::from(x != y),
                BinaryOp::Lt => f64::from(x < y),
                BinaryOp::Le => f64::from(x <= y),
                BinaryOp::Gt => f64::from(x > y),
                BinaryOp::Ge => f64::from(x >= y),
                BinaryOp::And => f64::from(x != 0.0 && y != 0.0),
                BinaryOp::Or => f64::from(x != 0.0 || y != 0.0),
            }
        }
        _ => return None,
    })
}

/// The value of an expression that is the same for all elements.
pub(crate) fn fixed(e: &hir::Expr) -> Option<f64> {
    fn same(e: &hir::Expr) -> bool {
        match &e.kind {
            ExprKind::Const(_) | ExprKind::Bool(_) => true,
            ExprKind::Unary(_, a) | ExprKind::ToReal(a) | ExprKind::Table(_, a) => same(a),
            ExprKind::Binary(_, a, b) => same(a) && same(b),
            ExprKind::If(a, b, c) => same(a) && same(b) && same(c),
            ExprKind::Call(_, args) => args.iter().all(same),
            _ => false,
        }
    }
    if same(e) { value(e, 0, 0) } else { None }
}

/// A constant expression outside of models.
pub(crate) fn constant(e: &ast::Expr, typer: &mut Typer<'_>) -> Option<(Typed, f64)> {
    constant_in(e, &mut NoNames, typer)
}

/// A constant expression where these names are known.
pub(crate) fn constant_in(e: &ast::Expr, names: &mut dyn Names, typer: &mut Typer<'_>) -> Option<(Typed, f64)> {
    let t = typer.expr(e, names)?;
    match value(&t.expr, 0, 0) {
        Some(x) => Some((t, x)),
        None => {
            typer.error(
                Diagnostic::new(Code::E0205, e.span, "this value must be known before the simulation starts")
                    .help("use numbers, `const`s and `param`s"),
            );
            None
        }
    }
}

/// A constant whole number.
pub(crate) fn whole(e: &ast::Expr, what: &str, typer: &mut Typer<'_>) -> Option<i64> {
    whole_in(e, &mut NoNames, what, typer)
}

/// A constant whole number where these names are known. A bare real number is one if its value is: sizes of scaled networks are
/// `round(0.1*n)`.
pub(crate) fn whole_in(e: &ast::Expr, names: &mut dyn Names, what: &str, typer: &mut Typer<'_>) -> Option<i64> {
    let (t, x) = constant_in(e, names, typer)?;
    // Beyond 2^53 neighbouring numbers are no longer one apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match t.expr.ty {
        Type::Int => return Some(x as i64),
        Type::Real(dim) if dim.is_none() && x == x.trunc() && x.abs() <= EXACT => return Some(x as i64),
        Type::Real(dim) if dim.is_none() => typer.error(
            Diagnostic::new(Code::E0205, e.span, format!("{what} must be a whole number"))
                .label(format!("this is {x}"))
                .help("`round`, `floor` and `ceil` make a whole number of it"),
        ),
        other => typer.error(
            Diagnostic::new(Code::E0205, e.span, format!("{what} must be a whole number"))
                .label(mismatch::type_words(other)),
        ),
    }
    None
}

/// One top-level `const` or `param` binding.
pub(crate) struct Binding<'a> {
    pub(crate) binding: &'a ast::Binding,
    pub(crate) is_param: bool,
    /// From `--set`, with the place to report faults at.
    pub(crate) over: Option<ast::Expr>,
}

impl Binding<'_> {
    fn value(&self) -> Option<&ast::Expr> {
        self.over.as_ref().or(self.binding.value.as_ref())
    }
}

/// The order in which bindings can be evaluated; those in a circle are reported and left out.
pub(crate) fn order(bindings: &[Binding<'_>], typer: &mut Typer<'_>) -> Vec<usize> {
    let index: BTreeMap<&str, usize> =
        bindings.iter().enumerate().map(|(k, b)| (b.binding.name.node.as_str(), k)).collect();
    let mut state = vec![0_u8; bindings.len()];
    let mut out = Vec::new();
    for k in 0..bindings.len() {
        visit(k, bindings, &index, &mut state, &mut Vec::new(), &mut out, typer);
    }
    out
}

fn visit(
    k: usize,
    bindings: &[Binding<'_>],
    index: &BTreeMap<&str, usize>,
    state: &mut [u8],
    path: &mut Vec<usize>,
    out: &mut Vec<usize>,
    typer: &mut Typer<'_>,
) -> bool {
    match state[k] {
        2 => return true,
        3 => return false,
        1 => {
            let from = path.iter().position(|p| *p == k).unwrap_or(0);
            let names: Vec<String> =
                path[from..].iter().chain([&k]).map(|p| format!("`{}`", bindings[*p].binding.name.node)).collect();
            typer.error(
                Diagnostic::new(
                    Code::E0106,
                    bindings[k].binding.span,
                    format!("these definitions depend on each other in a circle: {}", names.join(" → ")),
                )
                .help("one of them needs a value of its own"),
            );
            return false;
        }
        _ => {}
    }
    state[k] = 1;
    path.push(k);
    let mut names = Vec::new();
    if let Some(v) = bindings[k].value() {
        mentioned(v, &mut names);
    }
    let mut ok = true;
    for n in names {
        if let Some(d) = index.get(n.as_str()) {
            ok &= visit(*d, bindings, index, state, path, out, typer);
        }
    }
    path.pop();
    state[k] = if ok { 2 } else { 3 };
    if ok {
        out.push(k);
    }
    ok
}

/// The names that an expression mentions.
fn mentioned(e: &ast::Expr, out: &mut Vec<String>) {
    match &e.kind {
        ast::ExprKind::Name(n) => out.push(n.clone()),
        ast::ExprKind::Unary { operand, .. } => mentioned(operand, out),
        ast::ExprKind::Paren(a) => mentioned(a, out),
        ast::ExprKind::Binary { left, right, .. } => {
            mentioned(left, out);
            mentioned(right, out);
        }
        ast::ExprKind::If { cond, then, els } => {
            mentioned(cond, out);
            mentioned(then, out);
            mentioned(els, out);
        }
        ast::ExprKind::Call { args, .. } => args.iter().for_each(|a| mentioned(&a.value, out)),
        ast::ExprKind::Index { base, index } => {
            mentioned(base, out);
            index.items.iter().for_each(|i| mentioned(i, out));
        }
        ast::ExprKind::List(items) => items.iter().for_each(|i| mentioned(i, out)),
        ast::ExprKind::Range { start, end } => {
            start.iter().chain(end).for_each(|x| mentioned(x, out));
        }
        ast::ExprKind::Member { base, .. } => mentioned(base, out),
        _ => {}
    }
}

/// What a top-level binding is worth.
pub(crate) enum Worth {
    /// A number or truth value.
    One(GlobalValue),
    /// A list; of lists, row by row with the number of values in each (else 0).
    List(Vec<f64>, Type, usize),
}

/// Evaluates a binding.
pub(crate) fn evaluate(b: &Binding<'_>, typer: &mut Typer<'_>) -> Option<Worth> {
    let name = &b.binding.name.node;
    let Some(v) = b.value() else {
        typer.error(
            Diagnostic::new(Code::E0105, b.binding.span, format!("`{name}` needs a value"))
                .help(format!("write `{name} = …`")),
        );
        return None;
    };
    let declared = match &b.binding.ty {
        Some(t) => Some((typer.declared(t)?.0, t.span)),
        None => None,
    };
    if let ast::ExprKind::List(items) = &v.kind {
        return list(items, v.span, declared.map(|d| d.0), typer);
    }
    if super::tables::reads_array(v) {
        let found = super::tables::listing(v, typer)?;
        if let Some((ty, span)) = declared.filter(|(ty, _)| *ty != found.ty) {
            typer.error(
                Diagnostic::new(
                    Code::E0205,
                    v.span,
                    format!(
                        "`{name}` is {}, but the array is {}",
                        mismatch::type_words(ty),
                        mismatch::type_words(found.ty)
                    ),
                )
                .also(span, "declared here")
                .help("arrays of files have no unit: multiply by one, such as `array(\"f.npz\", \"x\") * 1 mV`"),
            );
            return None;
        }
        let width = match found.shape.as_slice() {
            [_, width] => usize::try_from(*width).unwrap_or(0),
            _ => 0,
        };
        return Some(Worth::List(found.values, found.ty, width));
    }
    let (t, x) = constant(v, typer)?;
    let because = |text: &'static str, span: Span| Some((span, Said::Words(text.into())));
    let what = format!("the value of `{name}`");
    let any = t.any;
    let expr = match (&declared, &b.over, &b.binding.value) {
        (Some((ty, span)), ..) => typer.expect(t, *ty, &what, because("declared here", *span))?,
        // An override must be what the default is.
        (None, Some(_), Some(default)) => {
            let (d, _) = constant(default, typer)?;
            let ty = d.expr.ty;
            typer.expect(t, ty, &what, because("its default is here", default.span))?
        }
        _ => t.expr,
    };
    if let Some(bounds) = &b.binding.bounds
        && let ast::ExprKind::List(ends) = &bounds.kind
        && let [lo, hi] = ends.as_slice()
    {
        let (_, lo) = constant(lo, typer)?;
        let (_, hi) = constant(hi, typer)?;
        if x < lo || x > hi {
            typer.error(
                Diagnostic::new(Code::E0205, v.span, format!("{what} lies outside of its bounds"))
                    .also(bounds.span, "the bounds"),
            );
            return None;
        }
    }
    finite(x, v, &what, typer)?;
    let any = any && expr.ty.dim().is_none();
    Some(Worth::One(GlobalValue { ty: expr.ty, value: x, any, span: b.binding.name.span }))
}

/// A value that is a number, or E0205: infinite only where it says so.
fn finite(x: f64, written: &ast::Expr, what: &str, typer: &mut Typer<'_>) -> Option<()> {
    if x.is_finite() || (!x.is_nan() && super::misleading::names(written, "inf")) {
        return Some(());
    }
    let found = if x.is_nan() { "is not a number" } else { "is infinite" };
    typer.error(
        Diagnostic::new(Code::E0205, written.span, format!("{what} {found}"))
            .label("no finite number comes out of this")
            .help("look for a division by zero, the root or logarithm of a negative number, and numbers beyond 10^308"),
    );
    None
}

fn list(items: &[ast::Expr], span: Span, declared: Option<Type>, typer: &mut Typer<'_>) -> Option<Worth> {
    let mut values = Vec::new();
    let mut ty = declared;
    // `[[1, 2], [3, 4]]` is a table of rows.
    let row = |e: &'_ ast::Expr| match &super::infer::strip(e).kind {
        ast::ExprKind::List(row) => Some(row.len()),
        _ => None,
    };
    let width = items.first().and_then(row).unwrap_or(0);
    let mut cells: Vec<&ast::Expr> = Vec::new();
    for item in items {
        match (&super::infer::strip(item).kind, width) {
            (ast::ExprKind::List(row), w) if w > 0 && row.len() == w => cells.extend(row),
            (ast::ExprKind::List(row), w) if w > 0 => {
                typer.error(
                    Diagnostic::new(
                        Code::E0205,
                        item.span,
                        format!("this row has {} values, the first {w}", row.len()),
                    )
                    .help("all rows of a table have as many values"),
                );
                return None;
            }
            (_, 0) => cells.push(item),
            _ => {
                typer.error(Diagnostic::new(Code::E0205, item.span, "a row of the table is missing its brackets"));
                return None;
            }
        }
    }
    // Each faulty value is reported, but of those with the same wrong unit only the first.
    let (mut sound, mut wrong) = (true, Vec::new());
    for item in cells {
        let Some((t, x)) =
            constant(item, typer).filter(|(_, x)| finite(*x, item, "this value of the list", typer).is_some())
        else {
            sound = false;
            continue;
        };
        match ty {
            None => ty = Some(t.expr.ty),
            // `[1, 2.5]` is a list of reals.
            Some(Type::Int) if t.expr.ty == Type::Real(crate::units::Dim::NONE) && declared.is_none() => {
                ty = Some(t.expr.ty)
            }
            Some(Type::Real(d)) if t.expr.ty == Type::Int && d.is_none() => {}
            Some(want) if t.expr.ty != want && wrong.contains(&t.expr.ty) => {}
            Some(want) => {
                let found = t.expr.ty;
                if typer.expect(t, want, "this value of the list", None).is_none() {
                    wrong.push(found);
                }
            }
        }
        values.push(x);
    }
    if !sound || !wrong.is_empty() {
        return None;
    }
    let Some(ty) = ty else {
        typer.error(
            Diagnostic::new(Code::E0205, span, "an empty list has no type").help("give it values, or remove it"),
        );
        return None;
    };
    Some(Worth::List(values, ty, width))
}

/// `simulation { … }`, with the command line's overrides.
pub(crate) fn settings(
    file: &ast::File,
    options: &super::Options,
    typer_scope: &crate::sema::scope::Scope,
    globals: &mut Globals,
    sink: &mut crate::diag::Sink,
) -> hir::Settings {
    let mut out =
        hir::Settings { dt: 0.1, seed: 0, precision: hir::Precision::F64, threads: 0, opt: hir::Opt::level(2) };
    let mut first: Option<Span> = None;
    for item in &file.items {
        let ast::ItemKind::Simulation(assigns) = &item.kind else { continue };
        let typer = &mut Typer::new(typer_scope, globals, sink);
        if let Some(first) = first {
            typer.error(
                Diagnostic::new(Code::E0103, item.span, "there are two `simulation` blocks")
                    .also(first, "the first one"),
            );
            continue;
        }
        first = Some(item.span);
        let mut dt = out.dt;
        for (k, a) in assigns.iter().enumerate() {
            let name = &a.target.root;
            if let Some(first) = assigns[..k].iter().find(|b| b.target.root.node == name.node) {
                typer.error(
                    Diagnostic::new(Code::E0103, name.span, format!("`{}` is set twice", name.node))
                        .also(first.target.span, "first set here")
                        .help("remove one of them"),
                );
                continue;
            }
            match name.node.as_str() {
                "dt" => {
                    if let Some((t, x)) = constant(&a.value, typer)
                        && typer.expect(t, Type::Real(crate::units::Dim::TIME), "the time step `dt`", None).is_some()
                    {
                        if x > 0.0 && x.is_finite() {
                            dt = x;
                        } else {
                            typer.error(Diagnostic::new(Code::E0205, a.value.span, "the time step must be positive"));
                        }
                    } else {
                        typer.sink.hole(a.value.span);
                    }
                }
                "seed" if matches!(&a.value.kind, ast::ExprKind::Name(n) if n == "time") => {
                    typer.error(
                        Diagnostic::new(Code::E0205, a.value.span, "a program cannot ask for another seed at every run")
                            .label("its results could not be repeated")
                            .help("write a number here, and give `--seed time` on the command line, which prints what it took"),
                    );
                }
                "seed" => {
                    if let Some(n) = whole(&a.value, "the seed", typer) {
                        if n >= 0 {
                            out.seed = n as u64;
                        } else {
                            typer.error(Diagnostic::new(Code::E0205, a.value.span, "the seed cannot be negative"));
                        }
                    } else {
                        typer.sink.hole(a.value.span);
                    }
                }
                "threads" => {
                    if let Some(n) = whole(&a.value, "the number of threads", typer) {
                        if (0..=4096).contains(&n) {
                            out.threads = n as usize;
                        } else {
                            typer.error(
                                Diagnostic::new(
                                    Code::E0205,
                                    a.value.span,
                                    "the number of threads must lie between 0 and 4096",
                                )
                                .note("0 means one per core"),
                            );
                        }
                    } else {
                        typer.sink.hole(a.value.span);
                    }
                }
                "precision" => match &a.value.kind {
                    ast::ExprKind::Name(n) if n == "f32" => out.precision = hir::Precision::F32,
                    ast::ExprKind::Name(n) if n == "f64" => out.precision = hir::Precision::F64,
                    _ => typer.error(Diagnostic::new(Code::E0205, a.value.span, "the precision is `f32` or `f64`")),
                },
                other => {
                    let d = Diagnostic::new(Code::E0105, name.span, format!("`simulation` has no setting `{other}`"));
                    let known = ["dt", "seed", "precision", "threads"];
                    let other = match other {
                        "timestep" | "resolution" => "dt",
                        "rng_seed" => "seed",
                        "num_threads" | "local_num_threads" => "threads",
                        same => same,
                    };
                    if matches!(other, "duration" | "time" | "t_stop" | "runtime") {
                        typer.error(
                            d.help("how long is simulated stands in an experiment: `experiment main { run 1 s }`"),
                        );
                        continue;
                    }
                    if known.contains(&other) {
                        typer.error(d.help(format!("it is called `{other}`")).fix(name.span, other));
                        continue;
                    }
                    typer.error(match crate::units::nearest::nearest(other, known) {
                        Some(n) => d.help(format!("did you mean `{n}`?")).fix(name.span, n),
                        None => d.note("it has `dt`, `seed`, `precision` and `threads`"),
                    });
                }
            }
        }
        out.dt = dt;
    }
    globals.dt = out.dt;
    if let Some(seed) = options.seed {
        out.seed = seed;
    }
    if let Some(threads) = options.threads {
        out.threads = threads;
    }
    if let Some(precision) = options.precision {
        out.precision = precision;
    }
    if let Some(opt) = options.opt {
        out.opt = hir::Opt::level(opt);
    }
    out.opt = out.opt.without(&options.without);
    out
}
