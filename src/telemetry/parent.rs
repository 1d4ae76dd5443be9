//! Which span a piece of work belongs to: read from `traceparent` (W3C Trace Context), and remembered for the thread that
//! works, so that what is below need not be told.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

const VERSION_CHARS: usize = 2;
const TRACE_CHARS: usize = 32;
const SPAN_CHARS: usize = 16;
const FLAGS_CHARS: usize = 2;
const WHOLE_CHARS: usize = VERSION_CHARS + TRACE_CHARS + SPAN_CHARS + FLAGS_CHARS + 3;
/// What later versions may append.
const CHARS_MAX: usize = 512;
const SAMPLED: u64 = 1;

/// A span, ours or another program's, that another may be a child of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    pub trace: u128,
    pub span: u64,
    pub sampled: bool,
}

impl TraceParent {
    /// Nothing where it is not valid: then the work begins a trace of its own.
    pub fn parse(header: &str) -> Option<Self> {
        if header.len() > CHARS_MAX || !header.is_ascii() {
            return None;
        }
        let (whole, more) = header.split_at_checked(WHOLE_CHARS)?;
        let mut parts = whole.split('-');
        let version = hex(parts.next()?, VERSION_CHARS)?;
        let trace = hex(parts.next()?, TRACE_CHARS)?;
        let span = u64::try_from(hex(parts.next()?, SPAN_CHARS)?).ok()?;
        let flags = u64::try_from(hex(parts.next()?, FLAGS_CHARS)?).ok()?;
        // Version 00 is exactly this long; a later one may go on behind a dash; ff is none.
        let ends = if version == 0 { more.is_empty() } else { more.is_empty() || more.starts_with('-') };
        let valid = version != 0xff && ends && parts.next().is_none() && trace != 0 && span != 0;
        valid.then_some(Self { trace, span, sampled: flags & SAMPLED != 0 })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

fn hex(text: &str, chars: usize) -> Option<u128> {
    let plain = text.len() == chars && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if plain { u128::from_str_radix(text, 16).ok() } else { None }
}

thread_local! {
    static CURRENT: Cell<Option<TraceParent>> = const { Cell::new(None) };
}

/// The span in which this thread works.
pub fn inside() -> Option<TraceParent> {
    CURRENT.get()
}

/// Until it is dropped, work of this thread belongs to a span.
pub struct Inside {
    before: Option<TraceParent>,
    /// It must end on the thread it began on.
    _thread: PhantomData<*const ()>,
}

impl Inside {
    pub(super) fn of(span: TraceParent) -> Self {
        Self { before: CURRENT.replace(Some(span)), _thread: PhantomData }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_by_the_letter_or_not_at_all() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let span = "b7ad6b7169203331";
        let known = |sampled| Some((0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, 0xb7ad_6b71_6920_3331, sampled));
        for (header, wanted) in [
            (format!("00-{trace}-{span}-01"), known(true)),
            (format!("00-{trace}-{span}-00"), known(false)),
            (format!("00-{trace}-{span}-03"), known(true)),
            (format!("01-{trace}-{span}-01"), known(true)),
            (format!("01-{trace}-{span}-01-what-comes"), known(true)),
            (format!("01-{trace}-{span}-01what"), None),
            (format!("00-{trace}-{span}-01-more"), None),
            (format!("ff-{trace}-{span}-01"), None),
            (format!("00-{}-{span}-01", trace.to_uppercase()), None),
            (format!("00-{}-{span}-01", "0".repeat(32)), None),
            (format!("00-{trace}-{}-01", "0".repeat(16)), None),
            (format!("00-{trace}-{span}-1"), None),
            (format!("00-{trace}-{span}"), None),
            (format!(" 00-{trace}-{span}-01"), None),
            (format!("00_{trace}_{span}_01"), None),
            (format!("00-{}-{span}-01", "+".repeat(32)), None),
            (format!("01-{trace}-{span}-01-{}", "x".repeat(600)), None),
            ("é".repeat(40), None),
            (String::new(), None),
        ] {
            let found = TraceParent::parse(&header).map(|found| (found.trace, found.span, found.sampled));
            assert_eq!(found, wanted, "{header}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let parent = TraceParent { trace: 7, span: 9, sampled: true };
        assert_eq!(TraceParent::parse(&parent.to_string()), Some(parent));
    }

    #[test]
    fn leaving_a_span_is_being_in_the_one_around_it() {
        let (outer, inner) =
            (TraceParent { trace: 1, span: 2, sampled: true }, TraceParent { trace: 1, span: 3, sampled: true });
        let around = Inside::of(outer);
        let within = Inside::of(inner);
        assert_eq!(inside(), Some(inner));
        drop(within);
        assert_eq!(inside(), Some(outer));
        drop(around);
        assert_eq!(inside(), None);
    }
}
