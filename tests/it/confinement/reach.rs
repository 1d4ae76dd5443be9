//! What a confined command must not reach though it is the user's own: hidden files that something left running works
//! on, other terminals, sockets of services that do what they are told.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::{Rung, Said, Stage, can, users};
use phasegate::sandbox::Bounds;

/// A program outside the bounds, ended with the test.
struct Outside(Child);

impl Outside {
    fn begin(uid: Option<u32>, text: &str) -> Self {
        let uid = uid.unwrap_or_else(|| rustix::process::getuid().as_raw()).to_string();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &uid, "bash", "-c", text]).stdin(Stdio::null()).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|done| done.status.success())
}

#[test]
fn nothing_left_in_the_folder_for_temporary_files_takes_a_mask_away() {
    if !can() {
        return;
    }
    for uid in users() {
        let stage = Stage::new(uid);
        assert_eq!(stage.confined("cat .env").out, "", "hidden to begin with");
        let temp = stage.base.join("tmp");
        // What a call before could leave behind; the files that masks are made of once lay there.
        let perl = "exec perl -e 'while (1) { unlink glob(\".nothing*\") }'";
        let _left = Outside::begin(uid, &format!("cd '{}' && {perl}", temp.display()));
        for turn in 0..20 {
            let said = stage.confined("cat .env; ls -A $TMPDIR | grep nothing");
            assert!(said.code != 125 && said.out.is_empty(), "turn {turn} as {uid:?}: {} {}", said.out, said.err);
        }
    }
}

#[test]
fn the_root_and_what_lies_over_it_are_as_before() {
    if !can() {
        return;
    }
    for uid in users() {
        let stage = Stage::new(uid);
        let said = stage.confined("ls -d /../usr && [ / -ef /.. ] && grep -c ' / / .*tmpfs' /proc/self/mountinfo");
        assert_eq!(said.out, "/../usr\n0\n", "as {uid:?}: {}", said.err);
        assert_ne!(stage.confined("echo x > .env").code, 0, "an empty file that could be filled");
    }
}

#[test]
fn other_terminals_are_out_of_reach_and_own_ones_work() {
    if !can() || !has("script") {
        return;
    }
    for uid in users() {
        let stage = Stage::new(uid);
        let named = stage.base.join("outside/terminal");
        let text = format!("exec script -qfc 'tty > {}; exec sleep 60' /dev/null", named.display());
        let _person = Outside::begin(uid, &text);
        let mut terminal = String::new();
        for _ in 0..100 {
            terminal = std::fs::read_to_string(&named).unwrap_or_default().trim().to_owned();
            if terminal.starts_with("/dev/pts/") {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let open = format!("exec 3<>{terminal} && echo reached");
        assert_eq!(stage.shell(uid, &open).out, "reached\n", "it is there: {terminal}");
        let any = Bounds { writes: None, ..stage.bounds.clone() };
        for bounds in [&stage.bounds, &any] {
            assert_ne!(stage.confined_by(&open, bounds).out, "reached\n", "as {uid:?}");
            let read = format!("exec 3<{terminal} && echo reached");
            assert_ne!(stage.confined_by(&read, bounds).out, "reached\n", "as {uid:?}");
            let own = "script -qec 'tty; [ -t 0 ] && echo in > /dev/tty' /dev/null";
            let said = stage.confined_by(own, bounds);
            assert_eq!(said.out, "/dev/pts/0\r\nin\r\n", "as {uid:?}: {}", said.err);
        }
        let bare = Bounds { needs: Rung::Writes, most: Rung::Writes, ..stage.bounds.clone() };
        assert_ne!(stage.confined_by(&open, &bare).out, "reached\n", "without mounts, as {uid:?}");
        let said = stage.confined_by("script -qec 'echo made' /dev/null; true", &bare);
        assert!(said.code == 0 && !said.out.contains("made"), "named in the docs: {} {}", said.out, said.err);
        for bounds in [&stage.bounds, &bare] {
            let inner = stage.base.join("outside/inner");
            let work = "[ -t 1 ] && echo a > /dev/stdout && echo b > /dev/tty && echo c >&2";
            std::fs::write(&inner, stage.waiting(work, bounds)).unwrap();
            let said = stage.shell(uid, &format!("script -qec 'bash {}' /dev/null", inner.display()));
            assert_eq!(said.out, "a\r\nb\r\nc\r\n", "the terminal it was given, as {uid:?}: {}", said.err);
        }
    }
}

#[test]
fn sockets_of_services_are_masked_where_they_lie_and_where_variables_say() {
    if !can() {
        return;
    }
    for uid in users() {
        let stage = Stage::new(uid);
        let (run, home) = (stage.base.join("outside/run"), stage.base.join("home"));
        let places = [
            (".docker/desktop/docker.sock", ""),
            (".colima/default/docker.sock", ""),
            (".screen/1.pts", ""),
            (".gnupg/S.gpg-agent", ""),
            ("../outside/run/emacs/server", ""),
            ("../outside/run/wezterm/gui-sock-1", ""),
            ("../outside/run/zellij/0.1/name", ""),
            ("../outside/run/vscode-ipc-1.sock", ""),
            ("../outside/bus x", "DBUS_SESSION_BUS_ADDRESS=unix:path=@%20x,guid=1"),
            ("../outside/docker", "DOCKER_HOST=unix://@"),
            ("../outside/podman", "CONTAINER_HOST=unix://@"),
            ("../outside/emacs", "EMACS_SOCKET_NAME=@"),
            ("../outside/wezterm", "WEZTERM_UNIX_SOCKET=@"),
            ("../outside/screens/1.pts", "SCREENDIR=^"),
            ("../outside/zellij/1", "ZELLIJ_SOCKET_DIR=^"),
        ];
        let (mut variables, mut listening) = (format!("XDG_RUNTIME_DIR='{}'", run.display()), Vec::new());
        for (place, variable) in places {
            let path = home.join(place);
            let path = stage.base.join(path.strip_prefix(home.join("..")).map_or(path.clone(), PathBuf::from));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            listening.push((UnixListener::bind(&path).unwrap(), path.clone()));
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
            let (folder, path) = (path.parent().unwrap().display().to_string(), path.display().to_string());
            let value = variable.replace("@%20x", &path.replace(' ', "%20")).replace('@', &path).replace('^', &folder);
            if let Some((name, value)) = value.split_once('=') {
                variables.push_str(&format!(" {name}='{value}'"));
            }
        }
        stage.give();
        let tried = |path: &PathBuf, bounds: Option<&Bounds>| -> Said {
            let perl = "perl -MIO::Socket::UNIX -e 'print IO::Socket::UNIX->new(Peer=>$ARGV[0]) ? \"reached\" : \"\"'";
            let connect = format!("{perl} '{}'", path.display());
            let text = bounds.map_or(connect.clone(), |bounds| stage.waiting(&connect, bounds));
            stage.shell(uid, &format!("export {variables}; {text}"))
        };
        for (_server, path) in &listening {
            assert_eq!(tried(path, None).out, "reached", "it is there: {}", path.display());
            let said = tried(path, Some(&stage.bounds));
            assert!(said.code == 0 && said.out.is_empty(), "{} as {uid:?}: {}", path.display(), said.err);
        }
        let open = Bounds { network: true, ..stage.bounds.clone() };
        assert_eq!(tried(&home.join(".gnupg/S.gpg-agent"), Some(&open)).out, "reached", "signing goes on");
    }
}
