//! Protocols: the typed, structured IR of experiments, procedures and tests, its checking from the syntax tree, and its evaluator.

mod actions;
pub mod assign;
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
mod records;
pub mod reduce;
mod shape;
mod stmts;
mod table;
pub mod tensor;
#[cfg(test)]
mod tests;
mod text;
pub mod walk;

pub use ir::Program;
pub use lower::lower;
