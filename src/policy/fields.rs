//! What a call of a tool that we do not know names in its fields: paths, commands, addresses. Texts in which people only
//! speak of such things are none of them.

use std::borrow::Cow;

use serde_json::{Map, Value};
use url::Url;

use crate::domain::visible::shell_word;

use super::rule::OWN_TOOLS;

/// Names of fields in which people write: what stands there is spoken of, not opened.
const PROSE: [&str; 44] = [
    "answer",
    "ask",
    "body",
    "branch",
    "caption",
    "code",
    "comment",
    "content",
    "contents",
    "data",
    "description",
    "diff",
    "goal",
    "instructions",
    "keyword",
    "keywords",
    "label",
    "labels",
    "markdown",
    "message",
    "msg",
    "newstring",
    "newtext",
    "note",
    "notes",
    "oldstring",
    "oldtext",
    "patch",
    "pattern",
    "prompt",
    "q",
    "query",
    "question",
    "reason",
    "regex",
    "replacement",
    "search",
    "searchterm",
    "subject",
    "summary",
    "text",
    "title",
    "topic",
    "value",
];
/// Parts of names of fields that hold a path, with blanks in it too.
const OF_PATHS: [&str; 11] =
    ["path", "file", "dir", "folder", "source", "src", "dest", "target", "uri", "location", "root"];
const OF_COMMANDS: [&str; 10] =
    ["command", "cmd", "commandline", "commands", "cmds", "script", "shellcommand", "bash", "powershell", "executable"];
/// Where they hold a list, each item is a command.
const SEVERAL: [&str; 3] = ["commands", "cmds", "script"];
const OF_ARGUMENTS: [&str; 4] = ["args", "argv", "arguments", "params"];
/// They hold a command where the tool's own name says that it runs something.
const OF_COMMANDS_OF_RUNNERS: [&str; 7] = ["code", "input", "text", "keys", "stdin", "data", "line"];
const RUNNERS: [&str; 17] = [
    "run",
    "exec",
    "execute",
    "eval",
    "evaluate",
    "shell",
    "terminal",
    "bash",
    "command",
    "process",
    "spawn",
    "cmd",
    "powershell",
    "pwsh",
    "ssh",
    "tmux",
    "repl",
];
/// Words with which the name of a tool that only looks begins.
const LOOKS: [&str; 16] = [
    "read",
    "get",
    "list",
    "search",
    "find",
    "stat",
    "view",
    "show",
    "head",
    "tail",
    "tree",
    "describe",
    "fetch",
    "grep",
    "glob",
    "directory",
];
/// What only a person does.
const PERSONS: [&str; 10] =
    ["adjust", "answer", "approve", "bypass", "decide", "reject", "restore", "token", "trust", "unlock"];
/// The system opens no longer path.
const PATH_BYTES_MAX: usize = 4_096;

/// One of phasegate's own, which judges what it is given itself.
pub fn is_own(tool: &str) -> bool {
    tool.strip_prefix("mcp__phasegate__").is_some_and(|own| OWN_TOOLS.contains(&own))
}

/// One that is called as if phasegate offered to agents what it keeps for persons. Tools of servers behind it have their
/// server's name in front.
pub fn poses_as_own(tool: &str) -> bool {
    let named = tool.strip_prefix("mcp__phasegate__").filter(|own| !own.contains("__"));
    named.is_some_and(|own| words_of(own).iter().any(|word| PERSONS.contains(&word.as_str())))
}

/// Whether the tool's name says that it changes nothing.
pub fn only_looks(tool: &str) -> bool {
    words_of(tool).first().is_some_and(|first| LOOKS.contains(&first.as_str()))
}

/// Paths, each the whole of a field.
pub fn paths(input: &Value) -> Vec<Cow<'_, str>> {
    let mut found = Vec::new();
    walk(input, &mut |key, text| {
        if !PROSE.contains(&key) && is_one_path(key, text) {
            let address = text.strip_prefix("file://").and_then(|_| Url::parse(text).ok()?.to_file_path().ok());
            found.push(address.map_or(Cow::Borrowed(text), |path| Cow::Owned(path.to_string_lossy().into_owned())));
        }
    });
    found
}

/// Addresses of the web.
pub fn addresses(input: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    walk(input, &mut |key, text| {
        let is_address = text.starts_with("http://") || text.starts_with("https://");
        if is_address && !PROSE.contains(&key) && !text.contains(char::is_whitespace) {
            found.push(text);
        }
    });
    found
}

/// Commands, with the arguments that stand beside them.
pub fn commands(tool: &str, input: &Value) -> Vec<String> {
    let runs = words_of(tool).iter().any(|word| RUNNERS.contains(&word.as_str()));
    let is_command = |key: &str| OF_COMMANDS.contains(&key) || runs && OF_COMMANDS_OF_RUNNERS.contains(&key);
    let (mut found, mut open) = (Vec::new(), vec![input]);
    while let Some(next) = open.pop() {
        match next {
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => {
                found.extend(in_one(fields, &is_command));
                open.extend(fields.values());
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    found
}

fn in_one(fields: &Map<String, Value>, is_command: &dyn Fn(&str) -> bool) -> Vec<String> {
    let of = |wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
        let known = fields.iter().map(|(key, value)| (plain(key), value)).filter(|(key, _)| wanted(key));
        known.filter_map(|(key, value)| as_command(&key, value)).collect()
    };
    let (commands, arguments) = (of(is_command), of(&|key| OF_ARGUMENTS.contains(&key)).join(" "));
    if arguments.is_empty() {
        return commands;
    }
    if commands.is_empty() {
        return vec![arguments];
    }
    let with = commands.iter().map(|command| format!("{command} {arguments}"));
    with.chain(commands.iter().cloned()).collect()
}

/// A text, or a list of texts: the words of one command, or several commands.
fn as_command(key: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            let words = || texts.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ");
            (!texts.is_empty()).then(|| if SEVERAL.contains(&key) { texts.join("\n") } else { words() })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// Every text with the plain name of the field that it stands in.
fn walk<'i>(input: &'i Value, see: &mut dyn FnMut(&str, &'i str)) {
    let mut open = vec![(String::new(), input)];
    while let Some((key, next)) = open.pop() {
        match next {
            Value::String(text) => see(&key, text),
            Value::Array(items) => open.extend(items.iter().map(|item| (key.clone(), item))),
            Value::Object(fields) => open.extend(fields.iter().map(|(key, value)| (plain(key), value))),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// `filePath`, `file_path` and `file-path` are one name.
fn plain(key: &str) -> String {
    key.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>().to_lowercase()
}

fn is_one_path(key: &str, text: &str) -> bool {
    let bounded = !text.is_empty() && text.len() <= PATH_BYTES_MAX && !text.contains(char::is_control);
    bounded && (!text.contains(' ') || OF_PATHS.iter().any(|part| key.contains(part)))
}

/// The words of a tool's own name, in small letters: `mcp__fs__readFile` has `read` and `file`.
fn words_of(tool: &str) -> Vec<String> {
    let own = tool.rsplit("__").next().unwrap_or(tool);
    let mut words: Vec<String> = vec![String::new()];
    let mut before_is_small = false;
    for letter in own.chars() {
        if !letter.is_alphanumeric() || letter.is_uppercase() && before_is_small {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            words.last_mut().into_iter().for_each(|word| word.extend(letter.to_lowercase()));
        }
        before_is_small = letter.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_whole_fields_that_people_do_not_write_in() {
        for (input, expected) in [
            (json!({ "path": "/a/b c" }), vec!["/a/b c"]),
            (json!({ "edits": [{ "filePath": "x/y" }] }), vec!["x/y"]),
            (json!({ "paths": ["a", "b"] }), vec!["b", "a"]),
            (json!({ "uri": "file:///a/b" }), vec!["/a/b"]),
            (json!({ "uri": "file://localhost/a/%2Eb" }), vec!["/a/.b"]),
            (json!({ "where": "about /a/b" }), vec![]),
            (json!({ "query": "/a/b", "body": "/a/b", "old_string": "/a/b" }), vec![]),
            (json!({ "path": "a\nb" }), vec![]),
        ] {
            assert_eq!(paths(&input), expected, "{input}");
        }
    }

    #[test]
    fn commands_are_known_by_the_name_of_their_field() {
        for (tool, input, expected) in [
            ("mcp__s__run", json!({ "command": "ls" }), vec!["ls"]),
            ("mcp__s__x", json!({ "cmd": ["a", "b"] }), vec!["a b"]),
            ("mcp__s__x", json!({ "command": "a", "args": ["b", "c"] }), vec!["a b c", "a"]),
            ("mcp__s__x", json!({ "command": "sh", "args": ["-c", "b c"] }), vec!["sh -c 'b c'", "sh"]),
            ("mcp__s__x", json!({ "commands": ["a b", "c"] }), vec!["a b\nc"]),
            ("mcp__s__x", json!({ "steps": [{ "script": "a" }] }), vec!["a"]),
            ("mcp__s__execute_python", json!({ "code": "a" }), vec!["a"]),
            ("mcp__s__post", json!({ "code": "a", "text": "b" }), vec![]),
        ] {
            assert_eq!(commands(tool, &input), expected, "{tool} {input}");
        }
    }

    #[test]
    fn a_tool_that_only_looks_is_known_by_its_name() {
        for (tool, expected) in [
            ("mcp__fs__read_file", true),
            ("mcp__fs__readFile", true),
            ("mcp__fs__list_directory", true),
            ("mcp__fs__write_file", false),
            ("mcp__fs__move_file", false),
            ("mcp__fs__reader_reset", false),
        ] {
            assert_eq!(only_looks(tool), expected, "{tool}");
        }
    }
}
