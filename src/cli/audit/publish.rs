//! `phasegate audit publish`: the newest head, sent where it is out of reach.

use serde_json::json;

use crate::audit::key::VerifierKey;
use crate::engine::publish::{How, PublishError, To};

use super::super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// file:PATH, git (a note on the present commit), https://… (a POST of the head), or witness:URL; may be given more
    /// than once.
    #[arg(long, required = true, value_name = "PLACE")]
    to: Vec<To>,
    /// Add to a file instead of replacing the head in it.
    #[arg(long)]
    append: bool,
    /// The key that the witness must have cosigned with.
    #[arg(long, value_name = "KEY")]
    witness_key: Option<VerifierKey>,
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    let how = How { append: args.append, witness: args.witness_key.clone() };
    let mut refused = false;
    for to in &args.to {
        match engine.publish(to, &how) {
            Ok(Some(anchor)) => {
                let text = format!("the head of {} records is at {}", anchor.size, anchor.place);
                out.answer(&json!({ "size": anchor.size, "place": anchor.place, "at": anchor.at }), &text);
            }
            Ok(None) => return Err(Ended::usage("the log holds no record yet", "an agent's first call writes one")),
            // One place that is out of reach must not keep the head from the others.
            Err(PublishError::Seal(error)) => return Err(error.into()),
            Err(error) => {
                refused = true;
                let value =
                    json!({ "place": to.to_string(), "error": { "message": error.to_string(), "hint": error.hint() } });
                out.answer(&value, &format!("not sent to {to}: {error}\n  next: {}", error.hint()));
            }
        }
    }
    if refused { Err(Ended::No) } else { Ok(()) }
}
