//! exp, tanh and σ on vectors: at most 2e-7 relative or 1e-7 absolute from the exact value over the whole range
//! (tested). NaN stays NaN.

use crate::simd::Simd;

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

/// eˣ for x clamped to ±87: 2ⁿ·eʳ with x = n·ln 2 + r.
///
/// # Safety
/// As [`Simd`]: the instruction set of `S` is present.
#[inline(always)]
pub(crate) unsafe fn exp<S: Simd>(x: S::V) -> S::V {
    // SAFETY: only vectors in registers, with the instruction set that the caller has.
    unsafe {
        let x = S::min(S::splat(87.0), S::max(S::splat(-87.0), x));
        let n = S::round(S::mul(x, S::splat(LOG2_E)));
        let r = S::fma(n, S::splat(-LN2_HI), x);
        let r = S::fma(n, S::splat(-LN2_LO), r);
        let mut p = S::splat(EXP[0]);
        for c in &EXP[1..] {
            p = S::fma(p, r, S::splat(*c));
        }
        let p = S::fma(S::mul(r, r), p, r);
        S::scale2(S::add(p, S::splat(1.0)), n)
    }
}

/// Minimax coefficients of (2ʳ − 1)/r on ±½, highest power first: within 2e-8 of it.
const POWER: [f32; 6] = [
    1.546_156_4e-4,
    1.339_098_2e-3,
    9.618_056e-3,
    5.550_357e-2,
    0.240_226_5,
    std::f32::consts::LN_2,
];

/// (n, r, q) with eˣ = 2ⁿ·(1 + r·q) for x = `t`·ln 2.
///
/// Rounding `t` costs more accuracy of eˣ than [`exp`] may lose, but the part of it that is left in σ and tanh is less
/// than their own rounding. Each operation waits for the one before it, so the polynomial is evaluated in pairs (Estrin
/// 1960).
///
/// # Safety
/// As [`Simd`]: the instruction set of `S` is present.
#[inline(always)]
unsafe fn power<S: Simd>(t: S::V) -> (S::V, S::V, S::V) {
    // SAFETY: only vectors in registers, with the instruction set that the caller has.
    unsafe {
        let n = S::round(t);
        let r = S::sub(t, n);
        let pair = |i: usize| S::fma(S::splat(POWER[i]), r, S::splat(POWER[i + 1]));
        let square = S::mul(r, r);
        let q = S::fma(pair(0), square, pair(2));
        (n, r, S::fma(q, square, pair(4)))
    }
}

/// σ(x) = 1/(1 + e⁻ˣ)
///
/// # Safety
/// As [`Simd`]: the instruction set of `S` is present.
#[inline(always)]
pub(crate) unsafe fn sigmoid<S: Simd>(x: S::V) -> S::V {
    // SAFETY: only vectors in registers, with the instruction set that the caller has.
    unsafe {
        let one = S::splat(1.0);
        let t = S::mul(x, S::splat(-LOG2_E));
        let t = S::min(S::splat(126.0), S::max(S::splat(-126.0), t));
        let (n, r, q) = power::<S>(t);
        let e = S::scale2(S::fma(r, q, one), n);
        S::recip(S::add(one, e))
    }
}

/// tanh x = m/(2 + m) with m = e^(2x) − 1, which keeps its relative accuracy near zero.
///
/// # Safety
/// As [`Simd`]: the instruction set of `S` is present.
#[inline(always)]
pub(crate) unsafe fn tanh<S: Simd>(x: S::V) -> S::V {
    // SAFETY: only vectors in registers, with the instruction set that the caller has.
    unsafe {
        let t = S::mul(x, S::splat(2.0 * LOG2_E));
        let t = S::min(S::splat(60.0), S::max(S::splat(-60.0), t));
        let (n, r, q) = power::<S>(t);
        let one = S::splat(1.0);
        let power = S::scale2(one, n);
        let r = S::mul(power, r);
        let m = S::fma(r, q, S::sub(power, one));
        S::mul(m, S::recip(S::fma(r, q, S::add(power, one))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Kernel, Level, dispatch};

    /// An activation over a slice, in place.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Activation {
        /// eˣ, with x clamped to ±87.
        Exp,
        /// Hyperbolic tangent.
        Tanh,
        /// 1/(1 + e⁻ˣ).
        Sigmoid,
    }

    impl Activation {
        /// Replaces every element by its activation.
        fn apply(self, level: Level, values: &mut [f32]) {
            struct Apply<'a>(Activation, &'a mut [f32]);
            impl Kernel for Apply<'_> {
                type Output = ();
                #[inline(always)]
                unsafe fn run<S: Simd>(self) {
                    for chunk in self.1.chunks_mut(S::LANES) {
                        let n = chunk.len();
                        // SAFETY: a whole chunk has LANES elements, and of another one only its n are touched; the
                        // caller has the instruction set.
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

    /// Every float of a dense grid, with the awkward ones.
    fn inputs() -> Vec<f32> {
        let mut all: Vec<f32> = (-400_000..=400_000).map(|i| i as f32 * 2.5e-4).collect();
        all.extend((0..2_000).map(|i| 10f32.powf(-8.0 + i as f32 * 0.005)));
        all.extend((0..2_000).map(|i| -(10f32.powf(-8.0 + i as f32 * 0.005))));
        all.extend([
            0.0,
            -0.0,
            f32::MIN_POSITIVE,
            1e30,
            -1e30,
            f32::MAX,
            f32::MIN,
            f32::INFINITY,
            f32::NEG_INFINITY,
        ]);
        all
    }

    fn check(activation: Activation, exact: impl Fn(f64) -> f64) {
        let x = inputs();
        for level in Level::available() {
            let mut y = x.clone();
            activation.apply(level, &mut y);
            for (&x, &y) in x.iter().zip(&y) {
                let expected = exact(f64::from(x));
                let error = (f64::from(y) - expected).abs();
                let within = error <= 1e-7 || error <= 2e-7 * expected.abs();
                assert!(
                    within,
                    "{activation:?}({x}) = {y}, not {expected}, on {}",
                    level.name()
                );
            }
            let mut nan = [f32::NAN; 3];
            activation.apply(level, &mut nan);
            assert!(
                nan.iter().all(|y| y.is_nan()),
                "{activation:?}(NaN) = {nan:?} on {}",
                level.name()
            );
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "too much work for Miri, and no unsafe code")]
    fn tanh_is_within_its_bound() {
        check(Activation::Tanh, f64::tanh);
    }

    #[test]
    #[cfg_attr(miri, ignore = "too much work for Miri, and no unsafe code")]
    fn sigmoid_is_within_its_bound() {
        check(Activation::Sigmoid, |x| 1.0 / (1.0 + (-x).exp()));
    }

    #[test]
    #[cfg_attr(miri, ignore = "too much work for Miri, and no unsafe code")]
    fn exp_is_within_its_bound() {
        check(Activation::Exp, |x| x.clamp(-87.0, 87.0).exp());
    }
}
