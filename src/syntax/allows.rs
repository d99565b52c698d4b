//! Warnings that a file accepts: `allow W0701 "why"`. Here is what may be written, and where an `allow` counts; who leaves the warnings
//! out, and says which `allow` silences nothing, is `driver/allowed.rs`.

use super::ast::*;
use super::errors::nearest;
use crate::diag::{Code, Diagnostic, Severity};
use crate::source::{FileId, Span};

/// One code of an `allow`, and where it counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Allowed {
    /// The warning.
    pub code: Code,
    /// Where its code stands.
    pub at: Span,
    /// The whole `allow`.
    pub allow: Span,
    /// The codes of the whole `allow`, this one among them.
    pub codes: Vec<Span>,
    /// The declaration or block around it; `None`: the whole file.
    pub scope: Option<Span>,
    /// The `neuron` or `synapse` around it.
    pub model: Option<String>,
}

impl Allowed {
    /// Whether it covers what is reported at a place. What has no place, or one in a file that nobody can edit, is the model file's.
    #[must_use]
    pub fn covers(&self, at: Option<Span>, own: FileId, editable: impl Fn(FileId) -> bool) -> bool {
        match (self.scope, at) {
            (Some(scope), Some(at)) => scope.file == at.file && scope.start <= at.start && at.end <= scope.end,
            (Some(_), None) => false,
            (None, at) => self.allow.file == at.map(|a| a.file).filter(|f| editable(*f)).unwrap_or(own),
        }
    }
}

/// What is wrong with an `allow` that matches the grammar: what it names is no warning, or it gives no reason.
pub(super) fn faults(allow: &Allow) -> Vec<Diagnostic> {
    let mut out: Vec<Diagnostic> = allow.codes.iter().filter_map(wrong).collect();
    if allow.reason.node.trim().is_empty() && out.is_empty() {
        let written = allow.reason.span;
        let codes: Vec<&str> = allow.codes.iter().map(|c| c.node.as_str()).collect();
        let codes = codes.join(", ");
        let d = Diagnostic::new(Code::E0007, written, format!("no reason is given why {codes} is accepted"));
        let d = d.label(if written.start == written.end { "expected a string here" } else { "says nothing" });
        out.push(d.help(format!("say in a few words why: `allow {codes} \"as in the published program\"`")));
    }
    out
}

fn wrong(code: &Ident) -> Option<Diagnostic> {
    let warnings: Vec<&str> =
        Code::ALL.iter().filter(|c| c.severity() == Severity::Warning).map(|c| c.name()).collect();
    if warnings.contains(&code.node.as_str()) {
        return None;
    }
    let name = &code.node;
    if let Some(error) = Code::ALL.iter().find(|c| c.name() == name) {
        let message = format!("`{name}` is an error; only warnings can be allowed");
        let d = Diagnostic::new(Code::E0007, code.span, message).label(error.summary());
        return Some(d.help(format!("mend what it reports: `snnc explain {name}` shows how")));
    }
    let d = Diagnostic::new(Code::E0007, code.span, format!("there is no warning `{name}`"));
    let upper = name.to_ascii_uppercase();
    Some(match nearest(&upper, &warnings).or_else(|| warnings.iter().copied().find(|w| *w == upper)) {
        Some(near) => d.help(format!("did you mean `{near}`?")).fix(code.span, near),
        None => d.help("the code of a warning stands in its first line: `warning[W0701]: …`"),
    })
}

/// All codes that the items of a model allow.
#[must_use]
pub fn allowed(items: &[Item]) -> Vec<Allowed> {
    let mut walk = Walk { out: Vec::new(), model: None };
    walk.items(items, None);
    walk.out
}

struct Walk {
    out: Vec<Allowed>,
    model: Option<String>,
}

impl Walk {
    fn allow(&mut self, allow: &Allow, span: Span, scope: Option<Span>) {
        let codes: Vec<Span> = allow.codes.iter().map(|c| c.span).collect();
        for name in &allow.codes {
            let code = Code::ALL.iter().find(|c| c.name() == name.node && c.severity() == Severity::Warning);
            self.out.extend(code.map(|code| Allowed {
                code: *code,
                at: name.span,
                allow: span,
                codes: codes.clone(),
                scope,
                model: self.model.clone(),
            }));
        }
    }

    fn items(&mut self, items: &[Item], scope: Option<Span>) {
        for item in items {
            let own = Some(item.span);
            match &item.kind {
                ItemKind::Allow(a) => self.allow(a, item.span, scope),
                ItemKind::Neuron(m) | ItemKind::Synapse(m) => {
                    self.model = Some(m.name.node.clone());
                    m.items.iter().for_each(|i| self.model_item(i, own));
                    self.model = None;
                }
                ItemKind::Procedure { body, .. } | ItemKind::Experiment { body, .. } | ItemKind::Test { body, .. } => {
                    self.block(body, item.span);
                }
                ItemKind::Unroll { items, .. } => self.items(items, own),
                _ => {}
            }
        }
    }

    fn model_item(&mut self, item: &ModelItem, scope: Option<Span>) {
        match &item.kind {
            ModelItemKind::Allow(a) => self.allow(a, item.span, scope),
            ModelItemKind::On { body, .. } | ModelItemKind::Every { body, .. } => self.block(body, item.span),
            _ => {}
        }
    }

    /// The statements of a block; `scope` is the block with what stands before its brace.
    fn block(&mut self, block: &Block, scope: Span) {
        for stmt in &block.stmts {
            match &stmt.kind {
                StmtKind::Allow(a) => self.allow(a, stmt.span, Some(scope)),
                StmtKind::If { .. } => self.choice(stmt),
                StmtKind::For { body, .. } | StmtKind::While { body, .. } | StmtKind::Repeat { body, .. } => {
                    self.block(body, stmt.span);
                }
                _ => {}
            }
        }
    }

    fn choice(&mut self, stmt: &Stmt) {
        let StmtKind::If { then, els, .. } = &stmt.kind else { return };
        self.block(then, then.span);
        match els {
            Some(Else::If(next)) => self.choice(next),
            Some(Else::Block(block)) => self.block(block, block.span),
            None => {}
        }
    }
}

/// The bytes to take out of a text so that a code, or with `whole` its `allow`, is gone, and nothing else changes its meaning.
#[must_use]
pub fn without(text: &str, allowed: &Allowed, whole: bool) -> Span {
    let file = allowed.allow.file;
    if !whole && let Some(k) = allowed.codes.iter().position(|c| *c == allowed.at) {
        return match (allowed.codes.get(k + 1), k.checked_sub(1).and_then(|b| allowed.codes.get(b))) {
            (Some(next), _) => Span { file, start: allowed.at.start, end: next.start },
            (None, Some(before)) => Span { file, start: before.end, end: allowed.at.end },
            (None, None) => allowed.allow,
        };
    }
    let (mut start, mut end) = (allowed.allow.range().start, allowed.allow.range().end);
    let blank = |c: char| c == ' ' || c == '\t';
    let line = text.get(..start).map_or(0, |t| t.rfind('\n').map_or(0, |n| n + 1));
    let first = text.get(line..start).is_some_and(|t| t.chars().all(blank));
    let rest = text.get(end..).unwrap_or("");
    let after = rest.trim_start_matches(blank);
    if first && (after.is_empty() || after.starts_with('\n') || after.starts_with("\r\n")) {
        // The line, and its documentation.
        start = super::split::doc_start(text, line);
        end += rest.find('\n').map_or(rest.len(), |n| n + 1);
    } else if let Some(more) = after.strip_prefix(';') {
        end = text.len() - more.trim_start_matches(blank).len();
    } else if let Some(before) = text.get(..start).map(|t| t.trim_end_matches(blank)).and_then(|t| t.strip_suffix(';'))
    {
        start = before.len();
    }
    Span::new(file, start, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax;

    fn all(text: &str) -> Vec<Allowed> {
        let (file, faults) = syntax::parse(FileId(0), text);
        assert!(faults.is_empty(), "{faults:?}");
        allowed(&file.items)
    }

    #[test]
    fn an_allow_counts_in_the_braces_around_it() {
        let text = "allow W0709 \"a\"
neuron M { allow W0701 \"b\"; on spike { allow W0704 \"c\" } }
experiment e { for k in 0..3 { if k > 1 { allow W0712 \"d\" } else { allow W0702 \"e\" } } }";
        let found: Vec<(&str, Option<&str>)> =
            all(text).iter().map(|a| (a.code.name(), a.scope.map(|s| &text[s.range()]))).collect();
        assert_eq!(
            found,
            [
                ("W0709", None),
                ("W0701", text.lines().nth(1)),
                ("W0704", Some("on spike { allow W0704 \"c\" }")),
                ("W0712", Some("{ allow W0712 \"d\" }")),
                ("W0702", Some("{ allow W0702 \"e\" }")),
            ]
        );
    }

    #[test]
    fn what_is_taken_out_leaves_the_rest_as_it_was() {
        for (text, whole, rest) in [
            ("const a = 1\n## Why.\nallow W0701 \"x\"\nconst b = 2\n", true, "const a = 1\nconst b = 2\n"),
            ("allow W0701 \"x\" # why\nconst b = 2\n", true, " # why\nconst b = 2\n"),
            ("neuron M { allow W0701 \"x\"; state v = 0 }", true, "neuron M { state v = 0 }"),
            ("neuron M { state v = 0; allow W0701 \"x\" }", true, "neuron M { state v = 0 }"),
            ("neuron M { allow W0701 \"x\" }", true, "neuron M {  }"),
            ("allow W0701, W0704 \"x\"", false, "allow W0704 \"x\""),
            ("allow W0701, W0704 \"x\"", true, ""),
        ] {
            let cut = without(text, &all(text)[0], whole).range();
            let left = format!("{}{}", &text[..cut.start], &text[cut.end..]);
            assert_eq!(left, rest, "{text}");
        }
        let text = "allow W0701, W0704 \"x\"";
        let cut = without(text, &all(text)[1], false).range();
        assert_eq!(format!("{}{}", &text[..cut.start], &text[cut.end..]), "allow W0701 \"x\"");
    }
}
