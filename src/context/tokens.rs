//! Tokens of a text, estimated from counts of its characters, and the factor that real usage of a model teaches. No model's
//! vocabulary is here; the exact count of one public vocabulary is behind the feature `exact-tokens`.

/// What one of each costs, in tokens. Fitted once to the public vocabulary `o200k_base` on code, prose and transcripts of other
/// projects: mean error of a document 3 to 5 %. `docs/context.md` has the figures.
const BYTE: f64 = 0.0243;
const WORD: f64 = 0.9297;
const LONG_WORD: f64 = 0.0243;
const DIGIT: f64 = 0.6842;
const SIGN: f64 = -0.2413;
const SIGN_RUN: f64 = 1.2401;
const NEWLINE: f64 = 0.9225;
const BLANK_RUN: f64 = -0.076;
const FOREIGN: f64 = 0.5538;
const HUMP: f64 = 0.0243;

/// Letters beyond these in one word are counted once more, for each so many.
const LETTERS_A_PIECE: u32 = 6;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Other,
    Lower,
    Upper,
}

/// Tokens of a text before rounding. Cut at line ends, the parts of a text sum up to the whole.
pub fn weigh(text: &str) -> f64 {
    let mut total = BYTE * text.len() as f64;
    let (mut letters, mut blanks, mut in_signs, mut last) = (0_u32, 0_u32, false, Last::Other);
    for character in text.chars() {
        let is_letter = character.is_ascii_alphabetic();
        if is_letter {
            total += if last == Last::Lower && character.is_ascii_uppercase() { HUMP } else { 0.0 };
            total += if letters == 0 { WORD } else { 0.0 };
            letters += 1;
            total += if letters > 1 && (letters - 1) % LETTERS_A_PIECE == 0 { LONG_WORD } else { 0.0 };
            last = if character.is_ascii_lowercase() { Last::Lower } else { Last::Upper };
        } else {
            letters = 0;
            last = Last::Other;
        }
        let is_blank = character == ' ' || character == '\t';
        if is_blank {
            blanks += 1;
            total += if blanks == 2 { BLANK_RUN } else { 0.0 };
        } else {
            blanks = 0;
        }
        let is_sign = !is_blank && !is_letter && !word_or_space(character);
        if is_sign {
            total += SIGN + if in_signs { 0.0 } else { SIGN_RUN };
        }
        in_signs = is_sign;
        total += match character {
            '\n' => NEWLINE,
            '_' => HUMP,
            '0'..='9' => DIGIT,
            _ if character.is_ascii() => 0.0,
            _ if character.is_numeric() => FOREIGN + DIGIT,
            _ => FOREIGN,
        };
    }
    total
}

fn word_or_space(character: char) -> bool {
    if character.is_ascii() {
        character.is_ascii_digit() || character == '_' || character.is_ascii_whitespace() || character == '\u{b}'
    } else {
        character.is_alphanumeric() || character.is_whitespace()
    }
}

/// Tokens of a text. An empty one has none.
pub fn count(text: &str) -> u64 {
    rounded(text, weigh(text))
}

/// The same as a number of whole tokens.
pub fn rounded(text: &str, weight: f64) -> u64 {
    if text.is_empty() { 0 } else { weight.max(1.0).round() as u64 }
}

/// How a model's real counts stand to the estimate, from usage that its client reported.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Calibration {
    pub estimated: f64,
    pub counted: f64,
}

/// Estimated tokens that the factor of 1 is worth before anything is known: about one long document.
const PRIOR_TOKENS: f64 = 20_000.0;
/// Beyond these a report is about something else than the text.
const FACTOR_MIN: f64 = 0.5;
const FACTOR_MAX: f64 = 2.0;

impl Calibration {
    pub fn learn(&mut self, estimated: u64, counted: u64) {
        if estimated == 0 || counted == 0 {
            return;
        }
        let ratio = counted as f64 / estimated as f64;
        if (FACTOR_MIN..=FACTOR_MAX).contains(&ratio) {
            self.estimated += estimated as f64;
            self.counted += counted as f64;
        }
    }

    pub fn factor(&self) -> f64 {
        ((PRIOR_TOKENS + self.counted) / (PRIOR_TOKENS + self.estimated)).clamp(FACTOR_MIN, FACTOR_MAX)
    }

    pub fn tokens(&self, text: &str) -> u64 {
        rounded(text, weigh(text) * self.factor())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts of `o200k_base`, made once with its own program.
    #[test]
    fn parts_cut_at_line_ends_sum_up_to_the_whole() {
        let text = "fn main() {\n    let total_count = 42;  // naïve\n\n}\nURLParser  handles \"größe\" – ok\n";
        let parts: f64 = text.split_inclusive('\n').map(weigh).sum();
        assert!((parts - weigh(text)).abs() < 1e-9, "{parts} is not {}", weigh(text));
    }

    #[test]
    fn an_empty_text_has_no_tokens_and_a_short_one_at_least_one() {
        assert_eq!(count(""), 0);
        assert_eq!(count("a"), 1);
        assert_eq!(count(" "), 1);
    }

    #[test]
    fn real_usage_moves_the_estimate_of_a_model_and_wild_reports_do_not() {
        let mut model = Calibration::default();
        assert!((model.factor() - 1.0).abs() < 1e-9);
        for _ in 0..100 {
            model.learn(10_000, 11_500);
        }
        assert!((model.factor() - 1.147).abs() < 0.005, "{}", model.factor());
        let before = model;
        model.learn(100, 100_000);
        model.learn(0, 5);
        assert_eq!(model, before);
    }
}
