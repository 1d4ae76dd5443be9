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

/// Visible, on one line, and no longer than `most` characters; the length is told where something was cut.
pub fn line(text: &str, most: usize) -> String {
    let joined =
        text.split(['\n', '\r']).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ⏎ ");
    let shown = visible(&joined);
    let length = shown.chars().count();
    if length <= most {
        return shown;
    }
    let kept: String = shown.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}… ({length} characters)")
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
    fn a_line_stays_one_line_and_says_what_was_cut() {
        assert_eq!(line("a\r\nb\n\n c", 20), "a ⏎ b ⏎ c");
        assert_eq!(line("abcdef", 4), "abc… (6 characters)");
    }
}
