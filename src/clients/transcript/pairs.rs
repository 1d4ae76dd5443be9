//! What a model's own counts say of estimated ones: between two answers its input grows by its first answer, whose tokens are
//! reported, and by what it was given since, whose text is in the transcript. Only turns in which nothing else could have grown
//! it are compared. How tokens are estimated, and what becomes of a pair, is not here.

use std::borrow::Cow;

use memchr::{memchr, memrchr};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Format;

/// Tokens of a text, by estimate.
pub type Weigh = fn(&str) -> f64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub model: String,
    pub estimated: u64,
    pub counted: u64,
}

/// Of what was given between two answers, by estimate: in less, what frames a message weighs too much.
const TOKENS_MIN: f64 = 1_500.0;
/// Share of it that may be notes of the client, of which it is not known how they are put.
const ASIDE_MAX: f64 = 0.05;
/// Of a long piece, such as a transcript that was never read, so much is looked at: its end.
const LOOKED_AT_BYTES: usize = 1 << 20;
/// What the client notes for itself and sends to nobody.
const UNSENT: [&str; 2] = ["hook_success", "prompt_snapshot"];
const SYNTHETIC: &str = "<synthetic>";

/// The last answer, and what was given since.
#[derive(Debug, Deserialize, Serialize)]
struct Last {
    id: String,
    model: String,
    /// All that went into it, from caches too.
    input: u64,
    output: u64,
    /// Of its own text, by estimate.
    own: f64,
    given: f64,
    aside: f64,
    /// Something came that cannot be estimated, or that may leave the context again, such as thoughts.
    spoilt: bool,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    subtype: Cow<'a, str>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    #[serde(borrow)]
    attachment: Option<Attachment<'a>>,
    #[serde(default, rename = "isSidechain")]
    is_sidechain: bool,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    model: Cow<'a, str>,
    usage: Option<Usage>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Usage {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<Details>,
    iterations: Option<Vec<serde::de::IgnoredAny>>,
}

#[derive(Deserialize)]
struct Details {
    thinking_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Attachment<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

/// Pairs in the whole lines of a piece, and what the next piece has to know; `carried` is what the piece before gave.
pub fn pairs(format: Format, whole: &[u8], carried: &str, weigh: Weigh) -> (Vec<Pair>, String) {
    match format {
        Format::ClaudeCode => {}
        // Its reports leave out what of a turn stays in its input.
        Format::Codex => return (Vec::new(), carried.to_owned()),
    }
    let mut last: Option<Last> = serde_json::from_str(carried).ok();
    let mut rest = whole;
    if let Some(skipped) = whole.len().checked_sub(LOOKED_AT_BYTES).filter(|skipped| *skipped > 0) {
        let start = whole.get(..skipped).and_then(|before| memrchr(b'\n', before)).map_or(0, |end| end + 1);
        (rest, last) = (whole.get(start..).unwrap_or_default(), None);
    }
    let mut found = Vec::new();
    while !rest.is_empty() {
        let end = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let (line, after) = rest.split_at(end);
        rest = after;
        if let Ok(line_read) = serde_json::from_slice::<Line<'_>>(line) {
            last = next(last, &line_read, line.len(), weigh, &mut found);
        }
    }
    let carried = last.and_then(|last| serde_json::to_string(&last).ok()).unwrap_or_default();
    (found, carried)
}

fn next(last: Option<Last>, line: &Line<'_>, bytes: usize, weigh: Weigh, found: &mut Vec<Pair>) -> Option<Last> {
    match line.kind.as_ref() {
        "assistant" if !line.is_sidechain => {
            let message = line.message.as_ref()?;
            answered(last, message, weigh, found)
        }
        "user" if !line.is_sidechain => {
            let mut last = last?;
            match line.message.as_ref().and_then(|message| given(message.content?, weigh)) {
                Some(tokens) => last.given += tokens,
                None => last.spoilt = true,
            }
            Some(last)
        }
        "attachment" => {
            let mut last = last?;
            let attachment = line.attachment.as_ref();
            let silent =
                attachment.and_then(|attachment| attachment.content).is_none_or(|content| content.get().len() <= 2);
            if !attachment.is_some_and(|attachment| UNSENT.contains(&attachment.kind.as_ref())) || !silent {
                last.aside += bytes as f64 / 4.0;
            }
            Some(last)
        }
        "system" if line.subtype == "compact_boundary" => None,
        _ => last,
    }
}

/// A line of an answer: one more part of the last, or the first of the next.
fn answered(last: Option<Last>, message: &Message<'_>, weigh: Weigh, found: &mut Vec<Pair>) -> Option<Last> {
    let usage = message.usage.as_ref().filter(|_| message.model != SYNTHETIC && !message.id.is_empty())?;
    let of = |count: Option<u64>| count.unwrap_or(0);
    let input = of(usage.input_tokens)
        .saturating_add(of(usage.cache_creation_input_tokens))
        .saturating_add(of(usage.cache_read_input_tokens));
    let known = last.as_ref().is_some_and(|last| last.id == message.id);
    if let Some(last) = last.as_ref().filter(|_| !known) {
        found.extend(pair(last, &message.model, input));
    }
    let mut now = last.filter(|_| known).unwrap_or_else(|| Last {
        id: message.id.clone().into_owned(),
        model: message.model.clone().into_owned(),
        input,
        output: 0,
        own: 0.0,
        given: 0.0,
        aside: 0.0,
        spoilt: usage.iterations.as_ref().is_some_and(|steps| steps.len() > 1),
    });
    now.output = now.output.max(of(usage.output_tokens));
    let thoughts = usage.output_tokens_details.as_ref().is_some_and(|details| of(details.thinking_tokens) > 0);
    match message.content.and_then(|content| said(content, weigh)) {
        Some(tokens) if !thoughts => now.own += tokens,
        _ => now.spoilt = true,
    }
    Some(now)
}

fn pair(last: &Last, model: &str, input: u64) -> Option<Pair> {
    let counted = input.checked_sub(last.input)?.checked_sub(last.output)?;
    // A report that came before the answer was whole leaves some of it to be counted as given.
    let whole = last.output as f64 >= last.own / 2.0;
    let clean = !last.spoilt && last.aside <= last.given * ASIDE_MAX;
    let comparable = clean && whole && last.model == model && last.given >= TOKENS_MIN;
    comparable.then(|| Pair { model: model.to_owned(), estimated: last.given as u64, counted })
}

/// Of what a model is given: words and results of calls. Nothing where there is something else, such as a picture or a tool
/// whose description came with it.
fn given(content: &RawValue, weigh: Weigh) -> Option<f64> {
    if let Ok(text) = serde_json::from_str::<Cow<'_, str>>(content.get()) {
        return Some(weigh(&text));
    }
    let parts: Vec<Part<'_>> = serde_json::from_str(content.get()).ok()?;
    let mut total = 0.0;
    for part in &parts {
        total += match part.kind.as_ref() {
            "text" => weigh(part.text.as_ref()?),
            "tool_result" => part.content.map_or(Some(0.0), |content| texts(content, weigh))?,
            _ => return None,
        };
    }
    Some(total)
}

/// Of a result: one text, or a list of them.
fn texts(content: &RawValue, weigh: Weigh) -> Option<f64> {
    if let Ok(text) = serde_json::from_str::<Cow<'_, str>>(content.get()) {
        return Some(weigh(&text));
    }
    let parts: Vec<Part<'_>> = serde_json::from_str(content.get()).ok()?;
    let weights = parts.iter().map(|part| part.text.as_ref().filter(|_| part.kind == "text").map(|text| weigh(text)));
    weights.sum()
}

/// Of what a model says: words and calls. Thoughts are counted in its answer, and may leave its input again.
fn said(content: &RawValue, weigh: Weigh) -> Option<f64> {
    let parts: Vec<Part<'_>> = serde_json::from_str(content.get()).ok()?;
    let mut total = 0.0;
    for part in &parts {
        total += match part.kind.as_ref() {
            "text" => weigh(part.text.as_ref()?),
            "tool_use" => part.input.map_or(0.0, |input| weigh(input.get())),
            _ => return None,
        };
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Four bytes a token: what is right is plain then.
    fn weigh(text: &str) -> f64 {
        text.len() as f64 / 4.0
    }

    fn answer(id: &str, input: u64, output: u64, part: Value) -> String {
        let usage = json!({"input_tokens": 10, "cache_creation_input_tokens": 90, "cache_read_input_tokens": input - 100,
            "output_tokens": output, "output_tokens_details": {"thinking_tokens": 0}, "iterations": []});
        let message = json!({"id": id, "model": "m-1", "role": "assistant", "usage": usage, "content": [part]});
        format!("{}\n", json!({"type": "assistant", "isSidechain": false, "message": message}))
    }

    fn call() -> Value {
        json!({"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "make"}})
    }

    fn user(content: Value) -> String {
        format!(
            "{}\n",
            json!({"type": "user", "message": {"role": "user", "content": content}, "toolUseResult": {"stdout": "x"}})
        )
    }

    fn result(content: Value) -> String {
        user(json!([{"type": "tool_result", "tool_use_id": "t", "content": content}]))
    }

    fn found(text: &str) -> Vec<(u64, u64)> {
        let pairs = pairs(Format::ClaudeCode, text.as_bytes(), "", weigh).0;
        pairs.iter().map(|pair| (pair.estimated, pair.counted)).collect()
    }

    fn long() -> Value {
        json!("x".repeat(8_000))
    }

    #[test]
    fn what_the_input_grew_by_is_compared_with_what_was_given() {
        let (first, second) = (answer("a", 5_000, 20, call()), answer("b", 7_320, 20, call()));
        let parts = || json!([{"type": "text", "text": "x".repeat(8_000)}]);
        for (name, between, wanted) in [
            ("a text", result(long()), vec![(2_000, 2_300)]),
            ("a list of texts", result(parts()), vec![(2_000, 2_300)]),
            (
                "more of the same answer",
                format!("{}{}", answer("a", 5_000, 20, call()), result(long())),
                vec![(2_000, 2_300)],
            ),
            ("what a person said", user(long()), vec![(2_000, 2_300)]),
            ("too little", result(json!("x".repeat(4_000))), vec![]),
            (
                "a picture",
                result(json!([{"type": "image", "source": {}}, {"type": "text", "text": "x".repeat(8_000)}])),
                vec![],
            ),
            (
                "a tool's description",
                result(json!([{"type": "tool_reference", "tool_name": "x"}])) + &result(long()),
                vec![],
            ),
            (
                "a compaction",
                format!("{}{{\"type\":\"system\",\"subtype\":\"compact_boundary\"}}\n", result(long())),
                vec![],
            ),
            (
                "thoughts",
                format!("{}{}", answer("a", 5_000, 20, json!({"type": "thinking", "thinking": "hm"})), result(long())),
                vec![],
            ),
            (
                "a note that is not sent",
                result(long())
                    + "{\"type\":\"attachment\",\"attachment\":{\"type\":\"hook_success\",\"content\":\"\",\"stdout\":\"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\"}}\n",
                vec![(2_000, 2_300)],
            ),
            (
                "a long note",
                result(long())
                    + &format!(
                        "{}\n",
                        json!({"type": "attachment", "attachment": {"type": "file", "content": "y".repeat(900)}})
                    ),
                vec![],
            ),
        ] {
            assert_eq!(found(&[first.as_str(), &between, &second].concat()), wanted, "{name}");
        }
    }

    #[test]
    fn a_report_that_cannot_be_right_gives_nothing() {
        let given = result(long());
        let long_answer = answer("a", 5_000, 1, json!({"type": "text", "text": "y".repeat(4_000)}));
        let other_model = answer("b", 7_320, 20, call()).replace("m-1", "m-2");
        for (name, text) in [
            (
                "less than before",
                [answer("a", 5_000, 20, call()), given.clone(), answer("b", 4_000, 20, call())].concat(),
            ),
            ("an unfinished report", [long_answer, given.clone(), answer("b", 7_320, 20, call())].concat()),
            ("another model", [answer("a", 5_000, 20, call()), given.clone(), other_model].concat()),
            ("no answer before", [given, answer("b", 7_320, 20, call())].concat()),
        ] {
            assert_eq!(found(&text), vec![], "{name}");
        }
    }

    #[test]
    fn every_cut_between_lines_gives_the_same_pairs() {
        let text = [
            answer("a", 5_000, 20, call()),
            result(long()),
            answer("b", 7_320, 30, call()),
            result(long()),
            answer("c", 9_650, 9, call()),
        ]
        .concat();
        let whole = found(&text);
        assert_eq!(whole, [(2_000, 2_300), (2_000, 2_300)]);
        for (cut, _) in text.match_indices('\n') {
            let (start, end) = text.split_at(cut + 1);
            let (mut first, carried) = pairs(Format::ClaudeCode, start.as_bytes(), "", weigh);
            first.extend(pairs(Format::ClaudeCode, end.as_bytes(), &carried, weigh).0);
            let both: Vec<(u64, u64)> = first.iter().map(|pair| (pair.estimated, pair.counted)).collect();
            assert_eq!(both, whole, "cut at {cut}");
        }
    }

    #[test]
    fn lines_that_are_no_json_are_passed_over_and_codex_gives_none() {
        let text = [
            answer("a", 5_000, 20, call()),
            "no json\n\u{0}\n{}\n".to_owned(),
            result(long()),
            answer("b", 7_320, 20, call()),
        ]
        .concat();
        assert_eq!(found(&text), [(2_000, 2_300)]);
        assert_eq!(pairs(Format::Codex, text.as_bytes(), "gpt-6", weigh), (Vec::new(), "gpt-6".to_owned()));
    }
}
