//! What kind of text a context is, told by its lines: code, a log, JSON, prose or a transcript of a session. A mixed text is of
//! the kind that most of its lines are.

use super::chunks::lines::{is_definition, is_file_head, is_turn};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Code,
    Log,
    Json,
    Prose,
    Transcript,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Code, Self::Log, Self::Json, Self::Prose, Self::Transcript];

    pub fn word(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Log => "log",
            Self::Json => "json",
            Self::Prose => "prose",
            Self::Transcript => "transcript",
        }
    }

    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Lines looked at, spread over the text: more do not change the answer.
const LINES_SEEN: usize = 4000;
/// A transcript has turns, and few other texts have a line like one.
const TURNS_MIN: usize = 3;
const LINES_A_TURN_MAX: usize = 150;

const LINES_OF_A_LIST: usize = 5;

#[derive(Default)]
struct Seen {
    lines: usize,
    code: usize,
    stamped: usize,
    sentences: usize,
    turns: usize,
    heads: usize,
    definitions: usize,
}

pub fn recognise(text: &str) -> Kind {
    let trimmed = text.trim_start();
    if trimmed.starts_with(['{', '[']) && is_json(trimmed) {
        return Kind::Json;
    }
    let seen = look(text);
    if seen.turns >= TURNS_MIN && seen.turns * LINES_A_TURN_MAX >= seen.lines && seen.heads * 3 <= seen.turns {
        return Kind::Transcript;
    }
    if seen.stamped * 2 >= seen.lines.max(1) {
        return Kind::Log;
    }
    // Docstrings and comments are sentences too: a few definitions tell more than many of them.
    let code = seen.code + 10 * seen.definitions + 20 * seen.heads;
    // Neither sentences nor code: a list, a table, what a program printed.
    let says_nothing = seen.sentences == 0 && code == 0 && seen.lines >= LINES_OF_A_LIST;
    if says_nothing {
        Kind::Log
    } else if seen.sentences >= code {
        Kind::Prose
    } else if code * 4 >= seen.lines {
        Kind::Code
    } else {
        Kind::Log
    }
}

fn look(text: &str) -> Seen {
    let mut seen = Seen::default();
    let step = (text.bytes().filter(|byte| *byte == b'\n').count() / LINES_SEEN).max(1);
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            continue;
        }
        // Heads of files and turns are few: every line is asked for them.
        seen.turns += usize::from(is_turn(line));
        seen.heads += usize::from(is_file_head(line));
        if number % step != 0 {
            continue;
        }
        seen.lines += 1;
        seen.definitions += usize::from(is_definition(trimmed));
        seen.stamped += usize::from(is_stamped(trimmed));
        if is_sentence(trimmed) {
            seen.sentences += 1;
        } else {
            seen.code += usize::from(is_code(line, trimmed));
        }
    }
    seen.turns /= step;
    seen
}

/// JSON, or several of them a line.
fn is_json(trimmed: &str) -> bool {
    if serde_json::from_str::<serde::de::IgnoredAny>(trimmed).is_ok() {
        return true;
    }
    let mut lines = trimmed.lines().filter(|line| !line.trim().is_empty()).take(20).peekable();
    lines.peek().is_some() && lines.all(|line| serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok())
}

/// Begins with a time or a level, as lines of logs do.
fn is_stamped(line: &str) -> bool {
    let line = line.trim_start_matches(['[', '(', '<']);
    let head: String = line.chars().take(24).collect();
    let digits = head.chars().take_while(|c| !c.is_alphabetic() || *c == 'T').filter(char::is_ascii_digit).count();
    let has_time = head.bytes().filter(|byte| *byte == b':').count() >= 2 && digits >= 6
        || digits >= 8 && head.contains('-') && head.contains(':');
    let level = ["INFO", "WARN", "ERROR", "DEBUG", "TRACE", "FATAL", "NOTICE", "CRITICAL"];
    let month = ["Jan ", "Feb ", "Mar ", "Apr ", "May ", "Jun ", "Jul ", "Aug ", "Sep ", "Oct ", "Nov ", "Dec "];
    has_time
        || level.iter().any(|word| head.starts_with(word))
        || month.iter().any(|word| head.starts_with(word)) && head.contains(':')
}

/// Words, and an end as sentences have it.
fn is_sentence(line: &str) -> bool {
    let words =
        line.split_whitespace().filter(|word| word.chars().all(|c| c.is_alphabetic() || "'’,.;:()-\"".contains(c)));
    let words = words.count();
    words >= 6 && words * 10 >= line.split_whitespace().count() * 7
}

fn is_code(line: &str, trimmed: &str) -> bool {
    trimmed.ends_with(['{', '}', ';', '(', ')', ',', ':', '['])
        || line.starts_with("    ")
        || line.starts_with('\t')
        || trimmed.contains(" = ")
        || trimmed.starts_with("import ")
        || trimmed.starts_with("use ")
        || trimmed.starts_with("#include")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_recognised() {
        let code = "import os\n\nclass Writer(Base):\n    \"\"\"Writes what it is given, as it stands.\"\"\"\n\n    def run(self):\n        return self.x\n";
        let log = "2026-01-02T10:11:12Z INFO started\n2026-01-02T10:11:13Z WARN slow disk /dev/sda1\n  at line 3\n";
        let prose = "Paris\nParis is the capital of France, and the largest city of that country.\n\nIt lies on the Seine, a river that flows to the sea in the north.\n";
        let json = "{\"a\": [1, 2, 3],\n \"b\": {\"c\": null}}\n";
        let lines = "{\"a\": 1}\n{\"a\": 2}\n";
        let transcript = "user: make it green\nassistant: I run the tests now.\n$ cargo test\nok 3\n$ ls src\nlib.rs\nassistant: done\n";
        for (text, kind) in [
            (code, Kind::Code),
            (log, Kind::Log),
            (prose, Kind::Prose),
            (json, Kind::Json),
            (lines, Kind::Json),
            (transcript, Kind::Transcript),
            ("", Kind::Prose),
            ("a b c\nd e f\ng h i\nj k l\nm n o\n", Kind::Log),
        ] {
            assert_eq!(recognise(text), kind, "{text}");
        }
    }
}
