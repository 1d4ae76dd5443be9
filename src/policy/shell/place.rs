//! What is known at one point of a text: the folders that the `cd` commands before it leave possible, told as they are
//! written, and the variables that surely have their value from the text by then. No path is resolved.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::script::Folders;

const FOLDERS_MAX: usize = 8;
/// Words over all folders; more of them would only make each command's copy large.
const WORDS_MAX: usize = 24;
/// Variables that are kept in mind; of further ones nothing is sure.
const GIVEN_MAX: usize = 64;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    at: At,
    given: Rc<BTreeSet<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    Unknown,
    /// None of them: this point is never reached. Shared, since each command passes it on several times.
    OneOf(Rc<Vec<Vec<String>>>),
}

impl Default for At {
    fn default() -> Self {
        Self::OneOf(Rc::new(vec![Vec::new()]))
    }
}

impl Place {
    pub(super) fn nowhere() -> Self {
        Self { at: At::OneOf(Rc::default()), given: Rc::default() }
    }

    fn is_nowhere(&self) -> bool {
        matches!(&self.at, At::OneOf(places) if places.is_empty())
    }

    pub(super) fn anywhere(self) -> Self {
        Self { at: At::Unknown, ..self }
    }

    /// After a variable got a value.
    pub(super) fn with(mut self, name: &str) -> Self {
        if self.given.len() < GIVEN_MAX && !self.given.contains(name) {
            Rc::make_mut(&mut self.given).insert(name.to_owned());
        }
        self
    }

    pub(super) fn gives(&self, name: &str) -> bool {
        self.given.contains(name)
    }

    pub(super) fn or(self, other: Self) -> Self {
        if self.is_nowhere() {
            return other;
        }
        if other.is_nowhere() {
            return self;
        }
        let given = if Rc::ptr_eq(&self.given, &other.given) {
            self.given
        } else {
            Rc::new(self.given.intersection(&other.given).cloned().collect())
        };
        Self { at: self.at.or(other.at), given }
    }

    /// After a `cd` that went well.
    pub(super) fn entered(&self, folder: &str) -> Self {
        Self { at: self.at.entered(folder), given: Rc::clone(&self.given) }
    }

    pub(super) fn folders(&self) -> Folders {
        match &self.at {
            At::OneOf(places) if !places.is_empty() => Folders::Known(places.as_ref().clone()),
            // What is thought never to run may run after all; nothing is said of it.
            At::OneOf(_) | At::Unknown => Folders::Unknown,
        }
    }
}

impl At {
    fn or(self, other: Self) -> Self {
        let (Self::OneOf(places), Self::OneOf(others)) = (&self, &other) else { return Self::Unknown };
        if Rc::ptr_eq(places, others) {
            return self;
        }
        let mut all = places.as_ref().clone();
        for place in others.iter() {
            if !all.contains(place) {
                all.push(place.clone());
            }
        }
        Self::bounded(all)
    }

    fn entered(&self, folder: &str) -> Self {
        if folder.starts_with('/') {
            return Self::OneOf(Rc::new(vec![vec![folder.to_owned()]]));
        }
        let Self::OneOf(places) = self else { return Self::Unknown };
        let step = |place: &Vec<String>| place.iter().cloned().chain([folder.to_owned()]).collect();
        Self::bounded(places.iter().map(step).collect())
    }

    fn bounded(places: Vec<Vec<String>>) -> Self {
        let words: usize = places.iter().map(Vec::len).sum();
        if places.len() > FOLDERS_MAX || words > WORDS_MAX { Self::Unknown } else { Self::OneOf(Rc::new(places)) }
    }
}

/// What is known after a command, by how the command ended.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) good: Place,
    pub(super) bad: Place,
}

impl Outcome {
    pub(super) fn same(place: &Place) -> Self {
        Self { good: place.clone(), bad: place.clone() }
    }

    pub(super) fn with(self, name: &str) -> Self {
        Self { good: self.good.with(name), bad: self.bad.with(name) }
    }

    pub(super) fn any(self) -> Place {
        self.good.or(self.bad)
    }

    pub(super) fn swapped(self) -> Self {
        Self { good: self.bad, bad: self.good }
    }
}
