//! What a policy's balances of quality and time have come to.

use serde::{Deserialize, Serialize};
use tch::nn::Path;
use tch::{Kind, Tensor};

use crate::Result;

/// A balance of quality and time, tried on validation samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Balance {
    /// The price: the quality that the time of late fusion must bring, in units of quality (1 for accuracies and F1, the
    /// mean absolute error of the exits for real values).
    pub price: f64,
    /// The mean quality of late fusion's answers less that of the policy's, in units of quality.
    pub loss: f64,
    /// What the loss does not exceed with a probability of 95 %, over the draw of the validation samples.
    pub bound: f64,
    /// The mean share of late fusion's time, looks included, by the latency table of the training.
    pub share: f64,
}

/// The balances of a policy, from no price on upwards.
///
/// They are kept as a variable, `front`, because they are part of what was learned.
#[derive(Debug)]
pub(crate) struct Front(Tensor);

/// The number of balances that are tried.
const BALANCES: usize = 32;
/// The lowest and the highest price above none.
const PRICES: [f64; 2] = [1e-3, 1.0];

impl Front {
    pub(crate) fn new(path: &Path<'_>) -> Self {
        Self(path.zeros_no_train("front", &[BALANCES as i64, 4]))
    }

    /// The prices that are tried: none, then in equal ratios.
    pub(crate) fn prices() -> impl Iterator<Item = f64> {
        let [lowest, highest] = PRICES;
        let ratio = (highest / lowest).powf(1.0 / (BALANCES - 2) as f64);
        std::iter::once(0.0).chain((0..BALANCES - 1).map(move |step| lowest * ratio.powi(step as i32)))
    }

    pub(crate) fn set(&self, balances: &[Balance]) {
        let values: Vec<f32> =
            balances.iter().flat_map(|b| [b.price, b.loss, b.bound, b.share]).map(|value| value as f32).collect();
        let mut front = self.0.shallow_clone();
        tch::no_grad(|| front.copy_(&Tensor::from_slice(&values).view([BALANCES as i64, 4])));
    }

    /// Whether the balances have been tried: before, not even the first price above none is there.
    ///
    /// Asked at every call, so one number has to do.
    pub(crate) fn is_set(&self) -> bool {
        self.0.double_value(&[1, 0]) > 0.0
    }

    /// The balances; none before they have been tried.
    pub(crate) fn balances(&self) -> Result<Vec<Balance>> {
        if !self.is_set() {
            return Ok(Vec::new());
        }
        let values = Vec::<f64>::try_from(self.0.to_device(tch::Device::Cpu).to_kind(Kind::Double).view(-1))?;
        let of = |row: &[f64]| Balance { price: row[0], loss: row[1], bound: row[2], share: row[3] };
        Ok(values.chunks_exact(4).map(of).collect())
    }
}

/// The highest price at which the loss is at most `loss` with a probability of 95 %, where there is one.
///
/// Prices are gone through from none on upwards, and the first whose loss may be higher ends it. Tested in an order that
/// was fixed beforehand, each can be tested at the full level: only a false pass of the first false one counts.
pub(crate) fn highest_price(balances: &[Balance], loss: f64) -> Option<f64> {
    balances.iter().take_while(|balance| balance.bound <= loss).last().map(|balance| balance.price)
}

/// What the mean loss of answers, by sample, does not exceed with a probability of 95 %.
///
/// Differences of accuracies and F1 lie within one; those of real values are taken to lie within the widest.
pub(crate) fn loss_bound(losses: &[f64]) -> f64 {
    let widest = losses.iter().fold(1.0_f64, |widest, loss| widest.max(loss.abs()));
    let scaled: Vec<f64> = losses.iter().map(|loss| loss / widest).collect();
    upper_bound(&scaled) * widest
}

/// The chance that a bound does not hold.
const LEVEL: f64 = 0.05;
/// How much of the stake that could ruin a bet is put on it at most.
const MOST_STAKE: f64 = 0.75;
/// What draws are taken to vary by before any has been seen: little, as differences between two answers mostly do.
const LEAST_SQUARE: f64 = 0.02;

/// A number that the mean of a distribution on [-1, 1] exceeds with a probability of at most 5 %, from independent draws.
///
/// By betting (Waudby-Smith and Ramdas, 2024): against the claim that the mean is `m` or more, a capital of 1 is put on
/// each draw in turn to fall below `m`, by stakes that only earlier draws decide. Were the claim true, the capital could
/// not be expected to grow, and it would ever reach 20 with a probability of at most 1 in 20 (Ville). The bound is the
/// least `m` against which it does. It holds for any number of draws, and is narrow where draws vary little.
pub(crate) fn upper_bound(draws: &[f64]) -> f64 {
    let (mut low, mut high) = (-1.0, 1.0);
    for _ in 0..30 {
        let middle = (low + high) / 2.0;
        if is_refuted(draws, middle) { high = middle } else { low = middle }
    }
    high
}

fn is_refuted(draws: &[f64], mean: f64) -> bool {
    let (mut sum, mut squares) = (0.0, LEAST_SQUARE);
    let mut log_capital = 0.0;
    let rate = 2.0 * LEVEL.recip().ln() / draws.len().max(1) as f64;
    for (before, draw) in draws.iter().enumerate() {
        let count = (before + 1) as f64;
        let variance: f64 = squares / count;
        let stake = (rate / variance).sqrt().min(MOST_STAKE / (1.0 - mean).max(f64::EPSILON));
        log_capital += (1.0 - stake * (draw - mean)).ln();
        if log_capital >= LEVEL.recip().ln() {
            return true;
        }
        sum += draw;
        let average = sum / (count + 1.0);
        squares += (draw - average).powi(2);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    #[test]
    fn prices_rise_evenly() {
        let prices: Vec<f64> = Front::prices().collect();
        assert_eq!((prices.len(), prices[0], prices[1]), (BALANCES, 0.0, 0.001));
        assert!((prices[BALANCES - 1] - 1.0).abs() < 1e-9 && prices.is_sorted());
    }

    #[test]
    fn only_what_is_sure_is_taken() {
        let balance = |price, bound| Balance { price, loss: 0.0, bound, share: 0.5 };
        let balances = [balance(0.0, 0.002), balance(0.01, 0.004), balance(0.02, 0.006), balance(0.03, 0.003)];
        assert_eq!(highest_price(&balances, 0.005), Some(0.01), "what lies behind a failure is not tested");
        assert_eq!(highest_price(&balances, 0.01), Some(0.03));
        assert_eq!(highest_price(&balances, 0.001), None);
    }

    /// Draws as differences of two answers are: mostly none.
    fn draws(random: &mut SplitMix64, count: usize, [worse, better]: [usize; 2]) -> Vec<f64> {
        let draw = |random: &mut SplitMix64| match random.below(1000) {
            at if at < worse => 1.0,
            at if at < worse + better => -1.0,
            _ => 0.0,
        };
        (0..count).map(|_| draw(random)).collect()
    }

    #[test]
    fn the_bound_holds_as_often_as_it_says() {
        let mut random = SplitMix64::new(5);
        for (count, shares) in [(300, [10, 5]), (1200, [10, 5]), (1200, [3, 0]), (1200, [100, 100]), (100, [300, 100])]
        {
            let mean = (shares[0] as f64 - shares[1] as f64) / 1000.0;
            let tries = 1000;
            let missed = (0..tries).filter(|_| upper_bound(&draws(&mut random, count, shares)) < mean).count();
            assert!(missed <= 70, "{missed} of {tries} bounds of {count} draws miss {mean}");
        }
    }

    /// A balance on samples that nothing has learned from.
    struct Tried {
        price: f64,
        share: f64,
        /// For each sample, whether late fusion is right less whether the policy is.
        losses: Vec<f64>,
    }

    impl Tried {
        fn loss(&self) -> f64 {
            self.losses.iter().sum::<f64>() / self.losses.len() as f64
        }
    }

    /// The answers of a trained network, by `tests/fixtures/losses.rs`.
    fn tried() -> Vec<Tried> {
        let text = include_str!("../../tests/fixtures/losses.txt");
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.next().unwrap().strip_prefix("samples ").unwrap().parse().unwrap();
        let balance = |line: &str| {
            let mut words = line.split(' ');
            let [price, share] = [(); 2].map(|()| words.next().unwrap().parse().unwrap());
            let mut losses = vec![0.0; samples];
            for word in words {
                let (sign, sample) = word.split_at(1);
                losses[sample.parse::<usize>().unwrap()] = if sign == "+" { 1.0 } else { -1.0 };
            }
            Tried { price, share, losses }
        };
        lines.map(balance).collect()
    }

    /// The balances as a policy keeps them that was calibrated on the samples at `rows`.
    ///
    /// Behind a bound above the `highest` promise no other is looked at, so none is computed.
    fn calibrated(tried: &[Tried], rows: &[usize], highest: f64) -> Vec<Balance> {
        let (mut drawn, mut bound) = (Vec::new(), 0.0);
        let balance = |tried: &Tried| {
            let draws: Vec<f64> = rows.iter().map(|row| tried.losses[*row]).collect();
            // Often the next price changes no answer that was drawn.
            if bound <= highest && draws != drawn {
                bound = upper_bound(&draws);
                drawn = draws;
            }
            Balance { price: tried.price, loss: 0.0, bound, share: tried.share }
        };
        tried.iter().map(balance).collect()
    }

    /// Draws calibration sets from the answers of a trained network to 1,500 samples, and takes these for all there are.
    ///
    /// Of 2,000 sets each, promises of half a point were broken by none of 150 samples, by 0.7 % of 600, by 1.4 % of
    /// 2,400 and by 2.5 % of 4,800; those of a point by at most 0.6 %. No balance loses two points here.
    #[test]
    fn promises_hold_for_real_answers() {
        const PROMISES: [f64; 3] = [0.005, 0.01, 0.02];
        let tried = tried();
        assert_eq!(tried.len(), BALANCES);
        assert!(tried[BALANCES - 1].loss() > PROMISES[1], "otherwise nothing could be broken");
        let mut random = SplitMix64::new(5);
        for (samples, sets) in [(150, 400), (600, 200), (2400, 50)] {
            let mut broken = [0; 3];
            for _ in 0..sets {
                let rows: Vec<usize> = (0..samples).map(|_| random.below(tried[0].losses.len())).collect();
                let balances = calibrated(&tried, &rows, PROMISES[2]);
                for (promise, broken) in PROMISES.iter().zip(&mut broken) {
                    let price = highest_price(&balances, *promise);
                    // Where there is no price, late fusion answers, and loses nothing.
                    let taken = tried.iter().find(|tried| Some(tried.price) == price);
                    *broken += usize::from(taken.is_some_and(|taken| taken.loss() > *promise));
                }
            }
            // Two standard errors above the level.
            let most = LEVEL + 2.0 * (LEVEL * (1.0 - LEVEL) / f64::from(sets)).sqrt();
            let most = (most * f64::from(sets)) as usize;
            assert!(broken.iter().all(|broken| *broken <= most), "{broken:?} of {sets} at {samples} samples");
        }
    }

    #[test]
    fn the_bound_is_narrow_where_draws_vary_little() {
        let mut random = SplitMix64::new(5);
        let bound = |random: &mut SplitMix64, count, shares| upper_bound(&draws(random, count, shares));
        assert!(bound(&mut random, 1200, [0, 0]) < 0.006);
        // The central limit theorem would give 0.005 + 1.65 * 0.0035.
        let mean: f64 = (0..50).map(|_| bound(&mut random, 1200, [10, 5])).sum::<f64>() / 50.0;
        assert!(mean < 0.016, "{mean}");
        assert_eq!(upper_bound(&[]), 1.0);
    }
}
