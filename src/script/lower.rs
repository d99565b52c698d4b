//! From the syntax tree to the IR of protocols: the state of one lowering, its scopes and locals. The rules for statements, expressions,
//! names, calls and loops are in the files beside this one, as `impl Lower`.
//!
//! Invariants: a fault is reported once (a procedure is lowered for every list of argument types, and its faults would repeat), and
//! nothing is reported about a value that is faulty already.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::{Code, Diagnostic, Label, Sink};
use crate::hir::{DataId, Model, ProjId, ReadoutId, ShownUnit, View};
use crate::script::independent::each_expr;
use crate::script::ir::{
    Body, Experiment, Expr, ExprKind, Home, Learning, LocalDecl, LocalId, ProcId, Program, Test, Ty,
};
use crate::script::machine::VarKey;
use crate::script::walk;
use crate::sema::misleading::built_in;
use crate::sema::scope::Scope;
use crate::sema::{ArrayReader, ArrayValues};
use crate::source::Span;
use crate::syntax::ast;

/// Lowers every protocol and recording of `file`. Names are those of `scope`; `model` holds everything but the protocols.
/// Faults go to `sink`; after an error the program is only good for finding more faults.
pub fn lower(file: &ast::File, scope: &Scope, model: &Model, arrays: &ArrayReader, sink: &mut Sink) -> Program {
    let mut cx =
        Cx { scope, model, arrays, sink, program: Program::default(), instances: Vec::new(), stack: Vec::new() };
    let mut called = BTreeSet::new();
    for item in &file.items {
        cx.item(item, &mut called);
    }
    cx.uncalled(file);
    let Cx { program, sink, .. } = cx;
    sink.holes.extend(holes(&program));
    program
}

/// What all bodies of a program share.
pub(crate) struct Cx<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) model: &'a Model,
    /// Reads arrays of files.
    arrays: &'a ArrayReader,
    sink: &'a mut Sink,
    pub(crate) program: Program,
    /// Procedures lowered so far.
    pub(crate) instances: Vec<Instance>,
    /// Procedures being lowered, outermost first.
    pub(crate) stack: Vec<String>,
}

/// A procedure lowered for one list of arguments.
pub(crate) struct Instance {
    pub(crate) name: String,
    pub(crate) args: Vec<ArgKey>,
    pub(crate) id: ProcId,
    pub(crate) effects: Effects,
    /// What it has frozen for certain when it ends.
    pub(crate) frozen: Vec<(VarKey, Span)>,
}

/// What tells instances of a procedure apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ArgKey {
    /// A value of this type.
    Value(Ty),
    /// A thing that is fixed in the body.
    Fixed(Fixed),
}

/// What a name may stand for besides values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fixed {
    Neurons(View),
    Proj(ProjId),
    Readout(ReadoutId),
    Data(DataId),
}

/// What a body does that a batch cannot run: the place and the words for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Effects {
    /// The first assignment to a variable that the lanes of a batch share.
    pub(crate) shared_write: Option<(Span, String)>,
    /// The first statement that no batch runs.
    pub(crate) forbidden: Option<(Span, String)>,
}

/// A name bound in a body.
#[derive(Debug, Clone)]
pub(crate) enum Bound {
    Local(LocalId),
    Fixed(Fixed),
    /// A parameter of a user function: the argument, put in where the name stands.
    Inlined(Expr),
    /// Its declaration is faulty.
    Poisoned,
}

/// Which kind of protocol a body belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyKind {
    Experiment,
    Test,
    Procedure,
    /// The values of a top-level `record`: no locals.
    Record,
}

/// The batch loop around a statement.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    /// Locals with a smaller id belong to the enclosing block.
    pub(crate) first_own: u32,
    /// Locals whose value differs from sample to sample.
    pub(crate) tainted: BTreeSet<LocalId>,
    /// Depth of blocks of the body's own statements.
    pub(crate) depth: usize,
    /// Number of loops around the body's own statements.
    pub(crate) loop_depth: usize,
    /// The loop.
    pub(crate) span: Span,
}

/// The lowering of one body.
pub(crate) struct Lower<'c, 'a> {
    pub(crate) cx: &'c mut Cx<'a>,
    pub(crate) kind: BodyKind,
    /// First part of the names of its random streams.
    pub(crate) owner: String,
    pub(crate) locals: Vec<LocalDecl>,
    /// Innermost last; each block in order of declaration.
    pub(crate) scopes: Vec<Vec<(String, Bound, Span)>>,
    pub(crate) sample_loops: u32,
    pub(crate) loop_depth: usize,
    pub(crate) returns: Option<(Ty, Span)>,
    pub(crate) streams: BTreeMap<String, u32>,
    pub(crate) batch: Option<Batch>,
    /// Locals changed, one set for each sample loop around the statement.
    pub(crate) changed: Vec<BTreeSet<LocalId>>,
    pub(crate) effects: Effects,
    /// User functions being put in, outermost first.
    pub(crate) functions: Vec<String>,
    /// What is frozen here for certain, as long as nothing else thaws it, and where it was frozen.
    pub(crate) frozen: Vec<(VarKey, Span)>,
    /// The procedures that are called here, and what is frozen then.
    pub(crate) called: Vec<(ProcId, Vec<(VarKey, Span)>)>,
    /// The `minimize` statements of the body so far.
    pub(crate) learning: Vec<Learning>,
    /// Locals made from a whole number: place of the name, place of the number, the number.
    pub(crate) int_lets: Vec<(Span, Span, String)>,
}

impl<'a> Cx<'a> {
    /// Reports a fault, unless the same was reported at the same place.
    pub(crate) fn report(&mut self, d: Diagnostic) {
        let again = self.sink.items.iter().any(|o| {
            o.code == d.code
                && o.message == d.message
                && o.primary.as_ref().map(|l| l.span) == d.primary.as_ref().map(|l| l.span)
        });
        if !again && !self.sink.is_missed_before(&d) {
            self.sink.push(d);
        }
    }

    /// Reports a fault, unless the same was reported anywhere.
    pub(crate) fn report_once(&mut self, d: Diagnostic) {
        if !self.sink.items.iter().any(|o| o.code == d.code && o.message == d.message) {
            self.sink.push(d);
        }
    }

    /// The values and the lengths of the axes of an array in a file.
    pub(crate) fn array(&self, path: &str, key: &str, span: Span) -> Result<ArrayValues, Box<Diagnostic>> {
        let Some(reader) = &self.arrays.0 else {
            return Err(Box::new(
                Diagnostic::new(Code::E0801, span, format!("the file `{path}` cannot be read here"))
                    .label("named here"),
            ));
        };
        reader(path, key).map_err(|mut d| {
            d.primary.get_or_insert(Label { span, text: "named here".to_owned() });
            Box::new(d)
        })
    }

    /// Notes that what stands here is not in the program.
    pub(crate) fn hole(&mut self, span: Span) {
        self.sink.hole(span);
    }

    fn item(&mut self, item: &ast::Item, titles: &mut BTreeSet<String>) {
        match &item.kind {
            ast::ItemKind::Experiment { name, body } => {
                let home = Home::Experiment(self.program.experiments.len() as u32);
                let body = self.body((BodyKind::Experiment, home), name.node.clone(), body);
                self.program.experiments.push(Experiment { name: name.node.clone(), body, span: name.span });
            }
            ast::ItemKind::Test { name, body } => {
                if !titles.insert(name.node.clone()) {
                    self.report(
                        Diagnostic::new(Code::E0103, name.span, format!("two tests are called \"{}\"", name.node))
                            .label("give this one a title of its own"),
                    );
                }
                let home = Home::Test(self.program.tests.len() as u32);
                let body = self.body((BodyKind::Test, home), name.node.clone(), body);
                self.program.tests.push(Test { title: name.node.clone(), body, span: name.span });
            }
            ast::ItemKind::Record(record) => {
                let mut lower = Lower::new(self, BodyKind::Record, String::new());
                let record = lower.record(record, item.span);
                if let Some(every) = &record.every {
                    let d = Diagnostic::new(
                        Code::E0502,
                        every.span,
                        "the interval of a recording at top level is a constant",
                    )
                    .label("this changes while running")
                    .help("put the `record` into an experiment, where it is computed once when it begins");
                    lower.err(d);
                }
                self.program.records.push(record);
            }
            _ => {}
        }
    }

    fn body(&mut self, (kind, home): (BodyKind, Home), owner: String, block: &ast::Block) -> Body {
        let mut lower = Lower::new(self, kind, owner);
        let stmts = lower.block(block);
        lower.note_learning(Some(home));
        Body { locals: lower.locals, stmts }
    }

    /// Procedures that nothing calls are checked as far as that goes without knowing their arguments.
    fn uncalled(&mut self, file: &ast::File) {
        for item in &file.items {
            let ast::ItemKind::Procedure { name, params, body } = &item.kind else { continue };
            if self.instances.iter().any(|i| i.name == name.node) {
                continue;
            }
            let assigned = self.program.clone();
            let holes = self.sink.holes.len();
            let mut lower = Lower::new(self, BodyKind::Procedure, name.node.clone());
            lower.cx.stack.push(name.node.clone());
            lower.scopes.push(params.iter().map(|p| (p.node.clone(), Bound::Poisoned, p.span)).collect());
            params.iter().for_each(|p| lower.hides(p));
            lower.block(body);
            lower.note_learning(None);
            lower.cx.stack.pop();
            // Its parameters stand for nothing, and what is made of them is in no program.
            self.sink.holes.truncate(holes);
            let procedures = std::mem::take(&mut self.program.procedures);
            let learning = std::mem::take(&mut self.program.learning);
            let frozen_calls = std::mem::take(&mut self.program.frozen_calls);
            // What only dead code does must cost nothing; instances that it made stay known, so their code is kept.
            self.program =
                Program { procedures, learning, frozen_calls, over_time: self.program.over_time, ..assigned };
        }
    }
}

impl<'c, 'a> Lower<'c, 'a> {
    pub(crate) fn new(cx: &'c mut Cx<'a>, kind: BodyKind, owner: String) -> Self {
        Self {
            cx,
            kind,
            owner,
            locals: Vec::new(),
            scopes: Vec::new(),
            sample_loops: 0,
            loop_depth: 0,
            returns: None,
            streams: BTreeMap::new(),
            batch: None,
            changed: Vec::new(),
            effects: Effects::default(),
            functions: Vec::new(),
            frozen: Vec::new(),
            called: Vec::new(),
            learning: Vec::new(),
            int_lets: Vec::new(),
        }
    }

    pub(crate) fn err(&mut self, d: Diagnostic) {
        self.cx.report(d);
    }

    /// Reports a fault and gives the value that stands for it.
    pub(crate) fn fault(&mut self, d: Diagnostic, span: Span) -> Expr {
        self.err(d);
        poisoned(span)
    }

    /// A new local, visible from here to the end of the innermost block.
    pub(crate) fn declare(&mut self, name: &ast::Ident, ty: Ty, shown: Option<ShownUnit>) -> LocalId {
        let id = LocalId(self.locals.len() as u32);
        self.locals.push(LocalDecl { name: name.node.clone(), ty, shown, span: name.span });
        self.bind(name, Bound::Local(id));
        id
    }

    /// A local that no name reaches.
    pub(crate) fn hidden(&mut self, name: &str, value: &Expr, span: Span) -> LocalId {
        let id = LocalId(self.locals.len() as u32);
        let shown = value.ty.num().map(|_| self.shown(value));
        self.locals.push(LocalDecl { name: name.to_owned(), ty: value.ty.clone(), shown, span });
        if self.batch.is_some() && self.per_lane(value) {
            self.taint(id);
        }
        id
    }

    /// Makes a name visible from here to the end of the innermost block. A second one in the same block is refused.
    pub(crate) fn bind(&mut self, name: &ast::Ident, bound: Bound) {
        let before = self.scopes.last().and_then(|s| s.iter().find(|(n, ..)| *n == name.node)).map(|(.., span)| *span);
        if let Some(before) = before {
            self.err(
                Diagnostic::new(Code::E0103, name.span, format!("`{}` is defined twice in this block", name.node))
                    .label("again here")
                    .also(before, "first here")
                    .help(format!("to change its value, assign it without `let`: `{} = …`", name.node)),
            );
        } else if crate::script::quantity::is_long_unit(&name.node) {
            self.err(
                Diagnostic::new(Code::E0103, name.span, format!("`{}` is the name of a unit", name.node))
                    .label("choose another name"),
            );
        } else {
            self.hides(name);
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.push((name.node.clone(), bound, name.span));
        }
    }

    /// Warns of a variable with a name that means something in protocols.
    fn hides(&mut self, name: &ast::Ident) {
        if let (Some(what), "t" | "dt" | "pi" | "inf") = (built_in(&name.node, false), name.node.as_str()) {
            self.err(
                Diagnostic::new(Code::W0801, name.span, format!("`{}` hides {what}", name.node))
                    .label("from here on it is this variable")
                    .help("rename the variable"),
            );
        }
    }

    pub(crate) fn lookup(&self, name: &str) -> Option<&Bound> {
        self.scopes.iter().rev().find_map(|s| s.iter().rev().find(|(n, ..)| n == name)).map(|(_, bound, _)| bound)
    }

    pub(crate) fn local(&self, id: LocalId) -> Option<&LocalDecl> {
        self.locals.get(id.index())
    }

    /// The name of the next stream of `what` in this body: `train/uniform`, `train/uniform#2`, ….
    pub(crate) fn stream(&mut self, what: &str) -> String {
        let n = self.streams.entry(what.to_owned()).or_insert(0);
        *n += 1;
        if *n == 1 { format!("{}/{what}", self.owner) } else { format!("{}/{what}#{n}", self.owner) }
    }

    /// The declaration of a model variable.
    pub(crate) fn decl(&self, key: VarKey) -> Option<&'a crate::hir::VarDecl> {
        crate::script::names::decl(self.cx.model, key)
    }
}

/// The faulty expressions in a program.
fn holes(program: &Program) -> Vec<Span> {
    let mut out = Vec::new();
    let experiments = program.experiments.iter().map(|e| &e.body);
    let bodies =
        experiments.chain(program.tests.iter().map(|t| &t.body)).chain(program.procedures.iter().map(|p| &p.body));
    for body in bodies {
        walk::any_stmt(&body.stmts, &mut |s| {
            each_expr(s, &mut |e| {
                walk::any(e, &mut |x| {
                    let faulty = matches!(x.kind, ExprKind::Error);
                    if faulty {
                        out.push(x.span);
                    }
                    faulty
                });
            });
            false
        });
    }
    out
}

/// The value that stands for a faulty expression.
pub(crate) fn poisoned(span: Span) -> Expr {
    Expr { kind: ExprKind::Error, ty: Ty::Poisoned, span }
}
