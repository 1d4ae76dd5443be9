//! What a shell call changed in the work tree, and the changes that its phase does not allow. Finding changes is not
//! here (`engine::worktree`), nor is which of them are violations (`policy::effects`).

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::canonical;
use super::visible::is_hidden;

/// How many paths a message names; the rest is counted.
pub const NAMED_MAX: usize = 20;

/// A path below the work tree, or an absolute one for what belongs to its repository but lies elsewhere. Printed so
/// that it hides nothing and reads back as the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(pub Vec<u8>);

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let coded =
            |f: &mut fmt::Formatter<'_>, bytes: &[u8]| bytes.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"));
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    c if c.is_control() || is_hidden(c) => coded(f, c.encode_utf8(&mut [0; 4]).as_bytes())?,
                    c => fmt::Write::write_char(f, c)?,
                }
            }
            coded(f, chunk.invalid())?;
        }
        Ok(())
    }
}

impl FromStr for TreePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{}` is not a path as phasegate writes it", text.chars().take(80).collect::<String>());
        let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
        while let Some((first, more)) = rest.split_first() {
            rest = more;
            if *first != b'\\' {
                bytes.push(*first);
            } else if let Some(more) = rest.strip_prefix(b"\\") {
                bytes.push(b'\\');
                rest = more;
            } else {
                let (digits, more) =
                    rest.strip_prefix(b"x").and_then(|rest| rest.split_at_checked(2)).ok_or_else(bad)?;
                let byte: [u8; 1] = std::str::from_utf8(digits).ok().and_then(canonical::from_hex).ok_or_else(bad)?;
                bytes.extend(byte);
                rest = more;
            }
        }
        Ok(Self(bytes))
    }
}

/// SHA-256 of what a file holds, or of where a symlink points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentDigest(pub [u8; 32]);

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&canonical::hex(&self.0))
    }
}

impl FromStr for ContentDigest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        canonical::from_hex(text).map(Self).ok_or_else(|| "not 64 hexadecimal digits".to_owned())
    }
}

/// A value that is its own text in JSON.
macro_rules! json_as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string" })
            }
        }
    };
}

json_as_text!(TreePath);
json_as_text!(ContentDigest);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    File,
    Folder,
    Symlink,
    Pipe,
    Socket,
    Device,
    /// It is there, and may not be looked into.
    Unreadable,
}

/// What stood at a path: as much as is needed to tell later whether it stands there again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EntryPrint {
    pub kind: EntryKind,
    /// Permission bits, of files and folders only.
    pub mode: u32,
    pub size: u64,
    /// Names that the file has, here and elsewhere.
    pub links: u64,
    /// Absent where it was never read: too large, unreadable, or its turn had not come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<ContentDigest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    Added,
    Removed,
    /// What the file holds; where it was never read before, its size or times stand for that.
    Content,
    Mode,
    /// A symlink points elsewhere.
    Target,
    /// A file where a folder was, or the like.
    Type,
    /// The system changed something of it that cannot be told: its content may be another behind a time that was set
    /// back.
    Touched,
}

impl ChangeKind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Content => "changed",
            Self::Mode => "mode changed",
            Self::Target => "points elsewhere",
            Self::Type => "became something else",
            Self::Touched => "touched",
        }
    }
}

/// One path that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub path: TreePath,
    pub kind: ChangeKind,
    pub before: Option<EntryPrint>,
    pub after: Option<EntryPrint>,
    pub sharing: Sharing,
}

/// The other names of a file with several: what is written to one is written to all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sharing {
    pub with: Vec<TreePath>,
    /// It has names that the look at the work tree did not meet.
    pub elsewhere: bool,
}

/// Why a change is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// The phase may not write there.
    Outside,
    /// No phase may write there: git hooks and configuration, settings of clients, phasegate's own.
    Protected,
    /// The file has another name where the phase may not write.
    Shared,
}

impl Why {
    pub fn word(self) -> &'static str {
        match self {
            Self::Outside => "outside what the phase may write",
            Self::Protected => "protected in every phase",
            Self::Shared => "the same file stands elsewhere by a hard link",
        }
    }
}

/// A change that the phase does not allow, with what was there before it. It is open until that is there again or a
/// person accepts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    pub path: TreePath,
    pub kind: ChangeKind,
    pub why: Why,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<EntryPrint>,
}

/// A violation as the record names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ViolatedPath {
    pub path: TreePath,
    pub kind: ChangeKind,
    pub why: Why,
}

impl From<&Violation> for ViolatedPath {
    fn from(violation: &Violation) -> Self {
        Self { path: violation.path.clone(), kind: violation.kind, why: violation.why }
    }
}

impl Violation {
    /// Whether it is known that what was there will be recognised; if not, only a person can close the violation.
    pub fn can_be_seen_undone(&self) -> bool {
        match (&self.before, self.why) {
            (None, _) | (_, Why::Shared) => true,
            (Some(before), Why::Outside | Why::Protected) => is_known(before),
        }
    }
}

/// A violation is undone when the path is as it was: an added one gone, another with the same kind, mode and content.
/// Times prove nothing, since a program can set them back. What is committed meanwhile makes no difference.
pub fn still_there(violation: &Violation, now: Option<&EntryPrint>) -> bool {
    match (violation.why, &violation.before, now) {
        (Why::Shared, _, now) => now.is_some_and(|now| now.links > 1),
        (Why::Outside | Why::Protected, None, now) => now.is_some(),
        (Why::Outside | Why::Protected, Some(_), None) => true,
        (Why::Outside | Why::Protected, Some(before), Some(now)) => {
            let same = before.kind == now.kind && before.mode == now.mode && before.digest == now.digest;
            !(same && is_known(before))
        }
    }
}

/// What was found, without the paths that are open already: those keep what was there before the first change.
pub fn fresh(found: Vec<Violation>, open: &[Violation]) -> Vec<Violation> {
    let known: std::collections::BTreeSet<&TreePath> = open.iter().map(|violation| &violation.path).collect();
    found.into_iter().filter(|violation| !known.contains(&violation.path)).collect()
}

/// The first paths of a list, and how many more there are.
pub fn named(violations: &[Violation]) -> String {
    let mut shown: Vec<String> = violations
        .iter()
        .take(NAMED_MAX)
        .map(|violation| format!("`{}` ({}; {})", violation.path, violation.kind.word(), violation.why.word()))
        .collect();
    if let Some(more) = violations.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}

fn is_known(print: &EntryPrint) -> bool {
    match print.kind {
        EntryKind::File | EntryKind::Symlink => print.digest.is_some(),
        EntryKind::Folder | EntryKind::Pipe | EntryKind::Socket | EntryKind::Device => true,
        EntryKind::Unreadable => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(mode: u32, content: Option<u8>) -> EntryPrint {
        let digest = content.map(|byte| ContentDigest([byte; 32]));
        EntryPrint { kind: EntryKind::File, mode, size: 1, links: 1, digest }
    }

    fn violation(path: &str, why: Why, before: Option<EntryPrint>) -> Violation {
        Violation { path: TreePath(path.into()), kind: ChangeKind::Content, why, before }
    }

    #[test]
    fn every_path_reads_back_as_it_was_and_hides_nothing() {
        for (path, shown) in [
            (&b"src/main.rs"[..], "src/main.rs"),
            ("höhe/x y".as_bytes(), "höhe/x y"),
            (b"a\nb", "a\\x0ab"),
            (b"a\\x0ab", "a\\\\x0ab"),
            (b"\xff\xfe/x", "\\xff\\xfe/x"),
            ("\u{202e}x".as_bytes(), "\\xe2\\x80\\xaex"),
            (b"", ""),
        ] {
            let path = TreePath(path.to_vec());
            assert_eq!(path.to_string(), shown);
            assert_eq!(shown.parse::<TreePath>(), Ok(path.clone()));
            let json = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<TreePath>(&json).unwrap(), path, "{json}");
        }
        for bad in ["\\", "\\x", "\\x0", "\\xgg", "\\n", "\\xé"] {
            assert!(bad.parse::<TreePath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_violation_is_undone_only_when_the_same_stands_there_again() {
        let folder = EntryPrint { kind: EntryKind::Folder, ..file(0o755, None) };
        let unreadable = EntryPrint { kind: EntryKind::Unreadable, ..file(0, None) };
        let linked = EntryPrint { links: 2, ..file(0o644, Some(1)) };
        let old = Some(file(0o644, Some(1)));
        for (what, why, before, now, open) in [
            ("added, gone", Why::Outside, None, None, false),
            ("added, there", Why::Outside, None, old.clone(), true),
            ("removed, still", Why::Outside, old.clone(), None, true),
            ("removed, back", Why::Outside, old.clone(), old.clone(), false),
            ("other content", Why::Protected, old.clone(), Some(file(0o644, Some(2))), true),
            ("other mode", Why::Outside, old.clone(), Some(file(0o755, Some(1))), true),
            ("not read now", Why::Outside, old.clone(), Some(file(0o644, None)), true),
            ("never read", Why::Outside, Some(file(0o644, None)), Some(file(0o644, None)), true),
            ("another kind", Why::Outside, old.clone(), Some(folder.clone()), true),
            ("folder's mode", Why::Outside, Some(folder.clone()), Some(folder), false),
            ("never readable", Why::Outside, Some(unreadable.clone()), Some(unreadable), true),
            ("linked, still", Why::Shared, None, Some(linked.clone()), true),
            ("linked, apart", Why::Shared, Some(linked), Some(file(0o600, Some(9))), false),
        ] {
            assert_eq!(still_there(&violation("x", why, before), now.as_ref()), open, "{what}");
        }
    }

    #[test]
    fn an_open_violation_keeps_what_was_there_first() {
        let open = [violation("a", Why::Outside, None)];
        let found = vec![violation("a", Why::Outside, Some(file(0, None))), violation("b", Why::Outside, None)];
        assert_eq!(fresh(found, &open), [violation("b", Why::Outside, None)]);
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let many: Vec<_> = (0..25).map(|at| violation(&format!("f{at}"), Why::Outside, None)).collect();
        assert!(named(&many).ends_with("and 5 more"));
        assert_eq!(named(&many[..1]), "`f0` (changed; outside what the phase may write)");
    }
}
