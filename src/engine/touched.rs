//! Which tasks a stretch of the log is about, for those who watch some.

use std::collections::BTreeSet;

use crate::domain::ids::TaskId;
use crate::store::{StoreError, records};

use super::Engine;

/// Of more records than this it is not told apart whom they are about.
const RECORDS_MAX: u64 = 10_000;

impl Engine {
    /// The tasks of the records after `from`, up to `to`. Nothing: it may be any.
    pub fn touched(&self, from: u64, to: u64) -> Result<Option<BTreeSet<TaskId>>, StoreError> {
        if to < from || to - from > RECORDS_MAX {
            return Ok(None);
        }
        self.view(|tx| records::tasks(tx, (from, to))).map(Some)
    }
}
