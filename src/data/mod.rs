//! Data sets and array files: all that is read from and written to disk as numbers.
//!
//! A [`Source`] is what `data d = NAME(…)` names: it knows its splits and fields ([`Schema`]), as far as possible without
//! reading data, and opens a [`Dataset`]. A data set loads a split when it is first asked for, once, and hands out
//! samples as views of its columns: nothing is copied per sample, and images stay bytes.
//!
//! Everything on disk is checked as if it were hostile. A fault is a [`Diagnostic`] without a place (`E0801` for files
//! that cannot be read, `E0802` for damaged ones, `E0504` for what a set does not have), which the caller gives the
//! span of the declaration.
//!
//! A new data set is a file here with an `impl Source`, an entry in [`SOURCES`] and a line in `data/README.md`.

mod arrays;
mod mnist;
mod npz;

use std::io;
use std::path::{Path, PathBuf};

pub use npz::{
    NpyArray, NpyData, npy_schema, npz_schema, read_npy, read_npz, read_npz_some, write_atomically, write_npy,
    write_npz,
};

use crate::diag::{Code, Diagnostic};

/// What the values of a field are in the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Dimensionless real numbers.
    Real,
    /// Integers.
    Int,
}

/// A field of the samples of a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name in `sample.NAME`.
    pub name: String,
    /// Length of every axis of one sample's value; empty for a single number.
    pub shape: Vec<usize>,
    /// Real or integer.
    pub kind: Kind,
}

/// What is known of a split without its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitSchema {
    /// Its name, such as `train`.
    pub name: String,
    /// Number of samples.
    pub len: usize,
    /// The fields, in the order of the data set; `index` is the last.
    pub fields: Vec<Field>,
}

impl SplitSchema {
    /// The position of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name)
    }
}

/// The splits of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// In the order of the data set.
    pub splits: Vec<SplitSchema>,
}

impl Schema {
    /// The split of a name.
    #[must_use]
    pub fn split(&self, name: &str) -> Option<&SplitSchema> {
        self.splits.iter().find(|s| s.name == name)
    }
}

/// The values of one field of a split, sample after sample.
#[derive(Debug, Clone, PartialEq)]
enum Column {
    /// Real values stored as bytes: 255 is 1.
    Pixels(Vec<u8>),
    /// Integers from 0 to 255.
    Bytes(Vec<u8>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Int(Vec<i64>),
    /// The sample's own position in the split.
    Position,
}

/// One sample's value of one field, in place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum View<'a> {
    /// Reals `byte / 255`.
    Pixels(&'a [u8]),
    /// Integers.
    Bytes(&'a [u8]),
    /// Reals.
    F32(&'a [f32]),
    /// Reals.
    F64(&'a [f64]),
    /// Integers.
    Int(&'a [i64]),
    /// The sample's position in its split.
    Position(usize),
}

impl View<'_> {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Pixels(v) | Self::Bytes(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::Int(v) => v.len(),
            Self::Position(_) => 1,
        }
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Replaces the contents of `out` by the values.
    pub fn write_f64(&self, out: &mut Vec<f64>) {
        out.clear();
        match self {
            Self::Pixels(v) => out.extend(v.iter().map(|&x| f64::from(x) / 255.0)),
            Self::Bytes(v) => out.extend(v.iter().map(|&x| f64::from(x))),
            Self::F32(v) => out.extend(v.iter().map(|&x| f64::from(x))),
            Self::F64(v) => out.extend_from_slice(v),
            Self::Int(v) => out.extend(v.iter().map(|&x| x as f64)),
            Self::Position(index) => out.push(*index as f64),
        }
    }

    /// Replaces the contents of `out` by the values, rounded to single precision.
    pub fn write_f32(&self, out: &mut Vec<f32>) {
        out.clear();
        match self {
            Self::Pixels(v) => out.extend(v.iter().map(|&x| f32::from(x) / 255.0)),
            Self::Bytes(v) => out.extend(v.iter().map(|&x| f32::from(x))),
            Self::F32(v) => out.extend_from_slice(v),
            Self::F64(v) => out.extend(v.iter().map(|&x| x as f32)),
            Self::Int(v) => out.extend(v.iter().map(|&x| x as f32)),
            Self::Position(index) => out.push(*index as f32),
        }
    }

    /// The value of a field that is a single integer.
    #[must_use]
    pub fn int(&self) -> Option<i64> {
        match *self {
            Self::Bytes(&[x]) => Some(x.into()),
            Self::Int(&[x]) => Some(x),
            Self::Position(index) => i64::try_from(index).ok(),
            Self::Pixels(_) | Self::F32(_) | Self::F64(_) | Self::Bytes(_) | Self::Int(_) => None,
        }
    }
}

/// A loaded split.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    schema: SplitSchema,
    columns: Vec<Column>,
}

impl Split {
    /// Name, number of samples and fields.
    #[must_use]
    pub fn schema(&self) -> &SplitSchema {
        &self.schema
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.schema.len
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sample `index`'s value of field number `field` (see [`SplitSchema::field`]); `None` outside either range.
    #[must_use]
    pub fn view(&self, field: usize, index: usize) -> Option<View<'_>> {
        fn part<T>(values: &[T], width: usize, index: usize) -> Option<&[T]> {
            values.get(index * width..(index + 1) * width)
        }
        if index >= self.schema.len {
            return None;
        }
        let width = self.schema.fields.get(field)?.shape.iter().product();
        Some(match self.columns.get(field)? {
            Column::Pixels(v) => View::Pixels(part(v, width, index)?),
            Column::Bytes(v) => View::Bytes(part(v, width, index)?),
            Column::F32(v) => View::F32(part(v, width, index)?),
            Column::F64(v) => View::F64(part(v, width, index)?),
            Column::Int(v) => View::Int(part(v, width, index)?),
            Column::Position => View::Position(index),
        })
    }

    /// Replaces the contents of `out` by sample `index`'s value of field number `field`.
    ///
    /// # Errors
    /// `E0900` outside either range: callers check against the schema.
    pub fn sample_f32(&self, field: usize, index: usize, out: &mut Vec<f32>) -> Result<(), Diagnostic> {
        let missing = || internal(format!("field {field} of sample {index} of `{}` is read", self.schema.name));
        self.view(field, index).ok_or_else(missing)?.write_f32(out);
        Ok(())
    }
}

/// An opened data set. Splits are loaded when first asked for.
pub trait Dataset: std::fmt::Debug + Send + Sync {
    /// Splits and fields.
    fn schema(&self) -> &Schema;

    /// The split of a name, loaded and verified.
    ///
    /// # Errors
    /// `E0504` for a name that the schema does not have, `E0801`, `E0802` for faults of files.
    fn split(&self, name: &str) -> Result<&Split, Diagnostic>;
}

/// Where files are looked for.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The model file's folder; `None` for a model that is not a file.
    pub model_dir: Option<PathBuf>,
    /// `--data`.
    pub data_dir: Option<PathBuf>,
    /// The current folder.
    pub current_dir: PathBuf,
}

impl Places {
    /// Where a path written in a model may be: in the model's folder, then in the current one.
    #[must_use]
    pub fn candidates(&self, path: &str) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = Vec::new();
        for base in self.model_dir.iter().chain([&self.current_dir]) {
            // Joining an absolute path gives that path.
            let candidate = base.join(path);
            if !found.contains(&candidate) {
                found.push(candidate);
            }
        }
        found
    }

    /// The first of [`Places::candidates`] that exists.
    ///
    /// # Errors
    /// `E0801` naming all places.
    pub fn find(&self, path: &str) -> Result<PathBuf, Diagnostic> {
        let candidates = self.candidates(path);
        candidates.iter().find(|p| p.exists()).cloned().ok_or_else(|| {
            Diagnostic::without_span(Code::E0801, format!("the file `{path}` does not exist"))
                .note(format!("looked for {}", list(&candidates)))
                .help("a relative path starts at the model's folder, then at the current folder")
        })
    }
}

/// What `data d = NAME(…)` can name.
pub trait Source: Sync {
    /// The name.
    fn name(&self) -> &'static str;

    /// Splits and fields, without reading data where the format fixes them.
    ///
    /// # Errors
    /// `E0105` for wrong arguments; `E0801`, `E0802` where headers must be read.
    fn schema(&self, arguments: &[String], places: &Places) -> Result<Schema, Diagnostic>;

    /// Finds the files and opens the set; splits are read later.
    ///
    /// # Errors
    /// `E0105` for wrong arguments, `E0801` for missing files, `E0802`.
    fn open(&self, arguments: &[String], places: &Places) -> Result<Box<dyn Dataset>, Diagnostic>;
}

/// All sources.
pub static SOURCES: &[&dyn Source] = &[&mnist::Mnist, &arrays::Arrays];

/// The source of a name.
#[must_use]
pub fn lookup(name: &str) -> Option<&'static dyn Source> {
    SOURCES.iter().copied().find(|s| s.name() == name)
}

/// The field `index`, which every split has last.
fn index_field() -> Field {
    Field { name: "index".to_owned(), shape: Vec::new(), kind: Kind::Int }
}

fn no_split(name: &str, schema: &Schema) -> Diagnostic {
    let names: Vec<_> = schema.splits.iter().map(|s| format!("`{}`", s.name)).collect();
    Diagnostic::without_span(Code::E0504, format!("the data set has no split `{name}`"))
        .help(format!("it has {}", names.join(" and ")))
}

/// Paths in a sentence.
fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// The system's reason without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

fn cannot_read(path: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::without_span(Code::E0801, format!("cannot read {}: {}", path.display(), reason(error)))
}

fn cannot_write(path: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::without_span(Code::E0801, format!("cannot write {}: {}", path.display(), reason(error)))
        .help("the folder must exist and be writable; nothing was left behind")
}

fn damaged(path: &Path, fault: impl Into<String>) -> Diagnostic {
    Diagnostic::without_span(Code::E0802, format!("{} is damaged or of the wrong form", path.display())).note(fault)
}

fn internal(what: String) -> Diagnostic {
    Diagnostic::without_span(Code::E0900, format!("a bug in snnc: {what}, please report it"))
}
