//! Recognises in a command's output that it met its bounds, and says which. Whether it is told is not decided here.

use std::collections::BTreeSet;

use crate::domain::workflow::Sockets;

use super::Bounds;
use super::denied::Denied;
use super::plan::Home;

/// A mount says so, which a machine seldom does by itself; of what cannot be removed it is busy.
const AT_A_MOUNT: [&str; 4] = ["Read-only file system", "EROFS", "Device or resource busy", "EBUSY"];
const AT_A_FILE: [&str; 4] = ["Permission denied", "EACCES", "Operation not permitted", "EPERM"];
const AT_THE_NETWORK: [&str; 9] = [
    "Network is unreachable",
    "ENETUNREACH",
    "Could not resolve host",
    "Temporary failure in name resolution",
    "EAI_AGAIN",
    "Address family not supported",
    "EAFNOSUPPORT",
    "Connection refused",
    "ECONNREFUSED",
];
const AT_A_SERVICE: [&str; 6] =
    ["docker.sock", "docker daemon", "podman.sock", "containerd.sock", "system_bus_socket", "Failed to connect to bus"];
/// Git cannot change its own settings: an upstream, a remote, what is kept of a branch.
const AT_GITS_SETTINGS: [&str; 2] = ["could not write config file", "could not lock config file"];
/// Git cannot bring a file to another commit.
const AT_A_CHECKOUT: [&str; 2] = ["unable to unlink", "unable to create file"];
const BECOMING_ROOT: [&str; 3] = ["no new privileges", "must be owned by uid 0", "effective uid is not 0"];
/// A program that misses what it reads from a file that is empty to it.
const MISSING: [&str; 6] = ["nvironment variable", "process.env", "dotenv", "not set", "undefined", "publickey"];
const NAMED_MAX: usize = 5;

/// Whether a command met a closed place, even if it ended well over that.
pub fn is_at_a_mount(output: &str) -> bool {
    AT_A_MOUNT.iter().any(|sign| output.contains(sign))
}

/// Nothing where the output shows no sign of the bounds. It may be another cause all the same, and the text says so.
pub fn explain(output: &str, bounds: &Bounds, home: &Home) -> Option<String> {
    let has = |signs: &[&str]| signs.iter().any(|sign| output.contains(sign));
    let phase = &bounds.phase;
    let mut said = Vec::new();
    if has(&BECOMING_ROOT) {
        said.push("a confined command cannot become root; a person does that part in a shell of their own".to_owned());
    } else if has(&AT_A_CHECKOUT) && has(&AT_A_MOUNT) {
        said.push(
            "git could not bring all files to the other commit, since no command may write some of them, and the work tree \
             may now lie between the two: see `git status`, go back by `git merge --abort`, `git rebase --abort` or \
             `git checkout` of the branch you came from, and commit none of these files (no `git add -A`); to switch to a \
             commit in which they differ is a person's"
                .to_owned(),
        );
    } else if has(&AT_GITS_SETTINGS) {
        said.push(
            "git's configuration can name programs and is closed to commands, so no upstream, remote or setting is kept; \
             push by `git push origin HEAD`, say `git pull origin BRANCH`, and leave settings to a person"
                .to_owned(),
        );
    } else if has(&AT_A_MOUNT) || !bounds.writes_anywhere() && has(&AT_A_FILE) {
        said.push(writable(bounds, output, home));
    }
    if !bounds.network && has(&AT_THE_NETWORK) {
        said.push(format!(
            "the phase `{phase}` has no network but its own loopback within one command; \
             work without it, or move to a phase with network"
        ));
    }
    if bounds.sockets != Sockets::Allow && has(&AT_A_SERVICE) {
        said.push(
            "services that work for whoever asks (containers, message buses) are out of reach; \
             a person who wants them there says `sandbox: { sockets: allow }` in the phase"
                .to_owned(),
        );
    }
    let unseen = unseen(bounds, home);
    let named = |file: &String| output.contains(file.rsplit('/').next().unwrap_or(file));
    if unseen.iter().any(named) || !unseen.is_empty() && has(&MISSING) {
        let shown: Vec<String> = unseen.iter().take(NAMED_MAX).map(|file| format!("`{file}`")).collect();
        said.push(format!(
            "what rules deny to read is empty to commands too: {}; if the program needs it, ask a person, who takes the \
             rule out of the workflow",
            shown.join(", ")
        ));
    }
    (!said.is_empty()).then(|| format!("This command ran confined: {}.", said.join(". Also: ")))
}

fn writable(bounds: &Bounds, output: &str, home: &Home) -> String {
    let phase = &bounds.phase;
    let met = || output.lines().filter(|line| is_at_a_mount(line));
    let own = bounds.write_denied.iter().filter_map(|place| place.strip_prefix(&bounds.root).ok()?.to_str());
    if let Some(closed) = own.filter(|name| !name.is_empty()).find(|name| met().any(|line| line.contains(name))) {
        return format!(
            "`{closed}` is closed to commands in every phase, whatever its `writes` say; a person changes it"
        );
    }
    let at_home = |line: &str| home.0.as_ref().is_some_and(|home| line.contains(&format!("{}/", home.display())));
    if bounds.writes.is_some() && met().any(at_home) {
        return format!(
            "the phase `{phase}` may not write there in your home folder; a person who wants it adds the folder to \
             `sandbox: {{ grants: [\"~/…\"] }}` of the phase"
        );
    }
    let places = match bounds.writes.as_deref() {
        None => {
            return format!(
                "the phase `{phase}` may write anywhere but what rules deny, phasegate's and the client's settings, and \
                 git's hooks and configuration; leave those to a person"
            );
        }
        Some([]) => "no files of the work tree".to_owned(),
        Some(some) => some.iter().map(|glob| format!("`{glob}`")).collect::<Vec<_>>().join(", "),
    };
    format!(
        "the phase `{phase}` may write {places}, the folders of its build tools, and `$TMPDIR`; \
         write there, or move to a phase that may write the file"
    )
}

/// What is there and hidden, as a person names it.
fn unseen(bounds: &Bounds, home: &Home) -> BTreeSet<String> {
    let places = Denied::of(&bounds.read_denied, &bounds.root, home).places;
    let named = |place: &std::path::PathBuf| match (place.strip_prefix(&bounds.root), &home.0) {
        (Ok(below), _) => below.display().to_string(),
        (Err(_), Some(home)) => match place.strip_prefix(home) {
            Ok(below) => format!("~/{}", below.display()),
            Err(_) => place.display().to_string(),
        },
        (Err(_), None) => place.display().to_string(),
    };
    places.iter().map(named).collect()
}
