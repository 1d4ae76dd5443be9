//! Whether an awk program does more than print. Its own grammar decides whether `/` divides or begins a pattern; where that
//! is not plain here, both ways count.

/// Ways in which one program is read.
const WAYS_MAX: usize = 8;

const KEYWORDS: &[&str] = &[
    "BEGIN",
    "BEGINFILE",
    "END",
    "ENDFILE",
    "break",
    "case",
    "continue",
    "default",
    "delete",
    "do",
    "else",
    "exit",
    "for",
    "func",
    "function",
    "getline",
    "if",
    "in",
    "length",
    "next",
    "nextfile",
    "print",
    "printf",
    "return",
    "switch",
    "while",
];

/// They start programs, reach files, or change which files are read.
const ACTS: &[&str] = &["system", "getline", "close", "fflush", "extension", "ARGV", "ENVIRON", "PROCINFO", "ARGC"];

/// True where the text outside of strings, patterns and comments can start a program or touch a file.
pub fn awk_acts(program: &str) -> bool {
    let mut waiting =
        vec![Reader { rest: program, depth: 0, printing: false, before: Before::Nothing, last: '\n', guessed: false }];
    for _ in 0..WAYS_MAX {
        let Some(mut reader) = waiting.pop() else { return false };
        loop {
            match reader.step() {
                Step::On => {}
                Step::Acts => return true,
                Step::Ends => break,
                Step::Also(other) => waiting.push(other),
            }
        }
    }
    !waiting.is_empty() && (program.contains(['|', '>', '@']) || ACTS.iter().any(|name| program.contains(name)))
}

/// What stands before a place in the program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// After it `/` divides.
    Value,
    /// After it `/` begins a pattern.
    Nothing,
    /// A keyword, or the end of a condition or of a value.
    Either,
}

#[derive(Clone)]
struct Reader<'a> {
    rest: &'a str,
    depth: usize,
    printing: bool,
    before: Before,
    /// The last letter that is no blank.
    last: char,
    /// A `/` before was read in one of two ways: what has no end now is refused by awk.
    guessed: bool,
}

enum Step<'a> {
    On,
    Acts,
    /// The program is over, or awk refuses it.
    Ends,
    /// It may be read on in this way too.
    Also(Reader<'a>),
}

impl<'a> Reader<'a> {
    fn step(&mut self) -> Step<'a> {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.');
        let end = self.rest.find(|letter| !is_part(letter)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        if !word.is_empty() {
            self.rest = rest;
            self.last = 'a';
            return self.word(word);
        }
        let Some(letter) = self.rest.chars().next() else { return Step::Ends };
        self.rest = self.rest.get(letter.len_utf8()..).unwrap_or_default();
        let last = self.last;
        if !matches!(letter, ' ' | '\t' | '\n') {
            self.last = letter;
        }
        self.mark(letter, last)
    }

    fn word(&mut self, word: &str) -> Step<'a> {
        if ACTS.contains(&word) {
            return Step::Acts;
        }
        self.printing |= matches!(word, "print" | "printf");
        self.before = if KEYWORDS.contains(&word) { Before::Either } else { Before::Value };
        Step::On
    }

    fn mark(&mut self, letter: char, last: char) -> Step<'a> {
        match letter {
            '"' => match past(self.rest, '"') {
                Past::At(rest) => (self.rest, self.before) = (rest, Before::Value),
                Past::NoEnd if self.guessed => return Step::Ends,
                Past::NoEnd | Past::Unclear => return Step::Acts,
            },
            '/' => return self.slash(),
            '#' => self.rest = self.rest.find('\n').and_then(|end| self.rest.get(end..)).unwrap_or_default(),
            '|' => match self.rest.strip_prefix('|') {
                Some(rest) => (self.rest, self.before) = (rest, Before::Nothing),
                None => return Step::Acts,
            },
            '@' => return Step::Acts,
            '>' if self.printing && self.depth == 0 && to_its_own_output(self.rest) => {}
            '>' if self.printing && (self.depth == 0 || self.rest.starts_with('>')) => return Step::Acts,
            '(' | '[' => {
                self.depth += 1;
                self.before = Before::Nothing;
            }
            ')' | ']' => {
                self.depth = self.depth.saturating_sub(1);
                self.before = if letter == ')' { Before::Either } else { Before::Value };
            }
            // Behind these a statement goes on in the next line.
            '\n' if matches!(last, ',' | '&' | '|' | '?' | ':') => {}
            ';' | '\n' | '{' | '}' => {
                self.printing = false;
                self.depth = 0;
                self.before = Before::Nothing;
            }
            ' ' | '\t' => {}
            '\\' => match self.rest.strip_prefix('\n') {
                Some(rest) => (self.rest, self.last) = (rest, last),
                None => return Step::Acts,
            },
            '+' | '-' if self.rest.starts_with(letter) => {
                self.rest = self.rest.get(1..).unwrap_or_default();
                self.before = if self.before == Before::Nothing { Before::Nothing } else { Before::Either };
            }
            // What is a blank to one program is none to another.
            letter if letter.is_control() => return Step::Acts,
            _ => self.before = Before::Nothing,
        }
        Step::On
    }

    fn slash(&mut self) -> Step<'a> {
        let divided = Reader { before: Before::Nothing, guessed: true, ..self.clone() };
        match (self.before, past(self.rest, '/')) {
            (Before::Value, _) | (Before::Either, Past::NoEnd) => {
                self.before = Before::Nothing;
                Step::On
            }
            (_, Past::At(rest)) => {
                let both = self.before == Before::Either;
                (self.rest, self.before, self.guessed) = (rest, Before::Value, self.guessed || both);
                if both { Step::Also(divided) } else { Step::On }
            }
            (_, Past::NoEnd) if self.guessed => Step::Ends,
            (_, Past::NoEnd | Past::Unclear) => Step::Acts,
        }
    }
}

/// `print > "/dev/stderr"`, and nothing put behind that name.
fn to_its_own_output(rest: &str) -> bool {
    let after = ["/dev/stderr", "/dev/stdout", "/dev/null"]
        .iter()
        .find_map(|name| rest.trim_start_matches([' ', '\t']).strip_prefix('"')?.strip_prefix(name)?.strip_prefix('"'));
    after.is_some_and(|after| {
        let after = after.trim_start_matches([' ', '\t']);
        after.is_empty() || after.starts_with([';', '}', '\n'])
    })
}

/// Where a string or pattern ends.
enum Past<'a> {
    At(&'a str),
    /// Not in this line: there is none.
    NoEnd,
    Unclear,
}

fn past(text: &str, end: char) -> Past<'_> {
    let pattern = end == '/';
    let mut letters = text.char_indices().peekable();
    let mut bracket = false;
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => {
                letters.next();
            }
            '\n' => return Past::NoEnd,
            // Programs differ on whether a mark inside brackets ends a pattern, and on what `[:` begins.
            _ if letter == end && bracket => return Past::Unclear,
            _ if letter == end => return Past::At(text.get(at + 1..).unwrap_or_default()),
            '[' if pattern && bracket && matches!(letters.peek(), Some((_, ':' | '.' | '='))) => {
                let mut last = ' ';
                let mut closed = false;
                while let Some((_, next)) = letters.next_if(|(_, next)| *next != '\n' && *next != end) {
                    if next == ']' && matches!(last, ':' | '.' | '=') {
                        closed = true;
                        break;
                    }
                    last = next;
                }
                if !closed {
                    return Past::Unclear;
                }
            }
            '[' if pattern && !bracket => {
                bracket = true;
                letters.next_if(|(_, next)| *next == '^');
                letters.next_if(|(_, next)| *next == ']');
            }
            ']' => bracket = false,
            _ => {}
        }
    }
    Past::NoEnd
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awk_programs() {
        for (program, expected) in [
            ("{print $1}", false),
            ("/a|b/ {print}", false),
            ("NR>1 && $2>3 {print $1, $2}", false),
            ("$1 > 5", false),
            ("BEGIN{FS=\",\"} {s+=$2} END{print s/NR}", false),
            ("{ if ($3 || $4) print \"a | b > c\" }", false),
            ("{print ($1 > 2)}", false),
            ("# system(x)\n{print}", false),
            ("BEGIN{system(\"id\")}", true),
            ("BEGIN{\"id\"|getline x}", true),
            ("{print $1 > \"out\"}", true),
            ("{print | \"sh\"}", true),
            ("{print $1 >> f}", true),
            ("{printf(\"%s\", $1) > \"x\"}", true),
            ("@load \"x\"", true),
            ("{while ((getline l < \"/etc/passwd\") > 0) print l}", true),
            ("{f=\"sys\" \"tem\"; @f(1)}", true),
            ("$1 ~ /^[0-9]+$/ {print}", false),
            ("/fn [a-z_]+\\(/{print FILENAME\":\"FNR}", false),
            ("/[[:alpha:]_]/", false),
            ("/[]a]/", false),
            ("/[/]/ {print | \"sh\"}", true),
            ("/[/]/", true),
            ("{print > \"/dev/stderr\"}", false),
            ("{print > \"/dev/null\" \"x\"}", true),
            ("{print >> \"/dev/stderr\"}", true),
            ("BEGIN{if(0);else /\"/;system(\"touch x\")}#\"", true),
            ("BEGIN{if(0) /\"/;system(\"touch x\")}#\"", true),
            ("BEGIN{do /\"/; while(0);system(\"touch x\")}#\"", true),
            ("BEGIN{if(x){}else /\"/;print \"x\" > \"out\"}#\"", true),
            ("{x = i++ / system(\"touch x\") / 2}", true),
            ("{x = 1. / system(\"touch x\") / 2}", true),
            ("{x = y \\\n/ system(\"touch x\") / 2}", true),
            ("{x = y $/\"/;system(\"touch x\")}#\"", true),
            ("{print \\\n> \"out\"}", true),
            ("{print 1,\n2 > \"out\"}", true),
            ("{print 1\n}\n$2 > 5", false),
            ("{x = y \r/ system(\"touch x\") / 2}", true),
            ("NR > 1 {print ($1 + $2) / 2, i++ / 3}", false),
            ("{if ($1 > 5) x = ($2 + $3) / 2; else y = \"a/b\"; print x, y}", false),
            ("{n++} END {if (n) print s / n; else print \"-\"}", false),
        ] {
            assert_eq!(awk_acts(program), expected, "{program}");
        }
    }
}
