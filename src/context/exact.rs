//! Exact counts of one public vocabulary, `o200k_base`, where it is built in (feature `exact-tokens`), and texts made shorter by
//! them. It is no truth about models whose vocabulary is not public; for those the estimate and its factor are as good.

use super::reduce::{Ask, Budget, Reduced, reduce};
use super::tokens;

/// Tries to come under a budget; each begins nearer to it.
const TRIES: usize = 8;

/// Nothing where the vocabulary is not built in.
#[cfg(feature = "exact-tokens")]
pub fn count(text: &str) -> Option<u64> {
    use std::sync::OnceLock;
    static VOCABULARY: OnceLock<Option<tiktoken_rs::CoreBPE>> = OnceLock::new();
    let vocabulary = VOCABULARY.get_or_init(|| tiktoken_rs::o200k_base().ok()).as_ref()?;
    u64::try_from(vocabulary.encode_ordinary(text).len()).ok()
}

#[cfg(not(feature = "exact-tokens"))]
pub fn count(_: &str) -> Option<u64> {
    None
}

/// The same as `reduce`, with a budget that the exact count keeps to. Nothing where the vocabulary is not built in.
pub fn reduced(ask: &Ask<'_>) -> Option<Reduced> {
    reduced_by(ask, count)
}

fn reduced_by(ask: &Ask<'_>, count: impl Fn(&str) -> Option<u64>) -> Option<Reduced> {
    let before = count(ask.text)?;
    let budget = match ask.budget {
        Budget::Share(share) => (before as f64 * share.clamp(0.0, 1.0)).floor() as u64,
        Budget::Tokens(tokens) => tokens,
    };
    // How the vocabulary stands to the estimate in this very text.
    let factor = before as f64 / tokens::weigh(ask.text).max(1.0);
    let mut aim = budget;
    for _ in 0..TRIES {
        let found = reduce(&Ask { budget: Budget::Tokens(aim), factor: factor.max(f64::MIN_POSITIVE), ..*ask });
        let after = count(&found.text)?;
        if after <= budget {
            return Some(Reduced { tokens_before: before, tokens_after: after, ..found });
        }
        // By what it was over, and a little more.
        aim = (aim as f64 * (budget as f64 / after as f64) * 0.98) as u64;
    }
    let nothing = reduce(&Ask { budget: Budget::Tokens(0), factor, ..*ask });
    Some(Reduced { tokens_before: before, tokens_after: 0, text: String::new(), ..nothing })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A count that differs from the estimate, and not by the same everywhere: short words cost more.
    fn odd(text: &str) -> Option<u64> {
        Some(text.split_whitespace().map(|word| if word.len() < 4 { 3 } else { 2 }).sum())
    }

    #[test]
    fn a_budget_is_kept_by_whatever_counts() {
        let text: String =
            (0..300).map(|n| format!("a b c d part_{n} of file_{} is read by reader_{n}\n", n % 7)).collect();
        let before = odd(&text).unwrap();
        for budget in
            [Budget::Share(0.0), Budget::Share(0.1), Budget::Share(0.7), Budget::Tokens(50), Budget::Tokens(100_000)]
        {
            let found = reduced_by(&Ask::new(&text, "reader_77", budget), odd).unwrap();
            let most = match budget {
                Budget::Share(share) => (before as f64 * share) as u64,
                Budget::Tokens(tokens) => tokens,
            };
            assert_eq!((found.tokens_before, found.tokens_after), (before, odd(&found.text).unwrap()));
            assert!(found.tokens_after <= most, "{} of {most}", found.tokens_after);
            assert!(most < before / 2 || found.tokens_after * 2 > most.min(before), "{} of {most}", found.tokens_after);
        }
    }

    #[test]
    fn nothing_is_said_where_nothing_counts() {
        assert_eq!(reduced_by(&Ask::new("a text", "", Budget::Share(0.5)), |_| None), None);
    }
}
