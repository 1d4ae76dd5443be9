//! `conformance ADDR`: what the official conformance suite expects of a server under test, behind phasegate's own HTTP front
//! door, guards included. Only credentials are off: the suite has none. What is answered stands in `fixtures.json`.
#![expect(
    clippy::indexing_slicing,
    deprecated,
    reason = "made for JSON that this program wrote; the suite asks for what is deprecated too"
)]

mod answers;
mod rounds;

use std::collections::BTreeSet;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use answers::Fixtures;
use phasegate::config::settings::Settings;
use phasegate::config::workspace::Workspace;
use phasegate::domain::credential::Principal;
use phasegate::domain::facts::{Caller, Role};
use phasegate::engine::clock::System;
use phasegate::http::options::Options;
use phasegate::http::{App, listen, router_around};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ClientCapabilities, CompleteRequestParams, CompleteResult, CompletionInfo,
    CreateMessageRequest, ElicitRequest, GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, LoggingLevel, LoggingMessageNotificationParam,
    PaginatedRequestParams, ProgressNotificationParam, ReadResourceRequestParams, ReadResourceResponse,
    ServerCapabilities, ServerConfig, ServerRequest, SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter,
    Tool, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast;

const STEP: Duration = Duration::from_millis(50);

type Context = RequestContext<RoleServer>;
type Answer<T> = std::result::Result<T, ErrorData>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Changed {
    Tools,
    Prompts,
}

struct UnderTest {
    fixtures: Fixtures,
    changes: broadcast::Sender<Changed>,
    watched: Mutex<BTreeSet<String>>,
}

impl UnderTest {
    async fn progress(&self, context: &Context) {
        for done in [0.0, 50.0, 100.0] {
            if let Some(token) = context.meta.get_progress_token() {
                let note = ProgressNotificationParam::new(token.clone(), done).with_total(100.0);
                let _ = context.peer.notify_progress(note).await;
            }
            tokio::time::sleep(STEP).await;
        }
    }

    fn changed(&self, what: Changed) {
        // Where nobody listens there is nobody to be told.
        let _ = self.changes.send(what);
    }

    async fn log(&self, context: &Context, words: &[&str]) {
        for word in words {
            let note = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(word));
            let _ = context.peer.notify_logging_message(note).await;
            tokio::time::sleep(STEP).await;
        }
    }

    /// A question to the client of a session, while its call runs.
    async fn ask(&self, name: &str, arguments: &Value, context: &Context) -> Answer<CallToolResponse> {
        let request = if name == "test_sampling" {
            let text = arguments.get("prompt").cloned().unwrap_or_default();
            let message = json!({ "role": "user", "content": { "type": "text", "text": text } });
            let params = json!({ "messages": [message], "maxTokens": 100 });
            ServerRequest::CreateMessageRequest(CreateMessageRequest::new(answers::typed(params)?))
        } else {
            let mut params = self.fixtures.elicitation(name);
            if let Some(message) = arguments.get("message") {
                params["message"] = message.clone();
            }
            ServerRequest::ElicitRequest(ElicitRequest::new(answers::typed(params)?))
        };
        let said = match context.peer.send_request(request).await {
            Ok(said) => serde_json::to_value(said).unwrap_or_default(),
            Err(error) => return answers::text(&format!("the client did not answer: {error}"), true),
        };
        let text = match name {
            "test_sampling" => format!("LLM response: {}", said["content"]["text"].as_str().unwrap_or_default()),
            "test_elicitation" => format!("User response: action={}, content={}", said["action"], said["content"]),
            _ => format!("Elicitation completed: action={}, content={}", said["action"], said["content"]),
        };
        answers::text(&text, false)
    }
}

fn needs_sampling(context: &Context) -> Answer<()> {
    if context.client_capabilities().is_some_and(|can| can.sampling.is_some()) {
        return Ok(());
    }
    let needed = ClientCapabilities::builder().enable_sampling().build();
    Err(ErrorData::missing_required_client_capability(needed))
}

impl ServerHandler for UnderTest {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_completions()
            .enable_logging()
            .build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new("phasegate-conformance", "0.1.0"))
    }

    async fn list_tools(&self, _: Option<PaginatedRequestParams>, _: Context) -> Answer<ListToolsResult> {
        Ok(ListToolsResult::with_all_items(self.fixtures.list("tools")?))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let tools: Vec<Tool> = self.fixtures.list("tools").ok()?;
        tools.into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: Context) -> Answer<CallToolResponse> {
        let name = request.name.as_ref();
        if let Some(rounds) = self.fixtures.rounds(name) {
            let capabilities = context.client_capabilities().unwrap_or_default();
            let (responses, state) = (request.input_responses.as_ref(), request.request_state.as_deref());
            return match rounds::next(name, rounds, responses, state, &capabilities)? {
                rounds::Next::Ask(asked) => Ok((*asked).into()),
                rounds::Next::Done(text) => answers::text(&text, false),
            };
        }
        match name {
            "test_tool_with_progress" => self.progress(&context).await,
            "test_tool_with_logging" => {
                let words = ["Tool execution started", "Tool processing data", "Tool execution completed"];
                self.log(&context, &words).await;
            }
            "test_logging_tool" if context.meta.log_level().is_some() => self.log(&context, &["logged"]).await,
            "test_reconnection" => tokio::time::sleep(STEP * 4).await,
            "test_missing_capability" => needs_sampling(&context)?,
            "test_trigger_tool_change" => self.changed(Changed::Tools),
            "test_trigger_prompt_change" => self.changed(Changed::Prompts),
            "test_sampling"
            | "test_elicitation"
            | "test_elicitation_sep1034_defaults"
            | "test_elicitation_sep1330_enums" => {
                let arguments = Value::Object(request.arguments.unwrap_or_default());
                return self.ask(name, &arguments, &context).await;
            }
            _ => {}
        }
        self.fixtures.result(name)
    }

    async fn list_resources(&self, _: Option<PaginatedRequestParams>, _: Context) -> Answer<ListResourcesResult> {
        Ok(ListResourcesResult::with_all_items(self.fixtures.list("resources")?))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Answer<ListResourceTemplatesResult> {
        Ok(ListResourceTemplatesResult::with_all_items(self.fixtures.list("templates")?))
    }

    async fn read_resource(&self, request: ReadResourceRequestParams, _: Context) -> Answer<ReadResourceResponse> {
        self.fixtures.resource(&request.uri).map(Into::into)
    }

    async fn list_prompts(&self, _: Option<PaginatedRequestParams>, _: Context) -> Answer<ListPromptsResult> {
        Ok(ListPromptsResult::with_all_items(self.fixtures.list("prompts")?))
    }

    async fn get_prompt(&self, request: GetPromptRequestParams, context: Context) -> Answer<GetPromptResponse> {
        let name = request.name.as_str();
        if let Some(rounds) = self.fixtures.rounds(name) {
            let capabilities = context.client_capabilities().unwrap_or_default();
            let (responses, state) = (request.input_responses.as_ref(), request.request_state.as_deref());
            if let rounds::Next::Ask(asked) = rounds::next(name, rounds, responses, state, &capabilities)? {
                return Ok((*asked).into());
            }
        }
        self.fixtures.prompt(name, request.arguments.as_ref()).map(Into::into)
    }

    async fn complete(&self, request: CompleteRequestParams, _: Context) -> Answer<CompleteResult> {
        let known = ["paris", "park", "party"].into_iter().filter(|word| word.starts_with(&request.argument.value));
        let info = CompletionInfo::new(known.map(str::to_owned).collect());
        info.map(CompleteResult::new).map_err(|why| ErrorData::internal_error(why, None))
    }

    async fn set_level(&self, _: SetLevelRequestParams, _: Context) -> Answer<()> {
        Ok(())
    }

    async fn subscribe(&self, request: SubscribeRequestParams, _: Context) -> Answer<()> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).insert(request.uri);
        Ok(())
    }

    async fn unsubscribe(&self, request: UnsubscribeRequestParams, _: Context) -> Answer<()> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).remove(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Answer<()> {
        let mut changes = self.changes.subscribe();
        loop {
            let changed = tokio::select! {
                changed = changes.recv() => changed,
                () = context.cancelled() => return Ok(()),
            };
            let (sink, accepted) = (context.sink(), context.accepted());
            let told = match changed {
                Ok(Changed::Tools) if accepted.tools_list_changed == Some(true) => {
                    sink.notify_tool_list_changed().await
                }
                Ok(Changed::Prompts) if accepted.prompts_list_changed == Some(true) => {
                    sink.notify_prompt_list_changed().await
                }
                Ok(_) => continue,
                Err(_) => return Ok(()),
            };
            if told.is_err() {
                return Ok(());
            }
        }
    }
}

fn main() -> Result<()> {
    let address = std::env::args().nth(1).and_then(|word| word.parse::<SocketAddr>().ok());
    let address = address.ok_or_else(|| Error::other("usage: conformance ADDR, such as 127.0.0.1:8765"))?;
    let folder = tempfile::tempdir()?;
    let workspace = Workspace::find(Some(folder.path()), folder.path())?;
    let engine = phasegate::engine::open(workspace, &Settings::default(), Arc::new(System)).map_err(Error::other)?;
    let app = App::new(Arc::new(engine), Options::at(address));
    let under_test =
        UnderTest { fixtures: Fixtures::read()?, changes: broadcast::Sender::new(16), watched: Mutex::default() };
    let everybody = Principal { caller: Caller::new("suite", Role::Agent), credential: None, calls_per_minute: None };
    let router = router_around(&app, under_test, everybody);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listeners = listen::bind(address).await?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stopped = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        };
        listen::serve_routes(app, router.into(), listeners, stopped).await
    })
}
