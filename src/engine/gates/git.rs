//! Asks git about a work tree with a configuration of our own: the repository's could name programs to run. What the
//! answers are for is in `changed` and `tree`.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::output::one_line;
use super::run::{Cancel, Outcome, Program, run_for_bytes};

const GIT_WITHIN: Duration = Duration::from_secs(30);
const GIT_BYTES: usize = 256 * 1024 * 1024;

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

pub(super) struct Git<'a> {
    pub root: &'a Path,
    pub env: &'a [(OsString, OsString)],
    pub cancel: Cancel<'a>,
}

pub(super) struct Tracked {
    /// From the root, as are the folders.
    pub files: Vec<PathBuf>,
    pub submodules: Vec<PathBuf>,
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

/// The nearest folder, from here upward, that holds a repository. Above the folder itself git goes past what is none;
/// in it only past an empty folder, since a broken repository must not pass for none.
pub(super) fn top(root: &Path) -> Option<&Path> {
    let git = |folder: &Path| folder.join(".git");
    let is_one = |folder: &&Path| git(folder).is_file() || git(folder).join("HEAD").symlink_metadata().is_ok();
    let is_empty = git(root).read_dir().is_ok_and(|mut entries| entries.next().is_none());
    let own = (!is_empty && git(root).symlink_metadata().is_ok()).then_some(root);
    own.or_else(|| root.ancestors().skip(1).find(is_one))
}

impl Git<'_> {
    /// What differs from the last commit, what is untracked, and what the index tells git not to look at.
    pub(super) fn changed(&self) -> Result<Vec<PathBuf>, String> {
        let repository = self.repository()?;
        let prefix = self.root.strip_prefix(&repository.top).unwrap_or(self.root);
        let listed = self.listed(&repository)?;
        Ok(listed.iter().filter_map(|path| path.strip_prefix(prefix).ok()).map(Path::to_path_buf).collect())
    }

    /// What the index names below the root, ignored or not.
    pub(super) fn tracked(&self) -> Result<Tracked, String> {
        let repository = self.repository()?;
        let (_shadow, env) = self.shadowed(&repository)?;
        let staged = self.bytes(&["ls-files", "-z", "--stage", "--", "."], &env)?;
        let mut tracked = Tracked { files: Vec::new(), submodules: Vec::new() };
        for record in staged.split(|byte| *byte == 0) {
            let Some(tab) = record.iter().position(|byte| *byte == b'\t') else { continue };
            let path = PathBuf::from(OsString::from_vec(record.get(tab + 1..).unwrap_or_default().to_vec()));
            if record.starts_with(b"160000 ") {
                tracked.submodules.push(path);
            } else {
                tracked.files.push(path);
            }
        }
        Ok(tracked)
    }

    /// Only asks for places: `rev-parse` reads the configuration, but starts nothing that it names.
    fn repository(&self) -> Result<Repository, String> {
        let paths = ["--show-toplevel", "--git-path", "index", "--git-path", "objects", "--git-path", "info/exclude"];
        let mut argv = vec!["rev-parse", "--path-format=absolute"];
        argv.extend(paths);
        argv.push("--show-object-format");
        let answer = self.text(&argv, &[])?;
        let mut lines = answer.lines();
        let mut next = || lines.next().map(str::to_owned).ok_or("git did not say where the repository is");
        let (top_named, index) = (PathBuf::from(next()?), next()?.into());
        let (objects, exclude) = (next()?.into(), next()?.into());
        let format = next()?;
        if top(self.root) != Some(&top_named) {
            return Err("git names another work tree; check `core.worktree`".into());
        }
        // Empty, with exit code 1, before the first commit.
        let head = self.text(&["rev-parse", "--verify", "--quiet", "HEAD"], &[]).ok();
        let head = head.map(|head| head.trim().to_owned()).filter(|head| head.chars().all(|c| c.is_ascii_hexdigit()));
        Ok(Repository { top: top_named, index, objects, exclude, format, head: head.filter(|head| !head.is_empty()) })
    }

    /// A git folder of our own, and what has git use it.
    fn shadowed(&self, repository: &Repository) -> Result<(Shadow, [(OsString, OsString); 4]), String> {
        let shadow = Shadow::new(repository).map_err(|error| format!("no folder to ask git from: {error}"))?;
        let env = [
            ("GIT_DIR", shadow.folder.as_os_str()),
            ("GIT_WORK_TREE", repository.top.as_os_str()),
            ("GIT_INDEX_FILE", repository.index.as_os_str()),
            ("GIT_OBJECT_DIRECTORY", repository.objects.as_os_str()),
        ];
        let env = env.map(|(name, value)| (OsString::from(name), value.to_owned()));
        Ok((shadow, env))
    }

    /// From the top of the repository.
    fn listed(&self, repository: &Repository) -> Result<Vec<PathBuf>, String> {
        let (_shadow, env) = self.shadowed(repository)?;
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
            ("GIT_DISCOVERY_ACROSS_FILESYSTEM", "1"),
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
        let told = |why: String| format!("git could not say which files there are: {why}");
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
