//! Terminals of the command's own: those of the person cannot be named, so nobody reads there what is typed. The ones
//! that were handed over stay open. Not there: consoles of the machine itself.

use std::path::Path;

use rustix::mount::{MountFlags, mount, mount_bind};

use crate::sandbox::Why;

pub const FOLDER: &str = "/dev/pts";
/// Gives a new terminal; which instance it belongs to follows from what lies at this name.
pub const MAKER: &str = "/dev/ptmx";
const OWN_MAKER: &str = "/dev/pts/ptmx";

pub fn own() -> Result<(), Why> {
    if !Path::new(FOLDER).is_dir() {
        return Ok(());
    }
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    if mount("devpts", FOLDER, "devpts", flags, c"newinstance,ptmxmode=0666,mode=0620").is_err() {
        // No new terminals then, and none of others either.
        let flags = flags | MountFlags::NODEV | MountFlags::RDONLY;
        return mount("tmpfs", FOLDER, "tmpfs", flags, c"mode=755,size=4k")
            .map_err(|error| Why::of("the folder", Path::new(FOLDER))(error.into()));
    }
    if !Path::new(MAKER).exists() {
        return Ok(());
    }
    mount_bind(OWN_MAKER, MAKER).map_err(|error| Why::of("the device", Path::new(MAKER))(error.into()))
}
