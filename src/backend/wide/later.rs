//! What runs rarely stands behind the loops: the longer side of a choice, and lanes that append. So the common way through a nest jumps as little as
//! it can, and registers that only it needs are free there.

use std::collections::BTreeMap;

use super::Refused;
use super::asm::{Gpr, Label, Mem, RSP, Rm};
use super::emit::{Emitter, Int, Waiting};
use super::rows::{Resident, Rows};
use super::vector::{Key, bodies};
use crate::lir::{Block, Val};

/// Code that is still to be written, and where it begins and ends.
pub(super) struct Later<'a> {
    what: What<'a>,
    start: Label,
    back: Label,
    state: State,
}

/// See [`Later`].
pub(super) enum What<'a> {
    /// A side of a choice.
    Side(&'a Block),
    /// The lanes of some masks append, after a loop over the value.
    Append(Vec<Waiting>, Val),
}

/// What is where at some place in the code.
#[derive(Clone)]
struct State {
    free: Vec<Gpr>,
    ints: BTreeMap<Val, Int>,
    scopes: Vec<Vec<(Val, Option<Gpr>)>>,
    pinned: BTreeMap<Key, u8>,
    rows: Rows,
    row_registers: Vec<Gpr>,
    resident: Option<Resident>,
    at: i32,
    tight: bool,
}

impl<'a> Emitter<'_, 'a> {
    /// Notes code that starts at the label that is returned and goes on at `back`.
    pub(super) fn postpone(&mut self, what: What<'a>, back: Label) -> Label {
        let start = self.asm.label();
        let state = self.state();
        self.later.push(Later { what, start, back, state });
        start
    }

    /// Writes what has been put off.
    pub(super) fn write_later(&mut self) -> Result<(), Refused> {
        let now = self.state();
        while let Some(Later { what, start, back, state }) = self.later.pop() {
            self.restore(state);
            self.asm.bind(start);
            // The addresses of rows are in the frame, too.
            let rows = std::mem::take(&mut self.row_registers);
            self.free.extend(&rows);
            match what {
                What::Side(block) => {
                    self.open();
                    self.rare(&bodies(block, false), |e| e.block(block))?;
                    self.close();
                }
                What::Append(waiting, var) => self.append_each(&waiting, var)?,
            }
            if let Rows::Known(_, addresses) = self.rows {
                for (k, row) in (0..).zip(rows) {
                    self.asm.load64(row, Rm::Mem(Mem::at(RSP, addresses + 8 * k)));
                }
            }
            self.asm.jump(back);
        }
        self.restore(now);
        Ok(())
    }

    fn state(&self) -> State {
        State {
            free: self.free.clone(),
            ints: self.ints.clone(),
            scopes: self.scopes.clone(),
            pinned: self.pinned.clone(),
            rows: self.rows,
            row_registers: self.row_registers.clone(),
            resident: self.resident.clone(),
            at: self.at,
            tight: self.tight,
        }
    }

    fn restore(&mut self, state: State) {
        let State { free, ints, scopes, pinned, rows, row_registers, resident, at, tight } = state;
        (self.free, self.ints, self.scopes, self.pinned, self.rows) = (free, ints, scopes, pinned, rows);
        (self.row_registers, self.resident, self.at, self.tight) = (row_registers, resident, at, tight);
    }
}
