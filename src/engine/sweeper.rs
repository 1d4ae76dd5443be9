//! What time alone brings about, carried out: a look every second, a command only when something is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::domain::command::Command;
use crate::store::{self, Scope};

use super::startup::system;
use super::{Engine, Failure};

const EVERY: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(100);
/// Passes in one go when much is due at once, so that a thousand lapsed leases do not take minutes.
const PASSES: usize = 50;

impl Engine {
    /// True when something was done.
    pub fn sweep(&self) -> Result<bool, Failure> {
        let mut did = false;
        for _ in 0..PASSES {
            let now = self.now();
            if !self.view(|tx| store::read::something_is_due(tx, now))? {
                break;
            }
            let outcome = self.command(&system(), "sweep", Scope::Sweep, Command::Sweep, Vec::new())?;
            store::close_refusal_windows(self.backend(), now)?;
            did = true;
            if outcome.events.is_empty() {
                break;
            }
        }
        Ok(did)
    }
}

/// Runs until it is dropped.
pub struct Sweeper {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sweeper {
    pub fn start(engine: &Arc<Engine>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (ended, engine) = (Arc::clone(&stop), Arc::downgrade(engine));
        let thread = std::thread::Builder::new().name("phasegate-sweeper".to_owned()).spawn(move || {
            let mut waited = Duration::ZERO;
            while !ended.load(Ordering::Relaxed) {
                std::thread::sleep(STEP);
                waited += STEP;
                if waited < EVERY {
                    continue;
                }
                waited = Duration::ZERO;
                let Some(engine) = engine.upgrade() else { return };
                if let Err(error) = engine.sweep() {
                    tracing::warn!(%error, "sweeping failed; it is tried again");
                }
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
