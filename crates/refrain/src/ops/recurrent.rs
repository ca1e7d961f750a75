//! A whole recurrent layer, in one or both directions, as one operation.

use super::composed;
use super::flex::{contiguous, dims, slice, tensor};
use super::outputs::{Slots, hub_value, leaves};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, ExtensionType, Flex, backend_extension};
use burn::tensor::Tensor;
use refrain_kernels::{
    self as kernels, Cell, Direction, KernelError, Precision, Reserve, Wanted, WeightCache,
};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Settings of a recurrent layer, without its weights.
#[derive(Clone, Debug)]
pub struct RecurrentSpec {
    /// The recurrence.
    pub cell: Cell,
    /// One or two directions.
    pub directions: Vec<Direction>,
    /// Valid length of each of the `B` sequences; `None`: all have `T` steps.
    pub lengths: Option<Arc<[usize]>>,
    /// Product precision of the fused kernels. Composed backends use `f32`; training with `Int8` uses `f32`.
    pub precision: Precision,
    /// Cached weights in the layout of the kernels.
    pub packed: PackedWeights,
}

/// Weights of a layer in the layout of the kernels, cached between inference passes while the tensors stay the same.
/// The cache holds the tensors, so none of them can be changed in place. A training pass clears the cache. Clones share
/// it.
#[derive(Clone, Debug, Default)]
pub struct PackedWeights(Arc<Mutex<Option<KeptWeights>>>);

/// The tensors and the cache made from them.
type KeptWeights = (Vec<FlexTensor>, WeightCache);

impl PackedWeights {
    fn kept(&self) -> MutexGuard<'_, Option<KeptWeights>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cache of these tensors.
    fn of(&self, weights: &[FlexTensor]) -> WeightCache {
        let mut kept = self.kept();
        let same = |(own, _): &&KeptWeights| {
            let data = |tensors: &[FlexTensor]| -> Vec<*const [f32]> {
                tensors
                    .iter()
                    .map(|t| std::ptr::from_ref(slice(t)))
                    .collect()
            };
            data(own) == data(weights)
        };
        match kept.as_ref().filter(same) {
            Some((_, cache)) => cache.clone(),
            None => {
                let cache = WeightCache::default();
                *kept = Some((weights.to_vec(), cache.clone()));
                cache
            }
        }
    }
}

/// Weights of one direction, PyTorch's shapes and gate order.
#[derive(Clone, Debug)]
pub struct DirectionWeights {
    /// `[G·H,C]`
    pub w_ih: Tensor<2>,
    /// `[G·H,H]`
    pub w_hh: Tensor<2>,
    /// `[G·H]`
    pub b_ih: Tensor<1>,
    /// `[G·H]`
    pub b_hh: Tensor<1>,
}

/// Result of a recurrent layer.
#[derive(Clone, Debug)]
pub struct RecurrentOutput {
    /// `[B,T,D·H]`, zeros past the end of a sequence.
    pub y: Tensor<3>,
    /// `[D,B,H]`
    pub h_n: Tensor<3>,
    /// `[D,B,H]`; `[D,B,0]` for a cell without a memory cell c.
    pub c_n: Tensor<3>,
}

/// Primitives of the outputs, in the order of [`RecurrentOutput`].
#[derive(ExtensionType)]
pub struct RecurrentPrimitives<B: Backend> {
    y: FloatTensor<B>,
    h_n: FloatTensor<B>,
    c_n: FloatTensor<B>,
}

/// The fused kernels of a backend. Inputs, in order: x, h0, c0, then w_ih, w_hh, b_ih, b_hh of each direction.
pub trait RecurrentKernels: Backend {
    /// Values of the forward pass that the backward pass needs beside inputs and `y`.
    type Reserve: Clone + Debug + Send + 'static;

    /// Whether this backend has the fused kernels; otherwise the layer is composed of Burn's operations.
    const FUSED: bool = false;

    /// Outputs y, h_n, c_n, and the reserve if `train`.
    fn recurrent_forward<const N: usize>(
        inputs: [FloatTensor<Self>; N],
        spec: &RecurrentSpec,
        train: bool,
    ) -> ([FloatTensor<Self>; 3], Option<Self::Reserve>) {
        let _ = train;
        (composed::recurrent::<Self>(inputs.into(), spec), None)
    }

    /// Gradients of the requested inputs. Only called if [`Self::FUSED`].
    fn recurrent_backward<const N: usize>(
        _inputs: [FloatTensor<Self>; N],
        _y: FloatTensor<Self>,
        _reserve: Self::Reserve,
        _d_out: [Option<FloatTensor<Self>>; 3],
        _wanted: [bool; N],
        _spec: &RecurrentSpec,
    ) -> [Option<FloatTensor<Self>>; N] {
        unreachable!("a backend without fused kernels differentiates the composed form")
    }
}

#[backend_extension(
    Flex,
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "vulkan"),
    Autodiff
)]
/// Dispatch of [`recurrent`].
pub trait RecurrentBackend: Backend {
    /// One direction.
    #[allow(clippy::too_many_arguments)]
    fn recurrent_one(
        x: FloatTensor<Self>,
        h0: FloatTensor<Self>,
        c0: FloatTensor<Self>,
        w_ih: FloatTensor<Self>,
        w_hh: FloatTensor<Self>,
        b_ih: FloatTensor<Self>,
        b_hh: FloatTensor<Self>,
        spec: RecurrentSpec,
    ) -> RecurrentPrimitives<Self>;

    /// Both directions.
    #[allow(clippy::too_many_arguments)]
    fn recurrent_both(
        x: FloatTensor<Self>,
        h0: FloatTensor<Self>,
        c0: FloatTensor<Self>,
        w_ih: FloatTensor<Self>,
        w_hh: FloatTensor<Self>,
        b_ih: FloatTensor<Self>,
        b_hh: FloatTensor<Self>,
        w_ih_reverse: FloatTensor<Self>,
        w_hh_reverse: FloatTensor<Self>,
        b_ih_reverse: FloatTensor<Self>,
        b_hh_reverse: FloatTensor<Self>,
        spec: RecurrentSpec,
    ) -> RecurrentPrimitives<Self>;
}

/// Runs a recurrent layer over whole sequences.
///
/// `x` `[B,T,C]`, `h0` `[D,B,H]`, `c0` `[D,B,H]` (`[D,B,0]` for a cell without a memory cell c), one entry of `weights`
/// per direction of `spec`. Differentiable in every tensor.
///
/// # Errors
/// A shape that does not fit, or a length over `T`.
pub fn recurrent(
    x: Tensor<3>,
    h0: Tensor<3>,
    c0: Tensor<3>,
    weights: Vec<DirectionWeights>,
    spec: RecurrentSpec,
) -> Result<RecurrentOutput, KernelError> {
    check(&x, &h0, &c0, &weights, &spec)?;
    let (x, h0, c0) = (x.into_dispatch(), h0.into_dispatch(), c0.into_dispatch());
    let mut tensors = weights.into_iter().map(|w| {
        [
            w.w_ih.into_dispatch(),
            w.w_hh.into_dispatch(),
            w.b_ih.into_dispatch(),
            w.b_hh.into_dispatch(),
        ]
    });
    let out = match (tensors.next(), tensors.next()) {
        (Some([wi, wh, bi, bh]), Some([vi, vh, ci, ch])) => {
            Dispatch::recurrent_both(x, h0, c0, wi, wh, bi, bh, vi, vh, ci, ch, spec)
        }
        (Some([wi, wh, bi, bh]), None) => Dispatch::recurrent_one(x, h0, c0, wi, wh, bi, bh, spec),
        (None, _) => unreachable!("`check` asks for one or two directions"),
    };
    Ok(RecurrentOutput {
        y: Tensor::from_dispatch(out.y),
        h_n: Tensor::from_dispatch(out.h_n),
        c_n: Tensor::from_dispatch(out.c_n),
    })
}

/// # Errors
/// Sizes that differ.
pub(crate) fn fits(
    op: &'static str,
    what: &'static str,
    got: &[usize],
    expected: &[usize],
) -> Result<(), KernelError> {
    if got == expected {
        return Ok(());
    }
    Err(KernelError::Shape {
        op,
        what,
        expected: expected.to_vec(),
        got: got.to_vec(),
    })
}

fn check(
    x: &Tensor<3>,
    h0: &Tensor<3>,
    c0: &Tensor<3>,
    weights: &[DirectionWeights],
    spec: &RecurrentSpec,
) -> Result<(), KernelError> {
    let expect = |what, got: &[usize], expected: &[usize]| fits("recurrent", what, got, expected);
    let directions = spec.directions.len();
    expect("directions", &[weights.len()], &[directions.clamp(1, 2)])?;
    let [batch, time, input] = x.dims();
    let hidden = h0.dims()[2];
    let rows = spec.cell.gates() * hidden;
    expect("h0", &h0.dims(), &[directions, batch, hidden])?;
    let memory = if spec.cell.has_memory() { hidden } else { 0 };
    expect("c0", &c0.dims(), &[directions, batch, memory])?;
    for w in weights {
        expect("w_ih", &w.w_ih.dims(), &[rows, input])?;
        expect("w_hh", &w.w_hh.dims(), &[rows, hidden])?;
        expect("b_ih", &w.b_ih.dims(), &[rows])?;
        expect("b_hh", &w.b_hh.dims(), &[rows])?;
    }
    if let Some(lengths) = &spec.lengths {
        expect("lengths", &[lengths.len()], &[batch])?;
        if let Some(&longest) = lengths.iter().find(|&&length| length > time) {
            expect("length of a sequence", &[longest], &[time])?;
        }
    }
    Ok(())
}

// ------------------------------------------------------------------------------------------------- Flex

/// Runs `f` with the kernel's view of the inputs.
fn with_plan<const N: usize, R>(
    inputs: &[FlexTensor; N],
    spec: &RecurrentSpec,
    train: bool,
    f: impl FnOnce(&kernels::Plan, &kernels::Inputs) -> R,
) -> R {
    let [batch, time, input] = dims::<3>(&inputs[0]);
    let [_, _, hidden] = dims::<3>(&inputs[1]);
    let weights: Vec<kernels::Weights> = inputs[3..]
        .chunks_exact(4)
        .map(|w| kernels::Weights {
            w_ih: slice(&w[0]),
            w_hh: slice(&w[1]),
            b_ih: Some(slice(&w[2])),
            b_hh: Some(slice(&w[3])),
        })
        .collect();
    let plan = kernels::Plan {
        cell: spec.cell,
        batch,
        time,
        input,
        hidden,
        directions: &spec.directions,
        lengths: spec.lengths.as_deref(),
        precision: match spec.precision {
            Precision::Int8 if train => Precision::F32,
            precision => precision,
        },
    };
    let memory = spec.cell.has_memory();
    f(
        &plan,
        &kernels::Inputs {
            x: slice(&inputs[0]),
            weights: &weights,
            h0: Some(slice(&inputs[1])),
            c0: memory.then(|| slice(&inputs[2])),
        },
    )
}

const CHECKED: &str = "`recurrent` has checked the shapes";

impl RecurrentKernels for Flex {
    type Reserve = Reserve;
    const FUSED: bool = true;

    fn recurrent_forward<const N: usize>(
        inputs: [FlexTensor; N],
        spec: &RecurrentSpec,
        train: bool,
    ) -> ([FlexTensor; 3], Option<Reserve>) {
        let inputs = inputs.map(contiguous);
        let [batch, time, _] = dims::<3>(&inputs[0]);
        let [directions, _, hidden] = dims::<3>(&inputs[1]);
        let memory = if spec.cell.has_memory() { hidden } else { 0 };
        let cache = match train {
            true => {
                *spec.packed.kept() = None;
                None
            }
            false => Some(spec.packed.of(&inputs[3..])),
        };
        let (out, reserve) = with_plan(&inputs, spec, train, |plan, inputs| match &cache {
            Some(cache) => kernels::infer(plan, inputs, cache).map(|out| (out, None)),
            None => kernels::forward(plan, inputs, train),
        })
        .expect(CHECKED);
        let outputs = [
            tensor(out.y, [batch, time, directions * hidden]),
            tensor(out.h_n, [directions, batch, hidden]),
            tensor(out.c_n, [directions, batch, memory]),
        ];
        (outputs, reserve)
    }

    fn recurrent_backward<const N: usize>(
        inputs: [FlexTensor; N],
        y: FlexTensor,
        reserve: Reserve,
        d_out: [Option<FlexTensor>; 3],
        wanted: [bool; N],
        spec: &RecurrentSpec,
    ) -> [Option<FlexTensor>; N] {
        let inputs = inputs.map(contiguous);
        let [d_y, d_h_n, d_c_n] = d_out.map(|d| d.map(contiguous));
        let memory = spec.cell.has_memory();
        let d_out = kernels::OutputGradients {
            d_y: d_y.as_ref().map(slice),
            d_h_n: d_h_n.as_ref().map(slice),
            d_c_n: d_c_n.as_ref().filter(|_| memory).map(slice),
        };
        let want = Wanted {
            x: wanted[0],
            weights: wanted[3..].contains(&true),
            h0: wanted[1],
            c0: wanted[2] && memory,
        };
        let gradients = with_plan(&inputs, spec, true, |plan, inputs| {
            kernels::backward(plan, inputs, slice(&y), reserve, &d_out, &want)
        })
        .expect(CHECKED);

        let weights = gradients
            .weights
            .into_iter()
            .flatten()
            .flat_map(|w| [w.d_w_ih, w.d_w_hh, w.d_b_ih, w.d_b_hh].map(Some));
        let c0 = gradients.d_c0.or((wanted[2] && !memory).then(Vec::new));
        let mut all = [gradients.d_x, gradients.d_h0, c0]
            .into_iter()
            .chain(weights);
        std::array::from_fn(|i| {
            let d = all.next().flatten().filter(|_| wanted[i])?;
            Some(tensor(d, burn::backend::TensorMetadata::shape(&inputs[i])))
        })
    }
}

// ---------------------------------------------------------------------------------------------- Autodiff

#[derive(Debug)]
struct RecurrentBackward;

#[derive(Clone, Debug)]
struct Saved<B: RecurrentKernels, const N: usize> {
    inputs: [FloatTensor<B>; N],
    y: FloatTensor<B>,
    reserve: B::Reserve,
    slots: Slots<B, 3>,
    spec: RecurrentSpec,
}

impl<B: RecurrentKernels, const N: usize> Backward<B, N> for RecurrentBackward {
    type State = Saved<B, N>;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        drop(grads.consume::<B>(&ops.node));
        let saved = ops.state;
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let d_inputs = B::recurrent_backward(
            saved.inputs,
            saved.y,
            saved.reserve,
            saved.slots.take(),
            wanted,
            &saved.spec,
        );
        for (parent, gradient) in ops.parents.into_iter().zip(d_inputs) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

fn tracked<B: RecurrentKernels, C: CheckpointStrategy, const N: usize>(
    inputs: [FloatTensor<Autodiff<B, C>>; N],
    spec: RecurrentSpec,
) -> RecurrentPrimitives<Autodiff<B, C>> {
    if !B::FUSED {
        let [y, h_n, c_n] = composed::recurrent::<Autodiff<B, C>>(inputs.into(), &spec);
        return RecurrentPrimitives { y, h_n, c_n };
    }
    let guards: [NodeGuard; N] = inputs.each_ref().map(|input| input.node());
    let inputs = inputs.map(|input| input.into_primitive());
    let slots = Slots::<B, 3>::new();
    let prepared = Backward::<B, N>::prepare::<C>(RecurrentBackward, guards)
        .compute_bound()
        .stateful();
    let (hub, outputs) = match prepared {
        OpsKind::Tracked(prepared) => {
            let (outputs, reserve) = B::recurrent_forward(inputs.clone(), &spec, true);
            let saved = Saved::<B, N> {
                inputs,
                y: outputs[0].clone(),
                reserve: reserve.expect("a forward pass for training returns a reserve"),
                slots: slots.clone(),
                spec,
            };
            (prepared.finish(saved, hub_value::<B>(&outputs[0])), outputs)
        }
        OpsKind::UnTracked(prepared) => {
            let (outputs, _) = B::recurrent_forward(inputs, &spec, false);
            (prepared.finish(hub_value::<B>(&outputs[0])), outputs)
        }
    };
    let [y, h_n, c_n] = leaves::<B, C, 3>(&hub, &slots, outputs);
    RecurrentPrimitives { y, h_n, c_n }
}

/// Both operations forward to one body with the inputs as an array.
macro_rules! route {
    ($body:ident) => {
        fn recurrent_one(
            x: FloatTensor<Self>,
            h0: FloatTensor<Self>,
            c0: FloatTensor<Self>,
            w_ih: FloatTensor<Self>,
            w_hh: FloatTensor<Self>,
            b_ih: FloatTensor<Self>,
            b_hh: FloatTensor<Self>,
            spec: RecurrentSpec,
        ) -> RecurrentPrimitives<Self> {
            $body([x, h0, c0, w_ih, w_hh, b_ih, b_hh], spec)
        }

        fn recurrent_both(
            x: FloatTensor<Self>,
            h0: FloatTensor<Self>,
            c0: FloatTensor<Self>,
            w_ih: FloatTensor<Self>,
            w_hh: FloatTensor<Self>,
            b_ih: FloatTensor<Self>,
            b_hh: FloatTensor<Self>,
            w_ih_reverse: FloatTensor<Self>,
            w_hh_reverse: FloatTensor<Self>,
            b_ih_reverse: FloatTensor<Self>,
            b_hh_reverse: FloatTensor<Self>,
            spec: RecurrentSpec,
        ) -> RecurrentPrimitives<Self> {
            let reverse = [w_ih_reverse, w_hh_reverse, b_ih_reverse, b_hh_reverse];
            let [v_ih, v_hh, c_ih, c_hh] = reverse;
            $body(
                [x, h0, c0, w_ih, w_hh, b_ih, b_hh, v_ih, v_hh, c_ih, c_hh],
                spec,
            )
        }
    };
}

pub(super) use route;

/// [`recurrent`] without gradients.
pub(super) fn untracked<B: RecurrentKernels, const N: usize>(
    inputs: [FloatTensor<B>; N],
    spec: RecurrentSpec,
) -> RecurrentPrimitives<B> {
    let ([y, h_n, c_n], _) = B::recurrent_forward(inputs, &spec, false);
    RecurrentPrimitives { y, h_n, c_n }
}

impl<B: RecurrentKernels, C: CheckpointStrategy> RecurrentBackend for Autodiff<B, C> {
    route!(tracked);
}
