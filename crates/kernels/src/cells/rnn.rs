//! Vanilla RNN (Elman 1990): h' = f(W_ih x + b_ih + W_hh h + b_hh) with f = tanh or max(0, ·).
//!
//! Backward: d_a = d_h'⊙f'(a), with f' from h' itself: 1 − h'² or [h' > 0]; d_h = W_hhᵀ d_a. A row keeps h'.

use super::{BackwardAt, CellKernel, ForwardAt, flushed};
use crate::act;
use crate::simd::Simd;
use std::marker::PhantomData;

pub(crate) trait Nonlinearity: Copy + Send + Sync + 'static {
    /// f(a)
    ///
    /// # Safety
    /// As [`Simd`]: the instruction set of `S` is present.
    unsafe fn apply<S: Simd>(a: S::V) -> S::V;
    /// d·f'(a), from h = f(a).
    ///
    /// # Safety
    /// As [`Simd`]: the instruction set of `S` is present.
    unsafe fn slope<S: Simd>(h: S::V, d: S::V) -> S::V;
}

#[derive(Clone, Copy)]
pub(crate) struct Tanh;
#[derive(Clone, Copy)]
pub(crate) struct Relu;

impl Nonlinearity for Tanh {
    #[inline(always)]
    unsafe fn apply<S: Simd>(a: S::V) -> S::V {
        // SAFETY: only vectors in registers, with the instruction set that the caller has.
        unsafe { act::tanh::<S>(a) }
    }
    #[inline(always)]
    unsafe fn slope<S: Simd>(h: S::V, d: S::V) -> S::V {
        // SAFETY: only vectors in registers, with the instruction set that the caller has.
        unsafe { S::mul(d, S::sub(S::splat(1.0), S::mul(h, h))) }
    }
}

impl Nonlinearity for Relu {
    #[inline(always)]
    unsafe fn apply<S: Simd>(a: S::V) -> S::V {
        // SAFETY: only vectors in registers, with the instruction set that the caller has. (NaN passes: max gives its
        // second argument then.)
        unsafe { S::max(S::splat(0.0), a) }
    }
    #[inline(always)]
    unsafe fn slope<S: Simd>(h: S::V, d: S::V) -> S::V {
        // SAFETY: only vectors in registers, with the instruction set that the caller has.
        unsafe { S::where_positive(h, d) }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Rnn<N>(PhantomData<N>);

impl<N: Nonlinearity> CellKernel for Rnn<N> {
    const GATES: usize = 1;
    const SLOTS: usize = 1;

    #[inline(always)]
    unsafe fn activate<S: Simd>(acc: &[S::V; 4], _: &ForwardAt) -> [S::V; 2] {
        [acc[0]; 2]
    }

    #[inline(always)]
    unsafe fn output<S: Simd>([a, _]: [S::V; 2], at: &ForwardAt) -> S::V {
        // SAFETY: the caller has the instruction set, and `at` points at LANES units in every slot that is touched.
        unsafe {
            let h = N::apply::<S>(a);
            if at.keep {
                S::store(at.gates, h);
            }
            h
        }
    }

    #[inline(always)]
    unsafe fn backward<S: Simd>(d_h: S::V, at: &BackwardAt<S>) -> [S::V; 4] {
        // SAFETY: the caller has the instruction set, and `at` points at LANES units in every slot that is touched.
        unsafe {
            let zero = S::splat(0.0);
            let d_h = flushed::<S>(d_h);
            [N::slope::<S>(S::load(at.gates), d_h), zero, zero, zero]
        }
    }
}
