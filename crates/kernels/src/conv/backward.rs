//! The backward pass.

use super::depthwise::{self, Depthwise};
use super::gather::Gather;
use super::multiply::Multiply;
use super::single::Single;
use super::weight_gradient::WeightGradient;
use super::weights::{Order, transpose};
use super::{Conv, ConvGradients, Wanted, Window, useful};
use crate::error::{KernelError, expect};
use crate::parts::Parts;
use crate::pool::{self, SharedPtr, share};
use crate::scratch::{unwritten, written, zeros};
use crate::simd::{Kernel, Level, Simd, dispatch, load_edge, store_edge};
use std::mem::MaybeUninit;

const OP: &str = "convolution backward";

/// Gradients of [`super::forward`] from `d_y`, `[Q,D]`, where `y` is its result, which is read with ReLU only.
///
/// # Errors
/// As [`super::forward`].
pub fn backward(
    conv: &Conv,
    y: &[f32],
    d_y: &[f32],
    wanted: Wanted,
) -> Result<ConvGradients, KernelError> {
    backward_at(Level::best(), pool::threads(), conv, y, d_y, wanted)
}

/// [`backward`] with instruction set and threads named.
///
/// # Errors
/// As [`backward`].
pub fn backward_at(
    level: Level,
    threads: usize,
    conv: &Conv,
    y: &[f32],
    d_y: &[f32],
    wanted: Wanted,
) -> Result<ConvGradients, KernelError> {
    let grids = conv.check(OP)?;
    let [from, to] = &grids;
    let shape = [to.pixels(), conv.outputs];
    expect(OP, "d_y", &shape, d_y.len())?;
    let own;
    let d_z = match conv.relu {
        true => {
            expect(OP, "y", &shape, y.len())?;
            own = masked(OP, y, d_y, threads)?;
            &own
        }
        false => d_y,
    };
    let one = Window::new([1, 1]);
    let single = Single::new(OP, level, threads, conv, &one);
    if let Some(single) = single.filter(|_| !wanted.x) {
        return single.gradients([from, to], d_z, None, wanted);
    }
    let call = Call {
        level,
        threads,
        conv,
        order: Order::of(conv),
        d_z,
    };
    Ok(ConvGradients {
        d_x: wanted.x.then(|| call.d_x([from, to])).transpose()?,
        d_w: wanted.weights.then(|| call.d_w([from, to])).transpose()?,
        d_b: match conv.b {
            Some(_) if wanted.weights => Some(sums(level, threads, d_z, conv.outputs)?),
            _ => None,
        },
    })
}

/// d_y where y > 0, zeros elsewhere.
pub(super) fn masked(
    op: &'static str,
    y: &[f32],
    d_y: &[f32],
    threads: usize,
) -> Result<Vec<f32>, KernelError> {
    let mut d_z = unwritten(op, "gradient before the ReLU", &[d_y.len()])?;
    let parts = Parts::new(&mut d_z);
    pool::run(useful(d_y.len(), 1, threads), |id, threads| {
        let own = share(d_y.len(), id, threads);
        // SAFETY: the shares of two threads do not overlap.
        let d_z = unsafe { parts.take(own.clone()) };
        let mask = Mask {
            y: &y[own.clone()],
            d_y: &d_y[own],
            d_z,
        };
        dispatch(Level::best(), mask);
    });
    // SAFETY: the shares of all threads are all elements.
    Ok(unsafe { written(d_z) })
}

/// See [`masked`].
struct Mask<'a> {
    y: &'a [f32],
    d_y: &'a [f32],
    d_z: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Mask<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for ((d_z, y), d_y) in self.d_z.iter_mut().zip(self.y).zip(self.d_y) {
            // As in PyTorch, the gradient of a NaN passes. No branches: signs cannot be predicted.
            let keep = u32::from(*y > 0.0 || y.is_nan()).wrapping_neg();
            *d_z = MaybeUninit::new(f32::from_bits(d_y.to_bits() & keep));
        }
    }
}

struct Call<'a> {
    level: Level,
    threads: usize,
    conv: &'a Conv<'a>,
    order: Order,
    /// `[Q,D]`
    d_z: &'a [f32],
}

type Grids<'a> = [&'a super::gather::Grid; 2];

impl Call<'_> {
    /// The gradient of x, `[P,C]`.
    fn d_x(&self, [from, to]: Grids) -> Result<Vec<f32>, KernelError> {
        let conv = self.conv;
        let dims = [from.pixels(), conv.images.channels];
        if conv.w.is_empty() || self.d_z.is_empty() {
            return zeros(OP, "d_x", &dims);
        }
        let (phases, all) = Gather::transposes(&conv.window, [from, to]);
        let mut d_x = unwritten(OP, "d_x", &dims)?;
        if !all {
            d_x.fill(MaybeUninit::new(0.0));
        }
        let out = SharedPtr(d_x.as_mut_ptr().cast());
        let weights = match conv.is_depthwise() {
            true => transpose(OP, conv.w, [conv.outputs, self.order.taps])?,
            false => self.order.backward(OP, conv.w)?,
        };
        for gather in &phases {
            // SAFETY: sites are pixels of d_x, which has `channels` values of each and is borrowed by nobody else.
            unsafe {
                match conv.is_depthwise() {
                    true => Depthwise {
                        level: self.level,
                        threads: self.threads,
                        gather,
                        values: self.d_z,
                        channels: conv.outputs,
                        weights: &weights,
                        bias: None,
                        relu: false,
                    }
                    .run(out),
                    false => Multiply {
                        op: OP,
                        level: self.level,
                        threads: self.threads,
                        precision: conv.precision,
                        gather,
                        groups: self.order.groups,
                        values: self.d_z,
                        k: self.order.n,
                        weights: &weights,
                        n: self.order.k,
                        bias: None,
                        relu: false,
                    }
                    .run(out)?,
                }
            }
        }
        // SAFETY: the sites of all phases are all pixels, or the others are zeros.
        Ok(unsafe { written(d_x) })
    }

    /// The gradient of w, `[D,C/G,I,J]`.
    fn d_w(&self, grids: Grids) -> Result<Vec<f32>, KernelError> {
        let conv = self.conv;
        if conv.w.is_empty() {
            return Ok(Vec::new());
        }
        let gather = &Gather::windows(&conv.window, grids);
        if conv.is_depthwise() {
            let d_w = depthwise::WeightGradient {
                op: OP,
                level: self.level,
                threads: self.threads,
                gather,
                values: conv.x,
                d_z: self.d_z,
                channels: conv.outputs,
            }
            .run()?;
            return transpose(OP, &d_w, [self.order.taps, conv.outputs]);
        }
        let d_w = WeightGradient {
            op: OP,
            level: self.level,
            threads: self.threads,
            precision: conv.precision,
            gather,
            order: self.order,
            values: conv.x,
            d_z: self.d_z,
        }
        .run()?;
        self.order.restore(OP, &d_w)
    }
}

/// The sum of all rows of `d_z`, `[Q,D]`: the gradient of a bias.
pub(super) fn sums(
    level: Level,
    threads: usize,
    d_z: &[f32],
    outputs: usize,
) -> Result<Vec<f32>, KernelError> {
    let mut d_b = zeros(OP, "d_b", &[outputs])?;
    if d_z.is_empty() {
        return Ok(d_b);
    }
    let out = SharedPtr(d_b.as_mut_ptr());
    let vectors = outputs.div_ceil(level.lanes());
    let threads = useful(d_z.len(), 1, threads).min(vectors);
    pool::run(threads, |id, threads| {
        let own = share(vectors, id, threads);
        let sums = Sums {
            d_z,
            outputs,
            own,
            out,
        };
        dispatch(level, sums);
    });
    Ok(d_b)
}

/// The sums over all rows of some vectors of `[Q,D]`.
struct Sums<'a> {
    d_z: &'a [f32],
    outputs: usize,
    own: std::ops::Range<usize>,
    out: SharedPtr<f32>,
}

impl Kernel for Sums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        /// Rows that are summed together.
        const TOGETHER: usize = 512;
        for block in self.d_z.chunks(TOGETHER * self.outputs) {
            for d in self.own.clone().map(|vector| vector * S::LANES) {
                let left = self.outputs - d;
                // SAFETY: rows have `left` values from `d` on, and an edge touches no more; the sums are this thread's.
                unsafe {
                    let mut sum = S::splat(0.0);
                    for row in block.chunks_exact(self.outputs) {
                        sum = S::add(sum, load_edge::<S>(row.as_ptr().add(d), left));
                    }
                    let out = self.out.get().add(d);
                    store_edge::<S>(out, S::add(load_edge::<S>(out, left), sum), left);
                }
            }
        }
    }
}
