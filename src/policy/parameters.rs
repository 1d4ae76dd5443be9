//! Rules of the form `Tool(param:value)`: they look at one plain field of a call, and only to refuse or to ask.

use serde_json::Value;

use super::judge::RuleSet;
use super::names;
use super::rule::{Rule, RuleList, glob_matches};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    Yes,
    No,
    /// The field is there and is a list or an object.
    Unsure,
}

/// The field that a tool's brackets are about anyway.
fn primary(tool: &str) -> &'static str {
    match tool {
        "Bash" | "SlashCommand" => "command",
        "Read" | "Edit" | "MultiEdit" | "Write" => "file_path",
        "NotebookEdit" | "NotebookRead" => "notebook_path",
        "Grep" | "Glob" => "pattern",
        "WebFetch" => "url",
        "Skill" => "skill",
        _ => "",
    }
}

pub fn held(rule: &Rule, list: RuleList, tool: &str, input: &Value) -> Held {
    let Some((field, wanted)) = rule.spec.as_deref().and_then(|spec| spec.split_once(':')) else { return Held::No };
    let field = field.trim();
    if list == RuleList::Allow || field == primary(tool) || !names::pattern_covers(&rule.tool, list, tool) {
        return Held::No;
    }
    let wanted = wanted.trim();
    let fits = |text: &str| glob_matches(wanted, text);
    let held = match input.get(field) {
        None => return Held::No,
        Some(Value::Null) => fits("null"),
        Some(Value::Bool(value)) => fits(if *value { "true" } else { "false" }),
        Some(Value::Number(number)) => {
            let same = wanted.parse::<f64>().is_ok_and(|wanted| number.as_f64() == Some(wanted));
            same || fits(&number.to_string())
        }
        Some(Value::String(text)) => fits(text) || fits(text.trim()),
        Some(Value::Array(_) | Value::Object(_)) => return Held::Unsure,
    };
    if held { Held::Yes } else { Held::No }
}

/// The first rule that looks at a field which is not a plain value.
pub fn unsure<'r>(rules: &'r RuleSet, tool: &str, input: &Value) -> Option<&'r Rule> {
    let is = |list| move |rule: &&Rule| held(rule, list, tool, input) == Held::Unsure;
    rules.deny.iter().find(is(RuleList::Deny)).or_else(|| rules.ask.iter().find(is(RuleList::Ask)))
}
