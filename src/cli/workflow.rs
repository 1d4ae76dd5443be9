//! `phasegate workflow`: what is in force, what a file would change, and putting it in force.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::config::starters;
use crate::config::workflow_text::{diff, explain, lint};
use crate::domain::canonical;
use crate::domain::ids::WorkflowHash;
use crate::domain::workflow::Workflow;
use crate::engine::{Engine, read_workflow};

use super::audit::moment;
use super::output::visible;
use super::signing::SignArgs;
use super::{Ended, Out, Place};

/// Said before every explanation, so that nobody takes a rule for more than it is.
const TODAY: &str = "Phases, gates, approvals and phasegate's own tools hold for every agent. What is said below about \
                     Read, Edit, Bash, other servers' tools, writes, network, dollars and tokens holds in sessions whose \
                     client calls phasegate's hooks: `phasegate sessions list` says how well each is guarded.";

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Versions in force, and how many open tasks stand under each.
    List,
    /// The source of a version in force, by name or hash; default: the workspace's default workflow.
    Show { name: Option<String> },
    /// What a workflow allows and asks for, in plain words.
    Explain {
        /// A file, the name of a workflow in force, or a starter.
        what: Option<String>,
    },
    /// Check a file: errors with line and column, and warnings.
    Lint {
        /// Default: phasegate.yaml.
        file: Option<PathBuf>,
    },
    /// What a file would change against the version in force.
    Diff {
        /// Default: phasegate.yaml.
        file: Option<PathBuf>,
    },
    /// Hold the calls on record against a file: every verdict that would change.
    Backtest {
        /// A file, the name of a workflow in force, or a starter; default: phasegate.yaml.
        what: Option<String>,
        /// Only calls since then: 7d, 12h, or a date.
        #[arg(long)]
        since: Option<String>,
        /// Changes that are shown; all are counted.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Put a file, or a starter by its name, in force. A person's act: it decides what agents may do.
    Trust {
        /// Default: phasegate.yaml.
        file: Option<PathBuf>,
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        signing: SignArgs,
    },
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    match &args.act {
        Act::List => list(place, out),
        Act::Show { name } => show(place, name.as_deref(), out),
        Act::Explain { what } => {
            let workflow = named(place, what.as_deref())?;
            let value = serde_json::to_value(&workflow).unwrap_or_default();
            out.answer(&value, &format!("{TODAY}\n\n{}", visible(&explain::explain(&workflow))));
            Ok(())
        }
        Act::Lint { file } => check(place, file.as_deref(), out),
        Act::Diff { file } => compare(place, file.as_deref(), out),
        Act::Backtest { what, since, limit } => backtest(place, what.as_deref(), since.as_deref(), *limit, out),
        Act::Trust { file, yes, signing } => trust(place, file.as_deref(), *yes, signing, out),
    }
}

fn file_or_default(place: &Place, file: Option<&Path>) -> PathBuf {
    match file {
        Some(file) => file.to_path_buf(),
        None => place.workspace.workflow_file(),
    }
}

/// A file, else a name: in force first, then a starter.
pub(super) fn named(place: &Place, what: Option<&str>) -> Result<Workflow, Ended> {
    let own = place.workspace.workflow_file();
    let file = what.map_or(own.as_path(), Path::new);
    if file.is_file() {
        return Ok(read_workflow(file)?.0);
    }
    if place.has_store() {
        let engine = place.open()?;
        if let Some((_, workflow, _)) = engine.workflow_named(what)? {
            return Ok(workflow);
        }
    }
    starter(what.unwrap_or("feature"))
}

fn starter(name: &str) -> Result<Workflow, Ended> {
    match starters::starter(name) {
        Some(Ok(workflow)) => Ok(workflow),
        _ => {
            let message = format!("`{name}` is neither a file, nor a workflow in force, nor a starter");
            Err(Ended::usage(message, format!("starters: {}", starters_known())))
        }
    }
}

fn starters_known() -> String {
    starters::STARTERS.map(|(name, _)| name).join(", ")
}

/// What a file says, where there is one.
pub(super) fn of_file(file: &Path) -> Result<(Workflow, String), Ended> {
    if file.exists() {
        return Ok(read_workflow(file)?);
    }
    let begin = "write one (`phasegate workflow show feature > phasegate.yaml` is a start)";
    let hint = format!("{begin}; starters: {}", starters_known());
    Err(Ended::usage(format!("there is no file {}", file.display()), hint))
}

fn list(place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    let rows = engine.workflows()?;
    if out.is_json() {
        out.value(&serde_json::to_value(&rows).unwrap_or_default());
        return Ok(());
    }
    for row in &rows {
        let state = match (row.in_force, row.default) {
            (true, true) => "in force, default",
            (true, false) => "in force",
            (false, _) => "not in force",
        };
        let hash: String = row.hash.0.chars().take(12).collect();
        let by = if row.origin == crate::domain::event::Origin::Builtin {
            "starter".to_owned()
        } else {
            format!("trusted by {}", row.trusted_by)
        };
        out.text(&format!("{:<18} {hash}  {state:<18} {by}, {} open tasks", row.name, row.open_tasks));
    }
    Ok(())
}

fn show(place: &Place, name: Option<&str>, out: &Out) -> Result<(), Ended> {
    // A starter can be read before there is a workspace: it is how a file of one's own begins.
    let known = if place.has_store() { place.open()?.workflow_named(name)? } else { None };
    let Some((row, workflow, source)) = known else {
        let name = name.unwrap_or("feature");
        let workflow = match starters::starter(name) {
            Some(Ok(workflow)) => workflow,
            _ => return Err(not_a_name(name)),
        };
        let source = starters::source(name).unwrap_or_default();
        out.answer(
            &json!({ "name": name, "hash": canonical::hash(&workflow), "workflow": workflow, "source": source }),
            source,
        );
        return Ok(());
    };
    out.answer(
        &json!({ "name": row.name, "hash": row.hash, "workflow": workflow, "source": source }),
        &visible(&source),
    );
    Ok(())
}

/// `show` takes names only: what it prints is in force, or a starter.
fn not_a_name(name: &str) -> Ended {
    if Path::new(name).exists() {
        let message = format!("`{name}` is a file, and `show` takes the name of a workflow in force or of a starter");
        let hint = format!(
            "`phasegate workflow explain {name}` says what the file says, and `lint` checks it; `phasegate workflow list` \
             shows the names"
        );
        return Ended::usage(message, hint);
    }
    let message = format!("`{name}` is neither a workflow in force nor a starter");
    Ended::usage(message, format!("`phasegate workflow list` shows what is in force; starters: {}", starters_known()))
}

fn check(place: &Place, file: Option<&Path>, out: &Out) -> Result<(), Ended> {
    let file = file_or_default(place, file);
    let (workflow, _) = of_file(&file)?;
    let warnings = lint::lint(&workflow);
    let hash = canonical::hash(&workflow);
    let value = json!({ "name": workflow.name, "hash": hash, "warnings": warnings.iter().map(|warning| json!({
        "phase": warning.phase, "message": warning.message, "hint": warning.hint })).collect::<Vec<_>>() });
    let mut text = format!("{} is valid: workflow “{}”, version {hash}", file.display(), workflow.name);
    for warning in &warnings {
        text.push_str(&format!("\nwarning: {warning}"));
    }
    out.answer(&value, &text);
    Ok(())
}

fn in_force(engine: &Engine, name: &str) -> Result<Option<Workflow>, Ended> {
    let rows = engine.workflows()?;
    let known = rows.iter().any(|row| row.name == name && row.in_force);
    Ok(if known { engine.workflow_named(Some(name))?.map(|(_, workflow, _)| workflow) } else { None })
}

fn compare(place: &Place, file: Option<&Path>, out: &Out) -> Result<(), Ended> {
    let file = file_or_default(place, file);
    let (new, _) = of_file(&file)?;
    let engine = place.open_existing()?;
    let Some(old) = in_force(&engine, &new.name)? else {
        out.answer(
            &json!({ "changes": null }),
            &format!("no version of “{}” is in force yet: all of it is new", new.name),
        );
        return Ok(());
    };
    let changes = diff::diff(&old, &new);
    let text = if changes.is_empty() { "nothing would change".to_owned() } else { changes.join("\n") };
    out.answer(&json!({ "changes": changes }), &text);
    Ok(())
}

fn trust(place: &Place, file: Option<&Path>, yes: bool, signing: &SignArgs, out: &Out) -> Result<(), Ended> {
    let path = file_or_default(place, file);
    let by_name = file.and_then(Path::to_str).filter(|name| !path.is_file() && starters::source(name).is_some());
    let (workflow, source, default) = match by_name {
        Some(name) => (starter(name)?, starters::source(name).unwrap_or_default().to_owned(), false),
        None => {
            let (workflow, source) = of_file(&path)?;
            let same = std::fs::canonicalize(&path).ok() == std::fs::canonicalize(place.workspace.workflow_file()).ok();
            (workflow, source, same)
        }
    };
    let engine = place.open()?;
    if !yes {
        signing.ready(place, &engine, "trusting a workflow")?;
        show_for_trust(&engine, &workflow, out)?;
        if !out.asks("Trust this workflow? It decides what agents may do here.")? {
            out.aside("Nothing was changed.");
            return Err(Ended::No);
        }
    }
    let (hash, changed) = put_in_force(place, &engine, &workflow, source, default, signing, out)?;
    let of = if by_name.is_some() { String::new() } else { format!(", of {}", visible(&path.display().to_string())) };
    let is = if changed { "is in force" } else { "was in force already" };
    let text = format!("“{}” {is}: version {hash}{of}", workflow.name);
    out.answer(&json!({ "name": workflow.name, "hash": hash, "changed": changed }), &text);
    Ok(())
}

/// What a person reads before trusting it.
pub(super) fn show_for_trust(engine: &Engine, workflow: &Workflow, out: &Out) -> Result<(), Ended> {
    let old = in_force(engine, &workflow.name)?;
    let shown = match &old {
        Some(old) if diff::diff(old, workflow).is_empty() => {
            let after =
                "The same as what is in force now. Trusting it means that only trusted workflows count from then on.";
            format!("{after}\n\n{TODAY}\n\n{}", explain::explain(workflow))
        }
        Some(old) => format!("Changes against the version in force:\n{}", diff::diff(old, workflow).join("\n")),
        None => format!("{TODAY}\n\n{}", explain::explain(workflow)),
    };
    out.aside(&visible(&shown));
    for warning in lint::lint(workflow) {
        out.aside(&format!("warning: {warning}"));
    }
    Ok(())
}

/// Records a person's trust; whether it changed anything.
pub(super) fn put_in_force(
    place: &Place,
    engine: &Engine,
    workflow: &Workflow,
    source: String,
    default: bool,
    signing: &SignArgs,
    out: &Out,
) -> Result<(WorkflowHash, bool), Ended> {
    // The first one is the default whatever its file is called, and another version of the default takes its place.
    let by_person = |row: &crate::domain::query::WorkflowRow| row.origin == crate::domain::event::Origin::Person;
    let another = engine.workflows()?.iter().any(|row| by_person(row) && row.default && row.name != workflow.name);
    let default = default || !another;
    let signer = signing.signer(place, engine, engine.has_approvers()?, out)?;
    let proof = signer.proof(engine, &engine.trust_statement(workflow, default)?);
    Ok(engine.trust(&signer.caller, workflow, source, default, proof)?)
}

fn backtest(place: &Place, what: Option<&str>, since: Option<&str>, most: usize, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    let workflow = named(place, what)?;
    let since = since.map(|text| moment(text, engine.now())).transpose()?;
    let found = engine.backtest(&workflow, since, most)?;
    if out.is_json() {
        out.value(&serde_json::to_value(&found).unwrap_or_default());
        return Ok(());
    }
    for change in &found.changed {
        let task = change.task.map_or_else(|| "no task".to_owned(), |task| task.to_string());
        let note =
            if change.inexact { " (the record is shortened; the call itself may be judged otherwise)" } else { "" };
        let line = format!(
            "{} {} {task} {}: {}\n    {} -> {}: {}{note}",
            change.seq, change.at, change.phase, change.call, change.was, change.would_be, change.reason
        );
        out.text(&visible(&line));
    }
    let hidden = found.changes.saturating_sub(u64::try_from(found.changed.len()).unwrap_or(u64::MAX));
    let more = if hidden > 0 { format!(", {hidden} of them not shown (`--limit`)") } else { String::new() };
    let gone = match found.without_phase {
        0 => String::new(),
        some => format!("; {some} calls were made in phases that `{}` does not have", workflow.name),
    };
    let linked = match found.through_links {
        0 => String::new(),
        some => format!("; {some} calls are held by where links lead now: the record does not say where they led then"),
    };
    out.text(&format!("{} recorded calls, {} verdicts would change{more}{gone}{linked}.", found.calls, found.changes));
    Ok(())
}
