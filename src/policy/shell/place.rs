//! Where a command may run: what the `cd` commands before it leave possible, told as they are written. No path is
//! resolved.

use std::rc::Rc;

use super::script::Folders;

const PLACES_MAX: usize = 8;
/// Words over all places; more of them would only make each command's copy large.
const WORDS_MAX: usize = 24;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Unknown,
    /// None of them: this point is never reached. Shared, since each command passes it on several times.
    OneOf(Rc<Vec<Vec<String>>>),
}

impl Default for Place {
    fn default() -> Self {
        Self::OneOf(Rc::new(vec![Vec::new()]))
    }
}

impl Place {
    pub(super) fn nowhere() -> Self {
        Self::OneOf(Rc::default())
    }

    pub(super) fn or(self, other: Self) -> Self {
        let (Self::OneOf(places), Self::OneOf(others)) = (&self, &other) else { return Self::Unknown };
        if Rc::ptr_eq(places, others) || others.is_empty() {
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

    /// After a `cd` that went well.
    pub(super) fn entered(&self, folder: &str) -> Self {
        if folder.starts_with('/') {
            return Self::OneOf(Rc::new(vec![vec![folder.to_owned()]]));
        }
        let Self::OneOf(places) = self else { return Self::Unknown };
        let step = |place: &Vec<String>| place.iter().cloned().chain([folder.to_owned()]).collect();
        Self::bounded(places.iter().map(step).collect())
    }

    fn bounded(places: Vec<Vec<String>>) -> Self {
        let words: usize = places.iter().map(Vec::len).sum();
        if places.len() > PLACES_MAX || words > WORDS_MAX { Self::Unknown } else { Self::OneOf(Rc::new(places)) }
    }

    pub(super) fn folders(&self) -> Folders {
        match self {
            Self::OneOf(places) if !places.is_empty() => Folders::Known(places.as_ref().clone()),
            // What is thought never to run may run after all; nothing is said of it.
            Self::OneOf(_) | Self::Unknown => Folders::Unknown,
        }
    }
}

/// Where the shell is after a command, by how the command ended.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) good: Place,
    pub(super) bad: Place,
}

impl Outcome {
    pub(super) fn same(place: &Place) -> Self {
        Self { good: place.clone(), bad: place.clone() }
    }

    pub(super) fn any(self) -> Place {
        self.good.or(self.bad)
    }

    pub(super) fn swapped(self) -> Self {
        Self { good: self.bad, bad: self.good }
    }
}
