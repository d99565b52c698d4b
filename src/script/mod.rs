//! Protocols: the typed, structured IR of experiments, procedures and tests, and its evaluator.

pub mod assign;
pub mod ir;
pub mod machine;
pub mod reduce;
pub mod tensor;

pub use ir::Program;
