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
use cranelift::prelude::{FloatCC, FunctionBuilder, FunctionBuilderContext, InstBuilder, IntCC, MemFlagsData, Value};
use cranelift_module::Module;

use super::address::{Address, Facts};
use super::{math, outline};
use crate::backend::{BackendError, wide};
use crate::lir::{
    AddRows, BinOp, Block, BufId, CmpOp, Const, For, Function, If, MathFn, Op, Program, Scalar, Stmt, Ty, UnOp, Val,
};

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
    written: Vec<bool>,
    helpers: BTreeMap<(MathFn, Scalar), FuncRef>,
    depth: u32,
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

    fn op(&mut self, ty: Ty, op: &'a Op) -> Result<Value, BackendError> {
        let clif = clif_type(ty);
        Ok(match op {
            Op::Const(c) => self.constant(*c),
            Op::Un(un, a) => self.unary(*un, ty, *a)?,
            Op::Bin(bin, a, b) => self.binary(*bin, ty, *a, *b)?,
            Op::Fma(a, b, c) => {
                // The instruction writes over its first operand, for which a constant would have to be copied. Which factor is first changes no bit,
                // unless both are NaN.
                let age = |v: &Val| self.depths.get(v.0 as usize).copied().unwrap_or(0);
                let constant = matches!(self.ops.get(a.0 as usize), Some(Some(Op::Const(_))));
                let (a, b) = if constant && age(b) == self.depth { (b, a) } else { (a, b) };
                let (a, b, c) = (self.value(*a)?, self.value(*b)?, self.value(*c)?);
                self.b.ins().fma(a, b, c)
            }
            Op::Cmp(cmp, a, b) => {
                let scalar = self.ty(*a)?.scalar;
                let (a, b) = (self.value(*a)?, self.value(*b)?);
                if scalar.is_float() {
                    self.b.ins().fcmp(float_cc(*cmp), a, b)
                } else {
                    self.b.ins().icmp(int_cc(*cmp), a, b)
                }
            }
            Op::Select(mask, a, b) => {
                let (mask, a, b) = (self.value(*mask)?, self.value(*a)?, self.value(*b)?);
                self.select(ty, mask, a, b)
            }
            Op::Cast(a, to) => self.cast(*a, *to)?,
            Op::Bitcast(a, _) => {
                let a = self.value(*a)?;
                if self.b.func.dfg.value_type(a) == clif { a } else { self.bitcast(clif, a) }
            }
            Op::Splat(a, lanes) => self.splat(*a, *lanes)?,
            Op::Lane(a, lane) => {
                let vector = self.value(*a)?;
                let element = self.b.ins().extractlane(vector, *lane);
                if ty.scalar == Scalar::Bool {
                    let lane_type = self.b.func.dfg.value_type(element);
                    let zero = self.b.ins().iconst(lane_type, 0);
                    self.b.ins().icmp(IntCC::NotEqual, element, zero)
                } else {
                    element
                }
            }
            Op::Iota(lanes) => {
                let bytes: Vec<u8> = if *lanes == 4 {
                    (0..4i32).flat_map(i32::to_le_bytes).collect()
                } else {
                    (0..2i64).flat_map(i64::to_le_bytes).collect()
                };
                self.vector_constant(clif, bytes)
            }
            Op::Any(a) | Op::All(a) if self.ty(*a)?.lanes == 1 => self.value(*a)?,
            Op::Any(a) => {
                let a = self.value(*a)?;
                self.b.ins().vany_true(a)
            }
            Op::All(a) => {
                let a = self.value(*a)?;
                self.b.ins().vall_true(a)
            }
            Op::Sum(a) => self.sum(*a)?,
            Op::Load { buf, index, lanes } => self.load(*buf, *index, *lanes, Some(clif))?,
            Op::Gather { buf, index } => {
                let index = self.value(*index)?;
                let flags = self.flags(*buf)?;
                let mut lanes = Vec::new();
                for lane in 0..ty.lanes {
                    let address = self.lane_address(*buf, index, lane)?;
                    lanes.push(self.b.ins().load(clif.lane_type(), flags, address, 0));
                }
                self.pack(clif, &lanes)?
            }
            Op::Pack(lanes) => {
                let lanes = lanes.iter().map(|v| self.value(*v)).collect::<Result<Vec<_>, _>>()?;
                self.pack(clif, &lanes)?
            }
            Op::Call(function, args) => {
                let args = args.iter().map(|v| self.value(*v)).collect::<Result<Vec<_>, _>>()?;
                let helper = self.helper(*function, ty.scalar, args.len())?;
                let call = self.b.ins().call(helper, &args);
                *self.b.inst_results(call).first().ok_or_else(|| bug("a helper without a result"))?
            }
        })
    }

    /// Elements of a buffer, as a value of type `clif`, or one `i32` as 64 bits, by the same instruction.
    fn load(&mut self, buf: BufId, index: Val, lanes: u8, clif: Option<ir::Type>) -> Result<Value, BackendError> {
        let mut flags = self.flags(buf)?;
        let Address { base, offset, indices } = self.address(buf, index)?;
        // A load of what nobody writes may be folded into its user; it may move, even in front of a loop or a
        // choice, only if its index is right there too.
        let buffer = self.program.buffers.get(buf.0 as usize).ok_or_else(|| bug("an unknown buffer"))?;
        let last = indices.1.checked_add(i64::from(lanes) - 1).and_then(|i| u64::try_from(i).ok());
        let safe = indices.0 >= 0 && last.is_some_and(|i| i < buffer.len);
        if safe && self.written.get(buf.0 as usize) == Some(&false) {
            flags = flags.with_readonly().with_can_move();
        }
        Ok(match clif {
            Some(clif) => self.b.ins().load(clif, flags, base, offset),
            None => self.b.ins().sload32(flags, base, offset),
        })
    }

    fn unary(&mut self, op: UnOp, ty: Ty, a: Val) -> Result<Value, BackendError> {
        let a = self.value(a)?;
        let clif = clif_type(ty);
        let float = ty.scalar.is_float();
        Ok(match op {
            UnOp::Neg if float => self.b.ins().fneg(a),
            UnOp::Neg => self.b.ins().ineg(a),
            UnOp::Abs if float => self.magnitude(ty, a),
            UnOp::Abs => self.b.ins().iabs(a),
            UnOp::Sqrt => self.b.ins().sqrt(a),
            UnOp::Floor => self.b.ins().floor(a),
            UnOp::Ceil => self.b.ins().ceil(a),
            UnOp::Trunc => self.b.ins().trunc(a),
            UnOp::Nearest => self.b.ins().nearest(a),
            UnOp::Not if ty == Ty::BOOL => {
                let one = self.b.ins().iconst(types::I8, 1);
                self.b.ins().bxor(a, one)
            }
            UnOp::Not => self.b.ins().bnot(a),
            UnOp::Flush => {
                let least = match ty.scalar {
                    Scalar::F32 => Const::F32(f32::MIN_POSITIVE),
                    _ => Const::F64(f64::MIN_POSITIVE),
                };
                let zero = match ty.scalar {
                    Scalar::F32 => Const::F32(0.0),
                    _ => Const::F64(0.0),
                };
                let (least, zero) = (self.constant_of(ty, least), self.constant_of(ty, zero));
                let magnitude = self.magnitude(ty, a);
                let small = self.b.ins().fcmp(FloatCC::LessThan, magnitude, least);
                self.select_clif(clif, small, zero, a)
            }
            UnOp::Exp | UnOp::Expm1 | UnOp::Exprel | UnOp::Log | UnOp::Log1p => {
                return Err(bug("a transcendental operation at lane level"));
            }
        })
    }

    /// Without the sign, by a constant that is loaded; `fabs` makes its own at each use.
    fn magnitude(&mut self, ty: Ty, a: Value) -> Value {
        let mask = match ty.scalar {
            Scalar::F32 => Const::F32(f32::from_bits(0x7fff_ffff)),
            _ => Const::F64(f64::from_bits(0x7fff_ffff_ffff_ffff)),
        };
        let mask = self.constant_of(ty, mask);
        self.b.ins().band(a, mask)
    }

    fn binary(&mut self, op: BinOp, ty: Ty, a: Val, b: Val) -> Result<Value, BackendError> {
        let (x, y) = (self.value(a)?, self.value(b)?);
        let float = ty.scalar.is_float();
        Ok(match op {
            BinOp::Add if float => self.b.ins().fadd(x, y),
            BinOp::Add => self.b.ins().iadd(x, y),
            BinOp::Sub if float => self.b.ins().fsub(x, y),
            BinOp::Sub => self.b.ins().isub(x, y),
            BinOp::Mul if float => self.b.ins().fmul(x, y),
            BinOp::Mul => self.b.ins().imul(x, y),
            BinOp::Div => self.b.ins().fdiv(x, y),
            // In this form both are matched to a single minps/maxps, whose result for NaN and signed zeros is the same.
            BinOp::Min => {
                let less = self.less(float, y, x);
                self.select(ty, less, y, x)
            }
            BinOp::Max => {
                let less = self.less(float, x, y);
                self.select(ty, less, y, x)
            }
            BinOp::And => self.b.ins().band(x, y),
            BinOp::Or => self.b.ins().bor(x, y),
            BinOp::Xor => self.b.ins().bxor(x, y),
            BinOp::Shl | BinOp::Sar | BinOp::Shr => self.shift(op, ty, x, b)?,
            BinOp::Mod | BinOp::FloorDiv => self.floor_division(op, clif_type(ty), x, b)?,
        })
    }

    fn less(&mut self, float: bool, x: Value, y: Value) -> Value {
        if float { self.b.ins().fcmp(FloatCC::LessThan, x, y) } else { self.b.ins().icmp(IntCC::SignedLessThan, x, y) }
    }

    /// CLIF shifts vectors by one scalar: amounts that differ by lane are shifted lane by lane.
    fn shift(&mut self, op: BinOp, ty: Ty, x: Value, amount: Val) -> Result<Value, BackendError> {
        if ty.lanes == 1 {
            let y = self.value(amount)?;
            return Ok(self.shift_by(op, x, y));
        }
        if let Some(Op::Splat(scalar, _)) = self.ops.get(amount.0 as usize).copied().flatten() {
            let y = self.value(*scalar)?;
            return Ok(self.shift_by(op, x, y));
        }
        let amounts = self.value(amount)?;
        let mut lanes = Vec::new();
        for lane in 0..ty.lanes {
            let x = self.b.ins().extractlane(x, lane);
            let y = self.b.ins().extractlane(amounts, lane);
            lanes.push(self.shift_by(op, x, y));
        }
        self.pack(clif_type(ty), &lanes)
    }

    fn shift_by(&mut self, op: BinOp, x: Value, y: Value) -> Value {
        match op {
            BinOp::Shl => self.b.ins().ishl(x, y),
            BinOp::Sar => self.b.ins().sshr(x, y),
            _ => self.b.ins().ushr(x, y),
        }
    }

    /// Floor division and modulo. The machine's division traps for divisor 0 and for the least value over -1, so those
    /// divisors are replaced by 1, for which the remainder is 0 too.
    fn floor_division(&mut self, op: BinOp, clif: ir::Type, x: Value, divisor: Val) -> Result<Value, BackendError> {
        let y = self.value(divisor)?;
        let known = match self.ops.get(divisor.0 as usize).copied().flatten() {
            Some(Op::Const(Const::I32(c))) => Some(i64::from(*c)),
            Some(Op::Const(Const::I64(c))) => Some(*c),
            _ => None,
        };
        if let Some(c) = known
            && c > 0
            && c & (c - 1) == 0
        {
            return Ok(if op == BinOp::Mod {
                let mask = self.b.ins().iconst(clif, c - 1);
                self.b.ins().band(x, mask)
            } else {
                let shift = self.b.ins().iconst(clif, i64::from(c.trailing_zeros()));
                self.b.ins().sshr(x, shift)
            });
        }
        let zero = self.b.ins().iconst(clif, 0);
        let is_zero = self.b.ins().icmp(IntCC::Equal, y, zero);
        let minus_one = integer_constant(&mut self.b, clif, -1);
        let is_minus_one = self.b.ins().icmp(IntCC::Equal, y, minus_one);
        let safe = if known.is_some_and(|c| c != 0 && c != -1) {
            y
        } else {
            let special = self.b.ins().bor(is_zero, is_minus_one);
            let one = self.b.ins().iconst(clif, 1);
            self.b.ins().select(special, one, y)
        };
        let quotient = self.b.ins().sdiv(x, safe);
        let product = self.b.ins().imul(quotient, safe);
        let remainder = self.b.ins().isub(x, product);
        // Rounded towards zero: one too high if the remainder is not zero and its sign is not the divisor's.
        let inexact = self.b.ins().icmp(IntCC::NotEqual, remainder, zero);
        let signs = self.b.ins().bxor(remainder, safe);
        let opposite = self.b.ins().icmp(IntCC::SignedLessThan, signs, zero);
        let adjust = self.b.ins().band(inexact, opposite);
        if op == BinOp::Mod {
            let correction = self.b.ins().select(adjust, safe, zero);
            return Ok(self.b.ins().iadd(remainder, correction));
        }
        let correction = self.b.ins().uextend(clif, adjust);
        let floored = self.b.ins().isub(quotient, correction);
        if known.is_some_and(|c| c != 0 && c != -1) {
            return Ok(floored);
        }
        let negated = self.b.ins().ineg(x);
        let result = self.b.ins().select(is_minus_one, negated, floored);
        Ok(self.b.ins().select(is_zero, zero, result))
    }

    fn cast(&mut self, a: Val, to: Scalar) -> Result<Value, BackendError> {
        let from = self.ty(a)?;
        let x = self.value(a)?;
        let clif = clif_type(from.with(to));
        Ok(match (from.scalar, to) {
            (from, to) if from == to => x,
            (Scalar::F32, Scalar::F64) => self.b.ins().fpromote(clif, x),
            (Scalar::F64, Scalar::F32) => self.b.ins().fdemote(clif, x),
            (Scalar::I32, Scalar::I64) => self.b.ins().sextend(clif, x),
            (Scalar::I64, Scalar::I32) => self.b.ins().ireduce(clif, x),
            // No 128-bit instruction for these: lane by lane.
            (Scalar::F64, Scalar::I64) | (Scalar::I64, Scalar::F64) if from.lanes > 1 => {
                let mut lanes = Vec::new();
                for lane in 0..from.lanes {
                    let element = self.b.ins().extractlane(x, lane);
                    lanes.push(if to == Scalar::I64 {
                        self.b.ins().fcvt_to_sint_sat(types::I64, element)
                    } else {
                        self.b.ins().fcvt_from_sint(types::F64, element)
                    });
                }
                self.pack(clif, &lanes)?
            }
            (Scalar::F32 | Scalar::F64, Scalar::I32 | Scalar::I64) => self.b.ins().fcvt_to_sint_sat(clif, x),
            (Scalar::I32 | Scalar::I64, Scalar::F32 | Scalar::F64) => self.b.ins().fcvt_from_sint(clif, x),
            (Scalar::Bool, Scalar::I32 | Scalar::I64) if from.lanes == 1 => self.b.ins().uextend(clif, x),
            // A lane of all ones shifted down to its last bit.
            (Scalar::Bool, Scalar::I32 | Scalar::I64) => {
                let amount = self.b.ins().iconst(types::I32, i64::from(clif.lane_bits()) - 1);
                self.b.ins().ushr(x, amount)
            }
            (from, to) => return Err(bug(&format!("no conversion from {from:?} to {to:?}"))),
        })
    }

    fn splat(&mut self, a: Val, lanes: u8) -> Result<Value, BackendError> {
        let ty = Ty { scalar: self.ty(a)?.scalar, lanes };
        let clif = clif_type(ty);
        // A constant vector is read from memory as an operand; a splatted scalar would take a register.
        if let Some(Op::Const(c)) = self.ops.get(a.0 as usize).copied().flatten() {
            return Ok(self.constant_of(ty, *c));
        }
        let a = self.value(a)?;
        let a = if ty.scalar == Scalar::Bool { self.b.ins().bmask(clif.lane_type(), a) } else { a };
        Ok(self.b.ins().splat(clif, a))
    }

    fn sum(&mut self, a: Val) -> Result<Value, BackendError> {
        let ty = self.ty(a)?;
        let a = self.value(a)?;
        let lanes: Vec<Value> = (0..ty.lanes).map(|lane| self.b.ins().extractlane(a, lane)).collect();
        let mut add = |x, y| {
            if ty.scalar.is_float() { self.b.ins().fadd(x, y) } else { self.b.ins().iadd(x, y) }
        };
        match *lanes.as_slice() {
            [l0, l1] => Ok(add(l0, l1)),
            [l0, l1, l2, l3] => {
                let (even, odd) = (add(l0, l2), add(l1, l3));
                Ok(add(even, odd))
            }
            _ => Err(bug("a sum of a scalar")),
        }
    }

    fn pack(&mut self, clif: ir::Type, lanes: &[Value]) -> Result<Value, BackendError> {
        let (first, rest) = lanes.split_first().ok_or_else(|| bug("a vector without lanes"))?;
        let mut vector = self.b.ins().scalar_to_vector(clif, *first);
        for (lane, value) in (1u8..).zip(rest) {
            vector = self.b.ins().insertlane(vector, *value, lane);
        }
        Ok(vector)
    }

    fn select(&mut self, ty: Ty, mask: Value, a: Value, b: Value) -> Value {
        self.select_clif(clif_type(ty), mask, a, b)
    }

    fn select_clif(&mut self, clif: ir::Type, mask: Value, a: Value, b: Value) -> Value {
        if clif.is_vector() {
            let mask = if self.b.func.dfg.value_type(mask) == clif { mask } else { self.bitcast(clif, mask) };
            self.b.ins().bitselect(mask, a, b)
        } else {
            self.b.ins().select(mask, a, b)
        }
    }

    fn bitcast(&mut self, clif: ir::Type, a: Value) -> Value {
        self.b.ins().bitcast(clif, MemFlagsData::new(), a)
    }

    fn constant(&mut self, c: Const) -> Value {
        match c {
            // Scalar constants would be made anew at each use, by two instructions; the first lane of a vector is loaded, once before a loop.
            Const::F32(x) if x.to_bits() != 0 => self.first_lane(types::F32X4, &x.to_le_bytes()),
            Const::F64(x) if x.to_bits() != 0 => self.first_lane(types::F64X2, &x.to_le_bytes()),
            Const::F32(x) => self.b.ins().f32const(x),
            Const::F64(x) => self.b.ins().f64const(x),
            Const::I32(x) => integer_constant(&mut self.b, types::I32, i64::from(x)),
            Const::I64(x) => integer_constant(&mut self.b, types::I64, x),
            Const::Bool(x) => self.b.ins().iconst(types::I8, i64::from(x)),
        }
    }

    /// The first lane of a constant vector.
    fn first_lane(&mut self, clif: ir::Type, lane: &[u8]) -> Value {
        let vector = self.vector_constant(clif, lane.repeat(clif.lane_count() as usize));
        self.b.ins().extractlane(vector, 0)
    }

    /// The constant in every lane of a type.
    fn constant_of(&mut self, ty: Ty, c: Const) -> Value {
        if ty.lanes == 1 {
            return self.constant(c);
        }
        let clif = clif_type(ty);
        let (_, bits) = c.key();
        let bits = match c {
            Const::Bool(_) => bits.wrapping_neg(),
            _ => bits,
        };
        let bytes = bits.to_le_bytes();
        let lane = bytes.get(..clif.lane_type().bytes() as usize).unwrap_or(&bytes);
        self.vector_constant(clif, lane.repeat(usize::from(ty.lanes)))
    }

    /// Vector constants are little endian in CLIF.
    fn vector_constant(&mut self, clif: ir::Type, bytes: Vec<u8>) -> Value {
        let handle = self.b.func.dfg.constants.insert(bytes.into());
        self.b.ins().vconst(clif, handle)
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

    fn helper(&mut self, function: MathFn, scalar: Scalar, arity: usize) -> Result<FuncRef, BackendError> {
        if let Some(helper) = self.helpers.get(&(function, scalar)) {
            return Ok(*helper);
        }
        let double = scalar == Scalar::F64;
        let ty = ir::AbiParam::new(if double { types::F64 } else { types::F32 });
        let mut signature = self.module.make_signature();
        signature.params.extend(std::iter::repeat_n(ty, arity));
        signature.returns.push(ty);
        let id = self
            .module
            .declare_function(math::symbol(function, double), cranelift_module::Linkage::Import, &signature)
            .map_err(|error| BackendError::Codegen(error.to_string()))?;
        let helper = self.module.declare_func_in_func(id, self.b.func);
        self.helpers.insert((function, scalar), helper);
        Ok(helper)
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
fn clif_type(ty: Ty) -> ir::Type {
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

/// CLIF wants the immediate of a narrow constant zero-extended.
fn integer_constant(b: &mut FunctionBuilder, clif: ir::Type, value: i64) -> Value {
    let bits = if clif == types::I64 { value } else { value & 0xffff_ffff };
    b.ins().iconst(clif, bits)
}

fn float_cc(op: CmpOp) -> FloatCC {
    match op {
        CmpOp::Eq => FloatCC::Equal,
        CmpOp::Ne => FloatCC::NotEqual,
        CmpOp::Lt => FloatCC::LessThan,
        CmpOp::Le => FloatCC::LessThanOrEqual,
        CmpOp::Gt => FloatCC::GreaterThan,
        CmpOp::Ge => FloatCC::GreaterThanOrEqual,
    }
}

fn int_cc(op: CmpOp) -> IntCC {
    match op {
        CmpOp::Eq => IntCC::Equal,
        CmpOp::Ne => IntCC::NotEqual,
        CmpOp::Lt => IntCC::SignedLessThan,
        CmpOp::Le => IntCC::SignedLessThanOrEqual,
        CmpOp::Gt => IntCC::SignedGreaterThan,
        CmpOp::Ge => IntCC::SignedGreaterThanOrEqual,
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
