//! What can be known before a person reads, answers or types a passphrase is said before; and who lacks at a gate is told
//! where approvers are enrolled. The real binary, with nobody at its terminal.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::stores::{self, Kind};

const PASSPHRASE: &str = "nobody guesses this one";
const FLOW: &str = "version: 1\nname: flow\nprotect: { deny: [route_model] }\nphases:\n  plan:\n    exit:\n      - approval: { ask: \"Build it?\", from: [lead], within: 1s }\n    next: [done]\n  done: { end: true }\n";

/// A work tree and a home, side by side.
struct World(tempfile::TempDir);

impl World {
    fn new(workflow: &str) -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        for folder in ["tree", "other", "home", "elsewhere"] {
            std::fs::create_dir(world.path(folder)).unwrap();
            stores::keep_to(Kind::Sqlite, &world.path(folder));
        }
        std::fs::write(world.path("tree/phasegate.yaml"), workflow).unwrap();
        world.does(&["workflow", "trust", "--yes"], "");
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str], input: &str) -> (i32, String) {
        run(&self.path("tree"), &self.path("home"), &[], arguments, input)
    }

    fn does(&self, arguments: &[&str], input: &str) -> String {
        let (code, said) = self.run(arguments, input);
        assert_eq!(code, 0, "{arguments:?}: {said}");
        said
    }

    /// Refused so, and nobody was looked for to answer anything.
    fn refuses(&self, arguments: &[&str], expected: i32, words: &str) {
        let (code, said) = self.run(arguments, "");
        assert!(code == expected && said.contains(words), "{arguments:?}: {code} {said}");
        assert!(!said.contains("nobody sits") && !said.contains("8 characters"), "{arguments:?}: {said}");
    }
}

fn run(folder: &Path, home: &Path, more: &[(&str, &str)], arguments: &[&str], input: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.args(arguments).current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("HOME", home).env("USER", "person").envs(more.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who does not read its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn a_group_that_no_approver_belongs_to_is_told_of_until_one_does() {
    let world = World::new(&FLOW.replace("within: 1s", "within: 1h"));
    let add = ["approver", "add", "ana", "--passphrase-stdin"];
    let lacks = "a gate of “flow” asks for lead, and no approver is that or belongs to it";
    let said = world.does(&add, PASSPHRASE);
    assert!(said.contains(&format!("warning: {lacks}\n  next: ")) && said.contains("--group lead"), "{said}");
    assert!(world.run(&["doctor"], "").1.contains(lacks));
    world.does(&["call", "claim_task", "{\"new\":{\"title\":\"one\"}}", "--agent", "bot"], "");
    world.does(&["call", "request_approval", "{}", "--agent", "bot"], "");
    let answer = |name| ["approvals", "approve", "A-1", "--yes", "--as", name, "--passphrase-stdin"];
    let (code, said) = world.run(&answer("ana"), PASSPHRASE);
    assert!(code == 1 && said.contains("`ana` is not among them"), "{code} {said}");
    assert!(said.contains("`phasegate approver add NAME --group lead` enrols one"), "{said}");
    let again = ["approver", "add", "ana", "--existing", "--group", "lead", "--passphrase-stdin"];
    world.refuses(&again, 1, "`phasegate approver add ana-2 --group GROUP`");
    let second = ["approver", "add", "ana-2", "--group", "lead", "--as", "ana", "--passphrase-stdin"];
    let said = world.does(&second, &format!("{PASSPHRASE}\n{PASSPHRASE}\n"));
    assert!(!said.contains("warning"), "{said}");
    assert!(!world.run(&["doctor"], "").1.contains(lacks));
    world.does(&answer("ana-2"), PASSPHRASE);
}

#[test]
fn a_name_a_key_file_and_a_missing_line_are_told_of_as_what_they_are() {
    let world = World::new(FLOW);
    world.refuses(&["approver", "add", "zoe", "--existing", "--passphrase-stdin"], 2, "there is no key of `zoe`");
    world.does(&["approver", "add", "ana", "--passphrase-stdin"], PASSPHRASE);
    world.refuses(&["approver", "add", "ana", "--passphrase-stdin"], 1, "`ana` is an approver already");
    let (code, said) = world.run(&["approver", "add", "bo", "--passphrase-stdin"], &format!("{PASSPHRASE}\n"));
    assert!(code == 2 && said.contains("one more line was to come: A passphrase for the new key of bo"), "{said}");
    assert!(!world.path("home/.config/phasegate/keys/bo.json").exists());
    // In another workspace nobody has the name, and this machine holds its key.
    let add = ["approver", "add", "ana", "--passphrase-stdin"];
    let (code, said) = run(&world.path("other"), &world.path("home"), &[], &add, "");
    assert!(code == 2 && said.contains("is there already") && said.contains("`--existing`"), "{code} {said}");
}

#[test]
fn what_is_answered_or_out_of_time_waits_no_more_and_is_not_asked_about() {
    let world = World::new(FLOW);
    world.does(&["call", "claim_task", "{\"new\":{\"title\":\"one\"}}", "--agent", "bot"], "");
    world.does(&["call", "request_approval", "{\"question\":\"Why so?\"}", "--agent", "bot"], "");
    world.does(&["approvals", "approve", "A-1", "--yes"], "");
    world.refuses(&["approvals", "approve", "A-1"], 1, "A-1 is approved, answered by person; it cannot be answered");
    world.refuses(&["approvals", "reject", "A-1", "--yes", "--full"], 1, "A-1 is approved");
    assert!(!world.run(&["approvals", "reject", "A-1", "--yes", "--full"], "").1.contains("Why so?"));
    world.does(&["call", "request_approval", "{}", "--agent", "bot"], "");
    std::thread::sleep(std::time::Duration::from_millis(1_200));
    world.refuses(&["approvals", "approve", "A-2"], 1, "A-2 is expired");
    let said = world.does(&["approvals", "list"], "");
    assert_eq!(said.trim(), "Nothing waits for an answer.");
    assert_eq!(world.does(&["approvals", "list", "--json"], "").trim(), "[]");
    let said = world.does(&["approvals", "list", "--all"], "");
    assert!(said.contains("A-1") && said.contains("A-2") && said.contains("expired"), "{said}");
}

#[test]
fn what_cannot_be_done_from_here_is_told_before_the_question() {
    let world = World::new(FLOW);
    let open = |rule: &'static str, time: &'static str| ["bypass", "open", rule, "--for", time, "--reason", "x"];
    world.refuses(&open("nonsense", "1h"), 1, "no workflow that is in force has");
    world.refuses(&open("route_model", "25h"), 2, "at most 24 h");
    assert!(world.run(&open("route_model", "1h"), "").1.contains("nobody sits"), "it could be done, with a yes");
    let (tree, home) = (world.path("tree"), world.path("home"));
    let (code, said) = run(&tree, &home, &[("CLAUDECODE", "1")], &open("route_model", "1h"), "");
    assert!(code == 1 && said.contains("not done from a shell that a coding agent started"), "{code} {said}");
    world.does(&["approver", "add", "ana", "--group", "lead", "--passphrase-stdin"], PASSPHRASE);
    for act in [&["workflow", "trust"][..], &open("route_model", "1h")] {
        let (code, said) = run(&tree, &world.path("elsewhere"), &[], act, "");
        assert!(code == 1 && said.contains("takes the signature of an approver"), "{act:?}: {code} {said}");
        assert!(!said.contains("nobody sits"), "{said}");
    }
}
