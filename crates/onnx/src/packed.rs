//! Weights as the kernels take them, made once for all runs of a model where they are constants.

use crate::gate_order;
use refrain_data::array::Array;
use refrain_kernels::{Cell, WeightCache, Weights};
use std::sync::OnceLock;

/// Forms of a node's constants that are kept for all runs; each is made when a run first needs it.
#[derive(Default)]
pub(crate) struct Kept {
    /// For every input, its numbers as float32 where the file has another float.
    pub wide: Vec<OnceLock<Array>>,
    /// Of a recurrent node.
    pub layer: OnceLock<PackedLayer>,
    /// Of a product with a matrix `[K,N]`: its columns, `[N,K]`.
    pub columns: OnceLock<Vec<f32>>,
}

/// Sizes of a recurrent layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub cell: Cell,
    /// `C`
    pub input: usize,
    /// `H`
    pub hidden: usize,
    /// `D`
    pub directions: usize,
}

/// Weights in the kernels' order of gates, with the cache of their packed form.
pub(crate) struct PackedLayer {
    directions: Vec<Direction>,
    pub cache: WeightCache,
}

/// Weights of one direction.
struct Direction {
    w_ih: Vec<f32>,
    w_hh: Vec<f32>,
    /// Of the input, then of the state.
    biases: Option<[Vec<f32>; 2]>,
}

impl PackedLayer {
    /// From ONNX's `w` `[D,G·H,C]`, `r` `[D,G·H,H]` and `bias` `[D,2·G·H]`.
    pub fn new(sizes: Sizes, w: &[f32], r: &[f32], bias: Option<&[f32]>) -> Self {
        let Sizes {
            cell,
            input,
            hidden,
            directions,
        } = sizes;
        let rows = cell.gates() * hidden;
        let part = |all: &[f32], size: usize, at: usize| {
            gate_order::from_onnx(cell, &all[at * size..(at + 1) * size])
        };
        let direction = |d: usize| Direction {
            w_ih: part(w, rows * input, d),
            w_hh: part(r, rows * hidden, d),
            biases: bias.map(|bias| [2 * d, 2 * d + 1].map(|side| part(bias, rows, side))),
        };
        Self {
            directions: (0..directions).map(direction).collect(),
            cache: WeightCache::default(),
        }
    }

    /// The weights of each direction.
    pub fn weights(&self) -> Vec<Weights<'_>> {
        self.directions.iter().map(Direction::weights).collect()
    }
}

impl Direction {
    fn weights(&self) -> Weights<'_> {
        let bias = |side: usize| self.biases.as_ref().map(|biases| &biases[side][..]);
        Weights {
            w_ih: &self.w_ih,
            w_hh: &self.w_hh,
            b_ih: bias(0),
            b_hh: bias(1),
        }
    }
}
