//! The typed model as text (`--emit hir`).

use super::Model;

/// The model as Rust shows it: complete, indented, stable for equal models.
#[must_use]
pub fn print(model: &Model) -> String {
    format!("{model:#?}\n")
}
