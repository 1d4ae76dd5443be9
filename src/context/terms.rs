//! Words of a text as search sees them: whole identifiers and their parts, in lower case, without common endings. Numbers for
//! words, so that comparing is cheap. Which words matter is decided in `rank`.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Words that say nothing about what a text is about, in order.
const STOP: [&str; 58] = [
    "a", "all", "also", "an", "and", "any", "are", "as", "at", "be", "but", "by", "can", "did", "do", "does", "for",
    "from", "had", "has", "have", "he", "here", "how", "i", "if", "in", "is", "it", "its", "no", "not", "of", "on",
    "or", "she", "should", "so", "than", "that", "the", "then", "there", "they", "this", "to", "was", "we", "were",
    "what", "when", "where", "which", "who", "will", "with", "would", "you",
];
/// Letters of the longest of them.
const STOP_MAX: usize = 6;

pub type Term = u32;

/// Keys are hashes already.
#[derive(Default)]
pub struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash(bytes);
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn write_u32(&mut self, key: u32) {
        self.0 = u64::from(key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

pub type Keyed<K, V> = HashMap<K, V, BuildHasherDefault<Plain>>;

/// FNV-1a with a last mix. Not for secrets: it only tells texts of one call apart.
pub fn hash(bytes: &[u8]) -> u64 {
    let mixed = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// Gives every word its number.
#[derive(Default)]
pub struct Words {
    known: Keyed<u64, Term>,
}

impl Words {
    fn number(&mut self, word: &[u8]) -> Term {
        let next = Term::try_from(self.known.len()).unwrap_or(Term::MAX);
        *self.known.entry(hash(stem(word))).or_insert(next)
    }

    /// The terms of a text in their order: each identifier, then its parts where it has several.
    pub fn terms(&mut self, text: &str, mut found: impl FnMut(Term, Form)) {
        let mut lower = Vec::with_capacity(48);
        for word in words(text) {
            lower.clear();
            lower.extend(word.bytes().map(|byte| byte.to_ascii_lowercase()));
            let several = has_parts(word.as_bytes());
            if lower.len() > 1 && !is_stop(&lower) {
                let form = if several { Form::Compound } else { Form::of(word) };
                found(self.number(&lower), form);
            }
            if several {
                for (start, end) in parts(word.as_bytes()) {
                    let part = lower.get(start..end).unwrap_or_default();
                    if part.len() > 2 && !is_stop(part) {
                        found(self.number(part), Form::Part);
                    }
                }
            }
        }
    }

    pub fn list(&mut self, text: &str) -> Vec<Term> {
        let mut all = Vec::with_capacity(text.len() / 5);
        self.terms(text, |term, _| all.push(term));
        all
    }

    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

/// How a word is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Plain,
    /// Begins with a capital: a name, or the start of a sentence.
    Name,
    Number,
    /// An identifier of several parts.
    Compound,
    Part,
}

impl Form {
    fn of(word: &str) -> Self {
        match word.chars().next() {
            Some(first) if first.is_ascii_digit() => Self::Number,
            Some(first) if first.is_uppercase() => Self::Name,
            _ => Self::Plain,
        }
    }
}

fn is_stop(word: &[u8]) -> bool {
    word.len() <= STOP_MAX && STOP.binary_search_by(|stop| stop.as_bytes().cmp(word)).is_ok()
}

/// A word without the endings that say nothing of what it is about: `frames` and `framing` are `fram`, as `frame` is.
fn stem(word: &[u8]) -> &[u8] {
    let without = |word: &'_ [u8], ending: &[u8], left: usize| -> Option<usize> {
        (word.ends_with(ending) && word.len() >= ending.len() + left).then(|| word.len() - ending.len())
    };
    let cut = |word, ending, left| without(word, ending, left).unwrap_or(word.len());
    let many = match without(word, b"ies", 3) {
        Some(end) => end,
        None if word.ends_with(b"ss") => word.len(),
        None => cut(word, b"s", 4),
    };
    let word = word.get(..many).unwrap_or(word);
    let form = without(word, b"ing", 4).unwrap_or_else(|| cut(word, b"ed", 4));
    let word = word.get(..form).unwrap_or(word);
    let end = without(word, b"e", 4).unwrap_or_else(|| cut(word, b"y", 4));
    word.get(..end).unwrap_or(word)
}

/// Letters of scripts that set no blanks between words: Thai, Lao, Burmese, Khmer, kana, ideographs.
fn is_unspaced(letter: char) -> bool {
    matches!(letter, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3005}'
        | '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}' | '\u{20000}'..='\u{3ffff}')
}

/// Whether a text may be cut between these two: letters of such scripts, no sign above or below one torn from it.
pub fn are_apart(before: char, letter: char) -> bool {
    let hangs = matches!(letter, '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}' | '\u{eb1}'
        | '\u{eb4}'..='\u{ebc}' | '\u{ec8}'..='\u{ece}' | '\u{102b}'..='\u{103e}' | '\u{17b6}'..='\u{17d3}'
        | '\u{30fc}' | '\u{3099}' | '\u{309a}');
    let leads = matches!(before, '\u{e40}'..='\u{e44}' | '\u{ec0}'..='\u{ec4}' | '\u{17d2}' | '\u{1039}');
    is_unspaced(before) && is_unspaced(letter) && !hangs && !leads
}

/// Identifiers, numbers and words, as slices of the text; where words have no blanks between them, every two letters.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    let mut is_inside = false;
    std::iter::from_fn(move || {
        let start = rest.find(|c: char| c.is_alphanumeric() || c == '_' || is_unspaced(c))?;
        let from = rest.get(start..)?;
        let mut letters = from.chars();
        let (first, second) = (letters.next()?, letters.next());
        if is_unspaced(first) {
            let both = second.filter(|second| is_unspaced(*second)).map(|second| first.len_utf8() + second.len_utf8());
            let alone = both.is_none() && is_inside && start == 0;
            is_inside = both.is_some();
            rest = from.get(first.len_utf8()..)?;
            // The last of a run was in the pair before.
            return Some(if alone { "" } else { from.get(..both.unwrap_or(first.len_utf8()))? });
        }
        is_inside = false;
        let is_number = first.is_ascii_digit();
        let goes_on =
            |c: char| if is_number { c.is_ascii_digit() } else { (c.is_alphanumeric() || c == '_') && !is_unspaced(c) };
        let end = from.find(|c: char| !goes_on(c)).unwrap_or(from.len());
        let (word, after) = from.split_at_checked(end)?;
        rest = after;
        Some(word)
    })
}

fn has_parts(word: &[u8]) -> bool {
    word.iter().enumerate().any(|(at, byte)| *byte == b'_' && at > 0 && at + 1 < word.len())
        || word.windows(2).any(|pair| {
            matches!(pair, [before, after] if (before.is_ascii_lowercase() && after.is_ascii_uppercase())
                || (before.is_ascii_alphabetic() && after.is_ascii_digit()))
        })
}

/// Borders of the parts of an identifier: between humps, around underscores, before and after digits.
fn parts(word: &[u8]) -> Vec<(usize, usize)> {
    #[derive(PartialEq, Clone, Copy)]
    enum Class {
        Lower,
        Upper,
        Digit,
        Between,
    }
    let class = |byte: u8| match byte {
        b'a'..=b'z' | 0x80.. => Class::Lower,
        b'A'..=b'Z' => Class::Upper,
        b'0'..=b'9' => Class::Digit,
        _ => Class::Between,
    };
    let mut found = Vec::new();
    let mut start = 0;
    for at in 1..=word.len() {
        let before = word.get(at - 1).map_or(Class::Between, |byte| class(*byte));
        let here = word.get(at).map_or(Class::Between, |byte| class(*byte));
        let next = word.get(at + 1).map_or(Class::Between, |byte| class(*byte));
        let hump = before == Class::Upper && here == Class::Upper && next == Class::Lower;
        if before == here && !hump && at < word.len() || (before == Class::Upper && here == Class::Lower) {
            continue;
        }
        if before != Class::Between && at > start {
            found.push((start, at));
        }
        start = at;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_fall_into_their_parts() {
        let shown = |word: &str| -> Vec<String> {
            parts(word.as_bytes()).into_iter().map(|(start, end)| word[start..end].to_owned()).collect()
        };
        assert_eq!(shown("get_class_members"), ["get", "class", "members"]);
        assert_eq!(shown("HTMLWriter2"), ["HTML", "Writer", "2"]);
        assert_eq!(shown("_private"), ["private"]);
    }

    #[test]
    fn an_identifier_is_found_whole_and_by_its_parts() {
        let mut words = Words::default();
        let whole = words.list("read_frames");
        let parts = words.list("reading frames, the frame");
        assert_eq!(whole.len(), 3);
        assert_eq!(parts, [whole[1], whole[2], whole[2]]);
    }

    #[test]
    fn forms_of_one_word_are_one_term() {
        for forms in ["frame frames framed framing", "query queries", "class classes", "parse parsing parsed parses"] {
            let mut words = Words::default();
            words.list(forms);
            assert_eq!(words.len(), 1, "{forms}");
        }
    }

    #[test]
    fn scripts_without_blanks_are_read_by_two_letters() {
        let shown = |text: &'static str| words(text).filter(|word| !word.is_empty()).collect::<Vec<_>>();
        for (text, read) in [
            ("第77段 人口", vec!["第", "77", "段", "人口"]),
            ("密码是42。", vec!["密码", "码是", "42"]),
            ("API密码x", vec!["API", "密码", "x"]),
            ("größe_1 слово", vec!["größe_1", "слово"]),
            ("ทำ", vec!["ทำ"]),
        ] {
            assert_eq!(shown(text), read, "{text}");
        }
    }

    #[test]
    fn words_that_say_nothing_are_left_out() {
        let mut words = Words::default();
        assert_eq!(words.list("the of and should"), Vec::<Term>::new());
        assert_eq!(words.list("shoulder").len(), 1);
    }
}
