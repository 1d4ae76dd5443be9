//! What the tools of a project write beside its sources: found by the files that name the tool, granted where git ignores
//! it. Running them is not here.

use std::path::{Path, PathBuf};

use super::pattern::name_fits;

/// A tool's mark, and the folders it writes beside the mark.
const TOOLS: [(&[&str], &[&str]); 8] = [
    (&["Cargo.toml"], &["target"]),
    (
        &["package.json"],
        &[
            "node_modules",
            "dist",
            "build",
            "out",
            "coverage",
            ".next",
            ".nuxt",
            ".svelte-kit",
            ".turbo",
            ".cache",
            ".vite",
            ".parcel-cache",
            ".angular",
            ".nyc_output",
        ],
    ),
    (
        &["pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "pytest.ini", "tox.ini"],
        &[
            ".pytest_cache",
            ".mypy_cache",
            ".ruff_cache",
            ".tox",
            ".nox",
            ".venv",
            "venv",
            "__pycache__",
            "build",
            "dist",
            "htmlcov",
            ".hypothesis",
        ],
    ),
    (&["go.mod"], &["bin", "dist"]),
    (&["CMakeLists.txt", "meson.build", "Makefile"], &["build", "out", "obj", "dist"]),
    (&["pom.xml"], &["target"]),
    (&["build.gradle", "build.gradle.kts", "settings.gradle.kts"], &["build", ".gradle"]),
    (&["composer.json"], &["vendor"]),
];
/// Made where they are missing: the first build would fail without. The others are granted only where they are.
const MADE: [&str; 4] = ["target", "node_modules", ".pytest_cache", "build"];
/// Below the home folder, and the file at the root of a project that shows it will be needed; only with network, since
/// what is fetched there others run later.
const FETCHED: [(&str, &str); 8] = [
    (".npm", "package.json"),
    (".cargo/registry", "Cargo.toml"),
    (".cargo/git", "Cargo.toml"),
    (".cache/pip", "requirements.txt"),
    (".cache/uv", "uv.lock"),
    (".cache/yarn", "yarn.lock"),
    ("go/pkg/mod", "go.mod"),
    (".m2/repository", "pom.xml"),
];
/// Packages of a work tree are looked for one and two folders down, in this many folders at most.
const PACKAGES_MAX: usize = 64;
const IGNORE_BYTES_MAX: u64 = 256 * 1024;

/// Folders below `root` that the build tools may write; the missing ones of `MADE` are made by the caller.
pub fn folders(root: &Path) -> Vec<PathBuf> {
    let top = Ignored::over(root);
    let mut found = Vec::new();
    for package in packages(root) {
        let own = if package == root { None } else { Some(Ignored::of(&package)) };
        let in_git = top.in_git;
        for (marks, outputs) in TOOLS {
            if !marks.iter().any(|mark| package.join(mark).is_file()) {
                continue;
            }
            for output in outputs {
                let ignored = top.names(output) || own.as_ref().is_some_and(|own| own.names(output));
                let folder = package.join(output);
                // Outside git nothing says what is made; the two that are always made are taken as such.
                let is_output = if in_git { ignored } else { matches!(*output, "target" | "node_modules") };
                if is_output && (folder.is_dir() || MADE.contains(output)) {
                    found.push(folder);
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Caches of package managers: those that are there, and those that the project's own one would have to make.
pub fn fetched(root: &Path, home: &Path) -> Vec<PathBuf> {
    let needed = FETCHED.iter().map(|(below, mark)| (home.join(below), mark));
    needed.filter(|(folder, mark)| folder.is_dir() || root.join(mark).is_file()).map(|(folder, _)| folder).collect()
}

fn packages(root: &Path) -> Vec<PathBuf> {
    let mut all = vec![root.to_path_buf()];
    let mut at = 0;
    while let Some(folder) = all.get(at).cloned() {
        let depth = folder.components().count().saturating_sub(root.components().count());
        if depth < 2 && all.len() < PACKAGES_MAX {
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            let named = below.filter(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                !name.starts_with('.')
                    && !matches!(&*name, "node_modules" | "target" | "vendor" | "src" | "docs" | "tests")
            });
            all.extend(named.map(|entry| entry.path()).take(PACKAGES_MAX));
            all.truncate(PACKAGES_MAX);
        }
        at += 1;
    }
    all
}

/// Names that an ignore file leaves out, read for whole names only: what it says of paths does not matter here.
struct Ignored {
    in_git: bool,
    names: Vec<String>,
}

impl Ignored {
    /// Of the whole repository that a folder lies in, as far as that is said in it or above it.
    fn over(root: &Path) -> Self {
        let top = root.ancestors().position(|above| above.join(".git").exists());
        let mut all = Self { in_git: top.is_some(), names: Vec::new() };
        for folder in root.ancestors().take(top.unwrap_or(0) + 1) {
            all.names.extend(Self::of(folder).names);
        }
        all
    }

    fn of(folder: &Path) -> Self {
        let mut names = Vec::new();
        for file in [".gitignore", ".git/info/exclude"] {
            let file = folder.join(file);
            if std::fs::metadata(&file).is_ok_and(|found| found.len() <= IGNORE_BYTES_MAX) {
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                names.extend(
                    text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!'])).filter_map(whole_name),
                );
            }
        }
        Self { in_git: folder.join(".git").exists(), names }
    }

    fn names(&self, output: &str) -> bool {
        self.names.iter().any(|name| name_fits(name, output))
    }
}

fn whole_name(line: &str) -> Option<String> {
    let line = line.strip_prefix("**/").or_else(|| line.strip_prefix('/')).unwrap_or(line);
    let line = line.trim_end_matches("/**").trim_end_matches("/*").trim_end_matches('/');
    // `*` alone says nothing of outputs: all of it is ignored, sources too.
    (!line.is_empty() && !line.contains('/') && line != "*").then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_granted_where_the_tool_is_used_and_git_ignores_them() {
        for (files, ignored, expected) in [
            (vec!["Cargo.toml"], "/target\n", vec!["target"]),
            (vec!["Cargo.toml"], "# target\n!target\n", vec![]),
            (vec!["README.md"], "target\n", vec![]),
            (vec!["package.json", "dist/x"], "node_modules/\ndist\n", vec!["dist", "node_modules"]),
            (vec!["package.json", "dist/x"], "node_modules/\n", vec!["node_modules"]),
            (
                vec!["a/package.json", "b/c/Cargo.toml"],
                "node_modules\n**/target/\n",
                vec!["a/node_modules", "b/c/target"],
            ),
            (vec!["pyproject.toml", ".mypy_cache/x"], ".*_cache\n", vec![".mypy_cache", ".pytest_cache"]),
        ] {
            let temp = tempfile::tempdir().unwrap();
            std::fs::create_dir(temp.path().join(".git")).unwrap();
            std::fs::write(temp.path().join(".gitignore"), ignored).unwrap();
            for file in &files {
                let file = temp.path().join(file);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, "").unwrap();
            }
            let expected: Vec<PathBuf> = expected.iter().map(|below| temp.path().join(below)).collect();
            assert_eq!(folders(temp.path()), expected, "{files:?} with {ignored:?}");
        }
    }

    #[test]
    fn a_part_of_a_larger_repository_goes_by_what_that_ignores() {
        let temp = tempfile::tempdir().unwrap();
        let part = temp.path().join("packages/app");
        for folder in [temp.path().join(".git"), part.join("dist")] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(part.join("package.json"), "{}").unwrap();
        std::fs::write(temp.path().join(".gitignore"), "dist/\nnode_modules/\n").unwrap();
        assert_eq!(folders(&part), [part.join("dist"), part.join("node_modules")]);
    }

    #[test]
    fn the_cache_of_a_projects_package_manager_is_granted_before_it_is_there() {
        let temp = tempfile::tempdir().unwrap();
        let (root, home) = (temp.path().join("work"), temp.path().join("home"));
        std::fs::create_dir_all(home.join(".cache/uv")).unwrap();
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("Cargo.toml"), "").unwrap();
        let expected = [".cargo/registry", ".cargo/git", ".cache/uv"].map(|below| home.join(below));
        assert_eq!(fetched(&root, &home), expected);
    }
}
