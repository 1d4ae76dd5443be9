//! The transcript of Claude Code: a JSON object a line; an answer of the model has a line for each of its parts, each with the
//! usage of the whole answer. A fork repeats the lines of its origin under the same ids.

use std::borrow::Cow;

use serde::Deserialize;

use crate::domain::spending::{Limit, LimitKind, Tokens, Usage};

use super::Found;

pub const MARKS: [&str; 2] = ["\"usage\":", "\"subtype\":\"api_error\""];

/// The model's name on lines that the client wrote itself.
const SYNTHETIC: &str = "<synthetic>";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    #[serde(borrow)]
    request_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    agent_id: Option<Cow<'a, str>>,
    #[serde(default)]
    is_api_error_message: bool,
    api_error_status: Option<u16>,
    #[serde(borrow)]
    error: Option<Fault<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    usage: Option<Reported>,
}

/// A word, or an object of which these are known.
#[derive(Deserialize)]
#[serde(untagged)]
enum Fault<'a> {
    Said {
        #[serde(borrow, default)]
        formatted: Cow<'a, str>,
        status: Option<u16>,
    },
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    message: Parts<'a>,
}

#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(borrow, default)]
    content: Vec<Part<'a>>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
struct Reported {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation: Option<Written>,
    /// Where the service worked in several steps; the figures beside it may be of the last one only.
    iterations: Option<Vec<Reported>>,
}

#[derive(Default, Deserialize)]
struct Written {
    ephemeral_1h_input_tokens: Option<u64>,
}

impl Reported {
    fn tokens(&self) -> Tokens {
        let written = self.cache_creation_input_tokens.unwrap_or(0);
        let long = self.cache_creation.as_ref().and_then(|by| by.ephemeral_1h_input_tokens).unwrap_or(0);
        let own = Tokens {
            input: self.input_tokens.unwrap_or(0),
            cache_write: written.saturating_sub(long),
            cache_write_long: long,
            cache_read: self.cache_read_input_tokens.unwrap_or(0),
            output: self.output_tokens.unwrap_or(0),
        };
        // One level: what a step itself says of steps is not looked at.
        let steps = self.iterations.iter().flatten().fold(Tokens::default(), |sum, step| Tokens {
            input: sum.input.saturating_add(step.input_tokens.unwrap_or(0)),
            cache_write: sum.cache_write.saturating_add(step.cache_creation_input_tokens.unwrap_or(0)),
            cache_read: sum.cache_read.saturating_add(step.cache_read_input_tokens.unwrap_or(0)),
            output: sum.output.saturating_add(step.output_tokens.unwrap_or(0)),
            ..sum
        });
        // Steps do not say which cache they wrote to: what is known to be in the long one is not counted twice.
        own.most(Tokens { cache_write: steps.cache_write.saturating_sub(long), ..steps })
    }
}

pub fn line(bytes: &[u8], found: &mut Found) {
    let Ok(line) = serde_json::from_slice::<Line<'_>>(bytes) else { return };
    if line.is_api_error_message {
        let text = said(bytes);
        found.limit = limit(line.api_error_status, &text);
    } else if line.kind == "system" {
        if let Some(Fault::Said { formatted, status }) = &line.error {
            found.limit = limit(*status, formatted);
        }
    } else if line.kind == "assistant" {
        let Some(message) = &line.message else { return };
        let model = message.model.as_deref().unwrap_or_default();
        let Some(tokens) = message.usage.as_ref().map(Reported::tokens).filter(|_| model != SYNTHETIC) else { return };
        let (id, request) = (message.id.as_deref().unwrap_or_default(), line.request_id.as_deref().unwrap_or_default());
        // Without an id it cannot be told from its own repetition.
        let named = !id.is_empty() || !request.is_empty();
        if named && !tokens.is_empty() {
            let agent = line.agent_id.map(Cow::into_owned);
            found.usage(Usage { id: format!("{id}/{request}"), model: model.to_owned(), tokens, agent });
        }
    }
}

fn said(bytes: &[u8]) -> String {
    let content = serde_json::from_slice::<Content<'_>>(bytes);
    content.map(|line| line.message.content.iter().map(|part| part.text.as_ref()).collect()).unwrap_or_default()
}

/// Which limit a failure is about, if it is about one.
fn limit(status: Option<u16>, text: &str) -> Option<Limit> {
    let lower = text.to_ascii_lowercase();
    let used_up =
        ["usage limit", "session limit", "weekly limit", "hour limit", "spend limit", "hit your", "usage credits"];
    let kind = if used_up.iter().any(|words| lower.contains(words)) {
        LimitKind::UsedUp
    } else {
        match status {
            Some(529) => LimitKind::Overloaded,
            Some(429) => LimitKind::TooFast,
            _ => return None,
        }
    };
    Some(Limit { kind, resets_at: resets_at(text), said: text.chars().take(500).collect() })
}

/// In seconds. One form of the words ends with it: `…limit reached|1795241449`; the time of day of the other is not read.
pub fn resets_at(text: &str) -> Option<i64> {
    text.rsplit_once('|').and_then(|(_, at)| at.trim().parse().ok())
}
