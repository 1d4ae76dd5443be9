//! A path pattern of a rule: the form of gitignore, with anchors. Which path is asked about is not here.

use std::sync::OnceLock;

use super::meet;
use super::target::{Target, starts};
use crate::policy::glob::Needs;
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
    /// Pairs of letters in every path that it covers.
    needs: Needs,
    alternatives: Option<Alternatives>,
}

/// With `{a,b}` written out, as a person who writes it means it. Only refusing goes by them. They can be many, so they are
/// read when a path comes that may fit.
#[derive(Clone, Debug)]
struct Alternatives {
    spec: String,
    needs: Needs,
    read: OnceLock<Vec<Pattern>>,
}

impl PartialEq for Alternatives {
    fn eq(&self, other: &Self) -> bool {
        self.spec == other.spec
    }
}

impl Eq for Alternatives {}

impl std::hash::Hash for Alternatives {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.spec.hash(state);
    }
}

impl Alternatives {
    fn of(spec: &str) -> Option<Self> {
        spec.contains('{').then(|| Self { spec: spec.to_owned(), needs: needs_outside(spec), read: OnceLock::new() })
    }

    fn all(&self) -> &[Pattern] {
        self.read.get_or_init(|| {
            // More than is sane: then each choice stands for any text, since a deny must not lose one.
            let all = braces(&self.spec, ALTERNATIVES_MAX).unwrap_or_else(|| vec![without_braces(&self.spec)]);
            all.iter().map(|text| Pattern::plain(text)).collect()
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum From {
    /// `//`: the file system.
    System,
    /// `~/`
    Home,
    /// `/`: the folder of the file that the rule stands in.
    Source,
    Cwd,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// `**`: any number of names, none too.
    Deep,
    Name(Vec<Atom>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Atom {
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

/// Ways of writing out the braces of a rule.
const ALTERNATIVES_MAX: usize = 1_024;

impl Pattern {
    pub fn read(spec: &str) -> Self {
        Self { alternatives: Alternatives::of(spec), ..Self::plain(spec) }
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
                "**" if parts.last() == Some(&Part::Deep) => {}
                name => parts.push(part(name)),
            }
        }
        let deep_end = parts.last() == Some(&Part::Deep);
        if deep_end {
            parts.pop();
        }
        let inside = deep_end || rest.ends_with('/') || parts.is_empty();
        let slashless = from == From::Cwd && up == 0 && parts.len() == 1;
        let needs = needs(&parts);
        Self { from, up, slashless, dotted: spec.starts_with("./"), inside, parts, needs, alternatives: None }
    }

    pub fn covers(&self, reach: Reach, target: &Target<'_>) -> bool {
        match reach {
            Reach::Wide => {
                let own = || target.spellings.iter().any(|names| self.wide(names, target));
                let written_out = |others: &Alternatives| {
                    (target.may_fit(&others.needs) || !target.links.is_empty())
                        && others.all().iter().any(|other| other.covers(reach, target))
                };
                target.may_fit(&self.needs) && own()
                    || self.through_links(target)
                    || self.alternatives.as_ref().is_some_and(written_out)
            }
            Reach::Narrow => target.spellings.iter().all(|names| self.covers_spelling(names, target)),
        }
    }

    /// Narrow, and one spelling of the path only.
    pub fn covers_spelling(&self, names: &[&str], target: &Target<'_>) -> bool {
        target.may_fit(&self.needs)
            && target
                .starts(self.from, self.up, Reach::Narrow)
                .iter()
                .any(|from| self.narrow(names, from, target.is_folder))
    }

    fn wide(&self, path: &[&str], target: &Target<'_>) -> bool {
        let fold = target.fold;
        let at_any_depth = self.slashless || self.dotted && self.parts.len() == 1;
        let lead = if at_any_depth { &[Part::Deep] as &[Part] } else { &[] };
        target.starts(self.from, self.up, Reach::Wide).iter().any(|from| {
            let Some(rest) = below_names(path, from, fold) else { return false };
            self.parts.is_empty() || fits(lead.iter().chain(&self.parts), rest, true, fold)
        })
    }

    /// Wide, where a folder or a file that the pattern spells out is a link and the path lies where it leads.
    fn through_links(&self, target: &Target<'_>) -> bool {
        let fold = target.fold;
        let leads = |(link, real): &(Vec<&str>, Vec<&str>), from: &[String]| {
            let Some(spelled) = below_names(link, from, fold) else { return false };
            let Some(parts) = self.parts.get(spelled.len()..).filter(|_| !spelled.is_empty()) else { return false };
            let literal = |(part, name): (&Part, &&str)| part.is_literal() && part.fits(name, fold);
            self.parts.iter().zip(spelled).all(literal)
                && target
                    .spellings
                    .iter()
                    .filter_map(|names| below_names(names, real, fold))
                    .any(|rest| parts.is_empty() || fits(parts.iter(), rest, true, fold))
        };
        !target.links.is_empty()
            && target
                .starts(self.from, self.up, Reach::Wide)
                .iter()
                .any(|from| target.links.iter().any(|link| leads(link, from)))
    }

    /// The longest path that the pattern spells out, from each folder that it may start from.
    pub fn spelled_out(&self, around: &Around) -> Vec<String> {
        let literal = self.parts.iter().map_while(Part::literal).take_while(|name| !name.contains('{'));
        let literal: Vec<String> = literal.collect();
        let starts = starts(self.from, self.up, Reach::Wide, around);
        starts
            .into_iter()
            .map(|from| format!("/{}", from.iter().chain(&literal).cloned().collect::<Vec<_>>().join("/")))
            .collect()
    }

    /// Whether a pattern of a call picks out what this one is about: some path fits both, and the name that decides is not
    /// one that fits nearly every file.
    pub fn is_met_by(&self, glob: &str, target: &Target<'_>) -> bool {
        let others = self.alternatives.iter().flat_map(Alternatives::all);
        let glob: Vec<Part> = names(glob).into_iter().map(part).collect();
        std::iter::once(self).chain(others).any(|pattern| {
            let at_any_depth = pattern.slashless || pattern.dotted && pattern.parts.len() == 1;
            let lead = at_any_depth.then_some(Part::Deep);
            target.starts(pattern.from, pattern.up, Reach::Wide).iter().any(|from| {
                let start = from.iter().map(|name| Part::Name(name.chars().map(Atom::Is).collect()));
                let rule: Vec<Part> = start.chain(lead.clone()).chain(pattern.parts.iter().cloned()).collect();
                !pattern.parts.is_empty() && meet::picks_out(&glob, &rule, target.fold)
            })
        })
    }

    fn narrow(&self, path: &[&str], from: &[String], folder: bool) -> bool {
        let Some(rest) = below_names(path, from, false) else { return false };
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
        self.literal().is_some()
    }

    /// Its letters, where it has no others.
    fn literal(&self) -> Option<String> {
        match self {
            Self::Deep => None,
            Self::Name(atoms) => {
                let letter = |atom: &Atom| if let Atom::Is(letter) = atom { Some(*letter) } else { None };
                atoms.iter().map(letter).collect()
            }
        }
    }

    fn fits(&self, name: &str, fold: bool) -> bool {
        match self {
            Self::Deep => false,
            Self::Name(atoms) => name_fits(atoms, name, fold),
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

fn part(name: &str) -> Part {
    if name == "**" { Part::Deep } else { Part::Name(atoms(name)) }
}

/// The names of a normal absolute path.
pub fn names(path: &str) -> Vec<&str> {
    path.split('/').filter(|name| !name.is_empty()).collect()
}

/// The names below a folder, where the path lies in it.
pub fn below<'p, 's>(path: &'p [&'s str], folder: &str, fold: bool) -> Option<&'p [&'s str]> {
    below_names(path, &names(folder), fold)
}

fn below_names<'p, 's, F: AsRef<str>>(path: &'p [&'s str], folder: &[F], fold: bool) -> Option<&'p [&'s str]> {
    let same = |(a, b): (&&str, &F)| *a == b.as_ref() || fold && a.to_lowercase() == b.as_ref().to_lowercase();
    let start = path.get(..folder.len())?;
    if start.iter().zip(folder).all(same) { path.get(folder.len()..) } else { None }
}

/// What a path that fits these parts holds, in small letters: letters that stand together, and a slash before each name and
/// behind each but the last.
fn needs(parts: &[Part]) -> Needs {
    let mut needs = Needs::default();
    let ascii = |letter: char| u8::try_from(letter).ok().filter(u8::is_ascii).map(|byte| byte.to_ascii_lowercase());
    let literal = |atom: Option<&Atom>| match atom {
        Some(Atom::Is(letter)) => ascii(*letter),
        Some(Atom::One | Atom::Any | Atom::Of { .. }) | None => None,
    };
    let last = parts.len().saturating_sub(1);
    for (place, part) in parts.iter().enumerate().rev() {
        let Part::Name(atoms) = part else { continue };
        if let Some(end) = literal(atoms.last()).filter(|_| place < last) {
            needs.add(end, b'/');
        }
        for (first, second) in atoms.iter().zip(atoms.iter().skip(1)).rev() {
            if let (Some(first), Some(second)) = (literal(Some(first)), literal(Some(second))) {
                needs.add(first, second);
            }
        }
        if let Some(first) = literal(atoms.first()) {
            needs.add(b'/', first);
        }
    }
    needs
}

/// What every way of writing out the braces leaves, as far as that is plain.
fn needs_outside(spec: &str) -> Needs {
    let (mut depth, mut outside) = (0_i32, String::new());
    for letter in spec.to_ascii_lowercase().chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ if depth == 0 => outside.push(if letter.is_ascii() { letter } else { '*' }),
            _ => {}
        }
        if depth < 0 {
            return Needs::default();
        }
        if matches!(letter, '{' | '}') {
            outside.push('*');
        }
    }
    if depth != 0 || outside.contains(['[', '\\']) || spec.contains("..") || outside.contains(['!', ' ']) {
        return Needs::default();
    }
    Needs::of(outside.split(['/', '*', '?']))
}

/// `{a,b}` written out; empty where there is none, and nothing where there are more than `most`.
pub fn braces(text: &str, most: usize) -> Option<Vec<String>> {
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
        if open.len() + done.len() > most {
            return None;
        }
    }
    done.retain(|other| other != text);
    Some(done)
}

/// Each pair of braces as any text.
fn without_braces(text: &str) -> String {
    let (mut depth, mut out) = (0_usize, String::new());
    for letter in text.chars() {
        match letter {
            '{' => {
                depth += 1;
                out.push_str(if depth == 1 { "*" } else { "" });
            }
            '}' if depth > 0 => depth -= 1,
            other if depth == 0 => out.push(other),
            _ => {}
        }
    }
    out
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
    let mut end = start;
    while end == start || *text.get(end)? != ']' {
        end += named_class(text.get(end..)?).map_or(1, |(_, length)| length);
    }
    let inner = text.get(start..end)?;
    let (mut ranges, mut at) = (Vec::new(), 0);
    while let Some(&first) = inner.get(at) {
        if let Some((class, length)) = named_class(inner.get(at..).unwrap_or_default()) {
            ranges.extend_from_slice(class);
            at += length;
            continue;
        }
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

/// `[:alpha:]`, which stands inside of brackets only, and how many characters it took.
fn named_class(text: &[char]) -> Option<(&'static [(char, char)], usize)> {
    let inner = text.strip_prefix(&['[', ':'])?;
    let length = inner.iter().take(8).position(|letter| *letter == ':')?;
    let name: String = inner.get(..length)?.iter().collect();
    (inner.get(length + 1) == Some(&']')).then_some(())?;
    let ranges: &[(char, char)] = match name.as_str() {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "blank" => &[(' ', ' '), ('\t', '\t')],
        "cntrl" => &[('\0', '\u{1f}'), ('\u{7f}', '\u{7f}')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    };
    Some((ranges, length + 4))
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
    if !fold && matches!(atoms.first(), Some(Atom::Is(letter)) if !text.starts_with(*letter)) {
        return false;
    }
    if atoms.iter().filter(|atom| !matches!(atom, Atom::Any)).count() > text.len() {
        return false;
    }
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
    pub(super) fn fits(&self, character: char, fold: bool) -> bool {
        let one = |character: char| match self {
            Self::Is(wanted) => *wanted == character,
            Self::One | Self::Any => true,
            Self::Of { not, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&character)) != *not
            }
        };
        // By way of the capital: such as that of the long s, which is that of the short one.
        let folded = |letter: char| letter.to_uppercase().flat_map(char::to_lowercase);
        let same = |wanted: &char| folded(*wanted).eq(folded(character));
        one(character)
            || fold
                && match self {
                    Self::Is(wanted) => same(wanted),
                    Self::One | Self::Any => true,
                    Self::Of { .. } => character.to_lowercase().chain(character.to_uppercase()).any(one),
                }
    }
}
