//! Names of tools: what kind a tool is, which rules cover it by name, and which name a call of it carries.

use serde_json::Value;

use super::glob::Glob;
use super::rule::{OWN_TOOLS, Rule, RuleList, ToolPattern, glob_matches};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Shell,
    File(File),
    Fetch,
    Other,
}

/// A tool that works on a file or on a folder of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Where its input names the path.
    pub field: &'static str,
    /// Where it names files by a pattern.
    pub glob: Option<&'static str>,
    pub writes: bool,
    /// Works on all that is in the path, by default in the current folder.
    pub folder: bool,
}

const fn file(field: &'static str, writes: bool) -> Kind {
    Kind::File(File { field, glob: None, writes, folder: false })
}

const fn folder(glob: Option<&'static str>) -> Kind {
    Kind::File(File { field: "path", glob, writes: false, folder: true })
}

/// Ways in which clients spell the server that is phasegate's own.
const OWN_SERVERS: [&str; 4] =
    ["mcp__phasegate__", "mcp__plugin_phasegate_phasegate__", "mcp_phasegate_", "phasegate_"];

/// One name for what clients call differently: our own tools by their full name, `Task` as `Agent`.
pub fn canonical(tool: &str) -> String {
    let own = OWN_SERVERS.iter().find_map(|server| tool.strip_prefix(server)).unwrap_or(tool);
    if OWN_TOOLS.contains(&own) {
        return format!("mcp__phasegate__{own}");
    }
    if tool == "Task" { "Agent".to_owned() } else { tool.to_owned() }
}

pub fn kind(tool: &str) -> Kind {
    match tool {
        "Bash" | "Monitor" => Kind::Shell,
        "Read" => file("file_path", false),
        "NotebookRead" => file("notebook_path", false),
        "Grep" => folder(Some("glob")),
        "Glob" => folder(Some("pattern")),
        "LS" => folder(None),
        "Edit" | "MultiEdit" | "Write" => file("file_path", true),
        "NotebookEdit" => file("notebook_path", true),
        "WebFetch" => Kind::Fetch,
        _ => Kind::Other,
    }
}

/// Whether a rule without brackets covers every call of this tool.
pub fn covers(rule: &Rule, list: RuleList, tool: &str) -> bool {
    rule.spec.is_none() && pattern_covers(&rule.tool, list, tool)
}

/// Whether the part before the brackets means this tool.
pub fn pattern_covers(pattern: &ToolPattern, list: RuleList, tool: &str) -> bool {
    if family(pattern, tool) || pattern.matches(tool) {
        return true;
    }
    if list == RuleList::Allow {
        return false;
    }
    // Refusing goes further: the case of letters does not matter, and `a__b` may be a server or a tool of `a`.
    let lower = tool.to_lowercase();
    if !lower.starts_with("mcp__") {
        return false;
    }
    let wanted = match pattern {
        ToolPattern::Glob(glob) => return glob_matches(&glob.to_lowercase(), &lower),
        ToolPattern::Name(name) => name.to_lowercase(),
        ToolPattern::Server(server) => format!("mcp__{}", server.to_lowercase()),
    };
    wanted.starts_with("mcp__")
        && lower
            .strip_prefix(wanted.trim_end_matches("__"))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("__"))
}

/// `Edit` stands for all that writes files, `Read` for all that reads them.
fn family(pattern: &ToolPattern, tool: &str) -> bool {
    let ToolPattern::Name(name) = pattern else { return false };
    match name.as_str() {
        "Task" => tool == "Agent",
        "Edit" => matches!(tool, "MultiEdit" | "Write" | "NotebookEdit"),
        "Read" => matches!(tool, "Grep" | "Glob" | "LS" | "NotebookRead"),
        _ => false,
    }
}

/// What a call starts: the kind of a subagent, a skill, a slash command.
pub enum Called {
    /// It is no such tool.
    Nothing,
    /// It does not say.
    Unsaid,
    Named {
        exact: String,
        /// In small letters, as refusing reads it.
        lower: String,
        /// Its first word, of `lower`.
        first: String,
    },
}

impl Called {
    pub fn of(tool: &str, input: &Value) -> Self {
        let text = |field: &str| input.get(field).and_then(Value::as_str).map(str::trim);
        let called = match tool {
            // What the client takes where the call names none.
            "Agent" => match input.get("subagent_type") {
                None | Some(Value::Null) => Some("general-purpose".to_owned()),
                Some(_) => text("subagent_type").map(str::to_owned),
            },
            "Skill" => text("skill").or_else(|| text("command")).map(|name| match text("args") {
                Some(arguments) if !arguments.is_empty() => format!("{name} {arguments}"),
                _ => name.to_owned(),
            }),
            "SlashCommand" => text("command").map(str::to_owned),
            _ => return Self::Nothing,
        };
        let Some(called) = called.filter(|called| !called.is_empty()) else { return Self::Unsaid };
        let exact = if tool == "Agent" { called } else { called.trim_start_matches('/').to_owned() };
        let lower = exact.to_lowercase();
        let first = lower.split_whitespace().next().unwrap_or_default().to_owned();
        Self::Named { exact, lower, first }
    }

    /// Whether the brackets of a rule name it.
    pub fn is_named(&self, rule: &Rule, list: RuleList, tool: &str) -> bool {
        let named = match self {
            Self::Nothing => return false,
            Self::Unsaid => None,
            Self::Named { exact, lower, first } => Some((exact, lower, first)),
        };
        let (Some(spec), true) = (rule.spec.as_deref(), pattern_covers(&rule.tool, list, tool)) else { return false };
        let wide = list != RuleList::Allow;
        let Some((exact, lower, first)) = named else { return wide };
        let called = if wide { lower } else { exact };
        let spec = if tool == "Agent" { spec } else { spec.trim_start_matches('/') };
        let spec = if wide { spec.to_lowercase() } else { spec.to_owned() };
        let start = spec.strip_suffix(":*").or_else(|| spec.strip_suffix(" *"));
        match start {
            Some(start) => {
                called.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
            }
            None => {
                let glob = Glob::read(&spec);
                glob.fits(called) || wide && glob.fits(first)
            }
        }
    }
}

/// Gateways behind gateways are looked through as far as this.
const GATEWAYS_MAX: usize = 8;

/// The names that a tool of a gateway may have at its own server: `mcp__gw__github__get` is `mcp__github__get` there.
pub fn behind_gateway(tool: &str) -> Vec<String> {
    let mut rest = tool.strip_prefix("mcp__").unwrap_or_default();
    let mut found = Vec::new();
    while let Some((_, name)) = rest.split_once("__").filter(|(_, name)| name.contains("__")) {
        if found.len() == GATEWAYS_MAX {
            break;
        }
        found.push(format!("mcp__{name}"));
        rest = name;
    }
    found
}

/// The path that a call of a file tool would write.
pub fn written<'i>(tool: &str, input: &'i Value) -> Option<&'i str> {
    match kind(tool) {
        Kind::File(file) if file.writes => input.get(file.field).and_then(Value::as_str),
        Kind::File(_) | Kind::Shell | Kind::Fetch | Kind::Other => None,
    }
}

/// A tool of ours that is open in every phase unless a rule says otherwise.
pub fn is_loop(tool: &str) -> bool {
    let tool = canonical(tool);
    tool.strip_prefix("mcp__phasegate__").is_some_and(|own| own != "submit_task")
}

/// Why a name is not one that a rule can allow.
pub fn doubt(tool: &str) -> Option<&'static str> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
    if tool.is_empty() || !tool.chars().all(plain) {
        return Some("a tool's name has letters, digits and `_-.` only");
    }
    let rest = tool.strip_prefix("mcp__")?;
    match rest.split_once("__") {
        Some((server, name)) if !server.is_empty() && !name.trim_matches('_').is_empty() => None,
        _ => Some("the name of an MCP tool is `mcp__SERVER__TOOL`"),
    }
}
