//! `phasegate tasks accept`: a person lets changes stand that a phase did not allow.

use serde_json::json;

use crate::domain::command::AcceptViolations;
use crate::domain::decide::violations::statement;
use crate::domain::ids::TaskId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::violation::{TreePath, named};
use crate::engine::Engine;

use super::output::visible;
use super::signing::SignArgs;
use super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct AcceptArgs {
    /// The task.
    id: TaskId,
    /// One of the changed paths, as `tasks show` prints it; all of them when left out.
    #[arg(long)]
    path: Vec<String>,
    /// Why it may stand: it is on record.
    #[arg(long)]
    reason: String,
    /// Do not ask first.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    signing: SignArgs,
}

pub fn accept(engine: &Engine, place: &Place, args: &AcceptArgs, out: &Out) -> Result<(), Ended> {
    let AcceptArgs { id, path, reason, yes, signing } = args;
    let parsed = path.iter().map(|path| path.parse::<TreePath>()).collect::<Result<Vec<_>, _>>();
    let paths = parsed.map_err(|why| Ended::usage(why, format!("copy it from `phasegate tasks show {id}`")))?;
    let unknown =
        || Refusal::new(Code::UnknownTask, format!("there is no task {id}"), "`phasegate tasks list` shows them");
    let task = engine.task(*id)?.ok_or_else(unknown)?;
    if !yes {
        out.aside(&visible(&format!("Against {id} stands: {}", named(&task.violations))));
        if !out.asks("Let it stand? It is on record.")? {
            out.aside("Nothing was changed.");
            return Err(Ended::No);
        }
    }
    let signer = signing.signer(place, engine, engine.has_approvers()?, out)?;
    let proof = signer.proof(engine, &statement(&engine.workspace_id()?, *id, &paths, reason));
    let accept = AcceptViolations { task: *id, paths, reason: reason.clone(), proof };
    let after = engine.accept_violations(&signer.caller, accept)?;
    let left = after.violations.len();
    out.answer(&json!({ "task": id, "violations": after.violations }), &format!("{id}: {left} violations still stand"));
    Ok(())
}
