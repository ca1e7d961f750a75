//! How fast this machine multiplies at best: what a benchmark's figures are a share of.

use crate::number::{Bf16, F32, Number, Precision};
use crate::pool;
use crate::simd::{Kernel, Level, Simd, dispatch};
use crate::tile::{OUT, PANEL, ROWS, max_rows};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Words of k of the tile that is run: operands stay in the first cache.
const WORDS: usize = 64;
/// Tiles between two looks at the clock.
const TILES: usize = 4096;

/// The largest register tile over operands in the first cache, again and again.
struct Burst<N>(PhantomData<N>);

impl<N: Number> Kernel for Burst<N> {
    type Output = u64;

    /// Floating-point operations done.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> u64 {
        let rows = max_rows::<S>(PANEL);
        let (left, right) = ([0.0f32; ROWS * WORDS], [0.0f32; WORDS * PANEL * 16]);
        let a: [*const f32; ROWS] = std::array::from_fn(|r| left[r * WORDS..].as_ptr());
        let mut out = [0.0f32; OUT];
        let tile = N::tiles::<S>(S::TILES).rows[PANEL - 1][rows - 1];
        for _ in 0..TILES {
            // SAFETY: operands and result have the sizes of the tile.
            unsafe { tile(WORDS, a.as_ptr(), right.as_ptr(), out.as_mut_ptr()) }
            std::hint::black_box(&mut out);
        }
        (2 * N::PACK * WORDS * rows * PANEL * S::LANES * TILES) as u64
    }
}

/// Floating-point operations per second of the register tile on `threads` threads, a multiply-add counted twice: the best of some bursts
/// in about a tenth of a second.
pub fn peak(threads: usize, precision: Precision) -> f64 {
    let level = Level::best();
    let threads = threads.max(1);
    let (mut best, begun) = (0.0f64, Instant::now());
    while begun.elapsed().as_millis() < 100 {
        let done = AtomicU64::new(0);
        let start = Instant::now();
        pool::run(threads, |_| {
            let operations = match precision {
                Precision::F32 => dispatch(level, Burst::<F32>(PhantomData)),
                Precision::Bf16 => dispatch(level, Burst::<Bf16>(PhantomData)),
            };
            done.fetch_add(operations, Ordering::Relaxed);
        });
        best = best.max(done.into_inner() as f64 / start.elapsed().as_secs_f64());
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_a_rate_that_a_processor_can_have() {
        for precision in [Precision::F32, Precision::Bf16] {
            let rate = peak(1, precision);
            assert!((1e7..1e14).contains(&rate), "{precision:?}: {rate}");
        }
    }
}
