//! The top of the file and its phases. Gates have a file of their own, and so has the way from phase to phase.

use super::fields::{Fields, Reader, join};
use super::problem::At;
use super::tree::{Node, Value};
use super::{context, flow, gates};
use crate::domain::workflow::{
    Budget, Confine, Enforcement, ModelChoice, ModelTier, Network, Phase, Retry, Rules, Sandbox, Screening, Sockets,
    Uninspectable, Workflow,
};
use crate::policy::rule::{Rule, RuleList};

const MAX_PHASES: usize = 64;
const MAX_RULES: usize = 256;
const MAX_RULE: usize = 1_000;

const TOP: [&str; 11] = [
    "version",
    "name",
    "enforcement",
    "uninspectable",
    "screen",
    "protect",
    "unclaimed",
    "budget",
    "retry",
    "context",
    "phases",
];
const PHASE: [&str; 12] = [
    "goal",
    "allow",
    "ask",
    "deny",
    "writes",
    "sandbox",
    "require_approval",
    "model",
    "context",
    "exit",
    "next",
    "end",
];

/// A phase with the places that later checks point at.
pub struct Placed {
    pub phase: Phase,
    pub at: At,
    pub path: String,
    pub next: Vec<(String, At)>,
}

pub fn workflow(reader: &mut Reader<'_, '_>, root: &Node) -> Option<Workflow> {
    let fields = reader.fields(root, "", &TOP)?;
    let version = match fields.get("version") {
        Some(node) => version(reader, node),
        None => missing(reader, &fields, "version", "write `version: 1`"),
    };
    let name = match fields.get("name") {
        Some(node) => reader.name(node, "name"),
        None => missing(reader, &fields, "name", "write a name such as `name: feature`"),
    };
    let enforcement = fields.get("enforcement").and_then(|node| {
        let choices = [("strict", Enforcement::Strict), ("warn", Enforcement::Warn), ("observe", Enforcement::Observe)];
        reader.choice(node, "enforcement", &choices)
    });
    let uninspectable = fields.get("uninspectable").and_then(|node| {
        reader.choice(node, "uninspectable", &[("ask", Uninspectable::Ask), ("deny", Uninspectable::Deny)])
    });
    let screen = fields.get("screen").and_then(|node| {
        let choices = [("off", Screening::Off), ("flag", Screening::Flag), ("refuse", Screening::Refuse)];
        reader.choice(node, "screen", &choices)
    });
    let protect = fields.get("protect").map(|node| rule_lists(reader, node, "protect")).unwrap_or_default();
    let unclaimed = fields.get("unclaimed").map(|node| rule_lists(reader, node, "unclaimed")).unwrap_or_default();
    let budget = fields.get("budget").map(|node| budget(reader, node)).unwrap_or_default();
    let retry = fields.get("retry").map(|node| retry(reader, node)).unwrap_or_default();
    let context = fields.get("context").and_then(|node| context::read(reader, node, "context"));
    let phases = match fields.get("phases") {
        Some(node) => phases(reader, node),
        None => missing(
            reader,
            &fields,
            "phases",
            "write at least one phase and an end: `phases: { work: { next: [done] }, done: { end: true } }`",
        ),
    }?;
    Some(Workflow {
        version: version?,
        name: name?,
        enforcement: enforcement.unwrap_or_default(),
        uninspectable: uninspectable.unwrap_or_default(),
        screen: screen.unwrap_or_default(),
        protect,
        unclaimed,
        budget,
        retry,
        context,
        phases,
    })
}

pub fn missing<T>(reader: &mut Reader<'_, '_>, fields: &Fields<'_>, key: &str, hint: &str) -> Option<T> {
    reader.refuse(fields.at, key, format!("the key `{key}` is missing"), hint);
    None
}

fn version(reader: &mut Reader<'_, '_>, node: &Node) -> Option<u32> {
    if matches!(&node.value, Value::Number(number) if number.as_u64() == Some(1)) {
        return Some(1);
    }
    reader.refuse(
        node.at,
        "version",
        "this version of the file format is not known",
        "write `version: 1`, or use a newer phasegate",
    );
    None
}

fn budget(reader: &mut Reader<'_, '_>, node: &Node) -> Budget {
    const MOST: u64 = 1_000_000_000_000;
    let Some(fields) = reader.fields(node, "budget", &["usd", "tokens", "minutes", "calls"]) else {
        return Budget::default();
    };
    Budget {
        usd: fields.get("usd").and_then(|node| reader.amount(node, "budget.usd")),
        tokens: fields.get("tokens").and_then(|node| reader.whole(node, "budget.tokens", 1, MOST)),
        minutes: fields.get("minutes").and_then(|node| reader.whole(node, "budget.minutes", 1, 525_600)),
        calls: fields.get("calls").and_then(|node| reader.whole(node, "budget.calls", 1, 1_000_000_000)),
    }
}

fn retry(reader: &mut Reader<'_, '_>, node: &Node) -> Retry {
    let attempts = reader
        .fields(node, "retry", &["attempts"])
        .and_then(|fields| fields.get("attempts"))
        .and_then(|node| reader.whole(node, "retry.attempts", 1, 20))
        .and_then(|attempts| u32::try_from(attempts).ok());
    attempts.map_or_else(Retry::default, |attempts| Retry { attempts })
}

fn rule_lists(reader: &mut Reader<'_, '_>, node: &Node, path: &str) -> Rules {
    let Some(fields) = reader.fields(node, path, &["deny", "ask", "allow"]) else { return Rules::default() };
    rules_of(reader, &fields, path)
}

fn rules_of(reader: &mut Reader<'_, '_>, fields: &Fields<'_>, path: &str) -> Rules {
    let mut list =
        |key: &str, kind| fields.get(key).map(|node| rules(reader, node, &join(path, key), kind)).unwrap_or_default();
    let rules = Rules {
        deny: list("deny", RuleList::Deny),
        ask: list("ask", RuleList::Ask),
        allow: list("allow", RuleList::Allow),
    };
    let count = rules.deny.len() + rules.ask.len() + rules.allow.len();
    if count > MAX_RULES {
        reader.refuse(
            fields.at,
            path,
            format!("there are {count} rules here, more than {MAX_RULES}"),
            "join some with `*`, or split the phase",
        );
    }
    rules
}

fn rules(reader: &mut Reader<'_, '_>, node: &Node, path: &str, list: RuleList) -> Vec<String> {
    let mut rules = Vec::new();
    for (index, (text, at)) in reader.texts(node, path, MAX_RULES).into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        if text.chars().count() > MAX_RULE {
            reader.refuse(at, &path, format!("the rule is longer than {MAX_RULE} characters"), "shorten it with `*`");
            continue;
        }
        match Rule::parse(&text) {
            Ok(rule) => match rule.grants_nothing(list) {
                Some(reason) => reader.refuse(at, &path, reason, ""),
                None if rules.contains(&rule.text) => {
                    reader.refuse(at, &path, format!("`{}` stands here twice", rule.text), "keep one of them")
                }
                None => rules.push(rule.text),
            },
            Err(reason) => reader.refuse(at, &path, reason, ""),
        }
    }
    rules
}

fn phases(reader: &mut Reader<'_, '_>, node: &Node) -> Option<Vec<Phase>> {
    let entries = reader.map(node, "phases", "write each phase under its name: `build: { goal: .. }`")?;
    if entries.is_empty() {
        reader.refuse(node.at, "phases", "the workflow has no phases", "write at least one phase and an end");
        return None;
    }
    if entries.len() > MAX_PHASES {
        reader.refuse(
            node.at,
            "phases",
            format!("there are {} phases, more than {MAX_PHASES}", entries.len()),
            "join some",
        );
        return None;
    }
    let mut placed = Vec::new();
    for (key, value) in entries {
        let path = join("phases", &key.name);
        reader.check_name(&key.name, key.at, &path, "-_");
        let (phase, next) = phase(reader, value, &key.name, &path).unwrap_or_default();
        placed.push(Placed { phase, at: key.at, path, next });
    }
    // A phase that could not be read would make every phase behind it look unreachable.
    if placed.iter().all(|placed| !placed.phase.name.is_empty()) {
        flow::check(reader, &placed);
    }
    Some(placed.into_iter().map(|placed| placed.phase).collect())
}

fn phase(reader: &mut Reader<'_, '_>, node: &Node, name: &str, path: &str) -> Option<(Phase, Vec<(String, At)>)> {
    let fields = reader.fields(node, path, &PHASE)?;
    let end = fields.get("end").and_then(|node| reader.flag(node, &join(path, "end"))).unwrap_or(false);
    if end {
        for key in fields
            .keys()
            .filter(|key| PHASE.contains(&key.name.as_str()) && !["end", "goal"].contains(&key.name.as_str()))
        {
            let message =
                format!("`{}` stands in an end phase, where a task is complete and nothing happens any more", key.name);
            reader.refuse(key.at, &join(path, &key.name), message, "remove it, or make another phase the end");
        }
    }
    let goal = fields.get("goal").and_then(|node| reader.prose(node, &join(path, "goal"))).unwrap_or_default();
    let writes = fields.get("writes").map(|node| writes(reader, node, &join(path, "writes")));
    let require = join(path, "require_approval");
    let next = fields.get("next").map(|node| reader.texts(node, &join(path, "next"), MAX_PHASES)).unwrap_or_default();
    let phase = Phase {
        name: name.to_owned(),
        goal: goal.trim().to_owned(),
        rules: rules_of(reader, &fields, path),
        writes,
        sandbox: fields.get("sandbox").map(|node| sandbox(reader, node, path)).unwrap_or_default(),
        require_approval: fields
            .get("require_approval")
            .map(|node| rules(reader, node, &require, RuleList::Ask))
            .unwrap_or_default(),
        model: fields.get("model").and_then(|node| model(reader, node, path)),
        context: fields.get("context").and_then(|node| context::read(reader, node, &join(path, "context"))),
        exit: fields.get("exit").map(|node| gates::read(reader, node, &join(path, "exit"))).unwrap_or_default(),
        next: next.iter().map(|(name, _)| name.clone()).collect(),
        end,
    };
    let count = phase.require_approval.len() + phase.rules.deny.len() + phase.rules.ask.len() + phase.rules.allow.len();
    if !phase.require_approval.is_empty() && count > MAX_RULES {
        reader.refuse(
            fields.at,
            path,
            format!("there are {count} rules in this phase, more than {MAX_RULES}"),
            "join some with `*`",
        );
    }
    Some((phase, next))
}

/// Patterns below the work tree, in the way of `.gitignore`.
fn writes(reader: &mut Reader<'_, '_>, node: &Node, path: &str) -> Vec<String> {
    let mut patterns = Vec::new();
    for (index, (text, at)) in reader.texts(node, path, MAX_RULES).into_iter().enumerate() {
        match outside(&text) {
            Some(why) => {
                let hint = "write a pattern relative to the work tree, such as `src/**`";
                reader.refuse(at, &format!("{path}[{index}]"), format!("`{text}` {why}"), hint);
            }
            None => patterns.push(text),
        }
    }
    patterns
}

/// Why a path does not stay below its folder, if so.
pub fn outside(path: &str) -> Option<&'static str> {
    if path.starts_with('/') || path.get(1..2) == Some(":") {
        Some("is an absolute path")
    } else if path.starts_with('~') {
        Some("starts in the home folder")
    } else if path.contains('\\') {
        Some("holds a backslash")
    } else if path.starts_with('!') {
        Some("is negated, which is not possible here")
    } else if path.split('/').any(|part| part == "..") {
        Some("leads upwards with `..`")
    } else {
        None
    }
}

fn sandbox(reader: &mut Reader<'_, '_>, node: &Node, path: &str) -> Sandbox {
    let path = join(path, "sandbox");
    let Some(fields) = reader.fields(node, &path, &["network", "confine", "sockets", "grants"]) else {
        return Sandbox::default();
    };
    let network = [("allow", Network::Allow), ("deny", Network::Deny)];
    let confine =
        [("auto", Confine::Auto), ("full", Confine::Full), ("writes", Confine::Writes), ("off", Confine::Off)];
    let sockets = [("allow", Sockets::Allow), ("mask", Sockets::Mask), ("none", Sockets::None)];
    let network = chosen(reader, &fields, &path, "network", &network);
    let confine = chosen(reader, &fields, &path, "confine", &confine);
    if network == Network::Deny && confine == Confine::Off {
        let message = "a closed network is held by confinement, and that is off";
        reader.refuse(
            fields.key_at("confine"),
            &join(&path, "confine"),
            message,
            "remove `confine: off`, or allow the network",
        );
    }
    Sandbox {
        network,
        confine,
        sockets: chosen(reader, &fields, &path, "sockets", &sockets),
        grants: fields.get("grants").map(|node| grants(reader, node, &join(&path, "grants"))).unwrap_or_default(),
    }
}

fn chosen<T: Copy + Default>(
    reader: &mut Reader<'_, '_>,
    fields: &Fields<'_>,
    path: &str,
    key: &str,
    choices: &[(&str, T)],
) -> T {
    let node = fields.get(key);
    node.and_then(|node| reader.choice(node, &join(path, key), choices)).unwrap_or_default()
}

/// Places, not patterns: each is one folder or one file that a person has thought of.
fn grants(reader: &mut Reader<'_, '_>, node: &Node, path: &str) -> Vec<String> {
    let mut places = Vec::new();
    for (index, (text, at)) in reader.texts(node, path, MAX_RULES).into_iter().enumerate() {
        let is_whole = matches!(text.trim_end_matches('/'), "" | "~" | ".");
        let why = if is_whole {
            Some("opens everything")
        } else if text.contains(['*', '?', '[', '{', '\\']) {
            Some("is a pattern, and a grant is one folder or file")
        } else if text.split('/').any(|part| part == "..") {
            Some("leads upwards with `..`")
        } else {
            None
        };
        match why {
            Some(why) => {
                let hint = "write a folder or file, such as `out/`, `/dev/kvm` or `~/.cache/tool`";
                reader.refuse(at, &format!("{path}[{index}]"), format!("`{text}` {why}"), hint);
            }
            None => places.push(text),
        }
    }
    places
}

fn model(reader: &mut Reader<'_, '_>, node: &Node, path: &str) -> Option<ModelChoice> {
    let path = join(path, "model");
    let fields = reader.fields(node, &path, &["tier", "raise_on_failure"])?;
    let raise = fields.get("raise_on_failure").and_then(|node| reader.flag(node, &join(&path, "raise_on_failure")));
    let Some(tier) = fields.get("tier") else {
        reader.refuse(
            fields.at,
            &path,
            "the key `tier` is missing",
            "write `tier: weak`, `tier: base` or `tier: strong`",
        );
        return None;
    };
    let tiers = [("weak", ModelTier::Weak), ("base", ModelTier::Base), ("strong", ModelTier::Strong)];
    let tier = reader.choice(tier, &join(&path, "tier"), &tiers)?;
    Some(ModelChoice { tier, raise_on_failure: raise.unwrap_or(false) })
}
