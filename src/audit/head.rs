//! Signed heads: what the whole log was at one size (C2SP tlog-checkpoint), with one extension line for number and time.

use crate::domain::ids::Time;

use super::hash::Hash;
use super::key::Signer;
use super::note::{Note, NoteError};

/// The word that begins our extension line.
const EXTENSION: &str = "head ";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
    /// Which head of the log it is, and when it was made; none in heads that others made.
    pub made: Option<(u64, Time)>,
}

impl Head {
    fn text(&self) -> String {
        let made = self.made.map(|(number, at)| format!("{EXTENSION}{number} {at}\n"));
        format!("{}\n{}\n{}\n{}", self.origin, self.size, self.root.base64(), made.unwrap_or_default())
    }

    pub fn sign(&self, signer: &Signer) -> String {
        Note::sign(self.text(), signer)
    }

    /// What a note says; whether it was signed is another question.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(NoteError::Form("a head has an origin, a size and a root"));
        };
        let plain = size.bytes().all(|byte| byte.is_ascii_digit()) && (size == "0" || !size.starts_with('0'));
        let size = size.parse().ok().filter(|_| plain).ok_or(NoteError::Form("its size is not a number"))?;
        let root = Hash::from_base64(root).ok_or(NoteError::Form("its root is not 32 bytes in base64"))?;
        if origin.is_empty() {
            return Err(NoteError::Form("its origin is empty"));
        }
        let made = lines.find_map(|line| line.strip_prefix(EXTENSION)?.split_once(' '));
        let made = made.and_then(|(number, at)| Some((number.parse().ok()?, at.parse().ok()?)));
        Ok(Self { origin: origin.to_owned(), size, root, made })
    }

    pub fn at(&self) -> Option<Time> {
        self.made.map(|(_, at)| at)
    }

    pub fn number(&self) -> Option<u64> {
        self.made.map(|(number, _)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::hash;

    #[test]
    fn a_head_reads_what_it_writes() {
        let made = Some((7, Time(1_795_000_000_123)));
        for made in [made, None] {
            let head = Head { origin: "phasegate/ab".to_owned(), size: 12, root: hash::leaf(b"x"), made };
            assert_eq!(Head::parse(&head.text()), Ok(head));
        }
    }

    #[test]
    fn what_is_no_head_is_refused() {
        let root = hash::empty().base64();
        for bad in
            ["a\n1\n".to_owned(), format!("a\n01\n{root}\n"), format!("a\n-1\n{root}\n"), format!("\n1\n{root}\n")]
        {
            assert!(Head::parse(&bad).is_err(), "{bad}");
        }
        let foreign = format!("a\n1\n{root}\nsomething else\n");
        assert_eq!(Head::parse(&foreign).unwrap().made, None);
    }
}
