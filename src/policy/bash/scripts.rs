//! Whether a sed or awk program does more than print: runs a command, writes or reads a file. Not an interpreter: what
//! is not understood counts as acting.

/// True unless every command of the script is one that only edits the text that passes.
pub fn sed_acts(script: &str) -> bool {
    let mut rest = script;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', ';', '{', '}', '!']);
        let Some(first) = rest.chars().next() else { return false };
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        rest = match first {
            '#' => after.split_once('\n').map_or("", |(_, next)| next),
            '0'..='9' | '$' | ',' | '~' | '+' => after,
            '/' => match delimited(after, '/') {
                Some(next) => next.trim_start_matches(['I', 'M']),
                None => return true,
            },
            '\\' => match after.chars().next().and_then(|mark| delimited(after.get(mark.len_utf8()..)?, mark)) {
                Some(next) => next.trim_start_matches(['I', 'M']),
                None => return true,
            },
            'p' | 'd' | 'q' | 'Q' | 'n' | 'N' | 'h' | 'H' | 'g' | 'G' | 'x' | 'P' | 'D' | '=' | 'l' | 'z' | 'F' => {
                after
            }
            'a' | 'i' | 'c' | ':' | 'b' | 't' | 'T' => after.split_once('\n').map_or("", |(_, next)| next),
            's' => match substitution(after) {
                Some(next) => next,
                None => return true,
            },
            'y' => match after
                .chars()
                .next()
                .and_then(|mark| delimited(delimited(after.get(mark.len_utf8()..)?, mark)?, mark))
            {
                Some(next) => next,
                None => return true,
            },
            _ => return true,
        };
    }
}

/// What follows the next unescaped mark; a mark in a bracket expression does not count for sed, and is taken as unclear.
fn delimited(text: &str, mark: char) -> Option<&str> {
    if mark == '\n' || mark == '\\' {
        return None;
    }
    let mut escaped = false;
    let mut bracket: Option<usize> = None;
    for (place, letter) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if letter == '\\' {
            escaped = true;
        } else if letter == mark {
            // Programs differ on a mark inside brackets.
            return if bracket.is_some() { None } else { text.get(place + letter.len_utf8()..) };
        } else if letter == '[' && bracket.is_none() {
            bracket = Some(place);
        } else if letter == ']' && bracket.is_some_and(|start| place > start + 1) {
            bracket = None;
        }
    }
    None
}

/// After `s`: pattern, replacement, flags. No answer where a flag runs or writes.
fn substitution(text: &str) -> Option<&str> {
    let mark = text.chars().next()?;
    let pattern = delimited(text.get(mark.len_utf8()..)?, mark)?;
    let flags = replaced(pattern, mark)?;
    let end = flags
        .find(|letter: char| !(letter.is_ascii_digit() || matches!(letter, 'g' | 'p' | 'i' | 'I' | 'm' | 'M')))
        .unwrap_or(flags.len());
    let rest = flags.get(end..)?;
    match rest.chars().next() {
        None | Some(';' | '\n' | '}' | ' ' | '\t' | '#') => Some(rest),
        Some(_) => None,
    }
}

fn replaced(text: &str, mark: char) -> Option<&str> {
    let mut escaped = false;
    for (place, letter) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if letter == '\\' {
            escaped = true;
        } else if letter == mark {
            return text.get(place + letter.len_utf8()..);
        }
    }
    None
}

/// True where the text outside of strings, patterns and comments can start a program or touch a file.
pub fn awk_acts(program: &str) -> bool {
    let mut letters = program.chars().peekable();
    let mut word = String::new();
    let mut depth = 0usize;
    let mut printing = false;
    // After a value `/` divides; elsewhere it begins a pattern.
    let mut value = false;
    while let Some(letter) = letters.next() {
        if letter.is_ascii_alphanumeric() || letter == '_' {
            word.push(letter);
            value = true;
            continue;
        }
        if awk_word_acts(&word) {
            return true;
        }
        printing |= matches!(word.as_str(), "print" | "printf");
        value &= !matches!(word.as_str(), "print" | "printf" | "return" | "in");
        word.clear();
        match letter {
            '"' => {
                if !skip(&mut letters, '"') {
                    return true;
                }
                value = true;
            }
            '/' if !value => {
                if !skip(&mut letters, '/') {
                    return true;
                }
                value = true;
            }
            '#' => while letters.next_if(|letter| *letter != '\n').is_some() {},
            '|' => {
                if letters.next_if_eq(&'|').is_none() {
                    return true;
                }
                value = false;
            }
            '@' => return true,
            '>' if printing && depth == 0 => return true,
            '>' if printing && letters.peek() == Some(&'>') => return true,
            '(' | '[' => {
                depth += 1;
                value = false;
            }
            ')' | ']' => {
                depth = depth.saturating_sub(1);
                value = true;
            }
            ';' | '\n' | '{' | '}' => {
                printing = false;
                depth = 0;
                value = false;
            }
            ' ' | '\t' | '$' => {}
            _ => value = false,
        }
    }
    awk_word_acts(&word)
}

fn awk_word_acts(word: &str) -> bool {
    matches!(word, "system" | "getline" | "close" | "fflush" | "ARGV" | "ENVIRON" | "PROCINFO" | "ARGC")
}

fn skip(letters: &mut std::iter::Peekable<std::str::Chars<'_>>, end: char) -> bool {
    while let Some(letter) = letters.next() {
        if letter == '\\' {
            letters.next();
        } else if letter == end {
            return true;
        } else if letter == '\n' || (end == '/' && letter == '[') {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sed_scripts() {
        for (script, expected) in [
            ("s/a/b/", false),
            ("1,20p", false),
            ("$!N;s/\\n/ /g;P;D", false),
            ("/start/,/end/p", false),
            ("s|a|b|gI;s/c/d/2p", false),
            ("/x/{s/a/b/;d}", false),
            ("y/abc/xyz/", false),
            ("\\#a#d", false),
            ("s/[0-9]/n/g", false),
            ("1i hello e w", false),
            ("w out", true),
            ("s/a/b/w out", true),
            ("s/a/b/e", true),
            ("s/a/b/ge", true),
            ("e", true),
            ("1e date", true),
            ("/x/w out", true),
            ("1,3W f", true),
            ("r /etc/passwd", true),
            ("s/[/]/x/;e", true),
            ("s/a/b", true),
            ("{p;e date\n}", true),
            ("1i x\ne date", true),
        ] {
            assert_eq!(sed_acts(script), expected, "{script}");
        }
    }

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
        ] {
            assert_eq!(awk_acts(program), expected, "{program}");
        }
    }
}
