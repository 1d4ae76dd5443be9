//! Begins a confined command in the shell that the client would have used, in place of this process: same process id,
//! same terminal, same signals, same exit code.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Bounds, MARK, Rung, Taken, Why, confine, probe};

/// Longer ones do not fit into one argument of a program (128 KiB) and go through a file.
const COMMAND_BYTES_MAX: usize = 100_000;
/// What starts with one of these is the client's or ours: ways to talk to it, where the store lies.
const SCRUBBED: [&str; 3] = ["CLAUDE_CODE_MESSAGING_", "CLAUDE_CODE_OAUTH_", "PHASEGATE_"];
/// Keys of models. They stay where a command may write anywhere: that is the person's own work, whose tests may need them.
const KEYS: [&str; 9] = [
    "ANTHROPIC_",
    "OPENAI_",
    "CODEX_",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GENAI_API_KEY",
    "OPENROUTER_API_KEY",
    "AWS_BEARER_TOKEN_BEDROCK",
    "MISTRAL_API_KEY",
];
/// A client that confines its own commands looks for them.
const KEPT: [&str; 2] = ["CODEX_SANDBOX", "CODEX_SANDBOX_NETWORK_DISABLED"];
/// Run by bash before anything of ours; it is set again once inherited files are closed.
const BEFORE_ALL: [&str; 2] = ["BASH_ENV", "ENV"];
const SNAPSHOTS: &str = "/shell-snapshots/";

/// Returns only if the command could not be begun.
pub fn run(taken: &Taken, variables: Vec<(OsString, OsString)>) -> Why {
    let mut ticket = taken.ticket.clone();
    if is_in_a_sandbox() {
        // Some of what it refuses cannot be taken back once tried, so it is tried in another process.
        let can = std::env::current_exe().map_or(Rung::None, |binary| probe(&binary));
        ticket.bounds.most = ticket.bounds.most.min(can);
    }
    let asking = Asking::find();
    // Read before: a confined process may not look at the one that asks.
    let inherited = inherited();
    let applied = match confine(&ticket.bounds, &ticket.cwd, &variables) {
        Ok(applied) => applied,
        Err(why) => return why,
    };
    let snapshot = ticket.snapshot.clone().or(asking.snapshot);
    let shell = asking.shell.unwrap_or_else(|| PathBuf::from("bash"));
    let command = match short(&ticket.command, &applied.temp) {
        Ok(command) => command,
        Err(error) => return Why::of("the folder for temporary files", &applied.temp)(error),
    };
    let before = variables.iter().filter(|(name, _)| BEFORE_ALL.iter().any(|known| name == known));
    let script = script(&inherited, before, snapshot.as_deref(), &taken.end_folder);
    #[expect(clippy::disallowed_methods, reason = "this is the confined command's own process")]
    let mut program = Command::new(&shell);
    program.env_clear().envs(kept(&variables, &ticket.bounds)).env(MARK, "1");
    if !ticket.bounds.writes_anywhere() {
        program.env("TMPDIR", &applied.temp);
        if ticket.bounds.root.join("go.mod").is_file() {
            program.env("GOCACHE", applied.temp.join("go-build"));
        }
    }
    program.arg("-c").arg(&script).arg(&shell).arg(command);
    Why::of("the shell", &shell)(program.exec())
}

/// What a client's own sandbox sets before anything that it starts.
fn is_in_a_sandbox() -> bool {
    #[cfg(target_os = "linux")]
    return rustix::thread::no_new_privs().unwrap_or(false);
    #[cfg(not(target_os = "linux"))]
    false
}

fn short(command: &str, temp: &Path) -> std::io::Result<String> {
    if command.len() <= COMMAND_BYTES_MAX {
        return Ok(command.to_owned());
    }
    let file = temp.join(format!(".command-{}", std::process::id()));
    std::fs::write(&file, command)?;
    Ok(format!(". {}", quoted(file.as_os_str()).to_string_lossy()))
}

/// The command is an argument, so that no quoting can go wrong, and it sees none of its own. The folder is noted where the
/// client's shell would note it: at the end of a command that went well.
fn script<'v>(
    inherited: &[i32],
    before: impl Iterator<Item = &'v (OsString, OsString)>,
    snapshot: Option<&Path>,
    end_folder: &Path,
) -> OsString {
    let mut text = OsString::new();
    if !inherited.is_empty() {
        text.push("exec");
        for number in inherited {
            text.push(format!(" {number}>&-"));
        }
        text.push("; ");
    }
    for (name, value) in before {
        text.push("export ");
        text.push(name);
        text.push("=");
        text.push(quoted(value));
        text.push("; ");
    }
    if let Some(snapshot) = snapshot {
        text.push("source ");
        text.push(quoted(snapshot.as_os_str()));
        text.push(" 2>/dev/null; ");
    }
    text.push("\\builtin eval \"set --; $1\"; r=$?; [ $r = 0 ] && { \\builtin pwd -P >| ");
    text.push(quoted(end_folder.as_os_str()));
    text.push("; } 2>/dev/null; \\builtin exit $r");
    text
}

fn quoted(text: &OsStr) -> OsString {
    let mut bytes = vec![b'\''];
    for byte in text.as_bytes() {
        if *byte == b'\'' {
            bytes.extend_from_slice(b"'\\''");
        } else {
            bytes.push(*byte);
        }
    }
    bytes.push(b'\'');
    OsString::from_vec(bytes)
}

fn kept<'v>(
    variables: &'v [(OsString, OsString)],
    bounds: &'v Bounds,
) -> impl Iterator<Item = (&'v OsString, &'v OsString)> {
    let keys = if bounds.writes_anywhere() { &[][..] } else { &KEYS[..] };
    variables.iter().map(|(name, value)| (name, value)).filter(move |(name, _)| {
        let name = name.to_string_lossy();
        let is_kept = bounds.keep_variables.iter().any(|kept| *kept == name) || KEPT.contains(&&*name);
        let is_scrubbed =
            SCRUBBED.iter().chain(keys).any(|start| name.starts_with(start)) || BEFORE_ALL.contains(&&*name);
        is_kept || !is_scrubbed
    })
}

/// Open files that were left to us. The shell closes them first of all: a file that is open for writing knows no bounds.
fn inherited() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let mut numbers: Vec<i32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    numbers.retain(|number| *number > 2);
    numbers.sort_unstable();
    numbers
}

/// The client's shell that started us: which one it is, and what it has sourced.
#[derive(Default)]
struct Asking {
    shell: Option<PathBuf>,
    snapshot: Option<PathBuf>,
}

impl Asking {
    fn find() -> Self {
        let parent = std::os::unix::process::parent_id();
        let shell = std::fs::read_link(format!("/proc/{parent}/exe")).ok();
        let shell = shell.filter(|path| path.file_name().is_some_and(|name| name == "bash"));
        let line = std::fs::read(format!("/proc/{parent}/cmdline")).unwrap_or_default();
        Self { shell, snapshot: snapshot(&String::from_utf8_lossy(&line)) }
    }
}

/// The one path in the shell's command line that lies in a folder of snapshots, if it is our user's.
fn snapshot(line: &str) -> Option<PathBuf> {
    let at = line.find(SNAPSHOTS)?;
    let ends = |c: char| c == '\'' || c == '"' || c == '\0' || c == ';' || c == '&' || c == '\n' || c == ' ';
    let start = line.get(..at)?.rfind(ends).map_or(0, |before| before + 1);
    let rest = line.get(start..)?;
    let path = PathBuf::from(rest.get(..rest.find(ends).unwrap_or(rest.len()))?);
    let found = std::fs::metadata(&path).ok()?;
    let is_ours = found.is_file() && found.uid() == rustix::process::getuid().as_raw();
    // Another shell's would be noise to bash.
    let is_bash = path.file_name().is_some_and(|name| name.to_string_lossy().contains("bash"));
    (path.is_absolute() && is_ours && is_bash).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::super::Rung;
    use super::*;
    use crate::domain::workflow::Sandbox;

    #[test]
    fn the_snapshot_is_found_in_the_words_of_the_shell() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("shell-snapshots");
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("snapshot-bash-1-abc.sh");
        std::fs::write(&file, "").unwrap();
        let shown = file.display();
        for (line, is_found) in [
            (format!("/bin/bash\0-c\0source {shown} && eval 'x' < /dev/null && pwd -P >| /tmp/y"), true),
            (format!("/bin/bash\0-c\0source '{shown}' 2>/dev/null || true; eval x"), true),
            (format!("/bin/bash\0-c\0source {shown}x && eval x"), false),
            ("/bin/bash\0-c\0eval x".to_owned(), false),
        ] {
            assert_eq!(snapshot(&line), is_found.then(|| file.clone()), "{line}");
        }
    }

    #[test]
    fn keys_of_clients_are_taken_out_and_the_rest_stays() {
        let bounds = |writes: Option<Vec<String>>| {
            let (sandbox, here) = (Sandbox::default(), PathBuf::from("/w"));
            let keep_variables = vec!["OPENAI_API_KEY".to_owned()];
            Bounds { keep_variables, ..Bounds::of("a", here.clone(), writes, &sandbox, Rung::Full, here) }
        };
        let (bounded, open) = (bounds(Some(Vec::new())), bounds(None));
        for (name, stays, stays_in_the_open) in [
            ("ANTHROPIC_API_KEY", false, true),
            ("CLAUDE_CODE_MESSAGING_TOKEN", false, false),
            ("PHASEGATE_AGENT", false, false),
            ("PHASEGATE_STORE", false, false),
            ("CODEX_API_KEY", false, true),
            ("BASH_ENV", false, false),
            ("CODEX_SANDBOX", true, true),
            ("CLAUDECODE", true, true),
            ("GITHUB_TOKEN", true, true),
            ("OPENAI_API_KEY", true, true),
        ] {
            let variables = [(OsString::from(name), OsString::from("x"))];
            let found = [&bounded, &open].map(|bounds| kept(&variables, bounds).count() == 1);
            assert_eq!(found, [stays, stays_in_the_open], "{name}");
        }
    }
}
