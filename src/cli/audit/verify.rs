//! `phasegate audit verify`: the whole log, or an export of it, checked; exit code 1 with findings.

use std::io::BufReader;
use std::path::PathBuf;

use crate::audit::check::{KeptHead, Setup};
use crate::audit::key::VerifierKey;
use crate::audit::note;
use crate::audit::report::Report;
use crate::engine::clock::{Clock, System};
use crate::engine::verify::verify_export;

use super::super::output::visible;
use super::super::{Ended, Out, Place};
use super::read;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file with heads that were kept elsewhere: from `audit head`, `audit publish`, or a git note.
    #[arg(long, value_name = "FILE")]
    from: Vec<PathBuf>,
    /// Check this export (JSON Lines of `audit export`) instead of the store.
    #[arg(long, value_name = "FILE", requires = "from")]
    export: Option<PathBuf>,
    /// Trust only heads signed with this key (see `audit key`); may be given more than once.
    #[arg(long, value_name = "KEY")]
    key: Vec<VerifierKey>,
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let mut kept = Vec::new();
    for path in &args.from {
        let text = read(path, "what `phasegate audit head` prints")?;
        let notes = note::all(&text);
        if notes.is_empty() {
            let message = format!("{} holds no head", path.display());
            return Err(Ended::usage(message, "name a file that holds what `phasegate audit head` prints"));
        }
        kept.extend(notes.iter().map(|note| KeptHead { from: path.display().to_string(), note: (*note).to_owned() }));
    }
    let report = match &args.export {
        Some(export) => exported(export, kept, &args.key, place)?,
        None => place.open_existing()?.verify(kept, args.key.clone())?,
    };
    tell(&report, out);
    if report.is_well() { Ok(()) } else { Err(Ended::No) }
}

fn exported(path: &PathBuf, kept: Vec<KeptHead>, named: &[VerifierKey], place: &Place) -> Result<Report, Ended> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Ended::usage(format!("{}: {error}", path.display()), "name a file that `phasegate audit export` wrote")
    };
    let keys = if named.is_empty() { place.open_existing()?.own_keys()? } else { named.to_vec() };
    let setup = Setup { keys, only_these_keys: !named.is_empty(), kept, ..Setup::default() };
    let file = std::fs::File::open(path).map_err(|error| unreadable(&error))?;
    verify_export(BufReader::with_capacity(1 << 20, file), setup, System.now()).map_err(|error| unreadable(&error))
}

fn tell(report: &Report, out: &Out) {
    if out.is_json() {
        let mut value = serde_json::to_value(report).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            fields.insert("well".to_owned(), report.is_well().into());
        }
        out.value(&value);
    } else {
        out.text(&visible(&report.text()));
    }
}
