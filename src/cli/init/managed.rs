//! Hard mode for Claude Code: the hooks in the settings of the whole machine, where no project, flag or agent without
//! root takes them away. They are merged as carefully as a project's.

use std::path::Path;

use serde_json::json;

use crate::clients::claude_code::settings;
use crate::clients::setup::Setup;

use super::files::{self, Change};
use super::{Ended, Out};

pub const FILE: &str = "/etc/claude-code/managed-settings.json";

pub fn run(file: &Path, undo: bool, dry_run: bool, out: &Out) -> Result<(), Ended> {
    // A whole path: which program `phasegate` is on somebody's PATH is not theirs to say.
    let own = std::env::current_exe().and_then(std::fs::canonicalize);
    let program = own.map_err(|error| Ended::internal(&error, "start phasegate by its whole path"))?;
    let setup = Setup { program: program.display().to_string(), version: None };
    let form = settings::managed(&setup).form;
    let wrong = |fault| Ended::usage(format!("{}: {fault}; nothing was written", file.display()), "mend that file");
    let before = files::read(file)?;
    let after = match &before {
        Some(text) if undo => form.without(text).map_err(wrong)?,
        None if undo => None,
        _ => Some(form.merged(before.as_deref()).map_err(wrong)?),
    };
    let place = files::resolved(file)?;
    let shown = file.display().to_string();
    let change = Change { shown, place, before, after, adds: form.adds() };
    if dry_run {
        files::show_diffs(&[&change], out);
        return Ok(());
    }
    if change.is_change() {
        match &change.after {
            Some(text) => files::write(&change.place, text)?,
            None => files::remove(&change.place)?,
        }
    }
    let value = json!({ "file": change.shown, "changed": change.is_change() });
    let named = if file == Path::new(FILE) { String::new() } else { format!("={}", change.shown) };
    out.answer(&value, &told(&change, &named, &setup, undo));
    Ok(())
}

fn told(change: &Change, named: &str, setup: &Setup, undo: bool) -> String {
    let file = &change.shown;
    if undo {
        return match (change.is_change(), &change.after) {
            (true, Some(_)) => format!("{file}: phasegate's hooks are taken out; all else stays as it is."),
            (true, None) => format!("{file}: removed; nothing but phasegate's hooks was in it."),
            (false, _) => format!("{file}: nothing of phasegate is in it."),
        };
    }
    let state = if change.is_change() { change.adds.as_str() } else { "as it should be already" };
    let mut text = format!("{file}: {state}. Every Claude Code on this machine asks phasegate from its next start on.");
    text.push_str(&format!("\nUndo: phasegate init --managed{named} --undo"));
    text.push_str(&format!("\nThe hooks start {}; keep it where agents cannot write.", setup.program));
    text
}
