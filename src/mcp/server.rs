//! The MCP service: tools, resources, prompts and completion, translated to calls of the engine. It decides nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use http::request::Parts;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, CompleteRequestParams,
    CompleteResult, CompletionInfo, ContentBlock, CustomRequest, CustomResult, ErrorCode, GetPromptRequestParams,
    GetPromptResponse, GetTaskParams, GetTaskResult, Implementation, JsonObject, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ProgressNotificationParam, ProgressToken, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
    ServerConfig, SubscribeRequestParams, SubscriptionFilter, Tool as McpTool, ToolAnnotations,
    UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{Peer, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::Value;

use crate::domain::approval::Approval;
use crate::domain::facts::{Caller, Role};
use crate::domain::ids::{AgentName, Time};
use crate::domain::refusal::{Code, Refusal};
use crate::engine::{Engine, Failure, Watch, failure, is_open_to};
use crate::telemetry::TraceParent;
use crate::tools::{self, Reply, TOOLS, schema};

use super::calling::{self, Joins, PHASE_TOKEN, Said};
use super::deferred::{self, Long};
use super::dialog::{self, Dialogs, Way, Wish, Wished};
use super::guarded::principal;
use super::typed::Misfit;
use super::watching::{self, Watchers};
use super::{methods, prompts, resources, typed};

const INSTRUCTIONS: &str = "phasegate hands out work and keeps it to phases. Begin with claim_task: it returns a brief with the \
goal, what is open now and what must be shown to go on. Hand in artifacts with submit_artifact, move with transition_phase, \
ask a person with request_approval. A refusal says what to do next.";

/// Lists change only with the binary.
const LIST_TTL_MS: u64 = 60_000;

/// Opens the workspace on first use, or says why it cannot be opened.
type Open = Box<dyn Fn() -> Result<Arc<Engine>, Unopened> + Send + Sync>;

/// What is wrong with the workspace, and what to do about it.
#[derive(Clone, Debug)]
pub struct Unopened {
    pub message: String,
    pub hint: String,
}

/// The engine, while it may still be opening: a client's first question is answered before that.
pub struct Opening {
    engine: OnceLock<Result<Arc<Engine>, Unopened>>,
    open: Open,
}

impl Opening {
    pub fn new(open: Open) -> Self {
        Self { engine: OnceLock::new(), open }
    }

    /// It is open already.
    pub fn ready(engine: Arc<Engine>) -> Self {
        let gone = || Err(Unopened { message: "the workspace is closed".to_owned(), hint: "start again".to_owned() });
        Self { engine: OnceLock::from(Ok(engine)), open: Box::new(gone) }
    }

    /// Waits until it is open.
    pub fn get(&self) -> Result<&Arc<Engine>, &Unopened> {
        self.engine.get_or_init(|| (self.open)()).as_ref()
    }
}

/// What `published` makes of all tools.
const LIST: &str = include_str!("../../schemas/tools.json");

/// Who calls a server.
enum Callers {
    /// Over the pipe of one process, one agent and its subagents.
    Process {
        /// From the environment; else made from the client's name on its first call, unique to this process.
        agent: OnceLock<AgentName>,
        capabilities: BTreeSet<String>,
        claims: u32,
    },
    /// Over HTTP, whoever stands behind the request.
    Principals,
}

pub struct Server {
    pub(super) opening: Arc<Opening>,
    callers: Callers,
    list: Vec<McpTool>,
    dialogs: Arc<Dialogs>,
    watchers: Watchers,
}

impl Server {
    pub fn new(opening: Arc<Opening>, agent: Option<String>, capabilities: BTreeSet<String>, claims: u32) -> Self {
        let name = OnceLock::new();
        if let Some(agent) = agent {
            let _ = name.set(AgentName(agent));
        }
        Self::of(opening, Callers::Process { agent: name, capabilities, claims })
    }

    /// For a front door that says of every request who calls.
    pub fn for_principals(engine: &Arc<Engine>) -> Self {
        Self::of(Arc::new(Opening::ready(Arc::clone(engine))), Callers::Principals)
    }

    fn of(opening: Arc<Opening>, callers: Callers) -> Self {
        // Making them from the types takes a millisecond and two megabytes, at each start.
        let list = serde_json::from_str(LIST).unwrap_or_else(|_| TOOLS.iter().map(published).collect());
        Self { opening, callers, list, dialogs: Arc::default(), watchers: Watchers::default() }
    }

    /// For requests that are not tool calls.
    fn engine(&self) -> Result<&Arc<Engine>, ErrorData> {
        self.opening.get().map_err(|unopened| internal(&unopened.message))
    }

    /// Whom the connection or the request speaks for, before a call says that it is a subagent's.
    fn connected(&self, engine: &Engine, context: &RequestContext<RoleServer>) -> Result<(Caller, Joins), ErrorData> {
        Ok(match &self.callers {
            Callers::Process { agent, capabilities, claims } => {
                let agent = agent.get_or_init(|| {
                    let client = context.client_info().map(|client| client.name).unwrap_or_default();
                    engine.unique_agent(&client)
                });
                let caller = Caller {
                    capabilities: capabilities.clone(),
                    claims: *claims,
                    ..Caller::new(agent.0.as_str(), Role::Agent)
                };
                (caller, Joins::Anyone)
            }
            Callers::Principals => {
                let principal = principal(context).ok_or_else(|| internal(&"a call came without a principal"))?;
                (principal.caller.clone(), Joins::Own)
            }
        })
    }

    /// `request_approval` for a client that can put the question to its person.
    async fn ask(
        &self,
        way: Way,
        engine: &Arc<Engine>,
        caller: Caller,
        arguments: Value,
        context: &RequestContext<RoleServer>,
        mut reporter: Reporter,
    ) -> CallToolResponse {
        let (wish, mut wished): (Wish, Wished) = Wish::new(way, &self.dialogs);
        reporter.wish = Some(wish);
        let wait_seconds = arguments.get("wait_seconds").and_then(Value::as_u64).unwrap_or(0);
        let call = {
            let (engine, caller, arguments) = (Arc::clone(engine), caller.clone(), arguments.clone());
            apart(move || engine.call(&caller, &tools::request_approval::TOOL, arguments, &reporter))
        };
        match way {
            Way::Request => {
                let (mut result, note) = wished.beside(call, &context.peer, engine, &caller, wait_seconds).await;
                if let (Ok(reply), Some(note)) = (&mut result, note) {
                    reply.note(&note);
                }
                rendered(result).into()
            }
            Way::Result => {
                let result = call.await;
                let (Ok(_), Some(approval)) = (&result, wished.taken()) else { return rendered(result).into() };
                match self.dialogs.ask_by_result(engine, &caller, &arguments, &approval) {
                    Ok(Some(asking)) => asking.into(),
                    Ok(None) => rendered(result).into(),
                    Err(failure) => rendered(Err(failure)).into(),
                }
            }
        }
    }
}

/// Work that may wait, on a thread of its own.
pub(super) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    // What is logged there still says of which request it is.
    let span = tracing::Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
        Ok(result) => result,
        Err(ended) => match ended.try_into_panic() {
            // The guard around this service answers panics, wherever they come from.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => {
                Err(Refusal::new(Code::Cancelled, "the server is stopping", "call again in a new session").into())
            }
        },
    }
}

/// A call to its end, with what programs among the clients get beside the answer.
pub(super) fn completed(
    engine: &Engine,
    caller: &Caller,
    tool: &'static tools::Tool,
    arguments: Value,
    reporter: &Reporter,
    gives_tokens: bool,
) -> CallToolResult {
    let reply = match engine.call(caller, tool, arguments, reporter) {
        Ok(reply) => reply,
        Err(failure) => return rendered(Err(failure)),
    };
    let token = gives_tokens.then(|| engine.phase_token_after(caller, tool, &reply.structured)).flatten();
    let mut result = rendered(Ok(reply));
    if let Some(token) = token {
        // For programs: no model has to read it.
        result.meta.get_or_insert_default().insert(PHASE_TOKEN.to_owned(), Value::String(token));
    }
    result
}

/// A row of the table as clients see it.
pub fn published(tool: &tools::Tool) -> McpTool {
    let object = |value: Value| match value {
        Value::Object(fields) => Arc::new(fields),
        _ => Arc::new(JsonObject::new()),
    };
    // What goes without saying is not said: a hint at its default, and what only means something for tools that write.
    let mut annotations = ToolAnnotations::new().open_world(false);
    if tool.read_only {
        annotations = annotations.read_only(true);
    } else {
        annotations = annotations.destructive(tool.destructive);
        if tool.idempotent {
            annotations = annotations.idempotent(true);
        }
    }
    McpTool::new(tool.name, tool.description, object(schema::sketch(&(tool.input)())))
        .with_title(tool.title)
        .with_raw_output_schema(object(schema::outline(&(tool.output)())))
        .with_annotations(annotations)
}

/// Reports to the client while a long call runs, where it asked for that.
pub(super) struct Reporter {
    pub(super) cancelled: Box<dyn Fn() -> bool + Send + Sync>,
    progress: Option<(ProgressToken, Peer<RoleServer>, tokio::runtime::Handle)>,
    steps: std::sync::atomic::AtomicU32,
    wish: Option<Wish>,
    trace: Option<TraceParent>,
}

impl Reporter {
    fn new(context: &RequestContext<RoleServer>) -> Self {
        let token = context.meta.get_progress_token();
        let ct = context.ct.clone();
        Self {
            cancelled: Box::new(move || ct.is_cancelled()),
            progress: token.map(|token| (token, context.peer.clone(), tokio::runtime::Handle::current())),
            steps: std::sync::atomic::AtomicU32::new(0),
            wish: None,
            trace: calling::parent(context),
        }
    }

    /// For a call whose client is told nothing before its answer.
    pub(super) fn silent(cancelled: Box<dyn Fn() -> bool + Send + Sync>, trace: Option<TraceParent>) -> Self {
        Self { cancelled, progress: None, steps: std::sync::atomic::AtomicU32::new(0), wish: None, trace }
    }
}

impl Watch for Reporter {
    fn cancelled(&self) -> bool {
        (self.cancelled)()
    }

    fn progress(&self, message: &str) {
        let Some((token, peer, runtime)) = &self.progress else { return };
        let step = self.steps.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let note = ProgressNotificationParam::new(token.clone(), f64::from(step)).with_message(message);
        let peer = peer.clone();
        runtime.spawn(async move {
            let _ = peer.notify_progress(note).await;
        });
    }

    fn trace(&self) -> Option<TraceParent> {
        self.trace
    }

    fn waiting(&self, approval: &Approval, until: Time) -> Time {
        self.wish.as_ref().map_or(until, |wish| wish.waiting(approval, until))
    }
}

pub(super) fn rendered(result: Result<Reply, Failure>) -> CallToolResult {
    match result {
        Ok(Reply { structured, text }) => {
            let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
            result.structured_content = Some(structured);
            result
        }
        Err(Failure::Refused(refusal)) => refused(&refusal),
        Err(Failure::Broken(error)) => {
            let reference = failure::reference();
            tracing::error!(reference, error = %error, "a call failed");
            let message = format!("phasegate could not do this (reference {reference})");
            let mut result =
                CallToolResult::error(vec![ContentBlock::text(format!("{message}\nnext: {}", error.hint()))]);
            result.structured_content =
                Some(serde_json::json!({ "code": "internal", "message": message, "hint": error.hint() }));
            result
        }
    }
}

pub(super) fn unusable(unopened: &Unopened) -> CallToolResult {
    let Unopened { message, hint } = unopened;
    let text = format!("phasegate cannot work here: {message}\nnext: {hint}");
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    result.structured_content = Some(serde_json::json!({ "code": "internal", "message": message, "hint": hint }));
    result
}

fn refused(refusal: &Refusal) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(refusal.to_string())]);
    result.structured_content = serde_json::to_value(refusal).ok();
    result
}

pub(super) fn invalid(message: impl Into<String>) -> ErrorData {
    ErrorData::invalid_params(message.into(), None)
}

pub(super) fn internal(failure: &dyn std::fmt::Display) -> ErrorData {
    let reference = failure::reference();
    tracing::error!(reference, error = %failure, "a request failed");
    ErrorData::internal_error(format!("phasegate could not do this (reference {reference})"), None)
}

/// Lists are given whole, so nobody was told where another page begins.
fn from_the_start(
    request: Option<&PaginatedRequestParams>,
    context: &RequestContext<RoleServer>,
) -> Result<(), ErrorData> {
    if let Some(Misfit(why)) = context.extensions.get::<Parts>().and_then(|parts| parts.extensions.get()) {
        return Err(invalid(why));
    }
    match request.and_then(|request| request.cursor.as_ref()).filter(|cursor| !cursor.is_empty()) {
        Some(_) => Err(invalid("no list goes on at this `cursor`; leave it out")),
        None => Ok(()),
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_prompts()
            .enable_completions()
            .enable_tasks()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("phasegate", env!("CARGO_PKG_VERSION")).with_title("Phasegate"))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        from_the_start(request.as_ref(), &context)?;
        let mut list = self.list.clone();
        // What this caller may never call costs it nothing to read.
        if let (Callers::Principals, Some(principal)) = (&self.callers, principal(&context)) {
            list.retain(|tool| is_open_to(&principal.caller, &tool.name));
        }
        Ok(ListToolsResult::with_all_items(list).with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Private))
    }

    fn get_tool(&self, name: &str) -> Option<McpTool> {
        self.list.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let tool =
            tools::find(&request.name).map_err(|refusal| invalid(format!("{}; {}", refusal.message, refusal.hint)))?;
        let engine = match self.opening.get() {
            Ok(engine) => engine,
            Err(unopened) => return Ok(unusable(unopened).into()),
        };
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let (caller, whom) = self.connected(engine, &context)?;
        let caller = match calling::caller(engine, caller, whom, tool, &arguments, &Said::of(&context)) {
            Ok(caller) => caller,
            Err(failure) => return Ok(rendered(Err(failure)).into()),
        };
        let reporter = Reporter::new(&context);
        if tool.read_only {
            // A read is a few index seeks on a snapshot: cheaper than a change of threads. Only a refusal of one is written.
            return Ok(rendered(engine.call(&caller, tool, arguments, &reporter)).into());
        }
        if tool.name == tools::request_approval::TOOL.name {
            if request.request_state.is_some() || request.input_responses.is_some() {
                let (engine, dialogs) = (Arc::clone(engine), Arc::clone(&self.dialogs));
                let (state, responses) = (request.request_state, request.input_responses);
                let retry =
                    apart(move || dialogs.resume(&engine, &caller, &arguments, state.as_deref(), responses.as_ref()));
                return Ok(rendered(retry.await).into());
            }
            if let Some(way) = dialog::way(&context) {
                return Ok(Box::pin(self.ask(way, engine, caller, arguments, &context, reporter)).await);
            }
        }
        let (engine, gives_tokens) = (Arc::clone(engine), matches!(self.callers, Callers::Principals));
        if deferred::may(&context, tool, &arguments) {
            let owner = self.connected(&engine, &context)?.0.agent;
            let long = Long { engine, owner, caller, tool, arguments, gives_tokens };
            return Ok(Box::pin(long.run(&context, reporter)).await);
        }
        let called = apart(move || Ok(completed(&engine, &caller, tool, arguments, &reporter, gives_tokens)));
        Ok(called.await.unwrap_or_else(|failure| rendered(Err(failure))).into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        from_the_start(request.as_ref(), &context)?;
        let list = ListResourcesResult::with_all_items(resources::all());
        Ok(list.with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        from_the_start(request.as_ref(), &context)?;
        let list = ListResourceTemplatesResult::with_all_items(resources::templates());
        Ok(list.with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Private))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(self.engine()?, &request.uri).map(Into::into)
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let mut accepted = SubscriptionFilter::new();
        accepted.resource_subscriptions = requested.resource_subscriptions.as_deref().map(watching::watchable);
        Some(accepted)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        watching::listen(self.engine()?, &context).await
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.watchers.subscribe(self.engine()?, &request.uri, &context)
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.watchers.unsubscribe(&request.uri, &context);
        Ok(())
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        from_the_start(request.as_ref(), &context)?;
        let list = ListPromptsResult::with_all_items(prompts::all());
        Ok(list.with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Private))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        prompts::get(&request.name, request.arguments.as_ref()).map(Into::into)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let values = resources::completions(self.engine()?, &request)?;
        let info = CompletionInfo::new(values).map_err(|why| internal(&why))?;
        Ok(CompleteResult::new(info))
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let engine = self.engine()?;
        deferred::get(engine, &self.connected(engine, &context)?.0.agent, &request.task_id)
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let engine = self.engine()?;
        deferred::update(engine, &self.connected(engine, &context)?.0.agent, &request.task_id)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let engine = Arc::clone(self.engine()?);
        let owner = self.connected(&engine, &context)?.0.agent;
        let cancel = move || deferred::cancel(&engine, &owner, &request.task_id);
        tokio::task::spawn_blocking(cancel).await.unwrap_or_else(|ended| Err(internal(&ended)))
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        // rmcp takes a method whose parameters do not fit for one that it does not know.
        let params = request.params.as_ref().map(Value::to_string);
        if let Err(why) = typed::request(&request.method, params.as_deref()) {
            return Err(invalid(why));
        }
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, methods::unknown(&request.method), None))
    }
}
