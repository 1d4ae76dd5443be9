//! Spans of time as people write them: `30s`, `10m`, `1h30m`, `2d`. Whole seconds only.
//! Reading a clock is not here.

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// The longest span that is read: a hundred years keeps every sum far from overflow.
const MAX_SECONDS: u64 = 100 * 365 * 86_400;

/// Seconds in `text`: numbers with units, the larger unit first and each unit at most once.
pub fn parse(text: &str) -> Result<u64, String> {
    let mut units = UNITS.iter();
    let mut total: u64 = 0;
    let mut number: Option<u64> = None;
    let mut any = false;
    for character in text.chars() {
        if let Some(digit) = character.to_digit(10) {
            let value = number.unwrap_or(0).checked_mul(10).and_then(|value| value.checked_add(u64::from(digit)));
            number = Some(value.filter(|value| *value <= MAX_SECONDS).ok_or_else(|| too_long(text))?);
            continue;
        }
        let Some(count) = number.take() else { return Err(unreadable(text)) };
        let Some((_, seconds)) = units.by_ref().find(|(unit, _)| *unit == character) else {
            return Err(unreadable(text));
        };
        total = count
            .checked_mul(*seconds)
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= MAX_SECONDS)
            .ok_or_else(|| too_long(text))?;
        any = true;
    }
    match number {
        None if any => Ok(total),
        Some(count) if !any => {
            Err(format!("`{text}` has no unit: write `{count}s`, `{count}m`, `{count}h` or `{count}d`"))
        }
        _ => Err(unreadable(text)),
    }
}

/// The shortest spelling that `parse` reads back as the same span.
pub fn format(seconds: u64) -> String {
    let mut rest = seconds;
    let mut text = String::new();
    for (unit, size) in UNITS {
        // Days are used only where they come out even: `36h` says more than `1d12h`.
        if unit == 'd' && !rest.is_multiple_of(size) {
            continue;
        }
        let count = rest / size;
        if count > 0 {
            text.push_str(&count.to_string());
            text.push(unit);
        }
        rest %= size;
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn unreadable(text: &str) -> String {
    format!("`{text}` is not a length of time: write a number and a unit, such as `30s`, `10m`, `1h30m` or `2d`")
}

fn too_long(text: &str) -> String {
    format!("`{text}` is longer than a hundred years: write a shorter time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        for (text, seconds) in [
            ("30s", 30),
            ("10m", 600),
            ("72h", 259_200),
            ("2d", 172_800),
            ("1h30m", 5_400),
            ("1d1s", 86_401),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "m",
            "10",
            "10 m",
            "-1m",
            "1.5h",
            "30m1h",
            "1m1m",
            "1w",
            "10m5",
            "٣m",
            "99999999999999999999s",
            "40000d",
            "1H",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds in 0..=MAX_SECONDS) {
            proptest::prop_assert_eq!(parse(&format(seconds)), Ok(seconds));
        }
    }

    #[test]
    fn the_spelling_is_short() {
        for (seconds, text) in [(0, "0s"), (90, "1m30s"), (259_200, "3d"), (129_600, "36h"), (5_400, "1h30m")] {
            assert_eq!(format(seconds), text);
        }
    }
}
