//! The text in the brackets of a `Bash(…)` rule, and whether a command's words fit it. `*` is the only special character.

use super::super::rule::glob_matches;
use super::super::shell::script::Word;

/// Stands for a blank inside a word, so that a quoted blank never passes for the end of a word.
const INNER_BLANK: char = '\u{f8ff}';

#[derive(Debug)]
pub struct Pattern {
    /// Without a trailing ` *` or `:*`.
    glob: String,
    /// The glob, followed by the end or by a blank and anything.
    open: bool,
    /// What an open glob with stars fits besides; made once, since each command is held against it.
    followed: Option<String>,
}

impl Pattern {
    pub fn parse(spec: &str) -> Self {
        let spec = spec.trim_matches([' ', '\t']);
        let Some(rest) = spec.strip_suffix(":*").or_else(|| spec.strip_suffix(" *")) else {
            return Self { glob: spec.to_owned(), open: false, followed: None };
        };
        let glob = rest.trim_end_matches([' ', '\t']).to_owned();
        let followed = glob.contains('*').then(|| format!("{glob} *"));
        Self { glob, open: true, followed }
    }

    /// `Bash(*)` says as much as `Bash`.
    pub fn is_everything(&self) -> bool {
        self.glob == "*"
    }

    pub fn has_wildcard(&self) -> bool {
        self.open || self.glob.contains('*')
    }

    pub fn matches(&self, text: &str) -> bool {
        if self.glob.is_empty() {
            return false;
        }
        if glob_matches(&self.glob, text) {
            return true;
        }
        match &self.followed {
            Some(followed) => glob_matches(followed, text),
            None => self.open && text.strip_prefix(self.glob.as_str()).is_some_and(|rest| rest.starts_with(' ')),
        }
    }

    /// How many words at the start the rule spells out itself.
    pub fn literal_words(&self) -> Vec<&str> {
        let (literal, cut) = match self.glob.split_once('*') {
            Some((before, _)) => (before, !before.ends_with(' ')),
            None => (self.glob.as_str(), false),
        };
        let mut words: Vec<&str> = literal.split(' ').filter(|word| !word.is_empty()).collect();
        if cut {
            words.pop();
        }
        words
    }

    /// Whether words of which some are not known before they run could fit: what is known before the first such word
    /// does not speak against it.
    pub fn could_match(&self, words: &[Word]) -> bool {
        let Some(known) = known_start(words) else { return false };
        let literal = self.glob.split('*').next().unwrap_or_default();
        literal.starts_with(&known) || known.starts_with(literal)
    }
}

/// The text before the first expansion; nothing where all is known.
fn known_start(words: &[Word]) -> Option<String> {
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
