//! Names of things as types of their own, so that one cannot be passed for another. How ids are made is not here.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number people see with a letter before it, such as `T-12`.
macro_rules! lettered_id {
    ($name:ident, $prefix:literal, $what:literal) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "-{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let digits = text.strip_prefix(concat!($prefix, "-")).unwrap_or(text);
                let plain = !digits.is_empty() && digits.len() <= 18 && digits.bytes().all(|b| b.is_ascii_digit());
                match digits.parse::<u64>() {
                    Ok(number) if plain && number > 0 && !digits.starts_with('0') => Ok(Self(number)),
                    _ => Err(BadId { text: text.chars().take(40).collect(), like: concat!($prefix, "-12"), what: $what }),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": concat!("^(", $prefix, "-)?[1-9][0-9]{0,17}$") })
            }
        }
    };
}

lettered_id!(TaskId, "T", "a task");
lettered_id!(ApprovalId, "A", "an approval");
lettered_id!(RunId, "G", "a gate run");
lettered_id!(CallId, "C", "a call");
lettered_id!(BypassId, "B", "a bypass");
lettered_id!(CredentialId, "K", "a credential");

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the id of {what}; write it like `{like}`")]
pub struct BadId {
    text: String,
    like: &'static str,
    what: &'static str,
}

/// A word that stands for itself.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        #[schemars(inline)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// Who works: the name that a credential carries.
    AgentName
);
text_id!(
    /// One run of a client, as the client names it.
    SessionId
);
text_id!(
    /// One choice of a model that somebody asked for.
    RouteId
);
text_id!(
    /// SHA-256 of a workflow's canonical form, in hex.
    WorkflowHash
);
text_id!(
    /// SHA-256 of a credential's secret, in hex; the secret itself is never stored.
    CredentialHash
);
text_id!(
    /// SHA-256 of a claim handle, in hex; the handle itself is never stored.
    HandleHash
);

impl AgentName {
    const CHARS_MAX: usize = 100;

    /// Plain enough to stand in messages, files and headers.
    pub fn is_fit(&self) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@/".contains(c);
        !self.0.is_empty() && self.0.len() <= Self::CHARS_MAX && self.0.chars().all(plain)
    }

    /// Whether this is that agent itself or one of its subagents.
    pub fn is_or_works_for(&self, agent: &Self) -> bool {
        self.0.strip_prefix(agent.0.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Rises with every claim of a task; a write that carries an older one is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Fence(pub u64);

impl Fence {
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Milliseconds since 1970, UTC. Where it comes from is not the domain's affair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

impl Time {
    pub fn plus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000)))
    }

    pub fn seconds_until(self, later: Self) -> i64 {
        later.0.saturating_sub(self.0) / 1000
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(stamp) => write!(f, "{stamp:.3}"),
            Err(_) => write!(f, "@{}ms", self.0),
        }
    }
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<jiff::Timestamp>()
            .map(|stamp| Self(stamp.as_millisecond()))
            .map_err(|_| format!("`{text}` is not a time; write it like `2026-11-20T14:00:00Z`"))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_what_they_print_and_refuse_the_rest() {
        assert_eq!("T-12".parse(), Ok(TaskId(12)));
        assert_eq!("12".parse(), Ok(TaskId(12)));
        for bad in ["", "T-", "T-0", "T-012", "t-1", "T--1", "T-1 ", "T-1;DROP", "A-1", "T-9999999999999999999"] {
            assert!(bad.parse::<TaskId>().is_err(), "{bad}");
        }
        assert_eq!(TaskId(7).to_string(), "T-7");
    }

    #[test]
    fn times_survive_json() {
        let time = Time(1_795_000_000_123);
        let json = serde_json::to_string(&time).unwrap();
        assert_eq!(serde_json::from_str::<Time>(&json).unwrap(), time);
    }
}
