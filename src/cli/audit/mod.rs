//! `phasegate audit`: the log, one file a command.

mod query;

use super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Records, newest first; with --json one a line.
    Query(query::Args),
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    match &args.act {
        Act::Query(args) => query::run(args, place, out),
    }
}
