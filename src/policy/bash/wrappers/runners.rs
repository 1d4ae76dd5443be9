//! Programs that run one of their words, or the text in one of them, in ways too many to list: each word may be it.

use super::super::super::shell::script::Word;
use super::super::{effects::base, table};
use super::Inner;

/// More words than this before a command are not tried one by one.
const MAX_STARTS: usize = 40;

/// Beside `table::RUNS_OTHERS`.
pub const LOOSE: &[&str] = &[
    "aa-exec",
    "aarch64",
    "apply",
    "arch",
    "armv7l",
    "asdf",
    "bear",
    "buildah",
    "builtin",
    "bundle",
    "bunx",
    "cargo-watch",
    "ccache",
    "chokidar",
    "command",
    "conda",
    "consul-template",
    "corepack",
    "cross-env-shell",
    "cset",
    "devbox",
    "direnv",
    "distrobox",
    "docker",
    "docker-compose",
    "docker-machine",
    "fd",
    "fdfind",
    "flatpak",
    "foot",
    "foreman",
    "grc",
    "gtime",
    "hatch",
    "hivemind",
    "honcho",
    "hwloc-bind",
    "i386",
    "i486",
    "i586",
    "i686",
    "incus",
    "isolate",
    "jexec",
    "kitty",
    "kubectl",
    "lima",
    "limactl",
    "lldb",
    "lxc",
    "mips",
    "msgfilter",
    "mise",
    "mprocs",
    "multipass",
    "nerdctl",
    "nix",
    "nix-shell",
    "npm-run-all",
    "npx",
    "nq",
    "nvm",
    "oc",
    "overmind",
    "parallel-ssh",
    "pdm",
    "pipenv",
    "pipx",
    "pnpx",
    "podman",
    "poetry",
    "ppc",
    "ppc64",
    "proxychains-ng",
    "pueue",
    "retry",
    "run-p",
    "run-s",
    "rvm",
    "rye",
    "s390",
    "s390x",
    "salloc",
    "scan-build",
    "setfattr",
    "setpgid",
    "sops",
    "sotruss",
    "sparc",
    "ssh",
    "steam-run",
    "sudo-rs",
    "super",
    "toolbox",
    "tsp",
    "uname26",
    "uv",
    "uvx",
    "vagrant",
    "with-contenv",
    "wsl",
    "wsl.exe",
    "x86_64",
];

/// They hand a text to a shell, not words to a program.
const TAKES_TEXT: &[&str] = &[
    "at",
    "batch",
    "cmd",
    "cmd.exe",
    "concurrently",
    "entr",
    "flock",
    "hyperfine",
    "nix-shell",
    "nodemon",
    "parallel",
    "powershell",
    "powershell.exe",
    "pwsh",
    "reflex",
    "runuser",
    "screen",
    "script",
    "sem",
    "sg",
    "ssh",
    "su",
    "tmux",
    "trap",
    "watch",
    "watchexec",
    "xterm",
];

/// The next word is a text for a shell.
const TEXT_FOLLOWS: &[&str] = &["-c", "-lc", "-ic", "-qc", "-e", "-x", "-s", "--exec", "--command", "--run", "--shell"];

/// What stands behind one of these is a command, whatever the program is.
const COMMAND_FOLLOWS: &[&str] = &["--", "exec", "exec-env", "run", "shell"];

/// The next word of an unknown program may be a text for a shell.
const TEXT_MAY_FOLLOW: &[&str] = &["-c", "-C", "-e", "-x", "--exec", "--command"];

/// They print or search the words they are given.
const TAKES_WORDS: &[&str] = &[
    "[",
    "basename",
    "cat",
    "cd",
    "chmod",
    "chown",
    "cp",
    "cut",
    "dirname",
    "du",
    "echo",
    "egrep",
    "false",
    "fgrep",
    "gh",
    "grep",
    "head",
    "jq",
    "kill",
    "ls",
    "mkdir",
    "mv",
    "printf",
    "pwd",
    "read",
    "readlink",
    "realpath",
    "rm",
    "rmdir",
    "set",
    "stat",
    "systemctl",
    "tail",
    "test",
    "touch",
    "tr",
    "true",
    "type",
    "wc",
    "which",
    "zgrep",
];

/// Each word from there on as what may run.
pub fn loose(words: &[Word], from: usize) -> Vec<Inner> {
    let mut inner = Vec::new();
    let mut starts = 0;
    let takes_text = words.first().is_some_and(|first| TAKES_TEXT.contains(&base(&first.text)));
    let mut text_follows = false;
    for (at, word) in words.iter().enumerate().skip(from) {
        let text = word.text.as_str();
        let texts = texts_in(text);
        if !texts.is_empty() && (takes_text || text_follows || text.starts_with('-')) && !word.expands.nothing() {
            inner.push(Inner::Closed("a text that runs is made when it runs"));
        }
        inner.extend(texts.into_iter().map(Inner::Text));
        text_follows = TEXT_FOLLOWS.contains(&text);
        if text.starts_with('-') || text.starts_with(":::") {
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
    inner
}

/// `-c 'text'`, `-c'text'`, `--command='text'` and any word that holds blanks may be a shell text.
fn texts_in(text: &str) -> Vec<String> {
    let holds_blank = |text: &&str| text.contains([' ', '\t', '\n', ';', '|', '&']);
    let whole = (!text.starts_with('-')).then_some(text);
    let assigned = text.split_once('=').map(|(_, value)| value);
    let short = text.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
    let behind_c = short.and_then(|rest| rest.split_once('c')).map(|(_, rest)| rest);
    let behind_letter = short.and_then(|rest| rest.get(1..));
    let mut found: Vec<String> = [whole, assigned, behind_letter, behind_c]
        .into_iter()
        .flatten()
        .filter(holds_blank)
        .map(str::to_owned)
        .collect();
    found.dedup();
    found
}

/// What a program that is not known may run, by the words that say so everywhere. Enough to deny, never to allow.
pub fn perhaps(words: &[Word]) -> Vec<Inner> {
    let Some(name) = words.first().map(|first| base(&first.text)) else { return Vec::new() };
    if TAKES_WORDS.contains(&name) || table::is_known(name) {
        return Vec::new();
    }
    let mut inner = Vec::new();
    for (at, word) in words.iter().enumerate().skip(1) {
        let text = word.text.as_str();
        let next = || words.get(at + 1).filter(|next| next.expands.nothing());
        if COMMAND_FOLLOWS.contains(&text) && next().is_some() {
            inner.push(Inner::Perhaps(at + 1));
            // `aws-vault exec profile -- command`, `mamba run -n environment command`.
            let later = words.iter().enumerate().skip(at + 2).take(4).filter(|(_, word)| word.expands.nothing());
            for (at, word) in later {
                let text = word.text.contains(' ').then(|| Inner::PerhapsText(word.text.clone()));
                inner.push(text.unwrap_or(Inner::Perhaps(at)));
            }
        }
        if TEXT_MAY_FOLLOW.contains(&text) {
            inner.extend(next().map(|next| Inner::PerhapsText(next.text.clone())));
        }
        if let Some((_, text)) = text.split_once('=').filter(|(name, _)| TEXT_MAY_FOLLOW.contains(name)) {
            inner.push(Inner::PerhapsText(text.to_owned()));
        }
        if inner.len() > MAX_STARTS {
            inner.push(Inner::Closed("it has too many words to look through"));
            break;
        }
    }
    inner
}
