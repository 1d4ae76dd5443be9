//! Landlock: no file outside the open places is written, made, removed or renamed, whatever the mounts say. Reading is
//! not held here: without exceptions below a folder it would break listing.

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use std::io::IsTerminal;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::terminals;
use crate::sandbox::plan::Plan;
use crate::sandbox::{Rung, Why};

/// With cutting short and moving held; a kernel below it holds too little.
const LEAST: ABI = ABI::V3;
/// Rights beyond it are about sockets, which are held otherwise.
const MOST: ABI = ABI::V8;
const DEVICES: [&str; 8] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", terminals::MAKER, "/dev/shm"];

/// False where the kernel has no Landlock, or too little of it.
pub fn restrict(plan: &Plan, rung: Rung) -> Result<bool, Why> {
    let known = LEAST;
    let wanted = AccessFs::from_write(MOST);
    // A server that an earlier command started is stopped by its number.
    let scopes = if plan.anywhere { Scope::AbstractUnixSocket.into() } else { Scope::from_all(MOST) };
    let created = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_write(known))
        .and_then(|rules| rules.set_compatibility(CompatLevel::BestEffort).handle_access(wanted))
        .and_then(|rules| rules.scope(scopes))
        .and_then(Ruleset::create);
    let Ok(mut rules) = created else { return Ok(false) };
    let failed = |error: RulesetError| Why::Step("the rules for writing cannot be set", error.to_string());
    for place in places(plan, rung) {
        let Ok(at) = PathFd::new(&place) else { continue };
        rules = rules.add_rule(PathBeneath::new(at, rights(&place, wanted))).map_err(failed)?;
    }
    let status = rules.no_new_privs(true).restrict_self().map_err(failed)?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

fn rights(place: &Path, wanted: BitFlags<AccessFs>) -> BitFlags<AccessFs> {
    let found = std::fs::metadata(place).ok();
    let file = AccessFs::WriteFile | AccessFs::Truncate;
    match found {
        Some(found) if found.is_dir() => wanted & !(AccessFs::MakeChar | AccessFs::MakeBlock),
        Some(found) if found.file_type().is_char_device() => file | AccessFs::IoctlDev,
        _ => file,
    }
}

fn places(plan: &Plan, rung: Rung) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = DEVICES.iter().map(PathBuf::from).collect();
    // Output that goes to a file may be opened again as `/dev/stdout`.
    all.extend(["/proc/self/fd/1", "/proc/self/fd/2"].iter().map(PathBuf::from).filter(|path| path.is_file()));
    // So may the terminals it was given, and no other: those of the person lie beside them where nothing is mounted.
    let given = [std::io::stdin().is_terminal(), std::io::stdout().is_terminal(), std::io::stderr().is_terminal()];
    all.extend(
        (0..).zip(given).filter(|(_, is)| *is).map(|(number, _)| PathBuf::from(format!("/proc/self/fd/{number}"))),
    );
    if plan.anywhere {
        // Without mounts what is shut stays open here: the rung tells it.
        all.push(PathBuf::from("/"));
        return all;
    }
    if rung == Rung::Full {
        all.push(PathBuf::from(terminals::FOLDER));
        all.extend(plan.open.iter().chain(&plan.part).cloned());
        return all;
    }
    all.extend(plan.fitting.iter().cloned());
    for open in &plan.open {
        spread(plan, open, &mut all);
    }
    all
}

/// A folder as a whole where nothing in it is shut, else the entries that are there: new names in it stay refused.
fn spread(plan: &Plan, open: &Path, all: &mut Vec<PathBuf>) {
    let shut = || plan.shut.iter().chain(&plan.hidden_files).chain(&plan.hidden_folders);
    let mut waiting = vec![open.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        if shut().any(|shut| *shut == folder) {
            continue;
        }
        if !shut().any(|shut| shut.starts_with(&folder)) {
            all.push(folder);
            continue;
        }
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        // A link could lead anywhere; it is not followed.
        waiting.extend(
            entries.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink())).map(|entry| entry.path()),
        );
    }
}
