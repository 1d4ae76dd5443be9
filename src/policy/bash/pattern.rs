//! The text in the brackets of a `Bash(…)` rule, and whether a command's words fit it. `*` is the only special character.

use super::super::glob::{Glob, Pairs};
use super::super::shell::script::Word;

/// Stands for a blank inside a word, so that a quoted blank never passes for the end of a word.
const INNER_BLANK: char = '\u{f8ff}';

#[derive(Debug)]
pub struct Pattern {
    /// Without a trailing ` *` or `:*`.
    glob: Glob,
    /// The glob, followed by the end or by a blank and anything.
    open: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nothing,
    Everything,
    Some,
}

impl Pattern {
    pub fn parse(spec: &str) -> Self {
        let spec = spec.trim_matches([' ', '\t']);
        let (glob, open) = match spec.strip_suffix(":*").or_else(|| spec.strip_suffix(" *")) {
            Some(rest) => (rest.trim_end_matches([' ', '\t']), true),
            None => (spec, false),
        };
        let kind = match glob {
            "" => Kind::Nothing,
            // `Bash(*)` says as much as `Bash`.
            "*" => Kind::Everything,
            _ => Kind::Some,
        };
        Self { glob: Glob::read(glob), open, kind }
    }

    pub fn is_everything(&self) -> bool {
        self.kind == Kind::Everything
    }

    pub fn has_wildcard(&self) -> bool {
        self.open || self.glob.has_star()
    }

    pub fn matches(&self, text: &str) -> bool {
        self.kind != Kind::Nothing && if self.open { self.glob.fits_a_start(text) } else { self.glob.fits(text) }
    }

    /// The same, with the pairs of that text.
    pub fn matches_by(&self, text: &str, pairs: &Pairs) -> bool {
        pairs.hold(&self.glob.needs) && self.matches(text)
    }

    /// No end of this text can match.
    pub fn misses_all_ends(&self, text: &str) -> bool {
        self.glob.misses_all_ends(text)
    }

    /// How many words at the start the rule spells out itself.
    pub fn literal_words(&self) -> Vec<&str> {
        let literal = self.glob.first.as_str();
        let cut = self.glob.has_star() && !literal.ends_with(' ');
        let mut words: Vec<&str> = literal.split(' ').filter(|word| !word.is_empty()).collect();
        if cut {
            words.pop();
        }
        words
    }

    /// Whether words of which some are not known before they run could fit: what is known before the first such word
    /// does not speak against it.
    pub fn could_match(&self, known_start: &str) -> bool {
        let literal = self.glob.first.as_str();
        literal.starts_with(known_start) || known_start.starts_with(literal)
    }
}

/// The text before the first expansion; nothing where all is known.
pub fn known_start(words: &[Word]) -> Option<String> {
    let mut known = String::new();
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            known.push(' ');
        }
        if word.expands.nothing() {
            known.push_str(&word.text);
            continue;
        }
        let cut = word.text.find(['$', '`', '*', '?', '[', '{', '~', '<', '>']).unwrap_or(0);
        known.push_str(word.text.get(..cut).unwrap_or_default());
        // An expansion may come to nothing, and then the blank before it goes too.
        return Some(known.trim_end_matches(' ').to_owned());
    }
    None
}

/// The words as a rule sees them.
pub fn joined(words: &[Word]) -> String {
    let mut text = String::with_capacity(words.iter().map(|word| word.text.len() + 1).sum());
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        text.push_str(&word.text);
    }
    text
}

/// The same for allow: blanks inside a word do not part words.
pub fn joined_strictly(words: &[Word]) -> String {
    let mut text = String::with_capacity(words.iter().map(|word| word.text.len() + 1).sum());
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        text.extend(word.text.chars().map(|letter| match letter {
            ' ' | '\t' | '\n' => INNER_BLANK,
            other => other,
        }));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_word_boundaries() {
        for (spec, text, expected) in [
            ("git log *", "git log", true),
            ("git log *", "git log -3", true),
            ("git log *", "git logs", false),
            ("git log:*", "git log -3", true),
            ("git log:*", "git logs", false),
            ("git log*", "git logs", true),
            ("git * main", "git push origin main", true),
            ("git * main", "git push origin mains", false),
            ("git * main:*", "git push origin main -f", true),
            ("* --version", "node --version", true),
            ("git log", "git log -3", false),
            ("a:*b", "a:xb", true),
            ("a[b]", "ab", false),
            ("*", "anything at all", true),
            (":*", "anything", false),
            ("ls *", "lsof", false),
        ] {
            assert_eq!(Pattern::parse(spec).matches(text), expected, "{spec} {text}");
        }
    }

    #[test]
    fn what_a_rule_spells_out() {
        for (spec, words) in [
            ("sed -i *", vec!["sed", "-i"]),
            ("sed -i*", vec!["sed"]),
            ("git * -x", vec!["git"]),
            ("make test", vec!["make", "test"]),
            ("*", vec![]),
        ] {
            assert_eq!(Pattern::parse(spec).literal_words(), words, "{spec}");
        }
    }
}
