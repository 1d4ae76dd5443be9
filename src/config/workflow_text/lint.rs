//! What is allowed in a workflow but probably not meant. Errors are found when the file is read.

use crate::config::workflow_file::nearest;
use crate::domain::workflow::{Confine, Enforcement, GateKind, Network, Phase, Rules, Screening, Sockets, Workflow};
use crate::policy::rule::{OWN_TOOLS, Rule, ToolPattern};
use crate::policy::undecided::OWN_AFFAIRS;
use crate::policy::wide;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Empty for the workflow as a whole.
    pub phase: String,
    pub message: String,
    pub hint: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.phase.is_empty() {
            write!(f, "phase {}: ", self.phase)?;
        }
        write!(f, "{}; {}", self.message, self.hint)
    }
}

/// Tools that clients bring, as rules name them.
const CLIENT_TOOLS: [&str; 13] = [
    "Read",
    "Grep",
    "Glob",
    "LS",
    "Edit",
    "MultiEdit",
    "Write",
    "NotebookEdit",
    "Bash",
    "WebFetch",
    "WebSearch",
    "Agent",
    "Task",
];

fn known() -> impl Iterator<Item = &'static str> {
    CLIENT_TOOLS.into_iter().chain(OWN_AFFAIRS).chain(OWN_TOOLS)
}

pub fn lint(workflow: &Workflow) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let whole = |message: &str, hint: &str| Warning {
        phase: String::new(),
        message: message.to_owned(),
        hint: hint.to_owned(),
    };
    if workflow.enforcement == Enforcement::Strict && workflow.protect.deny.is_empty() {
        warnings.push(whole(
            "the workflow is strict but protects nothing in every phase",
            "add `protect: { deny: [..] }` with what must never happen, such as `Read(.env)` or `Bash(git push --force *)`",
        ));
    }
    if workflow.screen == Screening::Off {
        warnings.push(whole(
            "nobody is told of a secret in a text that comes in",
            "write `screen: flag`, which only says and records it, or leave the key out",
        ));
    }
    let capped = !workflow.budget.is_none();
    let gated = workflow.phases.iter().flat_map(|phase| &phase.exit).any(|gate| matches!(gate.kind, GateKind::Budget));
    if gated && !capped {
        warnings.push(whole(
            "a gate looks at the budget, but the workflow sets none",
            "add `budget: { usd: .. }`, or give each task its own",
        ));
    }
    for rule in &workflow.unclaimed.allow {
        too_wide(&mut warnings, "", "an agent without a task", rule, false);
    }
    let lists = [
        &workflow.protect.deny,
        &workflow.protect.ask,
        &workflow.protect.allow,
        &workflow.unclaimed.deny,
        &workflow.unclaimed.ask,
        &workflow.unclaimed.allow,
    ];
    for rule in lists.into_iter().flatten() {
        misspelt(&mut warnings, "", rule);
    }
    for phase in workflow.phases.iter().filter(|phase| !phase.end) {
        lint_phase(&mut warnings, workflow, phase);
    }
    warnings
}

/// What `sandbox` takes away from what the other keys promise.
fn lint_sandbox(warnings: &mut Vec<Warning>, phase: &Phase) {
    let sandbox = &phase.sandbox;
    if !phase.rules.allow.iter().any(|rule| rule.trim().starts_with("Bash")) {
        if !sandbox.is_default() {
            let message = "`sandbox` is about shell commands, and no rule here opens one".to_owned();
            warn(warnings, phase, message, "leave it out, or allow the commands it is for");
        }
        return;
    }
    let bounded = phase.writes.is_some() || sandbox.network == Network::Deny;
    if sandbox.confine == Confine::Off && bounded {
        let message = "`confine: off` lets shell commands write and reach what this phase closes".to_owned();
        warn(warnings, phase, message, "leave `confine` out: what the machine can hold is held then");
    }
    if sandbox.sockets == Sockets::Allow && bounded {
        let message = "`sockets: allow` lets shell commands have services of this machine do what is closed".to_owned();
        warn(warnings, phase, message, "leave `sockets` out: services that run things are out of reach then");
    }
    let ours = |grant: &&String| {
        let first = grant.split('/').find(|part| !part.is_empty() && *part != ".").unwrap_or_default();
        [".", "/", "~", "~/"].contains(&grant.as_str())
            || [".git", ".phasegate", ".claude", ".codex", ".gemini", ".ssh"].contains(&first)
    };
    if let Some(grant) = sandbox.grants.iter().find(ours) {
        let message = format!("the grant `{grant}` opens what settings, keys or hooks lie in");
        warn(warnings, phase, message, "name the folder that the commands need, such as `~/.cache/tool`");
    }
}

fn lint_phase(warnings: &mut Vec<Warning>, workflow: &Workflow, phase: &Phase) {
    // What the kernel confines may be written wide.
    let confined =
        phase.writes.is_some() && phase.sandbox.network == Network::Deny && phase.sandbox.confine != Confine::Off;
    for rule in &phase.rules.allow {
        too_wide(warnings, &phase.name, "the agent", rule, confined);
        if phase.rules.deny.contains(rule) || workflow.protect.deny.contains(rule) {
            let message = format!("`{rule}` is allowed here and denied too, and the denial wins");
            warn(warnings, phase, message, "remove one of them");
        }
    }
    let rules = &phase.rules;
    for rule in rules.allow.iter().chain(&rules.ask).chain(&rules.deny).chain(&phase.require_approval) {
        misspelt(warnings, &phase.name, rule);
    }
    for asked in &rules.ask {
        let under = |allowed: &&String| {
            allowed.strip_prefix(asked.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('('))
        };
        if let Some(allowed) = rules.allow.iter().find(under) {
            let message = format!("`{allowed}` is allowed here, but `{asked}` comes first and asks every time");
            warn(warnings, phase, message, "ask for less, or remove the allow");
        }
    }
    let asking = |rule: &&String| matches!(rule.as_str(), "request_approval" | "mcp__phasegate__request_approval");
    if let Some(rule) = rules.ask.iter().chain(&workflow.protect.ask).chain(&phase.require_approval).find(asking) {
        let message = format!("`{rule}` would need an approval that nobody could ask for");
        warn(warnings, phase, message, "deny it, if nobody is to be asked, or leave it out");
    }
    let shell = rules.allow.iter().any(|rule| is_open_shell(rule));
    if shell && phase.sandbox.network == Network::Allow {
        let message = "any shell command may reach the network here, and so send out what it can read".to_owned();
        warn(warnings, phase, message, "add `sandbox: { network: deny }`, or allow single commands instead of `Bash`");
    }
    lint_sandbox(warnings, phase);
    if phase.exit.is_empty() {
        let message = "nothing has to be shown to leave this phase".to_owned();
        warn(warnings, phase, message, "add a gate under `exit`, such as `artifact: summary` or `syntax: changed`");
    }
    for gate in &phase.exit {
        match &gate.kind {
            GateKind::Command { fresh: false, .. } | GateKind::Hook { fresh: false, .. } => {
                let message = format!("`{}` counts even if files were changed after it ran", gate.id);
                warn(warnings, phase, message, "remove `fresh: false`");
            }
            GateKind::Command { argv, .. } | GateKind::Hook { argv, .. } if runs_a_shell(argv) => {
                let message = format!("`{}` hands its text to a shell, where only the last command decides", gate.id);
                warn(warnings, phase, message, "name the program itself, one gate for each");
            }
            GateKind::Approval(approval) if approval.from.is_empty() => {
                let message = format!("any approver may answer \"{}\"", approval.ask);
                warn(warnings, phase, message, "name who may with `from: [..]`");
            }
            GateKind::Artifact { name, schema: None } => {
                let message = format!("any document will do as `{name}`, even an empty one");
                warn(warnings, phase, message, "add a `schema` with what it must hold");
            }
            GateKind::Artifact { .. }
            | GateKind::Command { .. }
            | GateKind::Hook { .. }
            | GateKind::Syntax { .. }
            | GateKind::Approval(_)
            | GateKind::Children
            | GateKind::Tasks { .. }
            | GateKind::Budget => {}
        }
    }
}

/// What is to be said of the rules alone: too wide ones, misspelt ones, and those that another makes idle.
pub fn rules(workflow: &Workflow) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let all = |rules: &Rules| [rules.deny.clone(), rules.ask.clone(), rules.allow.clone()].concat();
    for rule in all(&workflow.protect).iter().chain(&all(&workflow.unclaimed)) {
        misspelt(&mut warnings, "", rule);
    }
    for rule in &workflow.unclaimed.allow {
        too_wide(&mut warnings, "", "an agent without a task", rule, false);
    }
    idle(&mut warnings, "", &workflow.protect, &workflow.unclaimed);
    for phase in workflow.phases.iter().filter(|phase| !phase.end) {
        for rule in &phase.rules.allow {
            too_wide(&mut warnings, &phase.name, "the agent", rule, false);
        }
        for rule in all(&phase.rules).iter().chain(&phase.require_approval) {
            misspelt(&mut warnings, &phase.name, rule);
        }
        idle(&mut warnings, &phase.name, &workflow.protect, &phase.rules);
    }
    warnings
}

/// Allow rules that decide nothing, because another rule does.
fn idle(warnings: &mut Vec<Warning>, phase: &str, protect: &Rules, rules: &Rules) {
    let read = |text: &String| Rule::parse(text).ok();
    let mut add = |message: String, hint: &str| {
        warnings.push(Warning { phase: phase.to_owned(), message, hint: hint.to_owned() });
    };
    for allowed in rules.allow.iter().filter_map(read) {
        let covering = |list: &[String]| {
            list.iter().filter_map(read).find(|other| wide::includes(other, &allowed)).map(|other| other.text)
        };
        let text = &allowed.text;
        if let Some(denied) = covering(&rules.deny).or_else(|| covering(&protect.deny)) {
            add(format!("`{text}` allows nothing, since `{denied}` denies all of it"), "remove one of them");
        } else if let Some(asked) = covering(&rules.ask).or_else(|| covering(&protect.ask)) {
            add(
                format!("`{text}` allows nothing by itself, since `{asked}` asks first"),
                "ask for less, or remove the allow",
            );
        } else if let Some(wider) = rules
            .allow
            .iter()
            .filter_map(read)
            .find(|other| other.text != allowed.text && wide::includes(other, &allowed))
        {
            add(format!("`{text}` adds nothing, since `{}` covers it", wider.text), "remove the one that is not meant");
        }
    }
}

fn warn(warnings: &mut Vec<Warning>, phase: &Phase, message: String, hint: &str) {
    warnings.push(Warning { phase: phase.name.clone(), message, hint: hint.to_owned() });
}

fn too_wide(warnings: &mut Vec<Warning>, phase: &str, who: &str, text: &str, confined: bool) {
    let Ok(rule) = Rule::parse(text) else { return };
    let mut add = |message: String, hint: &str| {
        warnings.push(Warning { phase: phase.to_owned(), message, hint: hint.to_owned() });
    };
    if is_open_shell(text) {
        if !confined {
            let message =
                format!("`{text}` lets {who} run any command, and a command can do what the other rules here refuse");
            add(
                message,
                "allow the commands that are needed, such as `Bash(git log *)`, or bound it with `writes` and `sandbox: { network: deny }`",
            );
        }
    } else if let Some(found) = wide::wide(&rule) {
        add(found.message, found.instead);
    } else if let ToolPattern::Server(server) = &rule.tool {
        let message = format!(
            "`{text}` lets {who} call every tool of `{server}`, those that change things and those added later too"
        );
        add(message, "allow what is needed, such as the tools that only read");
    } else if matches!(&rule.tool, ToolPattern::Glob(glob) if glob.ends_with("__*")) {
        let message = format!(
            "`{text}` lets {who} call every tool of that server, those that change things and those added later too"
        );
        add(message, "allow what is needed, such as the tools that only read");
    }
}

fn is_open_shell(rule: &str) -> bool {
    ["Bash", "Bash(*)", "Bash(:*)", "Bash( *)", "Bash(**)"].contains(&rule)
}

fn runs_a_shell(argv: &[String]) -> bool {
    let Some(program) = argv.first().and_then(|program| program.rsplit('/').next()) else { return false };
    ["sh", "bash", "zsh", "dash"].contains(&program)
        && argv.iter().skip(1).any(|argument| argument.starts_with('-') && argument.ends_with('c'))
}

fn misspelt(warnings: &mut Vec<Warning>, phase: &str, text: &str) {
    let Ok(Rule { tool: ToolPattern::Name(_), .. }) = Rule::parse(text) else { return };
    let name = text.split('(').next().unwrap_or_default();
    if name.starts_with("mcp__") || known().any(|known| known == name) {
        return;
    }
    if let Some(near) = nearest(name, known()) {
        warnings.push(Warning {
            phase: phase.to_owned(),
            message: format!("no known tool is called `{name}`, so `{text}` probably never matches"),
            hint: format!("did you mean `{near}`? the case of letters counts"),
        });
    }
}
