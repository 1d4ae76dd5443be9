//! Values with which an option that could run or write something does not.

use super::super::options::Style;
use super::super::subcommands::{has_subcommands, subcommand, subcommands};
use super::{Program, Word, queries};

const REPORTS: &[&str] =
    &["coverageReporters", "reporter", "reporters", "format", "formatter", "f", "output-format", "R", "test-reporter"];

const TESTERS: &[&str] =
    &["eslint", "jest", "mocha", "node", "playwright", "pylint", "rspec", "rubocop", "stylelint", "vitest"];

/// Settings of pytest that only change what it prints.
const PRINTS: &[&str] = &[
    "console_output_style",
    "faulthandler_timeout",
    "junit_family",
    "log_cli",
    "log_cli_level",
    "log_level",
    "xfail_strict",
];

/// Properties of builds that choose what is built or tested, and run nothing of their own.
const PROPERTIES: &[(&str, &[&str])] = &[
    (
        "cmake",
        &[
            "DBUILD_SHARED_LIBS",
            "DBUILD_TESTING",
            "DCMAKE_BUILD_TYPE",
            "DCMAKE_CXX_STANDARD",
            "DCMAKE_C_STANDARD",
            "DCMAKE_EXPORT_COMPILE_COMMANDS",
            "DCMAKE_POSITION_INDEPENDENT_CODE",
            "DCMAKE_VERBOSE_MAKEFILE",
        ],
    ),
    (
        "mvn",
        &[
            "DfailIfNoTests",
            "DskipITs",
            "DskipTests",
            "Dit.test",
            "Dmaven.javadoc.skip",
            "Dmaven.test.failure.ignore",
            "Dmaven.test.skip",
            "Dstyle.color",
            "Dspring-boot.run.profiles",
            "Dspring.profiles.active",
            "Dsurefire.failIfNoSpecifiedTests",
            "Dtest",
        ],
    ),
];

/// Properties of .NET that say how to build, and name no file.
const OF_DOTNET: &[&str] = &[
    "AssemblyVersion",
    "CollectCoverage",
    "Configuration",
    "ContinuousIntegrationBuild",
    "DebugType",
    "FileVersion",
    "Nullable",
    "PackageVersion",
    "Platform",
    "PublishReadyToRun",
    "PublishSingleFile",
    "PublishTrimmed",
    "RuntimeIdentifier",
    "SelfContained",
    "TargetFramework",
    "TreatWarningsAsErrors",
    "Version",
    "VersionPrefix",
    "VersionSuffix",
    "WarningLevel",
];

/// `-DNAME=value` and `-DNAME`, as one word.
fn is_property(program: &str, word: &Word) -> bool {
    let Some(text) = word.text.strip_prefix('-').filter(|_| word.expands.nothing()) else { return false };
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_' | '#' | ',' | '+');
    let is_switch = matches!(value.to_ascii_uppercase().as_str(), "0" | "1" | "OFF" | "ON" | "FALSE" | "TRUE");
    match program {
        "cmake" if name.starts_with('D') && !name.starts_with("DCMAKE_") && is_switch => return true,
        "dotnet" | "msbuild" => {
            let of_build = name.strip_prefix("p:").or(name.strip_prefix("property:"));
            return of_build.is_some_and(|name| OF_DOTNET.contains(&name)) && value.chars().all(plain);
        }
        "gradle" if name.starts_with('P') && name.len() > 1 => return value.chars().all(plain),
        _ => {}
    }
    let (name, _) = name.split_once(':').unwrap_or((name, ""));
    PROPERTIES.iter().any(|(known, names)| *known == program && names.contains(&name)) && value.chars().all(plain)
}

/// Options that name a folder or a file of settings, with which these programs do no more than without it: what a project
/// holds is theirs to run.
const PLACES: &[(&[&str], &[&str])] = &[
    (&["make", "gmake"], &["-C", "-I", "-f", "--directory", "--file", "--makefile"]),
    (&["ninja"], &["-C", "-f"]),
    (&["cmake"], &["--build"]),
    (&["golangci-lint", "phpstan", "phpunit"], &["-c", "--config", "--configuration"]),
    (&["gradle"], &["-b", "-c", "-p", "--build-file", "--project-dir", "--settings-file"]),
    (&["mvn"], &["-f", "-s", "--file", "--settings"]),
    (&["npm", "pnpm"], &["-C", "--dir", "--prefix"]),
    (&["yarn", "bun"], &["--cwd"]),
    (&["just", "task"], &["-d", "-f", "-t", "--dir", "--justfile", "--taskfile", "--working-directory"]),
    (&["terraform"], &["-chdir"]),
    (&["go"], &["-C"]),
    (&["pytest", "tox"], &["-c", "--config-file", "--confcutdir", "--cov-config", "--rootdir"]),
    (&["mypy", "flake8", "pre-commit"], &["-c", "--config", "--config-file"]),
    (
        &[
            "eslint",
            "jest",
            "mocha",
            "playwright",
            "prettier",
            "rollup",
            "rubocop",
            "stylelint",
            "vite",
            "vitest",
            "webpack",
        ],
        &["-c", "--config", "--root", "--rootDir"],
    ),
];

/// What a project holds is run, from another of its folders or by other settings: no more is hidden by that than by the bare
/// command.
pub fn runs_the_project(program: &str, words: &[Word], at: usize) -> bool {
    let Some(word) = words.get(at).filter(|word| word.expands.nothing()) else { return false };
    if words.get(at + 1).is_some_and(|next| !next.expands.nothing()) {
        return false;
    }
    let subs = subcommands(program, words);
    let sub = subs.first().filter(|_| subs.len() == 1).map_or("", |(_, sub)| sub);
    if program == "docker-compose" || program == "docker" && matches!(sub, "build" | "compose") {
        let runs = |word: &Word| matches!(word.text.as_str(), "run" | "exec");
        return !words.iter().any(|word| runs(word) || !word.expands.nothing());
    }
    let is_plain = || words.iter().all(|word| word.expands.nothing());
    // As `go install` and `npm install` do: what it builds is named, and is no program that a rule could be about.
    if program == "cargo" && sub == "install" {
        return is_plain();
    }
    if program == "git" && sub == "submodule" {
        return is_plain() && !words.iter().any(|word| word.text == "foreach");
    }
    // What an image starts by itself.
    if program == "docker" && sub == "run" {
        return !words.iter().any(|word| word.text.starts_with("--entry") || !word.expands.nothing());
    }
    let (option, value) = match word.text.split_once('=') {
        Some((option, value)) => (option, value),
        None => (word.text.as_str(), words.get(at + 1).map_or("", |next| next.text.as_str())),
    };
    let is_read_from =
        value.is_empty() || value.starts_with('-') || value.starts_with("/dev") || value.starts_with("/proc");
    !is_read_from
        && !value.contains(['<', '>', '$', '`'])
        && PLACES.iter().any(|(programs, options)| programs.contains(&program) && options.contains(&option))
}

/// The form of a command that only prints, where its other forms write or run what they are told.
pub fn only_prints(program: &str, words: &[Word]) -> bool {
    if words.iter().any(|word| !word.expands.nothing()) {
        return false;
    }
    // Which form it is, is not known.
    if has_subcommands(program) && subcommands(program, words).len() > 1 {
        return false;
    }
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let sub = subcommand(program, words);
    let after = sub.and_then(|(at, _)| texts.get(at + 1..)).unwrap_or_default();
    let first = after.first().copied().unwrap_or_default();
    match (program, sub.map_or("", |(_, sub)| sub)) {
        ("git", "config") => reads_settings(after),
        ("git", "submodule") => matches!(first, "" | "status" | "summary"),
        ("git", "worktree") => first == "list",
        ("env", _) => texts.len() == 1,
        ("kubectl", "apply") => texts.iter().any(|text| matches!(*text, "--dry-run=client" | "--dry-run=server")),
        ("docker", "compose") => {
            let of_compose = sub.and_then(|(at, _)| words.get(at..)).unwrap_or_default();
            subcommand("compose", of_compose).and_then(|(at, _)| of_compose.get(at..)).is_some_and(looks_at_services)
        }
        ("docker-compose", _) => sub.and_then(|(at, _)| words.get(at..)).is_some_and(looks_at_services),
        ("git", "help") => !after.iter().any(|text| text.starts_with('-')),
        ("git", "bisect") => {
            matches!(first, "bad" | "good" | "log" | "new" | "old" | "reset" | "skip" | "start" | "terms")
        }
        ("npm", "pkg") => first == "get",
        ("npm" | "pnpm" | "yarn", "config") => matches!(first, "get" | "list" | "ls"),
        ("gh", "alias" | "extension") => first == "list",
        ("gh", "config") => matches!(first, "get" | "list" | "clear-cache"),
        ("crontab", _) => texts == ["crontab", "-l"],
        ("screen", _) => matches!(texts.as_slice(), ["screen", "-ls" | "-list"]),
        ("tmux", sub) => matches!(sub, "ls" | "list-panes" | "list-sessions" | "list-windows") && after.is_empty(),
        ("ssh-keygen", _) => shows_a_key(&texts),
        ("wget", _) => goes_to_stdout(&texts),
        _ => false,
    }
}

/// `docker compose ps`: none of these makes a service, or runs another program in one.
fn looks_at_services(words: &[Word]) -> bool {
    const LOOKS: &[&str] = &[
        "config", "down", "events", "images", "kill", "logs", "ls", "pause", "port", "ps", "restart", "start", "stats",
        "stop", "top", "unpause", "version",
    ];
    let writes = |word: &Word| ["-o", "--output", "--lock"].iter().any(|option| word.text.starts_with(option));
    words.first().is_some_and(|first| LOOKS.contains(&first.text.as_str())) && !words.iter().any(writes)
}

/// `git config --get NAME`, `git config NAME`.
fn reads_settings(words: &[&str]) -> bool {
    const READS: &[&str] = &["--get", "--get-all", "--get-regexp", "--get-urlmatch", "--get-color", "--list", "-l"];
    const PLACES: &[&str] = &[
        "--global",
        "--local",
        "--name-only",
        "--null",
        "--show-origin",
        "--show-scope",
        "--system",
        "--worktree",
        "-z",
    ];
    let operands = words.iter().filter(|word| !word.starts_with('-')).count();
    let options: Vec<&&str> = words.iter().filter(|word| word.starts_with('-')).collect();
    let known = options.iter().all(|option| {
        READS.contains(option)
            || PLACES.contains(option)
            || option.starts_with("--type=")
            || option.starts_with("--default=")
    });
    let asks = options.iter().any(|option| READS.contains(option)) || matches!(words.first(), Some(&"get" | &"list"));
    // Behind the name everything is a value.
    let named = words.iter().position(|word| !word.starts_with('-')).unwrap_or(words.len());
    let ends = words.iter().skip(named).all(|word| !word.starts_with('-'));
    known && ends && (asks || operands == 1)
}

/// `ssh-keygen -lf key.pub`
fn shows_a_key(words: &[&str]) -> bool {
    let rest: Vec<&str> = words.iter().skip(1).filter(|word| **word != "-v").copied().collect();
    let path = match rest.as_slice() {
        ["-lf" | "-lvf", path] | ["-l", "-f", path] => path,
        ["-E", "md5" | "sha256", "-lf", path] | ["-l", "-E", "md5" | "sha256", "-f", path] => path,
        _ => return false,
    };
    !path.starts_with('-')
}

/// `wget -qO- URL`
fn goes_to_stdout(words: &[&str]) -> bool {
    const QUIET: &[&str] = &["-q", "-nv", "-S", "--quiet", "--no-verbose", "--server-response"];
    let mut any = false;
    let mut left = words.iter().skip(1);
    while let Some(word) = left.next() {
        match *word {
            "-O-" | "-qO-" | "--output-document=-" => any = true,
            "-O" | "-qO" if left.next() == Some(&"-") => any = true,
            option if option.starts_with('-') && !QUIET.contains(&option) => return false,
            _ => {}
        }
    }
    any
}

/// `words` begin with the option.
pub fn is_harmless(listed: &Program, option: &str, words: &[Word], value: Option<&Word>) -> bool {
    let program = listed.name;
    if words.first().is_some_and(|word| is_property(program, word)) {
        return true;
    }
    let whole = words.first().map_or("", |word| word.text.as_str());
    match (program, option) {
        ("npm", "global") | ("phpunit", "testdox") => return true,
        // Only then a file or a folder is named.
        ("as", "a") | ("tar", "one-top-level") => return !whole.contains('='),
        ("vi" | "view" | "vim" | "nvim", "V") => {
            return whole.trim_end_matches(|end: char| end.is_ascii_digit()).ends_with('V');
        }
        _ => {}
    }
    let value = value.or_else(|| words.get(1).filter(|_| listed.style == Style::Words));
    let Some(value) = value.filter(|value| value.expands.nothing()) else { return false };
    let text = value.text.as_str();
    if let Some(asked) = option.strip_prefix('Z').filter(|_| program == "cargo") {
        let asked = if asked.is_empty() { text } else { asked };
        return CHOOSES.contains(&asked.split('=').next().unwrap_or(asked));
    }
    if is_folder_of_the_project(program, option, text) {
        return true;
    }
    match (program, option) {
        ("awk" | "gawk" | "mawk" | "nawk", "W") => {
            matches!(text, "interactive" | "lint" | "posix" | "traditional" | "version") || text.starts_with("random=")
        }
        ("ansible-playbook", "i" | "inventory") => {
            [".ini", ".yaml", ".yml", ","].iter().any(|end| text.ends_with(end)) || super::base(text) == "hosts"
        }
        ("mypy", "config-file") => is_within(text) && OF_MYPY.contains(&super::base(text)),
        ("pandoc", "f" | "from" | "r" | "read" | "t" | "to" | "w" | "write") => !text.contains(['.', '/']),
        ("pytest", "p") => text.starts_with("no:"),
        ("pytest", "o" | "override-ini") => text.split_once('=').is_some_and(|(key, _)| PRINTS.contains(&key.trim())),
        ("pytest", "cov-report") => !text.contains(':'),
        ("jest", "env" | "testEnvironment") | ("vitest", "environment") => is_plain(text),
        ("dotnet", "logger" | "l") => !text.contains(['/', '\\']) && !text.to_lowercase().contains(".dll"),
        ("wget", "O" | "output-document") => text == "-",
        ("psql", "c" | "command") | ("mysql", "e" | "execute") => queries::only_asks(program, text),
        ("git", "s" | "strategy") => STRATEGIES.contains(&text),
        ("rsync", "e" | "rsh") => is_plain_ssh(text),
        ("scp" | "ssh", "o") => {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            OF_SSH.contains(&name) && is_plain(value)
        }
        ("go", "ldflags") => only_strips_and_names(text),
        ("gcc" | "g++" | "clang" | "cc", "fuse-ld") => is_plain(text),
        (program, option) => TESTERS.contains(&program) && REPORTS.contains(&option) && is_plain(text),
    }
}

/// Another folder of the project where these programs do what they do without it.
const FOLDERS: &[(&[&str], &[&str])] = &[
    (&["make", "ninja", "npm", "pnpm", "go"], &["C"]),
    (&["make"], &["directory"]),
    (&["cmake"], &["build"]),
    (&["npm", "pnpm"], &["prefix"]),
    (&["pnpm", "just", "task"], &["dir"]),
    (&["just", "task", "composer"], &["d", "working-directory", "working-dir"]),
    (&["yarn"], &["cwd"]),
    (&["terraform"], &["chdir"]),
];

fn is_folder_of_the_project(program: &str, option: &str, folder: &str) -> bool {
    let named = FOLDERS.iter().any(|(programs, options)| programs.contains(&program) && options.contains(&option));
    named && is_within(folder)
}

/// A plain path below the current folder.
fn is_within(path: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_' | '/' | '@' | '+');
    let below = path.strip_prefix("./").unwrap_or(path);
    path == "."
        || !below.is_empty()
            && !below.starts_with(['-', '/', '.'])
            && below.chars().all(plain)
            && below.split('/').all(|step| step != "..")
}

/// The files that it reads by itself.
const OF_MYPY: &[&str] = &["mypy.ini", "pyproject.toml", "setup.cfg"];

/// What `cargo -Z` asks of cargo itself.
const CHOOSES: &[&str] = &[
    "avoid-dev-deps",
    "build-std",
    "build-std-features",
    "direct-minimal-versions",
    "doctest-xcompile",
    "minimal-versions",
    "msrv-policy",
    "no-index-update",
    "unstable-options",
];

/// Strategies of merging that come with git; another name is that of a program.
const STRATEGIES: &[&str] = &["octopus", "ort", "ours", "recursive", "resolve", "subtree"];

/// Settings of a connection that start nothing and read no file.
const OF_SSH: &[&str] = &[
    "AddressFamily",
    "BatchMode",
    "Compression",
    "ConnectTimeout",
    "ConnectionAttempts",
    "IdentitiesOnly",
    "LogLevel",
    "PasswordAuthentication",
    "Port",
    "ServerAliveCountMax",
    "ServerAliveInterval",
    "StrictHostKeyChecking",
    "User",
];

/// `ssh -p 2222`
fn is_plain_ssh(text: &str) -> bool {
    let mut words = text.split(' ');
    words.next() == Some("ssh")
        && words.all(|word| word.trim_start_matches("-p").chars().all(|letter| letter.is_ascii_digit()))
}

/// `-s -w -X main.version=1`
fn only_strips_and_names(flags: &str) -> bool {
    let mut flags = flags.split_whitespace();
    while let Some(flag) = flags.next() {
        match flag {
            "-s" | "-w" => {}
            "-X" => {
                flags.next();
            }
            flag if flag.starts_with("-X=") => {}
            _ => return false,
        }
    }
    true
}

/// The name of one that comes with the tool or is installed, not the path of a file.
fn is_plain(text: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | ',');
    !text.is_empty() && text.chars().all(plain)
}
