//! Convolutions of one channel: a tap is a pixel times a vector of weights, and no window is copied.
//!
//! Results are made in bands: some windows of a maximum in one row, with all results of the convolution in them. The
//! pixels of a band, with zeros past the edges, and its results stay in the first caches.

use super::gather::Grid;
use super::maxima::{Line, spread_row};
use super::weights::transpose;
use super::{Conv, ConvGradients, Wanted, Window, useful};
use crate::call::Precision;
use crate::error::KernelError;
use crate::parts::Parts;
use crate::pool::{self, share};
use crate::scratch::zeros;
use crate::simd::{Kernel, Level, Simd, bf16_bits, dispatch, load_edge, store_edge};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Results of the convolution in a row of a band, at most, and values of them.
const COLUMNS: usize = 384;
const BLOCK: usize = 1 << 19;
/// Neighbouring results that are made together.
const TOGETHER: usize = 8;
/// Taps whose gradients are summed together.
const TAPS: usize = 9;
/// Parts of the gradient of the weights: their sums are added up in order, whoever makes them.
const PARTS: usize = 32;

/// A convolution of one channel, and the windows of the maximum behind it; of one pixel each where there is none.
pub(super) struct Single<'a> {
    op: &'static str,
    level: Level,
    threads: usize,
    conv: &'a Conv<'a>,
    window: &'a Window,
    /// Windows in a band, at most.
    windows: usize,
    /// Columns and rows of the pixels of a band.
    columns: usize,
    rows: usize,
    /// Where the taps are in a band, from the first one.
    taps: Vec<usize>,
}

impl<'a> Single<'a> {
    /// If this way is for such a convolution. That does not depend on the images: each has the same bits in any batch.
    pub fn new(
        op: &'static str,
        level: Level,
        threads: usize,
        conv: &'a Conv<'a>,
        window: &'a Window,
    ) -> Option<Self> {
        let Window {
            kernel,
            stride,
            dilation,
            ..
        } = conv.window;
        let [height, width] = [0, 1].map(|axis| conv.window.extent(axis));
        let usual = conv.images.channels == 1
            && conv.groups == 1
            && (2..=256).contains(&conv.outputs)
            && kernel.iter().all(|&taps| taps <= 8)
            && stride.iter().all(|&stride| stride <= 4)
            && height.max(width) <= 64
            && window.kernel.iter().all(|&pixels| pixels <= 16)
            && window.stride.iter().all(|&pixels| pixels <= 16)
            && window.is_apart();
        if !usual {
            return None;
        }
        let results = COLUMNS.min(BLOCK / (window.kernel[0] * conv.outputs));
        let windows = (results / window.stride[1]).max(1);
        let columns = (windows * window.stride[1] - 1) * stride[1] + width;
        let tap = |i: usize, j: usize| i * dilation[0] * columns + j * dilation[1];
        let row = |i| (0..kernel[1]).map(move |j| tap(i, j));
        Some(Self {
            op,
            level,
            threads,
            conv,
            window,
            windows,
            columns,
            rows: (window.kernel[0] - 1) * stride[0] + height,
            taps: (0..kernel[0]).flat_map(row).collect(),
        })
    }

    /// Values of the results of a band.
    fn results(&self) -> usize {
        self.window.kernel[0] * self.windows * self.window.stride[1] * self.conv.outputs
    }

    /// `[T,D]`, rounded where the precision says so.
    fn weights(&self) -> Result<Vec<f32>, KernelError> {
        let mut weights = transpose(self.op, self.conv.w, [self.conv.outputs, self.taps.len()])?;
        self.round(&mut weights);
        Ok(weights)
    }

    /// Rounds factors of a product to the precision.
    #[inline(always)]
    fn round(&self, values: &mut [f32]) {
        if self.conv.precision == Precision::Bf16 {
            for value in values {
                *value = f32::from_bits(u32::from(bf16_bits(*value)) << 16);
            }
        }
    }

    /// Threads for `pixels` windows.
    fn useful(&self, pixels: usize) -> usize {
        let pixels = pixels * self.window.kernel.iter().product::<usize>();
        useful(pixels * self.conv.outputs, self.taps.len(), self.threads)
    }

    /// Writes the results of the windows of `grid`, `[R,D]`, and the places of the maxima, if there is a maximum.
    ///
    /// # Errors
    /// [`KernelError::TooLarge`]: no memory for a band of each thread.
    pub fn forward(
        &self,
        [from, grid]: [&Grid; 2],
        y: &mut [f32],
        places: Option<&mut [u8]>,
    ) -> Result<(), KernelError> {
        /// Parts for each thread, as others may need the cores as well.
        const EACH: usize = 8;
        let (channels, pixels) = (self.conv.outputs, grid.pixels());
        assert_eq!(y.len(), pixels * channels, "[R,D]");
        let weights = self.weights()?;
        let threads = self.useful(pixels);
        let size = self.rows * self.columns + self.results();
        let mut rooms = zeros(self.op, "bands", &[threads, size])?;
        let rooms = Parts::new(&mut rooms);
        let y = Parts::new(y);
        let places = places.map(Parts::new);
        let (next, parts) = (AtomicUsize::new(0), threads * EACH);
        pool::run(threads, |id, _| {
            // SAFETY: each thread has its own number.
            let room = unsafe { rooms.take(id * size..(id + 1) * size) };
            let (x, z) = room.split_at_mut(self.rows * self.columns);
            loop {
                let part = next.fetch_add(1, Ordering::Relaxed);
                if part >= parts {
                    break;
                }
                let part = share(pixels, part, parts);
                for image in 0..grid.widths.len() {
                    for row in grid.rows_from(image, &part) {
                        let first = grid.row(image, row) * channels;
                        for windows in self.bands(grid.widths[image]) {
                            let own =
                                first + windows.start * channels..first + windows.end * channels;
                            self.fill(from, image, row, windows.start, x);
                            // SAFETY: a row belongs to the one part of the pixels in which it begins, and its bands do
                            // not overlap.
                            let (y, places) = unsafe {
                                let places = places.as_ref();
                                (y.take(own.clone()), places.map(|places| places.take(own)))
                            };
                            let band = Forward {
                                of: self,
                                weights: &weights,
                                x,
                                z,
                                y,
                                places,
                            };
                            dispatch(self.level, band);
                        }
                    }
                }
            }
        });
        Ok(())
    }

    /// The windows of each band of a row.
    fn bands(&self, windows: usize) -> impl Iterator<Item = Range<usize>> {
        let most = self.windows;
        (0..windows)
            .step_by(most)
            .map(move |start| start..windows.min(start + most))
    }

    /// Copies the pixels of a band that begins at a window of a row.
    fn fill(&self, from: &Grid, image: usize, row: usize, window: usize, to: &mut [f32]) {
        let (own, width) = (&self.conv.window, from.widths[image]);
        let start = |index: usize, axis: usize| {
            let result = index * self.window.stride[axis];
            (result * own.stride[axis]) as isize - own.padding[axis][0] as isize
        };
        let (top, left) = (start(row, 0), start(window, 1));
        let before = left.min(0).unsigned_abs().min(self.columns);
        for (i, line) in to.chunks_exact_mut(self.columns).enumerate() {
            let row = usize::try_from(top + i as isize).ok();
            let pixels = match row.filter(|&row| row < from.height) {
                Some(row) => &self.conv.x[from.row(image, row)..][..width],
                None => &[],
            };
            let pixels = &pixels[left.max(0).unsigned_abs().min(pixels.len())..];
            let count = pixels.len().min(self.columns - before);
            line[..before].fill(0.0);
            line[before..before + count].copy_from_slice(&pixels[..count]);
            line[before + count..].fill(0.0);
            self.round(line);
        }
    }

    /// Gradients of weights and bias from that of the sums: `d_z`, `[R,D]`, of the maxima at their `places`.
    ///
    /// # Errors
    /// [`KernelError::TooLarge`]: no memory for them, or for a band of each thread.
    pub fn gradients(
        &self,
        [from, grid]: [&Grid; 2],
        d_z: &[f32],
        places: Option<&[u8]>,
        wanted: Wanted,
    ) -> Result<ConvGradients, KernelError> {
        let mut gradients = ConvGradients {
            d_x: None,
            d_w: None,
            d_b: None,
        };
        if wanted.weights {
            let d_w = self.weight_gradient([from, grid], d_z, places)?;
            gradients.d_w = Some(transpose(
                self.op,
                &d_w,
                [self.taps.len(), self.conv.outputs],
            )?);
            let sums = || super::backward::sums(self.level, self.threads, d_z, self.conv.outputs);
            gradients.d_b = self.conv.b.map(|_| sums()).transpose()?;
        }
        Ok(gradients)
    }

    /// `[T,D]`
    fn weight_gradient(
        &self,
        [from, grid]: [&Grid; 2],
        d_z: &[f32],
        places: Option<&[u8]>,
    ) -> Result<Vec<f32>, KernelError> {
        let (channels, pixels) = (self.conv.outputs, grid.pixels());
        assert_eq!(d_z.len(), pixels * channels, "[R,D]");
        let weights = self.taps.len() * channels;
        let mut partial = zeros(self.op, "parts of d_w", &[PARTS, weights])?;
        let threads = self.useful(pixels).min(PARTS);
        let size = self.rows * self.columns + self.results() + self.windows * channels;
        let mut rooms = zeros(self.op, "bands", &[threads, size])?;
        let rooms = Parts::new(&mut rooms);
        let sums = Parts::new(&mut partial);
        let next = AtomicUsize::new(0);
        pool::run(threads, |id, _| {
            // SAFETY: each thread has its own number.
            let room = unsafe { rooms.take(id * size..(id + 1) * size) };
            let (x, room) = room.split_at_mut(self.rows * self.columns);
            let (z, rounded) = room.split_at_mut(self.results());
            loop {
                let part = next.fetch_add(1, Ordering::Relaxed);
                if part >= PARTS {
                    break;
                }
                // SAFETY: `next` gives each part to one thread.
                let sums = unsafe { sums.take(part * weights..(part + 1) * weights) };
                let part = share(pixels, part, PARTS);
                for image in 0..grid.widths.len() {
                    for row in grid.rows_from(image, &part) {
                        let first = grid.row(image, row) * channels;
                        for windows in self.bands(grid.widths[image]) {
                            let own =
                                first + windows.start * channels..first + windows.end * channels;
                            self.fill(from, image, row, windows.start, x);
                            let band = Backward {
                                of: self,
                                x,
                                z,
                                rounded,
                                d_z: &d_z[own.clone()],
                                places: places.map(|places| &places[own]),
                                sums,
                            };
                            dispatch(self.level, band);
                        }
                    }
                }
            }
        });
        let mut d_w = zeros(self.op, "d_w", &[weights])?;
        for part in partial.chunks_exact(weights) {
            for (d_w, part) in d_w.iter_mut().zip(part) {
                *d_w += part;
            }
        }
        Ok(d_w)
    }

    /// The rows of a band of `windows` windows, and the results in each.
    fn sizes(&self, windows: usize) -> [usize; 2] {
        [self.window.kernel[0], windows * self.window.stride[1]]
    }
}

/// A band of results.
struct Forward<'a> {
    of: &'a Single<'a>,
    /// `[T,D]`
    weights: &'a [f32],
    /// The pixels.
    x: &'a [f32],
    /// Room for the results of the convolution.
    z: &'a mut [f32],
    /// `[windows,D]`
    y: &'a mut [f32],
    places: Option<&'a mut [u8]>,
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (of, channels) = (self.of, self.of.conv.outputs);
        let [rows, columns] = of.sizes(self.y.len() / channels);
        // Without a maximum, the results of the convolution are those of the call.
        let (z, maxima) = match self.places {
            Some(places) => (
                &mut self.z[..rows * columns * channels],
                Some((self.y, places)),
            ),
            None => (self.y, None),
        };
        let stride = of.conv.window.stride;
        for (i, line) in z.chunks_exact_mut(columns * channels).enumerate() {
            let x = &self.x[i * stride[0] * of.columns..];
            let together = columns / TOGETHER * TOGETHER;
            let last = (columns - 1) * stride[1] + of.taps.last().copied().unwrap_or(0);
            assert!(
                last < x.len() && self.weights.len() == of.taps.len() * channels,
                "a band"
            );
            let mut at = 0;
            while at < columns {
                // SAFETY: the last tap of the last result is in the band, and the line has the results.
                unsafe {
                    let (x, to) = (
                        x.as_ptr().add(at * stride[1]),
                        line.as_mut_ptr().add(at * channels),
                    );
                    if at < together {
                        results::<S, TOGETHER>(of, self.weights, x, to);
                        at += TOGETHER;
                    } else {
                        results::<S, 1>(of, self.weights, x, to);
                        at += 1;
                    }
                }
            }
        }
        if let Some((y, places)) = maxima {
            let line = Line {
                x: z,
                height: columns * channels,
                channels,
                window: of.window,
                y,
                places,
            };
            line.maxima();
        }
    }
}

/// Computes `N` neighbouring results, `[N,D]`.
///
/// # Safety
/// As [`Simd`]; all taps of the results are valid from `x` on, the weights are `[T,D]`, and `to` is valid for the
/// results.
#[inline(always)]
unsafe fn results<S: Simd, const N: usize>(
    of: &Single,
    weights: &[f32],
    x: *const f32,
    to: *mut f32,
) {
    let (channels, step) = (of.conv.outputs, of.conv.window.stride[1]);
    for d in (0..channels).step_by(S::LANES) {
        let left = channels - d;
        // SAFETY: rows of weights, bias and results have `left` values from `d` on, of which an edge touches no more.
        unsafe {
            let mut sums = [S::splat(0.0); N];
            for (t, &tap) in of.taps.iter().enumerate() {
                let w = load_edge::<S>(weights.as_ptr().add(t * channels + d), left);
                let x = x.add(tap);
                for n in 0..N {
                    sums[n] = S::fma(S::splat(*x.add(n * step)), w, sums[n]);
                }
            }
            let bias = match of.conv.b {
                Some(bias) => load_edge::<S>(bias.as_ptr().add(d), left),
                None => S::splat(0.0),
            };
            for n in 0..N {
                let sum = S::add(bias, sums[n]);
                let sum = match of.conv.relu {
                    // The second argument stays if it is NaN.
                    true => S::max(S::splat(0.0), sum),
                    false => sum,
                };
                store_edge::<S>(to.add(n * channels + d), sum, left);
            }
        }
    }
}

/// A band of gradients.
struct Backward<'a> {
    of: &'a Single<'a>,
    /// The pixels.
    x: &'a [f32],
    /// Room for the gradients of the results of the convolution.
    z: &'a mut [f32],
    /// Room for `d_z`.
    rounded: &'a mut [f32],
    /// `[windows,D]`
    d_z: &'a [f32],
    places: Option<&'a [u8]>,
    /// The gradient of the weights so far, `[T,D]`.
    sums: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (of, channels) = (self.of, self.of.conv.outputs);
        let [rows, columns] = of.sizes(self.d_z.len() / channels);
        let room = &mut self.z[..rows * columns * channels];
        let d_z = &mut self.rounded[..self.d_z.len()];
        d_z.copy_from_slice(self.d_z);
        of.round(d_z);
        match self.places {
            Some(places) => {
                if of.window.stride[1] > of.window.kernel[1] {
                    room.fill(0.0);
                }
                for (i, line) in room.chunks_exact_mut(columns * channels).enumerate() {
                    spread_row(of.window, channels, i, (d_z, places), line, |d| d);
                }
            }
            None => room.copy_from_slice(d_z),
        }
        let stride = of.conv.window.stride;
        let last = (rows - 1) * stride[0] * of.columns + (columns - 1) * stride[1];
        let last = last + of.taps.last().copied().unwrap_or(0);
        assert!(last < self.x.len(), "a band");
        for (taps, sums) in of
            .taps
            .chunks(TAPS)
            .zip(self.sums.chunks_mut(TAPS * channels))
        {
            for d in (0..channels).step_by(S::LANES) {
                // SAFETY: the last tap of the last result is in the band, whose gradients are rows of columns of
                // channels, and the sums have `channels` for each tap.
                unsafe { add::<S>(of, taps, (self.x, room), [rows, columns, d], sums) }
            }
        }
    }
}

/// Adds the sums over a band to the gradients of some taps, for a vector of channels from `d` on.
///
/// # Safety
/// As [`Simd`]; the taps of all results are in `x`, `z` has rows of columns of channels, and `to` the channels of each
/// tap.
#[inline(always)]
unsafe fn add<S: Simd>(
    of: &Single,
    taps: &[usize],
    (x, z): (&[f32], &[f32]),
    [rows, columns, d]: [usize; 3],
    to: &mut [f32],
) {
    let (channels, stride) = (of.conv.outputs, of.conv.window.stride);
    let left = channels - d;
    // Sums without a tap take the first one's, and are left out.
    let mut at = [0; TAPS];
    at[..taps.len()].copy_from_slice(taps);
    // SAFETY: as the caller promises; an edge touches no more than the `left` channels.
    unsafe {
        let mut sums = [S::splat(0.0); TAPS];
        for row in 0..rows {
            let x = x.as_ptr().add(row * stride[0] * of.columns);
            let z = z.as_ptr().add(row * columns * channels + d);
            for column in 0..columns {
                let x = x.add(column * stride[1]);
                let z = load_edge::<S>(z.add(column * channels), left);
                for t in 0..TAPS {
                    sums[t] = S::fma(S::splat(*x.add(at[t])), z, sums[t]);
                }
            }
        }
        for (to, sum) in to.chunks_exact_mut(channels).zip(sums) {
            let to = to.as_mut_ptr().add(d);
            store_edge::<S>(to, S::add(load_edge::<S>(to, left), sum), left);
        }
    }
}
