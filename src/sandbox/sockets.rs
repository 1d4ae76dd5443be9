//! Sockets of services that would work for a confined command without its bounds. How they are put out of reach is not here.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::domain::workflow::Sockets;

use super::bounds::Bounds;

/// Of services that run what they are told.
const SERVICES: [&str; 18] = [
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/buildkit/buildkitd.sock",
    "/run/cri-dockerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
    "/var/lib/lxd/unix.socket",
    "/var/snap/lxd/common/lxd/unix.socket",
    "/var/lib/incus/unix.socket",
    "/run/dbus/system_bus_socket",
    "/run/systemd/private",
    "/run/snapd.socket",
    "/run/libvirt",
    "/run/screen",
    "/run/screens",
    "/tmp/screens",
    "/tmp/.X11-unix",
];
/// The same below `XDG_RUNTIME_DIR`.
const USER_SERVICES: [&str; 12] = [
    "bus",
    "docker.sock",
    "podman/podman.sock",
    "containerd/containerd.sock",
    "buildkit/buildkitd.sock",
    "systemd/private",
    "tmux",
    "emacs",
    "wezterm",
    "zellij",
    "hypr",
    "libvirt",
];
/// There too, with a number or an id behind.
const USER_SERVICES_BY_BEGIN: [&str; 6] = ["nvim.", "vscode-", "wayland-", "kitty", "sway-ipc.", "Alacritty-"];
/// The same below the home folder.
const HOME_SERVICES: [&str; 7] = [
    ".docker/desktop/docker.sock",
    ".docker/run/docker.sock",
    ".rd/docker.sock",
    ".orbstack/run/docker.sock",
    ".screen",
    ".emacs.d/server",
    ".local/share/wezterm/sock",
];
/// Machines of containers, each in a folder of its name: where, and what lies in it.
const HOME_MACHINES: [(&str, &str); 4] = [
    (".colima", "docker.sock"),
    (".colima", "containerd.sock"),
    (".config/colima", "docker.sock"),
    (".lima", "sock/docker.sock"),
];
/// In the folder for temporary files, with the number or the name of the user behind.
const TEMPORARY: [&str; 4] = ["tmux-", "emacs", "zellij-", "nvim."];
/// Variables that name a socket of a service, of the client, of an editor or of a session, or a folder of them.
const NAMED: [&str; 17] = [
    "CLAUDE_CODE_MESSAGING_SOCKET",
    "VSCODE_IPC_HOOK_CLI",
    "VSCODE_GIT_IPC_HANDLE",
    "NVIM",
    "NVIM_LISTEN_ADDRESS",
    "KITTY_LISTEN_ON",
    "ALACRITTY_SOCKET",
    "WEZTERM_UNIX_SOCKET",
    "EMACS_SOCKET_NAME",
    "ZELLIJ_SOCKET_DIR",
    "SCREENDIR",
    "SWAYSOCK",
    "I3SOCK",
    "WAYLAND_DISPLAY",
    "DOCKER_HOST",
    "CONTAINER_HOST",
    "BUILDKIT_HOST",
];
const BUSES: [&str; 2] = ["DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"];
/// Agents that sign or open with keys: pushing and signed commits need them, so they stay with an open network.
const AGENT: &str = "SSH_AUTH_SOCK";
const KEY_AGENT: &str = "S.gpg-agent";

/// And folders of sockets: those that are there and are to be out of reach.
pub fn masked(bounds: &Bounds, variables: &[(OsString, OsString)], uid: u32) -> Vec<PathBuf> {
    if bounds.sockets == Sockets::Allow {
        return Vec::new();
    }
    let named = |wanted: &str| variables.iter().find(|(name, _)| name == wanted).map(|(_, value)| PathBuf::from(value));
    let text = |wanted: &str| named(wanted).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
    let home = named("HOME");
    let runtime = named("XDG_RUNTIME_DIR").unwrap_or_else(|| PathBuf::from(format!("/run/user/{uid}")));
    let mut all: Vec<PathBuf> = SERVICES.iter().map(PathBuf::from).collect();
    all.extend(USER_SERVICES.iter().map(|name| runtime.join(name)));
    let begins = |name: &str| USER_SERVICES_BY_BEGIN.iter().any(|begin| name.starts_with(begin));
    all.extend(entries(&runtime).filter(|path| path.file_name().is_some_and(|name| begins(&name.to_string_lossy()))));
    if let Some(home) = &home {
        all.extend(HOME_SERVICES.iter().map(|name| home.join(name)));
        for (folder, name) in HOME_MACHINES {
            all.extend(entries(&home.join(folder)).map(|machine| machine.join(name)));
        }
    }
    let user = text("USER");
    for folder in ["/tmp".into(), named("TMPDIR").unwrap_or_default(), named("TMUX_TMPDIR").unwrap_or_default()] {
        all.extend(
            TEMPORARY
                .iter()
                .flat_map(|name| [format!("{name}{uid}"), format!("{name}{user}")].map(|name| folder.join(name))),
        );
    }
    // A name alone, as of a display, stands for a socket of the folder above.
    all.extend(
        NAMED.iter().map(|name| text(name)).filter(|value| !value.is_empty()).map(|value| runtime.join(place(&value))),
    );
    all.extend(BUSES.iter().flat_map(|name| bus_places(&text(name))));
    // `TMUX` is `socket,pid,session`.
    all.push(PathBuf::from(text("TMUX").split(',').next().unwrap_or_default()));
    if !bounds.network {
        all.extend(named(AGENT));
        all.push(runtime.join("gnupg"));
        let keys = named("GNUPGHOME").or_else(|| home.as_ref().map(|home| home.join(".gnupg")));
        all.extend(
            keys.iter()
                .flat_map(|keys| ["", ".extra", ".browser", ".ssh"].map(|end| keys.join(format!("{KEY_AGENT}{end}")))),
        );
    }
    let mut found: Vec<PathBuf> = all
        .iter()
        .filter(|path| path.is_absolute())
        .filter_map(|path| std::fs::canonicalize(path).ok())
        .filter(|path| path.symlink_metadata().is_ok_and(|at| at.is_dir() || at.file_type().is_socket()))
        // A variable may name any folder; the one that is worked in is not a folder of sockets.
        .filter(|path| !bounds.root.starts_with(path) && !home.as_ref().is_some_and(|home| home.starts_with(path)))
        .collect();
    found.sort();
    found.dedup();
    found
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Of an address as programs write them: a path, or one with the kind of socket before.
fn place(address: &str) -> &str {
    address.strip_prefix("unix://").or_else(|| address.strip_prefix("unix:")).unwrap_or(address)
}

/// Of `unix:path=/run/a,guid=1;unix:abstract=b`: addresses to be tried in turn, each with its fields.
fn bus_places(addresses: &str) -> Vec<PathBuf> {
    let unix = addresses.split(';').filter_map(|address| address.trim().strip_prefix("unix:"));
    unix.flat_map(|fields| fields.split(',')).filter_map(|field| field.strip_prefix("path=")).map(unescaped).collect()
}

/// `%20` for a blank and the like.
fn unescaped(value: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_a_bus_are_read_from_its_addresses() {
        for (addresses, expected) in [
            ("unix:path=/run/a", vec!["/run/a"]),
            ("unix:path=/run/a,guid=1;unix:guid=2,path=/b%20c;tcp:host=x", vec!["/run/a", "/b c"]),
            ("unix:abstract=/tmp/a", vec![]),
            ("unix:path=/a%", vec!["/a%"]),
            ("", vec![]),
        ] {
            assert_eq!(bus_places(addresses), expected.iter().map(PathBuf::from).collect::<Vec<_>>(), "{addresses}");
        }
    }
}
