//! Our server in Codex's `config.toml`: a table of its own, beside what is there, comments kept.

use toml_edit::{Array, DocumentMut, Item, value};

use super::Fault;
use super::merge::SERVER;

const SERVERS: &str = "mcp_servers";
/// A gate may run longer than the minute that Codex gives a call otherwise.
const CALL_SECONDS: i64 = 1800;

fn parsed(text: &str) -> Result<DocumentMut, Fault> {
    text.parse().map_err(|error: toml_edit::TomlError| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        Fault(format!("line {line}: {}", error.message()))
    })
}

fn entry(document: &DocumentMut) -> Option<&Item> {
    document.get(SERVERS)?.get(SERVER)
}

fn stands(entry: &Item, program: &str, any_program: bool) -> bool {
    let command = entry.get("command").and_then(Item::as_str);
    let arguments = entry.get("args").and_then(Item::as_array);
    let serve = arguments.and_then(|all| all.get(0)).and_then(|first| first.as_str()) == Some("serve");
    let enabled = entry.get("enabled").and_then(Item::as_bool) != Some(false);
    serve && enabled && command.is_some_and(|command| any_program || command == program)
}

fn block(program: &str, newline: &str) -> String {
    let lines = [
        format!("[{SERVERS}.{SERVER}]"),
        format!("command = {}", value(program).to_string().trim()),
        "args = [\"serve\"]".to_owned(),
        format!("tool_timeout_sec = {CALL_SECONDS}"),
    ];
    lines.map(|line| line + newline).concat()
}

pub fn merged(old: Option<&str>, program: &str) -> Result<String, Fault> {
    let text = old.unwrap_or_default();
    let mut document = parsed(text)?;
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    if entry(&document).is_some_and(|entry| stands(entry, program, false)) {
        return Ok(text.to_owned());
    }
    if entry(&document).is_none() {
        // A table at the end changes no byte of what is there.
        let gap = match text {
            "" => "",
            text if text.ends_with('\n') => newline,
            _ => &newline.repeat(2),
        };
        let new = format!("{text}{gap}{}", block(program, newline));
        parsed(&new).map_err(|fault| Fault(format!("`{SERVERS}` cannot take another server: {fault}")))?;
        return Ok(new);
    }
    let table = document.get_mut(SERVERS).and_then(|servers| servers.get_mut(SERVER));
    let Some(table) = table.and_then(Item::as_table_like_mut) else {
        return Err(Fault(format!("`{SERVERS}.{SERVER}` is not a table")));
    };
    table.insert("command", value(program));
    let serve = table.get("args").and_then(Item::as_array).and_then(|all| all.get(0)).and_then(|first| first.as_str());
    if serve != Some("serve") {
        table.insert("args", value(Array::from_iter(["serve"])));
    }
    if table.get("enabled").is_some() {
        table.insert("enabled", value(true));
    }
    Ok(ended_like(document.to_string(), text))
}

pub fn without(text: &str) -> Result<Option<String>, Fault> {
    let mut document = parsed(text)?;
    if entry(&document).is_none() {
        return Ok(Some(text.to_owned()));
    }
    if let Some(servers) = document.get_mut(SERVERS).and_then(Item::as_table_like_mut) {
        servers.remove(SERVER);
        if servers.is_empty() {
            document.as_table_mut().remove(SERVERS);
        }
    }
    let left = ended_like(document.to_string(), text);
    Ok((!left.trim().is_empty()).then_some(left))
}

pub fn lacks(text: Option<&str>, program: &str, any_program: bool) -> Result<Vec<String>, Fault> {
    let document = parsed(text.unwrap_or_default())?;
    Ok(match entry(&document) {
        None => vec!["the server `phasegate`".to_owned()],
        Some(entry) if stands(entry, program, any_program) => Vec::new(),
        Some(_) => vec!["the server `phasegate` as it should be".to_owned()],
    })
}

/// Line ends as they were.
fn ended_like(new: String, old: &str) -> String {
    if old.contains("\r\n") { new.replace("\r\n", "\n").replace('\n', "\r\n") } else { new }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &str =
        "[mcp_servers.phasegate]\ncommand = \"phasegate\"\nargs = [\"serve\"]\ntool_timeout_sec = 1800\n";

    #[test]
    fn our_table_comes_after_what_is_there_and_goes_again() {
        let table = [
            ("", BLOCK.to_owned()),
            ("# mine\nmodel = \"x\" # why\n", format!("# mine\nmodel = \"x\" # why\n\n{BLOCK}")),
            ("[mcp_servers.a]\ncommand = \"a\"", format!("[mcp_servers.a]\ncommand = \"a\"\n\n{BLOCK}")),
            ("a = 1\r\n", format!("a = 1\r\n\r\n{}", BLOCK.replace('\n', "\r\n"))),
        ];
        for (text, wanted) in table {
            let new = merged(Some(text), "phasegate").unwrap();
            assert_eq!(new, wanted);
            assert_eq!(merged(Some(&new), "phasegate").unwrap(), new);
            let back = without(&new).unwrap().unwrap_or_default();
            assert_eq!(back.trim_end(), text.trim_end());
        }
    }

    #[test]
    fn an_entry_that_is_there_is_put_right_and_keeps_what_a_person_added() {
        let old = "[mcp_servers.phasegate]\ncommand = \"/old/phasegate\" # mine\nargs = [\"serve\", \"--agent\", \"ana\"]\nenabled = false\nenv = { A = \"1\" }\n\n[tui]\nx = 1\n";
        let new = merged(Some(old), "phasegate").unwrap();
        assert_eq!(lacks(Some(&new), "phasegate", false).unwrap(), Vec::<String>::new());
        for kept in ["\"--agent\", \"ana\"", "env = { A = \"1\" }", "[tui]\nx = 1", "enabled = true"] {
            assert!(new.contains(kept), "{kept}\n{new}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_or_has_no_room_is_refused_with_its_place() {
        assert!(merged(Some("a = 1\nb = = 2\n"), "p").unwrap_err().0.starts_with("line 2"));
        assert!(merged(Some("mcp_servers = { a = { command = \"a\" } }\n"), "p").is_err());
    }
}
