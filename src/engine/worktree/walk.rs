//! Meets every entry of a work tree on a few threads: a list of names and one `stat` an entry, symlinks never followed.
//! File contents are not read here (`digest`).

use std::ffi::OsStr;
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::ffi::CStr;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::{ContentDigest, Entry, EntryKind, Folder, Skip, git_elsewhere, joined};

/// A tree with more is not one that people work in; its look would take seconds.
const ENTRIES_MAX: usize = 2_000_000;
/// Below this, starting a thread costs more than it saves.
const ALONE_MAX: usize = 2_000;
const THREADS_MAX: usize = 4;

/// Parts of a git folder that are git's bookkeeping: no program runs by what they hold.
const BOOKKEEPING: [&[u8]; 9] = [
    b"objects",
    b"refs",
    b"logs",
    b"lfs",
    b"rr-cache",
    b"annex",
    // Of a rebase or a series of patches that has not ended.
    b"rebase-apply",
    b"rebase-merge",
    b"sequencer",
];
/// What of a git folder itself is noted. The folders of submodules and linked work trees below it are looked into
/// besides.
const OBEYED: [&[u8]; 6] = [b"config", b"config.worktree", b"hooks", b"info", b"modules", b"worktrees"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Tree,
    /// In a git folder: only what makes git run programs is noted.
    Git,
    GitHooks,
    GitInfo,
}

struct Job {
    path: Vec<u8>,
    place: Place,
}

struct Walk<'a> {
    root: OwnedFd,
    skip: &'a Skip,
    seen: AtomicUsize,
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: Vec<Job>,
    busy: usize,
    fault: Option<String>,
}

pub(super) fn folders(root: &Path, skip: &Skip) -> Result<Vec<Folder>, String> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let told =
        |error: Errno| format!("the work tree `{}` cannot be opened: {error}; mend that and try again", root.display());
    let fd = openat(rustix::fs::CWD, root, flags, Mode::empty()).map_err(told)?;
    let outside = git_elsewhere(root)
        .into_iter()
        .map(|path| Job { path: path.as_os_str().as_bytes().to_vec(), place: Place::Git });
    let mut jobs: Vec<Job> = outside.collect();
    jobs.push(Job { path: Vec::new(), place: Place::Tree });
    let queue = Mutex::new(Queue { jobs, ..Queue::default() });
    let walk = Walk { root: fd, skip, seen: AtomicUsize::new(0), queue, wake: Condvar::new() };

    let mut found = Found::default();
    walk.work(&mut found, ALONE_MAX);
    if walk.has_more() {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads)
                .map(|_| {
                    scope.spawn(|| {
                        let mut found = Found::default();
                        walk.work(&mut found, usize::MAX);
                        found
                    })
                })
                .collect();
            walk.work(&mut found, usize::MAX);
            for other in others {
                match other.join() {
                    Ok(other) => found.add(other),
                    Err(_) => walk.fail("a thread that looked at it ended early".to_owned()),
                }
            }
        });
    }
    let queue = walk.queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    match queue.fault {
        Some(fault) => Err(format!("the work tree `{}` cannot be looked at: {fault}", root.display())),
        None => Ok(found.sorted()),
    }
}

#[derive(Default)]
struct Found {
    folders: Vec<Folder>,
    /// Folders that would not open.
    closed: Vec<Vec<u8>>,
}

impl Found {
    fn add(&mut self, other: Self) {
        self.folders.extend(other.folders);
        self.closed.extend(other.closed);
    }

    /// In one order, whichever thread met what; a folder that would not open says so in its own entry.
    fn sorted(mut self) -> Vec<Folder> {
        self.folders.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        // A git folder of a linked work tree may be met from two sides.
        self.folders.dedup_by(|a, b| a.path == b.path);
        for path in &self.closed {
            let at = path.iter().rposition(|byte| *byte == b'/');
            let (parent, name) = match at.and_then(|at| path.split_at_checked(at)) {
                Some((parent, name)) => (parent, name.get(1..).unwrap_or_default()),
                None => (&[][..], path.as_slice()),
            };
            let Ok(folder) = self.folders.binary_search_by(|folder| folder.path.as_slice().cmp(parent)) else {
                continue;
            };
            let Some(folder) = self.folders.get_mut(folder) else { continue };
            if let Some(entry) = folder.entries.iter_mut().find(|entry| *entry.name == *name) {
                *entry = bare(name, EntryKind::Unreadable);
            }
        }
        self.folders
    }
}

impl Walk<'_> {
    /// Takes folders until none is left, or until so many entries were met.
    fn work(&self, found: &mut Found, entries_max: usize) {
        while self.seen.load(Ordering::Relaxed) < entries_max {
            let Some(job) = self.next() else { return };
            let mut more = Vec::new();
            match self.folder(&job, &mut more) {
                Ok(Some(folder)) => {
                    let seen = self.seen.fetch_add(folder.entries.len(), Ordering::Relaxed);
                    if seen > ENTRIES_MAX {
                        self.fail(format!(
                            "it holds more than {ENTRIES_MAX} files; name the folders that builds fill as skipped"
                        ));
                    }
                    found.folders.push(folder);
                }
                // Gone since it was listed: as if it had never been there.
                Ok(None) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => self.fail(error.to_string()),
                Err(_) => found.closed.push(job.path),
            }
            self.done(more);
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if queue.fault.is_some() {
                return None;
            }
            if let Some(job) = queue.jobs.pop() {
                queue.busy += 1;
                return Some(job);
            }
            if queue.busy == 0 {
                return None;
            }
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self, more: Vec<Job>) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.busy -= 1;
        let wakes = !more.is_empty() || queue.busy == 0;
        queue.jobs.extend(more);
        drop(queue);
        if wakes {
            self.wake.notify_all();
        }
    }

    fn has_more(&self) -> bool {
        !self.queue.lock().unwrap_or_else(PoisonError::into_inner).jobs.is_empty()
    }

    fn fail(&self, why: String) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).fault.get_or_insert(why);
        self.wake.notify_all();
    }

    fn folder(&self, job: &Job, more: &mut Vec<Job>) -> Result<Option<Folder>, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let path = if job.path.is_empty() { OsStr::new(".") } else { OsStr::from_bytes(&job.path) };
        let mut dir = Dir::new(openat(&self.root, path, flags, Mode::empty())?)?;
        let mut entries = Vec::new();
        while let Some(listed) = dir.read() {
            let listed = listed?;
            let c_name = listed.file_name();
            let name = c_name.to_bytes();
            if name == b"." || name == b".." || !is_met(job, name, listed.file_type()) {
                continue;
            }
            let fd = dir.fd()?;
            let entry = match statat(fd, c_name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => described(fd, c_name, &stat),
                Err(Errno::NOENT) => continue,
                Err(_) => bare(name, EntryKind::Unreadable),
            };
            if entry.kind == EntryKind::Folder {
                more.extend(self.below(job, fd, name));
            }
            if is_noted(job, name) {
                entries.push(entry);
            }
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(Folder { path: job.path.clone(), entries }))
    }

    /// The folder inside this one, where it is to be looked at.
    fn below(&self, job: &Job, fd: BorrowedFd<'_>, name: &[u8]) -> Option<Job> {
        let path = joined(&job.path, name);
        let place = match job.place {
            Place::Tree if name == b".git" => Place::Git,
            Place::Tree => {
                let is_tagged = || {
                    let tag = statat(fd, OsStr::from_bytes(&joined(name, b"CACHEDIR.TAG")), AtFlags::SYMLINK_NOFOLLOW);
                    tag.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode as _) == FileType::RegularFile)
                };
                if self.skip.has(&path, name, is_tagged) {
                    return None;
                }
                Place::Tree
            }
            Place::Git if name == b"hooks" => Place::GitHooks,
            Place::Git if name == b"info" => Place::GitInfo,
            place @ (Place::Git | Place::GitHooks | Place::GitInfo) => place,
        };
        Some(Job { path, place })
    }
}

/// Whether an entry is worth a look. A file system that does not tell the kind has it looked at.
fn is_met(job: &Job, name: &[u8], kind: FileType) -> bool {
    match job.place {
        Place::Tree | Place::GitHooks | Place::GitInfo => is_noted(job, name),
        // A submodule may have such a name.
        Place::Git if BOOKKEEPING.contains(&name) && !job.path.ends_with(b"/modules") => false,
        Place::Git => matches!(kind, FileType::Directory | FileType::Unknown) || is_noted(job, name),
    }
}

fn is_noted(job: &Job, name: &[u8]) -> bool {
    match job.place {
        Place::Tree => true,
        // A list for fetching over plain HTTP, which `git gc` writes.
        Place::GitInfo => name != b"refs",
        // Git runs no hook of that name.
        Place::GitHooks => !name.ends_with(b".sample"),
        // In the folders of linked work trees git writes such a file itself.
        Place::Git => OBEYED.contains(&name) || (name == b"commondir" && job.path.ends_with(b".git")),
    }
}

fn described(fd: impl AsFd, name: &CStr, stat: &Stat) -> Entry {
    let kind = match FileType::from_raw_mode(stat.st_mode as _) {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Folder,
        FileType::Symlink => EntryKind::Symlink,
        FileType::Fifo => EntryKind::Pipe,
        FileType::Socket => EntryKind::Socket,
        FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => EntryKind::Device,
    };
    of_stat(fd, name, kind, stat)
}

#[expect(clippy::unnecessary_cast, reason = "the fields of stat have other widths on other systems")]
fn of_stat(fd: impl AsFd, name: &CStr, kind: EntryKind, stat: &Stat) -> Entry {
    let entry = bare(name.to_bytes(), kind);
    let nanos = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
    match kind {
        EntryKind::File => Entry {
            mode: stat.st_mode as u32 & 0o7777,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime_ns: nanos(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            ctime_ns: nanos(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            inode: stat.st_ino as u64,
            links: stat.st_nlink as u64,
            ..entry
        },
        EntryKind::Folder => Entry { mode: stat.st_mode as u32 & 0o7777, ..entry },
        EntryKind::Symlink => {
            let target = readlinkat(fd, name, Vec::new()).ok();
            let digest = target.map(|target| ContentDigest(Sha256::digest(target.to_bytes()).into()));
            Entry { digest, ..entry }
        }
        EntryKind::Pipe | EntryKind::Socket | EntryKind::Device | EntryKind::Unreadable => entry,
    }
}

/// An entry as it is met by itself, outside a walk.
pub(super) fn met(fd: impl AsFd, name: &CStr) -> Result<Entry, Errno> {
    let stat = statat(fd.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(described(fd, name, &stat))
}

fn bare(name: &[u8], kind: EntryKind) -> Entry {
    let name = Box::from(name);
    Entry { name, kind, mode: 0, size: 0, mtime_ns: 0, ctime_ns: 0, inode: 0, links: 0, digest: None }
}
