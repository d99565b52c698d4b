//! `snnc lsp`: the language server over standard input and output, and the file in which editors show the prelude.

use std::io::Write as _;
use std::path::PathBuf;

use lsp_server::Connection;

use super::LspArgs;
use super::common::err;

/// Serves until the editor leaves; 1 if it did so without taking leave.
pub(super) fn run(args: &LspArgs) -> u8 {
    // With and without it the server talks over the same streams.
    let LspArgs { stdio: _ } = args;
    let (connection, threads) = Connection::stdio();
    let served = crate::lsp::serve_with(&connection, &prelude_file);
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

/// The prelude as a file under the user's folder for what can be made again, written when it is first asked for. Its name has the version, so
/// that two versions of snnc do not take it from each other.
fn prelude_file() -> Option<PathBuf> {
    let folder = cache_folder()?.join("snnc");
    let path = folder.join(concat!("prelude-", env!("CARGO_PKG_VERSION"), ".snn"));
    let text = crate::sema::PRELUDE;
    if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
        return Some(path);
    }
    std::fs::create_dir_all(&folder).ok()?;
    let mut file = tempfile::NamedTempFile::new_in(&folder).ok()?;
    file.write_all(text.as_bytes()).ok()?;
    // What is changed there changes nothing.
    let mut permissions = file.as_file().metadata().ok()?.permissions();
    permissions.set_readonly(true);
    file.as_file().set_permissions(permissions).ok()?;
    file.persist(&path).ok()?;
    Some(path)
}

/// Where programs keep what they can make again.
fn cache_folder() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let own = if cfg!(windows) {
        of("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        of("HOME").map(|h| h.join("Library/Caches"))
    } else {
        of("HOME").map(|h| h.join(".cache"))
    };
    of("XDG_CACHE_HOME").or(own)
}
