//! Which name stands for what: every declaration of a file (and of the prelude), and every use of one. Read off the syntax tree, so
//! that it also works on files with errors.

use std::collections::BTreeMap;

use super::walk;
use crate::sema;
use crate::source::{FileId, Span};
use crate::syntax::ast;

/// The prelude is the second file of a session.
pub(super) const PRELUDE_FILE: FileId = FileId(1);

/// What is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Const,
    Param,
    /// A top-level `let`.
    View,
    Function,
    Data,
    Neuron,
    Synapse,
    Population,
    Projection,
    Kernel,
    Readout,
    Procedure,
    Experiment,
    /// Variables of models.
    ModelParam,
    State,
    Weight,
    Learned,
    Input,
    ModelLet,
    Event,
    /// A `let`, loop variable or parameter inside something.
    Local,
}

impl Kind {
    /// The kind in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Const => "a constant",
            Self::Param => "a parameter of the program",
            Self::View => "a view",
            Self::Function => "a function",
            Self::Data => "a data set",
            Self::Neuron => "a neuron model",
            Self::Synapse => "a synapse model",
            Self::Population => "a population",
            Self::Projection => "a projection",
            Self::Kernel => "a kernel",
            Self::Readout => "a readout",
            Self::Procedure => "a procedure",
            Self::Experiment => "an experiment",
            Self::ModelParam => "a parameter",
            Self::State => "a state",
            Self::Weight => "a weight",
            Self::Learned => "a learned variable",
            Self::Input => "an input",
            Self::ModelLet => "a value computed from others",
            Self::Event => "an event",
            Self::Local => "a name of this block",
        }
    }
}

/// A declaration.
#[derive(Debug, Clone)]
pub(super) struct Def {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Where the name stands.
    pub(super) span: Span,
    /// What declares it: an item, or one binding of it.
    pub(super) whole: Span,
    /// The model it belongs to.
    pub(super) owner: Option<usize>,
    pub(super) doc: String,
    /// The model of a population or projection; the name that a view begins with.
    pub(super) of: Option<String>,
    /// Where a local name may be used.
    pub(super) reach: Option<Span>,
    /// The keyword that declares a variable.
    pub(super) keyword: &'static str,
    /// The equation of a state.
    pub(super) equation: Option<Span>,
}

/// All declarations and uses.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) defs: Vec<Def>,
    /// Places where declarations are used, with the number of the declaration.
    pub(super) uses: Vec<(Span, usize)>,
    globals: BTreeMap<String, usize>,
    members: BTreeMap<(usize, String), usize>,
    /// By the place of its name.
    models: BTreeMap<Span, usize>,
    /// By synapse model: the populations or views at both ends of the first projection that uses it.
    ends: BTreeMap<String, (Option<String>, String)>,
}

/// No names.
pub(super) static NONE: Names = Names {
    defs: Vec::new(),
    uses: Vec::new(),
    globals: BTreeMap::new(),
    members: BTreeMap::new(),
    models: BTreeMap::new(),
    ends: BTreeMap::new(),
};

impl Names {
    /// The names of a file, with those of the files that it imports, and the uses in some of its items.
    pub(super) fn of(file: &ast::File, imported: &[ast::Item], used: &[ast::Item]) -> Self {
        let mut names = Self::default();
        let prelude = sema::prelude_tree(PRELUDE_FILE);
        for item in &prelude.items {
            names.declare(item);
        }
        for item in imported.iter().chain(&file.items) {
            names.declare(item);
        }
        walk::uses(used, &mut names);
        names
    }

    /// The top-level declaration of a name.
    pub(super) fn global(&self, name: &str) -> Option<usize> {
        self.globals.get(name).copied()
    }

    /// The model whose name stands at a place.
    pub(super) fn model_at(&self, name: Span) -> Option<usize> {
        self.models.get(&name).copied()
    }

    /// The variable of a model.
    pub(super) fn member(&self, model: usize, name: &str) -> Option<usize> {
        self.members.get(&(model, name.to_owned())).copied()
    }

    /// All variables of a model, in order of the source.
    pub(super) fn members(&self, model: usize) -> impl Iterator<Item = &Def> {
        self.defs.iter().filter(move |d| d.owner == Some(model))
    }

    /// The model behind a population, view or projection; a model stands for itself.
    pub(super) fn model_of(&self, def: usize) -> Option<usize> {
        let mut at = def;
        // Views of views may be written in a circle.
        for _ in 0..16 {
            let d = self.defs.get(at)?;
            match d.kind {
                Kind::Neuron | Kind::Synapse => return Some(at),
                Kind::Population | Kind::Projection | Kind::View => at = self.global(d.of.as_deref()?)?,
                _ => return None,
            }
        }
        None
    }

    /// The neuron model at an end of the projections of a synapse model.
    pub(super) fn end(&self, synapse: usize, pre: bool) -> Option<usize> {
        let (source, target) = self.ends.get(&self.defs.get(synapse)?.name)?;
        let name = if pre { source.as_ref()? } else { target };
        self.model_of(self.global(name)?)
    }

    /// The declaration that a byte of the file names, with the place of the name.
    pub(super) fn at(&self, byte: usize) -> Option<(Span, usize)> {
        let touches = |s: &Span| s.file == FileId(0) && s.range().start <= byte && byte <= s.range().end;
        let uses = self.uses.iter().filter(|(s, _)| touches(s)).copied();
        let own = self.defs.iter().enumerate().filter(|(_, d)| touches(&d.span)).map(|(k, d)| (d.span, k));
        uses.chain(own).min_by_key(|(s, _)| s.end - s.start)
    }

    /// Adds a declaration and gives its number.
    pub(super) fn add(&mut self, def: Def) -> usize {
        self.defs.push(def);
        self.defs.len() - 1
    }

    fn enter(&mut self, name: &ast::Ident, kind: Kind, item: &ast::Item, whole: Span, of: Option<String>) -> usize {
        let def = Def { whole, doc: item.doc.clone(), of, ..Def::new(name, kind) };
        let k = self.add(def);
        // The first declaration counts, but the file's own hides those of other files.
        let old = self.globals.get(&name.node).and_then(|o| self.defs.get(*o));
        if old.is_none_or(|o| o.span.file != name.span.file) {
            self.globals.insert(name.node.clone(), k);
        }
        k
    }

    fn declare(&mut self, item: &ast::Item) {
        use ast::ItemKind as K;
        let whole = item.span;
        match &item.kind {
            K::Const(list) | K::Param(list) => {
                let is_const = matches!(item.kind, K::Const(_));
                let (kind, keyword) = if is_const { (Kind::Const, "const") } else { (Kind::Param, "param") };
                for b in list {
                    let k = self.enter(&b.name, kind, item, b.span, None);
                    if let Some(d) = self.defs.get_mut(k) {
                        d.keyword = keyword;
                    }
                }
            }
            K::Let(l) => {
                self.enter(&l.name, Kind::View, item, whole, root(&l.value));
            }
            K::Fn { name, .. } => {
                self.enter(name, Kind::Function, item, whole, None);
            }
            K::Data { name, .. } => {
                self.enter(name, Kind::Data, item, whole, None);
            }
            K::Neuron(m) | K::Synapse(m) => {
                let kind = if matches!(item.kind, K::Neuron(_)) { Kind::Neuron } else { Kind::Synapse };
                let model = self.enter(&m.name, kind, item, whole, None);
                self.models.insert(m.name.span, model);
                self.declare_members(model, m);
            }
            K::Population { name, model, .. } => {
                self.enter(name, Kind::Population, item, whole, Some(model.name.node.clone()));
            }
            K::Connect(c) => {
                let synapse = c.with.as_ref().map(|w| w.name.node.clone());
                let source = match &c.source {
                    ast::ConnectSource::Path(p) => Some(p.root.node.clone()),
                    ast::ConnectSource::Call(_) => None,
                };
                if let Some(s) = &synapse {
                    self.ends.entry(s.clone()).or_insert_with(|| (source, c.target.root.node.clone()));
                }
                if let Some(name) = &c.name {
                    self.enter(name, Kind::Projection, item, whole, synapse);
                }
            }
            K::Kernel { name, .. } => {
                self.enter(name, Kind::Kernel, item, whole, None);
            }
            K::Readout { name, .. } => {
                self.enter(name, Kind::Readout, item, whole, None);
            }
            K::Procedure { name, .. } => {
                self.enter(name, Kind::Procedure, item, whole, None);
            }
            K::Experiment { name, .. } => {
                self.enter(name, Kind::Experiment, item, whole, None);
            }
            K::Unroll { items, .. } => items.iter().for_each(|i| self.declare(i)),
            K::Import { .. } | K::Simulation(_) | K::Record(_) | K::Test { .. } | K::Allow(_) | K::Error { .. } => {}
        }
    }

    fn declare_members(&mut self, model: usize, m: &ast::Model) {
        use ast::ModelItemKind as K;
        for item in &m.items {
            let mut enter = |name: &ast::Ident, kind: Kind, whole: Span, keyword: &'static str| {
                let def = Def { whole, owner: Some(model), doc: item.doc.clone(), keyword, ..Def::new(name, kind) };
                let k = self.add(def);
                self.members.entry((model, name.node.clone())).or_insert(k);
            };
            let (list, kind, keyword) = match &item.kind {
                K::Param(list) => (list, Kind::ModelParam, "param"),
                K::State(list) => (list, Kind::State, "state"),
                K::Weight(list) => (list, Kind::Weight, "weight"),
                K::Learned(list) => (list, Kind::Learned, "learned"),
                K::Input(list) => (list, Kind::Input, "input"),
                K::Let(l) => {
                    enter(&l.name, Kind::ModelLet, item.span, "");
                    continue;
                }
                K::Event { name, .. } => {
                    enter(name, Kind::Event, item.span, "");
                    continue;
                }
                _ => continue,
            };
            list.iter().for_each(|b| enter(&b.name, kind, b.span, keyword));
        }
        for item in &m.items {
            if let K::Ode { var, .. } = &item.kind
                && let Some(k) = self.member(model, &var.node)
                && let Some(d) = self.defs.get_mut(k)
            {
                d.equation.get_or_insert(item.span);
            }
        }
    }
}

impl Def {
    /// A declaration of which only the name is known.
    pub(super) fn new(name: &ast::Ident, kind: Kind) -> Self {
        Self {
            name: name.node.clone(),
            kind,
            span: name.span,
            whole: name.span,
            owner: None,
            doc: String::new(),
            of: None,
            reach: None,
            keyword: "",
            equation: None,
        }
    }
}

/// The name that an expression begins with: `N` of `N[..3200]`.
fn root(e: &ast::Expr) -> Option<String> {
    match &e.kind {
        ast::ExprKind::Name(n) => Some(n.clone()),
        ast::ExprKind::Index { base, .. } | ast::ExprKind::Paren(base) => root(base),
        _ => None,
    }
}
