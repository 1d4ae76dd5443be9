//! Bash itself: many texts in one process, each in a subshell and a folder of its own. No program is found, so bash
//! hands each name with its arguments to one function, which writes them down.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Much more than a batch takes; what runs longer hangs.
const BATCH_SECONDS_MAX: u64 = 120;

const DRIVER: &str = r#"
PATH=$PWD/none
command_not_found_handle() {
  # A line break would end a write, and another process could write in between.
  builtin printf '%s\0' "$#" "$PWD" "${@//$'\n'/$'\x02'}" >>"$differential_log" || builtin kill -9 0
  return "$differential_status"
}
mapfile -d '' -t differential_texts <texts
readonly differential_base=$PWD differential_status=$1
# Each text is a process group: one that writes without end, in whatever loop, ends itself.
set -m
for differential_at in "${!differential_texts[@]}"; do
  (
    trap '' XFSZ
    ulimit -S -t 1 -f 8
    cd "$differential_base/runs/$differential_at/a/b" || exit
    HOME=$PWD OLDPWD=$PWD
    readonly differential_log=$differential_base/runs/$differential_at/log
    eval "${differential_texts[differential_at]}"
    wait
  ) </dev/null >/dev/null 2>&1
done
"#;

/// What one run of one text did.
#[derive(Debug, Default)]
pub struct Seen {
    /// The folder, relative to where the run began, and the words.
    pub started: Vec<(String, Vec<Vec<u8>>)>,
    /// Relative to where the run began.
    pub files: BTreeSet<String>,
}

pub struct Batch {
    folder: tempfile::TempDir,
    child: Child,
    texts: usize,
    begun: Instant,
}

impl Batch {
    /// `status`: how each program ends.
    pub fn start(texts: &[String], status: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let joined: Vec<u8> = texts.iter().flat_map(|text| text.bytes().chain([0])).collect();
        std::fs::write(base.join("texts"), joined).unwrap();
        for at in 0..texts.len() {
            let run = start_of(&base, at);
            std::fs::create_dir_all(run.join("sub/sub")).unwrap();
            std::fs::write(run.join("in1"), "").unwrap();
        }
        let child = Command::new("bash")
            .args(["--norc", "--noprofile", "-c", DRIVER, "bash", &status.to_string()])
            .current_dir(&base)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("FUNCNEST", "4")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("bash starts");
        Self { folder, child, texts: texts.len(), begun: Instant::now() }
    }

    pub fn finish(mut self) -> Vec<Seen> {
        while self.child.try_wait().unwrap().is_none() {
            if self.begun.elapsed() > Duration::from_secs(BATCH_SECONDS_MAX) {
                self.child.kill().unwrap();
                panic!("a batch of texts hangs in {}", self.folder.keep().display());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let base = self.folder.path().canonicalize().unwrap();
        (0..self.texts).map(|at| seen(&start_of(&base, at))).collect()
    }
}

fn start_of(base: &Path, at: usize) -> PathBuf {
    base.join(format!("runs/{at}/a/b"))
}

fn seen(start: &Path) -> Seen {
    let mut log = std::fs::read(start.join("../../log")).unwrap_or_default();
    log.iter_mut().filter(|byte| **byte == 2).for_each(|byte| *byte = b'\n');
    let mut fields: Vec<&[u8]> = log.split(|byte| *byte == 0).collect();
    // Nothing stands behind the last NUL, unless a text without end was stopped while it wrote.
    fields.pop();
    let mut fields = fields.into_iter();
    let mut started = Vec::new();
    while let Some(count) = fields.next().and_then(|count| std::str::from_utf8(count).ok()?.parse::<usize>().ok())
        && fields.len() > count
    {
        let folder = PathBuf::from(String::from_utf8(fields.next().unwrap_or_default().to_vec()).unwrap());
        let folder = folder.strip_prefix(start).map_or("?".to_owned(), |folder| folder.display().to_string());
        started.push((folder, fields.by_ref().take(count).map(<[u8]>::to_vec).collect()));
    }
    let mut files = BTreeSet::new();
    let mut open = vec![start.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else if entry.path() != start.join("in1") {
                files.insert(entry.path().strip_prefix(start).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    Seen { started, files }
}
