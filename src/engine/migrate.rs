//! Moving a workspace's store to another place: everything in it, with the files of keys that belong to it. The store that is
//! left takes no more work, the other takes none before it was compared. Rows and notes are in `store::copy` and `moving`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Access, access};

use crate::audit::check::Check;
use crate::audit::report::Report;
use crate::config::settings::Settings;
use crate::config::workspace::Workspace;
pub use crate::store::Around;
use crate::store::copy::{self, Digest, Reader, TABLES};
use crate::store::moving::{self, Note, Way};
use crate::store::{self, Backend, StoreError, snapshot, tree};

use super::clock::Clock;
use super::credentials::PHASE_KEY_FILE;
use super::log_key::{self, KEY_FILE};
use super::screening;
use super::startup::place_of;
use super::verify;

/// Rows between two words about how far it has come.
const TOLD_EVERY: u64 = 20_000;

/// From where to where, in which workspace.
pub struct Move<'m> {
    pub from: &'m str,
    pub to: &'m str,
    /// Where keys lie that belong to no file of a store; and what the environment says of a database.
    pub around: Around<'m>,
    pub workspace: &'m Workspace,
    pub settings: &'m Settings,
}

/// What is being done, with which table, and how many rows of how many are done.
pub type Watch<'w> = &'w mut dyn FnMut(&str, &str, u64, u64);

#[derive(Debug)]
pub struct Moved {
    pub from: String,
    pub to: String,
    /// An earlier try had begun it.
    pub resumed: bool,
    /// An earlier try had ended it, and nothing was left to do.
    pub was_done: bool,
    pub tables: BTreeMap<&'static str, Digest>,
    pub report: Option<Report>,
    /// Size and root of the newest head.
    pub head: Option<(u64, String)>,
    /// Files of keys that were copied.
    pub keys: Vec<PathBuf>,
    /// Where the key of the log should be and is not.
    pub key_missing: Option<PathBuf>,
}

/// Takes up a store again that was left.
pub fn reopen(url: &str, around: Around<'_>) -> Result<Note, StoreError> {
    exists(url, around)?;
    moving::reopen(url, around)
}

/// Where both lie: there is a store in the one place, and the other is another.
pub fn places(from: &str, to: &str, around: Around<'_>) -> Result<(String, String), StoreError> {
    // Opening the first takes a while; an address that is none is told at once.
    let to_place = moving::place(to, around)?;
    exists(from, around)?;
    let from_place = moving::place(from, around)?;
    if from_place == to_place {
        return Err(unfit(
            format!("{from} and {to} are the same store"),
            "name two different places with `--from` and `--to`",
        ));
    }
    Ok((from_place, to_place))
}

pub fn run(wanted: &Move<'_>, clock: &Arc<dyn Clock>, watch: Watch<'_>) -> Result<Moved, StoreError> {
    let Move { from, to, around, settings, .. } = *wanted;
    let (from_place, to_place) = places(from, to, around)?;
    let keys = Keys::of(wanted)?;
    keys.have_places()?;
    let target = store::open_for_one(Some(to), around)?;
    let there = moving::noted(target.as_ref())?;
    let left = moving::noted(store::open_for_one(Some(from), around)?.as_ref())?;
    let mut moved = Moved {
        from: from_place.clone(),
        to: to_place.clone(),
        resumed: false,
        was_done: false,
        tables: BTreeMap::new(),
        report: None,
        head: None,
        keys: Vec::new(),
        key_missing: None,
    };
    let same = |note: &&Note| left.as_ref().is_some_and(|left| left.id == note.id && left.way == Way::Out);
    let mut note = match there.as_ref().filter(same) {
        Some(note) if note.way == Way::Done => {
            moved.was_done = true;
            return Ok(moved);
        }
        Some(note) => {
            moved.resumed = true;
            note.clone()
        }
        None => begin(target.as_ref(), wanted, left, (from_place, to_place), clock)?,
    };
    let source = store::open_for_one(Some(from), around)?;
    copy_rows(source.as_ref(), target.as_ref(), &mut note, watch)?;
    moved.tables = compare(source.as_ref(), target.as_ref(), watch)?;
    watch("checking the log", "events", 0, 0);
    let report = verified(source.as_ref(), target.as_ref(), clock.as_ref())?;
    moved.head = snapshot(target.as_ref(), tree::newest_head)?.map(|head| {
        let root = crate::audit::hash::Hash(head.root.try_into().unwrap_or_default());
        (head.size, root.base64())
    });
    moved.report = Some(report);
    (moved.keys, moved.key_missing) = keys.carry()?;
    remember_first(settings, around, (from, to));
    moving::finish(target.as_ref(), &note)?;
    Ok(moved)
}

/// A URL without what is secret in it.
pub fn shown(url: &str, around: Around<'_>) -> String {
    if store::is_shared(url) { store::shown_url(url, around) } else { url.to_owned() }
}

fn unfit(said: String, hint: &'static str) -> StoreError {
    StoreError::Unfit { said, hint }
}

/// Opening a file makes it, and a store that was only just made is nothing to move.
fn exists(url: &str, around: Around<'_>) -> Result<(), StoreError> {
    let missing = |place: &str| unfit(format!("there is no store at {place}"), "mind the place named with `--from`");
    if !store::is_shared(url) && !store::file_of(Some(url), around.state)?.is_file() {
        return Err(missing(url));
    }
    let backend = store::open_for_one(Some(url), around)?;
    match snapshot(backend.as_ref(), |tx| store::meta(tx, "workspace"))? {
        Some(_) => Ok(()),
        None => Err(missing(&moving::place(url, around)?)),
    }
}

/// Ends the work in the one store, and has the other wait for it.
fn begin(
    target: &dyn Backend,
    wanted: &Move<'_>,
    left: Option<Note>,
    (from, to): (String, String),
    clock: &Arc<dyn Clock>,
) -> Result<Note, StoreError> {
    // After that nothing more is written there, so that it is sealed and shut.
    let was_shut = left.as_ref().is_some_and(|left| left.way == Way::Out);
    let id = match left {
        // It ended between the one note and the other.
        Some(left) if left.way == Way::Out && left.to == to => left.id,
        Some(left) if left.way == Way::Out => {
            return Err(unfit(
                format!("{from} is being moved to {}, or was moved there", left.to),
                "go on with that place; or take the store up again with `phasegate migrate --reopen URL`",
            ));
        }
        Some(Note { way: Way::In { .. }, from: first, .. }) => {
            return Err(unfit(
                format!("{from} is itself a copy of {first} that is not whole"),
                "end that copying first, or move from there",
            ));
        }
        _ => clock.random_hex(8),
    };
    let out = Note { id, from, to, way: Way::Out };
    let first = TABLES.first().map(|table| table.name.to_owned()).unwrap_or_default();
    let note = Note { way: Way::In { table: first, after: None }, ..out.clone() };
    // What would be refused there is refused before anything is ended here.
    moving::is_free(target)?;
    if !was_shut {
        seal(wanted, clock);
        moving::shut(wanted.from, wanted.around, out)?;
    }
    moving::receive(target, &note)?;
    Ok(note)
}

/// The whole log under a head, so that the copy can be compared with one. A log that cannot be sealed is moved as it is.
fn seal(wanted: &Move<'_>, clock: &Arc<dyn Clock>) {
    let settings = Settings { store: Some(wanted.from.to_owned()), ..wanted.settings.clone() };
    match super::open_for_one(wanted.workspace.clone(), &settings, Arc::clone(clock)) {
        Ok(engine) => {
            if let Err(error) = engine.seal() {
                tracing::warn!(%error, next = error.hint(), "the log could not be sealed before it was copied");
            }
        }
        Err(error) => tracing::warn!(?error, "the log could not be sealed before it was copied"),
    }
}

/// What is not there yet, on one snapshot.
fn copy_rows(from: &dyn Backend, to: &dyn Backend, note: &mut Note, watch: Watch<'_>) -> Result<(), StoreError> {
    from.read(&mut |tx| {
        copy::begin(tx)?;
        let (reached, mut after) = match note.way.clone() {
            Way::In { table, after } => (table, after),
            Way::Out | Way::Done => return Ok(()),
        };
        let first = TABLES.iter().position(|table| table.name == reached).unwrap_or(0);
        for table in TABLES.iter().skip(first) {
            let of = copy::count(tx, table)?;
            let (mut rows, mut reader) = (0, Reader::new(table, after.take()));
            loop {
                let batch = reader.next(tx)?;
                let (more, last) = (batch.more, batch.last(table));
                rows += batch.rows.len() as u64;
                if last.is_some() {
                    note.way = Way::In { table: table.name.to_owned(), after: last };
                    moving::put(to, note, table, batch)?;
                    watch("copying", table.name, rows, of);
                }
                if !more {
                    break;
                }
            }
        }
        Ok(())
    })
}

/// Every table of the one against that of the other, by what is in them now.
fn compare(
    from: &dyn Backend,
    to: &dyn Backend,
    watch: Watch<'_>,
) -> Result<BTreeMap<&'static str, Digest>, StoreError> {
    let mut same = BTreeMap::new();
    for table in &TABLES {
        let (there, here) = std::thread::scope(|scope| {
            let there = scope.spawn(move || digest(from, table, &mut |_| {}));
            let mut told = 0;
            let here = digest(to, table, &mut |rows| {
                if rows / TOLD_EVERY != told {
                    told = rows / TOLD_EVERY;
                    watch("comparing", table.name, rows, 0);
                }
            });
            (there.join().unwrap_or(Err(StoreError::Closed)), here)
        });
        let (there, here) = (there?, here?);
        if there != here {
            let said = format!(
                "the copy of `{}` is not what was copied: {} rows with hash {:.16}… there, {} with {:.16}… here; nothing \
                 works with the copy, and the store that was left is as it was",
                table.name, there.rows, there.sha256, here.rows, here.sha256
            );
            return Err(unfit(
                said,
                "throw the copy away (the file, or `DROP SCHEMA … CASCADE`) and take the old store up again with \
                 `phasegate migrate --reopen URL`; something has written to one of the two meanwhile",
            ));
        }
        same.insert(table.name, here);
    }
    Ok(same)
}

fn digest(of: &dyn Backend, table: &'static copy::Table, each: &mut dyn FnMut(u64)) -> Result<Digest, StoreError> {
    let mut found = None;
    of.read(&mut |tx| {
        copy::begin(tx)?;
        found = Some(copy::digest(tx, table, each)?);
        Ok(())
    })?;
    found.ok_or(StoreError::Closed)
}

/// The log of the copy as `audit verify` checks it: hashes, heads, signatures. What it finds has to be in the old log as well.
fn verified(from: &dyn Backend, to: &dyn Backend, clock: &dyn Clock) -> Result<Report, StoreError> {
    let checked = |backend: &dyn Backend| {
        let known = snapshot(backend, |tx| store::meta(tx, log_key::META))?;
        let keys = known.and_then(|text| text.parse().ok()).into_iter().collect();
        let mut check = Check::new(verify::setup(backend, Vec::new(), keys, false)?);
        verify::feed(backend, &mut check)?;
        Ok::<_, StoreError>(check.finish(clock.now()))
    };
    let report = checked(to)?;
    if report.is_well() {
        return Ok(report);
    }
    let before = checked(from)?;
    if before.counts == report.counts && before.findings == report.findings {
        return Ok(report);
    }
    let found: Vec<String> = report.findings.iter().take(3).map(ToString::to_string).collect();
    Err(unfit(
        format!("the log of the copy does not hold where the old one does: {}", found.join("; ")),
        "throw the copy away and take the old store up again with `phasegate migrate --reopen URL`",
    ))
}

/// The files that lie beside a store and belong to it.
struct Keys(Vec<(PathBuf, PathBuf)>);

impl Keys {
    /// Refused where another key is in the way.
    fn of(wanted: &Move<'_>) -> Result<Self, StoreError> {
        let file = |url| {
            store::file_of(Some(url), wanted.around.state).unwrap_or_else(|_| wanted.around.state.join("phasegate.db"))
        };
        let (from, to) = (file(wanted.from), file(wanted.to));
        let new = format!("{KEY_FILE}.new");
        let mut files: Vec<(PathBuf, PathBuf)> = [KEY_FILE, &new, PHASE_KEY_FILE]
            .iter()
            .map(|name| (log_key::beside(&from, name), log_key::beside(&to, name)))
            .collect();
        files.retain(|(from, to)| from != to);
        for (from, to) in &files {
            if let (Ok(from), Ok(there)) = (fs::read(from), fs::read(to))
                && from != there
            {
                return Err(unfit(
                    format!("{} is there already, and is another key than that of the store", to.display()),
                    "put it aside if nothing needs it, then try again",
                ));
            }
        }
        // The stores of one folder share this one, so another may well be there.
        let redaction = |url| screening::key_file(Some(url), wanted.around.state);
        files.push((redaction(wanted.from), redaction(wanted.to)));
        Ok(Self(files))
    }

    /// Before anything is ended: a folder for each file that will be copied, that can be written to.
    fn have_places(&self) -> Result<(), StoreError> {
        for (from, to) in &self.0 {
            let Some(folder) = to.parent().filter(|_| from.exists() && !to.exists()) else { continue };
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            let usable = made.and_then(|()| Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?));
            if let Err(error) = usable {
                let said = format!("the keys of the store belong in {}, and {error}", folder.display());
                let hint = "let yourself write there, or name another folder with `--workspace`; nothing was moved";
                return Err(unfit(said, hint));
            }
        }
        Ok(())
    }

    /// What was copied; and the key of the log, where there is none.
    fn carry(&self) -> Result<(Vec<PathBuf>, Option<PathBuf>), StoreError> {
        let (mut carried, mut missing) = (Vec::new(), None);
        for (from, to) in &self.0 {
            let fault = |path: &Path| {
                let path = path.to_path_buf();
                move |source| StoreError::File { path, source }
            };
            match fs::read(from).map(zeroize::Zeroizing::new) {
                Ok(_) if to.exists() => {}
                Ok(secret) => {
                    let mut options = fs::OpenOptions::new();
                    let made = options.write(true).create_new(true).mode(0o600).open(to);
                    let written = made.and_then(|mut made| {
                        std::io::Write::write_all(&mut made, &secret)?;
                        made.sync_all()
                    });
                    written.map_err(fault(to))?;
                    carried.push(to.clone());
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    if from.to_string_lossy().ends_with(KEY_FILE) && !to.exists() {
                        missing = Some(to.clone());
                    }
                }
                Err(source) => return Err(fault(from)(source)),
            }
        }
        Ok((carried, missing))
    }
}

/// The first approver is remembered by the place of the store, beside the keys of the person.
fn remember_first(settings: &Settings, around: Around<'_>, (from, to): (&str, &str)) {
    let Some(ring) = &settings.keyring else { return };
    if let Some(key) = ring.first_approver(&place_of(Some(from), around))
        && let Err(error) = ring.remember_first(&place_of(Some(to), around), &key)
    {
        tracing::debug!(%error, "the first approver is not remembered anew");
    }
}
