//! PURE: the models that can be routed to: tier, price, window, what they can, and the names clients call them by. One table
//! for routing and for costs. Reading and writing files is not here.

use serde::{Deserialize, Serialize};

use crate::domain::workflow::ModelTier::{self, Base, Strong, Weak};

/// When the built-in table was taken, and from where.
pub const TABLE_DATE: &str = "2026-11-20";
pub const TABLE_SOURCE: &str = "LiteLLM 1.109.1, model_prices_and_context_window (MIT licence)";
/// Prices change: of a table like this about a tenth in five months.
pub const FRESH_DAYS: i64 = 60;
/// A table of a user has no more models than this.
pub const MODELS_MAX: usize = 2_000;
/// Dollars for a million tokens: more is a mistake in the file.
const DOLLARS_MAX: f64 = 10_000.0;

/// Micro-dollars for a million tokens, so that $0.10 is 100,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    pub cache_write: u64,
    pub cache_write_long: u64,
}

/// As it stands in a user's file: prices in dollars for a million tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    pub name: String,
    pub maker: String,
    pub tier: ModelTier,
    pub input: f64,
    pub output: f64,
    /// Where they are not said, they are the price of input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_long: Option<f64>,
    /// Tokens that it can keep in view.
    pub window: u64,
    /// Runs on the user's own machine.
    #[serde(default)]
    pub local: bool,
    #[serde(default = "yes")]
    pub tools: bool,
    #[serde(default)]
    pub images: bool,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Such as 2026-11-20.
    pub date: String,
    pub source: String,
    pub models: Vec<Model>,
}

/// Thousandths of a dollar for a million tokens: input, output, cache read; then writing to a cache for minutes and for an
/// hour, in quarters of the price of input; then the window in thousands of tokens, and whether it takes images.
pub(super) struct Row(pub &'static str, pub &'static str, pub ModelTier, pub [u64; 3], pub [u64; 2], pub u64, pub bool);

/// Of each maker and tier, the first is the one that is chosen.
pub(super) const TABLE: [Row; 22] = [
    Row("claude-haiku-5-5", "anthropic", Weak, [100, 500, 10], [5, 8], 1000, true),
    Row("claude-sonnet-5-5", "anthropic", Base, [2000, 10_000, 100], [5, 8], 1000, true),
    Row("claude-opus-5-5", "anthropic", Strong, [4000, 20_000, 200], [5, 8], 1000, true),
    Row("claude-fable-5-1", "anthropic", Strong, [10_000, 50_000, 250], [5, 8], 1000, true),
    Row("claude-mythos-5-1", "anthropic", Strong, [10_000, 50_000, 250], [5, 8], 1000, true),
    Row("gpt-6-luna", "openai", Weak, [100, 500, 10], [5, 5], 922, true),
    Row("gpt-6.1-terra", "openai", Base, [1000, 5000, 50], [5, 5], 922, true),
    Row("gpt-6.1-sol", "openai", Strong, [2000, 10_000, 100], [5, 5], 922, true),
    Row("gpt-6-astra", "openai", Strong, [10_000, 50_000, 1000], [5, 5], 922, true),
    Row("gemini-3.5-flash-lite", "google", Weak, [300, 2500, 30], [4, 4], 1048, true),
    Row("gemini-3.8-flash", "google", Base, [750, 3750, 75], [4, 4], 1048, true),
    Row("gemini-4-argon", "google", Strong, [2000, 10_000, 100], [4, 4], 1048, true),
    Row("glm-5.3-flash", "zhipu", Weak, [150, 500, 150], [4, 4], 1048, true),
    Row("glm-5.3", "zhipu", Base, [1400, 4400, 1400], [4, 4], 1048, false),
    Row("deepseek-v4-flash", "deepseek", Weak, [300, 1200, 6], [4, 4], 1000, false),
    Row("deepseek-v4-pro", "deepseek", Base, [1320, 3960, 44], [4, 4], 1000, false),
    Row("minimax-m3", "minimax", Weak, [300, 1200, 300], [4, 4], 512, true),
    Row("kimi-k3.1-pro", "moonshot", Base, [2000, 10_000, 200], [4, 8], 1048, true),
    Row("grok-4.7", "xai", Base, [2000, 6000, 500], [4, 4], 500, true),
    Row("gpt-oss:20b", "ollama", Weak, [0, 0, 0], [4, 4], 131, false),
    Row("gpt-oss:120b", "ollama", Weak, [0, 0, 0], [4, 4], 131, false),
    Row("qwen3-coder:30b", "ollama", Weak, [0, 0, 0], [4, 4], 262, false),
];

impl Row {
    pub(super) fn price(&self) -> Price {
        let [input, output, cache_read] = self.3;
        let [write, write_long] = self.4;
        Price {
            input: input * 1000,
            output: output * 1000,
            cache_read: cache_read * 1000,
            cache_write: input * 250 * write,
            cache_write_long: input * 250 * write_long,
        }
    }
}

impl Catalogue {
    pub fn built_in() -> Self {
        let models = TABLE.iter().map(|row| {
            let price = row.price();
            let dollars = |micro: u64| micro as f64 / 1e6;
            Model {
                name: row.0.to_owned(),
                maker: row.1.to_owned(),
                tier: row.2,
                input: dollars(price.input),
                output: dollars(price.output),
                cache_read: Some(dollars(price.cache_read)),
                cache_write: Some(dollars(price.cache_write)),
                cache_write_long: Some(dollars(price.cache_write_long)),
                window: row.5 * 1000,
                local: row.1 == "ollama",
                tools: true,
                images: row.6,
            }
        });
        Self { date: TABLE_DATE.to_owned(), source: TABLE_SOURCE.to_owned(), models: models.collect() }
    }

    /// The user's models first; built-in ones of other names after them.
    pub fn over(self, below: Self) -> Self {
        let mut models = self.models;
        let more: Vec<Model> =
            below.models.into_iter().filter(|old| !models.iter().any(|new| new.name == old.name)).collect();
        models.extend(more);
        Self { date: self.date, source: self.source, models }
    }

    pub fn find(&self, name: &str) -> Option<&Model> {
        let (whole, plain) = (name.trim(), plain(name));
        let own = whole.rsplit('/').next().unwrap_or_default();
        let named = |name: &str| self.models.iter().find(|model| model.name.eq_ignore_ascii_case(name));
        named(whole)
            .or_else(|| named(own))
            .or_else(|| named(&plain))
            .or_else(|| self.models.iter().find(|model| model.name_for("claude-code") == plain))
    }

    /// The model of a tier that a client can run: the first of its maker; for clients of many makers, the first of all.
    pub fn of_tier(&self, tier: ModelTier, client: &str, local: bool) -> Option<&Model> {
        let maker = maker_of(client);
        let fits = |model: &&Model| model.tier == tier && maker.is_none_or(|maker| model.maker == maker);
        let found = |wanted: bool| self.models.iter().filter(fits).find(|model| model.local == wanted);
        if local { found(true).or_else(|| found(false)) } else { found(false) }
    }

    /// The same among those that run elsewhere, take tools, and keep so many tokens in view.
    pub fn fitting(&self, tier: ModelTier, client: &str, window: u64) -> Option<&Model> {
        let fits = |model: &&Model| model.tier == tier && !model.local && model.tools && model.window >= window;
        self.models.iter().filter(fits).find(|model| model.runs_in(client))
    }

    /// Everything that is wrong with it, in words.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if days(&self.date).is_none() {
            problems.push(format!("`date` is `{}`; write it as 2026-11-20", self.date));
        }
        if self.models.is_empty() || self.models.len() > MODELS_MAX {
            problems.push(format!("`models` has {} entries; it takes 1 to {MODELS_MAX}", self.models.len()));
        }
        for (at, model) in self.models.iter().enumerate() {
            let prices =
                [("input", Some(model.input)), ("output", Some(model.output)), ("cache_read", model.cache_read)];
            let writes = [("cache_write", model.cache_write), ("cache_write_long", model.cache_write_long)];
            for (key, price) in prices.into_iter().chain(writes) {
                if price.is_some_and(|price| !(0.0..=DOLLARS_MAX).contains(&price)) {
                    problems.push(format!("models[{at}].{key} is not between 0 and {DOLLARS_MAX} dollars"));
                }
            }
            if model.name.trim().is_empty() || model.name.len() > 200 {
                problems.push(format!("models[{at}].name is empty or longer than 200 bytes"));
            }
            if self.models.iter().take(at).any(|other| other.name == model.name) {
                problems.push(format!("models[{at}].name `{}` is there twice", model.name));
            }
        }
        problems
    }

    /// How old it is, in days; `today` in days since 1970.
    pub fn age_days(&self, today: i64) -> Option<i64> {
        Some(today - days(&self.date)?)
    }
}

impl Model {
    pub fn runs_in(&self, client: &str) -> bool {
        maker_of(client).is_none_or(|maker| self.maker == maker)
    }

    pub fn price(&self) -> Price {
        let micro = |dollars: f64| (dollars * 1e6).round() as u64;
        Price {
            input: micro(self.input),
            output: micro(self.output),
            cache_read: micro(self.cache_read.unwrap_or(self.input)),
            cache_write: micro(self.cache_write.unwrap_or(self.input)),
            cache_write_long: micro(self.cache_write_long.or(self.cache_write).unwrap_or(self.input)),
        }
    }

    /// What a client calls it.
    pub fn name_for(&self, client: &str) -> String {
        let aliases = ["haiku", "sonnet", "opus", "fable", "mythos"];
        // Names of other makers may have such a word in them.
        let alias = aliases.into_iter().find(|alias| self.maker == "anthropic" && self.name.contains(alias));
        match (client, alias) {
            ("claude-code", Some(alias)) => alias.to_owned(),
            ("opencode", _) => format!("{}/{}", self.maker, self.name),
            _ => self.name.clone(),
        }
    }
}

fn maker_of(client: &str) -> Option<&'static str> {
    match client {
        "claude-code" => Some("anthropic"),
        "codex" => Some("openai"),
        "gemini" => Some("google"),
        _ => None,
    }
}

/// What services and clients put before and after a model's own name: `vendor/`, `region.vendor.`, a date in either form, the
/// `-v1:0` of Bedrock, a window's size.
pub(super) fn plain(model: &str) -> String {
    let name = model.trim().to_ascii_lowercase();
    let name = name.rsplit('/').next().unwrap_or_default();
    let name = unversioned(name).split(['[', '@', ':']).next().unwrap_or_default();
    let name = name.find("anthropic.").and_then(|at| name.get(at + "anthropic.".len()..)).unwrap_or(name);
    undated(name.strip_suffix("-latest").unwrap_or(name)).to_owned()
}

/// Without `-v1:0`, which counts the forms of one model and is no part of its name.
fn unversioned(name: &str) -> &str {
    let is_count = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let counted = |(front, tail): (&'_ str, &str)| {
        let (version, form) = tail.split_once(':')?;
        (is_count(version) && is_count(form)).then_some(front.len())
    };
    name.rsplit_once("-v").and_then(counted).and_then(|end| name.get(..end)).unwrap_or(name)
}

/// Without `-20261001` or `-2026-10-01`.
fn undated(name: &str) -> &str {
    let shape =
        |tail: &str| tail.bytes().map(|byte| if byte.is_ascii_digit() { '0' } else { char::from(byte) }).collect();
    let ends = |form: &str| {
        let end = name.len().checked_sub(form.len())?;
        let tail: String = name.get(end..).map(shape)?;
        (tail == form).then_some(end)
    };
    let end = ["-00000000", "-0000-00-00"].into_iter().find_map(ends);
    end.and_then(|end| name.get(..end)).unwrap_or(name)
}

/// Days since 1970 of a date such as 2026-11-20 (the civil calendar, by counting years from March).
fn days(date: &str) -> Option<i64> {
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let sound = parts.next().is_none() && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !sound || !(1970..=9999).contains(&year) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let since_march = (month + 9) % 12;
    let of_year = (153 * since_march + 2) / 5 + day - 1;
    let of_era = year * 365 + year / 4 - year / 100 + year / 400 + of_year;
    Some(of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_is_sound_and_has_every_tier() {
        let table = Catalogue::built_in();
        assert_eq!(table.problems(), Vec::<String>::new());
        assert!(table.models.len() >= 11);
        for client in ["claude-code", "codex", "gemini", "cursor"] {
            for tier in [Weak, Base, Strong] {
                assert!(table.of_tier(tier, client, false).is_some(), "{client} {tier:?}");
            }
        }
    }

    #[test]
    fn clients_have_their_own_names_for_models() {
        let table = Catalogue::built_in();
        for (client, tier, local, expected) in [
            ("claude-code", Weak, false, "haiku"),
            ("claude-code", Base, false, "sonnet"),
            ("claude-code", Strong, true, "opus"),
            ("codex", Base, false, "gpt-6.1-terra"),
            ("gemini", Strong, false, "gemini-4-argon"),
            ("opencode", Base, false, "anthropic/claude-sonnet-5-5"),
            ("cursor", Weak, true, "gpt-oss:20b"),
        ] {
            let name = table.of_tier(tier, client, local).map(|model| model.name_for(client));
            assert_eq!(name.as_deref(), Some(expected), "{client} {tier:?}");
        }
    }

    #[test]
    fn a_model_is_found_by_any_of_its_names() {
        let table = Catalogue::built_in();
        for name in ["claude-opus-5-5", "Claude-Opus-5-5[1m]", "us.anthropic.claude-opus-5-5", "opus"] {
            assert_eq!(table.find(name).map(|model| model.name.as_str()), Some("claude-opus-5-5"), "{name}");
        }
        for (name, expected) in [
            ("us.anthropic.claude-haiku-5-5-20261001-v1:0", Some("claude-haiku-5-5")),
            ("anthropic.claude-haiku-5-5-v1:0", Some("claude-haiku-5-5")),
            ("claude-sonnet-5-5@20261001", Some("claude-sonnet-5-5")),
            ("gpt-6-luna-2026-08-01", Some("gpt-6-luna")),
            ("openrouter/deepseek/deepseek-v4-pro-latest", Some("deepseek-v4-pro")),
            ("gpt-oss:20b", Some("gpt-oss:20b")),
            ("ollama/gpt-oss:20b", Some("gpt-oss:20b")),
            ("gpt-oss:20b-cloud", None),
            ("gpt-6-luna-2026-08", None),
            ("claude-haiku-5-5-00é0000", None),
        ] {
            assert_eq!(table.find(name).map(|model| model.name.as_str()), expected, "{name}");
        }
    }

    #[test]
    fn a_word_of_anthropic_in_the_name_of_another_makers_model_is_no_alias() {
        let text = r#"{"date":"2026-12-01","source":"mine","models":[
            {"name":"magnum-opus:7b","maker":"ollama","tier":"weak","input":0,"output":0,"window":32000,"local":true}]}"#;
        let mine: Catalogue = serde_json::from_str(text).unwrap();
        let both = mine.over(Catalogue::built_in());
        let name = |asked| both.find(asked).map(|model| model.name.as_str());
        assert_eq!((name("opus"), name("magnum-opus:7b")), (Some("claude-opus-5-5"), Some("magnum-opus:7b")));
    }

    #[test]
    fn a_users_table_comes_first_and_is_checked() {
        let text = r#"{"date":"2026-12-01","source":"mine","models":[
            {"name":"gpt-6-luna","maker":"openai","tier":"weak","input":0.2,"output":1,"window":922000},
            {"name":"own-1","maker":"own","tier":"base","input":0,"output":0,"window":32000,"local":true}]}"#;
        let mine: Catalogue = serde_json::from_str(text).unwrap();
        assert_eq!(mine.problems(), Vec::<String>::new());
        let both = mine.clone().over(Catalogue::built_in());
        assert_eq!(both.find("openai/gpt-6-luna").unwrap().price().input, 200_000);
        assert_eq!(both.find("openai/gpt-6-luna").unwrap().price().cache_read, 200_000, "as input");
        assert!(both.find("claude-opus-5-5").is_some() && both.find("own-1").is_some());
        let wrong = Catalogue {
            date: "20 Nov".to_owned(),
            models: vec![Model { input: -1.0, ..mine.models.first().unwrap().clone() }; 2],
            ..mine
        };
        assert_eq!(wrong.problems().len(), 4, "{:?}", wrong.problems());
    }

    #[test]
    fn dates_are_counted_in_days() {
        for (date, expected) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29", Some(11_016)),
            ("2026-11-20", Some(20_777)),
            ("2026-13-01", None),
            ("soon", None),
        ] {
            assert_eq!(days(date), expected, "{date}");
        }
        assert_eq!(Catalogue::built_in().age_days(20_777 + 61), Some(61));
    }
}
