//! Panels: columns of a matrix laid out as the register tile reads them, `[k][vectors·LANES]`, zeros beyond the edge.

use crate::simd::Simd;

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

/// Packs rows of a matrix as columns of a panel: `src` holds `width` rows, `stride` apart, of `k` elements.
///
/// # Safety
/// `src` and `dst` are valid for what is said above.
#[inline(always)]
pub(crate) unsafe fn transposed<S: Simd>(
    src: *const f32,
    stride: usize,
    k: usize,
    at: Column,
    dst: *mut f32,
) {
    let step = at.vectors * S::LANES;
    // SAFETY: as the caller promises; whole blocks are used only where LANES rows and columns remain.
    unsafe {
        let dst = dst.add(at.vector * S::LANES);
        let mut p = 0;
        if at.width == S::LANES {
            while p + S::LANES <= k {
                S::transpose(src.add(p), stride, dst.add(p * step), step);
                p += S::LANES;
            }
        }
        while p < k {
            for lane in 0..S::LANES {
                *dst.add(p * step + lane) = match lane < at.width {
                    true => *src.add(lane * stride + p),
                    false => 0.0,
                };
            }
            p += 1;
        }
    }
}

/// Packs one row's piece: `width` elements from `src` into the panel's row at `dst`.
///
/// # Safety
/// `src` is valid for `width` elements, `dst` for a row of the panel.
#[inline(always)]
pub(crate) unsafe fn straight<S: Simd>(src: *const f32, at: Column, dst: *mut f32) {
    // SAFETY: as the caller promises.
    unsafe {
        let v = match at.width == S::LANES {
            true => S::load(src),
            false => S::load_partial(src, at.width),
        };
        S::store(dst.add(at.vector * S::LANES), v);
    }
}
