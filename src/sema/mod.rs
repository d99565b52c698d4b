//! From the syntax tree to the typed model.

pub mod scope;
