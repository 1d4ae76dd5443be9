//! `phasegate bypass`: a recorded hole in named rules, for a time and a reason.

use serde_json::json;

use crate::domain::approver::{Proof, Via};
use crate::domain::bypass::Bypass;
use crate::domain::command::OpenBypass;
use crate::domain::decide::{at_hand, bypass_statement};
use crate::domain::facts::Limits;
use crate::domain::ids::{BypassId, TaskId, Time};

use super::output::visible;
use super::signing::SignArgs;
use super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Let calls through that these rules would refuse or hold.
    Open {
        /// As they stand in the workflow, such as `Bash(git push --force *)`; about tools of phasegate, of servers behind it
        /// or of the client.
        #[arg(required = true)]
        rules: Vec<String>,
        /// How long: 30m, 2h. At most a day.
        #[arg(long = "for", value_name = "TIME")]
        time: String,
        #[arg(long)]
        reason: String,
        /// Only for this task.
        #[arg(long)]
        task: Option<TaskId>,
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        signing: SignArgs,
    },
    /// Those that are open.
    List,
    /// End one before its time.
    Close {
        id: BypassId,
        #[arg(long, default_value = "")]
        reason: String,
    },
}

/// As refusals name it.
const ACT: &str = "opening a bypass";

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    match &args.act {
        Act::Open { rules, time, reason, task, yes, signing } => {
            let seconds = crate::domain::duration::parse(time)
                .map_err(|_| Ended::usage(format!("`{time}` is not a length of time"), "write 30m or 2h"))?;
            // What is refused anyway is refused before anybody answers or types a passphrase.
            let most = Limits::default().bypass_seconds;
            if seconds == 0 || seconds > most {
                let message = format!("`{time}`: a bypass lasts more than no time and at most {} h", most / 3600);
                return Err(Ended::usage(message, "open it for the time the work takes, and again if need be"));
            }
            engine.bypass_possible(rules, *task)?;
            if signing.ready(place, &engine, ACT)?.is_none() {
                at_hand(&Proof::unsigned(place.level(), Via::CommandLine), ACT)?;
            }
            if !yes {
                let list = rules.join(", ");
                out.aside(&visible(&format!("For {time}, calls pass that these rules would refuse or hold: {list}")));
                if !out.asks("Open this bypass? It is on record, and shown while it lasts.")? {
                    out.aside("Nothing was changed.");
                    return Err(Ended::No);
                }
            }
            let signer = signing.signer(place, &engine, engine.has_approvers()?, out)?;
            let statement = bypass_statement(&engine.workspace_id()?, rules, *task, seconds, reason);
            let proof = signer.proof(&engine, &statement);
            let open = OpenBypass { rules: rules.clone(), task: *task, seconds, reason: reason.clone(), proof };
            let made = engine.open_bypass(&signer.caller, open)?;
            out.answer(&value(&made), &line(&made, engine.now()));
        }
        Act::List => {
            let (open, now) = (engine.open_bypasses()?, engine.now());
            let lines: Vec<String> = open.iter().map(|known| line(known, now)).collect();
            let text = if lines.is_empty() { "No bypass is open.".to_owned() } else { lines.join("\n") };
            out.answer(&open.iter().map(value).collect(), &text);
        }
        Act::Close { id, reason } => {
            engine.close_bypass(&place.person(), *id, reason.clone())?;
            out.answer(&json!({ "bypass": id, "closed": true }), &format!("{id} is closed"));
        }
    }
    Ok(())
}

fn value(bypass: &Bypass) -> serde_json::Value {
    serde_json::to_value(bypass).unwrap_or_default()
}

fn line(bypass: &Bypass, now: Time) -> String {
    let only = bypass.task.map(|task| format!(" for {task}")).unwrap_or_default();
    let left = (now.seconds_until(bypass.until) + 59) / 60;
    let (id, by, rules) = (bypass.id, &bypass.by, bypass.rules.join(", "));
    visible(&format!("{id} open{only}, {left} min left, by {by} (level {}): {rules} — {}", bypass.level, bypass.reason))
}
