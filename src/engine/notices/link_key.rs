//! The key that signs links, in a file of the state folder. Taking the file away makes every link that is out worthless.

use super::super::Engine;
use super::super::secret_file::{self, Secret};

const FILE: &str = "link.key";

/// The same for all processes on a state folder.
pub fn link_key(engine: &Engine) -> std::io::Result<Secret> {
    secret_file::open(&engine.workspace().state.join(FILE), engine.clock.as_ref())
}
