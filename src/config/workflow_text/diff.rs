//! What a new version of a workflow changes, in words, and which changes LOOSEN it.

use super::explain::{gate, quoted, results};
use crate::domain::context::Results;
use crate::domain::workflow::{
    ApprovalGate, Confine, Enforcement, Gate, GateKind, Network, Phase, Rules, Sandbox, Sockets, SyntaxFiles,
    Uninspectable, Workflow,
};

/// Ends a line that lets agents do more, or shows less, than before.
pub const LOOSENS: &str = " (LOOSENS)";

/// One line a change, in the order of the file; empty where both mean the same.
pub fn diff(old: &Workflow, new: &Workflow) -> Vec<String> {
    let mut changes = Changes::default();
    if old.name != new.name {
        changes.add(false, format!("the name becomes `{}`", new.name));
    }
    if old.enforcement != new.enforcement {
        let rank = |enforcement| match enforcement {
            Enforcement::Strict => 0,
            Enforcement::Warn => 1,
            Enforcement::Observe => 2,
        };
        let looser = rank(new.enforcement) > rank(old.enforcement);
        changes.add(looser, format!("enforcement becomes {}", format!("{:?}", new.enforcement).to_lowercase()));
    }
    if old.uninspectable != new.uninspectable {
        let looser = new.uninspectable == Uninspectable::Ask;
        changes.add(
            looser,
            format!(
                "unreadable shell commands: {}",
                if looser { "asked about instead of refused" } else { "refused instead of asked about" }
            ),
        );
    }
    if old.screen != new.screen {
        changes.add(new.screen < old.screen, format!("screen becomes {}", new.screen.word()));
    }
    changes.rules("protect", &old.protect, &new.protect);
    changes.rules("unclaimed", &old.unclaimed, &new.unclaimed);
    changes.cap("budget.usd", old.budget.usd, new.budget.usd);
    changes.cap("budget.tokens", old.budget.tokens, new.budget.tokens);
    changes.cap("budget.minutes", old.budget.minutes, new.budget.minutes);
    changes.cap("budget.calls", old.budget.calls, new.budget.calls);
    changes.cap("retry.attempts", Some(old.retry.attempts), Some(new.retry.attempts));
    changes.results("", &old.context, &new.context);
    changes.start(old, new);
    for phase in &old.phases {
        if new.phase(&phase.name).is_none() {
            changes
                .add(!phase.exit.is_empty(), format!("phase {} removed, with {}", phase.name, count(phase.exit.len())));
        }
    }
    for phase in &new.phases {
        match old.phase(&phase.name) {
            Some(before) => changes.phase(before, phase),
            None if phase.end => changes.add(false, format!("phase {} added, an end", phase.name)),
            None => changes.add(true, format!("phase {} added, allows {}", phase.name, list(&phase.rules.allow))),
        }
    }
    changes.lines
}

#[derive(Default)]
struct Changes {
    lines: Vec<String>,
}

impl Changes {
    fn add(&mut self, loosens: bool, line: String) {
        self.lines.push(if loosens { line + LOOSENS } else { line });
    }

    fn start(&mut self, old: &Workflow, new: &Workflow) {
        let (before, after) = (old.first_phase().map(|phase| &phase.name), new.first_phase().map(|phase| &phase.name));
        if let Some(after) = after
            && before != Some(after)
        {
            // Starting later skips the gates before; starting in a new phase is told by its own line.
            self.add(old.phase(after).is_some(), format!("tasks start in {after}"));
        }
        let order = |workflow: &Workflow, other: &Workflow| -> Vec<String> {
            workflow
                .phases
                .iter()
                .filter(|phase| other.phase(&phase.name).is_some())
                .map(|phase| phase.name.clone())
                .collect()
        };
        let (left, right) = (order(old, new), order(new, old));
        if left != right {
            self.add(false, format!("the phases are listed as {}", right.join(", ")));
        }
    }

    fn cap<T: PartialOrd + std::fmt::Display + Copy>(&mut self, what: &str, old: Option<T>, new: Option<T>) {
        match (old, new) {
            (Some(old), Some(new)) if old != new => self.add(new > old, format!("{what} goes from {old} to {new}")),
            (Some(old), None) => self.add(true, format!("{what} is no longer capped at {old}")),
            (None, Some(new)) => self.add(false, format!("{what} is capped at {new}")),
            _ => {}
        }
    }

    fn rules(&mut self, place: &str, old: &Rules, new: &Rules) {
        self.gains(place, "allow", &old.allow, &new.allow, |_| true, |_| false);
        // An ask for what was allowed tightens; an ask for what was refused loosens.
        self.gains(
            place,
            "ask",
            &old.ask,
            &new.ask,
            |rule| !covered(&old.allow, rule),
            |rule| covered(&new.allow, rule),
        );
        self.gains(place, "deny", &old.deny, &new.deny, |_| false, |_| true);
    }

    fn gains(
        &mut self,
        place: &str,
        list: &str,
        old: &[String],
        new: &[String],
        gain_loosens: impl Fn(&str) -> bool,
        loss_loosens: impl Fn(&str) -> bool,
    ) {
        for item in new.iter().filter(|item| !old.contains(item)) {
            self.add(gain_loosens(item), format!("{place}: {list} gains `{item}`"));
        }
        for item in old.iter().filter(|item| !new.contains(item)) {
            self.add(loss_loosens(item), format!("{place}: {list} loses `{item}`"));
        }
    }

    fn phase(&mut self, old: &Phase, new: &Phase) {
        let place = format!("phase {}", new.name);
        if old.goal != new.goal {
            self.add(false, format!("{place}: the goal becomes \"{}\"", new.goal));
        }
        if old.end != new.end {
            self.add(new.end, format!("{place}: {}", if new.end { "becomes an end" } else { "is no longer an end" }));
        }
        self.rules(&place, &old.rules, &new.rules);
        self.gains(&place, "require_approval", &old.require_approval, &new.require_approval, |_| false, |_| true);
        match (&old.writes, &new.writes) {
            (Some(old), Some(new)) => self.gains(&place, "writes", old, new, |_| true, |_| false),
            (None, Some(new)) => self.add(false, format!("{place}: writes are bounded to {}", list(new))),
            (Some(old), None) => self.add(true, format!("{place}: writes are no longer bounded to {}", list(old))),
            (None, None) => {}
        }
        self.sandbox(&place, &old.sandbox, &new.sandbox);
        if old.model != new.model {
            let model = new.model.map_or("no longer chosen by the phase".to_owned(), |model| {
                format!("{:?}{}", model.tier, if model.raise_on_failure { ", raised on failure" } else { "" })
                    .to_lowercase()
            });
            self.add(false, format!("{place}: the model is {model}"));
        }
        self.results(&format!("{place}: "), &old.context, &new.context);
        self.gates(&new.name, &old.exit, &new.exit);
        self.gains(&place, "next", &old.next, &new.next, |_| true, |_| false);
    }

    /// What a model reads of a result neither loosens nor tightens what it may do.
    fn results(&mut self, place: &str, old: &Option<Results>, new: &Option<Results>) {
        if old != new {
            let said = new.as_ref().map_or_else(|| "nothing is said any more".to_owned(), results);
            self.add(false, format!("{place}results of the client's tools: {said}"));
        }
    }

    fn sandbox(&mut self, place: &str, old: &Sandbox, new: &Sandbox) {
        if old.network != new.network {
            let allowed = new.network == Network::Allow;
            self.add(
                allowed,
                format!("{place}: the network is {} for shell commands", if allowed { "open" } else { "closed" }),
            );
        }
        if old.confine != new.confine {
            let rank = |confine: Confine| match confine {
                Confine::Off => 0,
                Confine::Auto => 1,
                Confine::Writes => 2,
                Confine::Full => 3,
            };
            let (was, is) = (old.confine, new.confine);
            let text = format!("{place}: shell commands are confined `{is:?}`, not `{was:?}`").to_lowercase();
            self.add(rank(is) < rank(was), text);
        }
        if old.sockets != new.sockets {
            let rank = |sockets: Sockets| match sockets {
                Sockets::Allow => 0,
                Sockets::Mask => 1,
                Sockets::None => 2,
            };
            let (was, is) = (old.sockets, new.sockets);
            let text = format!("{place}: sockets for shell commands: `{is:?}`, not `{was:?}`").to_lowercase();
            self.add(rank(is) < rank(was), text);
        }
        self.gains(place, "sandbox grants", &old.grants, &new.grants, |_| true, |_| false);
    }

    fn gates(&mut self, phase: &str, old: &[Gate], new: &[Gate]) {
        for before in old {
            match new.iter().find(|gate| gate.id == before.id) {
                None => self.add(true, format!("gate {} removed from {phase}", before.id)),
                Some(after) if after.kind != before.kind => {
                    self.add(
                        may_loosen(&before.kind, &after.kind),
                        format!("gate {} of {phase} changes: {}", after.id, gate(&after.kind)),
                    );
                }
                Some(_) => {}
            }
        }
        for gate in new.iter().filter(|gate| old.iter().all(|before| before.id != gate.id)) {
            self.add(false, format!("gate {} added to {phase}", gate.id));
        }
    }
}

/// Whether one of the rules names the same tool as a whole, or is the very rule.
fn covered(rules: &[String], rule: &str) -> bool {
    let tool = rule.split('(').next().unwrap_or_default();
    rules.iter().any(|other| other == rule || other == tool)
}

/// Where it cannot be known, the answer is yes: a person should look.
fn may_loosen(old: &GateKind, new: &GateKind) -> bool {
    match (old, new) {
        (GateKind::Artifact { schema: None, .. }, GateKind::Artifact { schema: Some(_), .. }) => false,
        (GateKind::Command { argv: was, fresh: before, .. }, GateKind::Command { argv: is, fresh: after, .. })
        | (GateKind::Hook { argv: was, fresh: before, .. }, GateKind::Hook { argv: is, fresh: after, .. }) => {
            was != is || (*before && !*after)
        }
        (GateKind::Syntax { .. }, GateKind::Syntax { files: SyntaxFiles::Changed }) => false,
        (GateKind::Tasks { labels: was }, GateKind::Tasks { labels: is }) => {
            was.iter().any(|label| !is.contains(label))
        }
        (GateKind::Approval(before), GateKind::Approval(after)) => approval_loosens(before, after),
        _ => true,
    }
}

fn approval_loosens(old: &ApprovalGate, new: &ApprovalGate) -> bool {
    let wider = if old.from.is_empty() {
        false
    } else {
        new.from.is_empty() || new.from.iter().any(|name| !old.from.contains(name))
    };
    wider || (old.not_by_author && !new.not_by_author) || new.level < old.level || old.ask != new.ask
}

fn count(gates: usize) -> String {
    if gates == 1 { "its gate".to_owned() } else { format!("its {gates} gates") }
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "nothing".to_owned() } else { quoted(items) }
}
