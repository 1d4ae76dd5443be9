//! Globs in which only `*` is special, read once to be held against many texts, and the pairs of letters by which most of
//! them are ruled out without a search. Forms of globs with more to them are elsewhere.

use memchr::memmem::Finder;

/// Which pairs of neighbouring bytes a text holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairs {
    /// One bit a pair.
    bits: Vec<u64>,
    held: Vec<u16>,
}

/// Pairs that a text must hold to fit a pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Needs(Vec<u16>);

/// Pairs of a pattern that are looked for: enough to tell it from others, and few enough to be quick.
const MAX_NEEDS: usize = 24;

fn place(pair: u16) -> (usize, u64) {
    (usize::from(pair >> 6), 1 << (pair & 63))
}

fn pair(first: u8, second: u8) -> u16 {
    u16::from_be_bytes([first, second])
}

impl Default for Pairs {
    fn default() -> Self {
        Self { bits: vec![0; 1 << 10], held: Vec::new() }
    }
}

impl Pairs {
    pub fn of(text: &str) -> Self {
        let mut pairs = Self::default();
        pairs.add(text.bytes());
        pairs
    }

    /// Those of another text instead.
    pub fn now_of(&mut self, text: &str) {
        for pair in self.held.drain(..) {
            let (word, _) = place(pair);
            if let Some(word) = self.bits.get_mut(word) {
                *word = 0;
            }
        }
        self.add(text.bytes());
    }

    pub fn add(&mut self, bytes: impl Iterator<Item = u8>) {
        let mut before = None;
        for byte in bytes {
            if let Some(before) = before.replace(byte) {
                let pair = pair(before, byte);
                let (word, bit) = place(pair);
                if let Some(word) = self.bits.get_mut(word).filter(|word| **word & bit == 0) {
                    *word |= bit;
                    self.held.push(pair);
                }
            }
        }
    }

    pub fn hold(&self, needs: &Needs) -> bool {
        needs.0.iter().all(|pair| {
            let (word, bit) = place(*pair);
            self.bits.get(word).is_some_and(|word| word & bit != 0)
        })
    }
}

impl Needs {
    /// The last ones first: rules of one kind mostly begin alike.
    pub fn of<'t>(texts: impl DoubleEndedIterator<Item = &'t str>) -> Self {
        let mut needs = Self::default();
        for text in texts.rev() {
            let bytes = text.as_bytes();
            for (first, second) in bytes.iter().zip(bytes.iter().skip(1)).rev() {
                needs.add(*first, *second);
            }
        }
        needs
    }

    pub fn add(&mut self, first: u8, second: u8) {
        let pair = pair(first, second);
        if self.0.len() < MAX_NEEDS && !self.0.contains(&pair) {
            self.0.push(pair);
        }
    }
}

/// `*` is any text, everything else itself.
#[derive(Clone, Debug)]
pub struct Glob {
    /// Up to the first `*`.
    pub first: String,
    /// Between two of them.
    middle: Vec<Finder<'static>>,
    /// After the last; nothing where there is no `*`.
    last: Option<String>,
    /// The last with a blank behind it.
    followed: Finder<'static>,
    pub needs: Needs,
}

impl Glob {
    pub fn read(glob: &str) -> Self {
        let needs = Needs::of(glob.split('*'));
        let Some((first, rest)) = glob.split_once('*') else {
            let followed = Finder::new(" ").into_owned();
            return Self { first: glob.to_owned(), middle: Vec::new(), last: None, followed, needs };
        };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let middle = middle.split('*').filter(|part| !part.is_empty());
        let middle = middle.map(|part| Finder::new(part).into_owned()).collect();
        let followed = Finder::new(&format!("{last} ")).into_owned();
        Self { first: first.to_owned(), middle, last: Some(last.to_owned()), followed, needs }
    }

    pub fn has_star(&self) -> bool {
        self.last.is_some()
    }

    /// Each part is taken where it first fits, which is enough with `*` alone and never goes back.
    pub fn fits(&self, text: &str) -> bool {
        let Some(last) = &self.last else { return self.first == text };
        let Some(rest) = text.as_bytes().strip_prefix(self.first.as_bytes()) else { return false };
        self.after_middle(rest).is_some_and(|rest| rest.ends_with(last.as_bytes()))
    }

    /// The same, where anything may follow behind a blank.
    pub fn fits_a_start(&self, text: &str) -> bool {
        let Some(rest) = text.as_bytes().strip_prefix(self.first.as_bytes()) else { return false };
        let Some(last) = &self.last else { return rest.first().is_none_or(|next| *next == b' ') };
        self.after_middle(rest)
            .is_some_and(|rest| rest.ends_with(last.as_bytes()) || self.followed.find(rest).is_some())
    }

    /// No end of this text can fit, whatever it begins with.
    pub fn misses_all_ends(&self, text: &str) -> bool {
        let Some(last) = &self.last else { return false };
        self.after_middle(text.as_bytes()).is_none_or(|rest| memchr::memmem::find(rest, last.as_bytes()).is_none())
    }

    fn after_middle<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        let mut rest = text;
        for part in &self.middle {
            let at = part.find(rest)?;
            rest = rest.get(at + part.needle().len()..)?;
        }
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::glob_matches;
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_glob_that_is_read_once_fits_what_it_always_fitted(glob in "[ab *é]{0,9}", text in "[ab é]{0,14}") {
            let read = Glob::read(&glob);
            let wanted = glob_matches(&glob, &text);
            assert_eq!(read.fits(&text), wanted, "{glob} {text}");
            assert!(!wanted || Pairs::of(&text).hold(&read.needs), "{glob} {text}");
            let open = wanted || glob_matches(&format!("{glob} *"), &text);
            assert_eq!(read.fits_a_start(&text), open, "{glob} {text}");
            for (at, _) in text.char_indices() {
                let end = text.get(at..).unwrap_or_default();
                assert!(!(read.has_star() && read.misses_all_ends(&text) && read.fits_a_start(end)), "{glob} {text}");
            }
        }
    }

    #[test]
    fn pairs_of_the_text_before_are_forgotten() {
        let mut pairs = Pairs::of("abc");
        pairs.now_of("xyz");
        assert!(pairs == Pairs::of("xyz") && !pairs.hold(&Needs::of(["bc"].into_iter())));
        assert!(pairs.hold(&Needs::of(["yz", "x"].into_iter())));
    }
}
