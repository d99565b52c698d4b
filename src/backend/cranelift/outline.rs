//! Loops over lists within loops over lists (what the events of a step do to listed synapses), and long loops (bringing listed traces up to date,
//! what neurons do that spike) become functions of their own. In the one big function of a step most values live in memory, and an inner loop of ten
//! instructions would fetch its pointers anew in every round; and what a loop needs that has nothing to do in most steps would be made ready in each.

use cranelift::prelude::FunctionBuilderContext;

use super::emit::{Emitter, emit, signature, slot};
use crate::backend::BackendError;
use crate::lir::{Block, For, Function, Op, Stmt, Val};

/// The distance in bytes between the arguments of such a function, and between its results, which stand behind them.
pub(super) const SPACING: i32 = 8;

/// A loop is worth a call from so many operations on.
const LONG: usize = 12;

/// Whether a loop is one of those: a loop with a plain loop inside, or a long one, and nothing that is a call already.
pub(super) fn worth(stmt: &For) -> bool {
    let mut inner = false;
    !stmt.vector && holds(&stmt.body, &mut inner) && (inner || operations(&stmt.body) >= LONG)
}

fn holds(block: &Block, inner: &mut bool) -> bool {
    block.stmts.iter().all(|stmt| match stmt {
        Stmt::Def { .. } | Stmt::Store { .. } => true,
        Stmt::For(f) => {
            *inner = true;
            !f.vector && f.params.is_empty() && holds(&f.body, inner)
        }
        Stmt::If(i) => holds(&i.then, inner) && holds(&i.els, inner),
        Stmt::Scatter { .. } | Stmt::Append { .. } | Stmt::AddRows(_) => false,
    })
}

/// How much is defined and stored in a block and its choices, constants apart.
fn operations(block: &Block) -> usize {
    let of = |stmt: &Stmt| match stmt {
        Stmt::Def { op: Op::Const(_), .. } => 0,
        Stmt::If(i) => 1 + operations(&i.then) + operations(&i.els),
        _ => 1,
    };
    block.stmts.iter().map(of).sum()
}

impl<'a> Emitter<'a, '_> {
    /// Makes a loop a function of its own and calls it with the values that it takes from outside.
    pub(super) fn outlined(&mut self, stmt: &'a For, taken: &[Val]) -> Result<(), BackendError> {
        let codegen = |error: cranelift_module::ModuleError| BackendError::Codegen(error.to_string());
        let mut params = Vec::new();
        let mut stmts = Vec::new();
        for val in taken {
            match *slot(&mut self.ops, *val)? {
                Some(op @ Op::Const(_)) => stmts.push(Stmt::Def { val: *val, op: op.clone() }),
                _ => params.push(*val),
            }
        }
        stmts.push(Stmt::For(Box::new(stmt.clone())));
        let function = Function {
            name: self.function.name.clone(),
            params,
            types: self.function.types.clone(),
            body: Block { stmts },
        };
        let mut context = self.module.make_context();
        context.func.signature = signature(self.module);
        let mut builder = FunctionBuilderContext::new();
        let (module, results) = (&mut *self.module, &stmt.results);
        emit(module, self.program, &function, &mut context.func, &mut builder, self.wide_kernels, SPACING, results)?;
        let id = self.module.declare_anonymous_function(&context.func.signature).map_err(codegen)?;
        self.module.define_function(id, &mut context).map_err(codegen)?;
        self.notes.push(format!("the loop over {} is a function of its own", stmt.var));
        self.call(id, &function.params, &stmt.results)
    }
}

/// The values that a loop takes from outside, in the order of their numbers.
pub(super) fn taken(stmt: &For) -> Vec<Val> {
    let mut found = Found::default();
    found.loop_(stmt);
    found.read.retain(|v| !found.made.contains(v));
    found.read.sort_unstable();
    found.read.dedup();
    found.read
}

#[derive(Default)]
struct Found {
    read: Vec<Val>,
    made: Vec<Val>,
}

impl Found {
    fn loop_(&mut self, f: &For) {
        self.read.extend([f.from, f.to]);
        self.read.extend(f.inits.iter().chain(&f.next));
        self.made.push(f.var);
        self.made.extend(f.params.iter().chain(&f.results));
        self.block(&f.body);
    }

    fn block(&mut self, block: &Block) {
        for stmt in &block.stmts {
            match stmt {
                Stmt::Def { val, op } => {
                    self.made.push(*val);
                    op.operands(|v| self.read.push(v));
                    if let Op::Load { index, .. } = op {
                        self.read.push(*index);
                    }
                }
                Stmt::Store { index, value, .. } => self.read.extend([*index, *value]),
                Stmt::For(f) => self.loop_(f),
                Stmt::If(i) => {
                    self.read.push(i.cond);
                    self.read.extend(i.then_vals.iter().chain(&i.else_vals));
                    self.made.extend(&i.results);
                    self.block(&i.then);
                    self.block(&i.els);
                }
                Stmt::Scatter { .. } | Stmt::Append { .. } | Stmt::AddRows(_) => {}
            }
        }
    }
}
