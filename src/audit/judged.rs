//! What a record of a client's call says of itself: the tool that was judged, and the verdict. No more of the event is
//! read than that, since its input can be long.

use std::borrow::Cow;

use serde::Deserialize;

use crate::domain::record::{CallVerdict, JUDGED_KIND, OBSERVED_KIND};
use crate::domain::workflow::WRITERS;

use super::lines::Head;

#[derive(Debug, Default, Deserialize)]
pub struct Judged<'a> {
    #[serde(borrow, default)]
    pub tool: Cow<'a, str>,
    #[serde(borrow, default)]
    pub session: Cow<'a, str>,
    #[serde(borrow, default)]
    pub call: Cow<'a, str>,
    #[serde(borrow, default)]
    pub folder: Cow<'a, str>,
    #[serde(borrow, default)]
    verdict: Cow<'a, str>,
    #[serde(default)]
    waived: bool,
}

impl<'a> Judged<'a> {
    /// Nothing for records of other kinds, and for what is no such event.
    pub fn read(kind: &str, event: &'a str) -> Option<Self> {
        if kind != JUDGED_KIND && kind != OBSERVED_KIND {
            return None;
        }
        serde_json::from_str(event).ok()
    }

    fn verdict(&self) -> CallVerdict {
        match self.verdict.as_ref() {
            _ if self.waived => CallVerdict::Waived,
            "deny" => CallVerdict::Refused,
            _ => CallVerdict::Allowed,
        }
    }

    pub fn writes(&self) -> bool {
        WRITERS.contains(&self.tool.as_ref())
    }
}

/// Nothing where the record was erased and its kind does not say it.
pub fn verdict_of(kind: &str, event: &str) -> Option<CallVerdict> {
    CallVerdict::by_kind(kind).or_else(|| Judged::read(kind, event).map(|judged| judged.verdict()))
}

pub fn verdict_word(kind: &str, event: &str) -> &'static str {
    verdict_of(kind, event).map_or("", CallVerdict::word)
}

/// The tool that the record is about: of a client's call that very tool, not the hook that told of it.
pub fn tool_of<'h>(head: &'h Head<'_>) -> Cow<'h, str> {
    match Judged::read(&head.kind, head.event) {
        Some(judged) => judged.tool,
        None => Cow::Borrowed(head.tool.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_the_events_own_and_not_what_its_input_says() {
        let judged = "CallJudged";
        for (kind, event, wanted) in [
            (judged, r#"{"type":"CallJudged","tool":"Bash","verdict":"allow"}"#, "allowed"),
            (judged, r#"{"type":"CallJudged","tool":"Bash","verdict":"left"}"#, "allowed"),
            (judged, r#"{"type":"CallJudged","tool":"Bash","verdict":"ask"}"#, "allowed"),
            (judged, r#"{"type":"CallJudged","input":{"verdict":"allow"},"verdict":"deny"}"#, "refused"),
            (judged, r#"{"type":"CallJudged","input":{"waived":true},"verdict":"deny"}"#, "refused"),
            (judged, r#"{"type":"CallJudged","verdict":"deny","waived":true}"#, "waived"),
            (judged, r#"{"type":"CallJudged","verdict":"allow","waived":true,"bypass":"B-1"}"#, "waived"),
            (judged, "", ""),
            ("CommandRefused", "", "refused"),
            ("RuleWaived", "", "waived"),
            ("CallObserved", r#"{"type":"CallObserved","tool":"Bash","well":false}"#, "allowed"),
        ] {
            assert_eq!(verdict_word(kind, event), wanted, "{kind} {event}");
        }
    }
}
