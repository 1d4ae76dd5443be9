//! Makes a text shorter: what was said before goes first, then what the query needs least. The order stays, the budget is kept
//! with the marks counted in, and every gap is told. Where the whole text is kept for later is the caller's concern.

use std::ops::Range;

use super::append;
use super::choice::{self, Choice};
use super::chunks::{Unit, cut, finer};
use super::duplicates::{self, Repeat, Seen};
use super::kinds::{Kind, recognise};
use super::marks::{Gap, Marks};
use super::rank::rank;
use super::tokens;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// Of the tokens there are, 0 to 1.
    Share(f64),
    Tokens(u64),
}

#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub text: &'a str,
    pub query: &'a str,
    pub budget: Budget,
    pub marks: Marks,
    /// Each part is judged by what stands before it alone, so that a longer text begins with the same bytes.
    pub append_only: bool,
    /// What the reader has from earlier calls.
    pub seen: Option<&'a Seen>,
    /// The kind, where it is known.
    pub kind: Option<Kind>,
    /// How a model's tokens stand to the estimate.
    pub factor: f64,
}

impl<'a> Ask<'a> {
    pub fn new(text: &'a str, query: &'a str, budget: Budget) -> Self {
        Self { text, query, budget, marks: Marks::Counts, append_only: false, seen: None, kind: None, factor: 1.0 }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Reduced {
    pub text: String,
    pub kind: Kind,
    pub tokens_before: u64,
    pub tokens_after: u64,
    pub gaps: Vec<Gap>,
    /// Units that repeat what stands earlier in this text, and those that an earlier call had.
    pub repeats_here: usize,
    pub repeats_before: usize,
    /// The units that stayed.
    pub kept: Vec<Piece>,
    /// Of what was left out because an earlier call had it.
    pub had_prints: Vec<u64>,
}

/// One unit that stayed: its end in the text that is left, its last line in the whole, its fingerprints.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    pub end: usize,
    pub last_line: usize,
    pub prints: Vec<u64>,
}

impl Reduced {
    /// Of what stayed, for `Seen`.
    pub fn prints(&self) -> Vec<u64> {
        self.kept.iter().flat_map(|piece| &piece.prints).copied().collect()
    }

    /// Takes away what stands behind this byte: all that follows the last unit before it is a gap. Gives the line that it begins
    /// with, of so many that the whole has.
    pub fn cut_off(&mut self, end: usize, lines: usize) -> usize {
        self.text.truncate(end);
        self.kept.retain(|piece| piece.end <= end);
        let next = self.kept.last().map_or(1, |piece| piece.last_line + 1);
        self.gaps.retain(|gap| gap.first_line < next);
        self.gaps.push(Gap { first_line: next, last_line: lines.max(next) });
        next
    }
}

/// A unit that weighs more of the budget is cut finer: what is asked for may be a line of it.
const UNIT_SHARE_MAX: f64 = 0.5;
/// A unit of fewer tokens costs no more than a mark.
const SCRAP_TOKENS: f64 = 2.0;

pub fn reduce(ask: &Ask<'_>) -> Reduced {
    let kind = ask.kind.unwrap_or_else(|| recognise(ask.text));
    let nothing = Seen::default();
    let seen = ask.seen.unwrap_or(&nothing);
    let total = tokens::weigh(ask.text);
    let budget = match ask.budget {
        Budget::Share(share) => total * share.clamp(0.0, 1.0),
        Budget::Tokens(tokens) => tokens as f64 / ask.factor,
    };
    let units = if ask.append_only {
        append::cut(ask.text)
    } else if budget < total {
        finer(ask.text, cut(ask.text, kind), budget * UNIT_SHARE_MAX, kind)
    } else {
        cut(ask.text, kind)
    };
    // The kind of a text may change as it grows.
    let found = duplicates::find(ask.text, &units, if ask.append_only { Kind::Log } else { kind }, seen);
    let kept = if ask.append_only {
        append::choose(ask, &units, &found.repeats)
    } else {
        choose(ask, kind, &units, &found.repeats, budget)
    };
    // A gap at the end of a text that grows is still open: its mark comes with what follows.
    let shown =
        if ask.append_only { kept.iter().rposition(|kept| *kept).map_or(0, |last| last + 1) } else { units.len() };
    let (text, ends) = render(ask.text, units.get(..shown).unwrap_or_default(), &kept, ask.marks);
    // Where not even the marks fit, nothing does.
    let fits = tokens::weigh(&text) <= budget + 1e-6;
    let (text, ends) = if fits { (text, ends) } else { (String::new(), Vec::new()) };
    let piece = |(number, end): &(usize, usize)| Piece {
        end: *end,
        last_line: units.get(*number).map_or(0, |unit| unit.line + unit.lines.max(1) - 1),
        prints: found.prints.get(*number).cloned().unwrap_or_default(),
    };
    let had = found.repeats.iter().zip(&found.prints).filter(|(repeat, _)| **repeat == Some(Repeat::Before));
    let count = |which: Repeat| found.repeats.iter().filter(|repeat| **repeat == Some(which)).count();
    Reduced {
        tokens_before: tokens::rounded(ask.text, total * ask.factor),
        tokens_after: tokens::rounded(&text, tokens::weigh(&text) * ask.factor),
        gaps: choice::gaps(&units, &kept),
        repeats_here: count(Repeat::Here),
        repeats_before: count(Repeat::Before),
        kept: ends.iter().map(piece).collect(),
        had_prints: had.flat_map(|(_, prints)| prints).copied().collect(),
        kind,
        text,
    }
}

fn choose(ask: &Ask<'_>, kind: Kind, units: &[Unit], repeats: &[Option<Repeat>], budget: f64) -> Vec<bool> {
    let is_repeat = |number: usize| repeats.get(number).copied().flatten().is_some();
    let mut choice = Choice::new(units, budget, ask.marks);
    let fresh = (0..units.len()).filter(|number| !is_repeat(*number));
    let may_close = |number: usize| repeats.get(number).copied().flatten() != Some(Repeat::Before);
    if choice.keep_all(fresh) {
        choice.close_small(may_close);
        return choice.kept();
    }
    let scores = rank(ask.text, units, kind, ask.query);
    let order = choice::by_rank(&scores);
    match kind {
        Kind::Log | Kind::Json | Kind::Transcript => {
            choice::by_values(ask.text, units, &scores, is_repeat, &mut choice);
        }
        Kind::Code | Kind::Prose => {}
    }
    for number in &order {
        if !is_repeat(*number) {
            choice.keep(*number);
        }
    }
    choice.close_small(may_close);
    // The estimate of a whole is the sum of its lines; a cut inside a line may differ by a little.
    // Scraps go last: each leaves a mark that costs as much.
    let is_scrap = |number: &usize| units.get(*number).is_none_or(|unit| unit.weight < SCRAP_TOKENS);
    let (scraps, whole): (Vec<usize>, Vec<usize>) = order.iter().rev().partition(|number| is_scrap(number));
    let mut worst = whole.into_iter().chain(scraps);
    let bare = bare_budget(ask);
    loop {
        let kept = choice.kept();
        let (sum, bare_sum) = tokens::sums(&render(ask.text, units, &kept, ask.marks).0);
        let mut over = (sum - budget).max(bare_sum - bare);
        if over <= 1e-6 {
            return kept;
        }
        while over > 0.0 {
            let Some(number) = worst.find(|number| choice.has(*number)) else { return kept };
            over -= units.get(number).map_or(0.0, |unit| unit.weight);
            choice.drop(number);
        }
    }
}

/// A share is kept by the bare sum too, as long as signs do not weigh most of it down.
fn bare_budget(ask: &Ask<'_>) -> f64 {
    let (sum, bare) = tokens::sums(ask.text);
    match ask.budget {
        Budget::Share(share) if bare >= sum * 0.5 => bare * share.clamp(0.0, 1.0),
        Budget::Share(_) | Budget::Tokens(_) => f64::INFINITY,
    }
}

/// What is left, and where in it each kept unit ends.
fn render(text: &str, units: &[Unit], kept: &[bool], marks: Marks) -> (String, Vec<(usize, usize)>) {
    let (mut out, mut ends) = (String::with_capacity(text.len()), Vec::new());
    let mut gap: Option<Hole> = None;
    for (number, (unit, kept)) in units.iter().zip(kept).enumerate() {
        let starts_line = unit.bytes.start == 0 || text.as_bytes().get(unit.bytes.start - 1) == Some(&b'\n');
        if *kept {
            put_mark(&mut out, gap.take(), marks, starts_line);
            out.push_str(unit.text(text));
            ends.push((number, out.len()));
            continue;
        }
        let last_line = unit.line + unit.lines.max(1) - 1;
        let new = Hole { lines: Gap { first_line: unit.line, last_line }, bytes: unit.bytes.clone(), starts_line };
        let hole = gap.get_or_insert(new);
        (hole.lines.last_line, hole.bytes.end) = (last_line, unit.bytes.end);
    }
    put_mark(&mut out, gap, marks, true);
    (out, ends)
}

struct Hole {
    lines: Gap,
    bytes: Range<usize>,
    starts_line: bool,
}

fn put_mark(out: &mut String, gap: Option<Hole>, marks: Marks, ends_line: bool) {
    let Some(Hole { lines, bytes, starts_line }) = gap else { return };
    if starts_line && ends_line {
        // The last kept line may have had no end.
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&marks.text(lines));
        return;
    }
    out.push_str(&marks.inline(&bytes));
    if ends_line {
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> String {
        let mut text = String::new();
        for step in 0..60 {
            text.push_str(&format!("$ grep -rn needle_{} src\n", step % 7));
            for line in 0..12 {
                text.push_str(&format!(
                    "src/module_{}/file_{line}.rs:{}: let needle = haystack();\n",
                    step % 9,
                    line * 3
                ));
            }
            text.push_str("That looks right, so I go on with the next one.\n\n");
        }
        text.push_str("$ cat /etc/once/only.conf\nport = 48213\n");
        text
    }

    fn code() -> String {
        let unit = |n: usize| {
            format!(
                "def handle_{n}(event):\n    \"\"\"Handles event {n}.\n\n    Says much.\n    \"\"\"\n    total = event.total + {n}\n    return total\n\n\n"
            )
        };
        let files = (0..6).map(|file| {
            format!(
                "# file: app/part_{file}.py\nimport os\n\n{}",
                (0..12).map(|n| unit(file * 12 + n)).collect::<String>()
            )
        });
        files.collect()
    }

    fn prose() -> String {
        (0..80)
            .map(|n| format!("Town {n}\nTown {n} lies on river {} and has {} people. It is old.\n\n", n % 9, n * 731))
            .collect()
    }

    #[test]
    fn no_budget_is_ever_exceeded_and_the_order_stays() {
        for text in [session(), code(), prose(), "x".repeat(9000), "word ".repeat(4000), String::new()] {
            for tokens in [0, 1, 5, 30, 200, 1000, 100_000] {
                for marks in [Marks::Counts, Marks::Lines] {
                    let mut ask = Ask::new(&text, "handle_17 of Town 7 needle_3", Budget::Tokens(tokens));
                    ask.marks = marks;
                    let reduced = reduce(&ask);
                    assert!(reduced.tokens_after <= tokens, "{} of {tokens}: {}", reduced.tokens_after, reduced.text);
                    let mut at = 0;
                    for line in reduced.text.split_inclusive('\n').filter(|line| !line.contains("...")) {
                        let found = text[at..].find(line.trim_end()).unwrap_or_else(|| panic!("{line} is not there"));
                        at += found + line.trim_end().len();
                    }
                }
            }
        }
    }

    #[test]
    fn a_share_is_kept_to_the_token() {
        for text in [session(), code(), prose()] {
            for share in [0.1, 0.3, 0.5, 0.7, 0.9] {
                let reduced = reduce(&Ask::new(&text, "handle_17", Budget::Share(share)));
                let most = tokens::weigh(&text) * share;
                assert!(tokens::weigh(&reduced.text) <= most + 1e-6, "{share}");
                assert!(reduced.repeats_here > 0 || tokens::weigh(&reduced.text) >= most * 0.9, "{share}: wasted");
            }
        }
    }

    #[test]
    fn rulers_do_not_make_a_text_free() {
        let rule = "=".repeat(100);
        let text: String = (0..60)
            .map(|n| format!("{rule}\nstep {n}: the worker read file number {n} and wrote its answer\n"))
            .collect();
        let reduced = reduce(&Ask::new(&text, "step 17", Budget::Tokens(100)));
        assert!(reduced.tokens_before > 1000 && reduced.tokens_after <= 100, "{reduced:?}");
        assert!(reduced.text.contains("step 17:") && reduced.text.len() < 800, "{}", reduced.text);
        let framed = code().replace("\n\n\n", &format!("\n{rule}\n"));
        let reduced = reduce(&Ask::new(&framed, "handle_17", Budget::Share(0.5)));
        let (whole, left) = (tokens::sums(&framed), tokens::sums(&reduced.text));
        assert!(left.0 <= whole.0 * 0.5 && left.1 <= whole.1 * 0.5, "{left:?} of {whole:?}");
    }

    #[test]
    fn what_the_query_needs_stays() {
        let code = code();
        let reduced = reduce(&Ask::new(&code, "handle_17 adds wrongly", Budget::Share(0.3)));
        assert_eq!(reduced.kind, Kind::Code);
        assert!(reduced.text.contains("def handle_17(event):"), "{}", reduced.text);
    }

    #[test]
    fn what_is_asked_for_is_found_in_one_long_line() {
        let filler = |n: usize| (0..n).map(|n| ["stone ", "river ", "house "][n % 3]).collect::<String>();
        let line = format!("{}the needle is 42 {}", filler(6000), filler(6000));
        let object = |n: usize| format!("{{\"id\":{n},\"name\":\"user {n}\"}}");
        let json = format!("[{}]", (0..500).map(object).collect::<Vec<_>>().join(","));
        let small = format!("{}the needle is 42 {}\n", filler(60), filler(60));
        for (text, query, share, wanted) in [
            (&line, "needle", 0.1, "the needle is 42"),
            (&small, "needle", 0.3, "needle is 42"),
            (&json, "user 77", 0.2, "{\"id\":77,\"name\":\"user 77\"},"),
        ] {
            let reduced = reduce(&Ask::new(text, query, Budget::Share(share)));
            assert!(reduced.text.contains(wanted), "{}", reduced.text);
            assert!(tokens::weigh(&reduced.text) <= tokens::weigh(text) * share + 1e-6);
        }
        let kept = reduce(&Ask::new(&json, "user 77", Budget::Share(0.2))).text;
        let kept = format!("[{}]", kept.replace("[...] ", "").trim_matches(['[', ']', ',']));
        assert!(serde_json::from_str::<serde_json::Value>(&kept).is_ok(), "objects stay whole: {kept}");
    }

    #[test]
    fn the_same_line_again_and_again_stays_once() {
        let log = format!("{}ERROR disk full\n", "INFO all fine, nothing to see here\n".repeat(200));
        let reduced = reduce(&Ask::new(&log, "", Budget::Share(0.5)));
        assert_eq!(reduced.text, "INFO all fine, nothing to see here\n[...199]\nERROR disk full\n");
        assert_eq!(reduced.repeats_here, 199);
        let reduced = reduce(&Ask::new(&"a b c\nd e f\n".repeat(100), "", Budget::Share(0.3)));
        assert_eq!(reduced.text, "a b c\nd e f\n[...198]\n");
        let twice = "INFO started\nok\nok\nERROR full\n";
        assert_eq!(reduce(&Ask::new(twice, "", Budget::Share(1.0))).text, twice, "a mark would cost as much");
    }

    #[test]
    fn values_seen_once_outlive_what_is_said_again_and_again() {
        let text = session();
        let reduced = reduce(&Ask::new(&text, "go on", Budget::Share(0.3)));
        assert_eq!(reduced.kind, Kind::Transcript);
        for value in ["/etc/once/only.conf", "48213", "needle_6", "src/module_8"] {
            assert!(reduced.text.contains(value), "{value} is lost:\n{}", reduced.text);
        }
    }

    #[test]
    fn gaps_tell_which_lines_went() {
        let text = code();
        let mut ask = Ask::new(&text, "handle_17", Budget::Share(0.3));
        ask.marks = Marks::Lines;
        let reduced = reduce(&ask);
        let lines: Vec<&str> = text.lines().collect();
        let mut rebuilt: Vec<&str> = Vec::new();
        let mut gaps = reduced.gaps.iter();
        for line in reduced.text.lines() {
            if line.starts_with("[...") || line == "..." {
                let gap = gaps.next().expect("a gap for each mark");
                assert!(line == "..." || line == format!("[...{}-{}]", gap.first_line, gap.last_line), "{line}");
                rebuilt.extend(&lines[gap.first_line - 1..gap.last_line]);
            } else {
                rebuilt.push(line);
            }
        }
        assert_eq!(rebuilt, lines, "with its gaps filled the text is whole again");
    }

    #[test]
    fn a_budget_that_holds_the_whole_leaves_the_whole() {
        for text in [code(), prose(), "one line only".to_owned()] {
            let mut ask = Ask::new(&text, "Town 7 handle_17", Budget::Share(1.0));
            ask.marks = Marks::Lines;
            assert_eq!(reduce(&ask).text, text);
        }
    }

    #[test]
    fn what_an_earlier_call_had_is_left_out() {
        let text = prose();
        let first = reduce(&Ask::new(&text, "rivers", Budget::Share(1.0)));
        assert_eq!(first.text, text);
        let mut seen = Seen::default();
        seen.add(first.prints());
        let more = format!("{text}Harbour\nA harbour was built in the year 1911, and ships of the north come there.\n");
        let mut ask = Ask::new(&more, "rivers", Budget::Share(1.0));
        ask.seen = Some(&seen);
        let second = reduce(&ask);
        assert_eq!(second.repeats_before, 80);
        assert_eq!(
            second.text,
            "[...240]\nHarbour\nA harbour was built in the year 1911, and ships of the north come there.\n"
        );
    }

    #[test]
    fn a_text_that_grows_keeps_the_bytes_that_were_sent() {
        let text = session();
        let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        for budget in [Budget::Share(0.4), Budget::Tokens(2000)] {
            let mut before = String::new();
            for end in ends.iter().step_by(5) {
                let mut ask = Ask::new(&text[..*end], "needle_3", budget);
                ask.append_only = true;
                let now = reduce(&ask);
                assert!(now.text.starts_with(&before), "what was sent has changed:\n{before}\n---\n{}", now.text);
                assert!(matches!(budget, Budget::Share(_)) || now.tokens_after <= 2000, "{}", now.tokens_after);
                before = now.text;
            }
            assert!(before.len() > 1000, "{before}");
        }
        for (begun, rest) in
            [("$ run /new/path_9.txt num", "ber_77\n"), ("x_1.tar 10%", "\rx_1.tar 20%\n"), ("key_1=v", " k_2=w\n")]
        {
            let growing =
                |text: &str| reduce(&Ask { append_only: true, ..Ask::new(text, "", Budget::Share(0.6)) }).text;
            let (now, then) = (growing(&format!("{text}{begun}")), growing(&format!("{text}{begun}{rest}more\n")));
            assert!(then.starts_with(&now), "{begun}{rest}");
        }
    }
}
