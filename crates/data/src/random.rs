//! The crate's random numbers: SplitMix64 (Steele, Lea and Flood 2014). Integers only, so that a seed means the same
//! text and the same batches on every machine and in every version.

pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    /// A stream for `seed`; neighbouring seeds give unrelated streams.
    pub fn new(seed: u64) -> Self {
        Self(finalise(seed ^ 0x5265_6672_6169_6E00))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        finalise(self.0)
    }

    /// Uniform in 0..n, for n below 2^32; the bias of at most n / 2^64 is ignored.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }
}

fn finalise(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Puts the values into a random order (Fisher & Yates).
pub(crate) fn shuffle(values: &mut [usize], random: &mut SplitMix64) {
    for last in (1..values.len()).rev() {
        values.swap(last, random.below(last as u64 + 1) as usize);
    }
}
