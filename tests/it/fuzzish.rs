//! What comes from outside, at random: frames, workflow files, arguments of tools. Nothing panics, nothing takes long, and
//! arguments that pass the published schema are never refused by the type behind it.

use std::time::{Duration, Instant};

use phasegate::config::workflow_file;
use phasegate::domain::canonical;
use phasegate::domain::refusal::{Code, Refusal};
use phasegate::mcp::frame::{Frame, FrameLimits, check};
use phasegate::tools::{TOOLS, Tool};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// Far above what any of these inputs takes in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(10);

fn soon<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    assert!(begun.elapsed() < SOON, "{what} took {:?}", begun.elapsed());
    done
}

/// Pieces of a text cut, doubled, swapped and mixed with tokens that mean something.
fn mangled(seed: &str, tokens: &[&str], acts: &[(u8, Index, Index, Index)]) -> String {
    let mut text: Vec<char> = seed.chars().collect();
    for (act, at, other, token) in acts {
        let at = at.index(text.len() + 1);
        let other = other.index(text.len() + 1);
        let (from, to) = (at.min(other), at.max(other).min(at.min(other) + 200));
        match act % 5 {
            0 => drop(text.drain(from..to)),
            1 => {
                let piece: Vec<char> = text[from..to].to_vec();
                text.splice(at..at, piece);
            }
            2 => {
                let token: Vec<char> = tokens[token.index(tokens.len())].chars().collect();
                text.splice(at..at, token);
            }
            3 => {
                let token: Vec<char> = tokens[token.index(tokens.len())].chars().collect();
                text.splice(from..to, token);
            }
            _ => text[from..to].reverse(),
        }
    }
    text.into_iter().collect()
}

fn acts(most: usize) -> impl Strategy<Value = Vec<(u8, Index, Index, Index)>> {
    prop::collection::vec(any::<(u8, Index, Index, Index)>(), 0..most)
}

const FRAMES: [&str; 5] = [
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"claim_task","arguments":{"new":{"title":"x"}}}}"#,
    r#"{"jsonrpc":"2.0","id":"a","method":"ping","params":{"_meta":{"progressToken":3}}}"#,
    r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"\u00e9"}}"#,
    r#"{"jsonrpc":"2.0","id":-7,"result":{"roots":[{"uri":"file:///x","name":null}]}}"#,
    r#"{"jsonrpc":"2.0","id":9,"error":{"code":-32603,"message":"no","data":[1.5e3,true,[],{}]}}"#,
];

const JSON_TOKENS: [&str; 34] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "\\udc00",
    "\\u0000",
    "0",
    "-",
    "1e400",
    "1.0",
    "9223372036854775808",
    "null",
    "true",
    "\"id\":",
    "\"id\":1,",
    "\"method\":",
    "\"params\":",
    "\"_meta\":",
    "\"jsonrpc\":\"2.0\"",
    "\"result\":{}",
    "\"error\":",
    "\u{feff}",
    "\u{2028}",
    "\u{0}",
    "\n",
    "\r",
    "é",
    "\"a\":{\"a\":",
];

const YAML_TOKENS: [&str; 48] = [
    ":",
    ": ",
    "- ",
    "-",
    "\n",
    "\n  ",
    "\n    ",
    "\n      ",
    "\t",
    "#",
    " #",
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a",
    "*a",
    "!!str",
    "!",
    "<<: ",
    "|",
    ">-",
    "---",
    "...",
    "%YAML 1.1\n",
    "? ",
    "~",
    "null",
    "yes",
    "0x1f",
    "1e999",
    "version: 1",
    "phases:",
    "exit:",
    "next: [done]",
    "artifact: x",
    "command: [x]",
    "approval: {}",
    "schema: {}",
    "within: 72h",
    "allow: [Read]",
    "end: true",
    "\u{202e}",
    "\u{0}",
    "é",
];

fn starters() -> Vec<&'static str> {
    phasegate::config::starters::STARTERS.iter().map(|(_, source)| *source).collect()
}

fn read_workflow(text: &str) {
    let lines = text.lines().count().max(1);
    let mut none = |_: &str| Err("there is no such file".to_owned());
    match soon("a workflow file", || workflow_file::read(text, &mut none)) {
        Ok(workflow) => {
            let body = serde_json::to_string(&workflow).unwrap();
            let again: phasegate::domain::workflow::Workflow = serde_json::from_str(&body).unwrap();
            assert_eq!(canonical::hash(&again), canonical::hash(&workflow));
        }
        Err(problems) => {
            assert!(!problems.is_empty() && problems.len() <= 100, "{} problems", problems.len());
            for problem in problems {
                assert!(problem.line >= 1 && problem.line <= lines + 1, "line {} of {lines}", problem.line);
                assert!(problem.column >= 1 && !problem.message.is_empty(), "{problem:?}");
            }
        }
    }
}

/// Any JSON, with the names of arguments among its keys.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(vec!["", "T-1", "1", "x", "2026-11-20T14:00:00Z", "low", "ready", "pgc_", "../x"]).prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(argument_name(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn argument_name() -> impl Strategy<Value = String> {
    let mut names: Vec<String> = TOOLS
        .iter()
        .flat_map(|tool| (tool.input)()["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>())
        .collect();
    names.push("_meta".to_owned());
    select(names)
}

/// Values that fit a schema, mostly; the tests ask the validator.
fn fitting(schema: &Value) -> BoxedStrategy<Value> {
    if let Some(options) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
        return prop::strategy::Union::new(options.iter().map(fitting)).boxed();
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return select(values.clone()).boxed();
    }
    let number = |key: &str| schema.get(key).and_then(Value::as_f64);
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => text_fitting(schema),
        Some("integer") => {
            let least = number("minimum").unwrap_or(0.0) as u64;
            let most = number("maximum").map_or(u64::MAX, |most| most as u64);
            let near = least.saturating_add(20).min(most);
            prop_oneof![
                (least..=near).prop_map(Value::from),
                (least..=most).prop_map(Value::from),
                // A whole number that is written with a fraction is a whole number to JSON Schema.
                (least..=near).prop_map(|whole| Value::from(whole as f64)),
                select(vec![json!(most), json!(1e15), json!(1e30)]),
            ]
            .boxed()
        }
        Some("number") => {
            let (least, most) = (number("minimum").unwrap_or(0.0), number("maximum").unwrap_or(1e300));
            prop_oneof![(least..=most).prop_map(Value::from), Just(json!(0)), Just(json!(1))].boxed()
        }
        Some("boolean") => any::<bool>().prop_map(Value::from).boxed(),
        Some("array") => {
            let least = number("minItems").unwrap_or(0.0) as usize;
            let most = number("maxItems").map_or(least + 3, |most| (most as usize).min(least + 3));
            let items = schema.get("items").map_or_else(|| any_json().boxed(), fitting);
            prop::collection::vec(items, least..=most).prop_map(Value::from).boxed()
        }
        Some("object") => object_fitting(schema),
        _ => any_json().boxed(),
    }
}

fn text_fitting(schema: &Value) -> BoxedStrategy<Value> {
    if schema.get("format").is_some() {
        let times = [
            "2026-11-20T14:00:00Z",
            "2026-11-20t14:00:00.123456789z",
            "1969-01-01T00:00:00+23:59",
            "2016-12-31T23:59:60Z",
        ];
        return select(times.to_vec()).prop_map(Value::from).boxed();
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        let inside = pattern.trim_start_matches('^').trim_end_matches('$');
        return prop::string::string_regex(inside).unwrap().prop_map(Value::from).boxed();
    }
    let length = |key: &str| schema.get(key).and_then(Value::as_u64);
    let (least, most) = (length("minLength").unwrap_or(0), length("maxLength").unwrap_or(40).min(40));
    prop::string::string_regex(&format!("(?s).{{{least},{most}}}")).unwrap().prop_map(Value::from).boxed()
}

fn object_fitting(schema: &Value) -> BoxedStrategy<Value> {
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return prop::collection::hash_map(argument_name(), any_json(), 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
            .boxed();
    };
    let fields: Vec<BoxedStrategy<Option<(String, Value)>>> = properties
        .iter()
        .map(|(name, schema)| {
            let name = name.clone();
            let must = required.contains(&name.as_str());
            let value = fitting(schema).prop_map(move |value| (name.clone(), value));
            if must { value.prop_map(Some).boxed() } else { prop::option::weighted(0.25, value).boxed() }
        })
        .collect();
    fields.prop_map(|fields| Value::Object(fields.into_iter().flatten().collect())).boxed()
}

fn parsed(tool: &Tool, arguments: &Value) -> Result<(), Refusal> {
    soon(tool.name, || (tool.parse)(arguments.clone())).map(drop)
}

/// Words that only the types behind the schema say.
const OF_TYPES: [&str; 9] = [
    "invalid type",
    "invalid value",
    "invalid length",
    "missing field",
    "unknown field",
    "unknown variant",
    "did not match any variant",
    "is not a time",
    "expected ",
];

proptest! {
    #[test]
    fn mangled_frames_are_survived(seed in 0..FRAMES.len(), acts in acts(6), bytes in prop::collection::vec(any::<(Index, u8)>(), 0..3)) {
        let mut line = mangled(FRAMES[seed], &JSON_TOKENS, &acts).into_bytes();
        for (at, byte) in bytes {
            if !line.is_empty() {
                let at = at.index(line.len());
                line[at] = byte;
            }
        }
        match soon("a frame", || check(&line, &FrameLimits::default())) {
            Frame::Request { method, params, .. } | Frame::Notification { method, params } => {
                prop_assert!(!method.is_empty());
                if let Some(params) = params {
                    prop_assert!(serde_json::from_str::<Value>(params).unwrap().is_object());
                }
            }
            Frame::Refused(refusal) => prop_assert!(refusal.code < -32000 && !refusal.message.is_empty()),
            Frame::Response(_) | Frame::Nothing => {}
        }
    }

    #[test]
    fn frames_of_tokens_are_survived(tokens in prop::collection::vec(select(JSON_TOKENS.to_vec()), 0..60)) {
        let line = tokens.concat();
        let _ = soon("a frame", || check(line.as_bytes(), &FrameLimits::default()));
    }

    #[test]
    fn mangled_workflows_are_survived(seed in any::<Index>(), acts in acts(5)) {
        let starters = starters();
        read_workflow(&mangled(starters[seed.index(starters.len())], &YAML_TOKENS, &acts));
    }

    #[test]
    fn workflows_of_tokens_are_survived(tokens in prop::collection::vec(select(YAML_TOKENS.to_vec()), 0..60)) {
        read_workflow(&tokens.concat());
    }

    #[test]
    fn any_arguments_are_answered(tool in 0..TOOLS.len(), arguments in any_json()) {
        if let Err(refusal) = parsed(&TOOLS[tool], &arguments) {
            prop_assert_eq!(refusal.code, Code::BadArguments);
            prop_assert!(!refusal.hint.is_empty() && refusal.message.len() < 20_000, "{} bytes", refusal.message.len());
        }
    }

    #[test]
    fn arguments_that_pass_the_schema_pass_the_type(
        (tool, arguments) in (0..TOOLS.len()).prop_flat_map(|tool| (Just(tool), fitting(&(TOOLS[tool].input)()))),
    ) {
        let tool = &TOOLS[tool];
        let schema = (tool.input)();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        if validator.is_valid(&arguments) && let Err(refusal) = parsed(tool, &arguments) {
            let words = OF_TYPES.iter().find(|words| refusal.message.contains(**words));
            prop_assert!(words.is_none(), "{}: {arguments} → {}", tool.name, refusal.message);
        }
    }
}

#[test]
fn deep_and_long_inputs_are_bounded() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("{a: ", "}"), ("- ", ""), ("? ", ""), ("a:\n ", "")] {
        let deep = format!("{}1{}", open.repeat(60_000), close.repeat(60_000));
        let _ = soon("a deep frame", || check(deep.as_bytes(), &FrameLimits::default()));
        read_workflow(&deep);
    }
    for text in ["&a [*a, *a]\n", "\"\\u0041\" ", "a: |\n", "# x\n", "'", "\u{e9}", "k: v\n", "- - - -\n"] {
        read_workflow(&text.repeat(200_000 / text.len()));
    }
    let wide: String = (0..20_000).map(|n| format!("k{n}: 1\n")).collect();
    read_workflow(&wide);
}
