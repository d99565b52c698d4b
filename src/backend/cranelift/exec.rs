//! Owning compiled code and calling it.
//!
//! Apart from one advice to the system in `pages.rs` this is the only file with `unsafe`. Invariants that make it sound:
//! * [`Code`] owns the module and frees its memory in `Drop`; function pointers live in [`CompiledKernels`], which owns the
//!   [`Code`], and never leave this file.
//! * Code is entered only through [`JitSession::call`], with a table of base pointers of buffers that are borrowed mutably
//!   for as long as the session lives and whose kinds and lengths have been compared with the program.
//! * The program was verified, and it keeps the contract of the loop IR that every index lies inside its buffer's declared
//!   length. Whoever builds programs is responsible for that; the interpreter checks it, and tests run both.
//! * Compiled code embeds no buffer address and has no state of its own, so any number of threads may run it at once.
#![allow(unsafe_code, reason = "calls machine code and frees its memory; each block says why it is sound")]

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::sync::Mutex;

use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::FuncId as ModuleFuncId;

use crate::backend::groups::{Groups, Touched, side_by_side};
use crate::backend::rows;
use crate::backend::{BackendError, Buf, Buffers, Kernels, Session};
use crate::lir::{Buffer, FuncId, Program};

/// A compiled function: the table of buffers, the arguments.
type Entry = unsafe extern "C" fn(*const *mut u8, *const i32);

/// `to[j] += from[row*stride + j]` for `len` elements of each of `count` rows in the list.
///
/// # Safety
/// The pointers are the base pointers of three different buffers; `len` elements of `to`, `count` of the list and `len` of `from` behind every
/// `row*stride` lie inside.
unsafe fn add_rows<T: Copy + std::ops::Add<Output = T>>(
    to: *mut T,
    from: *const T,
    list: *const i32,
    count: i64,
    stride: i64,
    len: i64,
) {
    let (Ok(count), Ok(len)) = (usize::try_from(count), usize::try_from(len)) else { return };
    // SAFETY: the caller's promise; the vector is no other buffer's memory.
    let to = unsafe { std::slice::from_raw_parts_mut(to, len) };
    // SAFETY: the caller's promise.
    let list = unsafe { std::slice::from_raw_parts(list, count) };
    let row = |row: &i32| {
        let first = i64::from(*row).wrapping_mul(stride) as isize;
        // SAFETY: the caller's promise: every row of the list is one of the matrix.
        unsafe { std::slice::from_raw_parts(from.offset(first), len) }
    };
    rows::add(to, list.iter().map(row));
}

extern "C" fn add_rows_f32(to: *mut f32, from: *const f32, list: *const i32, count: i64, stride: i64, len: i64) {
    // SAFETY: called by compiled code only, for a verified `AddRows`, with the base pointers of the buffers that are borrowed for the session. The
    // contract of the loop IR keeps every index inside.
    unsafe { add_rows(to, from, list, count, stride, len) }
}

extern "C" fn add_rows_f64(to: *mut f64, from: *const f64, list: *const i32, count: i64, stride: i64, len: i64) {
    // SAFETY: as for `add_rows_f32`.
    unsafe { add_rows(to, from, list, count, stride, len) }
}

/// The functions that add rows: symbol and address.
pub(super) fn rows() -> [(&'static str, *const u8); 2] {
    [
        (super::math::rows_symbol(false), add_rows_f32 as *const u8),
        (super::math::rows_symbol(true), add_rows_f64 as *const u8),
    ]
}

/// The memory of compiled code, freed when dropped.
pub(super) struct Code {
    module: ManuallyDrop<JITModule>,
}

impl Code {
    /// No code yet.
    pub(super) fn new(builder: JITBuilder) -> Self {
        Self { module: ManuallyDrop::new(JITModule::new(builder)) }
    }

    /// For declaring and defining functions.
    pub(super) fn module(&mut self) -> &mut JITModule {
        &mut self.module
    }

    /// Links the functions of `program`, which were all defined as `ids` with the signature of [`Entry`].
    pub(super) fn finish(mut self, program: &Program, ids: &[ModuleFuncId]) -> Result<CompiledKernels, BackendError> {
        if ids.len() != program.functions.len() {
            return Err(BackendError::Codegen("a function was not compiled".to_owned()));
        }
        self.module.finalize_definitions().map_err(|error| BackendError::Codegen(error.to_string()))?;
        let functions = ids
            .iter()
            .zip(&program.functions)
            .map(|(id, function)| {
                let address = self.module.get_finalized_function(*id);
                // SAFETY: the address is that of a finalized function which `emit::emit` built with `emit::signature`:
                // two pointers, no result, the host's C calling convention, as `Entry` says.
                let entry = unsafe { std::mem::transmute::<*const u8, Entry>(address) };
                CompiledFunction { name: function.name.clone(), arguments: function.params.len(), entry }
            })
            .collect();
        let touched = Touched::new(program);
        Ok(CompiledKernels { functions, buffers: program.buffers.clone(), touched, _code: Mutex::new(self) })
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        // SAFETY: `module` is taken once, here, and not touched afterwards.
        let module = unsafe { ManuallyDrop::take(&mut self.module) };
        // SAFETY: pointers into this memory are only kept in the `CompiledKernels` that owns this value, and sessions
        // borrow that, so nothing runs the code now or later.
        unsafe { module.free_memory() };
    }
}

struct CompiledFunction {
    name: String,
    arguments: usize,
    entry: Entry,
}

/// A compiled program with its code.
pub(super) struct CompiledKernels {
    functions: Vec<CompiledFunction>,
    buffers: Vec<Buffer>,
    touched: Touched,
    /// Only kept alive, never locked; the mutex makes the whole `Sync`.
    _code: Mutex<Code>,
}

impl Kernels for CompiledKernels {
    fn session<'a>(&'a self, buffers: &'a mut Buffers) -> Result<Box<dyn Session + 'a>, BackendError> {
        if buffers.len() < self.buffers.len() {
            let missing = self.buffers.get(buffers.len()).map_or_else(String::new, |b| b.name.clone());
            return Err(BackendError::Buffer(missing));
        }
        let mut table = Vec::with_capacity(self.buffers.len());
        for (declared, buffer) in self.buffers.iter().zip(buffers.iter_mut()) {
            if buffer.scalar() != declared.scalar || (buffer.len() as u64) < declared.len {
                return Err(BackendError::Buffer(declared.name.clone()));
            }
            table.push(match buffer {
                Buf::F32(v) => v.as_mut_ptr().cast::<u8>(),
                Buf::F64(v) => v.as_mut_ptr().cast::<u8>(),
                Buf::I32(v) => v.as_mut_ptr().cast::<u8>(),
                Buf::I64(v) => v.as_mut_ptr().cast::<u8>(),
            });
        }
        Ok(Box::new(JitSession { kernels: self, table, _buffers: PhantomData }))
    }

    fn touched(&self) -> &Touched {
        &self.touched
    }
}

/// Compiled functions on borrowed buffers.
struct JitSession<'a> {
    kernels: &'a CompiledKernels,
    /// The base pointer of each buffer, by number.
    table: Vec<*mut u8>,
    _buffers: PhantomData<&'a mut Buffers>,
}

impl Session for JitSession<'_> {
    fn call(&mut self, function: FuncId, args: &[i32]) -> Result<(), BackendError> {
        let Some(compiled) = self.kernels.functions.get(function.0 as usize) else {
            return Err(BackendError::Call(format!("there is no function {}", function.0)));
        };
        if args.len() != compiled.arguments {
            let (name, wanted, given) = (&compiled.name, compiled.arguments, args.len());
            return Err(BackendError::Call(format!("{name} takes {wanted} arguments and was given {given}")));
        }
        // SAFETY: `entry` is code of this signature that `kernels` keeps alive. The table holds one pointer for each
        // buffer of the program; `session` has checked kinds and lengths, and the buffers stay borrowed mutably, so the
        // pointers are valid and nobody else reads or writes behind them. The code reads exactly `arguments` arguments.
        // It stays inside the buffers by the contract of the loop IR (see the top of this file), and never unwinds.
        unsafe { (compiled.entry)(self.table.as_ptr(), args.as_ptr()) };
        Ok(())
    }

    fn call_stages(&mut self, stages: &[Groups], rounds: &[[i32; 3]]) -> Result<(), BackendError> {
        let kernels = self.kernels;
        let fits = |f: &FuncId| kernels.functions.get(f.0 as usize).is_some_and(|c| c.arguments == 3);
        if !stages.iter().all(|g| g.belong_to(&kernels.touched) && g.lists().iter().flatten().all(fits)) {
            return Err(BackendError::Call("groups of functions of another program".to_owned()));
        }
        let table = Table(self.table.as_ptr());
        let lists: Vec<usize> = stages.iter().map(|g| g.lists().len()).collect();
        side_by_side(rounds.len(), &lists, &|round, stage, list| {
            let table = &table;
            for f in &stages[stage].lists()[list] {
                if let Some(compiled) = kernels.functions.get(f.0 as usize) {
                    // SAFETY: as for `call`, and functions of different lists do not touch what the other writes: `Groups` are
                    // only made by `Touched::groups`, which puts functions that do into one list, and `belong_to` says that
                    // these are of this program. A list runs on one thread, in its order; lists of different stages never run at the same time,
                    // and this call returns when all have.
                    unsafe { (compiled.entry)(table.0, rounds[round].as_ptr()) };
                }
            }
        });
        Ok(())
    }
}

/// The table of buffers, read by several threads.
struct Table(*const *mut u8);

// SAFETY: the table itself is only read while it is shared, and what it points to is used as `call_stages` says.
unsafe impl Sync for Table {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_code_may_be_shared_by_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<CompiledKernels>();
    }
}
