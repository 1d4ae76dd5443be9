//! The log for people: pages of it, what is new in it, and all of it for an export. It is read in bounded snapshots, so that
//! a long export holds up neither writers nor the clearing of the write-ahead log.

use std::io;

use crate::audit::export::{Export, Row};
use crate::domain::record::{RecordFilter, RecordPage, Sight};
use crate::store::{StoreError, records};

use super::Engine;

pub use crate::audit::export::Format;

/// Records in one snapshot of an export: enough to make a snapshot cheap, few enough to hold in memory if all are large.
const ROWS: usize = 2000;
/// Bytes of an export that are gathered before they are given on.
const PIECE_BYTES: usize = 256 << 10;

/// How much an export held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    pub records: u64,
    pub bytes: u64,
}

/// What ends an export early.
#[derive(Debug, thiserror::Error)]
pub enum ExportStop {
    #[error(transparent)]
    Write(io::Error),
    #[error("record {seq} cannot be read: {why}")]
    Unreadable { seq: u64, why: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

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

    /// All of them in a form for other programs, a piece at a time, each with the number of the last record that was read.
    pub fn export_to(
        &self,
        format: Format,
        (from, to): (u64, u64),
        give: &mut dyn FnMut(&[u8], u64) -> io::Result<()>,
    ) -> Result<Exported, ExportStop> {
        let (mut export, mut done, mut next) = (Export::new(format), Exported::default(), from.max(1));
        let mut give = |bytes: &mut Vec<u8>, done: &mut Exported, last: u64| {
            give(bytes, last).map_err(ExportStop::Write)?;
            done.bytes += u64::try_from(bytes.len()).unwrap_or(0);
            bytes.clear();
            Ok::<_, ExportStop>(())
        };
        loop {
            let mut unreadable = None;
            let last = self.export(next, to, &mut |row| {
                if unreadable.is_none() {
                    unreadable = export.row(row).err().map(|why| (row.seq, why));
                    done.records += 1;
                }
            })?;
            if let Some((seq, why)) = unreadable {
                return Err(ExportStop::Unreadable { seq, why });
            }
            let Some(last) = last else { break };
            if export.bytes.len() >= PIECE_BYTES {
                give(&mut export.bytes, &mut done, last)?;
            }
            next = last.saturating_add(1);
        }
        export.end();
        give(&mut export.bytes, &mut done, next.saturating_sub(1))?;
        Ok(done)
    }
}
