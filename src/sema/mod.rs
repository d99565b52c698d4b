//! From the syntax tree to the typed model: names, types, dimensions, sizes. One run reports every independent fault; a faulty
//! declaration poisons its name, so that its uses stay silent.

mod circles;
pub(crate) mod consts;
pub(crate) mod delays;
mod drive;
pub(crate) mod foreign;
mod gradient;
pub(crate) mod infer;
mod kernel;
pub(crate) mod misleading;
pub(crate) mod mismatch;
pub(crate) mod model;
mod network;
mod neuron;
mod play;
mod prelude;
pub mod qualify;
mod rounds;
mod rules;
pub mod scope;
mod signs;

mod synapse;
mod tables;
mod twice;
mod unroll;
pub(crate) mod unused;
mod views;

use std::sync::{Arc, Mutex, PoisonError};

use std::collections::BTreeMap;

use crate::diag::{Code, Diagnostic, Severity, Sink};
use crate::hir::{self, DataId, PopId, Precision, ProjId, ReadoutId};
use crate::script;
use crate::source::{FileId, SourceMap, Span};
use crate::syntax::{self, ast};
use crate::units::nearest::nearest;

use consts::{Binding, Worth};
use infer::{Globals, Typer};
use scope::{Scope, Symbol};

/// The models that every program knows.
pub const PRELUDE: &str = include_str!("prelude.snn");

/// What the command line changes.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--set`: the name, such as `n` or `cells.n`, and a source file of the text `param n = VALUE`.
    pub set: Vec<(String, FileId)>,
    /// `--precision`
    pub precision: Option<Precision>,
    /// `--seed`
    pub seed: Option<u64>,
    /// `--threads`
    pub threads: Option<usize>,
    /// `--opt`
    pub opt: Option<u8>,
    /// `--without`
    pub without: Vec<crate::hir::Restructuring>,
    /// What the data sets of the program hold.
    pub schemas: Schemas,
    /// How arrays are read that are needed while checking.
    pub arrays: ArrayReader,
}

/// The values and the axes of an array in a file.
pub type ArrayValues = (Vec<f64>, Vec<u64>);

/// From the names of a file and of an array in it to the array.
pub type ReadArray = dyn Fn(&str, &str) -> Result<ArrayValues, Diagnostic>;

/// Reads the array of a file: `array("file.npz", "key")`. The checker itself reads no files.
#[derive(Clone, Default)]
pub struct ArrayReader(pub Option<std::sync::Arc<ReadArray>>);

impl std::fmt::Debug for ArrayReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "ArrayReader" } else { "no ArrayReader" })
    }
}

/// What is in data sets that are read before names are checked: by the call that names them.
#[derive(Debug, Clone, Default)]
pub struct Schemas(pub Vec<(Span, Result<hir::DataSchema, Diagnostic>)>);

/// Registers the prelude as a source file.
pub fn add_prelude(sources: &mut SourceMap) -> FileId {
    sources.add("<prelude>", PRELUDE)
}

/// The syntax tree of the prelude as file `id`. Its text never changes, so each process parses it once.
#[must_use]
pub fn prelude_tree(id: FileId) -> Arc<ast::File> {
    static TREES: Mutex<BTreeMap<FileId, Arc<ast::File>>> = Mutex::new(BTreeMap::new());
    let mut trees = TREES.lock().unwrap_or_else(PoisonError::into_inner);
    trees.entry(id).or_insert_with(|| Arc::new(syntax::parse(id, PRELUDE).0)).clone()
}

/// Checks a program. Everything found goes to `sink`; the model is sound only if there was no error (in the tree neither), which is told. The
/// parts of another one are of no use, but take a while to be freed: the caller chooses when.
pub fn check(
    file: &ast::File,
    prelude: FileId,
    sources: &SourceMap,
    options: &Options,
    sink: &mut Sink,
) -> (hir::Model, bool) {
    let start = sink.items.len();
    let mut globals = Globals { dt: 0.1, prelude, arrays: options.arrays.clone(), ..Globals::default() };
    let prelude = prelude::needed(prelude, sources);
    let mut scope = Scope::default();
    let bindings = declare(file, &prelude, &mut scope, sink);
    let bindings = overrides(bindings, sources, options, sink);
    let declared = evaluate(&bindings, &mut scope, &mut globals, sink);
    let settings = consts::settings(file, options, &scope, &mut globals, sink);
    let mut model = hir::Model {
        settings,
        globals: declared,
        tables: globals
            .tables
            .iter()
            .zip(&globals.widths)
            .map(|((values, ty), width)| hir::Table { values: values.clone(), ty: *ty, width: *width })
            .collect(),
        data: Vec::new(),
        neurons: Vec::new(),
        populations: Vec::new(),
        projections: Vec::new(),
        readouts: Vec::new(),
        script: script::Program::default(),
        ends: hir::Ends::default(),
    };
    if rounds::needed(&file.items) {
        // What was found of constants is found again in the file without loops.
        let constants = sink.items.split_off(start);
        let Some(flat) = rounds::write_out(file, &prelude, &scope, &globals, sink) else {
            sink.items.extend(constants);
            sink.close();
            return (model, false);
        };
        let checked = check(&flat, prelude.id, sources, options, sink);
        sink.once(start);
        return checked;
    }
    network::build(file, &prelude, &options.schemas, &mut scope, &globals, &mut model, sink);
    for item in &file.items {
        if let ast::ItemKind::Neuron(m) | ast::ItemKind::Synapse(m) = &item.kind {
            misleading::check(m, matches!(item.kind, ast::ItemKind::Synapse(_)), sink);
        }
    }
    signs::check(file, sources, sink);
    let (said, holes) = (sink.items.len(), sink.holes.len());
    model.script = script::lower(file, &scope, &model, &options.arrays, sink);
    let delays = delays::wanted(&model);
    if !delays.is_empty() {
        delays::give(&mut model, &delays);
        sink.items.truncate(said);
        sink.holes.truncate(holes);
        model.script = script::lower(file, &scope, &model, &options.arrays, sink);
    }
    gradient::check(&model, prelude.id, sink);
    sink.close();
    let sound = !sink.items[start..].iter().any(|d| d.severity == Severity::Error);
    if sound {
        twice::check(file, &prelude, &model, sink);
    }
    (model, sound)
}

/// Enters all top-level names.
fn declare<'a>(file: &'a ast::File, prelude: &'a ast::File, scope: &mut Scope, sink: &mut Sink) -> Vec<Binding<'a>> {
    for item in &prelude.items {
        if let ast::ItemKind::Neuron(m) = &item.kind {
            scope.names.insert(m.name.node.clone(), (Symbol::Neuron, m.name.span));
        } else if let ast::ItemKind::Synapse(m) = &item.kind {
            scope.names.insert(m.name.node.clone(), (Symbol::Synapse, m.name.span));
        }
    }
    let mut bindings = Vec::new();
    let mut views: Vec<Span> = Vec::new();
    let (mut data, mut pops, mut projs, mut readouts) = (0, 0, 0, 0);
    for item in &file.items {
        use ast::ItemKind as K;
        let mut enter = |name: &ast::Ident, symbol: Symbol| {
            if let Some(d) = model::unit_clash(name) {
                sink.push(d);
            }
            if matches!(symbol, Symbol::Global(_)) {
                sink.items.extend(misleading::builtin_clash(name));
            }
            let old = scope.names.get(&name.node).filter(|(_, s)| s.file != prelude.id);
            if let Some((other, first)) = old {
                if matches!(item.kind, K::Let(_)) && views.contains(first) {
                    let first = *first;
                    sink.push(
                        Diagnostic::new(Code::E0302, name.span, format!("`{}` is bound a second time", name.node))
                            .label("at top level a `let` names the same neurons in the whole file")
                            .also(first, "first bound here")
                            .help("give this part a name of its own"),
                    );
                    return;
                }
                let alike = std::mem::discriminant(other) == std::mem::discriminant(&symbol);
                sink.push(
                    Diagnostic::new(Code::E0103, name.span, format!("`{}` is declared twice", name.node))
                        .also(*first, "first declared here")
                        .help("rename one of them"),
                );
                if !alike {
                    // Its uses may mean either.
                    let first = *first;
                    scope.names.insert(name.node.clone(), (Symbol::Poisoned, first));
                }
                return;
            }
            scope.names.insert(name.node.clone(), (symbol, name.span));
        };
        match &item.kind {
            K::Const(list) | K::Param(list) => {
                for b in list {
                    enter(&b.name, Symbol::Global(bindings.len()));
                    let is_param = matches!(item.kind, K::Param(_));
                    bindings.push(Binding { binding: b, is_param, over: None });
                }
            }
            K::Let(l) => {
                enter(&l.name, Symbol::Poisoned);
                views.push(l.name.span);
            }
            K::Fn { name, params, body } => {
                enter(name, Symbol::Fn { params: params.clone(), body: Arc::new(body.clone()) })
            }
            K::Data { name, .. } => {
                enter(name, Symbol::Data(DataId(data)));
                data += 1;
            }
            K::Neuron(m) => enter(&m.name, Symbol::Neuron),
            K::Synapse(m) => enter(&m.name, Symbol::Synapse),
            K::Population { name, .. } => {
                enter(name, Symbol::Pop(PopId(pops)));
                pops += 1;
            }
            K::Connect(c) => {
                if let Some(name) = &c.name {
                    enter(name, Symbol::Proj(ProjId(projs)));
                }
                projs += 1;
            }
            K::Readout { name, .. } => {
                enter(name, Symbol::Readout(ReadoutId(readouts)));
                readouts += 1;
            }
            K::Procedure { name, params, body } => {
                enter(name, Symbol::Procedure { params: params.clone(), body: Arc::new(body.clone()) });
            }
            K::Experiment { name, .. } => enter(name, Symbol::Experiment),
            K::Kernel { name, .. } => enter(name, Symbol::Kernel),
            K::Error { defines: Some(name) } => {
                scope.names.insert(name.node.clone(), (Symbol::Poisoned, name.span));
            }
            _ => {}
        }
    }
    bindings
}

/// Applies `--set`.
fn overrides<'a>(
    mut bindings: Vec<Binding<'a>>,
    sources: &SourceMap,
    options: &Options,
    sink: &mut Sink,
) -> Vec<Binding<'a>> {
    for (name, id) in &options.set {
        let (tree, faults) = syntax::parse(*id, &sources.file(*id).text);
        if !faults.is_empty() {
            sink.items.extend(faults);
            continue;
        }
        let Some(ast::ItemKind::Param(list)) = tree.items.first().map(|i| &i.kind) else { continue };
        let [given] = list.as_slice() else { continue };
        let Some(value) = given.value.clone() else { continue };
        match bindings.iter_mut().find(|b| b.binding.name.node == *name) {
            Some(b) if b.is_param => b.over = Some(value),
            Some(b) => sink.push(
                Diagnostic::new(Code::E0905, given.span, format!("`{name}` is a `const`, which `--set` cannot change"))
                    .also(b.binding.name.span, "declared here")
                    .help("declare it as a `param`"),
            ),
            None => {
                let known: Vec<String> =
                    bindings.iter().filter(|b| b.is_param).map(|b| b.binding.name.node.clone()).collect();
                let d = Diagnostic::new(Code::E0905, given.span, format!("the model has no parameter `{name}`"));
                sink.push(match nearest(name, known.iter().map(String::as_str)) {
                    Some(n) => d.help(format!("did you mean `{n}`?")),
                    None if known.is_empty() => d.note("it has no parameters: declare one, such as `param n = 100`"),
                    None => d.note(format!("its parameters are {}", infer::list(&known))),
                });
            }
        }
    }
    bindings
}

/// Evaluates constants and parameters; faulty ones poison their names.
fn evaluate(bindings: &[Binding<'_>], scope: &mut Scope, globals: &mut Globals, sink: &mut Sink) -> Vec<hir::Global> {
    globals.values = vec![None; bindings.len()];
    let order = consts::order(bindings, &mut Typer::new(scope, globals, sink));
    let mut worth: BTreeMap<usize, Worth> = BTreeMap::new();
    for k in order {
        let result = consts::evaluate(&bindings[k], &mut Typer::new(scope, globals, sink));
        let name = &bindings[k].binding.name;
        match &result {
            Some(Worth::One(v)) => globals.values[k] = Some(v.clone()),
            Some(Worth::List(values, ty, width)) => {
                globals.tables.push((values.clone().into(), *ty));
                globals.widths.push(*width);
                scope.names.insert(name.node.clone(), (Symbol::Table(globals.tables.len() - 1), name.span));
            }
            None => poison(scope, name, sink),
        }
        if let Some(w) = result {
            worth.insert(k, w);
        }
    }
    bindings
        .iter()
        .enumerate()
        .map(|(k, b)| {
            let (ty, value) = match worth.get(&k) {
                Some(Worth::One(v)) => (v.ty, v.value),
                Some(Worth::List(v, ty, _)) => (*ty, v.first().copied().unwrap_or(f64::NAN)),
                None => {
                    poison(scope, &b.binding.name, sink);
                    (hir::Type::Int, f64::NAN)
                }
            };
            hir::Global {
                name: b.binding.name.node.clone(),
                is_param: b.is_param,
                ty,
                value,
                span: b.binding.name.span,
            }
        })
        .collect()
}

/// Makes uses of a name silent.
fn poison(scope: &mut Scope, name: &ast::Ident, sink: &mut Sink) {
    sink.hole(name.span);
    scope.names.insert(name.node.clone(), (Symbol::Poisoned, name.span));
}
