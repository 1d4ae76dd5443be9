//! How much this machine can hold, found out by doing it once in a process of its own. Remembering it is the caller's.

use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::domain::workflow::Sockets;

use super::{Bounds, Rung, confine};

static TRIED: AtomicU32 = AtomicU32::new(0);

/// Starts `binary exec --probe DIR`, which calls `try_here` and prints the word of the rung. A few milliseconds.
pub fn probe(binary: &Path) -> Rung {
    let turn = TRIED.fetch_add(1, Ordering::Relaxed);
    let temp = std::env::temp_dir().join(format!("phasegate-probe-{}-{turn}", std::process::id()));
    // A name that is there already is somebody else's, or left by a run that was killed.
    let _ = std::fs::remove_dir_all(&temp);
    if std::fs::DirBuilder::new().mode(0o700).create(&temp).is_err() {
        return Rung::None;
    }
    #[expect(clippy::disallowed_methods, reason = "what is tried here is for good, so it takes a process of its own")]
    let tried =
        Command::new(binary).args(["exec", "--probe"]).arg(&temp).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let _ = std::fs::remove_dir_all(&temp);
    let said = tried.map(|tried| tried.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    [Rung::Full, Rung::Writes].into_iter().find(|rung| said.trim() == rung.word()).unwrap_or(Rung::None)
}

/// Confines this process with bounds that take every means, and sees whether it holds.
pub fn try_here(temp: &Path, variables: &[(OsString, OsString)]) -> Rung {
    let (inside, outside) = (temp.join("inside"), temp.join("outside"));
    if std::fs::create_dir_all(&inside).is_err() || std::fs::write(&outside, "").is_err() {
        return Rung::None;
    }
    let bounds = Bounds {
        phase: "probe".to_owned(),
        root: inside.clone(),
        writes: Some(Vec::new()),
        grants: Vec::new(),
        undoing: Vec::new(),
        build_grants: false,
        read_denied: Vec::new(),
        edit_denied: Vec::new(),
        write_denied: Vec::new(),
        private: vec![outside.clone()],
        network: false,
        sockets: Sockets::Mask,
        needs: Rung::None,
        most: Rung::Full,
        temp: inside.clone(),
        keep_variables: Vec::new(),
    };
    let Ok(applied) = confine(&bounds, &inside, variables) else { return Rung::None };
    let is_held = std::fs::write(&outside, "x").is_err() && std::fs::write(inside.join("x"), "x").is_ok();
    if is_held { applied.rung } else { Rung::None }
}
