//! Weights as the threads read them: gates of a unit side by side, panel by panel.

use crate::call::{Cell, Precision, Weights};
use crate::cells::CellKernel;
use crate::number::{Int8, Number};
use crate::pack::{self, Column};
use crate::scratch::Lines;
use crate::simd::{Level, Simd};
use crate::tile::{Ahead, PANEL, Table};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A part of one side's columns of the weights, panel by panel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed {
    values: Lines,
    /// Bias in the same order: the input's side has the sum of both biases, except for an inner gate.
    bias: Vec<f32>,
    /// Scales in the same order; empty for numbers without scales.
    scales: Vec<f32>,
    /// The excess of each column's sums, as integers: bytes of the left operand have 128 added. Empty like `scales`.
    excess: Vec<f32>,
    /// Words of k.
    pub k: usize,
}

/// Packed weights of a layer, kept from one call of [`crate::infer`] to the next. Clones share them.
///
/// A cache does not notice changed weights: after a change, use a new cache.
#[derive(Clone, Debug, Default)]
pub struct WeightCache(Arc<Mutex<Option<Arc<Kit>>>>);

/// The properties of a call that packed weights depend on.
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
    /// The cached kit if its key matches; otherwise an empty one, which replaces it.
    pub(crate) fn kit(&self, key: KitKey) -> Arc<Kit> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.as_ref().filter(|kit| kit.key == key) {
            Some(kit) => kit.clone(),
            None => kept.insert(Arc::new(Kit::new(key))).clone(),
        }
    }
}

/// Neighbouring unit blocks whose columns are one panel.
#[derive(Clone, Debug)]
pub(crate) struct OwnPanel {
    /// First unit block.
    pub block: usize,
    pub blocks: usize,
    pub vectors: usize,
    /// First vector in the thread's packed columns.
    vector: usize,
}

/// A panel, with the packed weights of the input's and of the recurrent side that contain it.
pub(crate) struct PackedPanel<'a> {
    pub x: &'a Packed,
    pub h: &'a Packed,
    pub panel: OwnPanel,
}

/// Panels that cover `blocks`: all gates of one block, or several blocks of a cell with one gate.
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

/// Packs the columns of some unit blocks of W_ih and W_hh, with their biases.
#[inline(always)]
pub(crate) fn own_weights<S: Simd, C: CellKernel, N: Number>(
    weights: &Weights,
    [input, hidden]: [usize; 2],
    blocks: std::ops::Range<usize>,
    table: &Table,
) -> [Packed; 2] {
    let vectors = blocks.len() * C::GATES;
    let panels = own_panels::<C>(table, blocks);
    let sides = [(weights.w_ih, input), (weights.w_hh, hidden)];
    let mut packed = sides.map(|(_, k)| Packed::unwritten::<S, N>(vectors, k));
    for panel in &panels {
        for v in 0..panel.vectors {
            let (gate, first) = match C::GATES {
                1 => (0, (panel.block + v) * S::LANES),
                _ => (v, panel.block * S::LANES),
            };
            let (row, width) = (gate * hidden + first, S::LANES.min(hidden - first));
            for (packed, (w, k)) in packed.iter_mut().zip(sides) {
                packed.pack::<S, N>(&w[row * k..(row + width) * k], k, panel, v);
            }
            for lane in 0..width {
                let of = |b: Option<&[f32]>| b.map_or(0.0, |b| b[row + lane]);
                let (b_ih, b_hh) = (of(weights.b_ih), of(weights.b_hh));
                let apart = C::INNER == Some(gate);
                let to = (panel.vector + v) * S::LANES + lane;
                packed[0].bias[to] = if apart { b_ih } else { b_ih + b_hh };
                packed[1].bias[to] = if apart { b_hh } else { 0.0 };
            }
        }
        if N::SCALED {
            for packed in &mut packed {
                packed.measure_excess::<S>(panel, table);
            }
        }
    }
    packed
}

impl Packed {
    /// For `vectors` vectors of columns of `k` values; only biases and scales have a value.
    fn unwritten<S: Simd, N: Number>(vectors: usize, k: usize) -> Self {
        let columns = || vec![0.0; vectors * S::LANES];
        let scaled = || if N::SCALED { columns() } else { Vec::new() };
        Self {
            values: Lines::unwritten(vectors * S::LANES * N::count(k)),
            bias: columns(),
            scales: scaled(),
            excess: scaled(),
            k: N::count(k),
        }
    }

    /// Packs rows of `k` weights as vector `v` of a panel, with their scales.
    #[inline(always)]
    fn pack<S: Simd, N: Number>(&mut self, w: &[f32], k: usize, panel: &OwnPanel, v: usize) {
        let width = w.len().checked_div(k).unwrap_or(0);
        let at = Column {
            vector: v,
            vectors: panel.vectors,
            width,
        };
        // SAFETY: `w` has `width` rows of `k` values, and a panel has `vectors` vectors of `self.k` words in `values`.
        // Only code that runs with the instruction set of `S` calls this.
        unsafe {
            let mut scales = [1.0; 16];
            if N::SCALED {
                for lane in 0..width {
                    scales[lane] = N::scale::<S>(w.as_ptr().add(lane * k), k);
                }
                let to = (panel.vector + v) * S::LANES;
                self.scales[to..to + width].copy_from_slice(&scales[..width]);
            }
            let dst = self.values.as_mut_ptr();
            let dst = dst.add(panel.vector * S::LANES * self.k);
            pack::transposed::<S, N>(w.as_ptr(), k, k, &scales, at, dst);
        }
    }

    /// Multiplies a packed panel by a row of zeros, which gives the excess of its sums.
    #[inline(always)]
    fn measure_excess<S: Simd>(&mut self, panel: &OwnPanel, table: &Table) {
        let zeros = vec![Int8::LEFT_ZEROS; self.k];
        let at = panel.vector * S::LANES;
        let out = &mut self.excess[at..at + panel.vectors * S::LANES];
        // SAFETY: the panel has been packed, and `out` takes a value a column. Only code that runs with the instruction
        // set of `S`, which is that of the table, calls this.
        unsafe {
            table.single[panel.vectors - 1](
                1,
                self.k,
                &zeros.as_ptr(),
                self.values.as_ptr().add(at * self.k),
                out.as_mut_ptr(),
                Ahead::NOTHING,
            );
        }
    }

    /// Bytes of weights that a step reads.
    pub fn bytes(&self) -> usize {
        self.values.bytes()
    }

    /// The panel's weights.
    ///
    /// # Safety
    /// The panel is one of this part.
    #[inline(always)]
    pub unsafe fn at<S: Simd>(&self, panel: &OwnPanel) -> *const f32 {
        // SAFETY: a panel of this part starts inside its values.
        unsafe { self.values.as_ptr().add(panel.vector * S::LANES * self.k) }
    }

    /// The biases of vector `v` of a panel.
    ///
    /// # Safety
    /// As [`Simd`]; the panel is one of this part, and has the vector.
    #[inline(always)]
    pub unsafe fn bias<S: Simd>(&self, panel: &OwnPanel, v: usize) -> S::V {
        // SAFETY: every vector of a panel has LANES biases, and scales and excesses if numbers have scales.
        unsafe { S::load(self.bias.as_ptr().add((panel.vector + v) * S::LANES)) }
    }

    /// The value of a tile's `sum`, which is of vector `v` of the panel and of a left row with the scale `scale`.
    ///
    /// # Safety
    /// As [`Simd`]; the panel is one of this part, and has the vector.
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
        // SAFETY: every vector of a panel has LANES biases, and scales and excesses if numbers have scales.
        unsafe {
            let sum = S::integers(sum, S::load(self.excess.as_ptr().add(at)));
            let scale = S::mul(S::load(self.scales.as_ptr().add(at)), S::splat(scale));
            S::mul(sum, scale)
        }
    }
}
