//! The forward pass.

use super::depthwise::Depthwise;
use super::gather::Gather;
use super::multiply::{Multiply, relu};
use super::single::Single;
use super::weights::{Order, transpose};
use super::{Conv, Window};
use crate::error::KernelError;
use crate::pool::{self, SharedPtr};
use crate::scratch::{unwritten, written, zeros};
use crate::simd::Level;

/// The convolution of a batch, `[Q,D]`; [`super::Images::windows`] gives the sizes of its images.
///
/// # Errors
/// [`KernelError::Shape`]: a slice of the wrong size. [`KernelError::Option`]: groups that do not divide the channels,
/// a window with a zero, or int8. [`KernelError::TooLarge`]: a result that does not fit into memory.
pub fn forward(conv: &Conv) -> Result<Vec<f32>, KernelError> {
    forward_at(Level::best(), pool::threads(), conv)
}

/// [`forward`] with instruction set and threads named.
///
/// # Errors
/// As [`forward`].
pub fn forward_at(level: Level, threads: usize, conv: &Conv) -> Result<Vec<f32>, KernelError> {
    const OP: &str = "convolution";
    let [from, to] = conv.check(OP)?;
    if conv.w.is_empty() {
        return without_weights(OP, conv, to.pixels());
    }
    let one = Window::new([1, 1]);
    if let Some(single) = Single::new(OP, level, threads, conv, &one) {
        let mut y = zeros(OP, "y", &[to.pixels(), conv.outputs])?;
        single.forward([&from, &to], &mut y, None)?;
        return Ok(y);
    }
    let mut y = unwritten(OP, "y", &[to.pixels(), conv.outputs])?;
    let out = SharedPtr(y.as_mut_ptr().cast());
    let gather = Gather::windows(&conv.window, [&from, &to]);
    let order = Order::of(conv);
    // SAFETY: sites are the pixels of y, which has `outputs` values of each and is borrowed by nobody else.
    unsafe {
        match conv.is_depthwise() {
            true => Depthwise {
                level,
                threads,
                gather: &gather,
                values: conv.x,
                channels: conv.outputs,
                weights: &transpose(OP, conv.w, [conv.outputs, order.taps])?,
                bias: conv.b,
                relu: conv.relu,
            }
            .run(out),
            false => Multiply {
                op: OP,
                level,
                threads,
                precision: conv.precision,
                gather: &gather,
                groups: order.groups,
                values: conv.x,
                k: order.k,
                weights: &order.forward(OP, conv.w)?,
                n: order.n,
                bias: conv.b,
                relu: conv.relu,
            }
            .run(out)?,
        }
    }
    // SAFETY: the sites are all pixels of y, and every value of theirs has been written.
    Ok(unsafe { written(y) })
}

/// The result of a convolution without channels of x or y: the bias.
fn without_weights(op: &'static str, conv: &Conv, pixels: usize) -> Result<Vec<f32>, KernelError> {
    let mut y = zeros(op, "y", &[pixels, conv.outputs])?;
    if let Some(b) = conv.b.filter(|b| !b.is_empty()) {
        for row in y.chunks_exact_mut(conv.outputs) {
            row.copy_from_slice(b);
            if conv.relu {
                relu(row);
            }
        }
    }
    Ok(y)
}
