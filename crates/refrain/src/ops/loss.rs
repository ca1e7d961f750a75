//! Linear projection, softmax and cross-entropy as one operation.

use super::composed;
use super::flex::{contiguous, dims, slice, tensor};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, ExtensionType, Flex, backend_extension};
use burn::tensor::Tensor;
use refrain_kernels::softmax::{self, IGNORE};
use refrain_kernels::{KernelError, Precision};
use std::fmt::Debug;
use std::sync::Arc;

/// Result of [`linear_cross_entropy`].
#[derive(Clone, Debug)]
pub struct LossOutput {
    /// `[1]`: mean over the targets other than [`IGNORE`], in nats.
    pub loss: Tensor<1>,
    /// `[N]`: negative log-likelihood of each target in nats; 0 for [`IGNORE`]. Not differentiable.
    pub nll: Vec<f32>,
}

/// Options of [`linear_cross_entropy_with`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LossOptions {
    /// Of the products of backends with kernels.
    pub precision: Precision,
    /// Label smoothing ε in `[0,1)` (Szegedy et al. 2016): the share of the target that is spread over all classes.
    pub smoothing: f32,
    /// `[N]`: factor of the loss of each row; all 1 if missing.
    pub weights: Option<Arc<[f32]>>,
}

/// Loss and, for training, its gradients `d_h` `[N,H]`, `d_w` `[V,H]`, `d_b` `[V]`.
#[derive(Clone, Debug)]
pub struct LossParts<B: Backend> {
    /// `[1]`
    pub loss: FloatTensor<B>,
    /// `[N]`
    pub nll: Vec<f32>,
    /// Gradients of the loss, if requested.
    pub gradients: Option<[FloatTensor<B>; 3]>,
}

/// The kernels of a backend for [`linear_cross_entropy`].
pub trait LossKernels: Backend {
    /// Loss, and its gradients if `train`. Inputs: `h` `[N,H]`, `w` `[V,H]`, `b` `[V]`.
    fn loss_forward(
        inputs: [FloatTensor<Self>; 3],
        targets: &[u32],
        options: &LossOptions,
        train: bool,
    ) -> LossParts<Self> {
        composed::linear_cross_entropy::<Self>(inputs, targets, options, train)
    }

    /// `gradient · scale`, with `scale` of shape `[1]`.
    fn loss_scale(gradient: FloatTensor<Self>, scale: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::scale::<Self>(gradient, scale)
    }
}

/// The loss as it crosses the dispatch.
#[derive(ExtensionType)]
pub struct LossPrimitives<B: Backend> {
    pub(super) loss: FloatTensor<B>,
    pub(super) nll: Vec<f32>,
}

#[backend_extension(
    Flex,
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "vulkan"),
    Autodiff
)]
/// Dispatch of [`linear_cross_entropy`].
pub trait LossBackend: Backend {
    /// `h` `[N,H]`, `w` `[V,H]`, `b` `[V]`.
    fn loss_op(
        h: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
        targets: Arc<[u32]>,
        options: LossOptions,
    ) -> LossPrimitives<Self>;
}

/// Mean cross-entropy of `softmax(h·wᵀ + b)` against `targets`. The forward pass computes the gradients chunk by chunk,
/// so all logits and all their gradients are never in memory together.
///
/// `h` `[N,H]`, `w` `[V,H]`, `b` `[V]`, `targets` `[N]`, each below `V` or [`IGNORE`]. Differentiable in `h`, `w`, `b`.
///
/// # Errors
/// A shape or a target that does not fit.
pub fn linear_cross_entropy(
    h: Tensor<2>,
    w: Tensor<2>,
    b: Tensor<1>,
    targets: Arc<[u32]>,
    precision: Precision,
) -> Result<LossOutput, KernelError> {
    let options = LossOptions {
        precision,
        ..LossOptions::default()
    };
    linear_cross_entropy_with(h, w, b, targets, options)
}

/// [`linear_cross_entropy`] with label smoothing and weights of rows. The loss is the sum of the weighted rows, divided
/// by the number of targets other than [`IGNORE`]; `nll` has neither.
///
/// # Errors
/// A shape, a target, a smoothing or a weight that does not fit.
pub fn linear_cross_entropy_with(
    h: Tensor<2>,
    w: Tensor<2>,
    b: Tensor<1>,
    targets: Arc<[u32]>,
    options: LossOptions,
) -> Result<LossOutput, KernelError> {
    check(h.dims(), w.dims(), b.dims()[0], &targets)?;
    options.check(targets.len())?;
    let (h, w, b) = (h.into_dispatch(), w.into_dispatch(), b.into_dispatch());
    let out = Dispatch::loss_op(h, w, b, targets, options);
    Ok(LossOutput {
        loss: Tensor::from_dispatch(out.loss),
        nll: out.nll,
    })
}

impl LossOptions {
    fn check(&self, rows: usize) -> Result<(), KernelError> {
        const OP: &str = "linear_cross_entropy";
        if !(0.0..1.0).contains(&self.smoothing) {
            return Err(KernelError::Option {
                op: OP,
                what: "smoothing",
                problem: "it must be at least 0 and below 1",
            });
        }
        match &self.weights {
            Some(weights) if weights.len() != rows => Err(KernelError::Shape {
                op: OP,
                what: "weights",
                expected: vec![rows],
                got: vec![weights.len()],
            }),
            Some(weights) => match weights.iter().position(|weight| !weight.is_finite()) {
                Some(position) => Err(KernelError::NotFinite {
                    op: OP,
                    what: "weights",
                    position,
                }),
                None => Ok(()),
            },
            None => Ok(()),
        }
    }
}

fn check(h: [usize; 2], w: [usize; 2], b: usize, targets: &[u32]) -> Result<(), KernelError> {
    let expect = |what: &'static str, expected: usize, got: usize| {
        if expected == got {
            return Ok(());
        }
        Err(KernelError::Shape {
            op: "linear_cross_entropy",
            what,
            expected: vec![expected],
            got: vec![got],
        })
    };
    let [vocabulary, hidden] = w;
    expect("features of h", hidden, h[1])?;
    expect("b", vocabulary, b)?;
    expect("targets", h[0], targets.len())?;
    let foreign = |&target: &u32| target != IGNORE && target as usize >= vocabulary;
    match targets.iter().copied().find(foreign) {
        Some(target) => expect("target, which must be below V", vocabulary, target as usize),
        None => Ok(()),
    }
}

impl LossKernels for Flex {
    fn loss_forward(
        inputs: [FlexTensor; 3],
        targets: &[u32],
        options: &LossOptions,
        train: bool,
    ) -> LossParts<Self> {
        let [h, w, b] = inputs.map(contiguous);
        let [vocabulary, hidden] = dims(&w);
        let n = targets.len();
        let batch = softmax::LceBatch {
            h: slice(&h),
            w: slice(&w),
            b: Some(slice(&b)),
            targets,
            hidden,
            vocabulary,
            precision: options.precision,
            smoothing: options.smoothing,
            weights: options.weights.as_deref(),
        };
        let out = softmax::linear_cross_entropy(&batch, train)
            .expect("`linear_cross_entropy_with` has checked shapes and options");
        let gradients = out.gradients.map(|g| {
            let d_b = g.d_b.expect("a bias was given");
            [
                tensor(g.d_h, [n, hidden]),
                tensor(g.d_w, [vocabulary, hidden]),
                tensor(d_b, [vocabulary]),
            ]
        });
        LossParts {
            loss: tensor(vec![out.loss], [1]),
            nll: out.nll,
            gradients,
        }
    }

    fn loss_scale(mut gradient: FlexTensor, scale: FlexTensor) -> FlexTensor {
        let scale = slice(&scale)[0];
        if scale != 1.0 {
            gradient
                .storage_mut::<f32>()
                .iter_mut()
                .for_each(|d| *d *= scale);
        }
        gradient
    }
}

/// Backward pass of a loss whose gradients the forward pass has computed: each is multiplied by the incoming gradient.
#[derive(Debug)]
pub(super) struct ScaledGradients;

impl<B: LossKernels, const N: usize> Backward<B, N> for ScaledGradients {
    type State = [FloatTensor<B>; N];

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let scale = grads.consume::<B>(&ops.node);
        for (parent, gradient) in ops.parents.into_iter().zip(ops.state) {
            if let Some(parent) = parent {
                grads.register::<B>(parent.id, B::loss_scale(gradient, scale.clone()));
            }
        }
    }
}

impl<B: LossKernels, C: CheckpointStrategy> LossBackend for Autodiff<B, C> {
    fn loss_op(
        h: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
        targets: Arc<[u32]>,
        options: LossOptions,
    ) -> LossPrimitives<Self> {
        let inputs = [h, w, b];
        let guards = inputs.each_ref().map(|input| input.node());
        let inputs = inputs.map(|input| input.into_primitive());
        let prepared = Backward::<B, 3>::prepare::<C>(ScaledGradients, guards)
            .compute_bound()
            .stateful();
        let train = matches!(prepared, OpsKind::Tracked(_));
        let LossParts {
            loss,
            nll,
            gradients,
        } = B::loss_forward(inputs, &targets, &options, train);
        let loss = match (prepared, gradients) {
            (OpsKind::Tracked(prepared), Some(gradients)) => prepared.finish(gradients, loss),
            (OpsKind::UnTracked(prepared), _) => prepared.finish(loss),
            (OpsKind::Tracked(_), None) => unreachable!("training asks for gradients"),
        };
        LossPrimitives { loss, nll }
    }
}
