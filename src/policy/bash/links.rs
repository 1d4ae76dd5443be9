//! Links, symbolic and hard, that a text makes for itself: what lies behind one is used by the name that was given to it.

use super::super::judge::Around;
use super::super::shell::script::Word;
use super::effects::base;
use super::files::{self, join};
use super::views::Seen;

/// More are not followed.
const LINKS_MAX: usize = 8;

/// The links, each with where it leads; both from the root.
#[derive(Debug, Default)]
pub struct Links(Vec<(String, String)>);

impl Links {
    pub fn of(seen: &[Seen<'_>], folders: &[String], around: &Around) -> Self {
        let mut found = Vec::new();
        for view in seen.iter().flat_map(|one| &one.views) {
            let Some((target, link, symbolic)) = made(view.words()) else { continue };
            let (links, _) = files::places(link, &view.folders, folders, around);
            for link in links {
                // Where a folder stands already, the link is made inside it.
                let last = target.text.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                let inside = join(&link, last);
                for link in [link, inside] {
                    // A hard link has its target's place from where it is made.
                    let beside = link.rsplit_once('/').map_or("", |(folder, _)| folder);
                    let folder = if symbolic { beside } else { around.cwd.as_str() };
                    let home = around.home.as_deref().filter(|_| target.expands.tilde);
                    let target = home.map_or_else(|| target.text.clone(), |home| target.text.replacen('~', home, 1));
                    found.push((link.clone(), join(folder, &target)));
                }
            }
        }
        found.truncate(LINKS_MAX);
        Self(found)
    }

    /// Where the path leads by one of them.
    pub fn behind(&self, path: &str) -> Option<String> {
        self.0.iter().find_map(|(link, target)| {
            let rest = path.strip_prefix(link).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
            // A link to itself leads nowhere.
            (path != target).then_some(())?;
            Some(files::normal(&format!("{target}{rest}")))
        })
    }
}

/// What `ln target link` makes, and `cp` with `-l` or `-s`; whether the target is told from the link.
fn made(words: &[Word]) -> Option<(&Word, &Word, bool)> {
    let (first, rest) = words.split_first()?;
    let has = |letter: char, long: &str| {
        let short = |text: &str| text.starts_with('-') && !text.starts_with("--") && text.contains(letter);
        rest.iter().any(|word| short(&word.text) || word.text == long)
    };
    let symbolic = has('s', "--symbolic") || has('s', "--symbolic-link");
    let links = match base(&first.text) {
        "ln" => true,
        "cp" => symbolic || has('l', "--link"),
        _ => false,
    };
    let operands: Vec<&Word> = rest.iter().filter(|word| !word.text.starts_with('-')).collect();
    match operands.as_slice() {
        [target, link] if links => Some((target, link, symbolic)),
        _ => None,
    }
}
