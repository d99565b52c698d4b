//! (to come)
pub mod sym;
