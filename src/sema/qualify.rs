//! `import "cells.snn" as cells`: the names of a program that is made of several files. What a file under a name declares is called
//! `cells.X` everywhere from here on, in its own text too, so that the rest of the checker knows one flat list of names. No name that can
//! be written contains a point, so nothing collides.

use std::collections::{BTreeMap, BTreeSet};

use super::infer::list;
use super::model::unit_clash;
use crate::diag::{Code, Diagnostic, Sink};
use crate::source::Span;
use crate::syntax::ast::{self, Arg, Block, Expr, ExprKind, Ident, ItemKind, ModelItemKind, Segment, StmtKind};
use crate::syntax::visit::{self, VisitMut};
use crate::units::nearest::nearest;

/// A file of a program. The model that is run is the first.
#[derive(Debug, Default)]
pub struct Part {
    /// The name as written in the `import`.
    pub written: String,
    /// What stands before its names: empty, or such as `cells.`.
    pub prefix: String,
    /// Files that it imports without a name.
    pub plain: Vec<usize>,
    /// Files that it imports under a name.
    pub named: Vec<(Ident, usize)>,
    /// It could not be read, which is reported: whatever is taken from it stays silent.
    pub broken: bool,
}

/// A declared name.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    full: String,
    /// A constant or parameter: it has a value wherever values are meant.
    value: bool,
    span: Span,
}

/// What can be reached from somewhere.
#[derive(Debug, Default, Clone)]
struct Reach {
    names: BTreeMap<String, Entry>,
    files: BTreeMap<String, (usize, Span)>,
}

/// The beginning of a name with points that names no file.
pub(crate) fn not_imported(first: &str, known: &[&str], what: &str, span: Span) -> Diagnostic {
    let d = Diagnostic::new(Code::E0101, span, format!("`{first}` is not an imported file"))
        .label(format!("{what} is needed"));
    match nearest(first, known.iter().copied()) {
        Some(n) => d.help(format!("did you mean `{n}`?")),
        None => d.help(format!("`import \"{first}.snn\" as {first}` gives names in a file such a beginning")),
    }
}

/// The items of a program, each with the number of its file, under names that no two of them share by accident.
pub fn apply(items: Vec<(usize, ast::Item)>, parts: &[Part], prelude: &ast::File, sink: &mut Sink) -> Vec<ast::Item> {
    let own = declared(&items, parts);
    let reach: Vec<Reach> = (0..parts.len()).map(|k| within(k, parts, &own)).collect();
    for part in parts {
        let mut names: BTreeMap<&str, (usize, Span)> = BTreeMap::new();
        for (name, file) in &part.named {
            let (old, first) = *names.entry(&name.node).or_insert((*file, name.span));
            if old != *file {
                sink.push(two_files(name, first));
            }
        }
    }
    let mut modules: BTreeMap<&str, Reach> = BTreeMap::new();
    for (part, r) in parts.iter().zip(&reach) {
        join(modules.entry(&part.prefix).or_default(), r, &part.prefix, sink);
    }
    for module in modules.values() {
        check_file_names(module, sink);
    }
    let mut models = variables(prelude.items.iter(), "");
    for (file, item) in &items {
        let prefix = parts.get(*file).map_or("", |p| &p.prefix);
        models.extend(variables(std::iter::once(item), prefix));
    }
    let mut out = Vec::with_capacity(items.len());
    for (file, mut item) in items {
        let Some(part) = parts.get(file) else { continue };
        let Some(module) = modules.get(part.prefix.as_str()) else { continue };
        let mut walk = Walk {
            module,
            reach: &reach,
            parts,
            models: &models,
            locals: Vec::new(),
            elements: false,
            missing: Vec::new(),
            sink: &mut *sink,
        };
        walk.item(&mut item, &part.prefix);
        let missing = walk.missing;
        out.push(item);
        // Uses of what is missing stay silent: it is reported.
        out.extend(missing.into_iter().map(|name| ast::Item {
            doc: String::new(),
            span: name.span,
            kind: ItemKind::Error { defines: Some(name) },
        }));
    }
    out
}

/// The names that each file declares itself.
fn declared(items: &[(usize, ast::Item)], parts: &[Part]) -> Vec<BTreeMap<String, Entry>> {
    let mut own = vec![BTreeMap::new(); parts.len()];
    for (file, item) in items {
        let (Some(part), Some(names)) = (parts.get(*file), own.get_mut(*file)) else { continue };
        let value = matches!(item.kind, ItemKind::Const(_) | ItemKind::Param(_));
        for name in names_of(&item.kind) {
            let full = format!("{}{}", part.prefix, name.node);
            names.entry(name.node.clone()).or_insert(Entry { full, value, span: name.span });
        }
    }
    own
}

fn names_of(kind: &ItemKind) -> Vec<&Ident> {
    match kind {
        ItemKind::Const(l) | ItemKind::Param(l) => l.iter().map(|b| &b.name).collect(),
        ItemKind::Let(l) => vec![&l.name],
        ItemKind::Neuron(m) | ItemKind::Synapse(m) => vec![&m.name],
        ItemKind::Connect(c) => c.name.iter().collect(),
        ItemKind::Fn { name, .. }
        | ItemKind::Data { name, .. }
        | ItemKind::Population { name, .. }
        | ItemKind::Kernel { name, .. }
        | ItemKind::Readout { name, .. }
        | ItemKind::Procedure { name, .. }
        | ItemKind::Experiment { name, .. } => vec![name],
        ItemKind::Error { defines } => defines.iter().collect(),
        _ => Vec::new(),
    }
}

fn names_of_mut(kind: &mut ItemKind) -> Vec<&mut Ident> {
    match kind {
        ItemKind::Const(l) | ItemKind::Param(l) => l.iter_mut().map(|b| &mut b.name).collect(),
        ItemKind::Let(l) => vec![&mut l.name],
        ItemKind::Neuron(m) | ItemKind::Synapse(m) => vec![&mut m.name],
        ItemKind::Connect(c) => c.name.iter_mut().collect(),
        ItemKind::Fn { name, .. }
        | ItemKind::Data { name, .. }
        | ItemKind::Population { name, .. }
        | ItemKind::Kernel { name, .. }
        | ItemKind::Readout { name, .. }
        | ItemKind::Procedure { name, .. }
        | ItemKind::Experiment { name, .. } => vec![name],
        ItemKind::Error { defines } => defines.iter_mut().collect(),
        _ => Vec::new(),
    }
}

/// The variables and events of models, by the models' full names.
fn variables<'a>(items: impl Iterator<Item = &'a ast::Item>, prefix: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut out = BTreeMap::new();
    for item in items {
        let (ItemKind::Neuron(m) | ItemKind::Synapse(m)) = &item.kind else { continue };
        out.insert(format!("{prefix}{}", m.name.node), own_names(m));
    }
    out
}

pub(super) fn own_names(m: &ast::Model) -> BTreeSet<String> {
    use ModelItemKind as K;
    let mut names = BTreeSet::new();
    for item in &m.items {
        match &item.kind {
            K::Param(l) | K::State(l) | K::Weight(l) | K::Learned(l) | K::Input(l) => {
                names.extend(l.iter().map(|b| b.name.node.clone()));
            }
            K::Let(l) => drop(names.insert(l.name.node.clone())),
            K::Event { name, .. } => drop(names.insert(name.node.clone())),
            K::Error { defines: Some(name), .. } => drop(names.insert(name.node.clone())),
            _ => {}
        }
    }
    names
}

/// What a file gives to those that import it: its names, and those of files that it imports without a name.
fn within(file: usize, parts: &[Part], own: &[BTreeMap<String, Entry>]) -> Reach {
    let mut out = Reach::default();
    let (mut seen, mut open) = (BTreeSet::from([file]), vec![file]);
    while let Some(k) = open.pop() {
        for (name, entry) in own.get(k).into_iter().flatten() {
            out.names.entry(name.clone()).or_insert_with(|| entry.clone());
        }
        let Some(part) = parts.get(k) else { continue };
        for (name, f) in &part.named {
            out.files.entry(name.node.clone()).or_insert((*f, name.span));
        }
        open.extend(part.plain.iter().filter(|f| seen.insert(**f)));
    }
    out
}

/// Adds what a file sees to what its module sees.
fn join(module: &mut Reach, of: &Reach, prefix: &str, sink: &mut Sink) {
    for (name, entry) in &of.names {
        match module.names.get(name) {
            Some(old) if old.full != entry.full => {
                // The one of this module is the one that can be renamed here.
                let (here, there) = if old.full == format!("{prefix}{name}") { (old, entry) } else { (entry, old) };
                sink.push(
                    Diagnostic::new(Code::E0103, here.span, format!("`{name}` is declared twice"))
                        .also(there.span, "also declared here, in a file that is imported without a name")
                        .help("rename one of them, or import the file under a name"),
                );
            }
            Some(_) => {}
            None => drop(module.names.insert(name.clone(), entry.clone())),
        }
    }
    for (name, (file, span)) in &of.files {
        match module.files.get(name) {
            Some((old, first)) if old != file => sink.push(two_files(&Ident::new(name.clone(), *span), *first)),
            Some(_) => {}
            None => drop(module.files.insert(name.clone(), (*file, *span))),
        }
    }
}

fn two_files(name: &Ident, first: Span) -> Diagnostic {
    Diagnostic::new(Code::E0103, name.span, format!("two files are called `{}`", name.node))
        .also(first, "the other one")
        .help("choose another name after `as`")
}

/// Names of files that mean something else already.
fn check_file_names(module: &Reach, sink: &mut Sink) {
    for (name, (_, span)) in &module.files {
        if let Some(entry) = module.names.get(name) {
            sink.push(
                Diagnostic::new(Code::E0103, *span, format!("`{name}` is declared already"))
                    .label("the name of a file")
                    .also(entry.span, "here")
                    .help("choose another name after `as`"),
            );
        } else if matches!(name.as_str(), "t" | "dt" | "i" | "j" | "N" | "xi" | "pi" | "inf" | "pre" | "post") {
            sink.push(
                Diagnostic::new(Code::E0103, *span, format!("`{name}` has a meaning of its own"))
                    .label("cannot be the name of a file")
                    .help("choose another name after `as`"),
            );
        } else if let Some(d) = unit_clash(&Ident::new(name.clone(), *span)) {
            sink.push(d);
        }
    }
}

/// Where a chain of names that begins with a file ends.
enum Found {
    /// A declaration, and how many names of the chain it took.
    Name(String, usize),
    /// Only files.
    File,
    /// It is reported; the name that the chain would have, and how many names it took.
    Missing(String, usize),
}

/// Renames the uses of names in one item.
struct Walk<'a> {
    module: &'a Reach,
    /// What each file gives.
    reach: &'a [Reach],
    parts: &'a [Part],
    models: &'a BTreeMap<String, BTreeSet<String>>,
    /// Names of the blocks, functions and models around.
    locals: Vec<String>,
    /// Whether `i`, `j` and `N` are indices and sizes here.
    elements: bool,
    missing: Vec<Ident>,
    sink: &'a mut Sink,
}

impl Walk<'_> {
    fn is_local(&self, name: &str) -> bool {
        self.locals.iter().any(|l| l == name)
    }

    /// The full name of a declaration that is written without a point.
    fn full(&self, name: &str) -> Option<&str> {
        if self.is_local(name) || matches!(name, "t" | "dt" | "pi" | "inf") {
            return None;
        }
        let entry = self.module.names.get(name)?;
        let index = self.elements && matches!(name, "i" | "j");
        (!index && (name != "N" || entry.value || !self.elements)).then_some(entry.full.as_str())
    }

    fn rename(&self, name: &mut String) {
        if let Some(full) = self.full(name)
            && full != name
        {
            *name = full.to_owned();
        }
    }

    /// Whether a chain that begins with this name goes through files.
    fn is_file(&self, name: &str) -> bool {
        !self.is_local(name) && self.module.files.contains_key(name)
    }

    /// Follows names through files: `cells.Cell`. The first is that of a file.
    fn follow(&mut self, chain: &[(&str, Span)]) -> Found {
        let Some((&(first, first_span), rest)) = chain.split_first() else { return Found::File };
        let Some(&(mut file, mut imported)) = self.module.files.get(first) else { return Found::File };
        let mut written = first.to_owned();
        for (k, &(name, span)) in rest.iter().enumerate() {
            let Some(reach) = self.reach.get(file) else { return Found::File };
            if let Some(entry) = reach.names.get(name) {
                return Found::Name(entry.full.clone(), k + 2);
            }
            if let Some((next, at)) = reach.files.get(name) {
                (file, imported) = (*next, *at);
                written = format!("{written}.{name}");
                continue;
            }
            if self.parts.get(file).is_some_and(|p| p.broken) {
                return Found::Missing(format!("{written}.{name}"), k + 2);
            }
            let known: Vec<String> = reach.names.keys().chain(reach.files.keys()).cloned().collect();
            let of = self.parts.get(file).map_or("", |p| p.written.as_str());
            let d = Diagnostic::new(Code::E0104, span, format!("`{written}` has no `{name}`"))
                .label(format!("`{of}` declares nothing of this name"))
                .also(imported, "imported here");
            self.sink.push(match nearest(name, known.iter().map(String::as_str)) {
                Some(n) => d.help(format!("did you mean `{written}.{n}`?")).fix(span, n),
                None if known.is_empty() => d.note("it declares nothing; its experiments and tests are not taken over"),
                None => d.note(format!("it has {}", list(&known))),
            });
            return Found::Missing(format!("{written}.{name}"), k + 2);
        }
        self.sink.push(
            Diagnostic::new(Code::E0101, first_span, format!("`{written}` is a file, not something in it"))
                .also(imported, "imported here")
                .help(format!("name what you mean, such as `{written}.X`")),
        );
        Found::File
    }

    /// A name that may be written `cells.Cell`, in one piece: of a model, kernel, or procedure.
    fn qualified(&mut self, name: &mut Ident, what: &str) {
        let text = name.node.clone();
        let parts: Vec<&str> = text.split('.').collect();
        let first = parts.first().copied().unwrap_or_default();
        if parts.len() == 1 && !self.is_file(first) {
            self.rename(&mut name.node);
            return;
        }
        if self.is_file(first) {
            let mut at = name.span.start;
            let mut chain = Vec::new();
            for part in &parts {
                let end = at + u32::try_from(part.len()).unwrap_or(0);
                chain.push((*part, Span { start: at, end, ..name.span }));
                at = end + 1;
            }
            match self.follow(&chain) {
                Found::Name(full, used) if used == parts.len() => {
                    name.node = full;
                    return;
                }
                Found::Name(full, _) => self.sink.push(
                    Diagnostic::new(Code::E0101, name.span, format!("`{full}` has nothing to name with a point here"))
                        .label(format!("{what} is needed")),
                ),
                Found::File | Found::Missing(..) => {}
            }
        } else {
            let known: Vec<&str> = self.module.files.keys().map(String::as_str).collect();
            self.sink.push(not_imported(first, &known, what, name.span));
        }
        self.missing.push(name.clone());
    }

    fn item(&mut self, item: &mut ast::Item, prefix: &str) {
        let depth = self.locals.len();
        if !prefix.is_empty() {
            for name in names_of_mut(&mut item.kind) {
                name.node.insert_str(0, prefix);
            }
        }
        match &mut item.kind {
            ItemKind::Simulation(l) => l.iter_mut().for_each(|a| self.expr(&mut a.value)),
            ItemKind::Const(l) | ItemKind::Param(l) => l.iter_mut().for_each(|b| self.binding(b)),
            ItemKind::Let(l) => self.let_value(l, true),
            ItemKind::Fn { params, body, .. } => {
                self.locals.extend(params.iter().map(|(p, _)| p.node.clone()));
                self.expr(body);
            }
            ItemKind::Data { value, .. } => self.expr(value),
            ItemKind::Neuron(m) | ItemKind::Synapse(m) => self.model(m),
            ItemKind::Population { index, model, .. } => {
                index.iter_mut().flat_map(|i| &mut i.items).for_each(|e| self.expr(e));
                self.model_ref(model);
            }
            ItemKind::Connect(c) => self.connect(c),
            ItemKind::Kernel { arg, body, over, .. } => {
                self.locals.push(arg.node.clone());
                self.expr(body);
                self.expr(over);
            }
            ItemKind::Readout { model, .. } => self.args(model.args.as_deref_mut()),
            ItemKind::Record(r) => self.record(r),
            ItemKind::Procedure { params, body, .. } => {
                self.locals.extend(params.iter().map(|p| p.node.clone()));
                self.block(body);
            }
            ItemKind::Experiment { body, .. } | ItemKind::Test { body, .. } => self.block(body),
            ItemKind::Unroll { var, range, items } => {
                self.expr(range);
                self.locals.push(var.node.clone());
                items.iter_mut().for_each(|i| self.item(i, prefix));
            }
            ItemKind::Import { .. } | ItemKind::Allow(_) | ItemKind::Error { .. } => {}
        }
        self.locals.truncate(depth);
    }

    fn binding(&mut self, b: &mut ast::Binding) {
        b.value.iter_mut().chain(&mut b.bounds).for_each(|e| self.expr(e));
    }

    fn let_value(&mut self, l: &mut ast::Let, view: bool) {
        self.expr(&mut l.value);
        let around = self.elements;
        self.elements |= view;
        l.filter.iter_mut().for_each(|e| self.expr(e));
        self.elements = around;
    }

    fn model(&mut self, m: &mut ast::Model) {
        let depth = self.locals.len();
        self.locals.extend(own_names(m));
        self.elements = true;
        for item in &mut m.items {
            match &mut item.kind {
                ModelItemKind::Param(l)
                | ModelItemKind::State(l)
                | ModelItemKind::Weight(l)
                | ModelItemKind::Learned(l)
                | ModelItemKind::Input(l) => l.iter_mut().for_each(|b| self.binding(b)),
                ModelItemKind::Let(l) => self.let_value(l, false),
                ModelItemKind::Ode { coef, rhs, .. } => coef.iter_mut().chain([rhs]).for_each(|e| self.expr(e)),
                ModelItemKind::Spike { cond, surrogate } => {
                    match cond {
                        ast::SpikeCond::When(c) => self.condition(c),
                        ast::SpikeCond::Rate(e) => self.expr(e),
                    }
                    surrogate.iter_mut().for_each(|s| self.args(s.args.as_deref_mut()));
                }
                ModelItemKind::Event { cond, .. } => self.condition(cond),
                ModelItemKind::On { body, .. } => self.block(body),
                ModelItemKind::Every { period, body } => {
                    self.expr(period);
                    self.block(body);
                }
                ModelItemKind::Refractory { duration, .. } => self.expr(duration),
                ModelItemKind::Method(r) => self.args(r.args.as_deref_mut()),
                ModelItemKind::Inject(e) => self.expr(e),
                ModelItemKind::Allow(_) | ModelItemKind::Error { .. } => {}
            }
        }
        self.elements = false;
        self.locals.truncate(depth);
    }

    fn condition(&mut self, c: &mut ast::Condition) {
        self.expr(&mut c.expr);
        c.crosses.iter_mut().for_each(|e| self.expr(e));
    }

    /// The model of a population or synapse: its arguments see its own names first.
    fn model_ref(&mut self, m: &mut ast::ModelRef) {
        self.qualified(&mut m.name, "a model");
        let depth = self.locals.len();
        self.locals.extend(self.models.get(&m.name.node).into_iter().flatten().cloned());
        self.of_elements(|w| w.args(m.args.as_deref_mut()));
        self.locals.truncate(depth);
    }

    fn of_elements(&mut self, f: impl FnOnce(&mut Self)) {
        self.elements = true;
        f(self);
        self.elements = false;
    }

    fn connect(&mut self, c: &mut ast::Connect) {
        match &mut c.source {
            ast::ConnectSource::Path(p) => self.path(p),
            ast::ConnectSource::Call(m) => self.of_elements(|w| w.args(m.args.as_deref_mut())),
        }
        self.path(&mut c.target);
        self.of_elements(|w| {
            c.via.iter_mut().for_each(|m| w.args(m.args.as_deref_mut()));
            c.filter.iter_mut().for_each(|e| w.expr(e));
        });
        c.with.iter_mut().for_each(|m| self.model_ref(m));
        c.through.iter_mut().for_each(|k| self.qualified(k, "a kernel"));
    }

    fn args(&mut self, args: Option<&mut [Arg]>) {
        args.unwrap_or_default().iter_mut().for_each(|a| self.arg(a));
    }

    /// `cells.E.v` is the member `v` of the population `cells.E`.
    fn member(&mut self, e: &mut Expr) {
        let mut chain = Vec::new();
        if let Some((root, span)) = names_in(e, &mut chain)
            && self.is_file(&root)
        {
            chain.insert(0, (root, span));
            let names: Vec<(&str, Span)> = chain.iter().map(|(n, s)| (n.as_str(), *s)).collect();
            match self.follow(&names) {
                Found::Name(full, used) => {
                    let last = chain.get(used - 1).map_or(span, |(_, s)| *s);
                    let mut out = Expr { kind: ExprKind::Name(full), span: span.to(last) };
                    for (name, at) in chain.drain(used..) {
                        let whole = span.to(at);
                        let member = Ident::new(name, at);
                        out = Expr { kind: ExprKind::Member { base: Box::new(out), member }, span: whole };
                    }
                    *e = out;
                }
                Found::File | Found::Missing(..) => e.kind = ExprKind::Error,
            }
        } else if let ExprKind::Member { base, .. } = &mut e.kind {
            self.expr(base);
        }
    }
}

impl VisitMut for Walk<'_> {
    fn arg(&mut self, a: &mut Arg) {
        self.expr(&mut a.value);
        a.over.iter_mut().for_each(|o| self.rename(&mut o.node));
    }

    fn path(&mut self, p: &mut ast::Path) {
        if self.is_file(&p.root.node) {
            let members = p.segments.iter().map_while(|s| match s {
                Segment::Member(m) => Some((m.node.clone(), m.span)),
                Segment::Index(_) => None,
            });
            let names: Vec<(String, Span)> =
                std::iter::once((p.root.node.clone(), p.root.span)).chain(members).collect();
            let chain: Vec<(&str, Span)> = names.iter().map(|(n, s)| (n.as_str(), *s)).collect();
            let (found, used) = match self.follow(&chain) {
                Found::Name(full, used) => (full, used),
                Found::Missing(full, used) => {
                    self.missing.push(Ident::new(full.clone(), p.root.span));
                    (full, used)
                }
                Found::File => {
                    let whole = names.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>().join(".");
                    self.missing.push(Ident::new(whole.clone(), p.root.span));
                    (whole, names.len())
                }
            };
            let last = names.get(used - 1).map_or(p.root.span, |(_, s)| *s);
            p.root = Ident::new(found, p.root.span.to(last));
            p.segments.drain(..used - 1);
        } else {
            self.rename(&mut p.root.node);
        }
        visit::walk_path(self, p);
    }

    fn block(&mut self, b: &mut Block) {
        let depth = self.locals.len();
        b.stmts.iter_mut().for_each(|s| self.stmt(s));
        self.locals.truncate(depth);
    }

    fn stmt(&mut self, s: &mut ast::Stmt) {
        match &mut s.kind {
            StmtKind::For { var, range, batch, epochs, body } => {
                std::iter::once(range).chain(batch).chain(epochs).for_each(|e| self.expr(e));
                self.locals.push(var.node.clone());
                self.block(body);
                self.locals.pop();
            }
            StmtKind::Repeat { body, until } => {
                // The condition sees the names of the body.
                let depth = self.locals.len();
                body.stmts.iter_mut().for_each(|t| self.stmt(t));
                self.expr(until);
                self.locals.truncate(depth);
            }
            StmtKind::Minimize { loss, over, by } => {
                self.expr(loss);
                over.iter_mut().for_each(|p| self.path(p));
                // An optimiser is no model.
                self.args(by.args.as_deref_mut());
            }
            StmtKind::Let(l) => {
                self.let_value(l, false);
                self.locals.push(l.name.node.clone());
            }
            StmtKind::Call { name, args } => {
                self.qualified(name, "a statement");
                self.args(Some(args));
            }
            _ => visit::walk_stmt(self, s),
        }
    }

    fn expr(&mut self, e: &mut Expr) {
        match &mut e.kind {
            ExprKind::Name(n) if self.is_file(n) => {
                let name = n.clone();
                self.follow(&[(&name, e.span)]);
                e.kind = ExprKind::Error;
            }
            ExprKind::Name(n) => self.rename(n),
            ExprKind::Member { .. } => self.member(e),
            _ => visit::walk_expr(self, e),
        }
    }
}

/// The names of `a.b.c` behind its root, which is returned; `None` if something else is in the chain.
fn names_in(e: &Expr, out: &mut Vec<(String, Span)>) -> Option<(String, Span)> {
    match &e.kind {
        ExprKind::Name(n) => Some((n.clone(), e.span)),
        ExprKind::Member { base, member } => {
            let root = names_in(base, out)?;
            out.push((member.node.clone(), member.span));
            Some(root)
        }
        _ => None,
    }
}
