//! Whether a sed or awk program does more than print: runs a command, writes or reads a file. Not an interpreter: what
//! is not understood counts as acting.

mod awk;

use std::collections::BTreeSet;

pub use awk::awk_acts;

/// sed skips all of them before a command, and each ends a label.
const BLANKS: [char; 6] = [' ', '\t', '\n', '\u{b}', '\u{c}', '\r'];

/// True unless every command of the script is one that only edits the text that passes. Where versions of sed read a text
/// in several ways, every way counts.
pub fn sed_acts(script: &str) -> bool {
    let mut waiting = vec![script];
    // Each rest of the script is read once, so that the ways do not multiply.
    let mut known = BTreeSet::new();
    while let Some(rest) = waiting.pop() {
        let rest =
            rest.trim_start_matches(|letter| BLANKS.contains(&letter) || matches!(letter, ';' | '{' | '}' | '!'));
        if rest.is_empty() || !known.insert(rest.len()) {
            continue;
        }
        match sed_step(rest) {
            Some(next) => waiting.extend(next),
            None => return true,
        }
    }
    false
}

/// What may follow the command or address that a text begins with; nothing where it acts. No rest at all: sed refuses the
/// whole script.
fn sed_step(rest: &str) -> Option<Vec<&str>> {
    let first = rest.chars().next()?;
    let after = rest.get(first.len_utf8()..)?;
    let line = || after.split_once('\n').map_or("", |(_, next)| next);
    Some(match first {
        '#' => vec![line()],
        'a' | 'i' | 'c' => match after.trim_start_matches([' ', '\t']).strip_prefix("\\\n") {
            // The text begins on the next line, and ends with the first that has no backslash at its end.
            Some(text) => vec![after_text(text)],
            None => vec![line()],
        },
        '0'..='9' | '$' | ',' | '~' | '+' => vec![after],
        'p' | 'd' | 'q' | 'Q' | 'n' | 'N' | 'h' | 'H' | 'g' | 'G' | 'x' | 'P' | 'D' | '=' | 'l' | 'z' | 'F' => {
            vec![after]
        }
        '/' => addressed(after, '/')?,
        '\\' => {
            let mark = after.chars().next()?;
            addressed(after.get(mark.len_utf8()..)?, mark)?
        }
        // A label ends with the line, or at the first mark that ends a command.
        ':' | 'b' | 't' | 'T' => {
            let name = after.trim_start_matches([' ', '\t']);
            let end = name.find(|letter| BLANKS.contains(&letter) || matches!(letter, ';' | '}')).unwrap_or(name.len());
            vec![name.get(end..)?, line()]
        }
        's' => substitution(after)?,
        'y' => {
            let mark = after.chars().next()?;
            let from = delimited(after.get(mark.len_utf8()..)?, mark)?;
            let to: Option<Vec<Vec<&str>>> = from.into_iter().map(|text| delimited(text, mark)).collect();
            to?.concat()
        }
        // No sed has a command of that name, and refuses the script.
        mark if mark.is_ascii_punctuation() => Vec::new(),
        _ => return None,
    })
}

fn after_text(text: &str) -> &str {
    let mut rest = text;
    while let Some((line, next)) = rest.split_once('\n') {
        rest = next;
        // Two backslashes are one of the text.
        let backslashes = line.chars().rev().take_while(|letter| *letter == '\\').count();
        if backslashes.is_multiple_of(2) {
            return rest;
        }
    }
    ""
}

fn addressed(text: &str, mark: char) -> Option<Vec<&str>> {
    let ends = delimited(text, mark)?;
    Some(ends.into_iter().map(|next| next.trim_start_matches(['I', 'M'])).collect())
}

/// What follows the next unescaped mark; programs differ on whether one inside brackets counts, so there may be two.
/// Nothing where the mark itself is unclear.
fn delimited(text: &str, mark: char) -> Option<Vec<&str>> {
    if mark == '\n' || mark == '\\' {
        return None;
    }
    let mut ends = Vec::new();
    let mut escaped = false;
    let mut bracket: Option<usize> = None;
    for (place, letter) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if letter == '\\' {
            escaped = true;
        } else if letter == '\n' {
            break;
        } else if letter == mark {
            if bracket.is_none() || ends.is_empty() {
                ends.extend(text.get(place + letter.len_utf8()..));
            }
            if bracket.is_none() {
                return Some(ends);
            }
        } else if letter == '[' && bracket.is_none() {
            let negated = text.get(place + 1..).is_some_and(|rest| rest.starts_with('^'));
            bracket = Some(place + usize::from(negated));
        } else if letter == ']' && bracket.is_some_and(|start| place > start + 1) {
            bracket = None;
        }
    }
    // Without an end sed refuses the script, except in the ways that found one.
    if ends.is_empty() { None } else { Some(ends) }
}

/// After `s`: pattern, replacement, flags. Nothing where a flag runs or writes.
fn substitution(text: &str) -> Option<Vec<&str>> {
    let mark = text.chars().next()?;
    let mut found = Vec::new();
    for pattern in delimited(text.get(mark.len_utf8()..)?, mark)? {
        let flags = replaced(pattern, mark)?;
        let end = flags
            .find(|letter: char| !(letter.is_ascii_digit() || matches!(letter, 'g' | 'p' | 'i' | 'I' | 'm' | 'M')))
            .unwrap_or(flags.len());
        let rest = flags.get(end..)?;
        match rest.chars().next() {
            None | Some(';' | '\n' | '}' | ' ' | '\t' | '#') => found.push(rest),
            // The mark once more is no flag: read in this way, sed refuses the script.
            Some(letter) if letter == mark => {}
            Some(_) => return None,
        }
    }
    Some(found)
}

fn replaced(text: &str, mark: char) -> Option<&str> {
    let mut escaped = false;
    for (place, letter) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if letter == '\\' {
            escaped = true;
        } else if letter == '\n' {
            return None;
        } else if letter == mark {
            return text.get(place + letter.len_utf8()..);
        }
    }
    None
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
            ("s/[^/]*$//", false),
            ("/[^/]*$/p", false),
            ("s/[^/]*$//w out", true),
            (":a;w out", true),
            (":a;N;$!ba;s/\\n/ /g", false),
            (":a;N;$!ba;e date", true),
            ("b;e date", true),
            ("t}w x", true),
            ("b;s/a/\\\nw x/", true),
            ("b end\np\n:end", false),
            ("s/a/b", true),
            ("{p;e date\n}", true),
            ("1i x\ne date", true),
            ("1a\\\nhello", false),
            ("1a\\\none \\\nw two", false),
            ("1a\\\none\nw two", true),
            ("\u{c}e touch x", true),
            ("p;\u{c}e touch x", true),
            ("\u{b}w out", true),
            (":a\u{b}e touch x", true),
            ("p;\r\np", false),
            ("\u{a0}e touch x", true),
            ("1a\\\nfoo\\\\\ne touch x", true),
            ("1a\\\nfoo\\\\\\\ne touch x", false),
            // Behind `-e 'a\'` its first line is text.
            ("s/x/\ne touch x;/", true),
            ("s/x/\\\ny;/", false),
        ] {
            assert_eq!(sed_acts(script), expected, "{script}");
        }
    }
}
