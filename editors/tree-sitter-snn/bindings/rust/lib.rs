//! The tree-sitter grammar of `.snn` files.

use tree_sitter_language::LanguageFn;

unsafe extern "C" {
    fn tree_sitter_snn() -> *const ();
}

/// The language.
pub const LANGUAGE: LanguageFn = unsafe { LanguageFn::from_raw(tree_sitter_snn) };

/// The colours.
pub const HIGHLIGHTS_QUERY: &str = include_str!("../../queries/highlights.scm");
/// The scopes of names.
pub const LOCALS_QUERY: &str = include_str!("../../queries/locals.scm");
