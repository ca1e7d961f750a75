//! One autodiff node with several outputs.
//!
//! Burn's nodes have one output each. A *hub* node owns the inputs and runs the backward kernel once. Each output is a
//! *leaf* below it. The backward pass of a leaf only stores its gradient in a slot and wakes the hub.

use burn::backend::TensorMetadata;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend};
use burn::tensor::TensorData;
use std::sync::{Arc, Mutex};

/// Gradients of the outputs, filled by the leaves before the hub runs.
#[derive(Debug)]
pub(super) struct Slots<B: Backend, const M: usize>(Arc<Mutex<[Option<FloatTensor<B>>; M]>>);

impl<B: Backend, const M: usize> Clone for Slots<B, M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Backend, const M: usize> Slots<B, M> {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new([const { None }; M])))
    }

    /// Takes the gradients out; `None` for an output that the loss does not depend on.
    pub(super) fn take(&self) -> [Option<FloatTensor<B>>; M] {
        std::mem::replace(
            &mut *self.0.lock().unwrap_or_else(|e| e.into_inner()),
            [const { None }; M],
        )
    }

    fn put(&self, index: usize, gradient: FloatTensor<B>) {
        self.0.lock().unwrap_or_else(|e| e.into_inner())[index] = Some(gradient);
    }
}

/// The one-element value of a hub node.
pub(super) fn hub_value<B: Backend>(like: &FloatTensor<B>) -> FloatTensor<B> {
    B::float_from_data(TensorData::new(vec![0.0f32], [1]), &like.device())
}

#[derive(Debug)]
struct Leaf<const M: usize>;

impl<B: Backend, const M: usize> Backward<B, 1> for Leaf<M> {
    type State = (usize, Slots<B, M>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let [Some(hub)] = ops.parents else { return };
        let wake = hub_value::<B>(&gradient);
        ops.state.1.put(ops.state.0, gradient);
        grads.register::<B>(hub.id, wake);
    }
}

/// Hangs `values` below `hub` as its outputs.
pub(super) fn leaves<B: Backend, C: CheckpointStrategy, const M: usize>(
    hub: &FloatTensor<Autodiff<B, C>>,
    slots: &Slots<B, M>,
    values: [FloatTensor<B>; M],
) -> [FloatTensor<Autodiff<B, C>>; M] {
    let mut index = 0;
    values.map(|value| {
        let leaf = Leaf::<M>;
        let prepared = Backward::<B, 1>::prepare::<C>(leaf, [hub.node()])
            .compute_bound()
            .stateful();
        let output = match prepared {
            OpsKind::Tracked(prepared) => prepared.finish((index, slots.clone()), value),
            OpsKind::UnTracked(prepared) => prepared.finish(value),
        };
        index += 1;
        output
    })
}
