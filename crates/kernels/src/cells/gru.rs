//! GRU as PyTorch and cuDNN compute it (Cho et al. 2014, v3: the reset gate after the product), gates in the order r,
//! z, n:
//!
//! ```text
//! r, z = σ(W x + b + U h + b')           n = tanh(W_n x + b_n + r⊙u)   with u = U_n h + b'_n
//! h' = z⊙h + (1 − z)⊙n
//! ```
//! Backward: d_a_n = d_h'⊙(1−z)⊙(1−n²), d_a_z = d_h'⊙(h−n)⊙z(1−z), d_a_r = d_a_n⊙u⊙r(1−r), d_u = d_a_n⊙r,
//! d_h = d_h'⊙z + Uᵀ(d_a_r, d_a_z, d_u).
//!
//! A row keeps n, r, z, u in this order: x needs the first three slots, h the last three.

use super::{BackwardAt, CellKernel, ForwardAt, flushed};
use crate::act::{sigmoid, tanh};
use crate::simd::Simd;

#[derive(Clone, Copy)]
pub(crate) struct Gru;

impl CellKernel for Gru {
    const GATES: usize = 3;
    const SLOTS: usize = 4;
    const H_FIRST: usize = 1;
    const INNER: Option<usize> = Some(2);
    const H_PREV: bool = true;

    fn x_slot(gate: usize) -> usize {
        (gate + 1) % 3
    }

    fn h_slot(gate: usize) -> usize {
        gate + 1
    }

    #[inline(always)]
    unsafe fn activate<S: Simd>(acc: &[S::V; 4], at: &ForwardAt) -> [S::V; 2] {
        // SAFETY: the caller has the instruction set, and `at` points at LANES units in every slot that is touched.
        unsafe {
            let (r, z) = (sigmoid::<S>(acc[0]), sigmoid::<S>(acc[1]));
            let a_n = S::fma(r, acc[2], acc[3]);
            if at.keep {
                S::store(at.gates.add(at.hp), r);
                S::store(at.gates.add(2 * at.hp), z);
                S::store(at.gates.add(3 * at.hp), acc[2]);
            }
            [a_n, z]
        }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>([a_n, z]: [S::V; 2], at: &ForwardAt) -> S::V {
        // SAFETY: the caller has the instruction set, and `at` points at LANES units in every slot that is touched.
        unsafe {
            let n = tanh::<S>(a_n);
            if at.keep {
                S::store(at.gates, n);
            }
            S::fma(z, S::sub(S::load(at.h_prev), n), n)
        }
    }

    #[inline(always)]
    unsafe fn backward<S: Simd>(d_h: S::V, at: &BackwardAt<S>) -> [S::V; 4] {
        // SAFETY: the caller has the instruction set, and `at` points at LANES units in every slot that is touched.
        unsafe {
            let one = S::splat(1.0);
            let n = S::load(at.gates);
            let r = S::load(at.gates.add(at.hp));
            let z = S::load(at.gates.add(2 * at.hp));
            let u = S::load(at.gates.add(3 * at.hp));
            let d_h = flushed::<S>(S::add(d_h, S::load(at.carry)));
            S::store(at.carry, S::mul(d_h, z));
            let slope = |y: S::V| S::mul(y, S::sub(one, y));
            let d_n = S::mul(S::mul(d_h, S::sub(one, z)), S::sub(one, S::mul(n, n)));
            let d_z = S::mul(S::mul(d_h, S::sub(at.h_prev, n)), slope(z));
            let d_r = S::mul(S::mul(d_n, u), slope(r));
            [d_n, d_r, d_z, S::mul(d_n, r)]
        }
    }
}
