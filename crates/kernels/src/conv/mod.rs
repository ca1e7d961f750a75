//! Convolution and pooling of images in two dimensions, for batches of one height and many widths.
//!
//! Shapes: `B` images, `H` their height, `W_b` the width of image b, `P` = H·ΣW_b pixels of a batch, `C` channels; `Q`
//! pixels and `D` channels of the result; `G` groups; kernels of `I`·`J` taps. A sequence is an image of height 1.
//!
//! **Layout.** A batch is [`Images`]: one image after the other, each row by row, and the channels of a pixel side by
//! side, `[P,C]`. Nothing is stored or computed between images, so a narrow image has the cost that it has alone.
//! Pixels past an edge count as zeros; a window that is larger than its padded image gives no result. Channels are
//! innermost for three reasons. The taps of one row of a window are then one contiguous run of J·C values, which the
//! packed product reads in place. All vector work goes along the channels, so that its efficiency does not depend on
//! the width of an image. And a result `[Q,D]` with H = 1 is the `[B,T,D]` of the recurrences.
//!
//! **Equations.** y`[q,d]` = b`[d]` + Σ_ijc w`[d,c,i,j]`·x`[q·stride − padding + (i,j)·dilation, c]` over the channels
//! c of d's group, then max(0, ·) if asked for. As in PyTorch and ONNX, that is a cross-correlation. With d_z = d_y
//! where y > 0: d_w`[d,c,i,j]` = Σ_q d_z`[q,d]`·x`[…]`, d_b = Σ_q d_z, and d_x gathers d_z with the transposed weights.
//! For a stride above 1, d_x is computed for each phase of the stride with the taps that meet it: no product has a
//! factor that is zero by construction.
//!
//! **Method.** The matrix of all windows (im2col) never exists: a block of windows is rows of pointers into x, and only
//! windows across an edge, or of very few channels, are copied. Pieces of windows that lie past an edge are left out.
//! Three kinds of convolution have a way of their own:
//! - One channel in and out of each group (depthwise): weights are applied directly.
//! - One channel in, up to 256 out: a tap is a pixel times a vector of weights. A maximum behind ([`forward_max`]) is
//!   made in the same pass.
//! - Kernels of 3×3 with stride and dilation 1, 16 to 512 channels in and out, one group: minimal filtering F(2×2, 3×3)
//!   (Lavin & Gray 2016), with 16 multiplications for 36. In bf16, transformed factors are rounded: sums of four
//!   pixels, and of up to nine weights. Errors are 1.8 times those of factors that are rounded
//!   as they are for random values around zero, and 1.2 times for values from 0 to 1, as behind a ReLU.
//!
//! Beside its results, a call takes a copy of the weights (16 numbers for 9 with minimal filtering), d_z (backward with
//! ReLU or a maximum), and for each thread a block of windows or tiles: 2 MiB, or 16 windows or tiles if those are
//! larger. Gradients of the weights of the second and third kind are summed in parts: 32 and up to 8 of the size of
//! the weights, whose sums are added in order.
//!
//! Threads divide results or parts of a sum, and neither the parts nor the blocks of a sum depend on the number of
//! threads: results have the same bits for any number of threads, and those of an image (y, d_x) are the same in any
//! batch.

mod backward;
mod depthwise;
mod forward;
mod gather;
mod maxima;
mod multiply;
mod patches;
mod pooling;
mod shape;
mod single;
mod weight_gradient;
mod weights;
mod winograd;

pub use backward::{backward, backward_at};
pub use forward::{forward, forward_at};
pub use maxima::{Maxima, backward_max, backward_max_at, forward_max, forward_max_at};
pub use pooling::{Pool, Pooling, pool, pool_at, pool_backward, pool_backward_at};
pub use shape::{Images, Window};

use crate::call::Precision;
use crate::error::{KernelError, expect, expect_some, size};
use gather::Grid;

/// A convolution of a batch of images.
#[derive(Clone, Copy, Debug)]
pub struct Conv<'a, F = f32> {
    /// Sizes of `x`, with `C` channels.
    pub images: Images<'a>,
    /// Kernel, stride, dilation and padding.
    pub window: Window,
    /// `G`, which divides `C` and `D`: group g of the results sees group g of the channels only.
    pub groups: usize,
    /// `D`
    pub outputs: usize,
    /// Whether y is max(0, ·) of the sums. A sum that is NaN stays NaN.
    pub relu: bool,
    /// [`Precision::F32`], or [`Precision::Bf16`]: both factors of every product are rounded to bf16, and sums are
    /// `f32`. With minimal filtering (see the [module](self)), the factors are transformed ones. A depthwise
    /// convolution is always `f32`.
    pub precision: Precision,
    /// `[P,C]`
    pub x: &'a [F],
    /// `[D,C/G,I,J]`
    pub w: &'a [F],
    /// `[D]`, zeros if absent.
    pub b: Option<&'a [F]>,
}

/// Which gradients of a convolution are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Wanted {
    pub x: bool,
    /// Of the weights, and of the bias if there is one.
    pub weights: bool,
}

impl Wanted {
    /// Everything.
    pub const ALL: Self = Self {
        x: true,
        weights: true,
    };
}

/// Gradients of a convolution; those not wanted are absent.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvGradients<F = f32> {
    /// `[P,C]`
    pub d_x: Option<Vec<F>>,
    /// `[D,C/G,I,J]`
    pub d_w: Option<Vec<F>>,
    /// `[D]`, where there is a bias.
    pub d_b: Option<Vec<F>>,
}

impl<F> Conv<'_, F> {
    /// Checks all sizes; gives the pixels of x and y. Products of their sizes do not wrap afterwards.
    pub(crate) fn check(&self, op: &'static str) -> Result<[Grid; 2], KernelError> {
        let (c, d) = (self.images.channels, self.outputs);
        if self.precision == Precision::Int8 {
            return Err(KernelError::Option {
                op,
                what: "precision",
                problem: "int8 is for recurrences; use f32 or bf16",
            });
        }
        let [from, to] = grids(op, &self.images, &self.window, self.groups, d)?;
        expect(op, "x", &[from.pixels(), c], self.x.len())?;
        let [height, width] = self.window.kernel;
        let w = [d, c / self.groups, height, width];
        expect(op, "w", &w, self.w.len())?;
        expect_some(op, "b", &[d], self.b)?;
        Ok([from, to])
    }

    /// Channels of x and of y in a group.
    fn of_group(&self) -> [usize; 2] {
        [
            self.images.channels / self.groups,
            self.outputs / self.groups,
        ]
    }

    fn is_depthwise(&self) -> bool {
        self.of_group() == [1, 1]
    }
}

/// Whether a convolution of these sizes can be: everything that a call checks but the lengths of its slices. Pooling
/// has one group and as many outputs as channels.
///
/// # Errors
/// As [`forward`].
pub fn check(
    images: &Images,
    window: &Window,
    groups: usize,
    outputs: usize,
) -> Result<(), KernelError> {
    grids("convolution", images, window, groups, outputs).map(|_| ())
}

/// The pixels of x and y.
fn grids(
    op: &'static str,
    images: &Images,
    window: &Window,
    groups: usize,
    outputs: usize,
) -> Result<[Grid; 2], KernelError> {
    let divides = |channels: usize| groups > 0 && channels.is_multiple_of(groups);
    if !divides(images.channels) || !divides(outputs) {
        return Err(KernelError::Option {
            op,
            what: "groups",
            problem: "a number of at least 1 that divides the channels of x and of y is needed",
        });
    }
    let [from, to] = images.grids(op, window)?;
    size(op, "y", &[to.pixels(), outputs])?;
    Ok([from, to])
}

/// Threads that have enough to do, of `threads`, for `results` of `terms` multiplications each.
fn useful(results: usize, terms: usize, threads: usize) -> usize {
    /// Multiplications that are worth a thread: a few microseconds.
    const WORTH_A_THREAD: usize = 1 << 18;
    threads
        .min(results.saturating_mul(terms) / WORTH_A_THREAD)
        .max(1)
}
