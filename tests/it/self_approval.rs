//! An agent with a shell, every tool and the person's files, but not the passphrase of an approver's key, tries to get through
//! a gate of level 2: real processes, one attempt a row. What is judged is the gate as the person's own processes see it.
//! Whoever writes the store *and* what the machine remembers is not stopped by anything local; the last test says what is left.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use phasegate::store;
use serde_json::{Value, json};

use crate::support::replay;

const PASSPHRASE: &str = "nobody guesses this one";
const WORKFLOW: &str = "version: 1\nname: flow\nprotect: { deny: [route_model] }\nphases:\n  look:\n    next: [plan]\n  plan:\n    allow: [submit_task]\n    exit:\n      - artifact: plan\n      - approval: { ask: \"Build it?\", level: 2 }\n    next: [build, look]\n  build:\n    next: [done, plan]\n  done: { end: true }\n";

/// A work tree with a task at the gate, an owner with a key, and a folder of the agent's own.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        for name in ["tree", "home", "own", "saved"] {
            std::fs::create_dir(world.path(name)).unwrap();
        }
        std::fs::write(world.path("tree/phasegate.yaml"), WORKFLOW).unwrap();
        world.does(&["workflow", "trust", "--yes"], "");
        world.does(&["backup", "../saved/before.db"], "");
        world.does(&["approver", "add", "owner", "--passphrase-stdin"], PASSPHRASE);
        let agent = [
            "claim_task {\"new\":{\"title\":\"one\"}}",
            "transition_phase {}",
            "submit_artifact {\"name\":\"plan\",\"content\":\"x\"}",
            "request_approval {}",
        ];
        for step in agent {
            let (tool, arguments) = step.split_once(' ').unwrap();
            world.does(&["call", tool, arguments, "--agent", "ana"], "");
        }
        world.copy("tree/.phasegate", "saved/state");
        world.copy("home", "saved/home");
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn copy(&self, from: &str, to: &str) {
        let done = Command::new("cp").arg("-a").args([self.path(from), self.path(to)]).status().unwrap();
        assert!(done.success());
    }

    /// As it was before any attempt.
    fn reset(&self) {
        for (saved, place) in [("saved/state", "tree/.phasegate"), ("saved/home", "home")] {
            std::fs::remove_dir_all(self.path(place)).unwrap();
            self.copy(saved, place);
        }
        std::fs::remove_dir_all(self.path("own")).unwrap();
        std::fs::create_dir(self.path("own")).unwrap();
        std::fs::write(self.path("tree/phasegate.yaml"), WORKFLOW).unwrap();
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path("tree")).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.path("home")).env("USER", "person");
        command
    }

    /// The person's own process, or the agent's server that the person started.
    fn phasegate(&self, arguments: &[&str], input: &str) -> Output {
        said(self.command(env!("CARGO_BIN_EXE_phasegate")).args(arguments), input)
    }

    fn does(&self, arguments: &[&str], input: &str) {
        let output = self.phasegate(arguments, input);
        assert!(output.status.success(), "{arguments:?}: {}", words(&output));
    }

    /// What the agent does in its shell. `$PG` is phasegate, `$OWN` a folder of its own, `$ROOT` all there is.
    fn attempt(&self, script: &str) -> String {
        let mut shell = self.command("bash");
        shell.args(["-c", script]).env("PG", env!("CARGO_BIN_EXE_phasegate"));
        shell.env("OWN", self.path("own")).env("ROOT", self.folder.path());
        words(&said(&mut shell, ""))
    }

    fn leaves(&self) -> Output {
        self.phasegate(&["call", "transition_phase", "{\"to\":\"build\"}", "--agent", "ana"], "")
    }

    fn phase(&self) -> Option<String> {
        let shown = self.phasegate(&["tasks", "show", "T-1", "--json"], "");
        let task: Value = serde_json::from_slice(&shown.stdout).ok()?;
        Some(task["phase"].as_str()?.to_owned())
    }

    fn shut(&self, attempt: &str, said: &str) {
        let output = self.leaves();
        assert!(!output.status.success(), "{attempt} opened the gate: {}\n{said}", words(&output));
        let phase = self.phase();
        assert!(phase.as_deref().is_none_or(|phase| ["look", "plan"].contains(&phase)), "{attempt}: {phase:?}");
    }

    /// The owner signs, and the gate opens: once.
    fn honest(&self) {
        let asked = self.phasegate(&["call", "request_approval", "{}", "--agent", "ana", "--json"], "");
        let asked: Value = serde_json::from_slice(&asked.stdout).unwrap();
        let id = asked["approval"].as_str().unwrap_or_else(|| panic!("{asked}")).to_owned();
        self.does(&["approvals", "approve", &id, "--yes", "--as", "owner", "--passphrase-stdin"], PASSPHRASE);
        let output = self.leaves();
        assert!(output.status.success(), "{}", words(&output));
    }

    fn attempts(&self, list: &[(&str, &str, &str)]) {
        for (name, script, expected) in list {
            self.reset();
            let said = self.attempt(script);
            assert!(said.contains(expected), "{name}: `{expected}` is not in: {said}");
            self.shut(name, &said);
        }
        self.reset();
        self.honest();
    }
}

fn said(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who does not read its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(format!("{input}\n").as_bytes());
    child.wait_with_output().unwrap()
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Types this at whatever is asked on a terminal of its own.
const TERMINAL: &str = r#"python3 - "$PG" approvals approve A-1 "$@" <<'EOF'
import os, pty, sys, time
child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
for line in (b"y\n", b"wrong horse battery\n", b"\n"):
    time.sleep(0.4)
    try: os.write(terminal, line)
    except OSError: break
said = b""
while True:
    try: part = os.read(terminal, 4096)
    except OSError: break
    if not part: break
    said += part
os.waitpid(child, 0)
print(said.decode(errors="replace"))
EOF"#;

/// Another workspace, in which the agent is the first approver, with a key of this name.
const OWN_KEY: &str = r#"mkdir -p "$OWN/other" && (cd "$OWN/other" && echo 'agents passphrase' | XDG_CONFIG_HOME="$OWN" "$PG" approver add NAME --passphrase-stdin >/dev/null) && export XDG_CONFIG_HOME="$OWN"
"#;

fn with_key(name: &str, script: &str) -> String {
    format!("{}{script}", OWN_KEY.replace("NAME", name))
}

#[test]
fn without_the_passphrase_nothing_at_the_command_line_answers() {
    let world = World::new();
    let pty = |arguments: &str| format!("set -- {arguments}\n{TERMINAL}");
    let detached = |how: &str| {
        format!(
            "{how} sh -c '\"$PG\" approvals approve A-1 --yes >\"$OWN/log\" 2>&1; echo over >>\"$OWN/log\"' </dev/null >/dev/null 2>&1 &\nfor i in $(seq 100); do grep -qs over \"$OWN/log\" && break; sleep 0.1; done; cat \"$OWN/log\""
        )
    };
    let (terminal, as_owner) = (pty(""), pty("--as owner"));
    let (session, nohup, twice) =
        (detached("setsid"), detached("nohup"), detached("(setsid setsid").replace("2>&1 &", "2>&1 &)"));
    let no_one = "nobody sits at this terminal";
    let wrong = "the passphrase is not that";
    world.attempts(&[
        ("a plain yes", "\"$PG\" approvals approve A-1 --yes", no_one),
        ("in the owner's name", "\"$PG\" approvals approve A-1 --yes --as owner </dev/null", no_one),
        ("no passphrase", "echo | \"$PG\" approvals approve A-1 --yes --as owner --passphrase-stdin", wrong),
        ("guesses", "for p in owner password 'correct horse' '        ' \"$(cat $HOME/.config/phasegate/keys/owner.json)\"; do echo \"$p\" | \"$PG\" approvals approve A-1 --yes --as owner --passphrase-stdin; done", wrong),
        ("another's name", "echo x | \"$PG\" approvals approve A-1 --yes --as ../keys/owner --passphrase-stdin", "there is no key"),
        ("a batch", "\"$PG\" approvals batch approve A-1 --yes </dev/null", no_one),
        ("a question on a terminal", &terminal, wrong),
        ("the same as the owner", &as_owner, wrong),
        ("other users and agents", "for u in root owner ana; do USER=$u PHASEGATE_AGENT=x-$u \"$PG\" approvals approve A-1 --yes </dev/null; done", no_one),
        ("an agent by the person's name", "USER=owner PHASEGATE_AGENT=owner \"$PG\" approvals approve A-1 --yes", "cannot be called `owner`"),
        ("no home", "env -u HOME \"$PG\" approvals approve A-1 --yes", "asks for proof of level 2"),
        ("another home", "XDG_CONFIG_HOME=\"$OWN\" \"$PG\" approvals approve A-1 --yes", "asks for proof of level 2"),
        ("the settings", "XDG_CONFIG_HOME=\"$OWN\" PHASEGATE_LEVEL=2 PHASEGATE_ROLE=approver PHASEGATE_CAPABILITIES=approve \"$PG\" approvals approve A-1 --yes", "level 2"),
        ("marks of an agent unset", "env -u CLAUDECODE -u CODEX_SANDBOX -u GEMINI_CLI \"$PG\" approvals approve A-1 --yes", no_one),
        ("marks of an agent set", "CLAUDECODE=1 \"$PG\" approvals approve A-1 --yes", no_one),
        ("as a tool", "\"$PG\" call approvals '{}'; \"$PG\" call approve '{\"id\":\"A-1\"}' --agent owner", "there is no tool"),
        ("a session of its own", &session, no_one),
        ("a process that outlives the shell", &nohup, no_one),
        ("a process of nobody, like that of a timer", &twice, no_one),
        ("another time of day", "faketime -f '+5000d' \"$PG\" board 2>/dev/null; TZ=Etc/GMT+12 \"$PG\" approvals approve A-1 --yes", no_one),
        ("carrying it out", "\"$PG\" exec A-1", "not about a call"),
    ]);
}

#[test]
fn keys_and_names_of_the_agents_own_answer_nothing() {
    let world = World::new();
    let sign = "echo 'agents passphrase' | \"$PG\"";
    let same = with_key("owner", &format!("{sign} approvals approve A-1 --yes --as owner --passphrase-stdin"));
    let known = with_key("eve", &format!("{sign} approvals approve A-1 --yes --as eve --passphrase-stdin"));
    let existing = with_key("eve", "echo 'agents passphrase' | \"$PG\" approver add eve --existing --passphrase-stdin");
    let vouched = with_key(
        "eve",
        "printf 'agents passphrase\\nagents passphrase\\n' | \"$PG\" approver add eve --existing --as eve --passphrase-stdin",
    );
    let taken =
        with_key("owner", "echo 'agents passphrase' | \"$PG\" approver add owner --existing --passphrase-stdin");
    let exiled = with_key("eve", &format!("{sign} approver revoke owner --reason x --yes --as eve --passphrase-stdin"));
    let trusts = with_key(
        "eve",
        &format!("sed -i '/level: 2/d' phasegate.yaml; {sign} workflow trust --yes --as eve --passphrase-stdin"),
    );
    let opened = with_key(
        "eve",
        &format!("{sign} bypass open route_model --for 1h --reason x --yes --as eve --passphrase-stdin"),
    );
    let file =
        "cp \"$OWN/phasegate/keys/owner.json\" \"$HOME/.config/phasegate/keys/owner.json\"; export XDG_CONFIG_HOME=";
    let exchanged =
        with_key("owner", &format!("{file}; {sign} approvals approve A-1 --yes --as owner --passphrase-stdin"));
    world.attempts(&[
        ("a key of the same name", &same, "no enrolled approver has the key"),
        ("a key nobody enrolled", &known, "no enrolled approver has the key"),
        ("the owner's key file exchanged", &exchanged, "no enrolled approver has the key"),
        ("enrolling it", &existing, "takes the signature of an approver"),
        ("vouching for itself", &vouched, "no enrolled approver has the key"),
        ("taking the name", &taken, "is an approver already"),
        ("a new approver, with the owner's key", "printf 'x\\nlong enough for me\\n' | \"$PG\" approver add eve --passphrase-stdin", "the passphrase is not that"),
        ("a new approver, without", "echo 'long enough for me' | XDG_CONFIG_HOME=\"$OWN\" \"$PG\" approver add eve --passphrase-stdin", "takes the signature of an approver"),
        ("revoking the owner", "XDG_CONFIG_HOME=\"$OWN\" \"$PG\" approver revoke owner --reason x --yes", "last approver"),
        ("revoking with a key of its own", &exiled, "last approver"),
        ("another workflow", "sed -i '/level: 2/d' phasegate.yaml; XDG_CONFIG_HOME=\"$OWN\" \"$PG\" workflow trust --yes", "takes the signature of an approver"),
        ("another workflow, signed by itself", &trusts, "no enrolled approver has the key"),
        ("another workflow beside it", "printf 'version: 1\\nname: free\\nphases:\\n  a: { next: [done] }\\n  done: { end: true }\\n' > free.yaml; XDG_CONFIG_HOME=\"$OWN\" \"$PG\" workflow trust free.yaml --yes", "takes the signature of an approver"),
        ("a bypass", "XDG_CONFIG_HOME=\"$OWN\" \"$PG\" bypass open route_model --for 1h --reason x --yes", "takes the signature of an approver"),
        (
            "taking its tracks out of the log",
            "XDG_CONFIG_HOME=\"$OWN\" \"$PG\" audit erase 10 --reason x --yes; XDG_CONFIG_HOME=\"$OWN\" \"$PG\" audit key --new --reason x --yes",
            "erasing records takes the signature of an approver",
        ),
        ("a bypass, signed by itself", &opened, "no enrolled approver has the key"),
    ]);
}

#[test]
fn ways_around_the_gate_lead_back_to_it() {
    let world = World::new();
    let call = |steps: &[&str]| {
        let calls = steps.iter().map(|step| format!("\"$PG\" call {step} --agent ana")).collect::<Vec<_>>();
        calls.join("\n")
    };
    let reopened = format!(
        "\"$PG\" tasks cancel T-1 --reason x; \"$PG\" tasks reopen T-1 --reason x; {}",
        call(&["claim_task '{\"id\":\"T-1\"}'"])
    );
    let failed = call(&[
        "update_task '{\"fail\":\"x\"}'",
        "update_task '{\"task\":\"T-1\",\"reopen\":\"x\"}'",
        "claim_task '{\"id\":\"T-1\"}'",
    ]);
    let back = call(&["transition_phase '{\"to\":\"look\"}'", "transition_phase '{}'", "transition_phase '{}'"]);
    let jump = call(&["transition_phase '{\"to\":\"done\"}'"]);
    let renamed = "\"$PG\" call update_task '{\"release\":\"x\"}' --agent ana; \"$PG\" call claim_task '{\"id\":\"T-1\"}' --agent owner; \"$PG\" call transition_phase '{}' --agent owner; \"$PG\" call update_task '{\"release\":\"x\"}' --agent owner; \"$PG\" call claim_task '{\"id\":\"T-1\"}' --agent ana";
    let dialog = r#"(printf '%s\n' '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{}},"clientInfo":{"name":"c","version":"1"}}}' '{"jsonrpc":"2.0","method":"notifications/initialized"}' '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"request_approval","arguments":{"wait_seconds":1}}}' '{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"answer":"approve"}}}'; sleep 2) | "$PG" serve --agent ana > "$OWN/said"; grep -c elicitation/create "$OWN/said"; cat "$OWN/said""#;
    world.attempts(&[
        ("cancelled and reopened", &reopened, "is cancelled"),
        ("failed and reopened", &failed, "2 attempts left"),
        ("back and forth", &back, "cannot leave plan"),
        ("over the gate", &jump, "does not lead to"),
        ("under the owner's name", renamed, "cannot leave plan"),
        ("a dialog of the client", dialog, "0\n"),
    ]);
    // A true yes of the owner, for another task: it opens nothing here, neither by itself nor copied into the row of A-1.
    world.reset();
    for step in [
        "claim_task {\"new\":{\"title\":\"two\"}}",
        "transition_phase {}",
        "submit_artifact {\"name\":\"plan\",\"content\":\"x\"}",
        "request_approval {}",
    ] {
        let (tool, arguments) = step.split_once(' ').unwrap();
        world.does(&["call", tool, arguments, "--agent", "bo"], "");
    }
    world.does(&["approvals", "approve", "A-2", "--yes", "--as", "owner", "--passphrase-stdin"], PASSPHRASE);
    world.shut("an approval of another task", "");
    let forged = |of: &str| format!("UPDATE approvals SET state = 'approved', body = {of} WHERE id = 1");
    for body in [
        "json_set(body, '$.state', (SELECT json_extract(body, '$.state') FROM approvals WHERE id = 2))",
        "(SELECT json_set(body, '$.id', 'A-1', '$.task', 'T-1') FROM approvals WHERE id = 2)",
    ] {
        let said = world.attempt(&format!("sqlite3 .phasegate/phasegate.db \"{}\" && echo written", forged(body)));
        assert!(said.contains("written"), "{said}");
        world.shut(body, &said);
    }
}

#[test]
fn a_store_that_was_tampered_with_keeps_the_gate_shut() {
    let world = World::new();
    let sql = |text: &str| format!("sqlite3 .phasegate/phasegate.db \"{text}\" && echo written");
    let approved = sql(
        "UPDATE approvals SET state='approved', body=json_set(body,'$.level',0,'$.state',json('{\\\"is\\\":\\\"approved\\\",\\\"by\\\":\\\"owner\\\",\\\"at\\\":\\\"2026-01-01T00:00:00Z\\\",\\\"level\\\":2}'))",
    );
    let swap = "KEY=$(sed -n 's/.*\"key\": \"\\(.*\\)\",/\\1/p' \"$OWN/phasegate/keys/NAME.json\"); ";
    let answer = "echo 'agents passphrase' | \"$PG\" approvals approve A-1 --yes --as NAME --passphrase-stdin";
    let exchanged = with_key(
        "owner",
        &format!("{}{}; {}", swap, sql("UPDATE approvers SET body=json_set(body,'$.key','$KEY')"), answer)
            .replace("NAME", "owner"),
    );
    let second = with_key(
        "eve",
        &format!(
            "{}{}; {}",
            swap,
            sql("INSERT INTO approvers SELECT 'eve', json_set(body,'$.name','eve','$.key','$KEY') FROM approvers"),
            answer
        )
        .replace("NAME", "eve"),
    );
    let alone = with_key(
        "eve",
        &format!(
            "{}; echo 'agents passphrase' | \"$PG\" approver add eve --existing --passphrase-stdin; {}",
            sql("DELETE FROM approvers"),
            answer.replace("NAME", "eve")
        ),
    );
    let loosened = sql("UPDATE workflows SET body=replace(body,'\\\"level\\\":2','\\\"level\\\":0')")
        + "; \"$PG\" approvals approve A-1 --yes; \"$PG\" board";
    world.attempts(&[
        ("a row that says approved", &approved, "written"),
        ("no level in the row", &(sql("UPDATE approvals SET body=json_set(body,'$.level',0)") + "; \"$PG\" approvals approve A-1 --yes"), "approved"),
        ("the owner's row with another key", &exchanged, "A-1 is approved (level 2"),
        ("a second first approver", &second, "written"),
        ("the owner's row gone, and a new first one", &alone, "A-1 is approved (level 2"),
        ("another text under the workflow's hash", &loosened, "written"),
        ("no store", "rm -rf .phasegate && echo did", "did"),
        ("no database", "rm .phasegate/phasegate.db* && echo did", "did"),
        ("an empty database", ": > .phasegate/phasegate.db && echo did", "did"),
        ("half a database", "truncate -s 40K .phasegate/phasegate.db && echo did", "did"),
        ("noise in it", "printf nonsense | dd of=.phasegate/phasegate.db bs=1 seek=4100 conv=notrunc 2>&1", "8 bytes"),
        ("noise for its log", "head -c 64K /dev/urandom > .phasegate/phasegate.db-wal; head -c 32K /dev/urandom > .phasegate/phasegate.db-shm && echo did", "did"),
        ("no log", "rm -f .phasegate/phasegate.db-wal .phasegate/phasegate.db-shm && echo did", "did"),
        ("a backup from before there was an approver", "XDG_CONFIG_HOME=\"$OWN\" \"$PG\" restore ../saved/before.db --yes", "takes the signature of an approver"),
        ("the same, at the owner's place", "\"$PG\" restore ../saved/before.db --yes", "nobody sits"),
        ("the same, copied", "rm .phasegate/phasegate.db*; cp ../saved/before.db .phasegate/phasegate.db; chmod 600 .phasegate/phasegate.db; echo 'long enough' | \"$PG\" approver add eve --passphrase-stdin", "remembers a first approver"),
        ("a store of its own", &with_key("eve", "\"$PG\" restore \"$OWN/other/.phasegate/phasegate.db\" --yes"), "takes the signature of an approver"),
    ]);
    // The owner may bring a backup back, with the key that this machine remembers, even where rows do not know it any more.
    world.reset();
    world.does(&["backup", "../saved/good.db"], "");
    world.attempt(&sql("DELETE FROM approvers"));
    world.does(&["restore", "../saved/good.db", "--yes", "--as", "owner", "--passphrase-stdin"], PASSPHRASE);
    world.honest();
}

/// Rows and memory together: then the key that opens the gate is the agent's. What is left is the record, which says who
/// was enrolled, and contradicts the rows; a tree head that is kept elsewhere shows it where the record was rewritten too.
#[test]
fn who_writes_both_the_store_and_what_the_machine_remembers_gets_through_and_the_record_tells() {
    let world = World::new();
    let script = r#"KEY=$(sed -n 's/.*"key": "\(.*\)",/\1/p' "$OWN/phasegate/keys/owner.json")
unset XDG_CONFIG_HOME
sqlite3 .phasegate/phasegate.db "UPDATE approvers SET body=json_set(body,'$.key','$KEY')"
for pin in "$HOME"/.config/phasegate/first-approvers/*; do printf %s "$KEY" > "$pin"; done
cp "$OWN/phasegate/keys/owner.json" "$HOME/.config/phasegate/keys/owner.json"
echo 'agents passphrase' | "$PG" approvals approve A-1 --yes --as owner --passphrase-stdin"#;
    let said = world.attempt(&with_key("owner", script));
    assert!(world.leaves().status.success(), "nothing local is promised here: {said}");
    let backend = store::open(None, &world.path("tree/.phasegate")).unwrap();
    let found = replay::disagreements(backend.as_ref()).unwrap();
    assert!(found.iter().any(|line| line.starts_with("approver")), "the record tells: {found:?}");
    assert_ne!(json!(found), json!([]));
}

#[test]
fn the_first_approver_and_bypasses_are_not_made_in_a_coding_agents_shell() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], inside: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
        command.args(arguments).current_dir(folder.path()).env_clear().env("HOME", folder.path()).env("USER", "lead");
        command.env("PATH", std::env::var_os("PATH").unwrap());
        if inside {
            command.env("CLAUDECODE", "1");
        }
        said(&mut command, PASSPHRASE)
    };
    std::fs::write(folder.path().join("phasegate.yaml"), WORKFLOW).unwrap();
    assert!(run(&["workflow", "trust", "--yes"], false).status.success());
    let open = ["bypass", "open", "route_model", "--for", "1h", "--reason", "the scanner is down", "--yes"];
    assert!(words(&run(&open, true)).contains("not done from a shell that a coding agent started"));
    let add = ["approver", "add", "lead", "--passphrase-stdin"];
    assert!(words(&run(&add, true)).contains("not added from a shell that a coding agent started"));
    assert!(!Path::new(&folder.path().join(".config/phasegate/keys")).exists(), "no key is left behind");
    assert!(run(&open, false).status.success());
    for shows in [&["board"] as &[&str], &["doctor"], &["bypass", "list"]] {
        assert!(words(&run(shows, false)).contains("route_model"), "{shows:?}");
    }
    assert!(run(&add, false).status.success());
    // With a signature a bypass may be opened anywhere; the passphrase is the proof.
    let signed = [&open[..], &["--as", "lead", "--passphrase-stdin"]].concat();
    assert!(run(&signed, true).status.success());
    assert!(run(&["bypass", "close", "B-1"], false).status.success());
}
