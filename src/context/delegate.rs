//! Splits a text into parts for several readers, by its files and topics, each reduced to a budget of its own, with a manifest so
//! that a reader knows what the others have. Starting those readers is not here.

use std::collections::BTreeSet;
use std::ops::Range;

use super::bm25::{Index, at, scaled};
use super::chunks::lines::file_of;
use super::chunks::{Unit, cut};
use super::kinds::{Kind, recognise};
use super::marks::Marks;
use super::reduce::{Ask, Budget, reduce};
use super::tokens;

pub const PARTS_MAX: usize = 64;
/// Sections beyond this are joined with the one before them first.
const SECTIONS_MAX: usize = 200;
const TITLE_CHARS: usize = 100;

pub struct Plan<'a> {
    pub text: &'a str,
    pub query: &'a str,
    pub parts: usize,
    /// Of all parts together.
    pub budget: Budget,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Files, headings or first lines of what is in it.
    pub titles: Vec<String>,
    /// First and last lines in the whole text, from 1.
    pub lines: Vec<(usize, usize)>,
    pub tokens: u64,
    pub budget: u64,
    /// How much of what the query asks for is here, of 1 for all parts.
    pub share: f64,
    pub text: String,
    pub tokens_after: u64,
}

/// A file, a chapter, a turn, or a run of paragraphs.
struct Section {
    units: Range<usize>,
    title: String,
    weight: f64,
    wanted: f64,
    folder: String,
    terms: Vec<(u32, f64)>,
}

pub fn delegate(plan: &Plan<'_>) -> Vec<Part> {
    let kind = recognise(plan.text);
    let units = cut(plan.text, kind);
    let wanted = plan.parts.clamp(1, PARTS_MAX);
    let sections = sections(plan, &units, kind, wanted);
    let groups = grouped(&sections, wanted);
    let asked: f64 = sections.iter().map(|section| section.wanted).sum();
    let of = |group: &BTreeSet<usize>| -> Vec<&Section> {
        group.iter().filter_map(|number| sections.get(*number)).collect()
    };
    let whole = |group: &BTreeSet<usize>| -> String {
        of(group).into_iter().filter_map(|section| plan.text.get(bytes(&units, section))).collect()
    };
    let texts: Vec<String> = groups.iter().map(whole).collect();
    let needs: Vec<u64> = texts.iter().map(|text| tokens::count(text)).collect();
    let total: u64 = needs.iter().sum();
    let shares: Vec<f64> = groups
        .iter()
        .zip(&needs)
        .map(|(group, need)| {
            let wanted: f64 = of(group).iter().map(|section| section.wanted).sum();
            if asked > 0.0 { wanted / asked } else { *need as f64 / total.max(1) as f64 }
        })
        .collect();
    let budget = match plan.budget {
        Budget::Share(share) => (total as f64 * share.clamp(0.0, 1.0)) as u64,
        Budget::Tokens(tokens) => tokens.min(total),
    };
    let budgets = handed_out(budget, &needs, &shares);
    let part = |(number, text): (usize, String)| {
        let sections = groups.get(number).map(of).unwrap_or_default();
        let need = needs.get(number).copied().unwrap_or(0);
        let own = budgets.get(number).copied().unwrap_or(0);
        let mut ask = Ask::new(&text, plan.query, Budget::Tokens(own));
        (ask.kind, ask.marks) = (Some(kind), Marks::Counts);
        // What fits is not looked at: a reader gets it as it is, repeats and all.
        let (left, tokens_after) = if own >= need {
            (text.clone(), need)
        } else {
            let reduced = reduce(&ask);
            (reduced.text, reduced.tokens_after)
        };
        Part {
            titles: sections.iter().map(|section| section.title.clone()).collect(),
            lines: joined(sections.iter().filter_map(|section| lines(&units, section))),
            tokens: need,
            budget: own,
            share: at(&shares, number),
            tokens_after,
            text: left,
        }
    };
    texts.into_iter().enumerate().map(part).collect()
}

/// A budget of whole tokens, to parts that need so many and are asked for so much: half by size and half by what is asked for, so
/// that a part that matches nothing still gets something. What one does not need goes to the others.
fn handed_out(budget: u64, needs: &[u64], shares: &[f64]) -> Vec<u64> {
    let total = needs.iter().sum::<u64>().max(1) as f64;
    let claim = |(need, share): (&u64, &f64)| 0.5 * *need as f64 / total + 0.5 * share;
    let claims: Vec<f64> = needs.iter().zip(shares).map(claim).collect();
    let mut given = vec![0_u64; needs.len()];
    let mut left = budget.min(needs.iter().sum());
    while left > 0 {
        let open: f64 =
            given.iter().zip(needs).zip(&claims).filter(|((own, need), _)| own < need).map(|(_, claim)| claim).sum();
        let round = left as f64;
        for ((own, need), claim) in given.iter_mut().zip(needs).zip(&claims) {
            // At least one, so that rounding leaves nothing over.
            let more = ((round * claim / open.max(f64::MIN_POSITIVE)) as u64).max(1).min(*need - *own).min(left);
            *own += more;
            left -= more;
        }
    }
    given
}

fn bytes(units: &[Unit], section: &Section) -> Range<usize> {
    let piece = units.get(section.units.clone()).unwrap_or_default();
    piece.first().map_or(0, |unit| unit.bytes.start)..piece.last().map_or(0, |unit| unit.bytes.end)
}

fn lines(units: &[Unit], section: &Section) -> Option<(usize, usize)> {
    let piece = units.get(section.units.clone())?;
    Some((piece.first()?.line, piece.last().map(|unit| unit.line + unit.lines.max(1) - 1)?))
}

fn joined(ranges: impl Iterator<Item = (usize, usize)>) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (first, last) in ranges {
        match found.last_mut() {
            Some(before) if before.1 + 1 >= first => before.1 = last,
            _ => found.push((first, last)),
        }
    }
    found
}

fn sections(plan: &Plan<'_>, units: &[Unit], kind: Kind, parts: usize) -> Vec<Section> {
    let mut index = Index::new(plan.text, units, false);
    let asked = index.query(plan.query);
    let scores = scaled(index.scores(&asked));
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let different = units.iter().map(|unit| unit.section).collect::<BTreeSet<_>>().len();
    // Where the text names no files or chapters, each unit may go its own way.
    let by_unit = different < parts;
    let least = units.len().div_ceil(SECTIONS_MAX);
    for (number, unit) in units.iter().enumerate() {
        let before = number.checked_sub(1).and_then(|before| units.get(before));
        let goes_on = !by_unit && before.is_some_and(|before| before.section == unit.section);
        match ranges.last_mut() {
            Some(last) if goes_on || (by_unit || different > SECTIONS_MAX) && last.len() < least => {
                last.end = number + 1
            }
            _ => ranges.push(number..number + 1),
        }
    }
    let section = |range: Range<usize>| {
        let piece = units.get(range.clone()).unwrap_or_default();
        let first = piece.first().map(|unit| unit.text(plan.text)).unwrap_or_default();
        let line = first.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
        let path = file_of(line);
        let title: String = path.unwrap_or(line.trim_start_matches('#').trim()).chars().take(TITLE_CHARS).collect();
        let folder = path.and_then(|path| path.rsplit_once('/')).map_or("", |(folder, _)| folder).to_owned();
        let mut terms: Vec<(u32, f64)> = Vec::new();
        for counts in range.clone().filter_map(|unit| index.counts.get(unit)) {
            terms.extend(counts.iter().map(|(term, count)| (*term, count.sqrt() * index.rarity(*term))));
        }
        terms.sort_unstable_by_key(|(term, _)| *term);
        terms.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 += if same { next.1 } else { 0.0 };
            same
        });
        let length = terms.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt().max(1e-9);
        terms.iter_mut().for_each(|(_, weight)| *weight /= length);
        let wanted = range.clone().map(|unit| at(&scores, unit)).sum();
        let weight = piece.iter().map(|unit| unit.weight).sum();
        Section { units: range, title, weight, wanted, folder, terms }
    };
    let _ = kind;
    ranges.into_iter().map(section).collect()
}

/// Two sections of one folder are as near as if they shared half of their words.
const FOLDER: f64 = 0.5;
/// A part may grow to so much of an even share.
const UNEVEN: f64 = 1.5;

/// Joins what is most alike until there are few enough; parts in the order of the text.
fn grouped(sections: &[Section], parts: usize) -> Vec<BTreeSet<usize>> {
    let mut groups: Vec<BTreeSet<usize>> = (0..sections.len()).map(|number| BTreeSet::from([number])).collect();
    let alike: Vec<Vec<f64>> =
        sections.iter().map(|one| sections.iter().map(|other| near(one, other)).collect()).collect();
    let total: f64 = sections.iter().map(|section| section.weight).sum();
    let even = total / parts.max(1) as f64 * UNEVEN;
    let weight = |group: &BTreeSet<usize>| -> f64 {
        group.iter().filter_map(|number| sections.get(*number)).map(|section| section.weight).sum()
    };
    while groups.len() > parts {
        let weights: Vec<f64> = groups.iter().map(weight).collect();
        let mut best = (f64::MIN, 0, 1);
        for (first, one) in groups.iter().enumerate() {
            for (second, other) in groups.iter().enumerate().skip(first + 1) {
                let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (a, b)));
                let near: f64 = pairs.filter_map(|(a, b)| alike.get(*a).and_then(|row| row.get(*b))).sum();
                let near = near / (one.len() * other.len()) as f64;
                // What grows too large is joined last.
                let size = at(&weights, first) + at(&weights, second);
                let worth =
                    if size > even { -size / total.max(1.0) } else { near + 1e-6 * (1.0 - size / total.max(1.0)) };
                if worth > best.0 {
                    best = (worth, first, second);
                }
            }
        }
        let gone = groups.remove(best.2);
        if let Some(group) = groups.get_mut(best.1) {
            group.extend(gone);
        }
    }
    groups.sort_by_key(|group| group.first().copied());
    groups
}

fn near(one: &Section, other: &Section) -> f64 {
    let mut sum = if !one.folder.is_empty() && one.folder == other.folder { FOLDER } else { 0.0 };
    let (mut left, mut right) = (one.terms.iter().peekable(), other.terms.iter().peekable());
    while let (Some((a, x)), Some((b, y))) = (left.peek(), right.peek()) {
        match a.cmp(b) {
            std::cmp::Ordering::Less => drop(left.next()),
            std::cmp::Ordering::Greater => drop(right.next()),
            std::cmp::Ordering::Equal => {
                sum += x * y;
                left.next();
                right.next();
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        let mut text = String::new();
        for (path, word) in
            [("a/one.py", "alpha"), ("b/two.py", "beta"), ("a/three.py", "alpha"), ("b/four.py", "beta")]
        {
            text.push_str(&format!("# file: {path}\n"));
            for number in 0..20 {
                text.push_str(&format!("def {word}_{number}(x):\n    return {word}.step(x, {number})\n\n"));
            }
        }
        text
    }

    #[test]
    fn files_that_belong_together_come_into_one_part_and_nothing_is_in_two() {
        let text = text();
        let plan = Plan { text: &text, query: "alpha step", parts: 2, budget: Budget::Share(1.0) };
        let parts = delegate(&plan);
        let titles: Vec<Vec<String>> = parts.iter().map(|part| part.titles.clone()).collect();
        assert_eq!(titles, [["a/one.py", "a/three.py"], ["b/two.py", "b/four.py"]]);
        assert_eq!(parts[0].lines, [(1, 61), (123, 183)]);
        assert!(parts[0].share > parts[1].share, "{parts:?}");
        assert_eq!(parts.iter().map(|part| part.tokens).sum::<u64>(), tokens::count(&text));
    }

    #[test]
    fn parts_keep_their_budgets_and_these_the_whole() {
        let text = text();
        let plan = Plan { text: &text, query: "alpha_3", parts: 3, budget: Budget::Tokens(900) };
        let parts = delegate(&plan);
        assert!(parts.iter().all(|part| part.tokens_after <= part.budget), "{parts:?}");
        assert!(parts.iter().map(|part| part.budget).sum::<u64>() <= 900, "{parts:?}");
        assert!(parts.iter().any(|part| part.text.contains("def alpha_3(x):")), "{parts:?}");
    }

    #[test]
    fn by_default_nothing_goes_and_no_token_is_left_over() {
        let json = format!(
            "[{}]",
            (0..900).map(|n| format!("{{\"id\":{n},\"name\":\"user {n}\"}}")).collect::<Vec<_>>().join(",")
        );
        let chapters: String =
            (0..40).map(|n| format!("# Chapter {n}\n\n{}\n", "Words of it. ".repeat(n + 1))).collect();
        for (text, query) in [(text(), "alpha_3"), (json, "user 7"), (chapters, "chapter 7"), ("hello".to_owned(), "x")]
        {
            let plan = Plan { text: &text, query, parts: 4, budget: Budget::Share(1.0) };
            let parts = delegate(&plan);
            assert!(parts.iter().all(|part| part.tokens_after == part.tokens && !part.text.is_empty()), "{parts:?}");
            assert_eq!(parts.iter().map(|part| part.text.len()).sum::<usize>(), text.len());
            let (sum, whole) = (parts.iter().map(|part| part.tokens).sum::<u64>() as f64, tokens::weigh(&text));
            assert!((sum - whole).abs() <= whole * 0.02 + 4.0, "{sum} of {whole}");
        }
        for (budget, needs, shares, given) in [
            (10, vec![5, 5], vec![1.0, 0.0], vec![5, 5]),
            (9, vec![2, 20], vec![1.0, 0.0], vec![2, 7]),
            (7, vec![10, 10, 10], vec![0.0, 0.0, 0.0], vec![3, 2, 2]),
            (1, vec![4, 4], vec![0.5, 0.5], vec![1, 0]),
            (0, vec![4], vec![1.0], vec![0]),
            (5, vec![], vec![], vec![]),
        ] {
            assert_eq!(handed_out(budget, &needs, &shares), given, "{budget} to {needs:?}");
        }
    }

    #[test]
    fn prose_without_chapters_is_split_by_its_topics() {
        let text = "Boats\nThe harbour has boats and sails.\n\nBread\nThe baker sells bread and rolls.\n\nSails\nSails of boats in \
                    the harbour are white.\n\nRolls\nRolls and bread are baked by the baker.\n";
        let parts = delegate(&Plan { text, query: "bread", parts: 2, budget: Budget::Share(1.0) });
        assert_eq!(parts.iter().map(|part| part.titles.join(" ")).collect::<Vec<_>>(), ["Boats Sails", "Bread Rolls"]);
    }
}
