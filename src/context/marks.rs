//! What stands where something went: how many lines, or which, so that they can be asked for, and inside a line which bytes. The
//! cost of a mark counts against the budget.

use std::ops::Range;

use super::tokens;

/// How a gap is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// How many lines: where the whole text is at hand anyway.
    Counts,
    /// Which lines, by their numbers in the whole text: what the handle is asked for.
    Lines,
}

/// One run of what went, by the numbers of its lines from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    pub first_line: usize,
    pub last_line: usize,
}

/// A gap of fewer lines is told by three dots alone.
pub const TOLD_FROM: usize = 5;
/// Bytes of a gap inside a line whose place is told: less costs no more than four such marks.
const BYTES_TOLD_FROM: usize = 200;

impl Gap {
    pub fn lines(self) -> usize {
        self.last_line + 1 - self.first_line
    }
}

impl Marks {
    /// The mark of whole lines.
    pub fn text(self, gap: Gap) -> String {
        match self {
            _ if gap.lines() < TOLD_FROM => "...\n".to_owned(),
            Self::Counts => format!("[...{}]\n", gap.lines()),
            Self::Lines => format!("[...{}-{}]\n", gap.first_line, gap.last_line),
        }
    }

    /// The mark inside a line: which bytes of the whole went, counted from 1, where it is worth the telling.
    pub fn inline(self, bytes: &Range<usize>) -> String {
        match self {
            Self::Lines if bytes.len() >= BYTES_TOLD_FROM => format!("[...bytes {}-{}] ", bytes.start + 1, bytes.end),
            Self::Lines | Self::Counts => "[...] ".to_owned(),
        }
    }

    /// What that costs, with the end of the line behind it.
    pub fn inline_weight(self, bytes: &Range<usize>) -> f64 {
        tokens::weigh(&self.inline(bytes)) + tokens::weigh("\n")
    }

    /// What a mark of a text of so many lines costs at most, in tokens.
    pub fn weight_max(self, lines: usize, told: bool) -> f64 {
        let gap = if told {
            Gap { first_line: 1, last_line: lines.max(TOLD_FROM) }
        } else {
            Gap { first_line: 1, last_line: 1 }
        };
        let widest = match self {
            Self::Lines if told => format!("[...{lines}-{lines}]\n"),
            Self::Lines | Self::Counts => self.text(gap),
        };
        tokens::weigh(&widest)
    }
}
