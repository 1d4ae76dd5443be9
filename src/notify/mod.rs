//! Ways to reach a person, one file each, and the schedule of when. What is asked, and whether it was answered, is not here,
//! and neither is what was sent already: the engine keeps that.

mod desktop;
mod email;
pub mod http;
pub mod link;
pub mod message;
mod ntfy;
pub mod plan;
pub mod settings;
mod slack;
mod webhook;

use message::Message;
use settings::{ChannelSettings, Medium};

/// A medium that carries messages to people. Sending may block, up to its time limits.
pub trait Channel: Send + Sync {
    fn name(&self) -> &str;

    /// True where a later message can take the place of an earlier one.
    fn can_update(&self) -> bool {
        false
    }

    /// Answers with what the medium calls the message, where it has a name for it.
    fn send(&self, message: &Message) -> Result<Option<String>, NotSent>;

    /// Sends what follows an earlier message: in its place where the medium can, else beside it.
    fn update(&self, message: &Message, _reference: &str) -> Result<Option<String>, NotSent> {
        self.send(message)
    }
}

/// Why a message did not leave, in words that hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{said}")]
pub struct NotSent {
    pub said: String,
    /// The other side asked for this much patience.
    pub wait_seconds: Option<u64>,
}

const SAID_CHARACTERS: usize = 300;

impl NotSent {
    fn new(said: impl AsRef<str>) -> Self {
        Self { said: crate::domain::visible::line(said.as_ref(), SAID_CHARACTERS), wait_seconds: None }
    }

    /// With every secret cut out that another program's words may repeat.
    fn without(said: &str, secrets: &[&str]) -> Self {
        let hidden = secrets.iter().filter(|secret| !secret.is_empty());
        Self::new(hidden.fold(said.to_owned(), |said, secret| said.replace(secret, "…")))
    }
}

/// Sends a first message, or one that follows another.
pub fn deliver(channel: &dyn Channel, message: &Message) -> Result<Option<String>, NotSent> {
    match &message.follows {
        Some(reference) => channel.update(message, reference),
        None => channel.send(message),
    }
}

pub fn open(settings: &ChannelSettings) -> Box<dyn Channel> {
    let name = settings.schedule.channel.clone();
    match &settings.medium {
        Medium::Webhook { url, secret } => Box::new(webhook::Webhook::new(name, url.clone(), secret.clone())),
        Medium::Slack { url } => Box::new(slack::Slack::new(name, url.clone())),
        Medium::Ntfy { url, token } => Box::new(ntfy::Ntfy::new(name, url.clone(), token.clone())),
        Medium::Email(mail) => Box::new(email::Email::new(name, mail.clone())),
        Medium::Desktop { program } => Box::new(desktop::Desktop::new(name, program.clone())),
    }
}
