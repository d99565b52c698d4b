//! `snnc lsp`: the language server over standard input and output.

use lsp_server::Connection;

use super::LspArgs;
use super::common::err;

/// Serves until the editor leaves; 1 if it did so without taking leave.
pub(super) fn run(args: &LspArgs) -> u8 {
    // With and without it the server talks over the same streams.
    let LspArgs { stdio: _ } = args;
    let (connection, threads) = Connection::stdio();
    let served = crate::lsp::serve(&connection);
    // The threads end when the channels do.
    drop(connection);
    let fault = match served {
        // The reader has seen the end of its stream, or `exit`.
        Ok(polite) => match threads.join() {
            Ok(()) => return u8::from(!polite),
            Err(e) => e.to_string(),
        },
        Err(text) => text,
    };
    err(&format!("snnc lsp: {fault}\n"));
    1
}
