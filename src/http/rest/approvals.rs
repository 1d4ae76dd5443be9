//! Approvals, to look at. Answering them is not here (`inbox`).

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::approval::Approval;
use crate::domain::ids::ApprovalId;
use crate::tools::schema;

use super::super::problem::Problem;
use super::operation::{Asked, Found, Operation, Run, Shape};
use super::{list_of, object};

const APPROVALS_DEFAULT: usize = 100;
const ALWAYS: [&str; 9] =
    ["id", "digest", "about", "ask", "requested_by", "requested_at", "expires_at", "state", "status"];

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "approvals",
            "/api/v1/approvals",
            "What agents ask a person, the newest first; an agent is shown what it or one of its subagents asked for",
            Shape::Json(list_of(object(&ALWAYS))),
            Run::Read(approvals),
        )
        .query(schema::of::<Approvals>()),
        Operation::new(
            "approval",
            "/api/v1/approvals/{id}",
            "One approval: what it is about, who was told of it, what became of it",
            Shape::Json(object(&[&ALWAYS[..], &["void", "batch_of", "notices", "carried_out"]].concat())),
            Run::Read(approval),
        )
        .segment("id", schema::of::<ApprovalId>()),
    ]
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum State {
    Pending,
    All,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Approvals {
    /// `pending` when left out.
    state: Option<State>,
    /// Those before this one; the `Link` of a page leads to the next.
    before: Option<ApprovalId>,
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
}

fn approvals(asked: &Asked) -> Result<Found, Problem> {
    let Approvals { state, before, limit } = asked.query()?;
    let (pending, limit) = (state != Some(State::All), limit.unwrap_or(APPROVALS_DEFAULT));
    let (found, next) = asked.engine().approvals_seen(asked.caller(), pending, before, limit)?;
    let found: Vec<Value> = found.iter().map(value).collect();
    Ok(Found::json(&found)?.next("before", next))
}

/// As `phasegate approvals show --json` has it.
fn value(approval: &Approval) -> Value {
    let mut value = serde_json::to_value(approval).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.insert("status".to_owned(), Value::from(approval.state.word()));
    }
    value
}

fn approval(asked: &Asked) -> Result<Found, Problem> {
    let (engine, id) = (asked.engine(), asked.segment("id")?);
    let approval = engine.approval_seen(asked.caller(), id)?;
    let mut value = value(&approval);
    let together: Vec<ApprovalId> = engine.batch_of(id)?.iter().map(|known| known.id).collect();
    if let Value::Object(fields) = &mut value {
        let mut say = |name: &str, said: Value| drop(fields.insert(name.to_owned(), said));
        say("void", json!(engine.void(id)?));
        say("batch_of", json!(together));
        say("notices", json!(engine.notices(id)?));
        say("carried_out", json!(engine.call_of(id)?));
    }
    Found::json(&value)
}
