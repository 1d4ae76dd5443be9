//! Which files a gate is about: those that differ from the last commit, or those that globs name. The repository's
//! own configuration is never read while git looks at files: it could name programs to run.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ignore::gitignore::GitignoreBuilder;

use super::output::one_line;
use super::run::{Cancel, Outcome, Program, run_for_bytes};
use super::tree;

const FILES_MAX: usize = 5_000;
const GIT_WITHIN: Duration = Duration::from_secs(30);
const GIT_BYTES: usize = 32 * 1024 * 1024;

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
    if !root.ancestors().any(|folder| folder.join(".git").symlink_metadata().is_ok()) {
        let mut chosen = walked(&root, &root, |_| true);
        chosen.note = Some(match chosen.note.take() {
            Some(note) => format!("no git repository, so all files were taken; {note}"),
            None => "no git repository, so all files were taken".into(),
        });
        return Ok(chosen);
    }
    let git = Git { root: &root, env, cancel };
    let repository = git.repository()?;
    let listed = git.listed(&repository)?;
    let prefix =
        root.strip_prefix(&repository.top).map_err(|_| "git names another work tree; check `core.worktree`")?;
    let mut chosen = Chosen::default();
    for path in listed {
        let Ok(path) = path.strip_prefix(prefix) else { continue };
        match root.join(path).symlink_metadata() {
            // A repository inside this one: git names only its folder.
            Ok(meta) if meta.is_dir() => {
                let inner = walked(&root, &root.join(path), |_| true);
                chosen.files.extend(inner.files);
                chosen.note = chosen.note.or(inner.note);
            }
            Ok(_) => chosen.files.push(path.to_path_buf()),
            Err(_) => {}
        }
    }
    chosen.files.sort();
    chosen.files.dedup();
    Ok(chosen)
}

/// Files that are not ignored and that one of the globs names, in the syntax of `.gitignore`.
pub fn matching_files(root: &Path, globs: &[String]) -> Result<Chosen, String> {
    let root = root.canonicalize().map_err(|error| format!("the work tree cannot be read: {error}"))?;
    let mut globset = GitignoreBuilder::new(&root);
    globset.allow_unclosed_class(false);
    for glob in globs {
        globset
            .add_line(None, glob)
            .map_err(|error| format!("the glob `{}` is not valid: {error}", one_line(glob, 80)))?;
    }
    let globset = globset.build().map_err(|error| format!("the globs cannot be used: {error}"))?;
    Ok(walked(&root, &root, |path| globset.matched_path_or_any_parents(path, false).is_ignore()))
}

fn walked(root: &Path, from: &Path, wanted: impl Fn(&Path) -> bool) -> Chosen {
    let mut chosen = Chosen::default();
    for found in tree::walk(from).flatten() {
        let is_folder = found.file_type().is_none_or(|kind| kind.is_dir());
        let Ok(path) = found.path().strip_prefix(root) else { continue };
        if is_folder || !wanted(path) {
            continue;
        }
        if chosen.files.len() == FILES_MAX {
            chosen.note = Some(format!("only the first {FILES_MAX} files were taken"));
            break;
        }
        chosen.files.push(path.to_path_buf());
    }
    chosen.files.sort();
    chosen
}

/// The paths in `git status --porcelain=v2 -z`.
fn paths_of(listed: &[u8]) -> impl Iterator<Item = PathBuf> + '_ {
    listed.split(|byte| *byte == 0).filter_map(|record| {
        let fields = match record.first()? {
            b'1' => 9,
            b'u' => 11,
            b'?' => 2,
            _ => return None,
        };
        let path = record.splitn(fields, |byte| *byte == b' ').nth(fields - 1)?;
        let path = path.strip_suffix(b"/").unwrap_or(path);
        Some(PathBuf::from(OsString::from_vec(path.to_vec())))
    })
}

struct Git<'a> {
    root: &'a Path,
    env: &'a [(OsString, OsString)],
    cancel: Cancel<'a>,
}

struct Repository {
    top: PathBuf,
    index: PathBuf,
    objects: PathBuf,
    exclude: PathBuf,
    format: String,
    /// Absent before the first commit.
    head: Option<String>,
}

impl Git<'_> {
    /// Only asks for places: `rev-parse` reads the configuration, but starts nothing that it names.
    fn repository(&self) -> Result<Repository, String> {
        let paths = ["--show-toplevel", "--git-path", "index", "--git-path", "objects", "--git-path", "info/exclude"];
        let mut argv = vec!["rev-parse", "--path-format=absolute"];
        argv.extend(paths);
        argv.push("--show-object-format");
        let answer = self.text(&argv, &[])?;
        let mut lines = answer.lines();
        let mut next = || lines.next().map(str::to_owned).ok_or("git did not say where the repository is");
        let (top, index, objects, exclude) = (next()?.into(), next()?.into(), next()?.into(), next()?.into());
        let format = next()?;
        // Empty, with exit code 1, before the first commit.
        let head = self.text(&["rev-parse", "--verify", "--quiet", "HEAD"], &[]).ok();
        let head = head.map(|head| head.trim().to_owned()).filter(|head| head.chars().all(|c| c.is_ascii_hexdigit()));
        Ok(Repository { top, index, objects, exclude, format, head: head.filter(|head| !head.is_empty()) })
    }

    /// From the top of the repository. Files that the index tells git not to look at are taken as well.
    fn listed(&self, repository: &Repository) -> Result<Vec<PathBuf>, String> {
        let shadow = Shadow::new(repository).map_err(|error| format!("no folder to ask git from: {error}"))?;
        let env = [
            ("GIT_DIR", shadow.folder.as_os_str()),
            ("GIT_WORK_TREE", repository.top.as_os_str()),
            ("GIT_INDEX_FILE", repository.index.as_os_str()),
            ("GIT_OBJECT_DIRECTORY", repository.objects.as_os_str()),
        ];
        let env = env.map(|(name, value)| (OsString::from(name), value.to_owned()));
        let argv = [
            "status",
            "--porcelain=v2",
            "-z",
            "--untracked-files=all",
            "--no-renames",
            "--ignore-submodules=all",
            "--no-ahead-behind",
            "--",
            ".",
        ];
        let mut paths: Vec<PathBuf> = paths_of(&self.bytes(&argv, &env)?).collect();
        let tagged = self.bytes(&["ls-files", "-z", "-v", "--full-name", "--", "."], &env)?;
        let unwatched = |record: &&[u8]| record.first().is_some_and(|tag| tag.is_ascii_lowercase() || *tag == b'S');
        let unwatched = tagged.split(|byte| *byte == 0).filter(unwatched).filter_map(|record| record.get(2..));
        paths.extend(unwatched.map(|path| PathBuf::from(OsString::from_vec(path.to_vec()))));
        Ok(paths)
    }

    fn text(&self, arguments: &[&str], env: &[(OsString, OsString)]) -> Result<String, String> {
        String::from_utf8(self.bytes(arguments, env)?).map_err(|_| "git named a path that is not UTF-8".into())
    }

    fn bytes(&self, arguments: &[&str], more: &[(OsString, OsString)]) -> Result<Vec<u8>, String> {
        let always = [
            "git",
            "--no-optional-locks",
            "--no-pager",
            "-c",
            "core.quotepath=off",
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "safe.directory=*",
            "-c",
            "protocol.allow=never",
        ];
        let argv: Vec<String> = always.iter().chain(arguments).map(|word| (*word).to_owned()).collect();
        let own = [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("HOME", "/nonexistent"),
            ("LC_ALL", "C"),
        ];
        // What a git needs that is only a signpost to the real one, as on macOS.
        let kept = |name: &OsString| ["PATH", "TMPDIR", "DEVELOPER_DIR"].iter().any(|wanted| name == wanted);
        let mut env: Vec<(OsString, OsString)> = self.env.iter().filter(|(name, _)| kept(name)).cloned().collect();
        env.extend(own.map(|(name, value)| (name.into(), value.into())));
        env.extend_from_slice(more);
        let program =
            Program { argv: &argv, root: self.root, env: &env, within: GIT_WITHIN, stdin: None, stderr_apart: true };
        let told = |why: String| format!("git could not say which files changed: {why}");
        let (outcome, bytes, errors) = run_for_bytes(&program, GIT_BYTES, self.cancel).map_err(told)?;
        match outcome {
            Outcome::Exited(0) => Ok(bytes),
            Outcome::Exited(code) => Err(told(format!("exit code {code}: {}", one_line(&errors, 300)))),
            Outcome::Signalled(signal) => Err(told(format!("it was killed by signal {signal}"))),
            Outcome::TimedOut => Err(told(format!("it did not end within {} s", GIT_WITHIN.as_secs()))),
            Outcome::Cancelled => Err("the gate was cancelled".into()),
            Outcome::NotStarted(reason) => Err(told(reason)),
        }
    }
}

/// A git folder of our own in front of the repository's index and objects, so that no filter, monitor, hook or
/// attribute of the repository's configuration exists for git. Removed when dropped.
struct Shadow {
    folder: PathBuf,
}

impl Shadow {
    fn new(repository: &Repository) -> std::io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let (base, process) = (std::env::temp_dir(), std::process::id());
        let folder = loop {
            let folder = base.join(format!("phasegate-git-{process}-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => break folder,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        };
        let shadow = Self { folder };
        let file = |name: &str| shadow.folder.join(name);
        fs::create_dir(file("refs"))?;
        fs::create_dir(file("info"))?;
        let head = repository.head.clone().unwrap_or_else(|| "ref: refs/heads/none".into());
        fs::write(file("HEAD"), head + "\n")?;
        let config = match repository.format.as_str() {
            "sha1" => "[core]\nrepositoryformatversion = 0\nbare = false\n".to_owned(),
            other => format!(
                "[core]\nrepositoryformatversion = 1\nbare = false\n[extensions]\nobjectformat = {}\n",
                other.chars().filter(char::is_ascii_alphanumeric).collect::<String>()
            ),
        };
        fs::write(file("config"), config)?;
        if let Ok(exclude) = fs::read(&repository.exclude) {
            fs::write(file("info/exclude"), exclude)?;
        }
        copy_shared_index(&repository.index, &shadow.folder);
        Ok(shadow)
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        // A folder left in the system's temporary one does no harm.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// A split index keeps most of itself in a second file beside the first.
fn copy_shared_index(index: &Path, folder: &Path) {
    let Some(entries) = index.parent().and_then(|parent| parent.read_dir().ok()) else { return };
    for entry in entries.flatten() {
        if entry.file_name().as_bytes().starts_with(b"sharedindex.") {
            // Without it git says so itself.
            drop(std::os::unix::fs::symlink(entry.path(), folder.join(entry.file_name())));
        }
    }
}
