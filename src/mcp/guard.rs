//! A wrapper around a service: a handler that panics is answered, and handlers still at work are counted.
//! No policy here: who may do what, time limits and records belong to the service inside.
use std::any::Any;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::{ClientNotification, ClientRequest, ProtocolVersion, ServerConfig, ServerResult};
use rmcp::service::{NotificationContext, RequestContext, Service};

use super::stdio::StdioHandle;

pub struct Guard<S> {
    inner: S,
    stdio: Option<StdioHandle>,
    panics: Panics,
}

/// Panics of handlers, counted and written down.
#[derive(Default)]
pub(super) struct Panics {
    seen: AtomicU64,
}

impl Panics {
    /// Logs a panic; what comes back is all that a client may know of it.
    pub(super) fn report(&self, what: &str, panic: &(dyn Any + Send)) -> String {
        let number = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
        let reference = format!("{:x}-{number}", std::process::id());
        let text = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        tracing::error!(reference, what, panic = text, "a handler panicked");
        reference
    }
}

impl<S> Guard<S> {
    pub fn new(inner: S) -> Self {
        Self { inner, stdio: None, panics: Panics::default() }
    }

    /// Lets the transport see handlers that run on after their request was cancelled.
    pub fn counting(mut self, stdio: StdioHandle) -> Self {
        stdio.will_enter();
        self.stdio = Some(stdio);
        self
    }
}

impl<S: Service<RoleServer>> Service<RoleServer> for Guard<S> {
    async fn handle_request(
        &self,
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        let id = context.id.clone();
        let _running = self.stdio.as_ref().map(|stdio| stdio.enter(id.clone()));
        let handler = async move { self.inner.handle_request(request, context).await };
        caught(handler).await.unwrap_or_else(|panic| {
            let reference = self.panics.report(&format!("request {id}"), panic.as_ref());
            Err(ErrorData::internal_error(
                format!("internal error, reference {reference}; the log of the server has the details"),
                None,
            ))
        })
    }

    async fn handle_notification(
        &self,
        notification: ClientNotification,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let handler = async move { self.inner.handle_notification(notification, context).await };
        caught(handler).await.unwrap_or_else(|panic| {
            self.panics.report("notification", panic.as_ref());
            Ok(())
        })
    }

    fn get_info(&self) -> ServerConfig {
        self.inner.get_info()
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.inner.supported_protocol_versions()
    }
}

/// Polls a future to its end or to its panic. Handlers share state only behind locks that recover from poisoning.
pub(super) async fn caught<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => std::task::Poll::Ready(Err(panic)),
    })
    .await
}
