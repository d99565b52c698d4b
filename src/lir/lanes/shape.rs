//! One marked loop on its way into vectors: what each of its values becomes, and the statements of the new loop.

use std::collections::BTreeMap;

use super::{Append, Class};
use crate::lir::{BinOp, Block, BufId, CmpOp, Const, If, MathFn, Op, Scalar, Stmt, Ty, UnOp, Val};

/// The new values that stand for an old one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Forms {
    /// The value of a uniform one; the first lane of a linear one.
    pub(super) scalar: Option<Val>,
    pub(super) vector: Option<Val>,
}

/// A marked loop being rebuilt.
pub(super) struct Shape<'a> {
    pub(super) types: &'a mut Vec<Ty>,
    pub(super) kinds: &'a [Scalar],
    pub(super) classes: &'a BTreeMap<Val, Class>,
    pub(super) lanes: u8,
    /// The loop's end, if the last vector may run past it.
    pub(super) guard: Option<Val>,
    /// The loop runs at least once, so invariant loads may move before it.
    pub(super) hoist_loads: bool,
    pub(super) written: &'a [BufId],
    /// Statements before the loop, and the forms that are visible there.
    pub(super) before: Vec<Stmt>,
    pub(super) outside: BTreeMap<Val, Forms>,
    /// Statements of the new body, and the forms of the current copy.
    pub(super) body: Vec<Stmt>,
    pub(super) inside: BTreeMap<Val, Forms>,
    /// The index of the first lane of the current copy.
    pub(super) base: Val,
    /// Constants before the loop, by kind, bits and lanes.
    pub(super) consts: BTreeMap<(Scalar, u64, u8), Val>,
}

impl Shape<'_> {
    // -- emitting ------------------------------------------------------------------------------------------------------

    fn fresh(&mut self, ty: Ty) -> Val {
        self.types.push(ty);
        Val(self.types.len() as u32 - 1)
    }

    pub(super) fn put(&mut self, ty: Ty, op: Op) -> Val {
        let val = self.fresh(ty);
        self.body.push(Stmt::Def { val, op });
        val
    }

    fn put_before(&mut self, ty: Ty, op: Op) -> Val {
        let val = self.fresh(ty);
        self.before.push(Stmt::Def { val, op });
        val
    }

    /// A constant of `lanes` lanes, defined before the loop.
    fn constant(&mut self, value: Const, lanes: u8) -> Val {
        let (scalar, bits) = value.key();
        if let Some(val) = self.consts.get(&(scalar, bits, lanes)) {
            return *val;
        }
        let op = if lanes == 1 { Op::Const(value) } else { Op::Splat(self.constant(value, 1), lanes) };
        let val = self.put_before(Ty { scalar, lanes }, op);
        self.consts.insert((scalar, bits, lanes), val);
        val
    }

    pub(super) fn int(&mut self, x: i32) -> Val {
        self.constant(Const::I32(x), 1)
    }

    /// A vector integer constant of this loop's lanes.
    fn ints(&mut self, x: i64) -> Val {
        let value = if self.lanes == 4 { Const::I32(x as i32) } else { Const::I64(x) };
        self.constant(value, self.lanes)
    }

    // -- types ---------------------------------------------------------------------------------------------------------

    fn ty(&self, val: Val) -> Result<Ty, String> {
        self.types.get(val.0 as usize).copied().ok_or_else(|| format!("{val} has no type"))
    }

    fn kind(&self, buf: BufId) -> Result<Scalar, String> {
        self.kinds.get(buf.0 as usize).copied().ok_or_else(|| format!("there is no buffer {buf}"))
    }

    /// The kind of one lane of the vector that stands for an element of a kind.
    fn lane_kind(&self, scalar: Scalar) -> Scalar {
        if self.lanes == 2 && scalar == Scalar::I32 { Scalar::I64 } else { scalar }
    }

    fn vector_ty(&self, scalar: Scalar) -> Ty {
        Ty { scalar: self.lane_kind(scalar), lanes: self.lanes }
    }

    /// Whether elements of a kind lie in memory as they lie in lanes.
    fn fits(&self, scalar: Scalar) -> bool {
        self.lane_kind(scalar) == scalar
    }

    fn class(&self, val: Val) -> Class {
        self.classes.get(&val).copied().unwrap_or(Class::Uniform)
    }

    // -- forms ---------------------------------------------------------------------------------------------------------

    /// The scalar of a uniform value, or the first lane of a linear one.
    fn scalar(&self, val: Val) -> Result<Val, String> {
        if !self.classes.contains_key(&val) {
            return Ok(val);
        }
        let forms = self.inside.get(&val).or_else(|| self.outside.get(&val));
        forms.and_then(|f| f.scalar).ok_or_else(|| format!("{val} varies where one value is needed"))
    }

    /// Whether a uniform value is known before the loop.
    fn is_outside(&self, val: Val) -> bool {
        !self.classes.contains_key(&val) || self.outside.contains_key(&val)
    }

    fn vector(&mut self, val: Val) -> Result<Val, String> {
        let outside = self.class(val) == Class::Uniform && self.is_outside(val);
        let known = if outside { self.outside.get(&val) } else { self.inside.get(&val) };
        if let Some(vector) = known.and_then(|f| f.vector) {
            return Ok(vector);
        }
        let scalar = self.scalar(val)?;
        let from = self.ty(scalar)?;
        let to = self.vector_ty(from.scalar);
        let emit = |shape: &mut Self, ty: Ty, op: Op| {
            if outside { shape.put_before(ty, op) } else { shape.put(ty, op) }
        };
        let wide =
            if from.scalar == to.scalar { scalar } else { emit(self, Ty::one(to.scalar), Op::Cast(scalar, to.scalar)) };
        let mut vector = emit(self, to, Op::Splat(wide, self.lanes));
        if self.class(val) == Class::Linear {
            let ramp = self.ramp(to);
            vector = self.put(to, Op::Bin(BinOp::Add, vector, ramp));
        }
        let forms = if outside { self.outside.entry(val) } else { self.inside.entry(val) };
        let forms = forms.or_default();
        forms.scalar = Some(scalar);
        forms.vector = Some(vector);
        Ok(vector)
    }

    /// `[0, 1, …]`, made once before the loop; the key's lane count is one that no constant has.
    fn ramp(&mut self, ty: Ty) -> Val {
        let key = (ty.scalar, 0, 0);
        if let Some(val) = self.consts.get(&key) {
            return *val;
        }
        let val = self.put_before(ty, Op::Iota(self.lanes));
        self.consts.insert(key, val);
        val
    }

    /// Lane `n` of the vector of a value, as the element's own kind.
    fn lane(&mut self, vector: Val, n: u8, scalar: Scalar) -> Result<Val, String> {
        let held = self.ty(vector)?.scalar;
        let lane = self.put(Ty::one(held), Op::Lane(vector, n));
        Ok(if held == scalar { lane } else { self.put(Ty::one(scalar), Op::Cast(lane, scalar)) })
    }

    /// A vector from scalars of an element's kind.
    fn pack(&mut self, parts: Vec<Val>, scalar: Scalar) -> Val {
        let to = self.vector_ty(scalar);
        let parts = if to.scalar == scalar {
            parts
        } else {
            parts.into_iter().map(|p| self.put(Ty::one(to.scalar), Op::Cast(p, to.scalar))).collect()
        };
        self.put(to, Op::Pack(parts))
    }

    /// The index of lane `n` of the current vector.
    fn at(&mut self, n: u8) -> Val {
        self.offset(self.base, n)
    }

    /// A scalar integer plus a lane number.
    fn offset(&mut self, scalar: Val, n: u8) -> Val {
        if n == 0 {
            return scalar;
        }
        let wide = self.types.get(scalar.0 as usize).is_some_and(|t| t.scalar == Scalar::I64);
        let (by, ty) = if wide { (Const::I64(i64::from(n)), Ty::I64) } else { (Const::I32(i32::from(n)), Ty::I32) };
        let by = self.constant(by, 1);
        self.put(ty, Op::Bin(BinOp::Add, scalar, by))
    }

    /// Which lanes are iterations of the loop, if not all of them are known to be.
    fn within(&mut self) -> Result<Option<Val>, String> {
        let Some(to) = self.guard else { return Ok(None) };
        let to = self.vector(to)?;
        let ty = self.ty(to)?;
        let first =
            if ty.scalar == Scalar::I64 { self.put(Ty::I64, Op::Cast(self.base, Scalar::I64)) } else { self.base };
        let splat = self.put(ty, Op::Splat(first, self.lanes));
        let ramp = self.ramp(ty);
        let index = self.put(ty, Op::Bin(BinOp::Add, splat, ramp));
        Ok(Some(self.put(ty.with(Scalar::Bool), Op::Cmp(CmpOp::Lt, index, to))))
    }

    // -- statements ----------------------------------------------------------------------------------------------------

    pub(super) fn stmt(&mut self, stmt: &Stmt) -> Result<(), String> {
        match stmt {
            Stmt::Def { val, op } => match self.class(*val) {
                Class::Varying => {
                    let vector = self.varying(*val, op)?;
                    self.inside.insert(*val, Forms { scalar: None, vector: Some(vector) });
                    Ok(())
                }
                _ => self.scalar_op(*val, op),
            },
            Stmt::Store { buf, index, value } => self.store(*buf, *index, *value),
            Stmt::Append { .. } => Ok(()),
            Stmt::Scatter { .. } | Stmt::AddRows(_) | Stmt::For(_) | Stmt::If(_) => {
                Err("holds what a marked loop may not".to_owned())
            }
        }
    }

    /// A uniform or linear value: the same operation on scalars, before the loop if nothing forbids it.
    fn scalar_op(&mut self, val: Val, op: &Op) -> Result<(), String> {
        let mut outside = self.class(val) == Class::Uniform;
        op.operands(|v| outside &= self.is_outside(v));
        if let Op::Load { buf, .. } = op {
            outside &= self.hoist_loads && !self.written.contains(buf);
        }
        if outside && self.outside.contains_key(&val) {
            return Ok(());
        }
        let mut failed = None;
        let mut op = op.clone();
        op.operands_mut(|v| match self.scalar(*v) {
            Ok(new) => *v = new,
            Err(e) => failed = Some(e),
        });
        if let Some(e) = failed {
            return Err(e);
        }
        let ty = self.ty(val)?;
        if outside {
            let new = self.put_before(ty, op);
            self.outside.insert(val, Forms { scalar: Some(new), vector: None });
        } else {
            let new = self.put(ty, op);
            self.inside.insert(val, Forms { scalar: Some(new), vector: None });
        }
        Ok(())
    }

    fn store(&mut self, buf: BufId, index: Val, value: Val) -> Result<(), String> {
        let scalar = self.kind(buf)?;
        match self.class(index) {
            Class::Uniform => Err(format!("stores to {buf} at {index}, which does not vary")),
            Class::Linear => {
                let first = self.scalar(index)?;
                let vector = self.vector(value)?;
                if self.fits(scalar) {
                    self.body.push(Stmt::Store { buf, index: first, value: vector });
                    return Ok(());
                }
                for n in 0..self.lanes {
                    let index = self.offset(first, n);
                    let value = self.lane(vector, n, scalar)?;
                    self.body.push(Stmt::Store { buf, index, value });
                }
                Ok(())
            }
            Class::Varying => {
                let index = self.vector(index)?;
                let value = self.vector(value)?;
                let Some(to) = self.guard else {
                    return self.scatter(buf, index, value, scalar, None);
                };
                // Only the last vector can run past the end: it alone goes lane by lane.
                let end = self.at(self.lanes);
                let whole = self.put(Ty::BOOL, Op::Cmp(CmpOp::Le, end, to));
                let outer = std::mem::take(&mut self.body);
                self.scatter(buf, index, value, scalar, None)?;
                let then = Block { stmts: std::mem::take(&mut self.body) };
                self.scatter(buf, index, value, scalar, Some(to))?;
                let els = Block { stmts: std::mem::replace(&mut self.body, outer) };
                self.choice(whole, then, els);
                Ok(())
            }
        }
    }

    /// Stores each lane at its own index: at once if nothing forbids it, or lane by lane, up to an end if there is one.
    fn scatter(&mut self, buf: BufId, index: Val, value: Val, scalar: Scalar, to: Option<Val>) -> Result<(), String> {
        if to.is_none() && self.fits(scalar) {
            self.body.push(Stmt::Scatter { buf, index, value });
            return Ok(());
        }
        let kind = self.ty(index)?.scalar;
        for n in 0..self.lanes {
            let outer = std::mem::take(&mut self.body);
            let at = self.lane(index, n, kind)?;
            let lane = self.lane(value, n, scalar)?;
            self.body.push(Stmt::Store { buf, index: at, value: lane });
            let then = std::mem::replace(&mut self.body, outer);
            match to {
                None => self.body.extend(then),
                Some(to) => {
                    let this = self.at(n);
                    let inside = self.put(Ty::BOOL, Op::Cmp(CmpOp::Lt, this, to));
                    self.choice(inside, Block { stmts: then }, Block::default());
                }
            }
        }
        Ok(())
    }

    /// Appends to one list, in the order of the iterations and, within one, in the written order.
    pub(super) fn append(&mut self, group: &[Append]) -> Result<(), String> {
        let within = self.within()?;
        let bools = self.vector_ty(Scalar::Bool);
        let (mut masks, mut any) = (Vec::new(), None);
        for append in group {
            let mut mask = self.vector(append.cond)?;
            if let Some(within) = within {
                mask = self.put(bools, Op::Bin(BinOp::And, mask, within));
            }
            masks.push(mask);
            any = Some(match any {
                None => mask,
                Some(all) => self.put(bools, Op::Bin(BinOp::Or, all, mask)),
            });
        }
        let Some(any) = any else { return Ok(()) };
        let any = self.put(Ty::BOOL, Op::Any(any));
        let (zero, one) = (self.int(0), self.int(1));
        let outer = std::mem::take(&mut self.body);
        for n in 0..self.lanes {
            for (append, mask) in group.iter().zip(&masks) {
                let hit = self.put(Ty::BOOL, Op::Lane(*mask, n));
                let outer = std::mem::take(&mut self.body);
                let lane = match self.class(append.value) {
                    Class::Uniform => self.scalar(append.value)?,
                    Class::Linear => {
                        let first = self.scalar(append.value)?;
                        self.offset(first, n)
                    }
                    Class::Varying => {
                        let vector = self.vector(append.value)?;
                        self.lane(vector, n, Scalar::I32)?
                    }
                };
                let at = self.put(Ty::I32, Op::Load { buf: append.count, index: zero, lanes: 1 });
                self.body.push(Stmt::Store { buf: append.list, index: at, value: lane });
                let next = self.put(Ty::I32, Op::Bin(BinOp::Add, at, one));
                self.body.push(Stmt::Store { buf: append.count, index: zero, value: next });
                let then = std::mem::replace(&mut self.body, outer);
                self.choice(hit, Block { stmts: then }, Block::default());
            }
        }
        let then = std::mem::replace(&mut self.body, outer);
        self.choice(any, Block { stmts: then }, Block::default());
        Ok(())
    }

    /// One append for all lanes; its value is linear.
    pub(super) fn masked_append(&mut self, append: &Append) -> Result<(), String> {
        let mut cond = self.vector(append.cond)?;
        if let Some(within) = self.within()? {
            let ty = self.ty(cond)?;
            cond = self.put(ty, Op::Bin(BinOp::And, cond, within));
        }
        let value = self.scalar(append.value)?;
        self.body.push(Stmt::Append { cond, list: append.list, count: append.count, value });
        Ok(())
    }

    fn choice(&mut self, cond: Val, then: Block, els: Block) {
        self.body.push(Stmt::If(Box::new(If {
            cond,
            then,
            then_vals: Vec::new(),
            els,
            else_vals: Vec::new(),
            results: Vec::new(),
        })));
    }

    // -- varying operations --------------------------------------------------------------------------------------------

    /// The vector of a varying operation.
    fn varying(&mut self, val: Val, op: &Op) -> Result<Val, String> {
        let scalar = self.ty(val)?.scalar;
        let ty = self.vector_ty(scalar);
        // 32-bit integers in 64-bit lanes: what can leave their range comes back by sign extension.
        let promoted = scalar != ty.scalar;
        Ok(match op {
            Op::Un(un, a) => {
                let a = self.vector(*a)?;
                let v = self.put(ty, Op::Un(*un, a));
                if promoted && *un != UnOp::Not { self.sign_extend(v) } else { v }
            }
            Op::Bin(bin @ (BinOp::Mod | BinOp::FloorDiv), a, b) => {
                let (a, b) = (self.vector(*a)?, self.vector(*b)?);
                let mut parts = Vec::new();
                for n in 0..self.lanes {
                    let (a, b) = (self.lane(a, n, scalar)?, self.lane(b, n, scalar)?);
                    parts.push(self.put(Ty::one(scalar), Op::Bin(*bin, a, b)));
                }
                self.pack(parts, scalar)
            }
            Op::Bin(bin, a, b) => {
                let (mut a, mut b) = (self.vector(*a)?, self.vector(*b)?);
                if !promoted {
                    return Ok(self.put(ty, Op::Bin(*bin, a, b)));
                }
                if matches!(bin, BinOp::Shl | BinOp::Sar | BinOp::Shr) {
                    let mask = self.ints(31);
                    b = self.put(ty, Op::Bin(BinOp::And, b, mask));
                }
                if *bin == BinOp::Shr {
                    let mask = self.ints(0xffff_ffff);
                    a = self.put(ty, Op::Bin(BinOp::And, a, mask));
                }
                let v = self.put(ty, Op::Bin(*bin, a, b));
                let leaves = matches!(bin, BinOp::Add | BinOp::Sub | BinOp::Mul | BinOp::Shl | BinOp::Shr);
                if leaves { self.sign_extend(v) } else { v }
            }
            Op::Fma(a, b, c) => {
                let (a, b, c) = (self.vector(*a)?, self.vector(*b)?, self.vector(*c)?);
                self.put(ty, Op::Fma(a, b, c))
            }
            Op::Cmp(cmp, a, b) => {
                let (a, b) = (self.vector(*a)?, self.vector(*b)?);
                self.put(ty, Op::Cmp(*cmp, a, b))
            }
            Op::Select(mask, a, b) => {
                let (mask, a, b) = (self.vector(*mask)?, self.vector(*a)?, self.vector(*b)?);
                self.put(ty, Op::Select(mask, a, b))
            }
            Op::Cast(a, to) => self.cast(*a, *to)?,
            Op::Bitcast(a, to) => {
                let a = self.vector(*a)?;
                self.put(ty, Op::Bitcast(a, *to))
            }
            Op::Load { buf, index, .. } => self.load(*buf, *index)?,
            Op::Call(f, args) => self.call(*f, args, scalar)?,
            Op::Const(_)
            | Op::Splat(..)
            | Op::Lane(..)
            | Op::Iota(_)
            | Op::Any(_)
            | Op::All(_)
            | Op::Sum(_)
            | Op::Gather { .. }
            | Op::Pack(_) => return Err(format!("{val} is a lane operation")),
        })
    }

    /// The low 32 bits of 64-bit lanes, sign-extended.
    fn sign_extend(&mut self, v: Val) -> Val {
        let by = self.ints(32);
        let ty = self.vector_ty(Scalar::I64);
        let up = self.put(ty, Op::Bin(BinOp::Shl, v, by));
        self.put(ty, Op::Bin(BinOp::Sar, up, by))
    }

    /// A conversion. Between `f64` and `i32` in 64-bit lanes it goes through the bits of `1.5 * 2^52 + n`, since few machines convert
    /// two lanes of `i64`; a number of 32 bits makes that exact.
    fn cast(&mut self, a: Val, to: Scalar) -> Result<Val, String> {
        const MAGIC: f64 = 6_755_399_441_055_744.0;
        let from = self.ty(a)?.scalar;
        let ty = self.vector_ty(to);
        let v = self.vector(a)?;
        let magic_bits = i64::from_ne_bytes(MAGIC.to_ne_bytes());
        if self.lanes == 4 || from == to {
            return Ok(if from == to { v } else { self.put(ty, Op::Cast(v, to)) });
        }
        Ok(match (from, to) {
            (Scalar::I32, Scalar::I64) => v,
            (Scalar::I64, Scalar::I32) => self.sign_extend(v),
            (Scalar::I32, Scalar::F64) => {
                let bits = self.ints(magic_bits);
                let ints = self.vector_ty(Scalar::I64);
                let sum = self.put(ints, Op::Bin(BinOp::Add, v, bits));
                let float = self.put(ty, Op::Bitcast(sum, Scalar::F64));
                let magic = self.constant(Const::F64(MAGIC), 2);
                self.put(ty, Op::Bin(BinOp::Sub, float, magic))
            }
            (Scalar::F64, Scalar::I32) => {
                let floats = self.vector_ty(Scalar::F64);
                let mut bound = |x: i32| self.constant(Const::F64(f64::from(x)), 2);
                let (low, high, zero) = (bound(i32::MIN), bound(i32::MAX), bound(0));
                let whole = self.put(floats, Op::Un(UnOp::Trunc, v));
                let capped = self.put(floats, Op::Bin(BinOp::Min, whole, high));
                let clamped = self.put(floats, Op::Bin(BinOp::Max, capped, low));
                let number = self.put(self.vector_ty(Scalar::Bool), Op::Cmp(CmpOp::Eq, v, v));
                let clamped = self.put(floats, Op::Select(number, clamped, zero));
                let magic = self.constant(Const::F64(MAGIC), 2);
                let sum = self.put(floats, Op::Bin(BinOp::Add, clamped, magic));
                let sum = self.put(ty, Op::Bitcast(sum, Scalar::I64));
                let bits = self.ints(magic_bits);
                self.put(ty, Op::Bin(BinOp::Sub, sum, bits))
            }
            (_, to) => self.put(ty, Op::Cast(v, self.lane_kind(to))),
        })
    }

    fn load(&mut self, buf: BufId, index: Val) -> Result<Val, String> {
        let scalar = self.kind(buf)?;
        let ty = self.vector_ty(scalar);
        if self.class(index) == Class::Linear {
            let first = self.scalar(index)?;
            if self.fits(scalar) {
                return Ok(self.put(ty, Op::Load { buf, index: first, lanes: self.lanes }));
            }
            let mut parts = Vec::new();
            for n in 0..self.lanes {
                let index = self.offset(first, n);
                parts.push(self.put(Ty::one(scalar), Op::Load { buf, index, lanes: 1 }));
            }
            return Ok(self.pack(parts, scalar));
        }
        let mut index = self.vector(index)?;
        let index_ty = self.ty(index)?;
        if let Some(within) = self.within()? {
            let zero = self.ints(0);
            index = self.put(index_ty, Op::Select(within, index, zero));
        }
        if self.fits(scalar) {
            return Ok(self.put(ty, Op::Gather { buf, index }));
        }
        let mut parts = Vec::new();
        for n in 0..self.lanes {
            let at = self.lane(index, n, index_ty.scalar)?;
            parts.push(self.put(Ty::one(scalar), Op::Load { buf, index: at, lanes: 1 }));
        }
        Ok(self.pack(parts, scalar))
    }

    /// One call a lane; arguments that do not vary stay as they are.
    fn call(&mut self, f: MathFn, args: &[Val], scalar: Scalar) -> Result<Val, String> {
        let mut parts = Vec::new();
        for n in 0..self.lanes {
            let mut lanes = Vec::new();
            for arg in args {
                lanes.push(if self.class(*arg) == Class::Uniform {
                    self.scalar(*arg)?
                } else {
                    let vector = self.vector(*arg)?;
                    self.lane(vector, n, scalar)?
                });
            }
            parts.push(self.put(Ty::one(scalar), Op::Call(f, lanes)));
        }
        Ok(self.pack(parts, scalar))
    }
}
