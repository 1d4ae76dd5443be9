//! What time alone brings about, carried out: a look every second, a command only when something is due. Learning from what
//! other processes recorded keeps the same pace.

use std::sync::Arc;

use crate::domain::command::Command;
use crate::store::{self, Lock, Scope};

use super::each_second::EachSecond;
use super::startup::system;
use super::{Engine, Failure};

/// Passes in one go when much is due at once, so that a thousand lapsed leases do not take minutes.
const PASSES: usize = 50;

impl Engine {
    /// True when something was done.
    pub fn sweep(&self) -> Result<bool, Failure> {
        let mut did = false;
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
