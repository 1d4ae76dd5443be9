//! `phasegate token`: credentials for those who call over HTTP. A secret is shown once, when it is made.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::domain::command::NewCredential;
use crate::domain::credential::{Credential, Grant};
use crate::domain::decide::credential_statement;
use crate::domain::duration;
use crate::domain::facts::Role;
use crate::domain::ids::{AgentName, CredentialId, Time};

use super::output::visible;
use super::place::agent_name;
use super::signing::SignArgs;
use super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Make a credential and show its secret, once.
    Create(Box<CreateArgs>),
    /// Credentials, what they may do, and until when.
    List,
    /// End one at once.
    Revoke {
        /// As `token list` shows it.
        id: CredentialId,
        /// Why; it stays on record.
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
        /// Do not ask first.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// agent: works on tasks. approver: reads all, answers. operator: reads all, tends tasks, answers. auditor: reads all.
    #[arg(long, value_enum)]
    role: RoleWord,
    /// Under which its bearer works; default: the role and a random word.
    #[arg(long)]
    name: Option<String>,
    /// Something its bearer can do, for tasks that ask for it; may be repeated.
    #[arg(long = "capability", value_name = "WORD")]
    capabilities: Vec<String>,
    /// Only tasks of this workflow; may be repeated.
    #[arg(long = "workflow", value_name = "NAME")]
    workflows: Vec<String>,
    /// How many tasks it may hold at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    claims: u32,
    /// Calls a minute; default: the limit of the server.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// How long it counts, such as 8h or 90d, or `never`.
    #[arg(long, default_value = "90d", value_name = "TIME")]
    expires: String,
    #[command(flatten)]
    signing: SignArgs,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum RoleWord {
    Agent,
    Approver,
    Operator,
    Auditor,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Agent => Self::Agent,
            RoleWord::Approver => Self::Approver,
            RoleWord::Operator => Self::Operator,
            RoleWord::Auditor => Self::Auditor,
        }
    }
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    match &args.act {
        Act::Create(create) => make(create, place, out),
        Act::List => list(place, out),
        Act::Revoke { id, reason, yes } => revoke(place, *id, reason, *yes, out),
    }
}

fn make(args: &CreateArgs, place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open()?;
    let role = Role::from(args.role);
    let name = match &args.name {
        Some(name) => {
            agent_name(name)?;
            AgentName(name.clone())
        }
        None => engine.unique_agent(role.word()),
    };
    let expires_at = until(&args.expires, engine.now())?;
    let grant = Grant {
        capabilities: args.capabilities.iter().cloned().collect(),
        workflows: args.workflows.iter().cloned().collect(),
        claims: args.claims,
        calls_per_minute: args.rate,
    };
    let speaks_for_a_person = matches!(role, Role::Approver | Role::Operator);
    let signer = args.signing.signer(place, &engine, speaks_for_a_person && engine.has_approvers()?, out)?;
    let draft = engine.draft_credential();
    let statement = credential_statement(&engine.workspace_id()?, &name, role, &draft.hash);
    let proof = signer.proof(&engine, &statement);
    let new = NewCredential { name, role, hash: draft.hash, grant, expires_at, proof };
    let made = engine.create_credential(&signer.caller, new)?;
    let known: BTreeSet<String> =
        engine.workflows()?.into_iter().filter(|row| row.in_force).map(|row| row.name).collect();
    for name in args.workflows.iter().filter(|name| !known.contains(*name)) {
        out.aside(&visible(&format!(
            "phasegate: no workflow `{name}` is in force, so its bearer gets none of its tasks yet; \
             `phasegate workflow list` shows those that are"
        )));
    }
    let mut value = shown(&made, engine.now());
    if let Value::Object(fields) = &mut value {
        fields.insert("token".to_owned(), Value::String(draft.secret.clone()));
    }
    let ends = made.expires_at.map_or("never".to_owned(), |at| at.to_string());
    let text = format!(
        "{}  {}  {}, expires {ends}\n\n  {}\n\nIt is shown this once. Callers send it as `Authorization: Bearer …`.",
        made.id,
        made.name,
        role.word(),
        draft.secret
    );
    out.answer(&value, &text);
    Ok(())
}

fn until(text: &str, now: Time) -> Result<Option<Time>, Ended> {
    if text == "never" {
        return Ok(None);
    }
    let seconds = duration::parse(text)
        .map_err(|_| Ended::usage(format!("`{text}` is not a length of time"), "write 8h, 90d or never"))?;
    if seconds == 0 {
        return Err(Ended::usage(format!("`{text}`: it would be dead at once"), "write 8h, 90d or never"));
    }
    Ok(Some(now.plus_seconds(seconds)))
}

/// As programs see it: everything but the hash, which is of no use to them.
fn shown(known: &Credential, now: Time) -> Value {
    let state = match (known.revoked, known.counts(now)) {
        (Some(_), _) => "revoked",
        (None, true) => "active",
        (None, false) => "expired",
    };
    json!({ "id": known.id, "name": known.name, "role": known.role, "state": state, "grant": known.grant,
            "created_by": known.created_by, "created_at": known.created_at, "expires_at": known.expires_at,
            "revoked_at": known.revoked })
}

fn list(place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    let (all, now) = (engine.credentials()?, engine.now());
    let mut text = String::new();
    for known in &all {
        let state = match (known.revoked, known.expires_at) {
            (Some(at), _) => format!("revoked at {at}"),
            (None, Some(at)) if at <= now => format!("expired at {at}"),
            (None, Some(at)) => format!("until {at}"),
            (None, None) => "never expires".to_owned(),
        };
        let listed = |words: &BTreeSet<String>| words.iter().cloned().collect::<Vec<_>>().join(", ");
        text.push_str(&format!("{:<6} {:<24} {:<9} {state}", known.id.to_string(), known.name.0, known.role.word()));
        if !known.grant.workflows.is_empty() {
            text.push_str(&format!("  only {}", listed(&known.grant.workflows)));
        }
        if !known.grant.capabilities.is_empty() {
            text.push_str(&format!("  can {}", listed(&known.grant.capabilities)));
        }
        text.push('\n');
    }
    if all.is_empty() {
        text.push_str("No credentials yet: phasegate token create --role agent makes one.");
    }
    out.answer(&all.iter().map(|known| shown(known, now)).collect(), &visible(&text));
    Ok(())
}

fn revoke(place: &Place, id: CredentialId, reason: &str, yes: bool, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    // Nobody is asked about what is not there.
    let stands = engine.credentials()?.iter().any(|known| known.id == id && known.revoked.is_none());
    if stands && !yes && !out.asks(&format!("Revoke {id}? Whoever uses it is refused from now on."))? {
        out.aside("Nothing was changed.");
        return Err(Ended::No);
    }
    engine.revoke_credential(&place.person(), id, reason.to_owned())?;
    out.answer(&json!({ "id": id, "revoked": true }), &format!("{id} does not count any more"));
    Ok(())
}
