//! `phasegate board`: on a terminal the board and the inbox, live; elsewhere the board as text or JSON, once. It decides
//! nothing: an answer goes the way that `phasegate approvals` goes.

pub mod app;
mod asking;
pub mod draw;
mod input;
mod look;
pub mod model;
mod screen;

use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyEventKind};
use serde_json::json;
use zeroize::Zeroizing;

use crate::domain::approval::Approval;
use crate::domain::command::Decision;
use crate::domain::ids::Time;
use crate::engine::Engine;

use super::approvals::{all_of, answered, needs_key, shown, told};
use super::output::visible;
use super::signing::{SignArgs, Signer};
use super::{Ended, Out, Place};
use app::{App, Step};
use asking::Asking;
use model::{Answering, Look, Wanted, What};
use screen::Screen;

/// How long a change may stay unseen.
const LOOK_MS: i64 = 200;
/// Leases and costs change without a record.
const RELOAD_MS: i64 = 2000;
const SECOND_MS: i64 = 1000;

#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Print it and end, though this is a terminal.
    #[arg(long)]
    once: bool,
    /// Sign answers with the key of this approver; default: the only one on this machine, where a signature is needed.
    #[arg(long = "as", value_name = "NAME")]
    sign_as: Option<String>,
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    if out.is_json() {
        out.value(&json!(engine.board()?));
        return Ok(());
    }
    if args.once || !Screen::is_there() {
        out.text(&visible(&engine.board_text()?));
        return Ok(());
    }
    let board = Live { engine: &engine, place, signing: SignArgs::named(args.sign_as.clone()) };
    board.run()
}

/// A first look, as it stands before any key is pressed.
pub fn begin(engine: &Engine, only_reads: Option<String>, colours: bool) -> Result<App, Ended> {
    Ok(App::new(Look::of(engine, &Wanted::default())?, engine.now(), only_reads, colours))
}

/// What the open page shows, loaded anew; true when that changed anything.
pub fn renew(app: &mut App, engine: &Engine) -> Result<bool, Ended> {
    let mut look = Look::of(engine, &app.wanted())?;
    app.now = engine.now();
    // The time of a look alone is no change.
    let at = std::mem::replace(&mut look.board.at, app.look.board.at);
    if let (Some(new), Some(old)) = (&mut look.fleet, &app.look.fleet) {
        new.at = old.at;
    }
    let changed = look != app.look;
    look.board.at = at;
    app.renew(look);
    Ok(changed)
}

struct Live<'a> {
    engine: &'a Engine,
    place: &'a Place,
    signing: SignArgs,
}

impl Live<'_> {
    fn run(&self) -> Result<(), Ended> {
        let only_reads = (self.place.level() == 0).then(|| {
            "This shell was started by a coding agent, so an answer from here would prove nothing. Answer in a terminal of \
             your own."
                .to_owned()
        });
        let mut app = begin(self.engine, only_reads, !self.place.plain)?;
        let mut screen = Screen::take()?;
        let (mut dirty, mut loaded, mut drawn) = (true, app.now, Time(0));
        let mut wanted = app.wanted();
        while !screen.is_ended() {
            app.now = self.engine.now();
            if dirty || app.now.0 - drawn.0 >= SECOND_MS {
                let broken = |error: std::io::Error| Ended::internal(&error, "`phasegate board --once` prints it");
                screen.terminal.draw(|frame| draw::draw(frame, &mut app)).map_err(broken)?;
                (dirty, drawn) = (false, app.now);
            }
            match self.next(&mut app)? {
                Some(Step::Quit) => break,
                Some(step) => {
                    self.take(&mut app, step);
                    dirty = true;
                }
                None => {}
            }
            let stale = app.now.0 - loaded.0 >= RELOAD_MS || self.engine.newest()? != app.look.board.seq;
            if stale || wanted != app.wanted() {
                dirty |= renew(&mut app, self.engine)? || wanted != app.wanted();
                (loaded, wanted) = (app.now, app.wanted());
            }
        }
        Ok(())
    }

    /// The next key, if one comes in time.
    fn next(&self, app: &mut App) -> Result<Option<Step>, Ended> {
        let broken = |error: std::io::Error| Ended::internal(&error, "`phasegate board --once` prints the board");
        if !screen::stays(LOOK_MS).map_err(broken)? {
            return Ok(Some(Step::Quit));
        }
        if !event::poll(Duration::ZERO).map_err(broken)? {
            return Ok(None);
        }
        Ok(match event::read().map_err(broken)? {
            Event::Key(key) if key.kind != KeyEventKind::Release => Some(app.key(key)),
            Event::Paste(text) => {
                app.paste(&text);
                Some(Step::Stay)
            }
            Event::Resize(..) => Some(Step::Stay),
            _ => None,
        })
    }

    /// Does what the state cannot; what goes wrong is told on the board.
    fn take(&self, app: &mut App, step: Step) {
        let done = match step {
            Step::Stay | Step::Quit => return,
            Step::Prepare(answer) => prepare(self.engine, answer),
            Step::Send(answer) => self.send(app, answer),
            Step::Sign { answer, name, passphrase } => self.sign(app, answer, name, passphrase),
        };
        app.asking = done.unwrap_or_else(|error| Some(said(&error)));
    }

    fn send(&self, app: &mut App, answer: Answering) -> Result<Option<Asking>, Ended> {
        let approvals = all_of(self.engine, &answer.ids)?;
        let needed = needs_key(self.engine, &approvals)?;
        match self.signing.key_of(self.place, self.engine, needed)? {
            Some(name) => Ok(Some(Asking::passphrase(answer, name, None))),
            None => self.answer(app, &answer, &approvals, &Signer::without_key(self.place)),
        }
    }

    fn sign(
        &self,
        app: &mut App,
        answer: Answering,
        name: String,
        passphrase: Zeroizing<String>,
    ) -> Result<Option<Asking>, Ended> {
        match Signer::open(self.place, &name, &passphrase) {
            Ok(signer) => {
                let approvals = all_of(self.engine, &answer.ids)?;
                self.answer(app, &answer, &approvals, &signer)
            }
            Err(error) => Ok(Some(Asking::passphrase(answer, name, Some(error.said().0)))),
        }
    }

    fn answer(
        &self,
        app: &mut App,
        answer: &Answering,
        approvals: &[Approval],
        signer: &Signer,
    ) -> Result<Option<Asking>, Ended> {
        // What is asked together by now must be what was shown.
        if approvals.iter().any(|approval| !answer.ids.contains(&approval.id)) {
            return prepare(self.engine, answer.clone());
        }
        let after = answered(self.engine, approvals, decision(answer), signer)?;
        app.chosen.clear();
        (app.reading, app.scroll) = (false, 0);
        let lines: Vec<String> = after.iter().map(told).collect();
        Ok(Some(Asking::Said(lines.join("\n"))))
    }
}

/// Everything that would be answered, whole, before the yes.
pub fn prepare(engine: &Engine, answer: Answering) -> Result<Option<Asking>, Ended> {
    let approvals = all_of(engine, &answer.ids)?;
    let mut text = String::new();
    for approval in &approvals {
        if let What::Adjust { arguments } = &answer.what {
            text.push_str(shown::changes(approval, arguments).trim_start_matches('\n'));
            text.push('\n');
        }
        text.push_str(&look::text(engine, approval.id)?);
        text.push('\n');
    }
    let answer = Answering { ids: approvals.iter().map(|approval| approval.id).collect(), ..answer };
    Ok(Some(Asking::Confirm { answer, text, scroll: 0, read: false }))
}

fn decision(answer: &Answering) -> Decision {
    let reason = answer.reason.clone();
    match &answer.what {
        What::Approve { choice } => Decision::Approve { reason, choice: choice.clone() },
        What::Reject => Decision::Reject { reason },
        What::Adjust { arguments } => Decision::Adjust { reason, arguments: arguments.clone() },
    }
}

fn said(error: &Ended) -> Asking {
    let (message, hint) = error.said();
    let next = if hint.is_empty() { String::new() } else { format!("\nnext: {hint}") };
    Asking::Said(visible(&format!("{message}{next}")))
}
