//! PURE: reading the price list of LiteLLM (MIT licence): of its thousands of models those that a catalogue knows, with new
//! prices and windows. Tiers are not in it and stay as they are.

use serde_json::{Map, Value};

use super::catalogue::{Catalogue, Model};

/// A price list in that form is an object of models, each with a price for one token.
pub fn is_such(value: &Value) -> bool {
    let entries = value.as_object().into_iter().flat_map(|models| models.values());
    entries.take(50).any(|entry| entry.get("input_cost_per_token").is_some())
}

/// The known models with the prices of the list, and the names of those that are not in it.
pub fn read(list: &Map<String, Value>, known: Catalogue, date: String) -> (Catalogue, Vec<String>) {
    let mut missing = Vec::new();
    let models = known.models.into_iter().map(|model| match entry(list, &model) {
        Some(entry) => priced(model, entry),
        None => {
            if !model.local {
                missing.push(model.name.clone());
            }
            model
        }
    });
    let models = models.collect();
    (Catalogue { date, source: "LiteLLM, model_prices_and_context_window (MIT licence)".to_owned(), models }, missing)
}

/// Under its own name, else under its maker's; a reseller's price is not the maker's.
fn entry<'a>(list: &'a Map<String, Value>, model: &Model) -> Option<&'a Value> {
    const PREFIXES: [(&str, &str); 8] = [
        ("anthropic", "anthropic"),
        ("openai", "openai"),
        ("google", "gemini"),
        ("zhipu", "zai"),
        ("deepseek", "deepseek"),
        ("minimax", "minimax"),
        ("moonshot", "moonshot"),
        ("xai", "xai"),
    ];
    let (_, prefix) = PREFIXES.iter().find(|(maker, _)| *maker == model.maker)?;
    let named = format!("{prefix}/{}", model.name);
    let found = |name: &str| list.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, entry)| entry);
    let sound = |entry: &&Value| entry.get("input_cost_per_token").and_then(Value::as_f64).is_some();
    found(&model.name).filter(sound).or_else(|| found(&named).filter(sound))
}

fn priced(model: Model, entry: &Value) -> Model {
    let dollars = |key: &str| entry.get(key).and_then(Value::as_f64).map(|token| (token * 1e12).round() / 1e6);
    Model {
        input: dollars("input_cost_per_token").unwrap_or(model.input),
        output: dollars("output_cost_per_token").unwrap_or(model.output),
        cache_read: dollars("cache_read_input_token_cost").or(model.cache_read),
        cache_write: dollars("cache_creation_input_token_cost").or(model.cache_write),
        cache_write_long: dollars("cache_creation_input_token_cost_above_1hr").or(model.cache_write_long),
        window: entry.get("max_input_tokens").and_then(Value::as_u64).unwrap_or(model.window),
        ..model
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn prices_of_the_makers_are_taken_and_those_of_resellers_are_not() {
        let list = json!({
            "sample_spec": { "mode": "chat" },
            "gpt-6-luna": { "input_cost_per_token": 2e-7, "output_cost_per_token": 1e-6, "max_input_tokens": 5 },
            "gemini/gemini-4-argon": { "input_cost_per_token": 3e-6, "output_cost_per_token": 1.2e-5 },
            "reseller/claude-opus-5-5": { "input_cost_per_token": 9e-6, "output_cost_per_token": 9e-5 },
        });
        assert!(is_such(&list) && !is_such(&json!({"date": "2026-11-20"})));
        let (table, missing) = read(list.as_object().unwrap(), Catalogue::built_in(), "2026-12-01".to_owned());
        let of = |name: &str| table.find(name).map(|model| (model.input, model.window)).unwrap();
        assert_eq!(of("gpt-6-luna"), (0.2, 5));
        assert_eq!(of("gemini-4-argon"), (3.0, 1_048_000));
        assert_eq!(of("claude-opus-5-5").0, 4.0);
        assert!(missing.contains(&"claude-opus-5-5".to_owned()) && !missing.contains(&"gpt-oss:20b".to_owned()));
        assert_eq!(table.problems(), Vec::<String>::new());
    }
}
