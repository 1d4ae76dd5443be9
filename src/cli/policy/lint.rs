//! `phasegate policy lint`: rules of a workflow file that are probably not meant.

use std::path::Path;

use serde_json::json;

use crate::config::workflow_text::lint;

use super::super::output::visible;
use super::super::workflow::of_file;
use super::super::{Ended, Out, Place};

pub fn run(place: &Place, file: Option<&Path>, out: &Out) -> Result<(), Ended> {
    let file = file.map_or_else(|| place.workspace.workflow_file(), Path::to_path_buf);
    // Rules that grant nothing are errors, and are told here with line and column.
    let (workflow, _) = of_file(&file)?;
    let warnings = lint::rules(&workflow);
    let listed: Vec<_> = warnings
        .iter()
        .map(|warning| json!({ "phase": warning.phase, "message": warning.message, "hint": warning.hint }))
        .collect();
    let count = warnings.len();
    let findings = if count == 1 { "finding" } else { "findings" };
    let mut text = format!("{}: {count} {findings} about rules", file.display());
    for warning in &warnings {
        text.push_str(&format!("\nwarning: {}", visible(&warning.to_string())));
    }
    out.answer(&json!({ "name": workflow.name, "warnings": listed }), &text);
    if warnings.is_empty() { Ok(()) } else { Err(Ended::No) }
}
