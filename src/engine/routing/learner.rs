//! What the outcomes of this workspace taught, in memory: the fold of its tries in the order of their numbers, begun from what
//! was kept. Choices read it and never the store.

use std::sync::{Mutex, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::ids::Time;
use crate::routing::catalogue::Catalogue;
use crate::routing::learned::{Learned, Saved};
use crate::store::{self, Backend, StoreError, routing};

use super::lesson::{Lesson, lesson};

/// Tries that are read at once.
const PAGE: usize = 256;
/// So many tries more than those that are kept, and they are kept as well.
const KEEP_EVERY: u64 = 200;
/// A number that is missing may be of a command that has not committed yet. Where the next one is older than this, it is of one
/// that never will.
const COMMITTED_AFTER_MS: i64 = 10_000;

#[derive(Debug, Default)]
pub struct Learner {
    fold: RwLock<Fold>,
    /// One reads at a time.
    turn: Mutex<()>,
    /// Whoever is told a model is taken to have used it.
    assume_followed: bool,
}

#[derive(Debug, Default)]
struct Fold {
    begun: bool,
    generation: u64,
    /// The last try that is in it, and in what was kept.
    upto: u64,
    kept: u64,
    learned: Learned,
}

/// What is kept. Under other settings the same tries teach otherwise, so that it is then of no use.
#[derive(Serialize, Deserialize)]
struct Kept {
    assume_followed: bool,
    learned: Saved,
}

impl Learner {
    pub fn new(assume_followed: bool) -> Self {
        Self { assume_followed, ..Self::default() }
    }

    pub fn has_begun(&self) -> bool {
        self.fold.read().unwrap_or_else(PoisonError::into_inner).begun
    }

    pub fn with<T>(&self, read: impl FnOnce(&Learned) -> T) -> T {
        read(&self.fold.read().unwrap_or_else(PoisonError::into_inner).learned)
    }

    /// Folds in what has ended since.
    pub fn refresh(&self, backend: &dyn Backend, catalogue: &Catalogue, now: Time) -> Result<(), StoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (begun, generation, upto) = {
                let fold = self.fold.read().unwrap_or_else(PoisonError::into_inner);
                (fold.begun, fold.generation, fold.upto)
            };
            let (anew, kept, tries) = store::snapshot(backend, |tx| {
                let (head, newest) = routing::head(tx)?;
                // A store that was put back has fewer tries than were seen.
                let goes_on = begun && head.generation == generation && newest >= upto;
                let anew = if goes_on { None } else { Some(self.beginning(&routing::learned_now(tx)?)) };
                let after = anew.as_ref().map_or(upto, |fold| fold.upto);
                Ok((anew, head.upto, if newest > after { routing::tries_after(tx, after, PAGE)? } else { Vec::new() }))
            })?;
            let page = tries.len();
            let mut last = anew.as_ref().map_or(upto, |fold| fold.upto);
            let mut lessons: Vec<Lesson> = Vec::new();
            let mut folded = 0;
            for known in &tries {
                if known.id != last + 1 && now.0 - known.tried.at.0 < COMMITTED_AFTER_MS {
                    break;
                }
                last = known.id;
                folded += 1;
                lessons.extend(lesson(known, catalogue, self.assume_followed));
            }
            let mut fold = self.fold.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(anew) = anew {
                *fold = anew;
            }
            lessons.iter().for_each(|lesson| lesson.teach(&mut fold.learned));
            fold.upto = last;
            fold.kept = fold.kept.max(kept);
            if page < PAGE || folded < page {
                return Ok(());
            }
        }
    }

    fn beginning(&self, kept: &routing::Learned) -> Fold {
        let known = serde_json::from_str::<Kept>(&kept.body).ok();
        let known = known.filter(|known| known.assume_followed == self.assume_followed);
        let learned = known.and_then(|known| Learned::of(known.learned));
        Fold {
            begun: true,
            generation: kept.generation,
            upto: if learned.is_some() { kept.upto } else { kept.forgotten },
            kept: kept.upto,
            learned: learned.unwrap_or_default(),
        }
    }

    /// Writes it down where much has come in since the last time, so that the next process need not read it all.
    pub fn keep(&self, backend: &dyn Backend, now: Time) -> Result<(), StoreError> {
        let (generation, upto, body) = {
            let fold = self.fold.read().unwrap_or_else(PoisonError::into_inner);
            if fold.upto < fold.kept.saturating_add(KEEP_EVERY) {
                return Ok(());
            }
            (fold.generation, fold.upto, self.body(&fold.learned))
        };
        let forgotten = store::snapshot(backend, routing::head)?.0.forgotten;
        routing::keep(backend, routing::Learned { generation, forgotten, upto, body }, now)?;
        let mut fold = self.fold.write().unwrap_or_else(PoisonError::into_inner);
        fold.kept = fold.kept.max(upto);
        Ok(())
    }

    fn body(&self, learned: &Learned) -> String {
        let kept = Kept { assume_followed: self.assume_followed, learned: learned.saved() };
        serde_json::to_string(&kept).unwrap_or_default()
    }

    /// As it would be kept.
    pub fn saved(&self) -> Option<Box<RawValue>> {
        self.with(|learned| serde_json::value::to_raw_value(&learned.saved()).ok())
    }
}
