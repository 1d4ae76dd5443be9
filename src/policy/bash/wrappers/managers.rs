//! Programs that manage something by subcommands (`docker rm`, `uv add`): most of these run none of their words, and some run
//! what follows them. Subcommands that are not here may run any word.

use super::super::super::shell::script::Word;
use super::super::subcommands::{is_plain, subcommand};
use super::{Found, Inner, Wrapper, closed_to_allow, inside, precise};

struct Manager {
    names: &'static [&'static str],
    /// They run none of their words.
    quiet: &'static [&'static str],
    /// They run a program that stands behind their own options.
    running: &'static [Wrapper],
}

const CONTAINER_OPTIONS: &[&str] = &[
    "add-host",
    "cap-add",
    "cap-drop",
    "cpus",
    "device",
    "dns",
    "env",
    "env-file",
    "gpus",
    "hostname",
    "ipc",
    "label",
    "memory",
    "mount",
    "name",
    "network",
    "pid",
    "platform",
    "publish",
    "pull",
    "restart",
    "security-opt",
    "shm-size",
    "tmpfs",
    "ulimit",
    "user",
    "userns",
    "volume",
    "volumes-from",
    "workdir",
    "detach-keys",
];
const CONTAINER_FLAGS: &[&str] = &[
    "detach",
    "init",
    "interactive",
    "no-healthcheck",
    "privileged",
    "publish-all",
    "quiet",
    "read-only",
    "rm",
    "tty",
];
const PYTHON_OPTIONS: &[&str] = &[
    "directory",
    "env-file",
    "extra",
    "from",
    "group",
    "index-url",
    "only-group",
    "package",
    "project",
    "python",
    "with",
];
const PYTHON_FLAGS: &[&str] = &[
    "all-extras",
    "all-groups",
    "dev",
    "frozen",
    "isolated",
    "locked",
    "no-dev",
    "no-project",
    "no-sync",
    "offline",
    "quiet",
    "refresh",
    "verbose",
];

const MANAGERS: &[Manager] = &[
    Manager {
        names: &["docker", "podman", "nerdctl"],
        quiet: &[
            "attach", "build", "commit", "config", "context", "cp", "diff", "events", "export", "history", "image",
            "images", "import", "info", "inspect", "kill", "load", "login", "logout", "logs", "manifest", "network",
            "node", "pause", "port", "ps", "pull", "push", "rename", "restart", "rm", "rmi", "save", "search",
            "secret", "start", "stats", "stop", "system", "tag", "top", "unpause", "update", "version", "volume",
            "wait",
        ],
        running: &[
            Wrapper { flag_names: CONTAINER_FLAGS, ..inside("run", "aehlmpuvw", CONTAINER_OPTIONS, "ditPq", 1) },
            Wrapper { flag_names: CONTAINER_FLAGS, ..inside("exec", "euw", CONTAINER_OPTIONS, "dit", 1) },
        ],
    },
    // Behind `docker compose`, and as a program of its own.
    Manager {
        names: &["docker-compose", "compose"],
        quiet: &[
            "build", "config", "cp", "create", "down", "events", "images", "kill", "logs", "ls", "pause", "port", "ps",
            "pull", "push", "restart", "rm", "start", "stop", "top", "unpause", "up", "version", "wait",
        ],
        running: &[],
    },
    Manager {
        names: &["kubectl", "oc"],
        quiet: &[
            "annotate",
            "api-resources",
            "api-versions",
            "apply",
            "auth",
            "autoscale",
            "cluster-info",
            "completion",
            "config",
            "cordon",
            "cp",
            "delete",
            "describe",
            "diff",
            "drain",
            "events",
            "explain",
            "expose",
            "get",
            "kustomize",
            "label",
            "logs",
            "patch",
            "port-forward",
            "rollout",
            "scale",
            "taint",
            "top",
            "uncordon",
            "version",
            "wait",
        ],
        running: &[],
    },
    Manager {
        names: &["uv"],
        quiet: &[
            "add", "build", "cache", "export", "init", "lock", "pip", "publish", "python", "remove", "self", "sync",
            "tree", "venv", "version",
        ],
        running: &[Wrapper { flag_names: PYTHON_FLAGS, ..inside("run", "p", PYTHON_OPTIONS, "qvn", 0) }],
    },
    Manager {
        names: &["poetry", "pdm", "pipenv", "rye", "hatch"],
        quiet: &[
            "about",
            "add",
            "build",
            "cache",
            "check",
            "clean",
            "config",
            "export",
            "graph",
            "init",
            "install",
            "list",
            "lock",
            "new",
            "publish",
            "remove",
            "requirements",
            "search",
            "show",
            "sync",
            "uninstall",
            "update",
            "version",
        ],
        running: &[inside("run", "", &[], "", 0)],
    },
    Manager {
        names: &["conda", "mamba"],
        quiet: &["clean", "config", "create", "env", "export", "info", "install", "list", "remove", "search", "update"],
        running: &[],
    },
    Manager {
        names: &["nvm"],
        quiet: &["alias", "current", "install", "list", "ls", "ls-remote", "uninstall", "use", "version", "which"],
        running: &[],
    },
    Manager { names: &["bundle"], quiet: &["add", "info", "list", "lock", "outdated", "show"], running: &[] },
];

/// They run the first word that is not theirs.
const RUNNERS: &[Wrapper] = &[
    Wrapper {
        flag_names: &["no", "no-install", "prefer-offline", "quiet", "yes"],
        ..inside("npx", "p", &["package"], "qy", 0)
    },
    Wrapper { flag_names: PYTHON_FLAGS, ..inside("uvx", "p", PYTHON_OPTIONS, "qvn", 0) },
];

/// Nothing where what they run is not known.
pub fn look_inside(name: &str, words: &[Word]) -> Option<Found> {
    if let Some(runner) = RUNNERS.iter().find(|runner| runner.name == name) {
        return Some(closed_to_allow(precise(runner, words).inner));
    }
    let manager = MANAGERS.iter().find(|manager| manager.names.contains(&name))?;
    let (at, sub) = subcommand(name, words).filter(|(at, _)| is_plain(name, words, *at))?;
    if let Some(running) = manager.running.iter().find(|running| running.name == sub) {
        let inner = precise(running, words.get(at..)?).inner.into_iter();
        let entry = words.iter().filter_map(|word| {
            let program = word.text.strip_prefix("--entrypoint=")?;
            Some(Inner::Words(vec![Word { text: program.to_owned(), expands: word.expands }]))
        });
        return Some(closed_to_allow(inner.map(|inner| behind(inner, at)).chain(entry).collect()));
    }
    // Whatever stands behind two dashes is for somebody else.
    if words.iter().any(|word| word.text == "--") {
        return None;
    }
    match sub {
        "compose" | "container" if manager.names.contains(&"docker") => {
            let nested = if sub == "container" { name } else { sub };
            look_inside(nested, words.get(at..)?).filter(|found| found.inner.is_empty())
        }
        sub => manager.quiet.contains(&sub).then(Found::default),
    }
}

fn behind(inner: Inner, words: usize) -> Inner {
    match inner {
        Inner::From(at) => Inner::From(at + words),
        Inner::Perhaps(at) => Inner::Perhaps(at + words),
        Inner::Filled { at, words: filled } => Inner::Filled { at: at + words, words: filled },
        other @ (Inner::Words(_) | Inner::Text(_) | Inner::PerhapsText(_) | Inner::Closed(_)) => other,
    }
}
