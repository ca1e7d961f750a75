//! Kernels of 3×3 taps by minimal filtering: 16 multiplications for the 36 of four results.
//!
//! F(2×2, 3×3) of Lavin & Gray (2016), "Fast algorithms for convolutional neural networks". A tile of 2×2 results is
//! Y = Aᵀ[(G w Gᵀ) ⊙ (Bᵀ x B)]A, where x are the 4×4 pixels of its windows: at each of 16 positions, a product of
//! pixels and weights over all tiles. The gradient of the weights is Gᵀ[(A d_z Aᵀ) ⊙ (Bᵀ x B)]G, summed over all tiles
//! before Gᵀ and G. Transforms are in `f32`, sums of four numbers at most. With bf16, the transformed factors are
//! rounded.

use super::gather::{Gather, Grid};
use super::multiply::Multiply;
use super::useful;
use super::weight_gradient::WeightGradient;
use super::weights::Order;
use crate::call::Precision;
use crate::error::KernelError;
use crate::number::{Bf16, F32, Float, row_stride};
use crate::pack::{self, Column};
use crate::parts::Parts;
use crate::pool::{self, SharedPtr, share};
use crate::scratch::{Lines, zeros};
use crate::simd::{Kernel, Level, Simd, dispatch, dispatch_bf16, load_edge, store_edge};
use crate::tile::{Ahead, PANEL, Packed, ROWS, Sums, Table, Tiles, choose, cover};
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Pixels of the windows of a tile, and products of a channel.
const POSITIONS: usize = 16;
/// Values of a block of tiles, at most, where a tile does not have more: half of the second cache.
const BLOCK: usize = 1 << 17;
/// Tiles of a block, at least where there are as many, and at most.
const FEWEST: usize = 8;
const MOST: usize = 256;
/// Floats between positions, which would else start in the same few sets of the first cache.
const GAP: usize = 16;

/// Whether this way is for such taps and channels. That does not depend on the images: each has the same bits in any
/// batch.
pub(super) fn fits(gather: &Gather, groups: usize, [k, n]: [usize; 2]) -> bool {
    let channels = 16..=512;
    groups == 1
        && channels.contains(&k)
        && channels.contains(&n)
        && gather.taps.len() == 9
        && gather.is_dense()
        && gather.taps.iter().enumerate().all(|(i, tap)| {
            let first = gather.taps[0].at;
            tap.at == [first[0] + (i / 3) as isize, first[1] + (i % 3) as isize]
        })
}

/// The tiles of a batch of results, as pixels of a grid.
fn tiles(results: &Grid) -> Grid {
    let widths = results.widths.iter().map(|width| width.div_ceil(2));
    Grid::new(results.height.div_ceil(2), widths.collect())
}

/// Runs a kernel that packs words.
fn start<N: Float, K: Kernel>(level: Level, kernel: K) -> K::Output {
    match N::PACK {
        1 => dispatch(level, kernel),
        _ => dispatch_bf16(level, kernel),
    }
}

/// Tiles of a block, each of `values` values.
fn block(values: usize) -> usize {
    (BLOCK / values).clamp(FEWEST, MOST)
}

/// Image, row and column of some tiles.
fn places(tiles: &Grid, range: Range<usize>) -> impl Iterator<Item = [usize; 3]> {
    let mut image = tiles.starts.partition_point(|&start| start <= range.start) - 1;
    range.map(move |tile| {
        while tile >= tiles.starts[image + 1] {
            image += 1;
        }
        let at = tile - tiles.starts[image];
        let width = tiles.widths[image];
        [image, at / width, at % width]
    })
}

/// Values of the pixels of images, `[pixels, channels]`, and zeros for a pixel outside.
struct Pixels<'a> {
    grid: &'a Grid,
    values: &'a [f32],
    channels: usize,
    zeros: Vec<f32>,
}

impl<'a> Pixels<'a> {
    fn new(
        op: &'static str,
        grid: &'a Grid,
        values: &'a [f32],
        channels: usize,
    ) -> Result<Self, KernelError> {
        assert_eq!(values.len(), grid.pixels() * channels, "[P,C]");
        Ok(Self {
            grid,
            values,
            channels,
            zeros: zeros(op, "padding", &[channels])?,
        })
    }

    /// The values of N×N pixels, each valid for all channels.
    #[inline(always)]
    fn square<const N: usize>(
        &self,
        image: usize,
        [row, column]: [isize; 2],
    ) -> [[*const f32; N]; N] {
        let (height, width) = (self.grid.height, self.grid.widths[image]);
        let mut square = [[self.zeros.as_ptr(); N]; N];
        for (i, line) in square.iter_mut().enumerate() {
            let Ok(row) = usize::try_from(row + i as isize) else {
                continue;
            };
            if row >= height {
                continue;
            }
            let first = self.grid.row(image, row);
            for (j, pixel) in line.iter_mut().enumerate() {
                match usize::try_from(column + j as isize) {
                    Ok(column) if column < width => {
                        *pixel = self.values[(first + column) * self.channels..].as_ptr();
                    }
                    _ => {}
                }
            }
        }
        square
    }
}

/// Bᵀ x for each column of x.
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
unsafe fn input<S: Simd>(x: [S::V; 4]) -> [S::V; 4] {
    // SAFETY: the caller has the instruction set.
    unsafe {
        [
            S::sub(x[0], x[2]),
            S::add(x[1], x[2]),
            S::sub(x[2], x[1]),
            S::sub(x[1], x[3]),
        ]
    }
}

/// Aᵀ m for each column of m.
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
unsafe fn output<S: Simd>(m: [S::V; 4]) -> [S::V; 2] {
    // SAFETY: the caller has the instruction set.
    unsafe {
        [
            S::add(S::add(m[0], m[1]), m[2]),
            S::sub(S::sub(m[1], m[2]), m[3]),
        ]
    }
}

/// A z for each column of z.
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
unsafe fn spread<S: Simd>(z: [S::V; 2]) -> [S::V; 4] {
    // SAFETY: the caller has the instruction set.
    unsafe {
        [
            z[0],
            S::add(z[0], z[1]),
            S::sub(z[0], z[1]),
            S::sub(S::splat(0.0), z[1]),
        ]
    }
}

/// G w for each column of w.
fn weights(w: [f32; 3]) -> [f32; 4] {
    let (even, odd) = (0.5 * (w[0] + w[2]), 0.5 * w[1]);
    [w[0], even + odd, even - odd, w[2]]
}

/// Gᵀ m for each column of m.
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
unsafe fn gradient<S: Simd>(m: [S::V; 4]) -> [S::V; 3] {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let half = S::splat(0.5);
        let sum = S::mul(half, S::add(m[1], m[2]));
        let difference = S::mul(half, S::sub(m[1], m[2]));
        [S::add(m[0], sum), difference, S::add(sum, m[3])]
    }
}

/// Bᵀ x B for a tile and the channels from `c` on; `$store` runs for each position and its values. A closure in its
/// place would not have the instruction set.
macro_rules! transform_pixels {
    ($simd:ty, $square:expr, $c:expr, $left:expr, |$position:ident, $value:ident| $store:expr) => {{
        let mut x = [[<$simd>::splat(0.0); 4]; 4];
        for j in 0..4 {
            let mut column = [<$simd>::splat(0.0); 4];
            for i in 0..4 {
                column[i] = load_edge::<$simd>($square[i][j].add($c), $left);
            }
            let column = input::<$simd>(column);
            for i in 0..4 {
                x[i][j] = column[i];
            }
        }
        for i in 0..4 {
            let row = input::<$simd>(x[i]);
            for j in 0..4 {
                let ($position, $value) = (i * 4 + j, row[j]);
                $store;
            }
        }
    }};
}

impl Multiply<'_> {
    /// Writes the results of all sites, for taps and channels that [`fits`] is true for.
    ///
    /// # Errors
    /// [`KernelError::TooLarge`]: no memory for the weights.
    ///
    /// # Safety
    /// `out` is valid for n values at each pixel of the results, and nobody else uses those.
    pub unsafe fn filtered(&self, out: SharedPtr<f32>) -> Result<(), KernelError> {
        // SAFETY: as the caller promises.
        unsafe {
            match self.precision {
                // `Conv::check` refuses int8.
                Precision::F32 | Precision::Int8 => self.filtered_with::<F32>(out),
                Precision::Bf16 => self.filtered_with::<Bf16>(out),
            }
        }
    }

    /// # Safety
    /// As [`Self::run`].
    unsafe fn filtered_with<N: Float>(&self, out: SharedPtr<f32>) -> Result<(), KernelError> {
        let tiles = &tiles(self.gather.to);
        let all = tiles.pixels();
        if all == 0 {
            return Ok(());
        }
        let pixels = Pixels::new(self.op, self.gather.from, self.values, self.k)?;
        assert_eq!(self.weights.len(), 9 * self.k * self.n, "[9,k,n]");
        let sizes = Sizes::of::<N>(self);
        let transformed = self.transformed()?;
        let mut packed = Lines::unwritten(POSITIONS * sizes.weights);
        let pack = Pack::<N> {
            of: self,
            sizes,
            weights: &transformed,
            to: packed.as_mut_ptr(),
            number: PhantomData,
        };
        dispatch(self.level, pack);
        let packed = &packed;
        let threads = useful(4 * all * self.n, 4 * self.k, self.threads);
        let threads = threads.min(all.div_ceil(sizes.tiles));
        let next = AtomicUsize::new(0);
        pool::run(threads, |_, _| {
            let mut v = Lines::unwritten(POSITIONS * sizes.left);
            let mut m = Lines::unwritten(POSITIONS * sizes.sums);
            loop {
                let first = next.fetch_add(sizes.tiles, Ordering::Relaxed);
                if first >= all {
                    break;
                }
                let block = Block::<N> {
                    of: self,
                    sizes,
                    grid: tiles,
                    tiles: first..all.min(first + sizes.tiles),
                    pixels: &pixels,
                    packed: packed.as_ptr(),
                    v: v.as_mut_ptr(),
                    m: m.as_mut_ptr(),
                    out,
                    number: PhantomData,
                };
                start::<N, _>(self.level, block);
            }
        });
        Ok(())
    }

    /// G w Gᵀ, `[16,k,n]`.
    fn transformed(&self) -> Result<Vec<f32>, KernelError> {
        let size = self.k * self.n;
        let mut all = zeros(self.op, "weights", &[POSITIONS, size])?;
        for at in 0..size {
            let tap = |i: usize| self.weights[self.gather.taps[i].index * size + at];
            let columns = [0, 1, 2].map(|j| weights([tap(j), tap(3 + j), tap(6 + j)]));
            for i in 0..4 {
                let row = weights([columns[0][i], columns[1][i], columns[2][i]]);
                for (j, value) in row.into_iter().enumerate() {
                    all[(i * 4 + j) * size + at] = value;
                }
            }
        }
        Ok(all)
    }
}

/// Floats of each position in the buffers of a block.
#[derive(Clone, Copy)]
struct Sizes {
    /// Tiles of a block.
    tiles: usize,
    /// Words of k.
    words: usize,
    /// Vectors of n.
    vectors: usize,
    /// From a tile to the next in the transformed pixels.
    row: usize,
    left: usize,
    weights: usize,
    sums: usize,
}

impl Sizes {
    fn of<N: Float>(filter: &Multiply) -> Self {
        let (words, lanes) = (N::count(filter.k), filter.level.lanes());
        let (row, vectors) = (row_stride(words), filter.n.div_ceil(lanes));
        let tiles = block(POSITIONS * (row + vectors * lanes));
        Self {
            tiles,
            words,
            vectors,
            row,
            left: tiles * row + GAP,
            weights: words * vectors * lanes,
            sums: tiles * vectors * lanes + GAP,
        }
    }
}

/// Packs transformed weights as panels, position by position.
struct Pack<'a, N> {
    of: &'a Multiply<'a>,
    sizes: Sizes,
    /// `[16,k,n]`
    weights: &'a [f32],
    to: *mut f32,
    number: PhantomData<N>,
}

impl<N: Float> Kernel for Pack<'_, N> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (Multiply { k, n, level, .. }, sizes) = (self.of, self.sizes);
        let table = Table::of::<N>(*level);
        for position in 0..POSITIONS {
            let weights = &self.weights[position * k * n..][..k * n];
            for (panel, vectors) in table.panels(0..sizes.vectors, PANEL) {
                for word in 0..sizes.words {
                    let row = |row: usize| weights.chunks_exact(*n).nth(row);
                    let first = row(word * N::PACK).unwrap_or_default();
                    let second = match N::PACK {
                        1 => None,
                        _ => row(word * N::PACK + 1),
                    };
                    for vector in 0..vectors {
                        let column = (panel + vector) * S::LANES;
                        let at = Column {
                            vector,
                            vectors,
                            width: S::LANES.min(n - column),
                        };
                        // SAFETY: rows have `width` values from `column` on; the panels of a position make `weights`
                        // floats, and this is word `word` of the panel.
                        unsafe {
                            let to = self.to.add(position * sizes.weights);
                            let to = to.add((panel * sizes.words + word * vectors) * S::LANES);
                            let second =
                                second.map_or(std::ptr::null(), |row| row[column..].as_ptr());
                            pack::straight::<S, N>(first[column..].as_ptr(), second, at, to);
                        }
                    }
                }
            }
        }
    }
}

/// Some tiles, which one thread computes.
struct Block<'a, N> {
    of: &'a Multiply<'a>,
    sizes: Sizes,
    grid: &'a Grid,
    tiles: Range<usize>,
    pixels: &'a Pixels<'a>,
    packed: *const f32,
    /// Transformed pixels, `[16, tiles, words]`.
    v: *mut f32,
    /// Products, `[16]` times panel after panel of `[tiles, vectors]`.
    m: *mut f32,
    out: SharedPtr<f32>,
    number: PhantomData<N>,
}

impl<N: Float> Kernel for Block<'_, N> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the buffers have the sizes of a block; each step writes all that the next one reads.
        unsafe {
            self.transform::<S>();
            self.multiply::<S>();
            self.results::<S>();
        }
    }
}

impl<N: Float> Block<'_, N> {
    /// Transforms the pixels.
    ///
    /// # Safety
    /// As [`Simd`]; `v` is valid for a block.
    #[inline(always)]
    unsafe fn transform<S: Simd>(&self) {
        let (sizes, k) = (self.sizes, self.of.k);
        let [top, left] = self.of.gather.taps[0].at;
        for (t, [image, row, column]) in places(self.grid, self.tiles.clone()).enumerate() {
            let first = [2 * row as isize + top, 2 * column as isize + left];
            let square = self.pixels.square::<4>(image, first);
            for c in (0..k).step_by(S::LANES) {
                // SAFETY: a pixel has `k − c` values from `c` on, and a row of `v` room for whole vectors of values.
                unsafe {
                    let to = self.v.add(t * sizes.row);
                    transform_pixels!(S, square, c, k - c, |position, value| {
                        N::store::<S>(to.add(position * sizes.left), c, value)
                    });
                }
            }
        }
    }

    /// Multiplies by the weights, position by position.
    ///
    /// # Safety
    /// As [`Simd`]; `v` holds the transformed pixels, and `m` is valid for a block.
    #[inline(always)]
    unsafe fn multiply<S: Simd>(&self) {
        let (sizes, tiles) = (self.sizes, self.tiles.len());
        let table = Table::of::<N>(self.of.level);
        let mut a = [std::ptr::null::<f32>(); ROWS];
        for position in 0..POSITIONS {
            for (panel, vectors) in table.panels(0..sizes.vectors, PANEL) {
                // SAFETY: rows of `v` have the words of k, panels of the weights are packed, and `m` has `vectors`
                // vectors for each tile of the panel.
                unsafe {
                    let v = self.v.add(position * sizes.left);
                    let b = self.packed.add(position * sizes.weights);
                    let b = b.add(panel * S::LANES * sizes.words);
                    let m = self.m.add(position * sizes.sums + panel * S::LANES * tiles);
                    for (first, count) in cover(0..tiles, table.most_rows[vectors - 1]) {
                        for (r, a) in a.iter_mut().enumerate().take(count) {
                            *a = v.add((first + r) * sizes.row);
                        }
                        let tile = table.tile(vectors, count);
                        let to = m.add(first * vectors * S::LANES);
                        tile(count, sizes.words, a.as_ptr(), b, to, Ahead::NOTHING);
                    }
                }
            }
        }
    }

    /// Transforms the products to results.
    ///
    /// # Safety
    /// As [`Simd`]; `m` holds the products, and `out` is valid for the results, which are the caller's own.
    #[inline(always)]
    unsafe fn results<S: Simd>(&self) {
        let (of, sizes, tiles) = (self.of, self.sizes, self.tiles.len());
        let (grid, n) = (of.gather.to, of.n);
        let table = Table::of::<N>(of.level);
        for (t, [image, row, column]) in places(self.grid, self.tiles.clone()).enumerate() {
            let inside = [
                (grid.height - 2 * row).min(2),
                (grid.widths[image] - 2 * column).min(2),
            ];
            let lines = [0, 1].map(|i| {
                let pixel = grid.row(image, 2 * row + i) + 2 * column;
                self.out.get().wrapping_add(pixel * n)
            });
            for (panel, vectors) in table.panels(0..sizes.vectors, PANEL) {
                for vector in 0..vectors {
                    let d = (panel + vector) * S::LANES;
                    // SAFETY: `m` has these vectors for each position; results inside have n values, of which an edge
                    // touches no more.
                    unsafe {
                        let at = panel * tiles + t * vectors + vector;
                        let m = self.m.add(at * S::LANES);
                        let mut sums = [[S::splat(0.0); 4]; 2];
                        for j in 0..4 {
                            let mut column = [S::splat(0.0); 4];
                            for (i, value) in column.iter_mut().enumerate() {
                                *value = S::load(m.add((i * 4 + j) * sizes.sums));
                            }
                            let column = output::<S>(column);
                            sums[0][j] = column[0];
                            sums[1][j] = column[1];
                        }
                        let bias = match of.bias {
                            Some(bias) => load_edge::<S>(bias.as_ptr().add(d), n - d),
                            None => S::splat(0.0),
                        };
                        for i in 0..inside[0] {
                            let row = output::<S>(sums[i]);
                            for j in 0..inside[1] {
                                let sum = S::add(bias, row[j]);
                                let sum = match of.relu {
                                    // The second argument stays if it is NaN.
                                    true => S::max(S::splat(0.0), sum),
                                    false => sum,
                                };
                                store_edge::<S>(lines[i].add(j * n + d), sum, n - d);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whether products take a transposed operand as [`Products`] packs it.
pub(super) fn packs_columns(level: Level, precision: Precision) -> bool {
    let packed = match precision {
        Precision::F32 | Precision::Int8 => &Table::of::<F32>(level).packed,
        Precision::Bf16 => &Table::of::<Bf16>(level).packed,
    };
    matches!(packed, Packed::Columns { .. })
}

impl WeightGradient<'_> {
    /// The gradient, `[n,9,k]`, for taps and channels that [`fits`] and a level that [`packs_columns`] are true for.
    ///
    /// # Errors
    /// [`KernelError::TooLarge`]: no memory for it or for its parts.
    pub fn filtered(&self) -> Result<Vec<f32>, KernelError> {
        match self.precision {
            // `Conv::check` refuses int8.
            Precision::F32 | Precision::Int8 => self.filtered_with::<F32>(),
            Precision::Bf16 => self.filtered_with::<Bf16>(),
        }
    }

    fn filtered_with<N: Float>(&self) -> Result<Vec<f32>, KernelError> {
        /// Parts of the sum, at most, and tiles that are worth a part. The parts are added up in order, whoever makes
        /// them.
        const PARTS: usize = 8;
        const WORTH: usize = 256;
        let Order { k, n, .. } = self.order;
        let tiles = &tiles(self.gather.to);
        let all = tiles.pixels();
        let pixels = [
            &Pixels::new(self.op, self.gather.from, self.values, k)?,
            &Pixels::new(self.op, self.gather.to, self.d_z, n)?,
        ];
        let parts = (all / WORTH).clamp(1, PARTS);
        let size = POSITIONS * n * k;
        let mut sums = zeros(self.op, "parts of d_w", &[parts, size])?;
        let sizes = Operands::of::<N>(self);
        let threads = useful(4 * all * n, 4 * k, self.threads).min(parts);
        let out = Parts::new(&mut sums);
        let next = AtomicUsize::new(0);
        pool::run(threads, |_, _| {
            let mut left = Lines::unwritten(POSITIONS * sizes.left);
            let mut right = Lines::unwritten(POSITIONS * sizes.right);
            loop {
                let part = next.fetch_add(1, Ordering::Relaxed);
                if part >= parts {
                    break;
                }
                // SAFETY: `next` gives each part to one thread.
                let sums = unsafe { out.take(part * size..(part + 1) * size) };
                let own = share(all, part, parts);
                for first in own.clone().step_by(sizes.tiles) {
                    let products = Products::<N> {
                        of: self,
                        sizes,
                        grid: tiles,
                        tiles: first..own.end.min(first + sizes.tiles),
                        pixels,
                        left: left.as_mut_ptr(),
                        right: right.as_mut_ptr(),
                        sums,
                        number: PhantomData,
                    };
                    start::<N, _>(self.level, products);
                }
            }
        });
        let mut d_w = zeros(self.op, "d_w", &[n, 9, k])?;
        let rows = Parts::new(&mut d_w);
        pool::run(threads, |id, threads| {
            for d in share(n, id, threads) {
                let finish = Finish {
                    sums: &sums,
                    sizes: [n, k],
                    d,
                    // SAFETY: a row of results belongs to one thread.
                    to: unsafe { rows.take(d * 9 * k..(d + 1) * 9 * k) },
                };
                dispatch(self.level, finish);
            }
        });
        Ok(d_w)
    }
}

/// Adds up the parts for result `d`, and transforms them to its weights, `[9,k]`.
struct Finish<'a> {
    /// `[parts,16,n,k]`
    sums: &'a [f32],
    /// n and k.
    sizes: [usize; 2],
    d: usize,
    to: &'a mut [f32],
}

impl Kernel for Finish<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let [n, k] = self.sizes;
        for c in (0..k).step_by(S::LANES) {
            // SAFETY: rows of the parts and of the weights have `k − c` values from `c` on, of which an edge touches no
            // more.
            unsafe {
                let mut all = [[S::splat(0.0); 4]; 4];
                for part in self.sums.chunks_exact(POSITIONS * n * k) {
                    for i in 0..4 {
                        for j in 0..4 {
                            let row = part[((i * 4 + j) * n + self.d) * k + c..].as_ptr();
                            all[i][j] = S::add(all[i][j], load_edge::<S>(row, k - c));
                        }
                    }
                }
                let mut rows = [[S::splat(0.0); 4]; 3];
                for j in 0..4 {
                    let column = gradient::<S>([all[0][j], all[1][j], all[2][j], all[3][j]]);
                    for i in 0..3 {
                        rows[i][j] = column[i];
                    }
                }
                for i in 0..3 {
                    let row = gradient::<S>(rows[i]);
                    for j in 0..3 {
                        let to = self.to[(i * 3 + j) * k + c..].as_mut_ptr();
                        store_edge::<S>(to, row[j], k - c);
                    }
                }
            }
        }
    }
}

/// Floats of each position in the operands of a block of tiles.
#[derive(Clone, Copy)]
struct Operands {
    /// Tiles of a block, at most.
    tiles: usize,
    /// Rows of a packed tile of d_z.
    height: usize,
    left: usize,
    right: usize,
}

impl Operands {
    fn of<N: Float>(gradient: &WeightGradient) -> Self {
        let (lanes, height) = (
            gradient.level.lanes(),
            Table::of::<N>(gradient.level).packed.height(),
        );
        let [k, n] =
            [gradient.order.k, gradient.order.n].map(|channels| channels.next_multiple_of(lanes));
        let tiles = block(POSITIONS * (k + n) / N::PACK).next_multiple_of(2);
        let words = N::count(tiles);
        Self {
            tiles,
            height,
            left: n / height * step(height, words),
            right: words * k + GAP,
        }
    }
}

/// Floats from a packed tile of `height` rows to the next.
fn step(height: usize, words: usize) -> usize {
    height * words + GAP
}

/// Transforms x and d_z for some tiles, and adds their products to the sums of a part.
struct Products<'a, N> {
    of: &'a WeightGradient<'a>,
    sizes: Operands,
    grid: &'a Grid,
    tiles: Range<usize>,
    /// Of x and of d_z.
    pixels: [&'a Pixels<'a>; 2],
    /// Transformed d_z, `[16]` times tile after tile of `[words, height]`.
    left: *mut f32,
    /// Transformed x, `[16]` times panel after panel of `[words, vectors]`.
    right: *mut f32,
    /// `[16,n,k]`
    sums: &'a mut [f32],
    number: PhantomData<N>,
}

impl<N: Float> Kernel for Products<'_, N> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let table = Table::of::<N>(self.of.level);
        let Packed::Columns {
            tiles, panel: most, ..
        } = table.packed
        else {
            unreachable!("`packs_columns`")
        };
        let vectors = self.of.order.k.div_ceil(S::LANES);
        let panels: Vec<_> = table.panels(0..vectors, most).collect();
        // SAFETY: the buffers have the sizes of a block, and the transforms write all that the products read.
        unsafe {
            self.transform::<S>(&panels);
            self.multiply::<S>(tiles, &panels);
        }
    }
}

impl<N: Float> Products<'_, N> {
    /// Writes both operands.
    ///
    /// # Safety
    /// As [`Simd`]; the buffers are valid for a block.
    #[inline(always)]
    unsafe fn transform<S: Simd>(&self, panels: &[(usize, usize)]) {
        let words = N::count(self.tiles.len());
        let [top, left] = self.of.gather.taps[0].at;
        let mut places = places(self.grid, self.tiles.clone());
        for word in 0..words {
            // Tiles past the end are zeros.
            let mut x = [[[self.pixels[0].zeros.as_ptr(); 4]; 4]; 2];
            let mut z = [[[self.pixels[1].zeros.as_ptr(); 2]; 2]; 2];
            for (i, [image, row, column]) in places.by_ref().take(N::PACK).enumerate() {
                let [row, column] = [2 * row as isize, 2 * column as isize];
                x[i] = self.pixels[0].square(image, [row + top, column + left]);
                z[i] = self.pixels[1].square(image, [row, column]);
            }
            // SAFETY: this is word `word` of both operands.
            unsafe {
                self.transform_x::<S>(panels, [word, words], &x);
                self.transform_z::<S>([word, words], &z);
            }
        }
    }

    /// Writes a word of the right operand.
    ///
    /// # Safety
    /// As [`Self::transform`]; pixels have `k` values.
    #[inline(always)]
    unsafe fn transform_x<S: Simd>(
        &self,
        panels: &[(usize, usize)],
        [word, words]: [usize; 2],
        x: &[[[*const f32; 4]; 4]; 2],
    ) {
        let k = self.of.order.k;
        for &(panel, vectors) in panels {
            for vector in 0..vectors {
                let c = (panel + vector) * S::LANES;
                // SAFETY: pixels have `k − c` values from `c` on; a panel has `vectors` vectors for each word.
                unsafe {
                    let mut values = [[S::splat(0.0); POSITIONS]; 2];
                    for i in 0..N::PACK {
                        transform_pixels!(S, x[i], c, k - c, |position, value| {
                            values[i][position] = value;
                        });
                    }
                    let to = (panel * words + word * vectors + vector) * S::LANES;
                    let to = self.right.add(to);
                    for position in 0..POSITIONS {
                        let word = N::words::<S>(values[0][position], values[1][position]);
                        S::store(to.add(position * self.sizes.right), word);
                    }
                }
            }
        }
    }

    /// Writes a word of the left operand.
    ///
    /// # Safety
    /// As [`Self::transform`]; pixels have `n` values.
    #[inline(always)]
    unsafe fn transform_z<S: Simd>(
        &self,
        [word, words]: [usize; 2],
        z: &[[[*const f32; 2]; 2]; 2],
    ) {
        let (n, height) = (self.of.order.n, self.sizes.height);
        for d in (0..n).step_by(S::LANES) {
            // SAFETY: pixels have `n − d` values from `d` on; the tiles of a position have whole vectors of rows.
            unsafe {
                let mut values = [[S::splat(0.0); POSITIONS]; 2];
                for i in 0..N::PACK {
                    let mut sums = [[S::splat(0.0); 2]; 4];
                    for j in 0..2 {
                        let first = load_edge::<S>(z[i][0][j].add(d), n - d);
                        let second = load_edge::<S>(z[i][1][j].add(d), n - d);
                        let column = spread::<S>([first, second]);
                        for row in 0..4 {
                            sums[row][j] = column[row];
                        }
                    }
                    for row in 0..4 {
                        let line = spread::<S>(sums[row]);
                        for j in 0..4 {
                            values[i][row * 4 + j] = line[j];
                        }
                    }
                }
                for position in 0..POSITIONS {
                    let mut lanes = [0.0f32; 16];
                    let value = N::words::<S>(values[0][position], values[1][position]);
                    S::store(lanes.as_mut_ptr(), value);
                    let to = self.left.add(position * self.sizes.left + word * height);
                    for lane in (0..S::LANES).step_by(height) {
                        let from = lanes.as_ptr().add(lane);
                        let to = to.add((d + lane) / height * step(height, words));
                        if height == 8 {
                            from.cast::<[f32; 8]>().copy_to_nonoverlapping(to.cast(), 1);
                        } else {
                            from.copy_to_nonoverlapping(to, height);
                        }
                    }
                }
            }
        }
    }

    /// Adds the products to the sums.
    ///
    /// # Safety
    /// As [`Simd`]; both operands are written, and `tiles` are those of the instruction set for panels of them.
    #[inline(always)]
    unsafe fn multiply<S: Simd>(self, tiles: &Tiles, panels: &[(usize, usize)]) {
        let (k, n, height) = (self.of.order.k, self.of.order.n, self.sizes.height);
        let words = N::count(self.tiles.len());
        let mut tile_sums = Sums::new();
        let tile_sums = tile_sums.as_mut_ptr();
        let mut a = [std::ptr::null::<f32>(); ROWS];
        for (position, sums) in self.sums.chunks_exact_mut(n * k).enumerate() {
            for &(panel, vectors) in panels {
                // SAFETY: the panel has `words` words of `vectors` vectors, tiles of d_z `words` words of `height`
                // rows; rows of the sums have `k − c` values from `c` on, of which an edge touches no more.
                unsafe {
                    let b = self.right.add(position * self.sizes.right);
                    let b = b.add(panel * words * S::LANES);
                    for first in (0..n).step_by(height) {
                        let count = height.min(n - first);
                        let left = self.left.add(position * self.sizes.left);
                        let left = left.add(first / height * step(height, words));
                        for (r, a) in a.iter_mut().enumerate().take(count) {
                            *a = left.add(r);
                        }
                        let tile = choose(tiles, vectors, count);
                        tile(count, words, a.as_ptr(), b, tile_sums, Ahead::NOTHING);
                        for r in 0..count {
                            for vector in 0..vectors {
                                let c = (panel + vector) * S::LANES;
                                let to = sums.as_mut_ptr().add((first + r) * k + c);
                                let sum = S::load(tile_sums.add((r * vectors + vector) * S::LANES));
                                let sum = S::add(load_edge::<S>(to, k - c), sum);
                                store_edge::<S>(to, sum, k - c);
                            }
                        }
                    }
                }
            }
        }
    }
}
