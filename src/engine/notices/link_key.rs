//! The key that signs links, in a file of the state folder that only its owner can read. Made at first need; taking the file
//! away makes every link that is out worthless.

use std::io::{Error, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};

use crate::notify::link::KEY_BYTES;

use super::super::Engine;

const FILE: &str = "link.key";

/// The same for all processes on a state folder.
pub fn link_key(engine: &Engine) -> std::io::Result<Vec<u8>> {
    let folder = &engine.workspace().state;
    let path = folder.join(FILE);
    if !path.exists() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // Written whole under another name first: of two makers one wins, and nobody reads half a key.
        let made = folder.join(format!("{FILE}.{}", engine.clock.random_hex(8)));
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&made)?;
        file.write_all(engine.clock.random_hex(KEY_BYTES).as_bytes())?;
        file.sync_all()?;
        let linked = std::fs::hard_link(&made, &path);
        std::fs::remove_file(&made)?;
        linked.or_else(|error| if error.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
    }
    let found = std::fs::symlink_metadata(&path)?;
    if !found.is_file() || found.permissions().mode() & 0o077 != 0 {
        let message =
            format!("{} must be a file that only you can read; take it away, a new one is made", path.display());
        return Err(Error::new(ErrorKind::PermissionDenied, message));
    }
    let key = std::fs::read(&path)?;
    if key.len() < KEY_BYTES * 2 {
        let message = format!("{} is too short for a key; take it away, a new one is made", path.display());
        return Err(Error::new(ErrorKind::InvalidData, message));
    }
    Ok(key)
}
