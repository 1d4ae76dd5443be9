//! The stdio transport: bounded lines in, one line a reply out, and the end of input held back until all is answered.
//! What a line may say is decided in `frame`; what a request does is decided by the service.
use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{
    CancelledNotification, CancelledNotificationParam, ClientJsonRpcMessage, ClientNotification, ClientRequest,
    ErrorCode, ErrorData, GetMeta, JsonRpcMessage, ProtocolVersion, RequestId, ServerJsonRpcMessage, ServerResult,
};
use rmcp::service::{QuitReason, ServerInitializeError, Service, ServiceExt};
use rmcp::transport::Transport;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::ends::{self, Source};
use super::flow::{Admission, Batch, Flow, Kind};
use super::frame::{self, Frame, FrameLimits, Id, Refusal};
use super::lines::{Line, Lines};
use super::methods::{self, Revision};
use super::{calling, typed, versions};

pub use super::flow::StdioHandle;

/// How long `close` waits for a client to take the last replies.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
pub struct StdioLimits {
    pub frame: FrameLimits,
    pub line_bytes: usize,
    /// Requests with the service at once; a request counts until its reply is written.
    pub in_flight: usize,
    /// Bytes of the lines of these requests. One request may always be in flight, whatever its size.
    pub in_flight_bytes: usize,
    /// Requests read ahead while `in_flight` is reached, so that a cancellation behind them is seen.
    pub parked: usize,
    pub parked_bytes: usize,
    /// Written but not yet taken by the client. Above this nothing more is read.
    pub unsent_bytes: usize,
    /// What the service speaks: the same list as its `supported_protocol_versions`.
    pub versions: Cow<'static, [ProtocolVersion]>,
}

impl Default for StdioLimits {
    fn default() -> Self {
        Self {
            frame: FrameLimits::default(),
            line_bytes: 4 << 20,
            in_flight: 64,
            in_flight_bytes: 8 << 20,
            parked: 256,
            parked_bytes: 1 << 20,
            unsent_bytes: 1 << 20,
            versions: Cow::Borrowed(ProtocolVersion::KNOWN_VERSIONS),
        }
    }
}

/// The process's own stdin and stdout. Needs a tokio runtime with io and time.
pub fn open(limits: StdioLimits) -> io::Result<StdioTransport> {
    let (source, target) = ends::open()?;
    Ok(StdioTransport::new(source, target, limits))
}

/// Serves until the client is done, or until `stop`: then what is at work has two seconds to be answered.
/// An end of input before the client chose a lifecycle is an end like any other.
pub async fn serve<S: Service<RoleServer>>(
    service: S,
    transport: StdioTransport,
    stop: impl Future<Output = ()>,
) -> Result<QuitReason, ServerInitializeError> {
    let handle = transport.handle();
    let mut stop = pin!(stop);
    let running = tokio::select! {
        running = service.serve(transport) => running,
        () = &mut stop => return Ok(QuitReason::Cancelled),
    };
    let running = match running {
        Ok(running) => running,
        Err(ServerInitializeError::ConnectionClosed(_)) if !handle.lifecycle_chosen() => return Ok(QuitReason::Closed),
        Err(error) => return Err(error),
    };
    let token = running.cancellation_token();
    let mut done = pin!(running.waiting());
    let reason = tokio::select! {
        reason = &mut done => reason,
        () = stop => {
            token.cancel();
            done.await
        }
    };
    Ok(reason.unwrap_or_else(QuitReason::JoinError))
}

pub struct StdioTransport {
    source: Source,
    lines: Lines,
    desk: Desk,
    writer: JoinHandle<()>,
}

impl StdioTransport {
    /// Over any two ends. Spawns the writer, so it needs a runtime.
    pub fn new<R, W>(source: R, target: W, limits: StdioLimits) -> Self
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let flow = Arc::new(Flow::new(&limits));
        let writer = tokio::spawn(write(flow.clone(), target));
        let lines = Lines::new(limits.line_bytes);
        let desk = Desk {
            flow,
            limits,
            opened: false,
            older: false,
            dialogs: false,
            parked: VecDeque::new(),
            parked_bytes: 0,
        };
        Self { source: Box::new(source), lines, desk, writer }
    }

    pub fn handle(&self) -> StdioHandle {
        StdioHandle::new(self.desk.flow.clone())
    }

    /// Everything that can be done with what has been read.
    fn turn(&mut self) -> Turn {
        loop {
            if self.desk.flow.broken() {
                return Turn::End;
            }
            if let Some(message) = self.desk.unpark() {
                return Turn::Hand(message);
            }
            if self.desk.full() {
                return Turn::Wait;
            }
            let message = match self.lines.next() {
                Line::Whole(line) => self.desk.take(line),
                Line::TooLong => {
                    self.desk.too_long();
                    None
                }
                Line::More => return Turn::Read,
                Line::End => return self.desk.finish(),
            };
            if let Some(message) = message {
                return Turn::Hand(message);
            }
        }
    }
}

#[expect(clippy::large_enum_variant, reason = "made and taken apart at once; a box would cost each message")]
enum Turn {
    Hand(ClientJsonRpcMessage),
    Read,
    Wait,
    End,
}

impl Transport<RoleServer> for StdioTransport {
    type Error = io::Error;

    fn send(&mut self, item: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let flow = self.desk.flow.clone();
        let reply = matches!(item, JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_));
        let queued = flow.queue(item);
        // rmcp may drop the transport right after a failed handshake: until one is done, replies go out first.
        let drain = !std::mem::replace(&mut self.desk.opened, flow.lifecycle_chosen());
        async move {
            queued?;
            if drain {
                flow.drained().await;
            } else if !reply {
                flow.room().await;
            }
            Ok(())
        }
    }

    // Dropped and called again by rmcp at any await: nothing may be held in this future.
    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            tokio::task::coop::consume_budget().await;
            match self.turn() {
                Turn::Hand(message) => return Some(message),
                Turn::End => return None,
                Turn::Wait => self.desk.flow.changed().await,
                Turn::Read => {
                    let room = self.lines.room();
                    tokio::select! {
                        read = self.source.read_buf(room) => match read {
                            Ok(0) => self.lines.end(),
                            Ok(_) => {}
                            Err(error) => {
                                tracing::debug!(%error, "stdin cannot be read; taken as its end");
                                self.lines.end();
                            }
                        },
                        () = self.desk.flow.changed() => {}
                    }
                }
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.desk.flow.close();
        if !self.writer.is_finished() && tokio::time::timeout(CLOSE_WAIT, &mut self.writer).await.is_err() {
            tracing::debug!("the client does not take its last replies; they are dropped");
            self.writer.abort();
        }
        Ok(())
    }
}

impl Drop for StdioTransport {
    fn drop(&mut self) {
        self.desk.flow.close();
    }
}

/// Takes lines, gives messages to rmcp, and answers by itself what rmcp should not see.
struct Desk {
    flow: Arc<Flow>,
    limits: StdioLimits,
    /// The reply that ends the handshake has been queued.
    opened: bool,
    /// The client began with `initialize`.
    older: bool,
    /// It shows forms, so that every question to a person may wait for one.
    dialogs: bool,
    parked: VecDeque<Parked>,
    parked_bytes: usize,
}

struct Parked {
    id: RequestId,
    request: ClientRequest,
    bytes: usize,
}

impl Desk {
    fn take(&mut self, line: &[u8]) -> Option<ClientJsonRpcMessage> {
        match frame::check(line, &self.limits.frame) {
            Frame::Request { id, method, params } => self.request(request_id(id), &method, params, line.len()),
            Frame::Notification { method, params } => self.notification(&method, params),
            Frame::Response(text) => self.response(text),
            Frame::Refused(Refusal { code, message, id }) => {
                self.refuse(ErrorData::new(ErrorCode(code), message, None), id.map(request_id));
                None
            }
            Frame::Nothing => None,
        }
    }

    fn too_long(&self) {
        let limit = self.limits.line_bytes;
        let message = format!("the line is longer than {limit} bytes; send less at once");
        self.refuse(ErrorData::invalid_request(message, None), None);
    }

    fn refuse(&self, error: ErrorData, id: Option<RequestId>) {
        self.flow.answer(&JsonRpcMessage::error(error, id));
    }

    fn request(
        &mut self,
        id: RequestId,
        method: &str,
        params: Option<&str>,
        bytes: usize,
    ) -> Option<ClientJsonRpcMessage> {
        let refused = if self.flow.knows(&id) {
            // Without the id: with it, the client would take this for the answer to the first request.
            let message = format!("id `{id}` belongs to a request in flight; give every request an id of its own");
            Err((ErrorData::invalid_request(message, None), None))
        } else if method == "initialize" && self.flow.lifecycle_chosen() {
            Err((ErrorData::invalid_request("already initialized; go on with other requests", None), Some(id.clone())))
        } else if let Some(message) = self.revision().and_then(|revision| methods::missing(method, revision)) {
            Err((ErrorData::new(ErrorCode::METHOD_NOT_FOUND, message, None), Some(id.clone())))
        } else {
            typed::request(method, params)
                .map_err(|message| ErrorData::invalid_params(message, None))
                .and_then(|request| self.lifecycle(method, &request).map(|()| request))
                .map_err(|error| (error, Some(id.clone())))
        };
        let request = match refused {
            Ok(request) => request,
            Err((error, id)) => {
                self.refuse(error, id);
                return None;
            }
        };
        if let ClientRequest::InitializeRequest(begin) = &request {
            self.older = true;
            self.dialogs = begin.params.capabilities.elicitation.is_some();
        }
        if matches!(request, ClientRequest::PingRequest(_)) && self.opened {
            // Whatever is at work, the client learns that somebody is there.
            self.flow.answer(&JsonRpcMessage::response(ServerResult::empty(()), id));
            return None;
        }
        let kind = match &request {
            ClientRequest::SubscriptionsListenRequest(_) => Kind::Listens,
            ClientRequest::CallToolRequest(call) if calling::waits_for_person(&call.params, self.dialogs) => {
                Kind::Waits
            }
            _ => Kind::Work,
        };
        match self.flow.admit(&id, bytes, kind, !self.parked.is_empty()) {
            Admission::Now => return Some(JsonRpcMessage::request(request, id)),
            Admission::Later => {
                self.parked_bytes += bytes;
                self.parked.push_back(Parked { id, request, bytes });
            }
            Admission::Never => {
                let message = match kind {
                    Kind::Waits => {
                        "too many calls wait for a person; call without `wait_seconds`, and again later for the answer"
                    }
                    Kind::Listens | Kind::Work => "too many subscriptions are open; cancel one first",
                };
                self.refuse(ErrorData::invalid_request(message, None), Some(id));
            }
        }
        None
    }

    /// Which one the client speaks, once that is known.
    fn revision(&self) -> Option<Revision> {
        let chosen = if self.older { Revision::Older } else { Revision::Newest };
        self.flow.lifecycle_chosen().then_some(chosen)
    }

    /// Follows rmcp's choice of a lifecycle, because rmcp ends the process when a notification comes before it.
    fn lifecycle(&self, method: &str, request: &ClientRequest) -> Result<(), ErrorData> {
        let meta = request.get_meta();
        let version = meta.protocol_version();
        if version.is_none() && meta.0.0.contains_key(versions::KEY) {
            // rmcp takes a version of another type for none, and in a legacy session the request would run.
            let message = format!("`{}` is not a string; send a protocol version", versions::KEY);
            return Err(ErrorData::invalid_params(message, None));
        }
        // Also where rmcp would answer, which repeats a version whatever its length.
        if let Some(version) = version.as_ref().filter(|version| version.as_str().len() > versions::BYTES_MAX) {
            return Err(versions::unsupported(version.as_str(), &self.limits.versions));
        }
        let complete = meta.missing_required_keys(&ProtocolVersion::V_2026_07_28).is_empty();
        let modern = complete && version == Some(ProtocolVersion::V_2026_07_28);
        // A request of that version is one wherever it comes: first, where rmcp does not know that yet, or in an older session,
        // where rmcp tells no more than the name of the method.
        let is_beginning = matches!(request, ClientRequest::InitializeRequest(_));
        if let Some(why) = methods::missing(method, Revision::Newest).filter(|_| modern && !is_beginning) {
            return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, why, None));
        }
        if self.flow.lifecycle_chosen() || matches!(request, ClientRequest::PingRequest(_)) {
            return Ok(());
        }
        if is_beginning {
            self.flow.choose_lifecycle();
            return Ok(());
        }
        if let Some(version) = version
            && !self.limits.versions.contains(&version)
        {
            return Err(versions::unsupported(version.as_str(), &self.limits.versions));
        }
        if complete && !matches!(request, ClientRequest::DiscoverRequest(_)) {
            self.flow.choose_lifecycle();
        }
        Ok(())
    }

    fn notification(&mut self, method: &str, params: Option<&str>) -> Option<ClientJsonRpcMessage> {
        if !self.flow.lifecycle_chosen() {
            return None;
        }
        let notification = typed::notification(method, params)?;
        if let ClientNotification::CancelledNotification(cancelled) = &notification {
            let id = cancelled.params.request_id.as_ref()?;
            if let Some(at) = self.parked.iter().position(|parked| parked.id == *id) {
                self.forget_parked(at);
                return None;
            }
            if !self.flow.cancel(id) {
                return None;
            }
        }
        Some(JsonRpcMessage::notification(notification))
    }

    fn forget_parked(&mut self, at: usize) {
        if let Some(parked) = self.parked.remove(at) {
            self.parked_bytes -= parked.bytes;
            self.flow.forget(&parked.id);
        }
    }

    fn response(&self, line: &str) -> Option<ClientJsonRpcMessage> {
        if !self.flow.asks() {
            return None;
        }
        let message = typed::response(line)?;
        let id = match &message {
            JsonRpcMessage::Response(response) => &response.id,
            JsonRpcMessage::Error(error) => error.id.as_ref()?,
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => return None,
        };
        self.flow.answered(id).then_some(message)
    }

    fn unpark(&mut self) -> Option<ClientJsonRpcMessage> {
        let next = self.parked.front()?;
        if !self.flow.admit_parked(&next.id) {
            return None;
        }
        let Parked { id, request, bytes } = self.parked.pop_front()?;
        self.parked_bytes -= bytes;
        Some(JsonRpcMessage::request(request, id))
    }

    fn full(&self) -> bool {
        self.parked.len() >= self.limits.parked || self.parked_bytes >= self.limits.parked_bytes || self.flow.clogged()
    }

    /// After the last line: what can no longer be answered is told so, the rest is waited for.
    fn finish(&self) -> Turn {
        if !self.parked.is_empty() {
            return Turn::Wait;
        }
        if let Some(id) = self.flow.next_asked() {
            let error = ErrorData::internal_error("the client closed its end before it answered", None);
            return Turn::Hand(JsonRpcMessage::error(error, Some(id)));
        }
        if let Some(id) = self.flow.next_listener() {
            let params = CancelledNotificationParam::new(Some(id), Some("the client closed its end".to_owned()));
            return Turn::Hand(JsonRpcMessage::notification(CancelledNotification::new(params).into()));
        }
        if self.flow.idle() { Turn::End } else { Turn::Wait }
    }
}

fn request_id(id: Id<'_>) -> RequestId {
    match id {
        Id::Number(number) => RequestId::Number(number),
        Id::Text(text) => RequestId::String(text.into()),
    }
}

/// Takes all that is queued and writes it at once, until the transport closes or the client is gone.
async fn write<W: AsyncWrite + Unpin>(flow: Arc<Flow>, mut target: W) {
    let mut batch = Batch::default();
    loop {
        match flow.take(&mut batch) {
            Some(true) => {}
            Some(false) => {
                flow.queued().await;
                continue;
            }
            None => return,
        }
        let mut wrote = target.write_all(&batch.bytes).await;
        if wrote.is_ok() {
            wrote = target.flush().await;
        }
        flow.wrote(&mut batch, wrote.is_ok());
        if let Err(error) = wrote {
            tracing::debug!(%error, "the client takes no more replies");
            return;
        }
    }
}
