//! The number of the newest record as a value that can be waited for, also when another process wrote it. What the records
//! are is read from the store by whoever waits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::Engine;
use crate::store;

/// One look is a single row by its number, so that it may come often.
const LOOK: Duration = Duration::from_millis(50);
/// After a look that failed, since the next one hardly goes better at once.
const LOOK_AFTER_FAULT: Duration = Duration::from_secs(1);

pub(super) struct Feed {
    newest: watch::Sender<u64>,
    /// Whether a thread looks at present.
    looking: Mutex<bool>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { newest: watch::Sender::new(0), looking: Mutex::new(false) }
    }
}

impl Engine {
    /// Changes within `LOOK` of a commit. What it holds at first may be old, and where a backup was put back it falls.
    pub fn feed(self: &Arc<Self>) -> watch::Receiver<u64> {
        // Under the lock: a thread that is about to end sees this receiver, or has ended before it.
        let mut looking = self.feed.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = self.feed.newest.subscribe();
        if !*looking {
            let engine = Arc::downgrade(self);
            let look = move || {
                while let Some(engine) = engine.upgrade() {
                    let Some(pause) = engine.look() else { return };
                    engine.backend().await_news(pause);
                }
            };
            match std::thread::Builder::new().name("phasegate-feed".to_owned()).spawn(look) {
                Ok(_) => *looking = true,
                Err(error) => {
                    tracing::warn!(%error, "new records cannot be told of; the next one who waits tries again")
                }
            }
        }
        receiver
    }

    /// How long until the next look; nothing when nobody waits any more.
    fn look(&self) -> Option<Duration> {
        {
            let mut looking = self.feed.looking.lock().unwrap_or_else(PoisonError::into_inner);
            if self.feed.newest.receiver_count() == 0 {
                *looking = false;
                return None;
            }
        }
        match self.glance(store::records::last) {
            Ok(found) => {
                self.feed.newest.send_if_modified(|known| std::mem::replace(known, found) != found);
                Some(LOOK)
            }
            Err(error) => {
                tracing::warn!(%error, "looking for new records failed; it is tried again");
                Some(LOOK_AFTER_FAULT)
            }
        }
    }
}
