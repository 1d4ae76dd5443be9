//! One call and what is said about it by a set of rules. Where the rules come from and what follows is not here.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::client_call::SHELL;
use super::commands::Command;
use super::fields;
use super::hosts;
use super::names::{self, Kind};
use super::parameters::Fields;
use super::paths::{self, Access};
use super::prompts;
use super::rule::{Rule, RuleList, ToolPattern};
use super::undecided::OWN_AFFAIRS;

/// Folders that are links on some systems, and that rules name by the link.
const OFTEN_LINKS: [&str; 4] = ["/etc", "/home", "/tmp", "/var"];
/// Commands of one call that are read, together.
const COMMANDS_BYTES_MAX: usize = 32 * 1024;
/// Fields of one call whose real place is looked up.
const PLACES_MAX: usize = 64;

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
    /// Paths of calls begin with a drive and have backslashes; those here are in the form of patterns, `/c/x`.
    pub windows: bool,
    /// Other servers that offer a tool of the same name, unseen until now: such a call is asked about first.
    pub namesakes: Vec<String>,
    pub guard: Guard,
}

impl Around {
    /// A path of these surroundings in the form of patterns.
    pub fn path(&self, written: &str) -> String {
        if self.windows { paths::as_posix(written) } else { written.to_owned() }
    }
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
            shell(by_name, super::bash::judge(&as_of_bash(rules, &tool), command, around))
        }
        Kind::File(file) => paths::call(rules, file, &tool, input, around),
        Kind::Fetch => hosts::judge(rules, input, around),
        Kind::Other => named(rules, &tool, input, around),
    }
}

/// The rules that hold for a tool that runs commands of bash. What denies a command denies it there too; what allows one
/// to `Bash`, which the kernel may hold besides, does not.
fn as_of_bash<'r>(rules: &'r RuleSet, tool: &str) -> Cow<'r, RuleSet> {
    if tool == SHELL {
        return Cow::Borrowed(rules);
    }
    let is = |rule: &Rule, name: &str| matches!(&rule.tool, ToolPattern::Name(known) if known == name);
    let read = |list: &[Rule], with_bash: bool| -> Vec<Rule> {
        let kept = list.iter().filter(|rule| with_bash || !is(rule, SHELL));
        let named = |rule: &Rule| {
            let tool = if is(rule, tool) { ToolPattern::Name(SHELL.to_owned()) } else { rule.tool.clone() };
            Rule { tool, ..rule.clone() }
        };
        kept.map(named).collect()
    };
    Cow::Owned(RuleSet { deny: read(&rules.deny, true), ask: read(&rules.ask, true), allow: read(&rules.allow, false) })
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

/// By the tool's name, its parameters, and what stands in the brackets: a name (`Agent(Explore)`) or a command.
fn named(rules: &RuleSet, tool: &str, input: &Value, around: &Around) -> Verdict {
    let what = format!("`{}`", paths::shown(tool));
    let (fields, called) = (Fields::of(input), names::Called::of(tool, input));
    let texts = commands(tool, input);
    let commands: Vec<Command<'_>> = texts.iter().map(|text| Command::of(text)).collect();
    let means = |rule: &Rule, list: RuleList| {
        let spec = rule.spec.as_deref().filter(|_| names::pattern_covers(&rule.tool, list, tool));
        spec.is_some_and(|spec| commands.iter().any(|command| command.may_be(spec)))
    };
    let about_file = commands.iter().find_map(|command| command.denied_file(rules, around));
    let refuses = |rule: &Rule, list| {
        names::covers(rule, list, tool)
            || called.is_named(rule, list, tool)
            || fields.hold(rule, list, tool)
            || means(rule, list)
            || list == RuleList::Deny && about_file.is_some_and(|about| about.text == rule.text)
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
    let hidden = behind_gateway(rules, tool, &fields);
    let some = |list: &[Rule], which| {
        list.iter().any(|rule| rule.is_about_commands() && names::pattern_covers(&rule.tool, which, tool))
    };
    let is_scoped = !commands.is_empty() && (some(&rules.deny, RuleList::Deny) || some(&rules.ask, RuleList::Ask));
    let of_files = rules.deny.iter().any(|rule| rule.path.is_some());
    let matters = |command: &&Command<'_>| is_scoped || of_files && command.is_cut();
    let unread = commands.iter().filter(matters).find_map(Command::unread).map(str::to_owned);
    let doubt = names::doubt(tool).map(str::to_owned).or(hidden).or(unread).or_else(|| {
        unsure.map(|rule| format!("the rule `{}` looks at a field that holds more than one value", rule.text))
    });
    let allows = || {
        let is = |rule: &Rule| {
            let spec = rule.spec.as_deref().filter(|_| names::pattern_covers(&rule.tool, RuleList::Allow, tool));
            spec.is_some_and(|spec| !commands.is_empty() && commands.iter().all(|command| command.is(spec)))
        };
        let covers = |rule: &&Rule| {
            names::covers(rule, RuleList::Allow, tool) || called.is_named(rule, RuleList::Allow, tool) || is(rule)
        };
        let rule = rules.allow.iter().find(covers)?;
        Some((rule, format!("the rule `{}` allows {what}", rule.text)))
    };
    let guard = guarded(tool, input, &commands, around);
    let verdict = order(Parts { rules, what: what.clone(), refuses, guard, doubt, allows });
    if verdict.decision == Decision::Allow && tool.starts_with("mcp__") && !around.namesakes.is_empty() {
        let others = around.namesakes.iter().map(|server| format!("`{}`", paths::shown(server)));
        let others: Vec<String> = others.collect();
        let reason = format!("{what} is also the name of a tool of {}: say which server is meant", others.join(", "));
        return Verdict { decision: Decision::Ask, reason, ..verdict };
    }
    verdict
}

/// Why a rule may mean a tool that a gateway offers under another name.
fn behind_gateway(rules: &RuleSet, tool: &str, fields: &Fields<'_>) -> Option<String> {
    let direct = names::behind_gateway(tool);
    let direct = &direct;
    let means =
        |list| move |rule: &&Rule| direct.iter().any(|at| names::covers(rule, list, at) || fields.hold(rule, list, at));
    let unsure = || direct.iter().find_map(|at| fields.unsure(rules, at));
    let rule = rules.deny.iter().find(means(RuleList::Deny)).or_else(|| rules.ask.iter().find(means(RuleList::Ask)));
    let rule = rule.or_else(unsure)?;
    Some(format!("by its name it may be what the rule `{}` means, behind a gateway", rule.text))
}

/// The commands that a tool other than the known ones would run.
fn commands(tool: &str, input: &Value) -> Vec<String> {
    let runs_none = matches!(tool, "Agent" | "Skill" | "SlashCommand") || fields::is_own(tool);
    if runs_none || names::kind(tool) != Kind::Other {
        return Vec::new();
    }
    let commands = fields::commands(tool, input);
    // As one text, so many are too long to be read.
    let bytes: usize = commands.iter().map(String::len).sum();
    if bytes > COMMANDS_BYTES_MAX { vec![commands.join("\n")] } else { commands }
}

/// Why every agent keeps off what the fields of a call name, whatever the rules say.
fn guarded(tool: &str, input: &Value, commands: &[Command<'_>], around: &Around) -> Option<String> {
    if let Some(why) = prompts::orders(tool, input, around) {
        return Some(why.to_owned());
    }
    if fields::poses_as_own(tool) {
        return Some(format!("`{tool}` is no tool of phasegate: what it is called after is for a person"));
    }
    if names::kind(tool) != Kind::Other || fields::is_own(tool) || OWN_AFFAIRS.contains(&tool) {
        return None;
    }
    let access = if fields::only_looks(tool) { Access::Read } else { Access::Write };
    if let Some(why) = fields::paths(input).into_iter().find_map(|path| paths::guarded(&path, access, around)) {
        return Some(why);
    }
    let nothing = RuleSet::default();
    let by_guard = |verdict: Verdict| {
        let why = verdict.reason.split("; ").next().unwrap_or_default().to_owned();
        (verdict.decision == Decision::Deny).then_some(why)
    };
    let of_bash = |command: &Command<'_>| {
        command.as_bash().iter().find_map(|text| by_guard(super::bash::judge(&nothing, text, around)))
    };
    if let Some(why) = commands.iter().find_map(|command| command.guarded(around).or_else(|| of_bash(command))) {
        return Some(why);
    }
    let fetched = |url: &str| by_guard(hosts::judge(&nothing, &serde_json::json!({ "url": url }), around));
    fields::addresses(input).into_iter().filter(|_| !around.guard.ports.is_empty()).find_map(fetched)
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
        .chain(OFTEN_LINKS.map(str::to_owned))
        .collect();
    match names::kind(&tool) {
        Kind::Shell => {
            if let Some(command) = input.get("command").and_then(Value::as_str) {
                found.extend(super::bash::paths(command, around));
            }
        }
        Kind::File(file) => found.extend(paths::of_call(file, input, around)),
        Kind::Fetch => {}
        Kind::Other if fields::is_own(&tool) => {}
        Kind::Other => {
            let named = fields::paths(input).into_iter().filter(|path| path.contains(['/', '.', '~'])).take(PLACES_MAX);
            found.extend(named.flat_map(|path| paths::looked_up(&path, around)));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The same of the rules that deny and ask: what they spell out may be a link to what a call names by its real place.
pub fn paths_of_rules(rules: &RuleSet, around: &Around) -> Vec<String> {
    paths::of_rules(rules, around)
}
