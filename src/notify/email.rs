//! Mail by SMTP: plain text, one message at a time, over TLS but on this machine itself. An outcome is a reply to the first
//! message. Receiving mail is not here.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{SmtpTransport, Transport};

use crate::domain::notice::What;

use super::message::Message;
use super::settings::{Mail, MailTls};
use super::{Channel, NotSent, http};

/// Of each step of the dialogue.
const STEP: Duration = Duration::from_secs(5);

pub struct Email {
    name: String,
    mail: Mail,
}

impl Email {
    pub fn new(name: String, mail: Mail) -> Self {
        Self { name, mail }
    }

    fn transport(&self) -> Result<SmtpTransport, NotSent> {
        let server = self.mail.server.as_str();
        let tls = || {
            TlsParameters::new(server.to_owned())
                .map_err(|error| NotSent::new(format!("TLS cannot be set up for {server}: {error}")))
        };
        let tls = match self.mail.tls {
            MailTls::Starttls => Tls::Required(tls()?),
            MailTls::Implicit => Tls::Wrapper(tls()?),
            MailTls::None => Tls::None,
        };
        let mut builder = SmtpTransport::builder_dangerous(server).port(self.mail.port).tls(tls).timeout(Some(STEP));
        if let (Some(username), Some(password)) = (&self.mail.username, &self.mail.password) {
            let password = http::known(password)?.shown().to_owned();
            builder = builder.credentials(Credentials::new(username.clone(), password));
        }
        Ok(builder.build())
    }

    fn letter(&self, message: &Message, reference: Option<&str>) -> Result<(lettre::Message, String), NotSent> {
        let id = message_id(message);
        let mut builder = lettre::Message::builder()
            .from(mailbox(&self.mail.sender)?)
            // One line with nothing hidden, so no text can add a header; the library encodes what is not ASCII.
            .subject(format!("[phasegate] {}", message.title()))
            .message_id(Some(id.clone()))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.mail.to {
            builder = builder.to(mailbox(to)?);
        }
        if let Some(reference) = reference {
            builder = builder.in_reply_to(reference.to_owned()).references(reference.to_owned());
        }
        let letter =
            builder.body(message.text()).map_err(|error| NotSent::new(format!("the mail cannot be made: {error}")))?;
        Ok((letter, id))
    }

    fn post(&self, message: &Message, reference: Option<&str>) -> Result<Option<String>, NotSent> {
        let (letter, id) = self.letter(message, reference)?;
        let password =
            self.mail.password.as_ref().and_then(|found| found.as_ref().ok()).map_or("", |found| found.shown());
        let failed = |error: lettre::transport::smtp::Error| {
            let next = match error.status().map(|code| code.to_string()).as_deref() {
                Some("535" | "530" | "534") => "; check username and password",
                _ if error.is_tls() => "; check `tls` and `port`",
                _ => "",
            };
            NotSent::without(&format!("{}: {error}{next}", self.mail.server), &[password])
        };
        self.transport()?.send(&letter).map_err(failed)?;
        Ok(Some(id))
    }
}

impl Channel for Email {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&self, message: &Message) -> Result<Option<String>, NotSent> {
        self.post(message, None)
    }

    fn update(&self, message: &Message, reference: &str) -> Result<Option<String>, NotSent> {
        self.post(message, Some(reference))
    }
}

fn mailbox(address: &str) -> Result<Mailbox, NotSent> {
    address.parse().map_err(|error| NotSent::new(format!("`{address}` is not a mail address: {error}")))
}

/// The same for the same notice, so that a mail sent twice after a crash is seen as one by most programs.
fn message_id(message: &Message) -> String {
    let word = if message.is_test { "test" } else { message.what.word() };
    let what = message.items.first().map_or_else(
        || message.caps_id(),
        |item| {
            let digest: String = item.digest.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
            format!("{}.{digest}.{}", item.approval, message.items.len())
        },
    );
    let time = if message.is_test || message.what == What::Outcome { message.at.0 } else { 0 };
    let channel: String = message.channel.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("<{word}.{what}.{channel}.{time}@phasegate.invalid>")
}

#[cfg(test)]
mod tests {
    use super::super::message::Item;
    use super::super::message::tests::{item, message};
    use super::*;

    #[test]
    fn a_subject_cannot_add_a_header_and_an_outcome_is_a_reply() {
        let mail = Mail {
            server: "localhost".to_owned(),
            port: 25,
            tls: MailTls::None,
            username: None,
            password: None,
            sender: "phasegate <gate@example.org>".to_owned(),
            to: vec!["ana@example.org".to_owned()],
        };
        let email = Email::new("mail".to_owned(), mail);
        let ask = "Ship?\r\nBcc: evil@example.org\r\n\r\nbody".to_owned();
        let message = Message { items: vec![Item { ask, ..item() }], ..message() };
        let (letter, _) = email.letter(&message, Some("<first@phasegate.invalid>")).unwrap();
        let raw = String::from_utf8(letter.formatted()).unwrap();
        let head = raw.split("\r\n\r\n").next().unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        assert!(head.contains("In-Reply-To: <first@phasegate.invalid>"), "{head}");
        assert!(head.contains("Subject: "), "{head}");
    }
}
