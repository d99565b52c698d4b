//! An open file: its text, what was found out about it, and the last model that was free of errors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::later::{Job, Later};
use super::names::{self, Names};
use super::text::Text;
use crate::diag::{Code, Diagnostic, Sink};
use crate::driver::{Session, Settings};
use crate::hir::Model;
use crate::source::{FileId, SourceFile, Span};
use crate::syntax::Known;

/// The file of an editor is the first of its session.
pub(super) const FILE: FileId = FileId(0);

/// What was found out about a text.
struct Analysis {
    session: Session,
    /// Read off the tree when a request asks for names: with all uses, or with those near a place.
    names: Option<(Uses, Names)>,
    /// What is missing of what is to be said.
    missing: Missing,
}

/// Where the uses of names are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Uses {
    Everywhere,
    /// In these items of the tree.
    In(usize, usize),
}

/// What is suspicious in a sound text is found out later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// Nothing.
    Nothing,
    /// It has not been asked for.
    Rest,
    /// It has been asked for.
    Asked,
}

/// Which diagnostics of a text the client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    None,
    /// Those that could be told at once.
    First,
    All,
}

/// An open file.
pub(super) struct Document {
    pub(super) version: i32,
    pub(super) text: Text,
    /// The number of the text among all that the server has seen.
    number: u64,
    path: PathBuf,
    /// What the text held when it was checked last.
    known: Known,
    analysis: Option<Analysis>,
    shown: Shown,
    /// There was something suspicious in the text before: then diagnostics wait until all is found out, so that none goes away and comes
    /// back with every letter.
    suspicious: bool,
    /// While somebody types, the text is mostly broken; values and units are then those of the last text that was not.
    model: Option<Arc<Model>>,
}

impl Document {
    pub(super) fn new(uri: &str, number: u64, version: i32, text: &str) -> Self {
        Self {
            version,
            text: Text::new(text),
            number,
            path: path_of(uri),
            known: Known::default(),
            analysis: None,
            shown: Shown::None,
            suspicious: false,
            model: None,
        }
    }

    pub(super) fn change(&mut self, number: u64, version: i32, text: &str) {
        self.version = version;
        self.number = number;
        self.text = Text::new(text);
        self.shown = Shown::None;
        if let Some(Analysis { mut session, .. }) = self.analysis.take()
            && let (Some(tree), Some(file)) = (session.tree.take(), session.sources.get(FILE))
        {
            self.known.keep(file.text.clone(), tree);
        }
    }

    /// Forgets what was found out: it may depend on other files (imports, data, arrays), which have changed.
    pub(super) fn reread(&mut self, number: u64) {
        let text = self.text.as_str().to_owned();
        self.change(number, self.version, &text);
    }

    /// Checks the text unless it has been.
    fn check(&mut self, later: &Later) {
        if self.analysis.is_some() {
            return;
        }
        let (path, text, known) = (&self.path, self.text.as_str(), &mut self.known);
        let checked = catch_unwind(AssertUnwindSafe(|| check(path, text, known)));
        let mut analysis = checked.unwrap_or_else(|_| stumbled(path));
        let new = analysis.session.model.clone();
        let old = if new.is_some() { std::mem::replace(&mut self.model, new) } else { None };
        later.free(old, analysis.session.parts.take());
        self.analysis = Some(analysis);
    }

    /// Asks for what is missing; whether it will come.
    pub(super) fn ask(&mut self, uri: &str, later: &Later) -> bool {
        self.check(later);
        let Some(Analysis { session, missing, .. }) = &mut self.analysis else { return false };
        if let (Missing::Rest, Some(model)) = (*missing, &session.model) {
            let said = Sink { items: session.sink.items.clone(), holes: Vec::new() };
            later.find(Job { number: self.number, uri: uri.to_owned(), model: model.clone(), said });
            *missing = Missing::Asked;
        }
        *missing == Missing::Asked
    }

    /// Takes over what was missing, if it is about this text.
    pub(super) fn complete(&mut self, number: u64, found: Option<Sink>) {
        let Some(analysis) = self.analysis.as_mut().filter(|a| a.missing == Missing::Asked) else { return };
        if number != self.number {
            return;
        }
        analysis.missing = Missing::Nothing;
        match found {
            Some(sink) => {
                let before = analysis.session.sink.items.len();
                analysis.session.complete(sink);
                self.suspicious = analysis.session.sink.items.len() > before;
            }
            None => {
                self.suspicious = true;
                *analysis = stumbled(&self.path);
            }
        }
    }

    /// Whether the client is to get diagnostics now: it has not got them all, and more is known than it has.
    pub(super) fn tells(&mut self) -> bool {
        let Some(analysis) = &self.analysis else { return false };
        let last = self.shown;
        self.shown = match (analysis.missing, last) {
            (Missing::Nothing, _) => Shown::All,
            (_, Shown::None) if !self.suspicious => Shown::First,
            _ => last,
        };
        // What was complete at first glance needs no second message.
        self.shown != last && (self.suspicious || last != Shown::First)
    }

    /// The text with what is known of it, without names.
    pub(super) fn plain(&mut self, later: &Later) -> Seen<'_> {
        self.check(later);
        let Self { text, path, known, analysis, model, .. } = self;
        let session = &analysis.get_or_insert_with(|| check(path, "", known)).session;
        Seen { text, session, names: &names::NONE, model: model.as_deref() }
    }

    /// The text with what is known of it, the uses of names near a byte among it.
    pub(super) fn near(&mut self, later: &Later, byte: usize) -> Seen<'_> {
        self.check(later);
        let Some(tree) = self.analysis.as_ref().and_then(|a| a.session.tree.as_ref()) else { return self.plain(later) };
        let first = tree.items.partition_point(|i| i.span.range().end < byte);
        let touched = tree.items.iter().skip(first).take_while(|i| i.span.range().start <= byte).count();
        let at = Uses::In(first, first + touched);
        self.seen(later, at)
    }

    /// The text with all that is known of it.
    pub(super) fn whole(&mut self, later: &Later) -> Seen<'_> {
        self.seen(later, Uses::Everywhere)
    }

    fn seen(&mut self, later: &Later, uses: Uses) -> Seen<'_> {
        self.check(later);
        let Self { text, path, known, analysis, model, .. } = self;
        let Analysis { session, names, .. } = analysis.get_or_insert_with(|| check(path, "", known));
        let fits = |have: Uses| have == Uses::Everywhere || have == uses;
        if names.as_ref().is_none_or(|(have, _)| !fits(*have)) {
            let found = session.tree.as_ref().map(|tree| match uses {
                Uses::Everywhere => Names::of(tree, &session.imported, &tree.items),
                Uses::In(from, to) => Names::of(tree, &session.imported, tree.items.get(from..to).unwrap_or_default()),
            });
            *names = Some((uses, found.unwrap_or_default()));
        }
        let names = names.as_ref().map_or(&names::NONE, |(_, names)| names);
        Seen { text, session, names, model: model.as_deref() }
    }
}

/// A text with everything known of it.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) text: &'a Text,
    pub(super) session: &'a Session,
    pub(super) names: &'a Names,
    pub(super) model: Option<&'a Model>,
}

impl Seen<'_> {
    /// The source text of a span, of the prelude too.
    pub(super) fn source(&self, span: Span) -> &str {
        self.session.sources.get(span.file).and_then(|f| f.text.get(span.range())).unwrap_or("")
    }
}

fn check(path: &Path, text: &str, known: &mut Known) -> Analysis {
    let session = Session::from_edited(path, text, &Settings::default(), known);
    let missing = if session.model.is_some() { Missing::Rest } else { Missing::Nothing };
    Analysis { session, names: None, missing }
}

/// What is said of a text over which a pass stumbles.
fn stumbled(path: &Path) -> Analysis {
    // There is nothing to stumble over in the empty text.
    let mut analysis = check(path, "", &mut Known::default());
    analysis.session.model = None;
    analysis.missing = Missing::Nothing;
    let span = Span::new(FILE, 0, 0);
    let d = Diagnostic::new(Code::E0900, span, "a bug in snnc: it stumbled over this file");
    analysis.session.sink.items = vec![d.help("please report it with this file")];
    analysis
}

impl Seen<'_> {
    /// The file that a place is in, if the document imports it.
    pub(super) fn imported(&self, span: Span) -> Option<&SourceFile> {
        let imported = span.file.0 > super::names::PRELUDE_FILE.0;
        imported.then(|| self.session.sources.get(span.file)).flatten()
    }
}

/// The `file:` URI of a path from the root; `None` for other paths.
pub(super) fn uri_of(path: &Path) -> Option<String> {
    let mut uri = "file://".to_owned();
    let mut parts: Vec<String> = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(escaped(name.to_str()?)),
            // As editors do: they open a file by one name.
            Component::ParentDir => drop(parts.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    path.is_absolute().then(|| {
        parts.iter().for_each(|p| uri = format!("{uri}/{p}"));
        uri
    })
}

/// Bytes that may not stand in a URI, as `%` and two digits.
fn escaped(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    name.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// The path of a `file:` URI; other URIs stand for themselves.
fn path_of(uri: &str) -> PathBuf {
    let Some(rest) = uri.strip_prefix("file://") else { return PathBuf::from(uri) };
    let bytes = rest.as_bytes();
    let (mut out, mut k) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(b) = bytes.get(k) {
        let escaped = rest.get(k + 1..k + 3).filter(|_| *b == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(escaped.unwrap_or(*b));
        k += if escaped.is_some() { 3 } else { 1 };
    }
    PathBuf::from(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_become_paths() {
        assert_eq!(path_of("file:///a%20b/%C3%A9.snn"), PathBuf::from("/a b/é.snn"));
        assert_eq!(path_of("file:///100%"), PathBuf::from("/100%"));
        for path in ["/a b/é.snn", "/100%/x.snn"] {
            assert_eq!(path_of(&uri_of(Path::new(path)).unwrap_or_default()), PathBuf::from(path));
        }
        assert_eq!(uri_of(Path::new("/a/b/../c/./d.snn")), Some("file:///a/c/d.snn".to_owned()));
        assert_eq!(uri_of(Path::new("a.snn")), None);
        assert_eq!(path_of("untitled:Untitled-1"), PathBuf::from("untitled:Untitled-1"));
    }
}
