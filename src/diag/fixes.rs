//! Carrying out the machine-applicable edits of diagnostics.

use super::{Code, Diagnostic, Fix};
use crate::source::FileId;

/// The text with the fixes of the diagnostics made, and how many diagnostics that mends. The fixes of one diagnostic are made
/// together or not at all; one that touches an earlier one, or another file, or that is a guess (see [`certain`]), is left out.
#[must_use]
pub fn apply(text: &str, file: FileId, diagnostics: &[Diagnostic]) -> (String, usize) {
    let mut chosen: Vec<&Fix> = Vec::new();
    let mut mended = 0;
    for d in diagnostics.iter().filter(|d| !d.fixes.is_empty()) {
        let sound = |f: &Fix| {
            let old = text.get(f.span.range()).filter(|_| f.span.file == file);
            // How other languages say a thing is known, not guessed.
            old.is_some_and(|old| old != f.replacement && (d.code == Code::E0003 || certain(old, &f.replacement)))
        };
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

/// Whether a name may be replaced by another without asking: letters are missing, doubled, exchanged or of the other case. Another
/// letter or digit in one place may be a slip, and may be the next name of a family (`E_a`, `E_b`; `tau_1`, `tau_2`); so may
/// anything in names of one or two letters. What is no name is certain.
fn certain(old: &str, new: &str) -> bool {
    let word = |t: &str| !t.is_empty() && t.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !word(old) || !word(new) || old.bytes().all(|b| b.is_ascii_digit()) {
        return true;
    }
    let (old, new) = (old.to_ascii_lowercase().into_bytes(), new.to_ascii_lowercase().into_bytes());
    if old.len() < 3 {
        return false;
    }
    let (short, long) = if old.len() < new.len() { (&old, &new) } else { (&new, &old) };
    let mut rest = short.iter().peekable();
    let left: Vec<u8> = long.iter().copied().filter(|b| rest.next_if(|r| *r == b).is_none()).collect();
    if rest.peek().is_none() {
        return left.iter().all(u8::is_ascii_alphabetic);
    }
    let differ: Vec<usize> = (0..old.len().min(new.len())).filter(|k| old[*k] != new[*k]).collect();
    let swapped = |a: usize, b: usize| a + 1 == b && old[a] == new[b] && old[b] == new[a];
    old.len() == new.len() && matches!(differ[..], [a, b] if swapped(a, b))
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
    fn slips_are_mended_and_guesses_are_not() {
        for (old, new) in [
            ("E_laek", "E_leak"),
            ("tauu", "tau"),
            ("popultion", "population"),
            ("ohm", "Ohm"),
            ("msec", "ms"),
            ("**", "^"),
            ("-50", "-50 mV"),
            ("5", "5 mV"),
        ] {
            assert!(certain(old, new), "{old} -> {new}");
        }
        for (old, new) in
            [("w", "v"), ("E_b", "E_a"), ("tau_2", "tau_1"), ("v_th2", "v_th"), ("mv", "mV"), ("Exx", "Exc")]
        {
            assert!(!certain(old, new), "{old} -> {new}");
        }
    }

    #[test]
    fn edits_outside_of_the_text_or_inside_a_character_are_not_made() {
        let faults = [fault(&[(1, 2, "x")]), fault(&[(2, 99, "x")]), fault(&[(0, 2, "é")])];
        assert_eq!(apply("éa", FileId(0), &faults), ("éa".to_owned(), 0));
    }
}
