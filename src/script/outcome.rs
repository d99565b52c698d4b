//! What running protocols gives: the facts that the command line prints and the report holds; and the traits through which a run
//! speaks while it goes on. Nothing here knows a terminal.

use crate::diag::Diagnostic;
use crate::script::tensor::Value;
use crate::source::Span;

/// One experiment or test that was run.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// The experiment's name, or the test's title.
    pub name: String,
    /// Whether it is a test.
    pub test: bool,
    /// Time steps simulated.
    pub steps: u64,
    /// Samples shown.
    pub samples: u64,
    /// Seconds that passed.
    pub wall_s: f64,
    /// Seconds of processor time of the whole program, where the system tells it.
    pub cpu_s: Option<f64>,
    /// Spikes of each population.
    pub spikes: Vec<(String, u64)>,
    /// Whether it went to its end.
    pub finished: bool,
}

/// A named value that `print` or a readout gave, in the unit it is shown in.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultValue {
    /// The experiment or test.
    pub phase: String,
    /// The name: the label before it, or its source text.
    pub name: String,
    /// The value, divided by the unit.
    pub value: Value,
    /// The unit; empty for bare numbers.
    pub unit: String,
}

/// An `expect` that was evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectResult {
    /// The experiment or test.
    pub phase: String,
    /// The condition as written.
    pub text: String,
    /// The values of its parts, such as `min(XE.w) = 0.003, max(XE.w) = 1`.
    pub value: String,
    /// Whether it held.
    pub held: bool,
    /// Where.
    pub span: Span,
}

/// A decoder at the end of an experiment or test that scored with it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadoutResult {
    /// The experiment or test.
    pub phase: String,
    /// The decoder's name.
    pub name: String,
    /// The share of right predictions.
    pub accuracy: f64,
    /// How many were scored.
    pub scored: u64,
    /// Rows: the true class; columns: the predicted one, and a last column for none.
    pub confusion: Vec<Vec<u64>>,
}

/// All that a run gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Experiments or tests, in order.
    pub phases: Vec<Phase>,
    /// Printed values, in order.
    pub results: Vec<ResultValue>,
    /// Expectations, in order.
    pub expects: Vec<ExpectResult>,
    /// Decoders.
    pub readouts: Vec<ReadoutResult>,
    /// Warnings and faults. A fault ends its experiment and all later ones; a test only itself.
    pub diagnostics: Vec<Diagnostic>,
    /// Files written, in order.
    pub files: Vec<std::path::PathBuf>,
    /// Whether the run was stopped from outside.
    pub cancelled: bool,
}

impl Outcome {
    /// Whether nothing went wrong: no error, no failed expectation, not stopped.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        !self.cancelled
            && self.expects.iter().all(|e| e.held)
            && self.diagnostics.iter().all(|d| d.severity != crate::diag::Severity::Error)
    }
}

/// Where printed lines and warnings go while a run goes on.
pub trait Output {
    /// A line that `print` gave.
    fn line(&mut self, text: &str);
    /// A warning, at once; it is in [`Outcome::diagnostics`] too.
    fn warning(&mut self, diagnostic: &Diagnostic);
}

/// How far a run is. Calls come at most about twenty times a second, but for starts and ends.
pub trait Progress {
    /// An experiment or test starts.
    fn phase_start(&mut self, name: &str);
    /// It ended.
    fn phase_end(&mut self, name: &str);
    /// A sample loop of so many samples (of all epochs together) starts.
    fn loop_start(&mut self, name: &str, total: u64);
    /// So many samples are done; the accuracy of the decoder that is scoring, if one is.
    fn samples_done(&mut self, done: u64, accuracy: Option<f64>);
    /// The loop ended.
    fn loop_end(&mut self);
    /// So much of a long `run` outside of sample loops is done.
    fn steps_done(&mut self, done: u64, total: u64);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Output for Silent {
    fn line(&mut self, _: &str) {}
    fn warning(&mut self, _: &Diagnostic) {}
}

impl Progress for Silent {
    fn phase_start(&mut self, _: &str) {}
    fn phase_end(&mut self, _: &str) {}
    fn loop_start(&mut self, _: &str, _: u64) {}
    fn samples_done(&mut self, _: u64, _: Option<f64>) {}
    fn loop_end(&mut self) {}
    fn steps_done(&mut self, _: u64, _: u64) {}
}

/// A value as `print` shows it: numbers with up to six significant digits, long arrays shortened.
#[must_use]
pub fn show(value: &Value) -> String {
    const LONGEST: usize = 10;
    match value {
        Value::Real(x) => number(*x),
        Value::Int(x) => x.to_string(),
        Value::Bool(x) => x.to_string(),
        Value::Str(s) => s.to_string(),
        Value::Tensor(t) => {
            let part = |k: usize| t.data.get(k).map_or(String::new(), |v| show(&v));
            let n = t.len();
            if n <= LONGEST {
                format!("[{}]", (0..n).map(part).collect::<Vec<_>>().join(", "))
            } else {
                let ends = |r: std::ops::Range<usize>| r.map(part).collect::<Vec<_>>().join(", ");
                let shape = crate::script::tensor::describe(&t.shape);
                format!("[{}, …, {}] ({shape})", ends(0..3), ends(n - 3..n))
            }
        }
        Value::Sample(s) => format!("sample {} of {}", s.index, s.split.name()),
        Value::None => "nothing".to_owned(),
    }
}

/// A number with up to six significant digits, plain where that is short.
#[must_use]
pub fn number(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return x.to_string();
    }
    let magnitude = x.abs().log10().floor();
    if !(-5.0..9.0).contains(&magnitude) {
        let text = format!("{x:.5e}");
        // 1.50000e-7 → 1.5e-7
        return match text.split_once('e') {
            Some((digits, exponent)) => format!("{}e{exponent}", trim(digits)),
            None => text,
        };
    }
    let decimals = (5.0 - magnitude).max(0.0) as usize;
    trim(&format!("{x:.decimals$}")).to_owned()
}

fn trim(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::tensor::{Data, Tensor};

    #[test]
    fn numbers_are_short() {
        for (x, text) in [
            (0.87, "0.87"),
            (21.37449, "21.3745"),
            (-52.0, "-52"),
            (1e7, "10000000"),
            (123_456.7, "123457"),
            (1.5e-7, "1.5e-7"),
            (6.022e23, "6.022e23"),
            (1e-4, "0.0001"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(number(x), text);
        }
    }

    #[test]
    fn long_arrays_are_shortened() {
        let t = Tensor::new(vec![4, 5], Data::I64((0..20).collect())).unwrap();
        assert_eq!(show(&t.into()), "[0, 1, 2, …, 17, 18, 19] (4 x 5)");
        assert_eq!(show(&Tensor::list(Data::F64(vec![0.5, 2.0])).into()), "[0.5, 2]");
    }
}
