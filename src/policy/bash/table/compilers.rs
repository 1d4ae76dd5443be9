//! Compilers and what works on their files.

use super::super::effects::Program;
use super::lines::{compiler, getopt, tool};

pub(super) const PROGRAMS: &[Program] = &[
    getopt("ar", "", &["plugin"], &["plugin"], &[]),
    getopt("as", "oIGD", &["MD", "defsym"], &[], &["MD", "a", "o"]),
    compiler("cc"),
    compiler("clang"),
    // The preprocessor, as `gcc -Wp,…` reaches it.
    tool("cpp", "", "o", &["MD", "MF", "MMD", "output"], &["wrapper"], &["MD", "MF", "MMD", "o", "output"]),
    compiler("g++"),
    compiler("gcc"),
    tool(
        "ld",
        "",
        "ocT",
        &["Map", "dependency-file", "output", "plugin", "script"],
        &["plugin"],
        &[
            "Map",
            "T",
            "c",
            "default-script",
            "dT",
            "dependency-file",
            "mri-script",
            "o",
            "out-implib",
            "output",
            "output-def",
            "reproduce",
            "script",
            "time-trace*",
        ],
    ),
    getopt("nm", "", &["plugin"], &["plugin"], &[]),
    getopt("objcopy", "IOFBjRKNLGW", &["plugin"], &["plugin"], &["dump-section", "extract-symbol", "split-dwo"]),
    getopt("objdump", "", &["plugin"], &["plugin"], &[]),
    getopt("ranlib", "", &["plugin"], &["plugin"], &[]),
    getopt(
        "rustc",
        "oCLlZ",
        &["codegen", "edition", "emit", "extern", "linker", "out-dir"],
        &["C", "codegen", "linker", "Z"],
        &["o", "out-dir", "emit"],
    ),
    getopt(
        "rustdoc",
        "oCLZ",
        &["codegen", "edition", "extern", "out-dir", "output"],
        &["C", "Z", "codegen", "html-in-header", "runtool", "test-builder", "test-runtool"],
        &["o", "out-dir", "output", "persist-doctests", "test-run-directory"],
    ),
    getopt("strip", "FIKNORo", &["output-target"], &["plugin"], &["o"]),
];
