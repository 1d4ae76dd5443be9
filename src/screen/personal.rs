//! Personal data in words: mail addresses, and numbers that have letters in them. Numbers of digits alone are in `numbers`.
//! Names and addresses of houses are not looked for: nothing tells them from other words.

use super::{Finding, FlagKind, before, byte, checks, is_word, numbers};

const LOCAL_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 253;
const IBAN_CHARS_MAX: usize = 34;

/// What stands behind an `@` and a dot in programs and is no country or network.
const FILE_ENDINGS: [&str; 18] = [
    "service", "socket", "timer", "target", "png", "jpg", "jpeg", "gif", "svg", "webp", "js", "ts", "css", "json",
    "toml", "yaml", "lock", "conf",
];

pub(super) fn find<'s>(text: &str, found: &mut Vec<Finding<'s>>) {
    let bytes = text.as_bytes();
    for at in memchr::memchr_iter(b'@', bytes) {
        mail(text, at, found);
    }
    let known = found.len();
    lettered(bytes, found);
    let words = found.get(known..).unwrap_or_default().iter().map(|finding| finding.at.clone()).collect::<Vec<_>>();
    // The digits at the end of a longer number are no number of their own.
    numbers::find(bytes, |at| words.iter().any(|word| word.start < at.end && at.start < word.end), found);
}

fn mail<'s>(text: &str, at: usize, found: &mut Vec<Finding<'s>>) {
    let bytes = text.as_bytes();
    let local = |byte: u8| is_word(byte) || matches!(byte, b'.' | b'%' | b'+' | b'-');
    let ahead = bytes.get(..at).unwrap_or_default().iter().rev().take(LOCAL_BYTES_MAX);
    let start = at - ahead.take_while(|byte| local(**byte)).count();
    let host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let behind = bytes.get(at + 1..).unwrap_or_default().iter().take(DOMAIN_BYTES_MAX);
    let end = at + 1 + behind.take_while(|byte| host(**byte)).count();
    let (Some(name), Some(domain)) = (text.get(start..at), text.get(at + 1..end)) else { return };
    let name = name.trim_start_matches(['.', '-', '%', '+']);
    let domain = domain.trim_end_matches(['.', '-']);
    let Some((host, network)) = domain.rsplit_once('.') else { return };
    let real = network.len() >= 2
        && network.len() <= 24
        && network.bytes().all(|byte| byte.is_ascii_alphabetic())
        && !FILE_ENDINGS.contains(&network)
        && host.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    // A program's account on a host, and senders that nobody reads, are nobody's address.
    let nobody = ["", "git", "noreply", "no-reply"].contains(&name) || host.starts_with("users.noreply.");
    if real && !nobody {
        let (start, end) = (at - name.len(), at + 1 + domain.len());
        found.push(Finding::sure(FlagKind::Personal, "mail", start..end));
    }
}

/// IBAN, NINO, DNI, NIE and the French numbers of Corsica, each at the beginning of a word.
fn lettered<'s>(bytes: &[u8], found: &mut Vec<Finding<'s>>) {
    let mut at = 0;
    while at < bytes.len() {
        if !byte(bytes, at).is_ascii_alphanumeric() || is_word(before(bytes, at)) {
            at += 1;
            continue;
        }
        let word = bytes.get(at..).unwrap_or_default().iter().take_while(|byte| is_word(**byte)).count();
        let (first, second) = (byte(bytes, at), byte(bytes, at + 1));
        let mut rule = None;
        if first.is_ascii_uppercase() && second.is_ascii_uppercase() {
            rule = iban(bytes, at).map(|end| ("iban", end)).or_else(|| nino(bytes, at).map(|end| ("nino", end)));
        } else if first.is_ascii_digit() || (b'X'..=b'Z').contains(&first) {
            rule = dni(bytes, at, word).map(|end| ("dni", end)).or_else(|| {
                let whole = bytes.get(at..at + word).unwrap_or_default();
                (whole.iter().any(u8::is_ascii_uppercase) && is_corsican(whole)).then_some(("nir", at + word))
            });
        }
        match rule {
            Some((rule, end)) => {
                found.push(Finding::sure(FlagKind::Personal, rule, at..end));
                at = end.max(at + 1);
            }
            None => at += word.max(1),
        }
    }
}

/// Letters and digits from a place on, over single spaces where every group but the last is of `group` signs.
fn grouped(bytes: &[u8], at: usize, group: usize, most: usize) -> (Vec<u8>, usize) {
    let (mut text, mut end, mut in_group) = (Vec::new(), at, 0);
    while text.len() <= most {
        let next = byte(bytes, end);
        if next.is_ascii_uppercase() || next.is_ascii_digit() {
            text.push(next);
            in_group += 1;
            end += 1;
        } else if next == b' ' && in_group == group && byte(bytes, end + 1).is_ascii_alphanumeric() {
            in_group = 0;
            end += 1;
        } else {
            break;
        }
    }
    (text, end)
}

fn iban(bytes: &[u8], at: usize) -> Option<usize> {
    if !byte(bytes, at + 2).is_ascii_digit() || !byte(bytes, at + 3).is_ascii_digit() {
        return None;
    }
    let (text, end) = grouped(bytes, at, 4, IBAN_CHARS_MAX);
    if checks::iban(&text) && !is_word(byte(bytes, end)) {
        return Some(end);
    }
    // A word in capitals may follow a number that is written in groups.
    let groups = bytes.get(at..end)?.iter().rposition(|byte| *byte == b' ')?;
    let text: Vec<u8> = bytes.get(at..at + groups)?.iter().copied().filter(|byte| *byte != b' ').collect();
    checks::iban(&text).then_some(at + groups)
}

fn nino(bytes: &[u8], at: usize) -> Option<usize> {
    let (text, end) = grouped(bytes, at, 2, 9);
    (checks::nino(&text) && !is_word(byte(bytes, end))).then_some(end)
}

fn dni(bytes: &[u8], at: usize, word: usize) -> Option<usize> {
    let dashed = word == 8 && byte(bytes, at + 8) == b'-' && !is_word(byte(bytes, at + 10));
    let end = at + if dashed { 10 } else { word };
    let text: Vec<u8> = bytes.get(at..end)?.iter().copied().filter(|byte| *byte != b'-').collect();
    let digits = text.get(1..8)?.iter().all(u8::is_ascii_digit);
    (text.len() == 9 && digits && checks::dni(&text)).then_some(end)
}

fn is_corsican(word: &[u8]) -> bool {
    let digits = word.iter().enumerate().all(|(place, byte)| place == 6 || byte.is_ascii_digit());
    digits && matches!(word.get(6), Some(b'A' | b'B')) && checks::nir(word)
}
