//! An open file: its text, what was found out about it, and the last model that was free of errors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::names::{self, Names};
use super::text::Text;
use crate::diag::{Code, Diagnostic};
use crate::driver::{Advance, Session, Settings};
use crate::hir::Model;
use crate::source::{FileId, SourceFile, Span};
use crate::syntax::Known;

/// The file of an editor is the first of its session.
pub(super) const FILE: FileId = FileId(0);

/// What one check found out.
pub(super) struct Analysis {
    pub(super) session: Session,
    /// Read off the tree when a request asks for names.
    pub(super) names: Option<Names>,
    /// Whether faults of methods and placement have been looked for.
    planned: bool,
}

/// An open file.
pub(super) struct Document {
    pub(super) version: i32,
    pub(super) text: Text,
    path: PathBuf,
    /// What the text held when it was checked last.
    known: Known,
    analysis: Option<Analysis>,
    /// Planning the text before had something to say: then diagnostics wait for the plan, so that none goes away and comes back with
    /// every letter.
    pub(super) plan_spoke: bool,
    /// While somebody types, the text is mostly broken; values and units are then those of the last text that was not.
    pub(super) model: Option<Arc<Model>>,
    pub(super) advances: Vec<Advance>,
}

impl Document {
    pub(super) fn new(uri: &str, version: i32, text: &str) -> Self {
        let path = path_of(uri);
        let known = Known::default();
        Self {
            version,
            text: Text::new(text),
            path,
            known,
            analysis: None,
            plan_spoke: false,
            model: None,
            advances: Vec::new(),
        }
    }

    pub(super) fn change(&mut self, version: i32, text: &str) {
        self.version = version;
        self.text = Text::new(text);
        self.analysis = None;
    }

    /// Checks the text unless it has been.
    fn check(&mut self) {
        if self.analysis.is_some() {
            return;
        }
        let (path, text, known) = (&self.path, self.text.as_str(), &mut self.known);
        let checked = catch_unwind(AssertUnwindSafe(|| check(path, text, known)));
        self.analysis = Some(checked.unwrap_or_else(|_| stumbled(path)));
    }

    /// Plans the text unless it has been.
    fn plan(&mut self) {
        self.check();
        let Some(analysis) = self.analysis.as_mut().filter(|a| !a.planned) else { return };
        analysis.planned = true;
        let before = analysis.session.sink.items.len();
        if catch_unwind(AssertUnwindSafe(|| analysis.session.plan_only())).is_err() {
            *analysis = stumbled(&self.path);
            self.plan_spoke = true;
            return;
        }
        self.plan_spoke = analysis.session.sink.items.len() > before;
        if let Some(model) = &analysis.session.model {
            self.model = Some(model.clone());
            self.advances.clone_from(&analysis.session.advances);
        }
    }

    /// What the diagnostics need that can be told at once, and whether those are all. The names are left out.
    pub(super) fn first_seen(&mut self) -> (Seen<'_>, bool) {
        if self.plan_spoke {
            return (self.seen(), true);
        }
        self.check();
        let Self { text, path, known, analysis, model, advances, .. } = self;
        let analysis = analysis.get_or_insert_with(|| check(path, "", known));
        let complete = analysis.planned || analysis.session.model.is_none();
        let session = &analysis.session;
        (Seen { text, session, names: &names::NONE, model: model.as_deref(), advances }, complete)
    }

    /// The text with what is known of it.
    pub(super) fn seen(&mut self) -> Seen<'_> {
        self.plan();
        let Self { text, path, known, analysis, model, advances, .. } = self;
        let Analysis { session, names, .. } = analysis.get_or_insert_with(|| check(path, "", known));
        let of = |session: &Session| session.tree.as_ref().map(|tree| Names::of(tree, &session.imported));
        let names = names.get_or_insert_with(|| of(session).unwrap_or_default());
        Seen { text, session, names, model: model.as_deref(), advances }
    }
}

/// A text with everything known of it.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) text: &'a Text,
    pub(super) session: &'a Session,
    pub(super) names: &'a Names,
    pub(super) model: Option<&'a Model>,
    pub(super) advances: &'a [Advance],
}

impl Seen<'_> {
    /// The source text of a span, of the prelude too.
    pub(super) fn source(&self, span: Span) -> &str {
        self.session.sources.get(span.file).and_then(|f| f.text.get(span.range())).unwrap_or("")
    }
}

fn check(path: &Path, text: &str, known: &mut Known) -> Analysis {
    let session = Session::from_edited(path, text, &Settings::default(), known);
    Analysis { session, names: None, planned: false }
}

/// What is said of a text over which a pass stumbles.
fn stumbled(path: &Path) -> Analysis {
    // There is nothing to stumble over in the empty text.
    let mut analysis = check(path, "", &mut Known::default());
    analysis.session.model = None;
    analysis.planned = true;
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
