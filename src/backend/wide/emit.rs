//! Control flow, integers and addresses of wide kernels. Integers live in general registers, or nowhere: sums and products are computed where
//! they are needed and kept to the end of the block.
//!
//! Registers: `rdi` has the table of buffers, `rsi` the arguments, `r11` is scratch, `rbp` and `rsp` frame the stack; the rest hold
//! base pointers of buffers and integers.

use std::collections::BTreeMap;

use super::asm::{Asm, Cond, Gpr, Mem, RBP, RSP, Rm, vop};
use super::later::{Later, What};
use super::masks::Mask;
use super::region::{Fixed, Region};
use super::rows::{Resident, Rows};
use super::vector::{Key, Side, rare_side};
use super::{Kernel, Refused, Width};
use crate::lir::{BinOp, Block, BufId, CmpOp, For, If, Op, Stmt, Val};

const TABLE: Gpr = 7;
const ARGS: Gpr = 6;
pub(super) const SCRATCH: Gpr = 11;

/// Registers for pointers and integers; the first are free to use, the others belong to the caller.
const GENERAL: [Gpr; 11] = [0, 1, 2, 8, 9, 10, 3, 12, 13, 14, 15];

/// Registers that base pointers may take; the other buffers load theirs at every use.
const POINTERS: usize = 5;

/// A loop of known length with at most this many wide iterations is written out.
const WRITTEN_OUT: i64 = 4;

/// Where an integer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Int {
    Known(i32),
    Reg(Gpr),
}

/// A kernel under construction.
pub(super) struct Emitter<'r, 'a> {
    pub(super) region: &'r mut Region<'a>,
    /// The width of whole vectors.
    pub(super) full: Width,
    pub(super) asm: Asm,
    pub(super) free: Vec<Gpr>,
    pointers: BTreeMap<BufId, Gpr>,
    /// Integers of the open blocks, and which registers each block took.
    pub(super) ints: BTreeMap<Val, Int>,
    pub(super) scopes: Vec<Vec<(Val, Option<Gpr>)>>,
    /// Bytes of the frame, and the places of vectors in it.
    frame: i32,
    pub(super) homes: BTreeMap<Key, i32>,
    /// Fixed values that have a register in the whole kernel.
    pub(super) pinned: BTreeMap<Key, u8>,
    /// How this version of the nest finds the rows that it adds.
    pub(super) rows: Rows,
    /// The addresses of the first of them, as far as there are registers.
    pub(super) row_registers: Vec<Gpr>,
    /// What is still to be written, behind the nest.
    pub(super) later: Vec<Later<'a>>,
    /// The block that rows have been added to, while it is in registers.
    pub(super) resident: Option<Resident>,
    /// Masks of lanes that append, once all vectors of a block are done; `None`: at once.
    pub(super) waiting: Option<Vec<Waiting>>,
    /// The number of the loop over vectors that is being written out.
    pub(super) at: i32,
    /// Addresses of rows may take registers that only rare code lacks then.
    pub(super) holds_rows: bool,
    /// Values may stay in registers beyond a loop over vectors.
    pub(super) keeps: bool,
    /// Fixed values have so many registers that those of bodies may not last, which is an error then.
    pub(super) tight: bool,
}

/// A mask that waits in a register.
pub(super) struct Waiting {
    mask: Mask,
    list: BufId,
    count: BufId,
    value: Val,
    /// The number of the loop over vectors at that time.
    at: i32,
}

/// Compiles a nest.
pub(super) fn emit<'a>(region: &mut Region<'a>, nest: &'a For, full: Width) -> Result<Kernel, Refused> {
    let ways = [(true, true, true), (true, true, false), (true, false, false), (false, false, false)];
    let mut result = Err("no way to write it".to_owned());
    for way in ways {
        result = attempt(region, nest, full, way);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Compiles a nest; fewer values fit if some are to stay in registers, if fixed values take all that should be left over, and if addresses of rows have
/// registers.
fn attempt<'a>(
    region: &mut Region<'a>,
    nest: &'a For,
    full: Width,
    (keeps, tight, holds_rows): (bool, bool, bool),
) -> Result<Kernel, Refused> {
    let mut e = Emitter {
        region,
        full,
        asm: Asm::new(full),
        free: GENERAL.iter().rev().copied().collect(),
        pointers: BTreeMap::new(),
        ints: BTreeMap::new(),
        scopes: vec![Vec::new()],
        frame: 0,
        homes: BTreeMap::new(),
        pinned: BTreeMap::new(),
        rows: Rows::Listed,
        row_registers: Vec::new(),
        later: Vec::new(),
        resident: None,
        waiting: None,
        at: 0,
        holds_rows,
        keeps,
        tight: false,
    };
    e.asm.push(RBP);
    e.asm.lea64(RBP, Mem::at(RSP, 0));
    let saved = [3, 12, 13, 14, 15];
    for r in saved {
        e.asm.push(r);
    }
    e.asm.align_stack();
    let frame = e.asm.grow_stack();
    let mut hot: Vec<(u32, BufId)> = e.region.buffers.iter().map(|(buf, weight)| (*weight, *buf)).collect();
    hot.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, buf) in hot.into_iter().filter(|(weight, _)| *weight > 0).take(POINTERS) {
        let r = e.general()?;
        e.asm.load64(r, Rm::Mem(table_entry(buf)?));
        e.pointers.insert(buf, r);
    }
    e.tight = tight;
    e.prepare_fixed(nest)?;
    e.versions(nest)?;
    e.asm.lea64(RSP, Mem::at(RBP, -8 * saved.len() as i32));
    for r in saved.iter().rev() {
        e.asm.pop(*r);
    }
    e.asm.pop(RBP);
    e.asm.leave();
    let size = e.frame;
    e.asm.patch(frame, size);
    let args = e.region.args.clone();
    Ok(Kernel { code: e.asm.finish()?, args })
}

pub(super) fn table_entry(buf: BufId) -> Result<Mem, Refused> {
    let disp = i32::try_from(8 * u64::from(buf.0)).map_err(|_| "too many buffers".to_owned())?;
    Ok(Mem::at(TABLE, disp))
}

impl<'a> Emitter<'_, 'a> {
    // -- places --------------------------------------------------------------------------------------------------------

    pub(super) fn general(&mut self) -> Result<Gpr, Refused> {
        self.free.pop().ok_or_else(|| "too many integers at once".to_owned())
    }

    /// Room in the frame for a whole vector.
    pub(super) fn slot(&mut self) -> i32 {
        let slot = self.frame;
        self.frame += self.full.bytes() as i32;
        slot
    }

    /// How many iterations of marked loops a whole vector holds.
    fn at_once(&self) -> i32 {
        (self.full.bytes() / Width::W128.bytes()) as i32
    }

    /// The memory of an argument.
    pub(super) fn argument(&mut self, n: usize) -> Mem {
        Mem::at(ARGS, 8 * n as i32)
    }

    pub(super) fn open(&mut self) {
        self.scopes.push(Vec::new());
    }

    pub(super) fn close(&mut self) {
        for (val, reg) in self.scopes.pop().unwrap_or_default() {
            self.ints.remove(&val);
            self.free.extend(reg);
        }
    }

    fn note(&mut self, val: Val, int: Int) {
        let reg = if let Int::Reg(r) = int { Some(r) } else { None };
        self.ints.insert(val, int);
        if let Some(scope) = self.scopes.last_mut() {
            scope.push((val, reg));
        }
    }

    // -- integers ------------------------------------------------------------------------------------------------------

    /// The value of an integer that is known now.
    pub(super) fn known(&self, val: Val) -> Option<i32> {
        match (self.ints.get(&val), self.region.fixed.get(&val)) {
            (Some(Int::Known(n)), _) => Some(*n),
            (None, Some(Fixed::Bytes([a, b, c, d, ..]))) => Some(i32::from_le_bytes([*a, *b, *c, *d])),
            _ => None,
        }
    }

    /// A register with an integer.
    pub(super) fn int(&mut self, val: Val) -> Result<Gpr, Refused> {
        if let Some(Int::Reg(r)) = self.ints.get(&val) {
            return Ok(*r);
        }
        if let Some(n) = self.known(val) {
            let r = self.general()?;
            self.asm.set(r, n);
            // Not noted: a known value stays known.
            self.hold(r);
            return Ok(r);
        }
        let r = match self.region.inside.get(&val).copied() {
            None => {
                let n = self.region.arg(val);
                let from = self.argument(n);
                let r = self.general()?;
                self.asm.extend(r, Rm::Mem(from));
                r
            }
            Some(Op::Bin(bin, a, b)) => self.binary(*bin, *a, *b)?,
            Some(_) => return Err(format!("{val} is not there")),
        };
        self.note(val, Int::Reg(r));
        Ok(r)
    }

    /// A register stays taken to the end of the block.
    pub(super) fn hold(&mut self, r: Gpr) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.push((Val(u32::MAX), Some(r)));
        }
    }

    fn binary(&mut self, bin: BinOp, a: Val, b: Val) -> Result<Gpr, Refused> {
        let (a, b) = if self.known(a).is_some() && bin != BinOp::Sub { (b, a) } else { (a, b) };
        let left = self.int(a)?;
        if let Some(n) = self.known(b) {
            let r = self.general()?;
            match bin {
                BinOp::Add => self.asm.lea32(r, Mem::at(left, n)),
                BinOp::Sub => self.asm.lea32(r, Mem::at(left, n.wrapping_neg())),
                BinOp::Mul => self.asm.mul32_constant(r, Rm::Reg(left), n),
                BinOp::And => {
                    self.asm.load32(r, Rm::Reg(left));
                    self.asm.and32_constant(r, n);
                }
                _ => return Err("an operation on integers".to_owned()),
            }
            return Ok(r);
        }
        let right = self.int(b)?;
        let r = self.general()?;
        match bin {
            BinOp::Add => self.asm.lea32(r, Mem { base: left, index: Some((right, 0)), disp: 0 }),
            BinOp::Sub | BinOp::Mul | BinOp::And => {
                self.asm.load32(r, Rm::Reg(left));
                match bin {
                    BinOp::Sub => self.asm.sub32(r, Rm::Reg(right)),
                    BinOp::Mul => self.asm.mul32(r, Rm::Reg(right)),
                    _ => self.asm.and32(r, Rm::Reg(right)),
                }
            }
            _ => return Err("an operation on integers".to_owned()),
        }
        Ok(r)
    }

    /// Whether an integer is not negative for all we know.
    fn is_natural(&self, val: Val) -> bool {
        if let Some(n) = self.known(val) {
            return n >= 0;
        }
        match self.region.inside.get(&val).copied() {
            // Loop variables start at their bound.
            None => self.region.naturals.contains(&val),
            Some(Op::Bin(BinOp::Add | BinOp::Mul, a, b)) => self.is_natural(*a) && self.is_natural(*b),
            Some(_) => false,
        }
    }

    /// The register with a buffer's base pointer; it may be the scratch register.
    pub(super) fn base(&mut self, buf: BufId) -> Result<Gpr, Refused> {
        if let Some(r) = self.pointers.get(&buf) {
            return Ok(*r);
        }
        self.asm.load64(SCRATCH, Rm::Mem(table_entry(buf)?));
        Ok(SCRATCH)
    }

    /// The address of an element.
    pub(super) fn address(&mut self, buf: BufId, index: Val) -> Result<Mem, Refused> {
        let bytes = self.region.bytes(buf);
        let scale = if bytes == 8 { 3 } else { 2 };
        let bytes = bytes as i32;
        let base = self.base(buf)?;
        let disp = |n: i32| n.checked_mul(bytes).ok_or_else(|| "a distant element".to_owned());
        if let Some(n) = self.known(index) {
            return Ok(Mem::at(base, disp(n)?));
        }
        if let (None, Some(Op::Bin(BinOp::Add, a, b))) =
            (self.ints.get(&index), self.region.inside.get(&index).copied())
        {
            for (x, n) in [(*a, *b), (*b, *a)] {
                if let Some(n) = self.known(n)
                    && self.is_natural(x)
                {
                    let r = self.int(x)?;
                    return Ok(Mem { base, index: Some((r, scale)), disp: disp(n)? });
                }
            }
        }
        let r = self.int(index)?;
        Ok(Mem { base, index: Some((r, scale)), disp: 0 })
    }

    // -- control -------------------------------------------------------------------------------------------------------

    pub(super) fn for_loop(&mut self, f: &'a For) -> Result<(), Refused> {
        let ends = (self.known(f.from), self.known(f.to));
        let step = i32::try_from(f.step).map_err(|_| "a long step".to_owned())?;
        if f.vector
            && let (Some(from), Some(to)) = ends
        {
            let (n, wide) = (i64::from(to) - i64::from(from), i64::from(self.at_once()) * i64::from(step));
            if n > 0 && n % wide == 0 && n / wide <= WRITTEN_OUT {
                self.waiting = (self.keeps && (n / wide > 1 || self.has_masks())).then(Vec::new);
                for k in 0..n / wide {
                    self.open();
                    self.at = from + (k * wide) as i32;
                    self.note(f.var, Int::Known(self.at));
                    self.vectors(&f.body.stmts, self.full)?;
                    self.close();
                }
                return self.append_waiting(f.var);
            }
        }
        self.open();
        let var = self.general()?;
        match ends.0 {
            Some(n) => self.asm.set(var, n),
            None => {
                let from = self.int(f.from)?;
                self.asm.extend(var, Rm::Reg(from));
            }
        }
        self.note(f.var, Int::Reg(var));
        let to = match ends.1 {
            Some(n) => Int::Known(n),
            None => {
                let to = self.int(f.to)?;
                let r = self.general()?;
                self.asm.extend(r, Rm::Reg(to));
                self.hold(r);
                Int::Reg(r)
            }
        };
        if f.vector {
            self.steps(f, var, to, step)?;
        } else {
            let (top, end) = (self.asm.label(), self.asm.label());
            self.compare(var, to);
            self.asm.jump_if(Cond::GreaterEqual, end);
            self.asm.bind(top);
            self.open();
            self.block(&f.body)?;
            self.close();
            self.asm.add64(var, step);
            self.compare(var, to);
            self.asm.jump_if(Cond::Less, top);
            self.asm.bind(end);
        }
        self.close();
        Ok(())
    }

    fn compare(&mut self, var: Gpr, to: Int) {
        match to {
            Int::Known(n) => self.asm.compare64_constant(var, n),
            Int::Reg(r) => self.asm.compare64(var, Rm::Reg(r)),
        }
    }

    /// As many iterations at once as a vector holds, then those that are left one by one.
    fn steps(&mut self, f: &'a For, var: Gpr, to: Int, step: i32) -> Result<(), Refused> {
        let (top, rest, single, end) = (self.asm.label(), self.asm.label(), self.asm.label(), self.asm.label());
        let at_once = self.at_once();
        let before = step.checked_mul(at_once - 1).ok_or("a long step")?;
        // A vector is whole if its last iteration starts before the end.
        let last = match to {
            Int::Known(n) => Int::Known(n.checked_sub(before).ok_or("a loop to nowhere")?),
            Int::Reg(r) => {
                let last = self.general()?;
                self.asm.lea64(last, Mem::at(r, -before));
                self.hold(last);
                Int::Reg(last)
            }
        };
        self.compare(var, last);
        self.asm.jump_if(Cond::GreaterEqual, rest);
        self.asm.bind(top);
        self.open();
        self.vectors(&f.body.stmts, self.full)?;
        self.close();
        self.asm.add64(var, at_once * step);
        self.compare(var, last);
        self.asm.jump_if(Cond::Less, top);
        self.asm.bind(rest);
        self.compare(var, to);
        self.asm.jump_if(Cond::GreaterEqual, end);
        self.asm.bind(single);
        self.open();
        self.vectors(&f.body.stmts, Width::W128)?;
        self.close();
        if at_once > 2 {
            self.asm.add64(var, step);
            self.compare(var, to);
            self.asm.jump_if(Cond::Less, single);
        }
        self.asm.bind(end);
        Ok(())
    }

    pub(super) fn block(&mut self, block: &'a Block) -> Result<(), Refused> {
        let around = self.resident.clone();
        for (k, stmt) in block.stmts.iter().enumerate() {
            match stmt {
                Stmt::Def { val, .. } if self.region.fixed.contains_key(val) => {}
                Stmt::Def { val, op: Op::Load { buf, index, .. } } if self.region.is_int(*val) => {
                    self.load_int(*val, *buf, *index)?;
                }
                // Integers are computed where they are used, and so is the condition of a choice.
                Stmt::Def { val, .. } if !self.region.is_vector(*val) => {}
                Stmt::Def { val, .. } => {
                    let slot = self.slot();
                    let r = self.single(stmt, *val)?;
                    self.asm.vector(vop(1, 0, 0, 0x11), self.full, r, 0, Rm::Mem(Mem::at(RSP, slot)));
                    self.homes.insert(Key::Val(*val), slot);
                }
                Stmt::Store { buf, index, value } if self.region.is_int(*value) => {
                    self.store_int(*buf, *index, *value)?;
                }
                Stmt::For(f) => self.for_loop(f)?,
                Stmt::If(i) => self.choice(i)?,
                Stmt::AddRows(a) => {
                    let after = block.stmts.get(k + 1..).unwrap_or_default();
                    self.add_rows(a, after)?;
                }
                _ => return Err("a vector outside of a marked loop".to_owned()),
            }
        }
        self.resident = around;
        Ok(())
    }

    pub(super) fn load_int(&mut self, val: Val, buf: BufId, index: Val) -> Result<(), Refused> {
        let from = self.address(buf, index)?;
        let r = self.general()?;
        self.asm.load32(r, Rm::Mem(from));
        self.note(val, Int::Reg(r));
        Ok(())
    }

    pub(super) fn store_int(&mut self, buf: BufId, index: Val, value: Val) -> Result<(), Refused> {
        if let Some(n) = self.known(value) {
            let to = self.address(buf, index)?;
            self.asm.store32_constant(to, n);
            return Ok(());
        }
        let value = self.int(value)?;
        let to = self.address(buf, index)?;
        self.asm.store32(to, value);
        Ok(())
    }

    fn choice(&mut self, i: &'a If) -> Result<(), Refused> {
        let Some(Op::Cmp(cmp, a, b)) = self.region.inside.get(&i.cond).copied() else {
            return Err("a choice that is no comparison of integers".to_owned());
        };
        let left = self.int(*a)?;
        match self.known(*b) {
            Some(n) => self.asm.compare32_constant(Rm::Reg(left), n),
            None => {
                let right = self.int(*b)?;
                self.asm.compare32(left, Rm::Reg(right));
            }
        }
        let cond = match cmp {
            CmpOp::Eq => Cond::Equal,
            CmpOp::Ne => Cond::NotEqual,
            CmpOp::Lt => Cond::Less,
            CmpOp::Le => Cond::LessEqual,
            CmpOp::Gt => Cond::Greater,
            CmpOp::Ge => Cond::GreaterEqual,
        };
        let end = self.asm.label();
        if let Some(rare) = rare_side(i) {
            let (jump, often, block) = match rare {
                Side::Then => (cond, &i.els, &i.then),
                Side::Else => (cond.not(), &i.then, &i.els),
            };
            let start = self.postpone(What::Side(block), end);
            self.asm.jump_if(jump, start);
            self.side(often)?;
            self.asm.bind(end);
            return Ok(());
        }
        let els = self.asm.label();
        self.asm.jump_if(cond.not(), els);
        self.side(&i.then)?;
        if i.els.stmts.is_empty() {
            self.asm.bind(els);
            return Ok(());
        }
        self.asm.jump(end);
        self.asm.bind(els);
        self.side(&i.els)?;
        self.asm.bind(end);
        Ok(())
    }

    /// One side of a choice.
    fn side(&mut self, block: &'a Block) -> Result<(), Refused> {
        self.open();
        self.block(block)?;
        self.close();
        Ok(())
    }

    /// The masks that wait.
    pub(super) fn reserved(&self) -> impl Iterator<Item = Mask> + '_ {
        self.waiting.iter().flatten().map(|w| w.mask)
    }

    /// Lets a mask wait until the other vectors of the block are done, if it can; they share one test.
    pub(super) fn wait(&mut self, mask: Mask, list: BufId, count: BufId, value: Val) -> bool {
        let seen = [list, count].iter().any(|b| self.region.buffers.contains_key(b));
        let at = self.at;
        match &mut self.waiting {
            Some(waiting) if !seen => {
                waiting.push(Waiting { mask, list, count, value, at });
                true
            }
            _ => false,
        }
    }

    /// What waits, after a loop over `var` that was written out.
    fn append_waiting(&mut self, var: Val) -> Result<(), Refused> {
        let waiting = self.waiting.take().unwrap_or_default();
        match waiting.len() {
            0 => return Ok(()),
            1 if !self.has_masks() => return self.append_each(&waiting, var),
            _ => {}
        }
        let masks: Vec<Mask> = waiting.iter().map(|w| w.mask).collect();
        self.test_any(&masks)?;
        let done = self.asm.label();
        let start = self.postpone(What::Append(waiting, var), done);
        self.asm.jump_if(Cond::NotEqual, start);
        self.asm.bind(done);
        Ok(())
    }

    /// The lanes of each mask append.
    pub(super) fn append_each(&mut self, waiting: &[Waiting], var: Val) -> Result<(), Refused> {
        for w in waiting {
            self.open();
            self.note(var, Int::Known(w.at));
            self.append(w.mask, self.full, w.list, w.count, w.value)?;
            self.close();
        }
        Ok(())
    }

    /// The lanes whose bits of `mask` are set append, one after the other; nearly always there are none.
    pub(super) fn append(
        &mut self,
        mask: Mask,
        width: Width,
        list: BufId,
        count: BufId,
        value: Val,
    ) -> Result<(), Refused> {
        let done = self.asm.label();
        self.bits(mask, width);
        self.asm.test32(SCRATCH);
        self.asm.jump_if(Cond::Equal, done);
        self.open();
        let (bits, n) = (self.general()?, self.general()?);
        self.hold(bits);
        self.hold(n);
        self.asm.load32(bits, Rm::Reg(SCRATCH));
        let first = self.int(value)?;
        // Rarely run: it borrows a register rather than keeping one free.
        let to = ARGS;
        self.asm.push(to);
        self.asm.load64(to, Rm::Mem(table_entry(count)?));
        self.asm.load32(n, Rm::Mem(Mem::at(to, 0)));
        self.asm.load64(to, Rm::Mem(table_entry(list)?));
        let again = self.asm.label();
        self.asm.bind(again);
        self.asm.lowest_bit(SCRATCH, bits);
        self.asm.lea32(SCRATCH, Mem { base: SCRATCH, index: Some((first, 0)), disp: 0 });
        self.asm.store32(Mem { base: to, index: Some((n, 2)), disp: 0 }, SCRATCH);
        self.asm.lea32(n, Mem::at(n, 1));
        self.asm.clear_lowest_bit(bits);
        self.asm.jump_if(Cond::NotEqual, again);
        self.asm.load64(to, Rm::Mem(table_entry(count)?));
        self.asm.store32(Mem::at(to, 0), n);
        self.asm.pop(ARGS);
        self.close();
        self.asm.bind(done);
        Ok(())
    }
}
