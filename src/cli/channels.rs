//! `phasegate channels`: the ways to reach people, how they do, and a test message by hand.

use serde_json::{Value, json};

use crate::domain::ids::Time;
use crate::domain::notice::{Breaker, BreakerState};
use crate::domain::visible::line;
use crate::engine::clock::{Clock, System};
use crate::engine::notices;

use super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// The channels of your settings, and how they did of late.
    List,
    /// Send a message that asks nothing, and say what went wrong.
    Test {
        /// As `channels list` shows it.
        name: String,
    },
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    match &args.act {
        Act::List => list(place, out),
        Act::Test { name } => test(name, place, out),
    }
}

/// A channel of the settings, and how it stands.
pub struct Standing {
    pub name: String,
    pub kind: &'static str,
    pub leads_to: String,
    pub state: &'static str,
    /// Why nothing can be sent, or why the last messages failed.
    pub error: Option<String>,
}

/// Of every channel; without a store nothing was sent yet.
pub fn standings(place: &Place) -> Result<Vec<Standing>, Ended> {
    if place.settings.channels.is_empty() {
        return Ok(Vec::new());
    }
    let (breakers, now) = if place.has_store() {
        let engine = place.open_existing()?;
        (engine.breakers()?, engine.now())
    } else {
        (Default::default(), Time::default())
    };
    let standing = |channel: &crate::config::settings::Channel| {
        let breaker = breakers.get(&channel.schedule.channel);
        let missing = channel.medium.missing();
        Standing {
            name: channel.schedule.channel.clone(),
            kind: channel.medium.word(),
            leads_to: line(&channel.medium.place(), 100),
            state: match (missing, breaker) {
                (Some(_), _) => "cannot send from here",
                (None, Some(breaker)) => word(breaker, now),
                (None, None) => "not used yet",
            },
            error: match missing {
                Some(missing) => Some(line(missing, 200)),
                None => breaker.and_then(|breaker| breaker.error.clone()),
            },
        }
    };
    Ok(place.settings.channels.iter().map(standing).collect())
}

fn word(breaker: &Breaker, now: Time) -> &'static str {
    match breaker.state(now) {
        BreakerState::Closed if breaker.failures == 0 => "works",
        BreakerState::Closed => "failing",
        BreakerState::Open(_) => "left alone for a while",
        BreakerState::HalfOpen => "tried again with the next message",
    }
}

fn list(place: &Place, out: &Out) -> Result<(), Ended> {
    let found = standings(place)?;
    let values = found.iter().map(|one| {
        json!({ "name": one.name, "kind": one.kind, "leads_to": one.leads_to, "state": one.state, "error": one.error })
    });
    let mut text: Vec<String> = found
        .iter()
        .map(|one| {
            let error = one
                .error
                .as_ref()
                .filter(|error| **error != one.leads_to)
                .map(|error| format!("\n{:<18}{error}", ""))
                .unwrap_or_default();
            format!("{:<16}  {:<8} {:<24} {}{error}", one.name, one.kind, one.state, one.leads_to)
        })
        .collect();
    if text.is_empty() {
        text.push(
            "No channel is set up; `phasegate approvals list` shows what waits. A table `[[channel]]` in your own \
             config.toml adds one: `phasegate schema config`."
                .to_owned(),
        );
    }
    out.answer(&Value::Array(values.collect()), &text.join("\n"));
    Ok(())
}

fn test(name: &str, place: &Place, out: &Out) -> Result<(), Ended> {
    let channels = &place.settings.channels;
    let found = channels.iter().find(|channel| channel.schedule.channel == name).ok_or_else(|| {
        let known: Vec<&str> = channels.iter().map(|channel| channel.schedule.channel.as_str()).collect();
        let known = if known.is_empty() { "none is set up".to_owned() } else { format!("known: {}", known.join(", ")) };
        Ended::usage(format!("there is no channel `{}`", line(name, 40)), known)
    })?;
    match notices::test(found, place.workspace.root.display().to_string(), System.now()) {
        Ok(()) => {
            let text =
                format!("{name} took the message ({}); see whether it arrived", line(&found.medium.place(), 100));
            out.answer(&json!({ "name": name, "sent": true }), &text);
            Ok(())
        }
        Err(error) => {
            let text = format!("{name} did not take the message: {error}");
            out.answer(&json!({ "name": name, "sent": false, "error": error }), &text);
            Err(Ended::No)
        }
    }
}
