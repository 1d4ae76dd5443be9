//! Two snapshots side by side. Pure; what the changes mean is judged in `policy::effects`.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::{Entry, Folder, Snapshot};
use crate::domain::violation::{Change, ChangeKind, EntryKind, EntryPrint, Sharing, TreePath};

/// Other names of one file that are told.
const SHARING_MAX: usize = 20;

/// Everything that is not as it was, by path. A folder that came or went is no change by itself: what it holds is.
pub fn changes(before: &Snapshot, after: &Snapshot) -> Vec<Change> {
    let mut found = Vec::new();
    for (old, new) in paired(&before.folders, &after.folders, |a, b| a.path.cmp(&b.path)) {
        let path = old.or(new).map(|folder| folder.path.as_slice()).unwrap_or_default();
        for (old, new) in paired(entries(old), entries(new), |a, b| a.name.cmp(&b.name)) {
            let (Some(kind), Some(entry)) = (change(old, new), old.or(new)) else { continue };
            let path = TreePath(super::joined(path, &entry.name));
            found.push((path, kind, old, new));
        }
    }
    found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let names = names_of(after, found.iter().filter_map(|(_, _, _, new)| *new));
    let print = |entry: Option<&Entry>| -> Option<EntryPrint> { entry.map(Entry::print) };
    found
        .into_iter()
        .map(|(path, kind, old, new)| {
            let sharing = new.map(|new| sharing(&path, new, &names)).unwrap_or_default();
            Change { path, kind, before: print(old), after: print(new), sharing }
        })
        .collect()
}

fn entries(folder: Option<&Folder>) -> &[Entry] {
    folder.map(|folder| folder.entries.as_slice()).unwrap_or_default()
}

/// Two sorted lists as one, with what stands for the same thing together.
fn paired<'a, T>(
    olds: &'a [T],
    news: &'a [T],
    order: impl Fn(&T, &T) -> Ordering,
) -> impl Iterator<Item = (Option<&'a T>, Option<&'a T>)> {
    let (mut olds, mut news) = (olds.iter().peekable(), news.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (olds.peek(), news.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => order(old, new),
        };
        let old = if order.is_le() { olds.next() } else { None };
        let new = if order.is_ge() { news.next() } else { None };
        Some((old, new))
    })
}

fn change(old: Option<&Entry>, new: Option<&Entry>) -> Option<ChangeKind> {
    match (old, new) {
        (None, None) => None,
        (None, Some(new)) => (new.kind != EntryKind::Folder).then_some(ChangeKind::Added),
        (Some(old), None) => (old.kind != EntryKind::Folder).then_some(ChangeKind::Removed),
        (Some(old), Some(new)) if old.kind != new.kind => Some(ChangeKind::Type),
        (Some(old), Some(new)) => match new.kind {
            EntryKind::File => of_file(old, new),
            EntryKind::Symlink => (old.digest != new.digest).then_some(ChangeKind::Target),
            EntryKind::Folder => (old.mode != new.mode).then_some(ChangeKind::Mode),
            EntryKind::Pipe | EntryKind::Socket | EntryKind::Device | EntryKind::Unreadable => None,
        },
    }
}

/// Content that was read decides; where it was not, times stand for it.
fn of_file(old: &Entry, new: &Entry) -> Option<ChangeKind> {
    let mode = (old.mode != new.mode).then_some(ChangeKind::Mode);
    match (old.digest, new.digest) {
        (Some(was), Some(is)) if was != is => Some(ChangeKind::Content),
        (Some(_), Some(_)) => mode,
        _ if old.is_same(new) => None,
        _ if (old.size, old.mtime_ns, old.inode) != (new.size, new.mtime_ns, new.inode) => Some(ChangeKind::Content),
        _ => mode.or(Some(ChangeKind::Touched)),
    }
}

/// For each of these files with several names, the names that the look met.
fn names_of<'a>(after: &Snapshot, changed: impl Iterator<Item = &'a Entry>) -> HashMap<u64, Vec<TreePath>> {
    let several = |entry: &Entry| entry.kind == EntryKind::File && entry.links > 1;
    let mut names: HashMap<u64, Vec<TreePath>> =
        changed.filter(|entry| several(entry)).map(|entry| (entry.inode, Vec::new())).collect();
    if names.is_empty() {
        return names;
    }
    for (folder, entry) in after.entries().filter(|(_, entry)| several(entry)) {
        if let Some(names) = names.get_mut(&entry.inode) {
            names.push(folder.path_of(entry));
        }
    }
    names
}

fn sharing(path: &TreePath, entry: &Entry, names: &HashMap<u64, Vec<TreePath>>) -> Sharing {
    let Some(names) = names.get(&entry.inode).filter(|_| entry.kind == EntryKind::File && entry.links > 1) else {
        return Sharing::default();
    };
    let elsewhere = u64::try_from(names.len()).unwrap_or(u64::MAX) < entry.links;
    Sharing { with: names.iter().filter(|name| *name != path).take(SHARING_MAX).cloned().collect(), elsewhere }
}
