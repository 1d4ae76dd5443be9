//! PURE: what hashed words say about success: for each place, how much it was seen and how well that went. An estimate is
//! the mean of what was recorded, weighed by words in common. Sums only: the order of outcomes does not matter.

use serde::{Deserialize, Serialize};

use super::features::PLACES;

/// A weighted mean over hundreds of texts that share everyday words lies close to the middle; so much is it drawn out.
const DRAWN_OUT: f64 = 4.0;
/// Weight of "nothing recorded", in texts with every word in common.
const DOUBT: f64 = 1.0;

/// Grows to `PLACES` entries with the first outcome.
#[derive(Clone, Debug, Default)]
pub struct TextModel {
    cells: Vec<Cell>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cell {
    /// How often, each time weighed by the length of its text.
    weight: f32,
    /// The part of that which succeeded.
    success: f32,
}

/// How many recorded texts have a word in a place: words that everything has say less.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    texts: Vec<f32>,
}

impl Spread {
    pub fn add(&mut self, places: &[u16]) {
        self.texts.resize(PLACES, 0.0);
        for place in places {
            if let Some(count) = self.texts.get_mut(usize::from(*place)) {
                *count += 1.0;
            }
        }
    }

    /// One for each place of a text, so that three tiers can be asked about it at the price of one.
    pub fn weights(&self, places: &[u16]) -> Vec<f32> {
        let count = |place: &u16| self.texts.get(usize::from(*place)).copied().unwrap_or_default();
        places.iter().map(|place| 1.0 / (1.0 + count(place)).sqrt().sqrt()).collect()
    }

    pub fn saved(&self) -> Vec<(u16, f32)> {
        let places = (0..=u16::MAX).zip(&self.texts);
        places.filter(|(_, count)| **count > 0.0).map(|(place, count)| (place, *count)).collect()
    }

    pub fn of(saved: &[(u16, f32)]) -> Self {
        let mut spread = Self::default();
        for (place, count) in saved {
            spread.texts.resize(PLACES, 0.0);
            if let Some(to) = spread.texts.get_mut(usize::from(*place)) {
                *to = count.max(0.0);
            }
        }
        spread
    }
}

impl TextModel {
    /// `success` from 0 to 1.
    pub fn add(&mut self, places: &[u16], success: f64) {
        self.cells.resize(PLACES, Cell::default());
        let weight = 1.0 / (places.len().max(1) as f32).sqrt();
        for place in places {
            if let Some(cell) = self.cells.get_mut(usize::from(*place)) {
                cell.weight += weight;
                cell.success += weight * success as f32;
            }
        }
    }

    /// An outcome that was counted turned out otherwise, by this much.
    pub fn amend(&mut self, places: &[u16], by: f64) {
        let weight = 1.0 / (places.len().max(1) as f32).sqrt();
        for place in places {
            if let Some(cell) = self.cells.get_mut(usize::from(*place)) {
                cell.success = (cell.success + weight * by as f32).clamp(0.0, cell.weight);
            }
        }
    }

    /// How much better or worse than `mean` texts like this one went.
    pub fn offset(&self, places: &[u16], weights: &[f32], mean: f64) -> f64 {
        let scale = 1.0 / (places.len().max(1) as f64).sqrt();
        let (mut weight, mut success) = (0.0_f32, 0.0_f32);
        for (place, by) in places.iter().zip(weights) {
            if let Some(cell) = self.cells.get(usize::from(*place)) {
                weight += by * cell.weight;
                success += by * cell.success;
            }
        }
        let (weight, success) = (f64::from(weight) * scale, f64::from(success) * scale);
        DRAWN_OUT * (success - mean * weight) / (weight + DOUBT)
    }

    pub fn saved(&self) -> Vec<(u16, f32, f32)> {
        let cells = (0..=u16::MAX).zip(&self.cells);
        cells.filter(|(_, cell)| cell.weight > 0.0).map(|(place, cell)| (place, cell.weight, cell.success)).collect()
    }

    pub fn of(saved: &[(u16, f32, f32)]) -> Self {
        let mut model = Self::default();
        for (place, weight, success) in saved {
            model.cells.resize(PLACES, Cell::default());
            if let Some(to) = model.cells.get_mut(usize::from(*place)) {
                let weight = weight.max(0.0);
                *to = Cell { weight, success: success.clamp(0.0, weight) };
            }
        }
        model
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_share_words_share_their_fate() {
        let (mut model, mut spread) = (TextModel::default(), Spread::default());
        for _ in 0..10 {
            for (places, success) in [([1, 2, 3], 1.0), ([3, 4, 5], 0.0)] {
                model.add(&places, success);
                spread.add(&places);
            }
        }
        let ask = |places: &[u16]| model.offset(places, &spread.weights(places), 0.5);
        assert!(ask(&[1, 2]) > 0.5, "{}", ask(&[1, 2]));
        assert!(ask(&[4, 5]) < -0.5, "{}", ask(&[4, 5]));
        assert!(ask(&[3]).abs() < 1e-6, "a word of both says nothing: {}", ask(&[3]));
        assert!(ask(&[9]).abs() < 1e-6, "an unknown word says nothing");
    }

    #[test]
    fn what_was_saved_comes_back() {
        let mut model = TextModel::default();
        model.add(&[7, 300], 0.5);
        let back = TextModel::of(&model.saved());
        assert_eq!(back.saved(), model.saved());
        let wrong = TextModel::of(&[(9, 1.0, 40.0), (10, -3.0, 1.0)]);
        assert_eq!(wrong.saved(), [(9, 1.0, 1.0)], "sums that cannot be are brought to what can");
    }
}
