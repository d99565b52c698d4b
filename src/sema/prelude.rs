//! The part of the prelude that a program needs. To read all of it takes longer than most programs, and a process often checks a single one: models
//! whose name stands nowhere in the program have a name and nothing in them.

use std::sync::{Arc, Mutex, PoisonError};

use super::{PRELUDE, prelude_tree};
use crate::source::{FileId, SourceMap, Span};
use crate::syntax::{self, ast};

/// From this length of a program on, all of the prelude is read.
const LONG: usize = 1 << 16;

/// What was read last: the models that are complete, and the tree.
static LAST: Mutex<Option<(FileId, Vec<bool>, Arc<ast::File>)>> = Mutex::new(None);

/// The prelude for a program of these sources. A process that checks different programs reads all of it once.
pub(super) fn needed(id: FileId, sources: &SourceMap) -> Arc<ast::File> {
    let files = || sources.files().iter().zip(0..).filter(|(_, k)| *k != id.0);
    let texts = || files().map(|(file, _)| &*file.text);
    if texts().map(str::len).sum::<usize>() > LONG {
        return prelude_tree(id);
    }
    let wanted: Vec<bool> = models().map(|(_, name, _)| texts().any(|text| text.contains(name))).collect();
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    match &*last {
        Some((file, have, tree)) if *file == id && wanted.iter().zip(have).all(|(w, h)| *h || !*w) => tree.clone(),
        Some(_) => {
            let tree = prelude_tree(id);
            *last = Some((id, vec![true; wanted.len()], tree.clone()));
            tree
        }
        None => {
            let tree = Arc::new(part(id, &wanted));
            *last = Some((id, wanted, tree.clone()));
            tree
        }
    }
}

/// The models: whether it is a neuron, its name and where that begins. Each begins and ends at the beginning of a line.
fn models() -> impl Iterator<Item = (bool, &'static str, usize)> {
    let mut at = 0;
    let lines = PRELUDE.split_inclusive('\n').map(move |line| {
        at += line.len();
        (line, at - line.len())
    });
    lines.filter_map(|(line, at)| {
        let (neuron, rest) = match line.strip_prefix("neuron ") {
            Some(rest) => (true, rest),
            None => (false, line.strip_prefix("synapse ")?),
        };
        let name = rest.split(' ').next()?;
        Some((neuron, name, at + line.len() - rest.len()))
    })
}

/// The tree in which only the `wanted` models are complete; places are those of the whole text.
fn part(id: FileId, wanted: &[bool]) -> ast::File {
    let mut text = String::with_capacity(PRELUDE.len());
    let (mut number, mut keep) = (0, true);
    for line in PRELUDE.split_inclusive('\n') {
        if line.starts_with("neuron ") || line.starts_with("synapse ") {
            keep = wanted.get(number).copied().unwrap_or(true);
            number += 1;
        }
        if keep {
            text += line;
        } else {
            text.extend(std::iter::repeat_n(' ', line.len().saturating_sub(1)));
            text.push('\n');
        }
        keep |= line.starts_with('}');
    }
    let (mut tree, _) = syntax::parse(id, &text);
    for ((neuron, name, at), _) in models().zip(wanted).filter(|(_, wanted)| !**wanted) {
        let span = Span::new(id, at, at + name.len());
        let model = ast::Model { name: ast::Ident::new(name.to_owned(), span), items: Vec::new() };
        let kind = if neuron { ast::ItemKind::Neuron(model) } else { ast::ItemKind::Synapse(model) };
        tree.items.push(ast::Item { doc: String::new(), kind, span });
    }
    tree.items.sort_by_key(|i| i.span.start);
    tree
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(item: &ast::Item) -> &ast::Model {
        match &item.kind {
            ast::ItemKind::Neuron(m) | ast::ItemKind::Synapse(m) => m,
            other => panic!("the prelude has only models, not {other:?}"),
        }
    }

    #[test]
    fn a_part_has_all_names_at_their_places_and_the_wanted_models_whole() {
        let id = FileId(7);
        let (whole, faults) = syntax::parse(id, PRELUDE);
        assert!(faults.is_empty());
        let count = models().count();
        assert_eq!(part(id, &vec![true; count]).items, whole.items);
        for k in 0..count {
            let mut wanted = vec![false; count];
            wanted[k] = true;
            let some = part(id, &wanted);
            assert_eq!(some.items.len(), whole.items.len());
            for (n, (a, b)) in some.items.iter().zip(&whole.items).enumerate() {
                assert_eq!(model(a).name, model(b).name);
                assert_eq!(std::mem::discriminant(&a.kind), std::mem::discriminant(&b.kind));
                assert_eq!(model(a).items == model(b).items, n == k, "{}", model(a).name.node);
            }
        }
    }
}
