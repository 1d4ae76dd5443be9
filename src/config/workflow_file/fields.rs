//! Reading one node as what a key expects. A mismatch is noted with its place and reading goes on.

use super::LoadSchema;
use super::problem::{At, Problem, nearest};
use super::tree::{Key, Node, PROSE_BLANK, Plain, Value, hidden};
use crate::domain::duration;
use crate::domain::visible::code;

const MAX_STRING: usize = 4_000;

pub struct Reader<'l, 'f> {
    pub problems: Vec<Problem>,
    pub load_schema: &'l mut LoadSchema<'f>,
}

/// The entries of one map, each key known.
pub struct Fields<'n> {
    pub at: At,
    entries: &'n [(Key, Node)],
}

impl<'n> Fields<'n> {
    pub fn get(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    pub fn key_at(&self, name: &str) -> At {
        self.entries.iter().find(|(key, _)| key.name == name).map_or(self.at, |(key, _)| key.at)
    }

    pub fn keys(&self) -> impl Iterator<Item = &'n Key> {
        self.entries.iter().map(|(key, _)| key)
    }
}

pub fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

impl<'l, 'f> Reader<'l, 'f> {
    pub fn new(load_schema: &'l mut LoadSchema<'f>) -> Self {
        Self { problems: Vec::new(), load_schema }
    }

    pub fn refuse(&mut self, at: At, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::new(at, path, message, hint));
    }

    fn mismatch<T>(&mut self, node: &Node, path: &str, wanted: &str, hint: &str) -> Option<T> {
        let message = format!("{wanted} is expected here, but {} stands here", node.value.kind());
        self.refuse(node.at, path, message, hint);
        None
    }

    pub fn map<'n>(&mut self, node: &'n Node, path: &str, hint: &str) -> Option<&'n [(Key, Node)]> {
        let Value::Map(entries) = &node.value else { return self.mismatch(node, path, "a map", hint) };
        Some(entries)
    }

    /// A map whose keys are all known; unknown ones are noted with the nearest known one.
    pub fn fields<'n>(&mut self, node: &'n Node, path: &str, known: &[&str]) -> Option<Fields<'n>> {
        let list = known.join("`, `");
        let entries = self.map(node, path, &format!("write a map with the keys `{list}`"))?;
        for (key, _) in entries {
            if !known.contains(&key.name.as_str()) {
                let hint = match nearest(&key.name, known.iter().copied()) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None if key.name == "description" => "say it in a comment, or in the `goal` of a phase".to_owned(),
                    None => format!("the keys known here are `{list}`"),
                };
                self.refuse(key.at, &join(path, &key.name), format!("the key `{}` is not known", key.name), hint);
            }
        }
        Some(Fields { at: node.at, entries })
    }

    pub fn list<'n>(&mut self, node: &'n Node, path: &str) -> Option<&'n [Node]> {
        match &node.value {
            Value::List(items) => Some(items),
            Value::Null => self.mismatch(node, path, "a list", "write `[]` or leave the key out"),
            Value::Text(text, _) => {
                self.mismatch(node, path, "a list", &format!("write `[{text}]`, one entry for each part"))
            }
            Value::Bool(_) | Value::Number(_) | Value::Map(_) => {
                self.mismatch(node, path, "a list", "write `[first, second]`")
            }
        }
    }

    pub fn text<'n>(&mut self, node: &'n Node, path: &str) -> Option<&'n str> {
        let text = self.prose(node, path)?;
        if text.contains(PROSE_BLANK) {
            let message = format!("the text holds {}, which looks like a blank and is none", code(PROSE_BLANK));
            self.refuse(node.at, path, message, "write a common blank");
            return None;
        }
        Some(text)
    }

    /// Text that only people read.
    pub fn prose<'n>(&mut self, node: &'n Node, path: &str) -> Option<&'n str> {
        let text = match &node.value {
            Value::Text(text, Plain::Text | Plain::Flag) => text,
            Value::Text(text, Plain::Figure) => {
                let message =
                    format!("`{text}` is a number or date for some readers of yaml, and text is expected here");
                self.refuse(node.at, path, message, format!("put it in quotes: `\"{text}\"`"));
                return None;
            }
            Value::Number(number) => {
                return self.mismatch(node, path, "text", &format!("put it in quotes: `\"{number}\"`"));
            }
            Value::Bool(flag) => return self.mismatch(node, path, "text", &format!("put it in quotes: `\"{flag}\"`")),
            Value::Null => return self.mismatch(node, path, "text", "write a value or leave the key out"),
            Value::List(_) | Value::Map(_) => {
                return self.mismatch(node, path, "text", "write one value; quotes keep `[`, `{` and `: ` as text");
            }
        };
        if text.chars().count() > MAX_STRING {
            self.refuse(node.at, path, format!("the text is longer than {MAX_STRING} characters"), "shorten it");
            return None;
        }
        if let Some((_, hidden)) = hidden(text).next() {
            self.refuse(node.at, path, format!("the text holds the hidden character {}", code(hidden)), "remove it");
            return None;
        }
        Some(text)
    }

    /// Text that is not blank.
    pub fn words<'n>(&mut self, node: &'n Node, path: &str) -> Option<&'n str> {
        let text = self.text(node, path)?;
        self.is_written(text, node, path).then_some(text)
    }

    pub fn is_written(&mut self, text: &str, node: &Node, path: &str) -> bool {
        let blank = text.trim().is_empty();
        if blank {
            self.refuse(node.at, path, "the text is empty", "write something or leave the key out");
        }
        !blank
    }

    /// `[a-z0-9][a-z0-9-]{0,63}`; with `_` where the name is not also a file name.
    pub fn name(&mut self, node: &Node, path: &str) -> Option<String> {
        let text = self.text(node, path)?;
        self.check_name(text, node.at, path, "-").then(|| text.to_owned())
    }

    pub fn check_name(&mut self, name: &str, at: At, path: &str, also: &str) -> bool {
        let fits = name.len() <= 64
            && name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
            && name
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || also.contains(letter));
        if !fits {
            let hint = "write 1 to 64 lower-case letters, digits and hyphens, a letter or digit first";
            self.refuse(at, path, format!("`{}` is not a name", name.chars().take(80).collect::<String>()), hint);
        }
        fits
    }

    pub fn flag(&mut self, node: &Node, path: &str) -> Option<bool> {
        match &node.value {
            Value::Bool(flag) => Some(*flag),
            Value::Text(text, Plain::Flag) => {
                let message = format!("`{text}` is text in yaml 1.2, and true or false is expected here");
                self.refuse(node.at, path, message, "write `true` or `false`");
                None
            }
            Value::Null | Value::Number(_) | Value::Text(..) | Value::List(_) | Value::Map(_) => {
                self.mismatch(node, path, "true or false", "write `true` or `false`")
            }
        }
    }

    pub fn whole(&mut self, node: &Node, path: &str, least: u64, most: u64) -> Option<u64> {
        let hint = format!("write a whole number from {least} to {most}");
        match &node.value {
            Value::Number(number) => match number.as_u64().filter(|value| (least..=most).contains(value)) {
                Some(value) => Some(value),
                None => {
                    self.refuse(node.at, path, format!("`{number}` is not possible here"), hint);
                    None
                }
            },
            Value::Text(text, Plain::Figure) => {
                self.refuse(node.at, path, format!("`{text}` is read differently by different readers of yaml"), hint);
                None
            }
            Value::Null | Value::Bool(_) | Value::Text(..) | Value::List(_) | Value::Map(_) => {
                self.mismatch(node, path, "a whole number", &hint)
            }
        }
    }

    pub fn amount(&mut self, node: &Node, path: &str) -> Option<f64> {
        const MOST: f64 = 1_000_000_000.0;
        let hint = "write a number above 0, such as `5.00`";
        let Value::Number(number) = &node.value else { return self.mismatch(node, path, "a number", hint) };
        let amount = number.as_f64().filter(|value| *value > 0.0 && *value <= MOST);
        if amount.is_none() {
            self.refuse(node.at, path, format!("`{number}` is not possible here"), hint);
        }
        amount
    }

    pub fn duration(&mut self, node: &Node, path: &str, most: u64) -> Option<u64> {
        let text = match &node.value {
            Value::Text(text, _) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => {
                return self.mismatch(node, path, "a length of time", "write it as `30s`, `10m` or `72h`");
            }
        };
        match duration::parse(&text) {
            Ok(0) => self.refuse(node.at, path, format!("`{text}` leaves no time at all"), "write a longer time"),
            Ok(seconds) if seconds > most => {
                let limit = duration::format(most);
                self.refuse(
                    node.at,
                    path,
                    format!("`{text}` is longer than the {limit} allowed here"),
                    format!("write at most `{limit}`"),
                );
            }
            Ok(seconds) => return Some(seconds),
            Err(message) => self.refuse(node.at, path, message, ""),
        }
        None
    }

    pub fn choice<T: Copy>(&mut self, node: &Node, path: &str, choices: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let list = format!("write one of `{}`", names.join("`, `"));
        let Value::Text(text, _) = &node.value else { return self.mismatch(node, path, "a word", &list) };
        if let Some((_, value)) = choices.iter().find(|(name, _)| name == text) {
            return Some(*value);
        }
        let hint = nearest(text, names.iter().copied()).map_or(list, |name| format!("did you mean `{name}`?"));
        self.refuse(node.at, path, format!("`{text}` is not possible here"), hint);
        None
    }

    /// A list of texts, none blank, with the place of each.
    pub fn texts(&mut self, node: &Node, path: &str, most: usize) -> Vec<(String, At)> {
        let Some(items) = self.list(node, path) else { return Vec::new() };
        if items.len() > most {
            self.refuse(node.at, path, format!("the list has {} entries, more than {most}", items.len()), "shorten it");
            return Vec::new();
        }
        let mut texts = Vec::new();
        for (index, item) in items.iter().enumerate() {
            if let Some(text) = self.words(item, &format!("{path}[{index}]")) {
                texts.push((text.to_owned(), item.at));
            }
        }
        texts
    }
}
