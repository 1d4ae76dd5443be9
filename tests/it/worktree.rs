//! What changed in a work tree, on real files and real git: every edit is found, git's own bookkeeping is none, and
//! what was undone is seen undone.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use phasegate::domain::ids::Time;
use phasegate::domain::violation::{Change, ChangeKind, EntryKind, TreePath, Violation, Why, still_there};
use phasegate::engine::worktree::{Skip, Snapshot, changes, look};
use phasegate::policy::effects::violations;
use proptest::prelude::*;
use tempfile::TempDir;

struct Tree {
    temp: TempDir,
    before: Option<Snapshot>,
}

impl Tree {
    fn new() -> Self {
        Self { temp: tempfile::tempdir().unwrap(), before: None }
    }

    fn root(&self) -> PathBuf {
        self.temp.path().join("tree")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    fn put(&self, path: &str, text: &str) {
        put(&self.at(path), text);
    }

    fn look(&mut self) {
        let root = self.root();
        fs::create_dir_all(&root).unwrap();
        self.before = Some(Snapshot::take(&root, &Skip::builds(), None, now()).unwrap());
    }

    fn changes(&self) -> Vec<Change> {
        let before = self.before.as_ref().unwrap();
        changes(before, &before.again(now()).unwrap())
    }

    fn found(&self) -> Vec<String> {
        told(&self.changes())
    }

    fn violations(&self, writes: &[&str]) -> Vec<Violation> {
        let writes: Vec<String> = writes.iter().map(|glob| (*glob).to_owned()).collect();
        violations(&self.changes(), Some(&writes), &[])
    }

    fn git(&self, arguments: &[&str]) {
        git(&self.root(), arguments);
    }

    fn open(&self, violation: &Violation) -> bool {
        still_there(violation, look(&self.root(), &violation.path).unwrap().as_ref())
    }
}

fn now() -> Time {
    Time(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64)
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn git(root: &Path, arguments: &[&str]) {
    let always = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"];
    let mut command = Command::new("git");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").current_dir(root);
    let output = command.args(always).args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn told(changes: &[Change]) -> Vec<String> {
    changes.iter().map(|change| format!("{} {}", change.kind.word(), change.path)).collect()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Puts a file's write time back to what it was before `write`.
fn unseen(path: &Path, write: impl FnOnce()) {
    let was = fs::metadata(path).unwrap().modified().unwrap();
    write();
    fs::File::options().write(true).open(path).unwrap().set_modified(was).unwrap();
}

#[test]
fn every_edit_is_found_by_its_kind() {
    type Edit = fn(&Tree);
    let edits: [(&str, Edit, &[&str]); 20] = [
        ("nothing", |_| {}, &[]),
        ("a new file", |tree| tree.put("src/new.rs", "x"), &["added src/new.rs"]),
        ("a new deep file", |tree| tree.put("new/deep/x", "x"), &["added new/deep/x"]),
        ("a removed file", |tree| fs::remove_file(tree.at("src/a.rs")).unwrap(), &["removed src/a.rs"]),
        ("more text", |tree| tree.put("src/a.rs", "longer"), &["changed src/a.rs"]),
        ("an ignored file", |tree| tree.put(".env", "KEY=2"), &["changed .env"]),
        (
            "the same length, the time set back",
            |tree| unseen(&tree.at("src/a.rs"), || tree.put("src/a.rs", "z")),
            &["changed src/a.rs"],
        ),
        (
            "the same in a file too large to read",
            |tree| unseen(&tree.at("large"), || drop(fs::File::options().append(true).open(tree.at("large")).unwrap())),
            &["touched large"],
        ),
        ("mode", |tree| mode(&tree.at("src/a.rs"), 0o755), &["mode changed src/a.rs"]),
        ("mode of a folder", |tree| mode(&tree.at("src"), 0o700), &["mode changed src"]),
        (
            "a symlink that points elsewhere",
            |tree| {
                fs::remove_file(tree.at("link")).unwrap();
                symlink("src/b.rs", tree.at("link")).unwrap();
            },
            &["points elsewhere link"],
        ),
        (
            "a symlink in place of a file",
            |tree| {
                fs::remove_file(tree.at("src/a.rs")).unwrap();
                symlink("/etc/passwd", tree.at("src/a.rs")).unwrap();
            },
            &["became something else src/a.rs"],
        ),
        (
            "a folder in place of a file",
            |tree| {
                fs::remove_file(tree.at("src/a.rs")).unwrap();
                tree.put("src/a.rs/x", "x");
            },
            &["became something else src/a.rs", "added src/a.rs/x"],
        ),
        (
            "a move",
            |tree| fs::rename(tree.at("src/a.rs"), tree.at("a.rs")).unwrap(),
            &["added a.rs", "removed src/a.rs"],
        ),
        (
            "a folder moved",
            |tree| fs::rename(tree.at("src"), tree.at("lib")).unwrap(),
            &["added lib/a.rs", "added lib/b.rs", "removed src/a.rs", "removed src/b.rs"],
        ),
        ("an empty folder", |tree| fs::create_dir(tree.at("empty")).unwrap(), &[]),
        ("the same text again", |tree| tree.put("src/a.rs", "a"), &[]),
        ("what builds fill", |tree| tree.put("node_modules/x/y.js", "x"), &[]),
        ("a folder that is only called like one", |tree| tree.put("src/target/x.rs", "x"), &["added src/target/x.rs"]),
        (
            "a build folder with its tag",
            |tree| {
                tree.put("target/debug/x", "x");
                tree.put("target/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55");
            },
            &[],
        ),
    ];
    for (what, edit, expected) in edits {
        let mut tree = Tree::new();
        for (path, text) in [("src/a.rs", "a"), ("src/b.rs", "b"), (".env", "KEY=1"), (".gitignore", ".env\n")] {
            tree.put(path, text);
        }
        tree.put("large", &"x".repeat(2 * 1024 * 1024));
        symlink("src/a.rs", tree.at("link")).unwrap();
        tree.look();
        edit(&tree);
        assert_eq!(tree.found(), expected, "{what}");
    }
}

#[test]
fn gits_own_bookkeeping_is_no_change_and_what_it_obeys_always_is() {
    let mut tree = Tree::new();
    tree.put("README", "one\n");
    tree.git(&["init", "-q", "-b", "main"]);
    tree.git(&["add", "."]);
    tree.git(&["commit", "-qm", "one"]);
    tree.look();
    tree.git(&["checkout", "-qb", "other"]);
    tree.put("README", "two\n");
    tree.git(&["commit", "-qam", "two"]);
    tree.git(&["branch", "--set-upstream-to", "main"]);
    tree.git(&["gc", "-q"]);
    tree.git(&["checkout", "-q", "-"]);
    tree.put("src/a.rs", "a");
    tree.git(&["stash", "-qu"]);
    tree.git(&["stash", "pop", "-q"]);
    tree.git(&["worktree", "add", "-q", "../linked"]);
    // What `git am` leaves for as long as a patch does not fit.
    tree.put(".git/rebase-apply/info", "Author: a\n");
    assert_eq!(tree.found(), ["added src/a.rs"]);
    assert_eq!(tree.violations(&["src/**"]), []);

    for (path, text) in [
        (".git/hooks/pre-commit", "#!/bin/sh\n"),
        (".git/info/attributes", "* filter=x\n"),
        (".git/modules/sub/config", "[core]\n"),
        (".git/modules/sub/hooks/post-checkout", "x"),
        (".git/modules/logs/hooks/post-checkout", "x"),
        (".git/config.worktree", "[core]\n"),
        ("nested/.git/hooks/x", "x"),
    ] {
        tree.look();
        tree.put(path, text);
        assert_eq!(tree.found(), [format!("added {path}")]);
        assert_eq!(tree.violations(&["**"])[0].why, Why::Protected, "{path}");
    }
    tree.look();
    unseen(&tree.at(".git/hooks/pre-commit"), || tree.put(".git/hooks/pre-commit", "#!/bin/xx\n"));
    tree.git(&["config", "core.fsmonitor", "evil"]);
    assert_eq!(tree.found(), ["changed .git/config", "changed .git/hooks/pre-commit"]);
}

#[test]
fn the_git_folder_of_a_linked_work_tree_or_a_submodule_is_watched_where_it_lies() {
    let tree = Tree::new();
    tree.put("README", "one\n");
    tree.git(&["init", "-q"]);
    tree.git(&["add", "."]);
    tree.git(&["commit", "-qm", "one"]);
    let top = tree.root().canonicalize().unwrap();
    let linked = tree.temp.path().join("linked");
    tree.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
    let outer = tree.temp.path().join("outer");
    fs::create_dir(&outer).unwrap();
    git(&outer, &["init", "-q"]);
    git(&outer, &["submodule", "--quiet", "add", top.to_str().unwrap(), "sub"]);
    let outer = outer.canonicalize().unwrap();
    let inside = tree.at("deep/inside");
    fs::create_dir_all(&inside).unwrap();

    for (root, hook) in [
        (&linked, top.join(".git/hooks/evil")),
        (&linked, top.join(".git/worktrees/linked/config.worktree")),
        (&outer.join("sub"), outer.join(".git/modules/sub/hooks/evil")),
        (&inside, top.join(".git/hooks/worse")),
    ] {
        let before = Snapshot::take(root, &Skip::builds(), None, now()).unwrap();
        put(&hook, "x");
        let found = changes(&before, &before.again(now()).unwrap());
        assert_eq!(told(&found), [format!("added {}", hook.display())]);
        assert_eq!(violations(&found, None, &[])[0].why, Why::Protected);
    }
    let before = Snapshot::take(&linked, &Skip::builds(), None, now()).unwrap();
    fs::write(linked.join(".git"), "gitdir: /elsewhere\n").unwrap();
    let found = changes(&before, &before.again(now()).unwrap());
    assert!(violations(&found, None, &[]).iter().any(|found| found.path == TreePath(b".git".to_vec())), "{found:?}");
}

#[test]
fn a_second_name_of_a_file_outside_is_a_violation() {
    let mut tree = Tree::new();
    tree.put("README", "one");
    tree.put("src/own", "x");
    fs::hard_link(tree.at("README"), tree.at("src/readme")).unwrap();
    fs::hard_link(tree.at("src/own"), tree.at("src/again")).unwrap();
    let far = tree.temp.path().join("far");
    fs::write(&far, "far").unwrap();
    tree.look();
    fs::write(tree.at("src/readme"), "other").unwrap();
    fs::write(tree.at("src/own"), "y").unwrap();
    fs::hard_link(&far, tree.at("src/far")).unwrap();
    let found: Vec<_> = tree.violations(&["src/**"]).iter().map(|v| (v.path.to_string(), v.why)).collect();
    let expected = [("README", Why::Outside), ("src/far", Why::Shared), ("src/readme", Why::Shared)];
    assert_eq!(found, expected.map(|(path, why)| (path.to_owned(), why)));
    fs::remove_file(tree.at("src/far")).unwrap();
    let shared = tree.violations(&["src/**"]);
    assert!(shared.iter().all(|violation| tree.open(violation)), "{shared:?}");
}

#[test]
fn what_is_put_back_is_undone_and_what_only_looks_like_it_is_not() {
    let mut tree = Tree::new();
    for path in ["README", "gone", "moded", "faked"] {
        tree.put(path, "one");
    }
    symlink("README", tree.at("link")).unwrap();
    tree.git(&["init", "-q"]);
    tree.git(&["add", "."]);
    tree.git(&["commit", "-qm", "one"]);
    tree.look();
    tree.put("README", "two");
    tree.put("new", "x");
    fs::remove_file(tree.at("gone")).unwrap();
    mode(&tree.at("moded"), 0o755);
    unseen(&tree.at("faked"), || tree.put("faked", "eno"));
    fs::remove_file(tree.at("link")).unwrap();
    symlink("gone", tree.at("link")).unwrap();
    let found = tree.violations(&["src/**"]);
    assert_eq!(found.len(), 6, "{found:?}");
    assert!(found.iter().all(|violation| tree.open(violation) && violation.can_be_seen_undone()), "{found:?}");

    // To commit is not to undo.
    tree.git(&["add", "."]);
    tree.git(&["commit", "-qm", "two"]);
    assert!(found.iter().all(|violation| tree.open(violation)));
    tree.git(&["reset", "-q", "--hard", "HEAD^"]);
    let left: Vec<_> = found.iter().filter(|violation| tree.open(violation)).collect();
    assert!(left.is_empty(), "{left:?}");
    // A path behind a symlink is not the path.
    fs::create_dir(tree.at("real")).unwrap();
    tree.put("real/x", "x");
    symlink("real", tree.at("way")).unwrap();
    assert_eq!(look(&tree.root(), &TreePath(b"way/x".to_vec())).unwrap(), None);
}

#[test]
fn a_kept_look_serves_another_process() {
    let mut tree = Tree::new();
    for at in 0..50 {
        tree.put(&format!("d{}/f{at}", at % 7), "x");
    }
    tree.look();
    let kept = tree.temp.path().join("kept");
    let before = tree.before.take().unwrap();
    before.save(&kept).unwrap();
    let loaded = Snapshot::load(&kept).unwrap();
    assert_eq!(loaded, before);
    tree.put("d1/new", "x");
    tree.before = Some(loaded);
    assert_eq!(tree.found(), ["added d1/new"]);
}

#[test]
fn odd_entries_neither_stop_nor_lead_astray() {
    let mut tree = Tree::new();
    tree.put("a/x", "x");
    symlink("..", tree.at("a/up")).unwrap();
    symlink("loop", tree.at("loop")).unwrap();
    symlink("/", tree.at("all")).unwrap();
    // To open a pipe would wait for a writer.
    rustix::fs::mkfifoat(rustix::fs::CWD, tree.at("pipe"), rustix::fs::Mode::from_raw_mode(0o644)).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(tree.at("socket")).unwrap();
    // Larger than any disk here: it is never read.
    fs::File::create(tree.at("huge")).unwrap().set_len(1 << 40).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"odd\xff\n");
    fs::write(tree.root().join(odd), "x").unwrap();
    tree.look();
    let deep = "deep/".repeat(60);
    tree.put(&format!("{deep}x"), "x");
    fs::write(tree.root().join(odd), "yy").unwrap();
    fs::remove_file(tree.at("pipe")).unwrap();
    assert_eq!(tree.found(), [format!("added {deep}x"), "changed odd\\xff\\x0a".to_owned(), "removed pipe".to_owned()]);
    let huge = look(&tree.root(), &TreePath(b"huge".to_vec())).unwrap().unwrap();
    assert_eq!((huge.kind, huge.size, huge.digest), (EntryKind::File, 1 << 40, None));
    assert!(
        Snapshot::take(&tree.at("none"), &Skip::builds(), None, now()).unwrap_err().contains("cannot be looked at")
    );
}

#[test]
fn a_folder_that_may_not_be_read_is_told_and_its_closing_is_a_change() {
    let mut tree = Tree::new();
    tree.put("shut/x", "x");
    tree.put("later/x", "x");
    mode(&tree.at("shut"), 0);
    if fs::read_dir(tree.at("shut")).is_ok() {
        // Whoever runs this may read everything.
        return;
    }
    tree.look();
    let unreadable: Vec<_> = tree.before.as_ref().unwrap().unreadable().iter().map(TreePath::to_string).collect();
    assert_eq!(unreadable, ["shut"]);
    mode(&tree.at("later"), 0);
    assert_eq!(tree.found(), ["became something else later", "removed later/x"]);
    for folder in ["shut", "later"] {
        mode(&tree.at(folder), 0o755);
    }
}

#[test]
fn looks_come_to_know_all_files_and_read_none_twice() {
    let mut tree = Tree::new();
    for at in 0..600 {
        tree.put(&format!("d{}/f{at}", at % 9), &at.to_string());
    }
    // Files of this very moment are read again: wait until they are of the past.
    let written = fs::metadata(tree.at("d5/f599")).unwrap_or_else(|_| fs::metadata(tree.at("d0/f0")).unwrap()).ctime();
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while now().0 < (written + 2) * 1000 && std::time::Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    tree.look();
    let mut known = tree.before.take().unwrap();
    let mut counts = vec![known.read_files()];
    for _ in 0..3 {
        known = known.again(now()).unwrap();
        counts.push(known.read_files());
    }
    assert_eq!(counts, [256, 512, 600, 600]);
    // A digest that is known is not read again: with no right to read, it stays.
    mode(&tree.at("d0"), 0o755);
    assert_eq!(known.again(now()).unwrap().read_files(), 600);
}

#[derive(Clone, Debug)]
enum Edit {
    Write(u8, u8),
    Remove(u8),
    Mode(u8, bool),
    Link(u8, u8),
    Move(u8, u8),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        (0..12u8, 0..4u8).prop_map(|(path, text)| Edit::Write(path, text)),
        (0..12u8).prop_map(Edit::Remove),
        (0..12u8, any::<bool>()).prop_map(|(path, runs)| Edit::Mode(path, runs)),
        (0..12u8, 0..12u8).prop_map(|(path, to)| Edit::Link(path, to)),
        (0..12u8, 0..12u8).prop_map(|(path, to)| Edit::Move(path, to)),
    ];
    proptest::collection::vec(edit, 0..12)
}

/// Some names lie in the same folder, and some are folders to others.
fn name(path: u8) -> String {
    ["a", "b/c", "b/d", "b/e/f", "g/h", "g/i/j", "k", "l.rs", "b/c2", "g/i2", "m/n", "m/o"][usize::from(path)]
        .to_owned()
}

fn apply(root: &Path, edit: &Edit) {
    let at = |path: u8| root.join(name(path));
    let ready = |path: u8| {
        let path = at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    match *edit {
        Edit::Write(path, text) => {
            // Never through a link: the model knows names only.
            if at(path).is_symlink() {
                fs::remove_file(at(path)).unwrap();
            }
            fs::write(ready(path), text.to_string()).unwrap();
        }
        Edit::Remove(path) => drop(fs::remove_file(at(path))),
        Edit::Mode(path, runs) => {
            if at(path).symlink_metadata().is_ok_and(|meta| meta.is_file()) {
                mode(&at(path), if runs { 0o755 } else { 0o644 });
            }
        }
        Edit::Link(path, to) => {
            drop(fs::remove_file(at(path)));
            symlink(name(to), ready(path)).unwrap();
        }
        Edit::Move(path, to) => {
            if at(path).symlink_metadata().is_ok() {
                fs::rename(at(path), ready(to)).unwrap();
            }
        }
    }
}

/// What stands at each path, read in the plainest way.
fn plain(root: &Path, below: &str, found: &mut BTreeMap<String, (char, u32, Vec<u8>)>) {
    for entry in fs::read_dir(root.join(below)).unwrap().flatten() {
        let path = format!("{below}{}", entry.file_name().to_str().unwrap());
        let meta = entry.metadata().unwrap();
        if meta.is_dir() {
            plain(root, &format!("{path}/"), found);
        } else if meta.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap().into_os_string().into_string().unwrap();
            found.insert(path, ('l', 0, target.into_bytes()));
        } else {
            found.insert(path, ('f', meta.mode() & 0o7777, fs::read(entry.path()).unwrap()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_changes_are_those_that_a_plain_reading_finds(first in edits(), second in edits()) {
        let mut tree = Tree::new();
        fs::create_dir(tree.root()).unwrap();
        first.iter().for_each(|edit| apply(&tree.root(), edit));
        tree.look();
        let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
        plain(&tree.root(), "", &mut old);
        second.iter().for_each(|edit| apply(&tree.root(), edit));
        plain(&tree.root(), "", &mut new);
        let paths: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let mut expected = Vec::new();
        for path in paths {
            let kind = match (old.get(path), new.get(path)) {
                (None, _) => ChangeKind::Added,
                (_, None) => ChangeKind::Removed,
                (Some(was), Some(is)) if was.0 != is.0 => ChangeKind::Type,
                (Some(was), Some(is)) if was.2 != is.2 && was.0 == 'l' => ChangeKind::Target,
                (Some(was), Some(is)) if was.2 != is.2 => ChangeKind::Content,
                (Some(was), Some(is)) if was.1 != is.1 => ChangeKind::Mode,
                _ => continue,
            };
            expected.push(format!("{} {path}", kind.word()));
        }
        prop_assert_eq!(tree.found(), expected);
    }
}
