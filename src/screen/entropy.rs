//! Tokens that only look random: long, of mixed letters and digits, and not what source code, lock files or data hold
//! anyway. Digests in lower-case hex, UUIDs and names of things are never found here.

use std::ops::Range;

use super::prefilter::RANDOM_CHARS_MIN;
use super::{Finding, FlagKind, before};

/// Longer runs are data (an image, a bundle), not a secret that somebody types or pastes.
const RANDOM_CHARS_MAX: usize = 512;
const BITS_MIN: f64 = 3.8;
/// How often the kind of sign changes from one to the next. Names change at their words, random text at most places.
const CHANGES_MIN: f64 = 0.40;

/// What stands before a digest that anybody may see, or before data.
const DIGESTS: [&str; 5] = ["sha1-", "sha224-", "sha256-", "sha384-", "sha512-"];
const PUBLIC_KEYS: [&str; 3] = ["AAAAB3NzaC1", "AAAAC3NzaC1", "AAAAE2VjZHNh"];
const BEFORE: [&str; 3] = ["base64,", "h1:", "SHA256:"];

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-')
}

pub(super) fn find<'s>(text: &str, public: &[Range<usize>], found: &mut Vec<Finding<'s>>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(skipped) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| is_token(*byte))) {
        let start = at + skipped;
        let length = bytes.get(start..).unwrap_or_default().iter().take_while(|byte| is_token(**byte)).count();
        at = start + length;
        let in_public = public.iter().any(|block| block.contains(&start));
        let Some(run) = text.get(start..at) else { continue };
        if !(RANDOM_CHARS_MIN..=RANDOM_CHARS_MAX).contains(&length) || in_public || is_known(text, start, run) {
            continue;
        }
        if is_random(run) {
            // The padding belongs to it.
            let end = at + bytes.get(at..).unwrap_or_default().iter().take(2).take_while(|byte| **byte == b'=').count();
            found.push(Finding::sure(FlagKind::Secret, "random", start..end));
            continue;
        }
        // A path can hold one as a part of it.
        let mut from = start;
        for part in run.split('/') {
            if part.len() >= RANDOM_CHARS_MIN && part.len() < run.len() && is_random(part) {
                found.push(Finding::sure(FlagKind::Secret, "random", from..from + part.len()));
            }
            from += part.len() + 1;
        }
        if run.starts_with("SK") && length == 34 && before(bytes, start) != b'.' && is_hex(run) {
            found.push(Finding::sure(FlagKind::Secret, "twilio_key", start..at));
        }
    }
}

fn is_hex(run: &str) -> bool {
    run.bytes().skip(2).all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn is_known(text: &str, start: usize, run: &str) -> bool {
    let ahead = text.get(..start).unwrap_or_default();
    DIGESTS.iter().chain(&PUBLIC_KEYS).any(|known| run.starts_with(known))
        || BEFORE.iter().any(|known| ahead.ends_with(known))
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum Sign {
    Lower,
    Upper,
    Digit,
}

fn is_random(run: &str) -> bool {
    let (mut lower, mut upper, mut digits, mut changes) = (0usize, 0usize, 0usize, 0usize);
    let mut last = None;
    for byte in run.bytes() {
        let sign = match byte {
            b'a'..=b'z' => Sign::Lower,
            b'A'..=b'Z' => Sign::Upper,
            b'0'..=b'9' => Sign::Digit,
            _ => {
                last = None;
                continue;
            }
        };
        match sign {
            Sign::Lower => lower += 1,
            Sign::Upper => upper += 1,
            Sign::Digit => digits += 1,
        }
        changes += usize::from(last.is_some_and(|last| last != sign));
        last = Some(sign);
    }
    #[expect(clippy::cast_precision_loss, reason = "at most a few hundred")]
    let share = changes as f64 / run.len().max(1) as f64;
    lower >= 2 && upper >= 2 && digits >= 2 && share >= CHANGES_MIN && bits_per_char(run.as_bytes()) >= BITS_MIN
}

/// Shannon's measure over the signs of the text itself.
pub(super) fn bits_per_char(text: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in text {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "at most a few hundred")]
    let length = text.len().max(1) as f64;
    let shares = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / length);
    shares.map(|share| -share * share.log2()).sum()
}
