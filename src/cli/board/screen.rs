//! The terminal while the board is on it: taken over, and given back however the program ends.

use std::io::{IsTerminal, Stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::super::Ended;

/// Gives the terminal back when it goes.
pub struct Screen {
    pub terminal: Terminal<CrosstermBackend<Stdout>>,
    ended: Arc<AtomicBool>,
}

impl Screen {
    /// A person can look and type.
    pub fn is_there() -> bool {
        std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
    }

    pub fn take() -> Result<Self, Ended> {
        let unusable = |error: std::io::Error| Ended::internal(&error, "`phasegate board --once` prints it instead");
        let ended = Arc::new(AtomicBool::new(false));
        on_signals(Arc::clone(&ended));
        give_back_on_panic();
        enable_raw_mode().map_err(unusable)?;
        // From here on whatever fails must undo this.
        let made = execute!(std::io::stdout(), EnterAlternateScreen, EnableBracketedPaste)
            .and_then(|()| Terminal::new(CrosstermBackend::new(std::io::stdout())));
        match made {
            Ok(terminal) => Ok(Self { terminal, ended }),
            Err(error) => {
                give_back();
                Err(unusable(error))
            }
        }
    }

    /// Somebody has asked the program to end.
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Waits so long for a key; false once the terminal is gone. Asked before crossterm reads, which goes round in circles over a
/// terminal that is not there any more.
pub fn stays(wait_ms: i64) -> std::io::Result<bool> {
    let stdin = std::io::stdin();
    let mut keys = [PollFd::new(&stdin, PollFlags::IN)];
    let wait = Timespec { tv_sec: wait_ms / 1000, tv_nsec: wait_ms % 1000 * 1_000_000 };
    match poll(&mut keys, Some(&wait)) {
        // A signal is for the loop to see.
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    Ok(keys.iter().all(|key| !key.revents().intersects(gone)))
}

/// Nothing can be done where this fails: the terminal is gone.
fn give_back() {
    let _ = disable_raw_mode();
    let _ = execute!(std::io::stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show);
}

/// Before the panic is told, so that it can be read.
fn give_back_on_panic() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        give_back();
        told(panic);
    }));
}

/// A thread of its own that waits for the signals which end programs. It listens when this returns: a signal that came
/// between would end the program with the terminal still taken.
fn on_signals(ended: Arc<AtomicBool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (listens, listening) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        runtime.block_on(async {
            let wanted =
                (signal(SignalKind::terminate()), signal(SignalKind::hangup()), signal(SignalKind::interrupt()));
            let (Ok(mut terminate), Ok(mut hangup), Ok(mut interrupt)) = wanted else { return };
            let _ = listens.send(());
            tokio::select! {
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
                _ = interrupt.recv() => {}
            }
            ended.store(true, Ordering::SeqCst);
        });
    });
    // Nothing is sent where signals cannot be heard; then they end the program as they always do.
    let _ = listening.recv();
}
