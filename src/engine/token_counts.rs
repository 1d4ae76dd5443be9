//! How a model's real tokens stand to the estimate: learned from what transcripts report, asked for wherever tokens are counted
//! for an agent. The arithmetic is in `context`.

use crate::clients::transcript::pairs::Pair;
use crate::context::tokens::Calibration;
use crate::domain::context::TokenFactor;
use crate::domain::ids::{AgentName, Time};
use crate::store::{StoreError, Tx, tokens};

use super::Engine;

fn calibration(known: Option<&TokenFactor>) -> Calibration {
    known.map_or_else(Calibration::default, |known| Calibration {
        pairs: known.pairs,
        estimated: known.estimated as f64,
        counted: known.counted as f64,
    })
}

/// In the transaction that notes how far the transcript was read, so that no pair counts twice.
pub(super) fn learn(tx: &mut dyn Tx, pairs: &[Pair], now: Time) -> Result<(), StoreError> {
    for pair in pairs {
        let mut known = calibration(tokens::factor(tx, &pair.model)?.as_ref());
        let before = known;
        known.learn(pair.estimated, pair.counted);
        if known != before {
            let (estimated, counted) = (known.estimated.round() as u64, known.counted.round() as u64);
            let row = TokenFactor { model: pair.model.clone(), pairs: known.pairs, estimated, counted, at: now };
            tokens::put(tx, &row)?;
        }
    }
    Ok(())
}

/// By the model that answered the agent last, else by the one that its client named; 1 where nothing is known.
pub(super) fn factor_of(tx: &mut dyn Tx, agent: &AgentName, named: Option<&str>) -> Result<f64, StoreError> {
    let model = tokens::model_of(tx, agent)?.or_else(|| named.map(str::to_owned));
    let known = match model {
        Some(model) => tokens::factor(tx, &model)?,
        None => None,
    };
    Ok(calibration(known.as_ref()).factor())
}

impl Engine {
    /// What was learned, with the factor of each model.
    pub fn token_factors(&self) -> Result<Vec<(TokenFactor, f64)>, StoreError> {
        let rows = self.view(tokens::all)?;
        Ok(rows
            .into_iter()
            .map(|row| (calibration(Some(&row)).factor(), row))
            .map(|(factor, row)| (row, factor))
            .collect())
    }

    /// Back to the estimate, for one model or for all; gives how many were known.
    pub fn forget_token_factors(&self, model: Option<String>) -> Result<u64, StoreError> {
        tokens::forget(self.backend(), model)
    }
}
