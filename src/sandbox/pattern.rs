//! Path patterns of a phase, taken apart as far as a kernel can be told: folders, and names within one folder.
//! Judging one path by them is not here (`policy`).

use std::path::{Path, PathBuf};

/// More alternatives or folders than this are not followed: a workflow file has a handful.
const SPREAD_MAX: usize = 256;

/// What a pattern opens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Opening {
    /// A folder and everything below it.
    Tree(PathBuf),
    /// Entries of one folder whose name fits, now and later.
    Names { folder: PathBuf, name: String },
}

/// Never narrower than the pattern within the folders that are there, but for `*` that stands for a folder: one that is
/// made later is not opened. `**` in front of more opens the whole folder that it stands in.
pub fn openings(root: &Path, pattern: &str) -> Vec<Opening> {
    let mut found = Vec::new();
    for pattern in alternatives(pattern) {
        let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if !parts.contains(&"..") {
            open(root, &parts, pattern.ends_with('/'), &mut found);
        }
    }
    found
}

fn open(root: &Path, parts: &[&str], is_folder: bool, found: &mut Vec<Opening>) {
    let mut folders = vec![root.to_path_buf()];
    for (at, part) in parts.iter().enumerate() {
        let is_last = at + 1 == parts.len();
        if part.contains("**") {
            break;
        }
        if is_last {
            for folder in &folders {
                let whole = folder.join(part);
                let as_tree = !has_wildcard(part) && (is_folder || whole.is_dir());
                found.push(if as_tree {
                    Opening::Tree(whole)
                } else {
                    Opening::Names { folder: folder.clone(), name: (*part).to_owned() }
                });
            }
            return;
        }
        folders = folders.iter().flat_map(|folder| step(folder, part)).take(SPREAD_MAX).collect();
    }
    found.extend(folders.into_iter().map(Opening::Tree));
}

fn step(folder: &Path, part: &str) -> Vec<PathBuf> {
    if !has_wildcard(part) {
        return vec![folder.join(part)];
    }
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut fits: Vec<PathBuf> = folders
        .filter(|entry| name_fits(part, &entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .collect();
    fits.sort();
    fits
}

pub fn has_wildcard(part: &str) -> bool {
    part.contains(['*', '?', '['])
}

/// `{a,b}` written out, innermost last; an unclosed brace stands for itself.
pub fn alternatives(pattern: &str) -> Vec<String> {
    let mut open = vec![pattern.to_owned()];
    let mut done = Vec::new();
    while let Some(text) = open.pop() {
        let inner = text.find('}').and_then(|close| Some((text.get(..close)?.rfind('{')?, close)));
        let pieces = inner
            .and_then(|(start, close)| Some((text.get(..start)?, text.get(start + 1..close)?, text.get(close + 1..)?)));
        match pieces {
            Some((before, choices, after)) if open.len() + done.len() < SPREAD_MAX => {
                open.extend(choices.split(',').map(|choice| format!("{before}{choice}{after}")));
            }
            _ => done.push(text),
        }
    }
    done.sort();
    done.dedup();
    done
}

/// `*`, `?` and `[…]` within one name.
pub fn name_fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut of) = (0, 0);
    // Where the last `*` stood and what it has taken so far: one way back is enough.
    let mut back: Option<(usize, usize)> = None;
    while let Some(letter) = name.get(of) {
        match one(&pattern, at, *letter) {
            Some(next) => (at, of) = (next, of + 1),
            None if pattern.get(at) == Some(&'*') => {
                back = Some((at, of));
                at += 1;
            }
            None => {
                let Some((star, taken)) = back else { return false };
                back = Some((star, taken + 1));
                (at, of) = (star + 1, taken + 1);
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|letter| *letter == '*')
}

/// Where the pattern goes on after one letter, if that letter fits here.
fn one(pattern: &[char], at: usize, letter: char) -> Option<usize> {
    match pattern.get(at)? {
        '*' => None,
        '?' => Some(at + 1),
        '[' => {
            let close = at + 2 + pattern.get(at + 2..)?.iter().position(|c| *c == ']')?;
            let set = pattern.get(at + 1..close)?;
            let (not, set) = match set.split_first() {
                Some(('!' | '^', rest)) => (true, rest),
                _ => (false, set),
            };
            let ranged =
                set.windows(3).any(|three| matches!(three, [low, '-', high] if (low..=high).contains(&&letter)));
            ((ranged || set.contains(&letter)) != not).then_some(close + 1)
        }
        same => (*same == letter).then_some(at + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_as_in_a_shell() {
        for (pattern, name, fits) in [
            ("Cargo.*", "Cargo.toml", true),
            ("Cargo.*", "cargo.toml", false),
            ("*", "anything", true),
            ("*.md", "a.md.txt", false),
            ("a*b*c", "aXbYbZc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]x", "]x", false),
            ("", "", true),
            ("*a*a*a*a*b", &"a".repeat(400), false),
        ] {
            assert_eq!(name_fits(pattern, name), fits, "{pattern} on {name}");
        }
    }

    #[test]
    fn patterns_come_apart_into_folders_and_names() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        for folder in ["src", "packages/a/src", "packages/b"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let tree = |path: &str| Opening::Tree(root.join(path));
        let names = |folder: &str, name: &str| Opening::Names { folder: root.join(folder), name: name.to_owned() };
        for (pattern, expected) in [
            ("src/**", vec![tree("src")]),
            ("./src/", vec![tree("src")]),
            ("src", vec![tree("src")]),
            ("docs/plans/**", vec![tree("docs/plans")]),
            ("Cargo.*", vec![Opening::Names { folder: root.to_path_buf(), name: "Cargo.*".to_owned() }]),
            ("docs/a.md", vec![names("docs", "a.md")]),
            ("**", vec![Opening::Tree(root.to_path_buf())]),
            ("**/*.test.ts", vec![Opening::Tree(root.to_path_buf())]),
            ("src/**/*.rs", vec![tree("src")]),
            ("packages/*/src/**", vec![tree("packages/a/src"), tree("packages/b/src")]),
            ("{src,tests}/**", vec![tree("src"), tree("tests")]),
            ("../x/**", vec![]),
        ] {
            assert_eq!(openings(root, pattern), expected, "{pattern}");
        }
    }
}
