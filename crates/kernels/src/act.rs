//! exp, tanh and σ on vectors: at most 2e-7 relative or 1e-7 absolute from the exact value over the whole range (tested).
//! NaN stays NaN.

use crate::simd::{Kernel, Level, Simd, dispatch};

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts, so that n·LN2_HI is exact for the n that occur (Cody & Waite 1980).
const LN2_HI: f32 = 0.693_359_4;
const LN2_LO: f32 = -2.121_944_4e-4;
/// Minimax coefficients of (eʳ − 1 − r)/r² on ±ln2/2, highest power first (Cephes `expf`).
const EXP: [f32; 6] = [
    1.987_569_1e-4,
    1.398_199_9e-3,
    8.333_452e-3,
    4.166_579_6e-2,
    1.666_666_5e-1,
    5e-1,
];

/// (n, eʳ − 1) with x = n·ln 2 + r.
#[inline(always)]
unsafe fn reduce<S: Simd>(x: S::V) -> (S::V, S::V) {
    // SAFETY: the caller has the instruction set of `S`.
    unsafe {
        let n = S::round(S::mul(x, S::splat(LOG2_E)));
        let r = S::fma(n, S::splat(-LN2_HI), x);
        let r = S::fma(n, S::splat(-LN2_LO), r);
        let mut p = S::splat(EXP[0]);
        for c in &EXP[1..] {
            p = S::fma(p, r, S::splat(*c));
        }
        (n, S::fma(S::mul(r, r), p, r))
    }
}

/// eˣ for x clamped to ±87.
#[inline(always)]
pub(crate) unsafe fn exp<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller has the instruction set of `S`.
    unsafe {
        let x = S::min(S::splat(87.0), S::max(S::splat(-87.0), x));
        let (n, p) = reduce::<S>(x);
        S::scale2(S::add(p, S::splat(1.0)), n)
    }
}

/// σ(x) = 1/(1 + e⁻ˣ)
#[inline(always)]
pub(crate) unsafe fn sigmoid<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller has the instruction set of `S`.
    unsafe {
        let one = S::splat(1.0);
        let e = exp::<S>(S::sub(S::splat(0.0), x));
        S::div(one, S::add(one, e))
    }
}

/// tanh x = −m/(2 + m) with m = e^(−2|x|) − 1, which keeps its relative accuracy near zero.
#[inline(always)]
pub(crate) unsafe fn tanh<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller has the instruction set of `S`.
    unsafe {
        let z = S::min(S::splat(20.0), S::abs(x));
        let (n, p) = reduce::<S>(S::mul(z, S::splat(-2.0)));
        let power = S::scale2(S::splat(1.0), n);
        let m = S::fma(power, p, S::sub(power, S::splat(1.0)));
        let t = S::div(m, S::add(S::splat(2.0), m));
        S::copysign(t, x)
    }
}

/// An activation over a slice, in place; for tests and for small layers of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// eˣ, with x clamped to ±87.
    Exp,
    /// Hyperbolic tangent.
    Tanh,
    /// 1/(1 + e⁻ˣ).
    Sigmoid,
}

impl Activation {
    /// Replaces every element by its activation.
    pub fn apply(self, values: &mut [f32]) {
        self.apply_at(Level::best(), values);
    }

    /// [`Self::apply`] with the instruction set named.
    pub fn apply_at(self, level: Level, values: &mut [f32]) {
        struct Apply<'a>(Activation, &'a mut [f32]);
        impl Kernel for Apply<'_> {
            type Output = ();
            #[inline(always)]
            unsafe fn run<S: Simd>(self) {
                for chunk in self.1.chunks_mut(S::LANES) {
                    let n = chunk.len();
                    // SAFETY: partial access to exactly the chunk; the dispatcher has checked the instruction set.
                    unsafe {
                        let whole = n == S::LANES;
                        let x = match whole {
                            true => S::load(chunk.as_ptr()),
                            false => S::load_partial(chunk.as_ptr(), n),
                        };
                        let y = match self.0 {
                            Activation::Exp => exp::<S>(x),
                            Activation::Tanh => tanh::<S>(x),
                            Activation::Sigmoid => sigmoid::<S>(x),
                        };
                        match whole {
                            true => S::store(chunk.as_mut_ptr(), y),
                            false => S::store_partial(chunk.as_mut_ptr(), y, n),
                        }
                    }
                }
            }
        }
        dispatch(level, Apply(self, values));
    }
}
