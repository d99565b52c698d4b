//! Every program in the documents is one that works: blocks marked `snn` check without a word, unless they say which diagnostics they
//! give (`snn fails E0202`, `snn warns W0703`), and their tests and experiments run; those marked `snn files` in a folder with data, edges and
//! another model.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use snnc::data::{NpyArray, NpyData, write_npz};
use snnc::diag::Diagnostic;
use snnc::diag::render::render_human;
use snnc::driver::{BackendKind, Session, Settings};
use snnc::hir::DataId;
use snnc::script::eval::{DataAccess, Env, run_experiments, run_tests};
use snnc::script::ir::Split;
use snnc::script::machine::Machine;
use snnc::script::outcome::Silent;
use snnc::script::tensor::{SampleRef, Tensor};

/// A fenced block: the file and line of its fence, the words after `snn`, its text.
struct Block {
    place: String,
    words: Vec<String>,
    text: String,
}

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<PathBuf> = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "ARCHITECTURE.md"]
        .iter()
        .chain(&["grammar/README.md", "models/README.md", "data/README.md"])
        .map(|p| root.join(p))
        .collect();
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|e| e.unwrap().path());
    let mut docs: Vec<PathBuf> = docs.filter(|p| p.extension().is_some_and(|e| e == "md")).collect();
    docs.sort();
    paths.extend(docs);
    paths
}

fn blocks(path: &Path) -> Vec<Block> {
    let text = fs::read_to_string(path).unwrap();
    let mut out: Vec<Block> = Vec::new();
    let mut open: Option<bool> = None;
    for (k, line) in text.lines().enumerate() {
        match (open, line.trim_start().strip_prefix("```")) {
            (None, Some(info)) => {
                let mut words = info.split_whitespace().map(str::to_owned);
                let ours = words.next().as_deref() == Some("snn");
                if ours {
                    let place = format!("{}:{}", path.file_name().unwrap().to_string_lossy(), k + 1);
                    out.push(Block { place, words: words.collect(), text: String::new() });
                }
                open = Some(ours);
            }
            (Some(_), Some(_)) => open = None,
            (Some(true), None) => {
                let block = out.last_mut().unwrap();
                block.text += line;
                block.text += "\n";
            }
            _ => {}
        }
    }
    assert!(open.is_none(), "{}: a block is not closed", path.display());
    out
}

/// Programs in the documents bring no data.
struct NoData;

impl DataAccess for NoData {
    fn samples(&self, _: DataId, _: Split) -> Result<usize, Diagnostic> {
        panic!("a program of the documents reads data")
    }
    fn image(&self, _: SampleRef) -> Result<Tensor, Diagnostic> {
        panic!("a program of the documents reads data")
    }
    fn label(&self, _: SampleRef) -> Result<i64, Diagnostic> {
        panic!("a program of the documents reads data")
    }
}

fn shown(items: &[Diagnostic], session: &Session) -> String {
    items.iter().map(|d| render_human(d, &session.sources, false)).collect()
}

fn run(block: &Block, session: &Session) {
    let model = session.model.clone().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let cancel = AtomicBool::new(false);
    let env = Env {
        data: &NoData,
        model_dir: PathBuf::new(),
        out_dir: Some(dir.path().to_owned()),
        unnamed: true,
        threads: 2,
        seed: model.settings.seed,
        only: Vec::new(),
        cancel: &cancel,
    };
    let build = || session.build(&model, BackendKind::Jit).map(|(n, _)| n);
    let mut network = build().unwrap_or_else(|e| panic!("{}\n{}", block.place, shown(&e, session)));
    let mut fresh = || -> Result<Box<dyn Machine>, Diagnostic> { Ok(Box::new(build().unwrap())) };
    let experiments = run_experiments(&model.script, &model, &mut network, &env, &mut Silent, &mut Silent);
    let tests = run_tests(&model.script, &model, &mut fresh, &env, &mut Silent, &mut Silent);
    for outcome in [experiments, tests] {
        let failed: Vec<_> = outcome.expects.iter().filter(|e| !e.held).collect();
        assert!(outcome.succeeded(), "{}: {failed:?}\n{}", block.place, shown(&outcome.diagnostics, session));
        assert!(outcome.phases.iter().all(|p| p.finished), "{}", block.place);
    }
}

/// Two classes of four pixels, the first two or the last two lit, with spikes that say the same; a ring of edges, a stimulus, and a model.
fn fixtures(dir: &Path) {
    let split = |n: usize| {
        let label: Vec<i64> = (0..n).map(|k| k as i64 % 2).collect();
        let each = |f: &dyn Fn(i64, i64) -> f64, width: i64| {
            let values = label.iter().flat_map(|c| (0..width).map(|p| f(*c, p)).collect::<Vec<_>>()).collect();
            NpyArray { shape: vec![n as u64, width as u64], data: NpyData::F64(values) }
        };
        let image = each(&|c, p| if p / 2 == c { 1.0 } else { 0.0 }, 4);
        let times = each(&|_, k| if k < 2 { 1.0 + 2.0 * k as f64 } else { f64::INFINITY }, 3);
        let ids = label.iter().flat_map(|c| [2 * c, 2 * c + 1, 0]).collect();
        let ids = NpyArray { shape: vec![n as u64, 3], data: NpyData::I64(ids) };
        vec![("image", image), ("times", times), ("ids", ids), ("label", NpyArray::vector(NpyData::I64(label)))]
    };
    write_npz(&dir.join("train.npz"), &split(8)).unwrap();
    write_npz(&dir.join("test.npz"), &split(4)).unwrap();
    let ints = |v: &[i64]| NpyArray::vector(NpyData::I64(v.to_vec()));
    let reals = |v: &[f64]| NpyArray::vector(NpyData::F64(v.to_vec()));
    let edges = [("pre", ints(&[0, 1, 2, 3])), ("post", ints(&[0, 0, 1, 1])), ("w", reals(&[0.5; 4]))];
    write_npz(&dir.join("edges.npz"), &edges).unwrap();
    write_npz(&dir.join("stimulus.npz"), &[("I", reals(&[0.0, 1.0, 2.0]))]).unwrap();
    let cells = "param tau = 10 ms\nneuron Leaky {\n  input drive: mV\n  state v = 0 mV\n  tau * dv/dt = drive - v\n  \
                 spike when v > 5 mV\n  on spike { v = 0 mV }\n}\n";
    fs::write(dir.join("cells.snn"), cells).unwrap();
}

/// Checks, runs and tests a program beside the files that it reads.
fn with_files(block: &Block) {
    let dir = tempfile::tempdir().unwrap();
    fixtures(dir.path());
    fs::write(dir.path().join("model.snn"), &block.text).unwrap();
    let commands: [&[&str]; 3] =
        [&["check", "-D", "warnings"], &["run", "--quiet", "--out", "out"], &["test", "--allow-none"]];
    for command in commands {
        let snnc =
            Command::new(env!("CARGO_BIN_EXE_snnc")).args(command).arg("model.snn").current_dir(dir.path()).output();
        let snnc = snnc.unwrap();
        let said = [snnc.stdout, snnc.stderr].map(|b| String::from_utf8_lossy(&b).into_owned()).concat();
        assert!(snnc.status.success(), "{}: {command:?}\n{said}", block.place);
    }
}

/// The reference shows every keyword, operator and built-in rule of the grammar in a program that runs. What learning by gradient needs
/// is left out until it is built.
#[test]
fn the_reference_uses_every_keyword_of_the_grammar() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let grammar = fs::read_to_string(root.join("grammar/snn.pest")).unwrap();
    let programs: String = blocks(&root.join("docs/language.md"))
        .into_iter()
        .filter(|b| b.words.first().is_none_or(|w| w != "fails"))
        .flat_map(|b| b.text.lines().map(|l| format!("{}\n", l.split('#').next().unwrap_or(""))).collect::<Vec<_>>())
        .collect();
    let words: BTreeSet<&str> = programs.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let mut keywords = 0;
    for line in grammar.lines() {
        let is_word = line.starts_with("kw_") || line.starts_with("bool_") || line.contains("_op = @{ \"");
        let Some(word) = line.split('"').nth(1).filter(|_| is_word) else { continue };
        if word.chars().all(|c| c.is_ascii_alphabetic()) && !matches!(word, "surrogate" | "minimize" | "by") {
            keywords += 1;
            assert!(words.contains(word), "no program of docs/language.md uses `{word}`");
        }
    }
    assert!(keywords > 50, "{keywords}");
    for operator in ["==", "!=", "<=", ">=", "<", ">", "+=", "-=", "*=", "/=", "..", "%", "^", "->", ";"] {
        assert!(programs.contains(operator), "no program of docs/language.md uses `{operator}`");
    }
    let connect: Vec<&str> = snnc::connect::PATTERNS.iter().map(|p| p.name()).collect();
    let distributions = snnc::builtins::DISTS.iter().map(|d| d.name);
    for name in connect.into_iter().chain(distributions) {
        assert!(words.contains(name), "no program of docs/language.md uses `{name}`");
    }
}

#[test]
fn every_program_in_the_documents_does_what_it_says() {
    let mut complete = 0;
    for path in documents() {
        for block in blocks(&path) {
            if block.words.first().is_some_and(|w| w == "files") {
                with_files(&block);
                complete += 1;
                continue;
            }
            let mut session = Session::from_text(Path::new("block.snn"), &block.text, &Settings::default());
            session.plan_only();
            let found: BTreeSet<String> = session.sink.items.iter().map(|d| d.code.to_string()).collect();
            let (kind, codes) = match block.words.split_first() {
                Some((kind, codes)) => (kind.as_str(), codes.iter().cloned().collect()),
                None => ("", BTreeSet::new()),
            };
            let text = shown(&session.sink.items, &session);
            assert_eq!(found, codes, "{}\n{text}", block.place);
            assert!(matches!(kind, "" | "fails" | "warns"), "{}: what does `{kind}` mean?", block.place);
            assert_eq!(session.failed(), kind == "fails", "{}\n{text}", block.place);
            if kind != "fails" && session.model.as_ref().is_some_and(|m| !m.populations.is_empty()) {
                run(&block, &session);
                complete += 1;
            }
        }
    }
    assert!(complete >= 4, "{complete} programs");
}
