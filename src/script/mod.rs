//! Protocols: the typed, structured IR of experiments, procedures and tests, and its evaluator.

pub mod ir;
pub mod machine;

pub use ir::Program;
