//! BM25 over the words of units and of what they are inside of. What else makes a unit worth keeping is in `rank` and `code`.

use super::chunks::Unit;
use super::terms::{Keyed, Term, Words};

/// The usual constants of BM25: how soon more of the same word counts no more, and how much length counts.
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// A word of the query counts no more often than this.
const QUERY_TIMES_MAX: f64 = 6.0;
/// What names a unit (its definition, heading, file) counts so often as what is in it.
const NAME_WEIGHT: f64 = 1.0;

/// Words of units, counted.
pub struct Index {
    pub words: Words,
    /// Of each unit: its terms and how often, in the order of their numbers.
    pub counts: Vec<Vec<(Term, f64)>>,
    /// In how many units a term is.
    spread: Vec<f64>,
    pub length: Vec<f64>,
    mean_length: f64,
}

pub type Query = Vec<(Term, f64)>;

impl Index {
    pub fn new(text: &str, units: &[Unit], with_names: bool) -> Self {
        let mut words = Words::default();
        let mut named: Keyed<u64, Vec<Term>> = Keyed::default();
        let (mut counts, mut length) = (Vec::with_capacity(units.len()), Vec::with_capacity(units.len()));
        for unit in units {
            let mut terms: Keyed<u32, f64> = Keyed::default();
            let mut total = 0.0;
            words.terms(unit.text(text), |term, _| {
                *terms.entry(term).or_default() += 1.0;
                total += 1.0;
            });
            if with_names {
                for name in &unit.names {
                    let known = named.entry(name.start as u64).or_default();
                    if known.is_empty() {
                        *known = words.list(text.get(name.clone()).unwrap_or_default());
                    }
                    for term in known.iter() {
                        *terms.entry(*term).or_default() += NAME_WEIGHT;
                    }
                }
            }
            let mut terms: Vec<(Term, f64)> = terms.into_iter().collect();
            terms.sort_unstable_by_key(|(term, _)| *term);
            counts.push(terms);
            length.push(total);
        }
        let mut index = Self { words, counts, spread: Vec::new(), length, mean_length: 1.0 };
        index.measure();
        index
    }

    fn measure(&mut self) {
        self.spread = vec![0.0; self.words.len()];
        for (term, _) in self.counts.iter().flatten() {
            if let Some(count) = self.spread.get_mut(*term as usize) {
                *count += 1.0;
            }
        }
        let total: f64 = self.length.iter().sum();
        self.mean_length = (total / self.length.len().max(1) as f64).max(1.0);
    }

    /// How much a term tells units apart.
    pub fn rarity(&self, term: Term) -> f64 {
        let units = self.counts.len() as f64;
        let spread = self.spread.get(term as usize).copied().unwrap_or(0.0);
        (1.0 + (units - spread + 0.5) / (spread + 0.5)).ln()
    }

    pub fn query(&mut self, text: &str) -> Query {
        self.weighted(&[(text, 1.0)])
    }

    /// Terms of the parts of a query, each part with its weight.
    pub fn weighted(&mut self, parts: &[(&str, f64)]) -> Query {
        let mut terms: Keyed<u32, f64> = Keyed::default();
        for (text, weight) in parts {
            self.words.terms(text, |term, _| *terms.entry(term).or_default() += weight);
        }
        let mut query: Query = terms.into_iter().map(|(term, times)| (term, times.min(QUERY_TIMES_MAX))).collect();
        query.sort_unstable_by_key(|(term, _)| *term);
        query
    }

    pub fn scores(&self, query: &Query) -> Vec<f64> {
        let mut weights = vec![0.0; self.words.len()];
        for (term, weight) in query {
            if let Some(slot) = weights.get_mut(*term as usize) {
                *slot += weight * self.rarity(*term);
            }
        }
        let score = |(counts, length): (&Vec<(Term, f64)>, &f64)| -> f64 {
            let norm = K1 * (1.0 - B + B * length / self.mean_length);
            let of = |(term, count): &(Term, f64)| {
                let weight = weights.get(*term as usize).copied().unwrap_or(0.0);
                weight * count * (K1 + 1.0) / (count + norm)
            };
            counts.iter().map(of).sum()
        };
        self.counts.iter().zip(&self.length).map(score).collect()
    }
}

pub fn at(values: &[f64], index: usize) -> f64 {
    values.get(index).copied().unwrap_or(0.0)
}

/// Scaled so that the highest is 1.
pub fn scaled(mut values: Vec<f64>) -> Vec<f64> {
    let most = values.iter().copied().fold(0.0, f64::max);
    if most > 0.0 {
        values.iter_mut().for_each(|value| *value /= most);
    }
    values
}
