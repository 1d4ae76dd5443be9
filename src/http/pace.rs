//! How long a connection may be slow, in each state it can be in. One task a connection watches; what happens on the
//! connection only notes the time. What is read and written is not here (`connection`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use super::options::Limits;

/// A body may take as many read times as this altogether, however busily it trickles.
const BODY_READ_TIMES: u32 = 8;
/// Where every place is taken, a connection without a request makes room after this time.
const CROWDED_IDLE_TIME: Duration = Duration::from_secs(2);
/// A state may become shorter while it is waited for, so it is looked at again at least this often.
const LOOK_AGAIN_MAX: Duration = Duration::from_secs(5);
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(20);

pub struct Pace {
    state: Mutex<State>,
    limits: Limits,
    places: Arc<Semaphore>,
}

struct State {
    stage: Stage,
    /// Since when the peer takes nothing of what is to be written.
    stalled: Option<Instant>,
    /// The head that is being read says its length in two ways.
    two_lengths: bool,
}

#[derive(Clone, Copy)]
enum Stage {
    /// No request yet, or the head of one is coming.
    Head { since: Instant },
    /// Between two requests.
    Idle { since: Instant },
    /// A body is waited for.
    Body { since: Instant, piece: Instant },
    /// The answer is being made or written.
    Answering,
}

impl Pace {
    pub fn new(limits: Limits, places: Arc<Semaphore>) -> Self {
        let stage = Stage::Head { since: Instant::now() };
        Self { state: Mutex::new(State { stage, stalled: None, two_lengths: false }), limits, places }
    }

    /// Bytes came in. True while they belong to a head.
    pub(super) fn read(&self) -> bool {
        let mut state = self.held();
        match state.stage {
            Stage::Idle { .. } => {
                state.stage = Stage::Head { since: Instant::now() };
                true
            }
            Stage::Head { .. } => true,
            Stage::Body { .. } | Stage::Answering => false,
        }
    }

    pub(super) fn two_lengths(&self) {
        self.held().two_lengths = true;
    }

    /// A request begins. True if its head said its length in two ways.
    pub(super) fn begins(&self) -> bool {
        let mut state = self.held();
        state.stage = Stage::Answering;
        std::mem::take(&mut state.two_lengths)
    }

    /// Somebody waits for a piece of the request's body.
    pub(super) fn waits_for_body(&self) {
        let mut state = self.held();
        if let Stage::Answering = state.stage {
            let now = Instant::now();
            state.stage = Stage::Body { since: now, piece: now };
        }
    }

    pub(super) fn body_piece(&self) {
        let mut state = self.held();
        if let Stage::Body { piece, .. } = &mut state.stage {
            *piece = Instant::now();
        }
    }

    /// Nobody reads the body any more.
    pub(super) fn body_ends(&self) {
        let mut state = self.held();
        if let Stage::Body { .. } = state.stage {
            state.stage = Stage::Answering;
        }
    }

    pub(super) fn answered(&self) {
        self.held().stage = Stage::Idle { since: Instant::now() };
    }

    pub(super) fn stalls(&self) {
        self.held().stalled.get_or_insert_with(Instant::now);
    }

    pub(super) fn written(&self) {
        self.held().stalled = None;
    }

    /// Over when the peer was too slow.
    pub async fn ran_out(&self) {
        let limits = &self.limits;
        let shortest = limits.read_time.min(limits.write_time).min(limits.idle_time);
        let look_again = (shortest / 2).clamp(LOOK_AGAIN_MIN, LOOK_AGAIN_MAX);
        loop {
            let now = Instant::now();
            let due = self.due(now);
            if due <= now {
                return;
            }
            sleep_until(due.min(now + look_again)).await;
        }
    }

    fn due(&self, now: Instant) -> Instant {
        let crowded = self.places.available_permits() == 0;
        let shortened = |time: Duration| if crowded { time.min(CROWDED_IDLE_TIME) } else { time };
        let (limits, state) = (&self.limits, self.held());
        let stage = match state.stage {
            Stage::Head { since } => since + shortened(limits.read_time),
            Stage::Idle { since } => since + shortened(limits.idle_time),
            Stage::Body { since, piece } => {
                (piece + limits.read_time).min(since + limits.read_time.saturating_mul(BODY_READ_TIMES))
            }
            Stage::Answering => now + LOOK_AGAIN_MAX,
        };
        state.stalled.map_or(stage, |since| stage.min(since + limits.write_time))
    }

    fn held(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
