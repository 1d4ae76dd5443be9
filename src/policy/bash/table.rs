//! What is known of programs: one line each, in order of name. A program that is not here is taken at its word.

use super::super::shell::script::Word;
use super::effects::{Operands, Program};
use super::options::Style;

/// Their whole purpose is to run what their operands say: no `*` covers what that is.
pub const RUNS_OTHERS: &[&str] = &[
    "abduco", "at", "batch", "bwrap", "capsh", "chpst", "chroot", "chrt", "coproc", "crontab", "daemonize",
    "dbus-run-session", "doas", "dtach", "entr", "env", "eval", "exec", "expect", "faketime", "firejail", "flock",
    "gdb", "hyperfine", "ionice", "ld.so", "ltrace", "nice", "nohup", "nsenter", "numactl", "parallel", "perf",
    "pkexec", "prlimit", "proxychains", "proxychains4", "rlwrap", "run0", "runcon", "runuser", "screen", "script",
    "setarch", "setpriv", "setsid", "sg", "socat", "start-stop-daemon", "stdbuf", "strace", "su", "sudo",
    "systemd-run", "taskset", "time", "timeout", "tmux", "torsocks", "trap", "unbuffer", "unshare", "valgrind",
    "watch", "watchexec", "xargs", "xvfb-run", "zellij",
];

pub const SHELLS: &[&str] =
    &["ash", "bash", "csh", "dash", "fish", "ksh", "ksh93", "mksh", "rbash", "sh", "tcsh", "yash", "zsh"];

pub const INTERPRETERS: &[&str] = &[
    "bun", "deno", "guile", "julia", "lua", "luajit", "node", "nodejs", "osascript", "perl", "php", "pwsh", "pypy",
    "python", "Rscript", "ruby", "tclsh", "wish",
];

/// Options before the subcommand that take the next word.
const BEFORE_SUBCOMMAND: &[(&str, &[&str])] = &[
    ("aws", &["--profile", "--region", "--output", "--endpoint-url", "--query", "--color", "--ca-bundle"]),
    ("bun", &["--cwd"]),
    ("cargo", &["-C", "-Z", "--config", "--color", "--manifest-path", "--target-dir"]),
    ("docker", &["-c", "-H", "-l", "--context", "--host", "--log-level", "--config"]),
    ("gcloud", &["--project", "--account", "--configuration", "--format"]),
    ("gh", &["-R", "--repo"]),
    ("git", &["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--super-prefix", "--config-env", "--attr-source"]),
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
        if !text.starts_with('-') && !(program == "cargo" && text.starts_with('+')) {
            return Some((at, text));
        }
        at += if valued.contains(&text) { 2 } else { 1 };
    }
    None
}

pub fn has_subcommands(program: &str) -> bool {
    BEFORE_SUBCOMMAND.iter().any(|(name, _)| *name == program)
}

const NONE: Program = Program {
    name: "",
    sub: "",
    style: Style::Getopt,
    letters: "",
    names: &[],
    runs: &[],
    writes: &[],
    operands: Operands::Plain,
};

type Names = &'static [&'static str];

const fn getopt(name: &'static str, letters: &'static str, names: Names, runs: Names, writes: Names) -> Program {
    Program { name, letters, names, runs, writes, ..NONE }
}

const fn sub(name: &'static str, sub: &'static str, letters: &'static str, runs: Names, writes: Names) -> Program {
    Program { name, sub, letters, runs, writes, ..NONE }
}

const fn dashed(name: &'static str, sub: &'static str, runs: Names, writes: Names) -> Program {
    Program { name, sub, style: Style::Words, runs, writes, ..NONE }
}

const fn whole(name: &'static str, sub: &'static str, operands: Operands) -> Program {
    Program { name, sub, operands, ..NONE }
}

const fn code(name: &'static str, letters: &'static str, runs: Names) -> Program {
    Program { name, letters, runs, operands: Operands::Interpreter, ..NONE }
}

const AWK: Program = Program {
    letters: "Fvf",
    names: &["assign", "field-separator"],
    runs: &["f", "E", "i", "l", "file", "exec", "include", "load", "D", "debug"],
    writes: &["o", "p", "d", "profile", "pretty-print", "dump-variables"],
    operands: Operands::Awk,
    ..NONE
};

const fn awk(name: &'static str) -> Program {
    Program { name, ..AWK }
}

const GIT_DIFF: Names = &["ext-diff"];
const SHELL_RUNS: Names = &["c", "s", "i", "rcfile", "init-file", "command"];

pub const PROGRAMS: &[Program] = &[
    getopt("7z", "", &[], &[], &["o", "sdel"]),
    dashed("ack", "", &["pager", "ackrc"], &[]),
    getopt("ag", "", &[], &["pager"], &[]),
    whole("alias", "", Operands::Runs),
    getopt("apt", "oc", &[], &["o", "c", "option", "config-file"], &[]),
    getopt("apt-get", "oc", &[], &["o", "c", "option", "config-file"], &[]),
    getopt("ar", "", &[], &["plugin"], &[]),
    code("ash", "oO", SHELL_RUNS),
    awk("awk"),
    code("bash", "oO", SHELL_RUNS),
    getopt("bat", "", &[], &["pager"], &[]),
    code("bun", "e", &["e", "eval", "p", "print", "preload", "r", "require"]),
    getopt("bzip2", "", &[], &[], &["d", "f", "force"]),
    dashed("cargo", "", &["config", "Z*", "C"], &["target-dir", "artifact-dir", "out-dir", "manifest-path"]),
    dashed("cargo", "clippy", &[], &["fix"]),
    whole("cargo", "install", Operands::Runs),
    dashed("cmake", "", &["P", "E", "C", "D*", "build"], &[]),
    getopt("cc", "o", &[], &["wrapper", "B"], &["o"]),
    getopt("clang", "o", &[], &["B"], &["o"]),
    code("csh", "", SHELL_RUNS),
    getopt("ctags", "", &[], &["options"], &["f", "o"]),
    whole("csplit", "", Operands::Writes),
    getopt(
        "curl",
        "oKTDcEHdFuAebXxmQCrtwyYzP",
        &["output", "config", "dump-header", "cookie-jar", "trace", "trace-ascii", "output-dir"],
        &["K", "config", "engine"],
        &["o", "O", "J", "D", "c", "output", "remote-name", "remote-name-all", "output-dir", "dump-header", "cookie-jar",
          "trace", "trace-ascii", "etag-save", "stderr", "libcurl", "hsts", "alt-svc", "remote-header-name"],
    ),
    code("dash", "o", SHELL_RUNS),
    getopt("date", "drfs", &["date", "set"], &[], &["s", "set"]),
    code("deno", "", &["eval", "preload"]),
    whole("deno", "eval", Operands::Runs),
    getopt("diff", "", &[], &[], &["output"]),
    whole("docker", "build", Operands::Runs),
    whole("docker", "compose", Operands::Runs),
    whole("docker", "cp", Operands::Writes),
    whole("docker", "create", Operands::Runs),
    whole("docker", "exec", Operands::Runs),
    whole("docker", "run", Operands::Runs),
    whole("ed", "", Operands::Runs),
    dashed("eslint", "", &["c", "config", "rulesdir", "resolve-plugins-relative-to", "plugin", "parser", "f", "format"],
        &["fix", "o", "output-file", "cache-location"]),
    whole("emacs", "", Operands::Runs),
    whole("ex", "", Operands::Runs),
    getopt("fd", "xX", &["exec", "exec-batch"], &["x", "X", "exec", "exec-batch"], &[]),
    getopt("fdfind", "xX", &["exec", "exec-batch"], &["x", "X", "exec", "exec-batch"], &[]),
    getopt("file", "mfPF", &[], &["m", "magic-file", "C", "compile"], &[]),
    dashed("find", "", &["exec", "execdir", "ok", "okdir", "files0-from"],
        &["delete", "fls", "fprint", "fprint0", "fprintf"]),
    code("fish", "", &["c", "C", "command", "init-command"]),
    whole("ftp", "", Operands::Runs),
    getopt("g++", "o", &[], &["wrapper", "B"], &["o"]),
    awk("gawk"),
    dashed("gradle", "", &["I", "init-script", "b", "build-file", "c", "settings-file", "D*", "P*", "p", "project-dir"], &[]),
    dashed("gradlew", "", &["I", "init-script", "b", "build-file", "c", "settings-file", "D*", "P*", "p", "project-dir"], &[]),
    getopt("gcc", "o", &[], &["wrapper", "B"], &["o"]),
    whole("gh", "alias", Operands::Runs),
    whole("gh", "extension", Operands::Runs),
    sub("git", "", "Cc", &["c", "config-env", "exec-path", "p", "paginate", "git-dir", "work-tree"], &[]),
    sub("git", "apply", "", &[], &["unsafe-paths", "directory"]),
    sub("git", "archive", "o", &["exec", "remote"], &["o", "output"]),
    whole("git", "bisect", Operands::Runs),
    sub("git", "clone", "cu", &["c", "config", "u", "upload-pack", "template", "recurse-submodules"], &[]),
    whole("git", "config", Operands::Runs),
    whole("git", "credential", Operands::Runs),
    whole("git", "daemon", Operands::Runs),
    sub("git", "diff", "O", GIT_DIFF, &["output"]),
    sub("git", "diff-files", "", GIT_DIFF, &["output"]),
    sub("git", "diff-index", "", GIT_DIFF, &["output"]),
    sub("git", "diff-tree", "", GIT_DIFF, &["output"]),
    whole("git", "difftool", Operands::Runs),
    sub("git", "fast-export", "", &[], &["export-marks"]),
    sub("git", "fast-import", "", &[], &["export-marks", "export-pack-edges"]),
    sub("git", "fetch", "", &["upload-pack"], &[]),
    whole("git", "filter-branch", Operands::Runs),
    sub("git", "format-patch", "o", GIT_DIFF, &["o", "output-directory", "output"]),
    sub("git", "grep", "ef", &["O", "open-files-in-pager", "textconv", "ext-grep"], &[]),
    whole("git", "help", Operands::Runs),
    whole("git", "hook", Operands::Runs),
    whole("git", "init", Operands::Writes),
    whole("git", "instaweb", Operands::Runs),
    sub("git", "log", "O", GIT_DIFF, &["output"]),
    sub("git", "ls-remote", "", &["upload-pack", "exec"], &[]),
    whole("git", "maintenance", Operands::Runs),
    whole("git", "mergetool", Operands::Runs),
    sub("git", "merge", "sX", &["s", "strategy"], &[]),
    sub("git", "pull", "sX", &["upload-pack", "s", "strategy"], &[]),
    sub("git", "push", "", &["receive-pack", "exec"], &[]),
    sub("git", "rebase", "xsX", &["x", "exec", "s", "strategy"], &[]),
    sub("git", "reflog", "O", GIT_DIFF, &["output"]),
    sub("git", "send-email", "", &["smtp-server", "sendmail-cmd", "to-cmd", "cc-cmd"], &[]),
    sub("git", "shortlog", "", GIT_DIFF, &["output"]),
    sub("git", "show", "O", GIT_DIFF, &["output"]),
    sub("git", "stash", "O", GIT_DIFF, &["output"]),
    whole("git", "submodule", Operands::Runs),
    whole("git", "worktree", Operands::Writes),
    sub("git", "whatchanged", "O", GIT_DIFF, &["output"]),
    dashed("go", "build", &["toolexec", "exec", "overlay", "modfile", "ldflags", "gccgoflags", "C"], &["o", "pkgdir"]),
    dashed("go", "env", &["w", "u"], &[]),
    whole("go", "generate", Operands::Runs),
    dashed("go", "install", &["toolexec", "exec", "overlay", "modfile"], &[]),
    dashed("go", "list", &["toolexec", "exec", "overlay", "modfile", "C"], &[]),
    dashed("go", "run", &["toolexec", "exec", "overlay", "modfile", "C"], &[]),
    dashed("go", "test", &["toolexec", "exec", "overlay", "modfile", "vettool", "C"],
        &["o", "coverprofile", "cpuprofile", "memprofile", "blockprofile", "mutexprofile", "trace", "outputdir"]),
    whole("go", "tool", Operands::Runs),
    dashed("go", "vet", &["toolexec", "vettool", "overlay", "modfile", "C"], &[]),
    getopt("gofmt", "r", &[], &["cpuprofile"], &["w"]),
    getopt("gpg", "o", &[], &["photo-viewer", "exec-path"], &["o", "output"]),
    getopt("history", "", &[], &["c", "d"], &["a", "n", "r", "w"]),
    getopt("ip", "b", &[], &["batch", "b"], &[]),
    whole("irb", "", Operands::Runs),
    sub("jest", "", "c", &["c", "config", "globalSetup", "globalTeardown", "setupFiles", "setupFilesAfterEnv", "runner",
        "testRunner", "transform", "resolver", "reporters", "rootDir"], &["outputFile", "coverageDirectory"]),
    getopt("journalctl", "", &[], &[], &["vacuum-size", "vacuum-time", "rotate", "flush", "cursor-file"]),
    code("julia", "eE", &["e", "E", "eval", "print", "L", "load"]),
    code("ksh", "o", SHELL_RUNS),
    whole("kubectl", "apply", Operands::Writes),
    whole("kubectl", "cp", Operands::Writes),
    whole("kubectl", "debug", Operands::Runs),
    whole("kubectl", "edit", Operands::Runs),
    whole("kubectl", "exec", Operands::Runs),
    whole("kubectl", "run", Operands::Runs),
    getopt("less", "kotTpPj", &[], &["lesskey-file", "lesskey-src", "k", "+"], &["o", "O", "log-file", "LOG-FILE"]),
    code("lua", "el", &["e", "l", "i"]),
    getopt("make", "fCIEjlo", &["file", "makefile", "directory", "eval"],
        &["f", "E", "file", "makefile", "eval", "C", "directory", "I", "include-dir"], &[]),
    getopt("gmake", "fCIEjlo", &[], &["f", "E", "file", "makefile", "eval", "C", "directory", "I", "include-dir"], &[]),
    getopt("man", "PHCTMLmeErpR", &["pager", "html", "config-file"],
        &["P", "H", "C", "X", "T", "p", "pager", "html", "config-file", "gxditview", "preprocessor"], &[]),
    getopt("mapfile", "C", &[], &["C"], &[]),
    sub("mocha", "", "r", &["r", "require", "config", "c", "package", "file", "ui", "u", "reporter", "R"], &[]),
    dashed("mvn", "", &["f", "file", "s", "settings", "D*", "gs", "global-settings"], &[]),
    dashed("mypy", "", &["config-file", "python-executable"], &["install-types", "junit-xml"]),
    awk("mawk"),
    getopt("mysql", "e", &[], &["e", "execute", "pager", "tee", "init-command"], &[]),
    getopt("nano", "", &[], &["s", "speller", "f", "rcfile"], &[]),
    awk("nawk"),
    getopt("ninja", "Cfjklt", &[], &["C", "f"], &[]),
    dashed("nox", "", &["f", "noxfile"], &[]),
    getopt("nc", "ecsp", &[], &["e", "c", "exec", "sh-exec"], &[]),
    getopt("ncat", "ec", &[], &["e", "c", "exec", "sh-exec", "lua-exec"], &["o", "output"]),
    getopt("nmap", "", &[], &["script", "datadir", "interactive"], &["o"]),
    code("node", "erp", &["e", "p", "r", "i", "eval", "print", "require", "import", "loader", "experimental-loader",
        "env-file", "inspect-brk", "snapshot-blob", "build-snapshot", "openssl-config"]),
    sub("npm", "", "", &["script-shell", "node-options", "shell", "git", "userconfig", "globalconfig", "prefix", "C",
        "editor", "viewer", "call", "c"], &["cache"]),
    whole("npm", "config", Operands::Runs),
    whole("npm", "exec", Operands::Runs),
    whole("npm", "pkg", Operands::Writes),
    whole("npm", "set", Operands::Runs),
    whole("npm", "x", Operands::Runs),
    Program { operands: Operands::OthersAfterFirst, ..getopt("npx", "cp", &["call", "package"], &["c", "call", "p", "package", "shell", "node-options"], &[]) },
    getopt("openssl", "", &[], &["engine", "provider", "config"], &["out", "keyout"]),
    getopt("patch", "io", &[], &["e", "ed"], &["o", "output", "d", "directory"]),
    code("perl", "eEIMm", &["e", "E", "n", "p", "i", "x", "d", "M", "m", "I", "s"]),
    code("php", "rRBEfda", &["r", "R", "B", "E", "run", "d", "define", "c", "z", "F", "process-code"]),
    getopt("pip", "r", &[], &["config-settings", "global-option", "install-option", "python", "log", "editable"], &["t",
        "target", "prefix", "root"]),
    getopt("pip3", "r", &[], &["config-settings", "global-option", "install-option", "python", "log", "editable"],
        &["t", "target", "prefix", "root"]),
    getopt("prettier", "", &["config", "plugin"], &["config", "plugin"], &["write", "w"]),
    getopt("psql", "cfoLdhpU", &["command", "file", "output"], &["c", "f", "command", "file", "v", "set"],
        &["o", "L", "output", "log-file"]),
    sub("pytest", "", "pckmnoWr", &["p", "c", "o", "config-file", "rootdir", "confcutdir", "override-ini",
        "pdbcls"], &["basetemp", "junitxml", "junit-xml", "log-file", "debug", "resultlog", "result-log"]),
    dashed("pylint", "", &["init-hook", "load-plugins", "rcfile", "plugins"], &["output"]),
    code("python", "cmWXQ", &["c", "i", "X"]),
    getopt("rg", "ABCegfmtTjMrE", &["pre", "hostname-bin", "pre-glob"], &["pre", "hostname-bin"], &[]),
    code("rbash", "", SHELL_RUNS),
    getopt("rake", "fr", &[], &["f", "rakefile", "r", "require", "e", "execute", "E", "execute-continue", "p"], &[]),
    getopt("rsync", "efTBM", &["rsh", "rsync-path", "out-format"], &["e", "rsh", "rsync-path", "M", "remote-option", "daemon",
        "config"], &["log-file", "remove-source-files", "delete", "del", "write-batch", "only-write-batch", "backup-dir"]),
    code("ruby", "eIrCFEx", &["e", "r", "I", "n", "p", "i", "x", "C"]),
    getopt("rustc", "oCLl", &[], &["C", "codegen", "linker", "Z"], &["o", "out-dir", "emit"]),
    getopt("scp", "oFSiPlcJ", &[], &["o", "F", "S", "D"], &[]),
    Program { name: "sed", letters: "efl", names: &["expression", "file", "line-length"],
        runs: &["f", "file"], writes: &["i", "in-place"], operands: Operands::Sed, ..NONE },
    Program { name: "gsed", letters: "efl", names: &["expression", "file", "line-length"],
        runs: &["f", "file"], writes: &["i", "in-place"], operands: Operands::Sed, ..NONE },
    getopt("sftp", "oFSbDiP", &[], &["o", "F", "S", "b", "D"], &[]),
    code("sh", "o", SHELL_RUNS),
    getopt("sort", "oTSktm", &["output", "compress-program", "temporary-directory", "files0-from"],
        &["compress-program"], &["o", "T", "output", "temporary-directory"]),
    whole("split", "", Operands::Writes),
    getopt("split", "", &[], &["filter"], &[]),
    getopt("sqlite3", "", &[], &["init", "cmd", "A", "append"], &[]),
    getopt("ssh", "oFiEILlRDSWJwbcepmQ", &[], &["o", "F", "I", "D", "L", "R", "S"], &["E"]),
    getopt("ssh-keygen", "Df", &[], &["D"], &["f"]),
    getopt("tar", "fCIFTXHgKNV", &["file", "directory", "use-compress-program", "to-command", "checkpoint-action"],
        &["I", "F", "use-compress-program", "to-command", "checkpoint-action", "info-script", "new-volume-script",
          "rmt-command", "rsh-command", "P", "absolute-names", "use-compress-prog"],
        &["remove-files", "index-file", "volno-file", "listed-incremental", "recursive-unlink"]),
    getopt("tcpdump", "zwrF", &[], &["z", "postrotate-command"], &["w"]),
    Program { name: "tee", operands: Operands::WrittenFrom(0), ..NONE },
    dashed("tox", "", &["c", "x", "override", "conf"], &[]),
    getopt("tree", "oL", &[], &[], &["o", "R"]),
    getopt("tsc", "p", &[], &["plugins", "watch"], &["outDir", "outFile", "declarationDir", "tsBuildInfoFile"]),
    Program { name: "uniq", letters: "fsw", operands: Operands::WrittenFrom(1), ..NONE },
    getopt("unzip", "d", &[], &[], &["d"]),
    getopt("vi", "cSuU", &["cmd"], &["c", "S", "u", "U", "s", "cmd", "+"], &["w", "W"]),
    getopt("view", "cSuU", &["cmd"], &["c", "S", "u", "U", "s", "cmd"], &["w", "W"]),
    getopt("vim", "cSuU", &["cmd"], &["c", "S", "u", "U", "s", "cmd"], &["w", "W"]),
    getopt("nvim", "cSuUl", &["cmd"], &["c", "S", "u", "U", "s", "l", "cmd"], &["w", "W"]),
    dashed("vitest", "", &["c", "config", "globals", "environment", "reporter", "root", "r"], &["outputFile"]),
    dashed("webpack", "", &["c", "config"], &["o", "output-path"]),
    getopt("wget", "OoaPeUic", &["output-document", "execute", "use-askpass"],
        &["e", "execute", "use-askpass", "config", "i", "input-file"],
        &["O", "o", "a", "P", "output-document", "output-file", "append-output", "directory-prefix", "save-cookies",
          "warc-file", "rejected-log", "hsts-file"]),
    whole("wget", "", Operands::Writes),
    getopt("xxd", "ocslg", &[], &[], &["r"]),
    Program { name: "xxd", letters: "ocslg", operands: Operands::WrittenFrom(1), ..NONE },
    getopt("yarn", "", &[], &["use-yarnrc", "script-shell", "cwd", "plugins"], &[]),
    whole("yarn", "config", Operands::Runs),
    whole("yarn", "dlx", Operands::Runs),
    whole("yarn", "exec", Operands::Runs),
    getopt("yq", "", &[], &["from-file", "load"], &["i", "in-place", "inplace", "s", "split-exp"]),
    getopt("zip", "btn", &[], &["T", "test", "unzip-command"], &["O", "m", "output-file", "move"]),
    code("zsh", "o", SHELL_RUNS),
];
