//! What a check of the log found, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::domain::ids::Time;

/// Findings of one kind that are told one by one; the others are counted.
const TOLD_MAX: u64 = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// A number is missing or stands twice.
    Gap,
    /// The content is not what was sealed.
    Edited,
    Columns,
    Erasure,
    Tile,
    Head,
    HeadMissing,
    Signature,
    /// Records that a head knows are gone from the end.
    Cut,
    /// A head that was kept elsewhere knows another log.
    Rewritten,
    /// A start without an outcome.
    Unfinished,
    /// An approval that was used without a yes, or twice.
    Approval,
}

impl Trouble {
    pub fn word(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Edited => "edited",
            Self::Columns => "columns",
            Self::Erasure => "erasure",
            Self::Tile => "tile",
            Self::Head => "head",
            Self::HeadMissing => "head_missing",
            Self::Signature => "signature",
            Self::Cut => "cut",
            Self::Rewritten => "rewritten",
            Self::Unfinished => "unfinished",
            Self::Approval => "approval",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub trouble: Trouble,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seq {
            Some(seq) => write!(f, "record {seq}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Findings {
    told: Vec<Finding>,
    counts: BTreeMap<Trouble, u64>,
}

impl Findings {
    pub fn add(&mut self, trouble: Trouble, seq: Option<u64>, message: impl Into<String>) {
        let count = self.counts.entry(trouble).or_default();
        *count += 1;
        if *count <= TOLD_MAX {
            self.told.push(Finding { trouble, seq, message: message.into() });
        }
    }
}

/// A head that was kept elsewhere and was given to the check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    pub from: String,
    pub size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    pub holds: bool,
}

/// Where a head was sent, as the store itself says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Anchor {
    pub size: u64,
    pub place: String,
    pub at: Time,
}

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub records: u64,
    /// Records under a signed head of the store.
    pub sealed: u64,
    pub heads: u64,
    pub erased: u64,
    /// Records shown to be as they were by heads that were kept elsewhere: 1 to this one.
    pub anchored: u64,
    pub kept: Vec<Kept>,
    /// The newest for each place.
    pub anchors: Vec<Anchor>,
    pub findings: Vec<Finding>,
    /// Findings of each kind, those that are not told one by one among them.
    pub counts: BTreeMap<Trouble, u64>,
}

impl Report {
    pub fn with(mut self, findings: Findings) -> Self {
        self.findings = findings.told;
        self.findings.sort_by_key(|finding| (finding.trouble, finding.seq));
        self.counts = findings.counts;
        self
    }

    pub fn is_well(&self) -> bool {
        self.counts.is_empty()
    }

    pub fn text(&self) -> String {
        let mut lines = vec![self.first_line()];
        lines.extend(self.findings.iter().map(|finding| format!("  {}", finding.to_string().replace('\n', " "))));
        for (trouble, count) in &self.counts {
            if *count > TOLD_MAX {
                lines.push(format!("  and {} more of the kind `{}`", count - TOLD_MAX, trouble.word()));
            }
        }
        if self.erased > 0 {
            lines.push(format!(
                "{} by a person; numbers and hashes are in place",
                plural(self.erased, "record was erased", "records were erased")
            ));
        }
        lines.extend(self.limits());
        lines.join("\n")
    }

    fn first_line(&self) -> String {
        let records = plural(self.records, "record", "records");
        if !self.is_well() {
            let count = self.counts.values().sum();
            return format!("{records}, {}:", plural(count, "finding", "findings"));
        }
        let Some(kept) = self.kept.iter().max_by_key(|kept| kept.size) else {
            return match self.heads {
                0 => format!("{records}, numbered without gaps; none is under a head yet"),
                heads => format!(
                    "{records}, complete and unchanged as far as the log's own {}",
                    if heads == 1 { "head tells".to_owned() } else { format!("{} heads tell", grouped(heads)) }
                ),
            };
        };
        let date = kept.at.map_or_else(|| format!("of size {}", kept.size), |at| format!("kept on {}", day(at)));
        let rest = self.records.saturating_sub(self.anchored);
        let rest = match rest {
            0 => String::new(),
            1 => "; the last record is not yet anchored elsewhere".to_owned(),
            _ => format!("; last {} records not yet anchored elsewhere", grouped(rest)),
        };
        format!("{records}, complete and unchanged since the head {date}{rest}")
    }

    /// What was not proved, and how it could be.
    fn limits(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match self.records.saturating_sub(self.sealed) {
            // An export brings no heads of its own.
            _ if self.heads == 0 => {}
            0 => {}
            1 => lines.push("the last record is under no head yet; `phasegate audit head` seals it".to_owned()),
            count => lines.push(format!(
                "the last {} records are under no head yet; `phasegate audit head` seals them",
                grouped(count)
            )),
        }
        if self.kept.is_empty() {
            lines.push(
                "not proved: no head kept elsewhere was given, and whoever can write the store can rewrite all of it, \
                 heads included; `phasegate audit publish --to …` keeps heads, `--from FILE` checks against them"
                    .to_owned(),
            );
        } else if self.anchored < self.sealed && self.is_well() {
            let which = match (self.anchored + 1, self.sealed) {
                (first, last) if first == last => format!("record {last} is"),
                (first, last) => format!("records {first} to {last} are"),
            };
            lines.push(format!(
                "{which} unchanged as far as the log's own heads tell, which whoever can write the store can rewrite"
            ));
        }
        for anchor in self.anchors.iter().filter(|anchor| anchor.size > self.anchored) {
            lines.push(format!(
                "a head of {} was sent to {} on {}; give it with `--from` to check against it",
                plural(anchor.size, "record", "records"),
                anchor.place,
                day(anchor.at)
            ));
        }
        lines
    }
}

fn day(at: Time) -> String {
    at.to_string().chars().take(10).collect()
}

fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// `10482113` as `10,482,113`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (10_482_113, "10,482,113")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_flood_of_one_kind_does_not_hide_another() {
        let mut findings = Findings::default();
        (1..=1000).for_each(|seq| findings.add(Trouble::Edited, Some(seq), "changed"));
        findings.add(Trouble::Signature, None, "forged");
        let report = Report {
            records: 1000,
            sealed: 1000,
            heads: 1,
            erased: 0,
            anchored: 0,
            kept: Vec::new(),
            anchors: Vec::new(),
            findings: Vec::new(),
            counts: BTreeMap::new(),
        };
        let text = report.with(findings).text();
        assert!(text.starts_with("1,000 records, 1,001 findings:\n"), "{text}");
        assert!(text.contains("and 980 more of the kind `edited`") && text.contains("forged"), "{text}");
    }
}
