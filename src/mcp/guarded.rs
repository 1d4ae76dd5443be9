//! A handler where rmcp itself runs it, as over HTTP: one that panics is answered, and only so many calls of one caller are at
//! work at a time. No policy here: who may do what belongs to the handler inside.

#![expect(deprecated, reason = "what the older protocol has is passed on too")]

use std::borrow::Cow;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use http::request::Parts;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CancelledNotificationParam, CompleteRequestParams,
    CompleteResult, CustomNotification, CustomRequest, CustomResult, DiscoverResult, ErrorCode, GetPromptRequestParams,
    GetPromptResponse, GetSkillRequestParams, GetSkillResult, GetTaskParams, GetTaskResult, InitializeRequestParams,
    InitializeResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult,
    ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ProtocolVersion,
    ReadResourceDirectoryRequestParams, ReadResourceDirectoryResult, ReadResourceRequestParams, ReadResourceResponse,
    ServerConfig, SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
    UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};

use crate::domain::credential::Principal;
use crate::domain::ids::AgentName;

use super::guard::{Panics, caught};

/// A connection that is given up does not end a call of the older protocol, so connections alone are no bound.
const CALLS_PER_CALLER_MAX: usize = 64;
const BUSY: ErrorCode = ErrorCode(-32_000);

pub struct Guarded<H> {
    inner: H,
    panics: Panics,
    at_work: Arc<Mutex<HashMap<AgentName, usize>>>,
}

/// One call at work.
pub(super) struct AtWork {
    all: Arc<Mutex<HashMap<AgentName, usize>>>,
    agent: AgentName,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = all.get_mut(&self.agent) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                all.remove(&self.agent);
            }
        }
    }
}

/// Who calls over HTTP.
pub fn principal(context: &RequestContext<RoleServer>) -> Option<&Arc<Principal>> {
    context.extensions.get::<Parts>()?.extensions.get::<Arc<Principal>>()
}

impl<H: ServerHandler> Guarded<H> {
    pub fn new(inner: H) -> Self {
        Self { inner, panics: Panics::default(), at_work: Arc::default() }
    }

    pub(super) fn inner(&self) -> &H {
        &self.inner
    }

    fn begin(&self, context: &RequestContext<RoleServer>) -> Result<Option<AtWork>, ErrorData> {
        principal(context).map(|principal| self.begin_for(principal)).transpose()
    }

    pub(super) fn begin_for(&self, principal: &Principal) -> Result<AtWork, ErrorData> {
        let agent = principal.caller.agent.clone();
        let mut all = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        let own = all.entry(agent.clone()).or_default();
        if *own >= CALLS_PER_CALLER_MAX {
            let message = format!("{CALLS_PER_CALLER_MAX} calls of `{agent}` are at work; wait for one to end");
            return Err(ErrorData::new(BUSY, message, None));
        }
        *own += 1;
        Ok(AtWork { all: Arc::clone(&self.at_work), agent })
    }

    /// The work lies on the heap: rmcp moves the state of a request from task to task, and inside of it would be that of every
    /// method there is.
    pub(super) async fn answered<T>(
        &self,
        what: &str,
        work: Pin<Box<dyn Future<Output = Result<T, ErrorData>> + Send + '_>>,
    ) -> Result<T, ErrorData> {
        caught(work).await.unwrap_or_else(|panic| {
            let reference = self.panics.report(what, panic.as_ref());
            let message = format!("internal error, reference {reference}; the log of the server has the details");
            Err(ErrorData::internal_error(message, None))
        })
    }

    async fn told(&self, work: Pin<Box<dyn Future<Output = ()> + Send + '_>>) {
        if let Err(panic) = caught(work).await {
            self.panics.report("notification", panic.as_ref());
        }
    }
}

/// Passes requests on, each guarded.
macro_rules! requests {
    ($($name:ident($params:ty) -> $result:ty;)+) => {
        $(async fn $name(&self, request: $params, context: RequestContext<RoleServer>) -> Result<$result, ErrorData> {
            self.answered(stringify!($name), Box::pin(self.inner.$name(request, context))).await
        })+
    };
}

impl<H: ServerHandler> ServerHandler for Guarded<H> {
    requests! {
        initialize(InitializeRequestParams) -> InitializeResult;
        complete(CompleteRequestParams) -> CompleteResult;
        set_level(SetLevelRequestParams) -> ();
        get_prompt(GetPromptRequestParams) -> GetPromptResponse;
        list_prompts(Option<PaginatedRequestParams>) -> ListPromptsResult;
        list_resources(Option<PaginatedRequestParams>) -> ListResourcesResult;
        list_resource_templates(Option<PaginatedRequestParams>) -> ListResourceTemplatesResult;
        read_resource(ReadResourceRequestParams) -> ReadResourceResponse;
        subscribe(SubscribeRequestParams) -> ();
        unsubscribe(UnsubscribeRequestParams) -> ();
        list_tools(Option<PaginatedRequestParams>) -> ListToolsResult;
        on_custom_request(CustomRequest) -> CustomResult;
        get_task(GetTaskParams) -> GetTaskResult;
        update_task(UpdateTaskParams) -> ();
        cancel_task(CancelTaskParams) -> ();
        list_skills(Option<PaginatedRequestParams>) -> ListSkillsResult;
        get_skill(GetSkillRequestParams) -> GetSkillResult;
        read_resource_directory(ReadResourceDirectoryRequestParams) -> ReadResourceDirectoryResult;
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let _at_work = self.begin(&context)?;
        self.answered("call_tool", Box::pin(self.inner.call_tool(request, context))).await
    }

    async fn ping(&self, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.answered("ping", Box::pin(self.inner.ping(context))).await
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        self.answered("discover", Box::pin(self.inner.discover(context))).await
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.answered("listen", Box::pin(self.inner.listen(context))).await
    }

    async fn on_cancelled(&self, params: CancelledNotificationParam, context: NotificationContext<RoleServer>) {
        self.told(Box::pin(self.inner.on_cancelled(params, context))).await;
    }

    async fn on_progress(&self, params: ProgressNotificationParam, context: NotificationContext<RoleServer>) {
        self.told(Box::pin(self.inner.on_progress(params, context))).await;
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.told(Box::pin(self.inner.on_initialized(context))).await;
    }

    async fn on_roots_list_changed(&self, context: NotificationContext<RoleServer>) {
        self.told(Box::pin(self.inner.on_roots_list_changed(context))).await;
    }

    async fn on_custom_notification(&self, params: CustomNotification, context: NotificationContext<RoleServer>) {
        self.told(Box::pin(self.inner.on_custom_notification(params, context))).await;
    }

    fn negotiate_initialize(&self, request: &InitializeRequestParams) -> Result<InitializeResult, ErrorData> {
        self.inner.negotiate_initialize(request)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.inner.supported_protocol_versions()
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.inner.accepted_subscription_filter(requested)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.inner.get_tool(name)
    }

    fn get_info(&self) -> ServerConfig {
        self.inner.get_info()
    }
}
