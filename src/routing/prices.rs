//! What models cost, by the table of `catalogue`. A model that is not in it has no price here; what then counts is said by
//! `priced`. A user's own table is not looked at here.

use crate::domain::spending::Tokens;

pub use super::catalogue::{Price, TABLE_DATE};
use super::catalogue::{Row, TABLE, plain};
use crate::domain::workflow::ModelTier;

/// The price of a model by any of the names it goes by; nothing where it is not known.
pub fn price(model: &str) -> Option<Price> {
    row(model).map(Row::price)
}

fn row(model: &str) -> Option<&'static Row> {
    let exact = model.trim().to_ascii_lowercase();
    let plain = plain(model);
    TABLE.iter().find(|row| row.0 == exact).or_else(|| TABLE.iter().find(|row| row.0 == plain))
}

/// The first model of the highest tier of the same maker. Nothing without a price.
pub fn strong_of(model: &str) -> Option<&'static str> {
    let own = row(model)?;
    let of_maker = TABLE.iter().filter(|row| row.1 == own.1);
    let highest = of_maker.clone().map(|row| row.2).max().unwrap_or(ModelTier::Strong);
    of_maker.clone().find(|row| row.2 == highest).map(|row| row.0)
}

/// The dearest of each: what a model without a price is counted at, so that a cap holds for it too.
pub fn dearest() -> Price {
    TABLE.iter().map(Row::price).fold(Price::default(), |most, price| Price {
        input: most.input.max(price.input),
        output: most.output.max(price.output),
        cache_read: most.cache_read.max(price.cache_read),
        cache_write: most.cache_write.max(price.cache_write),
        cache_write_long: most.cache_write_long.max(price.cache_write_long),
    })
}

impl Price {
    /// In micro-dollars, rounded up: many small answers never sum to less than they cost.
    pub fn of(&self, tokens: &Tokens) -> u64 {
        let parts = [
            (tokens.input, self.input),
            (tokens.cache_write, self.cache_write),
            (tokens.cache_write_long, self.cache_write_long),
            (tokens.cache_read, self.cache_read),
            (tokens.output, self.output),
        ];
        let sum = parts.into_iter().fold(0_u128, |sum, (count, price)| {
            sum.saturating_add(u128::from(count).saturating_mul(u128::from(price)))
        });
        u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

/// What an answer cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priced {
    pub micro_usd: u64,
    /// At the dearest known price, because the model has none.
    pub guessed: bool,
}

pub fn priced(model: &str, tokens: &Tokens) -> Priced {
    match price(model) {
        Some(price) => Priced { micro_usd: price.of(tokens), guessed: false },
        None => Priced { micro_usd: dearest().of(tokens), guessed: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_found_by_the_names_that_services_give_it() {
        for (model, input) in [
            ("claude-opus-5-5", Some(4_000_000)),
            ("claude-opus-5-5[1m]", Some(4_000_000)),
            ("claude-opus-5-5-20261001", Some(4_000_000)),
            ("anthropic/claude-opus-5-5", Some(4_000_000)),
            ("us.anthropic.claude-haiku-5-5", Some(100_000)),
            ("MiniMax-M3", Some(300_000)),
            ("claude-opus-5-6", None),
            ("claude-opus", None),
            ("", None),
        ] {
            assert_eq!(price(model).map(|price| price.input), input, "{model}");
        }
    }

    #[test]
    fn every_kind_of_token_has_its_own_price() {
        let tokens =
            Tokens { input: 1000, cache_write: 1000, cache_write_long: 1000, cache_read: 10_000, output: 1000 };
        // 4 + 5 + 8 + 2 + 20 thousandths of a dollar.
        assert_eq!(priced("claude-opus-5-5", &tokens), Priced { micro_usd: 39_000, guessed: false });
        let one = Tokens { cache_read: 1, ..Tokens::default() };
        assert_eq!(priced("claude-haiku-5-5", &one).micro_usd, 1, "rounded up");
    }

    #[test]
    fn a_model_without_a_price_is_counted_at_the_dearest() {
        let tokens = Tokens { input: 1_000_000, cache_read: 1_000_000, output: 1_000_000, ..Tokens::default() };
        assert_eq!(priced("made-up-9", &tokens), Priced { micro_usd: 61_400_000, guessed: true });
        let most = Tokens { input: u64::MAX, output: u64::MAX, ..Tokens::default() };
        assert_eq!(priced("made-up-9", &most).micro_usd, u64::MAX, "it does not wrap");
    }
}
