//! The reference interpreter: walks the program's tree and does what the contract says, one lane after another, with every
//! index checked. It defines the meaning of the loop IR; compiled code is right if it gives the same bits.
//!
//! It also runs element-level programs: marked loops as plain loops that stop at their end (the meaning that `lanes` must keep on
//! everything but padding), and transcendentals through their expansion.

use super::groups::Touched;
use super::mathfn::math_f64;
use super::{Backend, BackendError, Buf, Buffers, Kernels, Session};
use crate::lir::verify::{Level, verify};
use crate::lir::{BinOp, Block, BufId, Const, FuncId, MathFn, Op, Program, Scalar, Stmt, Ty, Val, eval, expand};

/// The interpreter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Interp;

impl Backend for Interp {
    fn name(&self) -> &'static str {
        "interp"
    }

    fn compile(&self, program: &Program) -> Result<Box<dyn Kernels>, BackendError> {
        let mut program = program.clone();
        if let Err(lane) = verify(&program, Level::Lane) {
            if verify(&program, Level::Element).is_err() {
                return Err(BackendError::Invalid(lane.join("; ")));
            }
            expand::expand(&mut program);
        }
        let touched = Touched::new(&program);
        Ok(Box::new(Interpreted { program, touched }))
    }
}

/// A program that was found to keep the contract.
struct Interpreted {
    program: Program,
    touched: Touched,
}

impl Kernels for Interpreted {
    fn session<'a>(&'a self, buffers: &'a mut Buffers) -> Result<Box<dyn Session + 'a>, BackendError> {
        for (at, buffer) in self.program.buffers.iter().enumerate() {
            let fits = buffers.get(at).is_some_and(|b| b.scalar() == buffer.scalar && b.len() as u64 >= buffer.len);
            if !fits {
                return Err(BackendError::Buffer(buffer.name.clone()));
            }
        }
        Ok(Box::new(Bound { program: &self.program, buffers, values: Vec::new() }))
    }

    fn touched(&self) -> &Touched {
        &self.touched
    }
}

struct Bound<'a> {
    program: &'a Program,
    buffers: &'a mut Buffers,
    /// Kept between calls to save the allocation; every value is written before it is read.
    values: Vec<Lanes>,
}

impl Session for Bound<'_> {
    fn call(&mut self, function: FuncId, args: &[i32]) -> Result<(), BackendError> {
        let Some(f) = self.program.functions.get(function.0 as usize) else {
            return Err(BackendError::Call(format!("there is no function number {}", function.0)));
        };
        if args.len() != f.params.len() {
            return Err(BackendError::Call(format!(
                "function {} takes {} arguments, not {}",
                f.name,
                f.params.len(),
                args.len()
            )));
        }
        if self.values.len() < f.types.len() {
            self.values.resize(f.types.len(), [0; 4]);
        }
        let mut run = Run {
            program: self.program,
            name: &f.name,
            types: &f.types,
            buffers: self.buffers,
            values: &mut self.values,
            carried: Vec::new(),
        };
        for (param, arg) in f.params.iter().zip(args) {
            run.set(*param, one(u64::from(*arg as u32)));
        }
        run.block(&f.body)
    }
}

/// The bits of each lane, as in [`eval`]; lanes that a value does not have are unspecified.
type Lanes = [u64; 4];

fn one(bits: u64) -> Lanes {
    [bits, 0, 0, 0]
}

struct Run<'a> {
    program: &'a Program,
    name: &'a str,
    types: &'a [Ty],
    buffers: &'a mut Buffers,
    values: &'a mut [Lanes],
    /// A stack on which a loop's next values wait until all of them are read.
    carried: Vec<Lanes>,
}

impl Run<'_> {
    #[inline]
    fn get(&self, val: Val) -> Lanes {
        self.values[val.0 as usize]
    }

    #[inline]
    fn set(&mut self, val: Val, lanes: Lanes) {
        self.values[val.0 as usize] = lanes;
    }

    fn ty(&self, val: Val) -> Ty {
        self.types[val.0 as usize]
    }

    fn i32(&self, val: Val) -> i32 {
        self.get(val)[0] as u32 as i32
    }

    /// Lane `lane` of an index value, sign-extended.
    fn index(&self, val: Val, lane: usize) -> i64 {
        let bits = self.get(val)[lane];
        if self.ty(val).scalar == Scalar::I32 { i64::from(bits as u32 as i32) } else { bits as i64 }
    }

    fn outside(&self, buf: BufId, index: i64) -> BackendError {
        BackendError::OutOfBounds {
            function: self.name.to_owned(),
            buffer: self.program.buffers[buf.0 as usize].name.clone(),
            index,
            len: self.buffers[buf.0 as usize].len(),
        }
    }

    #[inline]
    fn load(&self, buf: BufId, index: i64) -> Result<u64, BackendError> {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let found = match &self.buffers[buf.0 as usize] {
            Buf::F32(v) => v.get(at).map(|x| u64::from(x.to_bits())),
            Buf::F64(v) => v.get(at).map(|x| x.to_bits()),
            Buf::I32(v) => v.get(at).map(|x| u64::from(*x as u32)),
            Buf::I64(v) => v.get(at).map(|x| *x as u64),
        };
        found.ok_or_else(|| self.outside(buf, index))
    }

    #[inline]
    fn store(&mut self, buf: BufId, index: i64, bits: u64) -> Result<(), BackendError> {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let found = match &mut self.buffers[buf.0 as usize] {
            Buf::F32(v) => v.get_mut(at).map(|x| *x = f32::from_bits(bits as u32)),
            Buf::F64(v) => v.get_mut(at).map(|x| *x = f64::from_bits(bits)),
            Buf::I32(v) => v.get_mut(at).map(|x| *x = bits as u32 as i32),
            Buf::I64(v) => v.get_mut(at).map(|x| *x = bits as i64),
        };
        match found {
            Some(()) => Ok(()),
            None => Err(self.outside(buf, index)),
        }
    }

    fn block(&mut self, block: &Block) -> Result<(), BackendError> {
        for stmt in &block.stmts {
            self.stmt(stmt)?;
        }
        Ok(())
    }

    fn stmt(&mut self, stmt: &Stmt) -> Result<(), BackendError> {
        match stmt {
            Stmt::Def { val, op } => {
                let lanes = self.op(*val, op)?;
                self.set(*val, lanes);
            }
            Stmt::Store { buf, index, value } => {
                let (first, bits) = (self.index(*index, 0), self.get(*value));
                for (lane, bits) in bits.iter().take(usize::from(self.ty(*value).lanes)).enumerate() {
                    self.store(*buf, first.wrapping_add(lane as i64), *bits)?;
                }
            }
            Stmt::Scatter { buf, index, value } => {
                let bits = self.get(*value);
                for (lane, bits) in bits.iter().take(usize::from(self.ty(*value).lanes)).enumerate() {
                    self.store(*buf, self.index(*index, lane), *bits)?;
                }
            }
            Stmt::Append { cond, list, count, value } => {
                let mask = self.get(*cond);
                let value = self.i32(*value);
                for (lane, _) in
                    mask.iter().take(usize::from(self.ty(*cond).lanes)).enumerate().filter(|(_, m)| **m != 0)
                {
                    let at = self.load(*count, 0)? as u32 as i32;
                    self.store(*list, i64::from(at), u64::from(value.wrapping_add(lane as i32) as u32))?;
                    self.store(*count, 0, u64::from(at.wrapping_add(1) as u32))?;
                }
            }
            Stmt::AddRows(a) => {
                let scalar = self.program.buffers[a.to.0 as usize].scalar;
                let at = i64::from(self.i32(a.at));
                for k in self.i32(a.first)..self.i32(a.end) {
                    let row = i64::from(self.load(a.rows, i64::from(k))? as u32 as i32);
                    for j in at..at + i64::from(a.len) {
                        let x = self.load(a.to, j)?;
                        let y = self.load(a.from, row * i64::from(a.stride) + j)?;
                        let sum = defined(eval::bin(BinOp::Add, scalar, x, y))?;
                        self.store(a.to, j, sum)?;
                    }
                }
            }
            Stmt::For(f) => {
                for (param, init) in f.params.iter().zip(&f.inits) {
                    self.set(*param, self.get(*init));
                }
                let to = i64::from(self.i32(f.to));
                let mut at = i64::from(self.i32(f.from));
                while at < to {
                    self.set(f.var, one(u64::from(at as i32 as u32)));
                    self.block(&f.body)?;
                    let mark = self.carried.len();
                    for next in &f.next {
                        let lanes = self.get(*next);
                        self.carried.push(lanes);
                    }
                    for (k, param) in f.params.iter().enumerate() {
                        self.set(*param, self.carried[mark + k]);
                    }
                    self.carried.truncate(mark);
                    at += i64::from(f.step);
                }
                for (result, param) in f.results.iter().zip(&f.params) {
                    self.set(*result, self.get(*param));
                }
            }
            Stmt::If(i) => {
                let (block, vals) =
                    if self.get(i.cond)[0] != 0 { (&i.then, &i.then_vals) } else { (&i.els, &i.else_vals) };
                self.block(block)?;
                // Results cannot be arms' values, so there is nothing to read after it was overwritten.
                for (result, val) in i.results.iter().zip(vals) {
                    self.set(*result, self.get(*val));
                }
            }
        }
        Ok(())
    }

    fn op(&self, val: Val, op: &Op) -> Result<Lanes, BackendError> {
        let ty = self.ty(val);
        let lanes = usize::from(ty.lanes);
        let mut out: Lanes = [0; 4];
        match op {
            Op::Const(c) => out[0] = bits(*c),
            Op::Un(op, a) => {
                let a = self.get(*a);
                for k in 0..lanes {
                    out[k] = defined(eval::un(*op, ty.scalar, a[k]))?;
                }
            }
            Op::Bin(op, a, b) => {
                let (a, b) = (self.get(*a), self.get(*b));
                for k in 0..lanes {
                    out[k] = defined(eval::bin(*op, ty.scalar, a[k], b[k]))?;
                }
            }
            Op::Fma(a, b, c) => {
                let (a, b, c) = (self.get(*a), self.get(*b), self.get(*c));
                for k in 0..lanes {
                    out[k] = defined(eval::fma(ty.scalar, a[k], b[k], c[k]))?;
                }
            }
            Op::Cmp(op, a, b) => {
                let scalar = self.ty(*a).scalar;
                let (a, b) = (self.get(*a), self.get(*b));
                for k in 0..lanes {
                    out[k] = u64::from(eval::cmp(*op, scalar, a[k], b[k]));
                }
            }
            Op::Select(mask, a, b) => {
                let (mask, a, b) = (self.get(*mask), self.get(*a), self.get(*b));
                for k in 0..lanes {
                    out[k] = if mask[k] != 0 { a[k] } else { b[k] };
                }
            }
            Op::Cast(a, to) => {
                let from = self.ty(*a).scalar;
                let a = self.get(*a);
                for k in 0..lanes {
                    out[k] = defined(eval::cast(from, *to, a[k]))?;
                }
            }
            Op::Bitcast(a, _) => out = self.get(*a),
            Op::Splat(a, _) => out = [self.get(*a)[0]; 4],
            Op::Lane(a, n) => out[0] = self.get(*a)[usize::from(*n)],
            Op::Iota(_) => out = [0, 1, 2, 3],
            Op::Any(a) => out[0] = u64::from(self.mask(*a).contains(&1)),
            Op::All(a) => out[0] = u64::from(!self.mask(*a).contains(&0)),
            Op::Sum(a) => {
                let add = |x, y| defined(eval::bin(BinOp::Add, ty.scalar, x, y));
                let v = self.get(*a);
                out[0] =
                    if self.ty(*a).lanes == 4 { add(add(v[0], v[2])?, add(v[1], v[3])?)? } else { add(v[0], v[1])? };
            }
            Op::Load { buf, index, .. } => {
                let first = self.index(*index, 0);
                for (k, out) in out.iter_mut().take(lanes).enumerate() {
                    *out = self.load(*buf, first.wrapping_add(k as i64))?;
                }
            }
            Op::Gather { buf, index } => {
                for (k, out) in out.iter_mut().take(lanes).enumerate() {
                    *out = self.load(*buf, self.index(*index, k))?;
                }
            }
            Op::Pack(parts) => {
                for (out, part) in out.iter_mut().zip(parts) {
                    *out = self.get(*part)[0];
                }
            }
            Op::Call(f, args) => {
                let arg = |k: usize| args.get(k).map_or(0, |v| self.get(*v)[0]);
                out[0] = math(*f, ty.scalar, [arg(0), arg(1), arg(2), arg(3)]);
            }
        }
        Ok(out)
    }

    /// The lanes of a mask, each 0 or 1.
    fn mask(&self, val: Val) -> &[u64] {
        &self.values[val.0 as usize][..usize::from(self.ty(val).lanes)]
    }
}

fn bits(c: Const) -> u64 {
    eval::of_const(c)
}

/// A library function on bits of a scalar.
fn math(f: MathFn, scalar: Scalar, args: [u64; 4]) -> u64 {
    if scalar == Scalar::F32 {
        let wide = |x: u64| f64::from(f32::from_bits(x as u32));
        u64::from((math_f64(f, args.map(wide)) as f32).to_bits())
    } else {
        math_f64(f, args.map(f64::from_bits)).to_bits()
    }
}

/// Verified programs hold only operations that are defined; anything else is a hole in the verifier.
#[inline]
fn defined(bits: Option<u64>) -> Result<u64, BackendError> {
    bits.ok_or_else(|| BackendError::Invalid("an operation on a type that it does not have".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lir::text;

    fn run(text: &str, args: &[i32], buffers: &mut Buffers) -> Result<(), BackendError> {
        Interp.compile(&text::parse(text).unwrap())?.session(buffers)?.call(FuncId(0), args)
    }

    #[test]
    fn loops_carry_values_in_parallel() {
        // Fibonacci by swapping: both next values are read before either parameter changes.
        let text = "buffer b0 \"x\": i32[1]
            fn f0 \"go\"(v0) {
              v1: i32 = const i32 0
              v2: i32 = const i32 1
              for v3 = v1 to v0 step 1 with (v4: i32, v5: i32) = (v1, v2) { v6: i32 = add v4, v5 } -> (v7: i32, v8: i32) = (v5, v6)
              store b0[v1], v7
            }";
        let mut buffers = vec![Buf::I32(vec![0])];
        run(text, &[30], &mut buffers).unwrap();
        assert_eq!(buffers, [Buf::I32(vec![832_040])]);
    }

    #[test]
    fn lanes_are_summed_in_the_fixed_order() {
        let text = "buffer b0 \"x\": f32[8]
            fn f0 \"go\"(v0) {
              v1: f32x4 = load 4 b0[v0]
              v2: f32 = sum v1
              v3: i32 = const i32 4
              store b0[v3], v2
            }";
        let mut buffers = vec![Buf::F32(vec![1e8, 1.0, -1e8, 1.0, 0.0, 0.0, 0.0, 0.0])];
        run(text, &[0], &mut buffers).unwrap();
        assert_eq!(buffers[0].get_f64(4), Some(2.0));
    }

    #[test]
    fn wrong_indices_buffers_and_calls_are_errors() {
        let text = "buffer b0 \"x\": f32[8] fn f0 \"go\"(v0) { v1: f32 = load b0[v0] store b0[v0], v1 }";
        let outside =
            |index| BackendError::OutOfBounds { function: "go".to_owned(), buffer: "x".to_owned(), index, len: 8 };
        let mut buffers = vec![Buf::F32(vec![0.0; 8])];
        assert_eq!(run(text, &[7], &mut buffers), Ok(()));
        assert_eq!(run(text, &[8], &mut buffers), Err(outside(8)));
        assert_eq!(run(text, &[-1], &mut buffers), Err(outside(-1)));
        assert!(matches!(run(text, &[], &mut buffers), Err(BackendError::Call(_))));
        assert!(matches!(run(text, &[0], &mut vec![Buf::F32(vec![0.0; 7])]), Err(BackendError::Buffer(_))));
        assert!(matches!(run(text, &[0], &mut vec![Buf::F64(vec![0.0; 8])]), Err(BackendError::Buffer(_))));
        assert!(matches!(run(text, &[0], &mut vec![]), Err(BackendError::Buffer(_))));
        let broken = "fn f0 \"go\"(v0) { v1: i32 = add v0, v2 unused v2: i32 }";
        assert!(text::parse(broken).is_err());
        let broken = "fn f0 \"go\"(v0) { unused v2: i32  v1: i32 = add v0, v2 }";
        assert!(matches!(run(broken, &[0], &mut vec![]), Err(BackendError::Invalid(_))));
    }

    #[test]
    fn integers_follow_the_contract_at_the_edges() {
        use crate::lir::BinOp::{FloorDiv, Mod, Sar, Shl, Shr};
        let of = |op, a: i32, b: i32| {
            eval::bin(op, Scalar::I32, u64::from(a as u32), u64::from(b as u32)).unwrap() as u32 as i32
        };
        assert_eq!([of(Mod, -7, 3), of(Mod, 7, -3), of(Mod, 7, 0), of(Mod, i32::MIN, -1)], [2, -2, 0, 0]);
        assert_eq!(
            [of(FloorDiv, -7, 3), of(FloorDiv, 7, -3), of(FloorDiv, 7, 0), of(FloorDiv, i32::MIN, -1)],
            [-3, -3, 0, i32::MIN]
        );
        assert_eq!([of(Shl, 1, 33), of(Sar, -8, 33), of(Shr, -8, 33)], [2, -4, 0x7fff_fffc]);
        let cast = |x: f32| eval::cast(Scalar::F32, Scalar::I32, u64::from(x.to_bits())).unwrap() as u32 as i32;
        assert_eq!([cast(-1.9), cast(f32::NAN), cast(3e9), cast(f32::NEG_INFINITY)], [-1, 0, i32::MAX, i32::MIN]);
    }
}
