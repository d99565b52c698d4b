//! A session: source files and options, and the passes in order.

mod allowed;
mod files;
mod probe;
pub mod vocabulary;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::diag::{Code, Diagnostic, Severity, Sink};
use crate::hir::{self, Model, Opt, Precision, Restructuring};
use crate::runtime::build::BuildTimes;
use crate::runtime::cut::Cutting;
use crate::runtime::wiring::Files;
use crate::runtime::{self, Network};
pub use crate::sched::Quiet;
use crate::sched::{self, Uses};
use crate::script::machine::{Entity, VarKey};
use crate::script::{var_name, walk};
use crate::sema;
use crate::source::{FileId, SourceMap};
use crate::syntax::{self, ast};
use allowed::Allows;
use probe::Probe;

/// What executes programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendKind {
    /// Machine code by Cranelift.
    Jit,
    /// The reference interpreter.
    Interp,
}

/// What the command line says about a model.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `--set NAME=VALUE`, in order.
    pub set: Vec<(String, String)>,
    /// `--precision`
    pub precision: Option<Precision>,
    /// `--seed`
    pub seed: Option<u64>,
    /// `--threads`
    pub threads: Option<usize>,
    /// `--opt`
    pub opt: Option<u8>,
    /// `--without`
    pub without: Vec<Restructuring>,
}

/// One model file with everything found out about it.
pub struct Session {
    /// The source texts.
    pub sources: SourceMap,
    /// The model file.
    pub path: PathBuf,
    /// What was reported.
    pub sink: Sink,
    /// The tree, once read.
    pub tree: Option<ast::File>,
    /// The declarations that the model takes from the files it imports.
    pub imported: Vec<ast::Item>,
    /// The checked model; `None` after an error.
    pub model: Option<Arc<Model>>,
    /// What there is of a model after an error. It is of no use, but freeing it takes a while.
    pub parts: Option<Box<Model>>,
    /// The warnings that the files accept.
    allows: Allows,
    /// Nothing but what the file says decides which warnings there are: then an `allow` that silences none is of no use.
    as_written: bool,
    /// From reading the source to the checked model.
    pub front: Duration,
    /// Whether networks take the times of the parts of their steps.
    pub profile: bool,
    /// The names of the variables that are loaded from a file before anything runs (`--load`).
    pub loads: Vec<String>,
}

/// Number of threads that a setting means: 0 is one per core.
#[must_use]
pub fn threads(setting: usize) -> usize {
    if setting == 0 { std::thread::available_parallelism().map_or(1, usize::from) } else { setting }
}

/// How the neurons of one population are advanced in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// The states that the method integrates.
    pub states: Vec<String>,
    /// The integration method.
    pub method: &'static str,
    /// Why it was chosen, in words.
    pub why: String,
}

impl Session {
    /// Reads and checks a model file.
    #[must_use]
    pub fn open(path: &Path, settings: &Settings) -> Self {
        Self::made(path, |session| match read(path) {
            Ok(text) => session.check(&text, settings, None, None),
            Err(d) => session.sink.push(d),
        })
    }

    /// Checks a text as if it stood in `path`.
    #[must_use]
    pub fn from_text(path: &Path, text: &str, settings: &Settings) -> Self {
        Self::made(path, |session| session.check(text, settings, None, None))
    }

    /// Checks a text again of which most is `known`. What [`rest`] finds out is missing: with that it is the same as [`Session::from_text`]
    /// and [`Session::plan_only`].
    #[must_use]
    pub fn from_edited(path: &Path, text: &str, settings: &Settings, known: &mut syntax::Known) -> Self {
        Self::made(path, |session| session.check(text, settings, Some(known), None))
    }

    /// Checks a text with one neuron of the model `neuron` more, in a population of its own, and gives that population's name. Settings that name a variable
    /// of the neuron are its arguments. What is reported beyond errors is about a file that nobody wrote.
    #[must_use]
    pub fn with_neuron(path: &Path, text: &str, neuron: &str, settings: &Settings) -> (Self, String) {
        let probe = Probe::new(neuron, text);
        let mut session = Self::made(path, |session| session.check(text, settings, None, Some(&probe)));
        session.sink.items.retain(|d| d.severity == Severity::Error);
        (session, probe.population)
    }

    fn made(path: &Path, check: impl FnOnce(&mut Self)) -> Self {
        let start = Instant::now();
        let mut session = Self {
            sources: SourceMap::default(),
            path: path.to_owned(),
            sink: Sink::default(),
            tree: None,
            imported: Vec::new(),
            model: None,
            parts: None,
            allows: Allows::default(),
            as_written: false,
            front: Duration::ZERO,
            profile: false,
            loads: Vec::new(),
        };
        check(&mut session);
        session.front = start.elapsed();
        session
    }

    fn check(&mut self, text: &str, settings: &Settings, known: Option<&mut syntax::Known>, probe: Option<&Probe<'_>>) {
        let id = self.sources.add(self.path.display().to_string(), text);
        let prelude = sema::add_prelude(&mut self.sources);
        let mut options = sema::Options {
            set: Vec::new(),
            precision: settings.precision,
            seed: settings.seed,
            threads: settings.threads,
            opt: settings.opt,
            without: settings.without.clone(),
            schemas: sema::Schemas::default(),
            arrays: files::array_reader(&self.path),
        };
        let mut set = settings.set.clone();
        let all = known.is_none();
        let (tree, faults) = match known {
            Some(known) => syntax::parse_again(id, text, known),
            None => syntax::parse(id, text),
        };
        self.sink.items.extend(faults);
        let path = self.path.clone();
        let mut whole = files::expand(&tree, &path, prelude, &mut self.sources, &mut self.sink);
        if let Some(probe) = probe {
            let file = whole.get_or_insert_with(|| tree.clone());
            match probe.declare(file, prelude, &mut self.sources, &mut set) {
                Ok(items) => file.items.extend(items),
                Err(d) => self.sink.push(d),
            }
        }
        for (name, value) in &set {
            options.set.push((name.clone(), self.set_source(name, value)));
        }
        let read = whole.as_ref().unwrap_or(&tree);
        options.schemas = files::schemas(read, &path);
        let (model, sound) = sema::check(read, prelude, &self.sources, &options, &mut self.sink);
        self.allows = Allows::new(&read.items);
        self.as_written = settings.set.is_empty()
            && settings.precision.is_none()
            && settings.opt.is_none()
            && settings.without.is_empty();
        self.imported = whole.map_or_else(Vec::new, |w| w.items.into_iter().filter(|i| i.span.file != id).collect());
        self.tree = Some(tree);
        // A fault of syntax leaves holes in the tree, in which uses are lost: no warnings then.
        if sound && !self.sink.has_errors() {
            if all {
                sched::warn(&model, &mut self.sink);
            }
            self.model = Some(Arc::new(model));
        } else {
            self.parts = Some(Box::new(model));
        }
        self.allows.take_out(&mut self.sink.items);
        in_order(&mut self.sink);
    }

    /// Takes over what [`rest`] found out.
    pub fn complete(&mut self, sink: Sink) {
        self.sink = sink;
        self.all_said();
    }

    /// Leaves out the warnings that the files accept, of those that come while the model runs.
    pub fn leave_out_allowed(&self, items: &mut Vec<Diagnostic>) {
        items.retain(|d| !self.allows(d));
    }

    /// Whether the files accept a warning.
    #[must_use]
    pub fn allows(&self, d: &Diagnostic) -> bool {
        self.allows.silence(d)
    }

    /// Everything that checking finds is known now.
    fn all_said(&mut self) {
        if let (Some(_), Some(tree)) = (&self.model, &self.tree) {
            sema::unused::check(tree, &mut self.sink);
            in_order(&mut self.sink);
        }
        self.allows.take_out(&mut self.sink.items);
        if self.sink.has_errors() {
            self.model = None;
        } else if let (true, Some(model)) = (self.as_written, &self.model) {
            let text = self.sources.get(FileId(0)).map_or("", |f| &*f.text);
            let unused = self.allows.unused(model, text);
            if !unused.is_empty() {
                self.sink.items.extend(unused);
                in_order(&mut self.sink);
            }
        }
    }

    fn set_source(&mut self, name: &str, value: &str) -> FileId {
        // Parameters of a file that is imported as `cells` are `cells.n`.
        let own = name.rsplit('.').next().unwrap_or(name);
        self.sources.add("--set", format!("param {own} = {value}"))
    }

    /// Whether an error was reported.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.sink.has_errors() || self.model.is_none()
    }

    /// The folder of the model file.
    #[must_use]
    pub fn model_dir(&self) -> PathBuf {
        self.path.parent().map(Path::to_path_buf).unwrap_or_default()
    }

    /// What protocols do to variables.
    #[must_use]
    pub fn uses(model: &Model) -> Uses {
        Uses {
            assigned: model.script.assigned.union(&model.script.reset).copied().collect(),
            read: model.script.read.clone(),
            thaws: walk::thaws(&model.script),
        }
    }

    /// Builds the network.
    ///
    /// # Errors
    /// See [`runtime::build()`].
    pub fn build(&self, model: &Arc<Model>, backend: BackendKind) -> Result<(Network, BuildTimes), Vec<Diagnostic>> {
        let options = runtime::Options {
            backend: backend_of(backend, model.settings.opt),
            files: Files { model_dir: self.model_dir() },
            memory_limit: memory_limit(),
            cutting: Cutting { profile: self.profile, threads: threads(model.settings.threads) },
        };
        let mut uses = Self::uses(model);
        if !self.loads.is_empty() {
            let constant = constant_learned(model, &uses)?;
            uses.assigned.extend(constant.into_iter().filter(|key| self.loads.contains(&var_name(model, *key))));
        }
        runtime::build(model.clone(), uses, &options)
    }

    /// Plans without building, so that faults of methods and placement are found by `check` too.
    pub fn plan_only(&mut self) {
        if let Some(model) = &self.model {
            sched::check(model, &Self::uses(model), &mut sched::Findings::none(model), &mut self.sink);
        }
        self.all_said();
    }
}

/// The weights and learned variables that nothing changes: what is loaded into them needs storage.
fn constant_learned(model: &Model, uses: &Uses) -> Result<Vec<VarKey>, Vec<Diagnostic>> {
    let plan = sched::build(model, uses, &std::collections::BTreeSet::new())?;
    let kept = |v: &hir::VarDecl| matches!(v.role, hir::Role::Weight | hir::Role::Learned);
    let mut out = Vec::new();
    for (p, population) in plan.populations.iter().enumerate() {
        let Some(neuron) = model.populations.get(p).and_then(|p| model.neurons.get(p.model.index())) else { continue };
        let vars = (0..).map(hir::VarId).zip(neuron.vars.iter().zip(&population.storage));
        let constant = vars.filter(|(_, (v, s))| kept(v) && matches!(s, sched::Storage::Constant(_)));
        out.extend(constant.map(|(var, _)| VarKey { entity: Entity::Pop(hir::PopId(p as u32)), var }));
    }
    for (p, projection) in plan.projections.iter().enumerate() {
        let Some(synapse) = model.projections.get(p).map(|p| &p.synapse) else { continue };
        let vars = (0..).map(hir::VarId).zip(synapse.vars.iter().zip(&projection.place));
        let constant = vars.filter(|(_, (v, s))| kept(v) && matches!(s, sched::Place::Constant(_)));
        out.extend(constant.map(|(var, _)| VarKey { entity: Entity::Proj(hir::ProjId(p as u32)), var }));
    }
    Ok(out)
}

/// In order of the source, the model file first.
fn in_order(sink: &mut Sink) {
    sink.items.sort_by_key(|d| d.primary.as_ref().map_or((FileId(0), 0), |l| (l.span.file, l.span.start)));
}

/// All that is to be said of a sound model of which something has been `said`: with what is suspicious, and what its plan finds. `None` once
/// it is `outdated`. Of parts that were `quiet` in the model before and are the same nothing is found out again.
pub fn rest(
    model: &Arc<Model>,
    said: Sink,
    quiet: &mut sched::Quiet,
    mut outdated: impl FnMut() -> bool,
) -> Option<Sink> {
    let mut sink = said;
    if outdated() {
        return None;
    }
    let uses = Session::uses(model);
    let mut found = sched::Findings::of(model, &uses, quiet);
    sched::warn_again(model, &mut found, &mut sink);
    in_order(&mut sink);
    if outdated() {
        return None;
    }
    sched::check(model, &uses, &mut found, &mut sink);
    found.keep(model, uses, quiet);
    Some(sink)
}

/// How the populations that are `asked` for are advanced in time; nothing on those that have no equations or no method that solves them.
pub fn advances(model: &Model, asked: impl Fn(&hir::Population) -> bool) -> Vec<Advance> {
    let uses = Session::uses(model);
    let mut out = Vec::new();
    for (p, population) in model.populations.iter().enumerate().filter(|(_, p)| asked(p)) {
        let Some(neuron) = model.neurons.get(population.model.index()) else { continue };
        let Ok(plan) = sched::population_alone(model, &uses, p) else { continue };
        let Some(update) = plan.update else { continue };
        let states = plan.integrated.iter().filter_map(|v| Some(neuron.vars.get(v.index())?.name.clone()));
        out.push(Advance { states: states.collect(), method: update.method, why: update.why });
    }
    out
}

/// The compiler with or without wide kernels.
#[cfg(feature = "jit")]
#[must_use]
pub fn jit_of(opt: Opt) -> crate::backend::cranelift::CraneliftJit {
    use crate::backend::cranelift::{Cpu, CraneliftJit};
    CraneliftJit {
        cpu: if opt.has(Restructuring::WideKernels) { Cpu::Native } else { Cpu::Narrow },
        ..CraneliftJit::default()
    }
}

/// The back end of a kind. Without the feature `jit` only the interpreter exists. For `opt` see [`jit_of`].
#[must_use]
pub fn backend_of(kind: BackendKind, opt: Opt) -> Arc<dyn Backend + Send + Sync> {
    #[cfg(not(feature = "jit"))]
    let _ = opt;
    match kind {
        #[cfg(feature = "jit")]
        BackendKind::Jit => Arc::new(jit_of(opt)),
        _ => Arc::new(crate::backend::interp::Interp),
    }
}

/// Reads a source file.
///
/// # Errors
/// Anything but a readable text of sane size: `E0801`, `E0005`, `E0006`.
pub fn read(path: &Path) -> Result<String, Diagnostic> {
    let cannot = |e: &std::io::Error| {
        Diagnostic::without_span(Code::E0801, format!("cannot read `{}`: {e}", path.display()))
            .help("check the name and the folder of the file")
    };
    let meta = std::fs::metadata(path).map_err(|e| cannot(&e))?;
    if meta.is_dir() {
        return Err(Diagnostic::without_span(
            Code::E0801,
            format!("`{}` is a folder, not a model file", path.display()),
        ));
    }
    if meta.len() > syntax::MAX_SOURCE as u64 {
        return Err(Diagnostic::without_span(
            Code::E0006,
            format!(
                "`{}` has {} bytes; a source file may have at most {}",
                path.display(),
                meta.len(),
                syntax::MAX_SOURCE
            ),
        ));
    }
    let bytes = std::fs::read(path).map_err(|e| cannot(&e))?;
    syntax::decode(&bytes, &path.display().to_string())
}

/// The most memory a network may take: four fifths of what the machine has free, 16 GiB where that is unknown.
#[must_use]
pub fn memory_limit() -> f64 {
    let fallback = 16.0 * f64::from(1 << 30);
    let Ok(text) = std::fs::read_to_string("/proc/meminfo") else { return fallback };
    text.lines()
        .find_map(|l| l.strip_prefix("MemAvailable:"))
        .and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<f64>().ok())
        .map_or(fallback, |kib| kib * 1024.0 * 0.8)
}

/// Whether diagnostics of a severity are among those reported.
#[must_use]
pub fn count(sink: &Sink, severity: Severity) -> usize {
    sink.items.iter().filter(|d| d.severity == severity).count()
}

/// The precision in words.
#[must_use]
pub fn precision_name(p: hir::Precision) -> &'static str {
    match p {
        Precision::F32 => "f32",
        Precision::F64 => "f64",
    }
}
