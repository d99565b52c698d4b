//! Words for values that do not fit: both sides' units, where each came from, and what is missing.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;

use super::infer::Typed;
use crate::diag::{Code, Diagnostic, Label};
use crate::hir::{ExprKind, ShownUnit, Type};
use crate::source::Span;
use crate::units::{self, Dim};

/// What is known of a unit at some other place. Words cost more than the check itself, and are mostly not needed: they are made for the
/// message.
#[derive(Debug, Clone)]
pub(crate) enum Said<'n> {
    /// The name is of a type; with the unit of its declaration where that is not the usual one.
    Is(Cow<'n, str>, Type, Option<Arc<str>>),
    /// The name is of a type and declared in this unit.
    In(Cow<'n, str>, Type, &'n ShownUnit),
    /// The name is declared as of a type.
    Declared(&'n str, Type),
    /// In words.
    Words(Cow<'n, str>),
}

impl Said<'_> {
    /// A name that is kept for longer.
    pub(crate) fn is(name: &str, ty: Type) -> Said<'static> {
        Said::Is(Cow::Owned(name.to_owned()), ty, None)
    }

    /// The unit in which it is declared, if that is known and not the usual one.
    fn unit(&self) -> Option<&str> {
        match self {
            Said::Is(_, _, unit) => unit.as_deref(),
            Said::In(_, _, shown) => Some(shown.name.as_str()).filter(|n| !n.is_empty()),
            Said::Declared(..) | Said::Words(_) => None,
        }
    }

    fn words(&self) -> String {
        match self {
            Said::Is(name, ty, _) | Said::In(name, ty, _) => format!("`{name}` is {}", type_words(*ty)),
            Said::Declared(name, ty) => format!("`{name}` is declared as {}", type_words(*ty)),
            Said::Words(words) => words.clone().into_owned(),
        }
    }
}

/// A dimension in words.
pub(crate) fn dim_words(dim: Dim) -> String {
    units::describe(dim)
}

/// The quantity 1 of the unit that turns amounts of `found` into amounts of `needed`: `1 MOhm`, `1 mV/nS`, `1/ms`.
pub(crate) fn one_per(needed: Dim, found: Dim) -> String {
    let factor = needed.div(found);
    let whole = dim_words(factor);
    if factor == Dim::frequency() {
        "1/ms".to_owned()
    } else if whole.contains(['*', '/', '^']) && !found.is_none() && !needed.is_none() {
        let found = dim_words(found);
        let below = if found.contains(['*', '/']) { format!("({found})") } else { found };
        format!("1 {}/{below}", dim_words(needed))
    } else if needed.is_none() {
        format!("1/{whole}", whole = dim_words(found))
    } else {
        format!("1 {whole}")
    }
}

/// A type in words: "mV", "a bare number", "a whole number", "a truth value".
pub(crate) fn type_words(ty: Type) -> String {
    match ty {
        Type::Real(d) => dim_words(d),
        Type::Int => "a whole number".to_owned(),
        Type::Bool => "a truth value".to_owned(),
    }
}

/// What is missing between two dimensions, in words; `None` when nothing simple would help.
fn missing(found: Dim, needed: Dim) -> Option<String> {
    let factor = needed.div(found);
    if factor == Dim::NONE.div(Dim::TIME) {
        return Some("divide by a time, such as a time constant `tau`".to_owned());
    }
    // White noise: s^-1/2.
    if factor.mul(factor) == Dim::TIME {
        return Some("noise needs the square root of a time: `tau * dv/dt = -v + sigma*sqrt(2*tau)*xi`".to_owned());
    }
    if factor.mul(factor) == Dim::NONE.div(Dim::TIME) {
        return Some("noise needs the square root of a rate: `dv/dt = -v/tau + sigma*sqrt(2/tau)*xi`".to_owned());
    }
    if factor == Dim::TIME {
        return Some("multiply by a time, or remove a division by one".to_owned());
    }
    let resistance = Dim::VOLTAGE.div(Dim::CURRENT);
    if factor == resistance {
        return Some("multiply by a resistance (MOhm), or divide by a conductance (nS)".to_owned());
    }
    if factor == Dim::NONE.div(resistance) {
        return Some("multiply by a conductance (nS), or divide by a resistance".to_owned());
    }
    if factor == Dim::CURRENT.mul(Dim::TIME).div(Dim::VOLTAGE) {
        return Some("multiply by a capacitance (pF)".to_owned());
    }
    if factor == Dim::VOLTAGE.div(Dim::CURRENT.mul(Dim::TIME)) {
        return Some("divide by a capacitance (pF)".to_owned());
    }
    if found.is_none() || needed.is_none() {
        let (what, unit) = if found.is_none() { ("multiply by", needed) } else { ("divide by", found) };
        return Some(format!("{what} a quantity in {}", dim_words(unit)));
    }
    // A period where a rate is needed, a resistance where a conductance is.
    if found.mul(needed).is_none() {
        return Some("write its inverse: `1 / (…)`".to_owned());
    }
    Some(format!("a factor of {} is missing", dim_words(factor)))
}

/// Adds what is known of where an operand's unit comes from.
fn with_origin(d: Diagnostic, t: &Typed) -> Diagnostic {
    match &t.origin {
        Some((span, said)) => d.also(*span, said.words()),
        None => d,
    }
}

/// How the help begins that is about a declaration without unit.
const GIVE: &str = "give `";

/// Where a variable or constant without a unit is declared that a value consists of, and its name.
fn without_unit(t: &Typed) -> Option<(Span, &str)> {
    match &t.origin {
        Some((span, Said::Is(name, ty, _))) if *ty != Type::Bool && ty.dim().is_none() => Some((*span, name)),
        _ => None,
    }
}

/// Whether a fault is another consequence of a declaration without unit that an operand or an equation has shown before.
pub(crate) fn follows(d: &Diagnostic, before: &[Diagnostic]) -> bool {
    use Code::{E0201, E0202, E0204, E0205};
    let bare = |text: &str| text.ends_with("` is a number without unit") || text.ends_with("` is a whole number");
    let shown = |o: &Diagnostic, at: Span| o.secondary.iter().any(|l| l.span == at && bare(&l.text));
    matches!(d.code, E0201 | E0202 | E0204 | E0205)
        && d.secondary
            .iter()
            .filter(|l| bare(&l.text))
            .any(|l| before.iter().any(|o| o.helps.iter().any(|h| h.starts_with(GIVE)) && shown(o, l.span)))
}

/// A declaration that would remove a fault if it had another unit.
#[derive(Debug, Clone)]
pub(crate) struct Blame {
    /// The declaration.
    declared: Span,
    name: String,
    /// The unit that would fit.
    wanted: Dim,
    /// The fault.
    pub(crate) at: Span,
}

impl Blame {
    /// Of a declaration whose unit is wrong by a time; any other factor is more likely missing where the value is used.
    fn of(origin: Option<(Span, &Said<'_>)>, factor: Dim, at: Span) -> Option<Self> {
        let Some((declared, Said::Is(name, Type::Real(dim), _) | Said::In(name, Type::Real(dim), _))) = origin else {
            return None;
        };
        let by_time = factor == Dim::TIME || factor == Dim::frequency();
        (by_time && !dim.is_none()).then(|| Self { declared, name: name.to_string(), wanted: dim.mul(factor), at })
    }

    /// Whether both want the same of the same declaration.
    pub(crate) fn same(&self, other: &Self) -> bool {
        (self.declared, self.wanted) == (other.declared, other.wanted)
    }

    /// Shows another place that wants the same with the first fault.
    pub(crate) fn join(&self, first: &mut Diagnostic, at: Span) {
        const SAME: &str = "and here";
        // A third place tells nothing new.
        if first.secondary.iter().any(|l| l.text == SAME) {
            return;
        }
        let unit = rate_words(self.wanted);
        let known = format!("this is {}", dim_words(self.wanted));
        first.secondary.retain(|l| l.text != known);
        first.secondary.push(Label { span: at, text: SAME.to_owned() });
        first.helps = vec![format!("if `{}` is {unit}, declare it so: then both places fit", self.name)];
    }
}

/// What an operator's operands of different units may be due to.
pub(crate) fn operands_blame(l: &Typed, r: &Typed, at: Span) -> Vec<Blame> {
    let side = |t: &Typed, other: &Typed| {
        let origin = t.origin.as_ref().map(|(span, said)| (*span, said));
        Blame::of(origin, other.dim().div(t.dim()), at)
    };
    side(r, l).into_iter().chain(side(l, r)).collect()
}

/// What a value of the wrong unit for the place of a variable may be due to.
pub(crate) fn place_blame(t: &Typed, ty: Type, because: Option<&(Span, Said<'_>)>) -> Vec<Blame> {
    let (at, factor) = (t.expr.span, t.dim().div(ty.dim()));
    let place = Blame::of(because.map(|(span, said)| (*span, said)), factor, at);
    let value = Blame::of(t.origin.as_ref().map(|(span, said)| (*span, said)), Dim::NONE.div(factor), at);
    place.into_iter().chain(value).collect()
}

/// What an equation of the wrong unit may be due to: its left side, per time and times its factor, should be `needed`.
pub(crate) fn derivative_blame(name: &str, var: Dim, declared: Span, needed: Dim, t: &Typed, at: Span) -> Vec<Blame> {
    let said = Said::is(name, Type::Real(var));
    Blame::of(Some((declared, &said)), t.dim().div(needed), at).into_iter().collect()
}

/// E0201 (or E0206 when one side is a number without a unit): operands of different dimensions.
pub(crate) fn operands(l: &Typed, r: &Typed, at: Span, what: &str) -> Diagnostic {
    for (number, other) in [(l, r), (r, l)] {
        if number.bare_literal && !other.dim().is_none() {
            // A variable by itself is spoken of in the unit in which it is declared.
            let own = other.origin.as_ref().filter(|_| matches!(other.expr.kind, ExprKind::Var(..)));
            let unit = own.and_then(|(_, said)| said.unit()).map_or_else(|| dim_words(other.dim()), str::to_owned);
            return bare(number, &unit, None).also(other.expr.span, format!("this is {unit}"));
        }
    }
    let (ld, rd) = (l.dim(), r.dim());
    let mut d = Diagnostic::new(
        Code::E0201,
        at,
        format!("{what} have different units: {} and {}", dim_words(ld), dim_words(rd)),
    )
    .also(l.expr.span, format!("this is {}", dim_words(ld)))
    .also(r.expr.span, format!("this is {}", dim_words(rd)));
    for (side, other) in [(l, rd), (r, ld)] {
        if side.dim().is_none()
            && let Some((_, name)) = without_unit(side)
        {
            let unit = dim_words(other);
            return with_origin(d, side).help(format!(
                "{GIVE}{name}` its unit, {unit}, where it is declared, or multiply it by a quantity in {unit}"
            ));
        }
    }
    // One declaration is enough to look at: that of the side the help is about.
    // The labels of both inside of a place that is underlined as a whole leave no room for it.
    let whole = at.start <= l.expr.span.start && r.expr.span.end <= at.end;
    if !whole {
        d = with_origin(d, if r.origin.is_some() { r } else { l });
    }
    match missing(rd, ld) {
        Some(m) => d.help(format!("to make the right side {}: {m}", dim_words(ld))),
        None => d,
    }
}

/// E0206: a number needs a unit.
fn bare(number: &Typed, unit: &str, what: Option<&dyn Display>) -> Diagnostic {
    let place = what.map_or_else(|| "this number".to_owned(), ToString::to_string);
    let d = Diagnostic::new(Code::E0206, number.expr.span, format!("{place} needs a unit: {unit}"));
    if let ExprKind::Const(x) = number.expr.kind
        && !unit.contains(['*', '/'])
    {
        let text = format!("{x} {unit}");
        return d.label("a number without a unit").help(format!("write `{text}`")).fix(number.expr.span, text);
    }
    d.label("a number without a unit").help(format!("give it a unit that makes it {unit}"))
}

/// E0205 (or E0206): a value of the wrong type for its place.
pub(crate) fn place(t: &Typed, ty: Type, what: &dyn Display, because: Option<(Span, Said<'_>)>) -> Diagnostic {
    let needed = type_words(ty);
    let add = |d: Diagnostic| match &because {
        Some((span, said)) => d.also(*span, said.words()),
        None => d,
    };
    if let Type::Real(dim) = ty
        && t.bare_literal
        && !dim.is_none()
    {
        let unit = because.as_ref().and_then(|(_, said)| said.unit()).map_or_else(|| dim_words(dim), str::to_owned);
        let d = bare(t, &unit, Some(what));
        return match &because {
            Some((span, Said::Is(name, ..) | Said::In(name, ..))) => d.also(*span, format!("`{name}` is {unit}")),
            _ => add(d),
        };
    }
    let d = Diagnostic::new(
        Code::E0205,
        t.expr.span,
        format!("{what} must be {needed}, but this is {}", type_words(t.expr.ty)),
    )
    .label(type_words(t.expr.ty));
    let d = add(with_origin(d, t));
    if let Some((_, Said::Is(name, ..) | Said::In(name, ..))) = &because
        && matches!((t.expr.ty, ty), (Type::Real(found), Type::Real(needed)) if needed.is_none() && !found.is_none())
        && what.to_string().starts_with("the value assigned")
    {
        let unit = dim_words(t.dim());
        return d
            .help(format!("{GIVE}{name}` its unit, {unit}, where it is declared, or divide by a quantity in {unit}"));
    }
    match (t.expr.ty, ty) {
        (Type::Real(_), Type::Int) => d.help("write a whole number, without a point"),
        (Type::Real(found), Type::Real(needed)) => match missing(found, needed) {
            Some(m) => d.help(m),
            None => d,
        },
        _ => d,
    }
}

/// E0203: a function of bare numbers.
pub(crate) fn bare_argument(function: &str, t: &Typed) -> Diagnostic {
    let found = dim_words(t.dim());
    let d = Diagnostic::new(Code::E0203, t.expr.span, format!("the argument of `{function}` must be a bare number"))
        .label(format!("this is {found}"));
    with_origin(d, t).help(format!("divide it by a quantity in {found}"))
}

/// E0202: a derivative of the wrong unit.
pub(crate) fn derivative(
    name: &str,
    var: Dim,
    left: Option<&Typed>,
    t: &Typed,
    declared: Span,
    at: Span,
) -> Diagnostic {
    let rate = var.div(Dim::TIME);
    let needed = left.map_or(rate, |c| c.dim().mul(rate));
    let found = t.dim();
    let written =
        if left.is_some() { format!("the left side, d{name}/dt times its factor,") } else { format!("d{name}/dt") };
    let d = Diagnostic::new(
        Code::E0202,
        at,
        format!("{written} is {}, but the right side is {}", rate_words(needed), dim_words(found)),
    )
    .label(dim_words(found))
    .also(declared, format!("`{name}` is {}", dim_words(var)));
    let factor = needed.div(found);
    let is_per_time = factor == Dim::NONE.div(Dim::TIME);
    if is_per_time
        && let Some(c) = left.filter(|c| c.dim().is_none())
        && let Some((_, tau)) = without_unit(c)
    {
        return with_origin(d, c)
            .help(format!("{GIVE}{tau}` the unit of a time where it is declared, such as `10 ms`"));
    }
    if is_per_time && left.is_some() {
        return d
            .help("the factor before the derivative must be longer by a time, such as a time constant `tau = 10 ms`");
    }
    if is_per_time {
        let rest = format!("`tau * d{name}/dt = …` with tau = 10 ms");
        return d.help(format!("divide by a time constant: {rest}"));
    }
    match missing(found, needed) {
        Some(m) => d.help(m),
        None => d,
    }
}

/// A rate of change: `mV/ms`, and `1/ms` for bare numbers.
fn rate_words(dim: Dim) -> String {
    if dim == Dim::frequency() { "1/ms".to_owned() } else { dim_words(dim) }
}
