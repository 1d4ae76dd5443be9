//! What each client's settings files must hold for phasegate to guard it, and how sure that guard is. Everything here is
//! text in, text out; finding clients, reading and writing files is the command line's.

pub mod json_text;
pub mod merge;
pub mod session;
mod shape;
pub mod toml_text;

use std::fmt;

use json_text::Dialect;
use merge::Want;

use super::{claude_code, codex, cursor, gemini, opencode, vscode};

/// Why a file cannot be changed, with the place in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// The first thing in a text that looks like a version, as programs print it.
    pub fn in_text(text: &str) -> Option<Self> {
        text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| {
            let mut numbers = word.split('.').map(str::parse::<u32>);
            let mut next = || numbers.next().and_then(Result::ok);
            Some(Self(next()?, next()?, next()?))
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// What holds an agent of this client to its phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// No call of the client's own tools runs that phasegate has not let through.
    Enforced { why: String },
    /// Calls are judged, and there are ways around it.
    Advisory { why: String },
    /// The client's own tools are not seen at all.
    Blind { why: String },
}

impl Guard {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Enforced { .. } => "enforced",
            Self::Advisory { .. } => "advisory",
            Self::Blind { .. } => "blind",
        }
    }

    pub fn why(&self) -> &str {
        match self {
            Self::Enforced { why } | Self::Advisory { why } | Self::Blind { why } => why,
        }
    }
}

/// How clients are to start phasegate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// `phasegate` where that is found on the PATH, else the whole path.
    pub program: String,
    /// Of the client, where it is known.
    pub version: Option<Version>,
}

impl Setup {
    /// The program as a word of a shell.
    pub fn shell_word(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
        if self.program.chars().all(plain) {
            return self.program.clone();
        }
        format!("'{}'", self.program.replace('\'', "'\\''"))
    }
}

/// One file of a client, below the project's root.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The first that exists is the one; else the first.
    pub files: &'static [&'static str],
    pub form: Form,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    Json {
        dialect: Dialect,
        wants: Vec<Want>,
    },
    Toml {
        program: String,
    },
    /// A file that is ours from the first byte to the last; it begins with the mark.
    Whole {
        mark: &'static str,
        text: String,
    },
}

impl Form {
    /// The text with what is wanted in it; the same text where all stands there already.
    pub fn merged(&self, old: Option<&str>) -> Result<String, Fault> {
        match self {
            Self::Json { dialect, wants } => merge::merged(old, *dialect, wants),
            Self::Toml { program } => toml_text::merged(old, program),
            Self::Whole { mark, text } => match old {
                Some(old) if !old.starts_with(mark) => {
                    Err(Fault("a file of that name is there and is not phasegate's".to_owned()))
                }
                _ => Ok(text.clone()),
            },
        }
    }

    /// The text without anything of ours; nothing where that is all there was.
    pub fn without(&self, text: &str) -> Result<Option<String>, Fault> {
        match self {
            Self::Json { dialect, wants } => merge::without(text, *dialect, wants),
            Self::Toml { .. } => toml_text::without(text),
            Self::Whole { mark, .. } => Ok((!text.starts_with(mark)).then(|| text.to_owned())),
        }
    }

    /// What is wanted and missing, in words; `any_program`: phasegate may be started from another path.
    pub fn lacks(&self, text: Option<&str>, any_program: bool) -> Result<Vec<String>, Fault> {
        match self {
            Self::Json { dialect, wants } => merge::lacks(text, *dialect, wants, any_program),
            Self::Toml { program } => toml_text::lacks(text, program, any_program),
            Self::Whole { text: wanted, .. } => Ok(match text {
                Some(text) if text == wanted || any_program && same_but_program(text, wanted) => Vec::new(),
                Some(_) => vec!["the file as it should be".to_owned()],
                None => vec!["the file".to_owned()],
            }),
        }
    }

    /// What it adds, as a person counts it.
    pub fn adds(&self) -> String {
        let Self::Json { wants, .. } = self else {
            return match self {
                Self::Toml { .. } => "+1 server".to_owned(),
                Self::Whole { .. } | Self::Json { .. } => "new".to_owned(),
            };
        };
        let hooks = wants.iter().filter(|want| matches!(want, Want::Hook { .. })).count();
        let servers = wants.iter().filter(|want| matches!(want, Want::Server { .. })).count();
        let several = |count: usize, word: &str| format!("+{count} {word}{}", if count == 1 { "" } else { "s" });
        let parts = [(servers, "server"), (hooks, "hook")].into_iter().filter(|(count, _)| *count > 0);
        parts.map(|(count, word)| several(count, word)).collect::<Vec<_>>().join(", ")
    }
}

/// The line that names the program may differ.
fn same_but_program(text: &str, wanted: &str) -> bool {
    let lines = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with("const PROGRAM = ")).map(str::to_owned).collect()
    };
    lines(text) == lines(wanted)
}

/// A client that `init` can set up.
#[derive(Clone, Copy, Debug)]
pub struct ClientSettings {
    pub name: &'static str,
    pub title: &'static str,
    /// Its program, and whether asking it for `--version` is quick and opens no window.
    pub program: &'static str,
    pub tells_version: bool,
    /// Signs of it in the home folder, for a client without a program on the PATH.
    pub home: &'static [&'static str],
    pub wanted: fn(&Setup) -> Vec<Wanted>,
    /// What its guard is worth once everything wanted stands there.
    pub guard: fn(Option<Version>) -> Guard,
    /// Files and the key in each that, set to true, turns every hook off.
    pub off_switches: &'static [(&'static str, &'static str)],
}

pub const SETTINGS: [ClientSettings; 6] = [
    claude_code::settings::CLIENT,
    codex::settings::CLIENT,
    gemini::settings::CLIENT,
    opencode::settings::CLIENT,
    cursor::settings::CLIENT,
    vscode::settings::CLIENT,
];

pub fn client(name: &str) -> Option<&'static ClientSettings> {
    SETTINGS.iter().find(|client| client.name == name)
}

/// What guards a session of `client` in this project now, as its files say; `read` gives the text of a file below the
/// project's root. Files of the user and of the machine are not looked at.
pub fn guard_state(client: &ClientSettings, version: Option<Version>, read: &dyn Fn(&str) -> Option<String>) -> Guard {
    let setup = Setup { program: merge::SERVER.to_owned(), version };
    let best = (client.guard)(version);
    if matches!(best, Guard::Blind { .. }) {
        return best;
    }
    if let Some((file, key)) = switched_off(client, read) {
        return Guard::Blind { why: format!("`{key}` in {file} turns every hook off") };
    }
    for wanted in (client.wanted)(&setup) {
        let text = wanted.files.iter().find_map(|file| read(file));
        let file = wanted.files.first().copied().unwrap_or_default();
        match wanted.form.lacks(text.as_deref(), true) {
            Err(fault) => return Guard::Blind { why: format!("{file} cannot be read: {fault}") },
            Ok(missing) => {
                if let Some(first) = missing.iter().find(|missing| missing.contains("hook") || missing.contains("file"))
                {
                    return Guard::Blind { why: format!("{file} lacks {first}") };
                }
            }
        }
    }
    best
}

/// The file and the key by which a person has turned all hooks off.
pub fn switched_off(
    client: &ClientSettings,
    read: &dyn Fn(&str) -> Option<String>,
) -> Option<(&'static str, &'static str)> {
    client.off_switches.iter().copied().find(|(file, key)| {
        let text = read(file).unwrap_or_default();
        let doc = json_text::read(&text, Dialect::Comments).ok();
        doc.and_then(|doc| doc.value(&[json_text::Step::Key(key)])) == Some(serde_json::Value::Bool(true))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_programs_print() {
        let table = [
            ("2.1.329 (Claude Code)", Some(Version(2, 1, 329))),
            ("codex-cli 0.169.0\n", Some(Version(0, 169, 0))),
            ("v1.18.33", Some(Version(1, 18, 33))),
            ("1.2", None),
            ("no version", None),
            ("99999999999.1.1", None),
        ];
        for (text, wanted) in table {
            assert_eq!(Version::in_text(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_program_with_blanks_is_one_word_of_a_shell() {
        let setup = |program: &str| Setup { program: program.to_owned(), version: None }.shell_word();
        assert_eq!(setup("/usr/bin/phasegate"), "/usr/bin/phasegate");
        assert_eq!(setup("/o'b c/phasegate"), "'/o'\\''b c/phasegate'");
    }
}
