//! What a confined command may not see: files that may not be read, and the sockets of services that would work for it
//! without its bounds.

use std::ffi::OsString;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::domain::workflow::Sockets;

use super::bounds::Bounds;
use super::pattern::{self, name_fits};
use super::plan::{Home, Plan};

/// A tree is looked through for `**/NAME` in this many folders at most, and not in folders of made or fetched things.
const FOLDERS_MAX: usize = 2_000;
const NOT_LOOKED_IN: [&str; 8] = ["node_modules", "target", ".git", ".venv", "venv", "vendor", "dist", ".phasegate"];
/// Of services that run what they are told.
const SERVICES: [&str; 10] = [
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
    "/run/dbus/system_bus_socket",
    "/run/systemd/private",
    "/run/snapd.socket",
    "/run/libvirt",
    "/run/screen",
    "/tmp/.X11-unix",
];
/// The same below `XDG_RUNTIME_DIR`.
const USER_SERVICES: [&str; 6] = ["bus", "docker.sock", "podman/podman.sock", "systemd/private", "wayland-0", "tmux"];
/// Variables that name a socket of the client, of an editor or of a session.
const NAMED: [&str; 6] = [
    "CLAUDE_CODE_MESSAGING_SOCKET",
    "VSCODE_IPC_HOOK_CLI",
    "VSCODE_GIT_IPC_HANDLE",
    "NVIM",
    "KITTY_LISTEN_ON",
    "DOCKER_HOST",
];
const AGENT: &str = "SSH_AUTH_SOCK";

pub fn find(bounds: &Bounds, root: &Path, home: &Home, plan: &mut Plan) {
    let mut anywhere_below = Vec::new();
    for denied in &bounds.read_denied {
        for text in pattern::alternatives(denied) {
            let (base, text) = if text.starts_with('/') {
                (PathBuf::from("/"), text)
            } else if let Some(below) = text.strip_prefix("~/") {
                let Some(home) = &home.0 else { continue };
                (home.clone(), below.to_owned())
            } else {
                (root.to_path_buf(), text)
            };
            match text.strip_prefix("**/") {
                Some(name) if base == *root && !name.contains('/') => anywhere_below.push(name.to_owned()),
                Some(_) | None => exact(&base, &text, plan),
            }
        }
    }
    if !anywhere_below.is_empty() {
        look_through(root, &anywhere_below, plan);
    }
    let around: Vec<PathBuf> = plan.hidden_folders.iter().filter(|folder| root.starts_with(folder)).cloned().collect();
    for folder in around {
        plan.hidden_folders.remove(&folder);
        plan.left_out.push(format!("{} holds the work tree and cannot be hidden from it", folder.display()));
    }
}

/// `secrets/**` hides the folder, `*.pem` the files that are there; `**` in the middle hides nothing and is left out.
fn exact(base: &Path, text: &str, plan: &mut Plan) {
    let mut places = vec![base.to_path_buf()];
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    for (at, part) in parts.iter().enumerate() {
        if *part == "**" {
            if at + 1 < parts.len() {
                plan.left_out.push(format!("`{text}` cannot be hidden: `**` stands in its middle"));
                return;
            }
            break;
        }
        places = places.iter().flat_map(|place| below(place, part)).take(FOLDERS_MAX).collect();
    }
    for place in places.into_iter().filter(|place| place != base) {
        hide(&place, plan);
    }
}

fn below(place: &Path, part: &str) -> Vec<PathBuf> {
    if !pattern::has_wildcard(part) {
        return vec![place.join(part)];
    }
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    entries.filter(|entry| name_fits(part, &entry.file_name().to_string_lossy())).map(|entry| entry.path()).collect()
}

fn look_through(root: &Path, names: &[String], plan: &mut Plan) {
    let mut open = vec![root.to_path_buf()];
    let mut looked = 0;
    while let Some(folder) = open.pop() {
        looked += 1;
        if looked > FOLDERS_MAX {
            plan.left_out
                .push(format!("the work tree has more than {FOLDERS_MAX} folders; the rest was not looked through"));
            return;
        }
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if names.iter().any(|pattern| name_fits(pattern, &name)) {
                hide(&entry.path(), plan);
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) && !NOT_LOOKED_IN.contains(&&*name) {
                open.push(entry.path());
            }
        }
    }
}

fn hide(place: &Path, plan: &mut Plan) {
    let Ok(real) = std::fs::canonicalize(place) else { return };
    if real.is_dir() {
        plan.hidden_folders.insert(real);
    } else {
        plan.hidden_files.insert(real);
    }
}

/// Sockets, and folders of sockets, that are there and are to be out of reach.
pub fn sockets(bounds: &Bounds, variables: &[(OsString, OsString)], uid: u32) -> Vec<PathBuf> {
    if bounds.sockets == Sockets::Allow {
        return Vec::new();
    }
    let named = |wanted: &str| variables.iter().find(|(name, _)| name == wanted).map(|(_, value)| PathBuf::from(value));
    let mut all: Vec<PathBuf> = SERVICES.iter().map(PathBuf::from).collect();
    let runtime = named("XDG_RUNTIME_DIR").unwrap_or_else(|| PathBuf::from(format!("/run/user/{uid}")));
    all.extend(USER_SERVICES.iter().map(|name| runtime.join(name)));
    all.push(named("TMUX_TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp")).join(format!("tmux-{uid}")));
    for name in NAMED {
        let value = named(name).unwrap_or_default();
        let text = value.to_string_lossy();
        all.push(PathBuf::from(text.strip_prefix("unix://").or_else(|| text.strip_prefix("unix:")).unwrap_or(&text)));
    }
    // `TMUX` is `socket,pid,session`.
    let tmux = named("TMUX").map(|value| value.to_string_lossy().split(',').next().unwrap_or_default().to_owned());
    all.extend(tmux.map(PathBuf::from));
    if !bounds.network {
        all.extend(named(AGENT));
    }
    let mut found: Vec<PathBuf> = all
        .iter()
        .filter(|path| path.is_absolute())
        .filter_map(|path| std::fs::canonicalize(path).ok())
        .filter(|path| path.symlink_metadata().is_ok_and(|at| at.is_dir() || at.file_type().is_socket()))
        .collect();
    found.sort();
    found.dedup();
    found
}
