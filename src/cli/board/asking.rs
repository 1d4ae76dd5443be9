//! What the board asks a person before something happens: a reason, other arguments, a yes, a passphrase; and what it says.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::domain::ids::ApprovalId;

use super::app::Step;
use super::input::Input;
use super::model::{Answering, What};

/// Lines that a key for a page goes.
const PAGE: u16 = 10;

#[derive(Clone, Debug, PartialEq)]
pub enum Asking {
    Help {
        scroll: u16,
    },
    Said(String),
    Choice {
        id: ApprovalId,
        choices: Vec<String>,
        at: usize,
    },
    Reason {
        answer: Answering,
        input: Input,
    },
    Arguments {
        id: ApprovalId,
        input: Input,
        wrong: Option<String>,
    },
    /// `text` is everything that is answered, as `approvals show` has it.
    Confirm {
        answer: Answering,
        text: String,
        scroll: u16,
        /// Its end was in view.
        read: bool,
    },
    Passphrase {
        answer: Answering,
        name: String,
        input: Input,
        wrong: Option<String>,
    },
}

impl Asking {
    pub fn reason(answer: Answering) -> Self {
        Self::Reason { answer, input: Input::line() }
    }

    pub fn edit(id: ApprovalId, arguments: &Value) -> Self {
        let text = serde_json::to_string_pretty(arguments).unwrap_or_default();
        Self::Arguments { id, input: Input::of_lines(&text), wrong: None }
    }

    pub fn passphrase(answer: Answering, name: String, wrong: Option<String>) -> Self {
        Self::Passphrase { answer, name, input: Input::line(), wrong }
    }

    pub fn paste(&mut self, text: &str) {
        match self {
            Self::Reason { input, .. } | Self::Arguments { input, .. } | Self::Passphrase { input, .. } => {
                input.paste(text);
            }
            Self::Help { .. } | Self::Said(_) | Self::Choice { .. } | Self::Confirm { .. } => {}
        }
    }

    /// What is asked afterwards, if anything, and what is to be done.
    pub fn key(self, key: KeyEvent) -> (Option<Self>, Step) {
        if key.code == KeyCode::Esc {
            return (None, Step::Stay);
        }
        match self {
            Self::Help { scroll } => (scrolled(scroll, key).map(|scroll| Self::Help { scroll }), Step::Stay),
            Self::Said(_) => (None, Step::Stay),
            Self::Choice { id, choices, at } => choice(id, choices, at, key),
            Self::Reason { answer, mut input } => {
                if key.code == KeyCode::Enter {
                    let reason = input.text().trim().to_owned();
                    return (None, Step::Prepare(Answering { reason, ..answer }));
                }
                input.key(key);
                (Some(Self::Reason { answer, input }), Step::Stay)
            }
            Self::Arguments { id, mut input, wrong } => {
                let done = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('s');
                if !done {
                    input.key(key);
                    return (Some(Self::Arguments { id, input, wrong }), Step::Stay);
                }
                match serde_json::from_str(&input.text()) {
                    Ok(arguments) => (None, Step::Prepare(Answering::new(vec![id], What::Adjust { arguments }))),
                    Err(error) => {
                        let wrong = Some(format!("this is not JSON: {error}"));
                        (Some(Self::Arguments { id, input, wrong }), Step::Stay)
                    }
                }
            }
            Self::Confirm { answer, text, scroll, read } => confirm(answer, text, scroll, read, key),
            Self::Passphrase { answer, name, mut input, wrong } => {
                if key.code == KeyCode::Enter {
                    let passphrase = Zeroizing::new(input.text());
                    return (None, Step::Sign { answer, name, passphrase });
                }
                input.key(key);
                (Some(Self::Passphrase { answer, name, input, wrong }), Step::Stay)
            }
        }
    }
}

fn choice(id: ApprovalId, choices: Vec<String>, at: usize, key: KeyEvent) -> (Option<Asking>, Step) {
    let last = choices.len().saturating_sub(1);
    let at = match key.code {
        KeyCode::Char('j') | KeyCode::Down => (at + 1).min(last),
        KeyCode::Char('k') | KeyCode::Up => at.saturating_sub(1),
        KeyCode::Enter => {
            let what = What::Approve { choice: choices.get(at).cloned() };
            return (None, Step::Prepare(Answering::new(vec![id], what)));
        }
        _ => at,
    };
    (Some(Asking::Choice { id, choices, at }), Step::Stay)
}

/// Only a `y` is a yes, once the end was in view; before, it goes on a page. A key that was meant for something else does
/// nothing.
fn confirm(answer: Answering, text: String, scroll: u16, read: bool, key: KeyEvent) -> (Option<Asking>, Step) {
    let scroll = match key.code {
        KeyCode::Char('y') if read || answer.what == What::Reject => return (None, Step::Send(answer)),
        KeyCode::Char('y') => scroll.saturating_add(PAGE),
        KeyCode::Char('n') => return (None, Step::Stay),
        KeyCode::Char('r') => return (Some(Asking::reason(answer)), Step::Stay),
        _ => scrolled(scroll, key).unwrap_or(scroll),
    };
    (Some(Asking::Confirm { answer, text, scroll, read }), Step::Stay)
}

/// Nothing for a key that does not scroll.
fn scrolled(scroll: u16, key: KeyEvent) -> Option<u16> {
    Some(match key.code {
        KeyCode::Char('j') | KeyCode::Down => scroll.saturating_add(1),
        KeyCode::Char('k') | KeyCode::Up => scroll.saturating_sub(1),
        KeyCode::PageDown | KeyCode::Char(' ') => scroll.saturating_add(PAGE),
        KeyCode::PageUp => scroll.saturating_sub(PAGE),
        _ => return None,
    })
}
