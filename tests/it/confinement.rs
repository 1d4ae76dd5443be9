//! Confined commands through the real binary and the real kernel: everyday work goes on as before, attempts to get out are
//! made in earnest, and what is known to get out is named in `docs/security.md`.

mod git;
mod reach;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use phasegate::domain::ids::Time;
use phasegate::domain::workflow::{Network, Sandbox, Sockets};
use phasegate::engine::clock::{Clock, System};
use phasegate::sandbox::{Blank, Bounds, Home, Rung, Ticket, TicketId, explain, probe, rewritten};

const BINARY: &str = env!("CARGO_BIN_EXE_phasegate");
/// An ordinary user, where the tests run as root.
const USER: u32 = 1000;

/// A project, a home and a place outside, all of one user.
struct Stage {
    _temp: tempfile::TempDir,
    base: PathBuf,
    uid: Option<u32>,
    bounds: Bounds,
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Stage {
    fn new(uid: Option<u32>) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let base = std::fs::canonicalize(temp.path()).unwrap();
        for folder in ["work/src", "work/.claude", "outside", "home/.ssh", "exec"] {
            std::fs::create_dir_all(base.join(folder)).unwrap();
        }
        for (file, text) in [
            ("work/src/a.txt", "a\n"),
            ("work/Cargo.toml", "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
            ("work/src/lib.rs", "#[test]\nfn it_is() {}\n"),
            ("work/.gitignore", "/target\n.env\n"),
            ("work/README.md", "readme\n"),
            ("work/.env", "SECRET=1\n"),
            ("work/Makefile", "src/made:\n\techo made > src/made\n"),
            ("work/.claude/settings.json", "{}"),
            ("home/.ssh/id", "KEY\n"),
            ("outside/file", "as it was\n"),
        ] {
            std::fs::write(base.join(file), text).unwrap();
        }
        std::fs::set_permissions(&base, std::fs::Permissions::from_mode(0o755)).unwrap();
        let sandbox = Sandbox { network: Network::Deny, ..Sandbox::default() };
        let writes = Some(vec!["src/**".to_owned(), "Cargo.*".to_owned()]);
        let mut bounds = Bounds::of("build", base.join("work"), writes, &sandbox, Rung::Full, base.join("tmp"));
        bounds.needs = Rung::Full;
        bounds.read_denied = vec![".env".to_owned(), "~/.ssh/**".to_owned()];
        let stage = Self { _temp: temp, base, uid, bounds };
        let git = "git init -q . && git config user.email a@b.c && git config user.name n && git add -A && git commit -qm one";
        assert_eq!(stage.plain(git).code, 0, "git");
        stage.give();
        stage
    }

    fn give(&self) {
        if let Some(uid) = self.uid {
            let owner = format!("{uid}:{uid}");
            assert!(Command::new("chown").args(["-R", &owner]).arg(&self.base).status().unwrap().success());
        }
    }

    fn shell(&self, uid: Option<u32>, text: &str) -> Said {
        let mut command = match uid {
            Some(uid) => {
                let uid = uid.to_string();
                let mut command = Command::new("setpriv");
                command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups", "bash"]);
                command
            }
            None => Command::new("bash"),
        };
        let home = std::env::var("HOME").unwrap_or_default();
        command.args(["-c", text]).current_dir(self.base.join("work")).stdin(std::process::Stdio::null());
        command.env("HOME", self.base.join("home")).env("LANG", "C").env("ANTHROPIC_API_KEY", "sk-key");
        command.env("CARGO_HOME", format!("{home}/.cargo")).env("RUSTUP_HOME", format!("{home}/.rustup"));
        command.env("CLAUDE_CODE_MESSAGING_SOCKET", self.base.join("outside/client.sock"));
        let done = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: done.status.code().unwrap_or(-1), out: text(&done.stdout), err: text(&done.stderr) }
    }

    fn plain(&self, text: &str) -> Said {
        self.shell(None, text)
    }

    fn store(&self, command: &str, bounds: &Bounds, expires: Time) -> TicketId {
        let id = TicketId::parse(&System.random_hex(TicketId::BYTES)).unwrap();
        let cwd = self.bounds.root.clone();
        let ticket = Ticket { command: command.to_owned(), cwd, bounds: bounds.clone(), snapshot: None, expires };
        ticket.store(Blank::make(&self.base.join("exec"), id.clone()).unwrap()).unwrap();
        if self.uid.is_some() {
            self.give();
        }
        id
    }

    fn waiting(&self, command: &str, bounds: &Bounds) -> String {
        let id = self.store(command, bounds, Time(System.now().0 + 60_000));
        rewritten(BINARY, &self.base.join("exec"), &id, &bounds.temp)
    }

    fn confined_by(&self, command: &str, bounds: &Bounds) -> Said {
        self.shell(self.uid, &self.waiting(command, bounds))
    }

    fn confined(&self, command: &str) -> Said {
        self.confined_by(command, &self.bounds)
    }

    /// Everything outside the work tree and what in it is not to be written: content, mode, owner and time.
    fn outside(&self) -> Vec<(PathBuf, String, u32, i64, i64)> {
        let all = [
            "outside",
            "outside/file",
            "work/README.md",
            "work/.claude",
            "work/.claude/settings.json",
            "work/.git/config",
            "work/.git/hooks",
            "home/.ssh/id",
        ];
        let of = |path: &str| {
            let path = self.base.join(path);
            let found = std::fs::symlink_metadata(&path).unwrap();
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            (path, text, found.mode(), found.mtime(), found.mtime_nsec())
        };
        all.into_iter().map(of).collect()
    }
}

/// Nothing is tried on a machine that cannot hold it; `phasegate doctor` says so there.
fn can() -> bool {
    probe(Path::new(BINARY)) == Rung::Full
}

/// As whoever runs the tests, and as an ordinary user where that is root.
fn users() -> Vec<Option<u32>> {
    let is_root = rustix::process::getuid().is_root();
    let reaches = Command::new("setpriv")
        .args(["--reuid", &USER.to_string(), "--clear-groups", BINARY, "--version"])
        .output()
        .is_ok_and(|done| done.status.success());
    if is_root && reaches { vec![None, Some(USER)] } else { vec![None] }
}

#[test]
fn everyday_commands_work_confined() {
    if !can() {
        return;
    }
    for uid in users() {
        let stage = Stage::new(uid);
        for (command, code, out) in [
            ("echo hi", 0, "hi\n"),
            ("exit 7", 7, ""),
            ("/etc/hostname-or-not-there", 127, ""),
            ("./README.md", 126, ""),
            ("echo 'it'\"s\" \\$x `echo b` \"$(echo ü)\" # no", 0, "its $x b ü\n"),
            ("cat <<'E'\na $b\nE", 0, "a $b\n"),
            ("echo \"[$1][$#]\"", 0, "[][0]\n"),
            ("echo b > src/b && cat src/b", 0, "b\n"),
            ("sed -i s/a/c/ src/a.txt && cat src/a.txt", 0, "c\n"),
            ("echo '# x' >> Cargo.toml && sed -i 's/# x/# y/' Cargo.toml && tail -n1 Cargo.toml", 0, "# y\n"),
            ("touch Cargo.lock && rm Cargo.lock", 0, ""),
            ("mkdir -p src/deep/er && mv src/b src/deep/er/b && rm -r src/deep", 0, ""),
            ("make -s && cat src/made", 0, "made\n"),
            ("git status --short | head -1", 0, " M Cargo.toml\n"),
            ("git add src Cargo.toml && git commit -qm two && git log --format=%s -1", 0, "two\n"),
            ("git checkout -qb side && echo s > src/s && git stash -qu && git stash list | wc -l", 0, "1\n"),
            ("git stash pop -q >/dev/null && cat src/s", 0, "s\n"),
            ("mktemp -d | grep -c \"$TMPDIR\"", 0, "1\n"),
            ("echo x > /dev/null; head -c3 /dev/zero | wc -c; head -c2 /dev/urandom | wc -c", 0, "3\n2\n"),
            ("(sleep 0.1; echo late) & wait; echo done", 0, "late\ndone\n"),
            ("seq 1 100000 | wc -c", 0, "588895\n"),
            ("kill -TERM $BASHPID", 143, ""),
            ("timeout 0.1 sleep 5", 124, ""),
            ("set -e; false; echo not here", 1, ""),
            ("trap 'echo bye' EXIT; echo x", 0, "x\nbye\n"),
            ("exec echo replaced", 0, "replaced\n"),
        ] {
            let said = stage.confined(command);
            assert_eq!((said.code, said.out.as_str()), (code, out), "{command} as {uid:?}: {}", said.err);
        }
        let large = stage.confined("seq 1 80000");
        assert!(large.out.len() > 300_000 && large.out.ends_with("80000\n"), "{}", large.out.len());
        let long = format!("echo {} | wc -c", "x".repeat(300_000));
        assert_eq!(stage.confined(&long).out, "300001\n");
    }
}

#[test]
fn a_build_and_its_tests_run_confined() {
    if !can() {
        return;
    }
    let stage = Stage::new(None);
    let said = stage.confined("cargo test -q --offline 2>&1");
    assert!(said.code == 0 && said.out.contains("1 passed"), "{} {}", said.out, said.err);
    assert!(stage.base.join("work/target").is_dir());
    for (program, command) in [
        ("node", "node -e 'require(\"fs\").writeFileSync(\"src/n\", \"n\"); process.stdout.write(\"node\")'"),
        ("python3", "python3 -c 'import multiprocessing as m; m.Lock(); print(\"python3\", end=\"\")'"),
    ] {
        if Command::new(program).arg("--version").output().is_ok_and(|done| done.status.success()) {
            let said = stage.confined(command);
            assert_eq!(said.out, program, "{}", said.err);
        }
    }
}

#[test]
fn the_folder_the_functions_and_the_exit_code_are_those_of_the_client_s_shell() {
    if !can() {
        return;
    }
    let stage = Stage::new(None);
    let ends = |command: &str, before: &str, after: &str| {
        let text = format!("{before} {}; echo \"$? $(pwd)\"{after}", stage.waiting(command, &stage.bounds));
        stage.plain(&text).out
    };
    let (work, src) = (stage.base.join("work"), stage.base.join("work/src"));
    assert_eq!(ends("cd src", "", ""), format!("0 {}\n", src.display()));
    assert_eq!(ends("cd src; false", "", ""), format!("1 {}\n", work.display()), "as without confinement");
    assert_eq!(ends("cd src; rm -rf ../src/gone; exit 0", "", ""), format!("0 {}\n", work.display()));
    let folder = stage.base.join("home/shell-snapshots");
    std::fs::create_dir(&folder).unwrap();
    let snapshot = folder.join("snapshot-bash-1.sh");
    std::fs::write(&snapshot, "shopt -s expand_aliases\ngreet() { echo \"hello $1\"; }\nalias two='echo 2'\n").unwrap();
    let before = format!("source {} && ", snapshot.display());
    let said = ends("greet you; two", &before, "");
    assert_eq!(said, format!("hello you\n2\n0 {}\n", work.display()));
}

#[test]
fn nothing_outside_is_changed() {
    if !can() {
        return;
    }
    for uid in users() {
        let stage = Stage::new(uid);
        std::os::unix::fs::symlink("../outside", stage.base.join("work/src/link")).unwrap();
        let before = stage.outside();
        for attempt in [
            "echo x > ../outside/file",
            "echo x >> README.md",
            "cp src/a.txt ../outside/file",
            "tee ../outside/file < src/a.txt",
            "truncate -s0 ../outside/file",
            "rm -f ../outside/file",
            "mv ../outside/file src/",
            "mkdir ../outside/new",
            "mkfifo ../outside/pipe",
            "ln -s /etc ../outside/link",
            "ln ../outside/file src/hard && echo x > src/hard",
            "ln -s ../../outside/file src/soft; echo x > src/soft",
            "echo x > src/link/file",
            "mv src/a.txt ../outside/file",
            "chmod 777 ../outside/file",
            "chmod 777 README.md",
            "touch -d 2001-01-01 ../outside/file",
            "touch ../outside",
            "python3 -c \"open('../outside/file','w')\"",
            "setsid bash -c 'sleep 0.05; echo x > ../outside/file' & wait",
            "(cd / && echo x > \"$OLDPWD/../outside/file\")",
            "mount -t tmpfs x ../outside; mount --bind src ../outside",
            "mount -o remount,rw,bind /",
            "umount .env; umount -l .",
            "unshare -Urm bash -c 'mount --bind src ../outside; echo x > ../outside/file'",
            "unshare -Ur chmod 777 ../outside/file",
            "echo x > /proc/$PPID/root$PWD/../outside/file",
            "git config core.fsmonitor evil",
            "git config --global core.fsmonitor evil",
            "echo evil > .git/hooks/pre-commit",
            "mv .git/hooks .git/other; mkdir .git/hooks",
            "mv .git .git2; cp -r .git2 .git",
            "rm -rf .git/hooks",
            "echo x > .git/config",
            "echo '{\"hooks\":{}}' > .claude/settings.json",
            "mv .claude .claude2",
            "rm -rf ../outside ../home .claude README.md",
        ] {
            let said = stage.confined(attempt);
            assert_ne!(said.code, 125, "{attempt}: {}", said.err);
            assert_eq!(stage.outside(), before, "`{attempt}` as {uid:?}: {} {}", said.out, said.err);
            assert!(!stage.base.join("outside/new").exists() && !stage.base.join("outside/pipe").exists(), "{attempt}");
            assert!(!stage.base.join("home/.gitconfig").exists(), "{attempt}");
        }
        // What was made in the work tree under another name moves nothing that was there.
        assert!(stage.base.join("work/.git/HEAD").is_file());
    }
}

#[test]
fn an_inherited_file_is_closed_and_the_keys_of_the_client_are_gone() {
    if !can() {
        return;
    }
    for uid in users() {
        let stage = Stage::new(uid);
        let file = stage.base.join("outside/file");
        let text = stage.waiting("echo x >&7; echo y >&12", &stage.bounds);
        let said = stage.shell(uid, &format!("exec 7>>{0} 12>>{0}; {text}", file.display()));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "as it was\n", "{}", said.err);
        let keys = "env | grep -c sk-key; cat /proc/$PPID/environ | grep -c sk-key; cat /proc/*/environ 2>/dev/null | grep -ac sk-key";
        assert_eq!(stage.confined(keys).out, "0\n0\n0\n", "as {uid:?}");
        assert_ne!(stage.confined("kill -0 $PPID").code, 0, "a process outside took a signal");
    }
}

#[test]
fn what_may_not_be_read_is_not_read() {
    if !can() {
        return;
    }
    for uid in users() {
        let stage = Stage::new(uid);
        for attempt in [
            "cat .env",
            "cat < src/../.env",
            "cp .env src/copy; cat src/copy",
            "cat ~/.ssh/id",
            "ls ~/.ssh",
            "grep -r SECRET .",
            "ln .env src/env; cat src/env",
            "cat /proc/$PPID/root$PWD/.env",
            "mv .env src/x; cat src/x",
            "grep -a SECRET=1 /dev/vda",
        ] {
            let said = stage.confined(attempt);
            assert!(
                !said.out.contains("SECRET") && !said.out.contains("KEY") && !said.out.contains("id"),
                "{attempt}: {}",
                said.out
            );
        }
        let deep = Bounds { read_denied: vec!["**/a.*".to_owned()], ..stage.bounds.clone() };
        assert_eq!(stage.confined_by("cat src/a.txt; ls src | head -1", &deep).out, "a.txt\n", "listed, and empty");
        assert_eq!(
            stage.confined("rm src/copy; ls -A | head -3; git status --short").out,
            ".claude\n.env\n.git\n",
            "the rest goes on as before"
        );
    }
}

#[test]
fn a_closed_network_leaves_the_command_its_own_loopback() {
    if !can() {
        return;
    }
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    for uid in users() {
        let stage = Stage::new(uid);
        let outward = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
        assert_ne!(stage.confined(&outward).code, 0, "a service outside was reached");
        assert_ne!(stage.confined("echo x > /dev/udp/192.0.2.1/53").code, 0, "a datagram went out");
        let open = Bounds { network: true, ..stage.bounds.clone() };
        assert_eq!(stage.confined_by(&outward, &open).code, 0, "an open network is open");
        let own = "perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(Listen=>1,LocalAddr=>\"127.0.0.1\") or die; \
                   IO::Socket::INET->new(PeerAddr=>\"127.0.0.1\",PeerPort=>$s->sockport) or die; print \"ok\"'";
        assert_eq!(stage.confined(own).out, "ok", "{}", stage.confined(own).err);
    }
}

#[test]
fn sockets_of_the_client_are_out_of_reach() {
    if !can() {
        return;
    }
    for uid in users() {
        let stage = Stage::new(uid);
        let path = stage.base.join("outside/client.sock");
        let _server = UnixListener::bind(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        let connect = format!("perl -MIO::Socket::UNIX -e 'exit !IO::Socket::UNIX->new(Peer=>\"{}\")'", path.display());
        assert_eq!(stage.shell(uid, &connect).code, 0, "it is there");
        assert_ne!(stage.confined(&connect).code, 0, "masked as {uid:?}");
        let allowed = Bounds { sockets: Sockets::Allow, ..stage.bounds.clone() };
        assert_eq!(stage.confined_by(&connect, &allowed).code, 0, "allowed as {uid:?}");
        let none = Bounds { sockets: Sockets::None, ..stage.bounds.clone() };
        assert_ne!(stage.confined_by(&connect, &none).code, 0, "none as {uid:?}");
        assert_eq!(stage.confined_by("echo a | cat", &none).out, "a\n", "pipes are no sockets");
    }
}

#[test]
fn a_link_in_place_of_a_granted_folder_opens_nothing() {
    if !can() {
        return;
    }
    let stage = Stage::new(None);
    std::os::unix::fs::symlink("../outside", stage.base.join("work/target")).unwrap();
    let said = stage.confined("echo x > target/file");
    assert_ne!(said.code, 0);
    let linked = Bounds { writes: Some(vec!["target/**".to_owned()]), ..stage.bounds.clone() };
    assert_ne!(stage.confined_by("echo x > target/file", &linked).code, 0);
    // Within the work tree as well: what it leads to is closed otherwise.
    stage.plain("ln -sfn ../.claude src/dist; echo '{}' > src/package.json; echo dist > src/.gitignore");
    assert_ne!(stage.confined("echo x > src/dist/settings.json || echo x > .claude/settings.json").code, 0);
    assert_eq!(std::fs::read_to_string(stage.base.join("outside/file")).unwrap(), "as it was\n");
}

#[test]
fn a_phase_without_writes_writes_only_what_its_tools_make() {
    if !can() {
        return;
    }
    let stage = Stage::new(None);
    let none = Bounds { writes: Some(Vec::new()), ..stage.bounds.clone() };
    assert_ne!(stage.confined_by("echo x > src/a.txt", &none).code, 0);
    assert_ne!(stage.confined_by("git commit --allow-empty -qm x", &none).code, 0);
    assert_eq!(stage.confined_by("echo x > target/x && echo x > $TMPDIR/x && git status --short", &none).code, 0);
    let any = Bounds { writes: None, ..stage.bounds.clone() };
    assert_eq!(stage.confined_by("echo any > ../outside/file", &any).code, 0, "without `writes` the place is free");
    assert_ne!(stage.confined_by("echo x > .git/hooks/x || echo x > .claude/settings.json", &any).code, 0);
    let granted = Bounds { grants: vec!["../outside".to_owned(), "~/made".to_owned()], ..stage.bounds.clone() };
    assert_eq!(stage.confined_by("echo g > ~/made/x", &granted).code, 0);
}

#[test]
fn where_everything_may_be_written_what_is_named_stays_shut_and_the_rest_is_as_without_bounds() {
    if !can() {
        return;
    }
    for uid in users() {
        let stage = Stage::new(uid);
        for folder in ["work/.phasegate/exec", "work/gen/deep", "home/.claude/shell-snapshots"] {
            std::fs::create_dir_all(stage.base.join(folder)).unwrap();
        }
        for file in
            ["work/.phasegate/db", "work/.phasegate/log.key", "work/gen/deep/.env", "home/.claude/settings.json"]
        {
            std::fs::write(stage.base.join(file), "as it was\n").unwrap();
        }
        stage.give();
        let sandbox = Sandbox::default();
        let root = stage.base.join("work");
        let mut bounds = Bounds::of("work", root.clone(), None, &sandbox, Rung::Full, stage.base.join("tmp"));
        bounds.read_denied = vec![".env".to_owned(), "~/.ssh/id*".to_owned()];
        bounds.edit_denied = vec!["deep/**".to_owned()];
        bounds.write_denied = vec![root.join(".phasegate")];
        bounds.private = vec![root.join(".phasegate/log.key"), root.join(".phasegate/exec")];
        for (attempt, expected) in [
            ("cat .env gen/deep/.env .phasegate/log.key ~/.ssh/id", ""),
            ("cat .phasegate/db", "as it was\n"),
            ("echo x > .phasegate/db; rm -r .phasegate; mv .phasegate x; cat .phasegate/db", "as it was\n"),
            ("echo x > .phasegate/new; ls -A .phasegate", "db\nexec\nlog.key\n"),
            ("echo x > gen/deep/x; rm -rf gen/deep; ls gen/deep", ""),
            ("cd ~/.claude; mv $PWD ../c; echo x > shell-snapshots/a; echo x > settings.json; cat *", "as it was\n"),
            ("chmod 777 .phasegate/db; stat -c %a .phasegate/db", "644\n"),
            (
                "echo x > ~/new; echo x > README.md; echo x > ../outside/file; cat ~/new README.md ../outside/file",
                "x\nx\nx\n",
            ),
            ("echo x > a; mv a ../outside/a; ln ../outside/a b; cat b", "x\n"),
            ("kill -0 $PPID; echo $?; mv .git g; ls -d .git", "0\n.git\n"),
        ] {
            let said = stage.confined_by(attempt, &bounds);
            assert!(said.code != 125 && said.out == expected, "{attempt} as {uid:?}: {} {}", said.out, said.err);
        }
        if uid.is_none() && rustix::process::getuid().is_root() {
            let other = stage.confined_by("setpriv --reuid 1000 --regid 1000 --clear-groups id -u", &bounds);
            assert_eq!(other.out, "1000\n", "what installs packages takes other users: {}", other.err);
        }
        let home = Home(Some(stage.base.join("home")));
        for (output, part) in [
            ("mv: cannot move '.git/config': Device or resource busy", "may write anywhere but"),
            ("TypeError: Cannot read properties of undefined", "`.env`, `gen/deep/.env`, `~/.ssh/id`"),
            ("Cannot connect to the Docker daemon. Is the docker daemon running?", "`sandbox: { sockets: allow }`"),
            ("sudo: The \"no new privileges\" flag is set", "cannot become root"),
        ] {
            let told = explain(output, &bounds, &home).unwrap_or_default();
            assert!(told.contains(part), "{output}: {told}");
        }
        assert_eq!(explain("bash: ./run: Permission denied", &bounds, &home), None);
    }
}

#[test]
fn a_command_runs_once_in_time_and_not_at_all_where_too_little_holds() {
    let stage = Stage::new(None);
    let none = Bounds { needs: Rung::None, most: Rung::None, ..stage.bounds.clone() };
    let text = stage.waiting("echo ran", &none);
    assert_eq!(stage.plain(&text).out, "ran\n");
    let again = stage.plain(&text);
    assert!(again.code == 125 && again.err.contains("no such command waiting"), "{} {}", again.code, again.err);
    let id = stage.store("echo ran", &none, Time(System.now().0 - 1));
    let late = stage.plain(&rewritten(BINARY, &stage.base.join("exec"), &id, &none.temp));
    assert!(
        late.code == 125 && late.err.contains("waited too long") && late.out.is_empty(),
        "{} {}",
        late.code,
        late.err
    );
    let little = Bounds { most: Rung::Writes, ..stage.bounds.clone() };
    let refused = stage.confined_by("echo ran", &little);
    assert!(refused.code == 125 && refused.out.is_empty() && refused.err.contains("`full`"), "{}", refused.err);
    let bare = stage.plain(&format!("{BINARY} exec {}", "0".repeat(32)));
    assert_eq!(bare.code, 125, "{}", bare.err);
}

#[test]
fn landlock_alone_holds_writes_and_a_closed_network() {
    if !can() {
        return;
    }
    for uid in users() {
        let stage = Stage::new(uid);
        let bounds = Bounds { needs: Rung::Writes, most: Rung::Writes, ..stage.bounds.clone() };
        let before = stage.outside();
        for attempt in [
            "echo x > ../outside/file",
            "rm -f ../outside/file",
            "mv src/a.txt ../outside/file",
            "ln ../outside/file src/h && echo x > src/h",
            "mkdir ../outside/new",
            "echo x > .git/hooks/pre-commit",
            "git config core.fsmonitor x",
            "echo x > .claude/settings.json",
        ] {
            let said = stage.confined_by(attempt, &bounds);
            assert_ne!(said.code, 125, "{attempt}: {}", said.err);
            assert_eq!(stage.outside(), before, "{attempt} as {uid:?}");
        }
        assert_eq!(stage.confined_by("echo x > src/x && cat src/x", &bounds).out, "x\n");
        let reached = stage.confined_by("exec 3<>/dev/tcp/127.0.0.1/9", &bounds);
        assert!(reached.err.contains("not permitted"), "no network socket can be made: {}", reached.err);
        // Named as open on this rung.
        assert_eq!(stage.confined_by("cat .env", &bounds).out, "SECRET=1\n");
    }
}

/// These get out, and the page for people says so. A mend takes its line from the page and turns its test around.
#[test]
fn what_is_known_to_get_out_is_named_in_the_docs() {
    if !can() {
        return;
    }
    let docs = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md")).unwrap();
    let docs = docs.split_whitespace().collect::<Vec<_>>().join(" ");
    let stage = Stage::new(None);
    std::fs::hard_link(stage.base.join("outside/file"), stage.base.join("work/src/hard")).unwrap();
    assert_eq!(stage.confined("echo x > src/hard").code, 0);
    assert_eq!(std::fs::read_to_string(stage.base.join("outside/file")).unwrap(), "x\n");
    assert!(docs.contains("hard link"));
    assert_eq!(stage.confined("echo x > new-name").code, 0);
    assert!(docs.contains("New names beside"));
    let path = stage.base.join("outside/service.sock");
    let _server = UnixListener::bind(&path).unwrap();
    let connect = format!("perl -MIO::Socket::UNIX -e 'exit !IO::Socket::UNIX->new(Peer=>\"{}\")'", path.display());
    assert_eq!(stage.confined(&connect).code, 0);
    assert!(docs.contains("services that phasegate does not know"));
    assert_eq!(stage.confined("echo ../x > .git/commondir").code, 0);
    assert!(docs.contains("`.git/commondir`"));
    std::fs::remove_file(stage.base.join("work/.git/commondir")).unwrap();
}

#[test]
fn a_failure_at_the_bounds_is_explained() {
    let stage = Stage::new(None);
    let home = Home(Some(stage.base.join("home")));
    let told = explain("bash: README.md: Read-only file system", &stage.bounds, &home).unwrap();
    assert!(told.contains("`build`") && told.contains("`src/**`"), "{told}");
    let mut bounds = stage.bounds.clone();
    bounds.write_denied = vec![bounds.root.join(".phasegate"), bounds.root.join(".husky")];
    let at_home = format!("EROFS: read-only file system, mkdir '{}/.deno'", stage.base.join("home").display());
    for (output, part) in [
        ("bash: .husky/pre-commit: Read-only file system", "`.husky` is closed to commands in every phase"),
        (at_home.as_str(), "`sandbox: { grants: [\"~/…\"] }`"),
        ("error: could not write config file .git/config: Device or resource busy", "`git push origin HEAD`"),
        ("error: unable to unlink old '.mcp.json': Device or resource busy", "`git rebase --abort`"),
    ] {
        let told = explain(output, &bounds, &home).unwrap_or_default();
        assert!(told.contains(part), "{output}: {told}");
    }
    assert!(explain("curl: (6) Could not resolve host: x.org", &stage.bounds, &home).unwrap().contains("no network"));
    assert_eq!(explain("error[E0425]: cannot find value", &stage.bounds, &home), None);
}
