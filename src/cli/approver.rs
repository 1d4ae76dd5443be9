//! `phasegate approver`: who may answer with a signature, and the keys they sign with.

use std::collections::BTreeSet;

use serde_json::json;
use zeroize::Zeroizing;

use crate::config::keyring::Seed;
use crate::domain::approver::{PublicKey, enrolment, revocation};
use crate::domain::decide::taken;
use crate::domain::event::Origin;
use crate::domain::ids::AgentName;
use crate::domain::workflow::GateKind;
use crate::engine::Engine;

use super::output::visible;
use super::place::agent_name;
use super::signing::{SignArgs, passphrase};
use super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Make a key on this machine and enrol it. The first is taken on your word; later ones are signed by an approver.
    /// It takes no `--yes`, since it asks for nothing but passphrases; `--passphrase-stdin` gives them.
    Add {
        name: String,
        /// A group it belongs to, as gates name them in `from`; may be repeated.
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        /// Enrol the key that this machine holds under that name already: another workspace's, say.
        #[arg(long)]
        existing: bool,
        /// Enrol this public key, made elsewhere: by a browser, whose page People shows it.
        #[arg(long, value_name = "PUBLIC", conflicts_with = "existing")]
        key: Option<String>,
        #[command(flatten)]
        signing: SignArgs,
    },
    /// Approvers, their groups and keys.
    List,
    /// Take an approver's say away. What it signed and what has not been used does not count any more.
    Revoke {
        name: String,
        #[arg(long)]
        reason: String,
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        signing: SignArgs,
    },
}

/// Where the key of a new approver lies.
enum Held {
    Nowhere,
    Here,
    Elsewhere(PublicKey),
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    match &args.act {
        Act::Add { name, groups, existing, key, signing } => {
            let held = match key {
                Some(key) => Held::Elsewhere(PublicKey(key.clone())),
                None if *existing => Held::Here,
                None => Held::Nowhere,
            };
            add(place, name, groups, &held, signing, out)
        }
        Act::List => list(place, out),
        Act::Revoke { name, reason, yes, signing } => revoke(place, name, reason, *yes, signing, out),
    }
}

fn add(place: &Place, name: &str, groups: &[String], held: &Held, signing: &SignArgs, out: &Out) -> Result<(), Ended> {
    agent_name(name)?;
    let engine = place.open()?;
    let first = !engine.has_approvers()?;
    if first && place.level() == 0 {
        let message = "the first approver is not added from a shell that a coding agent started";
        return Err(Ended::usage(message, "add it in a terminal of your own"));
    }
    let ring = place.keyring()?;
    // Before anybody types a passphrase.
    if let Some(known) = engine.approvers()?.0.iter().find(|known| known.name.0 == name) {
        return Err(taken(known).into());
    }
    match held {
        Held::Nowhere => ring.is_free(name)?,
        Held::Here => drop(ring.public(name)?),
        Held::Elsewhere(_) => {}
    }
    let workspace = engine.workspace_id()?;
    // Whoever signs opens a key first: a wrong passphrase then leaves nothing behind.
    let signer = signing.signer(place, &engine, !first, out)?;
    let key = match held {
        Held::Elsewhere(key) => key.clone(),
        Held::Here => {
            // Opened, since anybody who can write the file can write another key into it.
            let passphrase = passphrase(&format!("Passphrase of {name}"), signing.reads_stdin(), out)?;
            ring.open(name, &passphrase)?.public()
        }
        Held::Nowhere => {
            let from_stdin = signing.reads_stdin();
            let chosen = passphrase(&format!("A passphrase for the new key of {name}"), from_stdin, out)?;
            if !from_stdin && *passphrase("The same again", false, out)? != *chosen {
                return Err(Ended::usage("the two passphrases differ", "type the same one twice"));
            }
            let seed = Seed { key: Zeroizing::new(engine.random()), salt: engine.random(), nonce: engine.random() };
            ring.make(name, &chosen, &seed)?.public()
        }
    };
    let (name, groups): (_, BTreeSet<String>) = (AgentName(name.to_owned()), groups.iter().cloned().collect());
    let proof = signer.proof(&engine, &enrolment(&workspace, &name, &key, &groups));
    engine.enrol(&signer.caller, name.clone(), key.clone(), groups.clone(), proof)?;
    if first && let Err(error) = ring.remember_first(engine.place(), &key) {
        out.aside(&format!(
            "This machine could not note the first approver's key ({error}): an exchanged store would go unseen."
        ));
    }
    let value = json!({ "name": name, "key": key, "groups": groups, "first": first });
    let said = if first { "the first approver; from now on approvers decide who else is one" } else { "an approver" };
    out.answer(&value, &format!("{name} is {said}\n  key  {}", key.0));
    for lacking in lacking(&engine)? {
        out.aside(&visible(&format!("warning: {}\n  next: {}", lacking.said(), lacking.next())));
    }
    Ok(())
}

/// A gate that no approver may answer.
pub struct Lacking {
    workflow: String,
    from: Vec<String>,
}

impl Lacking {
    pub fn said(&self) -> String {
        let from = self.from.join(", ");
        format!("a gate of “{}” asks for {from}, and no approver is that or belongs to it", self.workflow)
    }

    pub fn next(&self) -> String {
        let group = self.from.first().map_or("GROUP", String::as_str);
        format!(
            "`phasegate approver add NAME --group {group}` enrols one who may answer; an enrolled name stays as it is"
        )
    }
}

/// Such gates of what is in force, each wish once. Starters that nobody trusted count where tasks follow them by default.
pub fn lacking(engine: &Engine) -> Result<Vec<Lacking>, Ended> {
    let (all, standing) = engine.approvers()?;
    let counts: Vec<_> = all.iter().filter(|known| known.revoked.is_none() && standing.contains(&known.name)).collect();
    let mut found: Vec<Lacking> = Vec::new();
    // Without approvers the person at the command line stands for every name.
    if counts.is_empty() {
        return Ok(found);
    }
    let rows = engine.workflows()?;
    for row in rows.iter().filter(|row| row.in_force && (row.default || row.origin == Origin::Person)) {
        let Some((_, workflow, _)) = engine.workflow_named(Some(&row.hash.0))? else { continue };
        for gate in workflow.phases.iter().flat_map(|phase| &phase.exit) {
            let GateKind::Approval(gate) = &gate.kind else { continue };
            let open = gate.from.is_empty() || counts.iter().any(|known| known.is_among(&gate.from));
            if !open && !found.iter().any(|known| known.workflow == row.name && known.from == gate.from) {
                found.push(Lacking { workflow: row.name.clone(), from: gate.from.clone() });
            }
        }
    }
    Ok(found)
}

fn list(place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    let (all, standing) = engine.approvers()?;
    let value = all.iter().map(|known| {
        json!({ "name": known.name, "key": known.key, "groups": known.groups, "enrolled_at": known.enrolled_at,
                "enrolled_by": known.enrolled_by, "revoked": known.revoked, "traced": standing.contains(&known.name) })
    });
    let value = value.collect();
    let mut text = String::new();
    for known in &all {
        let state = match (known.revoked, standing.contains(&known.name)) {
            (_, false) => "NOT COUNTED: its enrolment cannot be traced to the first approver".to_owned(),
            (Some(at), true) => format!("revoked at {at}"),
            (None, true) => format!("enrolled by {}", known.enrolled_by),
        };
        let groups: Vec<&str> = known.groups.iter().map(String::as_str).collect();
        text.push_str(&format!("{:<20} {:<20} {state}\n{:<20} {}\n", known.name.0, groups.join(", "), "", known.key.0));
    }
    if all.is_empty() {
        text.push_str("No approver is enrolled: whoever sits at the command line answers, at level 1 at most.\n");
        text.push_str("phasegate approver add NAME makes a key and enrols it.");
    }
    out.answer(&value, &text);
    Ok(())
}

fn revoke(place: &Place, name: &str, reason: &str, yes: bool, signing: &SignArgs, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    if !yes && !out.asks(&format!("Revoke {name}? Answers of theirs that are not used yet stop counting."))? {
        out.aside("Nothing was changed.");
        return Err(Ended::No);
    }
    let name = AgentName(name.to_owned());
    let signer = signing.signer(place, &engine, true, out)?;
    let proof = signer.proof(&engine, &revocation(&engine.workspace_id()?, &name));
    engine.revoke(&signer.caller, name.clone(), reason.to_owned(), proof)?;
    out.answer(&json!({ "name": name, "revoked": true }), &format!("{name} is no approver any more"));
    Ok(())
}
