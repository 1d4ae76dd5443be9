//! ntfy: a push message to a phone or desktop that watches a topic. Sent as JSON to the server, so that no text becomes a
//! header. Servers from 2.16 on show an outcome in place of the first message, older ones beside it.

use serde_json::{Value, json};

use crate::domain::notice::What;

use super::message::{Answering, Message, cut};
use super::settings::{Found, Secret};
use super::{Channel, NotSent, http};

/// Longer messages become attachments.
const TEXT_BYTES: usize = 3800;

pub struct Ntfy {
    name: String,
    url: Found,
    token: Option<Found>,
}

impl Ntfy {
    pub fn new(name: String, url: Found, token: Option<Found>) -> Self {
        Self { name, url, token }
    }

    fn post(&self, message: &Message, sequence: &str) -> Result<Option<String>, NotSent> {
        let url = http::known(&self.url)?.shown();
        let (server, topic) = url
            .trim_end_matches('/')
            .rsplit_once('/')
            .ok_or_else(|| NotSent::new("the address holds no topic; write it like https://ntfy.sh/TOPIC"))?;
        let token = match &self.token {
            Some(token) => Some(format!("Bearer {}", http::known(token)?.shown())),
            None => None,
        };
        let headers: Vec<(&str, &str)> = token.iter().map(|token| ("Authorization", token.as_str())).collect();
        let server = Secret::from(format!("{server}/"));
        match http::post(&server, &headers, &body(message, topic, sequence).to_string()) {
            Ok(()) => Ok(Some(sequence.to_owned())),
            // The topic is the password of a public server.
            Err(failed) => Err(NotSent { said: failed.said.replace(topic, "…"), ..failed }),
        }
    }
}

impl Channel for Ntfy {
    fn name(&self) -> &str {
        &self.name
    }

    fn can_update(&self) -> bool {
        true
    }

    fn send(&self, message: &Message) -> Result<Option<String>, NotSent> {
        let first = message.items.first();
        let sequence = match first {
            Some(item) if !message.is_test => {
                format!("phasegate-{}-{}", item.approval, cut(&item.digest, 9).trim_end_matches('…'))
            }
            _ if !message.caps.is_empty() => format!("phasegate-budget-{}", message.caps_id()),
            _ => format!("phasegate-test-{}", message.at.0),
        };
        self.post(message, &sequence)
    }

    fn update(&self, message: &Message, reference: &str) -> Result<Option<String>, NotSent> {
        self.post(message, reference)
    }
}

fn body(message: &Message, topic: &str, sequence: &str) -> Value {
    let mut text = message.text();
    while text.len() > TEXT_BYTES {
        text = cut(&text, text.chars().count().saturating_sub(100));
    }
    let priority = match message.what {
        What::Asked => 4,
        What::Warning => 3,
        What::Reminder => 5,
        What::Outcome => 2,
    };
    let mut body = json!({
        "topic": topic, "title": message.title(), "message": text, "priority": priority, "sequence_id": sequence,
    });
    // Of several approvals, none is the one that a tap could mean.
    if let [item] = message.items.as_slice()
        && let Answering::Links { open, approve, reject } = &item.answer
        && item.outcome.is_none()
        && let Value::Object(fields) = &mut body
    {
        let view = |label: &str, url: &str| json!({ "action": "view", "label": label, "url": url, "clear": true });
        fields.insert("click".to_owned(), json!(open));
        fields.insert("actions".to_owned(), json!([view("Approve", approve), view("Reject", reject)]));
    }
    body
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::{item, message};
    use super::super::message::{Item, Message};
    use super::*;

    #[test]
    fn the_priority_says_how_urgent_and_long_text_stays_a_message() {
        for (what, priority) in [(What::Asked, 4), (What::Reminder, 5), (What::Outcome, 2)] {
            assert_eq!(body(&Message { what, ..message() }, "t", "s")["priority"], priority);
        }
        let many = Message { items: vec![item(); 20], ..message() };
        assert!(body(&many, "t", "s")["message"].as_str().unwrap().len() <= TEXT_BYTES);
    }

    #[test]
    fn one_approval_with_links_has_buttons() {
        let answer = Answering::Links {
            open: "https://o".to_owned(),
            approve: "https://a".to_owned(),
            reject: "https://r".to_owned(),
        };
        let one = Message { items: vec![Item { answer, ..item() }], ..message() };
        let shown = body(&one, "t", "s");
        assert_eq!((&shown["click"], &shown["actions"][1]["url"]), (&json!("https://o"), &json!("https://r")));
        assert_eq!(body(&message(), "t", "s").get("actions"), None);
    }
}
