//! Random numbers of data and of decoding: integers only, so that a seed means the same numbers on every machine and in
//! every version. Not for cryptography.
//!
//! Both generators are SplitMix64 (Steele, Lea and Flood 2014). [`SplitMix64`] is a plain stream, for making and
//! shuffling data; [`Rng`] counts its numbers, so that its state is plain data that can be stored.

use serde::{Deserialize, Serialize};

/// Weyl increment: 2^64 divided by the golden ratio.
const WEYL: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A counter-based generator: the n-th number is the finaliser of `key + n * WEYL`, where the key is the finaliser of
/// the seed.
///
/// The two public fields are the whole state: a stored and restored generator goes on with the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rng {
    /// The seed.
    pub seed: u64,
    /// Count of the numbers drawn.
    pub drawn: u64,
}

impl Rng {
    /// A generator at its first number.
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        mix(mix(self.seed).wrapping_add(self.drawn.wrapping_mul(WEYL)))
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A stream of numbers.
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// A stream for `seed`; neighbouring seeds give unrelated streams.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x5265_6672_6169_6E00))
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(WEYL);
        mix(self.0)
    }

    /// Uniform in 0..n, for n below 2^32; the bias of at most n / 2^64 is ignored.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(n)) >> 64) as u64
    }

    /// Puts the values into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}
