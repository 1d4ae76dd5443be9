//! What is taken of the limits right now: response streams, which take permits, and bodies of requests. Connections are counted where they
//! are accepted (`listen`), calls a minute in `rate`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;

use crate::domain::credential::Principal;
use crate::domain::ids::AgentName;

use super::options::Limits;
use super::problem::Problem;

/// A client that meets a limit of streams may ask again after this many seconds.
const STREAM_RETRY_SECONDS: u32 = 5;

/// So many of the largest bodies may be held at once; what is small does not count.
const LARGEST_BODIES: usize = 64;

pub struct InUse {
    body_bytes_left: Arc<AtomicUsize>,
    streams: Arc<Mutex<Streams>>,
    streams_max: usize,
    streams_per_agent_max: usize,
}

#[derive(Default)]
struct Streams {
    all: usize,
    of: HashMap<AgentName, usize>,
}

/// One open stream. It counts until this is dropped, so it belongs into the body of the answer.
pub struct Permit {
    streams: Arc<Mutex<Streams>>,
    agent: AgentName,
}

impl InUse {
    pub fn new(limits: &Limits) -> Self {
        let body_bytes = limits.body_bytes.saturating_mul(LARGEST_BODIES);
        Self {
            body_bytes_left: Arc::new(AtomicUsize::new(body_bytes)),
            streams: Arc::default(),
            streams_max: limits.streams,
            streams_per_agent_max: limits.streams_per_agent,
        }
    }

    /// Nothing yet of the body of a request.
    pub(super) fn body(&self) -> HeldBody {
        HeldBody { left: Arc::clone(&self.body_bytes_left), bytes: AtomicUsize::new(0) }
    }

    /// Leave to keep a response stream open.
    pub fn stream(&self, principal: &Principal) -> Result<Permit, Problem> {
        let agent = principal.caller.agent.clone();
        let mut streams = held(&self.streams);
        if streams.all >= self.streams_max {
            let detail = format!("all {} streams of this server are open", self.streams_max);
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", detail)
                .hint("wait for one to end; whoever runs the server can allow more with `--streams`")
                .retry_after(STREAM_RETRY_SECONDS));
        }
        let own = streams.of.get(&agent).copied().unwrap_or(0);
        if own >= self.streams_per_agent_max {
            let detail = format!("`{agent}` has {own} streams open, which is as many as one caller may have");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail)
                .hint("close one that you no longer read")
                .retry_after(STREAM_RETRY_SECONDS));
        }
        streams.all += 1;
        streams.of.insert(agent.clone(), own + 1);
        drop(streams);
        Ok(Permit { streams: Arc::clone(&self.streams), agent })
    }

    /// How many streams are open.
    pub fn streams(&self) -> usize {
        held(&self.streams).all
    }
}

/// What is held of one body in memory, until this is dropped.
pub(super) struct HeldBody {
    left: Arc<AtomicUsize>,
    bytes: AtomicUsize,
}

impl HeldBody {
    /// False where all bodies together would be too much.
    pub(super) fn more(&self, bytes: usize) -> bool {
        let taken = bytes == 0
            || self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok();
        if taken {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        taken
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        self.left.fetch_add(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut streams = held(&self.streams);
        streams.all = streams.all.saturating_sub(1);
        if let Some(own) = streams.of.get_mut(&self.agent) {
            *own = own.saturating_sub(1);
            // An agent without a stream takes no room.
            if *own == 0 {
                streams.of.remove(&self.agent);
            }
        }
    }
}

fn held(streams: &Mutex<Streams>) -> MutexGuard<'_, Streams> {
    streams.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::{Caller, Role};

    fn principal(name: &str) -> Principal {
        Principal { caller: Caller::new(name, Role::Agent), credential: None, calls_per_minute: None }
    }

    #[test]
    fn a_stream_counts_until_its_permit_is_dropped() {
        let limits = Limits { streams: 3, streams_per_agent: 2, ..Limits::default() };
        let in_use = InUse::new(&limits);
        let (ana, ben) = (principal("ana"), principal("ben"));
        let first = in_use.stream(&ana).ok();
        let _second = in_use.stream(&ana).expect("a second stream of ana");
        assert!(in_use.stream(&ana).is_err(), "a third stream of ana was let through");
        let _third = in_use.stream(&ben).expect("a stream of ben");
        assert!(in_use.stream(&ben).is_err(), "a fourth stream of all was let through");
        drop(first);
        assert_eq!(in_use.streams(), 2);
        assert!(in_use.stream(&ana).is_ok(), "a stream that ended still counts");
    }
    #[test]
    fn bodies_take_of_one_store_of_bytes_and_give_it_back() {
        let in_use = InUse::new(&Limits { body_bytes: 2, ..Limits::default() });
        let (first, second) = (in_use.body(), in_use.body());
        assert!(first.more(100) && second.more(28) && second.more(0));
        assert!(!second.more(1), "more than 128 bytes are held");
        drop(first);
        assert!(second.more(100));
    }
}
