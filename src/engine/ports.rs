//! On which ports servers of this workspace listen, told from process to process by a file each holds locked: the guard keeps
//! agents off them. The lock goes with the process, so a server that was killed leaves a name that counts for nothing.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Where the files are, below the state folder.
const PORTS: &str = "ports";

/// A port that this process listens on.
#[derive(Debug)]
pub struct Listening {
    path: PathBuf,
    _locked: File,
}

impl Listening {
    pub fn on(port: u16, state: &Path) -> io::Result<Self> {
        let folder = state.join(PORTS);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let path = folder.join(port.to_string());
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        // Two addresses may have one port.
        flock(&file, FlockOperation::LockShared)?;
        Ok(Self { path, _locked: file })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It counts for nothing without its lock.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Ports that some server listens on now.
pub fn listened_on(state: &Path) -> Vec<u16> {
    let entries = std::fs::read_dir(state.join(PORTS)).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())));
    let is_held = |path: &Path| {
        let file = File::open(path).ok()?;
        Some(flock(&file, FlockOperation::NonBlockingLockExclusive).is_err())
    };
    named.filter(|(_, path)| is_held(path).unwrap_or(false)).map(|(port, _)| port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_counts_while_somebody_listens() {
        let state = tempfile::tempdir().unwrap();
        assert!(listened_on(state.path()).is_empty());
        let one = Listening::on(7700, state.path()).unwrap();
        let other = Listening::on(80, state.path()).unwrap();
        let mut found = listened_on(state.path());
        found.sort_unstable();
        assert_eq!(found, [80, 7700]);
        drop(other);
        std::fs::write(state.path().join(PORTS).join("81"), "").unwrap();
        assert_eq!(listened_on(state.path()), [7700], "nobody holds 81");
        drop(one);
        assert!(listened_on(state.path()).is_empty());
    }
}
