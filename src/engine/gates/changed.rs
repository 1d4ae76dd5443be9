//! Which files a gate is about: those that differ from the last commit, or those that globs name.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ignore::gitignore::GitignoreBuilder;

use super::git::{self, Git};
use super::output::one_line;
use super::run::Cancel;
use super::tree;

const FILES_MAX: usize = 5_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Relative to the root, sorted.
    pub files: Vec<PathBuf>,
    /// What the reader must know about the choice, such as that it was capped.
    pub note: Option<String>,
}

/// Files that differ from `HEAD` and untracked ones; without git every file that is not ignored.
pub fn changed_files(root: &Path, env: &[(OsString, OsString)], cancel: Cancel) -> Result<Chosen, String> {
    let root = root.canonicalize().map_err(|error| format!("the work tree cannot be read: {error}"))?;
    let places = Places { root: &root, env, cancel };
    let all = match git::top(&root) {
        None => Some("no git repository, so all files were taken"),
        Some(top) if tree::is_ignored(&root, top) => Some("git ignores this folder, so all files were taken"),
        Some(_) => None,
    };
    if let Some(why) = all {
        let mut chosen = places.walked(&root, |_| true)?;
        chosen.note = Some(match chosen.note.take() {
            Some(note) => format!("{why}; {note}"),
            None => why.into(),
        });
        return Ok(chosen);
    }
    let mut chosen = Chosen::default();
    for path in (Git { root: &root, env, cancel }).changed()? {
        match root.join(&path).symlink_metadata() {
            // A repository inside this one: git names only its folder.
            Ok(meta) if meta.is_dir() => {
                let inner = places.walked(&root.join(path), |_| true)?;
                chosen.files.extend(inner.files);
                chosen.note = chosen.note.or(inner.note);
            }
            Ok(_) => chosen.files.push(path),
            Err(_) => {}
        }
    }
    chosen.files.sort();
    chosen.files.dedup();
    Ok(chosen)
}

/// Files that are tracked or not ignored and that one of the globs names, in the syntax of `.gitignore`.
pub fn matching_files(
    root: &Path,
    globs: &[String],
    env: &[(OsString, OsString)],
    cancel: Cancel,
) -> Result<Chosen, String> {
    let root = root.canonicalize().map_err(|error| format!("the work tree cannot be read: {error}"))?;
    let mut globset = GitignoreBuilder::new(&root);
    globset.allow_unclosed_class(false);
    for glob in globs {
        globset
            .add_line(None, glob)
            .map_err(|error| format!("the glob `{}` is not valid: {error}", one_line(glob, 80)))?;
    }
    let globset = globset.build().map_err(|error| format!("the globs cannot be used: {error}"))?;
    let wanted = |path: &Path| globset.matched_path_or_any_parents(path, false).is_ignore();
    Places { root: &root, env, cancel }.walked(&root, wanted)
}

struct Places<'a> {
    root: &'a Path,
    env: &'a [(OsString, OsString)],
    cancel: Cancel<'a>,
}

impl Places<'_> {
    fn walked(&self, from: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Chosen, String> {
        // First what no ignore file can take away, so that the cap does not either.
        let mut files = BTreeSet::new();
        let tracked = tree::tracked(from, self.env, self.cancel)?.into_iter().map(|path| from.join(path));
        let is_there = |path: &PathBuf| path.symlink_metadata().is_ok_and(|meta| !meta.is_dir());
        let walked = tree::walk(from).flatten().filter(|found| found.file_type().is_some_and(|kind| !kind.is_dir()));
        let walked = walked.map(|found| found.into_path());
        for path in tracked.filter(is_there).chain(walked) {
            let Ok(path) = path.strip_prefix(self.root) else { continue };
            if files.contains(path) || !wanted(path) {
                continue;
            }
            if files.len() == FILES_MAX {
                let note = Some(format!("only the first {FILES_MAX} files were taken"));
                return Ok(Chosen { files: files.into_iter().collect(), note });
            }
            files.insert(path.to_path_buf());
        }
        Ok(Chosen { files: files.into_iter().collect(), note: None })
    }
}
