//! The board in a terminal as a state: what is chosen, what is open, and what a key does to it. It knows no store and no
//! terminal; what has to be done outside is given back as a `Step`.

use std::collections::BTreeSet;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use zeroize::Zeroizing;

use crate::domain::ids::{ApprovalId, TaskId, Time};
use crate::domain::view::{Card, CostBy};

use super::asking::Asking;
use super::model::{Answering, Asked, Look, Tab, Wanted, What};

/// What a key asks for that this state cannot do itself.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Draw and go on.
    Stay,
    Quit,
    /// Find what is answered together, and show it before it is confirmed.
    Prepare(Answering),
    Send(Answering),
    Sign {
        answer: Answering,
        name: String,
        passphrase: Zeroizing<String>,
    },
}

pub struct App {
    pub look: Look,
    pub now: Time,
    pub tab: Tab,
    /// Column and row of the chosen card.
    pub column: usize,
    pub row: usize,
    pub task: Option<TaskId>,
    pub ask: usize,
    /// Chosen to be answered in one go.
    pub chosen: BTreeSet<ApprovalId>,
    /// The approval fills the screen.
    pub reading: bool,
    pub by: Vec<CostBy>,
    pub scroll: u16,
    pub asking: Option<Asking>,
    /// Why nothing can be answered from here.
    pub only_reads: Option<String>,
    pub colours: bool,
}

impl App {
    pub fn new(look: Look, now: Time, only_reads: Option<String>, colours: bool) -> Self {
        Self {
            look,
            now,
            tab: Tab::Board,
            column: 0,
            row: 0,
            task: None,
            ask: 0,
            chosen: BTreeSet::new(),
            reading: false,
            by: vec![CostBy::Day],
            scroll: 0,
            asking: None,
            only_reads,
            colours,
        }
    }

    pub fn wanted(&self) -> Wanted {
        let approval = self.asked().map(|asked| asked.id).filter(|_| self.tab == Tab::Inbox);
        Wanted { tab: self.tab, task: self.task, approval, by: self.by.clone() }
    }

    /// A newer look; what was chosen stays chosen, wherever it stands now.
    pub fn renew(&mut self, look: Look) {
        let (card, asked) = (self.card().map(|card| card.row.id), self.asked().map(|asked| asked.id));
        self.look = look;
        if let Some(id) = card {
            let columns = self.look.board.columns.iter().enumerate();
            let found = columns.flat_map(|(column, known)| {
                known.cards.iter().enumerate().map(move |(row, card)| (column, row, card.row.id))
            });
            if let Some((column, row, _)) = found.into_iter().find(|(.., known)| *known == id) {
                (self.column, self.row) = (column, row);
            }
        }
        if let Some(id) = asked {
            let place = self.look.inbox.iter().position(|known| known.id == id);
            // One that was answered makes room for the next; what was open for reading is gone.
            self.reading &= place.is_some();
            self.ask = place.unwrap_or(self.ask);
        }
        let waiting: BTreeSet<ApprovalId> = self.look.inbox.iter().map(|known| known.id).collect();
        self.chosen.retain(|id| waiting.contains(id));
        self.within();
    }

    fn within(&mut self) {
        self.column = self.column.min(self.look.board.columns.len().saturating_sub(1));
        let cards = self.look.board.columns.get(self.column).map_or(0, |column| column.cards.len());
        self.row = self.row.min(cards.saturating_sub(1));
        self.ask = self.ask.min(self.look.inbox.len().saturating_sub(1));
    }

    pub fn card(&self) -> Option<&Card> {
        self.look.board.columns.get(self.column)?.cards.get(self.row)
    }

    pub fn asked(&self) -> Option<&Asked> {
        self.look.inbox.get(self.ask)
    }

    pub fn key(&mut self, key: KeyEvent) -> Step {
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Step::Quit;
        }
        if let Some(asking) = self.asking.take() {
            let (asking, step) = asking.key(key);
            self.asking = asking;
            return step;
        }
        match key.code {
            KeyCode::Char('q') => return Step::Quit,
            KeyCode::Char('?') => self.asking = Some(Asking::Help { scroll: 0 }),
            KeyCode::Char('1') => self.open_tab(Tab::Board),
            KeyCode::Char('2') => self.open_tab(Tab::Inbox),
            KeyCode::Char('3') => self.open_tab(Tab::Fleet),
            KeyCode::Char('4') => self.open_tab(Tab::Costs),
            KeyCode::Tab => self.open_tab(self.beside(1)),
            KeyCode::BackTab => self.open_tab(self.beside(3)),
            KeyCode::Esc | KeyCode::Backspace => self.back(),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_add(10),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(10),
            _ if self.task.is_some() => self.scroll_by(key),
            _ => return self.tab_key(key),
        }
        Step::Stay
    }

    pub fn paste(&mut self, text: &str) {
        if let Some(asking) = &mut self.asking {
            asking.paste(text);
        }
    }

    fn beside(&self, steps: usize) -> Tab {
        let at = Tab::ALL.iter().position(|tab| *tab == self.tab).unwrap_or(0);
        Tab::ALL.get((at + steps) % Tab::ALL.len()).copied().unwrap_or_default()
    }

    fn open_tab(&mut self, tab: Tab) {
        (self.tab, self.task, self.scroll, self.reading) = (tab, None, 0, false);
    }

    fn back(&mut self) {
        (self.task, self.reading, self.scroll) = (None, false, 0);
    }

    fn scroll_by(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Char('j') | KeyCode::Down => self.scroll = self.scroll.saturating_add(1),
            KeyCode::Char('k') | KeyCode::Up => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::Char('g') | KeyCode::Home => self.scroll = 0,
            KeyCode::Char('h') | KeyCode::Left => self.back(),
            _ => {}
        }
    }

    fn tab_key(&mut self, key: KeyEvent) -> Step {
        match self.tab {
            Tab::Board => self.board_key(key),
            Tab::Inbox => return self.inbox_key(key),
            Tab::Fleet => self.scroll_by(key),
            Tab::Costs => self.costs_key(key),
        }
        Step::Stay
    }

    fn board_key(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Char('h') | KeyCode::Left => self.column = self.column.saturating_sub(1),
            KeyCode::Char('l') | KeyCode::Right => self.column = self.column.saturating_add(1),
            KeyCode::Char('j') | KeyCode::Down => self.row = self.row.saturating_add(1),
            KeyCode::Char('k') | KeyCode::Up => self.row = self.row.saturating_sub(1),
            KeyCode::Char('g') | KeyCode::Home => self.row = 0,
            KeyCode::Char('G') | KeyCode::End => self.row = usize::MAX,
            KeyCode::Enter => (self.task, self.scroll) = (self.card().map(|card| card.row.id), 0),
            KeyCode::Char('i') => {
                let first = self.card().and_then(|card| card.approvals.first().copied());
                let place = self.look.inbox.iter().position(|known| Some(known.id) == first);
                if let Some(place) = place {
                    self.open_tab(Tab::Inbox);
                    self.ask = place;
                }
            }
            _ => {}
        }
        self.within();
    }

    fn inbox_key(&mut self, key: KeyEvent) -> Step {
        match key.code {
            KeyCode::Char('j') | KeyCode::Down if self.reading => self.scroll = self.scroll.saturating_add(1),
            KeyCode::Char('k') | KeyCode::Up if self.reading => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::Char('j') | KeyCode::Down => (self.ask, self.scroll) = (self.ask.saturating_add(1), 0),
            KeyCode::Char('k') | KeyCode::Up => (self.ask, self.scroll) = (self.ask.saturating_sub(1), 0),
            KeyCode::Char('g') | KeyCode::Home => (self.ask, self.scroll) = (0, 0),
            KeyCode::Char('G') | KeyCode::End => (self.ask, self.scroll) = (usize::MAX, 0),
            KeyCode::Enter | KeyCode::Char('l') | KeyCode::Right => self.reading = !self.look.inbox.is_empty(),
            KeyCode::Char('h') | KeyCode::Left => self.back(),
            KeyCode::Char('t') => {
                self.task = self.asked().and_then(|asked| asked.task);
                self.scroll = 0;
            }
            KeyCode::Char(' ') => {
                if let Some(id) = self.asked().map(|asked| asked.id)
                    && !self.chosen.remove(&id)
                {
                    self.chosen.insert(id);
                }
            }
            KeyCode::Char('a' | 'r' | 'e') => return self.answer(key.code),
            _ => {}
        }
        self.within();
        Step::Stay
    }

    /// To all that are chosen, or to the one before the eyes.
    fn answer(&mut self, key: KeyCode) -> Step {
        let Some(asked) = self.asked() else { return Step::Stay };
        if let Some(why) = &self.only_reads {
            self.asking = Some(Asking::Said(why.clone()));
            return Step::Stay;
        }
        let ids = if self.chosen.is_empty() { vec![asked.id] } else { self.chosen.iter().copied().collect() };
        match key {
            KeyCode::Char('r') => {
                self.asking = Some(Asking::reason(Answering::new(ids, What::Reject)));
                Step::Stay
            }
            KeyCode::Char('e') => {
                self.asking = Some(match &asked.arguments {
                    Some(arguments) if ids.len() == 1 => Asking::edit(asked.id, arguments),
                    _ => Asking::Said("Only a single call can be approved with other arguments.".to_owned()),
                });
                Step::Stay
            }
            _ if ids.len() == 1 && !asked.choices.is_empty() => {
                self.asking = Some(Asking::Choice { id: asked.id, choices: asked.choices.clone(), at: 0 });
                Step::Stay
            }
            _ => Step::Prepare(Answering::new(ids, What::Approve { choice: None })),
        }
    }

    fn costs_key(&mut self, key: KeyEvent) {
        let by = match key.code {
            KeyCode::Char('d') => CostBy::Day,
            KeyCode::Char('t') => CostBy::Task,
            KeyCode::Char('p') => CostBy::Phase,
            KeyCode::Char('a') => CostBy::Agent,
            KeyCode::Char('m') => CostBy::Model,
            _ => return self.scroll_by(key),
        };
        self.scroll = 0;
        if let Some(at) = self.by.iter().position(|known| *known == by) {
            self.by.remove(at);
        } else {
            self.by.push(by);
            self.by.sort_unstable();
        }
    }
}
