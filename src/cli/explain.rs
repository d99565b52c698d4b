//! `snnc explain`: one page on a diagnostic code, a model of the prelude, a function, distribution, method, rule or unit, or a word of the
//! language.

use super::ExplainArgs;
use super::common::out;
use super::messages::Messages;
use crate::builtins::{Builtin, DISTS, DimRule, Dist, TABLE};
use crate::connect::{self, PATTERNS};
use crate::diag::{Code, Diagnostic};
use crate::driver::vocabulary;
use crate::methods::{self, METHODS};
use crate::sema::PRELUDE;
use crate::sema::misleading::built_in;
use crate::source::FileId;
use crate::syntax::{self, ast::ItemKind};
use crate::units::{self, nearest::nearest};

/// Prints the pages of all names; 1 if one is unknown.
pub(super) fn run(args: &ExplainArgs, messages: &Messages) -> u8 {
    let mut status = 0;
    for (k, name) in args.names.iter().enumerate() {
        if let Some(page) = page(name) {
            out(if k > 0 { "\n" } else { "" });
            out(page.trim_end());
            out("\n");
        } else {
            let message = format!("there is nothing called `{name}` to explain");
            let d = Diagnostic::without_span(Code::E0905, message);
            let names = names();
            let d = match nearest(name, names.iter().map(String::as_str)) {
                Some(near) => d.help(format!("did you mean `{near}`?")),
                None => d.note(
                    "codes, models of the prelude, functions, distributions, methods, rules, units and words of the language are explained",
                ),
            };
            messages.show_fault(&d);
            status = 1;
        }
    }
    status
}

/// Everything that can be explained.
fn names() -> Vec<String> {
    let codes = Code::ALL.iter().map(|c| c.name());
    let functions = TABLE.iter().map(|r| r.name).chain(DISTS.iter().map(|r| r.name));
    let rules = METHODS.iter().map(|m| m.name).chain(PATTERNS.iter().map(|p| p.name()));
    let mut out: Vec<String> = codes.chain(functions).chain(rules).map(str::to_owned).collect();
    let words = vocabulary::KEYWORDS.iter().map(|(n, _)| *n).chain(vocabulary::FUNCTIONS.iter().map(|(n, ..)| *n));
    out.extend(words.map(str::to_owned));
    out.extend(models().into_iter().map(|(name, _)| name));
    out.extend(units::table::all().iter().map(|u| u.name.clone()));
    out
}

/// The page of a name, as Markdown.
fn page(name: &str) -> Option<String> {
    let code = Code::ALL.iter().find(|c| c.name().eq_ignore_ascii_case(name)).map(|c| c.page().to_owned());
    code.or_else(|| model(name))
        .or_else(|| function(name))
        .or_else(|| distribution(name))
        .or_else(|| method(name))
        .or_else(|| rule(name))
        .or_else(|| word(name))
        .or_else(|| unit(name))
}

/// A word of the language, a function of protocols, a readout, a member or a setting.
fn word(name: &str) -> Option<String> {
    let page = |title: String, about: &str| format!("# {title}\n\n{}.\n", capital(about));
    let keyword =
        vocabulary::about(vocabulary::KEYWORDS, name).map(|a| page(format!("{name}: a word of the language"), a));
    let call = || {
        let (_, args, about) = vocabulary::FUNCTIONS.iter().find(|(n, ..)| *n == name)?;
        let readout = about.strip_prefix("a readout: ");
        let (kind, about) = readout.map_or(("a call of protocols", *about), |about| ("a readout", about));
        Some(page(format!("{name}({args}): {kind}"), about))
    };
    let told = |table, kind: &str| vocabulary::about(table, name).map(|a| page(format!("{name}: {kind}"), a));
    let named = || built_in(name, true).map(|a| page(format!("{name}: a name of the language"), a));
    keyword
        .or_else(call)
        .or_else(|| told(vocabulary::SETTINGS, "a setting of `simulation { … }`"))
        .or_else(named)
        .or_else(|| told(vocabulary::MEMBERS, "what populations, data sets or samples have (`X.…`)"))
        .or_else(|| told(vocabulary::DELAYS, "an argument of connections"))
}

/// The models of the prelude with their source, documentation included.
fn models() -> Vec<(String, String)> {
    let (tree, _) = syntax::parse(FileId(0), PRELUDE);
    let texts = syntax::split_items(PRELUDE);
    let mut out = Vec::new();
    for (item, range) in tree.items.iter().zip(texts) {
        if let ItemKind::Neuron(m) | ItemKind::Synapse(m) = &item.kind {
            let text = PRELUDE.get(range.doc_start..range.range.end).unwrap_or("");
            out.push((m.name.node.clone(), text.to_owned()));
        }
    }
    out
}

fn model(name: &str) -> Option<String> {
    let (_, source) = models().into_iter().find(|(n, _)| n == name)?;
    let kind = if source.lines().any(|l| l.starts_with("synapse ")) { "a synapse" } else { "a neuron" };
    let source = source.trim_end();
    Some(format!(
        "# {name}: {kind} of the prelude\n\nEvery file can use it; this is its source.\n\n```snn\n{source}\n```\n"
    ))
}

fn function(name: &str) -> Option<String> {
    let row = Builtin::named(name)?;
    let rule = match row.rule {
        DimRule::Bare => "Takes and gives bare numbers: divide a quantity by its scale first.",
        DimRule::Same => "All arguments have one unit, and the result has it too.",
        DimRule::ToBare => "Takes a quantity of any unit and gives a bare number.",
        DimRule::Root => "The unit of the result is the square root of the argument's.",
    };
    let args = ["x", "y", "z"].get(..row.args).unwrap_or_default().join(", ");
    let mut page = format!("# {name}({args}): a function\n\n{}. {rule}\n", capital(row.about));
    let points: &[f64] = if row.rule == DimRule::Root { &[0.0, 0.5, 1.0, 2.0] } else { &[-1.0, 0.0, 0.5, 2.0] };
    if row.args == 1 {
        page += "\n| x | value |\n|---|---|\n";
        for x in points {
            page += &format!("| {x} | {} |\n", row.builtin.eval(&[*x]));
        }
    }
    Some(page)
}

fn distribution(name: &str) -> Option<String> {
    let row = Dist::named(name)?;
    Some(format!(
        "# {name}({}): a distribution\n\n{}. It may stand in initial values, in arguments of populations and synapses, and in \
         protocols; never in an equation.\nThe draw depends on the seed, the variable and the neuron alone.\n",
        row.params.join(", "),
        capital(row.about)
    ))
}

fn method(name: &str) -> Option<String> {
    let m = methods::find(name)?;
    let order = match m.order {
        Some(n) => format!("Its error falls with the time step to the power {n}."),
        None => "It has no error of discretisation.".to_owned(),
    };
    Some(format!(
        "# {name}: an integration method\n\n{}. {order}\n\nWrite `method {name}` in a model to use it. Without a `method` the compiler \
         chooses; `snnc plan` says which and why.\n",
        capital(m.about)
    ))
}

fn rule(name: &str) -> Option<String> {
    let pattern = connect::lookup(name)?;
    let params: Vec<&str> = pattern.params().iter().map(|p| p.name).collect();
    let call = if params.is_empty() { name.to_owned() } else { format!("{name}({})", params.join(", ")) };
    Some(format!(
        "# {call}: a connection rule\n\n{}\n\nIt is used as `connect A -> B.x via {name}{} with static(w = …)`. A `where` restricts the \
         candidate pairs before the rule chooses.\n",
        pattern.about(),
        if params.is_empty() { "" } else { "(…)" },
    ))
}

fn unit(name: &str) -> Option<String> {
    let entry = units::table::all().iter().find(|u| u.name == name)?;
    let like = units::table::all().iter().filter(|u| u.measures == entry.measures).map(|u| format!("`{}`", u.name));
    let internal = units::show::number(entry.def.scale(1.0));
    let (one, shown) = (format!("1 {name}"), units::show::describe(entry.def.dim));
    Some(format!(
        "# {name}: a unit of {}\n\n{one} is {internal} in the unit that the compiler computes with ({shown}).\nUnits of the same kind: {}.\n",
        entry.measures,
        like.collect::<Vec<_>>().join(", ")
    ))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_named_has_a_page() {
        for name in names() {
            let page = page(&name).unwrap_or_default();
            assert!(page.starts_with("# ") && page.lines().count() >= 3, "{name}: {page}");
        }
    }

    #[test]
    fn pages_say_what_the_tables_say() {
        assert!(page("lif").unwrap().contains("neuron lif {"), "the source");
        assert!(page("lif").unwrap().contains("## A leaky integrate-and-fire neuron"), "its documentation");
        assert!(page("exprel").unwrap().contains("| 0 | 1 |"));
        assert!(page("exact").unwrap().contains("no error of discretisation"));
        assert!(page("random").unwrap().contains("random(p"));
        assert!(page("nS").unwrap().contains("unit of conductance"));
        assert!(page("e0101").unwrap().starts_with("# E0101"));
        assert!(page("no_such_name").is_none());
    }
}
