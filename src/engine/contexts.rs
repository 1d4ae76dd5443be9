//! Contexts made shorter for agents: the whole is kept for its agent under a handle, and what the agent was given lately is left
//! out of the next one. What is kept of a text is chosen in `context`.

use std::collections::HashSet;

use crate::context::duplicates::Seen;
use crate::context::marks::Marks;
use crate::context::{Ask, Budget, Reduced, recognise, reduce, tokens};
use crate::domain::command::Target;
use crate::domain::context::{ContextSum, Reduction, Source, TokenBudget};
use crate::domain::ids::Time;
use crate::domain::refusal::{Code, Refusal};
use crate::store::StoreError;
use crate::store::contexts::{self, Kept};
use crate::tools::optimize_context::Shortened;
use crate::tools::{Output, Reply};

use super::{Call, Engine, Failure, token_counts};

/// A whole text can be fetched back for so long: work on one task seldom takes longer.
pub(super) const KEPT_MS: i64 = 72 * 3600 * 1000;
/// What was given longer ago may have gone from the agent's own context.
pub(super) const HAD_MS: i64 = 3600 * 1000;
/// Of an answer, in bytes: it is given twice, structured and as text, and both together stay under the limit of an answer.
const ANSWER_BYTES_MAX: usize = 20_000;
/// Tries to come under that, each with a smaller budget.
const TRIES: usize = 6;

impl Engine {
    /// What reductions came to, by agent.
    pub fn contexts(&self) -> Result<Vec<ContextSum>, StoreError> {
        self.view(contexts::sums)
    }
}

impl Call<'_> {
    pub(super) fn shorten(&self, asked: &Reduction) -> Result<Reply, Failure> {
        let (agent, now) = (&self.caller.agent, self.engine.now());
        let limit = self.engine.context(self.caller).settings.limits.artifact_bytes;
        let (mut whole, mut given, mut factor) = (None, Vec::new(), 1.0);
        let permitted = self.read(|_, tx| {
            factor = token_counts::factor_of(tx, agent, None)?;
            match &asked.source {
                Source::Text(_) => given = contexts::given(tx, agent, Time(now.0 - HAD_MS))?,
                Source::Handle(handle) | Source::Lines { handle, .. } | Source::Bytes { handle, .. } => {
                    whole = contexts::text(tx, handle, agent, now)?
                }
            }
            Ok(Reply { structured: serde_json::json!({}), text: String::new() })
        })?;
        let shortened = match (&asked.source, whole) {
            (Source::Text(text), _) if text.len() > limit => {
                let message = format!("the text is {} bytes, the limit is {limit}", text.len());
                let refusal = Refusal::new(Code::TooLarge, message, "give it in pieces");
                return Err(self.refuse(&Target::default(), refusal));
            }
            (Source::Text(text), _) => self.fresh(asked, text, (&given, factor), now)?,
            (Source::Handle(handle), Some(whole)) => {
                let (reduced, truncated) = bounded(asked, &whole, &Seen::default(), factor);
                said(reduced, Some(handle.clone()), Vec::new(), truncated)
            }
            (Source::Lines { handle, first, last }, Some(whole)) => lines(handle, &whole, (*first, *last), factor),
            (Source::Bytes { handle, first, last }, Some(whole)) => bytes(handle, &whole, (*first, *last), factor),
            (Source::Handle(handle) | Source::Lines { handle, .. } | Source::Bytes { handle, .. }, None) => {
                let message = format!("there is no context {handle} of yours, or its time is over");
                return Err(self.refuse(
                    &Target::default(),
                    Refusal::new(Code::UnknownContext, message, "give the text in again"),
                ));
            }
        };
        let mut reply = shortened.reply();
        // What the rules said of the call itself.
        if let Some(note) = permitted.structured.get("note").and_then(|note| note.as_str()) {
            reply.note(note);
        }
        Ok(reply)
    }

    fn fresh(
        &self,
        asked: &Reduction,
        text: &str,
        (given, factor): (&[(String, Vec<u64>)], f64),
        now: Time,
    ) -> Result<Shortened, Failure> {
        let mut seen = Seen::default();
        // A text that grows is judged by itself: what was given of it before must stay.
        if !asked.append_only {
            given.iter().for_each(|(_, prints)| seen.add(prints.iter().copied()));
        }
        let (reduced, truncated) = bounded(asked, text, &seen, factor);
        let had: HashSet<u64> = reduced.had_prints.iter().copied().collect();
        let from = given.iter().filter(|(_, prints)| prints.iter().any(|print| had.contains(print)));
        let from: Vec<String> = from.map(|(handle, _)| handle.clone()).collect();
        let handle = format!("ctx_{}", self.engine.clock.random_hex(8));
        let kept = Kept {
            handle: handle.clone(),
            agent: self.caller.agent.clone(),
            at: now,
            until: Time(now.0 + KEPT_MS),
            text: text.to_owned(),
            prints: reduced.prints(),
            tokens_before: reduced.tokens_before,
            tokens_after: reduced.tokens_after,
            repeats: reduced.repeats_before as u64,
            is_result: false,
        };
        contexts::put(self.engine.backend.as_ref(), kept)?;
        Ok(said(reduced, Some(handle), from, truncated))
    }
}

fn said(reduced: Reduced, handle: Option<String>, had_from: Vec<String>, truncated: Option<String>) -> Shortened {
    Shortened {
        handle,
        tokens_before: reduced.tokens_before,
        tokens_after: reduced.tokens_after,
        kind: reduced.kind.word().to_owned(),
        lines_left_out: reduced.gaps.iter().map(|gap| gap.lines() as u64).sum(),
        repeats: reduced.repeats_here as u64,
        had: reduced.repeats_before as u64,
        had_from,
        truncated,
        text: reduced.text,
    }
}

/// Reduced to its budget, and to what one answer holds.
fn bounded(asked: &Reduction, text: &str, seen: &Seen, factor: f64) -> (Reduced, Option<String>) {
    let budget = match asked.budget {
        TokenBudget::Share(share) => Budget::Share(share),
        TokenBudget::Tokens(tokens) => Budget::Tokens(tokens),
    };
    let mut ask = Ask::new(text, &asked.query, budget);
    (ask.marks, ask.append_only, ask.seen) = (Marks::Lines, asked.append_only, Some(seen));
    ask.factor = factor;
    let mut reduced = reduce(&ask);
    let mut told = None;
    if asked.append_only && room(&reduced.text) < reduced.text.len() {
        // What comes later is cut off: what was given stays the same.
        let end = room(&reduced.text);
        let end = reduced.text.get(..end).and_then(|text| text.rfind('\n')).map_or(end, |end| end + 1);
        let lines = text.lines().count();
        let next = reduced.cut_off(end, lines);
        reduced.tokens_after = counted(&reduced.text, factor);
        told = Some(format!("the answer is full; fetch more by `lines`: {next}-{lines}"));
    }
    for _ in 0..TRIES {
        let room = room(&reduced.text);
        if room == reduced.text.len() {
            break;
        }
        let fits = reduced.tokens_after as f64 * room as f64 / reduced.text.len() as f64;
        ask.budget = Budget::Tokens((fits * 0.95) as u64);
        reduced = reduce(&ask);
        told = Some(format!("an answer holds {} tokens of this; fetch more by `lines`", reduced.tokens_after));
    }
    (reduced, told)
}

fn counted(text: &str, factor: f64) -> u64 {
    tokens::rounded(text, tokens::weigh(text) * factor)
}

/// Lines of a kept text, as they are, so many as an answer holds.
fn lines(handle: &str, whole: &str, (first, last): (usize, usize), factor: f64) -> Shortened {
    let (mut text, mut shown, mut truncated, mut cost) = (String::new(), 0, None, 0);
    let mut from = whole.split_inclusive('\n').take(first - 1).map(str::len).sum::<usize>();
    for line in whole.split_inclusive('\n').skip(first - 1).take(last + 1 - first) {
        cost += line.chars().map(escaped).sum::<usize>();
        if cost > ANSWER_BYTES_MAX {
            truncated = Some(format!("the answer is full; go on with `lines`: {}-{last}", first + shown));
            if shown == 0 {
                // One very long line: what fits of it.
                text.push_str(line.get(..room(line)).unwrap_or_default());
                let (next, end) =
                    (from + text.len() + 1, whole.split_inclusive('\n').take(last).map(str::len).sum::<usize>());
                truncated = Some(format!("the line is longer than an answer; go on with `bytes`: {next}-{end}"));
            }
            break;
        }
        text.push_str(line);
        from += line.len();
        shown += 1;
    }
    let all = whole.lines().count();
    if text.is_empty() {
        truncated = Some(format!("the text has {all} lines"));
    }
    part(handle, whole, text, truncated, factor)
}

/// The same by bytes, whole characters at both ends.
fn bytes(handle: &str, whole: &str, (first, last): (usize, usize), factor: f64) -> Shortened {
    let from = boundary(whole, first - 1);
    let wanted = (last.min(whole.len())..=whole.len()).find(|end| whole.is_char_boundary(*end)).unwrap_or(from);
    let end = from + room(whole.get(from..wanted).unwrap_or_default());
    let text = whole.get(from..end).unwrap_or_default().to_owned();
    let truncated = match () {
        () if text.is_empty() => Some(format!("the text has {} bytes", whole.len())),
        () if end < wanted => Some(format!("the answer is full; go on with `bytes`: {}-{wanted}", end + 1)),
        () => None,
    };
    part(handle, whole, text, truncated, factor)
}

/// Bytes of JSON that a character takes: an answer is told in it, and is cut by that.
fn escaped(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        character if character < ' ' => 6,
        character => character.len_utf8(),
    }
}

/// How much of a text one answer holds.
fn room(text: &str) -> usize {
    let mut cost = 0;
    let over = text.char_indices().find(|(_, character)| {
        cost += escaped(*character);
        cost > ANSWER_BYTES_MAX
    });
    over.map_or(text.len(), |(at, _)| at)
}

/// The end of the last whole character in so many bytes.
fn boundary(text: &str, bytes: usize) -> usize {
    (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0)
}

fn part(handle: &str, whole: &str, text: String, truncated: Option<String>, factor: f64) -> Shortened {
    Shortened {
        handle: Some(handle.to_owned()),
        tokens_before: counted(whole, factor),
        tokens_after: counted(&text, factor),
        kind: recognise(whole).word().to_owned(),
        lines_left_out: whole.lines().count().saturating_sub(text.lines().count()) as u64,
        repeats: 0,
        had: 0,
        had_from: Vec::new(),
        truncated,
        text,
    }
}
