//! How a line of the tables is written.

use super::super::effects::{Operands, Program};
use super::super::options::Style;

pub(super) const NONE: Program = Program {
    name: "",
    sub: "",
    style: Style::Getopt,
    letters: "",
    names: &[],
    runs: &[],
    writes: &[],
    operands: Operands::Plain,
};

pub(super) type Names = &'static [&'static str];

pub(super) const fn getopt(
    name: &'static str,
    letters: &'static str,
    names: Names,
    runs: Names,
    writes: Names,
) -> Program {
    Program { name, letters, names, runs, writes, ..NONE }
}

pub(super) const fn sub(
    name: &'static str,
    sub: &'static str,
    letters: &'static str,
    runs: Names,
    writes: Names,
) -> Program {
    Program { name, sub, letters, runs, writes, ..NONE }
}

pub(super) const fn dashed(name: &'static str, sub: &'static str, runs: Names, writes: Names) -> Program {
    Program { name, sub, style: Style::Words, runs, writes, ..NONE }
}

pub(super) const fn whole(name: &'static str, sub: &'static str, operands: Operands) -> Program {
    Program { name, sub, operands, ..NONE }
}

pub(super) const fn code(name: &'static str, letters: &'static str, runs: Names) -> Program {
    Program { name, letters, runs, operands: Operands::Interpreter, ..NONE }
}

pub(super) const AWK: Program = Program {
    // What stands behind `-W` is an option of one awk or another.
    letters: "FvfeW",
    names: &["assign", "field-separator", "source"],
    runs: &["f", "E", "W", "i", "l", "file", "exec", "include", "load", "D", "debug"],
    writes: &["o", "p", "d", "profile", "pretty-print", "dump-variables"],
    operands: Operands::Awk,
    ..NONE
};

pub(super) const fn awk(name: &'static str) -> Program {
    Program { name, ..AWK }
}

/// Vim and what stands for it.
pub(super) const fn editor(name: &'static str) -> Program {
    getopt(
        name,
        "cSuUiTwWst",
        &["cmd", "listen", "log", "remote-expr", "remote-send", "server", "servername", "startuptime"],
        &["c", "S", "u", "U", "s", "l", "cmd", "remote-expr", "remote-send"],
        &["w", "W", "V", "i", "log", "startuptime"],
    )
}

pub(super) const GIT_DIFF: Names = &["ext-diff"];
pub(super) const SHELL_RUNS: Names = &["c", "s", "i", "rcfile", "init-file", "command"];

/// A compiler reads its options as words, and writes where `-o` says.
pub(super) const fn compiler(name: &'static str) -> Program {
    Program {
        letters: "o",
        names: &["MF", "MJ", "aux-info", "dumpdir", "output", "serialize-diagnostics"],
        ..dashed(
            name,
            "",
            &[
                "B*",
                "ccc-*",
                "config*",
                "for-assembler*",
                "for-linker*",
                "fpass-plugin*",
                "fplugin*",
                "fuse-ld",
                "gcc-install-dir",
                "gcc-toolchain",
                "iplugindir*",
                "ld-path",
                "load",
                "prefix",
                "specs*",
                "wrapper",
            ],
            &[
                "MF",
                "MJ",
                "aux-info",
                "dumpdir",
                "fdump-*",
                "fmodule-output*",
                "ftime-trace*",
                "index-store-path",
                "o",
                "output",
                "save-temps*",
                "serialize-diagnostics",
            ],
        )
    }
}

/// A tool that camel-cases its long options or ignores their case, and bundles nothing.
pub(super) const fn tool(
    name: &'static str,
    sub: &'static str,
    letters: &'static str,
    names: Names,
    runs: Names,
    writes: Names,
) -> Program {
    Program { letters, names, ..dashed(name, sub, runs, writes) }
}

/// Bundled letters, and long options that must be written in full.
pub(super) const fn exact(
    name: &'static str,
    sub: &'static str,
    letters: &'static str,
    names: Names,
    runs: Names,
    writes: Names,
) -> Program {
    Program { name, sub, style: Style::Exact, letters, names, runs, writes, ..NONE }
}
