//! Reads the command line, runs one command, turns its result into an exit code. Nothing else is here.

use std::process::ExitCode;

fn main() -> ExitCode {
    let read = || phasegate::cli::read(std::env::args_os().collect()).map(phasegate::cli::run);
    let code =
        phasegate::cli::at_once(std::env::args_os().skip(1)).unwrap_or_else(|| read().unwrap_or_else(|code| code));
    ExitCode::from(code)
}
