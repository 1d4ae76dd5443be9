//! What no table of options can say.

use super::super::super::shell::script::Input;
use super::super::subcommands::subcommand;
use super::{Effect, Risk, Word, base, queries};

/// Values of variables that name no program.
const SWITCHES: &[&str] =
    &["", "n", "no", "off", "false", "y", "yes", "on", "true", "debug", "release", "Debug", "Release"];

/// Subcommands of Django.
const OPENS_A_SHELL: &[&str] = &["dbshell", "shell", "shell_plus"];

/// Their input may be commands.
const READS_COMMANDS: &[&str] = &[
    "bc",
    "dc",
    "duckdb",
    "ed",
    "ex",
    "gdb",
    "gvim",
    "jshell",
    "kak",
    "lftp",
    "manage.py",
    "mysql",
    "ncftp",
    "nvim",
    "psftp",
    "psql",
    "rails",
    "redis-cli",
    "sftp",
    "smbclient",
    "sqlite3",
    "ssh",
    "vi",
    "view",
    "vim",
];

/// With `-` their input is a text to look at.
const EDITORS: &[&str] = &["gvim", "nvim", "vi", "view", "vim"];

/// Whether commands of its own may come on the input of this program.
pub fn reads_commands(name: &str, words: &[Word]) -> bool {
    let has = |wanted: &str| words.iter().skip(1).any(|word| word.text == wanted);
    let silent = |word: &Word| {
        let bundle = word.text.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
        bundle.is_some_and(|letters| letters.contains(['e', 'E', 's']))
    };
    let looks = EDITORS.contains(&name) && has("-") && !words.iter().skip(1).any(silent);
    READS_COMMANDS.contains(&name) && !looks
}

pub fn risks(name: &str, words: &[Word], input: Input, found: &mut Vec<Risk>) {
    if input != Input::Inherited && reads_commands(name, words) {
        found.push(Risk { at: words.len(), effect: Effect::Runs, target: None });
    }
    let dashes = words.iter().position(|word| word.text == "--").unwrap_or(usize::MAX);
    for (at, word) in words.iter().enumerate().skip(1) {
        let written = match name {
            "dd" => word.text.strip_prefix("of="),
            "gcc" | "g++" | "clang" | "cc" => word.text.strip_prefix("-o").filter(|path| !path.is_empty()),
            _ => None,
        };
        let target = written.map(|path| Word { text: path.to_owned(), expands: word.expands });
        found.extend(target.map(|target| Risk { at, effect: Effect::Writes, target: Some(target) }));
        let handed_on = at > dashes;
        if runs(name, words, at, word) || (handed_on && is_for_the_compiler(name, words, &word.text)) {
            found.push(Risk { at, effect: Effect::Runs, target: None });
        }
    }
}

fn runs(name: &str, words: &[Word], at: usize, word: &Word) -> bool {
    let text = word.text.as_str();
    let before = at.checked_sub(1).and_then(|at| words.get(at)).map_or("", |word| word.text.as_str());
    match name {
        // `make SHELL=/tmp/x`, and any variable that a recipe runs.
        "make" | "gmake" | "just" => {
            let switch = |value: &str| value.parse::<u32>().is_ok() || SWITCHES.contains(&value);
            let plain = |name: &str| name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
            !text.starts_with('-') && text.split_once('=').is_some_and(|(name, value)| !(plain(name) && switch(value)))
        }
        "dotnet" | "msbuild" => {
            ["/p:", "/property:", "/logger:", "/l:"].iter().any(|start| text.to_lowercase().starts_with(start))
        }
        // Its words may be cut short.
        "ip" => !text.is_empty() && "exec".starts_with(text) && (before.starts_with("net") || before.starts_with('v')),
        // A transport that is a command.
        "git" if is_of_subcommand(words, at) => true,
        "git" => text.starts_with("ext::") || text.starts_with("fd::"),
        // `tar cIf program archive`, without a dash.
        "tar" => at == 1 && !text.starts_with('-') && text.contains(['I', 'F']),
        "cargo" => at == 1 && text.starts_with('+') && text.contains('/'),
        // `!` runs a command, except before a comparison.
        "dc" => text.split('!').skip(1).any(|rest| !rest.starts_with(['<', '>', '='])),
        // A command for the editor or pager; a bare line number is none.
        "vi" | "vim" | "nvim" | "view" | "less" | "more" | "ex" => {
            text.strip_prefix('+').is_some_and(|rest| rest.chars().any(|letter| !letter.is_ascii_digit()))
        }
        "sqlite3" => queries::sqlite_acts(word),
        "rails" => at == 1 && matches!(text, "c" | "console" | "db" | "dbconsole" | "r" | "runner"),
        "manage.py" => at == 1 && OPENS_A_SHELL.contains(&text),
        "python" => OPENS_A_SHELL.contains(&text) && base(before) == "manage.py",
        "php" => text == "tinker" && base(before) == "artisan",
        // Options from a file.
        "pytest" | "rustc" => text.starts_with('@'),
        "bun" | "go" => text == "-" && before == "run",
        "gcc" | "g++" | "clang" | "cc" => {
            text.starts_with('@')
                || ["-Wl,-plugin", "-Wl,--plugin", "-Wl,-o", "-Wl,--output", "-Wp,-M"]
                    .iter()
                    .any(|option| text.starts_with(option))
        }
        // A file that a template writes to.
        "curl" => text.contains("%output{") || (matches!(before, "-w" | "--write-out") && word.expands.value),
        // A bare number sets the clock.
        "date" => {
            let number = text.len() >= 8 && text.chars().all(|letter| letter.is_ascii_digit() || letter == '.');
            number && !before.starts_with('-')
        }
        "rollup" => {
            let file = words.get(at + 1).is_some_and(|next| !next.text.starts_with('-'));
            (matches!(text, "-c" | "--config") && file)
                || text.starts_with("--config=")
                || (text.starts_with("-c") && !text.starts_with("-co") && text.len() > 2)
        }
        // `docker container exec`, with its kin.
        "docker" => {
            let starts =
                ["run", "exec", "create", "cp", "commit", "build", "load", "import", "deploy", "update", "install"];
            let group =
                ["container", "image", "builder", "buildx", "stack", "service", "plugin", "swarm", "context", "volume"];
            starts.contains(&text) && group.contains(&before)
        }
        _ => false,
    }
}

/// `git bisect run program`, `git submodule foreach text`: further words of theirs print or change what git holds. The others
/// are there to run a program.
fn is_of_subcommand(words: &[Word], at: usize) -> bool {
    let sub = subcommand("git", words).filter(|(before, _)| at > *before);
    let text = words.get(at).map_or("", |word| word.text.as_str());
    sub.is_some_and(|(_, sub)| {
        matches!((sub, text), ("bisect", "run") | ("submodule", "foreach"))
            || matches!(sub, "merge-index" | "remote-ext" | "remote-fd")
    })
}

/// `cargo rustc -- -o file`.
fn is_for_the_compiler(name: &str, words: &[Word], text: &str) -> bool {
    const WRITES_OR_RUNS: &[&str] = &["-C", "-o", "-Z", "--out-dir", "--emit", "--codegen"];
    const SUBCOMMAND_WITHIN: usize = 8;
    name == "cargo"
        && WRITES_OR_RUNS.iter().any(|option| text.starts_with(option))
        && words.iter().take(SUBCOMMAND_WITHIN).any(|word| matches!(word.text.as_str(), "rustc" | "rustdoc"))
}
