//! Every program in the documents is one that works: blocks marked `snn` check without a word, unless they say which diagnostics they
//! give (`snn fails E0202`, `snn warns W0703`), and their tests and experiments run.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

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

#[test]
fn every_program_in_the_documents_does_what_it_says() {
    let mut complete = 0;
    for path in documents() {
        for block in blocks(&path) {
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
