//! What choosing models saved, from tries that have ended.

use crate::domain::ids::Time;
use crate::domain::savings::Savings;
use crate::domain::view::day;
use crate::engine::Engine;
use crate::routing::savings::{Span, savings};
use crate::store::savings::ended;
use crate::store::{StoreError, spending};

/// Tries that are looked at, the newest.
const TRIES_MAX: usize = 100_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Engine {
    /// From the start of this day on, in UTC.
    pub fn savings(&self, since: Option<Time>) -> Result<Savings, StoreError> {
        let since = since.map(|at| Time(at.0 - at.0.rem_euclid(DAY_MS)));
        let day = since.map(day);
        let from = day.clone().unwrap_or_default();
        let ((tries, older), spent_micro_usd) =
            self.view(|tx| Ok((ended(tx, TRIES_MAX)?, spending::from_day(tx, &from)?)))?;
        let mut found = savings(&tries, self.routes.catalogue(), Span { since, day, spent_micro_usd });
        found.left_out.older = older;
        Ok(found)
    }
}
