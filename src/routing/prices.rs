//! What models cost: a slim table with the date it was taken. A model that is not in it has no price here; what then counts
//! is said by `priced`. Refreshing the table and reading a user's own file are not here.

use crate::domain::spending::Tokens;

/// When the table was taken.
pub const TABLE_DATE: &str = "2026-11-20";

/// Micro-dollars for a million tokens, so that $0.10 is 100,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    pub cache_write: u64,
    pub cache_write_long: u64,
}

/// Thousandths of a dollar for a million tokens: input, output, cache read. Where no price of reading a cache is known, it is
/// that of input.
type Row = (&'static str, u64, u64, u64);

/// Writing to a cache costs more than input with these: a quarter for minutes, as much again for an hour.
const DEARER_WRITES: [Row; 5] = [
    ("claude-haiku-5-5", 100, 500, 10),
    ("claude-sonnet-5-5", 2000, 10_000, 100),
    ("claude-opus-5-5", 4000, 20_000, 200),
    ("claude-fable-5-1", 10_000, 50_000, 250),
    ("claude-mythos-5-1", 10_000, 50_000, 250),
];

const PLAIN_WRITES: [Row; 14] = [
    ("gpt-6-luna", 100, 500, 10),
    ("gpt-6.1-terra", 1000, 5000, 50),
    ("gpt-6.1-sol", 2000, 10_000, 100),
    ("gpt-6-astra", 10_000, 50_000, 1000),
    ("gemini-3.5-flash-lite", 300, 2500, 30),
    ("gemini-3.8-flash", 750, 3750, 75),
    ("gemini-4-argon", 2000, 10_000, 100),
    ("glm-5.3-flash", 150, 500, 150),
    ("glm-5.3", 1400, 4400, 1400),
    ("deepseek-v4-flash", 300, 1200, 6),
    ("deepseek-v4-pro", 1320, 3960, 44),
    ("minimax-m3", 300, 1200, 300),
    ("kimi-k3.1-pro", 2000, 10_000, 2000),
    ("grok-4.7", 2000, 6000, 2000),
];

/// The price of a model by any of the names it goes by; nothing where it is not known.
pub fn price(model: &str) -> Option<Price> {
    let name = plain(model);
    let row = |rows: &[Row]| rows.iter().find(|(known, ..)| *known == name).copied();
    row(&DEARER_WRITES).map(|row| of(row, 5, 8)).or_else(|| row(&PLAIN_WRITES).map(|row| of(row, 4, 4)))
}

/// `write` and `write_long` in quarters of the input's price.
fn of((_, input, output, cache_read): Row, write: u64, write_long: u64) -> Price {
    Price {
        input: input * 1000,
        output: output * 1000,
        cache_read: cache_read * 1000,
        cache_write: input * 250 * write,
        cache_write_long: input * 250 * write_long,
    }
}

/// What services and clients put before and after a model's own name: `vendor/`, `region.vendor.`, a date, a window's size.
fn plain(model: &str) -> String {
    let name = model.trim().to_ascii_lowercase();
    let name = name.rsplit('/').next().unwrap_or_default();
    let name = name.split(['[', '@', ':']).next().unwrap_or_default();
    let name = name.find("anthropic.").and_then(|at| name.get(at + "anthropic.".len()..)).unwrap_or(name);
    let is_date = |tail: &str| tail.len() == 8 && tail.bytes().all(|byte| byte.is_ascii_digit());
    match name.rsplit_once('-') {
        Some((name, tail)) if is_date(tail) || tail == "latest" => name.to_owned(),
        _ => name.to_owned(),
    }
}

/// The strong model of the same maker; a model whose maker is not known here stands for itself. Nothing without a price.
pub fn strong_of(model: &str) -> Option<&'static str> {
    const STRONG: [(&str, &str); 6] = [
        ("claude-", "claude-opus-5-5"),
        ("gpt-", "gpt-6.1-sol"),
        ("gemini-", "gemini-4-argon"),
        ("glm-", "glm-5.3"),
        ("deepseek-", "deepseek-v4-pro"),
        ("kimi-", "kimi-k3.1-pro"),
    ];
    let name = plain(model);
    let own = DEARER_WRITES.iter().chain(&PLAIN_WRITES).map(|(known, ..)| *known).find(|known| *known == name)?;
    Some(STRONG.iter().find(|(maker, _)| own.starts_with(maker)).map_or(own, |(_, strong)| strong))
}

/// The dearest of each: what a model without a price is counted at, so that a cap holds for it too.
pub fn dearest() -> Price {
    let all = DEARER_WRITES.iter().map(|row| of(*row, 5, 8)).chain(PLAIN_WRITES.iter().map(|row| of(*row, 4, 4)));
    all.fold(Price { input: 0, output: 0, cache_read: 0, cache_write: 0, cache_write_long: 0 }, |most, price| Price {
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
        assert_eq!(priced("made-up-9", &tokens), Priced { micro_usd: 62_000_000, guessed: true });
        let most = Tokens { input: u64::MAX, output: u64::MAX, ..Tokens::default() };
        assert_eq!(priced("made-up-9", &most).micro_usd, u64::MAX, "it does not wrap");
    }
}
