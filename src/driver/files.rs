//! The files that a model names and that are read before it is checked: imported sources, and what is in the headers of data sets.

use std::path::{Path, PathBuf};

use crate::data::{self, Places};
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{DataSchema, SampleField};
use crate::runtime::wiring::{Files, reals};
use crate::sema::qualify::{self, Part};
use crate::sema::{self, ArrayReader, Schemas};
use crate::source::{FileId, SourceMap, Span};
use crate::syntax::{self, ast};

/// The most files that a model may import, directly or not.
const MOST: usize = 256;

/// Files that have been read, and those whose imports are being read.
struct Imports<'a> {
    sources: &'a mut SourceMap,
    sink: &'a mut Sink,
    /// By canonical path: every file is taken once. In the order of `parts`.
    done: Vec<PathBuf>,
    parts: Vec<Part>,
    /// The files around the present one, outermost first, with their names as written.
    open: Vec<(PathBuf, String)>,
    /// All declarations, each with the number of its file.
    items: Vec<(usize, ast::Item)>,
}

/// The model with the declarations of the files that it imports, each file's where it is first imported, under full names. Experiments, tests
/// and settings of an imported file are its own: they are left out. `None`: it imports nothing, and the tree is the model's.
pub(super) fn expand(
    file: &ast::File,
    path: &Path,
    prelude: FileId,
    sources: &mut SourceMap,
    sink: &mut Sink,
) -> Option<ast::File> {
    if !file.items.iter().any(|i| matches!(i.kind, ast::ItemKind::Import { .. })) {
        return None;
    }
    let own = canonical(path);
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let mut imports = Imports {
        sources,
        sink,
        done: vec![own.clone()],
        parts: vec![Part { written: name.clone(), ..Part::default() }],
        open: vec![(own, name)],
        items: Vec::new(),
    };
    imports.items(&file.items, path.parent().unwrap_or(Path::new("")), 0);
    let Imports { parts, items, .. } = imports;
    Some(ast::File { id: file.id, items: qualify::apply(items, &parts, &sema::prelude_tree(prelude), sink) })
}

fn canonical(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

impl Imports<'_> {
    /// Takes over what a file declares, and what it imports.
    fn items(&mut self, items: &[ast::Item], dir: &Path, part: usize) {
        use ast::ItemKind as K;
        for item in items {
            match &item.kind {
                K::Import { path, alias } => {
                    let prefix = self.parts.get(part).map_or_else(String::new, |p| match alias {
                        Some(alias) => format!("{}{}.", p.prefix, alias.node),
                        None => p.prefix.clone(),
                    });
                    let found = self.import(&path.node, path.span, dir, prefix);
                    match (found, self.parts.get_mut(part)) {
                        (Some(k), Some(p)) => match alias {
                            Some(alias) => p.named.push((alias.clone(), k)),
                            None => p.plain.push(k),
                        },
                        _ => {
                            self.sink.hole(item.span);
                            // Whatever it would have given is missing: uses of it are silent.
                            if let Some(alias) = alias {
                                let k = self.parts.len();
                                self.done.push(PathBuf::new());
                                self.parts.push(Part { broken: true, ..Part::default() });
                                if let Some(p) = self.parts.get_mut(part) {
                                    p.named.push((alias.clone(), k));
                                }
                            }
                        }
                    }
                }
                K::Experiment { .. } | K::Test { .. } | K::Simulation(_) if part > 0 => {}
                _ => self.items.push((part, item.clone())),
            }
        }
    }

    /// The number of an imported file, which is read if it is new.
    fn import(&mut self, written: &str, span: Span, dir: &Path, prefix: String) -> Option<usize> {
        let path = dir.join(written);
        let own = canonical(&path);
        if let Some(k) = self.open.iter().position(|(p, _)| *p == own) {
            let mut circle: Vec<String> = self.open[k..].iter().map(|(_, name)| format!("`{name}`")).collect();
            circle.extend(circle.first().cloned());
            self.sink.push(
                Diagnostic::new(
                    Code::E0106,
                    span,
                    format!("files import each other in a circle: {}", circle.join(" → ")),
                )
                .help("put what both need into a file of its own, and import that in both"),
            );
            return None;
        }
        if let Some(k) = self.done.iter().position(|p| *p == own) {
            return Some(k);
        }
        if self.done.len() > MOST {
            self.sink.push(Diagnostic::new(Code::E0902, span, format!("a model may import at most {MOST} files")));
            return None;
        }
        let text = match super::read(&path) {
            Ok(text) => text,
            Err(mut d) => {
                if d.primary.is_none() {
                    d.primary = Some(crate::diag::Label { span, text: "imported here".to_owned() });
                }
                self.sink.push(d.note("a path starts at the folder of the file that imports it"));
                return None;
            }
        };
        let part = self.parts.len();
        self.done.push(own.clone());
        self.parts.push(Part { written: written.to_owned(), prefix, ..Part::default() });
        let id = self.sources.add(path.display().to_string(), text.as_str());
        let (tree, faults) = syntax::parse(id, &text);
        self.sink.items.extend(faults);
        self.open.push((own, written.to_owned()));
        self.items(&tree.items, path.parent().unwrap_or(Path::new("")), part);
        self.open.pop();
        Some(part)
    }
}

/// Reads the arrays that a model needs while it is checked.
pub(super) fn array_reader(path: &Path) -> ArrayReader {
    let files = Files { model_dir: path.parent().map(Path::to_path_buf).unwrap_or_default() };
    ArrayReader(Some(std::sync::Arc::new(move |path: &str, key: &str| {
        let span = Span::default();
        let mut table = files.read(path, span).map_err(|mut d| {
            d.primary = None;
            d
        })?;
        let names: Vec<String> = table.keys().map(|k| format!("`{k}`")).collect();
        let array = table.remove(key).ok_or_else(|| {
            Diagnostic::without_span(Code::E0802, format!("`{path}` has no array `{key}`"))
                .note(format!("it holds {}", names.join(", ")))
        })?;
        Ok((reals(&array), array.shape))
    })))
}

/// What the data sets `arrays(…)` of a model hold, from the headers of their files. Wrong arguments are reported where names are checked.
pub(super) fn schemas(file: &ast::File, path: &Path) -> Schemas {
    let places = Places {
        model_dir: Some(path.parent().map(Path::to_path_buf).unwrap_or_default()),
        data_dir: None,
        current_dir: std::env::current_dir().unwrap_or_default(),
    };
    let mut out = Schemas::default();
    for item in &file.items {
        let ast::ItemKind::Data { value, .. } = &item.kind else { continue };
        let ast::ExprKind::Call { callee, args } = &value.kind else { continue };
        if !matches!(&callee.kind, ast::ExprKind::Name(n) if n == "arrays") {
            continue;
        }
        let files: Option<Vec<String>> = args
            .iter()
            .map(|a| match &a.value.kind {
                ast::ExprKind::Str(s) => Some(s.clone()),
                _ => None,
            })
            .collect();
        let (Some(files), Some(source)) = (files, data::lookup("arrays")) else { continue };
        let found = source.schema(&files, &places).and_then(|s| one(&s)).map_err(|mut d| {
            if d.primary.is_none() {
                d.primary = Some(crate::diag::Label { span: value.span, text: "named here".to_owned() });
            }
            d
        });
        out.0.push((value.span, found));
    }
    out
}

/// Splits and fields as the checker knows them: all splits have the same fields.
fn one(schema: &data::Schema) -> Result<DataSchema, Diagnostic> {
    let Some((first, rest)) = schema.splits.split_first() else { return Ok(DataSchema::default()) };
    for other in rest {
        if other.fields != first.fields {
            let differs = first
                .fields
                .iter()
                .find(|f| !other.fields.contains(f))
                .or_else(|| other.fields.iter().find(|f| !first.fields.contains(f)));
            let name = differs.map_or("", |f| &f.name);
            return Err(Diagnostic::without_span(
                Code::E0802,
                format!("the field `{name}` differs between `{}` and `{}`", first.name, other.name),
            )
            .note("all files of a data set hold the same arrays, of the same shape but for the number of samples"));
        }
    }
    Ok(DataSchema {
        splits: schema.splits.iter().map(|s| s.name.clone()).collect(),
        fields: first
            .fields
            .iter()
            .map(|f| SampleField {
                name: f.name.clone(),
                shape: f.shape.iter().map(|n| *n as u64).collect(),
                int: f.kind == data::Kind::Int,
            })
            .collect(),
    })
}
