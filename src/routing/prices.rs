//! What models cost, by a table of them (`catalogue`): the user's own before the built-in one. A model that is not in it has no
//! price; what then counts is said by `priced`.

use super::catalogue::{Catalogue, Model, Price};
use crate::domain::spending::Tokens;
use crate::domain::workflow::ModelTier;

/// What work would have gone to instead of this model: the first strong one of its maker, or of all where its maker has none.
/// Nothing for a model that is not known.
pub fn strong_of<'c>(catalogue: &'c Catalogue, model: &str) -> Option<&'c Model> {
    let own = catalogue.find(model)?;
    let strong = |model: &&Model| model.tier == ModelTier::Strong && !model.local;
    let of_maker = catalogue.models.iter().filter(strong).find(|model| model.maker == own.maker);
    of_maker.or_else(|| catalogue.models.iter().find(strong))
}

/// The dearest of each: what a model without a price is counted at, so that a cap holds for it too.
pub fn dearest(catalogue: &Catalogue) -> Price {
    catalogue.models.iter().map(Model::price).fold(Price::default(), |most, price| Price {
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

pub fn priced(catalogue: &Catalogue, model: &str, tokens: &Tokens) -> Priced {
    match catalogue.find(model) {
        Some(model) => Priced { micro_usd: model.price().of(tokens), guessed: false },
        None => Priced { micro_usd: dearest(catalogue).of(tokens), guessed: true },
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
            let found = Catalogue::built_in().find(model).map(|model| model.price().input);
            assert_eq!(found, input, "{model}");
        }
    }

    #[test]
    fn every_kind_of_token_has_its_own_price() {
        let tokens =
            Tokens { input: 1000, cache_write: 1000, cache_write_long: 1000, cache_read: 10_000, output: 1000 };
        // 4 + 5 + 8 + 2 + 20 thousandths of a dollar.
        assert_eq!(
            priced(&Catalogue::built_in(), "claude-opus-5-5", &tokens),
            Priced { micro_usd: 39_000, guessed: false }
        );
        let one = Tokens { cache_read: 1, ..Tokens::default() };
        assert_eq!(priced(&Catalogue::built_in(), "claude-haiku-5-5", &one).micro_usd, 1, "rounded up");
    }

    #[test]
    fn a_model_without_a_price_is_counted_at_the_dearest() {
        let tokens = Tokens { input: 1_000_000, cache_read: 1_000_000, output: 1_000_000, ..Tokens::default() };
        assert_eq!(
            priced(&Catalogue::built_in(), "made-up-9", &tokens),
            Priced { micro_usd: 61_400_000, guessed: true }
        );
        let most = Tokens { input: u64::MAX, output: u64::MAX, ..Tokens::default() };
        assert_eq!(priced(&Catalogue::built_in(), "made-up-9", &most).micro_usd, u64::MAX, "it does not wrap");
    }

    #[test]
    fn a_users_own_price_counts_before_the_built_in_one() {
        let text = r#"{"date":"2026-11-21","source":"mine","models":[
            {"name":"claude-opus-5-5","maker":"anthropic","tier":"strong","input":1,"output":2,"window":1000},
            {"name":"homemade","maker":"me","tier":"weak","input":0.5,"output":0.5,"window":1000}]}"#;
        let own: Catalogue = serde_json::from_str(text).unwrap();
        let all = own.over(Catalogue::built_in());
        let tokens = Tokens { input: 1_000_000, output: 1_000_000, ..Tokens::default() };
        assert_eq!(priced(&all, "claude-opus-5-5", &tokens), Priced { micro_usd: 3_000_000, guessed: false });
        assert_eq!(priced(&all, "homemade", &tokens), Priced { micro_usd: 1_000_000, guessed: false });
    }

    #[test]
    fn what_work_would_have_gone_to_is_the_strong_model_of_the_same_maker() {
        let all = Catalogue::built_in();
        for (model, expected) in [
            ("claude-haiku-5-5", Some("claude-opus-5-5")),
            ("claude-fable-5-1", Some("claude-opus-5-5")),
            ("gpt-6-luna", Some("gpt-6.1-sol")),
            ("grok-4.7", Some("claude-opus-5-5")),
            ("gpt-oss:20b", Some("claude-opus-5-5")),
            ("homemade", None),
        ] {
            assert_eq!(strong_of(&all, model).map(|model| model.name.as_str()), expected, "{model}");
        }
    }
}
