//! Single operations of the loop IR in Cranelift's: arithmetic, comparisons, conversions, constants, functions of one element.

use cranelift::codegen::ir::{self, FuncRef, types};
use cranelift::prelude::{FloatCC, FunctionBuilder, InstBuilder, IntCC, MemFlagsData, Value};

use super::address::Address;
use super::emit::{Emitter, bug, clif_type};
use super::math;
use crate::backend::BackendError;
use crate::lir::{BinOp, BufId, CmpOp, Const, MathFn, Op, Scalar, Ty, UnOp, Val};

impl<'a> Emitter<'a, '_> {
    pub(super) fn op(&mut self, ty: Ty, op: &'a Op) -> Result<Value, BackendError> {
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
    pub(super) fn load(
        &mut self,
        buf: BufId,
        index: Val,
        lanes: u8,
        clif: Option<ir::Type>,
    ) -> Result<Value, BackendError> {
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
