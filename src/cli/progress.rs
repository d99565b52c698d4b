//! Progress on stderr: a bar with samples, rate, time left and running accuracy; nothing when stderr is no terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::messages::Messages;
use crate::diag::Diagnostic;
use crate::driver::Session;
use crate::script::outcome::{Output, Progress};

/// Prints lines of protocols above the bar.
pub(super) struct Lines<'a> {
    bar: Option<ProgressBar>,
    session: &'a Session,
    /// Warnings are not told at once.
    silent: bool,
}

impl<'a> Lines<'a> {
    /// Output that does not tear the bar apart.
    pub(super) fn new(bars: &Bars, session: &'a Session) -> Self {
        Self { bar: bars.shown.then(|| bars.bar.clone()), session, silent: bars.silent }
    }
}

impl Output for Lines<'_> {
    fn line(&mut self, text: &str) {
        let print = || super::common::out(&format!("{text}\n"));
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn warning(&mut self, d: &Diagnostic) {
        if self.silent || self.session.allows(d) {
            return;
        }
        let print = || super::common::err(&format!("{}: {}\n", d.code, d.message));
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

/// The bar.
pub(super) struct Bars {
    bar: ProgressBar,
    phase: String,
    shown: bool,
    /// Warnings are not told at once.
    silent: bool,
}

impl Bars {
    /// A bar on stderr, hidden unless it is a terminal.
    pub(super) fn new(quiet: bool, messages: &Messages) -> Self {
        let people = messages.for_people();
        let shown = !quiet && people && std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(
            None,
            if shown { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() },
        );
        Self { bar, phase: String::new(), shown, silent: quiet || !people }
    }

    fn style(&self, total: u64, unit: &str) {
        let template =
            format!("{{prefix:>10}} [{{bar:30}}] {{pos}}/{{len}} {unit}  {{per_sec}}  {{eta}} left  {{msg}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.reset();
        self.bar.set_length(total);
        self.bar.set_position(0);
        self.bar.set_prefix(self.phase.clone());
        self.bar.set_message("");
    }
}

impl Progress for Bars {
    fn phase_start(&mut self, name: &str) {
        name.clone_into(&mut self.phase);
        self.bar.set_prefix(name.to_owned());
    }

    fn phase_end(&mut self, _: &str) {
        self.bar.finish_and_clear();
    }

    fn loop_start(&mut self, _: &str, total: u64) {
        self.style(total, "samples");
    }

    fn samples_done(&mut self, done: u64, accuracy: Option<f64>) {
        self.bar.set_position(done);
        if let Some(a) = accuracy {
            self.bar.set_message(format!("accuracy {:.1} %", a * 100.0));
        }
    }

    fn loop_end(&mut self) {
        self.bar.finish_and_clear();
    }

    fn steps_done(&mut self, done: u64, total: u64) {
        if self.bar.length() != Some(total) {
            self.style(total, "steps");
        }
        self.bar.set_position(done);
    }
}
