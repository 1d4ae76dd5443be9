//! A webhook of the user's own: JSON by POST, signed with HMAC-SHA256 where a secret is set. It is the same JSON for every
//! kind of message.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::domain::canonical;
use crate::domain::visible::visible;

use super::message::{Answering, Item, Message, Near};
use super::settings::Found;
use super::{Channel, NotSent, http};

pub struct Webhook {
    name: String,
    url: Found,
    secret: Option<Found>,
}

impl Webhook {
    pub fn new(name: String, url: Found, secret: Option<Found>) -> Self {
        Self { name, url, secret }
    }
}

impl Channel for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn can_update(&self) -> bool {
        true
    }

    fn send(&self, message: &Message) -> Result<Option<String>, NotSent> {
        let body = body(message).to_string();
        let url = http::known(&self.url)?;
        let seconds = message.at.0.div_euclid(1000);
        let signature = match &self.secret {
            Some(secret) => Some(signature(http::known(secret)?.shown().as_bytes(), seconds, &body)),
            None => None,
        };
        let headers: Vec<(&str, &str)> =
            signature.iter().map(|signature| ("X-Phasegate-Signature", signature.as_str())).collect();
        http::post(url, &headers, &body)?;
        Ok(None)
    }
}

/// Over time and body, so that an old delivery cannot be played again as a new one.
fn signature(secret: &[u8], seconds: i64, body: &str) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body.as_bytes());
    format!("t={seconds},v1={}", canonical::hex(&mac.finalize().into_bytes()))
}

fn body(message: &Message) -> Value {
    let items: Vec<Value> = message.items.iter().map(item).collect();
    json!({
        "v": 1,
        "what": if message.is_test { "test" } else { message.what.word() },
        "channel": message.channel,
        "workspace": message.workspace,
        "at": message.at,
        "title": message.title(),
        "text": message.text(),
        "approvals": items,
        "budgets": message.caps.iter().map(near).collect::<Vec<_>>(),
    })
}

fn near(near: &Near) -> Value {
    json!({ "task": { "id": near.cap.task, "title": visible(&near.title) }, "at": near.at, "cap": near.cap })
}

fn item(item: &Item) -> Value {
    let (command, links) = match &item.answer {
        Answering::Command(command) => (Some(command), None),
        Answering::Links { open, approve, reject } => {
            (None, Some(json!({ "open": open, "approve": approve, "reject": reject })))
        }
    };
    json!({
        "approval": item.approval,
        "digest": item.digest,
        "ask": visible(&item.ask),
        "ask_by_agent": item.ask_by_agent,
        "task": item.task.as_ref().map(|(id, title)| json!({ "id": id, "title": visible(title) })),
        "phase": item.phase,
        "level": item.level,
        "from": item.from,
        "asked_by": item.asked_by,
        "asked_at": item.asked_at,
        "expires_at": item.expires_at,
        "on_yes": item.on_yes,
        "warnings": item.warnings,
        "claimed_by_agent": visible(&item.claim),
        "outcome": item.outcome,
        "command": command,
        "links": links,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_hmac_sha256_over_time_and_body() {
        // From: printf '1.{}' | openssl dgst -sha256 -hmac key
        let wanted = "t=1,v1=1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224";
        assert_eq!(signature(b"key", 1, "{}"), wanted);
        assert_ne!(signature(b"key", 2, "{}"), wanted.replace("t=1", "t=2"), "the time is signed too");
    }
}
