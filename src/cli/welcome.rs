//! `phasegate` alone on a terminal: what it is, and the state of this workspace.

use std::fmt::Write;

use serde_json::json;

use crate::domain::task::Status;

use super::{Ended, Out, Place};

pub fn run(place: &Place, out: &Out) -> Result<(), Ended> {
    let mut text = format!(
        "phasegate {} — hands out work to agents, keeps it to phases, records everything.\n\n",
        env!("CARGO_PKG_VERSION")
    );
    let root = place.workspace.root.display().to_string();
    if !place.has_store() {
        let _ = writeln!(text, "No workspace yet in {root}. To begin:");
        let _ = writeln!(text, "  phasegate demo              see it at work, in a temporary folder");
        let _ = writeln!(
            text,
            "  phasegate init              set up this repository and your clients; asks before it trusts"
        );
        out.answer(&json!({ "workspace": root, "exists": false }), &text);
        return Ok(());
    }
    let engine = place.open()?;
    let counts = engine.status_counts()?;
    let _ = writeln!(text, "Workspace {root}");
    let _ = write!(text, "{}", engine.board_text()?);
    let of_tasks = if counts.values().all(|count| *count == 0) {
        "phasegate tasks add \"what to do\""
    } else {
        "phasegate tasks list"
    };
    let _ = writeln!(text, "\nNext: phasegate board, phasegate approvals list, {of_tasks}, phasegate --help");
    let open: u64 = counts.iter().filter(|(status, _)| Status::is_open(**status)).map(|(_, count)| count).sum();
    out.answer(&json!({ "workspace": root, "exists": true, "open_tasks": open }), &super::output::visible(&text));
    Ok(())
}
