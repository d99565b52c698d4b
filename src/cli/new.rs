//! `snnc new`

use std::io::Write;
use std::path::PathBuf;

use super::common::out;
use super::messages::Messages;
use super::{NewArgs, Template};
use crate::diag::{Code, Diagnostic};

impl Template {
    /// The text of a new file.
    fn text(self) -> &'static str {
        match self {
            Self::Simulation => include_str!("templates/simulation.snn"),
            Self::Network => include_str!("templates/network.snn"),
            Self::Mnist => include_str!("templates/mnist.snn"),
            Self::Classifier => include_str!("templates/classifier.snn"),
        }
    }
}

/// Writes a new model file; 1 if there is one already.
pub(super) fn run(args: &NewArgs, messages: &Messages) -> u8 {
    let mut path = args.name.clone();
    if path.extension().is_none_or(|e| e != "snn") {
        path.as_mut_os_string().push(".snn");
    }
    match write(&path, args.template.text()) {
        Ok(()) => {
            let name = path.display();
            out(&format!("{name} is written. Try `snnc test {name}` and `snnc run {name}`\n"));
            0
        }
        Err(d) => {
            messages.show_fault(&d);
            1
        }
    }
}

fn write(path: &PathBuf, text: &str) -> Result<(), Diagnostic> {
    let fault = |e: std::io::Error| {
        let d = Diagnostic::without_span(Code::E0801, format!("cannot write `{}`: {e}", path.display()));
        match e.kind() {
            std::io::ErrorKind::AlreadyExists => d.help("choose another name; nothing was overwritten"),
            std::io::ErrorKind::NotFound => d.help("create the folder first"),
            _ => d,
        }
    };
    let mut file = std::fs::File::create_new(path).map_err(fault)?;
    file.write_all(text.as_bytes()).map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Session, Settings};
    use crate::syntax::fmt;
    use clap::ValueEnum;

    #[test]
    fn templates_check_clean_are_formatted_and_have_tests() {
        for template in Template::value_variants() {
            let text = template.text();
            let mut session = Session::from_text(std::path::Path::new("new.snn"), text, &Settings::default());
            session.plan_only();
            assert!(session.sink.items.is_empty(), "{template:?}: {:#?}", session.sink.items);
            assert_eq!(fmt::format(crate::source::FileId(0), text).unwrap(), text, "{template:?}");
            let model = session.model.unwrap();
            assert!(!model.script.tests.is_empty() && !model.script.experiments.is_empty(), "{template:?}");
        }
    }

    /// The interpreter would take minutes for the larger ones.
    #[test]
    fn the_tests_of_templates_pass() {
        use clap::Parser;
        let dir = tempfile::tempdir().unwrap();
        for template in Template::value_variants() {
            if !cfg!(feature = "jit") && *template != Template::Simulation {
                continue;
            }
            let path = dir.path().join("new.snn");
            std::fs::write(&path, template.text()).unwrap();
            let args = ["snnc".as_ref(), "test".as_ref(), path.as_os_str()];
            let command = crate::cli::Cli::try_parse_from(args).unwrap().command;
            let crate::cli::Command::Test(args) = command else { panic!("another command") };
            assert_eq!(crate::cli::test::run(&args, &Messages::for_tests()), 0, "{template:?}");
        }
    }

    #[test]
    fn an_existing_file_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.snn");
        write(&path, "x").unwrap();
        assert_eq!(write(&path, "y").unwrap_err().code, Code::E0801);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "x");
    }
}
