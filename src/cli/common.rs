//! What the commands share: streams, diagnostics, data sets for protocols.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::ModelArgs;
use super::messages::Messages;
use crate::data::{Dataset, Places};
use crate::diag::{Code, Diagnostic, Label, Severity};
use crate::driver::{Session, Settings};
use crate::hir::{DataId, DataSource, Model, Rule};
use crate::script::eval::DataAccess;
use crate::script::ir::Split;
use crate::script::tensor::{Data, SampleRef, Tensor};
use crate::source::Span;

/// Writes to stdout; a closed pipe ends nothing but the output.
pub(super) fn out(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Writes to stderr.
pub(super) fn err(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Whether a stream takes colours.
pub(super) fn color(terminal: bool) -> bool {
    terminal
        && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        && std::env::var("TERM").as_deref() != Ok("dumb")
}

/// The settings of the command line, or `None` once it is shown what is wrong with them.
pub(super) fn settings(args: &ModelArgs, messages: &Messages) -> Option<Settings> {
    let wrong = |text| messages.show_fault(&Diagnostic::without_span(Code::E0905, text));
    args.settings().map_err(wrong).ok()
}

/// Opens a model and shows what is wrong with it; `None` if it cannot be built.
pub(super) fn open(path: &Path, args: &ModelArgs, messages: &Messages) -> Option<Session> {
    let mut session = Session::open(path, &settings(args, messages)?);
    session.plan_only();
    messages.show(&session.sink.items, &session.sources);
    if session.failed() {
        messages.sum(&session.sink.items, path);
        return None;
    }
    Some(session)
}

/// The model files that paths name: a folder stands for every `.snn` file below it, in order of the paths, but for hidden
/// folders and links to folders.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Diagnostic> {
    let mut out = Vec::new();
    for path in paths {
        if !path.is_dir() {
            out.push(path.clone());
            continue;
        }
        let before = out.len();
        let mut folders = vec![path.clone()];
        while let Some(folder) = folders.pop() {
            let fault = |e: std::io::Error| {
                Diagnostic::without_span(Code::E0801, format!("cannot read the folder `{}`: {e}", folder.display()))
            };
            for entry in std::fs::read_dir(&folder).map_err(fault)? {
                let entry = entry.map_err(fault)?;
                let kind = entry.file_type().map_err(fault)?;
                let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                if kind.is_dir() && !hidden {
                    folders.push(entry.path());
                } else if !kind.is_dir() && entry.path().extension().is_some_and(|e| e == "snn") {
                    out.push(entry.path());
                }
            }
        }
        if out.len() == before {
            let d =
                Diagnostic::without_span(Code::E0801, format!("the folder `{}` holds no .snn file", path.display()));
            return Err(d.help("name a model file, or a folder with model files"));
        }
        out.get_mut(before..).unwrap_or_default().sort();
    }
    Ok(out)
}

/// Replaces the text of a source file as a whole, keeping its permissions; a link stays one, and its file is written.
pub(super) fn rewrite(path: &Path, text: &str) -> Result<(), Diagnostic> {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let permissions = std::fs::metadata(&target).ok().map(|m| m.permissions());
    if permissions.as_ref().is_some_and(std::fs::Permissions::readonly) {
        return Err(Diagnostic::without_span(Code::E0801, format!("`{}` is read-only", path.display())));
    }
    crate::data::write_atomically(&target, |file| {
        file.write_all(text.as_bytes())?;
        permissions.map_or(Ok(()), |p| file.set_permissions(p))
    })
}

/// "2 errors, 1 warning in FILE"
pub(super) fn tally(items: &[Diagnostic], path: &Path) -> String {
    let count = |s: Severity| items.iter().filter(|d| d.severity == s).count();
    let words = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let (e, w) = (count(Severity::Error), count(Severity::Warning));
    match (e, w) {
        (0, 0) => format!("{}: no problems", path.display()),
        (0, w) => format!("{} in {}", words(w, "warning"), path.display()),
        (e, 0) => format!("{} in {}", words(e, "error"), path.display()),
        (e, w) => format!("{}, {} in {}", words(e, "error"), words(w, "warning"), path.display()),
    }
}

pub(super) use crate::driver::threads;

/// The data sets of a model, opened when first read.
pub(super) struct Sets {
    sets: Vec<OnceLock<Result<Box<dyn Dataset>, Diagnostic>>>,
    sources: Vec<(DataSource, Span)>,
    places: Places,
}

impl Sets {
    pub(super) fn new(model: &Model, model_dir: PathBuf, data_dir: Option<PathBuf>) -> Self {
        Self {
            sets: model.data.iter().map(|_| OnceLock::new()).collect(),
            sources: model.data.iter().map(|d| (d.source.clone(), d.span)).collect(),
            places: Places {
                model_dir: Some(model_dir),
                data_dir,
                current_dir: std::env::current_dir().unwrap_or_default(),
            },
        }
    }

    /// Whether they are the data sets of this model too.
    pub(super) fn are_of(&self, model: &Model) -> bool {
        self.sources.iter().map(|(source, _)| source).eq(model.data.iter().map(|d| &d.source))
    }

    /// Notes on what the model names and is not there; nothing is read.
    pub(super) fn missing(&self, model: &Model) -> Vec<Diagnostic> {
        let sets = self.sources.iter().filter_map(|(source, span)| {
            let (name, arguments) = source.call();
            crate::data::lookup(name)?.open(&arguments, &self.places).err().map(|d| (d, *span))
        });
        let edges = model.projections.iter().filter_map(|p| match &p.rule {
            Rule::Edges { path, .. } => self.places.find(path).err().map(|d| (d, p.span)),
            _ => None,
        });
        sets.chain(edges)
            .map(|(d, span)| {
                let label = Label { span, text: "needed when the model runs".to_owned() };
                Diagnostic { primary: Some(label), severity: Severity::Note, ..d }
            })
            .collect()
    }

    fn split(&self, data: DataId, split: Split) -> Result<&crate::data::Split, Diagnostic> {
        let (source, span) = &self.sources[data.index()];
        let at = |mut d: Diagnostic| {
            if d.primary.is_none() {
                d.primary = Some(Label { span: *span, text: "this data set".to_owned() });
            }
            d
        };
        let set = self.sets[data.index()].get_or_init(|| {
            let (name, arguments) = source.call();
            let source = crate::data::lookup(name).ok_or_else(|| {
                Diagnostic::without_span(Code::E0900, format!("a bug in snnc: there is no data set `{name}`"))
            })?;
            source.open(&arguments, &self.places)
        });
        match set {
            Ok(set) => set.split(split.name()).map_err(at),
            Err(d) => Err(at(d.clone())),
        }
    }

    fn named(&self, sample: SampleRef, name: &str) -> Result<crate::data::View<'_>, Diagnostic> {
        let split = self.split(sample.data, sample.split)?;
        let field = split.schema().field(name);
        field.and_then(|f| split.view(f, sample.index)).ok_or_else(|| {
            Diagnostic::new(
                Code::E0504,
                self.sources[sample.data.index()].1,
                format!("the data set has no `{name}` for sample {}", sample.index),
            )
        })
    }
}

impl DataAccess for Sets {
    fn samples(&self, data: DataId, split: Split) -> Result<usize, Diagnostic> {
        Ok(self.split(data, split)?.len())
    }

    fn image(&self, sample: SampleRef) -> Result<Tensor, Diagnostic> {
        let mut values = Vec::new();
        self.named(sample, "image")?.write_f32(&mut values);
        let n = values.len();
        let shape = if n == 784 { vec![28, 28] } else { vec![n] };
        Tensor::new(shape, Data::F32(values))
            .ok_or_else(|| Diagnostic::without_span(Code::E0900, "a bug in snnc: an image of the wrong shape"))
    }

    fn label(&self, sample: SampleRef) -> Result<i64, Diagnostic> {
        self.named(sample, "label")?.int().ok_or_else(|| {
            Diagnostic::new(Code::E0802, self.sources[sample.data.index()].1, "a label is not a whole number")
        })
    }

    fn field(&self, sample: SampleRef, name: &str, out: &mut Vec<f64>) -> Result<(), Diagnostic> {
        self.named(sample, name)?.write_f64(out);
        Ok(())
    }
}

/// Names known, for suggestions.
pub(super) fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Diagnostic {
    let d = Diagnostic::without_span(Code::E0905, format!("there is no {what} `{name}`"));
    match crate::units::nearest::nearest(name, known.clone()) {
        Some(n) => d.help(format!("did you mean `{n}`?")),
        // A long list helps nobody.
        None if known.clone().count() > 20 => d,
        None => d.note(format!("there are {}", known.map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", "))),
    }
}

/// Peak memory of this process in MiB, where the system tells it.
pub(super) fn peak_rss_mb() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<f64>().ok().map(|k| (k / 1024.0 * 10.0).round() / 10.0)
}

/// Counts by name, for reports that are equal for equal runs.
pub(super) type Counts = BTreeMap<String, u64>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_stand_for_the_models_below_them_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["b", ".hidden", "empty"] {
            std::fs::create_dir(at(folder)).unwrap();
        }
        for file in ["c.snn", "a.snn", "b/x.snn", "b/y.txt", ".hidden/z.snn"] {
            std::fs::write(at(file), "").unwrap();
        }
        let found = files(&[at("c.snn"), dir.path().to_owned()]).unwrap();
        assert_eq!(found, [at("c.snn"), at("a.snn"), at("b/x.snn"), at("c.snn")]);
        assert_eq!(files(&[at("empty")]).unwrap_err().code, Code::E0801);
        assert_eq!(files(&[at("missing.snn")]).unwrap(), [at("missing.snn")], "reading it says what is wrong");
    }

    #[cfg(unix)]
    #[test]
    fn rewriting_keeps_permissions_and_links() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("a.snn"), dir.path().join("link.snn"));
        std::fs::write(&file, "x").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        rewrite(&link, "y").unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "y");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o440)).unwrap();
        assert_eq!(rewrite(&file, "z").unwrap_err().code, Code::E0801);
    }
}
