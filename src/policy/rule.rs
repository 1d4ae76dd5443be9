//! One permission rule: its form, and the names of tools it covers.
//! What stands in the brackets is kept as written and read once; shell, paths and hosts are judged elsewhere.

use std::borrow::Cow;

use super::hosts;
use super::paths::{self, Pattern};

/// Phasegate's own tools, which a rule or a call may name with or without `mcp__phasegate__`.
pub const OWN_TOOLS: [&str; 14] = [
    "claim_task",
    "transition_phase",
    "request_approval",
    "route_model",
    "query_audit",
    "submit_task",
    "list_tasks",
    "update_task",
    "submit_artifact",
    "record_outcome",
    "optimize_context",
    "schedule_task",
    "find_tools",
    "call_tool",
];

const OWN_PREFIX: &str = "mcp__phasegate__";

/// Tools whose brackets hold something else than `param:value`: a command, a path, a host, a name.
const SPECIFIED: [&str; 14] = [
    "Bash",
    "PowerShell",
    "Monitor",
    "Read",
    "Edit",
    "Write",
    "NotebookEdit",
    "Grep",
    "Glob",
    "WebFetch",
    "Agent",
    "Task",
    "Skill",
    "SlashCommand",
];

/// `Tool` or `Tool(spec)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    pub tool: ToolPattern,
    /// What stood in the brackets, not interpreted.
    pub spec: Option<String>,
    /// The rule as written.
    pub text: String,
    /// The brackets as a pattern of paths, where the tool works on files.
    pub(super) path: Option<Pattern>,
    /// The brackets as a pattern of hosts: `domain:`.
    pub(super) host: Option<hosts::Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ToolPattern {
    /// Exactly this tool.
    Name(String),
    /// Every tool of this server: `mcp__server`.
    Server(String),
    /// Every tool whose name fits; `*` stands for any text.
    Glob(String),
}

/// The list a rule stands in. `require_approval` counts as `Ask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleList {
    Deny,
    Ask,
    Allow,
}

impl Rule {
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_matches([' ', '\t']);
        if text.is_empty() {
            return Err("an empty rule grants nothing: write a tool such as `Read` or `Bash(git log *)`".to_owned());
        }
        if let Some(control) = text.chars().find(|character| character.is_control()) {
            return Err(format!(
                "the rule holds the control character U+{:04X}: write it on one line",
                u32::from(control)
            ));
        }
        let (tool, spec) = match text.split_once('(') {
            None => (text, None),
            Some((tool, rest)) => match rest.strip_suffix(')') {
                Some(spec) => (tool, Some(spec.to_owned())),
                None => {
                    return Err(format!(
                        "`{text}` does not end with `)`: write `Tool(spec)`, in quotes if it holds a comma or ` #`"
                    ));
                }
            },
        };
        if spec.as_deref().is_some_and(|spec| spec.trim().is_empty()) {
            return Err(format!(
                "`{text}` has empty brackets and covers nothing: leave them out or write what is meant"
            ));
        }
        let tool = ToolPattern::parse(tool, text)?;
        let path = paths::pattern(&tool, spec.as_deref());
        let host = spec.as_deref().and_then(|spec| spec.strip_prefix("domain:")).and_then(hosts::Pattern::read);
        Ok(Self { tool, spec, text: text.to_owned(), path, host })
    }

    /// Why this rule has no effect in that list, if so.
    pub fn grants_nothing(&self, list: RuleList) -> Option<String> {
        let text = &self.text;
        if list != RuleList::Allow {
            return None;
        }
        match &self.tool {
            ToolPattern::Glob(glob) if literal_server(glob).is_none() => {
                return Some(format!(
                    "`{text}` has a `*` before a whole server name, which an allow may not: write `mcp__SERVER__*` or name the tools"
                ));
            }
            ToolPattern::Name(_) | ToolPattern::Server(_) | ToolPattern::Glob(_) => {}
        }
        let (name, spec) = (self.tool.text(), self.spec.as_deref()?);
        if name.starts_with("mcp__") {
            return Some(format!(
                "`{text}` has brackets, which work for an mcp tool in deny and ask only: write `{name}`"
            ));
        }
        if name == "WebFetch" && self.host.is_none() {
            return Some(format!("`{text}` names no host: write `WebFetch(domain:example.com)`"));
        }
        if !SPECIFIED.contains(&name) && is_parameter(spec) {
            return Some(format!(
                "`{text}` is of the form `Tool(param:value)`, which works in deny and ask only: write `{name}`"
            ));
        }
        None
    }

    /// Whether its brackets hold a command, where the tool is one that runs commands.
    pub fn is_about_commands(&self) -> bool {
        self.spec.as_deref().is_some_and(|spec| spec.ends_with(":*") || !is_parameter(spec))
    }

    /// Whether the rule covers every call of this tool. A rule with brackets never does by name alone.
    pub fn matches_tool(&self, tool_name: &str) -> bool {
        self.spec.is_none() && self.tool.matches(tool_name)
    }
}

impl ToolPattern {
    fn parse(tool: &str, rule: &str) -> Result<Self, String> {
        let allowed = |character: char| character.is_ascii_alphanumeric() || "_-.*".contains(character);
        if tool.is_empty() {
            return Err(format!("`{rule}` names no tool: write one before the bracket, such as `Bash(git log *)`"));
        }
        if let Some(other) = tool.chars().find(|character| !allowed(*character)) {
            return Err(format!("`{rule}` has `{other}` in the name of the tool: write `Tool` or `Tool(spec)`"));
        }
        if let Some(rest) = tool.strip_prefix("mcp__") {
            let (server, name) = rest.split_once("__").map_or((rest, None), |(server, name)| (server, Some(name)));
            if server.is_empty() || name.is_some_and(str::is_empty) {
                return Err(format!("`{rule}` names no server or no tool: write `mcp__SERVER` or `mcp__SERVER__TOOL`"));
            }
            if name.is_none() && !server.contains('*') {
                return Ok(Self::Server(server.to_owned()));
            }
        }
        Ok(if tool.contains('*') {
            Self::Glob(tool.to_owned())
        } else if OWN_TOOLS.contains(&tool) {
            Self::Name(format!("{OWN_PREFIX}{tool}"))
        } else {
            Self::Name(tool.to_owned())
        })
    }

    /// The name as a rule would write it.
    pub fn text(&self) -> &str {
        match self {
            Self::Name(name) => bare(name),
            Self::Server(text) | Self::Glob(text) => text,
        }
    }

    pub fn matches(&self, tool_name: &str) -> bool {
        let full = if OWN_TOOLS.contains(&tool_name) {
            Cow::Owned(format!("{OWN_PREFIX}{tool_name}"))
        } else {
            Cow::Borrowed(tool_name)
        };
        match self {
            Self::Name(name) => *name == *full,
            Self::Server(server) => full
                .strip_prefix("mcp__")
                .and_then(|rest| rest.strip_prefix(server.as_str()))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("__")),
            Self::Glob(glob) => glob_matches(glob, &full) || glob_matches(glob, bare(&full)),
        }
    }
}

/// The short form of one of our own tools; any other name unchanged.
fn bare(name: &str) -> &str {
    name.strip_prefix(OWN_PREFIX).filter(|short| OWN_TOOLS.contains(short)).unwrap_or(name)
}

fn literal_server(glob: &str) -> Option<&str> {
    let (server, _) = glob.strip_prefix("mcp__")?.split_once("__")?;
    (!server.contains('*')).then_some(server)
}

fn is_parameter(spec: &str) -> bool {
    spec.split_once(':').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
    })
}

/// `*` is any text, everything else itself. Each part is taken where it first fits, which is enough
/// with `*` alone and never goes back.
pub fn glob_matches(glob: &str, text: &str) -> bool {
    let Some((first, rest)) = glob.split_once('*') else { return glob == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        let Some((_, after)) = text.split_once(part) else { return false };
        text = after;
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        Rule::parse(text).unwrap()
    }

    #[test]
    fn the_form_is_read() {
        for (text, tool, spec) in [
            ("Read", ToolPattern::Name("Read".into()), None),
            (" Bash(git log *) ", ToolPattern::Name("Bash".into()), Some("git log *")),
            ("Bash(echo (a))", ToolPattern::Name("Bash".into()), Some("echo (a)")),
            ("WebFetch(domain:*.example.com)", ToolPattern::Name("WebFetch".into()), Some("domain:*.example.com")),
            ("mcp__github", ToolPattern::Server("github".into()), None),
            ("mcp__github__get_issue", ToolPattern::Name("mcp__github__get_issue".into()), None),
            ("mcp__github__get_*", ToolPattern::Glob("mcp__github__get_*".into()), None),
            ("submit_task", ToolPattern::Name("mcp__phasegate__submit_task".into()), None),
        ] {
            let parsed = rule(text);
            assert_eq!((parsed.tool, parsed.spec.as_deref()), (tool, spec), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_rule_is_refused() {
        for text in [
            "",
            "  ",
            "Bash(",
            "Bash(git",
            "Bash(git) x",
            "(git)",
            "Read Edit",
            "Read,Edit",
            "mcp__",
            "mcp____x",
            "mcp__a__",
            "Bash(a\nb)",
            "Bash()",
            "Read( )",
            "R\u{e9}ad",
        ] {
            assert!(Rule::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rules_without_effect_are_told() {
        for text in [
            "*",
            "mcp__*",
            "mcp__git*__get",
            "mcp__git*",
            "Ba*",
            "mcp__a__b(c:d)",
            "WebSearch(query:x)",
            "WebFetch(example.com)",
            "WebFetch(domain:)",
        ] {
            assert!(rule(text).grants_nothing(RuleList::Allow).is_some(), "{text}");
        }
        for text in [
            "Read",
            "Bash(npm run:*)",
            "mcp__a",
            "mcp__a__*",
            "mcp__a__get_*",
            "WebFetch(domain:example.com)",
            "Agent(explore)",
        ] {
            assert_eq!(rule(text).grants_nothing(RuleList::Allow), None, "{text}");
        }
        for list in [RuleList::Deny, RuleList::Ask] {
            for text in ["*", "mcp__*", "mcp__a__b(c:d)", "WebSearch(query:x)"] {
                assert_eq!(rule(text).grants_nothing(list), None, "{text}");
            }
        }
    }

    #[test]
    fn names_are_matched() {
        for (text, tool, expected) in [
            ("Read", "Read", true),
            ("Read", "read", false),
            ("Read", "ReadFile", false),
            ("Bash(git *)", "Bash", false),
            ("*", "Anything", true),
            ("mcp__github", "mcp__github__merge", true),
            ("mcp__github", "mcp__github", true),
            ("mcp__github", "mcp__github2__merge", false),
            ("mcp__github__*", "mcp__github__merge", true),
            ("mcp__github__get_*", "mcp__github__merge", false),
            ("mcp__*__delete_*", "mcp__crm__delete_all", true),
            ("mcp__*__delete_*", "mcp__crm__list_all", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*bc*c", "abc", false),
        ] {
            assert_eq!(rule(text).matches_tool(tool), expected, "{text} {tool}");
        }
    }

    #[test]
    fn our_own_tools_match_in_either_spelling() {
        for text in ["submit_task", "mcp__phasegate__submit_task", "mcp__phasegate", "mcp__phasegate__*", "submit_*"] {
            for tool in ["submit_task", "mcp__phasegate__submit_task"] {
                assert!(rule(text).matches_tool(tool), "{text} {tool}");
            }
            assert!(!rule(text).matches_tool("mcp__other__submit_task"), "{text}");
        }
        assert!(!rule("Read").matches_tool("mcp__phasegate__Read"));
    }

    #[test]
    fn a_glob_of_many_stars_is_fast() {
        let (glob, text) = (format!("{}b", "a*".repeat(400)), "a".repeat(200_000));
        assert!(!glob_matches(&glob, &text));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "\\PC*", tool in "[a-z_*]*") {
            if let Ok(rule) = Rule::parse(&text) {
                let _ = (rule.matches_tool(&tool), rule.grants_nothing(RuleList::Allow));
            }
        }
    }
}
