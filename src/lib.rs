//! snnc: a compiler for spiking neural networks.
//!
//! ```text
//! text ─parse→ ast::File ─resolve+infer→ hir::Model ─methods+sched→ Plan ─build→ lir::Program
//!                                                                             │ verify
//!                                                                             ▼
//!                              Backend::{Interp, Cranelift} → Kernels → runtime + script → report
//! ```
//!
//! The layers and what may use what are described in `ARCHITECTURE.md` and held by `tests/layering.rs`.

pub mod backend;
pub mod builtins;
pub mod cli;
pub mod codegen;
pub mod connect;
pub mod data;
pub mod diag;
pub mod driver;
pub mod hir;
pub mod lir;
#[cfg(feature = "lsp")]
pub mod lsp;
pub mod memory;
pub mod methods;
mod pages;
pub mod phase;
pub mod rng;
pub mod runtime;
pub mod sched;
pub mod script;
pub mod sema;
mod simd;
pub mod source;
pub mod syntax;
pub mod units;
