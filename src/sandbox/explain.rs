//! Recognises in a command's output that it met its bounds, and says which. Whether it is told is not decided here.

use super::Bounds;

/// Nothing where the output shows no sign of the bounds. It may be another cause all the same, and the text says so.
pub fn explain(output: &str, bounds: &Bounds) -> Option<String> {
    let has = |signs: &[&str]| signs.iter().any(|sign| output.contains(sign));
    let phase = &bounds.phase;
    let written =
        has(&["Permission denied", "Read-only file system", "EROFS", "EACCES", "Operation not permitted", "EPERM"]);
    let reached = !bounds.network
        && has(&[
            "Network is unreachable",
            "ENETUNREACH",
            "Could not resolve host",
            "Temporary failure in name resolution",
            "EAI_AGAIN",
            "Address family not supported",
            "EAFNOSUPPORT",
            "Connection refused",
            "ECONNREFUSED",
        ]);
    let mut said = Vec::new();
    if let Some(writes) = bounds.writes.as_ref().filter(|_| written) {
        let places = match writes.as_slice() {
            [] => "no files of the work tree".to_owned(),
            some => some.iter().map(|glob| format!("`{glob}`")).collect::<Vec<_>>().join(", "),
        };
        said.push(format!(
            "the phase `{phase}` may write {places}, the folders of its build tools, and `$TMPDIR`; \
             write there, or move to a phase that may write the file"
        ));
    }
    if reached {
        said.push(format!(
            "the phase `{phase}` has no network but its own loopback within one command; \
             work without it, or move to a phase with network"
        ));
    }
    (!said.is_empty()).then(|| format!("This command ran confined: {}.", said.join(". Also: ")))
}
