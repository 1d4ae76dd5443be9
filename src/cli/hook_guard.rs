//! What guards the session that a hook speaks for: reads the settings files that count for it, and no program.

use std::path::{Path, PathBuf};

use crate::clients::setup::session::{Around, Files, Standing, standing};
use crate::clients::setup::{self, Guard, Version};
use crate::clients::{Client, claude_code};
use crate::config::settings::ClientEnvironment;
use crate::domain::session;
use crate::engine::hook::TheirRules;

const SETTINGS_BYTES_MAX: u64 = 1 << 20;

/// The settings files of Claude Code, each read once.
pub struct Settings {
    files: Files,
}

pub struct Found {
    pub guard: session::Guard,
    pub why: String,
    pub lost: bool,
}

impl Settings {
    /// Those of the client, or none where another one's hook was started.
    pub fn of(client: &Client, project: &Path, home: Option<&Path>, config: Option<&Path>) -> Self {
        if client.name != claude_code::CLIENT.name {
            return Self { files: Files::default() };
        }
        let [own, local, user, machine] = claude_code::permissions::files(project, home, config);
        Self { files: Files { project: text(own), local: text(local), user: text(user), machine: text(machine) } }
    }

    /// What cannot be read restricts nothing here; the client reads it itself, and says so.
    pub fn their_rules(&self) -> TheirRules {
        let mut rules = TheirRules::default();
        let Files { project, local, user, machine } = &self.files;
        for text in [project, local, user, machine].into_iter().flatten() {
            let (deny, ask) = claude_code::permissions::rules(text.as_bytes());
            rules.deny.extend(deny);
            rules.ask.extend(ask);
        }
        rules
    }

    /// Commands run in the client's own sandbox, if any of the files asks for it.
    pub fn has_sandbox(&self) -> bool {
        let Files { project, local, user, machine } = &self.files;
        let texts = [project, local, user, machine].into_iter().flatten();
        let read = |text: &String| serde_json::from_str::<serde_json::Value>(text).ok();
        texts.filter_map(read).any(|settings| settings.pointer("/sandbox/enabled") == Some(&true.into()))
    }

    /// `is_set`: whether a variable of the hook has this value.
    pub fn guard(
        &self,
        client: &Client,
        environment: &ClientEnvironment,
        binary: &Path,
        is_set: &dyn Fn(&str, &str) -> bool,
    ) -> Found {
        let Some(known) = setup::client(client.name) else {
            return Found { guard: session::Guard::Advisory, why: String::new(), lost: false };
        };
        let version = version(environment);
        if client.name != claude_code::CLIENT.name {
            return found(Standing { guard: (known.guard)(version), lost: false });
        }
        let around = Around {
            version,
            plugin: environment.plugin.is_some(),
            is_own: &|program| is_own(program, binary),
            is_set,
        };
        found(standing(known, &self.files, &around))
    }
}

/// `claude-code_2-1-329_harness` names the version of the client that has started the hook.
fn version(environment: &ClientEnvironment) -> Option<Version> {
    let rest = environment.program.as_deref()?.strip_prefix("claude-code")?;
    Version::in_text(&rest.replace('-', "."))
}

/// The name alone is found on the PATH, which the client has too.
fn is_own(program: &str, binary: &Path) -> bool {
    program == setup::merge::SERVER || std::fs::canonicalize(program).is_ok_and(|program| program == binary)
}

fn found(standing: Standing) -> Found {
    let guard = match standing.guard {
        Guard::Enforced { .. } => session::Guard::Enforced,
        Guard::Advisory { .. } => session::Guard::Advisory,
        Guard::Blind { .. } => session::Guard::Blind,
    };
    Found { guard, why: standing.guard.why().to_owned(), lost: standing.lost }
}

/// As the client reads it, which takes what is no UTF-8 and a mark of byte order too. What is too long is no text that
/// could be read.
fn text(file: Option<PathBuf>) -> Option<String> {
    let file = file?;
    let found = std::fs::metadata(&file).ok()?;
    if !found.is_file() {
        return None;
    }
    if found.len() > SETTINGS_BYTES_MAX {
        return Some("too long".to_owned());
    }
    let bytes = std::fs::read(file).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}
