//! Text of agents made safe to look at: what hides or acts in it is shown as a code. What is left out of a page, or cut,
//! is the page's own business.

/// Text from agents as a person may safely see it: control characters and hidden Unicode made visible.
pub fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => "\n".to_owned(),
            c if c.is_control() || is_hidden(c) => format!("\\u{{{:x}}}", u32::from(c)),
            c => c.to_string(),
        })
        .collect()
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

/// Characters that change how text reads without being seen: direction marks, joiners, tags, variation selectors.
pub fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_text_is_made_visible() {
        assert_eq!(visible("ok\u{1b}[2J\u{202e}x\u{200b}"), "ok\\u{1b}[2J\\u{202e}x\\u{200b}");
        assert_eq!(visible("línea\nnext"), "línea\nnext");
    }

    #[test]
    fn a_line_stays_one_line_and_says_what_was_cut() {
        assert_eq!(line("a\r\nb\n\n c", 20), "a ⏎ b ⏎ c");
        assert_eq!(line("abcdef", 4), "abc… (6 characters)");
    }
}
