//! The files under `examples/` that people copy: every workflow can be read and has no warning, and every entry for a
//! client starts `phasegate serve`.

use std::path::{Path, PathBuf};

use phasegate::config::workflow_text::lint::lint;
use phasegate::engine::read_workflow;
use serde_json::Value;

/// The files of a folder of `examples/` that end so, in order of their names.
fn examples(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(folder);
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|known| known == extension))
        .collect();
    found.sort();
    found
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

#[test]
fn every_example_of_a_workflow_can_be_read_and_has_no_warning() {
    let files = examples("workflows", "yaml");
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let name = stem(&file);
        let (workflow, _) = read_workflow(&file).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(workflow.name, name);
        let warnings = lint(&workflow);
        assert!(warnings.is_empty(), "{name}: {warnings:#?}");
    }
}

#[test]
fn every_entry_for_a_client_starts_the_server() {
    let files = examples("clients", "json");
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        let name = stem(&file);
        let text = std::fs::read_to_string(&file).unwrap();
        let config: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        if name == "opencode" {
            let wanted = serde_json::json!({ "type": "local", "command": ["phasegate", "serve"], "enabled": true });
            assert_eq!(config["mcp"]["phasegate"], wanted);
            continue;
        }
        let servers = if name == "vscode" { &config["servers"] } else { &config["mcpServers"] };
        let entry = &servers["phasegate"];
        assert_eq!(entry["command"], "phasegate", "{name}");
        assert_eq!(entry["args"][0], "serve", "{name}");
    }
}

#[test]
fn the_entry_for_codex_starts_the_server() {
    for file in examples("clients", "toml") {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in ["[mcp_servers.phasegate]", "command = \"phasegate\"", "args = [\"serve\"]"] {
            assert!(text.lines().any(|found| found == line), "{}: {line} is missing", stem(&file));
        }
    }
}
