//! Everything an outsider sees, kept as files: schemas, the tool list, help texts. `PHASEGATE_UPDATE=1` writes the generated
//! ones anew; `INSTA_UPDATE=always` the snapshots.

use std::path::{Path, PathBuf};
use std::process::Command;

use phasegate::cli::{SCHEMAS, schema};
use phasegate::mcp::server::published;
use phasegate::tools::TOOLS;
use serde_json::Value;

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a generated file with what is committed, or writes it.
pub fn generated(path: &Path, wanted: &str) {
    if std::env::var_os("PHASEGATE_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, wanted).unwrap();
        return;
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let shown = path.strip_prefix(root()).unwrap_or(path).display();
    assert_eq!(found, wanted, "{shown} is stale: PHASEGATE_UPDATE=1 cargo test --test it surface");
}

fn pretty(value: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap())
}

#[test]
fn committed_schemas_are_those_of_the_types() {
    for tool in &TOOLS {
        let path = root().join(format!("schemas/tools/{}.json", tool.name));
        generated(&path, &pretty(&schema(tool.name).unwrap()));
    }
    let list: Vec<Value> = TOOLS.iter().map(|tool| serde_json::to_value(published(tool)).unwrap()).collect();
    let read: Vec<rmcp::model::Tool> = serde_json::from_value(list.clone().into()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), Value::from(list.clone()), "a server lists what it reads");
    generated(&root().join("schemas/tools.json"), &pretty(&list.into()));
    for name in SCHEMAS {
        generated(&root().join(format!("schemas/{name}.json")), &pretty(&schema(name).unwrap()));
    }
}

#[test]
fn the_page_of_figures_is_made_from_the_table() {
    let mut page = "# Figures\n\nMade from the tables in `src/engine/metrics/family.rs` and `src/http/metrics.rs`; \
                    [operations.md](operations.md) says how to read them.\n\n\
                    | name | kind | labels | counts | what it is |\n| --- | --- | --- | --- | --- |\n"
        .to_owned();
    for family in phasegate::engine::metrics::family::ALL.iter().chain(&phasegate::http::metrics::FAMILIES) {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let (kind, of, labels) = (family.kind.word(), family.of.word(), labels.join(", "));
        page.push_str(&format!("| `{}` | {kind} | {labels} | {of} | {} |\n", family.name, family.help));
    }
    generated(&root().join("docs/metrics.md"), &page);
}

#[test]
fn the_page_of_tools_is_made_from_the_table() {
    let mut page = "# Tools\n\nMade from the table in `src/tools/mod.rs`; the shapes are in `schemas/tools/`.\n\n\
                    | tool | what it does | core | changes anything | open in a phase |\n| --- | --- | --- | --- | --- |\n"
        .to_owned();
    for tool in &TOOLS {
        let open = if tool.in_loop { "unless a rule denies it" } else { "where a rule allows it" };
        page.push_str(&format!(
            "| `{}` | {} | {} | {} | {open} |\n",
            tool.name,
            tool.description,
            if tool.core { "yes" } else { "" },
            if tool.read_only { "no" } else { "yes" },
        ));
    }
    generated(&root().join("docs/tools.md"), &page);
}

#[test]
fn tools_as_clients_see_them() {
    for tool in &TOOLS {
        insta::assert_json_snapshot!(tool.name, serde_json::to_value(published(tool)).unwrap());
    }
}

/// A token of such JSON is at least 3.2 characters; what the list costs a model that is shown all of it.
#[test]
fn the_tool_list_is_cheap() {
    let cost = |core: bool| {
        let shown = TOOLS.iter().filter(|tool| tool.core || !core).map(published);
        shown.map(|tool| serde_json::to_string(&tool).unwrap().len()).sum::<usize>() * 10 / 32
    };
    let (all, core) = (cost(false), cost(true));
    assert!(all <= 3000, "the whole list costs about {all} tokens");
    assert!(core <= 1500, "the core five cost about {core} tokens");
}

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_phasegate")).args(arguments).env_clear().output().unwrap();
    assert!(output.status.success(), "{arguments:?} failed");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_texts() {
    let mut all = String::new();
    let groups: [&[&str]; 17] = [
        &[],
        &["serve"],
        &["demo"],
        &["call"],
        &["board"],
        &["tasks"],
        &["tasks", "list"],
        &["approvals"],
        &["approvals", "approve"],
        &["workflow"],
        &["workflow", "trust"],
        &["audit", "query"],
        &["audit", "tail"],
        &["audit", "export"],
        &["schema"],
        &["restore"],
        &["migrate"],
    ];
    for group in groups {
        let mut arguments = group.to_vec();
        arguments.push("--help");
        all.push_str(&format!("$ phasegate {}\n{}\n", arguments.join(" "), help(&arguments)));
    }
    insta::assert_snapshot!("help", all);
}
