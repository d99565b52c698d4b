//! From the bytes of a file to text that may be parsed: size, encoding and control characters are checked once, here.

use crate::diag::{Code, Diagnostic};

/// The largest source that is read, in bytes.
pub const MAX_SOURCE: usize = 4 << 20;

/// The text of a source file's bytes. `name` is the file's name for messages.
///
/// # Errors
/// `E0006` over [`MAX_SOURCE`] bytes; `E0005` for bytes that are not UTF-8, and for control characters other than tab and
/// line break.
pub fn decode(bytes: &[u8], name: &str) -> Result<String, Diagnostic> {
    if bytes.len() > MAX_SOURCE {
        return Err(Diagnostic::without_span(Code::E0006, format!("{name}: {}", too_large(bytes.len())))
            .help("put long tables into an .npz file and read them with `array(\"file.npz\", \"key\")`"));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => {
            let at = e.valid_up_to();
            let byte = bytes.get(at).copied().unwrap_or_default();
            let message = format!("{name}: {} is not valid UTF-8 text", place(bytes, at));
            let mut fault = Diagnostic::without_span(Code::E0005, message)
                .note(format!("byte {at} of the file has the value 0x{byte:02x}"));
            fault = if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
                fault.help("the file seems to be UTF-16: save it as UTF-8")
            } else {
                fault.help("save the file as UTF-8")
            };
            return Err(fault);
        }
    };
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if let Some((at, c)) = text.char_indices().find(|(_, c)| control(*c)) {
        let message = format!("{name}: {} is a control character", place(bytes, at));
        return Err(Diagnostic::without_span(Code::E0005, message)
            .note(format!("it is U+{:04X}; only tabs and line breaks may stand in a source file", c as u32))
            .help("delete it; if there are many, this may not be a text file"));
    }
    Ok(text.to_owned())
}

/// What is said of a source of `size` bytes.
pub(crate) fn too_large(size: usize) -> String {
    format!("the source is {:.1} MiB long; at most {} MiB are read", size as f64 / f64::from(1 << 20), MAX_SOURCE >> 20)
}

/// `line 3, column 7` of a byte, the column in bytes since the text may not be text.
fn place(bytes: &[u8], at: usize) -> String {
    let before = bytes.get(..at).unwrap_or_default();
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let column = at - before.iter().rposition(|b| *b == b'\n').map_or(0, |p| p + 1) + 1;
    format!("line {line}, column {column}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_passes_and_everything_else_is_named_with_its_place() {
        assert_eq!(decode("a = 1\r\n\t# é".as_bytes(), "m.snn").as_deref().ok(), Some("a = 1\r\n\t# é"));
        let fault = decode(b"ab\nc\xffd", "m.snn").unwrap_err();
        assert_eq!(fault.code, Code::E0005);
        assert!(fault.message.contains("line 2, column 2"), "{}", fault.message);
        let fault = decode(b"a\0b", "m.snn").unwrap_err();
        assert_eq!(fault.code, Code::E0005);
        assert!(fault.notes[0].contains("U+0000"));
        let fault = decode(&vec![b' '; MAX_SOURCE + 1], "m.snn").unwrap_err();
        assert_eq!(fault.code, Code::E0006);
    }
}
