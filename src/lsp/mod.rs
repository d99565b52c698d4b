//! The language server: one file at a time, checked anew whenever it changes, on top of [`crate::driver::Session`]. It reads and writes
//! nothing but messages; who serves gives it the file of the prelude.
//!
//! Every request is answered, whatever the text is and wherever the position points: a fault of the request is an error of JSON-RPC, and
//! a panic is confined to its request. Positions are UTF-16, as every client knows them.

mod allow;
mod complete;
mod context;
mod diagnostics;
mod document;
mod hints;
mod hover;
mod later;
mod names;
mod navigate;
mod rename;
mod symbols;
mod text;
mod walk;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use gen_lsp_types as lsp;
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crossbeam_channel::select;
use document::{Document, Seen};
use later::{Done, Later};

/// Why a request cannot be answered.
struct Refusal {
    code: ErrorCode,
    message: String,
}

impl Refusal {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// Serves one client until it says `exit` or hangs up; whether it took leave by `shutdown` first, as the protocol wants it.
///
/// # Errors
/// Messages that are none of the protocol before the client is known.
pub fn serve(connection: &Connection) -> Result<bool, String> {
    serve_with(connection, &|| None)
}

/// Gives a file that holds the prelude's text, for editors to open; `None` if there is no place for one.
pub type PreludeFile<'a> = dyn Fn() -> Option<PathBuf> + 'a;

/// The same as [`serve`], with a file to which declarations of the prelude lead.
///
/// # Errors
/// As [`serve`].
pub fn serve_with(connection: &Connection, prelude: &PreludeFile<'_>) -> Result<bool, String> {
    let (id, _) = match connection.initialize_start() {
        Ok(start) => start,
        Err(e) if e.channel_is_disconnected() => return Ok(false),
        Err(e) => return Err(e.to_string()),
    };
    let hello = lsp::InitializeResult {
        capabilities: capabilities(),
        server_info: Some(lsp::ServerInfo {
            name: "snnc".to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        }),
    };
    let hello = serde_json::to_value(hello).map_err(|e| e.to_string())?;
    let later = Later::new().map_err(|e| e.to_string())?;
    let mut server = Server { connection, later, prelude, documents: BTreeMap::new(), texts: 0 };
    // The client's `initialized` changes nothing, so it is not waited for.
    server.send(Response::new_ok(id, hello));
    let (messages, found) = (&connection.receiver, server.later.done.clone());
    loop {
        let message = select! {
            recv(messages) -> message => message,
            recv(found) -> done => {
                done.into_iter().for_each(|done| server.complete(done));
                continue;
            }
        };
        let Ok(message) = message else { return Ok(false) };
        match message {
            Message::Request(request) => match connection.handle_shutdown(&request) {
                Ok(true) => return Ok(true),
                Ok(false) => server.request(request),
                Err(_) => return Ok(false),
            },
            Message::Notification(n) if n.method == "exit" => return Ok(false),
            Message::Notification(n) => server.notification(n),
            // The server asks the client nothing.
            Message::Response(_) => {}
        }
        // While more is waiting, it may be the next letter typed.
        if messages.is_empty() {
            server.publish();
        }
    }
}

fn capabilities() -> lsp::ServerCapabilities {
    lsp::ServerCapabilities {
        position_encoding: Some(lsp::PositionEncodingKind::UTF16),
        text_document_sync: Some(
            lsp::TextDocumentSyncOptions {
                open_close: Some(true),
                change: Some(lsp::TextDocumentSyncKind::Full),
                save: Some(true.into()),
                ..Default::default()
            }
            .into(),
        ),
        hover_provider: Some(true.into()),
        definition_provider: Some(true.into()),
        references_provider: Some(true.into()),
        rename_provider: Some(lsp::RenameOptions { prepare_provider: Some(true), ..Default::default() }.into()),
        document_highlight_provider: Some(true.into()),
        completion_provider: Some(lsp::CompletionOptions {
            trigger_characters: Some(vec![".".to_owned()]),
            ..Default::default()
        }),
        inlay_hint_provider: Some(true.into()),
        semantic_tokens_provider: Some(
            lsp::SemanticTokensOptions {
                legend: lsp::SemanticTokensLegend {
                    token_types: navigate::TOKENS.iter().map(|t| (*t).to_owned()).collect(),
                    token_modifiers: Vec::new(),
                },
                full: Some(true.into()),
                ..Default::default()
            }
            .into(),
        ),
        document_formatting_provider: Some(true.into()),
        document_symbol_provider: Some(true.into()),
        code_action_provider: Some(
            lsp::CodeActionOptions {
                code_action_kinds: Some(vec![lsp::CodeActionKind::QuickFix]),
                ..Default::default()
            }
            .into(),
        ),
        ..Default::default()
    }
}

struct Server<'a> {
    connection: &'a Connection,
    later: Later,
    prelude: &'a PreludeFile<'a>,
    /// By URI.
    documents: BTreeMap<String, Document>,
    /// How many texts there have been.
    texts: u64,
}

impl Server<'_> {
    /// A client that hung up is noticed when the next message is awaited.
    fn send(&self, message: impl Into<Message>) {
        let _ = self.connection.sender.send(message.into());
    }

    fn request(&mut self, request: Request) {
        let Request { id, method, params } = request;
        let answer = catch_unwind(AssertUnwindSafe(|| self.answer(&method, params))).unwrap_or_else(|_| {
            let text = format!("E0900: a bug in snnc: it stumbled over `{method}`; please report it with the file");
            Err(Refusal::new(ErrorCode::InternalError, text))
        });
        self.send(match answer {
            Ok(value) => Response::new_ok(id, value),
            Err(r) => Response::new_err(id, r.code as i32, r.message),
        });
    }

    fn notification(&mut self, n: Notification) {
        match n.method.as_str() {
            "textDocument/didOpen" => {
                if let Ok(p) = serde_json::from_value::<lsp::DidOpenTextDocumentParams>(n.params) {
                    let d = p.text_document;
                    self.texts += 1;
                    let document = Document::new(&d.uri.0, self.texts, d.version, &d.text);
                    self.documents.insert(d.uri.0, document);
                }
            }
            "textDocument/didChange" => {
                if let Ok(p) = serde_json::from_value::<Changed>(n.params)
                    && let Some(document) = self.documents.get_mut(&p.text_document.text_document_identifier.uri.0)
                    && let Some(last) = p.content_changes.last()
                {
                    self.texts += 1;
                    document.change(self.texts, p.text_document.version, &last.text);
                }
            }
            "textDocument/didSave" | "workspace/didChangeWatchedFiles" => {
                for document in self.documents.values_mut() {
                    self.texts += 1;
                    document.reread(self.texts);
                }
            }
            "textDocument/didClose" => {
                if let Ok(p) = serde_json::from_value::<lsp::DidCloseTextDocumentParams>(n.params)
                    && self.documents.remove(&p.text_document.uri.0).is_some()
                {
                    self.later.close(p.text_document.uri.0.clone());
                    self.diagnostics(p.text_document.uri, None, Vec::new());
                }
            }
            // Nothing else concerns the text.
            _ => {}
        }
    }

    /// Sends the diagnostics of all texts of which more is known than the client has: at once those of what is written, and when it is
    /// found out what is suspicious in it.
    fn publish(&mut self) {
        let mut out = Vec::new();
        for (uri, document) in &mut self.documents {
            let version = document.version;
            let found = catch_unwind(AssertUnwindSafe(|| {
                document.ask(uri, &self.later);
                let uri = lsp::Uri(uri.clone());
                document.tells().then(|| (diagnostics::all(document.plain(&self.later), &uri), uri))
            }));
            out.extend(found.ok().flatten().map(|(found, uri)| (uri, version, found)));
        }
        for (uri, version, found) in out {
            self.diagnostics(uri, Some(version), found);
        }
    }

    /// Takes over what was found out later.
    fn complete(&mut self, done: Done) {
        if let Some(document) = self.documents.get_mut(&done.uri) {
            document.complete(done.number, done.sink);
            self.publish();
        }
    }

    /// Waits until all is found out that is to be said of a document, and says it.
    fn settle(&mut self, uri: &lsp::Uri) {
        while self.documents.get_mut(&uri.0).is_some_and(|d| d.ask(&uri.0, &self.later)) {
            let Ok(done) = self.later.done.recv() else { break };
            self.complete(done);
        }
        self.publish();
    }

    fn diagnostics(&self, uri: lsp::Uri, version: Option<i32>, diagnostics: Vec<lsp::Diagnostic>) {
        let params = lsp::PublishDiagnosticsParams { uri, version, diagnostics };
        if let Ok(params) = serde_json::to_value(params) {
            self.send(Notification { method: "textDocument/publishDiagnostics".to_owned(), params });
        }
    }

    fn document(&mut self, uri: &lsp::Uri) -> Result<(&Later, &mut Document), Refusal> {
        let found = self.documents.get_mut(&uri.0);
        let document =
            found.ok_or_else(|| Refusal::new(ErrorCode::InvalidParams, format!("`{}` is not open", uri.0)))?;
        Ok((&self.later, document))
    }

    /// The open file and the byte that a position means.
    fn place(&mut self, at: &lsp::TextDocumentPositionParams) -> Result<(Seen<'_>, usize), Refusal> {
        let (later, document) = self.document(&at.text_document.uri)?;
        let byte = document.text.byte(at.position);
        Ok((document.near(later, byte), byte))
    }

    /// The same with the uses of names in all of the file.
    fn place_of_all(&mut self, at: &lsp::TextDocumentPositionParams) -> Result<(Seen<'_>, usize), Refusal> {
        let (later, document) = self.document(&at.text_document.uri)?;
        let byte = document.text.byte(at.position);
        Ok((document.whole(later), byte))
    }

    fn answer(&mut self, method: &str, params: Value) -> Result<Value, Refusal> {
        match method {
            "textDocument/formatting" => {
                let p: lsp::DocumentFormattingParams = read(params)?;
                written(format(self.document(&p.text_document.uri)?.1))
            }
            "textDocument/documentSymbol" => {
                let p: lsp::DocumentSymbolParams = read(params)?;
                let (later, document) = self.document(&p.text_document.uri)?;
                written(symbols::outline(document.plain(later)))
            }
            "textDocument/codeAction" => {
                let p: lsp::CodeActionParams = read(params)?;
                let uri = p.text_document.uri;
                self.settle(&uri);
                let (later, document) = self.document(&uri)?;
                written(diagnostics::actions(document.plain(later), &uri, p.range))
            }
            "textDocument/hover" => {
                let p: lsp::TextDocumentPositionParams = read(params)?;
                let (seen, byte) = self.place(&p)?;
                written(hover::hover(seen, byte))
            }
            "textDocument/definition" => {
                let p: lsp::TextDocumentPositionParams = read(params)?;
                let prelude = self.prelude;
                let (seen, byte) = self.place(&p)?;
                written(navigate::definition(seen, &p.text_document.uri, byte, prelude))
            }
            "textDocument/references" => {
                let p: lsp::ReferenceParams = read(params)?;
                let at = p.text_document_position_params;
                let (seen, byte) = self.place_of_all(&at)?;
                let found = navigate::references(seen, byte, p.context.include_declaration).into_iter();
                let uri = at.text_document.uri;
                written(found.map(|range| lsp::Location { uri: uri.clone(), range }).collect::<Vec<_>>())
            }
            "textDocument/prepareRename" => {
                let p: lsp::TextDocumentPositionParams = read(params)?;
                let (seen, byte) = self.place_of_all(&p)?;
                written(rename::prepare(seen, byte)?)
            }
            "textDocument/rename" => {
                let p: lsp::RenameParams = read(params)?;
                let at = p.text_document_position_params;
                let (seen, byte) = self.place_of_all(&at)?;
                written(rename::rename(seen, &at.text_document.uri, byte, &p.new_name)?)
            }
            "textDocument/documentHighlight" => {
                let p: lsp::TextDocumentPositionParams = read(params)?;
                let (seen, byte) = self.place_of_all(&p)?;
                let found = navigate::references(seen, byte, true).into_iter();
                written(found.map(|range| lsp::DocumentHighlight { range, kind: None }).collect::<Vec<_>>())
            }
            "textDocument/completion" => {
                let p: lsp::TextDocumentPositionParams = read(params)?;
                let (seen, byte) = self.place(&p)?;
                written(complete::complete(seen, byte))
            }
            "textDocument/inlayHint" => {
                let p: lsp::InlayHintParams = read(params)?;
                let (later, document) = self.document(&p.text_document.uri)?;
                let seen = document.plain(later);
                written(hints::hints(seen, seen.text.byte(p.range.start), seen.text.byte(p.range.end)))
            }
            "textDocument/semanticTokens/full" => {
                let p: lsp::SemanticTokensParams = read(params)?;
                let (later, document) = self.document(&p.text_document.uri)?;
                let data = navigate::tokens(document.whole(later));
                written(lsp::SemanticTokens { result_id: None, data })
            }
            _ => Err(Refusal::new(ErrorCode::MethodNotFound, format!("snnc does not know `{method}`"))),
        }
    }
}

/// A change of the whole text: the only kind that the server asks for.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    text_document: lsp::VersionedTextDocumentIdentifier,
    content_changes: Vec<Whole>,
}

#[derive(serde::Deserialize)]
struct Whole {
    text: String,
}

fn read<T: DeserializeOwned>(params: Value) -> Result<T, Refusal> {
    serde_json::from_value(params).map_err(|e| Refusal::new(ErrorCode::InvalidParams, e.to_string()))
}

fn written(value: impl serde::Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(value).map_err(|e| Refusal::new(ErrorCode::InternalError, e.to_string()))
}

/// The edits that lay a text out; none (`null`) while it has faults of syntax, which are shown already.
fn format(document: &Document) -> Option<Vec<lsp::TextEdit>> {
    let text = document.text.as_str();
    let new = crate::syntax::fmt::format(document::FILE, text).ok()?;
    if new == text {
        return Some(Vec::new());
    }
    // The lines that both begin and end with stay, so that the cursor does.
    let same = |a: &mut dyn Iterator<Item = &str>, b: &mut dyn Iterator<Item = &str>| {
        a.zip(b).take_while(|(x, y)| x == y).map(|(x, _)| x.len()).sum::<usize>()
    };
    let head = same(&mut text.split_inclusive('\n'), &mut new.split_inclusive('\n'));
    let (old_rest, new_rest) = (text.get(head..).unwrap_or(""), new.get(head..).unwrap_or(""));
    let tail = same(&mut old_rest.split_inclusive('\n').rev(), &mut new_rest.split_inclusive('\n').rev());
    let new_text = new_rest.get(..new_rest.len() - tail).unwrap_or("").to_owned();
    Some(vec![lsp::TextEdit { range: document.text.range(head..text.len() - tail), new_text }])
}
