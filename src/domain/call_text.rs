//! A call as a person reads it before a yes: its arguments one by one, so that nothing in them hides, leaves its line or passes
//! for another argument. How the lines are framed is not here.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::visible::{code, exact, folded_runs};

/// Tools that clients bring along, and what each takes; what weighs most comes first.
const KNOWN: [(&str, &[&str]); 12] = [
    ("Bash", &["command", "timeout", "run_in_background", "description"]),
    ("Read", &["file_path", "offset", "limit", "pages"]),
    ("Write", &["file_path", "content"]),
    ("Edit", &["file_path", "old_string", "new_string", "replace_all"]),
    ("MultiEdit", &["file_path", "edits"]),
    ("NotebookEdit", &["notebook_path", "cell_id", "cell_type", "edit_mode", "new_source"]),
    ("Glob", &["pattern", "path"]),
    (
        "Grep",
        &[
            "pattern",
            "path",
            "glob",
            "type",
            "output_mode",
            "-A",
            "-B",
            "-C",
            "-i",
            "-n",
            "multiline",
            "head_limit",
            "offset",
        ],
    ),
    ("WebFetch", &["url", "prompt"]),
    ("WebSearch", &["query", "allowed_domains", "blocked_domains"]),
    ("Task", &["subagent_type", "prompt", "description", "model", "run_in_background"]),
    ("Agent", &["subagent_type", "prompt", "description", "model", "run_in_background"]),
];
/// Rows of empty lines up to this long are layout; of longer ones the count says more than the sight.
const EMPTY_LINES_KEPT: usize = 3;
const NAME_CHARACTERS_MAX: usize = 200;

/// A name as an agent gave it: as it is where it cannot be taken for anything else, else in quotes and without a letter that
/// only looks like another.
pub fn name(name: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.is_empty() && name.chars().all(plain) && name.len() <= NAME_CHARACTERS_MAX {
        return Cow::Borrowed(name);
    }
    let letter = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        ' '..='~' => c.to_string(),
        c => code(c),
    };
    let length = name.chars().count();
    let kept: String = name.chars().take(NAME_CHARACTERS_MAX).map(letter).collect();
    let cut = if length > NAME_CHARACTERS_MAX { format!("… ({length} characters)") } else { String::new() };
    Cow::Owned(format!("\"{kept}\"{cut}"))
}

type Fields<'a> = Vec<(&'a String, &'a Value)>;

/// Arguments with those first that the tool takes, in the order in which people look for them; and those that it does not take.
fn sorted<'a>(tool: &str, fields: &'a Map<String, Value>) -> (Fields<'a>, Fields<'a>) {
    let Some((_, known)) = KNOWN.iter().find(|(known, _)| *known == tool) else {
        return (fields.iter().collect(), Vec::new());
    };
    let first = known.iter().filter_map(|name| fields.get_key_value(*name)).collect();
    (first, fields.iter().filter(|(name, _)| !known.contains(&name.as_str())).collect())
}

/// All of it, a line each; text of several lines below its name.
pub fn lines(tool: &str, arguments: &Value) -> Vec<String> {
    let Value::Object(fields) = arguments else { return vec![safe(&arguments.to_string())] };
    let (known, others) = sorted(tool, fields);
    let mut lines: Vec<String> = known.into_iter().flat_map(|(name, value)| field(name, value)).collect();
    if !others.is_empty() {
        lines.push(format!("also given, though `{}` takes no such thing:", self::name(tool)));
        let others = others.into_iter().flat_map(|(name, value)| field(name, value));
        lines.extend(others.map(|line| format!("  {line}")));
    }
    if lines.is_empty() { vec!["(no arguments)".to_owned()] } else { lines }
}

/// What it does, as one text: the command of a shell, else all arguments as JSON. It still has its line ends.
pub fn essence(tool: &str, arguments: &Value) -> String {
    let Value::Object(fields) = arguments else { return exact(&arguments.to_string()) };
    let Some(command) = arguments.get("command").and_then(Value::as_str) else { return json(tool, arguments) };
    match fields.len() - 1 {
        0 => exact(command),
        _ if sorted(tool, fields).1.is_empty() => exact(command),
        more => format!("{} (and {more} more arguments)", exact(command)),
    }
}

/// All arguments as JSON on one line, in the same order.
pub fn json(tool: &str, arguments: &Value) -> String {
    let Value::Object(fields) = arguments else { return exact(&arguments.to_string()) };
    let (known, others) = sorted(tool, fields);
    let sorted: Map<String, Value> =
        known.into_iter().chain(others).map(|(name, value)| (name.clone(), value.clone())).collect();
    exact(&Value::Object(sorted).to_string())
}

fn field(name: &str, value: &Value) -> Vec<String> {
    let name = self::name(name);
    match value {
        Value::String(text) if !text.contains('\n') => vec![format!("{name}: {}", safe(text))],
        Value::String(text) => {
            let mut lines = vec![format!("{name}:")];
            lines.extend(paragraphs(text).into_iter().map(|line| format!("  {line}")));
            lines
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            vec![format!("{name}: {}", safe(&value.to_string()))]
        }
    }
}

/// Line by line; a long row of empty lines is counted, since what stands behind it would be out of view.
fn paragraphs(text: &str) -> Vec<String> {
    let (mut lines, mut empty) = (Vec::new(), 0);
    let counted = |lines: &mut Vec<String>, empty: usize| match empty {
        0 => {}
        1..=EMPTY_LINES_KEPT => lines.extend(std::iter::repeat_n(String::new(), empty)),
        _ => lines.push(format!("… ({empty} empty lines)")),
    };
    for line in text.split('\n') {
        if line.trim().is_empty() && !line.chars().any(|c| c != ' ') {
            empty += 1;
            continue;
        }
        counted(&mut lines, std::mem::take(&mut empty));
        lines.push(safe(line));
    }
    counted(&mut lines, empty);
    lines
}

fn safe(text: &str) -> String {
    folded_runs(&exact(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arguments_are_shown_whole_and_nothing_in_them_hides() {
        let shown = lines("Bash", &json!({"command": "ls\u{202e} x", "description": "a\nb\u{1b}[2J", "timeout": 1}));
        assert_eq!(shown, ["command: ls\\u{202e} x", "timeout: 1", "description:", "  a", "  b\\u{1b}[2J"]);
        assert_eq!(lines("Bash", &json!({})), ["(no arguments)"]);
        assert_eq!(lines("mcp__x__y", &json!({"b": {"k\n": "v"}, "a": null})), ["b: {\"k\\n\":\"v\"}", "a: null"]);
    }

    #[test]
    fn a_name_stays_on_its_line_and_looks_like_no_other() {
        for (given, shown) in [
            ("command", "command"),
            ("-A", "-A"),
            ("file.path_2", "file.path_2"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a\n  after a yes  nothing", "\"a\\u{a}  after a yes  nothing\""),
            ("command: npm test   #", "\"command: npm test   #\""),
            ("сommand", "\"\\u{441}ommand\""),
            ("a\"b\\", "\"a\\\"b\\\\\""),
        ] {
            assert_eq!(name(given), shown);
            let all = lines("mcp__x__y", &json!({given: "v\nw"}));
            assert_eq!(all, [format!("{shown}:"), "  v".to_owned(), "  w".to_owned()]);
        }
        let long = "x".repeat(5000);
        assert!(name(&long).ends_with("\"… (5000 characters)") && name(&long).len() < 300);
    }

    #[test]
    fn what_the_tool_does_not_take_stands_apart_and_behind() {
        let call = json!({"command: npm test   #": 1, "Command": "npm test", "command": "rm -rf ~"});
        let behind = "also given, though `Bash` takes no such thing:";
        assert_eq!(
            lines("Bash", &call),
            ["command: rm -rf ~", behind, "  \"command: npm test   #\": 1", "  Command: npm test"]
        );
        assert_eq!(essence("Bash", &call), "rm -rf ~ (and 2 more arguments)");
        assert!(json("Bash", &call).starts_with("{\"command\":\"rm -rf ~\","));
        assert_eq!(essence("Write", &json!({"content": "x", "file_path": "a"})), r#"{"file_path":"a","content":"x"}"#);
    }

    #[test]
    fn rows_of_nothing_are_counted() {
        let far = format!("npm test{}rm -rf ~", "\n".repeat(500));
        assert_eq!(
            lines("Bash", &json!({"command": far})),
            ["command:", "  npm test", "  … (499 empty lines)", "  rm -rf ~"]
        );
        let wide = format!("npm test{}; rm -rf ~", " ".repeat(3000));
        assert_eq!(lines("Bash", &json!({"command": wide})), ["command: npm test␣×3000; rm -rf ~"]);
        let tabs = format!("a{}b", "\t".repeat(100));
        assert_eq!(lines("Bash", &json!({"command": tabs})), ["command: a\\u{9}×100b"]);
        assert_eq!(lines("Bash", &json!({"command": "a\n\nb\u{3000}"})), ["command:", "  a", "  ", "  b\\u{3000}"]);
    }
}
