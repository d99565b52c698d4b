//! An editor for tests of the language server: it keeps the diagnostics that it is sent, and asks.

#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::thread::JoinHandle;
use std::time::Duration;

use lsp_server::{Connection, Message, Notification, Request, Response};
use serde_json::{Value, json};

/// An editor with a server of its own and one open document.
pub(crate) struct Editor {
    pub(crate) connection: Connection,
    pub(crate) server: Option<JoinHandle<Result<bool, String>>>,
    pub(crate) uri: String,
    pub(crate) version: i32,
    next: i32,
    /// All diagnostics that were published for the document, each time with its version.
    pub(crate) published: Vec<(Value, Vec<Value>)>,
}

impl Editor {
    pub(crate) fn new(uri: &str) -> Self {
        let (connection, theirs) = Connection::memory();
        let thread = std::thread::Builder::new().stack_size(256 << 20);
        let server = Some(thread.spawn(move || snnc::lsp::serve(&theirs)).unwrap());
        let mut editor = Self { connection, server, uri: uri.to_owned(), version: 0, next: 0, published: Vec::new() };
        let hello = editor.ask("initialize", json!({ "processId": null, "rootUri": null, "capabilities": {} }));
        assert_eq!(hello["capabilities"]["hoverProvider"], json!(true));
        assert_eq!(hello["serverInfo"]["name"], "snnc");
        editor.tell("initialized", json!({}));
        editor
    }

    pub(crate) fn tell(&self, method: &str, params: Value) {
        self.connection.sender.send(Notification { method: method.to_owned(), params }.into()).unwrap();
    }

    pub(crate) fn response(&mut self, method: &str, params: Value) -> Response {
        self.next += 1;
        let request = Request { id: self.next.into(), method: method.to_owned(), params };
        self.connection.sender.send(request.into()).unwrap();
        loop {
            match self.connection.receiver.recv_timeout(Duration::from_secs(120)).unwrap() {
                Message::Response(r) => return r,
                Message::Notification(n) if n.method == "textDocument/publishDiagnostics" => {
                    if n.params["uri"] == self.uri {
                        let found = n.params["diagnostics"].as_array().unwrap().clone();
                        self.published.push((n.params["version"].clone(), found));
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        self.response(method, params).response_result.unwrap()
    }

    /// The diagnostics of the present text. Quick fixes are those of all diagnostics: the server answers when it has sent them.
    pub(crate) fn diagnostics(&mut self) -> Vec<Value> {
        let nowhere = json!({ "line": 0, "character": 0 });
        let range = json!({ "start": nowhere, "end": nowhere });
        let document = json!({ "uri": self.uri });
        let params = json!({ "textDocument": document, "range": range, "context": { "diagnostics": [] } });
        self.ask("textDocument/codeAction", params);
        let (version, found) = self.published.last().unwrap();
        assert_eq!(*version, self.version, "the diagnostics are those of the text");
        found.clone()
    }

    pub(crate) fn open(&mut self, text: &str) -> Vec<Value> {
        self.version += 1;
        let document = json!({ "uri": self.uri, "languageId": "snn", "version": self.version, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
        self.diagnostics()
    }

    /// Changes the text and does not wait.
    pub(crate) fn type_in(&mut self, text: &str) {
        self.version += 1;
        let document = json!({ "uri": self.uri, "version": self.version });
        self.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [{ "text": text }] }));
    }

    pub(crate) fn change(&mut self, text: &str) -> Vec<Value> {
        self.type_in(text);
        self.diagnostics()
    }

    pub(crate) fn at(&mut self, method: &str, position: Value) -> Value {
        let mut params = json!({ "textDocument": { "uri": self.uri }, "position": position });
        if method == "textDocument/references" {
            params["context"] = json!({ "includeDeclaration": true });
        }
        self.ask(method, params)
    }

    pub(crate) fn leave(mut self) {
        assert_eq!(self.ask("shutdown", Value::Null), Value::Null);
        self.tell("exit", Value::Null);
        assert_eq!(self.server.take().unwrap().join().unwrap(), Ok(true));
    }
}

/// The position of a byte.
pub(crate) fn position_of(text: &str, byte: usize) -> Value {
    let before = &text[..byte];
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap().encode_utf16().count();
    json!({ "line": line, "character": column })
}
