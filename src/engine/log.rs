//! The log for people: pages of it, what is new in it, and all of it for an export. It is read in bounded snapshots, so that
//! a long export holds up neither writers nor the clearing of the write-ahead log.

use crate::audit::export::Row;
use crate::domain::record::{RecordFilter, RecordPage, Sight};
use crate::store::{StoreError, records};

use super::Engine;

/// Records in one snapshot of an export: enough to make a snapshot cheap, few enough to hold in memory if all are large.
const ROWS: usize = 2000;

impl Engine {
    /// For those who are shown everything.
    pub fn records(&self, filter: &RecordFilter) -> Result<RecordPage, StoreError> {
        let filter = self.below_root(filter);
        self.view(|tx| records::page(tx, &filter, &Sight::Everything))
    }

    /// The filter with the work tree that its pattern of paths means.
    pub(super) fn below_root(&self, filter: &RecordFilter) -> RecordFilter {
        RecordFilter { root: Some(self.workspace.root.display().to_string()), ..filter.clone() }
    }

    /// The number of the newest record.
    pub fn last_record(&self) -> Result<u64, StoreError> {
        self.view(records::last)
    }

    /// Some of the records from `from` to `to`, upwards; the number of the last one, or nothing where there is none.
    pub fn export(&self, from: u64, to: u64, each: &mut dyn FnMut(&Row<'_>)) -> Result<Option<u64>, StoreError> {
        self.view(|tx| records::rows(tx, (from, to), ROWS, each))
    }
}
