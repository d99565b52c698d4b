//! Shared by the tests of the back ends: writing programs in the loop IR by hand, and comparing results bit for bit.

#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "a wrong test program should panic")]

pub(crate) mod generate;
pub(crate) mod nasty;

use snnc::backend::{Buf, Buffers};
use snnc::lir::{
    BinOp, Block, BufId, Buffer, CmpOp, Const, For, Function, If, Op, Program, Scalar, Stmt, Ty, UnOp, Val,
};

/// Writes one function, statement by statement.
pub(crate) struct Writer {
    pub(crate) types: Vec<Ty>,
    params: Vec<Val>,
    blocks: Vec<Block>,
}

impl Writer {
    /// A function with `params` arguments.
    pub(crate) fn new(params: usize) -> Self {
        let mut writer = Self { types: Vec::new(), params: Vec::new(), blocks: vec![Block::default()] };
        for _ in 0..params {
            let val = writer.fresh(Ty::I32);
            writer.params.push(val);
        }
        writer
    }

    pub(crate) fn param(&self, i: usize) -> Val {
        self.params[i]
    }

    pub(crate) fn fresh(&mut self, ty: Ty) -> Val {
        self.types.push(ty);
        Val(u32::try_from(self.types.len() - 1).unwrap())
    }

    pub(crate) fn ty(&self, val: Val) -> Ty {
        self.types[val.0 as usize]
    }

    pub(crate) fn stmt(&mut self, stmt: Stmt) {
        self.blocks.last_mut().unwrap().stmts.push(stmt);
    }

    pub(crate) fn def(&mut self, ty: Ty, op: Op) -> Val {
        let val = self.fresh(ty);
        self.stmt(Stmt::Def { val, op });
        val
    }

    pub(crate) fn constant(&mut self, c: Const) -> Val {
        self.def(Ty::one(c.scalar()), Op::Const(c))
    }

    pub(crate) fn i32(&mut self, x: i32) -> Val {
        self.constant(Const::I32(x))
    }

    pub(crate) fn f32(&mut self, x: f32) -> Val {
        self.constant(Const::F32(x))
    }

    pub(crate) fn un(&mut self, op: UnOp, a: Val) -> Val {
        self.def(self.ty(a), Op::Un(op, a))
    }

    pub(crate) fn bin(&mut self, op: BinOp, a: Val, b: Val) -> Val {
        self.def(self.ty(a), Op::Bin(op, a, b))
    }

    pub(crate) fn cmp(&mut self, op: CmpOp, a: Val, b: Val) -> Val {
        self.def(self.ty(a).with(Scalar::Bool), Op::Cmp(op, a, b))
    }

    pub(crate) fn select(&mut self, mask: Val, a: Val, b: Val) -> Val {
        self.def(self.ty(a), Op::Select(mask, a, b))
    }

    pub(crate) fn fma(&mut self, a: Val, b: Val, c: Val) -> Val {
        self.def(self.ty(a), Op::Fma(a, b, c))
    }

    pub(crate) fn splat(&mut self, a: Val, lanes: u8) -> Val {
        let ty = Ty { lanes, ..self.ty(a) };
        self.def(ty, Op::Splat(a, lanes))
    }

    pub(crate) fn load(&mut self, buf: BufId, scalar: Scalar, index: Val, lanes: u8) -> Val {
        self.def(Ty { scalar, lanes }, Op::Load { buf, index, lanes })
    }

    pub(crate) fn store(&mut self, buf: BufId, index: Val, value: Val) {
        self.stmt(Stmt::Store { buf, index, value });
    }

    /// Opens a block; [`Writer::close`] gives it.
    pub(crate) fn open(&mut self) {
        self.blocks.push(Block::default());
    }

    pub(crate) fn close(&mut self) -> Block {
        self.blocks.pop().unwrap()
    }

    /// A loop without carried values; `body` gets the loop variable.
    pub(crate) fn count(&mut self, from: Val, to: Val, step: u32, vector: bool, body: impl FnOnce(&mut Self, Val)) {
        let var = self.fresh(Ty::I32);
        self.open();
        body(self, var);
        let body = self.close();
        self.stmt(Stmt::For(Box::new(For {
            var,
            from,
            to,
            step,
            vector,
            params: vec![],
            inits: vec![],
            body,
            next: vec![],
            results: vec![],
        })));
    }

    /// A loop with carried values; `body` gets the variable and the values and gives the next ones.
    pub(crate) fn fold(
        &mut self,
        (from, to, step): (Val, Val, u32),
        inits: &[Val],
        body: impl FnOnce(&mut Self, Val, &[Val]) -> Vec<Val>,
    ) -> Vec<Val> {
        let var = self.fresh(Ty::I32);
        let types: Vec<Ty> = inits.iter().map(|v| self.ty(*v)).collect();
        let params: Vec<Val> = types.iter().map(|ty| self.fresh(*ty)).collect();
        self.open();
        let next = body(self, var, &params);
        let block = self.close();
        let results: Vec<Val> = types.iter().map(|ty| self.fresh(*ty)).collect();
        self.stmt(Stmt::For(Box::new(For {
            var,
            from,
            to,
            step,
            vector: false,
            params,
            inits: inits.to_vec(),
            body: block,
            next,
            results: results.clone(),
        })));
        results
    }

    /// A choice with results.
    pub(crate) fn choose(
        &mut self,
        cond: Val,
        then: impl FnOnce(&mut Self) -> Vec<Val>,
        els: impl FnOnce(&mut Self) -> Vec<Val>,
    ) -> Vec<Val> {
        self.open();
        let then_vals = then(self);
        let then = self.close();
        self.open();
        let else_vals = els(self);
        let els = self.close();
        let types: Vec<Ty> = then_vals.iter().map(|v| self.ty(*v)).collect();
        let results: Vec<Val> = types.iter().map(|ty| self.fresh(*ty)).collect();
        self.stmt(Stmt::If(Box::new(If { cond, then, then_vals, els, else_vals, results: results.clone() })));
        results
    }

    pub(crate) fn finish(mut self, name: &str) -> Function {
        Function { name: name.to_owned(), params: self.params, types: self.types, body: self.blocks.pop().unwrap() }
    }
}

/// A declaration.
pub(crate) fn buffer(name: &str, scalar: Scalar, len: u64) -> Buffer {
    Buffer { name: name.to_owned(), scalar, len }
}

/// A program of one function.
pub(crate) fn program(buffers: Vec<Buffer>, function: Function) -> Program {
    Program { buffers, functions: vec![function] }
}

/// The first difference between two sets of buffers: bit for bit, but all NaNs are equal.
pub(crate) fn difference(a: &Buffers, b: &Buffers) -> Option<String> {
    if a.len() != b.len() {
        return Some(format!("{} buffers against {}", a.len(), b.len()));
    }
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        if a.scalar() != b.scalar() || a.len() != b.len() {
            return Some(format!("buffer {i}: another kind or length"));
        }
        for k in 0..a.len() {
            if bits(a, k) != bits(b, k) {
                return Some(format!("buffer {i}, element {k}: {} against {}", show(a, k), show(b, k)));
            }
        }
    }
    None
}

fn bits(buf: &Buf, k: usize) -> u64 {
    match buf {
        Buf::F32(v) if v[k].is_nan() => u64::from(f32::NAN.to_bits()),
        Buf::F64(v) if v[k].is_nan() => f64::NAN.to_bits(),
        Buf::F32(v) => u64::from(v[k].to_bits()),
        Buf::F64(v) => v[k].to_bits(),
        Buf::I32(v) => v[k] as u32 as u64,
        Buf::I64(v) => v[k] as u64,
    }
}

fn show(buf: &Buf, k: usize) -> String {
    match buf {
        Buf::F32(v) => format!("{:?} ({:#010x})", v[k], v[k].to_bits()),
        Buf::F64(v) => format!("{:?} ({:#018x})", v[k], v[k].to_bits()),
        Buf::I32(v) => format!("{}", v[k]),
        Buf::I64(v) => format!("{}", v[k]),
    }
}
