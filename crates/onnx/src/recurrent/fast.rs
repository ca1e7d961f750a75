//! The common cases, by the kernels.

use super::activation::Activation;
use super::{Kind, Layer, order};
use crate::error::OpError;
use refrain_kernels::{Cell, Inputs, Outputs, Plan, Precision, Weights};

/// Weights of one direction in the kernels' order.
struct Owned {
    w_ih: Vec<f32>,
    w_hh: Vec<f32>,
    biases: Option<[Vec<f32>; 2]>,
}

/// Runs the layer if a kernel computes exactly what it says.
pub(super) fn forward(layer: &Layer) -> Result<Option<Outputs>, OpError> {
    let Some(cell) = cell(layer) else {
        return Ok(None);
    };
    let owned: Vec<Owned> = (0..layer.directions.len())
        .map(|d| weights(layer, cell, d))
        .collect();
    let borrowed: Vec<Weights> = owned.iter().map(Owned::borrow).collect();
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
        weights: &borrowed,
        h0: layer.h0.as_deref(),
        c0: layer.c0.as_deref(),
    };
    let (outputs, _) = refrain_kernels::forward(&plan, &inputs, false)?;
    Ok(Some(outputs))
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

fn weights(layer: &Layer, cell: Cell, d: usize) -> Owned {
    let rows = cell.gates() * layer.hidden;
    let part = |all: &[f32], size: usize, at: usize| {
        order::from_onnx(cell, &all[at * size..(at + 1) * size])
    };
    Owned {
        w_ih: part(layer.w, rows * layer.input, d),
        w_hh: part(layer.r, rows * layer.hidden, d),
        biases: layer
            .bias
            .map(|bias| [part(bias, rows, 2 * d), part(bias, rows, 2 * d + 1)]),
    }
}

impl Owned {
    fn borrow(&self) -> Weights<'_> {
        Weights {
            w_ih: &self.w_ih,
            w_hh: &self.w_hh,
            b_ih: self.biases.as_ref().map(|[b_ih, _]| &b_ih[..]),
            b_hh: self.biases.as_ref().map(|[_, b_hh]| &b_hh[..]),
        }
    }
}
