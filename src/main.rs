//! Reads the command line, runs one command, turns its result into an exit code. Nothing else is here.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    if let Some(code) = phasegate::cli::at_once(std::env::args_os().skip(1)) {
        return ExitCode::from(code);
    }
    let arguments = phasegate::cli::Cli::parse();
    ExitCode::from(phasegate::cli::run(arguments))
}
