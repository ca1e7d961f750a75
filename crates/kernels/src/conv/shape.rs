//! Sizes of images, of windows, and of their results.

use super::gather::Grid;
use crate::error::{KernelError, size};

/// Sizes of a batch of images, `[P,C]`: image after image, each row by row, the channels of a pixel side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Images<'a> {
    /// `H`, of every image.
    pub height: usize,
    /// `[B]`: the width of each image.
    pub widths: &'a [usize],
    /// `C`
    pub channels: usize,
}

/// Windows over an image. Pairs are height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Taps, `[I,J]`.
    pub kernel: [usize; 2],
    /// Pixels from a window to the next.
    pub stride: [usize; 2],
    /// Pixels from a tap to the next.
    pub dilation: [usize; 2],
    /// Pixels of padding, `[[top, bottom], [left, right]]`.
    pub padding: [[usize; 2]; 2],
}

impl Window {
    /// A window of `kernel` taps with stride and dilation 1 and no padding.
    pub const fn new(kernel: [usize; 2]) -> Self {
        Self {
            kernel,
            stride: [1, 1],
            dilation: [1, 1],
            padding: [[0, 0], [0, 0]],
        }
    }

    /// Windows over `height` rows of pixels: 0 where the padded rows are fewer than the window has.
    pub fn height(&self, height: usize) -> usize {
        self.count(0, height)
    }

    /// Windows over `width` columns of pixels, as [`Self::height`].
    pub fn width(&self, width: usize) -> usize {
        self.count(1, width)
    }

    fn count(&self, axis: usize, size: usize) -> usize {
        let padded = self.padding[axis]
            .iter()
            .fold(size, |sum, &more| sum.saturating_add(more));
        match padded.checked_sub(self.extent(axis)) {
            Some(left) => (left / self.stride[axis].max(1)).saturating_add(1),
            None => 0,
        }
    }

    /// Whether windows neither overlap nor have padding or dilation, and have 256 pixels at most: those that
    /// [`forward_max`](super::forward_max) takes.
    pub fn is_apart(&self) -> bool {
        let [height, width] = self.kernel;
        self.dilation == [1, 1]
            && self.padding == [[0, 0], [0, 0]]
            && height <= self.stride[0]
            && width <= self.stride[1]
            && height.saturating_mul(width) <= 256
    }

    /// Pixels from the first to the last tap, both included.
    pub(super) fn extent(&self, axis: usize) -> usize {
        let steps = self.kernel[axis].saturating_sub(1);
        steps.saturating_mul(self.dilation[axis]).saturating_add(1)
    }

    /// Checks that coordinates over an image of `sizes` fit an `isize` with room to spare.
    fn check(&self, op: &'static str, sizes: [usize; 2]) -> Result<(), KernelError> {
        let all = [self.kernel, self.stride, self.dilation];
        if all.as_flattened().contains(&0) {
            return Err(KernelError::Option {
                op,
                what: "window",
                problem: "kernel, stride and dilation of at least 1 are needed",
            });
        }
        for axis in 0..2 {
            let [before, after] = self.padding[axis];
            let parts = [
                sizes[axis],
                before,
                after,
                self.extent(axis),
                self.stride[axis],
            ];
            let sum = parts
                .iter()
                .fold(0usize, |sum, &part| sum.saturating_add(part));
            if sum > isize::MAX as usize / 4 {
                return Err(KernelError::TooLarge {
                    op,
                    what: "image with its padding and window",
                    dims: parts.to_vec(),
                });
            }
        }
        // Taps are counted in 32 bits.
        match size(op, "kernel", &self.kernel)? {
            taps if u32::try_from(taps).is_ok() => Ok(()),
            _ => Err(KernelError::TooLarge {
                op,
                what: "kernel",
                dims: self.kernel.to_vec(),
            }),
        }
    }
}

impl Images<'_> {
    /// The sizes of a batch of results: height and widths. Its channels are the caller's.
    pub fn windows(&self, window: &Window) -> (usize, Vec<usize>) {
        let widths = self.widths.iter().map(|&width| window.width(width));
        (window.height(self.height), widths.collect())
    }

    /// The pixels of the images and those of the results.
    pub(super) fn grids(
        &self,
        op: &'static str,
        window: &Window,
    ) -> Result<[Grid; 2], KernelError> {
        let widest = self.widths.iter().copied().max().unwrap_or(0);
        window.check(op, [self.height, widest])?;
        let sum = |widths: &[usize]| {
            widths
                .iter()
                .fold(0usize, |sum, &width| sum.saturating_add(width))
        };
        size(op, "x", &[self.height, sum(self.widths), self.channels])?;
        let (height, widths) = self.windows(window);
        size(op, "y", &[height, sum(&widths)])?;
        Ok([
            Grid::new(self.height, self.widths.to_vec()),
            Grid::new(height, widths),
        ])
    }
}
