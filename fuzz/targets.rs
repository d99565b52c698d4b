//! What must hold for any bytes. The same functions run under `cargo fuzz` (`fuzz_targets/`) and, on mutated models, in
//! `cargo test` (`tests/fuzz.rs`). A broken promise is a panic.

use std::path::Path;

use lsp_server::{Connection, ErrorCode, Message, Notification, Request};
use serde_json::{Value, json};
use snnc::diag::render::{render_human, render_json};
use snnc::diag::{Code, Diagnostic};
use snnc::driver::{Session, Settings};
use snnc::source::FileId;
use snnc::syntax;

/// Longer inputs only cost time.
const LONGEST: usize = 1 << 16;

/// Runs a target as the program does: with the stack that `main` gives the passes.
pub(crate) fn on_large_stack(data: &[u8], target: fn(&[u8])) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(256 << 20);
        let run = thread.spawn_scoped(scope, || target(data)).expect("a thread");
        if let Err(panic) = run.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data.get(..data.len().min(LONGEST))?).ok()
}

/// Every place of a diagnostic is in its text, at whole characters, and it has words.
fn sound(d: &Diagnostic, text: &str) {
    let labels = d.primary.iter().chain(&d.secondary).map(|l| l.span).chain(d.fixes.iter().map(|f| f.span));
    for span in labels.filter(|s| s.file == FileId(0)) {
        assert!(text.get(span.range()).is_some(), "{span:?} is no place of the text: {d:?}");
    }
    assert!(!d.message.is_empty() && !d.message.ends_with('.'), "{d:?}");
    assert_ne!(d.code, Code::E0900, "{d:?}");
}

/// The parser always returns a tree; its faults have places; the items cover their ranges.
pub(crate) fn parse(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let (_, faults) = syntax::parse(FileId(0), text);
    faults.iter().for_each(|d| sound(d, text));
    let mut end = 0;
    for item in syntax::split_items(text) {
        assert!(item.range.start >= end && item.range.start < item.range.end, "{:?} after {end}", item.range);
        assert!(text.get(item.range.clone()).is_some());
        end = item.range.end;
    }
}

/// Checking ends with diagnostics that can be shown; nothing is left out without a reason.
pub(crate) fn check(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let mut session = Session::from_text(Path::new("fuzz.snn"), text, &Settings::default());
    session.plan_only();
    for d in &session.sink.items {
        sound(d, text);
        assert!(!render_human(d, &session.sources, false).is_empty());
        let line = render_json(d, &session.sources);
        assert!(serde_json::from_str::<Value>(&line).is_ok(), "{line}");
    }
    assert_eq!(session.failed(), session.model.is_none(), "a model exists if and only if nothing is wrong");
}

/// What is laid out parses, and laying it out again changes nothing.
pub(crate) fn fmt(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Ok(once) = syntax::fmt::format(FileId(0), text) else { return };
    let (_, faults) = syntax::parse(FileId(0), &once);
    assert!(faults.is_empty(), "{faults:?}\n{once}");
    let twice = syntax::fmt::format(FileId(0), &once).expect("it parses");
    assert_eq!(once, twice);
}

/// The server answers every request about any text, and none with a fault of its own.
pub(crate) fn lsp(data: &[u8]) {
    let Some(text) = text(data) else { return };
    const URI: &str = "file:///fuzz.snn";
    let (client, server) = Connection::memory();
    let serving =
        std::thread::Builder::new().stack_size(256 << 20).spawn(move || snnc::lsp::serve(&server)).expect("a thread");
    let mut next = 0;
    let mut ask = |method: &str, params: Value| {
        next += 1;
        let request = Request { id: next.into(), method: method.to_owned(), params };
        client.sender.send(request.into()).expect("the server listens");
        loop {
            match client.receiver.recv().expect("the server answers") {
                Message::Response(r) => {
                    if let Err(e) = &r.response_result {
                        assert!(e.code != ErrorCode::InternalError as i32, "{method}: {}", e.message);
                    }
                    return r;
                }
                Message::Notification(n) => assert!(!n.params.to_string().contains("E0900"), "{}", n.params),
                Message::Request(_) => {}
            }
        }
    };
    let tell = |method: &str, params: Value| {
        client.sender.send(Notification { method: method.to_owned(), params }.into()).expect("the server listens");
    };
    ask("initialize", json!({ "processId": null, "rootUri": null, "capabilities": {} }));
    tell("initialized", json!({}));
    tell(
        "textDocument/didOpen",
        json!({ "textDocument": { "uri": URI, "languageId": "snn", "version": 1, "text": text } }),
    );
    let document = json!({ "uri": URI });
    let lines = text.lines().count();
    let all = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": lines + 1, "character": 0 } });
    for (method, params) in [
        ("documentSymbol", json!({ "textDocument": document })),
        ("semanticTokens/full", json!({ "textDocument": document })),
        ("inlayHint", json!({ "textDocument": document, "range": all })),
        ("codeAction", json!({ "textDocument": document, "range": all, "context": { "diagnostics": [] } })),
        ("formatting", json!({ "textDocument": document, "options": { "tabSize": 2, "insertSpaces": true } })),
    ] {
        ask(&format!("textDocument/{method}"), params);
    }
    // A few places, some beyond the text.
    for k in 0..5_usize {
        let line = (lines * k).div_ceil(4);
        let length = text.lines().nth(line).map_or(0, str::len);
        let position = json!({ "line": line, "character": (length * (k * 7 % 5)).div_ceil(4) });
        let mut params = json!({ "textDocument": document, "position": position });
        params["context"] = json!({ "includeDeclaration": true });
        params["newName"] = json!("fresh_name");
        for method in
            ["hover", "definition", "references", "documentHighlight", "completion", "prepareRename", "rename"]
        {
            ask(&format!("textDocument/{method}"), params.clone());
        }
    }
    ask("shutdown", Value::Null);
    tell("exit", Value::Null);
    assert_eq!(serving.join().expect("no panic"), Ok(true));
}
