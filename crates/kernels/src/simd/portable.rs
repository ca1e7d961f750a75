//! Arrays of eight floats in plain Rust; the compiler uses what the target has (SSE2, NEON, …).

use super::{Simd, bf16_bits};

#[derive(Clone, Copy)]
pub(crate) struct Portable;

type V = [f32; 8];

#[inline(always)]
fn map(a: V, f: impl Fn(f32) -> f32) -> V {
    std::array::from_fn(|i| f(a[i]))
}

#[inline(always)]
fn zip(a: V, b: V, f: impl Fn(f32, f32) -> f32) -> V {
    std::array::from_fn(|i| f(a[i], b[i]))
}

// SAFETY: plain Rust on values; loads and stores touch only the elements they are given.
unsafe impl Simd for Portable {
    const LANES: usize = 8;
    type V = V;

    #[inline(always)]
    unsafe fn splat(x: f32) -> V {
        [x; 8]
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> V {
        // SAFETY: the caller gives eight readable elements.
        unsafe { p.cast::<V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: V) {
        // SAFETY: the caller gives eight writable elements.
        unsafe { p.cast::<V>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_partial(p: *const f32, n: usize) -> V {
        // SAFETY: the caller gives n readable elements.
        std::array::from_fn(|i| if i < n { unsafe { *p.add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store_partial(p: *mut f32, v: V, n: usize) {
        for (i, x) in v.into_iter().enumerate().take(n) {
            // SAFETY: the caller gives n writable elements.
            unsafe { *p.add(i) = x }
        }
    }
    #[inline(always)]
    unsafe fn fma(a: V, b: V, c: V) -> V {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn add(a: V, b: V) -> V {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: V, b: V) -> V {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: V, b: V) -> V {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(a: V, b: V) -> V {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn recip(b: V) -> V {
        b.map(|b| 1.0 / b)
    }
    #[inline(always)]
    unsafe fn max(a: V, b: V) -> V {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(a: V, b: V) -> V {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn round(a: V) -> V {
        // Adding and subtracting 1.5·2²³ rounds |x| < 2²² to the nearest even without a library call.
        const MAGIC: f32 = 12_582_912.0;
        map(a, |x| (x + MAGIC) - MAGIC)
    }
    #[inline(always)]
    unsafe fn scale2(a: V, n: V) -> V {
        zip(a, n, |a, n| {
            a * f32::from_bits(((n as i32 + 127) << 23) as u32)
        })
    }
    #[inline(always)]
    unsafe fn abs(a: V) -> V {
        map(a, f32::abs)
    }
    #[inline(always)]
    unsafe fn where_positive(x: V, a: V) -> V {
        zip(x, a, |x, a| if x > 0.0 { a } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn round_bf16(a: V) -> V {
        map(a, |x| f32::from_bits(u32::from(bf16_bits(x)) << 16))
    }
    #[inline(always)]
    unsafe fn pair(low: V, high: V) -> V {
        zip(low, high, |low, high| {
            f32::from_bits(low.to_bits() >> 16 | high.to_bits())
        })
    }
    #[inline(always)]
    unsafe fn store_bf16(p: *mut u16, a: V) {
        for (i, x) in a.into_iter().enumerate() {
            // SAFETY: the caller gives eight writable elements.
            unsafe { *p.add(i) = (x.to_bits() >> 16) as u16 }
        }
    }
    #[inline(always)]
    unsafe fn unpair(words: V) -> [V; 2] {
        [
            map(words, |w| f32::from_bits(w.to_bits() << 16)),
            map(words, |w| f32::from_bits(w.to_bits() & 0xffff_0000)),
        ]
    }
    #[inline(always)]
    unsafe fn dot4(a: V, b: V, acc: V) -> V {
        std::array::from_fn(|i| {
            let bytes = a[i].to_bits().to_le_bytes().into_iter();
            let products = bytes
                .zip(b[i].to_bits().to_le_bytes())
                .map(|(a, b)| i32::from(a) * i32::from(b as i8));
            f32::from_bits((acc[i].to_bits() as i32 + products.sum::<i32>()) as u32)
        })
    }
    #[inline(always)]
    unsafe fn integers(a: V, b: V) -> V {
        zip(a, b, |a, b| {
            (a.to_bits() as i32).wrapping_sub(b.to_bits() as i32) as f32
        })
    }
    #[inline(always)]
    unsafe fn transpose(src: *const f32, src_stride: usize, dst: *mut f32, dst_stride: usize) {
        // SAFETY: the caller gives blocks of LANES rows and columns.
        unsafe { super::transpose_scalar::<Self>(src, src_stride, dst, dst_stride) }
    }
}
