//! Findings without their values: counted by kind and rule, for a record, an answer or a refusal.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Finding, FlagKind, Screen, redact, values};
use crate::domain::flag::Flag;

/// More rules than this in one text say no more than that it is full of findings.
const FLAGS_MAX: usize = 20;

type Counts = BTreeMap<(FlagKind, String), u32>;

impl Screen {
    pub fn flags(&self, text: &str) -> Vec<Flag> {
        let mut counts = Counts::new();
        self.count(text, &mut counts);
        listed(counts)
    }

    /// The same for a JSON value, whose keys say what its strings are.
    pub fn flags_of(&self, value: &Value) -> Vec<Flag> {
        let mut counts = Counts::new();
        redact::strings(value, false, &mut |key, text| {
            let named = values::names_a_secret(key).is_some_and(|strict| values::can_be_secret(text, strict, true));
            if named {
                *counts.entry((FlagKind::Secret, "assigned".to_owned())).or_default() += 1;
            } else {
                self.count(text, &mut counts);
            }
        });
        listed(counts)
    }

    fn count(&self, text: &str, counts: &mut Counts) {
        let found = self.find(text);
        for finding in &found {
            // What has a name is not counted again for looking random.
            let named = |other: &Finding<'_>| {
                other.rule != finding.rule && other.at.start < finding.at.end && finding.at.start < other.at.end
            };
            if finding.rule == "random" && found.iter().any(named) {
                continue;
            }
            let count = counts.entry((finding.kind, finding.rule.to_owned())).or_default();
            *count = count.saturating_add(1);
        }
    }
}

fn listed(counts: Counts) -> Vec<Flag> {
    counts.into_iter().take(FLAGS_MAX).map(|((kind, rule), count)| Flag { kind, rule, count }).collect()
}
