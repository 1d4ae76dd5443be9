//! What persons do on the pages: looking at what waits, answering it, enrolling approvers, tending tasks. Who may is decided
//! in `domain`; signatures are made in the browser, over the bytes that `/api/v1/statement` gives.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::domain::approval::Approval;
use crate::domain::approver::{PublicKey, Signed, Via, enrolment, revocation, to_sign};
use crate::domain::canonical;
use crate::domain::command::{AcceptViolations, Change, ChangeBudget, Decision, Dependents};
use crate::domain::credential::Principal;
use crate::domain::decide::{budget, violations};
use crate::domain::ids::{AgentName, ApprovalId, TaskId};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::violation::TreePath;
use crate::domain::workflow::Budget;
use crate::engine::Engine;
use crate::engine::inbox::Seen;

use super::problem::Problem;
use super::{App, rest};

type Caller = Extension<Arc<Principal>>;
type Answered = Result<Json<Value>, Problem>;

pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/inbox", get(waiting))
        .route("/api/v1/inbox/{id}", get(one))
        .route("/api/v1/statement", post(statement))
        .route("/api/v1/approvals/answer", post(answer))
        .route("/api/v1/approvers", get(approvers).post(enrol))
        .route("/api/v1/approvers/revoke", post(revoke))
        .route("/api/v1/credentials", get(credentials))
        .route("/api/v1/tasks/{id}/{act}", post(tend))
}

async fn waiting(State(app): State<Arc<App>>, Extension(principal): Caller) -> Answered {
    let waiting = app.engine.inbox(&principal.caller)?;
    Ok(Json(json!({ "at": app.engine.now(), "approvals": waiting })))
}

async fn one(State(app): State<Arc<App>>, Extension(principal): Caller, Path(id): Path<String>) -> Answered {
    let shown = app.engine.shown(&principal.caller, parsed::<ApprovalId>(&id)?)?;
    Ok(Json(json!(shown)))
}

/// An id in a path.
fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error: T::Err| Problem::new(StatusCode::NOT_FOUND, "no_such_page", error.to_string()))
}

/// The body as it must be, or what is wrong with it; nothing at all is an empty object. That it says to be JSON is the guard's
/// affair.
fn read<T: DeserializeOwned>(operation: &str, body: Result<Bytes, BytesRejection>) -> Result<T, Problem> {
    let wrong =
        |detail: String| Problem::new(StatusCode::BAD_REQUEST, "bad_arguments", detail).hint("see `docs/rest.md`");
    let body = body.map_err(|error| wrong(error.body_text()))?;
    let body = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
    let value: Value =
        serde_json::from_slice(&body).map_err(|error| wrong(format!("the body is not JSON: {error}")))?;
    rest::takes(operation, &value)?;
    serde_json::from_value(value).map_err(|error| wrong(error.to_string()))
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

async fn answer(
    State(app): State<Arc<App>>,
    Extension(principal): Caller,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    let answer: Answer = read("answer", body)?;
    let decision = answer.decision()?;
    let seen = answer.approvals.into_iter();
    let seen = seen.map(|named| Seen { approval: named.id, digest: named.digest, signed: named.signed }).collect();
    let after = app.engine.answer_seen(&principal.caller, seen, decision, Via::Inbox)?;
    Ok(Json(json!({ "approvals": after.iter().map(told).collect::<Vec<_>>() })))
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

async fn statement(
    State(app): State<Arc<App>>,
    Extension(_principal): Caller,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    let (engine, workspace) = (&app.engine, app.engine.workspace_id()?);
    let at = engine.now();
    let entry = |id: Value, digest: Option<String>, statement: Value| {
        let bytes = to_sign(&statement, at);
        let (sha256, to_sign) = (canonical::sha256(&bytes), BASE64.encode(&bytes));
        json!({ "id": id, "digest": digest, "statement": statement, "to_sign": to_sign, "sha256": sha256 })
    };
    let statements = match read::<About>("statement", body)? {
        About::Answer(answer) => {
            let ids: Vec<ApprovalId> = answer.approvals.iter().map(|named| named.id).collect();
            let all = engine.answer_statements(&ids, &answer.decision()?)?.into_iter();
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
    Ok(Json(json!({ "at": at, "statements": statements })))
}

async fn approvers(State(app): State<Arc<App>>, Extension(_principal): Caller) -> Answered {
    let (all, standing) = app.engine.approvers()?;
    let rows = all.iter().map(|known| {
        json!({ "name": known.name, "key": known.key, "level": known.key.level(), "groups": known.groups,
                "enrolled_at": known.enrolled_at, "enrolled_by": known.enrolled_by, "revoked": known.revoked,
                "traced": standing.contains(&known.name) })
    });
    Ok(Json(json!({ "approvers": rows.collect::<Vec<_>>(), "any": app.engine.has_approvers()? })))
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

async fn enrol(
    State(app): State<Arc<App>>,
    Extension(principal): Caller,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    let Enrol { name, key, groups, signed } = read("enrol", body)?;
    app.engine.enrol_on_page(&principal.caller, name.clone(), key.clone(), groups, signed)?;
    Ok(Json(json!({ "name": name, "level": key.level(), "key": key })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    name: AgentName,
    reason: String,
    #[serde(default)]
    signed: Option<Signed>,
}

async fn revoke(
    State(app): State<Arc<App>>,
    Extension(principal): Caller,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    let Revoke { name, reason, signed } = read("revoke", body)?;
    let caller = app.engine.under(&principal.caller, signed.as_ref().map(|signed| &signed.key))?;
    app.engine.revoke(&caller, name.clone(), reason, Engine::page_proof(signed))?;
    Ok(Json(json!({ "name": name, "revoked": true })))
}

/// Without hashes: a list to look at.
async fn credentials(State(app): State<Arc<App>>, Extension(principal): Caller) -> Answered {
    let now = app.engine.now();
    let known = app.engine.credentials_for(&principal.caller)?;
    let rows = known.iter().map(|known| {
        json!({ "id": known.id, "name": known.name, "role": known.role, "created_by": known.created_by,
                "created_at": known.created_at, "expires_at": known.expires_at, "revoked": known.revoked,
                "counts": known.counts(now) })
    });
    Ok(Json(json!({ "credentials": rows.collect::<Vec<_>>() })))
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

async fn tend(
    State(app): State<Arc<App>>,
    Extension(principal): Caller,
    Path((id, act)): Path<(String, String)>,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    let task: TaskId = parsed(&id)?;
    let Tend { reason, dependents, blocker, paths, budget, signed } = read("tend", body)?;
    let engine = &app.engine;
    let caller = engine.under(&principal.caller, signed.as_ref().map(|signed| &signed.key))?;
    let dependents = dependents.map(|word| match word {
        Then::Cancel => Dependents::Cancel,
        Then::Release => Dependents::Release,
    });
    let change = match act.as_str() {
        "cancel" => Change::Cancel { reason, dependents },
        "release" => Change::Release { reason },
        "reopen" => Change::Reopen { reason },
        "unblock" => Change::Unblock { blocker },
        "accept-violations" => {
            let proof = Engine::page_proof(signed);
            let after = engine.accept_violations(&caller, AcceptViolations { task, paths, reason, proof })?;
            return Ok(Json(json!({ "task": task, "status": after.status(), "violations": after.violations })));
        }
        "budget" => {
            let proof = Engine::page_proof(signed);
            let after = engine.change_budget(&caller, ChangeBudget { task, budget, reason, proof })?;
            return Ok(Json(json!({ "task": task, "status": after.status() })));
        }
        _ => return Err(super::problem::no_such_page().await),
    };
    let outcome = engine.tend(&caller, task, change)?;
    let changed: Vec<String> =
        outcome.events.iter().filter_map(|event| event.task().map(|task| format!("{task} {}", event.kind()))).collect();
    Ok(Json(json!({ "task": task, "status": outcome.facts.task(task)?.status(), "changed": changed })))
}
