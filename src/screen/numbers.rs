//! Personal numbers of digits and what stands between them: phones, cards, and numbers of states. A number without a check
//! digit must be written as people write it; a bare one is any number.

use std::ops::Range;

use super::{Finding, FlagKind, before, byte, checks, is_word};

/// The longest number is a card of 19 digits in groups.
const SIGNS_MAX: usize = 32;
const GROUPS_MAX: usize = 8;
/// Signs between two groups, as in ` / `.
const GAP_MAX: usize = 3;

/// A run of digits in groups.
struct Number<'b> {
    text: &'b [u8],
    digits: Vec<u8>,
    /// How many digits stand in each group, and what stands between the groups.
    groups: Vec<usize>,
    between: Vec<&'b [u8]>,
    plus: bool,
}

pub(super) fn find<'s>(bytes: &[u8], taken: impl Fn(&Range<usize>) -> bool, found: &mut Vec<Finding<'s>>) {
    let mut at = 0;
    while let Some(skipped) = bytes.get(at..).and_then(|rest| rest.iter().position(u8::is_ascii_digit)) {
        let first = at + skipped;
        at = first + group(bytes, first);
        let plus = before(bytes, first) == b'+';
        let opened = before(bytes, first) == b'(';
        let start = first - usize::from(plus || opened);
        if is_joined(before(bytes, start), start.checked_sub(2).map_or(0, |at| byte(bytes, at))) {
            continue;
        }
        // The longest first, since a number may be followed by another that does not belong to it.
        for end in ends(bytes, first).into_iter().rev() {
            let goes_on = is_joined(byte(bytes, end), byte(bytes, end + 1));
            let Some(text) = bytes.get(start..end).filter(|text| !goes_on && text.len() <= SIGNS_MAX) else { continue };
            if let Some(rule) = Number::read(text, plus).rule().filter(|_| !taken(&(start..end))) {
                let start = if opened && !text.contains(&b')') { first } else { start };
                found.push(Finding::sure(FlagKind::Personal, rule, start..end));
                at = end;
                break;
            }
        }
    }
}

/// Whether the sign beside a number, and the one beyond it, make it a part of something longer.
fn is_joined(beside: u8, beyond: u8) -> bool {
    is_word(beside) || (matches!(beside, b'.' | b'-' | b'/' | b':') && beyond.is_ascii_digit())
}

fn group(bytes: &[u8], from: usize) -> usize {
    bytes.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Where a number that begins here could end: behind each of the next groups.
fn ends(bytes: &[u8], first: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = first;
    while ends.len() < GROUPS_MAX && at - first <= SIGNS_MAX {
        let end = at + group(bytes, at);
        if end == at {
            break;
        }
        ends.push(end);
        let gap = bytes.get(end..).unwrap_or_default().iter().take(GAP_MAX + 1);
        at = end + gap.take_while(|byte| matches!(byte, b' ' | b'-' | b'.' | b'(' | b')' | b'/')).count();
        if at - end > GAP_MAX {
            break;
        }
    }
    ends
}

impl<'b> Number<'b> {
    fn read(text: &'b [u8], plus: bool) -> Self {
        let digits = text.iter().copied().filter(u8::is_ascii_digit).collect();
        let groups = text.split(|byte| !byte.is_ascii_digit()).map(<[u8]>::len).filter(|length| *length > 0).collect();
        let inner = text.strip_prefix(b"+").or_else(|| text.strip_prefix(b"(")).unwrap_or(text);
        let between = inner.split(u8::is_ascii_digit).filter(|signs| !signs.is_empty()).collect();
        Self { text, digits, groups, between, plus }
    }

    fn all_between(&self, sign: &[u8]) -> bool {
        self.between.iter().all(|between| *between == sign)
    }

    fn is_bare(&self) -> bool {
        self.between.is_empty()
    }

    fn rule(&self) -> Option<&'static str> {
        if self.plus {
            return self.is_international().then_some("phone");
        }
        let count = self.digits.len();
        let even = self.is_bare() || self.all_between(b" ") || self.all_between(b"-");
        if even && (13..=19).contains(&count) && self.is_in_card_groups() && checks::card(&self.digits) {
            return Some("card");
        }
        let spaced = self.is_bare() || self.all_between(b" ");
        if spaced && count == 15 && checks::nir(&self.digits) {
            return Some("nir");
        }
        if spaced && count == 11 && checks::steuer_id(&self.digits) {
            return Some("steuer_id");
        }
        if self.groups == [3, 2, 4] && (self.all_between(b"-") || self.all_between(b" ")) && checks::ssn(&self.digits) {
            return Some("ssn");
        }
        (self.is_north_american() || self.is_national()).then_some("phone")
    }

    fn is_in_card_groups(&self) -> bool {
        let fours = self.groups.split_last().is_some_and(|(_, rest)| rest.iter().all(|length| *length == 4));
        self.is_bare() || fours || self.groups == [4, 6, 5] || self.groups == [4, 6, 4]
    }

    /// A country's number first; in North America the rest is ten digits of a plan.
    fn is_international(&self) -> bool {
        let plain = self.between.iter().all(|between| {
            matches!(*between, b" " | b"-" | b"." | b"/" | b"(" | b")" | b" (" | b") " | b"(0" | b")-" | b" -")
        });
        match self.digits.split_first() {
            Some((b'1', rest)) => plain && is_north_american_plan(rest),
            Some((b'2'..=b'9', _)) => plain && (9..=15).contains(&self.digits.len()),
            _ => false,
        }
    }

    fn is_north_american(&self) -> bool {
        let bracket = self.text.first() == Some(&b'(');
        let signs: [&[u8]; 2] = if bracket { [b") ", b"-"] } else { [b"-", b"-"] };
        let tight: [&[u8]; 2] = [b")", b"-"];
        let placed = self.between == signs || (bracket && self.between == tight);
        self.groups == [3, 3, 4] && placed && is_north_american_plan(&self.digits)
    }

    /// A leading 0 and groups, as in much of Europe.
    fn is_national(&self) -> bool {
        let Some((first, rest)) = self.groups.split_first() else { return false };
        let leads = self.digits.first() == Some(&b'0') && self.digits.get(1).is_some_and(|second| *second != b'0');
        let plain = self.between.iter().all(|between| matches!(*between, b" " | b"-" | b"/" | b" / " | b" - "));
        let long = (10..=12).contains(&self.digits.len());
        leads && plain && long && (2..=5).contains(first) && !rest.is_empty() && rest.iter().all(|length| *length >= 2)
    }
}

fn is_north_american_plan(digits: &[u8]) -> bool {
    let begins = |at: usize| digits.get(at).is_some_and(|digit| (b'2'..=b'9').contains(digit));
    digits.len() == 10 && begins(0) && begins(3)
}
