//! Printing, and how a command ends. The one place that writes to standard output and error.

use std::io::{IsTerminal, Write};

use serde_json::{Value, json};

use crate::config::settings::SettingsError;
use crate::domain::refusal::{Code, Refusal};
pub use crate::domain::visible::{quoted, visible};
use crate::engine::{Failure, StoreError};

/// Every way a command ends other than well.
#[derive(Debug)]
pub enum Ended {
    Refused(Refusal),
    Usage {
        message: String,
        hint: String,
    },
    Internal {
        message: String,
        hint: String,
    },
    /// The database of the store is not reached.
    Away {
        message: String,
        hint: String,
    },
    /// The answer has been printed and is itself a no, such as `doctor` with findings.
    No,
}

impl Ended {
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: hint.into() }
    }

    pub fn internal(error: &dyn std::fmt::Display, hint: impl Into<String>) -> Self {
        Self::Internal { message: error.to_string(), hint: hint.into() }
    }

    /// Message and hint.
    pub fn said(&self) -> (String, String) {
        match self {
            Self::Refused(refusal) => (refusal.message.clone(), refusal.hint.clone()),
            Self::Usage { message, hint } | Self::Internal { message, hint } | Self::Away { message, hint } => {
                (message.clone(), hint.clone())
            }
            Self::No => (String::new(), String::new()),
        }
    }

    pub fn code(&self) -> u8 {
        match self {
            // No state of anything would make these mean something.
            Self::Refused(refusal) if matches!(refusal.code, Code::BadArguments | Code::UnknownTool) => 2,
            Self::Refused(_) | Self::No => 1,
            Self::Usage { .. } => 2,
            Self::Internal { .. } | Self::Away { .. } => 3,
        }
    }
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => Self::Refused(refusal),
            Failure::Broken(error) => error.into(),
        }
    }
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::UnknownUrl(_) | StoreError::NotABackup { .. } | StoreError::Unfit { .. } => {
                Self::usage(error.to_string(), error.hint())
            }
            _ if error.is_away() => Self::Away { message: error.to_string(), hint: error.hint().to_owned() },
            _ => Self::internal(&error, error.hint()),
        }
    }
}

impl From<SettingsError> for Ended {
    fn from(error: SettingsError) -> Self {
        Self::usage(error.to_string(), "mend that file; `phasegate schema config` shows what it takes")
    }
}

/// A terminal that says it is narrower does not know.
const COLUMNS_LEAST: usize = 20;

/// How a word is meant, for terminals that show colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
    /// Waits for the reader.
    Asking,
    /// Somebody else's words.
    Claimed,
}

pub struct Out {
    json: bool,
    colours: bool,
    /// An answer that could not be written: a full disk, say.
    lost: std::cell::Cell<Option<std::io::ErrorKind>>,
    /// The reader has closed its end.
    gone: std::cell::Cell<bool>,
}

impl Out {
    pub fn new(json: bool) -> Self {
        let colours = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        Self { json, colours, lost: std::cell::Cell::new(None), gone: std::cell::Cell::new(false) }
    }

    /// For text that is drawn by other means.
    pub fn plain() -> Self {
        Self { colours: false, ..Self::new(false) }
    }

    pub fn is_json(&self) -> bool {
        self.json
    }

    pub fn stdin_is_terminal(&self) -> bool {
        std::io::stdin().is_terminal()
    }

    /// For a person who has started what reads its input, and would see nothing happen.
    pub fn says_it_waits(&self, what: &str) {
        if self.stdin_is_terminal() {
            self.aside(&format!("phasegate: {what}"));
        }
    }

    /// A person watches, rather than a log.
    pub fn stderr_is_terminal(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    /// Columns of the terminal that the answer, or what is said beside it, goes to.
    pub fn columns(&self, aside: bool) -> Option<usize> {
        let terminal = if aside { std::io::stderr().is_terminal() } else { std::io::stdout().is_terminal() };
        let (columns, _) = terminal.then(|| ratatui::crossterm::terminal::size().ok()).flatten()?;
        Some(usize::from(columns)).filter(|columns| *columns >= COLUMNS_LEAST)
    }

    pub fn toned(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => 32,
            Tone::Bad => 31,
            Tone::Asking => 36,
            Tone::Claimed => 33,
        };
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Something that was to be printed could not be.
    pub fn was_lost(&self) -> bool {
        self.lost.get().is_some() || self.gone.get()
    }

    /// Text as it is, ended by a newline. A reader that has gone away is no fault.
    pub fn text(&self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        let end: &[u8] = if text.ends_with('\n') { b"" } else { b"\n" };
        let written =
            stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(end)).and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => self.gone.set(true),
            Err(error) => self.lost.set(Some(error.kind())),
            Ok(()) => {}
        }
    }

    /// Nobody will read what is still to come, so a long answer may end here.
    pub fn is_gone(&self) -> bool {
        self.gone.get()
    }

    /// The same, asked of the pipe itself while there is nothing to write.
    pub fn has_no_reader(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let stdout = std::io::stdout();
        let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let closed = PollFlags::ERR | PollFlags::HUP;
        let asked = poll(&mut ends, Some(&at_once)).is_ok();
        self.is_gone() || asked && ends.iter().any(|end| end.revents().intersects(closed))
    }

    /// For bytes in bulk; errors are the caller's.
    pub fn stream(&self) -> impl Write {
        std::io::stdout().lock()
    }

    /// How far a long work has come, on one line of a terminal that is written over; an empty text takes it away.
    pub fn progress(&self, text: &str) {
        let mut stderr = std::io::stderr().lock();
        if stderr.is_terminal() {
            let _ = write!(stderr, "\r\u{1b}[K{text}");
            let _ = stderr.flush();
        }
    }

    pub fn value(&self, value: &Value) {
        self.text(&value.to_string());
    }

    /// The same answer for a program or for a person.
    pub fn answer(&self, value: &Value, text: &str) {
        if self.json { self.value(value) } else { self.text(text) }
    }

    /// To the person, beside the answer.
    pub fn aside(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// True when a person at the terminal says yes.
    pub fn asks(&self, question: &str) -> Result<bool, Ended> {
        if !self.stdin_is_terminal() {
            return Err(Ended::usage(
                "this needs a person's yes, and nobody sits at this terminal",
                "say it with `--yes`",
            ));
        }
        let mut stderr = std::io::stderr().lock();
        let _ = write!(stderr, "{question} [y/N] ");
        let _ = stderr.flush();
        let mut line = String::new();
        let _ = std::io::stdin().read_line(&mut line);
        Ok(matches!(line.trim(), "y" | "Y" | "yes"))
    }

    pub fn end(&self, ended: Result<(), Ended>) -> u8 {
        let ended = match (ended, self.lost.get()) {
            (Ok(()), None) => return 0,
            (Ok(()), Some(kind)) => {
                let told = std::io::Error::from(kind);
                Ended::internal(&format!("the answer could not be written: {told}"), "make room, then ask again")
            }
            (Err(ended), _) => ended,
        };
        let (code, message, hint, details) = match &ended {
            Ended::No => return ended.code(),
            Ended::Refused(refusal) => (refusal.code.word(), &refusal.message, &refusal.hint, refusal.details.clone()),
            Ended::Usage { message, hint } => ("usage", message, hint, None),
            Ended::Internal { message, hint } => ("internal", message, hint, None),
            Ended::Away { message, hint } => ("store_unavailable", message, hint, None),
        };
        if self.json {
            self.value(&json!({ "error": { "code": code, "message": message, "hint": hint, "details": details } }));
        } else {
            let mut stderr = std::io::stderr().lock();
            let _ = writeln!(stderr, "phasegate: {}", visible(message));
            if !hint.is_empty() {
                let _ = writeln!(stderr, "  next: {}", visible(hint));
            }
        }
        ended.code()
    }
}
