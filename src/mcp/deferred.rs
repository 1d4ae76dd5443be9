//! The tasks extension: for a client that declares it, a call that takes long is answered with a handle, and what came of it
//! is fetched. A call of a gate goes on in this process; one that waits for a person needs none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, CreateTaskResult, DetailedTask, GetTaskResult, JsonObject, Task,
    TaskPayload, TaskStatus,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::domain::deferred::{BEAT_SECONDS, Deferred, DeferredState};
use crate::domain::facts::Caller;
use crate::domain::ids::{AgentName, ApprovalId};
use crate::domain::refusal::Code;
use crate::engine::{Engine, Failure, Unwatched};
use crate::tools::{Tool, request_approval, transition_phase};

use super::server::{Reporter, apart, completed, internal, invalid, rendered};

/// What ends within this is answered at once.
const PATIENCE: Duration = Duration::from_secs(1);
const POLL_MS: u64 = 1000;
const POLL_PERSON_MS: u64 = 3000;

/// Whether this call of this client may be answered with a handle.
pub fn may(context: &RequestContext<RoleServer>, tool: &Tool, arguments: &Value) -> bool {
    let waits = arguments.get("wait_seconds").and_then(Value::as_u64).is_some_and(|seconds| seconds > 0);
    let long = tool.name == transition_phase::TOOL.name
        || (tool.name == request_approval::TOOL.name && waits && arguments.get("batch").is_none());
    long && context.client_capabilities().is_some_and(|can| can.supports_tasks())
}

/// By what a call learns that nobody waits for it: at first its request, once it is deferred a word of its own.
struct Leash {
    request: CancellationToken,
    own: CancellationToken,
    deferred: AtomicBool,
}

impl Leash {
    fn is_cancelled(&self) -> bool {
        if self.deferred.load(Ordering::SeqCst) { self.own.is_cancelled() } else { self.request.is_cancelled() }
    }
}

/// A call with all that it needs to go on by itself.
pub struct Long {
    pub engine: Arc<Engine>,
    /// Whose the handle will be.
    pub owner: AgentName,
    pub caller: Caller,
    pub tool: &'static Tool,
    pub arguments: Value,
    pub gives_tokens: bool,
}

impl Long {
    pub async fn run(self, context: &RequestContext<RoleServer>, reporter: Reporter) -> CallToolResponse {
        if self.tool.name == request_approval::TOOL.name {
            self.ask().await
        } else {
            self.work(context, reporter).await
        }
    }

    async fn work(self, context: &RequestContext<RoleServer>, mut reporter: Reporter) -> CallToolResponse {
        let leash = Arc::new(Leash {
            request: context.ct.clone(),
            own: CancellationToken::new(),
            deferred: AtomicBool::new(false),
        });
        let seen = Arc::clone(&leash);
        reporter.cancelled = Box::new(move || seen.is_cancelled());
        let Self { engine, owner, caller, tool, arguments, gives_tokens } = self;
        let worker = Arc::clone(&engine);
        let mut call =
            tokio::spawn(apart(move || Ok(completed(&worker, &caller, tool, arguments, &reporter, gives_tokens))));
        tokio::select! {
            ended = &mut call => return outcome(ended).into(),
            () = tokio::time::sleep(PATIENCE) => {}
        }
        let (keeper, name) = (Arc::clone(&engine), tool.name);
        match tokio::task::spawn_blocking(move || keeper.defer(&owner, name, None)).await {
            Ok(Ok(Some((handle, kept)))) => {
                leash.deferred.store(true, Ordering::SeqCst);
                let made = task(&handle, &kept, TaskStatus::Working);
                tokio::spawn(look_after(engine, handle, call, leash));
                CreateTaskResult::new(made).into()
            }
            // Then it is waited for, as by any other client.
            Ok(Ok(None)) | Err(_) => outcome(call.await).into(),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a call could not be deferred; its client waits");
                outcome(call.await).into()
            }
        }
    }

    async fn ask(self) -> CallToolResponse {
        let Self { engine, owner, caller, tool, mut arguments, .. } = self;
        if let Value::Object(fields) = &mut arguments {
            fields.insert("wait_seconds".to_owned(), json!(0));
        }
        let asked = tokio::task::spawn_blocking(move || {
            let reply = engine.call(&caller, tool, arguments, &Unwatched)?;
            let pending = reply.structured.get("state").and_then(Value::as_str) == Some("pending");
            let id =
                reply.structured.get("approval").and_then(Value::as_str).and_then(|id| id.parse::<ApprovalId>().ok());
            let kept = match id.filter(|_| pending) {
                // The question is asked and on record: without a handle the agent is told of it as it stands.
                Some(id) => waits(&engine, &owner, tool.name, id).unwrap_or_else(|failure| {
                    tracing::warn!(%failure, "a call that waits for a person could not be deferred");
                    None
                }),
                None => None,
            };
            Ok::<_, Failure>((reply, kept))
        });
        match asked.await {
            Ok(Ok((_, Some((handle, kept))))) => {
                let made = task(&handle, &kept, TaskStatus::Working).with_status_message("waiting for a person");
                CreateTaskResult::new(made).into()
            }
            Ok(Ok((reply, None))) => rendered(Ok(reply)).into(),
            Ok(Err(failure)) => rendered(Err(failure)).into(),
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => stopping().into(),
            },
        }
    }
}

/// A handle for a question that is still open.
fn waits(
    engine: &Engine,
    owner: &AgentName,
    tool: &'static str,
    id: ApprovalId,
) -> Result<Option<(String, Deferred)>, Failure> {
    let expires = engine.approval(id)?.map(|known| (id, known.expires_at));
    Ok(engine.defer(owner, tool, expires)?)
}

fn stopping() -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text("phasegate is stopping; call it again in a moment")])
}

type Call = JoinHandle<Result<CallToolResult, Failure>>;

fn outcome(ended: Result<Result<CallToolResult, Failure>, tokio::task::JoinError>) -> CallToolResult {
    match ended.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(result) => result.unwrap_or_else(|failure| rendered(Err(failure))),
        // The guard around this service answers panics, wherever they come from.
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_)) => stopping(),
    }
}

/// Says that a call is worked on until it has ended, and keeps what came of it.
async fn look_after(engine: Arc<Engine>, handle: String, mut call: Call, leash: Arc<Leash>) {
    let result = loop {
        tokio::select! {
            ended = &mut call => break ended,
            () = tokio::time::sleep(Duration::from_secs(BEAT_SECONDS)) => {}
        }
        let (keeper, of) = (Arc::clone(&engine), handle.clone());
        match tokio::task::spawn_blocking(move || keeper.beat_deferred(&of)).await {
            Ok(Ok(true)) => leash.own.cancel(),
            Ok(Ok(false)) | Err(_) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a deferred call could not be kept alive"),
        }
    };
    let ended = tokio::task::spawn_blocking(move || {
        let result = match result {
            Ok(result) => result.unwrap_or_else(|failure| rendered(Err(failure))),
            Err(_) => CallToolResult::error(vec![rmcp::model::ContentBlock::text("the call failed; call it again")]),
        };
        let code = result.structured_content.as_ref().and_then(|said| said.get("code")).and_then(Value::as_str);
        let cancelled = leash.own.is_cancelled() && code == Some(Code::Cancelled.word());
        engine.end_deferred(&handle, serde_json::to_value(result).unwrap_or_default(), cancelled)
    });
    if let Ok(Err(error)) = ended.await {
        tracing::error!(%error, "what came of a deferred call could not be kept");
    }
}

fn task(handle: &str, call: &Deferred, status: TaskStatus) -> Task {
    let ttl = u64::try_from(call.until.0 - call.created_at.0).unwrap_or(0);
    let poll = if call.approval.is_some() { POLL_PERSON_MS } else { POLL_MS };
    Task::new(handle, status, call.created_at.to_string(), call.updated_at.to_string())
        .with_ttl_ms(ttl)
        .with_poll_interval_ms(poll)
}

/// What a call has come to, for whose it is.
pub fn get(engine: &Engine, owner: &AgentName, handle: &str) -> Result<GetTaskResult, ErrorData> {
    let found = engine.deferred(owner, handle).map_err(|error| internal(&error))?.ok_or_else(unknown)?;
    let payload = match (found.state, found.answered) {
        (DeferredState::Working, Some(id)) => {
            let result = rendered(engine.asking(id));
            TaskPayload::Completed { result: object(serde_json::to_value(result).unwrap_or_default()) }
        }
        (DeferredState::Working, None) => TaskPayload::Working,
        (DeferredState::Ended { result }, _) => TaskPayload::Completed { result: object(result) },
        (DeferredState::Lost { why }, _) => {
            TaskPayload::Failed { error: object(json!({ "code": -32_603, "message": why })) }
        }
        (DeferredState::Cancelled, _) => TaskPayload::Cancelled,
    };
    let task = task(handle, &found.call, payload.status());
    Ok(GetTaskResult::new(DetailedTask::new(task, payload)))
}

/// Nothing of ours asks for input in the midst of a call, so there is nothing to be updated.
pub fn update(engine: &Engine, owner: &AgentName, handle: &str) -> Result<(), ErrorData> {
    engine.deferred(owner, handle).map_err(|error| internal(&error))?.map(drop).ok_or_else(unknown)
}

pub fn cancel(engine: &Engine, owner: &AgentName, handle: &str) -> Result<(), ErrorData> {
    let known = engine.cancel_deferred(owner, handle).map_err(|error| internal(&error))?;
    if known { Ok(()) } else { Err(unknown()) }
}

fn unknown() -> ErrorData {
    invalid("there is no such task of yours; it may have been forgotten after its `ttlMs`")
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(fields) => fields,
        _ => JsonObject::new(),
    }
}
