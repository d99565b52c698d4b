//! Items that were parsed before, by their text: after an edit only what was edited is matched against the grammar again.
//!
//! The tree of an item without a fault is a function of its bytes alone (`recover.rs` matches each alone, its comments included), but
//! for its place. So an item whose bytes are known is taken out of the old tree, and [`Move`] puts its spans where it stands now: nothing
//! is copied. Faulty items are never taken over: their messages depend on what is around them.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::ast::{File, Item, ItemKind};
use super::visit::VisitMut;
use crate::source::{FileId, Span};

/// What one file held when it was parsed last: its text, and its tree once [`Known::keep`] gave it back.
#[derive(Debug, Default)]
pub struct Known {
    text: Arc<str>,
    items: Vec<Item>,
    /// Which items have no fault.
    sound: Vec<bool>,
}

impl Known {
    /// Gives the tree of the last parse back, with its text, when nobody needs it any more.
    pub fn keep(&mut self, text: Arc<str>, tree: File) {
        if tree.items.len() == self.sound.len() {
            self.text = text;
            self.items = tree.items;
        }
    }

    /// Notes which items of a new tree have no fault.
    pub(super) fn next(sound: Vec<bool>) -> Self {
        Self { sound, ..Self::default() }
    }

    /// The text, the items, and which of them have no fault.
    pub(super) fn parts(self) -> (Arc<str>, Vec<Item>, Vec<bool>) {
        (self.text, self.items, self.sound)
    }
}

/// The sound items of an old tree by their text.
pub(super) struct Old<'t> {
    /// The first item of a text.
    first: HashMap<&'t str, usize, FxBuildHasher>,
    /// For each item the next one of the same text, where it was, and what it is until it is taken.
    items: Vec<(Option<usize>, Span, Option<ItemKind>)>,
}

impl<'t> Old<'t> {
    pub(super) fn new(text: &'t str, items: Vec<Item>, sound: &[bool]) -> Self {
        let mut first = HashMap::with_capacity_and_hasher(items.len(), FxBuildHasher);
        let mut out: Vec<_> = Vec::with_capacity(items.len());
        for item in items {
            out.push((item.span, item.kind));
        }
        // From the last on, so that the first of several is taken first.
        let mut next = vec![None; out.len()];
        for (k, (span, _)) in out.iter().enumerate().rev() {
            if let (Some(true), Some(own)) = (sound.get(k), text.get(span.range())) {
                next[k] = first.insert(own, k);
            }
        }
        let items = next.into_iter().zip(out).map(|(next, (span, kind))| (next, span, Some(kind))).collect();
        Self { first, items }
    }

    /// The item of a text, as it is at a place of a file.
    pub(super) fn take(&mut self, file: FileId, text: &str, start: usize) -> Option<ItemKind> {
        let at = self.first.get_mut(text)?;
        let (next, from, kind) = self.items.get_mut(*at)?;
        let mut kind = kind.take()?;
        if let Some(next) = *next {
            *at = next;
        }
        let to = start as u32;
        if (from.file, from.start) != (file, to) {
            Move { file, from: from.start, to }.item_kind(&mut kind);
        }
        Some(kind)
    }
}

/// Puts all spans of a tree somewhere else.
struct Move {
    file: FileId,
    from: u32,
    to: u32,
}

impl VisitMut for Move {
    fn span(&mut self, span: &mut Span) {
        let moved = |byte: u32| byte.wrapping_sub(self.from).wrapping_add(self.to);
        *span = Span { file: self.file, start: moved(span.start), end: moved(span.end) };
    }
}
