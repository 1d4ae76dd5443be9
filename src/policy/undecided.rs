//! What becomes of a client's call that no rule decides. Rules, and what they say of a call, are not here.

use crate::domain::workflow::{Confine, Phase, Rules, Uninspectable, Workflow};

use super::client_call::SHELL;
use super::judge::Verdict;

/// Tools with which a client plans, asks its person, finds its other tools, or looks after what it was let start: each does
/// nothing by itself that a rule could be about. Open unless one says otherwise.
pub const OWN_AFFAIRS: [&str; 18] = [
    "AskUserQuestion",
    "BashOutput",
    "EnterPlanMode",
    "ExitPlanMode",
    "KillBash",
    "KillShell",
    "Skill",
    "SlashCommand",
    "StructuredOutput",
    "TaskCreate",
    "TaskGet",
    "TaskList",
    "TaskOutput",
    "TaskStop",
    "TaskUpdate",
    "TodoRead",
    "TodoWrite",
    "ToolSearch",
];
/// What a rule of deny about one of these names, the kernel can shut.
const ABOUT_PATHS: [&str; 6] = ["Edit", "Glob", "Grep", "NotebookEdit", "Read", "Write"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// What it does cannot be told from the words, and the kernel holds it wholly.
    Confined,
    /// A person answers.
    Asked,
    Refused,
    /// The client goes by rules of its own.
    Left,
}

/// `kernel`: this machine can hold a command to everything that its phase may do.
pub fn in_phase(workflow: &Workflow, phase: &Phase, tool: &str, verdict: &Verdict, kernel: bool) -> Undecided {
    if OWN_AFFAIRS.contains(&tool) {
        return Undecided::Left;
    }
    if tool != SHELL {
        return Undecided::Refused;
    }
    let (asks, all) = (workflow.uninspectable == Uninspectable::Ask, has_all_of_the_shell(phase));
    if all && asks && kernel && phase.sandbox.confine != Confine::Off && kernel_holds(workflow, phase, verdict) {
        return Undecided::Confined;
    }
    let some = phase.rules.allow.iter().any(|rule| rule.trim().starts_with(SHELL));
    if asks && (all || (some && verdict.opaque)) { Undecided::Asked } else { Undecided::Refused }
}

pub fn without_task(open: &Rules, tool: &str) -> Undecided {
    if open.allow.is_empty() || OWN_AFFAIRS.contains(&tool) { Undecided::Left } else { Undecided::Refused }
}

/// Whatever the shell can say is open.
pub fn has_all_of_the_shell(phase: &Phase) -> bool {
    phase.rules.allow.iter().any(|rule| rule.trim() == SHELL)
}

/// The words may hide what this rule is about; no kernel holds a rule about commands or hosts, or one that asks.
fn kernel_holds(workflow: &Workflow, phase: &Phase, verdict: &Verdict) -> bool {
    verdict.rule.as_ref().is_none_or(|rule| {
        let tool = rule.split('(').next().unwrap_or_default().trim();
        ABOUT_PATHS.contains(&tool) && (workflow.protect.deny.contains(rule) || phase.rules.deny.contains(rule))
    })
}
