//! What phasegate wants in a JSON file of a client, and how it gets there: beside what others put in, in place where it
//! stands already, and out again.

use serde_json::{Map, Value, json};

use super::Fault;
use super::json_text::{Dialect, Doc, Step, read};

/// The name of our server in every client.
pub const SERVER: &str = "phasegate";

/// One thing that is to stand in a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Want {
    /// Our server, under this key: these members, beside what a person added.
    Server {
        under: &'static str,
        entry: Map<String, Value>,
    },
    /// A text in a list; one of `or` there says the same.
    Listed {
        at: &'static [&'static str],
        text: &'static str,
        or: &'static [&'static str],
    },
    Hook {
        event: &'static str,
        matcher: Option<&'static str>,
        handler: Value,
    },
    /// Only where nothing stands yet, such as the address of a schema in a new file.
    Fresh {
        key: &'static str,
        value: Value,
    },
}

fn keys(path: &'static [&'static str]) -> Vec<Step<'static>> {
    path.iter().map(|key| Step::Key(key)).collect()
}

/// A handler that starts `phasegate hook`, in whatever form.
pub fn is_ours(handler: &Value) -> bool {
    let command = handler.get("command").and_then(Value::as_str).unwrap_or_default();
    let arguments = handler.get("args").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut words: Vec<&str> = command.split_whitespace().collect();
    words.extend(arguments.iter().filter_map(Value::as_str));
    let program = |word: &str| {
        let name = word.trim_matches(['"', '\'']).rsplit('/').next().unwrap_or_default();
        name == "phasegate"
    };
    // A path with blanks falls apart into words, and its last piece ends in the name.
    words.windows(2).any(|pair| matches!(pair, [first, "hook"] if program(first)))
}

/// Where our handlers of an event stand: group, place in it, how many the group holds.
fn ours(doc: &Doc<'_>, event: &str) -> Vec<(usize, usize, usize)> {
    let Some(Value::Array(groups)) = doc.value(&[Step::Key("hooks"), Step::Key(event)]) else { return Vec::new() };
    let mut found = Vec::new();
    for (at, group) in groups.iter().enumerate() {
        let Some(handlers) = group.get("hooks").and_then(Value::as_array) else { continue };
        let here = handlers.iter().enumerate().filter(|(_, handler)| is_ours(handler));
        found.extend(here.map(|(index, _)| (at, index, handlers.len())));
    }
    found
}

pub fn says_all(matcher: Option<&Value>) -> bool {
    matches!(matcher.map(|matcher| matcher.as_str()), None | Some(Some("" | "*")))
}

fn group(matcher: Option<&str>, handler: &Value) -> Value {
    match matcher {
        Some(matcher) => json!({ "matcher": matcher, "hooks": [handler] }),
        None => json!({ "hooks": [handler] }),
    }
}

/// Whether the file has it as wanted; `any_program`: started from whatever path.
fn stands(doc: &Doc<'_>, want: &Want, any_program: bool) -> bool {
    match want {
        Want::Server { under, entry } => {
            let there = doc.value(&[Step::Key(under), Step::Key(SERVER)]);
            let same = |(key, value): (&String, &Value)| match there.as_ref().and_then(|there| there.get(key)) {
                None => false,
                Some(known) => known == value || keeps(key, known) || any_program && key == "command",
            };
            entry.iter().all(same)
        }
        Want::Listed { at, text, or } => {
            let list = doc.value(&keys(at));
            let list = list.as_ref().and_then(Value::as_array).into_iter().flatten();
            list.filter_map(Value::as_str).any(|one| one == *text || or.contains(&one))
        }
        Want::Hook { event, handler, .. } => {
            let [(at, index, _)] = ours(doc, event)[..] else { return false };
            let path = [Step::Key("hooks"), Step::Key(event), Step::Index(at)];
            let group = doc.value(&path).unwrap_or_default();
            let mut known = group.pointer(&format!("/hooks/{index}")).cloned().unwrap_or_default();
            if any_program && let (Some(known), Some(command)) = (known.as_object_mut(), handler.get("command")) {
                known.insert("command".to_owned(), command.clone());
            }
            says_all(group.get("matcher")) && known == *handler
        }
        Want::Fresh { .. } => true,
    }
}

/// More arguments after ours, such as `--workspace`, are a person's.
fn keeps(key: &str, known: &Value) -> bool {
    key == "args" && known.pointer("/0").and_then(Value::as_str) == Some("serve")
}

fn brought_in(text: &str, dialect: Dialect, want: &Want) -> Result<String, Fault> {
    let doc = read(text, dialect)?;
    if stands(&doc, want, false) {
        return Ok(text.to_owned());
    }
    match want {
        Want::Server { under, entry } => {
            let path = [Step::Key(under), Step::Key(SERVER)];
            if doc.value(&path).is_none() {
                return doc.set(&path, &Value::Object(entry.clone()));
            }
            let mut text = text.to_owned();
            for (key, value) in entry {
                let doc = read(&text, dialect)?;
                let path = [Step::Key(under), Step::Key(SERVER), Step::Key(key)];
                let known = doc.value(&path);
                if known.as_ref() != Some(value) && !known.is_some_and(|known| keeps(key, &known)) {
                    text = doc.set(&path, value)?;
                }
            }
            Ok(text)
        }
        Want::Listed { at, text: word, .. } => doc.push(&keys(at), &Value::from(*word)),
        Want::Hook { event, matcher, handler } => {
            let path = [Step::Key("hooks"), Step::Key(event)];
            // One that stands alone in its group is put right where it is.
            if let [(at, 0, 1)] = ours(&doc, event)[..] {
                let place = [path[0], path[1], Step::Index(at)];
                return doc.set(&place, &group(*matcher, handler));
            }
            let text = without_hook(text, dialect, event, false)?;
            read(&text, dialect)?.push(&path, &group(*matcher, handler))
        }
        Want::Fresh { .. } => Ok(text.to_owned()),
    }
}

/// Takes our handlers of an event out, and with `tidy` what is empty then.
fn without_hook(text: &str, dialect: Dialect, event: &str, tidy: bool) -> Result<String, Fault> {
    let mut text = text.to_owned();
    loop {
        let doc = read(&text, dialect)?;
        let Some((at, index, many)) = ours(&doc, event).first().copied() else { break };
        let group = [Step::Key("hooks"), Step::Key(event), Step::Index(at)];
        let handler = [group[0], group[1], group[2], Step::Key("hooks"), Step::Index(index)];
        let Some(new) = doc.remove(if many == 1 { &group } else { &handler }) else { break };
        text = new;
        if tidy {
            text = without_empty(&text, dialect, &[Step::Key("hooks"), Step::Key(event)])?;
        }
    }
    Ok(text)
}

/// Takes away what is empty there, and then what holds it.
fn without_empty(text: &str, dialect: Dialect, path: &[Step<'_>]) -> Result<String, Fault> {
    let mut text = text.to_owned();
    for depth in (1..=path.len()).rev() {
        let path = path.get(..depth).unwrap_or_default();
        let doc = read(&text, dialect)?;
        let empty = match doc.value(path) {
            Some(Value::Array(items)) => items.is_empty(),
            Some(Value::Object(members)) => members.is_empty(),
            _ => false,
        };
        match doc.remove(path).filter(|_| empty) {
            Some(new) => text = new,
            None => break,
        }
    }
    Ok(text)
}

/// The text with all that is wanted; a new file where there is none or an empty one.
pub fn merged(old: Option<&str>, dialect: Dialect, wants: &[Want]) -> Result<String, Fault> {
    let old = old.filter(|text| !text.trim().is_empty());
    let mut text = old.unwrap_or("{}\n").to_owned();
    if !read(&text, dialect)?.value(&[]).is_some_and(|value| value.is_object()) {
        return Err(Fault("the file is not a JSON object".to_owned()));
    }
    if old.is_none() {
        for want in wants {
            if let Want::Fresh { key, value } = want {
                text = read(&text, dialect)?.set(&[Step::Key(key)], value)?;
            }
        }
    }
    for want in wants {
        text = brought_in(&text, dialect, want)?;
    }
    Ok(text)
}

/// The text without anything of ours; nothing where nobody else's is left.
pub fn without(text: &str, dialect: Dialect, wants: &[Want]) -> Result<Option<String>, Fault> {
    let mut text = text.to_owned();
    for want in wants {
        let doc = read(&text, dialect)?;
        text = match want {
            Want::Server { under, .. } => match doc.remove(&[Step::Key(under), Step::Key(SERVER)]) {
                Some(new) => without_empty(&new, dialect, &[Step::Key(under)])?,
                None => text,
            },
            Want::Listed { at, text: word, .. } => {
                let list = doc.value(&keys(at));
                let list = list.as_ref().and_then(Value::as_array).into_iter().flatten();
                match list.into_iter().position(|one| one.as_str() == Some(word)) {
                    Some(index) => {
                        let mut path = keys(at);
                        path.push(Step::Index(index));
                        let new = doc.remove(&path).unwrap_or_else(|| text.clone());
                        path.pop();
                        without_empty(&new, dialect, &path)?
                    }
                    None => text,
                }
            }
            Want::Hook { event, .. } => without_hook(&text, dialect, event, true)?,
            Want::Fresh { .. } => text,
        };
    }
    let fresh = wants.iter().filter(|want| matches!(want, Want::Fresh { .. })).count();
    let left = read(&text, dialect)?.value(&[]);
    let left = left.as_ref().and_then(Value::as_object).map_or(0, Map::len);
    let only_fresh = left > 0
        && left == fresh
        && wants.iter().all(|want| match want {
            Want::Fresh { key, value } => {
                read(&text, dialect).ok().and_then(|doc| doc.value(&[Step::Key(key)])).as_ref() == Some(value)
            }
            _ => true,
        });
    Ok((left > 0 && !only_fresh).then_some(text))
}

/// What is wanted and does not stand there, in words.
pub fn lacks(text: Option<&str>, dialect: Dialect, wants: &[Want], any_program: bool) -> Result<Vec<String>, Fault> {
    let doc = read(text.unwrap_or("{}"), dialect)?;
    let missing = wants.iter().filter(|want| !stands(&doc, want, any_program));
    let told = missing.map(|want| match want {
        Want::Server { under, .. } => match doc.value(&[Step::Key(under), Step::Key(SERVER)]) {
            None => "the server `phasegate`".to_owned(),
            Some(_) => "the server `phasegate` as it should be".to_owned(),
        },
        Want::Listed { at, text, .. } => format!("`{text}` in {}", at.join(".")),
        Want::Hook { event, .. } if ours(&doc, event).is_empty() => format!("the hook {event}"),
        Want::Hook { event, .. } => format!("the hook {event} as it should be"),
        Want::Fresh { key, .. } => (*key).to_owned(),
    });
    Ok(told.collect())
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
