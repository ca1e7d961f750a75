//! The loss of connectionist temporal classification as one operation.

use super::composed;
use super::flex::{contiguous, dims, slice, tensor};
use super::loss::{LossKernels, LossPrimitives, ScaledGradients};
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::ops::{Backward, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use refrain_kernels::KernelError;
use refrain_kernels::ctc::{self, CtcBatch};
use std::sync::Arc;

/// Target labels of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CtcTargets {
    /// `B` sequences of labels.
    pub labels: Vec<Vec<u32>>,
    /// Valid steps of each sequence, at most `T`.
    pub lengths: Vec<usize>,
    /// The class that stands for "no label".
    pub blank: u32,
}

impl CtcTargets {
    fn slices(&self) -> Vec<&[u32]> {
        self.labels.iter().map(Vec::as_slice).collect()
    }

    /// Weight of each sequence in the loss.
    fn scale(&self) -> Vec<f32> {
        let utterances = self.labels.len() as f32;
        let of = |labels: &Vec<u32>| 1.0 / (labels.len().max(1) as f32 * utterances);
        self.labels.iter().map(of).collect()
    }

    /// Loss, nats of each sequence, and the gradient of the loss if `train`.
    pub(super) fn loss(
        &self,
        logits: &[f32],
        [time, vocabulary]: [usize; 2],
        train: bool,
    ) -> (f32, Vec<f32>, Option<Vec<f32>>) {
        let (targets, scale) = (self.slices(), self.scale());
        let batch = CtcBatch {
            logits,
            time,
            vocabulary,
            lengths: Some(&self.lengths),
            targets: &targets,
            blank: self.blank,
        };
        let out = ctc::ctc_loss(&batch, train.then_some(&scale[..]));
        let out = out.expect("`ctc_loss` has checked the shapes");
        let finite = out
            .nll
            .iter()
            .zip(&scale)
            .filter(|(nll, _)| **nll != f32::INFINITY);
        let loss: f64 = finite
            .map(|(nll, scale)| f64::from(*nll) * f64::from(*scale))
            .sum();
        (loss as f32, out.nll, out.d_logits)
    }
}

/// Result of [`ctc_loss`].
#[derive(Clone, Debug)]
pub struct CtcOutput {
    /// `[1]`: the mean over the sequences of −ln p(labels) / number of labels.
    pub loss: Tensor<1>,
    /// `[B]`: −ln p(labels) in nats; infinite if the labels do not fit into the steps. Not differentiable.
    pub nll: Vec<f32>,
}

/// The kernel of a backend for [`ctc_loss`].
pub trait CtcKernels: LossKernels {
    /// Loss `[1]`, nats of each sequence, and the gradient of the loss `[B,T,V]` if `train`.
    fn ctc_forward(
        logits: FloatTensor<Self>,
        targets: &CtcTargets,
        train: bool,
    ) -> (LossPrimitives<Self>, Option<FloatTensor<Self>>) {
        composed::ctc_loss::<Self>(logits, targets, train)
    }
}

#[backend_extension(
    Flex,
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "vulkan"),
    Autodiff
)]
/// Dispatch of [`ctc_loss`].
pub trait CtcBackend: Backend {
    /// `logits` `[B,T,V]`.
    fn ctc_op(logits: FloatTensor<Self>, targets: Arc<CtcTargets>) -> LossPrimitives<Self>;
}

/// Connectionist temporal classification (Graves et al. 2006): the loss of label sequences shorter than their inputs.
/// Mean over the sequences of −ln p(labels | x) per label, as PyTorch's `ctc_loss` with `reduction="mean"` and
/// `zero_infinity=True`. A sequence with more labels and repeats than steps has no valid path: it adds nothing to the
/// loss, has no gradient, and its `nll` is infinite.
///
/// `logits` `[B,T,V]`, before the softmax. Differentiable in them.
///
/// # Errors
/// Targets or lengths that do not fit the logits.
pub fn ctc_loss(logits: Tensor<3>, targets: Arc<CtcTargets>) -> Result<CtcOutput, KernelError> {
    let lengths = Some(&targets.lengths[..]);
    ctc::check_targets(logits.dims(), lengths, &targets.slices(), targets.blank)?;
    let out = Dispatch::ctc_op(logits.into_dispatch(), targets);
    Ok(CtcOutput {
        loss: Tensor::from_dispatch(out.loss),
        nll: out.nll,
    })
}

impl CtcKernels for Flex {
    fn ctc_forward(
        logits: FlexTensor,
        targets: &CtcTargets,
        train: bool,
    ) -> (LossPrimitives<Self>, Option<FlexTensor>) {
        let logits = contiguous(logits);
        let shape @ [_, time, vocabulary] = dims::<3>(&logits);
        let (loss, nll, d_logits) = targets.loss(slice(&logits), [time, vocabulary], train);
        let loss = tensor(vec![loss], [1]);
        (
            LossPrimitives { loss, nll },
            d_logits.map(|d| tensor(d, shape)),
        )
    }
}

impl<B: CtcKernels, C: CheckpointStrategy> CtcBackend for Autodiff<B, C> {
    fn ctc_op(logits: FloatTensor<Self>, targets: Arc<CtcTargets>) -> LossPrimitives<Self> {
        let guards = [logits.node()];
        let prepared = Backward::<B, 1>::prepare::<C>(ScaledGradients, guards)
            .compute_bound()
            .stateful();
        let train = matches!(prepared, OpsKind::Tracked(_));
        let (out, gradient) = B::ctc_forward(logits.into_primitive(), &targets, train);
        let loss = match (prepared, gradient) {
            (OpsKind::Tracked(prepared), Some(gradient)) => prepared.finish([gradient], out.loss),
            (OpsKind::UnTracked(prepared), _) => prepared.finish(out.loss),
            (OpsKind::Tracked(_), None) => unreachable!("training asks for gradients"),
        };
        LossPrimitives { loss, nll: out.nll }
    }
}
