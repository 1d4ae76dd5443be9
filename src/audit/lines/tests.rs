//! The short way and serde say the same of every line, whatever it holds; nothing makes a reader panic.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn line(seq: u64, body: &str) -> String {
    format!("{{\"seq\":{seq},\"body\":{body}}}")
}

fn body(at: Time, agent: &str, tool: &str, event: &Value) -> String {
    json!({ "v": 1, "at": at, "agent": agent, "role": "agent", "tool": tool, "event": event }).to_string()
}

#[test]
fn our_own_form_takes_the_short_way() {
    for event in [
        json!({ "type": "TaskClaimed", "task": "T-7", "agent": "ana", "fence": 3, "handle": "ab", "lease_seconds": 900 }),
        json!({ "type": "WorkflowTrusted", "name": "quick", "default": false }),
        json!({ "type": "CheckpointSaved", "task": "T-1", "data": { "a": [1, -2.5e3, null, { "task": "T-9" }], "b": {} } }),
        json!({ "type": "CommandRefused", "code": "gates_unmet", "message": "it said \"no\"\nand \\ ended } ] { [" }),
        json!({ "type": "TaskCompleted", "task": "T-999999999999999999", "phase": "dönè" }),
    ] {
        let body = body(Time(1_795_000_000_123), "ana-1", "claim_task", &event);
        let line = line(12, &body);
        let quick = quick_line(&line).unwrap_or_else(|| panic!("the long way for {line}"));
        assert_eq!(Ok(&quick), slow_line(&line).as_ref());
        let Line::Record { head, body: found, .. } = quick else { panic!("{line}") };
        assert_eq!((found, head.event), (body.as_str(), event.to_string().as_str()));
    }
}

#[test]
fn what_is_unexpected_goes_the_long_way_and_what_is_broken_is_refused() {
    let good =
        r#"{"v":1,"at":"2026-11-20T14:00:00.000Z","agent":"a","role":"agent","tool":"t","event":{"type":"X","n":1}}"#;
    let changed = |from: &str, to: &str| line(1, &good.replacen(from, to, 1));
    for (line, sound) in [
        (changed("\"v\":1,", ""), true),
        (changed("\"n\":1", "\"n\": 1"), true),
        (changed("\"n\":1", "\"task\":\"T-4\",\"n\":1"), true),
        (changed("\"n\":1", "\"n\":1,\"task\":\"T-4\""), true),
        (changed("\"n\":1", "\"n\":1,\"t\\u0061sk\":\"T-4\""), true),
        (changed("\"n\":1", "\"task\":7"), true),
        (changed("\"agent\":\"a\"", "\"agent\":\"\\u0061\""), true),
        (changed("2026-11-20T14:00:00.000Z", "2026-11-20T14:00:00Z"), true),
        (changed("2026-11-20", "2026-12-31"), true),
        (changed("2026-11-20", "2028-02-29"), true),
        (changed("2026-11-20", "2026-02-29"), false),
        (changed("T14:00", "T24:00"), false),
        (changed("\"n\":1", "\"n\":1,\"task\":\"T-4\",\"task\":\"T-5\""), false),
        (changed("\"n\":1", "\"n\":1]"), false),
        (changed("\"n\":1", "\"n\":,1"), false),
        (changed("\"n\":1", "\"n\":\"\n\""), false),
        (changed("\"n\":1}}", "\"n\":1}},"), false),
        (changed("\"n\":1}}", "\"n\":1}"), false),
        (changed("\"n\":1}}", "\"n\":1},\"x\":2}"), true),
        (line(1, ""), false),
        (r#"{"seq":1}"#.to_owned(), false),
        (r#"{"body":{},"seq":1}"#.to_owned(), false),
        (r#"{"seq":1,"erased":""}"#.to_owned(), true),
        (format!(r#"{{"body":{good},"seq":1}}"#), true),
        (String::new(), false),
    ] {
        let slow = slow_line(&line);
        assert_eq!(slow.is_ok(), sound, "{line}: {slow:?}");
        assert_eq!(read(line.as_bytes()), slow, "{line}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e300..1e300f64).prop_map(Value::from),
        ".*".prop_map(Value::from),
        Just(Value::from("task")),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let key = prop_oneof![Just("task".to_owned()), Just("type".to_owned()), "[a-z]{1,8}", ".{0,4}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..5).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn event() -> impl Strategy<Value = Value> {
    let task = prop_oneof![Just(Value::Null), (1u64..u64::MAX).prop_map(|id| format!("T-{id}").into()), value()];
    let fields = prop::collection::vec(("[a-z_]{1,10}", value()), 0..6);
    ("[A-Za-z]{1,20}", task, fields, any::<bool>()).prop_map(|(kind, task, fields, task_last)| {
        let mut event = serde_json::Map::new();
        event.insert("type".to_owned(), kind.into());
        if !task_last && !task.is_null() {
            event.insert("task".to_owned(), task.clone());
        }
        event.extend(fields.into_iter().filter(|(key, _)| key != "type"));
        if task_last && !task.is_null() {
            event.insert("task".to_owned(), task);
        }
        Value::Object(event)
    })
}

proptest! {
    #[test]
    fn both_ways_read_the_same(
        seq: u64, at in -62_000_000_000_000i64..250_000_000_000_000, agent in ".{0,30}", tool in "[a-z_]{0,20}", event in event()
    ) {
        let line = line(seq, &body(Time(at), &agent, &tool, &event));
        let slow = slow_line(&line);
        prop_assert!(slow.is_ok(), "{line}: {slow:?}");
        prop_assert_eq!(read(line.as_bytes()), slow);
    }

    #[test]
    fn a_line_with_a_changed_byte_is_read_alike_or_not_at_all(
        event in event(), place in any::<prop::sample::Index>(), to in prop_oneof![any::<u8>(), prop::sample::select(b"\"\\{}[],:0e ".to_vec())]
    ) {
        let mut line = line(1, &body(Time(1_795_000_000_000), "ana", "t", &event)).into_bytes();
        let place = place.index(line.len());
        line[place] = to;
        if let Ok(text) = std::str::from_utf8(&line) && let (Some(quick), Ok(slow)) = (quick_line(text), slow_line(text)) {
            prop_assert_eq!(quick, slow);
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".*") {
        let _ = read(&bytes);
        let _ = (read(text.as_bytes()), read_body(&text), read_body(&line(1, &text)));
        let _ = quick_body(&format!("{{\"v\":1,\"at\":\"{text}"));
    }
}
