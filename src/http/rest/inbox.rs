//! How what persons do on the pages stands in the document. Its router and its answers are in `http::inbox`; a rule between
//! fields is not told here but by the answer that says no.

use serde_json::{Value, json};

use crate::domain::approver::Signed;
use crate::domain::facts::Role;
use crate::domain::ids::{ApprovalId, TaskId};
use crate::tools::schema;

use super::object;
use super::operation::{Operation, Run, Shape, WHOLE};

/// Those who answer and enrol.
const ANSWERING: &[Role] = &[Role::Approver, Role::Operator];

pub fn operations() -> Vec<Operation> {
    looks().into_iter().chain(acts()).collect()
}

fn look(name: &'static str, path: &'static str, summary: &'static str, promised: &[&str]) -> Operation {
    Operation::new(name, path, summary, Shape::Json(object(promised)), Run::Elsewhere)
}

fn act(name: &'static str, path: &'static str, summary: &'static str, body: Value, promised: &[&str]) -> Operation {
    let shape = Shape::Posted { body, json: object(promised) };
    Operation::new(name, path, summary, shape, Run::Elsewhere).roles(ANSWERING)
}

fn body(required: &[&str], properties: &Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

/// Pages send null for what they leave out.
fn maybe(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn looks() -> Vec<Operation> {
    let acts = ["approval.answer", "approver.add", "approver.revoke", "task.accept", "task.budget"];
    vec![
        look("inbox", "/api/v1/inbox", "What waits for a person, as a page shows it", &["at", "approvals"]),
        look("inbox_one", "/api/v1/inbox/{id}", "One approval, as a page shows it", &["id", "digest"])
            .segment("id", schema::of::<ApprovalId>()),
        look("approvers", "/api/v1/approvers", "Whose keys the workspace knows", &["approvers", "any"]),
        look("credentials", "/api/v1/credentials", "Who may call, without anything secret", &["credentials"])
            .roles(WHOLE),
        act(
            "statement",
            "/api/v1/statement",
            "What is to be signed for an act, and the very bytes; it changes nothing",
            json!({ "type": "object", "required": ["act"], "properties": { "act": { "type": "string", "enum": acts } } }),
            &["at", "statements"],
        ),
    ]
}

fn acts() -> Vec<Operation> {
    let (text, signed) = (json!({ "type": "string" }), maybe(&schema::of::<Signed>()));
    let texts = json!({ "type": "array", "items": text });
    let named = json!({ "id": schema::of::<ApprovalId>(), "digest": text, "signed": signed });
    let answer = json!({
        "approvals": { "type": "array", "minItems": 1, "items": body(&["id", "digest"], &named) },
        "answer": { "type": "string", "enum": ["approve", "reject", "adjust"] },
        "reason": text,
        "choice": maybe(&text),
        "arguments": maybe(&json!({ "type": "object" })),
    });
    let tend = json!({
        "reason": text,
        "dependents": maybe(&json!({ "type": "string", "enum": ["cancel", "release"] })),
        "blocker": maybe(&json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })),
        "paths": texts,
        "budget": { "type": "object" },
        "signed": signed,
    });
    let kinds = ["cancel", "release", "reopen", "unblock", "accept-violations", "budget"];
    vec![
        act(
            "answer",
            "/api/v1/approvals/answer",
            "Answers approvals, by the digests that were shown: all of them, or none",
            body(&["approvals", "answer"], &answer),
            &["approvals"],
        ),
        act(
            "enrol",
            "/api/v1/approvers",
            "Enrols an approver by a public key",
            body(&["name", "key"], &json!({ "name": text, "key": text, "groups": texts, "signed": signed })),
            &["name", "level", "key"],
        ),
        act(
            "revoke",
            "/api/v1/approvers/revoke",
            "Takes an approver out",
            body(&["name", "reason"], &json!({ "name": text, "reason": text, "signed": signed })),
            &["name", "revoked"],
        ),
        act(
            "tend",
            "/api/v1/tasks/{id}/{act}",
            "What a person does to a task without holding it",
            body(&[], &tend),
            &["task", "status"],
        )
        .segment("id", schema::of::<TaskId>())
        .segment("act", json!({ "type": "string", "enum": kinds })),
    ]
}
