//! Which word of a command is its subcommand: `push` in `git -C folder push`. What it does is not known here.

use super::super::shell::script::Word;

/// What may stand before the subcommand.
struct Before {
    program: &'static str,
    /// They take the next word, as `yarn workspace NAME` does.
    valued: &'static [&'static str],
    /// They take none. Of an option that is in neither list, both are tried.
    flags: &'static [&'static str],
}

const fn before(program: &'static str, valued: &'static [&'static str], flags: &'static [&'static str]) -> Before {
    Before { program, valued, flags }
}

const BEFORE_SUBCOMMAND: &[Before] = &[
    before("apt", &["-c", "-o", "-t"], OF_APT),
    before("apt-get", &["-c", "-o", "-t"], OF_APT),
    before(
        "aws",
        &["--profile", "--region", "--output", "--endpoint-url", "--query", "--color", "--ca-bundle"],
        &["--debug", "--no-cli-pager", "--no-paginate", "--no-sign-request", "--no-verify-ssl"],
    ),
    before("bun", &["--cwd"], &["--bun", "--hot", "--silent", "--smol", "--watch", "-b"]),
    before(
        "cargo",
        &["-C", "-Z", "--config", "--color", "--manifest-path", "--target-dir"],
        &["--frozen", "--locked", "--offline", "--quiet", "--verbose", "-q", "-v", "-vv"],
    ),
    before("compose", OF_COMPOSE, &["--all-resources", "--compatibility", "--dry-run", "--verbose"]),
    before("docker-compose", OF_COMPOSE, &["--all-resources", "--compatibility", "--dry-run", "--verbose"]),
    before(
        "docker",
        &["-c", "-H", "-l", "--context", "--host", "--log-level", "--config", "--tlscacert", "--tlscert", "--tlskey"],
        &["--debug", "--tls", "--tlsverify", "-D"],
    ),
    before("gcloud", &["--project", "--account", "--configuration", "--format"], &["--quiet", "-q"]),
    before("gh", &["-R", "--repo"], &[]),
    before(
        "git",
        &[
            "-C",
            "-c",
            "--attr-source",
            "--config-env",
            "--git-dir",
            "--namespace",
            "--shallow-file",
            "--super-prefix",
            "--work-tree",
        ],
        &[
            "--bare",
            "--glob-pathspecs",
            "--icase-pathspecs",
            "--literal-pathspecs",
            "--no-advice",
            "--no-lazy-fetch",
            "--no-optional-locks",
            "--no-pager",
            "--no-replace-objects",
            "--noglob-pathspecs",
            "--paginate",
            "-P",
            "-p",
        ],
    ),
    before("go", &["-C"], &[]),
    before(
        "helm",
        &["-n", "--namespace", "--kube-context", "--kubeconfig", "--kube-token", "--kube-apiserver", "--kube-as-user"],
        &["--debug"],
    ),
    before(
        "kubectl",
        &[
            "-n",
            "-s",
            "-v",
            "--as",
            "--cluster",
            "--context",
            "--kubeconfig",
            "--namespace",
            "--request-timeout",
            "--server",
            "--token",
            "--user",
        ],
        &["--insecure-skip-tls-verify", "--match-server-version", "--warnings-as-errors"],
    ),
    before("make", &["-C", "-I", "-W", "-f", "-o"], &[]),
    before(
        "npm",
        &["-w", "--prefix", "--workspace", "--loglevel", "--userconfig", "--registry", "--tag", "--cache", "-C"],
        OF_NPM,
    ),
    before("pip", OF_PIP, PIP_FLAGS),
    before("pip3", OF_PIP, PIP_FLAGS),
    before("podman", &["--connection", "--log-level", "--root", "--url"], &["--remote", "-r"]),
    before(
        "pnpm",
        &["-C", "-F", "--dir", "--filter", "--filter-prod", "--loglevel", "--reporter", "--workspace-concurrency"],
        &[
            "--aggregate-output",
            "--bail",
            "--color",
            "--global",
            "--if-present",
            "--ignore-scripts",
            "--no-bail",
            "--no-color",
            "--offline",
            "--parallel",
            "--prefer-offline",
            "--recursive",
            "--silent",
            "--sort",
            "--stream",
            "--workspace-root",
            "-g",
            "-r",
            "-s",
            "-w",
        ],
    ),
    before(
        "poetry",
        &["-C", "-P", "--directory", "--project"],
        &[
            "--ansi",
            "--no-ansi",
            "--no-cache",
            "--no-interaction",
            "--no-plugins",
            "--quiet",
            "--verbose",
            "-n",
            "-q",
            "-v",
            "-vv",
            "-vvv",
        ],
    ),
    before(
        "systemctl",
        &["-H", "-M", "-n", "-o", "-p", "-t", "--host", "--lines", "--machine", "--output", "--root", "--type"],
        &[
            "--all",
            "--failed",
            "--force",
            "--full",
            "--global",
            "--no-block",
            "--no-legend",
            "--no-pager",
            "--now",
            "--plain",
            "--quiet",
            "--runtime",
            "--system",
            "--user",
            "-a",
            "-f",
            "-l",
            "-q",
        ],
    ),
    before("terraform", &[], &[]),
    before(
        "uv",
        &["--directory", "--project", "--python", "--config-file", "--cache-dir", "--color"],
        &[
            "--managed-python",
            "--native-tls",
            "--no-cache",
            "--no-config",
            "--no-progress",
            "--offline",
            "--preview",
            "--quiet",
            "--verbose",
            "-n",
            "-q",
            "-v",
        ],
    ),
    before(
        "yarn",
        &["--cwd", "--mutex", "--network-timeout", "--registry", "workspace"],
        &[
            "--frozen-lockfile",
            "--ignore-engines",
            "--ignore-scripts",
            "--json",
            "--no-progress",
            "--non-interactive",
            "--offline",
            "--prod",
            "--production",
            "--silent",
            "--verbose",
            "-s",
        ],
    ),
];
const OF_APT: &[&str] =
    &["--assume-yes", "--dry-run", "--quiet", "--simulate", "--yes", "-f", "-q", "-qq", "-s", "-y", "-yq", "-yqq"];
const OF_COMPOSE: &[&str] = &[
    "-f",
    "-p",
    "--ansi",
    "--env-file",
    "--file",
    "--parallel",
    "--profile",
    "--progress",
    "--project-directory",
    "--project-name",
];
const OF_NPM: &[&str] = &[
    "--dry-run",
    "--force",
    "--foreground-scripts",
    "--global",
    "--if-present",
    "--ignore-scripts",
    "--include-workspace-root",
    "--json",
    "--legacy-peer-deps",
    "--no-audit",
    "--no-fund",
    "--offline",
    "--prefer-offline",
    "--quiet",
    "--silent",
    "--verbose",
    "--workspaces",
    "--yes",
    "-d",
    "-f",
    "-g",
    "-q",
    "-s",
    "-ws",
    "-y",
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
const PIP_FLAGS: &[&str] = &[
    "--debug",
    "--disable-pip-version-check",
    "--isolated",
    "--no-cache-dir",
    "--no-color",
    "--no-input",
    "--quiet",
    "--require-virtualenv",
    "--verbose",
    "-q",
    "-qq",
    "-v",
    "-vv",
];

/// Other names of a subcommand.
const SAME: &[(&str, &str, &str)] = &[
    ("cargo", "d", "doc"),
    ("gh", "ext", "extension"),
    ("gh", "extensions", "extension"),
    ("git", "annotate", "blame"),
    ("git", "init-db", "init"),
    ("git", "pickaxe", "blame"),
    ("npm", "c", "config"),
    ("npm", "x", "exec"),
    ("pnpm", "c", "config"),
];
/// Those of npm that run or set something: it takes their names cut short.
const CUT_SHORT: &[&str] = &["bugs", "config", "docs", "edit", "exec", "explore", "pkg", "repo", "set"];
/// `npm search`
const NOT_CUT: &str = "se";

/// More words than these before a subcommand are not tried.
const MAX_TRIED: usize = 32;

fn known(program: &str) -> Option<&'static Before> {
    BEFORE_SUBCOMMAND.iter().find(|before| before.program == program)
}

fn valued(program: &str) -> &'static [&'static str] {
    known(program).map_or(&[], |before| before.valued)
}

/// The subcommand and where it stands; the first that it may be.
pub fn subcommand<'a>(program: &str, words: &'a [Word]) -> Option<(usize, &'a str)> {
    subcommands(program, words).into_iter().next()
}

/// Each word that may be the subcommand: the one behind an option that nobody here knows may be the value of that.
pub fn subcommands<'a>(program: &str, words: &'a [Word]) -> Vec<(usize, &'a str)> {
    let (valued, flags) = known(program).map_or((&[][..], &[][..]), |before| (before.valued, before.flags));
    let mut found = Vec::new();
    let mut may_be_value = false;
    let mut at = 1;
    while let Some(word) = words.get(at).filter(|_| at <= MAX_TRIED) {
        let text = word.text.as_str();
        if valued.contains(&text) {
            at += 1;
            may_be_value = false;
        } else if text.starts_with('-') {
            may_be_value = text != "--" && !text.contains('=') && !flags.contains(&text);
        } else if !(program == "cargo" && text.starts_with('+')) {
            found.push((at, whole_name(program, text)));
            if !may_be_value {
                break;
            }
            may_be_value = false;
        }
        at += 1;
    }
    found
}

/// `config` for `npm c`.
fn whole_name<'a>(program: &str, name: &'a str) -> &'a str {
    if let Some((_, _, whole)) = SAME.iter().find(|(of, other, _)| *of == program && *other == name) {
        return whole;
    }
    let cut = program == "npm" && name.len() > 1 && name != NOT_CUT;
    CUT_SHORT.iter().find(|whole| cut && whole.starts_with(name)).map_or(name, |whole| whole)
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
    let valued = known(program)?.valued;
    let (first, _) = subcommand(program, words)?;
    let mut next = first + 1;
    while let Some(word) = words.get(next).filter(|word| word.text.starts_with('-')) {
        next += if valued.contains(&word.text.as_str()) { 2 } else { 1 };
    }
    let (start, end) = (words.get(first)?, words.get(next..).filter(|end| !end.is_empty())?);
    (next > first + 1).then(|| words.iter().take(1).chain([start]).chain(end).cloned().collect())
}

pub fn has_subcommands(program: &str) -> bool {
    known(program).is_some()
}
