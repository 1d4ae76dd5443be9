//! Asks the linker for a table of addresses that is a hundredth as long, where the C library of this machine can read it:
//! 46,000 of them are mended whenever the program starts, and each call of a tool starts it for a hook.
#![expect(clippy::disallowed_methods, reason = "a build reads what cargo says, and the version of the C library")]

use std::process::Command;

/// The first glibc that knows them.
const SINCE: (u32, u32) = (2, 36);

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let told = |name: &str| std::env::var(name).unwrap_or_default();
    let here = told("HOST") == told("TARGET") && told("TARGET").ends_with("linux-gnu");
    if here && glibc().is_some_and(|version| version >= SINCE) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
