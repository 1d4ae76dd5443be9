//! Sealing: records that are committed get their place in the tree and a signed head, beside the commands and never in
//! their transaction. Several processes may try at once; the store lets one of them through.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::audit::check::{KEY_CHANGED, StoredHead, key_change};
use crate::audit::hash;
use crate::audit::head::Head;
use crate::audit::key::{Signer, VerifierKey};
use crate::audit::note::{Note, NoteError};
use crate::audit::proof;
use crate::audit::tree::{Edge, Tile, WrongTile};
use crate::store::{self, Lock, StoreError, Tx, tree};

use super::Engine;
use super::each_second::EachSecond;
use super::log_key::META;
use super::prove::Stored;

/// Records in one pass: two milliseconds' work, and 64 KB of tiles in one commit, so that whoever writes meanwhile hardly waits.
const PASS_RECORDS: usize = 2_048;
/// Between two passes that nobody waits for: a backlog takes an eighth of a processor and of the disk, and still shrinks by
/// 80,000 records a second.
const BREATH: Duration = Duration::from_millis(20);
/// Heads of the same minute take each other's place, so that a busy year has half a million of them and not thirty.
const HEAD_MS: i64 = 60_000;
/// The kind of the record that explains why a log no longer goes on from what was signed.
const RESTORED: &str = "StoreRestored";

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the key of the log is lost: there is no {path}")]
    KeyLost { path: PathBuf },
    #[error("{path} is not the key that this log is signed with, `{known}`")]
    OtherKey { path: PathBuf, known: String },
    #[error("{path}: {source}")]
    KeyFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("record {found} follows record {after}: what stood between them was removed")]
    Gap { after: u64, found: u64 },
    #[error("record {seq} has no content and was never sealed: it was changed")]
    Blank { seq: u64 },
    #[error(
        "this process signed a head of {signed} records, and the log, whose newest head has {found}, does not go on from it: \
         it was put back or rewritten, and no restoring is on record, so nothing is signed"
    )]
    Rewound { signed: u64, found: u64 },
    #[error("what is sealed does not hold, so nothing is added to it: {0}")]
    Broken(String),
}

impl SealError {
    /// What the person can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Store(error) => error.hint(),
            Self::KeyLost { .. } | Self::OtherKey { .. } => {
                "put the right file back: an older key lies beside it as `log.key.old-…`, and backups of the store hold none; or go on \
                 with a new key: `phasegate audit key --new --reason …`"
            }
            Self::KeyFile { .. } => "check who may read and write that file; only you should",
            Self::Rewound { .. } => {
                "keep a copy of the store and compare it with a head kept elsewhere: `phasegate audit verify --from …`; if you \
                 put the store back yourself, end phasegate and start it again"
            }
            Self::Gap { .. } | Self::Blank { .. } | Self::Broken(_) => {
                "`phasegate audit verify` says what was changed; keep a copy of the store before you mend anything"
            }
        }
    }
}

impl From<WrongTile> for SealError {
    fn from(wrong: WrongTile) -> Self {
        Self::Broken(wrong.to_string())
    }
}

/// What a pass saw and made of it.
struct Draft {
    before: Option<StoredHead>,
    head: StoredHead,
    tiles: Vec<Tile>,
}

impl Engine {
    /// Brings all that is committed now under a head, and gives the newest. Nothing to do costs two short reads.
    pub fn seal(&self) -> Result<Option<StoredHead>, SealError> {
        self.seal_by_passes(|| {})?;
        Ok(self.view(tree::newest_head)?)
    }

    fn seal_by_passes(&self, between: fn()) -> Result<(), SealError> {
        let mut goal = None;
        loop {
            // One at a time in a process: what it signed last is then always older than what it reads.
            let mut last = self.last_head.lock().unwrap_or_else(PoisonError::into_inner);
            let mut goes_on = Ok(());
            let (newest, sealed) = self.view(|tx| {
                goes_on = follows(tx, last.as_ref());
                Ok((tree::last_record(tx)?, tree::sealed_size(tx)?))
            })?;
            goes_on?;
            if sealed >= *goal.get_or_insert(newest) || !self.seal_once(&mut last)? {
                return Ok(());
            }
            drop(last);
            between();
        }
    }

    /// False where there was nothing to seal. Another process may have been first.
    fn seal_once(&self, last: &mut Option<StoredHead>) -> Result<bool, SealError> {
        let signer = self.signer()?;
        let now = self.now();
        let mut made = Ok(None);
        self.view(|tx| {
            made = follows(tx, last.as_ref()).and_then(|()| draft(tx, &signer, now.0));
            Ok(())
        })?;
        let Some(draft) = made? else { return Ok(false) };
        let (head, key) = (draft.head.clone(), signer.verifier().to_string());
        let won = Arc::new(Mutex::new(false));
        let tell = Arc::clone(&won);
        self.backend.write(
            Lock::named([tree::SEALED.to_owned()]),
            Box::new(move |tx| {
                // A key that was changed meanwhile signs nothing that comes after the record of the change.
                let first = tree::newest_head(tx)? == draft.before && store::meta(tx, META)?.as_deref() == Some(&key);
                if first {
                    draft.tiles.iter().try_for_each(|tile| tree::put_tile(tx, tile))?;
                    tree::put_head(tx, &draft.head)?;
                }
                *tell.lock().unwrap_or_else(PoisonError::into_inner) = first;
                Ok(())
            }),
        )?;
        if *won.lock().unwrap_or_else(PoisonError::into_inner) {
            *last = Some(head);
        }
        Ok(true)
    }
}

/// Whether the log goes on from the head that was signed last, or was restored from a backup since.
fn follows(tx: &mut dyn Tx, last: Option<&StoredHead>) -> Result<(), SealError> {
    let Some(last) = last else { return Ok(()) };
    let newest = tree::newest_head(tx)?;
    if newest.as_ref() == Some(last) {
        return Ok(());
    }
    let found = newest.map_or(0, |head| head.size);
    if found >= last.size {
        match proof::range(&mut Stored(tx), 0, last.size) {
            Ok(root) if root.0.as_slice() == last.root => return Ok(()),
            // A tile that cannot be read leads to no root.
            Ok(_) | Err(StoreError::BadRow { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let restored = tree::of_kind(tx, RESTORED, 0)?;
    if restored.first().is_some_and(|(at, _)| at.0 > last.at) {
        return Ok(());
    }
    Err(SealError::Rewound { signed: last.size, found })
}

/// The keys that ours took over from since a head was made, by the records of the changes.
fn former(tx: &mut dyn Tx, signer: &Signer, head: &StoredHead) -> Result<Vec<VerifierKey>, StoreError> {
    let (mut keys, mut newer) = (Vec::new(), signer.verifier().to_string());
    for (_, body) in tree::of_kind(tx, KEY_CHANGED, head.size)? {
        let Some((Some(old), _)) = key_change(body.as_bytes()).filter(|(_, new)| *new == newer) else { continue };
        keys.extend(old.parse());
        newer = old;
    }
    Ok(keys)
}

/// Reads what is not sealed yet, after a check that the tree still leads to the newest head.
fn draft(tx: &mut dyn Tx, signer: &Signer, now: i64) -> Result<Option<Draft>, SealError> {
    let before = tree::newest_head(tx)?;
    let sealed = before.as_ref().map_or(0, |head| head.size);
    let mut edge = Edge::restore(sealed, |level, at| tree::tile(tx, level, at).map_err(SealError::from))?;
    if let Some(head) = &before {
        holds(tx, head, &edge, signer)?;
    }
    let (mut full, mut expected, mut wrong) = (Vec::new(), sealed, None);
    tree::contents(tx, sealed, PASS_RECORDS, &mut |seq, body| {
        if seq != expected + 1 && wrong.is_none() {
            wrong = Some(SealError::Gap { after: expected, found: seq });
        } else if body.is_empty() && wrong.is_none() {
            wrong = Some(SealError::Blank { seq });
        }
        if wrong.is_none() {
            edge.push(hash::leaf(body.as_bytes()), &mut full);
            expected = seq;
        }
        Ok(())
    })?;
    // Nothing goes on after a hole, not even what stands before it: the hole must be seen.
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    if edge.size() == sealed {
        return Ok(None);
    }
    let anchored = tree::is_anchored(tx, sealed)?;
    let number = match &before {
        Some(head) if head.at / HEAD_MS == now / HEAD_MS && !anchored => head.number,
        Some(head) => head.number + 1,
        None => 1,
    };
    let at = before.as_ref().map_or(now, |head| head.at.max(now));
    let root = edge.root();
    let made = u64::try_from(number).ok().map(|number| (number, crate::domain::ids::Time(at)));
    let note = Head { origin: signer.verifier().name.clone(), size: edge.size(), root, made }.sign(signer);
    full.extend(edge.partial());
    let head = StoredHead { size: edge.size(), number, at, root: root.0.to_vec(), note };
    Ok(Some(Draft { before, head, tiles: full }))
}

fn holds(tx: &mut dyn Tx, head: &StoredHead, edge: &Edge, signer: &Signer) -> Result<(), SealError> {
    let broken = |why: String| SealError::Broken(why);
    let note = Note::parse(&head.note).map_err(|error| broken(format!("the newest head: {error}")))?;
    let signed = match note.verify(std::slice::from_ref(signer.verifier())) {
        // After a change of key the newest head bears the old one.
        Err(NoteError::Unsigned(_)) => note.verify(&former(tx, signer, head)?).map(drop),
        signed => signed.map(drop),
    };
    signed.map_err(|error| broken(format!("the newest head: {error}")))?;
    let said = Head::parse(&note.text).map_err(|error| broken(format!("the newest head: {error}")))?;
    if said.size != edge.size() || said.root != edge.root() {
        return Err(broken(format!(
            "the tree of {} records does not lead to the root in the newest head",
            edge.size()
        )));
    }
    Ok(())
}

/// Seals each second in which there was work, and once more when it is dropped.
pub struct Sealer {
    engine: Arc<Engine>,
    thread: Option<EachSecond>,
}

impl Sealer {
    pub fn start(engine: &Arc<Engine>) -> io::Result<Self> {
        let mut told = String::new();
        let seal = move |engine: &Engine| {
            let sealed = engine.seal_by_passes(|| std::thread::sleep(BREATH));
            told = tell(sealed.err(), std::mem::take(&mut told));
        };
        let thread = Some(EachSecond::start("phasegate-sealer", engine, seal)?);
        Ok(Self { engine: Arc::clone(engine), thread })
    }
}

/// Says what is wrong once, not each second.
fn tell(error: Option<SealError>, told: String) -> String {
    let Some(error) = error else { return String::new() };
    let said = error.to_string();
    if said != told {
        tracing::error!(error = said, next = error.hint(), "the log cannot be sealed");
    }
    said
}

impl Drop for Sealer {
    fn drop(&mut self) {
        // The thread ends before the last pass.
        drop(self.thread.take());
        tell(self.engine.seal().err(), String::new());
    }
}
