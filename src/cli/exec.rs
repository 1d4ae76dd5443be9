//! `phasegate exec`: carries out an approved act, once, as it was approved.

use serde_json::json;

use crate::domain::ids::ApprovalId;
use crate::engine::Unwatched;

use super::output::visible;
use super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The approval of a Bash call. What runs is what was approved, in the root of the work tree.
    id: ApprovalId,
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    // An agent that has said its name acts under it; anybody else at the command line is a person.
    let caller = if place.settings.agent.is_some() { place.agent() } else { place.person() };
    let done = engine.carry_out(&caller, args.id, &Unwatched)?;
    let value = json!({ "approval": args.id, "call": done.call, "well": done.well, "summary": done.summary, "output": done.output });
    if out.is_json() {
        out.value(&value);
    } else {
        if !done.output.is_empty() {
            out.text(&visible(&done.output));
        }
        out.aside(&format!("{}: {}", done.call, done.summary));
    }
    if done.well { Ok(()) } else { Err(Ended::No) }
}
