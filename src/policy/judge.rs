//! One call and what is said about it by a set of rules. Where the rules come from and what follows is not here.

use std::collections::BTreeMap;

use serde_json::Value;

use super::hosts;
use super::names::{self, Kind};
use super::parameters::Fields;
use super::paths;
use super::rule::{Rule, RuleList};

/// The call's surroundings, looked up beforehand: a verdict reads no file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// Where relative paths start.
    pub cwd: String,
    /// Where patterns without an anchor start; nothing: at `cwd`. Where an agent moves `cwd` about, patterns must not move
    /// with it.
    pub base: Option<String>,
    pub home: Option<String>,
    /// The folder of the file that the rules stand in: where patterns that begin with `/` start.
    pub root: String,
    /// Where a path really leads, for paths with a symlink on the way; others lead to themselves. Empty: it leads nowhere,
    /// or in a circle.
    pub links: BTreeMap<String, String>,
    /// The file system takes `A` and `a` for one.
    pub case_insensitive: bool,
    /// Other servers that offer a tool of the same name, unseen until now: such a call is asked about first.
    pub namesakes: Vec<String>,
    pub guard: Guard,
}

/// What is phasegate's own: agents keep off it whatever the rules say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Absolute paths of programs that are phasegate, beside any program of that name.
    pub programs: Vec<String>,
    /// Absolute folders and files of state, settings and keys, beside any folder `.phasegate`.
    pub paths: Vec<String>,
    /// Ports of this machine on which it listens.
    pub ports: Vec<u16>,
}

/// Rules by list, in the order of the files. Those that do not parse or grant nothing are not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSet {
    pub deny: Vec<Rule>,
    pub ask: Vec<Rule>,
    pub allow: Vec<Rule>,
}

impl RuleSet {
    /// Reads rules as written, and says which of them count for nothing and why.
    pub fn compile(deny: &[String], ask: &[String], allow: &[String]) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let mut read = |list: &[String], which: RuleList| -> Vec<Rule> {
            let mut rules = Vec::with_capacity(list.len());
            for text in list {
                match Rule::parse(text) {
                    Err(why) => problems.push(why),
                    Ok(rule) => match rule.grants_nothing(which).or_else(|| paths::without_effect(&rule, which)) {
                        Some(why) => problems.push(why),
                        None => rules.push(rule),
                    },
                }
            }
            rules
        };
        let deny = read(deny, RuleList::Deny);
        let ask = read(ask, RuleList::Ask);
        let allow = read(allow, RuleList::Allow);
        (Self { deny, ask, allow }, problems)
    }

    /// Both together. None of the two can grant what the other denies.
    pub fn with(mut self, other: Self) -> Self {
        self.deny.extend(other.deny);
        self.ask.extend(other.ask);
        self.allow.extend(other.allow);
        self
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allow,
    Ask,
    Deny,
    /// No rule decided.
    None,
}

impl Decision {
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
            Self::None => "none",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub decision: Decision,
    /// As written.
    pub rule: Option<String>,
    pub reason: String,
    /// A shell command that could not be read for certain: what it does is not known.
    pub opaque: bool,
}

impl Verdict {
    pub fn none(reason: impl Into<String>) -> Self {
        Self { decision: Decision::None, rule: None, reason: reason.into(), opaque: false }
    }

    /// By the guard, whatever the rules say.
    pub fn guarded(why: &str) -> Self {
        let reason = format!("{why}; that is kept from every agent, whatever the rules allow");
        Self { decision: Decision::Deny, rule: None, reason, opaque: false }
    }

    pub fn by(decision: Decision, rule: &Rule, reason: impl Into<String>) -> Self {
        Self { decision, rule: Some(rule.text.clone()), reason: reason.into(), opaque: false }
    }

    /// Of two verdicts on one call, or on two parts of it, the one that holds: deny, ask, none, allow.
    pub fn stricter(self, other: Self) -> Self {
        let rank = |verdict: &Self| match verdict.decision {
            Decision::Deny => 0,
            Decision::Ask => 1,
            Decision::None => 2,
            Decision::Allow => 3,
        };
        let opaque = self.opaque || other.opaque;
        let held = if rank(&other) < rank(&self) { other } else { self };
        Self { opaque, ..held }
    }
}

/// What decides one call, for `order`.
pub(super) struct Parts<'r, W, A>
where
    W: Fn(&Rule, RuleList) -> bool,
    A: FnOnce() -> Option<(&'r Rule, String)>,
{
    pub rules: &'r RuleSet,
    /// What is judged, in words.
    pub what: String,
    /// Whether a rule of deny or ask covers the call.
    pub refuses: W,
    pub guard: Option<String>,
    /// Why nothing may allow the call by itself.
    pub doubt: Option<String>,
    /// The rule that allows it, and why.
    pub allows: A,
}

/// Deny, then the guard, then ask, then allow; the first that matches decides.
pub(super) fn order<'r, W, A>(parts: Parts<'r, W, A>) -> Verdict
where
    W: Fn(&Rule, RuleList) -> bool,
    A: FnOnce() -> Option<(&'r Rule, String)>,
{
    let Parts { rules, what, refuses, guard, doubt, allows } = parts;
    if let Some(rule) = rules.deny.iter().find(|rule| refuses(rule, RuleList::Deny)) {
        return Verdict::by(Decision::Deny, rule, format!("the rule `{}` denies {what}", rule.text));
    }
    if let Some(why) = guard {
        return Verdict::guarded(&format!("{what}: {why}"));
    }
    if let Some(rule) = rules.ask.iter().find(|rule| refuses(rule, RuleList::Ask)) {
        return Verdict::by(Decision::Ask, rule, format!("the rule `{}` leaves {what} to a person", rule.text));
    }
    if let Some(why) = doubt {
        return Verdict::none(format!("{what} is not allowed without a person: {why}"));
    }
    match allows() {
        Some((rule, reason)) => Verdict::by(Decision::Allow, rule, reason),
        None => Verdict::none(format!("no rule covers {what}")),
    }
}

/// What the rules say about one call of any tool.
pub fn judge(rules: &RuleSet, tool: &str, input: &Value, around: &Around) -> Verdict {
    let tool = names::canonical(tool);
    let text = |field: &str| input.get(field).and_then(Value::as_str);
    match names::kind(&tool) {
        Kind::Shell => {
            let by_name = named(rules, &tool, input, around);
            let Some(command) = text("command") else {
                return by_name.stricter(Verdict::none("the call has no command that could be judged"));
            };
            shell(by_name, super::bash::judge(rules, command, around))
        }
        Kind::File(file) => paths::call(rules, file, &tool, input, around),
        Kind::Fetch => hosts::judge(rules, input, around),
        Kind::Other => named(rules, &tool, input, around),
    }
}

/// What the shell's own rules say, unless a rule by name or parameter is stricter. `none` by name decides nothing.
fn shell(by_name: Verdict, by_command: Verdict) -> Verdict {
    match by_name.decision {
        Decision::Deny | Decision::Ask => by_name.stricter(by_command),
        Decision::Allow => by_command,
        Decision::None if by_name.rule.is_some() => by_command.stricter(by_name),
        Decision::None => by_command,
    }
}

/// By the tool's name, its parameters, and the name in the brackets (`Agent(Explore)`).
fn named(rules: &RuleSet, tool: &str, input: &Value, around: &Around) -> Verdict {
    let what = format!("`{}`", paths::shown(tool));
    let (fields, called) = (Fields::of(input), names::Called::of(tool, input));
    let refuses = |rule: &Rule, list| {
        names::covers(rule, list, tool) || called.is_named(rule, list, tool) || fields.hold(rule, list, tool)
    };
    // A rule about a field that is not a plain value could be meant: it is not known to miss.
    let unsure = fields.unsure(rules, tool);
    if let (Some(rule), Kind::Shell) = (unsure, names::kind(tool)) {
        let known = rules.deny.iter().chain(&rules.ask).any(|rule| refuses(rule, RuleList::Deny));
        if !known {
            let reason = format!("the rule `{}` looks at a field that holds more than one value", rule.text);
            return Verdict::by(Decision::None, rule, reason);
        }
    }
    let direct = names::behind_gateway(tool);
    let hidden = direct.as_deref().and_then(|direct| {
        let refused = |list| move |rule: &&Rule| names::covers(rule, list, direct);
        rules.deny.iter().find(refused(RuleList::Deny)).or_else(|| rules.ask.iter().find(refused(RuleList::Ask)))
    });
    let hidden =
        hidden.map(|rule| format!("by its name it may be what the rule `{}` means, behind a gateway", rule.text));
    let doubt = names::doubt(tool).map(str::to_owned).or(hidden).or_else(|| {
        unsure.map(|rule| format!("the rule `{}` looks at a field that holds more than one value", rule.text))
    });
    let allows = || {
        let covers =
            |rule: &&Rule| names::covers(rule, RuleList::Allow, tool) || called.is_named(rule, RuleList::Allow, tool);
        let rule = rules.allow.iter().find(covers)?;
        Some((rule, format!("the rule `{}` allows {what}", rule.text)))
    };
    let guard = names::hands_on_a_persons_act(tool, input)
        .then(|| "it tells a subagent to give a command of phasegate that only a person gives".to_owned());
    let verdict = order(Parts { rules, what: what.clone(), refuses, guard, doubt, allows });
    if verdict.decision == Decision::Allow && tool.starts_with("mcp__") && !around.namesakes.is_empty() {
        let others = around.namesakes.iter().map(|server| format!("`{}`", paths::shown(server)));
        let others: Vec<String> = others.collect();
        let reason = format!("{what} is also the name of a tool of {}: say which server is meant", others.join(", "));
        return Verdict { decision: Decision::Ask, reason, ..verdict };
    }
    verdict
}

/// The absolute paths whose real place the verdict may depend on, for `Around::links`. With them the folders that patterns
/// start from.
pub fn paths(tool: &str, input: &Value, around: &Around) -> Vec<String> {
    let tool = names::canonical(tool);
    let mut found: Vec<String> = [Some(&around.cwd), Some(&around.root), around.home.as_ref(), around.base.as_ref()]
        .into_iter()
        .flatten()
        .filter(|folder| folder.starts_with('/'))
        .map(|folder| paths::normal(folder))
        .collect();
    match names::kind(&tool) {
        Kind::Shell => {
            if let Some(command) = input.get("command").and_then(Value::as_str) {
                found.extend(super::bash::paths(command, around));
            }
        }
        Kind::File(file) => found.extend(paths::of_call(file, input, around)),
        Kind::Fetch | Kind::Other => {}
    }
    found.sort();
    found.dedup();
    found
}
