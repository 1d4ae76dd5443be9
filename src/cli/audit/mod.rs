//! `phasegate audit`: the log, one file a command.

mod export;
mod files;
mod filter;
mod query;
mod tail;

use super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Records, newest first, or how many there are; with --json one a line.
    Query(query::Args),
    /// The newest records; with -f each new one as it comes.
    Tail(tail::Args),
    /// The log for other programs: JSON Lines, CSV or OpenTelemetry.
    Export(export::Args),
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    match &args.act {
        Act::Query(args) => query::run(args, place, out),
        Act::Tail(args) => tail::run(args, place, out),
        Act::Export(args) => export::run(args, place, out),
    }
}
