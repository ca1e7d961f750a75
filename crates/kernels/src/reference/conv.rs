//! Convolution and pooling from their definitions, window by window.

use super::{Float, bias};
use crate::conv::{Conv, ConvGradients, Images, Pool, Pooling, Window};
use crate::error::{KernelError, expect};
use crate::scratch::zeros;

/// An image of a batch, and one of results.
#[derive(Clone, Copy)]
struct Place {
    first: usize,
    height: usize,
    width: usize,
}

impl Place {
    /// The pixel at a row and a column, if those are inside.
    fn pixel(self, row: isize, column: isize) -> Option<usize> {
        let inside = |at: isize, size: usize| usize::try_from(at).ok().filter(|&at| at < size);
        Some(self.first + inside(row, self.height)? * self.width + inside(column, self.width)?)
    }
}

/// The images of a batch with those of the results, found by moving the window until it leaves the padded image.
fn places(images: &Images, window: &Window) -> Vec<[Place; 2]> {
    let count = |size: usize, axis: usize| {
        let [before, after] = window.padding[axis];
        let extent = (window.kernel[axis] - 1) * window.dilation[axis] + 1;
        (0..)
            .take_while(|i| i * window.stride[axis] + extent <= size + before + after)
            .count()
    };
    let (mut x, mut y) = (0, 0);
    let height = count(images.height, 0);
    let mut all = Vec::new();
    for &width in images.widths {
        let from = Place {
            first: x,
            height: images.height,
            width,
        };
        let to = Place {
            first: y,
            height,
            width: count(width, 1),
        };
        x += from.height * from.width;
        y += to.height * to.width;
        all.push([from, to]);
    }
    all
}

/// Calls `f` with result, tap and pixel for all taps of all windows that are inside their images.
fn each_tap(images: &Images, window: &Window, mut f: impl FnMut(usize, usize, usize)) {
    let at = |index: usize, tap: usize, axis: usize| {
        (index * window.stride[axis] + tap * window.dilation[axis]) as isize
            - window.padding[axis][0] as isize
    };
    let [height, width] = window.kernel;
    for [from, to] in places(images, window) {
        for result in 0..to.height * to.width {
            let (row, column) = (result / to.width, result % to.width);
            for i in 0..height {
                for j in 0..width {
                    if let Some(pixel) = from.pixel(at(row, i, 0), at(column, j, 1)) {
                        f(to.first + result, i * width + j, pixel);
                    }
                }
            }
        }
    }
}

/// Calls `f` with the indices into y, x and w of all products of a convolution.
fn each_product<F>(conv: &Conv<F>, mut f: impl FnMut(usize, usize, usize)) {
    let (c, d) = (conv.images.channels, conv.outputs);
    let (of_x, of_y) = (c / conv.groups, d / conv.groups);
    let taps = conv.window.kernel[0] * conv.window.kernel[1];
    each_tap(&conv.images, &conv.window, |result, tap, pixel| {
        for output in 0..d {
            for channel in 0..of_x {
                let x = pixel * c + output / of_y * of_x + channel;
                f(
                    result * d + output,
                    x,
                    (output * of_x + channel) * taps + tap,
                );
            }
        }
    });
}

/// [`crate::conv::forward`] from the definition.
///
/// # Errors
/// As [`crate::conv::forward`].
pub fn conv<F: Float>(conv: &Conv<F>) -> Result<Vec<F>, KernelError> {
    const OP: &str = "reference convolution";
    let [_, to] = conv.check(OP)?;
    let mut y = zeros(OP, "y", &[to.pixels(), conv.outputs])?;
    for (i, y) in y.iter_mut().enumerate() {
        *y = bias(conv.b, i % conv.outputs);
    }
    each_product(conv, |at, x, w| y[at] += conv.x[x] * conv.w[w]);
    if conv.relu {
        for y in &mut y {
            *y = if *y < F::default() { F::default() } else { *y };
        }
    }
    Ok(y)
}

/// [`crate::conv::backward`] from the definition, with all gradients.
///
/// # Errors
/// As [`crate::conv::backward`].
pub fn conv_backward<F: Float>(
    conv: &Conv<F>,
    y: &[F],
    d_y: &[F],
) -> Result<ConvGradients<F>, KernelError> {
    const OP: &str = "reference convolution backward";
    let [_, to] = conv.check(OP)?;
    let shape = [to.pixels(), conv.outputs];
    expect(OP, "d_y", &shape, d_y.len())?;
    let mut d_z = d_y.to_vec();
    if conv.relu {
        expect(OP, "y", &shape, y.len())?;
        for (d_z, y) in d_z.iter_mut().zip(y) {
            *d_z = if *y <= F::default() {
                F::default()
            } else {
                *d_z
            };
        }
    }
    let mut d_x = zeros(OP, "d_x", &[conv.x.len()])?;
    let mut d_w = zeros(OP, "d_w", &[conv.w.len()])?;
    each_product(conv, |at, x, w| {
        d_x[x] += d_z[at] * conv.w[w];
        d_w[w] += d_z[at] * conv.x[x];
    });
    let mut d_b = zeros(OP, "d_b", &[conv.outputs])?;
    for (i, &d_z) in d_z.iter().enumerate() {
        d_b[i % conv.outputs] += d_z;
    }
    Ok(ConvGradients {
        d_x: Some(d_x),
        d_w: Some(d_w),
        d_b: conv.b.map(|_| d_b),
    })
}

/// The pixels of each window of a pooling, and the number of pixels that an average is divided by.
fn windows<F>(pool: &Pool<F>, results: usize) -> Vec<(Vec<usize>, usize)> {
    let mut windows = vec![(Vec::new(), 0); results];
    each_tap(&pool.images, &pool.window, |result, _, pixel| {
        windows[result].0.push(pixel);
    });
    for (pixels, count) in &mut windows {
        *count = match pool.pooling {
            Pooling::Average { padding: true } => pool.window.kernel.iter().product(),
            _ => pixels.len().max(1),
        };
    }
    windows
}

/// Which pixels get which share of a result in one channel.
fn shares<F: Float>(
    pool: &Pool<F>,
    (pixels, count): &(Vec<usize>, usize),
    c: usize,
) -> Vec<(usize, F)> {
    let x = |pixel: usize| pool.x[pixel * pool.images.channels + c];
    match pool.pooling {
        Pooling::Max => {
            let later = |a: usize, b: usize| if x(b) > x(a) { b } else { a };
            let largest = pixels.iter().copied().reduce(later);
            largest.map(|pixel| (pixel, F::ONE)).into_iter().collect()
        }
        Pooling::Average { .. } => {
            let count: F = (0..*count).map(|_| F::ONE).sum();
            pixels
                .iter()
                .map(|&pixel| (pixel, F::ONE / count))
                .collect()
        }
    }
}

/// [`crate::conv::pool`] from the definition, for numbers that are not NaN.
///
/// # Errors
/// As [`crate::conv::pool`].
pub fn pool<F: Float>(pool: &Pool<F>) -> Result<Vec<F>, KernelError> {
    const OP: &str = "reference pooling";
    let [_, to] = pool.check(OP)?;
    let channels = pool.images.channels;
    let mut y = zeros(OP, "y", &[to.pixels(), channels])?;
    for (result, window) in windows(pool, to.pixels()).iter().enumerate() {
        for c in 0..channels {
            for (pixel, share) in shares(pool, window, c) {
                y[result * channels + c] += share * pool.x[pixel * channels + c];
            }
        }
    }
    Ok(y)
}

/// [`crate::conv::pool_backward`] from the definition, for numbers that are not NaN.
///
/// # Errors
/// As [`crate::conv::pool_backward`].
pub fn pool_backward<F: Float>(pool: &Pool<F>, d_y: &[F]) -> Result<Vec<F>, KernelError> {
    const OP: &str = "reference pooling backward";
    let [_, to] = pool.check(OP)?;
    let channels = pool.images.channels;
    expect(OP, "d_y", &[to.pixels(), channels], d_y.len())?;
    let mut d_x = zeros(OP, "d_x", &[pool.x.len()])?;
    for (result, window) in windows(pool, to.pixels()).iter().enumerate() {
        for c in 0..channels {
            for (pixel, share) in shares(pool, window, c) {
                d_x[pixel * channels + c] += share * d_y[result * channels + c];
            }
        }
    }
    Ok(d_x)
}
