//! Protocols: the typed, structured IR of experiments, procedures and tests, and its evaluator.

mod actions;
mod calls;
mod index;
pub mod ir;
mod loops;
mod lower;
pub mod machine;
mod names;
mod operators;
pub mod print;
mod procs;
mod quantity;
mod recording;
mod shape;
mod stmts;
mod suggest;
mod table;
#[cfg(test)]
mod tests;
mod text;
pub mod walk;

pub use ir::Program;
pub use lower::lower;
