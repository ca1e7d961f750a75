//! Weights in the orders that the products want.

use super::Conv;
use crate::error::KernelError;
use crate::scratch::{unwritten, written};
use std::mem::MaybeUninit;

/// Sizes of weights `[G,n,k,T]`, which PyTorch has as `[D,C/G,I,J]` with `D` = G·n, k = C/G and T = I·J.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub groups: usize,
    /// Results of a group.
    pub n: usize,
    /// Channels of a group.
    pub k: usize,
    pub taps: usize,
}

impl Order {
    /// Of a convolution with weights.
    pub fn of(conv: &Conv) -> Self {
        let [k, n] = conv.of_group();
        let [height, width] = conv.window.kernel;
        Self {
            groups: conv.groups,
            n,
            k,
            taps: height * width,
        }
    }

    /// `[G,T,k,n]`, for products with windows of x.
    pub fn forward(self, op: &'static str, w: &[f32]) -> Result<Vec<f32>, KernelError> {
        let Self { groups, n, k, taps } = self;
        let strides = [n * k * taps, 1, taps, k * taps];
        permute(op, w, [groups, taps, k, n], strides)
    }

    /// `[G,T,n,k]`, for products with d_y.
    pub fn backward(self, op: &'static str, w: &[f32]) -> Result<Vec<f32>, KernelError> {
        let Self { groups, n, k, taps } = self;
        let strides = [n * k * taps, 1, k * taps, taps];
        permute(op, w, [groups, taps, n, k], strides)
    }

    /// PyTorch's order from `[G,n,T,k]`.
    pub fn restore(self, op: &'static str, w: &[f32]) -> Result<Vec<f32>, KernelError> {
        let Self { groups, n, k, taps } = self;
        let strides = [n * taps * k, taps * k, 1, k];
        permute(op, w, [groups, n, k, taps], strides)
    }
}

/// The transpose of a matrix of `[rows, columns]`.
pub(super) fn transpose(
    op: &'static str,
    w: &[f32],
    [rows, columns]: [usize; 2],
) -> Result<Vec<f32>, KernelError> {
    permute(op, w, [1, 1, columns, rows], [0, 0, 1, columns])
}

/// An array of sizes `dims` whose element stands in `from` at the sum of its indices times `strides`.
fn permute(
    op: &'static str,
    from: &[f32],
    dims: [usize; 4],
    strides: [usize; 4],
) -> Result<Vec<f32>, KernelError> {
    let mut to = unwritten(op, "weights", &dims)?;
    assert_eq!(to.len(), from.len(), "a permutation");
    let mut places = to.iter_mut();
    for a in 0..dims[0] {
        for b in 0..dims[1] {
            for c in 0..dims[2] {
                let start = a * strides[0] + b * strides[1] + c * strides[2];
                for (d, place) in places.by_ref().take(dims[3]).enumerate() {
                    *place = MaybeUninit::new(from[start + d * strides[3]]);
                }
            }
        }
    }
    // SAFETY: the loops have visited the product of `dims` places, which is the length.
    Ok(unsafe { written(to) })
}
