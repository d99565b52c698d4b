//! Physical units: dimensions, the table of units, and words for mismatches.

pub mod dim;
pub mod table;

pub use dim::{Dim, Ratio};
pub use table::{UnitDef, lookup, lookup_power, usual, words};
