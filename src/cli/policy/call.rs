//! A call as a person writes it, `Tool(what)`, as a tool and its input; and the rules of the place where it is asked.

use serde_json::{Value, json};

use crate::config::workflow_file::nearest;
use crate::domain::workflow::{Phase, Workflow};
use crate::engine::links::links;
use crate::engine::ports::listened_on;
use crate::policy::judge::{self, Around, Guard, RuleSet};

use super::super::{Ended, Place};

/// `Bash(git log -3)`: what stands in the brackets is what the tool is about; JSON there is the whole input.
pub fn read(text: &str) -> Result<(String, Value), Ended> {
    let wrong = || {
        Ended::usage(
            format!("`{text}` is not a call"),
            "write `Tool(what)`, such as `Bash(git log -3)` or `Edit(src/main.rs)`; JSON in the brackets is taken as the input",
        )
    };
    let (tool, what) = match text.trim().split_once('(') {
        None => (text.trim(), ""),
        Some((tool, rest)) => (tool, rest.strip_suffix(')').ok_or_else(wrong)?),
    };
    if tool.is_empty() || tool.contains(char::is_whitespace) {
        return Err(wrong());
    }
    if let Ok(input @ Value::Object(_)) = serde_json::from_str(what) {
        return Ok((tool.to_owned(), input));
    }
    let field = ABOUT.iter().find(|(known, _)| *known == tool).map(|(_, field)| *field);
    let input = match field {
        _ if what.is_empty() => json!({}),
        Some(field) => json!({ field: what }),
        None => return Err(unknown(text, tool)),
    };
    Ok((tool.to_owned(), input))
}

/// Tools whose brackets hold one thing, and the field of their input that it is.
const ABOUT: [(&str, &str); 17] = [
    ("Bash", "command"),
    ("Monitor", "command"),
    ("PowerShell", "command"),
    ("SlashCommand", "command"),
    ("Read", "file_path"),
    ("Edit", "file_path"),
    ("MultiEdit", "file_path"),
    ("Write", "file_path"),
    ("NotebookEdit", "notebook_path"),
    ("NotebookRead", "notebook_path"),
    ("Grep", "path"),
    ("LS", "path"),
    ("Glob", "pattern"),
    ("WebFetch", "url"),
    ("Agent", "subagent_type"),
    ("Task", "subagent_type"),
    ("Skill", "skill"),
];

/// Tools of other servers take what they like, so only JSON says what is meant.
fn unknown(text: &str, tool: &str) -> Ended {
    let message = format!("`{text}`: `{tool}` is no tool whose brackets are known here");
    let known = || ABOUT.iter().map(|(known, _)| *known);
    Ended::usage(
        message,
        match nearest(tool, known()) {
            Some(near) => format!("did you mean `{near}`? For another tool write its input as JSON in the brackets"),
            None => format!(
                "known are {}; for another tool write its input as JSON in the brackets",
                known().collect::<Vec<_>>().join(", ")
            ),
        },
    )
}

/// The rules of a phase, or of an agent without a task.
pub fn rules(workflow: &Workflow, phase: Option<&Phase>) -> RuleSet {
    let (own, approvals) = match phase {
        Some(phase) => (&phase.rules, phase.require_approval.as_slice()),
        None => (&workflow.unclaimed, &[] as &[String]),
    };
    let protect = RuleSet::compile(&workflow.protect.deny, &workflow.protect.ask, &workflow.protect.allow).0;
    let asked: Vec<String> = own.ask.iter().chain(approvals).cloned().collect();
    protect.with(RuleSet::compile(&own.deny, &asked, &own.allow).0)
}

/// As the guard sees a call of an agent that works in this folder, without the files that its client and its store add.
pub fn around(place: &Place, tool: &str, input: &Value, rules: &RuleSet) -> Around {
    let text = |path: &std::path::Path| path.display().to_string();
    let here = std::env::current_dir().map_or_else(|_| text(&place.workspace.root), |here| text(&here));
    let mut around = Around {
        cwd: here,
        base: Some(text(&place.workspace.root)),
        home: place.home().map(text),
        root: text(&place.workspace.root),
        guard: Guard {
            programs: std::env::current_exe().iter().map(|path| text(path)).collect(),
            paths: vec![text(&place.workspace.state)],
            ports: listened_on(&place.workspace.state),
        },
        case_insensitive: place.workspace.folds_case(),
        ..Around::default()
    };
    let mut places = judge::paths(tool, input, &around);
    places.extend(judge::paths_of_rules(rules, &around));
    around.links = links(&places);
    around
}

pub fn phase<'w>(workflow: &'w Workflow, name: Option<&str>) -> Result<Option<&'w Phase>, Ended> {
    let Some(name) = name else { return Ok(workflow.phases.first()) };
    if name == "unclaimed" {
        return Ok(None);
    }
    let found = workflow.phases.iter().find(|phase| phase.name == name);
    let names: Vec<&str> = workflow.phases.iter().map(|phase| phase.name.as_str()).collect();
    let unknown = || {
        Ended::usage(
            format!("the workflow “{}” has no phase `{name}`", workflow.name),
            format!("its phases: {}; `unclaimed` is an agent without a task", names.join(", ")),
        )
    };
    found.map(Some).ok_or_else(unknown)
}
