//! The register tile: a few rows of A against a packed panel of B.

use crate::simd::Simd;

/// Vectors in a full panel.
pub(crate) const PANEL: usize = 4;

/// Rows of the largest tile with `vectors` accumulators a row that stays in registers.
#[inline(always)]
pub(crate) const fn max_rows<S: Simd>(vectors: usize) -> usize {
    match (S::LANES, vectors) {
        (16, 4) => 6,
        (16, _) => 8,
        (_, 4) => 2,
        (_, 3) => 4,
        (_, 2) => 4,
        _ => 8,
    }
}

/// acc`[r][v]` += Σ_p a`[r][p·STEP]` · b`[p][v]`, with `b` packed as `[k][NV·LANES]`. Every element is summed in order of p.
///
/// # Safety
/// `a[r]` is valid for `(k−1)·STEP + 1` elements, `b` for `k·NV·LANES`; the instruction set of `S` is present.
#[inline(always)]
pub(crate) unsafe fn multiply<S: Simd, const R: usize, const NV: usize, const STEP: usize>(
    k: usize,
    a: &[*const f32; R],
    b: *const f32,
    acc: &mut [[S::V; NV]; R],
) {
    // SAFETY: as the caller promises.
    unsafe {
        // A local copy, which the compiler keeps in registers.
        let mut sums = *acc;
        let mut b = b;
        for p in 0..k {
            let mut w = [S::splat(0.0); NV];
            for v in 0..NV {
                w[v] = S::load(b.add(v * S::LANES));
            }
            b = b.add(NV * S::LANES);
            for r in 0..R {
                let x = S::splat(*a[r].add(p * STEP));
                for v in 0..NV {
                    sums[r][v] = S::fma(x, w[v], sums[r][v]);
                }
            }
        }
        *acc = sums;
    }
}

/// Work on tiles of one to eight rows.
pub(crate) trait Tiles<S: Simd> {
    /// Rows of the largest tile; no code is made for larger ones.
    const MAX: usize;

    /// # Safety
    /// As the implementation says; `#[inline(always)]`.
    unsafe fn tile<const R: usize>(&self, row: usize);
}

/// Covers `rows` with tiles of nearly equal height.
///
/// # Safety
/// As the tiles.
#[inline(always)]
pub(crate) unsafe fn cover<S: Simd, T: Tiles<S>>(rows: std::ops::Range<usize>, work: &T) {
    let count = rows.len();
    let tiles = count.div_ceil(T::MAX);
    for i in 0..tiles {
        let start = rows.start + count * i / tiles;
        let height = rows.start + count * (i + 1) / tiles - start;
        // SAFETY: as the caller promises.
        unsafe {
            if T::MAX >= 1 && height == 1 {
                work.tile::<1>(start);
            }
            if T::MAX >= 2 && height == 2 {
                work.tile::<2>(start);
            }
            if T::MAX >= 3 && height == 3 {
                work.tile::<3>(start);
            }
            if T::MAX >= 4 && height == 4 {
                work.tile::<4>(start);
            }
            if T::MAX >= 5 && height == 5 {
                work.tile::<5>(start);
            }
            if T::MAX >= 6 && height == 6 {
                work.tile::<6>(start);
            }
            if T::MAX >= 7 && height == 7 {
                work.tile::<7>(start);
            }
            if T::MAX >= 8 && height == 8 {
                work.tile::<8>(start);
            }
        }
    }
}
