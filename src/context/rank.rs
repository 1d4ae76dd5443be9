//! What each unit of a text is worth for a query: its words, terms fed back from the best units, titles that they name. All
//! weights are round numbers set by hand; `docs/context.md` says why each is there.

use super::bm25::{Index, Query, at, scaled};
use super::chunks::Unit;
use super::code;
use super::kinds::Kind;
use super::terms::{Keyed, Term};

/// Higher is wanted more; only the order counts.
pub fn rank(text: &str, units: &[Unit], kind: Kind, query: &str) -> Vec<f64> {
    let mut index = Index::new(text, units, kind == Kind::Code);
    let asked = index.query(query);
    match kind {
        Kind::Code => code::rank(text, units, &mut index, query),
        Kind::Prose => {
            let scores = scaled(fed_back(&index, &asked));
            linked(text, units, &mut index, scores)
        }
        Kind::Log | Kind::Json | Kind::Transcript => scaled(index.scores(&asked)),
    }
}

/// Units whose words are fed back, new terms taken from them, and what these weigh beside the query's own.
const FEEDBACK_UNITS: usize = 5;
const FEEDBACK_TERMS: usize = 50;
const FEEDBACK_WEIGHT: f64 = 0.4;
const FEEDBACK_STEPS: usize = 2;

/// What the best units speak of, the query may mean too: a question whose answer takes two steps names only the first.
fn fed_back(index: &Index, query: &Query) -> Vec<f64> {
    let mut scores = index.scores(query);
    for _ in 0..FEEDBACK_STEPS {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| at(&scores, *b).total_cmp(&at(&scores, *a)));
        let top = at(&scores, order.first().copied().unwrap_or(0)).max(1e-9);
        let mut gained: Keyed<u32, f64> = Keyed::default();
        for unit in order.iter().take(FEEDBACK_UNITS) {
            let share = at(&scores, *unit) / top;
            let length = at(&index.length, *unit).max(1.0);
            for (term, count) in index.counts.get(*unit).into_iter().flatten() {
                *gained.entry(*term).or_default() += share * index.rarity(*term) * count.min(3.0) / length.sqrt();
            }
        }
        let mut gained: Vec<(Term, f64)> = gained.into_iter().collect();
        gained.retain(|(term, _)| query.binary_search_by_key(term, |(known, _)| *known).is_err());
        gained.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        gained.truncate(FEEDBACK_TERMS);
        let most = gained.first().map_or(1.0, |(_, gain)| *gain).max(1e-9);
        let mut wider = query.clone();
        wider.extend(gained.into_iter().map(|(term, gain)| (term, FEEDBACK_WEIGHT * gain / most)));
        scores = index.scores(&wider);
    }
    scores
}

/// A paragraph whose title another good paragraph names is worth a part of that one's worth.
const LINK_WEIGHT: f64 = 0.5;
const LINKS_FROM: usize = 8;
const TITLE_BYTES_MAX: usize = 80;

fn linked(text: &str, units: &[Unit], index: &mut Index, scores: Vec<f64>) -> Vec<f64> {
    let titles: Vec<Vec<Term>> = units
        .iter()
        .map(|unit| {
            let mut lines = unit.text(text).lines();
            let first = lines.next().unwrap_or_default();
            let is_title = first.len() <= TITLE_BYTES_MAX && !first.ends_with('.') && lines.next().is_some();
            if is_title { index.words.list(first.split(" (").next().unwrap_or(first)) } else { Vec::new() }
        })
        .collect();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| at(&scores, *b).total_cmp(&at(&scores, *a)));
    let mut with = scores.clone();
    for from in order.into_iter().take(LINKS_FROM) {
        let Some(counts) = index.counts.get(from) else { continue };
        for (to, title) in titles.iter().enumerate() {
            let named = !title.is_empty()
                && to != from
                && title.iter().all(|term| counts.binary_search_by_key(term, |(known, _)| *known).is_ok());
            if named && let Some(score) = with.get_mut(to) {
                *score = score.max(at(&scores, to) + LINK_WEIGHT * at(&scores, from));
            }
        }
    }
    with
}
