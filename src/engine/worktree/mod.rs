//! The work tree at one moment, so that what a shell call changed can be found afterwards. Ignored files count too,
//! unlike in `gates::tree`, which asks what git would show. What a change means is judged in `policy::effects`.

mod compare;
mod digest;
mod form;
mod skip;
mod walk;

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::domain::ids::Time;
use crate::domain::violation::{ContentDigest, EntryKind, EntryPrint, TreePath};

pub use compare::changes;
pub use digest::look;
pub use skip::Skip;

/// File times are as coarse as the system's tick: what was written this shortly before a look may be written again
/// without its times showing it.
const RACY_NS: i64 = 20_000_000;

/// Every entry below a root but what `Skip` names, and the parts of git that can make it run programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    root: PathBuf,
    skip: Skip,
    taken: Time,
    /// Sorted by path; the root is the empty path, what lies outside of it is absolute.
    folders: Vec<Folder>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Folder {
    path: Vec<u8>,
    /// Sorted by name.
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: Box<[u8]>,
    kind: EntryKind,
    mode: u32,
    size: u64,
    mtime_ns: i64,
    /// No program can set this one back.
    ctime_ns: i64,
    inode: u64,
    links: u64,
    digest: Option<ContentDigest>,
}

impl Snapshot {
    /// Looks at the work tree. What `earlier` has read of files that did not change since is not read again.
    pub fn take(root: &Path, skip: &Skip, earlier: Option<&Self>, now: Time) -> Result<Self, String> {
        let told = |error: std::io::Error| {
            format!("the work tree `{}` cannot be looked at: {error}; mend that and try again", root.display())
        };
        let root = root.canonicalize().map_err(told)?;
        let folders = walk::folders(&root, skip)?;
        let mut taken = Self { root, skip: skip.clone(), taken: now, folders };
        let earlier = earlier.filter(|earlier| earlier.root == taken.root);
        digest::read(&mut taken, earlier)?;
        Ok(taken)
    }

    /// The same work tree now, by the same rules.
    pub fn again(&self, now: Time) -> Result<Self, String> {
        Self::take(&self.root, &self.skip, Some(self), now)
    }

    /// All entries, folders among them.
    pub fn len(&self) -> usize {
        self.folders.iter().map(|folder| folder.entries.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whose content is known, for a figure of how much a later violation can be seen undone.
    pub fn read_files(&self) -> usize {
        self.entries().filter(|(_, entry)| entry.digest.is_some()).count()
    }

    /// Folders and files that may not be looked into: what happens there is not seen.
    pub fn unreadable(&self) -> Vec<TreePath> {
        let blind = |entry: &Entry| entry.kind == EntryKind::Unreadable;
        self.entries().filter(|(_, entry)| blind(entry)).map(|(folder, entry)| folder.path_of(entry)).collect()
    }

    fn entries(&self) -> impl Iterator<Item = (&Folder, &Entry)> {
        self.folders.iter().flat_map(|folder| folder.entries.iter().map(move |entry| (folder, entry)))
    }

    fn folder(&self, path: &[u8]) -> Option<&Folder> {
        let at = self.folders.binary_search_by(|folder| folder.path.as_slice().cmp(path)).ok()?;
        self.folders.get(at)
    }
}

/// Whether a file written at this time could, at the time of the look, be written again without a new time.
fn is_racy(ctime_ns: i64, taken: Time) -> bool {
    ctime_ns.saturating_add(RACY_NS) >= taken.0.saturating_mul(1_000_000)
}

impl Folder {
    fn path_of(&self, entry: &Entry) -> TreePath {
        TreePath(joined(&self.path, &entry.name))
    }
}

impl Entry {
    fn print(&self) -> EntryPrint {
        let Self { kind, mode, size, links, digest, .. } = *self;
        EntryPrint { kind, mode, size, links, digest }
    }

    /// Nothing that the system tells of the two differs.
    fn is_same(&self, other: &Self) -> bool {
        (self.kind, self.mode, self.size, self.inode) == (other.kind, other.mode, other.size, other.inode)
            && (self.mtime_ns, self.ctime_ns) == (other.mtime_ns, other.ctime_ns)
    }
}

fn joined(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(folder.len() + 1 + name.len());
    path.extend_from_slice(folder);
    if !folder.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// The git folders that the work tree obeys and that do not lie in it: of a linked work tree, of a submodule, of a
/// repository around it.
fn git_elsewhere(root: &Path) -> BTreeSet<PathBuf> {
    let Some(place) = root.ancestors().map(|folder| folder.join(".git")).find(|git| git.symlink_metadata().is_ok())
    else {
        return BTreeSet::new();
    };
    let Ok(meta) = place.metadata() else { return BTreeSet::new() };
    let own = if meta.is_dir() { place.canonicalize().ok() } else { pointed(&place, "gitdir:") };
    let common = own.as_ref().and_then(|own| pointed(&own.join("commondir"), ""));
    let mut found: BTreeSet<PathBuf> = own.into_iter().chain(common).collect();
    // The walk of the root meets this one by itself.
    found.remove(&root.join(".git"));
    found
}

/// The folder that one of git's small files leads to.
fn pointed(file: &Path, mark: &str) -> Option<PathBuf> {
    let text = digest::small_file(file)?;
    let line = text.strip_prefix(mark.as_bytes())?.trim_ascii();
    let target = file.parent()?.join(std::ffi::OsStr::from_bytes(line)).canonicalize().ok()?;
    target.is_dir().then_some(target)
}
