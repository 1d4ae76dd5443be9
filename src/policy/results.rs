//! Which results of a client's own tools a workflow has made shorter. How is not here (`context`), and what a client can do
//! with a shorter one is its own (`clients`).

use crate::domain::context::{ReducedResults, Results};
use crate::domain::workflow::{Enforcement, Phase, Workflow};

/// Built-in tools whose result is one text that a model reads through.
const OPEN: [&str; 4] = ["Bash", "Grep", "WebFetch", "Agent"];
/// Where a workflow names none. What a subagent reports was written to be read, so it goes only where it is named.
const USUAL: [&str; 4] = ["Bash", "Grep", "WebFetch", "mcp__*"];
const OWN: &str = "mcp__phasegate__";

/// What is to become of a result of this tool; nothing: it stays as it is. The phase's word stands for the workflow's.
pub fn reduced<'w>(workflow: &'w Workflow, phase: Option<&'w Phase>, tool: &str) -> Option<&'w ReducedResults> {
    let said = phase.and_then(|phase| phase.context.as_ref()).or(workflow.context.as_ref())?;
    // Under `observe` nothing that an agent sees is another than without phasegate.
    match (said, workflow.enforcement) {
        (Results::Whole, _) | (_, Enforcement::Observe) => None,
        (Results::Reduced(rule), Enforcement::Strict | Enforcement::Warn) => names(rule, tool).then_some(rule),
    }
}

fn names(rule: &ReducedResults, tool: &str) -> bool {
    // What was fetched back by its handle comes by a tool of ours.
    if tool.starts_with(OWN) {
        return false;
    }
    let is = |name: &str| name.strip_suffix('*').map_or(name == tool, |front| tool.starts_with(front));
    if rule.tools.is_empty() { USUAL.iter().any(|name| is(name)) } else { rule.tools.iter().any(|name| is(name)) }
}

/// Why a name cannot stand in the list of tools, and what to write.
pub fn unfit(name: &str) -> Option<(String, String)> {
    let hint = format!("the tools are {}, and servers' tools such as `mcp__github__*`", OPEN.join(", "));
    if OPEN.contains(&name) {
        return None;
    }
    if name == "Read" {
        let why = "`Read` is not made shorter: what is left would stand under wrong line numbers, and edits need the exact text";
        return Some((why.to_owned(), "agents read a part with `offset` and `limit`; leave it out".to_owned()));
    }
    if name.starts_with(OWN) {
        let why = format!("`{name}` is phasegate's own, and its results stay as they are");
        return Some((why, "leave it out".to_owned()));
    }
    let front = name.strip_suffix('*').unwrap_or(name);
    let is_server = front.strip_prefix("mcp__").is_some_and(|rest| {
        rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
            && (!rest.is_empty() || name.ends_with('*'))
    });
    (!is_server).then(|| (format!("the results of `{name}` are not made shorter"), hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::context::TokenBudget;

    #[test]
    fn a_rule_is_for_the_tools_it_names_and_never_for_ours() {
        let rule = |tools: &[&str]| ReducedResults {
            above: 1000,
            keep: TokenBudget::Share(0.5),
            tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
        };
        for (tools, tool, named) in [
            (&[][..], "Bash", true),
            (&[], "mcp__github__get_issue", true),
            (&[], "Agent", false),
            (&[], "Read", false),
            (&[], "mcp__phasegate__optimize_context", false),
            (&["Agent"], "Agent", true),
            (&["Agent"], "Bash", false),
            (&["mcp__github__*"], "mcp__github__get_issue", true),
            (&["mcp__github__*"], "mcp__jira__get_issue", false),
            (&["mcp__*"], "mcp__phasegate__query_audit", false),
        ] {
            assert_eq!(names(&rule(tools), tool), named, "{tools:?} {tool}");
        }
    }

    #[test]
    fn names_that_nothing_would_come_of_are_told() {
        for (name, fits) in [
            ("Bash", true),
            ("mcp__*", true),
            ("mcp__github__get_issue", true),
            ("mcp__", false),
            ("Read", false),
            ("Edit", false),
            ("*", false),
            ("mcp__phasegate__*", false),
            ("mcp__a b", false),
        ] {
            assert_eq!(unfit(name).is_none(), fits, "{name}");
        }
    }
}
