//! What the register tiles multiply: `f32`, or pairs of bfloat16 accumulated in `f32`.
//!
//! Operands of a product stand in *words* of 32 bits, one `f32` or two neighbouring bf16 along k (the first in the low half), so that both
//! numbers share packing, tiles and drivers. A bf16 is an `f32` rounded to the nearest with eight bits of fraction; products of two are exact
//! in `f32`.

use crate::simd::{Simd, Tables};
use crate::tile::Table;

/// What the products of a layer multiply. Sums, activations and states are `f32` in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 24 bits of fraction.
    #[default]
    F32,
    /// bfloat16: 8 bits of fraction, half the memory, and twice the speed where the machine multiplies it (AVX512_BF16).
    Bf16,
}

/// A number of the tiles.
pub(crate) trait Number: Copy + Send + Sync + 'static {
    /// Values in a word.
    const PACK: usize;

    /// The register tiles.
    fn tiles<S: Simd>(tables: &'static Tables) -> &'static Table;

    /// `acc + Σ a·b` over the values of a word.
    ///
    /// # Safety
    /// As [`Simd`].
    unsafe fn multiply_add<S: Simd>(a: S::V, b: S::V, acc: S::V) -> S::V;

    /// Words of LANES columns from the `PACK` rows of k that they hold, `second` zero past the end.
    ///
    /// # Safety
    /// As [`Simd`].
    unsafe fn words<S: Simd>(first: S::V, second: S::V) -> S::V;

    /// Stores LANES neighbouring values as words at value `at` of `dst`.
    ///
    /// # Safety
    /// As [`Simd`]; `at` is a multiple of LANES.
    unsafe fn store<S: Simd>(dst: *mut f32, at: usize, v: S::V);

    /// Words for `values` neighbouring values.
    fn count(values: usize) -> usize {
        values.div_ceil(Self::PACK)
    }
}

#[derive(Clone, Copy)]
pub(crate) struct F32;

impl Number for F32 {
    const PACK: usize = 1;

    fn tiles<S: Simd>(tables: &'static Tables) -> &'static Table {
        &tables.f32
    }

    #[inline(always)]
    unsafe fn multiply_add<S: Simd>(a: S::V, b: S::V, acc: S::V) -> S::V {
        // SAFETY: as the caller promises.
        unsafe { S::fma(a, b, acc) }
    }

    #[inline(always)]
    unsafe fn words<S: Simd>(first: S::V, _: S::V) -> S::V {
        first
    }

    #[inline(always)]
    unsafe fn store<S: Simd>(dst: *mut f32, at: usize, v: S::V) {
        // SAFETY: as the caller promises.
        unsafe { S::store(dst.add(at), v) }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Bf16;

impl Number for Bf16 {
    const PACK: usize = 2;

    fn tiles<S: Simd>(tables: &'static Tables) -> &'static Table {
        &tables.bf16
    }

    #[inline(always)]
    unsafe fn multiply_add<S: Simd>(a: S::V, b: S::V, acc: S::V) -> S::V {
        // SAFETY: as the caller promises.
        unsafe { S::dot2(a, b, acc) }
    }

    #[inline(always)]
    unsafe fn words<S: Simd>(first: S::V, second: S::V) -> S::V {
        // SAFETY: as the caller promises.
        unsafe { S::pair(S::round_bf16(first), S::round_bf16(second)) }
    }

    #[inline(always)]
    unsafe fn store<S: Simd>(dst: *mut f32, at: usize, v: S::V) {
        // SAFETY: as the caller promises.
        unsafe { S::store_bf16(dst.cast::<u16>().add(at), S::round_bf16(v)) }
    }
}

/// `x` rounded to the nearest bf16, ties to even; its bits are the upper half of an `f32`'s.
#[inline(always)]
pub(crate) fn bf16_bits(x: f32) -> u16 {
    let bits = x.to_bits();
    if x.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// `count` words from neighbouring values, the last one filled up with zeros.
///
/// # Safety
/// `src` is valid for `values`, `dst` for `N::count(values)`.
#[inline(always)]
pub(crate) unsafe fn store_row<S: Simd, N: Number>(src: *const f32, values: usize, dst: *mut f32) {
    let whole = values / S::LANES * S::LANES;
    // SAFETY: as the caller promises.
    unsafe {
        for at in (0..whole).step_by(S::LANES) {
            N::store::<S>(dst, at, S::load(src.add(at)));
        }
        for at in (whole..values).step_by(N::PACK) {
            let first = *src.add(at);
            let word = if N::PACK == 1 {
                first
            } else {
                let second = if at + 1 < values {
                    *src.add(at + 1)
                } else {
                    0.0
                };
                f32::from_bits(u32::from(bf16_bits(first)) | u32::from(bf16_bits(second)) << 16)
            };
            *dst.add(at / N::PACK) = word;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_to_bf16_is_to_the_nearest_with_ties_to_even() {
        let back = |bits: u16| f32::from_bits(u32::from(bits) << 16);
        for (x, expected) in [
            (0.0, 0.0),
            (1.0, 1.0),
            (-1.5, -1.5),
            (1.0 + 1.0 / 256.0, 1.0),
            (1.0 + 3.0 / 256.0, 1.0 + 4.0 / 256.0),
            (1.0 + 1.01 / 256.0, 1.0 + 2.0 / 256.0),
            (f32::MAX, f32::INFINITY),
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
        ] {
            assert_eq!(back(bf16_bits(x)), expected, "{x}");
        }
        assert!(back(bf16_bits(f32::NAN)).is_nan());
        assert!(back(bf16_bits(f32::from_bits(0x7fff_ffff))).is_nan());
    }
}
