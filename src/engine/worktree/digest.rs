//! Which files of a snapshot are read, and what they hold as a digest. Large files and what is no plain file are never
//! opened. Without a digest a change is still found by times; its undoing is not.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::{Folder, Snapshot, is_racy, joined, walk};
use crate::domain::ids::Time;
use crate::domain::violation::{ContentDigest, EntryKind, EntryPrint, TreePath};
use crate::policy::effects::is_protected;

/// Files above this are never read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// What one look reads of files that need not be read now, so that after some looks all are known: about two
/// milliseconds.
const AHEAD_FILES_MAX: usize = 256;
const AHEAD_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// What one look reads of files that changed since the last one.
const CHANGED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Files of git that only lead somewhere.
const SMALL_BYTES: u64 = 4096;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// It can make programs run, or it was known and is another now.
    Now,
    /// Its times may not tell the next change.
    Racy,
    Ahead,
}

struct Wanted {
    need: Need,
    folder: usize,
    entry: usize,
    size: u64,
}

/// Takes over what `earlier` knows, and reads the rest as far as the bounds allow.
pub(super) fn read(snapshot: &mut Snapshot, earlier: Option<&Snapshot>) -> Result<(), String> {
    let mut wanted = Vec::new();
    for (at, folder) in snapshot.folders.iter_mut().enumerate() {
        let known = earlier.and_then(|earlier| Some((earlier.folder(&folder.path)?, earlier.taken)));
        needs(folder, known, snapshot.taken, |need, entry, size| wanted.push(Wanted { need, folder: at, entry, size }));
    }
    if wanted.is_empty() {
        return Ok(());
    }
    wanted.sort_by_key(|wanted| wanted.need);
    let root = opened(&snapshot.root)
        .map_err(|error| format!("the work tree `{}` cannot be opened: {error}", snapshot.root.display()))?;
    let (mut files_ahead, mut bytes_ahead, mut bytes_now) = (0, 0, 0);
    for Wanted { need, folder, entry, size } in wanted {
        if need == Need::Now {
            bytes_now += size;
            if bytes_now > CHANGED_BYTES_MAX {
                continue;
            }
        } else {
            files_ahead += 1;
            bytes_ahead += size;
            if files_ahead > AHEAD_FILES_MAX || bytes_ahead > AHEAD_BYTES_MAX {
                break;
            }
        }
        let Some(folder) = snapshot.folders.get_mut(folder) else { continue };
        let Some(entry) = folder.entries.get_mut(entry) else { continue };
        let meaning = Meaning::of(&folder.path, &entry.name);
        entry.digest = digest(&root, OsStr::from_bytes(&joined(&folder.path, &entry.name)), entry.inode, meaning);
    }
    Ok(())
}

/// Which files of a folder are to be read, and how soon; those that are known to be the same keep their digest.
fn needs(folder: &mut Folder, earlier: Option<(&Folder, Time)>, taken: Time, mut want: impl FnMut(Need, usize, u64)) {
    let is_guarded = is_protected(Path::new(OsStr::from_bytes(&folder.path)));
    let mut olds = earlier.map_or(&[][..], |(old, _)| &old.entries).iter().peekable();
    for (at, entry) in folder.entries.iter_mut().enumerate() {
        while olds.next_if(|old| old.name < entry.name).is_some() {}
        let old = olds.next_if(|old| old.name == entry.name);
        if entry.kind != EntryKind::File || entry.size > FILE_BYTES_MAX {
            continue;
        }
        let known = old.and_then(|old| Some((old, old.digest?)));
        let was_racy = earlier.is_some_and(|(_, taken)| is_racy(entry.ctime_ns, taken));
        match known {
            Some((old, digest)) if entry.is_same(old) && !was_racy => entry.digest = Some(digest),
            Some(_) => want(Need::Now, at, entry.size),
            None if is_guarded || is_protected(Path::new(OsStr::from_bytes(&entry.name))) => {
                want(Need::Now, at, entry.size);
            }
            None if is_racy(entry.ctime_ns, taken) => want(Need::Racy, at, entry.size),
            None => want(Need::Ahead, at, entry.size),
        }
    }
}

/// What stands at a path now, with its content; symlinks on the way lead nowhere.
pub fn look(root: &Path, path: &TreePath) -> Result<Option<EntryPrint>, String> {
    match looked(root, path) {
        Ok(print) => Ok(Some(print)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => Ok(None),
        Err(Errno::ACCESS | Errno::PERM) => {
            Ok(Some(EntryPrint { kind: EntryKind::Unreadable, mode: 0, size: 0, links: 0, digest: None }))
        }
        Err(error) => Err(format!("`{path}` cannot be looked at: {error}; mend that and try again")),
    }
}

fn looked(root: &Path, path: &TreePath) -> Result<EntryPrint, Errno> {
    let mut folder = opened(if path.0.starts_with(b"/") { Path::new("/") } else { root })?;
    let mut parts = path.0.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    let mut name = parts.next().ok_or(Errno::NOENT)?;
    for next in parts {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        folder = openat(&folder, OsStr::from_bytes(name), flags, Mode::empty())?;
        name = next;
    }
    let c_name = CString::new(name).map_err(|_| Errno::NOENT)?;
    let mut entry = walk::met(&folder, &c_name)?;
    if entry.kind == EntryKind::File && entry.size <= FILE_BYTES_MAX {
        let above = path.0.strip_suffix(name).unwrap_or_default();
        entry.digest = digest(&folder, OsStr::from_bytes(name), entry.inode, Meaning::of(above, name));
    }
    Ok(entry.print())
}

fn opened(folder: &Path) -> Result<OwnedFd, Errno> {
    openat(CWD, folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// What of a file's content counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    All,
    GitConfig,
}

impl Meaning {
    fn of(folder: &[u8], name: &[u8]) -> Self {
        let in_git = folder.starts_with(b"/") || folder.split(|byte| *byte == b'/').any(|part| part == b".git");
        if in_git && name == b"config" { Self::GitConfig } else { Self::All }
    }
}

/// A git configuration but for which branch follows which: `git push -u` and `git checkout -b` write that all the time,
/// and no program runs by it. A section with anything else in it counts whole.
fn without_tracking(config: &[u8]) -> Vec<u8> {
    let is_plain = |text: &[u8]| text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._/-@+#".contains(byte));
    let is_branch = |line: &[u8]| {
        let name = line.strip_prefix(b"[branch \"").and_then(|line| line.strip_suffix(b"\"]"));
        name.is_some_and(is_plain)
    };
    let is_tracking = |line: &[u8]| {
        let value = [&b"remote = "[..], b"merge = ", b"rebase = "].iter().find_map(|key| line.strip_prefix(*key));
        // A comment would begin with `#`; a remote that is an address could name a program.
        value.is_some_and(|value| is_plain(value) && !value.contains(&b'#'))
    };
    let (mut kept, mut section, mut counts) = (Vec::with_capacity(config.len()), Vec::new(), true);
    for line in config.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii();
        let goes_on = section.ends_with(b"\\\n") || section.ends_with(b"\\\r\n");
        if text.starts_with(b"[") && !goes_on {
            if counts {
                kept.append(&mut section);
            }
            section.clear();
            counts = !is_branch(text);
        } else {
            counts |= goes_on || !(text.is_empty() || is_tracking(text));
        }
        section.extend_from_slice(line);
    }
    if counts {
        kept.append(&mut section);
    }
    kept
}

/// The digest of a file's content; none where it is another file by now, or may not be read.
fn digest(folder: impl AsFd, path: &OsStr, inode: u64, meaning: Meaning) -> Option<ContentDigest> {
    // What became a pipe meanwhile must not be waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = openat(folder, path, flags, Mode::empty()).ok()?;
    let stat = fstat(&fd).ok()?;
    if FileType::from_raw_mode(stat.st_mode as _) != FileType::RegularFile || stat.st_ino as u64 != inode {
        return None;
    }
    let mut content = Vec::new();
    File::from(fd).take(FILE_BYTES_MAX + 1).read_to_end(&mut content).ok()?;
    let whole = u64::try_from(content.len()).is_ok_and(|length| length <= FILE_BYTES_MAX);
    if meaning == Meaning::GitConfig {
        content = without_tracking(&content);
    }
    whole.then(|| ContentDigest(Sha256::digest(&content).into()))
}

/// The text of a small file of git's, symlinks followed.
pub(super) fn small_file(path: &Path) -> Option<Vec<u8>> {
    let file = File::open(path).ok()?;
    file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let mut text = Vec::new();
    file.take(SMALL_BYTES).read_to_end(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_follows_which_is_left_out_of_a_git_configuration() {
        let core = "[core]\n\tbare = false\n";
        for (added, counts) in [
            ("", false),
            ("[branch \"main\"]\n\tremote = origin\n\tmerge = refs/heads/main\n", false),
            ("[branch \"a/b-1#2\"]\n\tmerge = refs/heads/a/b-1\n\trebase = true\n\n", false),
            ("[branch \"main\"]\n\tremote = ext::sh\n", true),
            ("[branch \"main\"]\n\tremote = origin\n\tmergeOptions = -s evil\n", true),
            ("[branch \"main\"]\n\tremote = origin # x\n", true),
            ("[branch \"main\"] remote = origin\n", true),
            ("[branch \"main\"]\n\tremote = origin\n[alias]\n\tst = !evil\n", true),
            ("[branch \"main\"]\n\tremote = \\\n[core] fsmonitor = evil\n", true),
            ("[remote \"origin\"]\n\turl = x\n", true),
            ("\tfsmonitor = evil\n", true),
        ] {
            let with = without_tracking(format!("{core}{added}").as_bytes());
            assert_eq!(with != core.as_bytes(), counts, "{added}");
        }
    }
}
