//! What persons do on the pages: looking at what waits, answering it, enrolling approvers, tending tasks. Who may is decided
//! in `domain`; signatures are made in the browser, over the bytes that `/api/v1/statement` gives.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::approval::Approval;
use crate::domain::approver::{PublicKey, Signed, Via, enrolment, revocation, to_sign};
use crate::domain::canonical;
use crate::domain::command::{Change, Decision, Dependents};
use crate::domain::decide::{budget, violations};
use crate::domain::facts::Role;
use crate::domain::ids::{AgentName, ApprovalId, TaskId};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::violation::TreePath;
use crate::domain::visible::visible;
use crate::domain::workflow::Budget;
use crate::engine::inbox::Seen;
use crate::tools::schema;

use super::super::problem::Problem;
use super::object;
use super::operation::{Asked, Found, Operation, Run, Shape, WHOLE, bad, missing};

/// Those who answer and enrol.
const ANSWERING: &[Role] = &[Role::Approver, Role::Operator];
/// What can be signed.
const SIGNED: [&str; 5] = ["approval.answer", "approver.add", "approver.revoke", "task.accept", "task.budget"];
/// What can be done to a task.
const ACTS: [&str; 6] = ["cancel", "release", "reopen", "unblock", "accept-violations", "budget"];

pub fn operations() -> Vec<Operation> {
    looks().into_iter().chain(acts()).collect()
}

fn body(required: &[&str], properties: &Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

fn posted(body: Value, promised: &[&str]) -> Shape {
    Shape::Posted { body, json: object(promised) }
}

/// Pages send null for what they leave out.
fn maybe(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn looks() -> Vec<Operation> {
    let shown = |promised: &[&str]| Shape::Json(object(promised));
    let statement =
        json!({ "type": "object", "required": ["act"], "properties": { "act": { "type": "string", "enum": SIGNED } } });
    vec![
        Operation::new(
            "inbox",
            "/api/v1/inbox",
            "What waits for a person, as a page shows it",
            shown(&["at", "approvals"]),
            Run::Read(inbox),
        ),
        Operation::new(
            "inbox_one",
            "/api/v1/inbox/{id}",
            "One approval, as a page shows it",
            shown(&["id", "digest"]),
            Run::Read(one),
        )
        .segment("id", schema::of::<ApprovalId>()),
        Operation::new(
            "approvers",
            "/api/v1/approvers",
            "Whose keys the workspace knows",
            shown(&["approvers", "any"]),
            Run::Read(approvers),
        ),
        Operation::new(
            "credentials",
            "/api/v1/credentials",
            "Who may call, without anything secret",
            shown(&["credentials"]),
            Run::Read(credentials),
        )
        .roles(WHOLE),
        Operation::new(
            "statement",
            "/api/v1/statement",
            "What is to be signed for an act, and the very bytes; it changes nothing",
            posted(statement, &["at", "statements"]),
            Run::Post(self::statement),
        ),
    ]
}

fn acts() -> Vec<Operation> {
    let (text, signed) = (json!({ "type": "string" }), maybe(&schema::of::<Signed>()));
    let texts = json!({ "type": "array", "items": text });
    let named = json!({ "id": schema::of::<ApprovalId>(), "digest": text, "signed": signed });
    let answered = json!({
        "approvals": { "type": "array", "minItems": 1, "items": body(&["id", "digest"], &named) },
        "answer": { "type": "string", "enum": ["approve", "reject", "adjust"] },
        "reason": text,
        "choice": maybe(&text),
        "arguments": maybe(&json!({ "type": "object" })),
    });
    let enrolled = json!({ "name": text, "key": text, "groups": texts, "signed": signed });
    let revoked = json!({ "name": text, "reason": text, "signed": signed });
    let tended = json!({
        "reason": text,
        "dependents": maybe(&json!({ "type": "string", "enum": ["cancel", "release"] })),
        "blocker": maybe(&json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })),
        "paths": texts,
        "budget": { "type": "object" },
        "signed": signed,
    });
    let all = vec![
        Operation::new(
            "answer",
            "/api/v1/approvals/answer",
            "Answers approvals, by the digests that were shown: all of them, or none",
            posted(body(&["approvals", "answer"], &answered), &["approvals"]),
            Run::Post(answer),
        ),
        Operation::new(
            "enrol",
            "/api/v1/approvers",
            "Enrols an approver by a public key",
            posted(body(&["name", "key"], &enrolled), &["name", "level", "key"]),
            Run::Post(enrol),
        ),
        Operation::new(
            "revoke",
            "/api/v1/approvers/revoke",
            "Takes an approver out",
            posted(body(&["name", "reason"], &revoked), &["name", "revoked"]),
            Run::Post(revoke),
        ),
        Operation::new(
            "tend",
            "/api/v1/tasks/{id}/{act}",
            "What a person does to a task without holding it",
            posted(body(&[], &tended), &["task", "status"]),
            Run::Post(tend),
        )
        .segment("id", schema::of::<TaskId>())
        .segment("act", json!({ "type": "string", "enum": ACTS })),
    ];
    all.into_iter().map(|operation| operation.roles(ANSWERING)).collect()
}

fn inbox(asked: &Asked) -> Result<Found, Problem> {
    let approvals = asked.engine().inbox(asked.caller())?;
    Found::json(&json!({ "at": asked.engine().now(), "approvals": approvals }))
}

fn one(asked: &Asked) -> Result<Found, Problem> {
    Found::json(&asked.engine().shown(asked.caller(), asked.segment::<ApprovalId>("id")?)?)
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Approve,
    Reject,
    Adjust,
}

/// What is said to all of the named approvals.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    approvals: Vec<Named>,
    answer: Word,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    choice: Option<String>,
    #[serde(default)]
    arguments: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    id: ApprovalId,
    /// As it was shown.
    digest: String,
    #[serde(default)]
    signed: Option<Signed>,
}

impl Answer {
    fn decision(&self) -> Result<Decision, Refusal> {
        let reason = self.reason.trim().to_owned();
        let (choice, arguments) = (self.choice.clone(), self.arguments.clone());
        match (self.answer, choice, arguments) {
            (Word::Approve, choice, None) => Ok(Decision::Approve { reason, choice }),
            (Word::Reject, None, None) => Ok(Decision::Reject { reason }),
            (Word::Adjust, None, Some(arguments)) => Ok(Decision::Adjust { reason, arguments }),
            (Word::Approve | Word::Reject | Word::Adjust, _, _) => {
                let hint = "`choice` goes with approve, `arguments` with adjust, and nothing else with reject";
                Err(Refusal::new(Code::BadArguments, "these parts do not make one answer", hint))
            }
        }
    }
}

fn answer(asked: &Asked) -> Result<Found, Problem> {
    let answer: Answer = asked.posted()?;
    let decision = answer.decision()?;
    let seen = answer.approvals.into_iter();
    let seen = seen.map(|named| Seen { approval: named.id, digest: named.digest, signed: named.signed }).collect();
    let after = asked.engine().answer_seen(asked.caller(), seen, decision, Via::Inbox)?;
    Found::json(&json!({ "approvals": after.iter().map(told).collect::<Vec<_>>() }))
}

fn told(after: &Approval) -> Value {
    let answer = after.state.answer();
    json!({
        "id": after.id, "state": after.state.word(), "digest": after.effective_digest(),
        "level": answer.map(|answer| answer.level), "by": answer.map(|answer| answer.by.clone()),
    })
}

/// What is to be signed, for what a person is about to do.
#[derive(Deserialize)]
#[serde(tag = "act", deny_unknown_fields)]
enum About {
    #[serde(rename = "approval.answer")]
    Answer(Answer),
    #[serde(rename = "approver.add")]
    Add {
        name: AgentName,
        key: PublicKey,
        #[serde(default)]
        groups: BTreeSet<String>,
    },
    #[serde(rename = "approver.revoke")]
    Revoke { name: AgentName },
    #[serde(rename = "task.accept")]
    Accept {
        task: TaskId,
        #[serde(default)]
        paths: Vec<TreePath>,
        reason: String,
    },
    #[serde(rename = "task.budget")]
    Budget { task: TaskId, budget: Budget, reason: String },
}

fn statement(asked: &Asked) -> Result<Found, Problem> {
    let (engine, workspace) = (asked.engine(), asked.engine().workspace_id()?);
    let at = engine.now();
    let entry = |id: Value, digest: Option<String>, statement: Value| {
        let bytes = to_sign(&statement, at);
        let (sha256, to_sign) = (canonical::sha256(&bytes), BASE64.encode(&bytes));
        json!({ "id": id, "digest": digest, "statement": statement, "to_sign": to_sign, "sha256": sha256 })
    };
    let statements = match asked.posted::<About>()? {
        About::Answer(answer) => {
            let ids: Vec<ApprovalId> = answer.approvals.iter().map(|named| named.id).collect();
            let all = engine.answer_statements(asked.caller(), &ids, &answer.decision()?)?.into_iter();
            all.map(|(seen, statement)| entry(json!(seen.approval), Some(seen.digest), statement)).collect()
        }
        About::Add { name, key, groups } => vec![entry(json!(name), None, enrolment(&workspace, &name, &key, &groups))],
        About::Revoke { name } => vec![entry(json!(name), None, revocation(&workspace, &name))],
        About::Accept { task, paths, reason } => {
            vec![entry(json!(task), None, violations::statement(&workspace, task, &paths, &reason))]
        }
        About::Budget { task, budget, reason } => {
            vec![entry(json!(task), None, budget::statement(&workspace, task, &budget, &reason))]
        }
    };
    Found::json(&json!({ "at": at, "statements": statements }))
}

fn approvers(asked: &Asked) -> Result<Found, Problem> {
    let (all, standing) = asked.engine().approvers()?;
    let rows = all.iter().map(|known| {
        json!({ "name": known.name, "key": known.key, "level": known.key.level(), "groups": known.groups,
                "enrolled_at": known.enrolled_at, "enrolled_by": known.enrolled_by, "revoked": known.revoked,
                "traced": standing.contains(&known.name) })
    });
    Found::json(&json!({ "approvers": rows.collect::<Vec<_>>(), "any": asked.engine().has_approvers()? }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enrol {
    name: AgentName,
    key: PublicKey,
    #[serde(default)]
    groups: BTreeSet<String>,
    #[serde(default)]
    signed: Option<Signed>,
}

fn enrol(asked: &Asked) -> Result<Found, Problem> {
    let Enrol { name, key, groups, signed } = asked.posted()?;
    asked.engine().enrol_on_page(asked.caller(), name.clone(), key.clone(), groups, signed)?;
    Found::json(&json!({ "name": name, "level": key.level(), "key": key }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    name: AgentName,
    reason: String,
    #[serde(default)]
    signed: Option<Signed>,
}

fn revoke(asked: &Asked) -> Result<Found, Problem> {
    let Revoke { name, reason, signed } = asked.posted()?;
    asked.engine().revoke_on_page(asked.caller(), name.clone(), reason, signed)?;
    Found::json(&json!({ "name": name, "revoked": true }))
}

/// Without hashes: a list to look at.
fn credentials(asked: &Asked) -> Result<Found, Problem> {
    let now = asked.engine().now();
    let known = asked.engine().credentials_for(asked.caller())?;
    let rows = known.iter().map(|known| {
        json!({ "id": known.id, "name": known.name, "role": known.role, "created_by": known.created_by,
                "created_at": known.created_at, "expires_at": known.expires_at, "revoked": known.revoked,
                "counts": known.counts(now) })
    });
    Found::json(&json!({ "credentials": rows.collect::<Vec<_>>() }))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Tend {
    reason: String,
    dependents: Option<Then>,
    blocker: Option<u32>,
    paths: Vec<TreePath>,
    budget: Budget,
    signed: Option<Signed>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Then {
    Cancel,
    Release,
}

fn tend(asked: &Asked) -> Result<Found, Problem> {
    let (engine, caller) = (asked.engine(), asked.caller());
    let task: TaskId = asked.segment("id")?;
    let Tend { reason, dependents, blocker, paths, budget, signed } = asked.posted()?;
    let dependents = dependents.map(|word| match word {
        Then::Cancel => Dependents::Cancel,
        Then::Release => Dependents::Release,
    });
    let change = match asked.text("act") {
        "accept-violations" => {
            let after = engine.accept_on_page(caller, task, paths, reason, signed)?;
            return Found::json(&json!({ "task": task, "status": after.status(), "violations": after.violations }));
        }
        "budget" => {
            let after = engine.change_budget_on_page(caller, task, budget, reason, signed)?;
            return Found::json(&json!({ "task": task, "status": after.status() }));
        }
        act if signed.is_some() && ACTS.contains(&act) => {
            return Err(bad(&format!("`{act}` takes no signature"), "leave `signed` out"));
        }
        "cancel" => Change::Cancel { reason, dependents },
        "release" => Change::Release { reason },
        "reopen" => Change::Reopen { reason },
        "unblock" => Change::Unblock { blocker },
        act => {
            let hint = format!("there are {}", ACTS.join(", "));
            return Err(missing("no_such_page", format!("a task knows no `{}`", visible(act)), &hint));
        }
    };
    let outcome = engine.tend(caller, task, change)?;
    let changed: Vec<String> =
        outcome.events.iter().filter_map(|event| event.task().map(|task| format!("{task} {}", event.kind()))).collect();
    Found::json(&json!({ "task": task, "status": outcome.facts.task(task)?.status(), "changed": changed }))
}
