//! Who I am, and looks at the whole workspace: the board, the graph, the fleet, sessions of clients, what it all costs.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::duration;
use crate::domain::ids::{AgentName, TaskId, Time};
use crate::domain::savings::Savings;
use crate::domain::view::{AgentRow, Board, CostBy, CostFilter, Costs, Fleet, Graph};
use crate::tools::schema;

use super::super::problem::Problem;
use super::operation::{Asked, Found, Operation, Run, Shape, WHOLE, bad};
use super::tasks::unknown;
use super::{list_of, object, shape};

const SESSIONS_DEFAULT: u32 = 50;
/// Of a day, as `2026-11-20`.
const DAY_CHARS: usize = 10;

pub fn operations() -> Vec<Operation> {
    let read =
        |name, path, summary, answer, run| Operation::new(name, path, summary, Shape::Json(answer), Run::Read(run));
    vec![
        read(
            "me",
            "/api/v1/me",
            "Who the credential says the caller is, and what that role may do",
            object(&["name", "role", "credential", "can"]),
            me,
        ),
        read("board", "/api/v1/board", "One look at everything that is open", shape::<Board>(), |asked| {
            Found::json(&asked.engine().board()?)
        }),
        read(
            "graph",
            "/api/v1/graph",
            "Dependencies of open tasks: who waits for whom, and what can run together",
            shape::<Graph>(),
            graph,
        )
        .query(schema::of::<Root>()),
        read(
            "sessions",
            "/api/v1/sessions",
            "Runs of clients, the one seen last first",
            list_of(object(&["id", "client", "agent", "guard", "since", "seen", "tasks"])),
            sessions,
        )
        .query(schema::of::<Sessions>()),
        read("agents", "/api/v1/agents", "Who works, or may", list_of(shape::<AgentRow>()), |asked| {
            asked.engine().may_see_fleet(asked.caller())?;
            Found::json(&asked.engine().agents()?)
        })
        .roles(WHOLE),
        read(
            "fleet",
            "/api/v1/fleet",
            "Who works, how fast it goes, what it waits for and what is stalled",
            shape::<Fleet>(),
            |asked| {
                asked.engine().may_see_fleet(asked.caller())?;
                Found::json(&asked.engine().fleet()?)
            },
        )
        .roles(WHOLE),
        read(
            "costs",
            "/api/v1/costs",
            "What sessions cost, summed by what it is asked by, against the same tokens at a strong model's price",
            shape::<Costs>(),
            costs,
        )
        .query(costs_asked()),
        read(
            "savings",
            "/api/v1/savings",
            "What choosing models saved against always taking a strong one, from work that has ended, and how that is counted",
            shape::<Savings>(),
            |asked| {
                let SavingsAsked { since } = asked.query()?;
                Found::json(&asked.engine().savings(since.as_deref().map(|text| moment(text, asked.engine().now())).transpose()?)?)
            },
        )
        .query(days(schema::of::<SavingsAsked>(), &["since"])),
    ]
}

fn me(asked: &Asked) -> Result<Found, Problem> {
    let (caller, credential) = (asked.caller(), asked.principal.credential);
    let can = caller.role.can();
    Found::json(&json!({ "name": caller.agent, "role": caller.role, "credential": credential, "can": can }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Root {
    /// Only this task and what hangs on it.
    root: Option<TaskId>,
}

fn graph(asked: &Asked) -> Result<Found, Problem> {
    let Root { root } = asked.query()?;
    if let Some(id) = root
        && asked.engine().task(id)?.is_none()
    {
        return Err(unknown(id));
    }
    Found::json(&asked.engine().graph(root)?)
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

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CostsAsked {
    /// Of day, task, phase, agent and model; several with commas; only the total when left out.
    #[schemars(regex(pattern = "^(day|task|phase|agent|model)(,(day|task|phase|agent|model)){0,4}$"))]
    by: Option<String>,
    /// A day, a time, or how long ago; days count whole, in UTC.
    since: Option<String>,
    until: Option<String>,
    /// With everything below it.
    task: Option<TaskId>,
    #[schemars(length(max = 200))]
    agent: Option<AgentName>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SavingsAsked {
    /// A day, a time, or how long ago; days count whole, in UTC.
    since: Option<String>,
}

fn costs_asked() -> Value {
    days(schema::of::<CostsAsked>(), &["since", "until"])
}

/// Fields that are a day, a time, or so long ago.
fn days(mut schema: Value, fields: &[&str]) -> Value {
    let forms = json!([
        { "title": "a day, like `2026-11-20`", "format": "date" },
        { "title": "a time, like `2026-11-20T14:00:00Z`", "format": "date-time" },
        { "title": "how long ago, like `12h` or `30d`", "pattern": "^[0-9]{1,4}[hdm]$" },
    ]);
    for name in fields {
        if let Some(Value::Object(field)) = schema.pointer_mut(&format!("/properties/{name}")) {
            field.insert("anyOf".to_owned(), forms.clone());
        }
    }
    schema
}

fn moment(text: &str, now: Time) -> Result<Time, Problem> {
    if let Ok(seconds) = duration::parse(text) {
        let ms = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
        return Ok(Time(now.0.saturating_sub(ms)));
    }
    let whole = if text.len() == DAY_CHARS { format!("{text}T00:00:00Z") } else { text.to_owned() };
    whole.parse().map_err(|why: String| bad(&why, "or a day, like `2026-11-20`"))
}

fn costs(asked: &Asked) -> Result<Found, Problem> {
    let CostsAsked { by, since, until, task, agent } = asked.query()?;
    let words = by.as_deref().unwrap_or_default().split(',').filter(|word| !word.is_empty());
    let mut by: Vec<CostBy> = Vec::new();
    for word in words {
        let known: Result<CostBy, _> = serde_json::from_value(word.into());
        let one =
            known.map_err(|_| bad("`by` names what costs are not summed by", "day, task, phase, agent, model"))?;
        if !by.contains(&one) {
            by.push(one);
        }
    }
    let now = asked.engine().now();
    let since = since.as_deref().map(|text| moment(text, now)).transpose()?;
    let until = until.as_deref().map(|text| moment(text, now)).transpose()?;
    Found::json(&asked.engine().costs_by(&CostFilter { by, since, until, task, agent })?)
}
