//! Rules that people add in their settings: a name, a pattern, a kind. Reading the settings is not here.

use std::ops::Range;

use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Finding;
use crate::domain::flag::FlagKind;

const RULES_MAX: usize = 50;
const NAME_CHARS_MAX: usize = 40;
const PATTERN_CHARS_MAX: usize = 500;
const COMPILED_BYTES_MAX: usize = 256 << 10;
/// A pattern that finds more than this in one piece says nothing by finding more.
const FOUND_MAX: usize = 10_000;

/// One `[[screen.rule]]` of a settings file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleText {
    pub name: String,
    /// A regular expression without look-around, as in `acme_[0-9a-f]{32}`.
    pub pattern: String,
    pub kind: RuleKind,
    /// False for a project's rules: agents can write those, and could hide in the record what they did.
    #[serde(skip)]
    pub users: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RuleKind {
    Secret,
    Personal,
    Injection,
}

impl RuleKind {
    fn flag(self) -> FlagKind {
        match self {
            Self::Secret => FlagKind::Secret,
            Self::Personal => FlagKind::Personal,
            Self::Injection => FlagKind::Injection,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RuleError(String);

#[derive(Debug)]
pub(super) struct Custom {
    name: String,
    kind: FlagKind,
    pattern: Regex,
    users: bool,
}

pub(super) fn compile(rules: &[RuleText]) -> Result<Vec<Custom>, RuleError> {
    if rules.len() > RULES_MAX {
        return Err(RuleError(format!("there are {} screen rules, more than {RULES_MAX}; join some", rules.len())));
    }
    rules.iter().map(one).collect()
}

fn one(rule: &RuleText) -> Result<Custom, RuleError> {
    let wrong = |why: String| RuleError(format!("screen rule `{}`: {why}", rule.name));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if rule.name.is_empty() || rule.name.len() > NAME_CHARS_MAX || !rule.name.chars().all(plain) {
        return Err(wrong(format!("a name is 1 to {NAME_CHARS_MAX} of a-z, 0-9, `_` and `-`")));
    }
    if rule.pattern.chars().count() > PATTERN_CHARS_MAX {
        return Err(wrong(format!("the pattern is longer than {PATTERN_CHARS_MAX} characters; split it")));
    }
    let pattern = RegexBuilder::new(&rule.pattern)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(COMPILED_BYTES_MAX * 4)
        .build()
        .map_err(|error| wrong(format!("the pattern cannot be used: {error}")))?;
    if pattern.is_match("") {
        return Err(wrong("the pattern fits an empty text, so it would find something everywhere".to_owned()));
    }
    Ok(Custom { name: rule.name.clone(), kind: rule.kind.flag(), pattern, users: rule.users })
}

impl Custom {
    pub(super) fn redacts(&self) -> bool {
        self.users && matches!(self.kind, FlagKind::Secret | FlagKind::Personal)
    }

    pub(super) fn find<'s>(&'s self, text: &str, found: &mut Vec<Finding<'s>>) {
        let hits = self.pattern.find_iter(text).take(FOUND_MAX);
        found.extend(hits.map(|hit| {
            let at: Range<usize> = hit.range();
            Finding::sure(self.kind, &self.name, at)
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, pattern: &str) -> RuleText {
        RuleText { name: name.to_owned(), pattern: pattern.to_owned(), kind: RuleKind::Secret, users: true }
    }

    #[test]
    fn rules_that_cannot_work_are_refused_with_the_reason() {
        for (name, pattern, says) in [
            ("Acme", "acme_[0-9]+", "a name is"),
            ("acme", "(", "cannot be used"),
            ("acme", "(?=x)x", "cannot be used"),
            ("acme", "a*", "empty text"),
            ("acme", "\\w{1000}{100}", "cannot be used"),
            ("acme", &"x".repeat(600), "longer than"),
        ] {
            let error = compile(&[rule(name, pattern)]).unwrap_err().to_string();
            assert!(error.contains(says), "{pattern}: {error}");
        }
        assert!(compile(&vec![rule("a", "b"); 51]).is_err());
    }
}
