//! `snnc phase`

use std::io::Write;
use std::path::Path;

use super::common::out;
use super::messages::Messages;
use super::{PhaseArgs, assignments};
use crate::data::write_atomically;
use crate::diag::{Code, Diagnostic};
use crate::driver::{Session, Settings, read};
use crate::phase::fixed::{FixedPoint, fixed_on_line, fixed_points};
use crate::phase::window::{self, Window};
use crate::phase::{Plane, nullcline, table};
use crate::source::SourceMap;
use crate::units::show::number;

/// Writes the phase plane of a neuron and says what is in it.
pub(super) fn run(args: &PhaseArgs, messages: &Messages) -> u8 {
    let failed = |faults: &[Diagnostic], sources: &SourceMap| {
        messages.show(faults, sources);
        1
    };
    let set = match assignments(&args.set) {
        Ok(set) => set,
        Err(text) => return failed(&[Diagnostic::without_span(Code::E0905, text)], &SourceMap::default()),
    };
    let text = match read(&args.model) {
        Ok(text) => text,
        Err(d) => return failed(&[d], &SourceMap::default()),
    };
    let settings = Settings { set, ..Settings::default() };
    let (session, probe) = Session::with_neuron(&args.model, &text, &args.neuron, &settings);
    let Some(model) = session.model.as_ref().filter(|_| !session.failed()) else {
        failed(&session.sink.items, &session.sources);
        messages.sum(&session.sink.items, &args.model);
        return 1;
    };
    let Some(population) = model.populations.iter().find(|p| p.name == probe) else {
        let d = Diagnostic::without_span(Code::E0900, "a bug in snnc: the neuron to draw is not in the model");
        return failed(&[d], &session.sources);
    };
    let plane = match Plane::new(model, population, args.x.as_deref(), args.y.as_deref()) {
        Ok(plane) => plane,
        Err(faults) => return failed(&faults, &session.sources),
    };
    match write(args, &plane) {
        Ok(text) => {
            out(&text);
            0
        }
        Err(d) => failed(&[d], &session.sources),
    }
}

/// Computes everything, writes the files, and gives the words for stdout.
fn write(args: &PhaseArgs, plane: &Plane) -> Result<String, Diagnostic> {
    let given = |text: &Option<String>, option: &str, axis: Option<&crate::phase::Axis>| match (text, axis) {
        (Some(_), None) => {
            Err(Diagnostic::without_span(Code::E0905, format!("`{option}` has no meaning for one equation"))
                .note("its derivative is drawn over the state, as high as it is"))
        }
        (Some(text), Some(axis)) => window::parse(text, option, axis).map(Some),
        (None, _) => Ok(None),
    };
    let across = given(&args.x_range, "--x-range", Some(&plane.x))?;
    let up = given(&args.y_range, "--y-range", plane.y.as_ref())?;
    let window = Window::new(plane, across, up);
    let points = args.grid as usize;
    let (curves, found, lost) = if plane.y.is_some() {
        let curves = [0, 1].map(|k| nullcline::nullclines(plane, &window, k));
        let (found, lost) = fixed_points(plane, &window, &curves[0]);
        (curves, found, lost)
    } else {
        ([Vec::new(), Vec::new()], fixed_on_line(plane, &window), 0)
    };
    let mut text = head(&args.neuron, plane, &window);
    for f in &found {
        text += &fixed_words(plane, f);
    }
    if found.is_empty() {
        text += "no fixed point in this range\n";
    }
    if lost > 0 {
        text += &format!("the nullclines also cross {lost} times where no fixed point could be found (a jump?)\n");
    }
    let folder = args.out.as_deref().unwrap_or(Path::new(""));
    if let Some(dir) = &args.out {
        std::fs::create_dir_all(dir).map_err(|e| {
            Diagnostic::without_span(Code::E0801, format!("cannot make the folder `{}`: {e}", dir.display()))
        })?;
    }
    let mut files = vec![("field.csv", table::field(plane, &window, points))];
    if plane.y.is_some() {
        files.push(("nullclines.csv", table::nullclines(plane, &curves)));
    }
    files.push(("fixed_points.csv", table::fixed_points(plane, &found)));
    #[cfg(feature = "plot")]
    files.push((
        "phase.svg",
        crate::phase::draw::svg(plane, &args.neuron, &window, &curves, &found, points)
            .map_err(|e| Diagnostic::without_span(Code::E0900, format!("a bug in snnc: the drawing failed: {e}")))?,
    ));
    let mut names = Vec::new();
    for (what, content) in files {
        let path = folder.join(format!("{}_{what}", args.neuron));
        write_atomically(&path, |file| file.write_all(content.as_bytes()))?;
        names.push(path.display().to_string());
    }
    text += &format!("written: {}\n", names.join(", "));
    if !cfg!(feature = "plot") {
        text += "this build draws no pictures\n";
    }
    Ok(text)
}

/// What is drawn, and what stands still meanwhile.
fn head(neuron: &str, plane: &Plane, window: &Window) -> String {
    let range = |axis: &crate::phase::Axis, (lo, hi): (f64, f64)| {
        let (lo, hi) = (number(lo / axis.unit.factor), number(hi / axis.unit.factor));
        format!("{} from {lo} to {hi} {}", axis.name, axis.unit.name).trim_end().to_owned()
    };
    let list = |values: &[(String, String)]| {
        values.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ")
    };
    let mut text = format!("{neuron}: {}", range(&plane.x, window.x));
    text += &match &plane.y {
        Some(y) => format!(" across, {} up\n", range(y, window.y)),
        None => format!(" across, d{}/dt up\n", plane.x.name),
    };
    if !plane.given.is_empty() {
        text += &format!("with {}\n", list(&plane.given));
    }
    if !plane.held.is_empty() {
        text += &format!("held at their initial values: {}\n", list(&plane.held));
    }
    for note in &plane.notes {
        text += &format!("{note}\n");
    }
    text
}

fn fixed_words(plane: &Plane, f: &FixedPoint) -> String {
    let mut at = format!("{} = {}", plane.x.name, plane.x.quantity(f.at[0]));
    if let Some(y) = &plane.y {
        at += &format!(", {} = {}", y.name, y.quantity(f.at[1]));
    }
    let values: Vec<String> = match f.eigenvalues.as_slice() {
        [_, [re, im]] if *im != 0.0 => vec![format!("{} ± {}i", number(*re), number(im.abs()))],
        all => all.iter().map(|[re, _]| number(*re)).collect(),
    };
    let word = if f.eigenvalues.len() == 1 { "slope" } else { "eigenvalues" };
    let kind = if plane.y.is_none() { f.kind.name().trim_end_matches(" node") } else { f.kind.name() };
    format!("fixed point at {at}: {kind}, {word} {} per ms\n", values.join(" and "))
}
