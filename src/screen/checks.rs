//! Check digits and number plans: what tells a card or a tax number from any other number of its length.

fn digit(byte: u8) -> u32 {
    u32::from(byte.wrapping_sub(b'0'))
}

pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let value = digit(*byte) << (place % 2);
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The number that the first digits make.
fn head(digits: &[u8], count: usize) -> u32 {
    digits.iter().take(count).fold(0, |number, byte| number * 10 + digit(*byte))
}

pub(super) fn card(digits: &[u8]) -> bool {
    let (two, three, four) = (head(digits, 2), head(digits, 3), head(digits, 4));
    let issued = match digits.len() {
        13 | 19 => head(digits, 1) == 4,
        14 => (300..=305).contains(&three) || two == 36 || two == 38,
        15 => two == 34 || two == 37,
        16 => {
            head(digits, 1) == 4
                || (51..=55).contains(&two)
                || (2221..=2720).contains(&four)
                || four == 6011
                || (644..=659).contains(&three)
                || (3528..=3589).contains(&four)
                || two == 62
        }
        _ => false,
    };
    issued && luhn(digits)
}

/// The lengths of countries that issue most of them; others are taken by check digits alone.
fn iban_length(country: &[u8]) -> Option<usize> {
    Some(match country {
        b"NO" => 15,
        b"BE" => 16,
        b"DK" | b"FI" | b"NL" => 18,
        b"AT" | b"LT" | b"LU" | b"EE" => 20,
        b"CH" | b"LI" | b"LV" | b"HR" => 21,
        b"DE" | b"GB" | b"IE" | b"BG" => 22,
        b"ES" | b"SE" | b"CZ" | b"SK" | b"RO" => 24,
        b"PT" => 25,
        b"TR" => 26,
        b"FR" | b"IT" | b"GR" | b"MC" | b"SM" => 27,
        b"PL" | b"HU" | b"CY" => 28,
        _ => return None,
    })
}

/// Upper-case letters and digits, without spaces.
pub(super) fn iban(text: &[u8]) -> bool {
    let Some((start, rest)) = text.split_at_checked(4) else { return false };
    let country = start.get(..2).unwrap_or_default();
    let right_length = iban_length(country).map_or((15..=34).contains(&text.len()), |length| length == text.len());
    let value = rest.iter().chain(start).fold(0u32, |rest, byte| match byte {
        b'A'..=b'Z' => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
        _ => (rest * 10 + digit(*byte)) % 97,
    });
    right_length && value == 1
}

/// Germany: eleven digits; of the first ten one stands two or three times, the last is their check digit.
pub(super) fn steuer_id(digits: &[u8]) -> bool {
    let Some((last, ten)) = digits.split_last().filter(|(_, ten)| ten.len() == 10) else { return false };
    if ten.first() == Some(&b'0') {
        return false;
    }
    let times = (b'0'..=b'9').map(|wanted| ten.iter().filter(|byte| **byte == wanted).count());
    let (mut repeated, mut most) = (0, 0);
    for count in times {
        repeated += usize::from(count > 1);
        most = most.max(count);
    }
    let mut product = 10;
    for byte in ten {
        let sum = (digit(*byte) + product) % 10;
        product = (if sum == 0 { 10 } else { sum }) * 2 % 11;
    }
    repeated == 1 && most <= 3 && (11 - product) % 10 == digit(*last)
}

/// France: sex, year, month, place, number, and a key of two digits. Corsica's letters count as numbers.
pub(super) fn nir(text: &[u8]) -> bool {
    if text.len() != 15 {
        return false;
    }
    let corsica = match (text.get(5), text.get(6)) {
        (Some(b'2'), Some(b'A')) => 1_000_000,
        (Some(b'2'), Some(b'B')) => 2_000_000,
        _ => 0,
    };
    let mut number = 0u64;
    for (place, byte) in text.iter().enumerate().take(13) {
        let value = if corsica > 0 && place == 6 { 0 } else { u64::from(digit(*byte)) };
        number = number * 10 + value;
    }
    let key = text.iter().skip(13).fold(0, |number, byte| number * 10 + u64::from(digit(*byte)));
    let month = text.get(3..5).map_or(0, |month| head(month, 2));
    let sex = matches!(text.first(), Some(b'1' | b'2'));
    let plausible = (1..=12).contains(&month) || (20..=42).contains(&month);
    sex && plausible && 97 - number.saturating_sub(corsica) % 97 == key
}

/// Spain: the letter that the number asks for. A foreigner's number begins with X, Y or Z for 0, 1 or 2.
pub(super) fn dni(text: &[u8]) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let Some((letter, number)) = text.split_last().filter(|(_, number)| number.len() == 8) else { return false };
    let value = number.iter().fold(0usize, |value, byte| {
        let digit = if byte.is_ascii_digit() { byte - b'0' } else { byte.wrapping_sub(b'X') };
        value * 10 + usize::from(digit)
    });
    LETTERS.get(value % 23) == Some(letter)
}

/// United Kingdom: which letters may begin and end it.
pub(super) fn nino(text: &[u8]) -> bool {
    let [first, second, digits @ .., last] = text else { return false };
    let never = [b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"];
    digits.len() == 6
        && digits.iter().all(u8::is_ascii_digit)
        && b"ABCEGHJKLMNOPRSTWXYZ".contains(first)
        && b"ABCEGHJKLMNPRSTWXYZ".contains(second)
        && (b'A'..=b'D').contains(last)
        && !never.iter().any(|never| never.as_slice() == [*first, *second])
}

/// United States: no area 000, 666 or 9xx, no group 00, no number 0000.
pub(super) fn ssn(digits: &[u8]) -> bool {
    let area = head(digits, 3);
    let group = digits.get(3..5).map_or(0, |group| head(group, 2));
    let number = digits.get(5..).map_or(0, |number| head(number, 4));
    digits.len() == 9 && area != 0 && area != 666 && area < 900 && group != 0 && number != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_their_issuers_publish_as_examples_are_known() {
        for number in ["4111111111111111", "5555555555554444", "378282246310005", "30569309025904", "6011111111111117"]
        {
            assert!(card(number.as_bytes()), "{number}");
        }
        for text in
            ["DE89370400440532013000", "GB82WEST12345698765432", "FR1420041010050500013M02606", "NO9386011117947"]
        {
            assert!(iban(text.as_bytes()), "{text}");
        }
        assert!(steuer_id(b"86095742719") && steuer_id(b"47036892816"));
        assert!(nir(b"255081416802538") && nir(b"180032A00100193"));
        assert!(dni(b"12345678Z") && dni(b"X1234567L") && dni(b"00000000T"));
        assert!(nino(b"AB123456C") && ssn(b"123456789"));
    }

    #[test]
    fn one_wrong_digit_makes_it_any_number() {
        assert!(!card(b"4111111111111112") && !card(b"9999999999999995"));
        assert!(!iban(b"DE89370400440532013001") && !iban(b"DE8937040044053201300"));
        assert!(!steuer_id(b"86095742718") && !steuer_id(b"12345678901"));
        assert!(!nir(b"255081416802539") && !dni(b"12345678A"));
        assert!(!nino(b"GB123456C") && !nino(b"AB123456E") && !ssn(b"666123456") && !ssn(b"900123456"));
    }
}
