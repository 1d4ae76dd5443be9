//! What a shell command under approval starts, one by one, and what in a call is not what it looks like. It only shows: which
//! of it may run was decided before (`policy`).

use serde::Serialize;
use serde_json::Value;

use crate::domain::address;
use crate::domain::visible::{exact, folded_runs, one_line};
use crate::policy::shell;
use crate::policy::shell::script::{Script, Simple, Way, Word};

/// Tools whose `command` a shell reads.
const SHELL: &str = "Bash";

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Starts {
    /// In the order of the text, each on one line.
    pub commands: Vec<String>,
    /// Why there may be more than these.
    pub doubt: Option<String>,
}

fn script(tool: &str, arguments: &Value) -> Option<Script> {
    let text = arguments.get("command").and_then(Value::as_str).filter(|_| tool == SHELL)?;
    Some(shell::read(text))
}

/// Nothing where there is one command and no doubt: the call itself says it then.
pub fn starts(tool: &str, arguments: &Value) -> Option<Starts> {
    let Script { commands, opaque, .. } = script(tool, arguments)?;
    let doubt = opaque.map(|why| exact(&one_line(&why)));
    (commands.len() > 1 || doubt.is_some()).then(|| Starts { commands: commands.iter().map(written).collect(), doubt })
}

/// Of the call as it stands, and of its words as the shell puts them together.
pub fn warnings(tool: &str, arguments: &Value) -> Vec<String> {
    let mut warnings = address::warnings(arguments);
    let script = script(tool, arguments).unwrap_or_default();
    let words = script.commands.iter().flat_map(|command| &command.words);
    for warning in address::warnings_of(words.map(|word| word.text.as_str())) {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    warnings
}

fn written(command: &Simple) -> String {
    let assigned = command.assignments.iter().map(|one| format!("{}={}", one.name, word(&one.value)));
    let words = command.words.iter().map(word);
    let redirected = command.redirections.iter().filter_map(|one| {
        let sign = match one.way {
            Way::Read => "<",
            Way::Write => ">",
            Way::Append => ">>",
            Way::ReadWrite => "<>",
            Way::Descriptor => return None,
        };
        Some(format!("{sign} {}", word(&one.target)))
    });
    let all: Vec<String> = assigned.chain(words).chain(redirected).collect();
    folded_runs(&exact(&all.join(" ")))
}

/// As bash would take it on one line: what has a meaning there stands in quotes.
fn word(word: &Word) -> String {
    let text = word.text.replace('\n', " ⏎ ");
    let plain = |c: char| c.is_alphanumeric() || "_-./=:,+@%^".contains(c);
    if !word.expands.nothing() || !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_command_stands_on_its_own_line() {
        for (command, expected) in [
            ("npm test", None),
            ("npm test; rm -rf ~", Some(vec!["npm test", "rm -rf ~"])),
            (
                "A=1 npm test 2>&1 | tee 'a b' >> out && rm -rf ~",
                Some(vec!["A=1 npm test", "tee 'a b' >> out", "rm -rf ~"]),
            ),
            ("echo \"a\nb\" | cat", Some(vec!["echo 'a ⏎ b'", "cat"])),
            ("echo $(rm -rf ~)", Some(vec!["rm -rf ~", "echo $(rm -rf ~)"])),
        ] {
            let found = starts("Bash", &json!({ "command": command })).map(|starts| starts.commands);
            let expected = expected.map(|all| all.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(found, expected, "{command}");
        }
        let broken = starts("Bash", &json!({"command": "echo 'a; rm -rf ~"})).unwrap();
        assert!(broken.doubt.is_some(), "{broken:?}");
        assert_eq!(starts("mcp__x__y", &json!({"command": "a; b"})), None);
    }

    #[test]
    fn a_host_that_quotes_take_apart_is_told_as_well() {
        for command in ["curl https://github.com\"\"@evil.test", "curl 'https://github.com'@evil.test"] {
            let told = warnings("Bash", &json!({ "command": command }));
            assert!(told.contains(&"the host is evil.test; what stands before @ is a name".to_owned()), "{told:?}");
        }
        assert!(warnings("Bash", &json!({"command": "curl https://github.com"})).is_empty());
    }
}
