//! Rules of the form `Tool(param:value)`: they look at one plain field of a call, and only to refuse or to ask.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use super::glob::{Glob, Pairs};
use super::judge::RuleSet;
use super::names;
use super::rule::{Rule, RuleList, glob_matches};

/// The field that a tool's brackets are about anyway.
fn primary(tool: &str) -> &'static str {
    match tool {
        "Bash" | "PowerShell" | "Monitor" | "SlashCommand" => "command",
        "Read" | "Edit" | "MultiEdit" | "Write" => "file_path",
        "NotebookEdit" | "NotebookRead" => "notebook_path",
        // What is searched for is a field like any other; the brackets are about where.
        "Grep" | "Glob" | "LS" => "path",
        "WebFetch" => "url",
        _ => "",
    }
}

/// The fields of one call, each read once for all rules that look at it.
pub struct Fields<'i> {
    input: &'i Value,
    pairs: RefCell<BTreeMap<String, Rc<Pairs>>>,
}

/// Shorter texts are searched as quickly as their letters are counted.
const LONG_BYTES: usize = 256;

impl<'i> Fields<'i> {
    pub fn of(input: &'i Value) -> Self {
        Self { input, pairs: RefCell::default() }
    }

    /// The field that a rule looks at and what it wants there, where the call has it.
    fn looked_at<'r>(&self, rule: &'r Rule, list: RuleList, tool: &str) -> Option<(&'r str, &'i Value, &'r str)> {
        let (field, wanted) = rule.spec.as_deref()?.split_once(':')?;
        let field = field.trim();
        if list == RuleList::Allow || field == primary(tool) {
            return None;
        }
        let value = self.input.get(field)?;
        names::pattern_covers(&rule.tool, list, tool).then_some((field, value, wanted.trim()))
    }

    pub fn hold(&self, rule: &Rule, list: RuleList, tool: &str) -> bool {
        let Some((field, value, wanted)) = self.looked_at(rule, list, tool) else { return false };
        match value {
            Value::Null => glob_matches(wanted, "null"),
            Value::Bool(value) => glob_matches(wanted, if *value { "true" } else { "false" }),
            Value::Number(number) => {
                let same = wanted.parse::<f64>().is_ok_and(|wanted| number.as_f64() == Some(wanted));
                same || glob_matches(wanted, &number.to_string())
            }
            Value::String(text) => {
                let glob = Glob::read(wanted);
                if text.len() > LONG_BYTES && !self.pairs_of(field, text).hold(&glob.needs) {
                    return false;
                }
                let trimmed = text.trim();
                glob.fits(text) || trimmed.len() < text.len() && glob.fits(trimmed)
            }
            Value::Array(_) | Value::Object(_) => false,
        }
    }

    fn pairs_of(&self, field: &str, text: &str) -> Rc<Pairs> {
        if let Some(known) = self.pairs.borrow().get(field) {
            return Rc::clone(known);
        }
        let pairs = Rc::new(Pairs::of(text));
        self.pairs.borrow_mut().insert(field.to_owned(), Rc::clone(&pairs));
        pairs
    }

    /// The first rule that looks at a field which is not a plain value.
    pub fn unsure<'r>(&self, rules: &'r RuleSet, tool: &str) -> Option<&'r Rule> {
        let is = |list| {
            move |rule: &&Rule| {
                self.looked_at(rule, list, tool).is_some_and(|(_, value, _)| value.is_array() || value.is_object())
            }
        };
        rules.deny.iter().find(is(RuleList::Deny)).or_else(|| rules.ask.iter().find(is(RuleList::Ask)))
    }
}
