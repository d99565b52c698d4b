//! The command line: its shape (clap), one file per command. Everything that prints is here.

mod check;
mod common;
mod explain;
mod fmt;
#[cfg(feature = "lsp")]
mod lsp;
mod messages;
mod new;
mod phase;
mod plan;
mod profile;
mod progress;
mod report;
mod run;
mod shell;
mod summary;
mod sweep;
mod test;

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::driver::{BackendKind, Settings};
use crate::hir::{Precision, RESTRUCTURINGS, Restructuring};
use messages::{MessageArgs, Messages, Stream};

/// A compiler for spiking neural networks.
#[derive(Debug, Parser)]
#[command(name = "snnc", version, about, long_about = None, propagate_version = true)]
#[command(
    after_help = "Examples:\n  snnc check models/cuba.snn\n  snnc run models/diehl_cook.snn --set n_train=2000\n  snnc test models/coba.snn\n  snnc plan models/diehl_cook.snn --emit lir"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check, compile and run the experiments of a model
    Run(RunArgs),
    /// Report everything that is wrong with models; nothing is run
    Check(CheckArgs),
    /// Run the tests of models, each from a fresh network
    Test(TestArgs),
    /// Show what the compiler decided and why
    Plan(PlanArgs),
    /// Lay out model files in one style
    Fmt(FmtArgs),
    /// Explain a diagnostic, a model of the prelude, a function, method, rule or unit
    Explain(ExplainArgs),
    /// Write a new model file to start from
    New(NewArgs),
    /// Write the phase plane of a neuron: nullclines, vector field and fixed points as tables and as a picture
    Phase(PhaseArgs),
    /// Print what a shell needs to complete commands and options
    Completions(CompletionsArgs),
    /// Write manual pages
    Man(ManArgs),
    /// Serve an editor over standard input and output (language server protocol)
    #[cfg(feature = "lsp")]
    Lsp(LspArgs),
}

/// A seed: a number, or the time.
fn seed(text: &str) -> Result<u64, String> {
    if text != "time" {
        return text.parse().map_err(|e| format!("{e}; a whole number or `time` is needed"));
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // Short enough to be read aloud and typed again.
    now.map(|t| t.as_nanos() as u64 % 1_000_000_000).map_err(|e| e.to_string())
}

/// What changes a model.
#[derive(Debug, Args, Clone)]
struct ModelArgs {
    /// Change a top-level parameter, such as n_train=2000 or "tau=5 ms"
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// The seed of all random numbers; `time` for one that differs from run to run and is printed
    #[arg(long, value_parser = seed)]
    seed: Option<u64>,
    /// Number of threads; 0 for one per core
    #[arg(long)]
    threads: Option<usize>,
    /// Floating point of states and weights
    #[arg(long, value_enum)]
    precision: Option<PrecisionArg>,
    /// How much the compiler restructures the network: 0 nothing, 1 what changes no bit, 2 also what changes rounding
    #[arg(long, value_name = "LEVEL", value_parser = clap::value_parser!(u8).range(0..=2))]
    opt: Option<u8>,
    /// Leave a restructuring out (several: separated by commas)
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = restructuring())]
    without: Vec<Restructuring>,
    /// What executes the network
    #[arg(long, value_enum, default_value = "jit")]
    backend: BackendArg,
    /// Where data sets are looked for first
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// The names of restructurings.
fn restructuring() -> impl TypedValueParser<Value = Restructuring> {
    let names = RESTRUCTURINGS.iter().map(|k| {
        let level = if k.level == 1 { "changes no bit" } else { "changes rounding" };
        PossibleValue::new(k.name).help(format!("{} ({level})", k.what))
    });
    // Only names of the table get here.
    PossibleValuesParser::new(names).try_map(|name| {
        RESTRUCTURINGS.iter().find(|k| k.name == name).map(|k| k.which).ok_or("not the name of a restructuring")
    })
}

/// `NAME=VALUE` of each `--set`.
fn assignments(texts: &[String]) -> Result<Vec<(String, String)>, String> {
    let mut set = Vec::new();
    for text in texts {
        let parts = text.split_once('=').and_then(|(name, value)| assignment(name, value));
        set.push(parts.ok_or_else(|| format!("`--set {text}` is not of the form NAME=VALUE"))?);
    }
    Ok(set)
}

/// A name and a value that may be given to it, as text.
fn assignment(name: &str, value: &str) -> Option<(String, String)> {
    let (name, value) = (name.trim(), value.trim());
    let word = |w: &str| !w.is_empty() && w.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let plain = name.split('.').all(word) && !value.is_empty() && !value.contains(['\n', '\r', ';']);
    plain.then(|| (name.to_owned(), value.to_owned()))
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PrecisionArg {
    F32,
    F64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BackendArg {
    /// Machine code
    Jit,
    /// The reference interpreter: slow, for comparison
    Interp,
}

impl BackendArg {
    fn kind(self) -> BackendKind {
        match self {
            Self::Jit => BackendKind::Jit,
            Self::Interp => BackendKind::Interp,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Jit if cfg!(feature = "jit") => "jit",
            _ => "interp",
        }
    }
}

impl ModelArgs {
    /// The settings, or what is wrong with them.
    fn settings(&self) -> Result<Settings, String> {
        let set = assignments(&self.set)?;
        let precision = self.precision.map(|p| match p {
            PrecisionArg::F32 => Precision::F32,
            PrecisionArg::F64 => Precision::F64,
        });
        Ok(Settings {
            set,
            precision,
            seed: self.seed,
            threads: self.threads,
            opt: self.opt,
            without: self.without.clone(),
        })
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  snnc run models/diehl_cook.snn\n  snnc run models/cuba.snn --seed 7 --out results --report results/report.json\n  snnc run models/diehl_cook.snn --set n_train=2000 --set n_test=1000 --only train --only label --only evaluate\n  snnc run models/diehl_cook.snn --sweep n_exc=100,400,1600 --out results --report results/sizes.json"
)]
struct RunArgs {
    /// The model file
    model: PathBuf,
    #[command(flatten)]
    common: ModelArgs,
    /// Run everything once for each value, as if by `--set`; several sweeps run all combinations, the last varying fastest
    #[arg(long, value_name = "NAME=A,B,C", value_parser = sweep::sweep)]
    sweep: Vec<sweep::Sweep>,
    /// Run only this experiment (may be repeated)
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Load saved variables before the first experiment
    #[arg(long, value_name = "FILE")]
    load: Option<PathBuf>,
    /// Where files are written; the current folder by default. Each run of a sweep has a folder of its own in it
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write a report as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print results and failures only
    #[arg(long)]
    quiet: bool,
    /// Show where the time went: by phase, population and projection
    #[arg(long)]
    profile: bool,
    #[command(flatten)]
    messages: MessageArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  snnc check models/*.snn\n  snnc check model.snn --message-format json\n  snnc check model.snn -D warnings --allow W0702\n  snnc check model.snn --fix"
)]
struct CheckArgs {
    /// The model files; a folder stands for all .snn files below it
    #[arg(required = true)]
    models: Vec<PathBuf>,
    #[command(flatten)]
    common: ModelArgs,
    #[command(flatten)]
    messages: MessageArgs,
    /// Treat a code, or all warnings, as errors
    #[arg(short = 'D', value_name = "CODE|warnings")]
    deny: Vec<String>,
    /// Silence a warning
    #[arg(long, value_name = "CODE")]
    allow: Vec<String>,
    /// Make the edits that are certain in the files, and check again
    #[arg(long)]
    fix: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  snnc test models/cuba.snn\n  snnc test models/coba.snn --seeds 5")]
struct TestArgs {
    /// The model files
    #[arg(required = true)]
    models: Vec<PathBuf>,
    #[command(flatten)]
    common: ModelArgs,
    /// Run every test with this many seeds in a row
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// A file without tests is fine
    #[arg(long)]
    allow_none: bool,
    #[command(flatten)]
    messages: MessageArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  snnc plan models/diehl_cook.snn\n  snnc plan models/diehl_cook.snn --emit asm")]
struct PlanArgs {
    /// The model file
    model: PathBuf,
    #[command(flatten)]
    common: ModelArgs,
    /// Print a form of the program instead
    #[arg(long, value_enum)]
    emit: Option<Emit>,
    #[command(flatten)]
    messages: MessageArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Emit {
    /// The syntax tree
    Ast,
    /// The typed model
    Hir,
    /// The plan as data
    Plan,
    /// The loop IR, after vectorisation
    Lir,
    /// Cranelift's IR
    Clif,
    /// Machine code
    Asm,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  snnc fmt model.snn\n  snnc fmt models --check\n  snnc fmt - < model.snn > formatted.snn"
)]
struct FmtArgs {
    /// The model files; a folder stands for all .snn files below it, `-` for standard input to standard output
    #[arg(required = true)]
    models: Vec<PathBuf>,
    /// Change nothing; name the files that would change, and exit with 1 if there are any
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    messages: MessageArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  snnc explain E0202\n  snnc explain lif\n  snnc explain exprel\n  snnc explain backward_euler random mV"
)]
struct ExplainArgs {
    /// Codes such as E0202, or names of models, functions, methods, rules and units
    #[arg(required = true, value_name = "CODE|NAME")]
    names: Vec<String>,
    #[command(flatten)]
    messages: MessageArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  snnc new cortex\n  snnc new cortex --template network\n  snnc new digits --template mnist"
)]
struct NewArgs {
    /// The name of the file; .snn is added
    name: PathBuf,
    /// What the file begins with
    #[arg(long, value_enum, default_value = "simulation")]
    template: Template,
    #[command(flatten)]
    messages: MessageArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Template {
    /// One neuron driven by a current
    Simulation,
    /// A recurrent network
    Network,
    /// Digits without a teacher, by STDP
    Mnist,
    /// Digits by a random layer and a trained linear readout
    Classifier,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  snnc phase models/fitzhugh_nagumo.snn FitzHughNagumo --set I=0.5\n  snnc phase models/izhikevich.snn Izhikevich --x-range=-80..-40 --out plane\n  snnc phase models/hodgkin_huxley.snn hodgkin_huxley --x v --y n"
)]
struct PhaseArgs {
    /// The model file
    model: PathBuf,
    /// The neuron: a model of the file or of the prelude
    neuron: String,
    /// The state across; the first with an equation by default
    #[arg(long, value_name = "STATE")]
    x: Option<String>,
    /// The state up; the next with an equation by default
    #[arg(long, value_name = "STATE")]
    y: Option<String>,
    /// The range across, such as -80..40 or "-80 mV..0.04 V"
    #[arg(long, value_name = "FROM..TO", allow_hyphen_values = true)]
    x_range: Option<String>,
    /// The range up
    #[arg(long, value_name = "FROM..TO", allow_hyphen_values = true)]
    y_range: Option<String>,
    /// Give a variable of the neuron a value, such as "I=10 pA" or "h=0.3", or change a top-level parameter
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Points of the vector field along each axis
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u16).range(2..=1000))]
    grid: u16,
    /// Where files are written; the current folder by default
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    messages: MessageArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  snnc completions bash > ~/.local/share/bash-completion/completions/snnc\n  snnc completions fish > ~/.config/fish/completions/snnc.fish"
)]
struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  snnc man --out ~/.local/share/man/man1")]
struct ManArgs {
    /// Where the pages are written
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    messages: MessageArgs,
}

#[cfg(feature = "lsp")]
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  snnc lsp\n\nEditors start it themselves; the README says how to tell them.")]
struct LspArgs {
    /// Accepted because many editors pass it; there is no other way to talk
    #[arg(long)]
    stdio: bool,
}

impl Cli {
    /// What the shape of the command line cannot say: no option contradicts another.
    fn consistent(self) -> Result<Self, clap::Error> {
        if let Command::Run(args) = &self.command
            && let Err(text) = sweep::settings(&args.sweep, &args.common.set)
        {
            let mut shape = <Self as clap::CommandFactory>::command();
            shape.build();
            let run = shape.find_subcommand_mut("run");
            let conflict = clap::error::ErrorKind::ArgumentConflict;
            return Err(run.map_or_else(|| clap::Error::raw(conflict, &text), |c| c.error(conflict, &text)));
        }
        Ok(self)
    }
}

/// Runs the command line of this process; gives the exit status.
#[must_use]
pub fn main() -> u8 {
    let cli = match Cli::try_parse().and_then(Cli::consistent) {
        Ok(cli) => cli,
        // Help and the version are no faults, and people read what clap writes.
        Err(e) if e.exit_code() == 0 => e.exit(),
        Err(e) => match messages::asked_for(std::env::args_os()) {
            Some((args, stream)) => {
                return Messages::of(args, stream, |m| {
                    m.show_fault(&messages::usage(&e.render().to_string()));
                    2
                });
            }
            None => e.exit(),
        },
    };
    match cli.command {
        Command::Run(args) => Messages::of(args.messages, Stream::Err, |m| run::run(&args, m)),
        Command::Check(args) => Messages::of(args.messages, Stream::Out, |m| check::run(&args, m)),
        Command::Test(args) => Messages::of(args.messages, Stream::Err, |m| test::run(&args, m)),
        Command::Plan(args) => Messages::of(args.messages, Stream::Err, |m| plan::run(&args, m)),
        Command::Fmt(args) => Messages::of(args.messages, Stream::Err, |m| fmt::run(&args, m)),
        Command::Explain(args) => Messages::of(args.messages, Stream::Err, |m| explain::run(&args, m)),
        Command::New(args) => Messages::of(args.messages, Stream::Err, |m| new::run(&args, m)),
        Command::Phase(args) => Messages::of(args.messages, Stream::Err, |m| phase::run(&args, m)),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => Messages::of(args.messages, Stream::Err, |m| shell::man(&args, m)),
        #[cfg(feature = "lsp")]
        Command::Lsp(args) => lsp::run(&args),
    }
}
