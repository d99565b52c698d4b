//! Physical units: dimensions, the table of units, and words for mismatches.

pub mod dim;

pub use dim::{Dim, Ratio};
