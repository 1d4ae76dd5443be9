//! A server answers the hooks of its workspace over a socket, so that none of them has to open the store (Linux).
//! What goes wrong here costs only time: the hook then does it by itself. Nothing is judged here.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with};
use serde::{Deserialize, Serialize};

use crate::clients::hooked::Printed;
use crate::clients::{self, Client, EVENT_BYTES_MAX};
use crate::config::settings::{Environment, Settings};
use crate::config::workspace::Workspace;
use crate::engine::Engine;

use super::hook::{Asking, judged};
use super::{Global, Place};

/// Longer than any event takes; what is left of a hook's time then is enough to do it without a server.
const WAIT: Duration = Duration::from_millis(2_500);
/// A hook sends all it has to say at once.
const SENT_WITHIN: Duration = Duration::from_secs(1);
const ASKED_BYTES_MAX: usize = EVENT_BYTES_MAX + (1 << 20);
/// Longer than most of what is asked and answered, so that it is read at once.
const PIECE_BYTES: usize = 4096;
/// Events at work at once; more wait for their turn, and then do it by themselves.
const THREADS: usize = 4;
const WAITING_MAX: i32 = 128;
/// Milliseconds; an event that takes longer is left to end with the process.
const ENDING_TRIES: u32 = 1_000;
/// How soon another server takes the place of one that has ended.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// The first line of what a hook sends. The event follows as it came.
#[derive(Serialize, Deserialize)]
struct Asked {
    client: String,
    here: PathBuf,
    binary: PathBuf,
    variables: BTreeMap<String, String>,
}

/// A very file or folder, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self { device: found.dev(), inode: found.ino() })
    }
}

/// A name that is no file: it goes with whoever has taken it, and one state folder has one.
#[cfg(target_os = "linux")]
fn address(state: &Path) -> Option<SocketAddrUnix> {
    let Identity { device, inode } = Identity::of(state)?;
    let user = rustix::process::geteuid().as_raw();
    SocketAddrUnix::new_abstract_name(format!("phasegate-hooks-{user}-{device:x}-{inode:x}").as_bytes()).ok()
}

/// Other systems have no such names.
#[cfg(not(target_os = "linux"))]
fn address(_: &Path) -> Option<SocketAddrUnix> {
    None
}

/// At the other end is our own user, this very program, and no process that was put under bounds: a confined command may
/// neither make up events nor answer any. A process cannot rid itself of the mark that is looked for, nor can what it starts.
#[cfg(target_os = "linux")]
fn is_ours(stream: &UnixStream, program: Identity) -> bool {
    let Ok(peer) = rustix::net::sockopt::socket_peercred(stream) else { return false };
    let of = |file: &str| format!("/proc/{}/{file}", peer.pid.as_raw_nonzero());
    peer.uid == rustix::process::geteuid()
        && Identity::of(Path::new(&of("exe"))) == Some(program)
        && at_once(Path::new(&of("status"))).is_some_and(|status| contains(&status, b"\nNoNewPrivs:\t0\n"))
}

/// A file of the kernel's, which is shorter than this, in one read: a hook waits for each.
#[cfg(target_os = "linux")]
fn at_once(file: &Path) -> Option<Vec<u8>> {
    let mut said = vec![0; PIECE_BYTES];
    let read = std::fs::File::open(file).ok()?.read(&mut said).ok()?;
    said.truncate(read);
    Some(said)
}

#[cfg(target_os = "linux")]
fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|found| found == part)
}

#[cfg(not(target_os = "linux"))]
fn is_ours(_: &UnixStream, _: Identity) -> bool {
    false
}

fn this_program() -> Option<(PathBuf, Identity)> {
    let binary = std::env::current_exe().ok()?;
    let identity = Identity::of(&binary)?;
    Some((binary, identity))
}

/// What the server of this workspace answers; nothing where there is none, or it does not answer for us.
pub fn ask(client: &Client, event: &[u8], variables: BTreeMap<String, String>) -> Option<Printed> {
    let here = std::env::current_dir().ok()?;
    let project = variables.get("CLAUDE_PROJECT_DIR").filter(|project| !project.is_empty());
    let workspace = Workspace::find(None, project.map_or(here.as_path(), Path::new)).ok()?;
    let (binary, program) = this_program()?;
    let mut stream = reached(&address(&workspace.state)?)?;
    if !is_ours(&stream, program) {
        return None;
    }
    let asked = Asked { client: client.name.to_owned(), here, binary, variables };
    let mut text = serde_json::to_vec(&asked).ok()?;
    text.push(b'\n');
    text.extend_from_slice(event);
    stream.write_all(&text).ok()?;
    stream.shutdown(std::net::Shutdown::Write).ok()?;
    let mut answer = Vec::with_capacity(PIECE_BYTES);
    stream.read_to_end(&mut answer).ok()?;
    serde_json::from_slice(&answer).ok()
}

/// A server that takes no more is not waited for.
fn reached(address: &SocketAddrUnix) -> Option<UnixStream> {
    let socket = socket(SocketFlags::NONBLOCK)?;
    connect(&socket, address).ok()?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false).ok()?;
    stream.set_write_timeout(Some(SENT_WITHIN)).ok()?;
    stream.set_read_timeout(Some(WAIT)).ok()?;
    Some(stream)
}

fn socket(flags: SocketFlags) -> Option<OwnedFd> {
    socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | flags, None).ok()
}

/// Answers until it is dropped.
pub struct HookServer {
    line: Arc<Line>,
    keeper: Option<JoinHandle<()>>,
}

/// Where hooks come in, once it is this server's turn.
struct Line {
    address: SocketAddrUnix,
    is_over: AtomicBool,
    listener: Mutex<Option<UnixListener>>,
}

impl Line {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn listener(&self) -> MutexGuard<'_, Option<UnixListener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Desk {
    engine: Arc<Engine>,
    workspace: Workspace,
    settings: Settings,
    state: Identity,
    program: Identity,
}

impl HookServer {
    /// Nothing where a system has no such names, or this program's own file is gone.
    pub fn start(engine: &Arc<Engine>, place: &Place) -> std::io::Result<Option<Self>> {
        let folder = &place.workspace.state;
        let known = this_program().zip(Identity::of(folder)).zip(address(folder));
        let Some((((_, program), state), address)) = known else { return Ok(None) };
        let (workspace, settings) = (place.workspace.clone(), place.settings.clone());
        let desk = Desk { engine: Arc::clone(engine), workspace, settings, state, program };
        let line = Arc::new(Line { address, is_over: AtomicBool::new(false), listener: Mutex::new(None) });
        let kept = Arc::clone(&line);
        let keeper = named().spawn(move || keep(&desk, &kept))?;
        Ok(Some(Self { line, keeper: Some(keeper) }))
    }
}

impl Drop for HookServer {
    fn drop(&mut self) {
        self.line.is_over.store(true, Ordering::SeqCst);
        let Some(keeper) = self.keeper.take() else { return };
        keeper.thread().unpark();
        for _ in 0..ENDING_TRIES {
            if keeper.is_finished() {
                let _ = keeper.join();
                return;
            }
            // Whoever waits for the next hook learns that there is none.
            if let Some(listener) = self.line.listener().as_ref() {
                let _ = rustix::net::shutdown(listener, rustix::net::Shutdown::Both);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn named() -> Builder {
    Builder::new().name("phasegate-hooks".to_owned())
}

/// One server of a workspace answers; the others wait until it has ended.
fn keep(desk: &Desk, line: &Line) {
    while !line.is_over() {
        let Some(listener) = bound(&line.address) else {
            std::thread::park_timeout(TRY_AGAIN);
            continue;
        };
        *line.listener() = listener.try_clone().ok();
        std::thread::scope(|scope| {
            for _ in 1..THREADS {
                let _ = named().spawn_scoped(scope, || serve(desk, line, &listener));
            }
            serve(desk, line, &listener);
        });
        *line.listener() = None;
    }
}

/// Nothing while another one has the name.
fn bound(address: &SocketAddrUnix) -> Option<UnixListener> {
    let socket = socket(SocketFlags::empty())?;
    bind(&socket, address).ok()?;
    listen(&socket, WAITING_MAX).ok()?;
    Some(UnixListener::from(socket))
}

fn serve(desk: &Desk, line: &Line, listener: &UnixListener) {
    while !line.is_over() {
        let Ok((mut stream, _)) = listener.accept() else {
            // Too many open files, say: it passes.
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        if line.is_over() || !is_ours(&stream, desk.program) {
            continue;
        }
        let answer = catch_unwind(AssertUnwindSafe(|| answered(desk, &mut stream))).ok().flatten();
        if let Some(text) = answer.and_then(|printed| serde_json::to_vec(&printed).ok()) {
            let _ = stream.set_write_timeout(Some(SENT_WITHIN));
            let _ = stream.write_all(&text);
        }
        // Its client goes on meanwhile.
        drop(stream);
        let _ = catch_unwind(AssertUnwindSafe(|| {
            desk.engine.after_hook();
            desk.engine.make_ahead();
        }));
    }
}

/// Nothing where the hook would go by other settings or another place than this server, and where it has failed.
fn answered(desk: &Desk, stream: &mut UnixStream) -> Option<Printed> {
    stream.set_read_timeout(Some(SENT_WITHIN)).ok()?;
    let mut text = Vec::with_capacity(PIECE_BYTES);
    let most = u64::try_from(ASKED_BYTES_MAX).ok()?;
    stream.take(most).read_to_end(&mut text).ok()?;
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let asked: Asked = serde_json::from_slice(text.get(..end)?).ok()?;
    // What is put in place of the store, or changed by a newer program, a hook that opens it would find.
    if Identity::of(&desk.workspace.state) != Some(desk.state) || !desk.engine.is_as_opened() {
        return None;
    }
    let variables = asked.variables;
    let asking = Asking {
        client: clients::find(&asked.client)?,
        event: text.get(end + 1..)?,
        environment: Environment::of(&|name| variables.get(name).map(OsString::from)),
        here: Some(asked.here),
        binary: asked.binary,
        is_set: &|name, value| variables.get(name).is_some_and(|known| known == value),
    };
    let printed = judged(asking, &Global::default(), |place| {
        let same =
            place.workspace.root == desk.workspace.root && place.settings.same_but_for_the_caller(&desk.settings);
        if same { Ok(Arc::clone(&desk.engine)) } else { Err("another server's".to_owned()) }
    });
    printed.ok()
}
