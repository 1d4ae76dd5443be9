//! VS Code's file of a project: the server in `.vscode/mcp.json`.

use serde_json::json;

use crate::clients::setup::json_text::Dialect;
use crate::clients::setup::merge::Want;
use crate::clients::setup::{ClientSettings, Form, Guard, Setup, Version, Wanted};

pub const CLIENT: ClientSettings = ClientSettings {
    name: "vscode",
    title: "VS Code",
    program: "code",
    tells_version: false,
    home: &[".vscode"],
    wanted,
    guard,
    off_switches: &[],
};

fn wanted(setup: &Setup) -> Vec<Wanted> {
    // VS Code does not start servers in the project's folder.
    let entry =
        json!({ "type": "stdio", "command": setup.program, "args": ["serve", "--workspace", "${workspaceFolder}"] });
    let wants = vec![Want::Server { under: "servers", entry: entry.as_object().cloned().unwrap_or_default() }];
    vec![Wanted { files: &[".vscode/mcp.json"], form: Form::Json { dialect: Dialect::Comments, wants } }]
}

fn guard(_: Option<Version>) -> Guard {
    Guard::Blind {
        why: "its own tools are not seen; phases, gates and approvals hold for phasegate's tools".to_owned(),
    }
}
