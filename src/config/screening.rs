//! What the settings say about reading texts: rules of one's own, and an outside service. Asking the service is not here.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::screen::Screen;
use crate::screen::rules::RuleText;

const TIMEOUT_MS_DEFAULT: u64 = 2_000;
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 50..=30_000;
const SECRET_BYTES_MAX: u64 = 8 << 10;

/// `[screen]`: more rules. A project can add some and take none away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScreenRules {
    #[serde(default, rename = "rule")]
    pub rules: Vec<RuleText>,
}

/// `[screening]`: a service that reads every text that comes in. Only in the user's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScreeningFile {
    pub url: String,
    /// For one try; a failed one is repeated once.
    #[schemars(range(min = 50, max = 30000))]
    pub timeout_ms: Option<u64>,
    /// What becomes of a text when the service does not answer. There is no default: both have a price.
    pub on_failure: OnFailure,
    /// Whether texts are sent without the secrets and personal data found here. Default: `redacted`.
    #[serde(default)]
    pub send: Send,
    /// The header that carries the secret. Default: `authorization`.
    pub header: Option<String>,
    /// The environment variable that holds the header's value.
    pub secret_env: Option<String>,
    /// The file that holds the header's value.
    pub secret_file: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// Let the text in, and record that nobody read it.
    Open,
    /// Refuse it.
    Closed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Send {
    #[default]
    Redacted,
    Full,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScreeningService {
    pub url: String,
    pub timeout_ms: u64,
    pub on_failure: OnFailure,
    pub send: Send,
    pub header: Option<(String, Hidden)>,
}

/// A secret that no debug line shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// The user's rules, then the project's.
pub fn rules(user: Option<ScreenRules>, project: Option<ScreenRules>) -> Result<Vec<RuleText>, String> {
    let marked = |rules: Option<ScreenRules>, users| {
        rules.unwrap_or_default().rules.into_iter().map(move |rule| RuleText { users, ..rule })
    };
    let rules: Vec<RuleText> = marked(user, true).chain(marked(project, false)).collect();
    Screen::new(&rules).map_err(|error| error.to_string())?;
    Ok(rules)
}

pub fn service(file: ScreeningFile) -> Result<ScreeningService, String> {
    let secret = match (&file.secret_env, &file.secret_file) {
        (Some(_), Some(_)) => return Err("`screening` takes `secret_env` or `secret_file`, not both".to_owned()),
        (Some(name), None) => Some(from_environment(name)?),
        (None, Some(path)) => Some(from_file(Path::new(path))?),
        (None, None) if file.header.is_some() => {
            return Err(
                "`screening.header` needs a value; say where it is with `secret_env` or `secret_file`".to_owned()
            );
        }
        (None, None) => None,
    };
    let host = file.url.split_once("://").map(|(scheme, rest)| (scheme, rest.split(['/', '?']).next().unwrap_or("")));
    match host {
        Some(("https", host)) if !host.is_empty() && !host.contains('@') => {}
        Some(("http", host)) if is_this_machine(host) => {}
        _ => {
            let message = "`screening.url` is an https address without a user, or http on this machine";
            return Err(format!("{message}; write it like `https://screen.example.org/check`"));
        }
    }
    let timeout_ms = file.timeout_ms.unwrap_or(TIMEOUT_MS_DEFAULT);
    if !TIMEOUT_MS.contains(&timeout_ms) {
        return Err(format!("`screening.timeout_ms` is {} to {}", TIMEOUT_MS.start(), TIMEOUT_MS.end()));
    }
    let header = secret.map(|secret| (file.header.unwrap_or_else(|| "authorization".to_owned()), Hidden(secret)));
    let (url, on_failure, send) = (file.url, file.on_failure, file.send);
    Ok(ScreeningService { url, timeout_ms, on_failure, send, header })
}

fn is_this_machine(host: &str) -> bool {
    let name = if host.starts_with('[') {
        host.split_inclusive(']').next().unwrap_or(host)
    } else {
        host.split(':').next().unwrap_or(host)
    };
    ["localhost", "127.0.0.1", "[::1]"].contains(&name)
}

#[expect(clippy::disallowed_methods, reason = "the environment is read in the settings")]
fn from_environment(name: &str) -> Result<String, String> {
    let value = std::env::var(name).unwrap_or_default();
    one_line(&value)
        .ok_or_else(|| format!("`screening.secret_env` names `{name}`, which is not set; set it, or use `secret_file`"))
}

fn from_file(path: &Path) -> Result<String, String> {
    let wrong = |why: String| format!("`screening.secret_file` {}: {why}", path.display());
    let found = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if !found.is_file() || found.len() > SECRET_BYTES_MAX {
        return Err(wrong(format!("it is not a file of at most {SECRET_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    one_line(&text).ok_or_else(|| wrong("it holds no value on one line".to_owned()))
}

fn one_line(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ScreeningService, String> {
        toml::from_str::<ScreeningFile>(text).map_err(|error| error.to_string()).and_then(service)
    }

    #[test]
    fn what_is_wrong_is_said_before_any_text_is_sent() {
        for (text, says) in [
            ("url = \"https://a.example\"", "on_failure"),
            ("url = \"http://a.example\"\non_failure = \"open\"", "https address"),
            ("url = \"http://localhost.evil.example\"\non_failure = \"open\"", "https address"),
            ("url = \"http://localhost@evil.example\"\non_failure = \"open\"", "https address"),
            ("url = \"https://u:p@a.example\"\non_failure = \"open\"", "https address"),
            ("url = \"https://a.example\"\non_failure = \"maybe\"", "maybe"),
            ("url = \"https://a.example\"\non_failure = \"open\"\ntimeout_ms = 5", "timeout_ms"),
            ("url = \"https://a.example\"\non_failure = \"open\"\nheader = \"x-key\"", "secret_env"),
            ("url = \"https://a.example\"\non_failure = \"open\"\nsecret_env = \"PHASEGATE_NO_SUCH\"", "not set"),
            ("url = \"https://a.example\"\non_failure = \"open\"\nsecret_file = \"/no/such\"", "secret_file"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_secret_is_read_from_its_file_and_not_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "Bearer abc\n").unwrap();
        let path = file.path().display();
        let service =
            read(&format!("url = \"http://[::1]:9/x\"\non_failure = \"closed\"\nsecret_file = \"{path}\"")).unwrap();
        assert_eq!(
            service.header.as_ref().map(|(name, value)| (name.as_str(), value.reveal())),
            Some(("authorization", "Bearer abc"))
        );
        assert!(!format!("{service:?}").contains("abc"));
        assert_eq!((service.timeout_ms, service.send), (2_000, Send::Redacted));
    }
}
