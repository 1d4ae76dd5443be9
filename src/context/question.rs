//! The parts of a query and what each weighs: a report of a fault has a title, sentences, pasted code and the headings of a form.
//! The title says most; what was pasted, and what the form asks of everybody, says least.

/// The title says what it is about in one line.
const TITLE: f64 = 4.0;
const SENTENCE: f64 = 1.0;
/// Pasted code and output: their words are those of the reporter's own project as often as of this one.
const PASTED: f64 = 0.3;
/// Versions, screenshots, lists to tick off.
const ASIDE: f64 = 0.1;

pub fn parts(query: &str) -> Vec<(&str, f64)> {
    let mut parts = Vec::new();
    let (mut fenced, mut hidden, mut aside) = (false, false, false);
    let mut first = true;
    for line in query.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            continue;
        }
        if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
            fenced = !fenced;
            continue;
        }
        if first {
            parts.push((trimmed, TITLE));
            first = false;
            continue;
        }
        if fenced {
            parts.push((trimmed, if aside { 0.0 } else { PASTED }));
            continue;
        }
        if hidden || trimmed.starts_with("<!--") {
            hidden = !trimmed.contains("-->");
            continue;
        }
        if is_heading(trimmed) {
            aside = is_aside(trimmed);
            continue;
        }
        let pasted = is_pasted(line, trimmed);
        let weight = match () {
            () if aside => ASIDE,
            () if pasted => PASTED,
            () => SENTENCE,
        };
        for word in trimmed.split(' ') {
            // The words of an address are those of its site.
            if !word.contains("://") {
                parts.push((word, weight));
            }
        }
    }
    parts
}

fn is_pasted(line: &str, trimmed: &str) -> bool {
    line.starts_with("    ") || [">>>", "$ ", "> "].iter().any(|mark| trimmed.starts_with(mark))
}

/// A heading of a form has few words.
const HEADING_WORDS_MAX: usize = 7;
const HEADING_BYTES_MAX: usize = 30;

fn is_heading(line: &str) -> bool {
    let marked = line.starts_with('#')
        || line.starts_with("**") && line.ends_with("**")
        || line.ends_with(':') && line.len() < HEADING_BYTES_MAX;
    marked && line.split_whitespace().count() <= HEADING_WORDS_MAX
}

fn is_aside(heading: &str) -> bool {
    let lower = heading.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric());
    ["version", "environment", "screenshot", "checklist", "your project", "additional context"]
        .iter()
        .any(|word| lower.contains(word))
        || words.clone().any(|word| word == "os" || word == "system")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_weighs_most_and_what_was_pasted_little() {
        let query = "Reader loses bytes\n<!-- a hint of the form -->\n### Describe the bug\nIt stops at https://x.y/z early.\n```\npip freeze\n```\n### Environment\nLinux\n";
        let shown: Vec<(&str, f64)> = parts(query);
        let weight = |word: &str| shown.iter().find(|(part, _)| part.contains(word)).map(|(_, weight)| *weight);
        for (word, expected) in [
            ("loses", Some(TITLE)),
            ("hint", None),
            ("Describe", None),
            ("early", Some(SENTENCE)),
            ("x.y", None),
            ("freeze", Some(PASTED)),
            ("Linux", Some(ASIDE)),
        ] {
            assert_eq!(weight(word), expected, "{word}");
        }
    }
}
