//! Asking the outside service about one text, before any transaction: bounded in time and size, repeated once, and left
//! alone while it fails. What becomes of its answer is not here.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::screening::ScreeningService;
use crate::domain::flag::{Flag, FlagKind};
use crate::domain::ids::Time;

use super::breaker::Breaker;

const ANSWER_BYTES_MAX: u64 = 64 << 10;
const FLAGS_MAX: usize = 20;
const RULE_CHARS_MAX: usize = 60;
const REASON_CHARS_MAX: usize = 300;
const JITTER_MS_MIN: u64 = 50;

/// What the service is told.
#[derive(Debug, Serialize)]
pub struct Question<'q> {
    pub tool: &'q str,
    pub field: &'q str,
    pub text: &'q str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<&'q str>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    Flag(Vec<Flag>),
    Refuse { flags: Vec<Flag>, reason: String },
}

#[derive(Debug, Deserialize)]
struct Answer {
    verdict: Word,
    #[serde(default)]
    findings: Vec<Found>,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Allow,
    Flag,
    Refuse,
}

#[derive(Debug, Deserialize)]
struct Found {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    rule: String,
    #[serde(default)]
    count: Option<u32>,
}

pub struct Service {
    agent: ureq::Agent,
    pub settings: ScreeningService,
    breaker: Mutex<Breaker>,
}

impl Service {
    pub fn new(settings: ScreeningService) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_millis(settings.timeout_ms)))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .proxy(None)
            .build();
        Self { agent: config.into(), settings, breaker: Mutex::new(Breaker::new()) }
    }

    /// The verdict, or in plain words why there is none. `now` is asked for again after the wait.
    pub fn ask(&self, question: &Question<'_>, now: impl Fn() -> Time, random: u8) -> Result<Verdict, String> {
        {
            let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
            let (goes, then) = breaker.ask(now());
            *breaker = then;
            if !goes {
                return Err("it failed several times in a row and is left alone for a while".to_owned());
            }
        }
        let body = serde_json::to_vec(question).unwrap_or_default();
        let answer = self.once(&body).or_else(|first| {
            if !first.again {
                return Err(first);
            }
            std::thread::sleep(Duration::from_millis(JITTER_MS_MIN + u64::from(random) / 2));
            self.once(&body)
        });
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        *breaker = breaker.after(answer.is_ok(), now());
        answer.map_err(|failed| failed.why)
    }

    fn once(&self, body: &[u8]) -> Result<Verdict, Failed> {
        let mut request = self.agent.post(&self.settings.url).header("content-type", "application/json");
        if let Some((name, value)) = &self.settings.header {
            request = request.header(name, value.reveal());
        }
        let mut response = request.send(body).map_err(|error| Failed::passing(unreached(&error)))?;
        let status = response.status().as_u16();
        if status != 200 {
            let again = status >= 500 || status == 429;
            return Err(Failed { why: format!("it answered with status {status}"), again });
        }
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(_) => {
                Failed::lasting(format!("its answer is longer than {ANSWER_BYTES_MAX} bytes"))
            }
            other => Failed::passing(unreached(&other)),
        })?;
        let answer: Answer = serde_json::from_str(&text)
            .map_err(|_| Failed::lasting("its answer is not the JSON that is agreed".to_owned()))?;
        Ok(answer.read())
    }
}

struct Failed {
    why: String,
    /// Another try may go better.
    again: bool,
}

impl Failed {
    fn passing(why: String) -> Self {
        Self { why, again: true }
    }

    fn lasting(why: String) -> Self {
        Self { why, again: false }
    }
}

fn unreached(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "it did not answer in time".to_owned(),
        _ => "it could not be reached".to_owned(),
    }
}

impl Answer {
    fn read(self) -> Verdict {
        let flags: Vec<Flag> = self.findings.into_iter().take(FLAGS_MAX).map(Found::flag).collect();
        // A verdict without findings still needs one, or nothing would be recorded.
        let flags = if flags.is_empty() { vec![Found::unnamed().flag()] } else { flags };
        match self.verdict {
            Word::Allow => Verdict::Allow,
            Word::Flag => Verdict::Flag(flags),
            Word::Refuse => {
                Verdict::Refuse { flags, reason: plain(&self.reason.unwrap_or_default(), REASON_CHARS_MAX) }
            }
        }
    }
}

impl Found {
    fn unnamed() -> Self {
        Self { kind: String::new(), rule: String::new(), count: None }
    }

    fn flag(self) -> Flag {
        let kind = match self.kind.as_str() {
            "secret" => FlagKind::Secret,
            "personal" => FlagKind::Personal,
            "injection" => FlagKind::Injection,
            _ => FlagKind::Other,
        };
        let rule = plain(&self.rule, RULE_CHARS_MAX);
        let rule = if rule.is_empty() { "service".to_owned() } else { format!("service/{rule}") };
        Flag { kind, rule, count: self.count.unwrap_or(1) }
    }
}

/// Words of a stranger inside a message of ours.
fn plain(text: &str, most: usize) -> String {
    text.chars()
        .map(|c| if c.is_control() || c == '`' { ' ' } else { c })
        .take(most)
        .collect::<String>()
        .trim()
        .to_owned()
}
