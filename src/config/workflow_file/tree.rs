//! A YAML file as a tree whose every node knows its place. Only the plain part of YAML is let in:
//! one document of maps, lists and scalars. No meaning of any key is known here.

use super::problem::{At, Problem};
use crate::domain::visible::{self, code};
use serde_json::Number;
use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, ScanError, Span, Tag};
use std::borrow::Cow;
use std::collections::BTreeMap;

const MAX_BYTES: usize = 256 * 1024;
const MAX_DEPTH: usize = 32;
/// The blank that is not broken at: editors put it into prose by themselves.
pub const PROSE_BLANK: char = '\u{a0}';

#[derive(Clone, Debug)]
pub struct Node {
    pub at: At,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String, Plain),
    List(Vec<Node>),
    /// In the order of the file; no name comes twice.
    Map(Vec<(Key, Node)>),
}

/// What an unquoted text would be for readers of older YAML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    Text,
    /// `yes`, `no`, `on`, `off`, `y`, `n`.
    Flag,
    /// `012`, `0x1f`, `1_000`, `12:30`, `2026-01-31`, `.inf`.
    Figure,
}

#[derive(Clone, Debug)]
pub struct Key {
    pub name: String,
    pub at: At,
}

impl Value {
    /// For messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(..) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

pub fn parse(source: &str) -> Result<Node, Vec<Problem>> {
    if source.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, more than the {MAX_BYTES} a workflow may have", source.len());
        return Err(vec![Problem::new(
            At::START,
            "",
            message,
            "move long schemas into files of their own with `schema_file`",
        )]);
    }
    let hidden = hidden_characters(source);
    if !hidden.is_empty() {
        return Err(hidden);
    }
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_comments: false,
        strict_indentation: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(source, options) {
        let went_on = match event {
            Ok((event, span)) => builder.event(event, &span),
            Err(error) => builder.stop(syntax(&error)),
        };
        if went_on.is_none() {
            break;
        }
    }
    builder.finish()
}

fn place(span: &Span) -> At {
    At { line: span.start.line().max(1), column: span.start.col() + 1 }
}

fn syntax(error: &ScanError) -> Problem {
    let at = At { line: error.marker().line().max(1), column: error.marker().col() + 1 };
    let info = error.info().lines().next().unwrap_or_default().to_owned();
    let hint = if info.contains("recursion") || info.contains("nesting") {
        format!("nest at most {MAX_DEPTH} levels deep")
    } else {
        "mend the yaml; text with `: `, ` #`, or a special first character belongs in quotes".to_owned()
    };
    Problem::new(at, "", format!("the yaml cannot be read: {}", info.to_lowercase()), hint)
}

/// Characters that make a file look different from what it says. A person trusts it by reading it.
fn hidden_characters(source: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in source.lines().enumerate() {
        for (column, character) in hidden(line) {
            let at = At { line: number + 1, column: column + 1 };
            if !(character == '\u{feff}' && at == At::START) {
                let message = format!("the file holds the hidden character {}", code(character));
                problems.push(Problem::new(at, "", message, "remove it: a workflow must read as what it is"));
            }
        }
    }
    problems
}

/// Each hidden character with its place. What makes one picture of an emoji is seen as part of it.
pub fn hidden(text: &str) -> impl Iterator<Item = (usize, char)> {
    let before = [None].into_iter().chain(text.chars().map(Some));
    let all = text.chars().enumerate().zip(before);
    all.filter(|((_, character), before)| is_hidden(*character) && !is_of_an_emoji(*before, *character))
        .map(|(one, _)| one)
}

fn is_of_an_emoji(before: Option<char>, character: char) -> bool {
    let picture = |c: char| matches!(c, '\u{203c}'..='\u{3299}' | '\u{1f000}'..='\u{1faff}') && !is_hidden(c);
    match character {
        '\u{fe0f}' => before.is_some_and(picture),
        '\u{200d}' => before.is_some_and(|c| picture(c) || c == '\u{fe0f}'),
        _ => false,
    }
}

/// What nobody sees on reading, or takes for a common blank. U+00A0 is left to those who know whether a text is prose.
fn is_hidden(character: char) -> bool {
    let layout = matches!(character, '\t' | '\n');
    character.is_control() && !layout
        || visible::is_hidden(character)
        || visible::is_odd_blank(character) && character != PROSE_BLANK
}

enum Frame {
    List { at: At, items: Vec<Node> },
    Map { at: At, entries: Vec<(Key, Node)>, pending: Option<Key>, seen: BTreeMap<String, At> },
}

#[derive(Default)]
struct Builder {
    frames: Vec<Frame>,
    root: Option<Node>,
    documents: usize,
    problems: Vec<Problem>,
}

/// `None` once reading on makes no sense.
type GoesOn = Option<()>;

impl Builder {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the parser may learn events, and what is not known is refused")]
    fn event(&mut self, event: Event<'_>, span: &Span) -> GoesOn {
        let at = place(span);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return self.stop(Problem::new(
                        at,
                        "",
                        "the file holds a second document",
                        "keep one workflow a file, without `---` between",
                    ));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.plain_node(at, anchor, tag.as_ref());
                if self.wants_key() {
                    return self.key(at, &text, style);
                }
                let value = if style == ScalarStyle::Plain {
                    plain_scalar(&text)
                } else {
                    Value::Text(text.into_owned(), Plain::Text)
                };
                self.add(Node { at, value });
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.plain_node(at, anchor, tag.as_ref());
                self.open(Frame::List { at, items: Vec::new() }, at)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.plain_node(at, anchor, tag.as_ref());
                self.open(Frame::Map { at, entries: Vec::new(), pending: None, seen: BTreeMap::new() }, at)?;
            }
            Event::SequenceEnd | Event::MappingEnd => match self.frames.pop() {
                Some(Frame::List { at, items }) => self.add(Node { at, value: Value::List(items) }),
                Some(Frame::Map { at, entries, .. }) => self.add(Node { at, value: Value::Map(entries) }),
                None => {}
            },
            Event::Alias(..) | Event::UnresolvedAlias(..) => {
                self.refuse(at, "an alias (`*name`) stands here, and aliases are not read", "write the value out");
                if self.wants_key() {
                    return None;
                }
                self.add(Node { at, value: Value::Null });
            }
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            _ => {
                return self.stop(Problem::new(
                    at,
                    "",
                    "a part of yaml stands here that is not read",
                    "write plain yaml",
                ));
            }
        }
        Some(())
    }

    fn stop(&mut self, problem: Problem) -> GoesOn {
        self.problems.push(problem);
        None
    }

    fn refuse(&mut self, at: At, message: &str, hint: &str) {
        self.problems.push(Problem::new(at, "", message, hint));
    }

    fn plain_node(&mut self, at: At, anchor: usize, tag: Option<&Cow<'_, Tag>>) {
        if anchor != 0 {
            self.refuse(
                at,
                "an anchor (`&name`) stands before this value, and anchors are not read",
                "write the value out where it is needed",
            );
        }
        if let Some(tag) = tag {
            let message = format!(
                "the tag `{}{}` stands before this value, and tags are not read",
                tag.original_handle(),
                tag.suffix()
            );
            self.refuse(at, &message, "remove the tag; for text use quotes");
        }
    }

    fn wants_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame::Map { pending: None, .. }))
    }

    fn key(&mut self, at: At, text: &str, style: ScalarStyle) -> GoesOn {
        if text == "<<" && style == ScalarStyle::Plain {
            self.refuse(at, "a merge key (`<<`) stands here, and merge keys are not read", "write the keys out");
        }
        let Some(Frame::Map { pending, seen, .. }) = self.frames.last_mut() else { return None };
        *pending = Some(Key { name: text.to_owned(), at });
        if let Some(first) = seen.insert(text.to_owned(), at) {
            let message = format!("the key `{text}` comes twice in this map, first in line {}", first.line);
            self.refuse(at, &message, "keep one of them");
        }
        Some(())
    }

    fn open(&mut self, frame: Frame, at: At) -> GoesOn {
        if self.wants_key() {
            return self.stop(Problem::new(
                at,
                "",
                "a list or map stands where a key belongs",
                "use plain text as the key",
            ));
        }
        if self.frames.len() >= MAX_DEPTH {
            return self.stop(Problem::new(
                at,
                "",
                format!("the file is nested more than {MAX_DEPTH} levels deep"),
                "flatten it",
            ));
        }
        self.frames.push(frame);
        Some(())
    }

    fn add(&mut self, node: Node) {
        match self.frames.last_mut() {
            None => self.root = Some(node),
            Some(Frame::List { items, .. }) => items.push(node),
            Some(Frame::Map { entries, pending, .. }) => {
                if let Some(key) = pending.take() {
                    // Nothing has no place of its own, and the parser's may lie on a later line.
                    let at = if matches!(node.value, Value::Null) { key.at } else { node.at };
                    entries.push((key, Node { at, ..node }));
                }
            }
        }
    }

    fn finish(mut self) -> Result<Node, Vec<Problem>> {
        if self.problems.is_empty() {
            match self.root.take() {
                Some(root) if !matches!(root.value, Value::Null) => return Ok(root),
                _ => self.refuse(
                    At::START,
                    "the file is empty",
                    "start from `phasegate init`, or from the example in the documentation",
                ),
            }
        }
        Err(self.problems)
    }
}

/// YAML 1.2 core schema, decimal numbers only; what other readers would take for something else is marked.
fn plain_scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    if ["y", "yes", "on", "n", "no", "off"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Value::Text(text.to_owned(), Plain::Flag);
    }
    if let Some(number) = number(text) {
        return Value::Number(number);
    }
    let plain = if looks_like_a_figure(text) { Plain::Figure } else { Plain::Text };
    Value::Text(text.to_owned(), plain)
}

fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let leading_zero =
        digits.len() > 1 && digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    if leading_zero || !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let text = text.trim_start_matches('+');
        return text.parse::<u64>().map(Number::from).or_else(|_| text.parse::<i64>().map(Number::from)).ok();
    }
    let known = digits.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    text.parse::<f64>().ok().filter(|value| known && value.is_finite()).and_then(Number::from_f64)
}

fn looks_like_a_figure(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let lower = digits.to_ascii_lowercase();
    if [".inf", ".nan"].contains(&lower.as_str()) {
        return true;
    }
    let based = ["0x", "0o", "0b"].iter().any(|prefix| {
        lower
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'_'))
    });
    based
        || lower.starts_with(|first: char| first.is_ascii_digit())
            && lower.bytes().all(|byte| byte.is_ascii_digit() || b"_:.,+-tzeTZ ".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(text: &str) -> String {
        match plain_scalar(text) {
            Value::Text(_, plain) => format!("{plain:?}"),
            Value::Number(number) => number.to_string(),
            other @ (Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_)) => other.kind().to_owned(),
        }
    }

    #[test]
    fn plain_scalars_are_never_guessed() {
        for (text, expected) in [
            ("~", "nothing"),
            ("True", "true or false"),
            ("no", "Flag"),
            ("On", "Flag"),
            ("12", "12"),
            ("-7", "-7"),
            ("+7", "7"),
            ("0", "0"),
            ("5.00", "5.0"),
            ("1e3", "1000.0"),
            (".5", "0.5"),
            ("012", "Figure"),
            ("0x1F", "Figure"),
            ("0o17", "Figure"),
            ("1_000", "Figure"),
            ("12:30:00", "Figure"),
            ("2026-01-31", "Figure"),
            (".inf", "Figure"),
            ("1e999", "Figure"),
            ("99999999999999999999", "Figure"),
            ("10m", "Text"),
            ("1.2.x", "Text"),
            ("node", "Text"),
            ("infinity", "Text"),
            ("-", "Text"),
        ] {
            assert_eq!(scalar(text), expected, "{text}");
        }
    }

    #[test]
    fn only_the_plain_part_of_yaml_is_read() {
        for (source, line, column, words) in [
            ("", 1, 1, "empty"),
            ("# nothing\n", 1, 1, "empty"),
            ("a: &a [*a]\n", 1, 7, "anchor"),
            ("x: &x {<<: *x}\n", 1, 7, "anchor"),
            ("x: {<<: {a: 1}}\n", 1, 5, "merge key"),
            ("a: !!python/object/apply:os.system ['id']\n", 1, 36, "tag"),
            ("a: !!str 1\n", 1, 10, "tag"),
            ("name: a\n---\nname: b\n", 2, 1, "second document"),
            ("a: *b\n", 1, 4, "alias"),
            ("%YAML 1.1\n---\na: 1\n", 1, 1, "directive"),
            ("a: 1\nb: 2\na: 3\n", 3, 1, "comes twice"),
            ("a: 1\n...\n]\n", 3, 1, ""),
            ("? [a]\n: b\n", 1, 3, "key"),
            ("a: [1\n", 1, 4, "cannot be read"),
            ("a: \"x\u{202e}y\"\n", 1, 6, "\\u{202e}"),
        ] {
            let problems = parse(source).unwrap_err();
            assert!(
                problems.iter().any(|p| (p.line, p.column) == (line, column) && p.message.contains(words)),
                "{source:?}: {problems:?}"
            );
        }
    }

    #[test]
    fn bombs_are_refused_fast() {
        let deep = "[".repeat(200_000);
        let deep_map = (0..4_000).map(|depth| format!("{}a:\n", " ".repeat(depth % 300))).collect::<String>();
        let laughs =
            (1..30).map(|n| format!("a{n}: &a{n} [{}]\n", format!("*a{}, ", n - 1).repeat(9))).collect::<String>();
        let wide = format!("a: [{}]", "{},".repeat(80_000));
        let keys = (0..20_000).map(|n| format!("k{n}: 1\n")).collect::<String>();
        for source in
            [deep, deep_map, laughs, wide, keys, "? ".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(60_000)]
        {
            #[expect(clippy::disallowed_methods, reason = "the test measures")]
            let start = std::time::Instant::now();
            let _ = parse(&source);
            assert!(start.elapsed().as_secs() < 3, "{}", &source[..20]);
        }
        assert!(parse(&"a".repeat(MAX_BYTES + 1)).is_err());
    }
}
