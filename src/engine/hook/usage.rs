//! What a session has cost since the last look, and limits of the model's service, from the client's own transcript.

use crate::clients::transcript;
use crate::domain::ids::{AgentName, TaskId, Time};
use crate::domain::session::Session;
use crate::engine::spending::{SessionFiles, Working};
use crate::store::StoreError;
use crate::store::sessions;

use super::{Actor, Told};
use crate::engine::Engine;

/// What a service that takes no more for now is given where it does not say until when.
const PARKED_SECONDS: u64 = 15 * 60;
const WHY_CHARS: usize = 200;

impl Engine {
    /// Counting comes late rather than never: a transcript that cannot be read now is read at the next event.
    pub(super) fn read_usage_of(&self, told: &Told, actor: &Actor, all: bool) {
        if let Err(error) = self.usage_of(told, actor, all) {
            tracing::warn!(%error, "the transcript of a session was not read; it is tried again");
        }
    }

    fn usage_of(&self, told: &Told, actor: &Actor, all: bool) -> Result<Option<Limited>, StoreError> {
        let Some(transcript) = told.hooked.transcript.as_deref() else { return Ok(None) };
        let subagent = told.hooked.agent.as_ref().map(|sub| sub.id.as_str());
        let session = actor.shown.session.0.as_str();
        let files = SessionFiles { client: told.client, session, transcript, subagent, all };
        let working = |subagent: Option<&str>| {
            let agent = subagent.map_or_else(|| actor.main.clone(), |id| Session::subagent(&actor.main, id));
            Working { task: self.works_on(&agent, &actor.main), agent }
        };
        let new = self.read_usage(&files, &working)?;
        Ok(new.limit.map(|limit| Limited {
            until: limit.resets_at.map(|seconds| Time(seconds.saturating_mul(1000))),
            said: limit.said.chars().take(WHY_CHARS).collect(),
        }))
    }

    /// Its own task, else that of whom it works for.
    fn works_on(&self, agent: &AgentName, main: &AgentName) -> Option<TaskId> {
        let held = |agent: &AgentName| self.view(|tx| sessions::first_held(tx, agent)).ok().flatten();
        held(agent).or_else(|| held(main))
    }

    /// Until when the service takes no more: as its words or the transcript say; nothing where it is another failure.
    pub(super) fn limit_of(&self, told: &Told, actor: &Actor, message: &str, now: Time) -> Option<(Time, String)> {
        let in_transcript = self.usage_of(told, actor, false).ok().flatten();
        let low = message.to_ascii_lowercase();
        let signs = ["rate limit", "rate_limit", "usage limit", "overloaded", "limit reached", "429", "529"];
        if in_transcript.is_none() && !signs.iter().any(|sign| low.contains(sign)) {
            return None;
        }
        let in_words = || transcript::resets_at(message).map(|seconds| Time(seconds.saturating_mul(1000)));
        let until = in_transcript.as_ref().and_then(|limited| limited.until);
        let said = until.into_iter().chain(in_words()).find(|until| *until > now);
        let why = in_transcript.map_or_else(|| message.chars().take(WHY_CHARS).collect(), |limited| limited.said);
        Some((said.unwrap_or_else(|| now.plus_seconds(PARKED_SECONDS)), why))
    }
}

struct Limited {
    until: Option<Time>,
    said: String,
}
