//! PURE: which changes of a work tree a phase does not allow. Finding the changes is not here (`engine::worktree`).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::domain::violation::{Change, ChangeKind, Violation, Why};

/// Folders that hold what a client, git or phasegate obeys, wherever they stand.
const PROTECTED_FOLDERS: [&str; 11] = [
    ".git",
    ".husky",
    ".phasegate",
    "phasegate.d",
    ".claude",
    ".codex",
    ".gemini",
    ".opencode",
    ".cursor",
    ".vscode",
    ".ssh",
];

/// Files of the same sort.
const PROTECTED_FILES: [&str; 7] = [
    "phasegate.yaml",
    "phasegate.yml",
    "phasegate.toml",
    ".gitmodules",
    ".mcp.json",
    "opencode.json",
    "opencode.jsonc",
];

/// What the kernel keeps shut besides: others run it by themselves, but a rule that names it may open it to the check.
const RUN_LATER: [&str; 1] = [".envrc"];

/// Names in the root of the work tree that no confined command writes. Of `.git` a part stays open, which the sandbox
/// knows.
pub fn never_written() -> impl Iterator<Item = &'static str> {
    PROTECTED_FOLDERS.into_iter().filter(|name| *name != ".git").chain(PROTECTED_FILES).chain(RUN_LATER)
}

/// Where a client keeps whole work trees among its settings: plain files to a phase.
const WORKTREES: [&str; 2] = [".claude", "worktrees"];

/// What a phase may write, as patterns of `.gitignore` from the root of the work tree.
struct Patterns(Option<Gitignore>);

impl Patterns {
    /// A pattern that cannot be read covers nothing.
    fn new<'a>(globs: impl Iterator<Item = &'a String>) -> Self {
        let mut builder = GitignoreBuilder::new("");
        builder.allow_unclosed_class(false);
        for glob in globs {
            drop(builder.add_line(None, glob));
        }
        Self(builder.build().ok())
    }

    fn cover(&self, path: &Path, is_folder: bool) -> bool {
        // The matcher must never see a path from elsewhere: it would not answer but stop.
        let below = path.components().all(|part| matches!(part, Component::Normal(_)));
        let Some(patterns) = &self.0 else { return false };
        below && !path.as_os_str().is_empty() && patterns.matched_path_or_any_parents(path, is_folder).is_ignore()
    }
}

/// The changes that are violations, in the order of the changes. `writes`: what the phase may write, `None` for
/// everything; `grants`: what builds may write besides, such as `target/`. What is protected is a violation whatever
/// they say.
pub fn violations(changes: &[Change], writes: Option<&[String]>, grants: &[String]) -> Vec<Violation> {
    let patterns = writes.map(|writes| Patterns::new(writes.iter().chain(grants)));
    let may_write = |path: &Path, is_folder: bool| {
        !is_protected(path) && patterns.as_ref().is_none_or(|patterns| patterns.cover(path, is_folder))
    };
    changes
        .iter()
        .filter_map(|change| {
            let path = Path::new(OsStr::from_bytes(&change.path.0));
            let why = if is_protected(path) {
                Why::Protected
            } else if !may_write(path, is_folder(change)) {
                Why::Outside
            } else if is_shared(change, |other| may_write(other, false)) {
                Why::Shared
            } else {
                return None;
            };
            Some(Violation { path: change.path.clone(), kind: change.kind, why, before: change.before.clone() })
        })
        .collect()
}

/// What no phase may write, by its path. An absolute path is a part of git that lies outside the work tree.
pub fn is_protected(path: &Path) -> bool {
    if path.is_absolute() {
        return true;
    }
    // Some file systems tell no case apart.
    let is = |part: &Component<'_>, name: &str| part.as_os_str().as_bytes().eq_ignore_ascii_case(name.as_bytes());
    let mut parts = path.components();
    let is_worktree = || {
        let mut parts = path.components();
        WORKTREES.iter().all(|name| parts.next().is_some_and(|part| is(&part, name))) && parts.next().is_some()
    };
    if is_worktree() {
        parts.by_ref().take(WORKTREES.len()).for_each(drop);
    }
    let file = parts.clone().next_back();
    parts.any(|part| PROTECTED_FOLDERS.iter().any(|name| is(&part, name)))
        || file.is_some_and(|file| PROTECTED_FILES.iter().any(|name| is(&file, name)))
}

fn is_folder(change: &Change) -> bool {
    use crate::domain::violation::EntryKind;
    let print = change.after.as_ref().or(change.before.as_ref());
    print.is_some_and(|print| print.kind == EntryKind::Folder)
}

/// Written through a name that the phase may write, and there under a name that it may not.
fn is_shared(change: &Change, may_write: impl Fn(&Path) -> bool) -> bool {
    let written = match change.kind {
        ChangeKind::Added | ChangeKind::Content | ChangeKind::Mode | ChangeKind::Type | ChangeKind::Touched => true,
        ChangeKind::Removed | ChangeKind::Target => false,
    };
    let others = &change.sharing.with;
    written
        && (change.sharing.elsewhere || others.iter().any(|other| !may_write(Path::new(OsStr::from_bytes(&other.0)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::violation::{EntryKind, EntryPrint, Sharing, TreePath};

    fn change(path: &str, kind: ChangeKind) -> Change {
        let print = EntryPrint { kind: EntryKind::File, mode: 0o644, size: 1, links: 1, digest: None };
        let (path, sharing) = (TreePath(path.into()), Sharing::default());
        Change { path, kind, before: Some(print.clone()), after: Some(print), sharing }
    }

    fn globs(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_change_is_a_violation_unless_the_phase_may_write_there() {
        let (src, top, all) = (&["src/**", "!src/gen/**"][..], &["/Cargo.*"][..], &["**"][..]);
        for (path, writes, why) in [
            ("src/a/b.rs", Some(src), None),
            ("src/gen/x.rs", Some(src), Some(Why::Outside)),
            ("tests/a.rs", Some(src), Some(Why::Outside)),
            ("srcs/a.rs", Some(src), Some(Why::Outside)),
            ("x/src/a.rs", Some(src), Some(Why::Outside)),
            ("Cargo.lock", Some(top), None),
            ("sub/Cargo.lock", Some(top), Some(Why::Outside)),
            ("sub/a.md", Some(&["*.md"]), None),
            ("docs/plans/a", Some(&["docs/plans"]), None),
            ("docs/a", Some(&["docs/plans"]), Some(Why::Outside)),
            (".env", Some(&[]), Some(Why::Outside)),
            (".env", None, None),
            ("target/debug/x", Some(src), None),
            ("x", Some(&["[a"]), Some(Why::Outside)),
            ("../x", Some(all), Some(Why::Outside)),
            (".git/hooks/pre-commit", None, Some(Why::Protected)),
            (".git/config", Some(all), Some(Why::Protected)),
            ("sub/.git", Some(all), Some(Why::Protected)),
            (".GIT/config", Some(all), Some(Why::Protected)),
            ("/elsewhere/.git/config", Some(all), Some(Why::Protected)),
            (".phasegate/phasegate.db", None, Some(Why::Protected)),
            ("phasegate.yaml", Some(all), Some(Why::Protected)),
            ("phasegate.toml", Some(all), Some(Why::Protected)),
            ("phasegate.d/a.yaml", Some(all), Some(Why::Protected)),
            (".claude/settings.json", None, Some(Why::Protected)),
            ("sub/.mcp.json", None, Some(Why::Protected)),
            (".claude/worktrees/a/src/x.rs", Some(all), None),
            (".claude/worktrees/a/.git", Some(all), Some(Why::Protected)),
            (".claude/worktrees/a/.claude/settings.json", Some(all), Some(Why::Protected)),
            (".gitignore", Some(all), None),
            (".github/workflows/ci.yml", Some(src), Some(Why::Outside)),
        ] {
            let writes = writes.map(globs);
            let found = violations(&[change(path, ChangeKind::Content)], writes.as_deref(), &globs(&["target/"]));
            assert_eq!(found.first().map(|violation| violation.why), why, "{path} {writes:?}");
        }
    }

    #[test]
    fn a_file_with_another_name_outside_is_reported() {
        let writes = globs(&["src/**"]);
        for (kind, with, elsewhere, why) in [
            (ChangeKind::Content, vec![], false, None),
            (ChangeKind::Content, vec!["src/b"], false, None),
            (ChangeKind::Content, vec!["src/b", "README"], false, Some(Why::Shared)),
            (ChangeKind::Content, vec![".git/hooks/x"], false, Some(Why::Shared)),
            (ChangeKind::Added, vec![], true, Some(Why::Shared)),
            (ChangeKind::Removed, vec!["README"], true, None),
        ] {
            let with = with.into_iter().map(|path: &str| TreePath(path.into())).collect();
            let change = Change { sharing: Sharing { with, elsewhere }, ..change("src/a", kind) };
            let found = violations(std::slice::from_ref(&change), Some(&writes), &[]);
            assert_eq!(found.first().map(|violation| violation.why), why, "{change:?}");
        }
    }

    #[test]
    fn what_the_kernel_keeps_shut_no_rule_opens_by_itself_either() {
        use crate::policy::judge::{Around, Decision, RuleSet, judge};
        let around = Around { root: "/w".into(), cwd: "/w".into(), ..Around::default() };
        let rules = RuleSet::compile(&[], &[], &["Write".to_owned()]).0;
        for name in never_written() {
            for path in [format!("/w/{name}"), format!("/w/{name}/x")] {
                let input = serde_json::json!({ "file_path": path, "content": "" });
                let verdict = judge(&rules, "Write", &input, &around);
                let is_file = PROTECTED_FILES.contains(&name) && path.ends_with("/x");
                assert!(is_file || verdict.decision != Decision::Allow, "{path}: {verdict:?}");
            }
        }
    }
}
