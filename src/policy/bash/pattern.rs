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
    /// Where the rule quotes: as the words of a command are seen, without the quotes.
    unquoted: Option<Unquoted>,
}

#[derive(Debug)]
struct Unquoted {
    /// For refusing, where any blank is one.
    wide: Glob,
    /// For allowing, where a blank between quotes parts no words.
    strict: Glob,
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
        let unquoted = unquoted(glob).map(|strict| {
            let wide = Glob::read(&strict.replace(INNER_BLANK, " "));
            Unquoted { wide, strict: Glob::read(&strict) }
        });
        Self { glob: Glob::read(glob), open, kind, unquoted }
    }

    fn fits(&self, glob: &Glob, text: &str) -> bool {
        if self.open { glob.fits_a_start(text) } else { glob.fits(text) }
    }

    pub fn is_everything(&self) -> bool {
        self.kind == Kind::Everything
    }

    pub fn has_wildcard(&self) -> bool {
        self.open || self.glob.has_star()
    }

    /// Held against the very text of a command, quotes and all.
    pub fn is_written(&self, text: &str) -> bool {
        self.kind != Kind::Nothing && self.fits(&self.glob, text)
    }

    pub fn matches(&self, text: &str) -> bool {
        let strict = || self.unquoted.as_ref().is_some_and(|unquoted| self.fits(&unquoted.strict, text));
        self.kind != Kind::Nothing && (self.fits(&self.glob, text) || strict())
    }

    /// The same, with the pairs of that text.
    pub fn matches_by(&self, text: &str, pairs: &Pairs) -> bool {
        let holds = |glob: &Glob| pairs.hold(&glob.needs);
        let strict = self.unquoted.as_ref().is_some_and(|unquoted| holds(&unquoted.strict));
        (holds(&self.glob) || strict) && self.matches(text)
    }

    /// For refusing: it does not matter which blanks are quoted.
    pub fn means(&self, text: &str, pairs: &Pairs) -> bool {
        let wide = |unquoted: &Unquoted| pairs.hold(&unquoted.wide.needs) && self.fits(&unquoted.wide, text);
        self.matches_by(text, pairs) || self.unquoted.as_ref().is_some_and(wide)
    }

    /// No end of this text can match.
    pub fn misses_all_ends(&self, text: &str) -> bool {
        let wide = self.unquoted.as_ref().is_none_or(|unquoted| unquoted.wide.misses_all_ends(text));
        wide && self.glob.misses_all_ends(text)
    }

    /// How many words at the start the rule spells out itself.
    pub fn literal_words(&self) -> Vec<&str> {
        let glob = self.unquoted.as_ref().map_or(&self.glob, |unquoted| &unquoted.strict);
        let literal = glob.first.as_str();
        let cut = glob.has_star() && !literal.ends_with(' ');
        let mut words: Vec<&str> = literal.split(' ').filter(|word| !word.is_empty()).collect();
        if cut {
            words.pop();
        }
        words
    }

    /// Whether words of which some are not known before they run could fit: what is known before the first such word
    /// does not speak against it.
    pub fn could_match(&self, known_start: &str) -> bool {
        let could = |glob: &Glob| {
            let literal = glob.first.as_str();
            literal.starts_with(known_start) || known_start.starts_with(literal)
        };
        could(&self.glob) || self.unquoted.as_ref().is_some_and(|unquoted| could(&unquoted.wide))
    }
}

/// Without quotes, with the blanks that stood between them marked; nothing where there are none or they do not close.
fn unquoted(text: &str) -> Option<String> {
    let (mut open, mut any) = (None, false);
    let mut found = String::new();
    for letter in text.chars() {
        match (open, letter) {
            (None, '\'' | '"') => (open, any) = (Some(letter), true),
            (Some(quote), letter) if letter == quote => open = None,
            // What these do between quotes and before them is not for a rule.
            (_, '\\') => return None,
            (Some(_), ' ' | '\t') => found.push(INNER_BLANK),
            (_, letter) => found.push(letter),
        }
    }
    (any && open.is_none()).then_some(found)
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
            ("git commit -m \"wip\"", "git commit -m wip", true),
            ("git commit -m 'feat: *'", "git commit -m feat:\u{f8ff}x", true),
            ("git commit -m 'feat: *'", "git commit -m feat: x", false),
            ("awk '{print $1}' *", "awk {print\u{f8ff}$1} a", true),
            ("echo don't *", "echo dont x", false),
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
