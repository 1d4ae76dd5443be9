//! What a phase may write: its `writes`, else what its rules say.

use super::pattern::{Pattern, Reach};
use super::place::{Place, normal};
use super::target::Target;
use crate::policy::judge::Around;
use crate::policy::rule::{Rule, RuleList, ToolPattern};

/// What may be written in a phase, as patterns of gitignore from the folder of the workflow file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writes {
    Everywhere,
    Only(Vec<String>),
    Nowhere,
}

impl Writes {
    /// All of them; nothing where there is no bound.
    pub fn patterns(self) -> Option<Vec<String>> {
        match self {
            Self::Everywhere => None,
            Self::Only(patterns) => Some(patterns),
            Self::Nowhere => Some(Vec::new()),
        }
    }
}

/// `writes` of a phase, else everything where a bare rule lets files be written, else the paths of its `Edit` rules.
pub fn effective_writes(writes: Option<&[String]>, allow: &[String]) -> Writes {
    if let Some(writes) = writes {
        return if writes.is_empty() { Writes::Nowhere } else { Writes::Only(writes.to_vec()) };
    }
    let rules = allow.iter().filter_map(|text| Rule::parse(text).ok());
    let rules: Vec<Rule> = rules.filter(|rule| rule.grants_nothing(RuleList::Allow).is_none()).collect();
    let named = |rule: &Rule, names: &[&str]| match &rule.tool {
        ToolPattern::Name(name) => names.contains(&name.as_str()),
        ToolPattern::Server(_) | ToolPattern::Glob(_) => false,
    };
    if rules.iter().any(|rule| rule.spec.is_none() && named(rule, &["Edit", "Write", "MultiEdit"])) {
        return Writes::Everywhere;
    }
    let specs = rules.into_iter().filter(|rule| named(rule, &["Edit"])).filter_map(|rule| rule.spec);
    let specs: Vec<String> = specs.filter(|spec| !spec.trim_start().starts_with('!')).collect();
    if specs.is_empty() { Writes::Nowhere } else { Writes::Only(specs) }
}

/// Whether these patterns, read from `around.root`, cover a path: as written and where it leads. One that begins with `!`
/// takes out what it covers, wherever it stands.
pub fn writes_cover(writes: &[String], path: &str, around: &Around) -> bool {
    // Relative paths start where the agent is, patterns where the workflow file is.
    let absolute =
        if path.starts_with(['/', '~']) { path.to_owned() } else { normal(&format!("{}/{path}", around.cwd)) };
    let from_root = Around { cwd: around.root.clone(), base: None, ..around.clone() };
    let place = Place::of(&absolute, &from_root);
    if place.doubt.is_some() {
        return false;
    }
    let (out, within): (Vec<&String>, Vec<&String>) = writes.iter().partition(|text| text.starts_with('!'));
    let target = Target::of(&place, &from_root);
    let covered = |names: &Vec<&str>| within.iter().any(|text| Pattern::read(text).covers_spelling(names, &target));
    target.spellings.iter().all(covered) && !out.iter().any(|text| Pattern::read(text).covers(Reach::Wide, &target))
}
