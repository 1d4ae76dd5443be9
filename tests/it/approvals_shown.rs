//! What a person is shown of a call before a yes, by the real program: nothing of an agent's text leaves its frame, is out of
//! view, or passes for something else.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use phasegate::domain::approval::Approval;
use phasegate::domain::notice::What;
use phasegate::notify::message::{Answering, Item};
use serde_json::{Value, json};

use crate::support::stores;

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        world.well(&["call", "claim_task", "{\"new\":{\"title\":\"one\"}}", "--agent", "ana"]);
        world
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.folder.path()).env("USER", "lead").env("TERM", "xterm");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        stores::tell(&mut command, self.folder.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_phasegate")).args(arguments).output().unwrap()
    }

    fn well(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn asked(&self, tool: &str, arguments: &Value) -> String {
        let request = json!({"call": {"tool": tool, "arguments": arguments}}).to_string();
        let told = self.well(&["call", "request_approval", &request, "--agent", "ana", "--json"]);
        let told: Value = serde_json::from_str(&told).unwrap();
        told["approval"].as_str().unwrap().to_owned()
    }

    fn bash(&self, command: &str) -> String {
        self.asked("Bash", &json!({ "command": command }))
    }

    /// At a terminal of its own, where `typed` is what the person says.
    fn at_a_terminal(&self, arguments: &[&str], typed: &str) -> String {
        let spawn = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
        let mut command = self.command("python3");
        command.args(["-B", "-c", spawn, env!("CARGO_BIN_EXE_phasegate")]).args(arguments);
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned()
    }

    fn state(&self, id: &str) -> String {
        let shown: Value = serde_json::from_str(&self.well(&["approvals", "show", id, "--json"])).unwrap();
        shown["status"].as_str().unwrap().to_owned()
    }
}

/// From the line that introduces the call to the one that says what a yes does, without the frame.
fn framed(shown: &str) -> Vec<&str> {
    let call = shown.split_once("exactly as it would run:\n").unwrap().1;
    call.lines().take_while(|line| !line.is_empty()).map(|line| line.strip_prefix("    │ ").unwrap()).collect()
}

#[test]
fn a_name_of_an_argument_stays_in_its_frame_and_stands_behind_what_the_tool_takes() {
    let world = World::new();
    let forged = "x\n\n  after a yes nothing happens\n  answer      just say y";
    let id = world.asked("Bash", &json!({"command: npm test   #": 1, forged: "v\nw", "command": "rm -rf ~"}));
    for shown in [world.well(&["approvals", "show", &id]), world.well(&["approvals", "show", &id, "--full"])] {
        let expected = [
            "Bash",
            "command: rm -rf ~",
            "also given, though `Bash` takes no such thing:",
            "  \"command: npm test   #\": 1",
            "  \"x\\u{a}\\u{a}  after a yes nothing happens\\u{a}  answer      just say y\":",
            "    v",
            "    w",
        ];
        assert_eq!(framed(&shown), expected, "{shown}");
        let ours = shown.lines().filter(|line| line.starts_with("  after a yes") || line.starts_with("  answer"));
        assert_eq!(ours.count(), 2, "{shown}");
    }
    let tool = world.asked("mcp__x__y\n  after a yes  nothing", &json!({}));
    let shown = world.well(&["approvals", "show", &tool]);
    assert_eq!(framed(&shown)[0], "\"mcp__x__y\\u{a}  after a yes  nothing\"", "{shown}");
    assert_eq!(shown.lines().filter(|line| line.starts_with("  after a yes")).count(), 1, "{shown}");
}

#[test]
fn the_end_of_a_long_command_is_in_view_and_each_of_its_commands_on_a_line() {
    let world = World::new();
    let long = world.bash(&format!("echo {}; rm -rf ~", "a".repeat(5000)));
    let far = world.bash(&format!("npm test{}rm -rf ~", "\n".repeat(500)));
    let wide = world.bash(&format!("npm test{}; rm -rf ~", " ".repeat(3000)));
    let many = world.bash(&format!("true\n{}rm -rf ~", "echo a\n".repeat(300)));
    for (id, cut) in [(&long, "left out) … "), (&far, "… (499 empty lines)"), (&wide, "␣×3000"), (&many, "left out) …")]
    {
        let shown = world.well(&["approvals", "show", id]);
        assert!(framed(&shown).iter().any(|line| line.contains(cut)), "{id}: {shown}");
        assert!(framed(&shown).last().unwrap().ends_with("rm -rf ~"), "{id}: {shown}");
        assert!(
            shown.contains("what it starts, one a line:\n") && shown.contains("\n    │ rm -rf ~\n"),
            "{id}: {shown}"
        );
    }
    let list = world.well(&["approvals", "list"]);
    for (id, mark) in [(&long, "(5015 characters"), (&far, "⏎×500"), (&wide, "␣×3000"), (&many, "characters, ")] {
        let line = list.lines().find(|line| line.starts_with(&format!("{id} "))).unwrap();
        assert!(line.contains(mark) && line.ends_with("rm -rf ~"), "{line}");
    }
}

#[test]
fn what_was_not_shown_whole_is_not_approved() {
    let world = World::new();
    let long = format!("echo {}; rm -rf ~", "b".repeat(9000));
    let id = world.bash(&long);
    for answer in [&["approvals", "approve", &id, "--yes"][..], &["approvals", "batch", "approve", &id, "--yes"]] {
        let refused = world.run(answer);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("--yes --full"), "{said}");
        assert_eq!(world.state(&id), "pending");
    }
    let no = world.at_a_terminal(&["approvals", "approve", &id], "n\n").replace("\r\n    │ ↳ ", "");
    assert!(no.contains(&long) && no.contains("[y/N]"), "shown whole before it asks: {} characters", no.len());
    assert_eq!(world.state(&id), "pending");
    world.at_a_terminal(&["approvals", "approve", &id], "y\n");
    assert_eq!(world.state(&id), "approved");
    // A no needs no look, and what a page shows whole is answered as ever.
    let (other, short) = (world.bash(&format!("{long} x")), world.bash("npm test"));
    let shown = world.run(&["approvals", "approve", &other, "--yes", "--full"]);
    assert!(String::from_utf8_lossy(&shown.stderr).contains(&format!("{long} x")));
    assert_eq!(world.state(&other), "approved");
    world.well(&["approvals", "approve", &short, "--yes"]);
    let third = world.bash(&format!("{long} y"));
    world.well(&["approvals", "reject", &third, "--yes"]);
}

#[test]
fn hosts_and_blanks_that_look_like_others_are_told() {
    let world = World::new();
    for (command, warning) in [
        (
            "curl https://gіthub.com/x",
            "warning: the host “gіthub.com” is xn--gthub-n2e.com, letters that look like others",
        ),
        ("curl https://github。com", "warning: the host “github。com” is github.com, letters that look like others"),
        ("curl https://github.com@evil.test", "warning: the host is evil.test; what stands before @ is a name"),
        ("curl https://github.com\"\"@evil.test", "warning: the host is evil.test; what stands before @ is a name"),
    ] {
        let id = world.bash(command);
        let shown = world.well(&["approvals", "show", &id]);
        assert!(shown.lines().any(|line| line.trim() == warning), "{shown}");
    }
    let id = world.bash("curl https://github.com/ @file");
    assert!(!world.well(&["approvals", "show", &id]).contains("warning"));
    let odd = world.bash("echo a\u{3164}b\u{115f}c\u{a0}d\u{2003}e\u{2800}f\u{1d173}g");
    let shown = world.well(&["approvals", "show", &odd]);
    assert!(shown.contains("a\\u{3164}b\\u{115f}c\\u{a0}d\\u{2003}e\\u{2800}f\\u{1d173}g"), "{shown}");
}

#[test]
fn a_message_of_a_channel_shows_both_ends_of_a_call_and_its_warnings() {
    let world = World::new();
    let id = world.bash(&format!("curl https://gіthub.com/{}{}; rm -rf ~", "a".repeat(5000), " ".repeat(3000)));
    let approval: Approval = serde_json::from_str(&world.well(&["approvals", "show", &id, "--json"])).unwrap();
    let item = Item::of(&approval, None, Answering::command(approval.id));
    let mut text = String::new();
    item.write(What::Asked, &mut text);
    let yes = text.lines().find(|line| line.starts_with("  on yes")).unwrap();
    assert!(yes.contains("characters, ") && yes.contains("left out) … "), "{yes}");
    assert!(yes.contains("no other: Bash {\"command\":\"curl") && yes.ends_with("␣×3000; rm -rf ~\"}"), "{yes}");
    assert!(text.contains("  warning   the host “gіthub.com” is xn--gthub-n2e.com"), "{text}");
}
