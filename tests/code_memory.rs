//! Compiled programs give their memory back. Alone in this file, because other tests in the same process would disturb the
//! measurement.

#![cfg(all(feature = "jit", target_os = "linux"))]
#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use snnc::backend::Backend;
use snnc::backend::cranelift::CraneliftJit;
use snnc::lir::{BinOp, BufId, Scalar};
use support::{Writer, buffer, program};

/// Resident memory in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// The code of each program takes at least one page: 2,000 that stayed would be 8 MB or more.
#[test]
fn dropped_programs_give_their_memory_back() {
    let mut w = Writer::new(2);
    let (amount, n) = (w.param(0), w.param(1));
    let zero = w.i32(0);
    let amount = w.splat(amount, 4);
    w.count(zero, n, 4, false, |w, i| {
        let x = w.load(BufId(0), Scalar::I32, i, 4);
        let y = w.bin(BinOp::Add, x, amount);
        w.store(BufId(0), i, y);
    });
    let p = program(vec![buffer("x", Scalar::I32, 16)], w.finish("add"));
    let round = || drop(CraneliftJit::default().compile(&p).unwrap());
    (0..200).for_each(|_| round());
    let before = resident();
    let kept: Vec<_> = (0..2000).map(|_| CraneliftJit::default().compile(&p).unwrap()).collect();
    let with_all = resident().saturating_sub(before);
    assert!(with_all > 8_000_000, "2,000 programs take only {with_all} bytes: the measurement does not see them");
    drop(kept);
    let before = resident();
    (0..2000).for_each(|_| round());
    let more = resident().saturating_sub(before);
    assert!(more < 4_000_000, "{more} bytes more after 2,000 programs");
}
