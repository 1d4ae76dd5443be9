//! Channels as they are set up, checked already, with their secrets found. Reading files and the environment is not here
//! (`config`).

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::plan::Schedule;

/// Text that is never printed: not in logs, errors or `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one that sends it.
    pub fn shown(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(secret)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

/// A secret, or why it is not there: a channel without its secret fails when it is used, and nothing else does.
pub type Found = Result<Secret, String>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelSettings {
    pub schedule: Schedule,
    pub medium: Medium,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Medium {
    Webhook { url: Found, secret: Option<Found> },
    Slack { url: Found },
    Ntfy { url: Found, token: Option<Found> },
    Email(Mail),
    Desktop { program: Option<PathBuf> },
}

impl Medium {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Slack { .. } => "slack",
            Self::Ntfy { .. } => "ntfy",
            Self::Email(_) => "email",
            Self::Desktop { .. } => "desktop",
        }
    }

    /// Why nothing can be sent: a secret that is not there.
    pub fn missing(&self) -> Option<&str> {
        let (first, second) = match self {
            Self::Webhook { url, secret } => (Some(url), secret.as_ref()),
            Self::Slack { url } => (Some(url), None),
            Self::Ntfy { url, token } => (Some(url), token.as_ref()),
            Self::Email(mail) => (None, mail.password.as_ref()),
            Self::Desktop { .. } => (None, None),
        };
        first.into_iter().chain(second).find_map(|found| found.as_ref().err()).map(String::as_str)
    }

    /// Where it leads, as far as that may be shown.
    pub fn place(&self) -> String {
        match self {
            Self::Webhook { url, .. } | Self::Slack { url } | Self::Ntfy { url, .. } => match url {
                Ok(url) => host_of(url.shown()).unwrap_or_default().to_owned(),
                Err(missing) => missing.clone(),
            },
            Self::Email(mail) => format!("{} by {}", mail.to.join(", "), mail.server),
            Self::Desktop { .. } => "this machine".to_owned(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    pub server: String,
    pub port: u16,
    pub tls: MailTls,
    pub username: Option<String>,
    pub password: Option<Found>,
    pub sender: String,
    pub to: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum MailTls {
    Starttls,
    Implicit,
    /// Only to this machine.
    None,
}

/// The host of an address, without name, password and port.
pub fn host_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = match host.strip_prefix('[') {
        Some(six) => six.split(']').next()?,
        None => host.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Messages hold what agents do, and sometimes links that answer: nobody on the way may read them.
pub fn good_url(url: &str) -> Result<(), &'static str> {
    if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("an address has no spaces");
    }
    let host = host_of(url).ok_or("an address begins with https:// and a host")?;
    match url.split_once("://") {
        Some(("https", _)) => Ok(()),
        Some(("http", _)) if is_loopback(host) => Ok(()),
        Some(("http", _)) => Err("http:// is only for this machine itself; use https://"),
        _ => Err("an address begins with https://"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_https_or_of_this_machine() {
        for (url, good) in [
            ("https://hooks.example/T/B/x", true),
            ("http://127.0.0.1:8080/x", true),
            ("http://[::1]:80/x", true),
            ("http://localhost/x", true),
            ("http://localhost.evil.example/x", false),
            ("http://127.0.0.1@evil.example/x", false),
            ("http://10.0.0.7/x", false),
            ("https:///x", false),
            ("ftp://a/x", false),
            ("https://a/x y", false),
            ("https://a/x\r\nHost: b", false),
            ("", false),
        ] {
            assert_eq!(good_url(url).is_ok(), good, "{url}");
        }
    }

    #[test]
    fn a_secret_is_never_printed() {
        let medium = Medium::Slack { url: Ok(Secret::from("https://h.example/T0/secret".to_owned())) };
        let shown = format!("{medium:?} {}", medium.place());
        assert!(!shown.contains("T0") && shown.contains("h.example"), "{shown}");
        assert_eq!(serde_json::to_string(&Secret::from("x".to_owned())).unwrap(), "\"(secret)\"");
    }
}
