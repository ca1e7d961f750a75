//! The register tile: a few rows of A against a packed panel of B. Everything that multiplies ends here.

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

/// Room for the largest tile, whose rows cross no line of the cache.
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

/// out`[r][v]` = Σ_p a`[r][p·step]` · b`[p][v]`, with `b` packed as `[k][vectors·LANES]`, each element summed in order of p. `k` and all
/// operands count in words of a [`Number`].
///
/// # Safety
/// `a` holds `rows` pointers, as far apart as the first two, each valid for `(k−1)·step + 1` elements (where a word is a float, they may stand
/// anywhere); `b` is valid for `k·vectors·LANES`, `out` for `rows·vectors·LANES`; the instruction set is present.
pub(crate) type Tile = unsafe fn(
    rows: usize,
    k: usize,
    a: *const *const f32,
    b: *const f32,
    out: *mut f32,
    ahead: Ahead,
);

/// What a tile fetches into the second cache while it works, a line with every word of k.
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

    /// The lines to fetch with some words of k.
    #[inline(always)]
    pub fn lines(self, words: Range) -> impl Iterator<Item = *const f32> {
        let words = if self.is_nothing() { 0..0 } else { words };
        words.map(move |p| self.first.wrapping_add(p * self.step))
    }

    /// The part that tile number `i` over a panel fetches of the `next` one (null for none), whose `k` words of `vectors` vectors start there:
    /// all is there in time if the panel has as many tiles as vectors.
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

    /// Line number `i` of some rows: of the first, and of those that follow, `step` apart. As many as there are words of k.
    #[inline(always)]
    pub fn rows(first: *const f32, i: usize, step: usize) -> Self {
        Self {
            first: first.wrapping_add(i * LINE),
            step,
        }
    }
}

/// The body of every [`Tile`]; it fetches B into the first cache `SOON` words of k before it meets them.
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
    const SOON: usize,
>(
    k: usize,
    a: *const *const f32,
    b: *const f32,
    out: *mut f32,
    ahead: Ahead,
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

/// Rows of the largest tile that waits for weights from afar: more rows have enough to do meanwhile.
const FEW: usize = 2;
/// Heights that have a tile of their own.
const HEIGHTS: usize = 8;

/// The tiles of one instruction set and number.
pub(crate) struct Table {
    /// By vectors and rows less one, over rows of A; the last one serves what is higher.
    pub rows: [[Tile; HEIGHTS]; PANEL],
    /// One row, by vectors less one, where each step of k is met once: for streams.
    pub single: [Tile; PANEL],
    /// One and two such rows, for weights most of which lie beyond the second cache: they are fetched earlier.
    pub early: [[Tile; FEW]; PANEL],
    /// Rows up to which `early` is the better choice for a step of sequences.
    pub early_rows: usize,
    /// Rows of the largest tile, by vectors less one.
    pub most_rows: [usize; PANEL],
    /// Rows from which on more of them bring little, and fewer that do where something else speaks for them.
    pub efficient_rows: [usize; 2],
    /// Eighths of the second cache that a thread's weights may fill until they are fetched ahead, as what else passes through it drives them out.
    pub prefetch_eighths: usize,
    /// Vectors of a panel that belong together, where it can be so.
    pub panel_multiple: usize,
    /// Over a transposed A.
    pub packed: Packed,
}

/// How a transposed A is packed, tile by tile.
pub(crate) enum Packed {
    /// `[k][height]`, with tiles of their own.
    Columns {
        tiles: &'static [[Tile; HEIGHTS]; PANEL],
        height: usize,
        /// Vectors of B that a tile meets.
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

    /// Vectors of a panel of B that such an A meets.
    pub fn panel(&self) -> usize {
        match *self {
            Self::Columns { panel, .. } => panel,
            Self::Rows { .. } => PANEL,
        }
    }
}

/// The one of `tiles` for so many vectors and rows.
#[inline(always)]
pub(crate) fn choose(tiles: &[[Tile; HEIGHTS]; PANEL], vectors: usize, rows: usize) -> Tile {
    tiles[vectors - 1][(rows - 1).min(HEIGHTS - 1)]
}

impl Table {
    /// The tile over `rows` rows of A and `vectors` vectors of B.
    #[inline(always)]
    pub fn tile(&self, vectors: usize, rows: usize) -> Tile {
        choose(&self.rows, vectors, rows)
    }

    /// As [`Self::tile`], for weights most of which may lie `beyond` the second cache.
    #[inline(always)]
    pub fn tile_from(&self, beyond: bool, vectors: usize, rows: usize) -> Tile {
        match beyond && rows <= self.early_rows {
            true => self.early[vectors - 1][rows - 1],
            false => self.tile(vectors, rows),
        }
    }

    /// Cuts `vectors` of columns into panels of `most` at most: (first vector, vectors) of each. They are nearly equal, as a tile over a single
    /// vector takes longer for each than one over some.
    #[inline(always)]
    pub fn panels(
        &self,
        vectors: Range,
        most: usize,
    ) -> impl Iterator<Item = (usize, usize)> + Clone {
        let grain = self.panel_multiple.min(most);
        cover(0..vectors.len().div_ceil(grain), most / grain).map(move |(first, count)| {
            let (start, end) = (first * grain, vectors.len().min((first + count) * grain));
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
