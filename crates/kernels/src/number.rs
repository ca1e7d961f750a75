//! What the register tiles multiply: `f32`, pairs of bfloat16 accumulated in `f32`, or quadruples of bytes accumulated in integers.
//!
//! Operands of a product stand in *words* of 32 bits, one `f32`, two neighbouring bf16 along k (the first in the low half) or four
//! neighbouring bytes, so that all numbers share packing, tiles and drivers. A bf16 is an `f32` rounded to the nearest with eight bits of
//! fraction; products of two are exact in `f32`. A byte is a value over the scale of its row, rounded to the nearest of −127..=127; those of
//! the left operand have 128 added, as the instructions want it, and the sums are exact.

use crate::simd::{Level, Simd};
use crate::tile::Table;

/// What the products of a layer multiply. Sums, activations and states are `f32` in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 24 bits of fraction.
    #[default]
    F32,
    /// bfloat16: 8 bits of fraction, half the memory, and twice the speed and more where the machine multiplies it (AVX512_BF16, AMX).
    Bf16,
    /// Bytes with a scale for each row of the weights, and one for each vector that meets them, taken anew at every step: a quarter of the
    /// memory. For inference only.
    Int8,
}

/// A number of the tiles.
pub(crate) trait Number: Copy + Send + Sync + 'static {
    /// Values in a word.
    const PACK: usize;
    /// Whether sums are integers, to be multiplied by the scales of row and column.
    const SCALED: bool = false;

    /// The register tiles.
    fn table(level: Level) -> &'static Table;

    /// `acc + Σ a·b` over the values of a word.
    ///
    /// # Safety
    /// As [`Simd`].
    unsafe fn multiply_add<S: Simd>(a: S::V, b: S::V, acc: S::V) -> S::V;

    /// What one stands for in a row of words. Not finite where a value is not.
    ///
    /// # Safety
    /// As [`Simd`]; `src` is valid for `values`.
    #[inline(always)]
    unsafe fn scale<S: Simd>(src: *const f32, values: usize) -> f32 {
        let _ = (src, values);
        1.0
    }

    /// `count` words from neighbouring values over `scale`, the last one filled up with zeros.
    ///
    /// # Safety
    /// As [`Simd`]; `src` is valid for `values`, `dst` for `Self::count(values)`.
    unsafe fn store_row<S: Simd>(
        side: Side,
        src: *const f32,
        values: usize,
        scale: f32,
        dst: *mut f32,
    );

    /// Stores LANES neighbouring values as words at value `at` of `dst`. Nothing for a number with scales: those need the whole row.
    ///
    /// # Safety
    /// As [`Simd`]; `at` is a multiple of LANES.
    #[inline(always)]
    unsafe fn store<S: Simd>(dst: *mut f32, at: usize, v: S::V) {
        let _ = (dst, at, v);
    }

    /// Words for `values` neighbouring values.
    fn count(values: usize) -> usize {
        values.div_ceil(Self::PACK)
    }

    /// Words from a row of `values` of a left operand to the next, where the rows were made for the tiles.
    fn row(values: usize) -> usize {
        match Self::PACK {
            1 => values,
            _ => row_stride(Self::count(values)),
        }
    }
}

/// Words from a row of `words` to the next: it starts a line of the cache, and not the same few sets of lines as the others.
pub(crate) fn row_stride(words: usize) -> usize {
    words.next_multiple_of(16) + 16
}

/// Which operand of a product a row belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// A number that needs no scales.
pub(crate) trait Float: Number {
    /// Words of LANES columns from the `PACK` rows of k that they hold, `second` zero past the end.
    ///
    /// # Safety
    /// As [`Simd`].
    unsafe fn words<S: Simd>(first: S::V, second: S::V) -> S::V;
}

#[derive(Clone, Copy)]
pub(crate) struct F32;

impl Number for F32 {
    const PACK: usize = 1;

    fn table(level: Level) -> &'static Table {
        &level.tables().f32
    }

    #[inline(always)]
    unsafe fn multiply_add<S: Simd>(a: S::V, b: S::V, acc: S::V) -> S::V {
        // SAFETY: as the caller promises.
        unsafe { S::fma(a, b, acc) }
    }

    #[inline(always)]
    unsafe fn store_row<S: Simd>(_: Side, src: *const f32, values: usize, _: f32, dst: *mut f32) {
        // SAFETY: as the caller promises.
        unsafe { src.copy_to_nonoverlapping(dst, values) }
    }

    #[inline(always)]
    unsafe fn store<S: Simd>(dst: *mut f32, at: usize, v: S::V) {
        // SAFETY: as the caller promises.
        unsafe { S::store(dst.add(at), v) }
    }
}

impl Float for F32 {
    #[inline(always)]
    unsafe fn words<S: Simd>(first: S::V, _: S::V) -> S::V {
        first
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Bf16;

impl Number for Bf16 {
    const PACK: usize = 2;

    fn table(level: Level) -> &'static Table {
        &level.tables().bf16
    }

    #[inline(always)]
    unsafe fn multiply_add<S: Simd>(a: S::V, b: S::V, acc: S::V) -> S::V {
        // SAFETY: as the caller promises.
        unsafe { S::dot2(a, b, acc) }
    }

    #[inline(always)]
    unsafe fn store_row<S: Simd>(_: Side, src: *const f32, values: usize, _: f32, dst: *mut f32) {
        // SAFETY: as the caller promises; whole vectors are read only where they remain.
        unsafe {
            let whole = values / S::LANES * S::LANES;
            for at in (0..whole).step_by(S::LANES) {
                Self::store::<S>(dst, at, S::load(src.add(at)));
            }
            let bits = |at| {
                u32::from(if at < values {
                    bf16_bits(*src.add(at))
                } else {
                    0
                })
            };
            for at in (whole..values).step_by(2) {
                *dst.add(at / 2) = f32::from_bits(bits(at) | bits(at + 1) << 16);
            }
        }
    }

    #[inline(always)]
    unsafe fn store<S: Simd>(dst: *mut f32, at: usize, v: S::V) {
        // SAFETY: as the caller promises.
        unsafe { S::store_bf16(dst.cast::<u16>().add(at), S::round_bf16(v)) }
    }
}

impl Float for Bf16 {
    #[inline(always)]
    unsafe fn words<S: Simd>(first: S::V, second: S::V) -> S::V {
        // SAFETY: as the caller promises.
        unsafe { S::pair(S::round_bf16(first), S::round_bf16(second)) }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Int8;

impl Int8 {
    /// The word of four zeros of the left operand.
    pub(crate) const LEFT_ZEROS: f32 = f32::from_bits(0x8080_8080);
}

impl Number for Int8 {
    const PACK: usize = 4;
    const SCALED: bool = true;

    fn table(level: Level) -> &'static Table {
        &level.tables().int8
    }

    #[inline(always)]
    unsafe fn multiply_add<S: Simd>(a: S::V, b: S::V, acc: S::V) -> S::V {
        // SAFETY: as the caller promises.
        unsafe { S::dot4(a, b, acc) }
    }

    #[inline(always)]
    unsafe fn scale<S: Simd>(src: *const f32, values: usize) -> f32 {
        // SAFETY: as the caller promises; whole vectors are read only where they remain.
        unsafe {
            // `x·0` is not a number where `x` is not finite, and stays so in the sum.
            let (mut most, mut check) = (S::splat(0.0), S::splat(0.0));
            for at in (0..values).step_by(S::LANES) {
                let left = values - at;
                let x = match left >= S::LANES {
                    true => S::load(src.add(at)),
                    false => S::load_partial(src.add(at), left),
                };
                most = S::max(S::abs(x), most);
                check = S::fma(x, S::splat(0.0), check);
            }
            S::largest(most) / 127.0 + S::sum(check)
        }
    }

    #[inline(always)]
    unsafe fn store_row<S: Simd>(
        side: Side,
        src: *const f32,
        values: usize,
        scale: f32,
        dst: *mut f32,
    ) {
        let offset = match side {
            Side::Left => 128,
            Side::Right => 0,
        };
        // A row of zeros has the scale 0; one that is not finite is marked by its scale.
        let per = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        // SAFETY: as the caller promises; whole vectors are read only where they remain, and written where their words are.
        unsafe {
            let dst = dst.cast::<u8>();
            let nearest = |x: S::V| {
                // The scale's rounding may lead a little beyond 127.
                let x = S::mul(x, S::splat(per));
                S::min(S::splat(127.0), S::max(S::splat(-127.0), x))
            };
            let whole = values / S::LANES * S::LANES;
            for at in (0..whole).step_by(S::LANES) {
                S::store_bytes(dst.add(at), nearest(S::load(src.add(at))), offset);
            }
            if whole < values {
                let mut bytes = [0; 16];
                let x = S::load_partial(src.add(whole), values - whole);
                S::store_bytes(bytes.as_mut_ptr(), nearest(x), offset);
                let last = (values - whole).next_multiple_of(4);
                dst.add(whole)
                    .copy_from_nonoverlapping(bytes.as_ptr(), last);
            }
        }
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
