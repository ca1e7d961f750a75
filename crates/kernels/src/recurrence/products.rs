//! The products over all rows that follow the backward loop.

use super::{CellKernel, Kept, lanes, room};
use crate::layer::{Inputs, Plan, WeightGradients};
use crate::layout::Layout;
use crate::memory::{unwritten, written};
use crate::number::Float;
use crate::pool::{self, SharedPtr, share};
use crate::product::{Left, Product, Right, rows, rows_mut};
use crate::simd::{Kernel, Level, Simd, dispatch};
use std::ops::Range;

/// The products over all rows that follow the loop.
pub(super) struct Products<'a> {
    pub level: Level,
    pub threads: usize,
    pub plan: &'a Plan<'a>,
    pub inputs: &'a Inputs<'a>,
    pub hp: usize,
    pub y: &'a [f32],
    pub layouts: &'a [Layout],
    /// Gates overwritten by their gradients.
    pub kept: &'a [Kept],
}

impl Products<'_> {
    /// d_x = Σ over directions of d_gates·W_ih.
    pub(super) fn d_x<C: CellKernel, N: Float>(&self) -> Vec<f32> {
        let (input, hidden, hp) = (self.plan.input, self.plan.hidden, self.hp);
        let mut d_x = room(self.plan, input);
        let zeros = vec![0.0; input];
        for (d, (layout, kept)) in self.layouts.iter().zip(self.kept).enumerate() {
            let a = rows(kept.gates.as_ptr(), C::SLOTS * hp, layout.external.len());
            let w_ih = self.inputs.weights[d].w_ih.as_ptr();
            let mut b = vec![zeros.as_ptr(); C::GATES * hp];
            for gate in 0..C::GATES {
                for unit in 0..hidden {
                    b[C::x_slot(gate) * hp + unit] =
                        w_ih.wrapping_add((gate * hidden + unit) * input);
                }
            }
            let base: *mut f32 = d_x.as_mut_ptr().cast();
            let c: Vec<*mut f32> = layout
                .external
                .iter()
                .map(|row| base.wrapping_add(row * input))
                .collect();
            let product = Product {
                n: input,
                k: if hidden == 0 { 0 } else { C::GATES * hp },
                a: Left::Rows(&a),
                b: Right::Rows(&b),
                c: &c,
                accumulate: d > 0,
                bias: None,
            };
            // SAFETY: rows of d_gates, W_ih and d_x have the lengths of the plan.
            unsafe { product.run::<N>(self.level, self.threads) }
        }
        // SAFETY: the product of the first direction has written every real step; the rest is zeros.
        unsafe { written(d_x) }
    }

    /// Sums of the slots of d_gates over all rows.
    fn sums<C: CellKernel>(&self, d: usize) -> Vec<f32> {
        let width = C::SLOTS * self.hp;
        let mut sums = vec![0.0; width];
        let to = SharedPtr(sums.as_mut_ptr());
        let vectors = width / lanes(self.level);
        let threads = self.threads.clamp(1, vectors.max(1));
        pool::run(threads, |id| {
            let part = ColumnSums {
                values: &self.kept[d].gates,
                width,
                vectors: share(vectors, id, threads),
                sums: to,
            };
            dispatch(self.level, part);
        });
        sums
    }

    /// d_W_ih = d_gatesᵀ·X, d_W_hh = d_gatesᵀ·H_prev, and the biases from the sums.
    pub(super) fn weights<C: CellKernel, N: Float>(&self, d: usize, h0: &[f32]) -> WeightGradients {
        let (input, hidden, hp) = (self.plan.input, self.plan.hidden, self.hp);
        let (layout, stride) = (&self.layouts[d], self.layouts.len() * hidden);
        let x: Vec<*const f32> = layout
            .external
            .iter()
            .map(|row| self.inputs.x.as_ptr().wrapping_add(row * input))
            .collect();
        let mut h_prev = rows(h0.as_ptr(), hp, layout.active(0));
        for step in 1..layout.steps() {
            let before = layout.first[step - 1];
            h_prev.extend((0..layout.active(step)).map(|rank| {
                let row = layout.external[before + rank];
                self.y.as_ptr().wrapping_add(row * stride + d * hidden)
            }));
        }
        let sums = self.sums::<C>(d);
        let gathered = |slot: fn(usize) -> usize| -> Vec<f32> {
            (0..C::GATES)
                .flat_map(|gate| &sums[slot(gate) * hp..slot(gate) * hp + hidden])
                .copied()
                .collect()
        };
        WeightGradients {
            d_w_ih: self.over_rows::<C, N>(d, C::x_slot, &x, input),
            d_w_hh: self.over_rows::<C, N>(d, C::h_slot, &h_prev, hidden),
            d_b_ih: gathered(C::x_slot),
            d_b_hh: gathered(C::h_slot),
        }
    }

    /// d_gatesᵀ·B for `B` of `n` columns, `[G·H,n]`.
    fn over_rows<C: CellKernel, N: Float>(
        &self,
        d: usize,
        slot: fn(usize) -> usize,
        b: &[*const f32],
        n: usize,
    ) -> Vec<f32> {
        let first = (0..C::GATES).map(slot).min().unwrap_or(0);
        let (hidden, hp) = (self.plan.hidden, self.hp);
        // The gates' slots stand one behind the other: what belongs to padded units has no row in the result.
        let gates = self.kept[d].gates.as_ptr().wrapping_add(first * hp);
        let a = rows(gates, C::SLOTS * hp, b.len());
        let mut out = unwritten(C::GATES * hidden * n);
        let mut c = vec![std::ptr::null_mut(); C::GATES * hp];
        for gate in 0..C::GATES {
            let to = (slot(gate) - first) * hp;
            let base: *mut f32 = out.as_mut_ptr().cast();
            let own = rows_mut(base.wrapping_add(gate * hidden * n), n, hidden);
            c[to..to + hidden].copy_from_slice(&own);
        }
        let product = Product {
            n,
            k: b.len(),
            a: Left::Transposed(&a),
            b: Right::Rows(b),
            c: &c,
            accumulate: false,
            bias: None,
        };
        // SAFETY: rows of d_gates and B have the lengths of the plan, the output its own, all of which the product writes.
        unsafe {
            product.run::<N>(self.level, self.threads);
            written(out)
        }
    }
}

/// Sums over rows of neighbouring values, some vectors of columns a thread.
struct ColumnSums<'a> {
    values: &'a [f32],
    width: usize,
    /// Vectors of columns.
    vectors: Range<usize>,
    sums: SharedPtr<f32>,
}

/// Vectors that are summed at once.
const AT_ONCE: usize = 8;

impl Kernel for ColumnSums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut first = self.vectors.start;
        while first < self.vectors.end {
            // SAFETY: columns inside the rows, whose width is a multiple of LANES; these sums are this thread's own.
            first += unsafe {
                match self.vectors.end - first >= AT_ONCE {
                    true => self.some::<S, AT_ONCE>(first),
                    false => self.some::<S, 1>(first),
                }
            };
        }
    }
}

impl ColumnSums<'_> {
    /// Sums `NV` vectors from `first` on; gives their number.
    #[inline(always)]
    unsafe fn some<S: Simd, const NV: usize>(&self, first: usize) -> usize {
        // SAFETY: as `run` promises.
        unsafe {
            let mut sums = [S::splat(0.0); NV];
            for row in self.values.chunks_exact(self.width) {
                for (v, sum) in sums.iter_mut().enumerate() {
                    let value = S::load(row.as_ptr().add((first + v) * S::LANES));
                    *sum = S::add(*sum, value);
                }
            }
            for (v, sum) in sums.into_iter().enumerate() {
                S::store(self.sums.get().add((first + v) * S::LANES), sum);
            }
            NV
        }
    }
}
