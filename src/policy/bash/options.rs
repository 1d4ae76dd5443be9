//! The words of one command as options, their values and operands. What an option does is not known here.

use super::super::shell::script::Word;
use super::printed::{Printed, printed};

/// How a program reads its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `-abc`, `-ovalue`, `--long`, `--long=value`, long ones cut short.
    Getopt,
    /// The same, where a long name must be whole.
    Exact,
    /// `-word`, `--word`, `-word=value`; never bundled. Names are taken without regard to case and dashes within.
    Words,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// A short letter or the name of a long option, with its value where one is given.
    Option {
        name: &'a str,
        long: bool,
        value: Option<&'a Word>,
        attached: Option<&'a str>,
        at: usize,
    },
    Operand {
        at: usize,
    },
    /// Not known before it runs, and it could become an option.
    Unknown {
        at: usize,
    },
}

/// Which options take a value in the next word.
#[derive(Clone, Copy, Debug)]
pub struct Valued<'a> {
    pub letters: &'a str,
    pub names: &'a [&'a str],
}

/// What could stand for an option once it is expanded.
pub fn may_be_option(word: &Word) -> bool {
    let first = word.text.chars().next();
    match first {
        None => false,
        Some('-') => !word.expands.nothing() && !is_numbered(word),
        // What prints nothing leaves the rest of the word.
        Some('$' | '`') => word.expands.value && (printed(&word.text) == Printed::Anything || word.text.contains(")-")),
        // What it is parted into may begin with anything.
        Some(_) if word.expands.value && word.expands.splits => printed(&word.text) == Printed::Anything,
        Some('*' | '?' | '[') => word.expands.glob,
        Some('{') => word.expands.brace && dash_may_come_first(word),
        Some(_) => false,
    }
}

pub fn parts<'a>(words: &'a [Word], start: usize, style: Style, valued: Valued<'_>) -> Vec<Part<'a>> {
    let mut found = Vec::new();
    let mut at = start;
    let mut ended = false;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        if ended || !(text.starts_with('-') && text.len() > 1) {
            found.push(if !ended && may_be_option(word) { Part::Unknown { at } } else { Part::Operand { at } });
        } else if text == "--" {
            ended = true;
        } else if may_be_option(word) && !(is_value_only(text) && !(word.expands.value && word.expands.splits)) {
            found.push(Part::Unknown { at });
        } else if let Some(name) = long_name(text, style) {
            at += long(words, at, name, style, valued, &mut found);
        } else {
            at += bundle(words, at, valued, &mut found);
        }
        at += 1;
    }
    found
}

/// `-j$(nproc)`: a letter and a number.
fn is_numbered(word: &Word) -> bool {
    let lettered = word.text.chars().nth(1).is_some_and(|letter| letter.is_ascii_alphabetic());
    lettered && !(word.expands.glob || word.expands.brace) && printed(&word.text) == Printed::Number
}

/// Of a word that begins with a brace.
fn dash_may_come_first(word: &Word) -> bool {
    word.expands.value || word.expands.glob || ["{-", ",-", "}-", ".."].iter().any(|part| word.text.contains(part))
}

/// Only what stands behind `--name=` is expanded.
fn is_value_only(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| !name.contains(['$', '`', '*', '?', '[', '{']))
}

fn long_name(text: &str, style: Style) -> Option<&str> {
    match (text.strip_prefix("--"), style) {
        (Some(name), _) => Some(name),
        (None, Style::Words) => text.strip_prefix('-'),
        (None, Style::Getopt | Style::Exact) => None,
    }
}

fn long<'a>(
    words: &'a [Word],
    at: usize,
    name: &'a str,
    style: Style,
    valued: Valued<'_>,
    found: &mut Vec<Part<'a>>,
) -> usize {
    if let Some((name, value)) = name.split_once('=') {
        found.push(Part::Option { name, long: true, value: None, attached: Some(value), at });
        return 0;
    }
    let takes =
        valued.names.contains(&name) || (style == Style::Words && name.len() == 1 && valued.letters.contains(name));
    let value = if takes { words.get(at + 1) } else { None };
    found.push(Part::Option { name, long: true, value, attached: None, at });
    usize::from(value.is_some())
}

/// More letters than this are no bundle of options.
const MAX_BUNDLE: usize = 64;

fn bundle<'a>(words: &'a [Word], at: usize, valued: Valued<'_>, found: &mut Vec<Part<'a>>) -> usize {
    let Some(letters) = words.get(at).and_then(|word| word.text.strip_prefix('-')) else { return 0 };
    if letters.len() > MAX_BUNDLE && !letters.starts_with(|letter| valued.letters.contains(letter)) {
        found.push(Part::Unknown { at });
        return 0;
    }
    for (place, letter) in letters.char_indices() {
        let end = place + letter.len_utf8();
        let name = letters.get(place..end).unwrap_or_default();
        let rest = letters.get(end..).unwrap_or_default();
        if !valued.letters.contains(letter) {
            found.push(Part::Option {
                name,
                long: false,
                value: None,
                attached: Some(rest).filter(|rest| !rest.is_empty()),
                at,
            });
            continue;
        }
        if !rest.is_empty() {
            found.push(Part::Option { name, long: false, value: None, attached: Some(rest), at });
            return 0;
        }
        let value = words.get(at + 1);
        found.push(Part::Option { name, long: false, value, attached: None, at });
        return usize::from(value.is_some());
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        text.split(' ').map(|text| Word { text: text.to_owned(), ..Word::default() }).collect()
    }

    fn shown(text: &str, style: Style, letters: &str, names: &[&str]) -> String {
        let words = words(text);
        let found = parts(&words, 1, style, Valued { letters, names });
        let shown: Vec<String> = found
            .iter()
            .map(|part| match part {
                Part::Option { name, value, attached, .. } => match (value, attached) {
                    (Some(value), _) => format!("{name}={}", value.text),
                    (None, Some(value)) => format!("{name}={value}"),
                    (None, None) => (*name).to_owned(),
                },
                Part::Operand { at } => format!("@{at}"),
                Part::Unknown { at } => format!("?{at}"),
            })
            .collect();
        shown.join(" ")
    }

    #[test]
    fn options_values_and_operands() {
        for (text, style, letters, names, expected) in [
            ("sort -o out f", Style::Getopt, "o", &[][..], "o=out @3"),
            ("sort -oout f", Style::Getopt, "o", &[], "o=out @2"),
            ("sort -ro out", Style::Getopt, "o", &[], "r=o o=out"),
            ("sort --output out", Style::Getopt, "", &["output"], "output=out"),
            ("sort --output=out", Style::Getopt, "", &[], "output=out"),
            ("sort -- -o", Style::Getopt, "o", &[], "@2"),
            ("find . -exec rm", Style::Words, "", &[], "@1 exec @3"),
            ("go build -o x", Style::Words, "o", &[], "@1 o=x"),
            ("cat -", Style::Getopt, "", &[], "@1"),
        ] {
            assert_eq!(shown(text, style, letters, names), expected, "{text}");
        }
    }
}
