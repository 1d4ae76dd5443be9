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

pub(super) const GIT_DIFF: Names = &["ext-diff"];
pub(super) const SHELL_RUNS: Names = &["c", "s", "i", "rcfile", "init-file", "command"];

/// A compiler reads its options as words, and writes where `-o` says.
pub(super) const fn compiler(name: &'static str) -> Program {
    Program {
        letters: "o",
        names: &["output", "MF", "dumpdir"],
        ..dashed(
            name,
            "",
            &["wrapper", "B*", "load", "specs*", "fplugin*", "fpass-plugin*", "config*", "fuse-ld", "ld-path"],
            &["o", "output", "MF", "dumpdir"],
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
