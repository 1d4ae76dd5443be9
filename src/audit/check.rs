//! A check of the whole log, record by record: numbers, content against the tree, the tree against every head, columns
//! against content, starts against outcomes. Where records and heads come from is not here.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use crate::domain::ids::{TaskId, Time};

use super::approvals::Approvals;
use super::batch::{Batch, Columns, Content, Record};
use super::hash::{self, Hash};
use super::head::Head;
use super::header::{Header, Unfinished};
use super::key::VerifierKey;
use super::note::Note;
use super::report::{Anchor, Findings, Kept, Report, Trouble};
use super::tree::{self, Edge, Tile};

/// Kinds of events that speak of the log itself.
pub const ERASED: &str = "RecordErased";
pub const KEY_CHANGED: &str = "LogKeyChanged";

/// The key before and the key after, as a record of the change says.
pub fn key_change(body: &[u8]) -> Option<(Option<String>, String)> {
    #[derive(Deserialize)]
    struct Body {
        event: Changed,
    }
    #[derive(Deserialize)]
    struct Changed {
        #[serde(default)]
        old: Option<String>,
        new: String,
    }
    let Changed { old, new } = serde_json::from_slice::<Body>(body).ok()?.event;
    Some((old, new))
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredHead {
    pub number: i64,
    pub size: u64,
    pub at: i64,
    pub root: Vec<u8>,
    pub note: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptHead {
    /// The file it was read from.
    pub from: String,
    pub note: String,
}

/// What is known before the first record is read.
#[derive(Default)]
pub struct Setup {
    /// What heads must call the log; none where it is taken from the heads.
    pub origin: Option<String>,
    pub keys: Vec<VerifierKey>,
    /// A person named the keys, so a change of key on record does not add any.
    pub only_these_keys: bool,
    pub heads: Vec<StoredHead>,
    pub kept: Vec<KeptHead>,
    /// Tiles above the leaves.
    pub upper: Vec<Tile>,
    /// How many leaves the tiles hold.
    pub leaves: u64,
    pub anchors: Vec<Anchor>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Which {
    Stored(usize),
    Kept(usize),
}

struct Target {
    size: u64,
    root: Hash,
    which: Which,
}

#[derive(Debug, Deserialize)]
struct ErasedRecord {
    seq: u64,
    kind: String,
    at: Time,
    #[serde(default)]
    task: Option<TaskId>,
}

/// A row whose content is gone, as its columns are.
struct Blank {
    seq: u64,
    columns: Option<(i64, String, Option<i64>, bool)>,
}

pub struct Check {
    setup: Setup,
    sealed: u64,
    findings: Findings,
    edge: Edge,
    /// The tree is known up to here; false after a hole that nothing fills.
    whole: bool,
    next: i64,
    targets: Vec<Target>,
    reached: usize,
    differs: HashSet<Which>,
    upper: HashMap<(u8, u64), Vec<Hash>>,
    full: Vec<Tile>,
    blanks: Vec<Blank>,
    erased: HashMap<u64, ErasedRecord>,
    key_changes: Vec<(Option<String>, String)>,
    unfinished: Unfinished,
    approvals: Approvals,
}

impl Check {
    pub fn new(mut setup: Setup) -> Self {
        let mut findings = Findings::default();
        let mut targets = Vec::new();
        for (index, kept) in setup.kept.iter().enumerate() {
            match Note::parse(&kept.note).and_then(|note| Head::parse(&note.text)) {
                Ok(head) => targets.push(Target { size: head.size, root: head.root, which: Which::Kept(index) }),
                Err(error) => findings.add(Trouble::Signature, None, format!("{} holds no head: {error}", kept.from)),
            }
        }
        for (index, stored) in setup.heads.iter().enumerate() {
            match Note::parse(&stored.note).and_then(|note| Head::parse(&note.text)) {
                Ok(head) => targets.push(Target { size: head.size, root: head.root, which: Which::Stored(index) }),
                Err(error) => {
                    let message = format!("the stored head {} cannot be read: {error}", stored.number);
                    findings.add(Trouble::Head, None, message);
                }
            }
        }
        targets.sort_by_key(|target| target.size);
        let upper = std::mem::take(&mut setup.upper);
        let upper = upper.into_iter().map(|tile| ((tile.level, tile.position), tile.hashes)).collect();
        let sealed = setup.heads.iter().map(|head| head.size).max().unwrap_or(0);
        let mut check = Self {
            setup,
            sealed,
            findings,
            edge: Edge::default(),
            whole: true,
            next: 1,
            targets,
            reached: 0,
            differs: HashSet::new(),
            upper,
            full: Vec::new(),
            blanks: Vec::new(),
            erased: HashMap::new(),
            key_changes: Vec::new(),
            unfinished: Unfinished::default(),
            approvals: Approvals::default(),
        };
        check.compare_roots();
        check
    }

    pub fn feed(&mut self, batch: &Batch) {
        for record in batch.records() {
            self.record(record, |index| batch.leaf(index));
        }
    }

    /// `sealed` gives the leaf that a tile holds at an index.
    pub fn record(&mut self, record: Record<'_>, sealed: impl Fn(u64) -> Option<Hash>) {
        let seq = u64::try_from(record.seq).unwrap_or(0);
        if record.seq < self.next {
            let message = format!("stands where record {} belongs: it was inserted or moved", self.next);
            return self.findings.add(Trouble::Gap, Some(seq), message);
        }
        if record.seq > self.next {
            self.gap(record.seq, &sealed);
        }
        self.next = record.seq.saturating_add(1);
        let known = sealed(seq - 1);
        let leaf = match record.content {
            Content::Kept(body) => Some(hash::leaf(body)),
            Content::Erased(named) => named.or(known),
            Content::Unreadable => {
                self.findings.add(
                    Trouble::Edited,
                    Some(seq),
                    "its content is not text: it was changed after it was written",
                );
                known
            }
        };
        self.grow(seq, leaf, known);
        match record.content {
            Content::Kept(body) => self.content(seq, body, record.columns),
            Content::Erased(_) => {
                let columns = record.columns.map(|columns| {
                    (columns.at.unwrap_or(-1), columns.kind.to_owned(), columns.task, columns.agent.is_empty())
                });
                self.blanks.push(Blank { seq, columns });
            }
            Content::Unreadable => {}
        }
    }

    fn gap(&mut self, found: i64, sealed: &impl Fn(u64) -> Option<Hash>) {
        let (first, last) = (self.next, found - 1);
        let which = if first == last { format!("record {first} is") } else { format!("records {first} to {last} are") };
        let message = format!("{which} missing before it: removed, or renumbered");
        self.findings.add(Trouble::Gap, u64::try_from(found).ok(), message);
        // What was sealed there is still known by its hash, so that the records after it can be checked.
        for index in first - 1..found - 1 {
            match u64::try_from(index).ok().and_then(sealed) {
                Some(leaf) if self.whole => self.push(leaf),
                _ => {
                    self.whole = false;
                    return;
                }
            }
        }
    }

    fn grow(&mut self, seq: u64, leaf: Option<Hash>, known: Option<Hash>) {
        match (leaf, known) {
            (Some(leaf), Some(known)) if leaf != known => {
                self.findings.add(
                    Trouble::Edited,
                    Some(seq),
                    "its content is not what was sealed: it was changed, or moved here",
                );
            }
            (_, None) if seq <= self.sealed => {
                self.findings.add(Trouble::Tile, Some(seq), "the tree holds no hash of it, although it was sealed");
            }
            _ => {}
        }
        match leaf {
            Some(leaf) if self.whole => self.push(leaf),
            _ => self.whole = false,
        }
    }

    fn push(&mut self, leaf: Hash) {
        self.edge.push(leaf, &mut self.full);
        while let Some(tile) = self.full.pop() {
            if tile.level > 0 {
                self.compare_tile(&tile);
            }
        }
        self.compare_roots();
    }

    fn compare_roots(&mut self) {
        while let Some(target) = self.targets.get(self.reached).filter(|target| target.size <= self.edge.size()) {
            if target.size == self.edge.size() && target.root != self.edge.root() {
                self.differs.insert(target.which);
            }
            self.reached += 1;
        }
    }

    fn compare_tile(&mut self, tile: &Tile) {
        let wanted = tree::width(self.sealed, tile.level, tile.position);
        if wanted == 0 {
            return;
        }
        let stored = self.upper.remove(&(tile.level, tile.position)).unwrap_or_default();
        if stored.len() < wanted || stored.iter().zip(&tile.hashes).any(|(stored, made)| stored != made) {
            let message = format!("tile {} of level {} is not what the records make it", tile.position, tile.level);
            self.findings.add(Trouble::Tile, None, message);
        }
    }

    fn content(&mut self, seq: u64, body: &[u8], columns: Option<Columns<'_>>) {
        let Ok(header) = serde_json::from_slice::<Header<'_>>(body) else {
            return self.findings.add(Trouble::Edited, Some(seq), "its content is not a record");
        };
        let Ok(at) = header.at.parse::<Time>() else {
            return self.findings.add(Trouble::Edited, Some(seq), "its content has no time");
        };
        if let Some(columns) = columns {
            let task = header.event.task.and_then(|task| task.parse::<TaskId>().ok());
            let task = task.and_then(|task| i64::try_from(task.0).ok());
            let differs = [
                ("time", columns.at != Some(at.0)),
                ("kind", columns.kind != header.event.kind),
                ("task", columns.task != task),
                ("agent", columns.agent != header.agent),
            ];
            let differs: Vec<&str> = differs.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
            if !differs.is_empty() {
                let message =
                    format!("the store files it under another {} than its content says", differs.join(" and "));
                self.findings.add(Trouble::Columns, Some(seq), message);
            }
        }
        self.unfinished.see(seq, at, header.event.kind, body);
        self.approvals.see(seq, header.event.kind, body);
        match header.event.kind {
            ERASED => self.erasure(body),
            KEY_CHANGED => self.key_changes.extend(key_change(body)),
            _ => {}
        }
    }

    fn erasure(&mut self, body: &[u8]) {
        #[derive(Deserialize)]
        struct Body {
            event: Erased,
        }
        #[derive(Deserialize)]
        struct Erased {
            records: Vec<ErasedRecord>,
        }
        if let Ok(body) = serde_json::from_slice::<Body>(body) {
            self.erased.extend(body.event.records.into_iter().map(|record| (record.seq, record)));
        }
    }

    pub fn finish(mut self, now: Time) -> Report {
        let records = u64::try_from(self.next - 1).unwrap_or(0);
        self.ends(records);
        self.blanked();
        let keys = self.trusted();
        self.check_heads(&keys);
        let kept = self.check_kept(&keys, records);
        for lost in self.unfinished.lost(now) {
            let message = format!(
                "{} was started here, its time is over, and no outcome is on record; where it is not removed, \
                 `phasegate serve` closes runs that a crash left",
                lost.what
            );
            self.findings.add(Trouble::Unfinished, Some(lost.seq), message);
        }
        self.check_approvals();
        let anchored = kept.iter().filter(|kept| kept.holds).map(|kept| kept.size).max().unwrap_or(0);
        let report = Report {
            records,
            sealed: self.sealed.min(records),
            heads: self.setup.heads.len() as u64,
            erased: self.blanks.len() as u64,
            anchored,
            kept,
            anchors: self.setup.anchors,
            findings: Vec::new(),
            counts: Default::default(),
        };
        report.with(self.findings)
    }

    fn check_approvals(&mut self) {
        // Blanks rise. What only says that it was erased stands for nothing.
        let said = self.blanks.iter().filter_map(|blank| self.erased.get(&blank.seq));
        let erased: Vec<(u64, &str)> = said.map(|said| (said.seq, said.kind.as_str())).collect();
        for lost in std::mem::take(&mut self.approvals).lost(&erased) {
            self.findings.add(Trouble::Approval, Some(lost.seq), lost.what);
        }
    }

    /// The end of the log against tiles and newest head.
    fn ends(&mut self, records: u64) {
        let begun: Vec<Tile> = self.edge.partial().filter(|tile| tile.level > 0).collect();
        if self.whole && self.edge.size() >= self.sealed {
            begun.iter().for_each(|tile| self.compare_tile(tile));
            for (level, position) in self.upper.keys() {
                let message = format!("tile {position} of level {level} belongs to no sealed record");
                self.findings.add(Trouble::Tile, None, message);
            }
        }
        if records < self.sealed {
            let message = format!(
                "records {} to {} were sealed and are missing at the end: the log was cut",
                records + 1,
                self.sealed
            );
            self.findings.add(Trouble::Cut, None, message);
        }
        if self.setup.leaves > self.sealed {
            let message = format!(
                "the tree holds {} records and the newest head only {}: a head was removed",
                self.setup.leaves, self.sealed
            );
            self.findings.add(Trouble::HeadMissing, None, message);
        }
    }

    fn blanked(&mut self) {
        for blank in &self.blanks {
            let Some(said) = self.erased.get(&blank.seq) else {
                let message = "its content is gone, and no record says that a person erased it";
                self.findings.add(Trouble::Erasure, Some(blank.seq), message);
                continue;
            };
            let task = said.task.and_then(|task| i64::try_from(task.0).ok());
            let same = blank.columns.as_ref().is_none_or(|(at, kind, known, nobody)| {
                *at == said.at.0 && *kind == said.kind && *known == task && *nobody
            });
            if !same {
                let message = "the store files it under another time, kind or task than the record of its erasure says";
                self.findings.add(Trouble::Columns, Some(blank.seq), message);
            }
        }
        for said in self.erased.values() {
            let task = said.task.map(|task| task.to_string());
            self.unfinished.see_erased(said.seq, &said.kind, task.as_deref());
        }
    }

    /// The keys that count: those named, and unless a person named them, those that they took over from on record.
    fn trusted(&self) -> Vec<VerifierKey> {
        let mut keys = self.setup.keys.clone();
        if self.setup.only_these_keys {
            return keys;
        }
        for (old, new) in self.key_changes.iter().rev() {
            let follows = keys.iter().any(|key| key.to_string() == *new);
            let old = old.as_ref().and_then(|old| old.parse().ok()).filter(|old| follows && !keys.contains(old));
            keys.extend(old);
        }
        keys
    }

    fn check_heads(&mut self, keys: &[VerifierKey]) {
        let mut number = 0;
        for (index, stored) in self.setup.heads.iter().enumerate() {
            number += 1;
            if stored.number != number {
                let message = format!("head {number} is missing: the next one is {}", stored.number);
                self.findings.add(Trouble::HeadMissing, None, message);
                number = stored.number;
            }
            let Ok(note) = Note::parse(&stored.note) else { continue };
            if let Err(error) = note.verify(keys) {
                let message = format!("the stored head {number}, of {} records: {error}", stored.size);
                self.findings.add(Trouble::Signature, None, message);
            }
            let Ok(head) = Head::parse(&note.text) else { continue };
            let same = head.size == stored.size
                && head.root.0.as_slice() == stored.root
                && head.number() == u64::try_from(stored.number).ok()
                && head.at() == Some(Time(stored.at))
                && self.setup.origin.as_ref().is_none_or(|origin| *origin == head.origin);
            if !same {
                let message = format!("the stored head {number} is filed under something else than its note says");
                self.findings.add(Trouble::Head, None, message);
            }
            if self.differs.contains(&Which::Stored(index)) {
                let message = format!(
                    "the stored head {number}, of {} records, knows other records than the log holds",
                    stored.size
                );
                self.findings.add(Trouble::Head, None, message);
            }
        }
    }

    fn check_kept(&mut self, keys: &[VerifierKey], records: u64) -> Vec<Kept> {
        let mut all = Vec::new();
        for (index, kept) in self.setup.kept.iter().enumerate() {
            let Ok(note) = Note::parse(&kept.note) else { continue };
            let Ok(head) = Head::parse(&note.text) else { continue };
            let (from, size) = (&kept.from, head.size);
            let when = head.at().map(|at| format!(" (made {at})")).unwrap_or_default();
            let mut holds = false;
            if let Err(error) = note.verify(keys) {
                self.findings.add(Trouble::Signature, None, format!("the head in {from}: {error}"));
            } else if self.setup.origin.as_ref().is_some_and(|origin| *origin != head.origin) {
                let message = format!("the head in {from} is of another log, `{}`", head.origin);
                self.findings.add(Trouble::Signature, None, message);
            } else if size > records {
                let message = format!(
                    "the head in {from}{when} knows {size} records and the log holds {records}: its end was cut off, or \
                     the store was put back to an older copy"
                );
                self.findings.add(Trouble::Cut, None, message);
            } else if self.differs.contains(&Which::Kept(index)) {
                let message = format!(
                    "the head in {from}{when} knows other records 1 to {size} than the log holds: they were rewritten"
                );
                self.findings.add(Trouble::Rewritten, None, message);
            } else if !self.whole && size > self.edge.size() {
                let message =
                    format!("the head in {from}{when} cannot be compared, since records before {size} are missing");
                self.findings.add(Trouble::Rewritten, None, message);
            } else {
                holds = true;
            }
            all.push(Kept { from: from.clone(), size, at: head.at(), holds });
        }
        all
    }
}
