//! Protocols: the typed, structured IR of experiments, procedures and tests, and its evaluator.

pub mod assign;
pub mod effects;
pub mod eval;
#[cfg(test)]
mod eval_tests;
mod expr;
#[cfg(test)]
mod fake;
mod host;
pub mod independent;
pub mod ir;
mod lanes;
pub mod machine;
pub mod metrics;
pub mod ops;
pub mod outcome;
pub mod readout;
pub mod recording;
pub mod reduce;
pub mod tensor;

pub use ir::Program;
