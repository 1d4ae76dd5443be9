//! Text of agents made safe to look at: what hides or acts in it is shown as a code. What is left out of a page, or cut,
//! is the page's own business.

/// Text from agents as a person may safely see it: control characters and hidden Unicode made visible.
pub fn visible(text: &str) -> String {
    let shown = |c: char| c == '\n' || !(c.is_control() || is_hidden(c));
    text.chars().map(|c| if shown(c) { c.to_string() } else { code(c) }).collect()
}

/// The same for what would run exactly as it stands: blanks that only look like the common one are codes too.
pub fn exact(text: &str) -> String {
    let coded = |c: char| if is_odd_blank(c) { code(c) } else { c.to_string() };
    visible(text).chars().map(coded).collect()
}

/// How a character that is not shown as itself stands in any text.
pub fn code(c: char) -> String {
    format!("\\u{{{:x}}}", u32::from(c))
}

/// Text of an agent inside a page of ours: visible, and with every further line marked, so that none can pass for ours.
pub fn quoted(text: &str, indent: usize) -> String {
    visible(text).replace('\n', &format!("\n{}│ ", " ".repeat(indent)))
}

/// Visible, on one line, and not much longer than `most` characters: where something was cut, both ends stay and the length
/// is told.
pub fn line(text: &str, most: usize) -> String {
    ends(&visible(&one_line(text)), most)
}

/// On one line: line ends are marked, and long rows of them or of blanks are counted, so that nothing is pushed out of view.
pub fn one_line(text: &str) -> String {
    let (mut joined, mut breaks) = (String::new(), 0);
    for part in text.replace("\r\n", "\n").split(['\n', '\r']) {
        let part = part.trim();
        if !part.is_empty() {
            if !joined.is_empty() {
                joined.push_str(&if breaks == 1 { " ⏎ ".to_owned() } else { format!(" ⏎×{breaks} ") });
            }
            breaks = 0;
            joined.push_str(&counted(part, BLANKS_IN_LINE));
        }
        breaks += 1;
    }
    joined
}

/// One word to a shell, whatever is in it.
pub fn shell_word(word: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "-_./:=@%+,".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A command as it can be typed again.
pub fn shell_words(argv: &[String]) -> String {
    argv.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

/// The beginning and the end of what is too long, with what was left out between them.
pub fn ends(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let head = most - most / 3;
    let kept: String = text.chars().take(head).collect();
    let tail: String = text.chars().skip(length - most / 3).collect();
    format!("{kept} … ({length} characters, {} left out) … {tail}", length - most)
}

/// Blanks in a row that an indented text may have; of more, or of a code, the count says more than the sight.
const BLANKS_KEPT: usize = 40;
const BLANKS_IN_LINE: usize = 8;

/// Long rows of the same blank or code, as its count.
pub fn folded_runs(text: &str) -> String {
    counted(text, BLANKS_KEPT)
}

fn counted(text: &str, kept: usize) -> String {
    let (mut folded, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(first) = rest.chars().next() {
        let unit = coded(rest).unwrap_or_else(|| rest.get(..first.len_utf8()).unwrap_or(rest));
        let behind = rest.trim_start_matches(unit);
        let (run, count) = (rest.len() - behind.len(), (rest.len() - behind.len()) / unit.len());
        if count > kept && (first == ' ' || unit.len() > first.len_utf8()) {
            folded.push_str(&format!("{}×{count}", if first == ' ' { "␣" } else { unit }));
        } else {
            folded.push_str(rest.get(..run).unwrap_or(rest));
        }
        rest = behind;
    }
    folded
}

/// A code at the beginning.
fn coded(text: &str) -> Option<&str> {
    let digits = text.strip_prefix("\\u{")?;
    let end = digits.find('}').filter(|end| (1..=6).contains(end))?;
    digits.get(..end)?.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| text.get(..end + 4)).flatten()
}

/// Characters that change how text reads without being seen: all that Unicode calls a control of direction, ignorable by
/// default, a format, a separator of lines or paragraphs; and the empty pattern of Braille.
pub fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}' | '\u{8e2}'
        | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Blanks other than the common one. People write them in prose; a shell takes them for letters.
pub fn is_odd_blank(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_text_is_made_visible() {
        assert_eq!(visible("ok\u{1b}[2J\u{202e}x\u{200b}"), "ok\\u{1b}[2J\\u{202e}x\\u{200b}");
        assert_eq!(visible("línea\nnext"), "línea\nnext");
        for hidden in "\u{ad}\u{34f}\u{600}\u{61c}\u{6dd}\u{70f}\u{890}\u{8e2}\u{115f}\u{1160}\u{17b4}\u{180e}\u{200c}\u{200d}\
                       \u{2028}\u{2029}\u{202e}\u{2064}\u{2069}\u{2800}\u{3164}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\u{110bd}\u{13430}\
                       \u{1bca0}\u{1d173}\u{e0001}\u{e0100}\u{e0fff}"
            .chars()
        {
            assert_eq!(visible(&hidden.to_string()), format!("\\u{{{:x}}}", u32::from(hidden)));
        }
    }

    #[test]
    fn odd_blanks_are_codes_only_where_the_very_text_counts() {
        for blank in "\u{a0}\u{1680}\u{2000}\u{2003}\u{200a}\u{202f}\u{205f}\u{3000}".chars() {
            let text = format!("rm{blank}a");
            assert_eq!(exact(&text), format!("rm{}a", code(blank)));
            assert_eq!(visible(&text), text);
        }
        assert_eq!(exact("rm  a\tb\nc"), "rm  a\\u{9}b\nc");
    }

    #[test]
    fn a_command_is_shown_as_it_can_be_typed() {
        let argv = ["grep", "-q", "\"per_minute\": 30", "it's", ""].map(str::to_owned);
        assert_eq!(shell_words(&argv), r#"grep -q '"per_minute": 30' 'it'\''s' ''"#);
    }

    #[test]
    fn a_line_stays_one_line_and_says_what_was_cut() {
        assert_eq!(line("a\r\nb\n\n c\rd\n", 20), "a ⏎ b ⏎×2 c ⏎ d");
        assert_eq!(line("abcdef", 3), "ab … (6 characters, 3 left out) … f");
        assert_eq!(line("abcdef", 6), "abcdef");
        assert_eq!(line(&format!("a{}b{}c", " ".repeat(9), "\n ".repeat(500)), 50), "a␣×9b ⏎×500 c");
    }
}
