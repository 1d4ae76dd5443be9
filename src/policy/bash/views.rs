//! Everything that a command would run, as far as it can be seen: itself, and what stands inside wrappers, shell texts and
//! options. One bounded walk; nothing here decides.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use super::super::shell;
use super::super::shell::script::{Folders, Input, Redirection, Script, Simple, Word};
use super::moves::moved;
use super::wrappers::{Inner, READS_TEXT, look_inside};

/// Commands within commands.
const MAX_DEPTH: usize = 8;
/// Texts within texts, all their bytes together.
const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Commands within others that are looked at in one call; those of the text itself are all looked at.
const MAX_INNER_VIEWS: usize = 4_000;
/// Words of all of them together; each is held against every rule.
const MAX_INNER_WORDS: usize = 20_000;

/// A command: some words of a list, from one on.
#[derive(Clone, Debug)]
pub struct View {
    list: Rc<Vec<Word>>,
    start: usize,
    pub folders: Folders,
    pub input: Input,
    /// What an allow rule may be matched with: the command itself, or behind transparent wrappers only.
    pub open: bool,
    /// It is known to run, not only taken as a possible start.
    pub sure: bool,
}

impl View {
    pub fn words(&self) -> &[Word] {
        self.list.get(self.start..).unwrap_or_default()
    }

    /// All words of its list, where it begins within them.
    pub fn list_of_an_end(&self) -> Option<&[Word]> {
        (self.start > 0).then_some(self.list.as_slice())
    }

    /// Where `GIT` and `git.exe` are git.
    fn folded(self) -> Self {
        let Some(first) = self.words().first() else { return self };
        let lower = first.text.to_lowercase();
        let name = lower.strip_suffix(".exe").unwrap_or(&lower);
        if name == first.text {
            return self;
        }
        let mut words = self.words().to_vec();
        words.iter_mut().take(1).for_each(|word| word.text = name.to_owned());
        Self { list: Rc::new(words), start: 0, ..self }
    }

    fn of(words: Vec<Word>, folders: Folders, input: Input, open: bool) -> Self {
        Self { list: Rc::new(words), start: 0, folders, input, open, sure: true }
    }
}

/// One simple command of the text and what stands inside it.
#[derive(Debug)]
pub struct Seen<'a> {
    pub simple: &'a Simple,
    /// The first is the command itself.
    pub views: Vec<View>,
    /// Redirections of the texts inside.
    pub redirections: Vec<(Redirection, Folders)>,
    /// Why part of it cannot be seen.
    pub closed: Option<String>,
}

/// What is left of the bounds for one call.
#[derive(Debug)]
pub struct Walk {
    bytes: usize,
    views: usize,
    words: usize,
    folds_case: bool,
}

impl Walk {
    pub fn new(folds_case: bool) -> Self {
        Self { bytes: MAX_TEXT_BYTES, views: MAX_INNER_VIEWS, words: MAX_INNER_WORDS, folds_case }
    }

    pub fn see<'a>(&mut self, simple: &'a Simple) -> Seen<'a> {
        let mut seen = Seen { simple, views: Vec::new(), redirections: Vec::new(), closed: None };
        if simple.words.is_empty() {
            return seen;
        }
        let own = View::of(simple.words.clone(), simple.folders.clone(), simple.input, true);
        let mut waiting = VecDeque::from([(own, 0)]);
        let mut known = BTreeSet::new();
        while let Some((view, depth)) = waiting.pop_front() {
            if !known.insert((Rc::as_ptr(&view.list) as usize, view.start)) {
                continue;
            }
            let view = if self.folds_case { view.folded() } else { view };
            let view = View { folders: after(&view.folders, moved(view.words())), ..view };
            let found = look_inside(view.words(), view.input);
            let reads = |inner: &Inner| matches!(inner, Inner::Closed(why) if *why == READS_TEXT);
            let text = simple.text.clone().filter(|_| found.inner.iter().any(reads)).map(Inner::Text);
            for inner in found.inner.into_iter().chain(text) {
                if depth == MAX_DEPTH || self.views == 0 || self.words == 0 {
                    close(&mut seen, "it holds more commands within commands than are looked through");
                    break;
                }
                self.views -= 1;
                let open = view.open && found.transparent;
                match inner {
                    Inner::From(at) | Inner::Perhaps(at) => {
                        let start = view.start + at;
                        self.words = self.words.saturating_sub(view.list.len().saturating_sub(start));
                        if matches!(inner, Inner::From(_))
                            && view.list.get(start).is_some_and(|word| !word.expands.nothing())
                        {
                            close(&mut seen, "the program that it starts is not known before it runs");
                        }
                        let sure = view.sure && matches!(inner, Inner::From(_));
                        waiting.push_back((View { start, open, sure, ..view.clone() }, depth + 1));
                    }
                    Inner::Filled { words, .. } | Inner::Words(words) => {
                        if words.first().is_some_and(|word| !word.expands.nothing()) {
                            close(&mut seen, "the program that it starts is not known before it runs");
                        }
                        if self.pay(words.iter().map(|word| word.text.len() + 1).sum(), &mut seen) {
                            let own = View::of(words, view.folders.clone(), view.input, open);
                            waiting.push_back((View { sure: view.sure, ..own }, depth + 1));
                        }
                    }
                    Inner::Closed(why) => close(&mut seen, why),
                    Inner::Text(text) => {
                        if self.pay(text.len(), &mut seen) {
                            self.words = self.words.saturating_sub(text.len() / 8);
                            text_inside(&text, &view, depth + 1, &mut waiting, &mut seen);
                        }
                    }
                    Inner::PerhapsText(text) => {
                        if self.pay(text.len(), &mut seen) {
                            self.words = self.words.saturating_sub(text.len() / 8);
                            waiting.extend(perhaps_inside(&text, &view).map(|inner| (inner, depth + 1)));
                        }
                    }
                }
            }
            seen.views.push(view);
        }
        seen
    }

    fn pay(&mut self, bytes: usize, seen: &mut Seen<'_>) -> bool {
        let Some(left) = self.bytes.checked_sub(bytes) else {
            close(seen, "the texts within it are too long to look through");
            return false;
        };
        self.bytes = left;
        true
    }
}

fn close(seen: &mut Seen<'_>, why: &str) {
    seen.closed.get_or_insert_with(|| why.to_owned());
}

fn text_inside(text: &str, around: &View, depth: usize, waiting: &mut VecDeque<(View, usize)>, seen: &mut Seen<'_>) {
    let Script { commands, opaque, .. } = shell::read(text);
    if let Some(why) = opaque {
        seen.closed.get_or_insert(why);
    }
    for command in commands {
        let folders = after(&around.folders, command.folders);
        for redirection in command.redirections {
            seen.redirections.push((redirection, folders.clone()));
        }
        let input = if command.input == Input::Inherited { around.input } else { command.input };
        if !command.words.is_empty() {
            waiting.push_back((View::of(command.words, folders, input, false), depth));
        }
    }
}

/// The commands of what may be a text. That it cannot be read, or holds a `>`, says only that it is none.
fn perhaps_inside(text: &str, around: &View) -> impl Iterator<Item = View> {
    let commands = shell::read(text).commands.into_iter().filter(|command| !command.words.is_empty());
    let folders = around.folders.clone();
    commands.map(move |command| {
        let own = View::of(command.words, after(&folders, command.folders), command.input, false);
        View { sure: false, ..own }
    })
}

/// The folders of a text inside a command, from where the outer text starts.
fn after(outer: &Folders, inner: Folders) -> Folders {
    match (outer, inner) {
        (Folders::Known(outer), Folders::Known(inner)) if outer.len() * inner.len() <= 8 => Folders::Known(
            outer
                .iter()
                .flat_map(|start| inner.iter().map(|then| [start.as_slice(), then.as_slice()].concat()))
                .collect(),
        ),
        (_, _) => Folders::Unknown,
    }
}
