//! Random choices with a key: each purpose of each line has a stream of its own, so that one more choice in one place
//! moves none elsewhere.

use refrain_random::SplitMix64;

/// A stream of random choices.
#[derive(Clone, Debug)]
pub(crate) struct Dice(SplitMix64);

/// FNV-1a, 64 bits: the same on every machine and in every version.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

impl Dice {
    /// The stream for one purpose of item `index` under `seed`.
    pub(crate) fn new(seed: u64, index: u64, purpose: &str) -> Self {
        let key = [index, hash(purpose.as_bytes())]
            .into_iter()
            .fold(seed, |key, part| {
                SplitMix64::new(SplitMix64::new(key).next_u64() ^ part).next_u64()
            });
        Self(SplitMix64::new(key))
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in 0..n, and 0 for n = 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0.below(n as u64) as usize
    }

    /// Uniform in [0, 1).
    pub(crate) fn uniform(&mut self) -> f32 {
        (self.0.next_u64() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Uniform in [low, high).
    pub(crate) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// Between low and high, both above 0, with the same density per factor.
    pub(crate) fn log_range(&mut self, low: f32, high: f32) -> f32 {
        (self.range(low.ln(), high.ln()))
            .exp()
            .clamp(low, high.max(low))
    }

    /// Uniform in low..=high.
    pub(crate) fn whole(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True with probability `p`.
    pub(crate) fn chance(&mut self, p: f32) -> bool {
        self.uniform() < p
    }

    /// -1 or 1.
    pub(crate) fn sign(&mut self) -> f32 {
        if self.chance(0.5) { 1.0 } else { -1.0 }
    }

    /// One of the items, of which there must be one at least.
    pub(crate) fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }

    /// Position in `weights`, chosen with these weights; the last one if all are 0.
    pub(crate) fn weighted(&mut self, weights: &[f32]) -> usize {
        let mut rest = self.uniform() * weights.iter().sum::<f32>();
        let last = weights
            .iter()
            .rposition(|&w| w > 0.0)
            .unwrap_or(weights.len() - 1);
        weights
            .iter()
            .position(|&weight| {
                rest -= weight;
                rest < 0.0
            })
            .unwrap_or(last)
    }

    /// Adds numbers that are close to normal, of mean 0 and standard deviation `sigma`, to bytes.
    pub(crate) fn add_noise(&mut self, pixels: &mut [u8], sigma: f32) {
        // The sum of four uniform bytes has mean 510 and standard deviation 147.8.
        let scale = sigma / 147.8;
        for pair in pixels.chunks_mut(2) {
            let bits = self.bits();
            for (pixel, half) in pair.iter_mut().zip([bits as u32, (bits >> 32) as u32]) {
                let sum: u32 = half.to_le_bytes().into_iter().map(u32::from).sum();
                *pixel = (f32::from(*pixel) + (sum as f32 - 510.0) * scale + 0.5) as u8;
            }
        }
    }
}
