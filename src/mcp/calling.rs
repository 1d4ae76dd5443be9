//! Who makes a call of a tool: whom the connection speaks for, or the subagent that a hook has told of, under the claim that a
//! phase token shows. Whether they may is decided by the engine.

use rmcp::RoleServer;
use rmcp::model::CallToolRequestParams;
use rmcp::service::RequestContext;
use serde_json::Value;

use crate::domain::decide::session::unnamed;
use crate::domain::facts::{Caller, Sighting};
use crate::engine::{Engine, Failure};
use crate::telemetry::TraceParent;
use crate::tools::{Tool, request_approval};

/// Under which name a client's request carries the id that its hooks know the call by.
pub const CALL_IDS: [&str; 2] = ["claudecode/toolUseId", "callId"];

/// Under which name a claim travels as a signed token, in requests and, over HTTP, in results.
pub const PHASE_TOKEN: &str = "phasegate/phase_token";

/// What a request says of its caller beside the arguments.
#[derive(Default)]
pub struct Said<'a> {
    pub call: Option<&'a str>,
    pub phase_token: Option<&'a str>,
}

impl<'a> Said<'a> {
    pub fn of(context: &'a RequestContext<RoleServer>) -> Self {
        Self {
            call: CALL_IDS.iter().find_map(|key| context.meta.get(*key)).and_then(Value::as_str),
            phase_token: context.meta.get(PHASE_TOKEN).map(|token| token.as_str().unwrap_or_default()),
        }
    }
}

/// Whose calls a caller may be found to make.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Joins {
    /// Whoever's the hook told of: hook and server are of one client.
    Anyone,
    /// Its own and those of its subagents: naming the call of another makes nobody that other.
    Own,
}

pub fn caller(
    engine: &Engine,
    connected: Caller,
    whom: Joins,
    tool: &'static Tool,
    arguments: &Value,
    said: &Said<'_>,
) -> Result<Caller, Failure> {
    let caller = joined(engine, connected, whom, said.call, || unnamed(tool.name, arguments));
    let Some(token) = said.phase_token else { return Ok(caller) };
    match engine.under_phase_token(&caller, token) {
        Err(Failure::Refused(refusal)) => Err(engine.refuse(&caller, tool, refusal)),
        found => found,
    }
}

/// Several agents share one connection; the client's id of the call says which of them calls, since a hook has told of it.
/// Where the client sends none, a hook may have told of a call just like it.
fn joined(engine: &Engine, caller: Caller, whom: Joins, id: Option<&str>, unnamed: impl FnOnce() -> String) -> Caller {
    let seen = engine.seen_call(&id.map_or_else(unnamed, str::to_owned));
    let seen = seen.map(|seen| seen.filter(|seen| whom == Joins::Anyone || seen.agent.is_or_works_for(&caller.agent)));
    match seen {
        Ok(Some(seen)) => Caller { agent: seen.agent, sighting: Sighting::Seen, ..caller },
        Ok(None) if id.is_none() => caller,
        Ok(None) => Caller { sighting: Sighting::Unseen, ..caller },
        Err(error) => {
            tracing::warn!(%error, "the caller of a call could not be looked up");
            Caller { sighting: Sighting::Unseen, ..caller }
        }
    }
}

/// Whether a call may stay for minutes with whoever is asked by it.
pub fn waits_for_person(call: &CallToolRequestParams, shows_forms: bool) -> bool {
    let seconds = call.arguments.as_ref().and_then(|given| given.get("wait_seconds")).and_then(Value::as_f64);
    call.name == request_approval::TOOL.name && (shows_forms || seconds.is_some_and(|seconds| seconds > 0.0))
}

/// The span that a call is part of: what the client says in the call, else the HTTP request that brought it.
pub fn parent(context: &RequestContext<RoleServer>) -> Option<TraceParent> {
    let said = context.meta.get("traceparent").and_then(Value::as_str).and_then(TraceParent::parse);
    let around = || context.extensions.get::<http::request::Parts>()?.extensions.get::<TraceParent>().copied();
    said.or_else(around)
}
