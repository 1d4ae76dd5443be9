//! Bounds as places of this machine's file system: what is open, what is closed within it, what is hidden.
//! How a kernel is told is not here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::bounds::Bounds;
use super::build;
use super::denied::Denied;
use super::pattern::{self, Opening};

/// Ours and the clients': whoever writes them is not bound any more. Relative to the work tree.
const OWN: [&str; 11] = [
    ".phasegate",
    "phasegate.yaml",
    "phasegate.d",
    ".claude",
    ".mcp.json",
    ".codex",
    ".gemini",
    ".opencode",
    "opencode.json",
    ".cursor",
    ".vscode",
];
/// The same below the home folder: what starts the hooks, or could start others.
const OWN_AT_HOME: [&str; 7] = [
    ".claude/settings.json",
    ".claude/plugins",
    // The client's shell reads them before each command, without bounds.
    ".claude/shell-snapshots",
    ".codex/config.toml",
    ".codex/hooks.json",
    ".gemini/settings.json",
    ".config/opencode",
];
/// What git runs or takes orders from, in its folder.
const GIT_CLOSED: [&str; 5] = ["hooks", "config", "config.worktree", "info", "modules"];
/// Where a work tree says whose it is, and which settings are its own.
const GIT_LINKS: [&str; 3] = ["commondir", "gitdir", "config.worktree"];
/// Made where missing, since a folder that is not there cannot be closed and somebody would make it.
const GIT_MADE: [&str; 2] = ["hooks", "info"];
/// Submodules beyond this are not committed in.
const MODULES_MAX: usize = 64;
const MODULE_DEPTH_MAX: usize = 4;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Every file may be written but the closed ones.
    pub anywhere: bool,
    /// Folders and all below them, or single files.
    pub open: BTreeSet<PathBuf>,
    /// Folders in which some names are open: `shut` holds the entries that are there and are not.
    pub part: BTreeSet<PathBuf>,
    /// In a folder of `part`, what fits and is there.
    pub fitting: BTreeSet<PathBuf>,
    /// There, below something open, and not to be written.
    pub shut: BTreeSet<PathBuf>,
    /// Folders that hold what is shut and could be moved away with it.
    pub held: BTreeSet<PathBuf>,
    pub hidden_files: BTreeSet<PathBuf>,
    pub hidden_folders: BTreeSet<PathBuf>,
    /// What could not be granted, and why.
    pub left_out: Vec<String>,
}

/// The place of things outside the work tree.
#[derive(Clone, Debug)]
pub struct Home(pub Option<PathBuf>);

impl Home {
    pub fn path(&self, root: &Path, text: &str) -> Option<PathBuf> {
        match text.strip_prefix("~/") {
            Some(below) => self.0.as_ref().map(|home| home.join(below)),
            None => Some(root.join(text.strip_prefix("./").unwrap_or(text))),
        }
    }
}

impl Plan {
    /// `root` must be a real path. Folders that are to be written and are not there are made.
    pub fn of(bounds: &Bounds, root: &Path, home: &Home) -> Self {
        let mut plan = Self { anywhere: bounds.writes.is_none(), ..Self::default() };
        for pattern in bounds.writes.iter().flatten() {
            for opening in pattern::openings(root, pattern) {
                plan.grant(root, opening);
            }
        }
        plan.granted(bounds, root, home);
        let writes_something = bounds.writes.as_ref().is_none_or(|writes| !writes.is_empty());
        if let Some(top) = top_of_git(root, home) {
            plan.git(top, writes_something && bounds.build_grants);
        }
        plan.close_entries();
        let at_home: Vec<PathBuf> = home.0.iter().flat_map(|home| OWN_AT_HOME.map(|own| home.join(own))).collect();
        let of_clients = at_home.iter().filter_map(|own| own.parent()).filter(|folder| !folder.ends_with(".config"));
        plan.held.extend(of_clients.filter_map(|folder| std::fs::canonicalize(folder).ok()));
        for own in OWN.map(|own| root.join(own)).into_iter().chain(at_home) {
            plan.close(&own);
        }
        for denied in &bounds.write_denied {
            plan.close(denied);
        }
        plan.deny(bounds, root, home);
        plan
    }

    fn granted(&mut self, bounds: &Bounds, root: &Path, home: &Home) {
        let mut grants: Vec<PathBuf> = bounds.grants.iter().filter_map(|grant| home.path(root, grant)).collect();
        // What lies in another comes after it: an agent could have made a link there.
        grants.sort_by_key(|path| path.components().count());
        for path in grants {
            if self.is_led_by_agents(&path) {
                self.left_out.push(format!("{} is a link, or lies behind one, that agents can make", path.display()));
            } else if path.is_file() || is_device(&path) {
                self.open.insert(path);
            } else {
                // A person wrote it down: it may lead anywhere.
                self.tree(Path::new("/"), &path);
            }
        }
        if bounds.build_grants {
            for folder in build::folders(root) {
                self.tree(root, &folder);
            }
            for folder in home.0.iter().filter(|_| bounds.network).flat_map(|home| build::fetched(root, home)) {
                let real = made(Path::new("/"), &folder).filter(|_| !self.is_led_by_agents(&folder));
                self.open.extend(real);
            }
        }
        for path in bounds.undoing.iter().filter(|path| path.is_relative()).map(|path| root.join(path)) {
            let folder =
                path.parent().filter(|folder| std::fs::canonicalize(folder).is_ok_and(|real| real == **folder));
            let Some(folder) = folder.filter(|_| path.symlink_metadata().is_ok()) else { continue };
            // To remove it takes its folder, which may be as new.
            let below = folder.ancestors().take_while(|above| above.starts_with(root) && *above != root);
            self.part.extend(below.map(Path::to_path_buf));
            self.fitting.insert(path);
        }
    }

    /// Whether a link on the way stands where commands may write.
    fn is_led_by_agents(&self, path: &Path) -> bool {
        let mut links = path.ancestors().filter(|above| above.is_symlink());
        links.any(|link| link.parent().is_some_and(|folder| self.may_write(folder)))
    }

    fn grant(&mut self, root: &Path, opening: Opening) {
        match opening {
            Opening::Tree(folder) => self.tree(root, &folder),
            Opening::Names { folder, name } => {
                let Some(folder) = made(root, &folder) else {
                    self.left_out.push(format!("{} lies behind a link", folder.display()));
                    return;
                };
                let Ok(entries) = std::fs::read_dir(&folder) else { return };
                for entry in entries.flatten() {
                    // A link could lead anywhere; it is not followed.
                    let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
                    if !is_link && pattern::name_fits(&name, &entry.file_name().to_string_lossy()) {
                        self.fitting.insert(entry.path());
                    }
                }
                self.part.insert(folder);
            }
        }
    }

    fn tree(&mut self, within: &Path, folder: &Path) {
        match made(within, folder) {
            Some(folder) => {
                self.open.insert(folder);
            }
            None => self.left_out.push(format!("{} lies behind a link or cannot be made", folder.display())),
        }
    }

    /// Git's folder may be written where files may, but for what git would run.
    fn git(&mut self, root: &Path, is_open: bool) {
        let dot_git = root.join(".git");
        let mut folders = Vec::new();
        if dot_git.is_dir() {
            folders.push(dot_git);
        } else if let Ok(text) = std::fs::read_to_string(&dot_git) {
            // A linked work tree: its own part and the common one lie in the main work tree.
            self.close(&dot_git);
            if let Some(own) =
                text.strip_prefix("gitdir:").and_then(|path| std::fs::canonicalize(root.join(path.trim())).ok())
            {
                let common = std::fs::read_to_string(own.join("commondir")).unwrap_or_default();
                let common = std::fs::canonicalize(own.join(common.trim())).unwrap_or_else(|_| own.clone());
                // Such a file could name any folder of the machine.
                if is_git(&common) && names_back(&own, root) {
                    folders.extend([common, own]);
                }
            }
        }
        for folder in folders {
            self.git_folder(&folder, is_open);
            self.held.insert(folder);
        }
    }

    fn git_folder(&mut self, folder: &Path, is_open: bool) {
        for name in GIT_MADE {
            let _ = std::fs::create_dir(folder.join(name));
        }
        for name in GIT_CLOSED {
            self.close(&folder.join(name));
        }
        let linked = std::fs::read_dir(folder.join("worktrees")).into_iter().flatten().flatten();
        // Who may write the file that leads here needs none of these to make it lead elsewhere.
        let linked = linked.map(|entry| entry.path()).filter(|own| !self.may_write(&place_of(own)));
        for own in linked.chain([folder.to_path_buf()]).collect::<Vec<_>>() {
            for name in GIT_LINKS {
                self.close(&own.join(name));
            }
        }
        if is_open {
            self.open.insert(folder.to_path_buf());
        }
        for module in modules(&folder.join("modules")) {
            self.git_folder(&module, is_open);
        }
    }

    /// What may not be read may not be written either: it is hidden, or lies in what is.
    fn deny(&mut self, bounds: &Bounds, root: &Path, home: &Home) {
        let edits = Denied::of(&bounds.edit_denied, root, home);
        for place in &edits.places {
            self.close(place);
        }
        let reads = Denied::of(&bounds.read_denied, root, home);
        for place in reads.places.iter().chain(&bounds.private) {
            let Ok(place) = std::fs::canonicalize(place) else { continue };
            if root.starts_with(&place) {
                self.left_out.push(format!("{} holds the work tree and cannot be hidden from it", place.display()));
            } else if place.is_dir() {
                self.hidden_folders.insert(place);
            } else {
                self.hidden_files.insert(place);
            }
        }
        self.left_out.extend(edits.left_out.into_iter().chain(reads.left_out));
    }

    fn close_entries(&mut self) {
        for folder in self.part.clone() {
            if self.is_below_open(&folder) {
                continue;
            }
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let stays = self.fitting.contains(&path) || self.open.contains(&path) || self.part.contains(&path);
                if !stays {
                    self.shut.insert(path);
                }
            }
        }
    }

    fn is_below_open(&self, path: &Path) -> bool {
        self.anywhere || path.ancestors().any(|above| self.open.contains(above))
    }

    /// Links cannot be closed themselves; what they lead to is, and all below it, whatever is open there.
    fn close(&mut self, path: &Path) {
        let Ok(path) = std::fs::canonicalize(path) else { return };
        for places in [&mut self.open, &mut self.part, &mut self.fitting] {
            places.retain(|place| !place.starts_with(&path));
        }
        self.shut.insert(path);
    }

    /// By the longest place that says something.
    pub fn may_write(&self, path: &Path) -> bool {
        for above in path.ancestors() {
            if self.shut.contains(above) {
                return false;
            }
            if self.open.contains(above) || self.part.contains(above) || self.fitting.contains(above) {
                return true;
            }
        }
        self.anywhere
    }

    /// Every place that has to be a mount of its own, from above to below: what is open or shut, and the folders between
    /// a shut place and the open one above it, since a folder that is no mount could be moved away with what is in it.
    pub fn mounts(&self) -> BTreeSet<PathBuf> {
        let mut all: BTreeSet<PathBuf> = BTreeSet::new();
        if self.anywhere {
            all.extend(self.held.iter().filter(|folder| self.may_write(folder)).cloned());
        } else {
            // One that lies in another open place needs no mount: files could not be moved between the two.
            let own = self.open.iter().chain(&self.part);
            all.extend(own.filter(|place| !place.parent().is_some_and(|above| self.may_write(above))).cloned());
        }
        for shut in &self.shut {
            if !self.anywhere
                && !shut.ancestors().skip(1).any(|above| self.open.contains(above) || self.part.contains(above))
            {
                continue;
            }
            all.insert(shut.clone());
            let between =
                shut.ancestors().skip(1).take_while(|above| above.parent().is_some_and(|upper| self.may_write(upper)));
            if !self.anywhere {
                all.extend(between.map(Path::to_path_buf));
            }
        }
        all
    }
}

/// The folder that git takes for the top of this work tree: itself, or one above it. Files of the home folder that are kept
/// in git are no part of the work.
fn top_of_git<'a>(root: &'a Path, home: &Home) -> Option<&'a Path> {
    let top = root.ancestors().find(|above| above.join(".git").symlink_metadata().is_ok())?;
    let holds_home = home.0.iter().any(|home| std::fs::canonicalize(home).is_ok_and(|home| home.starts_with(top)));
    (top == root || !holds_home).then_some(top)
}

/// Where a linked work tree of this git folder stands.
fn place_of(own: &Path) -> PathBuf {
    let path = std::fs::read_to_string(own.join("gitdir")).unwrap_or_default();
    let path = own.join(path.trim());
    std::fs::canonicalize(&path).unwrap_or(path)
}

/// Git folders of submodules that are there, by their names, which may have slashes.
fn modules(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut ahead = vec![(folder.to_path_buf(), 0)];
    while let Some((folder, depth)) = ahead.pop() {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path());
        for below in below {
            if is_git(&below) {
                found.push(below);
            } else if depth < MODULE_DEPTH_MAX && found.len() + ahead.len() < MODULES_MAX {
                ahead.push((below, depth + 1));
            }
        }
    }
    found.truncate(MODULES_MAX);
    found
}

fn is_git(folder: &Path) -> bool {
    folder.join("HEAD").is_file() && folder.join("objects").is_dir()
}

/// Whether a git folder says itself that it is of this work tree: a linked one by its path, a submodule by its settings.
fn names_back(own: &Path, root: &Path) -> bool {
    let leads = |path: &str, to: &Path| std::fs::canonicalize(own.join(path.trim())).is_ok_and(|real| real == to);
    let linked = std::fs::read_to_string(own.join("gitdir")).is_ok_and(|path| leads(&path, &root.join(".git")));
    let settings = std::fs::read_to_string(own.join("config")).unwrap_or_default();
    let mut values = settings.lines().filter_map(|line| line.trim().strip_prefix("worktree")?.trim().strip_prefix('='));
    linked || values.any(|path| leads(path.trim().trim_matches('"'), root))
}

fn is_device(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_char_device())
}

/// The real path of a folder, made if it is missing; nothing where it leads out of `within`. In a work tree, which is a real
/// path itself, no link is followed: an agent may have made it, to anywhere that it would have opened.
fn made(within: &Path, folder: &Path) -> Option<PathBuf> {
    let there = folder.ancestors().find(|above| above.symlink_metadata().is_ok())?;
    let real = std::fs::canonicalize(there).ok()?;
    let is_led = within.parent().is_some() && real != there;
    if is_led || !real.starts_with(within) || !real.is_dir() {
        return None;
    }
    let missing = folder.strip_prefix(there).ok()?;
    let real = real.join(missing);
    if missing.as_os_str().is_empty() { Some(real) } else { std::fs::create_dir_all(&real).ok().map(|()| real) }
}
