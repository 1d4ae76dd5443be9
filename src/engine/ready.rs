//! Whether this process can do its work: the store read and written, its schema, its disk, and the sealer. Each check says
//! in a word what is wrong, and names no file.

use std::path::Path;

use serde::Serialize;

use crate::store::{self, Lock, StoreError, Vitals, figures};

use super::Engine;

/// Below that the next commits would fail.
const FREE_BYTES_MIN: u64 = 32 << 20;
/// The sealer works each second; so far behind it does not work at all.
const UNSEALED_MS_MAX: i64 = 120_000;

/// A check by its name; `problem` is what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<&'static str>,
}

impl Check {
    pub fn of(name: &'static str, problem: Option<&'static str>) -> Self {
        Self { name, ok: problem.is_none(), problem }
    }
}

impl Engine {
    /// What is wrong with the disk of the store.
    pub fn disk(&self) -> Option<&'static str> {
        self.backend().vitals().ok().as_ref().and_then(disk)
    }

    /// All checks, those that passed too. It asks the store's files anew, and takes a turn in the queue of writers.
    pub fn ready(&self) -> Vec<Check> {
        let vitals = self.backend().vitals();
        let (schema, disk) = match &vitals {
            Ok(vitals) => {
                let schema = match vitals.schema {
                    Some((found, known)) if found > known => Some("a newer phasegate has changed the store"),
                    Some((found, known)) if found < known => Some("the store is not what this process opened"),
                    _ => None,
                };
                (schema, disk(vitals))
            }
            Err(_) => (None, None),
        };
        let read = told("reading", vitals.err());
        // A turn among the writers, with nothing to write.
        let write = told("writing", self.backend().write(Lock::ROWS, Box::new(|_| Ok(()))).err());
        let oldest = self.view(figures::oldest_unsealed);
        let lag = match oldest {
            Ok(Some(oldest)) if self.now().0 - oldest.0 > UNSEALED_MS_MAX => Some("the log is not being sealed"),
            Ok(_) => None,
            Err(error) => told("sealing", Some(error)),
        };
        let checks =
            [("store_read", read), ("store_write", write), ("schema", schema), ("disk", disk), ("sealer", lag)];
        checks.map(|(name, problem)| Check::of(name, problem)).into()
    }
}

fn disk(vitals: &Vitals) -> Option<&'static str> {
    match (vitals.writable, vitals.free_bytes) {
        (Some(false), _) => Some("the store may not be written"),
        (_, Some(free)) if free < FREE_BYTES_MIN => Some("the disk of the store is full"),
        _ => None,
    }
}

/// What is wrong with the disk of a folder, where no store could be opened to be asked.
pub fn disk_of(folder: &Path) -> Option<&'static str> {
    disk(&Vitals { free_bytes: store::free_bytes(folder), ..Vitals::default() })
}

/// The cause is for the log: it names files.
fn told(what: &'static str, error: Option<StoreError>) -> Option<&'static str> {
    let error = error?;
    tracing::warn!(what, %error, next = error.hint(), "not ready");
    Some("the store does not answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_told_of() {
        let of = |writable, free_bytes| disk(&Vitals { writable, free_bytes, ..Vitals::default() });
        assert_eq!((of(None, None), of(Some(true), Some(FREE_BYTES_MIN))), (None, None));
        assert_eq!(of(Some(true), Some(0)), Some("the disk of the store is full"));
        assert_eq!(of(Some(false), Some(0)), Some("the store may not be written"));
        assert_eq!(disk_of(Path::new("/nonexistent")), None);
        // The one file system of this system that never has any room.
        #[cfg(target_os = "linux")]
        assert_eq!(disk_of(Path::new("/proc")), Some("the disk of the store is full"));
    }
}
