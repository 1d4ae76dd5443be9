//! A result of the client's own tools that is longer than its phase wants: what its task needs of it stays, the whole is kept
//! for its agent under a handle. What is chosen is decided in `context`, whether at all in `policy`.

use serde_json::Value;

use crate::clients::hooked::{ToolCall, ToolResult};
use crate::context::duplicates::Seen;
use crate::context::marks::Marks;
use crate::context::{Ask, Budget, Kind, Reduced, recognise, reduce, tokens};
use crate::domain::context::{ReducedResults, TokenBudget};
use crate::domain::event::Event;
use crate::domain::facts::Facts;
use crate::domain::ids::Time;
use crate::domain::session::SeenCall;
use crate::domain::task::Task;
use crate::domain::workflow::{Phase, Workflow};
use crate::policy::results;
use crate::store::StoreError;
use crate::store::contexts::{self, Kept};

use super::{Actor, Told};
use crate::engine::Engine;
use crate::engine::contexts::{HAD_MS, KEPT_MS};
use crate::engine::token_counts;

/// Characters of a call's own input that are part of the question.
const INPUT_CHARS: usize = 2_000;
/// What is hardly shorter is not worth a handle: at least a tenth must go.
const KEPT_SHARE_MAX: f64 = 0.9;

/// A line longer than this may be cut.
const LONG_LINE_BYTES: usize = 400;

/// A result in the client's own form, and the record of it.
pub(super) struct Shorter {
    pub result: Value,
    pub event: Event,
}

impl Engine {
    /// Nothing where the result stays as it is. What goes wrong here leaves it so: the agent has what the client gave.
    pub(super) fn shorter(
        &self,
        told: &Told,
        actor: &Actor,
        call: &ToolCall,
        result: &ToolResult,
        seen: (&Facts, &SeenCall),
    ) -> Option<Shorter> {
        match self.try_shorter(told, actor, call, result, seen) {
            Ok(shorter) => shorter,
            Err(error) => {
                tracing::warn!(%error, "the result of a call was not made shorter; the agent has all of it");
                None
            }
        }
    }

    fn try_shorter(
        &self,
        told: &Told,
        actor: &Actor,
        call: &ToolCall,
        result: &ToolResult,
        (facts, seen): (&Facts, &SeenCall),
    ) -> Result<Option<Shorter>, StoreError> {
        let Some(text_at) = told.text_of_result.filter(|_| result.well && !result.interrupted) else { return Ok(None) };
        let task = seen.task.and_then(|id| facts.state.tasks.get(&id));
        let Some((workflow, phase)) = rules(facts, task) else { return Ok(None) };
        let Some(rule) = results::reduced(workflow, phase, &call.tool) else { return Ok(None) };
        let Some(at) = text_at(&call.tool, &result.native) else { return Ok(None) };
        let Some(text) = result.native.pointer(at).and_then(Value::as_str) else { return Ok(None) };
        let limit = self.context(&self.hook_caller(actor)).settings.limits.artifact_bytes;
        let named = facts.state.sessions.get(&seen.session).and_then(|session| session.model.as_deref());
        let factor = self.view(|tx| token_counts::factor_of(tx, &actor.acting, named))?;
        let before = tokens::weigh(text) * factor;
        if before <= rule.above as f64 || text.len() > limit {
            return Ok(None);
        }
        let now = self.now();
        let given = self.view(|tx| contexts::given(tx, &actor.acting, Time(now.0.saturating_sub(HAD_MS))))?;
        let mut had = Seen::default();
        given.iter().for_each(|(_, prints)| had.add(prints.iter().copied()));
        let handle = format!("ctx_{}", self.clock.random_hex(8));
        let kind = kind(&call.tool, text);
        let asked =
            Asked { text, question: &question(task, phase, call), kind, rule, handle: &handle, factor, had: &had };
        let Some((shown, reduced)) = asked.shortened() else { return Ok(None) };
        let kept = Kept {
            handle: handle.clone(),
            agent: actor.acting.clone(),
            at: now,
            until: Time(now.0.saturating_add(KEPT_MS)),
            text: text.to_owned(),
            prints: reduced.prints(),
            tokens_before: reduced.tokens_before,
            tokens_after: reduced.tokens_after,
            repeats: reduced.repeats_before as u64,
            is_result: true,
        };
        contexts::put(self.backend.as_ref(), kept)?;
        let mut native = result.native.clone();
        let Some(place) = native.pointer_mut(at) else { return Ok(None) };
        *place = Value::String(shown);
        let event = Event::ResultReduced {
            task: seen.task,
            session: seen.session.clone(),
            call: seen.call.clone(),
            tool: seen.tool.clone(),
            handle,
            tokens_before: reduced.tokens_before,
            tokens_after: reduced.tokens_after,
        };
        Ok(Some(Shorter { result: native, event }))
    }
}

/// Of the task's workflow and phase; without a task, of the workflow by default.
fn rules<'f>(facts: &'f Facts, task: Option<&Task>) -> Option<(&'f Workflow, Option<&'f Phase>)> {
    let Some(task) = task else { return facts.default_workflow().map(|workflow| (workflow, None)) };
    Some((facts.workflow_of(task).ok()?, facts.phase_of(task).ok()))
}

/// What the result is needed for: the work, and what was asked of the tool.
fn question(task: Option<&Task>, phase: Option<&Phase>, call: &ToolCall) -> String {
    let mut lines: Vec<&str> = Vec::new();
    if let Some(spec) = task.map(|task| &task.spec) {
        lines.extend([spec.title.as_str(), &spec.goal, &spec.description]);
        lines.extend(spec.acceptance_criteria.iter().map(String::as_str));
    }
    lines.extend(phase.map(|phase| phase.goal.as_str()));
    let texts: Vec<String> = call
        .input
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, value)| value.as_str())
        .map(|text| text.chars().take(INPUT_CHARS).collect())
        .collect();
    lines.extend(texts.iter().map(String::as_str));
    lines.retain(|line| !line.trim().is_empty());
    lines.join("\n")
}

/// What a program prints goes line by line, unless it printed code or JSON; a search always does.
fn kind(tool: &str, text: &str) -> Kind {
    match (tool, recognise(text)) {
        ("Grep", _) | ("Bash", Kind::Prose) => Kind::Log,
        (_, kind) => kind,
    }
}

struct Asked<'a> {
    text: &'a str,
    question: &'a str,
    kind: Kind,
    rule: &'a ReducedResults,
    handle: &'a str,
    factor: f64,
    had: &'a Seen,
}

impl Asked<'_> {
    /// What the model is shown, with the line that says so counted in; nothing where hardly anything would go.
    fn shortened(&self) -> Option<(String, Reduced)> {
        let before = tokens::rounded(self.text, tokens::weigh(self.text) * self.factor);
        // With the largest numbers that can stand in it.
        let head = tokens::weigh(&self.head(before, before, 99_999)) * self.factor;
        let budget = match self.rule.keep {
            TokenBudget::Share(share) => before as f64 * share,
            TokenBudget::Tokens(tokens) => tokens as f64,
        };
        let left = (budget - head).floor();
        if left < 1.0 {
            return None;
        }
        let mut ask = Ask::new(self.text, self.question, Budget::Tokens(left as u64));
        (ask.marks, ask.seen, ask.factor, ask.kind) = (Marks::Lines, Some(self.had), self.factor, Some(self.kind));
        let mut reduced = reduce(&ask);
        let lines = self.text.lines().count();
        if matches!(reduced.gaps.as_slice(), [gap] if gap.lines() >= lines) {
            // No part fits whole.
            ask.kind = Some(Kind::Log);
            reduced = reduce(&ask);
        }
        if reduced.text.is_empty() {
            return None;
        }
        let shown = format!("{}{}", self.head(reduced.tokens_after, before, reduced.repeats_before), reduced.text);
        reduced.tokens_after = tokens::rounded(&shown, tokens::weigh(&shown) * self.factor);
        let worth = reduced.tokens_after as f64 <= before as f64 * KEPT_SHARE_MAX;
        worth.then_some((shown, reduced))
    }

    fn head(&self, after: u64, before: u64, had: usize) -> String {
        let handle = self.handle;
        let had = if had > 0 { format!("; {had} parts of it you were given before") } else { String::new() };
        let is_long = self.text.lines().any(|line| line.len() > LONG_LINE_BYTES);
        let bytes = if is_long { ", and \"bytes\" where [...bytes 12-80] does" } else { "" };
        format!(
            "[phasegate: {after} of {before} tokens of this result, by what the task needs{had}; optimize_context \
             {{\"handle\":\"{handle}\",\"lines\":\"12-80\"}} gives lines of the whole, where [...12-80] stands for them{bytes}]\n"
        )
    }
}
