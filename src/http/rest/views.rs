//! Who I am, and looks at the whole workspace: sessions of clients.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::tools::schema;

use super::super::problem::Problem;
use super::operation::{Asked, Found, Operation, Run, Shape};
use super::{list_of, object};

const SESSIONS_DEFAULT: u32 = 50;

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "me",
            "/api/v1/me",
            "Who the credential says the caller is, and what that role may do",
            Shape::Json(object(&["name", "role", "credential", "can"])),
            Run::Read(me),
        ),
        Operation::new(
            "sessions",
            "/api/v1/sessions",
            "Runs of clients, the one seen last first",
            Shape::Json(list_of(object(&["id", "client", "agent", "guard", "since", "seen", "tasks"]))),
            Run::Read(sessions),
        )
        .query(schema::of::<Sessions>()),
    ]
}

fn me(asked: &Asked) -> Result<Found, Problem> {
    let (caller, credential) = (asked.caller(), asked.principal.credential);
    Found::json(
        &json!({ "name": caller.agent, "role": caller.role, "credential": credential, "can": caller.role.can() }),
    )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sessions {
    /// Those that have ended too.
    all: Option<bool>,
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
}

fn sessions(asked: &Asked) -> Result<Found, Problem> {
    let Sessions { all, limit } = asked.query()?;
    Found::json(&asked.engine().sessions(all.unwrap_or(false), limit.unwrap_or(SESSIONS_DEFAULT))?)
}
