//! Reads the command line, runs one command, turns its result into an exit code. Nothing else is here.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = phasegate::cli::Cli::parse();
    ExitCode::from(phasegate::cli::run(arguments))
}
