//! Symbolic links that a text makes for itself: what lies behind one is used by the name that was given to it.

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
            let Some((target, link)) = made(view.words()) else { continue };
            let (links, _) = files::places(link, &view.folders, folders, around);
            for link in links {
                // Where a folder stands already, the link is made inside it.
                let last = target.text.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                let inside = join(&link, last);
                for link in [link, inside] {
                    let folder = link.rsplit_once('/').map_or("/", |(folder, _)| folder);
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
            let rest = path.strip_prefix(link).filter(|rest| rest.starts_with('/'))?;
            Some(files::normal(&format!("{target}{rest}")))
        })
    }
}

/// What `ln -s target link` makes; with one operand the link has the target's name.
fn made(words: &[Word]) -> Option<(&Word, &Word)> {
    let (first, rest) = words.split_first()?;
    let is_short = |word: &Word| word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains('s');
    let symbolic = rest.iter().any(|word| is_short(word) || word.text == "--symbolic");
    let operands: Vec<&Word> = rest.iter().filter(|word| !word.text.starts_with('-')).collect();
    match operands.as_slice() {
        [target, link] if base(&first.text) == "ln" && symbolic => Some((target, link)),
        _ => None,
    }
}
