//! The quick look that nearly every text ends with: one search for known words, one pass over kinds of bytes. It may say
//! yes for nothing, and never no where a rule would find something.

use super::words;

/// Shorter runs are not judged by their randomness.
pub(super) const RANDOM_CHARS_MIN: usize = 24;

/// Signs between two groups of a number.
const GAP_MAX: usize = 3;

const DIGIT: u8 = 1;
const LOWER: u8 = 2;
const UPPER: u8 = 4;
/// Beyond the letters of hexadecimal digits in lower case.
const NOT_HEX: u8 = 8;
/// Stands in a random token.
const TOKEN: u8 = 16;
/// Stands between the digits of a number.
const GAP: u8 = 32;

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
                b'.' | b'(' | b')' | b' ' => GAP,
                _ => 0,
            };
        }
        at += 1;
    }
    kinds
};

pub(super) fn worth_a_look(text: &str) -> bool {
    let bytes = text.as_bytes();
    shapes(bytes) || words::hits(bytes).next().is_some()
}

/// A run of signs that stand in tokens.
#[derive(Clone, Copy, Default)]
struct Token {
    chars: usize,
    kinds: u8,
    digits: usize,
    in_a_row: usize,
    longest: usize,
}

impl Token {
    fn read(bytes: &[u8]) -> Self {
        let mut token = Self::default();
        for byte in bytes {
            let kind = kind_of(*byte);
            if kind & TOKEN == 0 {
                break;
            }
            let digit = usize::from(kind & DIGIT);
            token.chars += 1;
            token.kinds |= kind;
            token.digits += digit;
            token.in_a_row = (token.in_a_row + 1) * digit;
            token.longest = token.longest.max(token.in_a_row);
        }
        token
    }

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
        number || (self.chars >= RANDOM_CHARS_MIN && self.kinds & mixed == mixed && self.digits >= 2)
    }
}

/// Digits in groups that belong together, as far as they have been read.
#[derive(Default)]
struct Number {
    digits: usize,
    groups: usize,
    end: usize,
    only_spaces: bool,
}

impl Number {
    /// True once it is long enough to be one. Spaces alone may part the digits of a short number; dates have other signs.
    fn goes_on(&mut self, bytes: &[u8], group: std::ops::Range<usize>) -> bool {
        let gap = bytes.get(self.end..group.start).unwrap_or_default();
        if self.groups == 0 || gap.len() > GAP_MAX || gap.iter().any(|byte| kind_of(*byte) & GAP == 0) {
            *self = Self { only_spaces: true, ..Self::default() };
        } else {
            self.only_spaces &= gap.iter().all(|byte| *byte == b' ');
        }
        self.digits += group.len();
        self.groups += 1;
        self.end = group.end;
        self.digits >= 9 || (self.digits >= 6 && self.groups > 1 && self.only_spaces)
    }
}

fn kind_of(byte: u8) -> u8 {
    #[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
    KINDS[usize::from(byte)]
}

/// Goes from digit to digit, since everything that is looked for has some, but for addresses.
fn shapes(bytes: &[u8]) -> bool {
    if memchr::memchr(b'@', bytes).is_some() || memchr::memmem::find(bytes, b"\\u").is_some() {
        return true;
    }
    let (mut number, mut token, mut token_end, mut at) = (Number::default(), Token::default(), 0, 0);
    while let Some(skipped) = bytes.get(at..).and_then(|rest| rest.iter().position(u8::is_ascii_digit)) {
        let start = at + skipped;
        if start >= token_end {
            let ahead = bytes.get(token_end..start).unwrap_or_default().iter().rev();
            let from = start - ahead.take_while(|byte| kind_of(**byte) & TOKEN != 0).count();
            token = Token::read(bytes.get(from..).unwrap_or_default());
            token_end = from + token.chars;
            if token.is_worth_it() {
                return true;
            }
        }
        let digits = bytes.get(start..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
        at = start + digits;
        if token.is_digest() {
            // What stands in a digest is no number, and nothing goes on through one.
            number = Number::default();
            at = at.max(token_end);
        } else if number.goes_on(bytes, start..at) {
            return true;
        }
    }
    false
}
