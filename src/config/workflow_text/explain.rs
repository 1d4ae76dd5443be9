//! A workflow told to somebody who has never seen one.

use crate::domain::context::{Results, TokenBudget};
use crate::domain::duration;
use crate::domain::visible::shell_words;
use crate::domain::workflow::{
    ApprovalGate, Budget, Confine, Enforcement, GateKind, ModelTier, Network, Phase, Rules, Screening, Sockets,
    SyntaxFiles, Uninspectable, WRITERS, Workflow,
};

pub fn explain(workflow: &Workflow) -> String {
    let mut lines = vec![format!("workflow `{}`", workflow.name), String::new()];
    lines.push(match workflow.enforcement {
        Enforcement::Strict => "A call that the rules below do not allow is refused.".to_owned(),
        Enforcement::Warn => {
            "A call that the rules below do not allow still runs; the agent is told and it is recorded.".to_owned()
        }
        Enforcement::Observe => "A call that the rules below do not allow still runs and is only recorded.".to_owned(),
    });
    lines.push(match workflow.uninspectable {
        Uninspectable::Ask => "A shell command that cannot be read in advance waits for a person's answer, or runs confined where a phase \
                               opens all of `Bash` and the kernel holds what it may hide."
            .to_owned(),
        Uninspectable::Deny => "A shell command that cannot be read in advance is refused.".to_owned(),
    });
    lines.push(match workflow.screen {
        Screening::Off => "Texts that come in are not looked at for secrets; the record never holds them.".to_owned(),
        Screening::Flag => {
            "A text that looks like it holds a secret or personal data, or tries to steer a model, is kept and recorded."
                .to_owned()
        }
        Screening::Refuse => {
            "A text that looks like it holds a secret or personal data, or tries to steer a model, is refused.".to_owned()
        }
    });
    if let Some(caps) = budget(&workflow.budget) {
        lines.push(format!("A task and everything below it may use at most {caps}."));
    }
    lines.push(match workflow.retry.attempts {
        1 => "A task is tried once.".to_owned(),
        attempts => format!("A task is tried at most {attempts} times."),
    });
    if let Some(results) = &workflow.context {
        lines.push(format!("Results of the client's tools: {}.", self::results(results)));
    }
    section(&mut lines, "in every phase, whatever else is allowed", &workflow.protect);
    section(&mut lines, "an agent without a task", &workflow.unclaimed);
    for (index, phase) in workflow.phases.iter().enumerate() {
        lines.push(String::new());
        self::phase(&mut lines, index + 1, phase);
    }
    lines.push(String::new());
    lines.join("\n")
}

fn section(lines: &mut Vec<String>, title: &str, rules: &Rules) {
    if !(rules.deny.is_empty() && rules.ask.is_empty() && rules.allow.is_empty()) {
        lines.push(String::new());
        lines.push(format!("{title}:"));
        self::rules(lines, rules);
    }
}

fn rules(lines: &mut Vec<String>, rules: &Rules) {
    for (label, list) in
        [("may use", &rules.allow), ("must ask a person for", &rules.ask), ("may never use", &rules.deny)]
    {
        if !list.is_empty() {
            lines.push(format!("   {label}: {}", quoted(list)));
        }
    }
}

fn phase(lines: &mut Vec<String>, number: usize, phase: &Phase) {
    if phase.end {
        lines.push(format!("{number}. {}: the end; a task that gets here is complete", phase.name));
        return;
    }
    let start = if number == 1 { " (a task starts here)" } else { "" };
    lines.push(format!("{number}. {}{start}", phase.name));
    if !phase.goal.is_empty() {
        lines.push(format!("   goal: {}", phase.goal));
    }
    if phase.rules.allow.is_empty() {
        lines.push("   may use: nothing without asking, except phasegate's own tools".to_owned());
    }
    rules(lines, &phase.rules);
    if !phase.require_approval.is_empty() {
        lines.push(format!("   needs an approval of the exact call: {}", quoted(&phase.require_approval)));
    }
    lines.push(format!("   may write: {}", writes(phase)));
    if phase.sandbox.network == Network::Deny {
        lines.push("   network: none for shell commands".to_owned());
    }
    match phase.sandbox.confine {
        Confine::Auto => {}
        Confine::Full => lines.push("   shell commands: only where the machine can confine them fully".to_owned()),
        Confine::Writes => lines.push("   shell commands: only where the machine can confine their writes".to_owned()),
        Confine::Off => lines.push("   shell commands: not confined".to_owned()),
    }
    match phase.sandbox.sockets {
        Sockets::Mask => {}
        Sockets::Allow => lines.push("   sockets: running services can be reached by shell commands".to_owned()),
        Sockets::None => lines.push("   sockets: no unix sockets for shell commands".to_owned()),
    }
    if !phase.sandbox.grants.is_empty() {
        lines.push(format!("   shell commands may also write: {}", quoted(&phase.sandbox.grants)));
    }
    if let Some(model) = phase.model {
        let raise = if model.raise_on_failure { ", a stronger one after a failure" } else { "" };
        lines.push(format!("   model: {}{raise}", tier(model.tier)));
    }
    if let Some(results) = &phase.context {
        lines.push(format!("   results of the client's tools: {}", self::results(results)));
    }
    match phase.exit.as_slice() {
        [] => lines.push("   to leave: nothing has to be shown".to_owned()),
        gates => {
            lines.push("   to leave, all of this:".to_owned());
            lines.extend(gates.iter().map(|gate| format!("   - {}", self::gate(&gate.kind))));
        }
    }
    lines.push(format!("   then: {}", quoted(&phase.next).replace(", ", " or ")));
}

fn writes(phase: &Phase) -> String {
    match &phase.writes {
        Some(patterns) if patterns.is_empty() => return "nothing".to_owned(),
        Some(patterns) => return format!("only {}", quoted(patterns)),
        None => {}
    }
    let mut places = Vec::new();
    let mut shell = false;
    for rule in phase.rules.allow.iter().chain(&phase.rules.ask) {
        let (tool, place) =
            rule.split_once('(').map_or((rule.as_str(), None), |(tool, rest)| (tool, rest.strip_suffix(')')));
        match (WRITERS.contains(&tool), place) {
            (true, Some(place)) => places.push(place.to_owned()),
            (true, None) => return "wherever the rules above reach".to_owned(),
            (false, Some(_)) => shell |= tool == "Bash",
            (false, None) if tool == "Bash" => return "wherever a shell command can".to_owned(),
            (false, None) => {}
        }
    }
    match (places.is_empty(), shell) {
        (true, true) => "nothing but what its shell commands write".to_owned(),
        (true, false) => "nothing".to_owned(),
        (false, true) => format!("{} and what its shell commands write", quoted(&places)),
        (false, false) => format!("only {}", quoted(&places)),
    }
}

pub fn tier(tier: ModelTier) -> &'static str {
    match tier {
        ModelTier::Weak => "a cheap one",
        ModelTier::Base => "a middling one",
        ModelTier::Strong => "a strong one",
    }
}

pub fn results(results: &Results) -> String {
    let Results::Reduced(rule) = results else { return "as they are".to_owned() };
    let kept = match rule.keep {
        TokenBudget::Share(share) => format!("{:.0} % of it", share * 100.0),
        TokenBudget::Tokens(tokens) => format!("{tokens} tokens"),
    };
    let of = if rule.tools.is_empty() { String::new() } else { format!(" of {}", quoted(&rule.tools)) };
    format!("what{of} costs more than {} tokens is made shorter, to {kept}; the rest can be fetched", rule.above)
}

pub fn gate(kind: &GateKind) -> String {
    match kind {
        GateKind::Artifact { name, schema: None } => format!("hand in the document `{name}`"),
        GateKind::Artifact { name, schema: Some(schema) } => {
            let required: Vec<String> = schema
                .get("required")
                .and_then(serde_json::Value::as_array)
                .map(|names| names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
                .unwrap_or_default();
            let with =
                if required.is_empty() { String::new() } else { format!(" with at least {}", quoted(&required)) };
            format!("hand in the document `{name}`{with}, valid against its schema")
        }
        GateKind::Command { argv, within_seconds, fresh, observed } => {
            let seen = if *observed { "; a run of the agent's own that its hook saw will do" } else { "" };
            let (argv, within) = (shell_words(argv), duration::format(*within_seconds));
            format!("`{argv}` succeeds within {within}{}{seen}", when(*fresh))
        }
        GateKind::Hook { argv, within_seconds, fresh } => {
            format!(
                "the hook `{}` agrees within {}{}",
                shell_words(argv),
                duration::format(*within_seconds),
                when(*fresh)
            )
        }
        GateKind::Syntax { files: SyntaxFiles::Changed } => "every changed file parses".to_owned(),
        GateKind::Syntax { files: SyntaxFiles::Matching(globs) } => {
            format!("every file that matches {} parses", quoted(globs))
        }
        GateKind::Approval(approval) => self::approval(approval),
        GateKind::Children => "all tasks split off from this one are done".to_owned(),
        GateKind::Tasks { labels } => format!("all tasks labelled {} are done", quoted(labels)),
        GateKind::Budget => "nothing of the budget is overspent".to_owned(),
    }
}

fn when(fresh: bool) -> &'static str {
    if fresh { ", run after the last write" } else { ", even if run before the last write" }
}

fn approval(gate: &ApprovalGate) -> String {
    let who = if gate.from.is_empty() { "any approver".to_owned() } else { quoted(&gate.from).replace(", ", " or ") };
    let but = if gate.not_by_author { ", nobody who worked on the task," } else { "" };
    let proof = match gate.level {
        0 | 1 => "",
        2 => " and signs it with a key",
        _ => " and signs it with a passkey",
    };
    format!("{who}{but} answers yes{proof} to \"{}\" within {}", gate.ask, duration::format(gate.within_seconds))
}

fn budget(budget: &Budget) -> Option<String> {
    let mut caps = Vec::new();
    caps.extend(budget.usd.map(|usd| format!("{usd:.2} US dollars")));
    caps.extend(budget.tokens.map(|tokens| format!("{tokens} tokens")));
    caps.extend(budget.minutes.map(|minutes| format!("{minutes} minutes")));
    caps.extend(budget.calls.map(|calls| format!("{calls} answers of a model")));
    (!caps.is_empty()).then(|| caps.join(", "))
}

pub fn quoted(list: &[String]) -> String {
    list.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ")
}
