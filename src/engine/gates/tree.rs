//! What the work tree looks like at one moment, so that evidence can be told to be older than the files. File contents
//! are not read: the change time, which no program can set back, stands for them.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::fs::{FileType, Metadata};
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::{Match, Walk, WalkBuilder};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::git::{self, Git};
use super::run::Cancel;

const NAMED_MAX: usize = 20;
/// Where phasegate's own state lies, at the root.
const OWN_FOLDER: &str = ".phasegate";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreePrint {
    /// SHA-256 in hex over every entry of the list.
    pub digest: String,
    pub files: usize,
    /// The latest write to a file that is there, in Unix milliseconds; a removal shows only in the digest.
    pub newest_ms: i64,
}

/// What git tracks or would not ignore, sorted by path; folders are not among it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeList {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    path: Vec<u8>,
    kind: u8,
    mode: u32,
    size: u64,
    mtime_ns: i128,
    ctime_ns: i128,
    /// Where a symlink points.
    target: Vec<u8>,
}

pub fn fingerprint(root: &Path, env: &[(OsString, OsString)]) -> Result<TreePrint, String> {
    Ok(list(root, env)?.print())
}

/// `env` is for git, which says what is tracked.
pub fn list(root: &Path, env: &[(OsString, OsString)]) -> Result<TreeList, String> {
    if !root.is_dir() {
        return Err(format!("the work tree `{}` is not a folder; it may have been removed", root.display()));
    }
    let root = &root.canonicalize().map_err(|error| format!("the work tree cannot be read: {error}"))?;
    let mut entries = Vec::new();
    for found in walk(root) {
        match found {
            Ok(found) if found.file_type().is_none_or(|kind| kind.is_dir()) => {}
            Ok(found) => entries.extend(entry(root, found.path())?),
            Err(error) => entries.extend(unreadable(root, &error)?),
        }
    }
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let mut hidden = Vec::new();
    for path in tracked(root, env, &|| false)? {
        let path = path.as_os_str().as_bytes();
        if entries.binary_search_by(|entry| entry.path.as_slice().cmp(path)).is_err() {
            hidden.extend(entry(root, &root.join(OsStr::from_bytes(path)))?);
        }
    }
    entries.extend(hidden);
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    // A path with a conflict stands in the index up to three times.
    entries.dedup_by(|a, b| a.path == b.path);
    Ok(TreeList { entries })
}

/// All that git would show in the work tree, in its own rules only: no user's excludes, no `.ignore` files. Of the
/// folders above only those of the same repository count.
pub(super) fn walk(root: &Path) -> Walk {
    let is_part = git::top(root).is_some_and(|top| !is_ignored(root, top));
    let mut walk = WalkBuilder::new(root);
    walk.hidden(false).ignore(false).git_global(false).follow_links(false).require_git(is_part).parents(is_part);
    walk.filter_entry(|entry| {
        let name = entry.file_name();
        entry.depth() == 0 || !(name == ".git" || (name == OWN_FOLDER && entry.depth() == 1))
    });
    walk.build()
}

/// True where a repository ignores this whole folder in it, as one around a home folder does.
pub(super) fn is_ignored(root: &Path, top: &Path) -> bool {
    let mut exclude = GitignoreBuilder::new(top);
    exclude.add(top.join(".git/info/exclude"));
    let above = root.ancestors().skip(1).take_while(|folder| folder.starts_with(top));
    let rules = above.map(|folder| Gitignore::new(folder.join(".gitignore")).0).chain(exclude.build().ok());
    let mut said = rules.map(|rules| rules.matched_path_or_any_parents(root, true).map(|_| ()));
    root != top && matches!(said.find(|said| !said.is_none()), Some(Match::Ignore(())))
}

/// What git tracks below a folder, be it ignored: an ignore file is quickly written. Of a submodule, what it tracks itself.
pub(super) fn tracked(root: &Path, env: &[(OsString, OsString)], cancel: Cancel) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        let from = root.join(&folder);
        let is_whole = || git::top(&from) == Some(&from) && from.canonicalize().is_ok_and(|real| real == from);
        let is_one = if folder.as_os_str().is_empty() { git::top(root).is_some() } else { is_whole() };
        if !is_one {
            continue;
        }
        let tracked = Git { root: &from, env, cancel }.tracked()?;
        found.extend(tracked.files.into_iter().map(|path| folder.join(path)));
        open.extend(tracked.submodules.into_iter().map(|path| folder.join(path)));
    }
    found.retain(|path| !path.starts_with(OWN_FOLDER));
    Ok(found)
}

impl TreeList {
    pub fn print(&self) -> TreePrint {
        let mut sha = Sha256::new();
        let mut newest_ns = 0;
        for entry in &self.entries {
            // Lengths before what varies in length: no two lists can run together.
            for bytes in [&entry.path, &entry.target] {
                sha.update((bytes.len() as u64).to_le_bytes());
                sha.update(bytes);
            }
            sha.update([entry.kind]);
            sha.update(entry.mode.to_le_bytes());
            sha.update(entry.size.to_le_bytes());
            sha.update(entry.mtime_ns.to_le_bytes());
            sha.update(entry.ctime_ns.to_le_bytes());
            newest_ns = newest_ns.max(entry.ctime_ns);
        }
        let digest = crate::domain::canonical::hex(&sha.finalize());
        let newest_ms = i64::try_from(newest_ns / 1_000_000).unwrap_or(i64::MAX);
        TreePrint { digest, files: self.entries.len(), newest_ms }
    }
}

/// Up to 20 paths that one list has and the other has not, or has otherwise.
pub fn diff(before: &TreeList, after: &TreeList) -> Vec<String> {
    let mut named = Vec::new();
    let (mut old, mut new) = (before.entries.iter().peekable(), after.entries.iter().peekable());
    while named.len() < NAMED_MAX {
        let order = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.path.cmp(&b.path),
        };
        let was = if order.is_le() { old.next() } else { None };
        let is = if order.is_ge() { new.next() } else { None };
        if was != is {
            let path = was.or(is).map(|entry| super::output::printable(&entry.path));
            named.extend(path);
        }
    }
    named
}

fn entry(root: &Path, path: &Path) -> Result<Option<Entry>, String> {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => Ok(None),
        Ok(meta) => {
            let target = if meta.is_symlink() { path.read_link().ok() } else { None };
            Ok(Some(described(relative(root, path), &meta, target.map(|target| target.into_os_string().into_vec()))))
        }
        Err(error) => match Errno::from_io_error(&error) {
            // Gone since it was listed: as if it had never been there.
            Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Some(Errno::ACCESS | Errno::PERM) => Ok(Some(bare(relative(root, path), b'?'))),
            _ => Err(format!("`{}` cannot be looked at: {error}", path.display())),
        },
    }
}

fn described(path: Vec<u8>, meta: &Metadata, target: Option<Vec<u8>>) -> Entry {
    let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let kind = kind(meta.file_type());
    let bare = bare(path, kind);
    match kind {
        b'f' => Entry {
            mode: meta.mode() & 0o7777,
            size: meta.size(),
            mtime_ns: nanos(meta.mtime(), meta.mtime_nsec()),
            ctime_ns: nanos(meta.ctime(), meta.ctime_nsec()),
            ..bare
        },
        b'l' => Entry { target: target.unwrap_or_default(), ..bare },
        _ => bare,
    }
}

fn bare(path: Vec<u8>, kind: u8) -> Entry {
    Entry { path, kind, mode: 0, size: 0, mtime_ns: 0, ctime_ns: 0, target: Vec::new() }
}

fn kind(kind: FileType) -> u8 {
    match kind {
        _ if kind.is_file() => b'f',
        _ if kind.is_symlink() => b'l',
        _ if kind.is_fifo() => b'p',
        _ if kind.is_socket() => b's',
        _ => b'd',
    }
}

/// A folder that may not be read is an entry of its own: it is there before and after.
fn unreadable(root: &Path, error: &ignore::Error) -> Result<Option<Entry>, String> {
    let path = path_of(error).filter(|path| *path != root);
    match (path, error.io_error().map(std::io::Error::kind)) {
        (Some(_), Some(ErrorKind::NotFound)) => Ok(None),
        (Some(path), Some(ErrorKind::PermissionDenied)) => Ok(Some(bare(relative(root, path), b'?'))),
        // A bad line in an ignore file: git goes on as well.
        (_, None) => Ok(None),
        _ => Err(format!("the work tree cannot be read: {error}")),
    }
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        ignore::Error::Loop { .. }
        | ignore::Error::Io(_)
        | ignore::Error::Partial(_)
        | ignore::Error::Glob { .. }
        | ignore::Error::UnrecognizedFileType(_)
        | ignore::Error::InvalidDefinition => None,
    }
}

fn relative(root: &Path, path: &Path) -> Vec<u8> {
    path.strip_prefix(root).unwrap_or(path).as_os_str().as_bytes().to_vec()
}
