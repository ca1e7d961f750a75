//! The register tile: a few rows of A against a packed panel of B. Everything that multiplies ends here.

use crate::number::Number;
use crate::simd::Simd;

/// Vectors in a full panel.
pub(crate) const PANEL: usize = 4;
/// Rows of the largest tile.
pub(crate) const ROWS: usize = 8;
/// Floats in the largest tile.
pub(crate) const OUT: usize = ROWS * PANEL * 16;

/// out`[r][v]` = Σ_p a`[r][p·step]` · b`[p][v]`, with `b` packed as `[k][vectors·LANES]`, each element summed in order of p. `k` and all
/// operands count in words of a [`Number`].
///
/// # Safety
/// `a` holds a pointer per row, valid for `(k−1)·step + 1` elements; `b` is valid for `k·vectors·LANES`, `out` for
/// `rows·vectors·LANES`; the instruction set is present.
pub(crate) type Tile = unsafe fn(k: usize, a: *const *const f32, b: *const f32, out: *mut f32);

/// The body of every [`Tile`].
///
/// # Safety
/// As [`Tile`].
#[inline(always)]
pub(crate) unsafe fn multiply<
    S: Simd,
    N: Number,
    const R: usize,
    const NV: usize,
    const STEP: usize,
>(
    k: usize,
    a: *const *const f32,
    b: *const f32,
    out: *mut f32,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut rows = [std::ptr::null(); R];
        for r in 0..R {
            rows[r] = *a.add(r);
        }
        let mut b = b;
        let mut sums = [[S::splat(0.0); NV]; R];
        for p in 0..k {
            let mut w = [S::splat(0.0); NV];
            for v in 0..NV {
                w[v] = S::load(b.add(v * S::LANES));
                S::prefetch(b.wrapping_add((8 * NV + v) * S::LANES));
            }
            b = b.add(NV * S::LANES);
            for r in 0..R {
                let x = S::splat(*rows[r].add(p * STEP));
                for v in 0..NV {
                    sums[r][v] = N::multiply_add::<S>(x, w[v], sums[r][v]);
                }
            }
        }
        for r in 0..R {
            for v in 0..NV {
                S::store(out.add((r * NV + v) * S::LANES), sums[r][v]);
            }
        }
    }
}

/// The tiles of one instruction set and number: `rows[vectors − 1][rows − 1]` over rows of A, `packed` over A packed `$height` rows high.
pub(crate) struct Table {
    pub rows: [[Tile; ROWS]; PANEL],
    pub packed: [[Tile; ROWS]; PANEL],
    /// Rows of a packed tile.
    pub height: usize,
}

/// Makes the [`Table`] of an instruction set. Sizes beyond `$height` rows (for packed) repeat the largest and are never asked for.
macro_rules! table {
    ($number:ty, $simd:ty, $height:literal $(, $features:literal)?) => {{
        $(#[target_feature(enable = $features)])?
        unsafe fn tile<const R: usize, const NV: usize, const STEP: usize>(
            k: usize,
            a: *const *const f32,
            b: *const f32,
            out: *mut f32,
        ) {
            // SAFETY: as `Tile` says.
            unsafe { $crate::tile::multiply::<$simd, $number, R, NV, STEP>(k, a, b, out) }
        }
        macro_rules! by_rows {
            ($nv:literal, $step:literal, $least:ident) => {
                [
                    tile::<1, $nv, $step>,
                    tile::<2, $nv, $step>,
                    tile::<{ $least(3, $step) }, $nv, $step>,
                    tile::<{ $least(4, $step) }, $nv, $step>,
                    tile::<{ $least(5, $step) }, $nv, $step>,
                    tile::<{ $least(6, $step) }, $nv, $step>,
                    tile::<{ $least(7, $step) }, $nv, $step>,
                    tile::<{ $least(8, $step) }, $nv, $step>,
                ]
            };
        }
        const fn any(rows: usize, _: usize) -> usize {
            rows
        }
        const fn least(rows: usize, height: usize) -> usize {
            if rows < height { rows } else { height }
        }
        $crate::tile::Table {
            rows: [by_rows!(1, 1, any), by_rows!(2, 1, any), by_rows!(3, 1, any), by_rows!(4, 1, any)],
            packed: [
                by_rows!(1, $height, least),
                by_rows!(2, $height, least),
                by_rows!(3, $height, least),
                by_rows!(4, $height, least),
            ],
            height: $height,
        }
    }};
}
pub(crate) use table;

/// Rows of the largest tile with `vectors` accumulators a row that stays in registers.
#[inline(always)]
pub(crate) const fn max_rows<S: Simd>(vectors: usize) -> usize {
    match (S::LANES, vectors) {
        (16, 4) => 6,
        (16, _) => 8,
        (_, 4) => 2,
        (_, 2 | 3) => 4,
        _ => 8,
    }
}

/// Cuts `rows` into tiles of nearly equal height, none above `max`: (first row, height) of each.
#[inline(always)]
pub(crate) fn cover(
    rows: std::ops::Range<usize>,
    max: usize,
) -> impl Iterator<Item = (usize, usize)> {
    let (start, count) = (rows.start, rows.len());
    let tiles = count.div_ceil(max);
    (0..tiles).map(move |i| {
        let first = start + count * i / tiles;
        (first, start + count * (i + 1) / tiles - first)
    })
}
