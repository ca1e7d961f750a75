//! Random numbers without a state: each is a function of a key and an index, so that a run's randomness is its seed and
//! its position.
//!
//! Philox-4×32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), tested against its published
//! vectors.

use crate::error::{KernelError, expect};
use crate::parts::Parts;
use crate::pool::{self, share, unless_miri};
use crate::scratch::{unwritten, written};
use crate::simd::{Kernel, Level, Simd, dispatch};
use std::mem::MaybeUninit;

/// Where a stream of random numbers starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u64);

/// Ten rounds on a 128-bit counter.
#[inline(always)]
const fn philox([mut a, mut b, mut c, mut d]: [u32; 4], [mut k0, mut k1]: [u32; 2]) -> [u32; 4] {
    let mut round = 0;
    while round < 10 {
        let left = 0xd251_1f53 * a as u64;
        let right = 0xcd9e_8d57 * c as u64;
        (a, b, c, d) = (
            (right >> 32) as u32 ^ b ^ k0,
            right as u32,
            (left >> 32) as u32 ^ d ^ k1,
            left as u32,
        );
        k0 = k0.wrapping_add(0x9e37_79b9);
        k1 = k1.wrapping_add(0xbb67_ae85);
        round += 1;
    }
    [a, b, c, d]
}

/// Uniform in `[0,1)`, on a grid of 2⁻²⁴.
#[inline(always)]
fn unit(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / (1 << 24) as f32)
}

impl Key {
    /// The key of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A key for one of many uses of this one; keys folded with different data are independent.
    pub const fn fold(self, data: u64) -> Self {
        // Word 3 sets these blocks apart from those that give numbers.
        let [a, b, ..] = self.block(data, 1);
        Self(a as u64 | (b as u64) << 32)
    }

    #[inline(always)]
    const fn block(self, index: u64, domain: u32) -> [u32; 4] {
        philox(
            [index as u32, (index >> 32) as u32, 0, domain],
            [self.0 as u32, (self.0 >> 32) as u32],
        )
    }

    /// Number `index` of the key, uniform in `[0,1)`.
    pub fn uniform_f32(self, index: u64) -> f32 {
        unit(self.block(index / 4, 0)[(index % 4) as usize])
    }

    /// Number `index` of the key, standard normal (Box & Muller 1958).
    pub fn normal_f32(self, index: u64) -> f32 {
        let [a, b, ..] = self.block(index, 2);
        let radius = (-2.0 * (1.0 - f64::from(unit(a))).ln()).sqrt();
        (radius * (std::f64::consts::TAU * f64::from(unit(b))).cos()) as f32
    }

    /// Numbers 0, 1, … of the key, uniform in `[lo,hi)`.
    pub fn fill_uniform(self, lo: f32, hi: f32, out: &mut [f32]) {
        for (block, chunk) in out.chunks_mut(4).enumerate() {
            for (value, bits) in chunk.iter_mut().zip(self.block(block as u64, 0)) {
                *value = lo + (hi - lo) * unit(bits);
            }
        }
    }
}

/// The elements that share a decision of [`dropout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropoutMask {
    /// One decision for each element (Srivastava et al. 2014).
    Elementwise,
    /// One decision for all steps of a feature of a sequence of x `[B,T,C]` (Gal & Ghahramani 2016).
    Variational {
        /// `B`
        batch: usize,
        /// `T`
        time: usize,
        /// `C`
        features: usize,
    },
}

impl DropoutMask {
    /// Whether elements of `x` can fall away with probability `p`.
    ///
    /// # Errors
    /// A `p` outside `[0,1)`, or an `x` of another size than a variational mask's.
    pub fn check(self, p: f32, elements: usize) -> Result<(), KernelError> {
        let op = "dropout";
        if !(0.0..1.0).contains(&p) {
            return Err(KernelError::Option {
                op,
                what: "p",
                problem: "must be a probability below 1",
            });
        }
        match self {
            Self::Elementwise => Ok(()),
            Self::Variational {
                batch,
                time,
                features,
            } => expect(op, "x", &[batch, time, features], elements),
        }
    }
}

/// Elements in a piece of work.
const PIECE: usize = unless_miri(16 * 1024, 64);

/// y = x·keep/(1−p), where keep is 0 with probability `p` in `[0,1)`. Its own gradient: call it on `d_y` with the same
/// key.
///
/// `x`: any shape, row-major; with [`DropoutMask::Variational`] `[B,T,C]`. The mask depends on key and index alone.
///
/// # Errors
/// As [`DropoutMask::check`].
pub fn dropout(x: &[f32], p: f32, key: Key, mask: DropoutMask) -> Result<Vec<f32>, KernelError> {
    mask.check(p, x.len())?;
    let scale = 1.0 / (1.0 - p);
    let limit = (f64::from(p) * f64::from(1u32 << 24)).round() as u32;
    let factor = |bits: u32| if bits >> 8 >= limit { scale } else { 0.0 };
    if let DropoutMask::Variational {
        batch,
        time,
        features,
    } = mask
    {
        // Without elements there is nothing to decide, whatever the sizes.
        let sequences = if x.is_empty() { 0 } else { batch };
        let mut mask = vec![0.0; sequences * features];
        for (block, chunk) in mask.chunks_mut(4).enumerate() {
            let numbers = key.block(block as u64, 0);
            let decisions = chunk.iter_mut().zip(numbers);
            decisions.for_each(|(m, bits)| *m = factor(bits));
        }
        let y = each_row(x, features, |row, x, y| {
            let first = row / time.max(1) * features;
            let mask = &mask[first..first + features];
            for ((y, x), m) in y.iter_mut().zip(x).zip(mask) {
                *y = x * m;
            }
        });
        return Ok(y);
    }
    let mut y = unwritten("dropout", "y", &[x.len()])?;
    let pieces = x.len().div_ceil(PIECE);
    let threads = pool::threads().clamp(1, pieces.max(1));
    let parts = Parts::new(&mut y);
    pool::run(threads, |id, threads| {
        for piece in share(pieces, id, threads) {
            let range = piece * PIECE..((piece + 1) * PIECE).min(x.len());
            // SAFETY: pieces do not overlap, and each is one thread's.
            let y = unsafe { parts.take(range.clone()) };
            let piece = DropoutPiece {
                first: (range.start / 4) as u64,
                x: &x[range],
                y,
                key,
                limit,
                scale,
            };
            dispatch(Level::best(), piece);
        }
    });
    // SAFETY: the pieces cover y, and each has written all of its elements.
    Ok(unsafe { written(y) })
}

/// Elementwise dropout of neighbouring elements, from block `first` of the key on.
struct DropoutPiece<'a> {
    first: u64,
    x: &'a [f32],
    y: &'a mut [MaybeUninit<f32>],
    key: Key,
    /// Of the 24 bits of a number, from which on an element is kept.
    limit: u32,
    scale: f32,
}

/// Blocks of random numbers side by side, for the compiler to make vectors of.
const SIDE_BY_SIDE: usize = 16;

impl Kernel for DropoutPiece<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        const GROUP: usize = 4 * SIDE_BY_SIDE;
        let groups = self.x.chunks(GROUP).zip(self.y.chunks_mut(GROUP));
        for (group, (x, y)) in groups.enumerate() {
            let first = self.first + (group * SIDE_BY_SIDE) as u64;
            let mut factors = [0.0; GROUP];
            for b in 0..SIDE_BY_SIDE {
                let bits = self.key.block(first + b as u64, 0);
                for i in 0..4 {
                    let kept = bits[i] >> 8 >= self.limit;
                    factors[4 * b + i] = if kept { self.scale } else { 0.0 };
                }
            }
            for ((y, x), factor) in y.iter_mut().zip(x).zip(&factors) {
                y.write(x * factor);
            }
        }
    }
}

/// Calls `f(row, x, y)` for every row of x `[N,width]`, on all threads; gives y.
fn each_row(x: &[f32], width: usize, f: impl Fn(usize, &[f32], &mut [f32]) + Sync) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    let rows = x.len().checked_div(width).unwrap_or(0);
    let threads = pool::threads().clamp(1, x.len().div_ceil(PIECE).max(1));
    let parts = Parts::new(&mut y);
    pool::run(threads, |id, threads| {
        for row in share(rows, id, threads) {
            let range = row * width..(row + 1) * width;
            // SAFETY: rows do not overlap, and each is one thread's.
            let y = unsafe { parts.take(range.clone()) };
            f(row, &x[range], y);
        }
    });
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the authors' `kat_vectors` for philox4x32-10.
    #[test]
    fn philox_gives_its_published_vectors() {
        assert_eq!(
            philox([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn dropout_keeps_its_share_and_scales_it() {
        let n = unless_miri(100_003, 1003);
        let x = vec![1.0; n];
        let y = dropout(&x, 0.3, Key::new(5), DropoutMask::Elementwise).unwrap();
        let kept = y.iter().filter(|y| **y != 0.0).count() as f64 / y.len() as f64;
        let within = if cfg!(miri) { 0.1 } else { 0.01 };
        assert!((kept - 0.7).abs() < within, "{kept}");
        assert!(y.iter().all(|y| *y == 0.0 || (*y - 1.0 / 0.7).abs() < 1e-6));
        for index in [0, 31, 32, n - 4, n - 1] {
            let keep = Key::new(5).uniform_f32(index as u64) >= 0.3;
            assert_eq!(y[index] != 0.0, keep, "element {index}");
        }
        let other = dropout(&x, 0.3, Key::new(5).fold(1), DropoutMask::Elementwise).unwrap();
        assert_ne!(y, other);
    }

    #[test]
    fn a_variational_mask_is_one_for_all_steps() {
        let (batch, time, features) = (3, 4, 50);
        let x = vec![1.0; batch * time * features];
        let y = dropout(
            &x,
            0.5,
            Key::new(1),
            DropoutMask::Variational {
                batch,
                time,
                features,
            },
        )
        .unwrap();
        for b in 0..batch {
            let sequence = &y[b * time * features..(b + 1) * time * features];
            assert!(
                sequence
                    .chunks(features)
                    .all(|step| step == &sequence[..features])
            );
        }
        assert_ne!(y[..features], y[time * features..][..features]);
    }

    #[test]
    fn what_cannot_fall_away_is_refused() {
        let mask = DropoutMask::Variational {
            batch: 2,
            time: 3,
            features: 4,
        };
        let error = dropout(&[0.0; 23], 0.5, Key::new(1), mask).unwrap_err();
        assert_eq!(
            error.to_string(),
            "dropout: x has [23] where [2, 3, 4] is needed"
        );
        for p in [-0.1, 1.0, f32::NAN] {
            let got = dropout(&[0.0; 24], p, Key::new(1), mask);
            assert!(
                matches!(got, Err(KernelError::Option { what: "p", .. })),
                "{p}"
            );
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "too much work for Miri")]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let n = 20_000;
        let values: Vec<f64> = (0..n)
            .map(|i| f64::from(Key::new(3).normal_f32(i)))
            .collect();
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
        assert!(
            mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05,
            "{mean} {variance}"
        );
    }
}
