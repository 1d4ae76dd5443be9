//! The `exit` list of a phase: each entry one gate. Whether a gate is met is decided elsewhere.

use super::compile::outside;
use super::fields::{Fields, Reader, join};
use super::problem::nearest;
use super::schema;
use super::tree::{Node, Plain, Value};
use crate::domain::workflow::{ApprovalGate, Gate, GateKind, SyntaxFiles};

const MAX_GATES: usize = 32;
const MAX_ARGUMENTS: usize = 256;
const MAX_NAMES: usize = 64;
const MAX_LEVEL: u64 = 3;
/// An answer from where the agent's own rules keep it away.
const LEVEL_DEFAULT: u8 = 1;

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

const KINDS: [&str; 8] = ["artifact", "command", "syntax", "approval", "children", "tasks", "budget", "hook"];

fn options(kind: &str) -> &'static [&'static str] {
    match kind {
        "artifact" => &["artifact", "schema", "schema_file"],
        "command" => &["command", "within", "fresh", "tier"],
        "hook" => &["hook", "within", "fresh"],
        "syntax" => &["syntax"],
        "approval" => &["approval"],
        "children" => &["children"],
        "tasks" => &["tasks"],
        _ => &["budget"],
    }
}

pub fn read(reader: &mut Reader<'_, '_>, node: &Node, path: &str) -> Vec<Gate> {
    let Some(items) = reader.list(node, path) else { return Vec::new() };
    if items.len() > MAX_GATES {
        reader.refuse(node.at, path, format!("there are {} gates, more than {MAX_GATES}", items.len()), "join some");
        return Vec::new();
    }
    let mut gates: Vec<Gate> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(kind) = gate(reader, item, &path) else { continue };
        let base = base_id(&kind);
        if matches!(kind, GateKind::Artifact { .. }) && gates.iter().any(|gate| gate.id == base) {
            let message = format!("the phase has two gates `{base}`, and one document cannot answer both");
            reader.refuse(item.at, &path, message, "give one another name, or join their schemas");
            continue;
        }
        let mut id = base.clone();
        let mut number = 1;
        while gates.iter().any(|gate| gate.id == id) {
            number += 1;
            id = format!("{base}#{number}");
        }
        gates.push(Gate { id, kind });
    }
    gates
}

fn base_id(kind: &GateKind) -> String {
    match kind {
        GateKind::Artifact { name, .. } => format!("artifact:{name}"),
        GateKind::Command { argv, .. } => format!("command:{}", argv.join(" ")),
        GateKind::Hook { argv, .. } => format!("hook:{}", argv.join(" ")),
        GateKind::Syntax { .. } => "syntax".to_owned(),
        GateKind::Approval(_) => "approval".to_owned(),
        GateKind::Children => "children".to_owned(),
        GateKind::Tasks { .. } => "tasks".to_owned(),
        GateKind::Budget => "budget".to_owned(),
    }
}

fn gate(reader: &mut Reader<'_, '_>, node: &Node, path: &str) -> Option<GateKind> {
    let list = KINDS.join("`, `");
    let entries = reader.map(node, path, &format!("write a gate such as `artifact: plan`; there are `{list}`"))?;
    let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| entries.iter().any(|(key, _)| key.name == *kind)).collect();
    let kind = match kinds.as_slice() {
        [kind] => *kind,
        [] => {
            let near = entries.iter().find_map(|(key, _)| nearest(&key.name, KINDS));
            let hint = near.map_or(format!("there are `{list}`"), |near| format!("did you mean `{near}`?"));
            reader.refuse(node.at, path, "this entry names no gate", hint);
            return None;
        }
        several => {
            let message = format!("this entry names more than one gate: `{}`", several.join("`, `"));
            reader.refuse(node.at, path, message, "write each as an entry of its own, with its own `-`");
            return None;
        }
    };
    let fields = reader.fields(node, path, options(kind))?;
    let value = fields.get(kind)?;
    let value_path = join(path, kind);
    match kind {
        "artifact" => artifact(reader, &fields, value, path),
        "command" => {
            let argv = argv(reader, value, &value_path);
            let (within_seconds, fresh) = run(reader, &fields, path, 10 * MINUTE)?;
            let observed = match fields.get("tier") {
                Some(node) => reader.choice(node, &join(path, "tier"), &[("executed", false), ("observed", true)])?,
                None => false,
            };
            Some(GateKind::Command { argv: argv?, within_seconds, fresh, observed })
        }
        "hook" => {
            let argv = argv(reader, value, &value_path);
            let (within_seconds, fresh) = run(reader, &fields, path, MINUTE)?;
            Some(GateKind::Hook { argv: argv?, within_seconds, fresh })
        }
        "syntax" => syntax(reader, value, &value_path),
        "approval" => approval(reader, value, &value_path).map(GateKind::Approval),
        "children" => reader.choice(value, &value_path, &[("done", ())]).map(|()| GateKind::Children),
        "tasks" => tasks(reader, value, &value_path),
        _ => reader.choice(value, &value_path, &[("within", ())]).map(|()| GateKind::Budget),
    }
}

fn artifact(reader: &mut Reader<'_, '_>, fields: &Fields<'_>, value: &Node, path: &str) -> Option<GateKind> {
    let name = reader.text(value, &join(path, "artifact"));
    let named = name.is_some_and(|name| reader.check_name(name, value.at, &join(path, "artifact"), "-_"));
    let schema = match (fields.get("schema"), fields.get("schema_file")) {
        (None, None) => None,
        (Some(node), None) => Some(schema::inline(reader, node, &join(path, "schema"))?),
        (None, Some(node)) => Some(schema::from_file(reader, node, &join(path, "schema_file"))?),
        (Some(_), Some(_)) => {
            reader.refuse(
                fields.key_at("schema_file"),
                path,
                "both `schema` and `schema_file` stand here",
                "keep one of them",
            );
            return None;
        }
    };
    let name = name.filter(|_| named)?.to_owned();
    Some(GateKind::Artifact { name, schema })
}

fn argv(reader: &mut Reader<'_, '_>, node: &Node, path: &str) -> Option<Vec<String>> {
    if let Value::Text(text, _) = &node.value {
        let parts = text.split_whitespace().collect::<Vec<_>>().join(", ");
        reader.refuse(
            node.at,
            path,
            "a program and its arguments are a list, because no shell reads them",
            format!("write `[{parts}]`"),
        );
        return None;
    }
    let items = reader.list(node, path)?;
    if items.is_empty() || items.len() > MAX_ARGUMENTS {
        let message =
            if items.is_empty() { "the list is empty, so there is no program to run" } else { "the list is too long" };
        reader.refuse(node.at, path, message, "write the program and its arguments, such as `[cargo, test]`");
        return None;
    }
    let mut argv = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        // An argument may be empty, the name of the program may not.
        let text = if index == 0 { reader.words(item, &path) } else { reader.text(item, &path) };
        argv.extend(text.map(str::to_owned));
    }
    (argv.len() == items.len()).then_some(argv)
}

fn run(reader: &mut Reader<'_, '_>, fields: &Fields<'_>, path: &str, usual: u64) -> Option<(u64, bool)> {
    let within = match fields.get("within") {
        Some(node) => reader.duration(node, &join(path, "within"), 2 * HOUR),
        None => Some(usual),
    };
    let fresh = match fields.get("fresh") {
        Some(node) => reader.flag(node, &join(path, "fresh")),
        None => Some(true),
    };
    Some((within?, fresh?))
}

fn syntax(reader: &mut Reader<'_, '_>, node: &Node, path: &str) -> Option<GateKind> {
    if !matches!(node.value, Value::List(_)) {
        reader.choice(node, path, &[("changed", ())])?;
        return Some(GateKind::Syntax { files: SyntaxFiles::Changed });
    }
    let globs = reader.texts(node, path, MAX_ARGUMENTS);
    if globs.is_empty() {
        reader.refuse(
            node.at,
            path,
            "the list is empty, so no file would be checked",
            "write `changed`, or globs such as `[\"src/**\"]`",
        );
        return None;
    }
    for (index, (glob, at)) in globs.iter().enumerate() {
        if let Some(why) = outside(glob) {
            reader.refuse(
                *at,
                &format!("{path}[{index}]"),
                format!("`{glob}` {why}"),
                "write a pattern relative to the work tree",
            );
        }
    }
    Some(GateKind::Syntax { files: SyntaxFiles::Matching(globs.into_iter().map(|(glob, _)| glob).collect()) })
}

fn approval(reader: &mut Reader<'_, '_>, node: &Node, path: &str) -> Option<ApprovalGate> {
    let fields = reader.fields(node, path, &["ask", "from", "not_by", "within", "level"])?;
    let ask = match fields.get("ask") {
        Some(node) => {
            let path = join(path, "ask");
            let ask = reader.prose(node, &path);
            ask.filter(|ask| reader.is_written(ask, node, &path)).map(str::to_owned)
        }
        None => {
            reader.refuse(
                fields.at,
                path,
                "the key `ask` is missing, so nobody would know what is asked",
                "write the question: `ask: \"Ship it?\"`",
            );
            None
        }
    };
    let from = match fields.get("from") {
        Some(node) if matches!(node.value, Value::Text(_, Plain::Text | Plain::Flag)) => {
            reader.words(node, &join(path, "from")).map(|name| vec![name.to_owned()])
        }
        Some(node) => {
            let names = reader.texts(node, &join(path, "from"), MAX_NAMES);
            if names.is_empty() {
                reader.refuse(
                    node.at,
                    &join(path, "from"),
                    "the list is empty, so nobody could approve",
                    "name someone, or leave `from` out for any approver",
                );
            }
            Some(names.into_iter().map(|(name, _)| name).collect())
        }
        None => Some(Vec::new()),
    };
    let not_by_author = match fields.get("not_by") {
        Some(node) => reader.choice(node, &join(path, "not_by"), &[("author", ())]).map(|()| true),
        None => Some(false),
    };
    let within = match fields.get("within") {
        Some(node) => reader.duration(node, &join(path, "within"), 30 * DAY),
        None => Some(72 * HOUR),
    };
    let level = match fields.get("level") {
        Some(node) => reader.whole(node, &join(path, "level"), 0, MAX_LEVEL).and_then(|level| u8::try_from(level).ok()),
        None => Some(LEVEL_DEFAULT),
    };
    Some(ApprovalGate { ask: ask?, from: from?, not_by_author: not_by_author?, within_seconds: within?, level: level? })
}

fn tasks(reader: &mut Reader<'_, '_>, node: &Node, path: &str) -> Option<GateKind> {
    let labels: Vec<String> = reader.texts(node, path, MAX_NAMES).into_iter().map(|(label, _)| label).collect();
    if labels.is_empty() {
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            reader.refuse(
                node.at,
                path,
                "the list is empty, so no task is meant",
                "write labels such as `[migration]`",
            );
        }
        return None;
    }
    Some(GateKind::Tasks { labels })
}
