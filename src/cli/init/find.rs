//! Which clients are on this machine, and in which version. A client is asked for `--version` with a limit; nothing else
//! is started.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::clients::setup::{ClientSettings, SETTINGS, Version};
use crate::config::settings;

use super::Ended;

const VERSION_STEPS: u32 = 250;
const VERSION_STEP: Duration = Duration::from_millis(20);
const VERSION_BYTES_MAX: u64 = 4096;

#[derive(Clone, Debug)]
pub struct Found {
    pub client: &'static ClientSettings,
    pub version: Option<Version>,
    pub here: bool,
}

impl Found {
    /// `Claude Code 2.1.329`.
    pub fn shown(&self) -> String {
        match (self.version, self.here) {
            (Some(version), _) => format!("{} {version}", self.client.title),
            (None, true) => self.client.title.to_owned(),
            (None, false) => format!("{} (not found)", self.client.title),
        }
    }
}

fn variable(name: &str) -> Option<std::ffi::OsString> {
    settings::environment_variables().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// A program on the PATH. What lies in a folder that is named relative to here could be the repository's own: left out.
fn on_path(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let path = variable("PATH")?;
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    let runs =
        |file: &PathBuf| file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    folders.map(|folder| folder.join(name)).find(runs)
}

/// Folders of the PATH that agents may write, or that are named relative to where a client runs, in front of the one
/// that this program is found in: another `phasegate` there would answer for it.
pub fn in_front_of_us(root: &Path) -> Vec<PathBuf> {
    let Some(own) = on_path("phasegate") else { return Vec::new() };
    let path = variable("PATH").unwrap_or_default();
    let before = std::env::split_paths(&path).take_while(|folder| own.parent() != Some(folder));
    let real = |folder: &PathBuf| std::fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
    before.filter(|folder| folder.is_relative() || real(folder).starts_with(root)).collect()
}

/// The clients that are here; those that were named are taken in any case.
pub fn found(named: &[&'static ClientSettings]) -> Vec<Found> {
    let home = variable("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let sign = |client: &ClientSettings| {
        home.as_deref().is_some_and(|home| client.home.iter().any(|sign| home.join(sign).exists()))
    };
    let wanted: Vec<&'static ClientSettings> = match named {
        [] => SETTINGS.iter().collect(),
        _ => SETTINGS.iter().filter(|client| named.iter().any(|named| named.name == client.name)).collect(),
    };
    let look = |client: &'static ClientSettings| {
        let program = on_path(client.program);
        let here = program.is_some() || sign(client);
        let version = program.filter(|_| client.tells_version).and_then(|program| version(&program));
        (here || !named.is_empty()).then_some(Found { client, version, here })
    };
    // Each answers in its own time, so all are asked at once.
    std::thread::scope(|scope| {
        let asked: Vec<_> = wanted.into_iter().map(|client| scope.spawn(move || look(client))).collect();
        asked.into_iter().filter_map(|one| one.join().ok().flatten()).collect()
    })
}

#[expect(clippy::disallowed_methods, reason = "the clients' programs are what is asked for their version")]
fn version(program: &Path) -> Option<Version> {
    let folder = std::env::temp_dir();
    let mut command = Command::new(program);
    command.arg("--version").current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut asked = command.spawn().ok()?;
    for _ in 0..VERSION_STEPS {
        match asked.try_wait() {
            Ok(None) => std::thread::sleep(VERSION_STEP),
            Ok(Some(_)) => {
                let mut said = Vec::new();
                let limited = asked.stdout.take()?.take(VERSION_BYTES_MAX).read_to_end(&mut said);
                return limited.ok().and_then(|_| Version::in_text(&String::from_utf8_lossy(&said)));
            }
            Err(_) => break,
        }
    }
    let _ = asked.kill();
    let _ = asked.wait();
    None
}

/// How clients are to start this program: by its name where that leads here, else by its path.
pub fn own_program() -> Result<String, Ended> {
    let unknown = || Ended::usage("this program does not know where it lies", "start it by its whole path");
    let own = std::env::current_exe().and_then(std::fs::canonicalize).map_err(|_| unknown())?;
    let known = on_path("phasegate").and_then(|found| std::fs::canonicalize(found).ok());
    if known.as_ref() == Some(&own) {
        return Ok("phasegate".to_owned());
    }
    own.to_str().map(str::to_owned).ok_or_else(unknown)
}
