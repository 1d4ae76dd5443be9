//! Which word of a command is its subcommand: `push` in `git -C folder push`. What it does is not known here.

use super::super::shell::script::Word;

/// Options before the subcommand that take the next word, and `yarn workspace NAME`.
const BEFORE_SUBCOMMAND: &[(&str, &[&str])] = &[
    ("apt", &["-c", "-o", "-t"]),
    ("apt-get", &["-c", "-o", "-t"]),
    ("aws", &["--profile", "--region", "--output", "--endpoint-url", "--query", "--color", "--ca-bundle"]),
    ("bun", &["--cwd"]),
    ("cargo", &["-C", "-Z", "--config", "--color", "--manifest-path", "--target-dir"]),
    ("compose", OF_COMPOSE),
    ("docker-compose", OF_COMPOSE),
    ("docker", &["-c", "-H", "-l", "--context", "--host", "--log-level", "--config"]),
    ("gcloud", &["--project", "--account", "--configuration", "--format"]),
    ("gh", &["-R", "--repo"]),
    (
        "git",
        &["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--super-prefix", "--config-env", "--attr-source"],
    ),
    ("go", &["-C"]),
    ("helm", &["-n", "--namespace", "--kube-context", "--kubeconfig"]),
    ("kubectl", &["-n", "-s", "--namespace", "--context", "--kubeconfig", "--cluster", "--user", "--server", "--as"]),
    ("make", &["-C", "-I", "-W", "-f", "-o"]),
    ("npm", &["-w", "--prefix", "--workspace", "--loglevel", "--userconfig", "--registry", "-C"]),
    ("pip", OF_PIP),
    ("pip3", OF_PIP),
    ("podman", &["--connection", "--log-level", "--root", "--url"]),
    ("pnpm", &["-C", "-F", "--dir", "--filter"]),
    ("poetry", &["-C", "-P", "--directory", "--project"]),
    ("systemctl", &["-H", "-M", "--host", "--machine", "--root"]),
    ("terraform", &[]),
    ("uv", &["--directory", "--project", "--python", "--config-file", "--cache-dir", "--color"]),
    ("yarn", &["--cwd", "workspace"]),
];
const OF_COMPOSE: &[&str] = &[
    "-f",
    "-p",
    "--env-file",
    "--file",
    "--parallel",
    "--profile",
    "--progress",
    "--project-directory",
    "--project-name",
];
const OF_PIP: &[&str] = &[
    "--cache-dir",
    "--cert",
    "--client-cert",
    "--exists-action",
    "--log",
    "--proxy",
    "--python",
    "--retries",
    "--timeout",
    "--trusted-host",
];

fn valued(program: &str) -> &'static [&'static str] {
    BEFORE_SUBCOMMAND.iter().find(|(name, _)| *name == program).map_or(&[], |(_, valued)| *valued)
}

/// The subcommand and where it stands.
pub fn subcommand<'a>(program: &str, words: &'a [Word]) -> Option<(usize, &'a str)> {
    let valued = valued(program);
    let mut at = 1;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        let toolchain = program == "cargo" && text.starts_with('+');
        if !text.starts_with('-') && !toolchain && !valued.contains(&text) {
            return Some((at, text));
        }
        at += if valued.contains(&text) { 2 } else { 1 };
    }
    None
}

pub fn takes_a_value(program: &str, option: &str) -> bool {
    valued(program).contains(&option)
}

/// Each option before the subcommand is known here, so that it is nobody's value.
pub fn is_plain(program: &str, words: &[Word], at: usize) -> bool {
    let valued = valued(program);
    let before = words.get(1..at).unwrap_or_default();
    let known = before.chunks(2).all(|pair| matches!(pair, [option, _] if valued.contains(&option.text.as_str())));
    known && words.iter().take(at + 1).all(|word| word.expands.nothing())
}

/// The same words without the options that stand between the first two subcommands; nothing where none do.
pub fn without_options(program: &str, words: &[Word]) -> Option<Vec<Word>> {
    let (_, valued) = BEFORE_SUBCOMMAND.iter().find(|(name, _)| *name == program)?;
    let (first, _) = subcommand(program, words)?;
    let mut next = first + 1;
    while let Some(word) = words.get(next).filter(|word| word.text.starts_with('-')) {
        next += if valued.contains(&word.text.as_str()) { 2 } else { 1 };
    }
    let (start, end) = (words.get(first)?, words.get(next..).filter(|end| !end.is_empty())?);
    (next > first + 1).then(|| words.iter().take(1).chain([start]).chain(end).cloned().collect())
}

pub fn has_subcommands(program: &str) -> bool {
    BEFORE_SUBCOMMAND.iter().any(|(name, _)| *name == program)
}
