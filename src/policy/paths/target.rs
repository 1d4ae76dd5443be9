//! A place taken apart once, for all the patterns that are held against it: its names, its pairs of letters, and where
//! patterns start.

use std::cell::RefCell;
use std::rc::Rc;

use super::pattern::{From, Reach, names};
use super::place::{Place, normal};
use crate::policy::glob::{Needs, Pairs};
use crate::policy::judge::Around;

/// Folders as their names.
type Folders = Rc<Vec<Vec<String>>>;
/// How patterns that start alike begin.
type Start = (From, usize, Reach);

#[derive(Debug)]
pub struct Target<'p> {
    /// The names of each spelling.
    pub spellings: Vec<Vec<&'p str>>,
    pub is_folder: bool,
    pub fold: bool,
    /// Nothing where letters may stand for others, so that none is ruled out.
    pairs: Option<Pairs>,
    around: &'p Around,
    /// Links and where they lead, as names.
    pub(super) links: Vec<(Vec<&'p str>, Vec<&'p str>)>,
    starts: RefCell<Vec<(Start, Folders)>>,
}

impl<'p> Target<'p> {
    pub fn of(place: &'p Place, around: &'p Around) -> Self {
        let fold = around.case_insensitive;
        let plain = !fold || place.spellings().all(str::is_ascii);
        let pairs = plain.then(|| {
            let mut pairs = Pairs::default();
            for spelling in place.spellings() {
                pairs.add(spelling.bytes().map(|byte| byte.to_ascii_lowercase()));
            }
            pairs
        });
        let spellings = place.spellings().map(names).collect();
        let links = around.links.iter().filter(|(_, real)| !real.is_empty());
        let links = links.map(|(link, real)| (names(link), names(real))).collect();
        Self { spellings, is_folder: place.is_folder, fold, pairs, around, links, starts: RefCell::default() }
    }

    pub fn may_fit(&self, needs: &Needs) -> bool {
        self.pairs.as_ref().is_none_or(|pairs| pairs.hold(needs))
    }

    /// The folders to start from, each in every spelling that is known.
    pub(super) fn starts(&self, from: From, up: usize, reach: Reach) -> Folders {
        let known =
            self.starts.borrow().iter().find(|(of, _)| *of == (from, up, reach)).map(|(_, found)| found.clone());
        known.unwrap_or_else(|| {
            let found = Rc::new(starts(from, up, reach, self.around));
            self.starts.borrow_mut().push(((from, up, reach), Rc::clone(&found)));
            found
        })
    }
}

/// The folders that such patterns start from, each in every spelling that is known.
pub(super) fn starts(from: From, up: usize, reach: Reach, around: &Around) -> Vec<Vec<String>> {
    let given: Vec<&str> = match (from, reach) {
        (From::System, _) => vec!["/"],
        (From::Home, _) => around.home.as_deref().into_iter().collect(),
        (From::Source, _) => vec![&around.root],
        // A rule of the project still holds where the agent has gone into a folder of it.
        (From::Cwd, Reach::Wide) => vec![around.base.as_deref().unwrap_or(&around.cwd), &around.cwd, &around.root],
        (From::Cwd, Reach::Narrow) => vec![around.base.as_deref().unwrap_or(&around.cwd)],
    };
    let mut found: Vec<Vec<String>> = Vec::new();
    for anchor in given.into_iter().filter(|anchor| anchor.starts_with('/')) {
        let real = around.links.get(anchor.trim_end_matches('/')).map(String::as_str);
        for spelling in [Some(anchor), real].into_iter().flatten() {
            let spelling = normal(spelling);
            let mut folder: Vec<String> = names(&spelling).into_iter().map(str::to_owned).collect();
            folder.truncate(folder.len().saturating_sub(up));
            if !found.contains(&folder) {
                found.push(folder);
            }
        }
    }
    found
}
