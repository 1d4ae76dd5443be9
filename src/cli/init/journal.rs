//! What init wrote, kept so that it can be taken back to the byte; and taking it back. A file that was changed since
//! loses only what is ours.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::clients::setup::{ClientSettings, Form, SETTINGS, Setup, merge};
use crate::config::workspace::WORKFLOW_FILE;

use super::files::{self, Change};
use super::{Ended, Out, Place};

pub const FILE: &str = "init.json";

#[derive(Debug, Default, Serialize, Deserialize)]
struct Journal {
    files: Vec<Written>,
    /// Folders that were made for them.
    folders: BTreeSet<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Written {
    file: String,
    before: Option<String>,
    after: Option<String>,
}

fn read(place: &Place) -> Result<Journal, Ended> {
    let path = place.workspace.state.join(FILE);
    let Some(text) = files::read(&path)? else { return Ok(Journal::default()) };
    serde_json::from_str(&text).map_err(|error| {
        Ended::usage(format!("{}: {error}", path.display()), "remove that file; undo then takes out only what is ours")
    })
}

/// Written before the files are, so that a crash in between can be taken back too.
pub fn write(place: &Place, changes: &[&Change]) -> Result<(), Ended> {
    let mut journal = read(place).unwrap_or_default();
    for change in changes.iter().filter(|change| change.is_change()) {
        let known = journal.files.iter().position(|one| one.file == change.shown);
        let known = known.map(|at| journal.files.swap_remove(at));
        // Where nothing was changed since, what was there first is what undo brings back; else all but what is ours.
        let before = match known {
            Some(known) if known.after == change.before => known.before,
            _ => match (&change.before, form(&change.shown)) {
                (Some(text), Some(form)) if known.is_some() => form.without(text).ok().flatten(),
                (before, _) => before.clone(),
            },
        };
        let folders = Path::new(&change.shown).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        let made = folders.filter(|folder| !place.workspace.root.join(folder).exists());
        journal.folders.extend(made.map(|folder| folder.display().to_string()));
        journal.files.push(Written { file: change.shown.clone(), before, after: change.after.clone() });
    }
    save(place, &journal)
}

fn save(place: &Place, journal: &Journal) -> Result<(), Ended> {
    let path = place.workspace.state.join(FILE);
    if journal.files.is_empty() {
        return files::remove(&path);
    }
    files::write(&path, &serde_json::to_string_pretty(journal).unwrap_or_default())?;
    // Where the store lies elsewhere, this made the folder.
    let _ = place.workspace.ignore_state();
    Ok(())
}

/// How our part of a client's file is told from the rest, from whatever path phasegate was started.
fn form(file: &str) -> Option<Form> {
    let setup = Setup { program: merge::SERVER.to_owned(), version: None };
    let mut wanted = SETTINGS.iter().flat_map(|client| (client.wanted)(&setup));
    wanted.find(|wanted| wanted.files.contains(&file)).map(|wanted| wanted.form)
}

pub fn undo(place: &Place, clients: &[&'static ClientSettings], dry_run: bool, out: &Out) -> Result<(), Ended> {
    let root = &place.workspace.root;
    let mut journal = read(place)?;
    let setup = Setup { program: merge::SERVER.to_owned(), version: None };
    let all = SETTINGS.iter().filter(|client| clients.is_empty() || clients.iter().any(|one| one.name == client.name));
    let mut names: Vec<&'static str> =
        all.flat_map(|client| (client.wanted)(&setup)).flat_map(|wanted| wanted.files.iter().copied()).collect();
    if clients.is_empty() {
        names.push(WORKFLOW_FILE);
    }
    let mut changes = Vec::new();
    let mut left = Vec::new();
    for name in &names {
        let Some(now) = files::read(&root.join(name))? else { continue };
        let known = journal.files.iter().find(|one| one.file == *name);
        let after = match (known, form(name)) {
            (Some(known), _) if known.after.as_ref() == Some(&now) => known.before.clone(),
            // Never written to, and nothing in it is called as we are.
            (None, _) if !now.contains(merge::SERVER) => continue,
            (_, Some(form)) => form.without(&now).map_err(|fault| {
                Ended::usage(format!("{name}: {fault}; nothing was taken back"), "mend that file, then again")
            })?,
            (Some(_), None) => {
                left.push(format!("{name}: it was changed since"));
                continue;
            }
            (None, None) => continue,
        };
        let place = files::resolved(&root.join(name))?;
        changes.push(Change { shown: (*name).to_owned(), place, before: Some(now), after, adds: String::new() });
    }
    if dry_run {
        files::show_diffs(&changes.iter().collect::<Vec<_>>(), out);
        return Ok(());
    }
    changes.retain(Change::is_change);
    for change in &changes {
        match &change.after {
            Some(text) => files::write(&change.place, text)?,
            None => files::remove(&root.join(&change.shown))?,
        }
    }
    journal.files.retain(|one| !names.contains(&one.file.as_str()));
    // The deepest first; one that holds something else stays.
    for folder in journal.folders.iter().rev() {
        let _ = std::fs::remove_dir(root.join(folder));
    }
    journal.folders.retain(|folder| root.join(folder).exists());
    if place.workspace.state.is_dir() {
        save(place, &journal)?;
    }
    told(place, &changes, &left, out);
    Ok(())
}

fn told(place: &Place, changes: &[Change], left: &[String], out: &Out) {
    let mut text = String::new();
    for change in changes {
        let head = if change.after.is_some() { "Restored" } else { "Removed" };
        let _ = writeln!(text, "{head:<9} {}", change.shown);
    }
    for left in left {
        let _ = writeln!(text, "{:<9} {left}", "Left");
    }
    if place.workspace.state.is_dir() {
        let _ = writeln!(
            text,
            "{:<9} .phasegate/: tasks, trust and the log; remove the folder if you want none of it",
            "Left"
        );
    }
    if changes.is_empty() {
        let _ = writeln!(text, "Nothing of init is here.");
    }
    let names = |some: bool| {
        let kind = changes.iter().filter(move |change| change.after.is_some() == some);
        kind.map(|change| change.shown.clone()).collect::<Vec<_>>()
    };
    out.answer(&json!({ "restored": names(true), "removed": names(false), "left": left }), &text);
}
