//! A notification on this desktop, by the system's own program: `notify-send`, or `osascript` on macOS. The text travels as
//! arguments; there is no shell and no script made of it.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::domain::notice::What;
use crate::domain::visible::ends;

use super::message::{Message, cut};
use super::{Channel, NotSent};

const TEXT_CHARACTERS: usize = 600;
const ON_YES_CHARACTERS: usize = 240;
const STEP: Duration = Duration::from_millis(20);
/// Ten seconds.
const STEPS: u32 = 500;

pub struct Desktop {
    name: String,
    program: Option<PathBuf>,
}

impl Desktop {
    pub fn new(name: String, program: Option<PathBuf>) -> Self {
        Self { name, program }
    }
}

impl Channel for Desktop {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&self, message: &Message) -> Result<Option<String>, NotSent> {
        let (default, arguments) = if cfg!(target_os = "macos") { osascript(message) } else { notify_send(message) };
        let program = self.program.clone().unwrap_or_else(|| PathBuf::from(default));
        run(&program, &arguments)?;
        Ok(None)
    }
}

/// What runs on a yes is shortened by itself, so that its end is there too.
fn text(message: &Message) -> String {
    let mut message = message.clone();
    for item in &mut message.items {
        item.on_yes = ends(&item.on_yes, ON_YES_CHARACTERS);
    }
    cut(&message.text(), TEXT_CHARACTERS)
}

fn notify_send(message: &Message) -> (&'static str, Vec<String>) {
    let urgency = match message.what {
        What::Asked | What::Outcome | What::Warning => "normal",
        What::Reminder => "critical",
    };
    // Notification servers read the body as markup.
    let body = text(message).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let arguments = ["--app-name=phasegate", &format!("--urgency={urgency}"), "--", &message.title(), &body];
    ("notify-send", arguments.map(str::to_owned).to_vec())
}

fn osascript(message: &Message) -> (&'static str, Vec<String>) {
    let (title, body) = (message.title(), text(message));
    let arguments = [
        "-e",
        "on run argv",
        "-e",
        "display notification (item 2 of argv) with title (item 1 of argv)",
        "-e",
        "end run",
        "--",
        &title,
        &body,
    ];
    ("osascript", arguments.map(str::to_owned).to_vec())
}

#[expect(clippy::disallowed_methods, reason = "the desktop is reached by the system's program")]
fn run(program: &std::path::Path, arguments: &[String]) -> Result<(), NotSent> {
    let shown = program.display();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| {
        let next = match error.kind() {
            std::io::ErrorKind::NotFound => "; install it (libnotify on Linux), or name another with `program`",
            _ => "",
        };
        NotSent::new(format!("{shown} could not be started: {error}{next}"))
    })?;
    for _ in 0..STEPS {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => {
                let mut said = String::new();
                if let Some(stderr) = child.stderr.take() {
                    let _ = stderr.take(1024).read_to_string(&mut said);
                }
                return Err(NotSent::new(format!("{shown} ended with {status}: {}", said.trim())));
            }
            Ok(None) => std::thread::sleep(STEP),
            Err(error) => return Err(NotSent::new(format!("{shown}: {error}"))),
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(NotSent::new(format!("{shown} did not end within 10 s; is there a desktop session?")))
}

#[cfg(test)]
mod tests {
    use super::super::message::Item;
    use super::super::message::tests::{item, message};
    use super::*;

    #[test]
    fn text_is_an_argument_of_its_own_and_no_option_or_markup() {
        let ask = "--hint=x <b>now</b>".to_owned();
        let message = Message { items: vec![Item { ask, ..item() }], ..message() };
        let (_, arguments) = notify_send(&message);
        let end = arguments.iter().position(|argument| argument == "--").unwrap();
        assert_eq!(arguments.len() - end, 3, "{arguments:?}");
        assert!(arguments[end + 2].contains("&lt;b&gt;"), "{arguments:?}");
        let (_, arguments) = osascript(&message);
        assert!(!arguments[..6].iter().any(|argument| argument.contains("hint")), "{arguments:?}");
    }
}
