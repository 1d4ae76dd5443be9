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

/// How to take a word that begins with a dash, and stands where an option may take it as its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dashed {
    /// As a value where the table says so; `--` ends the options.
    AsListed,
    /// As an option, whatever the one before takes; `--` as its value.
    AsOption,
}

/// `--` means nothing to them.
const NEVER_ENDS: &[&str] = &["find", "gfind"];
/// `--` is never a value to them: what stands behind it goes to another program.
const ALWAYS_ENDS: &[&str] = &["bun", "cargo", "deno", "npm", "npx", "pnpm", "poetry", "uv", "yarn"];
/// Options whose value honestly begins with a dash: a pattern that is searched for.
const DASHED_VALUES: &[(&str, &[&str])] = &[("git", &["-e"]), ("rg", &["-e", "--regexp"])];

/// Each way in which the program may read these words, where a table does not settle it: the second takes more of them for
/// options.
pub fn readings<'a>(
    program: &str,
    words: &'a [Word],
    start: usize,
    style: Style,
    valued: Valued<'_>,
) -> Vec<Vec<Part<'a>>> {
    let read = |dashed| Reader { program, words, style, valued, dashed }.parts(start);
    let mut found = vec![read(Dashed::AsListed)];
    let is_option = |word: &Word| word.text.len() > 1 && word.text.starts_with('-');
    let pairs = words.windows(2).skip(start.saturating_sub(1));
    if pairs.into_iter().any(|pair| pair.iter().all(is_option)) {
        let careful = read(Dashed::AsOption);
        found.extend((!found.contains(&careful)).then_some(careful));
    }
    found
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

struct Reader<'a, 'v> {
    program: &'v str,
    words: &'a [Word],
    style: Style,
    valued: Valued<'v>,
    dashed: Dashed,
}

impl<'a> Reader<'a, '_> {
    fn parts(&self, start: usize) -> Vec<Part<'a>> {
        let mut found = Vec::new();
        let mut at = start;
        let mut ended = false;
        while let Some(word) = self.words.get(at) {
            let text = word.text.as_str();
            if ended || !(text.starts_with('-') && text.len() > 1) {
                found.push(if !ended && may_be_option(word) { Part::Unknown { at } } else { Part::Operand { at } });
            } else if text == "--" {
                ended = self.ends(at, start);
            } else if may_be_option(word) && !(is_value_only(text) && !(word.expands.value && word.expands.splits)) {
                found.push(Part::Unknown { at });
            } else if let Some(name) = long_name(text, self.style) {
                at += self.long(at, name, &mut found);
            } else {
                at += self.bundle(at, &mut found);
            }
            at += 1;
        }
        found
    }

    /// Whether the two dashes there end the options.
    fn ends(&self, at: usize, start: usize) -> bool {
        if NEVER_ENDS.contains(&self.program) {
            return false;
        }
        let before = self.words.get(start..at).and_then(<[Word]>::last).map_or("", |word| word.text.as_str());
        let may_take = before.len() > 1 && before.starts_with('-') && before != "--" && !before.contains('=');
        self.dashed == Dashed::AsListed || !may_take || ALWAYS_ENDS.contains(&self.program)
    }

    /// How many words the value of an option takes, where it stands in a word of its own.
    fn taken(&self, at: usize) -> usize {
        let Some(value) = self.words.get(at + 1) else { return 0 };
        let dashed = value.text.strip_prefix('-').filter(|rest| !rest.is_empty() && *rest != "-");
        // `date -d '-5 minutes'`
        let is_option = dashed.is_some_and(|rest| !rest.starts_with(|first: char| first.is_ascii_digit()));
        let option = self.words.get(at).map_or("", |word| word.text.as_str());
        let takes_any = DASHED_VALUES.iter().any(|(name, options)| *name == self.program && options.contains(&option));
        usize::from(self.dashed == Dashed::AsListed || !is_option || takes_any)
    }

    fn long(&self, at: usize, name: &'a str, found: &mut Vec<Part<'a>>) -> usize {
        if let Some((name, value)) = name.split_once('=') {
            found.push(Part::Option { name, long: true, value: None, attached: Some(value), at });
            return 0;
        }
        let names = self.valued.names;
        let cut_short =
            || self.style == Style::Getopt && !name.is_empty() && names.iter().any(|whole| whole.starts_with(name));
        let letter = self.style == Style::Words && name.len() == 1 && self.valued.letters.contains(name);
        let takes = names.contains(&name) || letter || cut_short();
        let value = if takes { self.words.get(at + 1) } else { None };
        found.push(Part::Option { name, long: true, value, attached: None, at });
        if takes { self.taken(at) } else { 0 }
    }

    fn bundle(&self, at: usize, found: &mut Vec<Part<'a>>) -> usize {
        let Some(letters) = self.words.get(at).and_then(|word| word.text.strip_prefix('-')) else { return 0 };
        let valued = self.valued.letters;
        if letters.len() > MAX_BUNDLE && !letters.starts_with(|letter| valued.contains(letter)) {
            found.push(Part::Unknown { at });
            return 0;
        }
        for (place, letter) in letters.char_indices() {
            let end = place + letter.len_utf8();
            let name = letters.get(place..end).unwrap_or_default();
            let rest = letters.get(end..).filter(|rest| !rest.is_empty());
            if !valued.contains(letter) {
                found.push(Part::Option { name, long: false, value: None, attached: rest, at });
                continue;
            }
            let value = if rest.is_none() { self.words.get(at + 1) } else { None };
            found.push(Part::Option { name, long: false, value, attached: rest, at });
            return if rest.is_none() { self.taken(at) } else { 0 };
        }
        0
    }
}

/// More letters than this are no bundle of options.
const MAX_BUNDLE: usize = 64;

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

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        text.split(' ').map(|text| Word { text: text.to_owned(), ..Word::default() }).collect()
    }

    fn shown(text: &str, style: Style, letters: &str, names: &[&str]) -> String {
        let words = words(text);
        let program = words.first().map_or("", |word| word.text.as_str());
        let found = readings(program, &words, 1, style, Valued { letters, names });
        let all: Vec<String> = found.iter().map(|parts| shown_parts(parts)).collect();
        all.join(" | ")
    }

    fn shown_parts(parts: &[Part<'_>]) -> String {
        let shown: Vec<String> = parts
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
            ("sort --random -- -o f", Style::Getopt, "o", &[], "random @3 @4 | random o=f"),
            ("sort -k -o f", Style::Getopt, "ko", &[], "k=-o @3 | k=-o o=f"),
            ("sed --line 5 p", Style::Getopt, "", &["line-length"], "line=5 @3"),
            ("find . -- -delete", Style::Words, "", &[], "@1 delete"),
            ("find . -name -- -delete", Style::Words, "", &[], "@1 name delete"),
            ("cargo test -q -- -o x", Style::Words, "", &[], "@1 q @4 @5"),
            ("date -d -5days f", Style::Getopt, "d", &[], "d=-5days @3"),
            ("rg -e -x f", Style::Getopt, "e", &[], "e=-x @3"),
        ] {
            assert_eq!(shown(text, style, letters, names), expected, "{text}");
        }
    }
}
