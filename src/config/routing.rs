//! `[routing]`: how a user wants models to be chosen. Only in the user's own file: agents can write a project's. What the
//! numbers mean is in `docs/routing.md`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::preference::{Preferences, Scoring, Weights};

/// A score goes from 1 to 10.
const POINTS: std::ops::RangeInclusive<f64> = 0.0..=10.0;
const WEIGHT: std::ops::RangeInclusive<f64> = 0.0..=5.0;
const TYPES_MAX: usize = 100;
const TYPE_CHARS_MAX: usize = 40;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoutingTable {
    /// Choose models for tasks unasked. Default: true.
    pub automatic: Option<bool>,
    /// Whether models on your own machine come before others. Default: never.
    pub local: Option<Local>,
    /// Try another tier now and then, where gates see failures. Default: false.
    pub explore: Option<bool>,
    /// For exploring: the same seed and work give the same tier.
    pub seed: Option<u64>,
    /// Take whoever is told a model to have used it. Default: false.
    pub assume_followed: Option<bool>,
    /// The score from which on work goes to the base tier. Default: 3.5.
    #[schemars(range(min = 0, max = 10))]
    pub base_from: Option<f64>,
    /// The score from which on work goes to the strong tier. Default: 6.5.
    #[schemars(range(min = 0, max = 10))]
    pub strong_from: Option<f64>,
    /// Points that a task type starts from.
    #[serde(default)]
    pub points: BTreeMap<String, f64>,
    pub weights: Option<WeightTable>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Local {
    Never,
    First,
}

/// What the points of a factor are multiplied by. Default: 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightTable {
    #[schemars(range(min = 0, max = 5))]
    pub context: Option<f64>,
    #[schemars(range(min = 0, max = 5))]
    pub files: Option<f64>,
    #[schemars(range(min = 0, max = 5))]
    pub risk: Option<f64>,
}

pub fn checked(table: &RoutingTable) -> Result<Preferences, String> {
    let usual = Preferences::default();
    let scoring = scoring(table)?;
    if table.seed.is_some() && table.explore != Some(true) {
        return Err(
            "`routing.seed` does nothing without `routing.explore = true`; set that too, or leave it out".to_owned()
        );
    }
    Ok(Preferences {
        automatic: table.automatic.unwrap_or(usual.automatic),
        local_first: table.local == Some(Local::First),
        explore: (table.explore == Some(true)).then(|| table.seed.unwrap_or(0)),
        assume_followed: table.assume_followed.unwrap_or(usual.assume_followed),
        scoring,
    })
}

fn scoring(table: &RoutingTable) -> Result<Scoring, String> {
    let usual = Scoring::default();
    let within = |key: String, value: Option<f64>, range: &std::ops::RangeInclusive<f64>, otherwise: f64| match value {
        Some(value) if !range.contains(&value) => {
            Err(format!("`routing.{key}` is {value}; it goes from {} to {}", range.start(), range.end()))
        }
        value => Ok(value.unwrap_or(otherwise)),
    };
    let base_from = within("base_from".to_owned(), table.base_from, &POINTS, usual.base_from)?;
    let strong_from = within("strong_from".to_owned(), table.strong_from, &POINTS, usual.strong_from)?;
    if base_from > strong_from {
        return Err(format!(
            "`routing.base_from` is {base_from} and `routing.strong_from` is {strong_from}; the strong tier begins where \
             the base tier ends, so give it the larger number"
        ));
    }
    if table.points.len() > TYPES_MAX {
        return Err(format!("`routing.points` names {} types; at most {TYPES_MAX} fit", table.points.len()));
    }
    for (kind, points) in &table.points {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
        let begins = kind.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
        if !begins || kind.len() > TYPE_CHARS_MAX || !kind.bytes().all(plain) {
            let shown: String = kind.chars().take(TYPE_CHARS_MAX).collect();
            return Err(format!(
                "`routing.points` names `{shown}`, which no task type is called; write it as `bugfix`"
            ));
        }
        within(format!("points.{kind}"), Some(*points), &POINTS, 0.0)?;
    }
    let given = table.weights.clone().unwrap_or_default();
    let weight = |key: &str, value, otherwise| within(format!("weights.{key}"), value, &WEIGHT, otherwise);
    let weights = Weights {
        context: weight("context", given.context, usual.weights.context)?,
        files: weight("files", given.files, usual.weights.files)?,
        risk: weight("risk", given.risk, usual.weights.risk)?,
    };
    Ok(Scoring { base_from, strong_from, points: table.points.clone(), weights })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Preferences, String> {
        checked(&toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}")))
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        assert_eq!(read(""), Ok(Preferences::default()));
        let said =
            read("local = \"first\"\nexplore = true\nseed = 7\n[points]\nchore = 4\n[weights]\nrisk = 2").unwrap();
        assert!(said.automatic && said.local_first && !said.assume_followed);
        assert_eq!((said.explore, said.scoring.weights.risk, said.scoring.weights.files), (Some(7), 2.0, 1.0));
        assert_eq!(said.scoring.points.get("chore"), Some(&4.0));
    }

    #[test]
    fn a_number_that_cannot_be_is_named() {
        for (text, names) in [
            ("base_from = 11", "routing.base_from"),
            ("strong_from = nan", "routing.strong_from"),
            ("strong_from = 3", "larger number"),
            ("base_from = 7", "larger number"),
            ("seed = 7", "routing.explore"),
            ("[points]\nfeature = -1", "routing.points.feature"),
            ("[points]\n\"Big Thing\" = 1", "no task type"),
            ("[weights]\nfiles = 6", "routing.weights.files"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(names), "{text}: {error}");
        }
    }
}
