//! `mnist()` and `mnist("dir")`: handwritten digits (LeCun, Cortes & Burges) and every set of the same four IDX files,
//! such as Fashion-MNIST and KMNIST.
//!
//! The crate `mnist` does the reading, but it wants unpacked files and ends the program on a damaged one. So each file
//! is unpacked here, with a bound on its size, and verified to the last byte; the crate then reads verified copies in a
//! private temporary folder, and nothing is left for it to object to.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{
    Column, Dataset, Field, Kind, Places, Schema, Source, Split, SplitSchema, cannot_read, cannot_write, damaged,
    index_field, internal, list, no_split,
};
use crate::diag::{Code, Diagnostic};

const SIDE: usize = 28;
const CLASSES: u8 = 10;
const TRAIN: usize = 60_000;
const TEST: usize = 10_000;

/// One of the four files. The format: two zero bytes, the element type (8: bytes), the number of axes, every axis as a
/// big-endian 32-bit number, the elements.
struct Idx {
    name: &'static str,
    /// The same with a dot, as some archives unpack it.
    other_name: &'static str,
    what: &'static str,
    axes: &'static [usize],
}

const FILES: [Idx; 4] = [
    Idx {
        name: "train-images-idx3-ubyte",
        other_name: "train-images.idx3-ubyte",
        what: "images",
        axes: &[TRAIN, SIDE, SIDE],
    },
    Idx { name: "train-labels-idx1-ubyte", other_name: "train-labels.idx1-ubyte", what: "labels", axes: &[TRAIN] },
    Idx {
        name: "t10k-images-idx3-ubyte",
        other_name: "t10k-images.idx3-ubyte",
        what: "images",
        axes: &[TEST, SIDE, SIDE],
    },
    Idx { name: "t10k-labels-idx1-ubyte", other_name: "t10k-labels.idx1-ubyte", what: "labels", axes: &[TEST] },
];

impl Idx {
    fn header_len(&self) -> usize {
        4 + 4 * self.axes.len()
    }

    fn len(&self) -> usize {
        self.header_len() + self.axes.iter().product::<usize>()
    }

    /// The file in `folder`, packed or not.
    fn find(&self, folder: &Path) -> Option<PathBuf> {
        let names = [self.name, self.other_name];
        let names = names.into_iter().flat_map(|name| [name.to_owned(), format!("{name}.gz")]);
        names.map(|name| folder.join(name)).find(|path| path.is_file())
    }

    /// The unpacked contents, verified.
    fn read(&self, path: &Path) -> Result<Vec<u8>, Diagnostic> {
        let file = File::open(path).map_err(|e| cannot_read(path, &e))?;
        let packed = path.extension().is_some_and(|e| e == "gz");
        // One byte more than expected tells a file that goes on, and no bomb gets further.
        let limit = self.len() as u64 + 1;
        let mut bytes = Vec::with_capacity(self.len() + 1);
        if packed {
            let mut unpacked = flate2::bufread::GzDecoder::new(std::io::BufReader::new(file)).take(limit);
            unpacked.read_to_end(&mut bytes).map_err(|e| {
                damaged(path, format!("unpacking stopped after {} bytes: {e}; expected {}", bytes.len(), self.len()))
                    .help("fetch the file again")
            })?;
        } else {
            file.take(limit).read_to_end(&mut bytes).map_err(|e| cannot_read(path, &e))?;
        }
        self.verify(&bytes).map_err(|fault| damaged(path, fault).help("fetch the file again"))?;
        Ok(bytes)
    }

    /// Magic bytes, axes, length, and the range of labels.
    fn verify(&self, bytes: &[u8]) -> Result<(), String> {
        let magic = [0, 0, 8, self.axes.len() as u8];
        match bytes.get(..4) {
            None => return Err(format!("it has only {} bytes; expected {}", bytes.len(), self.len())),
            Some(found) if found != magic => {
                return Err(format!("it begins with the bytes {found:02x?}; {} begin with {magic:02x?}", self.what));
            }
            Some(_) => {}
        }
        let numbers = bytes.get(4..self.header_len()).unwrap_or(&[]).as_chunks::<4>().0;
        let axes: Vec<usize> = numbers.iter().map(|&n| u32::from_be_bytes(n) as usize).collect();
        if axes.len() == self.axes.len() && axes != self.axes {
            return Err(format!("its header says {}; expected {}", times(&axes), times(self.axes)));
        }
        if bytes.len() != self.len() {
            let found = if bytes.len() > self.len() { "more".to_owned() } else { format!("only {}", bytes.len()) };
            return Err(format!("it should have {} bytes, but has {found}", self.len()));
        }
        if self.axes.len() == 1 {
            let labels = &bytes[self.header_len()..];
            if let Some(place) = labels.iter().position(|&label| label >= CLASSES) {
                return Err(format!("label {} of sample {place} is not in 0..{CLASSES}", labels[place]));
            }
        }
        Ok(())
    }
}

fn times(axes: &[usize]) -> String {
    axes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ")
}

/// The source.
pub(super) struct Mnist;

impl Source for Mnist {
    fn name(&self) -> &'static str {
        "mnist"
    }

    fn schema(&self, arguments: &[String], _: &Places) -> Result<Schema, Diagnostic> {
        folder_argument(arguments)?;
        Ok(schema())
    }

    fn open(&self, arguments: &[String], places: &Places) -> Result<Box<dyn Dataset>, Diagnostic> {
        let folders = match folder_argument(arguments)? {
            Some(folder) => places.candidates(folder),
            None => default_folders(places)?,
        };
        let files = locate(&folders)?;
        Ok(Box::new(Loaded { schema: schema(), files, splits: OnceLock::new() }))
    }
}

fn folder_argument(arguments: &[String]) -> Result<Option<&str>, Diagnostic> {
    match arguments {
        [] => Ok(None),
        [folder] => Ok(Some(folder)),
        more => {
            let message = format!("`mnist` takes one argument, the folder of its files, but is given {}", more.len());
            Err(Diagnostic::without_span(Code::E0105, message).help("write `mnist()` or `mnist(\"folder\")`"))
        }
    }
}

fn schema() -> Schema {
    let split = |name: &str, len| SplitSchema {
        name: name.to_owned(),
        len,
        fields: vec![
            Field { name: "image".to_owned(), shape: vec![SIDE, SIDE], kind: Kind::Real },
            Field { name: "label".to_owned(), shape: vec![], kind: Kind::Int },
            index_field(),
        ],
    };
    Schema { splits: vec![split("train", TRAIN), split("test", TEST)] }
}

/// `--data`, then `data/mnist` beside the model or in a folder above it, then in the current folder.
fn default_folders(places: &Places) -> Result<Vec<PathBuf>, Diagnostic> {
    let mut folders = Vec::new();
    if let Some(given) = &places.data_dir {
        // Set by hand, so a folder that is not there is a slip and not a hint to look elsewhere.
        if !given.is_dir() {
            let message = format!("the folder {} given by --data does not exist", given.display());
            return Err(Diagnostic::without_span(Code::E0801, message));
        }
        folders.extend([given.clone(), given.join("mnist")]);
    }
    let above = places.model_dir.iter().flat_map(|dir| dir.ancestors().map(Path::to_owned).collect::<Vec<_>>());
    for base in above.chain([places.current_dir.clone()]) {
        let folder = base.join("data").join("mnist");
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    Ok(folders)
}

/// The four files: all from the first folder that has any of them.
fn locate(folders: &[PathBuf]) -> Result<[PathBuf; 4], Diagnostic> {
    for folder in folders {
        let found = FILES.each_ref().map(|idx| idx.find(folder));
        if found.iter().all(Option::is_none) {
            continue;
        }
        let missing: Vec<_> = FILES.iter().zip(&found).filter(|(_, f)| f.is_none()).map(|(idx, _)| idx.name).collect();
        return match found {
            [Some(a), Some(b), Some(c), Some(d)] => Ok([a, b, c, d]),
            _ => {
                Err(Diagnostic::without_span(Code::E0801, format!("{} lacks {}", folder.display(), missing.join(", ")))
                    .help("each of the four files may be packed (`.gz`) or not, but all must be in one folder"))
            }
        };
    }
    let names = FILES.each_ref().map(|idx| idx.name).join(", ");
    Err(Diagnostic::without_span(Code::E0801, "the files of MNIST are not found")
        .note(format!("looked in {}", list(folders)))
        .help(format!(
            "give the folder with `--data DIR` or `mnist(\"folder\")`; it holds {names} (or each with `.gz`)"
        )))
}

/// Located files; both splits are read together, as the crate does.
#[derive(Debug)]
struct Loaded {
    schema: Schema,
    files: [PathBuf; 4],
    splits: OnceLock<Result<Vec<Split>, Diagnostic>>,
}

impl Dataset for Loaded {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn split(&self, name: &str) -> Result<&Split, Diagnostic> {
        if self.schema.split(name).is_none() {
            return Err(no_split(name, &self.schema));
        }
        let splits = self.splits.get_or_init(|| load(&self.files, &self.schema)).as_ref().map_err(Clone::clone)?;
        splits.iter().find(|s| s.schema.name == name).ok_or_else(|| internal(format!("no split {name} was loaded")))
    }
}

fn load(files: &[PathBuf; 4], schema: &Schema) -> Result<Vec<Split>, Diagnostic> {
    let folder = tempfile::Builder::new().prefix("snnc-mnist-").tempdir();
    let folder = folder.map_err(|e| cannot_write(&std::env::temp_dir(), &e))?;
    for (idx, path) in FILES.iter().zip(files) {
        let copy = folder.path().join(idx.name);
        std::fs::write(&copy, idx.read(path)?).map_err(|e| cannot_write(&copy, &e))?;
    }
    let base = folder.path().to_str().ok_or_else(|| {
        Diagnostic::without_span(Code::E0801, "the folder for temporary files has a name that is not Unicode")
            .help("set TMPDIR to another folder")
    })?;
    // The copies are verified, so the crate can only fail if the disk does.
    let read = std::panic::catch_unwind(|| {
        mnist::MnistBuilder::new()
            .base_path(base)
            .label_format_digit()
            .training_set_length(TRAIN as u32)
            .validation_set_length(0)
            .test_set_length(TEST as u32)
            .finalize()
    });
    let mnist::Mnist { trn_img, trn_lbl, tst_img, tst_lbl, .. } = read.map_err(|_| {
        Diagnostic::without_span(Code::E0801, format!("cannot read back the unpacked files in {base}"))
            .help("check that the disk for temporary files is not full")
    })?;
    let columns = [(trn_img, trn_lbl), (tst_img, tst_lbl)];
    let splits = schema.splits.iter().cloned().zip(columns).map(|(schema, (images, labels))| {
        if images.len() != schema.len * SIDE * SIDE || labels.len() != schema.len {
            return Err(internal(format!("the split {} was read with a wrong length", schema.name)));
        }
        Ok(Split { schema, columns: vec![Column::Pixels(images), Column::Bytes(labels), Column::Position] })
    });
    splits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::View;
    use sha2::{Digest, Sha256};
    use std::io::Write;

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    /// A valid file with a pattern: pixels count up, labels go round.
    fn valid(idx: &Idx) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, idx.axes.len() as u8];
        bytes.extend(idx.axes.iter().flat_map(|&axis| (axis as u32).to_be_bytes()));
        let modulus = if idx.axes.len() == 1 { 10 } else { 251 };
        bytes.extend((0..idx.len() - idx.header_len()).map(|k| (k % modulus) as u8));
        bytes
    }

    /// A folder of valid files, the training images packed.
    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for idx in &FILES {
            let bytes = valid(idx);
            if idx.axes == [TRAIN, SIDE, SIDE] {
                std::fs::write(dir.path().join(format!("{}.gz", idx.name)), gz(&bytes)).unwrap();
            } else {
                std::fs::write(dir.path().join(idx.name), bytes).unwrap();
            }
        }
        dir
    }

    fn open(dir: &Path) -> Result<Box<dyn Dataset>, Diagnostic> {
        Mnist.open(&[dir.to_str().unwrap().to_owned()], &Places::default())
    }

    #[test]
    fn packed_and_plain_files_give_the_samples() {
        let dir = folder();
        let set = open(dir.path()).unwrap();
        let train = set.split("train").unwrap();
        assert_eq!((train.len(), set.split("test").unwrap().len()), (60_000, 10_000));
        let (image, label) = (train.schema().field("image").unwrap(), train.schema().field("label").unwrap());
        let last = train.view(image, 59_999).unwrap();
        assert_eq!(last, View::Pixels(&valid(&FILES[0])[16 + 59_999 * 784..]));
        let mut values = vec![9.0; 3];
        last.write_f64(&mut values);
        assert_eq!(values.len(), 784);
        assert_eq!(values[0], f64::from((59_999u32 * 784 % 251) as u8) / 255.0);
        assert_eq!(train.view(label, 13).unwrap().int(), Some(3));
        assert_eq!(train.view(train.schema().field("index").unwrap(), 13).unwrap().int(), Some(13));
        assert_eq!(train.view(label, 60_000), None);
        assert_eq!(train.view(3, 0), None);
        let mut singles = Vec::new();
        train.sample_f32(image, 1, &mut singles).unwrap();
        assert_eq!((singles.len(), singles[0]), (784, (784 % 251) as f32 / 255.0));
        assert_eq!(train.sample_f32(image, 60_000, &mut singles).unwrap_err().code, Code::E0900);
        assert_eq!(set.split("valid").unwrap_err().code, Code::E0504);
    }

    #[test]
    fn each_fault_names_the_file_and_the_expectation() {
        let label = &FILES[3];
        let good = valid(label);
        let changed = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        let packed = gz(&good);
        let mut broken = packed.clone();
        let middle = broken.len() / 2;
        broken[middle] ^= 0xff;
        let mut wrong_sum = packed.clone();
        let end = wrong_sum.len() - 6;
        wrong_sum[end] ^= 1;
        let bomb = gz(&vec![0; 64 << 20]);
        let cases: [(&str, Vec<u8>, &str); 12] = [
            ("", vec![], "only 0 bytes; expected 10008"),
            ("", good[..6].to_vec(), "should have 10008 bytes, but has only 6"),
            ("", good[..9000].to_vec(), "only 9000"),
            ("", [good.clone(), vec![0]].concat(), "has more"),
            ("", changed(3, 3), "begins with the bytes [00, 00, 08, 03]; labels begin with [00, 00, 08, 01]"),
            ("", changed(7, 0x11), "says 10001; expected 10000"),
            ("", changed(8 + 77, 10), "label 10 of sample 77"),
            (".gz", packed[..packed.len() - 20].to_vec(), "expected 10008"),
            (".gz", broken, "t10k-labels"),
            (".gz", wrong_sum, "unpacking stopped after 10008 bytes"),
            (".gz", good.clone(), "unpacking stopped after 0 bytes"),
            (".gz", bomb, "[00, 00, 00, 00]"),
        ];
        for (suffix, bytes, words) in cases {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(format!("{}{suffix}", label.name));
            std::fs::write(&path, bytes).unwrap();
            let fault = label.read(&path).unwrap_err();
            assert_eq!(fault.code, Code::E0802, "{words}");
            let text = format!("{} {}", fault.message, fault.notes.join(" "));
            assert!(text.contains("t10k-labels-idx1-ubyte") && text.contains(words), "{text} lacks {words}");
        }
        let wide = FILES[0].verify(&[0, 0, 8, 3, 0, 0, 0xea, 0x60, 0, 0, 0, 32, 0, 0, 0, 28]).unwrap_err();
        assert!(wide.contains("60000 × 32 × 28; expected 60000 × 28 × 28"), "{wide}");
    }

    #[test]
    fn a_damaged_file_stops_the_set_and_not_the_program() {
        let dir = folder();
        std::fs::write(dir.path().join(FILES[3].name), [0, 0, 8, 1]).unwrap();
        let set = open(dir.path()).unwrap();
        for _ in 0..2 {
            let fault = set.split("train").unwrap_err();
            assert_eq!(fault.code, Code::E0802);
            assert!(fault.message.contains(FILES[3].name));
        }
    }

    #[test]
    fn missing_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let fault = open(dir.path()).unwrap_err();
        assert_eq!(fault.code, Code::E0801);
        assert!(fault.notes[0].contains(dir.path().to_str().unwrap()) && fault.helps[0].contains("--data"));
        std::fs::write(dir.path().join("train-labels.idx1-ubyte.gz"), []).unwrap();
        let fault = open(dir.path()).unwrap_err();
        assert!(
            fault.message.ends_with("lacks train-images-idx3-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte")
        );
        let fault = Mnist.open(&["a".to_owned(), "b".to_owned()], &Places::default()).unwrap_err();
        assert_eq!(fault.code, Code::E0105);
    }

    #[test]
    fn folders_are_searched_in_the_stated_order() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let places = Places { model_dir: Some(at("p/models")), data_dir: Some(at("given")), current_dir: at("here") };
        assert_eq!(default_folders(&places).unwrap_err().code, Code::E0801);
        std::fs::create_dir(at("given")).unwrap();
        let folders = default_folders(&places).unwrap();
        let first: Vec<_> =
            ["given", "given/mnist", "p/models/data/mnist", "p/data/mnist", "data/mnist"].into_iter().map(at).collect();
        assert_eq!(&folders[..5], &first[..]);
        assert_eq!(folders.last(), Some(&at("here/data/mnist")));
        assert_eq!(places.candidates("d"), [at("p/models/d"), at("here/d")]);
        assert_eq!(places.find("d").unwrap_err().code, Code::E0801);
        std::fs::create_dir_all(at("here/d")).unwrap();
        assert_eq!(places.find("d").unwrap(), at("here/d"));
    }

    #[test]
    fn the_schema_needs_no_files() {
        let schema = Mnist.schema(&[], &Places::default()).unwrap();
        let train = schema.split("train").unwrap();
        assert_eq!(train.len, 60_000);
        let fields: Vec<_> = train.fields.iter().map(|f| (f.name.as_str(), f.shape.as_slice(), f.kind)).collect();
        assert_eq!(
            fields,
            [("image", &[28, 28][..], Kind::Real), ("label", &[][..], Kind::Int), ("index", &[][..], Kind::Int)]
        );
    }

    /// The files that come with the project: the original bytes, and what is known of them.
    #[test]
    fn the_shipped_files_are_the_original_ones() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist");
        let files = locate(std::slice::from_ref(&dir)).unwrap();
        let sums = [
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ];
        for ((idx, path), sum) in FILES.iter().zip(&files).zip(sums) {
            let digest: String = Sha256::digest(idx.read(path).unwrap()).iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(digest, sum, "{}", idx.name);
        }
        let set = open(&dir).unwrap();
        let train = set.split("train").unwrap();
        // The first training digit is a 5, the first test digit a 7; 6742 of the training digits are ones.
        assert_eq!(train.view(1, 0).unwrap().int(), Some(5));
        assert_eq!(set.split("test").unwrap().view(1, 0).unwrap().int(), Some(7));
        assert_eq!((0..60_000).filter(|&k| train.view(1, k).unwrap().int() == Some(1)).count(), 6742);
        // The mean of the training pixels, 0.1307, is a well-known figure.
        let Some(View::Pixels(_)) = train.view(0, 0) else { panic!("images are not bytes") };
        let mean = (0..60_000)
            .map(|k| match train.view(0, k) {
                Some(View::Pixels(v)) => v.iter().map(|&x| u64::from(x)).sum::<u64>(),
                _ => 0,
            })
            .sum::<u64>() as f64
            / (60_000.0 * 784.0 * 255.0);
        assert!((mean - 0.1307).abs() < 5e-5, "{mean}");
    }
}
