//! One case as data: the call, its surroundings and the rules, all in one JSON line. No file is looked at.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::policy::judge::{self, Around, Decision, Guard, RuleSet, Verdict};
use crate::policy::paths;
use crate::policy::rule::Rule;

/// Links that one path may go through, as the system counts them.
const LINKS_MAX: usize = 40;

const LISTS: [&str; 3] = ["deny", "ask", "allow"];

/// Judges the case. What the surroundings say about links is followed as the system would.
pub fn judged(case: &Value) -> Result<Verdict, String> {
    let tool = case.get("tool").and_then(Value::as_str).ok_or("the line has no `tool`")?;
    let input = case.get("input").filter(|input| input.is_object()).ok_or("`input` is not an object")?;
    let mut around = around(case.get("context"))?;
    around.namesakes.extend(texts(case.get("fixture"), "other_servers_with_tool"));
    let (rules, _) = rules(case.get("rules"))?;
    let mut verdict = judge::judge(&rules, tool, input, &linked(around, case.get("context"), tool, input, &rules));
    if let Some(reason) = unread(case.get("rules")).filter(|_| verdict.decision == Decision::Allow) {
        verdict = Verdict { decision: Decision::None, rule: None, reason, ..verdict };
    }
    Ok(verdict)
}

/// Why a rule of deny or ask cannot be read: what it was about is not known, so nothing is allowed.
fn unread(rules: Option<&Value>) -> Option<String> {
    let lists = ["deny", "ask"].into_iter().filter_map(|name| rules?.get(name)?.as_array());
    lists.flatten().filter_map(Value::as_str).find_map(|text| Rule::parse(text).err())
}

pub fn rules(rules: Option<&Value>) -> Result<(RuleSet, Vec<String>), String> {
    let unknown =
        rules.and_then(Value::as_object).into_iter().flatten().find(|(name, _)| !LISTS.contains(&name.as_str()));
    if let Some((name, _)) = unknown {
        return Err(format!("`rules.{name}` is no list of rules: there are {}", LISTS.join(", ")));
    }
    let list = |name: &str| -> Result<Vec<String>, String> {
        let Some(list) = rules.and_then(|rules| rules.get(name)) else { return Ok(Vec::new()) };
        let told = || format!("`rules.{name}` is not a list of texts");
        let texts = list.as_array().ok_or_else(told)?;
        texts.iter().map(|text| text.as_str().map(str::to_owned).ok_or_else(told)).collect()
    };
    if rules.is_some_and(|rules| !rules.is_object()) {
        return Err("`rules` is not an object".to_owned());
    }
    Ok(RuleSet::compile(&list("deny")?, &list("ask")?, &list("allow")?))
}

/// The one that the documents name.
const USUAL_PORT: u16 = 8808;

fn around(context: Option<&Value>) -> Result<Around, String> {
    let Some(context) = context else { return Err("the line has no `context`".to_owned()) };
    let text = |name: &str| context.get(name).and_then(Value::as_str).map(str::to_owned);
    let cwd = text("cwd").ok_or("`context.cwd` is missing: a path cannot be judged without it")?;
    // Of a call without a place nobody knows where the server listens: where people have it listen.
    let usual = || Guard { ports: vec![USUAL_PORT], ..Guard::default() };
    let guard = context.get("guard").map_or_else(usual, |guard| Guard {
        programs: texts(Some(guard), "programs"),
        paths: texts(Some(guard), "paths"),
        ports: guard
            .get("ports")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|port| u16::try_from(port.as_u64()?).ok())
            .collect(),
    });
    let around = Around {
        home: text("home"),
        base: None,
        root: text("settings_source").unwrap_or_else(|| cwd.clone()),
        cwd,
        links: BTreeMap::new(),
        case_insensitive: context.get("case_insensitive").and_then(Value::as_bool).unwrap_or(false),
        windows: false,
        namesakes: texts(Some(context), "other_servers_with_tool"),
        guard,
    };
    let on_windows = text("platform").is_some_and(|platform| platform.to_lowercase().starts_with("win"));
    Ok(if on_windows { paths::on_windows(around) } else { around })
}

fn texts(place: Option<&Value>, name: &str) -> Vec<String> {
    let list = place.and_then(|place| place.get(name)).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// With what the links of `context.symlinks` (or `links`) make of the paths of the call.
fn linked(mut around: Around, context: Option<&Value>, tool: &str, input: &Value, rules: &RuleSet) -> Around {
    let mut links: BTreeMap<String, String> = BTreeMap::new();
    for name in ["symlinks", "links"] {
        let given = context.and_then(|context| context.get(name)).and_then(Value::as_object);
        for (from, to) in given.into_iter().flatten() {
            links.extend(to.as_str().map(|to| (around.path(from), around.path(to))));
        }
    }
    if links.is_empty() {
        return around;
    }
    // A `..` in a path makes more paths to look up only by its letters, so once is enough.
    for path in judge::paths(tool, input, &around).into_iter().chain(judge::paths_of_rules(rules, &around)) {
        let real = followed(&path, &links);
        if real != path {
            around.links.insert(path, real);
        }
    }
    around
}

/// Where a path leads, or nothing for a circle.
fn followed(path: &str, links: &BTreeMap<String, String>) -> String {
    let mut ahead: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
    let (mut at, mut taken) = (String::new(), 0);
    while let Some(name) = ahead.pop() {
        match name.as_str() {
            "" | "." => continue,
            ".." => {
                at.truncate(at.rfind('/').unwrap_or(0));
                continue;
            }
            name => {
                at.push('/');
                at.push_str(name);
            }
        }
        if let Some(target) = links.get(&at) {
            taken += 1;
            if taken > LINKS_MAX {
                return String::new();
            }
            ahead.extend(target.split('/').rev().map(str::to_owned));
            let start = if target.starts_with('/') { 0 } else { at.rfind('/').unwrap_or(0) };
            at.truncate(start);
        }
    }
    if at.is_empty() { "/".to_owned() } else { at }
}
