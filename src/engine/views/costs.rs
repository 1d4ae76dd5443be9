//! What work has cost, by whatever it is asked by, and what the same tokens would have cost at strong models.

use crate::domain::spending::Tokens;
use crate::domain::view::{Baseline, CostBy, CostFilter, CostRow, Costs};
use crate::engine::Engine;
use crate::routing::catalogue::Catalogue;
use crate::routing::prices::strong_of;
use crate::store::{StoreError, spending};

impl Engine {
    pub fn costs_by(&self, filter: &CostFilter) -> Result<Costs, StoreError> {
        self.view(|tx| {
            let models = spending::costs_by(tx, &CostFilter { by: vec![CostBy::Model], ..filter.clone() })?;
            Ok(Costs {
                by: filter.by.clone(),
                rows: if filter.by == [CostBy::Model] { models.clone() } else { spending::costs_by(tx, filter)? },
                total: models.iter().fold(CostRow::default(), sum),
                baseline: baseline(&models, self.routes.catalogue()),
            })
        })
    }
}

fn sum(all: CostRow, row: &CostRow) -> CostRow {
    let (mine, more) = (all.tokens, row.tokens);
    CostRow {
        calls: all.calls.saturating_add(row.calls),
        tokens: Tokens {
            input: mine.input.saturating_add(more.input),
            cache_write: mine.cache_write.saturating_add(more.cache_write),
            cache_write_long: mine.cache_write_long.saturating_add(more.cache_write_long),
            cache_read: mine.cache_read.saturating_add(more.cache_read),
            output: mine.output.saturating_add(more.output),
        },
        micro_usd: all.micro_usd.saturating_add(row.micro_usd),
        guessed_micro_usd: all.guessed_micro_usd.saturating_add(row.guessed_micro_usd),
        ..CostRow::default()
    }
}

/// Nothing where no model has a known price.
fn baseline(models: &[CostRow], catalogue: &Catalogue) -> Option<Baseline> {
    let mut strong: Vec<&str> = Vec::new();
    let mut micro_usd: u64 = 0;
    for row in models {
        let model = row.model.as_deref().unwrap_or_default();
        // What was guessed stays as it was: there is nothing to compare it with.
        let Some(instead) = strong_of(catalogue, model) else {
            micro_usd = micro_usd.saturating_add(row.micro_usd);
            continue;
        };
        // A model that is dearer than its maker's strong one was somebody's choice, and is no saving.
        micro_usd = micro_usd.saturating_add(instead.price().of(&row.tokens).max(row.micro_usd));
        if !strong.contains(&instead.name.as_str()) {
            strong.push(&instead.name);
        }
    }
    if strong.is_empty() {
        return None;
    }
    let method = format!(
        "An estimate: the same tokens at the price of each maker's strong model ({}). A strong model might have used \
         fewer or more, and might have failed less often.",
        catalogue.date
    );
    Some(Baseline { model: strong.join(", "), micro_usd, method })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(model: &str, output: u64, micro_usd: u64) -> CostRow {
        let tokens = Tokens { output, ..Tokens::default() };
        CostRow { model: Some(model.to_owned()), tokens, micro_usd, ..CostRow::default() }
    }

    #[test]
    fn the_baseline_is_the_same_tokens_at_the_price_of_strong_models() {
        let found =
            baseline(&[row("claude-haiku-5-5", 1000, 500), row("gpt-6-luna", 1000, 500)], &Catalogue::built_in())
                .unwrap();
        assert_eq!((found.model.as_str(), found.micro_usd), ("claude-opus-5-5, gpt-6.1-sol", 30_000));
    }

    #[test]
    fn what_is_dearer_than_strong_or_has_no_price_is_no_saving() {
        let found =
            baseline(&[row("claude-fable-5-1", 1000, 50_000), row("homemade", 1000, 50_000)], &Catalogue::built_in())
                .unwrap();
        assert_eq!(found.micro_usd, 100_000);
        assert_eq!(baseline(&[row("homemade", 1000, 50_000)], &Catalogue::built_in()), None);
        assert_eq!(baseline(&[], &Catalogue::built_in()), None);
    }
}
