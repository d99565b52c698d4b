//! The language server as an editor meets it: messages of the protocol over a connection in memory, and once over the streams of the
//! real program.
#![cfg(feature = "lsp")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod editor;

use editor::{Editor, position_of};
use lsp_server::{Message, Notification, Request, Response};
use serde_json::{Value, json};

const URI: &str = "file:///models/cells.snn";

/// A small model with one of everything that names can stand for.
const CELLS: &str = "## Cells of one kind.
simulation { dt = 0.1 ms; seed = 1 }
param n_cells = 40
const rest = -65 mV

## A leaky cell with a synaptic current.
neuron Cell {
  param tau = 20 ms, R = 100 MOhm
  state v = rest, x: mV = 0 mV
  input I: pA = 300 pA
  let pull = rest - v
  tau * dv/dt = pull + R*I
  dx/dt = -x / tau
  spike when v > -50 mV
  on spike { v = rest; x += 1 mV }
}

synapse Push {
  weight w = 1 mV
  on pre { deliver w }
  on post { w += 0.1 * post.x }
}

population E[n_cells]: Cell(tau = 10 ms)
let Half = E[..20]
connect EE: Half -> E.v via random(p = 0.1) with Push(w = 0.2 mV)

experiment main {
  let before = mean(E.v)
  run 100 ms
  print(\"rate\", rate(E), before)
}

test \"they fire\" { run 100 ms; expect rate(E) > 1 Hz }
";

impl Editor {
    fn hover(&mut self, text: &str, place: &str) -> String {
        let found = self.at("textDocument/hover", position(text, place));
        found["contents"]["value"].as_str().unwrap_or_else(|| panic!("nothing at {place}")).to_owned()
    }

    fn completions(&mut self, text: &str) -> Vec<String> {
        let at = position(text, "@");
        self.change(&text.replace('@', ""));
        let found = self.at("textDocument/completion", at);
        found.as_array().unwrap().iter().map(|i| i["label"].as_str().unwrap().to_owned()).collect()
    }
}

/// The position of the first `place` in a text, or of the `|` in it.
fn position(text: &str, place: &str) -> Value {
    let shift = place.find('|').unwrap_or(0);
    let byte = text.find(&place.replace('|', "")).unwrap_or_else(|| panic!("no {place}")) + shift;
    position_of(text, byte)
}

/// The text of a range.
fn slice(text: &str, range: &Value) -> String {
    let byte = |p: &Value| {
        let line = p["line"].as_u64().unwrap() as usize;
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let mut units = p["character"].as_u64().unwrap() as usize;
        let mut end = start;
        for c in text[start..].chars() {
            if units == 0 {
                break;
            }
            units -= c.len_utf16();
            end += c.len_utf8();
        }
        end
    };
    text[byte(&range["start"])..byte(&range["end"])].to_owned()
}

/// The text after edits of the protocol.
fn edited(text: &str, edits: &Value) -> String {
    let mut out = text.to_owned();
    let mut edits = edits.as_array().unwrap().clone();
    edits.sort_by_key(|e| {
        std::cmp::Reverse((e["range"]["start"]["line"].as_u64(), e["range"]["start"]["character"].as_u64()))
    });
    for e in edits {
        let start = slice(&out, &json!({ "start": { "line": 0, "character": 0 }, "end": e["range"]["start"] })).len();
        let old = slice(&out, &e["range"]).len();
        out.replace_range(start..start + old, e["newText"].as_str().unwrap());
    }
    out
}

#[test]
fn faults_are_shown_where_they_are_and_go_away() {
    let mut editor = Editor::new(URI);
    let broken = CELLS.replace("tau * dv/dt = pull", "tau * dv/dt = pul");
    let found = editor.open(&broken);
    let named: Vec<_> = found.iter().map(|d| (slice(&broken, &d["range"]), d["code"].as_str().unwrap())).collect();
    assert!(named.contains(&("pul".to_owned(), "E0101")), "{named:?}");
    let d = found.iter().find(|d| d["code"] == "E0101").unwrap();
    assert_eq!((d["severity"].as_u64(), d["source"].as_str()), (Some(1), Some("snnc")));
    assert!(d["message"].as_str().unwrap().contains("help: did you mean `pull`?"), "{d}");
    assert_eq!(editor.change(CELLS), Vec::<Value>::new());
    // A fault with a second place.
    let twice = CELLS.replace("const rest = -65 mV", "const rest = -65 mV, rest = 1 mV");
    let found = editor.change(&twice);
    let d = found.iter().find(|d| d["code"] == "E0103").unwrap();
    let other = &d["relatedInformation"][0];
    assert_eq!(other["location"]["range"]["start"], position(&twice, "rest = -65"));
    assert_eq!(other["message"], "first declared here");
    // Warnings.
    let found = editor.change(&CELLS.replace("R = 100 MOhm", "R = 100 MOhm, idle = 1 ms"));
    assert!(found.iter().all(|d| d["severity"] == 2) && !found.is_empty(), "{found:?}");
    // A closed file has no diagnostics any more.
    editor.tell("textDocument/didClose", json!({ "textDocument": { "uri": URI } }));
    assert!(editor.response("textDocument/hover", json!({})).response_result.is_err());
    assert_eq!(editor.published.last(), Some(&(Value::Null, Vec::new())));
    editor.leave();
}

#[test]
fn columns_count_utf16_units() {
    let mut editor = Editor::new(URI);
    let text = "test \"µ𝜏\" { expect nothing > 1 }\n";
    let found = editor.open(text);
    assert_eq!(found[0]["range"]["start"], json!({ "line": 0, "character": 20 }), "{found:?}");
    assert_eq!(slice(text, &found[0]["range"]), "nothing");
    editor.leave();
}

#[test]
fn a_quick_fix_mends_the_fault() {
    let mut editor = Editor::new(URI);
    let broken = CELLS.replace("pull + R*I", "pul + R*I");
    editor.open(&broken);
    let at = position(&broken, "pul +");
    let params = json!({ "textDocument": { "uri": URI }, "range": { "start": at, "end": at }, "context": { "diagnostics": [] } });
    let actions = editor.ask("textDocument/codeAction", params);
    let action = &actions[0];
    assert_eq!(
        (action["title"].as_str(), action["kind"].as_str()),
        (Some("Replace `pul` by `pull`"), Some("quickfix"))
    );
    assert_eq!(edited(&broken, &action["edit"]["changes"][URI]), CELLS);
    // Elsewhere there is nothing to mend.
    let at = position(&broken, "experiment");
    let params = json!({ "textDocument": { "uri": URI }, "range": { "start": at, "end": at }, "context": { "diagnostics": [] } });
    assert_eq!(editor.ask("textDocument/codeAction", params), json!([]));
    editor.leave();
}

#[test]
fn a_warning_is_accepted_by_a_quick_fix_and_the_author_says_why() {
    let mut editor = Editor::new(URI);
    let idle = CELLS.replace("R = 100 MOhm", "R = 100 MOhm, idle = 1 ms");
    editor.open(&idle);
    let at = position(&idle, "idle");
    let params = json!({ "textDocument": { "uri": URI }, "range": { "start": at, "end": at }, "context": { "diagnostics": [] } });
    let actions = editor.ask("textDocument/codeAction", params);
    assert_eq!(actions[0]["title"], "Allow W0709 here, and say why");
    let asks = edited(&idle, &actions[0]["edit"]["changes"][URI]);
    assert!(asks.contains("neuron Cell {\n  allow W0709 \"\"\n  param tau"), "{asks}");
    // Until the author does, that is what is wrong.
    let found = editor.change(&asks);
    let codes: Vec<_> = found.iter().map(|d| d["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["E0007"]);
    let said = asks.replace("W0709 \"\"", "W0709 \"set by other files\"");
    assert_eq!(editor.change(&said), Vec::<Value>::new());
    assert!(editor.hover(&said, "W0709").contains("something is never used"));
    assert!(editor.hover(&said, "allow").contains("accepts a warning"));
    // It was found by another thread that the warning has gone, and so what silences it.
    let mended = said.replace(", idle = 1 ms", "");
    let found = editor.change(&mended);
    assert_eq!(found.iter().map(|d| d["code"].as_str().unwrap()).collect::<Vec<_>>(), ["W0802"]);
    editor.leave();
}

#[test]
fn formatting_changes_only_the_lines_that_differ() {
    let mut editor = Editor::new(URI);
    let ugly = CELLS.replace("  on pre { deliver w }", "      on pre {deliver    w}");
    editor.open(&ugly);
    let params = json!({ "textDocument": { "uri": URI }, "options": { "tabSize": 2, "insertSpaces": true } });
    let edits = editor.ask("textDocument/formatting", params.clone());
    assert_eq!(edited(&ugly, &edits), CELLS);
    assert_eq!(edits.as_array().unwrap().len(), 1);
    assert_eq!(slice(&ugly, &edits[0]["range"]), "      on pre {deliver    w}\n");
    editor.change(CELLS);
    assert_eq!(editor.ask("textDocument/formatting", params.clone()), json!([]));
    editor.change("neuron {");
    assert_eq!(editor.ask("textDocument/formatting", params), Value::Null);
    editor.leave();
}

#[test]
fn renaming_changes_every_use_and_refuses_conflicts() {
    let mut editor = Editor::new(URI);
    editor.open(CELLS);
    // Declaration, derivative, handler, other model and protocol: all of them, and nothing else.
    let mut params = json!({ "textDocument": { "uri": URI }, "position": position(CELLS, "|v = rest, x") });
    let ready = editor.ask("textDocument/prepareRename", params.clone());
    assert_eq!((slice(CELLS, &ready["range"]).as_str(), ready["placeholder"].as_str()), ("v", Some("v")));
    params["newName"] = json!("u_m");
    let edit = editor.ask("textDocument/rename", params.clone());
    let renamed = edited(CELLS, &edit["changes"][URI]);
    for part in [
        "state u_m = rest",
        "let pull = rest - u_m",
        "tau * du_m/dt",
        "spike when u_m >",
        "on spike { u_m = rest",
        "-> E.u_m via",
        "mean(E.u_m)",
    ] {
        assert!(renamed.contains(part), "{part} is not in\n{renamed}");
    }
    assert!(editor.change(&renamed).is_empty(), "{renamed}");
    editor.change(CELLS);
    // From a use, a keyword argument, a population, a local.
    for (place, new, parts) in [
        ("|tau = 10", "tau_m", &["param tau_m = 20 ms", "dx/dt = -x / tau_m", "Cell(tau_m = 10 ms)"][..]),
        ("rate|(E)", "", &[]),
        ("(|E), before", "Exc", &["population Exc[n_cells]", "let Half = Exc[..20]", "rate(Exc) > 1 Hz"]),
        ("let |before", "start", &["let start = mean", "rate(E), start)"]),
        ("post.|x", "trace", &["x: mV", "post.trace"]),
        ("via random(p = 0.1) with |Push", "Kick", &["synapse Kick {", "with Kick(w"]),
    ] {
        if new.is_empty() {
            continue;
        }
        let params = json!({ "textDocument": { "uri": URI }, "position": position(CELLS, place), "newName": new });
        let renamed = edited(CELLS, &editor.ask("textDocument/rename", params)["changes"][URI]);
        for part in parts.iter().filter(|p| **p != "x: mV") {
            assert!(renamed.contains(part), "{place}: {part} is not in\n{renamed}");
        }
        assert!(editor.change(&renamed).is_empty(), "{renamed}");
        editor.change(CELLS);
    }
    for (place, new, why) in [
        ("|v = rest, x", "x", "`x` is declared already on line 9"),
        ("|v = rest, x", "rest", "`rest` has another meaning on line"),
        ("const |rest", "v", "`v` has another meaning on line"),
        ("|v = rest, x", "state", "`state` is a word of the language"),
        ("|v = rest, x", "mV", "`mV` is a unit"),
        ("|v = rest, x", "2v", "`2v` is not a name"),
        ("|v = rest, x", "dt", "`dt` has a meaning of its own"),
        ("|E[n_cells]", "Half", "`Half` is declared already on line"),
        ("|simulation", "x", "no name stands here"),
    ] {
        let params = json!({ "textDocument": { "uri": URI }, "position": position(CELLS, place), "newName": new });
        let error = editor.response("textDocument/rename", params).response_result.unwrap_err();
        assert!(error.message.contains(why), "{place} -> {new}: {}", error.message);
    }
    let prelude = "population L[2]: lif()\n";
    editor.change(prelude);
    let params = json!({ "textDocument": { "uri": URI }, "position": position(prelude, "|lif") });
    let error = editor.response("textDocument/prepareRename", params).response_result.unwrap_err();
    assert!(error.message.contains("belongs to the prelude"), "{}", error.message);
    editor.leave();
}

#[test]
fn the_outline_has_every_declaration() {
    let mut editor = Editor::new(URI);
    editor.open(CELLS);
    let found = editor.ask("textDocument/documentSymbol", json!({ "textDocument": { "uri": URI } }));
    let names = |v: &Value| -> Vec<String> {
        v.as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        names(&found),
        ["simulation", "n_cells", "rest", "Cell", "Push", "E", "Half", "EE", "main", "they fire"]
    );
    let cell = &found[3];
    assert_eq!(names(&cell["children"]), ["tau", "R", "v", "x", "I", "pull"]);
    assert!(slice(CELLS, &cell["range"]).starts_with("neuron Cell {"));
    assert_eq!(slice(CELLS, &cell["selectionRange"]), "Cell");
    editor.leave();
}

#[test]
fn hovering_tells_units_values_methods_and_sources() {
    let mut editor = Editor::new(URI);
    editor.open(CELLS);
    for (place, parts) in [
        (
            "|v = rest, x",
            &[
                "state v = rest",
                "tau * dv/dt = pull + R*I",
                "A state of `Cell`, in mV",
                "by default -65 mV",
                "Method `exact` for v, x",
            ][..],
        ),
        ("|pull + R", &["let pull = rest - v", "in mV"]),
        ("post.|x", &["state x: mV = 0 mV", "of `Cell`"]),
        ("|n_cells]", &["param n_cells = 40", "A parameter of the program, 40."]),
        ("= |rest, x", &["const rest = -65 mV", "A constant, -65 mV."]),
        ("|Cell(tau", &["neuron Cell {", "A leaky cell with a synaptic current.", "Method `exact`"]),
        ("(|tau = 10", &["param tau = 20 ms", "A parameter of `Cell`, in ms; by default 20 ms"]),
        ("|EE:", &["A projection", "random(p = 0.1)"]),
        ("|E[n_cells]", &["A population: 40 × `Cell`"]),
        ("20 |ms, R", &["Unit of time"]),
        ("100 |MOhm", &["Unit of resistance"]),
        ("|random(p", &["Connection rule `random(p"]),
        ("|before)", &["let before = mean(E.v)"]),
        // The derivative as a whole is its state.
        ("|dv/dt", &["state v = rest", "Method `exact`"]),
        ("dx/|dt", &["state x: mV = 0 mV", "A state of `Cell`"]),
        // Words that no file declares.
        ("|mean(E.v)", &["`mean(x over axis)`"]),
        ("|rate(E), before", &["the mean rate"]),
        ("(|p = 0.1", &["`p` of the rule `random`: a probability"]),
        ("|spike when", &["what makes the neuron spike"]),
        ("|deliver w", &["when the spike arrives"]),
        ("|neuron Cell", &["a model of a neuron"]),
        ("|experiment main", &["a protocol"]),
    ] {
        let page = editor.hover(CELLS, place);
        for part in parts {
            assert!(page.contains(part), "{place}: {part} is not in\n{page}");
        }
    }
    let with_prelude = "## Text.\nneuron A {\n  state x = 1\n  dx/dt = -exprel(x) / 1 ms\n  method rk4\n}\npopulation P[3]: A()\npopulation L[2]: lif()\n";
    editor.change(with_prelude);
    for (place, part) in [
        ("|lif()", "A leaky integrate-and-fire neuron"),
        ("lif|()", "spike when v > v_th"),
        ("|exprel", "Function `exprel(x)`"),
        ("|rk4", "Integration method `rk4`"),
    ] {
        let page = editor.hover(with_prelude, place);
        assert!(page.contains(part), "{place}: {page}");
    }
    assert_eq!(editor.at("textDocument/hover", position(with_prelude, "|Text")), Value::Null, "a comment");
    editor.leave();
}

#[test]
fn values_and_units_stay_known_while_the_text_is_broken() {
    let mut editor = Editor::new(URI);
    editor.open(CELLS);
    let broken = CELLS.replace("run 100 ms\n  print", "run 100 ms +\n  print");
    assert!(!editor.change(&broken).is_empty());
    assert!(editor.hover(&broken, "|v = rest, x").contains("in mV"));
    editor.leave();
}

#[test]
fn definitions_and_references_follow_scopes() {
    let mut editor = Editor::new(URI);
    // Two models with a variable of one name each, and a local name that hides a global one.
    let text = CELLS.to_owned()
        + "\nneuron Other {\n  state v = 0 mV # another v\n  dv/dt = -v / 5 ms\n}\npopulation O[3]: Other()\nexperiment hide { let rest = 2; print(\"r\", rest, O.v) }\n";
    editor.open(&text);
    for (place, target) in [
        ("|pull + R", "|pull = rest"),
        ("rest - |v\n", "|v = rest, x"),
        ("d|v/dt = pull", "|v = rest, x"),
        ("E.|v via", "|v = rest, x"),
        ("mean(E.|v", "|v = rest, x"),
        ("O.|v", "|v = 0 mV"),
        ("-|v / 5", "|v = 0 mV"),
        ("|Half -> E", "|Half = E"),
        ("|E[..20]", "|E[n_cells]"),
        ("with |Push", "|Push {"),
        ("(|w = 0.2", "|w = 1 mV"),
        ("post.|x", "|x: mV"),
        ("\"r\", |rest", "|rest = 2"),
        ("= |rest, x", "|rest = -65"),
        ("|before)", "|before = mean"),
    ] {
        let found = editor.at("textDocument/definition", position(&text, place));
        assert_eq!(found["range"]["start"], position(&text, target), "{place}");
        assert_eq!(found["uri"], URI);
    }
    assert_eq!(editor.at("textDocument/definition", position(&text, "|random(p")), Value::Null);

    let uses = |found: Value, text: &str| -> Vec<String> {
        let line = |l: &Value| l["range"]["start"]["line"].as_u64().unwrap() as usize;
        found.as_array().unwrap().iter().map(|l| text.lines().nth(line(l)).unwrap().trim().to_owned()).collect()
    };
    let found = editor.at("textDocument/references", position(&text, "|v = 0 mV"));
    assert_eq!(
        uses(found, &text),
        [
            "state v = 0 mV # another v",
            "dv/dt = -v / 5 ms",
            "dv/dt = -v / 5 ms",
            "experiment hide { let rest = 2; print(\"r\", rest, O.v) }"
        ]
    );
    let found = editor.at("textDocument/references", position(&text, "|rest = -65"));
    assert_eq!(found.as_array().unwrap().len(), 4, "{found}");
    editor.leave();
}

#[test]
fn names_of_imported_files_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let lib = "const rest = -65 mV\n\n## A leaky cell.\nneuron Cell {\n  param tau = 20 ms\n  state v = rest\n  tau * dv/dt = rest - v\n  spike when v > -50 mV\n}\n               experiment own { run 1 ms }\n";
    std::fs::create_dir(dir.path().join("lib of cells")).unwrap();
    std::fs::write(dir.path().join("lib of cells/cells.snn"), lib).unwrap();
    let path = "lib of cells/cells.snn";
    let text = format!(
        "import \"{path}\"\nsimulation {{ seed = 1 }}\npopulation E[10]: Cell(tau = 10 ms)\nexperiment main {{ run 1 ms; print(\"v\", mean(E.v), rest) }}\n"
    );
    let uri = format!("file://{}/m.snn", dir.path().display());
    let mut editor = Editor::new(&uri);
    assert_eq!(editor.open(&text), Vec::<Value>::new());
    let mut ask = |method: &str, text: &str, place: &str| {
        let mut params = json!({ "textDocument": { "uri": uri }, "position": position(text, place) });
        params["newName"] = json!("Other");
        editor.response(&format!("textDocument/{method}"), params).response_result
    };
    for (place, target) in
        [("|Cell(tau", "|Cell {"), ("(|tau = 10", "|tau = 20"), ("E.|v)", "|v = rest"), (", |rest)", "|rest = -65")]
    {
        let found = ask("definition", &text, place).unwrap();
        assert_eq!(found["range"]["start"], position(lib, target), "{place}");
        assert_eq!(found["uri"], format!("file://{}/lib%20of%20cells/cells.snn", dir.path().display()));
    }
    // The path of the import leads to the file.
    let found = ask("definition", &text, "of |cells/").unwrap();
    assert!(found["uri"].as_str().unwrap().ends_with("/lib%20of%20cells/cells.snn"), "{found}");

    let hover = |found: Value| found["contents"]["value"].as_str().unwrap().to_owned();
    let page = hover(ask("hover", &text, "|Cell(tau").unwrap());
    assert!(
        page.contains("neuron Cell {") && page.contains("A leaky cell.") && page.contains("from `cells.snn`"),
        "{page}"
    );
    let page = hover(ask("hover", &text, "E.|v)").unwrap());
    assert!(page.contains("A state of `Cell`, in mV; by default -65 mV, from `cells.snn`"), "{page}");

    let labels = |found: Value| -> Vec<String> {
        found.as_array().unwrap().iter().map(|i| i["label"].as_str().unwrap().to_owned()).collect()
    };
    let found = labels(ask("completion", &text, ": |Cell(").unwrap());
    assert!(found.contains(&"Cell".to_owned()), "{found:?}");
    let found = labels(ask("completion", &text, "E.|v)").unwrap());
    assert!(found.contains(&"v".to_owned()) && found.contains(&"tau".to_owned()), "{found:?}");
    let found = labels(ask("completion", &text, "main { |run").unwrap());
    assert!(found.contains(&"rest".to_owned()) && !found.contains(&"own".to_owned()), "{found:?}");

    // What another file declares is renamed there.
    let refused = ask("rename", &text, "|Cell(tau").unwrap_err();
    assert!(
        refused.message.contains("`Cell` is declared in") && refused.message.contains("rename it there"),
        "{refused:?}"
    );
    editor.leave();
}

#[test]
fn places_behind_signs_of_several_units_are_exact() {
    let text = CELLS.replace("print(\"rate\", rate(E), before)", "print(\"τ µ 😀\", rate(E), before)  # ä 😀");
    let mut editor = Editor::new(URI);
    editor.open(&text);
    for (place, word) in [("|before)", "before"), ("|rate(E), be", "rate"), ("rate(|E), be", "E")] {
        let found = editor.at("textDocument/hover", position(&text, place));
        assert_eq!(slice(&text, &found["range"]), word);
    }
    let renamed = editor.ask(
        "textDocument/rename",
        json!({ "textDocument": { "uri": URI }, "position": position(&text, "|before)"), "newName": "start" }),
    );
    let edits = renamed["changes"][URI].as_array().unwrap();
    assert!(edits.len() == 2 && edits.iter().all(|e| slice(&text, &e["range"]) == "before"), "{renamed}");
    editor.leave();
}

#[test]
fn completions_fit_the_place() {
    let mut editor = Editor::new(URI);
    editor.open(CELLS);
    let inside = CELLS.replace("  dx/dt = -x / tau\n", "  dx/dt = -x / ta@\n");
    let found = editor.completions(&inside);
    for name in ["tau", "pull", "v", "rest", "exp", "t", "state"] {
        assert!(found.iter().any(|f| f == name), "{name}: {found:?}");
    }
    for name in ["w", "E", "before", "connect"] {
        assert!(!found.iter().any(|f| f == name), "{name}: {found:?}");
    }
    for (text, some, none) in [
        (CELLS.replace("R = 100 MOhm", "R = 100 @"), "MOhm", "tau"),
        (CELLS.replace("E[n_cells]: Cell(tau = 10 ms)", "E[n_cells]: @"), "lif", "stdp"),
        (CELLS.replace("E[n_cells]: Cell(tau = 10 ms)", "E[n_cells]: Cell(@"), "tau", "w"),
        (CELLS.replace("with Push(w = 0.2 mV)", "with @"), "Push", "Cell"),
        (CELLS.replace("with Push(w = 0.2 mV)", "with Push(@"), "w", "tau"),
        (CELLS.replace("random(p = 0.1)", "@"), "one_to_one", "w"),
        (CELLS.replace("-> E.v", "-> E.@"), "v", "w"),
        (CELLS.replace("mean(E.v)", "mean(EE.@)"), "w", "v"),
        (CELLS.replace("rate(E), before", "rate(E), be@"), "before", "pull"),
        (CELLS.replace("  spike when", "  method @\n  spike when"), "backward_euler", "tau"),
        (CELLS.to_owned() + "@", "population", "tau"),
        (CELLS.replace("0.1 * post.x", "0.1 * post.@"), "x", "w"),
        // A connection leads to states and inputs; a `let` has no value outside of its model.
        (CELLS.replace("-> E.v", "-> E.@"), "I", "tau"),
        (CELLS.replace("mean(E.v)", "mean(E.@)"), "tau", "pull"),
        // What is given is not offered again; connections have delays.
        (CELLS.replace("Cell(tau = 10 ms)", "Cell(tau = 10 ms, @)"), "R", "tau"),
        (CELLS.replace("Push(w = 0.2 mV)", "Push(w = min(1 mV, 2 mV), @)"), "dendritic_delay", "w"),
        (CELLS.replace("random(p = 0.1)", "random(p = 0.1, @)"), "symmetric", "p"),
        // No clause and no statement begins inside brackets.
        (CELLS.replace("Cell(tau = 10 ms)", "Cell(tau = 10 ms, @)"), "if", "via"),
        (CELLS.replace("Push(w = 0.2 mV)", "Push(w = @)"), "exp", "where"),
        (CELLS.replace("Push(w = 0.2 mV)", "Push(w = 0.2 mV) @"), "where", "deliver"),
        (CELLS.replace("mean(E.v)", "mean(@)"), "over", "run"),
        (CELLS.replace("on spike {", "on @ {"), "release", "tau"),
        (CELLS.replace("on post {", "on @ {"), "post", "spike"),
        (CELLS.replace("  spike when", "  refractory 2 ms hold @\n  spike when"), "v", "tau"),
        (format!("simulation {{ dt = 0.1 ms; @ }}\n{CELLS}"), "seed", "E"),
        (CELLS.replace("E[n_cells]: Cell(tau = 10 ms)", "E[n_cells]: @"), "Cell", "poisson_input"),
        (CELLS.replace("  run 100 ms\n", "  @\n"), "freeze", "main"),
        (CELLS.replace("0.1 * post.x", "0.1 * @"), "post", "E"),
        (CELLS.replace("dx/dt = -x / tau", "dx/dt = -@"), "pi", "post"),
        (CELLS.replace("  spike when", "  allow @\n  spike when"), "W0709", "tau"),
    ] {
        let found = editor.completions(&text);
        assert!(found.iter().any(|f| f == some), "{some}: {found:?}");
        assert!(!found.iter().any(|f| f == none), "{none}: {found:?}");
    }
    assert!(editor.completions("# a comm@\n").is_empty());
    editor.leave();
}

#[test]
fn hints_name_units_that_are_not_written() {
    let mut editor = Editor::new(URI);
    editor.open(CELLS);
    let all = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 99, "character": 0 } });
    let found = editor.ask("textDocument/inlayHint", json!({ "textDocument": { "uri": URI }, "range": all }));
    let found: Vec<_> =
        found.as_array().unwrap().iter().map(|h| (h["label"].as_str().unwrap(), h["position"].clone())).collect();
    // `x: mV` says it, `w = 1 mV` shows it.
    assert_eq!(found, [(": mV", position(CELLS, "v| = rest, x"))]);
    let none = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 3, "character": 0 } });
    let found = editor.ask("textDocument/inlayHint", json!({ "textDocument": { "uri": URI }, "range": none }));
    assert_eq!(found, json!([]));
    editor.leave();
}

#[test]
fn tokens_cover_names_in_order() {
    let mut editor = Editor::new(URI);
    editor.open(CELLS);
    let found = editor.ask("textDocument/semanticTokens/full", json!({ "textDocument": { "uri": URI } }));
    let data: Vec<u64> = found["data"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    let (mut line, mut column, mut words) = (0, 0, Vec::new());
    for token in data.chunks(5) {
        column = if token[0] == 0 { column + token[1] } else { token[1] };
        line += token[0];
        let range = json!({ "start": { "line": line, "character": column }, "end": { "line": line, "character": column + token[2] } });
        words.push((slice(CELLS, &range), token[3]));
    }
    assert_eq!(words.first(), Some(&("n_cells".to_owned(), 6)));
    for (word, kind) in [("Cell", 0), ("tau", 2), ("v", 3), ("pull", 1), ("main", 4), ("Push", 0), ("EE", 1)] {
        assert!(words.contains(&(word.to_owned(), kind)), "{word}: {words:?}");
    }
    editor.leave();
}

#[test]
fn any_request_on_any_text_is_answered() {
    let mut editor = Editor::new(URI);
    let models: Vec<String> = ["cuba.snn", "diehl_cook.snn"]
        .map(|m| std::fs::read_to_string(format!("{}/models/{m}", env!("CARGO_MANIFEST_DIR"))).unwrap())
        .to_vec();
    let cut = |text: &str, at: usize| text.char_indices().take(at).map(|(_, c)| c).collect::<String>();
    let mut texts = vec![
        String::new(),
        "\u{feff}".to_owned(),
        "neuron".to_owned(),
        "neuron A {".to_owned(),
        "neuron A { state v = \"".to_owned(),
        "let A = B; let B = A\nexperiment e { print(A.x, B[1].y) }".to_owned(),
        "neuron A { } neuron A { param x = x }\npopulation A[2]: A(x = A.x)".to_owned(),
        "synapse S { on pre { deliver pre. to } }\nconnect -> . with S(".to_owned(),
        "𝜏𝜏𝜏 ((((".to_owned(),
        "a.".repeat(5_000),
        "(".repeat(5_000),
        "x".repeat(5_000_000),
        "x = 1 mV\r\n\r".repeat(300),
    ];
    for m in models.iter().map(String::as_str).chain([CELLS]) {
        let length = m.chars().count();
        texts.extend((0..6).map(|k| cut(m, length * k / 6 + k)));
    }
    editor.open("");
    let ends = [(0, 0), (0, 3), (1, 4_000_000_000_u32), (4_000_000_000_u32, 0), (7, 12), (12, 9)];
    for text in &texts {
        editor.change(text);
        for (line, character) in ends {
            let at = json!({ "line": line, "character": character });
            for method in ["hover", "definition", "references", "documentHighlight", "completion"] {
                editor.at(&format!("textDocument/{method}"), at.clone());
            }
            let range = json!({ "start": at, "end": { "line": 0, "character": 0 } });
            let params = json!({ "textDocument": { "uri": URI }, "range": range, "context": { "diagnostics": [] } });
            editor.ask("textDocument/codeAction", params.clone());
            editor.ask("textDocument/inlayHint", params);
        }
        for method in ["documentSymbol", "semanticTokens/full"] {
            editor.ask(&format!("textDocument/{method}"), json!({ "textDocument": { "uri": URI } }));
        }
        let params = json!({ "textDocument": { "uri": URI }, "options": { "tabSize": 2, "insertSpaces": true } });
        editor.ask("textDocument/formatting", params);
    }
    editor.leave();
}

#[test]
fn faulty_requests_are_errors_and_the_server_goes_on() {
    let mut editor = Editor::new(URI);
    let code = |r: Response| r.response_result.unwrap_err().code;
    let elsewhere = json!({ "textDocument": { "uri": "file:///other" }, "position": { "line": 0, "character": 0 } });
    assert_eq!(code(editor.response("textDocument/hover", elsewhere)), -32602);
    assert_eq!(code(editor.response("textDocument/hover", json!({ "position": 7 }))), -32602);
    assert_eq!(code(editor.response("textDocument/telepathy", json!({}))), -32601);
    editor.tell("textDocument/didChange", json!([1, 2]));
    editor.tell("$/cancelRequest", json!({ "id": 1 }));
    assert_eq!(editor.open(CELLS), Vec::<Value>::new());
    editor.leave();
}

#[test]
fn an_editor_that_hangs_up_ends_the_server() {
    let mut editor = Editor::new(URI);
    let server = editor.server.take().unwrap();
    drop(editor);
    assert_eq!(server.join().unwrap(), Ok(false));
}

#[test]
fn the_program_speaks_over_its_streams() {
    use std::io::{BufReader, Read};
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_snnc"))
        .args(["lsp", "--stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    let mut from = BufReader::new(child.stdout.take().unwrap());
    let mut request = |id: i32, method: &str, params: Value| {
        Message::from(Request { id: id.into(), method: method.to_owned(), params }).write(&mut to).unwrap();
        Message::read(&mut from).unwrap().unwrap()
    };
    let Message::Response(hello) = request(1, "initialize", json!({ "capabilities": {} })) else {
        panic!("no response")
    };
    assert_eq!(hello.response_result.unwrap()["capabilities"]["positionEncoding"], "utf-16");
    let Message::Response(bye) = request(2, "shutdown", Value::Null) else { panic!("no response") };
    assert_eq!(bye.response_result.unwrap(), Value::Null);
    Message::from(Notification { method: "exit".to_owned(), params: Value::Null }).write(&mut to).unwrap();
    drop(to);
    assert!(child.wait().unwrap().success());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr, "");
}

/// The program gives editors a file with the prelude's text: written once, read-only, without a fault of its own.
#[test]
fn names_of_the_prelude_lead_to_its_text() {
    use std::io::BufReader;
    use std::process::{Command, Stdio};
    let cache = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_snnc"))
        .arg("lsp")
        .env("XDG_CACHE_HOME", cache.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    let mut from = BufReader::new(child.stdout.take().unwrap());
    let mut send = |message: Message| message.write(&mut to).unwrap();
    let mut answer = |id: i32| loop {
        if let Message::Response(r) = Message::read(&mut from).unwrap().unwrap()
            && r.id == id.into()
        {
            break r.response_result.unwrap();
        }
    };
    let request = |id: i32, method: &str, params: Value| Request { id: id.into(), method: method.to_owned(), params };
    let notice = |method: &str, params: Value| Notification { method: method.to_owned(), params };
    send(request(1, "initialize", json!({ "capabilities": {} })).into());
    answer(1);
    let text = "population L[2]: lif(tau = 10 ms)\nconnect L -> L.v with static(w = 1 mV)\nexperiment e { run 1 ms; print(\"v\", mean(L.v)) }\n";
    let document = json!({ "uri": URI, "languageId": "snn", "version": 0, "text": text });
    send(notice("textDocument/didOpen", json!({ "textDocument": document })).into());
    for (id, (place, line)) in (2..).zip([
        ("|lif", "neuron lif {"),
        ("|tau = 10", "param tau"),
        ("|static", "synapse static {"),
        ("L.|v)", "state v"),
    ]) {
        let params = json!({ "textDocument": { "uri": URI }, "position": position(text, place) });
        send(request(id, "textDocument/definition", params).into());
        let found = answer(id);
        let path =
            found["uri"].as_str().and_then(|u| u.strip_prefix("file://")).unwrap_or_else(|| panic!("{place}: {found}"));
        assert!(path.starts_with(cache.path().to_str().unwrap()), "{path}");
        let shown = std::fs::read_to_string(path).unwrap();
        assert_eq!(shown, snnc::sema::PRELUDE);
        assert!(std::fs::metadata(path).unwrap().permissions().readonly());
        let at = found["range"]["start"]["line"].as_u64().unwrap() as usize;
        let there = shown.lines().nth(at).unwrap();
        assert!(there.contains(line), "{place}: {there}");
        let name = slice(&shown, &found["range"]);
        assert!(place.replace('|', "").contains(&name), "{place}: {name}");
    }
    send(request(9, "shutdown", Value::Null).into());
    answer(9);
    send(notice("exit", Value::Null).into());
    assert!(child.wait().unwrap().success());
    // An editor that opens it shows a file without faults.
    let mut editor = Editor::new("file:///cache/prelude.snn");
    assert_eq!(editor.open(snnc::sema::PRELUDE), Vec::<Value>::new());
    editor.leave();
}
