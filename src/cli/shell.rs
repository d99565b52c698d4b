//! `snnc completions` and `snnc man`: what a shell and a manual reader need, made from the command line's own description.

use clap::CommandFactory;

use super::common::out;
use super::messages::Messages;
use super::{Cli, CompletionsArgs, ManArgs};
use crate::diag::{Code, Diagnostic};

/// Prints the completions of a shell.
pub(super) fn completions(args: &CompletionsArgs) -> u8 {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "snnc", &mut text);
    out(&String::from_utf8_lossy(&text));
    0
}

/// Writes the manual pages of all commands into a folder; 1 if that fails.
pub(super) fn man(args: &ManArgs, messages: &Messages) -> u8 {
    let written = std::fs::create_dir_all(&args.out).and_then(|()| clap_mangen::generate_to(Cli::command(), &args.out));
    match written {
        Ok(()) => 0,
        Err(e) => {
            let text = format!("cannot write manual pages to `{}`: {e}", args.out.display());
            messages.show_fault(&Diagnostic::without_span(Code::E0801, text));
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;
    use clap::Parser;

    #[test]
    fn manual_pages_and_completions_name_every_command() {
        let dir = tempfile::tempdir().unwrap();
        let args = ["snnc".as_ref(), "man".as_ref(), "--out".as_ref(), dir.path().as_os_str()];
        let Command::Man(args) = Cli::try_parse_from(args).unwrap().command else { panic!("another command") };
        assert_eq!(man(&args, &Messages::for_tests()), 0);
        let mut bash = Vec::new();
        clap_complete::generate(clap_complete::Shell::Bash, &mut Cli::command(), "snnc", &mut bash);
        let bash = String::from_utf8(bash).unwrap();
        for command in Cli::command().get_subcommands() {
            let page = dir.path().join(format!("snnc-{}.1", command.get_name()));
            assert!(page.exists(), "{}", page.display());
            assert!(bash.contains(&format!("snnc,{}", command.get_name())), "{}", command.get_name());
        }
    }

    #[test]
    fn every_command_has_examples_and_a_line_in_the_readme() {
        Cli::command().debug_assert();
        let readme = include_str!("../../README.md");
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("snnc {name}")), "{name} has no example");
            assert!(readme.contains(&format!("`snnc {name}")), "{name} is not in README.md");
        }
    }
}
