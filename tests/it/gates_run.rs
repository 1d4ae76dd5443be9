//! Gates that start programs, against real programs only.

use std::cell::RefCell;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use phasegate::domain::workflow::GateKind;
use phasegate::engine::gates::hook::{self, Verdict};
use phasegate::engine::gates::run::{Outcome, Program, Progress, RunReport, run};
use phasegate::engine::gates::{self, GateContext, find};
use serde_json::json;

fn environment() -> Vec<(OsString, OsString)> {
    find::clean_environment(std::env::vars_os(), find::PASSED_VARIABLES)
}

fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn never() -> bool {
    false
}

fn run_in(root: &Path, words: &[&str], within: Duration) -> RunReport {
    let (argv, env) = (argv(words), environment());
    let program = Program { argv: &argv, root, env: &env, within, stdin: None, stderr_apart: false };
    run(&program, &never, &|_| ())
}

fn sh(script: &str) -> RunReport {
    let root = tempfile::tempdir().unwrap();
    run_in(root.path(), &["sh", "-c", script], Duration::from_secs(20))
}

/// Gone, or dead and waiting for whoever adopted it.
fn is_gone(pid: &str) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Err(_) => rustix::process::Pid::from_raw(pid.parse().unwrap())
            .is_none_or(|pid| rustix::process::test_kill_process(pid).is_err()),
        Ok(stat) => stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'),
    }
}

fn soon(mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

#[test]
fn exit_codes_and_signals_are_told_apart() {
    assert_eq!(sh("exit 0").outcome, Outcome::Exited(0));
    assert_eq!(sh("exit 7").outcome, Outcome::Exited(7));
    assert_eq!(sh("kill -9 $$").outcome, Outcome::Signalled(9));
}

#[test]
fn both_streams_come_in_the_order_they_were_written() {
    let report = sh("echo one; echo two >&2; echo three; printf '\\033[31mred\\033[0m\\r\\n' >&2; cat");
    assert_eq!(report.output, "one\ntwo\nthree\nred\n");
    assert_eq!((report.truncated, report.stderr.as_str()), (false, ""));
}

#[test]
fn a_limit_ends_the_grandchildren_too() {
    let root = tempfile::tempdir().unwrap();
    let script =
        "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > pid; sleep 60; sleep 60' & echo started; sleep 60; wait";
    let start = Instant::now();
    let report = run_in(root.path(), &["sh", "-c", script], Duration::from_millis(700));
    assert_eq!((report.outcome, report.output.as_str()), (Outcome::TimedOut, "started\n"));
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let pid = std::fs::read_to_string(root.path().join("pid")).unwrap();
    assert!(soon(|| is_gone(pid.trim())));
}

#[test]
fn a_program_that_obeys_may_say_goodbye() {
    let report = {
        let root = tempfile::tempdir().unwrap();
        let script = "trap 'echo bye; exit 1' TERM; echo up; while :; do sleep 0.05; done";
        run_in(root.path(), &["sh", "-c", script], Duration::from_millis(300))
    };
    assert_eq!(report.outcome, Outcome::TimedOut);
    assert!(report.output.starts_with("up\n") && report.output.ends_with("bye\n"), "{}", report.output);
    assert!(report.elapsed_ms < 1500, "{}", report.elapsed_ms);
}

#[test]
fn a_daemon_that_keeps_stdout_open_is_ended_and_not_waited_for() {
    let root = tempfile::tempdir().unwrap();
    let report = run_in(root.path(), &["sh", "-c", "sleep 60 & echo $! > pid; echo done"], Duration::from_secs(20));
    assert_eq!((report.outcome, report.output.as_str()), (Outcome::Exited(0), "done\n"));
    assert!(report.elapsed_ms < 2000, "{}", report.elapsed_ms);
    let pid = std::fs::read_to_string(root.path().join("pid")).unwrap();
    assert!(soon(|| is_gone(pid.trim())));
}

#[test]
fn a_process_in_its_own_session_does_not_hang_the_gate() {
    let script = "import os,time\nif os.fork()==0:\n os.setsid()\n print('x', flush=True)\n time.sleep(4)\n os._exit(0)\ntime.sleep(0.2)";
    let root = tempfile::tempdir().unwrap();
    let report = run_in(root.path(), &["python3", "-c", script], Duration::from_secs(20));
    assert_eq!(report.outcome, Outcome::Exited(0));
    assert!(report.elapsed_ms < 2500, "{}", report.elapsed_ms);
}

#[test]
fn a_hundred_megabytes_leave_only_both_ends() {
    let report = sh("echo first; head -c 100000000 /dev/zero | tr '\\0' 'x'; echo; echo last");
    assert_eq!(report.outcome, Outcome::Exited(0));
    assert_eq!((report.output_bytes, report.truncated), (100_000_012, true));
    assert!(report.output.starts_with("first\nxxx") && report.output.ends_with("x\nlast\n"));
    assert!(report.output.len() < 65 * 1024 && report.output.contains("bytes left out"));
}

#[test]
fn a_cancelled_run_ends_within_three_seconds_and_says_how_it_went() {
    let (root, env) = (tempfile::tempdir().unwrap(), environment());
    let argv = argv(&["sh", "-c", "echo working; sleep 60"]);
    let within = Duration::from_secs(30);
    let program = Program { argv: &argv, root: root.path(), env: &env, within, stdin: None, stderr_apart: false };
    let (start, seen) = (Instant::now(), RefCell::new(Vec::<Progress>::new()));
    let report = run(&program, &|| start.elapsed() > Duration::from_millis(1300), &|step| seen.borrow_mut().push(step));
    assert_eq!(report.outcome, Outcome::Cancelled);
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_eq!((seen.borrow().len(), seen.borrow()[0].last_line.as_str(), seen.borrow()[0].bytes), (1, "working", 8));
    assert_eq!(run(&program, &|| true, &|_| ()).outcome, Outcome::Cancelled);
}

#[test]
fn what_cannot_start_says_why_and_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let told = |words: &[&str]| {
        let outcome = run_in(root.path(), words, Duration::from_secs(5)).outcome;
        let Outcome::NotStarted(reason) = outcome else { panic!("{outcome:?}") };
        reason
    };
    assert!(matches!(run_in(Path::new("/none"), &["true"], Duration::from_secs(5)).outcome, Outcome::NotStarted(_)));
    assert!(told(&["no-such-program"]).contains("not found in PATH"));
    assert!(told(&["../x"]).contains("leads out"));
    assert!(told(&[]).contains("empty"));
    std::fs::write(root.path().join("bad.sh"), "#!/no/such/interpreter\n").unwrap();
    assert!(told(&["./bad.sh"]).contains("chmod"));
    std::fs::set_permissions(root.path().join("bad.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    assert!(told(&["./bad.sh"]).contains("interpreter"));
}

#[test]
fn a_gate_runs_in_the_work_tree_with_a_clean_environment() {
    let root = tempfile::tempdir().unwrap();
    let script = root.path().join("check.sh");
    std::fs::write(&script, "#!/bin/sh\npwd\nenv\n").unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let all = std::env::vars_os().chain([("SECRET_TOKEN".into(), "hunter2".into()), ("LANG".into(), "C".into())]);
    let env = find::clean_environment(all, find::PASSED_VARIABLES);
    let ctx = GateContext { root: root.path(), task: "t-1", phase: "build", gate: "command:./check.sh", env: &env };
    let gate = GateKind::Command { argv: argv(&["./check.sh"]), within_seconds: 10, fresh: false, observed: false };
    let report = gates::run(&gate, &ctx, &never, &|_| ());
    assert!(report.passed && !report.error && report.summary.starts_with("`./check.sh` passed in "), "{report:?}");
    assert!(!report.detail.contains("hunter2") && !report.detail.contains("CARGO_MANIFEST_DIR"));
    for wanted in ["PHASEGATE_TASK=t-1", "PHASEGATE_PHASE=build", "CI=true", "LANG=C", "PATH="] {
        assert!(report.detail.contains(wanted), "{wanted}");
    }
    assert!(report.detail.starts_with(&root.path().canonicalize().unwrap().to_string_lossy().into_owned()));
    let report = gates::run(&GateKind::Children, &ctx, &never, &|_| ());
    assert!(!report.passed && report.error);
    let gate =
        GateKind::Command { argv: argv(&["sh", "-c", "exit 3"]), within_seconds: 10, fresh: false, observed: false };
    assert!(gates::run(&gate, &ctx, &never, &|_| ()).summary.contains("failed with exit code 3"));
}

#[test]
fn a_hook_answers_by_its_exit_code() {
    let (root, env) = (tempfile::tempdir().unwrap(), environment());
    let ask = |script: &str| {
        let argv = argv(&["sh", "-c", script]);
        let within = Duration::from_secs(5);
        let program = Program { argv: &argv, root: root.path(), env: &env, within, stdin: None, stderr_apart: false };
        hook::ask(&program, &json!({"task": "t-1", "gate": "hook:x"}), &never, &|_| ())
    };
    let pass = ask("cat; echo note >&2");
    assert_eq!(pass.verdict, Verdict::Pass);
    assert!(pass.run.output.contains(r#"{"task":"t-1","gate":"hook:x"}"#) && pass.run.output.contains("note"));
    assert_eq!(ask("echo out; echo 'no tests' >&2; exit 2").verdict, Verdict::Refuse("no tests".into()));
    assert!(matches!(ask("exit 2").verdict, Verdict::Refuse(reason) if reason.contains("no reason")));
    assert!(matches!(ask("exit 1").verdict, Verdict::Error(why) if why.contains("exit code 1")));
    assert!(matches!(ask("kill -9 $$").verdict, Verdict::Error(why) if why.contains("signal 9")));
    let Verdict::Refuse(long) = ask("head -c 50000 /dev/zero | tr '\\0' y >&2; exit 2").verdict else { panic!() };
    assert!(long.len() < 4200 && long.contains("left out"));
    let ctx = GateContext { root: root.path(), task: "t", phase: "p", gate: "g", env: &env };
    let gate = GateKind::Hook { argv: argv(&["sh", "-c", "echo why >&2; exit 2"]), within_seconds: 5, fresh: false };
    assert_eq!(gates::run(&gate, &ctx, &never, &|_| ()).summary, "`sh -c 'echo why >&2; exit 2'` refused: why");
}

#[test]
fn a_hook_that_reads_nothing_of_a_long_question_still_answers() {
    let (root, env) = (tempfile::tempdir().unwrap(), environment());
    let argv = argv(&["true"]);
    let within = Duration::from_secs(5);
    let program = Program { argv: &argv, root: root.path(), env: &env, within, stdin: None, stderr_apart: false };
    assert_eq!(hook::ask(&program, &json!("x".repeat(1_000_000)), &never, &|_| ()).verdict, Verdict::Pass);
}
