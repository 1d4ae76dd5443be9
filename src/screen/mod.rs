//! Reading text that comes in: secrets, personal data, attempts to steer a model. Pure. What happens with a finding is
//! decided elsewhere.

mod checks;
mod entropy;
mod flags;
mod injection;
mod numbers;
mod personal;
mod prefilter;
pub mod redact;
pub mod rules;
mod secrets;
mod values;
mod words;

use std::ops::Range;

pub use crate::domain::flag::FlagKind;
use rules::{Custom, RuleError, RuleText};

/// Longer texts are read in pieces of this size, so that no rule ever sees more at once.
const WINDOW_BYTES: usize = 1 << 20;
/// What two pieces share: the longest thing a rule of ours looks for.
const OVERLAP_BYTES: usize = 16 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding<'s> {
    pub kind: FlagKind,
    pub rule: &'s str,
    pub at: Range<usize>,
    /// 1 to 3: how much it says. Only attempts to steer are weighed; the others count 3.
    pub weight: u8,
}

impl<'s> Finding<'s> {
    fn sure(kind: FlagKind, rule: &'s str, at: Range<usize>) -> Self {
        Self { kind, rule, at, weight: 3 }
    }
}

/// The rules in the binary and those of the settings.
#[derive(Debug, Default)]
pub struct Screen {
    custom: Vec<Custom>,
}

impl Screen {
    pub fn new(rules: &[RuleText]) -> Result<Self, RuleError> {
        Ok(Self { custom: rules::compile(rules)? })
    }

    /// Everything found, in the order of the text. Findings may overlap.
    pub fn find<'s>(&'s self, text: &str) -> Vec<Finding<'s>> {
        self.pieces(text, |piece, found| {
            if prefilter::worth_a_look(piece) {
                secrets::find(piece, found);
                personal::find(piece, found);
            }
            injection::find(piece, found);
            self.custom.iter().for_each(|rule| rule.find(piece, found));
        })
    }

    /// Only what a record must not hold: secrets and personal data.
    pub fn sensitive<'s>(&'s self, text: &str) -> Vec<Finding<'s>> {
        let custom = || self.custom.iter().filter(|rule| rule.redacts());
        self.pieces(text, |piece, found| {
            if prefilter::worth_a_look(piece) {
                secrets::find(piece, found);
                personal::find(piece, found);
            }
            custom().for_each(|rule| rule.find(piece, found));
        })
    }

    /// False: nothing of what `sensitive` finds is in the text or, for a serialized one, in its strings.
    fn may_hold_sensitive(&self, text: &str) -> bool {
        prefilter::worth_a_look(text) || self.custom.iter().any(Custom::redacts)
    }

    fn pieces<'s>(&'s self, text: &str, look: impl Fn(&str, &mut Vec<Finding<'s>>)) -> Vec<Finding<'s>> {
        let mut all = Vec::new();
        let mut start = 0;
        loop {
            let end = text.floor_char_boundary(start + WINDOW_BYTES);
            let Some(piece) = text.get(start..end) else { break };
            let known = all.len();
            look(piece, &mut all);
            for finding in all.iter_mut().skip(known) {
                finding.at = finding.at.start + start..finding.at.end + start;
            }
            if end >= text.len() {
                break;
            }
            start = text.floor_char_boundary(end - OVERLAP_BYTES);
        }
        all.retain(|finding| !finding.at.is_empty() && !redact::is_marked(text, &finding.at));
        all.sort_by(|a, b| (a.at.start, a.at.end, a.rule).cmp(&(b.at.start, b.at.end, b.rule)));
        all.dedup();
        all
    }
}

/// The byte at a place, or 0 outside the text, so that edges need no words of their own.
fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

fn before(bytes: &[u8], at: usize) -> u8 {
    at.checked_sub(1).map_or(0, |at| byte(bytes, at))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests;
