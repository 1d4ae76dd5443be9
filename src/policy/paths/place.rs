//! One path as a call writes it, in every spelling under which a rule may know it. No file is looked at: what links lead to
//! was looked up before.

use std::borrow::Cow;

use super::windows;
use crate::policy::judge::Around;

/// The longest path that the system opens, in bytes.
const PATH_BYTES_MAX: usize = 4096;
/// More steps upwards than a person writes.
const STEPS_UP_MAX: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As written, absolute and normal.
    pub path: String,
    /// Other spellings of the same: what a link leads to, what `/proc` stands for.
    others: Vec<String>,
    /// A tool works on all that is in it.
    pub is_folder: bool,
    /// Why it is not certain which file this is: then nothing allows it by itself.
    pub doubt: Option<String>,
}

impl Place {
    pub fn of(written: &str, around: &Around) -> Self {
        let (read, unsure) = read(written, around);
        let written = read.as_ref();
        let mut doubt = unsure.or_else(|| strange(written)).map(str::to_owned);
        let absolute = match absolute(written, around) {
            Ok(absolute) => absolute,
            Err(why) => {
                doubt.get_or_insert(why);
                written.to_owned()
            }
        };
        let path = normal(&absolute);
        if absolute.len() > PATH_BYTES_MAX {
            doubt.get_or_insert_with(|| "the path is longer than the system opens".to_owned());
        }
        let mut place = Self { path, others: Vec::new(), is_folder: false, doubt };
        if place.path.len() > PATH_BYTES_MAX {
            return place;
        }
        match around.links.get(&place.path).map(String::as_str) {
            Some("") => place.doubt("a symbolic link on the way leads nowhere or in a circle"),
            Some(real) => place.add(normal(real)),
            None => {}
        }
        if absolute.split('/').any(|name| name == "..") {
            match upwards(&absolute, around) {
                Some(real) => place.add(real),
                None => place.doubt("its `..` cannot be followed for certain"),
            }
        }
        for alias in place.spellings().map(str::to_owned).collect::<Vec<_>>() {
            match process(&alias, around) {
                Process::No => {}
                Process::Same(path) => {
                    place.doubt("it goes through the files of a process");
                    place.add(path);
                }
                Process::Opaque => place.doubt("it goes through the files of a process or a descriptor"),
            }
        }
        place
    }

    pub fn folder(mut self) -> Self {
        self.is_folder = true;
        self
    }

    pub fn spellings(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.path.as_str()).chain(self.others.iter().map(String::as_str))
    }

    fn add(&mut self, path: String) {
        if path != self.path && !self.others.contains(&path) {
            self.others.push(path);
        }
    }

    fn doubt(&mut self, why: &str) {
        self.doubt.get_or_insert_with(|| why.to_owned());
    }
}

/// The absolute paths whose real place the verdict depends on: the path, and each folder that a `..` leaves.
pub fn looked_up(written: &str, around: &Around) -> Vec<String> {
    let (written, _) = read(written, around);
    let Ok(absolute) = absolute(&written, around) else { return Vec::new() };
    if absolute.len() > PATH_BYTES_MAX || absolute.contains('\0') {
        return Vec::new();
    }
    let mut found = vec![normal(&absolute)];
    let mut so_far: Vec<&str> = Vec::new();
    for name in absolute.split('/').filter(|name| !name.is_empty() && *name != ".") {
        if found.len() > STEPS_UP_MAX {
            break;
        }
        if name != ".." {
            so_far.push(name);
            continue;
        }
        let left = format!("/{}", so_far.join("/"));
        if !found.contains(&left) {
            found.push(left);
        }
        so_far.pop();
    }
    found
}

/// In the form of patterns, with why it is not certain which file is meant.
fn read<'w>(written: &'w str, around: &Around) -> (Cow<'w, str>, Option<&'static str>) {
    if !around.windows {
        return (Cow::Borrowed(written), None);
    }
    let windows::Posix { path, doubt } = windows::as_posix(written);
    (Cow::Owned(path), doubt)
}

fn absolute(written: &str, around: &Around) -> Result<String, String> {
    if written.is_empty() {
        return Err("the path is empty".to_owned());
    }
    if written == "~" || written.starts_with("~/") {
        let home = around.home.as_deref().ok_or("the path begins with `~`, and no home folder is known")?;
        return Ok(format!("{home}{}", written.get(1..).unwrap_or_default()));
    }
    if written.starts_with('~') {
        return Err("the path begins with another user's `~`".to_owned());
    }
    if written.starts_with('/') {
        return Ok(written.to_owned());
    }
    if !around.cwd.starts_with('/') {
        return Err("the path is relative, and the folder it starts from is not known".to_owned());
    }
    Ok(format!("{}/{written}", around.cwd))
}

/// Without `.`, `..` and doubled slashes, by the letters alone.
pub fn normal(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

/// As the system walks it: a `..` leaves the folder that a link led to.
fn upwards(absolute: &str, around: &Around) -> Option<String> {
    let (mut at, mut steps) = (String::from("/"), 0);
    for name in absolute.split('/').filter(|name| !name.is_empty() && *name != ".") {
        if name == ".." {
            steps += 1;
            let real = around.links.get(&at).unwrap_or(&at);
            if steps > STEPS_UP_MAX || real.is_empty() {
                return None;
            }
            at = normal(&format!("{real}/.."));
        } else {
            at = normal(&format!("{at}/{name}"));
        }
    }
    match around.links.get(&at).map(String::as_str) {
        Some("") => None,
        Some(real) => Some(normal(real)),
        None => Some(at),
    }
}

enum Process {
    No,
    /// Stands for this path.
    Same(String),
    Opaque,
}

/// Names under `/proc` and `/dev` that stand for other files.
fn process(path: &str, around: &Around) -> Process {
    if path.starts_with("/dev/fd") || ["/dev/stdin", "/dev/stdout", "/dev/stderr"].contains(&path) {
        return Process::Opaque;
    }
    let Some(rest) = path.strip_prefix("/proc/") else { return Process::No };
    let mut names = rest.splitn(3, '/');
    let who = names.next().unwrap_or_default();
    let own = ["self", "thread-self"].contains(&who);
    if !own && !who.bytes().all(|byte| byte.is_ascii_digit()) {
        return Process::No;
    }
    let (what, rest) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    match what {
        "root" => Process::Same(normal(rest)),
        "cwd" if own => Process::Same(normal(&format!("{}/{rest}", around.cwd))),
        _ => Process::Opaque,
    }
}

/// What makes a path more than it looks, or less.
fn strange(path: &str) -> Option<&'static str> {
    let lower = path.to_ascii_lowercase();
    let url = lower.starts_with("file:")
        || path.split_once("://").is_some_and(|(scheme, _)| {
            !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        });
    if path.contains('\0') {
        return Some("the path holds a NUL");
    }
    if path.chars().any(char::is_control) {
        return Some("the path holds a control character");
    }
    if path.chars().any(is_unseen) {
        return Some("the path holds a character that is not seen, or that looks like another");
    }
    if url {
        return Some("this is a URL and not a path");
    }
    if ["$HOME", "${HOME"].iter().any(|start| path.starts_with(start)) {
        return Some("the path begins with a variable, which some programs put in");
    }
    let drive = matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    if path.contains('\\') || drive {
        return Some("the path is written as on Windows");
    }
    let trimmed = |name: &str| name != "." && name != ".." && (name.ends_with('.') || name.ends_with(' '));
    if path.split('/').any(trimmed) || path.starts_with(' ') {
        return Some("a name in the path ends with a dot or a blank, which some systems drop");
    }
    if ["%2e", "%2f", "%5c", "%00"].iter().any(|code| lower.contains(code)) {
        return Some("the path holds an encoded dot or slash");
    }
    None
}

/// Zero-width and other unseen characters, marks that combine, and look-alikes of dot and slash.
pub fn is_unseen(character: char) -> bool {
    matches!(character,
        '\u{17f}' | '\u{212a}' | '\u{fb00}'..='\u{fb06}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}' | '\u{e0000}'..='\u{e0fff}'
        | '\u{300}'..='\u{36f}'
        | '\u{2024}'..='\u{2026}' | '\u{2044}' | '\u{2215}' | '\u{29f8}' | '\u{ff0e}' | '\u{ff0f}' | '\u{ff3c}'
        | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}
