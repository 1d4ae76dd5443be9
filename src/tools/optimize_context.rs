//! `optimize_context`: what of a text a query needs, within a budget of tokens; the whole is kept under a handle. The work is in
//! `context`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::arguments::{self, Compiled};
use super::{Output, Request, Tool, schema};
use crate::domain::context::{Reduction, Source, TokenBudget};
use crate::domain::refusal::Refusal;

pub const TOOL: Tool = Tool {
    name: "optimize_context",
    title: "Shorten a context",
    description: "What of `text` a `query` needs, in `keep` tokens or share (0.5). `handle` with `lines` or \
                  `bytes` gives back gaps `[...12-80]`, `[...bytes 12-80]`.",
    core: false,
    in_loop: true,
    read_only: false,
    destructive: false,
    idempotent: false,
    input: schema::of::<Args>,
    output: schema::of::<Shortened>,
    parse,
};

/// A share that leaves what carries the evidence in nearly all texts that this was measured on.
const KEEP_DEFAULT: f64 = 0.5;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    #[schemars(length(min = 1, max = 4_000_000))]
    text: Option<String>,
    #[schemars(regex(pattern = "^ctx_[0-9a-f]{16}$"))]
    handle: Option<String>,
    #[schemars(regex(pattern = "^[0-9]{1,9}(-[0-9]{1,9})?$"))]
    lines: Option<String>,
    #[schemars(regex(pattern = "^[0-9]{1,9}(-[0-9]{1,9})?$"))]
    bytes: Option<String>,
    #[schemars(length(max = 20_000))]
    query: Option<String>,
    // A share up to 1, a number of tokens above.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    keep: Option<f64>,
    // As the text grows, what was given stays the same.
    append_only: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shortened {
    pub text: String,
    /// Gives the whole back; absent where there is nothing to give back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    pub tokens_before: u64,
    pub tokens_after: u64,
    /// Code, log, json, prose or transcript.
    pub kind: String,
    pub lines_left_out: u64,
    /// Parts that stand in the text more than once.
    pub repeats: u64,
    /// Parts that you have from earlier calls, and the handles of these.
    pub had: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub had_from: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<String>,
}

fn parse(arguments: Value) -> Result<Request, Refusal> {
    static COMPILED: Compiled = Compiled::new();
    let args: Args = arguments::read(TOOL.name, arguments, &COMPILED, TOOL.input)?;
    let bad = |why: &str| Err(arguments::bad(TOOL.name, why));
    let source = match (args.text, args.handle, (args.lines, args.bytes)) {
        (Some(text), None, (None, None)) => Source::Text(text),
        (None, Some(handle), (None, None)) => Source::Handle(handle),
        (None, Some(handle), (Some(lines), None)) => match range(&lines) {
            Some((first, last)) => Source::Lines { handle, first, last },
            None => return bad("`lines` is such as `12-80`, counted from 1"),
        },
        (None, Some(handle), (None, Some(bytes))) => match range(&bytes) {
            Some((first, last)) => Source::Bytes { handle, first, last },
            None => return bad("`bytes` is such as `12-80`, counted from 1"),
        },
        (None, Some(_), (Some(_), Some(_))) => return bad("give either `lines` or `bytes`"),
        (_, None, (Some(_), _)) => return bad("`lines` goes with `handle`"),
        (_, None, (_, Some(_))) => return bad("`bytes` goes with `handle`"),
        _ => return bad("give either `text` or `handle`"),
    };
    let budget = match args.keep.unwrap_or(KEEP_DEFAULT) {
        share if share <= 1.0 => TokenBudget::Share(share),
        tokens => TokenBudget::Tokens(tokens as u64),
    };
    let (query, append_only) = (args.query.unwrap_or_default(), args.append_only.unwrap_or(false));
    Ok(Request::Shorten(Reduction { source, query, budget, append_only }))
}

/// The first and the last, from 1.
fn range(asked: &str) -> Option<(usize, usize)> {
    let (first, last) = asked.split_once('-').unwrap_or((asked, asked));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first > 0 && last >= first).then_some((first, last))
}

impl Output for Shortened {
    fn text(&self) -> String {
        let mut head = format!("{} of {} tokens ({})", self.tokens_after, self.tokens_before, self.kind);
        if let Some(handle) = &self.handle {
            head.push_str(&format!("; {handle} has the whole"));
        }
        if self.had > 0 {
            head.push_str(&format!("; {} parts left out that you have from {}", self.had, self.had_from.join(", ")));
        }
        if let Some(truncated) = &self.truncated {
            head.push_str(&format!("; {truncated}"));
        }
        format!("{head}\n{}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keep_is_a_share_up_to_one_and_tokens_above() {
        let budget = |keep: Value| match parse(json!({ "text": "a", "keep": keep })) {
            Ok(Request::Shorten(asked)) => asked.budget,
            other => panic!("{other:?}"),
        };
        assert_eq!(budget(json!(null)), TokenBudget::Share(KEEP_DEFAULT));
        assert_eq!(budget(json!(1)), TokenBudget::Share(1.0));
        assert_eq!(budget(json!(900)), TokenBudget::Tokens(900));
    }

    #[test]
    fn arguments_that_do_not_go_together_are_told() {
        for (arguments, told) in [
            (json!({}), "give either `text` or `handle`"),
            (json!({ "text": "a", "handle": "ctx_0123456789abcdef" }), "give either `text` or `handle`"),
            (json!({ "text": "a", "lines": "1" }), "`lines` goes with `handle`"),
            (json!({ "handle": "ctx_0123456789abcdef", "lines": "9-3" }), "`lines` is such as `12-80`"),
            (json!({ "text": "a", "bytes": "1" }), "`bytes` goes with `handle`"),
            (json!({ "handle": "ctx_0123456789abcdef", "bytes": "0-3" }), "`bytes` is such as `12-80`"),
            (json!({ "handle": "ctx_0123456789abcdef", "lines": "1", "bytes": "1" }), "either `lines` or `bytes`"),
            (json!({ "text": "a", "keep": -1 }), "`keep`"),
        ] {
            let refusal = parse(arguments.clone()).unwrap_err();
            assert!(refusal.message.contains(told), "{arguments}: {}", refusal.message);
        }
    }
}
