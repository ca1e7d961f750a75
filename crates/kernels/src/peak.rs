//! The highest rate of products on this machine, to which a benchmark compares its figures.

use crate::call::Precision;
use crate::number::{Bf16, F32, Int8, Number};
use crate::pool;
use crate::scratch::Lines;
use crate::simd::{Kernel, Level, Simd, dispatch};
use crate::tile::{Ahead, PANEL, ROWS, Sums, Table};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Words of k of the tile that is run: operands stay in the first cache.
const WORDS: usize = 64;
/// Tiles between two looks at the clock.
const TILES: usize = 4096;

/// The largest tile over operands in the first cache, again and again.
struct Burst<N> {
    table: &'static Table,
    number: PhantomData<N>,
}

impl<N: Number> Kernel for Burst<N> {
    type Output = u64;

    /// Operations done.
    ///
    /// # Safety
    /// As [`Simd`]; the table is one of the same instruction set.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> u64 {
        let rows = self.table.most_rows[PANEL - 1];
        let (left, right) = (Lines::zeros(ROWS * WORDS), Lines::zeros(WORDS * PANEL * 16));
        let a: [*const f32; ROWS] = std::array::from_fn(|r| left.as_ptr().wrapping_add(r * WORDS));
        let mut sums = Sums::new();
        let tile = self.table.tile(PANEL, rows);
        for _ in 0..TILES {
            // SAFETY: `rows` is the height of the table's largest tile over PANEL vectors, and at most ROWS; each row
            // of A has WORDS words, B has WORDS words of PANEL vectors.
            unsafe {
                tile(
                    rows,
                    WORDS,
                    a.as_ptr(),
                    right.as_ptr(),
                    sums.as_mut_ptr(),
                    Ahead::NOTHING,
                );
            }
            std::hint::black_box(&mut sums);
        }
        (2 * N::PACK * WORDS * rows * PANEL * S::LANES * TILES) as u64
    }
}

/// Operations of a burst of N's tile.
fn burst<N: Number>(level: Level) -> u64 {
    let burst = Burst::<N> {
        table: Table::of::<N>(level),
        number: PhantomData,
    };
    dispatch(level, burst)
}

/// Operations per second of the register tile on `threads` threads, a multiply-add counted as two: the best of some
/// bursts in about a tenth of a second.
pub fn peak(threads: usize, precision: Precision) -> f64 {
    let level = Level::best();
    let threads = threads.max(1);
    let (mut best, begun) = (0.0f64, Instant::now());
    while begun.elapsed().as_millis() < 100 {
        let done = AtomicU64::new(0);
        let start = Instant::now();
        pool::run(threads, |_, _| {
            let operations = match precision {
                Precision::F32 => burst::<F32>(level),
                Precision::Bf16 => burst::<Bf16>(level),
                Precision::Int8 => burst::<Int8>(level),
            };
            done.fetch_add(operations, Ordering::Relaxed);
        });
        best = best.max(done.into_inner() as f64 / start.elapsed().as_secs_f64());
    }
    best
}
