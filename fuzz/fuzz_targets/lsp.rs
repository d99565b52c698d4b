#![no_main]

#[path = "../targets.rs"]
#[allow(dead_code, reason = "each binary uses one target")]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::on_large_stack(data, targets::lsp));
