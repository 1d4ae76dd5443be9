//! `phasegate init` by the real binary, in folders of their own, with clients that only tell their version: files made,
//! merged beside others, put right, taken back; and that plugin, project and machine carry the same hooks.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use phasegate::clients::claude_code::settings as claude;
use phasegate::clients::setup::{Guard, SETTINGS, Setup, Version, client, guard_state};
use serde_json::{Value, json};

use crate::support::stores;

struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    /// A project, a home, and a PATH with these clients.
    fn with(clients: &[(&str, &str)]) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        for made in ["p/.git", "bin", "home"] {
            std::fs::create_dir_all(project.folder.path().join(made)).unwrap();
        }
        for (name, says) in clients {
            project.program(name, &format!("#!/bin/sh\necho '{says}'\n"));
        }
        symlink(env!("CARGO_BIN_EXE_phasegate"), project.folder.path().join("bin/phasegate")).unwrap();
        project
    }

    fn program(&self, name: &str, text: &str) {
        let file = self.folder.path().join("bin").join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn at(&self, file: &str) -> PathBuf {
        self.folder.path().join("p").join(file)
    }

    fn put(&self, file: &str, text: &str) {
        std::fs::create_dir_all(self.at(file).parent().unwrap()).unwrap();
        std::fs::write(self.at(file), text).unwrap();
    }

    fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.at(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    fn value(&self, file: &str) -> Value {
        serde_json::from_str(&self.text(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_in("", arguments)
    }

    fn run_in(&self, folder: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
        command.args(arguments).current_dir(self.at(folder)).stdin(Stdio::null()).env_clear();
        stores::tell(&mut command, &self.at(""));
        let path = format!("{}:/usr/bin:/bin", self.folder.path().join("bin").display());
        command.env("PATH", path).env("HOME", self.folder.path().join("home")).env("USER", "lead").output().unwrap()
    }

    /// Must end well; what it printed.
    fn does(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// Every file but the state and git's, with its text.
    fn files(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut open = vec![self.at("")];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                let name = entry.strip_prefix(self.at("")).unwrap().display().to_string();
                match entry.is_dir() {
                    true if name == ".phasegate" || name == ".git" => {}
                    true => open.push(entry),
                    false => found.push((name, std::fs::read_to_string(&entry).unwrap())),
                }
            }
        }
        found.sort();
        found
    }
}

const CLAUDE: (&str, &str) = ("claude", "2.1.329 (Claude Code)");
const ALL: [(&str, &str); 6] = [
    CLAUDE,
    ("codex", "codex-cli 0.169.0"),
    ("gemini", "0.61.0"),
    ("opencode", "1.18.33"),
    ("cursor", "no matter"),
    ("code", "no matter"),
];

#[test]
fn a_store_that_no_file_names_is_told_of() {
    let project = Project::with(&[CLAUDE]);
    stores::keep_to(stores::Kind::Sqlite, &project.at(""));
    let store = format!("sqlite:{}", project.at("elsewhere.db").display());
    let said = project.does(&["--store", &store, "init", "--yes"]);
    let note = format!("Note    no file of a client names the store {store}. Set PHASEGATE_STORE to it");
    assert!(said.contains(&note), "{said}");
    let told: Value = serde_json::from_str(&project.does(&["--store", &store, "init", "--yes", "--json"])).unwrap();
    assert!(told["note"].as_str().unwrap().contains("PHASEGATE_STORE"), "{told}");
    assert!(!project.does(&["init", "--yes"]).contains("PHASEGATE_STORE"));
}

#[test]
fn a_fresh_project_gets_every_client_that_is_here_and_a_workflow_in_force() {
    let project = Project::with(&ALL);
    // With another store there is more to say.
    stores::keep_to(stores::Kind::Sqlite, &project.at(""));
    let said = project.does(&["init", "--yes"]);
    insta::assert_snapshot!("init_fresh", said);
    assert_eq!(project.value(".mcp.json")["mcpServers"]["phasegate"]["command"], "phasegate");
    let settings = project.value(".claude/settings.json");
    assert_eq!(settings["hooks"].as_object().unwrap().len(), claude::EVENTS.len());
    assert_eq!(settings["enabledMcpjsonServers"], json!(["phasegate"]));
    assert_eq!(project.value(".vscode/mcp.json")["servers"]["phasegate"]["type"], "stdio");
    assert!(project.text(".codex/config.toml").contains("[mcp_servers.phasegate]\ncommand = \"phasegate\"\n"));
    assert_eq!(project.value("opencode.json")["mcp"]["phasegate"]["command"], json!(["phasegate", "serve"]));
    assert_eq!(project.text(".phasegate/.gitignore"), "*\n");
    let rows: Value = serde_json::from_str(&project.does(&["workflow", "list", "--json"])).unwrap();
    let trusted = rows.as_array().unwrap().iter().filter(|row| row["origin"] == "person" && row["in_force"] == true);
    let names: Vec<&str> = trusted.map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 2, "{rows}");
    assert!(names.contains(&"feature") && names.contains(&"quick"), "{rows}");
}

#[test]
fn twice_is_once_and_undo_brings_every_byte_back() {
    let project = Project::with(&ALL);
    for (file, text) in before() {
        project.put(file, text);
    }
    let first = project.files();
    project.does(&["init", "--yes"]);
    let made = project.files();
    assert_ne!(first, made);
    let again = project.does(&["init", "--yes"]);
    assert!(again.contains("Nothing to change."), "{again}");
    assert_eq!(project.files(), made);
    project.does(&["init", "--undo"]);
    assert_eq!(project.files(), first);
    assert!(!project.at(".opencode").exists());
    assert!(project.does(&["init", "--undo"]).contains("Nothing of init is here."));
}

/// Files as people keep them: tabs, CRLF, comments, no end of line, other servers and hooks.
fn before() -> Vec<(&'static str, &'static str)> {
    vec![
        (".mcp.json", "{\n\t\"mcpServers\": {\n\t\t\"github\": { \"command\": \"gh-mcp\" }\n\t}\n}"),
        (
            ".claude/settings.json",
            "{\r\n  \"model\": \"opus\",\r\n  \"hooks\": {\r\n    \"PreToolUse\": [\r\n      {\r\n        \"matcher\": \"Bash\",\r\n        \"hooks\": [{ \"type\": \"command\", \"command\": \"lint.sh\" }]\r\n      }\r\n    ]\r\n  },\r\n  \"permissions\": { \"allow\": [\"Bash(ls:*)\"] }\r\n}\r\n",
        ),
        (".codex/config.toml", "# mine\nmodel = \"gpt\" # why\n\n[mcp_servers.docs]\ncommand = \"docs\"\n"),
        (".gemini/settings.json", "{\n  // my theme\n  \"theme\": \"x\", // dark\n}\n"),
        (
            ".vscode/mcp.json",
            "{\n    // servers of the team\n    \"servers\": {\n        \"a\": { \"command\": \"a\" }, // of a\n    },\n}\n",
        ),
        ("opencode.json", "{\"model\":\"x\"}"),
    ]
}

#[test]
fn what_others_put_in_stays_where_it_is() {
    let project = Project::with(&ALL);
    for (file, text) in before() {
        project.put(file, text);
    }
    project.does(&["init", "--yes"]);
    for (file, text) in before() {
        let now = project.text(file);
        for line in text.lines().map(str::trim).filter(|line| line.len() > 12 && !line.ends_with('}')) {
            assert!(now.contains(line.trim_end_matches(',')), "{file} has lost {line:?}:\n{now}");
        }
        assert_eq!(now.contains("\r\n"), text.contains("\r\n"), "{file}");
        assert_eq!(now.ends_with('\n'), text.ends_with('\n'), "{file}");
    }
}

#[test]
fn undo_of_a_file_that_was_changed_since_takes_out_only_what_is_ours() {
    let project = Project::with(&[CLAUDE]);
    project.does(&["init", "--yes"]);
    let grown = project
        .text(".mcp.json")
        .replace("\"mcpServers\": {", "\"mcpServers\": {\n    \"mine\": { \"command\": \"x\" },");
    project.put(".mcp.json", &grown);
    let yaml = project.text("phasegate.yaml") + "# mine\n";
    project.put("phasegate.yaml", &yaml);
    let said = project.does(&["init", "--undo"]);
    assert_eq!(project.value(".mcp.json"), json!({ "mcpServers": { "mine": { "command": "x" } } }));
    assert_eq!(project.text("phasegate.yaml"), yaml);
    assert!(said.contains("phasegate.yaml: it was changed since"), "{said}");
    assert!(!project.at(".claude").exists(), "{said}");
}

#[test]
fn a_dry_run_shows_the_diff_and_writes_nothing() {
    let project = Project::with(&[CLAUDE]);
    project.put(".mcp.json", "{\n  \"mcpServers\": {}\n}\n");
    let first = project.files();
    let said = project.does(&["init", "--dry-run"]);
    for part in ["--- a/.mcp.json", "+++ b/.mcp.json", "--- /dev/null\n+++ b/phasegate.yaml", "+    \"phasegate\": {"] {
        assert!(said.contains(part), "{part}:\n{said}");
    }
    assert_eq!(project.files(), first);
    assert!(!project.at(".phasegate").exists());
}

#[test]
fn a_file_that_cannot_be_merged_stops_all_of_it_and_says_where() {
    let broken = [
        (".mcp.json", "{\n  \"mcpServers\": {\n    \"a\": 1,\n  }\n}\n", "line 4, column 3: a comma before"),
        (".mcp.json", "{ \"mcpServers\": [] }", "`mcpServers` is not an object"),
        (".claude/settings.json", "{\"hooks\": {\"Stop\": 1}}", "`hooks.Stop` is not a list"),
        (".claude/settings.json", "{\"a\":1,\"a\":2}", "line 1, column 8: the key `a` stands twice"),
    ];
    for (file, text, wanted) in broken {
        let project = Project::with(&[CLAUDE]);
        project.put(file, text);
        let first = project.files();
        let output = project.run(&["init", "--yes"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(wanted) && said.contains("nothing was written"), "{said}");
        assert_eq!(project.files(), first);
        assert!(!project.at(".phasegate").exists());
    }
}

#[test]
fn links_stay_links_and_modes_stay_as_they_are() {
    let project = Project::with(&[CLAUDE]);
    let elsewhere = project.folder.path().join("home/mcp.json");
    std::fs::write(&elsewhere, "{}\n").unwrap();
    std::fs::set_permissions(&elsewhere, std::fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&elsewhere, project.at(".mcp.json")).unwrap();
    project.does(&["init", "--yes"]);
    assert!(std::fs::symlink_metadata(project.at(".mcp.json")).unwrap().is_symlink());
    assert!(std::fs::read_to_string(&elsewhere).unwrap().contains("phasegate"));
    assert_eq!(std::fs::metadata(&elsewhere).unwrap().permissions().mode() & 0o777, 0o640);
    let journal = std::fs::metadata(project.at(".phasegate/init.json")).unwrap().permissions().mode();
    assert_eq!(journal & 0o777, 0o600);
    project.does(&["init", "--undo"]);
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "{}\n");
}

#[test]
fn without_a_person_nothing_is_trusted_and_the_way_is_told() {
    let project = Project::with(&[CLAUDE]);
    let said = project.does(&["init"]);
    assert!(said.contains("Not trusted yet") && said.contains("phasegate workflow trust"), "{said}");
    let value: Value = serde_json::from_str(&project.does(&["init", "--json"])).unwrap();
    assert_eq!((&value["changed"], &value["workflow"]["trusted"]), (&json!(false), &json!(false)), "{value}");
    let value: Value = serde_json::from_str(&project.does(&["init", "--json", "--yes"])).unwrap();
    assert_eq!(value["workflow"]["trusted"], true, "{value}");
    assert_eq!(value["clients"][0]["guard"], "enforced", "{value}");
}

#[test]
fn where_no_client_is_nothing_is_said_to_be_ready() {
    let project = Project::with(&[]);
    let dry = project.run(&["init", "--dry-run"]);
    let told = String::from_utf8_lossy(&dry.stderr).into_owned();
    assert!(told.contains("No client was found here, so none is set up. Install one"), "{told}");
    let said = project.does(&["init", "--yes"]);
    assert!(said.contains("The workflow is in force, and no client is ready yet.\nNo client was found"), "{said}");
    assert!(!said.contains("Ready."), "{said}");
    let said = project.does(&["init", "--client", "codex"]);
    assert!(said.contains("Missing Codex ") && !said.contains("Found"), "{said}");
    assert!(said.contains("Not found here: Codex. What is set up for that counts once it is installed."), "{said}");
    let value: Value = serde_json::from_str(&project.does(&["init", "--client", "codex", "--json"])).unwrap();
    assert_eq!(value["clients"][0]["found"], false, "{value}");
}

#[test]
fn a_folder_that_is_not_the_current_one_is_named() {
    let project = Project::with(&[CLAUDE]);
    std::fs::create_dir_all(project.at("deep/own/.git")).unwrap();
    let words = |output: &Output| [&output.stdout[..], &output.stderr].concat();
    let said = |folder: &str, arguments: &[&str]| String::from_utf8(words(&project.run_in(folder, arguments))).unwrap();
    let root = std::fs::canonicalize(project.at("")).unwrap().display().to_string();
    let dry = said("deep", &["init", "--dry-run"]);
    assert!(dry.contains(&format!("In {root}: the root of the git repository.")), "{dry}");
    let first = said("deep", &["init", "--yes"]);
    assert!(first.contains(&format!("Folder  {root} ")) && first.contains("the root of the git"), "{first}");
    assert!(!said("", &["init"]).contains("Folder"), "it is where it was started");
    let stray = said("deep/own", &["init", "--dry-run"]);
    assert!(stray.contains(&format!("In {root}: the nearest folder upwards that has a `.phasegate/`.")), "{stray}");
    assert!(stray.contains(&format!("the git repository {root}/deep/own lies nearer")), "{stray}");
    let named = said("deep/own", &["init", "--dry-run", "--workspace", "../.."]);
    assert!(named.contains("named with `--workspace`") && !named.contains("warning"), "{named}");
}

#[test]
fn the_guard_is_said_as_it_is() {
    let project = Project::with(&[("claude", "2.1.200 (Claude Code)"), ("cursor", "")]);
    let said = project.does(&["init", "--yes"]);
    assert!(said.contains("Claude Code 2.1.200") && said.contains("guard: advisory (before 2.1.295"), "{said}");
    assert!(said.contains("Cursor") && said.contains("guard: blind"), "{said}");
    assert!(!project.text(".claude/settings.json").contains("onFailure"));
    project.program("claude", "#!/bin/sh\necho '2.1.329 (Claude Code)'\n");
    let said = project.does(&["init", "--client", "claude-code"]);
    assert!(said.contains("guard: enforced"), "{said}");
    assert_eq!(project.text(".claude/settings.json").matches("\"onFailure\": \"block\"").count(), claude::EVENTS.len());
    project.put(".claude/settings.local.json", "{ \"disableAllHooks\": true }");
    let said = project.does(&["init"]);
    assert!(said.contains("guard: blind (`disableAllHooks` in .claude/settings.local.json"), "{said}");
}

#[test]
fn doctor_tells_what_has_drifted_and_init_puts_it_right() {
    let project = Project::with(&[CLAUDE]);
    project.does(&["init", "--yes"]);
    let told = |project: &Project| String::from_utf8_lossy(&project.run(&["doctor"]).stdout).into_owned();
    let well = told(&project);
    assert!(well.contains("Claude Code 2.1.329: guard enforced"), "{well}");
    let mut settings = project.value(".claude/settings.json");
    settings["hooks"].as_object_mut().unwrap().remove("PreToolUse");
    settings["hooks"]["Stop"][0]["hooks"][0]["async"] = json!(true);
    project.put(".claude/settings.json", &settings.to_string());
    let bad = told(&project);
    assert!(bad.contains("guard blind (.claude/settings.json lacks the hook PreToolUse)"), "{bad}");
    assert!(bad.contains("the hook Stop as it should be"), "{bad}");
    project.does(&["init"]);
    assert!(told(&project).contains("guard enforced"));
}

#[test]
fn the_settings_of_the_machine_are_merged_and_taken_back() {
    let project = Project::with(&[]);
    let file = project.folder.path().join("etc/claude-code/managed-settings.json");
    let at = file.display().to_string();
    project.does(&["init", "--managed", &at]);
    let whole = std::fs::read_to_string(&file).unwrap();
    let value: Value = serde_json::from_str(&whole).unwrap();
    let command = value["hooks"]["PreToolUse"][0]["hooks"][0]["command"].as_str().unwrap();
    assert!(Path::new(command).is_absolute(), "{command}");
    assert!(!project.at(".mcp.json").exists());
    project.does(&["init", "--managed", &at, "--undo"]);
    assert!(!file.exists());
    std::fs::write(&file, "{\n  \"cleanupPeriodDays\": 7\n}\n").unwrap();
    project.does(&["init", "--managed", &at]);
    project.does(&["init", "--managed", &at, "--undo"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\n  \"cleanupPeriodDays\": 7\n}\n");
}

#[test]
fn plugin_project_and_machine_carry_the_same_hooks() {
    let setup = Setup { program: "phasegate".to_owned(), version: None };
    let made = |file: &str| -> Value {
        let mut wanted = (client("claude-code").unwrap().wanted)(&setup);
        wanted.push(claude::managed(&setup));
        let wanted = wanted.into_iter().find(|wanted| wanted.files.contains(&file)).unwrap();
        serde_json::from_str(&wanted.form.merged(None).unwrap()).unwrap()
    };
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugin");
    let read =
        |file: &str| -> Value { serde_json::from_str(&std::fs::read_to_string(plugin.join(file)).unwrap()).unwrap() };
    let project = made(".claude/settings.json")["hooks"].clone();
    assert_eq!(read("hooks/hooks.json")["hooks"], project);
    assert_eq!(made("managed-settings.json")["hooks"], project);
    let mut server = made(".mcp.json")["mcpServers"]["phasegate"].clone();
    server.as_object_mut().unwrap().remove("type");
    assert_eq!(read(".claude-plugin/plugin.json")["mcpServers"]["phasegate"], server);
    assert_eq!(read(".claude-plugin/plugin.json")["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_session_is_guarded_only_by_hooks_that_are_there() {
    for client in SETTINGS {
        let guard = guard_state(&client, Some(Version(2, 1, 329)), &|_| None);
        assert!(matches!(guard, Guard::Blind { .. }), "{}: {guard:?}", client.name);
        let setup = Setup { program: "/elsewhere/phasegate".to_owned(), version: Some(Version(2, 1, 329)) };
        let whole = (client.wanted)(&setup);
        let read = |file: &str| {
            let wanted = whole.iter().find(|wanted| wanted.files.first() == Some(&file));
            wanted.map(|wanted| wanted.form.merged(None).unwrap())
        };
        let wanted = match client.name {
            "claude-code" => "enforced",
            "codex" | "gemini" | "opencode" => "advisory",
            _ => "blind",
        };
        let guard = guard_state(&client, Some(Version(2, 1, 329)), &read);
        assert_eq!(guard.word(), wanted, "{}: {guard:?}", client.name);
    }
}
