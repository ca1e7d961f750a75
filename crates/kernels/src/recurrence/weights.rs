//! Weights as the threads read them: gates of a unit side by side, panel by panel.

use super::CellKernel;
use crate::layer::Weights;
use crate::memory::{unwritten, written};
use crate::number::Number;
use crate::pack::{self, Column};
use crate::simd::Simd;
use crate::tile::PANEL;

/// A thread's own columns of one side's weights, panel by panel.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    values: Vec<f32>,
    /// Bias in the same order: the sum of both on the input's side, but for an inner gate.
    bias: Vec<f32>,
    /// Words of k.
    pub k: usize,
}

/// A few unit blocks whose columns stand together.
#[derive(Clone, Debug)]
pub(crate) struct OwnPanel {
    /// First unit block.
    pub block: usize,
    pub blocks: usize,
    pub vectors: usize,
    /// First vector in the thread's packed columns.
    vector: usize,
}

/// Panels that cover `blocks`: all gates of one block, or as many blocks as fit where there is one gate.
pub(crate) fn own_panels<C: CellKernel>(blocks: std::ops::Range<usize>) -> Vec<OwnPanel> {
    let most = PANEL / C::GATES;
    let start = blocks.start;
    blocks
        .clone()
        .step_by(most)
        .map(|block| {
            let count = most.min(blocks.end - block);
            OwnPanel {
                block,
                blocks: count,
                vectors: count * C::GATES,
                vector: (block - start) * C::GATES,
            }
        })
        .collect()
}

/// Packs own columns of W_ih and W_hh with their biases.
#[inline(always)]
pub(crate) fn own_weights<S: Simd, C: CellKernel, N: Number>(
    weights: &Weights,
    [input, hidden]: [usize; 2],
    blocks: std::ops::Range<usize>,
) -> [Packed; 2] {
    let vectors = blocks.len() * C::GATES;
    let sides = [(weights.w_ih, input), (weights.w_hh, hidden)];
    let mut values = sides.map(|(_, k)| unwritten(vectors * S::LANES * N::count(k)));
    let mut bias = [vec![0.0; vectors * S::LANES], vec![0.0; vectors * S::LANES]];
    for OwnPanel {
        block,
        vectors: count,
        vector,
        ..
    } in own_panels::<C>(blocks)
    {
        for v in 0..count {
            let (gate, first) = match C::GATES {
                1 => (0, (block + v) * S::LANES),
                _ => (v, block * S::LANES),
            };
            let width = S::LANES.min(hidden - first);
            let at = Column {
                vector: v,
                vectors: count,
                width,
            };
            let row = gate * hidden + first;
            for (values, (w, k)) in values.iter_mut().zip(sides) {
                // SAFETY: `width` rows of the weights from `row`, and the panel inside `values`.
                unsafe {
                    let dst: *mut f32 = values.as_mut_ptr().cast();
                    let dst = dst.add(vector * S::LANES * N::count(k));
                    pack::transposed::<S, N>(w.as_ptr().add(row * k), k, k, at, dst);
                }
            }
            for lane in 0..width {
                let of = |b: Option<&[f32]>| b.map_or(0.0, |b| b[row + lane]);
                let (b_ih, b_hh) = (of(weights.b_ih), of(weights.b_hh));
                let apart = C::INNER == Some(gate);
                let to = (vector + v) * S::LANES + lane;
                bias[0][to] = if apart { b_ih } else { b_ih + b_hh };
                bias[1][to] = if apart { b_hh } else { 0.0 };
            }
        }
    }
    let [x_bias, h_bias] = bias;
    let side = |values, bias, k| Packed {
        // SAFETY: every vector of every panel has been written, with zeros beyond the edge.
        values: unsafe { written(values) },
        bias,
        k: N::count(k),
    };
    let [x_values, h_values] = values;
    [
        side(x_values, x_bias, input),
        side(h_values, h_bias, hidden),
    ]
}

impl Packed {
    /// Memory that a step reads.
    pub fn bytes(&self) -> usize {
        4 * self.values.len()
    }

    /// The panel's weights.
    #[inline(always)]
    pub unsafe fn at<S: Simd>(&self, panel: &OwnPanel) -> *const f32 {
        // SAFETY: the panel lies inside the packed columns.
        unsafe { self.values.as_ptr().add(panel.vector * S::LANES * self.k) }
    }

    #[inline(always)]
    pub unsafe fn bias<S: Simd>(&self, panel: &OwnPanel, v: usize) -> S::V {
        // SAFETY: as above.
        unsafe { S::load(self.bias.as_ptr().add((panel.vector + v) * S::LANES)) }
    }
}
