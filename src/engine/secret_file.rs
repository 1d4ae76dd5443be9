//! A secret of a workspace in a file that only its owner reads: made once, by whoever needs it first. What a secret is for
//! is not here.

use std::fs;
use std::io::{Error, ErrorKind, Read, Result, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use crate::domain::canonical;

use super::clock::Clock;

pub const BYTES: usize = 32;
const FOREIGN: &str = "it holds no secret that phasegate wrote";

pub type Secret = Zeroizing<[u8; BYTES]>;

/// The secret in the file, made where there is none. Openers take turns at the file, so all get the same one, and what a
/// crash left half written is no secret.
pub fn open(path: &Path, clock: &dyn Clock) -> Result<Secret> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut options = fs::OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(unusable("it is not a file"));
    }
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    file.lock()?;
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(|_| unusable(FOREIGN))?;
    if let Some(secret) = canonical::from_hex(text.trim()).map(Zeroizing::new) {
        return Ok(secret);
    }
    // A crash leaves less than a secret, never something else.
    if text.len() > BYTES * 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(unusable(FOREIGN));
    }
    let made = Zeroizing::new(clock.random_hex(BYTES));
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{}\n", made.as_str()).as_bytes())?;
    file.sync_all()?;
    fs::File::open(folder)?.sync_all()?;
    canonical::from_hex(&made).map(Zeroizing::new).ok_or_else(|| unusable("it could not be made"))
}

/// The secret in the file, where there is a file.
pub fn read(path: &Path) -> Result<Option<Secret>> {
    match fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => canonical::from_hex(text.trim()).map(Zeroizing::new).map(Some).ok_or_else(|| unusable(FOREIGN)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts a secret that was made in another file in place of this one, which is kept aside. At every moment one of the two
/// is in place.
pub fn replace(path: &Path, by: &Path, aside: &Path) -> Result<()> {
    match fs::copy(path, aside) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        copied => drop(copied?),
    }
    fs::rename(by, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}

fn unusable(why: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("{why}; put the right one back, or take it away for a new one"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::clock::System;

    #[test]
    fn all_openers_get_one_secret_that_only_the_owner_reads() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("deep/a.key");
        let got: Vec<Secret> = std::thread::scope(|scope| {
            let openers: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&path, &System).unwrap())).collect();
            openers.into_iter().map(|opener| opener.join().unwrap()).collect()
        });
        assert!(got.iter().all(|secret| **secret == *got[0]));
        assert_eq!(read(&path).unwrap().as_deref(), Some(&*got[0]));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_a_crash_left_is_made_anew_and_what_is_foreign_is_not_overwritten() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a.key");
        for left in ["", "00ff"] {
            fs::write(&path, left).unwrap();
            assert!(open(&path, &System).is_ok(), "{left}");
        }
        for foreign in ["a password", &"0".repeat(65)] {
            fs::write(&path, foreign).unwrap();
            assert!(open(&path, &System).is_err(), "{foreign}");
            assert_eq!(fs::read_to_string(&path).unwrap(), foreign);
        }
    }
}
