//! A small seedable random generator whose state is plain data.

use serde::{Deserialize, Serialize};

/// Weyl increment of SplitMix64: 2^64 divided by the golden ratio.
const WEYL: u64 = 0x9E37_79B9_7F4A_7C15;

/// Counter-based generator: the n-th number is SplitMix64's finaliser (Steele, Lea and Flood 2014) of `key + n * WEYL`,
/// where the key is the finaliser of the seed. Integers only, so that the same seed gives the same numbers on every
/// machine.
///
/// The two public fields are the whole state: a stored and restored generator goes on with the same numbers. Not for
/// cryptography.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rng {
    /// The seed.
    pub seed: u64,
    /// How many numbers were drawn.
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

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
