//! Which folders of a work tree are not looked at: stated ones that builds fill. Git's own folders are not here
//! (`walk`).

/// A skipped folder is noted, and nothing in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skip {
    /// Names of folders, wherever they stand.
    pub names: Vec<String>,
    /// Names of folders that are skipped only where they hold `CACHEDIR.TAG`: plain words that a project may use
    /// itself.
    pub tagged: Vec<String>,
    /// Folders by their path from the root, without slashes at the ends.
    pub paths: Vec<String>,
}

impl Skip {
    /// What the tools of many languages fill by themselves, and phasegate's own state at the root.
    pub fn builds() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            names: owned(&[
                "node_modules",
                "__pycache__",
                ".pytest_cache",
                ".mypy_cache",
                ".ruff_cache",
                ".venv",
                ".tox",
                ".gradle",
                ".terraform",
            ]),
            tagged: owned(&["target"]),
            paths: owned(&[".phasegate"]),
        }
    }

    pub(super) fn has(&self, path: &[u8], name: &[u8], is_tagged: impl FnOnce() -> bool) -> bool {
        let any = |list: &[String], wanted: &[u8]| list.iter().any(|entry| entry.as_bytes() == wanted);
        any(&self.names, name) || any(&self.paths, path) || (any(&self.tagged, name) && is_tagged())
    }
}
