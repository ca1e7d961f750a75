//! Rows of a matrix by number.

use super::composed;
use super::flex::{contiguous, dims, slice, tensor};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use refrain_kernels::{KernelError, embedding as kernel};
use std::sync::Arc;

/// The kernels of a backend for [`embedding`].
pub trait EmbeddingKernels: Backend {
    /// `[N,C]`
    fn rows_forward(w: FloatTensor<Self>, ids: &[u32]) -> FloatTensor<Self> {
        composed::embedding::<Self>(w, ids)
    }

    /// `[V,C]`
    fn rows_backward(d_y: FloatTensor<Self>, ids: &[u32], vocabulary: usize) -> FloatTensor<Self> {
        composed::embedding_backward::<Self>(d_y, ids, vocabulary)
    }
}

#[backend_extension(
    Flex,
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "vulkan"),
    Autodiff
)]
/// Dispatch of [`embedding`].
pub trait EmbeddingBackend: Backend {
    /// `[N,C]` from `[V,C]`.
    fn embedding_op(w: FloatTensor<Self>, ids: Arc<[u32]>) -> FloatTensor<Self>;
}

/// `y[n,:] = w[ids[n],:]`: `w` `[V,C]`, `ids` `[N]`; gives `[N,C]`. Differentiable in `w`.
///
/// # Errors
/// An id that is not below `V`.
pub fn embedding(w: Tensor<2>, ids: Arc<[u32]>) -> Result<Tensor<2>, KernelError> {
    let vocabulary = w.dims()[0];
    if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocabulary) {
        return Err(KernelError::Shape {
            op: "embedding",
            what: "id, which must be below V",
            expected: vec![vocabulary],
            got: vec![id as usize],
        });
    }
    Ok(Tensor::from_dispatch(Dispatch::embedding_op(
        w.into_dispatch(),
        ids,
    )))
}

const CHECKED: &str = "`embedding` has checked the ids";

impl EmbeddingKernels for Flex {
    fn rows_forward(w: FlexTensor, ids: &[u32]) -> FlexTensor {
        let w = contiguous(w);
        let [vocabulary, features] = dims(&w);
        let y = kernel::embedding(ids, slice(&w), vocabulary, features).expect(CHECKED);
        tensor(y, [ids.len(), features])
    }

    fn rows_backward(d_y: FlexTensor, ids: &[u32], vocabulary: usize) -> FlexTensor {
        let d_y = contiguous(d_y);
        let [_, features] = dims(&d_y);
        let d_w =
            kernel::embedding_backward(ids, slice(&d_y), vocabulary, features).expect(CHECKED);
        tensor(d_w, [vocabulary, features])
    }
}

#[derive(Debug)]
struct EmbeddingBackward;

impl<B: EmbeddingKernels> Backward<B, 1> for EmbeddingBackward {
    type State = (Arc<[u32]>, usize);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (ids, vocabulary) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |d_y| {
            B::rows_backward(d_y, &ids, vocabulary)
        });
    }
}

impl<B: EmbeddingKernels, C: CheckpointStrategy> EmbeddingBackend for Autodiff<B, C> {
    fn embedding_op(w: FloatTensor<Self>, ids: Arc<[u32]>) -> FloatTensor<Self> {
        let [vocabulary, _] = dims(&w);
        let (w, guard) = w.into_parts();
        let prepared = Backward::<B, 1>::prepare::<C>(EmbeddingBackward, [guard])
            .compute_bound()
            .stateful();
        let y = B::rows_forward(w, &ids);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish((ids, vocabulary), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
