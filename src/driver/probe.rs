//! A model file with one neuron more: the one that is looked at by itself, with its parameters from the command line.

use crate::diag::{Code, Diagnostic};
use crate::sema;
use crate::source::{FileId, SourceMap};
use crate::syntax::{self, ast};
use crate::units::nearest::nearest;

/// The neuron to add.
pub(super) struct Probe<'a> {
    /// The name of its model.
    pub(super) neuron: &'a str,
    /// The name of its population: one that the file does not use.
    pub(super) population: String,
}

impl<'a> Probe<'a> {
    /// A neuron of the model `neuron`, for a file of this text.
    pub(super) fn new(neuron: &'a str, text: &str) -> Self {
        let mut population = "phase_plane".to_owned();
        while text.contains(&population) {
            population.push('_');
        }
        Self { neuron, population }
    }

    /// The declaration of its population. Those of the `set` that name a variable of the neuron become its arguments and are taken out.
    ///
    /// # Errors
    /// There is no such neuron: `E0101`.
    pub(super) fn declare(
        &self,
        file: &ast::File,
        prelude: FileId,
        sources: &mut SourceMap,
        set: &mut Vec<(String, String)>,
    ) -> Result<Vec<ast::Item>, Diagnostic> {
        let prelude = sema::prelude_tree(prelude);
        let neurons = |file: &'_ ast::File| -> Vec<ast::Model> {
            let models = file.items.iter().filter_map(|i| match &i.kind {
                ast::ItemKind::Neuron(m) => Some(m.clone()),
                _ => None,
            });
            models.collect()
        };
        let (own, shipped) = (neurons(file), neurons(&prelude));
        let Some(model) = own.iter().chain(&shipped).find(|m| m.name.node == self.neuron) else {
            return Err(self.unknown(&own, &shipped));
        };
        let names: Vec<&str> = model.items.iter().flat_map(variables).collect();
        let (args, rest): (Vec<_>, Vec<_>) =
            std::mem::take(set).into_iter().partition(|(name, _)| names.contains(&name.as_str()));
        *set = rest;
        let args: Vec<String> = args.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let text = format!("population {}: {}({})", self.population, self.neuron, args.join(", "));
        let id = sources.add("--set", text.as_str());
        let (tree, faults) = syntax::parse(id, &text);
        match faults.into_iter().next() {
            Some(fault) => Err(fault),
            None => Ok(tree.items),
        }
    }

    fn unknown(&self, own: &[ast::Model], shipped: &[ast::Model]) -> Diagnostic {
        let list =
            |models: &[ast::Model]| models.iter().map(|m| format!("`{}`", m.name.node)).collect::<Vec<_>>().join(", ");
        let names = own.iter().chain(shipped).map(|m| m.name.node.as_str());
        let d = Diagnostic::without_span(Code::E0101, format!("there is no neuron `{}`", self.neuron));
        match nearest(self.neuron, names) {
            Some(n) => d.help(format!("did you mean `{n}`?")),
            None if own.is_empty() => d.note(format!("the file declares no neuron; the prelude has {}", list(shipped))),
            None => d.note(format!("the file has {}; the prelude has {}", list(own), list(shipped))),
        }
    }
}

/// The variables that an item declares.
fn variables(item: &ast::ModelItem) -> Vec<&str> {
    use ast::ModelItemKind as K;
    match &item.kind {
        K::Param(b) | K::State(b) | K::Learned(b) | K::Input(b) => b.iter().map(|b| b.name.node.as_str()).collect(),
        _ => Vec::new(),
    }
}
