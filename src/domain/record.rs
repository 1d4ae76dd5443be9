//! Records of the log as they are asked for: the filter, who sees which, what is counted, the shapes of the answers.
//! How a filter is held against a record is not here (`audit`), nor where records lie (`store`).

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event;
use super::facts::{Caller, Role};
use super::ids::{AgentName, TaskId, Time};
use super::refusal::{Code, Refusal};

/// Conditions that all hold; one that is left out lets everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordFilter {
    pub task: Option<TaskId>,
    pub agent: Option<String>,
    pub role: Option<String>,
    /// Any of these; empty: every kind.
    pub kinds: BTreeSet<String>,
    pub verdict: Option<CallVerdict>,
    pub tool: Option<String>,
    /// Of a refusal.
    pub code: Option<String>,
    /// Entered, left or named by the event.
    pub phase: Option<String>,
    /// A pattern for a file that the event names: `*` within a name, `**` across folders.
    pub path: Option<String>,
    /// Where the work tree lies: whole paths below it are held against the pattern without it.
    pub root: Option<String>,
    /// Anywhere in the record, whatever the case of its letters.
    pub text: Option<String>,
    pub since: Option<Time>,
    pub until: Option<Time>,
    /// Newest first unless this is set; then upwards from here.
    pub after: Option<u64>,
    pub before: Option<u64>,
    pub limit: usize,
    /// Not empty: no records, but how many there are by these.
    pub count_by: Vec<CountBy>,
}

/// Longer texts would only slow a search that reads much already.
pub const TEXT_MAX: usize = 200;
pub const COUNT_BY_MAX: usize = 2;

/// How the call that a record tells of was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallVerdict {
    Allowed,
    Refused,
    /// Let through although a rule says no.
    Waived,
}

impl CallVerdict {
    pub const ALL: [Self; 3] = [Self::Allowed, Self::Refused, Self::Waived];

    pub fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::Waived => "waived",
        }
    }

    /// By the name of the event, since every refusal has an event of its own; a client's call says it in the event.
    pub fn by_kind(kind: &str) -> Option<Self> {
        match kind {
            "CommandRefused" | "RefusalsRepeated" => Some(Self::Refused),
            "RuleWaived" => Some(Self::Waived),
            JUDGED_KIND => None,
            _ => Some(Self::Allowed),
        }
    }

    pub fn parse(word: &str) -> Result<Self, String> {
        chosen(&Self::ALL, Self::word, word, "verdict")
    }
}

pub const JUDGED_KIND: &str = "CallJudged";
pub const OBSERVED_KIND: &str = "CallObserved";
/// Among kinds: judged calls of tools that write files. No event has such a name.
pub const JUDGED_WRITE: &str = "CallJudged:write";

/// What records are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CountBy {
    Kind,
    Agent,
    Tool,
    Verdict,
    Task,
    /// In UTC.
    Day,
    /// The one that the event names as its own.
    Phase,
}

impl CountBy {
    pub const ALL: [Self; 7] = [Self::Kind, Self::Agent, Self::Tool, Self::Verdict, Self::Task, Self::Day, Self::Phase];

    pub fn word(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Agent => "agent",
            Self::Tool => "tool",
            Self::Verdict => "verdict",
            Self::Task => "task",
            Self::Day => "day",
            Self::Phase => "phase",
        }
    }

    /// One word, or two with a comma between.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        let mut found: Vec<Self> = Vec::new();
        for word in words(text) {
            let by = chosen(&Self::ALL, Self::word, word, "thing to count by")?;
            if !found.contains(&by) {
                found.push(by);
            }
        }
        if found.len() > COUNT_BY_MAX {
            return Err(format!("`{}` are {} things to count by; give one or two", shown(text), found.len()));
        }
        Ok(found)
    }
}

/// Words for several kinds at once.
const KIND_GROUPS: [(&str, &[&str]); 8] = [
    ("write", &["ArtifactSubmitted", "ViolationFound", JUDGED_WRITE]),
    ("call", &[JUDGED_KIND, OBSERVED_KIND]),
    ("session", &["SessionStarted", "SessionEnded", "SubAgentStarted", "SubAgentEnded", "GuardKept"]),
    ("violation", &["ViolationFound", "ViolationUndone", "ViolationAccepted"]),
    ("refusal", &["CommandRefused", "RefusalsRepeated"]),
    ("claim", &["TaskClaimed", "ClaimResumed", "ClaimExpired", "ClaimReleased", "ClaimParked"]),
    ("gate", &["GateStarted", "GatePassed", "GateRefused", "GateOrphaned", "GateObserved"]),
    (
        "approval",
        &[
            "ApprovalRequested",
            "ApprovalApproved",
            "ApprovalRejected",
            "ApprovalAdjusted",
            "ApprovalExpired",
            "ApprovalCancelled",
            "ApprovalConsumed",
        ],
    ),
];

/// Names of kinds and of groups of them, with commas between.
pub fn parse_kinds(text: &str) -> Result<BTreeSet<String>, String> {
    let mut kinds = BTreeSet::new();
    for word in words(text) {
        match KIND_GROUPS.iter().find(|(group, _)| *group == word) {
            Some((_, members)) => kinds.extend(members.iter().map(|kind| (*kind).to_owned())),
            None if event::kinds().contains(word) => {
                kinds.insert(word.to_owned());
            }
            // A slip of the pen must not read as "nothing happened".
            None => return Err(format!("`{}` is no kind of record; {}", shown(word), near(word))),
        }
    }
    Ok(kinds)
}

fn near(word: &str) -> String {
    let lower = word.to_lowercase();
    let known = event::kinds().iter().filter(|kind| kind.to_lowercase().contains(&lower)).take(5);
    let like: Vec<&str> = known.map(String::as_str).collect();
    if like.is_empty() {
        let groups: Vec<&str> = KIND_GROUPS.iter().map(|(group, _)| *group).collect();
        return format!("`phasegate schema event` lists them; groups: {}", groups.join(", "));
    }
    format!("there is {}", like.join(", "))
}

/// The name of a role, as records have it.
pub fn parse_role(word: &str) -> Result<String, String> {
    const ROLES: [Role; 5] = [Role::Agent, Role::Approver, Role::Operator, Role::Auditor, Role::System];
    chosen(&ROLES, Role::word, word, "role").map(|role| role.word().to_owned())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn chosen<T: Copy>(all: &[T], name: fn(T) -> &'static str, word: &str, what: &str) -> Result<T, String> {
    all.iter().copied().find(|one| name(*one) == word).ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|one| name(*one)).collect();
        format!("`{}` is no {what}; known: {}", shown(word), known.join(", "))
    })
}

fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

const PATTERN_BYTES_MAX: usize = 512;
const PATTERN_STARS_MAX: usize = 16;

/// Matching takes pattern times path, so a pattern has its bounds.
pub fn good_pattern(pattern: &str) -> Result<(), String> {
    let (bytes, stars) = (pattern.len(), pattern.matches('*').count());
    if bytes <= PATTERN_BYTES_MAX && stars <= PATTERN_STARS_MAX {
        return Ok(());
    }
    Err(format!(
        "a pattern has at most {PATTERN_BYTES_MAX} bytes and {PATTERN_STARS_MAX} `*`; this one has {bytes} and {stars}"
    ))
}

/// Which records a caller is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    Everything,
    /// An agent: its own calls, and the tasks that it holds or has held.
    Own {
        agent: AgentName,
        held: BTreeSet<TaskId>,
    },
}

impl Sight {
    pub fn of(caller: &Caller, held: &[TaskId]) -> Self {
        match caller.role {
            Role::Agent => Self::Own { agent: caller.agent.clone(), held: held.iter().copied().collect() },
            Role::Approver | Role::Operator | Role::Auditor | Role::System => Self::Everything,
        }
    }

    /// What is said to a caller who is not shown everything.
    pub fn limits(&self) -> Option<String> {
        match self {
            Self::Everything => None,
            Self::Own { .. } => Some("only records of your tasks and of your own calls are shown".to_owned()),
        }
    }
}

/// For what is shown whole or not at all.
pub fn shown_whole(caller: &Caller, what: &str) -> Result<(), Refusal> {
    match caller.role {
        Role::Approver | Role::Operator | Role::Auditor | Role::System => Ok(()),
        Role::Agent => {
            let message =
                format!("{what} takes the role operator, approver or auditor; `{}` is an agent", caller.agent);
            Err(Refusal::new(Code::RoleRequired, message, "a person with such a credential does this"))
        }
    }
}

/// One record of the log, as it was stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    pub seq: u64,
    pub at: Time,
    pub agent: AgentName,
    pub role: String,
    pub tool: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Where it was erased: its `type`, and `erased`.
    pub event: Value,
}

/// What stays known of a record without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErasedRecord {
    pub seq: u64,
    pub kind: String,
    pub at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordPage {
    pub records: Vec<Record>,
    /// In place of records, where they were to be counted: the most frequent first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Vec<Count>>,
    /// Pass it as `before` (or `after`, when reading upwards) to go on; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// How many records were looked at, where that is more than are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scanned: Option<u64>,
    /// What was left out, and how to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<String>,
    /// Which records this caller is shown, where not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited_to: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Count {
    /// Such as `kind` and `day`; empty text where a record has none.
    #[serde(flatten)]
    pub by: BTreeMap<String, String>,
    pub records: u64,
    /// US dollars and tokens that agents reported in these records; absent where they reported none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_wrong_ones_are_told_what_there_is() {
        assert_eq!(CountBy::parse_list("day, kind,day"), Ok(vec![CountBy::Day, CountBy::Kind]));
        assert!(CountBy::parse_list("day,kind,task").is_err_and(|why| why.contains("one or two")));
        assert!(
            CountBy::parse_list("colour")
                .is_err_and(|why| why.ends_with("kind, agent, tool, verdict, task, day, phase"))
        );
        assert_eq!(CallVerdict::parse("waived"), Ok(CallVerdict::Waived));
        assert!(CallVerdict::parse("deny").is_err());
        let kinds: Vec<String> = parse_kinds("refusal, TaskClaimed").unwrap().into_iter().collect();
        assert_eq!(kinds, ["CommandRefused", "RefusalsRepeated", "TaskClaimed"]);
        for (_, members) in KIND_GROUPS {
            let unknown: Vec<_> = members.iter().filter(|kind| !event::kinds().contains(**kind)).collect();
            assert!(unknown.is_empty() || unknown == [&JUDGED_WRITE], "{unknown:?}");
        }
        assert!(parse_kinds(JUDGED_WRITE).is_err());
    }
}
