//! Masks in registers of their own, as code for 512 bits has them: comparisons write there, and selections, stores of lists and the logic of masks read
//! there. A mask goes to a vector register if something else wants it, or if all mask registers are taken. Code for 256 bits has masks in
//! vector registers only.

use super::asm::{Lanes, Rm, Vop, vop};
use super::emit::{Emitter, SCRATCH};
use super::vector::{Body, LOAD, Owner, Place, float, float_predicate};
use super::{Refused, Width};
use crate::lir::{BinOp, CmpOp, Val};

/// Where a mask is: all bits of the lanes of a vector, or one bit a lane of a mask register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mask {
    Vector(u8),
    Register(u8),
}

/// `and`, `or`, `exclusive or` of mask registers, by their opcode.
const AND: Vop = vop(1, 0, 0, 0x41);
const OR: Vop = vop(1, 0, 0, 0x45);
const XOR: Vop = vop(1, 0, 0, 0x47);

impl Emitter<'_, '_> {
    /// Whether there are mask registers.
    pub(super) fn has_masks(&self) -> bool {
        self.full == Width::W512
    }

    /// The mask register of a value that is in one.
    pub(super) fn mask(&self, body: &Body, val: Val) -> Option<u8> {
        match body.places.get(&val) {
            Some(Place::Mask(k)) => Some(*k),
            _ => None,
        }
    }

    /// 1 where lanes are 64 bits wide.
    fn quad(&self) -> u8 {
        u8::from(!self.region.narrow)
    }

    /// A mask register for the value being defined, if one is left; those of values that are read for the last time may serve.
    fn mask_target(&mut self, body: &mut Body, val: Val) -> Option<u8> {
        body.release();
        let k = free(body)?;
        body.masks[usize::from(k)] = Owner::Val(val);
        body.places.insert(val, Place::Mask(k));
        Some(k)
    }

    /// Moves a mask to a vector register.
    pub(super) fn spread(&mut self, body: &mut Body, val: Val, k: u8) -> Result<u8, Refused> {
        let r = self.fresh(body, Owner::Val(val))?;
        body.locked.push(r);
        body.places.insert(val, Place::Reg(r));
        if let Some(owner) = body.masks.get_mut(usize::from(k))
            && *owner == Owner::Val(val)
        {
            *owner = Owner::Nobody;
        }
        self.spread_to(body.width, r, k);
        Ok(r)
    }

    fn spread_to(&mut self, width: Width, r: u8, k: u8) {
        self.asm.evex(vop(2, 2, self.quad(), 0x38), width, (r, 0, Rm::Reg(k)), None, Lanes::default());
    }

    /// The mask of lanes that append; it is in a mask register if there are any.
    pub(super) fn waiting_mask(&mut self, body: &mut Body, cond: Val) -> Result<Mask, Refused> {
        if !self.has_masks() {
            return Ok(Mask::Vector(self.reg(body, cond)?));
        }
        if let Some(k) = self.mask(body, cond) {
            return Ok(Mask::Register(k));
        }
        let r = self.reg(body, cond)?;
        let k = free(body).ok_or_else(|| "too many masks at once".to_owned())?;
        self.asm.evex(vop(2, 2, self.quad(), 0x39), body.width, (k, 0, Rm::Reg(r)), None, Lanes::default());
        Ok(Mask::Register(k))
    }

    /// The bits of a mask to the scratch register.
    pub(super) fn bits(&mut self, mask: Mask, width: Width) {
        match mask {
            Mask::Vector(r) => self.asm.vector(vop(1, self.quad(), 0, 0x50), width, SCRATCH, 0, Rm::Reg(r)),
            Mask::Register(k) => self.asm.vex(vop(1, 0, 0, 0x93), false, SCRATCH, 0, Rm::Reg(k), None),
        }
    }

    /// The zero flag says whether no lane of any of these masks is set.
    pub(super) fn test_any(&mut self, masks: &[Mask]) -> Result<(), Refused> {
        let mut all = None;
        for mask in masks {
            all = Some(match (all, *mask) {
                (None, mask) => mask,
                (Some(Mask::Register(a)), Mask::Register(b)) => {
                    self.asm.vex(OR, true, 0, a, Rm::Reg(b), None);
                    Mask::Register(0)
                }
                (Some(Mask::Vector(a)), Mask::Vector(b)) => {
                    let any = self.free_beside(masks)?;
                    self.asm.vector(vop(1, 1, 0, 0xEB), self.full, any, a, Rm::Reg(b));
                    Mask::Vector(any)
                }
                _ => return Err("masks in two kinds of registers".to_owned()),
            });
        }
        match all {
            Some(Mask::Register(k)) => self.asm.vex(vop(1, 0, 0, 0x98), false, k, 0, Rm::Reg(k), None),
            Some(mask) => {
                self.bits(mask, self.full);
                self.asm.test32(SCRATCH);
            }
            None => return Err("no masks".to_owned()),
        }
        Ok(())
    }

    /// A vector register that holds neither a fixed value nor a block nor one of these masks.
    fn free_beside(&self, masks: &[Mask]) -> Result<u8, Refused> {
        let resident = self.resident.iter().flat_map(|r| r.vectors.iter().copied());
        let taken: Vec<u8> = self.pinned.values().copied().chain(resident).collect();
        let free = (0..self.registers() as u8).find(|r| !taken.contains(r) && !masks.contains(&Mask::Vector(*r)));
        free.ok_or_else(|| "too many vectors at once".to_owned())
    }

    pub(super) fn compare_to_mask(
        &mut self,
        body: &mut Body,
        val: Val,
        cmp: CmpOp,
        a: Val,
        b: Val,
    ) -> Result<(), Refused> {
        let scalar = self.region.ty(a).scalar;
        let (op, predicate) = if scalar.is_float() {
            (vop(1, float(scalar), 0, 0xC2), float_predicate(cmp))
        } else {
            let predicate = match cmp {
                CmpOp::Eq => 0,
                CmpOp::Lt => 1,
                CmpOp::Le => 2,
                CmpOp::Ne => 4,
                CmpOp::Ge => 5,
                CmpOp::Gt => 6,
            };
            (vop(3, 1, float(scalar), 0x1F), predicate)
        };
        let first = self.reg(body, a)?;
        let second = self.rm(body, b)?;
        let k = self.mask_target(body, val);
        self.asm.evex(op, body.width, (k.unwrap_or(0), first, second), Some(predicate), Lanes::default());
        if k.is_none() {
            let r = self.target(body, val)?;
            self.spread_to(body.width, r, 0);
        }
        Ok(())
    }

    /// The lanes of `from` where the mask is set, zero elsewhere.
    pub(super) fn keep_lanes(&mut self, body: &mut Body, val: Val, k: u8, from: Rm) -> Result<(), Refused> {
        let r = self.target(body, val)?;
        let load = vop(1, self.quad(), self.quad(), 0x10);
        self.asm.evex(load, body.width, (r, 0, from), None, Lanes { mask: k, zero: true });
        Ok(())
    }

    pub(super) fn select_by_mask(&mut self, body: &mut Body, val: Val, k: u8, a: Val, b: Val) -> Result<(), Refused> {
        if self.is_zero(b) {
            let from = self.rm(body, a)?;
            return self.keep_lanes(body, val, k, from);
        }
        let lanes = Lanes { mask: k, zero: false };
        if self.is_zero(a) {
            let r = match (body.places.get(&b).copied(), body.dies(b)) {
                (Some(Place::Reg(r)), true) => {
                    body.take(b, val, r);
                    r
                }
                _ => {
                    let from = self.rm(body, b)?;
                    let r = self.target(body, val)?;
                    if from != Rm::Reg(r) {
                        self.asm.vector(LOAD, body.width, r, 0, from);
                    }
                    r
                }
            };
            self.asm.evex(vop(1, 1, self.quad(), 0xEF), body.width, (r, r, Rm::Reg(r)), None, lanes);
            return Ok(());
        }
        let first = self.reg(body, b)?;
        let second = self.rm(body, a)?;
        let r = self.target(body, val)?;
        self.asm.evex(vop(2, 1, self.quad(), 0x65), body.width, (r, first, second), None, lanes);
        Ok(())
    }

    /// `second` where all bits of the mask are set, else `first`.
    pub(super) fn select_by_vector(
        &mut self,
        body: &mut Body,
        val: Val,
        mask: u8,
        first: u8,
        second: Rm,
    ) -> Result<(), Refused> {
        // The instruction overwrites the mask: bit by bit, its third operand where the first is set, else its second.
        const CHOICE: u8 = 0b1010_1100;
        let r = self.fresh(body, Owner::Val(val))?;
        body.places.insert(val, Place::Reg(r));
        self.asm.vector(LOAD, body.width, r, 0, Rm::Reg(mask));
        self.asm.vector_with(vop(3, 1, 0, 0x25), body.width, r, first, second, Some(CHOICE));
        Ok(())
    }

    /// The logic of two masks, if both are in mask registers.
    pub(super) fn both_masks(&mut self, body: &mut Body, val: Val, bin: BinOp, a: Val, b: Val) -> bool {
        let (Some(x), Some(y)) = (self.mask(body, a), self.mask(body, b)) else { return false };
        let op = match bin {
            BinOp::And => AND,
            BinOp::Or => OR,
            BinOp::Xor => XOR,
            _ => return false,
        };
        let Some(k) = self.mask_target(body, val) else { return false };
        self.asm.vex(op, true, k, x, Rm::Reg(y), None);
        true
    }

    /// The opposite of a mask, if it is in a mask register and the machine has its number of lanes.
    pub(super) fn not_mask(&mut self, body: &mut Body, val: Val, a: Val) -> bool {
        let Some(x) = self.mask(body, a) else { return false };
        if body.width != Width::W512 {
            return false;
        }
        let Some(k) = self.mask_target(body, val) else { return false };
        // Of 16 bits, or of 8.
        self.asm.vex(vop(1, self.quad(), 0, 0x44), false, k, 0, Rm::Reg(x), None);
        true
    }
}

/// A mask register that nobody has. The first one cannot choose lanes.
fn free(body: &Body) -> Option<u8> {
    (1..8).find(|k| body.masks.get(usize::from(*k)) == Some(&Owner::Nobody))
}
