//! PURE: what choosing models saved against always taking a strong one, from tries that have ended. Where that cannot be known
//! it is left out and counted; what is assumed is said in `method`.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::Catalogue;
use super::prices::{priced, strong_of};
use crate::domain::ids::Time;
use crate::domain::route::SOLVED_FROM;
use crate::domain::savings::{Ended, LeftOut, SavedRow, Savings, StrongRow, Used};
use crate::domain::workflow::ModelTier;

/// So many strong tries of a type make a mean: fewer say little, since single ones differ several times over.
pub const STRONG_TRIES: usize = 10;
/// A strong model may need fewer tokens than a weaker one at the same work; how many is not known, so the range goes down to
/// this share.
const TOKENS_SHARE_LOW: f64 = 0.5;
/// Standard deviations on each side: 19 of 20 times the truth is in between.
const DEVIATIONS: f64 = 1.96;

/// Since when pieces of work count, by the end of their last try. What is known of strong models is from all of them.
#[derive(Clone, Debug, Default)]
pub struct Span {
    pub since: Option<Time>,
    /// As it is shown.
    pub day: Option<String>,
    /// Everything that was spent in it.
    pub spent_micro_usd: u64,
}

/// `tries` in the order in which they ended.
pub fn savings(tries: &[Ended], catalogue: &Catalogue, span: Span) -> Savings {
    let mut pieces: BTreeMap<&str, Vec<&Ended>> = BTreeMap::new();
    tries.iter().for_each(|tried| pieces.entry(&tried.piece).or_default().push(tried));
    let known = strong(tries, catalogue);
    let mut sums = Sums::default();
    let mut left_out = LeftOut::default();
    let mut without_price = BTreeSet::new();
    let mut models = BTreeSet::new();
    for tries in pieces.values() {
        if span.since.is_some_and(|since| tries.last().is_none_or(|last| last.at < since)) {
            continue;
        }
        match piece(tries, catalogue, &known) {
            Ok(piece) => {
                models.extend(piece.instead.clone());
                sums.add(&piece);
            }
            Err(Out::GoingOn) => left_out.going_on += 1,
            Err(Out::Cost) => left_out.without_cost += 1,
            Err(Out::Baseline) => left_out.without_baseline += 1,
            Err(Out::Price(more)) => {
                left_out.without_price += 1;
                without_price.extend(more);
            }
        }
    }
    left_out.models = without_price.into_iter().collect();
    let [by_type, by_tier, by_project] = [sums.by_type, sums.by_tier, sums.by_project].map(rows);
    Savings {
        since: span.day,
        prices: catalogue.date.clone(),
        all: sums.all.row("all", &known),
        by_type: by_type.into_iter().map(|(name, sum)| sum.row(&name, &known)).collect(),
        by_tier: by_tier.into_iter().map(|(name, sum)| sum.row(&name, &known)).collect(),
        by_project: by_project.into_iter().map(|(name, sum)| sum.row(&name, &known)).collect(),
        strong: known.iter().map(|(kind, known)| known.row(kind)).collect(),
        left_out,
        spent_micro_usd: span.spent_micro_usd,
        method: method(&models, &catalogue.date),
    }
}

fn method(models: &BTreeSet<String>, date: &str) -> String {
    let models = if models.is_empty() {
        "none so far".to_owned()
    } else {
        models.iter().cloned().collect::<Vec<_>>().join(", ")
    };
    format!(
        "Only work that has ended, whose outcome and cost are known. Its cost is that of all its tries, the failed ones too. \
         Always strong: what strong models cost where they tried that very work; else one try, at the mean of {STRONG_TRIES} or \
         more strong tries at fresh work of its type; else the tokens of the try that succeeded, at the price of the strong \
         model of the same maker ({models}). For work that was not done and that no strong model tried, nothing is set against \
         its cost. That a strong model needs the same tokens is an assumption: the range begins where it needs half of them. \
         Prices of {date}, for both sides."
    )
}

/// Why a piece has no part in the sums.
enum Out {
    GoingOn,
    Cost,
    Price(Vec<String>),
    Baseline,
}

/// What always strong would have cost at one piece, by what that is known from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Instead {
    /// Strong models tried it.
    Tried(f64),
    Mean,
    Tokens(f64),
    /// Nobody knows what a strong model would have made of it.
    GivenUp,
}

struct Piece<'t> {
    kind: &'t str,
    project: &'t str,
    tier: ModelTier,
    solved: bool,
    tries: u64,
    failed: u64,
    cost: f64,
    baseline: Instead,
    strong_failed: bool,
    /// The strong model that its tokens were priced at.
    instead: Option<String>,
}

/// One try, priced.
struct Try<'t> {
    tier: ModelTier,
    cost: f64,
    solved: bool,
    /// What did most of it.
    main: Option<&'t Used>,
}

fn piece<'t>(tries: &[&'t Ended], catalogue: &Catalogue, known: &BTreeMap<String, Strong>) -> Result<Piece<'t>, Out> {
    let last = tries.last().ok_or(Out::Cost)?;
    if last.open {
        return Err(Out::GoingOn);
    }
    let priced: Vec<Try<'_>> = tries.iter().map(|tried| one(tried, catalogue)).collect::<Result<_, _>>()?;
    let end = priced.last().ok_or(Out::Cost)?;
    let cost: f64 = priced.iter().map(|tried| tried.cost).sum();
    let strong = || priced.iter().filter(|tried| tried.tier == ModelTier::Strong);
    let mut instead = None;
    let baseline = if strong().next().is_some() {
        Instead::Tried(strong().map(|tried| tried.cost).sum())
    } else if !end.solved {
        Instead::GivenUp
    } else if known.contains_key(&last.kind) {
        Instead::Mean
    } else {
        let main = end.main.ok_or(Out::Baseline)?;
        let strong = strong_of(catalogue, &main.model).ok_or(Out::Baseline)?;
        instead = Some(strong.name.clone());
        let (own, other) = (priced_at(catalogue, main), strong.price().of(&main.tokens) as f64);
        Instead::Tokens(end.cost - own + other)
    };
    Ok(Piece {
        kind: &last.kind,
        project: &last.project,
        tier: end.tier,
        solved: end.solved,
        tries: priced.len() as u64,
        failed: priced.iter().filter(|tried| !tried.solved).count() as u64,
        cost,
        baseline,
        strong_failed: strong().any(|tried| !tried.solved),
        instead,
    })
}

fn one<'t>(tried: &'t Ended, catalogue: &Catalogue) -> Result<Try<'t>, Out> {
    let unknown: Vec<String> =
        tried.used.iter().map(|used| &used.model).filter(|model| catalogue.find(model).is_none()).cloned().collect();
    if !unknown.is_empty() {
        return Err(Out::Price(unknown));
    }
    let cost = match tried.micro_usd {
        _ if !tried.used.is_empty() => tried.used.iter().map(|used| priced_at(catalogue, used)).sum(),
        Some(told) => told as f64,
        None => return Err(Out::Cost),
    };
    let weight = |used: &Used| (priced_at(catalogue, used), used.tokens.counted());
    let main = tried.used.iter().max_by(|a, b| weight(a).partial_cmp(&weight(b)).unwrap_or(std::cmp::Ordering::Equal));
    let ran = main.map(|used| used.model.as_str()).or(tried.model.as_deref());
    let tier = ran.and_then(|model| catalogue.find(model)).map_or(tried.tier, |model| model.tier);
    Ok(Try { tier, cost, solved: tried.success >= SOLVED_FROM, main })
}

fn priced_at(catalogue: &Catalogue, used: &Used) -> f64 {
    priced(catalogue, &used.model, &used.tokens).micro_usd as f64
}

/// What strong tries at fresh work of one type came to.
#[derive(Debug, Default)]
struct Strong {
    costs: Vec<f64>,
    solved: u64,
}

impl Strong {
    fn mean(&self) -> f64 {
        self.costs.iter().sum::<f64>() / self.costs.len().max(1) as f64
    }

    fn variance(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.costs.iter().map(|cost| (cost - mean).powi(2)).sum();
        squares / self.costs.len().saturating_sub(1).max(1) as f64
    }

    fn rate(&self) -> f64 {
        self.solved as f64 / self.costs.len().max(1) as f64
    }

    fn row(&self, kind: &str) -> StrongRow {
        let mean_micro_usd = whole(self.mean());
        StrongRow { kind: named(kind), tries: self.costs.len() as u64, solved: self.solved, mean_micro_usd }
    }
}

/// Of the types that have enough of them. A try after a failure is at harder work, and goes on from what is there.
fn strong(tries: &[Ended], catalogue: &Catalogue) -> BTreeMap<String, Strong> {
    let mut found: BTreeMap<String, Strong> = BTreeMap::new();
    for tried in tries.iter().filter(|tried| tried.fresh) {
        let Ok(priced) = one(tried, catalogue) else { continue };
        if priced.tier == ModelTier::Strong {
            let known = found.entry(tried.kind.clone()).or_default();
            known.costs.push(priced.cost);
            known.solved += u64::from(priced.solved);
        }
    }
    found.retain(|_, known| known.costs.len() >= STRONG_TRIES);
    found
}

#[derive(Clone, Debug, Default)]
struct Sum {
    row: SavedRow,
    cost: f64,
    tried: f64,
    tokens: f64,
    /// Pieces by type: those that are measured by its mean, and all of them.
    means: BTreeMap<String, (u64, u64)>,
}

#[derive(Default)]
struct Sums {
    all: Sum,
    by_type: BTreeMap<String, Sum>,
    by_tier: BTreeMap<String, Sum>,
    by_project: BTreeMap<String, Sum>,
}

impl Sums {
    fn add(&mut self, piece: &Piece<'_>) {
        self.all.add(piece);
        self.by_type.entry(named(piece.kind)).or_default().add(piece);
        self.by_tier.entry(piece.tier.word().to_owned()).or_default().add(piece);
        self.by_project.entry(named(piece.project)).or_default().add(piece);
    }
}

impl Sum {
    fn add(&mut self, piece: &Piece<'_>) {
        let row = &mut self.row;
        row.pieces += 1;
        row.solved += u64::from(piece.solved);
        row.tries += piece.tries;
        row.failed_tries += piece.failed;
        row.strong_failed += u64::from(piece.strong_failed);
        self.cost += piece.cost;
        let of_type = self.means.entry(piece.kind.to_owned()).or_default();
        of_type.1 += 1;
        match piece.baseline {
            Instead::Tried(cost) => {
                row.by_strong_tries += 1;
                self.tried += cost;
            }
            Instead::Mean => {
                row.by_mean += 1;
                of_type.0 += 1;
            }
            Instead::Tokens(cost) => {
                row.by_tokens += 1;
                self.tokens += cost;
            }
            Instead::GivenUp => row.given_up += 1,
        }
    }

    fn row(&self, name: &str, known: &BTreeMap<String, Strong>) -> SavedRow {
        let (mut means, mut variance, mut strong_known, mut strong_solves) = (0.0, 0.0, 0, 0.0);
        for (kind, (measured, all)) in &self.means {
            let Some(known) = known.get(kind) else { continue };
            let count = *measured as f64;
            means += count * known.mean();
            // Single pieces differ from the mean, and the mean itself is known no better than its tries allow.
            variance += known.variance() * (count + count.powi(2) / known.costs.len().max(1) as f64);
            strong_known += all;
            strong_solves += *all as f64 * known.rate();
        }
        let baseline = self.tried + means + self.tokens;
        let saved = baseline - self.cost;
        let either = DEVIATIONS * variance.sqrt();
        let low = saved - either - self.tokens * (1.0 - TOKENS_SHARE_LOW);
        SavedRow {
            name: name.to_owned(),
            micro_usd: whole(self.cost),
            baseline_micro_usd: whole(baseline),
            saved_micro_usd: signed(saved),
            low_micro_usd: signed(low),
            high_micro_usd: signed(saved + either),
            strong_known,
            strong_solves: (strong_solves * 10.0).round() / 10.0,
            ..self.row.clone()
        }
    }
}

/// The dearest first.
fn rows(sums: BTreeMap<String, Sum>) -> Vec<(String, Sum)> {
    let mut rows: Vec<(String, Sum)> = sums.into_iter().collect();
    rows.sort_by(|a, b| b.1.cost.total_cmp(&a.1.cost));
    rows
}

fn named(name: &str) -> String {
    if name.is_empty() { "none".to_owned() } else { name.to_owned() }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never below 0, and far from the largest number"
)]
fn whole(micro_usd: f64) -> u64 {
    micro_usd.round() as u64
}

#[expect(clippy::cast_possible_truncation, reason = "far from the largest number")]
fn signed(micro_usd: f64) -> i64 {
    micro_usd.round() as i64
}

#[cfg(test)]
#[path = "savings_tests.rs"]
mod tests;
