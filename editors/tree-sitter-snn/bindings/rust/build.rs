//! Compiles the generated parser.

fn main() {
    let files = ["src/parser.c", "src/scanner.c"];
    cc::Build::new().include("src").files(files).flag_if_supported("-Wno-unused").warnings(false).compile("tree-sitter-snn");
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
}
