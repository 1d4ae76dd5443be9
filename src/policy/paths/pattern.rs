//! A path pattern of a rule: the form of gitignore, with anchors. Which path is asked about is not here.

use super::place::Place;
use crate::policy::judge::Around;

/// What stands in the brackets of a path rule, read once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    from: From,
    /// How often the anchor goes up first: `../x`.
    up: usize,
    /// One name and nothing else: counts at any depth.
    slashless: bool,
    /// Began with `./`.
    dotted: bool,
    /// Ended with `/` or `/**`: what is in the folder.
    inside: bool,
    parts: Vec<Part>,
    /// With `{a,b}` written out, as a person who writes it means it. Only refusing goes by them.
    alternatives: Vec<Self>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum From {
    /// `//`: the file system.
    System,
    /// `~/`
    Home,
    /// `/`: the folder of the file that the rule stands in.
    Source,
    Cwd,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    /// `**`: any number of names, none too.
    Deep,
    Name(Vec<Atom>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Atom {
    Is(char),
    /// `?`
    One,
    /// `*`
    Any,
    /// `[a-z]`
    Of {
        not: bool,
        ranges: Vec<(char, char)>,
    },
}

/// How far a pattern reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To refuse or to ask: a folder stands for all in it, one name counts at any depth.
    Wide,
    /// To allow: no further than it is written.
    Narrow,
}

const ALTERNATIVES_MAX: usize = 64;

impl Pattern {
    pub fn read(spec: &str) -> Self {
        let mut pattern = Self::plain(spec);
        pattern.alternatives = braces(spec).iter().map(|text| Self::plain(text)).collect();
        pattern
    }

    fn plain(spec: &str) -> Self {
        let spec = spec.trim();
        let spec = spec.strip_prefix('!').unwrap_or(spec);
        let (from, rest) = if let Some(rest) = spec.strip_prefix("//") {
            (From::System, rest)
        } else if let Some(rest) = spec.strip_prefix("~/") {
            (From::Home, rest)
        } else if spec == "~" {
            (From::Home, "")
        } else if let Some(rest) = spec.strip_prefix('/') {
            (From::Source, rest)
        } else {
            (From::Cwd, spec)
        };
        let (mut up, mut parts) = (0, Vec::new());
        for name in rest.split('/') {
            match name {
                "" | "." => {}
                ".." => {
                    if parts.pop().is_none() {
                        up += 1;
                    }
                }
                "**" => {
                    if parts.last() != Some(&Part::Deep) {
                        parts.push(Part::Deep);
                    }
                }
                name => parts.push(Part::Name(atoms(name))),
            }
        }
        let deep_end = parts.last() == Some(&Part::Deep);
        if deep_end {
            parts.pop();
        }
        let inside = deep_end || rest.ends_with('/') || parts.is_empty();
        let slashless = from == From::Cwd && up == 0 && parts.len() == 1;
        Self { from, up, slashless, dotted: spec.starts_with("./"), inside, parts, alternatives: Vec::new() }
    }

    pub fn covers(&self, reach: Reach, place: &Place, around: &Around) -> bool {
        match reach {
            Reach::Wide => {
                let any =
                    |names: &[&str]| self.anchors(reach, around).iter().any(|from| self.wide(names, from, around));
                place.spellings().any(|spelling| any(&names(spelling)))
                    || self.alternatives.iter().any(|other| other.covers(reach, place, around))
            }
            Reach::Narrow => place.spellings().all(|spelling| self.covers_spelling(spelling, place.is_folder, around)),
        }
    }

    /// Narrow, and one spelling of the path only.
    pub fn covers_spelling(&self, spelling: &str, folder: bool, around: &Around) -> bool {
        let names = names(spelling);
        self.anchors(Reach::Narrow, around).iter().any(|from| self.narrow(&names, from, folder))
    }

    /// The folders to start from, each in every spelling that is known.
    fn anchors(&self, reach: Reach, around: &Around) -> Vec<String> {
        let given: Vec<&str> = match (self.from, reach) {
            (From::System, _) => vec!["/"],
            (From::Home, _) => around.home.as_deref().into_iter().collect(),
            (From::Source, _) => vec![&around.root],
            // A rule of the project still holds where the agent has gone into a folder of it.
            (From::Cwd, Reach::Wide) => vec![around.base.as_deref().unwrap_or(&around.cwd), &around.cwd, &around.root],
            (From::Cwd, Reach::Narrow) => vec![around.base.as_deref().unwrap_or(&around.cwd)],
        };
        let mut found: Vec<String> = Vec::new();
        for anchor in given.into_iter().filter(|anchor| anchor.starts_with('/')) {
            let real = around.links.get(anchor.trim_end_matches('/')).map(String::as_str);
            for spelling in [Some(anchor), real].into_iter().flatten() {
                let mut spelling = super::place::normal(spelling);
                for _ in 0..self.up {
                    spelling.truncate(spelling.rfind('/').unwrap_or(0));
                }
                if !found.contains(&spelling) {
                    found.push(spelling);
                }
            }
        }
        found
    }

    fn wide(&self, path: &[&str], anchor: &str, around: &Around) -> bool {
        let Some(rest) = below(path, anchor, around.case_insensitive) else { return false };
        if self.parts.is_empty() {
            return true;
        }
        let at_any_depth = self.slashless || self.dotted && self.parts.len() == 1;
        let lead = if at_any_depth { &[Part::Deep] as &[Part] } else { &[] };
        fits(lead.iter().chain(&self.parts), rest, true, around.case_insensitive)
    }

    fn narrow(&self, path: &[&str], anchor: &str, folder: bool) -> bool {
        let Some(rest) = below(path, anchor, false) else { return false };
        // An allow takes letters as they are, also where the file system does not.
        let fold = false;
        if self.parts.is_empty() {
            return self.inside && (folder || !rest.is_empty());
        }
        if self.inside {
            let tail = [Part::Name(vec![Atom::Any]), Part::Deep];
            return fits(self.parts.iter().chain(&tail), rest, false, fold)
                || folder && fits(self.parts.iter(), rest, false, fold);
        }
        let literal = self.parts.last().is_some_and(Part::is_literal);
        let exact = fits(self.parts.iter(), rest, literal, fold);
        // One name counts at any depth, as in gitignore; all in a folder of that name only at the top.
        exact || self.slashless && !self.dotted && fits([&Part::Deep].into_iter().chain(&self.parts), rest, false, fold)
    }

    /// Names this very file or folder in so many letters.
    pub fn names_literally(&self, name: &str) -> bool {
        self.parts.iter().any(|part| part.is(name))
    }
}

impl Part {
    fn is_literal(&self) -> bool {
        match self {
            Self::Deep => false,
            Self::Name(atoms) => atoms.iter().all(|atom| matches!(atom, Atom::Is(_))),
        }
    }

    fn is(&self, name: &str) -> bool {
        match self {
            Self::Deep => false,
            Self::Name(atoms) => {
                atoms.len() == name.chars().count() && atoms.iter().zip(name.chars()).all(|(a, b)| *a == Atom::Is(b))
            }
        }
    }
}

/// The names of a normal absolute path.
pub fn names(path: &str) -> Vec<&str> {
    path.split('/').filter(|name| !name.is_empty()).collect()
}

/// The names below a folder, where the path lies in it.
pub fn below<'p, 's>(path: &'p [&'s str], folder: &str, fold: bool) -> Option<&'p [&'s str]> {
    let folder = names(folder);
    let same = |(a, b): (&&str, &&str)| a == b || fold && a.to_lowercase() == b.to_lowercase();
    let start = path.get(..folder.len())?;
    if start.iter().zip(&folder).all(same) { path.get(folder.len()..) } else { None }
}

/// `{a,b}` written out; empty where there is none, or more than is sane.
pub fn braces(text: &str) -> Vec<String> {
    let (mut open, mut done) = (vec![text.to_owned()], Vec::new());
    while let Some(next) = open.pop() {
        let inner = next.rfind('{').and_then(|start| next.get(start..)?.find('}').map(|end| (start, start + end)));
        let Some((start, end)) = inner else {
            done.push(next);
            continue;
        };
        let part = |from: usize, to: usize| next.get(from..to).unwrap_or_default();
        let (before, choices, after) = (part(0, start), part(start + 1, end), part(end + 1, next.len()));
        open.extend(choices.split(',').map(|choice| format!("{before}{choice}{after}")));
        if open.len() + done.len() > ALTERNATIVES_MAX {
            return Vec::new();
        }
    }
    done.retain(|other| other != text);
    done
}

fn atoms(name: &str) -> Vec<Atom> {
    let characters: Vec<char> = name.chars().collect();
    let (mut atoms, mut at) = (Vec::new(), 0);
    while let Some(&character) = characters.get(at) {
        at += 1;
        match character {
            '*' => {
                if atoms.last() != Some(&Atom::Any) {
                    atoms.push(Atom::Any);
                }
            }
            '?' => atoms.push(Atom::One),
            '\\' if at < characters.len() => {
                atoms.extend(characters.get(at).map(|escaped| Atom::Is(*escaped)));
                at += 1;
            }
            '[' => match class(characters.get(at..).unwrap_or_default()) {
                Some((class, length)) => {
                    atoms.push(class);
                    at += length;
                }
                None => atoms.push(Atom::Is('[')),
            },
            other => atoms.push(Atom::Is(other)),
        }
    }
    atoms
}

/// What follows a `[`, and how many characters it took.
fn class(text: &[char]) -> Option<(Atom, usize)> {
    let not = matches!(text.first(), Some('!' | '^'));
    let start = usize::from(not);
    let end = text.iter().enumerate().skip(start + 1).find(|(_, character)| **character == ']')?.0;
    let inner = text.get(start..end)?;
    let (mut ranges, mut at) = (Vec::new(), 0);
    while let Some(&first) = inner.get(at) {
        match (inner.get(at + 1), inner.get(at + 2)) {
            (Some('-'), Some(&last)) => {
                ranges.push((first, last));
                at += 3;
            }
            _ => {
                ranges.push((first, first));
                at += 1;
            }
        }
    }
    Some((Atom::Of { not, ranges }, end + 1))
}

/// Whether the parts make up the names; with `start`, whether they make up a beginning of them.
/// Goes back to the last `**` only, which is enough and keeps the work to the product of both lengths.
fn fits<'p>(parts: impl Iterator<Item = &'p Part>, path: &[&str], start: bool, fold: bool) -> bool {
    let parts: Vec<&Part> = parts.collect();
    let (mut part, mut name, mut back) = (0, 0, None::<(usize, usize)>);
    loop {
        match (parts.get(part), path.get(name)) {
            (None, _) if start => return true,
            (None, None) => return true,
            (Some(Part::Deep), _) => {
                part += 1;
                back = Some((part, name));
                continue;
            }
            (Some(Part::Name(atoms)), Some(text)) if name_fits(atoms, text, fold) => {
                (part, name) = (part + 1, name + 1);
                continue;
            }
            (Some(Part::Name(_)) | None, _) => {}
        }
        match back {
            Some((after, taken)) if taken < path.len() => {
                (part, name) = (after, taken + 1);
                back = Some((after, taken + 1));
            }
            _ => return false,
        }
    }
}

fn name_fits(atoms: &[Atom], text: &str, fold: bool) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut atom, mut at, mut back) = (0, 0, None::<(usize, usize)>);
    loop {
        match (atoms.get(atom), text.get(at)) {
            (None, None) => return true,
            (Some(Atom::Any), _) => {
                atom += 1;
                back = Some((atom, at));
                continue;
            }
            (Some(single), Some(character)) if single.fits(*character, fold) => {
                (atom, at) = (atom + 1, at + 1);
                continue;
            }
            _ => {}
        }
        match back {
            Some((after, taken)) if taken < text.len() => {
                (atom, at) = (after, taken + 1);
                back = Some((after, taken + 1));
            }
            _ => return false,
        }
    }
}

impl Atom {
    fn fits(&self, character: char, fold: bool) -> bool {
        let one = |character: char| match self {
            Self::Is(wanted) => *wanted == character,
            Self::One | Self::Any => true,
            Self::Of { not, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&character)) != *not
            }
        };
        let same = |wanted: &char| wanted.to_lowercase().eq(character.to_lowercase());
        one(character)
            || fold
                && match self {
                    Self::Is(wanted) => same(wanted),
                    Self::One | Self::Any => true,
                    Self::Of { .. } => character.to_lowercase().chain(character.to_uppercase()).any(one),
                }
    }
}
