//! Convolution and the maximum of windows that do not overlap, as one operation.

use super::backward::{backward_at, masked};
use super::forward::forward_at;
use super::gather::Grid;
use super::single::Single;
use super::{Conv, ConvGradients, Images, Wanted, Window, useful};
use crate::error::{KernelError, expect, size};
use crate::parts::Parts;
use crate::pool::{self, share};
use crate::scratch::{unwritten, written, zeros};
use crate::simd::{Kernel, Level, Simd, dispatch};
use std::mem::MaybeUninit;

/// Results of [`forward_max`], `[R,D]` for `R` windows.
#[derive(Clone, Debug, PartialEq)]
pub struct Maxima {
    /// The largest of each window and channel; NaN is larger than any number.
    pub y: Vec<f32>,
    /// Its place in the window, i·J + j: the first of several that are equal.
    pub places: Vec<u8>,
}

/// [`super::forward`], then the maximum of each window of its results: the values of [`super::pool()`], and what
/// [`backward_max`] needs. The results of the convolution are not kept.
///
/// # Errors
/// As [`super::forward`]. [`KernelError::Option`]: windows for which [`Window::is_apart`] is false.
pub fn forward_max(conv: &Conv, window: &Window) -> Result<Maxima, KernelError> {
    forward_max_at(Level::best(), pool::threads(), conv, window)
}

/// [`forward_max`] with instruction set and threads named.
///
/// # Errors
/// As [`forward_max`].
pub fn forward_max_at(
    level: Level,
    threads: usize,
    conv: &Conv,
    window: &Window,
) -> Result<Maxima, KernelError> {
    const OP: &str = "convolution with maximum";
    let [from, to] = conv.check(OP)?;
    let behind = results(OP, &to, conv.outputs, window)?;
    let dims = [behind.pixels(), conv.outputs];
    let mut maxima = Maxima {
        y: zeros(OP, "y", &dims)?,
        places: zeros(OP, "places", &dims)?,
    };
    if maxima.y.is_empty() {
        return Ok(maxima);
    }
    if let Some(single) = Single::new(OP, level, threads, conv, window) {
        single.forward([&from, &behind], &mut maxima.y, Some(&mut maxima.places))?;
        return Ok(maxima);
    }
    let x = &forward_at(level, threads, conv)?;
    let channels = conv.outputs;
    let (y, places) = (Parts::new(&mut maxima.y), Parts::new(&mut maxima.places));
    pool::run(useful(x.len(), 1, threads), |id, threads| {
        let part = share(behind.pixels(), id, threads);
        for image in 0..behind.widths.len() {
            for row in behind.rows_from(image, &part) {
                let own = behind.row(image, row) * channels..behind.row(image, row + 1) * channels;
                // SAFETY: a row belongs to the one thread in whose share of the pixels it begins.
                let (y, places) = unsafe { (y.take(own.clone()), places.take(own)) };
                let width = to.widths[image];
                let first = to.row(image, row * window.stride[0]) * channels;
                let line = Line {
                    x: &x[first..],
                    height: width * channels,
                    channels,
                    window,
                    y,
                    places,
                };
                dispatch(level, line);
            }
        }
    });
    Ok(maxima)
}

/// Gradients of [`forward_max`] from `d_y`, `[R,D]`, where `y` and `places` are its results.
///
/// # Errors
/// As [`forward_max`].
pub fn backward_max(
    conv: &Conv,
    window: &Window,
    maxima: (&[f32], &[u8]),
    d_y: &[f32],
    wanted: Wanted,
) -> Result<ConvGradients, KernelError> {
    let level = Level::best();
    backward_max_at(level, pool::threads(), (conv, window), maxima, d_y, wanted)
}

/// [`backward_max`] with instruction set and threads named.
///
/// # Errors
/// As [`forward_max`].
pub fn backward_max_at(
    level: Level,
    threads: usize,
    (conv, window): (&Conv, &Window),
    (y, places): (&[f32], &[u8]),
    d_y: &[f32],
    wanted: Wanted,
) -> Result<ConvGradients, KernelError> {
    const OP: &str = "convolution with maximum backward";
    let [from, to] = conv.check(OP)?;
    let behind = results(OP, &to, conv.outputs, window)?;
    let dims = [behind.pixels(), conv.outputs];
    expect(OP, "y", &dims, y.len())?;
    expect(OP, "places", &dims, places.len())?;
    expect(OP, "d_y", &dims, d_y.len())?;
    let own;
    let d_y = match conv.relu {
        true => {
            own = masked(OP, y, d_y, threads)?;
            &own
        }
        false => d_y,
    };
    let single = Single::new(OP, level, threads, conv, window);
    if let Some(single) = single.filter(|_| !wanted.x) {
        return single.gradients([&from, &behind], d_y, Some(places), wanted);
    }
    let ways = (level, threads);
    let d_z = spread(
        OP,
        (&to, &behind),
        (window, conv.outputs),
        places,
        d_y,
        ways,
    )?;
    // The gradient is that of the sums already, and that of the bias has fewer terms here.
    let sums = Conv {
        relu: false,
        b: None,
        ..*conv
    };
    let d_b = || super::backward::sums(level, threads, d_y, conv.outputs);
    Ok(ConvGradients {
        d_b: conv
            .b
            .filter(|_| wanted.weights)
            .map(|_| d_b())
            .transpose()?,
        ..backward_at(level, threads, &sums, &[], &d_z, wanted)?
    })
}

/// The windows of the results of a convolution.
fn results(
    op: &'static str,
    to: &Grid,
    channels: usize,
    window: &Window,
) -> Result<Grid, KernelError> {
    if !window.is_apart() {
        return Err(KernelError::Option {
            op,
            what: "window of the maximum",
            problem: "it overlaps the next one, or has padding, dilation or more than 256 pixels; use `pool` instead",
        });
    }
    let images = Images {
        height: to.height,
        widths: &to.widths,
        channels,
    };
    let [_, behind] = images.grids(op, window)?;
    size(op, "y", &[behind.pixels(), channels])?;
    Ok(behind)
}

/// The gradient of the results of the convolution, `[Q,D]`: that of each window at the place of its maximum.
fn spread(
    op: &'static str,
    (to, behind): (&Grid, &Grid),
    (window, channels): (&Window, usize),
    places: &[u8],
    d_y: &[f32],
    (level, threads): (Level, usize),
) -> Result<Vec<f32>, KernelError> {
    const WHAT: &str = "gradient before the maximum";
    let dims = [to.pixels(), channels];
    if d_y.is_empty() {
        return zeros(op, WHAT, &dims);
    }
    let mut d_z = unwritten(op, WHAT, &dims)?;
    let parts = Parts::new(&mut d_z);
    pool::run(useful(to.pixels(), channels, threads), |id, threads| {
        let part = share(to.pixels(), id, threads);
        for image in 0..to.widths.len() {
            for row in to.rows_from(image, &part) {
                let (window_row, i) = (row / window.stride[0], row % window.stride[0]);
                let own = to.row(image, row) * channels..to.row(image, row + 1) * channels;
                // SAFETY: a row belongs to the one thread in whose share of the pixels it begins.
                let line = unsafe { parts.take(own) };
                let inside = window_row < behind.height && i < window.kernel[0];
                if !inside || behind.widths[image] * window.kernel[1] < to.widths[image] {
                    line.fill(MaybeUninit::new(0.0));
                }
                if !inside {
                    continue;
                }
                let from = behind.row(image, window_row) * channels
                    ..behind.row(image, window_row + 1) * channels;
                let spread = Spread {
                    window,
                    channels,
                    i,
                    d_y: &d_y[from.clone()],
                    places: &places[from],
                    line,
                };
                dispatch(level, spread);
            }
        }
    });
    // SAFETY: the rows of all threads are all pixels; each is filled with zeros, or windows cover it and write theirs.
    Ok(unsafe { written(d_z) })
}

/// Row `i` of some windows: see [`spread_row`].
struct Spread<'a> {
    window: &'a Window,
    channels: usize,
    i: usize,
    d_y: &'a [f32],
    places: &'a [u8],
    line: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Spread<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let from = (self.d_y, self.places);
        let Self {
            window,
            channels,
            i,
            ..
        } = self;
        spread_row(window, channels, i, from, self.line, MaybeUninit::new);
    }
}

/// Writes the gradient of row `i` of some windows to the pixels of these windows, each value as `of` says.
#[inline(always)]
pub(super) fn spread_row<T>(
    window: &Window,
    channels: usize,
    i: usize,
    (d_y, places): (&[f32], &[u8]),
    line: &mut [T],
    of: impl Fn(f32) -> T,
) {
    let [_, width] = window.kernel;
    let windows = d_y
        .chunks_exact(channels)
        .zip(places.chunks_exact(channels));
    for ((d_y, places), pixels) in windows.zip(line.chunks_mut(window.stride[1] * channels)) {
        for (j, pixel) in pixels.chunks_exact_mut(channels).take(width).enumerate() {
            // At most 256 places: see `Window::is_apart`.
            let place = (i * width + j) as u8;
            for ((d_z, d_y), at) in pixel.iter_mut().zip(d_y).zip(places) {
                *d_z = of(if *at == place { *d_y } else { 0.0 });
            }
        }
    }
}

/// Some neighbouring windows of one row.
pub(super) struct Line<'a> {
    /// From the first pixel of the first window on, to the last one of the last at least.
    pub x: &'a [f32],
    /// Values from a row of `x` to the next.
    pub height: usize,
    pub channels: usize,
    pub window: &'a Window,
    /// `[windows, channels]`
    pub y: &'a mut [f32],
    pub places: &'a mut [u8],
}

impl Kernel for Line<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        self.maxima();
    }
}

impl Line<'_> {
    // Plain loops over channels, which become vectors of the instruction set of the caller.
    #[inline(always)]
    pub fn maxima(self) {
        /// Channels whose maxima are in registers.
        const TOGETHER: usize = 16;
        let Self {
            x,
            height,
            channels,
            window,
            y,
            places,
        } = self;
        let windows = y
            .chunks_exact_mut(channels)
            .zip(places.chunks_exact_mut(channels));
        for (column, (y, places)) in windows.enumerate() {
            let first = column * window.stride[1] * channels;
            let taps = || {
                (0..window.kernel[0]).flat_map(move |i| {
                    (0..window.kernel[1]).map(move |j| first + i * height + j * channels)
                })
            };
            let (y, y_rest) = y.as_chunks_mut::<TOGETHER>();
            let (places, places_rest) = places.as_chunks_mut::<TOGETHER>();
            for (c, (y, places)) in y.iter_mut().zip(places).enumerate() {
                let (mut largest, mut which) = ([f32::NEG_INFINITY; TOGETHER], [0u32; TOGETHER]);
                for (tap, at) in (0u32..).zip(taps()) {
                    let x = &x[at + c * TOGETHER..][..TOGETHER];
                    for ((largest, which), x) in largest.iter_mut().zip(&mut which).zip(x) {
                        let larger = *x > *largest || x.is_nan();
                        *largest = if larger { *x } else { *largest };
                        *which = if larger { tap } else { *which };
                    }
                }
                (*y, *places) = (largest, which.map(|tap| tap as u8));
            }
            let done = channels - y_rest.len();
            for (c, (y, place)) in y_rest.iter_mut().zip(places_rest).enumerate() {
                (*y, *place) = (f32::NEG_INFINITY, 0);
                for (tap, at) in (0u8..=255).zip(taps()) {
                    let x = x[at + done + c];
                    if x > *y || x.is_nan() {
                        (*y, *place) = (x, tap);
                    }
                }
            }
        }
    }
}
