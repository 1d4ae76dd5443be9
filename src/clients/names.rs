//! Names of tools that clients write in their own way: servers' tools and ours among them. Built-in tools are each
//! client's own.

use serde_json::{Map, Value, json};

/// A tool of the server `server`, in the one vocabulary. Our own server is `phasegate` even where a plugin brought it.
pub fn of_server(server: &str, tool: &str) -> String {
    let server = if server == "plugin_phasegate_phasegate" || server == "plugin:phasegate:phasegate" {
        "phasegate"
    } else {
        server
    };
    format!("mcp__{server}__{tool}")
}

/// `mcp__server__tool` with our own server under its one name.
pub fn plain(name: &str) -> String {
    let parts = name.strip_prefix("mcp__").and_then(|rest| rest.split_once("__"));
    parts.map_or_else(|| name.to_owned(), |(server, tool)| of_server(server, tool))
}

/// `server_tool`, of clients that join the two with one line. Where a server's name has a line in it, the name says not
/// where it ends: the first line is taken, so that a rule for such a server does not match and the call is not allowed.
pub fn joined(name: &str) -> Option<String> {
    let (server, tool) = name.split_once('_')?;
    (!server.is_empty() && !tool.is_empty()).then(|| of_server(server, tool))
}

/// Fields of an input under other names. `wanted`: ours, then the client's words for it. Nothing if two of the client's
/// words for one thing are there: which of them it takes is not known.
pub fn renamed(input: &Value, wanted: &[(&str, &[&str])]) -> Option<Value> {
    let mut found = Map::new();
    for (ours, theirs) in wanted {
        let mut there = theirs.iter().filter_map(|key| input.get(key)).filter(|value| !value.is_null());
        if let Some(value) = there.next() {
            found.insert((*ours).to_owned(), value.clone());
        }
        if there.next().is_some() {
            return None;
        }
    }
    Some(Value::Object(found))
}

/// A shell call. Run in another folder, it is the same as going there first: so it is judged in the right place.
pub fn shell(command: &str, folder: Option<&str>, cwd: &std::path::Path) -> Value {
    let there = folder.map(|folder| cwd.join(folder)).filter(|folder| folder.as_path() != cwd);
    match there.as_deref().and_then(std::path::Path::to_str) {
        Some(folder) => json!({"command": format!("cd {} && {command}", quoted(folder))}),
        None => json!({"command": command}),
    }
}

/// One word for a shell.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// For a client that cannot ask its person: how to get the answer all the same.
pub fn ask_elsewhere(reason: &str) -> String {
    format!("{reason}; a person must say yes: call `request_approval`, then make this call again")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn our_own_server_has_one_name() {
        let cases = [
            ("mcp__phasegate__claim_task", "mcp__phasegate__claim_task"),
            ("mcp__plugin_phasegate_phasegate__claim_task", "mcp__phasegate__claim_task"),
            ("mcp__plugin_other_phasegate__claim_task", "mcp__plugin_other_phasegate__claim_task"),
            ("mcp__github__create_issue", "mcp__github__create_issue"),
            ("mcp__odd", "mcp__odd"),
            ("Bash", "Bash"),
        ];
        for (name, wanted) in cases {
            assert_eq!(plain(name), wanted);
        }
        assert_eq!(joined("phasegate_claim_task").as_deref(), Some("mcp__phasegate__claim_task"));
        assert_eq!(joined("my_server_tool").as_deref(), Some("mcp__my__server_tool"));
        assert_eq!(joined("_x"), None);
        assert_eq!(joined("x_"), None);
    }

    #[test]
    fn a_shell_call_in_another_folder_goes_there_first() {
        let cwd = Path::new("/p");
        let cases = [
            (None, "make"),
            (Some("/p"), "make"),
            (Some("."), "make"),
            (Some("a b"), "cd '/p/a b' && make"),
            (Some("/o'x"), r"cd '/o'\''x' && make"),
        ];
        for (folder, wanted) in cases {
            assert_eq!(shell("make", folder, cwd), json!({"command": wanted}));
        }
    }

    #[test]
    fn two_words_for_one_thing_are_not_guessed_between() {
        let wanted: &[(&str, &[&str])] = &[("file_path", &["file_path", "absolute_path"]), ("limit", &["limit"])];
        let cases = [
            (json!({"absolute_path": "a"}), Some(json!({"file_path": "a"}))),
            (json!({"file_path": "a", "absolute_path": null, "limit": 3}), Some(json!({"file_path": "a", "limit": 3}))),
            (json!({"file_path": "a", "absolute_path": "b"}), None),
            (json!({}), Some(json!({}))),
        ];
        for (input, expected) in cases {
            assert_eq!(renamed(&input, wanted), expected, "{input}");
        }
    }
}
