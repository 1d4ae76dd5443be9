//! A snapshot as a file: each hook is a process of its own. What is damaged, cut or of another version reads as absent;
//! the checksum is against accidents, not against forgers, who are kept from the folder.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{ContentDigest, Entry, EntryKind, Folder, Skip, Snapshot};
use crate::domain::ids::Time;

/// The last byte is the version of the form.
const MARK: &[u8; 8] = b"pgtree\0\x01";
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;
const SUM_BYTES: usize = 8;
const HAS_DIGEST: u8 = 0x80;

const KINDS: [EntryKind; 7] = [
    EntryKind::File,
    EntryKind::Folder,
    EntryKind::Symlink,
    EntryKind::Pipe,
    EntryKind::Socket,
    EntryKind::Device,
    EntryKind::Unreadable,
];

impl Snapshot {
    /// Puts the snapshot in place of what the file held, in one step. A power cut may lose it.
    pub fn save(&self, path: &Path) -> Result<(), String> {
        let told = |error: std::io::Error| {
            format!(
                "the look at the work tree cannot be kept in `{}`: {error}; make room or mend the folder's rights",
                path.display()
            )
        };
        let mut part = path.as_os_str().to_owned();
        part.push(format!(".{}.part", std::process::id()));
        let part = PathBuf::from(part);
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&part)
            .and_then(|mut file| file.write_all(&self.bytes()))
            .and_then(|()| fs::rename(&part, path));
        written.map_err(|error| {
            drop(fs::remove_file(&part));
            told(error)
        })
    }

    /// The snapshot in a file, if there is a whole one of this version.
    pub fn load(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let meta = file.metadata().ok().filter(|meta| meta.is_file() && meta.len() <= FILE_BYTES_MAX)?;
        let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).ok()? + 1);
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Self::of_bytes(&bytes)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Out(Vec::with_capacity(64 * self.len() + 1024));
        out.0.extend_from_slice(MARK);
        out.text(self.root.as_os_str().as_bytes());
        for list in [&self.skip.names, &self.skip.tagged, &self.skip.paths] {
            out.number(list.len() as u64);
            list.iter().for_each(|name| out.text(name.as_bytes()));
        }
        out.signed(self.taken.0);
        out.number(self.folders.len() as u64);
        for folder in &self.folders {
            out.text(&folder.path);
            out.number(folder.entries.len() as u64);
            folder.entries.iter().for_each(|entry| out.entry(entry));
        }
        let sum = checksum(&out.0);
        out.0.extend_from_slice(&sum);
        out.0
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (bytes, sum) = bytes.split_last_chunk::<SUM_BYTES>()?;
        if checksum(bytes) != *sum {
            return None;
        }
        let mut input = In(bytes.strip_prefix(MARK)?);
        let root = PathBuf::from(std::ffi::OsStr::from_bytes(input.text()?));
        let skip = Skip { names: input.names()?, tagged: input.names()?, paths: input.names()? };
        let taken = Time(input.signed()?);
        let folders = input.list(|input| {
            let path = input.text()?.to_vec();
            Some(Folder { path, entries: input.list(In::entry)? })
        })?;
        input.0.is_empty().then_some(Self { root, skip, taken, folders })
    }
}

struct Out(Vec<u8>);

impl Out {
    fn entry(&mut self, entry: &Entry) {
        self.text(&entry.name);
        let kind = KINDS.iter().position(|kind| *kind == entry.kind).and_then(|at| u8::try_from(at).ok()).unwrap_or(0);
        self.0.push(kind | if entry.digest.is_some() { HAS_DIGEST } else { 0 });
        self.number(u64::from(entry.mode));
        self.number(entry.size);
        self.signed(entry.mtime_ns);
        // Mostly the same as the other time.
        self.signed(entry.ctime_ns.wrapping_sub(entry.mtime_ns));
        self.number(entry.inode);
        self.number(entry.links);
        if let Some(digest) = &entry.digest {
            self.0.extend_from_slice(&digest.0);
        }
    }

    fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text);
    }

    /// Seven bits a byte, the low ones first.
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push((number & 0x7f) as u8);
    }

    fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }
}

struct In<'a>(&'a [u8]);

impl<'a> In<'a> {
    fn entry(&mut self) -> Option<Entry> {
        let name = Box::from(self.text()?);
        let kind = self.take(1)?.first().copied()?;
        let mode = u32::try_from(self.number()?).ok()?;
        let (size, mtime_ns) = (self.number()?, self.signed()?);
        let ctime_ns = self.signed()?.wrapping_add(mtime_ns);
        let (inode, links) = (self.number()?, self.number()?);
        let digest = if kind & HAS_DIGEST == 0 { None } else { Some(ContentDigest(self.take(32)?.try_into().ok()?)) };
        let kind = *KINDS.get(usize::from(kind & !HAS_DIGEST))?;
        Some(Entry { name, kind, mode, size, mtime_ns, ctime_ns, inode, links, digest })
    }

    fn names(&mut self) -> Option<Vec<String>> {
        self.list(|input| String::from_utf8(input.text()?.to_vec()).ok())
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.number()?).ok()?;
        // Each takes a byte at least, so that a wrong count asks for no memory that was not written.
        let mut list = Vec::with_capacity(count.min(self.0.len()).min(4096));
        for _ in 0..count {
            list.push(one(self)?);
        }
        Some(list)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }
}

/// Eight bytes at a time, since megabytes are summed between two calls of an agent.
fn checksum(bytes: &[u8]) -> [u8; SUM_BYTES] {
    let (words, rest) = bytes.as_chunks::<8>();
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let sum = words.iter().fold(bytes.len() as u64, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    let sum = rest.iter().fold(sum, |sum, byte| mix(sum, u64::from(*byte) + 1));
    mix(sum, sum >> 32).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Snapshot {
        let entry = |name: &[u8], kind, digest: Option<u8>| Entry {
            name: Box::from(name),
            kind,
            mode: 0o644,
            size: 1 << 40,
            mtime_ns: -5,
            ctime_ns: i64::MAX,
            inode: u64::MAX,
            links: 2,
            digest: digest.map(|byte| ContentDigest([byte; 32])),
        };
        let folders = vec![
            Folder { path: Vec::new(), entries: vec![entry(b"a\xff", EntryKind::File, Some(7))] },
            Folder { path: b"/out/.git".to_vec(), entries: KINDS.map(|kind| entry(b"k", kind, None)).to_vec() },
        ];
        Snapshot { root: PathBuf::from("/r"), skip: Skip::builds(), taken: Time(1_795_000_000_000), folders }
    }

    #[test]
    fn a_file_reads_back_as_it_was_and_is_the_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a.tree");
        fs::write(&path, "something else").unwrap();
        assert_eq!(Snapshot::load(&path), None);
        sample().save(&path).unwrap();
        assert_eq!(Snapshot::load(&path), Some(sample()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
        assert!(sample().save(&temp.path().join("none/a.tree")).unwrap_err().contains("cannot be kept"));
    }

    #[test]
    fn what_is_damaged_or_of_another_version_reads_as_absent() {
        let good = sample().bytes();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(Snapshot::of_bytes(&bad), None, "byte {at}");
            assert_eq!(Snapshot::of_bytes(&good[..at]), None, "cut at {at}");
            // With a sum that fits, the form itself must hold.
            for cut in [&bad[..bad.len() - SUM_BYTES], &good[..at.min(good.len() - SUM_BYTES)]] {
                let whole = [cut, &checksum(cut)].concat();
                drop(Snapshot::of_bytes(&whole));
            }
        }
        let mut newer = good[..good.len() - SUM_BYTES].to_vec();
        newer[7] += 1;
        let newer = [&newer[..], &checksum(&newer)].concat();
        assert_eq!(Snapshot::of_bytes(&newer), None);
    }
}
