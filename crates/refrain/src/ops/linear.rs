//! A dense layer as one operation.

use super::composed;
use super::flex::{contiguous, dims, slice, tensor};
use super::recurrent::fits;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use refrain_kernels::KernelError;
use refrain_kernels::softmax;

/// The kernels of a backend for [`linear`].
pub trait LinearKernels: Backend {
    /// h·wᵀ + b: `h` `[N,H]`, `w` `[V,H]`, `b` `[V]`.
    fn linear_forward(inputs: [FloatTensor<Self>; 3]) -> FloatTensor<Self> {
        let [h, w, b] = inputs;
        composed::linear::<Self>(h, w, b)
    }

    /// Gradients of `h`, `w` and `b` from `d_y` `[N,V]`.
    fn linear_backward(
        [h, w]: [FloatTensor<Self>; 2],
        d_y: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        composed::linear_backward::<Self>([h, w], d_y)
    }
}

#[backend_extension(
    Flex,
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "vulkan"),
    Autodiff
)]
/// Dispatch of [`linear`].
pub trait LinearBackend: Backend {
    /// `h` `[N,H]`, `w` `[V,H]`, `b` `[V]`.
    fn linear_op(
        h: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// h·wᵀ + b for `h` `[N,H]`, `w` `[V,H]` and `b` `[V]`; gives `[N,V]`. A row has the same bits alone and among others.
/// Differentiable in every tensor.
///
/// # Errors
/// A shape that does not fit.
pub fn linear(h: Tensor<2>, w: Tensor<2>, b: Tensor<1>) -> Result<Tensor<2>, KernelError> {
    let ([rows, features], [outputs, inputs]) = (h.dims(), w.dims());
    fits("linear", "h", &[rows, features], &[rows, inputs])?;
    fits("linear", "b", &b.dims(), &[outputs])?;
    let (h, w, b) = (h.into_dispatch(), w.into_dispatch(), b.into_dispatch());
    Ok(Tensor::from_dispatch(Dispatch::linear_op(h, w, b)))
}

const CHECKED: &str = "`linear` has checked the shapes";

impl LinearKernels for Flex {
    fn linear_forward(inputs: [FlexTensor; 3]) -> FlexTensor {
        let [h, w, b] = inputs.map(contiguous);
        let ([n, hidden], [outputs, _]) = (dims::<2>(&h), dims::<2>(&w));
        let y = softmax::linear(slice(&h), slice(&w), Some(slice(&b)), n, hidden, outputs);
        tensor(y.expect(CHECKED), [n, outputs])
    }

    fn linear_backward([h, w]: [FlexTensor; 2], d_y: FlexTensor) -> [FlexTensor; 3] {
        let [h, w, d_y] = [h, w, d_y].map(contiguous);
        let ([n, hidden], [outputs, _]) = (dims::<2>(&h), dims::<2>(&w));
        let sizes = [n, hidden, outputs];
        let d = softmax::linear_backward(slice(&d_y), slice(&h), slice(&w), true, sizes);
        let d = d.expect(CHECKED);
        [
            tensor(d.d_h, [n, hidden]),
            tensor(d.d_w, [outputs, hidden]),
            tensor(d.d_b.unwrap_or_default(), [outputs]),
        ]
    }
}

#[derive(Debug)]
struct LinearBackward;

impl<B: LinearKernels> Backward<B, 3> for LinearBackward {
    type State = [FloatTensor<B>; 2];

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_y = grads.consume::<B>(&ops.node);
        let d_inputs = B::linear_backward(ops.state, d_y);
        for (parent, gradient) in ops.parents.into_iter().zip(d_inputs) {
            if let Some(parent) = parent {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

impl<B: LinearKernels, C: CheckpointStrategy> LinearBackend for Autodiff<B, C> {
    fn linear_op(
        h: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let inputs = [h, w, b];
        let guards = inputs.each_ref().map(|input| input.node());
        let inputs = inputs.map(|input| input.into_primitive());
        let kept = [inputs[0].clone(), inputs[1].clone()];
        let prepared = Backward::<B, 3>::prepare::<C>(LinearBackward, guards)
            .compute_bound()
            .stateful();
        let y = B::linear_forward(inputs);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(kept, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
