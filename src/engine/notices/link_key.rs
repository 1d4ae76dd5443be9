//! The key that signs links, in a file of the state folder. Taking the file away makes every link that is out worthless.

use crate::domain::canonical;

use super::super::Engine;
use super::super::secret_file::{self, Secret};

const FILE: &str = "link.key";

/// The same for all processes on a state folder.
pub fn link_key(engine: &Engine) -> std::io::Result<Secret> {
    secret_file::open(&engine.workspace().state.join(FILE), engine.clock.as_ref())
}

impl Engine {
    /// What seals the dialogs of clients: the same for all servers of a workspace, since an answer may reach another one than
    /// the question came from. Where it cannot be had, dialogs hold within this process.
    pub fn dialog_secret(&self) -> String {
        match link_key(self) {
            // Not the key itself: whoever holds one of the two has not the other.
            Ok(key) => canonical::sha256(&[b"phasegate/dialog-key/1\0".as_slice(), key.as_slice()].concat()),
            Err(error) => {
                tracing::warn!(%error, "the key of this workspace cannot be read; dialogs are answered by this process only");
                self.secret()
            }
        }
    }
}
