//! Matrix products over whole sequences: blocked and packed as by Goto & van de Geijn (2008), with rows named by pointers so that
//! ragged batches are gathered for free. Operands and result are `f32`; packing turns the operands into words of a [`Number`].
//!
//! Each element of C is summed over k in one order, in blocks of [`KC`], so the result is the same bit for bit for any number of threads.

use crate::number::{self, Number, bf16_bits};
use crate::pack::{self, Column};
use crate::pool::{self, share};
use crate::simd::{Kernel, Level, Simd, dispatch};
use crate::tile::{OUT, PANEL, ROWS, cover, max_rows};
use std::cell::RefCell;
use std::marker::PhantomData;

/// Words of k in a block.
const KC: usize = 512;
/// Vectors of columns in a block of B.
const NC: usize = 32;
/// Rows in a packed block of A.
const MC: usize = 96;
/// Words between packed tiles of A: without them, all tiles would start in the same few lines of the first cache.
const GAP: usize = 16;

/// Words from a packed tile of A to the next.
const fn stride(height: usize, k: usize) -> usize {
    height * k + GAP
}

/// The left operand, `[M,K]`.
pub(crate) enum Left<'a> {
    /// `M` rows of `K` elements.
    Rows(&'a [*const f32]),
    /// The transpose of `K` rows; element (m, k) stands at `offsets[m]` of row k.
    Transposed {
        rows: &'a [*const f32],
        offsets: &'a [usize],
    },
}

/// The right operand, `[K,N]`.
pub(crate) enum Right<'a> {
    /// `K` rows of `N` elements.
    Rows(&'a [*const f32]),
    /// The transpose of `[N,K]`, rows `stride` apart.
    Transposed { base: *const f32, stride: usize },
}

/// C = A·B (+ bias) or C += A·B.
pub(crate) struct Product<'a> {
    pub n: usize,
    pub k: usize,
    pub a: Left<'a>,
    pub b: Right<'a>,
    /// `M` rows of `N` elements.
    pub c: &'a [*mut f32],
    pub accumulate: bool,
    /// `[N]`; not with `accumulate`.
    pub bias: Option<&'a [f32]>,
}

/// Pointers to `count` rows, `stride` apart.
pub(crate) fn rows(base: *const f32, stride: usize, count: usize) -> Vec<*const f32> {
    (0..count).map(|i| base.wrapping_add(i * stride)).collect()
}

/// [`rows`] to write to.
pub(crate) fn rows_mut(base: *mut f32, stride: usize, count: usize) -> Vec<*mut f32> {
    (0..count).map(|i| base.wrapping_add(i * stride)).collect()
}

thread_local! {
    static SCRATCH: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

impl Product<'_> {
    /// Computes C on `threads` threads.
    ///
    /// # Safety
    /// Every pointer is valid for the sizes above for the time of the call, rows of C do not overlap each other nor A or B.
    pub(crate) unsafe fn run<N: Number>(&self, level: Level, threads: usize) {
        let m = self.c.len();
        if m == 0 || self.n == 0 {
            return;
        }
        pool::run(threads, |id| {
            dispatch(
                level,
                Part::<N> {
                    product: self,
                    id,
                    threads,
                    number: PhantomData,
                },
            )
        });
    }
}

// SAFETY: threads read A and B and write disjoint parts of C.
unsafe impl Sync for Product<'_> {}

struct Part<'a, N> {
    product: &'a Product<'a>,
    id: usize,
    threads: usize,
    number: PhantomData<N>,
}

impl<N: Number> Kernel for Part<'_, N> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (m, vectors) = (self.product.c.len(), self.product.n.div_ceil(S::LANES));
        let height = N::tiles::<S>(S::TILES).height;
        let by_rows =
            m.div_ceil(height) * 4 >= vectors || matches!(self.product.a, Left::Transposed { .. });
        let (tiles, panels) = match by_rows {
            true => (share(m.div_ceil(height), self.id, self.threads), 0..vectors),
            false => (0..m.div_ceil(height), share(vectors, self.id, self.threads)),
        };
        let rows = tiles.start * height..(tiles.end * height).min(m);
        if rows.is_empty() || panels.is_empty() {
            return;
        }
        // Taken out rather than borrowed: code in a closure would not be inlined into the shim that has the instruction set.
        let [mut a, mut b] = SCRATCH.take();
        let (k, n) = (N::count(self.product.k).clamp(1, KC), panels.len().min(NC));
        a.resize(a.len().max(MC * (k + GAP)), 0.0);
        b.resize(b.len().max(n * S::LANES * k), 0.0);
        // SAFETY: the scratch is large enough for one block of each operand.
        unsafe { blocks::<S, N>(self.product, rows, panels, a.as_mut_ptr(), b.as_mut_ptr()) }
        SCRATCH.set([a, b]);
    }
}

type Range = std::ops::Range<usize>;

#[inline(always)]
unsafe fn blocks<S: Simd, N: Number>(
    product: &Product,
    rows: Range,
    vectors: Range,
    a: *mut f32,
    b: *mut f32,
) {
    let height = N::tiles::<S>(S::TILES).height;
    let mc = MC / height * height;
    let words = N::count(product.k);
    for first in vectors.clone().step_by(NC) {
        let columns = first..(first + NC).min(vectors.end);
        let mut k0 = 0;
        loop {
            let k = k0..(k0 + KC).min(words);
            // SAFETY: columns and k lie inside B, and the scratch holds a block.
            unsafe { pack_right::<S, N>(product, columns.clone(), k.clone(), b) }
            for r0 in rows.clone().step_by(mc) {
                let block = r0..(r0 + mc).min(rows.end);
                // SAFETY: rows and k lie inside A, and the scratch holds a block.
                unsafe { pack_left::<S, N>(product, block.clone(), k.clone(), height, a) }
                for panel in columns.clone().step_by(PANEL) {
                    let packed = b.wrapping_add((panel - columns.start) * S::LANES * k.len());
                    let vectors = PANEL.min(columns.end - panel);
                    let at = Panel {
                        block: &block,
                        vector: panel,
                        vectors,
                        k: k.clone(),
                        a,
                        b: packed,
                    };
                    // SAFETY: the panel lies inside C and in the packed block.
                    unsafe { multiply_panel::<S, N>(product, &at) }
                }
            }
            k0 = k.end;
            if k0 >= words {
                break;
            }
        }
    }
}

/// The values of some words of k.
fn values<N: Number>(product: &Product, k: &Range) -> Range {
    (k.start * N::PACK).min(product.k)..(k.end * N::PACK).min(product.k)
}

/// The rows of k that a word holds; the second is null where there is none.
#[inline(always)]
fn word_rows<N: Number>(rows: &[*const f32], word: usize) -> [*const f32; 2] {
    let second = match N::PACK {
        1 => None,
        _ => rows.get(word * N::PACK + 1),
    };
    [
        rows[word * N::PACK],
        second.copied().unwrap_or(std::ptr::null()),
    ]
}

#[inline(always)]
unsafe fn pack_right<S: Simd, N: Number>(
    product: &Product,
    columns: Range,
    k: Range,
    dst: *mut f32,
) {
    for panel in columns.clone().step_by(PANEL) {
        let vectors = PANEL.min(columns.end - panel);
        let dst = dst.wrapping_add((panel - columns.start) * S::LANES * k.len());
        let column = |vector| {
            let first = (panel + vector) * S::LANES;
            let width = S::LANES.min(product.n - first);
            let at = Column {
                vector,
                vectors,
                width,
            };
            (first, at)
        };
        match product.b {
            Right::Transposed { base, stride } => {
                let k = values::<N>(product, &k);
                for (first, at) in (0..vectors).map(column) {
                    // SAFETY: inside B, as the caller promises.
                    unsafe {
                        let src = base.add(first * stride + k.start);
                        pack::transposed::<S, N>(src, stride, k.len(), at, dst);
                    }
                }
            }
            Right::Rows(rows) => {
                for (p, word) in k.clone().enumerate() {
                    let [row, second] = word_rows::<N>(rows, word);
                    for (first, at) in (0..vectors).map(column) {
                        // SAFETY: as above.
                        unsafe {
                            let second = match second.is_null() {
                                true => second,
                                false => second.add(first),
                            };
                            let dst = dst.add(p * vectors * S::LANES);
                            pack::straight::<S, N>(row.add(first), second, at, dst);
                        }
                    }
                }
            }
        }
    }
}

/// Packs a transposed A as `[tile][k][height]`; rows beyond the edge repeat the last one and are not stored. Rows of A are packed as
/// `[row][k]` where their words are not what stands in memory.
#[inline(always)]
unsafe fn pack_left<S: Simd, N: Number>(
    product: &Product,
    block: Range,
    k: Range,
    height: usize,
    dst: *mut f32,
) {
    match &product.a {
        Left::Rows(_) if N::PACK == 1 => {}
        Left::Rows(rows) => {
            let values = values::<N>(product, &k);
            for (r, row) in rows[block].iter().enumerate() {
                // SAFETY: inside A and the block, as the caller promises.
                unsafe {
                    let (src, dst) = (row.add(values.start), dst.add(r * k.len()));
                    number::store_row::<S, N>(src, values.len(), dst);
                }
            }
        }
        Left::Transposed { rows, offsets } => {
            let offsets = &offsets[block];
            let run = offsets.last().map_or(0, |last| last - offsets[0]) == offsets.len() - 1;
            for (p, word) in k.clone().enumerate() {
                let pair = word_rows::<N>(rows, word);
                // SAFETY: as above.
                unsafe {
                    let dst = dst.add(p * height);
                    match run {
                        true => spread_run::<S, N>(pair, offsets, height, k.len(), dst),
                        false => spread::<N>(pair, offsets, height, k.len(), dst),
                    }
                }
            }
        }
    }
}

/// The words of one step of k for all tiles of a block, from neighbouring columns.
#[inline(always)]
unsafe fn spread_run<S: Simd, N: Number>(
    [row, second]: [*const f32; 2],
    offsets: &[usize],
    height: usize,
    k: usize,
    dst: *mut f32,
) {
    let (first, count) = (offsets[0], offsets.len());
    let mut words = [0.0f32; MC + 16];
    // SAFETY: as `pack_left` says; a block has at most MC rows.
    unsafe {
        let mut src = row.add(first);
        if N::PACK > 1 {
            for at in (0..count).step_by(S::LANES) {
                let low = load_edge::<S>(src.add(at), count - at);
                let high = match second.is_null() {
                    true => S::splat(0.0),
                    false => load_edge::<S>(second.add(first + at), count - at),
                };
                S::store(words.as_mut_ptr().add(at), N::words::<S>(low, high));
            }
            src = words.as_ptr();
        }
        for (tile, start) in (0..count).step_by(height).enumerate() {
            let (src, dst) = (src.add(start), dst.add(tile * stride(height, k)));
            if height == 6 && count - start >= 6 {
                src.cast::<[f32; 6]>().copy_to_nonoverlapping(dst.cast(), 1);
            } else {
                src.copy_to_nonoverlapping(dst, height.min(count - start));
            }
        }
    }
}

/// [`spread_run`] for columns anywhere.
#[inline(always)]
unsafe fn spread<N: Number>(
    [row, second]: [*const f32; 2],
    offsets: &[usize],
    height: usize,
    k: usize,
    dst: *mut f32,
) {
    for (r, &offset) in offsets.iter().enumerate() {
        // SAFETY: as `pack_left` says.
        unsafe {
            let first = *row.add(offset);
            let word = if N::PACK == 1 {
                first
            } else {
                let second = match second.is_null() {
                    true => 0.0,
                    false => *second.add(offset),
                };
                f32::from_bits(u32::from(bf16_bits(first)) | u32::from(bf16_bits(second)) << 16)
            };
            *dst.add(r / height * stride(height, k) + r % height) = word;
        }
    }
}

/// One packed panel of B against a block of rows.
struct Panel<'a> {
    block: &'a Range,
    /// First vector of columns, and how many.
    vector: usize,
    vectors: usize,
    /// Words.
    k: Range,
    /// The packed block of A, if it is packed.
    a: *const f32,
    b: *const f32,
}

#[inline(always)]
unsafe fn multiply_panel<S: Simd, N: Number>(product: &Product, at: &Panel) {
    let k = at.k.len();
    let mut a = [std::ptr::null::<f32>(); ROWS];
    let mut out = [0.0f32; OUT];
    let tiles = N::tiles::<S>(S::TILES);
    let height = tiles.height;
    let rows = match product.a {
        Left::Rows(_) => at.block.clone(),
        Left::Transposed { .. } => 0..at.block.len().div_ceil(height),
    };
    let max = match product.a {
        Left::Rows(_) => max_rows::<S>(at.vectors),
        Left::Transposed { .. } => 1,
    };
    for (first, count) in cover(rows, max) {
        // SAFETY: rows, columns and k lie inside the operands, the tile inside `out`.
        unsafe {
            let (row, count) = match product.a {
                Left::Rows(rows) => {
                    for r in 0..count {
                        a[r] = match N::PACK {
                            1 => rows.get_unchecked(first + r).add(at.k.start),
                            _ => at.a.add((first - at.block.start + r) * k),
                        };
                    }
                    tiles.rows[at.vectors - 1][count - 1](k, a.as_ptr(), at.b, out.as_mut_ptr());
                    (first, count)
                }
                Left::Transposed { .. } => {
                    let row = at.block.start + first * height;
                    let count = height.min(at.block.end - row);
                    for (r, a) in a.iter_mut().enumerate().take(count) {
                        *a = at.a.add(first * stride(height, k) + r);
                    }
                    tiles.packed[at.vectors - 1][count - 1](k, a.as_ptr(), at.b, out.as_mut_ptr());
                    (row, count)
                }
            };
            for r in 0..count {
                let sums = out.as_ptr().add(r * at.vectors * S::LANES);
                store_row::<S>(product, at, row + r, sums);
            }
        }
    }
}

/// Adds a row of a tile to C, or to the bias, or stores it.
#[inline(always)]
unsafe fn store_row<S: Simd>(product: &Product, at: &Panel, row: usize, sums: *const f32) {
    // SAFETY: row and columns lie inside C.
    unsafe {
        let c = *product.c.get_unchecked(row);
        for v in 0..at.vectors {
            let n = (at.vector + v) * S::LANES;
            let left = product.n - n;
            let sum = S::load(sums.add(v * S::LANES));
            let value = if at.k.start > 0 || product.accumulate {
                S::add(load_edge::<S>(c.add(n), left), sum)
            } else if let Some(bias) = product.bias {
                S::add(load_edge::<S>(bias.as_ptr().add(n), left), sum)
            } else {
                sum
            };
            store_edge::<S>(c.add(n), value, left);
        }
    }
}

/// A vector, of which `left` elements (if fewer than LANES) are real.
#[inline(always)]
pub(crate) unsafe fn load_edge<S: Simd>(p: *const f32, left: usize) -> S::V {
    // SAFETY: as the caller promises.
    unsafe {
        match left >= S::LANES {
            true => S::load(p),
            false => S::load_partial(p, left),
        }
    }
}

/// Stores a vector, of which `left` elements (if fewer than LANES) are real.
#[inline(always)]
pub(crate) unsafe fn store_edge<S: Simd>(p: *mut f32, v: S::V, left: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        match left >= S::LANES {
            true => S::store(p, v),
            false => S::store_partial(p, v, left),
        }
    }
}
