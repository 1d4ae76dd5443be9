//! What was sent on the streams of sessions, for clients whose connection broke: bounded, in memory, gone with the session.
//! The protocol of 2026-07-28 has no such thing; there, a stream that is closed is a call that is cancelled.

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{Stream, stream};
use rmcp::model::JsonRpcMessage;
use rmcp::transport::streamable_http_server::session::{
    EventId, EventStore, EventStoreError, EventStream, ServerSseMessage, SessionId,
};
use tokio::sync::Notify;

const EVENTS_PER_STREAM_MAX: usize = 256;
const BYTES_PER_STREAM_MAX: usize = 1 << 20;
/// Streams of a session that have ended and whose events are still kept.
const ENDED_PER_SESSION_MAX: usize = 16;
const BYTES_MAX: usize = 32 << 20;
/// rmcp's name of the stream that belongs to a session and to no request.
const OWN_STREAM: &str = ":common";

type Done = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub struct Replay {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    streams: HashMap<String, Log>,
    /// Of each session, the streams that have ended, oldest first.
    ended: HashMap<SessionId, VecDeque<String>>,
    /// Streams by the order in which they ended. Those that are gone meanwhile are passed over.
    oldest: VecDeque<String>,
    bytes: usize,
}

#[derive(Default)]
struct Log {
    session: Option<SessionId>,
    events: VecDeque<(u64, ServerSseMessage, usize)>,
    next: u64,
    bytes: usize,
    ended: bool,
    done: Option<Done>,
    changed: Arc<Notify>,
}

impl Held {
    fn drop_stream(&mut self, id: &str) {
        if let Some(log) = self.streams.remove(id) {
            self.bytes = self.bytes.saturating_sub(log.bytes);
            log.changed.notify_waiters();
        }
    }

    fn file_ended(&mut self, id: &str, session: &SessionId) {
        self.oldest.push_back(id.to_owned());
        let ended = self.ended.entry(session.clone()).or_default();
        ended.push_back(id.to_owned());
        let over = if ended.len() > ENDED_PER_SESSION_MAX { ended.pop_front() } else { None };
        if let Some(over) = over {
            self.drop_stream(&over);
        }
        while self.bytes > BYTES_MAX || self.oldest.len() > self.streams.len() * 2 + ENDED_PER_SESSION_MAX {
            let Some(oldest) = self.oldest.pop_front() else { break };
            if self.streams.get(&oldest).is_some_and(|log| log.ended) && self.bytes > BYTES_MAX {
                self.drop_stream(&oldest);
            }
        }
    }
}

impl Replay {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whose the stream is that this event opened, and what to do once its request is answered.
    pub fn bind(&self, event: &str, session: &SessionId, done: impl FnOnce() + Send + 'static) {
        let Some((id, _)) = parts(event) else { return };
        let mut held = self.held();
        let Some(log) = held.streams.get_mut(id) else { return };
        log.session = Some(session.clone());
        if !log.ended {
            log.done = Some(Box::new(done));
            return;
        }
        held.file_ended(id, session);
        drop(held);
        done();
    }

    /// What came after this event on its stream, and what still comes. `None`: it is not one of this session's.
    pub fn after(
        self: &Arc<Self>,
        session: &SessionId,
        event: &str,
    ) -> Option<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static + use<>> {
        let (id, index) = parts(event)?;
        let known = self.held().streams.get(id)?.session.as_ref() == Some(session);
        known.then(|| follow(Arc::clone(self), id.to_owned(), index + 1))
    }

    pub fn forget_session(&self, session: &SessionId) {
        let mut held = self.held();
        held.ended.remove(session);
        let of_session = held.streams.iter().filter(|(_, log)| log.session.as_ref() == Some(session));
        let ids: Vec<String> = of_session.map(|(id, _)| id.clone()).collect();
        for id in ids {
            held.drop_stream(&id);
        }
    }

    fn store(&self, stream: &str, event: &ServerSseMessage) -> String {
        let bytes = event.message.as_deref().map_or(0, written_bytes);
        let ends = event
            .message
            .as_deref()
            .is_some_and(|message| matches!(message, JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_)));
        let mut held = self.held();
        let log = held.streams.entry(stream.to_owned()).or_default();
        if let Some(session) = stream.strip_suffix(OWN_STREAM) {
            log.session.get_or_insert_with(|| session.into());
        }
        let index = log.next;
        let id = format!("{stream}_{index}");
        log.next += 1;
        log.bytes += bytes;
        let mut kept = event.clone();
        kept.event_id = Some(id.clone());
        log.events.push_back((index, kept, bytes));
        let mut freed = 0;
        while log.events.len() > EVENTS_PER_STREAM_MAX || log.bytes > BYTES_PER_STREAM_MAX {
            let Some((_, _, bytes)) = log.events.pop_front() else { break };
            log.bytes -= bytes;
            freed += bytes;
        }
        log.ended = ends && !stream.ends_with(OWN_STREAM);
        let (done, ended, session) = (if log.ended { log.done.take() } else { None }, log.ended, log.session.clone());
        log.changed.notify_waiters();
        held.bytes = (held.bytes + bytes).saturating_sub(freed);
        if let (true, Some(session)) = (ended, session) {
            held.file_ended(stream, &session);
        }
        drop(held);
        if let Some(done) = done {
            done();
        }
        id
    }
}

/// The stream of an event, and its place there.
fn parts(event: &str) -> Option<(&str, u64)> {
    let (stream, index) = event.rsplit_once('_')?;
    Some((stream, index.parse().ok()?))
}

fn follow(
    replay: Arc<Replay>,
    id: String,
    from: u64,
) -> impl Stream<Item = ServerSseMessage> + Send + Sync + 'static + use<> {
    stream::unfold((replay, id, from), |(replay, id, from)| async move {
        loop {
            let changed = {
                let held = replay.held();
                let log = held.streams.get(&id)?;
                if let Some((index, event, _)) = log.events.iter().find(|(index, _, _)| *index >= from) {
                    let next = (event.clone(), index + 1);
                    drop(held);
                    return Some((next.0, (replay, id, next.1)));
                }
                if log.ended {
                    return None;
                }
                Arc::clone(&log.changed).notified_owned()
            };
            changed.await;
        }
    })
}

fn written_bytes(message: &impl serde::Serialize) -> usize {
    struct Count(usize);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // What cannot be written is not sent either.
    let _ = serde_json::to_writer(&mut count, message);
    count.0
}

#[async_trait::async_trait]
impl EventStore for Replay {
    async fn store_event(&self, stream: &str, event: &ServerSseMessage) -> Result<EventId, EventStoreError> {
        Ok(self.store(stream, event))
    }

    /// Not asked: whose an event is, only a session's `resume` knows.
    async fn replay_events_after(&self, _last: &str) -> Result<EventStream, EventStoreError> {
        Ok(Box::pin(stream::empty()))
    }
}
