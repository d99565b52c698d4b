//! Protocols: the typed, structured IR of experiments, procedures and tests, its checking from the syntax tree, and its evaluator.

mod actions;
pub mod assign;
mod batch;
mod calls;
mod changes;
mod columns;
pub(crate) mod delays;
mod draws;
pub mod effects;
pub mod eval;
#[cfg(test)]
mod eval_tests;
mod expr;
#[cfg(test)]
mod fake;
mod faults;
mod host;
mod in_place;
pub mod independent;
mod index;
pub mod ir;
mod lanes;
pub(crate) mod learning;
mod loops;
mod lower;
pub mod machine;
mod merge;
pub mod metrics;
mod names;
mod normalise;
mod operators;
pub mod ops;
pub mod outcome;
mod over_time;
mod parts;
mod play;
pub mod print;
mod procs;
mod quantity;
pub mod readout;
pub mod recording;
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

pub(crate) use expr::var_name;
pub use ir::Program;
pub use lower::lower;
pub(crate) use names::decl;
#[cfg(feature = "lsp")]
pub(crate) use table::functions;
