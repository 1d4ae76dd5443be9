//! `phasegate audit prove`: proofs that others check without the store, and checking one.

use std::path::PathBuf;

use serde_json::json;

use crate::audit::key::VerifierKey;
use crate::audit::shown::{OldHead, Shown};
use crate::domain::refusal::{Code, Refusal};

use super::super::{Ended, Out, Place};
use super::read;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// That a record is in the log, as it stands.
    Inclusion {
        /// The number of the record.
        seq: u64,
    },
    /// That the log goes on from an older one.
    Consistency {
        /// How many records the older log had, or a file with its head.
        old: String,
        /// How many records the newer one had when a head of it was made; the newest when left out.
        new: Option<u64>,
    },
    /// Check a proof that one of the others printed.
    Check {
        /// What one of the others printed.
        file: PathBuf,
        /// Trust only heads signed with this key; may be given more than once.
        #[arg(long, value_name = "KEY")]
        key: Vec<VerifierKey>,
    },
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let shown = match &args.what {
        What::Check { file, key } => return check(file, key, out),
        What::Inclusion { seq } => {
            let shown = place.open_existing()?.prove_inclusion(*seq)?;
            shown.ok_or_else(|| {
                let hint = "`phasegate audit query` shows what there is";
                Refusal::new(Code::WrongState, format!("there is no record {seq}"), hint)
            })?
        }
        What::Consistency { old, new } => {
            let kept = match old.parse() {
                Ok(size) => OldHead { size, ..OldHead::default() },
                Err(_) => OldHead::of_note(&read(old.as_ref(), "one head")?)
                    .map_err(|error| Ended::usage(format!("{old}: {error}"), "name a size, or a file with one head"))?,
            };
            let shown = place.open_existing()?.prove_consistency(kept, *new)?;
            shown.ok_or_else(|| {
                Ended::usage(
                    "there are no such two logs: the older one is larger, or no head of the newer size is kept here",
                    "leave the newer size out to take the newest head; `phasegate audit verify --from FILE` tells a cut log",
                )
            })?
        }
    };
    // What we hand out as a proof must be one.
    if let Err(why) = shown.check(&[]) {
        let message = format!("the log does not bear this out: {why}");
        return Err(Ended::internal(&message, "`phasegate audit verify` says what was changed"));
    }
    out.text(&serde_json::to_string_pretty(&shown).unwrap_or_default());
    Ok(())
}

fn check(file: &std::path::Path, keys: &[VerifierKey], out: &Out) -> Result<(), Ended> {
    let text = read(file, "what `phasegate audit prove` prints")?;
    let shown: Shown = serde_json::from_str(&text)
        .map_err(|error| Ended::usage(format!("{}: {error}", file.display()), "name what `audit prove` printed"))?;
    let told = shown.check(keys);
    let value = json!({ "holds": told.is_ok(), "message": told.as_ref().unwrap_or_else(|why| why) });
    match &told {
        Ok(said) if keys.is_empty() => {
            let caution = "The key is the one in the file: compare it with the log's, or name it with `--key`.";
            out.answer(&value, &format!("{said}\n{caution}"));
        }
        Ok(said) => out.answer(&value, said),
        Err(why) => out.answer(&value, &format!("this proves nothing: {why}")),
    }
    told.map(drop).map_err(|_| Ended::No)
}
