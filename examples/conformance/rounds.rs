//! Calls that are answered with questions, one round after the other. Which round it is stands in a sealed state.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use phasegate::engine::clock::{Clock, System};
use rmcp::ErrorData;
use rmcp::model::{ClientCapabilities, InputRequests, InputRequiredResult, InputResponses};
use serde_json::{Value, json};
use sha2::Sha256;

use super::answers::typed;

pub enum Next {
    Ask(Box<InputRequiredResult>),
    Done(String),
}

pub fn next(
    name: &str,
    rounds: &[Value],
    responses: Option<&InputResponses>,
    state: Option<&str>,
    capabilities: &ClientCapabilities,
) -> Result<Next, ErrorData> {
    let round = match state {
        Some(state) => opened(name, state)?,
        None => 0,
    };
    let asked = possible(rounds.get(round), capabilities);
    let answered = responses.filter(|responses| {
        asked.iter().all(|(key, request)| responses.get(key).is_some_and(|said| fits(request, said)))
    });
    let (asked, round) = match answered {
        None => (asked, round),
        Some(responses) => match rounds.get(round + 1) {
            Some(further) => (possible(Some(further), capabilities), round + 1),
            None => return Ok(Next::Done(words(responses, state.is_some()))),
        },
    };
    let requests: InputRequests = typed(Value::Object(asked))?;
    Ok(Next::Ask(Box::new(InputRequiredResult::new(Some(requests), Some(sealed(name, round))))))
}

/// The questions that this client can answer.
fn possible(round: Option<&Value>, capabilities: &ClientCapabilities) -> serde_json::Map<String, Value> {
    let can = json!(capabilities);
    let asked = round.and_then(Value::as_object).cloned().unwrap_or_default();
    let able = |request: &Value| {
        let needed = request["method"].as_str().and_then(|method| method.split('/').next()).unwrap_or_default();
        can.get(needed).is_some()
    };
    asked.into_iter().filter(|(_, request)| able(request)).collect()
}

fn fits(request: &Value, said: &Value) -> bool {
    match request["method"].as_str() {
        Some("elicitation/create") => {
            let required = request["params"]["requestedSchema"]["required"].as_array().cloned().unwrap_or_default();
            let given = |field: &Value| field.as_str().is_some_and(|field| said["content"].get(field).is_some());
            said["action"].as_str().is_some_and(|action| action != "accept" || required.iter().all(given))
        }
        Some("sampling/createMessage") => said.get("content").is_some(),
        _ => said["roots"].is_array(),
    }
}

fn words(responses: &InputResponses, with_state: bool) -> String {
    let mut words = Vec::new();
    for said in responses.values() {
        if let Some(name) = said["content"]["name"].as_str() {
            words.push(format!("Hello, {name}!"));
        } else if let Some(text) = said["content"]["text"].as_str() {
            words.push(text.to_owned());
        } else if let Some(roots) = said["roots"].as_array() {
            words.extend(roots.iter().filter_map(|root| root["uri"].as_str()).map(str::to_owned));
        }
    }
    if with_state {
        words.push("state-ok".to_owned());
    }
    words.join(" ")
}

fn mac(body: &str) -> Option<Hmac<Sha256>> {
    static KEY: OnceLock<String> = OnceLock::new();
    let key = KEY.get_or_init(|| System.random_hex(32));
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?;
    mac.update(body.as_bytes());
    Some(mac)
}

fn sealed(name: &str, round: usize) -> String {
    let body = format!("{name}:{round}");
    let tag = mac(&body).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
    format!("{body}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn opened(name: &str, state: &str) -> Result<usize, ErrorData> {
    let found = state.rsplit_once('.').and_then(|(body, tag)| {
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        mac(body)?.verify_slice(&tag).ok()?;
        body.strip_prefix(name)?.strip_prefix(':')?.parse().ok()
    });
    found.ok_or_else(|| ErrorData::invalid_params("the requestState is none of ours, or was changed", None))
}
