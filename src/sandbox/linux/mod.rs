//! Confinement of the running process by the Linux kernel, for good: it and all it starts. Order matters: Landlock
//! refuses mounts, so it comes after them. Not there: a way back.

mod mounts;
mod network;
mod nothing;
mod rights;
mod syscalls;
mod terminals;
mod writes;

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::bounds::{Bounds, Rung};
use super::plan::{Home, Plan};
use super::{Applied, Why, sockets};

/// Puts this process under the bounds, as far up as the machine allows, and not at all below what the bounds need.
/// The process must have one thread. Afterwards its folder is `cwd`.
pub fn confine(bounds: &Bounds, cwd: &Path, variables: &[(OsString, OsString)]) -> Result<Applied, Why> {
    let root = std::fs::canonicalize(&bounds.root).map_err(Why::of("the work tree", &bounds.root))?;
    let temp = match own_folder(&bounds.temp) {
        Err(_) if bounds.most == Rung::None && bounds.needs == Rung::None => bounds.temp.clone(),
        temp => temp?,
    };
    let home = variables.iter().find(|(name, _)| name == "HOME").map(|(_, home)| PathBuf::from(home));
    let mut plan = Plan::of(bounds, &root, &Home(home));
    plan.open.insert(temp.clone());
    let uid = rustix::process::getuid().as_raw();
    let most = bounds.most;
    let mut rung = Rung::None;
    if most == Rung::Full {
        let sockets = sockets::masked(bounds, variables, uid);
        if mounts::separate(uid, !bounds.network)? {
            if !bounds.network {
                network::loopback_up().map_err(Why::step("the loopback of the closed network cannot be brought up"))?;
            }
            mounts::arrange(&plan, &sockets, &temp, uid)?;
            rung = Rung::Full;
        }
    }
    if rung < bounds.needs && bounds.needs == Rung::Full {
        return Err(Why::TooLittle { needs: bounds.needs, has: Rung::Writes });
    }
    std::env::set_current_dir(cwd).map_err(Why::of("the folder of the command", cwd))?;
    if most >= Rung::Writes {
        if uid == 0 {
            rights::drop(rung, bounds.writes_anywhere()).map_err(Why::step("the rights of root cannot be dropped"))?;
        }
        if writes::restrict(&plan, rung)? {
            syscalls::refuse(bounds, rung)?;
            rung = rung.max(Rung::Writes);
        } else {
            // Mounts alone hold no signals and no nested mounts: that is not what was promised.
            rung = Rung::None;
        }
    }
    if rung < bounds.needs {
        return Err(Why::TooLittle { needs: bounds.needs, has: rung });
    }
    Ok(Applied { rung, temp, left_out: plan.left_out })
}

/// A folder that nobody else can reach into: somebody may have made that name in `/tmp` before us.
fn own_folder(folder: &Path) -> Result<PathBuf, Why> {
    let at = || Why::of("the folder for temporary files", folder);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at())?;
    let found = folder.symlink_metadata().map_err(at())?;
    let mine = rustix::process::getuid().as_raw();
    // Whoever owns the folder above could put another in its place.
    let above = folder.parent().map(Path::symlink_metadata).transpose().map_err(at())?;
    let foreign = above.is_some_and(|above| {
        !above.is_dir()
            || ![0, mine].contains(&above.uid())
            || (above.mode() & 0o022 != 0 && above.mode() & 0o1000 == 0)
    });
    if foreign || !found.is_dir() || found.uid() != mine || found.mode() & 0o022 != 0 {
        let foreign =
            io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to somebody else, or others may write it");
        return Err(at()(foreign));
    }
    std::fs::canonicalize(folder).map_err(at())
}
