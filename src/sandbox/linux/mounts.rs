//! A file system of the command's own: everything read-only but what is open, what is hidden empty. Changes of modes and
//! times are held here too. Not there: exceptions for names that do not exist yet.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change, mount_remount};
use rustix::thread::UnshareFlags;

use super::nothing::Nothing;
use super::terminals;
use crate::sandbox::Why;
use crate::sandbox::plan::Plan;

const SHARED_MEMORY: &str = "/dev/shm";

/// Into namespaces of its own; false where this machine does not allow it and nothing has changed.
pub fn separate(uid: u32, network: bool) -> Result<bool, Why> {
    let gid = rustix::process::getgid().as_raw();
    let mut flags = UnshareFlags::NEWNS;
    // Root in a user namespace would not be able to use the files of others, and needs none.
    if uid != 0 {
        flags |= UnshareFlags::NEWUSER;
    }
    if network {
        flags |= UnshareFlags::NEWNET;
    }
    #[expect(deprecated, reason = "unsafe only with FILES, which is not asked for, and `unsafe` is forbidden here")]
    if rustix::thread::unshare(flags).is_err() {
        return Ok(false);
    }
    if uid != 0 {
        let map = |file: &str, text: String| std::fs::write(format!("/proc/self/{file}"), text);
        map("setgroups", "deny".to_owned())
            .and_then(|()| map("uid_map", format!("{uid} {uid} 1")))
            .and_then(|()| map("gid_map", format!("{gid} {gid} 1")))
            .map_err(Why::step("the user namespace cannot be filled"))?;
    }
    // Some distributions allow the namespace and then no mount in it.
    match mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC) {
        Ok(()) => Ok(true),
        Err(Errno::PERM | Errno::ACCESS) => Ok(false),
        Err(error) => Err(Why::step("mounts cannot be made private")(error.into())),
    }
}

pub fn arrange(plan: &Plan, sockets: &[PathBuf], temp: &Path, uid: u32) -> Result<(), Why> {
    let own = plan.mounts();
    for place in &own {
        mount_bind_recursive(place, place).map_err(|error| Why::of("the place", place)(error.into()))?;
    }
    if !plan.anywhere {
        fresh(Path::new(SHARED_MEMORY), c"mode=1777").map_err(Why::of("the folder", Path::new(SHARED_MEMORY)))?;
    }
    terminals::own()?;
    let mounted = mounted().map_err(Why::step("the list of mounts cannot be read"))?;
    let fresh = [SHARED_MEMORY, terminals::FOLDER, terminals::MAKER].map(Path::new);
    for (place, flags) in &mounted {
        if !fresh.contains(&place.as_path()) && !plan.may_write(place) {
            close(place, *flags)?;
        }
    }
    hide(plan, sockets, temp)?;
    if uid == 0 {
        hide_disks()?;
    }
    Ok(())
}

fn close(place: &Path, flags: MountFlags) -> Result<(), Why> {
    match mount_remount(place, flags | MountFlags::BIND | MountFlags::RDONLY, c"") {
        // Not a mount as seen from here, or out of reach: another mount covers it.
        Ok(()) | Err(Errno::INVAL | Errno::NOENT | Errno::ACCESS) => Ok(()),
        Err(error) => Err(Why::of("the mount", place)(error.into())),
    }
}

fn fresh(place: &Path, data: &std::ffi::CStr) -> io::Result<()> {
    if place.is_dir() {
        mount("tmpfs", place, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, data)?;
    }
    Ok(())
}

fn hide(plan: &Plan, sockets: &[PathBuf], temp: &Path) -> Result<(), Why> {
    let (socket_folders, socket_files): (Vec<&PathBuf>, Vec<&PathBuf>) = sockets.iter().partition(|path| path.is_dir());
    let mut hidden: Vec<&PathBuf> = Vec::new();
    for folder in plan.hidden_folders.iter().chain(socket_folders) {
        // The folder of the command's own work cannot be hidden from it.
        if temp.starts_with(folder) || hidden.iter().any(|above| folder.starts_with(above)) {
            continue;
        }
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY;
        mount("tmpfs", folder, "tmpfs", flags, c"mode=000,size=4k")
            .map_err(|error| Why::of("the folder", folder)(error.into()))?;
        hidden.push(folder);
    }
    let files: BTreeSet<&PathBuf> = plan.hidden_files.iter().chain(socket_files).collect();
    cover(files.into_iter().filter(|file| !hidden.iter().any(|above| file.starts_with(above))))
}

/// Each was there when it was looked for. One that is not now would be there again while the command runs.
fn cover<'a>(files: impl Iterator<Item = &'a PathBuf>) -> Result<(), Why> {
    let mut files = files.peekable();
    if files.peek().is_none() {
        return Ok(());
    }
    let nothing = Nothing::make()?;
    for file in files {
        nothing.over(file).map_err(|error| {
            let cause = match error {
                Errno::NOENT | Errno::STALE => io::Error::new(
                    io::ErrorKind::NotFound,
                    "it was moved or removed while it was to be hidden; try again",
                ),
                other => other.into(),
            };
            Why::of("the file", file)(cause)
        })?;
    }
    Ok(())
}

/// Root could read what is hidden from the disk itself.
fn hide_disks() -> Result<(), Why> {
    let entries = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    let disks = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_block_device()));
    let disks: Vec<PathBuf> = disks.map(|entry| entry.path()).collect();
    cover(disks.iter())
}

/// Every mount with its own flags: a namespace of an ordinary user may not take any of them away.
fn mounted() -> io::Result<Vec<(PathBuf, MountFlags)>> {
    let text = std::fs::read("/proc/self/mountinfo")?;
    let lines = text.split(|byte| *byte == b'\n');
    Ok(lines
        .filter_map(|line| {
            let mut fields = line.split(|byte| *byte == b' ');
            let place = unescaped(fields.nth(4)?);
            let flags =
                fields.next()?.split(|byte| *byte == b',').fold(MountFlags::empty(), |flags, word| flags | flag(word));
            Some((place, flags))
        })
        .collect())
}

fn flag(word: &[u8]) -> MountFlags {
    match word {
        b"nosuid" => MountFlags::NOSUID,
        b"nodev" => MountFlags::NODEV,
        b"noexec" => MountFlags::NOEXEC,
        b"noatime" => MountFlags::NOATIME,
        b"nodiratime" => MountFlags::NODIRATIME,
        b"relatime" => MountFlags::RELATIME,
        b"nosymfollow" => MountFlags::NOSYMFOLLOW,
        _ => MountFlags::empty(),
    }
}

/// `\040` for a blank and the like.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| *first == b'\\').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_mounts_are_read_as_they_are() {
        for (field, expected) in [("/a", "/a"), (r"/a\040b", "/a b"), (r"/a\134x", r"/a\x"), (r"/a\", r"/a\")] {
            assert_eq!(unescaped(field.as_bytes()), PathBuf::from(expected), "{field}");
        }
        assert!(mounted().unwrap().iter().any(|(place, _)| place == Path::new("/")));
    }
}
