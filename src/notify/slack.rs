//! Slack by an incoming webhook: text, and buttons that are links. Such a webhook cannot change an earlier message, so an
//! outcome is a message of its own.

use serde_json::{Value, json};

use crate::domain::visible::line;

use super::message::{Answering, Message, cut};
use super::settings::Found;
use super::{Channel, NotSent, http};

const WORKSPACE_CHARACTERS: usize = 120;
/// Slack takes no longer text in one block.
const BLOCK_CHARACTERS: usize = 2900;

pub struct Slack {
    name: String,
    url: Found,
}

impl Slack {
    pub fn new(name: String, url: Found) -> Self {
        Self { name, url }
    }
}

impl Channel for Slack {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&self, message: &Message) -> Result<Option<String>, NotSent> {
        http::post(http::known(&self.url)?, &[], &body(message).to_string())?;
        Ok(None)
    }
}

fn body(message: &Message) -> Value {
    let mut blocks = vec![section(&format!("*{}*", escaped(&message.title())))];
    if message.is_test || !message.caps.is_empty() {
        blocks.push(plain(&message.text()));
    }
    for item in message.items.iter().filter(|_| !message.is_test) {
        let mut text = String::new();
        item.write(message.what, &mut text);
        if let Answering::Links { open, approve, reject } = &item.answer {
            // The buttons say it shorter.
            for link in [open, approve, reject] {
                text = text.lines().filter(|line| !line.ends_with(link)).collect::<Vec<_>>().join("\n");
            }
        }
        blocks.push(plain(&text));
        if let (Answering::Links { open, approve, reject }, None) = (&item.answer, &item.outcome) {
            let button = |label: &str, url: &str| {
                json!({ "type": "button", "url": url,
                        "text": { "type": "plain_text", "text": format!("{label} {}", item.approval) } })
            };
            blocks.push(json!({ "type": "actions",
                "elements": [button("Open", open), button("Approve", approve), button("Reject", reject)] }));
        }
    }
    if !message.is_test && message.caps.is_empty() {
        blocks.push(plain(&format!("Workspace {}", line(&message.workspace, WORKSPACE_CHARACTERS))));
    }
    json!({ "text": escaped(&message.title()), "blocks": blocks, "unfurl_links": false, "unfurl_media": false })
}

/// Text of agents goes into blocks where nothing is markup: no mention, no link, no emphasis comes of it.
fn plain(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "plain_text", "emoji": false, "text": cut(text, BLOCK_CHARACTERS) } })
}

fn section(mrkdwn: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "verbatim": true, "text": cut(mrkdwn, BLOCK_CHARACTERS) } })
}

/// What mrkdwn would read as markup: the three characters Slack asks to escape, and emphasis by a joiner that shows nothing.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '*' | '_' | '~' | '`' => {
                escaped.push('\u{200b}');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::{item, message};
    use super::super::message::{Item, Message};
    use super::*;

    #[test]
    fn no_text_of_an_agent_becomes_markup_or_a_mention() {
        let mut message = message();
        message.items = vec![Item { ask: "<!here> *bold* <https://evil.example|yes> & `x`".to_owned(), ..item() }];
        let body = body(&message);
        for text in [body["text"].as_str().unwrap(), body["blocks"][0]["text"]["text"].as_str().unwrap()] {
            assert!(text.contains("&lt;!here&gt;") && text.contains("&amp;") && !text.contains('<'), "{text}");
            assert!(text.contains("\u{200b}*bold\u{200b}*"), "{text}");
        }
        assert_eq!(body["blocks"][1]["text"]["type"], "plain_text");
    }

    #[test]
    fn links_are_buttons_and_an_outcome_has_none() {
        let answer = Answering::Links {
            open: "https://gate.example/o".to_owned(),
            approve: "https://gate.example/a".to_owned(),
            reject: "https://gate.example/r".to_owned(),
        };
        let linked = Message { items: vec![Item { answer, ..item() }], ..message() };
        let shown = body(&linked);
        assert_eq!(shown["blocks"][2]["elements"][1]["url"], "https://gate.example/a");
        assert!(!shown["blocks"][1].to_string().contains("gate.example"), "{shown}");
        let ended = Item { outcome: Some("rejected by ana".to_owned()), ..linked.items[0].clone() };
        let over = body(&Message { items: vec![ended], ..linked });
        assert_eq!(over["blocks"].as_array().unwrap().len(), 3, "{over}");
    }
}
