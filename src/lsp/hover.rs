//! What is shown about the name under the cursor, as Markdown.

use gen_lsp_types as lsp;

use super::document::{FILE, Seen};
use super::names::{Def, Kind};
use crate::builtins::{Builtin, DimRule, Dist, Row};
use crate::diag::Code;
use crate::driver::vocabulary as words;
use crate::hir::{Expr, ExprKind, LetDecl, Model, Population, Type, VarDecl};
use crate::methods;
use crate::units;
use crate::{connect, driver};

/// What is known of the name at a byte.
pub(super) fn hover(seen: Seen<'_>, byte: usize) -> Option<lsp::Hover> {
    let (range, page) = match seen.names.at(byte) {
        Some((span, k)) => (span.range(), declared(seen, seen.names.defs.get(k)?)),
        None => {
            let (range, word) = seen.text.word(byte)?;
            if let Some((whole, k)) = derivative(seen, &range) {
                (whole, declared(seen, seen.names.defs.get(k)?))
            } else {
                let page = known(seen, range.clone(), word)?;
                (range, page)
            }
        }
    };
    let contents = lsp::MarkupContent { kind: lsp::MarkupKind::Markdown, value: page };
    Some(lsp::Hover { contents: contents.into(), range: Some(seen.text.range(range)) })
}

/// The state of a derivative `dv/dt` whose `d` or `dt` is a word, and where the derivative stands.
fn derivative(seen: Seen<'_>, word: &std::ops::Range<usize>) -> Option<(std::ops::Range<usize>, usize)> {
    let text = seen.text.as_str();
    let start = if text.get(word.end..)?.starts_with("/dt") {
        word.start
    } else {
        let before = text.get(..word.start)?.strip_suffix('/').filter(|_| text.get(word.clone()) == Some("dt"))?;
        before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len()
    };
    let (name, k) = seen.names.at(start + 1)?;
    let end = name.range().end + "/dt".len();
    (name.range().start == start + 1 && text.get(start..end)?.ends_with("/dt")).then_some((start..end, k))
}

/// The page of a declaration: its source, what the compiler found out, its documentation.
fn declared(seen: Seen<'_>, def: &Def) -> String {
    let lines = match def.kind {
        Kind::Neuron | Kind::Synapse => 60,
        Kind::Experiment | Kind::Procedure => 1,
        _ => 6,
    };
    let mut page =
        format!("```snn\n{}", if def.keyword.is_empty() { String::new() } else { format!("{} ", def.keyword) });
    page += &head(seen.source(def.whole), lines);
    if let Some(equation) = def.equation {
        page += &format!("\n{}", seen.source(equation));
    }
    page += "\n```\n";
    page += &format!("{}\n", fact(seen, def));
    if !def.doc.is_empty() {
        page += &format!("\n{}\n", def.doc);
    }
    page
}

/// The first lines of a text.
fn head(text: &str, lines: usize) -> String {
    let kept: Vec<&str> = text.lines().take(lines).collect();
    let more = if text.lines().count() > lines { " …" } else { "" };
    kept.join("\n") + more
}

/// One paragraph on a declaration.
fn fact(seen: Seen<'_>, def: &Def) -> String {
    let owner = def.owner.and_then(|o| seen.names.defs.get(o));
    let mut text = capital(def.kind.words());
    if let Some(owner) = owner {
        text += &format!(" of `{}`", owner.name);
        if let Some(unit) = seen.model.and_then(|m| unit(m, &owner.name, &def.name)) {
            text += &format!(", {unit}");
        }
        if let Some(value) = seen.model.and_then(|m| given(m, &owner.name, &def.name)) {
            text += &format!("; by default {value}");
        }
    } else if let Some(g) = seen.model.and_then(|m| m.globals.iter().find(|g| g.name == def.name)) {
        // Of a list only the first value is kept there; the declaration above shows all.
        let listed = |d: &Def| {
            let after = seen.text.as_str().get(d.span.end as usize..).unwrap_or("").split_once('=');
            after.is_some_and(|(_, value)| {
                value.trim_start().starts_with('[') || value.trim_start().starts_with("array(")
            })
        };
        if matches!(def.kind, Kind::Const | Kind::Param) && listed(def) {
            text += ", a list";
        } else if matches!(def.kind, Kind::Const | Kind::Param) {
            text += &format!(", {}", value(g.value, g.ty));
        }
    } else if def.span.file != FILE && seen.imported(def.span).is_none() {
        text += " of the prelude: every file can use it";
    }
    if let (Kind::Population, Some(model)) = (def.kind, seen.model)
        && let Some(p) = model.populations.iter().find(|p| p.name == def.name)
    {
        let neuron = model.neurons.get(p.model.index()).map_or("", |n| n.name.as_str());
        text += &format!(": {} × `{neuron}`", p.size());
    }
    if let Some(file) = seen.imported(def.span) {
        let name = file.name.rsplit(['/', '\\']).next().unwrap_or(&file.name);
        text += &format!(", from `{name}`");
    }
    text += ".";
    let Some(model) = seen.model else { return text };
    let of = |p: &Population| model.neurons.get(p.model.index()).map_or("", |n| n.name.as_str());
    let advances = match (def.kind, owner) {
        (Kind::Neuron, _) => driver::advances(model, |p| of(p) == def.name),
        (Kind::Population, _) => driver::advances(model, |p| p.name == def.name),
        (Kind::State, Some(owner)) => driver::advances(model, |p| of(p) == owner.name),
        _ => Vec::new(),
    };
    let mut told = Vec::new();
    for a in advances.iter().filter(|a| def.kind != Kind::State || a.states.contains(&def.name)) {
        let line = format!("Method `{}` for {}: {}.", a.method, a.states.join(", "), a.why);
        // Several populations of one model are usually advanced alike.
        if !told.contains(&line) {
            text += &format!("\n\n{line}");
            told.push(line);
        }
    }
    text
}

/// The variables and `let`s of a model, as far as the program uses it.
fn body<'a>(model: &'a Model, name: &str) -> Option<(&'a [VarDecl], &'a [LetDecl])> {
    let neuron = model.neurons.iter().find(|n| n.name == name).map(|n| (&*n.vars, &*n.lets));
    let synapse = || model.projections.iter().map(|p| &p.synapse).find(|s| s.name == name);
    neuron.or_else(|| synapse().map(|s| (&*s.vars, &*s.lets)))
}

/// The declaration of a variable in the checked model.
pub(super) fn variable<'a>(model: &'a Model, owner: &str, name: &str) -> Option<&'a VarDecl> {
    body(model, owner)?.0.iter().find(|v| v.name == name)
}

/// The unit of a variable or `let`, in words.
pub(super) fn unit(model: &Model, owner: &str, name: &str) -> Option<String> {
    if let Some(v) = variable(model, owner, name) {
        let named = !v.shown.name.is_empty();
        return Some(if named { format!("in {}", v.shown.name) } else { kind(v.ty) });
    }
    let l = body(model, owner)?.1.iter().find(|l| l.name == name)?;
    Some(kind(l.value.ty))
}

/// The default of a variable, where it is a number.
fn given(model: &Model, owner: &str, name: &str) -> Option<String> {
    let v = variable(model, owner, name)?;
    let constant = |e: &Expr| match e.kind {
        ExprKind::Const(x) => Some(x),
        _ => None,
    };
    let x = constant(v.init.as_ref()?)?;
    if v.shown.name.is_empty() {
        return Some(value(x, v.ty));
    }
    Some(format!("{} {}", units::number(x / v.shown.factor), v.shown.name))
}

fn kind(ty: Type) -> String {
    match ty {
        Type::Real(dim) if dim.is_none() => units::describe(dim),
        Type::Real(dim) => format!("in {}", units::describe(dim)),
        Type::Int => "a whole number".to_owned(),
        Type::Bool => "true or false".to_owned(),
    }
}

fn value(x: f64, ty: Type) -> String {
    match ty {
        Type::Bool => (x != 0.0).to_string(),
        Type::Int | Type::Real(_) => units::quantity(x, ty.dim()),
    }
}

/// The page of a word that no declaration of a file gives a meaning.
fn known(seen: Seen<'_>, range: std::ops::Range<usize>, word: &str) -> Option<String> {
    let text = seen.text.as_str();
    let before = text.get(..range.start).unwrap_or("").trim_end();
    let after = text.get(range.end..).unwrap_or("").trim_start();
    let follows = |keyword: &str| before.ends_with(keyword);
    if follows("method") {
        let m = methods::find(word)?;
        let order = match m.order {
            Some(n) => format!("its error falls with the time step to the power {n}"),
            None => "it has no error of discretisation".to_owned(),
        };
        return Some(format!("Integration method `{}`: {}; {order}.", m.name, m.about));
    }
    if follows("via") {
        let p = connect::lookup(word)?;
        let params: Vec<&str> = p.params().iter().map(|p| p.name).collect();
        return Some(format!("Connection rule `{}({})`.\n\n{}", p.name(), params.join(", "), p.about()));
    }
    let joined = text.get(..range.start).unwrap_or("");
    if joined.ends_with('.') && !joined.ends_with("..") {
        return words::about(words::MEMBERS, word).map(|about| format!("`.{word}`: {about}."));
    }
    if after.starts_with('(') {
        let own = || words::FUNCTIONS.iter().find(|(name, ..)| *name == word);
        return Builtin::named(word)
            .map(function)
            .or_else(|| {
                Dist::named(word).map(|d| format!("Distribution `{}({})`: {}.", d.name, d.params.join(", "), d.about))
            })
            .or_else(|| own().map(|(name, args, about)| format!("`{name}({args})`: {about}.")))
            .or_else(|| words::about(words::KEYWORDS, word).map(|about| format!("`{word}`: {about}.")));
    }
    // What is named in a call is no unit: `random(p = 0.1)`.
    if after.starts_with('=') && !after.starts_with("==") {
        return argument(before, word);
    }
    if let Some(code) = Code::ALL.iter().find(|c| c.name() == word) {
        return Some(format!("`{code}`: {}.\n\n`snnc explain {code}` shows an example.", code.summary()));
    }
    if let Some((_, about)) = GIVEN.iter().find(|(name, _)| *name == word) {
        return Some(format!("`{word}`: {about}."));
    }
    // A unit stands behind a number or a sign: `1/in` is no word.
    if let Some(about) = words::about(words::KEYWORDS, word) {
        return Some(format!("`{word}`: {about}."));
    }
    let unit = units::table::all().iter().find(|u| u.name == word)?;
    let shown = units::quantity(unit.def.scale(1.0), unit.def.dim);
    let same = if shown == format!("1 {word}") { String::new() } else { format!(": 1 {word} = {shown}") };
    Some(format!("Unit of {}{same}.", unit.measures))
}

/// What an argument or a setting is: `p = 0.1` of a rule, `delay = 1 ms`, `dt = 0.1 ms`.
fn argument(before: &str, word: &str) -> Option<String> {
    let start = before.rfind(['(', '{'])?;
    let callee = before.get(..start)?.trim_end();
    if before.get(start..)?.starts_with('{') {
        let about = words::about(words::SETTINGS, word).filter(|_| callee.ends_with("simulation"))?;
        return Some(format!("Setting `{word}`: {about}."));
    }
    let name = callee.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("");
    if let Some(p) = connect::lookup(name).and_then(|p| p.params().iter().find(|p| p.name == word)) {
        let kind = match p.kind {
            connect::ParamKind::Probability => "a probability",
            connect::ParamKind::Count => "a whole number",
            connect::ParamKind::Bool => "`true` or `false`",
            connect::ParamKind::Positive => "a number above 0",
            connect::ParamKind::EdgeFile => "the name of a file",
        };
        return Some(format!("`{word}` of the rule `{name}`: {kind}."));
    }
    let about = words::about(words::DELAYS, word).or_else(|| words::about(words::ARGUMENTS, word))?;
    Some(format!("`{word}`: {about}."))
}

/// The one line on a function.
pub(super) fn function(row: &Row) -> String {
    let rule = match row.rule {
        DimRule::Bare => "takes and gives numbers without unit",
        DimRule::Same => "the result has the unit of the arguments",
        DimRule::ToBare => "takes any unit and gives a number without",
        DimRule::Root => "the unit of the result is the square root of the argument's",
    };
    let args = ["x", "y", "z"].get(..row.args).unwrap_or_default().join(", ");
    format!("Function `{}({args})`: {}; {rule}.", row.name, row.about)
}

/// Names that models have without declaring them.
pub(super) const GIVEN: &[(&str, &str)] = &[
    ("t", "the time since the network began"),
    ("dt", "the time step"),
    ("i", "the index of the neuron; of the source in connections"),
    ("j", "the index of the target neuron in connections"),
    ("N", "the number of neurons of the population"),
    ("xi", "white noise of unit s^-1/2"),
    ("pi", "3.14159…"),
    ("inf", "infinity"),
    ("pre", "the neuron that a synapse comes from"),
    ("post", "the neuron that a synapse leads to"),
];

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}
