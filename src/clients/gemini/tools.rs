//! The tools of Gemini CLI in the one vocabulary. A tool that is not known keeps its name, and no rule allows it.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::clients::claude_code::hook::Spoken;
use crate::clients::names;

/// Addresses in one `web_fetch`; the client itself takes 20.
const ADDRESSES_MAX: usize = 50;

type Fields = &'static [(&'static str, &'static [&'static str])];

const FILE: (&str, &[&str]) = ("file_path", &["file_path", "absolute_path"]);
const FOLDER: (&str, &[&str]) = ("path", &["dir_path", "path", "directory"]);

pub fn spoken(tool: &str, native: &Value, context: Option<&Map<String, Value>>, cwd: &Path) -> Spoken {
    let one = |tool: &str, fields: Fields| {
        names::renamed(native, fields).map(|input| Spoken { tool: tool.to_owned(), input, also: Vec::new() })
    };
    let known = match tool {
        "run_shell_command" => shell(native, cwd),
        "write_file" => one("Write", &[FILE, ("content", &["content"])]),
        "replace" => one("Edit", &[FILE, ("old_string", &["old_string"]), ("new_string", &["new_string"])]),
        "read_file" => one("Read", &[FILE]),
        "read_many_files" => many(native),
        "list_directory" => one("Glob", &[FOLDER]),
        "glob" => one("Glob", &[FOLDER, ("pattern", &["pattern"])]),
        "search_file_content" | "grep_search" => {
            one("Grep", &[FOLDER, ("pattern", &["pattern"]), ("glob", &["include", "include_pattern"])])
        }
        "web_fetch" => addresses(native),
        "google_web_search" => one("WebSearch", &[("query", &["query"])]),
        "write_todos" => one("TodoWrite", &[("todos", &["todos"])]),
        "activate_skill" => one("Skill", &[("skill", &["name", "skill"])]),
        _ => None,
    };
    known.unwrap_or_else(|| Spoken { tool: of_server(tool, context), input: native.clone(), also: Vec::new() })
}

/// What the client says of the server is exact; the name of the tool is not, where the server's has a line in it.
fn of_server(tool: &str, context: Option<&Map<String, Value>>) -> String {
    let said = |key: &str| context.and_then(|context| context.get(key)).and_then(Value::as_str);
    if let (Some(server), Some(name)) = (said("server_name"), said("tool_name")) {
        return names::of_server(server, name);
    }
    let joined = tool.strip_prefix("mcp_").filter(|rest| !rest.starts_with('_')).and_then(names::joined);
    joined.unwrap_or_else(|| names::plain(tool))
}

fn shell(native: &Value, cwd: &Path) -> Option<Spoken> {
    let named = names::renamed(native, &[("command", &["command"]), ("folder", &["dir_path", "directory"])])?;
    let folder = match named.get("folder") {
        Some(folder) => Some(folder.as_str()?),
        None => None,
    };
    let input = names::shell(named.get("command")?.as_str()?, folder, cwd);
    Some(Spoken { tool: "Bash".to_owned(), input, also: Vec::new() })
}

/// A pattern may name any file below its fixed part: it is a search of that folder.
fn many(native: &Value) -> Option<Spoken> {
    let named = names::renamed(native, &[("files", &["include", "paths"])])?;
    let files: Vec<&str> = named.get("files")?.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
    all(files.into_iter().map(|file| match file.find(['*', '?', '[', '{', '!']) {
        None => ("Read".to_owned(), json!({"file_path": file})),
        Some(at) => {
            let fixed = file.get(..at).unwrap_or_default();
            let folder = fixed.rfind('/').map_or(".", |end| fixed.get(..=end).unwrap_or("."));
            ("Grep".to_owned(), json!({"pattern": "", "path": folder, "glob": file}))
        }
    }))
}

/// The addresses stand in the text for the model that reads the pages.
fn addresses(native: &Value) -> Option<Spoken> {
    let named = names::renamed(native, &[("text", &["prompt", "url"])])?;
    let text = named.get("text")?.as_str()?;
    let starts = text.match_indices("://").map(|(at, _)| {
        let before = text.get(..at).unwrap_or_default();
        before.rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |end| end + 1)
    });
    let found: Vec<&str> = starts
        .filter_map(|start| text.get(start..)?.split(|c: char| c.is_whitespace() || "<>\"'`()[]{},".contains(c)).next())
        .collect();
    if found.len() > ADDRESSES_MAX {
        return None;
    }
    all(found.into_iter().map(|url| ("WebFetch".to_owned(), json!({"url": url}))))
}

fn all(mut calls: impl Iterator<Item = (String, Value)>) -> Option<Spoken> {
    let (tool, input) = calls.next()?;
    Some(Spoken { tool, input, also: calls.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(tool: &str, native: &Value, context: &Value) -> String {
        let found = spoken(tool, native, context.as_object(), Path::new("/p"));
        let also = found.also.iter().map(|(tool, input)| format!(" | {tool} {input}")).collect::<String>();
        format!("{} {}{also}", found.tool, found.input)
    }

    #[test]
    fn tools_get_the_names_and_fields_of_the_one_vocabulary() {
        let cases = [
            ("run_shell_command", json!({"command": "ls", "description": "x"}), r#"Bash {"command":"ls"}"#),
            ("run_shell_command", json!({"command": "ls", "dir_path": "a"}), r#"Bash {"command":"cd '/p/a' && ls"}"#),
            ("run_shell_command", json!({"command": 3}), r#"run_shell_command {"command":3}"#),
            ("write_file", json!({"file_path": "a", "content": "x"}), r#"Write {"file_path":"a","content":"x"}"#),
            (
                "replace",
                json!({"file_path": "a", "instruction": "i", "old_string": "o", "new_string": "n"}),
                r#"Edit {"file_path":"a","old_string":"o","new_string":"n"}"#,
            ),
            ("read_file", json!({"absolute_path": "/p/a"}), r#"Read {"file_path":"/p/a"}"#),
            (
                "read_many_files",
                json!({"include": ["a.txt", "src/**/*.rs", "*"]}),
                concat!(
                    r#"Read {"file_path":"a.txt"} | Grep {"pattern":"","path":"src/","glob":"src/**/*.rs"}"#,
                    r#" | Grep {"pattern":"","path":".","glob":"*"}"#
                ),
            ),
            ("read_many_files", json!({"include": []}), r#"read_many_files {"include":[]}"#),
            ("glob", json!({"pattern": "*.rs"}), r#"Glob {"pattern":"*.rs"}"#),
            ("search_file_content", json!({"pattern": "x", "path": "s"}), r#"Grep {"path":"s","pattern":"x"}"#),
            (
                "web_fetch",
                json!({"prompt": "sum up https://a.example/x, and (http://b.example)"}),
                r#"WebFetch {"url":"https://a.example/x"} | WebFetch {"url":"http://b.example"}"#,
            ),
            ("web_fetch", json!({"prompt": "no address"}), r#"web_fetch {"prompt":"no address"}"#),
            ("google_web_search", json!({"query": "q"}), r#"WebSearch {"query":"q"}"#),
            ("save_memory", json!({"fact": "f"}), r#"save_memory {"fact":"f"}"#),
            ("mcp_phasegate_claim_task", json!({}), "mcp__phasegate__claim_task {}"),
            ("mcp__github__create_issue", json!({}), "mcp__github__create_issue {}"),
        ];
        for (tool, native, wanted) in cases {
            assert_eq!(shown(tool, &native, &Value::Null), wanted, "{tool}");
        }
    }

    #[test]
    fn what_the_client_says_of_the_server_counts_more_than_the_name() {
        let context = json!({"server_name": "my_server", "tool_name": "do_it"});
        assert_eq!(shown("mcp_my_server_do_it", &json!({}), &context), "mcp__my_server__do_it {}");
        assert_eq!(shown("mcp_my_server_do_it", &json!({}), &Value::Null), "mcp__my__server_do_it {}");
    }
}
