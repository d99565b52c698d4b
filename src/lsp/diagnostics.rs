//! Diagnostics, and the quick fixes that come with them.

use std::collections::HashMap;

use gen_lsp_types as lsp;

use super::document::{FILE, Seen};
use crate::diag::{Diagnostic, Fix, Severity};
use crate::source::Span;

/// All diagnostics of a text.
pub(super) fn all(seen: Seen<'_>, uri: &lsp::Uri) -> Vec<lsp::Diagnostic> {
    seen.session.sink.items.iter().map(|d| shown(seen, uri, d)).collect()
}

fn shown(seen: Seen<'_>, uri: &lsp::Uri, d: &Diagnostic) -> lsp::Diagnostic {
    let mut message = d.message.clone();
    if let Some(label) = d.primary.as_ref().filter(|l| !l.text.is_empty()) {
        message += &format!("\n{}", label.text);
    }
    for note in &d.notes {
        message += &format!("\nnote: {note}");
    }
    for help in &d.helps {
        message += &format!("\nhelp: {help}");
    }
    if let Some(file) = d.primary.as_ref().and_then(|l| seen.imported(l.span)).map(|f| &f.name) {
        message = format!("in {file}: {message}");
    }
    let mut related = Vec::new();
    for label in &d.secondary {
        if label.span.file == FILE {
            let location = lsp::Location { uri: uri.clone(), range: seen.text.range(label.span.range()) };
            related.push(lsp::DiagnosticRelatedInformation { location, message: label.text.clone() });
        } else if let Some(file) = seen.imported(label.span).map(|f| &f.name) {
            message += &format!("\nnote: `{}` in {file}: {}", seen.source(label.span).trim(), label.text);
        } else {
            // The prelude has no file that an editor could open.
            message += &format!("\nnote: `{}` of the prelude: {}", seen.source(label.span).trim(), label.text);
        }
    }
    lsp::Diagnostic {
        range: range(seen, d),
        severity: Some(match d.severity {
            Severity::Error => lsp::DiagnosticSeverity::Error,
            Severity::Warning => lsp::DiagnosticSeverity::Warning,
            Severity::Note => lsp::DiagnosticSeverity::Information,
        }),
        code: Some(d.code.name().to_owned().into()),
        code_description: None,
        source: Some("snnc".to_owned()),
        message: message.into(),
        tags: None,
        related_information: (!related.is_empty()).then_some(related),
        data: None,
    }
}

/// The place of a diagnostic; the beginning of the file for what stands nowhere in it.
fn range(seen: Seen<'_>, d: &Diagnostic) -> lsp::Range {
    let span = d.primary.as_ref().map(|l| l.span).filter(|s| s.file == FILE);
    seen.text.range(span.map_or(0..0, Span::range))
}

/// The quick fixes of the diagnostics that touch a range.
pub(super) fn actions(seen: Seen<'_>, uri: &lsp::Uri, asked: lsp::Range) -> Vec<lsp::CodeAction> {
    let mut out = Vec::new();
    for d in &seen.session.sink.items {
        let own = d.fixes.iter().all(|f| f.span.file == FILE && seen.text.as_str().get(f.span.range()).is_some());
        let at = range(seen, d);
        if at.end >= asked.start
            && asked.end >= at.start
            && let Some((byte, text)) = super::allow::insertion(seen, d)
        {
            let edit = lsp::TextEdit { range: seen.text.range(byte..byte), new_text: text };
            out.push(action(seen, uri, d, format!("Allow {} here, and say why", d.code), vec![edit]));
        }
        if d.fixes.is_empty() || !own || at.end < asked.start || asked.end < at.start {
            continue;
        }
        let edits = d
            .fixes
            .iter()
            .map(|f| lsp::TextEdit { range: seen.text.range(f.span.range()), new_text: f.replacement.clone() })
            .collect();
        out.push(action(seen, uri, d, title(seen, &d.fixes), edits));
    }
    out
}

/// A quick fix of a diagnostic.
fn action(seen: Seen<'_>, uri: &lsp::Uri, d: &Diagnostic, title: String, edits: Vec<lsp::TextEdit>) -> lsp::CodeAction {
    lsp::CodeAction {
        title,
        kind: Some(lsp::CodeActionKind::QuickFix),
        diagnostics: Some(vec![shown(seen, uri, d)]),
        edit: Some(lsp::WorkspaceEdit {
            changes: Some(HashMap::from([(uri.clone(), edits)])),
            document_changes: None,
            change_annotations: None,
        }),
        is_preferred: None,
        disabled: None,
        command: None,
        data: None,
        tags: None,
    }
}

/// What a fix does, in words.
fn title(seen: Seen<'_>, fixes: &[Fix]) -> String {
    let one = |f: &Fix| match (seen.source(f.span).trim(), f.replacement.trim()) {
        ("", new) => format!("insert `{new}`"),
        (old, "") => format!("remove `{old}`"),
        (old, new) => format!("replace `{old}` by `{new}`"),
    };
    let mut text = fixes.iter().map(one).collect::<Vec<_>>().join(" and ");
    if let Some(first) = text.get(..1) {
        text = first.to_uppercase() + text.get(1..).unwrap_or("");
    }
    text
}
