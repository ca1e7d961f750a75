//! The numbers that the register tiles multiply: `f32`, pairs of bfloat16 accumulated in `f32`, or quadruples of bytes
//! accumulated in integers.
//!
//! Operands of a product stand in *words* of 32 bits, one `f32`, two neighbouring bf16 along k (the first in the low
//! half) or four neighbouring bytes, so that all numbers share packing, tiles and drivers. A bf16 is an `f32` rounded
//! to the nearest with eight bits of fraction; products of two are exact in `f32`. A byte is a value over the scale of
//! its row, rounded to the nearest of −127..=127; those of the left operand have 128 added, as the instructions want
//! it, and the sums are exact.

use crate::call::Precision;
use crate::simd::{Simd, bf16_bits};

/// A number of the tiles.
pub(crate) trait Number: Copy + Send + Sync + 'static {
    /// Its name at run time.
    const PRECISION: Precision;
    /// Values in a word.
    const PACK: usize;
    /// Whether sums are integers, to be multiplied by the scales of row and column.
    const SCALED: bool = false;

    /// `acc + Σ a·b` over the values of a word.
    ///
    /// # Safety
    /// As [`Simd`].
    unsafe fn multiply_add<S: Simd>(a: S::V, b: S::V, acc: S::V) -> S::V;

    /// The value of a 1 in a row of words. Not finite if one of the values is not.
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

    /// Stores LANES neighbouring values as words at value `at` of `dst`. Nothing for a number with scales: those need
    /// the whole row.
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

/// Words from a row of `words` to the next: it starts a line of the cache, and not the same few sets of lines as the
/// others.
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
    const PRECISION: Precision = Precision::F32;
    const PACK: usize = 1;

    #[inline(always)]
    unsafe fn multiply_add<S: Simd>(a: S::V, b: S::V, acc: S::V) -> S::V {
        // SAFETY: the contract is that of `Simd` and of the lengths given, which the caller keeps.
        unsafe { S::fma(a, b, acc) }
    }

    #[inline(always)]
    unsafe fn store_row<S: Simd>(_: Side, src: *const f32, values: usize, _: f32, dst: *mut f32) {
        // SAFETY: the contract is that of `Simd` and of the lengths given, which the caller keeps.
        unsafe { src.copy_to_nonoverlapping(dst, values) }
    }

    #[inline(always)]
    unsafe fn store<S: Simd>(dst: *mut f32, at: usize, v: S::V) {
        // SAFETY: the contract is that of `Simd` and of the lengths given, which the caller keeps.
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
    const PRECISION: Precision = Precision::Bf16;
    const PACK: usize = 2;

    #[inline(always)]
    unsafe fn multiply_add<S: Simd>(a: S::V, b: S::V, acc: S::V) -> S::V {
        // SAFETY: the contract is that of `Simd` and of the lengths given, which the caller keeps.
        unsafe { S::dot2(a, b, acc) }
    }

    #[inline(always)]
    unsafe fn store_row<S: Simd>(_: Side, src: *const f32, values: usize, _: f32, dst: *mut f32) {
        // SAFETY: the caller keeps the lengths; whole vectors are read only where LANES values remain.
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
        // SAFETY: the contract is that of `Simd` and of the lengths given, which the caller keeps.
        unsafe { S::store_rounded(dst.cast::<u16>().add(at), v) }
    }
}

impl Float for Bf16 {
    #[inline(always)]
    unsafe fn words<S: Simd>(first: S::V, second: S::V) -> S::V {
        // SAFETY: the contract is that of `Simd` and of the lengths given, which the caller keeps.
        unsafe { S::round_pair(first, second) }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Int8;

impl Int8 {
    /// The word of four zeros of the left operand.
    pub(crate) const LEFT_ZEROS: f32 = f32::from_bits(0x8080_8080);
}

impl Number for Int8 {
    const PRECISION: Precision = Precision::Int8;
    const PACK: usize = 4;
    const SCALED: bool = true;

    #[inline(always)]
    unsafe fn multiply_add<S: Simd>(a: S::V, b: S::V, acc: S::V) -> S::V {
        // SAFETY: the contract is that of `Simd` and of the lengths given, which the caller keeps.
        unsafe { S::dot4(a, b, acc) }
    }

    #[inline(always)]
    unsafe fn scale<S: Simd>(src: *const f32, values: usize) -> f32 {
        // SAFETY: the caller keeps the lengths; whole vectors are read only where LANES values remain.
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
        // SAFETY: the caller keeps the lengths; whole vectors are read only where LANES values remain, and their words
        // are written at most to the last one of the row.
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
