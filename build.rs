//! What the linker is asked for, so that the program starts soon: each call of a tool starts it for a hook. Each is asked for
//! only where this machine has it, and nothing depends on it.
#![expect(clippy::disallowed_methods, reason = "a build reads what cargo says, and asks for what this machine has")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The first glibc that knows short tables of addresses.
const SINCE: (u32, u32) = (2, 36);

/// Asks for a program that the system puts at another address at each start (docs/security.md).
const MOVABLE: &str = "PHASEGATE_BUILD_PIE";

/// Which functions lie side by side; made by benches/layout.py.
const LAYOUT: &str = ".cargo/layout.txt";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let told = |name: &str| std::env::var(name).unwrap_or_default();
    if told("HOST") != told("TARGET") || !told("TARGET").ends_with("linux-gnu") {
        return;
    }
    // 46,000 addresses would be mended at every start, on 139 pages that each process copies for that: a sixth of what a hook
    // takes. At a fixed address there are none. Without that, the table of them is at least a hundredth as long.
    println!("cargo:rerun-if-env-changed={MOVABLE}");
    if told(MOVABLE).is_empty() {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    } else if glibc().is_some_and(|version| version >= SINCE) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    // The functions that a hook or a call needs lie all over 27 MB, and each brings its neighbours into memory. A linker of
    // somebody's own choice may not know such a script, and who debugs does not wait for it.
    println!("cargo:rerun-if-changed={LAYOUT}");
    let is_own_linker = !told("RUSTC_LINKER").is_empty() || told("CARGO_ENCODED_RUSTFLAGS").contains("link");
    if told("PROFILE") == "release"
        && !is_own_linker
        && let Some(script) = layout(Path::new(&told("OUT_DIR")))
    {
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{}", script.display());
    }
    // One library less to be found, mapped and set up. What unwinds a panic is then a part of the program.
    if let Some(folder) = unwinder().as_deref().and_then(Path::parent) {
        println!("cargo:rustc-link-search=native={}", folder.display());
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}

fn layout(folder: &Path) -> Option<PathBuf> {
    let mut script = String::from("SECTIONS { .text.first : {\n");
    for name in std::fs::read_to_string(LAYOUT).ok()?.lines() {
        script.push_str(&format!("*(.text.{name} .text.unlikely.{name})\n"));
    }
    script.push_str("} }\nINSERT BEFORE .text;\n");
    let file = folder.join("layout.ld");
    std::fs::write(&file, script).ok()?;
    Some(file)
}

fn said(program: &str, word: &str) -> Option<String> {
    let said = Command::new(program).arg(word).output().ok()?;
    Some(String::from_utf8(said.stdout).ok()?.trim().to_owned())
}

fn glibc() -> Option<(u32, u32)> {
    let said = said("getconf", "GNU_LIBC_VERSION")?;
    let (major, minor) = said.strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}

fn unwinder() -> Option<PathBuf> {
    let found = PathBuf::from(said("cc", "-print-file-name=libgcc_eh.a")?);
    found.is_absolute().then_some(found).filter(|found| found.is_file())
}
