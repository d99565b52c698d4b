//! Neovim, set up exactly as the README says, opens every shipped model: `NVIM=nvim cargo test --test neovim -- --ignored`.
#![cfg(feature = "lsp")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

const INIT: &str = include_str!("../editors/neovim/init.lua");
const README: &str = include_str!("../README.md");

/// The commands of the README that follow a text, up to the end of their block.
fn commands(after: &str) -> &'static str {
    let rest = README.split_once(after).unwrap_or_else(|| panic!("the README has no `{after}`")).1;
    rest.split_once("```sh\n").unwrap().1.split_once("```").unwrap().0
}

#[test]
fn the_readme_shows_the_file() {
    assert!(README.contains(&format!("```lua\n{INIT}```\n")), "editors/neovim/init.lua is not what the README shows");
    assert!(commands("The colours need the parser").contains("editors/tree-sitter-snn/src/scanner.c"));
}

/// For every model: colours, no fault of the grammar, hover, a fault that is shown and goes away, and a declaration of the prelude.
#[test]
#[ignore = "needs Neovim 0.11 or later: its path in NVIM"]
fn every_model_opens() {
    let nvim = std::env::var_os("NVIM").expect("the path of Neovim in NVIM");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join(".config/nvim");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("init.lua"), INIT).unwrap();
    let made = commands("The colours need the parser");
    let status = Command::new("sh").args(["-euc", made]).current_dir(root).env("HOME", home.path()).status().unwrap();
    assert!(status.success());
    let mut models: Vec<_> = fs::read_dir(root.join("models")).unwrap().map(|e| e.unwrap().path()).collect();
    models.retain(|p| p.extension().is_some_and(|e| e == "snn"));
    models.sort();
    let bin = Path::new(env!("CARGO_BIN_EXE_snnc")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(bin.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let opened = Command::new(nvim)
        .arg("--headless")
        .args(&models)
        .arg("-S")
        .arg(root.join("tests/editor/neovim.lua"))
        .env("HOME", home.path())
        .env("XDG_CACHE_HOME", home.path().join(".cache"))
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_DATA_HOME")
        .env_remove("XDG_STATE_HOME")
        .env("PATH", path.unwrap())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&opened.stdout), String::from_utf8_lossy(&opened.stderr));
    assert!(opened.status.success(), "{said}");
    let fine = said.lines().filter(|l| l.trim_end().ends_with(": fine")).count();
    assert_eq!(fine, models.len(), "{said}");
}
