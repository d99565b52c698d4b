//! The warnings that files accept by `allow`: they are left out of what is reported, and an `allow` that silences nothing is reported itself
//! (W0802).
//!
//! Warnings come at several times: while names and units are checked, once the model is sound, from its plan, and while it runs. An `allow`
//! silences all of them. Whether it silences nothing is said only once everything is known that checking can find, and only where another
//! way of using the file could not need it: see [`Allows::unused`].

use std::collections::BTreeSet;

use crate::diag::{Code, Diagnostic, Severity};
use crate::hir::Model;
use crate::source::FileId;
use crate::syntax::{self, Allowed, ast};

/// Every `allow` of a model and the files it imports.
#[derive(Debug, Default)]
pub(super) struct Allows {
    list: Vec<Allowed>,
    /// Which of them silenced something.
    used: Vec<bool>,
    /// The files that declare something. What is reported elsewhere (in the prelude, in a `--set`) is the model file's.
    files: BTreeSet<FileId>,
    /// Whether those that did nothing have been told.
    told: bool,
}

/// The model file is the first of its session.
const OWN: FileId = FileId(0);

impl Allows {
    pub(super) fn new(items: &[ast::Item]) -> Self {
        let list = syntax::allowed(items);
        let files = if list.is_empty() { BTreeSet::new() } else { items.iter().map(|i| i.span.file).collect() };
        Self { used: vec![false; list.len()], files, told: false, list }
    }

    /// The innermost `allow` that silences a diagnostic.
    fn silencing(&self, d: &Diagnostic) -> Option<usize> {
        if d.severity == Severity::Error {
            return None;
        }
        let at = d.primary.as_ref().map(|l| l.span);
        let covers = |a: &Allowed| a.code == d.code && a.covers(at, OWN, |f| self.files.contains(&f));
        let width = |a: &Allowed| a.scope.map_or(u32::MAX, |s| s.end - s.start);
        self.list.iter().enumerate().filter(|(_, a)| covers(a)).min_by_key(|(_, a)| width(a)).map(|(k, _)| k)
    }

    /// Whether a diagnostic is silenced.
    pub(super) fn silence(&self, d: &Diagnostic) -> bool {
        self.silencing(d).is_some()
    }

    /// Takes out what is silenced, and notes by which `allow`.
    pub(super) fn take_out(&mut self, items: &mut Vec<Diagnostic>) {
        let mut silenced = Vec::new();
        items.retain(|d| match self.silencing(d) {
            Some(k) => {
                silenced.push(k);
                false
            }
            None => true,
        });
        for k in silenced {
            self.used[k] = true;
        }
    }

    /// Reports, once, each `allow` of the model file that silenced nothing, when all has been said of a model. Nothing is said of a file
    /// without populations, nor of a neuron or synapse that no population or connection has: others import it. Nor of warnings that come
    /// while a model runs.
    pub(super) fn unused(&mut self, model: &Model, text: &str) -> Vec<Diagnostic> {
        if std::mem::replace(&mut self.told, true) || model.populations.is_empty() {
            return Vec::new();
        }
        let neurons = model.populations.iter().filter_map(|p| model.neurons.get(p.model.index())).map(|n| &n.name);
        let in_use: BTreeSet<&String> = neurons.chain(model.projections.iter().map(|p| &p.synapse.name)).collect();
        let judged = |a: &Allowed| {
            a.allow.file == OWN && !a.code.while_running() && a.model.as_ref().is_none_or(|m| in_use.contains(m))
        };
        let mut out = self.idle(text, |a| judged(a) && a.code != Code::W0802);
        // An `allow W0802` silences what is said of the others.
        self.take_out(&mut out);
        out.extend(self.idle(text, |a| judged(a) && a.code == Code::W0802));
        out
    }

    fn idle(&self, text: &str, judged: impl Fn(&Allowed) -> bool) -> Vec<Diagnostic> {
        let idle: Vec<&Allowed> =
            self.list.iter().zip(&self.used).filter(|(a, used)| !**used && judged(a)).map(|(a, _)| a).collect();
        let mut out = Vec::new();
        for (k, a) in idle.iter().enumerate() {
            let alike = |b: &&&Allowed| b.allow == a.allow;
            let whole = idle.iter().filter(alike).count() == a.codes.len();
            if whole && idle.iter().take(k).any(|b| b.allow == a.allow) {
                continue;
            }
            let name = if whole && a.codes.len() > 1 { "this".to_owned() } else { format!("`{}`", a.code) };
            let at = if whole { a.allow } else { a.at };
            let cut = syntax::without(text, a, whole);
            let d = Diagnostic::new(Code::W0802, at, format!("{name} is allowed and silences nothing"));
            let d = match self.instead(a) {
                Some(other) => d.label("it is silenced already").also(other.at, "by this one"),
                None if a.scope.is_some() => d.label("nothing here gives such a warning"),
                None => d.label("nothing in this file gives such a warning"),
            };
            out.push(d.help("remove it, or put it where the warning is").fix(cut, ""));
        }
        out
    }

    /// Another `allow` that silences something of what this one covers too.
    fn instead(&self, a: &Allowed) -> Option<&Allowed> {
        let within = |inner: &Allowed, outer: &Allowed| match (inner.scope, outer.scope) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(i), Some(o)) => o.start <= i.start && i.end <= o.end,
        };
        let shared = |b: &Allowed| b.allow.file == a.allow.file && (within(a, b) || within(b, a));
        let mut used = self.list.iter().zip(&self.used).filter(|(_, used)| **used).map(|(b, _)| b);
        used.find(|b| b.code == a.code && shared(b))
    }
}
