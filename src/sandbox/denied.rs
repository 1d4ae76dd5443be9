//! What rules deny, as places that are there now: patterns of `Read(…)` and `Edit(…)`, read as widely as a denial is.
//! Closing and hiding them is not here.

use std::path::{Path, PathBuf};

use super::pattern::{self, has_wildcard, name_fits};
use super::plan::Home;

/// A tree is looked through in this many folders at most, and not in folders of made or fetched things.
const FOLDERS_MAX: usize = 2_000;
/// Each becomes a mount.
const PLACES_MAX: usize = 500;
const NOT_LOOKED_IN: [&str; 8] = ["node_modules", "target", ".git", ".venv", "venv", "vendor", "dist", ".phasegate"];
const DEEP: &str = "**";

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Denied {
    /// As they are named: a link is not followed.
    pub places: Vec<PathBuf>,
    /// What could not be told from what is there, and why.
    pub left_out: Vec<String>,
}

impl Denied {
    pub fn of(patterns: &[String], root: &Path, home: &Home) -> Self {
        let mut found = Self::default();
        let mut in_tree = Vec::new();
        for text in patterns.iter().flat_map(|text| pattern::alternatives(text)) {
            let Some(wanted) = Wanted::read(&text, root, home) else {
                match (text.trim().starts_with("~/"), &home.0) {
                    (true, None) => {
                        found.left_out.push(format!("`{text}` is not looked for, since there is no home folder"));
                    }
                    (true, Some(_)) => {
                        found.left_out.push(format!("`{text}` names all of a folder, and is not closed"))
                    }
                    (false, _) => {}
                }
                continue;
            };
            match wanted.parts.iter().any(|part| part == DEEP) {
                false => found.exact(&wanted),
                true if wanted.base == *root => in_tree.push(wanted.parts),
                true => found.left_out.push(format!("`{text}` is not looked for outside the work tree")),
            }
        }
        if !in_tree.is_empty() {
            found.look_through(root, &in_tree);
        }
        if found.places.len() > PLACES_MAX {
            found.places.truncate(PLACES_MAX);
            found.left_out.push(format!("rules deny more than {PLACES_MAX} files that are there; the rest stays open"));
        }
        found
    }

    fn exact(&mut self, wanted: &Wanted) {
        let mut places = vec![wanted.base.clone()];
        for part in &wanted.parts {
            places = places.iter().flat_map(|place| below(place, part)).take(PLACES_MAX + 1).collect();
        }
        self.places.extend(places.into_iter().filter(|place| place.symlink_metadata().is_ok()));
    }

    fn look_through(&mut self, root: &Path, patterns: &[Vec<String>]) {
        let mut open = vec![(root.to_path_buf(), Vec::new())];
        let mut looked = 0;
        while let Some((folder, above)) = open.pop() {
            looked += 1;
            if looked > FOLDERS_MAX {
                self.left_out.push(format!(
                    "the work tree has more than {FOLDERS_MAX} folders; the rest was not looked through"
                ));
                return;
            }
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                let goes_on = is_folder && !NOT_LOOKED_IN.contains(&&*name);
                let mut names = above.clone();
                names.push(name);
                if patterns.iter().any(|parts| fits(parts, &names)) {
                    self.places.push(entry.path());
                } else if goes_on {
                    open.push((entry.path(), names));
                }
            }
        }
    }
}

/// One pattern: from where, and by which names. Its folder stands for all in it.
struct Wanted {
    base: PathBuf,
    parts: Vec<String>,
}

impl Wanted {
    fn read(text: &str, root: &Path, home: &Home) -> Option<Self> {
        let text = text.trim();
        // It takes something out of a denial.
        if text.starts_with('!') {
            return None;
        }
        let (base, rest, from_here) = if let Some(rest) = text.strip_prefix("//") {
            (PathBuf::from("/"), rest, false)
        } else if let Some(rest) = text.strip_prefix("~/") {
            (home.0.clone()?, rest, false)
        } else if let Some(rest) = text.strip_prefix('/') {
            (root.to_path_buf(), rest, false)
        } else {
            (root.to_path_buf(), text, true)
        };
        let (mut base, mut parts) = (base, Vec::<String>::new());
        for name in rest.split('/').filter(|name| !name.is_empty() && *name != ".") {
            if name != ".." {
                parts.push(name.to_owned());
            } else if parts.pop().is_none() {
                base = base.parent()?.to_path_buf();
            }
        }
        while parts.last().is_some_and(|last| last == DEEP) {
            parts.pop();
        }
        // One name counts at any depth.
        if from_here && parts.len() == 1 && base == *root {
            parts.insert(0, DEEP.to_owned());
        }
        (!parts.is_empty()).then_some(Self { base, parts })
    }
}

fn below(place: &Path, part: &str) -> Vec<PathBuf> {
    if !has_wildcard(part) {
        return vec![place.join(part)];
    }
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    entries.filter(|entry| name_fits(part, &entry.file_name().to_string_lossy())).map(|entry| entry.path()).collect()
}

fn fits(parts: &[String], names: &[String]) -> bool {
    let Some((part, parts_left)) = parts.split_first() else { return names.is_empty() };
    if part == DEEP {
        return (0..=names.len()).any(|at| names.get(at..).is_some_and(|left| fits(parts_left, left)));
    }
    let Some((name, names_left)) = names.split_first() else { return false };
    let same = if has_wildcard(part) { name_fits(part, name) } else { part == name };
    same && fits(parts_left, names_left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_finds_what_it_means_wherever_it_lies() {
        let temp = tempfile::tempdir().unwrap();
        let (root, home) = (temp.path().join("work"), temp.path().join("home"));
        for file in [
            "work/.env",
            "work/a/.env",
            "work/a/b/key.pem",
            "work/secrets/x",
            "work/a/secrets/y",
            "work/target/.env",
            "home/.ssh/id_a",
        ] {
            let file = temp.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        let (in_root, in_home) = (root.display().to_string(), home.display().to_string());
        let system = format!("/{in_root}/.env");
        for (pattern, expected) in [
            (".env", vec!["work/.env", "work/a/.env"]),
            ("./.env", vec!["work/.env", "work/a/.env"]),
            ("/.env", vec!["work/.env"]),
            (system.as_str(), vec!["work/.env"]),
            ("secrets/**", vec!["work/a/secrets", "work/secrets"]),
            ("/secrets/", vec!["work/secrets"]),
            ("a/**/*.pem", vec!["work/a/b/key.pem"]),
            ("**/{key,other}.pem", vec!["work/a/b/key.pem"]),
            ("a/b/*", vec!["work/a/b/key.pem"]),
            ("../home/.ssh", vec!["home/.ssh"]),
            ("~/.ssh/**", vec!["home/.ssh"]),
            ("~/.ssh/id_*", vec!["home/.ssh/id_a"]),
            ("!.env", vec![]),
            ("missing", vec![]),
            ("**", vec![]),
        ] {
            let mut found = Denied::of(&[pattern.to_owned()], &root, &Home(Some(home.clone())));
            found.places.sort();
            let expected: Vec<PathBuf> = expected.iter().map(|below| temp.path().join(below)).collect();
            assert_eq!((found.places, found.left_out), (expected, vec![]), "{pattern} in {in_root}, {in_home}");
        }
        let far = Denied::of(&["~/**/id".to_owned()], &root, &Home(Some(home)));
        assert!(far.places.is_empty() && far.left_out.len() == 1, "{far:?}");
    }
}
