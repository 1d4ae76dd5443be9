//! An approver's private key on a person's machine, locked by a passphrase, and the first approver's key as this machine
//! remembers it. Both lie in the user's own configuration, away from the workspace. Whom a key entitles is not here.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ed25519_dalek::{Signer, SigningKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::domain::approver::{PublicKey, Signed, to_sign};
use crate::domain::ids::Time;

const FOLDER: &str = "keys";
const FIRST_FOLDER: &str = "first-approvers";
/// Memory in KiB, passes, lanes: about a fifth of a second for us, and as much for each guess.
const COST: (u32, u32, u32) = (64 * 1024, 3, 1);
const COST_MOST: (u32, u32, u32) = (1024 * 1024, 16, 8);
pub const PASSPHRASE_LEAST: usize = 8;

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{path}: {source}")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} can be read by others, who could try passphrases on it")]
    Exposed { path: PathBuf },
    #[error("{path} is there already; a key is never overwritten")]
    Exists { path: PathBuf },
    #[error("there is no key of `{name}` on this machine ({path})")]
    Missing { name: String, path: PathBuf },
    #[error("{path} is not a key file that phasegate wrote")]
    Unreadable { path: PathBuf },
    #[error("the passphrase is not that of the key of `{0}`")]
    Passphrase(String),
    #[error("a passphrase has at least {PASSPHRASE_LEAST} characters")]
    Short,
}

/// What lies on the disk: all of it may be read by others without giving the key away, but for a weak passphrase.
#[derive(Debug, Serialize, Deserialize)]
struct KeyFile {
    v: u8,
    name: String,
    key: PublicKey,
    kdf: String,
    cost: (u32, u32, u32),
    salt: String,
    nonce: String,
    locked: String,
}

/// A private key, open for as long as this lives.
pub struct OpenKey {
    key: SigningKey,
}

impl OpenKey {
    pub fn public(&self) -> PublicKey {
        PublicKey::of(self.key.verifying_key().as_bytes())
    }

    pub fn sign(&self, statement: &Value, at: Time) -> Signed {
        let signature = BASE64.encode(self.key.sign(&to_sign(statement, at)).to_bytes());
        Signed { key: self.public(), at, signature, passkey: None }
    }
}

/// Randomness for a new key: for the key itself, its salt and its nonce.
pub struct Seed {
    pub key: Zeroizing<[u8; 32]>,
    pub salt: [u8; 16],
    pub nonce: [u8; 24],
}

/// Where this person's keys lie, and what this machine remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    folder: PathBuf,
}

impl Keyring {
    pub fn in_config(home: &Path) -> Self {
        Self { folder: home.join("phasegate") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(FOLDER).join(format!("{}.json", name.replace('/', "_")))
    }

    /// Names of the keys on this machine.
    pub fn names(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.folder.join(FOLDER)) else { return Vec::new() };
        let files = entries.filter_map(Result::ok).filter_map(|entry| read(&entry.path()).ok());
        let mut names: Vec<String> = files.map(|file| file.name).collect();
        names.sort();
        names
    }

    pub fn public(&self, name: &str) -> Result<PublicKey, KeyError> {
        Ok(self.find(name)?.key)
    }

    fn find(&self, name: &str) -> Result<KeyFile, KeyError> {
        let path = self.path(name);
        if !path.exists() {
            return Err(KeyError::Missing { name: name.to_owned(), path });
        }
        read(&path)
    }

    /// Whether a key can be made under that name: a key is never overwritten.
    pub fn is_free(&self, name: &str) -> Result<(), KeyError> {
        let path = self.path(name);
        if path.exists() { Err(KeyError::Exists { path }) } else { Ok(()) }
    }

    pub fn make(&self, name: &str, passphrase: &str, seed: &Seed) -> Result<OpenKey, KeyError> {
        if passphrase.chars().count() < PASSPHRASE_LEAST {
            return Err(KeyError::Short);
        }
        let path = self.path(name);
        let open = OpenKey { key: SigningKey::from_bytes(&seed.key) };
        let unusable = || KeyError::Unreadable { path: path.clone() };
        let lock = derive(passphrase, &seed.salt, COST).ok_or_else(unusable)?;
        let locked = XChaCha20Poly1305::new((&*lock).into())
            .encrypt(&XNonce::from(seed.nonce), Payload { msg: seed.key.as_slice(), aad: name.as_bytes() })
            .map_err(|_| unusable())?;
        let file = KeyFile {
            v: 1,
            name: name.to_owned(),
            key: open.public(),
            kdf: "argon2id".to_owned(),
            cost: COST,
            salt: BASE64.encode(seed.salt),
            nonce: BASE64.encode(seed.nonce),
            locked: BASE64.encode(locked),
        };
        write(&path, serde_json::to_string_pretty(&file).unwrap_or_default().as_bytes())?;
        Ok(open)
    }

    pub fn open(&self, name: &str, passphrase: &str) -> Result<OpenKey, KeyError> {
        let file = self.find(name)?;
        let path = self.path(name);
        let mode = std::fs::metadata(&path).map(|found| found.permissions().mode()).unwrap_or(0);
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path });
        }
        let unreadable = || KeyError::Unreadable { path: self.path(name) };
        let bytes = |text: &str| BASE64.decode(text).ok();
        let salt = bytes(&file.salt).ok_or_else(unreadable)?;
        let nonce: [u8; 24] = bytes(&file.nonce).and_then(|nonce| nonce.try_into().ok()).ok_or_else(unreadable)?;
        let (memory, passes, lanes) = file.cost;
        if memory > COST_MOST.0 || passes > COST_MOST.1 || lanes > COST_MOST.2 {
            return Err(unreadable());
        }
        let lock = derive(passphrase, &salt, file.cost).ok_or_else(unreadable)?;
        let locked = bytes(&file.locked).ok_or_else(unreadable)?;
        let seed = XChaCha20Poly1305::new((&*lock).into())
            .decrypt(&XNonce::from(nonce), Payload { msg: &locked, aad: file.name.as_bytes() })
            .map_err(|_| KeyError::Passphrase(name.to_owned()))?;
        let seed = Zeroizing::new(seed);
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(seed.as_slice().try_into().map_err(|_| unreadable())?);
        let open = OpenKey { key: SigningKey::from_bytes(&bytes) };
        // What the file says of itself is not locked, and counts only where the locked part says the same.
        if open.public() != file.key || file.name != name {
            return Err(unreadable());
        }
        Ok(open)
    }

    /// Of the store at this place: a digest of where it lies, so that nothing in the store says where to look.
    pub fn first_approver(&self, place: &str) -> Option<PublicKey> {
        let text = std::fs::read_to_string(self.folder.join(FIRST_FOLDER).join(place)).ok()?;
        Some(PublicKey(text.trim().to_owned()))
    }

    pub fn remember_first(&self, place: &str, key: &PublicKey) -> Result<(), KeyError> {
        write(&self.folder.join(FIRST_FOLDER).join(place), key.0.as_bytes())
    }
}

fn read(path: &Path) -> Result<KeyFile, KeyError> {
    let text = std::fs::read_to_string(path).map_err(|source| KeyError::File { path: path.to_path_buf(), source })?;
    serde_json::from_str(&text).map_err(|_| KeyError::Unreadable { path: path.to_path_buf() })
}

/// A new file that only its owner reads.
fn write(path: &Path, content: &[u8]) -> Result<(), KeyError> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let file = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AlreadyExists => KeyError::Exists { path: path.to_path_buf() },
        _ => KeyError::File { path: path.to_path_buf(), source },
    };
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(file)?;
    }
    let mut made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(file)?;
    made.write_all(content).and_then(|()| made.sync_all()).map_err(file)
}

fn derive(passphrase: &str, salt: &[u8], (memory, passes, lanes): (u32, u32, u32)) -> Option<Zeroizing<[u8; 32]>> {
    let params = Params::new(memory, passes, lanes, Some(32)).ok()?;
    let mut lock = Zeroizing::new([0; 32]);
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(passphrase.as_bytes(), salt, lock.as_mut_slice()).ok()?;
    Some(lock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seed() -> Seed {
        Seed { key: Zeroizing::new([7; 32]), salt: [1; 16], nonce: [2; 24] }
    }

    #[test]
    fn a_key_opens_with_its_passphrase_only_and_lies_where_only_its_owner_reads() {
        let home = tempfile::tempdir().unwrap();
        let ring = Keyring::in_config(home.path());
        assert!(matches!(ring.make("ana", "short", &seed()), Err(KeyError::Short)));
        let made = ring.make("ana", "correct horse", &seed()).unwrap();
        let open = ring.open("ana", "correct horse").unwrap();
        assert_eq!(open.public(), made.public());
        assert!(open.sign(&json!({"act": "x"}), Time(1)).holds(&json!({"act": "x"})));
        assert!(matches!(ring.open("ana", "wrong horse"), Err(KeyError::Passphrase(_))));
        assert!(matches!(ring.open("ben", "correct horse"), Err(KeyError::Missing { .. })));
        assert!(matches!(ring.make("ana", "correct horse", &seed()), Err(KeyError::Exists { .. })));
        assert_eq!(ring.names(), ["ana"]);
        let path = ring.path("ana");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!std::fs::read_to_string(path).unwrap().contains(&BASE64.encode([7; 32])));
    }

    #[test]
    fn the_first_approver_is_remembered_once() {
        let home = tempfile::tempdir().unwrap();
        let ring = Keyring::in_config(home.path());
        assert_eq!(ring.first_approver("w"), None);
        let key = PublicKey::of(&[3; 32]);
        ring.remember_first("w", &key).unwrap();
        assert_eq!(ring.first_approver("w"), Some(key.clone()));
        assert!(ring.remember_first("w", &key).is_err());
    }
}
