//! Where the known words of `secrets` stand in a text, in any case. Tables by byte that are there before the program runs: a
//! hook reads a few hundred bytes, and making a search automaton took it an eighth of its work.

use std::ops::Range;

use super::secrets::{ANCHORS, Anchor};

/// Which anchors have a byte, in either case, at one of their first places: a bit each.
type Places = [u64; 256];

const fn places(place: usize) -> Places {
    let mut places = [0; 256];
    let mut number = 0;
    while number < ANCHORS.len() {
        #[expect(clippy::indexing_slicing, reason = "what is out of bounds here does not compile")]
        {
            let byte = ANCHORS[number].text.as_bytes()[place];
            places[byte.to_ascii_lowercase() as usize] |= 1 << number;
            places[byte.to_ascii_uppercase() as usize] |= 1 << number;
        }
        number += 1;
    }
    places
}

static FIRST: Places = places(0);
static SECOND: Places = places(1);
static THIRD: Places = places(2);

/// The anchors that may begin here, as far as three bytes say.
fn may_begin(bytes: &[u8]) -> u64 {
    #[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
    match bytes {
        [first, second, third, ..] => {
            FIRST[usize::from(*first)] & SECOND[usize::from(*second)] & THIRD[usize::from(*third)]
        }
        _ => 0,
    }
}

/// Every anchor at every place where it stands, from the front, those that overlap too.
pub(super) fn hits(bytes: &[u8]) -> impl Iterator<Item = (Range<usize>, &'static Anchor)> {
    bytes
        .windows(3)
        .enumerate()
        .filter_map(|(at, begin)| match may_begin(begin) {
            0 => None,
            anchors => Some((at, anchors)),
        })
        .flat_map(move |(at, anchors)| {
            let numbers = (0..u64::BITS as usize).filter(move |number| anchors >> number & 1 == 1);
            numbers.filter_map(move |number| {
                let anchor = ANCHORS.get(number)?;
                let range = at..at + anchor.text.len();
                bytes.get(range.clone())?.eq_ignore_ascii_case(anchor.text.as_bytes()).then_some((range, anchor))
            })
        })
}
