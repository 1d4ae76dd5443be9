//! The tools of opencode in the one vocabulary. A tool that is not known keeps its name, and no rule allows it.

use std::path::Path;

use serde_json::Value;

use crate::clients::claude_code::hook::Spoken;
use crate::clients::{names, patch};

type Fields = &'static [(&'static str, &'static [&'static str])];

const FILE: (&str, &[&str]) = ("file_path", &["filePath"]);
const FOLDER: (&str, &[&str]) = ("path", &["path"]);

/// Its own tools that have a line in their name: all others with one are a server's.
const OWN_WITH_LINE: [&str; 4] = ["apply_patch", "plan_enter", "plan_exit", "todo_write"];

pub fn spoken(tool: &str, native: &Value, cwd: &Path) -> Spoken {
    let one = |tool: &str, fields: Fields| {
        names::renamed(native, fields).map(|input| Spoken { tool: tool.to_owned(), input, also: Vec::new() })
    };
    let known = match tool {
        "bash" => shell(native, cwd),
        "read" => one("Read", &[FILE, ("offset", &["offset"]), ("limit", &["limit"])]),
        "write" => one("Write", &[FILE, ("content", &["content"])]),
        "edit" => one("Edit", &[FILE, ("old_string", &["oldString"]), ("new_string", &["newString"])]),
        "multiedit" => one("Edit", &[FILE, ("edits", &["edits"])]),
        "patch" | "apply_patch" => patched(native),
        "grep" => one("Grep", &[FOLDER, ("pattern", &["pattern"]), ("glob", &["include"])]),
        "glob" => one("Glob", &[FOLDER, ("pattern", &["pattern"])]),
        "list" => one("Glob", &[FOLDER]),
        "webfetch" => one("WebFetch", &[("url", &["url"])]),
        "websearch" | "codesearch" => one("WebSearch", &[("query", &["query"])]),
        "task" => one(
            "Agent",
            &[("description", &["description"]), ("prompt", &["prompt"]), ("subagent_type", &["subagent_type"])],
        ),
        "todowrite" => one("TodoWrite", &[("todos", &["todos"])]),
        "skill" => one("Skill", &[("skill", &["name"])]),
        "question" => one("AskUserQuestion", &[("questions", &["questions"])]),
        _ => None,
    };
    known.unwrap_or_else(|| Spoken { tool: named(tool), input: native.clone(), also: Vec::new() })
}

fn named(tool: &str) -> String {
    let server = if OWN_WITH_LINE.contains(&tool) { None } else { names::joined(tool) };
    server.unwrap_or_else(|| tool.to_owned())
}

fn shell(native: &Value, cwd: &Path) -> Option<Spoken> {
    let folder = match native.get("workdir").filter(|folder| !folder.is_null()) {
        Some(folder) => Some(folder.as_str()?),
        None => None,
    };
    let input = names::shell(native.get("command")?.as_str()?, folder, cwd);
    Some(Spoken { tool: "Bash".to_owned(), input, also: Vec::new() })
}

fn patched(native: &Value) -> Option<Spoken> {
    let mut changes = patch::changes(native.get("patchText")?.as_str()?)?.into_iter();
    let (tool, input) = changes.next()?;
    Some(Spoken { tool, input, also: changes.collect() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tools_get_the_names_and_fields_of_the_one_vocabulary() {
        let patch = "*** Begin Patch\n*** Delete File: a\n*** End Patch";
        let cases = [
            ("bash", json!({"command": "ls", "description": "d"}), "Bash", json!({"command": "ls"})),
            ("bash", json!({"command": "ls", "workdir": "/q"}), "Bash", json!({"command": "cd '/q' && ls"})),
            ("read", json!({"filePath": "/p/a"}), "Read", json!({"file_path": "/p/a"})),
            ("write", json!({"filePath": "a", "content": "x"}), "Write", json!({"file_path": "a", "content": "x"})),
            (
                "edit",
                json!({"filePath": "a", "oldString": "o", "newString": "n", "replaceAll": true}),
                "Edit",
                json!({"file_path": "a", "old_string": "o", "new_string": "n"}),
            ),
            (
                "apply_patch",
                json!({"patchText": patch}),
                "Edit",
                json!({"file_path": "a", "old_string": "", "new_string": ""}),
            ),
            ("patch", json!({"patchText": "?"}), "patch", json!({"patchText": "?"})),
            ("apply_patch", json!({"patchText": "?"}), "apply_patch", json!({"patchText": "?"})),
            ("grep", json!({"pattern": "x", "include": "*.rs"}), "Grep", json!({"pattern": "x", "glob": "*.rs"})),
            ("webfetch", json!({"url": "https://a"}), "WebFetch", json!({"url": "https://a"})),
            (
                "task",
                json!({"prompt": "p", "subagent_type": "g"}),
                "Agent",
                json!({"prompt": "p", "subagent_type": "g"}),
            ),
            ("phasegate_claim_task", json!({}), "mcp__phasegate__claim_task", json!({})),
            ("github_create_issue", json!({}), "mcp__github__create_issue", json!({})),
            ("batch", json!({}), "batch", json!({})),
        ];
        for (tool, native, wanted, input) in cases {
            let found = spoken(tool, &native, Path::new("/p"));
            assert_eq!((found.tool.as_str(), found.input), (wanted, input), "{tool} {native}");
        }
    }
}
