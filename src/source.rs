//! Source files and positions in them. Every pass reports positions as [`Span`]s; only `diag::render` turns them into
//! lines and columns.

use std::sync::Arc;

/// A source file of a [`SourceMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileId(pub u32);

/// A byte range `start..end` of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The range `start..end` of `file`.
    #[must_use]
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        // Sources over 4 MiB are refused before parsing, so the casts lose nothing.
        Self { file, start: start as u32, end: end as u32 }
    }

    /// The smallest range that covers both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The range as `usize`, for slicing.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A value with the place it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub node: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Pairs a value with its place.
    pub fn new(node: T, span: Span) -> Self {
        Self { node, span }
    }
}

/// One source text.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// The name shown in messages: the path as the user gave it.
    pub name: String,
    /// The text.
    pub text: Arc<str>,
    /// The byte at which each line begins.
    lines: Arc<[u32]>,
    plain: bool,
}

impl SourceFile {
    /// Whether the text is plain ASCII without control characters other than tabs and line breaks.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.plain
    }
}

/// All source texts of a session.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// Adds a file.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> FileId {
        let (name, text) = (name.into(), text.into());
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at as u32 + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        let plain = text.bytes().all(|b| matches!(b, b' '..=b'~' | b'\t' | b'\n' | b'\r'));
        self.files.push(SourceFile { name, text, lines, plain });
        FileId(self.files.len() as u32 - 1)
    }

    /// The file of an id that this map gave out.
    #[must_use]
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// The file of an id, which may be another map's.
    #[must_use]
    pub fn get(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// All files, in the order they were added.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The text of a span.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file).text.get(span.range()).unwrap_or("")
    }

    /// Line and column of a byte, both from 1, the column in characters. A byte past the end is taken as the end; an unknown
    /// file gives line 1, column 1.
    #[must_use]
    pub fn line_column(&self, file: FileId, byte: u32) -> (usize, usize) {
        let Some(file) = self.get(file) else { return (1, 1) };
        let mut byte = (byte as usize).min(file.text.len());
        while !file.text.is_char_boundary(byte) {
            byte -= 1;
        }
        let line = file.lines.partition_point(|start| *start as usize <= byte).max(1);
        let start = file.lines.get(line - 1).map_or(0, |s| *s as usize);
        (line, file.text.get(start..byte).unwrap_or("").chars().count() + 1)
    }

    /// The bytes of a line, counted from 1, with its line break; `None` past the last line.
    #[must_use]
    pub fn line_range(&self, file: FileId, line: usize) -> Option<std::ops::Range<usize>> {
        let file = self.get(file)?;
        let start = *file.lines.get(line.checked_sub(1)?)? as usize;
        Some(start..file.lines.get(line).map_or(file.text.len(), |s| *s as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let mut sources = SourceMap::default();
        let id = sources.add("a", "é x\r\n\ny");
        assert_eq!(sources.line_column(id, 0), (1, 1));
        assert_eq!(sources.line_column(id, 1), (1, 1), "inside a character");
        assert_eq!(sources.line_column(id, 3), (1, 3));
        assert_eq!(sources.line_column(id, 6), (2, 1));
        assert_eq!(sources.line_column(id, 7), (3, 1));
        assert_eq!(sources.line_column(id, 99), (3, 2));
        assert_eq!(sources.line_range(id, 2), Some(6..7));
        assert_eq!(sources.line_range(id, 4), None);
    }
}
