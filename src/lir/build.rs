//! Building functions: values are numbered, equal pure operations of one scope are shared, constants are folded where that
//! changes no bit.

use std::collections::HashMap;

use super::{AddRows, BinOp, Block, BufId, CmpOp, Const, For, Function, If, MathFn, Op, Scalar, Stmt, Ty, UnOp, Val};

/// What makes two pure operations equal.
type Key = (u8, [u64; 4]);

/// An open block: its statements so far, and the pure values that may be shared in it.
#[derive(Default)]
struct Frame {
    stmts: Vec<Stmt>,
    shared: HashMap<Key, Val>,
}

/// Builds one function.
pub struct FuncBuilder {
    name: String,
    params: Vec<Val>,
    types: Vec<Ty>,
    consts: Vec<Option<Const>>,
    buffers: Vec<Scalar>,
    stack: Vec<Frame>,
}

impl FuncBuilder {
    /// A function with `params` parameters over buffers of these kinds.
    #[must_use]
    pub fn new(name: impl Into<String>, params: usize, buffers: Vec<Scalar>) -> Self {
        Self {
            name: name.into(),
            params: (0..params as u32).map(Val).collect(),
            types: vec![Ty::I32; params],
            consts: vec![None; params],
            buffers,
            stack: vec![Frame::default()],
        }
    }

    /// The `k`-th parameter.
    #[must_use]
    pub fn param(&self, k: usize) -> Val {
        self.params[k]
    }

    /// The type of a value.
    #[must_use]
    pub fn ty(&self, v: Val) -> Ty {
        self.types[v.0 as usize]
    }

    /// The function.
    #[must_use]
    pub fn finish(mut self) -> Function {
        let body = Block { stmts: self.stack.pop().map(|f| f.stmts).unwrap_or_default() };
        Function { name: self.name, params: self.params, types: self.types, body }
    }

    fn fresh(&mut self, ty: Ty) -> Val {
        self.types.push(ty);
        self.consts.push(None);
        Val(self.types.len() as u32 - 1)
    }

    fn push(&mut self, stmt: Stmt) {
        if let Some(frame) = self.stack.last_mut() {
            frame.stmts.push(stmt);
        }
    }

    fn def(&mut self, ty: Ty, op: Op) -> Val {
        let val = self.fresh(ty);
        self.push(Stmt::Def { val, op });
        val
    }

    /// Defines a pure operation, or finds the same one in scope.
    fn pure(&mut self, ty: Ty, key: Key, op: Op) -> Val {
        if let Some(v) = self.stack.iter().rev().find_map(|f| f.shared.get(&key)) {
            return *v;
        }
        let val = self.def(ty, op);
        if let Some(frame) = self.stack.last_mut() {
            frame.shared.insert(key, val);
        }
        val
    }

    /// A constant.
    pub fn constant(&mut self, c: Const) -> Val {
        let (scalar, bits) = c.key();
        let v = self.pure(Ty::one(scalar), (0, [scalar as u64, bits, 0, 0]), Op::Const(c));
        self.consts[v.0 as usize] = Some(c);
        v
    }

    /// A float constant of a kind.
    pub fn float(&mut self, scalar: Scalar, x: f64) -> Val {
        self.constant(if scalar == Scalar::F32 { Const::F32(x as f32) } else { Const::F64(x) })
    }

    /// An `i32` constant.
    pub fn int(&mut self, x: i32) -> Val {
        self.constant(Const::I32(x))
    }

    /// A truth value.
    pub fn boolean(&mut self, x: bool) -> Val {
        self.constant(Const::Bool(x))
    }

    /// The constant that a value is, if it is one.
    #[must_use]
    pub fn as_const(&self, v: Val) -> Option<Const> {
        self.consts[v.0 as usize]
    }

    /// A unary operation.
    pub fn un(&mut self, op: UnOp, a: Val) -> Val {
        let ty = self.ty(a);
        if op == UnOp::Neg {
            match self.as_const(a) {
                Some(Const::F32(x)) => return self.constant(Const::F32(-x)),
                Some(Const::F64(x)) => return self.constant(Const::F64(-x)),
                _ => {}
            }
        }
        self.pure(ty, (1, [op as u64, a.0.into(), 0, 0]), Op::Un(op, a))
    }

    /// A binary operation.
    pub fn bin(&mut self, op: BinOp, a: Val, b: Val) -> Val {
        if let Some(c) = self.fold(op, a, b) {
            return self.constant(c);
        }
        let ty = self.ty(a);
        self.pure(ty, (2, [op as u64, a.0.into(), b.0.into(), 0]), Op::Bin(op, a, b))
    }

    fn fold(&self, op: BinOp, a: Val, b: Val) -> Option<Const> {
        Some(match (op, self.as_const(a)?, self.as_const(b)?) {
            (BinOp::Add, Const::F32(x), Const::F32(y)) => Const::F32(x + y),
            (BinOp::Add, Const::F64(x), Const::F64(y)) => Const::F64(x + y),
            (BinOp::Add, Const::I32(x), Const::I32(y)) => Const::I32(x.wrapping_add(y)),
            (BinOp::Sub, Const::F32(x), Const::F32(y)) => Const::F32(x - y),
            (BinOp::Sub, Const::F64(x), Const::F64(y)) => Const::F64(x - y),
            (BinOp::Sub, Const::I32(x), Const::I32(y)) => Const::I32(x.wrapping_sub(y)),
            (BinOp::Mul, Const::F32(x), Const::F32(y)) => Const::F32(x * y),
            (BinOp::Mul, Const::F64(x), Const::F64(y)) => Const::F64(x * y),
            (BinOp::Mul, Const::I32(x), Const::I32(y)) => Const::I32(x.wrapping_mul(y)),
            (BinOp::Div, Const::F32(x), Const::F32(y)) => Const::F32(x / y),
            (BinOp::Div, Const::F64(x), Const::F64(y)) => Const::F64(x / y),
            _ => return None,
        })
    }

    /// `a + b`
    pub fn add(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::Add, a, b)
    }

    /// `a - b`
    pub fn sub(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::Sub, a, b)
    }

    /// `a * b`
    pub fn mul(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::Mul, a, b)
    }

    /// `a*b + c`, rounded once.
    pub fn fma(&mut self, a: Val, b: Val, c: Val) -> Val {
        let ty = self.ty(a);
        self.pure(ty, (3, [a.0.into(), b.0.into(), c.0.into(), 0]), Op::Fma(a, b, c))
    }

    /// A comparison.
    pub fn cmp(&mut self, op: CmpOp, a: Val, b: Val) -> Val {
        let ty = self.ty(a).with(Scalar::Bool);
        self.pure(ty, (4, [op as u64, a.0.into(), b.0.into(), 0]), Op::Cmp(op, a, b))
    }

    /// `mask ? a : b`
    pub fn select(&mut self, mask: Val, a: Val, b: Val) -> Val {
        if a == b {
            return a;
        }
        match self.as_const(mask) {
            Some(Const::Bool(true)) => return a,
            Some(Const::Bool(false)) => return b,
            _ => {}
        }
        let ty = self.ty(a);
        self.pure(ty, (5, [mask.0.into(), a.0.into(), b.0.into(), 0]), Op::Select(mask, a, b))
    }

    /// A conversion; nothing if it is already of that kind.
    pub fn cast(&mut self, a: Val, to: Scalar) -> Val {
        let ty = self.ty(a);
        if ty.scalar == to {
            return a;
        }
        match (self.as_const(a), to) {
            (Some(Const::I32(x)), Scalar::F32) => return self.constant(Const::F32(x as f32)),
            (Some(Const::I32(x)), Scalar::F64) => return self.constant(Const::F64(f64::from(x))),
            _ => {}
        }
        self.pure(ty.with(to), (6, [to as u64, a.0.into(), 0, 0]), Op::Cast(a, to))
    }

    /// A library function.
    pub fn call(&mut self, f: MathFn, args: &[Val]) -> Val {
        let ty = self.ty(args[0]);
        let arg = |k: usize| args.get(k).map_or(0, |v| u64::from(v.0) + 1);
        let key = [(f as u64) << 33 | arg(0), arg(1), arg(2), arg(3)];
        self.pure(ty, (7, key), Op::Call(f, args.to_vec()))
    }

    /// One element of a buffer.
    pub fn load(&mut self, buf: BufId, index: Val) -> Val {
        let ty = Ty::one(self.buffers[buf.0 as usize]);
        self.def(ty, Op::Load { buf, index, lanes: 1 })
    }

    /// Stores one element.
    pub fn store(&mut self, buf: BufId, index: Val, value: Val) {
        self.push(Stmt::Store { buf, index, value });
    }

    /// `if cond { list[count[0]++] = value }`
    pub fn append(&mut self, cond: Val, list: BufId, count: BufId, value: Val) {
        self.push(Stmt::Append { cond, list, count, value });
    }

    /// Adds whole rows of a matrix to a vector.
    pub fn add_rows(&mut self, rows: AddRows) {
        self.push(Stmt::AddRows(rows));
    }

    /// An independent loop over `from..to` that may run several lanes at a time.
    pub fn vector_loop(&mut self, from: Val, to: Val, body: impl FnOnce(&mut Self, Val)) {
        self.any_loop(from, to, true, &[], |b, var, _| {
            body(b, var);
            Vec::new()
        });
    }

    /// A loop over `from..to` with carried values; gives their last values.
    pub fn fold_loop(
        &mut self,
        from: Val,
        to: Val,
        inits: &[Val],
        body: impl FnOnce(&mut Self, Val, &[Val]) -> Vec<Val>,
    ) -> Vec<Val> {
        self.any_loop(from, to, false, inits, body)
    }

    /// A plain loop over `from..to`.
    pub fn for_loop(&mut self, from: Val, to: Val, body: impl FnOnce(&mut Self, Val)) {
        self.any_loop(from, to, false, &[], |b, var, _| {
            body(b, var);
            Vec::new()
        });
    }

    fn any_loop(
        &mut self,
        from: Val,
        to: Val,
        vector: bool,
        inits: &[Val],
        body: impl FnOnce(&mut Self, Val, &[Val]) -> Vec<Val>,
    ) -> Vec<Val> {
        let var = self.fresh(Ty::I32);
        let params: Vec<Val> = inits.iter().map(|v| self.fresh(self.ty(*v))).collect();
        self.stack.push(Frame::default());
        let next = body(self, var, &params);
        let block = Block { stmts: self.stack.pop().map(|f| f.stmts).unwrap_or_default() };
        let results: Vec<Val> = inits.iter().map(|v| self.fresh(self.ty(*v))).collect();
        self.push(Stmt::For(Box::new(For {
            var,
            from,
            to,
            step: 1,
            vector,
            params,
            inits: inits.to_vec(),
            body: block,
            next,
            results: results.clone(),
        })));
        results
    }

    /// A choice with results.
    pub fn if_else(
        &mut self,
        cond: Val,
        then: impl FnOnce(&mut Self) -> Vec<Val>,
        els: impl FnOnce(&mut Self) -> Vec<Val>,
    ) -> Vec<Val> {
        self.stack.push(Frame::default());
        let then_vals = then(self);
        let then_block = Block { stmts: self.stack.pop().map(|f| f.stmts).unwrap_or_default() };
        self.stack.push(Frame::default());
        let else_vals = els(self);
        let else_block = Block { stmts: self.stack.pop().map(|f| f.stmts).unwrap_or_default() };
        let results: Vec<Val> = then_vals.iter().map(|v| self.fresh(self.ty(*v))).collect();
        self.push(Stmt::If(Box::new(If {
            cond,
            then: then_block,
            then_vals,
            els: else_block,
            else_vals,
            results: results.clone(),
        })));
        results
    }

    /// A choice without results and without an `else`.
    pub fn if_then(&mut self, cond: Val, then: impl FnOnce(&mut Self)) {
        self.if_else(
            cond,
            |b| {
                then(b);
                Vec::new()
            },
            |_| Vec::new(),
        );
    }
}
