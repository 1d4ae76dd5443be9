//! The tools of Codex in the one vocabulary. A tool that is not known keeps its name, and no rule allows it.

use std::path::Path;

use serde_json::Value;

use crate::clients::claude_code::hook::Spoken;
use crate::clients::{names, patch};

pub fn spoken(tool: &str, native: &Value, cwd: &Path) -> Spoken {
    let one = |tool: &str, input: Value| Spoken { tool: tool.to_owned(), input, also: Vec::new() };
    let known = match tool {
        "Bash" | "shell" | "shell_command" | "local_shell" | "exec_command" | "container.exec" => {
            shell(native, cwd).map(|input| one("Bash", input))
        }
        "apply_patch" => patched(native),
        "spawn_agent" => {
            let fields: &[(&str, &[&str])] =
                &[("prompt", &["message", "prompt"]), ("subagent_type", &["agent_type"]), ("model", &["model"])];
            names::renamed(native, fields).map(|input| one("Agent", input))
        }
        "view_image" | "read_file" => {
            let fields: &[(&str, &[&str])] = &[("file_path", &["path", "file_path"])];
            names::renamed(native, fields).map(|input| one("Read", input))
        }
        "list_dir" => {
            let fields: &[(&str, &[&str])] = &[("path", &["dir_path", "path"])];
            names::renamed(native, fields).map(|input| one("Glob", input))
        }
        "grep_files" => {
            let fields: &[(&str, &[&str])] = &[("pattern", &["pattern"]), ("path", &["path"]), ("glob", &["include"])];
            names::renamed(native, fields).map(|input| one("Grep", input))
        }
        "web_search" => Some(one("WebSearch", native.clone())),
        "update_plan" => Some(one("TodoWrite", native.clone())),
        _ => None,
    };
    known.unwrap_or_else(|| one(&names::plain(tool), native.clone()))
}

/// A list of words is a program and its arguments; the usual list starts a shell on a text, and that text counts.
fn shell(native: &Value, cwd: &Path) -> Option<Value> {
    let named = names::renamed(native, &[("command", &["command", "cmd"]), ("folder", &["workdir"])])?;
    let command = match named.get("command")? {
        Value::String(text) => text.clone(),
        Value::Array(words) => {
            let words: Vec<&str> = words.iter().map(Value::as_str).collect::<Option<_>>()?;
            match words.as_slice() {
                ["bash" | "/bin/bash" | "sh" | "/bin/sh" | "zsh" | "/bin/zsh", "-lc" | "-c", text] => {
                    (*text).to_owned()
                }
                words => words.iter().map(|word| names::quoted(word)).collect::<Vec<_>>().join(" "),
            }
        }
        _ => return None,
    };
    let folder = named.get("folder").map(Value::as_str);
    if folder == Some(None) { None } else { Some(names::shell(&command, folder.flatten(), cwd)) }
}

/// One call that changes many files is many calls: each of them must be allowed.
fn patched(native: &Value) -> Option<Spoken> {
    let named = names::renamed(native, &[("patch", &["command", "input", "patch"])])?;
    let mut changes = patch::changes(named.get("patch")?.as_str()?)?.into_iter();
    let (tool, input) = changes.next()?;
    Some(Spoken { tool, input, also: changes.collect() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tools_get_the_names_and_fields_of_the_one_vocabulary() {
        let cases = [
            ("Bash", json!({"command": "ls"}), "Bash", json!({"command": "ls"})),
            ("exec_command", json!({"cmd": "ls", "workdir": "sub"}), "Bash", json!({"command": "cd '/p/sub' && ls"})),
            ("shell", json!({"command": ["bash", "-lc", "a | b"]}), "Bash", json!({"command": "a | b"})),
            ("shell", json!({"command": ["rm", "a b"]}), "Bash", json!({"command": "'rm' 'a b'"})),
            ("shell", json!({"command": "a", "cmd": "b"}), "shell", json!({"command": "a", "cmd": "b"})),
            ("shell", json!({"command": "a", "workdir": 3}), "shell", json!({"command": "a", "workdir": 3})),
            ("shell", json!({"command": ["a", 1]}), "shell", json!({"command": ["a", 1]})),
            (
                "spawn_agent",
                json!({"message": "do", "agent_type": "worker"}),
                "Agent",
                json!({"prompt": "do", "subagent_type": "worker"}),
            ),
            ("view_image", json!({"path": "a.png"}), "Read", json!({"file_path": "a.png"})),
            ("write_stdin", json!({"chars": "rm"}), "write_stdin", json!({"chars": "rm"})),
            ("mcp__phasegate__claim_task", json!({}), "mcp__phasegate__claim_task", json!({})),
            ("apply_patch", json!({"command": "nonsense"}), "apply_patch", json!({"command": "nonsense"})),
        ];
        for (tool, native, wanted, input) in cases {
            let found = spoken(tool, &native, Path::new("/p"));
            assert_eq!((found.tool.as_str(), found.input), (wanted, input), "{tool} {native}");
        }
    }

    #[test]
    fn a_patch_over_many_files_is_many_calls() {
        let patch =
            "*** Begin Patch\n*** Add File: a\n+x\n*** Update File: b\n*** Move to: c\n@@\n-o\n+n\n*** End Patch\n";
        let found = spoken("apply_patch", &json!({"command": patch}), Path::new("/p"));
        let all: Vec<(String, String)> = std::iter::once((found.tool, found.input))
            .chain(found.also)
            .map(|(tool, input)| (tool, input["file_path"].as_str().unwrap_or("?").to_owned()))
            .collect();
        let wanted = [("Write", "a"), ("Edit", "b"), ("Write", "c")];
        assert_eq!(all, wanted.map(|(tool, file)| (tool.to_owned(), file.to_owned())));
    }
}
