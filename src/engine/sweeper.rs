//! What time alone brings about, carried out: a look every second, a command only when something is due. Learning from what
//! other processes recorded keeps the same pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::command::Command;
use crate::store::{self, Lock, Scope};

use super::each_second::EachSecond;
use super::startup::system;
use super::{Engine, Failure};

/// Passes in one go when much is due at once, so that a thousand lapsed leases do not take minutes.
const PASSES: usize = 50;

/// When this process last swept.
#[derive(Default)]
pub struct Swept(AtomicI64);

impl Engine {
    /// Leases that the clock has left behind: looked for at the first sweep, and where the clock went back since the last.
    fn begin_leases_anew(&self) -> Result<(), Failure> {
        let now = self.now();
        let last = self.swept.0.swap(now.0, Ordering::Relaxed);
        if last != 0 && last <= now.0 {
            return Ok(());
        }
        let ahead = self.view(|tx| store::leases::ahead(tx, now))?;
        if !ahead.is_empty() {
            tracing::warn!(leases = ahead.len(), "the clock was set back; leases count from now");
            store::leases::begin_now(self.backend(), ahead, now)?;
        }
        Ok(())
    }

    /// True when something was done.
    pub fn sweep(&self) -> Result<bool, Failure> {
        let mut did = false;
        self.begin_leases_anew()?;
        store::sessions::forget_old_calls(self.backend(), self.now())?;
        for _ in 0..PASSES {
            let now = self.now();
            if !self.view(|tx| store::read::something_is_due(tx, now))? {
                break;
            }
            let outcome = self.command(&system(), "sweep", Scope::Sweep, Command::Sweep, Vec::new())?;
            store::close_refusal_windows(self.backend(), now)?;
            self.backend().write(
                Lock::named([store::spending::COUNTED.to_owned()]),
                Box::new(move |tx| store::spending::lapse(tx, now).map(drop)),
            )?;
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
    _thread: EachSecond,
}

impl Sweeper {
    pub fn start(engine: &Arc<Engine>) -> std::io::Result<Self> {
        let sweep = |engine: &Engine| match engine.sweep() {
            Ok(_) => engine.keep_learning(),
            Err(error) => tracing::warn!(%error, "sweeping failed; it is tried again"),
        };
        Ok(Self { _thread: EachSecond::start("phasegate-sweeper", engine, sweep)? })
    }
}
