//! Rows of a matrix that are added block by block, right before the neurons of the block are advanced. Most steps have few rows, so the nest is
//! written once for each small number of them, with the rows' addresses found before it; one more version loops over addresses, and the last one,
//! for steps with very many, over the list of rows.

use super::Refused;
use super::asm::{Cond, Gpr, Label, Mem, RSP, Rm, vop};
use super::emit::{Emitter, SCRATCH, table_entry};
use crate::lir::{AddRows, BinOp, BufId, For, Op, Scalar, Stmt, Val};

/// The greatest number of rows that has a version of its own.
const VERSIONS: u8 = 8;

/// Registers that the common way through a nest needs for integers.
const INTEGERS: i32 = 3;

/// The greatest number of rows whose addresses are found before the nest.
const FOUND: i32 = 32;

/// How the version being written finds rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// There are so many, with their addresses in the frame from here on.
    Known(u8, i32),
    /// Their addresses are in the frame from the first place on; at the second are the bytes that these take.
    Found(i32, i32),
    /// There is any number of them.
    Listed,
}

/// A block of a buffer that is in registers, one vector after the other.
#[derive(Debug, Clone)]
pub(super) struct Resident {
    buf: BufId,
    /// Its first element.
    at: Val,
    pub(super) vectors: Vec<u8>,
}

impl<'a> Emitter<'_, 'a> {
    /// The register that holds what a load of `index` would fetch.
    pub(super) fn resident(&self, buf: BufId, index: Val) -> Option<u8> {
        let block = self.resident.as_ref().filter(|r| r.buf == buf)?;
        let offset = match self.region.inside.get(&index).copied() {
            _ if index == block.at => 0,
            Some(Op::Bin(BinOp::Add, a, b)) if *a == block.at => self.known(*b)?,
            Some(Op::Bin(BinOp::Add, a, b)) if *b == block.at => self.known(*a)?,
            _ => return None,
        };
        let lanes = self.full.bytes() / self.region.bytes(buf) as usize;
        block.vectors.get(usize::try_from(offset).ok().filter(|n| n % lanes == 0)? / lanes).copied()
    }

    /// The nest, in versions if it adds rows.
    pub(super) fn versions(&mut self, nest: &'a For) -> Result<(), Refused> {
        let Some(rows) = self.region.rows else {
            let end = self.asm.label();
            return self.version(nest, end, true);
        };
        // Slots follow each other.
        let addresses = self.slot();
        for _ in 1..FOUND * 8 / self.full.bytes() as i32 {
            self.slot();
        }
        let end = self.asm.label();
        let starts: Vec<_> = (0..=VERSIONS).map(|_| self.asm.label()).collect();
        self.open();
        let (first, last) = (self.int(rows.first)?, self.int(rows.end)?);
        self.asm.load32(SCRATCH, Rm::Reg(last));
        self.asm.sub32(SCRATCH, Rm::Reg(first));
        for (n, start) in starts.iter().enumerate() {
            self.asm.compare32_constant(Rm::Reg(SCRATCH), n as i32);
            self.asm.jump_if(if n == 0 { Cond::LessEqual } else { Cond::Equal }, *start);
        }
        self.close();
        self.found(&rows, addresses, nest, end)?;
        self.rows = Rows::Listed;
        self.version(nest, end, false)?;
        for (n, start) in (0..=VERSIONS).zip(starts) {
            self.asm.bind(start);
            self.open();
            let first = self.int(rows.first)?;
            let row = self.general()?;
            self.hold(row);
            for k in 0..i32::from(n) {
                self.row_address(&rows, row, Mem { base: SCRATCH, index: Some((first, 2)), disp: 4 * k })?;
                self.asm.store64(Mem::at(RSP, addresses + 8 * k), row);
            }
            self.close();
            self.rows = Rows::Known(n, addresses);
            self.open();
            if self.holds_rows {
                for k in 0..i32::from(n).min(self.free.len() as i32 - INTEGERS) {
                    let row = self.general()?;
                    self.hold(row);
                    self.asm.load64(row, Rm::Mem(Mem::at(RSP, addresses + 8 * k)));
                    self.row_registers.push(row);
                }
            }
            self.version(nest, end, n == VERSIONS)?;
            self.row_registers.clear();
            self.close();
        }
        Ok(())
    }

    /// One version of the nest, with what it puts off behind it.
    fn version(&mut self, nest: &'a For, end: Label, last: bool) -> Result<(), Refused> {
        self.for_loop(nest)?;
        if !last || !self.later.is_empty() {
            self.asm.jump(end);
        }
        self.write_later()?;
        if last {
            self.asm.bind(end);
        }
        Ok(())
    }

    /// The version for up to [`FOUND`] rows, whose number is in the scratch register; it goes on behind itself if there are more.
    fn found(&mut self, rows: &AddRows, addresses: i32, nest: &'a For, end: Label) -> Result<(), Refused> {
        let more = self.asm.label();
        self.asm.compare32_constant(Rm::Reg(SCRATCH), FOUND);
        self.asm.jump_if(Cond::Greater, more);
        self.open();
        let (first, last) = (self.int(rows.first)?, self.int(rows.end)?);
        let (k, row, bytes) = (self.general()?, self.general()?, self.general()?);
        for r in [k, row, bytes] {
            self.hold(r);
        }
        let top = self.asm.label();
        self.asm.extend(k, Rm::Reg(first));
        self.asm.set(bytes, 0);
        self.asm.bind(top);
        self.row_address(rows, row, Mem { base: SCRATCH, index: Some((k, 2)), disp: 0 })?;
        self.asm.store64(Mem { base: RSP, index: Some((bytes, 0)), disp: addresses }, row);
        self.asm.add64(bytes, 8);
        self.asm.add64(k, 1);
        self.asm.compare32(k, Rm::Reg(last));
        self.asm.jump_if(Cond::Less, top);
        let limit = self.slot();
        self.asm.store64(Mem::at(RSP, limit), bytes);
        self.close();
        self.rows = Rows::Found(addresses, limit);
        self.version(nest, end, false)?;
        self.asm.bind(more);
        Ok(())
    }

    /// The address of the row whose number is in the list at `entry`, relative to the list's start in the scratch register.
    fn row_address(&mut self, rows: &AddRows, row: Gpr, entry: Mem) -> Result<(), Refused> {
        let bytes = i64::from(rows.stride) * self.region.bytes(rows.to) as i64;
        let bytes = i32::try_from(bytes).map_err(|_| "rows of absurd length".to_owned())?;
        self.asm.load64(SCRATCH, Rm::Mem(table_entry(rows.rows)?));
        self.asm.extend(row, Rm::Mem(entry));
        self.asm.mul64_constant(row, Rm::Reg(row), bytes);
        self.asm.load64(SCRATCH, Rm::Mem(table_entry(rows.from)?));
        self.asm.lea64(row, Mem { base: SCRATCH, index: Some((row, 0)), disp: 0 });
        Ok(())
    }

    /// Adds the part of each row that belongs to the block.
    ///
    /// The sums stay in registers for what comes `after` in the block; they go to memory only if not all of it is written anew there.
    pub(super) fn add_rows(&mut self, a: &AddRows, after: &[Stmt]) -> Result<(), Refused> {
        let bytes = self.region.bytes(a.to);
        let vector = self.full.bytes();
        let sums = self.free_vectors((u64::from(a.len) * bytes) as usize / vector)?;
        let vector = vector as i32;
        let at = self.int(a.at)?;
        let scale = if bytes == 8 { 3 } else { 2 };
        if matches!(self.rows, Rows::Known(0, _)) {
            return Ok(());
        }
        self.move_block(a.to, at, scale, &sums, false)?;
        let add = vop(1, u8::from(self.region.kind(a.to) == Scalar::F64), 0, 0x58);
        match self.rows {
            Rows::Known(n, addresses) => {
                for k in 0..i32::from(n) {
                    let row = self.row_registers.get(k as usize).copied().unwrap_or(SCRATCH);
                    if row == SCRATCH {
                        self.asm.load64(SCRATCH, Rm::Mem(Mem::at(RSP, addresses + 8 * k)));
                    }
                    for (part, sum) in (0..).zip(&sums) {
                        let from = Mem { base: row, index: Some((at, scale)), disp: vector * part };
                        self.asm.vector(add, self.full, *sum, *sum, Rm::Mem(from));
                    }
                }
            }
            Rows::Found(addresses, limit) => {
                self.open();
                let k = self.general()?;
                self.hold(k);
                let top = self.asm.label();
                self.asm.set(k, 0);
                self.asm.bind(top);
                self.asm.load64(SCRATCH, Rm::Mem(Mem { base: RSP, index: Some((k, 0)), disp: addresses }));
                for (part, sum) in (0..).zip(&sums) {
                    let from = Mem { base: SCRATCH, index: Some((at, scale)), disp: vector * part };
                    self.asm.vector(add, self.full, *sum, *sum, Rm::Mem(from));
                }
                self.asm.add64(k, 8);
                self.asm.compare64(k, Rm::Mem(Mem::at(RSP, limit)));
                self.asm.jump_if(Cond::Less, top);
                self.close();
            }
            Rows::Listed => {
                self.open();
                let (first, last) = (self.int(a.first)?, self.int(a.end)?);
                let (k, row) = (self.general()?, self.general()?);
                self.hold(k);
                self.hold(row);
                let (top, done) = (self.asm.label(), self.asm.label());
                self.asm.extend(k, Rm::Reg(first));
                self.asm.compare32(k, Rm::Reg(last));
                self.asm.jump_if(Cond::GreaterEqual, done);
                self.asm.bind(top);
                self.row_address(a, row, Mem { base: SCRATCH, index: Some((k, 2)), disp: 0 })?;
                for (part, sum) in (0..).zip(&sums) {
                    let from = Mem { base: row, index: Some((at, scale)), disp: vector * part };
                    self.asm.vector(add, self.full, *sum, *sum, Rm::Mem(from));
                }
                self.asm.add64(k, 1);
                self.asm.compare32(k, Rm::Reg(last));
                self.asm.jump_if(Cond::Less, top);
                self.asm.bind(done);
                self.close();
            }
        }
        let keeps = self.keeps && !rereads(after, a.to);
        if !keeps || !overwrites(after, a.to) {
            self.move_block(a.to, at, scale, &sums, true)?;
        }
        if keeps {
            self.resident = Some(Resident { buf: a.to, at: a.at, vectors: sums });
        }
        Ok(())
    }

    /// Vector registers that no fixed value has.
    fn free_vectors(&self, n: usize) -> Result<Vec<u8>, Refused> {
        let all = 0..self.registers() as u8;
        let free: Vec<u8> = all.filter(|r| self.pinned.values().all(|p| p != r)).take(n).collect();
        if free.len() == n { Ok(free) } else { Err("too many vectors at once".to_owned()) }
    }

    /// Loads or stores the vectors of a block.
    fn move_block(&mut self, buf: BufId, at: Gpr, scale: u8, sums: &[u8], store: bool) -> Result<(), Refused> {
        let vector = self.full.bytes() as i32;
        for (part, sum) in (0..).zip(sums) {
            let base = self.base(buf)?;
            let place = Rm::Mem(Mem { base, index: Some((at, scale)), disp: vector * part });
            self.asm.vector(vop(1, 0, 0, 0x10 + u8::from(store)), self.full, *sum, 0, place);
        }
        Ok(())
    }
}

/// Whether statements store to a buffer in each element of the block, whatever happens.
fn overwrites(stmts: &[Stmt], buf: BufId) -> bool {
    stmts.iter().any(|stmt| match stmt {
        // Marked loops of nests run over the whole block.
        Stmt::For(f) if f.vector => f.body.stmts.iter().any(|s| matches!(s, Stmt::Store { buf: b, .. } if *b == buf)),
        Stmt::If(i) => overwrites(&i.then.stmts, buf) && overwrites(&i.els.stmts, buf),
        _ => false,
    })
}

/// Whether some body loads from a buffer after it has stored there.
fn rereads(stmts: &[Stmt], buf: BufId) -> bool {
    stmts.iter().any(|stmt| match stmt {
        Stmt::For(f) => {
            let stores = |s: &Stmt| matches!(s, Stmt::Store { buf: b, .. } if *b == buf);
            let loads = |s: &Stmt| matches!(s, Stmt::Def { op: Op::Load { buf: b, .. }, .. } if *b == buf);
            let first = f.body.stmts.iter().position(stores);
            first.is_some_and(|k| f.body.stmts.iter().skip(k).any(loads)) || rereads(&f.body.stmts, buf)
        }
        Stmt::If(i) => rereads(&i.then.stmts, buf) || rereads(&i.els.stmts, buf),
        _ => false,
    })
}
