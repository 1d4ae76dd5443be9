//! What kind of text a context is, told by its lines: code, a log, JSON, prose or a transcript of a session. A mixed text is of
//! the kind that most of its lines are.

use super::chunks::json::is_sound;
use super::chunks::lines::{PYTHON, is_definition, is_file_head, is_turn};

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
/// What follows a turn is its output, up to so many lines; half of a transcript is.
const TURN_LINES: usize = 75;
/// Documents and code show commands too: where they do, turns come closer to each other in a transcript, and are more.
const TURN_LINES_NEAR: usize = 25;
const TURNS_NEAR_MIN: usize = 6;

const LINES_OF_A_LIST: usize = 5;

#[derive(Default)]
struct Seen {
    lines: usize,
    code: usize,
    stamped: usize,
    sentences: usize,
    heads: usize,
    definitions: usize,
    /// Where turns are, among all lines that are not blank, and how many those are.
    turns: Vec<usize>,
    all: usize,
}

pub fn recognise(text: &str) -> Kind {
    let trimmed = text.trim_start();
    if trimmed.starts_with(['{', '[']) && is_json(trimmed) {
        return Kind::Json;
    }
    let seen = look(text);
    if seen.is_transcript() {
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

impl Seen {
    fn is_transcript(&self) -> bool {
        let else_too = self.definitions > 0 || self.sentences * 3 > self.lines;
        let (turns_min, turn_lines) =
            if else_too { (TURNS_NEAR_MIN, TURN_LINES_NEAR) } else { (TURNS_MIN, TURN_LINES) };
        let ends = self.turns.iter().skip(1).copied().chain([self.all]);
        let covered: usize = self.turns.iter().zip(ends).map(|(turn, end)| (end - turn).min(turn_lines)).sum();
        self.turns.len() >= turns_min && covered * 2 >= self.all && self.heads * 3 <= self.turns.len()
    }
}

fn look(text: &str) -> Seen {
    let mut seen = Seen::default();
    let mut prompts = Vec::new();
    let step = (text.bytes().filter(|byte| *byte == b'\n').count() / LINES_SEEN).max(1);
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            continue;
        }
        seen.all += 1;
        // Heads of files and turns are few: every line is asked for them.
        let of = if trimmed.starts_with(PYTHON) { &mut prompts } else { &mut seen.turns };
        let turn = is_turn(line);
        if turn {
            of.push(seen.all - 1);
        }
        seen.heads += usize::from(is_file_head(line));
        if number % step != 0 {
            continue;
        }
        seen.lines += 1;
        seen.definitions += usize::from(is_definition(trimmed));
        seen.stamped += usize::from(is_stamped(trimmed));
        if is_sentence(trimmed) {
            seen.sentences += usize::from(!turn);
        } else {
            seen.code += usize::from(is_code(line, trimmed));
        }
    }
    // Beside definitions these are examples in documentation.
    if seen.definitions == 0 {
        seen.turns.append(&mut prompts);
        seen.turns.sort_unstable();
    }
    seen
}

/// JSON, or several of them a line.
fn is_json(trimmed: &str) -> bool {
    if is_sound(trimmed) {
        return true;
    }
    let mut lines = trimmed.lines().filter(|line| !line.trim().is_empty()).take(20).peekable();
    lines.peek().is_some() && lines.all(is_sound)
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

    #[test]
    fn a_few_commands_or_speakers_do_not_make_a_transcript() {
        let town = |n: usize| format!("Town {n}\nTown {n} lies on a river and is old, as people say.\n\n");
        let towns = |from: usize, to: usize| (from..to).map(town).collect::<String>();
        let around = |middle: &str| format!("{}{middle}\n{}", towns(0, 100), towns(100, 200));
        let shell = "```\n$ make build\n$ make test\n$ make install\n```\n";
        let talk = "User: what do you know?\n\nAssistant: this is what I found.\n\nUser: go on\n";
        let function = |n: usize| {
            format!(
                "def f_{n}(x):\n    \"\"\"Adds.\n\n>>> f_{n}(1)\n2\n$ run {n}\n    \"\"\"\n    y = x + 1\n    return y\n\n"
            )
        };
        let doctests: String = (0..9).map(function).collect::<String>().replacen("$ run", "run", 4);
        let step = |n: usize| format!("$ sed -n {n},9p src/a.rs\nfn f_{n}() {{\n    let a = {n};\n    run(a);\n}}\n");
        let session: String = (0..20).map(step).collect();
        let lines: String = (0..60).map(|n| format!("out/part_{n}.o\n")).collect();
        let prompts = ">>> import os\n>>> os.getpid()\n417\n>>> 1 + 1\n2\n";
        for (text, kind) in [
            (around(""), Kind::Prose),
            (around(shell), Kind::Prose),
            (around(talk), Kind::Prose),
            (format!("{shell}{}", towns(0, 30)), Kind::Prose),
            (doctests, Kind::Code),
            (session, Kind::Transcript),
            (format!("$ ls out\n{lines}").repeat(4), Kind::Transcript),
            (prompts.to_owned(), Kind::Transcript),
        ] {
            assert_eq!(recognise(&text), kind, "{text}");
        }
    }
}
