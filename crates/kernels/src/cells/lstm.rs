//! LSTM (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000), gates in the order i, f, g, o:
//!
//! ```text
//! a = W_ih x + b_ih + W_hh h + b_hh      i, f, o = σ(a_i), σ(a_f), σ(a_o)      g = tanh(a_g)
//! c' = f⊙c + i⊙g                         h' = o⊙tanh(c')
//! ```
//! Backward: d_c' += d_h'⊙o⊙(1 − tanh²c'), then d_a_i = d_c'⊙g⊙i(1−i), d_a_f = d_c'⊙c⊙f(1−f), d_a_g = d_c'⊙i⊙(1−g²),
//! d_a_o = d_h'⊙tanh(c')⊙o(1−o), d_c = d_c'⊙f, d_h = W_hhᵀ d_a.

use super::{BackwardAt, CellKernel, ForwardAt, flushed};
use crate::act::{sigmoid, tanh};
use crate::simd::Simd;

#[derive(Clone, Copy)]
pub(crate) struct Lstm;

impl CellKernel for Lstm {
    const GATES: usize = 4;
    const SLOTS: usize = 4;
    const MEMORY: bool = true;

    #[inline(always)]
    unsafe fn activate<S: Simd>(acc: &[S::V; 4], at: &ForwardAt) -> [S::V; 2] {
        // SAFETY: the caller has the instruction set, and `at` points at LANES units in every slot that is touched.
        unsafe {
            let (i, f) = (sigmoid::<S>(acc[0]), sigmoid::<S>(acc[1]));
            let (g, o) = (tanh::<S>(acc[2]), sigmoid::<S>(acc[3]));
            let c = S::fma(f, S::load(at.c), S::mul(i, g));
            S::store(at.c, c);
            if at.keep {
                S::store(at.gates, i);
                S::store(at.gates.add(at.hp), f);
                S::store(at.gates.add(2 * at.hp), g);
                S::store(at.gates.add(3 * at.hp), o);
                S::store(at.cells, c);
            }
            [o, c]
        }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>([o, c]: [S::V; 2], _: &ForwardAt) -> S::V {
        // SAFETY: only vectors in registers, with the instruction set that the caller has.
        unsafe { S::mul(o, tanh::<S>(c)) }
    }

    #[inline(always)]
    unsafe fn backward<S: Simd>(d_h: S::V, at: &BackwardAt<S>) -> [S::V; 4] {
        // SAFETY: the caller has the instruction set, and `at` points at LANES units in every slot that is touched.
        unsafe {
            let one = S::splat(1.0);
            let i = S::load(at.gates);
            let f = S::load(at.gates.add(at.hp));
            let g = S::load(at.gates.add(2 * at.hp));
            let o = S::load(at.gates.add(3 * at.hp));
            let t = tanh::<S>(S::load(at.c));
            let d_t = S::sub(one, S::mul(t, t));
            let d_h = flushed::<S>(d_h);
            let d_c = flushed::<S>(S::fma(S::mul(d_h, o), d_t, S::load(at.carry)));
            S::store(at.carry, S::mul(d_c, f));
            let slope = |y: S::V| S::mul(y, S::sub(one, y));
            [
                S::mul(S::mul(d_c, g), slope(i)),
                S::mul(S::mul(d_c, S::load(at.c_prev)), slope(f)),
                S::mul(S::mul(d_c, i), S::sub(one, S::mul(g, g))),
                S::mul(S::mul(d_h, t), slope(o)),
            ]
        }
    }
}
