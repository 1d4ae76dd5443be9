//! Programs that start another program named by their own words: where that one begins. What it may do is not here.

use super::super::shell::script::{Expands, Input, Word};
use super::effects::base;
use super::{subcommands, table};

/// What stands inside a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inner {
    /// A command that starts at this word and goes to the end.
    From(usize),
    /// The same, where it is not certain that it starts there.
    Perhaps(usize),
    /// Words of their own.
    Words(Vec<Word>),
    /// A shell text.
    Text(String),
    /// Something runs that cannot be seen.
    Closed(&'static str),
}

#[derive(Debug, Default)]
pub struct Found {
    pub inner: Vec<Inner>,
    /// An allow rule may look through: what runs is exactly the inner command.
    pub transparent: bool,
}

/// How a wrapper reads its own words.
struct Wrapper {
    name: &'static str,
    /// Letters and names of options whose value is the next word.
    letters: &'static str,
    names: &'static [&'static str],
    /// Letters and names of options without one.
    flags: &'static str,
    flag_names: &'static [&'static str],
    /// Operands of its own before the command.
    operands: usize,
    /// `NAME=value` may stand before the command.
    assigns: bool,
    transparent: bool,
}

const fn through(
    name: &'static str,
    letters: &'static str,
    names: &'static [&'static str],
    flags: &'static str,
    flag_names: &'static [&'static str],
    operands: usize,
) -> Wrapper {
    Wrapper { name, letters, names, flags, flag_names, operands, assigns: false, transparent: true }
}

const fn inside(
    name: &'static str,
    letters: &'static str,
    names: &'static [&'static str],
    flags: &'static str,
    operands: usize,
) -> Wrapper {
    Wrapper { name, letters, names, flags, flag_names: &[], operands, assigns: false, transparent: false }
}

/// Where an option that is not listed here appears, every later word is taken as a possible start.
const WRAPPERS: &[Wrapper] = &[
    through("builtin", "", &[], "", &[], 0),
    through("command", "", &[], "p", &[], 0),
    through("nice", "n", &["adjustment"], "0123456789", &[], 0),
    through("noglob", "", &[], "", &[], 0),
    through("nohup", "", &[], "", &[], 0),
    through("stdbuf", "ioe", &["input", "output", "error"], "", &[], 0),
    through("time", "", &[], "pv", &["portability", "verbose"], 0),
    through("timeout", "ks", &["kill-after", "signal"], "vfp", &["preserve-status", "foreground", "verbose"], 1),
    through("xargs", "", &[], "", &[], 0),
    Wrapper { assigns: true, ..inside("env", "uC", &["unset", "chdir", "argv0"], "i0v", 0) },
    Wrapper {
        assigns: true,
        ..inside(
            "sudo",
            "ugpCchrtTUDR",
            &["user", "group", "prompt", "host", "role", "type", "chdir", "chroot", "close-from"],
            "AbBEHnPSkis",
            0,
        )
    },
    Wrapper { assigns: true, ..inside("doas", "uC", &[], "nLs", 0) },
    inside("chroot", "", &["groups", "userspec"], "", 1),
    inside("chrt", "TPD", &[], "abfiormv", 1),
    inside("exec", "a", &[], "cl", 0),
    inside("ionice", "cn", &["class", "classdata"], "t", 0),
    inside("noexec", "", &[], "", 0),
    inside("pkexec", "", &["user"], "", 0),
    inside("setsid", "", &[], "cfw", 0),
    inside("taskset", "", &[], "ac", 1),
    inside("unbuffer", "", &[], "p", 0),
];

/// Programs that run one of their words, or the text in one of them, in ways too many to list: each word may be it.
const LOOSE: &[&str] = &[
    "abduco",
    "asdf",
    "at",
    "batch",
    "bundle",
    "busybox",
    "bunx",
    "bwrap",
    "caffeinate",
    "capsh",
    "catchsegv",
    "cgexec",
    "chpst",
    "conda",
    "coproc",
    "corepack",
    "crontab",
    "cpulimit",
    "daemonize",
    "dbus-run-session",
    "devbox",
    "direnv",
    "distrobox",
    "docker",
    "dtach",
    "entr",
    "eatmydata",
    "expect",
    "fakeroot",
    "faketime",
    "fd",
    "fdfind",
    "firejail",
    "flatpak",
    "flock",
    "gdb",
    "hatch",
    "hyperfine",
    "kubectl",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
    "ld-musl-x86_64.so.1",
    "ld.so",
    "linux32",
    "linux64",
    "lldb",
    "lxc",
    "ltrace",
    "mise",
    "nerdctl",
    "newgrp",
    "nix",
    "nix-shell",
    "npx",
    "nsenter",
    "numactl",
    "nvm",
    "parallel",
    "pdm",
    "perf",
    "pipenv",
    "pipx",
    "podman",
    "poetry",
    "prlimit",
    "proot",
    "proxychains",
    "proxychains4",
    "rlwrap",
    "rr",
    "run-parts",
    "run0",
    "runcon",
    "runuser",
    "rye",
    "screen",
    "script",
    "setarch",
    "setfattr",
    "setpriv",
    "sg",
    "softlimit",
    "ssh",
    "start-stop-daemon",
    "strace",
    "su",
    "systemd-run",
    "time",
    "timeout",
    "nice",
    "stdbuf",
    "tini",
    "tmux",
    "toolbox",
    "toybox",
    "torify",
    "torsocks",
    "trap",
    "tsp",
    "unshare",
    "uv",
    "uvx",
    "valgrind",
    "vagrant",
    "watch",
    "watchexec",
    "xargs",
    "xvfb-run",
    "zellij",
    "env",
    "sudo",
    "doas",
    "chroot",
    "chrt",
    "exec",
    "ionice",
    "pkexec",
    "setsid",
    "taskset",
    "unbuffer",
    "command",
    "builtin",
    "dumb-init",
    "gosu",
    "su-exec",
    "cgroupexec",
    "wsl",
    "winpty",
];

/// More words than this before a command are not tried one by one.
const MAX_STARTS: usize = 40;

pub fn look_inside(words: &[Word], input: Input) -> Found {
    let Some(first) = words.first() else { return Found::default() };
    let name = base(&first.text);
    if table::SHELLS.contains(&name) {
        return Found { inner: shell(words, input), transparent: false };
    }
    match name {
        "eval" => return only(Inner::Text(rest(words, 1))),
        "find" => return Found { inner: find(words), transparent: false },
        "git" => return Found { inner: git(words), transparent: false },
        // Arguments of a package's own script are arguments; only these run what they are given.
        "npm" | "pnpm" | "yarn" | "bun" | "deno" | "go" | "cargo" => {
            let runs = subcommands::subcommand(name, words).filter(|(_, sub)| matches!(*sub, "exec" | "x" | "dlx"));
            return Found { inner: runs.map_or_else(Vec::new, |(at, _)| loose(words, at + 1)), transparent: false };
        }
        "command" if words.get(1).is_some_and(|word| matches!(word.text.as_str(), "-v" | "-V" | "-pv" | "-pV")) => {
            return Found::default();
        }
        _ => {}
    }
    // A transparent wrapper is one by its bare name only: another program may lie at a path.
    if let Some(wrapper) = WRAPPERS.iter().find(|wrapper| wrapper.name == name) {
        let mut found = precise(wrapper, words);
        found.transparent &= first.text == name;
        return found;
    }
    if LOOSE.contains(&name) { Found { inner: loose(words, 1), transparent: false } } else { Found::default() }
}

fn only(inner: Inner) -> Found {
    Found { inner: vec![inner], transparent: false }
}

fn rest(words: &[Word], from: usize) -> String {
    let texts: Vec<&str> = words.iter().skip(from).map(|word| word.text.as_str()).collect();
    texts.join(" ")
}

fn precise(wrapper: &Wrapper, words: &[Word]) -> Found {
    let mut at = 1;
    let mut operands = 0;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        if text == "--" {
            at += 1 + wrapper.operands.saturating_sub(operands);
            break;
        }
        if text.starts_with('-') && text.len() > 1 {
            match option(wrapper, text) {
                Some(taken) => at += taken,
                None => return Found { inner: loose(words, at), transparent: false },
            }
        } else if wrapper.assigns && text.contains('=') && !text.starts_with('=') {
            at += 1;
        } else if operands < wrapper.operands {
            operands += 1;
            at += 1;
        } else {
            break;
        }
    }
    if at >= words.len() {
        return Found::default();
    }
    let mut found = Found { inner: vec![Inner::From(at)], transparent: wrapper.transparent };
    if wrapper.name == "xargs" {
        found.inner = vec![Inner::Words(with_unknown(words.get(at..).unwrap_or_default()))];
    }
    found
}

/// How many words an option takes; nothing where it is not known.
fn option(wrapper: &Wrapper, text: &str) -> Option<usize> {
    if let Some(name) = text.strip_prefix("--") {
        let (name, attached) = name.split_once('=').map_or((name, false), |(name, _)| (name, true));
        return if wrapper.names.contains(&name) {
            Some(if attached { 1 } else { 2 })
        } else {
            wrapper.flag_names.contains(&name).then_some(1)
        };
    }
    let letters = text.strip_prefix('-')?;
    for (place, letter) in letters.char_indices() {
        if wrapper.letters.contains(letter) {
            return Some(if place + letter.len_utf8() == letters.len() { 2 } else { 1 });
        }
        if !wrapper.flags.contains(letter) {
            return None;
        }
    }
    Some(1)
}

/// Any words may be appended by the wrapper when it runs.
fn with_unknown(words: &[Word]) -> Vec<Word> {
    let mut words = words.to_vec();
    words.push(Word { text: "$@".to_owned(), expands: Expands { value: true, ..Expands::default() } });
    words
}

fn loose(words: &[Word], from: usize) -> Vec<Inner> {
    let mut inner = Vec::new();
    let mut starts = 0;
    for (at, word) in words.iter().enumerate().skip(from) {
        let text = word.text.as_str();
        // `-c 'text'`, `--command='text'` and any word that holds blanks may be a shell text.
        let assigned = text.split_once('=').map(|(_, value)| value);
        let whole = (!text.starts_with('-')).then_some(text);
        for value in
            [whole, assigned].into_iter().flatten().filter(|value| value.contains([' ', '\t', '\n', ';', '|', '&']))
        {
            inner.push(Inner::Text(value.to_owned()));
        }
        if text.starts_with('-') || text == ":::" {
            continue;
        }
        if let Some((name, _)) = text.split_once('=')
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        {
            continue;
        }
        starts += 1;
        if starts > MAX_STARTS {
            inner.push(Inner::Closed("it has too many words to look through"));
            break;
        }
        inner.push(Inner::Perhaps(at));
    }
    // `env -S 'text'`, `env '-Stext'`.
    for word in words.iter().skip(from) {
        let text = word.text.as_str();
        let split = text
            .strip_prefix("-S")
            .or_else(|| text.strip_prefix("-vS"))
            .or_else(|| text.strip_prefix("--split-string="));
        if let Some(text) = split.filter(|text| !text.is_empty()) {
            inner.push(Inner::Text(text.to_owned()));
        }
    }
    inner
}

fn shell(words: &[Word], input: Input) -> Vec<Inner> {
    let mut at = 1;
    let mut text_follows = false;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        if !(text.starts_with('-') || text.starts_with('+')) || text.len() < 2 {
            break;
        }
        at += 1;
        if let Some(name) = text.strip_prefix("--") {
            match name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value))) {
                ("command" | "init-command", Some(value)) => return vec![Inner::Text(value.to_owned())],
                ("command", None) => text_follows = true,
                ("rcfile" | "init-file", _) => return vec![Inner::Closed("a shell reads a file of settings first")],
                ("", _) => break,
                _ => {}
            }
            continue;
        }
        text_follows |= text.starts_with('-') && text.contains('c');
        if text.ends_with(['o', 'O']) {
            at += 1;
        }
    }
    match words.get(at) {
        Some(word) if text_follows => {
            let mut inner = vec![Inner::Text(word.text.clone())];
            if word.expands.value && word.text.starts_with(['$', '`']) {
                inner.push(Inner::Closed("a shell is given a text that is made when it runs"));
            }
            inner
        }
        Some(word)
            if word.expands.nothing()
                && !matches!(word.text.as_str(), "-" | "/dev/stdin")
                && !word.text.starts_with("/dev/fd")
                && !word.text.starts_with("/proc") =>
        {
            Vec::new()
        }
        Some(_) => vec![Inner::Closed("a shell reads what is made when it runs")],
        None if words.iter().skip(1).any(|word| matches!(word.text.as_str(), "--version" | "--help")) => Vec::new(),
        None => vec![Inner::Closed(match input {
            Input::Inherited => "a shell reads its commands from its input",
            Input::Pipe => "a shell reads its commands from a pipe",
            Input::Text | Input::File => "a shell reads its commands from a text or a file",
        })],
    }
}

fn find(words: &[Word]) -> Vec<Inner> {
    let mut inner = Vec::new();
    let mut at = 1;
    while let Some(word) = words.get(at) {
        at += 1;
        if !matches!(word.text.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir") {
            continue;
        }
        let run: Vec<Word> =
            words.iter().skip(at).take_while(|word| !matches!(word.text.as_str(), ";" | "\\;")).cloned().collect();
        at += run.len();
        let mut run = run;
        for word in &mut run {
            if word.text.contains("{}") {
                word.expands.value = true;
            }
        }
        inner.push(if run.is_empty() { Inner::Closed("find is to run what is not named") } else { Inner::Words(run) });
    }
    inner
}

fn git(words: &[Word]) -> Vec<Inner> {
    let mut inner = Vec::new();
    for (at, word) in words.iter().enumerate().skip(1) {
        let text = word.text.as_str();
        // `-c alias.x='!rm …'` and its kin.
        if let Some((_, command)) = text.split_once("=!") {
            inner.push(Inner::Text(command.to_owned()));
        }
        match text {
            "foreach" | "-x" | "--exec" | "--tree-filter" | "--index-filter" | "--msg-filter" | "--env-filter" => {
                inner.push(Inner::Text(rest(words, at + 1)));
            }
            "run" if words.iter().take(at).any(|word| word.text == "bisect") => inner.push(Inner::From(at + 1)),
            _ => {
                if let Some(command) = text.strip_prefix("--exec=") {
                    inner.push(Inner::Text(command.to_owned()));
                }
            }
        }
    }
    inner.retain(|inner| !matches!(inner, Inner::From(at) if *at >= words.len()));
    inner
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        text.split(' ').map(|text| Word { text: text.replace('_', " "), ..Word::default() }).collect()
    }

    #[test]
    fn a_transparent_wrapper_is_read_to_the_word() {
        for (text, expected) in [
            ("timeout 30 npm test", Some(2)),
            ("timeout -k 1 5 npm test", Some(4)),
            ("timeout --signal=KILL 5s npm test", Some(3)),
            ("timeout --preserve-status 5s npm test", Some(3)),
            ("nice -n 5 npm test", Some(3)),
            ("nice -5 npm", Some(2)),
            ("nice npm test", Some(1)),
            ("stdbuf -oL npm test", Some(2)),
            ("command npm test", Some(1)),
            ("command -v npm", None),
            ("time -p npm test", Some(2)),
            ("time -o out npm test", None),
            ("/usr/bin/nice npm test", None),
            ("env npm test", None),
            ("timeout 30", None),
        ] {
            let words = words(text);
            let found = look_inside(&words, Input::Inherited);
            let at = match found.inner.first() {
                Some(Inner::From(at)) if found.transparent => Some(*at),
                _ => None,
            };
            assert_eq!(at, expected, "{text}");
        }
    }

    #[test]
    fn other_wrappers_show_what_they_run() {
        for (text, expected) in [
            ("sudo -u root rm x", Inner::From(3)),
            ("sudo -n A=1 rm x", Inner::From(3)),
            ("env -i A=1 /bin/rm x", Inner::From(3)),
            ("env -S rm_-rf_x", Inner::Text("rm -rf x".into())),
            ("flock /tmp/l rm x", Inner::Perhaps(2)),
            ("flock /tmp/l -c rm_x", Inner::Text("rm x".into())),
            ("script -qc rm_x", Inner::Text("rm x".into())),
            ("bash -lc rm_x", Inner::Text("rm x".into())),
            ("bash -o pipefail -c rm_x", Inner::Text("rm x".into())),
            ("busybox rm x", Inner::Perhaps(1)),
            ("watch -n 1 rm_x", Inner::Text("rm x".into())),
            ("unshare -r rm x", Inner::Perhaps(2)),
            ("git bisect run rm x", Inner::From(3)),
            ("git submodule foreach rm_x", Inner::Text("rm x".into())),
            ("git -c alias.x=!rm_x x", Inner::Text("rm x".into())),
        ] {
            let found = look_inside(&words(text), Input::Inherited);
            assert!(found.inner.contains(&expected), "{text}: {:?}", found.inner);
            assert!(!found.transparent, "{text}");
        }
    }

    #[test]
    fn a_shell_that_reads_its_input_is_closed() {
        for text in ["bash", "sh -s", "bash -", "sh /dev/stdin", "zsh -i", "bash --rcfile x"] {
            let found = look_inside(&words(text), Input::Pipe);
            assert!(matches!(found.inner.as_slice(), [Inner::Closed(_)]), "{text}: {:?}", found.inner);
        }
        assert!(look_inside(&words("bash build.sh -x"), Input::Pipe).inner.is_empty());
    }
}
