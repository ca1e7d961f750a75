//! The register tile: a few rows of A times a packed panel of B. Every product ends here.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
mod tables;

use crate::number::Number;
use crate::simd::Simd;
use std::mem::MaybeUninit;

type Range = std::ops::Range<usize>;

/// Vectors in a full panel.
pub(crate) const PANEL: usize = 4;
/// Rows of the largest tile.
pub(crate) const ROWS: usize = 32;
/// Floats in a line of the cache.
pub(crate) const LINE: usize = 16;

/// The sums of a tile. Its rows cross no line of the cache.
#[repr(align(64))]
pub(crate) struct Sums(MaybeUninit<[f32; ROWS * PANEL * 16]>);

impl Sums {
    #[inline(always)]
    pub fn new() -> Self {
        Self(MaybeUninit::uninit())
    }

    #[inline(always)]
    pub fn as_mut_ptr(&mut self) -> *mut f32 {
        self.0.as_mut_ptr().cast()
    }
}

/// out`[r][v]` = Σ_p a`[r][p·step]` · b`[p][v]`, with `b` packed as `[k][vectors·LANES]`, each element summed in order
/// of p. `k` and all operands count in words of a [`Number`].
///
/// # Safety
/// `a` holds `rows` pointers, each valid for `(k−1)·step + 1` elements. Neighbours are as far apart as the first two,
/// unless a word is a float. `b` is valid for `k·vectors·LANES` elements, `out` for `rows·vectors·LANES`; the
/// instruction set is present. `rows` and `vectors` are those that the table has the tile for.
pub(crate) type Tile = unsafe fn(
    rows: usize,
    k: usize,
    a: *const *const f32,
    b: *const f32,
    out: *mut f32,
    ahead: Ahead,
);

/// Memory that a tile prefetches into the second cache while it works, a line with every word of k.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    /// Null for nothing.
    first: *const f32,
    /// From one line to the next.
    step: usize,
}

impl Ahead {
    pub const NOTHING: Self = Self {
        first: std::ptr::null(),
        step: 0,
    };

    #[inline(always)]
    pub fn is_nothing(self) -> bool {
        self.first.is_null()
    }

    /// The lines to prefetch with some words of k.
    #[inline(always)]
    pub fn lines(self, words: Range) -> impl Iterator<Item = *const f32> {
        let words = if self.is_nothing() { 0..0 } else { words };
        words.map(move |p| self.first.wrapping_add(p * self.step))
    }

    /// The part of the `next` panel (null for none), of `k` words of `vectors` vectors, that tile number `i` over a
    /// panel prefetches. All of it arrives in time if the panel has as many tiles as vectors.
    #[inline(always)]
    pub fn panel(next: *const f32, i: usize, k: usize, vectors: usize) -> Self {
        match next.is_null() || i >= vectors {
            true => Self::NOTHING,
            false => Self {
                first: next.wrapping_add(i * k * LINE),
                step: LINE,
            },
        }
    }

    /// Line number `i` of as many rows as there are words of k, `step` apart.
    #[inline(always)]
    pub fn rows(first: *const f32, i: usize, step: usize) -> Self {
        Self {
            first: first.wrapping_add(i * LINE),
            step,
        }
    }
}

/// The body of every [`Tile`] with vectors. It prefetches B into the first cache `SOON` words of k ahead.
///
/// # Safety
/// As [`Tile`], for `R` rows and `NV` vectors, `STEP` words from one of a row of A to the next.
#[inline(always)]
pub(crate) unsafe fn multiply<
    S: Simd,
    N: Number,
    const R: usize,
    const NV: usize,
    const STEP: usize,
    const SOON: usize,
>(
    k: usize,
    a: *const *const f32,
    b: *const f32,
    out: *mut f32,
    ahead: Ahead,
) {
    // SAFETY: word p of row r is `p·STEP` elements behind its pointer, and vector v of word p the `p·NV + v`th of b,
    // for p below k; the sums are R·NV vectors. A prefetch may name any address.
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
                S::prefetch(b.wrapping_add((SOON * NV + v) * S::LANES));
            }
            for line in ahead.lines(p..p + 1) {
                S::prefetch_far(line);
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

/// Rows of the largest tile with early prefetches: more rows do enough work while weights arrive.
const EARLY: usize = 2;
/// Heights that have a tile of their own.
const HEIGHTS: usize = 8;

/// Tiles by vectors and rows less one; the last one serves all greater heights.
pub(crate) type Tiles = [[Tile; HEIGHTS]; PANEL];

/// The tiles of one instruction set and number.
pub(crate) struct Table {
    /// Over rows of A.
    pub rows: Tiles,
    /// Over one row, by vectors less one.
    pub single: [Tile; PANEL],
    /// Over one and two rows, with earlier prefetches: for weights most of which lie outside the second cache.
    pub early: [[Tile; EARLY]; PANEL],
    /// Rows up to which `early` is the better choice for a step.
    pub early_rows: usize,
    /// Rows of the largest tile, by vectors less one.
    pub most_rows: [usize; PANEL],
    /// Rows per thread at which a tile is efficient: `[usual, lower]`. The lower bound applies when dividing by units
    /// would be costly.
    pub efficient_rows: [usize; 2],
    /// Prefetch weights once they exceed this many eighths of the second cache (other traffic would evict them).
    pub prefetch_eighths: usize,
    /// Panels have a multiple of so many vectors, where possible.
    pub panel_multiple: usize,
    /// Over a transposed A.
    pub packed: Packed,
}

/// How a transposed A is packed, tile by tile.
pub(crate) enum Packed {
    /// `[k][height]`, for `tiles`.
    Columns {
        tiles: &'static Tiles,
        height: usize,
        /// Vectors of a panel of B.
        panel: usize,
    },
    /// `[height][k]`, for the tiles over rows.
    Rows { height: usize },
}

impl Packed {
    pub fn height(&self) -> usize {
        match *self {
            Self::Columns { height, .. } | Self::Rows { height } => height,
        }
    }

    /// Vectors of a panel of B for such an A.
    pub fn panel(&self) -> usize {
        match *self {
            Self::Columns { panel, .. } => panel,
            Self::Rows { .. } => PANEL,
        }
    }
}

/// The tile for so many vectors and rows.
#[inline(always)]
pub(crate) fn choose(tiles: &Tiles, vectors: usize, rows: usize) -> Tile {
    tiles[vectors - 1][(rows - 1).min(HEIGHTS - 1)]
}

impl Table {
    /// The tile over `rows` rows of A and `vectors` vectors of B.
    #[inline(always)]
    pub fn tile(&self, vectors: usize, rows: usize) -> Tile {
        choose(&self.rows, vectors, rows)
    }

    /// [`Self::tile`], for weights most of which lie outside the second cache if `beyond`.
    #[inline(always)]
    pub fn tile_from(&self, beyond: bool, vectors: usize, rows: usize) -> Tile {
        match beyond && rows <= self.early_rows {
            true => self.early[vectors - 1][rows - 1],
            false => self.tile(vectors, rows),
        }
    }

    /// Cuts `vectors` of columns into panels of `most` at most: (first vector, vectors) of each. They are nearly equal,
    /// as a tile over a single vector is less efficient.
    #[inline(always)]
    pub fn panels(
        &self,
        vectors: Range,
        most: usize,
    ) -> impl Iterator<Item = (usize, usize)> + Clone {
        let multiple = self.panel_multiple.min(most);
        cover(0..vectors.len().div_ceil(multiple), most / multiple).map(move |(first, count)| {
            let (start, end) = (
                first * multiple,
                vectors.len().min((first + count) * multiple),
            );
            (vectors.start + start, end - start)
        })
    }
}

/// Cuts `rows` into tiles of nearly equal height, none above `max`: (first row, height) of each.
#[inline(always)]
pub(crate) fn cover(rows: Range, max: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    let (start, count) = (rows.start, rows.len());
    // One row or a few are the usual step of a stream, for which divisions would count.
    let tiles = match count <= max {
        true => count.min(1),
        false => count.div_ceil(max),
    };
    (0..tiles).map(move |i| {
        if tiles == 1 {
            return (start, count);
        }
        let first = start + count * i / tiles;
        (first, start + count * (i + 1) / tiles - first)
    })
}
