//! Checks that a program keeps the contract. A program that passes makes no pass and no back end panic; what cannot be seen in
//! the text (indices inside their buffers, padding) stays the builder's promise.
//!
//! # What is checked
//!
//! 1. Buffer names and function names are not empty, hold no white space, control characters or quotes, and are unique.
//! 2. Buffers do not hold `bool`.
//! 3. Parameters are `i32`.
//! 4. Every value used or defined has an entry in the function's types; every type is legal: one lane, or 4 lanes of 32-bit kinds,
//!    2 lanes of 64-bit kinds, 2 or 4 lanes of `bool` (one lane only at element level).
//! 5. Every value is defined once, before its uses, and used only where it is visible.
//! 6. Operands and results of every operation have the types that the operation asks for; casts are only between allowed kinds.
//! 7. Buffers exist and hold the kind that a load, store, gather, scatter or append moves; indices are one `i32` or `i64`
//!    (for gathers and scatters a vector of them).
//! 8. A loop's variable and bounds are `i32`, its step is 1 to 2^31 - 1, its carried values agree in number and type.
//! 9. A choice's condition is one `bool`; its results agree with both arms in number and type.
//! 10. A marked loop has step 1, no carried values, no inner loop or choice, stores nothing at an index that does not vary, loads what
//!     it stores only at the same index, and neither loads nor stores a list that it appends to, nor its count.
//! 11. At element level there are no vectors, nor the operations that make or take them. At lane level there are no transcendentals and no `flush`,
//!     appends take a mask, and a marked loop has a step of 2 or 4, no carried values, and only definitions, stores and appends.
//! 12. Rows are added to another buffer of the same floats than they come from, and do not overlap; not in a marked loop.
//! 13. Blocks nest at most [`MAX_DEPTH`] deep.

use std::collections::{BTreeMap, BTreeSet};

use super::{AddRows, BinOp, Block, BufId, For, Function, If, MathFn, Op, Program, Scalar, Stmt, Ty, UnOp, Val, eval};

/// Which rules hold: see the contract in [`crate::lir`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Before `lanes`: no vectors.
    Element,
    /// What back ends take.
    Lane,
}

/// The deepest nesting of blocks: passes and back ends recurse over it.
pub const MAX_DEPTH: usize = 200;

/// Checks a whole program; see the module's list.
///
/// # Errors
/// Every property that does not hold, each with its function and value.
pub fn verify(program: &Program, level: Level) -> Result<(), Vec<String>> {
    let mut errors = Vec::new();
    let mut names = BTreeSet::new();
    for (k, buffer) in program.buffers.iter().enumerate() {
        if !good_name(&buffer.name) {
            errors.push(format!("buffer b{k}: {:?} is not a name", buffer.name));
        }
        if !names.insert(&buffer.name) {
            errors.push(format!("buffer b{k}: the name {} is taken", buffer.name));
        }
        if buffer.scalar == Scalar::Bool {
            errors.push(format!("buffer b{k} {}: holds bool", buffer.name));
        }
    }
    names.clear();
    for function in &program.functions {
        if !good_name(&function.name) {
            errors.push(format!("{:?} is not a function's name", function.name));
        }
        if !names.insert(&function.name) {
            errors.push(format!("the function name {} is taken", function.name));
        }
        let mut check = Check {
            program,
            function,
            level,
            defined: vec![false; function.types.len()],
            visible: vec![false; function.types.len()],
            errors: &mut errors,
        };
        for param in &function.params {
            if check.define(*param).is_some_and(|t| t != Ty::I32) {
                check.error(format!("parameter {param} is not i32"));
            }
        }
        check.block(&function.body, 0);
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Whether a type may occur at lane level.
#[must_use]
pub fn legal(ty: Ty) -> bool {
    match ty.lanes {
        1 => true,
        2 => matches!(ty.scalar, Scalar::F64 | Scalar::I64 | Scalar::Bool),
        4 => matches!(ty.scalar, Scalar::F32 | Scalar::I32 | Scalar::Bool),
        _ => false,
    }
}

fn good_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '\\'))
}

struct Check<'a> {
    program: &'a Program,
    function: &'a Function,
    level: Level,
    defined: Vec<bool>,
    visible: Vec<bool>,
    errors: &'a mut Vec<String>,
}

impl Check<'_> {
    fn error(&mut self, message: String) {
        // A broken program can have as many errors as statements; the first ones tell.
        if self.errors.len() < 100 {
            self.errors.push(format!("function {}: {message}", self.function.name));
        }
    }

    /// Notes a definition and gives its type if that is legal.
    fn define(&mut self, val: Val) -> Option<Ty> {
        let at = val.0 as usize;
        let Some(ty) = self.function.types.get(at).copied() else {
            self.error(format!("{val} has no type"));
            return None;
        };
        if self.defined[at] {
            self.error(format!("{val} is defined twice"));
        }
        self.defined[at] = true;
        self.visible[at] = true;
        if !legal(ty) || (self.level == Level::Element && ty.lanes != 1) {
            self.error(format!("{val} has the type {ty}, which does not exist at this level"));
            return None;
        }
        Some(ty)
    }

    /// The type of a value that is used here, if it may be.
    fn used(&mut self, val: Val) -> Option<Ty> {
        match self.visible.get(val.0 as usize) {
            Some(true) => self.function.types.get(val.0 as usize).copied(),
            Some(false) => {
                self.error(format!("{val} is used where it is not defined"));
                None
            }
            None => {
                self.error(format!("{val} has no type"));
                None
            }
        }
    }

    fn expect(&mut self, val: Val, want: Ty, what: &str) {
        if let Some(ty) = self.used(val)
            && ty != want
        {
            self.error(format!("{what} {val} is {ty}, not {want}"));
        }
    }

    fn buffer(&mut self, buf: BufId) -> Option<Scalar> {
        let found = self.program.buffers.get(buf.0 as usize).map(|b| b.scalar);
        if found.is_none() {
            self.error(format!("there is no buffer {buf}"));
        }
        found
    }

    fn scalar_index(&mut self, index: Val) {
        if let Some(ty) = self.used(index)
            && ty != Ty::I32
            && ty != Ty::I64
        {
            self.error(format!("the index {index} is {ty}, not i32 or i64"));
        }
    }

    fn vector_index(&mut self, index: Val, moved: Ty) {
        let want =
            if moved.lanes == 4 { Ty { scalar: Scalar::I32, lanes: 4 } } else { Ty { scalar: Scalar::I64, lanes: 2 } };
        self.expect(index, want, "the index");
    }

    fn holds(&mut self, buf: BufId, ty: Ty) {
        if let Some(scalar) = self.buffer(buf)
            && scalar != ty.scalar
        {
            self.error(format!("{buf} does not hold {}", ty.scalar_name()));
        }
    }

    /// A block of its own: what it defines is gone after `then`.
    fn scoped(&mut self, depth: usize, block: &Block, before: impl FnOnce(&mut Self), after: impl FnOnce(&mut Self)) {
        if depth >= MAX_DEPTH {
            self.error("blocks nest too deep".to_owned());
            return;
        }
        let outer = self.visible.clone();
        before(self);
        self.block(block, depth + 1);
        after(self);
        self.visible = outer;
    }

    fn block(&mut self, block: &Block, depth: usize) {
        for stmt in &block.stmts {
            match stmt {
                Stmt::Def { val, op } => {
                    let got = self.op(op);
                    if let (Some(ty), Some(got)) = (self.define(*val), got)
                        && ty != got
                    {
                        self.error(format!("{val} is {ty}, but its operation gives {got}"));
                    }
                }
                Stmt::Store { buf, index, value } => {
                    self.scalar_index(*index);
                    if let Some(ty) = self.used(*value) {
                        self.holds(*buf, ty);
                    }
                }
                Stmt::Scatter { buf, index, value } => {
                    if let Some(ty) = self.used(*value) {
                        self.holds(*buf, ty);
                        if ty.lanes == 1 {
                            self.error(format!("scatter of {value}, which is no vector"));
                        } else {
                            self.vector_index(*index, ty);
                        }
                    }
                }
                Stmt::Append { cond, list, count, value } => {
                    if self.level == Level::Element {
                        self.expect(*cond, Ty::BOOL, "the condition");
                    } else if let Some(ty) = self.used(*cond)
                        && (ty.scalar != Scalar::Bool || ty.lanes == 1)
                    {
                        self.error(format!("the append depends on {cond}, which is {ty} and no mask"));
                    }
                    self.expect(*value, Ty::I32, "the appended");
                    self.holds(*list, Ty::I32);
                    self.holds(*count, Ty::I32);
                    if list == count {
                        self.error(format!("{list} is both list and count"));
                    }
                }
                Stmt::AddRows(a) => self.add_rows(a),
                Stmt::For(f) => self.loop_(f, depth),
                Stmt::If(i) => self.choice(i, depth),
            }
        }
    }

    fn add_rows(&mut self, a: &AddRows) {
        self.expect(a.first, Ty::I32, "the first row");
        self.expect(a.end, Ty::I32, "the end of the rows");
        self.expect(a.at, Ty::I32, "the first column");
        self.holds(a.rows, Ty::I32);
        let (to, from) = (self.buffer(a.to), self.buffer(a.from));
        if to.is_some_and(|s| !s.is_float()) || to != from {
            self.error(format!("{} and {} are not floats of one kind", a.to, a.from));
        }
        if a.to == a.from {
            self.error(format!("the rows of {} are added to itself", a.to));
        }
        if a.stride < a.len {
            self.error(format!("rows of {} elements overlap at a distance of {}", a.len, a.stride));
        }
    }

    fn loop_(&mut self, f: &For, depth: usize) {
        self.expect(f.from, Ty::I32, "the loop bound");
        self.expect(f.to, Ty::I32, "the loop bound");
        if f.step == 0 || i32::try_from(f.step).is_err() {
            self.error(format!("the loop over {} has step {}", f.var, f.step));
        }
        if f.inits.len() != f.params.len() || f.next.len() != f.params.len() || f.results.len() != f.params.len() {
            self.error(format!("the loop over {} carries lists of unequal length", f.var));
        }
        let inits: Vec<_> = f.inits.iter().map(|v| self.used(*v)).collect();
        self.scoped(
            depth,
            &f.body,
            |c| {
                if c.define(f.var).is_some_and(|t| t != Ty::I32) {
                    c.error(format!("the loop variable {} is not i32", f.var));
                }
                for (k, param) in f.params.iter().enumerate() {
                    let ty = c.define(*param);
                    if let (Some(ty), Some(Some(init))) = (ty, inits.get(k))
                        && ty != *init
                    {
                        c.error(format!("{param} is {ty}, but starts as {init}"));
                    }
                }
                if f.vector {
                    let broken = if c.level == Level::Lane { marked_lanes(f) } else { marked(f) };
                    for message in broken {
                        c.error(format!("the marked loop over {} {message}", f.var));
                    }
                }
            },
            |c| {
                for (next, param) in f.next.iter().zip(&f.params) {
                    if let (Some(ty), Some(want)) = (c.used(*next), c.function.types.get(param.0 as usize).copied())
                        && ty != want
                    {
                        c.error(format!("{next} is {ty}, but continues {param}, which is {want}"));
                    }
                }
            },
        );
        for (k, result) in f.results.iter().enumerate() {
            if let (Some(ty), Some(Some(init))) = (self.define(*result), inits.get(k))
                && ty != *init
            {
                self.error(format!("{result} is {ty}, but the loop carries {init}"));
            }
        }
    }

    fn choice(&mut self, i: &If, depth: usize) {
        self.expect(i.cond, Ty::BOOL, "the condition");
        if i.then_vals.len() != i.results.len() || i.else_vals.len() != i.results.len() {
            self.error(format!("the choice on {} has lists of unequal length", i.cond));
        }
        for (block, vals) in [(&i.then, &i.then_vals), (&i.els, &i.else_vals)] {
            self.scoped(
                depth,
                block,
                |_| (),
                |c| {
                    for (val, result) in vals.iter().zip(&i.results) {
                        if let (Some(ty), Some(want)) = (c.used(*val), c.function.types.get(result.0 as usize).copied())
                            && ty != want
                        {
                            c.error(format!("{val} is {ty}, but gives {result}, which is {want}"));
                        }
                    }
                },
            );
        }
        for result in &i.results {
            self.define(*result);
        }
    }

    /// The type that an operation gives; `None` if something is wrong, which is then reported.
    fn op(&mut self, op: &Op) -> Option<Ty> {
        if self.level == Level::Element && is_lane_op(op) {
            self.error(format!("a lane operation at element level: {op:?}"));
        }
        let wrong = |c: &mut Self, ty: Ty| {
            c.error(format!("{op:?} on {ty}"));
            None
        };
        match op {
            Op::Const(c) => Some(Ty::one(c.scalar())),
            Op::Un(un, a) => {
                let ty = self.used(*a)?;
                if self.level == Level::Lane && is_expanded(*un) {
                    self.error(format!("{un:?} at lane level"));
                }
                let ok = match un {
                    UnOp::Neg | UnOp::Abs => ty.scalar != Scalar::Bool,
                    UnOp::Not => !ty.scalar.is_float(),
                    _ => ty.scalar.is_float(),
                };
                if ok { Some(ty) } else { wrong(self, ty) }
            }
            Op::Bin(bin, a, b) => {
                let ty = self.same(*a, *b)?;
                let ok = match bin {
                    BinOp::Add | BinOp::Sub | BinOp::Mul | BinOp::Min | BinOp::Max => ty.scalar != Scalar::Bool,
                    BinOp::Div => ty.scalar.is_float(),
                    BinOp::And | BinOp::Or | BinOp::Xor => !ty.scalar.is_float(),
                    BinOp::Shl | BinOp::Sar | BinOp::Shr => ty.scalar.is_int(),
                    BinOp::Mod | BinOp::FloorDiv => ty.scalar.is_int() && ty.lanes == 1,
                };
                if ok { Some(ty) } else { wrong(self, ty) }
            }
            Op::Fma(a, b, c) => {
                let ty = self.same(*a, *b)?;
                self.expect(*c, ty, "the addend");
                if ty.scalar.is_float() { Some(ty) } else { wrong(self, ty) }
            }
            Op::Cmp(_, a, b) => {
                let ty = self.same(*a, *b)?;
                if ty.scalar == Scalar::Bool { wrong(self, ty) } else { Some(ty.with(Scalar::Bool)) }
            }
            Op::Select(mask, a, b) => {
                let ty = self.same(*a, *b)?;
                self.expect(*mask, ty.with(Scalar::Bool), "the mask");
                Some(ty)
            }
            Op::Cast(a, to) => {
                let ty = self.used(*a)?;
                // A mask has the width of its lanes; elsewhere the result's type must be legal, which means equal widths.
                let legal = legal(ty.with(*to));
                if eval::cast(ty.scalar, *to, 0).is_some() && legal { Some(ty.with(*to)) } else { wrong(self, ty) }
            }
            Op::Bitcast(a, to) => {
                let ty = self.used(*a)?;
                let numbers = ty.scalar != Scalar::Bool && *to != Scalar::Bool;
                if numbers && ty.scalar.bytes() == to.bytes() { Some(ty.with(*to)) } else { wrong(self, ty) }
            }
            Op::Splat(a, lanes) => {
                let ty = self.used(*a)?;
                let out = Ty { scalar: ty.scalar, lanes: *lanes };
                if ty.lanes == 1 && *lanes > 1 && legal(out) { Some(out) } else { wrong(self, ty) }
            }
            Op::Lane(a, n) => {
                let ty = self.used(*a)?;
                if ty.lanes > 1 && *n < ty.lanes { Some(Ty::one(ty.scalar)) } else { wrong(self, ty) }
            }
            Op::Iota(lanes) => match lanes {
                4 => Some(Ty { scalar: Scalar::I32, lanes: 4 }),
                2 => Some(Ty { scalar: Scalar::I64, lanes: 2 }),
                _ => {
                    self.error(format!("iota of {lanes} lanes"));
                    None
                }
            },
            Op::Any(a) | Op::All(a) => {
                let ty = self.used(*a)?;
                if ty.scalar == Scalar::Bool && ty.lanes > 1 { Some(Ty::BOOL) } else { wrong(self, ty) }
            }
            Op::Sum(a) => {
                let ty = self.used(*a)?;
                if ty.scalar != Scalar::Bool && ty.lanes > 1 { Some(Ty::one(ty.scalar)) } else { wrong(self, ty) }
            }
            Op::Load { buf, index, lanes } => {
                self.scalar_index(*index);
                let ty = Ty { scalar: self.buffer(*buf)?, lanes: *lanes };
                if legal(ty) { Some(ty) } else { wrong(self, ty) }
            }
            Op::Gather { buf, index } => {
                let scalar = self.buffer(*buf)?;
                let ty = Ty { scalar, lanes: if scalar.bytes() == 4 { 4 } else { 2 } };
                self.vector_index(*index, ty);
                Some(ty)
            }
            Op::Pack(parts) => {
                let Some(first) = parts.first() else {
                    self.error("a vector of no lanes".to_owned());
                    return None;
                };
                let ty = self.used(*first)?;
                for part in parts {
                    self.expect(*part, ty, "the lane");
                }
                let out = Ty { scalar: ty.scalar, lanes: u8::try_from(parts.len()).unwrap_or(0) };
                let ok = ty.lanes == 1 && out.lanes > 1 && ty.scalar != Scalar::Bool && legal(out);
                if ok { Some(out) } else { wrong(self, ty) }
            }
            Op::Call(f, args) => {
                let Some(first) = args.first() else {
                    self.error(format!("{f:?} of nothing"));
                    return None;
                };
                let ty = self.used(*first)?;
                for arg in args {
                    self.expect(*arg, ty, "the argument");
                }
                let ok = ty.lanes == 1 && ty.scalar.is_float() && args.len() == arity(*f);
                if ok { Some(ty) } else { wrong(self, ty) }
            }
        }
    }

    fn same(&mut self, a: Val, b: Val) -> Option<Ty> {
        let (a_ty, b_ty) = (self.used(a)?, self.used(b)?);
        if a_ty == b_ty {
            return Some(a_ty);
        }
        self.error(format!("{a} is {a_ty}, but {b} is {b_ty}"));
        None
    }
}

/// How many arguments a library function takes.
#[must_use]
pub fn arity(f: MathFn) -> usize {
    match f {
        MathFn::Sin | MathFn::Cos | MathFn::Tan | MathFn::Asin | MathFn::Acos | MathFn::Atan => 1,
        MathFn::Sinh | MathFn::Cosh => 1,
        MathFn::Pow | MathFn::Fmod | MathFn::Atan2 => 2,
        MathFn::DrawNormal => 3,
        MathFn::DrawGamma
        | MathFn::DrawPoisson
        | MathFn::EventUniform
        | MathFn::EventNormal
        | MathFn::EventExponential
        | MathFn::EventKey => 4,
    }
}

/// Whether `expand` replaces the operation.
pub(crate) fn is_expanded(op: UnOp) -> bool {
    matches!(op, UnOp::Flush | UnOp::Exp | UnOp::Expm1 | UnOp::Exprel | UnOp::Log | UnOp::Log1p)
}

/// Whether the operation makes or takes vectors whatever its operands.
fn is_lane_op(op: &Op) -> bool {
    match op {
        Op::Splat(..)
        | Op::Lane(..)
        | Op::Iota(_)
        | Op::Any(_)
        | Op::All(_)
        | Op::Sum(_)
        | Op::Gather { .. }
        | Op::Pack(_) => true,
        Op::Load { lanes, .. } => *lanes != 1,
        _ => false,
    }
}

/// What breaks the rules of marked loops at lane level.
fn marked_lanes(f: &For) -> Vec<String> {
    let mut broken = Vec::new();
    if !matches!(f.step, 2 | 4) {
        broken.push(format!("has step {}", f.step));
    }
    if !f.params.is_empty() {
        broken.push("carries values".to_owned());
    }
    if !f.body.stmts.iter().all(|s| matches!(s, Stmt::Def { .. } | Stmt::Store { .. } | Stmt::Append { .. })) {
        broken.push("holds more than definitions, stores and appends".to_owned());
    }
    broken
}

/// What a marked loop does that its mark forbids. Indices are compared by how they are computed: equal operations on equal
/// operands are the same index.
fn marked(f: &For) -> Vec<String> {
    let mut broken = Vec::new();
    if f.step != 1 {
        broken.push(format!("has step {}", f.step));
    }
    if !f.params.is_empty() {
        broken.push("carries values".to_owned());
    }
    let (mut stored, mut appended) = (BTreeSet::new(), BTreeSet::new());
    for stmt in &f.body.stmts {
        match stmt {
            Stmt::Store { buf, .. } | Stmt::Scatter { buf, .. } => {
                stored.insert(*buf);
            }
            Stmt::Append { list, count, .. } => {
                appended.insert(*list);
                appended.insert(*count);
            }
            Stmt::AddRows(_) => broken.push("adds rows".to_owned()),
            Stmt::For(_) | Stmt::If(_) => broken.push("has an inner loop or choice".to_owned()),
            Stmt::Def { .. } => {}
        }
    }
    for buf in stored.intersection(&appended) {
        broken.push(format!("stores to {buf}, to which it appends"));
    }
    // Value numbering: each value of the body stands for the first one that is computed the same way.
    let mut canon: BTreeMap<Val, Val> = BTreeMap::new();
    let mut known: BTreeMap<String, Val> = BTreeMap::new();
    let mut varies: BTreeSet<Val> = BTreeSet::from([f.var]);
    let (mut stores, mut loads): (Vec<(BufId, Val)>, Vec<(BufId, Val)>) = (Vec::new(), Vec::new());
    for stmt in &f.body.stmts {
        match stmt {
            Stmt::Def { val, op } => {
                let mut op = op.clone();
                op.operands_mut(|v| *v = canon.get(v).copied().unwrap_or(*v));
                if let Op::Bin(BinOp::Add | BinOp::Mul | BinOp::And | BinOp::Or | BinOp::Xor, a, b) = &mut op
                    && b < a
                {
                    std::mem::swap(a, b);
                }
                let mut any = false;
                op.operands(|v| any |= varies.contains(&v));
                if any {
                    varies.insert(*val);
                }
                let pure = match &op {
                    Op::Load { buf, index, .. } | Op::Gather { buf, index } => {
                        loads.push((*buf, *index));
                        if appended.contains(buf) {
                            broken.push(format!("loads {buf}, to which it appends"));
                        }
                        !stored.contains(buf)
                    }
                    _ => true,
                };
                if pure {
                    // Constants are told apart by their bits, which the printed form of a NaN would hide.
                    let key = if let Op::Const(c) = &op { format!("{:?}", c.key()) } else { format!("{op:?}") };
                    let first = *known.entry(key).or_insert(*val);
                    canon.insert(*val, first);
                }
            }
            Stmt::Store { buf, index, .. } | Stmt::Scatter { buf, index, .. } => {
                let index = canon.get(index).copied().unwrap_or(*index);
                if !varies.contains(&index) {
                    broken.push(format!("stores to {buf} at {index}, which does not vary"));
                }
                stores.push((*buf, index));
            }
            _ => {}
        }
    }
    for (buf, index) in loads {
        if let Some((_, other)) = stores.iter().find(|(b, at)| *b == buf && *at != index) {
            broken.push(format!("stores to {buf} at {other}, but loads it at {index}"));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lir::{Const, text};

    /// A function over `f32` b0, `i32` b1, `i32` b2, `f64` b3, `i64` b4 with a parameter `v0` and some values of every kind.
    fn function(body: &str) -> Program {
        let text = format!(
            "buffer b0 \"x\": f32[64] buffer b1 \"list\": i32[64] buffer b2 \"count\": i32[1]
             buffer b3 \"y\": f64[64] buffer b4 \"k\": i64[64]
             fn f0 \"go\"(v0) {{
               v1: f32 = const f32 1.5  v2: f64 = const f64 2.5  v3: i64 = const i64 3  v4: bool = const bool true
               {body}
             }}"
        );
        text::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
    }

    #[track_caller]
    fn refused(level: Level, body: &str, words: &str) {
        let errors = verify(&function(body), level).expect_err(body);
        assert!(errors.iter().any(|e| e.contains(words)), "{errors:?} should say {words:?}");
    }

    #[track_caller]
    fn accepted(level: Level, body: &str) {
        verify(&function(body), level).unwrap_or_else(|e| panic!("{e:?} in {body}"));
    }

    #[test]
    fn names_and_buffers() {
        let mut p = function("");
        verify(&p, Level::Element).unwrap();
        p.buffers[1].name = "x".to_owned();
        p.buffers[2].name = "a b".to_owned();
        p.buffers[3].scalar = Scalar::Bool;
        p.functions.push(p.functions[0].clone());
        p.functions.push(Function { name: String::new(), ..p.functions[0].clone() });
        let errors = verify(&p, Level::Lane).unwrap_err().join("\n");
        for words in
            ["name x is taken", "\"a b\" is not a name", "holds bool", "function name go is taken", "\"\" is not"]
        {
            assert!(errors.contains(words), "{errors}: {words}");
        }
    }

    #[test]
    fn parameters_and_types() {
        let mut p = function("v5: i32 = add v0, v0");
        p.functions[0].types[0] = Ty::F32;
        let errors = verify(&p, Level::Lane).unwrap_err().join("\n");
        assert!(errors.contains("parameter v0 is not i32"), "{errors}");
        p.functions[0].types.truncate(3);
        let errors = verify(&p, Level::Lane).unwrap_err().join("\n");
        assert!(errors.contains("v5 has no type"), "{errors}");
        refused(Level::Lane, "v5: f32x2 = splat 2 v1", "which does not exist");
        refused(Level::Lane, "v5: f64x4 = splat 4 v2", "Splat");
    }

    #[test]
    fn single_definition_and_scopes() {
        refused(Level::Lane, "v5: i32 = add v0, v0  v5: i32 = add v0, v0", "defined twice");
        refused(Level::Lane, "v5: i32 = add v6, v0  v6: i32 = add v0, v0", "v6 is used where");
        refused(
            Level::Lane,
            "for v5 = v0 to v0 step 1 { v6: i32 = add v5, v5 } v7: i32 = add v6, v0",
            "v6 is used where",
        );
        refused(Level::Lane, "for v5 = v0 to v0 step 1 { } v6: i32 = add v5, v0", "v5 is used where");
        refused(Level::Lane, "if v4 { v5: i32 = add v0, v0 } else { v6: i32 = add v5, v0 }", "v5 is used where");
        accepted(
            Level::Lane,
            "if v4 { v5: i32 = add v0, v0 } else { v6: i32 = sub v0, v0 } -> (v7: i32) = (v5) else (v6)",
        );
    }

    #[test]
    fn operations() {
        for (body, words) in [
            ("v5: f32 = add v1, v2", "v1 is f32, but v2 is f64"),
            ("v5: i32 = const f32 1.0", "gives f32"),
            ("v5: bool = add v4, v4", "Add"),
            ("v5: i32 = div v0, v0", "Div"),
            ("v5: f32 = and v1, v1", "And"),
            ("v5: f32 = shl v1, v1", "Shl"),
            ("v5: f32 = mod v1, v1", "Mod"),
            ("v5: f32 = not v1", "Not"),
            ("v5: i32 = sqrt v0", "Sqrt"),
            ("v5: bool = neg v4", "Neg"),
            ("v5: i32 = fma v0, v0, v0", "Fma"),
            ("v5: f32 = fma v1, v1, v2", "addend"),
            ("v5: bool = eq v4, v4", "Cmp"),
            ("v5: f32 = select v0, v1, v1", "mask"),
            ("v5: bool = cast bool v0", "Cast"),
            ("v5: f32 = cast f32 v4", "Cast"),
            ("v5: i64 = bitcast i64 v1", "Bitcast"),
            ("v5: f32x4 = splat 4 v1  v6: f64x2 = cast f64 v5", "Cast"),
            ("v5: f32x4 = splat 4 v1  v6: f32 = lane 4 v5", "Lane"),
            ("v5: f32 = lane 0 v1", "Lane"),
            ("v5: i32x4 = iota 3", "iota"),
            ("v5: bool = any v4", "Any"),
            ("v5: f32 = sum v1", "Sum"),
            ("v5: f32x4 = pack (v1, v1)", "Pack"),
            ("v5: boolx2 = pack (v4, v4)", "Pack"),
            ("v5: f32 = call pow (v1)", "Call"),
            ("v5: i32 = call sin (v0)", "Call"),
            ("v5: f32 = call sin ()", "of nothing"),
            ("v5: i32x4 = iota 4  v6: i32x4 = floordiv v5, v5", "FloorDiv"),
        ] {
            refused(Level::Lane, body, words);
        }
        accepted(
            Level::Lane,
            "v5: f32x4 = splat 4 v1  v6: i32x4 = cast i32 v5  v7: f32 = sum v5  v8: i32 = cast i32 v4",
        );
        accepted(Level::Lane, "v5: boolx2 = splat 2 v4  v6: i64x2 = cast i64 v5  v7: bool = all v5");
        accepted(Level::Element, "v5: f32 = cast f32 v0  v6: f32 = log v5  v7: f32 = call fmod (v5, v6)");
    }

    #[test]
    fn memory() {
        for (body, words) in [
            ("store b9[v0], v1", "no buffer b9"),
            ("store b3[v0], v1", "b3 does not hold f32"),
            ("store b0[v1], v1", "the index v1 is f32"),
            ("v5: f64 = load b0[v0]", "gives f32"),
            ("v5: f32x2 = load 2 b0[v0]", "Load"),
            ("v5: i32x4 = iota 4  v6: f64x2 = gather b3[v5]", "the index"),
            ("v5: f32 = gather b0[v0]", "the index"),
            ("scatter b0[v0], v1", "no vector"),
            ("v5: f32x4 = splat 4 v1  v6: i64x2 = iota 2  scatter b0[v6], v5", "the index"),
        ] {
            refused(Level::Lane, body, words);
        }
        refused(Level::Element, "append b0, b2, v0 if v4", "b0 does not hold i32");
        refused(Level::Element, "append b1, b1, v0 if v4", "both list and count");
        refused(Level::Element, "append b1, b2, v1 if v4", "the appended");
        refused(Level::Element, "append b1, b2, v0 if v0", "the condition");
    }

    #[test]
    fn loops_and_choices() {
        for (body, words) in [
            ("for v5 = v1 to v0 step 1 { }", "loop bound"),
            ("for v5: i64 = v0 to v0 step 1 { }", "loop variable"),
            ("for v5 = v0 to v0 step 0 { }", "has step 0"),
            ("for v5 = v0 to v0 step 4000000000 { }", "has step 4000000000"),
            ("for v5 = v0 to v0 step 1 with (v6: f32) = (v1) { } -> (v7: f32) = ()", "unequal length"),
            ("for v5 = v0 to v0 step 1 with (v6: f32) = (v2) { } -> (v7: f32) = (v6)", "starts as f64"),
            ("for v5 = v0 to v0 step 1 with (v6: f32) = (v1) { } -> (v7: f32) = (v2)", "continues v6"),
            ("for v5 = v0 to v0 step 1 with (v6: f32) = (v1) { } -> (v7: f64) = (v6)", "the loop carries f32"),
            ("if v0 { }", "the condition"),
            ("if v4 { } -> (v5: f32) = (v1) else ()", "unequal length"),
            ("if v4 { } -> (v5: f32) = (v1) else (v2)", "gives v5, which is f32"),
        ] {
            refused(Level::Lane, body, words);
        }
    }

    #[test]
    fn marked_loops() {
        for (body, words) in [
            ("vector for v5 = v0 to v0 step 2 { }", "has step 2"),
            ("vector for v5 = v0 to v0 step 1 with (v6: f32) = (v1) { } -> (v7: f32) = (v6)", "carries values"),
            ("vector for v5 = v0 to v0 step 1 { if v4 { } }", "inner loop or choice"),
            ("vector for v5 = v0 to v0 step 1 { store b0[v0], v1 }", "does not vary"),
            (
                "vector for v5 = v0 to v0 step 1 { v6: i32 = add v5, v0  v7: f32 = load b0[v6]  store b0[v5], v7 }",
                "but loads it at v6",
            ),
            (
                "vector for v5 = v0 to v0 step 1 { append b1, b2, v5 if v4  v6: i32 = load b1[v5] }",
                "to which it appends",
            ),
            ("vector for v5 = v0 to v0 step 1 { append b1, b2, v5 if v4  store b2[v5], v5 }", "to which it appends"),
        ] {
            refused(Level::Element, body, words);
        }
        // The same index, though computed twice.
        accepted(
            Level::Element,
            "vector for v5 = v0 to v0 step 1 {
               v6: i32 = add v5, v0  v7: i32 = add v0, v5  v8: f32 = load b0[v6]  store b0[v7], v8
             }",
        );
    }

    #[test]
    fn levels() {
        refused(Level::Element, "v5: f32x4 = splat 4 v1", "lane operation");
        refused(Level::Element, "v5: f32x4 = load 4 b0[v0]", "lane operation");
        refused(Level::Lane, "vector for v5 = v0 to v0 step 1 { }", "has step 1");
        refused(Level::Lane, "vector for v5 = v0 to v0 step 4 { if v4 { } }", "more than definitions");
        refused(Level::Lane, "append b1, b2, v0 if v4", "no mask");
        refused(Level::Lane, "v5: f32 = exp v1", "Exp at lane level");
        refused(Level::Lane, "v5: f32 = flush v1", "Flush at lane level");
        accepted(Level::Element, "append b1, b2, v0 if v4  v5: f32 = exp v1");
    }

    #[test]
    fn depth() {
        let mut p = function("");
        let mut block = Block::default();
        for _ in 0..MAX_DEPTH + 1 {
            let choice = If {
                cond: Val(4),
                then: block,
                then_vals: vec![],
                els: Block::default(),
                else_vals: vec![],
                results: vec![],
            };
            block = Block { stmts: vec![Stmt::If(Box::new(choice))] };
        }
        let cond = Stmt::Def { val: Val(4), op: Op::Const(Const::Bool(true)) };
        block.stmts.insert(0, cond);
        p.functions[0].body = block;
        assert!(verify(&p, Level::Lane).unwrap_err().join("\n").contains("too deep"));
    }
}
