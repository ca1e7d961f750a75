//! Matrix products over whole sequences, blocked and packed as by Goto & van de Geijn (2008).
//!
//! Rows are named by pointers, so that ragged batches are gathered for free. Operands and result are `f32`; packing
//! turns the operands into words of a [`Number`](crate::number::Number).
//!
//! Each element of C is summed over k in one order, in blocks whose size depends on k alone, so the result has the same
//! bits for any number of threads. Threads divide either the rows of C, in whole tiles, or its columns, in whole
//! vectors; with debug assertions, [`Owners`] checks that no two threads write the same tile and vector.

use crate::number::{Float, Side, row_stride};
use crate::pack::{self, Column};
use crate::parts::Owners;
use crate::pool::{self, SharedPtr, share};
use crate::scratch::Lines;
use crate::simd::{Kernel, Level, Simd, dispatch, load_edge, store_edge};
use crate::tile::{Ahead, LINE, PANEL, Packed, ROWS, Sums, Table, choose, cover};
use std::cell::RefCell;
use std::marker::PhantomData;

type Range = std::ops::Range<usize>;

/// Words of k in a block, at most.
const KC: usize = 512;
/// Vectors of columns in a block of B of [`KC`] words; a block of fewer words has more vectors.
const NC: usize = 32;
/// Rows in a packed block of A.
const MC: usize = 96;
/// Rows of B are prefetched this many rows before they are packed.
const SOON: usize = 4;
/// Words between packed tiles of A; without them, all tiles would start in the same few sets of the first cache.
const GAP: usize = 16;

/// Words from a packed tile of A to the next.
const fn stride(height: usize, k: usize) -> usize {
    height * k + GAP
}

/// The left operand, `[M,K]`.
pub(crate) enum Left<'a> {
    /// `M` rows of `K` elements.
    Rows(&'a [*const f32]),
    /// The transpose of `K` rows of `M` elements.
    Transposed(&'a [*const f32]),
}

/// The right operand, `[K,N]`.
pub(crate) enum Right<'a> {
    /// `K` rows of `N` elements.
    Rows(&'a [*const f32]),
    /// The transpose of `[N,K]`, rows `stride` apart.
    Transposed { base: *const f32, stride: usize },
}

/// C = A·B (+ bias) or C += A·B, for right operands side by side, so that A is packed once for all of them.
pub(crate) struct Product<'a> {
    pub k: usize,
    pub a: Left<'a>,
    /// One right operand at least.
    pub columns: &'a [Columns<'a>],
    pub accumulate: bool,
    /// Takes the sums over k of a transposed A, `[M]`; with `accumulate`, they are added to it.
    pub sums: Option<SharedPtr<f32>>,
}

/// A right operand and the place of its product.
pub(crate) struct Columns<'a> {
    pub n: usize,
    pub b: Right<'a>,
    /// `M` rows of `N` elements; null for a row that is not stored.
    pub c: &'a [*mut f32],
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
    static SCRATCH: RefCell<[Lines; 2]> = RefCell::default();
}

impl Product<'_> {
    /// Computes C on `threads` threads.
    ///
    /// # Safety
    /// For the time of the call:
    /// - rows of A and B are valid for the elements that [`Left`] and [`Right`] name, and rows of C (where not null)
    ///   for `n` elements each, initialised if the product accumulates; `sums` is valid for `M` elements;
    /// - rows of C and the sums overlap neither each other nor A or B, and only this call uses them.
    pub(crate) unsafe fn run<N: Float>(&self, level: Level, threads: usize) {
        let wanted = self.sums.is_some() || self.columns.iter().any(|columns| columns.n > 0);
        if self.m() == 0 || !wanted {
            return;
        }
        let table = Table::of::<N>(level);
        let vectors = self.columns.iter().map(|b| b.n.div_ceil(level.lanes()));
        let tiles = self.m().div_ceil(table.packed.height());
        let owners = Owners::new(tiles, vectors.sum());
        pool::run(threads, |id, threads| {
            let part = Part::<N> {
                product: self,
                table,
                owners: &owners,
                id,
                threads,
                number: PhantomData,
            };
            dispatch(level, part);
        });
    }

    fn m(&self) -> usize {
        self.columns.first().map_or(0, |columns| columns.c.len())
    }

    /// Where the values of a transposed A start from `row` of C and `k` on, and the distance to the values of the next
    /// k.
    fn next_of_left(&self, row: usize, k: usize) -> Option<(*const f32, usize)> {
        let Left::Transposed(rows) = self.a else {
            return None;
        };
        let [first, second] = [rows.get(k)?, rows.get(k + 1)?];
        let step = second.addr().wrapping_sub(first.addr()) / size_of::<f32>();
        Some((first.wrapping_add(row), step))
    }

    /// The parts of the right operands in a range of all vectors: the operand, its own vectors, and how many of the
    /// range come before.
    fn pieces(
        &self,
        vectors: Range,
        lanes: usize,
    ) -> impl Iterator<Item = (&Columns<'_>, Range, usize)> {
        let mut end = 0;
        self.columns.iter().filter_map(move |columns| {
            let first = end;
            end += columns.n.div_ceil(lanes);
            let part = vectors.start.max(first)..vectors.end.min(end);
            let inner = part.start.saturating_sub(first)..part.end.saturating_sub(first);
            (!part.is_empty()).then_some((columns, inner, part.start - vectors.start))
        })
    }
}

// SAFETY: threads read A and B, which nobody writes. They write disjoint tiles and vectors of C (checked by `Owners`),
// and each sum is written by the thread that packs its row first (see `Part::run`).
unsafe impl Sync for Product<'_> {}

/// One thread's part of a product.
struct Part<'a, N> {
    product: &'a Product<'a>,
    table: &'static Table,
    /// Of blocks by tile of rows and vector of columns.
    owners: &'a Owners,
    id: usize,
    threads: usize,
    number: PhantomData<N>,
}

impl<N: Float> Kernel for Part<'_, N> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let m = self.product.m();
        let vectors = self.product.columns.iter().map(|b| b.n.div_ceil(S::LANES));
        // Without any, A is still summed.
        let vectors = vectors.sum::<usize>().max(1);
        let height = self.table.packed.height();
        // Each thread packs its part of both operands; most of a transposed A is prefetched.
        let by_rows = match self.product.a {
            Left::Rows(_) => m.div_ceil(height) * 4 >= vectors,
            Left::Transposed(_) => 2 * m > vectors * S::LANES,
        };
        let tiles = m.div_ceil(height);
        let (tiles, vectors) = match by_rows {
            true => (share(tiles, self.id, self.threads), 0..vectors),
            false => (0..tiles, share(vectors, self.id, self.threads)),
        };
        let rows = tiles.start * height..(tiles.end * height).min(m);
        if rows.is_empty() || vectors.is_empty() {
            return;
        }
        // Taken out rather than borrowed: code in a closure would not be inlined into the shim that has the instruction
        // set.
        let [mut a, mut b] = SCRATCH.take();
        let panel = match self.product.a {
            Left::Rows(_) => PANEL,
            Left::Transposed(_) => self.table.packed.panel(),
        };
        let block = Block::new(N::count(self.product.k), vectors.len(), panel);
        a.grow(MC * row_stride(block.words));
        b.grow(block.vectors * S::LANES * block.words);
        let blocks = Blocks::<N> {
            part: &self,
            block,
            a: a.as_mut_ptr(),
            b: b.as_mut_ptr(),
        };
        // SAFETY: the scratch holds one block of each operand: MC rows of `row_stride(words)` or MC/height tiles with
        // their gaps, and `vectors` vectors of `words`. The caller of the product vouches for its pointers.
        unsafe { blocks.run::<S>(rows, vectors) }
        SCRATCH.set([a, b]);
    }
}

/// The size of a block of B.
#[derive(Clone, Copy)]
struct Block {
    words: usize,
    vectors: usize,
    /// Vectors of a panel.
    panel: usize,
}

/// Whether right operands of `vectors` columns and `words` of k share one block, so that A is read once for all of
/// them.
pub(crate) fn in_one_block(words: usize, vectors: usize) -> bool {
    Block::new(words, vectors, 1).vectors >= vectors
}

/// `total` in as few equal parts as have no more than `most`.
fn even(total: usize, most: usize) -> usize {
    total.div_ceil(total.div_ceil(most).max(1)).max(1)
}

/// Words of k that are summed together before they are added to the sums of other blocks, of `words` in all.
pub(crate) fn block_words(words: usize) -> usize {
    // Whole tile registers, where possible.
    even(words, KC).next_multiple_of(16)
}

impl Block {
    /// For B of `words` by `vectors`: as few blocks of even size as keep the packed block as small as KC·NC.
    fn new(words: usize, vectors: usize, panel: usize) -> Self {
        let words = block_words(words);
        let vectors = even(vectors, KC * NC / words);
        // Whole panels, where possible.
        let vectors = vectors.next_multiple_of(panel);
        Self {
            words,
            vectors,
            panel,
        }
    }
}

/// The blocks of a thread, with scratch for one of each operand.
struct Blocks<'a, N> {
    part: &'a Part<'a, N>,
    block: Block,
    a: *mut f32,
    b: *mut f32,
}

impl<N: Float> Blocks<'_, N> {
    /// Multiplies `rows` of A by `vectors` of the right operands.
    ///
    /// # Safety
    /// As [`Simd`] and [`Product::run`]; rows and vectors are this thread's inner, and the scratch holds a block of
    /// each operand.
    #[inline(always)]
    unsafe fn run<S: Simd>(&self, rows: Range, vectors: Range) {
        let words = N::count(self.part.product.k);
        for first in vectors.clone().step_by(self.block.vectors) {
            let columns = first..(first + self.block.vectors).min(vectors.end);
            let mut k0 = 0;
            loop {
                let k = k0..(k0 + self.block.words).min(words);
                // SAFETY: as the caller promises; columns and k lie inside B and make at most a block.
                unsafe {
                    self.pack_columns::<S>(&columns, &k);
                    self.all_rows::<S>(&rows, &columns, &k);
                }
                k0 = k.end;
                if k0 >= words {
                    break;
                }
            }
        }
    }

    /// Packs a block of B.
    ///
    /// # Safety
    /// As [`Self::run`]; columns and k make at most a block.
    #[inline(always)]
    unsafe fn pack_columns<S: Simd>(&self, columns: &Range, k: &Range) {
        let (product, table) = (self.part.product, self.part.table);
        for (piece, inner, before) in product.pieces(columns.clone(), S::LANES) {
            let panels = table.panels(inner.clone(), self.block.panel);
            let packed = PackedColumns {
                columns: piece,
                start: inner.start,
                k: k.clone(),
                dst: self.b.wrapping_add(before * S::LANES * k.len()),
            };
            // SAFETY: as the caller promises; the pieces follow each other in the block.
            unsafe {
                match piece.b {
                    Right::Transposed { base, stride } => {
                        packed.of_transposed::<S, N>(product, panels, base, stride)
                    }
                    Right::Rows(rows) => packed.of_rows::<S, N>(panels, rows),
                }
            }
        }
    }

    /// Multiplies all rows by a packed block of B, block after block of A.
    ///
    /// # Safety
    /// As [`Self::run`]; the block of B is packed.
    #[inline(always)]
    unsafe fn all_rows<S: Simd>(&self, rows: &Range, columns: &Range, k: &Range) {
        let Part {
            product,
            table,
            owners,
            id,
            ..
        } = *self.part;
        let height = table.packed.height();
        let mc = MC / height * height;
        for r0 in rows.clone().step_by(mc) {
            let block = r0..(r0 + mc).min(rows.end);
            // Of the threads that divide the columns, the first sums A.
            let sums = product.sums.filter(|_| columns.start == 0);
            // SAFETY: rows and k lie inside A, and the scratch holds a block; the sums of these rows are this thread's.
            unsafe {
                pack_left::<S, N>(
                    product,
                    &table.packed,
                    block.clone(),
                    k.clone(),
                    self.a,
                    sums,
                )
            }
            // The last panel's tiles prefetch the next block of A: any earlier, it would be evicted.
            let next = match block.end < rows.end {
                true => product.next_of_left(block.end, k.start * N::PACK),
                false => product.next_of_left(rows.start, k.end * N::PACK),
            };
            for (piece, inner, before) in product.pieces(columns.clone(), S::LANES) {
                for (vector, vectors) in table.panels(inner.clone(), self.block.panel) {
                    let before = before + vector - inner.start;
                    let first = columns.start + before;
                    let tiles = block.start / height..block.end.div_ceil(height);
                    owners.claim(id, tiles, first..first + vectors);
                    let panel = Panel {
                        columns: piece,
                        block: &block,
                        vector,
                        vectors,
                        k: k.clone(),
                        a: self.a,
                        b: self.b.wrapping_add(before * S::LANES * k.len()),
                        next: next.filter(|_| before + vectors == columns.len()),
                    };
                    // SAFETY: the panel lies inside C and in the packed block, and is this thread's.
                    unsafe { multiply_panel::<S, N>(product, table, &panel) }
                }
            }
        }
    }
}

/// The values of some words of k.
fn values<N: Float>(product: &Product, k: &Range) -> Range {
    (k.start * N::PACK).min(product.k)..(k.end * N::PACK).min(product.k)
}

/// The rows of k that a word holds; the second is null where there is none.
#[inline(always)]
fn word_rows<N: Float>(rows: &[*const f32], word: usize) -> [*const f32; 2] {
    let second = match N::PACK {
        1 => None,
        _ => rows.get(word * N::PACK + 1),
    };
    [
        rows[word * N::PACK],
        second.copied().unwrap_or(std::ptr::null()),
    ]
}

/// Vectors of a right operand from `start` on, packed as panels one behind the other.
struct PackedColumns<'a> {
    columns: &'a Columns<'a>,
    start: usize,
    k: Range,
    dst: *mut f32,
}

impl PackedColumns<'_> {
    /// First column of a panel's vector, and its place in the panel.
    #[inline(always)]
    fn column<S: Simd>(&self, panel: usize, vectors: usize, vector: usize) -> (usize, Column) {
        let first = (panel + vector) * S::LANES;
        let at = Column {
            vector,
            vectors,
            width: S::LANES.min(self.columns.n - first),
        };
        (first, at)
    }

    /// Where a panel starts.
    #[inline(always)]
    fn place<S: Simd>(&self, panel: usize) -> *mut f32 {
        let vectors = panel - self.start;
        self.dst.wrapping_add(vectors * S::LANES * self.k.len())
    }

    /// Packs the transpose of rows that are `stride` apart.
    ///
    /// # Safety
    /// As [`Blocks::pack_columns`]; the operand is this one.
    #[inline(always)]
    unsafe fn of_transposed<S: Simd, N: Float>(
        &self,
        product: &Product,
        panels: impl Iterator<Item = (usize, usize)>,
        base: *const f32,
        stride: usize,
    ) {
        let k = values::<N>(product, &self.k);
        for (panel, vectors) in panels {
            for vector in 0..vectors {
                let (first, at) = self.column::<S>(panel, vectors, vector);
                // SAFETY: `width` rows from `first` on are rows of B, whose values `k` are inside; the panel is in the
                // block.
                unsafe {
                    let src = base.add(first * stride + k.start);
                    let dst = self.place::<S>(panel);
                    pack::transposed::<S, N>(src, stride, k.len(), &[1.0; 16], at, dst);
                }
            }
        }
    }

    /// Packs rows of k. They may be far apart in memory: each is read once, and prefetched.
    ///
    /// # Safety
    /// As [`Blocks::pack_columns`]; the operand is this one.
    #[inline(always)]
    unsafe fn of_rows<S: Simd, N: Float>(
        &self,
        panels: impl Iterator<Item = (usize, usize)> + Clone,
        rows: &[*const f32],
    ) {
        for (p, word) in self.k.clone().enumerate() {
            let [row, second] = word_rows::<N>(rows, word);
            let soon = rows.get(word * N::PACK + SOON);
            for (panel, vectors) in panels.clone() {
                let dst = self.place::<S>(panel).wrapping_add(p * vectors * S::LANES);
                for vector in 0..vectors {
                    let (first, at) = self.column::<S>(panel, vectors, vector);
                    // SAFETY: a row of B has `width` columns from `first` on, and word `p` of the panel is in the
                    // block; a prefetch may name any address.
                    unsafe {
                        if let Some(soon) = soon {
                            S::prefetch(soon.wrapping_add(first));
                        }
                        let second = match second.is_null() {
                            true => second,
                            false => second.add(first),
                        };
                        pack::straight::<S, N>(row.add(first), second, at, dst);
                    }
                }
            }
        }
    }
}

/// Packs a block of A, unless its rows already are words.
///
/// A transposed A is packed as [`Packed`] says; its rows beyond the edge hold anything and are not stored in the end.
/// Rows of A are packed as `[row][k]`.
///
/// # Safety
/// As [`Simd`] and [`Product::run`]. `block` are at most MC rows of C and `k` some words of A; `dst` holds such a
/// block. The sums of the rows of `block` are this thread's inner.
#[inline(always)]
unsafe fn pack_left<S: Simd, N: Float>(
    product: &Product,
    packed: &Packed,
    block: Range,
    k: Range,
    dst: *mut f32,
    sums: Option<SharedPtr<f32>>,
) {
    let mut block_sums = [0.0f32; MC + 16];
    let to_add = match sums {
        Some(_) => block_sums.as_mut_ptr(),
        None => std::ptr::null_mut(),
    };
    match &product.a {
        Left::Rows(_) if N::PACK == 1 => {}
        Left::Rows(rows) => {
            let values = values::<N>(product, &k);
            for (r, row) in rows[block.clone()].iter().enumerate() {
                // SAFETY: a row of A has the values, and a row of the block `row_stride` words, at least `k.len()`.
                unsafe {
                    let (src, dst) = (row.add(values.start), dst.add(r * row_stride(k.len())));
                    N::store_row::<S>(Side::Left, src, values.len(), 1.0, dst);
                }
            }
        }
        Left::Transposed(rows) => match *packed {
            Packed::Columns { height, .. } => {
                for (p, word) in k.clone().enumerate() {
                    let pair = word_rows::<N>(rows, word);
                    // SAFETY: as the caller promises; word p of a tile is `height` words behind word p − 1.
                    unsafe {
                        let dst = dst.add(p * height);
                        pack_word_of_tiles::<S, N>(
                            pair,
                            block.clone(),
                            height,
                            k.len(),
                            dst,
                            to_add,
                        );
                    }
                }
            }
            Packed::Rows { .. } => {
                for start in (0..k.len()).step_by(S::LANES) {
                    let words = k.start + start..k.end.min(k.start + start + S::LANES);
                    // SAFETY: as the caller promises; a row of the block has `row_stride` words, which is room for
                    // whole vectors.
                    unsafe {
                        let dst = dst.add(start);
                        let stride = row_stride(k.len());
                        pack_words_of_rows::<S, N>(rows, words, block.clone(), stride, dst, to_add);
                    }
                }
            }
        },
    }
    if let Some(sums) = sums {
        let adds = k.start > 0 || product.accumulate;
        // SAFETY: `block_sums` has MC sums and room for a vector more; the others are the caller's own, `block.len()`
        // from `block.start` on.
        unsafe {
            add_sums::<S>(
                block_sums.as_ptr(),
                sums.get().add(block.start),
                block.len(),
                adds,
            )
        }
    }
}

/// Stores `count` sums, or adds them to those there (`adds`).
///
/// # Safety
/// As [`Simd`]; `sums` is valid for `count` elements in whole vectors, `to` for `count`, written before if `adds`.
#[inline(always)]
unsafe fn add_sums<S: Simd>(sums: *const f32, to: *mut f32, count: usize, adds: bool) {
    for at in (0..count).step_by(S::LANES) {
        // SAFETY: as the caller promises; only the `count − at` that remain are touched of `to`.
        unsafe {
            let (to, left) = (to.add(at), count - at);
            let sum = S::load(sums.add(at));
            let before = match adds {
                true => load_edge::<S>(to, left),
                false => S::splat(0.0),
            };
            store_edge::<S>(to, S::add(before, sum), left);
        }
    }
}

/// LANES neighbouring values of the rows of A in a word, zeros for a missing row.
///
/// # Safety
/// As [`Simd`]; the rows (the second may be null) are valid for `left` elements, LANES at most, from `first` on.
#[inline(always)]
unsafe fn values_at<S: Simd>(
    [row, second]: [*const f32; 2],
    first: usize,
    left: usize,
) -> [S::V; 2] {
    // SAFETY: as the caller promises.
    unsafe {
        let low = load_edge::<S>(row.add(first), left);
        let high = match second.is_null() {
            true => S::splat(0.0),
            false => load_edge::<S>(second.add(first), left),
        };
        [low, high]
    }
}

/// Packs one word of k for all tiles of a block; its values are added to `sums`, unless that is null.
///
/// # Safety
/// As [`pack_left`]; the rows of A in the word are valid for `block`, and `dst` is the word's place in the first tile.
/// `sums` has MC elements and room for a vector more.
#[inline(always)]
unsafe fn pack_word_of_tiles<S: Simd, N: Float>(
    pair: [*const f32; 2],
    block: Range,
    height: usize,
    k: usize,
    dst: *mut f32,
    sums: *mut f32,
) {
    let (first, count) = (block.start, block.len());
    let mut words = [0.0f32; MC + 16];
    // SAFETY: a block has at most MC rows, so vectors of them fit `words` and `sums`. Whole vectors of A are read only
    // where LANES rows remain. A tile takes `height` words here, or what remains of the block.
    unsafe {
        if N::PACK > 1 || !sums.is_null() {
            for at in (0..count).step_by(S::LANES) {
                let [low, high] = values_at::<S>(pair, first + at, count - at);
                if !sums.is_null() {
                    let to = sums.add(at);
                    S::store(to, S::add(S::add(S::load(to), low), high));
                }
                if N::PACK > 1 {
                    S::store(words.as_mut_ptr().add(at), N::words::<S>(low, high));
                }
            }
        }
        let src = match N::PACK {
            1 => pair[0].add(first),
            _ => words.as_ptr(),
        };
        for (tile, start) in (0..count).step_by(height).enumerate() {
            let (src, dst) = (src.add(start), dst.add(tile * stride(height, k)));
            if height == 8 && count - start >= 8 {
                src.cast::<[f32; 8]>().copy_to_nonoverlapping(dst.cast(), 1);
            } else {
                src.copy_to_nonoverlapping(dst, height.min(count - start));
            }
        }
    }
}

/// Packs up to LANES words of k for all rows of a block, `[row][k]`; sums as in [`pack_word_of_tiles`].
///
/// # Safety
/// As [`pack_left`]; the rows of A in the words are valid for `block`. `dst` is the first word's place in the first
/// row, and rows, `stride` apart, have room for LANES words there, also those that round the block up to whole vectors.
/// `sums` has MC elements and room for a vector more.
#[inline(always)]
unsafe fn pack_words_of_rows<S: Simd, N: Float>(
    rows: &[*const f32],
    words: Range,
    block: Range,
    stride: usize,
    dst: *mut f32,
    sums: *mut f32,
) {
    let mut square = [0.0f32; 16 * 16];
    for at in (0..block.len()).step_by(S::LANES) {
        // SAFETY: as the caller promises; the square holds LANES rows of LANES words. MC is a multiple of LANES, so
        // that rounding a block up does not leave the scratch.
        unsafe {
            let (first, left) = (block.start + at, block.len() - at);
            let mut sum = S::splat(0.0);
            for (p, word) in words.clone().enumerate() {
                let [low, high] = values_at::<S>(word_rows::<N>(rows, word), first, left);
                sum = S::add(S::add(sum, low), high);
                let row = square.as_mut_ptr().add(p * S::LANES);
                S::store(row, N::words::<S>(low, high));
            }
            if !sums.is_null() {
                let to = sums.add(at);
                S::store(to, S::add(S::load(to), sum));
            }
            S::transpose(square.as_ptr(), S::LANES, dst.add(at * stride), stride);
        }
    }
}

/// One packed panel of B against a block of rows.
struct Panel<'a> {
    columns: &'a Columns<'a>,
    block: &'a Range,
    /// First vector of columns, and how many.
    vector: usize,
    vectors: usize,
    /// Words.
    k: Range,
    /// The packed block of A, if it is packed.
    a: *const f32,
    b: *const f32,
    /// Start of the next block of a transposed A to be packed, and the distance of its rows.
    next: Option<(*const f32, usize)>,
}

impl Panel<'_> {
    /// Whether the product is added to what stands in C.
    fn adds(&self, product: &Product) -> bool {
        self.k.start > 0 || product.accumulate
    }

    /// Prefetches the panel's part of `count` rows of C, which arrives while the tile works.
    ///
    /// # Safety
    /// As [`Simd`]; the rows are rows of C.
    #[inline(always)]
    unsafe fn prefetch<S: Simd>(&self, row: usize, count: usize) {
        for r in 0..count {
            // SAFETY: the rows are there, and a prefetch may name any address.
            unsafe {
                let c = self.columns.c.get_unchecked(row + r);
                for v in 0..self.vectors {
                    S::prefetch(c.wrapping_add((self.vector + v) * S::LANES));
                }
            }
        }
    }
}

/// Multiplies a panel, tile after tile, and stores the rows.
///
/// # Safety
/// As [`Simd`] and [`Product::run`]; the panel's columns and rows are this thread's, and its operands are packed.
#[inline(always)]
unsafe fn multiply_panel<S: Simd, N: Float>(product: &Product, table: &Table, at: &Panel) {
    let k = at.k.len();
    let mut a = [std::ptr::null::<f32>(); ROWS];
    let mut sums = Sums::new();
    let sums = sums.as_mut_ptr();
    let in_columns = match (&product.a, &table.packed) {
        (Left::Transposed(_), Packed::Columns { tiles, height, .. }) => Some((*tiles, *height)),
        _ => None,
    };
    let tiles = match in_columns {
        Some((_, height)) => at.block.len().div_ceil(height),
        None => at.block.len(),
    };
    let most = in_columns.map_or(table.most_rows[at.vectors - 1], |_| 1);
    for (i, (first, count)) in cover(0..tiles, most).enumerate() {
        // SAFETY: the tile's rows of A are in the packed block, or are rows of A with `k` elements from `k.start` on;
        // the packed panel holds `k·vectors` vectors, and `sums` has room for the largest tile, which writes all it is
        // read for.
        unsafe {
            let (row, count, tile) = match (in_columns, &product.a) {
                (Some((tiles, height)), _) => {
                    let row = first * height;
                    let count = height.min(at.block.len() - row);
                    for (r, a) in a.iter_mut().enumerate().take(count) {
                        *a = at.a.add(first * stride(height, k) + r);
                    }
                    (row, count, choose(tiles, at.vectors, count))
                }
                (None, Left::Rows(rows)) if N::PACK == 1 => {
                    for r in 0..count {
                        let row = rows.get_unchecked(at.block.start + first + r);
                        a[r] = row.add(at.k.start);
                    }
                    (first, count, table.tile(at.vectors, count))
                }
                _ => {
                    for r in 0..count {
                        a[r] = at.a.add((first + r) * row_stride(k));
                    }
                    (first, count, table.tile(at.vectors, count))
                }
            };
            let row = at.block.start + row;
            // Tiles of pairs may be done before the rows of C arrive.
            if N::PACK == 1 && at.adds(product) {
                at.prefetch::<S>(row, count);
            }
            let ahead = match at.next {
                Some((next, step)) if i < MC / LINE => Ahead::rows(next, i, step),
                _ => Ahead::NOTHING,
            };
            tile(count, k, a.as_ptr(), at.b, sums, ahead);
            for r in 0..count {
                let sums = sums.add(r * at.vectors * S::LANES);
                store_row::<S>(product, at, row + r, sums);
            }
        }
    }
}

/// Adds a row of a tile to C or to the bias, or stores it.
///
/// # Safety
/// As [`multiply_panel`]; `row` is one of the panel's, and `sums` are its vectors.
#[inline(always)]
unsafe fn store_row<S: Simd>(product: &Product, at: &Panel, row: usize, sums: *const f32) {
    // SAFETY: a row of C that is not null has n elements, as has the bias; the last vector touches only those that
    // remain.
    unsafe {
        let c = *at.columns.c.get_unchecked(row);
        if c.is_null() {
            return;
        }
        for v in 0..at.vectors {
            let n = (at.vector + v) * S::LANES;
            let left = at.columns.n - n;
            let sum = S::load(sums.add(v * S::LANES));
            let value = if at.adds(product) {
                S::add(load_edge::<S>(c.add(n), left), sum)
            } else if let Some(bias) = at.columns.bias {
                S::add(load_edge::<S>(bias.as_ptr().add(n), left), sum)
            } else {
                sum
            };
            store_edge::<S>(c.add(n), value, left);
        }
    }
}
