//! The state of recurrent layers.

use burn::tensor::Tensor;

/// `(h, c)` of one layer, after the last valid step of every sequence.
#[derive(Clone, Debug)]
pub struct LayerState {
    /// `[D,B,H]`; `[D,B,P]` with a projection.
    pub h: Tensor<3>,
    /// `[D,B,H]`; `[D,B,0]` for a cell without a memory cell c.
    pub c: Tensor<3>,
}

/// State of a stack, first layer first.
#[derive(Clone, Debug)]
pub struct State {
    /// One entry per layer.
    pub layers: Vec<LayerState>,
}
