//! Matrix products over whole sequences: blocked and packed as by Goto & van de Geijn (2008), with rows named by pointers so that
//! ragged batches are gathered for free. Operands and result are `f32`; packing turns the operands into words of a [`Number`].
//!
//! Each element of C is summed over k in one order, in blocks whose size depends on k alone, so the result is the same bit for bit for any number of threads.

use crate::number::{Float, Side, row_stride};
use crate::pack::{self, Column};
use crate::pool::{self, SharedPtr, share};
use crate::scratch::Lines;
use crate::simd::{Kernel, Level, Simd, dispatch, load_edge, store_edge};
use crate::tile::{Ahead, LINE, PANEL, Packed, ROWS, Sums, Table, choose, cover};
use std::cell::RefCell;
use std::marker::PhantomData;

type Range = std::ops::Range<usize>;

/// Words of k in a block, at most.
const KC: usize = 512;
/// Vectors of columns in a block of B of [`KC`] words; where there are fewer words, it has more.
const NC: usize = 32;
/// Rows in a packed block of A.
const MC: usize = 96;
/// How many rows before it is packed a row of B is fetched.
const SOON: usize = 4;
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

/// C = A·B (+ bias) or C += A·B, for right operands side by side, which share what is done for A.
pub(crate) struct Product<'a> {
    pub k: usize,
    pub a: Left<'a>,
    /// One right operand at least.
    pub columns: &'a [Columns<'a>],
    pub accumulate: bool,
    /// Takes the sums over k of a transposed A, `[M]`, or is increased by them where C is.
    pub sums: Option<SharedPtr<f32>>,
}

/// A right operand and the place of its product.
pub(crate) struct Columns<'a> {
    pub n: usize,
    pub b: Right<'a>,
    /// `M` rows of `N` elements; null where nobody wants the row.
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
    /// Every pointer is valid for the sizes above for the time of the call, rows of C do not overlap each other nor A or B.
    pub(crate) unsafe fn run<N: Float>(&self, level: Level, threads: usize) {
        let wanted = self.sums.is_some() || self.columns.iter().any(|columns| columns.n > 0);
        if self.m() == 0 || !wanted {
            return;
        }
        pool::run(threads, |id, threads| {
            dispatch(
                level,
                Part::<N> {
                    product: self,
                    table: Table::of::<N>(level),
                    id,
                    threads,
                    number: PhantomData,
                },
            )
        });
    }

    fn m(&self) -> usize {
        self.columns.first().map_or(0, |columns| columns.c.len())
    }

    /// Where the values of a transposed A start from `row` of C and `k` on, and from there to those of the next k.
    fn next_of_left(&self, row: usize, k: usize) -> Option<(*const f32, usize)> {
        let Left::Transposed(rows) = self.a else {
            return None;
        };
        let [first, second] = [rows.get(k)?, rows.get(k + 1)?];
        let step = second.addr().wrapping_sub(first.addr()) / size_of::<f32>();
        Some((first.wrapping_add(row), step))
    }

    /// The parts of the right operands that lie in some of all vectors, with the vectors that stand before each of them there.
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
            let own = part.start.saturating_sub(first)..part.end.saturating_sub(first);
            (!part.is_empty()).then_some((columns, own, part.start - vectors.start))
        })
    }
}

// SAFETY: threads read A and B and write disjoint parts of C and of the sums.
unsafe impl Sync for Product<'_> {}

struct Part<'a, N> {
    product: &'a Product<'a>,
    table: &'static Table,
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
        // Each thread packs what it has of both operands; a transposed A is mostly fetched before.
        let by_rows = match self.product.a {
            Left::Rows(_) => m.div_ceil(height) * 4 >= vectors,
            Left::Transposed(_) => 2 * m > vectors * S::LANES,
        };
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
        let panel = match self.product.a {
            Left::Rows(_) => PANEL,
            Left::Transposed(_) => self.table.packed.panel(),
        };
        let block = Block::new(N::count(self.product.k), panels.len(), panel);
        a.grow(MC * row_stride(block.words));
        b.grow(block.vectors * S::LANES * block.words);
        // SAFETY: the scratch is large enough for one block of each operand.
        unsafe {
            let [a, b] = [a.as_mut_ptr(), b.as_mut_ptr()];
            blocks::<S, N>(self.product, self.table, block, rows, panels, [a, b]);
        }
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

/// Whether right operands of `vectors` columns and `words` of k share one block, so that A is read once for all of them.
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

#[inline(always)]
unsafe fn blocks<S: Simd, N: Float>(
    product: &Product,
    table: &Table,
    block: Block,
    rows: Range,
    vectors: Range,
    [a, b]: [*mut f32; 2],
) {
    let height = table.packed.height();
    let mc = MC / height * height;
    let words = N::count(product.k);
    for first in vectors.clone().step_by(block.vectors) {
        let columns = first..(first + block.vectors).min(vectors.end);
        let mut k0 = 0;
        loop {
            let k = k0..(k0 + block.words).min(words);
            for (piece, own, before) in product.pieces(columns.clone(), S::LANES) {
                let b = b.wrapping_add(before * S::LANES * k.len());
                // SAFETY: columns and k lie inside B, and the scratch holds a block.
                unsafe {
                    let panels = table.panels(own.clone(), block.panel);
                    pack_right::<S, N>(product, piece, own.start, panels, k.clone(), b)
                }
            }
            for r0 in rows.clone().step_by(mc) {
                let some = r0..(r0 + mc).min(rows.end);
                let sums = product.sums.filter(|_| first == 0);
                // SAFETY: rows and k lie inside A, and the scratch holds a block.
                unsafe {
                    pack_left::<S, N>(product, &table.packed, some.clone(), k.clone(), a, sums)
                }
                // The last panel's tiles fetch what is packed next: what lies longer is driven out.
                let next = match some.end < rows.end {
                    true => product.next_of_left(some.end, k.start * N::PACK),
                    false => product.next_of_left(rows.start, k.end * N::PACK),
                };
                for (piece, own, before) in product.pieces(columns.clone(), S::LANES) {
                    for (vector, vectors) in table.panels(own.clone(), block.panel) {
                        let before = before + vector - own.start;
                        let at = Panel {
                            columns: piece,
                            block: &some,
                            vector,
                            vectors,
                            k: k.clone(),
                            a,
                            b: b.wrapping_add(before * S::LANES * k.len()),
                            next: next.filter(|_| before + vectors == columns.len()),
                        };
                        // SAFETY: the panel lies inside C and in the packed block.
                        unsafe { multiply_panel::<S, N>(product, table, &at) }
                    }
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

/// Packs vectors of columns from `start` on as `panels`, one behind the other.
#[inline(always)]
unsafe fn pack_right<S: Simd, N: Float>(
    product: &Product,
    columns: &Columns,
    start: usize,
    panels: impl Iterator<Item = (usize, usize)> + Clone,
    k: Range,
    dst: *mut f32,
) {
    let column = |panel, vectors, vector| {
        let first = (panel + vector) * S::LANES;
        let width = S::LANES.min(columns.n - first);
        let at = Column {
            vector,
            vectors,
            width,
        };
        (first, at)
    };
    let place = |panel| dst.wrapping_add((panel - start) * S::LANES * k.len());
    match columns.b {
        Right::Transposed { base, stride } => {
            let k = values::<N>(product, &k);
            for (panel, vectors) in panels {
                for (first, at) in (0..vectors).map(|vector| column(panel, vectors, vector)) {
                    // SAFETY: inside B, as the caller promises.
                    unsafe {
                        let src = base.add(first * stride + k.start);
                        pack::transposed::<S, N>(
                            src,
                            stride,
                            k.len(),
                            &[1.0; 16],
                            at,
                            place(panel),
                        );
                    }
                }
            }
        }
        // Rows that follow each other may be far apart in memory: each is read once, and fetched in time.
        Right::Rows(rows) => {
            for (p, word) in k.clone().enumerate() {
                let [row, second] = word_rows::<N>(rows, word);
                let soon = rows.get(word * N::PACK + SOON);
                for (panel, vectors) in panels.clone() {
                    let dst = place(panel).wrapping_add(p * vectors * S::LANES);
                    for (first, at) in (0..vectors).map(|vector| column(panel, vectors, vector)) {
                        if let Some(soon) = soon {
                            // SAFETY: a hint.
                            unsafe { S::prefetch(soon.wrapping_add(first)) }
                        }
                        // SAFETY: as above.
                        unsafe {
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
}

/// Packs a transposed A as [`Packed`] says; rows beyond the edge are not stored in the end. Rows of A are packed as `[row][k]` where their
/// words are not what stands in memory.
#[inline(always)]
unsafe fn pack_left<S: Simd, N: Float>(
    product: &Product,
    packed: &Packed,
    block: Range,
    k: Range,
    dst: *mut f32,
    sums: Option<SharedPtr<f32>>,
) {
    let mut own = [0.0f32; MC + 16];
    let to_add = match sums {
        Some(_) => own.as_mut_ptr(),
        None => std::ptr::null_mut(),
    };
    match &product.a {
        Left::Rows(_) if N::PACK == 1 => {}
        Left::Rows(rows) => {
            let values = values::<N>(product, &k);
            for (r, row) in rows[block.clone()].iter().enumerate() {
                // SAFETY: inside A and the block, as the caller promises.
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
                    // SAFETY: as above.
                    unsafe {
                        let dst = dst.add(p * height);
                        spread::<S, N>(pair, block.clone(), height, k.len(), dst, to_add);
                    }
                }
            }
            Packed::Rows { .. } => {
                for start in (0..k.len()).step_by(S::LANES) {
                    let words = k.start + start..k.end.min(k.start + start + S::LANES);
                    // SAFETY: as above; rows of the block have room for whole vectors of words.
                    unsafe {
                        let dst = dst.add(start);
                        let stride = row_stride(k.len());
                        turn::<S, N>(rows, words, block.clone(), stride, dst, to_add);
                    }
                }
            }
        },
    }
    let Some(sums) = sums else { return };
    for at in (0..block.len()).step_by(S::LANES) {
        // SAFETY: sums of the block, which are this thread's own.
        unsafe {
            let (to, left) = (sums.get().add(block.start + at), block.len() - at);
            let sum = S::load(own.as_ptr().add(at));
            let before = match k.start > 0 || product.accumulate {
                true => load_edge::<S>(to, left),
                false => S::splat(0.0),
            };
            store_edge::<S>(to, S::add(before, sum), left);
        }
    }
}

/// LANES neighbouring values of the rows of A in a word, zeros for a row that there is not.
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

/// The words of one step of k for all tiles of a block; its values are added to `sums`, unless that is null.
#[inline(always)]
unsafe fn spread<S: Simd, N: Float>(
    pair: [*const f32; 2],
    block: Range,
    height: usize,
    k: usize,
    dst: *mut f32,
    sums: *mut f32,
) {
    let (first, count) = (block.start, block.len());
    let mut words = [0.0f32; MC + 16];
    // SAFETY: as `pack_left` says; a block has at most MC rows.
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

/// Up to LANES words of k for all rows of a block, `[row][k]`; sums as in [`spread`].
#[inline(always)]
unsafe fn turn<S: Simd, N: Float>(
    rows: &[*const f32],
    words: Range,
    block: Range,
    stride: usize,
    dst: *mut f32,
    sums: *mut f32,
) {
    let mut square = [0.0f32; 16 * 16];
    for at in (0..block.len()).step_by(S::LANES) {
        // SAFETY: as `pack_left` says.
        unsafe {
            let (first, left) = (block.start + at, block.len() - at);
            let mut sum = S::splat(0.0);
            for (p, word) in words.clone().enumerate() {
                let [low, high] = values_at::<S>(word_rows::<N>(rows, word), first, left);
                sum = S::add(S::add(sum, low), high);
                S::store(
                    square.as_mut_ptr().add(p * S::LANES),
                    N::words::<S>(low, high),
                );
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
    /// Where the block of a transposed A starts that is packed next, and how far apart its rows are.
    next: Option<(*const f32, usize)>,
}

impl Panel<'_> {
    /// Whether the product is added to what stands in C.
    fn adds(&self, product: &Product) -> bool {
        self.k.start > 0 || product.accumulate
    }
}

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
        // SAFETY: rows, columns and k lie inside the operands, the tile inside `sums`, all of which it writes.
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
            if N::PACK == 1 && at.adds(product) {
                // While the tile works, what it is added to comes. (Tiles of pairs may be done before.)
                for r in 0..count {
                    let c = at.columns.c.get_unchecked(row + r);
                    for v in 0..at.vectors {
                        S::prefetch(c.wrapping_add((at.vector + v) * S::LANES));
                    }
                }
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

/// Adds a row of a tile to C, or to the bias, or stores it.
#[inline(always)]
unsafe fn store_row<S: Simd>(product: &Product, at: &Panel, row: usize, sums: *const f32) {
    // SAFETY: row and columns lie inside C.
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
