//! The estimate of tokens against counts of a public vocabulary, on texts of our own in `tests/tokens`; the counts themselves
//! where the exact tokenizer is built in.

use std::path::Path;

use phasegate::context::{exact, tokens};

/// Name, text and true count of each.
fn texts() -> Vec<(String, String, u64)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tokens");
    let counts = std::fs::read_to_string(folder.join("counts.tsv")).unwrap();
    let row = |line: &str| {
        let (count, name) = line.split_once('\t').unwrap();
        (name.to_owned(), std::fs::read_to_string(folder.join(name)).unwrap(), count.parse().unwrap())
    };
    counts.lines().map(row).collect()
}

#[test]
fn the_estimate_is_within_five_in_a_hundred_on_average_for_code_prose_and_sessions() {
    let texts = texts();
    for kind in ["code", "prose", "session"] {
        let of_kind = texts.iter().filter(|(name, ..)| name.starts_with(kind));
        let off = of_kind.map(|(name, text, count)| (name, tokens::count(text) as f64 / *count as f64 - 1.0));
        let off: Vec<_> = off.collect();
        let mean = off.iter().map(|(_, off)| off.abs()).sum::<f64>() / off.len() as f64;
        assert!(off.len() >= 8 && mean <= 0.05, "{kind}: {mean:.3} on average: {off:?}");
        let worst = off.iter().find(|(_, off)| off.abs() > 0.15);
        assert!(worst.is_none(), "{worst:?}");
    }
}

#[test]
fn exact_counts_are_those_of_the_public_vocabulary_or_there_are_none() {
    for (name, text, count) in texts() {
        let found = exact::count(&text);
        if cfg!(feature = "exact-tokens") {
            assert_eq!(found, Some(count), "{name}");
        } else {
            assert_eq!(found, None, "{name}");
        }
    }
}
