//! From lane-level loop IR to Cranelift's IR: values map one to one, loops and choices become blocks whose parameters are
//! the carried values and results.
//!
//! Invariants:
//! * The program has been verified, so everything that is not found here is a bug and becomes [`BackendError::Codegen`].
//! * A scalar `bool` is an `i8` that is 0 or 1; a mask is an integer vector whose lanes are all ones or all zeros.
//! * Compiled functions take two pointers: the table of buffer base pointers and the `i32` arguments.
//! * Addresses are computed in 64 bits. An `i32` sum may be taken apart (base and offset, so that the invariant part
//!   leaves the loop) only if the 64-bit sum equals the wrapped 32-bit sum for every index that lies inside a buffer.

use std::collections::BTreeMap;

use cranelift::codegen::ir::{self, AliasRegion, AliasRegionData, BlockArg, FuncRef, types};
use cranelift::prelude::{FunctionBuilder, FunctionBuilderContext, InstBuilder, IntCC, MemFlagsData, Value};
use cranelift_module::Module;

use super::address::{Address, Facts};
use super::outline;
use crate::backend::{BackendError, wide};
use crate::lir::{AddRows, BinOp, Block, BufId, Const, For, Function, If, MathFn, Op, Program, Scalar, Stmt, Ty, Val};

/// Buffer base pointers of loops are loaded before the outermost loop. Loads from the table never change during a call.
const TABLE_FLAGS: MemFlagsData = MemFlagsData::trusted().with_readonly().with_can_move();

/// The signature of every compiled function: the table of buffers and the arguments.
pub(super) fn signature(module: &dyn Module) -> ir::Signature {
    let pointer = ir::AbiParam::new(module.target_config().pointer_type());
    let mut signature = module.make_signature();
    signature.params.extend([pointer, pointer]);
    signature
}

/// The distance in bytes between the arguments of `run` and its like, which are `i32`.
pub(super) const SPACING: i32 = 4;

/// Fills `func` (with [`signature`]) with the code of `function`, whose arguments are `spacing` bytes apart, and which leaves `results` behind them;
/// says which of its loops became wide kernels, and why others did not.
pub(super) fn emit(
    module: &mut dyn Module,
    program: &Program,
    function: &Function,
    func: &mut ir::Function,
    context: &mut FunctionBuilderContext,
    wide_kernels: Option<wide::Width>,
    spacing: i32,
    results: &[Val],
) -> Result<Vec<String>, BackendError> {
    let config = module.target_config();
    let pointer = config.pointer_type();
    if pointer != types::I64 {
        return Err(bug("only 64-bit machines are supported"));
    }
    let regions = program
        .buffers
        .iter()
        .enumerate()
        .map(|(i, buffer)| {
            func.dfg
                .alias_regions
                .insert(AliasRegionData { user_id: i as u32, description: buffer.name.clone().into() })
        })
        .collect();
    let mut b = FunctionBuilder::new(func, context);
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    let &[table, args] = b.block_params(entry) else { return Err(bug("a wrong signature")) };
    let count = function.types.len();
    let mut emitter = Emitter {
        module,
        program,
        function,
        b,
        table,
        regions,
        values: vec![None; count],
        wide: vec![None; count],
        ops: vec![None; count],
        depths: vec![0; count],
        ranges: vec![FULL; count],
        pointers: vec![None; program.buffers.len()],
        written: {
            let mut written = vec![false; program.buffers.len()];
            note_written(&function.body, &mut written);
            written
        },
        helpers: BTreeMap::new(),
        depth: 0,
        facts: Facts::of(function),
        wide_kernels,
        notes: Vec::new(),
    };
    let place =
        |i: usize| i32::try_from(i).ok().and_then(|i| i.checked_mul(spacing)).ok_or_else(|| bug("too many arguments"));
    for (i, param) in function.params.iter().enumerate() {
        let offset = place(i)?;
        let ty = clif_type(emitter.ty(*param)?);
        let value = emitter.b.ins().load(ty, TABLE_FLAGS, args, offset);
        emitter.define(*param, value)?;
    }
    emitter.block(&function.body)?;
    for (i, result) in (function.params.len()..).zip(results) {
        let value = emitter.value(*result)?;
        emitter.b.ins().store(MemFlagsData::trusted(), value, args, place(i)?);
    }
    emitter.b.ins().return_(&[]);
    emitter.b.seal_all_blocks();
    emitter.b.finalize(config);
    Ok(emitter.notes)
}

/// The least and the greatest value that an `i32` can have at some place.
pub(super) type Range = (i64, i64);

/// Nothing is known.
const FULL: Range = (i32::MIN as i64, i32::MAX as i64);

pub(super) struct Emitter<'a, 'f> {
    pub(super) module: &'a mut dyn Module,
    pub(super) program: &'a Program,
    pub(super) function: &'a Function,
    pub(super) b: FunctionBuilder<'f>,
    table: Value,
    regions: Vec<AliasRegion>,
    /// The CLIF value of each value in scope.
    values: Vec<Option<Value>>,
    /// The same, sign-extended to 64 bits, where that costs nothing (loop variables, indices that were loaded).
    pub(super) wide: Vec<Option<Value>>,
    /// How values came about.
    pub(super) ops: Vec<Option<&'a Op>>,
    /// The number of loops around the definition of each value.
    pub(super) depths: Vec<u32>,
    pub(super) ranges: Vec<Range>,
    /// Base pointers of buffers that are loaded already.
    pointers: Vec<Option<Value>>,
    /// Whether the function stores to the buffer.
    pub(super) written: Vec<bool>,
    pub(super) helpers: BTreeMap<(MathFn, Scalar), FuncRef>,
    pub(super) depth: u32,
    /// What indices tell about values.
    pub(super) facts: Facts,
    /// How wide the kernels are that loops may become, if they may.
    pub(super) wide_kernels: Option<wide::Width>,
    /// What became of the marked loops, for people.
    pub(super) notes: Vec<String>,
}

impl<'a> Emitter<'a, '_> {
    fn block(&mut self, block: &'a Block) -> Result<(), BackendError> {
        let outer = self.facts.enter();
        block.stmts.iter().try_for_each(|stmt| self.stmt(stmt))?;
        self.facts.leave(outer);
        Ok(())
    }

    fn stmt(&mut self, stmt: &'a Stmt) -> Result<(), BackendError> {
        match stmt {
            Stmt::Def { val, op } => {
                *slot(&mut self.ops, *val)? = Some(op);
                let range = self.range_of(*val, op);
                *slot(&mut self.ranges, *val)? = range;
                self.facts.define(*val);
                if let Op::Load { buf, index, lanes: 1 } = op
                    && self.facts.is_index(*val)
                    && self.ty(*val)? == Ty::I32
                {
                    let wide = self.load(*buf, *index, 1, None)?;
                    *slot(&mut self.wide, *val)? = Some(wide);
                    let value = self.b.ins().ireduce(types::I32, wide);
                    return self.define(*val, value);
                }
                let value = self.op(self.ty(*val)?, op)?;
                self.define(*val, value)
            }
            Stmt::Store { buf, index, value } => {
                let value = self.value(*value)?;
                let flags = self.flags(*buf)?;
                let Address { base, offset, .. } = self.address(*buf, *index)?;
                self.b.ins().store(flags, value, base, offset);
                Ok(())
            }
            Stmt::Scatter { buf, index, value } => {
                let (lanes, index, value) = (self.ty(*value)?.lanes, self.value(*index)?, self.value(*value)?);
                let flags = self.flags(*buf)?;
                for lane in 0..lanes {
                    let address = self.lane_address(*buf, index, lane)?;
                    let element = self.b.ins().extractlane(value, lane);
                    self.b.ins().store(flags, element, address, 0);
                }
                Ok(())
            }
            Stmt::Append { cond, list, count, value } => self.append(*cond, *list, *count, *value),
            Stmt::AddRows(rows) => self.add_rows(rows),
            Stmt::For(stmt) => self.for_loop(stmt),
            Stmt::If(stmt) => self.choice(stmt),
        }
    }

    /// The test stands at the bottom; a guard at the top lets loops without iterations pass. The counter has 64 bits, so
    /// that it neither wraps nor needs extension in addresses.
    fn for_loop(&mut self, stmt: &'a For) -> Result<(), BackendError> {
        if let Some(width) = self.wide_kernels {
            let outside = |val: Val| self.ops.get(val.0 as usize).copied().flatten();
            match wide::compile(self.program, self.function, stmt, &outside, width) {
                Ok(kernel) => return self.wide_kernel(&kernel, width),
                Err(why) if stmt.vector || nests_marked(&stmt.body) => {
                    self.notes.push(format!("the loop over {} stays narrow: {why}", stmt.var));
                }
                Err(_) => {}
            }
        }
        if self.depth > 0 && outline::worth(stmt) {
            let taken = outline::taken(stmt);
            // An argument has the room of one element, and so has a result.
            if taken.iter().chain(&stmt.results).all(|v| self.ty(*v).is_ok_and(|ty| ty.lanes == 1)) {
                return self.called(stmt, &taken);
            }
        }
        if self.depth == 0 {
            // Loaded once before the outermost loop; they dominate what follows it, too.
            let mut used = Vec::new();
            buffers(&stmt.body, &mut used);
            for buf in used {
                self.pointer(buf)?;
            }
        }
        let from = self.extended(stmt.from)?;
        let to = self.extended(stmt.to)?;
        let (from_range, to_range) = (*slot(&mut self.ranges, stmt.from)?, *slot(&mut self.ranges, stmt.to)?);
        let inits = self.args(&stmt.inits)?;

        let body = self.b.create_block();
        let exit = self.b.create_block();
        let counter = self.b.append_block_param(body, types::I64);
        for (param, result) in stmt.params.iter().zip(&stmt.results) {
            let ty = clif_type(self.ty(*param)?);
            let value = self.b.append_block_param(body, ty);
            self.depth += 1;
            self.define(*param, value)?;
            self.depth -= 1;
            let value = self.b.append_block_param(exit, ty);
            self.define(*result, value)?;
        }

        let mut enter = vec![BlockArg::from(from)];
        enter.extend(&inits);
        if from_range.1 < to_range.0 {
            self.b.ins().jump(body, &enter);
        } else {
            let any = self.b.ins().icmp(IntCC::SignedLessThan, from, to);
            self.b.ins().brif(any, body, &enter, exit, &inits);
        }

        self.b.switch_to_block(body);
        self.depth += 1;
        let narrow = self.b.ins().ireduce(types::I32, counter);
        self.define(stmt.var, narrow)?;
        *slot(&mut self.wide, stmt.var)? = Some(counter);
        let mut last = (to_range.1 - 1).max(from_range.0);
        if from_range.0 == from_range.1 {
            last -= (last - from_range.0) % i64::from(stmt.step.max(1));
        }
        *slot(&mut self.ranges, stmt.var)? = (from_range.0, last);
        self.block(&stmt.body)?;
        let next = self.args(&stmt.next)?;
        self.depth -= 1;
        let step = self.b.ins().iconst(types::I64, i64::from(stmt.step));
        let following = self.b.ins().iadd(counter, step);
        let more = self.b.ins().icmp(IntCC::SignedLessThan, following, to);
        let mut again = vec![BlockArg::from(following)];
        again.extend(&next);
        self.b.ins().brif(more, body, &again, exit, &next);

        self.b.switch_to_block(exit);
        Ok(())
    }

    /// A loop that is a function of its own, called unless there is nothing to do.
    fn called(&mut self, stmt: &'a For, taken: &[Val]) -> Result<(), BackendError> {
        let (from_range, to_range) = (*slot(&mut self.ranges, stmt.from)?, *slot(&mut self.ranges, stmt.to)?);
        if from_range.1 < to_range.0 {
            return self.outlined(stmt, taken);
        }
        let (from, to) = (self.value(stmt.from)?, self.value(stmt.to)?);
        let inits = self.args(&stmt.inits)?;
        let (some, exit) = (self.b.create_block(), self.b.create_block());
        let any = self.b.ins().icmp(IntCC::SignedLessThan, from, to);
        self.b.ins().brif(any, some, &[], exit, &inits);
        self.b.switch_to_block(some);
        // What a branch loads does not dominate what follows.
        let pointers = self.pointers.clone();
        self.outlined(stmt, taken)?;
        self.pointers = pointers;
        let results = self.args(&stmt.results)?;
        self.b.ins().jump(exit, &results);
        for result in &stmt.results {
            let ty = clif_type(self.ty(*result)?);
            let value = self.b.append_block_param(exit, ty);
            self.define(*result, value)?;
        }
        self.b.switch_to_block(exit);
        Ok(())
    }

    fn choice(&mut self, stmt: &'a If) -> Result<(), BackendError> {
        let cond = self.value(stmt.cond)?;
        let then = self.b.create_block();
        let els = self.b.create_block();
        let join = self.b.create_block();
        for result in &stmt.results {
            let ty = clif_type(self.ty(*result)?);
            let value = self.b.append_block_param(join, ty);
            self.define(*result, value)?;
        }
        self.b.ins().brif(cond, then, &[], els, &[]);
        for (block, body, vals) in [(then, &stmt.then, &stmt.then_vals), (els, &stmt.els, &stmt.else_vals)] {
            self.b.switch_to_block(block);
            // What a branch loads does not dominate the other branch, nor what follows.
            let pointers = self.pointers.clone();
            self.block(body)?;
            self.pointers = pointers;
            let args = self.args(vals)?;
            self.b.ins().jump(join, &args);
        }
        self.b.switch_to_block(join);
        Ok(())
    }

    /// Calls a function of the module with the table and with values; takes its results.
    pub(super) fn call(
        &mut self,
        id: cranelift_module::FuncId,
        vals: &[Val],
        results: &[Val],
    ) -> Result<(), BackendError> {
        let function = self.module.declare_func_in_func(id, self.b.func);
        let room = (vals.len() + results.len()).max(1) * outline::SPACING as usize;
        let size = u32::try_from(room).map_err(|_| bug("too many arguments"))?;
        let slot = self.b.create_sized_stack_slot(ir::StackSlotData::new(ir::StackSlotKind::ExplicitSlot, size, 3));
        let args = self.b.ins().stack_addr(types::I64, slot, 0);
        for (n, val) in vals.iter().enumerate() {
            let value = self.value(*val)?;
            self.b.ins().store(MemFlagsData::trusted(), value, args, outline::SPACING * n as i32);
        }
        let table = self.table;
        self.b.ins().call(function, &[table, args]);
        for (n, result) in (vals.len()..).zip(results) {
            let ty = clif_type(self.ty(*result)?);
            let value = self.b.ins().load(ty, MemFlagsData::trusted(), args, outline::SPACING * n as i32);
            self.define(*result, value)?;
        }
        Ok(())
    }

    /// Defines a kernel and calls it with the values that it takes from outside.
    fn wide_kernel(&mut self, kernel: &wide::Kernel, width: wide::Width) -> Result<(), BackendError> {
        let codegen = |error: cranelift_module::ModuleError| BackendError::Codegen(error.to_string());
        let signature = signature(self.module);
        let id = self.module.declare_anonymous_function(&signature).map_err(codegen)?;
        self.module.define_function_bytes(id, width.bytes() as u64, &kernel.code, &[]).map_err(codegen)?;
        self.notes.push(format!("a loop of {} bytes of {}-bit code", kernel.code.len(), 8 * width.bytes()));
        self.call(id, &kernel.args, &[])
    }

    /// Lanes of the mask that are true append, one after the other; nearly always there are none.
    fn append(&mut self, cond: Val, list: BufId, count: BufId, value: Val) -> Result<(), BackendError> {
        let lanes = self.ty(cond)?.lanes;
        let mask = self.value(cond)?;
        let first = self.value(value)?;
        let (list_at, count_at) = (self.pointer(list)?, self.pointer(count)?);
        let (list_flags, count_flags) = (self.flags(list)?, self.flags(count)?);
        let some = self.b.create_block();
        let done = self.b.create_block();
        self.b.set_cold_block(some);
        let any = self.b.ins().vany_true(mask);
        self.b.ins().brif(any, some, &[], done, &[]);
        self.b.switch_to_block(some);
        for lane in 0..lanes {
            let hit = self.b.create_block();
            let next = self.b.create_block();
            let element = self.b.ins().extractlane(mask, lane);
            self.b.ins().brif(element, hit, &[], next, &[]);
            self.b.switch_to_block(hit);
            let value = self.b.ins().iadd_imm_s(first, i64::from(lane));
            let at = self.b.ins().load(types::I32, count_flags, count_at, 0);
            let wide = self.b.ins().sextend(types::I64, at);
            let offset = self.scaled(wide, 4);
            let address = self.b.ins().iadd(list_at, offset);
            self.b.ins().store(list_flags, value, address, 0);
            let more = self.b.ins().iadd_imm_s(at, 1);
            self.b.ins().store(count_flags, more, count_at, 0);
            self.b.ins().jump(next, &[]);
            self.b.switch_to_block(next);
        }
        self.b.ins().jump(done, &[]);
        self.b.switch_to_block(done);
        Ok(())
    }

    pub(super) fn pointer(&mut self, buf: BufId) -> Result<Value, BackendError> {
        let known = self.pointers.get_mut(buf.0 as usize).ok_or_else(|| bug("an unknown buffer"))?;
        if let Some(pointer) = *known {
            return Ok(pointer);
        }
        let offset = i32::try_from(8 * u64::from(buf.0)).map_err(|_| bug("too many buffers"))?;
        let pointer = self.b.ins().load(types::I64, TABLE_FLAGS, self.table, offset);
        *known = Some(pointer);
        Ok(pointer)
    }

    /// Buffers are aligned to their elements only, and never overlap.
    pub(super) fn flags(&self, buf: BufId) -> Result<MemFlagsData, BackendError> {
        let region = self.regions.get(buf.0 as usize).ok_or_else(|| bug("an unknown buffer"))?;
        Ok(MemFlagsData::new().with_notrap().with_alias_region(Some(*region)))
    }

    pub(super) fn element_bytes(&self, buf: BufId) -> Result<i64, BackendError> {
        let buffer = self.program.buffers.get(buf.0 as usize).ok_or_else(|| bug("an unknown buffer"))?;
        Ok(if buffer.scalar.bytes() == 8 { 8 } else { 4 })
    }

    pub(super) fn range(&self, val: Val) -> Range {
        self.ranges.get(val.0 as usize).copied().unwrap_or(FULL)
    }

    /// What is known about an `i32` from how it came about.
    fn range_of(&self, val: Val, op: &Op) -> Range {
        if self.function.types.get(val.0 as usize) != Some(&Ty::I32) {
            return FULL;
        }
        let (low, high) = match op {
            Op::Const(Const::I32(c)) => (i64::from(*c), i64::from(*c)),
            Op::Bin(BinOp::And, a, b) => match (self.range(*a), self.range(*b)) {
                ((0.., x), (0.., y)) => (0, x.min(y)),
                ((0.., x), _) | (_, (0.., x)) => (0, x),
                _ => FULL,
            },
            Op::Bin(BinOp::Add, a, b) => {
                let (a, b) = (self.range(*a), self.range(*b));
                (a.0 + b.0, a.1 + b.1)
            }
            Op::Bin(BinOp::Sub, a, b) => {
                let (a, b) = (self.range(*a), self.range(*b));
                (a.0 - b.1, a.1 - b.0)
            }
            Op::Bin(BinOp::Mul, a, b) => {
                let (a, b) = (self.range(*a), self.range(*b));
                let corners = [a.0 * b.0, a.0 * b.1, a.1 * b.0, a.1 * b.1];
                corners.iter().fold((corners[0], corners[0]), |(low, high), x| (low.min(*x), high.max(*x)))
            }
            _ => FULL,
        };
        // Outside of 32 bits the value has wrapped.
        if low >= FULL.0 && high <= FULL.1 { (low, high) } else { FULL }
    }

    pub(super) fn ty(&self, val: Val) -> Result<Ty, BackendError> {
        self.function.types.get(val.0 as usize).copied().ok_or_else(|| bug(&format!("{val} has no type")))
    }

    pub(super) fn value(&self, val: Val) -> Result<Value, BackendError> {
        let value = self.values.get(val.0 as usize).copied().flatten();
        value.ok_or_else(|| bug(&format!("{val} is not defined")))
    }

    fn args(&self, vals: &[Val]) -> Result<Vec<BlockArg>, BackendError> {
        vals.iter().map(|v| self.value(*v).map(BlockArg::from)).collect()
    }

    fn define(&mut self, val: Val, value: Value) -> Result<(), BackendError> {
        *slot(&mut self.values, val)? = Some(value);
        *slot(&mut self.depths, val)? = self.depth;
        Ok(())
    }
}

/// The CLIF type of a value.
pub(super) fn clif_type(ty: Ty) -> ir::Type {
    match (ty.scalar, ty.lanes) {
        (Scalar::F32, 1) => types::F32,
        (Scalar::F64, 1) => types::F64,
        (Scalar::I32, 1) => types::I32,
        (Scalar::I64, 1) => types::I64,
        (Scalar::Bool, 1) => types::I8,
        (Scalar::F32, _) => types::F32X4,
        (Scalar::F64, _) => types::F64X2,
        (Scalar::I32, _) | (Scalar::Bool, 4) => types::I32X4,
        (Scalar::I64, _) | (Scalar::Bool, _) => types::I64X2,
    }
}

/// The buffers that a block touches, in order of first use.
fn buffers(block: &Block, found: &mut Vec<BufId>) {
    for stmt in &block.stmts {
        let touched: &[BufId] = match stmt {
            Stmt::Def { op: Op::Load { buf, .. } | Op::Gather { buf, .. }, .. }
            | Stmt::Store { buf, .. }
            | Stmt::Scatter { buf, .. } => std::slice::from_ref(buf),
            Stmt::AddRows(a) => &[a.to, a.from, a.rows],
            Stmt::Append { list, count, .. } => &[*list, *count],
            Stmt::Def { .. } => &[],
            Stmt::For(stmt) => {
                buffers(&stmt.body, found);
                &[]
            }
            Stmt::If(stmt) => {
                buffers(&stmt.then, found);
                buffers(&stmt.els, found);
                &[]
            }
        };
        for buf in touched {
            if !found.contains(buf) {
                found.push(*buf);
            }
        }
    }
}

/// Whether a block holds a marked loop with nothing but loops and choices of its own around it, as blocks of neurons do.
fn nests_marked(block: &Block) -> bool {
    block.stmts.iter().any(|stmt| match stmt {
        Stmt::For(f) => f.vector,
        Stmt::If(i) => nests_marked(&i.then) || nests_marked(&i.els),
        _ => false,
    })
}

/// Marks the buffers that a block stores to.
fn note_written(block: &Block, written: &mut [bool]) {
    for stmt in &block.stmts {
        match stmt {
            Stmt::Store { buf, .. } | Stmt::Scatter { buf, .. } | Stmt::AddRows(AddRows { to: buf, .. }) => {
                if let Some(flag) = written.get_mut(buf.0 as usize) {
                    *flag = true;
                }
            }
            Stmt::For(stmt) => note_written(&stmt.body, written),
            Stmt::If(stmt) => {
                note_written(&stmt.then, written);
                note_written(&stmt.els, written);
            }
            Stmt::Append { list, count, .. } => {
                for buf in [list, count] {
                    if let Some(flag) = written.get_mut(buf.0 as usize) {
                        *flag = true;
                    }
                }
            }
            Stmt::Def { .. } => {}
        }
    }
}

pub(super) fn slot<T>(list: &mut [T], val: Val) -> Result<&mut T, BackendError> {
    list.get_mut(val.0 as usize).ok_or_else(|| bug(&format!("{val} has no type")))
}

pub(super) fn bug(what: &str) -> BackendError {
    BackendError::Codegen(what.to_owned())
}
