//! Attention over sequences of different lengths as one operation.

use super::composed;
use super::flex::{contiguous, dims, slice, tensor};
use super::outputs::{Slots, hub_value, leaves};
use super::recurrent::fits;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, ExtensionType, Flex, backend_extension};
use burn::tensor::Tensor;
use refrain_kernels::KernelError;
use refrain_kernels::attention::{
    self as kernels, Attended, AttendedGradients, AttentionGradients, Queries, Score, Source,
};
use std::sync::Arc;

/// Inputs of [`attention`].
#[derive(Clone, Debug)]
pub struct AttentionInputs {
    /// `[B,T,D]`
    pub queries: Tensor<3>,
    /// `[B,S,D]`
    pub keys: Tensor<3>,
    /// `[B,S,C]`
    pub values: Tensor<3>,
    /// `[D]`: the score is u·tanh(q + k) with this u (Bahdanau et al. 2015); without it, q·k.
    pub energy: Option<Tensor<1>>,
    /// `[1]`: factor of the sum of earlier weights, which is added to the score.
    pub coverage: Option<Tensor<1>>,
}

/// Valid lengths of the sequences of [`AttentionInputs`].
#[derive(Clone, Debug)]
pub struct AttentionLengths {
    /// `B` lengths, at most `T`.
    pub queries: Arc<[usize]>,
    /// `B` lengths, at most `S`.
    pub keys: Arc<[usize]>,
}

/// Result of [`attention`].
#[derive(Clone, Debug)]
pub struct AttentionOutput {
    /// `[B,T,C]`: values, weighted; zeros past the end.
    pub context: Tensor<3>,
    /// `[B,T,S]`: softmax of the scores; zeros past the ends.
    pub weights: Tensor<3>,
}

/// The settings of one call.
#[derive(Clone, Debug)]
pub struct AttentionSpec {
    lengths: AttentionLengths,
    additive: bool,
    coverage: bool,
}

/// Queries, keys, values, energy and coverage; the last two are placeholders where the spec has none.
const INPUTS: usize = 5;

impl AttentionSpec {
    /// Runs `f` with the kernel's view of host memory.
    fn with<R>(
        &self,
        inputs: [&[f32]; INPUTS],
        [batch, time, key_size]: [usize; 3],
        [_, keys, value_size]: [usize; 3],
        f: impl FnOnce(&Source, &Queries) -> Result<R, KernelError>,
    ) -> R {
        let source = Source {
            batch,
            time: keys,
            key_size,
            value_size,
            lengths: Some(&self.lengths.keys),
            keys: inputs[1],
            values: inputs[2],
            score: match self.additive {
                true => Score::Additive { u: inputs[3] },
                false => Score::General,
            },
            coverage: self.coverage.then(|| inputs[4][0]),
        };
        let queries = Queries {
            time,
            lengths: Some(&self.lengths.queries),
            queries: inputs[0],
        };
        f(&source, &queries).expect("`attention` has checked the shapes")
    }
}

/// The kernels of a backend for [`attention`]. By default the tensors are read back from their device, and the kernel
/// runs on the CPU.
pub trait AttentionKernels: Backend {
    /// Context `[B,T,C]` and weights `[B,T,S]`.
    fn attention_forward(
        inputs: [FloatTensor<Self>; INPUTS],
        spec: &AttentionSpec,
    ) -> [FloatTensor<Self>; 2] {
        let [q, v] = [dims::<3>(&inputs[0]), dims::<3>(&inputs[2])];
        let like = inputs[0].clone();
        let host = inputs.map(composed::values::<Self>);
        let out = spec.with(host.each_ref().map(Vec::as_slice), q, v, kernels::forward);
        let shapes = shapes(q, v);
        [
            composed::constant::<Self>(out.context, shapes[0], &like),
            composed::constant::<Self>(out.probabilities, shapes[1], &like),
        ]
    }

    /// Gradients of the inputs.
    fn attention_backward(
        inputs: [FloatTensor<Self>; INPUTS],
        weights: FloatTensor<Self>,
        d_out: [Option<FloatTensor<Self>>; 2],
        spec: &AttentionSpec,
    ) -> [FloatTensor<Self>; INPUTS] {
        let [q, v] = [dims::<3>(&inputs[0]), dims::<3>(&inputs[2])];
        let like = inputs[0].clone();
        let host = inputs.map(composed::values::<Self>);
        let weights = composed::values::<Self>(weights);
        let [d_context, d_weights] = d_out.map(|d| d.map(composed::values::<Self>));
        let d = gradients(
            spec,
            host.each_ref().map(Vec::as_slice),
            [q, v],
            &weights,
            [d_context.as_deref(), d_weights.as_deref()],
        );
        d.map(|(values, shape)| composed::constant::<Self>(values, shape, &like))
    }
}

/// Shapes of context and weights.
fn shapes([batch, time, _]: [usize; 3], [_, keys, width]: [usize; 3]) -> [[usize; 3]; 2] {
    [[batch, time, width], [batch, time, keys]]
}

/// Gradients with their shapes.
fn gradients(
    spec: &AttentionSpec,
    inputs: [&[f32]; INPUTS],
    [q, v]: [[usize; 3]; 2],
    weights: &[f32],
    [d_context, d_weights]: [Option<&[f32]>; 2],
) -> [(Vec<f32>, Vec<usize>); INPUTS] {
    let zeros = match d_context {
        Some(_) => Vec::new(),
        None => vec![0.0; shapes(q, v)[0].iter().product()],
    };
    let d_out = AttendedGradients {
        d_context: d_context.unwrap_or(&zeros),
        d_probabilities: d_weights,
    };
    let AttentionGradients {
        d_queries,
        d_keys,
        d_values,
        d_u,
        d_coverage,
    } = spec.with(inputs, q, v, |source, queries| {
        kernels::backward(source, queries, weights, &d_out)
    });
    let placeholder = || vec![0.0; 1];
    let d_u = d_u.unwrap_or_else(placeholder);
    let units = d_u.len();
    [
        (d_queries, q.to_vec()),
        (d_keys, vec![v[0], v[1], q[2]]),
        (d_values, v.to_vec()),
        (d_u, vec![units]),
        (d_coverage.map_or_else(placeholder, |d| vec![d]), vec![1]),
    ]
}

/// The results as they cross the dispatch.
#[derive(ExtensionType)]
pub struct AttentionPrimitives<B: Backend> {
    pub(super) context: FloatTensor<B>,
    pub(super) weights: FloatTensor<B>,
}

#[backend_extension(
    Flex,
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "vulkan"),
    Autodiff
)]
/// Dispatch of [`attention`].
pub trait AttentionBackend: Backend {
    /// Queries `[B,T,D]`, keys `[B,S,D]`, values `[B,S,C]`, energy `[D]`, coverage `[1]`.
    fn attention_op(
        queries: FloatTensor<Self>,
        keys: FloatTensor<Self>,
        values: FloatTensor<Self>,
        energy: FloatTensor<Self>,
        coverage: FloatTensor<Self>,
        spec: AttentionSpec,
    ) -> AttentionPrimitives<Self>;
}

/// Attention of each query to the keys of its sequence. Differentiable in every tensor, through both results.
///
/// # Errors
/// A shape that does not fit, or a length over `T` or `S`.
pub fn attention(
    inputs: AttentionInputs,
    lengths: AttentionLengths,
) -> Result<AttentionOutput, KernelError> {
    check(&inputs, &lengths)?;
    let AttentionInputs {
        queries,
        keys,
        values,
        energy,
        coverage,
    } = inputs;
    let spec = AttentionSpec {
        lengths,
        additive: energy.is_some(),
        coverage: coverage.is_some(),
    };
    let device = queries.device();
    let placeholder = || Tensor::<1>::zeros([1], &device);
    let out = Dispatch::attention_op(
        queries.into_dispatch(),
        keys.into_dispatch(),
        values.into_dispatch(),
        energy.unwrap_or_else(placeholder).into_dispatch(),
        coverage.unwrap_or_else(placeholder).into_dispatch(),
        spec,
    );
    Ok(AttentionOutput {
        context: Tensor::from_dispatch(out.context),
        weights: Tensor::from_dispatch(out.weights),
    })
}

fn check(inputs: &AttentionInputs, lengths: &AttentionLengths) -> Result<(), KernelError> {
    let expect = |what, got: &[usize], expected: &[usize]| fits("attention", what, got, expected);
    let [batch, time, size] = inputs.queries.dims();
    let [_, keys, _] = inputs.keys.dims();
    let [_, _, width] = inputs.values.dims();
    expect("keys", &inputs.keys.dims(), &[batch, keys, size])?;
    expect("values", &inputs.values.dims(), &[batch, keys, width])?;
    if let Some(energy) = &inputs.energy {
        expect("energy", &energy.dims(), &[size])?;
    }
    if let Some(coverage) = &inputs.coverage {
        expect("coverage", &coverage.dims(), &[1])?;
    }
    for (own, most) in [(&lengths.queries, time), (&lengths.keys, keys)] {
        expect("lengths", &[own.len()], &[batch])?;
        if let Some(&longest) = own.iter().find(|&&length| length > most) {
            expect("length of a sequence", &[longest], &[most])?;
        }
    }
    Ok(())
}

impl AttentionKernels for Flex {
    fn attention_forward(inputs: [FlexTensor; INPUTS], spec: &AttentionSpec) -> [FlexTensor; 2] {
        let [q, v] = [dims::<3>(&inputs[0]), dims::<3>(&inputs[2])];
        let inputs = inputs.map(contiguous);
        let Attended {
            context,
            probabilities,
        } = spec.with(inputs.each_ref().map(slice), q, v, kernels::forward);
        let shapes = shapes(q, v);
        [tensor(context, shapes[0]), tensor(probabilities, shapes[1])]
    }

    fn attention_backward(
        inputs: [FlexTensor; INPUTS],
        weights: FlexTensor,
        d_out: [Option<FlexTensor>; 2],
        spec: &AttentionSpec,
    ) -> [FlexTensor; INPUTS] {
        let [q, v] = [dims::<3>(&inputs[0]), dims::<3>(&inputs[2])];
        let (inputs, weights) = (inputs.map(contiguous), contiguous(weights));
        let d_out = d_out.map(|d| d.map(contiguous));
        let d = gradients(
            spec,
            inputs.each_ref().map(slice),
            [q, v],
            slice(&weights),
            d_out.each_ref().map(|d| d.as_ref().map(slice)),
        );
        d.map(|(values, shape)| tensor(values, shape))
    }
}

#[derive(Debug)]
struct AttentionBackward;

#[derive(Clone, Debug)]
struct Saved<B: AttentionKernels> {
    inputs: [FloatTensor<B>; INPUTS],
    weights: FloatTensor<B>,
    slots: Slots<B, 2>,
    spec: AttentionSpec,
}

impl<B: AttentionKernels> Backward<B, INPUTS> for AttentionBackward {
    type State = Saved<B>;

    fn backward(self, ops: Ops<Self::State, INPUTS>, grads: &mut Gradients, _: &mut Checkpointer) {
        drop(grads.consume::<B>(&ops.node));
        let saved = ops.state;
        let d_out = saved.slots.take();
        let d_inputs = B::attention_backward(saved.inputs, saved.weights, d_out, &saved.spec);
        for (parent, gradient) in ops.parents.into_iter().zip(d_inputs) {
            if let Some(parent) = parent {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

impl<B: AttentionKernels, C: CheckpointStrategy> AttentionBackend for Autodiff<B, C> {
    fn attention_op(
        queries: FloatTensor<Self>,
        keys: FloatTensor<Self>,
        values: FloatTensor<Self>,
        energy: FloatTensor<Self>,
        coverage: FloatTensor<Self>,
        spec: AttentionSpec,
    ) -> AttentionPrimitives<Self> {
        let inputs = [queries, keys, values, energy, coverage];
        let guards = inputs.each_ref().map(|input| input.node());
        let inputs = inputs.map(|input| input.into_primitive());
        let slots = Slots::<B, 2>::new();
        let prepared = Backward::<B, INPUTS>::prepare::<C>(AttentionBackward, guards)
            .compute_bound()
            .stateful();
        let outputs = B::attention_forward(inputs.clone(), &spec);
        let hub = match prepared {
            OpsKind::Tracked(prepared) => {
                let saved = Saved::<B> {
                    inputs,
                    weights: outputs[1].clone(),
                    slots: slots.clone(),
                    spec,
                };
                prepared.finish(saved, hub_value::<B>(&outputs[0]))
            }
            OpsKind::UnTracked(prepared) => prepared.finish(hub_value::<B>(&outputs[0])),
        };
        let [context, weights] = leaves::<B, C, 2>(&hub, &slots, outputs);
        AttentionPrimitives { context, weights }
    }
}
