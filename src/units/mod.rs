//! Physical units: dimensions, the table of units, and words for mismatches.
//!
//! A unit is a line of text in `std.units`. Values are held in the coherent scale of ms, mV, pA, um, amol and K; the functions here are
//! the only ones that know another.

pub mod dim;
pub mod explain;
pub mod nearest;
pub mod show;
pub mod table;

pub use dim::{Dim, Ratio};
pub use show::{ShownUnit, describe, number, quantity, show};
pub use table::{UnitDef, lookup, lookup_power};
