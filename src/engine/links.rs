//! Where paths really lead: links followed one by one, also those that lead to nothing yet. Judging is not here.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Links that one path may go through, as the system counts them.
const LINKS_MAX: usize = 40;
/// More paths of one call are not looked up; where they lead is then not known, which allows nothing.
const PLACES_MAX: usize = 512;

/// For `Around::links`: those that lead elsewhere, and those of which it is not known, as an empty text.
pub fn links(paths: &[String]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (number, path) in paths.iter().enumerate() {
        let real = if number < PLACES_MAX { followed(Path::new(path)) } else { None };
        let real = real.and_then(|real| real.into_os_string().into_string().ok()).unwrap_or_default();
        if real != *path {
            found.insert(path.clone(), real);
        }
    }
    found
}

/// Nothing for a circle, and for a folder that may not be looked into.
fn followed(path: &Path) -> Option<PathBuf> {
    let mut ahead: Vec<PathBuf> = path.components().rev().map(|part| PathBuf::from(part.as_os_str())).collect();
    let (mut at, mut taken) = (PathBuf::from("/"), 0);
    while let Some(part) = ahead.pop() {
        match part.components().next() {
            Some(Component::Normal(name)) => at.push(name),
            Some(Component::ParentDir) => {
                at.pop();
                continue;
            }
            Some(Component::RootDir) => {
                at = PathBuf::from("/");
                continue;
            }
            Some(Component::CurDir | Component::Prefix(_)) | None => continue,
        }
        match std::fs::symlink_metadata(&at) {
            Ok(found) if found.is_symlink() => {
                taken += 1;
                if taken > LINKS_MAX {
                    return None;
                }
                let target = std::fs::read_link(&at).ok()?;
                at.pop();
                ahead.extend(target.components().rev().map(|part| PathBuf::from(part.as_os_str())));
            }
            Ok(_) => {}
            Err(error) => match error.kind() {
                // What is not there yet lies where its folder leads; a file has nothing below it.
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {}
                _ => return None,
            },
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_to_their_end_and_circles_lead_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let at = |name: &str| root.join(name).display().to_string();
        let link = |to: &str, from: &str| std::os::unix::fs::symlink(to, root.join(from)).unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        link("real", "folder");
        link("second", "first");
        link("real/not-there", "second");
        link("circle-b", "circle-a");
        link("circle-a", "circle-b");
        for (path, leads) in [
            ("real/x", None),
            ("folder", Some(at("real"))),
            ("folder/new/file", Some(at("real/new/file"))),
            ("first", Some(at("real/not-there"))),
            ("circle-a/x", Some(String::new())),
        ] {
            assert_eq!(links(&[at(path)]).get(&at(path)), leads.as_ref(), "{path}");
        }
    }
}
