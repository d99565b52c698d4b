//! The front end: from text to the checked and planned model, for every shipped model and for a long generated file; and the language
//! server's answer after an edit in that file.

#![allow(missing_docs, reason = "the macros of criterion make public functions")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{Criterion, criterion_group, criterion_main};
use snnc::driver::{Session, Settings};

fn models() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut all: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("the shipped models")
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "snn"))
        .collect();
    all.sort();
    all
}

/// A file of about ten thousand lines: many models, populations and connections.
fn long_file() -> String {
    let mut s = "simulation { dt = 0.1 ms; seed = 1 }\n".to_owned();
    for k in 0..835 {
        let _ = write!(
            s,
            "\nneuron M{k} {{\n  param tau = 20 ms, E_L = -49 mV\n  state v = -60 mV, g = 0 mV\n  tau * dv/dt = (E_L - v) + g\n  dg/dt = -g / 5 ms\n  \
             spike when v > -50 mV\n  on spike {{ v = -60 mV }}\n  refractory 5 ms hold v\n}}\npopulation P{k}[10]: M{k}()\n\
             connect P{k} -> P{k}.g via random(p = 0.5) with static(w = 1 mV, delay = 1 ms)\n"
        );
    }
    s.push_str("\nexperiment main { run 1 ms; print(\"rate\", rate(P0)) }\n");
    s
}

fn front(c: &mut Criterion) {
    let settings = Settings::default();
    for path in models() {
        let text = std::fs::read_to_string(&path).expect("a readable model");
        let name = path.file_stem().and_then(|n| n.to_str()).unwrap_or("model").to_owned();
        c.bench_function(&format!("check {name}"), |b| {
            b.iter(|| {
                let mut session = Session::from_text(&path, black_box(&text), &settings);
                session.plan_only();
                session.sink.items.len()
            });
        });
    }
    let text = long_file();
    c.bench_function(&format!("check {} lines", text.lines().count()), |b| {
        b.iter(|| {
            let mut session = Session::from_text(Path::new("long.snn"), black_box(&text), &settings);
            session.plan_only();
            session.sink.items.len()
        });
    });
}

/// From an edit in the long file to its diagnostics, and to the answer of a hover that follows them: messages as an editor sends them,
/// serialised and read again by both sides.
#[cfg(feature = "lsp")]
fn server(c: &mut Criterion) {
    use lsp_server::{Connection, Message, Notification, Request};
    use serde_json::{Value, json};
    let (client, theirs) = Connection::memory();
    let thread = std::thread::Builder::new().stack_size(256 << 20);
    let serving = thread.spawn(move || snnc::lsp::serve(&theirs)).expect("a thread");
    let tell = |method: &str, params: Value| {
        client.sender.send(Notification { method: method.to_owned(), params }.into()).expect("a server");
    };
    let next = std::cell::Cell::new(0);
    let ask = |method: &str, params: Value| {
        next.set(next.get() + 1);
        let request = Request { id: next.get().into(), method: method.to_owned(), params };
        client.sender.send(request.into()).expect("a server");
        while !matches!(client.receiver.recv().expect("an answer"), Message::Response(_)) {}
    };
    // The diagnostics of a version: how many there are.
    let published = |version: i64| loop {
        if let Message::Notification(n) = client.receiver.recv().expect("diagnostics")
            && n.method == "textDocument/publishDiagnostics"
            && n.params["version"] == version
        {
            break n.params["diagnostics"].as_array().map_or(0, Vec::len);
        }
    };
    ask("initialize", json!({ "processId": null, "rootUri": null, "capabilities": {} }));
    tell("initialized", json!({}));
    let text = long_file();
    let document = json!({ "uri": "file:///long.snn", "languageId": "snn", "version": 0, "text": text });
    tell("textDocument/didOpen", json!({ "textDocument": document }));
    assert_eq!(published(0), 0, "the file has no faults");
    let lines = text.lines().count();
    let mut version = 0;
    let mut edit = |from: &str, to: &str| {
        version += 1;
        let edited = text.replacen(from, to, 1);
        let document = json!({ "uri": "file:///long.snn", "version": version });
        tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [{ "text": edited }] }));
        version
    };
    // A value of a model in the middle, whose length changes, so that all that follows moves.
    let mut k = 0_u64;
    c.bench_function(&format!("edit of {lines} lines to diagnostics"), |b| {
        b.iter(|| {
            k += 1;
            let version = edit(
                "neuron M385 {\n  param tau = 20 ms",
                &format!("neuron M385 {{\n  param tau = {} ms", 10 + k % 131),
            );
            assert_eq!(published(version), 0);
        });
    });
    // The same with a fault: one diagnostic more.
    c.bench_function(&format!("faulty edit of {lines} lines to diagnostics"), |b| {
        b.iter(|| {
            k += 1;
            let version = edit(
                "neuron M385 {\n  param tau = 20 ms",
                &format!("neuron M385 {{\n  param tau = {} mV", 10 + k % 131),
            );
            assert!(published(version) > 0);
        });
    });
    c.bench_function(&format!("edit of {lines} lines, then hover"), |b| {
        b.iter(|| {
            k += 1;
            edit("neuron M385 {\n  param tau = 20 ms", &format!("neuron M385 {{\n  param tau = {} ms", 10 + k % 131));
            ask(
                "textDocument/hover",
                json!({ "textDocument": { "uri": "file:///long.snn" }, "position": { "line": 5005, "character": 9 } }),
            );
        });
    });
    // Quick fixes are of all diagnostics: the server answers when warnings and plan are known too.
    c.bench_function(&format!("edit of {lines} lines to all warnings"), |b| {
        b.iter(|| {
            k += 1;
            edit("neuron M385 {\n  param tau = 20 ms", &format!("neuron M385 {{\n  param tau = {} ms", 10 + k % 131));
            let place = json!({ "line": 0, "character": 0 });
            let range = json!({ "start": place, "end": place });
            let document = json!({ "uri": "file:///long.snn" });
            ask(
                "textDocument/codeAction",
                json!({ "textDocument": document, "range": range, "context": { "diagnostics": [] } }),
            );
        });
    });
    ask("shutdown", Value::Null);
    tell("exit", Value::Null);
    let _ = serving.join();
}

#[cfg(not(feature = "lsp"))]
fn server(_: &mut Criterion) {}

criterion_group! { name = benches; config = Criterion::default().sample_size(10); targets = front, server }
criterion_main!(benches);
