//! Weights as the threads read them: gates of a unit side by side, panel by panel.

use crate::call::{Cell, Precision, Weights};
use crate::cells::CellKernel;
use crate::number::{Int8, Number};
use crate::pack::{self, Column};
use crate::scratch::Lines;
use crate::simd::{Level, Simd};
use crate::tile::{Ahead, PANEL, Table};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A thread's own columns of one side's weights, panel by panel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed {
    values: Lines,
    /// Bias in the same order: the sum of both on the input's side, but for an inner gate.
    bias: Vec<f32>,
    /// Scales in the same order, and what the 128 of the left operand's bytes add to a sum, as integers; empty for numbers without scales.
    scales: Vec<f32>,
    excess: Vec<f32>,
    /// Words of k.
    pub k: usize,
}

/// Weights of a layer as the kernels read them, kept from one call of [`crate::infer`] to the next. Clones share what is kept.
///
/// It does not see when a weight changes: whoever changes one takes a new cache.
#[derive(Clone, Debug, Default)]
pub struct WeightCache(Arc<Mutex<Option<Arc<Kit>>>>);

/// What packed weights are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KitKey {
    pub level: Level,
    pub cell: Cell,
    pub precision: Precision,
    pub sizes: [usize; 2],
    pub directions: usize,
    pub threads: usize,
}

/// Packed weights by direction and thread.
#[derive(Debug)]
pub(crate) struct Kit {
    key: KitKey,
    pub sides: Vec<Vec<OnceLock<[Packed; 2]>>>,
}

impl Kit {
    fn new(key: KitKey) -> Self {
        let threads = || (0..key.threads).map(|_| OnceLock::new()).collect();
        let sides = (0..key.directions).map(|_| threads()).collect();
        Self { key, sides }
    }
}

impl WeightCache {
    /// What was kept for `key`, or room for it in the place of what was kept for another.
    pub(crate) fn kit(&self, key: KitKey) -> Arc<Kit> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.as_ref().filter(|kit| kit.key == key) {
            Some(kit) => kit.clone(),
            None => kept.insert(Arc::new(Kit::new(key))).clone(),
        }
    }
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

/// A panel and the weights that it lies in, of the input's side and of the recurrent one.
pub(crate) struct PackedPanel<'a> {
    pub x: &'a Packed,
    pub h: &'a Packed,
    pub panel: OwnPanel,
}

/// Panels that cover `blocks`: all gates of one block, or as many blocks as fit where there is one gate.
pub(crate) fn own_panels<C: CellKernel>(
    table: &Table,
    blocks: std::ops::Range<usize>,
) -> Vec<OwnPanel> {
    let start = blocks.start;
    table
        .panels(blocks, PANEL / C::GATES)
        .map(|(block, count)| OwnPanel {
            block,
            blocks: count,
            vectors: count * C::GATES,
            vector: (block - start) * C::GATES,
        })
        .collect()
}

/// Packs own columns of W_ih and W_hh with their biases.
#[inline(always)]
pub(crate) fn own_weights<S: Simd, C: CellKernel, N: Number>(
    weights: &Weights,
    [input, hidden]: [usize; 2],
    blocks: std::ops::Range<usize>,
    table: &Table,
) -> [Packed; 2] {
    let vectors = blocks.len() * C::GATES;
    let sides = [(weights.w_ih, input), (weights.w_hh, hidden)];
    let mut values = sides.map(|(_, k)| Lines::unwritten(vectors * S::LANES * N::count(k)));
    let columns = || vec![0.0; vectors * S::LANES];
    let mut bias = [columns(), columns()];
    let scaled = || if N::SCALED { columns() } else { Vec::new() };
    let mut scales = [scaled(), scaled()];
    let mut excess = [scaled(), scaled()];
    for OwnPanel {
        block,
        vectors: count,
        vector,
        ..
    } in own_panels::<C>(table, blocks)
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
            for ((values, scales), (w, k)) in values.iter_mut().zip(&mut scales).zip(sides) {
                // SAFETY: `width` rows of the weights from `row`, and the panel inside `values`.
                unsafe {
                    let dst = values.as_mut_ptr().add(vector * S::LANES * N::count(k));
                    let src = w.as_ptr().add(row * k);
                    let mut own = [1.0; 16];
                    if N::SCALED {
                        for lane in 0..width {
                            own[lane] = N::scale::<S>(src.add(lane * k), k);
                        }
                        scales[(vector + v) * S::LANES..][..width].copy_from_slice(&own[..width]);
                    }
                    pack::transposed::<S, N>(src, k, k, &own, at, dst);
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
        if N::SCALED {
            // A row of zeros gives what is too much.
            for ((values, excess), (_, k)) in values.iter().zip(&mut excess).zip(sides) {
                let k = N::count(k);
                let (zeros, at) = (vec![Int8::LEFT_ZEROS; k], vector * S::LANES);
                let out = &mut excess[at..at + count * S::LANES];
                // SAFETY: the panel has been written, and `out` takes a value a column.
                unsafe {
                    let panel = values.as_ptr().add(at * k);
                    table.single[count - 1](
                        1,
                        k,
                        &zeros.as_ptr(),
                        panel,
                        out.as_mut_ptr(),
                        Ahead::NOTHING,
                    );
                }
            }
        }
    }
    let [mut x, mut h] = [input, hidden].map(|k| Packed {
        k: N::count(k),
        ..Packed::default()
    });
    [x.values, h.values] = values;
    [x.bias, h.bias] = bias;
    [x.scales, h.scales] = scales;
    [x.excess, h.excess] = excess;
    [x, h]
}

impl Packed {
    /// Memory that a step reads.
    pub fn bytes(&self) -> usize {
        self.values.bytes()
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

    /// What a sum of the tile stands for: column `v` of the panel, for a row of the left operand with the scale `scale`.
    #[inline(always)]
    pub unsafe fn value<S: Simd, N: Number>(
        &self,
        panel: &OwnPanel,
        v: usize,
        sum: S::V,
        scale: f32,
    ) -> S::V {
        if !N::SCALED {
            return sum;
        }
        let at = (panel.vector + v) * S::LANES;
        // SAFETY: as above.
        unsafe {
            let sum = S::integers(sum, S::load(self.excess.as_ptr().add(at)));
            let scale = S::mul(S::load(self.scales.as_ptr().add(at)), S::splat(scale));
            S::mul(sum, scale)
        }
    }
}
