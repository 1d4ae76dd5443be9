//! What is in flight on one stdio connection: requests, replies not yet written, questions to the client.
//! Bookkeeping only: it reads nothing, writes nothing, and knows no method.
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::{ErrorData, JsonRpcMessage, RequestId, ServerJsonRpcMessage, ServerNotification};
use tokio::sync::Notify;

use super::stdio::StdioLimits;

/// A buffer larger than this is not kept for the next batch.
const KEPT_BYTES: usize = 256 * 1024;

/// What others may see of the connection, and where the guard counts.
#[derive(Clone)]
pub struct StdioHandle {
    flow: Arc<Flow>,
}

impl StdioHandle {
    pub(super) fn new(flow: Arc<Flow>) -> Self {
        Self { flow }
    }

    /// The client has sent `initialize`, or a first request of the 2026-07-28 kind.
    pub fn lifecycle_chosen(&self) -> bool {
        self.flow.lifecycle_chosen()
    }

    /// Requests not yet answered, subscriptions and requests read ahead included.
    pub fn in_flight(&self) -> usize {
        self.flow.state().flights.len()
    }

    /// Requests with the service, those included that were cancelled and whose handlers are still at work.
    pub fn working(&self) -> usize {
        let state = self.flow.state();
        state.working() + state.waits()
    }

    /// Says that every handler will `enter`.
    pub(super) fn will_enter(&self) {
        self.flow.state().counted = true;
    }

    /// Kept by a handler for as long as it is at work.
    pub(super) fn enter(&self, id: RequestId) -> Running {
        Running { flow: self.flow.clone(), id }
    }
}

pub(super) struct Running {
    flow: Arc<Flow>,
    id: RequestId,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.flow.state();
        if state.orphans.remove(&self.id) | state.left.remove(&self.id) | state.ending.remove(&self.id) {
            self.flow.wake_reader(&mut state);
        }
    }
}

pub(super) enum Admission {
    Now,
    Later,
    Never,
}

/// Bytes on their way to the client, and how many requests of which size they answer.
#[derive(Default)]
pub(super) struct Batch {
    pub bytes: Vec<u8>,
    replies: usize,
    request_bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Parked,
    Active,
    /// With the service, which waits for a person.
    Waiting,
    Listening,
}

/// Among which others a request is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Work,
    /// It waits for a person, for minutes at times.
    Waits,
    /// A subscription, which has no end of its own.
    Listens,
}

struct Flight {
    stage: Stage,
    bytes: usize,
}

#[derive(Default)]
struct State {
    /// Requests without a reply.
    flights: HashMap<RequestId, Flight>,
    /// Requests with the service, or whose reply is not written yet.
    active: usize,
    active_bytes: usize,
    waiting: usize,
    waiting_bytes: usize,
    listening: usize,
    counted: bool,
    /// Cancelled requests whose handlers are still at work. They hold their place and their id, but not the end.
    orphans: HashSet<RequestId>,
    /// The same of those that waited for a person; they hold a place among these.
    left: HashSet<RequestId>,
    /// Subscriptions that were told to end and whose handlers are still at work: rmcp waits for them once nothing more is
    /// read, and they may wait for rmcp.
    ending: HashSet<RequestId>,
    unsent: Batch,
    writing: usize,
    asked: HashSet<RequestId>,
    chosen: bool,
    broken: bool,
    closing: bool,
    /// The reader can do nothing until something here changes.
    reader_waits: bool,
}

impl State {
    fn land(&mut self, id: &RequestId) {
        let Some(flight) = self.flights.remove(id) else { return };
        match flight.stage {
            Stage::Active => {
                self.active -= 1;
                self.active_bytes -= flight.bytes;
            }
            Stage::Waiting => {
                self.waiting -= 1;
                self.waiting_bytes -= flight.bytes;
            }
            Stage::Listening => self.listening -= 1,
            Stage::Parked => {}
        }
    }

    fn working(&self) -> usize {
        self.active + self.orphans.len()
    }

    fn waits(&self) -> usize {
        self.waiting + self.left.len()
    }

    fn unsent_bytes(&self) -> usize {
        self.unsent.bytes.len() + self.writing
    }
}

pub(super) struct Flow {
    state: Mutex<State>,
    changed: Notify,
    queued: Notify,
    written: Notify,
    in_flight: usize,
    in_flight_bytes: usize,
    unsent_bytes: usize,
}

impl Flow {
    pub fn new(limits: &StdioLimits) -> Self {
        Self {
            state: Mutex::default(),
            changed: Notify::new(),
            queued: Notify::new(),
            written: Notify::new(),
            in_flight: limits.in_flight.max(1),
            in_flight_bytes: limits.in_flight_bytes,
            unsent_bytes: limits.unsent_bytes,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_reader(&self, state: &mut State) {
        if std::mem::take(&mut state.reader_waits) {
            self.changed.notify_one();
        }
    }

    pub fn lifecycle_chosen(&self) -> bool {
        self.state().chosen
    }

    pub fn choose_lifecycle(&self) {
        self.state().chosen = true;
    }

    pub fn broken(&self) -> bool {
        self.state().broken
    }

    pub fn knows(&self, id: &RequestId) -> bool {
        let state = self.state();
        state.flights.contains_key(id) || state.orphans.contains(id) || state.left.contains(id)
    }

    /// Books a request. Those read ahead go first.
    pub fn admit(&self, id: &RequestId, bytes: usize, kind: Kind, others_wait: bool) -> Admission {
        let mut state = self.state();
        let (stage, admission) = if kind == Kind::Listens {
            if state.listening >= self.in_flight {
                return Admission::Never;
            }
            state.listening += 1;
            (Stage::Listening, Admission::Now)
        } else if kind == Kind::Waits {
            let is_full = state.waiting > 0 && state.waiting_bytes + bytes > self.in_flight_bytes;
            if is_full || state.waits() >= self.in_flight {
                return Admission::Never;
            }
            state.waiting += 1;
            state.waiting_bytes += bytes;
            (Stage::Waiting, Admission::Now)
        } else if others_wait || !self.free(&state, bytes) {
            state.reader_waits = true;
            (Stage::Parked, Admission::Later)
        } else {
            state.active += 1;
            state.active_bytes += bytes;
            (Stage::Active, Admission::Now)
        };
        state.flights.insert(id.clone(), Flight { stage, bytes });
        admission
    }

    fn free(&self, state: &State, bytes: usize) -> bool {
        state.working() < self.in_flight && (state.active == 0 || state.active_bytes + bytes <= self.in_flight_bytes)
    }

    /// Moves a request read ahead to those in flight, if there is room.
    pub fn admit_parked(&self, id: &RequestId) -> bool {
        let mut state = self.state();
        let bytes = state.flights.get(id).map_or(0, |flight| flight.bytes);
        if !self.free(&state, bytes) {
            state.reader_waits = true;
            return false;
        }
        if let Some(flight) = state.flights.get_mut(id) {
            flight.stage = Stage::Active;
            state.active += 1;
            state.active_bytes += bytes;
        }
        true
    }

    pub fn forget(&self, id: &RequestId) {
        self.state().land(id);
    }

    /// Whether the request was still unanswered. rmcp drops the reply of a cancelled request, so it is over here.
    pub fn cancel(&self, id: &RequestId) -> bool {
        let mut state = self.state();
        let Some(flight) = state.flights.get(id) else { return false };
        let stage = flight.stage;
        if state.counted && stage == Stage::Active {
            state.orphans.insert(id.clone());
        } else if state.counted && stage == Stage::Waiting {
            state.left.insert(id.clone());
        }
        state.land(id);
        true
    }

    pub fn asks(&self) -> bool {
        !self.state().asked.is_empty()
    }

    /// Whether this answers something the server asked. Some clients turn a number id into a string.
    pub fn answered(&self, id: &RequestId) -> bool {
        let mut state = self.state();
        state.asked.remove(id)
            || match id {
                RequestId::String(text) => {
                    text.parse().is_ok_and(|number| state.asked.remove(&RequestId::Number(number)))
                }
                RequestId::Number(_) => false,
            }
    }

    pub fn next_asked(&self) -> Option<RequestId> {
        let mut state = self.state();
        let id = state.asked.iter().next().cloned()?;
        state.asked.remove(&id);
        Some(id)
    }

    pub fn next_listener(&self) -> Option<RequestId> {
        let mut state = self.state();
        let (id, _) = state.flights.iter().find(|(_, flight)| flight.stage == Stage::Listening)?;
        let id = id.clone();
        state.land(&id);
        if state.counted {
            state.ending.insert(id.clone());
        }
        Some(id)
    }

    /// Nothing in flight and nothing unsent.
    pub fn idle(&self) -> bool {
        let mut state = self.state();
        state.reader_waits = true;
        state.flights.is_empty() && state.ending.is_empty() && state.unsent_bytes() == 0
    }

    /// So much is unsent that nothing more should be read.
    pub fn clogged(&self) -> bool {
        let mut state = self.state();
        state.reader_waits |= state.unsent_bytes() > self.unsent_bytes;
        state.unsent_bytes() > self.unsent_bytes
    }

    /// Queues an answer of the transport's own.
    pub fn answer(&self, message: &ServerJsonRpcMessage) {
        let mut state = self.state();
        if !state.broken && append(&mut state.unsent.bytes, message).is_ok() {
            self.queued.notify_one();
        }
    }

    /// Queues what rmcp sends.
    pub fn queue(&self, message: ServerJsonRpcMessage) -> io::Result<()> {
        let mut state = self.state();
        if state.broken {
            return Ok(());
        }
        let reply = match &message {
            JsonRpcMessage::Response(response) => Some(response.id.clone()),
            JsonRpcMessage::Error(error) => error.id.clone(),
            JsonRpcMessage::Request(request) => {
                state.asked.insert(request.id.clone());
                self.wake_reader(&mut state);
                None
            }
            JsonRpcMessage::Notification(notification) => {
                // A question withdrawn: no answer is expected any more, and a late one goes no further.
                if let ServerNotification::CancelledNotification(cancelled) = &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    state.asked.remove(id);
                }
                None
            }
        };
        let state = &mut *state;
        if let Some(id) = reply {
            let Some(flight) = state.flights.remove(&id) else { return Ok(()) };
            match flight.stage {
                Stage::Listening => state.listening -= 1,
                Stage::Waiting => {
                    state.waiting -= 1;
                    state.waiting_bytes -= flight.bytes;
                }
                Stage::Active | Stage::Parked => {
                    state.unsent.replies += 1;
                    state.unsent.request_bytes += flight.bytes;
                }
            }
            if let Err(error) = append(&mut state.unsent.bytes, &message) {
                tracing::error!(%error, %id, "a reply cannot be written as json");
                let error = ErrorData::internal_error("the reply cannot be written as json", None);
                append(&mut state.unsent.bytes, &JsonRpcMessage::error(error, Some(id)))?;
            }
        } else {
            append(&mut state.unsent.bytes, &message)?;
        }
        self.queued.notify_one();
        Ok(())
    }

    /// Fills an empty batch with all that is unsent. `None`: there will be no more.
    pub fn take(&self, batch: &mut Batch) -> Option<bool> {
        let mut state = self.state();
        if state.unsent.bytes.is_empty() {
            return (!state.closing).then_some(false);
        }
        std::mem::swap(&mut state.unsent, batch);
        state.writing = batch.bytes.len();
        Some(true)
    }

    /// Books a batch as written, or the client as gone.
    pub fn wrote(&self, batch: &mut Batch, well: bool) {
        let mut state = self.state();
        state.active -= std::mem::take(&mut batch.replies);
        state.active_bytes -= std::mem::take(&mut batch.request_bytes);
        batch.bytes.clear();
        batch.bytes.shrink_to(KEPT_BYTES);
        state.writing = 0;
        if !well {
            state.broken = true;
            state.unsent = Batch::default();
            self.changed.notify_one();
        }
        self.wake_reader(&mut state);
        drop(state);
        self.written.notify_waiters();
    }

    pub fn close(&self) {
        self.state().closing = true;
        self.queued.notify_one();
    }

    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    pub async fn queued(&self) {
        self.queued.notified().await;
    }

    /// Until the client has taken enough for more to be queued.
    pub async fn room(&self) {
        self.until(self.unsent_bytes).await;
    }

    /// Until the client has taken everything.
    pub async fn drained(&self) {
        self.until(0).await;
    }

    async fn until(&self, bytes: usize) {
        loop {
            let written = self.written.notified();
            {
                let state = self.state();
                if state.broken || state.unsent_bytes() <= bytes {
                    return;
                }
            }
            written.await;
        }
    }
}

/// One line, or nothing at all.
fn append(bytes: &mut Vec<u8>, message: &ServerJsonRpcMessage) -> io::Result<()> {
    let start = bytes.len();
    if let Err(error) = serde_json::to_writer(&mut *bytes, message) {
        bytes.truncate(start);
        return Err(error.into());
    }
    bytes.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use rmcp::model::{CancelledNotification, CancelledNotificationParam, CustomRequest, ServerRequest};

    use super::*;

    #[test]
    fn a_question_withdrawn_expects_no_answer() {
        let flow = Flow::new(&StdioLimits::default());
        let id = RequestId::Number(4);
        let question = ServerRequest::CustomRequest(CustomRequest::new("x/question", None));
        flow.queue(JsonRpcMessage::request(question, id.clone())).unwrap();
        assert!(flow.asks());
        let withdrawn = CancelledNotification::new(CancelledNotificationParam::new(Some(id.clone()), None));
        flow.queue(JsonRpcMessage::notification(withdrawn.into())).unwrap();
        assert!(!flow.asks() && !flow.answered(&id));
    }
}
