//! The key that signs the log's heads: a file beside the store, never in it, so that a copy of the store cannot be signed.

use std::io;
use std::path::{Path, PathBuf};

use crate::audit::key::{Kind, Signer, VerifierKey};
use crate::domain::approver::Proof;
use crate::domain::command::Command;
use crate::domain::facts::Caller;
use crate::store::{self, Attachment, Scope, StoreError, Tx};

use super::sealer::SealError;
use super::{Engine, Failure, secret_file};

/// Where the store notes the public half.
pub const META: &str = "log_key";
pub const KEY_FILE: &str = "log.key";
const STORE_FILE: &str = "phasegate.db";

/// A key of a store lies in its folder; under the store's own name where that is not the usual one.
pub fn beside(database: &Path, key_file: &str) -> PathBuf {
    match database.file_name().and_then(|name| name.to_str()) {
        Some(name) if name != STORE_FILE => database.with_file_name(format!("{name}.{key_file}")),
        _ => database.with_file_name(key_file),
    }
}

fn names_a_key(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains(".key"))
}

pub(super) fn name_of(tx: &mut dyn Tx) -> Result<String, StoreError> {
    Ok(format!("phasegate/{}", store::meta(tx, "workspace")?.unwrap_or_default()))
}

impl Engine {
    fn key_fault(&self, source: io::Error) -> SealError {
        SealError::KeyFile { path: self.log_key.clone(), source }
    }

    /// How the log is called in its heads.
    pub fn log_name(&self) -> Result<String, StoreError> {
        self.view(name_of)
    }

    /// Every key of this store that lies in a file, those that were replaced too.
    pub(super) fn key_files(&self) -> Vec<PathBuf> {
        let folder = self.log_key.parent().unwrap_or(&self.workspace.state);
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| names_a_key(path)).collect()
    }

    /// The public half as the store has it.
    pub fn verifier_key(&self) -> Result<Option<VerifierKey>, StoreError> {
        Ok(self.view(|tx| store::meta(tx, META))?.and_then(|text| text.parse().ok()))
    }

    /// The key in the file, whether or not the store knows it.
    pub(super) fn key_in_file(&self) -> Result<Option<Signer>, SealError> {
        self.key_in(&self.log_key)
    }

    fn key_in(&self, path: &Path) -> Result<Option<Signer>, SealError> {
        let fault = |source| SealError::KeyFile { path: path.to_path_buf(), source };
        let Some(seed) = secret_file::read(path).map_err(fault)? else { return Ok(None) };
        let signer = Signer::new(&self.log_name()?, Kind::Note, &seed);
        signer.ok_or_else(|| fault(io::Error::other("it holds no key of a log"))).map(Some)
    }

    /// Where a key lies between its making and the record of the change.
    fn new_key_file(&self) -> PathBuf {
        self.log_key.with_extension("key.new")
    }

    /// The key to sign with: the one in the file, if it is the one that the store knows. A change that was recorded, and
    /// whose key did not get to its place, ends here.
    pub(super) fn signer(&self) -> Result<Signer, SealError> {
        let known = self.view(|tx| store::meta(tx, META))?;
        let is_known = |signer: &Signer| known.as_deref() == Some(&signer.verifier().to_string());
        let placed = self.key_in_file();
        if placed.as_ref().is_ok_and(|placed| placed.as_ref().is_some_and(is_known)) {
            return placed.and_then(|placed| placed.ok_or_else(|| self.key_lost()));
        }
        let new = self.new_key_file();
        if let Ok(Some(signer)) = self.key_in(&new)
            && is_known(&signer)
        {
            let aside = self.log_key.with_extension(format!("key.old-{}", self.clock.random_hex(4)));
            // Another process may be at it as well: what counts is the key in its place.
            let moved = secret_file::replace(&self.log_key, &new, &aside).map_err(|error| self.key_fault(error));
            return match self.key_in_file()?.filter(is_known) {
                Some(signer) => Ok(signer),
                None => moved.and_then(|()| Err(self.key_lost())),
            };
        }
        match placed? {
            None => Err(self.key_lost()),
            Some(_) => Err(SealError::OtherKey {
                path: self.log_key.clone(),
                known: known.unwrap_or_else(|| "none".to_owned()),
            }),
        }
    }

    fn key_lost(&self) -> SealError {
        SealError::KeyLost { path: self.log_key.clone() }
    }

    /// At the first opening of a workspace. Of several first openers one makes the key, and all read that one.
    pub(super) fn make_log_key(&self) -> Result<(), SealError> {
        secret_file::open(&self.log_key, self.clock.as_ref()).map_err(|error| self.key_fault(error))?;
        let signer = self.key_in_file()?.ok_or_else(|| self.key_lost())?;
        Ok(store::note_meta(self.backend(), META, signer.verifier().to_string(), false)?)
    }

    /// For a person who lost the key or no longer trusts it: another one from here on, and a record that says so. An old
    /// key that is still there is put aside.
    pub fn change_log_key(&self, caller: &Caller, reason: &str, proof: Proof) -> Result<VerifierKey, Failure> {
        let broken = |error: SealError| match error {
            SealError::Store(error) => Failure::Broken(error),
            other => Failure::Broken(StoreError::File {
                path: self.log_key.clone(),
                source: io::Error::other(other.to_string()),
            }),
        };
        let io = |source| Failure::Broken(StoreError::File { path: self.log_key.clone(), source });
        let old = self.view(|tx| store::meta(tx, META)).map_err(Failure::Broken)?;
        // Decided before anything is done, so that nobody without the role moves the file.
        let change = |new: String| Command::ChangeLogKey {
            old: old.clone(),
            new,
            reason: reason.to_owned(),
            proof: proof.clone(),
        };
        self.would_take(caller, &change(String::new()))?;
        // An earlier change may still wait for its key to be put in place. Only then is the draft free for another.
        let _ = self.signer();
        let draft = self.new_key_file();
        // What a try left that came to nothing is used: so two changes at once agree on one key, and neither loses it.
        secret_file::open(&draft, self.clock.as_ref()).map_err(io)?;
        let signer = self.key_in(&draft).and_then(|found| found.ok_or_else(|| self.key_lost())).map_err(broken)?;
        let verifier = signer.verifier().clone();
        let meta = Attachment::Meta { key: META, value: verifier.to_string() };
        self.command(caller, "audit key", Scope::Trust, change(verifier.to_string()), vec![meta])?;
        // On record now. Where this fails, sealing tries it again and says what is wrong.
        let _ = self.signer();
        Ok(verifier)
    }
}
