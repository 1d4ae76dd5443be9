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

/// From here on in a run of signs each costs what follows, bytes included: the line above would sum up to less than nothing.
const RUN_FITTED: u32 = 3;
/// A ruler: vocabularies have runs of 16 and more of these in one token. Brackets and mixed signs come three or four to a token.
const RULED: f64 = 1.0 / 16.0;
const RULERS: &str = "=-#*.+~/!%<>";
const MIXED: f64 = 0.25;

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
    sums(text).0
}

/// The same, and the bare sum of the ten counts, in which long runs of signs weigh nothing. Others count by that one.
pub fn sums(text: &str) -> (f64, f64) {
    let (mut total, mut more) = (BYTE * text.len() as f64, 0.0);
    let (mut letters, mut blanks, mut signs, mut last) = (0_u32, 0_u32, 0_u32, Last::Other);
    let mut before = '\0';
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
            total += SIGN + if signs > 0 { 0.0 } else { SIGN_RUN };
            more += if signs >= RUN_FITTED { beyond(before, character) } else { 0.0 };
        }
        signs = if is_sign { signs + 1 } else { 0 };
        before = character;
        total += match character {
            '\n' => NEWLINE,
            '_' => HUMP,
            '0'..='9' => DIGIT,
            _ if character.is_ascii() => 0.0,
            _ if character.is_numeric() => FOREIGN + DIGIT,
            _ => FOREIGN,
        };
    }
    (total + more, total)
}

/// What a sign far into a run costs beyond the counts.
fn beyond(before: char, sign: char) -> f64 {
    match () {
        // Its bytes and `FOREIGN` make up for it.
        () if !sign.is_ascii() => 0.0,
        () if before == sign && RULERS.contains(sign) => RULED - SIGN - BYTE,
        () => MIXED - SIGN - BYTE,
    }
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
    pub pairs: u64,
    pub estimated: f64,
    pub counted: f64,
}

/// Estimated tokens that the factor of 1 is worth before anything is known: about one long document.
const PRIOR_TOKENS: f64 = 20_000.0;
/// Beyond these a report is about something else than the text.
const FACTOR_MIN: f64 = 0.5;
const FACTOR_MAX: f64 = 2.0;
/// One pair moves the ratio by no more than a pair that is so much off: what else grew the input weighs little then.
const STEP: f64 = 0.25;
/// One pair counts for no more than so many tokens.
const PAIR_TOKENS_MAX: f64 = 20_000.0;
/// Beyond so many, all that is known counts half: a model's client changes with its versions.
const KEPT_TOKENS: f64 = 400_000.0;

impl Calibration {
    pub fn learn(&mut self, estimated: u64, counted: u64) {
        if estimated == 0 || counted == 0 {
            return;
        }
        let ratio = counted as f64 / estimated as f64;
        if !(FACTOR_MIN..=FACTOR_MAX).contains(&ratio) {
            return;
        }
        let now = self.factor();
        let weight = (estimated as f64).min(PAIR_TOKENS_MAX);
        self.pairs += 1;
        self.estimated += weight;
        self.counted += weight * ratio.clamp(now * (1.0 - STEP), now * (1.0 + STEP));
        if self.estimated > KEPT_TOKENS {
            (self.estimated, self.counted) = (self.estimated / 2.0, self.counted / 2.0);
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

    #[test]
    fn parts_cut_at_line_ends_sum_up_to_the_whole() {
        let text = "fn main() {\n    let total_count = 42;  // naïve\n\n}\nURLParser  handles \"größe\" – ok\n";
        let parts: f64 = text.split_inclusive('\n').map(weigh).sum();
        assert!((parts - weigh(text)).abs() < 1e-9, "{parts} is not {}", weigh(text));
    }

    #[test]
    fn runs_of_signs_cost_more_the_longer_they_are() {
        // What `o200k_base` counts for each.
        for (sign, length, counted) in [
            ("=", 100, 2.0),
            ("-", 79, 2.0),
            ("#", 200, 3.0),
            ("[", 200, 100.0),
            (")", 64, 16.0),
            ("\"", 64, 16.0),
            ("\":{\"", 16, 16.0),
            ("=", 1, 1.0),
        ] {
            let found = weigh(&sign.repeat(length));
            assert!(found >= counted * 0.45 && found <= counted * 5.0, "{length} of {sign}: {found}, not {counted}");
        }
        for sign in "!\"#$%&'()*+,-./:;<=>?@[\\]^`{|}~─。".chars() {
            let weights = [1, 4, 8, 60, 1000].map(|length| weigh(&sign.to_string().repeat(length)));
            assert!(
                weights.windows(2).skip(1).all(|pair| pair[0] < pair[1]) && weights[1] > 0.0,
                "{sign}: {weights:?}"
            );
        }
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
        assert!((model.factor() - 1.142).abs() < 0.01, "{}", model.factor());
        let before = model;
        model.learn(100, 100_000);
        model.learn(0, 5);
        assert_eq!(model, before);
    }

    #[test]
    fn a_factor_comes_to_what_is_so_and_leaves_single_pairs_alone() {
        let learned = |pairs: &[(u64, u64)]| {
            let mut model = Calibration::default();
            pairs.iter().for_each(|(estimated, counted)| model.learn(*estimated, *counted));
            model.factor()
        };
        let many = |counted: u64| vec![(3_000, counted); 200];
        for (counted, factor) in [(2_100, 0.7), (3_000, 1.0), (4_500, 1.5), (5_700, 1.9)] {
            let found = learned(&many(counted));
            // The 1 that it began at never goes away whole.
            assert!((found - factor).abs() < 0.05 * factor, "{found} is not {factor}");
        }
        assert!(learned(&[(3_000, 5_900)]) < 1.04, "the first pair says little");
        let one_wild = [many(3_000), vec![(1_000_000, 1_900_000)]].concat();
        assert!(learned(&one_wild) < 1.02, "{}", learned(&one_wild));
        let changed = [many(3_000), many(3_900)].concat();
        assert!(learned(&changed) > 1.2, "what is new counts more in the end: {}", learned(&changed));
    }
}
