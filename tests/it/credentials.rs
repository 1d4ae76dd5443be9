//! Credentials: who may make one, what it is worth and until when, and where its secret is not. Through the engine, and with
//! the real binary where the command line or another process matters.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use phasegate::config::settings::Settings;
use phasegate::domain::approver::{Proof, Via};
use phasegate::domain::command::NewCredential;
use phasegate::domain::credential::{Credential, Grant};
use phasegate::domain::decide::credential_statement;
use phasegate::domain::facts::{Caller, Role};
use phasegate::domain::ids::{AgentName, CredentialId, Time};
use phasegate::domain::refusal::Code;
use phasegate::engine::Failure;
use serde_json::{Value, json};

use super::support::keys::Key;
use super::support::{START, TestEnv, agent, at_a_terminal, person};
use crate::support::stores;

const LEAD: Key = Key::new("lead", 7);

fn phasegate(folder: &Path, arguments: &[&str], inside_agent: bool) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder).env("USER", "lead");
    stores::tell(&mut command, folder);
    if inside_agent {
        command.env("CLAUDECODE", "1");
    }
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn made(folder: &Path, arguments: &[&str]) -> Value {
    let output = phasegate(folder, &[&["token", "create", "--json"], arguments].concat(), false);
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

struct Made {
    secret: String,
    outcome: Result<Credential, Failure>,
}

impl Made {
    fn code(&self) -> Option<Code> {
        match &self.outcome {
            Ok(_) => None,
            Err(Failure::Refused(refusal)) => Some(refusal.code),
            Err(Failure::Broken(error)) => panic!("the store broke: {error}"),
        }
    }
}

fn make(env: &TestEnv, by: &Caller, name: &str, role: Role, expires_at: Option<Time>, proof: Option<Proof>) -> Made {
    let draft = env.engine.draft_credential();
    let (name, proof) = (AgentName(name.to_owned()), proof.unwrap_or_else(at_a_terminal));
    let new = NewCredential { name, role, hash: draft.hash, grant: Grant::default(), expires_at, proof };
    Made { secret: draft.secret, outcome: env.engine.create_credential(by, new) }
}

#[test]
fn a_secret_is_shown_once_and_lies_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let shown = made(folder.path(), &["--role", "agent", "--name", "ci", "--capability", "gpu", "--workflow", "quick"]);
    let secret = shown["token"].as_str().unwrap();
    assert!(secret.starts_with("pgt_") && secret.len() == 68, "{secret}");
    assert_eq!((&shown["id"], &shown["state"], &shown["role"]), (&json!("K-1"), &json!("active"), &json!("agent")));
    for arguments in [&["token", "list", "--json"] as &[&str], &["token", "list"], &["audit", "query", "--json"]] {
        let output = phasegate(folder.path(), arguments, false);
        let said = said(&output);
        assert!(output.status.success() && said.contains("ci"), "{arguments:?}: {said}");
        assert!(!said.contains(secret) && !said.contains("pgt_"), "{arguments:?}: {said}");
    }
    for file in std::fs::read_dir(folder.path().join(".phasegate")).unwrap() {
        let path = file.unwrap().path();
        let content = std::fs::read(&path).unwrap_or_default();
        let found = content.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "the secret lies in {}", path.display());
    }
}

#[test]
fn a_refused_creation_prints_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &["--role", "auditor", "--name", "eve"]);
    for (arguments, inside_agent, code) in [
        (&["--role", "operator"] as &[&str], true, "level_too_low"),
        (&["--role", "approver"], true, "level_too_low"),
        (&["--role", "agent"], true, "level_too_low"),
        (&["--role", "agent", "--name", "eve"], false, "name_taken"),
        (&["--role", "agent", "--name", "phasegate"], false, "name_taken"),
        (&["--role", "agent", "--name", "two words"], false, "cannot be an agent's name"),
        (&["--role", "agent", "--expires", "soon"], false, "not a length of time"),
        (&["--role", "system"], false, "system"),
    ] {
        let output = phasegate(folder.path(), &[&["token", "create", "--json"], arguments].concat(), inside_agent);
        let said = said(&output);
        assert!(!output.status.success() && said.contains(code), "{arguments:?}: {said}");
        assert!(!said.contains("pgt_"), "{arguments:?}: {said}");
    }
    let listed = phasegate(folder.path(), &["token", "list", "--json"], false);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
}

#[test]
fn revoking_at_the_command_line_asks_and_says_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &["--role", "agent"]);
    let unknown = phasegate(folder.path(), &["token", "revoke", "K-9", "--yes"], false);
    assert!(said(&unknown).contains("there is no credential K-9"), "{}", said(&unknown));
    let unasked = phasegate(folder.path(), &["token", "revoke", "K-1"], false);
    assert!(!unasked.status.success(), "nobody is there to ask: {}", said(&unasked));
    assert!(phasegate(folder.path(), &["token", "revoke", "K-1", "--yes", "--reason", "lost"], false).status.success());
    let listed = said(&phasegate(folder.path(), &["token", "list"], false));
    assert!(listed.contains("revoked at"), "{listed}");
    // Again is no mistake, and leaves no second record.
    assert!(phasegate(folder.path(), &["token", "revoke", "K-1", "--yes"], false).status.success());
    let log = said(&phasegate(folder.path(), &["audit", "query", "--json"], false));
    assert_eq!(log.matches("CredentialRevoked").count(), 1, "{log}");
}

#[test]
fn a_backup_brings_no_revoked_credential_back() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = phasegate(folder.path(), arguments, false);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        said(&output)
    };
    made(folder.path(), &["--role", "agent", "--name", "gone"]);
    made(folder.path(), &["--role", "agent", "--name", "stays"]);
    run(&["backup", "saved"]);
    run(&["token", "revoke", "K-1", "--yes"]);
    run(&["restore", "saved", "--yes"]);
    let listed: Value = serde_json::from_str(&run(&["token", "list", "--json"])).unwrap();
    assert_eq!((&listed[0]["state"], &listed[1]["state"]), (&json!("revoked"), &json!("active")), "{listed}");
    assert!(run(&["audit", "query"]).contains("revoked after the backup was made"));
}

#[test]
fn who_may_make_a_credential_and_for_whom() {
    let env = TestEnv::with_settings(None, &Settings::default());
    let (owner, auditor) = (person("owner"), Caller { role: Role::Auditor, ..agent("eve") });
    let low = Proof::unsigned(0, Via::CommandLine);
    for (by, name, role, proof, code) in [
        (&agent("ana"), "x", Role::Agent, None, Some(Code::RoleRequired)),
        (&auditor, "x", Role::Agent, None, Some(Code::RoleRequired)),
        (&owner, "x", Role::System, None, Some(Code::RoleRequired)),
        (&owner, "x", Role::Operator, Some(low.clone()), Some(Code::LevelTooLow)),
        (&owner, "x", Role::Agent, Some(low), Some(Code::LevelTooLow)),
        (&owner, "x", Role::Agent, None, None),
        (&owner, "x", Role::Agent, None, None),
        (&owner, "x", Role::Auditor, None, Some(Code::NameTaken)),
        (&owner, "boss", Role::Operator, None, None),
    ] {
        let made = make(&env, by, name, role, None, proof);
        assert_eq!(made.code(), code, "{name} {role:?} by {}", by.agent);
    }
    LEAD.enrol_first(&env.engine);
    assert_eq!(make(&env, &owner, "lead", Role::Agent, None, None).code(), Some(Code::NameTaken));
    for role in [Role::Approver, Role::Operator] {
        let unsigned = make(&env, &owner, "lead", role, None, None);
        assert_eq!(unsigned.code(), Some(Code::SignatureRequired), "{role:?}");
    }
    // Signed over this secret's hash, and over no other's.
    let draft = env.engine.draft_credential();
    let name = AgentName("lead".to_owned());
    let statement = credential_statement(&env.engine.workspace_id().unwrap(), &name, Role::Operator, &draft.hash);
    let proof = LEAD.proof(&statement, env.engine.now());
    let other = make(&env, &LEAD.caller(), "lead", Role::Operator, None, Some(proof.clone()));
    assert_eq!(other.code(), Some(Code::BadSignature));
    let grant = Grant::default();
    let new = NewCredential { name, role: Role::Operator, hash: draft.hash, grant, expires_at: None, proof };
    assert!(env.engine.create_credential(&LEAD.caller(), new).is_ok());
    assert_eq!(make(&env, &owner, "x", Role::Agent, None, None).code(), None, "for agents the owner's word is enough");
    env.agree();
}

#[test]
fn names_of_an_issuers_subjects_are_not_given_out() {
    let issuer = super::http_identity::issuer("corp", "https://idp.example", "/nowhere");
    let env = TestEnv::with_settings(None, &Settings { issuers: vec![issuer], ..Settings::default() });
    for (name, code) in [("corp:ana", Some(Code::NameTaken)), ("corp", None), ("corporate:ana", None)] {
        assert_eq!(make(&env, &person("owner"), name, Role::Agent, None, None).code(), code, "{name}");
    }
}

#[test]
fn a_credential_counts_until_it_expires_and_its_name_is_free_again() {
    let env = TestEnv::new();
    let made = make(&env, &person("owner"), "ana", Role::Agent, Some(START.plus_seconds(60)), None);
    assert!(made.outcome.is_ok());
    let counts = |secret: &str| env.engine.bearer(secret).unwrap().is_some();
    env.clock.advance_seconds(59);
    assert!(counts(&made.secret));
    for wrong in [&made.secret[..67], &format!("{}0", made.secret), &made.secret.to_uppercase(), "pgt_", ""] {
        assert!(!counts(wrong), "{wrong}");
    }
    env.clock.advance_seconds(1);
    assert!(!counts(&made.secret));
    assert_eq!(make(&env, &person("owner"), "ana", Role::Auditor, None, None).code(), None);
}

#[test]
fn a_revoked_credential_is_refused_at_once_in_every_process() {
    let env = TestEnv::new();
    let made = make(&env, &person("owner"), "ana", Role::Agent, None, None);
    let other = env.reopened(&Settings::default());
    let known = other.bearer(&made.secret).unwrap().expect("it counts");
    assert_eq!((known.caller.agent.0.as_str(), known.caller.role), ("ana", Role::Agent));
    let refused = env.engine.revoke_credential(&agent("ana"), CredentialId(1), String::new());
    assert!(matches!(refused, Err(Failure::Refused(refusal)) if refusal.code == Code::RoleRequired));
    env.engine.revoke_credential(&person("owner"), CredentialId(1), "lost".to_owned()).unwrap();
    assert_eq!(other.bearer(&made.secret).unwrap(), None);
    env.agree();
}

#[test]
fn a_secret_that_an_agent_writes_down_is_not_in_the_log() {
    let env = TestEnv::new();
    let made = make(&env, &person("owner"), "ana", Role::Agent, None, None);
    env.call(&agent("ana"), "claim_task", json!({ "new": { "title": "a", "workflow": "quick" } })).unwrap();
    let note = format!("I use {} for it", made.secret);
    let _ = env.call(&agent("ana"), "update_task", json!({ "progress": note }));
    let log = super::support::replay::records(env.engine.backend()).unwrap();
    let log = serde_json::to_string(&log.iter().map(|record| &record.event).collect::<Vec<_>>()).unwrap();
    assert!(log.contains("CredentialCreated") && !log.contains(&made.secret), "{log}");
}

#[test]
fn a_credential_for_some_workflows_gets_only_their_tasks() {
    let env = TestEnv::new();
    let only = |workflow: &str| Caller { workflows: BTreeSet::from([workflow.to_owned()]), ..agent("ana") };
    let tasks = json!({ "tasks": [
        { "title": "urgent", "workflow": "feature", "priority": "critical" },
        { "title": "calm", "workflow": "quick", "priority": "low" },
    ]});
    env.call(&agent("boss"), "submit_task", tasks).unwrap();
    let refused = |caller: &Caller, tool: &str, arguments: Value| env.call(caller, tool, arguments).unwrap_err();
    let by_id = refused(&only("quick"), "claim_task", json!({ "id": "T-1" }));
    assert_eq!(by_id.code, Code::NotClaimable);
    assert!(by_id.message.contains("`feature`") && by_id.message.contains("for tasks of quick"), "{by_id}");
    for (tool, arguments) in [
        ("claim_task", json!({ "new": { "title": "x", "workflow": "feature" } })),
        ("claim_task", json!({ "new": { "title": "x" } })),
        ("submit_task", json!({ "tasks": [{ "title": "x", "workflow": "feature" }] })),
    ] {
        assert_eq!(refused(&only("quick"), tool, arguments.clone()).code, Code::NotClaimable, "{tool} {arguments}");
    }
    let listed = env.call(&only("quick"), "list_tasks", json!({})).unwrap();
    assert_eq!(listed["tasks"].as_array().map(Vec::len), Some(2), "reading is not working: {listed}");
    let taken = env.call(&only("quick"), "claim_task", json!({})).unwrap();
    assert_eq!((&taken["task"], &taken["title"]), (&json!("T-2"), &json!("calm")));
    let none = refused(&Caller { agent: AgentName("ben".to_owned()), ..only("quick") }, "claim_task", json!({}));
    assert_eq!(none.code, Code::NothingReady);
    assert!(none.message.contains("your credential is for tasks of quick"), "{none}");
    // A claim is not gone on with by somebody whom the task would not be given to.
    let held = env.call(&agent("boss"), "claim_task", json!({ "id": "T-1" })).unwrap();
    let resumed = refused(&Caller { claims: 2, ..only("quick") }, "claim_task", json!({ "claim": held["claim"] }));
    assert_eq!(resumed.code, Code::NotClaimable);
    // What a lapsed lease has left is no way around it.
    env.clock.advance_seconds(24 * 60 * 60);
    let late = refused(&Caller { agent: AgentName("cid".to_owned()), ..only("other") }, "claim_task", json!({}));
    assert_eq!(late.code, Code::NothingReady);
    env.agree();
}
