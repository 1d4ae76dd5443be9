//! The workflow that init begins with, and a person's trust in it.

use std::path::Path;

use serde_json::{Value, json};

use crate::config::starters;
use crate::config::workflow_file;
use crate::domain::canonical;
use crate::domain::event::Origin;
use crate::domain::workflow::Workflow;
use crate::engine::read_workflow;

use super::files::{self, Change};
use super::{Ended, Out, Place};
use crate::cli::signing::SignArgs;
use crate::cli::workflow as shared;

const STARTER: &str = "feature";
/// Trusted beside it, so that small changes are no long way.
const SMALL: &str = "quick";
const HINT: &str = "# Add your test command to `build`, for example\n#   - command: [cargo, test]\n";
const GATE_BEFORE: &str = "      - syntax: changed\n";

pub struct Starter {
    change: Option<Change>,
    workflow: Workflow,
    source: String,
    /// What is there was written by init, and not changed.
    own: bool,
    test: Option<&'static str>,
}

pub enum Trusted {
    Yes { name: String, hash: String },
    No { how: String },
}

impl Trusted {
    pub fn value(&self) -> Value {
        match self {
            Self::Yes { name, hash } => json!({ "name": name, "trusted": true, "hash": hash }),
            Self::No { how } => json!({ "trusted": false, "next": how }),
        }
    }
}

/// The command that tests this project, as its files say.
fn test_command(root: &Path) -> Option<&'static str> {
    let has = |file: &str| root.join(file).is_file();
    let says =
        |file: &str, word: &str| files::read(&root.join(file)).ok().flatten().is_some_and(|text| text.contains(word));
    let script = || {
        let text = files::read(&root.join("package.json")).ok().flatten()?;
        let value: Value = serde_json::from_str(&text).ok()?;
        value.pointer("/scripts/test").and_then(Value::as_str).map(str::to_owned)
    };
    if has("Cargo.toml") {
        Some("[cargo, test]")
    } else if script().is_some_and(|script| !script.contains("no test specified")) {
        Some("[npm, test]")
    } else if has("go.mod") {
        Some("[go, test, ./...]")
    } else if has("pytest.ini") || says("pyproject.toml", "[tool.pytest") {
        Some("[python3, -m, pytest]")
    } else {
        None
    }
}

/// The starter with the project's own test as a gate of `build`, where one is known.
fn starter_text(test: Option<&str>) -> String {
    let source = starters::source(STARTER).unwrap_or_default();
    match test {
        Some(test) => {
            let gate = format!("      - command: {test}\n        within: 10m\n{GATE_BEFORE}");
            source.replacen(HINT, "", 1).replacen(GATE_BEFORE, &gate, 1)
        }
        None => source.to_owned(),
    }
}

fn compiled(text: &str) -> Result<Workflow, Ended> {
    let read = workflow_file::read(text, &mut |file| Err(format!("a starter has no file `{file}`")));
    read.map_err(|_| Ended::internal(&"the starter cannot be read", "name a workflow with `phasegate workflow trust`"))
}

impl Starter {
    pub fn of(place: &Place) -> Result<Self, Ended> {
        let path = place.workspace.workflow_file();
        let test = test_command(&place.workspace.root);
        let text = starter_text(test);
        if path.is_file() {
            let (workflow, source) = read_workflow(&path)?;
            let own = source == text;
            return Ok(Self { change: None, workflow, source, own, test: None });
        }
        let change = Change {
            shown: crate::config::workspace::WORKFLOW_FILE.to_owned(),
            place: path,
            before: None,
            after: Some(text.clone()),
            adds: String::new(),
        };
        Ok(Self { change: Some(change), workflow: compiled(&text)?, source: text, own: true, test })
    }

    pub fn change(&self) -> Option<&Change> {
        self.change.as_ref()
    }

    pub fn row(&self) -> (String, String) {
        let phases = self.workflow.phases.iter().filter(|phase| !phase.end).map(|phase| phase.name.clone());
        let phases = phases.collect::<Vec<_>>().join(" → ");
        let test = self.test.map(|test| format!("; build ends with {test}")).unwrap_or_default();
        let said = format!("workflow “{}”: {phases}{test}", self.workflow.name);
        (crate::config::workspace::WORKFLOW_FILE.to_owned(), super::super::output::visible(&said))
    }

    /// Puts it in force where a person says so. Without a person it stays a file.
    pub fn trust(&self, place: &Place, yes: bool, signing: &SignArgs, out: &Out) -> Result<Trusted, Ended> {
        let engine = place.open()?;
        let rows = engine.workflows()?;
        let person =
            |hash: &str| rows.iter().any(|row| row.hash.0 == hash && row.in_force && row.origin == Origin::Person);
        let hash = canonical::hash(&self.workflow);
        let name = self.workflow.name.clone();
        if person(&hash) {
            return Ok(Trusted::Yes { name, hash });
        }
        let small = if self.own { starters::starter(SMALL).and_then(Result::ok) } else { None };
        let both = if small.is_some() { format!(" && phasegate workflow trust {SMALL}") } else { String::new() };
        let how = format!("It takes a person: phasegate workflow trust{both}");
        if !yes {
            if !out.stdin_is_terminal() {
                return Ok(Trusted::No { how });
            }
            let question = if self.own {
                out.aside("What it says: phasegate workflow explain. With it comes “quick”, for small changes.");
                "Trust this workflow? It decides what agents may do here."
            } else {
                shared::show_for_trust(&engine, &self.workflow, out)?;
                "Trust this workflow, which was here already? It decides what agents may do here."
            };
            if !out.asks(question)? {
                return Ok(Trusted::No { how });
            }
        }
        let (hash, _) = shared::put_in_force(place, &engine, &self.workflow, self.source.clone(), true, signing, out)?;
        if let Some(small) = small.filter(|small| !person(&canonical::hash(small))) {
            let source = starters::source(SMALL).unwrap_or_default().to_owned();
            shared::put_in_force(place, &engine, &small, source, false, signing, out)?;
        }
        Ok(Trusted::Yes { name, hash: hash.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_starter_takes_the_projects_own_test_as_a_gate() {
        for test in [None, Some("[cargo, test]"), Some("[go, test, ./...]"), Some("[python3, -m, pytest]")] {
            let text = starter_text(test);
            let workflow = compiled(&text).unwrap();
            assert_eq!(workflow.name, STARTER);
            assert_eq!(text.contains("        within: 10m\n"), test.is_some(), "{text}");
            assert_eq!(text.contains("# Add your test command"), test.is_none(), "{text}");
        }
    }
}
