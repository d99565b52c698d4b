//! The summary that a person reads at the end of a run.

use std::fmt::Write;

use super::report::Facts;
use crate::script::outcome::{Outcome, ReadoutResult};

/// Times by phase, spikes, accuracy, confusion matrix, expectations.
pub(super) fn summary(facts: &Facts<'_>, outcome: &Outcome, dt: f64) -> String {
    let mut s = String::new();
    let _ = writeln!(s);
    for p in &outcome.phases {
        let simulated = p.steps as f64 * dt / 1000.0;
        let _ = write!(s, "{:<12} {} of {} simulated", p.name, seconds(p.wall_s), seconds(simulated));
        if p.samples > 0 {
            let _ = write!(s, ", {} samples ({:.0} a second)", p.samples, p.samples as f64 / p.wall_s.max(1e-9));
        } else if p.wall_s > 0.0 {
            let _ = write!(s, " ({:.1} times real time)", simulated / p.wall_s);
        }
        if !p.finished {
            let _ = write!(s, ", not finished");
        }
        let _ = writeln!(s);
        let spikes: Vec<String> = p
            .spikes
            .iter()
            .map(|(name, n)| {
                if p.samples > 0 {
                    format!("{name} {:.1}", *n as f64 / p.samples as f64)
                } else {
                    format!("{name} {n}")
                }
            })
            .collect();
        if !spikes.is_empty() {
            let _ = writeln!(
                s,
                "{:<12} spikes{}: {}",
                "",
                if p.samples > 0 { " per sample" } else { "" },
                spikes.join(", ")
            );
        }
    }
    for r in &outcome.readouts {
        confusion(&mut s, r);
    }
    let failed: Vec<_> = outcome.expects.iter().filter(|e| !e.held).collect();
    if !outcome.expects.is_empty() {
        let _ = writeln!(s, "\nexpectations: {} held, {} failed", outcome.expects.len() - failed.len(), failed.len());
    }
    for e in failed.iter().take(20) {
        let _ = writeln!(s, "  failed: {} ({})", e.text, e.value);
    }
    for f in &outcome.files {
        let _ = writeln!(s, "wrote {}", f.display());
    }
    let _ = writeln!(
        s,
        "seed {}, {} thread{}, {}, {}; compiled in {:.1} ms, built in {:.1} ms",
        facts.seed,
        facts.threads,
        if facts.threads == 1 { "" } else { "s" },
        facts.backend,
        facts.precision,
        facts.compile_ms,
        facts.build_ms
    );
    s
}

fn seconds(x: f64) -> String {
    if x < 1.0 {
        format!("{:.0} ms", x * 1000.0)
    } else if x < 120.0 {
        format!("{x:.1} s")
    } else {
        format!("{:.1} min", x / 60.0)
    }
}

fn confusion(s: &mut String, r: &ReadoutResult) {
    let _ = writeln!(s, "\n{} in {}: accuracy {:.2} % of {} samples", r.name, r.phase, r.accuracy * 100.0, r.scored);
    let classes = r.confusion.len();
    if classes == 0 || classes > 20 {
        return;
    }
    let none = r.confusion.iter().any(|row| row.get(classes).is_some_and(|n| *n > 0));
    let columns = if none { classes + 1 } else { classes };
    let width = r.confusion.iter().flatten().map(|n| n.to_string().len()).max().unwrap_or(1).max(4);
    let _ = write!(s, "  true \\ said");
    for c in 0..columns {
        let name = if c == classes { "none".to_owned() } else { c.to_string() };
        let _ = write!(s, " {name:>width$}");
    }
    let _ = writeln!(s);
    for (k, row) in r.confusion.iter().enumerate() {
        let _ = write!(s, "  {k:>11}");
        for n in row.iter().take(columns) {
            let _ = write!(s, " {n:>width$}");
        }
        let _ = writeln!(s);
    }
}
