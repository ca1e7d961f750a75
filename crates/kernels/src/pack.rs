//! Panels: columns of a matrix laid out as the register tile reads them, words `[k][vectors·LANES]`, zeros beyond the
//! edge.

use crate::number::{Float, Number, Side};
use crate::simd::Simd;
use crate::simd::load_edge;

/// One vector of columns of a panel.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    /// Position of the vector in the panel.
    pub vector: usize,
    /// Vectors in the panel.
    pub vectors: usize,
    /// Real columns, at most LANES.
    pub width: usize,
}

/// Words of a row that [`transposed`] packs at once.
const RUN: usize = 64;

/// Packs rows of a matrix as columns of a panel: `src` holds `width` rows, `stride` apart, of `k` values over `scales`,
/// one a row.
///
/// # Safety
/// As [`Simd`]; `src` is valid for those rows, `dst` for a panel of `N::count(k)` words of `at.vectors` vectors, and
/// `at.width` is at most LANES.
#[inline(always)]
pub(crate) unsafe fn transposed<S: Simd, N: Number>(
    src: *const f32,
    stride: usize,
    k: usize,
    scales: &[f32; 16],
    at: Column,
    dst: *mut f32,
) {
    if k == 0 {
        // Nothing to write, and `dst` may dangle: its offset would be undefined.
        return;
    }
    let step = at.vectors * S::LANES;
    // SAFETY: as the caller promises; a run of words has room in a row of `rows`, and vectors of the panel are `step`
    // apart.
    unsafe {
        let dst = dst.add(at.vector * S::LANES);
        if N::PACK == 1 {
            return transposed_words::<S>(src, stride, k, at.width, dst, step);
        }
        // Neighbours along k share a word: rows become words first.
        let mut rows = [0.0f32; RUN * 16];
        for start in (0..k).step_by(RUN * N::PACK) {
            let values = (RUN * N::PACK).min(k - start);
            for row in 0..at.width {
                let to = rows.as_mut_ptr().add(row * RUN);
                let src = src.add(row * stride + start);
                N::store_row::<S>(Side::Right, src, values, scales[row], to);
            }
            let dst = dst.add(start / N::PACK * step);
            transposed_words::<S>(rows.as_ptr(), RUN, N::count(values), at.width, dst, step);
        }
    }
}

/// Writes the transpose of `width` rows of `k` words, zeros in the lanes behind.
///
/// # Safety
/// As [`Simd`]; `src` is valid for `k` words in `width` rows, `stride` apart, `dst` for a vector in `k` rows, `step`
/// apart.
#[inline(always)]
unsafe fn transposed_words<S: Simd>(
    src: *const f32,
    stride: usize,
    k: usize,
    width: usize,
    dst: *mut f32,
    step: usize,
) {
    // SAFETY: as the caller promises; whole blocks are used only where LANES rows and columns remain.
    unsafe {
        let mut p = 0;
        if width == S::LANES {
            while p + S::LANES <= k {
                S::transpose(src.add(p), stride, dst.add(p * step), step);
                p += S::LANES;
            }
        }
        while p < k {
            for lane in 0..S::LANES {
                *dst.add(p * step + lane) = match lane < width {
                    true => *src.add(lane * stride + p),
                    false => 0.0,
                };
            }
            p += 1;
        }
    }
}

/// Packs one word of k: `width` columns of the row `src`, and of the row `second` where a word holds two (null past the
/// end).
///
/// # Safety
/// As [`Simd`]; the rows are valid for `at.width` values, `dst` for `at.vectors` vectors, and `at.width` is at most
/// LANES.
#[inline(always)]
pub(crate) unsafe fn straight<S: Simd, N: Float>(
    src: *const f32,
    second: *const f32,
    at: Column,
    dst: *mut f32,
) {
    // SAFETY: as the caller promises; `load_edge` reads only the row's `width` values.
    unsafe {
        let first = load_edge::<S>(src, at.width);
        let second = match N::PACK == 1 || second.is_null() {
            true => S::splat(0.0),
            false => load_edge::<S>(second, at.width),
        };
        S::store(dst.add(at.vector * S::LANES), N::words::<S>(first, second));
    }
}
