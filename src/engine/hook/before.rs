//! A call that is about to run: judged and recorded in one transaction, then answered.

use serde_json::Value;

use crate::clients::hooked::{HookAnswer, ToolCall};
use crate::domain::approval::Approval;
use crate::domain::decide::route::for_subagent;
use crate::domain::decide::{budget, consume, session};
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts};
use crate::domain::route::{RouteCause, Routed};
use crate::domain::session::{Judged, SeenCall};
use crate::domain::spending::Spent;
use crate::domain::task::Task;
use crate::domain::workflow::Enforcement;
use crate::policy::client_call::{self, ClientCall, Held, Lacks, Ruled, Ruling, SHELL, Unruled};
use crate::sandbox::Rung;
use crate::store::{self, Decide, Missing, Stop};
use crate::tools;

use super::{Actor, TOOL, Told};
use crate::engine::{Engine, Failure};

/// Our own tools, however the client names them: the engine judges those itself. Another server may call itself so too,
/// and what is none of our tools is judged like any other.
pub(super) const OWN: &str = "mcp__phasegate__";
const SUBAGENT: &str = "Agent";

impl Engine {
    pub(super) fn before(&self, told: &Told, actor: &Actor, call: &ToolCall) -> Result<HookAnswer, Failure> {
        if is_own(&call.tool) {
            return self.own_call(told, actor, call);
        }
        let counted = self.count_first(told, actor)?;
        // Asked for a command only: nothing else is given to the kernel to hold.
        let is_command = call.tool == SHELL && call.input.get("command").is_some_and(Value::is_string);
        let rung = if is_command { self.kernel(&told.binary) } else { Rung::None };
        // Without an id too: some clients have none, and what a phase requires is not less there.
        let can_confine = told.rewrite.is_some();
        let judged = self.client_call(told, call, can_confine && rung == Rung::Full, counted.first);
        let shown = judged.shown();
        let caller = self.hook_caller(actor);
        let routes = told.route.is_some();
        // Nothing is promised of what another sandbox may leave.
        let promised = if told.own_sandbox { Rung::None } else { rung };
        let kernel = can_confine.then_some(Kernel { promised, most: rung });
        let how = How { shown: actor.shown.clone(), asks: told.asks, kernel, routes };
        if routes && call.tool == SUBAGENT {
            self.learn_once();
        }
        let context = self.context(&caller);
        let decide = decision(context.clone(), how, judged, call.clone());
        let scope = actor.scope(call.id.as_deref(), false);
        let outcome = self.transact(scope, self.by(&caller, TOOL), Vec::new(), decide)?;
        let again = call.id.as_ref().and_then(|id| outcome.facts.state.seen_calls.get(id)).map(said_before);
        let Some(verdict) = outcome.events.iter().find_map(said).or(again) else { return Ok(HookAnswer::Nothing) };
        let facts = &outcome.facts;
        let first = facts.held.first().or(facts.lent.first());
        let task = first.and_then(|id| facts.state.tasks.get(id));
        let silent = observes(facts, task);
        if let (Some(task), Said::Denied(_)) = (task, &verdict) {
            self.free_what_is_counted(actor, facts, task, &counted);
        }
        // What a person is asked about runs without another word to the hook.
        if task.is_some() && !matches!(verdict, Said::Denied(_)) {
            self.look_before(actor, call);
        }
        let tell =
            |reason: Option<String>| reason.filter(|_| !silent).map(|reason| format!("phasegate: {reason}; recorded"));
        let answer = match verdict {
            Said::Allowed { confined: Some(held), note } => {
                noted(self.confined(told, call, facts, task, held)?, tell(note))
            }
            Said::Allowed { confined: None, note } => {
                let recorded = outcome.events.iter().find_map(recorded);
                let chosen = recorded.or_else(|| routed(told.route.is_some(), call, facts, task, &context));
                let input = chosen.zip(told.route).and_then(|(chosen, put)| put(&call.native, chosen.tier));
                HookAnswer::Allow { input, note: tell(note) }
            }
            Said::Left => HookAnswer::Nothing,
            Said::Noted(reason) => {
                tell(Some(reason)).map_or(HookAnswer::Nothing, |context| HookAnswer::Tell { context })
            }
            Said::Asked(reason) => HookAnswer::Ask { reason: format!("phasegate: `{shown}`: {reason}") },
            Said::Denied(reason) => HookAnswer::Deny { reason: format!("phasegate: {reason}") },
        };
        Ok(if silent { answer } else { self.with_line(answer, actor, facts) })
    }

    /// What the model has used up since the last call counts before this one, where a budget is to be kept.
    fn count_first(&self, told: &Told, actor: &Actor) -> Result<Counted, Failure> {
        let Some(file) = told.measured() else { return Ok(Counted::default()) };
        let facts = self.looked_at(actor, false)?;
        if facts.accounts.is_empty() {
            return Ok(Counted::default());
        }
        let any = file.exists() && self.read_usage_of(told, actor, false);
        Ok(Counted { any, first: self.first_answer(told, actor, &facts) })
    }

    /// Where there is nothing left for the answer after a call. What was set aside for the one before it, which is counted by
    /// now, goes back then: else agents that are all refused would keep the rest of a cap from each other.
    fn free_what_is_counted(&self, actor: &Actor, facts: &Facts, task: &Task, counted: &Counted) {
        let answer = budget::next_answer(facts, task.id, counted.first);
        if counted.any && budget::within(facts, task.id, answer, self.now()).is_err() {
            self.answers_no_more(actor, false);
        }
    }

    /// With a word on a budget that is nearly used up, where the answer is one that the agent reads.
    fn with_line(&self, answer: HookAnswer, actor: &Actor, facts: &Facts) -> HookAnswer {
        let line = || self.hook_budget(&actor.acting, facts).map(|line| format!("phasegate: {line}"));
        match answer {
            HookAnswer::Allow { input, note } => {
                let both: Vec<String> = note.into_iter().chain(line()).collect();
                HookAnswer::Allow { input, note: (!both.is_empty()).then(|| both.join("\n")) }
            }
            HookAnswer::Nothing => line().map_or(HookAnswer::Nothing, |context| HookAnswer::Tell { context }),
            HookAnswer::Tell { context } => {
                HookAnswer::Tell { context: [context].into_iter().chain(line()).collect::<Vec<_>>().join("\n") }
            }
            other => other,
        }
    }

    /// The call that the server is about to get: this row is how it learns who calls, and that a guard is there.
    fn own_call(&self, told: &Told, actor: &Actor, call: &ToolCall) -> Result<HookAnswer, Failure> {
        self.note_session(actor, None)?;
        if let Some(id) = told.noted(call) {
            let seen = SeenCall {
                call: id,
                session: actor.shown.session.clone(),
                agent: actor.acting.clone(),
                tool: call.tool.clone(),
                task: None,
                digest: String::new(),
                command: None,
                confined: None,
                aside: Spent::default(),
                verdict: Judged::Allow,
            };
            store::sessions::note(self.backend.as_ref(), seen, self.now())?;
        }
        Ok(HookAnswer::Allow { input: None, note: None })
    }

    /// Whatever is new about the session goes on record; nothing is written where nothing is.
    pub(super) fn note_session(
        &self,
        actor: &Actor,
        how: Option<crate::domain::session::Opened>,
    ) -> Result<store::Outcome, Failure> {
        let caller = self.hook_caller(actor);
        let (scope, by, shown) = (actor.scope(None, true), self.by(&caller, TOOL), actor.shown.clone());
        let facts = store::snapshot(self.backend.as_ref(), |tx| store::look(tx, &scope, &by))?;
        if session::shown(&facts, &shown, how).is_empty() {
            return Ok(store::Outcome { facts, ..store::Outcome::default() });
        }
        let by = self.by(&caller, TOOL);
        let decide: Decide = Box::new(move |facts| Ok(session::shown(facts, &shown, how)));
        self.transact(scope, by, Vec::new(), decide)
    }
}

/// What was done before a call was judged.
#[derive(Default)]
struct Counted {
    /// There were new answers.
    any: bool,
    /// What a first answer is taken to cost.
    first: Spent,
}

enum Said {
    Allowed {
        confined: Option<Rung>,
        note: Option<String>,
    },
    Left,
    /// It passes although the verdict was no.
    Noted(String),
    Asked(String),
    Denied(String),
}

pub(super) fn is_own(tool: &str) -> bool {
    tool.strip_prefix(OWN).is_some_and(|tool| tools::find(tool).is_ok())
}

/// What was said of the same call when it was told first.
fn said_before(seen: &SeenCall) -> Said {
    match seen.verdict {
        Judged::Allow => Said::Allowed { confined: held(seen.confined.as_deref()), note: None },
        Judged::Left => Said::Left,
        Judged::Ask => Said::Asked("a person decides about it".to_owned()),
        Judged::Deny => Said::Denied("it was refused before".to_owned()),
    }
}

/// The workflow that decides, of the task or by default, records and says nothing.
pub(super) fn observes(facts: &Facts, task: Option<&Task>) -> bool {
    let workflow =
        task.map_or_else(|| facts.default_workflow(), |task| facts.workflow_of(task).ok().map(AsRef::as_ref));
    workflow.is_some_and(|workflow| workflow.enforcement == Enforcement::Observe)
}

fn noted(answer: HookAnswer, more: Option<String>) -> HookAnswer {
    match answer {
        HookAnswer::Allow { input, note } => HookAnswer::Allow { input, note: note.or(more) },
        other => other,
    }
}

/// As the record has it.
fn held(word: Option<&str>) -> Option<Rung> {
    let word = word?;
    [Rung::Full, Rung::Writes, Rung::None].into_iter().find(|rung| rung.word() == word)
}

fn said(event: &Event) -> Option<Said> {
    let Event::CallJudged { verdict, reason, waived, bypass, confined, .. } = event else { return None };
    Some(match verdict {
        Judged::Allow => {
            // Let through by a bypass, it is as open as any other; by an empty purse that does not count, it is told.
            let note = (*waived && bypass.is_none()).then(|| reason.clone());
            Said::Allowed { confined: held(confined.as_deref()), note }
        }
        Judged::Left => Said::Left,
        Judged::Deny | Judged::Ask if *waived => Said::Noted(reason.clone()),
        Judged::Ask => Said::Asked(reason.clone()),
        Judged::Deny => Said::Denied(reason.clone()),
    })
}

/// The model for a subagent that is about to start, where the client lets one be put in.
fn routed(can: bool, call: &ToolCall, facts: &Facts, task: Option<&Task>, context: &Context) -> Option<Routed> {
    if !can || call.tool != SUBAGENT {
        return None;
    }
    let text = |name: &str| call.input.get(name).and_then(Value::as_str).unwrap_or_default();
    for_subagent(facts, task?, text("prompt"), !text("model").is_empty(), context)
}

fn recorded(event: &Event) -> Option<Routed> {
    match event {
        Event::ModelRouted { because: RouteCause::Subagent, route, .. } => Some(route.clone()),
        _ => None,
    }
}

/// What the kernel holds of a command that is given to it.
struct Kernel {
    promised: Rung,
    most: Rung,
}

/// What the client and the machine can do.
struct How {
    shown: session::Shown,
    /// The client can ask a person.
    asks: bool,
    /// Nothing where no command can be given to it.
    kernel: Option<Kernel>,
    /// A model can be put into the start of a subagent.
    routes: bool,
}

fn decision(context: Context, how: How, judged: ClientCall, call: ToolCall) -> Decide {
    let How { shown, asks, kernel, routes } = how;
    Box::new(move |facts| {
        let (input, digest) = session::kept(&call.tool, &call.input);
        // Two sets of hooks may tell of one call: it was judged, and what it used up is used up.
        let known = call.id.as_ref().and_then(|id| facts.state.seen_calls.get(id));
        if known.is_some_and(|known| known.digest == digest) {
            return Ok(Vec::new());
        }
        let mut events = session::shown(facts, &shown, None);
        let ruling = client_call::rule(facts, &judged, &context).map_err(|unruled| match unruled {
            Unruled::Lacks(Lacks::Bypasses) => Stop::Missing(Missing::Bypasses),
            Unruled::Lacks(Lacks::Gates(task)) => Stop::Missing(Missing::Gates(task)),
            Unruled::Refused(refusal) => Stop::Refused(refusal),
        })?;
        let (verdict, reason) = match &ruling.ruled {
            Ruled::Allow { .. } => (Judged::Allow, ruling.reason.clone()),
            Ruled::Left => (Judged::Left, ruling.reason.clone()),
            Ruled::Deny => (Judged::Deny, with_hint(&ruling)),
            Ruled::Ask { approval } => {
                let (verdict, reason, used) = asked(facts, &ruling, &call, *approval, asks, &context)?;
                events.extend(used);
                (verdict, reason)
            }
        };
        let confined = match (&ruling.ruled, verdict, &kernel) {
            (Ruled::Allow { held: Held::AsFarAsCan }, Judged::Allow, Some(kernel)) => Some(kernel.promised),
            (Ruled::Allow { held: Held::Wholly }, Judged::Allow, Some(kernel)) => Some(kernel.most),
            _ => None,
        };
        events.push(Event::CallJudged {
            session: shown.session.clone(),
            task: ruling.task,
            phase: ruling.phase.clone(),
            call: call.id.clone(),
            tool: call.tool.clone(),
            folder: judged.around.cwd.clone(),
            input,
            digest,
            verdict,
            rule: ruling.rule.clone(),
            reason,
            waived: ruling.waived.is_some(),
            bypass: ruling.waived.and_then(|waived| waived.bypass),
            aside: if verdict == Judged::Deny { Spent::default() } else { ruling.aside },
            confined: confined.map(|rung| rung.word().to_owned()),
        });
        let task = ruling.task.and_then(|id| facts.state.tasks.get(&id)).filter(|_| verdict == Judged::Allow);
        if let Some((task, route)) = task.zip(routed(routes, &call, facts, task, &context)) {
            let (id, phase) = (Some(task.id), task.phase.clone());
            let because = RouteCause::Subagent;
            events.push(Event::ModelRouted { task: id, decision: None, phase, because, route, work: None });
        }
        Ok(events)
    })
}

fn with_hint(ruling: &Ruling) -> String {
    if ruling.hint.is_empty() { ruling.reason.clone() } else { format!("{}\n{}", ruling.reason, ruling.hint) }
}

/// A person's yes to exactly this call is used up; without one it is left to a person, where one can be asked.
fn asked(
    facts: &Facts,
    ruling: &Ruling,
    call: &ToolCall,
    approval: bool,
    asks: bool,
    context: &Context,
) -> Result<(Judged, String, Option<Event>), Stop> {
    let Some(task) = ruling.task.and_then(|id| facts.state.tasks.get(&id)) else {
        let reason = with_hint(ruling);
        return Ok(if asks { (Judged::Ask, reason, None) } else { (Judged::Deny, reason, None) });
    };
    if !facts.approvals_of.contains(&task.id) {
        return Err(Stop::Missing(Missing::Approvals(task.id)));
    }
    let arguments = as_approved(facts, task, call);
    match consume(facts, task, &call.tool, &arguments, &ruling.reason, context) {
        Ok(used) => Ok((Judged::Allow, "a person approved exactly this call".to_owned(), Some(used))),
        Err(_) if asks && !approval => Ok((Judged::Ask, with_hint(ruling), None)),
        Err(refusal) => Ok((Judged::Deny, format!("{}\nnext: {}", refusal.message, refusal.hint), None)),
    }
}

/// A call without what a model says of it beside. Of another tool than the shell a `description` may be what it does.
fn bare(tool: &str, input: &Value) -> Value {
    let mut bare = input.clone();
    if let Some(fields) = bare.as_object_mut().filter(|_| tool == SHELL) {
        fields.remove("description");
    }
    bare
}

/// The arguments of the approval that means this call.
fn as_approved(facts: &Facts, task: &Task, call: &ToolCall) -> Value {
    let wanted = bare(&call.tool, &call.input);
    let about = |known: &Approval| {
        let (tool, arguments) = known.call().filter(|_| known.task == Some(task.id))?;
        (tool == call.tool && bare(tool, arguments) == wanted).then(|| arguments.clone())
    };
    facts.state.approvals.values().rev().find_map(about).unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_description_is_beside_the_call_in_the_shell_alone() {
        let input = json!({ "command": "deploy", "description": "a" });
        assert_eq!(bare(SHELL, &input), json!({ "command": "deploy" }));
        let issue = json!({ "title": "t", "description": "a" });
        assert_eq!(bare("mcp__issues__create", &issue), issue);
    }
}
