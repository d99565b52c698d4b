//! The fuzz targets of `fuzz/` on mutated models: a minute each (in builds without optimisation a few seconds), or `SNNC_FUZZ_SECONDS`.
//! The mutations are of tokens, so that most texts get past the parser, and of single characters. They are those of a seed, which is
//! printed; `SNNC_FUZZ_SEED` gives others. A text that breaks a promise is printed; it belongs into `tests/fuzz_regressions/`, whose files
//! run first.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a text that breaks a promise is shown as it is, whatever the harness captures"
)]
#![cfg(feature = "lsp")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// A small generator of numbers (xorshift64*): the texts depend on the seed alone.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n.max(1)
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

fn texts(dir: &str) -> Vec<String> {
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "snn"));
    paths.sort();
    paths.iter().map(|p| fs::read_to_string(p).unwrap()).collect()
}

/// Words, numbers, spaces and single signs: what is swapped and repeated.
fn tokens(text: &str) -> Vec<&str> {
    let class = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '_' | '0'..='9' => 0,
        ' ' => 1,
        _ => 2,
    };
    let (mut out, mut start) = (Vec::new(), 0);
    for (at, c) in text.char_indices() {
        let before = text[start..at].chars().last();
        if before.is_some_and(|b| class(b) != class(c) || class(c) == 2) {
            out.push(&text[start..at]);
            start = at;
        }
    }
    out.push(&text[start..]);
    out
}

/// Words and signs that are rare in models, or absurd.
const SPICE: &[&str] = &[
    "xi",
    "xi_1",
    "dt",
    "t",
    "i",
    "j",
    "N",
    "pre.",
    "post.",
    "inf",
    "1e308",
    "-1",
    "0",
    "4294967296",
    "1e-300",
    "mV",
    "ms",
    "kHz",
    "uA/cm^2",
    "^",
    "^-2",
    "**",
    "&&",
    "'",
    "\"",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "..",
    "/dt",
    "dv/dt =",
    "\n",
    ";",
    "#",
    "##",
    "//",
    "/*",
    "\t",
    "\u{feff}",
    "µ",
    "−",
    "🧠",
    "if",
    "then",
    "else",
    "crosses",
    "deliver",
    "inject",
    "every 1 ms {",
    "on spike {",
    "hold",
    "refractory",
    "method rk4",
    "batch 4",
    "epochs 2",
    "where",
    "over",
    "minimize",
    "truncated(normal(0, 1), 0, 1)",
    "poisson_count(3)",
    "timed([1, 2], 1 ms)",
    "array(\"a.npz\", \"k\")",
    "sum(",
    "reset(",
    "freeze(",
];

fn mutated(corpus: &[String], words: &[&str], rng: &mut Rng) -> String {
    let text = &corpus[rng.below(corpus.len())];
    let mut tokens = tokens(text);
    for _ in 0..=rng.below(6) {
        let n = tokens.len();
        let at = rng.below(n);
        match rng.below(9) {
            0 => drop(tokens.remove(at)),
            1 => tokens.insert(at, rng.pick(SPICE)),
            2 => tokens[at] = rng.pick(SPICE),
            3 => tokens[at] = rng.pick(words),
            4 => tokens.insert(at, rng.pick(words)),
            5 => {
                let other = rng.below(n);
                tokens.swap(at, other);
            }
            // A stretch twice, or gone.
            6 => {
                let end = (at + 1 + rng.below(30)).min(n);
                let copy = tokens[at..end].to_vec();
                tokens.splice(at..at, copy);
            }
            7 => drop(tokens.drain(at..(at + 1 + rng.below(30)).min(n))),
            _ => tokens.truncate(at.max(1)),
        }
        if tokens.is_empty() {
            break;
        }
    }
    let mut out = tokens.concat();
    if rng.below(8) == 0 && !out.is_empty() {
        // One character anywhere.
        let at = (0..=rng.below(out.len())).rev().find(|k| out.is_char_boundary(*k)).unwrap_or(0);
        out.insert(at, char::from_u32(rng.below(0x2_0000) as u32).unwrap_or('?'));
    }
    out
}

/// How long each target runs: a minute, in builds without optimisation a few seconds.
const SECONDS: f64 = if cfg!(debug_assertions) { 4.0 } else { 60.0 };

/// A setting of the environment that is a number.
fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not `{text}`")))
}

fn fuzz(name: &str, target: fn(&[u8]), seed: u64) {
    let seconds = setting("SNNC_FUZZ_SECONDS").unwrap_or(SECONDS);
    let seed = setting("SNNC_FUZZ_SEED").unwrap_or(seed);
    println!("{name}: SNNC_FUZZ_SEED={seed} for {seconds} s");
    let mut corpus = texts("models");
    corpus.extend(texts("tests/ui"));
    let words: Vec<&str> = corpus.iter().flat_map(|t| tokens(t)).collect();
    let mut rng = Rng(seed | 1);
    let run = |text: &str| {
        catch_unwind(AssertUnwindSafe(|| targets::on_large_stack(text.as_bytes(), target))).unwrap_or_else(|_| {
            // As it stands, so that it can be kept.
            eprintln!("=== {name} (SNNC_FUZZ_SEED={seed}) broke its promise on this text:\n{text}\n=== end");
            panic!("{name}: see the text above");
        });
    };
    for text in texts("tests/fuzz_regressions") {
        let one = Instant::now();
        run(&text);
        assert!(one.elapsed() < Duration::from_secs(5), "{name}: {:?} for\n{text}", one.elapsed());
    }
    let start = Instant::now();
    let (mut done, mut slowest) = (0_u64, Duration::ZERO);
    while start.elapsed().as_secs_f64() < seconds {
        let text = mutated(&corpus, &words, &mut rng);
        let one = Instant::now();
        run(&text);
        let took = one.elapsed();
        assert!(took < Duration::from_secs(60), "{name} took {took:?} for\n{text}");
        if took > Duration::from_secs(10) {
            eprintln!("=== {name} took {took:?} for this text:\n{text}\n=== end");
        }
        slowest = slowest.max(took);
        done += 1;
    }
    println!("{name}: {done} texts, the slowest {slowest:?}");
    assert!(done > 0);
}

#[test]
fn parse_holds_on_mutated_models() {
    fuzz("parse", targets::parse, 0x5eed_0001);
}

#[test]
fn check_holds_on_mutated_models() {
    fuzz("check", targets::check, 0x5eed_0002);
}

#[test]
fn fmt_holds_on_mutated_models() {
    fuzz("fmt", targets::fmt, 0x5eed_0003);
}

#[test]
fn lsp_holds_on_mutated_models() {
    fuzz("lsp", targets::lsp, 0x5eed_0004);
}
