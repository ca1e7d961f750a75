//! The common cases, by the kernels.

use super::layer::{Kind, Layer};
use crate::activation::Activation;
use crate::call::Call;
use crate::error::OpError;
use crate::packed::{PackedLayer, Sizes};
use refrain_kernels::{Cell, Inputs, Outputs, Plan, Precision};

/// Runs the layer if a kernel computes exactly the same.
pub(super) fn forward(layer: &Layer, call: &Call) -> Result<Option<Outputs>, OpError> {
    let Some(cell) = cell(layer) else {
        return Ok(None);
    };
    let sizes = Sizes {
        cell,
        input: layer.input,
        hidden: layer.hidden,
        directions: layer.directions.len(),
    };
    let pack = || PackedLayer::new(sizes, layer.w, layer.r, layer.bias);
    let own;
    // W, R and B.
    let packed = match (1..=3).all(|index| call.is_constant(index)) {
        true => call.kept.layer.get_or_init(pack),
        false => {
            own = pack();
            &own
        }
    };
    let plan = Plan {
        cell,
        batch: layer.batch,
        time: layer.time,
        input: layer.input,
        hidden: layer.hidden,
        directions: layer.directions,
        lengths: layer.lengths.as_deref(),
        precision: Precision::F32,
    };
    let inputs = Inputs {
        x: &layer.x,
        weights: &packed.weights(),
        h0: layer.h0.as_deref(),
        c0: layer.c0.as_deref(),
    };
    Ok(Some(refrain_kernels::infer(&plan, &inputs, &packed.cache)?))
}

/// The kernels' cell that the layer is, if any.
fn cell(layer: &Layer) -> Option<Cell> {
    let all = |functions: &[Activation]| {
        layer
            .functions
            .chunks(functions.len())
            .all(|own| own == functions)
    };
    if layer.clip.is_some() || layer.peepholes.is_some() || layer.coupled {
        return None;
    }
    match layer.kind {
        Kind::Rnn if all(&[Activation::Tanh]) => Some(Cell::RnnTanh),
        Kind::Rnn if all(&[Activation::Relu]) => Some(Cell::RnnRelu),
        Kind::Gru if layer.linear_before_reset && all(Kind::Gru.functions()) => Some(Cell::Gru),
        Kind::Lstm if all(Kind::Lstm.functions()) => Some(Cell::Lstm),
        _ => None,
    }
}
