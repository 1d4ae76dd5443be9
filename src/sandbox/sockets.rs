//! Sockets of services that would work for a confined command without its bounds. How they are put out of reach is not here.

use std::ffi::OsString;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use crate::domain::workflow::Sockets;

use super::bounds::Bounds;

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

/// And folders of sockets: those that are there and are to be out of reach.
pub fn masked(bounds: &Bounds, variables: &[(OsString, OsString)], uid: u32) -> Vec<PathBuf> {
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
