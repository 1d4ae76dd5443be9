//! Which workspace a command means: the nearest `.phasegate/` upwards, else the git root, else the folder itself.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub const STATE_FOLDER: &str = ".phasegate";
pub const WORKFLOW_FILE: &str = "phasegate.yaml";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// The work tree.
    pub root: PathBuf,
    pub state: PathBuf,
}

impl Workspace {
    pub fn find(named: Option<&Path>, here: &Path) -> io::Result<Self> {
        if let Some(named) = named {
            let root = std::fs::canonicalize(named)?;
            if !root.is_dir() {
                return Err(io::Error::new(io::ErrorKind::NotADirectory, "a workspace is a folder"));
            }
            return Ok(Self::at(root));
        }
        let here = std::fs::canonicalize(here)?;
        let upwards = |mark: &str| here.ancestors().find(|folder| folder.join(mark).exists()).map(Path::to_path_buf);
        Ok(Self::at(upwards(STATE_FOLDER).or_else(|| upwards(".git")).unwrap_or(here)))
    }

    /// A git repository that lies nearer to `here` than the folder whose state was found.
    pub fn nearer_git(&self, here: &Path) -> Option<PathBuf> {
        let inside = here.starts_with(&self.root);
        let mut nearer = here.ancestors().take_while(|folder| inside && *folder != self.root);
        nearer.find(|folder| folder.join(".git").exists()).map(Path::to_path_buf)
    }

    fn at(root: PathBuf) -> Self {
        let state = root.join(STATE_FOLDER);
        Self { root, state }
    }

    /// Whether the file system takes `.PHASEGATE` for `.phasegate`.
    pub fn folds_case(&self) -> bool {
        let other = self.state.with_file_name(STATE_FOLDER.to_uppercase());
        let file = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
        file(&other).is_some_and(|found| Some(found) == file(&self.state))
    }

    pub fn workflow_file(&self) -> PathBuf {
        self.root.join(WORKFLOW_FILE)
    }

    /// Keeps git from ever seeing the state, without touching the project's own ignore file.
    pub fn ignore_state(&self) -> io::Result<()> {
        let ignore = self.state.join(".gitignore");
        if self.state.is_dir() && !ignore.exists() {
            std::fs::write(ignore, "*\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_folder_wins_over_the_git_root_and_that_over_here() {
        let temp = tempfile::tempdir().unwrap();
        let top = std::fs::canonicalize(temp.path()).unwrap();
        let deep = top.join("a/b/c");
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(Workspace::find(None, &deep).unwrap().root, deep);
        std::fs::create_dir(top.join(".git")).unwrap();
        assert_eq!(Workspace::find(None, &deep).unwrap().root, top);
        std::fs::create_dir(top.join("a").join(STATE_FOLDER)).unwrap();
        assert_eq!(Workspace::find(None, &deep).unwrap().root, top.join("a"));
        assert_eq!(Workspace::find(Some(&deep), &top).unwrap().root, deep);
        let found = Workspace::find(None, &deep).unwrap();
        assert_eq!(found.nearer_git(&deep), None);
        std::fs::create_dir(top.join("a/b/.git")).unwrap();
        assert_eq!(found.nearer_git(&deep), Some(top.join("a/b")));
        assert_eq!(found.nearer_git(&top), None);
    }
}
