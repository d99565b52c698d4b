//! Carrying out the machine-applicable edits of diagnostics.

use super::{Diagnostic, Fix};
use crate::source::FileId;

/// The text with the fixes of the diagnostics made, and how many diagnostics that mends. The fixes of one diagnostic are made
/// together or not at all; one that touches an earlier one, or another file, is left out.
#[must_use]
pub fn apply(text: &str, file: FileId, diagnostics: &[Diagnostic]) -> (String, usize) {
    let mut chosen: Vec<&Fix> = Vec::new();
    let mut mended = 0;
    for d in diagnostics.iter().filter(|d| !d.fixes.is_empty()) {
        let sound = |f: &Fix| f.span.file == file && text.get(f.span.range()).is_some_and(|t| t != f.replacement);
        let clear = |f: &Fix| !chosen.iter().any(|c| touch(c, f));
        let apart = d.fixes.iter().enumerate().all(|(k, a)| d.fixes.iter().skip(k + 1).all(|b| !touch(a, b)));
        if apart && d.fixes.iter().all(|f| sound(f) && clear(f)) {
            chosen.extend(&d.fixes);
            mended += 1;
        }
    }
    chosen.sort_by_key(|f| f.span.start);
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for fix in chosen {
        out.push_str(text.get(done..fix.span.start as usize).unwrap_or(""));
        out.push_str(&fix.replacement);
        done = fix.span.end as usize;
    }
    out.push_str(text.get(done..).unwrap_or(""));
    (out, mended)
}

/// Whether two edits concern the same bytes or insert at the same place.
fn touch(a: &Fix, b: &Fix) -> bool {
    let (a, b) = (a.span, b.span);
    a.start == b.start || a.start < b.end && b.start < a.end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Code;
    use crate::source::Span;

    fn fault(edits: &[(usize, usize, &str)]) -> Diagnostic {
        let mut d = Diagnostic::new(Code::E0001, Span::new(FileId(0), 0, 1), "x");
        for (start, end, text) in edits {
            d = d.fix(Span::new(FileId(0), *start, *end), *text);
        }
        d
    }

    #[test]
    fn edits_apart_are_made_and_overlapping_ones_wait() {
        let faults = [fault(&[(4, 6, "X")]), fault(&[(0, 1, "abc"), (5, 6, "no")]), fault(&[(6, 6, "!")]), fault(&[])];
        assert_eq!(apply("0123456789", FileId(0), &faults), ("0123X!6789".to_owned(), 2));
        assert_eq!(apply("0123456789", FileId(1), &faults), ("0123456789".to_owned(), 0));
    }

    #[test]
    fn edits_outside_of_the_text_or_inside_a_character_are_not_made() {
        let faults = [fault(&[(1, 2, "x")]), fault(&[(2, 99, "x")]), fault(&[(0, 2, "é")])];
        assert_eq!(apply("éa", FileId(0), &faults), ("éa".to_owned(), 0));
    }
}
