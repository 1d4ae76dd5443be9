//! Runs one program without a shell, within limits, and ends whatever it started. A process that makes a session of
//! its own is out of reach; it is not waited for. What a run means for a gate is not here.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, test_kill_process_group, waitid};

use super::find;
use super::output::Capture;

const HEAD_BYTES: usize = 8 * 1024;
const TAIL_BYTES: usize = 56 * 1024;
const STDERR_BYTES: usize = 4 * 1024;
const GRACE: Duration = Duration::from_secs(2);
/// For what a program that ended by itself left running.
const LEFTOVER_GRACE: Duration = Duration::from_millis(300);
const TICK: Duration = Duration::from_millis(20);
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
const READS_PER_TURN: usize = 16;
const DRAIN_READS: usize = 256;

/// Asked often, from the thread that runs the gate; true ends it.
pub type Cancel<'a> = &'a dyn Fn() -> bool;
pub type OnProgress<'a> = &'a dyn Fn(Progress);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub elapsed_ms: u64,
    pub bytes: u64,
    pub last_line: String,
}

/// What to run; `env` is all the program gets.
#[derive(Clone, Debug)]
pub struct Program<'a> {
    pub argv: &'a [String],
    pub root: &'a Path,
    pub env: &'a [(OsString, OsString)],
    pub within: Duration,
    /// `None`: the program reads nothing.
    pub stdin: Option<&'a [u8]>,
    /// Keep stderr for itself as well; the order of the two streams is then only nearly right.
    pub stderr_apart: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Exited(i32),
    Signalled(i32),
    TimedOut,
    Cancelled,
    NotStarted(String),
}

#[derive(Clone, Debug)]
pub struct RunReport {
    pub outcome: Outcome,
    /// Both streams as they came: the first 8 KB and the last 56 KB, without control sequences.
    pub output: String,
    /// Empty unless asked for apart.
    pub stderr: String,
    pub output_bytes: u64,
    pub truncated: bool,
    pub elapsed_ms: u64,
}

/// Runs it to its end, its limit or its cancellation; blocks the thread.
pub fn run(program: &Program, cancel: Cancel, progress: OnProgress) -> RunReport {
    let errors = program.stderr_apart.then(|| Capture::text(STDERR_BYTES, 0));
    let mut streams = Streams { all: Capture::text(HEAD_BYTES, TAIL_BYTES), errors, separate: false };
    let started = now();
    let outcome = drive(program, &mut streams, cancel, progress);
    let elapsed = started.elapsed();
    RunReport {
        outcome,
        output_bytes: streams.all.total(),
        truncated: streams.all.truncated(),
        output: streams.all.into_text(),
        stderr: streams.errors.map(Capture::into_text).unwrap_or_default(),
        elapsed_ms: millis(elapsed),
    }
}

/// Stdout as bytes for a parser, stderr as text; too much of it is an error of its own.
pub(super) fn run_for_bytes(
    program: &Program,
    bytes_max: usize,
    cancel: Cancel,
) -> Result<(Outcome, Vec<u8>, String), String> {
    let errors = Some(Capture::text(STDERR_BYTES, 0));
    let mut streams = Streams { all: Capture::bytes(bytes_max, 0), errors, separate: true };
    let outcome = drive(&Program { stderr_apart: true, ..program.clone() }, &mut streams, cancel, &|_| ());
    if streams.all.truncated() {
        return Err(format!("it wrote more than {bytes_max} bytes"));
    }
    let errors = streams.errors.map(Capture::into_text).unwrap_or_default();
    Ok((outcome, streams.all.into_bytes(), errors))
}

struct Streams {
    all: Capture,
    errors: Option<Capture>,
    /// Stderr goes to `errors` only.
    separate: bool,
}

struct Running {
    child: Child,
    group: Pid,
    stdout: Option<PipeReader>,
    stderr: Option<PipeReader>,
    stdin: Option<File>,
}

fn drive(program: &Program, streams: &mut Streams, cancel: Cancel, progress: OnProgress) -> Outcome {
    if cancel() {
        return Outcome::Cancelled;
    }
    let mut running = match start(program) {
        Ok(running) => running,
        Err(reason) => return Outcome::NotStarted(reason),
    };
    let ended = watch(&mut running, program, streams, cancel, progress);
    let grace = if ended.is_some() { GRACE } else { LEFTOVER_GRACE };
    let status = end_group(&mut running, streams, grace);
    read_some(&mut running, streams, DRAIN_READS);
    ended.unwrap_or_else(|| from_status(status))
}

fn start(program: &Program) -> Result<Running, String> {
    let (name, arguments) = program.argv.split_first().ok_or("the command is empty; name a program")?;
    if !program.root.is_dir() {
        return Err(format!("the work tree `{}` is not a folder; it may have been removed", program.root.display()));
    }
    let path = program.env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
    let file = find::program(name, program.root, path)?;
    let pipes = || -> io::Result<_> {
        let (stdout, out) = io::pipe()?;
        let (stderr, err) = if program.stderr_apart {
            let (reader, writer) = io::pipe()?;
            (Some(reader), writer)
        } else {
            (None, out.try_clone()?)
        };
        without_blocking(&stdout)?;
        stderr.as_ref().map(without_blocking).transpose()?;
        Ok((stdout, out, stderr, err))
    };
    let (stdout, out, stderr, err) = pipes().map_err(|error| format!("no pipe for `{name}`: {error}"))?;
    let mut command = command(file.as_os_str());
    command.args(arguments).current_dir(program.root).env_clear();
    command.envs(program.env.iter().map(|(name, value)| (name, value))).env("PWD", program.root);
    command.stdin(if program.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(out).stderr(err).process_group(0);
    let mut child = command.spawn().map_err(|error| find::refused_by_system(name, &file, &error))?;
    // `command` holds the writing ends until it is dropped: only then can the pipes end.
    drop(command);
    let group = Pid::from_child(&child);
    let stdin = child.stdin.take().map(|pipe| File::from(OwnedFd::from(pipe)));
    let stdin = stdin.filter(|pipe| without_blocking(pipe).is_ok());
    Ok(Running { child, group, stdout: Some(stdout), stderr, stdin })
}

/// Reads until the program ends (`None`), or a limit or the caller ends it.
fn watch(
    running: &mut Running,
    program: &Program,
    streams: &mut Streams,
    cancel: Cancel,
    progress: OnProgress,
) -> Option<Outcome> {
    let started = now();
    let mut input = program.stdin.unwrap_or_default();
    let mut said = started;
    loop {
        if has_ended(&mut running.child, running.group) {
            return None;
        }
        if cancel() {
            return Some(Outcome::Cancelled);
        }
        if started.elapsed() >= program.within {
            return Some(Outcome::TimedOut);
        }
        if said.elapsed() >= PROGRESS_EVERY {
            said = now();
            let (elapsed_ms, bytes) = (millis(started.elapsed()), streams.all.total());
            progress(Progress { elapsed_ms, bytes, last_line: streams.all.last_line() });
        }
        wait_for_bytes(running);
        feed(&mut running.stdin, &mut input);
        read_some(running, streams, READS_PER_TURN);
    }
}

/// Ends every process of the group, and reaps the program itself.
fn end_group(running: &mut Running, streams: &mut Streams, grace: Duration) -> Option<ExitStatus> {
    // Until the program is reaped its number is taken, so the signal cannot meet a stranger.
    read_some(running, streams, DRAIN_READS);
    kill(running.group, Signal::TERM);
    let asked = now();
    let mut status = None;
    loop {
        if status.is_none() {
            status = running.child.try_wait().ok().flatten();
        }
        // While a member lives the number of the group is not given out again.
        if status.is_some() && !group_lives(running.group) {
            break;
        }
        if asked.elapsed() >= grace {
            kill(running.group, Signal::KILL);
            break;
        }
        read_some(running, streams, READS_PER_TURN);
        sleep(TICK / 2);
    }
    status.or_else(|| reaped(&mut running.child))
}

/// A process stuck in the system cannot be killed; it must not hold up the gate as well.
fn reaped(child: &mut Child) -> Option<ExitStatus> {
    let asked = now();
    while asked.elapsed() < GRACE {
        match child.try_wait() {
            Ok(None) => sleep(TICK / 4),
            Ok(status) => return status,
            Err(_) => break,
        }
    }
    None
}

fn kill(group: Pid, signal: Signal) {
    // Nobody left to signal is the wanted end, not an error.
    let _ = kill_process_group(group, signal);
}

/// Does anyone of the group still run? The dead whom nobody reaps, as in a container without an init, still answer to
/// a signal; Linux can tell them from the living, elsewhere they cost the rest of the grace.
fn group_lives(group: Pid) -> bool {
    if test_kill_process_group(group).is_err() {
        return false;
    }
    let Some(processes) = cfg!(target_os = "linux").then(|| std::fs::read_dir("/proc").ok()).flatten() else {
        return true;
    };
    let group = group.as_raw_nonzero().to_string();
    processes.flatten().filter(|entry| entry.file_name().as_bytes().first().is_some_and(u8::is_ascii_digit)).any(
        |entry| {
            let stat = std::fs::read(entry.path().join("stat")).unwrap_or_default();
            let stat = String::from_utf8_lossy(&stat);
            // State, parent and group follow the name, which may hold anything.
            let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
            let state = fields.next().unwrap_or_default();
            fields.nth(1) == Some(group.as_str()) && !matches!(state, "Z" | "X")
        },
    )
}

fn has_ended(child: &mut Child, group: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::Pid(group), options) {
        Ok(status) => status.is_some(),
        Err(_) => !matches!(child.try_wait(), Ok(None)),
    }
}

fn wait_for_bytes(running: &Running) {
    let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
    let mut fds = Vec::with_capacity(3);
    for pipe in [&running.stdout, &running.stderr].into_iter().flatten() {
        fds.push(PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN));
    }
    if let Some(pipe) = &running.stdin {
        fds.push(PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::OUT));
    }
    if fds.is_empty() || poll(&mut fds, Some(&tick)).is_err() {
        sleep(TICK);
    }
}

fn feed(stdin: &mut Option<File>, input: &mut &[u8]) {
    let Some(pipe) = stdin else { return };
    let written = if input.is_empty() { Ok(0) } else { pipe.write(input) };
    match written {
        Ok(count) => *input = input.get(count..).unwrap_or_default(),
        Err(error) if is_for_later(&error) => return,
        // The program does not want it; that is its right.
        Err(_) => *input = &[],
    }
    if input.is_empty() {
        *stdin = None;
    }
}

fn read_some(running: &mut Running, streams: &mut Streams, reads: usize) {
    let Streams { all, errors, separate } = streams;
    read_pipe(&mut running.stdout, reads, |bytes| all.push(bytes));
    read_pipe(&mut running.stderr, reads, |bytes| {
        if let Some(errors) = errors {
            errors.push(bytes);
        }
        if !*separate {
            all.push(bytes);
        }
    });
}

fn read_pipe(pipe: &mut Option<PipeReader>, reads: usize, mut keep: impl FnMut(&[u8])) {
    let mut buffer = [0; 16 * 1024];
    for _ in 0..reads {
        let Some(reader) = pipe else { return };
        match reader.read(&mut buffer) {
            Ok(0) => *pipe = None,
            Ok(count) => keep(buffer.get(..count).unwrap_or_default()),
            Err(error) if is_for_later(&error) => return,
            Err(_) => *pipe = None,
        }
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn without_blocking(fd: &impl AsFd) -> io::Result<()> {
    let flags = fcntl_getfl(fd)?;
    Ok(fcntl_setfl(fd, flags | OFlags::NONBLOCK)?)
}

fn from_status(status: Option<ExitStatus>) -> Outcome {
    match status {
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Outcome::Exited(code),
            (None, signal) => Outcome::Signalled(signal.unwrap_or_default()),
        },
        None => Outcome::NotStarted("its end could not be read; run the gate again".into()),
    }
}

pub(super) fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "a limit on a running program is kept where it runs")]
pub(super) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the gate runners start programs, and only here")]
fn command(program: &OsStr) -> Command {
    Command::new(program)
}
