//! Protocols: the typed, structured IR of experiments, procedures and tests, and its evaluator.

pub mod machine;

/// All protocols of a program.
#[derive(Debug, Clone, Default)]
pub struct Program {}
