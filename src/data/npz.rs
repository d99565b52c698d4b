//! NumPy's array files: `.npy` and `.npz` (format versions 1.0 to 3.0 of NumPy Enhancement Proposal 1; an `.npz` is a zip
//! archive of `.npy` files).
//!
//! Reading trusts nothing: the header's length, nesting, type and shape are checked before memory is asked for, memory
//! grows with bytes that are really there, and the number of bytes must be exactly what the shape says. Writing goes to a
//! temporary file beside the target, which is renamed when complete: there is never a partial file under the final name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use npyz::WriterBuilder;

use super::{cannot_read, cannot_write, damaged};
use crate::diag::Diagnostic;

/// The longest header read; NumPy's own are below 200 bytes for plain types.
const MAX_HEADER: u32 = 1 << 16;
/// The most bytes that the arrays of one file may have in all.
const MAX_BYTES: u64 = 1 << 33;

/// An array in C order (the last index varies fastest).
#[derive(Debug, Clone, PartialEq)]
pub struct NpyArray {
    /// Length of every axis; empty for a single value.
    pub shape: Vec<u64>,
    /// The elements.
    pub data: NpyData,
}

/// The elements of an array. Types that NumPy has and this lacks are widened when read: `f2` to `F32`, `i1`, `i2`, `u2`
/// to `I32`, `u4`, `u8` to `I64`.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the variants are the element types")]
pub enum NpyData {
    F64(Vec<f64>),
    F32(Vec<f32>),
    I64(Vec<i64>),
    I32(Vec<i32>),
    U8(Vec<u8>),
    Bool(Vec<bool>),
}

impl NpyData {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F64(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::U8(v) => v.len(),
            Self::Bool(v) => v.len(),
        }
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All elements as reals (integers beyond 2^53 are rounded; truth values are 0 and 1).
    #[must_use]
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            Self::F64(v) => v.clone(),
            Self::F32(v) => v.iter().map(|&x| x.into()).collect(),
            Self::I64(v) => v.iter().map(|&x| x as f64).collect(),
            Self::I32(v) => v.iter().map(|&x| x.into()).collect(),
            Self::U8(v) => v.iter().map(|&x| x.into()).collect(),
            Self::Bool(v) => v.iter().map(|&x| u8::from(x).into()).collect(),
        }
    }

    /// All elements as integers; `None` for reals.
    #[must_use]
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        match self {
            Self::F64(_) | Self::F32(_) => None,
            Self::I64(v) => Some(v.clone()),
            Self::I32(v) => Some(v.iter().map(|&x| x.into()).collect()),
            Self::U8(v) => Some(v.iter().map(|&x| x.into()).collect()),
            Self::Bool(v) => Some(v.iter().map(|&x| x.into()).collect()),
        }
    }
}

impl NpyArray {
    /// An array of one axis.
    #[must_use]
    pub fn vector(data: NpyData) -> Self {
        Self { shape: vec![data.len() as u64], data }
    }

    /// Whether the shape has as many elements as there are.
    fn is_consistent(&self) -> bool {
        product(&self.shape) == Some(self.data.len() as u64)
    }
}

/// Reads all arrays of an `.npz`, by their names (without `.npy`).
///
/// # Errors
/// `E0801` when the file cannot be read, `E0802` when it is damaged or holds something other than plain numbers.
pub fn read_npz(path: &Path) -> Result<BTreeMap<String, NpyArray>, Diagnostic> {
    read_npz_some(path, |_| true)
}

/// Reads the arrays of an `.npz` whose names `wanted` accepts; the others are not looked at.
///
/// # Errors
/// As [`read_npz`].
pub fn read_npz_some(path: &Path, wanted: impl Fn(&str) -> bool) -> Result<BTreeMap<String, NpyArray>, Diagnostic> {
    let file = File::open(path).map_err(|e| cannot_read(path, &e))?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file))
        .map_err(|e| damaged(path, format!("it is not a zip archive: {e}")))?;
    let mut arrays = BTreeMap::new();
    let mut left = MAX_BYTES;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|e| damaged(path, format!("entry {index}: {e}")))?;
        let Some(name) = entry.name().strip_suffix(".npy").map(str::to_owned) else { continue };
        if !wanted(&name) {
            continue;
        }
        let (array, bytes) =
            read_array(&mut entry, left).map_err(|fault| damaged(path, format!("the array `{name}`: {fault}")))?;
        left -= bytes;
        if arrays.insert(name.clone(), array).is_some() {
            return Err(damaged(path, format!("the array `{name}` occurs twice")));
        }
    }
    Ok(arrays)
}

/// Reads one `.npy`.
///
/// # Errors
/// As [`read_npz`].
pub fn read_npy(path: &Path) -> Result<NpyArray, Diagnostic> {
    let file = File::open(path).map_err(|e| cannot_read(path, &e))?;
    let (array, _) = read_array(&mut BufReader::new(file), MAX_BYTES).map_err(|fault| damaged(path, fault))?;
    Ok(array)
}

/// Name, shape and whether the elements are integers, of every array in an `.npz`: what a check needs, without the data.
///
/// # Errors
/// As [`read_npz`].
pub fn npz_schema(path: &Path) -> Result<Vec<(String, Vec<u64>, bool)>, Diagnostic> {
    let file = File::open(path).map_err(|e| cannot_read(path, &e))?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file))
        .map_err(|e| damaged(path, format!("it is not a zip archive: {e}")))?;
    let mut arrays = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|e| damaged(path, format!("entry {index}: {e}")))?;
        let Some(name) = entry.name().strip_suffix(".npy").map(str::to_owned) else { continue };
        let header = Header::read(&mut entry).map_err(|fault| damaged(path, format!("the array `{name}`: {fault}")))?;
        arrays.insert(name, (header.shape, header.kind != b'f'));
    }
    Ok(arrays.into_iter().map(|(name, (shape, integer))| (name, shape, integer)).collect())
}

/// Shape of the array of an `.npy` and whether its elements are integers, without the data.
///
/// # Errors
/// As [`read_npz`].
pub fn npy_schema(path: &Path) -> Result<(Vec<u64>, bool), Diagnostic> {
    let file = File::open(path).map_err(|e| cannot_read(path, &e))?;
    let header = Header::read(&mut BufReader::new(file)).map_err(|fault| damaged(path, fault))?;
    Ok((header.shape, header.kind != b'f'))
}

/// Writes an `.npz`; keys are stored as given (`XE.w` becomes `XE.w.npy` in the archive). Files written from equal arrays
/// are equal byte for byte.
///
/// # Errors
/// `E0801` when the file cannot be written, `E0900` for an array whose shape and data disagree or a repeated key.
pub fn write_npz<K: AsRef<str>>(path: &Path, arrays: &[(K, NpyArray)]) -> Result<(), Diagnostic> {
    for (place, (key, array)) in arrays.iter().enumerate() {
        let key = key.as_ref();
        if !array.is_consistent() || arrays[..place].iter().any(|(other, _)| other.as_ref() == key) {
            return Err(super::internal(format!("the array `{key}` is written with a wrong shape or twice")));
        }
    }
    write_atomically(path, |file| {
        let mut archive = zip::ZipWriter::new(BufWriter::new(file));
        for (key, array) in arrays {
            let bytes = encode(array)?;
            let options = zip::write::SimpleFileOptions::default()
                .compression_method(zip::CompressionMethod::Deflated)
                .compression_level(Some(1))
                .large_file(bytes.len() as u64 >= u64::from(u32::MAX));
            archive.start_file(format!("{}.npy", key.as_ref()), options)?;
            archive.write_all(&bytes)?;
        }
        archive.finish()?.flush()
    })
}

/// Writes one `.npy`.
///
/// # Errors
/// As [`write_npz`].
pub fn write_npy(path: &Path, array: &NpyArray) -> Result<(), Diagnostic> {
    if !array.is_consistent() {
        return Err(super::internal(format!("the array for {} has a wrong shape", path.display())));
    }
    write_atomically(path, |file| file.write_all(&encode(array)?))
}

/// Runs `write` on a temporary file in the target's folder and renames it when all is written.
///
/// # Errors
/// `E0801`.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), Diagnostic> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".snnc-");
    // A temporary file is private by default; the result should be as readable as any file (the umask still applies).
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let attempt = || {
        let mut file = builder.tempfile_in(folder)?;
        write(file.as_file_mut())?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    attempt().map_err(|e: io::Error| cannot_write(path, &e))
}

/// The array as a `.npy` file, little-endian.
fn encode(array: &NpyArray) -> io::Result<Vec<u8>> {
    fn put<T: npyz::AutoSerialize + Copy>(shape: &[u64], values: &[T]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(128 + size_of_val(values));
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(&mut bytes).begin_nd()?;
        writer.extend(values.iter().copied())?;
        writer.finish()?;
        Ok(bytes)
    }
    let shape = &array.shape;
    match &array.data {
        NpyData::F64(v) => put(shape, v),
        NpyData::F32(v) => put(shape, v),
        NpyData::I64(v) => put(shape, v),
        NpyData::I32(v) => put(shape, v),
        NpyData::U8(v) => put(shape, v),
        NpyData::Bool(v) => put(shape, v),
    }
}

/// What a `.npy` header says.
#[derive(Debug, PartialEq)]
struct Header {
    big_endian: bool,
    /// NumPy's letter: `f`, `i`, `u` or `b`.
    kind: u8,
    /// Bytes of an element.
    size: u64,
    fortran: bool,
    shape: Vec<u64>,
}

impl Header {
    /// Reads magic, version and the dictionary; `input` then stands at the first element.
    fn read(input: &mut dyn Read) -> Result<Self, String> {
        let mut start = [0; 8];
        exact(input, &mut start)?;
        let [magic @ .., major, minor] = start;
        if magic != *b"\x93NUMPY" {
            return Err("it does not begin with NumPy's magic bytes".to_owned());
        }
        let length = match major {
            1 => {
                let mut length = [0; 2];
                exact(input, &mut length)?;
                u32::from(u16::from_le_bytes(length))
            }
            2 | 3 => {
                let mut length = [0; 4];
                exact(input, &mut length)?;
                u32::from_le_bytes(length)
            }
            _ => return Err(format!("version {major}.{minor} of the format is not known")),
        };
        if length > MAX_HEADER {
            return Err(format!("its header claims {length} bytes; at most {MAX_HEADER} are read"));
        }
        let mut text = vec![0; length as usize];
        exact(input, &mut text)?;
        let text = String::from_utf8(text).map_err(|_| "its header is not text".to_owned())?;
        Self::parse(&text)
    }

    /// Reads `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }`, keys in any order.
    fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("its header cannot be understood: {}", text.trim().chars().take(120).collect::<String>());
        let inner = text.trim().strip_prefix('{').and_then(|t| t.strip_suffix('}')).ok_or_else(bad)?;
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        let mut rest = inner.trim();
        while !rest.is_empty() {
            let (key, after) = quoted(rest).ok_or_else(bad)?;
            let value = after.trim_start().strip_prefix(':').ok_or_else(bad)?.trim_start();
            let after = match key {
                "descr" if value.starts_with('[') => {
                    return Err("it holds records with named fields; only plain numbers can be read".to_owned());
                }
                "descr" => {
                    let (found, after) = quoted(value).ok_or_else(bad)?;
                    descr = Some(found);
                    after
                }
                "fortran_order" => {
                    let (found, after) = match value.strip_prefix("True") {
                        Some(after) => (true, after),
                        None => (false, value.strip_prefix("False").ok_or_else(bad)?),
                    };
                    fortran = Some(found);
                    after
                }
                "shape" => {
                    let (list, after) = value.strip_prefix('(').and_then(|v| v.split_once(')')).ok_or_else(bad)?;
                    let axes = list.split(',').map(str::trim).filter(|axis| !axis.is_empty());
                    let axes = axes.map(|axis| axis.trim_end_matches('L').parse::<u64>());
                    shape = Some(axes.collect::<Result<Vec<_>, _>>().map_err(|_| bad())?);
                    after
                }
                _ => return Err(bad()),
            };
            let after = after.trim_start();
            rest = after.strip_prefix(',').unwrap_or(after).trim_start();
        }
        let (Some(descr), Some(fortran), Some(shape)) = (descr, fortran, shape) else { return Err(bad()) };
        if shape.len() > 32 {
            return Err(format!("it has {} axes; NumPy allows 32", shape.len()));
        }
        let (order, kind, size) = match *descr.as_bytes() {
            [order @ (b'<' | b'>' | b'|' | b'='), kind, ref size @ ..] => (order, kind, size),
            _ => return Err(bad()),
        };
        let size = std::str::from_utf8(size).ok().and_then(|s| s.parse::<u64>().ok()).unwrap_or(0);
        match (kind, size) {
            (b'f', 2 | 4 | 8) | (b'i' | b'u', 1 | 2 | 4 | 8) | (b'b', 1) => {}
            (b'O', _) => return Err("it holds Python objects; only plain numbers can be read".to_owned()),
            _ => return Err(format!("elements of type `{descr}` cannot be read; real, integer and bool arrays can")),
        }
        Ok(Self { big_endian: order == b'>', kind, size, fortran, shape })
    }
}

/// A text in single or double quotes at the start of `text`, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

fn exact(input: &mut dyn Read, buffer: &mut [u8]) -> Result<(), String> {
    input.read_exact(buffer).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => "it ends inside its header".to_owned(),
        _ => e.to_string(),
    })
}

fn product(shape: &[u64]) -> Option<u64> {
    // An axis of length 0 empties the array, whatever the others claim.
    if shape.contains(&0) { Some(0) } else { shape.iter().try_fold(1u64, |n, &axis| n.checked_mul(axis)) }
}

/// Reads one `.npy` of at most `limit` bytes of elements; gives the array and the bytes used.
fn read_array(input: &mut dyn Read, limit: u64) -> Result<(NpyArray, u64), String> {
    let header = Header::read(input)?;
    let too_large = || format!("its shape {:?} is larger than the {limit} bytes that can be read", header.shape);
    let count = product(&header.shape).ok_or_else(too_large)?;
    let expected = count.checked_mul(header.size).filter(|&n| n <= limit).ok_or_else(too_large)?;
    // One byte more than expected tells a file that goes on.
    let mut bytes = Vec::new();
    input.take(expected + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 != expected {
        let found = if bytes.len() as u64 > expected { "more".to_owned() } else { bytes.len().to_string() };
        let shape = &header.shape;
        return Err(format!("its shape {shape:?} needs {expected} bytes of elements, but there are {found}"));
    }
    let data = decode(&header, bytes)?;
    let data = if header.fortran && header.shape.len() > 1 { to_c_order(data, &header.shape) } else { data };
    Ok((NpyArray { shape: header.shape, data }, expected))
}

fn decode(header: &Header, bytes: Vec<u8>) -> Result<NpyData, String> {
    /// Fixed-size pieces of `bytes` in the byte order of the file, turned into native values.
    fn each<const N: usize, T>(bytes: &[u8], big_endian: bool, make: impl Fn([u8; N]) -> T) -> Vec<T> {
        let (pieces, _) = bytes.as_chunks::<N>();
        let native = |&piece: &[u8; N]| {
            let mut piece = piece;
            if big_endian {
                piece.reverse();
            }
            make(piece)
        };
        pieces.iter().map(native).collect()
    }
    let big = header.big_endian;
    Ok(match (header.kind, header.size) {
        (b'f', 8) => NpyData::F64(each(&bytes, big, f64::from_le_bytes)),
        (b'f', 4) => NpyData::F32(each(&bytes, big, f32::from_le_bytes)),
        (b'f', _) => NpyData::F32(each(&bytes, big, |b| half(u16::from_le_bytes(b)))),
        (b'i', 8) => NpyData::I64(each(&bytes, big, i64::from_le_bytes)),
        (b'i', 4) => NpyData::I32(each(&bytes, big, i32::from_le_bytes)),
        (b'i', 2) => NpyData::I32(each(&bytes, big, |b| i16::from_le_bytes(b).into())),
        (b'i', _) => NpyData::I32(each(&bytes, big, |[b]: [u8; 1]| (b as i8).into())),
        (b'u', 8) => {
            let values = each(&bytes, big, u64::from_le_bytes);
            let values = values.into_iter().map(i64::try_from).collect::<Result<_, _>>();
            NpyData::I64(values.map_err(|_| "it has an integer beyond 2^63 - 1".to_owned())?)
        }
        (b'u', 4) => NpyData::I64(each(&bytes, big, |b| u32::from_le_bytes(b).into())),
        (b'u', 2) => NpyData::I32(each(&bytes, big, |b| u16::from_le_bytes(b).into())),
        (b'b', _) => NpyData::Bool(bytes.into_iter().map(|b| b != 0).collect()),
        _ => NpyData::U8(bytes),
    })
}

/// An IEEE half as a single: exact.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, mantissa) = (u32::from(bits >> 10) & 31, u32::from(bits & 0x3ff));
    match exponent {
        // A subnormal is a multiple of 2^-24.
        0 => f32::from_bits((mantissa as f32 / 16_777_216.0).to_bits() | sign),
        31 => f32::from_bits(sign | 0x7f80_0000 | mantissa << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | mantissa << 13),
    }
}

/// From the order in which the first index varies fastest to the one in which the last does.
fn to_c_order(data: NpyData, shape: &[u64]) -> NpyData {
    fn reorder<T: Copy>(values: &[T], shape: &[u64]) -> Vec<T> {
        let axes: Vec<usize> = shape.iter().map(|&axis| axis as usize).collect();
        let mut strides = vec![1; axes.len()];
        for k in 1..axes.len() {
            strides[k] = strides[k - 1] * axes[k - 1];
        }
        let mut index = vec![0; axes.len()];
        let mut at = 0;
        let mut out = Vec::with_capacity(values.len());
        for _ in 0..values.len() {
            out.push(values[at]);
            for k in (0..axes.len()).rev() {
                index[k] += 1;
                at += strides[k];
                if index[k] < axes[k] {
                    break;
                }
                at -= strides[k] * axes[k];
                index[k] = 0;
            }
        }
        out
    }
    match data {
        NpyData::F64(v) => NpyData::F64(reorder(&v, shape)),
        NpyData::F32(v) => NpyData::F32(reorder(&v, shape)),
        NpyData::I64(v) => NpyData::I64(reorder(&v, shape)),
        NpyData::I32(v) => NpyData::I32(reorder(&v, shape)),
        NpyData::U8(v) => NpyData::U8(reorder(&v, shape)),
        NpyData::Bool(v) => NpyData::Bool(reorder(&v, shape)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Code;
    use proptest::prelude::*;

    fn samples() -> Vec<(&'static str, NpyArray)> {
        vec![
            ("XE.w", NpyArray { shape: vec![2, 3], data: NpyData::F64(vec![0.5, -1.0, 2.0, 1e-300, f64::MAX, 0.0]) }),
            ("E.theta", NpyArray::vector(NpyData::F32(vec![20.0, 0.1]))),
            ("E.spikes/i", NpyArray::vector(NpyData::I64(vec![i64::MIN, 0, i64::MAX]))),
            ("n", NpyArray { shape: vec![], data: NpyData::I32(vec![-7]) }),
            ("image", NpyArray { shape: vec![1, 2, 2], data: NpyData::U8(vec![0, 1, 254, 255]) }),
            ("flag", NpyArray::vector(NpyData::Bool(vec![true, false]))),
            ("none", NpyArray { shape: vec![0, 4], data: NpyData::F64(vec![]) }),
        ]
    }

    /// A `.npy` file as bytes.
    fn npy(dict: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((dict.len() as u16).to_le_bytes());
        bytes.extend(dict.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<NpyArray, String> {
        read_array(&mut &bytes[..], 1 << 20).map(|(array, _)| array)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npz");
        write_npz(&path, &samples()).unwrap();
        let found = read_npz(&path).unwrap();
        assert_eq!(found.len(), samples().len());
        for (key, array) in samples() {
            assert_eq!(found[key], array, "{key}");
            let one = dir.path().join("one.npy");
            write_npy(&one, &array).unwrap();
            assert_eq!(read_npy(&one).unwrap(), array);
        }
        let some = read_npz_some(&path, |name| name == "flag").unwrap();
        assert_eq!(some.keys().collect::<Vec<_>>(), ["flag"]);
        let schema = npz_schema(&path).unwrap();
        assert!(schema.contains(&("XE.w".to_owned(), vec![2, 3], false)));
        assert!(schema.contains(&("n".to_owned(), vec![], true)));
        // Written again, the file is the same, and nothing else stays in the folder.
        let before = std::fs::read(&path).unwrap();
        write_npz(&path, &samples()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    /// The bytes that NumPy's `format.py` prescribes: magic, version, length, a dictionary padded with spaces to a
    /// multiple of 64 (16 in older versions) and ended by a line break, then elements.
    #[test]
    fn the_header_is_numpys() {
        let bytes = encode(&samples()[0].1).unwrap();
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let dict = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
        assert!(dict.starts_with("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3, ), }"), "{dict}");
        assert!(dict.ends_with(" \n") && (10 + length) % 16 == 0);
        assert_eq!(&bytes[10 + length..10 + length + 8], 0.5f64.to_le_bytes());
        assert_eq!(bytes.len(), 10 + length + 48);
        let vector = encode(&samples()[1].1).unwrap();
        let vector = String::from_utf8_lossy(&vector);
        assert!(vector.contains("{'descr': '<f4', 'fortran_order': False, 'shape': (2, ), }"), "{vector}");
        let single = encode(&samples()[3].1).unwrap();
        let single = String::from_utf8_lossy(&single);
        assert!(single.contains("{'descr': '<i4', 'fortran_order': False, 'shape': (), }"), "{single}");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npz");
        write_npz(&path, &samples()).unwrap();
        let archive = zip::ZipArchive::new(File::open(&path).unwrap()).unwrap();
        assert!(archive.file_names().any(|name| name == "XE.w.npy"));
    }

    /// Where Python with NumPy is installed, it must read the same values.
    #[test]
    fn numpy_reads_what_is_written() {
        let has_numpy = std::process::Command::new("python3").args(["-c", "import numpy"]).output();
        if !has_numpy.is_ok_and(|o| o.status.success()) {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npz");
        write_npz(&path, &samples()).unwrap();
        let script = "import numpy, sys\nf = numpy.load(sys.argv[1])\n\
                      print(f['XE.w'].tolist(), f['E.theta'].dtype, f['n'].shape, f['image'].tolist(), f['none'].shape)";
        let out = std::process::Command::new("python3").args(["-c", script]).arg(&path).output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&out.stdout).trim(),
            "[[0.5, -1.0, 2.0], [1e-300, 1.7976931348623157e+308, 0.0]] float32 () [[[0, 1], [254, 255]]] (0, 4)"
        );
    }

    #[test]
    fn orders_and_types_of_other_writers_are_read() {
        let c = |descr: &str, shape: &str, fortran: &str, data: &[u8]| {
            read(&npy(&format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n"), data))
                .unwrap()
        };
        let columns: Vec<u8> = [1i16, 4, 2, 5, 3, 6].iter().flat_map(|v| v.to_be_bytes()).collect();
        let found = c(">i2", "(2, 3)", "True", &columns);
        assert_eq!(found, NpyArray { shape: vec![2, 3], data: NpyData::I32(vec![1, 2, 3, 4, 5, 6]) });
        let cube: Vec<u8> = (0..24).collect();
        let NpyData::U8(found) = c("|u1", "(2, 3, 4)", "True", &cube).data else { panic!("not bytes") };
        for (i, j, k) in (0..24).map(|n| (n / 12, n / 4 % 3, n % 4)) {
            assert_eq!(found[i * 12 + j * 4 + k], (i + 2 * j + 6 * k) as u8);
        }
        assert_eq!(c(">f8", "(1,)", "False", &2.5f64.to_be_bytes()).data, NpyData::F64(vec![2.5]));
        assert_eq!(c("<u8", "()", "False", &7u64.to_le_bytes()).data, NpyData::I64(vec![7]));
        assert_eq!(c("<u4", "(1,)", "False", &u32::MAX.to_le_bytes()).data, NpyData::I64(vec![u32::MAX.into()]));
        assert_eq!(c("|i1", "(1,)", "False", &[255]).data, NpyData::I32(vec![-1]));
        // 1, -2, the smallest subnormal, infinity.
        let halves: Vec<u8> = [0x3c00u16, 0xc000, 1, 0x7c00].iter().flat_map(|v| v.to_le_bytes()).collect();
        let expected = vec![1.0, -2.0, 5.960_464_5e-8, f32::INFINITY];
        assert_eq!(c("<f2", "(4,)", "False", &halves).data, NpyData::F32(expected));
        // Keys in another order, Python 2's long integers, double quotes.
        let dict = "{\"shape\": (1L,), 'fortran_order': False, 'descr': '<i4'}";
        assert_eq!(read(&npy(dict, &[5, 0, 0, 0])).unwrap().data, NpyData::I32(vec![5]));
    }

    #[test]
    fn damaged_arrays_are_refused() {
        let good = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n";
        let at = |from: &str, to: &str| npy(&good.replace(from, to), &[0; 16]);
        for (bytes, words) in [
            (npy(good, &[0; 15]), "needs 16 bytes"),
            (npy(good, &[0; 17]), "but there are more"),
            (at("(2,)", "(99999999999, 99999999999)"), "larger than"),
            (at("(2,)", "(131073,)"), "larger than"),
            (at("(2,)", "(-2,)"), "cannot be understood"),
            (at("<f8", "|O"), "Python objects"),
            (at("<f8", "<c16"), "cannot be read"),
            (at("'<f8'", "[('a', '<f8')]"), "named fields"),
            (at("False", "Maybe"), "cannot be understood"),
            (at("'shape': (2,), ", ""), "cannot be understood"),
            (b"\x93NUMPY\x01\x00\xff\xff{".to_vec(), "ends inside its header"),
            (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{".to_vec(), "claims 4294967295 bytes"),
            (b"\x93NUMPY\x09\x00\x00\x00".to_vec(), "version 9.0"),
            (b"PK\x03\x04\x00\x00\x00\x00\x00".to_vec(), "magic"),
            (Vec::new(), "ends inside"),
        ] {
            let fault = read(&bytes).unwrap_err();
            assert!(fault.contains(words), "{fault} lacks {words}");
        }
        let ones = npy(&good.replace("<f8", "<u8"), &[255; 16]);
        assert!(read(&ones).unwrap_err().contains("2^63"));
    }

    #[test]
    fn faults_of_files_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npz");
        let fault = read_npz(&path).unwrap_err();
        assert_eq!(fault.code, Code::E0801);
        assert!(fault.message.contains("a.npz"));
        write_npz(&path, &samples()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for (name, bytes) in
            [("cut.npz", &bytes[..bytes.len() / 2]), ("text.npz", b"hello".as_slice()), ("no.npz", &[])]
        {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let fault = read_npz(&path).unwrap_err();
            assert_eq!(fault.code, Code::E0802, "{name}");
            assert!(fault.message.contains(name));
        }
        // A flipped bit inside the compressed data of an entry.
        let mut flipped = bytes.clone();
        flipped[100] ^= 0x10;
        std::fs::write(&path, flipped).unwrap();
        assert_eq!(read_npz(&path).unwrap_err().code, Code::E0802);
        let fault = write_npz(&dir.path().join("no/such/folder.npz"), &samples()).unwrap_err();
        assert_eq!(fault.code, Code::E0801);
        let wrong = NpyArray { shape: vec![3], data: NpyData::U8(vec![1]) };
        assert_eq!(write_npz(&path, &[("w", wrong)]).unwrap_err().code, Code::E0900);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_fail_otherwise(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..80) {
            let _ = read(&bytes);
            let mut file = npy("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 1), }\n", &[0; 16]);
            for (place, byte) in file.iter_mut().skip(at).zip(&bytes) {
                *place = *byte;
            }
            let _ = read(&file);
        }

        #[test]
        fn headers_agree_with_the_crate(shape in prop::collection::vec(0u64..4, 0..5)) {
            let count = shape.iter().product::<u64>();
            let array = NpyArray { shape, data: NpyData::I64((0..count as i64).collect()) };
            let bytes = encode(&array).unwrap();
            let file = npyz::NpyFile::new(&bytes[..]).unwrap();
            prop_assert_eq!(file.shape(), &array.shape[..]);
            prop_assert_eq!(NpyData::I64(file.into_vec().unwrap()), array.data.clone());
            prop_assert_eq!(read(&bytes).unwrap(), array);
        }
    }
}
