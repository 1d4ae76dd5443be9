//! `phasegate init`: sets up the clients that are here, beside what their files hold already, and puts a workflow in
//! force once a person says so. `--undo` takes it back. What stands in each file is in `clients/setup`.

mod files;
mod find;
mod journal;
mod managed;
mod workflow;

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::clients::setup::{self, ClientSettings, Guard, SETTINGS, Setup};
use crate::config::workspace::Workspace;
use crate::engine::migrate::{Around, shown};

use super::output::visible;
use super::signing::SignArgs;
use super::{Ended, Out, Place};
use files::Change;
pub use find::{Found, found, in_front_of_us, own_program};

/// As wide as the longest name of a file that init writes.
const WHAT_WIDTH: usize = 30;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this client, found here or not; may be given more than once. Default: every client that is found.
    #[arg(long, value_name = "NAME")]
    client: Vec<String>,
    /// Show what would change as a diff, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Take back what init did.
    #[arg(long, conflicts_with = "yes")]
    undo: bool,
    /// Trust the workflow without asking.
    #[arg(long)]
    yes: bool,
    /// Put the hooks into Claude Code's settings of the whole machine instead, which no project and no flag takes away.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = managed::FILE, conflicts_with = "client")]
    managed: Option<PathBuf>,
    #[command(flatten)]
    signing: SignArgs,
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let clients = named(&args.client)?;
    if let Some(file) = &args.managed {
        return managed::run(file, args.undo, args.dry_run, out);
    }
    if args.undo {
        return journal::undo(place, &clients, args.dry_run, out);
    }
    let clients = found(&clients);
    let program = own_program()?;
    let planned = plan(place, &clients, &program)?;
    let starter = workflow::Starter::of(place)?;
    let folder = folder(place, out);
    if args.dry_run {
        if let Some((folder, why)) = &folder {
            out.aside(&format!("In {folder}: {why}."));
        }
        if let Some(note) = absent(&planned) {
            out.aside(&note);
        }
        let mut changes: Vec<&Change> = planned.iter().flat_map(|one| &one.changes).collect();
        changes.extend(starter.change());
        files::show_diffs(&changes, out);
        return Ok(());
    }
    let every: Vec<&Change> = planned.iter().flat_map(|one| &one.changes).chain(starter.change()).collect();
    let changed = every.iter().any(|change| change.is_change());
    let fresh = !place.workspace.state.is_dir();
    place.open()?;
    if changed {
        journal::write(place, &every)?;
        for change in every.iter().filter(|change| change.is_change()) {
            files::write(&change.place, change.after.as_deref().unwrap_or_default())?;
        }
    }
    let report = Report { place, folder, planned: &planned, starter: &starter, changed, fresh, program: &program };
    if !out.is_json() {
        out.text(&report.text());
    }
    let trusted = starter.trust(place, args.yes, &args.signing, out)?;
    if out.is_json() {
        out.value(&report.value(&trusted));
    } else {
        out.text(&ending(&trusted, &planned));
    }
    Ok(())
}

fn named(names: &[String]) -> Result<Vec<&'static ClientSettings>, Ended> {
    let known = || SETTINGS.iter().map(|client| client.name).collect::<Vec<_>>().join(", ");
    let find = |name: &String| {
        let unknown = || Ended::usage(format!("`{name}` is no client that init knows"), format!("one of: {}", known()));
        setup::client(name).ok_or_else(unknown)
    };
    names.iter().map(find).collect()
}

/// What is to happen for one client.
struct Planned {
    found: Found,
    guard: Guard,
    changes: Vec<Change>,
}

/// Everything is read and merged before anything is written, so that a file which cannot be merged stops all of it.
fn plan(place: &Place, clients: &[Found], program: &str) -> Result<Vec<Planned>, Ended> {
    let root = &place.workspace.root;
    let mut planned = Vec::new();
    for found in clients {
        let setup = Setup { program: program.to_owned(), version: found.version };
        let mut changes = Vec::new();
        for wanted in (found.client.wanted)(&setup) {
            let (shown, before) = files::first(root, wanted.files)?;
            let after = wanted.form.merged(before.as_deref()).map_err(|fault| {
                Ended::usage(
                    format!("{shown}: {fault}; nothing was written"),
                    format!("mend that file, or leave {} out with `--client`", found.client.title),
                )
            })?;
            let place = files::resolved(&root.join(shown))?;
            let adds = wanted.form.adds();
            changes.push(Change { shown: shown.to_owned(), place, before, after: Some(after), adds });
        }
        let read = |file: &str| files::read(&root.join(file)).ok().flatten();
        let guard = match setup::switched_off(found.client, &read) {
            Some((file, key)) => Guard::Blind { why: format!("`{key}` in {file} turns every hook off; take it out") },
            None => (found.client.guard)(found.version),
        };
        planned.push(Planned { found: found.clone(), guard, changes });
    }
    Ok(planned)
}

/// The folder that is set up and why that one, where it is not the one the command was started in.
fn folder(place: &Place, out: &Out) -> Option<(String, &'static str)> {
    let here = std::env::current_dir().and_then(std::fs::canonicalize).ok()?;
    let Workspace { root, state } = &place.workspace;
    if here == *root {
        return None;
    }
    let shown = visible(&root.display().to_string());
    let why = if place.workspace_named {
        "named with `--workspace`"
    } else if state.is_dir() {
        "the nearest folder upwards that has a `.phasegate/`"
    } else {
        "the root of the git repository"
    };
    if let Some(git) = place.workspace.nearer_git(&here).filter(|_| !place.workspace_named) {
        let git = visible(&git.display().to_string());
        out.aside(&format!(
            "warning: {shown} is taken, since it has a `.phasegate/`, and the git repository {git} lies nearer\n  next: if \
             that one is meant: `phasegate init --undo`, then `phasegate init --workspace {git}`"
        ));
    }
    Some((shown, why))
}

/// What is to be said of clients that are not here.
fn absent(planned: &[Planned]) -> Option<String> {
    if planned.is_empty() {
        return Some(
            "No client was found here, so none is set up. Install one, then `phasegate init` again; or name one: \
             `phasegate init --client claude-code`."
                .to_owned(),
        );
    }
    let titles: Vec<&str> = planned.iter().filter(|one| !one.found.here).map(|one| one.found.client.title).collect();
    let said =
        || format!("Not found here: {}. What is set up for that counts once it is installed.", titles.join(", "));
    (!titles.is_empty()).then(said)
}

struct Report<'r> {
    place: &'r Place,
    folder: Option<(String, &'static str)>,
    planned: &'r [Planned],
    starter: &'r workflow::Starter,
    changed: bool,
    /// There was no state before.
    fresh: bool,
    program: &'r str,
}

impl Report<'_> {
    fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |head: &str, what: &str, said: &str| {
            let _ = writeln!(text, "{}", format!("{head:<8}{what:<WHAT_WIDTH$} {said}").trim_end());
        };
        if let Some((folder, why)) = &self.folder {
            line("Folder", folder, why);
        }
        let here = self.planned.iter().filter(|one| one.found.here);
        let missing = self.planned.iter().filter(|one| !one.found.here);
        for (head, (at, one)) in
            here.enumerate().map(|one| ("Found", one)).chain(missing.enumerate().map(|one| ("Missing", one)))
        {
            let said = format!("guard: {} ({})", one.guard.word(), one.guard.why());
            let name = if one.found.here { one.found.shown() } else { one.found.client.title.to_owned() };
            line(if at == 0 { head } else { "" }, &name, &said);
        }
        if self.planned.is_empty() {
            line(
                "Found",
                "no client",
                "name one with `--client`: claude-code, codex, gemini, opencode, cursor, vscode",
            );
        }
        let all = || self.planned.iter().flat_map(|one| &one.changes);
        let mut rows: [(&str, Vec<(String, String)>); 3] = [("Writes", vec![]), ("Merges", vec![]), ("There", vec![])];
        let [writes, merges, there] = &mut rows;
        match self.starter.change() {
            Some(_) => writes.1.push(self.starter.row()),
            None => there.1.push(self.starter.row()),
        }
        for change in all() {
            let row = (change.shown.clone(), change.adds.clone());
            match (&change.before, change.is_change()) {
                (None, _) => writes.1.push(row),
                (Some(_), true) => merges.1.push((row.0, format!("{}; all else stays as it is", row.1))),
                (Some(_), false) => there.1.push((row.0, "as it should be".to_owned())),
            }
        }
        if self.fresh {
            writes.1.push((".phasegate/".to_owned(), "state, ignored by git".to_owned()));
        }
        for (head, rows) in rows {
            for (at, (what, said)) in rows.iter().enumerate() {
                line(if at == 0 { head } else { "" }, what, said);
            }
        }
        if self.changed {
            line("Undo", "phasegate init --undo", "");
            if self.program.contains('/') {
                line(
                    "Note",
                    &format!("these files name {}", self.program),
                    "put phasegate on your PATH before you share them",
                );
            }
        } else {
            line("", "Nothing to change.", "");
        }
        if let Some(note) = self.store_note() {
            let _ = writeln!(text, "{:<8}{note}", "Note");
        }
        text
    }

    /// A project's files name no store, so a client that is started without it works with another.
    fn store_note(&self) -> Option<String> {
        let Place { settings, workspace, store_named, .. } = self.place;
        let url = settings.store.as_deref().filter(|_| *store_named)?;
        let url = shown(url, Around { state: &workspace.state, postgres: Some(&settings.postgres.0) });
        Some(format!(
            "no file of a client names the store {url}. Set PHASEGATE_STORE to it where your clients start; \
             without it they work with another store, in .phasegate/, where nothing is trusted."
        ))
    }

    fn value(&self, trusted: &workflow::Trusted) -> Value {
        let clients = self.planned.iter().map(|one| {
            let files = one.changes.iter().map(|change| {
                let state = match (&change.before, change.is_change()) {
                    (None, _) => "written",
                    (Some(_), true) => "merged",
                    (Some(_), false) => "there",
                };
                json!({ "file": change.shown, "state": state })
            });
            json!({
                "client": one.found.client.name,
                "found": one.found.here,
                "version": one.found.version.map(|version| version.to_string()),
                "guard": one.guard.word(),
                "why": one.guard.why(),
                "files": files.collect::<Vec<_>>(),
            })
        });
        json!({
            "workspace": self.place.workspace.root,
            "changed": self.changed,
            "clients": clients.collect::<Vec<_>>(),
            "workflow": trusted.value(),
            "note": self.store_note(),
        })
    }
}

fn ending(trusted: &workflow::Trusted, planned: &[Planned]) -> String {
    let here = planned.iter().find(|one| one.found.here);
    let note = absent(planned).map(|note| format!("\n{note}")).unwrap_or_default();
    match (trusted, here) {
        (workflow::Trusted::Yes { .. }, Some(one)) => {
            let client = one.found.client.title;
            format!("Ready. Open {client} anew and say what you want. Watch: phasegate board{note}")
        }
        (workflow::Trusted::Yes { .. }, None) => format!("The workflow is in force, and no client is ready yet.{note}"),
        (workflow::Trusted::No { how }, _) => {
            format!("Not trusted yet, and until then no task starts. {how}{note}")
        }
    }
}
