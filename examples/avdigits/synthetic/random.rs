//! A small generator of random numbers: the same on every machine, and as many independent streams as samples.

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream of one sample: every combination of numbers has its own.
    pub(crate) fn stream(numbers: &[u64]) -> Self {
        numbers.iter().fold(Self(0), |random, number| Self(random.clone().next() ^ number.wrapping_mul(GOLDEN)))
    }

    /// A number from `low` up to, but not including, `high`.
    pub(crate) fn uniform(&mut self, low: f32, high: f32) -> f32 {
        // The upper 24 bits are as many as an `f32` can hold.
        low + (high - low) * (self.next() >> 40) as f32 / (1 << 24) as f32
    }

    /// A number of mean 0 and deviation 1, nearly normal: the sum of four evenly distributed ones.
    pub(crate) fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum: u64 = (0..4).map(|part| bits >> (16 * part) & 0xffff).sum();
        (sum as f32 / 65_536.0 - 2.0) * 3.0_f32.sqrt()
    }

    /// A whole number below `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }
}

/// 2⁶⁴ divided by the golden ratio: steps that visit all numbers, far from each other.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_sequence() {
        // The first values of the reference implementation for the seed 1234567.
        let mut random = Random(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn has_the_promised_moments() {
        let mut random = Random::stream(&[1, 2, 3]);
        let draw: Vec<f32> = (0..20_000).map(|_| random.normal()).collect();
        let mean = draw.iter().sum::<f32>() / 20_000.0;
        let variance = draw.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.03, "mean {mean}, variance {variance}");
        assert!((0..1000).all(|_| (-2.0..3.0).contains(&random.uniform(-2.0, 3.0))));
    }
}
