//! The course of a session: what an agent is told when it begins, comes back, or wants to stop, and what is kept when it ends.

use std::path::Path;

use serde_json::json;

use crate::clients::hooked::{HookAnswer, Start};
use crate::domain::approval::About;
use crate::domain::brief::brief;
use crate::domain::command::{Change, Command, Target};
use crate::domain::decide::{gates::missing, session, usable, warn};
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts};
use crate::domain::ids::Time;
use crate::domain::refusal::Refusal;
use crate::domain::session::Opened;
use crate::domain::task::Task;
use crate::domain::visible::visible;
use crate::store::{self, Decide, Scope, With, contexts};
use crate::tools::Output;

use super::{Actor, TOOL, Told};
use crate::engine::{Engine, Failure, StoreError};

/// Tasks that a new session is told of; more it can list.
const LEFT_MAX: usize = 3;

impl Engine {
    pub(super) fn session_started(&self, told: &Told, actor: &Actor, how: Start) -> Result<HookAnswer, Failure> {
        let opened = match how {
            Start::Fresh => Opened::Fresh,
            Start::Resumed => Opened::Resumed,
            Start::Cleared => Opened::Cleared,
            Start::Compacted => Opened::Compacted,
        };
        self.note_session(actor, Some(opened))?;
        if how != Start::Resumed {
            self.had_nothing(actor);
        }
        for left in ["exec", super::effects::LOOKS] {
            crate::sandbox::sweep(&self.workspace.state.join(left), self.now());
        }
        if let Some(of_tasks) = self.temp_folder("any").parent() {
            crate::sandbox::sweep_notes(of_tasks, self.now());
        }
        let facts = self.hook_facts(actor)?;
        self.ready_for_answer(told, actor, &facts);
        let guard = told.guard.word();
        let mut text = format!("phasegate guards this session ({guard}).");
        let held = held(&facts);
        for task in &held {
            let brief = brief(&facts, task, None, &self.context(&self.hook_caller(actor)))?;
            text.push_str(&format!(" You hold {} and go on with it.\n\n{}", task.id, brief.text()));
        }
        if held.is_empty() {
            for task in self.left()? {
                let (id, title) = (task.id, visible(&task.spec.title));
                text.push_str(&format!(
                    " {id} “{title}” was left in phase {} by a session that has ended: claim_task {{\"id\":\"{id}\"}} goes on with it.",
                    task.phase
                ));
            }
            text.push_str(" You hold no task: claim_task {\"new\":{\"title\":\"…\"}} makes one of what you are asked to do, claim_task takes the next that waits.");
        }
        Ok(HookAnswer::Tell { context: text })
    }

    /// What other sessions have held to their end.
    fn left(&self) -> Result<Vec<Task>, StoreError> {
        self.view(|tx| {
            let mut found = Vec::new();
            for (id, until, ended) in store::sessions::left(tx)? {
                let known = store::read::task(tx, id)?.map(|(task, _)| task);
                found.extend(known.filter(|task| task.claim().is_some_and(|claim| claim.was_left(until, ended))));
            }
            found.truncate(LEFT_MAX);
            Ok(found)
        })
    }

    /// What was given before stands in this session's context no more.
    fn had_nothing(&self, actor: &Actor) {
        let given = self.view(|tx| contexts::given(tx, &actor.main, Time(0))).unwrap_or_default();
        if given.iter().any(|(_, prints)| !prints.is_empty())
            && let Err(error) = contexts::forget(self.backend.as_ref(), actor.main.clone())
        {
            tracing::warn!(%error, "what an agent was given before still counts as had, for an hour");
        }
    }

    /// One line, so that an agent knows where it stands after whatever the person has said.
    pub(super) fn prompted(&self, told: &Told, actor: &Actor) -> Result<HookAnswer, Failure> {
        self.note_session(actor, None)?;
        let facts = self.hook_facts(actor)?;
        self.ready_for_answer(told, actor, &facts);
        let lines: Vec<String> = held(&facts).iter().map(|task| line(task)).collect();
        if lines.is_empty() {
            return Ok(HookAnswer::Nothing);
        }
        let now = self.now();
        let of = |task: &Task| warn::in_danger(&facts, task, now).ok().and_then(|caps| warn::words(&caps));
        let caps: String =
            held(&facts).into_iter().filter_map(of).map(|words| format!("\nphasegate: {words}")).collect();
        let context = self.context(&self.hook_caller(actor));
        let mut yes = String::new();
        for task in held(&facts) {
            yes.extend(approved(&facts, task, &context)?.iter().map(|words| format!("\nphasegate: {words}")));
        }
        Ok(HookAnswer::Tell { context: format!("phasegate: you hold {}{yes}{caps}", lines.join("; ")) })
    }

    pub(super) fn subagent_started(&self, told: &Told, actor: &Actor) -> Result<HookAnswer, Failure> {
        self.note_session(actor, None)?;
        let facts = self.hook_facts(actor)?;
        self.ready_for_answer(told, actor, &facts);
        let lent = facts.lent.iter().filter_map(|id| facts.state.tasks.get(id)).map(line);
        let lent: Vec<String> = lent.collect();
        let text = if lent.is_empty() {
            "phasegate guards you. You hold no task; claim_task gives you one of your own.".to_owned()
        } else {
            format!(
                "phasegate guards you. You work under {}; what that phase does not open is refused. \
                 claim_task gives you a task of your own, if there is one for you.",
                lent.join("; ")
            )
        };
        Ok(HookAnswer::Tell { context: text })
    }

    /// What a subagent holds at its end goes back, so that others can have it.
    pub(super) fn subagent_stopped(&self, told: &Told, actor: &Actor) -> Result<HookAnswer, Failure> {
        self.read_usage_of(told, actor, true);
        if actor.main == actor.acting {
            return Ok(HookAnswer::Nothing);
        }
        self.answers_no_more(actor, false);
        let caller = self.hook_caller(actor);
        let facts = self.hook_facts(actor)?;
        for id in facts.held {
            let target = Target { task: Some(id), ..Target::default() };
            let scope = Scope::Task { target: target.clone(), with: With::Nothing };
            let change = Change::Release { reason: "the subagent has ended".to_owned() };
            self.command(&caller, TOOL, scope, Command::UpdateTask { target, change }, Vec::new())?;
        }
        let (session, agent) = (actor.shown.session.clone(), actor.acting.clone());
        let decide: Decide = Box::new(move |facts| {
            let known = facts.state.sessions.get(&session).and_then(|known| known.subagents.get(&agent));
            let open = known.is_some_and(|known| known.ended.is_none());
            let ended = Event::SubAgentEnded { session: session.clone(), agent: agent.clone() };
            Ok(if open { vec![ended] } else { Vec::new() })
        });
        self.transact(actor.scope(None, false), self.by(&caller, TOOL), Vec::new(), decide)?;
        Ok(HookAnswer::Nothing)
    }

    /// The agent is about to forget. Where it has left itself nothing, the hook leaves what it knows.
    pub(super) fn before_compaction(&self, told: &Told, actor: &Actor) -> Result<HookAnswer, Failure> {
        let caller = self.hook_caller(actor);
        let facts = self.hook_facts(actor)?;
        let context = self.context(&caller);
        for task in held(&facts).into_iter().filter(|task| may_checkpoint(task)) {
            let unmet = missing(&facts, task, &context)?;
            let transcript = told.hooked.transcript.as_deref().map(|path| path.display().to_string());
            let data = json!({
                "saved_by": "hook", "before": "compaction", "phase": task.phase, "unmet": unmet, "transcript": transcript,
                "last_progress": task.progress.as_ref().map(|progress| progress.note.clone()),
            });
            let target = Target { task: Some(task.id), ..Target::default() };
            let scope = Scope::Task { target: target.clone(), with: With::Nothing };
            let change = Change::Checkpoint { data };
            self.command(&caller, TOOL, scope, Command::UpdateTask { target, change }, Vec::new())?;
        }
        Ok(HookAnswer::Nothing)
    }

    /// Settings that would take the guard away do not come to count.
    pub(super) fn settings_changed(
        &self,
        told: &Told,
        actor: &Actor,
        source: &str,
        file: Option<&Path>,
    ) -> Result<HookAnswer, Failure> {
        let known = self.hook_facts(actor)?.state.sessions.remove(&actor.shown.session);
        let before = known.as_ref().map(|known| (known.guard, known.why.as_str()));
        let now = (told.guard, told.guard_why.as_str());
        // What was wrong before and is no worse now is another matter than this change.
        let worse = told.guard_lost && before.is_none_or(|before| now.0 <= before.0 && now != before);
        if !worse {
            if before.is_some_and(|before| before != now) {
                self.note_session(actor, Some(Opened::Midway))?;
            }
            return Ok(HookAnswer::Nothing);
        }
        let why = told.guard_why.as_str();
        let caller = self.hook_caller(actor);
        let (session, source) = (actor.shown.session.clone(), source.to_owned());
        let file = file.map(|path| path.display().to_string());
        let decide: Decide = Box::new(move |_| {
            let (session, source, file) = (session.clone(), source.clone(), file.clone());
            Ok(vec![Event::GuardKept { session, source, file }])
        });
        self.transact(actor.scope(None, false), self.by(&caller, TOOL), Vec::new(), decide)?;
        let reason = format!(
            "phasegate: these settings would take its guard away ({why}), so they do not count; `phasegate init` puts them right, `phasegate init --undo` takes them out"
        );
        Ok(HookAnswer::Block { reason })
    }

    /// Once: an agent that insists may stop, and its claim runs out or is taken up again.
    pub(super) fn stopping(&self, told: &Told, actor: &Actor, again: bool) -> Result<HookAnswer, Failure> {
        self.read_usage_of(told, actor, true);
        let open = if again { Vec::new() } else { self.unfinished(actor)? };
        if open.is_empty() {
            self.answers_no_more(actor, false);
            return Ok(HookAnswer::Nothing);
        }
        let reason = format!(
            "phasegate: {}. Go on, or say why not: update_task with `release`, `blocker` or `fail`, or request_approval to ask a person.",
            open.join(". ")
        );
        Ok(HookAnswer::Block { reason })
    }

    /// What the agent holds and could go on with, in words.
    fn unfinished(&self, actor: &Actor) -> Result<Vec<String>, Failure> {
        let facts = self.hook_facts(actor)?;
        let context = self.context(&self.hook_caller(actor));
        let mut open = Vec::new();
        for task in held(&facts) {
            let unmet = missing(&facts, task, &context)?;
            // Whoever waits for a person has nothing to do meanwhile.
            let waits = facts.state.approvals.values().any(|known| {
                known.task == Some(task.id) && known.state.is_pending() && !known.has_run_out(context.now)
            });
            if waits {
                continue;
            }
            let missing: Vec<String> =
                unmet.iter().map(|gate| format!("{}: {} ({})", gate.gate, gate.missing, gate.how)).collect();
            let next = facts.phase_of(task)?.next.first().cloned().unwrap_or_else(|| "the end".to_owned());
            let missing = if missing.is_empty() {
                format!("nothing is missing: transition_phase to {next}")
            } else {
                format!("before {next}: {}", missing.join("; "))
            };
            open.push(format!("{} is not finished; {missing}", line(task)));
        }
        Ok(open)
    }

    /// A limit of the model's service: the claim waits for it.
    pub(super) fn stopped_by_failure(&self, told: &Told, actor: &Actor, message: &str) -> Result<HookAnswer, Failure> {
        let now = self.now();
        self.answers_no_more(actor, false);
        if let Some((until, why)) = self.limit_of(told, actor, message, now) {
            let caller = self.hook_caller(actor);
            let context = self.context(&caller);
            let decide: Decide = Box::new(move |facts| Ok(session::parked(facts, until, &why, &context)));
            self.transact(actor.scope(None, false), self.by(&caller, TOOL), Vec::new(), decide)?;
        }
        Ok(HookAnswer::Nothing)
    }

    /// Claims stay until their leases end: the session may be taken up again.
    pub(super) fn session_ended(&self, told: &Told, actor: &Actor, why: &str) -> Result<HookAnswer, Failure> {
        self.read_usage_of(told, actor, true);
        self.answers_no_more(actor, true);
        let caller = self.hook_caller(actor);
        let (session, why) = (actor.shown.session.clone(), why.to_owned());
        let decide: Decide = Box::new(move |facts| {
            let open = facts.state.sessions.get(&session).is_some_and(|known| known.ended.is_none());
            let ended = Event::SessionEnded { session: session.clone(), why: why.clone() };
            Ok(if open { vec![ended] } else { Vec::new() })
        });
        self.transact(actor.scope(None, false), self.by(&caller, TOOL), Vec::new(), decide)?;
        Ok(HookAnswer::Nothing)
    }

    /// With everything that the gates of held tasks speak of.
    fn hook_facts(&self, actor: &Actor) -> Result<Facts, Failure> {
        self.looked_at(actor, true)
    }

    pub(super) fn looked_at(&self, actor: &Actor, gates: bool) -> Result<Facts, Failure> {
        let by = self.by(&self.hook_caller(actor), TOOL);
        let scope = actor.scope(None, gates);
        Ok(store::snapshot(self.backend.as_ref(), |tx| store::look(tx, &scope, &by))?)
    }
}

fn held(facts: &Facts) -> Vec<&Task> {
    facts.held.iter().filter_map(|id| facts.state.tasks.get(id)).collect()
}

/// What a person has said yes to and nobody has made use of. An answer to a question is read with request_approval.
fn approved(facts: &Facts, task: &Task, context: &Context) -> Result<Vec<String>, Refusal> {
    let unmet = missing(facts, task, context)?;
    let words = facts.state.approvals.values().filter_map(|known| {
        let mine = known.task == Some(task.id) && known.visit == task.visit;
        let next = match &known.about {
            _ if !mine || usable(facts, known, None, context).is_err() => return None,
            About::Question { .. } => return None,
            About::Gate { gate } if unmet.iter().any(|unmet| unmet.gate == *gate) => return None,
            About::Gate { .. } if unmet.is_empty() => "transition_phase now",
            About::Gate { .. } => "its gate is met, others of the phase are not",
            About::Call { .. } => "make that call now, as it was approved",
        };
        let reason = known.state.answer().map(|answer| answer.reason.as_str()).filter(|reason| !reason.is_empty());
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        Some(format!("{} was approved{reason}: {next}", known.id))
    });
    Ok(words.collect())
}

/// Nothing of the agent's own is written over.
fn may_checkpoint(task: &Task) -> bool {
    task.checkpoint.as_ref().is_none_or(|known| known.data.get("saved_by").is_some_and(|by| by == "hook"))
}

fn line(task: &Task) -> String {
    format!("{} \u{201c}{}\u{201d} in phase {}", task.id, task.spec.title, task.phase)
}
