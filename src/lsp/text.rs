//! Positions: the protocol counts lines and UTF-16 units, the compiler bytes.

use std::ops::Range;
use std::sync::Arc;

use gen_lsp_types as lsp;

/// A text with the bytes at which its lines begin.
pub(super) struct Text {
    text: Arc<str>,
    starts: Vec<usize>,
    ascii: bool,
}

impl Text {
    pub(super) fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        let breaks = bytes.iter().enumerate().filter(|(k, b)| match b {
            b'\n' => true,
            // `\r\n` is one break, a lone `\r` is one too.
            b'\r' => bytes.get(k + 1) != Some(&b'\n'),
            _ => false,
        });
        let starts = std::iter::once(0).chain(breaks.map(|(k, _)| k + 1)).collect();
        Self { text: text.into(), starts, ascii: text.is_ascii() }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Where a byte stands; a byte past the end or inside a character is taken as the nearest place before it.
    pub(super) fn position(&self, byte: usize) -> lsp::Position {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        let line = self.starts.partition_point(|s| *s <= byte).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        // A file of one long line asks for this often.
        let plain = self.ascii.then(|| byte.saturating_sub(start));
        let units = plain.unwrap_or_else(|| self.text.get(start..byte).unwrap_or("").encode_utf16().count());
        lsp::Position { line: line as u32, character: units as u32 }
    }

    /// The byte of a position; columns past the end of a line are its end, lines past the last one the end of the text.
    pub(super) fn byte(&self, at: lsp::Position) -> usize {
        let Some(start) = self.starts.get(at.line as usize).copied() else { return self.text.len() };
        let end = self.starts.get(at.line as usize + 1).copied().unwrap_or(self.text.len());
        let line = self.text.get(start..end).unwrap_or("").trim_end_matches(['\n', '\r']);
        let (mut units, wanted) = (0, at.character as usize);
        for (k, c) in line.char_indices() {
            units += c.len_utf16();
            if units > wanted {
                return start + k;
            }
        }
        start + line.len()
    }

    pub(super) fn range(&self, bytes: Range<usize>) -> lsp::Range {
        lsp::Range { start: self.position(bytes.start), end: self.position(bytes.end) }
    }

    /// The name or number at a byte (or ending there), with its place; `None` in comments and strings.
    pub(super) fn word(&self, byte: usize) -> Option<(Range<usize>, &str)> {
        if !self.is_code(byte) {
            return None;
        }
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let before = self.text.get(..byte)?;
        let start = before.trim_end_matches(word).len();
        let rest = self.text.get(start..)?;
        let end = start + rest.find(|c| !word(c)).unwrap_or(rest.len());
        let found = self.text.get(start..end).filter(|w| !w.is_empty())?;
        Some((start..end, found))
    }

    /// Whether a byte stands outside of comments and strings. Neither goes over the end of a line.
    pub(super) fn is_code(&self, byte: usize) -> bool {
        let line = self.starts.partition_point(|s| *s <= byte).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let mut quoted = false;
        for b in self.text.get(start..byte).unwrap_or("").bytes() {
            match b {
                b'"' => quoted = !quoted,
                b'#' if !quoted => return false,
                _ => {}
            }
        }
        !quoted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32, character: u32) -> lsp::Position {
        lsp::Position { line, character }
    }

    #[test]
    fn columns_are_utf16_units_and_every_position_has_a_byte() {
        // µ: two bytes, one unit; 𝜏: four bytes, two units.
        let text = Text::new("µ𝜏x\r\nb\rc\n");
        assert_eq!(text.position(6), at(0, 3));
        assert_eq!(text.position(4), at(0, 1), "inside a character");
        assert_eq!(text.byte(at(0, 3)), 6);
        assert_eq!(text.byte(at(0, 2)), 2, "inside a pair");
        assert_eq!(text.byte(at(0, 99)), 7, "before the line break");
        assert_eq!((text.position(9), text.position(11)), (at(1, 0), at(2, 0)));
        assert_eq!(text.byte(at(3, 0)), 13);
        assert_eq!(text.byte(at(99, 7)), 13);
        assert_eq!(text.position(99), at(3, 0));
    }

    #[test]
    fn words_are_found_in_code_only() {
        let text = Text::new("let tau_m = 1 # tau\nprint(\"tau # x\", v)");
        assert_eq!(text.word(6).map(|w| w.1), Some("tau_m"));
        assert_eq!(text.word(9).map(|w| w.1), Some("tau_m"), "at its end");
        assert_eq!(text.word(17), None);
        assert_eq!(text.word(29), None);
        assert_eq!(text.word(38).map(|w| w.1), Some("v"));
        assert_eq!(text.word(999), None);
    }
}
