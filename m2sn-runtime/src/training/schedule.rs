//! Learning rates and temperatures over the steps of a phase.

use std::f64::consts::PI;

use crate::plan::{Anneal, Schedule, Temperature};

impl Schedule {
    /// The learning rate of a step as a factor of its peak.
    ///
    /// Steps are counted from zero; a phase has `steps` of them, and an epoch `epoch`.
    pub(super) fn factor(self, step: usize, steps: usize, epoch: usize) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Cosine { warmup } => {
                let rise = (warmup * steps as f64).round() as usize;
                if step < rise {
                    (step + 1) as f64 / rise as f64
                } else {
                    let share = (step - rise) as f64 / (steps - rise).max(1) as f64;
                    0.5 * (1.0 + (PI * share).cos())
                }
            }
            Self::Step { epochs, gamma } => gamma.powi((step / (epoch * epochs)) as i32),
        }
    }
}

impl Temperature {
    /// τ where this share of the way is done: 0 at the first step, 1 at the last.
    pub(super) fn at(self, share: f64) -> f64 {
        match self.anneal {
            Anneal::Exponential => self.from * (self.to / self.from).powf(share),
            Anneal::Linear => self.from + (self.to - self.from) * share,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(found: impl IntoIterator<Item = f64>, expected: &[f64]) {
        let found: Vec<f64> = found.into_iter().collect();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
    }

    #[test]
    fn cosine_rises_in_a_line_and_falls_in_half_a_cosine() {
        // Ten steps, two of them warm-up: 1/2, 1, then (1 + cos(k π / 8)) / 2 for k = 0 to 7.
        let factors = (0..10).map(|step| Schedule::Cosine { warmup: 0.2 }.factor(step, 10, 5));
        assert_close(
            factors,
            &[
                0.5,
                1.0,
                1.0,
                0.961_939_766_255_643_4,
                0.853_553_390_593_273_7,
                0.691_341_716_182_544_9,
                0.5,
                0.308_658_283_817_455_1,
                0.146_446_609_406_726_2,
                0.038_060_233_744_356_6,
            ],
        );
    }

    #[test]
    fn cosine_may_be_all_warm_up() {
        assert_close((0..4).map(|step| Schedule::Cosine { warmup: 1.0 }.factor(step, 4, 2)), &[0.25, 0.5, 0.75, 1.0]);
    }

    #[test]
    fn step_drops_after_whole_epochs() {
        let schedule = Schedule::Step { epochs: 2, gamma: 0.1 };
        assert_close(
            (0..10).map(|step| schedule.factor(step, 10, 2)),
            &[1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01],
        );
    }

    #[test]
    fn temperature_goes_from_one_end_to_the_other() {
        let temperature = |anneal| Temperature { from: 4.0, to: 1.0, anneal };
        assert_close([0.0, 0.5, 1.0].map(|share| temperature(Anneal::Exponential).at(share)), &[4.0, 2.0, 1.0]);
        assert_close([0.0, 0.5, 1.0].map(|share| temperature(Anneal::Linear).at(share)), &[4.0, 2.5, 1.0]);
    }
}
