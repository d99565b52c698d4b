//! Rows of a matrix that are added to a vector: one call of a precompiled function, or, where they are short, a loop written out here.

use cranelift::codegen::ir::{self, BlockArg, types};
use cranelift::prelude::{InstBuilder, IntCC};

use super::emit::{Emitter, bug};
use super::math;
use crate::backend::BackendError;
use crate::lir::{AddRows, PAD};

impl Emitter<'_, '_> {
    /// One call for all rows: see [`math::rows_symbol`].
    pub(super) fn add_rows(&mut self, a: &AddRows) -> Result<(), BackendError> {
        let double = self.element_bytes(a.to)? == 8;
        if u64::from(a.len) == PAD {
            return self.add_parts_of_rows(a, if double { types::F64X2 } else { types::F32X4 });
        }
        let pointer = ir::AbiParam::new(types::I64);
        let mut signature = self.module.make_signature();
        signature.params.extend([pointer; 6]);
        let id = self
            .module
            .declare_function(math::rows_symbol(double), cranelift_module::Linkage::Import, &signature)
            .map_err(|error| BackendError::Codegen(error.to_string()))?;
        let function = self.module.declare_func_in_func(id, self.b.func);
        let (first, end) = (self.extended(a.first)?, self.extended(a.end)?);
        let count = self.b.ins().isub(end, first);
        let (to, from, list) = (self.pointer(a.to)?, self.pointer(a.from)?, self.pointer(a.rows)?);
        let at = self.extended(a.at)?;
        let at = self.scaled(at, if double { 8 } else { 4 });
        let (to, from) = (self.b.ins().iadd(to, at), self.b.ins().iadd(from, at));
        let skipped = self.scaled(first, 4);
        let rows = self.b.ins().iadd(list, skipped);
        let stride = self.b.ins().iconst(types::I64, i64::from(a.stride));
        let len = self.b.ins().iconst(types::I64, i64::from(a.len));
        self.b.ins().call(function, &[to, from, rows, count, stride, len]);
        Ok(())
    }

    /// A short part of each row: a loop over the rows, with the vector in registers.
    fn add_parts_of_rows(&mut self, a: &AddRows, vector: ir::Type) -> Result<(), BackendError> {
        let bytes = i64::from(vector.lane_bits()) / 8;
        let count = i32::try_from(i64::from(a.len) * bytes / 16).map_err(|_| bug("long parts of rows"))?;
        let (first, end) = (self.extended(a.first)?, self.extended(a.end)?);
        let (to, from, list) = (self.pointer(a.to)?, self.pointer(a.from)?, self.pointer(a.rows)?);
        let (to_flags, from_flags, list_flags) = (self.flags(a.to)?, self.flags(a.from)?, self.flags(a.rows)?);
        let at = self.extended(a.at)?;
        let at = self.scaled(at, bytes);
        let (to, from) = (self.b.ins().iadd(to, at), self.b.ins().iadd(from, at));
        let body = self.b.create_block();
        let exit = self.b.create_block();
        let k = self.b.append_block_param(body, types::I64);
        let mut enter = vec![BlockArg::from(first)];
        let mut sums = Vec::new();
        let mut results = Vec::new();
        for n in 0..count {
            enter.push(self.b.ins().load(vector, to_flags, to, 16 * n).into());
            sums.push(self.b.append_block_param(body, vector));
            results.push(self.b.append_block_param(exit, vector));
        }
        let any = self.b.ins().icmp(IntCC::SignedLessThan, first, end);
        self.b.ins().brif(any, body, &enter, exit, enter.get(1..).unwrap_or_default());
        self.b.switch_to_block(body);
        let entry = self.scaled(k, 4);
        let entry = self.b.ins().iadd(list, entry);
        let row = self.b.ins().load(types::I32, list_flags, entry, 0);
        let row = self.b.ins().sextend(types::I64, row);
        let distance = self.b.ins().iconst(types::I64, i64::from(a.stride) * bytes);
        let skipped = self.b.ins().imul(row, distance);
        let row = self.b.ins().iadd(from, skipped);
        let one = self.b.ins().iconst(types::I64, 1);
        let next = self.b.ins().iadd(k, one);
        let mut again = vec![BlockArg::from(next)];
        for (n, sum) in (0..count).zip(&sums) {
            let x = self.b.ins().load(vector, from_flags, row, 16 * n);
            again.push(self.b.ins().fadd(*sum, x).into());
        }
        let more = self.b.ins().icmp(IntCC::SignedLessThan, next, end);
        self.b.ins().brif(more, body, &again, exit, again.get(1..).unwrap_or_default());
        self.b.switch_to_block(exit);
        for (n, sum) in (0..count).zip(results) {
            self.b.ins().store(to_flags, sum, to, 16 * n);
        }
        Ok(())
    }
}
