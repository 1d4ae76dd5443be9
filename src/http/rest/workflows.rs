//! Workflows: the versions that a person or the installation put in force, and what one of them would have said of old calls.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::domain::ids::Time;
use crate::domain::query::WorkflowRow;
use crate::tools::schema;

use super::super::problem::Problem;
use super::operation::{Asked, Found, Operation, Run, Shape, WHOLE};
use super::{list_of, object, shape};

/// Changes that one backtest shows; all are counted.
const CHANGES_DEFAULT: usize = 50;

pub fn operations() -> Vec<Operation> {
    let name = || json!({ "type": "string", "minLength": 1, "maxLength": 200 });
    vec![
        Operation::new(
            "workflows",
            "/api/v1/workflows",
            "Every version that was put in force, by name",
            Shape::Json(list_of(shape::<WorkflowRow>())),
            Run::Read(workflows),
        ),
        Operation::new(
            "workflow",
            "/api/v1/workflows/{name}",
            "One workflow by its name, or by its hash or the first 8 digits of that: phases, plain words, warnings, source",
            Shape::Json(object(&["row", "workflow", "explain", "lint", "source"])),
            Run::Read(workflow),
        )
        .segment("name", name()),
        Operation::new(
            "backtest",
            "/api/v1/workflows/{name}/backtest",
            "All calls on record held against this version: every verdict that would change. It changes nothing",
            Shape::Posted {
                body: schema::of::<Since>(),
                json: object(&["calls", "without_phase", "changed", "changes"]),
            },
            Run::Post(backtest),
        )
        .segment("name", name())
        .roles(WHOLE),
    ]
}

fn workflows(asked: &Asked) -> Result<Found, Problem> {
    Found::json(&asked.engine().workflows()?)
}

fn workflow(asked: &Asked) -> Result<Found, Problem> {
    Found::json(&asked.engine().workflow_page(asked.text("name"))?)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Since {
    /// Only calls since then.
    since: Option<Time>,
    /// Changes that are shown; all are counted.
    #[schemars(range(max = 1000))]
    limit: Option<usize>,
}

fn backtest(asked: &Asked) -> Result<Found, Problem> {
    let Since { since, limit } = asked.posted()?;
    let limit = limit.unwrap_or(CHANGES_DEFAULT).min(1000);
    Found::json(&asked.engine().backtest_named(asked.caller(), asked.text("name"), since, limit)?)
}
