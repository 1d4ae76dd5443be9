//! `[[channel]]` and `[links]` of the user's settings: read, checked, and their secrets looked up. A secret that is missing is
//! no mistake of the file: that channel fails when it is used, and says so.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jiff::tz::{Offset, TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::duration;
use crate::notify::plan::{Quiet, Schedule};
use crate::notify::settings::{ChannelSettings, Found, Mail, MailTls, Medium, Secret, good_url, is_loopback};

const CHANNELS_MAX: usize = 16;
const NAME_CHARACTERS: usize = 40;
const SECRET_BYTES_MAX: u64 = 16 << 10;
const DIGEST_SECONDS_MAX: u64 = 86_400;
const ZONES: &str = "/usr/share/zoneinfo";
const LOCAL_ZONE: &str = "/etc/localtime";
const ZONE_BYTES_MAX: u64 = 256 << 10;

/// A way to reach people when an approval waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct ChannelTable {
    pub kind: ChannelKind,
    /// What you call it; lower case letters, digits, `-` and `_`.
    pub name: String,
    /// Only approvals asked from one of these names or groups; left out: all.
    #[serde(rename = "for")]
    pub for_whom: Option<BTreeSet<String>>,
    /// Only approvals of this level and above.
    #[schemars(range(max = 3))]
    pub least_level: Option<u8>,
    /// Hours in which nothing is sent, such as `22:00-07:00`.
    pub quiet: Option<String>,
    /// Of `quiet`: a name such as `Europe/Berlin`, `UTC`, or an offset such as `+02:00`; left out: this machine's.
    pub time_zone: Option<String>,
    /// How long to gather approvals into one message.
    #[schemars(range(max = 86400))]
    pub digest_seconds: Option<u64>,
    /// How long before its time is over an approval is told once more, such as `1h`.
    pub remind_before: Option<String>,
    /// webhook, slack, ntfy: the address; `https`, or `http` to this machine.
    pub url: Option<Secret>,
    /// The environment variable that holds the address.
    pub url_env: Option<String>,
    /// The file that holds the address.
    pub url_file: Option<PathBuf>,
    /// webhook: signing key; ntfy: access token; email: password. The environment variable that holds it.
    pub secret_env: Option<String>,
    /// The same, as a file that only you can read.
    pub secret_file: Option<PathBuf>,
    /// email: the host that takes mail.
    pub server: Option<String>,
    /// email; left out: 587 for `starttls`, 465 for `implicit`, 25 for `none`.
    pub port: Option<u16>,
    /// email; left out: `starttls`.
    pub tls: Option<MailTls>,
    /// email: to log in with.
    pub username: Option<String>,
    /// email: whom it comes from.
    pub sender: Option<String>,
    /// email: whom it goes to.
    pub to: Option<Vec<String>>,
    /// desktop: the program, where it is not `notify-send` or `osascript`.
    pub program: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum ChannelKind {
    Webhook,
    Slack,
    Email,
    Ntfy,
    Desktop,
}

/// Links in messages by which a person answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct LinksTable {
    /// The address people reach this phasegate by, such as `https://gate.example.org`; left out: messages carry a command.
    pub base: Option<String>,
}

/// Where secrets come from.
pub struct Sources<'a> {
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Of the settings file; files are named from here.
    pub folder: &'a Path,
}

/// All channels, or what is wrong, by channel and key.
pub fn checked(tables: &[ChannelTable], sources: &Sources<'_>) -> Result<Vec<ChannelSettings>, String> {
    if tables.len() > CHANNELS_MAX {
        return Err(format!("there are {} tables `[[channel]]`, and {CHANNELS_MAX} are the most", tables.len()));
    }
    let mut names = BTreeSet::new();
    let mut channels = Vec::new();
    for table in tables {
        let name = &table.name;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty() || name.len() > NAME_CHARACTERS || !name.chars().all(plain) {
            return Err(format!(
                "`name` of a channel is 1 to {NAME_CHARACTERS} lower case letters, digits, `-` and `_`; `{}` is not",
                crate::domain::visible::line(name, NAME_CHARACTERS)
            ));
        }
        if !names.insert(name) {
            return Err(format!("two channels have the `name` `{name}`; give each its own"));
        }
        let wrong = |message: String| format!("channel `{name}`: {message}");
        table.foreign_keys().map_err(wrong)?;
        let schedule = table.schedule().map_err(wrong)?;
        let medium = table.medium(sources).map_err(wrong)?;
        channels.push(ChannelSettings { schedule, medium });
    }
    Ok(channels)
}

pub fn checked_base(links: &LinksTable) -> Result<Option<String>, String> {
    let Some(base) = &links.base else { return Ok(None) };
    good_url(base).map_err(|why| format!("`links.base`: {why}"))?;
    Ok(Some(base.trim_end_matches('/').to_owned()))
}

impl ChannelTable {
    /// A key of another kind would do nothing, and that should not go unseen.
    fn foreign_keys(&self) -> Result<(), String> {
        use ChannelKind::{Desktop, Email, Ntfy, Slack, Webhook};
        let by_url: &[ChannelKind] = &[Webhook, Slack, Ntfy];
        let by_secret: &[ChannelKind] = &[Webhook, Ntfy, Email];
        let keys: [(&str, bool, &[ChannelKind]); 12] = [
            ("url", self.url.is_some(), by_url),
            ("url_env", self.url_env.is_some(), by_url),
            ("url_file", self.url_file.is_some(), by_url),
            ("secret_env", self.secret_env.is_some(), by_secret),
            ("secret_file", self.secret_file.is_some(), by_secret),
            ("server", self.server.is_some(), &[Email]),
            ("port", self.port.is_some(), &[Email]),
            ("tls", self.tls.is_some(), &[Email]),
            ("username", self.username.is_some(), &[Email]),
            ("sender", self.sender.is_some(), &[Email]),
            ("to", self.to.is_some(), &[Email]),
            ("program", self.program.is_some(), &[Desktop]),
        ];
        match keys.into_iter().find(|(_, given, kinds)| *given && !kinds.contains(&self.kind)) {
            Some((key, _, _)) => Err(format!("`{key}` means nothing for this kind of channel; take it out")),
            None => Ok(()),
        }
    }

    fn schedule(&self) -> Result<Schedule, String> {
        if self.least_level.is_some_and(|level| level > 3) {
            return Err("`least_level` is 0 to 3".to_owned());
        }
        let digest_seconds = self.digest_seconds.unwrap_or(0);
        if digest_seconds > DIGEST_SECONDS_MAX {
            return Err(format!("`digest_seconds` is at most {DIGEST_SECONDS_MAX}, which is a day"));
        }
        let remind_seconds = match &self.remind_before {
            Some(text) => Some(duration::parse(text).map_err(|why| format!("`remind_before`: {why}"))?),
            None => None,
        };
        if self.time_zone.is_some() && self.quiet.is_none() {
            return Err("`time_zone` is of `quiet`, which is not set".to_owned());
        }
        let quiet = match &self.quiet {
            Some(text) => {
                let (from, to) = hours(text).ok_or_else(|| {
                    format!("`quiet` is two times that differ, such as `22:00-07:00`; `{text}` is not")
                })?;
                let zone = zone(self.time_zone.as_deref()).map_err(|why| format!("`time_zone`: {why}"))?;
                Some(Quiet { from, to, zone })
            }
            None => None,
        };
        Ok(Schedule {
            channel: self.name.clone(),
            for_whom: self.for_whom.clone().unwrap_or_default(),
            least_level: self.least_level.unwrap_or(0),
            quiet,
            digest_seconds,
            remind_seconds,
        })
    }

    fn medium(&self, sources: &Sources<'_>) -> Result<Medium, String> {
        Ok(match self.kind {
            ChannelKind::Webhook => Medium::Webhook { url: self.url(sources)?, secret: self.secret(sources)? },
            ChannelKind::Slack => Medium::Slack { url: self.url(sources)? },
            ChannelKind::Ntfy => Medium::Ntfy { url: self.url(sources)?, token: self.secret(sources)? },
            ChannelKind::Email => Medium::Email(self.mail(sources)?),
            ChannelKind::Desktop => Medium::Desktop { program: self.program.clone() },
        })
    }

    fn url(&self, sources: &Sources<'_>) -> Result<Found, String> {
        let good = |found: Secret| good_url(found.shown()).map(|()| found).map_err(str::to_owned);
        match (&self.url, &self.url_env, &self.url_file) {
            (Some(url), None, None) => good(url.clone()).map(Ok).map_err(|why| format!("`url`: {why}")),
            (None, Some(name), None) => Ok(sources.of_variable(name).and_then(good)),
            (None, None, Some(file)) => Ok(sources.of_file(file).and_then(good)),
            (None, None, None) => Err("`url` is missing (or `url_env`, or `url_file`)".to_owned()),
            _ => Err("only one of `url`, `url_env` and `url_file` can hold".to_owned()),
        }
    }

    fn secret(&self, sources: &Sources<'_>) -> Result<Option<Found>, String> {
        match (&self.secret_env, &self.secret_file) {
            (Some(name), None) => Ok(Some(sources.of_variable(name))),
            (None, Some(file)) => Ok(Some(sources.of_file(file))),
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err("only one of `secret_env` and `secret_file` can hold".to_owned()),
        }
    }

    fn mail(&self, sources: &Sources<'_>) -> Result<Mail, String> {
        let needed = |key: &str, value: &Option<String>| value.clone().ok_or_else(|| format!("`{key}` is missing"));
        let server = needed("server", &self.server)?;
        let tls = self.tls.unwrap_or(MailTls::Starttls);
        if tls == MailTls::None && !is_loopback(&server) {
            return Err("`tls = \"none\"` is only for this machine itself; use `starttls` or `implicit`".to_owned());
        }
        let default_port = match tls {
            MailTls::Starttls => 587,
            MailTls::Implicit => 465,
            MailTls::None => 25,
        };
        let password = self.secret(sources)?;
        if self.username.is_some() != password.is_some() {
            return Err("`username` and a password (`secret_env` or `secret_file`) go together".to_owned());
        }
        let to = self.to.clone().unwrap_or_default();
        let sender = needed("sender", &self.sender)?;
        if to.is_empty() || to.len() > 20 {
            return Err("`to` is 1 to 20 mail addresses".to_owned());
        }
        for address in to.iter().chain([&sender]) {
            if address.parse::<lettre::message::Mailbox>().is_err() {
                let shown = crate::domain::visible::line(address, 80);
                return Err(format!("`{shown}` is not a mail address (in `sender` or `to`)"));
            }
        }
        let port = self.port.unwrap_or(default_port);
        Ok(Mail { server, port, tls, username: self.username.clone(), password, sender, to })
    }
}

impl Sources<'_> {
    fn of_variable(&self, name: &str) -> Found {
        let value = (self.variable)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        value.map(Secret::from).ok_or_else(|| format!("the environment variable {name} is not set here"))
    }

    fn of_file(&self, file: &Path) -> Found {
        let path = self.folder.join(file);
        let shown = path.display();
        let unreadable = |error: std::io::Error| format!("{shown}: {error}");
        let found = std::fs::metadata(&path).map_err(unreadable)?;
        if found.permissions().mode() & 0o077 != 0 {
            return Err(format!("others can read {shown}; `chmod 600` it, and change the secret"));
        }
        if !found.is_file() || found.len() > SECRET_BYTES_MAX {
            return Err(format!("{shown} is not a file of at most {SECRET_BYTES_MAX} bytes"));
        }
        let text = std::fs::read_to_string(&path).map_err(unreadable)?;
        match text.trim() {
            "" => Err(format!("{shown} is empty")),
            secret => Ok(Secret::from(secret.to_owned())),
        }
    }
}

/// Minutes of the day: `22:00-07:00`.
fn hours(text: &str) -> Option<(i32, i32)> {
    let minute = |text: &str| {
        let (hour, minute) = text.trim().split_once(':')?;
        let number = |text: &str, most: i32| {
            let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<i32>().ok().filter(|number| digits && *number <= most)
        };
        Some(number(hour, 23)? * 60 + number(minute, 59)?)
    };
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minute(from)?, minute(to)?);
    (from != to).then_some((from, to))
}

/// By the machine's own files, so that no copy of the time zones goes stale in this binary.
fn zone(name: Option<&str>) -> Result<TimeZone, String> {
    let Some(name) = name else {
        // A machine without a zone of its own runs on UTC.
        return Ok(zone_file(Path::new(LOCAL_ZONE), "local").unwrap_or(TimeZone::UTC));
    };
    if name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    if let Some(seconds) = offset(name) {
        return Offset::from_seconds(seconds).map(TimeZone::fixed).map_err(|error| error.to_string());
    }
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_+-".contains(c));
    let known = name.len() <= 60 && name.split('/').all(plain);
    let found = if known { zone_file(&Path::new(ZONES).join(name), name) } else { None };
    found.ok_or_else(|| {
        format!(
            "this machine knows no zone `{}`; write `UTC`, `+02:00`, or a name that is under {ZONES}",
            crate::domain::visible::line(name, 60)
        )
    })
}

fn zone_file(path: &Path, name: &str) -> Option<TimeZone> {
    let found = std::fs::metadata(path).ok().filter(|found| found.is_file() && found.len() <= ZONE_BYTES_MAX);
    found.and_then(|_| std::fs::read(path).ok()).and_then(|bytes| TimeZone::tzif(name, &bytes).ok())
}

fn offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (hours.parse::<u8>().ok()?, minutes.parse::<u8>().ok()?);
    (hours <= 14 && minutes <= 59).then(|| sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct File {
        channel: Vec<ChannelTable>,
    }

    fn read(toml: &str) -> Result<Vec<ChannelSettings>, String> {
        let file: File = toml::from_str(toml).map_err(|error| error.message().to_owned())?;
        let variable = |name: &str| (name == "HOOK").then(|| "https://hooks.example/x".to_owned());
        checked(&file.channel, &Sources { variable: &variable, folder: Path::new("/nowhere") })
    }

    #[test]
    fn mistakes_are_named_by_channel_and_key() {
        let mail = "[[channel]]\nkind = \"email\"\nname = \"m\"\nserver = \"mx.example\"\nsender = \"a@b.c\"\n";
        let hook = "[[channel]]\nkind = \"webhook\"\nname = \"w\"\nurl = \"https://h.example/SECRET\"\n";
        for (toml, names) in [
            ("[[channel]]\nkind = \"slack\"\nname = \"s\"\n".to_owned(), "channel `s`: `url` is missing"),
            ("[[channel]]\nkind = \"pigeon\"\nname = \"s\"\n".to_owned(), "pigeon"),
            ("[[channel]]\nkind = \"slack\"\nname = \"S p\"\n".to_owned(), "`name`"),
            (format!("{hook}{hook}"), "two channels have the `name` `w`"),
            (format!("{hook}url_env = \"X\"\n"), "only one of `url`"),
            (format!("{hook}to = [\"a@b.c\"]\n"), "`to` means nothing"),
            (format!("{hook}quiet = \"25:00-07:00\"\n"), "`quiet`"),
            (format!("{hook}quiet = \"22:00-22:00\"\n"), "`quiet`"),
            (format!("{hook}quiet = \"22:00-07:00\"\ntime_zone = \"../../etc/passwd\"\n"), "`time_zone`"),
            (format!("{hook}time_zone = \"UTC\"\n"), "`time_zone` is of `quiet`"),
            (format!("{hook}remind_before = \"soon\"\n"), "`remind_before`"),
            (format!("{hook}digest_seconds = 90000\n"), "`digest_seconds`"),
            (format!("{hook}least_level = 4\n"), "`least_level`"),
            (format!("{hook}colour = 4\n"), "colour"),
            (hook.replace("https", "http"), "`url`: http:// is only for this machine"),
            (mail.to_owned(), "`to`"),
            (format!("{mail}to = [\"ana\"]\n"), "`ana` is not a mail address"),
            (format!("{mail}to = [\"a@b.c\\nBcc: x@y.z\"]\n"), "is not a mail address"),
            (format!("{mail}to = [\"a@b.c\"]\nusername = \"u\"\n"), "go together"),
            (format!("{mail}to = [\"a@b.c\"]\ntls = \"none\"\n"), "`tls = \"none\"`"),
        ] {
            let error = read(&toml).unwrap_err();
            assert!(error.contains(names) && !error.contains("SECRET"), "{toml}: {error}");
        }
    }

    #[test]
    fn a_secret_that_is_missing_breaks_only_its_channel() {
        let found = read(
            "[[channel]]\nkind = \"slack\"\nname = \"a\"\nurl_env = \"HOOK\"\n\
             [[channel]]\nkind = \"slack\"\nname = \"b\"\nurl_env = \"NOPE\"\n\
             [[channel]]\nkind = \"ntfy\"\nname = \"c\"\nurl_file = \"missing\"\n",
        );
        let places: Vec<String> = found.unwrap().iter().map(|channel| channel.medium.place()).collect();
        assert_eq!(places[0], "hooks.example");
        assert!(places[1].contains("NOPE is not set") && places[2].contains("/nowhere/missing"), "{places:?}");
    }

    #[test]
    fn a_secret_in_a_file_that_others_can_read_is_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "hush\n").unwrap();
        let sources = Sources { variable: &|_| None, folder: folder.path() };
        for (mode, good) in [(0o644, false), (0o600, true)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let found = sources.of_file(Path::new("token"));
            assert_eq!(found.as_ref().is_ok_and(|secret| secret.shown() == "hush"), good, "{found:?}");
        }
    }

    #[test]
    fn zones_are_names_offsets_or_this_machines() {
        assert_eq!(zone(Some("UTC")), Ok(TimeZone::UTC));
        assert_eq!(zone(Some("-03:30")), Ok(TimeZone::fixed(Offset::from_seconds(-12_600).unwrap())));
        assert!(zone(None).is_ok() && zone(Some("+15:00")).is_err() && zone(Some("Mars/Base")).is_err());
    }
}
