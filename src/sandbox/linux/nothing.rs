//! What is bound over a hidden file: an empty one on a file system of its own, which no other process has or can name.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, mount_bind, mount_remount, move_mount, unmount,
};

use crate::sandbox::Why;

const NAME: &str = "empty";

pub struct Nothing {
    top: OwnedFd,
    device: u64,
}

impl Nothing {
    /// A place that the agent may write would do for no moment: what earlier calls left running could put another
    /// file there, or none.
    pub fn make() -> Result<Self, Why> {
        Self::attached().map_err(|error| Why::step("what hides files cannot be made")(error.into()))
    }

    fn attached() -> Result<Self, Errno> {
        let system = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(system.as_fd(), "size", "4k")?;
        fsconfig_create(system.as_fd())?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        let top = fsmount(system.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
        // Kernels before 6.15 bind only what is attached somewhere. Over the root it covers nothing: names begin below.
        move_mount(top.as_fd(), "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
        let mut nothing = Self { top, device: 0 };
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&nothing.top, NAME, flags, Mode::from_raw_mode(0o444))?;
        nothing.device = rustix::fs::fstat(&file)?.st_dev;
        Ok(nothing)
    }

    /// Anything but success is an error: whatever the cause, the file would stay readable.
    pub fn over(&self, file: &Path) -> Result<(), Errno> {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY;
        mount_bind(self.path().join(NAME), file)?;
        mount_remount(file, flags | MountFlags::BIND, c"")?;
        // Somebody may have moved the file away for just this moment.
        match rustix::fs::lstat(file)?.st_dev == self.device {
            true => Ok(()),
            false => Err(Errno::STALE),
        }
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.top.as_raw_fd()))
    }
}

impl Drop for Nothing {
    fn drop(&mut self) {
        // What is bound stays; `/..` leads to the root again.
        let _ = unmount(self.path(), UnmountFlags::DETACH);
    }
}
