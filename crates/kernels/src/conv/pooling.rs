//! Maximum and average of windows.

use super::gather::Grid;
use super::{Images, Window, useful};
use crate::error::{KernelError, expect, size};
use crate::parts::Parts;
use crate::pool::{self, share};
use crate::scratch::zeros;
use crate::simd::{Kernel, Level, Simd, dispatch};
use std::ops::Range;

/// How a window becomes one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The largest pixel; padding is not compared. The gradient goes to the first of several that are equal. NaN is
    /// larger than any number.
    Max,
    /// The mean of the pixels, added up row by row.
    Average {
        /// Whether pixels of padding count, as zeros: PyTorch's and ONNX's `count_include_pad`.
        padding: bool,
    },
}

/// A pooling of a batch of images, each channel by itself.
#[derive(Clone, Copy, Debug)]
pub struct Pool<'a, F = f32> {
    /// Sizes of `x`.
    pub images: Images<'a>,
    /// Kernel, stride, dilation and padding.
    pub window: Window,
    /// Maximum or average.
    pub pooling: Pooling,
    /// `[P,C]`
    pub x: &'a [F],
}

impl<F> Pool<'_, F> {
    /// Checks all sizes; gives the pixels of x and y.
    pub(crate) fn check(&self, op: &'static str) -> Result<[Grid; 2], KernelError> {
        let [from, to] = self.images.grids(op, &self.window)?;
        let channels = self.images.channels;
        expect(op, "x", &[from.pixels(), channels], self.x.len())?;
        size(op, "y", &[to.pixels(), channels])?;
        Ok([from, to])
    }
}

/// The windows of each image, `[Q,C]`; [`Images::windows`] gives the sizes of the images. A window without pixels, all
/// padding, gives zero.
///
/// # Errors
/// [`KernelError::Shape`]: a slice of the wrong size. [`KernelError::Option`]: a window with a zero.
/// [`KernelError::TooLarge`]: a result that does not fit into memory.
pub fn pool(pool: &Pool) -> Result<Vec<f32>, KernelError> {
    pool_at(Level::best(), pool::threads(), pool)
}

/// [`pool()`] with instruction set and threads named.
///
/// # Errors
/// As [`pool()`].
pub fn pool_at(level: Level, threads: usize, pool: &Pool) -> Result<Vec<f32>, KernelError> {
    const OP: &str = "pooling";
    let grids = pool.check(OP)?;
    let [_, to] = &grids;
    let mut y = zeros(OP, "y", &[to.pixels(), pool.images.channels])?;
    if pool.x.is_empty() || y.is_empty() {
        return Ok(y);
    }
    let call = Call {
        level,
        threads,
        pool,
        grids: &grids,
    };
    call.run(to, &mut y, None);
    Ok(y)
}

/// The gradient of x, `[P,C]`, from `d_y`, `[Q,C]`.
///
/// # Errors
/// As [`pool()`].
pub fn pool_backward(pool: &Pool, d_y: &[f32]) -> Result<Vec<f32>, KernelError> {
    pool_backward_at(Level::best(), pool::threads(), pool, d_y)
}

/// [`pool_backward`] with instruction set and threads named.
///
/// # Errors
/// As [`pool()`].
pub fn pool_backward_at(
    level: Level,
    threads: usize,
    pool: &Pool,
    d_y: &[f32],
) -> Result<Vec<f32>, KernelError> {
    const OP: &str = "pooling backward";
    let grids = pool.check(OP)?;
    let [from, to] = &grids;
    let channels = pool.images.channels;
    expect(OP, "d_y", &[to.pixels(), channels], d_y.len())?;
    let mut d_x = zeros(OP, "d_x", &[from.pixels(), channels])?;
    if d_x.is_empty() || d_y.is_empty() {
        return Ok(d_x);
    }
    let call = Call {
        level,
        threads,
        pool,
        grids: &grids,
    };
    call.run(from, &mut d_x, Some(d_y));
    Ok(d_x)
}

struct Call<'a> {
    level: Level,
    threads: usize,
    pool: &'a Pool<'a>,
    /// Of x and y.
    grids: &'a [Grid; 2],
}

impl Call<'_> {
    /// Writes y, or with `d_y` the gradient of x, to `out`, zeros so far: threads divide its rows of pixels.
    fn run(&self, grid: &Grid, out: &mut [f32], d_y: Option<&[f32]>) {
        let channels = self.pool.images.channels;
        let [height, width] = self.pool.window.kernel;
        let terms = self.grids[1]
            .pixels()
            .saturating_mul(height.saturating_mul(width));
        let threads = useful(terms, channels, self.threads);
        let parts = Parts::new(out);
        pool::run(threads, |id, threads| {
            let part = share(grid.pixels(), id, threads);
            for image in 0..grid.widths.len() {
                let rows = grid.rows_from(image, &part);
                if rows.is_empty() {
                    continue;
                }
                let own = grid.row(image, rows.start)..grid.row(image, rows.end);
                // SAFETY: a row belongs to the one thread in whose share of the pixels it begins.
                let out = unsafe { parts.take(own.start * channels..own.end * channels) };
                let part = Part {
                    call: self,
                    image,
                    rows,
                    out,
                    d_y,
                };
                dispatch(self.level, part);
            }
        });
    }
}

/// Rows of an image of the result, which one thread computes.
struct Part<'a> {
    call: &'a Call<'a>,
    image: usize,
    rows: Range<usize>,
    /// The pixels of the rows.
    out: &'a mut [f32],
    d_y: Option<&'a [f32]>,
}

impl Kernel for Part<'_> {
    type Output = ();

    // Plain loops over channels, which become vectors of the instruction set of `S`.
    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        match (self.d_y, self.call.pool.pooling) {
            (None, pooling) => self.forward(pooling),
            (Some(d_y), Pooling::Max) => self.maximum_backward(d_y),
            (Some(d_y), Pooling::Average { padding }) => self.average_backward(d_y, padding),
        }
    }
}

/// The taps of a window that are inside the image along one axis, as their pixels.
#[inline(always)]
fn inside(
    window: &Window,
    axis: usize,
    index: usize,
    size: usize,
) -> impl Iterator<Item = usize> + Clone + use<> {
    let dilation = window.dilation[axis];
    let start = (index * window.stride[axis]) as isize - window.padding[axis][0] as isize;
    // Taps before the pixel `at`.
    let before = |at: isize| {
        let at = (at - start).max(0).unsigned_abs();
        at.div_ceil(dilation).min(window.kernel[axis])
    };
    let taps = before(0)..before(size as isize);
    taps.map(move |tap| start.wrapping_add_unsigned(tap * dilation).unsigned_abs())
}

impl Part<'_> {
    #[inline(always)]
    fn forward(&mut self, pooling: Pooling) {
        let Call { pool, grids, .. } = self.call;
        let (channels, width) = (pool.images.channels, grids[1].widths[self.image]);
        for (row, line) in self
            .rows
            .clone()
            .zip(self.out.chunks_exact_mut(width * channels))
        {
            for (column, out) in line.chunks_exact_mut(channels).enumerate() {
                let mut count = 0;
                for pixel in self.call.pixels(self.image, row, column) {
                    let x = &pool.x[pixel * channels..][..channels];
                    match pooling {
                        Pooling::Max if count == 0 => out.copy_from_slice(x),
                        Pooling::Max => larger(out, x),
                        Pooling::Average { .. } => {
                            out.iter_mut().zip(x).for_each(|(out, x)| *out += x);
                        }
                    }
                    count += 1;
                }
                if let Pooling::Average { padding } = pooling {
                    let share = self.call.share(count, padding);
                    out.iter_mut().for_each(|out| *out *= share);
                }
            }
        }
    }

    #[inline(always)]
    fn maximum_backward(&mut self, d_y: &[f32]) {
        let Call { pool, grids, .. } = self.call;
        let channels = pool.images.channels;
        let first = grids[0].row(self.image, self.rows.start);
        let own = first..grids[0].row(self.image, self.rows.end);
        // The largest value of each channel, and its tap, counted among those inside.
        let (mut largest, mut which) = (vec![0.0; channels], vec![0u32; channels]);
        for row in self.windows() {
            for column in 0..grids[1].widths[self.image] {
                let pixels = self.call.pixels(self.image, row, column);
                for (tap, pixel) in (0..).zip(pixels.clone()) {
                    let x = &pool.x[pixel * channels..][..channels];
                    if tap == 0 {
                        largest.copy_from_slice(x);
                        which.fill(0);
                        continue;
                    }
                    for ((largest, which), x) in largest.iter_mut().zip(&mut which).zip(x) {
                        let larger = is_larger(*x, *largest);
                        *largest = if larger { *x } else { *largest };
                        *which = if larger { tap } else { *which };
                    }
                }
                let result = grids[1].row(self.image, row) + column;
                let d_y = &d_y[result * channels..][..channels];
                for (tap, pixel) in (0..).zip(pixels) {
                    if !own.contains(&pixel) {
                        continue;
                    }
                    let d_x = &mut self.out[(pixel - first) * channels..][..channels];
                    for ((d_x, which), d_y) in d_x.iter_mut().zip(&which).zip(d_y) {
                        *d_x += if *which == tap { *d_y } else { 0.0 };
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn average_backward(&mut self, d_y: &[f32], padding: bool) {
        let Call { pool, grids, .. } = self.call;
        let channels = pool.images.channels;
        let first = grids[0].row(self.image, self.rows.start);
        let own = first..grids[0].row(self.image, self.rows.end);
        for row in self.windows() {
            for column in 0..grids[1].widths[self.image] {
                let pixels = self.call.pixels(self.image, row, column);
                let share = self.call.share(pixels.clone().count(), padding);
                let result = grids[1].row(self.image, row) + column;
                let d_y = &d_y[result * channels..][..channels];
                for pixel in pixels.filter(|pixel| own.contains(pixel)) {
                    let d_x = &mut self.out[(pixel - first) * channels..][..channels];
                    d_x.iter_mut()
                        .zip(d_y)
                        .for_each(|(d_x, d_y)| *d_x += d_y * share);
                }
            }
        }
    }

    /// Rows of windows that may reach the part's rows of x.
    #[inline(always)]
    fn windows(&self) -> Range<usize> {
        let window = &self.call.pool.window;
        let (before, stride) = (window.padding[0][0], window.stride[0]);
        let start = (self.rows.start + before + 1).saturating_sub(window.extent(0));
        let end = (self.rows.end + before).div_ceil(stride);
        start.div_ceil(stride)..end.min(self.call.grids[1].height)
    }
}

impl Call<'_> {
    /// The pixels of x in a window, row by row.
    #[inline(always)]
    fn pixels(
        &self,
        image: usize,
        row: usize,
        column: usize,
    ) -> impl Iterator<Item = usize> + Clone {
        let (window, from) = (&self.pool.window, &self.grids[0]);
        let width = from.widths[image];
        let columns = inside(window, 1, column, width);
        inside(window, 0, row, from.height).flat_map(move |row| {
            let line = from.row(image, row);
            columns.clone().map(move |column| line + column)
        })
    }

    /// The share of each of `count` pixels in the average of a window.
    #[inline(always)]
    fn share(&self, count: usize, padding: bool) -> f32 {
        let [height, width] = self.pool.window.kernel;
        let all = if padding { height * width } else { count };
        1.0 / all.max(1) as f32
    }
}

/// The larger of each pair, into `largest`.
#[inline(always)]
fn larger(largest: &mut [f32], x: &[f32]) {
    for (largest, x) in largest.iter_mut().zip(x) {
        *largest = if is_larger(*x, *largest) {
            *x
        } else {
            *largest
        };
    }
}

/// Whether `x` takes the place of the largest value so far; NaN is larger than any number.
#[inline(always)]
fn is_larger(x: f32, largest: f32) -> bool {
    x > largest || x.is_nan()
}
