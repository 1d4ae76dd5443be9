//! What is known of programs. A program that is not here is taken at its word; what each option does stands below, in
//! `table/`.

mod everyday;
mod lines;
mod others;
mod tools;

use super::effects::Program;

/// Their whole purpose is to run what their operands say: no `*` covers what that is.
pub const RUNS_OTHERS: &[&str] = &[
    "abduco",
    "alacritty",
    "ansible",
    "at",
    "autossh",
    "batch",
    "bubblewrap",
    "busybox",
    "bwrap",
    "c8",
    "caffeinate",
    "capsh",
    "catchsegv",
    "cgexec",
    "clush",
    "cmd",
    "cmd.exe",
    "cgroupexec",
    "choom",
    "chpst",
    "chronic",
    "chroot",
    "chrt",
    "concurrently",
    "coproc",
    "cpulimit",
    "crontab",
    "cross-env",
    "daemonize",
    "dbus-launch",
    "dbus-run-session",
    "doas",
    "dotenv",
    "dotenvx",
    "dtach",
    "dumb-init",
    "eatmydata",
    "entr",
    "env",
    "env-cmd",
    "envchain",
    "envdir",
    "eval",
    "exec",
    "expect",
    "fakeroot",
    "faketime",
    "firejail",
    "flock",
    "gdb",
    "genv",
    "gnice",
    "gnohup",
    "gnome-terminal",
    "gosu",
    "gstdbuf",
    "gtimeout",
    "hyperfine",
    "ifne",
    "ionice",
    "konsole",
    "ld-linux-aarch64.so.1",
    "ld-linux-x86-64.so.2",
    "ld-musl-x86_64.so.1",
    "ld.so",
    "linux32",
    "linux64",
    "ltrace",
    "lxc-attach",
    "machinectl",
    "minijail0",
    "mosh",
    "newgrp",
    "nice",
    "nodemon",
    "noexec",
    "nohup",
    "nsenter",
    "nsjail",
    "numactl",
    "nyc",
    "onchange",
    "parallel",
    "pdsh",
    "perf",
    "pkexec",
    "powershell",
    "powershell.exe",
    "prlimit",
    "pwsh",
    "qemu-aarch64",
    "qemu-arm",
    "qemu-x86_64",
    "proot",
    "proxychains",
    "proxychains4",
    "pssh",
    "reflex",
    "rlwrap",
    "rr",
    "run-parts",
    "run0",
    "runcon",
    "runuser",
    "s6-setuidgid",
    "sandbox-exec",
    "screen",
    "script",
    "sem",
    "setarch",
    "setlock",
    "setpriv",
    "setsid",
    "setuidgid",
    "sg",
    "socat",
    "softlimit",
    "sshpass",
    "start-stop-daemon",
    "stdbuf",
    "strace",
    "su",
    "su-exec",
    "sudo",
    "systemd-inhibit",
    "systemd-nspawn",
    "systemd-run",
    "taskset",
    "time",
    "timelimit",
    "timeout",
    "tini",
    "tmux",
    "torify",
    "torsocks",
    "toybox",
    "trap",
    "tsocks",
    "unbuffer",
    "unshare",
    "valgrind",
    "watch",
    "watchexec",
    "winpty",
    "xargs",
    "xterm",
    "xvfb-run",
    "zellij",
];

/// What they run is in a language of their own, or comes another way than by their words.
pub const UNREADABLE: &[&str] = &["at", "batch", "crontab", "expect", "gdb", "lldb", "osascript", "socat"];

pub const SHELLS: &[&str] =
    &["ash", "bash", "csh", "dash", "fish", "ksh", "ksh93", "mksh", "rbash", "sh", "tcsh", "yash", "zsh"];

pub const INTERPRETERS: &[&str] = &[
    "bun",
    "deno",
    "guile",
    "julia",
    "lua",
    "luajit",
    "node",
    "nodejs",
    "osascript",
    "perl",
    "php",
    "pwsh",
    "pypy",
    "python",
    "Rscript",
    "ruby",
    "tclsh",
    "wish",
];

/// Other names of the same program.
const SAME: &[(&str, &str)] = &[
    ("bazelisk", "bazel"),
    ("batcat", "bat"),
    ("c++", "g++"),
    ("clang++", "clang"),
    ("gfind", "find"),
    ("gradlew", "gradle"),
    ("gsort", "sort"),
    ("gtar", "tar"),
    ("mariadb", "mysql"),
    ("mvnw", "mvn"),
    ("nerdctl", "docker"),
    ("nodejs", "node"),
    ("oc", "kubectl"),
    ("podman", "docker"),
    ("py.test", "pytest"),
    ("pypy", "python"),
    ("pytest-3", "pytest"),
    ("ripgrep", "rg"),
    ("rvim", "vim"),
    ("tofu", "terraform"),
    ("vimdiff", "vim"),
    ("yarnpkg", "yarn"),
];

const COMPILERS: &[&str] = &["gcc", "g++", "clang", "cc", "c++", "clang++"];

/// The name under which a program is listed: `python3.12` is `python`, `gcc-12` and `arm-linux-gcc` are `gcc`.
pub fn listed_name(name: &str) -> &str {
    let cut = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    let name = if INTERPRETERS.contains(&cut) { cut } else { name };
    let plain = cut.strip_suffix('-').unwrap_or(cut);
    let compiler = COMPILERS.iter().find(|compiler| {
        plain.strip_suffix(*compiler).is_some_and(|before| before.is_empty() || before.ends_with('-'))
    });
    let name = compiler.copied().unwrap_or(if plain == "clang-format" { plain } else { name });
    SAME.iter().find(|(other, _)| *other == name).map_or(name, |(_, listed)| listed)
}

/// The lines of a program.
pub fn lines(name: &str) -> impl Iterator<Item = &'static Program> + '_ {
    everyday::PROGRAMS.iter().chain(tools::PROGRAMS).chain(others::PROGRAMS).filter(move |program| program.name == name)
}

pub fn is_known(name: &str) -> bool {
    lines(listed_name(name)).next().is_some()
}
