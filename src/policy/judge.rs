//! One call and what is said about it by a set of rules. Where the rules come from and what follows is not here.

use std::collections::BTreeMap;

use super::rule::Rule;

/// The call's surroundings, looked up beforehand: a verdict reads no file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    pub cwd: String,
    pub home: Option<String>,
    /// The folder of the file that the rules stand in: where patterns that begin with `/` start.
    pub root: String,
    /// Where a path really leads, for paths with a symlink on the way; others lead to themselves.
    pub links: BTreeMap<String, String>,
    pub guard: Guard,
}

/// What is phasegate's own: agents keep off it whatever the rules say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Absolute paths of programs that are phasegate, beside any program of that name.
    pub programs: Vec<String>,
    /// Absolute folders and files of state, settings and keys, beside any folder `.phasegate`.
    pub paths: Vec<String>,
    /// Ports of this machine on which it listens.
    pub ports: Vec<u16>,
}

/// Rules by list, in the order of the files. Those that do not parse or grant nothing are not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSet {
    pub deny: Vec<Rule>,
    pub ask: Vec<Rule>,
    pub allow: Vec<Rule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allow,
    Ask,
    Deny,
    /// No rule decided.
    None,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub decision: Decision,
    /// As written.
    pub rule: Option<String>,
    pub reason: String,
    /// A shell command that could not be read for certain: what it does is not known.
    pub opaque: bool,
}

impl RuleSet {
    pub fn compile(_deny: &[String], _ask: &[String], _allow: &[String]) -> (Self, Vec<String>) {
        (Self::default(), Vec::new())
    }
}

pub fn judge(_rules: &RuleSet, _tool: &str, _input: &serde_json::Value, _around: &Around) -> Verdict {
    Verdict { decision: Decision::None, rule: None, reason: String::new(), opaque: false }
}

pub fn paths(_tool: &str, _input: &serde_json::Value, _around: &Around) -> Vec<String> {
    Vec::new()
}
