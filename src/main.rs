//! The command line of snnc: see [`snnc::cli`].

use std::process::ExitCode;

#[global_allocator]
static MEMORY: snnc::memory::Arrays = snnc::memory::Arrays;

/// Passes recurse over expressions; their depth is bounded, their frames are not small.
const STACK: usize = 256 << 20;

fn main() -> ExitCode {
    let work = std::thread::Builder::new().stack_size(STACK).spawn(snnc::cli::main);
    match work.map(std::thread::JoinHandle::join) {
        Ok(Ok(status)) => ExitCode::from(status),
        Ok(Err(_)) | Err(_) => {
            use std::io::Write;
            let text = "error[E0900]: a bug in snnc: it ended unexpectedly; please report it with the model file\n";
            let _ = std::io::stderr().write_all(text.as_bytes());
            ExitCode::from(1)
        }
    }
}
