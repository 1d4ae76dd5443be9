//! A command that waits to be carried out once, in a file under a name that cannot be guessed, and the words that the
//! client's shell is given in its place.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::domain::canonical;
use crate::domain::ids::Time;

use super::Bounds;

/// A file of ours is far smaller; more than this is not read.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// What is left of a ticket that was taken, or never, goes after this.
const KEPT_MS: i64 = 24 * 3600 * 1000;
const WAITING: &str = "json";
const TAKEN: &str = "taken";
const NOTE: &str = ".ended-in-";

/// 128 random bits in hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketId(String);

impl TicketId {
    pub const BYTES: usize = 16;

    pub fn parse(text: &str) -> Option<Self> {
        let fits =
            text.len() == Self::BYTES * 2 && text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
        fits.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn file(&self, folder: &Path, ending: &str) -> PathBuf {
        folder.join(format!("{}.{ending}", self.0))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The command text as the model wrote it, or as it was approved.
    pub command: String,
    /// Where it starts.
    pub cwd: PathBuf,
    pub bounds: Bounds,
    /// What the client's shell sources first (functions, aliases); nothing: taken from the shell that asks.
    #[serde(default)]
    pub snapshot: Option<PathBuf>,
    /// After this moment it does not run any more.
    pub expires: Time,
}

#[derive(Debug, thiserror::Error)]
pub enum TicketError {
    #[error("there is no such command waiting: it ran already, or its call was never judged; call the tool again")]
    Gone,
    #[error("the command waited too long after it was judged; call the tool again")]
    Expired,
    #[error("the file of the command cannot be read ({0}); call the tool again, and see `phasegate doctor`")]
    Unreadable(String),
}

/// A ticket that is used up, with the place where the shell notes the folder it ends in.
#[derive(Debug)]
pub struct Taken {
    pub ticket: Ticket,
    pub end_folder: PathBuf,
}

/// The file of a ticket before there is one, which nothing runs by: making a file can take longer than all that a hook decides.
#[derive(Debug)]
pub struct Blank {
    id: TicketId,
    path: PathBuf,
    file: File,
    is_written: bool,
}

impl Blank {
    /// Below `folder` (`<state>/exec`), for its owner alone.
    pub fn make(folder: &Path, id: TicketId) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = id.file(folder, WAITING);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { id, path, file, is_written: false })
    }

    /// Nobody has removed it.
    pub fn is_there(&self) -> bool {
        self.file.metadata().is_ok_and(|found| found.nlink() > 0)
    }
}

impl Drop for Blank {
    fn drop(&mut self) {
        if !self.is_written {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Ticket {
    /// Writes it, whole or not at all.
    pub fn store(&self, mut blank: Blank) -> io::Result<TicketId> {
        let text = serde_json::to_vec(self)?;
        blank.file.write_all(&text)?;
        blank.is_written = true;
        Ok(blank.id.clone())
    }

    /// Once: the rename is what makes it so, for two takers at the same time too.
    pub fn take(folder: &Path, id: &TicketId, now: Time) -> Result<Taken, TicketError> {
        let taken = id.file(folder, TAKEN);
        let waiting = id.file(folder, WAITING);
        let ticket = match std::fs::rename(&waiting, &taken) {
            Ok(()) => {
                let ticket = read(&taken);
                let _ = std::fs::remove_file(&taken);
                ticket?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(TicketError::Gone),
            // In a sandbox that lets nothing be written, once cannot be kept; its time is.
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => read(&waiting)?,
            Err(error) => return Err(TicketError::Unreadable(error.to_string())),
        };
        if ticket.expires.0 < now.0 {
            return Err(TicketError::Expired);
        }
        let end_folder = note(&ticket.bounds.temp, id);
        Ok(Taken { ticket, end_folder })
    }
}

/// Where the confined shell writes the folder that it ended in, and the client's reads it.
fn note(temp: &Path, id: &TicketId) -> PathBuf {
    temp.join(format!("{NOTE}{}", id.as_str()))
}

fn read(file: &Path) -> Result<Ticket, TicketError> {
    let unreadable = |error: &dyn std::fmt::Display| TicketError::Unreadable(error.to_string());
    let length = std::fs::metadata(file).map_err(|error| unreadable(&error))?.len();
    if length > FILE_BYTES_MAX {
        return Err(unreadable(&"it is too long"));
    }
    let text = std::fs::read(file).map_err(|error| unreadable(&error))?;
    serde_json::from_slice(&text).map_err(|error| unreadable(&error))
}

/// The folder for temporary files of one task: below `base` (the user's own runtime folder, or `/tmp`), never `base`
/// itself. One name for each user, workspace and task.
pub fn temp_folder(base: &Path, uid: u32, workspace: &Path, task: &str) -> PathBuf {
    let of = canonical::sha256(workspace.as_os_str().as_encoded_bytes());
    let of = of.as_str().get(..12).unwrap_or_default().to_owned();
    let task: String = task.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    base.join(format!("phasegate-{uid}-{of}")).join(task)
}

/// Removes what was left behind a day ago.
pub fn sweep(folder: &Path, now: Time) {
    sweep_named("", folder, now);
}

/// The same of notes in the folders for temporary files of all tasks; the rest there is not ours.
pub fn sweep_notes(of_tasks: &Path, now: Time) {
    for task in std::fs::read_dir(of_tasks).into_iter().flatten().flatten() {
        sweep_named(NOTE, &task.path(), now);
    }
}

fn sweep_named(start: &str, folder: &Path, now: Time) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(start)) {
        let since = entry.metadata().and_then(|found| found.modified()).ok();
        let age = since.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let written = age.and_then(|age| i64::try_from(age.as_millis()).ok()).unwrap_or_default();
        if now.0.saturating_sub(written) > KEPT_MS {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// What the client's shell runs instead: the command itself is not in it, so no quoting can go wrong, and the folder that
/// the command ended in and its exit code are the shell's. A folder that was not noted, or is gone, changes nothing.
pub fn rewritten(binary: &str, folder: &Path, id: &TicketId, temp: &Path) -> String {
    let path = |path: &Path| quoted(&path.display().to_string());
    let (binary, folder, note, id) = (quoted(binary), path(folder), path(&note(temp, id)), id.as_str());
    format!("{binary} exec --from {folder} {id}; r=$?; {{ cd -- \"$(<{note})\"; }} 2>/dev/null; (exit $r)")
}

/// As it is where a shell takes it so, else in single quotes.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
