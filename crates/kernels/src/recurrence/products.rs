//! The products over all rows that follow the backward loop.

use super::{Kept, room, row_of_gates};
use crate::call::{Inputs, Plan, WeightGradients};
use crate::cells::CellKernel;
use crate::error::KernelError;
use crate::layout::Layout;
use crate::number::Float;
use crate::pool::SharedPtr;
use crate::product::{Columns, Left, Product, Right, in_one_block, rows, rows_mut};
use crate::scratch::{unwritten, written};
use crate::simd::Level;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Operands of the products.
pub(super) struct Products<'a> {
    /// The call's name in errors.
    pub op: &'static str,
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
    pub fn d_x<C: CellKernel, N: Float>(&self) -> Result<Vec<f32>, KernelError> {
        let (input, hidden, hp) = (self.plan.input, self.plan.hidden, self.hp);
        let mut d_x = room(self.op, "d_x", self.plan, input)?;
        if hidden == 0 {
            // SAFETY: without hidden units, `room` has filled it with zeros.
            return Ok(unsafe { written(d_x) });
        }
        let zeros = vec![0.0; input];
        for (d, (layout, kept)) in self.layouts.iter().zip(self.kept).enumerate() {
            let gates = kept.gates.as_ptr().cast();
            let a = rows(gates, row_of_gates::<C>(hp), layout.external.len());
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
            let columns = Columns {
                n: input,
                b: Right::Rows(&b),
                c: &c,
                bias: None,
            };
            let product = Product {
                k: C::GATES * hp,
                a: Left::Rows(&a),
                columns: &[columns],
                accumulate: d > 0,
                sums: None,
            };
            // SAFETY: k values of a row of d_gates are C::GATES slots of hp units, which are fewer than its SLOTS; rows
            // of W_ih (or zeros) and of d_x have `input` values. The rows of d_x are those of distinct steps.
            unsafe { product.run::<N>(self.level, self.threads) }
        }
        // SAFETY: the product of the first direction has written the row of every real step. `room` has written zeros
        // if there may be other steps.
        Ok(unsafe { written(d_x) })
    }

    /// d_W_ih = d_gatesᵀ·X, d_W_hh = d_gatesᵀ·H_prev, and the biases as sums over the rows of d_gates, of direction `d`
    /// with the initial states `h0` by rank, `[B,hp]`.
    pub fn weights<C: CellKernel, N: Float>(
        &self,
        d: usize,
        h0: &[f32],
    ) -> Result<WeightGradients, KernelError> {
        let (input, hidden, hp) = (self.plan.input, self.plan.hidden, self.hp);
        let layout = &self.layouts[d];
        let stride = self.layouts.len() * hidden;
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
        let mut sums = vec![0.0; C::SLOTS * hp];
        let of_x = Side::new::<C>(self.op, C::x_slot, [hidden, input, hp])?;
        let of_h = Side::new::<C>(self.op, C::h_slot, [hidden, hidden, hp])?;
        // One product for both X and H_prev reads d_gates once, if both fit in one block; else each has its own.
        let vectors = [input, hidden].map(|n| n.div_ceil(self.level.lanes()));
        let at_once = C::H_FIRST == 0 || in_one_block(N::count(x.len()), vectors.iter().sum());
        let parts = match at_once {
            true => vec![
                (0..C::H_FIRST, true, false),
                (C::H_FIRST..C::GATES, true, true),
                (C::GATES..C::SLOTS, false, true),
            ],
            false => vec![
                (0..C::GATES, true, false),
                (C::H_FIRST..C::SLOTS, false, true),
            ],
        };
        for (slots, with_x, with_h) in parts {
            if slots.is_empty() {
                continue;
            }
            let x_columns = with_x.then(|| of_x.columns(&x, slots.clone()));
            let h_columns = with_h.then(|| of_h.columns(&h_prev, slots.clone()));
            let columns: Vec<Columns> = x_columns.into_iter().chain(h_columns).collect();
            let gates = self.kept[d].gates.as_ptr().cast::<f32>();
            let gates = gates.wrapping_add(slots.start * hp);
            let product = Product {
                k: x.len(),
                a: Left::Transposed(&rows(gates, row_of_gates::<C>(hp), x.len())),
                columns: &columns,
                accumulate: false,
                sums: Some(SharedPtr(sums.as_mut_ptr().wrapping_add(slots.start * hp))),
            };
            // SAFETY: from slot `slots.start` on, rows of d_gates have the values of all `slots`; rows of X have
            // `input` and rows of H_prev `hidden` values. The rows of `Side` are disjoint parts of its `out`, and the
            // sums are hp values a slot.
            unsafe { product.run::<N>(self.level, self.threads) }
        }
        let bias = |slot: fn(usize) -> usize| -> Vec<f32> {
            (0..C::GATES)
                .flat_map(|gate| &sums[slot(gate) * hp..slot(gate) * hp + hidden])
                .copied()
                .collect()
        };
        // SAFETY: `parts` covers every slot of either side, and the product of a part writes the rows of its slots.
        let [d_w_ih, d_w_hh] = [of_x.out, of_h.out].map(|out| unsafe { written(out) });
        Ok(WeightGradients {
            d_w_ih,
            d_w_hh,
            d_b_ih: bias(C::x_slot),
            d_b_hh: bias(C::h_slot),
        })
    }
}

/// The gradient of one side's weights, `[G·H,n]`, while it is computed.
struct Side {
    n: usize,
    hp: usize,
    out: Vec<MaybeUninit<f32>>,
    /// Its row for each unit of each slot; null for padded units and slots of the other side.
    rows: Vec<*mut f32>,
}

impl Side {
    fn new<C: CellKernel>(
        op: &'static str,
        slot: fn(usize) -> usize,
        [hidden, n, hp]: [usize; 3],
    ) -> Result<Self, KernelError> {
        let mut out = unwritten(op, "gradient of the weights", &[C::GATES, hidden, n])?;
        let base: *mut f32 = out.as_mut_ptr().cast();
        let mut rows = vec![std::ptr::null_mut(); C::SLOTS * hp];
        for gate in 0..C::GATES {
            let of_gate = rows_mut(base.wrapping_add(gate * hidden * n), n, hidden);
            rows[slot(gate) * hp..][..hidden].copy_from_slice(&of_gate);
        }
        Ok(Self { n, hp, out, rows })
    }

    /// The right operand `b` for some slots.
    fn columns<'a>(&'a self, b: &'a [*const f32], slots: Range<usize>) -> Columns<'a> {
        Columns {
            n: self.n,
            b: Right::Rows(b),
            c: &self.rows[slots.start * self.hp..slots.end * self.hp],
            bias: None,
        }
    }
}
