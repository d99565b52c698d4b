//! `snnc run --sweep NAME=A,B,C`: the whole run once for each value, or for each combination of values. What differs between the runs is
//! said wherever they are told apart: over their output, in their diagnostics, in the names of their folders and in the report.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::diag::Diagnostic;
use crate::script::outcome::{Outcome, ResultValue, show};
use crate::script::tensor::Value;

/// As many runs as one command line may ask for.
const MOST_RUNS: usize = 10_000;

/// `NAME=A,B,C`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sweep {
    name: String,
    values: Vec<String>,
}

/// What one run has beside `--set`: a value for each name that is swept. Empty where nothing is.
pub(super) type Setting = Vec<(String, String)>;

/// Reads `NAME=A,B,C`. Commas in brackets belong to a value.
pub(super) fn sweep(text: &str) -> Result<Sweep, String> {
    let form = "it is not of the form NAME=A,B,C";
    let (name, list) = text.split_once('=').ok_or(form)?;
    let values = parts(list);
    let set = values.iter().map(|value| super::assignment(name, value)).collect::<Option<Vec<_>>>().ok_or(form)?;
    let mut seen = BTreeSet::new();
    if let Some((_, twice)) = set.iter().find(|(_, value)| !seen.insert(value)) {
        return Err(format!("the value `{twice}` stands twice"));
    }
    let name = set.first().ok_or(form)?.0.clone();
    Ok(Sweep { name, values: set.into_iter().map(|(_, value)| value).collect() })
}

/// Cuts at the commas outside of brackets.
fn parts(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut out) = (0_usize, 0, Vec::new());
    for (k, c) in list.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                out.push(list.get(start..k).unwrap_or_default());
                start = k + 1;
            }
            _ => {}
        }
    }
    out.push(list.get(start..).unwrap_or_default());
    out
}

/// Every combination of the values, the last sweep varying fastest; one empty setting if nothing is swept. What cannot be meant
/// is said: a name that has two sources of its value, or more runs than anybody waits for.
pub(super) fn settings(sweeps: &[Sweep], set: &[String]) -> Result<Vec<Setting>, String> {
    let mut names = BTreeSet::new();
    for s in sweeps {
        if !names.insert(s.name.as_str()) {
            return Err(format!("`{}` is swept twice; give all its values to one `--sweep`", s.name));
        }
        if set.iter().any(|text| text.split_once('=').is_some_and(|(name, _)| name.trim() == s.name)) {
            return Err(format!("`{0}` has a `--set` and a `--sweep`; leave out `--set {0}=…`", s.name));
        }
    }
    let runs = sweeps.iter().try_fold(1_usize, |n, s| n.checked_mul(s.values.len()).filter(|n| *n <= MOST_RUNS));
    if runs.is_none() {
        return Err(format!("these sweeps ask for more than {MOST_RUNS} runs"));
    }
    let mut out = vec![Setting::new()];
    for s in sweeps {
        let with =
            |setting: &Setting, value: &String| [setting.as_slice(), &[(s.name.clone(), value.clone())]].concat();
        out = out.iter().flat_map(|setting| s.values.iter().map(move |v| with(setting, v))).collect();
    }
    Ok(out)
}

/// `n = 5, drive = 40 mV`
pub(super) fn shown(setting: &Setting) -> String {
    setting.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ")
}

/// A folder for each run: `n=5,drive=40_mV`. What not every file system takes in a name is `_`; names that would be alike are numbered.
pub(super) fn folders(settings: &[Setting]) -> Vec<String> {
    const LONGEST: usize = 100;
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".+-_%".contains(c) { c } else { '_' };
    let mut taken = BTreeSet::new();
    let name = |setting: &Setting| {
        let parts = setting.iter().map(|(n, v)| format!("{n}={}", v.chars().map(plain).collect::<String>()));
        let mut name = parts.collect::<Vec<_>>().join(",");
        name.truncate(LONGEST);
        let first = name.clone();
        let mut k = 2;
        // Some file systems do not tell case.
        while !taken.insert(name.to_ascii_lowercase()) {
            name = format!("{first}_{k}");
            k += 1;
        }
        name
    };
    settings.iter().map(name).collect()
}

/// What checking says of each run, without repetition: what it says of all runs once and as it is, all else once with the runs
/// of which it is true.
pub(super) fn merged(settings: &[Setting], said: &[&[Diagnostic]]) -> Vec<(usize, Diagnostic)> {
    const NAMED: usize = 3;
    // Each with the runs that it is said of, in the order of the first of them.
    let mut told: Vec<(&Diagnostic, Vec<usize>)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (run, items) in said.iter().enumerate() {
        for d in *items {
            let place = *places.entry(format!("{d:?}")).or_insert(told.len());
            match told.get_mut(place) {
                Some((_, runs)) if runs.last() == Some(&run) => {}
                Some((_, runs)) => runs.push(run),
                None => told.push((d, vec![run])),
            }
        }
    }
    let with = |(d, runs): (&Diagnostic, Vec<usize>)| {
        let first = runs.first().copied().unwrap_or(0);
        if runs.len() == said.len() {
            return (first, d.clone());
        }
        let named: Vec<String> = runs.iter().take(NAMED).filter_map(|k| settings.get(*k)).map(shown).collect();
        let more = match runs.len() - named.len() {
            0 => String::new(),
            1 => ", and in 1 other".to_owned(),
            n => format!(", and in {n} others"),
        };
        (first, d.clone().note(format!("in the run with {}{more}", named.join("; with "))))
    };
    told.into_iter().map(with).collect()
}

/// The runs side by side: what was set, single values that were printed last under each name, and expectations.
pub(super) fn table(runs: &[(Setting, Outcome)]) -> String {
    let mut columns: Vec<&ResultValue> = Vec::new();
    let alike = |a: &ResultValue, b: &ResultValue| (&a.phase, &a.name, &a.unit) == (&b.phase, &b.name, &b.unit);
    for r in runs.iter().flat_map(|(_, o)| &o.results).filter(|r| single(&r.value)) {
        if !columns.iter().any(|c| alike(c, r)) {
            columns.push(r);
        }
    }
    let expects = runs.iter().any(|(_, o)| !o.expects.is_empty());
    let ended = |o: &Outcome| !o.phases.is_empty() && o.phases.iter().all(|p| p.finished);
    let faults = runs.iter().any(|(_, o)| !ended(o));

    let mut rows: Vec<Vec<String>> = Vec::new();
    let names = runs.first().into_iter().flat_map(|(s, _)| s.iter().map(|(name, _)| name.clone()));
    let heads = columns.iter().map(|c| {
        let phase = if columns.iter().any(|o| o.name == c.name && o.phase != c.phase) { &c.phase } else { "" };
        let dot = if phase.is_empty() { "" } else { "." };
        let unit = if c.unit.is_empty() { String::new() } else { format!(" ({})", c.unit) };
        format!("{phase}{dot}{}{unit}", c.name)
    });
    let mut head: Vec<String> = names.chain(heads).collect();
    head.extend(expects.then(|| "expectations".to_owned()));
    head.extend(faults.then(String::new));
    rows.push(head);
    for (setting, outcome) in runs {
        let mut row: Vec<String> = setting.iter().map(|(_, value)| value.clone()).collect();
        let last = |c: &ResultValue| outcome.results.iter().rev().find(|r| alike(c, r) && single(&r.value));
        row.extend(columns.iter().map(|c| last(c).map_or_else(|| "-".to_owned(), |r| show(&r.value))));
        if expects {
            let failed = outcome.expects.iter().filter(|e| !e.held).count();
            row.push(format!("{} held, {failed} failed", outcome.expects.len() - failed));
        }
        if faults {
            let word = match outcome {
                o if o.phases.is_empty() => "not started",
                o if ended(o) => "",
                _ => "not finished",
            };
            row.push(word.to_owned());
        }
        rows.push(row);
    }
    let width = |k: usize| rows.iter().filter_map(|r| r.get(k)).map(|t| t.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let mut s = String::from("\n");
    for row in &rows {
        let line: Vec<String> = row.iter().zip(&widths).map(|(text, w)| format!("{text:<w$}")).collect();
        let _ = writeln!(s, "{}", line.join("  ").trim_end());
    }
    s
}

fn single(value: &Value) -> bool {
    matches!(value, Value::Real(_) | Value::Int(_) | Value::Bool(_) | Value::Str(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Vec<Sweep> {
        texts.iter().map(|t| sweep(t).unwrap()).collect()
    }

    #[test]
    fn values_are_cut_at_commas_outside_of_brackets() {
        assert_eq!(sweep(" n = 1, 2 mV").unwrap(), Sweep { name: "n".into(), values: vec!["1".into(), "2 mV".into()] });
        assert_eq!(sweep("cells.r=[1 Hz, 2 Hz],max(1, 2)").unwrap().values, ["[1 Hz, 2 Hz]", "max(1, 2)"]);
        for text in ["n", "n=", "n=1,", "=1", "n=1,,2", "n m=1", "n=1;x"] {
            assert_eq!(sweep(text).unwrap_err(), "it is not of the form NAME=A,B,C", "{text}");
        }
        assert_eq!(sweep("n=1, 1").unwrap_err(), "the value `1` stands twice");
    }

    #[test]
    fn the_last_sweep_varies_fastest() {
        let all = settings(&of(&["a=1,2", "b=x,y"]), &[]).unwrap();
        let texts: Vec<String> = all.iter().map(shown).collect();
        assert_eq!(texts, ["a = 1, b = x", "a = 1, b = y", "a = 2, b = x", "a = 2, b = y"]);
        assert_eq!(settings(&[], &[]).unwrap(), [Setting::new()]);
    }

    #[test]
    fn a_name_has_one_source_and_runs_have_an_end() {
        let said = |texts: &[&str], set: &[&str]| {
            settings(&of(texts), &set.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()).unwrap_err()
        };
        assert!(said(&["a=1"], &["b=2", " a =1"]).contains("leave out `--set a=…`"));
        assert!(said(&["a=1", "a=2"], &[]).contains("`a` is swept twice"));
        let many = (0..101).map(|k| k.to_string()).collect::<Vec<_>>().join(",");
        assert!(said(&[&format!("a={many}"), &format!("b={many}")], &[]).contains("more than 10000 runs"));
    }

    #[test]
    fn every_run_has_a_folder_of_its_own_with_a_plain_name() {
        let names = |texts: &[&str]| folders(&settings(&of(texts), &[]).unwrap());
        assert_eq!(names(&["n=5,6", "tau=2 ms"]), ["n=5,tau=2_ms", "n=6,tau=2_ms"]);
        assert_eq!(names(&["x=1/2,1*2,1^2"]), ["x=1_2", "x=1_2_2", "x=1_2_3"]);
        assert_eq!(names(&["x=a/../b,A/../b"]), ["x=a_.._b", "x=A_.._b_2"]);
        let long = names(&[&format!("x={}1,{}2", "0".repeat(300), "0".repeat(300))]);
        assert!(long[0] != long[1] && long.iter().all(|n| n.len() < 110), "{long:?}");
    }

    #[test]
    fn what_is_said_of_all_runs_is_said_once() {
        use crate::diag::Code;
        let d = |text: &str| Diagnostic::without_span(Code::W0701, text);
        let settings = settings(&of(&["n=1,2,3,4,5,6"]), &[]).unwrap();
        let odd = [d("always"), d("odd")];
        let even = [d("always"), d("even"), d("many")];
        let said: Vec<&[Diagnostic]> = vec![&odd, &even, &even, &even, &even, &odd];
        let told = merged(&settings, &said);
        let texts: Vec<(usize, &str, Option<&str>)> =
            told.iter().map(|(k, d)| (*k, d.message.as_str(), d.notes.first().map(String::as_str))).collect();
        let even = Some("in the run with n = 2; with n = 3; with n = 4, and in 1 other");
        assert_eq!(
            texts,
            [
                (0, "always", None),
                (0, "odd", Some("in the run with n = 1; with n = 6")),
                (1, "even", even),
                (1, "many", even)
            ]
        );
    }
}
