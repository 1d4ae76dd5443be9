//! Reads the command line. What cannot be read is told like every other error, for people and for programs; what the words
//! mean is in `cli` and the files of the commands.

use std::ffi::OsString;

use clap::Parser;
use clap::error::ErrorKind;

use super::{Cli, Command, Ended, Global, Out, serve};

/// What runs for as long as its client does, so that it carries nothing of the words of all other commands.
#[derive(Parser)]
struct Serving {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Serve,
}

#[derive(clap::Subcommand)]
enum Serve {
    Serve(Box<serve::Args>),
}

/// Nothing where it is another command, or one to say something about.
fn serving(arguments: &[OsString]) -> Option<Cli> {
    let is_named = arguments.iter().any(|word| word == "serve");
    let Serving { global, command: Serve::Serve(args) } =
        is_named.then(|| Serving::try_parse_from(arguments).ok()).flatten()?;
    Some(Cli { global, command: Some(Command::Serve(args)) })
}

/// `help tasks` means `tasks --help`.
fn asked_for_help(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.get(1).is_some_and(|word| word == "help") {
        arguments.remove(1);
        arguments.push("--help".into());
    }
    arguments
}

/// `Err` is the exit code where everything has been said: help, the version, or what is wrong.
pub fn read(arguments: Vec<OsString>) -> Result<Cli, u8> {
    if let Some(cli) = serving(&arguments) {
        return Ok(cli);
    }
    let arguments = asked_for_help(arguments);
    let json = arguments.iter().any(|word| word == "--json");
    Cli::try_parse_from(arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that went away is no fault.
            let _ = error.print();
            0
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if !json => {
            let _ = error.print();
            Ended::usage("", "").code()
        }
        _ => Out::new(json).end(Err(told(&error))),
    })
}

const NUMBERS: [(&str, &str); 4] = [
    ("invalid digit found in string", "it is no whole number"),
    ("number too large to fit in target type", "it is too large"),
    ("number too small to fit in target type", "it is too small"),
    ("invalid float literal", "it is no number"),
];

fn told(error: &clap::Error) -> Ended {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Ended::usage("this command lacks a part", "`--help` after it shows what it takes");
    }
    let rendered = error.render().to_string();
    let (mut said, mut next) = (Vec::new(), Vec::new());
    for part in rendered.split("\n\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" ")) {
        if let Some(usage) = part.strip_prefix("Usage: ") {
            next.push(format!("it is `{usage}`"));
        } else if let Some(tip) = part.strip_prefix("tip: ") {
            next.push(tip.replace(" tip: ", "; "));
        } else if !part.is_empty() && !part.starts_with("For more information") {
            said.push(part.strip_prefix("error: ").unwrap_or(&part).to_owned());
        }
    }
    let mut said = said.join("; ");
    for (of_the_library, ours) in NUMBERS {
        said = said.replace(of_the_library, ours);
    }
    next.push("`--help` shows what there is".to_owned());
    Ended::usage(said, next.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_a_word_too() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        for (line, meant) in [
            ("phasegate help", "phasegate --help"),
            ("phasegate help tasks list", "phasegate tasks list --help"),
            ("phasegate tasks help", "phasegate tasks help"),
        ] {
            assert_eq!(asked_for_help(words(line)), words(meant));
        }
    }

    #[test]
    fn a_server_is_read_alone_as_among_all_commands() {
        let words =
            |line: &str| ["phasegate"].into_iter().chain(line.split(' ')).map(OsString::from).collect::<Vec<_>>();
        for line in [
            "serve",
            "serve --http 127.0.0.1:0 --workspace x",
            "--agent a serve --stdio --http [::1]:7",
            "serve --json",
        ] {
            let alone = serving(&words(line)).map(|cli| format!("{cli:?}"));
            let among_all = Cli::try_parse_from(words(line)).map(|cli| format!("{cli:?}"));
            assert_eq!(alone, among_all.ok(), "{line}");
            assert!(alone.is_some(), "{line}");
        }
        for line in ["serve --help", "serve --nope", "--version", "tasks show serve", "demo"] {
            assert!(serving(&words(line)).is_none(), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_what_to_do() {
        let table = [
            ("bogus", "unrecognized subcommand 'bogus'", "it is `phasegate [OPTIONS] [COMMAND]`; `--help` shows"),
            ("boardd", "unrecognized subcommand 'boardd'", "a similar subcommand exists: 'board'"),
            ("tasks list --status bogus", "invalid value 'bogus' for '--status", "`--help`"),
            ("token create --rate 0 --role agent", "invalid value '0' for '--rate <N>': 0 is not in 1..", "`--help`"),
            ("audit publish", "arguments were not provided: --to <PLACE>", "it is `phasegate audit publish"),
            ("audit erase T-9 --reason x", "invalid value 'T-9' for '<SEQ>...': it is no whole number", "`--help`"),
            ("tasks", "this command lacks a part", "`--help` after it"),
            ("board --nope", "unexpected argument '--nope' found", "`--help`"),
            ("token revoke x", "`x` is not the id of a credential; write it like `K-12`", "`--help`"),
        ];
        for (line, message, hint) in table {
            let error = Cli::try_parse_from(["phasegate"].into_iter().chain(line.split(' '))).expect_err(line);
            let said = told(&error).said();
            assert!(said.0.contains(message) && said.1.contains(hint), "{line}: {said:?}");
            assert!(!said.0.contains("error:") && !said.0.contains('\n') && !said.1.contains('\n'), "{line}: {said:?}");
        }
    }
}
