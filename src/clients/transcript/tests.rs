//! Transcripts in the form in which the clients write them, cut to what matters.

use super::*;
use crate::domain::spending::{LimitKind, Tokens};

/// A part of an answer of Claude Code.
fn part(id: &str, output: u64, more: &str) -> String {
    format!(
        "{{\"parentUuid\":\"u\",\"isSidechain\":false,\"message\":{{\"id\":\"{id}\",\"type\":\"message\",\"role\":\"assistant\",\
         \"model\":\"claude-opus-5-5\",\"usage\":{{\"input_tokens\":10,\"cache_creation_input_tokens\":30,\
         \"cache_read_input_tokens\":400,\"output_tokens\":{output},\"server_tool_use\":{{\"web_search_requests\":0}},\
         \"cache_creation\":{{\"ephemeral_1h_input_tokens\":20,\"ephemeral_5m_input_tokens\":10}},\"iterations\":[]}},\
         \"content\":[{{\"type\":\"text\",\"text\":\"a \\\"usage\\\":{{}} of it\"}}]}},\"requestId\":\"req_{id}\",{more}\
         \"type\":\"assistant\",\"sessionId\":\"s\"}}\n"
    )
}

fn claude(text: &str) -> Reading {
    read(Format::ClaudeCode, text.as_bytes(), "")
}

#[test]
fn an_answer_over_several_lines_counts_once_as_it_was_in_the_end() {
    let text = [part("a", 1, ""), part("b", 5, ""), part("a", 82, ""), part("a", 82, "")].concat();
    let used = claude(&text).used;
    assert_eq!(used.len(), 2, "{used:?}");
    let tokens = Tokens { input: 10, cache_write: 10, cache_write_long: 20, cache_read: 400, output: 82 };
    assert_eq!((used[0].id.as_str(), used[0].tokens), ("a/req_a", tokens));
    assert_eq!(used[0].model, "claude-opus-5-5");
}

#[test]
fn a_line_that_is_not_complete_is_read_next_time() {
    let (first, second) = (part("a", 1, ""), part("b", 2, ""));
    let (start, rest) = second.split_at(second.len() / 2);
    let reading = claude(&format!("{first}{start}"));
    assert_eq!((reading.used.len(), reading.consumed), (1, first.len()));
    let reading = claude(&format!("{start}{rest}"));
    assert_eq!(reading.used[0].id, "b/req_b");
    assert_eq!(claude(start).consumed, 0, "not even one line");
}

#[test]
fn every_cut_of_a_transcript_gives_the_same_sum() {
    let text = [part("a", 1, ""), "{\"type\":\"user\"}\n".to_owned(), part("b", 2, ""), part("c", 3, "")].concat();
    for cut in 0..=text.len() {
        let first = read(Format::ClaudeCode, &text.as_bytes()[..cut], "");
        let second = read(Format::ClaudeCode, &text.as_bytes()[first.consumed..], &first.carried);
        let ids: Vec<&str> = first.used.iter().chain(&second.used).map(|used| used.id.as_str()).collect();
        assert_eq!(ids, ["a/req_a", "b/req_b", "c/req_c"], "cut at {cut}");
    }
}

#[test]
fn the_usage_of_a_subagent_names_it() {
    let used = claude(&part("a", 1, "\"agentId\":\"a2f4\",")).used;
    assert_eq!(used[0].agent.as_deref(), Some("a2f4"));
}

#[test]
fn lines_that_only_look_like_usage_count_for_nothing() {
    let user = "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":\"\"},\"toolUseResult\":{\"usage\":{\"input_tokens\":9}}}\n";
    let tool = "{\"type\":\"assistant\",\"message\":{\"id\":\"x\",\"model\":\"m\",\"content\":[{\"type\":\"tool_use\",\"input\":{\"usage\":{\"input_tokens\":9}}}]}}\n";
    let nameless = "{\"type\":\"assistant\",\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":9}}}\n";
    let negative =
        "{\"type\":\"assistant\",\"message\":{\"id\":\"y\",\"model\":\"m\",\"usage\":{\"input_tokens\":-9}}}\n";
    let broken = "{\"type\":\"assistant\",\"message\":{\"usage\":{\"input_tokens\":9}\n\"usage\":\n\u{0}\"usage\":\n";
    for text in [user, tool, nameless, negative, broken] {
        assert_eq!(claude(text).used, [], "{text}");
        let mixed = [text, &part("a", 1, "")].concat();
        assert_eq!(claude(&mixed).used.len(), 1, "the line after it: {text}");
    }
}

#[test]
fn steps_of_the_service_are_summed_where_the_total_leaves_them_out() {
    let text = part("a", 10, "").replace(
        "\"iterations\":[]",
        "\"iterations\":[{\"type\":\"compaction\",\"input_tokens\":180,\"output_tokens\":35},{\"input_tokens\":10,\"output_tokens\":10}]",
    );
    let tokens = claude(&text).used[0].tokens;
    assert_eq!((tokens.input, tokens.output, tokens.cache_write_long), (190, 45, 20));
}

fn failed(status: u16, text: &str) -> String {
    format!(
        "{{\"type\":\"assistant\",\"message\":{{\"id\":\"u\",\"model\":\"<synthetic>\",\"usage\":{{\"input_tokens\":0}},\
         \"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}]}},\"error\":\"rate_limit\",\"isApiErrorMessage\":true,\
         \"apiErrorStatus\":{status}}}\n"
    )
}

#[test]
fn limits_are_told_apart() {
    let retry = "{\"type\":\"system\",\"subtype\":\"api_error\",\"error\":{\"message\":\"429\",\"status\":429,\"formatted\":\"429 slow down\"}}\n";
    for (text, kind, resets_at) in [
        (failed(429, "Claude AI usage limit reached|1795241449"), Some(LimitKind::UsedUp), Some(1_795_241_449)),
        (failed(429, "You've hit your session limit · resets 3pm (Europe/Berlin)"), Some(LimitKind::UsedUp), None),
        (failed(429, "API Error: Request rejected (429) · slow down"), Some(LimitKind::TooFast), None),
        (failed(529, "API Error: 529 Overloaded"), Some(LimitKind::Overloaded), None),
        (failed(400, "API Error: 400 prompt is too long"), None, None),
        (retry.to_owned(), Some(LimitKind::TooFast), None),
        ([retry.to_owned(), part("a", 1, "")].concat(), None, None),
    ] {
        let limit = claude(&text).limit;
        let found = (limit.as_ref().map(|limit| limit.kind), limit.and_then(|limit| limit.resets_at));
        assert_eq!(found, (kind, resets_at), "{text}");
    }
}

const RECORD: &str = "{\"timestamp\":\"2026-11-21T06:10:49.621Z\",\"ordinal\":10,\"type\":\"token_usage_record\",\"payload\":{\"thread_id\":\"THREAD\",\"turn_id\":\"t\",\"session_id\":\"s\",\"response_id\":\"resp_1\",\"usage\":{\"input_tokens\":100,\"cached_input_tokens\":60,\"cache_write_input_tokens\":0,\"output_tokens\":10,\"reasoning_output_tokens\":4,\"total_tokens\":110},\"turn_token_usage\":{\"input_tokens\":900}}}\n";
const CONTEXT: &str = "{\"timestamp\":\"2026-11-21T06:10:49.578Z\",\"ordinal\":5,\"type\":\"turn_context\",\"payload\":{\"turn_id\":\"t\",\"model\":\"gpt-6.1-sol\",\"summary\":\"none\"}}\n";

#[test]
fn codex_says_the_model_once_a_turn_and_counts_cached_input_as_input() {
    let first = read(Format::Codex, CONTEXT.as_bytes(), "");
    assert_eq!(first.carried, "gpt-6.1-sol");
    let record = RECORD.replace("THREAD", "s");
    let second = read(Format::Codex, [record.as_str(), record.as_str()].concat().as_bytes(), &first.carried);
    let tokens = Tokens { input: 40, cache_read: 60, output: 10, ..Tokens::default() };
    let usage = Usage { id: "resp_1".to_owned(), model: "gpt-6.1-sol".to_owned(), tokens, agent: None };
    assert_eq!(second.used, [usage]);
    let sub = read(Format::Codex, RECORD.replace("THREAD", "sub").as_bytes(), "m");
    assert_eq!(sub.used[0].agent.as_deref(), Some("sub"));
}

#[test]
fn codex_says_when_a_limit_is_reached() {
    let line = "{\"type\":\"event_msg\",\"payload\":{\"type\":\"token_count\",\"rate_limits\":{\"primary\":{\"used_percent\":100.0,\"resets_at\":1795241449},\"secondary\":{\"used_percent\":40.0,\"resets_at\":1799999999},\"rate_limit_reached_type\":\"primary\"}}}\n";
    let limit = read(Format::Codex, line.as_bytes(), "").limit.unwrap();
    assert_eq!((limit.kind, limit.resets_at), (LimitKind::UsedUp, Some(1_795_241_449)));
}
