//! The real binary at the command line: exit codes, what it makes and what it leaves alone, errors for people and programs.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::stores::{self, Kind};

fn phasegate(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).env_clear();
    stores::tell(&mut command, folder);
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder).env("USER", "lead").output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn exit_codes_tell_done_refused_usage_and_internal_apart() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    assert_eq!(code(&phasegate(at, &["call", "claim_task", r#"{"new":{"title":"x"}}"#])), 0);
    assert_eq!(code(&phasegate(at, &["call", "claim_task", r#"{"id":"T-9"}"#, "--agent", "bo"])), 1);
    assert_eq!(code(&phasegate(at, &["call", "claim_task", "{"])), 2);
    assert_eq!(code(&phasegate(at, &["--store", "foo:x", "board"])), 2);
    assert_eq!(code(&phasegate(at, &["nonsense"])), 2);
    std::fs::write(at.join("broken.db"), "this is no database, and long enough to be taken for a header").unwrap();
    let broken = format!("sqlite:{}", at.join("broken.db").display());
    assert_eq!(code(&phasegate(at, &["--store", &broken, "board"])), 3);
}

#[test]
fn a_schema_that_can_never_be_used_is_refused_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut doubling = json!({ "f28": { "type": "string" } });
    for level in 0..28 {
        let below = json!({ "$ref": format!("#/$defs/f{}", level + 1) });
        doubling[format!("f{level}")] = json!({ "allOf": [below, below] });
    }
    for (schema, why) in [
        (json!({ "$ref": "#" }), "without end"),
        (json!({ "$ref": "#/$defs/f0", "$defs": doubling }), "10000 rules"),
        (json!({ "pattern": "^(a+)\\1$" }), "back-references"),
        (json!({ "properties": { "a": { "pattern": "^(?!x)a$" } } }), "at `/properties/a/pattern`"),
    ] {
        let file = format!(
            "version: 1\nname: a\nphases:\n  work: {{ goal: g, allow: [Read], next: [end], exit: [\n    \
             {{ artifact: p, schema: {schema} }} ] }}\n  end: {{ end: true }}\n"
        );
        std::fs::write(at.join("phasegate.yaml"), file).unwrap();
        for arguments in [&["workflow", "lint"][..], &["workflow", "trust", "--yes"]] {
            let refused = phasegate(at, arguments);
            let said = text(&refused.stdout) + &text(&refused.stderr);
            assert_ne!(code(&refused), 0, "{arguments:?} {schema}");
            assert!(said.contains("phasegate.yaml:5:28") && said.contains(why), "{said}");
        }
    }
}

#[test]
fn a_person_puts_work_in_the_queue_whatever_else_is_held_here() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    assert_eq!(code(&phasegate(at, &["call", "claim_task", r#"{"new":{"title":"held"}}"#])), 0);
    let options = ["--workflow", "quick", "--priority", "high", "--label", "ui", "--depends-on", "T-1", "--json"];
    let told = phasegate(at, &[&["tasks", "add", "Mend the page"], options.as_slice()].concat());
    assert_eq!(code(&told), 0, "{}", text(&told.stderr));
    let shown: Value = serde_json::from_slice(&phasegate(at, &["tasks", "show", "2", "--json"]).stdout).unwrap();
    assert_eq!(
        (&shown["spec"]["title"], &shown["spec"]["priority"], &shown["submitted_by"]),
        (&json!("Mend the page"), &json!("high"), &json!("lead")),
        "{shown}"
    );
    assert_eq!(code(&phasegate(at, &["tasks", "add", "x", "--priority", "soon"])), 2);
}

#[test]
fn another_version_of_the_default_workflow_is_the_default_whatever_its_file_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let is_default = |name: &str| {
        let rows: Value = serde_json::from_slice(&phasegate(at, &["workflow", "list", "--json"]).stdout).unwrap();
        rows.as_array().unwrap().iter().any(|row| row["name"] == name && row["default"] == true)
    };
    for (file, begins) in [("phasegate.yaml", "own"), ("other.yaml", "other"), ("again.yaml", "own")] {
        let text = format!(
            "version: 1\nname: {begins}\nphases:\n  {}: {{ next: [done] }}\n  done: {{ end: true }}\n",
            &file[..5]
        );
        std::fs::write(at.join(file), text).unwrap();
        assert_eq!(code(&phasegate(at, &["workflow", "trust", file, "--yes"])), 0, "{file}");
        assert!(is_default("own") && !is_default("other"), "{file}");
    }
}

#[test]
fn without_a_workspace_doctor_says_how_to_begin() {
    let folder = tempfile::tempdir().unwrap();
    stores::keep_to(Kind::Sqlite, folder.path());
    let told = text(&phasegate(folder.path(), &["doctor"]).stdout);
    assert!(told.contains("phasegate init") && !told.contains("All is well"), "{told}");
}

#[test]
fn an_error_says_what_and_what_next_to_people_and_to_programs() {
    let folder = tempfile::tempdir().unwrap();
    stores::keep_to(Kind::Sqlite, folder.path());
    let told = phasegate(folder.path(), &["board"]);
    let words = text(&told.stderr);
    assert!(
        words.starts_with("phasegate: there is no phasegate workspace in ") && words.contains("\n  next: "),
        "{words}"
    );
    let told = phasegate(folder.path(), &["board", "--json"]);
    let value: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(value["error"]["code"], json!("usage"), "{value}");
    assert!(value["error"]["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{value}");
}

#[test]
fn what_cannot_be_read_is_told_in_the_same_form() {
    let folder = tempfile::tempdir().unwrap();
    let table: [(&[&str], &str); 4] = [
        (&["bogus"], "unrecognized subcommand 'bogus'"),
        (&["tasks", "list", "--status", "bogus"], "invalid value 'bogus'"),
        (&["token", "create", "--role", "agent", "--rate", "0"], "0 is not in 1.."),
        (&["tasks"], "requires a subcommand"),
    ];
    for (arguments, says) in table {
        let told = phasegate(folder.path(), &[arguments, &["--json"]].concat());
        let value: Value = serde_json::from_slice(&told.stdout).unwrap();
        assert_eq!((code(&told), value["error"]["code"].as_str()), (2, Some("usage")), "{value}");
        assert!(value["error"]["message"].as_str().unwrap().contains(says), "{value}");
        assert!(told.stderr.is_empty() && value["error"]["hint"] != json!(""), "{value}");
        let told = phasegate(folder.path(), arguments);
        let words = text(&told.stderr);
        assert!(told.stdout.is_empty() && (words.contains("\n  next: ") || words.contains("Usage:")), "{words}");
    }
    let version = phasegate(folder.path(), &["--version", "--json"]);
    assert!(code(&version) == 0 && text(&version.stdout).starts_with("phasegate "));
}

#[test]
fn what_is_asked_for_as_json_comes_as_json() {
    let folder = tempfile::tempdir().unwrap();
    stores::keep_to(Kind::Sqlite, folder.path());
    let value = |arguments: &[&str]| -> Value {
        let told = phasegate(folder.path(), arguments);
        serde_json::from_slice(&told.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {told:?}"))
    };
    assert_eq!(value(&["--json"])["exists"], json!(false));
    let steps = value(&["demo", "--json"])["steps"].as_array().unwrap().clone();
    assert!(steps.iter().any(|step| step["refused"] == json!(true)) && steps.len() > 5, "{steps:?}");
    let away = value(&["--json", "--store", "postgres://nobody@127.0.0.1:1/x?connect_timeout=1", "board"]);
    assert_eq!(away["error"]["code"], json!("store_unavailable"), "{away}");
}

#[test]
fn a_credential_is_told_of_what_it_cannot_have_and_nobody_is_asked_about_none() {
    let folder = tempfile::tempdir().unwrap();
    let made =
        phasegate(folder.path(), &["token", "create", "--role", "agent", "--workflow", "nope", "--workflow", "quick"]);
    let words = text(&made.stderr);
    assert!(
        code(&made) == 0 && words.contains("no workflow `nope` is in force") && !words.contains("quick"),
        "{words}"
    );
    let gone = phasegate(folder.path(), &["token", "revoke", "K-99"]);
    assert!(code(&gone) == 1 && text(&gone.stderr).contains("K-99"), "{gone:?}");
    let told = phasegate(folder.path(), &["doctor"]);
    let words = text(&told.stdout);
    assert!(words.contains("prices") && words.contains("`phasegate audit publish --to PLACE`"), "{words}");
}

#[test]
fn looking_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    stores::keep_to(Kind::Sqlite, folder.path());
    let at = folder.path();
    for arguments in [&["board"] as &[&str], &["doctor"], &["serve"], &[], &["workflow", "show", "quick"], &["schema"]]
    {
        phasegate(at, arguments);
        assert_eq!(std::fs::read_dir(at).unwrap().count(), 0, "{arguments:?} made something");
    }
    let typo = format!("sqlite:{}", at.join("typo/x.db").display());
    assert_eq!(code(&phasegate(at, &["--store", &typo, "board"])), 2);
    assert_eq!(std::fs::read_dir(at).unwrap().count(), 0);
}

#[test]
fn state_is_closed_to_others_and_hidden_from_git() {
    let folder = tempfile::tempdir().unwrap();
    stores::keep_to(Kind::Sqlite, folder.path());
    let state = folder.path().join(".phasegate");
    assert_eq!(code(&phasegate(folder.path(), &["call", "list_tasks"])), 0);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&state), mode(&state.join("phasegate.db"))), (0o700, 0o600));
    assert_eq!(std::fs::read_to_string(state.join(".gitignore")).unwrap(), "*\n");
}

#[test]
fn sixteen_first_openers_of_one_folder_all_get_in() {
    let folder = tempfile::tempdir().unwrap();
    let openers: Vec<_> = (0..16)
        .map(|_| {
            let at = folder.path().to_path_buf();
            std::thread::spawn(move || phasegate(&at, &["call", "list_tasks", "--json"]))
        })
        .collect();
    for opener in openers {
        let output = opener.join().unwrap();
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    }
    let trusted = phasegate(folder.path(), &["audit", "query", "--json", "--kind", "WorkflowTrusted"]);
    assert_eq!(text(&trusted.stdout).lines().count(), 6, "the starters are put in force once");
}

#[test]
#[cfg(target_os = "linux")]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    let ended =
        command.args(["schema"]).current_dir(folder.path()).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(code(&ended), 3);
    assert!(text(&ended.stderr).contains("could not be written"));
}

#[test]
fn a_backup_brings_everything_back_and_says_so_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    phasegate(at, &["call", "claim_task", r#"{"new":{"title":"kept"}}"#]);
    assert_eq!(code(&phasegate(at, &["backup", "saved"])), 0);
    assert_eq!(code(&phasegate(at, &["backup", "saved"])), 2, "a backup never writes over another");
    phasegate(at, &["call", "submit_task", r#"{"title":"lost"}"#, "--agent", "bo"]);
    assert_eq!(code(&phasegate(at, &["restore", "saved", "--yes"])), 0);
    let list = text(&phasegate(at, &["tasks", "list"]).stdout);
    assert!(list.contains("kept") && !list.contains("lost"), "{list}");
    let log = text(&phasegate(at, &["audit", "query"]).stdout);
    assert!(log.lines().next().unwrap().contains("StoreRestored"), "{log}");
    std::fs::write(at.join("other"), "not a backup").unwrap();
    assert_eq!(code(&phasegate(at, &["restore", "other", "--yes"])), 2);
}

#[test]
fn a_damaged_store_gives_no_backup() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    stores::keep_to(Kind::Sqlite, at);
    (0..5).for_each(|number| assert_eq!(code(&phasegate(at, &["tasks", "add", &format!("task {number}")])), 0));
    // What a killed run left does not stand in the way.
    std::fs::write(at.join("whole.part"), "half a backup").unwrap();
    assert_eq!(code(&phasegate(at, &["backup", "whole"])), 0);
    assert!(at.join("whole").is_file() && !at.join("whole.part").exists());
    let file = at.join(".phasegate/phasegate.db");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[8192..40_000].fill(0x5a);
    std::fs::write(&file, bytes).unwrap();
    let told = phasegate(at, &["backup", "broken"]);
    assert_eq!(code(&told), 3, "{}", text(&told.stdout));
    let left: Vec<_> = std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("broken")), "{left:?}");
}

#[test]
fn show_takes_names_and_says_what_takes_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("phasegate.yaml"), "version: 1\n").unwrap();
    let told = phasegate(folder.path(), &["workflow", "show", "phasegate.yaml"]);
    let words = text(&told.stderr);
    assert!(code(&told) == 2 && words.contains("is a file, and `show` takes the name"), "{words}");
    assert!(words.contains("`phasegate workflow explain phasegate.yaml`"), "{words}");
    let words = text(&phasegate(folder.path(), &["workflow", "show", "nonsense"]).stderr);
    assert!(words.contains("`nonsense` is neither a workflow in force nor a starter"), "{words}");
}

#[test]
fn a_name_cannot_print_a_line_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for arguments in [
        &["call", "claim\n  next: all is well\u{1b}[2J"][..],
        &["call", "claim_task", "{}", "--agent", "a\n  next: all is well\u{1b}[2J"],
        &["call", "claim_task", r#"{"new":{"title":"x"},"a\n  next: all is well\u001b[2J":1}"#],
    ] {
        let said = text(&phasegate(at, arguments).stderr);
        assert_eq!(said.lines().filter(|line| line.trim_start().starts_with("next:")).count(), 1, "{said:?}");
        assert!(said.contains("all is well") && !said.contains('\u{1b}'), "{said:?}");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.args(["tasks", "add", "x"]).current_dir(at).stdin(Stdio::null()).env_clear();
    stores::tell(&mut command, at);
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", at).env("USER", "a\n99 b {\u{1b}");
    assert_eq!(code(&command.output().unwrap()), 0);
    for arguments in [&["audit", "query", "--count-by", "agent"][..], &["audit", "query"]] {
        let said = text(&phasegate(at, arguments).stdout);
        assert!(said.contains("99 b") && !said.contains('\u{1b}'), "{said:?}");
        assert!(!said.lines().any(|line| line.starts_with("99 b")), "{said:?}");
    }
}

#[test]
fn the_demo_leaves_alone_what_belongs_to_whoever_runs_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::create_dir_all(at.join(".config/phasegate")).unwrap();
    std::fs::write(at.join(".config/phasegate/config.toml"), "no_such_setting = 1\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.arg("demo").current_dir(at).env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", at);
    command.env("USER", "demo-agent").env("CLAUDECODE", "1").env("TMPDIR", at);
    let played = command.env("PHASEGATE_STORE", format!("sqlite:{}", at.join("mine.db").display())).output().unwrap();
    assert_eq!(code(&played), 0, "{}", text(&played.stderr));
    let left: Vec<_> = std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".config"]);
}

#[test]
fn an_agent_bears_nobody_elses_name() {
    let folder = tempfile::tempdir().unwrap();
    for (name, whose) in [("lead", "your own"), ("phasegate", "phasegate's"), ("client-of:ana", "answer elsewhere")] {
        let said = phasegate(folder.path(), &["call", "list_tasks", "--agent", name]);
        assert!(code(&said) == 2 && text(&said.stderr).contains(whose), "{said:?}");
    }
}

#[test]
fn a_store_that_is_gone_is_not_replaced_by_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    stores::keep_to(Kind::Sqlite, folder.path());
    let at = folder.path();
    phasegate(at, &["call", "claim_task", r#"{"new":{"title":"kept"}}"#]);
    assert_eq!(code(&phasegate(at, &["backup", "saved"])), 0);
    let store = at.join(".phasegate/phasegate.db");
    let remove = |name: &str| drop(std::fs::remove_file(at.join(".phasegate").join(name)));
    for emptied in [false, true] {
        ["phasegate.db", "phasegate.db-wal", "phasegate.db-shm"].iter().for_each(|name| remove(name));
        if emptied {
            std::fs::write(&store, "").unwrap();
        }
        for arguments in [&["tasks", "list"][..], &["call", "list_tasks"], &["audit", "verify"]] {
            let said = phasegate(at, arguments);
            let words = text(&said.stderr);
            assert!(code(&said) == 2 && words.contains("the store is gone"), "{arguments:?}: {said:?}");
        }
        assert!(text(&phasegate(at, &["doctor"]).stdout).contains("the store is gone"));
        assert_eq!(code(&phasegate(at, &["restore", "saved", "--yes"])), 0);
        assert!(text(&phasegate(at, &["tasks", "list"]).stdout).contains("kept"));
    }
}

#[test]
fn a_person_is_told_of_commands_and_an_agent_of_tools() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    assert_eq!(code(&phasegate(at, &["tasks", "add", "first"])), 0);
    assert_eq!(code(&phasegate(at, &["tasks", "add", "second", "--depends-on", "T-1"])), 0);
    let table: [(&[&str], i32, &str, &str); 6] = [
        (&["tasks", "release", "T-1"], 1, "nobody holds T-1; it is ready", "nothing to free"),
        (&["tasks", "cancel", "T-1", "--reason", "x"], 1, "other tasks wait for T-1", "`--dependents cancel`"),
        (&["tasks", "add", "x", "--depends-on", "T-99"], 1, "T-99", "`phasegate tasks list`"),
        (&["tasks", "accept", "T-99", "--reason", "x", "--yes"], 1, "T-99", "`phasegate tasks list`"),
        (&["tasks", "add", ""], 2, "shorter than 1 character", "`--help`"),
        (&["call", "update_task", r#"{"task":"T-99","progress":"x"}"#], 1, "T-99", "list_tasks shows"),
    ];
    for (arguments, ends, message, hint) in table {
        let told = phasegate(at, arguments);
        let words = text(&told.stderr);
        let (first, next) = words.split_once("\n  next: ").unwrap();
        assert_eq!(code(&told), ends, "{arguments:?}: {words}");
        assert!(first.contains(message) && next.contains(hint), "{arguments:?}: {words}");
        assert!(!words.contains("control character"), "{words}");
    }
}

#[test]
fn the_same_mistake_ends_with_the_same_code() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    assert_eq!(code(&phasegate(at, &["tasks", "add", "first"])), 0);
    let table: [(&[&str], i32); 12] = [
        (&["tasks", "show", "T-99"], 1),
        (&["policy", "explain", "Read(a)", "--task", "T-99"], 1),
        (&["audit", "erase", "999", "--reason", "x", "--yes"], 1),
        (&["audit", "prove", "inclusion", "999"], 1),
        (&["tasks", "list", "--status", "bogus"], 2),
        (&["schema", "nope"], 2),
        (&["call", "nope"], 2),
        (&["call", "submit_task", r#"{"title":"x","priority":"urgent"}"#], 2),
        (&["models", "show", "nope"], 2),
        (&["audit", "export", "/nonexistent/x"], 2),
        (&["backup", "/nonexistent/x"], 2),
        (&["token", "create", "--role", "agent", "--expires", "0s"], 2),
    ];
    for (arguments, ends) in table {
        let told = phasegate(at, arguments);
        assert_eq!(code(&told), ends, "{arguments:?}: {}", text(&told.stderr));
    }
}

#[test]
fn what_would_count_otherwise_than_it_says_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (option, value) in [
        ("--connections", "0"),
        ("--body-bytes", "0"),
        ("--calls-per-minute", "0"),
        ("--streams", "0"),
        ("--sessions", "0"),
        ("--host", "a b"),
    ] {
        // Port 1 would be refused later, and otherwise.
        let told = phasegate(at, &["serve", "--http", "127.0.0.1:1", option, value]);
        let words = text(&told.stderr);
        assert!(code(&told) == 2 && words.contains("invalid value"), "{option}: {words}");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.args(["schema", "event"]).current_dir(at).env_clear().env("PHASEGATE_LOG_FORMAT", "xml");
    let told = command.stdin(Stdio::null()).output().unwrap();
    assert!(code(&told) == 2 && text(&told.stderr).contains("PHASEGATE_LOG_FORMAT is `xml`"), "{told:?}");
}

#[test]
fn a_hook_that_is_sent_nothing_says_that() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.args(["hook", "claude-code"]).current_dir(folder.path()).env_clear();
    let mut hook = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Open until the hook has ended: `wait_with_output` would close it.
    let input = hook.stdin.take();
    let told = hook.wait_with_output().unwrap();
    drop(input);
    let words = text(&told.stdout) + &text(&told.stderr);
    assert!(words.contains("its input had not ended after 6 s") && !words.contains("hold the store"), "{words}");
}

#[test]
fn what_a_task_cost_has_no_headings_over_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    assert_eq!(code(&phasegate(at, &["tasks", "add", "first"])), 0);
    let told = text(&phasegate(at, &["tasks", "cost", "T-1"]).stdout);
    assert!(!told.is_empty() && !told.contains("by phase"), "{told}");
}
