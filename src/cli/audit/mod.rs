//! `phasegate audit`: the log, one file a command.

mod erase;
mod export;
mod files;
mod filter;
pub use filter::moment;
mod head;
mod key;
mod prove;
mod publish;
mod query;
mod tail;
mod verify;

use crate::engine::sealer::SealError;

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
    /// Seal what is new and print the newest signed head: what `audit verify --from FILE` reads.
    Head,
    /// Check the whole log, against heads kept elsewhere where they are given.
    Verify(verify::Args),
    /// Prove to others that a record is in the log, or that the log goes on from an older one.
    Prove(prove::Args),
    /// Send the newest head where whoever can write the store cannot reach it.
    Publish(publish::Args),
    /// Take content out of the log; numbers and hashes stay.
    Erase(erase::Args),
    /// Print the key that heads are checked by, or go on with a new one.
    Key(key::Args),
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    match &args.act {
        Act::Query(args) => query::run(args, place, out),
        Act::Tail(args) => tail::run(args, place, out),
        Act::Export(args) => export::run(args, place, out),
        Act::Head => head::run(place, out),
        Act::Verify(args) => verify::run(args, place, out),
        Act::Prove(args) => prove::run(args, place, out),
        Act::Publish(args) => publish::run(args, place, out),
        Act::Erase(args) => erase::run(args, place, out),
        Act::Key(args) => key::run(args, place, out),
    }
}

impl From<SealError> for Ended {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Store(error) => error.into(),
            error => Self::internal(&error, error.hint()),
        }
    }
}

/// A small file that a person named.
fn read(path: &std::path::Path, what: &str) -> Result<String, Ended> {
    const BYTES_MAX: u64 = 16 << 20;
    let unreadable = |error: &dyn std::fmt::Display| {
        Ended::usage(format!("{}: {error}", path.display()), format!("name a file that holds {what}"))
    };
    let found = std::fs::metadata(path).map_err(|error| unreadable(&error))?;
    if found.len() > BYTES_MAX {
        return Err(unreadable(&"it is too large for that"));
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(&error))
}
