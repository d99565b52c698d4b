//! Well-typed programs from a tape of choices: every tape gives a program that keeps the contract (indices are masked into
//! their buffers, loops are short), and a shorter tape gives a smaller program.

use snnc::backend::{Buf, Buffers};
use snnc::lir::{AddRows, BinOp, BufId, CmpOp, Const, MathFn, Op, Program, Scalar, Stmt, Ty, UnOp, Val};

use super::{Writer, buffer, nasty, program};

/// Elements of the ordinary buffers. Indices are below [`REACH`] and leave room for padding and lanes.
const LEN: u64 = 112;
const REACH: i32 = 64;
/// The ordinary buffers, two of each kind; then a list and its count.
const KINDS: [Scalar; 8] =
    [Scalar::F32, Scalar::F64, Scalar::I32, Scalar::I64, Scalar::F32, Scalar::F64, Scalar::I32, Scalar::I64];
const LIST: BufId = BufId(8);
const COUNT: BufId = BufId(9);
const NUMBERS: [Scalar; 4] = [Scalar::F32, Scalar::F64, Scalar::I32, Scalar::I64];

/// What may occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Scalars, marked loops, appends, transcendentals.
    Element,
    /// Scalars and vectors.
    Lane,
}

/// A program, and buffers to run it on. It has one argument.
pub(crate) fn generate(tape: &[u32], style: Style) -> (Program, Buffers) {
    let mut g = Generator { w: Writer::new(1), tape, at: 0, visible: vec![Val(0)], style, loops: 0, marked: None };
    for scalar in NUMBERS {
        let c = g.constant(scalar);
        g.visible.push(c);
    }
    let mut statements = 0;
    while g.at < tape.len() && statements < 60 {
        g.statement(0);
        statements += 1;
    }
    // Everything that is still visible is stored, so that it counts.
    for (i, val) in g.visible.clone().into_iter().enumerate().rev().take(40) {
        g.keep(val, i as i32 % REACH);
    }
    let mut buffers: Vec<_> =
        KINDS.iter().enumerate().map(|(i, scalar)| buffer(&format!("b{i}"), *scalar, LEN)).collect();
    buffers.push(buffer("list", Scalar::I32, 1024));
    buffers.push(buffer("count", Scalar::I32, 1));
    let contents = buffers.iter().map(|b| fill(b.scalar, b.len as usize, &b.name)).collect();
    (program(buffers, g.w.finish("f")), contents)
}

fn fill(scalar: Scalar, len: usize, name: &str) -> Buf {
    if name == "list" || name == "count" {
        return Buf::zeros(scalar, len);
    }
    let salt = name.len() + usize::from(*name.as_bytes().last().unwrap());
    let nasty = nasty::all(scalar);
    let pick = |i: usize| (i * 7 + salt) % nasty.len();
    match &nasty {
        Buf::F32(v) => {
            Buf::F32((0..len).map(|i| if i % 3 == 0 { v[pick(i)] } else { i as f32 * 0.37 - 9.0 }).collect())
        }
        Buf::F64(v) => {
            Buf::F64((0..len).map(|i| if i % 3 == 0 { v[pick(i)] } else { i as f64 * 0.37 - 9.0 }).collect())
        }
        Buf::I32(v) => Buf::I32((0..len).map(|i| if i % 2 == 0 { v[pick(i)] } else { i as i32 - 20 }).collect()),
        Buf::I64(v) => Buf::I64((0..len).map(|i| if i % 2 == 0 { v[pick(i)] } else { i as i64 - 20 }).collect()),
    }
}

/// A marked loop that is being written.
#[derive(Clone)]
struct Marked {
    var: Val,
    /// The buffers that it stores, each at the loop variable plus this constant.
    stores: Vec<(BufId, i32)>,
    appends: u32,
    /// The kinds that may occur in it: a marked loop has one lane count.
    kinds: &'static [Scalar],
}

struct Generator<'a> {
    w: Writer,
    tape: &'a [u32],
    at: usize,
    visible: Vec<Val>,
    style: Style,
    loops: u32,
    marked: Option<Marked>,
}

impl Generator<'_> {
    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        let choice = self.tape.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        choice as usize % n
    }

    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn constant(&mut self, scalar: Scalar) -> Val {
        let c = match self.below(3) {
            0 => {
                let few = nasty::few(scalar);
                self.one_of(&few)
            }
            _ => {
                let x = self.below(41) as i32 - 20;
                match scalar {
                    Scalar::F32 => Const::F32(x as f32 * 0.3),
                    Scalar::F64 => Const::F64(f64::from(x) * 0.3),
                    Scalar::I32 => Const::I32(x),
                    Scalar::I64 => Const::I64(i64::from(x)),
                    Scalar::Bool => Const::Bool(x % 2 == 0),
                }
            }
        };
        self.w.constant(c)
    }

    fn vectors(&self) -> bool {
        self.style == Style::Lane
    }

    /// The kinds of numbers that may occur here.
    fn kinds(&self) -> &'static [Scalar] {
        self.marked.as_ref().map_or(&NUMBERS, |m| m.kinds)
    }

    fn number(&mut self) -> Scalar {
        let kinds = self.kinds();
        self.one_of(kinds)
    }

    fn some_type(&mut self) -> Ty {
        let scalar = if self.below(6) == 5 { Scalar::Bool } else { self.number() };
        let lanes = if !self.vectors() || self.below(2) == 0 {
            1
        } else {
            match scalar {
                Scalar::F32 | Scalar::I32 => 4,
                Scalar::F64 | Scalar::I64 => 2,
                Scalar::Bool => self.one_of(&[2, 4]),
            }
        };
        Ty { scalar, lanes }
    }

    /// A value of a type: one that is visible, mostly recent, or a new constant.
    fn pick(&mut self, ty: Ty) -> Val {
        let fitting: Vec<Val> = self.visible.iter().copied().filter(|v| self.w.ty(*v) == ty).collect();
        let choice = self.below(8);
        if choice > 0 && !fitting.is_empty() {
            let last = fitting.len() - 1;
            return fitting[last - self.below(fitting.len().min(6))];
        }
        let one = self.constant(ty.scalar);
        if ty.lanes == 1 { one } else { self.w.splat(one, ty.lanes) }
    }

    fn statement(&mut self, depth: u32) {
        let kind = self.below(16);
        match kind {
            0 | 1 if self.marked.is_none() && depth < 3 && self.loops < 3 => self.counted(depth),
            2 if self.marked.is_none() && depth < 3 => self.choice(depth),
            3 if self.marked.is_none() && self.style == Style::Element => self.marked_loop(),
            4 | 5 => self.store(),
            6 if self.vectors() => self.scatter(),
            7 if self.marked.is_none() => self.add_rows(),
            6 => self.append(),
            _ => {
                let val = self.operation();
                self.visible.push(val);
            }
        }
    }

    fn statements(&mut self, most: usize, depth: u32) {
        for _ in 0..1 + self.below(most) {
            self.statement(depth);
        }
    }

    fn counted(&mut self, depth: u32) {
        let from = match self.below(3) {
            0 => self.w.i32(0),
            1 => {
                let from = self.below(8) as i32 - 3;
                self.w.i32(from)
            }
            _ => self.masked(Ty::I32, 3),
        };
        let to = match self.below(2) {
            0 => {
                let to = self.below(9) as i32;
                self.w.i32(to)
            }
            _ => self.masked(Ty::I32, 7),
        };
        let step = 1 + self.below(3) as u32;
        let carried = self.below(4);
        let inits: Vec<Val> = (0..carried)
            .map(|_| {
                let ty = self.some_type();
                self.pick(ty)
            })
            .collect();
        // The writer's closures would borrow the generator: the loop is put together by hand.
        let var = self.w.fresh(Ty::I32);
        let types: Vec<Ty> = inits.iter().map(|v| self.w.ty(*v)).collect();
        let params: Vec<Val> = types.iter().map(|ty| self.w.fresh(*ty)).collect();
        let outside = self.visible.len();
        self.visible.push(var);
        self.visible.extend(&params);
        self.w.open();
        self.loops += 1;
        self.statements(6, depth + 1);
        let next: Vec<Val> = types.iter().map(|ty| self.pick(*ty)).collect();
        self.loops -= 1;
        let body = self.w.close();
        self.visible.truncate(outside);
        let results: Vec<Val> = types.iter().map(|ty| self.w.fresh(*ty)).collect();
        self.visible.extend(&results);
        self.w.stmt(Stmt::For(Box::new(snnc::lir::For {
            var,
            from,
            to,
            step,
            vector: false,
            params,
            inits,
            body,
            next,
            results,
        })));
    }

    fn choice(&mut self, depth: u32) {
        let cond = self.pick(Ty::BOOL);
        let types: Vec<Ty> = (0..self.below(3)).map(|_| self.some_type()).collect();
        let outside = self.visible.len();
        let mut arms = Vec::new();
        for _ in 0..2 {
            self.w.open();
            self.statements(4, depth + 1);
            let vals: Vec<Val> = types.iter().map(|ty| self.pick(*ty)).collect();
            arms.push((self.w.close(), vals));
            self.visible.truncate(outside);
        }
        let (els, else_vals) = arms.pop().unwrap();
        let (then, then_vals) = arms.pop().unwrap();
        let results: Vec<Val> = types.iter().map(|ty| self.w.fresh(*ty)).collect();
        self.visible.extend(&results);
        self.w.stmt(Stmt::If(Box::new(snnc::lir::If { cond, then, then_vals, els, else_vals, results })));
    }

    /// From below 8 to at most 56, so that rounding up to a multiple of 16 and adding 8 stays inside the buffers.
    fn marked_loop(&mut self) {
        let first = self.below(8) as i32;
        let from = self.w.i32(first);
        let last = match self.below(4) {
            0 => 48,
            _ => self.below(57) as i32,
        };
        let to = self.w.i32(last);
        // At most one append site in each loop, 64 elements at most: counted from 0, the list holds them.
        let zero = self.w.i32(0);
        self.w.store(COUNT, zero, zero);
        let var = self.w.fresh(Ty::I32);
        let kinds: &[Scalar] = if self.below(2) == 0 {
            &[Scalar::F32, Scalar::I32, Scalar::F32]
        } else {
            &[Scalar::F64, Scalar::I64, Scalar::I32]
        };
        let stores: Vec<_> = (0..self.below(3))
            .map(|_| {
                let scalar = self.one_of(kinds);
                (self.some_buffer(scalar), self.below(8) as i32)
            })
            .collect();
        let mut unique: Vec<(BufId, i32)> = Vec::new();
        for (buf, offset) in stores {
            if unique.iter().all(|(b, _)| *b != buf) {
                unique.push((buf, offset));
            }
        }
        let outside = self.visible.len();
        self.visible.push(var);
        self.marked = Some(Marked { var, stores: unique.clone(), appends: 0, kinds });
        self.w.open();
        for _ in 0..2 + self.below(12) {
            self.statement(9);
        }
        for (buf, offset) in unique {
            let value = self.pick(Ty::one(KINDS[buf.0 as usize]));
            let index = self.at_variable(var, offset);
            self.w.store(buf, index, value);
        }
        let body = self.w.close();
        self.marked = None;
        self.visible.truncate(outside);
        self.w.stmt(Stmt::For(Box::new(snnc::lir::For {
            var,
            from,
            to,
            step: 1,
            vector: true,
            params: vec![],
            inits: vec![],
            body,
            next: vec![],
            results: vec![],
        })));
    }

    fn at_variable(&mut self, var: Val, offset: i32) -> Val {
        if offset == 0 {
            return var;
        }
        let offset = self.w.i32(offset);
        self.w.bin(BinOp::Add, var, offset)
    }

    fn append(&mut self) {
        let fresh = self.marked.as_ref().is_some_and(|m| m.appends == 0);
        if !fresh {
            return;
        }
        if let Some(marked) = &mut self.marked {
            marked.appends += 1;
        }
        let (cond, value) = (self.pick(Ty::BOOL), self.pick(Ty::I32));
        self.w.stmt(Stmt::Append { cond, list: LIST, count: COUNT, value });
    }

    /// An integer that is brought into `0..=mask`.
    fn masked(&mut self, ty: Ty, mask: i32) -> Val {
        let x = self.pick(ty);
        let one = match ty.scalar {
            Scalar::I64 => self.w.constant(Const::I64(i64::from(mask))),
            _ => self.w.i32(mask),
        };
        let mask = if ty.lanes == 1 { one } else { self.w.splat(one, ty.lanes) };
        self.w.bin(BinOp::And, x, mask)
    }

    /// An index below [`REACH`]: masked, or a sum of smaller ones and a constant (the sums are what address arithmetic takes apart).
    fn index(&mut self) -> Val {
        let long = self.kinds().contains(&Scalar::I64);
        match self.below(6) {
            0 if long => self.masked(Ty::I64, REACH - 1),
            1 => {
                let i = self.below(REACH as usize) as i32;
                self.w.i32(i)
            }
            2 => {
                let (a, b) = (self.masked(Ty::I32, 31), self.masked(Ty::I32, 15));
                let c = self.below(16) as i32;
                let c = self.w.i32(c);
                let sum = self.w.bin(BinOp::Add, a, b);
                self.w.bin(BinOp::Add, sum, c)
            }
            3 => {
                // One summand is anything: only the sum is known to be small.
                let (x, y) = (self.pick(Ty::I32), self.masked(Ty::I32, REACH - 1));
                let rest = self.w.bin(BinOp::Sub, y, x);
                self.w.bin(BinOp::Add, x, rest)
            }
            4 if long => {
                let (x, y, c) = (self.pick(Ty::I64), self.masked(Ty::I64, REACH - 1), self.constant(Scalar::I64));
                let rest = self.w.bin(BinOp::Sub, y, x);
                let rest = self.w.bin(BinOp::Sub, rest, c);
                let sum = self.w.bin(BinOp::Add, x, c);
                self.w.bin(BinOp::Add, rest, sum)
            }
            _ => self.masked(Ty::I32, REACH - 1),
        }
    }

    fn store(&mut self) {
        if let Some(marked) = self.marked.clone() {
            if marked.stores.is_empty() {
                return;
            }
            let (buf, offset) = self.one_of(&marked.stores);
            let value = self.pick(Ty::one(KINDS[buf.0 as usize]));
            let index = self.at_variable(marked.var, offset);
            return self.w.store(buf, index, value);
        }
        let ty = loop {
            let ty = self.some_type();
            if ty.scalar != Scalar::Bool {
                break ty;
            }
        };
        let value = self.pick(ty);
        let buf = self.some_buffer(ty.scalar);
        let index = self.index();
        self.w.store(buf, index, value);
    }

    fn some_buffer(&mut self, scalar: Scalar) -> BufId {
        let first = KINDS.iter().position(|k| *k == scalar).unwrap();
        BufId((first + 4 * self.below(2)) as u32)
    }

    fn scatter(&mut self) {
        let (scalar, index) = self.one_of(&[
            (Scalar::F32, Scalar::I32),
            (Scalar::I32, Scalar::I32),
            (Scalar::F64, Scalar::I64),
            (Scalar::I64, Scalar::I64),
        ]);
        let lanes = if index == Scalar::I32 { 4 } else { 2 };
        let value = self.pick(Ty { scalar, lanes });
        let index = self.masked(Ty { scalar: index, lanes }, REACH - 1);
        let buf = self.some_buffer(scalar);
        self.w.stmt(Stmt::Scatter { buf, index, value });
    }

    fn add_rows(&mut self) {
        let scalar = self.one_of(&[Scalar::F32, Scalar::F64]);
        let first = KINDS.iter().position(|k| *k == scalar).unwrap();
        let rows = self.some_buffer(Scalar::I32);
        // Every entry of the list is made a small row number first.
        for k in 0..3 {
            let row = self.below(4) as i32;
            let (at, row) = (self.w.i32(k), self.w.i32(row));
            self.w.store(rows, at, row);
        }
        let (from, to) = (self.below(3) as i32, 1 + self.below(3) as i32);
        let (from, to) = (self.w.i32(from), self.w.i32(to));
        let len = 1 + self.below(20);
        let at = self.below(4) as i32;
        let at = self.w.i32(at);
        let add = AddRows {
            to: BufId(first as u32),
            from: BufId(first as u32 + 4),
            rows,
            first: from,
            end: to,
            at,
            stride: (len + self.below(3)) as u32,
            len: len as u32,
        };
        self.w.stmt(Stmt::AddRows(add));
    }

    fn load(&mut self, ty: Ty) -> Val {
        let buf = self.some_buffer(ty.scalar);
        let index = match self.marked.clone() {
            Some(marked) => match marked.stores.iter().find(|(b, _)| *b == buf) {
                Some((_, offset)) => self.at_variable(marked.var, *offset),
                None if self.below(2) == 0 => self.index(),
                None => {
                    let offset = self.below(8) as i32;
                    self.at_variable(marked.var, offset)
                }
            },
            None => self.index(),
        };
        self.w.load(buf, ty.scalar, index, ty.lanes)
    }

    /// A new value of some type.
    fn operation(&mut self) -> Val {
        let ty = self.some_type();
        if ty.scalar == Scalar::Bool {
            return self.truth(ty);
        }
        let float = ty.scalar.is_float();
        match self.below(12) {
            0 | 1 => self.load(ty),
            2 if ty.lanes > 1 => {
                let index = Ty { scalar: if ty.lanes == 4 { Scalar::I32 } else { Scalar::I64 }, lanes: ty.lanes };
                let index = self.masked(index, REACH - 1);
                let buf = self.some_buffer(ty.scalar);
                self.w.def(ty, Op::Gather { buf, index })
            }
            2 if float && self.below(3) == 0 => {
                let f = self.one_of(&[
                    MathFn::Sin,
                    MathFn::Cos,
                    MathFn::Tan,
                    MathFn::Asin,
                    MathFn::Acos,
                    MathFn::Atan,
                    MathFn::Atan2,
                    MathFn::Sinh,
                    MathFn::Cosh,
                    MathFn::Pow,
                    MathFn::Fmod,
                    MathFn::DrawNormal,
                    MathFn::DrawGamma,
                    MathFn::DrawPoisson,
                    MathFn::EventUniform,
                    MathFn::EventNormal,
                    MathFn::EventExponential,
                    MathFn::EventKey,
                ]);
                let arity = snnc::lir::verify::arity(f);
                let args = (0..arity).map(|_| self.pick(ty)).collect();
                self.w.def(ty, Op::Call(f, args))
            }
            3 if float => {
                let (a, b, c) = (self.pick(ty), self.pick(ty), self.pick(ty));
                self.w.fma(a, b, c)
            }
            4 => {
                let mask = self.pick(ty.with(Scalar::Bool));
                let (a, b) = (self.pick(ty), self.pick(ty));
                self.w.select(mask, a, b)
            }
            5 => self.cast(ty),
            6 if ty.lanes > 1 => match self.below(5) {
                0 => {
                    let lanes = (0..ty.lanes).map(|_| self.pick(Ty::one(ty.scalar))).collect();
                    self.w.def(ty, Op::Pack(lanes))
                }
                1 | 2 if !float => self.w.def(ty, Op::Iota(ty.lanes)),
                _ => {
                    let a = self.pick(Ty::one(ty.scalar));
                    self.w.splat(a, ty.lanes)
                }
            },
            6 if self.vectors() => {
                let lanes = if ty.scalar.bytes() == 4 { 4 } else { 2 };
                let a = self.pick(Ty { lanes, ..ty });
                if self.below(2) == 0 {
                    self.w.def(ty, Op::Sum(a))
                } else {
                    let lane = self.below(usize::from(lanes)) as u8;
                    self.w.def(ty, Op::Lane(a, lane))
                }
            }
            7 | 8 => {
                let a = self.pick(ty);
                let op = match (float, self.style) {
                    (true, Style::Element) if self.below(2) == 0 => {
                        self.one_of(&[UnOp::Exp, UnOp::Expm1, UnOp::Exprel, UnOp::Log, UnOp::Log1p, UnOp::Flush])
                    }
                    (true, _) => self.one_of(&[
                        UnOp::Neg,
                        UnOp::Abs,
                        UnOp::Sqrt,
                        UnOp::Floor,
                        UnOp::Ceil,
                        UnOp::Trunc,
                        UnOp::Nearest,
                    ]),
                    (false, _) => self.one_of(&[UnOp::Neg, UnOp::Abs, UnOp::Not]),
                };
                self.w.un(op, a)
            }
            _ => {
                let op = if float {
                    self.one_of(&[BinOp::Add, BinOp::Sub, BinOp::Mul, BinOp::Div, BinOp::Min, BinOp::Max])
                } else {
                    let mut ops = vec![
                        BinOp::Add,
                        BinOp::Sub,
                        BinOp::Mul,
                        BinOp::Min,
                        BinOp::Max,
                        BinOp::And,
                        BinOp::Or,
                        BinOp::Xor,
                        BinOp::Shl,
                        BinOp::Sar,
                        BinOp::Shr,
                    ];
                    if ty.lanes == 1 {
                        ops.extend([BinOp::Mod, BinOp::FloorDiv]);
                    }
                    self.one_of(&ops)
                };
                let (a, b) = (self.pick(ty), self.pick(ty));
                self.w.bin(op, a, b)
            }
        }
    }

    fn truth(&mut self, ty: Ty) -> Val {
        match self.below(8) {
            0 => {
                let op = self.one_of(&[BinOp::And, BinOp::Or, BinOp::Xor]);
                let (a, b) = (self.pick(ty), self.pick(ty));
                self.w.bin(op, a, b)
            }
            1 => {
                let a = self.pick(ty);
                self.w.un(UnOp::Not, a)
            }
            2 | 5 if ty.lanes == 1 && self.vectors() => {
                let lanes = self.one_of(&[2, 4]);
                let mask = self.pick(Ty { lanes, ..ty });
                let op = match self.below(3) {
                    0 => Op::Any(mask),
                    1 => Op::All(mask),
                    _ => Op::Lane(mask, self.below(usize::from(lanes)) as u8),
                };
                self.w.def(ty, op)
            }
            2 | 5 if ty.lanes > 1 => {
                let a = self.pick(Ty::BOOL);
                self.w.splat(a, ty.lanes)
            }
            3 => {
                let mask = self.pick(ty);
                let (a, b) = (self.pick(ty), self.pick(ty));
                self.w.select(mask, a, b)
            }
            _ => {
                let scalar = match ty.lanes {
                    1 => self.number(),
                    2 => self.one_of(&[Scalar::F64, Scalar::I64]),
                    _ => self.one_of(&[Scalar::F32, Scalar::I32]),
                };
                let (a, b) = (self.pick(ty.with(scalar)), self.pick(ty.with(scalar)));
                let op = self.one_of(&[CmpOp::Lt, CmpOp::Eq, CmpOp::Ne, CmpOp::Le, CmpOp::Gt, CmpOp::Ge]);
                self.w.cmp(op, a, b)
            }
        }
    }

    /// A conversion or a reinterpretation that gives `ty`.
    fn cast(&mut self, ty: Ty) -> Val {
        let partner = match ty.scalar {
            Scalar::F32 => Scalar::I32,
            Scalar::I32 => Scalar::F32,
            Scalar::F64 => Scalar::I64,
            _ => Scalar::F64,
        };
        // In a marked loop of 64-bit data there is no f32.
        let known = self.kinds().contains(&partner);
        match self.below(4) {
            0 if known => {
                let mut a = self.pick(ty.with(partner));
                if partner.is_float() {
                    // The bits of a NaN are not defined.
                    let number = self.w.cmp(CmpOp::Eq, a, a);
                    let zero = self.w.bin(BinOp::Sub, a, a);
                    let zero = self.w.select(number, a, zero);
                    let one = match partner {
                        Scalar::F32 => self.w.f32(1.25),
                        _ => self.w.constant(Const::F64(1.25)),
                    };
                    let one = if ty.lanes == 1 { one } else { self.w.splat(one, ty.lanes) };
                    a = self.w.select(number, zero, one);
                }
                self.w.def(ty, Op::Bitcast(a, ty.scalar))
            }
            1 if ty.lanes == 1 => {
                let from = self.number();
                let a = self.pick(Ty::one(from));
                self.w.def(ty, Op::Cast(a, ty.scalar))
            }
            2 if ty.scalar.is_int() => {
                let a = self.pick(ty.with(Scalar::Bool));
                self.w.def(ty, Op::Cast(a, ty.scalar))
            }
            _ => {
                let from = if known { partner } else { ty.scalar };
                let a = self.pick(ty.with(from));
                self.w.def(ty, Op::Cast(a, ty.scalar))
            }
        }
    }

    /// Stores a value, truth values as numbers.
    fn keep(&mut self, val: Val, index: i32) {
        let ty = self.w.ty(val);
        let (val, scalar) = if ty.scalar == Scalar::Bool {
            let scalar = if ty.lanes == 2 { Scalar::I64 } else { Scalar::I32 };
            (self.w.def(ty.with(scalar), Op::Cast(val, scalar)), scalar)
        } else {
            (val, ty.scalar)
        };
        let buf = self.some_buffer(scalar);
        let index = self.w.i32(index);
        self.w.store(buf, index, val);
    }
}
