//! Where the time of a run went: `snnc run --profile`.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::codegen::Action;
use crate::hir::{Model, Population};
use crate::runtime::Network;
use crate::runtime::build::BuildTimes;
use crate::script::outcome::Outcome;

/// The times of a run.
pub(super) struct Profile {
    /// From the source to the checked model.
    front: Duration,
    built: BuildTimes,
    /// By phase of the protocols.
    phases: Vec<(String, f64)>,
    /// Most time first.
    parts: Vec<Line>,
}

struct Line {
    what: &'static str,
    of: String,
    time: Duration,
    steps: u64,
    bytes: Option<u64>,
}

impl Profile {
    /// Of a network that was built for it and has run; `None` if it was not.
    pub(super) fn new(
        network: &Network,
        model: &Model,
        front: Duration,
        built: BuildTimes,
        outcome: &Outcome,
    ) -> Option<Self> {
        let times = network.profile()?;
        let name = |action: Action, index: usize| {
            let projection = model.projections.get(index).map(|p| p.name.as_str());
            let population = model.populations.get(index).map(Population::shown);
            let name = if action.of_projection() { projection } else { population };
            name.unwrap_or_default().to_owned()
        };
        let mut parts: Vec<Line> = times
            .parts
            .into_iter()
            .map(|((action, index), (time, steps))| Line {
                what: action.name(),
                of: name(action, index),
                time,
                steps,
                bytes: network.bytes_of(action, index),
            })
            .collect();
        if !times.draws.is_zero() {
            let of = "sources and random numbers".to_owned();
            parts.push(Line { what: "draws", of, time: times.draws, steps: 0, bytes: None });
        }
        parts.sort_by_key(|l| std::cmp::Reverse(l.time));
        let phases = outcome.phases.iter().map(|p| (p.name.clone(), p.wall_s)).collect();
        Some(Self { front, built, phases, parts })
    }

    /// As a table.
    pub(super) fn text(&self) -> String {
        let ms = |d: Duration| d.as_secs_f64() * 1000.0;
        let mut s = String::new();
        let _ = writeln!(s, "\nprofile");
        for (what, time) in [
            ("source to checked model", ms(self.front)),
            ("plan and machine code", ms(self.built.compile)),
            ("connections and initial values", ms(self.built.build)),
        ] {
            let _ = writeln!(s, "  {time:>11.1} ms  {what}");
        }
        for (phase, wall) in &self.phases {
            let _ = writeln!(s, "  {:>11.1} ms  run {phase}", wall * 1000.0);
        }
        let all: f64 = self.parts.iter().map(|l| ms(l.time)).sum();
        let _ = writeln!(s, "  parts of the steps, {all:.1} ms in all, taken one after the other:");
        for l in &self.parts {
            let share = 100.0 * ms(l.time) / all.max(1e-9);
            let _ = write!(s, "  {:>11.1} ms {share:>5.1} %  {} {}", ms(l.time), l.what, l.of);
            if l.steps > 0 {
                let _ = write!(s, ", {:.2} us a step", ms(l.time) * 1000.0 / l.steps as f64);
            }
            if let Some(rate) = l.rate() {
                let _ = write!(s, ", {rate:.1} GB/s");
            }
            let _ = writeln!(s);
        }
        s
    }

    /// For the report.
    pub(super) fn json(&self) -> Json {
        let ms = |d: Duration| (d.as_secs_f64() * 1e6).round() / 1000.0;
        let part = |l: &Line| json!({ "what": l.what, "of": l.of, "ms": ms(l.time), "steps": l.steps, "bytes_per_step": l.bytes });
        json!({
            "source_ms": ms(self.front),
            "compile_ms": ms(self.built.compile),
            "build_ms": ms(self.built.build),
            "phases": self.phases.iter().map(|(name, wall)| json!({ "name": name, "ms": wall * 1000.0 })).collect::<Vec<_>>(),
            "parts": self.parts.iter().map(part).collect::<Vec<_>>(),
        })
    }
}

impl Line {
    /// Gigabytes a second, where it is known what a step moves.
    fn rate(&self) -> Option<f64> {
        let seconds = self.time.as_secs_f64();
        self.bytes.filter(|_| seconds > 0.0).map(|b| b as f64 * self.steps as f64 / seconds / 1e9)
    }
}
