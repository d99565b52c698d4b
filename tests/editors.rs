//! The grammars of the editors against the language: what snnc accepts they read without an error, and they colour what stands there.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::PathBuf;

use fancy_regex::Regex;
use serde_json::Value;
use snnc::source::FileId;
use snnc::{syntax, units};
use tree_sitter::{Parser, Query, QueryCursor, StreamingIterator};

/// The shipped models, the prelude, and the models of the tests that parse.
fn programs() -> Vec<(String, String)> {
    let mut paths: Vec<PathBuf> = ["models", "tests/ui"]
        .iter()
        .flat_map(|dir| fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()))
        .filter(|p| p.extension().is_some_and(|e| e == "snn"))
        .collect();
    paths.push("src/sema/prelude.snn".into());
    paths.sort();
    paths.into_iter().map(|p| (p.display().to_string(), fs::read_to_string(p).unwrap())).collect()
}

fn sound(text: &str) -> bool {
    syntax::parse(FileId(0), text).1.is_empty()
}

fn parser() -> Parser {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_snn::LANGUAGE.into()).unwrap();
    parser
}

#[test]
fn tree_sitter_reads_what_the_compiler_reads() {
    let mut parser = parser();
    let mut read = 0;
    for (name, text) in programs().into_iter().filter(|(_, text)| sound(text)) {
        let tree = parser.parse(&text, None).unwrap();
        assert!(!tree.root_node().has_error(), "{name}: {}", tree.root_node().to_sexp());
        read += 1;
        // The same declarations, in the same order.
        let (ast, _) = syntax::parse(FileId(0), &text);
        let mut cursor = tree.walk();
        let items = tree.root_node().named_children(&mut cursor).filter(|n| !n.is_extra()).count();
        assert_eq!(items, ast.items.len(), "{name}");
    }
    assert!(read > 100, "{read}");
}

#[test]
fn tree_sitter_sees_faults() {
    let mut parser = parser();
    for text in
        ["neuron A {\n  state v = = 3\n}\n", "population P[: A()\n", "experiment e { run }\n", "const a = 1 +\n"]
    {
        assert!(parser.parse(text, None).unwrap().root_node().has_error(), "{text}");
        assert!(!sound(text), "{text}");
    }
}

#[test]
fn tree_sitter_binds_operators_as_the_language_does() {
    let mut parser = parser();
    for (text, tree) in [
        ("-a^2", "(unary (binary (identifier) (identifier)))"),
        ("a - b - c", "(binary (binary (identifier) (identifier)) (identifier))"),
        ("a + b * c", "(binary (identifier) (binary (identifier) (identifier)))"),
        ("not a and b", "(binary (unary (identifier)) (identifier))"),
        ("a .. b + c", "(range (identifier) (binary (identifier) (identifier)))"),
        ("a == b or c", "(binary (binary (identifier) (identifier)) (identifier))"),
    ] {
        let text = format!("const x = {text}\n").replace("a^2", "a^b");
        let found = parser.parse(&text, None).unwrap().root_node().to_sexp();
        let plain = Regex::new(r"\w+: ").unwrap().replace_all(&found, "").into_owned();
        assert!(plain.contains(tree), "{text}: {plain}");
    }
}

#[test]
fn the_queries_fit_the_grammar_and_colour_the_models() {
    let language = tree_sitter_snn::LANGUAGE.into();
    for path in fs::read_dir("editors/tree-sitter-snn/queries").unwrap().map(|e| e.unwrap().path()) {
        Query::new(&language, &fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
    let query = Query::new(&language, tree_sitter_snn::HIGHLIGHTS_QUERY).unwrap();
    let mut parser = parser();
    for (name, text) in programs().into_iter().filter(|(_, text)| sound(text)) {
        let tree = parser.parse(&text, None).unwrap();
        let mut coloured = vec![false; text.len()];
        let mut cursor = QueryCursor::new();
        let mut found = cursor.captures(&query, tree.root_node(), text.as_bytes());
        while let Some((m, k)) = found.next() {
            coloured[m.captures()[*k].node.byte_range()].fill(true);
        }
        // All but white space has a colour.
        let bare = text.char_indices().find(|(at, c)| !c.is_whitespace() && !coloured[*at]);
        assert!(bare.is_none(), "{name}: {bare:?}: {}", text[bare.unwrap().0..].lines().next().unwrap());
    }
}

/// The rules of the TextMate grammar, in order: their expression, the scope of the whole match, and those of its groups.
fn rules() -> Vec<(Regex, Option<String>, Vec<(usize, String)>)> {
    let grammar: Value =
        serde_json::from_str(&fs::read_to_string("editors/vscode/syntaxes/snn.tmLanguage.json").unwrap()).unwrap();
    let mut out = Vec::new();
    let mut add = |rule: &Value| {
        let groups = rule["captures"].as_object().into_iter().flatten();
        out.push((
            Regex::new(rule["match"].as_str().unwrap()).unwrap(),
            rule["name"].as_str().map(str::to_owned),
            groups.map(|(k, v)| (k.parse().unwrap(), v["name"].as_str().unwrap().to_owned())).collect(),
        ));
    };
    for include in grammar["patterns"].as_array().unwrap() {
        let rule = &grammar["repository"][include["include"].as_str().unwrap().trim_start_matches('#')];
        match rule["patterns"].as_array() {
            Some(list) => list.iter().for_each(&mut add),
            None => add(rule),
        }
    }
    out
}

/// The scope of each byte of a line, as an editor finds it: the earliest match, and of those the first rule's.
fn scopes(line: &str, rules: &[(Regex, Option<String>, Vec<(usize, String)>)]) -> Vec<String> {
    let mut out = vec![String::new(); line.len()];
    let mut at = 0;
    while at < line.len() {
        let mut best: Option<(usize, usize)> = None;
        for (k, (regex, ..)) in rules.iter().enumerate() {
            if let Ok(Some(m)) = regex.find_from_pos(line, at)
                && best.is_none_or(|(start, _)| m.start() < start)
            {
                best = Some((m.start(), k));
            }
        }
        let Some((start, k)) = best else { break };
        let found = rules[k].0.captures_from_pos(line, start).unwrap().unwrap();
        let whole = found.get(0).unwrap();
        if let Some(name) = &rules[k].1 {
            out[whole.range()].fill(name.clone());
        }
        for (group, name) in &rules[k].2 {
            if let Some(m) = found.get(*group) {
                out[m.range()].fill(name.clone());
            }
        }
        at = whole.end().max(at + 1);
        while !line.is_char_boundary(at) {
            at += 1;
        }
    }
    out
}

#[test]
fn the_textmate_grammar_colours_every_model() {
    let rules = rules();
    let word = Regex::new(r"(?<![A-Za-z0-9_.])[A-Za-z_][A-Za-z0-9_]*").unwrap();
    let number = Regex::new(
        r"(?<![A-Za-z0-9_])[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?:[ \t]*([A-Za-z_][A-Za-z0-9_]*))?",
    )
    .unwrap();
    let (mut words, mut numbers, mut given) = (0, 0, 0);
    for (name, text) in programs().into_iter().filter(|(_, text)| sound(text)) {
        for line in text.lines() {
            let scopes = scopes(line, &rules);
            let comment = line
                .char_indices()
                .find(|(at, c)| *c == '#' && line[..*at].matches('"').count() % 2 == 0)
                .map_or(line.len(), |(at, _)| at);
            assert!(scopes[comment..].iter().all(|s| s.starts_with("comment.")), "{name}: {line}");
            let code = &line[..comment];
            let string = |at: usize| code[..at].matches('"').count() % 2 == 1;
            for m in word.find_iter(code).map(Result::unwrap).filter(|m| !string(m.start())) {
                if syntax::is_reserved(m.as_str()) {
                    let s = &scopes[m.start()];
                    assert!(
                        s.starts_with("keyword.") || s.starts_with("storage.") || s.starts_with("constant.language"),
                        "{name}: `{}` is `{s}` in {line}",
                        m.as_str()
                    );
                    words += 1;
                }
            }
            for c in number.captures_iter(code).map(Result::unwrap) {
                let m = c.get(0).unwrap();
                if string(m.start()) {
                    continue;
                }
                assert_eq!(scopes[m.start()], "constant.numeric.snn", "{name}: {line}");
                numbers += 1;
                if let Some(unit) = c.get(1).filter(|u| units::lookup(u.as_str()).is_some()) {
                    assert_eq!(scopes[unit.start()], "support.type.unit.snn", "{name}: `{}` in {line}", unit.as_str());
                    given += 1;
                }
            }
        }
    }
    assert!(words > 1000 && numbers > 1000 && given > 500, "{words} {numbers} {given}");
}

#[test]
fn the_extension_is_complete() {
    let read = |name: &str| fs::read_to_string(format!("editors/vscode/{name}")).unwrap();
    let package: Value = serde_json::from_str(&read("package.json")).unwrap();
    let config: Value = serde_json::from_str(&read("language-configuration.json")).unwrap();
    assert_eq!(config["comments"]["lineComment"], "#");
    // What the package names is there.
    for path in [
        &package["main"],
        &package["contributes"]["languages"][0]["configuration"],
        &package["contributes"]["grammars"][0]["path"],
        &package["contributes"]["snippets"][0]["path"],
    ] {
        read(path.as_str().unwrap().trim_start_matches("./"));
    }
    assert!(package["dependencies"]["vscode-languageclient"].is_string());
    // The client starts the server by the command that the README names, and settings exist that it reads.
    let client = read("extension.js");
    assert!(client.contains("\"lsp\""));
    for setting in ["snnc.path", "snnc.trace.server"] {
        assert!(package["contributes"]["configuration"]["properties"][setting].is_object(), "{setting}");
    }
    assert!(client.contains("get(\"path\""));
    // The snippets are models that parse once their places are filled.
    let snippets: Value = serde_json::from_str(&read("snippets.json")).unwrap();
    let place = Regex::new(r"\$\{\d+:([^}]*)\}").unwrap();
    for (name, snippet) in snippets.as_object().unwrap() {
        let lines: Vec<&str> = snippet["body"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
        let text = place.replace_all(&lines.join("\n"), "$1").replace("$0", "").replace('\t', "  ");
        assert!(sound(&text), "{name}: {text}");
    }
}
