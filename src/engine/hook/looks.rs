//! Looks at the work tree between the hooks that take them and those that ask for them: first in memory, and in a file once
//! the client has its answer, for a process that comes later. What they say is not here.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::worktree::Snapshot;

#[derive(Default)]
pub struct Looks {
    unsaved: Mutex<HashMap<PathBuf, Arc<Snapshot>>>,
    /// Two that save the same one would be in each other's way.
    saving: Mutex<()>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Looks {
    pub fn keep(&self, file: PathBuf, look: Snapshot) {
        locked(&self.unsaved).insert(file, Arc::new(look));
    }

    pub fn find(&self, file: &Path) -> Option<Arc<Snapshot>> {
        let unsaved = locked(&self.unsaved).get(file).cloned();
        unsaved.or_else(|| Snapshot::load(file).map(Arc::new))
    }

    /// The same, which nobody asks for again.
    pub fn take(&self, file: &Path) -> Option<Arc<Snapshot>> {
        let unsaved = locked(&self.unsaved).remove(file);
        let found = unsaved.or_else(|| Snapshot::load(file).map(Arc::new));
        let _ = std::fs::remove_file(file);
        found
    }

    /// Whatever is in memory only goes into its file.
    pub fn save(&self) {
        let next = || locked(&self.unsaved).iter().next().map(|(file, look)| (file.clone(), Arc::clone(look)));
        if locked(&self.unsaved).is_empty() {
            return;
        }
        let _one_at_a_time = locked(&self.saving);
        while let Some((file, look)) = next() {
            if let Err(why) = look.save(&file) {
                tracing::warn!(why, "a look at the work tree was not kept; what a command changes cannot be told");
            }
            let mut unsaved = locked(&self.unsaved);
            match unsaved.get(&file) {
                Some(newer) if !Arc::ptr_eq(newer, &look) => {}
                Some(_) => drop(unsaved.remove(&file)),
                // Taken meanwhile.
                None => drop(std::fs::remove_file(&file)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::ids::Time;
    use crate::engine::worktree::Skip;

    use super::*;

    fn look(folder: &Path) -> Snapshot {
        Snapshot::take(folder, &Skip::builds(), None, Time(0)).unwrap()
    }

    #[test]
    fn a_look_is_found_in_memory_and_in_its_file_until_it_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("look");
        let (here, later) = (Looks::default(), Looks::default());
        here.keep(file.clone(), look(folder.path()));
        assert!(!file.exists() && here.find(&file).is_some() && later.find(&file).is_none());
        here.save();
        assert!(here.find(&file).is_some() && later.find(&file).is_some());
        assert!(locked(&here.unsaved).is_empty());
        assert!(later.take(&file).is_some() && !file.exists());
        assert!(here.find(&file).is_none() && later.take(&file).is_none());
    }

    #[test]
    fn one_that_is_taken_before_it_is_saved_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let (looks, file) = (Looks::default(), folder.path().join("look"));
        looks.keep(file.clone(), look(folder.path()));
        assert!(looks.take(&file).is_some());
        looks.save();
        assert!(!file.exists() && looks.take(&file).is_none());
    }

    #[test]
    fn of_two_at_the_same_place_the_newer_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (looks, file) = (Looks::default(), folder.path().join("look"));
        let outside = tempfile::tempdir().unwrap();
        looks.keep(file.clone(), look(folder.path()));
        looks.keep(file.clone(), look(outside.path()));
        looks.save();
        let kept = looks.take(&file).unwrap();
        assert_eq!(*kept, look(outside.path()));
    }

    #[test]
    fn takers_and_savers_at_once_lose_nothing_and_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let looks = Looks::default();
        let tree = folder.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (looks, folder, tree) = (&looks, folder.path(), &tree);
                scope.spawn(move || {
                    for turn in 0..50 {
                        let file = folder.join(format!("{thread}-{turn}"));
                        looks.keep(file.clone(), look(tree));
                        looks.save();
                        assert!(looks.take(&file).is_some(), "{thread} {turn}");
                    }
                });
            }
        });
        looks.save();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
