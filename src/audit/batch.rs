//! Rows of the log on their way from the thread that reads them to the one that hashes them, with their tiles.

use super::hash::Hash;
use super::tree::WIDTH;

/// What became of a record's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    Kept(&'a [u8]),
    /// A person erased it; an export still names its leaf.
    Erased(Option<Hash>),
    /// The store holds something that is no text.
    Unreadable,
}

/// What the store is searched by: must say the same as the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns<'a> {
    pub at: Option<i64>,
    pub kind: &'a str,
    pub task: Option<i64>,
    pub agent: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub seq: i64,
    pub content: Content<'a>,
    /// An export has none.
    pub columns: Option<Columns<'a>>,
}

struct Row {
    seq: i64,
    at: Option<i64>,
    task: Option<i64>,
    kind_bytes: usize,
    agent_bytes: usize,
    /// None: unreadable.
    body_bytes: Option<usize>,
}

#[derive(Default)]
pub struct Batch {
    rows: Vec<Row>,
    /// Kind, agent and body of one row after the other.
    bytes: Vec<u8>,
    leaves: Vec<(u64, Vec<Hash>)>,
}

impl Batch {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn last(&self) -> Option<i64> {
        self.rows.last().map(|row| row.seq)
    }

    pub fn push(&mut self, seq: i64, columns: Columns<'_>, body: Option<&str>) {
        let Columns { at, kind, task, agent } = columns;
        for text in [kind, agent, body.unwrap_or_default()] {
            self.bytes.extend_from_slice(text.as_bytes());
        }
        let (kind_bytes, agent_bytes, body_bytes) = (kind.len(), agent.len(), body.map(str::len));
        self.rows.push(Row { seq, at, task, kind_bytes, agent_bytes, body_bytes });
    }

    /// A tile of leaves, by rising position.
    pub fn tile(&mut self, position: u64, hashes: Vec<Hash>) {
        self.leaves.push((position, hashes));
    }

    /// The leaf that was sealed for a record.
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        let position = index / WIDTH as u64;
        let at = self.leaves.binary_search_by_key(&position, |(position, _)| *position).ok()?;
        let (_, hashes) = self.leaves.get(at)?;
        hashes.get(usize::try_from(index % WIDTH as u64).ok()?).copied()
    }

    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut at = 0;
        let mut next = move |bytes: usize| {
            let part = self.bytes.get(at..at + bytes).unwrap_or_default();
            at += bytes;
            part
        };
        self.rows.iter().map(move |row| {
            let kind = std::str::from_utf8(next(row.kind_bytes)).unwrap_or_default();
            let agent = std::str::from_utf8(next(row.agent_bytes)).unwrap_or_default();
            let content = match row.body_bytes {
                None => Content::Unreadable,
                Some(0) => Content::Erased(None),
                Some(bytes) => Content::Kept(next(bytes)),
            };
            Record { seq: row.seq, content, columns: Some(Columns { at: row.at, kind, task: row.task, agent }) }
        })
    }
}
