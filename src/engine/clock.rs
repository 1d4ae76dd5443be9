//! Time and randomness: the one place that asks the machine for them.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::canonical;
use crate::domain::ids::Time;

pub trait Clock: Send + Sync {
    fn now(&self) -> Time;
    /// Of a store that several machines share, its own time is the one that counts.
    fn now_in(&self, _store: Option<Time>) -> Time {
        self.now()
    }
    /// The same in nanoseconds since 1970, for what is measured and not decided by.
    fn now_ns(&self) -> u64 {
        u64::try_from(self.now().0).unwrap_or(0).saturating_mul(1_000_000)
    }
    fn fill(&self, random: &mut [u8]);
    /// A random name of `bytes` bytes, in hex.
    fn random_hex(&self, bytes: usize) -> String {
        let mut random = vec![0; bytes];
        self.fill(&mut random);
        canonical::hex(&random)
    }
}

pub struct System;

impl Clock for System {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> Time {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn now_in(&self, store: Option<Time>) -> Time {
        store.unwrap_or_else(|| self.now())
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now_ns(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that makes randomness")]
    fn fill(&self, random: &mut [u8]) {
        // Without randomness a handle could be guessed; there is no way on from here.
        if getrandom::fill(random).is_err() {
            std::process::abort();
        }
    }
}

/// Measures how long something took, for figures and for limits at the edges: no rule goes by it, so tests need not move it.
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub fn elapsed(&self) -> std::time::Duration {
        self.0.elapsed()
    }
}

/// Stands still until it is moved; its names count upwards.
#[derive(Default)]
pub struct Fixed {
    now: AtomicI64,
    names: AtomicI64,
}

impl Fixed {
    pub fn at(time: Time) -> Self {
        Self { now: AtomicI64::new(time.0), names: AtomicI64::new(0) }
    }

    pub fn advance_seconds(&self, seconds: i64) {
        self.now.fetch_add(seconds.saturating_mul(1000), Ordering::SeqCst);
    }
}

impl Clock for Fixed {
    fn now(&self) -> Time {
        Time(self.now.load(Ordering::SeqCst))
    }

    fn fill(&self, random: &mut [u8]) {
        let name = self.names.fetch_add(1, Ordering::SeqCst).saturating_add(1).to_be_bytes();
        random.fill(0);
        random.iter_mut().rev().zip(name.iter().rev()).for_each(|(to, from)| *to = *from);
    }
}
