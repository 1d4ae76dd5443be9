//! `phasegate exec`: carries out an approved act, once, as it was approved; or begins a command that the hook has judged,
//! once, confined, in place of this process and without the store.

use std::path::PathBuf;
use std::str::FromStr;

use serde_json::json;

use crate::config::settings::environment_variables;
use crate::domain::ids::{ApprovalId, BadId};
use crate::engine::Unwatched;
use crate::engine::clock::{Clock, System};
use crate::sandbox::{self, Ticket, TicketId};

use super::output::visible;
use super::{Ended, Out, Place, told};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The approval of a Bash call. What runs is what was approved, in the root of the work tree.
    #[arg(required_unless_present = "probe")]
    id: Option<Which>,
    /// Folder of the commands that wait to run confined.
    #[arg(long, value_name = "DIR", hide = true)]
    from: Option<PathBuf>,
    /// Print how much of a confined command this machine can hold.
    #[arg(long, value_name = "DIR", hide = true, exclusive = true)]
    probe: Option<PathBuf>,
}

impl Args {
    /// For a command that waits; nothing where that is no name of one.
    pub fn waiting(folder: &str, id: &str) -> Option<Self> {
        let id = TicketId::parse(id).map(Which::Waiting)?;
        Some(Self { id: Some(id), from: Some(PathBuf::from(folder)), probe: None })
    }
}

#[derive(Clone, Debug)]
enum Which {
    Act(ApprovalId),
    Waiting(TicketId),
}

impl FromStr for Which {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        // Digits alone could be either; no approval has that many.
        match TicketId::parse(text) {
            Some(id) => Ok(Self::Waiting(id)),
            None => text.parse().map(Self::Act),
        }
    }
}

/// The exit code of what needs no workspace, if that is what is asked for; a command that begins does not come back.
pub fn confined(args: &Args) -> Option<u8> {
    let out = Out::new(false);
    if let Some(temp) = &args.probe {
        let variables: Vec<_> = environment_variables().collect();
        let rung = sandbox::try_here(temp, &variables);
        out.text(rung.word());
        return Some(0);
    }
    let Some(Which::Waiting(id)) = &args.id else { return None };
    let Some(folder) = &args.from else {
        out.aside("phasegate: this command is begun by the client's shell alone, from the words that its hook gave it");
        return Some(sandbox::NOT_BEGUN);
    };
    let why = match Ticket::take(folder, id, System.now()) {
        Ok(taken) => sandbox::run(&taken, environment_variables().collect()).to_string(),
        Err(error) => error.to_string(),
    };
    out.aside(&format!("phasegate: the command was not begun: {why}"));
    Some(sandbox::NOT_BEGUN)
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let Some(Which::Act(id)) = args.id else { return Err(Ended::No) };
    let engine = place.open_existing()?;
    // An agent that has said its name acts under it; anybody else at the command line is a person.
    let is_agent = place.settings.agent.is_some();
    let caller = if is_agent { place.agent() } else { place.person() };
    let done = engine.carry_out(&caller, id, &Unwatched).map_err(Ended::from);
    let done = done.map_err(|ended| if is_agent { ended } else { told::to_person(ended) })?;
    let value =
        json!({ "approval": id, "call": done.call, "well": done.well, "summary": done.summary, "output": done.output });
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
