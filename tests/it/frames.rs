//! The frame check alone: what goes on, what is refused with which code and id, what is met with silence.
//! The transport around it is tested in `stdio.rs`.
use phasegate::mcp::frame::{Frame, FrameLimits, Id, check};
use proptest::prelude::*;
use serde_json::Value;

fn seen(line: &str) -> Frame<'_> {
    check(line.as_bytes(), &FrameLimits::default())
}

/// The code and the id of a refusal; the message must be a short sentence.
fn refused(line: &str) -> (i32, Option<Id<'_>>) {
    match seen(line) {
        Frame::Refused(refusal) => {
            assert!(refusal.message.len() < 160, "{line}: {}", refusal.message);
            (refusal.code, refusal.id)
        }
        other => panic!("{line} was not refused: {other:?}"),
    }
}

fn request(members: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call",{members}}}"#)
}

#[test]
fn a_request_goes_on_with_its_parts() {
    let line = "\t{ \"params\" : {\"a\":[1,{}]} , \"method\":\"m\\u0065thod\\/x\",\"id\":-3, \"jsonrpc\":\"2.0\", \"extra\":[] } \r\n";
    let Frame::Request { id, method, params } = seen(line) else { panic!("{:?}", seen(line)) };
    assert_eq!((id, method.as_ref(), params), (Id::Number(-3), "method/x", Some(r#"{"a":[1,{}]}"#)));
}

#[test]
fn keys_are_known_by_what_they_mean() {
    let line = r#"{"j\u0073onrpc":"2\u002e0","i\u0064":"\ud83d\ude00","method":"x","params":{}}"#;
    let Frame::Request { id, .. } = seen(line) else { panic!("{:?}", seen(line)) };
    assert_eq!(id, Id::Text("😀".into()));
    assert_eq!(refused(r#"{"jsonrpc":"2.0","id":1,"Method":"ping"}"#), (-32600, Some(Id::Number(1))));
    assert_eq!(seen(r#"{"jsonrpc":"2.0","ID":1,"method":"ping"}"#), seen(r#"{"jsonrpc":"2.0","method":"ping"}"#));
}

#[test]
fn ids_that_are_fine() {
    let long = "x".repeat(100_000);
    for (text, id) in [
        ("0", Id::Number(0)),
        ("-9223372036854775808", Id::Number(i64::MIN)),
        ("9223372036854775807", Id::Number(i64::MAX)),
        ("\"\"", Id::Text("".into())),
        ("\"a\\u0000b\"", Id::Text("a\0b".into())),
        (&*format!("\"{long}\""), Id::Text((&*long).into())),
    ] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":{text},"method":"ping"}}"#);
        assert!(matches!(seen(&line), Frame::Request { id: got, .. } if got == id), "{text:.40}");
    }
}

#[test]
fn ids_that_are_refused_without_one() {
    let digits = "9".repeat(400);
    for id in ["null", "true", "1.0", "1e2", "1.5", "[]", "{}", "[1]", "9223372036854775808", &digits, "\"\\udc00\""] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        let (code, answer_to) = refused(&line);
        assert_eq!(code, -32600, "{id:.40}");
        assert!(answer_to.is_none(), "{id:.40}");
    }
    assert_eq!(
        refused(r#"{"jsonrpc":"2.0","id":7,"method":"x","params":{"a":"\ud800"}}"#),
        (-32602, Some(Id::Number(7)))
    );
    assert_eq!(refused(r#"{"jsonrpc":"2.0","id":7,"method":5,"result":{}}"#), (-32600, Some(Id::Number(7))));
}

#[test]
fn what_is_no_json_is_a_parse_error_without_an_id() {
    for line in [
        "hello",
        "{",
        "[",
        "\"",
        "{\"a\"}",
        "{\"a\":}",
        "{,}",
        "[1,]",
        "[,1]",
        "{\"a\":1,}",
        "{'a':1}",
        "{a:1}",
        "[1 2]",
        "{\"a\":1 \"b\":2}",
        "[1}",
        "{]",
        "]",
        "nul",
        "nulll",
        "True",
        "NaN",
        "Infinity",
        "-Infinity",
        "+1",
        "-",
        "01",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x10",
        "1_000",
        "\"\\x41\"",
        "\"\\u12g4\"",
        "\"\\u12\"",
        "\"\\",
        "\"a\tb\"",
        "\"a\u{0}b\"",
        "\u{0}",
        "\u{feff}{}",
        "// note",
        "{} {}",
        "{}{}",
        "{},",
        "1 2",
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":2,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#,
        "\u{a0}{}",
    ] {
        assert_eq!(refused(line), (-32700, None), "{line}");
    }
    for bytes in [&b"{\"a\":\"\xff\"}"[..], b"\xc0\x80", b"{\"a\":\"\xed\xa0\x80\"}", b"\xff\xfe{\0}\0"] {
        assert!(
            matches!(check(bytes, &FrameLimits::default()), Frame::Refused(r) if r.code == -32700 && r.id.is_none())
        );
    }
}

#[test]
fn well_formed_json_that_is_no_message() {
    for line in ["null", "1", "\"x\"", "true", "[]", "[1]", r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, "{}"] {
        assert_eq!(refused(line), (-32600, None), "{line}");
    }
    let with_id = (-32600, Some(Id::Number(1)));
    for line in [
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.00","id":1,"method":"ping"}"#,
        r#"{"jsonrpc":null,"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":["ping"]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":{"method":"ping"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":""}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","more":"\ud800"}"#,
    ] {
        assert_eq!(refused(line), with_id, "{line}");
    }
    assert_eq!(refused(r#"{"jsonrpc":"2.0","method":1}"#), (-32600, None));
}

#[test]
fn params_are_an_object_without_surprises() {
    for members in [
        r#""params":null"#,
        r#""params":[]"#,
        r#""params":"x""#,
        r#""params":1"#,
        r#""params":{"_meta":null}"#,
        r#""params":{"name":"x","_meta":[]}"#,
        r#""params":{"_m\u0065ta":"x"}"#,
        r#""params":{"a":"\ud800"}"#,
        r#""params":{"a":"\udc00\ud800"}"#,
        r#""params":{"a":"\ud800\u0041"}"#,
        r#""params":{"\ud800":1}"#,
        r#""params":{"a":1e400}"#,
        r#""params":{"a":[-1e999]}"#,
        r#""params":{"a":123456789012345678901234567890123}"#,
        r#""params":{"a":18446744073709551616}"#,
        r#""params":{"a":{"b":[-9223372036854775809]}}"#,
        r#""params":{"a":0.123456789012345678901234567890123}"#,
    ] {
        assert_eq!(refused(&request(members)), (-32602, Some(Id::Number(7))), "{members}");
    }
    for members in [
        r#""params":{"arguments":{"_meta":null}}"#,
        r#""params":{"_meta":{"_meta":1}}"#,
        r#""_meta":1"#,
        r#""params":{"a":1e308,"b":-1E-400,"c":0.0,"d":-0,"e":18446744073709551615}"#,
        r#""params":{"a":-9223372036854775808,"b":12345678901234567890.5,"c":1e30}"#,
        r#""params":{"a":"\uD83D\uDE00 \"\\\/\b\f\n\r\t"}"#,
    ] {
        assert!(matches!(seen(&request(members)), Frame::Request { .. }), "{members}");
    }
}

#[test]
fn a_key_given_twice_is_refused_wherever_it_stands() {
    for members in [
        r#""id":7"#,
        r#""m\u0065thod":"tools/list""#,
        r#""x":1,"x":1"#,
        r#""params":{"name":"a","arguments":{"deep":[{"k":1,"\u006b":2}]}}"#,
        r#""params":{"":1,"":2}"#,
    ] {
        assert_eq!(refused(&request(members)), (-32600, None), "{members}");
    }
    let many: Vec<String> = (0..5000).map(|n| format!("\"k{n}\":{{\"a\":1}}")).collect();
    let wide = many.join(",");
    assert!(matches!(seen(&request(&format!("\"params\":{{{wide}}}"))), Frame::Request { .. }));
    for again in ["\"k3\":0", "\"k4999\":0"] {
        assert_eq!(refused(&request(&format!("\"params\":{{{wide},{again}}}"))).0, -32600);
    }
    assert!(matches!(seen(&request(r#""params":{"a":{"b":1},"b":{"a":1},"A":1}"#)), Frame::Request { .. }));
}

#[test]
fn depth_is_bounded_and_costs_nothing() {
    let nested = |levels: usize| format!("\"params\":{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(matches!(seen(&request(&nested(62))), Frame::Request { .. }));
    assert_eq!(refused(&request(&nested(63))), (-32700, None));
    assert_eq!(refused(&"[".repeat(1_000_000)), (-32700, None));
    assert_eq!(refused(&"{\"a\":".repeat(1_000_000)), (-32700, None));
}

#[test]
fn notifications_and_answers_are_never_answered() {
    for line in [
        "",
        " \t\r\n",
        r#"{"jsonrpc":"2.0","method":"x","params":[]}"#,
        r#"{"jsonrpc":"2.0","method":"x","params":{"a":1,"a":2}}"#,
        r#"{"jsonrpc":"2.0","method":""}"#,
        r#"{"method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"a":"\ud800"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"result":{}}"#,
    ] {
        assert_eq!(seen(line), Frame::Nothing, "{line}");
    }
    for line in [r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, r#"{"id":null,"error":{"code":1,"message":"x"}}"#] {
        assert_eq!(seen(line), Frame::Response(line), "{line}");
    }
}

#[test]
fn a_very_long_method_is_unknown_and_not_repeated() {
    let line = format!(r#"{{"jsonrpc":"2.0","id":"q","method":"{}"}}"#, "m".repeat(1 << 20));
    assert_eq!(refused(&line), (-32601, Some(Id::Text("q".into()))));
}

/// JSON with few kinds of keys, so that duplicates across levels are common and within a level impossible.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 24, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map("[a-c_\\\\\"\u{e9}]{0,3}", inner, 0..24)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = check(&bytes, &FrameLimits::default());
    }

    #[test]
    fn what_looks_like_json_is_judged_as_serde_json_does(text in r#"[\[\]{}:,"\\0-9eE+\-. utrfalsn\x00-\x20]{0,24}"#) {
        let ours = !matches!(seen(&text), Frame::Refused(r) if r.code == -32700);
        let blank = text.trim_matches([' ', '\t', '\r', '\n']).is_empty();
        let Ok(value) = serde_json::from_str::<Value>(&text) else {
            // serde_json also rejects what is refused here with another code: numbers and half pairs.
            let softer = matches!(seen(&text), Frame::Refused(r) if r.code == -32600);
            prop_assert!(!ours || blank || softer, "{text:?} is no json");
            return Ok(());
        };
        prop_assert!(ours, "{value} is json");
    }

    #[test]
    fn valid_params_arrive_unchanged(params in prop::collection::hash_map("[a-z]{1,4}", any_json(), 0..30)) {
        let params = Value::Object(params.into_iter().collect());
        for text in [params.to_string(), serde_json::to_string_pretty(&params).unwrap().replace('\n', " ")] {
            let line = request(&format!("\"params\":{text}"));
            match seen(&line) {
                Frame::Request { id: Id::Number(7), method, params: Some(got) } => {
                    prop_assert_eq!(method.as_ref(), "tools/call");
                    prop_assert_eq!(&serde_json::from_str::<Value>(got).expect("params are json"), &params);
                }
                other => prop_assert!(false, "{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_cut_message_never_goes_on(params in any_json(), cut in any::<prop::sample::Index>()) {
        let line = request(&format!("\"params\":{{\"a\":{params}}}"));
        let at = cut.index(line.len());
        let frame = check(line.as_bytes().get(..at).unwrap(), &FrameLimits::default());
        prop_assert!(matches!(frame, Frame::Refused(_) | Frame::Nothing));
    }
}
