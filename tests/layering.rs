//! Which folder of `src/` may use which. The table here is the rule and `ARCHITECTURE.md` shows it to people; an edge that the table
//! does not have fails with the files that need it. Code under `#[cfg(test)]` is not looked at: tests may use anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Folder (or single file) of `src/` and what it may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("backend", &["lir", "pages", "rng", "simd"]),
    ("builtins", &[]),
    (
        "cli",
        &[
            "backend", "builtins", "codegen", "connect", "data", "diag", "driver", "hir", "lir", "lsp", "methods",
            "phase", "runtime", "sched", "script", "sema", "source", "syntax", "units",
        ],
    ),
    ("codegen", &["builtins", "hir", "lir", "methods", "sched"]),
    ("connect", &["diag", "pages", "rng"]),
    ("data", &["diag"]),
    ("diag", &["source"]),
    ("driver", &["backend", "data", "diag", "hir", "runtime", "sched", "script", "sema", "source", "syntax", "units"]),
    ("hir", &["builtins", "script", "source", "units"]),
    ("lib", &[]),
    ("lir", &[]),
    (
        "lsp",
        &["builtins", "connect", "diag", "driver", "hir", "methods", "script", "sema", "source", "syntax", "units"],
    ),
    ("main", &["cli"]),
    ("methods", &["builtins", "hir"]),
    ("memory", &["pages"]),
    ("pages", &[]),
    ("phase", &["diag", "hir", "methods", "sched", "units"]),
    ("rng", &["simd"]),
    (
        "runtime",
        &[
            "backend", "builtins", "codegen", "connect", "data", "diag", "hir", "lir", "methods", "pages", "rng",
            "sched", "script", "simd", "source",
        ],
    ),
    ("sched", &["builtins", "diag", "hir", "methods", "script", "source"]),
    ("script", &["builtins", "data", "diag", "hir", "pages", "rng", "sema", "simd", "source", "syntax", "units"]),
    ("sema", &["builtins", "diag", "hir", "methods", "script", "source", "syntax", "units"]),
    ("simd", &[]),
    ("source", &[]),
    ("syntax", &["diag", "source"]),
    ("units", &[]),
];

/// A word that only some files may name, and why.
const CONFINED: &[(&str, &[&str], &str)] = &[
    (
        "unsafe ",
        &["backend/cranelift/exec.rs", "memory.rs", "pages.rs"],
        "unsafe code is where its conditions are checked",
    ),
    ("cranelift::", &["backend/cranelift/", "driver.rs", "cli/plan.rs"], "the library's interface moves often"),
    ("cranelift_jit::", &["backend/cranelift/"], "the library's interface moves often"),
    ("pest::", &["syntax/"], "what the parser is made of is nobody else's business"),
    ("codespan_reporting::", &["diag/render.rs"], "how a diagnostic looks is decided in one place"),
    ("lsp_server::", &["lsp/", "cli/lsp.rs"], "the protocol of editors is the language server's business"),
    ("gen_lsp_types", &["lsp/"], "the protocol of editors is the language server's business"),
    ("plotters::", &["phase/draw.rs"], "how a picture is made is decided in one place"),
    ("clap::", &["cli/"], "the shape of the command line is decided in one place"),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All source files under a folder, in order of their paths.
fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(dir).expect("a source folder").map(|e| e.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// The code of a file without comments and without its inline test module; and the files that it declares for tests only.
fn code(text: &str) -> (String, Vec<String>) {
    let mut kept = String::new();
    let mut test_files = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("#[cfg(test)]") || line.trim_start().starts_with("#[cfg(all(test") {
            // An attribute of the module may follow before the module itself.
            while lines.peek().is_some_and(|l| l.trim_start().starts_with("#[")) {
                lines.next();
            }
            let next = lines.peek().map_or("", |l| l.trim());
            let module = next.trim_start_matches("pub(crate) ").strip_prefix("mod ");
            if let Some(name) = module.and_then(|m| m.strip_suffix(';')) {
                test_files.push(name.to_owned());
                lines.next();
                continue;
            }
            if line.starts_with("#[cfg") && module.is_some() {
                break; // tests stand last
            }
            lines.next(); // a single item for tests, such as a `use`
            continue;
        }
        let line = line.find("//").map_or(line, |at| &line[..at]);
        kept.push_str(line);
        kept.push('\n');
    }
    (kept, test_files)
}

/// The first path segments named after `crate::`, of groups (`crate::{a, b::c}`) too.
fn used(code: &str) -> BTreeSet<String> {
    let word = |s: &str| s.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut start = true;
        for (k, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && !c.is_whitespace() => {
                    found.insert(word(&group[k..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    found
}

/// The files of `src/` that are no tests: path inside `src/`, folder, code.
fn files() -> Vec<(String, String, String)> {
    let src = root().join("src");
    let mut paths = Vec::new();
    sources(&src, &mut paths);
    let mut tests = BTreeSet::new();
    let mut out = Vec::new();
    for path in &paths {
        let text = std::fs::read_to_string(path).expect("a source file");
        let (code, declared) = code(&text);
        let parent = path.parent().expect("a folder");
        tests.extend(declared.iter().map(|name| parent.join(format!("{name}.rs"))));
        let inside = path.strip_prefix(&src).expect("inside src").to_string_lossy().replace('\\', "/");
        let folder = inside.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
        out.push((path.clone(), inside, folder, code));
    }
    out.into_iter().filter(|(path, ..)| !tests.contains(path)).map(|(_, a, b, c)| (a, b, c)).collect()
}

#[test]
fn folders_use_only_what_the_table_allows() {
    let files = files();
    let folders: BTreeSet<&str> = files.iter().map(|(_, folder, _)| folder.as_str()).collect();
    let mut faults: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (file, folder, code) in &files {
        let allowed = ALLOWED.iter().find(|(name, _)| name == folder).map(|(_, to)| *to);
        assert!(allowed.is_some(), "src/{file}: `{folder}` has no row in the table of tests/layering.rs");
        let mut names = used(code);
        if code.contains("snnc::cli") {
            names.insert("cli".to_owned());
        }
        for name in names {
            let foreign = folders.contains(name.as_str()) && name != *folder;
            if foreign && !allowed.unwrap_or_default().contains(&name.as_str()) {
                faults.entry((folder.clone(), name)).or_default().push(format!("src/{file}"));
            }
        }
    }
    let mut message = String::new();
    for ((from, to), files) in &faults {
        message += &format!("`{from}` may not use `{to}`, but these do: {}\n", files.join(", "));
    }
    assert!(
        faults.is_empty(),
        "{message}Move the code, or, if the new edge is right, add it to the table in tests/layering.rs and in ARCHITECTURE.md."
    );
}

#[test]
fn libraries_and_unsafe_code_stay_where_they_belong() {
    for (file, _, code) in &files() {
        for (word, homes, why) in CONFINED {
            let at_home = homes.iter().any(|home| file == home || (home.ends_with('/') && file.starts_with(home)));
            assert!(at_home || !code.contains(word), "src/{file} names `{}`: {why}", word.trim());
        }
    }
}

#[test]
fn the_architecture_document_shows_the_same_table() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    for (from, to) in ALLOWED.iter().filter(|(from, _)| !matches!(*from, "lib" | "main")) {
        let to: Vec<String> = to.iter().map(|t| format!("`{t}`")).collect();
        let to = if to.is_empty() { "nothing".to_owned() } else { to.join(", ") };
        let row = format!("| `{from}` | {to} |");
        assert!(text.contains(&row), "ARCHITECTURE.md lacks the row\n{row}");
    }
}

#[test]
fn the_reader_of_edges_reads_them() {
    let text = "use crate::{a::b, c::{d, e}, f};\n// crate::no\nfn x() { crate::g::h() }\n#[cfg(test)]\nmod tests {\n use crate::i; }\n";
    let (code, _) = code(text);
    let found: Vec<String> = used(&code).into_iter().collect();
    assert_eq!(found, ["a", "c", "f", "g"]);
}
