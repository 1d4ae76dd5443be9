//! Gates that look at files and documents: syntax, changed files, the tree's fingerprint, artifacts.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use phasegate::domain::workflow::{GateKind, SyntaxFiles};
use phasegate::engine::gates::changed::{Chosen, changed_files, matching_files};
use phasegate::engine::gates::syntax::{SyntaxReport, check_files};
use phasegate::engine::gates::{self, GateContext, artifact, find, tree};
use serde_json::{Value, json};
use tempfile::TempDir;

fn write(root: &Path, path: &str, text: impl AsRef<[u8]>) {
    let file = root.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    files.iter().for_each(|(path, text)| write(root.path(), path, text));
    root
}

fn environment() -> Vec<(OsString, OsString)> {
    find::clean_environment(std::env::vars_os(), find::PASSED_VARIABLES)
}

fn git(root: &Path, words: &[&str]) {
    let who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"];
    let done = Command::new("git").args(who).args(words).current_dir(root).output().unwrap();
    assert!(done.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn changed(root: &Path) -> Chosen {
    changed_files(root, &environment(), &|| false).unwrap()
}

fn names(chosen: &Chosen) -> Vec<&str> {
    chosen.files.iter().map(|path| path.to_str().unwrap()).collect()
}

fn check(root: &Path, path: &str) -> SyntaxReport {
    check_files(root, &[PathBuf::from(path)], &|| false)
}

#[test]
fn every_language_tells_good_from_bad() {
    let cases = [
        ("a.rs", "fn main() { let x = 1; }\n", "fn main() { let = 1; }\n"),
        ("a.py", "def f(a):\n    return a\n", "def f(a:\n    return a\n"),
        ("a.pyi", "def f(a: int) -> str: ...\n", "class :\n    pass\n"),
        ("a.js", "const a = () => 1;\n", "const a = (=> 1;\n"),
        ("a.jsx", "const a = <b>x</b>;\n", "const a = <b>x</c;\n"),
        ("a.ts", "const a: number = <number>b;\n", "const a: = 1;\n"),
        ("a.mts", "export type A = { b?: string };\n", "export type = { b: };\n"),
        ("a.tsx", "const a = <b c={1 as number}>x</b>;\n", "const a = <b c={}>x</b\n"),
        ("a.go", "package a\n\nfunc f() int { return 1 }\n", "package a\n\nfunc f( int { return 1 }\n"),
        ("a.json", "{\"a\": [1, 2]}\n", "{\"a\": [1, 2}\n"),
        ("e.json", "[1e+5, 1.5E-3]", "[01]"),
        ("b.json", "{\"a\": 1}\n", "{\"a\": 1, // no\n \"b\": 2}\n"),
        ("c.json", "[]", "[] []"),
        ("d.json", "null", ""),
        ("tsconfig.json", "{ // why\n \"a\": [1, ], /* x */\n}\n", "{ // why\n \"a\": \n}\n"),
        (".vscode/settings.json", "{ /* x */ \"a\": 1 }\n", "{ /* x */ \"a\": 1 \n"),
        ("a.jsonc", "// only a comment\n", "// c\n{]\n"),
        ("a.yml", "a:\n  - b: 1\n", "a: [1, 2\nb: }\n"),
        ("a.toml", "[a]\nb = 1\n", "[a\nb = = 1\n"),
        ("b.toml", "\u{feff}a = 1979-05-27\nb = { c = [1,\n 2] }\n", "a = 1 b = 2\n"),
        ("c.toml", "", "a = "),
        ("d.toml", "a.b = 1\na.c = 2\n", "a = 1\na = 2\n"),
        ("b.yml", "a: !Ref x\nb: !Sub [\"${c}\", {c: !GetAtt d.e}]\n", "a: &x 1\nb: *y\n"),
        ("c.yaml", "%YAML 1.2\n---\na: &x [1]\nb: *x\n---\n# two\n- c\n...\n", "a: &x 1\n---\nb: *x\n"),
        ("d.yaml", "", "a: b: c\n"),
        ("e.yaml", "{ a: 1 }\n", "\ta: 1\n"),
        ("b.py", "if a:\n    # c\n    b\n\nelse: c; d\n# e\nx = 1; \\\n  y = 2\n", "def f():\npass\n"),
        ("c.py", "class A:\n\tx = 1\n# c\n\tdef f(self): ...\n", "  x = 1\ny = 2\n"),
        ("d.py", "match a:\n  case 1:\n    b\n  case _: c\n", "x = 1\n  y = 2\n"),
        ("e.py", "print(1); print((1), 2)\nprint >>a, 1\n", "print 1\n"),
        ("f.py", "#!/usr/bin/env python2\nprint 1\n", "#!/usr/bin/env python3\nexec 'a'\n"),
        ("b.rs", "a! { let x = 1; }\nthread_local!(static A: u8 = 1);\n", "use a::b;\nlet x = 1;\n"),
        ("b.js", "for (const a of b) { const { c, d = 1 } = a; let e; }\n", "function f() { const a = 1, b; }\n"),
        ("b.sh", "f() { echo }; }\ncase a in b) ;; esac\n", "}\n"),
        ("c.sh", "echo fi done\nx=1 fi\n\"then\"\n", "fi\n"),
        ("d.sh", "while a; do b; done <c\n", "echo a; done\n"),
        ("a.sh", "if true; then echo a; fi\n", "if true; then echo a; fi; fi )\n"),
        ("script", "#!/usr/bin/env bash\necho a\n", "#!/usr/bin/env bash\necho a )\n"),
        ("tool", "#!/usr/bin/python3 -u\nprint(1)\n", "#!/usr/bin/python3 -u\nprint(1\n"),
    ];
    for (path, good, bad) in cases {
        let root = folder(&[(path, good)]);
        let report = check(root.path(), path);
        assert_eq!((report.checked, report.errors, report.skipped), (1, vec![], vec![]), "{path}");
        write(root.path(), path, bad);
        let report = check(root.path(), path);
        assert!(report.checked == 1 && !report.errors.is_empty() && report.errors.len() <= 3, "{path}: {report:?}");
    }
}

#[test]
fn an_error_names_its_place_and_shows_it() {
    let root = folder(&[("a.json", "{\n\t\"ä\": 1,\n\t\"b\": tru\n}\n")]);
    let error = check(root.path(), "a.json").errors.remove(0);
    assert_eq!((error.line, error.column), (3, 10), "{error:?}");
    assert_eq!(error.excerpt, " \"b\": tru\n         ^");
    assert!(error.message.contains("`true`"), "{}", error.message);
    let root = folder(&[("a.rs", "fn f() -> u8 {\n    let a = 1\n    a\n}\n")]);
    let error = check(root.path(), "a.rs").errors.remove(0);
    assert_eq!(error.message, "Rust: `;` is missing");
}

#[test]
fn what_is_not_checked_is_said() {
    let root = folder(&[("a.txt", "x"), ("bin", "\0\0"), ("latin.py", "")]);
    let outside = folder(&[("x.py", "def (")]);
    write(root.path(), "latin.py", b"x = '\xe4'\n");
    write(root.path(), "big.json", vec![b' '; 2 * 1024 * 1024 + 1]);
    write(root.path(), "nul.py", b"a\0b");
    symlink(outside.path().join("x.py"), root.path().join("out.py")).unwrap();
    symlink(outside.path(), root.path().join("dir")).unwrap();
    symlink("/dev/zero", root.path().join("zero.py")).unwrap();
    let fifo = root.path().join("fifo.py");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let paths =
        ["a.txt", "bin", "latin.py", "big.json", "nul.py", "out.py", "dir/x.py", "zero.py", "fifo.py", "none.py"];
    let report = check_files(root.path(), &paths.map(PathBuf::from), &|| false);
    assert_eq!((report.checked, report.errors.len(), report.skipped.len()), (0, 0, paths.len()), "{report:?}");
    let why = |path: &str| &report.skipped.iter().find(|(skipped, _)| skipped == Path::new(path)).unwrap().1;
    assert!(why("out.py").contains("leads out") && why("dir/x.py").contains("leads out"));
    assert_eq!((why("big.json").as_str(), why("fifo.py").as_str()), ("larger than 2 MB", "not a file"));
}

#[test]
fn hostile_files_take_bounded_time() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "a.json", "[".repeat(2_000_000));
    write(root.path(), "a.rs", "((((".repeat(500_000));
    write(root.path(), "a.py", "if (a:\n ".repeat(200_000));
    write(root.path(), "a.sh", "$(<<a ".repeat(300_000));
    write(root.path(), "a.yml", "- ? [{".repeat(300_000));
    write(root.path(), "a.ts", "<a<b<c(".repeat(280_000));
    for path in ["a.json", "a.rs", "a.py", "a.sh", "a.yml", "a.ts"] {
        let start = Instant::now();
        let report = check(root.path(), path);
        assert!(start.elapsed() < Duration::from_secs(6), "{path} took {:?}", start.elapsed());
        assert!(report.errors.len() + report.skipped.len() >= 1, "{path}");
    }
    assert!(check_files(root.path(), &[PathBuf::from("a.rs")], &|| true).cancelled);
}

#[test]
fn errors_are_at_most_twenty_and_three_a_file() {
    let root = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = (0..10).map(|number| format!("{number}.py").into()).collect();
    files.iter().for_each(|path| write(root.path(), path.to_str().unwrap(), "a b\nc d\ne f\ng h\ni j\n"));
    let report = check_files(root.path(), &files, &|| false);
    assert_eq!(report.errors.len(), 20);
    assert!(report.errors.iter().filter(|error| error.path == files[0]).count() <= 3);
}

#[test]
fn a_repository_without_commits_shows_what_is_not_ignored() {
    let root = folder(&[("a.py", ""), ("b/c.py", ""), ("x.log", ""), (".gitignore", "*.log\n")]);
    git(root.path(), &["init", "-q"]);
    assert_eq!(names(&changed(root.path())), [".gitignore", "a.py", "b/c.py"]);
    git(root.path(), &["add", "a.py"]);
    assert_eq!(names(&changed(root.path())), [".gitignore", "a.py", "b/c.py"]);
    assert_eq!(names(&changed(&root.path().join("b"))), ["c.py"]);
}

#[test]
fn changed_means_edited_staged_renamed_and_untracked_but_not_deleted_or_ignored() {
    let files = ["same.py", "edit.py", "stage.py", "old.py", "gone.py", "gone2.py", "sub/in.py"];
    let root = folder(&files.map(|file| (file, "x = 1\n")));
    let at = root.path();
    write(at, ".gitignore", "*.log\n");
    git(at, &["init", "-q"]);
    git(at, &["add", "."]);
    git(at, &["commit", "-qm", "one"]);
    assert_eq!(changed(at), Chosen::default());
    write(at, "edit.py", "x = 2\n");
    write(at, "stage.py", "x = 2\n");
    git(at, &["add", "stage.py"]);
    git(at, &["mv", "old.py", "neu ä\n.py"]);
    fs::remove_file(at.join("gone.py")).unwrap();
    git(at, &["rm", "-q", "gone2.py"]);
    write(at, "new dir/new.py", "x");
    write(at, "x.log", "x");
    write(at, "info.py", "x");
    write(at, ".git/info/exclude", "info.py\n");
    write(at, "sub/in.py", "x = 3\n");
    let wanted = ["edit.py", "neu ä\n.py", "new dir/new.py", "stage.py", "sub/in.py"];
    assert_eq!(names(&changed(at)), wanted);
    assert_eq!(names(&changed(&at.join("sub"))), ["in.py"]);
    let tree = tempfile::tempdir().unwrap();
    git(at, &["worktree", "add", "-q", tree.path().join("w").to_str().unwrap()]);
    write(&tree.path().join("w"), "same.py", "x = 9\n");
    assert_eq!(names(&changed(&tree.path().join("w"))), ["same.py"]);
    git(at, &["update-index", "--assume-unchanged", "same.py"]);
    assert!(names(&changed(at)).contains(&"same.py"));
    write(at, "nested/n.py", "x");
    git(&at.join("nested"), &["init", "-q"]);
    assert!(names(&changed(at)).contains(&"nested/n.py"));
    git(at, &["update-index", "--split-index"]);
    assert!(names(&changed(at)).contains(&"edit.py"));
}

#[test]
fn the_repositorys_own_configuration_runs_nothing() {
    let root = folder(&[("a.py", "x = 1\n"), ("b.py", "x = 1\n")]);
    let at = root.path();
    git(at, &["init", "-q"]);
    git(at, &["add", "."]);
    git(at, &["commit", "-qm", "one"]);
    let evil = at.join("evil.sh");
    fs::write(&evil, format!("#!/bin/sh\ntouch {}\ncat\n", at.join("pwned").display())).unwrap();
    fs::set_permissions(&evil, PermissionsExt::from_mode(0o755)).unwrap();
    let evil = evil.to_str().unwrap();
    for key in
        ["core.fsmonitor", "filter.x.clean", "filter.x.process", "core.pager", "diff.external", "core.sshCommand"]
    {
        git(at, &["-c", "core.fsmonitor=false", "config", key, evil]);
    }
    write(at, ".gitattributes", "*.py filter=x diff=x\n");
    for hook in ["post-index-change", "fsmonitor-watchman", "pre-commit"] {
        fs::copy(evil, at.join(".git/hooks").join(hook)).unwrap();
    }
    // The same size and a new time: git has to read it, through a filter if it knew of one.
    write(at, "a.py", "x = 2\n");
    write(at, "b.py", "x = 1\n");
    assert_eq!(names(&changed(at)), [".gitattributes", "a.py", "evil.sh"]);
    assert!(!at.join("pwned").exists());
    // The trap itself works: plain git falls into it.
    Command::new("git").args(["status", "--short"]).current_dir(at).output().unwrap();
    assert!(at.join("pwned").exists());
}

#[test]
fn without_git_all_files_are_taken_and_said() {
    let root = folder(&[("a.py", ""), (".hid/b.py", ""), ("c.log", ""), (".gitignore", "*.log"), (".phasegate/x", "")]);
    let chosen = changed(root.path());
    assert_eq!(names(&chosen), [".gitignore", ".hid/b.py", "a.py"]);
    assert!(chosen.note.unwrap().contains("no git repository"));
    (0..5_010).for_each(|number| fs::write(root.path().join(format!("{number}")), "").unwrap());
    let chosen = changed(root.path());
    assert!(chosen.files.len() == 5_000 && chosen.note.unwrap().contains("only the first 5000"));
}

#[test]
fn an_empty_git_folder_is_no_repository_and_a_broken_one_is_not_passed_by() {
    let root = folder(&[("a.py", "")]);
    fs::create_dir(root.path().join(".git")).unwrap();
    assert!(changed(root.path()).note.unwrap().contains("no git repository"));
    assert_eq!(tree::fingerprint(root.path(), &environment()).unwrap().files, 1);
    write(root.path(), ".git/config", "[core]\n");
    assert!(changed_files(root.path(), &environment(), &|| false).unwrap_err().contains("git could not say"));
    assert!(tree::fingerprint(root.path(), &environment()).is_err());
}

#[test]
fn globs_choose_like_a_gitignore_file() {
    let files = ["src/a.rs", "src/b.py", "lib/c.rs", "top.rs", "target/d.rs", "src/gen/e.rs"];
    let root = folder(&files.map(|file| (file, "")));
    write(root.path(), ".gitignore", "target\n");
    let of = |globs: &[&str]| {
        let globs: Vec<String> = globs.iter().map(|glob| (*glob).to_owned()).collect();
        matching_files(root.path(), &globs, &environment(), &|| false).map(|chosen| names(&chosen).join(" "))
    };
    assert_eq!(of(&["**/*.rs"]).unwrap(), "lib/c.rs src/a.rs src/gen/e.rs top.rs");
    assert_eq!(of(&["src/", "!src/gen/"]).unwrap(), "src/a.rs src/b.py");
    assert_eq!(of(&["/*.rs"]).unwrap(), "top.rs");
    assert!(of(&["a[.rs"]).unwrap_err().contains("not valid"));
    let env = environment();
    let ctx = GateContext { root: root.path(), task: "t", phase: "p", gate: "syntax", env: &env };
    let gate = GateKind::Syntax { files: SyntaxFiles::Matching(vec!["*.rs".into()]) };
    assert_eq!(gates::run(&gate, &ctx, &|| false, &|_| ()).summary, "4 files parse");
    write(root.path(), "top.rs", "fn (");
    let report = gates::run(&gate, &ctx, &|| false, &|_| ());
    assert!(!report.passed && !report.error && report.summary.starts_with("top.rs:1 "), "{report:?}");
    assert!(report.detail.contains("top.rs:1:") && report.detail.contains('^'));
}

#[test]
fn the_fingerprint_follows_the_work_tree_and_nothing_else() {
    let root = folder(&[("a.py", "x"), ("b.py", "x"), (".gitignore", "out\n"), (".hid", "x"), ("d/e", "x")]);
    let at = root.path();
    git(at, &["init", "-q"]);
    symlink("a.py", at.join("link")).unwrap();
    let mut last = tree::list(at, &environment()).unwrap();
    assert_eq!((last.print().files, last.print().digest.len()), (6, 64));
    let mut differs = |what: &str, named: &[&str]| {
        let now = tree::list(at, &environment()).unwrap();
        assert_eq!(tree::diff(&last, &now), named, "{what}");
        assert_eq!(last.print().digest == now.print().digest, named.is_empty(), "{what}");
        last = now;
    };
    differs("nothing", &[]);
    std::thread::sleep(Duration::from_millis(20));
    write(at, "a.py", "y");
    differs("edit", &["a.py"]);
    fs::File::open(at.join("b.py")).unwrap().set_modified(SystemTime::now()).unwrap();
    differs("touch", &["b.py"]);
    fs::set_permissions(at.join("b.py"), PermissionsExt::from_mode(0o755)).unwrap();
    differs("chmod", &["b.py"]);
    write(at, "d/new", "x");
    differs("add", &["d/new"]);
    fs::remove_file(at.join("d/e")).unwrap();
    differs("remove", &["d/e"]);
    fs::remove_file(at.join("link")).unwrap();
    symlink("b.py", at.join("link")).unwrap();
    differs("link", &["link"]);
    write(at, "out/x", "x");
    write(at, ".git/note", "x");
    write(at, ".phasegate/db", "x");
    fs::create_dir(at.join("empty")).unwrap();
    differs("ignored", &[]);
    let when = fs::metadata(at.join("a.py")).unwrap().modified().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    write(at, "a.py", "z");
    fs::File::options().write(true).open(at.join("a.py")).unwrap().set_modified(when).unwrap();
    differs("edit with its time set back", &["a.py"]);
    assert!(Command::new("mkfifo").arg(at.join("fifo")).status().unwrap().success());
    differs("fifo", &["fifo"]);
    assert!(tree::fingerprint(&at.join("none"), &environment()).unwrap_err().contains("not a folder"));
}

#[test]
fn no_ignore_file_hides_what_is_tracked_and_none_above_the_repository_hides_anything() {
    let around = folder(&[(".gitignore", "*\n")]);
    // The rules of the workspace, whether it is a repository, and what was tracked before the rules came.
    let cases = [
        ("no repository", "", false, &[][..], "a.py b/c.py"),
        ("a repository", "", true, &[], "a.py b/c.py"),
        ("tracked, then ignored", "*\n", true, &["a.py", "b/c.py"], "a.py b/c.py"),
        ("some tracked, then ignored", "*\n", true, &["b/c.py"], "b/c.py"),
        ("its own rules", "b/\n", true, &[], "a.py"),
    ];
    for (number, (what, rules, is_repository, tracked, wanted)) in cases.into_iter().enumerate() {
        let at = &around.path().join(format!("{number}"));
        write(at, "a.py", "x");
        write(at, "b/c.py", "x");
        if is_repository {
            git(at, &["init", "-q"]);
        }
        tracked.iter().for_each(|path| git(at, &["add", "-f", path]));
        fs::write(at.join(".gitignore"), rules).unwrap();
        let matching = matching_files(at, &["*.py".into()], &environment(), &|| false).unwrap();
        assert_eq!(names(&matching).join(" "), wanted, "{what}");
        let before = tree::list(at, &environment()).unwrap();
        for path in wanted.split(' ') {
            write(at, path, "longer");
        }
        let after = tree::list(at, &environment()).unwrap();
        assert_eq!(tree::diff(&before, &after).join(" "), wanted, "{what}");
        assert!(names(&changed(at)).join(" ").ends_with(wanted), "{what}");
    }
}

#[test]
fn a_part_of_a_repository_obeys_its_rules_unless_they_ignore_the_part_as_a_whole() {
    for (rules, wanted) in
        [("*.log\n/part/x.py\n", "a.py"), ("*\n", "a.py b.log x.py"), ("/part/\n", "a.py b.log x.py")]
    {
        let top = folder(&[(".gitignore", rules), ("part/a.py", "x"), ("part/b.log", "x"), ("part/x.py", "x")]);
        git(top.path(), &["init", "-q"]);
        let part = top.path().join("part");
        assert_eq!(tree::fingerprint(&part, &environment()).unwrap().files, wanted.split(' ').count(), "{rules}");
        assert_eq!(names(&changed(&part)).join(" "), wanted, "{rules}");
        git(top.path(), &["add", "-f", "."]);
        assert_eq!(tree::fingerprint(&part, &environment()).unwrap().files, 3, "{rules}");
    }
}

#[test]
fn the_files_of_a_submodule_are_known_whatever_it_ignores() {
    let (root, other) = (folder(&[("a.py", "x")]), folder(&[("s.py", "x")]));
    for at in [root.path(), other.path()] {
        git(at, &["init", "-q"]);
        git(at, &["add", "."]);
        git(at, &["commit", "-qm", "one"]);
    }
    let from = other.path().to_str().unwrap();
    git(root.path(), &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", from, "sub"]);
    write(root.path(), "sub/.gitignore", "*\n");
    write(root.path(), ".gitignore", "sub\n");
    let before = tree::list(root.path(), &environment()).unwrap();
    write(root.path(), "sub/s.py", "longer");
    assert_eq!(tree::diff(&before, &tree::list(root.path(), &environment()).unwrap()), ["sub/s.py"]);
    fs::remove_file(root.path().join(".git/HEAD")).unwrap();
    assert!(tree::list(root.path(), &environment()).unwrap_err().contains("git could not say"));
}

/// Run by hand in release: `cargo test --release --test it -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn twenty_thousand_files_take_less_than_150_ms() {
    let root = tempfile::tempdir().unwrap();
    for number in 0..20_000 {
        let path = format!("src/{}/{}/file{number}.rs", number % 20, number % 400);
        write(root.path(), &path, "fn f() {}\n");
    }
    write(root.path(), ".gitignore", "target\n*.log\n/out\nnode_modules/\n");
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..7 {
        let start = Instant::now();
        assert_eq!(tree::fingerprint(root.path(), &environment()).unwrap().files, 20_001);
        times.push(start.elapsed());
    }
    times.sort();
    assert!(times[3] < Duration::from_millis(150), "median {:?} of {times:?}", times[3]);
    let message = format!("median {:?} of {times:?}\n", times[3]);
    fs::write(std::env::temp_dir().join("phasegate-fingerprint.txt"), message).unwrap();
}

fn told(schema: Value, content: Value) -> Vec<String> {
    let errors = artifact::validate(&schema, &content).err().unwrap_or_default();
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn an_artifact_is_told_where_it_is_wrong_in_plain_words() {
    let schema = json!({
        "type": "object", "required": ["summary", "findings"], "additionalProperties": false,
        "properties": {
            "summary": {"type": "string", "minLength": 10},
            "level": {"enum": ["low", "high"]},
            "findings": {"type": "object", "properties": {"files": {"type": "array", "items": {"type": "string"}}}}
        }
    });
    assert_eq!(artifact::validate(&schema, &json!({"summary": "long enough", "findings": {}})), Ok(()));
    let content = json!({"summary": "short", "level": "mid", "extra": 1, "findings": {"files": ["a", "b", 3]}});
    let mut errors = told(schema.clone(), content);
    errors.sort();
    assert_eq!(
        errors,
        [
            "findings.files[2]: expected string, found `3`",
            "level: expected one of `[\"low\",\"high\"]`, found `\"mid\"`",
            "summary: expected at least 10 characters, found 5: `\"short\"`",
            "the document: `extra` is not known here; remove it or mend its name",
        ]
    );
    assert_eq!(told(schema, json!({"summary": "long enough"})), ["the document: `findings` is missing; add it"]);
    let schema = json!({"properties": {"a b": {"anyOf": [{"type": "string"}, {"type": "null"}]}}});
    assert_eq!(
        told(schema, json!({"a b": 1})),
        ["[\"a b\"]: `1` is none of the 2 allowed forms; the nearest fails with: expected string, found `1`"]
    );
    fn shared<T: Send + Sync>(_: &T) {}
    let old = json!({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/a",
        "definitions": {"a": {"const": 1}}});
    shared(&artifact::compile(&old).unwrap());
    assert_eq!(told(old, json!(2)), ["the document: expected `1`, found `2`"]);
    let many = json!({"items": {"type": "string"}});
    assert_eq!(told(many, json!(vec![1; 50])).len(), 10);
}

#[test]
fn a_schema_fetches_nothing_and_cannot_run_in_circles() {
    let refused = |schema: Value| artifact::compile(&schema).err().unwrap_or_default();
    for outside in [
        "https://example.org/x.json",
        "file:///etc/passwd",
        "other.json",
        "#/$defs/none",
        "http://json-schema.org/draft-07/schema#",
    ] {
        assert!(refused(json!({"$ref": outside})).contains("nothing is fetched"), "{outside}");
    }
    assert!(refused(json!({"$ref": "#"})).contains("without end"));
    assert!(refused(json!({"properties": {"a": {"anyOf": [{"$ref": "#/properties/a"}]}}})).contains("without end"));
    let a = json!({"$ref": "#/$defs/a", "$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"$ref": "#/$defs/a"}}});
    assert!(refused(a).contains("without end"));
    let tree = json!({"type": "object", "properties": {"next": {"$ref": "#"}}, "additionalProperties": false});
    assert_eq!(told(tree, json!({"next": {"next": {"nxt": 1}}})).len(), 1);
    let mut doubling = serde_json::Map::new();
    doubling.insert("d0".into(), json!({"type": "string"}));
    for level in 1..40 {
        let below = format!("#/$defs/d{}", level - 1);
        doubling.insert(format!("d{level}"), json!({"allOf": [{"$ref": below}, {"$ref": below}]}));
    }
    assert!(refused(json!({"$ref": "#/$defs/d39", "$defs": doubling})).contains("simpler"));
    let mut deep = json!({});
    (0..100).for_each(|_| deep = json!({"not": deep}));
    assert!(refused(deep.clone()).contains("levels deep"));
    assert!(told(json!({}), deep)[0].contains("levels deep"));
    assert!(refused(json!({"type": "strin"})).contains("not valid"));
    assert!(refused(json!({"pattern": "(?=a)b"})).contains("not valid"));
    let start = Instant::now();
    assert_eq!(told(json!({"pattern": "^(a+)+$"}), json!("a".repeat(50_000) + "b")).len(), 1);
    assert!(start.elapsed() < Duration::from_secs(2));
    let chain = |length: usize| {
        let link = |at: usize| (format!("c{at}"), json!({"$ref": format!("#/$defs/c{}", at + 1)}));
        let mut links: serde_json::Map<_, _> = (0..length).map(link).collect();
        links.insert(format!("c{length}"), json!({"type": "string"}));
        json!({"$ref": "#/$defs/c0", "$defs": links})
    };
    assert_eq!(told(chain(120), json!(1)).len(), 1);
    assert!(refused(chain(5000)).contains("references"));
    let mut tree = json!("leaf");
    (0..60).for_each(|_| tree = json!({"next": tree}));
    let schema = json!({"$ref": "#/$defs/n", "$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}}}}});
    assert_eq!(told(schema, tree).len(), 0);
}
