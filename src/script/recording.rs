//! What protocols record, save and load.
//!
//! Files are `.npz`. Keys are the written paths:
//! - `record E.spikes` gives `E.spikes.t` (ms) and `E.spikes.i` (indices in the whole population), in order of time, then index;
//! - `record E.v every 1 ms` gives `E.v` (axis 0: the samples; then the axes of the value) in its declared unit, and `E.v.t` (ms);
//! - `save("f.npz", XE.w)` gives `XE.w` in its declared unit and `XE.w.unit`, the unit's name as bytes of UTF-8.
//!
//! Values are sampled at the start of a step, so the sample at the end of a run is the first one of the next run. Nothing is
//! written but whole files; tests write none.

use std::path::{Path, PathBuf};

use crate::data::{NpyArray, NpyData, read_npz_some, write_atomically, write_npz};
use crate::diag::{Code, Diagnostic, Severity};
use crate::hir::{self, Role, VarId};
use crate::script::assign::{Source, assign_all};
use crate::script::eval::{Cx, Interp, Res, Stop, at, scaled};
use crate::script::expr::{bug, var_name};
use crate::script::host::{Effect, Host};
use crate::script::ir::{AssignOp, NamedVar, Record, Recorded};
use crate::script::machine::{Entity, Machine, VarKey};
use crate::script::metrics::position;
use crate::script::names::vars;
use crate::script::tensor::{Data, Tensor, Value, copy_values, describe};
use crate::source::Span;

/// A recording that is going on, or was.
#[derive(Debug, Clone)]
pub(crate) struct Active {
    record: Record,
    /// The step at which it started.
    start: u64,
    /// The step at which it ended.
    pub end: Option<u64>,
    /// Whether it stands in an experiment, with which it ends.
    pub in_body: bool,
    /// Locals as they were when it started.
    frame: Vec<Option<Value>>,
    /// The step sampled last.
    last: Option<u64>,
    times: Vec<f64>,
    /// For each item, its samples one after the other, and the shape of one.
    columns: Vec<(Vec<f64>, Vec<u64>)>,
}

/// The rows of a `log` file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Active {
    pub(crate) fn new(record: &Record, start: u64) -> Self {
        let columns = vec![(Vec::new(), Vec::new()); record.items.len()];
        Self {
            record: record.clone(),
            start,
            end: None,
            in_body: false,
            frame: Vec::new(),
            last: None,
            times: Vec::new(),
            columns,
        }
    }

    /// The same with the locals of the block in which it stands.
    pub(crate) fn with_locals(mut self, frame: &[Option<Value>]) -> Self {
        self.frame = frame.to_vec();
        self.in_body = true;
        self
    }

    pub(crate) fn wants_spikes(&self) -> bool {
        self.record.items.iter().any(|i| matches!(i.what, Recorded::Spikes(..)))
    }

    /// Whether values are sampled now.
    pub(crate) fn samples_values(&self) -> bool {
        self.end.is_none() && self.record.items.iter().any(|i| matches!(i.what, Recorded::Value { .. }))
    }

    /// Where it is written.
    pub(crate) fn span(&self) -> Span {
        self.record.span
    }
}

/// Samples what is due at step `now`; gives the number of steps until something is due again.
pub(crate) fn sample(interp: &mut Interp<'_, '_>, now: u64) -> Res<u64> {
    let dt = interp.machine.dt();
    let Some(host) = interp.host() else { return Ok(u64::MAX) };
    let mut all = std::mem::take(&mut host.active);
    let mut next = u64::MAX;
    let mut result = Ok(());
    for active in all.iter_mut().filter(|a| a.samples_values()) {
        let every = active.record.every_steps.max(1);
        let phase = now.saturating_sub(active.start) % every;
        if phase == 0 && active.last != Some(now) {
            active.last = Some(now);
            active.times.push(now as f64 * dt);
            let saved = std::mem::replace(&mut interp.frame, active.frame.clone());
            result = sample_one(interp, active);
            interp.frame = saved;
            if result.is_err() {
                break;
            }
        }
        next = next.min(every - phase);
    }
    if let Some(host) = interp.host() {
        host.active = all;
    }
    result.map(|()| next)
}

fn sample_one(interp: &mut Interp<'_, '_>, active: &mut Active) -> Res<()> {
    for (item, (column, shape)) in active.record.items.iter().zip(&mut active.columns) {
        let Recorded::Value { value, unit } = &item.what else { continue };
        let v = interp.eval(value)?;
        let values = v.to_f64s().ok_or_else(|| bug(item.span, "something that is no number is recorded"))?;
        *shape = v.shape().iter().map(|&n| n as u64).collect();
        column.extend(values.into_iter().map(|x| x / unit.factor));
    }
    Ok(())
}

impl Host<'_> {
    /// Where a file of the protocol goes.
    fn output_path(&self, path: &str) -> PathBuf {
        self.cx.env.out_dir.as_ref().map_or_else(|| PathBuf::from(path), |dir| dir.join(path))
    }

    /// A row of a `log` file.
    pub(crate) fn log(&mut self, path: &str, columns: Vec<String>, row: Vec<String>, span: Span) -> Res<()> {
        if self.in_test {
            self.warn(skipped("log", span));
            return Ok(());
        }
        let path = self.output_path(path);
        let table = self.tables.entry(path).or_default();
        if table.columns.is_empty() {
            table.columns = columns;
        } else if table.columns != columns {
            return Err(Stop::Fault(Box::new(
                Diagnostic::new(
                    Code::E0502,
                    span,
                    "this `log` has other columns than the rows before it in the same file",
                )
                .note(format!("before: {}", table.columns.join(", ")))
                .note(format!("now: {}", columns.join(", ")))
                .help("give it the same names, or another file"),
            )));
        }
        table.rows.push(row);
        Ok(())
    }
}

fn skipped(what: &str, span: Span) -> Diagnostic {
    let mut d = Diagnostic::new(Code::E0502, span, format!("tests write no files: this `{what}` is skipped"));
    d.severity = Severity::Note;
    d
}

/// Writes what was recorded and logged. A file that cannot be written does not keep the others from being written; the first fault
/// is given, the others are in the outcome.
pub(crate) fn finish(host: &mut Host<'_>, dt: f64) -> Result<(), Box<Diagnostic>> {
    if host.in_test {
        return Ok(());
    }
    let mut files: Vec<(PathBuf, Span, Vec<(String, NpyArray)>)> = Vec::new();
    for active in &host.active {
        let name = match &active.record.to {
            Some(name) => name.as_str(),
            None if host.cx.env.unnamed => "recordings.npz",
            None => continue,
        };
        let path = host.output_path(name);
        let arrays = arrays(host, active, dt);
        match files.iter_mut().find(|f| f.0 == path) {
            Some(file) => {
                for (key, array) in arrays {
                    let key = unused(&file.2, key);
                    file.2.push((key, array));
                }
            }
            None => files.push((path, active.span(), arrays)),
        }
    }
    let mut faults = Vec::new();
    for (path, span, arrays) in files {
        match prepare(&path).and_then(|()| write_npz(&path, &arrays)) {
            Ok(()) => host.outcome.files.push(path),
            Err(d) => faults.push(placed(d, span)),
        }
    }
    for (path, table) in std::mem::take(&mut host.tables) {
        let write = |f: &mut std::fs::File| {
            use std::io::Write;
            let mut text = csv(&table.columns);
            table.rows.iter().for_each(|r| text.push_str(&csv(r)));
            f.write_all(text.as_bytes())
        };
        match prepare(&path).and_then(|()| write_atomically(&path, write)) {
            Ok(()) => host.outcome.files.push(path),
            Err(d) => faults.push(Box::new(d)),
        }
    }
    let mut faults = faults.into_iter();
    let first = faults.next();
    host.outcome.diagnostics.extend(faults.map(|d| *d));
    first.map_or(Ok(()), Err)
}

fn placed(mut d: Diagnostic, span: Span) -> Box<Diagnostic> {
    if d.primary.is_none() {
        d.primary = Some(crate::diag::Label { span, text: String::new() });
    }
    Box::new(d)
}

/// One line of a table (RFC 4180).
fn csv(cells: &[String]) -> String {
    let quoted = cells.iter().map(|c| {
        if c.contains([',', '"', '\n', '\r']) { format!("\"{}\"", c.replace('"', "\"\"")) } else { c.clone() }
    });
    quoted.collect::<Vec<_>>().join(",") + "\n"
}

/// A key not yet in a file: a repeated one gets `#2`, `#3`, ….
fn unused(have: &[(String, NpyArray)], key: String) -> String {
    let taken = |k: &str| have.iter().any(|(h, _)| h == k);
    if !taken(&key) {
        return key;
    }
    (2..).map(|n| format!("{key}#{n}")).find(|k| !taken(k)).unwrap_or(key)
}

/// Makes the folder of a file.
fn prepare(path: &Path) -> Result<(), Diagnostic> {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => std::fs::create_dir_all(dir).map_err(|e| {
            Diagnostic::without_span(Code::E0801, format!("the folder `{}` cannot be made: {e}", dir.display()))
                .help("name another folder with `--out`")
        }),
        _ => Ok(()),
    }
}

fn arrays(host: &Host<'_>, active: &Active, dt: f64) -> Vec<(String, NpyArray)> {
    let mut out = Vec::new();
    for (item, (column, shape)) in active.record.items.iter().zip(&active.columns) {
        match &item.what {
            Recorded::Spikes(view, event) => {
                let log = host.log_of(view.pop, *event);
                let inside = |s: u64| s > active.start && active.end.is_none_or(|e| s <= e);
                let (t, i): (Vec<f64>, Vec<i64>) = log
                    .step
                    .iter()
                    .zip(&log.neuron)
                    .filter(|&(&s, &k)| inside(s) && position(view, k).is_some())
                    .map(|(&s, &k)| (s as f64 * dt, i64::from(k)))
                    .unzip();
                out.push((unused(&out, format!("{}.t", item.name)), NpyArray::vector(NpyData::F64(t))));
                out.push((unused(&out, format!("{}.i", item.name)), NpyArray::vector(NpyData::I64(i))));
            }
            Recorded::Value { .. } => {
                let mut all = vec![active.times.len() as u64];
                all.extend(shape);
                out.push((
                    unused(&out, item.name.clone()),
                    NpyArray { shape: all, data: NpyData::F64(column.clone()) },
                ));
                let t = NpyArray::vector(NpyData::F64(active.times.clone()));
                out.push((unused(&out, format!("{}.t", item.name)), t));
            }
        }
    }
    out
}

/// The shape in which a variable is saved.
fn shape_of(model: &hir::Model, key: VarKey, rows: usize, cols: usize) -> Vec<u64> {
    match key.entity {
        Entity::Pop(p) => model.populations[p.index()].shape.clone(),
        Entity::Proj(p) if crate::script::ir::is_dense(&model.projections[p.index()]) => vec![rows as u64, cols as u64],
        Entity::Proj(_) => vec![(rows * cols) as u64],
    }
}

/// `save("f.npz", XE.w)`
pub(crate) fn save(interp: &mut Interp<'_, '_>, path: &str, vars: &[NamedVar], span: Span) -> Res<()> {
    let mut arrays = Vec::with_capacity(2 * vars.len());
    for var in vars {
        let values = interp.machine.values(var.key);
        let shape = shape_of(interp.cx.model, var.key, values.rows, values.cols);
        let data = Value::from(Tensor::list(copy_values(&values)));
        let data = match scaled(&data, var.unit.factor).map_err(|m| bug(var.span, &m))? {
            Value::Tensor(t) => match t.data.clone() {
                Data::F64(v) => NpyData::F64(v),
                Data::F32(v) => NpyData::F32(v),
                Data::I64(v) => NpyData::I64(v),
                Data::Bool(v) => NpyData::Bool(v),
            },
            _ => return Err(bug(var.span, "a variable has no values")),
        };
        arrays.push((var.name.clone(), NpyArray { shape, data }));
        let unit = NpyArray::vector(NpyData::U8(var.unit.name.clone().into_bytes()));
        arrays.push((format!("{}.unit", var.name), unit));
    }
    let Some(host) = interp.host() else { return Err(bug(span, "a lane of a batch writes a file")) };
    if host.in_test {
        return host.apply(Effect::Warn(skipped("save", span)));
    }
    let path = host.output_path(path);
    prepare(&path).and_then(|()| write_npz(&path, &arrays)).map_err(|d| at(d, span))?;
    if !host.outcome.files.contains(&path) {
        host.outcome.files.push(path);
    }
    Ok(())
}

/// `load("f.npz", XE.w)`
pub(crate) fn load(interp: &mut Interp<'_, '_>, path: &str, vars: &[NamedVar], span: Span) -> Res<()> {
    let cx = interp.cx;
    let env = cx.env;
    // What this run saved goes before an older file of the same name.
    let candidates = [
        interp
            .host()
            .map(|h| h.output_path(path))
            .filter(|p| interp.host().is_some_and(|h| h.outcome.files.contains(p))),
        Some(env.model_dir.join(path)),
        Some(PathBuf::from(path)),
        env.out_dir.as_ref().map(|d| d.join(path)),
    ];
    let Some(found) = candidates.into_iter().flatten().find(|p| p.is_file()) else {
        return Err(Stop::Fault(Box::new(
            Diagnostic::new(Code::E0801, span, format!("the file `{path}` does not exist"))
                .note("looked in the model's folder, the current folder and that of `--out`"),
        )));
    };
    let wanted = |key: &str| vars.iter().any(|v| key == v.name || key.strip_suffix(".unit") == Some(v.name.as_str()));
    let file = read_npz_some(&found, wanted).map_err(|d| at(d, span))?;
    for var in vars {
        let Some(array) = file.get(&var.name) else {
            return Err(Stop::Fault(Box::new(
                Diagnostic::new(Code::E0803, var.span, format!("`{path}` holds no `{}`", var.name))
                    .help("save it with `save`, under the same path"),
            )));
        };
        let unit = unit_of(file.get(&format!("{}.unit", var.name)));
        restore(interp.machine, cx, var, array, unit.as_deref(), path)
            .map_err(|d| Stop::Fault(Box::new(at_var(d, var.span))))?;
    }
    Ok(())
}

fn at_var(mut d: Diagnostic, span: Span) -> Diagnostic {
    if d.primary.is_none() && span != Span::default() {
        d.primary = Some(crate::diag::Label { span, text: String::new() });
    }
    d
}

fn unit_of(array: Option<&NpyArray>) -> Option<String> {
    let bytes = array?.data.to_i64()?;
    String::from_utf8(bytes.into_iter().filter_map(|b| u8::try_from(b).ok()).collect()).ok()
}

/// Puts an array into a variable, after all checks.
fn restore(
    machine: &mut dyn Machine,
    cx: &Cx<'_>,
    var: &NamedVar,
    array: &NpyArray,
    unit: Option<&str>,
    path: &str,
) -> Result<(), Diagnostic> {
    put(machine, cx.model, var.key, (&var.name, &var.unit.name, var.unit.factor), array, unit, path)
}

fn put(
    machine: &mut dyn Machine,
    model: &hir::Model,
    key: VarKey,
    (name, shown, factor): (&str, &str, f64),
    array: &NpyArray,
    unit: Option<&str>,
    path: &str,
) -> Result<(), Diagnostic> {
    let misfit = |m: String| Diagnostic::without_span(Code::E0803, m);
    if unit.is_some_and(|u| u != shown) {
        let words = |u: &str| if u.is_empty() { "a bare number".to_owned() } else { u.to_owned() };
        return Err(misfit(format!(
            "`{name}` in `{path}` is in {}, and in this program in {}",
            words(unit.unwrap_or("")),
            words(shown)
        ))
        .help("load it with the model that saved it, or declare the same unit"));
    }
    let mut target = machine.values_mut(key)?;
    let here = shape_of(model, key, target.rows, target.cols);
    if array.shape != here {
        let words = |s: &[u64]| describe(&s.iter().map(|&n| n as usize).collect::<Vec<_>>());
        return Err(misfit(format!(
            "`{name}` in `{path}` has {}, and this network has {}",
            words(&array.shape),
            words(&here)
        ))
        .help("set the same sizes (`--set`), or train this network anew"));
    }
    let values: Vec<f64> = array.data.to_f64().into_iter().map(|x| x * factor).collect();
    if let Some(bad) = values.iter().find(|x| x.is_nan()) {
        return Err(misfit(format!("`{name}` in `{path}` holds values that are no numbers ({bad})")));
    }
    if let Some((lo, hi)) = target.bounds {
        // A value that was stored in single precision may lie a rounding beyond.
        let slack = 1e-6 * (hi - lo).abs().max(lo.abs()).max(hi.abs());
        if let Some(x) = values.iter().find(|&&x| x < lo - slack || x > hi + slack) {
            return Err(misfit(format!(
                "`{name}` in `{path}` holds {} {shown}, outside of its bounds",
                crate::script::outcome::number(x / factor)
            )));
        }
    }
    let data = match &array.data {
        NpyData::F32(v) if factor == 1.0 => Data::F32(v.clone()),
        _ => Data::F64(values),
    };
    let written = assign_all(&mut target, AssignOp::Set, Source::Full(&data));
    crate::script::delays::check(machine, model, key)?;
    machine.written(key);
    written.map_err(|_| misfit(format!("`{name}` in `{path}` does not fit")))
}

/// Loads all weights and learned variables that a saved file holds (`--load FILE`); gives their names. Arrays of the file that this
/// network has not are an error: it is another network's.
///
/// # Errors
/// `E0801`, `E0802`: the file cannot be read; `E0803`: it does not fit.
pub fn load_file(machine: &mut dyn Machine, model: &hir::Model, path: &Path) -> Result<Vec<String>, Diagnostic> {
    let file = read_npz_some(path, |_| true)?;
    let shown_path = path.display().to_string();
    let mut loaded = Vec::new();
    let mut keys = Vec::new();
    let populations = (0..model.populations.len() as u32).map(|p| Entity::Pop(hir::PopId(p)));
    let projections = (0..model.projections.len() as u32).map(|p| Entity::Proj(hir::ProjId(p)));
    for entity in populations.chain(projections) {
        keys.extend(vars(model, entity).unwrap_or(&[]).iter().enumerate().map(|(v, decl)| (entity, v, decl)));
    }
    for (name, array) in &file {
        if name.ends_with(".unit") {
            continue;
        }
        let of = |k: &&(Entity, usize, &hir::VarDecl)| {
            var_name(model, VarKey { entity: k.0, var: VarId(k.1 as u32) }) == *name
        };
        let Some((entity, v, decl)) = keys.iter().find(of) else {
            return Err(Diagnostic::without_span(
                Code::E0803,
                format!("`{shown_path}` holds `{name}`, which this network has not"),
            )
            .help("load it with the model that saved it"));
        };
        if !matches!(decl.role, Role::Weight | Role::Learned) {
            continue;
        }
        let key = VarKey { entity: *entity, var: VarId(*v as u32) };
        let unit = unit_of(file.get(&format!("{name}.unit")));
        put(machine, model, key, (name, &decl.shown.name, decl.shown.factor), array, unit.as_deref(), &shown_path)?;
        loaded.push(name.clone());
    }
    Ok(loaded)
}
