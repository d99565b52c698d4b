//! Straight-line vector code: which registers values are in, and the instruction of each operation.
//!
//! Fixed values that are read often have a register in the whole kernel; the others are operands in memory. Values of the body take what is left;
//! if that is not enough, the one that is needed last goes to the frame.

use std::collections::{BTreeMap, BTreeSet};

use super::asm::{Gpr, Mem, RSP, Rm, Vop, vop};
use super::emit::{Emitter, SCRATCH};
use super::masks::Mask;
use super::region::Fixed;
use super::{Refused, Width};
use crate::lir::{BinOp, Block, BufId, CmpOp, For, If, Op, Scalar, Stmt, Ty, UnOp, Val};

/// What has a place of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A constant of the pool.
    Pool(usize),
    /// A float argument in all lanes, or an integer one.
    Arg(usize),
    /// A value.
    Val(Val),
}

pub(super) const LOAD: Vop = vop(1, 0, 0, 0x10);
const STORE: Vop = vop(1, 0, 0, 0x11);
/// The most vector registers there are; code for less than 512 bits has half of them.
const REGISTERS: usize = 32;

/// Who has a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Nobody,
    Pinned,
    Temp,
    Val(Val),
}

/// Where a value of the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Reg(u8),
    Slot(i32),
    /// A mask register.
    Mask(u8),
}

/// A body being written.
pub(super) struct Body {
    pub(super) width: Width,
    /// The statements that read each value; negations and loads that are part of their readers are not values.
    uses: BTreeMap<Val, Vec<usize>>,
    negated: BTreeMap<Val, Val>,
    folded: BTreeMap<Val, (BufId, Val)>,
    owners: [Owner; REGISTERS],
    /// Who has the mask registers, in code that has any. The first one means all lanes where a mask is asked for, and holds nothing.
    pub(super) masks: [Owner; 8],
    pub(super) places: BTreeMap<Val, Place>,
    /// Registers that the current statement reads.
    pub(super) locked: Vec<u8>,
    at: usize,
    /// Values that are in the registers of a block.
    resident: BTreeMap<Val, u8>,
    /// It computes one value, which may be fixed.
    alone: bool,
}

/// A prefix for floats of one width.
pub(super) fn float(scalar: Scalar) -> u8 {
    u8::from(scalar == Scalar::F64 || scalar == Scalar::I64)
}

impl Emitter<'_, '_> {
    // -- fixed values --------------------------------------------------------------------------------------------------

    fn key(&mut self, val: Val) -> Option<Key> {
        match self.region.fixed.get(&val)? {
            Fixed::Bytes(bytes) => Some(Key::Pool(self.asm.constant(*bytes))),
            Fixed::Arg(n) => Some(Key::Arg(*n)),
            Fixed::Computed => Some(Key::Val(self.region.root(val))),
        }
    }

    fn home(&mut self, key: Key) -> Result<Rm, Refused> {
        match key {
            Key::Pool(n) => Ok(Rm::Pool(n)),
            key => {
                let slot = self.homes.get(&key).ok_or_else(|| format!("{key:?} has no place"))?;
                Ok(Rm::Mem(Mem::at(RSP, *slot)))
            }
        }
    }

    /// Puts arguments and computed values into the frame, and what is read often into registers.
    pub(super) fn prepare_fixed(&mut self, nest: &For) -> Result<(), Refused> {
        let fixed: Vec<(Val, Fixed)> = self.region.fixed.iter().map(|(v, f)| (*v, *f)).collect();
        for (_, fixed) in &fixed {
            let Fixed::Arg(n) = fixed else { continue };
            if self.homes.contains_key(&Key::Arg(*n)) {
                continue;
            }
            let scalar = self.region.args.get(*n).map_or(Scalar::F32, |v| self.region.ty(*v).scalar);
            let from = Rm::Mem(self.argument(*n));
            self.asm.vector(broadcast(scalar), self.full, 0, 0, from);
            let slot = self.slot();
            self.asm.vector(STORE, self.full, 0, 0, Rm::Mem(Mem::at(RSP, slot)));
            self.homes.insert(Key::Arg(*n), slot);
            self.keep_for_now(Key::Arg(*n), 0);
        }
        for (val, op) in self.region.computed.clone() {
            if matches!(op, Op::Splat(..)) {
                continue;
            }
            let r = self.single(&Stmt::Def { val, op: op.clone() }, val)?;
            let slot = self.slot();
            self.asm.vector(STORE, self.full, r, 0, Rm::Mem(Mem::at(RSP, slot)));
            self.homes.insert(Key::Val(val), slot);
            self.keep_for_now(Key::Val(val), r);
        }
        self.pinned.clear();
        let hot = hot_bodies(nest);
        let pressure = self.pressure(&hot);
        let registers = self.registers();
        let room = registers.saturating_sub(self.taken(pressure));
        let mut order: Vec<(u32, Key)> = self.read_often(&hot).into_iter().map(|(key, reads)| (reads, key)).collect();
        order.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        for (k, (_, key)) in order.iter().take(room).enumerate() {
            let reg = (registers - 1 - k) as u8;
            let from = self.home(*key)?;
            self.asm.vector(LOAD, self.full, reg, 0, from);
            self.pinned.insert(*key, reg);
        }
        Ok(())
    }

    /// The registers that bodies take if at most `pressure` of their values live at once: a block that rows are added to and masks that
    /// wait come on top, and two for operands on the way, unless it is tried without these.
    fn taken(&self, pressure: usize) -> usize {
        let held = self.region.rows.map_or(0, |a| u64::from(a.len) * self.region.bytes(a.to)) as usize;
        let held = held / self.full.bytes() + 2;
        pressure + held + if self.tight { 0 } else { 2 }
    }

    /// How often bodies read each fixed value, constants of instructions included.
    fn read_often(&mut self, bodies: &[&[Stmt]]) -> BTreeMap<Key, u32> {
        let mut reads: BTreeMap<Key, u32> = BTreeMap::new();
        for stmts in bodies {
            let body = self.look(stmts, self.full);
            for stmt in *stmts {
                let mut values = Vec::new();
                match stmt {
                    Stmt::Def { val, .. } if self.region.fixed.contains_key(val) => {}
                    Stmt::Def { val, op } => {
                        if let Op::Select(_, a, b) = op {
                            // Nothing is read for a zero: the mask does it.
                            values.extend([*a, *b].into_iter().filter(|v| !self.is_zero(*v)));
                        } else {
                            op.operands(|v| values.push(v));
                        }
                        if !body.negated.contains_key(val)
                            && let Some((scalar, bits)) = self.inherent(*val, op)
                        {
                            *reads.entry(self.pool(scalar, bits)).or_insert(0) += 1;
                        }
                    }
                    Stmt::Store { value, .. } => values.push(*value),
                    Stmt::Append { cond, .. } => values.push(*cond),
                    _ => {}
                }
                for val in values {
                    if self.region.is_vector(val)
                        && let Some(key) = self.key(val)
                    {
                        *reads.entry(key).or_insert(0) += 1;
                    }
                }
            }
        }
        reads
    }

    /// The constant that the instruction of an operation reads beside its operands.
    fn inherent(&self, val: Val, op: &Op) -> Option<(Scalar, u64)> {
        let scalar = self.region.ty(val).scalar;
        let (sign, width) = if scalar.bytes() == 8 { (1 << 63, Scalar::I64) } else { (1 << 31, Scalar::I32) };
        match op {
            Op::Un(UnOp::Neg, _) if scalar.is_float() => Some((width, sign)),
            Op::Un(UnOp::Abs, _) if scalar.is_float() => Some((width, !sign)),
            Op::Un(UnOp::Not, _) => Some((Scalar::I64, u64::MAX)),
            Op::Cast(a, to) if self.region.ty(*a).scalar == Scalar::Bool => Some((*to, 1)),
            Op::Cmp(CmpOp::Ne | CmpOp::Le | CmpOp::Ge, a, _) if !self.region.ty(*a).scalar.is_float() => {
                Some((Scalar::I64, u64::MAX))
            }
            _ => None,
        }
    }

    /// Writes a part of the nest that is run rarely and may need more registers than its sibling: fixed values give theirs up for it,
    /// and are read again at its end.
    pub(super) fn rare(
        &mut self,
        bodies: &[&[Stmt]],
        write: impl FnOnce(&mut Self) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let tight = std::mem::replace(&mut self.tight, false);
        let pressure = self.pressure(bodies);
        let room = self.registers().saturating_sub(self.taken(pressure));
        let often = self.read_often(bodies);
        let all = self.pinned.clone();
        let mut order: Vec<(u32, Key)> = all.keys().map(|key| (often.get(key).copied().unwrap_or(0), *key)).collect();
        order.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let gone: Vec<Key> = order.into_iter().skip(room).map(|(_, key)| key).collect();
        self.pinned.retain(|key, _| !gone.contains(key));
        write(self)?;
        self.tight = tight;
        for key in gone {
            let from = self.home(key)?;
            if let Some(reg) = all.get(&key) {
                self.asm.vector(LOAD, self.full, *reg, 0, from);
            }
        }
        self.pinned = all;
        Ok(())
    }

    /// Keeps one of the first fixed values in a register, so that those computed from it need not wait for memory.
    fn keep_for_now(&mut self, key: Key, from: Gpr) {
        const ROOM: usize = 8;
        if self.pinned.len() < ROOM {
            let reg = (self.registers() - 1 - self.pinned.len()) as u8;
            self.asm.vector(LOAD, self.full, reg, 0, Rm::Reg(from));
            self.pinned.insert(key, reg);
        }
    }

    /// The most registers that the values of one of these bodies take at once.
    fn pressure(&mut self, bodies: &[&[Stmt]]) -> usize {
        let mut most = 0;
        for stmts in bodies {
            let body = self.look(stmts, self.full);
            let mut live = 0;
            for (at, stmt) in stmts.iter().enumerate() {
                if let Stmt::Def { val, .. } = stmt
                    && body.uses.contains_key(val)
                    && !body.folded.contains_key(val)
                {
                    live += 1;
                }
                most = most.max(live);
                live -= body
                    .uses
                    .iter()
                    .filter(|(v, u)| u.last() == Some(&at) && !body.folded.contains_key(v))
                    .count()
                    .min(live);
            }
        }
        most
    }

    // -- bodies --------------------------------------------------------------------------------------------------------

    /// The number of vector registers.
    pub(super) fn registers(&self) -> usize {
        if self.full == Width::W512 { REGISTERS } else { REGISTERS / 2 }
    }

    /// Writes the body of a marked loop for vectors of some width.
    pub(super) fn vectors(&mut self, stmts: &[Stmt], width: Width) -> Result<(), Refused> {
        let mut body = self.look(stmts, width);
        for (at, stmt) in stmts.iter().enumerate() {
            body.at = at;
            self.stmt(&mut body, stmt)?;
            body.settle();
        }
        Ok(())
    }

    /// Computes one value; it is in the register until something else is computed.
    pub(super) fn single(&mut self, stmt: &Stmt, val: Val) -> Result<Gpr, Refused> {
        let stmts = [stmt.clone()];
        let mut body = self.look(&stmts, self.full);
        body.alone = true;
        body.uses.insert(val, vec![1]);
        self.stmt(&mut body, stmt)?;
        match body.places.get(&val).copied() {
            Some(Place::Reg(r)) => Ok(r),
            Some(Place::Mask(k)) => self.spread(&mut body, val, k),
            _ => Err(format!("{val} was not computed")),
        }
    }

    /// What reads what, and what is folded into its readers.
    fn look(&mut self, stmts: &[Stmt], width: Width) -> Body {
        let mut reads: BTreeMap<Val, Vec<(usize, bool)>> = BTreeMap::new();
        for (at, stmt) in stmts.iter().enumerate() {
            let mut read = |v: Val, in_fma: bool| reads.entry(v).or_default().push((at, in_fma));
            match stmt {
                Stmt::Def { op, .. } => op.operands(|v| read(v, matches!(op, Op::Fma(..)))),
                Stmt::Store { value, .. } => read(*value, false),
                Stmt::Append { cond, .. } => read(*cond, false),
                _ => {}
            }
        }
        let mut negated = BTreeMap::new();
        let mut folded = BTreeMap::new();
        for (at, stmt) in stmts.iter().enumerate() {
            let Stmt::Def { val, op } = stmt else { continue };
            if self.region.fixed.contains_key(val) {
                continue;
            }
            let readers = reads.get(val).map_or(&[][..], Vec::as_slice);
            match op {
                Op::Un(UnOp::Neg, a)
                    if self.region.ty(*val).scalar.is_float() && !readers.is_empty() && readers.iter().all(|r| r.1) =>
                {
                    negated.insert(*val, *a);
                }
                Op::Load { buf, index, lanes } if *lanes > 1 && readers.len() == 1 => {
                    let reader = readers.first().map_or(at, |r| r.0);
                    let same = |s: &Stmt| match s {
                        Stmt::Store { buf: b, .. } => b == buf,
                        Stmt::Append { list, count, .. } => list == buf || count == buf,
                        _ => false,
                    };
                    let is_value = matches!(stmts.get(reader), Some(Stmt::Def { .. }));
                    if is_value && !stmts.get(at..reader).is_some_and(|between| between.iter().any(same)) {
                        folded.insert(*val, (*buf, *index));
                    }
                }
                _ => {}
            }
        }
        let mut uses: BTreeMap<Val, Vec<usize>> = BTreeMap::new();
        for (val, readers) in reads {
            if self.region.fixed.contains_key(&val) || !self.region.is_vector(val) {
                continue;
            }
            let at = readers.iter().map(|r| r.0);
            match negated.get(&val) {
                // Read where its readers are.
                Some(inner) => uses.entry(*inner).or_default().extend(at),
                None => uses.entry(val).or_default().extend(at),
            }
        }
        for (val, inner) in &negated {
            // The negation itself reads nothing.
            let own = stmts.iter().position(|s| matches!(s, Stmt::Def { val: v, .. } if v == val));
            if let (Some(own), Some(list)) = (own, uses.get_mut(inner)) {
                list.retain(|at| *at != own);
            }
        }
        // A folded load is read through its negation only if that is its one reader.
        let through: BTreeSet<Val> = negated.values().copied().collect();
        folded.retain(|v, _| !through.contains(v));
        for list in uses.values_mut() {
            list.sort_unstable();
        }
        let mut owners = [Owner::Nobody; REGISTERS];
        let resident = self.resident.iter().flat_map(|r| &r.vectors).copied();
        let mut masks = [Owner::Nobody; 8];
        let waiting = self.reserved().filter_map(|mask| match mask {
            Mask::Vector(r) => Some(r),
            Mask::Register(k) => {
                masks[usize::from(k & 7)] = Owner::Pinned;
                None
            }
        });
        for r in self.pinned.values().copied().chain(resident).chain(waiting) {
            if let Some(owner) = owners.get_mut(usize::from(r)) {
                *owner = Owner::Pinned;
            }
        }
        Body {
            width,
            uses,
            negated,
            folded,
            owners,
            masks,
            places: BTreeMap::new(),
            locked: Vec::new(),
            at: 0,
            resident: BTreeMap::new(),
            alone: false,
        }
    }

    // -- operands ------------------------------------------------------------------------------------------------------

    pub(super) fn rm(&mut self, body: &mut Body, val: Val) -> Result<Rm, Refused> {
        if let Some(key) = self.key(val) {
            return match self.pinned.get(&key) {
                Some(r) => Ok(Rm::Reg(*r)),
                None => self.home(key),
            };
        }
        if let Some((buf, index)) = body.folded.get(&val).copied() {
            return match self.resident(buf, index) {
                Some(r) => Ok(Rm::Reg(r)),
                None => Ok(Rm::Mem(self.address(buf, index)?)),
            };
        }
        if let Some(r) = body.resident.get(&val) {
            return Ok(Rm::Reg(*r));
        }
        match body.places.get(&val).copied() {
            Some(Place::Reg(r)) => {
                body.locked.push(r);
                Ok(Rm::Reg(r))
            }
            Some(Place::Slot(at)) => Ok(Rm::Mem(Mem::at(RSP, at))),
            Some(Place::Mask(k)) => Ok(Rm::Reg(self.spread(body, val, k)?)),
            None => self.home(Key::Val(val)),
        }
    }

    pub(super) fn reg(&mut self, body: &mut Body, val: Val) -> Result<u8, Refused> {
        match self.rm(body, val)? {
            Rm::Reg(r) => Ok(r),
            from => {
                let r = self.fresh(body, Owner::Temp)?;
                body.locked.push(r);
                self.asm.vector(LOAD, body.width, r, 0, from);
                Ok(r)
            }
        }
    }

    /// A register for something new.
    pub(super) fn fresh(&mut self, body: &mut Body, owner: Owner) -> Result<u8, Refused> {
        let free = body.owners.iter().take(self.registers()).position(|o| *o == Owner::Nobody);
        let r = match free {
            Some(r) => r,
            None if self.tight => return Err("values do not fit into the registers".to_owned()),
            None => {
                // The value that is needed last moves to the frame.
                let candidates = body.owners.iter().enumerate().filter_map(|(r, o)| match o {
                    Owner::Val(v) if !body.locked.contains(&(r as u8)) => Some((body.next_use(*v), r, *v)),
                    _ => None,
                });
                let (_, r, val) = candidates.max().ok_or_else(|| "too many vectors at once".to_owned())?;
                let slot = self.slot();
                self.asm.vector(STORE, body.width, r as u8, 0, Rm::Mem(Mem::at(RSP, slot)));
                body.places.insert(val, Place::Slot(slot));
                r
            }
        };
        if let Some(o) = body.owners.get_mut(r) {
            *o = owner;
        }
        Ok(r as u8)
    }

    /// The register of the value being defined; registers whose values are read for the last time may serve.
    pub(super) fn target(&mut self, body: &mut Body, val: Val) -> Result<u8, Refused> {
        body.release();
        let r = self.fresh(body, Owner::Val(val))?;
        body.places.insert(val, Place::Reg(r));
        Ok(r)
    }

    // -- statements ----------------------------------------------------------------------------------------------------

    fn stmt(&mut self, body: &mut Body, stmt: &Stmt) -> Result<(), Refused> {
        match stmt {
            Stmt::Def { val, op } => {
                if self.region.fixed.contains_key(val) && !body.alone {
                    return Ok(());
                }
                if !self.region.is_vector(*val) {
                    if let Op::Load { buf, index, .. } = op {
                        self.load_int(*val, *buf, *index)?;
                    }
                    return Ok(());
                }
                if body.negated.contains_key(val) || body.folded.contains_key(val) || !body.uses.contains_key(val) {
                    return Ok(());
                }
                if let Op::Load { buf, index, lanes: 2.. } = op
                    && let Some(r) = self.resident(*buf, *index)
                {
                    body.resident.insert(*val, r);
                    return Ok(());
                }
                self.define(body, *val, op)
            }
            Stmt::Store { buf, index, value } if self.region.is_int(*value) => self.store_int(*buf, *index, *value),
            Stmt::Store { buf, index, value } => {
                let r = self.reg(body, *value)?;
                let to = self.address(*buf, *index)?;
                self.asm.vector(STORE, body.width, r, 0, Rm::Mem(to));
                Ok(())
            }
            Stmt::Append { cond, list, count, value } => {
                let mask = self.waiting_mask(body, *cond)?;
                if body.width == self.full && self.wait(mask, *list, *count, *value) {
                    let owner = match mask {
                        Mask::Vector(r) => body.owners.get_mut(usize::from(r)),
                        Mask::Register(k) => body.masks.get_mut(usize::from(k)),
                    };
                    if let Some(owner) = owner {
                        *owner = Owner::Pinned;
                    }
                    return Ok(());
                }
                self.append(mask, body.width, *list, *count, *value)
            }
            _ => Err("a statement that marked loops do not hold".to_owned()),
        }
    }

    fn define(&mut self, body: &mut Body, val: Val, op: &Op) -> Result<(), Refused> {
        let scalar = self.region.ty(val).scalar;
        match op {
            Op::Un(un, a) => self.unary(body, val, *un, *a),
            Op::Bin(bin, a, b) => self.binary_vector(body, val, *bin, *a, *b),
            Op::Fma(a, b, c) => self.fma(body, val, [*a, *b, *c]),
            Op::Cmp(cmp, a, b) => self.comparison(body, val, *cmp, *a, *b),
            Op::Select(mask, a, b) => self.selection(body, val, *mask, *a, *b),
            Op::Cast(a, to) => {
                if self.region.ty(*a).scalar == Scalar::Bool {
                    // All ones or nothing: one bit of it.
                    let one = self.constant(*to, 1);
                    if let Some(k) = self.mask(body, *a) {
                        return self.keep_lanes(body, val, k, one);
                    }
                    return self.two(body, val, vop(1, 1, 0, 0xDB), *a, Operand::Rm(one));
                }
                let from = self.rm(body, *a)?;
                let r = self.target(body, val)?;
                self.asm.vector(vop(1, 0, 0, 0x5B), body.width, r, 0, from);
                Ok(())
            }
            Op::Bitcast(a, _) => {
                let from = self.rm(body, *a)?;
                let r = self.target(body, val)?;
                if from != Rm::Reg(r) {
                    self.asm.vector(LOAD, body.width, r, 0, from);
                }
                Ok(())
            }
            Op::Splat(a, _) if self.region.is_int(*a) => {
                let from = self.int(*a)?;
                let r = self.target(body, val)?;
                self.asm.vector(vop(1, 1, 0, 0x6E), Width::W128, r, 0, Rm::Reg(from));
                self.asm.vector(vop(2, 1, 0, 0x58), body.width, r, 0, Rm::Reg(r));
                Ok(())
            }
            Op::Splat(a, _) if self.region.ty(*a) == Ty::I64 => {
                let Some(Op::Cast(inner, _)) = self.region.inside.get(a).copied() else {
                    return Err(format!("{a} is an integer of 64 bits"));
                };
                let from = self.int(*inner)?;
                self.asm.extend(SCRATCH, Rm::Reg(from));
                let r = self.target(body, val)?;
                self.asm.vector(vop(1, 1, 1, 0x6E), Width::W128, r, 0, Rm::Reg(SCRATCH));
                self.asm.vector(vop(2, 1, 0, 0x59), body.width, r, 0, Rm::Reg(r));
                Ok(())
            }
            // A scalar is in all lanes already.
            Op::Splat(a, _) if self.region.is_vector(*a) => {
                let from = self.rm(body, *a)?;
                let r = self.target(body, val)?;
                if from != Rm::Reg(r) {
                    self.asm.vector(LOAD, body.width, r, 0, from);
                }
                Ok(())
            }
            Op::Load { buf, index, lanes } => {
                let from = Rm::Mem(self.address(*buf, *index)?);
                let r = self.target(body, val)?;
                let op = if *lanes == 1 { broadcast(scalar) } else { LOAD };
                self.asm.vector(op, if *lanes == 1 { self.full } else { body.width }, r, 0, from);
                Ok(())
            }
            _ => Err(format!("{val} comes from what wide kernels do not have")),
        }
    }

    pub(super) fn is_zero(&self, val: Val) -> bool {
        matches!(self.region.fixed.get(&val), Some(Fixed::Bytes(x)) if *x == [0; 64])
    }

    /// The place in the pool of a constant in all lanes of a kind.
    fn pool(&mut self, scalar: Scalar, bits: u64) -> Key {
        let lane = if scalar.bytes() == 4 { 4 } else { 8 };
        let bytes = bits.to_le_bytes();
        let bytes = std::array::from_fn(|k| bytes.get(k % lane).copied().unwrap_or(0));
        Key::Pool(self.asm.constant(bytes))
    }

    /// A constant in all lanes of a kind.
    pub(super) fn constant(&mut self, scalar: Scalar, bits: u64) -> Rm {
        let key = self.pool(scalar, bits);
        match (self.pinned.get(&key), key) {
            (Some(r), _) => Rm::Reg(*r),
            (None, Key::Pool(n)) => Rm::Pool(n),
            (None, _) => Rm::Reg(0),
        }
    }

    /// An instruction of two operands.
    pub(super) fn two(&mut self, body: &mut Body, val: Val, op: Vop, a: Val, b: Operand) -> Result<(), Refused> {
        let first = self.reg(body, a)?;
        let second = match b {
            Operand::Val(b) => self.rm(body, b)?,
            Operand::Rm(rm) => rm,
        };
        let r = self.target(body, val)?;
        self.asm.vector(op, body.width, r, first, second);
        Ok(())
    }

    /// The same where the order does not matter.
    pub(super) fn either(&mut self, body: &mut Body, val: Val, op: Vop, a: Val, b: Val) -> Result<(), Refused> {
        let a_in_memory = !matches!(self.peek(body, a), Some(Rm::Reg(_)));
        let (a, b) = if a_in_memory { (b, a) } else { (a, b) };
        self.two(body, val, op, a, Operand::Val(b))
    }

    /// The register of an operand that has one.
    fn peek(&mut self, body: &Body, val: Val) -> Option<Rm> {
        if let Some(key) = self.key(val) {
            return self.pinned.get(&key).map(|r| Rm::Reg(*r));
        }
        match (body.resident.get(&val), body.places.get(&val)) {
            (Some(r), _) | (None, Some(Place::Reg(r))) => Some(Rm::Reg(*r)),
            _ => None,
        }
    }

    fn unary(&mut self, body: &mut Body, val: Val, un: UnOp, a: Val) -> Result<(), Refused> {
        let scalar = self.region.ty(val).scalar;
        let p = float(scalar);
        if un == UnOp::Not && self.not_mask(body, val, a) {
            return Ok(());
        }
        if let Some((kind, bits)) = self.inherent(val, &Op::Un(un, a)) {
            let op = match un {
                UnOp::Neg => vop(1, p, 0, 0x57),
                UnOp::Abs => vop(1, p, 0, 0x54),
                _ => vop(1, 1, 0, 0xEF),
            };
            let constant = self.constant(kind, bits);
            return self.two(body, val, op, a, Operand::Rm(constant));
        }
        match un {
            UnOp::Neg => {
                let from = self.rm(body, a)?;
                let zero = self.fresh(body, Owner::Temp)?;
                body.locked.push(zero);
                self.asm.vector(vop(1, 1, 0, 0xEF), body.width, zero, zero, Rm::Reg(zero));
                let r = self.target(body, val)?;
                let code = if scalar == Scalar::I64 { 0xFB } else { 0xFA };
                self.asm.vector(vop(1, 1, 0, code), body.width, r, zero, from);
                Ok(())
            }
            UnOp::Abs => {
                let from = self.rm(body, a)?;
                let r = self.target(body, val)?;
                self.asm.vector(vop(2, 1, 0, 0x1E), body.width, r, 0, from);
                Ok(())
            }
            UnOp::Sqrt => {
                let from = self.rm(body, a)?;
                let r = self.target(body, val)?;
                self.asm.vector(vop(1, p, 0, 0x51), body.width, r, 0, from);
                Ok(())
            }
            UnOp::Nearest | UnOp::Floor | UnOp::Ceil | UnOp::Trunc => {
                let mode = match un {
                    UnOp::Nearest => 8,
                    UnOp::Floor => 9,
                    UnOp::Ceil => 10,
                    _ => 11,
                };
                let from = self.rm(body, a)?;
                let r = self.target(body, val)?;
                self.asm.vector_with(vop(3, 1, 0, 8 + p), body.width, r, 0, from, Some(mode));
                Ok(())
            }
            _ => Err(format!("{un:?}")),
        }
    }

    fn binary_vector(&mut self, body: &mut Body, val: Val, bin: BinOp, a: Val, b: Val) -> Result<(), Refused> {
        let scalar = self.region.ty(val).scalar;
        let p = float(scalar);
        let int = |narrow: u8, wide: u8| vop(1, 1, 0, if scalar == Scalar::I64 { wide } else { narrow });
        if scalar.is_float() {
            return match bin {
                BinOp::Add => self.either(body, val, vop(1, p, 0, 0x58), a, b),
                BinOp::Mul => self.either(body, val, vop(1, p, 0, 0x59), a, b),
                BinOp::Sub => self.two(body, val, vop(1, p, 0, 0x5C), a, Operand::Val(b)),
                BinOp::Div => self.two(body, val, vop(1, p, 0, 0x5E), a, Operand::Val(b)),
                // The machine takes the second operand unless the first is less (or greater).
                BinOp::Min => self.two(body, val, vop(1, p, 0, 0x5D), b, Operand::Val(a)),
                BinOp::Max => self.two(body, val, vop(1, p, 0, 0x5F), b, Operand::Val(a)),
                _ => Err(format!("{bin:?} of floats")),
            };
        }
        if scalar == Scalar::Bool && self.both_masks(body, val, bin, a, b) {
            return Ok(());
        }
        match bin {
            BinOp::And => self.either(body, val, vop(1, 1, 0, 0xDB), a, b),
            BinOp::Or => self.either(body, val, vop(1, 1, 0, 0xEB), a, b),
            BinOp::Xor => self.either(body, val, vop(1, 1, 0, 0xEF), a, b),
            BinOp::Add => self.either(body, val, int(0xFE, 0xD4), a, b),
            BinOp::Sub => self.two(body, val, int(0xFA, 0xFB), a, Operand::Val(b)),
            BinOp::Mul if scalar == Scalar::I32 => self.either(body, val, vop(2, 1, 0, 0x40), a, b),
            BinOp::Min if scalar == Scalar::I32 => self.either(body, val, vop(2, 1, 0, 0x39), a, b),
            BinOp::Max if scalar == Scalar::I32 => self.either(body, val, vop(2, 1, 0, 0x3D), a, b),
            BinOp::Shl | BinOp::Sar | BinOp::Shr => {
                let Some(Fixed::Bytes([amount, ..])) = self.region.fixed.get(&b).copied() else {
                    return Err("a shift by what is not constant".to_owned());
                };
                let wide = scalar == Scalar::I64;
                let amount = amount & if wide { 63 } else { 31 };
                let (code, field) = match (bin, wide) {
                    (BinOp::Shl, false) => (0x72, 6),
                    (BinOp::Shr, false) => (0x72, 2),
                    (BinOp::Sar, false) => (0x72, 4),
                    (BinOp::Shl, true) => (0x73, 6),
                    (BinOp::Shr, true) => (0x73, 2),
                    _ => return Err("an arithmetic shift of 64 bits".to_owned()),
                };
                let from = self.reg(body, a)?;
                let r = self.target(body, val)?;
                self.asm.vector_with(vop(1, 1, 0, code), body.width, field, r, Rm::Reg(from), Some(amount));
                Ok(())
            }
            _ => Err(format!("{bin:?} of integers")),
        }
    }

    /// `±a*b ± c`: the instruction overwrites one of its operands, at best one that is not needed any more.
    fn fma(&mut self, body: &mut Body, val: Val, operands: [Val; 3]) -> Result<(), Refused> {
        let w = float(self.region.ty(val).scalar);
        let mut minus = [false; 3];
        let mut operands = operands;
        for (operand, minus) in operands.iter_mut().zip(&mut minus) {
            if let Some(inner) = body.negated.get(operand) {
                *operand = *inner;
                *minus = true;
            }
        }
        let [a, b, c] = operands;
        let product = minus[0] != minus[1];
        // fmadd, fmsub, fnmadd, fnmsub
        let sign = u8::from(minus[2]) * 2 + u8::from(product) * 4;
        let op = |form: u8| vop(2, 1, w, form + sign);
        let dying = |body: &Body, emitter: &mut Self, v: Val| match body.places.get(&v) {
            Some(Place::Reg(r)) if emitter.key(v).is_none() && body.dies(v) => Some(*r),
            _ => None,
        };
        if let Some(r) = dying(body, self, c)
            && c != a
            && c != b
        {
            // r = a*b + r
            body.locked.push(r);
            let (a, b) = self.one_register(body, a, b);
            let first = self.reg(body, a)?;
            let second = self.rm(body, b)?;
            body.take(c, val, r);
            self.asm.vector(op(0xB8), body.width, r, first, second);
            return Ok(());
        }
        for (x, y) in [(a, b), (b, a)] {
            if let Some(r) = dying(body, self, x)
                && x != y
                && x != c
            {
                // r = y*r + c
                body.locked.push(r);
                let first = self.reg(body, y)?;
                let second = self.rm(body, c)?;
                body.take(x, val, r);
                self.asm.vector(op(0xA8), body.width, r, first, second);
                return Ok(());
            }
        }
        let (a, b) = self.one_register(body, a, b);
        let first = self.reg(body, a)?;
        let third = self.rm(body, c)?;
        let r = self.fresh(body, Owner::Val(val))?;
        body.places.insert(val, Place::Reg(r));
        body.locked.push(r);
        self.asm.vector(LOAD, body.width, r, 0, third);
        let second = self.rm(body, b)?;
        self.asm.vector(op(0xB8), body.width, r, first, second);
        Ok(())
    }

    /// Two factors, the first in a register if one is.
    fn one_register(&mut self, body: &Body, a: Val, b: Val) -> (Val, Val) {
        if self.peek(body, a).is_some() { (a, b) } else { (b, a) }
    }

    fn comparison(&mut self, body: &mut Body, val: Val, cmp: CmpOp, a: Val, b: Val) -> Result<(), Refused> {
        let scalar = self.region.ty(a).scalar;
        if self.has_masks() {
            return self.compare_to_mask(body, val, cmp, a, b);
        }
        if scalar.is_float() {
            let code = float_predicate(cmp);
            let first = self.reg(body, a)?;
            let second = self.rm(body, b)?;
            let r = self.target(body, val)?;
            self.asm.vector_with(vop(1, float(scalar), 0, 0xC2), body.width, r, first, second, Some(code));
            return Ok(());
        }
        let wide = scalar == Scalar::I64;
        let equal = if wide { vop(2, 1, 0, 0x29) } else { vop(1, 1, 0, 0x76) };
        let greater = if wide { vop(2, 1, 0, 0x37) } else { vop(1, 1, 0, 0x66) };
        let (op, a, b, negate) = match cmp {
            CmpOp::Eq => (equal, a, b, false),
            CmpOp::Ne => (equal, a, b, true),
            CmpOp::Gt => (greater, a, b, false),
            CmpOp::Lt => (greater, b, a, false),
            CmpOp::Le => (greater, a, b, true),
            CmpOp::Ge => (greater, b, a, true),
        };
        self.two(body, val, op, a, Operand::Val(b))?;
        if negate && let Some(Place::Reg(r)) = body.places.get(&val).copied() {
            let ones = self.constant(Scalar::I64, u64::MAX);
            self.asm.vector(vop(1, 1, 0, 0xEF), body.width, r, r, ones);
        }
        Ok(())
    }

    fn selection(&mut self, body: &mut Body, val: Val, mask: Val, a: Val, b: Val) -> Result<(), Refused> {
        if let Some(k) = self.mask(body, mask) {
            return self.select_by_mask(body, val, k, a, b);
        }
        if self.is_zero(b) {
            return self.either(body, val, vop(1, 1, 0, 0xDB), mask, a);
        }
        if self.is_zero(a) {
            return self.two(body, val, vop(1, 1, 0, 0xDF), mask, Operand::Val(b));
        }
        let mask = self.reg(body, mask)?;
        let first = self.reg(body, b)?;
        let second = self.rm(body, a)?;
        if self.has_masks() {
            return self.select_by_vector(body, val, mask, first, second);
        }
        let r = self.target(body, val)?;
        self.asm.vector_with(vop(3, 1, 0, 0x4A), body.width, r, first, second, Some(mask << 4));
        Ok(())
    }
}

/// The bodies of marked loops in a nest that run most: of a choice between two, those of the shorter side.
fn hot_bodies(f: &For) -> Vec<&[Stmt]> {
    if f.vector { vec![f.body.stmts.as_slice()] } else { bodies(&f.body, true) }
}

/// The bodies of marked loops in a block; all of them, or those that run most.
pub(super) fn bodies(block: &Block, hot: bool) -> Vec<&[Stmt]> {
    let mut out = Vec::new();
    for stmt in &block.stmts {
        match stmt {
            Stmt::For(f) if f.vector => out.push(f.body.stmts.as_slice()),
            Stmt::For(f) => out.extend(bodies(&f.body, hot)),
            Stmt::If(i) => {
                let rare = if hot { rare_side(i) } else { None };
                if rare != Some(Side::Then) {
                    out.extend(bodies(&i.then, hot));
                }
                if rare != Some(Side::Else) {
                    out.extend(bodies(&i.els, hot));
                }
            }
            _ => {}
        }
    }
    out
}

/// A side of a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Then,
    Else,
}

/// The longer side of a choice between two ways to do the same: the shorter one was made for what is common.
pub(super) fn rare_side(i: &If) -> Option<Side> {
    let len = |block| bodies(block, false).iter().map(|b| b.len()).sum::<usize>();
    match (len(&i.then), len(&i.els)) {
        (0, _) | (_, 0) => None,
        (then, els) if then > els => Some(Side::Then),
        (then, els) if then < els => Some(Side::Else),
        _ => None,
    }
}

/// A second operand.
pub(super) enum Operand {
    Val(Val),
    Rm(Rm),
}

/// The predicate of a comparison of floats.
pub(super) fn float_predicate(cmp: CmpOp) -> u8 {
    match cmp {
        CmpOp::Eq => 0x00,
        CmpOp::Ne => 0x04,
        CmpOp::Lt => 0x11,
        CmpOp::Le => 0x12,
        CmpOp::Gt => 0x1E,
        CmpOp::Ge => 0x1D,
    }
}

/// One element of memory to all lanes.
fn broadcast(scalar: Scalar) -> Vop {
    match scalar {
        Scalar::F64 | Scalar::I64 => vop(2, 1, 0, 0x19),
        _ => vop(2, 1, 0, 0x18),
    }
}

impl Body {
    fn next_use(&self, val: Val) -> usize {
        let list = self.uses.get(&val).map_or(&[][..], Vec::as_slice);
        list.iter().copied().find(|at| *at >= self.at).unwrap_or(usize::MAX)
    }

    /// Whether the current statement is the last that reads a value.
    pub(super) fn dies(&self, val: Val) -> bool {
        self.uses.get(&val).is_none_or(|u| u.last().is_none_or(|at| *at <= self.at))
    }

    /// Frees the registers of values that are read for the last time now.
    pub(super) fn release(&mut self) {
        for k in 0..self.masks.len() {
            if let Some(Owner::Val(v)) = self.masks.get(k).copied()
                && self.dies(v)
            {
                self.masks[k] = Owner::Nobody;
                self.places.remove(&v);
            }
        }
        for r in 0..self.owners.len() {
            if let Some(Owner::Val(v)) = self.owners.get(r).copied()
                && self.dies(v)
            {
                self.owners[r] = Owner::Nobody;
                self.places.remove(&v);
            }
        }
    }

    /// The register of a dying value becomes that of a new one.
    pub(super) fn take(&mut self, from: Val, to: Val, r: u8) {
        self.places.remove(&from);
        self.places.insert(to, Place::Reg(r));
        if let Some(owner) = self.owners.get_mut(usize::from(r)) {
            *owner = Owner::Val(to);
        }
    }

    /// After a statement: temporaries go, and values that nobody reads any more.
    fn settle(&mut self) {
        self.release();
        for owner in &mut self.owners {
            if *owner == Owner::Temp {
                *owner = Owner::Nobody;
            }
        }
        self.locked.clear();
    }
}
