//! The spikes that sources play: from lists in the program or in files to ordered steps.

use std::sync::Arc;

use super::eval::{Env, eval};
use super::wiring::{Files, reals};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind, Listed, Model, Population};

/// The most spikes that one list may give.
const MOST: u64 = 1 << 28;

/// The spikes of a population, each with the number of its step (from 1) and its neuron, in this order; empty for populations that play
/// none. Two spikes of a neuron in one step are one.
///
/// # Errors
/// A file is missing, lists have different lengths, a time is not positive, or a neuron does not exist.
pub(super) fn spikes(model: &Model, population: &Population, files: &Files) -> Result<Arc<[(u64, u32)]>, Diagnostic> {
    let Some(play) = &population.play else { return Ok(Arc::from([])) };
    let times = numbers(&play.times, model, files)?;
    let ids = match &play.ids {
        Some(ids) => Some(numbers(ids, model, files)?),
        None => None,
    };
    if let Some(ids) = &ids
        && ids.len() != times.len()
    {
        return Err(Diagnostic::new(
            Code::E0405,
            play.span,
            format!("there are {} times, but {} neurons", times.len(), ids.len()),
        )
        .help("give one neuron for each time"));
    }
    let size = population.size();
    if ids.is_none() && (times.len() as u64).saturating_mul(size) > MOST {
        return Err(Diagnostic::new(
            Code::E0902,
            play.span,
            format!("{} spikes of each of {size} neurons are too many", times.len()),
        )
        .help("let one neuron play the list, and connect it to the others"));
    }
    let mut out = Vec::new();
    for (k, t) in times.iter().enumerate() {
        let step = (t / model.settings.dt).round();
        if !(1.0..9e15).contains(&step) {
            return Err(Diagnostic::new(Code::E0205, play.span, format!("a spike at {t} ms cannot be played"))
                .help("spikes happen at the end of time steps: their times are positive"));
        }
        match ids.as_ref().and_then(|ids| ids.get(k)) {
            Some(i) if *i >= 0.0 && *i < size as f64 && i.fract() == 0.0 => out.push((step as u64, *i as u32)),
            Some(i) => {
                return Err(Diagnostic::new(
                    Code::E0402,
                    play.span,
                    format!("there is no neuron {i}: `{}` has {size}", population.name),
                ));
            }
            None => out.extend((0..size).map(|i| (step as u64, i as u32))),
        }
    }
    out.sort_unstable();
    out.dedup();
    Ok(out.into())
}

fn numbers(list: &Listed, model: &Model, files: &Files) -> Result<Vec<f64>, Diagnostic> {
    let e = match list {
        Listed::Values(v) => return Ok(v.clone()),
        Listed::File(e) => e,
    };
    let mut arrays: Vec<(String, String, Vec<f64>)> = Vec::new();
    read(e, files, &mut arrays)?;
    let n = arrays.iter().map(|(.., v)| v.len()).max().unwrap_or(0);
    if let Some((_, key, v)) = arrays.iter().find(|(.., v)| v.len() != n) {
        return Err(Diagnostic::new(
            Code::E0405,
            e.span,
            format!("`{key}` has {} values, another array here has {n}", v.len()),
        ));
    }
    let value = |k: usize| {
        let env = Env {
            var: &|_, _| f64::NAN,
            other: &|_, _, _| f64::NAN,
            lets: &[],
            i: k as u64,
            j: 0,
            size: &|_| f64::NAN,
            dt: model.settings.dt,
            draws: None,
            array: &|path, key| {
                let found = arrays.iter().find(|(p, q, _)| p == path && q == key);
                found.and_then(|(.., v)| v.get(k)).copied().unwrap_or(f64::NAN)
            },
            edge: &|_| f64::NAN,
        };
        eval(e, &env)
    };
    Ok((0..n).map(value).collect())
}

fn read(e: &Expr, files: &Files, out: &mut Vec<(String, String, Vec<f64>)>) -> Result<(), Diagnostic> {
    if let ExprKind::FileArray { path, key } = &e.kind {
        let mut table = files.read(path, e.span)?;
        let names: Vec<String> = table.keys().map(|k| format!("`{k}`")).collect();
        let array = table.remove(key).ok_or_else(|| {
            Diagnostic::new(Code::E0802, e.span, format!("`{path}` has no array `{key}`"))
                .note(format!("it holds {}", names.join(", ")))
        })?;
        out.push((path.clone(), key.clone(), reals(&array)));
    }
    let mut result = Ok(());
    e.each_part(&mut |p| {
        if result.is_ok() {
            result = read(p, files, out);
        }
    });
    result
}
