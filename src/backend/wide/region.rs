//! What a loop nest holds, found before any code is made.

use std::collections::{BTreeMap, BTreeSet};

use super::Refused;
use super::vector::{Side, rare_side};
use crate::lir::{
    AddRows, BinOp, Block, BufId, CmpOp, Const, For, Function, Op, PAD, Program, Scalar, Stmt, Ty, UnOp, Val,
};

/// A loop nest with at most this many elements is not worth a call.
const FEW: i64 = 16;

/// A value that is the same in every iteration of the whole nest, in every lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fixed {
    /// The bytes of a constant, in as many lanes as the widest vectors have.
    Bytes([u8; 64]),
    /// A scalar argument, copied to all lanes.
    Arg(usize),
    /// Computed before the nest from other fixed values.
    Computed,
}

/// A loop nest and what is known of it.
pub(super) struct Region<'a> {
    program: &'a Program,
    function: &'a Function,
    /// The definitions inside.
    pub(super) inside: BTreeMap<Val, &'a Op>,
    /// What is fixed, and the definitions of what is computed, in an order in which they can be computed.
    pub(super) fixed: BTreeMap<Val, Fixed>,
    pub(super) computed: Vec<(Val, &'a Op)>,
    /// What has been found not to be fixed: values are used many times, and looked at once.
    varying: BTreeSet<Val>,
    /// Arguments by number.
    pub(super) args: Vec<Val>,
    /// How often a buffer is touched in the code; in loops it counts more.
    pub(super) buffers: BTreeMap<BufId, u32>,
    /// The values that are read.
    used: BTreeSet<Val>,
    /// Loop variables that start at a number that is not negative.
    pub(super) naturals: BTreeSet<Val>,
    /// The lanes are 32 bits wide, not 64.
    pub(super) narrow: bool,
    /// The rows that the nest adds, a part at a time.
    pub(super) rows: Option<AddRows>,
}

impl<'a> Region<'a> {
    /// Looks at a nest.
    ///
    /// # Errors
    /// If it is nothing for a wide kernel.
    pub(super) fn new(
        program: &'a Program,
        function: &'a Function,
        nest: &'a For,
        outside: &dyn Fn(Val) -> Option<&'a Op>,
    ) -> Result<Self, Refused> {
        let mut region = Self {
            program,
            function,
            inside: BTreeMap::new(),
            fixed: BTreeMap::new(),
            computed: Vec::new(),
            varying: BTreeSet::new(),
            args: Vec::new(),
            buffers: BTreeMap::new(),
            used: BTreeSet::new(),
            naturals: BTreeSet::new(),
            narrow: true,
            rows: None,
        };
        let mut marked = Vec::new();
        region.walk_for(nest, &mut marked, 1)?;
        let Some(step) = marked.first().copied() else { return Err("no marked loop".to_owned()) };
        if marked.iter().any(|s| *s != step) {
            return Err("loops of different lanes".to_owned());
        }
        region.narrow = step == 4;
        if nest.vector
            && let (Some(Op::Const(Const::I32(from))), Some(Op::Const(Const::I32(to)))) =
                (outside(nest.from), outside(nest.to))
            && i64::from(*to) - i64::from(*from) <= FEW
        {
            return Err("few elements".to_owned());
        }
        // What is used is fixed, varies inside, or is an argument.
        for val in region.used.clone() {
            if region.resolve(val, outside)?.is_none() && !region.inside.contains_key(&val) && !region.is_int(val) {
                return Err(format!("{val} comes from outside"));
            }
        }
        region.find_naturals(nest);
        Ok(region)
    }

    fn find_naturals(&mut self, f: &'a For) {
        if matches!(self.fixed.get(&f.from), Some(Fixed::Bytes([_, _, _, 0..0x80, ..]))) {
            self.naturals.insert(f.var);
        }
        let mut blocks = vec![&f.body];
        while let Some(block) = blocks.pop() {
            for stmt in &block.stmts {
                match stmt {
                    Stmt::For(f) => self.find_naturals(f),
                    Stmt::If(i) => blocks.extend([&i.then, &i.els]),
                    _ => {}
                }
            }
        }
    }

    pub(super) fn ty(&self, val: Val) -> Ty {
        self.function.types.get(val.0 as usize).copied().unwrap_or(Ty::I64)
    }

    /// Whether it lives in a vector register: vectors, masks, and scalar floats, which are there in all lanes.
    pub(super) fn is_vector(&self, val: Val) -> bool {
        let ty = self.ty(val);
        ty.lanes > 1 || ty.scalar.is_float()
    }

    /// What a splat of a splat stands for.
    pub(super) fn root(&self, val: Val) -> Val {
        match self.computed.iter().find(|(v, _)| *v == val) {
            Some((_, Op::Splat(a, _))) => self.root(*a),
            _ => val,
        }
    }

    /// Whether it is a scalar integer of 32 bits: those live in general registers.
    pub(super) fn is_int(&self, val: Val) -> bool {
        self.ty(val) == Ty::I32
    }

    /// Bytes of an element of a buffer.
    pub(super) fn bytes(&self, buf: BufId) -> u64 {
        self.program.buffers.get(buf.0 as usize).map_or(4, |b| b.scalar.bytes())
    }

    pub(super) fn kind(&self, buf: BufId) -> Scalar {
        self.program.buffers.get(buf.0 as usize).map_or(Scalar::F32, |b| b.scalar)
    }

    /// The number of an argument.
    pub(super) fn arg(&mut self, val: Val) -> usize {
        match self.args.iter().position(|v| *v == val) {
            Some(n) => n,
            None => {
                self.args.push(val);
                self.args.len() - 1
            }
        }
    }

    fn walk_for(&mut self, f: &'a For, marked: &mut Vec<u32>, weight: u32) -> Result<(), Refused> {
        if !f.params.is_empty() {
            return Err("a loop that carries values".to_owned());
        }
        self.read(f.from);
        self.read(f.to);
        if f.vector {
            marked.push(f.step);
        }
        self.walk(&f.body, marked, if f.vector { weight * 8 } else { weight })
    }

    fn walk(&mut self, block: &'a Block, marked: &mut Vec<u32>, weight: u32) -> Result<(), Refused> {
        for stmt in &block.stmts {
            match stmt {
                Stmt::Def { val, op } => {
                    self.check(*val, op)?;
                    self.inside.insert(*val, op);
                    op.operands(|v| self.read(v));
                    if let Op::Load { buf, .. } = op {
                        self.touch(*buf, weight);
                    }
                }
                Stmt::Store { buf, index, value } => {
                    let fits = self.kind(*buf) == self.ty(*value).scalar && self.is_int(*index);
                    if !fits || self.ty(*value).lanes == 1 && !self.is_int(*value) {
                        return Err("a store that wide kernels do not have".to_owned());
                    }
                    self.touch(*buf, weight);
                    self.read(*index);
                    self.read(*value);
                }
                Stmt::Append { cond, value, .. } => {
                    self.read(*cond);
                    self.read(*value);
                }
                Stmt::For(f) => self.walk_for(f, marked, weight)?,
                Stmt::If(i) => {
                    if !i.results.is_empty() {
                        return Err("a choice with results".to_owned());
                    }
                    self.read(i.cond);
                    // What runs rarely gets no registers.
                    let rare = rare_side(i);
                    self.walk(&i.then, marked, if rare == Some(Side::Then) { 0 } else { weight })?;
                    self.walk(&i.els, marked, if rare == Some(Side::Else) { 0 } else { weight })?;
                }
                Stmt::AddRows(a) => self.add_rows(a, weight)?,
                Stmt::Scatter { .. } => return Err("a scatter".to_owned()),
            }
        }
        Ok(())
    }

    /// Parts of rows, as long as blocks are, of one list of rows.
    fn add_rows(&mut self, a: &AddRows, weight: u32) -> Result<(), Refused> {
        let same =
            |b: &AddRows| (b.from, b.rows, b.first, b.end, b.stride) == (a.from, a.rows, a.first, a.end, a.stride);
        if u64::from(a.len) != PAD || !self.rows.as_ref().is_none_or(same) {
            return Err("rows that wide kernels do not add".to_owned());
        }
        self.rows = Some(*a);
        self.touch(a.to, 4 * weight);
        for val in [a.first, a.end, a.at] {
            self.read(val);
        }
        Ok(())
    }

    fn read(&mut self, val: Val) {
        self.used.insert(val);
    }

    fn touch(&mut self, buf: BufId, weight: u32) {
        *self.buffers.entry(buf).or_insert(0) += weight;
    }

    /// Whether wide kernels have an operation.
    fn check(&self, val: Val, op: &Op) -> Result<(), Refused> {
        let ty = self.ty(val);
        let refused = || Err(format!("{val}: {ty} by an operation that wide kernels do not have"));
        let of = |v: &Val| self.ty(*v);
        if ty.lanes == 1 && ty.scalar == Scalar::I32 {
            return match op {
                Op::Const(_) | Op::Bin(BinOp::Add | BinOp::Sub | BinOp::Mul | BinOp::And, ..) => Ok(()),
                Op::Load { index, .. } if self.is_int(*index) => Ok(()),
                _ => refused(),
            };
        }
        if ty.lanes == 1 && ty.scalar == Scalar::Bool {
            return match op {
                Op::Cmp(_, a, _) if of(a) == Ty::I32 => Ok(()),
                _ => refused(),
            };
        }
        // The loop variable among 64-bit lanes.
        if ty == Ty::I64 && matches!(op, Op::Cast(a, _) if of(a) == Ty::I32) {
            return Ok(());
        }
        if ty.lanes == 1 && !ty.scalar.is_float() && !matches!(op, Op::Const(_)) {
            return refused();
        }
        if ty.lanes == 1 && matches!(op, Op::Select(..) | Op::Cast(..) | Op::Bitcast(..)) {
            return refused();
        }
        match op {
            Op::Const(_) => Ok(()),
            Op::Un(un, _) => match un {
                UnOp::Neg | UnOp::Not => Ok(()),
                UnOp::Abs if ty.scalar != Scalar::I64 => Ok(()),
                UnOp::Sqrt | UnOp::Floor | UnOp::Ceil | UnOp::Trunc | UnOp::Nearest => Ok(()),
                _ => refused(),
            },
            Op::Bin(bin, ..) => match bin {
                BinOp::Add | BinOp::Sub | BinOp::And | BinOp::Or | BinOp::Xor => Ok(()),
                BinOp::Mul | BinOp::Min | BinOp::Max if ty.scalar != Scalar::I64 => Ok(()),
                BinOp::Div if ty.scalar.is_float() => Ok(()),
                BinOp::Shl | BinOp::Shr => Ok(()),
                BinOp::Sar if ty.scalar == Scalar::I32 => Ok(()),
                _ => refused(),
            },
            Op::Fma(..) | Op::Select(..) | Op::Bitcast(..) => Ok(()),
            Op::Cmp(cmp, a, _) => {
                let known = of(a).scalar != Scalar::I64 || matches!(cmp, CmpOp::Eq | CmpOp::Ne | CmpOp::Gt | CmpOp::Lt);
                if known && of(a).lanes > 1 { Ok(()) } else { refused() }
            }
            Op::Cast(a, to) => match (of(a).scalar, to) {
                (Scalar::I32, Scalar::F32) | (Scalar::Bool, Scalar::I32 | Scalar::I64) => Ok(()),
                _ => refused(),
            },
            Op::Splat(..) | Op::Iota(_) => Ok(()),
            Op::Load { buf, index, lanes } => {
                if self.is_int(*index) && self.kind(*buf) == ty.scalar && (*lanes > 1 || ty.scalar.is_float()) {
                    Ok(())
                } else {
                    refused()
                }
            }
            _ => refused(),
        }
    }

    /// What is fixed about a value, if it is fixed; notes it.
    fn resolve(&mut self, val: Val, outside: &dyn Fn(Val) -> Option<&'a Op>) -> Result<Option<Fixed>, Refused> {
        if let Some(known) = self.fixed.get(&val) {
            return Ok(Some(*known));
        }
        if self.varying.contains(&val) {
            return Ok(None);
        }
        let ty = self.ty(val);
        let is_inside = self.inside.contains_key(&val);
        let Some(op) = self.inside.get(&val).copied().or_else(|| outside(val)) else {
            // A parameter, a loop variable, a result: integers are read where they are needed.
            if ty.lanes == 1 && ty.scalar.is_float() {
                let n = self.arg(val);
                self.fixed.insert(val, Fixed::Arg(n));
                return Ok(Some(Fixed::Arg(n)));
            }
            return Ok(None);
        };
        let fixed = match op {
            Op::Const(c) => Some(Fixed::Bytes(repeated(*c))),
            Op::Iota(lanes) => Some(Fixed::Bytes(ramp(*lanes))),
            _ if ty.lanes == 1 && !is_inside => {
                if ty.scalar.is_float() {
                    let n = self.arg(val);
                    Some(Fixed::Arg(n))
                } else {
                    None
                }
            }
            _ if ty.lanes == 1 && !ty.scalar.is_float() => None,
            Op::Splat(a, _) => match self.resolve(*a, outside)? {
                // One computed value serves as scalar and as vector.
                Some(Fixed::Computed) => Some(Fixed::Computed),
                None if self.is_int(*a) && !self.inside.contains_key(a) && outside(*a).is_some() => {
                    let n = self.arg(*a);
                    Some(Fixed::Arg(n))
                }
                other => other,
            },
            Op::Load { .. } => None,
            _ => {
                if !is_inside {
                    self.check(val, op)?;
                }
                let mut all = true;
                let mut operands = Vec::new();
                op.operands(|v| operands.push(v));
                for v in operands {
                    all &= self.resolve(v, outside)?.is_some();
                }
                all.then_some(Fixed::Computed)
            }
        };
        if let Some(fixed) = fixed {
            if fixed == Fixed::Computed {
                self.computed.push((val, op));
            }
            self.fixed.insert(val, fixed);
        } else if !is_inside && ty.lanes > 1 {
            return Err(format!("{val} is a vector from outside"));
        } else {
            self.varying.insert(val);
        }
        Ok(fixed)
    }
}

/// A constant in every lane.
fn repeated(c: Const) -> [u8; 64] {
    let (scalar, bits) = c.key();
    let bits = if scalar == Scalar::Bool { bits.wrapping_neg() } else { bits };
    let bytes = bits.to_le_bytes();
    let lane = if scalar.bytes() == 4 { 4 } else { 8 };
    std::array::from_fn(|k| bytes.get(k % lane).copied().unwrap_or(0))
}

/// The numbers of the lanes of four vectors of `lanes` lanes.
fn ramp(lanes: u8) -> [u8; 64] {
    let lane = if lanes == 4 { 4 } else { 8 };
    std::array::from_fn(|k| if k % lane == 0 { (k / lane) as u8 } else { 0 })
}
