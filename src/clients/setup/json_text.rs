//! JSON as a text that people keep: read with the place of every value, and changed by small cuts, so that order,
//! indentation, comments and line ends stay as they are. What is put in is ours and small.

use std::ops::Range;

use serde_json::Value;

use super::Fault;

const DEPTH_MAX: usize = 100;
/// A value of ours stays on one line up to this width.
const INLINE_CHARS_MAX: usize = 110;

/// One step towards a value.
#[derive(Clone, Copy, Debug)]
pub enum Step<'s> {
    Key(&'s str),
    Index(usize),
}

/// Whether a client reads comments and trailing commas in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Strict,
    Comments,
}

#[derive(Debug)]
pub struct Doc<'t> {
    text: &'t str,
    /// Containers stand before what they hold.
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    span: Range<usize>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Object(Vec<Member>),
    Array(Vec<usize>),
    Plain(Value),
}

#[derive(Debug)]
struct Member {
    key: String,
    start: usize,
    value: usize,
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    /// A member, or the end of the object.
    Member {
        after_comma: bool,
    },
    /// An item, or the end of the array.
    Item {
        after_comma: bool,
    },
    Comma,
    End,
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    dialect: Dialect,
    nodes: Vec<Node>,
    open: Vec<usize>,
    key: Option<(String, usize)>,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn fault(&self, what: impl std::fmt::Display) -> Fault {
        fault_at(self.text, self.at, what)
    }

    fn blank(&mut self) -> Result<(), Fault> {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            let rest = self.rest();
            let skipped = if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").map(|end| end + 2).ok_or_else(|| self.fault("a comment that does not end"))?
            } else {
                return Ok(());
            };
            if self.dialect == Dialect::Strict {
                return Err(self.fault("a comment, which this client does not read"));
            }
            self.at += skipped;
        }
    }

    fn take(&mut self, what: char) -> bool {
        let there = self.rest().starts_with(what);
        self.at += usize::from(there);
        there
    }

    fn string(&mut self) -> Result<String, Fault> {
        let rest = self.rest();
        let mut escaped = false;
        let end = rest.bytes().skip(1).position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let raw = end.and_then(|end| rest.get(..end + 2)).ok_or_else(|| self.fault("a text that does not end"))?;
        let read = serde_json::from_str(raw).map_err(|_| self.fault("a text that JSON does not take"))?;
        self.at += raw.len();
        Ok(read)
    }

    /// Hangs a value into the container that is open.
    fn hang(&mut self, kind: Kind, span: Range<usize>) -> Result<usize, Fault> {
        let id = self.nodes.len();
        self.nodes.push(Node { span, kind });
        let parent = self.open.last().and_then(|open| self.nodes.get_mut(*open));
        match (parent.map(|node| &mut node.kind), self.key.take()) {
            (Some(Kind::Object(members)), Some((key, start))) => members.push(Member { key, start, value: id }),
            (Some(Kind::Array(items)), _) => items.push(id),
            _ => {}
        }
        Ok(id)
    }

    fn value(&mut self) -> Result<Next, Fault> {
        let start = self.at;
        let opened = match self.rest().chars().next() {
            Some('{') => Some((Kind::Object(Vec::new()), Next::Member { after_comma: false })),
            Some('[') => Some((Kind::Array(Vec::new()), Next::Item { after_comma: false })),
            _ => None,
        };
        if let Some((kind, next)) = opened {
            if self.open.len() >= DEPTH_MAX {
                return Err(self.fault("values nested too deep"));
            }
            self.at += 1;
            let id = self.hang(kind, start..start)?;
            self.open.push(id);
            return Ok(next);
        }
        let value = if self.rest().starts_with('"') {
            Value::String(self.string()?)
        } else {
            let end = self.rest().find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
            let word = self.rest().get(..end.unwrap_or(self.rest().len())).unwrap_or_default();
            let value = serde_json::from_str(word).map_err(|_| self.fault("no value where one is due"))?;
            self.at += word.len();
            value
        };
        self.hang(Kind::Plain(value), start..self.at)?;
        Ok(self.after())
    }

    fn after(&self) -> Next {
        if self.open.is_empty() { Next::End } else { Next::Comma }
    }

    fn close(&mut self) -> Next {
        self.at += 1;
        if let Some(node) = self.open.pop().and_then(|id| self.nodes.get_mut(id)) {
            node.span.end = self.at;
        }
        self.after()
    }

    fn in_object(&self) -> bool {
        let node = self.open.last().and_then(|id| self.nodes.get(*id));
        node.is_some_and(|node| matches!(node.kind, Kind::Object(_)))
    }

    fn member(&mut self, after_comma: bool) -> Result<Next, Fault> {
        if self.rest().starts_with('}') {
            self.trailing(after_comma)?;
            return Ok(self.close());
        }
        if !self.rest().starts_with('"') {
            return Err(self.fault("no `\"key\"` and no `}` where one is due"));
        }
        let start = self.at;
        let key = self.string()?;
        let known = self.open.last().and_then(|id| self.nodes.get(*id));
        if let Some(Node { kind: Kind::Object(members), .. }) = known
            && members.iter().any(|member| member.key == key)
        {
            return Err(fault_at(self.text, start, format_args!("the key `{key}` stands twice in one object")));
        }
        self.key = Some((key, start));
        self.blank()?;
        if !self.take(':') {
            return Err(self.fault("no `:` after a key"));
        }
        Ok(Next::Value)
    }

    fn trailing(&self, after_comma: bool) -> Result<(), Fault> {
        if after_comma && self.dialect == Dialect::Strict {
            return Err(self.fault("a comma before the end, which this client does not read"));
        }
        Ok(())
    }

    fn step(&mut self, next: Next) -> Result<Next, Fault> {
        match next {
            Next::Value => self.value(),
            Next::Member { after_comma } => self.member(after_comma),
            Next::Item { after_comma } if self.rest().starts_with(']') => {
                self.trailing(after_comma)?;
                Ok(self.close())
            }
            Next::Item { .. } => self.value(),
            Next::Comma if self.take(',') => Ok(match self.in_object() {
                true => Next::Member { after_comma: true },
                false => Next::Item { after_comma: true },
            }),
            Next::Comma if self.rest().starts_with(if self.in_object() { '}' } else { ']' }) => Ok(self.close()),
            Next::Comma => Err(self.fault("neither `,` nor the end where one is due")),
            Next::End => Ok(Next::End),
        }
    }
}

fn fault_at(text: &str, at: usize, what: impl std::fmt::Display) -> Fault {
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Fault(format!("line {line}, column {column}: {what}"))
}

/// Reads a text; one value and nothing after it.
pub fn read(text: &str, dialect: Dialect) -> Result<Doc<'_>, Fault> {
    let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut reader = Reader { text, at, dialect, nodes: Vec::new(), open: Vec::new(), key: None };
    let mut next = Next::Value;
    while next != Next::End {
        reader.blank()?;
        next = reader.step(next)?;
    }
    reader.blank()?;
    if !reader.rest().is_empty() {
        return Err(reader.fault("more text after the end"));
    }
    Ok(Doc { text, nodes: reader.nodes })
}

impl Doc<'_> {
    fn child(&self, id: usize, step: Step<'_>) -> Option<usize> {
        match (&self.nodes.get(id)?.kind, step) {
            (Kind::Object(members), Step::Key(key)) => {
                members.iter().find(|member| member.key == key).map(|member| member.value)
            }
            (Kind::Array(items), Step::Index(index)) => items.get(index).copied(),
            _ => None,
        }
    }

    /// The value there, made of the text.
    pub fn value(&self, path: &[Step<'_>]) -> Option<Value> {
        let id = path.iter().try_fold(0, |id, step| self.child(id, *step))?;
        // What a container holds stands after it, so a walk from the end finds every part made already.
        let mut made: Vec<Value> = vec![Value::Null; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate().rev().take_while(|(at, _)| *at >= id) {
            let mut part = |id: usize| made.get_mut(id).map(Value::take).unwrap_or_default();
            let value = match &node.kind {
                Kind::Plain(value) => value.clone(),
                Kind::Array(items) => Value::Array(items.iter().map(|id| part(*id)).collect()),
                Kind::Object(members) => {
                    Value::Object(members.iter().map(|one| (one.key.clone(), part(one.value))).collect())
                }
            };
            if let Some(place) = made.get_mut(at) {
                *place = value;
            }
        }
        made.get_mut(id).map(Value::take)
    }

    /// The text with `value` there; objects on the way are made where they are missing.
    pub fn set(&self, path: &[Step<'_>], value: &Value) -> Result<String, Fault> {
        let mut id = 0;
        for (depth, step) in path.iter().enumerate() {
            if let Some(child) = self.child(id, *step) {
                id = child;
                continue;
            }
            let Some((Node { kind: Kind::Object(_), .. }, Step::Key(key))) =
                self.nodes.get(id).map(|node| (node, step))
            else {
                return Err(Fault(format!("`{}` is not an object", shown(path.get(..depth).unwrap_or_default()))));
            };
            let rest = path.get(depth + 1..).unwrap_or_default();
            let whole = rest.iter().rev().fold(value.clone(), |inner, step| match step {
                Step::Key(key) => Value::Object([((*key).to_owned(), inner)].into_iter().collect()),
                Step::Index(_) => Value::Array(vec![inner]),
            });
            return Ok(self.insert(id, Some(key), &whole));
        }
        let span = self.span(id);
        let style = Style::of(self.text);
        let written = style.write(
            value,
            &line_indent(self.text, span.start),
            self.is_flat(id),
            span_column(self.text, span.start),
        );
        Ok(cut(self.text, vec![(span, written)]))
    }

    /// The text with `value` as the last item there.
    pub fn push(&self, path: &[Step<'_>], value: &Value) -> Result<String, Fault> {
        let id = path.iter().try_fold(0, |id, step| self.child(id, *step));
        match id.and_then(|id| self.nodes.get(id).map(|node| (id, node))) {
            Some((id, Node { kind: Kind::Array(_), .. })) => Ok(self.insert(id, None, value)),
            Some(_) => Err(Fault(format!("`{}` is not a list", shown(path)))),
            None => self.set(path, &Value::Array(vec![value.clone()])),
        }
    }

    fn span(&self, id: usize) -> Range<usize> {
        self.nodes.get(id).map(|node| node.span.clone()).unwrap_or_default()
    }

    /// Starts and ends of what a container holds.
    fn parts(&self, id: usize) -> Vec<Range<usize>> {
        match self.nodes.get(id).map(|node| &node.kind) {
            Some(Kind::Object(members)) => {
                members.iter().map(|member| member.start..self.span(member.value).end).collect()
            }
            Some(Kind::Array(items)) => items.iter().map(|item| self.span(*item)).collect(),
            Some(Kind::Plain(_)) | None => Vec::new(),
        }
    }

    fn slice(&self, span: Range<usize>) -> &str {
        self.text.get(span).unwrap_or_default()
    }

    /// Written on one line although it holds something.
    fn is_flat(&self, id: usize) -> bool {
        let span = self.span(id);
        !self.parts(id).is_empty() && !self.slice(span).contains('\n')
    }

    fn insert(&self, id: usize, key: Option<&str>, value: &Value) -> String {
        let span = self.span(id);
        let parts = self.parts(id);
        let style = Style::of(self.text);
        let key = key.map(|key| format!("{}: ", Value::from(key))).unwrap_or_default();
        let close = span.end.saturating_sub(1);
        let Some(last) = parts.last() else {
            let outer = line_indent(self.text, span.start);
            let inner = format!("{outer}{}", style.unit);
            let column = inner.chars().count() + key.chars().count();
            let kept = self.slice(span.start + 1..close).trim_end();
            let new = style.write(value, &inner, false, column);
            let text = format!("{kept}{0}{inner}{key}{new}{0}{outer}", style.newline);
            return cut(self.text, vec![(span.start + 1..close, text)]);
        };
        let trailing = self.slice(last.end..close);
        let has_comma = comma(trailing).is_some();
        let end = last.end + trailing.trim_end().len();
        let flat = self.is_flat(id);
        let first = parts.first().map_or(span.start, |part| part.start);
        let inner = line_indent(self.text, first);
        let new = style.write(value, &inner, flat, inner.chars().count() + key.chars().count());
        let new = if flat { format!(" {key}{new}") } else { format!("{}{inner}{key}{new}", style.newline) };
        // Where both go to the same place, the comma comes first.
        let (before, after) = if has_comma { ("", ",") } else { (",", "") };
        let cuts = vec![(last.end..last.end, before.to_owned()), (end..end, new + after)];
        cut(self.text, cuts)
    }

    /// The text without what is there; nothing where it is not there.
    pub fn remove(&self, path: &[Step<'_>]) -> Option<String> {
        let (step, parents) = path.split_last()?;
        let id = parents.iter().try_fold(0, |id, step| self.child(id, *step))?;
        let index = match (&self.nodes.get(id)?.kind, step) {
            (Kind::Object(members), Step::Key(key)) => members.iter().position(|member| member.key == *key)?,
            (Kind::Array(items), Step::Index(index)) if *index < items.len() => *index,
            _ => return None,
        };
        let parts = self.parts(id);
        let part = parts.get(index)?.clone();
        let close = self.span(id).end.saturating_sub(1);
        let follows = parts.get(index + 1).map_or(close, |next| next.start);
        let before = if index == 0 { self.span(id).start + 1 } else { parts.get(index - 1)?.end };
        let lead = self.slice(before..part.start);
        let from = before + lead.trim_end_matches([' ', '\t', '\r', '\n']).len();
        let tail = self.slice(part.end..follows);
        let own_comma = comma(tail).map(|at| part.end + at);
        let mut cuts = Vec::new();
        if parts.len() == 1 {
            let end = own_comma.map_or(part.end, |at| at + 1);
            let rest = self.slice(end..close);
            // Without a comment nothing is left to stand on a line of its own.
            let end = if rest.trim().is_empty() && lead.trim().is_empty() { close } else { end };
            cuts.push((from..end, String::new()));
        } else if let Some(at) = own_comma {
            cuts.push((from..at + 1, String::new()));
        } else {
            let at = before + comma(lead).unwrap_or_default();
            cuts.push((at..at + 1, String::new()));
            cuts.push((from.max(at + 1)..part.end, String::new()));
        }
        Some(cut(self.text, cuts))
    }
}

/// Where the comma is in a text of blanks, comments and at most one comma.
fn comma(text: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        if rest.starts_with("//") {
            at += rest.find('\n')?;
        } else if rest.starts_with("/*") {
            at += rest.find("*/")? + 2;
        } else if rest.starts_with(',') {
            return Some(at);
        } else {
            at += rest.chars().next()?.len_utf8();
        }
    }
}

fn cut(text: &str, mut cuts: Vec<(Range<usize>, String)>) -> String {
    cuts.sort_by_key(|(span, _)| (span.start, span.end));
    let mut new = String::with_capacity(text.len() + 256);
    let mut at = 0;
    for (span, with) in cuts {
        new.push_str(text.get(at..span.start).unwrap_or_default());
        new.push_str(&with);
        at = span.end;
    }
    new.push_str(text.get(at..).unwrap_or_default());
    new
}

fn line_indent(text: &str, at: usize) -> String {
    let line = text.get(..at).unwrap_or_default().rsplit('\n').next().unwrap_or_default();
    line.chars().take_while(|c| *c == ' ' || *c == '\t').collect()
}

fn span_column(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().rsplit('\n').next().unwrap_or_default().chars().count()
}

pub fn shown(path: &[Step<'_>]) -> String {
    let steps = path.iter().map(|step| match step {
        Step::Key(key) => (*key).to_owned(),
        Step::Index(index) => index.to_string(),
    });
    let text = steps.collect::<Vec<_>>().join(".");
    if text.is_empty() { "the file".to_owned() } else { text }
}

/// How a file is laid out.
struct Style {
    unit: String,
    newline: &'static str,
}

impl Style {
    fn of(text: &str) -> Self {
        let indents = text.lines().filter(|line| !line.trim().is_empty());
        let mut indents = indents.map(|line| line.chars().take_while(|c| *c == ' ' || *c == '\t').collect::<String>());
        let unit = indents.find(|indent| !indent.is_empty()).unwrap_or_else(|| "  ".to_owned());
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        Self { unit, newline }
    }

    /// Values of ours are shallow, so this may call itself.
    fn write(&self, value: &Value, indent: &str, flat: bool, column: usize) -> String {
        let inline = inline(value);
        let plain = |value: &Value| !value.is_array() && !value.is_object();
        let shallow = match value {
            Value::Array(items) => items.iter().all(plain),
            Value::Object(members) => members.values().all(|value| match value {
                Value::Array(items) => items.iter().all(plain),
                other => plain(other),
            }),
            _ => true,
        };
        if flat || shallow && column + inline.chars().count() <= INLINE_CHARS_MAX {
            return inline;
        }
        let inner = format!("{indent}{}", self.unit);
        let lines: Vec<String> = match value {
            Value::Array(items) => items.iter().map(|item| self.write(item, &inner, false, inner.len())).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(key, value)| {
                    let key = format!("{}: ", Value::from(key.as_str()));
                    let column = inner.len() + key.chars().count();
                    format!("{key}{}", self.write(value, &inner, false, column))
                })
                .collect(),
            _ => return inline,
        };
        let (open, close) = if value.is_array() { ('[', ']') } else { ('{', '}') };
        let between = format!(",{}{inner}", self.newline);
        format!("{open}{0}{inner}{1}{0}{indent}{close}", self.newline, lines.join(&between))
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let members =
                members.iter().map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), inline(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
#[path = "json_text_tests.rs"]
mod tests;
