//! Figures for those who watch: what this process counted, what the log tells of all of them, what the store holds now.
//! How they are written for Prometheus is not here (`http`).

pub mod family;
pub mod meters;
mod tally;

use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::ids::Time;
use crate::domain::spending::MICRO;
use crate::store::figures::{self, GUARDS, Numbers, OPEN};
use crate::store::{StoreError, Vitals, tree};

use super::Engine;
use family::Figure;
use meters::Meters;
use tally::Tally;

/// However many ask, the store is looked at once in so long.
const KEPT_MS: i64 = 1000;

/// What is measured in this process.
#[derive(Default)]
pub struct Measured {
    pub meters: Meters,
    /// What the store said last, and the count of the log so far; nothing where nobody is to be told.
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    tally: Option<Tally>,
    last: Option<(Time, Arc<Vec<Figure>>)>,
}

impl Engine {
    /// From here on the log is counted, for `figures`. A server that will be asked calls it when it begins.
    pub fn watch_log(&self) -> Result<(), StoreError> {
        let newest = self.view(tree::last_record)?;
        let mut seen = self.measured.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.tally.get_or_insert_with(|| Tally::from(newest));
        Ok(())
    }

    /// All figures. Where the store cannot be read, those that need it are missing, and `orchestrator_store_up` is 0.
    pub fn figures(&self) -> Vec<Figure> {
        let mut figures = self.measured.meters.figures();
        if let Some(tracer) = self.tracer() {
            figures.push(Figure::whole(&family::SPANS, &["sent"], tracer.sent()));
            figures.push(Figure::whole(&family::SPANS, &["dropped"], tracer.dropped()));
        }
        let stored = self.stored_figures();
        figures.push(Figure::whole(&family::UP, &[], u64::from(stored.is_ok())));
        match stored {
            Ok(stored) => figures.extend(stored.iter().cloned()),
            Err(error) => tracing::warn!(%error, "the store could not be read for figures"),
        }
        figures
    }

    fn stored_figures(&self) -> Result<Arc<Vec<Figure>>, StoreError> {
        let now = self.now();
        let mut seen = self.measured.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, figures)) = seen.last.as_ref().filter(|(at, _)| (0..KEPT_MS).contains(&(now.0 - at.0))) {
            return Ok(Arc::clone(figures));
        }
        let numbers = self.view(|tx| {
            if let Some(tally) = &mut seen.tally {
                tally.catch_up(tx)?;
            }
            figures::numbers(tx, now)
        })?;
        let mut figures = told(&numbers, now);
        figures.extend(seen.tally.iter().flat_map(Tally::figures));
        figures.extend(sizes(&self.backend().vitals()?));
        let figures = Arc::new(figures);
        seen.last = Some((now, Arc::clone(&figures)));
        Ok(figures)
    }
}

fn told(numbers: &Numbers, now: Time) -> Vec<Figure> {
    use family::*;
    let age = |since: Option<Time>| since.map_or(0.0, |since| seconds(now.0 - since.0));
    let mut figures = vec![
        Figure::whole(&CLAIMS_ACTIVE, &[], numbers.claims),
        Figure::whole(&LEASES_EXPIRING, &[], numbers.expiring),
        Figure::whole(&LEASES_EXPIRED, &[], numbers.expired),
        Figure::whole(&APPROVALS_WAITING, &[], numbers.approvals),
        Figure::real(&APPROVALS_AGE, &[], age(numbers.oldest_approval)),
        Figure::whole(&BYPASSES, &[], numbers.bypasses),
        Figure::whole(&CHANNELS, &[], numbers.resting_channels),
        Figure::real(&SPENT, &[], dollars(numbers.micro_usd)),
        Figure::real(&RESERVED, &[], dollars(numbers.reserved_micro_usd)),
        Figure::whole(&RECORDS, &[], numbers.records),
        Figure::whole(&UNSEALED, &[], numbers.records.saturating_sub(numbers.sealed)),
        Figure::real(&UNSEALED_AGE, &[], age(numbers.oldest_unsealed)),
    ];
    if numbers.newest_head.is_some() {
        figures.push(Figure::real(&HEAD_AGE, &[], age(numbers.newest_head)));
    }
    figures.extend(OPEN.into_iter().zip(numbers.tasks).map(|(status, n)| Figure::whole(&TASKS_OPEN, &[status], n)));
    let guards = GUARDS.into_iter().zip(numbers.sessions);
    figures.extend(guards.map(|(guard, n)| Figure::whole(&SESSIONS_ACTIVE, &[guard.word()], n)));
    let tokens = &numbers.tokens;
    for (kind, amount) in [
        ("input", tokens.input),
        ("cache_write", tokens.cache_write),
        ("cache_write_long", tokens.cache_write_long),
        ("cache_read", tokens.cache_read),
        ("output", tokens.output),
    ] {
        figures.push(Figure::whole(&TOKENS, &[kind], amount));
    }
    figures
}

fn sizes(vitals: &Vitals) -> impl Iterator<Item = Figure> {
    use family::{FREE_BYTES, STORE_BYTES, WAL_BYTES};
    let sizes =
        [(&WAL_BYTES, vitals.wal_bytes), (&STORE_BYTES, vitals.database_bytes), (&FREE_BYTES, vitals.free_bytes)];
    sizes.into_iter().filter_map(|(family, bytes)| bytes.map(|bytes| Figure::whole(family, &[], bytes)))
}

/// Never below nothing, though clocks of two processes may differ.
fn seconds(ms: i64) -> f64 {
    std::time::Duration::from_millis(u64::try_from(ms).unwrap_or(0)).as_secs_f64()
}

fn dollars(micro_usd: u64) -> f64 {
    // Through integers that a float holds exactly: a microdollar is told as it is up to nine billion dollars.
    let (whole, rest) = (micro_usd / MICRO, micro_usd % MICRO);
    let part = |amount: u64| f64::from(u32::try_from(amount).unwrap_or(u32::MAX));
    part(whole) + part(rest) / part(MICRO)
}
