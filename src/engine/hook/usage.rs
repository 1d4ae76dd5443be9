//! What a session has cost since the last look, and limits of the model's service, from the client's own transcript.

use crate::clients::transcript;
use crate::domain::decide::budget;
use crate::domain::facts::Facts;
use crate::domain::ids::{AgentName, TaskId, Time};
use crate::domain::route::Work;
use crate::domain::session::Session;
use crate::domain::spending::Spent;
use crate::domain::workflow::ModelTier;
use crate::engine::spending::{SessionFiles, Working};
use crate::routing::catalogue::Model;
use crate::routing::estimate::first_answer;
use crate::routing::prices::dearest;
use crate::store::{StoreError, sessions, spending};

use super::{Actor, Told};
use crate::engine::Engine;

/// What a service that takes no more for now is given where it does not say until when.
const PARKED_SECONDS: u64 = 15 * 60;
const WHY_CHARS: usize = 200;

impl Engine {
    /// Counting comes late rather than never: a transcript that cannot be read now is read at the next event. Whether there
    /// were answers that had not been counted.
    pub(super) fn read_usage_of(&self, told: &Told, actor: &Actor, all: bool) -> bool {
        match self.usage_of(told, actor, all) {
            Ok((counted, _)) => counted,
            Err(error) => {
                tracing::warn!(%error, "the transcript of a session was not read; it is tried again");
                false
            }
        }
    }

    fn usage_of(&self, told: &Told, actor: &Actor, all: bool) -> Result<(bool, Option<Limited>), StoreError> {
        let Some(transcript) = told.hooked.transcript.as_deref() else { return Ok((false, None)) };
        let subagent = told.hooked.agent.as_ref().map(|sub| sub.id.as_str());
        let session = actor.shown.session.0.as_str();
        let files = SessionFiles { client: told.client, session, transcript, subagent, all };
        let working = |subagent: Option<&str>| {
            let agent = subagent.map_or_else(|| actor.main.clone(), |id| Session::subagent(&actor.main, id));
            Working { task: self.works_on(&agent, &actor.main), agent }
        };
        let new = self.read_usage(&files, &working)?;
        let limited = new.limit.map(|limit| Limited {
            until: limit.resets_at.map(|seconds| Time(seconds.saturating_mul(1000))),
            said: limit.said.chars().take(WHY_CHARS).collect(),
        });
        Ok((new.spent.calls > 0, limited))
    }

    /// Of the model that answers, as its client says or as it was routed; of an unknown one at the dearest price.
    pub(super) fn first_answer(&self, told: &Told, actor: &Actor, facts: &Facts) -> Spent {
        let table = self.routes.catalogue();
        let task = facts.held.first().or(facts.lent.first()).and_then(|id| facts.state.tasks.get(id));
        let session = facts.state.sessions.get(&actor.shown.session).filter(|_| actor.main == actor.acting);
        let says = told.hooked.model.as_ref().or(session.and_then(|known| known.model.as_ref()));
        let routed = task.and_then(|task| task.route.as_ref()).and_then(|route| route.now.model.as_ref());
        let known = || says.into_iter().chain(routed).find_map(|model| table.find(model));
        let model = known().or_else(|| table.of_tier(ModelTier::Strong, told.client, false).filter(|_| says.is_none()));
        let price = model.map_or_else(|| dearest(table), Model::price);
        first_answer(&task.map(|task| Work::of(&task.spec, 0)).unwrap_or_default(), &price)
    }

    /// For the answer that follows whatever nobody refuses: a prompt, a claim, a session that goes on. Others under the same
    /// cap have to know of it; what does not fit any more is not set aside.
    pub(super) fn ready_for_answer(&self, told: &Told, actor: &Actor, facts: &Facts) {
        let Some(task) = facts.held.first().or(facts.lent.first()).copied().filter(|_| told.measured().is_some())
        else {
            return;
        };
        if facts.accounts.is_empty() {
            return;
        }
        let now = self.now();
        let wish = budget::next_answer(facts, task, self.first_answer(told, actor, facts));
        let amount = budget::fitting(facts, task, wish.amount, now);
        if amount.is_nothing() {
            return;
        }
        let thread = actor.thread();
        let kept = self.counting(move |tx| spending::keep_aside(tx, &thread, task, amount, now));
        if let Err(error) = kept {
            tracing::warn!(%error, "nothing was set aside for the next answer of an agent; it is at its next call");
        }
    }

    /// No answer follows, until its person or a call asks for one.
    pub(super) fn answers_no_more(&self, actor: &Actor, all: bool) {
        let thread = actor.thread();
        let known = self.view(|tx| spending::of_session(tx, &thread.session));
        if known.is_ok_and(|known| known.is_empty()) {
            return;
        }
        let given = self.counting(move |tx| match all {
            true => spending::give_back_all(tx, &thread.session),
            false => spending::give_back(tx, &thread),
        });
        if let Err(error) = given {
            tracing::warn!(%error, "what an agent set aside for an answer was not given back; it lapses");
        }
    }

    /// Its own task, else that of whom it works for.
    fn works_on(&self, agent: &AgentName, main: &AgentName) -> Option<TaskId> {
        let held = |agent: &AgentName| self.view(|tx| sessions::first_held(tx, agent)).ok().flatten();
        held(agent).or_else(|| held(main))
    }

    /// Until when the service takes no more: as its words or the transcript say; nothing where it is another failure.
    pub(super) fn limit_of(&self, told: &Told, actor: &Actor, message: &str, now: Time) -> Option<(Time, String)> {
        let in_transcript = self.usage_of(told, actor, false).ok().and_then(|(_, limited)| limited);
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
