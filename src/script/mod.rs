//! Protocols: the typed, structured IR of experiments, procedures and tests, and its evaluator.

pub mod assign;
pub mod effects;
pub mod eval;
mod expr;
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
