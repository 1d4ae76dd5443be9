//! The quick look that nearly every text ends with: one search for known words, one pass over kinds of bytes. It may say
//! yes for nothing, and never no where a rule would find something.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::secrets::ANCHORS;

/// Shorter runs are not judged by their randomness.
pub(super) const RANDOM_CHARS_MIN: usize = 24;

pub(super) static WORDS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let patterns = ANCHORS.iter().map(|anchor| anchor.text);
    let built = AhoCorasick::builder().ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA)).build(patterns);
    // The table is a constant of a few hundred bytes, which always fits.
    built.unwrap_or_else(|_| std::process::abort())
});

const DIGIT: u8 = 1;
const LOWER: u8 = 2;
const UPPER: u8 = 4;
/// Beyond the letters of hexadecimal digits in lower case.
const NOT_HEX: u8 = 8;
/// Stands in a random token.
const TOKEN: u8 = 16;
/// Stands between the digits of a number.
const GAP: u8 = 32;
const SPACE: u8 = 64;
/// One of these is worth a look by itself.
const ALONE: u8 = 128;

const KINDS: [u8; 256] = {
    let mut kinds = [0u8; 256];
    let mut at = 0;
    while at < 256 {
        #[expect(clippy::indexing_slicing, reason = "256 kinds for 256 bytes, built before the program runs")]
        {
            kinds[at] = match at as u8 {
                b'0'..=b'9' => DIGIT | TOKEN,
                b'a'..=b'f' => LOWER | TOKEN,
                b'g'..=b'z' => LOWER | NOT_HEX | TOKEN,
                b'A'..=b'Z' => UPPER | NOT_HEX | TOKEN,
                b'+' | b'_' => NOT_HEX | TOKEN,
                b'/' | b'-' => NOT_HEX | TOKEN | GAP,
                b'.' | b'(' | b')' => GAP,
                b' ' => GAP | SPACE,
                b'@' => ALONE,
                _ => 0,
            };
        }
        at += 1;
    }
    kinds
};

pub(super) fn worth_a_look(text: &str) -> bool {
    let bytes = text.as_bytes();
    shapes(bytes) || WORDS.is_match(bytes)
}

/// A run of signs that stand in tokens.
#[derive(Clone, Copy, Default)]
struct Token {
    chars: u32,
    kinds: u8,
    digits: u32,
    in_a_row: u32,
    longest: u32,
}

impl Token {
    fn is_digest(&self) -> bool {
        self.kinds & (UPPER | NOT_HEX) == 0 && self.kinds & LOWER != 0
    }

    fn is_worth_it(&self) -> bool {
        if self.is_digest() && self.chars >= 32 {
            return false;
        }
        let letters = self.kinds & (LOWER | UPPER) != 0;
        let number = self.longest >= 7 || (letters && self.longest >= 6);
        let mixed = LOWER | UPPER | DIGIT;
        let long = usize::try_from(self.chars).is_ok_and(|chars| chars >= RANDOM_CHARS_MIN);
        number || (long && self.kinds & mixed == mixed && self.digits >= 2)
    }
}

/// Looks at the ends of runs. Without a branch for letters and digits, since this is paid for every record.
fn shapes(bytes: &[u8]) -> bool {
    let mut token = Token::default();
    let (mut digits, mut gap, mut only_spaces) = (0u32, 0u32, true);
    let (mut last, mut seen, mut escapes) = (0u8, 0u8, false);
    for byte in bytes {
        #[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
        let kind = KINDS[usize::from(*byte)];
        seen |= kind;
        escapes |= (last == b'\\') & (*byte == b'u');
        last = *byte;
        if kind & GAP == 0 && kind & DIGIT == 0 || gap > 3 {
            if digits >= 6 && is_number(digits, only_spaces, &token) {
                return true;
            }
            (digits, only_spaces) = (0, true);
        }
        let digit = u32::from(kind & DIGIT);
        digits += digit;
        gap = (gap + 1) * (1 - digit);
        only_spaces &= kind & GAP == 0 || kind & SPACE != 0;
        if kind & TOKEN != 0 {
            token.chars += 1;
            token.kinds |= kind;
            token.digits += digit;
            token.in_a_row = (token.in_a_row + 1) * digit;
            token.longest = token.longest.max(token.in_a_row);
        } else if token.chars >= 6 {
            if token.is_worth_it() {
                return true;
            }
            token = Token::default();
        } else {
            token = Token::default();
        }
    }
    seen & ALONE != 0 || escapes || is_number(digits, only_spaces, &token) || token.is_worth_it()
}

/// Spaces alone may part the digits of a short number; dates have other signs between them.
fn is_number(digits: u32, only_spaces: bool, token: &Token) -> bool {
    (digits >= 9 && !token.is_digest()) || (digits >= 6 && only_spaces && digits > token.longest)
}
