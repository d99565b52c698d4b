//! Addresses of elements, and what indices tell about values.

use std::mem;

use cranelift::codegen::ir::types;
use cranelift::prelude::{InstBuilder, Value};

use super::emit::{Emitter, Range};
use crate::backend::BackendError;
use crate::lir::{BinOp, Block, BufId, Const, Function, Op, Stmt, Ty, Val};

/// Where an element lies.
pub(super) struct Address {
    pub(super) base: Value,
    /// Bytes to add.
    pub(super) offset: i32,
    /// The least and the greatest index that this can be.
    pub(super) indices: Range,
}

/// What an index is made of: values that are summed, and a constant.
#[derive(Default)]
struct Terms {
    leaves: Vec<Val>,
    offset: i64,
}

/// What accesses tell about indices. No index is negative where an element was read or written; that holds for the rest of the block that made the
/// value, and for what stands in it.
pub(super) struct Facts {
    /// Values that are an index somewhere, or a summand of one.
    indexing: Vec<bool>,
    /// The number of the block that made a value.
    homes: Vec<u32>,
    /// Whether a value was an index of an access in its own block.
    used: Vec<bool>,
    /// The block that is being emitted.
    block: u32,
    /// Blocks so far.
    blocks: u32,
}

impl Facts {
    pub(super) fn of(function: &Function) -> Self {
        let count = function.types.len();
        let mut indexing = vec![false; count];
        let mut sums = vec![None; count];
        note_indices(&function.body, &mut indexing, &mut sums);
        Self { indexing, homes: vec![0; count], used: vec![false; count], block: 0, blocks: 0 }
    }

    /// A block begins: to be given back to [`Facts::leave`].
    pub(super) fn enter(&mut self) -> u32 {
        self.blocks += 1;
        mem::replace(&mut self.block, self.blocks)
    }

    pub(super) fn leave(&mut self, outer: u32) {
        self.block = outer;
    }

    /// The block makes a value.
    pub(super) fn define(&mut self, val: Val) {
        if let Some(home) = self.homes.get_mut(val.0 as usize) {
            *home = self.block;
        }
    }

    /// Whether a value is an index somewhere, or a summand of one.
    pub(super) fn is_index(&self, val: Val) -> bool {
        self.indexing.get(val.0 as usize) == Some(&true)
    }

    /// An element is accessed.
    fn note_access(&mut self, index: Val) {
        if self.homes.get(index.0 as usize) == Some(&self.block)
            && let Some(used) = self.used.get_mut(index.0 as usize)
        {
            *used = true;
        }
    }

    /// Whether the value was an index before, so that it is not negative here.
    fn was_index(&self, val: Val) -> bool {
        self.used.get(val.0 as usize) == Some(&true)
    }
}

/// Marks indices and the summands of indices; `sums` has the summands of sums.
fn note_indices(block: &Block, indexing: &mut [bool], sums: &mut [Option<(Val, Val)>]) {
    fn mark(val: Val, indexing: &mut [bool], sums: &[Option<(Val, Val)>]) {
        if let Some(known) = indexing.get_mut(val.0 as usize)
            && !mem::replace(known, true)
            && let Some((a, b)) = sums.get(val.0 as usize).copied().flatten()
        {
            mark(a, indexing, sums);
            mark(b, indexing, sums);
        }
    }
    for stmt in &block.stmts {
        match stmt {
            Stmt::Def { val, op } => match op {
                Op::Bin(BinOp::Add, a, b) => {
                    if let Some(sum) = sums.get_mut(val.0 as usize) {
                        *sum = Some((*a, *b));
                    }
                }
                Op::Load { index, .. } => mark(*index, indexing, sums),
                _ => {}
            },
            Stmt::Store { index, .. } => mark(*index, indexing, sums),
            Stmt::For(stmt) => note_indices(&stmt.body, indexing, sums),
            Stmt::If(stmt) => {
                note_indices(&stmt.then, indexing, sums);
                note_indices(&stmt.els, indexing, sums);
            }
            Stmt::Scatter { .. } | Stmt::Append { .. } | Stmt::AddRows(_) => {}
        }
    }
}

impl Emitter<'_, '_> {
    /// The address of element `index`.
    pub(super) fn address(&mut self, buf: BufId, index: Val) -> Result<Address, BackendError> {
        let bytes = self.element_bytes(buf)?;
        let mut terms = Terms::default();
        self.take_apart(index, 1, &mut terms);
        let narrow = self.ty(index)? == Ty::I32;
        let low = terms.leaves.iter().map(|v| self.range(*v).0).sum::<i64>().saturating_add(terms.offset);
        let least = |v: &Val| if self.facts.was_index(*v) { self.range(*v).0.max(0) } else { self.range(*v).0 };
        let at_least = terms.leaves.iter().map(least).sum::<i64>().saturating_add(terms.offset);
        let high = terms.leaves.iter().map(|v| self.range(*v).1).sum::<i64>().saturating_add(terms.offset);
        // Inside these bounds a sum that does not fit 32 bits wraps to a negative index, which no buffer has: the
        // 64-bit sum is right for every index that is allowed.
        let exact = !narrow || (at_least >= i64::from(i32::MIN) && high <= i64::from(u32::MAX));
        // What holds because an earlier access was right does not hold where this one might be moved to.
        let everywhere = narrow && exact && low >= i64::from(i32::MIN);
        let indices = if everywhere { (low, high) } else { (i64::MIN, i64::MAX) };
        self.facts.note_access(index);
        let offset = terms.offset.checked_mul(bytes).and_then(|x| i32::try_from(x).ok());
        let (terms, offset) = match offset {
            Some(offset) if exact => (terms, offset),
            _ => (Terms { leaves: vec![index], offset: 0 }, 0),
        };
        // What changes in outer loops is added first, so that inner loops find the sum ready.
        let mut leaves = terms.leaves;
        leaves.sort_by_key(|v| self.depths.get(v.0 as usize).copied().unwrap_or(0));
        let mut address = self.pointer(buf)?;
        for leaf in leaves {
            let leaf = self.extended(leaf)?;
            let scaled = self.scaled(leaf, bytes);
            address = self.b.ins().iadd(address, scaled);
        }
        Ok(Address { base: address, offset, indices })
    }

    /// Collects the summands of `index`; the sum modulo 2^32 (or 2^64) of all of them is the index.
    fn take_apart(&self, index: Val, depth: u32, terms: &mut Terms) {
        const DEEPEST: u32 = 4;
        match self.ops.get(index.0 as usize).copied().flatten() {
            Some(Op::Const(Const::I32(c))) => terms.offset = terms.offset.wrapping_add(i64::from(*c)),
            Some(Op::Const(Const::I64(c))) => terms.offset = terms.offset.wrapping_add(*c),
            Some(Op::Bin(BinOp::Add, a, b)) if depth < DEEPEST => {
                self.take_apart(*a, depth + 1, terms);
                self.take_apart(*b, depth + 1, terms);
            }
            _ => terms.leaves.push(index),
        }
    }

    pub(super) fn lane_address(&mut self, buf: BufId, index: Value, lane: u8) -> Result<Value, BackendError> {
        let bytes = self.element_bytes(buf)?;
        let pointer = self.pointer(buf)?;
        let index = self.b.ins().extractlane(index, lane);
        let index = if self.b.func.dfg.value_type(index) == types::I64 {
            index
        } else {
            self.b.ins().sextend(types::I64, index)
        };
        let scaled = self.scaled(index, bytes);
        Ok(self.b.ins().iadd(pointer, scaled))
    }

    pub(super) fn scaled(&mut self, index: Value, bytes: i64) -> Value {
        let shift = self.b.ins().iconst(types::I64, i64::from(bytes.trailing_zeros()));
        self.b.ins().ishl(index, shift)
    }

    /// An integer value in 64 bits.
    pub(super) fn extended(&mut self, val: Val) -> Result<Value, BackendError> {
        if let Some(wide) = self.wide.get(val.0 as usize).copied().flatten() {
            return Ok(wide);
        }
        let value = self.value(val)?;
        if self.ty(val)? == Ty::I64 { Ok(value) } else { Ok(self.b.ins().sextend(types::I64, value)) }
    }
}
