//! Dropout with a mask computed from a key. No mask is stored, and a run can be repeated.

use super::composed;
use super::flex::{contiguous, slice, tensor};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use refrain_kernels::KernelError;
pub use refrain_kernels::random::DropoutMask;
use refrain_kernels::random::{self, Key};

/// The dropped elements, given by probability, key and shape of the mask.
#[derive(Clone, Copy, Debug)]
pub struct DropoutSpec {
    p: f32,
    key: Key,
    mask: DropoutMask,
}

impl DropoutSpec {
    /// `y = x ⊙ keep / (1 − p)` over a slice. The backward pass applies the same function to the gradient.
    pub fn apply(&self, x: &[f32]) -> Vec<f32> {
        random::dropout(x, self.p, self.key, self.mask).expect("`dropout` has checked the sizes")
    }
}

/// The kernel of a backend for [`dropout`].
pub trait DropoutKernels: Backend {
    /// A tensor of the shape of `x`. The backward pass calls it with the gradient.
    fn dropout_forward(x: FloatTensor<Self>, spec: &DropoutSpec) -> FloatTensor<Self> {
        composed::dropout::<Self>(x, spec)
    }
}

#[backend_extension(
    Flex,
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "vulkan"),
    Autodiff
)]
/// Dispatch of [`dropout`].
pub trait DropoutBackend: Backend {
    /// A tensor of the shape of `x`.
    fn dropout_op(x: FloatTensor<Self>, spec: DropoutSpec) -> FloatTensor<Self>;
}

/// Sets each element (or, with [`DropoutMask::Variational`], each feature of a sequence) to zero with probability
/// `p` in `[0,1)` and scales the rest by `1/(1−p)` (Srivastava et al. 2014). Differentiable in `x`.
///
/// # Errors
/// As [`DropoutMask::check`].
pub fn dropout<const D: usize>(
    x: Tensor<D>,
    p: f64,
    key: Key,
    mask: DropoutMask,
) -> Result<Tensor<D>, KernelError> {
    let p = p as f32;
    mask.check(p, x.shape().num_elements())?;
    if p == 0.0 {
        return Ok(x);
    }
    let spec = DropoutSpec { p, key, mask };
    let y = Dispatch::dropout_op(x.into_dispatch(), spec);
    Ok(Tensor::from_dispatch(y))
}

impl DropoutKernels for Flex {
    fn dropout_forward(x: FlexTensor, spec: &DropoutSpec) -> FlexTensor {
        let x = contiguous(x);
        tensor(spec.apply(slice(&x)), x.shape())
    }
}

#[derive(Debug)]
struct DropoutBackward;

impl<B: DropoutKernels> Backward<B, 1> for DropoutBackward {
    type State = DropoutSpec;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let spec = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |d_y| {
            B::dropout_forward(d_y, &spec)
        });
    }
}

impl<B: DropoutKernels, C: CheckpointStrategy> DropoutBackend for Autodiff<B, C> {
    fn dropout_op(x: FloatTensor<Self>, spec: DropoutSpec) -> FloatTensor<Self> {
        let (x, guard) = x.into_parts();
        let prepared = Backward::<B, 1>::prepare::<C>(DropoutBackward, [guard])
            .compute_bound()
            .stateful();
        let y = B::dropout_forward(x, &spec);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(spec, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
