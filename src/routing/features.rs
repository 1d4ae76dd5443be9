//! PURE: what a text says about the work in it, in one pass: hashed words and pairs of words, its length, and how much of it
//! is code. Nothing here knows a task set, a language model or a project.

/// A text is read this far: what the work is stands early in it, and a decision has 50 µs.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;
/// Hashed words and pairs fall into this many places.
pub const PLACES: usize = 1 << 15;
/// Words and pairs of one text that are looked at.
const PLACES_MAX: usize = 1536;
/// Length says how many steps a short question takes; beyond this it says how much was pasted.
const LENGTH_BYTES_MAX: f64 = 500.0;
const LENGTH_BYTES_MIN: f64 = 50.0;
/// Length is counted from here, so that a usual question stands near 0.
const LENGTH_BYTES_USUAL: f64 = 250.0;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    /// Sorted, each once.
    pub places: Vec<u16>,
    /// Logarithm of the text's length, bounded.
    pub length: f64,
    pub bytes: usize,
    /// Names such as `read_file`, `readFile` or `src/lib`, as a share of the words.
    pub names: f64,
}

pub fn read(text: &str) -> Features {
    let whole = text.as_bytes();
    let bytes = whole.get(..TEXT_BYTES_MAX).unwrap_or(whole);
    let mut places = Vec::with_capacity(PLACES_MAX);
    let (mut words, mut names, mut last, mut at) = (0_u32, 0_u32, 0_u32, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        if !is_word(byte) {
            let opens_name = byte == b'/' && bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic);
            names += u32::from(opens_name);
            at += 1;
            continue;
        }
        let word = Word::read(bytes.get(at..).unwrap_or_default());
        at += word.bytes;
        words += 1;
        names += u32::from(word.is_name);
        if places.len() < PLACES_MAX {
            places.push(place(word.hash));
            places.push(place(last.rotate_left(7) ^ word.hash));
        }
        last = word.hash;
    }
    places.sort_unstable();
    places.dedup();
    let length = (whole.len() as f64).clamp(LENGTH_BYTES_MIN, LENGTH_BYTES_MAX) / LENGTH_BYTES_USUAL;
    let names = (f64::from(names) / f64::from(words.max(1))).min(1.0);
    Features { places, length: length.ln(), bytes: whole.len(), names }
}

struct Word {
    hash: u32,
    bytes: usize,
    is_name: bool,
}

impl Word {
    /// FNV-1a over a word without regard to case; numbers of one length are one word.
    fn read(bytes: &[u8]) -> Self {
        let number = bytes.first().is_some_and(u8::is_ascii_digit);
        let mut word = Self { hash: 0x811C_9DC5, bytes: 0, is_name: false };
        let mut low = false;
        for byte in bytes.iter().take_while(|byte| is_word(**byte)) {
            let kept = if number && byte.is_ascii_digit() { b'0' } else { byte.to_ascii_lowercase() };
            word.hash = (word.hash ^ u32::from(kept)).wrapping_mul(0x0100_0193);
            word.is_name |= *byte == b'_' || (low && byte.is_ascii_uppercase());
            low = byte.is_ascii_lowercase();
            word.bytes += 1;
        }
        word
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 128
}

/// The upper bits of a multiplied hash are the well mixed ones.
fn place(hash: u32) -> u16 {
    (hash.wrapping_mul(0x9E37_79B1) >> (32 - PLACES.trailing_zeros())) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_without_case_and_numbers_by_their_length() {
        assert_eq!(read("Mend THE parser 42").places, read("mend the Parser 17").places);
        assert_ne!(read("mend the parser").places, read("the parser mend").places, "pairs are in order");
        assert_ne!(read("take 7").places, read("take 1700").places);
    }

    #[test]
    fn length_counts_up_to_a_bound_and_names_are_found() {
        let long = |bytes: usize| read(&"a ".repeat(bytes / 2)).length;
        assert!(long(100) < long(400));
        assert!((long(2_000) - long(20_000)).abs() < 1e-9);
        assert!(read("readFile in src/lib calls read_file").names > 0.4);
        assert!(read("How many apples are left?").names < 0.01);
    }

    #[test]
    fn any_text_can_be_read() {
        for text in ["", "\0", "ÄÖ", "日本語のテキスト", &"x".repeat(100_000), &"a b ".repeat(50_000)] {
            let features = read(text);
            assert!(features.places.len() <= PLACES_MAX && features.length.is_finite(), "{}", text.len());
            assert!(features.places.iter().all(|place| usize::from(*place) < PLACES));
        }
    }
}
