//! `arrays("train.npz", "test.npz")`: a data set of one's own. Every key of a file is a field, axis 0 the sample. Instead of an `.npz` a split
//! may be a folder of `.npy` files, whose names are the keys, or a single `.npy` file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{
    Column, Dataset, Field, Kind, NpyArray, NpyData, Places, Schema, Source, Split, SplitSchema, cannot_read, damaged,
    index_field, no_split, npy_schema, npz_schema, read_npy, read_npz,
};
use crate::diag::{Code, Diagnostic};

const NAMES: [&str; 2] = ["train", "test"];

/// The source: the first file is the split `train`, the second, if given, `test`.
pub(super) struct Arrays;

impl Source for Arrays {
    fn name(&self) -> &'static str {
        "arrays"
    }

    fn schema(&self, arguments: &[String], places: &Places) -> Result<Schema, Diagnostic> {
        Ok(Self::find(arguments, places)?.schema)
    }

    fn open(&self, arguments: &[String], places: &Places) -> Result<Box<dyn Dataset>, Diagnostic> {
        Ok(Box::new(Self::find(arguments, places)?))
    }
}

impl Arrays {
    fn find(arguments: &[String], places: &Places) -> Result<Files, Diagnostic> {
        if !(1..=NAMES.len()).contains(&arguments.len()) {
            let message = format!("`arrays` takes one or two files, but is given {}", arguments.len());
            return Err(Diagnostic::without_span(Code::E0105, message)
                .help("write `arrays(\"train.npz\")` or `arrays(\"train.npz\", \"test.npz\")`"));
        }
        let paths = arguments.iter().map(|path| places.find(path)).collect::<Result<Vec<_>, _>>()?;
        let splits = NAMES.iter().zip(&paths).map(|(name, path)| split_schema(name, path));
        let schema = Schema { splits: splits.collect::<Result<_, _>>()? };
        Ok(Files { schema, splits: paths.into_iter().map(|path| (path, OnceLock::new())).collect() })
    }
}

/// The `.npy` files of a split, by the names of their arrays in alphabetical order; `None` where it is an `.npz`.
fn parts(path: &Path) -> Result<Option<Vec<(String, PathBuf)>>, Diagnostic> {
    let named = |path: PathBuf| {
        let npy = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy"));
        let name = path.file_stem().filter(|_| npy)?.to_str()?.to_owned();
        Some((name, path))
    };
    if !path.is_dir() {
        return Ok(named(path.to_owned()).map(|one| vec![one]));
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|e| cannot_read(path, &e))? {
        found.extend(named(entry.map_err(|e| cannot_read(path, &e))?.path()));
    }
    found.sort();
    Ok(Some(found))
}

/// Names, shapes and whether the elements are integers of all arrays of a split.
fn headers(path: &Path) -> Result<Vec<(String, Vec<u64>, bool)>, Diagnostic> {
    let Some(parts) = parts(path)? else { return npz_schema(path) };
    let header = |(name, path): (String, PathBuf)| npy_schema(&path).map(|(shape, integer)| (name, shape, integer));
    parts.into_iter().map(header).collect()
}

/// All arrays of a split.
fn read(path: &Path) -> Result<BTreeMap<String, NpyArray>, Diagnostic> {
    let Some(parts) = parts(path)? else { return read_npz(path) };
    parts.into_iter().map(|(name, path)| Ok((name, read_npy(&path)?))).collect()
}

/// Fields and length from the headers of a file.
fn split_schema(name: &str, path: &Path) -> Result<SplitSchema, Diagnostic> {
    let mut len = None;
    let mut fields = Vec::new();
    for (key, shape, integer) in headers(path)? {
        let Some((&samples, axes)) = shape.split_first() else {
            return Err(damaged(path, format!("the array `{key}` is a single value; axis 0 must be the sample")));
        };
        if let Some((other, count)) = &len
            && *count != samples
        {
            return Err(damaged(path, format!("`{other}` has {count} samples, but `{key}` has {samples}")));
        }
        if key == "index" {
            let fault = "the key `index` is taken: it is every sample's position";
            return Err(damaged(path, fault).help("save the array under another name"));
        }
        len.get_or_insert((key.clone(), samples));
        let kind = if integer { Kind::Int } else { Kind::Real };
        fields.push(Field { name: key, shape: axes.iter().map(|&axis| axis as usize).collect(), kind });
    }
    let Some((_, samples)) = len else {
        return Err(damaged(path, "it holds no array").help(if path.is_dir() {
            "save arrays into the folder with `numpy.save(\"folder/name.npy\", array)`"
        } else {
            "save arrays with `numpy.savez(\"file.npz\", name=array)`"
        }));
    };
    fields.push(index_field());
    Ok(SplitSchema { name: name.to_owned(), len: samples as usize, fields })
}

#[derive(Debug)]
struct Files {
    schema: Schema,
    /// In the order of the schema.
    splits: Vec<(PathBuf, OnceLock<Result<Split, Diagnostic>>)>,
}

impl Dataset for Files {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn split(&self, name: &str) -> Result<&Split, Diagnostic> {
        let found = self.schema.splits.iter().zip(&self.splits).find(|(schema, _)| schema.name == name);
        let (schema, (path, cell)) = found.ok_or_else(|| no_split(name, &self.schema))?;
        cell.get_or_init(|| load(schema, path)).as_ref().map_err(Clone::clone)
    }
}

fn load(schema: &SplitSchema, path: &Path) -> Result<Split, Diagnostic> {
    let mut arrays = read(path)?;
    let mut columns = Vec::new();
    for field in &schema.fields {
        if field.name == "index" {
            columns.push(Column::Position);
            continue;
        }
        let array = arrays.remove(&field.name);
        // The file may have been replaced since its headers were read.
        let expected = std::iter::once(schema.len).chain(field.shape.iter().copied());
        let array = array.filter(|a| a.shape.iter().map(|&axis| axis as usize).eq(expected));
        let array = array.ok_or_else(|| damaged(path, format!("`{}` changed while snnc ran", field.name)))?;
        columns.push(match array.data {
            NpyData::F64(v) => Column::F64(v),
            NpyData::F32(v) => Column::F32(v),
            NpyData::I64(v) => Column::Int(v),
            NpyData::I32(v) => Column::Int(v.into_iter().map(i64::from).collect()),
            NpyData::U8(v) => Column::Bytes(v),
            NpyData::Bool(v) => Column::Bytes(v.into_iter().map(u8::from).collect()),
        });
    }
    Ok(Split { schema: schema.clone(), columns })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{View, write_npy, write_npz};

    fn places(dir: &Path) -> Places {
        Places { model_dir: Some(dir.to_owned()), ..Places::default() }
    }

    #[test]
    fn keys_are_fields_and_axis_0_is_the_sample() {
        let dir = tempfile::tempdir().unwrap();
        let spikes = NpyArray { shape: vec![2, 3], data: NpyData::F32(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]) };
        let label = NpyArray { shape: vec![2], data: NpyData::I32(vec![4, -1]) };
        write_npz(&dir.path().join("a.npz"), &[("x", spikes), ("y", label)]).unwrap();
        let arguments = ["a.npz".to_owned()];
        let schema = Arrays.schema(&arguments, &places(dir.path())).unwrap();
        let train = schema.split("train").unwrap();
        assert_eq!(train.len, 2);
        assert_eq!(train.fields[train.field("x").unwrap()].shape, [3]);
        assert_eq!(train.fields[train.field("y").unwrap()].kind, Kind::Int);
        let set = Arrays.open(&arguments, &places(dir.path())).unwrap();
        let split = set.split("train").unwrap();
        assert_eq!(split.view(train.field("x").unwrap(), 1), Some(View::F32(&[3.0, 4.0, 5.0])));
        assert_eq!(split.view(train.field("y").unwrap(), 1).unwrap().int(), Some(-1));
        assert_eq!(split.view(train.field("index").unwrap(), 1).unwrap().int(), Some(1));
        assert_eq!(set.split("test").unwrap_err().code, Code::E0504);
    }

    /// A folder of `.npy` files is what an `.npz` of the same arrays is; other files in it are left alone.
    #[test]
    fn a_folder_of_npy_files_is_a_split() {
        let dir = tempfile::tempdir().unwrap();
        let image = NpyArray { shape: vec![3, 2], data: NpyData::F64((0..6).map(f64::from).collect()) };
        let label = NpyArray::vector(NpyData::U8(vec![7, 8, 9]));
        write_npz(&dir.path().join("all.npz"), &[("image", image.clone()), ("label", label.clone())]).unwrap();
        let folder = dir.path().join("folder");
        std::fs::create_dir(&folder).unwrap();
        write_npy(&folder.join("label.npy"), &label).unwrap();
        write_npy(&folder.join("image.npy"), &image).unwrap();
        std::fs::write(folder.join("README.txt"), "text").unwrap();
        let open = |name: &str| Arrays.open(&[name.to_owned()], &places(dir.path()));
        let (a, b) = (open("all.npz").unwrap(), open("folder").unwrap());
        assert_eq!(a.schema(), b.schema());
        let (a, b) = (a.split("train").unwrap(), b.split("train").unwrap());
        for sample in 0..3 {
            assert!((0..3).all(|field| a.view(field, sample) == b.view(field, sample)));
        }
        // One file is a set with one field.
        let one = Arrays.open(&["folder/image.npy".to_owned(), "folder/image.npy".to_owned()], &places(dir.path()));
        let one = one.unwrap();
        assert_eq!(one.split("test").unwrap().view(0, 2), Some(View::F64(&[4.0, 5.0])));
        let short = NpyArray::vector(NpyData::U8(vec![7, 8]));
        write_npy(&folder.join("label.npy"), &short).unwrap();
        assert!(open("folder").unwrap_err().notes[0].contains("`image` has 3 samples, but `label` has 2"));
        std::fs::write(folder.join("label.npy"), "no array").unwrap();
        assert_eq!(open("folder").unwrap_err().code, Code::E0802);
        std::fs::create_dir(dir.path().join("empty")).unwrap();
        assert!(open("empty").unwrap_err().notes[0].contains("no array"));
    }

    #[test]
    fn files_that_are_no_set_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npz");
        let one = || NpyArray::vector(NpyData::I64(vec![1]));
        let two = || NpyArray::vector(NpyData::I64(vec![1, 2]));
        let single = NpyArray { shape: vec![], data: NpyData::I64(vec![1]) };
        let open = || Arrays.open(&["a.npz".to_owned()], &places(dir.path()));
        for (arrays, words) in [
            (vec![("x", one()), ("y", two())], "`x` has 1 samples, but `y` has 2"),
            (vec![("x", single)], "single value"),
            (vec![("index", one())], "taken"),
            (vec![], "no array"),
        ] {
            write_npz(&path, &arrays).unwrap();
            let fault = open().unwrap_err();
            assert_eq!(fault.code, Code::E0802);
            assert!(fault.notes[0].contains(words), "{}", fault.notes[0]);
        }
        write_npz(&path, &[("x", two())]).unwrap();
        let set = open().unwrap();
        write_npz(&path, &[("x", one())]).unwrap();
        assert!(set.split("train").unwrap_err().notes[0].contains("changed"));
        assert_eq!(Arrays.schema(&[], &Places::default()).unwrap_err().code, Code::E0105);
    }
}
