//! What is wrong with a workflow file and where; also the nearest known word for a misspelt one.

use std::fmt;

/// A place in the file, both counted from 1; the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    pub line: usize,
    pub column: usize,
}

impl At {
    pub const START: Self = Self { line: 1, column: 1 };
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub line: usize,
    pub column: usize,
    /// Such as `phases.build.exit[0]`; empty for the file as a whole.
    pub path: String,
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Problem {
    pub fn new(at: At, path: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { line: at.line, column: at.column, path: path.into(), message: message.into(), hint: hint.into() }
    }

    /// The line an editor can jump to.
    pub fn located_in(&self, file: &str) -> String {
        let path = if self.path.is_empty() { String::new() } else { format!(" {}:", self.path) };
        let hint = if self.hint.is_empty() { String::new() } else { format!("; {}", self.hint) };
        format!("{file}:{}:{}:{path} {}{hint}", self.line, self.column, self.message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.located_in("phasegate.yaml"))
    }
}

/// The known word a misspelt one probably stands for.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let length = word.chars().count();
    if length > 64 {
        return None;
    }
    let limit = (length / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits between two words, where two letters swapped count as one edit.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    let mut previous = None;
    for (row, letter) in left.to_lowercase().chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in right.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut least = (at(&above, column) + usize::from(letter != *other))
                .min(at(&above, column + 1) + 1)
                .min(at(&current, column) + 1);
            let swapped = column > 0 && previous == Some(*other) && right.get(column - 1) == Some(&letter);
            if swapped {
                least = least.min(at(&before, column - 1) + 1);
            }
            current.push(least);
        }
        previous = Some(letter);
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found() {
        let known = ["name", "phases", "protect", "version"];
        for (word, expected) in
            [("nmae", Some("name")), ("phase", Some("phases")), ("Name", Some("name")), ("colour", None), ("", None)]
        {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
