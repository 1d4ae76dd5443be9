//! Reading and writing the files of clients: bounded, whole or not at all, with the mode they had, through links.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use super::{Ended, Out};

const FILE_BYTES_MAX: u64 = 1 << 20;

/// A file before and after; nothing: it is not there.
#[derive(Clone, Debug)]
pub struct Change {
    /// Below the root of the project.
    pub shown: String,
    pub place: PathBuf,
    pub before: Option<String>,
    pub after: Option<String>,
    pub adds: String,
}

impl Change {
    pub fn is_change(&self) -> bool {
        self.before != self.after
    }
}

fn fault(path: &Path, error: &std::io::Error, doing: &str) -> Ended {
    let shown = path.display();
    let hint = match error.kind() {
        ErrorKind::PermissionDenied => format!("let yourself write there (`ls -ld {shown}` shows who may), then again"),
        ErrorKind::ReadOnlyFilesystem => "that file system is read-only; mount it for writing, then again".to_owned(),
        ErrorKind::StorageFull => "make room on the disk, then again".to_owned(),
        _ => "mend that, then `phasegate init` again; `phasegate init --undo` takes back what is written".to_owned(),
    };
    Ended::usage(format!("{shown} cannot be {doing}: {error}"), hint)
}

/// The text of a file; nothing where there is none.
pub fn read(path: &Path) -> Result<Option<String>, Ended> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(fault(path, &error, "read")),
    };
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Err(Ended::usage(format!("{} is not a file", path.display()), "move it away, then again"));
    }
    let mut text = String::new();
    match file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text) {
        Ok(bytes) if bytes as u64 > FILE_BYTES_MAX => {
            Err(Ended::usage(format!("{} is larger than a settings file is", path.display()), "look what it is"))
        }
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            Err(Ended::usage(format!("{} is not UTF-8 text", path.display()), "save it as UTF-8, then again"))
        }
        Err(error) => Err(fault(path, &error, "read")),
    }
}

/// The one of these files that is there, else the first.
pub fn first(root: &Path, files: &[&'static str]) -> Result<(&'static str, Option<String>), Ended> {
    for file in files {
        if let Some(text) = read(&root.join(file))? {
            return Ok((file, Some(text)));
        }
    }
    Ok((files.first().copied().unwrap_or_default(), None))
}

/// Where a link leads, so that the link stays one.
pub fn resolved(path: &Path) -> Result<PathBuf, Ended> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => fs::canonicalize(path).map_err(|_| {
            Ended::usage(format!("{} is a link that leads nowhere", path.display()), "remove it or mend it, then again")
        }),
        _ => Ok(path.to_path_buf()),
    }
}

/// The whole text or what was there: a temporary file beside it takes its place.
pub fn write(path: &Path, text: &str) -> Result<(), Ended> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| fault(folder, &error, "made"))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = fill(&beside, path, text).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.map_err(|error| fault(path, &error, "written"))
}

fn fill(beside: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    let private = path.file_name().is_some_and(|name| name == super::journal::FILE);
    let mode = if private { 0o600 } else { 0o666 };
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(beside)?;
    if let Ok(old) = fs::metadata(path) {
        file.set_permissions(old.permissions())?;
        // Root that sets up somebody's project leaves the file theirs.
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            let _ = chown(beside, Some(old.uid()), Some(old.gid()));
        }
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

pub fn remove(path: &Path) -> Result<(), Ended> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(fault(path, &error, "removed")),
        _ => Ok(()),
    }
}

pub fn show_diffs(changes: &[&Change], out: &Out) {
    let mut text = String::new();
    for change in changes.iter().filter(|change| change.is_change()) {
        let old = change.before.as_deref().unwrap_or_default();
        let new = change.after.as_deref().unwrap_or_default();
        let diff = similar::TextDiff::from_lines(old, new);
        let name = |side: &str, there: bool| match there {
            true => format!("{side}/{}", change.shown),
            false => "/dev/null".to_owned(),
        };
        let (from, to) = (name("a", change.before.is_some()), name("b", change.after.is_some()));
        text.push_str(&diff.unified_diff().context_radius(3).header(&from, &to).to_string());
    }
    let value = changes
        .iter()
        .filter(|change| change.is_change())
        .map(|change| serde_json::json!({ "file": change.shown, "before": change.before, "after": change.after }));
    let value = serde_json::json!({ "changes": value.collect::<Vec<_>>() });
    if text.is_empty() {
        text.push_str("Nothing to change.");
    }
    // A tab hides nothing.
    out.answer(&value, &super::super::output::visible(&text.replace('\t', "    ")));
}
