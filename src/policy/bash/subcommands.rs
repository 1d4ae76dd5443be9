//! Which word of a command is its subcommand: `push` in `git -C folder push`. What it does is not known here.

use super::super::shell::script::Word;

/// Options before the subcommand that take the next word.
const BEFORE_SUBCOMMAND: &[(&str, &[&str])] = &[
    ("aws", &["--profile", "--region", "--output", "--endpoint-url", "--query", "--color", "--ca-bundle"]),
    ("bun", &["--cwd"]),
    ("cargo", &["-C", "-Z", "--config", "--color", "--manifest-path", "--target-dir"]),
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
    ("npm", &["-w", "--prefix", "--workspace", "--loglevel", "--userconfig", "--registry", "-C"]),
    ("podman", &["--connection", "--log-level", "--root", "--url"]),
    ("pnpm", &["-C", "-F", "--dir", "--filter"]),
    ("systemctl", &["-H", "-M", "--host", "--machine", "--root"]),
    ("terraform", &[]),
    ("yarn", &["--cwd"]),
];

/// The subcommand and where it stands.
pub fn subcommand<'a>(program: &str, words: &'a [Word]) -> Option<(usize, &'a str)> {
    let valued = BEFORE_SUBCOMMAND.iter().find(|(name, _)| *name == program).map_or(&[][..], |(_, valued)| *valued);
    let mut at = 1;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        let toolchain = program == "cargo" && text.starts_with('+');
        if !text.starts_with('-') && !toolchain {
            return Some((at, text));
        }
        at += if valued.contains(&text) { 2 } else { 1 };
    }
    None
}

pub fn has_subcommands(program: &str) -> bool {
    BEFORE_SUBCOMMAND.iter().any(|(name, _)| *name == program)
}
