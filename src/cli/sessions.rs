//! `phasegate sessions`: runs of clients, who works in them, what they hold, and how well each is guarded.

use std::fmt::Write;

use serde_json::json;

use crate::domain::ids::Time;
use crate::domain::refusal::{Code, Refusal};
use crate::engine::session_views::SessionRow;

use super::output::visible;
use super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Sessions that are open, the one seen last first.
    List {
        /// Those that have ended too.
        #[arg(long)]
        all: bool,
        /// How many at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// One session, by its id or the beginning of it.
    Show {
        /// As `sessions list` shows it.
        id: String,
    },
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    let now = engine.now();
    match &args.act {
        Act::List { all, limit } => {
            let rows = engine.sessions(*all, u32::from(*limit))?;
            let mut text = String::new();
            for row in &rows {
                let _ = writeln!(text, "{}", visible(&line(row, now)));
            }
            if rows.is_empty() {
                text.push_str(
                    "No session is open. A client shows itself here by its hooks; `phasegate init` sets them up.\n",
                );
            }
            out.answer(&json!(rows), &text);
            Ok(())
        }
        Act::Show { id } => {
            let rows = engine.sessions_like(id)?;
            let [row] = rows.as_slice() else { return Err(unclear(id, rows.len()).into()) };
            out.answer(&json!(row), &visible(&described(row, now)));
            Ok(())
        }
    }
}

fn unclear(id: &str, found: usize) -> Refusal {
    let id: String = id.chars().take(60).collect();
    let message = match found {
        0 => format!("no session's id begins with `{id}`"),
        _ => format!("several sessions have an id that begins with `{id}`"),
    };
    Refusal::new(Code::UnknownReference, message, "`phasegate sessions list --all` shows them")
}

fn ago(then: Time, now: Time) -> String {
    match then.seconds_until(now).max(0) {
        seconds @ 0..120 => format!("{seconds} s ago"),
        seconds @ 120..7200 => format!("{} min ago", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}

fn line(row: &SessionRow, now: Time) -> String {
    let session = &row.session;
    let short: String = session.id.0.chars().take(8).collect();
    let held: Vec<String> = row.tasks.iter().map(|task| format!("{} in {}", task.id, task.phase)).collect();
    let held = if held.is_empty() { "no task".to_owned() } else { held.join(", ") };
    let state = if session.ended.is_some() { "ended" } else { session.guard.word() };
    let working = session.subagents.values().filter(|known| known.ended.is_none()).count();
    let subagents = if working == 0 { String::new() } else { format!(", {working} subagents") };
    format!(
        "{short:<8}  {:<11}  {state:<8}  {:<24}  {held}{subagents}, seen {}",
        session.client,
        session.agent,
        ago(row.seen, now)
    )
}

fn described(row: &SessionRow, now: Time) -> String {
    let session = &row.session;
    let mut text = format!("{} of {}\n", session.id, session.client);
    let mut say = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<10}{value}");
    };
    let why = if session.why.is_empty() { String::new() } else { format!(" ({})", session.why) };
    say("guard", &format!("{}{why}", session.guard.word()));
    say("agent", &session.agent.0);
    say("folder", &session.folder);
    if let Some(model) = &session.model {
        say("model", model);
    }
    say("since", &format!("{}, last seen {}", session.since, ago(row.seen, now)));
    if let Some(ended) = session.ended {
        say("ended", &ended.to_string());
    }
    for task in &row.tasks {
        let holder = task.agent.as_ref().map(|agent| format!(", held by {agent}")).unwrap_or_default();
        say("task", &format!("{} “{}” in phase {} of {}{holder}", task.id, task.title, task.phase, task.workflow));
    }
    for (name, subagent) in &session.subagents {
        let kind = subagent.kind.as_deref().unwrap_or("?");
        let state = subagent.ended.map_or("works".to_owned(), |ended| format!("ended {ended}"));
        say("subagent", &format!("{name} ({kind}), {state}"));
    }
    say("log", &format!("phasegate audit query --text {} --kind call,session", session.id));
    text
}
