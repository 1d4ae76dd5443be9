//! The rollout of Codex: a JSON object a line; `token_usage_record` is one answer of the model, `turn_context` says which model
//! it was. Rollouts of versions that wrote no such records give nothing.

use std::borrow::Cow;

use serde::Deserialize;

use crate::domain::spending::{Limit, LimitKind, Tokens, Usage};

use super::Found;

pub const MARKS: [&str; 3] =
    ["\"type\":\"token_usage_record\"", "\"type\":\"turn_context\"", "\"rate_limit_reached_type\":\""];

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    payload: Option<Payload<'a>>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    response_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    thread_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    session_id: Option<Cow<'a, str>>,
    usage: Option<Reported>,
    #[serde(borrow)]
    rate_limits: Option<Limits<'a>>,
}

#[derive(Deserialize)]
struct Reported {
    input_tokens: Option<u64>,
    cached_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Limits<'a> {
    #[serde(borrow)]
    rate_limit_reached_type: Option<Cow<'a, str>>,
    primary: Option<Window>,
    secondary: Option<Window>,
}

#[derive(Deserialize)]
struct Window {
    used_percent: Option<f64>,
    resets_at: Option<i64>,
}

impl Reported {
    /// Its input is all that went in; what came from a cache is part of it.
    fn tokens(&self) -> Tokens {
        let (read, written) = (self.cached_input_tokens.unwrap_or(0), self.cache_write_input_tokens.unwrap_or(0));
        Tokens {
            input: self.input_tokens.unwrap_or(0).saturating_sub(read).saturating_sub(written),
            cache_write: written,
            cache_read: read,
            output: self.output_tokens.unwrap_or(0),
            ..Tokens::default()
        }
    }
}

pub fn line(bytes: &[u8], found: &mut Found) {
    let Ok(Line { kind, payload: Some(payload) }) = serde_json::from_slice::<Line<'_>>(bytes) else { return };
    match kind.as_ref() {
        "turn_context" => {
            if let Some(model) = payload.model {
                found.carried = model.into_owned();
            }
        }
        "token_usage_record" => {
            let tokens = payload.usage.as_ref().map(Reported::tokens).unwrap_or_default();
            let Some(id) = payload.response_id.filter(|id| !id.is_empty() && !tokens.is_empty()) else { return };
            // A thread of its own inside a session is a subagent.
            let agent = payload.thread_id.filter(|thread| payload.session_id.as_ref() != Some(thread));
            let model = found.carried.clone();
            found.usage(Usage { id: id.into_owned(), model, tokens, agent: agent.map(Cow::into_owned) });
        }
        _ => {
            if let Some(limits) = payload.rate_limits {
                found.limit = limit(&limits);
            }
        }
    }
}

fn limit(limits: &Limits<'_>) -> Option<Limit> {
    let said = limits.rate_limit_reached_type.as_ref()?.to_string();
    let full = |window: &&Window| window.used_percent.is_some_and(|used| used >= 100.0);
    let windows = [&limits.primary, &limits.secondary];
    let resets_at = windows.into_iter().flatten().filter(full).filter_map(|window| window.resets_at).max();
    Some(Limit { kind: LimitKind::UsedUp, resets_at, said })
}
