//! Token use out of the transcripts that clients write: bytes in, usage out. Lines that hold none are skipped without being
//! parsed. Opening files and remembering how far they were read is not here (`engine`).

mod claude_code;
mod codex;
pub mod pairs;

use std::collections::HashMap;

use memchr::{memchr, memmem, memrchr};

use crate::domain::spending::{Limit, Usage};

pub use claude_code::resets_at;

/// Whose transcript it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    ClaudeCode,
    Codex,
}

impl Format {
    /// By the name of the client; nothing for those whose transcripts phasegate cannot read.
    pub fn of_client(name: &str) -> Option<Self> {
        match name {
            "claude-code" => Some(Self::ClaudeCode),
            "codex" => Some(Self::Codex),
            _ => None,
        }
    }
}

/// What a piece of a transcript held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Each answer once, in order of its first line.
    pub used: Vec<Usage>,
    /// The last word on a limit, unless an answer came after it.
    pub limit: Option<Limit>,
    /// Bytes of whole lines. What is behind them is read again when its line is complete.
    pub consumed: usize,
    /// What the next piece has to know of this one.
    pub carried: String,
}

/// Reads the whole lines at the start of `bytes`; `carried` is what the piece before gave.
pub fn read(format: Format, bytes: &[u8], carried: &str) -> Reading {
    let consumed = memrchr(b'\n', bytes).map_or(0, |last| last + 1);
    let whole = bytes.get(..consumed).unwrap_or_default();
    let mut found = Found { carried: carried.to_owned(), ..Found::default() };
    match format {
        Format::ClaudeCode => lines(whole, &claude_code::MARKS, |line| claude_code::line(line, &mut found)),
        Format::Codex => lines(whole, &codex::MARKS, |line| codex::line(line, &mut found)),
    }
    Reading { used: found.used, limit: found.limit, consumed, carried: found.carried }
}

#[derive(Default)]
struct Found {
    used: Vec<Usage>,
    by_id: HashMap<String, usize>,
    limit: Option<Limit>,
    carried: String,
}

impl Found {
    /// An answer is written once for each of its parts, and grows: the last report counts.
    fn usage(&mut self, usage: Usage) {
        self.limit = None;
        match self.by_id.get(&usage.id).and_then(|known| self.used.get_mut(*known)) {
            Some(known) => *known = Usage { tokens: known.tokens.most(usage.tokens), ..usage },
            None => {
                self.by_id.insert(usage.id.clone(), self.used.len());
                self.used.push(usage);
            }
        }
    }
}

/// Every line that holds one of the marks, once and in order. A mark is JSON text with bare quotes, which inside a string
/// would be escaped, so text that an agent wrote does not hold one.
fn lines(whole: &[u8], marks: &[&str], mut each: impl FnMut(&[u8])) {
    let finders: Vec<_> = marks.iter().map(|mark| memmem::Finder::new(mark.as_bytes())).collect();
    let mut next: Vec<Option<usize>> = finders.iter().map(|finder| finder.find(whole)).collect();
    while let Some(hit) = next.iter().flatten().min().copied() {
        let start = whole.get(..hit).and_then(|before| memrchr(b'\n', before)).map_or(0, |end| end + 1);
        let end = whole.get(hit..).and_then(|rest| memchr(b'\n', rest)).map_or(whole.len(), |length| hit + length);
        each(whole.get(start..end).unwrap_or_default());
        for (finder, at) in finders.iter().zip(&mut next) {
            if at.is_some_and(|at| at < end) {
                *at = whole.get(end..).and_then(|rest| finder.find(rest)).map(|found| end + found);
            }
        }
    }
}

#[cfg(test)]
mod tests;
