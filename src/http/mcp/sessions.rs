//! Sessions of the protocol before 2026-07-28: each belongs to whoever opened it and does not exist for others; there are so
//! many, all together and for each agent, and one that nobody uses makes room. What runs in a session is rmcp's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorData, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, SessionError, SessionTransport,
};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager};
use thiserror::Error;
use tokio::time::Instant;

use crate::domain::credential::Principal;
use crate::domain::facts::Role;
use crate::domain::ids::AgentName;

use super::super::options::Limits;
use super::replay::Replay;

/// What rmcp numbers the first event of a session's own stream.
const FIRST_EVENT: &str = "0";
const CHANNEL_MESSAGES: usize = 16;

/// Whom a session belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    agent: AgentName,
    role: Role,
}

impl Owner {
    pub fn of(principal: &Principal) -> Self {
        Self { agent: principal.caller.agent.clone(), role: principal.caller.role }
    }
}

tokio::task_local! {
    static VISIT: Visit;
}

/// One HTTP request on its way through rmcp, which does not know who calls.
#[derive(Clone)]
pub struct Visit {
    owner: Owner,
    no_room: Arc<AtomicBool>,
}

impl Visit {
    pub fn new(owner: Owner) -> Self {
        Self { owner, no_room: Arc::default() }
    }

    pub async fn during<F: Future>(&self, work: F) -> F::Output {
        VISIT.scope(self.clone(), work).await
    }

    pub fn found_no_room(&self) -> bool {
        self.no_room.load(Ordering::Relaxed)
    }
}

struct Known {
    owner: Owner,
    /// Rises with each use of any session.
    used: u64,
    /// Requests without an answer.
    open: Vec<RequestId>,
    /// Streams of answers that somebody reads.
    read: usize,
    /// When rmcp last got a message of this session, which is what keeps it there. None: it is not greeted yet.
    heard: Option<Instant>,
}

impl Known {
    fn is_idle(&self) -> bool {
        self.open.is_empty() && self.read == 0
    }
}

#[derive(Default)]
struct Book {
    sessions: HashMap<SessionId, Known>,
    uses: u64,
}

pub struct Sessions {
    local: Arc<LocalSessionManager>,
    replay: Arc<Replay>,
    book: Arc<Mutex<Book>>,
    most: usize,
    most_per_agent: usize,
    /// After that long rmcp has to hear of a session again, lest it takes it for left.
    unheard_max: Duration,
}

#[derive(Debug, Error)]
pub enum SessionFault {
    #[error("there is no room for another session")]
    NoRoom,
    #[error("there is no such session")]
    Unknown,
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl Sessions {
    pub fn new(limits: &Limits) -> Self {
        let book = Arc::new(Mutex::new(Book::default()));
        let replay = Arc::new(Replay::default());
        let mut local = LocalSessionManager::default();
        local.session_config.keep_alive = Some(limits.session_idle);
        local.session_config.channel_capacity = CHANNEL_MESSAGES;
        let local = Arc::new(local.with_event_store(Arc::clone(&replay) as _));
        Self {
            local,
            replay,
            book,
            most: limits.sessions,
            most_per_agent: limits.sessions_per_agent,
            unheard_max: limits.session_idle / 4,
        }
    }

    /// Whether this session is there for this caller.
    pub fn is_of(&self, id: &str, owner: &Owner) -> bool {
        let mut book = held(&self.book);
        book.uses += 1;
        let uses = book.uses;
        let Some(known) = book.sessions.get_mut(id).filter(|known| known.owner == *owner) else { return false };
        known.used = uses;
        true
    }

    fn is_callers(&self, id: &SessionId) -> bool {
        VISIT.try_with(|visit| self.is_of(id, &visit.owner)).unwrap_or(false)
    }

    /// Makes room for one more of this owner's: its own oldest idle session goes, or the oldest idle one of whoever has most.
    fn room_for(&self, owner: &Owner) -> Option<Vec<SessionId>> {
        let mut book = held(&self.book);
        let mut gone = Vec::new();
        let own = book.sessions.values().filter(|known| known.owner.agent == owner.agent).count();
        let from = if own >= self.most_per_agent {
            owner.agent.clone()
        } else if book.sessions.len() >= self.most {
            let mut counts: HashMap<&AgentName, usize> = HashMap::new();
            for known in book.sessions.values() {
                *counts.entry(&known.owner.agent).or_default() += 1;
            }
            counts.into_iter().max_by_key(|(_, count)| *count).map(|(agent, _)| agent.clone())?
        } else {
            return Some(gone);
        };
        let idle = book.sessions.iter().filter(|(_, known)| known.owner.agent == from && known.is_idle());
        let oldest = idle.min_by_key(|(_, known)| known.used).map(|(id, _)| id.clone())?;
        book.sessions.remove(&oldest);
        gone.push(oldest);
        Some(gone)
    }

    fn end(&self, id: SessionId) {
        self.replay.forget_session(&id);
        let local = Arc::clone(&self.local);
        // A session that is stuck takes its time to end, and whoever needs the room does not wait for that.
        tokio::spawn(async move {
            let _ = local.close_session(&id).await;
        });
    }

    /// Books a request of a session that is answered without rmcp, and nothing where there is no session. None where rmcp has to
    /// have it: the session is not this caller's, is not greeted, or rmcp has not heard of it for long; or the id is in use.
    pub fn open(&self, session: Option<&str>, owner: &Owner, request: &RequestId) -> Option<Open> {
        let Some(id) = session else { return Some(Open(None)) };
        let mut book = held(&self.book);
        book.uses += 1;
        let uses = book.uses;
        let known = book.sessions.get_mut(id).filter(|known| known.owner == *owner)?;
        let is_fresh = known.heard.is_some_and(|heard| heard.elapsed() < self.unheard_max);
        if !is_fresh || known.open.contains(request) {
            return None;
        }
        known.used = uses;
        known.open.push(request.clone());
        Some(Open(Some((Arc::clone(&self.book), id.into(), request.clone()))))
    }

    /// Books a request as open. `Err` is what to answer instead.
    fn book_request(&self, id: &SessionId, request: &RequestId, method: &ClientRequest) -> Result<(), ErrorData> {
        if matches!(method, ClientRequest::InitializeRequest(_)) {
            return Err(ErrorData::invalid_request("already initialized; go on with other requests", None));
        }
        let mut book = held(&self.book);
        let Some(known) = book.sessions.get_mut(id) else {
            return Err(ErrorData::invalid_request("the session has ended; begin a new one with `initialize`", None));
        };
        if known.open.contains(request) {
            let message = format!("id `{request}` belongs to a request in flight; give every request an id of its own");
            return Err(ErrorData::invalid_request(message, None));
        }
        known.open.push(request.clone());
        known.heard = known.heard.map(|_| Instant::now());
        Ok(())
    }

    fn reading(&self, id: &SessionId) -> Reading {
        if let Some(known) = held(&self.book).sessions.get_mut(id) {
            known.read += 1;
        }
        Reading { book: Arc::clone(&self.book), session: id.clone() }
    }

    /// Says of a request that it is answered once its answer has been stored.
    fn answered(&self, id: &SessionId, request: RequestId) -> impl FnOnce() + Send + 'static {
        let (book, session) = (Arc::clone(&self.book), id.clone());
        move || no_longer_open(&book, &session, &request)
    }
}

fn held(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_longer_open(book: &Mutex<Book>, session: &SessionId, request: &RequestId) {
    if let Some(known) = held(book).sessions.get_mut(session) {
        known.open.retain(|open| open != request);
    }
}

/// A request that is answered without rmcp, until it is.
pub struct Open(Option<(Arc<Mutex<Book>>, SessionId, RequestId)>);

impl Drop for Open {
    fn drop(&mut self) {
        if let Some((book, session, request)) = &self.0 {
            no_longer_open(book, session, request);
        }
    }
}

/// A stream of answers while somebody reads it.
struct Reading {
    book: Arc<Mutex<Book>>,
    session: SessionId,
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(known) = held(&self.book).sessions.get_mut(&self.session) {
            known.read = known.read.saturating_sub(1);
        }
    }
}

type Events = std::pin::Pin<Box<dyn Stream<Item = ServerSseMessage> + Send + Sync>>;

fn read_by(events: impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, reading: Reading) -> Events {
    Box::pin(events.map(move |event| {
        let _held = &reading;
        event
    }))
}

fn refused(error: ErrorData, id: Option<RequestId>) -> Events {
    let message = ServerJsonRpcMessage::error(error, id);
    Box::pin(stream::once(async move { ServerSseMessage::from_message(message) }))
}

impl SessionManager for Sessions {
    type Error = SessionFault;
    type Transport = SessionTransport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let visit = VISIT.try_with(Visit::clone).map_err(|_| SessionFault::Unknown)?;
        let Some(gone) = self.room_for(&visit.owner) else {
            visit.no_room.store(true, Ordering::Relaxed);
            return Err(SessionFault::NoRoom);
        };
        gone.into_iter().for_each(|id| self.end(id));
        let (id, transport) = self.local.create_session().await?;
        let mut book = held(&self.book);
        book.uses += 1;
        let known = Known { owner: visit.owner, used: book.uses, open: Vec::new(), read: 0, heard: None };
        book.sessions.insert(id.clone(), known);
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        Ok(self.local.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        Ok(self.is_callers(id))
    }

    /// By its owner, or by the end of what ran in it.
    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        held(&self.book).sessions.remove(id);
        self.replay.forget_session(id);
        Ok(self.local.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let JsonRpcMessage::Request(request) = &message else { return Err(SessionFault::Unknown) };
        let request_id = request.id.clone();
        if let Err(error) = self.book_request(id, &request_id, &request.request) {
            // Without the id where it would be taken for the answer to another request.
            let open = held(&self.book).sessions.get(id).is_some_and(|known| known.open.contains(&request_id));
            return Ok(refused(error, (!open).then_some(request_id)));
        }
        let mut events = match self.local.create_stream(id, message).await {
            Ok(events) => Box::pin(events),
            Err(error) => {
                no_longer_open(&self.book, id, &request_id);
                return Err(error.into());
            }
        };
        // The first event only opens the stream, and is there already. It says which stream is this session's.
        let first = events.next().await;
        if let Some(event) = first.as_ref().and_then(|first| first.event_id.as_deref()) {
            self.replay.bind(event, id, self.answered(id, request_id));
        }
        Ok(read_by(stream::iter(first).chain(events), self.reading(id)))
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        if let JsonRpcMessage::Notification(notification) = &message
            && let ClientNotification::CancelledNotification(cancelled) = &notification.notification
            && let Some(request) = &cancelled.params.request_id
        {
            // rmcp does not answer what was cancelled.
            no_longer_open(&self.book, id, request);
        }
        let greets = matches!(&message, JsonRpcMessage::Notification(notification)
            if matches!(notification.notification, ClientNotification::InitializedNotification(_)));
        self.local.accept_message(id, message).await?;
        if greets && let Some(known) = held(&self.book).sessions.get_mut(id) {
            known.heard = Some(Instant::now());
        }
        Ok(())
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let events = self.local.create_standalone_stream(id).await?;
        Ok(read_by(events, self.reading(id)))
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        if last_event_id == FIRST_EVENT {
            let events = self.local.create_standalone_stream(id).await?;
            return Ok(read_by(events, self.reading(id)));
        }
        let events = self.replay.after(id, &last_event_id).ok_or(SessionFault::Unknown)?;
        Ok(read_by(events, self.reading(id)))
    }
}
